"""How far repeated runs of a job lie apart: `python -m bench.repeatability` (full environment).

Five runs with two threads, and one with one, of a half scan of the smoke preset at 1e4 photons, by
the default recipe. The difference is that of the aligned objects over the scanned region, as
`reproduce` measures it; docs/adr/0018-recipes-and-stopping.md says what came out.
"""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np

from bench.timing import scratch
from harness import alignment, layout, reproduction
from harness.jobs import repeatcheck

RUNS = 5
THREADS = 2


def main() -> None:
    with scratch() as folder:
        root = Path(folder)
        arrays = repeatcheck.scan()
        np.savez(root / "input.npz", **arrays)
        names = [f"run{number}" for number in range(RUNS)]
        for name in names:
            repeatcheck.attested(root, name, "--threads", str(THREADS))
        repeatcheck.attested(root, "single")
        shape = arrays["objectGuess"].shape
        region = alignment.scanned_region(arrays["xcoords"], arrays["ycoords"], shape)
        objects = {name: object_of(root / name)[region] for name in (*names, "single")}
    spread = [difference(objects[one], objects[other]) for one, other in combinations(names, 2)]
    to_single = [difference(objects[name], objects["single"]) for name in names]
    print(f"{RUNS} runs with {THREADS} threads: largest difference {max(spread):.3g}")
    print(f"with {THREADS} threads and with one: largest difference {max(to_single):.3g}")
    print(f"tolerance of reproduce: {reproduction.OBJECT_TOLERANCE:g}")


def object_of(folder: Path) -> np.ndarray:
    with np.load(folder / layout.RECONSTRUCTION, allow_pickle=False) as archive:
        return archive["object"]


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return alignment.align(one, other).nrmse


if __name__ == "__main__":
    main()
