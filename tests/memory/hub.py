"""A small sound hub that is made in memory from records, without a process: quick to change.

Its records come from the writers that need no disk and from the valid examples.  Two jobs of the
real run ran; one of them was run again.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness import (
    canonical,
    derived,
    layout,
    manifest,
    mutation,
    records,
    reproduction,
    resources,
    schemas,
    seal,
    verify,
)
from harness.manifest import key_of
from harness.model import Finding
from tests.attack.hubs import Hub
from tests.memory import runs, stages


def sound(*, own_plan: bool = False, codes: tuple[int, ...] = (0, 0)) -> Hub:
    """Return a sound hub of the caller's own; see `make`."""
    return make(own_plan=own_plan, codes=codes).copy()


@functools.cache
def make(*, own_plan: bool = False, codes: tuple[int, ...] = (0, 0)) -> Hub:
    """Make a sound hub, which is not to be changed.

    own_plan: whether the real run made its plan, in a hub without the other stages.
    codes: the return code of each job of the real run.
    """
    marker = runs.example("hub/default") | {"initiative": runs.study().initiative}
    hub = Hub({records.MARKER: canonical.to_bytes(marker | {"created_at": runs.at("green", 0)})})
    dry_run = runs.planned("dry-run", "cli")
    if own_plan:
        runs.write_run(hub, layout.PLAN, runs.planned("real-run", layout.PLAN))
    else:
        stages.put(hub, "green", dry_run)
        runs.write_run(hub, "cli", dry_run)
        stages.put(hub, "dry-run", dry_run)
    run = runs.planned("real-run", "real_run")
    for index, code in enumerate(codes):
        runs.run_job(hub, run[0], index, "real-run", code)
    runs.write_run(hub, "real_run", run)
    stages.put(hub, "real-run", run)
    if not own_plan and not any(codes):
        _reproduce(hub, run)
        _mutate(hub)
    return finished(hub)


def _reproduce(hub: Hub, original: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """Put down the first job of the real run, run again."""
    first = original[0]["jobs"][0]
    home = f"{layout.REPRODUCE}/{key_of(first)}"
    job = {**first, "output_dir": home, "log_path": f"{home}/{layout.CHILD_LOG}"}
    job["argv"] = [word.replace(first["output_dir"], home) for word in first["argv"]]
    job["status"] = manifest.PLANNED
    result = {**manifest.planned_result(job, None), "input_notes": []}
    again = reproduction.plan(
        records.Run(*original), [job], [result], created_at=runs.at("reproduce", 1)
    )
    document, skips = runs.gated(*again)
    runs.run_job(hub, document, 0, "reproduce", 0)
    runs.write_run(hub, layout.REPRODUCE, (document, skips))
    rests_on = stages.rests_on([job])
    hub.files[records.digests_path(layout.REPRODUCE)] = canonical.to_bytes(rests_on)
    record = runs.example("reproduction/identical")
    compared = {**record["jobs"][0], **key_of(job).as_record()}
    compared["sha256"] = canonical.sha256(hub.files[f"{home}/{layout.RECONSTRUCTION}"])
    attested = json.loads(hub.files[f"{home}/{layout.RESULT}"])
    digests = {name: array["sha256"] for name, array in sorted(attested["arrays"].items())}
    compared["arrays"] = [
        {"name": name, "original_sha256": digest, "sha256": digest}
        for name, digest in digests.items()
    ]
    record |= {
        "started_at": runs.at("reproduce", 0),
        "finished_at": runs.at("reproduce", 30),
        "elapsed_s": 30.0,
        "git": {"commit": None, "dirty": False},
        "code_sha256": canonical.digest(rests_on["before"]["code"]),
        "asked": [str(key_of(job))],
        "gates": document["gates"],
        "jobs": [compared],
        "outputs": stages.outputs(hub, layout.REPRODUCE, layout.REPRODUCTION),
    }
    record["settings"] = {
        "filters": document["filters"],
        "study_sha256": document["study"]["sha256"],
    }
    hub.files[records.reproduction_path()] = canonical.to_bytes(record)


def _mutate(hub: Hub) -> None:
    """Put down one killed mutant of each module."""
    rests_on = stages.rests_on(())
    hub.files[records.digests_path(layout.MUTATION)] = canonical.to_bytes(rests_on)
    hub.files[f"{layout.MUTATION}/{layout.MUTATION_LOG}"] = b"1/1\n"
    record = runs.example("mutation/one-accepted") | {
        "modules": [
            mutation.module_record(name, {"x_one__mutmut_1": 1}, {}, ())
            for name in mutation.MODULES
        ],
        "listed": [],
        "git": {"commit": None, "dirty": False},
        "code_sha256": canonical.digest(rests_on["before"]["code"]),
        "outputs": stages.outputs(hub, layout.MUTATION, layout.MUTATION_RECORD),
    }
    hub.files[records.mutation_path()] = canonical.to_bytes(mutation.judged(record, rests_on))


def alone(folder: str) -> Hub:
    """Return a hub that holds jobs run again, or the mutants, as they are left: alone."""
    inside = (records.MARKER, f"{folder}/")
    files = {path: data for path, data in sound().files.items() if path.startswith(inside)}
    return finished(Hub(files))


def write(hub: Hub, root: Path) -> Path:
    """Put the files of a hub on the disk; return its folder."""
    for path, data in hub.files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return root


def finished(hub: Hub) -> Hub:
    """Derive the documents of a hub and seal it."""
    hub.files.update(derived.documents(hub.read))
    return sealed(hub)


def sealed(hub: Hub) -> Hub:
    hub.files[layout.SEAL] = seal.render(hub.entries())
    return hub


# Verified

Told = tuple[str, str, str, str, str]


def told(found: Iterable[Finding]) -> list[Told]:
    """Return findings as rule, where, pointer, expected, found."""
    return [(item.rule, item.where, item.pointer, item.expected, item.found) for item in found]


def verified(hub: Hub) -> list[Told]:
    """Return what verify says of a hub, which is sealed again before."""
    sealed(hub)
    return told(verify.verify(hub.entries(), hub.read, resources.schema))


_plainly = schemas.check


@functools.cache
def _checked(text: bytes, name: str, where: str, **options: bool) -> tuple[Finding, ...]:
    return _plainly(json.loads(text), resources.schema(name), name=name, where=where, **options)


@contextmanager
def schemas_asked_once() -> Iterator[None]:
    """Remember how a document breaks its schema: hubs here differ in one file."""

    def check(
        document: Any, schema: Mapping[str, Any], *, name: str, where: str, **options: bool
    ) -> tuple[Finding, ...]:
        assert schema is resources.schema(name)
        return _checked(canonical.to_line(document), name, where, **options)

    schemas.check = check
    try:
        yield
    finally:
        schemas.check = _plainly
