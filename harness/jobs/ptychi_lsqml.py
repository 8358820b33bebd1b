"""The child: reconstruct one DATA-001 file with pty-chi's LSQML, and attest what was done.

    python -u -m harness.jobs.ptychi_lsqml --input-npz F --output-dir D --seed 1

It needs nothing of the harness that started it, and everything in its `result.json` is read off
the task that ran. Exit codes: 0 done, 1 the reconstruction failed, 2 usage, 3 input or device,
70 a bug (with its traceback), 130 interrupted. Source: docs/adr/0006-the-child.md
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness import terminal
from harness.errors import EXIT_FAILED, EXIT_OK, InputInvalid
from harness.jobs import arguments

if TYPE_CHECKING:
    import numpy as np

    from harness.jobs.arguments import Request
    from harness.jobs.attest import Run
    from harness.jobs.intake import Scan

OLDEST_TORCH = (2, 2)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the child on argv and return its exit code."""
    words = sys.argv[1:] if argv is None else argv
    return terminal.translate(lambda: _reconstruct(arguments.parse(words)))


def _reconstruct(request: Request) -> int:
    from harness import halves, provenance
    from harness.jobs import attest, intake, ms_ssim, outputs, truth

    clock = attest.Clock.start()
    folder = outputs.fresh_folder(request.output_dir)
    scan = intake.read(request.input_npz)
    if request.halves != halves.NONE:
        halves.split(len(scan.counts))
    provenance.require_packages()
    with attest.recorded_warnings() as warnings:
        try:
            task = _task(request, scan)
        except ImportError as error:
            said = " ".join(str(error).split())
            raise InputInvalid(f"POLICY-001: {said}; build the environment: make env") from None
        initial_object = attest.name_initial_object(task, scan)
        failure = _run(task, request.num_epochs)
        run = attest.read_off(task, initial_object, failure, tuple(warnings))
        if request.halves != halves.NONE and failure is None:
            run = replace(_with_halves(run, request, scan), warnings=tuple(warnings))
            failure = run.failure
    verdict = truth.judge(scan, run.object_)
    quality = attest.quality_of(run, scan, verdict, ms_ssim.similarity)
    files = outputs.write_results(folder, run, scan, verdict, quality)
    outputs.write_record(folder, attest.record(run, scan, verdict, quality, request, files, clock))
    if failure:
        print(f"error: {failure}; result.json says failed", file=sys.stderr)
        return EXIT_FAILED
    print(f"done: {run.algorithm}, {run.epochs_run} epochs, last loss {run.losses[-1]:.3e}")
    return EXIT_OK


def _with_halves(run: Run, request: Request, scan: Scan) -> Run:
    """Return the run with an object from each half of the frames, made as the run was."""
    from harness import halves

    objects: list[np.ndarray] = []
    for name, frames in zip("ab", halves.split(len(scan.counts)), strict=True):
        print(f"half {name}: {len(frames)} of {len(scan.counts)} frames")
        task = _task(request, scan.part(frames))
        failure = _run(task, request.num_epochs, f"half {name} ")
        if failure is not None:
            return replace(run, failure=f"half {name} of the frames: {failure}")
        objects.append(task.get_data_to_cpu("object", as_numpy=True)[0])
    return replace(run, half_objects=tuple(objects))


def choose_device(requested: str, cuda_is_there: bool) -> str:
    """Return "cpu" or "cuda"; InputInvalid where cuda is asked for and absent, never a fallback."""
    if requested == "cuda" and not cuda_is_there:
        raise InputInvalid("--device cuda: no CUDA device here. Ask for cpu or auto")
    if requested == "auto":
        return "cuda" if cuda_is_there else "cpu"
    return requested


def require_torch(version: str) -> None:
    """Raise InputInvalid for a torch older than 2.2 (POLICY-001); there is no fallback."""
    major, minor = (int(part) for part in version.split(".")[:2])
    if (major, minor) < OLDEST_TORCH:
        raise InputInvalid(f"POLICY-001: torch {version} is older than 2.2. Build it: make env")


def _task(request: Request, scan: Scan) -> Any:
    """Return pty-chi's task, built and seeded, nothing run yet."""
    import torch

    from harness.jobs import geometry

    require_torch(torch.__version__)
    device = choose_device(request.device, torch.cuda.is_available())
    print(f"device {device} (asked for {request.device}), threads {request.threads}")
    torch.set_num_threads(request.threads)

    from ptychi.api.task import PtychographyTask

    start, probe = geometry.starting_point(scan, request.initial_object)
    task = PtychographyTask(
        _options(request, device),
        diffraction_data=scan.counts,
        object_data=start[None],
        probe_data=probe[None],
        probe_position_x_px=scan.positions_x_px.astype("float32"),
        probe_position_y_px=scan.positions_y_px.astype("float32"),
    )
    # pty-chi's own seed does not reach the loader that draws the minibatches.
    task.reconstructor.dataloader.generator.manual_seed(request.seed)
    return task


def _options(request: Request, device: str) -> Any:
    """Return LSQML's options: pty-chi's defaults but for what is set here.

    Wavelength and pixel size stay at pty-chi's placeholders: far-field propagation through one
    slice uses neither.
    """
    import ptychi.api as api

    from harness.jobs.geometry import POSITION_ORIGIN_PX

    options = api.LSQMLOptions()
    reconstructor = options.reconstructor_options
    reconstructor.num_epochs = request.num_epochs
    reconstructor.batch_size = request.batch_size
    reconstructor.default_device = api.Devices.GPU if device == "cuda" else api.Devices.CPU
    reconstructor.random_seed = request.seed
    # The probe comes scaled to the data; left on, the first epoch would reconstruct nothing.
    reconstructor.rescale_probe_intensity_in_first_epoch = False
    object_options = options.object_options
    object_options.determine_position_origin_coords_by = api.ObjectPosOriginCoordsMethods.SPECIFIED
    object_options.position_origin_coords = list(POSITION_ORIGIN_PX)
    return options


def _run(task: Any, num_epochs: int, of_what: str = "") -> str | None:
    """Run epoch by epoch with a line for each; return why it failed, or None."""
    import math

    began = time.monotonic()
    for epoch in range(1, num_epochs + 1):
        task.run(n_epochs=1)
        loss = float(task.reconstructor.loss_tracker.table["loss"].iloc[-1])
        elapsed_s = time.monotonic() - began
        done = f"{of_what}epoch {epoch}/{num_epochs}"
        print(f"{done} loss {loss:.3e} elapsed_s {elapsed_s:.2f}", flush=True)
        if not math.isfinite(loss):
            return f"the loss is {loss} at epoch {epoch}"
    for name in ("object", "probe"):
        if not bool(task.get_data(name).isfinite().all()):
            return f"the {name} holds NaN or infinity after {num_epochs} epochs"
    return None


if __name__ == "__main__":
    sys.exit(main())
