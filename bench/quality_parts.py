"""How much of `default`'s gain on `seed` is the exact probe it holds, how much its updates.

    .venv/bin/python -m bench.quality_parts [--base PATH]

Prints a table: on some cells of the comparison `seed` and `default` as they are; `seed` with the
probe held, with as many updates as `default`, with both; and `default` that refines the probe,
from the first epoch by its own steps, and as it does where it is told that the probe is a guess.
NRMSE of what each delivers, by its own rule, and the updates of all its epochs.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import trial
from bench.quality import DEFAULT, KEPT, SEED, inputs
from bench.quality_cell import table
from bench.timing import scratch
from bench.trial import Trial
from harness import studyfile
from harness.model import CellKey

CELLS = (
    CellKey(1000, "dense", "train"),
    CellKey(10000, "dense", "train"),
    CellKey(100000, "dense", "train"),
    CellKey(10000, "baseline", "train"),
)
HELD = {"options/probe_options.optimizable": False}
REFINED = {"options_by_probe/given/probe_options.optimizable": True}


def main() -> None:
    """Print the table, a column a cell."""
    trial.on_one_core("bench.quality_parts")
    parser = argparse.ArgumentParser(prog="python -m bench.quality_parts", description=__doc__)
    parser.add_argument("--base", type=Path, metavar="PATH", help="scene to simulate from (NPZ)")
    design = studyfile.load()
    files = inputs(design, parser.parse_args().base)
    columns = [_of(files[key], design.seeds["reconstruction"]) for key in CELLS]
    heads = [f"{key.dose_photons:.0e} {key.view}".replace("e+0", "e") for key in CELLS]
    rows = [(part, *(_said(column[part]) for column in columns)) for part in columns[0]]
    print("\n".join(table(("recipe", *heads), rows)))
    named = [columns[0][part].made_by for part in ("`seed`", "`default`")]
    print(f"\nRecipes: {' and '.join(named)}.")


def _of(npz: Path, seed: int) -> dict[str, Trial]:
    """Return the trials of one input, by what is said of each."""
    with scratch() as folder:

        def run(base: str, changes: Mapping[str, Any], known: Path | None = None) -> Trial:
            recipe = trial.variant(base, changes, Path(folder) / "recipe.json")
            return trial.kept(recipe, npz, seed, KEPT / "trials", known=known)

        plain, default = run(SEED, {}), run(DEFAULT, {})
        as_many = {"num_epochs": plain.epochs_for(default.updates)}
        return {
            "`seed`": plain,
            "`seed`, probe held": run(SEED, HELD),
            "`seed`, as many updates": run(SEED, as_many),
            "`seed`, both": run(SEED, HELD | as_many),
            "`default`, probe refined": run(DEFAULT, REFINED),
            "`default`, told it is a guess": run(DEFAULT, {}, known=npz),
            "`default`": default,
        }


def _said(done: Trial) -> str:
    return f"{done.error(done.chosen):.3f} ({done.updates})"


if __name__ == "__main__":
    main()
