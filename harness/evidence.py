"""What a job left behind: its attestation read, checked and compared with what was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness import canonical, files, layout, provenance, reconcile, resources, rules, schemas
from harness.errors import describe_returncode
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
    outputs = {
        entry.name: files.sha256_file(entry) for entry in folder.iterdir() if entry.is_file()
    }
    asked = {**asdict(job.settings), "input_sha256": job.input_sha256}
    return Proof(document, reconcile.compare(asked, document, outputs, where=where))


def job_log(
    job: ReconstructionJob,
    result: Mapping[str, Any],
    argv: Sequence[str],
    notes: Sequence[Finding],
) -> bytes:
    """Return run.log: what the harness itself did about one job, and why it judged so."""
    returncode = result["returncode"]
    ended = "no return code" if returncode is None else describe_returncode(returncode)
    lines = [
        f"job: {job.key}",
        f"input: {provenance.portable(job.input_npz)} sha256 {job.input_sha256}",
        *(f"input note: {rules.as_text(item)}" for item in notes),
        f"argv: {' '.join(provenance.portable_argv(argv))}",
        f"started: {result['started_at']}",
        f"ended: {ended} at {result['finished_at']} after {result['elapsed_s']} s",
        f"reconciliation: {len(result['findings'])} findings",
        *(f"  {rules.as_text(rules.from_record(item))}" for item in result["findings"]),
        f"status: {result['status']}",
    ]
    return ("\n".join(lines) + "\n").encode()
