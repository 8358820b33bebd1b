"""Whether a scan can be reconstructed at all, as far as that can be told without a truth.

Ptychography rests on object pixels that several frames see; where most are seen by one frame or
none, no algorithm is told what joins the frames.  And where held-out photons call for a stop as
soon as it begins, what is there is noise.  Pure numpy.  Source: docs/metrics.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from harness import optics, recipe

SHARE_NEEDED = 0.5
FRAMES_NEEDED = 2
AT_ONCE_EPOCHS = 2


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the scanned box lies in the illuminated discs of two frames or more.

    share: 0 to 1.  disc_diameter_px: of the disc that holds 95 % of the probe's power.
    """

    share: float
    disc_diameter_px: float

    @property
    def enough(self) -> bool:
        """Whether the scan can be expected to be reconstructed."""
        return self.share >= SHARE_NEEDED

    def as_record(self) -> dict[str, Any]:
        """Return the coverage as it stands in a record."""
        return {
            "reconstructible": self.enough,
            "share_seen_twice": self.share,
            "share_needed": SHARE_NEEDED,
            "disc_diameter_px": self.disc_diameter_px,
        }


def stopped_at_once(rule: str, delivered_epoch: int, epochs_run: int) -> bool:
    """Return whether held-out data stopped a reconstruction in its first epochs."""
    return rule == recipe.HELD_OUT and delivered_epoch <= AT_ONCE_EPOCHS < epochs_run


def coverage(probe: np.ndarray, corners: np.ndarray, shape: tuple[int, int]) -> Coverage:
    """Return the coverage of a scan: over the box that the centres of its frames span.

    probe: complex (modes, N, N).  corners: first (row, column) of each frame's patch, int (n, 2).
    shape: the object's.
    """
    power = (np.abs(probe) ** 2).sum(axis=0)
    diameter_px = optics.illuminated_diameter_px(np.sqrt(power).astype(complex))
    rows, columns = np.indices(power.shape)
    centre = [(axis * power).sum() / power.sum() for axis in (rows, columns)]
    disc = np.hypot(rows - centre[0], columns - centre[1]) <= diameter_px / 2
    seen = np.zeros(shape, dtype=np.int64)
    side = len(disc)
    for row, column in corners:
        seen[row : row + side, column : column + side] += disc
    first, last = (limit(axis=0) + side // 2 for limit in (corners.min, corners.max))
    box = tuple(slice(one, other + 1) for one, other in zip(first, last, strict=True))
    return Coverage(float((seen[box] >= FRAMES_NEEDED).mean()), diameter_px)
