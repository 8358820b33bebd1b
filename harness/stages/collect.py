"""Collect: what pytest finds is what the index and the guide list."""

from __future__ import annotations

from pathlib import Path

from harness import documented, files
from harness.stages.frame import Stage
from harness.stages.testing import run_pytest


def commands(stage: Stage) -> None:
    """Collect the mapped module's tests, and record what the documents list beside them."""
    tests = stage.request.design.tests
    run_pytest(stage, "collect", [tests.module, "--collect-only"], junit=False)
    repository = stage.request.repository
    record = documented.record(
        _text(repository / documented.INDEX),
        _text(repository / documented.GUIDE),
        test_files=[
            path.relative_to(repository).as_posix()
            for path in (repository / "tests").rglob("test_*.py")
        ],
        required_commands=[
            f"pytest {tests.mapped} -vv",
            f"pytest {tests.module} -k {tests.suite_keyword} -vv",
            f"pytest {tests.module} --collect-only -vv",
        ],
    )
    files.write_json(stage.folder / "documented.json", record)


def _text(path: Path) -> str:
    """Return a document's text; an absent one lists nothing, which the judge then finds."""
    return path.read_text(encoding="utf-8") if path.is_file() else ""
