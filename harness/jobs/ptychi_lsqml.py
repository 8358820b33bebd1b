"""The child: reconstruct one DATA-001 file with pty-chi's LSQML, and attest what was done.

    python -u -m harness.jobs.ptychi_lsqml --input-npz F --output-dir D --seed 1

It needs nothing of the harness that started it, and everything in its `result.json` is read off
the task that ran. Exit codes: 0 done, 1 the reconstruction failed, 2 usage, 3 input or device,
70 a bug (with its traceback), 130 interrupted. Source: docs/adr/0006-the-child.md
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness import terminal
from harness.errors import EXIT_FAILED, EXIT_OK, InputInvalid
from harness.jobs import arguments
from harness.model import OLDEST_TORCH

if TYPE_CHECKING:
    import numpy as np

    from harness.jobs.arguments import Request
    from harness.jobs.attest import Run
    from harness.jobs.work import Work


def main(argv: Sequence[str] | None = None) -> int:
    """Run the child on argv and return its exit code."""
    words = sys.argv[1:] if argv is None else argv
    return terminal.translate(lambda: _reconstruct(arguments.parse(words)))


def _reconstruct(request: Request) -> int:
    from harness import halves, provenance
    from harness.jobs import attest, device, intake, ms_ssim, outputs, truth, work

    clock = attest.Clock.start()
    asked = _recipe(request)
    folder = outputs.fresh_folder(request.output_dir)
    scan = intake.read(request.input_npz)
    if request.halves != halves.NONE:
        halves.split(len(scan.counts))
    provenance.require_packages()
    plan = work.make(scan, asked, request.seed, truth.find(scan))
    with attest.recorded_warnings() as warnings:
        try:
            run = _run(request, plan)
            if request.halves != halves.NONE and not run.failure:
                run = _with_halves(run, request, plan)
        except ImportError as error:
            said = " ".join(str(error).split())
            raise InputInvalid(f"POLICY-001: {said}; build the environment: make env") from None
        except RuntimeError as error:
            if why := device.said_by_cuda(error):
                raise InputInvalid(f"the device gave up: {why}. Ask for cpu") from None
            raise
    run = replace(run, warnings=tuple(warnings))
    verdict = plan.reference.beside(run.object_)
    quality = attest.quality_of(run, scan, verdict, ms_ssim.similarity)
    files = outputs.write_results(folder, run, scan, verdict, quality)
    outputs.write_record(folder, attest.record(run, scan, verdict, quality, request, files, clock))
    if run.failure:
        print(f"error: {run.failure}; result.json says failed", file=sys.stderr)
        return EXIT_FAILED
    print(f"done: {run.algorithm}, {run.epochs_run} epochs, last loss {run.losses[-1]:.3e}")
    return EXIT_OK


def _run(request: Request, plan: Work) -> Run:
    """Return what came of one reconstruction."""
    from harness.jobs import attest, epochs

    task = _task(request, plan)
    initial_object = attest.name_initial_object(task, plan.scan)
    history = epochs.run(task, plan.num_epochs, plan.watch())
    return attest.read_off(task, plan, initial_object, history)


def _with_halves(run: Run, request: Request, plan: Work) -> Run:
    """Return the run with an object from each half of the frames, made as the run was."""
    from harness import halves
    from harness.jobs import epochs, work

    objects: list[np.ndarray] = []
    for name, frames in zip("ab", halves.split(len(plan.scan.counts)), strict=True):
        print(f"half {name}: {len(frames)} of {len(plan.scan.counts)} frames")
        half = work.make(plan.scan.part(frames), plan.recipe, plan.seed, plan.reference)
        of_half = epochs.run(_task(request, half), half.num_epochs, half.watch(), f"half {name} ")
        if of_half.failure is not None:
            return replace(run, half_failure=f"half {name} of the frames: {of_half.failure}")
        objects.append(of_half.delivered.object_)
    return replace(run, half_objects=tuple(objects))


def _recipe(request: Request) -> dict[str, Any]:
    """Return the recipe that the request names, with what it puts in place of the recipe's own."""
    from harness import recipe, recipefile

    loaded = recipefile.load(request.recipe)
    probe = request.probe or loaded.get("probe", recipe.GIVEN)
    asked = recipe.resolve(loaded, probe, request.in_place_of_the_recipe)
    digest = recipe.digest(asked)
    if request.recipe_sha256 not in (None, digest):
        raise InputInvalid(f"recipe {request.recipe} has sha256 {digest}, another was asked for")
    return asked


def require_torch(version: str) -> None:
    """Raise InputInvalid for a torch older than 2.2 (POLICY-001); there is no fallback."""
    major, minor = (int(part) for part in version.split(".")[:2])
    if (major, minor) < OLDEST_TORCH:
        raise InputInvalid(f"POLICY-001: torch {version} is older than 2.2. Build it: make env")


def _task(request: Request, plan: Work) -> Any:
    """Return pty-chi's task, built and seeded, nothing run yet."""
    import torch

    from harness import devices
    from harness.jobs import determinism, device, modes

    require_torch(torch.__version__)
    why = None
    if request.device != device.CPU:
        os.environ.update(device.variables(os.environ))
        why = device.why_not(torch)
    used = device.choose(request.device, why)
    said = device.told(used, request.device, why, there=devices.may_be_there())
    print(f"{said}, threads {request.threads}")
    determinism.enforce(request.threads, request.seed)

    from ptychi.api.task import PtychographyTask

    probe, weights = modes.make(plan)
    task = PtychographyTask(
        _options(request, plan, used),
        diffraction_data=plan.counts,
        object_data=plan.object_[None],
        probe_data=probe,
        probe_position_x_px=plan.scan.positions_x_px[plan.frames].astype("float32"),
        probe_position_y_px=plan.scan.positions_y_px[plan.frames].astype("float32"),
        opr_mode_weights_data=weights,
    )
    if used == device.CUDA:
        determinism.draw_on_cpu(task, request.seed)
    determinism.seed_loader(task, request.seed)
    if used == device.CPU:
        # pty-chi asks torch to tell each call its device, which it is without; the bytes are alike.
        torch.set_default_device(None)
    return task


def _options(request: Request, plan: Work, device: str) -> Any:
    """Return LSQML's options: pty-chi's defaults but for the recipe's and what is set here.

    Wavelength and pixel size stay at pty-chi's placeholders: far-field propagation through one
    slice uses neither.
    """
    import ptychi.api as api

    from harness.jobs import settings
    from harness.jobs.geometry import POSITION_ORIGIN_PX

    options = api.LSQMLOptions()
    settings.apply(options, plan.options)
    reconstructor = options.reconstructor_options
    reconstructor.num_epochs = plan.num_epochs
    reconstructor.batch_size = plan.batch_size
    reconstructor.default_device = api.Devices.GPU if device == "cuda" else api.Devices.CPU
    reconstructor.random_seed = request.seed
    # The probe comes scaled to the data; left on, the first epoch would reconstruct nothing.
    reconstructor.rescale_probe_intensity_in_first_epoch = False
    object_options = options.object_options
    object_options.determine_position_origin_coords_by = api.ObjectPosOriginCoordsMethods.SPECIFIED
    object_options.position_origin_coords = list(POSITION_ORIGIN_PX)
    return options


if __name__ == "__main__":
    sys.exit(main())
