"""Where a reconstruction starts: how large an object, how bright a probe. Pure numpy.

The convention is DATA-001's: the frame at (x, y) sees object[y-N/2 : y+N/2, x-N/2 : x+N/2],
with x and y rounded to whole pixels. Source: docs/adr/0006-the-child.md
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness import alignment, forward, misfit
from harness.errors import InputInvalid

if TYPE_CHECKING:
    from harness.jobs.intake import Scan

# With an even probe side, pty-chi's frame of pixels begins half a pixel before its position
# frame; a whole-pixel origin would leave the rounding of patches to half-to-even ties.
POSITION_ORIGIN_PX = (-0.5, -0.5)

# Only for files without an objectGuess: 2 GiB as complex64.
LARGEST_OBJECT_PX = 16384
OBJECT_MARGIN_PX = 1


def smallest_object_shape(
    positions_x_px: np.ndarray, positions_y_px: np.ndarray, frame_px: int
) -> tuple[int, int]:
    """Return the (rows, columns) that hold every patch when positions are taken as given.

    One pixel is to spare at the far edges: patches are placed to parts of a pixel.

    Raises InputInvalid for an object larger than any that such a scan was made for.
    """
    rows, columns = (
        float(np.ceil(p).max()) + frame_px // 2 + OBJECT_MARGIN_PX
        for p in (positions_y_px, positions_x_px)
    )
    if max(rows, columns) > LARGEST_OBJECT_PX:
        raise InputInvalid(
            f"the object would be {rows:.16g} x {columns:.16g} px, at most {LARGEST_OBJECT_PX} a "
            "side are taken. Mend xcoords and ycoords: they are pixels, not metres"
        )
    return int(rows), int(columns)


def shown(
    positions_x_px: np.ndarray,
    positions_y_px: np.ndarray,
    frame_px: int,
    object_shape: tuple[int, int],
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return (rows, columns) of the box of the centres of refined frames, and of what they see.

    Nothing of either lies beyond the object, and neither is empty.
    """
    rows, columns = object_shape
    y_px, x_px = (
        np.clip(p, 0, size - 1) for p, size in ((positions_y_px, rows), (positions_x_px, columns))
    )
    corners, _ = forward.refined(x_px, y_px, frame_px, object_shape)
    corners = np.clip(corners, 0, np.asarray(object_shape) - frame_px)
    return alignment.scanned_region(x_px, y_px, object_shape), lit_box(corners, frame_px)


def lit_box(corners: np.ndarray, frame_px: int) -> tuple[slice, slice]:
    """Return the (rows, columns) that frames see whose patches begin at corners, int (n, 2)."""
    first, last = corners.min(axis=0), corners.max(axis=0) + frame_px
    return (slice(int(first[0]), int(last[0])), slice(int(first[1]), int(last[1])))


def starting_point(
    scan: Scan, initial_object: str, mean_photons: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the initial object (H, W) and the scaled probe (modes, N, N), complex64.

    initial_object: "flat" for ones, "guess" for the file's objectGuess (InputInvalid without one).
    mean_photons: per frame, what the probe is scaled to; by default the scan's.
    """
    if initial_object == "guess" and scan.object_guess is None:
        raise InputInvalid(f"{scan.path}: --initial-object guess, but there is no objectGuess")
    start = (
        scan.object_guess
        if initial_object == "guess"
        else np.ones(scan.object_shape, dtype=np.complex64)
    )
    photons = scan.mean_photons_per_frame if mean_photons is None else mean_photons
    bright = misfit.scaled(scan.probe, start, scan.corners, photons, scan.beside_px)
    return start, bright
