"""What a pytest session collected, as `harness.pytest_report` wrote it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness import canonical
from harness.canonical import short
from harness.model import Finding
from harness.rules import finding

FORMAT = "harness.collection/1"


@dataclass(frozen=True, slots=True)
class CollectionError:
    """A module, class or folder that could not be collected, with its last words."""

    node_id: str
    message: str


@dataclass(frozen=True, slots=True)
class Collection:
    """Node ids by what became of them.

    deselected: found and left out, by a keyword or by a hook.  skipped: modules that skipped
    themselves.  marked: tests whose marks may excuse a failure (skip, skipif, xfail).
    harness_is_local: the harness imported was the one beside the tests.
    returncode: pytest's; None where the report could not be read, and `findings` says why.
    """

    collected: tuple[str, ...] = ()
    deselected: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    errors: tuple[CollectionError, ...] = ()
    marked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    harness_is_local: bool = False
    returncode: int | None = None
    findings: tuple[Finding, ...] = ()


def read(data: bytes, *, where: str) -> Collection:
    """Return what a collection report says; a damaged one is a finding, never an exception."""
    try:
        report = canonical.parse(data)
    except ValueError as error:
        return _damaged(where, "", "JSON", str(error))
    if not isinstance(report, dict) or report.get("format") != FORMAT:
        return _damaged(where, "/format", FORMAT, short(report))
    for key, is_sound in _SHAPES.items():
        if not is_sound(report.get(key)):
            return _damaged(where, f"/{key}", "what harness.pytest_report writes", short(report))
    return Collection(
        collected=tuple(report["collected"]),
        deselected=tuple(report["deselected"]),
        skipped=tuple(report["skipped"]),
        errors=tuple(CollectionError(**error) for error in report["errors"]),
        marked={node_id: tuple(marks) for node_id, marks in report["marked"].items()},
        harness_is_local=report["harness_is_local"],
        returncode=report["returncode"],
    )


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _errors(value: Any) -> bool:
    keys = {"node_id", "message"}
    return isinstance(value, list) and all(
        isinstance(each, dict) and set(each) == keys and _texts([*each.values()]) for each in value
    )


def _marks(value: Any) -> bool:
    return isinstance(value, dict) and all(_texts(marks) for marks in value.values())


_SHAPES: dict[str, Callable[[Any], bool]] = {
    "collected": _texts,
    "deselected": _texts,
    "skipped": _texts,
    "errors": _errors,
    "marked": _marks,
    "harness_is_local": lambda value: isinstance(value, bool),
    "returncode": lambda value: isinstance(value, int) and not isinstance(value, bool),
}


def _damaged(where: str, pointer: str, expected: str, found: str) -> Collection:
    violation = finding(
        "collect.report", where=where, pointer=pointer, expected=expected, found=found
    )
    return Collection(findings=(violation,))
