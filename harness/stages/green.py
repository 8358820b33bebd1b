"""GREEN: the mapped test, then the suite around it, in the working tree."""

from __future__ import annotations

from harness import layout
from harness.stages.frame import Stage
from harness.stages.testing import run_pytest


def commands(stage: Stage) -> None:
    """Run the mapped selector and the suite selector, each into its own log."""
    tests = stage.request.design.tests
    run_pytest(stage, "mapped", [tests.mapped])
    stage.transcript.open(stage.folder / layout.GREEN_SUITE_LOG)
    run_pytest(stage, "suite", [tests.module, "-k", tests.suite_keyword])
