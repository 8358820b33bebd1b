"""A reconstruction beside the truth, after the freedoms that ptychography leaves. Pure numpy.

Intensities do not change when the object is multiplied by a complex constant, nor (with the
probe) by a linear phase. Those two are removed; a shift is not, because the known probe and
positions fix it, so a displaced object counts as wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

REFINEMENTS = 8


@dataclass(frozen=True, slots=True)
class Aligned:
    """What was removed, and what is left.

    values: the reconstruction brought to the truth, complex, its shape.
    scale: the complex factor.  ramp_rad_per_px: (rows, columns).
    nrmse: sqrt(sum |values - truth|^2 / sum |truth|^2).
    """

    values: np.ndarray
    scale: complex
    ramp_rad_per_px: tuple[float, float]
    nrmse: float


def align(reconstruction: np.ndarray, truth: np.ndarray) -> Aligned:
    """Remove one complex factor and one linear phase, and measure what still differs.

    Both complex, same shape (rows, columns).  A dark or non-finite reconstruction has error 1
    or NaN.  Source: Fienup, Appl. Opt. 36, 8352 (1997), eq. 5, with a ramp besides.
    """
    found = reconstruction.astype(np.complex128)
    wanted = truth.astype(np.complex128)
    ramp = _ramp(found * wanted.conj())
    flat = found * np.exp(-1j * _plane(ramp, found.shape))
    power = np.vdot(flat, flat).real
    scale = complex(np.vdot(flat, wanted) / power) if power > 0 else 0j
    values = scale * flat
    return Aligned(values, scale, ramp, relative_difference(values, wanted))


def scanned_region(
    positions_x_px: np.ndarray, positions_y_px: np.ndarray, object_shape: tuple[int, int]
) -> tuple[slice, slice]:
    """Return (rows, columns) of the box that the probe's centres span, one pixel at least."""
    return tuple(
        slice(max(0, int(np.floor(p.min()))), min(side, int(np.ceil(p.max())) + 1))
        for p, side in zip((positions_y_px, positions_x_px), object_shape, strict=True)
    )


def without_slow_phase(
    reconstruction: np.ndarray, truth: np.ndarray, sigma_px: float
) -> np.ndarray:
    """Return the reconstruction with its phase error slower than sigma_px taken away.

    Both complex, same shape.  From a flat start the slowest phases come last, over thousands of
    epochs; what is left shows where features lie. The error is smoothed with a Gaussian of
    standard deviation sigma_px, periodic at the edges.
    """
    product = reconstruction.astype(np.complex128) * truth.conj()
    rows, columns = (np.fft.fftfreq(size) for size in product.shape)
    response = np.exp(-2 * (np.pi * sigma_px) ** 2 * (rows[:, None] ** 2 + columns**2))
    slow = np.fft.ifft2(np.fft.fft2(product) * response)
    return reconstruction * np.exp(-1j * np.angle(slow))


def relative_difference(found: np.ndarray, wanted: np.ndarray) -> float:
    """Return sqrt(sum |found - wanted|^2 / sum |wanted|^2), nothing removed; inf if wanted is 0."""
    norm = np.linalg.norm(wanted)
    return float(np.linalg.norm(found - wanted) / norm) if norm > 0 else float("inf")


def _plane(ramp: tuple[float, float], shape: tuple[int, int]) -> np.ndarray:
    rows, columns = np.indices(shape, sparse=True)
    return ramp[0] * rows + ramp[1] * columns


def _ramp(product: np.ndarray) -> tuple[float, float]:
    """Return the slope (rad/px) of the phase of product, weighted by its magnitude."""
    if not np.isfinite(product).all() or not product.any():
        return (0.0, 0.0)
    spectrum = np.abs(np.fft.fft2(product))
    peak = np.unravel_index(int(spectrum.argmax()), spectrum.shape)
    slope = np.array(
        [2 * np.pi * np.fft.fftfreq(size)[at] for size, at in zip(product.shape, peak, strict=True)]
    )
    for _ in range(REFINEMENTS):
        slope = slope + _slope_step(product * np.exp(-1j * _plane(tuple(slope), product.shape)))
    return (float(slope[0]), float(slope[1]))


def _slope_step(product: np.ndarray) -> np.ndarray:
    """Return the weighted least-squares slope of a phase that is already nearly flat."""
    weight = np.abs(product)
    phase = np.angle(product * np.conj(product.sum()))
    total = weight.sum()
    axes = [axis - (weight * axis).sum() / total for axis in np.indices(product.shape)]
    normal = np.array([[(weight * a * b).sum() for a in axes] for b in axes])
    right = np.array([(weight * axis * phase).sum() for axis in axes])
    return np.linalg.lstsq(normal, right, rcond=None)[0]
