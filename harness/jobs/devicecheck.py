"""Show without a CUDA device that nothing of a job is left to torch's default device.

    python -m harness.jobs.devicecheck

On CUDA pty-chi makes that the default, for the whole process. Here `meta` stands for it: what is
made there has no values, and mixes with nothing of the CPU's. Each means of the child that works
on the CPU must give the very same under it. Exit codes: 0 it does, 1 not.
Source: docs/adr/0018-recipes-and-stopping.md
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from harness import canonical, multiscale, recipefile, terminal
from harness.errors import EXIT_FAILED, EXIT_OK
from harness.jobs import arguments, determinism, intake, modes, ms_ssim, ptychi_lsqml, repeatcheck
from harness.jobs import truth as truths
from harness.jobs import work as works

STAND_IN = "meta"
RECIPE = "seed"
SEED = 3
EPOCHS = 2
BATCHING = ("random", "compact", "uniform")
# Incoherent modes and modes by frame.
MODES = {"probe_modes": 3, "opr_modes": 2}


def main() -> int:
    """Run the check and return its exit code."""
    return terminal.translate(_main)


def _main() -> int:
    with tempfile.TemporaryDirectory(prefix="devicecheck-") as folder:
        root = Path(folder)
        np.savez(root / "input.npz", **repeatcheck.scan())
        good = [_same(name, means) for name, means in _means(root)]
    return EXIT_OK if all(good) else EXIT_FAILED


def _means(root: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield name and means; called under either default device, it returns what is compared."""
    yield "multi-scale SSIM", _similarity
    plan = _plan(root, MODES, {"opr_mode_weight_options.optimizable": True})
    yield "probe modes", lambda: _probe_modes(plan)
    for mode in BATCHING:
        chosen = _plan(root, {}, {"reconstructor_options.batching_mode": mode})
        yield f"{mode} batches", lambda asked=chosen: _batches(*asked)
    noisy = _plan(root, {}, {"reconstructor_options.noise_model": "poisson"})
    yield "random draws of a run", lambda: _draws(*noisy)


def _same(name: str, means: Callable[[], Any]) -> bool:
    with _default_device("cpu"):
        wanted = means()
    try:
        with _default_device(STAND_IN):
            same, said = means() == wanted, "other values"
    except (RuntimeError, NotImplementedError, TypeError) as error:
        same, said = False, " ".join(str(error).split())
    terminal.say(f"{name}: {'the same' if same else f'NOT THE SAME: {said}'}")
    return same


@contextmanager
def _default_device(name: str) -> Iterator[None]:
    import torch

    torch.set_default_device(name)
    try:
        yield
    finally:
        torch.set_default_device(None)


def _plan(
    root: Path, keys: dict[str, Any], options: dict[str, Any]
) -> tuple[arguments.Request, works.Work]:
    recipe = recipefile.load(RECIPE)
    del recipe["source_sha256"]
    recipe |= keys
    recipe["options"] |= options
    path = root / f"{len(list(root.iterdir()))}.json"
    path.write_bytes(canonical.to_bytes(recipe))
    words = ["--input-npz", str(root / "input.npz"), "--output-dir", "none", "--device", "cpu"]
    request = arguments.parse([*words, "--recipe", str(path), "--seed", str(SEED)])
    scan = intake.read(request.input_npz)
    asked = ptychi_lsqml._recipe(request)
    return request, works.make(scan, asked, request.seed, truths.find(scan))


def _similarity() -> float:
    rng = np.random.default_rng(SEED)
    found, wanted = rng.normal(size=(2, 57, 57))
    weights = multiscale.weights_of(multiscale.scales_for(57))
    return ms_ssim.similarity(found, wanted, float(np.ptp(wanted)), weights)


def _probe_modes(asked: tuple[arguments.Request, works.Work]) -> list[bytes]:
    request, plan = asked
    determinism.enforce(request.threads, request.seed)
    return [np.asarray(values).tobytes() for values in modes.make(plan)]


def _batches(request: arguments.Request, plan: works.Work) -> list[list[int]]:
    """Return the frames of each batch of some epochs."""
    task = _task(request, plan)
    return [
        [int(frame) for frame in frames]
        for _ in range(EPOCHS)
        for frames, _ in task.reconstructor.dataloader
    ]


def _draws(request: arguments.Request, plan: works.Work) -> list[int]:
    """Return how a run that draws leaves the CPU's generator: what was drawn elsewhere is not."""
    import torch

    task = _task(request, plan, lambda **_: torch.randn(plan.batch_size))
    task.run(n_epochs=EPOCHS)
    return torch.get_rng_state().tolist()


def _task(
    request: arguments.Request, plan: works.Work, run: Callable[..., Any] | None = None
) -> Any:
    """Return a task that was built on the CPU, fit for the default device.

    run: in place of its own, which has no values to work on there.
    """
    import torch

    device = torch.get_default_device()
    task = ptychi_lsqml._task(request, plan)
    task.run = run or task.run
    torch.set_default_device(device)
    if device.type == STAND_IN:
        determinism.draw_on_cpu(task, request.seed)
        determinism.seed_loader(task, request.seed)
    return task


if __name__ == "__main__":
    sys.exit(main())
