"""GREEN: every test that was to run did run, and passed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import greenproof, rules
from harness.collection import Collection, CollectionError
from harness.junit import Report, TestOutcome

FILE = "tests/test_x.py"
A, B, C = (f"{FILE}::test_{name}" for name in "abc")
COLLECTION = Collection(collected=(A, B), deselected=(C,), harness_is_local=True, returncode=0)


def report(**outcomes: str) -> Report:
    named = {"a": "passed", "b": "passed"} | outcomes
    return Report(
        tuple(TestOutcome(f"{FILE}::test_{name}", outcome, 0.1) for name, outcome in named.items())
    )


def judged(tests=None, collection=COLLECTION, expected=(A, B), returncode=0):
    found = greenproof.judge(
        tests or report(), collection, expected, returncode=returncode, where="green/x.xml"
    )
    return [(each.rule, each.pointer) for each in found]


def test_all_that_was_expected_and_collected_passed():
    assert judged() == []


def test_a_parametrised_test_is_expected_by_its_name():
    cases = (f"{A}[1]", f"{A}[2]")
    passed = Report(tuple(TestOutcome(case, "passed", 0.1) for case in cases))
    assert judged(passed, replace(COLLECTION, collected=cases), expected=(A,)) == []


@pytest.mark.parametrize("outcome", ["failed", "error", "skipped", "xfailed"])
def test_any_other_outcome_is_named(outcome):
    assert judged(report(b=outcome)) == [("green.passed", B)]


def test_no_test_at_all_is_not_green():
    none = replace(COLLECTION, collected=())
    assert judged(Report(()), none, expected=()) == [("green.some", "")]


def test_a_test_that_was_collected_and_has_no_result_is_named():
    assert judged(Report(report().outcomes[:1])) == [("green.complete", B)]


def test_a_result_of_a_test_that_was_not_collected_is_named():
    assert judged(report(c="passed")) == [("green.complete", C)]


def test_an_expected_test_that_was_left_out_is_named():
    assert judged(expected=(A, B, C)) == [("green.deselected", C)]


def test_an_expected_test_that_was_not_found_is_named():
    gone = f"{FILE}::test_gone"
    assert judged(expected=(A, B, gone)) == [("green.expected", gone)]


def test_a_test_that_nobody_expected_is_named():
    assert judged(expected=(A,)) == [("green.expected", B)]


def test_a_module_that_skipped_itself_or_broke_is_named():
    error = CollectionError("tests/test_y.py", "E   ValueError: x")
    broken = replace(COLLECTION, skipped=("tests/test_z.py",), errors=(error,))
    assert judged(collection=broken) == [
        ("collect.errors", "tests/test_y.py"),
        ("collect.skipped", "tests/test_z.py"),
    ]


def test_a_mark_that_can_excuse_a_failure_is_named_though_the_test_passed():
    marked = replace(COLLECTION, marked={A: ("xfail",), C: ("skip",)})
    assert judged(collection=marked) == [("green.excused", A)]


def test_a_return_code_that_contradicts_the_report_is_named():
    assert judged(returncode=1) == [("green.returncode", "")]
    other = replace(COLLECTION, returncode=3)
    assert judged(collection=other) == [("green.returncode", "")]


def test_tests_of_another_package_prove_nothing():
    assert judged(collection=replace(COLLECTION, harness_is_local=False)) == [("collect.local", "")]


def test_a_damaged_report_closes_green():
    damage = rules.finding("junit.readable", where="x", expected="a", found="b")
    assert judged(Report((), (damage,)), expected=()) == [("junit.readable", "")]
    unread = Collection(
        findings=(rules.finding("collect.report", where="x", expected="", found=""),)
    )
    assert judged(collection=unread) == [("collect.report", "")]


def test_a_clean_collection_has_no_finding():
    assert greenproof.judge_collection(COLLECTION, where="x") == ()


def test_a_collection_that_failed_otherwise_is_named():
    (found,) = greenproof.judge_collection(replace(COLLECTION, returncode=4), where="x")
    assert found.rule == "green.returncode"


def test_a_damaged_collection_report_closes_the_collection():
    damage = rules.finding("collect.report", where="x", expected="a", found="b")
    assert greenproof.judge_collection(Collection(findings=(damage,)), where="x") == (damage,)


def test_outcomes_are_counted_by_kind():
    assert greenproof.totals(report(b="failed", c="passed").outcomes) == {
        "passed": 2, "failed": 1, "error": 0, "skipped": 0, "xfailed": 0,
    }  # fmt: skip


KINDS = st.sampled_from(["passed", "failed", "error", "skipped", "xfailed"])
SOME = st.sets(st.sampled_from([A, B, C]))


@given(st.dictionaries(st.sampled_from([A, B, C]), KINDS), SOME, SOME)
def test_green_is_green_for_one_reason_only(outcomes, collected, expected):
    results = Report(tuple(TestOutcome(each, kind, 0.0) for each, kind in outcomes.items()))
    collection = replace(COLLECTION, collected=tuple(collected), deselected=())
    green = judged(results, collection, tuple(expected)) == []
    assert green == (
        set(outcomes) == collected == expected
        and set(outcomes.values()) == {"passed"}
    )  # fmt: skip
