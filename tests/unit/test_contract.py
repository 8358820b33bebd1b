"""The contract's rules over descriptions, and a study's claims against them."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from harness import arrays, base, claims, contract, npz, rules, simulate
from harness.design import View
from harness.reconstruction import get_study_design
from harness.resources import schema
from tests import npz_files

DENSE = View("dense", "D", 2, 0.7)
SPARSE = View("sparse", "D", 2, 0.2)
BASELINE = View("baseline", "C", 1)


def check(description):
    return contract.check(description, schema=schema("npz_input"))


def ids(found):
    return [one.rule for one in found]


def read(tmp_path, arrays, name="x.npz"):
    return npz.read(npz_files.save(tmp_path / name, arrays), shown_as=name)


@pytest.fixture
def sound(tmp_path):
    return read(tmp_path, npz_files.scan_arrays()).description


@pytest.fixture
def phase_d(tmp_path):
    arrays = npz_files.scan_arrays() | {"_metadata": npz_files.metadata_text()}
    return read(tmp_path, arrays).description


# DATA-001


def test_a_sound_input_has_no_finding(sound, phase_d):
    assert check(sound) == check(phase_d) == ()


def test_all_findings_are_reported_at_once_with_their_places(tmp_path):
    arrays = npz_files.scan_arrays()
    arrays["diffraction"][0, 0, 0] = -1
    arrays["objectGuess"][0, 0] = np.nan
    arrays["xcoords"] = arrays["xcoords"][:-1]
    arrays["probeGuess"] = np.ones((64, 64), np.complex64)
    found = check(read(tmp_path, arrays).description)
    assert [(one.rule, one.pointer) for one in found] == [
        ("npz.equal-n", "xcoords"),
        ("npz.frame-side", "probeGuess"),
        ("npz.finite", "objectGuess"),
        ("npz.amplitude-negative", "diffraction"),
    ]
    assert {one.where for one in found} == {"x.npz"}


def test_checking_twice_gives_the_same_findings_in_the_same_order(tmp_path):
    description = read(tmp_path, {"diffraction": np.zeros((2, 3, 4)), "b": np.zeros(1)}).description
    assert check(description) == check(copy.deepcopy(description))


def test_transposed_frames_get_one_message_that_names_the_way_out(tmp_path):
    arrays = npz_files.scan_arrays()
    arrays["diffraction"] = np.moveaxis(arrays["diffraction"], 0, -1)
    (found,) = check(read(tmp_path, arrays).description)
    assert (found.rule, found.found) == ("npz.axis-order", "(32, 32, 12)")
    assert found.expected == "(12, 32, 32)"
    assert "moveaxis" in rules.as_text(found)


def test_as_many_frames_as_pixels_along_a_side_are_no_transposed_frames(tmp_path):
    arrays = npz_files.scan_arrays(frames=32)
    assert check(read(tmp_path, arrays).description) == ()


def test_an_empty_archive_lacks_every_required_key(tmp_path):
    found = check(read(tmp_path, {}).description)
    assert ids(found) == ["npz.key-missing"] * 5
    assert [one.pointer for one in found] == list(contract.REQUIRED_KEYS)


def test_a_member_that_cannot_be_read_is_not_said_to_be_missing(tmp_path):
    arrays = npz_files.scan_arrays() | {"xcoords": np.array([None] * 12)}
    reading = read(tmp_path, arrays)
    assert ids(reading.findings) == ["npz.pickled"]
    (found,) = check(reading.description)
    assert (found.rule, found.pointer) == ("schema.npz_input", "/unreadable")


def test_a_malformed_description_is_judged_by_its_schema_alone(sound):
    for broken in ({}, {"arrays": []}, sound | {"statistics": {}}, sound | {"arrays": {"a": 1}}):
        assert set(ids(check(broken))) == {"schema.npz_input"}


@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize(("shift_px", "fits"), [(0.0, True), (-0.0005, True), (-0.01, False)])
def test_a_patch_must_fit_into_the_object_at_its_low_edge(tmp_path, axis, shift_px, fits):
    arrays = npz_files.scan_arrays()
    arrays[f"{axis}coords"] = arrays[f"{axis}coords"].astype(np.float64)
    arrays[f"{axis}coords"][0] += shift_px
    found = check(read(tmp_path, arrays).description)
    assert [(one.rule, one.pointer) for one in found] == (
        [] if fits else [("npz.positions-outside", f"{axis}coords")]
    )


@pytest.mark.parametrize(("axis", "highest_px"), [("x", 72 - 16), ("y", 62 - 16)])
def test_a_patch_must_fit_into_the_object_at_its_high_edge(tmp_path, axis, highest_px):
    arrays = npz_files.scan_arrays()
    assert arrays["objectGuess"].shape == (62, 72)
    arrays[f"{axis}coords"][-1] = highest_px
    assert check(read(tmp_path, arrays).description) == ()
    arrays[f"{axis}coords"][-1] = highest_px + 1
    assert ids(check(read(tmp_path, arrays).description)) == ["npz.positions-outside"]


def test_swapped_x_and_y_leave_an_object_that_is_not_square(tmp_path):
    arrays = npz_files.scan_arrays(frames=24)
    arrays["xcoords"], arrays["ycoords"] = arrays["ycoords"], arrays["xcoords"]
    arrays["objectGuess"] = arrays["objectGuess"][:, :62]
    assert "npz.positions-outside" in ids(check(read(tmp_path, arrays).description))


def far_field(wave):
    return np.abs(np.fft.fftshift(np.fft.fft2(wave, axes=(-2, -1)), axes=(-2, -1)))


def optics_of(kind):
    """Return frames with the zero frequency in the centre, of one kind of scan."""
    rng = np.random.default_rng(3)
    y, x = np.indices((64, 64)) - 31.5
    disc = np.hypot(y, x) < 12
    if kind == "few photons":
        return np.sqrt(rng.poisson(far_field(disc * np.ones((12, 1, 1))) ** 2 * 1e-5))
    if kind == "a stop in the middle":
        return far_field(disc * np.ones((12, 1, 1))) * (np.hypot(y, x) > 8)
    if kind == "a wide ring":
        return np.ones((12, 1, 1)) * ((np.hypot(y, x) > 20) & (np.hypot(y, x) < 26))
    if kind == "a diffuser":
        return far_field(disc * np.exp(2j * np.pi * rng.random((12, 64, 64))))
    return far_field(disc * np.ones((12, 1, 1)))


def bright_corners(tmp_path, frames):
    arrays = npz_files.scan_arrays(frame_px=64)
    arrays["diffraction"] = frames.astype(np.float32)
    found = check(read(tmp_path, arrays).description)
    assert rules.errors(found) == ()
    return "npz.zero-frequency-in-corner" in ids(found)


@pytest.mark.parametrize("kind", ["plain", "few photons"])
def test_frames_with_the_zero_frequency_in_the_corner_draw_a_note(tmp_path, kind):
    frames = optics_of(kind)
    assert not bright_corners(tmp_path, frames)
    assert bright_corners(tmp_path, np.fft.ifftshift(frames, axes=(-2, -1)))


@pytest.mark.parametrize("kind", ["a stop in the middle", "a wide ring", "a diffuser"])
def test_a_dark_middle_alone_draws_no_note(tmp_path, kind):
    assert not bright_corners(tmp_path, optics_of(kind))


@pytest.mark.parametrize("preset_name", ["smoke", "default"])
def test_inputs_of_the_study_keep_their_light_out_of_the_corners(preset_name):
    design = get_study_design()
    preset = design.presets[preset_name]
    scene = base.embedded(preset, design.seeds)
    frames = simulate.intensities(scene.object_, scene.probe, scene.positions_px[::10])
    for frame in frames:
        summary = arrays.FrameSummary(frame.shape)
        summary.add(np.sqrt(frame).ravel(), finite=True)
        assert summary.as_record()["corner_light_fraction"] < 0.05


def test_notes_are_no_errors(tmp_path):
    arrays = npz_files.scan_arrays()
    arrays["diffraction"] = arrays["diffraction"].astype(np.float64)
    arrays["extra"] = np.zeros(3)
    found = check(read(tmp_path, arrays).description)
    assert [(one.rule, one.severity) for one in found] == [
        ("npz.unknown-key", "note"),
        ("npz.double-precision", "note"),
    ]


def test_a_single_position_is_neither_constant_nor_twice_there(tmp_path):
    arrays = npz_files.scan_arrays(frames=1)
    assert check(read(tmp_path, arrays).description) == ()


# Claims


def claim(view=DENSE, dose_photons=1000, **changes):
    return contract.InputClaim(
        **{"dose_photons": dose_photons, "view": view, "split": "train", "neighbor_count": 7}
        | changes
    )


def test_an_honest_phase_d_input_bears_out_its_claims(phase_d):
    assert contract.check_claims(phase_d, claim(frame_px=32)) == ()


def test_an_honest_phase_c_input_needs_no_metadata(sound):
    assert contract.check_claims(sound, claim(BASELINE)) == ()


def test_phase_d_requires_metadata(sound):
    (found,) = contract.check_claims(sound, claim())
    assert (found.rule, found.pointer) == ("claim.metadata", "_metadata")


def test_metadata_that_cannot_be_read_is_not_said_to_be_missing(tmp_path):
    arrays = npz_files.scan_arrays() | {"_metadata": np.array([None], dtype=object)}
    assert contract.check_claims(read(tmp_path, arrays).description, claim()) == ()


@pytest.mark.parametrize("key", claims.PHASE_D_KEYS)
def test_phase_d_requires_each_key(phase_d, key):
    del phase_d["metadata"][key]
    (found,) = contract.check_claims(phase_d, claim())
    assert (found.rule, found.expected) == ("claim.metadata", f"{key}, as Phase D requires")


@pytest.mark.parametrize("claimed_photons", [100, 833, 1250, 10000])
def test_a_wrong_dose_is_caught(phase_d, claimed_photons):
    found = contract.check_claims(phase_d, claim(dose_photons=claimed_photons))
    errors = [one for one in found if one.severity == "error"]
    assert [(one.rule, one.pointer) for one in errors] == [("claim.dose", "diffraction")]


@pytest.mark.parametrize("factor", [0.7, 1.3])
def test_the_counts_decide_and_not_what_metadata_says(tmp_path, factor):
    arrays = npz_files.scan_arrays(dose_photons=1000 * factor)
    arrays["_metadata"] = npz_files.metadata_text(dose_photons=1000)
    found = contract.check_claims(read(tmp_path, arrays).description, claim())
    assert [(one.rule, one.pointer) for one in found] == [("claim.dose", "diffraction")]


def test_the_tolerance_is_the_documented_formula():
    assert claims.dose_tolerance(1000, 100, 0.2) == pytest.approx(
        0.05 + 3 * ((0.04 + 0.001) / 100) ** 0.5
    )
    assert claims.dose_tolerance(1e12, 4, 0.0) == pytest.approx(0.05 + 3 * 0.1 / 2)


def test_the_dose_may_be_off_up_to_the_tolerance_and_no_further(phase_d):
    numbers = phase_d["statistics"]
    edge = claims.dose_tolerance(1000, 12, numbers["photons_relative_sd"])
    for deviation, caught in ((edge - 1e-6, False), (edge + 1e-6, True)):
        for sign in (-1, 1):
            numbers["mean_photons_per_frame"] = 1000 * (1 + sign * deviation)
            assert bool(contract.check_claims(phase_d, claim())) is caught


@pytest.mark.parametrize("mean", [None, 0.0])
def test_a_dose_that_cannot_be_counted_is_not_borne_out(phase_d, mean):
    phase_d["statistics"]["mean_photons_per_frame"] = mean
    assert ids(contract.check_claims(phase_d, claim())) == ["claim.dose"]


def test_positions_closer_than_the_view_allows_are_caught(phase_d):
    phase_d["statistics"]["spacing_min_px"] = 9.59
    (found,) = contract.check_claims(phase_d, claim())
    assert (found.rule, found.expected) == ("claim.spacing", "centres 9.6 px apart")


def test_a_spacing_at_the_threshold_is_enough(phase_d):
    phase_d["statistics"]["spacing_min_px"] = 9.6 - 1e-4
    assert contract.check_claims(phase_d, claim()) == ()


def test_a_single_position_has_no_spacing_to_check(phase_d):
    phase_d["statistics"]["spacing_min_px"] = None
    assert contract.check_claims(phase_d, claim()) == ()


def test_a_dense_input_in_place_of_a_sparse_one_is_caught(phase_d):
    found = contract.check_claims(phase_d, claim(SPARSE))
    assert ids(found) == ["claim.spacing", "claim.view", "claim.spacing-threshold"]


def test_frames_of_another_side_than_the_studys_are_caught(phase_d):
    assert "claim.frame-side" in ids(contract.check_claims(phase_d, claim(frame_px=64)))


def test_without_frames_no_spacing_is_claimed(phase_d):
    phase_d["statistics"] |= {"frames": None, "frame_px": None, "mean_photons_per_frame": None}
    assert ids(contract.check_claims(phase_d, claim())) == ["claim.dose"]


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("overlap_view", "sparse", "claim.view"),
        ("split", "test", "claim.split"),
        ("dose_photons", 10000, "claim.dose"),
        ("neighbor_count", 6, "claim.neighbor-count"),
        ("spacing_threshold", 9.7, "claim.spacing-threshold"),
        ("n_accepted", 13, "claim.accepted"),
        ("acceptance_rate", 0.999, "claim.acceptance-rate"),
        ("selection_strategy", "greedy", "claim.selection-strategy"),
        ("source_file", "dose_1000/patched_test.npz", "claim.source-file"),
        ("spacing_measured_min_px", 10.1, "claim.measured"),
        ("overlap_disc_diameter_px", 40.0, "claim.measured"),
        ("overlap_measured_mean", 0.9, "claim.measured"),
        ("overlap_measured_min", 0.9, "claim.measured"),
    ],
)
def test_metadata_that_disagrees_is_caught_at_its_key(tmp_path, key, value, rule):
    arrays = npz_files.scan_arrays() | {"_metadata": npz_files.metadata_text(**{key: value})}
    found = contract.check_claims(read(tmp_path, arrays).description, claim())
    assert (rule, f"_metadata/{key}") in [(one.rule, one.pointer) for one in found]
    assert {one.pointer for one in found} == {f"_metadata/{key}"}


def test_a_direct_selection_that_rejected_positions_is_caught(phase_d):
    phase_d["metadata"] |= {"n_rejected": 12, "acceptance_rate": 0.5}
    (found,) = contract.check_claims(phase_d, claim())
    assert (found.rule, found.expected) == ("claim.selection-strategy", "greedy, with 12 left out")


@pytest.mark.parametrize("value", [None, True, [], {}, "text"])
def test_metadata_of_a_wrong_type_is_the_schemas_to_report(phase_d, value):
    texts = {"overlap_view", "source_file"} if value == "text" else set()
    for key in claims.PHASE_D_KEYS:
        broken = copy.deepcopy(phase_d)
        broken["metadata"][key] = value
        contract.check_claims(broken, claim())
        assert ids(check(broken)) == ([] if key in texts else ["schema.npz_input"])


def test_what_metadata_says_was_measured_is_measured_again(tmp_path):
    arrays = npz_files.scan_arrays() | {"_metadata": npz_files.metadata_text()}
    numbers = read(tmp_path, arrays).description["statistics"]
    arrays["_metadata"] = npz_files.metadata_text(
        overlap_measured_mean=numbers["overlap_mean_fraction"] + 0.009,
        overlap_measured_min=numbers["overlap_min_fraction"],
        overlap_disc_diameter_px=numbers["disc_diameter_px"] * 1.009,
        spacing_measured_min_px=10.0005,
    )
    assert contract.check_claims(read(tmp_path, arrays).description, claim()) == ()


# Train and test


def halves(tmp_path, *, shift_px=100.0):
    arrays = npz_files.scan_arrays()
    train = read(tmp_path, arrays, "train.npz")
    arrays["ycoords"] = arrays["ycoords"] + np.float32(shift_px)
    return train, read(tmp_path, arrays, "test.npz")


def test_two_halves_along_y_are_disjoint(tmp_path):
    train, test = halves(tmp_path)
    assert contract.check_disjoint(train, test) == contract.check_disjoint(test, train) == ()


def test_halves_that_share_positions_are_caught(tmp_path):
    found = contract.check_disjoint(*halves(tmp_path, shift_px=20.0))
    assert [(one.rule, one.found) for one in found] == [
        ("claim.disjoint", "4 shared"),
        ("claim.split-sides", "y from 16 to 36 px and from 36 to 56 px"),
    ]
    assert found[0].where == "train.npz"
    assert "test.npz" in found[0].expected


def test_halves_that_interleave_along_y_are_caught(tmp_path):
    assert ids(contract.check_disjoint(*halves(tmp_path, shift_px=5.0))) == ["claim.split-sides"]


def test_nothing_is_said_of_splits_without_positions(tmp_path):
    train, test = halves(tmp_path)
    missing = npz.read(tmp_path / "nowhere.npz", shown_as="nowhere.npz")
    assert contract.check_disjoint(train, missing) == contract.check_disjoint(missing, test) == ()
