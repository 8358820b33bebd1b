"""What a stage hashed beforehand, held to what it used and to what its gates say they checked.

Pure.  Source: docs/adr/0010-drift-and-heads.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness import collection, crosscheck, records
from harness.model import Finding
from harness.records import Read
from harness.rules import finding

OWN_MODULE = re.compile(r"harness(\.\w+)+")

Record = Mapping[str, Any]


def findings(record: Record, read: Read, rests_on: Record) -> Iterator[Finding]:
    """Yield what a stage used and did not hash, and each gate that counts otherwise.

    record: of the stage.  rests_on: its digests.
    """
    where, code = records.digests_path(record["stage"]), rests_on["before"]["code"]
    for path in sorted(_tests(record, read) | _modules(record)):
        yield from unhashed(path, code, where=where)
    yield from counts(record["gates"], rests_on, where=records.stage_path(record["stage"]))


def unhashed(path: str, code: Mapping[str, str | None], *, where: str) -> Iterator[Finding]:
    """Yield a finding where a file that a stage used has no digest among its code."""
    if code.get(path) is None:
        yield finding(
            "stage.unhashed",
            where=where,
            pointer=f"/before/code/{path}",
            expected="the digest of a file that the stage used",
            found="none",
        )


def counts(gates: Sequence[Record], rests_on: Record, *, where: str) -> Iterator[Finding]:
    """Yield each gate that counts other inputs than were hashed, or other documents than both.

    gates: of a stage, or of a manifest, which is where.
    """
    second = any(gate["name"] == "manifest" for gate in gates)
    for index, gate in enumerate(gates):
        if gate["name"] == "manifest":
            expected = crosscheck.DOCUMENTS
        else:
            # Without a plan nothing was hashed: each input in the way of one is a finding.
            expected = len(rests_on["before"]["inputs"] if second else gate["findings"])
        if gate["checked"] != expected:
            yield finding(
                "stage.gate-count",
                where=where,
                pointer=f"/gates/{index}/checked",
                expected=str(expected),
                found=str(gate["checked"]),
            )


def _modules(record: Record) -> set[str]:
    """Return the files of the project's own modules that a stage's commands name."""
    words = {word for command in record["commands"] for word in command["argv"]}
    return {f"{word.replace('.', '/')}.py" for word in words if OWN_MODULE.fullmatch(word)}


def _tests(record: Record, read: Read) -> set[str]:
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
