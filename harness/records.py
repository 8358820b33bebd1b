"""The records of a hub as values, through a reader of its files; nothing here touches a disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness import canonical, layout

Read = Callable[[str], bytes | None]
MARKER = "hub.json"


@dataclass(frozen=True, slots=True)
class Run:
    """The two documents of a dry run or a real run."""

    manifest: Mapping[str, Any]
    skips: Mapping[str, Any]


def document(read: Read, path: str) -> Any | None:
    """Return a JSON document of a hub; None where there is none.  Raises ValueError on bad JSON."""
    data = read(path)
    return None if data is None else canonical.parse(data)


def stage_path(stage: str) -> str:
    """Return where a stage's record lies in a hub."""
    return f"{layout.STAGE_DIRECTORIES[stage]}/{layout.STAGE_RECORD}"


def digests_path(stage: str) -> str:
    """Return where the digests of what a stage or reproduction rests on lie in a hub."""
    return f"{layout.FOLDERS[stage]}/{layout.DIGESTS}"


def reproduction_path() -> str:
    """Return where the record of a reproduction lies in a hub."""
    return f"{layout.REPRODUCE}/{layout.REPRODUCTION}"


def mutation_path() -> str:
    """Return where the record of the mutants lies in a hub."""
    return f"{layout.MUTATION}/{layout.MUTATION_RECORD}"


def stages(read: Read) -> list[tuple[str, Mapping[str, Any]]]:
    """Return (path, record) of each stage of a hub, in the order in which they started."""
    paths = [stage_path(stage) for stage in layout.STAGES]
    found = [(path, record) for path in paths if (record := document(read, path)) is not None]
    return sorted(found, key=lambda item: item[1]["started_at"])


def run_of(read: Read, stage: str) -> Run | None:
    """Return the documents of a dry run, real run or reproduction; None where either is absent."""
    return run_in(read, layout.RUN_FOLDERS[stage])


def run_in(read: Read, folder: str) -> Run | None:
    """Return the two documents of a run that lie in a folder; None where either is absent."""
    manifest = document(read, f"{folder}/{layout.MANIFEST}")
    skips = document(read, f"{folder}/{layout.SKIP_SUMMARY}")
    return None if manifest is None or skips is None else Run(manifest, skips)
