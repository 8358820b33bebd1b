"""More probe modes than the input has, made by pty-chi's own means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.jobs.work import Work


def make(work: Work) -> tuple[Any, Any]:
    """Return the probe, (opr modes, modes, N, N), and its weights, (frames, opr modes) or None.

    Incoherent modes are made from the first (Hermite), OPR modes drawn at random: seed torch first.
    All on the CPU; the task takes them to its device.
    """
    import torch

    # A task on CUDA leaves that as the default, and another one is made for each half.
    with torch.device("cpu"):
        return _make(work)


def _make(work: Work) -> tuple[Any, Any]:
    import torch
    from ptychi import utils

    probe = torch.from_numpy(work.probe[None].copy())
    count = work.recipe.get("probe_modes", probe.shape[1])
    if count < probe.shape[1]:
        probe = probe[:, :count]
    if count > probe.shape[1]:
        more = torch.zeros((1, count - probe.shape[1], *probe.shape[2:]), dtype=probe.dtype)
        probe = utils.orthogonalize_initial_probe(torch.cat([probe, more], dim=1))
    opr_modes = work.recipe.get("opr_modes", 1)
    if opr_modes == 1:
        return probe, None
    probe = utils.add_additional_opr_probe_modes_to_probe(probe, opr_modes - 1)
    return probe, utils.generate_initial_opr_mode_weights(len(work.counts), opr_modes, probe=probe)
