"""The cells that a run left out, against what its gates, its inputs and its command say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness import crosscheck, matrix, rules
from harness.asked import ALLOW_MISSING
from harness.crosscheck import BREACH, MISSING
from harness.manifest import key_of
from harness.model import Finding
from harness.rules import finding

RULE = "manifest.left-out"

Record = Mapping[str, Any]


def check(
    record: Record, document: Record, skips: Record, rests_on: Record | None, *, where: str
) -> Iterator[Finding]:
    """Yield each skip whose reason the other records of its run contradict.

    record: of a stage, or of a reproduction.  rests_on: its digests.
    """
    seen = rests_on["before"]["inputs"] if rests_on else {}
    options = record["settings"].get("options")
    for skip in skips["skipped_jobs"]:
        path = input_of(document, skip)
        for reason in skip["reasons"]:
            if reason.startswith(BREACH) and not reason.startswith(tuple(_breaches(record))):
                yield about(where, skip, "an error of the input gate", reason)
            elif MISSING in reason:
                yield from _missing(where, skip, reason, path, seen.get(path), options)


def _missing(
    where: str, skip: Record, reason: str, path: str, sha256: str | None, options: Any
) -> Iterator[Finding]:
    phase = path.partition("/")[0].removeprefix("phase_").upper()
    expected = matrix.missing_reason(phase, path.partition("/")[2])
    if reason != expected:
        yield about(where, skip, expected, reason)
    if sha256 is not None:
        yield about(where, skip, f"{path} absent", f"{path} hashed, sha256 {sha256}")
    if options is not None and (phase == "C" or ALLOW_MISSING not in options):
        yield about(where, skip, f"{ALLOW_MISSING}, and an input of phase D", reason)


def _breaches(record: Record) -> Iterator[str]:
    """Yield the reasons that the input gate of a stage gives."""
    for gate in record["gates"]:
        for item in gate["findings"]:
            if gate["name"] == "inputs" and item["severity"] == "error":
                yield f"{BREACH}{rules.fact(rules.from_record(item))}"


def input_of(document: Record, cell: Record) -> str:
    """Return the root and path of a cell's input, as digests name it."""
    phases = {view["name"]: view["phase"] for view in document["study"]["views"]}
    key = key_of(cell)
    root = "phase_d" if phases.get(key.view) == "D" else "phase_c"
    return f"{root}/{crosscheck.input_npz(key, phases)}"


def about(where: str, skip: Record, expected: str, found: str) -> Finding:
    """Return a finding on a cell that was left out."""
    pointer = f"/skipped_jobs ({key_of(skip)})"
    return finding(RULE, where=where, pointer=pointer, expected=expected, found=found)
