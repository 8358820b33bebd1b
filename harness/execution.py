"""One run of a study: plan, gates, records, then the jobs one after the other."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from harness import evidence, files, gates, hub, layout, manifest, matrix, provenance, rules, runner
from harness.design import StudyDesign
from harness.errors import (
    EXIT_FAILED,
    EXIT_OK,
    InputInvalid,
    JobFailed,
    NothingSelected,
    UsageError,
)
from harness.ledger import Ledger
from harness.model import CellKey, Finding, Gate, ReconstructionJob, ReconstructionSettings
from harness.rules import finding

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Request:
    """What one run is asked to do.

    filters: as `matrix.check_filters` returns them.
    program: what follows the interpreter in a child's command; None for the real child.
    """

    design: StudyDesign
    roots: matrix.Roots
    filters: Mapping[str, tuple[str, ...]]
    settings: ReconstructionSettings = field(default_factory=ReconstructionSettings)
    allow_missing_phase_d: bool = False
    dry_run: bool = False
    fail_fast: bool = False
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
    return launch_all(checked, ledger, say, fail_fast=request.fail_fast)


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
            f"inputs are missing for {len(refused)} jobs; nothing is launched",
            _missing_inputs(request, refused),
        )
    return plan


def _missing_inputs(
    request: Request, jobs: Sequence[ReconstructionJob]
) -> Iterator[Finding]:
    """Yield a finding for each missing input, or one for a root where the root is at fault."""
    for phase, root in (("C", request.roots.phase_c), ("D", request.roots.phase_d)):
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
            yield finding(
                "input.missing",
                where=provenance.portable(job.input_npz),
                expected=f"the input of job {job.key}",
                found="no such file",
            )


def claim_artifact_root(root: Path, plan: matrix.Plan) -> None:
    """Make the artifact root; UsageError where it is a file, holds a run, or would break a seal."""
    if os.path.exists(root) and not root.is_dir():
        raise UsageError(f"artifact root {root} is a file; name a folder")
    records = [root / layout.MANIFEST, root / layout.SKIP_SUMMARY]
    for place in (*records, *(Path(job.output_dir) for job in plan.jobs)):
        if os.path.lexists(place):
            raise UsageError(
                f"artifact root {root} holds {place.relative_to(root)} of an earlier run, and "
                "evidence is never overwritten; choose a new one"
            )
    holder = hub.root_of(Path(os.path.realpath(root)))
    if holder is not None and not hub.is_open_stage(holder, root):
        raise UsageError(
            f"artifact root {root} lies in hub {holder}, which only a stage may write to; "
            "add to a hub with `make real-run HUB=...`"
        )
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"artifact root {root} cannot be made: {error.strerror}") from error


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
    settings = job.settings
    options = {
        "--input-npz": job.input_npz,
        "--output-dir": job.output_dir,
        "--algorithm": settings.algorithm,
        "--num-epochs": settings.num_epochs,
        "--batch-size": settings.batch_size,
        "--seed": settings.seed,
        "--device": settings.device,
        "--initial-object": settings.initial_object,
    }
    return [
        sys.executable,
        *job.program,
        *(str(word) for option in options.items() for word in option),
    ]


def launch_all(checked: Checked, ledger: Ledger, say: Say, *, fail_fast: bool) -> int:
    """Run the jobs in order; a failing one does not stop the others unless fail_fast."""
    waiting = list(checked.plan.jobs)
    failed = 0
    try:
        while waiting and not (failed and fail_fast):
            job = waiting.pop(0)
            failed += not launch(job, checked.findings[job.key], ledger, say)
    finally:
        for job in waiting:
            ledger.set(job.key, status=manifest.NOT_LAUNCHED)
    say(f"{len(checked.plan.jobs)} jobs, {failed} failed, {len(waiting)} not launched")
    return EXIT_FAILED if failed else EXIT_OK


def launch(job: ReconstructionJob, notes: tuple[Finding, ...], ledger: Ledger, say: Say) -> bool:
    """Run and reconcile one job, its state kept in the ledger; return whether it succeeded."""
    say(f"job {job.key}: running")
    started, clock = provenance.iso_now(), time.monotonic()
    ledger.set(job.key, status=manifest.RUNNING, started_at=started)
    facts: dict[str, Any] = {"status": manifest.INTERRUPTED}
    try:
        facts = outcome(job, say)
    finally:
        result = {
            **ledger.result(job.key),
            **facts,
            "finished_at": provenance.iso_now(),
            "elapsed_s": round(time.monotonic() - clock, 3),
        }
        text = evidence.job_log(job, result, child_argv(job), notes)
        files.write_new(Path(job.output_dir) / layout.JOB_LOG, text)
        ledger.set(job.key, **result)
        say(f"job {job.key}: {result['status']} after {result['elapsed_s']} s")
    return facts["status"] == manifest.SUCCEEDED


def outcome(job: ReconstructionJob, say: Say) -> dict[str, Any]:
    """Run one child and return what became of it, as facts for the manifest."""
    try:
        done = runner.run_job(job, child_argv(job), Path(job.log_path))
    except JobFailed as error:
        say(str(error))
        return {"status": manifest.FAILED, "returncode": error.returncode}
    proof = evidence.reconcile_job(job)
    for item in proof.findings:
        say(rules.as_text(item))
    agrees = not rules.errors(proof.findings)
    return {
        "status": manifest.SUCCEEDED if agrees else manifest.FAILED,
        "returncode": done.returncode,
        "findings": [item.as_record() for item in proof.findings],
        **manifest.attested_facts(proof.attestation),
    }


def _say_plan(checked: Checked, document: Mapping[str, Any], say: Say) -> None:
    plan = checked.plan
    say(
        f"{len(plan.cells)} cells: {len(plan.jobs)} selected, {len(plan.skipped)} skipped "
        f"({len(plan.missing)} for want of their input)"
    )
    for job in plan.jobs:
        say(f"planned {job.key} <- {provenance.portable(job.input_npz)}")
    for skip in plan.skipped:
        say(f"skipped {skip.key}: {'; '.join(skip.reasons)}")
    say(f"plan sha256 {document['plan_sha256']}")
