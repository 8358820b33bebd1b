"""The record of a reproduction, held to what its jobs left: `hub.reproduction`, `hub.verdict`.

Pure.  Of what it says of its original, `harness.original` asks that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness import canonical, crosscheck, layout, manifest, reproduction
from harness.crosscheck import CLOCK_SLACK_S
from harness.manifest import key_of
from harness.model import Finding
from harness.records import Run
from harness.rules import finding

Record = Mapping[str, Any]


def check(
    record: Record,
    run: Run | None,
    rests_on: Record | None,
    attested: Mapping[str, Record],
    digests: Mapping[str, str],
    *,
    where: str,
) -> tuple[Finding, ...]:
    """Return where the record of a reproduction does not follow from what its jobs left.

    run: manifest and skips of the jobs run again.  rests_on: the digests before and after.
    attested: what jobs attest that succeeded, by job.  digests: sha256 by path of the hub's files.
    """
    if run is None or rests_on is None:
        lost = layout.DIGESTS if rests_on is None else layout.MANIFEST
        gone = f"{layout.REPRODUCE}/{lost}"
        return (finding("hub.reproduction", where=gone, expected="a file", found="no such file"),)
    found = reproduction.drifted(rests_on, run.manifest["jobs"])
    due, stated = [item.as_record() for item in found], reproduction.errors(record)
    code = reproduction.exit_code(record)
    facts = [
        *_facts_of_jobs(record, run, attested, digests),
        *_facts_attested(record, attested),
        ("hub.verdict", "/findings", due, stated),
        ("hub.verdict", "/exit_code", code, record["exit_code"]),
        ("hub.verdict", "/verdict", "fail" if code else "pass", record["verdict"]),
    ]
    return tuple(
        finding(
            rule,
            where=where,
            pointer=pointer,
            expected=canonical.short(expected),
            found=canonical.short(stated),
        )
        for rule, pointer, expected, stated in facts
        if expected != stated
    )


def _facts_of_jobs(
    record: Record, run: Run, attested: Mapping[str, Record], digests: Mapping[str, str]
) -> Iterator[tuple[str, str, Any, Any]]:
    """Yield rule, pointer, what the hub gives and what the record says, of the jobs."""
    ran = [
        (str(key_of(each)), each["status"], each["returncode"])
        for each in run.manifest["execution_results"]
    ]
    stated = [(str(key_of(job)), job["status"], job["returncode"]) for job in record["jobs"]]
    yield "hub.reproduction", "/jobs", ran, stated
    yield "hub.reproduction", "/asked", _answered(record, run), sorted(record["asked"])
    allowed = reproduction.tolerance(run.manifest["settings"]["recipe"])
    yield (
        "hub.reproduction",
        "/tolerance/object_nrmse",
        allowed,
        record["tolerance"]["object_nrmse"],
    )
    yield "hub.reproduction", "/gates", run.manifest["gates"], record["gates"]
    spent = f"{record['elapsed_s']} s"
    in_time = spent if _in_time(record, run) else "the time from start to end, all jobs within it"
    yield "hub.reproduction", "/elapsed_s", in_time, spent
    for index, job in enumerate(record["jobs"]):
        home = f"{layout.REPRODUCE}/{layout.job_directory(key_of(job))}"
        left = digests.get(f"{home}/{layout.RECONSTRUCTION}")
        verdict = reproduction.verdict_of(job, allowed)
        yield "hub.reproduction", f"/jobs/{index}/sha256", left, job["sha256"]
        yield from _facts_of_pictures(record, index, digests)
        repeats = job["repeats"] and reproduction.repeats(
            job, [attested.get(str(key_of(job)))], alike=_are_alike(record)
        )
        yield "hub.reproduction", f"/jobs/{index}/repeats", repeats, job["repeats"]
        yield "hub.verdict", f"/jobs/{index}/verdict", verdict, job["verdict"]


def _facts_of_pictures(
    record: Record, index: int, digests: Mapping[str, str]
) -> Iterator[tuple[str, str, Any, Any]]:
    job = record["jobs"][index]
    home = f"{layout.REPRODUCE}/{layout.job_directory(key_of(job))}"
    there = reproduction.pictures_in(digests, home)
    given = reproduction.compare_pictures(job, there, there, alike=_are_alike(record))
    yield "hub.reproduction", f"/jobs/{index}/pictures", _drawn(given), _drawn(job["pictures"])
    found = [item for item in job["findings"] if item["rule"] == reproduction.PICTURE]
    due = [item.as_record() for item in reproduction.redrawn(job, where=str(key_of(job)))]
    yield "hub.verdict", f"/jobs/{index}/findings", due, found


def _are_alike(record: Record) -> bool:
    """Return whether nothing is noted of code, versions and processor that were not the same."""
    return not any(item["rule"] == reproduction.SURROUNDINGS for item in record["findings"])


def _drawn(pictures: Sequence[Record] | None) -> dict[str, str] | None:
    """Return name and sha256 of those that were drawn now; None where none were compared."""
    if pictures is None:
        return None
    return {each["name"]: each["sha256"] for each in pictures if each["sha256"]}


def _facts_attested(
    record: Record, attested: Mapping[str, Record]
) -> Iterator[tuple[str, str, Any, Any]]:
    """Yield the same of arrays and versions, which each job that succeeded attests."""
    for index, job in enumerate(record["jobs"]):
        place = f"/jobs/{index}/arrays"
        names = [entry["name"] for entry in job["arrays"]]
        yield "hub.reproduction", place, sorted({*names}), names
        result = attested.get(str(key_of(job)))
        # Of a success whose attestation cannot be used, that is told elsewhere.
        if result is not None or job["status"] != manifest.SUCCEEDED:
            yield from _facts_of_arrays(job, (result or {}).get("arrays", {}), place)
        for name, version in (result or {}).get("versions", {}).items():
            known = record["versions"].get(name) or version
            yield "hub.reproduction", f"/versions/{name}", version, known


def _facts_of_arrays(
    job: Record, arrays: Record, place: str
) -> Iterator[tuple[str, str, Any, Any]]:
    stated = {each["name"]: each["sha256"] for each in job["arrays"] if each["sha256"]}
    there = {name: array["sha256"] for name, array in arrays.items()}
    for name in sorted({*there, *stated}):
        pair = (each.get(name, "no such array") for each in (there, stated))
        yield "hub.reproduction", f"{place} ({name})", *pair


def _in_time(record: Record, run: Run) -> bool:
    """Return whether start, end and time spent agree, and all jobs ran in between."""
    spent_s = crosscheck.seconds_between(record["started_at"], record["finished_at"])
    inside = all(
        crosscheck.seconds_between(record["started_at"], result["started_at"]) >= -CLOCK_SLACK_S
        and crosscheck.seconds_between(result["finished_at"], record["finished_at"])
        >= -CLOCK_SLACK_S
        for result in run.manifest["execution_results"]
        if result["elapsed_s"] is not None
    )
    return inside and abs(spent_s - record["elapsed_s"]) <= CLOCK_SLACK_S


def _answered(record: Record, run: Run) -> list[str]:
    """Return what must have been asked for these jobs to be run; no name asks for all."""
    left = reproduction.reason(manifest.SUCCEEDED)
    some_left = any(left in skip["reasons"] for skip in run.skips["skipped_jobs"])
    if not record["asked"] and not some_left:
        return []
    return sorted(str(key_of(job)) for job in run.manifest["jobs"])
