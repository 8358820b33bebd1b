"""The far-field model of a scan: what a detector is expected to count. Pure numpy.

Probes are unitary here, as in the files: a frame holds sum |P O|^2 photons. Frames have zero
frequency in the centre.  Source: docs/metrics.md
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def waves(probe: np.ndarray, object_: np.ndarray, corners: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the detector wave of each frame, complex (modes, N, N), zero frequency in the corner.

    probe: (modes, N, N), unitary.  object_: (H, W).  corners: int (n, 2), (row, column).
    """
    side = probe.shape[-1]
    light = probe.astype(np.complex128)
    for row, column in corners:
        yield np.fft.fft2(light * object_[row : row + side, column : column + side], norm="ortho")


def frames(probe: np.ndarray, object_: np.ndarray, corners: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the expected photons of each frame, float64 (N, N); arguments as for `waves`."""
    for wave in waves(probe, object_, corners):
        yield np.fft.fftshift((np.abs(wave) ** 2).sum(axis=0))


def illumination(probe: np.ndarray, corners: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return sum_j |P(r - r_j)|^2 on each object pixel, float64, of the given shape."""
    intensity = (np.abs(probe.astype(np.complex128)) ** 2).sum(axis=0)
    side = intensity.shape[-1]
    light = np.zeros(shape)
    for row, column in corners:
        light[row : row + side, column : column + side] += intensity
    return light
