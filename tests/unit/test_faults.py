"""Declared faults: their file format, what makes a set of them good, and applying one."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness import faults, resources, schemas
from harness.model import Finding

EXAMPLES = Path(__file__).parents[1] / "examples"
TEST_A, TEST_B = "tests/study/test_x.py::test_a", "tests/study/test_x.py::test_b"


def fault(number: int = 1, **changes) -> faults.Fault:
    facts = {
        "id": f"fault-{number}",
        "why": "the log would be lost",
        "file": "harness/runner.py",
        "find": "return code",
        "replace": "return 0",
        "kills": (TEST_A,),
    }
    return faults.Fault(**facts | changes)


def three(**changes) -> tuple[faults.Fault, ...]:
    return tuple(fault(number, find=f"find {number}", **changes) for number in range(3))


def rules_of(findings) -> list[str]:
    return [found.rule for found in findings]


def example_paths(kind: str) -> list[Path]:
    return sorted((EXAMPLES / kind / "faults").glob("*.json"))


def findings_of_document(document) -> list[str]:
    """Return the rules that a faults file breaks: its schema's, else those of its contents."""
    broken = schemas.check(document, resources.schema("faults"), name="faults", where="x")
    if broken:
        return rules_of(broken)
    declared = faults.load(document)
    return rules_of(faults.check(declared, {TEST_A, TEST_B}, where="x"))


@pytest.mark.parametrize("path", example_paths("valid"), ids=lambda path: path.stem)
def test_a_valid_example_has_no_finding(path):
    assert findings_of_document(json.loads(path.read_text())) == []


@pytest.mark.parametrize("path", example_paths("invalid"), ids=lambda path: path.stem)
def test_an_invalid_example_breaks_the_rule_in_its_name(path):
    assert findings_of_document(json.loads(path.read_text())) == [path.stem.split("--")[0]]


def test_there_are_examples_of_every_rule_of_a_faults_file():
    named = {path.stem.split("--")[0] for path in example_paths("invalid")}
    assert named == {
        "schema.faults",
        "fault.unique-id",
        "fault.file",
        "fault.change",
        "fault.same-change",
        "fault.kills-mapped",
        "fault.enough",
    }
    assert example_paths("valid")


def test_a_faults_file_written_as_toml_is_read():
    text = """
        format = "harness.faults/1"
        [[faults]]
        id = "log-not-written"
        why = "a run without a log proves nothing"
        file = "harness/runner.py"
        find = '''
        log.write(line)
'''
        replace = "pass"
        kills = ["tests/study/test_x.py::test_a"]
    """
    (read,) = faults.load(tomllib.loads(text))
    assert read.id == "log-not-written"
    assert read.find == "        log.write(line)\n"
    assert read.kills == (TEST_A,)
    assert json.loads(json.dumps(read.as_record()))["kills"] == [TEST_A]


def test_three_faults_for_each_mapped_test_are_enough():
    assert faults.check(three(kills=(TEST_A, TEST_B)), [TEST_A, TEST_B], where="x") == ()


def test_a_mapped_test_with_two_faults_is_named():
    (found,) = faults.check(three()[:2], [TEST_A], where="tests/faults.toml")
    assert (found.rule, found.pointer) == ("fault.enough", TEST_A)
    assert (found.where, found.found) == ("tests/faults.toml", "2: fault-0, fault-1")


def test_the_same_change_declared_twice_counts_once():
    twins = (*three()[:2], fault(3, find="find 1"))
    assert rules_of(faults.check(twins, [TEST_A], where="x")) == [
        "fault.same-change",
        "fault.enough",
    ]


def test_a_naturally_red_test_needs_no_faults():
    assert faults.check((), [TEST_A], natural={TEST_A}, where="x") == ()


@pytest.mark.parametrize(
    "file",
    [
        "/elsewhere/harness/a.py",
        "tests/study/test_x.py",
        "harness/../tests/a.py",
        "harness",
        "harness/",
        "harness//a.py",
        "./harness/a.py",
        "harness\\a.py",
        "harnessx/a.py",
        "",
    ],
)
def test_a_fault_changes_only_the_code_under_test(file):
    assert rules_of(faults.check(three(file=file), [TEST_A], where="x")) == ["fault.file"] * 3


@pytest.mark.parametrize("file", ["harness/a.py", "harness/jobs/b.py", "schemas/c.schema.json"])
def test_code_and_schemas_may_be_faulted(file):
    assert faults.check(three(file=file), [TEST_A], where="x") == ()


def test_a_fault_that_changes_nothing_is_none():
    (found,) = faults.check((*three(), fault(9, replace="return code")), [TEST_A], where="x")
    assert (found.rule, found.pointer) == ("fault.change", "fault-9")


def test_a_fault_may_kill_mapped_tests_only():
    (found,) = faults.check((*three(), fault(9, kills=(TEST_B,))), [TEST_A], where="x")
    assert (found.rule, found.found) == ("fault.kills-mapped", TEST_B)


def test_all_findings_are_reported_at_once():
    declared = (fault(1), fault(1, replace="return code", file="a.py", kills=(TEST_B,)))
    assert sorted(rules_of(faults.check(declared, [TEST_A], where="x"))) == [
        "fault.change",
        "fault.enough",
        "fault.file",
        "fault.kills-mapped",
        "fault.unique-id",
    ]


def test_a_fault_is_applied_at_its_one_place():
    assert faults.apply(fault(), "a = return code\n") == "a = return 0\n"


@pytest.mark.parametrize("source", ["", "return\ncode", "return code; return code"])
def test_a_fault_that_does_not_occur_exactly_once_does_not_apply(source):
    found = faults.apply(fault(), source)
    assert isinstance(found, Finding)
    assert (found.rule, found.where, found.pointer) == (
        "fault.applies",
        "harness/runner.py",
        "fault-1",
    )


def test_places_that_overlap_are_two_places():
    found = faults.apply(fault(find="aa", replace="b"), "aaa")
    assert isinstance(found, Finding)
    assert found.found == "2 places"


@given(*[st.text(alphabet="ab\n ", max_size=12)] * 2, *[st.text(min_size=1, max_size=6)] * 2)
def test_a_fault_that_applies_changes_its_place_only_and_can_be_taken_back(
    before, after, find, replace
):
    applied = faults.apply(fault(find=find, replace=replace), before + find + after)
    assume(isinstance(applied, str))
    assert applied == before + replace + after
    undone = faults.apply(fault(find=replace, replace=find), applied)
    if isinstance(undone, str):
        assert undone == before + find + after


@given(st.text(alphabet="ab", max_size=8), st.text(alphabet="ab", min_size=1, max_size=3))
def test_a_fault_applies_if_and_only_if_it_has_one_place(source, find):
    places = sum(source.startswith(find, start) for start in range(len(source)))
    applied = faults.apply(fault(file="harness/notes.txt", find=find, replace="c"), source)
    assert isinstance(applied, str) == (places == 1)


SOURCE = "import json\nfrom harness import model\n\n\ndef f():\n    return 0\n"


@pytest.mark.parametrize(
    ("replace", "found"),
    [
        ("import no_such_module\n    return 0", "it imports no_such_module"),
        ("from harness import no_such_name\n    return 0", "it imports harness.no_such_name"),
        ("from . import x, y\n    return 0", "it imports .x, .y"),
        ("return (", "it is no Python"),
        ("return '\0'", "it is no Python"),
    ],
)
def test_a_fault_that_only_breaks_the_module_is_none(replace, found):
    item = faults.apply(fault(find="return 0", replace=replace), SOURCE)
    assert (item.rule, item.where, item.pointer) == ("fault.breaks", "harness/runner.py", "fault-1")
    assert item.found == found


NAMES = """import json
from harness import model as m, rules
TABLE = {}


class Kept:
    size = 1

    def grow(self, by):
        more = [each + by for each in range(self.size)]

        def inside():
            return more, by

        return inside()


def f(given=TABLE):
    global LATER
    LATER = given
    try:
        first, *rest = given
    except ValueError as error:
        raise KeyError(str(error)) from None
    with open(__file__) as file:
        return 0
    return m
"""


@pytest.mark.parametrize(
    ("find", "replace", "found"),
    [
        ("return 0", "return no_such_name(0)", "no_such_name"),
        ("return 0", "return lambda: [b for a in given if c]", "b, c"),
        (
            "return 0",
            "no_such.size = 1\n        no_such += 1\n        return no_more[0]",
            "no_more",
        ),
        ("return inside()", "return size", "size"),
        ("    size = 1\n", "    size = one\n", "one"),
        ("{}", "more", "more"),
        # What goes and is still asked for.
        ("TABLE = {}\n", "", "TABLE"),
        ("import model as m, rules\n", "import rules\n", "m"),
        ("more = [each + by", "less = [each + by", "more"),
        ("first, *rest = given", "return rest, first", "first, rest"),
    ],
)
def test_a_fault_that_names_what_there_is_not_is_none(find, replace, found):
    item = faults.apply(fault(find=find, replace=replace), NAMES)
    assert (item.rule, item.pointer) == ("fault.breaks", "fault-1")
    assert item.found == f"it names {found}, which is defined nowhere in it"


@pytest.mark.parametrize(
    ("find", "replace"),
    [
        ("return 0", "return json, m, rules, TABLE, Kept, f, LATER, first, rest, file"),
        ("return 0", "return len(given), __name__, __file__, __doc__, ValueError, __path__"),
        ("return 0", "x = (y := 1)\n        return [z for z in [x, y]]"),
        ("return 0", "global NEW\n        NEW = 1\n        return NEW"),
        ("return inside()", "return __class__, super().grow, inside()"),
        ("return 0", "return given.no_such_attribute, m.no_such_name"),
        ("given=TABLE", "given: no_such_type = TABLE"),
    ],
)
def test_a_fault_may_name_what_there_is(find, replace):
    source = f"from __future__ import annotations\n{NAMES}"
    assert isinstance(faults.apply(fault(find=find, replace=replace), source), str)


def test_a_name_that_there_was_not_before_either_is_none_of_the_fault_s():
    source = NAMES.replace("size = 1", "size = no_such_name")
    faulted = faults.apply(fault(find="return 0", replace="return no_such_name"), source)
    assert isinstance(faulted, str)


def test_where_all_of_a_module_is_imported_any_name_may_be_its():
    source = f"from harness.model import *\n{NAMES}"
    faulted = faults.apply(fault(find="return 0", replace="return HALVES"), source)
    assert isinstance(faulted, str)
    replace = "return HALVES\n\n\nfrom json import *\n"
    item = faults.apply(fault(find="return m\n", replace=replace), NAMES)
    assert item.found == "it imports json.*"


def test_code_that_parses_and_cannot_be_compiled_is_no_python():
    for replace in ("nonlocal given", "global given"):
        item = faults.apply(fault(find="return 0", replace=replace), NAMES)
        assert (item.rule, item.found) == ("fault.breaks", "it is no Python")


def test_every_declared_fault_of_this_tree_can_be_made():
    root = resources.REPOSITORY
    declared = faults.load(tomllib.loads((root / "tests/faults.toml").read_text()))
    for each in declared:
        assert isinstance(faults.apply(each, (root / each.file).read_text()), str), each.id


def test_a_fault_may_leave_an_import_out_and_say_again_what_is_imported():
    for find, replace in (("import json\n", ""), ("return 0", "import json\n    return 1")):
        assert isinstance(faults.apply(fault(find=find, replace=replace), SOURCE), str)


@pytest.mark.parametrize("file", ["schemas/a.schema.json", "harness/notes.txt"])
def test_a_file_that_is_no_python_is_not_read_as_such(file):
    assert isinstance(faults.apply(fault(file=file, find="return 0", replace="("), SOURCE), str)


def test_a_schema_that_is_no_json_any_more_is_no_fault():
    item = faults.apply(fault(file="schemas/a.schema.json", find="1", replace="("), '{"a": 1}')
    assert (item.rule, item.found) == ("fault.breaks", "it is no JSON")
