"""What metrics say twice: a resolution that its own rings do not give is told without any input."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from harness import quality_claims
from tests.memory import hub as memory

EXAMPLES = Path(__file__).parents[1] / "examples" / "valid" / "attestation"
METRICS = json.loads((EXAMPLES / "succeeded-with-halves.json").read_text())["metrics"]


def told(*changes):
    """Return place, expected and found of what is said of metrics with these values changed."""
    metrics = copy.deepcopy(METRICS)
    for place, value in changes:
        *parents, last = place.split("/")
        block = metrics
        for name in parents:
            block = block[int(name) if name.isdigit() else name]
        block[last] = value
    found = memory.told(quality_claims.check("result.json", metrics))
    assert {item[:2] for item in found} <= {("recompute.metrics", "result.json")}
    return [item[2].removeprefix("/metrics/") for item in found]


def test_metrics_that_agree_are_believed():
    assert METRICS["against_truth"]["rings"]
    assert METRICS["between_halves"]["rings"]
    assert told() == []


@pytest.mark.parametrize(
    ("changes", "places"),
    [
        ([("coverage/reconstructible", False)], ["coverage/reconstructible"]),
        ([("coverage/share_seen_twice", 0.1)], ["coverage/reconstructible"]),
        ([("coverage/share_needed", 0.1)], ["coverage/share_needed"]),
        (
            [("against_truth/frc_half_bit_resolution_px", 2.0)],
            [
                "against_truth/frc_half_bit_resolution_px",
                "photon_limit/resolvable_band/to_cycles_per_px",
            ],
        ),
        (
            [("between_halves/half_bit_resolution_px", 1.5)],
            ["between_halves/half_bit_resolution_px"],
        ),
        (
            [("photon_limit/resolvable_band/to_cycles_per_px", 0.37)],
            ["photon_limit/resolvable_band/to_cycles_per_px"],
        ),
    ],
)
def test_a_figure_that_those_beside_it_do_not_give_is_told(changes, places):
    assert told(*changes) == places


def test_where_the_first_ring_is_under_its_threshold_a_band_is_told_and_none_is_believed():
    lost = ("against_truth/rings/0/correlation", 0.1)
    assert told(lost) == ["photon_limit/resolvable_band/to_cycles_per_px"]
    assert told(lost, ("photon_limit/resolvable_band", None)) == []


def test_a_band_that_is_left_out_is_told():
    place = "photon_limit/resolvable_band"
    assert told((place, None)) == [f"{place}/to_cycles_per_px"]


def test_rings_that_cross_give_a_resolution():
    assert METRICS["against_truth"]["frc_half_bit_resolution_px"] is None
    changed = ("against_truth/rings/1/correlation", 0.1)
    assert told(changed) == ["against_truth/frc_half_bit_resolution_px"]


def test_without_truth_limit_or_halves_nothing_is_asked_of_them():
    nothing = [(block, None) for block in ("against_truth", "between_halves", "photon_limit")]
    assert told(*nothing) == []
