"""How far apart runs of a job lie that differ by rounding alone: `python -m bench.rounding`.

Of each cell of the default preset, by each recipe: five runs on one core, of the probe as it is and
with each of its values changed by about a unit in the last place (6e-8 of it, at random). What that
changes, another processor's arithmetic or a GPU's may change. The largest difference of any two is
printed, of the aligned objects that are delivered, over the scanned region, as `reproduce` measures
it, and the most that their errors against the truth differ by. Full environment; cells share the
cores. docs/adr/0018-recipes-and-stopping.md has what came out.
"""

from __future__ import annotations

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path

import numpy as np

from bench import trial
from bench.timing import scratch
from harness import alignment, layout, matrix, prepare, provenance, studyfile
from harness.jobs import epochs

RUNS = 5
RECIPES = ("seed", "default")
LAST_PLACE = 6e-8


@dataclass(frozen=True)
class Apart:
    """The largest difference of any two runs' objects and of their errors; the epochs delivered."""

    objects: float
    errors: float
    delivered: tuple[int, ...]

    def words(self) -> str:
        """Return the cells of a table's row."""
        told = ", ".join(map(str, sorted(set(self.delivered))))
        return f"{self.objects:.2g} | {self.errors:.2g} | {told}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--preset", default="default")
    preset = parser.parse_args().preset
    design = studyfile.load()
    print("| recipe | cell | objects apart | errors apart | epochs delivered |")
    print("| --- " * 5 + "|")
    spawn = multiprocessing.get_context("spawn")
    with scratch() as folder, ProcessPoolExecutor(provenance.usable_cores(), spawn) as pool:
        made = prepare.prepare_inputs(design, preset, Path(folder), say=len)
        roots, seed = (made.phase_c_root, made.phase_d_root), design.seeds["reconstruction"]
        asked = []
        for recipe, key in product(RECIPES, matrix.cells(design)):
            npz = str(layout.input_npz(key, design.view(key.view), *roots))
            asked.append((recipe, key, pool.submit(apart, recipe, npz, seed)))
        for recipe, key, left in asked:
            print(f"| {recipe} | {key} | {left.result().words()} |", flush=True)


def apart(recipe: str, npz: str, seed: int) -> Apart:
    """Return how far the runs of a cell lie apart."""
    runs = [run(recipe, Path(npz), seed, number) for number in range(RUNS)]
    pairs = list(combinations(runs, 2))
    return Apart(
        objects=max(alignment.align(one[1], other[1]).nrmse for one, other in pairs),
        errors=max(abs(one[2] - other[2]) for one, other in pairs),
        delivered=tuple(each[0] for each in runs),
    )


def run(recipe: str, npz: Path, seed: int, number: int) -> tuple[int, np.ndarray, float]:
    """Return the epoch delivered, its object over the scanned region, and its error.

    number: 0 leaves the probe as it is; else a seed of the changes.
    """
    import torch

    with trial.quiet():
        plan, task = trial.start(recipe, npz, seed)
        if number:
            with torch.no_grad():
                probe = task.probe.data
                moved = torch.randn(probe.shape, generator=torch.Generator().manual_seed(number))
                task.probe.set_data(probe * (1 + LAST_PLACE * moved))
        delivered = epochs.run(task, plan.num_epochs, plan.watch()).delivered
    found = delivered.object_[plan.reference.region]
    return delivered.epoch, found, plan.reference.beside(delivered.object_).nrmse


if __name__ == "__main__":
    main()
