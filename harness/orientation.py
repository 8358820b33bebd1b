"""Whether a scan's positions run along its frames' axes, as far as its own object shows.

Pure.  An object and a probe that predict the frames do so at the right positions only; where they
predict them far better at positions turned about or exchanged, the axes are mistaken.
Source: docs/importing.md
"""

from __future__ import annotations

from itertools import product

import numpy as np

from harness import forward

FRAMES_TRIED = 16
FEWEST_FRAMES = 4
# A turn counts as better where it leaves less than this share of the misfit as things stand.
FAR_BETTER = 0.7


def misfit(
    counts: np.ndarray, probe: np.ndarray, object_: np.ndarray, positions_px: np.ndarray
) -> float | None:
    """Return sum (c - m)^2 / sum m over the frames, the model m as bright as they: 1 is shot noise.

    counts: (n, N, N), zero frequency in the centre.  probe: (N, N) or (modes, N, N), any scale.
    positions_px: (n, 2), columns (y, x).  None where too few frames see inside the object.
    """
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
    model *= float(seen.sum()) / light
    return float(((seen - model) ** 2).sum() / model.sum())


def mistaken(
    counts: np.ndarray, probe: np.ndarray, object_: np.ndarray, positions_px: np.ndarray
) -> tuple[float | None, tuple[str, ...]]:
    """Return the misfit as things stand, and the options under which it is far better, if any.

    Arguments as for `misfit`.  Positions are turned about the middle of the object.
    """
    chosen = np.unique(np.linspace(0, len(counts) - 1, FRAMES_TRIED).astype(int))
    counts, positions_px = counts[chosen], positions_px[chosen]
    as_it_stands = misfit(counts, probe, object_, positions_px)
    if as_it_stands is None:
        return None, ()
    middle = np.asarray(object_.shape) / 2
    best, options = as_it_stands * FAR_BETTER, ()
    for swap, flip in list(product((False, True), ("", "x", "y", "xy")))[1:]:
        turned = (positions_px - middle)[:, ::-1] if swap else positions_px - middle
        turned = turned * [-1.0 if axis in flip else 1.0 for axis in "yx"] + middle
        found = misfit(counts, probe, object_, turned)
        if found is not None and found < best:
            best = found
            options = (*(("--swap-xy",) if swap else ()), *((f"--flip {flip}",) if flip else ()))
    return as_it_stands, options
