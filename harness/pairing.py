"""What the stages of one hub must have in common: the study, and RED and GREEN their test files.

Which stage came before is told by the chain of records; times may be equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness import collection, drift, layout, records
from harness.model import Finding
from harness.records import Read
from harness.rules import finding

PAIR = {"red": "green", "green": "red"}
STUDY = ("study", "study_sha256")

Record = Mapping[str, Any]


def findings(record: Record, read: Read, digests: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield where a stage is about another study or other test files than one before it.

    digests: of the stage.
    """
    for path, earlier in before(record, read):
        yield from _study(record, earlier, path)
        if earlier["stage"] == PAIR.get(record["stage"]):
            document = records.document(read, records.digests_path(earlier["stage"]))
            if document is not None:
                yield from drift.pair(digests, document, earlier["stage"])
    yield from _unhashed(record, read, digests)


def before(record: Record, read: Read) -> Iterator[tuple[str, Record]]:
    """Yield (path, record) of each stage before this one, the nearest first."""
    left = set(map(records.stage_path, layout.STAGES)) - {records.stage_path(record["stage"])}
    cited = record["previous"]
    while cited is not None and cited["path"] in left:
        left.remove(cited["path"])
        earlier = records.document(read, cited["path"])
        if earlier is None:
            return
        yield cited["path"], earlier
        cited = earlier["previous"]


def _study(record: Record, earlier: Record, path: str) -> Iterator[Finding]:
    for name in STUDY:
        said, other = record["settings"][name], earlier["settings"][name]
        if said != other:
            yield finding(
                "stage.study",
                where=records.stage_path(record["stage"]),
                pointer=f"/settings/{name}",
                expected=f"{other} as in {path}",
                found=said,
            )


def _unhashed(record: Record, read: Read, digests: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the test files that a stage used, and whose digest it does not have."""
    where = records.digests_path(record["stage"])
    hashed = digests["before"]["code"]
    for path in sorted(_test_files(record, read)):
        if hashed.get(path) is None:
            yield finding(
                "stage.unhashed",
                where=where,
                pointer=f"/before/code/{path}",
                expected="the digest of a test file that the stage used",
                found="none",
            )


def _test_files(record: Record, read: Read) -> set[str]:
    """Return the test files that a stage's commands read, as far as it got."""
    reports = [
        path for command in record["commands"] if (path := command["reports"].get("collection"))
    ]
    tests = record["settings"]["tests"]
    used = {tests["module"]} if reports else set()
    if reports and record["stage"] == "red":
        used.add(tests["faults"])
    for path in reports:
        found = collection.read(read(path) or b"", where=path)
        names = (*found.collected, *found.deselected)
        used |= {name.partition("::")[0] for name in names}
    return used
