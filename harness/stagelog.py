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
            yield from _totals(command, lines, junit.parse(report, where=""))


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
    command: Mapping[str, Any], lines: Sequence[bytes], report: junit.Report
) -> Iterator[Finding]:
    """Yield where pytest's last summary counts otherwise than its report."""
    found = [match[1] for line in lines if (match := _SUMMARY.fullmatch(line))]
    counted = {word.decode(): int(n) for n, word in _COUNT.findall(found[-1])} if found else {}
    for name in (junit.PASSED, junit.FAILED, junit.ERROR):
        total = sum(outcome.outcome == name for outcome in report.outcomes)
        if counted.get(name, 0) != total:
            yield _told(command, f"{total} {name}", f"{counted.get(name, 0)} {name}")


def _told(command: Mapping[str, Any], expected: str, found: str) -> Finding:
    place = {"where": command["log_path"], "pointer": command["name"]}
    return finding("stage.log", **place, expected=expected, found=found)
