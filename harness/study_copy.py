"""The study file that a run keeps in its hub: what its records say of the study is held to it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from harness import canonical, design, layout, records, schemas
from harness.design import StudyDesign
from harness.model import Finding
from harness.records import Read
from harness.rules import finding

RULE = "hub.study"


def place(stage: str) -> str:
    """Return where a run keeps the study file that it is of."""
    return f"{layout.STAGE_DIRECTORIES[stage]}/{layout.STUDY_COPY}"


def parse(text: str) -> dict[str, Any]:
    """Return the mapping in a study file; ValueError where it is not TOML of plain values.

    Dates, infinities and NaN have no place in a study, nor in a record of it.
    """
    try:
        data = tomllib.loads(text)
        canonical.to_line(data)
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from None
    return data


def faults(data: Mapping[str, Any], schema: Mapping[str, Any], where: str) -> tuple[Finding, ...]:
    """Return how the mapping in a study file breaks its schema, or contradicts itself."""
    # TOML tells integers from floats, and a float for a dose would name other folders.
    found = schemas.check(data, schema, name="study", where=where, floats_are_integers=False)
    return found or _views_of_one_name(data, where)


def design_in(
    record: Mapping[str, Any], read: Read, schema: Callable[[str], Mapping[str, Any]]
) -> tuple[StudyDesign | None, tuple[Finding, ...]]:
    """Return the design that a run's copy holds, and what is wrong with the copy.

    record: of a dry run or real run.  None where there is no copy, or none that can be used.
    """
    where = place(record["stage"])
    data = read(where)
    if data is None:
        return None, (_found(where, "the study file of the run", "no such file"),)
    try:
        mapping = parse(data.decode())
    except ValueError as error:
        return None, (_found(where, "TOML of plain values", str(error)),)
    if found := faults(mapping, schema("study"), where):
        return None, found
    kept = design.from_mapping(mapping)
    return kept, tuple(_hashed(record, data, read, where)) + tuple(_tests(record, kept))


def _hashed(record: Mapping[str, Any], data: bytes, read: Read, where: str) -> Iterator[Finding]:
    """Yield where the copy is not the file that the stage hashed and names."""
    rests_on = records.document(read, records.digests_path(record["stage"]))
    hashed = rests_on["before"]["study"] if rests_on else {}
    kept = {record["settings"]["study"]: canonical.sha256(data)}
    if hashed != kept:
        yield _found(where, canonical.short(hashed), canonical.short(kept))


def _tests(record: Mapping[str, Any], kept: StudyDesign) -> Iterator[Finding]:
    stated, expected = record["settings"]["tests"], asdict(kept.tests)
    if stated != expected:
        where, said = records.stage_path(record["stage"]), canonical.short
        yield _found(where, said(expected), said(stated), "/settings/tests")


def _found(where: str, expected: str, found: str, pointer: str = "") -> Finding:
    return finding(RULE, where=where, pointer=pointer, expected=expected, found=found)


def _views_of_one_name(data: Mapping[str, Any], where: str) -> tuple[Finding, ...]:
    names = [view["name"] for view in data["views"]]
    return tuple(
        finding(
            "study.view-name",
            where=where,
            pointer=f"/views/{number}/name",
            expected="a name that no view before it has",
            found=f"{name!r}, as in /views/{names.index(name)}",
        )
        for number, name in enumerate(names)
        if names.index(name) < number
    )
