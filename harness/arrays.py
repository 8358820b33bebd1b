"""Numbers about arrays, gathered chunk by chunk: digests, bounds, photons, spacing.

Pure.  A chunk is a flat array of consecutive elements in C order; a summary never needs more
than one chunk at a time.  The recipe of the digest: docs/data_contracts.md.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np

CHUNK_BYTES = 1 << 19
COUNT_TOLERANCE = 0.01
SINGLE_PRECISION_SQUARE = 3e-7
INTENSITY_PIXELS = 100


def little_endian(dtype: np.dtype) -> np.dtype:
    """Return the dtype with its least significant byte first."""
    return dtype.newbyteorder("<")


def dtype_name(dtype: np.dtype) -> str:
    """Return "float32" for numbers and "U12" for text: no byte order, no bits of text."""
    return dtype.str[1:] if dtype.kind in "US" else dtype.name


def digest_start(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    """Return what an array's digest begins with: "<f4|38,64,64" and a line feed, as ASCII."""
    return f"{little_endian(dtype).str}|{','.join(map(str, shape))}\n".encode("ascii")


def array_sha256(array: np.ndarray) -> str:
    """Return the digest over dtype, shape and C-order little-endian bytes (hex).

    The same for every byte order, memory order and compression of the same values.
    """
    digest = hashlib.sha256(digest_start(array.dtype, array.shape))
    digest.update(np.ascontiguousarray(array, little_endian(array.dtype)).tobytes())
    return digest.hexdigest()


def identity(array: np.ndarray) -> dict[str, Any]:
    """Return what tells an array from every other: dtype, shape, sha256."""
    return {
        "dtype": dtype_name(array.dtype),
        "shape": list(array.shape),
        "sha256": array_sha256(array),
    }


class ArraySummary:
    """Digest, finiteness, bounds and mean of one array."""

    def __init__(self, dtype: np.dtype, shape: tuple[int, ...]) -> None:
        self._dtype = dtype
        self._shape = shape
        self._digest = hashlib.sha256(digest_start(dtype, shape))
        self._nonfinite_count = 0
        self._bounds: list[Any] = []
        self._sum = 0.0

    def add(self, chunk: np.ndarray) -> bool:
        """Take the next elements, little-endian; return whether they are all finite numbers."""
        self._digest.update(chunk.view(np.uint8))
        if chunk.dtype.kind in "US":
            return False
        numbers = {"c": chunk.real.dtype, "b": np.dtype(np.uint8)}.get(chunk.dtype.kind)
        values = chunk if numbers is None else chunk.view(numbers)
        low, high = values.min(), values.max()
        if not (np.isfinite(low) and np.isfinite(high)):
            self._nonfinite_count += int(np.count_nonzero(~np.isfinite(chunk)))
            return False
        if chunk.dtype.kind != "c":
            self._bounds += [low.item(), high.item()]
            with np.errstate(over="ignore"):
                self._sum += float(chunk.sum(dtype=np.float64))
        return True

    def as_record(self) -> dict[str, Any]:
        """Return what the description says of the array, but for its place in the file."""
        count = math.prod(self._shape)
        is_text = self._dtype.kind in "US"
        known = bool(self._bounds) and not self._nonfinite_count
        return {
            "dtype": dtype_name(self._dtype),
            "shape": list(self._shape),
            "bytes": count * self._dtype.itemsize,
            "sha256": self._digest.hexdigest(),
            "finite": None if is_text else self._nonfinite_count == 0,
            "nonfinite_count": None if is_text else self._nonfinite_count,
            "min": min(self._bounds) if known else None,
            "max": max(self._bounds) if known else None,
            "mean": finite_or_none(self._sum / count) if known else None,
        }


class FrameSummary:
    """Photons of each frame of amplitudes, and whether the values look like counts.

    whole_counts: every squared amplitude is a whole number, within 0.01 and the rounding that
    single precision gives the brightest of its chunk.  whole_amplitudes: every amplitude is
    itself a whole number, as closely, and at least 100 of them are 2 or more, which square roots
    of photon counts are not.  corner_light_fraction: of all light, what lies in the four corner
    squares of a quarter of the side each.  Source: docs/data_contracts.md
    """

    def __init__(self, frame_shape: tuple[int, ...]) -> None:
        self._frame_shape = frame_shape
        # Takes its size from what was read, never from what a header claims.
        self._light: np.ndarray | float = 0.0
        self._photons: list[np.ndarray] = []
        self._whole_counts = True
        self._whole_amplitudes = True
        self._above_one = 0
        self._finite = True

    def add(self, chunk: np.ndarray, *, finite: bool) -> None:
        """Take the next whole frames, flat."""
        if not (finite and self._finite):
            self._finite = False
            return
        frames = chunk.astype(np.float64).reshape(-1, math.prod(self._frame_shape))
        if self._whole_amplitudes:
            self._whole_amplitudes = are_whole(frames)
            self._above_one += int(np.count_nonzero(frames >= 2))
        with np.errstate(over="ignore", invalid="ignore"):
            np.square(frames, out=frames)
            self._photons.append(frames.sum(axis=1))
            self._light += frames.sum(axis=0)
            if self._whole_counts:
                self._whole_counts = are_whole(frames)

    def as_record(self) -> dict[str, Any]:
        """Return the photon statistics; null where there is no frame or no finite number."""
        known = self._finite and bool(self._photons)
        photons = np.concatenate(self._photons) if known else np.empty(0)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            mean = photons.mean() if known else math.nan
            relative_sd = np.divide(photons.std(), mean) if known else math.nan
        whole = self._whole_amplitudes and self._above_one >= INTENSITY_PIXELS
        return {
            "mean_photons_per_frame": finite_or_none(mean),
            "photons_relative_sd": finite_or_none(relative_sd),
            "empty_frames": int(np.count_nonzero(photons == 0)) if known else None,
            "whole_counts": self._whole_counts if known else None,
            "whole_amplitudes": whole if known else None,
            "corner_light_fraction": self._corner_fraction() if known else None,
        }

    def _corner_fraction(self) -> float | None:
        """Return what share of the light lies in the corners, or None where that means nothing."""
        light = np.reshape(self._light, self._frame_shape)
        if light.shape[0] != light.shape[1] or not light.any():
            return None
        quarter_px = light.shape[0] // 4
        edges = np.r_[:quarter_px, light.shape[0] - quarter_px : light.shape[0]]
        with np.errstate(over="ignore", invalid="ignore"):
            return finite_or_none(light[np.ix_(edges, edges)].sum() / light.sum())


def are_whole(values: np.ndarray) -> bool:
    """Tell whether every value, float64, is a whole number, as `FrameSummary` means it."""
    off = np.rint(values)
    off -= values
    allowed = COUNT_TOLERANCE + SINGLE_PRECISION_SQUARE * values.max()
    return bool(max(off.max(), -off.min()) <= allowed)


def position_statistics(positions_px: np.ndarray | None) -> dict[str, Any]:
    """Return count, bounds and least spacing of positions, shape (n, 2), columns (y, x)."""
    names = ("x_min_px", "x_max_px", "y_min_px", "y_max_px", "spacing_min_px")
    if positions_px is None or not len(positions_px):
        return {"positions": None} | dict.fromkeys(names)
    y_px, x_px = positions_px.T
    values = (x_px.min(), x_px.max(), y_px.min(), y_px.max(), spacing_min_px(positions_px))
    return {"positions": len(positions_px)} | {
        name: finite_or_none(value) for name, value in zip(names, values, strict=True)
    }


def spacing_min_px(positions_px: np.ndarray) -> float:
    """Return the least distance between two of the positions; infinite for a single one.

    positions_px: float array, shape (n, 2), object pixels.  Sweeps along the wider axis: pairs
    k places apart in its order are compared until even the nearest along it are too far.
    """
    wide = int(np.argmax(np.ptp(positions_px, axis=0)))
    ordered = positions_px[np.lexsort((positions_px[:, 1 - wide], positions_px[:, wide]))]
    least = math.inf
    for shift in range(1, len(ordered)):
        apart = ordered[shift:] - ordered[:-shift]
        if least == 0 or apart[:, wide].min() > least:
            break
        least = min(least, float(np.hypot(apart[:, 0], apart[:, 1]).min()))
    return least


def finite_or_none(value: float) -> float | None:
    """Return the number, or None where JSON has no word for it."""
    return float(value) if math.isfinite(value) else None
