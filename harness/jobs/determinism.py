"""Make a run repeat bit for bit, and say which of the conditions for it held."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any


class OnCpu:
    """A loader whose batches are drawn on the CPU, whatever torch's default device."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __len__(self) -> int:
        return len(self._loader)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def __iter__(self) -> Iterator[Any]:
        import torch

        with torch.device("cpu"):
            batches = iter(self._loader)
        while True:
            with torch.device("cpu"):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch


def enforce(threads: int, seed: int) -> None:
    """Set threads, seeds, deterministic and exact algorithms; before pty-chi builds anything."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    # On CUDA convolutions would round to ten bits, far more than the CPU does.
    torch.backends.cudnn.allow_tf32 = False


def draw_on_cpu(task: Any, seed: int) -> None:
    """Have a task on CUDA draw what it would on the CPU; its loader is to be seeded then.

    A generator of CUDA draws other batches, and other steps of the Poisson noise model. Of those
    alone come objects up to 0.1 apart: twice what is allowed for rounding.
    """
    import torch

    reconstructor, device = task.reconstructor, torch.get_default_device()
    torch.manual_seed(seed)
    with torch.device("cpu"):
        reconstructor.build_dataloader()
    # That takes what belongs to all frames with it.
    reconstructor.dataset.move_attributes_to_device(device)
    reconstructor.dataloader = OnCpu(reconstructor.dataloader)
    run = task.run

    def run_drawing(**named: Any) -> Any:
        with _drawing_on_cpu():
            return run(**named)

    task.run = run_drawing


def _drawing_on_cpu() -> AbstractContextManager[Any]:
    """Return what has `torch.randn` draw on the CPU, for whatever device."""
    import torch
    from torch.overrides import TorchFunctionMode

    class Drawing(TorchFunctionMode):
        def __torch_function__(self, func, _types, args=(), kwargs=None):
            asked = dict(kwargs or {})
            if func is not torch.randn:
                return func(*args, **asked)
            device = asked.pop("device", None) or torch.get_default_device()
            return func(*args, device="cpu", **asked).to(device)

    return Drawing()


def seed_loader(task: Any, seed: int) -> None:
    """Seed the generator that draws the batches: pty-chi's own seed does not reach it."""
    task.reconstructor.dataloader.generator.manual_seed(seed)


def read_off(task: Any, seed: int) -> dict[str, bool]:
    """Return result.json's `determinism`: each condition as it was after the run, and all of them.

    bitwise: the same input, recipe and seed give the same bytes again.
    """
    import torch

    loader_seed = int(task.reconstructor.dataloader.generator.initial_seed())
    held = {
        "one_thread": torch.get_num_threads() == 1,
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "seeded": seed == loader_seed == int(torch.initial_seed()),
        "on_cpu": task.get_data("object").device.type == "cpu",
    }
    return {"bitwise": all(held.values()), **held}
