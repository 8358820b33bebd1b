"""The dry-run and real-run stages: the study's own command, planned or in earnest."""

from __future__ import annotations

import sys
from pathlib import Path

from harness import canonical, layout, plan, provenance, publish
from harness.errors import InputInvalid
from harness.rules import finding
from harness.runner import Completed
from harness.stages.frame import Stage


def commands(stage: Stage) -> None:
    """Run `python -m harness.reconstruction` with the stage's folder as artifact root.

    A real run follows a plan, its hub's dry run or one that is made first; where it would deviate
    InputInvalid names how, and nothing is launched.
    """
    if stage.request.stage == "dry-run":
        _reconstruct(stage, "reconstruction", stage.folder, "--dry-run")
    elif _follow_plan(stage):
        _reconstruct(stage, "reconstruction", stage.folder)


def _reconstruct(stage: Stage, name: str, artifact_root: Path, *more: str) -> Completed:
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
        provenance.portable(artifact_root.absolute()),
        *stage.request.words,
        *more,
    ]
    return stage.transcript.run(name, argv)


def _follow_plan(stage: Stage) -> bool:
    """Cite the plan, made first where the hub has none; return whether the run may start."""
    root = stage.request.hub
    read = publish.reader(root)
    path = plan.place(read, stage.started_at)
    if path.startswith(f"{layout.PLAN}/"):
        (root / layout.PLAN).mkdir()
        if _reconstruct(stage, "plan", root / layout.PLAN, "--dry-run").returncode != 0:
            return False
    data = read(path)
    if data is None:
        gone = finding(plan.RULE, where=path, expected="the dry run's plan", found="no such file")
        raise InputInvalid("the hub's dry run left no plan; nothing is launched", [gone])
    stage.plan = plan.cite(path, data)
    found = plan.deviations(canonical.parse(data), stage.document, where=path)
    if found:
        raise InputInvalid("the real run deviates from its plan; nothing is launched", found)
    stage.transcript.say(f"# follows the plan {path}, sha256 {stage.plan['sha256']}")
    return True
