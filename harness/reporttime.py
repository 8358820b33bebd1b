"""When a test report was written, how long its tests took and where: held to its command. Pure.

pytest tells the start of its session and, by a clock that nobody sets, how long that and each
test took.  Its tests run one after another: the stages load no plugin that would do otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from harness import junit
from harness.crosscheck import CLOCK_SLACK_S, seconds_between
from harness.model import Finding
from harness.records import Read
from harness.rules import finding

RULE = "hub.report"
ROUNDED_S = 0.001  # pytest and the harness write whole milliseconds
# Reports of the tree as it stands; in a changed one, what keeps the host's name out may be changed.
UNCHANGED = ("mapped", "suite", "as-it-stands")

Record = Mapping[str, Any]


def check(record: Record, read: Read) -> Iterator[Finding]:
    """Yield where a stage's test reports tell another time than their commands, or a host.

    A report that is lost or damaged is judged elsewhere.
    """
    for command in record["commands"]:
        for kind, path in command["reports"].items():
            data = read(path)
            if kind == "junit" and data is not None:
                yield from _of_report(junit.parse(data), command, path)


def _of_report(report: junit.Report, command: Record, path: str) -> Iterator[Finding]:
    if not report.findings:
        for suite in report.suites:
            yield from _of_suite(suite, command, path)
        yield from _one_after_another(report, path)


def _of_suite(suite: junit.Suite, command: Record, path: str) -> Iterator[Finding]:
    if command["name"] in UNCHANGED and suite.host:
        yield _told(path, "hostname", "no host", suite.host)
    spent_s, began = suite.seconds, _time(suite.timestamp)
    if began is None:
        yield _told(path, "timestamp", "a time with its zone", suite.timestamp)
    if spent_s is None:
        yield _told(path, "time", "seconds", suite.time)
    if began is None or spent_s is None:
        return
    most_s = command["elapsed_s"]
    if spent_s > most_s + 2 * ROUNDED_S:
        yield _told(path, "time", f"at most {most_s} s, the time of its command", f"{spent_s} s")
    start, end = command["started_at"], command["finished_at"]
    after_s = (began - datetime.fromisoformat(start)).total_seconds()
    ended_s = after_s + min(spent_s, most_s)
    if after_s < -CLOCK_SLACK_S or ended_s > seconds_between(start, end) + CLOCK_SLACK_S:
        found = f"{suite.timestamp} and {spent_s} s"
        yield _told(path, "timestamp", f"within {start} to {end}", found)


def _one_after_another(report: junit.Report, path: str) -> Iterator[Finding]:
    """Yield where the tests of a report took longer than all of it."""
    whole_s = [suite.seconds for suite in report.suites]
    if None in whole_s:
        return
    spent_s = math.fsum(each.seconds for each in report.outcomes)
    if spent_s > sum(whole_s) + ROUNDED_S * (len(report.outcomes) + 1):
        expected = f"at least {spent_s:.3f} s, the time of its tests"
        yield _told(path, "time", expected, f"{sum(whole_s)} s")


def _time(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment


def _told(path: str, name: str, expected: str, found: str) -> Finding:
    pointer = f"testsuite/@{name}"
    return finding(RULE, where=path, pointer=pointer, expected=expected, found=found)
