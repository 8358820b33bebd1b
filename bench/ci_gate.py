"""How long the CI gate takes on a fresh clone: `python -m bench.ci_gate`.

Clones the last commit, then runs `nox -s red green collect`, environment included, and once more
with the environment standing.  nox comes from the environment that runs this script.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from bench.timing import REPOSITORY, scratch

GOAL_S = 90


def main() -> None:
    with scratch() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "-q", str(REPOSITORY), str(clone)], check=True)
        first_s, again_s = gate_s(clone), gate_s(clone)
    print(f"red green collect, environment included: {first_s:.1f} s  goal <= {GOAL_S} s")
    print(f"red green collect, environment standing: {again_s:.1f} s")


def gate_s(clone: Path) -> float:
    """Return the wall time of one call of the gate in a clone."""
    clock = time.perf_counter()
    environment = {name: value for name, value in os.environ.items() if name != "HUB"}
    subprocess.run(
        [sys.executable, "-m", "nox", "-s", "red", "green", "collect"],
        check=True,
        cwd=clone,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - clock


if __name__ == "__main__":
    main()
