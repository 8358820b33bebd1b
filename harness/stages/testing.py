"""What the test stages share: the pytest command with its structured reports."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness import files, guide, provenance
from harness.stages.frame import Stage

TIMEOUT_S = 600.0
SCRATCH = "scratch"
ENVIRONMENT = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def pytest_argv(
    selector: Sequence[str], report: Path, *, junit: bool, scratch: str = SCRATCH
) -> list[str]:
    """Return the command of one pytest run that leaves its reports under `report` + suffix.

    scratch: where tests make their temporary folders, relative to the run's own folder; pytest's
    own choice would put the user's name into logs and reports.
    """
    words = [
        sys.executable,
        "-m",
        "pytest",
        *selector,
        "-vv",
        *guide.PLUGINS,
        f"--basetemp={scratch}",
    ]
    words.append(f"--collection-report={collection_path(report)}")
    if junit:
        words.append(f"--junit-xml={junit_path(report)}")
    return words


def collection_path(report: Path) -> Path:
    """Return where the collection report of a run lies."""
    return report.with_name(report.name + ".collection.json")


def junit_path(report: Path) -> Path:
    """Return where the JUnit report of a run lies."""
    return report.with_name(report.name + ".junit.xml")


def reports(report: Path, *, junit: bool) -> dict[str, Path]:
    """Return the reports that a run left, by kind; one that it did not leave is not named.

    Paths of this machine are shortened in them, as they are in the logs.
    """
    candidates = {"collection": collection_path(report)}
    if junit:
        candidates["junit"] = junit_path(report)
    left = {kind: path for kind, path in candidates.items() if path.is_file()}
    for path in left.values():
        files.replace(path, provenance.redact(path.read_bytes()))
    return left


def run_pytest(stage: Stage, name: str, selector: Sequence[str], *, junit: bool = True) -> Path:
    """Run pytest in the working tree for a stage; return the stem of its reports."""
    report = stage.folder / name
    with tempfile.TemporaryDirectory(prefix="pytest-", dir=Path("tmp")) as scratch:
        stage.transcript.run(
            name,
            pytest_argv(selector, report, junit=junit, scratch=f"{scratch}/{SCRATCH}"),
            find_reports=lambda: reports(report, junit=junit),
            environment=ENVIRONMENT,
            timeout_s=TIMEOUT_S,
        )
    return report
