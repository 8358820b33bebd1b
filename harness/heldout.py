"""Data kept from a reconstruction, to say without a truth when it has gone far enough. Pure numpy.

Photons that are held out by chance, each with probability `share`, leave two independent Poisson
scans of the same object: the model of the one, times share / (1 - share), predicts the other.
Source: docs/adr/0018-recipes-and-stopping.md
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from harness import arrays, forward
from harness.errors import InputInvalid
from harness.recipe import FRAMES, PHOTONS

# Apart from every other use of a job's seed.
STREAM = 18


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """A scan in two parts.

    by: "photons" or "frames".  share: asked for.
    kept: float32 counts (m, N, N) that are reconstructed from.  kept_frames: int (m,), which.
    held: float32 counts (k, N, N).  held_frames: int (k,).
    lit: int (p,), where photons are held out, zero frequency in the corner and all frames laid
    flat behind each other.  seen: float64 (p,), how many.
    """

    by: str
    share: float
    kept: np.ndarray
    kept_frames: np.ndarray
    held: np.ndarray
    held_frames: np.ndarray
    lit: np.ndarray = field(init=False)
    seen: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        flat = np.fft.ifftshift(self.held, axes=(1, 2)).ravel()
        # Looked for once: every epoch is scored by them.
        object.__setattr__(self, "lit", np.flatnonzero(flat))
        object.__setattr__(self, "seen", flat[self.lit].astype(np.float64))

    @property
    def brightness(self) -> float:
        """How bright the whole scan is beside the part that is kept."""
        return 1.0 / (1.0 - self.share) if self.by == PHOTONS else 1.0

    @property
    def held_share(self) -> float:
        """How bright the held-out part is beside the whole scan, frame by frame."""
        return self.share if self.by == PHOTONS else 1.0


def split(counts: np.ndarray, share: float, by: str, seed: int) -> Split:
    """Return a scan in two parts, the same for the same seed.

    counts: float32 (n, N, N), photons.  by: "photons" where frames hold whole counts, otherwise
    frames are held out, as for "frames".  Raises InputInvalid where there is no second frame.
    """
    rng = np.random.default_rng([STREAM, seed])
    whole = np.rint(counts)
    if by == PHOTONS and arrays.are_whole(counts.astype(np.float64)):
        held = rng.binomial(whole.astype(np.int64), share)
        every = np.arange(len(counts))
        kept = (whole - held).astype(np.float32)
        return Split(PHOTONS, share, kept, every, held.astype(np.float32), every)
    if len(counts) < 2:
        raise InputInvalid("one frame cannot be held out of one; take a recipe without held_out")
    drawn = np.sort(rng.permutation(len(counts))[: math.ceil(share * len(counts))])
    rest = np.setdiff1d(np.arange(len(counts)), drawn)
    return Split(FRAMES, share, counts[rest], rest, counts[drawn], drawn)


def deviance(
    split: Split,
    probe: np.ndarray,
    object_: np.ndarray,
    corners: np.ndarray,
    shifts_px: np.ndarray | None = None,
) -> float:
    """Return the Poisson deviance of the held-out part from a model, per photon of it.

    probe: (modes, N, N), unitary, as bright as the whole scan.  object_: complex (H, W).
    corners: int (n, 2), shifts_px: (n, 2), as for `forward.waves`, of every frame.  Infinite where
    a photon fell on what the model leaves dark.
    Source: docs/metrics.md, `poisson_deviance_per_photon`
    """
    scaled = probe * np.sqrt(split.held_share)
    beside = None if shifts_px is None else shifts_px[split.held_frames]
    total, start, first = 0.0, 0, 0
    for block in forward.photons(scaled, object_, corners[split.held_frames], beside):
        last = int(np.searchsorted(split.lit, start + block.size))
        seen, model = split.seen[first:last], block.ravel()[split.lit[first:last] - start]
        with np.errstate(divide="ignore", invalid="ignore"):
            total += float((seen * np.log(seen / model)).sum()) + float(block.sum())
        start, first = start + block.size, last
    held = float(split.seen.sum())
    deviance = 2 * (total - held)
    return deviance / held if held > 0 and np.isfinite(deviance) else math.inf


def chosen(deviances: Sequence[float], as_good: float) -> int:
    """Return which epoch is delivered, counted from 1: the last that is as good as the best.

    deviances: one an epoch, one at least.  as_good: what at most so many times the least is, 1 or
    more.  An epoch that is chosen in the end is so from its own turn on, so that its arrays alone
    need be kept.
    """
    bound = as_good * min(deviances)
    return max(epoch for epoch, each in enumerate(deviances, 1) if each <= bound)
