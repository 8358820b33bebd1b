"""The verdict of a stage, from its record and the reports in the hub; verify judges again.

A stage passes when there is no finding: `findings(record, read)` says everything against it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from harness import (
    collection,
    documented,
    drift,
    greenproof,
    guide,
    hashed,
    junit,
    layout,
    manifest,
    pairing,
    plan,
    records,
    redproof,
    rules,
    stagelog,
    testindex,
    variables,
)
from harness.errors import (
    EXIT_FAILED,
    EXIT_INPUT,
    EXIT_INTERRUPTED,
    EXIT_OK,
    describe_returncode,
)
from harness.model import Finding
from harness.records import Read
from harness.rules import finding

GATES = ("inputs", "manifest")
PROOF = layout.RED_PROOF
SELECTIONS = ("collect-mapped", "collect-suite")
# What a stage must have run; RED runs one more command for each fault.
COMMANDS = {
    "red": SELECTIONS,
    "green": ("mapped", "suite"),
    "collect": ("collect",),
    "dry-run": ("reconstruction",),
    "real-run": ("reconstruction",),
}
LAST_STATES = {"dry-run": manifest.PLANNED, "real-run": manifest.SUCCEEDED}

Record = Mapping[str, Any]


def findings(record: Record, read: Read) -> tuple[Finding, ...]:
    """Return why a stage does not pass.

    record: a stage record, its verdict and findings unread.  read: gives the files of the hub.
    """
    where = records.stage_path(record["stage"])
    moved = tuple(_drift(record, read))
    found = [*_cut_short(record, where), *_gates(record, where)]
    if found:
        return (*found, *guide.compare(record, read, whole=False), *moved)
    ran = {command["name"] for command in record["commands"]}
    absent = [name for name in COMMANDS[record["stage"]] if name not in ran]
    if absent:
        lacking = (
            finding("stage.no-command", where=where, expected=f"command {name}", found="none")
            for name in absent
        )
        return (*lacking, *moved)
    own = (
        *_words(record),
        *guide.compare(record, read, whole=True),
    )
    judged = (*own, *JUDGES[record["stage"]](record, read))
    return (*judged, *stagelog.findings(record, read), *moved)


def test_counts(record: Record, read: Read) -> dict[str, int] | None:
    """Return how many tests ended how, over the reports of a stage; None where it ran none."""
    if record["stage"] not in ("red", "green"):
        return None
    outcomes = [
        outcome.outcome
        for command in record["commands"]
        if "junit" in command["reports"]
        for outcome in _outcomes(command, read).outcomes
    ]
    return dict(sorted(Counter(outcomes).items()))


def exit_code(record: Record, *, passed: bool) -> int:
    """Return the exit code of a stage, from its record and whether anything was found."""
    if passed:
        return EXIT_OK
    if record["interrupted"]:
        return EXIT_INTERRUPTED
    if record["refused"]:
        return record["refused"]["exit_code"]
    if any(gate["verdict"] == "fail" for gate in record["gates"]):
        return EXIT_INPUT
    if record["stage"] in LAST_STATES:
        codes = [command["returncode"] for command in record["commands"]]
        return next((code for code in codes if code > 0), EXIT_FAILED)
    return EXIT_FAILED


def returncode_in_log(log: bytes) -> int | str:
    """Return what the last line of a job's log says: a code, or the words that stand there."""
    last = log.rstrip(b"\n").rpartition(b"\n")[2]
    if not last.startswith(stagelog.ENDED):
        return stagelog.NOTHING
    words = last.removeprefix(stagelog.ENDED).decode(errors="replace").partition(" at ")[0]
    known = {describe_returncode(code): code for code in range(-64, 256)}
    return known.get(words, words)


def _drift(record: Record, read: Read) -> Iterable[Finding]:
    """Yield what changed under a stage, and where it is about other things than those before."""
    path = records.digests_path(record["stage"])
    document = records.document(read, path)
    if document is None:
        yield finding("stage.report", where=path, expected="the digests", found="no such file")
        return
    yield from drift.findings(document)
    run = records.run_of(read, record["stage"]) if record["stage"] in layout.RUN_STAGES else None
    if run is not None and record["commands"]:
        yield from drift.inputs_of_jobs(document, run.manifest["jobs"])
    yield from pairing.findings(record, read, document)
    yield from hashed.findings(record, read, document)


def _cut_short(record: Record, where: str) -> Iterable[Finding]:
    if record["interrupted"]:
        yield finding(
            "stage.interrupted", where=where, expected="an end of its own", found="interrupted"
        )
    if record["refused"]:
        yield finding(
            "stage.refused",
            where=where,
            expected="nothing in the way of the stage",
            found=record["refused"]["message"],
        )
        yield from map(rules.from_record, record["refused"]["findings"])


def _gates(record: Record, where: str) -> Iterable[Finding]:
    verdicts = {gate["name"]: gate for gate in record["gates"]}
    for name in GATES:
        gate = verdicts.get(name)
        broken = gate is None or any(item["severity"] == "error" for item in gate["findings"])
        if broken or gate["verdict"] != "pass":
            yield finding(
                "stage.gate",
                where=where,
                pointer=f"/gates ({name})",
                expected="pass",
                found="not reached" if gate is None else "closed by its findings",
            )


def _words(record: Record) -> Iterable[Finding]:
    """Yield the commands that are not the stage's own, or lack the words that make them so.

    The variables that the harness sets for every child are among these.
    """
    tests, options = record["settings"]["tests"], record["settings"]["options"]
    dry = ["--dry-run"] if record["stage"] == "dry-run" else []
    suite = [tests["module"], "-k", tests["suite_keyword"]]
    wanted = {
        "collect-mapped": [tests["mapped"], "--collect-only"],
        "collect-suite": [*suite, "--collect-only"],
        "mapped": [tests["mapped"]],
        "suite": suite,
        "collect": [tests["module"], "--collect-only"],
        "plan": ["harness.reconstruction", *options, "--dry-run"],
        "reconstruction": ["harness.reconstruction", *options, *dry],
    }
    for command in record["commands"]:
        there = command["environment_set"]
        for name, value in variables.SET.items():
            if there.get(name) != value:
                yield _command(command, f"{name}={value}", f"{name}={there.get(name)}")
    names = [command["name"] for command in record["commands"]]
    for command in record["commands"]:
        name, words = command["name"], command["argv"]
        if names.count(name) > 1 or not (name in wanted or record["stage"] == "red"):
            yield _command(command, "one command of that name in this stage", name)
        elif lacking := [word for word in wanted.get(name, ()) if word not in words]:
            yield _command(command, " ".join(lacking), " ".join(words))
        elif name == "reconstruction" and not dry and "--dry-run" in words:
            yield _command(command, "a run in earnest", "--dry-run")


def _command(command: Record, expected: str, found: str) -> Finding:
    place = {"where": command["log_path"], "pointer": command["name"]}
    return finding("stage.command-words", **place, expected=expected, found=found)


def _red(record: Record, read: Read) -> Iterable[Finding]:
    proof = records.document(read, PROOF)
    if proof is None:
        return [finding("stage.report", where=PROOF, expected="the proof", found="no such file")]
    paths = [run["report_path"] for run in proof["runs"] if run["report_path"]]
    reports = {path: data for path in paths if (data := read(path)) is not None}
    computed = redproof.from_record(proof, reports)
    return (
        *redproof.recheck(proof, reports, where=PROOF),
        *redproof.judge(computed, where=PROOF),
        *_selected(record, read, proof["mapped"]),
        *_proof_commands(record, proof),
        *_base_tests(proof, read),
    )


def _base_tests(proof: Record, read: Read) -> Iterable[Finding]:
    document = records.document(read, records.digests_path("red"))
    if proof["base"] is not None and document is not None:
        yield from drift.base_tests(document, proof["base"]["test_files"])


def _proof_commands(record: Record, proof: Record) -> Iterable[Finding]:
    """Yield the runs of the proof that are no commands of the stage, and commands left out."""
    ran = {command["reports"].get("junit"): command for command in record["commands"]}
    known = {None, *(run["report_path"] for run in proof["runs"])}
    for path in ran:
        if path not in known:
            place = {"where": PROOF, "pointer": path}
            words = {"expected": "a run of the proof", "found": "no run of the proof has it"}
            yield finding("red.commands", **place, **words)
    for run in proof["runs"]:
        if not run["applies"] or not run["report_path"]:
            continue
        command = ran.get(run["report_path"])
        said = (run["returncode"], run["timed_out"], set(run["node_ids"]))
        did = (None, None, set())
        if command is not None:
            asked = {word for word in command["argv"] if "::" in word}
            did = (command["returncode"], command["timed_out"], asked)
        if said != did:
            yield finding(
                "red.commands",
                where=PROOF,
                pointer=run["report_path"],
                expected=f"return code, timeout and tests of its command: {did}",
                found=str(said),
            )


def _selected(record: Record, read: Read, mapped: Iterable[str]) -> Iterable[Finding]:
    """Yield where the proof is about other tests than the study's selectors choose."""
    chosen: list[str] = []
    for command in record["commands"]:
        if command["name"] in SELECTIONS:
            found = _collection(command, read)
            yield from greenproof.judge_collection(found, where=command["name"])
            chosen += testindex.without_parameters(found.collected)
    if list(dict.fromkeys(chosen)) != list(mapped):
        yield finding(
            "red.selected",
            where=PROOF,
            pointer="/mapped",
            expected=", ".join(dict.fromkeys(chosen)) or "the selectors' tests",
            found=", ".join(mapped) or "none",
        )


def _green(record: Record, read: Read) -> Iterable[Finding]:
    tests = record["settings"]["tests"]
    for command in record["commands"]:
        collected = _collection(command, read)
        found = (*collected.collected, *collected.deselected)
        expected = [tests["mapped"]]
        if command["name"] == "suite":
            expected = [each for each in found if testindex.selects(each, tests["suite_keyword"])]
        yield from greenproof.judge(
            _outcomes(command, read),
            collected,
            expected,
            returncode=command["returncode"],
            where=command["reports"].get("junit", command["log_path"]),
        )


def _study_run(record: Record, read: Read) -> Iterable[Finding]:
    yield from _codes(record)
    run = records.run_of(read, record["stage"])
    folder = layout.STAGE_DIRECTORIES[record["stage"]]
    if run is None:
        yield finding(
            "stage.report",
            where=folder,
            expected="manifest and skip summary",
            found="not both are there",
        )
        return
    if not run.manifest["jobs"]:
        yield finding(
            "stage.job",
            where=f"{folder}/{layout.MANIFEST}",
            expected="at least one job",
            found="none",
        )
    wanted = LAST_STATES[record["stage"]]
    for job in run.manifest["jobs"]:
        if job["status"] != wanted:
            yield finding(
                "stage.job",
                where=job["log_path"],
                expected=wanted,
                found=job["status"],
            )
    if record["stage"] == "real-run":
        yield from plan.findings(record, read)


def _codes(record: Record) -> Iterable[Finding]:
    for command in record["commands"]:
        if command["returncode"] != 0 or command["timed_out"]:
            yield finding(
                "stage.command",
                where=command["log_path"],
                pointer=command["name"],
                expected="return code 0",
                found="timed out" if command["timed_out"] else str(command["returncode"]),
            )


def _collection(command: Record, read: Read) -> collection.Collection:
    path = command["reports"].get("collection", "")
    return collection.read(read(path) or b"", where=path or command["name"])


def _outcomes(command: Record, read: Read) -> junit.Report:
    path = command["reports"].get("junit", "")
    data = read(path) if path else None
    return junit.parse(data or b"", where=path or command["name"])


JUDGES: dict[str, Callable[[Record, Read], Iterable[Finding]]] = {
    "red": _red,
    "green": _green,
    "collect": documented.judge,
    "dry-run": _study_run,
    "real-run": _study_run,
}
