"""When a stage, its commands and its jobs were: each within what it belongs to, and as long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness import records
from harness.crosscheck import CLOCK_SLACK_S, is_within, seconds_between
from harness.model import Finding
from harness.rules import finding

RULE = "hub.within"

Record = Mapping[str, Any]
Span = tuple[str, str]


def span(record: Record) -> Span:
    """Return when something began and ended."""
    return record["started_at"], record["finished_at"]


def check(record: Record, document: Record, *, where: str) -> Iterator[Finding]:
    """Yield what a run did outside its command, and its manifest outside the stage.

    record: of a stage, or of a reproduction, which has no command.
    """
    whole, ran = span(record), span(record)
    for command in record["commands"]:
        if command["name"] == "reconstruction":
            ran = span(command)
    yield from _outside(
        where, "/created_at", (document["created_at"], document["updated_at"]), whole
    )
    for index, result in enumerate(document["execution_results"]):
        if None not in span(result):
            yield from _outside(where, f"/execution_results/{index}/started_at", span(result), ran)


def of_stage(record: Record) -> Iterator[Finding]:
    """Yield where a command lies outside its stage, or took another time than from start to end.

    record: of a stage, which goes on to hash and to judge when its time has been taken.
    """
    place, spent_s = records.stage_path(record["stage"]), seconds_between(*span(record))
    if record["elapsed_s"] > spent_s + CLOCK_SLACK_S:
        yield _elapsed(place, "", f"at most {spent_s:.3f} s", record)
    for index, command in enumerate(record["commands"]):
        yield from _outside(place, f"/commands/{index}/started_at", span(command), span(record))
        spent_s = seconds_between(*span(command))
        if abs(command["elapsed_s"] - spent_s) > CLOCK_SLACK_S:
            yield _elapsed(place, f"/commands/{index}", f"{spent_s:.3f} s", command)


def _elapsed(where: str, pointer: str, expected: str, record: Record) -> Finding:
    found, pointer = f"{record['elapsed_s']} s", f"{pointer}/elapsed_s"
    return finding("hub.elapsed", where=where, pointer=pointer, expected=expected, found=found)


def _outside(where: str, pointer: str, inner: Span, outer: Span) -> Iterator[Finding]:
    if not is_within(inner, outer):
        expected, found = (f"{start} to {end}" for start, end in (outer, inner))
        yield finding(
            RULE, where=where, pointer=pointer, expected=f"within {expected}", found=found
        )
