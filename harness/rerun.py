"""Run jobs of a hub again from its own record, compare the arrays, leave a hub of its own.

The same gates, dispatch, runner and child as a real run.
Source: docs/adr/0011-reproduce-and-diff.md
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import (
    anchor,
    canonical,
    crosscheck,
    devices,
    drift,
    files,
    gates,
    hub,
    layout,
    manifest,
    npz,
    provenance,
    publish,
    records,
    reproduction,
    rerun_compare,
    rules,
    seal,
    signing,
    worktree,
)
from harness.dispatch import Dispatch, Say
from harness.errors import HubDamaged, InputInvalid, UsageError
from harness.execution import child_argv
from harness.ledger import Ledger
from harness.manifest import key_of
from harness.model import CellKey, Finding, Gate, ReconstructionJob, ReconstructionSettings
from harness.resources import REPOSITORY
from harness.rules import finding
from harness.watch import Watch

ORIGINAL_RUN = "real-run"
SLUG = "reproduction"
AS_IT_WAS = (
    "code, versions and processor are those of the original run, and both attest that their bytes "
    "repeat: arrays that differ are not of that run"
)


@dataclass(frozen=True, slots=True)
class Original:
    """The hub whose jobs are run again.

    sealed: sha256 by path, as its seal has it.  jobs: the chosen ones of its manifest.
    """

    root: Path
    read: records.Read
    head: str
    sealed: Mapping[str, str]
    run: records.Run
    stage: Mapping[str, Any]
    asked: tuple[str, ...]
    jobs: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """What stood before anything ran: code and inputs, watched since, and what was found."""

    watch: Watch
    readings: gates.Readings
    findings: Mapping[CellKey, tuple[Finding, ...]]


def reproduce(root: Path, wanted: Sequence[str], say: Say, key: Path | None = None) -> int:
    """Run jobs of a hub again and return the exit code; 0 where all are identical or within.

    wanted: jobs as "dose_1000/dense/train"; none for all that succeeded.
    key: file of the private key that signs the statement of provenance.
    Raises UsageError, HubDamaged, NothingSelected or InputInvalid before anything is written.
    """
    signer = signing.load(key) if key else None
    original = open_original(root, wanted)
    provenance.require_packages()
    devices.require(original.run.manifest["settings"]["device"])
    checked = _check_inputs(original)
    broken = rules.errors(item for found in checked.findings.values() for item in found)
    if broken:
        preset = original.stage["settings"]["preset"]
        raise InputInvalid(
            f"inputs are not those of hub {root}, whose preset is {preset}; nothing is launched",
            broken,
        )
    marker = records.document(original.read, records.MARKER)
    reports = Path(layout.reports(marker["initiative"]))
    made = hub.create(reports, marker["initiative"], SLUG, provenance.now)
    with hub.locked(made):
        record = _carry_out(original, checked, made, say)
        head = publish.derive_and_seal(made, signer, layout.REPRODUCE)
    _tell(record, made, head, say)
    return record["exit_code"]


def open_original(root: Path, wanted: Sequence[str]) -> Original:
    """Return a sealed hub with its real run and the jobs wanted; see `reproduce` for errors."""
    opened = publish.open_sealed(root)
    run = records.run_of(opened.read, ORIGINAL_RUN)
    stage = records.document(opened.read, records.stage_path(ORIGINAL_RUN))
    if run is None or stage is None:
        raise UsageError(f"hub {root} holds no real run; name one that does (make hubs)")
    found = crosscheck.check(run.manifest, run.skips, None, where=layout.MANIFEST)
    if found:
        raise HubDamaged(f"the real run of hub {root} cannot be run again", found)
    sealed, _ = seal.parse(opened.read(layout.SEAL) or b"")
    asked = tuple(dict.fromkeys(wanted))
    jobs = reproduction.choose(run.manifest, asked)
    return Original(root, opened.read, opened.head, sealed, run, stage, asked, jobs)


def _check_inputs(original: Original) -> Checked:
    provenance.drop_bytecode(REPOSITORY)
    watch = Watch(REPOSITORY)
    jobs = _jobs(original, Path())
    readings = gates.read_inputs(jobs)
    for record, job in zip(original.jobs, jobs, strict=True):
        description = readings[job.key].description
        read = description["sha256"] if description else None
        watch.add_input(drift.input_key(record), Path(job.input_npz), read)
    found = {
        job.key: (*gates.check_contract(readings[job.key]), *_is_the_one(job, readings[job.key]))
        for job in jobs
    }
    return Checked(watch, readings, found)


def _is_the_one(job: ReconstructionJob, reading: npz.NpzReading) -> list[Finding]:
    """Return a finding where an input is not the one that its job had."""
    digest = reading.description["sha256"] if reading.description else "no NPZ that can be read"
    if digest == job.input_sha256:
        return []
    return [
        finding(
            "reproduce.input",
            where=provenance.portable(job.input_npz),
            expected=f"sha256 {job.input_sha256}, as job {job.key} read it",
            found=digest,
        )
    ]


def _jobs(original: Original, folder: Path) -> list[ReconstructionJob]:
    """Return the jobs to run, their outputs under a folder."""
    settings = ReconstructionSettings(**original.run.manifest["settings"])
    roots = original.run.manifest["input_roots"]
    jobs = []
    for record in original.jobs:
        home = folder / layout.job_directory(key_of(record))
        path = provenance.place(roots[record["input_root"]]) / record["input_npz"]
        jobs.append(
            ReconstructionJob(
                key=key_of(record),
                input_npz=str(path),
                output_dir=str(home),
                log_path=str(home / layout.CHILD_LOG),
                gridsize=record["gridsize"],
                settings=settings,
                input_sha256=record["input_sha256"],
            )
        )
    return jobs


def _carry_out(original: Original, checked: Checked, made: Path, say: Say) -> Mapping[str, Any]:
    """Run the jobs and leave what they left, and the record of it; return that."""
    folder = made / layout.REPRODUCE
    started_at, clock = provenance.iso_now(), time.monotonic()
    jobs = _jobs(original, folder)
    document, skips = _documents(original, checked, jobs)
    files.write_json(folder / layout.SKIP_SUMMARY, skips)
    ledger = Ledger(folder, document)
    interrupted = _run(ledger, jobs, say)
    tolerance = reproduction.tolerance(document["settings"]["recipe"])
    rests_on = checked.watch.record()
    surroundings = _record_surroundings(folder, rests_on)
    alike = not any(reproduction.surroundings(original.stage, surroundings, where=""))
    compared = [
        rerun_compare.compared(
            _left_by(original, job), job, ledger.result(job.key), tolerance, alike=alike
        )
        for job in jobs
    ]
    record = {
        **_facts(original),
        "interrupted": interrupted,
        "started_at": started_at,
        "finished_at": provenance.iso_now(),
        "elapsed_s": round(time.monotonic() - clock, 3),
        "gates": ledger.document["gates"],
        "jobs": compared,
        **surroundings,
        "outputs": publish.outputs(made, folder),
    }
    record = _judged(original, record, reproduction.drifted(rests_on, ledger.document["jobs"]))
    files.write_json(folder / layout.REPRODUCTION, record)
    return record


def _documents(
    original: Original, checked: Checked, jobs: Sequence[ReconstructionJob]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return manifest and skip summary with every job planned and both gates passed.

    Raises InputInvalid where the manifest's gate does not hold.
    """
    planned = [
        _planned(record, job, checked) for record, job in zip(original.jobs, jobs, strict=True)
    ]
    document, skips = reproduction.plan(
        original.run,
        [job for job, _ in planned],
        [result for _, result in planned],
        created_at=provenance.iso_now(),
    )
    second: Gate = gates.manifest_gate(document, skips, None)
    if not second.passed:
        raise InputInvalid("the jobs cannot be planned; nothing is launched", second.findings)
    first = gates.input_gate(checked.findings)
    return {**document, "gates": [first.as_record(), second.as_record()]}, skips


def _planned(
    record: Mapping[str, Any], job: ReconstructionJob, checked: Checked
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a job and its result as they stand in the new manifest."""
    home = f"{layout.REPRODUCE}/{layout.job_directory(job.key)}"
    planned = {
        **record,
        "output_dir": home,
        "log_path": f"{home}/{layout.CHILD_LOG}",
        "argv": provenance.portable_argv(child_argv(job)),
        "status": manifest.PLANNED,
    }
    metadata = checked.readings[job.key].description["metadata"]
    notes = [item.as_record() for item in checked.findings[job.key]]
    return planned, {**manifest.planned_result(planned, metadata), "input_notes": notes}


def _run(ledger: Ledger, jobs: Sequence[ReconstructionJob], say: Say) -> bool:
    """Run the jobs, their states kept in the ledger; return whether they were interrupted."""
    parallel = min(len(jobs), devices.side_by_side(jobs[0].settings.device))
    try:
        Dispatch(ledger, child_argv, say, parallel).run(jobs, fail_fast=False)
    except KeyboardInterrupt:
        return True
    return False


def _left_by(original: Original, job: ReconstructionJob) -> rerun_compare.Left:
    """Return what the original left of a job."""
    record = next(each for each in original.jobs if key_of(each) == job.key)
    name = f"{record['output_dir']}/{layout.RECONSTRUCTION}"
    return rerun_compare.Left(original.root / name, f"original {name}", original.sealed.get(name))


def _record_surroundings(folder: Path, rests_on: Mapping[str, Any]) -> dict[str, Any]:
    """Write down what the jobs rested on; return what the record says of it."""
    files.write_json(folder / layout.DIGESTS, rests_on)
    git = worktree.state(REPOSITORY)
    if git["dirty"]:
        files.write_new(folder / layout.UNCOMMITTED, worktree.uncommitted(REPOSITORY))
    return {
        "git": git,
        "code_sha256": canonical.digest(rests_on["before"]["code"]),
        "versions": provenance.versions(),
        "host": provenance.host(),
    }


def _facts(original: Original) -> dict[str, Any]:
    document = original.run.manifest
    return {
        "format": reproduction.FORMAT,
        "original": {
            "path": _shown(original.root),
            "head_sha256": original.head,
            "plan_sha256": document["plan_sha256"],
            "code_sha256": original.stage["code_sha256"],
        },
        "asked": list(original.asked),
        "settings": {
            "filters": document["filters"],
            "study_sha256": document["study"]["sha256"],
        },
        "tolerance": {"object_nrmse": reproduction.tolerance(document["settings"]["recipe"])},
    }


def _shown(root: Path) -> str:
    """Return a hub's path; of one outside the repository only its timestamp and slug."""
    shown = Path(provenance.portable(root.resolve()))
    return Path(*shown.parts[-2:]).as_posix() if shown.is_absolute() else shown.as_posix()


def _judged(
    original: Original, record: Mapping[str, Any], drifted: Sequence[Finding]
) -> dict[str, Any]:
    where = f"{record['original']['path']}/{records.stage_path(ORIGINAL_RUN)}"
    notes = reproduction.surroundings(original.stage, record, where=where)
    judged = {**record, "findings": [item.as_record() for item in (*drifted, *notes)]}
    code = reproduction.exit_code(judged)
    return {**judged, "exit_code": code, "verdict": "fail" if code else "pass"}


def _tell(record: Mapping[str, Any], made: Path, head: str, say: Say) -> None:
    for job in record["jobs"]:
        say(f"{key_of(job)}: {reproduction.as_text(job)}")
    if any(job["repeats"] and reproduction.not_the_same(job) for job in record["jobs"]):
        say(AS_IT_WAS)
    for item in (*record["findings"], *(i for job in record["jobs"] for i in job["findings"])):
        say(rules.as_text(rules.from_record(item)))
    say(f"reproduction: {record['verdict'].upper()}")
    shown_as = provenance.portable(made.absolute())
    say(f"hub {shown_as}")
    say(f"head sha256 {head}")
    anchor.tell_ci(shown_as, layout.REPRODUCE, head)
