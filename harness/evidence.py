"""What a job left behind: its attestation read, checked and compared with what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness import canonical, files, layout, provenance, reconcile, resources, schemas
from harness.model import Finding, ReconstructionJob
from harness.rules import finding


@dataclass(frozen=True, slots=True)
class Proof:
    """The attestation of a job that exited 0 (None where it cannot be used), and findings."""

    attestation: Mapping[str, Any] | None
    findings: tuple[Finding, ...]


def reconcile_job(job: ReconstructionJob) -> Proof:
    """Return what the child of a job proves; it exited 0, which by itself proves nothing."""
    folder = Path(job.output_dir)
    path = folder / layout.RESULT
    where = provenance.portable(path)
    if not path.is_file():
        return Proof(None, (reconcile.left_nothing(where),))
    try:
        document = canonical.parse(path.read_bytes())
    except ValueError as error:
        return Proof(
            None,
            (finding("attest.unreadable", where=where, expected="JSON", found=str(error)),),
        )
    found = schemas.check(
        document, resources.schema("attestation"), name="attestation", where=where
    )
    if found:
        return Proof(None, found)
    asked = {**asdict(job.settings), "input_sha256": job.input_sha256, "input_npz": job.input_npz}
    outputs = {
        entry.relative_to(folder).as_posix(): _digest(entry)
        for entry in folder.rglob("*")
        if entry.is_symlink() or not entry.is_dir()
    }
    return Proof(document, reconcile.compare(asked, document, outputs, where=where))


def _digest(path: Path) -> str:
    return "a link, no file" if path.is_symlink() else files.sha256_file(path)
