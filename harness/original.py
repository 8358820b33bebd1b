"""What a reproduction says of the hub whose jobs it ran again, held to that hub.

Source: docs/adr/0011-reproduce-and-diff.md
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import (
    canonical,
    hub,
    layout,
    publish,
    records,
    reproduction,
    rerun_compare,
    resources,
    verify,
    verify_run,
)
from harness.errors import UsageError
from harness.manifest import SUCCEEDED, key_of
from harness.model import Finding
from harness.rules import finding

RULE = "reproduce.original"
REAL_RUN = "real-run"
# Other processors add up the same sums in another order.
NRMSE_SLACK = 1e-3

Record = Mapping[str, Any]
Fact = tuple[str, Any, Any]


def check(root: Path, original: Path) -> tuple[Finding, ...]:
    """Return each thing that a reproduction says of its original and that is not so there.

    Of a record that breaks its schema, which `verify` tells, nothing is said here.
    Raises UsageError where the hub holds no reproduction, or the other is none or holds no real
    run.
    """
    read, where = publish.reader(root), records.reproduction_path()
    if read(where) is None:
        raise UsageError(f"--original is for a reproduction, and hub {root} holds none")
    if verify_run.check_schema(where, "reproduction", read, resources.schema):
        return ()
    publish.require_hub(original)
    there = publish.reader(original)
    listed = hub.entries(original)
    broken = verify.check_readable(listed, there, resources.schema)
    if broken:
        return tuple(replace(item, where=f"original {item.where}") for item in broken)
    run = records.run_of(there, REAL_RUN)
    stage = records.document(there, records.stage_path(REAL_RUN))
    if run is None or stage is None:
        raise UsageError(f"--original {original} holds no real run; name the hub run again")
    record = records.document(read, where)
    facts = [
        ("/original/head_sha256", hub.head(original), record["original"]["head_sha256"]),
        ("/original/plan_sha256", run.manifest["plan_sha256"], record["original"]["plan_sha256"]),
        ("/original/code_sha256", stage["code_sha256"], record["original"]["code_sha256"]),
        ("/findings", *_notes(record, stage)),
        *_of_jobs(record, stage, read, there, {entry.path: entry.sha256 for entry in listed}),
    ]
    return tuple(
        finding(RULE, where=where, pointer=pointer, expected=str(expected), found=str(stated))
        for pointer, expected, stated in facts
        if expected != stated
    )


def _notes(record: Record, stage: Record) -> tuple[list[str], list[str]]:
    """Return what must be noted of the surroundings of a reproduction, and what is."""
    given = [item.as_record() for item in reproduction.surroundings(stage, record, where="")]
    stated = [each for each in record["findings"] if each["rule"] == reproduction.SURROUNDINGS]
    return _told(given), _told(stated)


def _told(notes: Sequence[Record]) -> list[str]:
    return sorted(
        " ".join(each[part] for part in ("pointer", "expected", "found")) for each in notes
    )


def _of_jobs(
    record: Record,
    stage: Record,
    read: records.Read,
    there: records.Read,
    digests: Mapping[str, str],
) -> Iterator[Fact]:
    """Yield pointer, what both hubs give and what the record says, of each job.

    stage: of the original.  digests: sha256 by path of the original's files.
    """
    alike = not any(reproduction.surroundings(stage, record, where=""))
    for index, job in enumerate(record["jobs"]):
        place = f"/jobs/{index}"
        name = f"{layout.job_directory(key_of(job))}/{layout.RECONSTRUCTION}"
        before = there(f"{layout.RUN_FOLDERS[REAL_RUN]}/{name}")
        digest = None if before is None else canonical.sha256(before)
        yield f"{place}/original_sha256", digest, job["original_sha256"]
        yield from _of_pictures(job, digests, place)
        yield f"{place}/repeats", _repeats(job, read, there, alike=alike), job["repeats"]
        result = f"{layout.REPRODUCE}/{layout.job_directory(key_of(job))}/{layout.RESULT}"
        attested = read(result)
        if job["status"] == SUCCEEDED and attested is not None:
            after = read(f"{layout.REPRODUCE}/{name}")
            pair = (_arrays(each) for each in (before, after))
            region = rerun_compare.scanned(attested)
            yield from _of_arrays(job, reproduction.compare_arrays(*pair, region), place)


def _repeats(job: Record, read: records.Read, there: records.Read, *, alike: bool) -> bool:
    name = f"{layout.job_directory(key_of(job))}/{layout.RESULT}"
    results = there(f"{layout.RUN_FOLDERS[REAL_RUN]}/{name}"), read(f"{layout.REPRODUCE}/{name}")
    return reproduction.repeats(job, map(rerun_compare.attestation, results), alike=alike)


def _of_pictures(job: Record, digests: Mapping[str, str], place: str) -> Iterator[Fact]:
    folder = f"{layout.RUN_FOLDERS[REAL_RUN]}/{layout.job_directory(key_of(job))}"
    given = reproduction.pictures_in(digests, folder)
    if job["pictures"] is not None:
        stated = {each["name"]: each["original_sha256"] for each in job["pictures"]}
        for name in sorted({*given, *stated}):
            yield f"{place}/pictures ({name})", given.get(name), stated.get(name)


def _of_arrays(job: Record, compared: Record, place: str) -> Iterator[Fact]:
    given, stated = (
        {entry["name"]: entry["original_sha256"] for entry in each["arrays"]}
        for each in (compared, job)
    )
    for name in sorted({*given, *stated}):
        yield f"{place}/arrays ({name})", given.get(name), stated.get(name)
    far, said = compared["object_nrmse"], job["object_nrmse"]
    near = None not in (far, said) and math.isclose(
        far,
        said,
        rel_tol=NRMSE_SLACK,
        abs_tol=NRMSE_SLACK * min(reproduction.OBJECT_TOLERANCES.values()),
    )
    yield f"{place}/object_nrmse", said if near else far, said


def _arrays(data: bytes | None) -> dict[str, Any]:
    return {} if data is None else rerun_compare.arrays(io.BytesIO(data), "", [])
