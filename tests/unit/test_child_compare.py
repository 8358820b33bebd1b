"""A reconstruction measured against the truth, and whether there is a truth to measure by."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import alignment, misfit
from harness.jobs import intake, truth
from tests.small_scan import OBJECT, between_pixels, moved, noiseless, noisy

ROWS, COLUMNS = np.indices(OBJECT.shape)


def scan_of(folder, arrays):
    np.savez(folder / "scan.npz", **arrays)
    return intake.read(str(folder / "scan.npz"))


def noise(seed, relative):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=OBJECT.shape) + 1j * rng.normal(size=OBJECT.shape)
    return values * relative * np.linalg.norm(OBJECT) / np.linalg.norm(values)


# What is removed


@pytest.mark.parametrize(
    "factor", [3.0, 0.01, np.exp(2.5j), -1, 2j], ids=["bright", "dim", "turned", "minus", "both"]
)
def test_a_factor_is_removed_and_recorded(factor):
    aligned = alignment.align(factor * OBJECT, OBJECT)
    assert aligned.nrmse < 1e-12
    assert aligned.scale == pytest.approx(1 / factor)
    assert aligned.ramp_rad_per_px == pytest.approx((0, 0), abs=1e-12)
    np.testing.assert_allclose(aligned.values, OBJECT, atol=1e-12)


@pytest.mark.parametrize("slopes", [(0.01, -0.02), (0.5, 0), (0, -3.0), (-2.0, 1.1)])
def test_a_phase_ramp_is_removed_and_recorded_by_rows_and_columns(slopes):
    ramp = np.exp(1j * (slopes[0] * ROWS + slopes[1] * COLUMNS))
    aligned = alignment.align(OBJECT * ramp, OBJECT)
    assert aligned.nrmse < 1e-9
    assert aligned.ramp_rad_per_px == pytest.approx(slopes, abs=1e-9)


@given(relative=st.floats(1e-3, 0.3), seed=st.integers(0, 99), angle=st.floats(-3, 3))
@settings(max_examples=15)
def test_noise_is_the_error_whatever_was_removed_besides(relative, seed, angle):
    ramp = 1.7 * np.exp(1j * (angle + 0.3 * ROWS - 0.1 * COLUMNS))
    found = alignment.align((OBJECT + noise(seed, relative)) * ramp, OBJECT).nrmse
    # The best factor shrinks what is found: the error is that of the part beside the truth.
    assert found == pytest.approx(relative / np.hypot(1, relative), rel=0.03)


# What is not


def test_half_a_pixel_swapped_axes_and_a_mirror_image_stay_errors():
    assert alignment.align(moved(OBJECT, 0.5, 0.5), OBJECT).nrmse == pytest.approx(0.2, abs=0.05)
    assert alignment.align(OBJECT.T, OBJECT).nrmse > 0.3
    assert alignment.align(OBJECT.conj(), OBJECT).nrmse > 0.3
    assert alignment.align(np.abs(OBJECT), OBJECT).nrmse > 0.2


def test_a_dark_reconstruction_has_error_1_and_one_with_nan_none():
    dark = alignment.align(np.zeros_like(OBJECT), OBJECT)
    assert (dark.nrmse, dark.scale) == (1.0, 0)
    broken = OBJECT.copy()
    broken[3, 4] = np.nan
    assert not np.isfinite(alignment.align(broken, OBJECT).nrmse)


def test_a_relative_difference_removes_nothing_and_has_no_meaning_against_nothing():
    assert alignment.relative_difference(3 * OBJECT, OBJECT) == pytest.approx(2)
    assert alignment.relative_difference(OBJECT, 0 * OBJECT) == float("inf")


# Truth or not


@pytest.mark.parametrize("dose_photons", [1000, 100_000])
def test_the_true_object_is_known_by_its_misfit_at_any_dose(tmp_path, dose_photons):
    verdict = truth.find(scan_of(tmp_path, noisy(dose_photons))).beside(2j * OBJECT)
    assert verdict.present
    assert verdict.misfit == pytest.approx(1, abs=0.1)
    assert verdict.aligned.nrmse < 1e-6
    assert verdict.truth.shape == verdict.aligned.values.shape
    record = verdict.as_record()
    assert record["region_px"] == {"rows": [23, 78], "columns": [23, 77]}
    assert record["removed"]["scale"] == pytest.approx([0, -0.5], abs=1e-6)


@pytest.mark.parametrize("dose_photons", [1000, 1_000_000])
def test_the_true_object_is_known_where_positions_lie_between_pixels(tmp_path, dose_photons):
    scan = scan_of(tmp_path, between_pixels(dose_photons))
    assert not scan.positions_on_pixels
    verdict = truth.find(scan).beside(OBJECT)
    assert verdict.present
    assert verdict.misfit == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    "guess",
    [np.ones_like(OBJECT), moved(OBJECT, 0.5, 0.5), OBJECT.conj(), np.abs(OBJECT) + 0j],
    ids=["flat", "half a pixel off", "conjugate", "no phase"],
)
def test_another_object_is_no_truth_and_nothing_is_measured_by_it(tmp_path, guess):
    arrays = noisy(10_000) | {"objectGuess": guess.astype("complex64")}
    verdict = truth.find(scan_of(tmp_path, arrays)).beside(OBJECT)
    assert not verdict.present
    assert verdict.misfit > misfit.LARGEST
    assert f"misfit {verdict.misfit:.3g}" in verdict.reason
    assert (verdict.as_record()["nrmse"], verdict.as_record()["removed"]) == (None, None)


@pytest.mark.parametrize("guess", [OBJECT, OBJECT + noise(5, 0.01)], ids=["truth", "near it"])
def test_the_object_of_a_measured_scan_is_a_guess_however_well_it_fits(tmp_path, guess):
    arrays = noisy(10_000) | {"objectGuess": guess.astype("complex64")}
    taken = {}
    for kind in ("simulated", "measured"):
        metadata = np.array(json.dumps({"input_kind": kind}))
        scan = scan_of(tmp_path, arrays | {"_metadata": metadata})
        taken[kind] = truth.find(scan).beside(OBJECT)
    assert taken["simulated"].present
    assert (taken["measured"].present, taken["measured"].nrmse) == (False, None)
    assert taken["measured"].misfit == taken["simulated"].misfit < misfit.LARGEST
    assert taken["measured"].reason == "the scan is measured: its objectGuess is not the truth"


@pytest.mark.parametrize(("share", "present"), [(0.99, True), (1.01, False)])
def test_the_largest_misfit_is_where_the_verdict_turns(tmp_path, monkeypatch, share, present):
    scan = scan_of(tmp_path, noiseless())
    monkeypatch.setattr(misfit, "shot_noise", lambda *_: share * misfit.LARGEST)
    assert truth.find(scan).beside(OBJECT).present is present


def test_a_dark_guess_is_no_truth(tmp_path):
    arrays = noiseless() | {"objectGuess": np.zeros_like(OBJECT, dtype="complex64")}
    verdict = truth.find(scan_of(tmp_path, arrays)).beside(OBJECT)
    assert (verdict.present, verdict.reason) == (False, "objectGuess is dark")
    assert verdict.as_record()["misfit"] is None


def test_without_a_guess_there_is_no_truth(tmp_path):
    arrays = noiseless()
    del arrays["objectGuess"]
    verdict = truth.find(scan_of(tmp_path, arrays)).beside(OBJECT)
    assert (verdict.present, verdict.reason) == (False, "the file has no objectGuess")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_misfit_that_is_no_number_makes_no_truth(tmp_path, monkeypatch, value):
    scan = scan_of(tmp_path, noiseless())
    monkeypatch.setattr(misfit, "shot_noise", lambda *_: value)
    verdict = truth.find(scan).beside(OBJECT)
    assert (verdict.present, verdict.misfit) == (False, None)
    assert "not finite" in verdict.reason
