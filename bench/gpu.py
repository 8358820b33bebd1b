"""The study on a CUDA device, beside the bare pty-chi call and beside the processor's results.

    .venv/bin/python -m bench.gpu

Frames of 64 and of 128 pixels, 18 cells each, by the default recipe.  Without a CUDA device it
says so and exits 3, as `--device cuda` does.
"""

from __future__ import annotations

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
from harness.jobs import epochs, ptychi_lsqml

RECIPE = "default"
FACTORS = (1, 2)
CUDA, CPU = "cuda", "cpu"


@dataclass(frozen=True)
class Done:
    """Seconds for each epoch by the wall's clock, and the object that is left, complex (H, W)."""

    epoch_s: float
    object_: np.ndarray


def main() -> int:
    """Return 0 where every cell agrees with the processor's, 1 where one does not."""
    import torch

    ptychi_lsqml.choose_device(CUDA, torch.cuda.is_available())
    tolerance = f"tolerance {_tolerance():g}"
    print(f"{torch.cuda.get_device_name()}, recipe {RECIPE}, {tolerance}")
    print("| frame (px) | cell | epoch (s) | bare epoch (s) | ratio | from the CPU's |")
    print("| --- " * 6 + "|")
    apart = [far for factor in FACTORS for far in _study(studyfile.load(), factor)]
    print(f"{sum(apart)} of {len(apart)} cells lie farther from the CPU's than the tolerance")
    return EXIT_FAILED if any(apart) else EXIT_OK


def _study(study: StudyDesign, factor: int) -> list[bool]:
    """Print a row for each cell of frames so many times as wide; return which lie too far off."""
    design = replace(study, presets={"default": _wider(study.presets["default"], factor)})
    seed, apart = design.seeds["reconstruction"], []
    with scratch() as folder:
        made = prepare.prepare_inputs(design, "default", Path(folder), say=len)
        for key in matrix.cells(design):
            roots = made.phase_c_root, made.phase_d_root
            npz = Path(layout.input_npz(key, design.view(key.view), *roots))
            if not apart:
                _bare(npz, seed)  # The device's start is no cell's time.
            cuda, bare = _whole(npz, seed, CUDA), _bare(npz, seed)
            difference = alignment.relative_difference(cuda.object_, _whole(npz, seed, CPU).object_)
            apart.append(not difference <= _tolerance())
            print(
                f"| {design.presets['default'].frame_px} | {key} | {cuda.epoch_s:.4f} | "
                f"{bare.epoch_s:.4f} | {cuda.epoch_s / bare.epoch_s:.2f} | {difference:.1e} |",
                flush=True,
            )
    return apart


def _tolerance() -> float:
    return reproduction.tolerance(recipefile.load(RECIPE))


def _wider(preset: Preset, factor: int) -> Preset:
    """Return a preset of frames and field so many times as wide, with as many positions."""
    return replace(preset, frame_px=preset.frame_px * factor, field_px=preset.field_px * factor)


def _whole(npz: Path, seed: int, device: str) -> Done:
    """Run the epochs as a job does, each scored."""
    with trial.quiet():
        plan, task = trial.start(RECIPE, npz, seed, device)
        num_epochs = plan.num_epochs
        return _clocked(task, num_epochs, lambda: epochs.run(task, num_epochs, plan.watch()))


def _bare(npz: Path, seed: int) -> Done:
    """Run the epochs by one call of pty-chi, nothing looked at in between."""
    with trial.quiet():
        plan, task = trial.start(RECIPE, npz, seed, CUDA)
        num_epochs = plan.num_epochs
        return _clocked(task, num_epochs, lambda: task.run(n_epochs=num_epochs))


def _clocked(task: Any, num_epochs: int, run: Callable[[], object]) -> Done:
    began = time.perf_counter()
    run()
    object_ = np.array(task.get_data_to_cpu("object", as_numpy=True)[0])
    return Done((time.perf_counter() - began) / num_epochs, object_)


if __name__ == "__main__":
    sys.exit(terminal.translate(main))
