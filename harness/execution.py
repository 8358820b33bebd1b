"""One run of a study: plan, gates, records, then the jobs side by side."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness import (
    canonical,
    devices,
    files,
    gates,
    hub,
    layout,
    manifest,
    matrix,
    provenance,
    recipe,
    resources,
    rules,
)
from harness.design import StudyDesign
from harness.dispatch import Dispatch, Say
from harness.errors import (
    EXIT_OK,
    InputInvalid,
    NothingSelected,
    UsageError,
)
from harness.ledger import Ledger
from harness.model import (
    CHILD,
    CellKey,
    Finding,
    Gate,
    ReconstructionJob,
    ReconstructionSettings,
)
from harness.rules import finding
from harness.wording import counted

EXCHANGED = ", but it lies under the other phase's root; are the roots exchanged?"


@dataclass(frozen=True, slots=True)
class Request:
    """What one run is asked to do.

    filters: as `matrix.check_filters` returns them.
    parallel: how many jobs run side by side, each with one thread.
    program: what follows the interpreter in a child's command; None for the real child.
    """

    design: StudyDesign
    roots: matrix.Roots
    filters: Mapping[str, tuple[str, ...]]
    settings: ReconstructionSettings
    allow_missing_phase_d: bool = False
    dry_run: bool = False
    fail_fast: bool = False
    parallel: int = 1
    program: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """A plan whose inputs were read: jobs carry digests, breached ones are skips."""

    plan: matrix.Plan
    readings: gates.Readings
    findings: Mapping[CellKey, tuple[Finding, ...]]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Every finding that closes the input gate."""
        return rules.errors(item for items in self.findings.values() for item in items)


def execute(request: Request, say: Say = print) -> int:
    """Do one run and return its exit code; raises HarnessError where nothing was launched."""
    plan = make_plan(request)
    if not request.dry_run and _runs_the_child(request, plan):
        provenance.require_packages()
        devices.require(request.settings.device)
    artifact_root = Path(request.roots.artifact)
    claim_artifact_root(artifact_root, plan)
    checked = check_plan(request, plan)
    document, skips = plan_records(request, checked)
    files.write_json(artifact_root / layout.SKIP_SUMMARY, skips)
    ledger = Ledger(artifact_root, document)
    _say_plan(checked, document, say)
    broken = checked.errors + rules.errors(
        Finding(**item) for item in document["gates"][-1]["findings"]
    )
    if broken:
        raise InputInvalid(f"{len(broken)} findings close the gates; nothing is launched", broken)
    if not checked.plan.jobs:
        raise NothingSelected(
            f"no job is selected: all {len(plan.cells)} cells are skipped, each with its reasons "
            f"in {provenance.portable(artifact_root / layout.SKIP_SUMMARY)}"
        )
    if request.dry_run:
        say("dry run: nothing is launched")
        return EXIT_OK
    parallel = min(request.parallel, len(checked.plan.jobs))
    dispatch = Dispatch(ledger, child_argv, say, parallel)
    return dispatch.run(checked.plan.jobs, fail_fast=request.fail_fast)


def _runs_the_child(request: Request, plan: matrix.Plan) -> bool:
    """Tell whether jobs are for the real child, not for a program put in its place."""
    jobs = (replace(job, program=request.program or job.program) for job in plan.jobs)
    return any(CHILD in child_argv(job) for job in jobs)


def make_plan(request: Request) -> matrix.Plan:
    """Return the plan; InputInvalid names every missing input that may not be missing."""
    plan = matrix.plan(
        request.design,
        request.roots,
        filters=request.filters,
        settings=request.settings,
        exists=os.path.exists,
    )
    refused = [
        job
        for job in plan.missing
        if request.design.view(job.key.view).phase == "C" or not request.allow_missing_phase_d
    ]
    if refused:
        raise InputInvalid(
            f"inputs are missing for {counted(len(refused), 'job')}; nothing is launched",
            _missing_inputs(request, refused),
        )
    return plan


def _missing_inputs(request: Request, jobs: Sequence[ReconstructionJob]) -> Iterator[Finding]:
    """Yield a finding for each missing input, or one for a root where the root is at fault."""
    c_root, d_root = request.roots.phase_c, request.roots.phase_d
    for phase, root, other in (("C", c_root, d_root), ("D", d_root, c_root)):
        wanted = [job for job in jobs if request.design.view(job.key.view).phase == phase]
        if wanted and not os.path.isdir(root):
            yield finding(
                "input.root",
                where=provenance.portable(str(root)),
                expected=f"the folder of the Phase {phase} inputs",
                found="a file" if os.path.exists(root) else "no such folder",
            )
            continue
        for job in wanted:
            is_elsewhere = os.path.exists(other / Path(job.input_npz).relative_to(root))
            yield finding(
                "input.missing-phase-c" if phase == "C" else "input.missing",
                where=provenance.portable(job.input_npz),
                expected=f"the input of job {job.key}",
                found="no such file" + (EXCHANGED if is_elsewhere else ""),
            )


def claim_artifact_root(root: Path, plan: matrix.Plan) -> None:
    """Make the artifact root.

    UsageError where it is a file or the repository, holds a run, or would break a seal.
    """
    if os.path.exists(root) and not root.is_dir():
        raise UsageError(f"artifact root {root} is a file; name a folder")
    if os.path.realpath(root) == os.path.realpath(resources.REPOSITORY):
        raise UsageError(f"artifact root {root} is the repository itself; name a folder of its own")
    holder = hub.root_of(Path(os.path.realpath(root)))
    if holder is not None and not hub.is_open_stage(holder, root):
        raise UsageError(
            f"artifact root {root} lies in hub {holder}, which only a stage may write to; "
            "add to a hub with `make real-run HUB=...`"
        )
    _refuse_used(root, plan)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"artifact root {root} cannot be made: {error.strerror}") from error


def _refuse_used(root: Path, plan: matrix.Plan) -> None:
    """Raise UsageError where a root holds anything of an earlier run, saying what run that was."""
    records = [root / layout.MANIFEST, root / layout.SKIP_SUMMARY]
    outputs = [Path(job.output_dir) for job in plan.jobs]
    held = [place for place in (*records, *outputs) if os.path.lexists(place)]
    if not held:
        return
    said = f"artifact root {root} holds {held[0].relative_to(root)} of an earlier run"
    if set(held) <= set(records) and _launched_nothing(root):
        names = ", ".join(place.name for place in records)
        raise UsageError(
            f"{said}, a plan that launched nothing; choose a new one, or remove the plan ({names})"
        )
    raise UsageError(f"{said}, and evidence is never overwritten; choose a new one")


def _launched_nothing(root: Path) -> bool:
    """Tell whether a manifest says that no job was launched; one that cannot be read does not."""
    try:
        document = canonical.parse((root / layout.MANIFEST).read_bytes())
        return all(item["status"] == manifest.PLANNED for item in document["execution_results"])
    except (OSError, ValueError, TypeError, KeyError):
        return False


def check_plan(request: Request, plan: matrix.Plan) -> Checked:
    """Return the plan with its inputs read; a job whose input is in breach becomes a skip."""
    readings = gates.read_inputs(plan.jobs)
    findings = gates.check_inputs(readings, request.design)
    breaches = {
        key: tuple(f"DATA-001 breach: {rules.as_text(item)}" for item in rules.errors(found))
        for key, found in findings.items()
        if rules.errors(found)
    }
    kept = matrix.without(plan, breaches)
    jobs = tuple(
        replace(
            job,
            input_sha256=readings[job.key].description["sha256"],
            program=request.program or job.program,
        )
        for job in kept.jobs
    )
    return Checked(replace(kept, jobs=jobs), readings, findings)


def plan_records(request: Request, checked: Checked) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return manifest and skip summary with every job planned, both gates in the manifest."""
    artifact_root = Path(request.roots.artifact).absolute()
    base = hub.root_of(artifact_root) or artifact_root
    jobs = [
        manifest.job_record(
            job,
            request.design,
            request.roots,
            inside=lambda path: Path(os.path.relpath(path, base)).as_posix(),
            argv=provenance.portable_argv(child_argv(job)),
        )
        for job in checked.plan.jobs
    ]
    gate = gates.input_gate(checked.findings)
    document = manifest.new(
        request.design,
        checked.plan,
        jobs,
        dry_run=request.dry_run,
        filters=request.filters,
        settings=asdict(request.settings),
        artifact_root=artifact_root.relative_to(base).as_posix(),
        input_roots={
            "phase_c": provenance.portable(str(request.roots.phase_c)),
            "phase_d": provenance.portable(str(request.roots.phase_d)),
        },
        metadata={key: _metadata(checked, key) for key in checked.readings},
        notes=checked.findings,
        created_at=provenance.iso_now(),
    )
    skips = manifest.skip_summary(checked.plan, request.design)
    second: Gate = gates.manifest_gate(document, skips, request.design)
    return {**document, "gates": [gate.as_record(), second.as_record()]}, skips


def _metadata(checked: Checked, key: CellKey) -> Mapping[str, Any] | None:
    description = checked.readings[key].description
    return description["metadata"] if description else None


def child_argv(job: ReconstructionJob) -> list[str]:
    """Return the command of a job's child: this interpreter, the job's program, its options."""
    options = {
        "--input-npz": job.input_npz,
        "--output-dir": job.output_dir,
        "--recipe": str(Path(job.output_dir) / layout.RECIPE),
        "--recipe-sha256": recipe.digest(job.settings.recipe),
        "--seed": job.settings.seed,
        "--device": job.settings.device,
        "--halves": job.settings.halves,
    }
    return [
        sys.executable,
        *job.program,
        *(str(word) for option in options.items() for word in option),
    ]


def _say_plan(checked: Checked, document: Mapping[str, Any], say: Say) -> None:
    plan = checked.plan
    say(
        f"{counted(len(plan.cells), 'cell')}: {len(plan.jobs)} selected, "
        f"{len(plan.skipped)} skipped "
        f"({len(plan.missing)} for want of their input)"
    )
    for job in plan.jobs:
        say(f"planned {job.key} <- {provenance.portable(job.input_npz)}")
    for skip in plan.skipped:
        say(f"skipped {skip.key}: {'; '.join(skip.reasons)}")
    say(f"plan sha256 {document['plan_sha256']}")
