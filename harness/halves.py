"""Two reconstructions of one object from two halves of the frames, and how far they agree. Pure.

Everything comes from the arrays that a job leaves, so that `verify` needs no input to compute it
again.  Source: van Heel and Schatz, J. Struct. Biol. 151, 250 (2005); docs/metrics.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness import forward, frc, metrics, registration
from harness.errors import InputInvalid
from harness.model import HALF_OBJECTS, HALVES, POSITIONS

NONE, ALTERNATE = HALVES
NEEDED = (*HALF_OBJECTS, "probe", *POSITIONS)

Record = dict[str, Any]


def split(frame_count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the frames of each half: every second one, in the file's order.

    Raises InputInvalid where there are not two frames for each.
    """
    if frame_count < 4:
        raise InputInvalid(f"{frame_count} frames make no two halves of 2: leave out --halves")
    frames = np.arange(frame_count)
    return frames[0::2], frames[1::2]


def measure(arrays: Mapping[str, np.ndarray | None], pixel_size_m: float | None) -> Record:
    """Return result.json's `metrics.between_halves`.

    arrays: of reconstruction.npz, those `NEEDED`.  The region is lit by both halves, by the light
    of the probe that all frames gave, where refinement left them: of a frame beyond the object's
    edge, by the part inside.  Raises InputInvalid where arrays are missing or do not fit.
    """
    one, other, probe, x_px, y_px = (arrays.get(name) for name in NEEDED)
    _require(all(array is not None for array in (one, other, probe, x_px, y_px)))
    _require(one.ndim == 2 and one.shape == other.shape and probe.ndim == 3)
    _require(x_px.ndim == 1 and x_px.shape == y_px.shape)
    corners, beside_px = forward.refined(x_px, y_px, probe.shape[-1], one.shape)
    parts = split(len(corners))
    inside = np.logical_and(
        *(_lit(probe, corners[part], one.shape, beside_px[part]) for part in parts)
    )
    return {
        "split": ALTERNATE,
        "frames": [len(part) for part in parts],
        **_correlated(one, other, inside, pixel_size_m),
    }


def _lit(
    probe: np.ndarray, corners: np.ndarray, shape: tuple[int, int], shifts_px: np.ndarray
) -> np.ndarray:
    return metrics.lit_mask(forward.illumination(probe, corners, shape, shifts_px)).values


def _correlated(
    one: np.ndarray, other: np.ndarray, inside: np.ndarray, pixel_size_m: float | None
) -> Record:
    rows, columns = square = frc.largest_square(inside)
    blank = metrics.why_blank(one, other, inside, "one of the halves")
    moved, curve = None, frc.NO_CURVE
    if not blank:
        moved = registration.register(one, other, inside)
        curve = frc.correlate(moved.values[square], other[square].astype(np.complex128))
    resolution_px = curve.resolution_px
    known = resolution_px is not None and pixel_size_m is not None
    return {
        "square_px": {
            "rows": [rows.start, rows.stop],
            "columns": [columns.start, columns.stop],
        },
        "registration_shift_px": moved and list(moved.shift_px),
        "ramp_rad_per_px": moved and list(moved.ramp_rad_per_px),
        "half_bit_resolution_px": resolution_px,
        "half_bit_resolution_m": resolution_px * pixel_size_m if known else None,
        "undefined": blank or curve.reason or None,
        "rings": curve.as_records(),
    }


def _require(holds: bool) -> None:
    if not holds:
        raise InputInvalid("the objects of the halves, probe and positions do not fit each other")
