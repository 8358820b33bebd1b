"""Agreement of two halves of the frames, on halves whose difference is known."""

import numpy as np
import pytest

from harness import forward, frc, halves, metrics, resources, schemas
from harness.errors import InputInvalid
from tests.small_scan import OBJECT, POSITIONS_PX, PROBE, moved

ROWS, COLUMNS = np.indices(OBJECT.shape)
NYQUIST_PER_PX = 0.5


def noise(seed, relative):
    rng = np.random.default_rng(seed)
    return relative * (rng.normal(size=OBJECT.shape) + 1j * rng.normal(size=OBJECT.shape))


def arrays(one, other, **changed):
    return {
        "object_half_a": one.astype(np.complex64),
        "object_half_b": other.astype(np.complex64),
        "probe": PROBE[None].astype(np.complex64),
        "positions_x_px": POSITIONS_PX[:, 1].astype(np.float32),
        "positions_y_px": POSITIONS_PX[:, 0].astype(np.float32),
        **changed,
    }


def measured(one, other, pixel_size_m=None, **changed):
    record = halves.measure(arrays(one, other, **changed), pixel_size_m)
    schema = resources.schema("attestation")
    part = {"$schema": schema["$schema"], **schema["properties"]["metrics"]["properties"]}
    whole = {"$schema": part["$schema"], **part["between_halves"]}
    assert schemas.check(record, whole, name="attestation", where="halves") == ()
    return record


def correlations(record):
    return np.array([ring["correlation"] for ring in record["rings"]])


def low(image, cutoff):
    rows, columns = (np.fft.fftfreq(size) for size in image.shape)
    return np.fft.ifft2(np.fft.fft2(image) * (np.hypot(rows[:, None], columns) < cutoff))


@pytest.mark.parametrize("count", [4, 5, 98])
def test_the_halves_are_disjoint_and_together_every_frame(count):
    one, other = halves.split(count)
    assert sorted([*one, *other]) == list(range(count))
    assert abs(len(one) - len(other)) <= 1


def test_too_few_frames_have_no_halves():
    with pytest.raises(InputInvalid, match="3 frames"):
        halves.split(3)


def test_the_same_object_twice_agrees_wholly_whatever_factor_ramp_and_shift_it_has():
    other = 0.5j * moved(OBJECT, 0.4, -1.2) * np.exp(1j * (0.05 * ROWS - 0.02 * COLUMNS))
    record = measured(OBJECT, other)
    assert correlations(record).mean() > 0.98
    assert correlations(record).min() > 0.9
    assert record["half_bit_resolution_px"] is None
    assert "stays above" in record["undefined"]
    assert record["registration_shift_px"] == pytest.approx([0.4, -1.2], abs=0.02)
    assert record["ramp_rad_per_px"] == pytest.approx([-0.05, 0.02], abs=1e-3)
    assert record["frames"] == [15, 15]


def test_objects_of_independent_noise_do_not_agree():
    record = measured(noise(1, 1.0), noise(2, 1.0))
    assert np.abs(correlations(record)[4:]).max() < 0.5
    resolution_px = record["half_bit_resolution_px"]
    assert resolution_px is None or resolution_px > 3


@pytest.mark.parametrize("cutoff", [0.15, 0.3])
def test_halves_that_share_what_is_below_a_frequency_resolve_half_its_period(cutoff):
    rng = np.random.default_rng(3)
    shared = rng.normal(size=OBJECT.shape) + 1j * rng.normal(size=OBJECT.shape)
    shared = 10 * low(shared, cutoff)
    record = measured(shared + noise(4, 1.0), shared + noise(5, 1.0), pixel_size_m=2e-8)
    rows = record["square_px"]["rows"]
    step = 1 / (rows[1] - rows[0])
    # The window's main lobe carries the signal up to two rings further.
    assert cutoff - step < 0.5 / record["half_bit_resolution_px"] < cutoff + 3 * step
    expected = 2e-8 * record["half_bit_resolution_px"]
    assert record["half_bit_resolution_m"] == pytest.approx(expected)
    assert record["undefined"] is None


def test_a_signal_as_strong_as_its_noise_correlates_by_a_half():
    """FRC = S / (S + N) for equal power S of the signal and N of either noise."""
    rng = np.random.default_rng(6)
    shared = rng.normal(size=OBJECT.shape) + 1j * rng.normal(size=OBJECT.shape)
    record = measured(shared + noise(7, 1.0), shared + noise(8, 1.0))
    assert correlations(record)[4:].mean() == pytest.approx(0.5, abs=0.1)


def test_the_square_is_lit_by_both_halves():
    record = measured(OBJECT, OBJECT)
    arrays_ = arrays(OBJECT, OBJECT)
    corners = forward.patch_corners(
        arrays_["positions_x_px"], arrays_["positions_y_px"], PROBE.shape[-1], OBJECT.shape
    )
    rows, columns = (slice(*record["square_px"][name]) for name in ("rows", "columns"))
    for part in (corners[0::2], corners[1::2]):
        light = forward.illumination(PROBE[None], part, OBJECT.shape)
        assert metrics.lit_mask(light).values[rows, columns].all()


def test_probes_between_pixels_light_what_lies_beside_their_patches():
    beside_px = np.random.default_rng(5).uniform(-0.5, 0.5, POSITIONS_PX.shape)
    y_px, x_px = (np.rint(POSITIONS_PX) + beside_px).T
    record = measured(OBJECT, OBJECT, positions_x_px=x_px, positions_y_px=y_px)
    corners = forward.patch_corners(x_px, y_px, PROBE.shape[-1], OBJECT.shape)
    square = square_lit_by_both(corners, beside_px)
    assert square != square_lit_by_both(corners, 0 * beside_px)
    assert square == tuple(slice(*record["square_px"][name]) for name in ("rows", "columns"))


def square_lit_by_both(corners, shifts_px):
    """The largest square in what the probes of either half light."""
    one, other = (
        metrics.lit_mask(
            forward.illumination(PROBE[None], corners[half::2], OBJECT.shape, shifts_px[half::2])
        ).values
        for half in (0, 1)
    )
    return frc.largest_square(one & other)


def test_halves_that_cannot_be_compared_say_why():
    record = measured(0 * OBJECT, OBJECT)
    assert record["undefined"] == "one of the halves dark over the mask"
    assert (record["rings"], record["half_bit_resolution_px"]) == ([], None)
    broken = OBJECT.astype(np.complex64)
    broken[50, 50] = np.nan
    assert "NaN" in measured(OBJECT, broken)["undefined"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("object_half_b", None),
        ("object_half_a", OBJECT[:-1]),
        ("probe", PROBE),
        ("positions_x_px", np.zeros(2)),
        ("positions_y_px", POSITIONS_PX[:, 0][None]),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused(name, value):
    with pytest.raises(InputInvalid):
        halves.measure(arrays(OBJECT, OBJECT, **{name: value}), None)
