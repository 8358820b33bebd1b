r"""The test index and the testing guide as values, held against what pytest collects.

Markdown convention: what a program compares stands as table rows between two marker lines, each
alone on its line; everything else is for people.  The first cell is code in backticks, the second
a purpose in plain words; a pipe in it is written `\|`.

    <!-- tests:begin -->
    | test | what it shows |
    | --- | --- |
    | `tests/study/test_x.py::test_a` | the log is kept |
    <!-- tests:end -->

`docs/development/TEST_SUITE_INDEX.md` has the blocks `tests` (node ids of the mapped module,
without parameters) and `files` (test files, relative to the repository); `docs/TESTING_GUIDE.md`
has the block `selectors` (pytest commands), and its ```bash blocks hold commands, one a line;
a comment stands on a line of its own or after a command, and a backslash continues a line.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.model import Finding
from harness.rules import finding

_ROW = re.compile(r"\| `(?P<subject>[^`]+)` \|(?P<purpose>(?:[^|\\]|\\.)*)\|")
_HEADING_LINES = 2
_FENCE = re.compile(r"(?P<fence>```|~~~)(?P<language>\w*)\s*")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a node id, file or command, its purpose, and its line (from 1) in the document."""

    subject: str
    purpose: str = ""
    line: int = 0

    def as_markdown(self) -> str:
        """Return the row as it stands in the document."""
        purpose = self.purpose.replace("\\", "\\\\").replace("|", "\\|")
        return f"| `{self.subject}` | {purpose} |"


@dataclass(frozen=True, slots=True)
class Index:
    """The test index: tests of the mapped module, test files, and what is wrong with it."""

    tests: tuple[Row, ...]
    files: tuple[Row, ...]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Guide:
    """The testing guide: commands of its bash blocks, selectors, and what is wrong with it."""

    commands: tuple[str, ...]
    selectors: tuple[Row, ...]
    findings: tuple[Finding, ...] = ()


def parse_index(text: str, *, where: str) -> Index:
    """Return the rows of the blocks `tests` and `files`; damage is a finding, no exception."""
    tests, test_findings = _block(text, "tests", where)
    files, file_findings = _block(text, "files", where)
    return Index(tests, files, test_findings + file_findings)


def parse_guide(text: str, *, where: str) -> Guide:
    """Return the commands of the bash blocks and the rows of the block `selectors`."""
    selectors, findings = _block(text, "selectors", where)
    commands, closed = _commands(text)
    if not closed:
        findings += (_markers(where, "every code block closed", "one left open"),)
    return Guide(commands, selectors, findings)


def without_parameters(node_ids: Iterable[str]) -> tuple[str, ...]:
    """Return the tests of these cases, each once, in their order."""
    return tuple(dict.fromkeys(node_id.partition("[")[0] for node_id in node_ids))


def compare(collected: Iterable[str], listed: Sequence[Row], *, where: str) -> tuple[Finding, ...]:
    """Return the lines to add to a block and the lines to remove from it.

    collected: node ids (parameters are ignored) or files.
    """
    subjects = without_parameters(collected)
    known = {row.subject for row in listed}
    findings = [
        finding(
            "collect.listed",
            where=where,
            expected=f"the line {Row(subject).as_markdown()}",
            found="no such line",
        )
        for subject in subjects
        if subject not in known
    ]
    seen: set[str] = set()
    for row in listed:
        rule = "collect.row-twice" if row.subject in seen else "collect.stale"
        if row.subject in seen or row.subject not in subjects:
            place = {"where": where, "pointer": f"line {row.line}"}
            findings.append(
                finding(rule, **place, expected="no such line", found=row.as_markdown())
            )
        seen.add(row.subject)
    return tuple(findings)


def check_selectors(
    collected: Sequence[str], selectors: Iterable[Row], *, where: str
) -> tuple[Finding, ...]:
    """Return the selectors of the guide that select nothing of what is collected.

    Understood: `pytest` or `python -m pytest`, files, folders, node ids, and -k with one word.
    """
    return tuple(
        finding(
            "collect.selector",
            where=where,
            pointer=f"line {row.line}",
            expected="a pytest command of which every part selects tests",
            found=row.subject,
        )
        for row in selectors
        if not _selects(collected, row.subject)
    )


def missing_commands(
    required: Iterable[str], listed: Iterable[str], *, where: str
) -> tuple[Finding, ...]:
    """Return the required commands that the guide does not list, compared word by word."""
    known = {_words(command) for command in listed}
    return tuple(
        finding(
            "collect.command",
            where=where,
            expected=f"the command {command}",
            found="no such command in a bash block",
        )
        for command in required
        if _words(command) not in known
    )


def render_index_rows(collected: Iterable[str], known: Iterable[Row]) -> tuple[str, ...]:
    """Return the rows that list what is collected, with the purposes already written."""
    purposes = {row.subject: row.purpose for row in known}
    subjects = without_parameters(collected)
    return tuple(Row(subject, purposes.get(subject, "")).as_markdown() for subject in subjects)


def replace_rows(text: str, name: str, rows: Sequence[str]) -> str:
    """Return the document with the rows of one block replaced, its heading and all else kept.

    Raises ValueError where the block's markers are not there.
    """
    lines = text.split("\n")
    span = _span(lines, name)
    if span is None:
        raise ValueError(f"no lines <!-- {name}:begin --> and <!-- {name}:end -->")
    first, end = span
    return "\n".join([*lines[: first + _HEADING_LINES], *rows, *lines[end:]])


def _span(lines: Sequence[str], name: str) -> tuple[int, int] | None:
    """Return the first line after the opening marker and the line of the closing one."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    stripped = [line.strip() for line in lines]
    if stripped.count(begin) != 1 or stripped.count(end) != 1:
        return None
    span = stripped.index(begin) + 1, stripped.index(end)
    return span if span[0] <= span[1] else None


def _block(text: str, name: str, where: str) -> tuple[tuple[Row, ...], tuple[Finding, ...]]:
    lines = text.split("\n")
    span = _span(lines, name)
    if span is None:
        expected = f"one line <!-- {name}:begin --> and after it one <!-- {name}:end -->"
        return (), (_markers(where, expected, "no such pair"),)
    rows: list[Row] = []
    findings: list[Finding] = []
    for number in range(span[0] + _HEADING_LINES, span[1]):
        match = _ROW.fullmatch(lines[number].strip())
        if match:
            purpose = re.sub(r"\\(.)", r"\1", match["purpose"].strip())
            rows.append(Row(match["subject"], purpose, number + 1))
        else:
            findings.append(_no_row(where, number + 1, lines[number]))
    return tuple(rows), tuple(findings)


def _commands(text: str) -> tuple[tuple[str, ...], bool]:
    """Return the commands of the bash blocks, and whether every block is closed."""
    commands: list[str] = []
    fence, language, pending = "", "", ""
    for line in text.split("\n"):
        match = _FENCE.fullmatch(line.strip())
        if not fence and match:
            fence, language = match["fence"], match["language"]
        elif fence and line.strip() == fence:
            fence, pending = "", ""
        elif fence and language == "bash":
            pending += line.strip()
            if pending.endswith("\\"):
                pending = pending[:-1].rstrip() + " "
                continue
            if pending and not pending.startswith("#"):
                commands.append(pending)
            pending = ""
    return tuple(commands), not fence


def _words(command: str) -> tuple[str, ...]:
    """Return a command's words as a shell splits them; a broken one is one word."""
    try:
        return tuple(shlex.split(command, comments=True))
    except ValueError:
        return (command,)


def _selects(collected: Sequence[str], selector: str) -> bool:
    words = list(_words(selector))
    if words[:2] == ["python", "-m"]:
        words = words[2:]
    if words[:1] != ["pytest"]:
        return False
    keyword, targets = "", []
    rest: Iterator[str] = iter(words[1:])
    for word in rest:
        if word == "-k":
            keyword = next(rest, "")
        elif word.startswith("-k"):
            keyword = word[2:].removeprefix("=")
        elif not word.startswith("-"):
            targets.append(word)
    return all(
        any(_lies_in(each, target) and selects(each, keyword) for each in collected)
        for target in targets or [""]
    )


def selects(node_id: str, keyword: str) -> bool:
    """Return True when `-k keyword`, one word, selects a test by its name, class or file."""
    return keyword.lower() in node_id.rpartition("/")[2].lower()


def _lies_in(node_id: str, target: str) -> bool:
    target = target.rstrip("/")
    inside = (f"{target}/", f"{target}::", f"{target}[")
    return not target or node_id == target or node_id.startswith(inside)


def _markers(where: str, expected: str, found: str) -> Finding:
    return finding("collect.markers", where=where, expected=expected, found=found)


def _no_row(where: str, line: int, found: str) -> Finding:
    return finding(
        "collect.row",
        where=where,
        pointer=f"line {line}",
        expected="| `subject` | purpose |",
        found=found,
    )
