"""A hub in memory, those who attack it, and what an auditor then finds.

Three attackers: one changes files; one seals the hub again as well; one has this very code and
mends whatever can be derived: the digests in records, the chain, the documents, the seal.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import (
    audit,
    canonical,
    derived,
    hub,
    layout,
    manifest,
    records,
    remeasure,
    seal,
    statement,
    verify_run,
)
from harness.model import Finding
from harness.seal import Entry

PLAIN, RESEALS, MENDS = "changes files", "seals again", "mends every digest"
ATTACKERS = (PLAIN, RESEALS, MENDS)
# What a mender meets in records that were made to hurt: the step is then left out.
_BROKEN = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

NO_INPUTS = audit.Inputs()

Attack = Callable[["Hub"], None]


@dataclass(frozen=True)
class Case:
    """One attack: its kind, the files that it touches, what it does."""

    kind: str
    touched: tuple[str, ...]
    attack: Attack


@dataclass
class Hub:
    """Every file of a hub by path, and the paths that are links."""

    files: dict[str, bytes]
    links: set[str] = field(default_factory=set)

    def copy(self) -> Hub:
        return Hub(dict(self.files), set(self.links))

    def read(self, path: str) -> bytes | None:
        return None if path in self.links else self.files.get(path)

    def entries(self) -> tuple[Entry, ...]:
        return tuple(
            Entry(path, "link", 0, "")
            if path in self.links
            else Entry(path, "file", len(data), _sha256(data))
            for path, data in sorted(self.files.items())
        )

    def edit(self, path: str, change: Callable[[Any], Any]) -> None:
        """Change a JSON document, written as the harness writes it; bytes stay where it does."""
        document, before = (json.loads(self.files[path]) for _ in range(2))
        change(document)
        if document != before:
            self.files[path] = canonical.to_bytes(document)


def load(root: Path) -> Hub:
    return Hub({entry.path: (root / entry.path).read_bytes() for entry in hub.entries(root)})


@functools.lru_cache(maxsize=4096)
def _sha256(data: bytes) -> str:
    return canonical.sha256(data)


@contextmanager
def each_thing_judged_once() -> Iterator[None]:
    """Remember how a document breaks its schema and how far halves agree.

    Thousands of hubs here differ in one file: what is judged is told by its digest.
    """
    known: dict[tuple[str, ...], Any] = {}
    check, measure = verify_run.check_schema, remeasure.between_halves

    def once(key: tuple[str, ...], judge: Callable[..., Any], *given: Any) -> Any:
        if key not in known:
            known[key] = judge(*given)
        return known[key]

    def check_once(path: str, name: str, read: records.Read, schema: Any) -> tuple[Finding, ...]:
        key = (path, name, _sha256(read(path) or b""))
        return once(key, check, path, name, read, schema)

    def measure_once(archive: bytes, attestation: Mapping[str, Any]) -> Any:
        key = (_sha256(archive), canonical.digest(attestation))
        return once(key, measure, archive, attestation)

    verify_run.check_schema, remeasure.between_halves = check_once, measure_once
    try:
        yield
    finally:
        verify_run.check_schema, remeasure.between_halves = check, measure


def strike(sound: Hub, attack: Attack, attacker: str) -> Hub:
    """Return a hub after an attack, with what the attacker does to hide it."""
    struck = sound.copy()
    attack(struck)
    if attacker == MENDS:
        mend(struck)
    if attacker in (RESEALS, MENDS):
        struck.files[layout.SEAL] = seal.render(struck.entries())
    return struck


def findings(struck: Hub, inputs: audit.Inputs = NO_INPUTS) -> tuple[Finding, ...]:
    """Return what verify says of a hub alone, or with its inputs at hand."""
    return audit.examine(struck.entries(), struck.read, inputs).findings


def against(struck: Hub, kept_seal: bytes) -> tuple[Finding, ...]:
    """Return what the auditor's own copy of the seal shows."""
    head = () if struck.read(layout.SEAL) == kept_seal else (_head(kept_seal),)
    return (*seal.check(struck.entries(), kept_seal), *head)


def _head(kept_seal: bytes) -> Finding:
    return Finding("hub.head", layout.SEAL, "", canonical.sha256(kept_seal), "another")


def mend(struck: Hub) -> None:
    """Put true digests into attestations, plans, stage records and the chain; derive again."""
    for path in sorted(struck.files):
        if path.endswith(f"/{layout.RESULT}"):
            with suppress(*_BROKEN):
                struck.edit(path, lambda result, path=path: _attest(struck, path, result))
        if path.endswith(f"/{layout.MANIFEST}"):
            with suppress(*_BROKEN):
                struck.edit(path, _plan)
    before = None
    with suppress(*_BROKEN):
        for path, _ in records.stages(struck.read):
            cited = before
            struck.edit(path, lambda stage, path=path, c=cited: _stage(struck, path, stage, c))
            before = {"path": path, "sha256": _sha256(struck.files[path])}
    for path in (records.reproduction_path(), records.mutation_path()):
        if path in struck.files:
            with suppress(*_BROKEN):
                struck.edit(
                    path, lambda each, path=path: each.update(outputs=_outputs(struck, path))
                )
    with suppress(*_BROKEN):
        statements = statement.statements(struck.read)
        struck.files.update(statements)
        struck.files.update(derived.documents(struck.read, statements))


def _attest(struck: Hub, path: str, result: dict[str, Any]) -> None:
    folder = path.removesuffix(layout.RESULT)
    for output in result["outputs"]:
        data = struck.read(folder + output["path"])
        if data is not None:
            output |= {"sha256": _sha256(data), "bytes": len(data)}


def _plan(document: dict[str, Any]) -> None:
    document["plan_sha256"] = manifest.plan_digest(document["jobs"], document["settings"])


def _outputs(struck: Hub, record: str) -> list[dict[str, Any]]:
    """Return what lies beside a record, as the record lists it."""
    folder = f"{record.rpartition('/')[0]}/"
    others = {record, *(folder + name for name in layout.ATTACHED)}
    return [
        {"path": entry.path, "bytes": entry.bytes, "sha256": entry.sha256}
        for entry in struck.entries()
        if entry.path.startswith(folder) and entry.path not in others
    ]


def _stage(struck: Hub, path: str, stage: dict[str, Any], before: Mapping[str, str] | None) -> None:
    stage["outputs"] = _outputs(struck, path)
    stage["previous"] = before
    for command in stage["commands"]:
        command["log_sha256"] = _sha256(struck.files[command["log_path"]])
    digests = json.loads(struck.files[path.replace(layout.STAGE_RECORD, layout.DIGESTS)])
    stage["code_sha256"] = canonical.digest(digests["before"]["code"])
    if stage["plan"] is not None:
        stage["plan"]["sha256"] = _sha256(struck.files[stage["plan"]["path"]])
