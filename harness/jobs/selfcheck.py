"""Show on inputs made here that the child's geometry and figures are right, and would be missed.

    python -m harness.jobs.selfcheck [--json FILE]

Two experiments, each with true inputs and with three faults in them. The true ones must hold
their bounds; every faulty one must break a bound, or the check is blind to that fault. What each
child says that it measured is measured again. Children are real processes, two at a time. Figures
taken from libraries must have known answers (`harness.jobs.figures`). Exit codes: 0 all as it
should be, 1 not, 2 usage.
Source: docs/adr/0006-the-child.md
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness import (
    alignment,
    base,
    files,
    layout,
    measured_again,
    positions,
    remeasure,
    resources,
    runner,
    schemas,
    simulate,
    studyfile,
    terminal,
)
from harness.errors import EXIT_FAILED, EXIT_OK, UsageError
from harness.jobs import figures, outputs

FORMAT = "harness.selfcheck/1"
# Without regularisation the truth stays where it is.
RECIPE = "seed"
PROGRAM = ("-u", "-m", "harness.jobs.ptychi_lsqml")
SIDE_BY_SIDE = 2
CHILD_LIMIT_S = 600.0
DOSE_PHOTONS = 100_000

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Experiment:
    """One reconstruction whose outcome is known.

    loss_bound: every epoch's loss must lie below it (None: not asked).
    error_bound: the aligned error (`harness.alignment`) must lie below it.
    inset_px: the error is taken over the box of the probe's centres less this at each edge.
    slow_phase_px: phase errors slower than this are not counted (None: all are).
    halves: asked of the child.
    """

    name: str
    initial_object: str
    num_epochs: int
    loss_bound: float | None
    error_bound: float
    inset_px: int = 0
    slow_phase_px: float | None = None
    halves: str = "none"


# Measured with true inputs: loss 4e-12, error 3e-8; with the mildest fault 6e-1 and 8e-2.
FROM_TRUTH = Experiment("truth start, noiseless", "guess", 3, 1e-8, 1e-3, halves="alternate")
# Measured with true inputs: error 0.091; with the mildest fault, half a pixel, 0.178. With slow
# phases and the thinly covered edges counted, these are 0.235 and 0.262: too near to tell.
FROM_FLAT = Experiment("flat start, 1e5 photons, dense", "flat", 30, None, 0.12, 32, 8.0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one child left, and whether that is as it should be."""

    experiment: str
    fault: str
    largest_loss: float | None
    loss_bound: float | None
    error: float | None
    error_bound: float
    elapsed_s: float
    verdict: str
    good: bool


def _swapped(arrays: Arrays) -> Arrays:
    return {**arrays, "xcoords": arrays["ycoords"], "ycoords": arrays["xcoords"]}


def _half_a_pixel_off(arrays: Arrays) -> Arrays:
    return {**arrays, "xcoords": arrays["xcoords"] + 0.5, "ycoords": arrays["ycoords"] + 0.5}


def _not_squared(arrays: Arrays) -> Arrays:
    """Make the child's square come out as the amplitude: a child that does not square."""
    return {**arrays, "diffraction": np.sqrt(arrays["diffraction"])}


def _squared_twice(arrays: Arrays) -> Arrays:
    return {**arrays, "diffraction": np.square(arrays["diffraction"])}


NO_FAULT = "none"
FAULTS: Mapping[str, Callable[[Arrays], Arrays]] = {
    NO_FAULT: dict,
    "x and y swapped": _swapped,
    "origin off by half a pixel": _half_a_pixel_off,
    "amplitude given as intensity": _not_squared,
    "intensity given as amplitude": _squared_twice,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the check and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m harness.jobs.selfcheck", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the table as JSON")
    options = parser.parse_args(argv)
    return terminal.translate(lambda: _main(options.json))


def _main(json_path: Path | None) -> int:
    if json_path is not None and json_path.is_dir():
        raise UsageError(f"--json {json_path} is a folder; name a file")
    known = figures.check()
    terminal.say(_aligned([figures.HEAD, *(figure.row() for figure in known)]))
    outcomes = check()
    terminal.say(table(outcomes))
    passed = all(each.good for each in (*known, *outcomes))
    if json_path is not None:
        document = {
            "format": FORMAT,
            "verdict": "pass" if passed else "fail",
            "cases": [asdict(outcome) for outcome in outcomes],
            "figures": [asdict(figure) for figure in known],
        }
        files.write_json(json_path, document, new=False)
    terminal.say("selfcheck: " + ("pass" if passed else "FAIL"))
    return EXIT_OK if passed else EXIT_FAILED


def check(program: Sequence[str] = PROGRAM) -> list[Outcome]:
    """Run every experiment with every fault and return the outcomes, in that order.

    program: what follows the interpreter.
    """
    cases = [
        (experiment, fault, arrays)
        for experiment, arrays in ((FROM_TRUTH, noiseless_scan()), (FROM_FLAT, dense_scan()))
        for fault in FAULTS
    ]
    with (
        tempfile.TemporaryDirectory(prefix="selfcheck-") as folder,
        ThreadPoolExecutor(SIDE_BY_SIDE) as pool,
    ):
        started = [
            pool.submit(_one, Path(folder) / str(number), program, *case)
            for number, case in enumerate(cases)
        ]
        return [future.result() for future in started]


def noiseless_scan() -> Arrays:
    """Return the smoke preset's whole scan without noise, as DATA-001 arrays."""
    design = studyfile.load(resources.DEFAULT_STUDY)
    scene = base.embedded(design.presets["smoke"], design.seeds)
    return simulate.noiseless_dataset(
        scene.object_, scene.probe, scene.positions_px, float(DOSE_PHOTONS)
    )


def dense_scan() -> Arrays:
    """Return the default preset's first split, dense view, at 1e5 photons, as DATA-001 arrays."""
    design = studyfile.load(resources.DEFAULT_STUDY)
    scene = base.embedded(design.presets["default"], design.seeds)
    band = positions.split_along_y(scene.positions_px, len(design.splits))[0]
    spacing_px = design.view("dense").spacing_threshold_px(scene.frame_px)
    kept_px = scene.positions_px[band][positions.thin(scene.positions_px[band], spacing_px)]
    frames = simulate.intensities(scene.object_, scene.probe, kept_px)
    scale = simulate.photon_scale(frames, DOSE_PHOTONS)
    amplitudes = simulate.poisson_amplitudes(frames, scale, design.seeds["noise"], DOSE_PHOTONS)
    return simulate.dataset(amplitudes, scene.object_, scene.probe, kept_px)


def _one(
    folder: Path, program: Sequence[str], experiment: Experiment, fault: str, arrays: Arrays
) -> Outcome:
    """Run one child and judge what it left."""
    folder.mkdir()
    np.savez(folder / "input.npz", **FAULTS[fault](arrays))
    options = {
        "--input-npz": folder / "input.npz",
        "--output-dir": folder / "out",
        "--recipe": RECIPE,
        "--num-epochs": experiment.num_epochs,
        "--seed": 1,
        "--device": "cpu",
        "--initial-object": experiment.initial_object,
        "--halves": experiment.halves,
    }
    words = [str(word) for option in options.items() for word in option]
    done = runner.stream([sys.executable, *program, *words], (), timeout_s=CHILD_LIMIT_S)
    terminal.say(f"{experiment.name}; fault: {fault}; {done.elapsed_s:.1f} s")
    if done.returncode != 0:
        last = done.last_lines[-1] if done.last_lines else "no words"
        reason = f"child ended with {done.returncode}: {last}"
        return _outcome(experiment, fault, done.elapsed_s, None, None, reason)
    loss, error, reason = _measure(folder / "out", experiment, arrays)
    return _outcome(experiment, fault, done.elapsed_s, loss, error, reason)


def _measure(out: Path, experiment: Experiment, arrays: Arrays) -> tuple[float, float, str]:
    """Return the largest loss, the error against the truth, and what is amiss with the record."""
    attested = json.loads((out / layout.RESULT).read_text(encoding="utf-8"))
    found = schemas.check(
        attested, resources.schema("attestation"), name="attestation", where=layout.RESULT
    )
    asked = (experiment.num_epochs, experiment.initial_object)
    did = (attested["epochs_run"], attested["initial_object"])
    amiss = f"the record breaks its schema: {found[0]}" if found else ""
    if asked != did:
        amiss = f"asked for {asked}, the record says {did}"
    amiss = amiss or _not_borne_out(out, attested)
    with np.load(out / layout.RECONSTRUCTION, allow_pickle=False) as archive:
        reconstruction = archive["object"]
    return (
        max(attested["loss"]["per_epoch"]),
        aligned_error(experiment, reconstruction, arrays),
        amiss,
    )


def _not_borne_out(out: Path, attested: Mapping[str, Any]) -> str:
    """Return what is amiss: pictures, or a figure that input and arrays do not give; else ""."""
    archive, data = (
        path.read_bytes() for path in (out / layout.RECONSTRUCTION, out.parent / "input.npz")
    )
    drawn = {path.name for path in out.glob("*.png")}
    if drawn != outputs.pictures_of(attested):
        return f"other pictures than were to be drawn: {', '.join(sorted(drawn))}"
    judged = remeasure.judgement(data, {})
    if judged is None:
        return remeasure.UNFIT
    found = remeasure.metrics(archive, data, truth_present=judged.present)
    halves = remeasure.between_halves(archive, attested)
    if isinstance(found, str):
        return found
    said = [
        *measured_again.check_judgement(layout.RESULT, attested["truth"], judged),
        *measured_again.check_metrics(layout.RESULT, attested["metrics"], found),
        *measured_again.check_final_loss(layout.RESULT, attested, found),
    ]
    if not isinstance(halves, str):
        between = attested["metrics"]["between_halves"]
        said += measured_again.check_halves(layout.RESULT, between, halves)
    return f"not borne out: {said[0]}" if said else ""


def aligned_error(experiment: Experiment, reconstruction: np.ndarray, arrays: Arrays) -> float:
    """Return the error that the experiment bounds; arrays are those without the fault."""
    truth = arrays["objectGuess"]
    region = alignment.scanned_region(arrays["xcoords"], arrays["ycoords"], truth.shape)
    found, wanted = reconstruction[region], truth[region]
    if experiment.slow_phase_px is not None:
        found = alignment.without_slow_phase(found, wanted, experiment.slow_phase_px)
    inset = experiment.inset_px
    inner = tuple(slice(inset, size - inset) for size in wanted.shape)
    return alignment.align(found[inner], wanted[inner]).nrmse


def _outcome(
    experiment: Experiment,
    fault: str,
    elapsed_s: float,
    loss: float | None,
    error: float | None,
    amiss: str,
) -> Outcome:
    """Return the outcome: a child that did not do its work shows nothing, whatever the fault."""
    holds = loss is not None and within(experiment, loss, error)
    if amiss:
        verdict, good = amiss, False
    elif fault == NO_FAULT:
        verdict, good = ("holds", True) if holds else ("BROKEN", False)
    else:
        verdict, good = ("NOT NOTICED", False) if holds else ("noticed", True)
    return Outcome(
        experiment.name,
        fault,
        loss,
        experiment.loss_bound,
        error,
        experiment.error_bound,
        elapsed_s,
        verdict,
        good,
    )


def within(experiment: Experiment, largest_loss: float, error: float) -> bool:
    """Return whether both bounds hold; NaN holds none."""
    loss_holds = experiment.loss_bound is None or largest_loss < experiment.loss_bound
    return loss_holds and error < experiment.error_bound


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the outcomes as a text table."""
    rows = [("case", "fault", "largest loss", "bound", "error", "bound", "verdict")]
    rows += [
        (
            outcome.experiment,
            outcome.fault,
            *map(_number, (outcome.largest_loss, outcome.loss_bound)),
            *map(_number, (outcome.error, outcome.error_bound)),
            outcome.verdict,
        )
        for outcome in outcomes
    ]
    return _aligned(rows)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2e}"


if __name__ == "__main__":
    sys.exit(main())
