"""Whether there is a CUDA device, whether torch can use it, and how many jobs it takes at a time.

Only a child imports torch; one is asked before anything is launched by `--device cuda`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from harness import provenance, runner
from harness.errors import InputInvalid

FOLDER = Path("/dev")
# Of NVIDIA's driver (in a container not always the first), of WSL 2, of Jetson boards.
NODES = ("nvidia[0-9]*", "dxg", "nvhost-gpu")
VISIBLE = "CUDA_VISIBLE_DEVICES"
HIDDEN = ("", "-1")
PROGRAM = ("-m", "harness.jobs.device")
LIMIT_S = 120.0


def may_be_there() -> bool:
    """Return whether there is a GPU that is not hidden; whether torch can use it, torch says."""
    if os.environ.get(VISIBLE) in HIDDEN:
        return False
    return any(node for pattern in NODES for node in FOLDER.glob(pattern))


def require(asked: str) -> None:
    """Raise InputInvalid where a CUDA device is asked for and cannot be had: never a fall-back."""
    if asked != "cuda":
        return
    if not may_be_there():
        raise InputInvalid("--device cuda: no CUDA device here. Ask for cpu or auto")
    done = runner.stream([sys.executable, *PROGRAM], (), timeout_s=LIMIT_S)
    if done.returncode == 0:
        return
    # A program that is killed says nothing of its own.
    said = done.last_lines[-1:] if done.returncode > 0 else ()
    why = said[0].rstrip(".") if said else "torch did not say whether it can use the CUDA device"
    raise InputInvalid(f"--device cuda: {why}. Ask for cpu or auto")


def side_by_side(asked: str) -> int:
    """Return how many jobs run side by side unless told: one on a GPU, else one a core."""
    on_gpu = asked == "cuda" or (asked == "auto" and may_be_there())
    return 1 if on_gpu else provenance.usable_cores()
