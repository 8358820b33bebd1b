"""A check that breaks becomes a finding, so that what the others find is told all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from harness.canonical import short
from harness.errors import HarnessError
from harness.model import Finding
from harness.rules import finding

HUB = "."


def found(
    check: str, work: Callable[..., Iterable[Finding]], *given: Any, where: str = HUB
) -> tuple[Finding, ...]:
    """Return what a check finds; where it breaks, also that it did, on what, and why.

    check: its name, as a reader knows it.  where: what it looks into.
    """
    findings: list[Finding] = []
    try:
        # What was found before it broke stays.
        findings.extend(work(*given))
    except HarnessError:
        raise
    except Exception as error:  # noqa: BLE001 - the bytes of a hub may be anything
        findings.append(broken(check, error, where))
    return tuple(findings)


def broken(check: str, error: Exception, where: str = HUB) -> Finding:
    """Return that a check of a hub broke, and why."""
    return finding(
        "hub.unreadable",
        where=where,
        pointer=f"check of {check}",
        expected="what can be checked",
        found=short(f"{type(error).__name__}: {error}"),
    )
