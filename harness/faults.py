"""Declared faults: small changes of the code that the mapped tests must notice.

A faults file (`tests/faults.toml`, schema `faults`) names each change, the one place that it
replaces and the tests that must fail by assertion once it is made.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from harness import loadable
from harness.model import Finding
from harness.rules import finding

FAULTS_PER_TEST = 3
FAULTED_FOLDERS = ("harness", "schemas")


@dataclass(frozen=True, slots=True)
class Fault:
    """One change: in `file`, the only occurrence of `find` becomes `replace`.

    why: what would be lost if nobody noticed.  kills: node ids of the tests that must notice.
    """

    id: str
    why: str
    file: str
    find: str
    replace: str
    kills: tuple[str, ...]

    def as_record(self) -> dict[str, Any]:
        """Return the fault as JSON-ready data."""
        return asdict(self)


def load(document: Mapping[str, Any]) -> tuple[Fault, ...]:
    """Return the faults of a parsed file that has passed its schema, in the file's order."""
    return tuple(Fault(**{**entry, "kills": tuple(entry["kills"])}) for entry in document["faults"])


def check(
    faults: Sequence[Fault],
    mapped_node_ids: Collection[str],
    *,
    where: str,
    natural: Collection[str] = (),
) -> tuple[Finding, ...]:
    """Return what is wrong with a set of faults, all of it.

    natural: mapped tests that are red as the tree stands; they need no faults.
    """
    findings = [*_repeated(faults, where)]
    for fault in faults:
        findings += _of_one(fault, mapped_node_ids, where)
    for node_id in sorted(set(mapped_node_ids) - set(natural)):
        changes = {_change(fault): fault.id for fault in faults if node_id in fault.kills}
        if len(changes) < FAULTS_PER_TEST:
            findings.append(
                finding(
                    "fault.enough",
                    where=where,
                    pointer=node_id,
                    expected=f"at least {FAULTS_PER_TEST} different faults",
                    found=f"{len(changes)}: {', '.join(changes.values())}",
                )
            )
    return tuple(findings)


def apply(fault: Fault, source: str) -> str | Finding:
    """Return the source with the fault in it.

    A finding where it has not just one place, or breaks what loads the file and so shows nothing.
    """
    first = source.find(fault.find)
    again = source.find(fault.find, first + 1)
    if first < 0 or again >= 0:
        return finding(
            "fault.applies",
            where=fault.file,
            pointer=fault.id,
            expected="exactly one place to change",
            found=f"{_places(source, fault.find)} places",
        )
    faulted = source[:first] + fault.replace + source[first + len(fault.find) :]
    if why := loadable.lost(fault.file, source, faulted):
        return finding(
            "fault.breaks",
            where=fault.file,
            pointer=fault.id,
            expected="a file that is loaded as before",
            found=why,
        )
    return faulted


def _places(source: str, find: str) -> int:
    return sum(source.startswith(find, start) for start in range(len(source)))


def _repeated(faults: Sequence[Fault], where: str) -> Iterator[Finding]:
    ids: set[str] = set()
    changes: dict[tuple[str, str, str], str] = {}
    for fault in faults:
        if fault.id in ids:
            yield finding(
                "fault.unique-id",
                where=where,
                pointer=fault.id,
                expected="one fault of that id",
                found="two",
            )
        elif _change(fault) in changes:
            yield finding(
                "fault.same-change",
                where=where,
                pointer=fault.id,
                expected="a change of its own",
                found=f"the change of {changes[_change(fault)]}",
            )
        ids.add(fault.id)
        changes.setdefault(_change(fault), fault.id)


def _of_one(fault: Fault, mapped_node_ids: Collection[str], where: str) -> Iterator[Finding]:
    if not _may_be_faulted(fault.file):
        yield finding(
            "fault.file",
            where=where,
            pointer=fault.id,
            expected="a plain relative path under " + " or ".join(FAULTED_FOLDERS),
            found=fault.file,
        )
    if fault.find == fault.replace:
        yield finding(
            "fault.change",
            where=where,
            pointer=fault.id,
            expected="replace differs from find",
            found="the same text",
        )
    for node_id in fault.kills:
        if node_id not in mapped_node_ids:
            yield finding(
                "fault.kills-mapped",
                where=where,
                pointer=fault.id,
                expected="a mapped test",
                found=node_id,
            )


def _may_be_faulted(file: str) -> bool:
    path = PurePosixPath(file)
    plain = str(path) == file and "\\" not in file and ".." not in path.parts
    return plain and len(path.parts) > 1 and path.parts[0] in FAULTED_FOLDERS


def _change(fault: Fault) -> tuple[str, str, str]:
    return fault.file, fault.find, fault.replace
