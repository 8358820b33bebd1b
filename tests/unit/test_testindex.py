"""The test index and the testing guide, read as values and held against what pytest collects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import tables, testindex
from harness.tables import Table
from harness.testindex import Row

MAPPED = "tests/study/test_x.py"
INDEX = """# Test suite

<!-- tests:begin -->
| test | what it shows |
| --- | --- |
| `tests/study/test_x.py::test_a` | the log is kept |
| `tests/study/test_x.py::TestB::test_b` | a \\| b |
<!-- tests:end -->

Text with `tests/study/test_x.py::test_elsewhere` in it.

<!-- files:begin -->
| file | purpose |
| --- | --- |
| `tests/unit/test_junit.py` | reading reports |
<!-- files:end -->
"""

GUIDE = """# Guide

```bash
# all tests
make test
export AUTHORITATIVE_CMDS_DOC=./docs/TESTING_GUIDE.md

pytest tests/study/test_x.py \\
    -k "ptychi" -vv   # the suite
```

```text
make nothing
```

~~~bash
make lint
~~~

<!-- selectors:begin -->
| selector | what it selects |
| --- | --- |
| `pytest tests/study/test_x.py::test_a -vv` | the behaviour |
| `pytest tests/study/test_x.py -k "ptychi" -vv` | the suite |
<!-- selectors:end -->
"""

COLLECTED = (
    "tests/study/test_x.py::test_a[1]",
    "tests/study/test_x.py::test_a[x::y]",
    "tests/study/test_x.py::TestB::test_b",
    "tests/study/test_x.py::test_ptychi_runs",
)


def rules_of(findings) -> list[str]:
    return [found.rule for found in findings]


def test_rows_are_read_with_their_lines():
    index = testindex.parse_index(INDEX, where="index.md")
    assert index.findings == ()
    assert index.tests == (
        Row("tests/study/test_x.py::test_a", "the log is kept", 6),
        Row("tests/study/test_x.py::TestB::test_b", "a | b", 7),
    )
    assert index.files == (Row("tests/unit/test_junit.py", "reading reports", 15),)


def test_commands_and_selectors_of_the_guide_are_read():
    guide = testindex.parse_guide(GUIDE, where="guide.md")
    assert guide.findings == ()
    assert guide.commands == (
        "make test",
        "export AUTHORITATIVE_CMDS_DOC=./docs/TESTING_GUIDE.md",
        'pytest tests/study/test_x.py -k "ptychi" -vv   # the suite',
        "make lint",
    )
    assert [row.subject for row in guide.selectors] == [
        "pytest tests/study/test_x.py::test_a -vv",
        'pytest tests/study/test_x.py -k "ptychi" -vv',
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        INDEX.replace("<!-- tests:begin -->", ""),
        INDEX.replace("<!-- tests:end -->", ""),
        INDEX.replace("<!-- tests:begin -->", "<!-- tests:end -->", 1),
        "<!-- tests:end -->\n" + INDEX.replace("<!-- tests:end -->\n", ""),
        INDEX.replace("<!-- files:begin -->", "<!-- tests:begin -->"),
        INDEX + "<!-- tests:begin -->\n<!-- tests:end -->\n",
    ],
)
def test_a_document_without_its_markers_is_a_finding(text):
    assert set(rules_of(testindex.parse_index(text, where="x").findings)) == {"collect.markers"}


@pytest.mark.parametrize(
    "line",
    ["tests/a.py::test_a | why", "| tests/a.py::test_a | why |", "| `a` |", "| `a` | b | c |"],
)
def test_a_line_among_the_rows_that_is_no_row_is_a_finding(line):
    text = INDEX.replace("<!-- tests:end -->", f"{line}\n<!-- tests:end -->")
    (found,) = testindex.parse_index(text, where="index.md").findings
    assert (found.rule, found.pointer, found.found) == ("collect.row", "line 8", line)


@pytest.mark.parametrize(
    "block",
    [
        "```\nmake test\n```",
        "````bash\nmake test\n````",
        "```sh\nmake test\n````",
        "  ```zsh\n  make test\n  ```",
        "```bash\n$ make test\n```",
        "```console\n$ make test\nred: no such target\n```",
        "````text\n```\nmake nothing\n```\n````\n```\nmake test\n```",
    ],
)
def test_a_block_for_a_shell_holds_commands_however_it_is_marked(block):
    assert testindex.parse_guide(block, where="x").commands == ("make test",)


def test_a_guide_without_selectors_or_with_an_open_block_is_a_finding():
    findings = testindex.parse_guide("```bash\nmake test\n", where="x").findings
    assert rules_of(findings) == ["collect.markers", "collect.markers"]


def listed() -> tuple[Row, ...]:
    return testindex.parse_index(INDEX, where="index.md").tests


@pytest.mark.parametrize(
    ("selector", "rules"),
    [
        ("pytest tests/study/test_x.py::test_a -vv", []),
        ("pytest tests/study/test_x.py::test_a[1]", []),
        ("pytest tests/study/test_x.py::TestB", []),
        ("python -m pytest tests/study/test_x.py", []),
        ("pytest tests/study", []),
        ("pytest", []),
        ('pytest tests/study/test_x.py -k "ptychi"', []),
        ("pytest tests/study/test_x.py -k PTYCHI -vv", []),
        ("pytest tests/study/test_x.py -k=ptychi", []),
        ("pytest tests/study/test_x.py -k gone", ["collect.selector"]),
        ("pytest tests/study/test_x.py::test_gone", ["collect.selector"]),
        ("pytest tests/study/test_x.py::test_a tests/gone.py", ["collect.selector"]),
        ("pytest tests/study/test_", ["collect.selector"]),
        ('pytest "unclosed', ["collect.selector"]),
        ("make test", ["collect.selector"]),
        ("", ["collect.selector"]),
    ],
)
def test_a_selector_of_the_guide_must_select_something(selector, rules):
    found = testindex.check_selectors(COLLECTED, (Row(selector, "", 3),), where="guide.md")
    assert rules_of(found) == rules


def test_commands_that_must_be_listed_are_compared_word_by_word():
    guide = testindex.parse_guide(GUIDE, where="guide.md")
    required = ["pytest  tests/study/test_x.py -k ptychi -vv", "make test", "make real-run"]
    (found,) = testindex.missing_commands(required, guide.commands, where="guide.md")
    assert (found.rule, found.expected) == ("collect.command", "the command make real-run")


def test_a_required_row_has_the_purpose_already_written_or_what_its_test_says_of_itself():
    told = {"tests/study/test_x.py::test_a": "else", "tests/study/test_x.py::test_new": "it is new"}
    collected = (*COLLECTED, "tests/study/test_x.py::test_new")
    known = (*listed(), Row("tests/study/test_x.py::test_new", testindex.UNTOLD))
    rows = testindex.required_rows(collected, known, told)
    assert [row.as_markdown() for row in rows] == [
        "| `tests/study/test_x.py::test_a` | the log is kept |",
        "| `tests/study/test_x.py::TestB::test_b` | a \\| b |",
        f"| `tests/study/test_x.py::test_ptychi_runs` | {testindex.UNTOLD} |",
        "| `tests/study/test_x.py::test_new` | it is new |",
    ]


def test_a_row_that_nobody_gave_a_purpose_is_a_finding():
    rows = (*listed(), Row("a", "", 8), Row("b", testindex.UNTOLD, 9))
    found = testindex.untold(rows, where="index.md")
    assert [(item.rule, item.pointer) for item in found] == [
        ("collect.purpose", "line 8"),
        ("collect.purpose", "line 9"),
    ]


NODE_IDS = st.from_regex(r"tests/[a-z_]{1,5}\.py::[A-Za-z_]{1,8}", fullmatch=True)
PURPOSES = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=30)


@given(st.dictionaries(NODE_IDS, PURPOSES, max_size=6))
def test_what_is_rendered_is_what_is_read(purposes):
    rows = tuple(Row(node_id, text.strip(), 0) for node_id, text in purposes.items())
    table = Table("x", "tests", tuple(row.as_markdown() for row in rows))
    text = tables.write(INDEX, table)
    index = testindex.parse_index(text, where="x")
    assert index.findings == ()
    assert [(row.subject, row.purpose) for row in index.tests] == [
        (row.subject, row.purpose) for row in rows
    ]
    assert tables.compare(table, text) == ()


@given(st.text())
def test_no_text_makes_it_raise(text):
    testindex.parse_index(text, where="x")
    guide = testindex.parse_guide(text, where="x")
    testindex.check_selectors(COLLECTED, (Row(text, "", 1), *guide.selectors), where="x")
    testindex.missing_commands([text], guide.commands, where="x")


@pytest.mark.parametrize(
    ("command", "gone"),
    [
        (f"pytest {MAPPED} {MAPPED}::test_a {MAPPED}::test_b[2] tests/unit", ()),
        (f"nox -s tests -- {MAPPED}::test_", (f"{MAPPED}::test_",)),
        ("pytest tests/unit/test_other.py::test_z tests/data.py x/test_y.py", ()),
        ("pytest tests/test_y.py y_test.py tests/y_test.py:1", ("tests/test_y.py",)),
        ("pytest tests/y_test.py", ("tests/y_test.py",)),
    ],
)
def test_tests_that_a_command_names_are_looked_up(command, gone):
    collected = (f"{MAPPED}::test_a", f"{MAPPED}::test_b[1]", f"{MAPPED}::test_b[2]")
    assert testindex.gone(command, collected, (MAPPED, "tests/unit/test_other.py")) == gone
