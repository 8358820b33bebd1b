"""Forgeries of a run: of what was to be run, of what ran, and of when."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from harness import joblog, judge, layout, matrix
from tests.attack.hubs import Attack, Case, Hub


def on_runs(sound: Hub, listed: str, skips: str) -> Iterator[Case]:
    """Yield forgeries of what was to be run, of what ran, and when."""
    document = json.loads(sound.files[listed])
    job = document["jobs"][-1]
    home, stage = job["output_dir"], f"{listed.rpartition('/')[0]}/{layout.STAGE_RECORD}"
    missing = matrix.missing_reason(job["input_root"][-1].upper(), job["input_npz"])
    for reason in ("DATA-001 breach: not finite", missing):
        kind = f"a job dropped as {'missing' if reason is missing else 'in breach'}"
        yield Case(kind, (listed,), skipped_for(listed, skips, home, reason))
    most = max(document["study"]["doses"])
    yield Case("the study shrunk by a dose", (listed,), without_dose(most))
    words = ["python", "-m", "my.other.child"]
    yield Case("jobs of another program", (listed,), other_child(listed, words))
    more = other_options(stage, lambda before: [*before, "--num-epochs", "200"])
    yield Case("a command that asks for more epochs", (stage,), more)
    yield Case("a job by an older torch", (f"{home}/{layout.RESULT}",), _older_torch(home))
    early = earlier_run(listed, timedelta(days=-30))
    yield Case("a run before its stage", (listed,), early)


def without_dose(dose: int) -> Attack:
    """Take a dose out of the study, in every manifest of a stage and its skip summary."""

    def attack(hub: Hub) -> None:
        for stage in layout.RUN_STAGES:
            listed, skips = (
                f"{layout.RUN_FOLDERS[stage]}/{name}"
                for name in (layout.MANIFEST, layout.SKIP_SUMMARY)
            )
            hub.edit(listed, lambda document: _shrink(document, dose))
            after = json.loads(hub.files[listed])
            hub.edit(skips, lambda document, after=after: _shrink_skips(document, dose, after))

    return attack


def _shrink(document: Any, dose: int) -> None:
    study = document["study"]
    study["doses"].remove(dose)
    for name in ("jobs", "execution_results", "missing_jobs"):
        document[name] = [each for each in document[name] if each["dose"] != dose]
    document["filtered_jobs"] = len(document["jobs"])
    document["total_jobs"] -= len(study["splits"]) * len(study["views"])


def _shrink_skips(document: Any, dose: int, manifest: Any) -> None:
    kept = [each for each in document["skipped_jobs"] if each["dose"] != dose]
    document |= {"skipped_jobs": kept, "skipped_count": len(kept)}
    document["selected_count"] = manifest["filtered_jobs"]
    document["total_jobs"] = manifest["total_jobs"]


def other_child(listed: str, program: list[str]) -> Attack:
    """Say that every job ran another program, in the manifest and in its logs."""

    def change(document: Any) -> None:
        for job in document["jobs"]:
            job["argv"] = [*program, *job["argv"][job["argv"].index("--input-npz") :]]

    def attack(hub: Hub) -> None:
        hub.edit(listed, change)
        for job, _ in _logged(hub, listed):
            lines = hub.files[job["log_path"]].split(b"\n")
            lines[1] = f"# argv: {' '.join(job['argv'])}".encode()
            hub.files[job["log_path"]] = b"\n".join(lines)

    return attack


def _logged(hub: Hub, listed: str) -> list[tuple[Any, Any]]:
    """Write the harness's own log of each job anew; return jobs and results."""
    document = json.loads(hub.files[listed])
    pairs = list(zip(document["jobs"], document["execution_results"], strict=True))
    for job, result in pairs:
        hub.files[f"{job['output_dir']}/{layout.JOB_LOG}"] = joblog.render(job, result)
    return pairs


def other_options(stage: str, change: Callable[[list[str]], list[str]]) -> Attack:
    """Change the options of a run, in its settings and in its commands."""

    def attack(hub: Hub) -> None:
        before = json.loads(hub.files[stage])["settings"]["options"]
        first = before[0]

        def put(document: Any) -> None:
            document["settings"]["options"] = change(before)
            for command in document["commands"]:
                words = command["argv"]
                start = words.index(first)
                words[start : start + len(before)] = change(before)

        hub.edit(stage, put)

    return attack


def _older_torch(job: str) -> Attack:
    path = f"{job}/{layout.RESULT}"
    return lambda hub: hub.edit(path, lambda each: each["versions"].update(torch="1.0.0"))


def earlier_run(listed: str, by: timedelta) -> Attack:
    """Move a run in time: its manifest, its results and what its jobs attest."""

    def moved(document: Any, *names: str) -> None:
        for name in names:
            moment = datetime.fromisoformat(document[name]) + by
            document[name] = moment.isoformat(timespec="milliseconds")

    def change(document: Any) -> None:
        moved(document, "created_at", "updated_at")
        for result in document["execution_results"]:
            moved(result, "started_at", "finished_at")

    def attack(hub: Hub) -> None:
        hub.edit(listed, change)
        for job, _ in _logged(hub, listed):
            path = f"{job['output_dir']}/{layout.RESULT}"
            hub.edit(path, lambda document: moved(document, "started_at", "finished_at"))

    return attack


def without_fault(fault: str) -> Attack:
    """Take a declared fault out of the proof of RED: its runs, outcomes, command and reports."""

    def drop(proof: Any) -> None:
        proof["faults"] = [each for each in proof["faults"] if each["id"] != fault]
        for name in ("runs", "outcomes"):
            proof[name] = [each for each in proof[name] if each["fault_id"] != fault]

    def unrun(record: Any) -> None:
        name = f"fault {fault}"
        record["commands"] = [each for each in record["commands"] if each["name"] != name]

    def attack(hub: Hub) -> None:
        hub.edit(judge.PROOF, drop)
        hub.edit(f"red/{layout.STAGE_RECORD}", unrun)
        for path in [path for path in hub.files if path.startswith(f"red/runs/{fault}.")]:
            del hub.files[path]

    return attack


def leave_out(document: Any, job: str) -> None:
    """Take a job, by its folder, and what came of it out of a manifest."""
    document["jobs"] = [each for each in document["jobs"] if each["output_dir"] != job]
    document["execution_results"] = [
        each for each in document["execution_results"] if not each["log_path"].startswith(job)
    ]
    document["filtered_jobs"] -= 1


def skipped_for(listed: str, skips: str, job: str, reason: str) -> Attack:
    """Say of a job why it was not run, and take its files away."""

    def attack(hub: Hub) -> None:
        dose, view, split = job.split("/")[-3:]
        key = {"dose": int(dose.removeprefix("dose_")), "view": view, "split": split}
        missing = "input is missing" in reason

        def drop(document: Any) -> None:
            leave_out(document, job)
            if missing:
                name = reason.rpartition("/")[2]
                document["missing_jobs"].append({**key, "input_npz": name})

        def add(document: Any) -> None:
            document["skipped_jobs"].append({**key, "reason": reason, "reasons": [reason]})
            document["skipped_count"] += 1
            document["selected_count"] -= 1
            document["missing_phase_d_count"] += missing

        hub.edit(listed, drop)
        hub.edit(skips, add)
        remove(hub, job)

    return attack


def remove(hub: Hub, folder: str) -> None:
    """Take a folder away."""
    for path in [path for path in hub.files if path.startswith(f"{folder}/")]:
        del hub.files[path]
