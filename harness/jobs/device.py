"""Which device a job runs on, and why not on a CUDA device.

    python -m harness.jobs.device

Exit codes: 0 where torch can use a CUDA device, 1 where not, with the reason in one line.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import devices
from harness.errors import InputInvalid

CUDA, CPU, AUTO = "cuda", "cpu", "auto"
WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
REPEATS = ":4096:8"
KERNELS = "PTYCHI_USE_TRITON"
DRIVER = Path("/proc/driver/nvidia/version")
# How torch begins what CUDA said, and what it says of an operation that cannot repeat there.
OF_CUDA = ("CUDA error", "CUDA out of memory", "cuFFT error", "cuBLAS error", "CUDA driver error")
CANNOT_REPEAT = "does not have a deterministic implementation"


def main() -> int:
    """Say why torch cannot use a CUDA device here, if so."""
    import torch

    os.environ.update(variables(os.environ))
    why = why_not(torch)
    if why is not None:
        print(why)
    return 0 if why is None else 1


def variables(given: Mapping[str, str]) -> dict[str, str]:
    """Return the variables to set before CUDA starts, by those that are set.

    One device: pty-chi would share each batch among all that it sees, and the record names one.
    A workspace of cuBLAS that gives the same bytes again, for which older releases of torch ask.
    pty-chi's own kernels, which round otherwise than torch; where they fail, a warning says so.
    """
    first = given.get(devices.VISIBLE, "0").split(",")[0]
    return {devices.VISIBLE: first, WORKSPACE: REPEATS, KERNELS: "1"}


def why_not(torch: Any) -> str | None:
    """Return why torch cannot use a CUDA device here, in one line; None where it can."""
    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA"
    if torch.cuda.is_available():
        # A device that this build of torch has no code for is there, too.
        return _refusal(lambda: float(torch.ones(1, device=CUDA) + 1))
    return _refusal(torch.cuda.init) or "torch finds no CUDA device"


def _refusal(attempt: Any) -> str | None:
    try:
        attempt()
    except RuntimeError as error:
        return _line(error)
    return None


def choose(asked: str, why: str | None) -> str:
    """Return "cpu" or "cuda"; InputInvalid where cuda is asked for and cannot be had.

    why: torch cannot use a CUDA device.  Only auto falls back, and it is told.
    """
    if asked == CUDA and why is not None:
        raise InputInvalid(f"--device cuda: {why.rstrip('.')}. Ask for cpu or auto")
    if asked == AUTO:
        return CUDA if why is None else CPU
    return asked


def told(used: str, asked: str, why: str | None, *, there: bool) -> str:
    """Return what a job says of its device; there: whether there is a GPU."""
    reason = f": {why.rstrip('.')}" if why and used == CPU and asked == AUTO and there else ""
    return f"device {used} (asked for {asked}{reason})"


def said_by_cuda(error: RuntimeError) -> str | None:
    """Return what the device, not the code, failed at, in one line; None where it did not."""
    line = _line(error)
    if CANNOT_REPEAT in line:
        return line.partition(", but you set")[0]
    by_name = type(error).__name__ in ("OutOfMemoryError", "AcceleratorError")
    return line if by_name or line.startswith(OF_CUDA) else None


def facts(torch: Any, used: str) -> dict[str, Any]:
    """Return what a record says of a CUDA device beside its name; of the CPU nothing more."""
    if used != CUDA:
        return {}
    text = DRIVER.read_text(encoding="utf-8") if DRIVER.is_file() else ""
    driver = re.search(r"\b\d+(?:\.\d+)+\b", text.partition("\n")[0])
    return {
        "cuda": torch.version.cuda,
        "driver": driver and driver[0],
        "peak_memory_bytes": torch.cuda.max_memory_allocated(),
    }


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


if __name__ == "__main__":
    sys.exit(main())
