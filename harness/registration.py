"""Bring a reconstruction onto the truth: shift, ramp and factor, over a mask. Pure.

Ramp before shift: a linear phase displaces the spectrum, and a cross-correlation that sees it
finds no peak where the object is.  Source: docs/metrics.md
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from skimage.registration import phase_cross_correlation

from harness import alignment, forward

ROUNDS = 4
STEPS_PER_PX = 200


@dataclass(frozen=True, slots=True, eq=False)
class Registered:
    """What was removed, and what is left.

    values: complex (H, W), shifted, without ramp, scaled.  shift_px: (rows, columns) by which the
    reconstruction had to be moved.  ramp_rad_per_px, scale: of `alignment.align`, after the shift.
    """

    values: np.ndarray
    shift_px: tuple[float, float]
    ramp_rad_per_px: tuple[float, float]
    scale: complex


def register(reconstruction: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> Registered:
    """Return the reconstruction brought to the truth over a boolean mask; all (H, W).

    The shift is found to 1/200 px and refined in rounds, as what moves past the mask's edge
    biases each towards none.  Source: Guizar-Sicairos et al., Opt. Lett. 33, 156 (2008).
    """
    wanted = truth.astype(np.complex128)
    ramp, scale = _fit(reconstruction.astype(np.complex128), wanted, mask)
    total = np.zeros(2)
    for _ in range(ROUNDS):
        moved = _moved(_flat(reconstruction, ramp), total)
        step = _step(moved, wanted, mask)
        total = total + step
        moved = _moved(_flat(reconstruction, ramp), total)
        rest, scale = _fit(moved, wanted, mask)
        ramp = (ramp[0] + rest[0], ramp[1] + rest[1])
        if not step.any():
            break
    values = scale * _flat(moved, rest)
    return Registered(values, (float(total[0]), float(total[1])), ramp, scale)


def _fit(
    found: np.ndarray, wanted: np.ndarray, mask: np.ndarray
) -> tuple[tuple[float, float], complex]:
    aligned = alignment.align(found * mask, wanted * mask)
    return aligned.ramp_rad_per_px, aligned.scale


def _step(found: np.ndarray, wanted: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return how far (rows, columns) to move what is found; means are taken away first."""
    images = [np.where(mask, image - image[mask].mean(), 0) for image in (wanted, found)]
    if not all(np.isfinite(image).all() and image.any() for image in images):
        return np.zeros(2)
    # The magnitudes count: whitened, noise beyond the resolution would weigh as much as the object.
    shift, _, _ = phase_cross_correlation(*images, upsample_factor=STEPS_PER_PX, normalization=None)
    return np.asarray(shift, dtype=float)


def _flat(image: np.ndarray, ramp: tuple[float, float]) -> np.ndarray:
    rows, columns = np.indices(image.shape, sparse=True)
    return image * np.exp(-1j * (ramp[0] * rows + ramp[1] * columns))


def _moved(image: np.ndarray, shift_px: np.ndarray) -> np.ndarray:
    return forward.moved(image, shift_px) if shift_px.any() else image
