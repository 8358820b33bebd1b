"""What the schemas cannot say of a manifest and its skip summary; every finding at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import PurePath
from typing import Any

from harness import canonical, layout
from harness import manifest as manifests
from harness.design import StudyDesign
from harness.manifest import FAILED, NOT_LAUNCHED, PLANNED, RUNNING, SUCCEEDED, key_of
from harness.matrix import misses
from harness.model import CellKey, Finding
from harness.rules import finding

MISSING, BREACH = "input is missing: ", "DATA-001 breach: "
NOT_AGAIN = "not run again: "
# A manifest and its skip summary are checked together, by one gate.
DOCUMENTS = 2
CLOCK_SLACK_S = 2.0
RATE_SLACK = 1e-5

Record = Mapping[str, Any]


def check(
    manifest: Record, skips: Record, design: StudyDesign | None, *, where: str
) -> tuple[Finding, ...]:
    """Return what the schemas cannot say of a manifest and its skip summary.

    design: the study, which the manifest's own account of it must equal; None trusts that account.
    Both documents must have passed their schemas.
    """
    run = [key_of(job) for job in manifest["jobs"]]
    left = [key_of(skip) for skip in skips["skipped_jobs"]]
    return (
        *check_study(manifest, design, where),
        *_check_totals(manifest, skips, where),
        *_check_cells(run, left, manifest["study"], where),
        *_check_order(run, manifest["study"], where),
        *_check_skips(manifest, skips, where),
        *_check_results(manifest, run, where),
        *_check_facts(manifest, where),
        *_check_paths(manifest, where),
        *_check_plan(manifest, where),
    )


def check_subject(manifest: Record, *, where: str) -> Iterator[Finding]:
    """Yield a finding where the gate of a manifest that nothing changed since is of another one.

    A dry run's manifest is what its gate saw, but for the gates themselves.
    """
    gate = next((each for each in manifest["gates"] if each["name"] == "manifest"), None)
    if not manifest["dry_run"] or gate is None:
        return
    subject = canonical.digest({**manifest, "gates": []})
    if gate["subject_sha256"] != subject:
        yield finding(
            "manifest.subject",
            where=where,
            pointer="/gates (manifest)/subject_sha256",
            expected=subject,
            found=str(gate["subject_sha256"]),
        )


def cells_of(study: Record) -> tuple[CellKey, ...]:
    """Return the cells of a manifest's account of its study, in order."""
    return tuple(
        CellKey(dose, view["name"], split)
        for dose in sorted(study["doses"])
        for split in study["splits"]
        for view in study["views"]
    )


def check_study(manifest: Record, design: StudyDesign | None, where: str) -> Iterator[Finding]:
    """Yield where a manifest tells of another study than the one given, in any of its axes."""
    if design is not None and manifest["study"] != manifests.study_record(design):
        yield finding(
            "manifest.study",
            where=where,
            pointer="/study",
            expected=str(manifests.study_record(design)),
            found=str(manifest["study"]),
        )


def _check_totals(manifest: Record, skips: Record, where: str) -> list[Finding]:
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
    run: list[CellKey], left: list[CellKey], study: Record, where: str
) -> list[Finding]:
    both, order = Counter(run + left), cells_of(study)
    found = [
        _about("manifest.cell-twice", where, key, "one outcome for each cell", f"{times} outcomes")
        for key, times in sorted(both.items())
        if times > 1
    ]
    found += [
        _about("manifest.cell-lost", where, key, "selected or skipped with a reason", "neither")
        for key in order
        if key not in both
    ]
    found += [
        _about("manifest.cell-unknown", where, key, "a cell of the study", str(key))
        for key in both
        if key not in order
    ]
    return found


def _check_order(run: list[CellKey], study: Record, where: str) -> Iterator[Finding]:
    order, selected = cells_of(study), set(run)
    if [key for key in order if key in selected] != [key for key in run if key in order]:
        yield finding(
            "manifest.order",
            where=where,
            pointer="/jobs",
            expected="dose ascending, then split, then view",
            found=", ".join(map(str, run)),
        )


def _check_skips(manifest: Record, skips: Record, where: str) -> Iterator[Finding]:
    """Yield where selection and skips do not follow from filters, inputs and each other."""
    views = {view["name"]: view for view in manifest["study"]["views"]}
    filters = {name: tuple(values) for name, values in manifest["filters"].items()}
    missing = {key_of(job) for job in manifest["missing_jobs"]}
    again = manifest["artifact_root"] == layout.REPRODUCE
    allowed = (BREACH, NOT_AGAIN) if again else (BREACH,)
    for job in manifest["jobs"]:
        for reason in misses(key_of(job), job["gridsize"], filters):
            yield _about("manifest.filter", where, key_of(job), "a cell that was asked for", reason)
    for skip in skips["skipped_jobs"]:
        key, reasons = key_of(skip), skip["reasons"]
        wanted = misses(key, views.get(key.view, {"gridsize": 0})["gridsize"], filters)
        other = [
            reason
            for reason in reasons
            if not (reason.startswith(allowed) or (MISSING in reason and key in missing))
        ]
        if list(wanted) != (reasons if wanted else other):
            expected = "; ".join(wanted) or "a missing input or a breach of DATA-001"
            yield _about("manifest.reason", where, key, expected, "; ".join(reasons))
        if skip["reason"] != "; ".join(reasons):
            yield _about("manifest.reason", where, key, "; ".join(reasons), skip["reason"])
    absent = {key_of(s) for s in skips["skipped_jobs"] if any(MISSING in r for r in s["reasons"])}
    for key in sorted(absent ^ missing):
        yield _about("manifest.missing", where, key, "among missing_jobs and among skips", "once")
    counted = sum(views[key.view]["phase"] == "D" for key in missing if key.view in views)
    if counted != skips["missing_phase_d_count"]:
        yield finding(
            "manifest.totals",
            where=where,
            pointer=f"{layout.SKIP_SUMMARY}#/missing_phase_d_count",
            expected=str(counted),
            found=str(skips["missing_phase_d_count"]),
        )


def _check_facts(manifest: Record, where: str) -> Iterator[Finding]:
    """Yield where a result's numbers contradict each other."""
    for result in manifest["execution_results"]:
        accepted, rejected = result["n_accepted"], result["n_rejected"]
        stated = result["acceptance_rate"]
        if None not in (accepted, rejected, stated):
            rate = accepted / max(1, accepted + rejected)
            if abs(rate - stated) > RATE_SLACK:
                yield _about("manifest.rate", where, key_of(result), f"{rate:.6f}", str(stated))
        times = (result["started_at"], result["finished_at"])
        spent_s = None if None in times else seconds_between(*times)
        elapsed_s = result["elapsed_s"]
        if elapsed_s is not None and (spent_s is None or abs(spent_s - elapsed_s) > CLOCK_SLACK_S):
            expected = "nothing, without both times" if spent_s is None else f"{spent_s:.3f} s"
            yield _about("manifest.elapsed", where, key_of(result), expected, f"{elapsed_s} s")


def seconds_between(start: str, end: str) -> float:
    """Return the seconds from one recorded time to another."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def is_within(inner: tuple[str, str], outer: tuple[str, str]) -> bool:
    """Tell whether one span of time lies within another, both as (start, end)."""
    # One that ends before it starts lies nowhere, though both its ends may seem to be inside.
    spans = (outer[0], inner[0]), inner, (inner[1], outer[1])
    return min(seconds_between(*span) for span in spans) >= -CLOCK_SLACK_S


def _about(rule: str, where: str, key: CellKey, expected: str, found: str) -> Finding:
    return finding(rule, where=where, pointer=f"/jobs ({key})", expected=expected, found=found)


def _check_results(manifest: Record, run: list[CellKey], where: str) -> list[Finding]:
    states = {key_of(job): job["status"] for job in manifest["jobs"]}
    found = []
    for index, result in enumerate(manifest["execution_results"]):
        expected = states.get(key_of(result), "no result: it is not among the jobs")
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
    results = [key_of(result) for result in manifest["execution_results"]]
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


def _check_outcomes(manifest: Record, where: str) -> list[Finding]:
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


def _check_paths(manifest: Record, where: str) -> list[Finding]:
    phases = {view["name"]: view["phase"] for view in manifest["study"]["views"]}
    found = []
    for index, job in enumerate(manifest["jobs"]):
        for name, place in _places(job, phases, manifest["artifact_root"]).items():
            path = PurePath(job[name])
            if path.is_absolute() or ".." in path.parts or job[name] != place:
                found.append(
                    finding(
                        "manifest.path",
                        where=where,
                        pointer=f"/jobs/{index}/{name}",
                        expected=f"{place}, a relative path that stays inside",
                        found=job[name],
                    )
                )
    logs = {key_of(job): job["log_path"] for job in manifest["jobs"]}
    return found + [
        finding(
            "manifest.path",
            where=where,
            pointer=f"/execution_results/{index}/log_path",
            expected=logs[key_of(result)],
            found=result["log_path"],
        )
        for index, result in enumerate(manifest["execution_results"])
        if result["log_path"] != logs.get(key_of(result), result["log_path"])
    ]


def _places(job: Record, phases: Mapping[str, str], artifact_root: str) -> dict[str, str]:
    """Return where input, outputs and log of a job lie; of a view's phase, C where unknown."""
    key = key_of(job)
    home = (PurePath(artifact_root) / layout.job_directory(key)).as_posix()
    return {
        "input_npz": input_npz(key, phases),
        "output_dir": home,
        "log_path": f"{home}/{layout.CHILD_LOG}",
    }


def input_npz(key: CellKey, phases: Mapping[str, str]) -> str:
    """Return where a cell's input lies under its root; of a view's phase, C where unknown."""
    if phases.get(key.view) == "D":
        return layout.phase_d_input(key.dose_photons, key.view, key.split)
    return layout.phase_c_input(key.dose_photons, key.split)


def _check_plan(manifest: Record, where: str) -> list[Finding]:
    counted = manifests.plan_digest(manifest["jobs"], manifest["settings"])
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
