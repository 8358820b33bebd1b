"""Fourier ring correlation of two complex images, and where it meets the 1/2-bit curve.

Pure numpy.  Source: van Heel and Schatz, J. Struct. Biol. 151, 250 (2005); docs/metrics.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

SMALLEST_BOX_PX = 8
NYQUIST_PER_PX = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class RingCorrelation:
    """A curve over rings 1 to side / 2.

    frequency_per_px: cycles per pixel.  correlation: -1 to 1.  half_bit: the threshold.
    resolution_px: half period where the curve first falls under the threshold, None where it
    does not, or where there is no curve; `reason` then says which.
    """

    frequency_per_px: np.ndarray
    correlation: np.ndarray
    half_bit: np.ndarray
    resolution_px: float | None
    reason: str

    def as_records(self) -> list[dict[str, float]]:
        """Return the rings as they stand in a record."""
        lines = (self.frequency_per_px, self.correlation, self.half_bit)
        return [
            {"cycles_per_px": at, "correlation": value, "half_bit": limit}
            for at, value, limit in zip(*(line.tolist() for line in lines), strict=True)
        ]


NO_CURVE = RingCorrelation(*3 * [np.zeros(0)], None, "")


def half_bit_threshold(values_per_ring: np.ndarray) -> np.ndarray:
    """Return the 1/2-bit threshold of rings with that many Fourier values each.

    Source: van Heel and Schatz (2005), the 1/2-bit curve.
    """
    root = np.sqrt(np.asarray(values_per_ring, dtype=float))
    return (0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root)


def correlate(one: np.ndarray, other: np.ndarray) -> RingCorrelation:
    """Return the ring correlation of two square images of the same shape (side, side).

    The mean is taken away and a Hann window laid over both; rings are one frequency step wide.
    A side under 8 px, or a ring without any power, leaves no curve or ends it there.
    """
    side = len(one)
    if side < SMALLEST_BOX_PX:
        reason = f"no square of {SMALLEST_BOX_PX} px or more lies inside the mask"
        return replace(NO_CURVE, reason=reason)
    first, second = (spectrum(image) for image in (one, other))
    steps = np.fft.fftfreq(side) * side
    ring = np.rint(np.hypot(steps[:, None], steps)).astype(int).ravel()
    rings = slice(1, side // 2 + 1)
    shared, power, other_power, count = (
        np.bincount(ring, weights=values.ravel())[rings]
        for values in (
            (first * second.conj()).real,
            np.abs(first) ** 2,
            np.abs(second) ** 2,
            np.ones_like(first, dtype=float),
        )
    )
    norm = np.sqrt(power * other_power)
    curve = np.divide(shared, norm, out=np.zeros_like(shared), where=norm > 0)
    frequency = np.arange(1, side // 2 + 1) / side
    limit = half_bit_threshold(count)
    return RingCorrelation(frequency, curve, limit, *crossing(frequency, curve - limit))


def largest_square(mask: np.ndarray) -> tuple[slice, slice]:
    """Return (rows, columns) of the largest square wholly inside a boolean mask.

    Of several, the one nearest to the mask's centre of mass; side 0 where the mask is empty.
    """
    table = np.pad(mask.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    low, high = 0, min(mask.shape)
    while low < high:
        middle = (low + high + 1) // 2
        if _full(table, middle).any():
            low = middle
        else:
            high = middle - 1
    if low == 0:
        return slice(0, 0), slice(0, 0)
    places = np.argwhere(_full(table, low))
    centre = np.argwhere(mask).mean(axis=0) - (low - 1) / 2
    row, column = places[((places - centre) ** 2).sum(axis=1).argmin()]
    return slice(int(row), int(row) + low), slice(int(column), int(column) + low)


def _full(table: np.ndarray, side: int) -> np.ndarray:
    sums = table[side:, side:] - table[:-side, side:] - table[side:, :-side] + table[:-side, :-side]
    return sums == side * side


def window(side_px: int) -> np.ndarray:
    """Return a Hann window, float (side_px, side_px), zero at no pixel."""
    line = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(side_px) + 0.5) / side_px)
    return line[:, None] * line


def spectrum(image: np.ndarray) -> np.ndarray:
    """Return the FFT of a square image less its weighted mean, under the window."""
    weight = window(len(image))
    return np.fft.fft2(weight * (image - (weight * image).sum() / weight.sum()))


def resolved_to_per_px(
    rings: Sequence[Mapping[str, Any]], resolution_px: float | None
) -> float | None:
    """Return the frequency, in cycles per pixel, up to which, from zero on, a curve resolves.

    rings: as `RingCorrelation.as_records` gives them.  1/2 where the curve stays above its
    threshold; None where it is under it in the first ring already, whatever the others say, or
    where there is no curve.
    """
    if resolution_px is not None:
        return 0.5 / resolution_px
    if not rings or rings[0]["correlation"] < rings[0]["half_bit"]:
        return None
    return NYQUIST_PER_PX


def crossing(frequency_per_px: np.ndarray, above: np.ndarray) -> tuple[float | None, str]:
    """Return the half period, in pixels, where a curve first falls under its threshold.

    above: the curve less the threshold, at these frequencies.  None where it does not cross, and
    why.
    """
    under = np.flatnonzero(above < 0)
    if not len(under):
        return None, "the correlation stays above the 1/2-bit threshold up to 1/2 cycle per px"
    at = int(under[0])
    if at == 0:
        return None, "the correlation is under the 1/2-bit threshold from the first ring on"
    share = above[at - 1] / (above[at - 1] - above[at])
    where = frequency_per_px[at - 1] + share * (frequency_per_px[at] - frequency_per_px[at - 1])
    return float(0.5 / where), ""
