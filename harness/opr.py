"""A probe that differs from frame to frame: orthogonal probe relaxation (OPR). Pure numpy.

As pty-chi has it, the weights of a frame mix its first incoherent mode alone; further ones are the
same in every frame.  Source: docs/metrics.md
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.errors import InputInvalid

# In reconstruction.npz, beside `probe`, where a recipe asks for OPR modes.
NAMES = MODES, WEIGHTS = "probe_opr_modes", "opr_weights"


@dataclass(frozen=True, slots=True, eq=False)
class Opr:
    """What makes a probe another one in each frame.

    modes: complex64 (k - 1, N, N), the OPR modes after the first, in the probe's own convention.
    weights: float (frames, k), the first column of the probe's first mode itself.
    """

    modes: np.ndarray
    weights: np.ndarray

    def probe_of(self, frame: int, probe: np.ndarray) -> np.ndarray:
        """Return the probe of a frame, (modes, N, N), from the one that all frames share."""
        own, further = self.weights[frame, 0], self.weights[frame, 1:]
        first = own * probe[0] + np.tensordot(further, self.modes, axes=1)
        return np.concatenate([first[None], probe[1:]])

    def photons(self, probe: np.ndarray) -> float:
        """Return the power of the probe, averaged over the frames."""
        frames = range(len(self.weights))
        return float(np.mean([(np.abs(self.probe_of(j, probe)) ** 2).sum() for j in frames]))

    def stacked(self, probe: np.ndarray) -> np.ndarray:
        """Return the probe as pty-chi and ptychodus have it, (k, modes, N, N)."""
        every = np.zeros((1 + len(self.modes), *probe.shape), dtype=probe.dtype)
        every[0], every[1:, 0] = probe, self.modes
        return every

    def named(self) -> dict[str, np.ndarray]:
        """Return the arrays as they are kept, by name."""
        return {MODES: self.modes, WEIGHTS: self.weights}


def shapes(opr_modes: int, frames: int, frame_px: int) -> dict[str, list[int]]:
    """Return the shapes of the arrays kept for a recipe's number of OPR modes; none for 1."""
    if opr_modes == 1:
        return {}
    return {MODES: [opr_modes - 1, frame_px, frame_px], WEIGHTS: [frames, opr_modes]}


def kept(
    arrays: Mapping[str, np.ndarray | None], opr_modes: int, frames: int, frame_px: int
) -> Opr | None:
    """Return what the arrays of a job hold, None where its recipe asks for one OPR mode.

    Raises InputInvalid where they are missing or do not fit.
    """
    wanted = shapes(opr_modes, frames, frame_px)
    if not wanted:
        return None
    for name, kind in zip(NAMES, "cf", strict=True):
        array = arrays.get(name)
        if array is None or array.dtype.kind != kind or list(array.shape) != wanted[name]:
            raise InputInvalid(f"{' and '.join(NAMES)} do not fit the frames and the recipe")
    return Opr(*(arrays[name] for name in NAMES))
