"""What the documents say of the tests, as a record, and its comparison with what is collected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from harness import testindex
from harness.collection import Collection
from harness.model import Finding
from harness.rules import from_record
from harness.testindex import Row

FORMAT = "harness.documented/1"
INDEX = "docs/development/TEST_SUITE_INDEX.md"
GUIDE = "docs/TESTING_GUIDE.md"


def record(
    index_text: str,
    guide_text: str,
    *,
    test_files: Iterable[str],
    required_commands: Iterable[str],
) -> dict[str, Any]:
    """Return what index and guide list, beside what they ought to list besides the tests.

    test_files: the test files of the tree.  required_commands: commands the guide must show.
    """
    index = testindex.parse_index(index_text, where=INDEX)
    guide = testindex.parse_guide(guide_text, where=GUIDE)
    return {
        "format": FORMAT,
        "tests": [asdict(row) for row in index.tests],
        "files": [asdict(row) for row in index.files],
        "selectors": [asdict(row) for row in guide.selectors],
        "commands": list(guide.commands),
        "test_files": sorted(test_files),
        "required_commands": list(required_commands),
        "findings": [item.as_record() for item in (*index.findings, *guide.findings)],
    }


def compare(collected: Collection, documented: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Return every difference between what is collected and what the documents list."""
    rows = {name: [Row(**row) for row in documented[name]] for name in ("tests", "files")}
    selectors = [Row(**row) for row in documented["selectors"]]
    return (
        *(from_record(item) for item in documented["findings"]),
        *testindex.compare(collected.collected, rows["tests"], where=INDEX),
        *testindex.compare(documented["test_files"], rows["files"], where=INDEX),
        *testindex.check_selectors(collected.collected, selectors, where=GUIDE),
        *testindex.missing_commands(
            documented["required_commands"], documented["commands"], where=GUIDE
        ),
    )
