"""Marked tables of a document: read, compared row by row, written; the rest is untouched."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import tables
from harness.tables import Table

TEXT = """# Title
<!-- x:begin -->
| what | why | how |
| --- | --- | --- |
| `a` | one | 1 |
| `b` | two | 2 |
<!-- x:end -->
the end"""
ROWS = ("| `a` | one | 1 |", "| `b` | two | 2 |")


def found(rows, text=TEXT):
    return [
        (item.rule, item.pointer) for item in tables.compare(Table("x.md", "x", tuple(rows)), text)
    ]


def test_a_table_that_is_as_it_ought_to_be_has_no_finding():
    assert found(ROWS) == []


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (ROWS[:1], [("collect.stale", "line 6")]),
        ((*ROWS, "| `c` | three | 3 |"), [("collect.listed", "")]),
        ((ROWS[0], "| `b` | two | 3 |"), [("collect.changed", "line 6")]),
        (ROWS[::-1], [("collect.order", "line 5")]),
        ((), [("collect.stale", "line 5"), ("collect.stale", "line 6")]),
    ],
)
def test_each_difference_is_one_finding(rows, expected):
    assert found(rows) == expected


def test_a_row_that_stands_twice_is_one_too_many():
    text = TEXT.replace(ROWS[0], f"{ROWS[0]}\n{ROWS[0]}")
    assert found(ROWS, text) == [("collect.row-twice", "line 6")]


@pytest.mark.parametrize("line", ["", "words", "| `c` |", "`c` | three"])
def test_a_line_that_is_no_row_is_a_finding(line):
    text = TEXT.replace(ROWS[1], f"{line}\n{ROWS[1]}")
    assert found(ROWS, text) == [("collect.row", "line 6")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT.replace("<!-- x:end -->", ""),
        TEXT.replace("| --- | --- | --- |\n", ""),
        TEXT.replace("| what | why | how |\n| --- | --- | --- |\n", ""),
        TEXT + "\n<!-- x:begin -->",
        "<!-- x:end -->\n" + TEXT.replace("<!-- x:end -->", ""),
        "<!-- x:begin -->\n<!-- x:end -->",
    ],
)
def test_a_table_without_markers_or_heading_is_a_finding_and_cannot_be_written(text):
    assert found(ROWS, text) == [("collect.markers", "")]
    with pytest.raises(ValueError, match="x:begin"):
        tables.write(text, Table("x.md", "x", ROWS))


CELLS = st.text(st.characters(exclude_categories=["C"]), min_size=1).map(str.strip).filter(bool)


@settings(deadline=None)
@given(st.dictionaries(CELLS, CELLS, max_size=5))
def test_what_is_written_is_what_is_read_and_the_rest_is_kept(listed):
    table = Table("x.md", "x", tuple(tables.row(*item) for item in listed.items()))
    text = tables.write(TEXT, table)
    assert tables.compare(table, text) == ()
    rows, _ = tables.read(text, "x", where="x.md")
    assert [tables.cells(row.text) for row in rows] == list(listed.items())
    assert text.startswith("# Title\n<!-- x:begin -->\n| what | why | how |\n| --- | --- | --- |\n")
    assert text.endswith("<!-- x:end -->\nthe end")


@settings(deadline=None)
@given(st.text())
def test_no_text_makes_it_raise(text):
    block = f"<!-- x:begin -->\n| a | b |\n| --- | --- |\n{text}\n<!-- x:end -->"
    tables.compare(Table("x.md", "x", ROWS), text)
    tables.compare(Table("x.md", "x", ROWS), block)
