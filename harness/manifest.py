"""The manifest and the skip summary as data: built, moved from state to state, checked.

Paths in them are relative to the hub, inputs to their root; nothing here touches a disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import PurePath
from typing import Any

from harness import canonical
from harness.design import StudyDesign
from harness.matrix import Plan, Roots
from harness.model import CellKey, Finding, ReconstructionJob

FORMAT = "harness.manifest/1"
SKIP_FORMAT = "harness.skip_summary/1"

PLANNED, RUNNING, SUCCEEDED, FAILED = "planned", "running", "succeeded", "failed"
NOT_LAUNCHED, INTERRUPTED = "not_launched", "interrupted"
STATES = (PLANNED, RUNNING, SUCCEEDED, FAILED, NOT_LAUNCHED, INTERRUPTED)

SELECTION_KEYS = ("selection_strategy", "acceptance_rate", "spacing_threshold")
PLANNED_FACTS = ("dose", "view", "split", "gridsize", "input_root", "input_npz", "input_sha256")
COUNT_KEYS = ("n_accepted", "n_rejected")


def job_record(
    job: ReconstructionJob,
    design: StudyDesign,
    roots: Roots,
    *,
    inside: Callable[[str], str],
    argv: Sequence[str],
) -> dict[str, Any]:
    """Return one job as it stands in the manifest.

    inside: gives an output's path relative to the hub.
    """
    phase = design.view(job.key.view).phase
    root = roots.phase_c if phase == "C" else roots.phase_d
    return {
        **job.key.as_record(),
        "gridsize": job.gridsize,
        "input_root": "phase_c" if phase == "C" else "phase_d",
        "input_npz": PurePath(job.input_npz).relative_to(root).as_posix(),
        "input_sha256": job.input_sha256,
        "output_dir": inside(job.output_dir),
        "log_path": inside(job.log_path),
        "argv": list(argv),
        "status": PLANNED,
    }


def new(
    design: StudyDesign,
    plan: Plan,
    jobs: Sequence[Mapping[str, Any]],
    *,
    dry_run: bool,
    filters: Mapping[str, Sequence[str]],
    settings: Mapping[str, Any],
    artifact_root: str,
    input_roots: Mapping[str, str],
    metadata: Mapping[CellKey, Mapping[str, Any] | None],
    notes: Mapping[CellKey, Sequence[Finding]],
    created_at: str,
) -> dict[str, Any]:
    """Return the manifest of a run that has launched nothing yet: every job is planned.

    metadata: each input's `_metadata`, the source of a view's telemetry.
    notes: what the input gate found on each input.
    The gates are not closed yet: `gates` is for the caller to fill.
    """
    return {
        "format": FORMAT,
        "initiative": design.initiative,
        "study": study_record(design),
        "dry_run": dry_run,
        "created_at": created_at,
        "updated_at": created_at,
        "artifact_root": artifact_root,
        "input_roots": dict(input_roots),
        "total_jobs": len(plan.cells),
        "filtered_jobs": len(plan.jobs),
        "filters": {name: list(values) for name, values in filters.items()},
        "settings": dict(settings),
        "plan_sha256": plan_digest(jobs, settings),
        "missing_jobs": [
            {**job.key.as_record(), "input_npz": PurePath(job.input_npz).name}
            for job in plan.missing
        ],
        "gates": [],
        "jobs": [dict(job) for job in jobs],
        "execution_results": [
            {
                **planned_result(job, metadata.get(key_of(job))),
                "input_notes": [item.as_record() for item in notes.get(key_of(job), ())],
            }
            for job in jobs
        ],
    }


def study_record(design: StudyDesign) -> dict[str, Any]:
    """Return what a manifest says of its study: its cells' axes, and a digest of all of it."""
    return {
        "sha256": canonical.digest(asdict(design)),
        "doses": list(design.doses_photons),
        "splits": list(design.splits),
        "views": [
            {"name": view.name, "phase": view.phase, "gridsize": view.gridsize}
            for view in design.views
        ],
    }


def plan_digest(jobs: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> str:
    """Return the digest of what is to be run: cells, input digests and settings, in order."""
    return canonical.digest(
        {"settings": dict(settings), "jobs": [{k: job[k] for k in PLANNED_FACTS} for job in jobs]}
    )


def planned_result(job: Mapping[str, Any], metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the result of a job that was not launched yet, but for the notes on its input."""
    facts = metadata or {}
    return {
        "dose": job["dose"],
        "view": job["view"],
        "split": job["split"],
        "status": PLANNED,
        "returncode": None,
        "log_path": job["log_path"],
        **{key: facts.get(key) for key in SELECTION_KEYS + COUNT_KEYS},
        "started_at": None,
        "finished_at": None,
        "elapsed_s": None,
        "final_loss": None,
        "device": None,
        "findings": [],
    }


def attested_facts(attestation: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what a job's result takes over from its attestation; nulls where it has none."""
    if attestation is None:
        return {"final_loss": None, "device": None}
    device = attestation["device"]
    return {
        "final_loss": attestation["loss"]["last"],
        "device": f"{device['used']}: {device['name']}",
    }


def with_result(
    manifest: Mapping[str, Any], result: Mapping[str, Any], *, updated_at: str
) -> dict[str, Any]:
    """Return the manifest with one job's state and execution result set."""
    key = key_of(result)
    jobs = [
        {**job, "status": result["status"]} if key_of(job) == key else job
        for job in manifest["jobs"]
    ]
    results = [
        dict(result) if key_of(entry) == key else entry for entry in manifest["execution_results"]
    ]
    return {**manifest, "jobs": jobs, "execution_results": results, "updated_at": updated_at}


def skip_summary(plan: Plan, design: StudyDesign) -> dict[str, Any]:
    """Return the skip summary: selected + skipped = total, each skip with its reasons."""
    phase_d = [job for job in plan.missing if design.view(job.key.view).phase == "D"]
    return {
        "format": SKIP_FORMAT,
        "total_jobs": len(plan.cells),
        "selected_count": len(plan.jobs),
        "skipped_count": len(plan.skipped),
        "skipped_jobs": [
            {
                **skip.key.as_record(),
                "reason": "; ".join(skip.reasons),
                "reasons": list(skip.reasons),
            }
            for skip in plan.skipped
        ],
        "missing_phase_d_count": len(phase_d),
    }


def key_of(record: Mapping[str, Any]) -> CellKey:
    """Return the cell that a record is about."""
    return CellKey(record["dose"], record["view"], record["split"])
