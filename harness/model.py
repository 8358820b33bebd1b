"""Frozen values that every layer speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

LARGEST_SEED = 2**32 - 1  # of a reconstruction: numpy's legacy seed, which pty-chi sets
# Whether halves of the frames are reconstructed too, and which frames each has.
HALVES = ("none", "alternate")
# Arrays of reconstruction.npz: the objects, each from one half of the frames.
HALF_OBJECTS = ("object_half_a", "object_half_b")
# In reconstruction.npz: probe centres, object pixels.
POSITIONS = ("positions_x_px", "positions_y_px")
# The module that reconstructs, and the packages that it cannot do without (POLICY-001).
CHILD = "harness.jobs.ptychi_lsqml"
CHILD_NEEDS = ("torch", "ptychi")
OLDEST_TORCH = (2, 2)


@dataclass(frozen=True, slots=True, order=True)
class CellKey:
    """One (dose, view, split) of a study; `dose_photons` is mean photons per frame."""

    dose_photons: int
    view: str
    split: str

    def __str__(self) -> str:
        return f"dose_{self.dose_photons}/{self.view}/{self.split}"

    def as_record(self) -> dict[str, Any]:
        """Return the key under the names that manifests use."""
        return {"dose": self.dose_photons, "view": self.view, "split": self.split}


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation as a value.

    rule: id from `harness.rules`.  where: file, as the reader knows it (relative).
    pointer: array key or JSON pointer inside the file, "" for the whole file.
    """

    rule: str
    where: str
    pointer: str
    expected: str
    found: str
    severity: str = "error"

    def as_record(self) -> dict[str, str]:
        """Return the finding as JSON-ready data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Skip:
    """A cell that is not run, with every reason."""

    key: CellKey
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gate:
    """A named check that must hold before a stage may pass."""

    name: str
    checked: int
    findings: tuple[Finding, ...] = ()
    subject_sha256: str | None = None

    @property
    def passed(self) -> bool:
        """True when no finding is an error; a note does not close a gate."""
        return not any(finding.severity == "error" for finding in self.findings)

    def as_record(self) -> dict[str, Any]:
        """Return the gate as it stands in stage.json."""
        return {
            "name": self.name,
            "verdict": "pass" if self.passed else "fail",
            "checked": self.checked,
            "subject_sha256": self.subject_sha256,
            "findings": [finding.as_record() for finding in self.findings],
        }


@dataclass(frozen=True, slots=True)
class ReconstructionSettings:
    """What is asked of the child, the same for every job of a run.

    recipe: as `harness.recipe.resolve` gives it.
    """

    recipe: Mapping[str, Any]
    seed: int = 0
    device: str = "auto"
    halves: str = HALVES[0]


@dataclass(frozen=True, slots=True)
class ReconstructionJob:
    """One cell with all that its child process needs.

    input_npz and output_dir are paths; log_path is where the child's words go.
    input_sha256: digest of the input as it was described before the launch ("" before that).
    program: what follows the interpreter; replaced only by tests and other executors.
    """

    key: CellKey
    input_npz: str
    output_dir: str
    log_path: str
    settings: ReconstructionSettings
    gridsize: int = 1
    input_sha256: str = ""
    program: tuple[str, ...] = ("-u", "-m", CHILD)
