"""Whether a scan's frames, positions, object and probe run the same ways, as far as they show it.

Pure.  An object and a probe that predict the frames do so one way only; where they predict them far
better with positions or frames turned, or with the transform's other sign, an axis is mistaken.
Source: docs/importing.md
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from harness import detector, forward
from harness.scans import Turn

FRAMES_TRIED = 16
FEWEST_FRAMES = 4
# Another way counts as better where it leaves less than this share of the misfit; and once more,
# where it changes one thing more.
FAR_BETTER = 0.7
# Below this misfit noise hides what an object does not predict.
FAR_ABOVE_NOISE = 2.0
# A model leaves less than this share of what the mean frame leaves, or it predicts no frames.
SHARE_OF_MEAN_FRAME = 0.5
AS_IT_STANDS = Turn()
TURNS = tuple(Turn(swap, flip) for swap, flip in product((False, True), ("", "x", "y", "xy")))
STEPS_PX = tuple(step for step in product((-1, 0, 1), repeat=2) if any(step))


@dataclass(frozen=True, slots=True)
class Change:
    """What is taken another way: each as it stands unless said.

    positions: turned about the middle of the object.  frames: turned.  conjugate: object and probe
    conjugated.  moved_px: by how much frames are moved, (y, x).
    """

    positions: Turn = AS_IT_STANDS
    frames: Turn = AS_IT_STANDS
    conjugate: bool = False
    moved_px: tuple[int, int] = (0, 0)

    @property
    def number(self) -> int:
        """How many things are taken another way."""
        parts = (self.positions != AS_IT_STANDS, self.frames != AS_IT_STANDS, self.conjugate)
        return sum(parts) + any(self.moved_px)


@dataclass(frozen=True, slots=True)
class Fit:
    """How well an object and a probe predict frames.

    misfit: sum (c - m)^2 / sum m as things stand; 1 is shot noise.  of_mean_frame: that of a model
    that has the mean frame for each.  change, changed_misfit: under which it is far better, if any.
    """

    misfit: float
    of_mean_frame: float
    change: Change
    changed_misfit: float

    @property
    def poor(self) -> bool:
        """Whether far more than noise is left, of which the mean frame leaves hardly more."""
        of_mean = SHARE_OF_MEAN_FRAME * self.of_mean_frame
        return self.misfit > max(FAR_ABOVE_NOISE, of_mean)


def fit(
    counts: np.ndarray, probe: np.ndarray, object_: np.ndarray, positions_px: np.ndarray
) -> Fit | None:
    """Return how well object and probe predict up to 16 of the frames, and which way best.

    counts: (n, N, N), zero frequency in the centre.  probe: (N, N) or (modes, N, N), any scale.
    positions_px: (n, 2), columns (y, x).  None where too few frames see inside the object.
    """
    chosen = np.unique(np.linspace(0, len(counts) - 1, FRAMES_TRIED).astype(int))
    counts, positions_px = counts[chosen], positions_px[chosen]
    middle = np.asarray(object_.shape) / 2
    misfits: dict[Change, float] = {}
    for turn in TURNS:
        moved = _turned_positions(positions_px - middle, turn) + middle
        predicted = _predicted(counts, probe, object_, moved)
        if predicted is not None:
            misfits |= _ways(*predicted, turn)
    if Change() not in misfits:
        return None
    best = _far_better(misfits)
    of_mean = _misfit(counts, np.broadcast_to(counts.mean(axis=0), counts.shape))
    return Fit(misfits[Change()], of_mean, best, misfits[best])


def _turned_positions(positions_px: np.ndarray, turn: Turn) -> np.ndarray:
    turned = positions_px[:, ::-1] if turn.swap else positions_px
    return turned * [-1.0 if axis in turn.flip else 1.0 for axis in "yx"]


def _predicted(
    counts: np.ndarray, probe: np.ndarray, object_: np.ndarray, positions_px: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the frames that see inside the object, and their model, as bright as they."""
    side = counts.shape[-1]
    whole_px = np.rint(positions_px)
    corners = whole_px.astype(np.int64) - side // 2
    inside = ((corners >= 0) & (corners + side <= object_.shape)).all(axis=1)
    if np.count_nonzero(inside) < min(FEWEST_FRAMES, len(counts)):
        return None
    modes = probe.reshape(-1, side, side)
    shifts_px = (positions_px - whole_px)[inside]
    model = np.stack(list(forward.frames(modes, object_, corners[inside], shifts_px)))
    seen, light = counts[inside], float(model.sum())
    if not light > 0 or not seen.any():
        return None
    return seen, model * (float(seen.sum()) / light)


def _ways(seen: np.ndarray, model: np.ndarray, positions: Turn) -> dict[Change, float]:
    """Return the misfits of all that is tried at these positions: their model is one."""
    # The frame of conjugated waves is the frame turned by half a turn about zero frequency.
    conjugated = np.roll(np.flip(model, axis=(1, 2)), 1, axis=(1, 2))
    misfits = {
        Change(positions, turn, conjugate): _misfit(
            detector.turned(seen, turn), conjugated if conjugate else model
        )
        for turn, conjugate in product(TURNS, (False, True))
    }
    if positions == AS_IT_STANDS:
        # Frames a pixel off the middle fit better when read out backwards: not to be taken for it.
        for step_px in STEPS_PX:
            moved = np.roll(seen, step_px, axis=(1, 2))
            misfits[Change(moved_px=step_px)] = _misfit(moved, model)
    return misfits


def _misfit(counts: np.ndarray, model: np.ndarray) -> float:
    return float(np.square(counts - model).sum() / model.sum())


def _far_better(misfits: dict[Change, float]) -> Change:
    """Return what is far better than all that changes less."""
    best = Change()
    for number in range(1, max(change.number for change in misfits) + 1):
        least = min((c for c in misfits if c.number == number), key=misfits.__getitem__)
        if misfits[least] < FAR_BETTER * misfits[best]:
            best = least
    return best
