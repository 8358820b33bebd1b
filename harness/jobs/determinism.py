"""Make a run repeat bit for bit, and say which of the conditions for it held."""

from __future__ import annotations

from typing import Any


def enforce(threads: int, seed: int) -> None:
    """Set threads, seeds, and deterministic algorithms; before pty-chi builds anything."""
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)


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
