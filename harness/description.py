"""What is said of an NPZ beyond its single arrays: metadata, frames, positions, overlap.

Pure.  Lengths are object pixels; positions have shape (n, 2), columns (y, x).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness import arrays, canonical, optics, positions

FORMAT = "harness.npz_input/1"
KEPT_KEYS = ("xcoords", "ycoords", "probeGuess", "_metadata")
OVERLAP_LIMIT_POSITIONS = 20_000


def parse_metadata(text: str) -> dict[str, Any]:
    """Return the JSON object in a text; ValueError says why there is none.

    Refused beside what is no JSON: see `canonical.parse_text`.
    """
    parsed = canonical.parse_text(text)
    if not isinstance(parsed, dict):
        raise ValueError(f"a JSON {type(parsed).__name__}")
    return parsed


def paired_positions_px(kept: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Return positions where x and y are equally many finite real numbers, else None."""
    pair = [kept.get(key) for key in ("ycoords", "xcoords")]
    if any(part is None or part.ndim != 1 or part.dtype.kind not in "fiu" for part in pair):
        return None
    if pair[0].size != pair[1].size:
        return None
    positions_px = np.column_stack(pair).astype(np.float64)
    return positions_px if np.isfinite(positions_px).all() else None


def statistics(
    records: Mapping[str, Mapping[str, Any]],
    photons: Mapping[str, Any] | None,
    kept: Mapping[str, np.ndarray],
    metadata: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return every number that rules and claims need; null where the arrays do not give it.

    records: array records by key.  photons: `FrameSummary.as_record`, None without frames.
    kept: the small arrays, by key.
    """
    positions_px = paired_positions_px(kept)
    diameter_px = disc_diameter_px(kept.get("probeGuess"))
    return {
        **frame_size(records.get("diffraction")),
        **(photons or arrays.FrameSummary((0, 0)).as_record()),
        **arrays.position_statistics(positions_px),
        "disc_diameter_px": diameter_px,
        **overlap(positions_px, diameter_px, (metadata or {}).get("neighbor_count")),
    }


def frame_size(diffraction: Mapping[str, Any] | None) -> dict[str, int | None]:
    """Return how many frames an array record describes, and their side, or nulls."""
    shape = diffraction["shape"] if diffraction else []
    if len(shape) != 3 or shape[1] != shape[2]:
        return {"frames": None, "frame_px": None}
    return {"frames": shape[0], "frame_px": shape[1]}


def disc_diameter_px(probe: np.ndarray | None) -> float | None:
    """Return the diameter that holds 95 % of a probe's power, all modes together, or None.

    probe: complex, (N, N) or (modes, N, N).  Source: docs/adr/0005-overlap-measure.md
    """
    if probe is None or probe.ndim not in (2, 3) or probe.dtype.kind != "c" or not probe.size:
        return None
    modes = np.abs(probe.astype(np.complex128)).reshape(-1, *probe.shape[-2:])
    largest = modes.max()
    if not (math.isfinite(largest) and largest > 0):
        return None
    return optics.illuminated_diameter_px(np.sqrt(((modes / largest) ** 2).sum(axis=0)))


def overlap(
    positions_px: np.ndarray | None, diameter_px: float | None, neighbor_count: Any
) -> dict[str, float | None]:
    """Return mean and least disc overlap (fractions), or nulls where they have no meaning.

    neighbor_count: as the metadata states it; nulls unless it is a whole number above 0.
    More than 20,000 positions are not compared with each other.
    """
    names = ("overlap_mean_fraction", "overlap_min_fraction")
    counted = isinstance(neighbor_count, int) and neighbor_count > 0
    if positions_px is None or not diameter_px or not counted:
        return dict.fromkeys(names)
    if not 2 <= len(positions_px) <= OVERLAP_LIMIT_POSITIONS:
        return dict.fromkeys(names)
    fractions = positions.mean_overlap_fraction(positions_px, diameter_px, neighbor_count)
    return dict(zip(names, (float(fractions.mean()), float(fractions.min())), strict=True))
