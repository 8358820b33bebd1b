"""The records of a hub as values, through a reader of its files; nothing here touches a disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness import canonical, layout, manifest

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
    return path_of(stage)


def digests_path(stage: str) -> str:
    """Return where the digests of what a stage or reproduction rests on lie in a hub."""
    return f"{layout.FOLDERS[stage]}/{layout.DIGESTS}"


def path_of(name: str) -> str:
    """Return where the record of a stage, a reproduction or the mutants lies in a hub."""
    return f"{layout.FOLDERS[name]}/{layout.RECORDS[name]}"


def reproduction_path() -> str:
    """Return where the record of a reproduction lies in a hub."""
    return path_of(layout.REPRODUCE)


def mutation_path() -> str:
    """Return where the record of the mutants lies in a hub."""
    return path_of(layout.MUTATION)


def stages(read: Read) -> list[tuple[str, Mapping[str, Any]]]:
    """Return (path, record) of each stage of a hub, in the order in which they started."""
    paths = [stage_path(stage) for stage in layout.STAGES]
    found = [(path, record) for path in paths if (record := document(read, path)) is not None]
    return sorted(found, key=lambda item: item[1]["started_at"])


def acts(read: Read) -> list[tuple[str, Mapping[str, Any]]]:
    """Return (path, record) of all that was done in a hub, each in a stage's terms, by start.

    Its stages, jobs of another hub run again, the mutants.
    """
    terms = {layout.REPRODUCE: _of_reproduction, layout.MUTATION: _of_mutants}
    found = stages(read)
    for name, more in terms.items():
        path = path_of(name)
        if (record := document(read, path)) is not None:
            none = {"previous": None, "plan": None}
            found.append((path, {**record, **none, **more(record, read), "stage": name}))
    return sorted(found, key=lambda item: item[1]["started_at"])


def _of_reproduction(record: Mapping[str, Any], read: Read) -> dict[str, Any]:
    run = run_of(read, layout.REPRODUCE)
    jobs = run.manifest["jobs"] if run else ()
    return {
        "settings": {
            "asked": record["asked"],
            "filters": record["settings"]["filters"],
            "tolerance": record["tolerance"],
        },
        "commands": [
            {"name": job["output_dir"], "argv": job["argv"]}
            for job in jobs
            if job["status"] not in (manifest.PLANNED, manifest.NOT_LAUNCHED)
        ],
    }


def _of_mutants(record: Mapping[str, Any], _read: Read) -> dict[str, Any]:
    # The tool's words are no part of the record.
    modules = [each["module"] for each in record["modules"]]
    asked = {name: record[name] for name in ("tool", "tests", "least_killed")}
    return {"settings": {**asked, "modules": modules}, "commands": []}


def run_of(read: Read, stage: str) -> Run | None:
    """Return the documents of a dry run, real run or reproduction; None where either is absent."""
    return run_in(read, layout.RUN_FOLDERS[stage])


def run_in(read: Read, folder: str) -> Run | None:
    """Return the two documents of a run that lie in a folder; None where either is absent."""
    ran = document(read, f"{folder}/{layout.MANIFEST}")
    skips = document(read, f"{folder}/{layout.SKIP_SUMMARY}")
    return None if ran is None or skips is None else Run(ran, skips)
