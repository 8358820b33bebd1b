"""Scan positions: the jittered raster, its halves, its thinning, and how discs overlap.

Positions are float arrays of shape (n, 2), columns (y, x), object pixels.  Pure numpy.
Source: docs/adr/0004-study-inputs.md and docs/adr/0005-overlap-measure.md
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputInvalid

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.intp]

BLOCK_ROWS = 256


@dataclass(frozen=True, slots=True)
class OverlapSummary:
    """How a view's discs overlap: fractions of a disc's area, and centre spacing in pixels.

    touching_count: positions whose disc shares area with at least one other.
    """

    mean_fraction: float
    min_fraction: float
    spacing_min_px: float
    touching_count: int
    disc_diameter_px: float


def jittered_raster(count: int, field_px: float, jitter_fraction: float, seed: int) -> FloatArray:
    """Return a raster over a square field, each point jittered, rounded to whole pixels.

    Shape (count, 2), columns (y, x), from 0 to field_px, row by row from low y.
    jitter_fraction: largest shift along each axis in units of the mean spacing, 0 to 0.5.
    """
    rng = np.random.default_rng(seed)
    row_lengths = [len(part) for part in np.array_split(np.arange(count), round(count**0.5))]
    grid = [
        ((row + 0.5) / len(row_lengths), (column + 0.5) / length)
        for row, length in enumerate(row_lengths)
        for column in range(length)
    ]
    spacing_px = field_px / count**0.5
    shift_px = rng.uniform(-jitter_fraction, jitter_fraction, (count, 2)) * spacing_px
    return to_whole_pixels(np.clip(np.array(grid) * field_px + shift_px, 0, field_px))


def to_whole_pixels(positions_px: FloatArray) -> FloatArray:
    """Return positions rounded to whole pixels, halves always up, so that no parity favours."""
    return np.floor(positions_px + 0.5)


def split_along_y(positions_px: FloatArray, band_count: int) -> tuple[IndexArray, ...]:
    """Return the indices of each of `band_count` bands along y, lowest first, in scan order.

    Bands are cut at quantiles of y, so they hold about equally many positions and share no y.
    Raises InputInvalid when a band is empty.  Source: docs/adr/0004-study-inputs.md
    """
    y_px = positions_px[:, 0]
    cuts_px = np.quantile(y_px, np.arange(1, band_count) / band_count)
    band = np.searchsorted(cuts_px, y_px, side="right")
    parts = tuple(np.flatnonzero(band == number) for number in range(band_count))
    if any(part.size == 0 for part in parts):
        raise InputInvalid(
            f"the scan cannot be split along y into {band_count} parts: "
            f"{y_px.size} positions at {np.unique(y_px).size} values of y; use a wider scan"
        )
    return parts


def thin(positions_px: FloatArray, spacing_px: float) -> IndexArray:
    """Return the indices kept so that no two centres lie closer than `spacing_px`, ascending.

    Greedy: start at the first position; then always take the position nearest to those kept
    among the ones far enough from all of them (the first of equals), which packs the kept ones
    so that they touch.  Maximal: every rejected position is too close to a kept one.
    """
    free = np.ones(len(positions_px), dtype=bool)
    nearest_px = np.full(len(positions_px), np.inf)
    kept: list[int] = []
    while free.any():
        candidates_px = np.where(free, nearest_px, np.nan)
        chosen = int(np.nanargmin(candidates_px)) if kept else 0
        kept.append(chosen)
        distance_px = _distances_px(positions_px[chosen : chosen + 1], positions_px)[0]
        nearest_px = np.minimum(nearest_px, distance_px)
        free &= distance_px >= spacing_px
        free[chosen] = False
    return np.array(sorted(kept), dtype=np.intp)


def neighbor_distances_px(positions_px: FloatArray, neighbor_count: int) -> FloatArray:
    """Return each position's distances to its nearest others, ascending, in pixels.

    Shape (n, min(neighbor_count, n - 1)).  Memory stays below BLOCK_ROWS x n distances.
    Raises InputInvalid if n < 2.
    """
    total = len(positions_px)
    if total < 2:
        raise InputInvalid(f"{total} position has no neighbours; a view needs at least 2")
    width = min(neighbor_count, total - 1)
    nearest = np.empty((total, width))
    for start in range(0, total, BLOCK_ROWS):
        block = _distances_px(positions_px[start : start + BLOCK_ROWS], positions_px)
        rows = np.arange(len(block))
        block[rows, start + rows] = np.inf
        nearest[start : start + len(block)] = np.sort(
            np.partition(block, width - 1, axis=1)[:, :width], axis=1
        )
    return nearest


def disc_overlap_fraction(distance_px: FloatArray, diameter_px: float) -> FloatArray:
    """Return the shared area of two equal discs as a fraction of one disc's area, 0 to 1.

    distance_px: between the centres, any shape.  With x = distance / diameter the fraction is
    (2 / pi) (arccos x - x sqrt(1 - x^2)), and 0 from x = 1 on.
    Source: area of a lens; docs/adr/0005-overlap-measure.md
    """
    x = np.clip(np.asarray(distance_px, dtype=float) / diameter_px, 0.0, 1.0)
    return 2 / np.pi * (np.arccos(x) - x * np.sqrt(1 - x * x))


def mean_overlap_fraction(
    positions_px: FloatArray, diameter_px: float, neighbor_count: int
) -> FloatArray:
    """Return the mean overlap of each position with its neighbours (fraction, 0 to 1).

    positions_px: float array, shape (n, 2), columns (y, x), object pixels.  The neighbours are
    the min(neighbor_count, n - 1) nearest; discs of diameter_px.  Result: shape (n,).
    Raises InputInvalid if n < 2.  Source: docs/adr/0005-overlap-measure.md
    """
    distances_px = neighbor_distances_px(positions_px, neighbor_count)
    return disc_overlap_fraction(distances_px, diameter_px).mean(axis=1)


def summarize_overlap(
    positions_px: FloatArray, diameter_px: float, neighbor_count: int
) -> OverlapSummary:
    """Return the mean and least overlap over all positions, the least spacing, who touches.

    Arguments and errors as for `mean_overlap_fraction`.
    """
    overlap = mean_overlap_fraction(positions_px, diameter_px, neighbor_count)
    spacing_px = neighbor_distances_px(positions_px, 1)[:, 0]
    return OverlapSummary(
        mean_fraction=float(overlap.mean()),
        min_fraction=float(overlap.min()),
        spacing_min_px=float(spacing_px.min()),
        touching_count=int((spacing_px < diameter_px).sum()),
        disc_diameter_px=diameter_px,
    )


def _distances_px(from_px: FloatArray, to_px: FloatArray) -> FloatArray:
    offset = from_px[:, None, :] - to_px[None, :, :]
    return np.hypot(offset[..., 0], offset[..., 1])
