r"""The test index and the testing guide as values, held against what pytest collects.

What a program compares stands as rows of marked tables (`harness.tables`); everything else is for
people.  The first cell is code in backticks, the second a purpose in plain words.

`docs/development/TEST_SUITE_INDEX.md` has the blocks `tests` (node ids of the mapped module,
without parameters) and `files` (test files, relative to the repository); `docs/TESTING_GUIDE.md`
has the block `selectors` (pytest commands), and its blocks for a shell hold commands, one a line;
a comment stands on a line of its own or after a command, and a backslash continues a line.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness import tables
from harness.model import Finding
from harness.rules import finding

# Stands for the purpose of a new row whose test says nothing of itself; collection refuses it.
UNTOLD = "(say what it shows)"
_SUBJECT = re.compile(r"`[^`]+`")
_TEST_FILE = re.compile(r"tests/(?:\S+/)?(?:test_[^/\s]*|[^/\s]*_test)\.py")
# In a console what is typed stands behind the prompt, and what is said without.
_CONSOLE, _PROMPT = "console", "$ "
_SHELLS = ("", "bash", "sh", "shell", "zsh", _CONSOLE)
_CELLS = 2
_FENCE = re.compile(r"(?P<fence>`{3,}|~{3,})(?P<language>\w*)\s*")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a node id, file or command, its purpose, and its line (from 1) in the document."""

    subject: str
    purpose: str = ""
    line: int = 0

    def as_markdown(self) -> str:
        """Return the row as it stands in the document."""
        return tables.row(f"`{self.subject}`", self.purpose)


@dataclass(frozen=True, slots=True)
class Index:
    """The test index: tests of the mapped module, test files, and what is wrong with it."""

    tests: tuple[Row, ...]
    files: tuple[Row, ...]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Guide:
    """The testing guide: commands of its blocks for a shell, selectors, and what is wrong."""

    commands: tuple[str, ...]
    selectors: tuple[Row, ...]
    findings: tuple[Finding, ...] = ()


def parse_index(text: str, *, where: str) -> Index:
    """Return the rows of the blocks `tests` and `files`; damage is a finding, no exception."""
    tests, test_findings = _block(text, "tests", where)
    files, file_findings = _block(text, "files", where)
    return Index(tests, files, test_findings + file_findings)


def parse_guide(text: str, *, where: str) -> Guide:
    """Return the commands of the blocks for a shell and the rows of the block `selectors`."""
    selectors, findings = _block(text, "selectors", where)
    commands, closed = _commands(text)
    if not closed:
        findings += (_markers(where, "every code block closed", "one left open"),)
    return Guide(commands, selectors, findings)


def without_parameters(node_ids: Iterable[str]) -> tuple[str, ...]:
    """Return the tests of these cases, each once, in their order."""
    return tuple(dict.fromkeys(node_id.partition("[")[0] for node_id in node_ids))


def untold(rows: Iterable[Row], *, where: str) -> tuple[Finding, ...]:
    """Return the rows that nobody has given a purpose."""
    return tuple(
        finding(
            "collect.purpose",
            where=where,
            pointer=f"line {row.line}",
            expected=f"what {row.subject} shows, in a few words",
            found=row.as_markdown(),
        )
        for row in rows
        if row.purpose in ("", UNTOLD)
    )


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


def gone(command: str, collected: Sequence[str], test_files: Sequence[str]) -> tuple[str, ...]:
    """Return the test files that a command names and that there are not, and the mapped tests.

    Tests of other files than the mapped ones are not looked up.
    """
    return tuple(
        word
        for word in _words(command)
        if _TEST_FILE.fullmatch(word.partition("::")[0])
        and not _is_there(word, collected, test_files)
    )


def _is_there(named: str, collected: Sequence[str], test_files: Sequence[str]) -> bool:
    file, _, test = named.partition("::")
    if test and any(each.startswith(f"{file}::") for each in collected):
        return any(_lies_in(each, named) for each in collected)
    return file in test_files


def required_rows(
    collected: Iterable[str], known: Iterable[Row], told: Mapping[str, str]
) -> tuple[Row, ...]:
    """Return the row for each of what is collected, with the purpose already written.

    collected: node ids (parameters are ignored) or files.  told: what tests say of themselves,
    for rows without a purpose.
    """
    written = {row.subject: row.purpose for row in known if row.purpose not in ("", UNTOLD)}
    return tuple(
        Row(subject, written.get(subject) or told.get(subject) or UNTOLD)
        for subject in without_parameters(collected)
    )


def _block(text: str, name: str, where: str) -> tuple[tuple[Row, ...], tuple[Finding, ...]]:
    lines, findings = tables.read(text, name, where=where)
    rows: list[Row] = []
    for line in lines:
        cells = tables.cells(line.text)
        if len(cells) == _CELLS and _SUBJECT.fullmatch(cells[0]):
            rows.append(Row(cells[0].strip("`"), cells[1], line.number))
        else:
            findings += (tables.no_row(where, line.number, line.text),)
    return tuple(rows), findings


def _commands(text: str) -> tuple[tuple[str, ...], bool]:
    """Return the commands of the blocks for a shell, and whether every block is closed."""
    commands: list[str] = []
    fence, language, pending = "", "", ""
    for line in map(str.strip, text.split("\n")):
        match = _FENCE.fullmatch(line)
        if not fence and match:
            fence, language = match["fence"], match["language"]
        elif fence and line.startswith(fence) and set(line) == {fence[0]}:
            fence, pending = "", ""
        elif fence and language in _SHELLS:
            if language == _CONSOLE and not pending and not line.startswith(_PROMPT):
                continue
            pending += line.removeprefix(_PROMPT)
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
