"""RED as a proof: what counts as killed by assertion, and what a set of runs proves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import faults, redproof, resources, schemas
from harness.junit import Report, TestOutcome
from harness.redproof import FaultRun

FILE = "tests/study/test_x.py"
TEST = f"{FILE}::test_it"
OTHER = f"{FILE}::test_other"
RUN = FaultRun("fault-1", (TEST,), "red/1.xml", returncode=1)

ASSERTION = TestOutcome(TEST, "failed", 0.1, "call", "AssertionError", f"{FILE}:3", "assert 0")
PASS = TestOutcome(TEST, "passed", 0.1)


def outcome_of(*outcomes: TestOutcome, run: FaultRun = RUN, node_id: str = TEST) -> str:
    return redproof.classify(run, Report(outcomes), node_id).outcome


def test_an_assertion_in_the_test_s_own_file_kills():
    assert outcome_of(ASSERTION) == "killed_by_assertion"


def test_a_demand_that_pytest_itself_found_unmet_kills():
    unmet = replace(ASSERTION, exception_type="Failed", message="Failed: DID NOT RAISE ValueError")
    assert outcome_of(unmet) == "killed_by_assertion"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"outcome": "passed", "exception_type": "", "location": ""}, "survived"),
        ({"exception_type": "KeyError"}, "error"),
        ({"location": "harness/runner.py:7"}, "error"),
        ({"location": "tests/conftest.py:7"}, "error"),
        ({"location": ""}, "error"),
        ({"exception_type": ""}, "error"),
        ({"outcome": "error", "phase": "setup"}, "error"),
        ({"outcome": "error", "phase": "teardown"}, "error"),
        ({"exception_type": "ModuleNotFoundError"}, "import_error"),
        ({"exception_type": "ImportError", "outcome": "error", "phase": "setup"}, "import_error"),
        ({"exception_type": "Failed", "message": "Failed: Timeout (>1.0s)"}, "timeout"),
        ({"outcome": "skipped"}, "skipped"),
        ({"outcome": "xfailed"}, "skipped"),
        ({"outcome": "error", "phase": "collect", "node_id": FILE}, "collection_error"),
        (
            {
                "outcome": "error",
                "phase": "collect",
                "node_id": FILE,
                "exception_type": "ModuleNotFoundError",
            },
            "import_error",
        ),
        ({"outcome": "skipped", "phase": "collect", "node_id": FILE}, "skipped"),
        ({"node_id": OTHER}, "no_tests"),
        ({"node_id": TEST + "_too"}, "no_tests"),
        ({"outcome": "error", "node_id": "pytest.py::internal"}, "error"),
    ],
)
def test_nothing_else_kills(changes, expected):
    assert outcome_of(replace(ASSERTION, **changes)) == expected


def test_an_empty_report_is_no_tests():
    assert outcome_of() == "no_tests"


@pytest.mark.parametrize("returncode", [0, 2, 3, 4, 5, -9, None])
def test_a_kill_needs_the_return_code_of_failing_tests(returncode):
    assert outcome_of(ASSERTION, run=replace(RUN, returncode=returncode)) == "error"


@pytest.mark.parametrize(
    ("returncode", "expected"), [(0, "survived"), (1, "survived"), (3, "error")]
)
def test_a_survival_needs_a_run_that_ended_in_order(returncode, expected):
    assert outcome_of(PASS, run=replace(RUN, returncode=returncode)) == expected


def test_a_run_that_was_ended_is_a_timeout_whatever_it_had_reported():
    assert outcome_of(ASSERTION, run=replace(RUN, timed_out=True)) == "timeout"


def test_a_fault_without_a_place_is_told_before_all_else():
    run = replace(RUN, applies=False, report_path="")
    assert redproof.classify(run, None, TEST).outcome == "fault_does_not_apply"


def test_no_report_is_an_error():
    verdict = redproof.classify(replace(RUN, returncode=4), None, TEST)
    assert (verdict.outcome, verdict.detail) == ("error", "no report; return code 4")


def test_a_damaged_report_is_an_error():
    proof = redproof.from_reports((TEST,), (), (RUN,), {"red/1.xml": b"<testsuites"})
    assert proof.outcomes[0].outcome == "error"
    assert "junit.readable" in proof.outcomes[0].detail


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([PASS], "killed_by_assertion"),
        ([ASSERTION], "killed_by_assertion"),
        ([replace(PASS, outcome="skipped")], "skipped"),
        ([replace(ASSERTION, exception_type="KeyError")], "error"),
    ],
)
def test_of_a_parametrised_test_one_case_must_fail_and_none_may_break(others, expected):
    cases = [
        replace(case, node_id=f"{TEST}[{number}]")
        for number, case in enumerate([ASSERTION, *others])
    ]
    assert outcome_of(*cases) == expected


OUTCOMES = st.builds(
    TestOutcome,
    node_id=st.sampled_from([TEST, OTHER, FILE, f"{TEST}[1]", "pytest.py::internal"]),
    outcome=st.sampled_from(["passed", "failed", "error", "skipped", "xfailed"]),
    seconds=st.just(0.0),
    phase=st.sampled_from(["call", "setup", "teardown", "collect"]),
    exception_type=st.sampled_from(["", "AssertionError", "Failed", "ImportError", "KeyError"]),
    location=st.sampled_from(["", f"{FILE}:1", "harness/a.py:1", f"x/{FILE}:1"]),
)


@given(st.lists(OUTCOMES, max_size=4), st.sampled_from([0, 1, 2]), st.booleans())
def test_red_is_only_ever_an_assertion_of_the_test_itself(outcomes, returncode, timed_out):
    run = replace(RUN, returncode=returncode, timed_out=timed_out)
    if outcome_of(*outcomes, run=run) == "killed_by_assertion":
        assert (returncode, timed_out) == (1, False)
        assert any(
            outcome.node_id in {TEST, f"{TEST}[1]"}
            and (outcome.outcome, outcome.phase) == ("failed", "call")
            and outcome.exception_type in {"AssertionError", "Failed"}
            and outcome.location == f"{FILE}:1"
            for outcome in outcomes
        )


# What a set of runs proves, from the reports of a real pytest.

CODE = "def answer():\n    return 42\n"
TESTS = """
from code_under_test import answer

def test_it():
    assert answer() == 42
"""
CHANGES = {
    "returns-none": "None",
    "returns-zero": "0",
    "returns-text": "'42'",
    "raises": "1 / 0",
    "is-harmless": "6 * 7",
    "breaks-the-syntax": "(",
    "breaks-the-import": "42\nimport not_there",
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Return for each change the report and return code of a real run; "" is unfaulted."""
    made = {}
    for name, value in {"": "42", "absent": "7", **CHANGES}.items():
        folder = tmp_path_factory.mktemp("tree")
        (folder / "tests/study").mkdir(parents=True)
        (folder / FILE).write_text(TESTS)
        (folder / "code_under_test.py").write_text(CODE.replace("42", value))
        (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
        made[name] = run_pytest(folder)
    return made


def run_pytest(folder: Path) -> tuple[int, bytes]:
    argv = [sys.executable, "-m", "pytest", "-q", TEST, "--junitxml=report.xml"]
    done = subprocess.run(
        argv,
        cwd=folder,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        check=False,
    )
    return done.returncode, (folder / "report.xml").read_bytes()


def declared(name: str) -> faults.Fault:
    return faults.Fault(name, "why", "harness/a.py", f"find {name}", "replace", (TEST,))


def prove(reports, names, *, unfaulted: str = "") -> redproof.RedProof:
    """Return the proof by the faults of these names, over a tree that is red or not."""
    tried = {None: unfaulted} | {name: name for name in names}
    runs = tuple(
        FaultRun(fault_id, (TEST,), f"red/{fault_id}.xml", reports[name][0])
        for fault_id, name in tried.items()
    )
    xml = {f"red/{fault_id}.xml": reports[name][1] for fault_id, name in tried.items()}
    return redproof.from_reports((TEST,), tuple(map(declared, names)), runs, xml)


GOOD = ("returns-none", "returns-zero", "returns-text")


def judged(proof) -> list[tuple[str, str, str]]:
    found = redproof.judge(proof, where="red/red.json")
    return [(finding.rule, finding.pointer, finding.found.split(":")[0]) for finding in found]


def test_three_faults_that_each_kill_by_assertion_are_red(reports):
    proof = prove(reports, GOOD)
    assert judged(proof) == []
    assert proof.natural == ()
    assert [verdict.outcome for verdict in proof.outcomes] == ["survived"] + [
        "killed_by_assertion"
    ] * 3


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("is-harmless", "survived"),
        ("raises", "error"),
        ("breaks-the-syntax", "collection_error"),
        ("breaks-the-import", "import_error"),
    ],
)
def test_one_fault_that_does_not_kill_by_assertion_is_named(reports, name, outcome):
    assert judged(prove(reports, (*GOOD, name))) == [("red.killed", f"{name} {TEST}", outcome)]


def test_a_test_that_fails_by_assertion_as_the_tree_stands_needs_no_faults(reports):
    proof = prove(reports, (), unfaulted="absent")
    assert proof.natural == (TEST,)
    assert judged(proof) == []


def test_faults_of_a_naturally_red_test_are_not_counted(reports):
    assert judged(prove(reports, ("is-harmless",), unfaulted="absent")) == []


def test_a_test_that_breaks_as_the_tree_stands_proves_nothing(reports):
    proof = prove(reports, GOOD, unfaulted="breaks-the-import")
    assert judged(proof) == [("red.unfaulted", TEST, "import_error")]


def test_two_faults_are_too_few(reports):
    assert [rule for rule, *_ in judged(prove(reports, GOOD[:2]))] == ["fault.enough"]


def test_a_fault_that_was_not_tried_is_named(reports):
    proof = prove(reports, GOOD)
    runs = proof.runs[:-1]
    partial = replace(proof, runs=runs, outcomes=proof.outcomes[:-1])
    assert judged(partial) == [("red.killed", f"returns-text {TEST}", "not tried")]


def test_a_tree_that_was_not_tried_unfaulted_proves_nothing(reports):
    proof = prove(reports, GOOD)
    partial = replace(proof, runs=proof.runs[1:], outcomes=proof.outcomes[1:])
    assert judged(partial) == [("red.unfaulted", TEST, "not tried")]


def test_a_fault_that_no_longer_applies_is_named(reports):
    proof = prove(reports, GOOD)
    run = replace(proof.runs[-1], applies=False, returncode=None, report_path="")
    runs = (*proof.runs[:-1], run)
    again = redproof.from_reports(proof.mapped, proof.faults, runs, xml_of(reports))
    assert judged(again) == [("red.killed", f"returns-text {TEST}", "fault_does_not_apply")]


def xml_of(reports) -> dict[str, bytes]:
    return {f"red/{name or None}.xml": xml for name, (_, xml) in reports.items()}


def test_a_second_try_that_survives_is_not_hidden_by_the_first(reports):
    proof = prove(reports, GOOD)
    survived = replace(proof.outcomes[-1], outcome="survived")
    twice = replace(proof, outcomes=(*proof.outcomes, survived))
    assert judged(twice) == [("red.killed", f"returns-text {TEST}", "survived")]


def test_one_report_cannot_stand_for_two_runs(reports):
    proof = prove(reports, GOOD)
    runs = (*proof.runs[:-1], replace(proof.runs[-1], report_path=proof.runs[-2].report_path))
    copied = redproof.from_reports(proof.mapped, proof.faults, runs, xml_of(reports))
    assert [rule for rule, *_ in judged(copied)] == ["red.own-report"]


def test_no_mapped_tests_are_no_red():
    proof = redproof.from_reports((), (), (), {})
    assert [rule for rule, *_ in judged(proof)] == ["red.mapped"]


def test_the_record_is_json_and_the_proof_comes_back_from_it_and_the_reports(reports):
    proof = prove(reports, (*GOOD, "raises"))
    record = json.loads(json.dumps(proof.as_record()))
    assert redproof.from_record(record, xml_of(reports)) == proof
    assert redproof.recheck(record, xml_of(reports), where="red/red.json") == ()


@pytest.mark.parametrize(("key", "value"), [("outcome", "killed_by_assertion"), ("detail", "x")])
def test_a_record_that_says_other_than_its_reports_is_found(reports, key, value):
    record = prove(reports, (*GOOD, "raises")).as_record()
    record["outcomes"][-1][key] = value
    (found,) = redproof.recheck(record, xml_of(reports), where="red/red.json")
    assert (found.rule, found.pointer) == ("red.recomputed", "/outcomes/4")


def test_a_record_with_a_dropped_outcome_is_found(reports):
    record = prove(reports, GOOD).as_record()
    del record["outcomes"][-1]
    (found,) = redproof.recheck(record, xml_of(reports), where="red/red.json")
    assert (found.rule, found.pointer, found.found) == ("red.recomputed", "/outcomes/3", "nothing")


def test_a_record_with_an_added_outcome_is_found(reports):
    record = prove(reports, GOOD).as_record()
    record["outcomes"].append(record["outcomes"][-1])
    (found,) = redproof.recheck(record, xml_of(reports), where="red/red.json")
    assert (found.pointer, found.expected) == ("/outcomes/4", "nothing")


def test_a_record_that_claims_natural_red_is_checked(reports):
    record = prove(reports, GOOD).as_record()
    record["natural"] = [TEST]
    (found,) = redproof.recheck(record, xml_of(reports), where="red/red.json")
    assert (found.rule, found.pointer) == ("red.recomputed", "/natural")


def test_a_report_that_was_lost_is_an_error_of_its_run(reports):
    record = prove(reports, GOOD).as_record()
    xml = xml_of(reports)
    del xml["red/returns-zero.xml"]
    assert [found.pointer for found in redproof.recheck(record, xml, where="x")] == ["/outcomes/2"]


EXAMPLES = Path(__file__).parents[1] / "examples"
VALID = sorted((EXAMPLES / "valid/red_proof").glob("*.json"))
INVALID = sorted((EXAMPLES / "invalid/red_proof").glob("*.json"))


def broken_rules(record) -> set[str]:
    found = schemas.check(record, resources.schema("red_proof"), name="red_proof", where="x")
    return {finding.rule for finding in found}


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_a_valid_example_fits_the_schema_and_is_read(path):
    record = json.loads(path.read_text())
    assert broken_rules(record) == set()
    assert redproof.from_record(record, {}).as_record()["faults"] == record["faults"]


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_an_invalid_example_breaks_the_rule_in_its_name(path):
    assert broken_rules(json.loads(path.read_text())) == {path.stem.split("--")[0]}


def test_a_record_that_was_written_fits_the_schema(reports):
    assert broken_rules(json.loads(json.dumps(prove(reports, GOOD).as_record()))) == set()
    assert VALID
    assert INVALID
