"""Collect: the tests, targets, sessions and commands are those that the documents tell of."""

from __future__ import annotations

from harness import documented, documents, files
from harness.stages.frame import Stage
from harness.stages.testing import run_pytest


def commands(stage: Stage) -> None:
    """Collect the mapped module's tests, and record documents and facts beside them."""
    request = stage.request
    tests = request.design.tests
    known = documents.facts(request.repository, tests, request.command_lines)
    record = documented.record(documents.texts(request.repository), known)
    files.write_json(request.hub / documented.PATH, record)
    run_pytest(stage, "collect", [tests.module, "--collect-only"], junit=False)
