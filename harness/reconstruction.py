"""Run the reconstructions of a study, or plan them: `python -m harness.reconstruction`.

Holds the names that callers use.  Everything costly is imported when it is needed, so that
`--help` answers at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import terminal
from harness.errors import UsageError
from harness.model import HALVES, LARGEST_SEED, ReconstructionJob, ReconstructionSettings

if TYPE_CHECKING:
    from harness.design import StudyDesign
    from harness.execution import Request
    from harness.runner import Completed

__all__ = [
    "ReconstructionJob",
    "build_ptychi_jobs",
    "get_study_design",
    "main",
    "run_ptychi_job",
]


FILTERS = ("dose", "view", "split", "gridsize")
AUTO = "auto"
OPTIONS = {
    "parallel": AUTO,
    "recipe": None,
    "num_epochs": None,
    "batch_size": None,
    "initial_object": None,
    "stop": None,
    "probe": None,
    "seed": None,
    "device": "auto",
    "halves": HALVES[0],
}


def get_study_design(path: Path | None = None) -> StudyDesign:
    """Return a study's design, by default the one that this repository is about.

    Raises UsageError for an absent file, InputInvalid for one that breaks its schema.
    """
    from harness import resources, studyfile

    return studyfile.load(path or resources.DEFAULT_STUDY)


def build_ptychi_jobs(
    phase_c_root: Path,
    phase_d_root: Path,
    artifact_root: Path,
    allow_missing: bool = False,
) -> tuple[ReconstructionJob, ...]:
    """Return the jobs of the default study whose inputs exist, in the study's order.

    allow_missing: leave out jobs without their Phase D input instead of raising InputInvalid,
    which names every missing file.  Nothing is written and nothing started (CONFIG-001).
    """
    from harness.execution import make_plan

    request = _request(
        get_study_design(),
        phase_c_root,
        phase_d_root,
        artifact_root,
        allow_missing_phase_d=allow_missing,
    )
    return make_plan(request).jobs


def run_ptychi_job(
    job: ReconstructionJob, dry_run: bool = True, log_path: Path | None = None
) -> Completed | None:
    """Run one job's child and return how it ended; None for a dry run, which starts nothing.

    The child's stdout and stderr go live to the terminal and to log_path (default: the job's).
    Raises JobFailed with the code, the log's path and the last lines on a non-zero code, and
    UsageError where the log exists: evidence is never overwritten.
    """
    if dry_run:
        return None
    from harness.execution import child_argv
    from harness.runner import run_job

    return run_job(job, child_argv(job), Path(log_path or job.log_path))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code (see `harness.errors`)."""
    options = make_parser().parse_args(argv)
    if options.format == "json":
        return terminal.translate(lambda: _run_and_report(options), as_json=True)
    return terminal.translate(lambda: _run(options))


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m harness.reconstruction`."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.reconstruction",
        description="Run the LSQML reconstructions of a study, or plan them (--dry-run).",
        epilog="Exit codes: 0 ok, 1 a job failed, 2 usage, 3 input, 5 nothing selected.",
    )
    for name in ("phase-c-root", "phase-d-root", "artifact-root"):
        parser.add_argument(f"--{name}", type=terminal.path, required=True, metavar="DIR")
    add_selection(parser)
    parser.add_argument("--study", type=terminal.path, metavar="FILE", help="study file (TOML)")
    parser.add_argument("--dry-run", action="store_true", help="plan and validate, launch nothing")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="of findings")
    return parser


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Add the options that select jobs and say how they are run."""
    for name in FILTERS:
        parser.add_argument(
            f"--{name}", action="append", metavar="VALUE", help=f"only this {name}; repeatable"
        )
    parser.add_argument(
        "--allow-missing-phase-d",
        action="store_true",
        help="skip jobs without their Phase D input instead of failing",
    )
    parser.add_argument("--fail-fast", action="store_true", help="stop at the first failed job")
    parser.add_argument(
        "--parallel",
        default=AUTO,
        metavar="N",
        help="jobs side by side, one thread each; default: one a core; one where a GPU may be used",
    )
    parser.add_argument(
        "--recipe", metavar="NAME", help="of recipes/, or a file; default: the study's"
    )
    parser.add_argument("--num-epochs", metavar="N", help="default: the recipe's")
    parser.add_argument("--batch-size", metavar="N", help="default: the recipe's")
    parser.add_argument("--initial-object", choices=("flat", "guess"), help="default: the recipe's")
    parser.add_argument(
        "--stop", choices=("heldout", "final"), help="epoch to deliver; default: the recipe's"
    )
    parser.add_argument(
        "--probe", choices=("given", "guess"), help="what the inputs' is; default: the study's"
    )
    parser.add_argument("--seed", metavar="N", help="default: the study's")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--halves",
        choices=HALVES,
        default=HALVES[0],
        help="alternate: also reconstruct from each half of the frames, and say how far they agree",
    )


def _run_and_report(options: argparse.Namespace) -> int:
    """Run with all words on stderr; standard output gets one JSON document of the findings."""
    import contextlib
    import json
    import sys

    from harness import layout

    with contextlib.redirect_stdout(sys.stderr):
        code = _run(options)
    manifest = json.loads((options.artifact_root / layout.MANIFEST).read_bytes())
    noted = [item for gate in manifest["gates"] for item in gate["findings"]]
    results = manifest["execution_results"]
    found = noted + [item for result in results for item in result["findings"]]
    error = None if code == 0 else f"not every job succeeded; read {layout.MANIFEST}"
    terminal.say(json.dumps({"error": error, "findings": found}, indent=2))
    return code


def _run(options: argparse.Namespace) -> int:
    from harness import execution, matrix

    design = get_study_design(options.study)
    request = replace(
        _request(
            design,
            options.phase_c_root,
            options.phase_d_root,
            options.artifact_root,
            allow_missing_phase_d=options.allow_missing_phase_d,
        ),
        filters=matrix.check_filters(design, requested_filters(options)),
        settings=settings_from(design, options),
        dry_run=options.dry_run,
        fail_fast=options.fail_fast,
        parallel=parallel_from(options),
    )
    return execution.execute(request, terminal.say)


def requested_filters(options: argparse.Namespace) -> dict[str, tuple[str, ...]]:
    """Return the filters as they were asked for, not yet compared with a study."""
    return {name: tuple(getattr(options, name) or ()) for name in FILTERS}


def known_preset(design: StudyDesign, name: str) -> str:
    """Return a preset's name; UsageError lists the study's where it has no such preset."""
    if name not in design.presets:
        valid = ", ".join(design.presets)
        raise UsageError(f"--preset {name!r} is not in the study; valid: {valid}")
    return name


def selection_words(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the words that give `add_selection` these options again; defaults are left out."""
    words: list[str] = []
    for name in FILTERS:
        for value in getattr(options, name) or ():
            words += [f"--{name}", value]
    flags = [flag for flag in ("allow_missing_phase_d", "fail_fast") if getattr(options, flag)]
    words += [f"--{flag.replace('_', '-')}" for flag in flags]
    for name, default in OPTIONS.items():
        value = getattr(options, name)
        if value != default:
            words += [f"--{name.replace('_', '-')}", value]
    return tuple(words)


def settings_from(design: StudyDesign, options: argparse.Namespace) -> ReconstructionSettings:
    """Return the settings of a run: the study's, with what the command line replaces."""
    numbers = {
        "num_epochs": (options.num_epochs, 1, None),
        "batch_size": (options.batch_size, 1, None),
        "seed": (options.seed, 0, LARGEST_SEED),
    }
    given = {
        name: terminal.whole_number(text, name.replace("_", "-"), *bounds)
        for name, (text, *bounds) in numbers.items()
        if text is not None
    }
    words = {name: getattr(options, name) for name in ("initial_object", "stop")}
    seed = given.pop("seed", design.seeds["reconstruction"])
    given |= {name: word for name, word in words.items() if word is not None}
    settings = make_settings(design, options.recipe, options.probe, given)
    return replace(settings, seed=seed, device=options.device, halves=options.halves)


def parallel_from(options: argparse.Namespace) -> int:
    """Return how many jobs may run side by side; a GPU is not shared unless asked for."""
    from harness import devices

    if options.parallel != AUTO:
        return terminal.whole_number(options.parallel, "parallel", 1)
    return devices.side_by_side(options.device)


def make_settings(
    design: StudyDesign,
    recipe: str | None = None,
    probe: str | None = None,
    given: Mapping[str, Any] | None = None,
) -> ReconstructionSettings:
    """Return a study's settings, by another recipe or probe where they are named.

    given: values that replace the recipe's own (`recipe.OVERRIDABLE`).
    Raises UsageError or InputInvalid for a recipe that cannot be followed.
    """
    from harness import recipe as recipes
    from harness import recipefile

    loaded = recipefile.load(recipe or design.recipe)
    return ReconstructionSettings(
        recipe=recipes.resolve(loaded, probe or design.probe, given or {}),
        seed=design.seeds["reconstruction"],
    )


def _request(
    design: StudyDesign,
    phase_c_root: Path,
    phase_d_root: Path,
    artifact_root: Path,
    *,
    allow_missing_phase_d: bool,
) -> Request:
    from harness import matrix
    from harness.execution import Request

    return Request(
        design=design,
        roots=matrix.Roots(Path(phase_c_root), Path(phase_d_root), Path(artifact_root)),
        filters=matrix.check_filters(design, {}),
        settings=make_settings(design),
        allow_missing_phase_d=allow_missing_phase_d,
    )


if __name__ == "__main__":
    raise SystemExit(main())
