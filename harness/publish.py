"""Derive a hub's documents from its records, and seal it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import (
    derived,
    envelope,
    escapes,
    files,
    hub,
    layout,
    provenance,
    records,
    report,
    resources,
    seal,
    signing,
    statement,
    verify,
)
from harness.errors import HubDamaged, UsageError


@dataclass(frozen=True, slots=True)
class Sealed:
    """A hub that is as it was sealed, and whose records fit their schemas."""

    read: records.Read
    head: str


def reader(root: Path) -> records.Read:
    """Return a reader of a hub's files by path; None for what is no regular file, or unreadable."""
    return lambda path: files.read_or_none(root / path)


def require_hub(root: Path) -> None:
    """Raise UsageError where a path is no folder of a hub, whole or damaged."""
    if not any(os.path.isfile(root / name) for name in (records.MARKER, layout.SEAL)):
        raise UsageError(f"{root} is not a hub (no {records.MARKER}); name the folder of one")


def open_sealed(root: Path) -> Sealed:
    """Return a hub for reading its records, whatever they say.

    Raises UsageError where there is no hub, HubDamaged with every finding where it differs from
    its seal or a record breaks its schema.
    """
    require_hub(root)
    found = verify.check_readable(hub.entries(root), reader(root), resources.schema)
    if found:
        raise HubDamaged(f"hub {root} differs from its seal, or its records are broken", found)
    return Sealed(reader(root), hub.head(root))


def derive_and_seal(root: Path, signer: Any = None, folder: str = "") -> str:
    """Write the documents that the records give, seal the hub, return the head digest.

    signer: signs the statements in the folder of what has just ended.
    """
    read = reader(root)
    statements = statement.statements(read)
    for path, data in statements.items():
        if signer is not None and path.startswith(f"{folder}/"):
            files.write_new(root / envelope.path_of(path), signing.sign(data, signer))
    for path, data in derived.documents(read, statements).items():
        if read(path) != data:
            files.replace(root / path, data)
    return hub.seal_hub(root)


def previous_record(root: Path) -> dict[str, str] | None:
    """Return path and digest of the newest stage record of a hub; None where it has none."""
    stages = records.stages(reader(root))
    if not stages:
        return None
    path = stages[-1][0]
    return {"path": path, "sha256": files.sha256_file(root / path)}


def outputs(root: Path, folder: Path) -> list[dict[str, Any]]:
    """Return path, size and digest of every file in a stage's folder but what is said of it."""
    inside = folder.relative_to(root).as_posix() + "/"
    attached = {inside + name for name in layout.ATTACHED}
    return [
        {"path": entry.path, "bytes": entry.bytes, "sha256": entry.sha256}
        for entry in hub.entries(root)
        if entry.path.startswith(inside) and entry.path not in attached
    ]


def blocker_entry(root: Path) -> str:
    """Return the attempts entry of a hub's failed stages."""
    return report.attempt(reader(root), provenance.portable(root.absolute()))


def append_blocker(root: Path, fix_plan: Path) -> str:
    """Append a hub's failed stages to the attempts history; return what was done.

    Raises UsageError where the hub or the plan is absent, or nothing failed in the hub, and
    HubDamaged where it differs from its seal.
    """
    if not (root / records.MARKER).is_file():
        raise UsageError(f"{root} is not a hub (no {records.MARKER}); name one with HUB=...")
    if not fix_plan.is_file():
        raise UsageError(f"{fix_plan} is not a file; name it with --fix-plan")
    hub.open_hub(root)
    entry = blocker_entry(root)
    if not entry:
        raise UsageError(f"no stage of hub {root} failed; there is nothing to append")
    text = fix_plan.read_text(encoding="utf-8")
    if entry in text:
        return f"{fix_plan} has this entry already"
    files.replace(fix_plan, (text.rstrip("\n") + "\n" + entry).encode())
    return f"appended to {fix_plan}:\n{entry}"


def list_all_hubs(initiatives: Path) -> list[str]:
    """Return the lines of `list_hubs` for the reports of each initiative, one after the other."""
    folders = sorted(initiatives.glob("*/reports"))
    found = [line for reports in folders for line in _lines(reports)]
    return found or [f"no hub under {initiatives}"]


def list_hubs(reports: Path) -> list[str]:
    """Return a line for each hub under a folder, newest last: path, stages and verdicts."""
    return _lines(reports) or [f"no hub under {reports}"]


def _lines(reports: Path) -> list[str]:
    lines = []
    for marker in sorted(reports.glob(f"*/*/{records.MARKER}")):
        try:
            said = ", ".join(verdicts(reader(marker.parent)))
        except (KeyError, TypeError, ValueError):
            # A list must not fail for one bad hub; what is wrong with it is for verify to say.
            said = "DAMAGED, see what verify says"
        said = said or "no stage yet"
        if _is_unfinished(marker.parent):
            said += "; unsealed or half written, see what verify says"
        name = escapes.printable(str(provenance.portable(marker.parent.absolute())))
        lines.append(f"{name}: {escapes.printable(said)}")
    return lines


def _is_unfinished(root: Path) -> bool:
    """Tell, without reading what a hub holds, whether its files are not those its seal lists."""
    listed, malformed = seal.parse(hub.read_seal(root) or b"")
    present = {
        Path(folder, name).relative_to(root).as_posix()
        for folder, _, names in os.walk(root)
        for name in names
    }
    stages = {path.split("/")[0] for path in listed}
    begun = {name for name in layout.FOLDERS.values() if (root / name).is_dir()}
    return bool(malformed) or present != {*listed, layout.SEAL} or not begun <= stages


def verdicts(read: records.Read) -> list[str]:
    """Return the verdicts of a hub's stages, of its reproduction and of its mutants."""
    said = [f"{record['stage']} {record['verdict']}" for _, record in records.stages(read)]
    for name, path in (
        ("reproduction", records.reproduction_path()),
        ("mutation", records.mutation_path()),
    ):
        if (record := records.document(read, path)) is not None:
            said.append(f"{name} {record['verdict']}")
    return said
