"""The cells of a study and the jobs chosen from them: one order, one predicate for run and skip."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath

from harness import layout
from harness.design import StudyDesign
from harness.errors import UsageError
from harness.model import CellKey, ReconstructionJob, ReconstructionSettings, Skip

FILTER_NAMES = ("dose", "view", "split", "gridsize")


@dataclass(frozen=True, slots=True)
class Roots:
    """Where inputs come from and where artifacts go."""

    phase_c: PurePath
    phase_d: PurePath
    artifact: PurePath


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do: jobs + skips = every cell of the study.

    missing: jobs among the skips that were asked for and whose input does not exist.
    """

    cells: tuple[CellKey, ...]
    jobs: tuple[ReconstructionJob, ...]
    skipped: tuple[Skip, ...]
    missing: tuple[ReconstructionJob, ...] = ()


def cells(design: StudyDesign) -> tuple[CellKey, ...]:
    """Return every cell: dose ascending, then split, then view, in the study's order."""
    return tuple(
        CellKey(dose_photons, view.name, split)
        for dose_photons in design.doses_photons
        for split in design.splits
        for view in design.views
    )


def valid_values(design: StudyDesign) -> dict[str, tuple[str, ...]]:
    """Return what each filter may ask for, as text, in the study's order."""
    return {
        "dose": tuple(str(dose) for dose in design.doses_photons),
        "view": tuple(view.name for view in design.views),
        "split": design.splits,
        "gridsize": tuple(str(size) for size in sorted({v.gridsize for v in design.views})),
    }


def check_filters(
    design: StudyDesign, requested: Mapping[str, Iterable[str]]
) -> dict[str, tuple[str, ...]]:
    """Return the filters with every name present; UsageError lists the valid values."""
    valid = valid_values(design)
    filters = {name: tuple(requested.get(name) or ()) for name in FILTER_NAMES}
    wrong = [
        f"--{name} {value!r} is not in the study; valid: {', '.join(valid[name])}"
        for name, values in filters.items()
        for value in values
        if value not in valid[name]
    ]
    if wrong:
        raise UsageError("\n".join(wrong))
    return filters


def misses(key: CellKey, gridsize: int, filters: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return every reason why the filters leave a cell out; none means that it runs."""
    facts = {
        "dose": str(key.dose_photons),
        "view": key.view,
        "split": key.split,
        "gridsize": str(gridsize),
    }
    return tuple(
        f"{name} {facts[name]} not requested (--{name} {', '.join(wanted)})"
        for name, wanted in filters.items()
        if wanted and facts[name] not in wanted
    )


def plan(
    design: StudyDesign,
    roots: Roots,
    *,
    filters: Mapping[str, tuple[str, ...]],
    settings: ReconstructionSettings,
    exists: Callable[[PurePath], bool],
) -> Plan:
    """Return the jobs and skips of a run, in the study's order.

    exists: tells whether an input is there; an absent one becomes a skip and a `missing` job,
    and it is for the caller to say whether that is allowed.
    """
    jobs: list[ReconstructionJob] = []
    skipped: list[Skip] = []
    missing: list[ReconstructionJob] = []
    for key in cells(design):
        job = make_job(design, key, roots, settings)
        reasons = misses(key, job.gridsize, filters)
        if not reasons and not exists(PurePath(job.input_npz)):
            missing.append(job)
            phase = design.view(key.view).phase
            root = roots.phase_c if phase == "C" else roots.phase_d
            inside = PurePath(job.input_npz).relative_to(root).as_posix()
            reasons = (missing_reason(phase, inside),)
        if reasons:
            skipped.append(Skip(key, reasons))
        else:
            jobs.append(job)
    return Plan(cells(design), tuple(jobs), tuple(skipped), tuple(missing))


def missing_reason(phase: str, inside: str) -> str:
    """Return why a cell is skipped whose input is not there.

    inside: the input's place under the root of its phase.
    """
    return f"phase {phase} input is missing: {inside}"


def make_job(
    design: StudyDesign, key: CellKey, roots: Roots, settings: ReconstructionSettings
) -> ReconstructionJob:
    """Return the job of one cell."""
    view = design.view(key.view)
    output = roots.artifact / layout.job_directory(key)
    return ReconstructionJob(
        key=key,
        input_npz=str(layout.input_npz(key, view, roots.phase_c, roots.phase_d)),
        output_dir=str(output),
        log_path=str(output / layout.CHILD_LOG),
        gridsize=view.gridsize,
        settings=settings,
    )


def without(plan: Plan, breaches: Mapping[CellKey, tuple[str, ...]]) -> Plan:
    """Return the plan with each job that has a breach moved to the skips, order kept."""
    jobs = tuple(job for job in plan.jobs if job.key not in breaches)
    moved = [Skip(key, reasons) for key, reasons in breaches.items()]
    places = {key: place for place, key in enumerate(plan.cells)}
    skipped = sorted([*plan.skipped, *moved], key=lambda skip: places[skip.key])
    return replace(plan, jobs=jobs, skipped=tuple(skipped))
