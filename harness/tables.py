r"""Tables between marker lines of a document: read, held against what is so, written anew.

The markers stand alone on their lines; a heading of two lines comes first.  A pipe in a cell is
written `\|`.  Rows are compared as they stand, by their first cell.

    <!-- NAME:begin -->
    | subject | purpose |
    | --- | --- |
    | `make red` | show that tests fail |
    <!-- NAME:end -->
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.model import Finding
from harness.rules import finding

_CELL = r"((?:[^|\\]|\\.)*)\|"
_ROW = re.compile(rf"\|(?:{_CELL}){{2,}}")
_FIRST = re.compile(rf"\|{_CELL}")
_DASHES = re.compile(r"\|(?: ?:?-+:? ?\|){2,}")
_HEADING_LINES = 2


@dataclass(frozen=True, slots=True)
class Table:
    """The rows that a block of a document ought to have, in their order."""

    where: str
    block: str
    rows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A row as it stands in a document, its number from 1; key: its first cell."""

    number: int
    text: str
    key: str


def row(*cells: str) -> str:
    """Return cells as the row of a table."""
    escaped = (cell.replace("\\", "\\\\").replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"


def cells(text: str) -> tuple[str, ...]:
    """Return the cells of a row, as they were before `row` wrote them."""
    found = re.findall(_CELL, text.strip().removeprefix("|"))
    return tuple(re.sub(r"\\(.)", r"\1", cell.strip()) for cell in found)


def read(text: str, block: str, *, where: str) -> tuple[tuple[Line, ...], tuple[Finding, ...]]:
    """Return the rows of a block and a finding for each line that is none; no block is one too."""
    document = text.split("\n")
    span = _span(document, block)
    if span is None:
        expected = f"a table between the lines <!-- {block}:begin --> and <!-- {block}:end -->"
        absent = finding("collect.markers", where=where, expected=expected, found="none")
        return (), (absent,)
    rows: list[Line] = []
    findings: list[Finding] = []
    for number in range(span[0] + _HEADING_LINES, span[1]):
        line = document[number].strip()
        if _ROW.fullmatch(line):
            rows.append(Line(number + 1, line, _key(line)))
        else:
            findings.append(no_row(where, number + 1, line))
    return tuple(rows), tuple(findings)


def compare(table: Table, text: str) -> tuple[Finding, ...]:
    """Return the lines to add, to remove and to change in a document's block."""
    rows, damage = read(text, table.block, where=table.where)
    if any(item.rule == "collect.markers" for item in damage):
        return damage
    wanted = {_key(each): each for each in table.rows}
    found = [*damage, *_not_wanted(table, rows, wanted)]
    there = {line.key for line in rows}
    found += [
        finding("collect.listed", where=table.where, expected=_line(each), found="no such line")
        for key, each in wanted.items()
        if key not in there
    ]
    return tuple(found or _order(table, rows))


def write(text: str, table: Table) -> str:
    """Return the document with the rows of one block replaced, its heading and all else kept.

    Raises ValueError where the block is not there.
    """
    document = text.split("\n")
    span = _span(document, table.block)
    if span is None:
        raise ValueError(f"no table between the lines <!-- {table.block}:begin/end -->")
    first, end = span
    return "\n".join([*document[: first + _HEADING_LINES], *table.rows, *document[end:]])


def no_row(where: str, number: int, found: str) -> Finding:
    """Return the finding for a line of a block that is no row."""
    expected, place = "| `subject` | purpose |", f"line {number}"
    return finding("collect.row", where=where, pointer=place, expected=expected, found=found)


def _not_wanted(table: Table, rows: Sequence[Line], wanted: Mapping[str, str]) -> Iterator[Finding]:
    seen: set[str] = set()
    for line in rows:
        place = {"where": table.where, "pointer": f"line {line.number}", "found": line.text}
        if line.key in seen:
            yield finding("collect.row-twice", **place, expected="no such line")
        elif line.key not in wanted:
            yield finding("collect.stale", **place, expected="no such line")
        elif line.text != wanted[line.key]:
            yield finding("collect.changed", **place, expected=_line(wanted[line.key]))
        seen.add(line.key)


def _order(table: Table, rows: Sequence[Line]) -> Iterator[Finding]:
    for line, expected in zip(rows, table.rows, strict=True):
        if line.text != expected:
            place = {"where": table.where, "pointer": f"line {line.number}"}
            yield finding(
                "collect.order", **place, expected=_line(expected), found=f"the line {line.text}"
            )
            return


def _line(text: str) -> str:
    return f"the line {text}"


def _key(text: str) -> str:
    match = _FIRST.match(text)
    return match[1].strip() if match else text


def _span(document: Sequence[str], block: str) -> tuple[int, int] | None:
    """Return the first line after the opening marker and the line of the closing one."""
    begin, end = f"<!-- {block}:begin -->", f"<!-- {block}:end -->"
    stripped = [line.strip() for line in document]
    if stripped.count(begin) != 1 or stripped.count(end) != 1:
        return None
    first, last = stripped.index(begin) + 1, stripped.index(end)
    heading = stripped[first : first + _HEADING_LINES]
    whole = last - first >= _HEADING_LINES and _DASHES.fullmatch(heading[1])
    return (first, last) if whole else None
