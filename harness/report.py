"""What people read, derived from the records alone: summary, blocker, attempts entry."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness import job_tables, layout, records, rules, study_copy
from harness.records import Read
from harness.wording import counted

ATTEMPT_REASONS = 3
PLACE_OF_THIS = "PATH/TO/THIS_HUB"
FINDINGS = {
    "POLICY-001": "A reconstruction needs torch 2.2 or newer, without fallback.",
    "CONFIG-001": "No global configuration is read, and none is bridged downstream.",
    "DATA-001": "A stage goes on only when no input is in breach.",
    "OVERSAMPLING-001": "The input gate holds each view to the study's neighbor_count and spacing.",
}
ORIGIN = (
    "Derived from the records beside it by a program; `python -m harness verify` derives it "
    "again and compares."
)


def summary(read: Read) -> bytes:
    """Return docs/summary.md of a hub; the same records give the same bytes."""
    marker = records.document(read, records.MARKER)
    stages = records.stages(read)
    parts = [
        f"# Evidence summary: {marker['initiative']}, {marker['slug']}",
        f"Hub made {marker['created_at']}. {ORIGIN}",
        "## Verdicts",
        _verdicts(stages),
        *_runs(read, stages),
        "## Hardware and versions",
        *dict.fromkeys(_hardware(record) for _, record in stages),
        "## Findings applied",
        _policies(read, stages),
        "## Commands to repeat it",
        *commands(stages),
    ]
    return ("\n\n".join(parts) + "\n").encode()


def blocker(read: Read) -> bytes | None:
    """Return docs/blocker.md of a hub; None where no stage failed."""
    failed = _failed(read)
    if not failed:
        return None
    parts = ["# What blocks this hub"]
    for path, record in failed:
        parts += [
            f"## Stage {record['stage']}",
            f"Exit code {record['exit_code']}; record `{path}`; logs: {_logs(record)}.",
            _bullets(_what_failed(read, record)),
            "What to do: mend what the findings name, then run the stage again in a new hub.",
        ]
    return ("\n\n".join(parts) + "\n").encode()


def attempt(read: Read, hub: str) -> str:
    """Return the entry for the attempts history of docs/fix_plan.md; "" where nothing failed."""
    marker = records.document(read, records.MARKER)
    lines = []
    for _, record in _failed(read):
        lines.append(
            f"- {record['finished_at']} {marker['initiative']}: stage {record['stage']} failed "
            f"(exit code {record['exit_code']}), hub `{hub}`, commit {_commit(record)}."
        )
        reasons = _what_failed(read, record)
        lines += [f"  - {line}" for line in reasons[:ATTEMPT_REASONS]]
        if len(reasons) > ATTEMPT_REASONS:
            rest = len(reasons) - ATTEMPT_REASONS
            lines.append(f"  - and {rest} more, all in `{layout.BLOCKER}` of the hub.")
        lines.append("  - Next: mend what the findings name, run the stage again in a new hub.")
    return "\n".join(lines) + ("\n" if lines else "")


def _failed(read: Read) -> list[tuple[str, Mapping[str, Any]]]:
    return [item for item in records.stages(read) if item[1]["verdict"] == "fail"]


def _what_failed(read: Read, record: Mapping[str, Any]) -> list[str]:
    found = [item for gate in record["gates"] for item in gate["findings"]]
    found = [item for item in found if item["severity"] == "error"] + record["findings"]
    run = _run(read, record)
    if run is not None:
        for result in run.manifest["execution_results"]:
            found += result["findings"]
    return [rules.as_text(rules.from_record(item)) for item in found]


def _run(read: Read, record: Mapping[str, Any]) -> records.Run | None:
    stage = record["stage"]
    return records.run_of(read, stage) if stage in layout.RUN_STAGES else None


def _verdicts(stages: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    rows = [
        (
            record["stage"],
            record["verdict"].upper(),
            record["started_at"],
            f"{record['elapsed_s']:.1f}",
            _gates(record),
            _tests(record),
            f"`{path}`",
        )
        for path, record in stages
    ]
    return job_tables.table(
        ("stage", "verdict", "started", "seconds", "gates", "tests", "record"), rows
    )


def _gates(record: Mapping[str, Any]) -> str:
    gates = record["gates"]
    words = [f"{gate['name']} {gate['verdict']} ({gate['checked']})" for gate in gates]
    return ", ".join(words) or "not reached"


def _tests(record: Mapping[str, Any]) -> str:
    counts = record["tests"]
    if not counts:
        return ""
    return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)


def _runs(read: Read, stages: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterable[str]:
    for _, record in stages:
        run = _run(read, record)
        if run is None:
            continue
        manifest, skips = run.manifest, run.skips
        yield f"## Jobs of the {record['stage']}"
        yield (
            f"{counted(manifest['total_jobs'], 'cell')}: {manifest['filtered_jobs']} selected, "
            f"{skips['skipped_count']} skipped, {skips['missing_phase_d_count']} of them for want "
            f"of their Phase D input. Plan sha256 `{manifest['plan_sha256']}`. "
            f"Settings: {_settings(manifest['settings'])}."
        )
        if manifest["execution_results"]:
            yield _jobs(manifest["execution_results"])
            yield from job_tables.quality(read, manifest["jobs"])
            yield from job_tables.untold(read, manifest["jobs"])
            yield from job_tables.epochs(read, manifest["jobs"])
        if skips["skipped_jobs"]:
            yield "Skipped:"
            yield _bullets(
                f"dose {skip['dose']}, {skip['view']}, {skip['split']}: {skip['reason']}"
                for skip in skips["skipped_jobs"]
            )


def _settings(settings: Mapping[str, Any]) -> str:
    recipe = settings["recipe"]
    words = [f"recipe {recipe['name']}, version {recipe['version']} ({recipe['title']})"]
    words += [f"{name} {recipe[name]} in its place" for name in recipe["overridden"]]
    words += [f"{name} {value}" for name, value in settings.items() if name != "recipe"]
    return ", ".join(words)


def _jobs(results: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            result["dose"],
            result["view"],
            result["split"],
            result["status"],
            job_tables.or_dash(result["returncode"]),
            job_tables.or_dash(result["elapsed_s"], "{:.1f}"),
            job_tables.or_dash(result["final_loss"], "{:.4g}"),
            job_tables.or_dash(result["device"]),
            _positions(result),
            f"`{result['log_path']}`" if result["started_at"] else job_tables.NOTHING,
        )
        for result in results
    ]
    head = ("dose", "view", "split", "status", "return code", "seconds", "final loss", "device")
    return job_tables.table((*head, "positions", "log"), rows)


def _positions(result: Mapping[str, Any]) -> str:
    if result["n_accepted"] is None:
        return "all"
    total = result["n_accepted"] + result["n_rejected"]
    return f"{result['n_accepted']} of {total} ({result['selection_strategy']})"


def _hardware(record: Mapping[str, Any]) -> str:
    host = record["host"]
    versions = ", ".join(f"{k} {v}" for k, v in record["versions"].items() if v)
    memory_gib = host["memory_bytes"] / 2**30
    machine = f"{host['system']}, {host['machine']}: {host['processor']}"
    return _bullets(
        (
            f"{machine}, {host['cores']} cores, {memory_gib:.1f} GiB memory.",
            "The device that did a job's work, CPU or GPU, stands in its row above.",
            f"{versions}.",
            f"Commit {_commit(record)}, code sha256 `{record['code_sha256']}`.",
        )
    )


def _commit(record: Mapping[str, Any]) -> str:
    git = record["git"]
    state = {True: "with uncommitted changes", False: "clean", None: "not in git"}[git["dirty"]]
    return f"{git['commit'] or 'unknown'} ({state})"


def _policies(read: Read, stages: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    inputs = [gate for _, record in stages for gate in record["gates"] if gate["name"] == "inputs"]
    checked = sum(gate["checked"] for gate in inputs)
    broken = sum(item["severity"] == "error" for gate in inputs for item in gate["findings"])
    runs = [run for stage in layout.RUN_STAGES if (run := records.run_of(read, stage))]
    views = {result["view"] for run in runs for result in run.manifest["execution_results"]}
    torch = {record["versions"].get("torch") for _, record in stages} - {None}
    versions = ", ".join(sorted(torch)) or "not exercised, no stage here reconstructs"
    applied = {
        "POLICY-001": f"torch {versions}",
        "CONFIG-001": "builder and command are pure, settings reach the child as arguments only",
        "DATA-001": f"{counted(checked, 'input')} checked at {counted(len(inputs), 'gate')}, "
        + counted(broken, "breach", "breaches"),
        "OVERSAMPLING-001": f"views planned or run: {', '.join(sorted(views)) or 'none'}",
    }
    return _bullets(f"{name}: {fact}. {FINDINGS[name]}" for name, fact in applied.items())


def commands(stages: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterable[str]:
    """Yield the words and the commands that make such a hub again.

    One call of nox makes one hub, so that stages in a row with the same settings share a call.
    stages: (path, record) in the order in which they ran.
    """
    yield (
        "At the commit above, in the repository's root, with "
        f"`AUTHORITATIVE_CMDS_DOC={layout.AUTHORITATIVE_COMMANDS}` set:"
    )
    kept = _kept_study(stages)
    calls = [
        (asked, [record["stage"].replace("-", "_") for _, record in group])
        for asked, group in itertools.groupby(
            stages, key=lambda item: _asked(item[1]["settings"], kept)
        )
    ]
    lines = []
    for (_, before, after), sessions in calls:
        hub = "HUB=PATH/TO/HUB " if lines else ""
        lines.append(f"{hub}{before} nox -s {' '.join(sessions)}{after}")
    yield "```bash\n" + "\n".join(lines) + "\n```"
    if len(lines) > 1:
        yield "`PATH/TO/HUB` is the hub that the first line makes; nox says where it lies."
    if kept:
        yield (
            "`PATH/TO/THIS_HUB` is where this hub lies: it keeps its study file, which need not be "
            "in the commit."
        )
    if any(record["settings"]["base"] for _, record in stages):
        digests = dict.fromkeys(digest for (digest, _, _), _ in calls if digest)
        known = ", then ".join(f"sha256 `{digest}`" for digest in digests)
        yield (
            "`PATH/TO` in `BASE` is the folder where the base NPZ lies; no hub holds a base"
            + (f". It is the file of {known}." if known else ", and this one was never read.")
        )


def _kept_study(stages: Sequence[tuple[str, Mapping[str, Any]]]) -> str | None:
    """Return the study file that a hub keeps; None where its study is the default, or no run's."""
    kept = [
        f"{PLACE_OF_THIS}/{study_copy.place(record['stage'])}"
        for _, record in stages
        if record["stage"] in layout.RUN_STAGES
        and record["settings"]["study"] != layout.DEFAULT_STUDY
    ]
    return kept[0] if kept else None


def _asked(settings: Mapping[str, Any], kept: str | None) -> tuple[str | None, str, str]:
    """Return a base's digest, and what stands before and after a call's sessions.

    kept: where the study's copy lies, named in the study's place.
    """
    name = settings["base"]
    base = f"BASE={shlex.quote(f'PATH/TO/{name}')} " if name else ""
    options = _with_study(settings["options"], settings["study"], kept)
    after = f" -- {shlex.join(options)}" if options else ""
    return settings["base_sha256"], f"{base}PRESET={settings['preset']}", after


def _with_study(options: Sequence[str], path: str, kept: str | None) -> list[str]:
    """Return options that name the study, unless it is the default and they do not."""
    named = ["--study", path]
    if "--study" in options:
        place = options.index("--study")
        named, options = options[place : place + 2], [*options[:place], *options[place + 2 :]]
    elif path == layout.DEFAULT_STUDY:
        named = []
    return [*(["--study", kept] if kept else named), *options]


def _logs(record: Mapping[str, Any]) -> str:
    logs = sorted({f"`{command['log_path']}`" for command in record["commands"]})
    return ", ".join(logs) or "none"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines) or "- Nothing was recorded."
