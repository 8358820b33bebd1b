"""Run a task epoch by epoch: score each, and keep the one to deliver."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness import heldout


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What a task holds after an epoch, counted from 1.

    object_: complex64 (H, W).  probe: complex64 (modes, N, N), unitary, as bright as the part of
    the data that is reconstructed from.
    """

    epoch: int
    object_: np.ndarray
    probe: np.ndarray


@dataclass(slots=True)
class History:
    """What each epoch came to.

    losses: the mean over an epoch's batches, each before its update.  deviances: held-out, empty
    where nothing is held out.  errors: against the truth, empty where there is none.
    delivered: the state after the epoch that is delivered.  final: after the last one.
    """

    losses: list[float] = field(default_factory=list)
    deviances: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    delivered: State | None = None
    final: State | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """What is looked at after each epoch.

    deviance, error: of a state; None where nothing is held out, where there is no truth.
    by_deviance: whether the epoch that predicts the held-out part is delivered, not the last.
    """

    deviance: Callable[[State], float] | None = None
    error: Callable[[State], float] | None = None
    by_deviance: bool = False


def run(task: Any, num_epochs: int, watch: Watch) -> History:
    """Run the epochs, a line for each; a loss or an array that is not finite ends them."""
    history, began = History(), time.monotonic()
    for epoch in range(1, num_epochs + 1):
        task.run(n_epochs=1)
        history.losses.append(float(task.reconstructor.loss_tracker.table["loss"].iloc[-1]))
        state = state_of(task, epoch)
        _score(history, watch, state)
        elapsed_s = time.monotonic() - began
        print(f"epoch {epoch}/{num_epochs} {_words(history)} elapsed_s {elapsed_s:.2f}", flush=True)
        history.failure = _failure(history, state)
        if history.failure:
            break
    return history


def state_of(task: Any, epoch: int) -> State:
    """Return a copy of what the task holds: its next epoch changes the arrays in place."""
    object_ = np.array(task.get_data_to_cpu("object", as_numpy=True)[0])
    probe = task.get_data_to_cpu("probe", as_numpy=True)[0]
    # pty-chi's FFT is unnormalised; files and the harness are unitary.
    return State(epoch, object_, probe * np.float32(probe.shape[-1]))


def _score(history: History, watch: Watch, state: State) -> None:
    history.final = state
    if watch.error is not None:
        history.errors.append(watch.error(state))
    if watch.deviance is not None:
        history.deviances.append(watch.deviance(state))
    delivers = not watch.by_deviance or heldout.chosen(history.deviances) == state.epoch
    if delivers:
        history.delivered = state


def _failure(history: History, state: State) -> str | None:
    loss = history.losses[-1]
    if not math.isfinite(loss):
        return f"the loss is {loss} at epoch {state.epoch}"
    for name, values in (("object", state.object_), ("probe", state.probe)):
        if not np.isfinite(values).all():
            return f"the {name} holds NaN or infinity after epoch {state.epoch}"
    return None


def _words(history: History) -> str:
    series = {"loss": history.losses, "held_out": history.deviances, "nrmse": history.errors}
    return " ".join(f"{name} {values[-1]:.6g}" for name, values in series.items() if values)
