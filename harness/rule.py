"""A rule of the register."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """What a rule guards, what to do when it fires, and whether it stops the work."""

    guards: str
    remedy: str
    severity: str = "error"
