"""Watch what a stage rests on: hash code, study and inputs before it and after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness import drift, files, provenance
from harness.execution import Checked
from harness.matrix import Plan, Roots


class Watch:
    """The digests of one stage's code, study and inputs; made before anything else is done."""

    def __init__(self, repository: Path, study_path: Path) -> None:
        self._repository = repository
        self._study_path = study_path
        self._inputs: dict[str, Path] = {}
        self.before: dict[str, dict[str, str | None]] = {**self._code_and_study(), "inputs": {}}

    def add_inputs(self, plan: Plan, checked: Checked, roots: Roots) -> None:
        """Watch the inputs of a plan, from the bytes that the input gate has read."""
        for job in plan.jobs:
            path = Path(job.input_npz)
            key = _input_key(path, roots)
            description = checked.readings[job.key].description
            self._inputs[key] = path
            self.before["inputs"][key] = (
                description["sha256"] if description else files.sha256_or_none(path)
            )

    def record(self) -> dict[str, Any]:
        """Hash all of it again; return the record of both."""
        inputs = {key: files.sha256_or_none(path) for key, path in self._inputs.items()}
        return drift.record(self.before, {**self._code_and_study(), "inputs": inputs})

    def _code_and_study(self) -> dict[str, dict[str, str | None]]:
        study = self._study_path
        return {
            "code": provenance.code_files(self._repository),
            "study": {provenance.portable(study): files.sha256_or_none(study)},
        }


def _input_key(path: Path, roots: Roots) -> str:
    for name in ("phase_c", "phase_d"):
        root = Path(getattr(roots, name))
        if path.is_relative_to(root):
            return f"{name}/{path.relative_to(root).as_posix()}"
    raise ValueError(f"{path} lies under neither root")
