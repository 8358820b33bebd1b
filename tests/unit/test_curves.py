"""What the picture of a job's resolution shows, from metrics whose figures are known."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from harness import recompute
from harness.jobs import curves, outputs

EXAMPLES = Path(__file__).parents[1] / "examples/valid/attestation"
BOTH = json.loads((EXAMPLES / "succeeded-with-halves.json").read_text())["metrics"]
NO_TRUTH = {"against_truth": None, "photon_limit": None}
NO_HALVES = {"between_halves": None}
SLOPE = [
    {"cycles_per_px": at, "correlation": value, "half_bit": 0.4}
    for at, value in ((0.1, 0.9), (0.2, 0.6), (0.3, 0.2))
]


@pytest.mark.parametrize(
    ("left_out", "shown", "has_bands"),
    [
        ({}, ["against the truth", "between the halves"], True),
        (NO_HALVES, ["against the truth"], True),
        (NO_TRUTH, ["between the halves"], False),
        (NO_TRUTH | NO_HALVES, [], False),
    ],
)
def test_each_curve_that_a_job_has_is_shown_and_no_other(left_out, shown, has_bands):
    metrics = BOTH | left_out
    assert [each.of for each in curves.rings(metrics)] == shown
    assert (curves.bands(metrics) is not None) is has_bands


def test_what_could_not_be_compared_is_not_shown():
    blank = {**BOTH["between_halves"], "rings": []}
    limit = {**BOTH["photon_limit"], "resolvable_band": None, "bands": []}
    truth = {**BOTH["against_truth"], "rings": []}
    metrics = BOTH | {"between_halves": blank, "photon_limit": limit, "against_truth": truth}
    assert curves.rings(metrics) == []
    assert curves.bands(metrics) is None


def test_a_curve_is_marked_on_its_threshold_where_the_resolution_says():
    half = {"rings": SLOPE, "half_bit_resolution_px": 2.0, "half_bit_resolution_m": 4e-8}
    (found,) = curves.rings(BOTH | NO_TRUTH | {"between_halves": half})
    assert found.correlation == (0.9, 0.6, 0.2)
    assert found.crossing == (0.25, pytest.approx(0.4))
    assert found.label == "between the halves: 1/2 bit at 2.00 px, 4e-08 m"


def test_a_curve_without_a_crossing_has_no_mark_and_says_so():
    truth = BOTH["against_truth"] | {"rings": SLOPE[:2], "frc_half_bit_resolution_px": None}
    (found,) = curves.rings(BOTH | NO_HALVES | {"against_truth": truth})
    assert found.crossing is None
    assert found.label == "against the truth: above 1/2 bit throughout"
    low = [{**ring, "correlation": 0.1} for ring in SLOPE]
    (lost,) = curves.rings(BOTH | NO_HALVES | {"against_truth": truth | {"rings": low}})
    assert lost.label == "against the truth: under 1/2 bit from the first ring on"


def test_the_bands_begin_at_zero_and_carry_the_errors_of_whole_band_and_mask():
    found = curves.bands(BOTH)
    assert (found.edges_per_px[0], found.edges_per_px[-1]) == (0.0, 0.5)
    assert len(found.error_rad) == len(found.limit_rad) == len(found.edges_per_px) - 1
    assert found.error_rad[1] == BOTH["photon_limit"]["bands"][1]["phase_rmse_rad"]
    assert found.error_label == "phase error (rad): 0.053 in band, 0.065 over the mask"
    assert found.limit_label == "photon limit (rad): 0.017 in band, 0.025 over the mask"
    assert found.band_to_per_px == 0.5


def test_without_a_resolvable_band_none_ends_and_errors_are_over_the_mask_alone():
    found = curves.bands(BOTH | {"photon_limit": BOTH["photon_limit"] | {"resolvable_band": None}})
    assert found.band_to_per_px is None
    assert found.error_label == "phase error (rad): 0.065 over the mask"
    assert found.limit_label == "photon limit (rad): 0.025 over the mask"
    assert len(found.error_rad) == 8


def test_what_a_logarithm_cannot_show_is_left_out_of_the_bands():
    bands = [dict(band) for band in BOTH["photon_limit"]["bands"]]
    bands[0]["phase_rmse_rad"], bands[1]["phase_rmse_rad"] = None, 0.0
    found = curves.bands(BOTH | {"photon_limit": BOTH["photon_limit"] | {"bands": bands}})
    assert [math.isnan(value) for value in found.error_rad[:3]] == [True, True, False]


@pytest.mark.parametrize(
    ("pixel_size_m", "cycles", "unit"),
    [
        (2e-8, 50.0, "µm"),
        (2e-11, 50.0, "nm"),
        (2e-9, 500.0, "µm"),
        (5e-6, 200.0, "mm"),
        (2, 0.5, "m"),
    ],
)
def test_frequencies_are_told_by_a_length_that_the_pixel_size_fits(pixel_size_m, cycles, unit):
    per_px, name = curves.per_length(pixel_size_m)
    assert (per_px, name) == (pytest.approx(cycles), unit)


def test_without_a_pixel_size_there_is_no_length():
    assert curves.per_length(None) is None


@pytest.mark.parametrize(
    ("left_out", "nrmse", "not_drawn"),
    [
        ({}, 0.1, set()),
        (NO_HALVES, 0.1, set()),
        (NO_TRUTH, None, {"truth_comparison.png"}),
        (NO_TRUTH | NO_HALVES, None, {"truth_comparison.png", "resolution.png"}),
    ],
)
def test_a_record_says_which_pictures_lie_beside_it(left_out, nrmse, not_drawn):
    attested = {"metrics": BOTH | left_out, "truth": {"nrmse": nrmse}}
    assert outputs.pictures_of(attested) == set(recompute.DRAWN_FROM) - not_drawn
