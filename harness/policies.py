"""Which policies of docs/findings.md a stage exercises: they follow from its name. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness import wording
from harness.model import Finding
from harness.rules import finding

POLICIES = ("POLICY-001", "CONFIG-001", "DATA-001", "OVERSAMPLING-001")


def of_stage(stage: str) -> list[str]:
    """Return the policies that a stage exercises; only a real run needs torch."""
    return [name for name in POLICIES if name != "POLICY-001" or stage == "real-run"]


def check(record: Mapping[str, Any], *, where: str) -> Iterator[Finding]:
    """Yield where the record of a stage names other policies than its stage exercises."""
    due, found = of_stage(record["stage"]), record["policies"]
    if found != due:
        words = {"expected": wording.said(due), "found": wording.said(found)}
        yield finding("hub.policies", where=where, pointer="/policies", **words)
