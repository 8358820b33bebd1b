"""The manifest on disk: written before the first job, and whole again after every change."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any

from harness import files, layout, manifest, provenance
from harness.model import CellKey


class Ledger:
    """The manifest of a run; the one place through which a job changes its state.

    Jobs that run side by side may use it from their threads.
    """

    def __init__(self, artifact_root: Path, document: dict[str, Any]) -> None:
        self.path = artifact_root / layout.MANIFEST
        self.document = document
        self._lock = Lock()
        files.write_json(self.path, document)

    def result(self, key: CellKey) -> dict[str, Any]:
        """Return the execution result of one job."""
        wanted = key.as_record().items()
        return next(e for e in self.document["execution_results"] if wanted <= e.items())

    def job(self, key: CellKey) -> dict[str, Any]:
        """Return the manifest's entry of one job."""
        wanted = key.as_record().items()
        return next(job for job in self.document["jobs"] if wanted <= job.items())

    def set(self, key: CellKey, **facts: Any) -> dict[str, Any]:
        """Put facts into one job's result, write the manifest atomically, return the result."""
        with self._lock:
            result = {**self.result(key), **facts}
            updated_at = provenance.iso_now()
            self.document = manifest.with_result(self.document, result, updated_at=updated_at)
            files.write_json(self.path, self.document, new=False)
        return result
