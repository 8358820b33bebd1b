"""The metrics block of result.json: what the child measures of what it reconstructed."""

from types import SimpleNamespace

import numpy as np
import pytest

from harness import forward, metrics, photon_limit, resources, schemas
from harness.jobs import geometry, intake, quality
from tests.small_scan import FRAME_PX, OBJECT, noisy

DOSE = 100_000


@pytest.fixture
def scan(tmp_path):
    np.savez(tmp_path / "scan.npz", **noisy(DOSE))
    return intake.read(str(tmp_path / "scan.npz"))


def run_with(scan, object_):
    """The two arrays that are read of a run: an object, and the true probe, unitary."""
    _, probe = geometry.starting_point(scan, "guess")
    return SimpleNamespace(object_=object_.astype(np.complex64), probe=probe * FRAME_PX)


def breaches(block):
    schema = resources.schema("attestation")
    part = {"$schema": schema["$schema"], **schema["properties"]["metrics"]}
    return schemas.check(block, part, name="attestation", where="metrics")


def test_the_truth_itself_has_no_error_and_predicts_its_frames(scan):
    block = quality.measure(scan, run_with(scan, OBJECT), truth_present=True)
    assert breaches(block) == ()
    assert block["against_truth"]["complex_nrmse"] < 1e-6
    assert block["against_truth"]["mask"]["pixels"] > 1000
    # Photons a frame over pixels a frame that hold any: each such pixel has about one of deviance.
    assert 0 < block["without_truth"]["poisson_deviance_per_photon"] < FRAME_PX**2 / DOSE
    # The root of a Poisson count strays by a standard deviation of about a half.
    largest = 0.5 * scan.counts.size / np.sqrt(scan.counts).sum()
    assert 0 < block["without_truth"]["r_factor"] < largest


def test_a_wrong_object_is_worse_with_a_truth_and_without(scan):
    right, wrong = (
        quality.measure(scan, run_with(scan, object_), truth_present=True)
        for object_ in (OBJECT, np.abs(OBJECT))
    )
    assert wrong["against_truth"]["phase_rmse_rad"] > 0.1
    for name in ("poisson_deviance_per_photon", "r_factor"):
        assert wrong["without_truth"][name] > 2 * right["without_truth"][name]


def test_the_photon_limit_falls_with_the_root_of_the_dose(tmp_path, scan):
    np.savez(tmp_path / "dim.npz", **noisy(DOSE // 100))
    dim = intake.read(str(tmp_path / "dim.npz"))
    many, few = (
        quality.measure(s, run_with(s, OBJECT), truth_present=True)["photon_limit"]
        for s in (scan, dim)
    )
    for name in ("photon_limit_phase_rad", "simple_phase_rad"):
        assert few[name] == pytest.approx(10 * many[name], rel=0.02)
    assert many["photon_limit_phase_rad"] > many["simple_phase_rad"]
    assert many["relative_residual"] < 0.05


def test_mask_and_limit_are_in_photons_of_the_scan(scan):
    block = quality.measure(scan, run_with(scan, OBJECT), truth_present=True)
    # The file's probe is unitary and as bright as the frames.
    light = forward.illumination(scan.probe, scan.corners, OBJECT.shape)
    mask = metrics.lit_mask(light)
    stated = block["against_truth"]["mask"]["threshold_photons"]
    assert stated == pytest.approx(mask.threshold_photons, rel=0.01)
    phase = photon_limit.simple_phase_rad(light, OBJECT)[mask.values]
    expected = np.sqrt((phase**2).mean())
    assert block["photon_limit"]["simple_phase_rad"] == pytest.approx(expected, rel=0.01)


def test_without_a_truth_what_needs_one_is_null(scan):
    block = quality.measure(scan, run_with(scan, OBJECT), truth_present=False)
    assert breaches(block) == ()
    assert block["against_truth"] is None
    assert block["photon_limit"] is None
    assert block["without_truth"]["r_factor"] > 0


def test_an_object_that_is_not_finite_leaves_nulls_and_reasons(scan):
    broken = OBJECT.copy()
    broken[50, 50] = np.nan
    block = quality.measure(scan, run_with(scan, broken), truth_present=True)
    assert breaches(block) == ()
    assert block["against_truth"]["complex_nrmse"] is None
    assert "NaN" in block["against_truth"]["undefined"]["all"]
    assert block["without_truth"]["r_factor"] is None
