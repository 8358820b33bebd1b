"""What a stage's log says of its commands: how each ended, and what pytest counted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness import junit
from harness.errors import describe_returncode
from harness.model import Finding
from harness.records import Read
from harness.rules import finding

COMMAND, ENDED = b"# command: ", b"# ended: "
NOTHING = "no closing line"

NO_TEST = "no such test"
_HEAD = re.compile(rb"platform \S+ -- Python ([^,\s\[]+)\S*, pytest-([^,\s]+)")
_ENDED_TEST = re.compile(rb"(\S+\.py::.+) (PASSED|FAILED|ERROR)\s*\[ *[0-9]+%\]")
_SECTION = re.compile(rb"=+ (?:FAILURES|ERRORS) =+")
_SUMMARY = re.compile(rb"=+ (.+) in [0-9.]+s(?: \([0-9:]+\))? =+")
_COUNT = re.compile(rb"([0-9]+) (passed|failed|error)s?\b")


def findings(record: Mapping[str, Any], read: Read) -> Iterator[Finding]:
    """Yield each command whose log ends otherwise than its record and its report say."""
    commands = record["commands"]
    starts = {COMMAND + " ".join(command["argv"]).encode() for command in commands}
    for command in commands:
        lines = _own_lines(read(command["log_path"]) or b"", command["argv"], starts)
        said = _ended(lines)
        did = describe_returncode(command["returncode"])
        if said != did:
            yield _told(command, did, said)
        report = read(command["reports"].get("junit", ""))
        if report is not None and command["returncode"] in (0, 1):
            outcomes = junit.parse(report, where="").outcomes
            yield from _totals(command, lines, outcomes)
            yield from _each(command, lines, outcomes)
            yield from _versions(command, lines, record["versions"])


def _own_lines(log: bytes, argv: Sequence[str], starts: set[bytes]) -> list[bytes]:
    """Return the lines of a log from a command's own first line to the next command's."""
    own = COMMAND + " ".join(argv).encode()
    kept: list[bytes] = []
    inside = False
    for line in log.split(b"\n"):
        if line in starts:
            inside = line == own
        elif inside:
            kept.append(line)
    return kept


def _ended(lines: Sequence[bytes]) -> str:
    last = next((line for line in reversed(lines) if line.startswith(ENDED)), None)
    if last is None:
        return NOTHING
    return last.removeprefix(ENDED).decode(errors="replace").partition(" at ")[0]


def _totals(
    command: Mapping[str, Any], lines: Sequence[bytes], outcomes: Sequence[junit.TestOutcome]
) -> Iterator[Finding]:
    """Yield where pytest's last summary counts otherwise than its report."""
    found = [match[1] for line in lines if (match := _SUMMARY.fullmatch(line))]
    counted = {word.decode(): int(n) for n, word in _COUNT.findall(found[-1])} if found else {}
    for name in (junit.PASSED, junit.FAILED, junit.ERROR):
        total = sum(outcome.outcome == name for outcome in outcomes)
        if counted.get(name, 0) != total:
            yield _told(command, f"{total} {name}", f"{counted.get(name, 0)} {name}")


def _each(
    command: Mapping[str, Any], lines: Sequence[bytes], outcomes: Sequence[junit.TestOutcome]
) -> Iterator[Finding]:
    """Yield each test of which pytest says in its log, as it ends, what its report does not."""
    reported = {each.node_id: each.outcome for each in outcomes}
    for line in lines:
        if _SECTION.fullmatch(line):
            # What failed is shown below, with all that it had said.
            return
        match = _ENDED_TEST.fullmatch(line)
        if match is None:
            continue
        test, did = match[1].decode(errors="replace"), match[2].decode().lower()
        outcome = reported.get(test, NO_TEST)
        # A test that passed and whose end broke stands in the log twice, in the report once.
        if did != outcome and outcome != junit.ERROR:
            place = {"where": command["log_path"], "pointer": f"{command['name']}: {test}"}
            yield finding("stage.log", **place, expected=outcome, found=did)


def _versions(
    command: Mapping[str, Any], lines: Sequence[bytes], versions: Mapping[str, str | None]
) -> Iterator[Finding]:
    """Yield each version that pytest says in its log and the stage's record does not."""
    head = next((match for line in lines if (match := _HEAD.match(line))), None)
    if head is None:
        return
    for name, said in (("Python", head[1]), ("pytest", head[2])):
        known, did = versions.get(name.lower()), said.decode()
        if did != known:
            yield _told(command, f"{name} {known}", f"{name} {did}")


def _told(command: Mapping[str, Any], expected: str, found: str) -> Finding:
    place = {"where": command["log_path"], "pointer": command["name"]}
    return finding("stage.log", **place, expected=expected, found=found)
