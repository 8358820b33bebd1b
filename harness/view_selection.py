"""Which frames of a scan belong to each split and view, and what is said of the choice.

Pure.  Source: docs/adr/0004-study-inputs.md
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import base as bases
from harness import optics, positions
from harness.base import Base
from harness.design import StudyDesign, View
from harness.errors import InputInvalid

DIGITS = 6


@dataclass(frozen=True, slots=True)
class Selection:
    """The frames of one (view, split): indices into the scan, and what is said of them."""

    view: View
    split: str
    indices: NDArray[np.intp]
    facts: Mapping[str, Any]


def select(design: StudyDesign, scene: Base) -> tuple[list[Selection], list[dict[str, str]]]:
    """Return the frames of each (split, view), and the views that keep too few of them."""
    bands = _bands(scene, len(design.splits))
    diameter_px = optics.illuminated_diameter_px(scene.probe)
    selections, left_out = [], []
    for split, band in zip(design.splits, bands, strict=True):
        for view in design.views:
            spacing_px = view.spacing_threshold_px(scene.frame_px)
            kept = band
            if spacing_px is not None:
                kept = band[positions.thin(scene.positions_px[band], spacing_px)]
            if len(kept) < 2:
                reason = f"{len(kept)} of {len(band)} positions kept; a view needs 2"
                left_out.append({"view": view.name, "split": split, "reason": reason})
                continue
            summary = positions.summarize_overlap(
                scene.positions_px[kept], diameter_px, design.neighbor_count
            )
            facts = _facts(design, view, split, spacing_px, len(band), len(kept), summary)
            selections.append(Selection(view, split, kept, facts))
    return selections, left_out


def _bands(scene: Base, count: int) -> tuple[NDArray[np.intp], ...]:
    """Return the frames of each split; InputInvalid where the scan has none for one of them."""
    try:
        return positions.split_along_y(scene.positions_px, count)
    except InputInvalid:
        y_px = scene.positions_px[:, 0]
        expected = f"positions that can be split along y into {count} parts"
        found = f"{y_px.size} positions at {np.unique(y_px).size} values of y"
        raise bases.fault(scene, "ycoords", expected, found) from None


def _facts(
    design: StudyDesign,
    view: View,
    split: str,
    spacing_px: float | None,
    n_offered: int,
    n_accepted: int,
    summary: positions.OverlapSummary,
) -> dict[str, Any]:
    """Return what a view's metadata says, the dose and the source file aside."""
    return {
        "overlap_view": view.name,
        "split": split,
        "spacing_threshold": 0.0 if spacing_px is None else round(spacing_px, DIGITS),
        "n_accepted": n_accepted,
        "n_rejected": n_offered - n_accepted,
        "acceptance_rate": round(n_accepted / n_offered, DIGITS),
        "selection_strategy": "direct" if n_accepted == n_offered else "greedy",
        "neighbor_count": design.neighbor_count,
        "overlap_measured_mean": round(summary.mean_fraction, DIGITS),
        "overlap_measured_min": round(summary.min_fraction, DIGITS),
        "spacing_measured_min_px": round(summary.spacing_min_px, DIGITS),
        "overlap_touching_count": summary.touching_count,
        "overlap_disc_diameter_px": round(summary.disc_diameter_px, DIGITS),
    }
