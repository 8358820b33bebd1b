"""Time whole processes: several runs, their minimum, median and maximum."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def seconds(
    make_argv: Callable[[int], Sequence[str]] | Sequence[str], runs: int = 7
) -> list[float]:
    """Return the wall time of each run of a command, after one that is not counted.

    make_argv: the command, or what makes it from the run's number where no two may be alike.
    """
    taken = []
    for number in range(runs + 1):
        argv = make_argv(number) if callable(make_argv) else make_argv
        clock = time.perf_counter()
        subprocess.run(argv, check=True, capture_output=True, cwd=REPOSITORY)
        taken.append(time.perf_counter() - clock)
    return taken[1:]


def scratch() -> tempfile.TemporaryDirectory[str]:
    """Return a folder on the disk that the harness works on, to be removed after use."""
    (REPOSITORY / "tmp").mkdir(exist_ok=True)
    return tempfile.TemporaryDirectory(dir=REPOSITORY / "tmp")


def row(name: str, taken: Sequence[float], limit_s: float | None = None) -> str:
    """Return one line of a table: minimum, median, maximum, and the figure to reach."""
    goal = "" if limit_s is None else f"  goal <= {limit_s} s"
    low, middle, high = min(taken), statistics.median(taken), max(taken)
    return f"{name:<44} min {low:6.3f}  median {middle:6.3f}  max {high:6.3f} s{goal}"
