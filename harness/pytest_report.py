"""A pytest plugin that writes what was collected, deselected, skipped and broken, as JSON.

Load it with `-p harness.pytest_report --collection-report PATH`.  JUnit XML says how tests
ended, not which were left out; and only pytest knows for sure which package it imported.
JUnit XML also names the host; a hub names none, so the plugin keeps it out.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FORMAT = "harness.collection/1"
EXCUSES = ("skip", "skipif", "xfail")
MESSAGE_LIMIT = 2000


def pytest_addoption(parser: Any) -> None:
    """Add the option that names the report."""
    parser.getgroup("harness").addoption(
        "--collection-report", metavar="PATH", help="write what was collected to PATH, as JSON"
    )


def pytest_configure(config: Any) -> None:
    """Start to take notes if a report is asked for."""
    path = config.getoption("--collection-report")
    if path:
        notes = CollectionNotes(Path(path).absolute(), config.rootpath)
        config.pluginmanager.register(notes, "harness-collection-notes")


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish() -> Iterator[None]:
    """Let the reports be written without the host's name."""
    real = platform.node
    platform.node = lambda: ""
    try:
        return (yield)
    finally:
        platform.node = real


class CollectionNotes:
    """Take notes during one pytest session and write them when it finishes."""

    def __init__(self, path: Path, rootpath: Path) -> None:
        self._path = path
        self._local = _comes_from(rootpath)
        self._found: dict[str, list[str]] = {}
        self._kept: list[str] = []
        self._skipped: list[str] = []
        self._errors: list[dict[str, str]] = []

    def pytest_itemcollected(self, item: Any) -> None:
        """Note a test as it is found, before anything can leave it out."""
        marks = sorted({mark.name for mark in item.iter_markers() if mark.name in EXCUSES})
        self._found[item.nodeid] = marks

    def pytest_collectreport(self, report: Any) -> None:
        """Note a module, class or folder that could not be collected or skipped itself."""
        if report.failed:
            message = str(report.longrepr)[-MESSAGE_LIMIT:]
            self._errors.append({"node_id": report.nodeid, "message": message})
        elif report.skipped:
            self._skipped.append(report.nodeid)

    def pytest_collection_finish(self, session: Any) -> None:
        """Note the tests that are left."""
        self._kept = [item.nodeid for item in session.items]

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Write the report."""
        kept = set(self._kept)
        report = {
            "format": FORMAT,
            "collected": self._kept,
            "deselected": [node_id for node_id in self._found if node_id not in kept],
            "skipped": self._skipped,
            "errors": self._errors,
            "marked": {node_id: marks for node_id, marks in self._found.items() if marks},
            "harness_is_local": self._local,
            "returncode": int(exitstatus),
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        temporary.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        temporary.replace(self._path)


def _comes_from(rootpath: Path) -> bool:
    """Return True when the package under test lies in the tree whose tests run."""
    package = Path(sys.modules[__name__].__file__ or "").resolve().parent
    return package == (rootpath / "harness").resolve()
