"""Stages of a hub in memory, each with its record, the guide and what it rests on."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from harness import canonical, drift, guide, judge, layout, plan, policies, records
from tests.attack.hubs import Hub
from tests.memory import runs

UNTOUCHED = dict.fromkeys(drift.GROUPS, ())


def _argv(stage: str, folder: str) -> list[str]:
    roots = runs.roots(folder)
    dry = ["--dry-run"] if stage == "dry-run" or folder == layout.PLAN else []
    places = ["--phase-c-root", str(roots.phase_c), "--phase-d-root", str(roots.phase_d)]
    head = ["python", "-u", "-m", "harness.reconstruction", *places]
    return [*head, "--artifact-root", str(roots.artifact), *runs.options(stage), *dry]


def _commands(hub: Hub, stage: str, *, own_plan: bool) -> list[dict[str, Any]]:
    folder = layout.STAGE_DIRECTORIES[stage]
    tests = runs.example("stage/dry-run")["settings"]["tests"]
    module, head = tests["module"], ["python", "-m", "pytest"]
    if stage == "green":
        suite = f"{module}::test_of_{tests['suite_keyword']}"
        return [
            _tests(hub, "mapped", [*head, tests["mapped"], "-vv"], tests["mapped"]),
            _tests(hub, "suite", [*head, module, "-k", tests["suite_keyword"], "-vv"], suite),
        ]
    log = {"dry-run": layout.DRY_RUN_LOG, "real-run": layout.REAL_RUN_LOG}[stage]
    asked = {"plan": layout.PLAN} if own_plan else {}
    asked["reconstruction"] = folder
    found = [
        _command(hub, stage, name, _argv(stage, root), f"{folder}/{log}")
        for name, root in asked.items()
    ]
    whole = canonical.sha256(hub.files[f"{folder}/{log}"])
    return [{**command, "log_sha256": whole} for command in found]


def _tests(hub: Hub, name: str, argv: list[str], test: str) -> dict[str, Any]:
    """Return a command that ran one test, its reports put down."""
    module, _, function = test.partition("::")
    names = module.removesuffix(".py").replace("/", ".")
    case = f'<testcase classname="{names}" name="{function}" time="0.1" />'
    counted = 'tests="1" failures="0" errors="0" skipped="0"'
    when = f'time="0.2" timestamp="{runs.at("green", 2)}"'
    suite = f"<testsuite {counted} {when}>{case}</testsuite>"
    collected = {"collected": [test], "deselected": [], "skipped": [], "errors": [], "marked": {}}
    collected |= {"format": "harness.collection/1", "harness_is_local": True, "returncode": 0}
    reports = {"collection": f"green/{name}.collection.json", "junit": f"green/{name}.junit.xml"}
    hub.files[reports["junit"]] = f"<testsuites>{suite}</testsuites>".encode()
    hub.files[reports["collection"]] = canonical.to_bytes(collected)
    return {**_command(hub, "green", name, argv, f"green/{name}.log"), "reports": reports}


def _command(hub: Hub, stage: str, name: str, argv: Sequence[str], log_path: str) -> dict[str, Any]:
    second, ended = 0.5 if name == "plan" else 1, runs.at(stage, 29)
    before = hub.files.get(log_path, b"")
    counted = "===== 1 passed in 0.10s =====\n" if stage == "green" else ""
    said = f"# command: {' '.join(argv)}\n{counted}# ended: return code 0 at {ended}\n"
    hub.files[log_path] = before + said.encode()
    return {
        **runs.example("stage/dry-run")["commands"][0],
        "started_at": runs.at(stage, second),
        "finished_at": ended,
        "elapsed_s": 29.0 - second,
        "name": name,
        "argv": list(argv),
        "log_path": log_path,
        "log_sha256": canonical.sha256(hub.files[log_path]),
    }


@functools.cache
def guide_text() -> bytes:
    """Return the guide that documents every command of the stages here."""
    rows = []
    for stage in ("green", "dry-run", "real-run"):
        settings = {"preset": "smoke", "base_sha256": None, "options": runs.options(stage)}
        record = {"stage": stage, "settings": settings}
        commands = _commands(Hub({}), stage, own_plan=stage == "real-run")
        words = [shlex.join(guide.form(command, record)) for command in commands]
        rows += [f"| `{stage}` | `{line}` | it runs |" for line in words]
    head = ("<!-- stage-commands:begin -->", "| stage | command | what |", "| --- | --- | --- |")
    return "\n".join((*head, *rows, "<!-- stage-commands:end -->", "")).encode()


def rests_on(jobs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    module = runs.example("stage/dry-run")["settings"]["tests"]["module"]
    code = {
        "harness/reconstruction.py": "1" * 64,
        module: "2" * 64,
        guide.GUIDE: canonical.sha256(guide_text()),
    }
    recipe = runs.settings().recipe
    code[f"recipes/{recipe['name']}.toml"] = recipe["source_sha256"]
    study = {layout.DEFAULT_STUDY: canonical.sha256(runs.study_text())}
    inputs = {drift.input_key(job): job["input_sha256"] for job in jobs}
    groups = {"code": code, "study": study, "inputs": inputs}
    return drift.record(groups, groups, UNTOUCHED)


def outputs(hub: Hub, folder: str, record: str) -> list[dict[str, Any]]:
    """Return what a stage's record says of the files beside it."""
    others = {f"{folder}/{name}" for name in (record, *layout.ATTACHED)}
    return [
        runs.described(path, data)
        for path, data in sorted(hub.files.items())
        if path.startswith(f"{folder}/") and path not in others
    ]


def put(hub: Hub, stage: str, run: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Put down a stage's record, and what it rests on."""
    folder, document = layout.STAGE_DIRECTORIES[stage], run[0]
    hub.files[f"{folder}/{layout.GUIDE_COPY}"] = guide_text()
    if stage in layout.RUN_STAGES:
        hub.files[f"{folder}/{layout.STUDY_COPY}"] = runs.study_text()
    hashed = rests_on(document["jobs"])
    hub.files[f"{folder}/{layout.DIGESTS}"] = canonical.to_bytes(hashed)
    earlier = records.stages(hub.read)
    own_plan = stage == "real-run" and runs.OWN_PLAN in hub.files
    record = runs.example("stage/dry-run") | {
        "stage": stage,
        "started_at": runs.at(stage, 0),
        "finished_at": runs.at(stage, 30),
        "elapsed_s": 30.0,
        "gates": document["gates"],
        "policies": policies.of_stage(stage),
        "commands": _commands(hub, stage, own_plan=own_plan),
        "git": {"commit": None, "dirty": False},
        "code_sha256": canonical.digest(hashed["before"]["code"]),
        "previous": cited(hub, earlier[-1][0]) if earlier else None,
    }
    record["settings"] |= {
        "filters": {name: list(values) for name, values in runs.filters(stage).items()},
        "study_sha256": document["study"]["sha256"],
        "options": runs.options(stage),
        "tests": asdict(runs.study().tests),
    }
    if stage == "real-run":
        record["versions"] |= runs.example("reproduction/identical")["versions"]
    if stage == "real-run":
        path = plan.place(hub.read, record["started_at"])
        record["plan"] = plan.cite(path, hub.files[path])
    record["outputs"] = outputs(hub, folder, layout.STAGE_RECORD)
    hub.files[records.stage_path(stage)] = canonical.to_bytes(judged(hub, record))


def cited(hub: Hub, path: str) -> dict[str, str]:
    return {"path": path, "sha256": canonical.sha256(hub.files[path])}


def judged(hub: Hub, record: dict[str, Any]) -> dict[str, Any]:
    """Return a stage's record with the verdict that it deserves."""
    found = judge.findings(record, hub.read)
    return record | {
        "findings": [item.as_record() for item in found],
        "verdict": "fail" if found else "pass",
        "tests": judge.test_counts(record, hub.read),
        "exit_code": judge.exit_code(record, passed=not found),
    }
