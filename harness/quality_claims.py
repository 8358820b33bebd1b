"""What `metrics` of a `result.json` says twice, held to itself: no input is needed for it. Pure.

Source: docs/adr/0014-claims-are-recomputed.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from harness import frc, leaves, reconstructible
from harness.model import Finding
from harness.rules import finding
from harness.wording import said

Record = Mapping[str, Any]


def check(where: str, metrics: Record) -> Iterator[Finding]:
    """Yield where a verdict or a resolution does not follow from the figures beside it."""
    for pointer, (stated, again) in {**_coverage(metrics), **_resolutions(metrics)}.items():
        if not leaves.same(stated, again):
            yield finding(
                "recompute.metrics",
                where=where,
                pointer=f"/metrics{pointer}",
                expected=f"{said(again)}, from the figures beside it",
                found=said(stated),
            )


def _coverage(metrics: Record) -> dict[str, tuple[Any, Any]]:
    stated = metrics["coverage"]
    share, diameter_px = stated["share_seen_twice"], stated["disc_diameter_px"]
    again = reconstructible.Coverage(share, diameter_px).as_record()
    return {f"/coverage/{name}": (stated[name], again[name]) for name in again}


def _resolutions(metrics: Record) -> dict[str, tuple[Any, Any]]:
    found = {}
    names = {
        "against_truth": "frc_half_bit_resolution_px",
        "between_halves": "half_bit_resolution_px",
    }
    for block, name in names.items():
        stated = metrics[block]
        if stated is not None and stated["rings"]:
            found[f"/{block}/{name}"] = (stated[name], _crossing_px(stated["rings"]))
    truth, limit = metrics["against_truth"], metrics["photon_limit"]
    if truth and limit:
        band = limit["resolvable_band"]
        end = frc.resolved_to_per_px(truth["rings"], truth["frc_half_bit_resolution_px"])
        place = "/photon_limit/resolvable_band/to_cycles_per_px"
        found[place] = (band and band["to_cycles_per_px"], end)
    return found


def _crossing_px(rings: list[Record]) -> float | None:
    names = ("cycles_per_px", "correlation", "half_bit")
    frequency, correlation, limit = (np.array([ring[name] for ring in rings]) for name in names)
    return frc.crossing(frequency, correlation - limit)[0]
