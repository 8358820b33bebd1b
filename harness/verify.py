"""Verify a hub from its bytes: seal, schemas, cross references, verdicts, derived documents.

Pure: fed with the entries of the hub and a reader of its files; every finding at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from harness import (
    canonical,
    derived,
    envelope,
    faults_copy,
    guarded,
    guide,
    judge,
    layout,
    manifest,
    marker,
    mutation,
    policies,
    records,
    reporttime,
    reproduction_claims,
    spans,
    stage_files,
    verify_run,
)
from harness.crosscheck import seconds_between as seconds
from harness.model import Finding
from harness.records import Read
from harness.rules import finding
from harness.seal import Entry
from harness.seal import check as check_seal
from harness.shapes import JSON_SCHEMAS
from harness.verify_run import Schema

NOT_OF_A_STAGE = {
    records.MARKER,
    layout.SEAL,
    layout.SUMMARY,
    layout.BLOCKER,
    layout.CRATE,
    layout.DOCUMENTS_DIFF,
}


def verify(entries: Sequence[Entry], read: Read, schema: Schema) -> tuple[Finding, ...]:
    """Return everything that is wrong with a hub.

    entries: all that lies in it, with digests.  schema: gives a schema by its short name.
    Records that break their schema are reported and not looked into further.
    """
    sealed = check_seal(tuple(entries), read(layout.SEAL))
    shapes = guarded.found("the schemas", _check_schemas, entries, read, schema)
    if shapes or read(records.MARKER) is None:
        return (*sealed, *shapes, *_check_marker(read))
    digests = {entry.path: entry.sha256 for entry in entries if entry.kind == "file"}
    checks: tuple[tuple[Any, ...], ...] = (
        ("the chain", _check_chain, read, digests),
        ("the times", _check_times, read),
        ("the marker", marker.check, read),
        ("what is accounted for", _check_accounted, read, digests),
        ("the stages", _check_stages, read, digests, schema),
        ("the reproduction", _check_reproduction, read, digests, schema),
        ("the mutants", _check_mutation, read, digests),
        ("the documents", _check_documents, read, schema),
        ("the envelopes", envelope.check, read),
    )
    return (*sealed, *(item for each in checks for item in guarded.found(*each)))


def check_readable(entries: Sequence[Entry], read: Read, schema: Schema) -> tuple[Finding, ...]:
    """Return what keeps the records of a hub from being used: seal, marker, broken schemas.

    Less than `verify`: whether the records are true to each other is not looked into.  What a
    job that succeeded attests is among the records.
    """
    found = (
        *check_seal(tuple(entries), read(layout.SEAL)),
        *guarded.found("the schemas", _check_schemas, entries, read, schema),
        *_check_marker(read),
    )
    return found or guarded.found("what is attested", _check_attestations, read, schema)


def _check_attestations(read: Read, schema: Schema) -> tuple[Finding, ...]:
    """Return how what a job that succeeded attests breaks its schema."""
    runs = [run for name in layout.RUN_FOLDERS if (run := records.run_of(read, name))]
    jobs = [job for run in runs for job in run.manifest["jobs"]]
    paths = [
        f"{j['output_dir']}/{layout.RESULT}" for j in jobs if j["status"] == manifest.SUCCEEDED
    ]
    return tuple(
        item
        for path in paths
        if read(path) is not None
        for item in verify_run.check_schema(path, "attestation", read, schema)
    )


def _check_schemas(entries: Sequence[Entry], read: Read, schema: Schema) -> list[Finding]:
    found: list[Finding] = []
    for entry in entries:
        name = JSON_SCHEMAS.get(entry.path)
        if name is not None and entry.kind == "file":
            found += verify_run.check_schema(entry.path, name, read, schema)
    return found


def _check_marker(read: Read) -> list[Finding]:
    if read(records.MARKER) is not None:
        return []
    return [finding("hub.marker", where=records.MARKER, expected="the hub's marker", found="none")]


def _check_chain(read: Read, digests: Mapping[str, str]) -> list[Finding]:
    found = []
    before: dict[str, str] | None = None
    for path, record in records.stages(read):
        if record["previous"] != before:
            found.append(
                finding(
                    "hub.chain",
                    where=path,
                    pointer="/previous",
                    expected=json.dumps(before),
                    found=json.dumps(record["previous"]),
                )
            )
        before = {"path": path, "sha256": digests[path]}
    return found


def _check_times(read: Read) -> Iterator[Finding]:
    """Yield each stage that began before its hub was made or the stage before it ended."""
    before, when = records.MARKER, records.document(read, records.MARKER)["created_at"]
    for path, record in records.stages(read):
        moments = [when, record["started_at"], record["finished_at"]]
        spans = [(early, late) for early, late in pairwise(moments) if seconds(early, late) < 0]
        if spans:
            yield finding(
                "hub.time",
                where=path,
                pointer="/started_at",
                expected=f"not before {spans[0][0]} ({before})",
                found=spans[0][1],
            )
        before, when = path, record["finished_at"]


def _check_accounted(read: Read, digests: Mapping[str, str]) -> list[Finding]:
    folders = {path.rpartition("/")[0] + "/" for path, _ in records.stages(read)}
    if read(records.reproduction_path()) is not None:
        folders.add(f"{layout.REPRODUCE}/")
    if read(records.mutation_path()) is not None:
        folders.add(f"{layout.MUTATION}/")
    return [
        finding("hub.extra", where=path, expected="a file of a stage with a record", found="none")
        for path in digests
        if path not in NOT_OF_A_STAGE and not path.startswith(tuple(folders))
    ]


def _check_stages(read: Read, digests: Mapping[str, str], schema: Schema) -> Iterator[Finding]:
    for path, record in records.stages(read):
        given = (path, record, read, digests, schema)
        yield from guarded.found("the stage", _check_stage, *given, where=path)


def _check_stage(
    path: str,
    record: Mapping[str, Any],
    read: Read,
    digests: Mapping[str, str],
    schema: Schema,
) -> list[Finding]:
    if records.stage_path(record["stage"]) != path:
        place = records.stage_path(record["stage"])
        return [finding("hub.stage", where=path, pointer="/stage", expected=place, found=path)]
    found = [
        *_check_outputs(path, record, digests),
        *_check_logs(path, record, digests),
        *_check_code(path, record, read),
        *_check_guide(record, read, digests),
        *_check_uncommitted(path, record, digests),
        *_check_verdict(path, record, read),
        *policies.check(record, where=path),
        *spans.of_stage(record),
        *reporttime.check(record, read),
        *stage_files.check(record, read, digests),
    ]
    if record["stage"] == "red":
        found += faults_copy.check(record, read, schema)
    if record["stage"] in layout.RUN_STAGES:
        found += verify_run.check(record, read, digests, schema)
    return found


def _check_reproduction(
    read: Read, digests: Mapping[str, str], schema: Schema
) -> tuple[Finding, ...]:
    """Return what is wrong with a reproduction: its run, what that left, and the verdicts."""
    path = records.reproduction_path()
    record = records.document(read, path)
    if record is None:
        return ()
    in_stage_terms = {**record, "stage": layout.REPRODUCE, "commands": ()}
    rests_on = records.document(read, records.digests_path(layout.REPRODUCE))
    return (
        *_check_outputs(path, record, digests),
        *_check_code(path, in_stage_terms, read),
        *_check_uncommitted(path, record, digests),
        *verify_run.check(in_stage_terms, read, digests, schema),
        *reproduction_claims.check(
            record,
            records.run_of(read, layout.REPRODUCE),
            rests_on,
            verify_run.attested(record, read, schema),
            digests,
            where=path,
        ),
    )


def _check_mutation(read: Read, digests: Mapping[str, str]) -> tuple[Finding, ...]:
    """Return what is wrong with the record of the mutants of the core."""
    path = records.mutation_path()
    record = records.document(read, path)
    if record is None:
        return ()
    rests_on = records.document(read, records.digests_path(layout.MUTATION))
    return (
        *_check_outputs(path, record, digests),
        *_check_code(path, {**record, "stage": layout.MUTATION}, read),
        *_check_uncommitted(path, record, digests),
        *mutation.check(record, rests_on, digests, where=path),
    )


def _check_outputs(
    path: str, record: Mapping[str, Any], digests: Mapping[str, str]
) -> list[Finding]:
    folder = path.rpartition("/")[0] + "/"
    stated = {output["path"]: output["sha256"] for output in record["outputs"]}
    others = {path, *(folder + name for name in layout.ATTACHED)}
    there = {
        name: digest
        for name, digest in digests.items()
        if name.startswith(folder) and name not in others
    }
    return [
        finding(
            "hub.outputs",
            where=path,
            pointer=f"/outputs ({name})",
            expected=stated.get(name, "no such file"),
            found=there.get(name, "no such file"),
        )
        for name in sorted({*stated, *there})
        if stated.get(name) != there.get(name)
    ]


def _check_logs(path: str, record: Mapping[str, Any], digests: Mapping[str, str]) -> list[Finding]:
    return [
        finding(
            "hub.log",
            where=path,
            pointer=f"/commands/{index}/log_sha256",
            expected=f"{command['log_path']} with sha256 {command['log_sha256']}",
            found=digests.get(command["log_path"], "no such file"),
        )
        for index, command in enumerate(record["commands"])
        if digests.get(command["log_path"]) != command["log_sha256"]
    ]


def _check_code(path: str, record: Mapping[str, Any], read: Read) -> list[Finding]:
    document = records.document(read, records.digests_path(record["stage"]))
    counted = canonical.digest(document["before"]["code"]) if document else "its digests"
    return _differing("hub.code", path, "/code_sha256", counted, record["code_sha256"])


def _check_guide(
    record: Mapping[str, Any], read: Read, digests: Mapping[str, str]
) -> list[Finding]:
    """Return where the guide that a stage kept is not the one that it hashed."""
    document = records.document(read, records.digests_path(record["stage"]))
    hashed = document["before"]["code"].get(guide.GUIDE) if document else None
    place = guide.place(record["stage"])
    kept = digests.get(place)
    return _differing("hub.guide", place, "", hashed or "no guide", kept or "no guide")


def _check_uncommitted(
    path: str, record: Mapping[str, Any], digests: Mapping[str, str]
) -> list[Finding]:
    diff = f"{path.rpartition('/')[0]}/{layout.UNCOMMITTED}"
    expected, there = bool(record["git"]["dirty"]), diff in digests
    words = {True: "the diff of uncommitted changes", False: "no diff"}
    return _differing("hub.uncommitted", diff, "", words[expected], words[there])


def _differing(rule: str, where: str, pointer: str, expected: str, found: str) -> list[Finding]:
    if expected == found:
        return []
    return [finding(rule, where=where, pointer=pointer, expected=expected, found=found)]


def _check_verdict(path: str, record: Mapping[str, Any], read: Read) -> list[Finding]:
    derived = judge.findings(record, read)
    expected: dict[str, Any] = {
        "/verdict": "fail" if derived else "pass",
        "/findings": [item.as_record() for item in derived],
        "/tests": judge.test_counts(record, read),
        "/exit_code": judge.exit_code(record, passed=not derived),
    }
    return [
        finding(
            "hub.verdict",
            where=path,
            pointer=pointer,
            expected=canonical.short(value),
            found=canonical.short(record[pointer[1:]]),
        )
        for pointer, value in expected.items()
        if record[pointer[1:]] != value
    ]


def _check_documents(read: Read, schema: Schema) -> list[Finding]:
    # Of records that break their schema, which the stages' checks report, nothing is derived.
    return [] if _check_attestations(read, schema) else _check_derived(read)


def _check_derived(read: Read) -> list[Finding]:
    given = derived.documents(read)
    return [
        finding(
            rule,
            where=path,
            expected="what the records give" if path in given else "no such file",
            found="something else" if data is not None else "no such file",
        )
        for path, rule in derived.places().items()
        if (data := read(path)) != given.get(path)
    ]
