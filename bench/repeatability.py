"""How far repeated runs of a job lie apart: `python -m bench.repeatability` (full environment).

Of a half scan of the smoke preset at 1e4 photons: five runs with two threads, and one with one; by
each recipe five on a CUDA device, where torch can use one, and how far they lie from the CPU's. The
difference is that of the aligned objects over the scanned region, as `reproduce` measures it. What
rounding alone may do is measured by bench.rounding; docs/adr/0018-recipes-and-stopping.md has both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import numpy as np

from bench.timing import scratch
from harness import alignment, devices, layout
from harness.errors import InputInvalid
from harness.jobs import repeatcheck

RUNS = 5
THREADS = 2
RECIPES = ("seed", "default")


def main() -> None:
    with scratch() as folder:
        root = Path(folder)
        arrays = repeatcheck.scan()
        np.savez(root / "input.npz", **arrays)
        shape = arrays["objectGuess"].shape
        region = alignment.scanned_region(arrays["xcoords"], arrays["ycoords"], shape)

        def run(name: str, *words: str) -> np.ndarray:
            repeatcheck.attested(root, name, *words)
            with np.load(root / name / layout.RECONSTRUCTION, allow_pickle=False) as archive:
                return archive["object"][region]

        many = [run(f"run{number}", "--threads", str(THREADS)) for number in range(RUNS)]
        spread = [difference(one, other) for one, other in combinations(many, 2)]
        print(f"{RUNS} runs with {THREADS} threads: largest difference {max(spread):.3g}")
        single = run("single")
        to_single = [difference(each, single) for each in many]
        print(f"with {THREADS} threads and with one: largest difference {max(to_single):.3g}")
        for line in on_cuda(run):
            print(line)


def on_cuda(run: Callable[..., np.ndarray]) -> Iterator[str]:
    """Yield what runs on a CUDA device come to; run: returns the object of a child's options."""
    try:
        devices.require("cuda")
    except InputInvalid as error:
        yield f"not measured: {error}"
        return
    for recipe in RECIPES:
        words = ("--recipe", recipe)
        many = [run(f"{recipe}-cuda{n}", *words, "--device", "cuda") for n in range(RUNS)]
        spread = max(difference(one, other) for one, other in combinations(many, 2))
        cpu = run(f"{recipe}-cpu", *words)
        off = max(difference(each, cpu) for each in many)
        yield f"{recipe}, {RUNS} runs on CUDA: largest difference {spread:.3g}"
        yield f"{recipe}, on CUDA and on the CPU: largest difference {off:.3g}"


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return alignment.align(one, other).nrmse


if __name__ == "__main__":
    main()
