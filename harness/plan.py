"""The plan that a real run follows: cited by digest, and compared with what the run did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness import canonical, layout, leaves, records
from harness.manifest import PLANNED_FACTS
from harness.matrix import misses
from harness.model import CellKey, Finding
from harness.records import Read
from harness.rules import finding
from harness.wording import said

RULE = "stage.plan"


def place(read: Read, started_at: str) -> str:
    """Return where the plan of a real run lies: its hub's earlier dry run, else its own folder."""
    dry_run = records.document(read, records.stage_path("dry-run"))
    if dry_run is not None and dry_run["started_at"] < started_at:
        return f"{layout.STAGE_DIRECTORIES['dry-run']}/{layout.MANIFEST}"
    return f"{layout.PLAN}/{layout.MANIFEST}"


def cite(path: str, data: bytes) -> dict[str, str]:
    """Return how a stage record cites a plan: path, digest of the file, digest of the plan."""
    document = canonical.parse(data)
    return {
        "path": path,
        "sha256": canonical.sha256(data),
        "plan_sha256": document["plan_sha256"],
    }


def deviations(
    planned: Mapping[str, Any], document: Mapping[str, Any], *, where: str
) -> tuple[Finding, ...]:
    """Return each way in which a run's manifest is not covered by a plan.

    planned, document: manifests.  A run may be asked for less than was planned; it never does
    anything else.
    where: the plan, as the reader knows it.
    """
    return (*_settings(planned, document, where), *_jobs(planned, document, where))


def findings(record: Mapping[str, Any], read: Read) -> tuple[Finding, ...]:
    """Return what is wrong with the plan that a real run's stage record cites, and with the run."""
    path = place(read, record["started_at"])
    data = read(path)
    if data is None:
        return (_found(path, "", "the plan of the real run", "no such file"),)
    cited, expected = record["plan"], cite(path, data)
    found = [
        _found(records.stage_path(record["stage"]), f"/plan/{name}", value, given)
        for name, value in expected.items()
        if (given := (cited or {}).get(name, "none")) != value
    ]
    planned, run = canonical.parse(data), records.run_of(read, record["stage"])
    if not planned["dry_run"]:
        found.append(_found(path, "/dry_run", "a plan, made before anything ran", "a real run"))
    if run is not None:
        found += deviations(planned, run.manifest, where=path)
    return tuple(found)


def _settings(
    planned: Mapping[str, Any], document: Mapping[str, Any], where: str
) -> Iterable[Finding]:
    """Yield each fact of the whole run that differs, by itself."""
    if planned["initiative"] != document["initiative"]:
        yield _found(where, "/initiative", planned["initiative"], document["initiative"])
    one, other = (each["study"]["sha256"] for each in (planned, document))
    if one != other:
        yield _found(where, "/study/sha256", one, other)
    one, other = (dict(leaves.of(each["settings"])) for each in (planned, document))
    for pointer in sorted({*one, *other}):
        if one.get(pointer) != other.get(pointer):
            place = f"/settings{pointer}"
            yield _found(where, place, said(one.get(pointer)), said(other.get(pointer)))


def _jobs(planned: Mapping[str, Any], document: Mapping[str, Any], where: str) -> Iterable[Finding]:
    known = {_key(job): job for job in planned["jobs"]}
    ran = {_key(job) for job in document["jobs"]}
    for key, job in known.items():
        if key not in ran and not misses(key, job["gridsize"], document["filters"]):
            yield _found(where, f"/jobs ({key})", "a job of the run", "asked for and not run")
    for job in document["jobs"]:
        key = _key(job)
        if key not in known:
            yield _found(where, f"/jobs ({key})", "every job of the run", "not planned")
            continue
        for name in PLANNED_FACTS:
            if known[key][name] != job[name]:
                pointer = f"/jobs ({key})/{name}"
                yield _found(where, pointer, said(known[key][name]), said(job[name]))


def _key(job: Mapping[str, Any]) -> CellKey:
    return CellKey(job["dose"], job["view"], job["split"])


def _found(where: str, pointer: str, expected: str, found: str) -> Finding:
    return finding(RULE, where=where, pointer=pointer, expected=expected, found=found)
