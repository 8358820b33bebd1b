"""How near the least error the chosen epoch comes, by how much worse a held-out score may be.

    .venv/bin/python -m bench.stopping

The scenes and seeds of bench/search.py, which are not those of the study: every view and both
splits, at a quarter of the study's photons for frames half as wide.  A row for each share of the
least held-out deviance by which a later epoch may exceed it: over all cells the worst of the error
that is chosen over the least, the cells in which it is more than 5 % above, and their mean.
"""

from __future__ import annotations

import math
from pathlib import Path

from bench import search, trial
from bench.quality_goals import WITHIN_OF_BEST
from bench.timing import scratch
from bench.trial import Trial
from harness import heldout, layout, matrix

AS_GOOD = (1.0, 1.0005, 1.001, 1.0015, 1.002, 1.0025, 1.003, 1.004, 1.005, 1.01)
DOSES_PHOTONS = (250, 2500, 25000)


def main() -> None:
    """Print the table."""
    trial.on_one_core("bench.stopping")
    cells: dict[str, Trial] = {}
    with scratch() as folder:
        for scene in search.CELLS:
            design, made = search.prepared(scene, Path(folder), DOSES_PHOTONS)
            for key in matrix.cells(design):
                roots = made.phase_c_root, made.phase_d_root
                npz = Path(layout.input_npz(key, design.view(key.view), *roots))
                seed = search.SEEDS["reconstruction"]
                name = f"{scene} {key}"
                cells[name] = trial.kept(search.JUDGE, npz, seed, search.KEPT, measured=False)
                print(
                    f"{name}: best @{cells[name].best}, {cells[name].error(cells[name].best):.3f}"
                )
    print("\n| least deviance times | worst | over 5 % in | geometric mean | where |")
    print("| --- | --- | --- | --- | --- |")
    for share in AS_GOOD:
        print(_row(share, cells))


def _row(share: float, cells: dict[str, Trial]) -> str:
    ratios = {}
    for name, found in cells.items():
        chosen = heldout.chosen(found.held_out, share)
        ratios[name] = found.error(chosen) / found.error(found.best)
    far = [name for name, ratio in ratios.items() if ratio > WITHIN_OF_BEST]
    mean = math.exp(sum(map(math.log, ratios.values())) / len(ratios))
    counted = f"{len(far)} of {len(cells)}"
    return f"| {share} | {max(ratios.values()):.3f} | {counted} | {mean:.4f} | {', '.join(far)} |"


if __name__ == "__main__":
    main()
