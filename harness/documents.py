"""Read the documents of a tree and the facts that they must agree with."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from harness import documented, surface
from harness.design import MappedTests
from harness.surface import CommandLine, Surface


def texts(repository: Path) -> dict[str, str]:
    """Return the documents of which a program owns tables; an absent one lists nothing."""
    return {path: _text(repository / path) for path in documented.DOCUMENTS}


def facts(
    repository: Path, tests: MappedTests, command_lines: Iterable[CommandLine]
) -> dict[str, Any]:
    """Return what the documents must agree with, but for the tests that pytest collects."""
    makefile = _text(repository / "Makefile")
    offered = Surface(
        surface.make_targets(makefile),
        surface.make_variables(makefile),
        surface.nox_sessions(_text(repository / "noxfile.py")),
        tuple(command_lines),
    )
    decisions = (repository / documented.DECISIONS).parent.glob("[0-9]*.md")
    return documented.facts(
        offered,
        module=tests.module,
        test_files={
            path.relative_to(repository).as_posix(): _text(path)
            for path in (repository / "tests").rglob("*.py")
            if fnmatch(path.name, "test_*.py") or fnmatch(path.name, "*_test.py")
        },
        decisions={path.name: _text(path) for path in decisions},
        required_commands=[
            f"pytest {tests.mapped} -vv",
            f"pytest {tests.module} -k {tests.suite_keyword} -vv",
            f"pytest {tests.module} --collect-only -vv",
        ],
    )


def _text(path: Path) -> str:
    """Return a file's text; a byte that is no UTF-8 is shown as such, no error."""
    return path.read_bytes().decode(errors="replace") if path.is_file() else ""
