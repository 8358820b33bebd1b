"""The stages: named steps that gate, run, judge and record; one call leaves one sealed stage."""

from harness import layout
from harness.stages import collect, frame, green, red, study_run
from harness.stages.frame import StageRequest

STEPS = {
    "red": frame.Step(layout.RED_LOG, red.commands),
    "green": frame.Step(layout.GREEN_MAPPED_LOG, green.commands),
    "collect": frame.Step(layout.COLLECT_LOG, collect.commands),
    "dry-run": frame.Step(layout.DRY_RUN_LOG, study_run.commands),
    "real-run": frame.Step(layout.REAL_RUN_LOG, study_run.commands),
}

__all__ = ["STEPS", "StageRequest", "run"]


def run(request: StageRequest) -> int:
    """Run the stage that a request names; return its exit code."""
    return frame.run_stage(request, STEPS[request.stage])
