"""The dry-run and real-run stages: the study's own command, planned or in earnest."""

from __future__ import annotations

import sys

from harness import provenance
from harness.stages.frame import Stage


def commands(stage: Stage) -> None:
    """Run `python -m harness.reconstruction` with the stage's folder as artifact root."""
    request = stage.request
    argv = [
        sys.executable,
        "-u",
        "-m",
        "harness.reconstruction",
        "--phase-c-root",
        str(stage.roots.phase_c),
        "--phase-d-root",
        str(stage.roots.phase_d),
        "--artifact-root",
        provenance.portable(stage.folder.absolute()),
        *request.words,
    ]
    if request.stage == "dry-run":
        argv.append("--dry-run")
    stage.transcript.run("reconstruction", argv)
