"""The metrics block of result.json: what a job's input and its arrays say of its quality."""

import numpy as np
import pytest

from harness import forward, metrics, photon_limit, quality, resources, schemas
from harness.errors import InputInvalid
from tests.small_scan import FRAME_PX, OBJECT, between_pixels, noisy

DOSE = 100_000
ARRAYS = noisy(DOSE)
FRAMES = quality.frames_of(ARRAYS, truth_present=True, shape=OBJECT.shape)


def measured(object_, frames=FRAMES):
    return quality.measure(frames, object_.astype(np.complex64), frames.probe)


def breaches(block):
    schema = resources.schema("attestation")
    part = {"$schema": schema["$schema"], **schema["properties"]["metrics"]}
    whole = block | {"between_halves": None}
    return schemas.check(whole, part, name="attestation", where="metrics")


def test_the_truth_itself_has_no_error_and_predicts_its_frames():
    block = measured(OBJECT)
    assert breaches(block) == ()
    assert block["against_truth"]["complex_nrmse"] < 1e-6
    assert block["against_truth"]["mask"]["pixels"] > 1000
    # Each pixel that sees light has a deviance of about one.
    assert 0 < block["without_truth"]["poisson_deviance_per_photon"] < FRAME_PX**2 / DOSE
    # The root of a Poisson count strays by a standard deviation of about a half.
    largest = 0.5 * FRAMES.counts.size / np.sqrt(FRAMES.counts).sum()
    assert 0 < block["without_truth"]["r_factor"] < largest


def test_coverage_is_told_of_the_scan_whatever_was_made_of_it():
    right, wrong = (measured(object_)["coverage"] for object_ in (OBJECT, np.abs(OBJECT)))
    assert right == wrong
    assert right["reconstructible"] is True
    few = quality.Frames(FRAMES.counts[:2], FRAMES.probe, FRAMES.corners[[0, -1]], None)
    assert measured(OBJECT, few)["coverage"]["reconstructible"] is False


def test_a_wrong_object_is_worse_with_a_truth_and_without():
    right, wrong = measured(OBJECT), measured(np.abs(OBJECT))
    assert wrong["against_truth"]["phase_rmse_rad"] > 0.1
    for name in ("poisson_deviance_per_photon", "r_factor"):
        assert wrong["without_truth"][name] > 2 * right["without_truth"][name]


def test_the_photon_limit_falls_with_the_root_of_the_dose():
    dim = quality.frames_of(noisy(DOSE // 100), truth_present=True, shape=OBJECT.shape)
    many, few = (measured(OBJECT, frames)["photon_limit"] for frames in (FRAMES, dim))
    for name in ("photon_limit_phase_rad", "simple_phase_rad"):
        assert few[name] == pytest.approx(10 * many[name], rel=0.02)
    assert many["photon_limit_phase_rad"] > many["simple_phase_rad"]
    assert many["relative_residual"] < 0.05


def test_mask_and_limit_follow_a_probe_that_lies_between_pixels():
    frames = quality.frames_of(between_pixels(DOSE), truth_present=True, shape=OBJECT.shape)
    block = measured(OBJECT, frames)
    placed = (frames.corners, OBJECT.shape, frames.shifts_px)
    mask = metrics.lit_mask(forward.illumination(frames.probe, *placed))
    rounded = metrics.lit_mask(forward.illumination(frames.probe, *placed[:2]))
    digest = block["against_truth"]["mask"]["sha256"]
    assert digest == mask.as_record()["sha256"] != rounded.as_record()["sha256"]
    limit = block["photon_limit"]
    assert limit["photon_limit_phase_rad"] > limit["simple_phase_rad"]


def test_mask_and_limit_are_in_photons_of_the_scan():
    block = measured(OBJECT)
    # The file's probe is unitary and as bright as the frames.
    light = forward.illumination(FRAMES.probe, FRAMES.corners, OBJECT.shape)
    mask = metrics.lit_mask(light)
    stated = block["against_truth"]["mask"]["threshold_photons"]
    assert stated == pytest.approx(mask.threshold_photons, rel=0.01)
    phase = photon_limit.simple_phase_rad(light, OBJECT)[mask.values]
    expected = np.sqrt((phase**2).mean())
    assert block["photon_limit"]["simple_phase_rad"] == pytest.approx(expected, rel=0.01)


def test_mask_and_limit_are_the_same_however_bright_the_probe_of_the_file_is():
    """They are of the photons that were counted, not of those that the probe would make."""
    bright = {**ARRAYS, "probeGuess": 7 * ARRAYS["probeGuess"]}
    frames = quality.frames_of(bright, truth_present=True, shape=OBJECT.shape)
    found, known = measured(OBJECT, frames), measured(OBJECT)
    masks = [block["against_truth"]["mask"]["threshold_photons"] for block in (found, known)]
    assert masks[0] == pytest.approx(masks[1], rel=1e-5)
    for name in ("photon_limit_phase_rad", "simple_phase_rad"):
        limits = [block["photon_limit"][name] for block in (found, known)]
        assert limits[0] == pytest.approx(limits[1], rel=1e-5)


def test_an_error_as_small_as_the_limit_is_at_the_limit_in_each_band():
    light = forward.illumination(FRAMES.probe, FRAMES.corners, OBJECT.shape)
    fisher = photon_limit.Fisher.of(FRAMES.probe, OBJECT, FRAMES.corners)
    error, _ = photon_limit.efficient_error(fisher, light, seed=99)
    limit = measured(OBJECT + error)["photon_limit"]
    whole = limit["resolvable_band"]
    assert whole["phase_rmse_rad"] == pytest.approx(whole["photon_limit_phase_rad"], rel=0.2)
    # A factor and a ramp are taken out of the slowest band.
    for band in limit["bands"][1:]:
        assert band["phase_rmse_rad"] == pytest.approx(band["photon_limit_phase_rad"], rel=0.35)


def test_without_a_truth_what_needs_one_is_null():
    frames = quality.frames_of(ARRAYS, truth_present=False, shape=OBJECT.shape)
    block = measured(OBJECT, frames)
    assert breaches(block) == ()
    assert block["against_truth"] is None
    assert block["photon_limit"] is None
    assert block["without_truth"]["r_factor"] > 0


def test_an_object_that_is_not_finite_leaves_nulls_and_reasons():
    broken = OBJECT.copy()
    broken[50, 50] = np.nan
    block = measured(broken)
    assert breaches(block) == ()
    assert block["against_truth"]["complex_nrmse"] is None
    assert "NaN" in block["against_truth"]["undefined"]["all"]
    assert block["without_truth"]["r_factor"] is None
    assert block["photon_limit"]["bands"] == []


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("probeGuess", lambda values: values[:-2, :-2]),
        ("objectGuess", lambda values: values[:-1]),
        ("diffraction", lambda values: values[:-1]),
        ("diffraction", lambda values: values[0]),
        ("xcoords", lambda values: values + 1000),
        ("xcoords", lambda values: values[:-1]),
        ("probeGuess", lambda values: None),
        ("probeGuess", np.abs),
        ("ycoords", lambda values: values.astype(str)),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused(name, change):
    changed = {**ARRAYS, name: change(ARRAYS[name])}
    with pytest.raises(InputInvalid):
        quality.frames_of(changed, truth_present=True, shape=OBJECT.shape)


def test_dark_frames_have_no_scale():
    dark = {**ARRAYS, "diffraction": 0 * ARRAYS["diffraction"]}
    with pytest.raises(InputInvalid, match="dark"):
        measured(OBJECT, quality.frames_of(dark, truth_present=True, shape=OBJECT.shape))


def test_the_resolution_ends_the_band_and_is_in_metres_where_the_pixel_size_is_known():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=OBJECT.shape) + 1j * rng.normal(size=OBJECT.shape)
    known = quality.frames_of(ARRAYS, truth_present=True, shape=OBJECT.shape, pixel_size_m=2e-8)
    rows, columns = (np.fft.fftfreq(size) for size in OBJECT.shape)
    low = np.fft.ifft2(np.fft.fft2(OBJECT) * (np.hypot(rows[:, None], columns) < 0.2))
    block = measured(low + 0.05 * noise, known)
    record, limit = block["against_truth"], block["photon_limit"]
    pixels = record["frc_half_bit_resolution_px"]
    assert limit["resolvable_band"]["to_cycles_per_px"] == pytest.approx(0.5 / pixels)
    assert record["frc_half_bit_resolution_m"] == pytest.approx(2e-8 * pixels)


def test_where_the_first_ring_is_not_resolved_there_is_no_resolvable_band():
    rng = np.random.default_rng(4)
    block = measured(rng.normal(size=OBJECT.shape) + 1j * rng.normal(size=OBJECT.shape))
    assert breaches(block) == ()
    record, limit = block["against_truth"], block["photon_limit"]
    assert "from the first ring on" in record["undefined"]["frc_half_bit_resolution_px"]
    assert limit["resolvable_band"] is None
    assert len(limit["bands"]) == 8
    assert measured(OBJECT)["photon_limit"]["resolvable_band"]["to_cycles_per_px"] == 0.5


@pytest.mark.parametrize("size", [0, -1e-9, "small", True, float("nan"), float("inf")])
def test_a_pixel_size_that_is_no_length_is_refused(size):
    with pytest.raises(InputInvalid):
        quality.frames_of(ARRAYS, truth_present=True, shape=OBJECT.shape, pixel_size_m=size)
