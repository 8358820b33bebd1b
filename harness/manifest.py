"""The manifest and the skip summary as data: built, moved from state to state, checked.

Paths in them are relative to the hub, inputs to their root; nothing here touches a disk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from harness import canonical, layout
from harness.design import StudyDesign
from harness.matrix import Plan, Roots, cells
from harness.model import CellKey, Finding, ReconstructionJob
from harness.rules import finding

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
    created_at: str,
) -> dict[str, Any]:
    """Return the manifest of a run that has launched nothing yet: every job is planned.

    metadata: each input's `_metadata`, the source of a view's telemetry.
    The gates are not closed yet: `gates` is for the caller to fill.
    """
    return {
        "format": FORMAT,
        "initiative": design.initiative,
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
        "execution_results": [_planned_result(job, metadata.get(_key(job))) for job in jobs],
    }


def plan_digest(jobs: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> str:
    """Return the digest of what is to be run: cells, input digests and settings, in order."""
    return canonical.digest(
        {"settings": dict(settings), "jobs": [{k: job[k] for k in PLANNED_FACTS} for job in jobs]}
    )


def _planned_result(job: Mapping[str, Any], metadata: Mapping[str, Any] | None) -> dict[str, Any]:
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
    key = _key(result)
    jobs = [
        {**job, "status": result["status"]} if _key(job) == key else job for job in manifest["jobs"]
    ]
    results = [
        dict(result) if _key(entry) == key else entry for entry in manifest["execution_results"]
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


def check(
    manifest: Mapping[str, Any], skips: Mapping[str, Any], design: StudyDesign | None, *, where: str
) -> tuple[Finding, ...]:
    """Return what the schemas cannot say of a manifest and its skip summary.

    design: the study, to compare the cells and their order; None compares the records alone.
    Both documents must have passed their schemas.
    """
    run = [_key(job) for job in manifest["jobs"]]
    left = [_key(skip) for skip in skips["skipped_jobs"]]
    return (
        *_check_totals(manifest, skips, where),
        *_check_cells(run, left, design, where),
        *_check_results(manifest, run, where),
        *_check_paths(manifest, where),
        *_check_plan(manifest, where),
    )


def _check_totals(
    manifest: Mapping[str, Any], skips: Mapping[str, Any], where: str
) -> list[Finding]:
    total = manifest["total_jobs"]
    sums = {
        "/filtered_jobs": (len(manifest["jobs"]), manifest["filtered_jobs"]),
        "/total_jobs": (manifest["filtered_jobs"] + skips["skipped_count"], total),
        f"{layout.SKIP_SUMMARY}#/total_jobs": (total, skips["total_jobs"]),
        f"{layout.SKIP_SUMMARY}#/selected_count": (len(manifest["jobs"]), skips["selected_count"]),
        f"{layout.SKIP_SUMMARY}#/skipped_count": (
            len(skips["skipped_jobs"]),
            skips["skipped_count"],
        ),
    }
    return [
        finding(
            "manifest.totals", where=where, pointer=place, expected=str(counted), found=str(stated)
        )
        for place, (counted, stated) in sums.items()
        if counted != stated
    ]


def _check_cells(
    run: list[CellKey], left: list[CellKey], design: StudyDesign | None, where: str
) -> list[Finding]:
    both = Counter(run + left)
    found = [
        finding(
            "manifest.cell-twice",
            where=where,
            pointer=f"/jobs ({key})",
            expected="one outcome for each cell",
            found=f"{times} outcomes",
        )
        for key, times in sorted(both.items())
        if times > 1
    ]
    # Without the study, its cells are every combination of what occurs.
    order = dict.fromkeys(_combinations(both) if design is None else cells(design))
    found += [
        finding(
            "manifest.cell-lost",
            where=where,
            pointer=f"/jobs ({key})",
            expected="selected or skipped with a reason",
            found="neither",
        )
        for key in order
        if key not in both
    ]
    if design is None:
        return found
    found += [
        finding(
            "manifest.cell-unknown",
            where=where,
            pointer=f"/jobs ({key})",
            expected="a cell of the study",
            found=str(key),
        )
        for key in both
        if key not in order
    ]
    selected = set(run)
    if [key for key in order if key in selected] != [key for key in run if key in order]:
        found.append(
            finding(
                "manifest.order",
                where=where,
                pointer="/jobs",
                expected="dose ascending, then split, then view",
                found=", ".join(map(str, run)),
            )
        )
    return found


def _combinations(keys: Iterable[CellKey]) -> tuple[CellKey, ...]:
    keys = tuple(keys)
    doses = sorted({key.dose_photons for key in keys})
    views = dict.fromkeys(key.view for key in keys)
    splits = dict.fromkeys(key.split for key in keys)
    return tuple(CellKey(d, view, split) for d in doses for split in splits for view in views)


def _check_results(manifest: Mapping[str, Any], run: list[CellKey], where: str) -> list[Finding]:
    states = {_key(job): job["status"] for job in manifest["jobs"]}
    found = []
    for index, result in enumerate(manifest["execution_results"]):
        expected = states.get(_key(result), "no result: it is not among the jobs")
        if result["status"] != expected:
            found.append(
                finding(
                    "manifest.state",
                    where=where,
                    pointer=f"/execution_results/{index}/status",
                    expected=expected,
                    found=result["status"],
                )
            )
    results = [_key(result) for result in manifest["execution_results"]]
    known = set(results)
    found += [
        finding(
            "manifest.result-lost",
            where=where,
            pointer="/execution_results",
            expected=f"a result for {key} ({states[key]})",
            found="none",
        )
        for key in run
        if key not in known
    ]
    if not found and results != run:
        found.append(
            finding(
                "manifest.order",
                where=where,
                pointer="/execution_results",
                expected="one result for each job, in the order of the jobs",
                found=", ".join(map(str, results)),
            )
        )
    return found + _check_outcomes(manifest, where)


def _check_outcomes(manifest: Mapping[str, Any], where: str) -> list[Finding]:
    """Return where a result's state does not follow from its return code and findings."""
    found = []
    for index, result in enumerate(manifest["execution_results"]):
        ended = result["status"] in (SUCCEEDED, FAILED)
        errors = [item for item in result["findings"] if item["severity"] == "error"]
        expected = SUCCEEDED if result["returncode"] == 0 and not errors else FAILED
        never_ran = result["status"] in (PLANNED, RUNNING, NOT_LAUNCHED)
        has_code = result["returncode"] is not None
        if (never_ran and has_code) or (ended and not (has_code and result["status"] == expected)):
            facts = f"return code {result['returncode']}, {len(errors)} errors"
            found.append(
                finding(
                    "manifest.state",
                    where=where,
                    pointer=f"/execution_results/{index}/returncode",
                    expected=f"what goes with {result['status']}",
                    found=facts,
                )
            )
    return found


def _check_paths(manifest: Mapping[str, Any], where: str) -> list[Finding]:
    found = []
    for index, job in enumerate(manifest["jobs"]):
        for name in ("input_npz", "output_dir", "log_path"):
            path = PurePath(job[name])
            if path.is_absolute() or ".." in path.parts:
                found.append(
                    finding(
                        "manifest.path",
                        where=where,
                        pointer=f"/jobs/{index}/{name}",
                        expected="a relative path that stays inside",
                        found=job[name],
                    )
                )
    return found


def _check_plan(manifest: Mapping[str, Any], where: str) -> list[Finding]:
    counted = plan_digest(manifest["jobs"], manifest["settings"])
    if counted == manifest["plan_sha256"]:
        return []
    return [
        finding(
            "manifest.plan-digest",
            where=where,
            pointer="/plan_sha256",
            expected=counted,
            found=manifest["plan_sha256"],
        )
    ]


def _key(record: Mapping[str, Any]) -> CellKey:
    return CellKey(record["dose"], record["view"], record["split"])
