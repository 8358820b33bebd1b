"""Run a task epoch by epoch: score each, and keep the one to deliver."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness import childlog, stopping
from harness.opr import Opr


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What a task holds after an epoch, counted from 1.

    object_: complex64 (H, W).  probe: complex64 (modes, N, N), unitary, as bright as the part of
    the data that is reconstructed from.  positions_px: float32 (m, 2), (y, x), of the frames that
    it is reconstructed from.  relaxed: what makes the probe another one in each frame.
    """

    epoch: int
    object_: np.ndarray
    probe: np.ndarray
    positions_px: np.ndarray
    relaxed: Opr | None = None


@dataclass(slots=True)
class History:
    """What each epoch came to.

    losses: the mean over an epoch's batches, each before its update.  deviances: held-out, empty
    where nothing is held out.  errors: against the truth, empty where there is none.
    best: the state to deliver, of the epochs so far.  final: after the last one.
    """

    losses: list[float] = field(default_factory=list)
    deviances: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    best: State | None = None
    final: State | None = None
    failure: str | None = None

    @property
    def delivered(self) -> State:
        """The state that is delivered; after a failure, the last one."""
        return self.final if self.failure else self.best

    @property
    def series(self) -> stopping.Series:
        """What is kept of each epoch."""
        return stopping.Series(self.losses, self.deviances, self.errors)


@dataclass(frozen=True, slots=True)
class Watch:
    """What is looked at after each epoch.

    deviance, error: of a state; None where nothing is held out, where there is no truth.
    rule: by which an epoch is delivered, "heldout" or "final".  as_good: as for `heldout.chosen`.
    """

    rule: str
    as_good: float = stopping.NOT_ASKED
    deviance: Callable[[State], float] | None = None
    error: Callable[[State], float] | None = None


def run(task: Any, num_epochs: int, watch: Watch, of_what: str = "") -> History:
    """Run the epochs, a line for each; a loss, array or score that is not finite ends them.

    of_what: begins each line.
    """
    history, began = History(), time.monotonic()
    for epoch in range(1, num_epochs + 1):
        task.run(n_epochs=1)
        history.losses.append(float(task.reconstructor.loss_tracker.table["loss"].iloc[-1]))
        history.final = state_of(task, epoch)
        history.failure = _failure(history) or _score(history, watch)
        elapsed_s = time.monotonic() - began
        done = childlog.words(epoch, num_epochs, history.series)
        print(f"{of_what}{done} elapsed_s {elapsed_s:.2f}", flush=True)
        if history.failure:
            break
    return history


def state_of(task: Any, epoch: int) -> State:
    """Return a copy of what the task holds: its next epoch changes the arrays in place."""
    object_ = np.array(task.get_data_to_cpu("object", as_numpy=True)[0])
    probe = task.get_data_to_cpu("probe", as_numpy=True)
    positions_px = np.array(task.get_data_to_cpu("probe_positions", as_numpy=True))
    # pty-chi's FFT is unnormalised; files and the harness are unitary.
    unitary = probe * np.float32(probe.shape[-1])
    relaxed = None
    if len(probe) > 1:
        weights = np.array(task.get_data_to_cpu("opr_mode_weights", as_numpy=True))
        relaxed = Opr(unitary[1:, 0], weights)
    return State(epoch, object_, unitary[0], positions_px, relaxed)


def _score(history: History, watch: Watch) -> str | None:
    """Score the last state, and keep it where it is the one to deliver so far."""
    state = history.final
    for score, values in ((watch.error, history.errors), (watch.deviance, history.deviances)):
        if score is not None:
            values.append(score(state))
            if not math.isfinite(values[-1]):
                return f"a score is {values[-1]} at epoch {state.epoch}"
    if stopping.delivered_epoch(watch.rule, history.series, watch.as_good) == state.epoch:
        history.best = state
    return None


def _failure(history: History) -> str | None:
    loss, state = history.losses[-1], history.final
    if not math.isfinite(loss):
        return f"the loss is {loss} at epoch {state.epoch}"
    if not np.isfinite(state.positions_px).all():
        return f"the positions hold NaN or infinity after epoch {state.epoch}"
    held = {"object": state.object_, "probe": state.probe}
    for name, values in (held | (state.relaxed.named() if state.relaxed else {})).items():
        if not np.isfinite(values).all():
            return f"the {name} holds NaN or infinity after epoch {state.epoch}"
    return None
