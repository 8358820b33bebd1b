"""Both recipes on the same inputs, one core each: errors, epochs, photon limit and time.

    .venv/bin/python -m bench.quality [--base PATH] [--view VIEW] --out docs/quality/NAME

Prints the table of the cells and writes NAME.md and NAME.png.  Reconstructions are kept under
tmp/bench and run again only where the recipe, the input, the seed or the rule of stopping is
another: take that folder away when the code that reconstructs or measures has changed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench import quality_plot, quality_table, trial
from bench.quality_cell import Cell
from bench.timing import REPOSITORY
from harness import layout, matrix, prepare, provenance, reconstructible, studyfile
from harness.design import StudyDesign
from harness.jobs import intake, truth
from harness.jobs.intake import Scan
from harness.model import CellKey
from harness.reconstructible import Coverage

KEPT = REPOSITORY / "tmp" / "bench"
SEED, DEFAULT = "seed", "default"


def main() -> None:
    trial.on_one_core("bench.quality")
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__)
    parser.add_argument("--base", type=Path, metavar="PATH", help="scene to simulate from (NPZ)")
    parser.add_argument("--recipe", default=DEFAULT, help="in place of default: a name or a file")
    parser.add_argument("--view", action="append", metavar="NAME", help="only this; repeatable")
    parser.add_argument("--out", type=Path, required=True, metavar="NAME", help="without suffix")
    options = parser.parse_args()
    cells = []
    for cell in _cells(options.base, options.recipe, options.view):
        cells.append(cell)
        print(quality_table.said(cell), flush=True)
    scene = "the embedded scene" if options.base is None else f"`{options.base.name}`"
    text = quality_table.document(cells, scene, _command(options))
    print(text)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.with_suffix(".md").write_text(text, encoding="utf-8")
    quality_plot.draw(cells, options.out.with_suffix(".png"))


def _cells(base: Path | None, recipe: str, views: list[str] | None) -> Iterator[Cell]:
    design = studyfile.load()
    for key, npz in inputs(design, base).items():
        if views and key.view not in views:
            continue
        seed = design.seeds["reconstruction"]
        done = [trial.kept(name, npz, seed, KEPT / "trials") for name in (SEED, recipe)]
        scan = intake.read(str(npz))
        yield Cell(key, _coverage(scan), _flat(scan), *done)


def inputs(design: StudyDesign, base: Path | None) -> dict[CellKey, Path]:
    """Make the study's inputs from a scene, and return the file of each cell."""
    folder = KEPT / "inputs" / ("embedded" if base is None else base.stem)
    made = prepare.prepare_inputs(design, "default", folder, base, say=len)
    roots = made.phase_c_root, made.phase_d_root
    return {
        key: Path(layout.input_npz(key, design.view(key.view), *roots))
        for key in matrix.cells(design)
    }


def _coverage(scan: Scan) -> Coverage:
    return reconstructible.coverage(scan.probe, scan.corners, scan.object_shape)


def _flat(scan: Scan) -> float:
    """Return the error of the object that both recipes begin with, as any object's is measured."""
    error = truth.find(scan).beside(np.ones(scan.object_shape, np.complex64)).nrmse
    assert error is not None
    return error


def _command(options: argparse.Namespace) -> str:
    words = [] if options.base is None else ["--base", f"PATH/TO/{options.base.name}"]
    words += [] if options.recipe == DEFAULT else ["--recipe", options.recipe]
    words += [word for view in options.view or () for word in ("--view", view)]
    out = provenance.portable(options.out)
    return " ".join([".venv/bin/python -m bench.quality", *words, "--out", out])


if __name__ == "__main__":
    sys.exit(main())
