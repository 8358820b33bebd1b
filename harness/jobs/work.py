"""What a recipe comes to for one scan: what to reconstruct from, where to start, what to set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness import forward, heldout, recipe, stopping
from harness.jobs import epochs, geometry

if TYPE_CHECKING:
    from harness.jobs.intake import Scan
    from harness.jobs.truth import Verdict


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """One reconstruction, nothing of it run yet.

    split: None where nothing is held out.  counts: float32 (m, N, N), reconstructed from.
    frames: int (m,), which of the scan's these are.  num_epochs: to run.  batch_size: frames.
    options: pty-chi's, by path.  object_: complex64 (H, W), to start from.
    probe: complex64 (modes, N, N), scaled.  reference: the truth, if there is one.
    """

    scan: Scan
    recipe: Mapping[str, Any]
    seed: int
    split: heldout.Split | None
    counts: np.ndarray
    frames: np.ndarray
    num_epochs: int
    batch_size: int
    options: Mapping[str, Any]
    object_: np.ndarray
    probe: np.ndarray
    reference: Verdict

    def watch(self) -> epochs.Watch:
        """Return what is looked at after each epoch."""
        return epochs.Watch(
            rule=self.recipe["stop"],
            as_good=self.as_good,
            deviance=None if self.split is None else self._deviance,
            error=self._error if self.reference.present else None,
        )

    def whole(self, probe: np.ndarray) -> np.ndarray:
        """Return a probe as bright as the whole scan, from one as bright as the part kept."""
        if self.split is None:
            return probe
        return (probe * np.sqrt(self.split.brightness)).astype(np.complex64)

    def positions_px(self, state: epochs.State) -> tuple[np.ndarray, np.ndarray]:
        """Return x and y of every frame after an epoch: as given where it is held out."""
        found = []
        for given, now in (
            (self.scan.positions_x_px, state.positions_px[:, 1]),
            (self.scan.positions_y_px, state.positions_px[:, 0]),
        ):
            every = given.astype(now.dtype)
            every[self.frames] = now
            found.append(every)
        return found[0], found[1]

    @property
    def held_out_part(self) -> dict[str, Any] | None:
        """What result.json says of the part that is held out; None where nothing is."""
        if self.split is None:
            return None
        return stopping.held_out_part(self.split, self.seed, self.as_good)

    @property
    def as_good(self) -> float:
        """How many times the least held-out deviance is as good, by the recipe."""
        held = self.recipe.get("held_out")
        return held["as_good"] if held else stopping.NOT_ASKED

    def _deviance(self, state: epochs.State) -> float:
        assert self.split is not None
        probe = self.whole(state.probe)
        return heldout.deviance(self.split, probe, state.object_, *self._placed(state))

    def _placed(self, state: epochs.State) -> forward.Placed:
        scan = self.scan
        if not recipe.refines_positions(self.options):
            return scan.corners, scan.beside_px
        return forward.refined(*self.positions_px(state), scan.frame_px, scan.object_shape)

    def _error(self, state: epochs.State) -> float:
        return self.reference.beside(state.object_).nrmse


def make(scan: Scan, asked: Mapping[str, Any], seed: int, reference: Verdict) -> Work:
    """Return what a recipe asks for on a scan; InputInvalid where the scan cannot follow it."""
    held, split = asked.get("held_out"), None
    counts, frames = scan.counts, np.arange(len(scan.counts))
    if held is not None:
        split = heldout.split(scan.counts, held["share"], held["by"], seed)
        counts, frames = split.kept, split.kept_frames
    mean_photons = float(counts.sum(dtype=np.float64) / len(counts))
    start, probe = geometry.starting_point(scan, asked["initial_object"], mean_photons)
    light = recipe.photons_per_px(
        len(scan.counts), scan.mean_photons_per_frame, reference.region_px
    )
    return Work(
        scan,
        asked,
        seed,
        split,
        counts,
        frames,
        recipe.num_epochs(asked, len(counts)),
        recipe.batch_size(asked, len(counts)),
        recipe.options(asked, light, on_pixels=scan.positions_on_pixels),
        start,
        probe,
        reference,
    )
