"""The study on a CUDA device, beside the bare pty-chi call and beside the processor's results.

    .venv/bin/python -m bench.gpu

Frames of 64 and of 128 pixels, 18 cells each, by the default recipe.  An epoch of a job is scored
and repeats; a bare one is pty-chi's own, by one call, with its own batches and algorithms.  What is
delivered is compared as `reproduce` does.  Without a CUDA device it says so and exits 3, as
`--device cuda` does.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench import trial
from bench.timing import scratch
from harness import (
    alignment,
    layout,
    matrix,
    prepare,
    recipefile,
    reproduction,
    studyfile,
    terminal,
)
from harness.design import Preset, StudyDesign
from harness.errors import EXIT_FAILED, EXIT_OK
from harness.jobs import device, epochs

RECIPE = "default"
PRESET = "default"
FACTORS = (1, 2)
CUDA, CPU = device.CUDA, device.CPU


@dataclass(frozen=True)
class Done:
    """Seconds for each epoch by the wall's clock, and the epoch and object that are delivered."""

    epoch_s: float
    epoch: int
    object_: np.ndarray


def main() -> int:
    """Return 0 where every cell agrees with the processor's, 1 where one does not."""
    import torch

    os.environ.update(device.variables(os.environ))
    device.choose(CUDA, device.why_not(torch))
    built = f"torch {torch.__version__}, CUDA {torch.version.cuda}"
    print(f"{torch.cuda.get_device_name()}, {built}, recipe {RECIPE}, tolerance {_tolerance():g}")
    print("| frame (px) | cell | epoch (s) | bare epoch (s) | ratio | epochs | from the CPU's |")
    print("| --- " * 7 + "|")
    apart = [far for factor in FACTORS for far in _study(studyfile.load(), factor)]
    print(f"{sum(apart)} of {len(apart)} cells lie farther from the CPU's than the tolerance")
    return EXIT_FAILED if any(apart) else EXIT_OK


def _study(study: StudyDesign, factor: int) -> list[bool]:
    """Print a row for each cell of frames so many times as wide; return which lie too far off."""
    preset = _wider(study.presets[PRESET], factor)
    design, apart = replace(study, presets={PRESET: preset}), []
    with scratch() as folder:
        made = prepare.prepare_inputs(design, PRESET, Path(folder), say=len)
        for key in matrix.cells(design):
            roots = made.phase_c_root, made.phase_d_root
            npz = Path(layout.input_npz(key, design.view(key.view), *roots))
            row, far = _cell(npz, design.seeds["reconstruction"])
            print(f"| {preset.frame_px} | {key} | {row} |", flush=True)
            apart.append(not far <= _tolerance())
    return apart


def _cell(npz: Path, seed: int) -> tuple[str, float]:
    """Return a cell's figures, and how far its object is from the processor's."""
    # What the device compiles for this cell's shapes is no epoch's time.
    for warm_up in (_whole, _bare):
        warm_up(npz, seed, CUDA, num_epochs=1)
    cuda, bare_s = _whole(npz, seed, CUDA), _bare(npz, seed, CUDA)
    cpu = _whole(npz, seed, CPU)
    far = alignment.align(cuda.object_, cpu.object_).nrmse
    ratio = cuda.epoch_s / bare_s
    chosen = f"{cuda.epoch} and {cpu.epoch}"
    return f"{cuda.epoch_s:.4f} | {bare_s:.4f} | {ratio:.2f} | {chosen} | {far:.1e}", far


def _tolerance() -> float:
    return reproduction.tolerance(recipefile.load(RECIPE))


def _wider(preset: Preset, factor: int) -> Preset:
    """Return a preset of frames and field so many times as wide, with as many positions."""
    return replace(preset, frame_px=preset.frame_px * factor, field_px=preset.field_px * factor)


def _whole(npz: Path, seed: int, where: str, num_epochs: int | None = None) -> Done:
    """Run the epochs as a job does, each scored."""
    with trial.quiet():
        plan, task = trial.start(RECIPE, npz, seed, where)
        count = num_epochs or plan.num_epochs
        epoch_s, history = _clocked(count, lambda: epochs.run(task, count, plan.watch()))
    return Done(epoch_s, history.delivered.epoch, history.delivered.object_[plan.reference.region])


def _bare(npz: Path, seed: int, where: str, num_epochs: int | None = None) -> float:
    """Return the seconds for each epoch by one call of pty-chi, nothing looked at in between."""
    import torch

    def run() -> None:
        task.run(n_epochs=count)
        # Waits for the device.
        task.get_data_to_cpu("object")

    with trial.quiet():
        plan, task = trial.start(RECIPE, npz, seed, where)
        count = num_epochs or plan.num_epochs
        # As pty-chi has it, without what makes a job repeat.
        vars(task).pop("run", None)
        task.reconstructor.build_dataloader()
        torch.use_deterministic_algorithms(False)
        return _clocked(count, run)[0]


def _clocked(num_epochs: int, run: Callable[[], Any]) -> tuple[float, Any]:
    """Return seconds for each epoch, and what the run left; it must wait for the device."""
    began = time.perf_counter()
    left = run()
    return (time.perf_counter() - began) / num_epochs, left


if __name__ == "__main__":
    sys.exit(terminal.translate(main))
