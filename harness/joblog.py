"""run.log: what the harness itself did about one job, and why it judged so; from its record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness import rules
from harness.errors import describe_returncode
from harness.model import CellKey


def render(job: Mapping[str, Any], result: Mapping[str, Any]) -> bytes:
    """Return the log of a job; the same records give the same bytes.

    job, result: the manifest's entries of one cell.
    """
    returncode = result["returncode"]
    ended = "no return code" if returncode is None else describe_returncode(returncode)
    lines = [
        f"job: {CellKey(job['dose'], job['view'], job['split'])}",
        f"input: {job['input_root']}/{job['input_npz']} sha256 {job['input_sha256']}",
        *(f"input note: {_text(item)}" for item in result["input_notes"]),
        f"argv: {' '.join(job['argv'])}",
        f"started: {result['started_at']}",
        f"ended: {ended} at {result['finished_at']} after {result['elapsed_s']} s",
        f"reconciliation: {len(result['findings'])} findings",
        *(f"  {_text(item)}" for item in result["findings"]),
        f"status: {result['status']}",
    ]
    return ("\n".join(lines) + "\n").encode()


def _text(record: Mapping[str, str]) -> str:
    return rules.as_text(rules.from_record(record))
