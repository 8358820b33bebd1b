"""The far-field model of a scan: what a detector is expected to count. Pure numpy.

Probes are unitary here, as in the files: a frame holds sum |P O|^2 photons. Frames have zero
frequency in the centre; the one at (x, y) sees object[y-N/2 : y+N/2, x-N/2 : x+N/2], with x and y
rounded to whole pixels (DATA-001).  Source: docs/metrics.md
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from harness.errors import InputInvalid
from harness.opr import Opr

BLOCK_FRAMES = 8  # what fits a cache

# First (row, column) of each frame's patch, int (n, 2), and the parts of a pixel, float (n, 2), by
# which its probe lies beside it: `corners` and `shifts_px` of `waves`.
Placed = tuple[np.ndarray, np.ndarray]


def patch_corners(
    positions_x_px: np.ndarray,
    positions_y_px: np.ndarray,
    frame_px: int,
    object_shape: tuple[int, int],
) -> np.ndarray:
    """Return the first (row, column) of each frame's patch, int, shape (n, 2).

    positions: probe centres in object pixels, shape (n,).
    Raises InputInvalid, naming the first of them, if a patch leaves the object.
    """
    centres = np.stack([positions_y_px, positions_x_px], axis=1)
    # Compared before they become integers: a float beyond int64 would wrap.
    corners = np.rint(centres) - frame_px // 2
    outside = ((corners < 0) | (corners + frame_px > np.asarray(object_shape))).any(axis=1)
    if outside.any():
        first = int(np.flatnonzero(outside)[0])
        row, column = corners[first]
        raise InputInvalid(
            f"{int(outside.sum())} of {len(corners)} frames see beyond the object: frame {first} "
            f"begins at row {row:.16g}, column {column:.16g} and is {frame_px} px wide; the object "
            f"is {object_shape[0]} x {object_shape[1]} px. Mend xcoords, ycoords or objectGuess"
        )
    return corners.astype(np.int64)


def refined(
    positions_x_px: np.ndarray,
    positions_y_px: np.ndarray,
    frame_px: int,
    object_shape: tuple[int, int],
) -> Placed:
    """Return corners and parts of a pixel of positions that were refined, whatever they came to.

    As `patch_corners` and `parts_of_a_pixel`, but a patch may leave the object: there it sees the
    edge repeated, as in pty-chi.  One wholly beyond it stands next to the edge, and sees the same.
    """
    centres = np.stack([positions_y_px, positions_x_px], axis=1)
    with np.errstate(invalid="ignore"):
        beside_px = parts_of_a_pixel(positions_x_px, positions_y_px)
    corners = np.nan_to_num(np.rint(centres)) - frame_px // 2
    near = np.clip(corners, -frame_px, np.asarray(object_shape))
    return near.astype(np.int64), beside_px


def parts_of_a_pixel(positions_x_px: np.ndarray, positions_y_px: np.ndarray) -> np.ndarray:
    """Return what rounding to whole pixels leaves of positions, float (n, 2), (row, column)."""
    centres = np.stack([positions_y_px, positions_x_px], axis=1).astype(np.float64)
    return centres - np.rint(centres)


def moved(images: np.ndarray, shift_px: Sequence[float]) -> np.ndarray:
    """Return complex images (..., H, W) displaced by (rows, columns), periodic at their edges."""
    rows, columns = (np.fft.fftfreq(size) for size in images.shape[-2:])
    ramp = np.exp(-2j * np.pi * (rows[:, None] * shift_px[0] + columns * shift_px[1]))
    return np.fft.ifft2(np.fft.fft2(images) * ramp)


def probes(
    probe: np.ndarray,
    count: int,
    shifts_px: np.ndarray | None = None,
    relaxed: Opr | None = None,
) -> Iterator[np.ndarray]:
    """Yield the probe of each frame, complex (modes, N, N): one array where all have the same.

    shifts_px, relaxed: as for `waves`.
    """
    light = probe.astype(np.complex128)
    for frame, shift_px in enumerate(np.zeros((count, 2)) if shifts_px is None else shifts_px):
        own = light if relaxed is None else relaxed.probe_of(frame, light)
        yield moved(own, shift_px) if shift_px.any() else own


def waves(
    probe: np.ndarray,
    object_: np.ndarray,
    corners: np.ndarray,
    shifts_px: np.ndarray | None = None,
    relaxed: Opr | None = None,
) -> Iterator[np.ndarray]:
    """Yield the detector wave of each frame, complex (modes, N, N), zero frequency in the corner.

    probe: (modes, N, N), unitary.  object_: (H, W).  corners: int (n, 2), (row, column).
    shifts_px: (n, 2), by which the probe lies beside its patch, as pty-chi has it for positions
    between pixels (`parts_of_a_pixel`); None for none.  relaxed: what makes the probe another one
    in each frame; None where all have the same.
    """
    for block in _blocks(probe, object_, corners, shifts_px, relaxed):
        yield from block


def frames(
    probe: np.ndarray,
    object_: np.ndarray,
    corners: np.ndarray,
    shifts_px: np.ndarray | None = None,
    relaxed: Opr | None = None,
) -> Iterator[np.ndarray]:
    """Yield the expected photons of each frame, float64 (N, N); arguments as for `waves`."""
    for block in photons(probe, object_, corners, shifts_px, relaxed):
        yield from np.fft.fftshift(block, axes=(1, 2))


def photons(
    probe: np.ndarray,
    object_: np.ndarray,
    corners: np.ndarray,
    shifts_px: np.ndarray | None = None,
    relaxed: Opr | None = None,
) -> Iterator[np.ndarray]:
    """Yield what `frames` does, some frames at a time, zero frequency in the corner: sooner."""
    for block in _blocks(probe, object_, corners, shifts_px, relaxed):
        yield (block.real**2 + block.imag**2).sum(axis=1)


def _blocks(
    probe: np.ndarray,
    object_: np.ndarray,
    corners: np.ndarray,
    shifts_px: np.ndarray | None,
    relaxed: Opr | None,
) -> Iterator[np.ndarray]:
    """Yield the waves of some frames at a time, complex (frames, modes, N, N)."""
    # A tenth of a second of imports, which a verification without inputs does not need.
    from scipy import fft

    side = probe.shape[-1]
    each = probes(probe, len(corners), shifts_px, relaxed)
    exits = (
        here * _patch(object_, row, column, side)
        for (row, column), here in zip(corners, each, strict=True)
    )
    while some := list(islice(exits, BLOCK_FRAMES)):
        yield fft.fft2(np.stack(some), norm="ortho", overwrite_x=True)


def _patch(object_: np.ndarray, row: int, column: int, side: int) -> np.ndarray:
    """Return what a frame sees of the object; beyond it, its edge."""
    height, width = object_.shape
    if 0 <= row <= height - side and 0 <= column <= width - side:
        return object_[row : row + side, column : column + side]
    rows, columns = (
        np.clip(np.arange(first, first + side), 0, size - 1)
        for first, size in ((row, height), (column, width))
    )
    return object_[np.ix_(rows, columns)]


def illumination(
    probe: np.ndarray,
    corners: np.ndarray,
    shape: tuple[int, int],
    shifts_px: np.ndarray | None = None,
) -> np.ndarray:
    """Return sum_j |P(r - r_j)|^2 on each object pixel, float64, of the given shape.

    Arguments as for `waves`.
    """
    side = probe.shape[-1]
    light = np.zeros(shape)
    each = probes(probe, len(corners), shifts_px)
    for (row, column), here in zip(corners, each, strict=True):
        seen = light[max(row, 0) : row + side, max(column, 0) : column + side]
        above, left = max(-row, 0), max(-column, 0)
        power = (np.abs(here) ** 2).sum(axis=0)
        seen += power[above : above + seen.shape[0], left : left + seen.shape[1]]
    return light


def photons_per_frame(
    probe: np.ndarray,
    object_: np.ndarray,
    corners: np.ndarray,
    shifts_px: np.ndarray | None = None,
) -> float:
    """Return the photons that the model has in a frame, averaged; arguments as for `waves`."""
    transmitted = np.abs(object_.astype(np.complex128)) ** 2
    light = illumination(probe, corners, object_.shape, shifts_px)
    return float((light * transmitted).sum() / len(corners))
