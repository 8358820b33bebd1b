"""What the stages of one hub must have in common: the study, and RED and GREEN their test files.

Stages at one clean commit have all their code in common.  Which stage came before is told by the
chain of records; times may be equal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness import collection, drift, layout, records
from harness.model import Finding
from harness.records import Read
from harness.rules import finding
from harness.wording import said

PAIR = {"red": "green", "green": "red"}
# The commands of RED and GREEN that collect the same tests.
TWINS = {"collect-mapped": "mapped", "collect-suite": "suite"}
COLLECTED, NOT_COLLECTED = "collected", "no such test"
STUDY = ("study", "study_sha256")
# Tests may run over small inputs, and a run over others: what inputs are made of.
MADE_OF = ("preset", "base_sha256")

Record = Mapping[str, Any]


def findings(record: Record, read: Read, digests: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield where a stage is about another study or other test files than one before it.

    digests: of the stage.
    """
    for path, earlier in before(record, read):
        yield from _study(record, earlier, path)
        document = records.document(read, records.digests_path(earlier["stage"]))
        if document is None:
            continue
        if earlier["stage"] == PAIR.get(record["stage"]):
            yield from drift.pair(digests, document, earlier["stage"])
            yield from _collected(record, earlier, read)
            if record["code_sha256"] == earlier["code_sha256"]:
                yield from _natural(record, read)
        if all(record["settings"][name] == earlier["settings"][name] for name in MADE_OF):
            yield from drift.same_inputs(digests, document, earlier["stage"])
        if _clean_commit(record) and _clean_commit(record) == _clean_commit(earlier):
            yield from drift.one_commit(digests, document, earlier["stage"])


def _collected(record: Record, earlier: Record, read: Read) -> Iterator[Finding]:
    """Yield each test that one stage of a pair collected and the other did not."""
    for red, green in TWINS.items():
        ours, theirs = (_tests(each, (red, green), read) for each in (record, earlier))
        if ours is None or theirs is None:
            continue
        for test in sorted(ours ^ theirs):
            words = [COLLECTED if test in tests else NOT_COLLECTED for tests in (theirs, ours)]
            yield finding(
                "stage.pair",
                where=records.stage_path(record["stage"]),
                pointer=test,
                expected=f"{words[0]} in {earlier['stage']}",
                found=words[1],
            )


def _natural(record: Record, read: Read) -> Iterator[Finding]:
    """Yield each test that is RED as the tree stands, where GREEN has the same code.

    record: of the later of the two.  Such a test failed for want of something that is no code.
    """
    proof = records.document(read, layout.RED_PROOF)
    for test in sorted((proof or {}).get("natural", ())):
        yield finding(
            "stage.pair",
            where=records.stage_path(record["stage"]),
            pointer=test,
            expected="other code than in red, where it fails as the tree stands",
            found="the same code",
        )


def _tests(record: Record, names: tuple[str, ...], read: Read) -> set[str] | None:
    """Return what a command of a stage collected; None where it left no report."""
    for command in record["commands"]:
        path = command["reports"].get("collection")
        data = read(path) if command["name"] in names and path else None
        if data is not None:
            return {*collection.read(data, where=path).collected}
    return None


def _clean_commit(record: Record) -> str | None:
    """Return the commit whose files a stage ran as they are; None where it had others."""
    return record["git"]["commit"] if record["git"]["dirty"] is False else None


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
        ours, theirs = record["settings"][name], earlier["settings"][name]
        if ours != theirs:
            yield finding(
                "stage.study",
                where=records.stage_path(record["stage"]),
                pointer=f"/settings/{name}",
                expected=f"{said(theirs)} as in {path}",
                found=said(ours),
            )
