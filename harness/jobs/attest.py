"""Read off a task that has run what it did, and put it into a record.

Nothing here is taken from the command line but what only the command line knows: the device
that was asked for.
"""

from __future__ import annotations

import logging
import math
import resource
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

import harness
from harness import arrays, halves, multiscale, provenance, quality, recipe, stopping
from harness.model import HALF_OBJECTS

if TYPE_CHECKING:
    from harness.jobs.arguments import Request
    from harness.jobs.epochs import History
    from harness.jobs.intake import Scan
    from harness.jobs.truth import Verdict
    from harness.jobs.work import Work
    from harness.multiscale import Similarity
    from harness.opr import Opr

FORMAT = "harness.attestation/1"
VERSIONS = ("python", "numpy", "torch", "ptychi", "matplotlib")


@dataclass(frozen=True, slots=True)
class Clock:
    """When work began: UTC, and the process's wall clock in seconds."""

    started_at: str
    monotonic_s: float

    @classmethod
    def start(cls) -> Clock:
        """Return a clock that begins now."""
        return cls(provenance.iso_now(), time.monotonic())


@dataclass(frozen=True, slots=True)
class Run:
    """What a task did and what it left.

    recipe: asked for.  settings: dotted path -> value that the task holds of what it names.
    history: what each epoch came to.
    options: dotted path -> (pty-chi's default, value used), where they differ.
    object_: complex64 (H, W), of the epoch that is delivered, as all that is not called final.
    positions: (n,), object pixels.
    probe: complex64 (modes, N, N) in the files' unitary convention, sqrt(photons), as bright as
    the whole scan.  final_probe: the same after the last epoch.
    relaxed: what makes the probe another one in each frame, None where all have the same.
    device_facts: of a CUDA device, see `device.facts`.
    half_objects: complex64 (H, W), one from each half of the frames, or none; half_failure: why
    they failed.
    determinism: which conditions of repeating held.  held_out: what was, None for nothing.
    """

    reconstructor: str
    module: str
    epochs_run: int
    batch_size: int
    seed: int
    recipe: Mapping[str, Any]
    settings: Mapping[str, Any]
    options: Mapping[str, tuple[Any, Any]]
    initial_object: str
    history: History
    object_: np.ndarray
    probe: np.ndarray
    positions_x_px: np.ndarray
    positions_y_px: np.ndarray
    position_origin_px: tuple[float, float]
    device: str
    device_name: str
    threads: int
    determinism: Mapping[str, bool]
    held_out: Mapping[str, Any] | None
    final_probe: np.ndarray
    warnings: tuple[str, ...]
    relaxed: Opr | None = None
    device_facts: Mapping[str, Any] = field(default_factory=dict)
    half_objects: tuple[np.ndarray, ...] = ()
    half_failure: str | None = None

    @property
    def losses(self) -> tuple[float, ...]:
        """One an epoch."""
        return tuple(self.history.losses)

    @property
    def delivered_epoch(self) -> int:
        """The epoch whose object and probe these are."""
        return self.history.delivered.epoch

    @property
    def refined(self) -> bool:
        """Whether the positions are those that the reconstruction came to."""
        return recipe.refines_positions(self.settings)

    @property
    def failure(self) -> str | None:
        """Why the run failed, if it did."""
        return self.history.failure or self.half_failure

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what reconstruction.npz holds, by name."""
        last = {stopping.FINAL_OBJECT: self.history.final.object_}
        last[stopping.FINAL_PROBE] = self.final_probe
        series = self.history.series.named()
        return {
            "object": self.object_,
            "probe": self.probe,
            **(self.relaxed.named() if self.relaxed else {}),
            **{name: np.array(values, dtype=np.float64) for name, values in series.items()},
            "positions_x_px": self.positions_x_px,
            "positions_y_px": self.positions_y_px,
            **(last if self.recipe["stop"] == recipe.HELD_OUT else {}),
            **dict(zip(HALF_OBJECTS, self.half_objects, strict=False)),
        }

    @property
    def algorithm(self) -> str:
        """The algorithm's name, from the class that ran."""
        return self.reconstructor.removesuffix("Reconstructor")


@contextmanager
def recorded_warnings() -> Iterator[list[str]]:
    """Yield a list that gathers every warning and logged warning; they still reach stderr."""
    gathered: list[str] = []

    def keep(message: str) -> None:
        message = " ".join(message.split())
        gathered.append(message)
        print(f"warning: {message}", file=sys.stderr)

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            keep(f"{record.name}: {record.getMessage()}")

    def show(message, category, *_place, **_more) -> None:
        keep(f"{category.__name__}: {message}")

    handler = Keeper(logging.WARNING)
    logging.getLogger().addHandler(handler)
    try:
        with warnings.catch_warnings():
            for category in (UserWarning, RuntimeWarning, FutureWarning):
                warnings.simplefilter("default", category)
            warnings.showwarning = show
            yield gathered
    finally:
        logging.getLogger().removeHandler(handler)


def name_initial_object(task: Any, scan: Scan) -> str:
    """Return what the task's object is before the first epoch: "flat", "guess" or "other"."""
    start = task.get_data_to_cpu("object", as_numpy=True)[0]
    if (start == 1).all():
        return "flat"
    same = scan.object_guess is not None and np.array_equal(start, scan.object_guess)
    return "guess" if same else "other"


def read_off(task: Any, work: Work, initial_object: str, history: History) -> Run:
    """Return what pty-chi's task says of itself after its epochs."""
    import torch

    from harness.jobs import determinism, settings
    from harness.jobs import device as devices

    reconstructor = task.reconstructor
    device = task.get_data("object").device.type
    origin = task.object.pos_origin_coords.cpu().numpy()
    kept = history.delivered
    x_px, y_px = work.positions_px(kept)
    return Run(
        reconstructor=type(reconstructor).__name__,
        module=type(reconstructor).__module__,
        epochs_run=int(reconstructor.current_epoch),
        batch_size=settings.batch_size(reconstructor.dataloader),
        seed=int(reconstructor.dataloader.generator.initial_seed()),
        recipe=work.recipe,
        settings=settings.held(task, list(work.options)),
        options=changed_options(type(task.options)().get_dict(), task.get_options_as_dict()),
        initial_object=initial_object,
        history=history,
        object_=kept.object_,
        probe=work.whole(kept.probe),
        positions_x_px=x_px,
        positions_y_px=y_px,
        position_origin_px=(float(origin[0]), float(origin[1])),
        device=device,
        device_name=torch.cuda.get_device_name()
        if device == devices.CUDA
        else provenance.host()["processor"],
        threads=torch.get_num_threads(),
        determinism=determinism.read_off(task, work.seed),
        held_out=work.held_out_part,
        final_probe=work.whole(history.final.probe),
        warnings=(),
        relaxed=kept.relaxed,
        device_facts=devices.facts(torch, device),
    )


def changed_options(
    defaults: Mapping[str, Any], used: Mapping[str, Any]
) -> dict[str, tuple[Any, Any]]:
    """Return dotted path -> (default, used) of every leaf in which two nested mappings differ."""
    from harness.jobs.settings import leaves

    before, after = dict(leaves(defaults)), dict(leaves(used))
    return {
        path: (before.get(path), after.get(path))
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    }


def record(
    run: Run,
    scan: Scan,
    verdict: Verdict,
    measured: Mapping[str, Any],
    request: Request,
    files: list[dict[str, Any]],
    clock: Clock,
) -> dict[str, Any]:
    """Return result.json's content (schemas/attestation.schema.json)."""
    return {
        "format": FORMAT,
        "status": "failed" if run.failure else "succeeded",
        "failure": run.failure,
        "algorithm": run.algorithm,
        "reconstructor": f"{run.module}.{run.reconstructor}",
        "epochs_run": run.epochs_run,
        "batch_size": run.batch_size,
        "seed": run.seed,
        "initial_object": run.initial_object,
        "recipe": {
            **{key: run.recipe[key] for key in ("name", "version", "source_sha256")},
            "sha256": recipe.digest(run.recipe),
        },
        "settings": dict(run.settings),
        "options_changed": {
            path: {"default": default, "used": used}
            for path, (default, used) in run.options.items()
        },
        "input": _input(scan),
        "object_shape_px": list(run.object_.shape),
        "probe_modes": len(run.probe),
        "position_origin_px": list(run.position_origin_px),
        "loss": _loss(run.losses),
        "stopping": _stopping(run),
        "truth": verdict.as_record(),
        "metrics": measured,
        "arrays": {name: arrays.identity(values) for name, values in run.arrays().items()},
        "outputs": files,
        "device": {
            "requested": request.device,
            "used": run.device,
            "name": run.device_name,
            **run.device_facts,
        },
        "threads": run.threads,
        "determinism": dict(run.determinism),
        "versions": _versions(),
        "warnings": list(run.warnings),
        **_cost(clock),
    }


def _input(scan: Scan) -> dict[str, Any]:
    return {
        "path": scan.path,
        "sha256": scan.sha256,
        "bytes": scan.size_bytes,
        "frames": len(scan.counts),
        "frame_px": scan.frame_px,
        "mean_photons_per_frame": scan.mean_photons_per_frame,
        "positions_on_pixels": scan.positions_on_pixels,
        "pixel_size_m": scan.pixel_size_m,
    }


def quality_of(
    run: Run, scan: Scan, verdict: Verdict, similarity: Similarity = multiscale.similarity
) -> dict[str, Any]:
    """Return result.json's `metrics`, by the truth where the verdict has one.

    What needs none is measured where the reconstruction put the frames.

    similarity: who computes the multi-scale SSIM.
    """
    truth = scan.object_guess if verdict.present else None
    placed = (scan.corners, truth, scan.pixel_size_m, scan.beside_px)
    frames = quality.Frames(scan.counts, scan.probe, *placed)
    reached = (run.positions_x_px, run.positions_y_px, run.object_.shape)
    where = quality.refined(frames, *reached) if run.refined else None
    measured = quality.measure(frames, run.object_, run.probe, similarity, run.relaxed, where)
    agree = halves.measure(run.arrays(), scan.pixel_size_m) if run.half_objects else None
    return {**measured, "between_halves": agree}


def _stopping(run: Run) -> dict[str, Any] | None:
    # The scores of a failed run may be NaN; JSON has none, and nothing was chosen by them.
    if run.failure:
        return None
    return stopping.record(run.recipe["stop"], run.history.series, run.held_out)


def _loss(losses: tuple[float, ...]) -> dict[str, Any]:
    # JSON has no NaN; a loss that is none is null, and the status says failed.
    numbers = [loss if math.isfinite(loss) else None for loss in losses]
    return {"first": numbers[0], "last": numbers[-1], "per_epoch": numbers}


def _cost(clock: Clock) -> dict[str, Any]:
    # Linux gives kibibytes, macOS bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "started_at": clock.started_at,
        "finished_at": provenance.iso_now(),
        "wall_s": round(time.monotonic() - clock.monotonic_s, 3),
        "cpu_s": round(time.process_time(), 3),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
    }


def _versions() -> dict[str, str]:
    installed = provenance.versions()
    return {"harness": harness.__version__, **{name: installed[name] for name in VERSIONS}}
