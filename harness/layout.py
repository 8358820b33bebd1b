"""Where things lie: the only place that spells the names of inputs, hubs and records."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from harness.design import View
    from harness.model import CellKey

MANIFEST = "reconstruction_manifest.json"
SKIP_SUMMARY = "skip_summary.json"
STAGE_RECORD = "stage.json"
RED_PROOF = "red/proof.json"
DIGESTS = "digests.json"
PLAN = "real_run/plan"
UNCOMMITTED = "uncommitted.diff"
SEAL = "manifest-sha256.txt"
SUMMARY = "docs/summary.md"
BLOCKER = "docs/blocker.md"
CRATE = "ro-crate-metadata.json"
PROVENANCE = "provenance.intoto.json"
TEST_RESULT = "test-result.intoto.json"
# A stage's statements, and the signed envelope of each: no outputs, since they speak of these.
ENVELOPES = {PROVENANCE: "provenance.dsse.json", TEST_RESULT: "test-result.dsse.json"}
ATTACHED = (*ENVELOPES, *ENVELOPES.values())
DOCUMENTS_DIFF = "docs/documents.diff"
GUIDE_COPY = "TESTING_GUIDE.md"
STUDY_COPY = "study.toml"
FAULTS_COPY = "faults.toml"
CHILD_LOG = "ptychi.log"
JOB_LOG = "run.log"
RECIPE = "recipe.json"
RESULT = "result.json"
RECONSTRUCTION = "reconstruction.npz"
AUTHORITATIVE_COMMANDS = "./docs/TESTING_GUIDE.md"

INITIATIVES = "plans/active"
DEFAULT_STUDY = f"{INITIATIVES}/STUDY-SYNTH-FLY64-DOSE-OVERLAP-001/study.toml"

STAGES = ("red", "green", "collect", "dry-run", "real-run")
RUN_STAGES = ("dry-run", "real-run")
STAGE_DIRECTORIES = {
    "red": "red",
    "green": "green",
    "collect": "collect",
    "dry-run": "cli",
    "real-run": "real_run",
}
# Jobs of another hub, run again; no stage, but a folder with the documents of a run.
REPRODUCE = "reproduce"
REPRODUCTION = "reproduction.json"
# What became of the mutants of the core; no stage either.
MUTATION = "mutation"
MUTATION_RECORD = "mutation.json"
MUTATION_LOG = "mutmut.log"
FOLDERS = {**STAGE_DIRECTORIES, REPRODUCE: REPRODUCE, MUTATION: MUTATION}
RECORDS = {
    **dict.fromkeys(STAGES, STAGE_RECORD),
    REPRODUCE: REPRODUCTION,
    MUTATION: MUTATION_RECORD,
}
RUN_FOLDERS = {name: FOLDERS[name] for name in (*RUN_STAGES, REPRODUCE)}

RED_LOG = "pytest_phase_f_cli_exec_red.log"
GREEN_MAPPED_LOG = "pytest_phase_f_cli_exec_green.log"
GREEN_SUITE_LOG = "pytest_phase_f_cli_suite_green.log"
COLLECT_LOG = "pytest_phase_f_cli_collect.log"
DRY_RUN_LOG = "dry_run.log"
REAL_RUN_LOG = "real_run.log"


def phase_c_input(dose_photons: int, split: str) -> str:
    """Return a Phase C input's place under its root."""
    return f"dose_{dose_photons}/patched_{split}.npz"


def phase_d_input(dose_photons: int, view: str, split: str) -> str:
    """Return a Phase D input's place under its root."""
    return f"dose_{dose_photons}/{view}/{view}_{split}.npz"


def input_npz(key: CellKey, view: View, phase_c_root: PurePath, phase_d_root: PurePath) -> PurePath:
    """Return where a cell's input lies."""
    if view.phase == "C":
        return phase_c_root / phase_c_input(key.dose_photons, key.split)
    return phase_d_root / phase_d_input(key.dose_photons, key.view, key.split)


def job_directory(key: CellKey) -> str:
    """Return a job's place under the artifact root."""
    return f"dose_{key.dose_photons}/{key.view}/{key.split}"


def scratch(initiative: str, preset: str, base_sha256: str | None = None) -> str:
    """Return where generated inputs lie, relative to the repository's root.

    base_sha256: of the base NPZ; inputs of each base lie apart, so that making one set leaves
    alone what a run on another is reading.
    """
    return f"tmp/{initiative}/{inputs_folder(preset, base_sha256)}"


def inputs_folder(preset: str, base_sha256: str | None) -> str:
    """Return the name of the folder of a preset's inputs, made from a base or without one."""
    return f"{preset}-base-{base_sha256[:12]}" if base_sha256 else preset


def study(initiative: str) -> str:
    """Return where an initiative's study file lies, relative to the repository's root."""
    return f"{INITIATIVES}/{initiative}/study.toml"


def reports(initiative: str) -> str:
    """Return where an initiative's hubs lie, relative to the repository's root."""
    return f"{INITIATIVES}/{initiative}/reports"


def timestamp(moment: datetime) -> str:
    """Return a hub's timestamp, UTC to the second: YYYY-MM-DDTHHMMSSZ."""
    return moment.strftime("%Y-%m-%dT%H%M%SZ")
