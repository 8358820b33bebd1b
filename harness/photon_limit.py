"""What shot noise leaves of the object's phase, at best: the Cramer-Rao bound. Pure numpy.

Probe and positions are taken as known. Derivation and sources: docs/metrics.md
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness import forward, frc

CG_STEPS = 60
CG_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Fisher:
    """The Fisher information of the object's pixels, applied without being formed.

    phases: the model wave over its modulus (of all modes), complex (n, modes, N, N).
    probes: of each frame, complex (modes, N, N), unitary.  corners: int (n, 2).  shape: of the
    object.
    """

    phases: np.ndarray
    probes: Sequence[np.ndarray]
    corners: np.ndarray
    shape: tuple[int, int]

    @classmethod
    def of(
        cls,
        probe: np.ndarray,
        object_: np.ndarray,
        corners: np.ndarray,
        shifts_px: np.ndarray | None = None,
    ) -> Fisher:
        """Return the information that a scan has about an object; as for `forward.waves`."""
        waves = np.stack(list(forward.waves(probe, object_, corners, shifts_px)))
        modulus = np.sqrt((np.abs(waves) ** 2).sum(axis=1, keepdims=True))
        phases = np.divide(waves, modulus, out=np.zeros_like(waves), where=modulus > 0)
        each = list(forward.probes(probe, len(corners), shifts_px))
        return cls(phases, each, corners, object_.shape)

    @property
    def side(self) -> int:
        """Of a frame, pixels."""
        return self.phases.shape[-1]

    def forward(self, change: np.ndarray) -> np.ndarray:
        """Return how a change of the object, complex (H, W), moves 2 sqrt(I), float (n, N, N)."""
        side = self.side
        moved = np.empty((len(self.corners), side, side))
        for at, (row, column) in enumerate(self.corners):
            patch = change[row : row + side, column : column + side]
            wave = np.fft.fft2(self.probes[at] * patch, norm="ortho")
            moved[at] = 2 * (self.phases[at].conj() * wave).real.sum(axis=0)
        return moved

    def adjoint(self, noise: np.ndarray) -> np.ndarray:
        """Return the adjoint of `forward`, for the real inner product, complex (H, W)."""
        side = self.side
        total = np.zeros(self.shape, dtype=np.complex128)
        for at, (row, column) in enumerate(self.corners):
            wave = np.fft.ifft2(2 * self.phases[at] * noise[at], norm="ortho")
            seen = (self.probes[at].conj() * wave).sum(axis=0)
            total[row : row + side, column : column + side] += seen
        return total

    def apply(self, change: np.ndarray) -> np.ndarray:
        """Return the information times a change, complex (H, W)."""
        return self.adjoint(self.forward(change))


def simple_phase_rad(light: np.ndarray, object_: np.ndarray) -> np.ndarray:
    """Return 1 / sqrt(2 n), n = light x |O|^2, per pixel (H, W); infinite where n is 0."""
    photons = light * np.abs(object_) ** 2
    with np.errstate(divide="ignore"):
        return 1 / np.sqrt(2 * photons)


def efficient_error(
    fisher: Fisher, light: np.ndarray, seed: int, steps: int = CG_STEPS
) -> tuple[np.ndarray, float]:
    """Draw one error of an efficient estimator, and the relative residual it was solved to.

    Complex (H, W), normal with the inverse of the information as covariance: J = A^T A, so the
    x that solves J x = A^T noise has covariance J^-1.  What the scan does not see stays zero.
    light: sum |P|^2 on each pixel, which preconditions.
    """
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(len(fisher.corners), fisher.side, fisher.side))
    right = fisher.adjoint(noise)
    weight = 1 / np.maximum(2 * light, 1e-3 * light.max())
    return _solve(fisher, right, weight, steps)


def phase_errors_rad(errors: Sequence[np.ndarray], object_: np.ndarray) -> list[np.ndarray]:
    """Return the phase part of complex errors (H, W) of an object, to first order."""
    return [
        np.divide(error, object_, out=np.zeros_like(error), where=np.abs(object_) > 0).imag
        for error in errors
    ]


def _solve(
    fisher: Fisher, right: np.ndarray, weight: np.ndarray, steps: int
) -> tuple[np.ndarray, float]:
    """Solve J x = right by preconditioned conjugate gradients from zero."""
    found = np.zeros_like(right)
    residual, norm = right.copy(), np.linalg.norm(right)
    scaled = weight * residual
    direction, power = scaled, np.vdot(residual, scaled).real
    for _ in range(steps):
        if not np.linalg.norm(residual) > CG_TOLERANCE * norm:
            break
        image = fisher.apply(direction)
        length = power / np.vdot(direction, image).real
        found = found + length * direction
        residual = residual - length * image
        scaled = weight * residual
        before, power = power, np.vdot(residual, scaled).real
        direction = scaled + (power / before) * direction
    return found, float(np.linalg.norm(residual) / norm) if norm > 0 else 0.0


def band_rms(image: np.ndarray, edges_per_px: Sequence[float]) -> list[float | None]:
    """Return the root mean square that a square image has between frequencies, one per band.

    edges_per_px: cycles per pixel, ascending; a band holds its lower edge.  The mean is taken away
    and a Hann window laid over, and divided out (Parseval).  None for a band without a frequency.
    """
    side = len(image)
    power = np.abs(frc.spectrum(image)) ** 2 / (side**2 * (frc.window(side) ** 2).sum())
    steps = np.fft.fftfreq(side)
    frequency = np.hypot(steps[:, None], steps)
    bands = (
        (frequency >= low) & (frequency < high) for low, high in itertools.pairwise(edges_per_px)
    )
    return [float(np.sqrt(power[band].sum())) if band.any() else None for band in bands]
