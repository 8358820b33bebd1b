"""The faults file that RED keeps in its hub: the proof is of every fault declared in it.

Pure.  Source: docs/adr/0008-red-proof.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness import (
    canonical,
    faults,
    hashed,
    judge,
    layout,
    records,
    redproof,
    schemas,
    study_copy,
)
from harness.model import Finding
from harness.records import Read
from harness.rules import finding

RULE = "red.faults"
PATH = f"{layout.STAGE_DIRECTORIES['red']}/{layout.FAULTS_COPY}"

Record = Mapping[str, Any]


def check(
    record: Record, read: Read, schema: Callable[[str], Mapping[str, Any]]
) -> Iterator[Finding]:
    """Yield what is wrong with the copy of a stage RED, and where its proof leaves a fault out."""
    proof = records.document(read, judge.PROOF)
    data = read(PATH)
    if data is None:
        # A stage that was refused may have had no faults file.
        if proof is not None:
            yield _found(PATH, "", "the faults file of the stage", "no such file")
        return
    yield from _hashed(record, read, data)
    if proof is None:
        # What is wrong with the file may be why the stage was refused.
        return
    try:
        document = study_copy.parse(data.decode())
    except ValueError as error:
        yield _found(PATH, "", "TOML of plain values", str(error))
        return
    broken = schemas.check(document, schema("faults"), name="faults", where=PATH)
    yield from broken
    if not broken:
        declared = faults.load(document)
        yield from _proved(declared, proof)
        for path in sorted({fault.file for fault in declared}):
            yield from hashed.unhashed(path, _code(read), where=records.digests_path("red"))


def _hashed(record: Record, read: Read, data: bytes) -> Iterator[Finding]:
    """Yield where the copy is not the file that the stage hashed."""
    before, kept = _code(read).get(record["settings"]["tests"]["faults"]), canonical.sha256(data)
    if before != kept:
        yield _found(PATH, "", f"sha256 {before}", f"sha256 {kept}")


def _code(read: Read) -> Mapping[str, str | None]:
    rests_on = records.document(read, records.digests_path("red"))
    return rests_on["before"]["code"] if rests_on else {}


def _proved(declared: tuple[faults.Fault, ...], proof: Record) -> Iterator[Finding]:
    """Yield each fault that file and proof do not share, and each run of a fault of neither.

    That each fault of the proof has its outcomes, and that these follow, is judged with the proof.
    """
    here = {fault.id: fault for fault in declared}
    there = {fault.id: fault for fault in faults.load(proof)}
    for name in sorted({*here, *there}):
        if here.get(name) != there.get(name):
            yield _found(judge.PROOF, name, _said(here.get(name)), _said(there.get(name)))
    base = {f"{redproof.BASE}{proof['base']['commit']}"} if proof["base"] else set()
    tried = {run["fault_id"] for run in proof["runs"]} - {None, *base}
    for name in sorted(tried - {*here, *there}):
        yield _found(judge.PROOF, name, "a declared fault", "a run of a fault that is not declared")


def _said(fault: faults.Fault | None) -> str:
    return "no such fault" if fault is None else canonical.short(fault.as_record())


def _found(where: str, pointer: str, expected: str, found: str) -> Finding:
    return finding(RULE, where=where, pointer=pointer, expected=expected, found=found)
