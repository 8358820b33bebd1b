"""in-toto statements of what a hub holds: what was made from what, and which tests held.

A reproduction and the mutants come in a stage's terms, see `harness.records.acts`.

A statement follows from the records alone, byte for byte, so that verify can render it again.
Sources: in-toto Statement v1, SLSA provenance v1, in-toto test-result v0.1;
docs/adr/0012-open-formats.md
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness import canonical, judge, junit, layout, records, redproof
from harness.records import Read

STATEMENT = "https://in-toto.io/Statement/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
# Names, not addresses: nothing can be fetched there.
BUILD_TYPE = "urn:ptycho-evidence:stage:1"
BUILD_TYPES = {
    layout.REPRODUCE: "urn:ptycho-evidence:reproduction:1",
    layout.MUTATION: "urn:ptycho-evidence:mutation:1",
}
BUILDER = "urn:ptycho-evidence:builder:operator:1"

TEST_STAGES = ("red", "green")
TESTED = ("harness/", "schemas/")
COMMAND_FACTS = ("name", "argv", "environment_set")
# Settings that are digests of what stands among the materials.
DIGESTS = ("study_sha256", "base_sha256")

Record = Mapping[str, Any]
Descriptor = dict[str, Any]


def names(stage: str) -> tuple[str, ...]:
    """Return the names of the statements that a stage leaves in its folder."""
    return (layout.PROVENANCE, layout.TEST_RESULT)[: 2 if stage in TEST_STAGES else 1]


def statements(read: Read) -> dict[str, bytes]:
    """Return path and bytes of every statement that what was done in a hub leaves."""
    found = {}
    for path, record in records.acts(read):
        folder = path.rpartition("/")[0]
        found[f"{folder}/{layout.PROVENANCE}"] = canonical.to_line(provenance(path, record, read))
        if record["stage"] in TEST_STAGES:
            result = canonical.to_line(test_result(path, record, read))
            found[f"{folder}/{layout.TEST_RESULT}"] = result
    return found


def provenance(path: str, record: Record, read: Read) -> dict[str, Any]:
    """Return the SLSA provenance of one stage, of a reproduction or of the mutants.

    path: of its record.  A build that failed has no field of its own in SLSA: the verdict stands
    with the first subject, that record.
    """
    stage = record["stage"]
    asked = {"stage": stage} if stage in layout.STAGES else {}
    subjects = [_described(each["path"], each["sha256"]) for each in record["outputs"]]
    settings = {name: value for name, value in record["settings"].items() if name not in DIGESTS}
    commands = [
        {name: command[name] for name in COMMAND_FACTS if name in command}
        for command in record["commands"]
    ]
    return _statement(
        [_of_record(path, record, read), *subjects],
        PROVENANCE,
        {
            "buildDefinition": {
                "buildType": BUILD_TYPES.get(stage, BUILD_TYPE),
                "externalParameters": {**asked, **settings},
                "internalParameters": {"commands": commands},
                "resolvedDependencies": list(materials(record, read)),
            },
            "runDetails": _run_details(record, read),
        },
    )


def test_result(path: str, record: Record, read: Read) -> dict[str, Any]:
    """Return the test result of one stage that ran tests; what failed, failed.

    RED's tests are its proofs, "TEST fails by assertion under fault ID": such a one passes where
    the test was killed.
    """
    code = _code(record, read)
    tested = [each for each in code if each["name"].startswith(TESTED)]
    rest = [each for each in code if not each["name"].startswith(TESTED)]
    outcomes = dict(sorted(_outcomes(record, read).items()))
    return _statement(
        tested,
        TEST_RESULT,
        {
            "result": "PASSED" if record["verdict"] == "pass" else "FAILED",
            "configuration": [_of_record(path, record, read), *rest],
            "passedTests": [name for name, held in outcomes.items() if held],
            "warnedTests": [],
            "failedTests": [name for name, held in outcomes.items() if not held],
        },
    )


def materials(record: Record, read: Read, *, code: bool = True) -> Iterator[Descriptor]:
    """Yield what a stage rests on as it was when the stage began, each with its digest.

    code: with the files of the harness, one by one.
    """
    if code:
        yield from _code(record, read)
    digests = _digests(record, read)
    for group in ("study", "inputs"):
        yield from _all_described(digests[group])
    settings, commit = record["settings"], record["git"]["commit"]
    if settings.get("base") and settings["base_sha256"]:
        yield _described(settings["base"], settings["base_sha256"])
    yield from _recipe(record, read)
    if commit:
        yield {"name": "git commit", "digest": {"gitCommit": commit}}
    yield _described(records.MARKER, canonical.sha256(read(records.MARKER) or b""))
    if original := record.get("original"):
        # The seal has the digest of every file of the hub that was run again.
        yield _described(f"{original['path']}/{layout.SEAL}", original["head_sha256"])
    for cited in (record["previous"], record["plan"]):
        # A run's own plan is among its outputs.
        if cited and cited["path"] not in {each["path"] for each in record["outputs"]}:
            yield _described(cited["path"], cited["sha256"])


def _statement(subject: list[Descriptor], kind: str, predicate: dict[str, Any]) -> dict[str, Any]:
    return {"_type": STATEMENT, "subject": subject, "predicateType": kind, "predicate": predicate}


def _run_details(record: Record, read: Read) -> dict[str, Any]:
    marker = records.document(read, records.MARKER)
    words = (marker["initiative"], marker["created_at"], marker["slug"], record["stage"])
    return {
        "builder": {
            "id": BUILDER,
            "version": {name: value for name, value in record["versions"].items() if value},
        },
        "metadata": {
            "invocationId": "/".join(words),
            "startedOn": _utc(record["started_at"]),
            "finishedOn": _utc(record["finished_at"]),
        },
    }


def _utc(time: str) -> str:
    """Return a record's time as in-toto writes it."""
    return time.removesuffix("+00:00") + "Z"


def _of_record(path: str, record: Record, read: Read) -> Descriptor:
    said = {"verdict": record["verdict"], "exit_code": record["exit_code"]}
    return {**_described(path, canonical.sha256(read(path) or b"")), "annotations": said}


def _described(name: str, sha256: str) -> Descriptor:
    return {"name": name, "digest": {"sha256": sha256}}


def _recipe(record: Record, read: Read) -> Iterator[Descriptor]:
    """Yield the recipe's file of a run where it is no part of the code, which is there already."""
    run = records.run_of(read, record["stage"]) if record["stage"] in layout.RUN_STAGES else None
    if run is None:
        return
    stated = run.manifest["settings"]["recipe"]
    if stated["source_sha256"] not in _digests(record, read)["code"].values():
        options = record["settings"]["options"]
        pairs = (word.split("=", 1) if word.startswith("--") else [word] for word in options)
        words = [part for pair in pairs for part in pair]
        at = words.index("--recipe") + 1 if "--recipe" in words[:-1] else None
        name = f"recipe {stated['name']}" if at is None else words[at]
        yield _described(name, stated["source_sha256"])


def _all_described(digests: Mapping[str, str | None]) -> list[Descriptor]:
    """Return what was there; a file that was not has no digest and is no material."""
    return [_described(name, digest) for name, digest in sorted(digests.items()) if digest]


def _code(record: Record, read: Read) -> list[Descriptor]:
    return _all_described(_digests(record, read)["code"])


def _digests(record: Record, read: Read) -> Mapping[str, Mapping[str, str | None]]:
    document = records.document(read, records.digests_path(record["stage"]))
    return document["before"] if document else {"code": {}, "study": {}, "inputs": {}}


def _outcomes(record: Record, read: Read) -> dict[str, bool]:
    """Return each test, or each proof of RED, and whether it held wherever it was tried."""
    held: dict[str, bool] = {}
    tried = _red(read) if record["stage"] == "red" else _green(record, read)
    for name, good in tried:
        held[name] = held.get(name, True) and good
    return held


def _red(read: Read) -> Iterable[tuple[str, bool]]:
    proof = records.document(read, judge.PROOF)
    for each in proof["outcomes"] if proof else ():
        fault, killed = each["fault_id"], each["outcome"] == redproof.KILLED
        # As the tree stands a mapped test need not fail; where it does, it is RED already.
        if fault is not None or killed:
            yield f"{each['node_id']} fails by assertion {_under(fault)}", killed


def _under(fault_id: str | None) -> str:
    if fault_id is None:
        return "as the tree stands"
    if fault_id.startswith(redproof.BASE):
        return f"at commit {fault_id.removeprefix(redproof.BASE)}"
    return f"under fault {fault_id}"


def _green(record: Record, read: Read) -> Iterable[tuple[str, bool]]:
    for command in record["commands"]:
        path = command["reports"].get("junit", "")
        report = junit.parse((read(path) if path else None) or b"", where=path)
        yield from ((each.node_id, each.outcome == junit.PASSED) for each in report.outcomes)
