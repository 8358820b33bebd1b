"""What `harness.junit` reads is what pytest itself writes, so most cases run a real pytest."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import junit

MODULE = "tests/study/test_x.py"

SUITE = {
    "code.py": """
        def check():
            assert 1 == 2, "inside the code"
    """,
    MODULE: """
        import pytest
        from code import check

        @pytest.fixture
        def broken():
            raise RuntimeError("no")

        @pytest.fixture
        def asserting():
            assert 0

        @pytest.fixture
        def bad_end():
            yield
            assert 0

        class TestOuter:
            class TestInner:
                def test_nested(self):
                    assert [1] == [2]

        @pytest.mark.parametrize("v", ["a.b", "c::d", "e/f.py", "x]y[", "p q"])
        def test_param(v):
            assert v == "no"

        def test_assert():
            assert 1 == 2

        def test_lying_message():
            assert False, "one\\nelsewhere.py:3: ValueError\\nE   KeyError: x"

        def test_fail():
            pytest.fail("why")

        def test_lying_fail():
            pytest.fail("x\\ntests/study/test_x.py:3: AssertionError", pytrace=False)

        def test_lying_fail_again():
            pytest.fail("x\\ntests/study/test_x.py:3: Failed", pytrace=False)

        def test_no_raise():
            with pytest.raises(ValueError):
                pass

        def test_other_raise():
            with pytest.raises(ValueError):
                raise KeyError(3)

        def test_in_the_code():
            check()

        def test_import():
            import not_there

        def test_chain():
            try:
                check()
            except AssertionError as error:
                raise ValueError("then") from error

        def test_group():
            raise ExceptionGroup("g", [AssertionError("a")])

        def test_bare():
            raise AssertionError

        def test_broken_fixture(broken):
            pass

        def test_asserting_fixture(asserting):
            pass

        def test_bad_end(bad_end):
            pass

        def test_twice_bad(bad_end):
            assert 0

        def test_skip():
            pytest.skip("s")

        @pytest.mark.xfail
        def test_xfail():
            assert 0

        @pytest.mark.xfail(strict=True)
        def test_xpass_strict():
            pass

        def test_ok():
            pass
    """,
    "tests/study/test_no_import.py": "import not_there\n",
    "tests/study/test_no_syntax.py": "def x(:\n",
    "tests/study/test_asserts_at_import.py": "assert 0\n",
    "tests/study/test_skips_itself.py": """
        import pytest
        pytest.skip("s", allow_module_level=True)
    """,
}


def run_pytest(folder: Path, files: dict[str, str], *arguments: str) -> bytes:
    """Return the JUnit XML of a real pytest over these files."""
    for name, text in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(textwrap.dedent(text), encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\n", encoding="utf-8")
    report = folder / "report.xml"
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    subprocess.run(
        [*argv, f"--junitxml={report}", *arguments],
        cwd=folder,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        check=False,
    )
    return report.read_bytes()


@pytest.fixture(scope="module", params=["auto", "long", "short"])
def outcomes(request, tmp_path_factory):
    """Return the outcomes of the suite by node id, for one style of traceback."""
    xml = run_pytest(
        tmp_path_factory.mktemp("suite"),
        SUITE,
        f"--tb={request.param}",
        "--continue-on-collection-errors",
    )
    report = junit.parse(xml, where="report.xml")
    assert report.findings == ()
    return {outcome.node_id: outcome for outcome in report.outcomes}


def facts(outcome):
    return outcome.outcome, outcome.phase, outcome.exception_type, outcome.location_file


def test_node_ids_are_those_that_pytest_was_given(outcomes):
    assert f"{MODULE}::TestOuter::TestInner::test_nested" in outcomes
    for value in ("a.b", "c::d", "e/f.py", "x]y[", "p q"):
        assert f"{MODULE}::test_param[{value}]" in outcomes


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("test_assert", ("failed", "call", "AssertionError", MODULE)),
        ("test_bare", ("failed", "call", "AssertionError", MODULE)),
        ("test_lying_message", ("failed", "call", "AssertionError", MODULE)),
        ("test_fail", ("failed", "call", "Failed", MODULE)),
        ("test_no_raise", ("failed", "call", "Failed", MODULE)),
        ("test_other_raise", ("failed", "call", "KeyError", MODULE)),
        ("test_in_the_code", ("failed", "call", "AssertionError", "code.py")),
        ("test_import", ("failed", "call", "ModuleNotFoundError", MODULE)),
        ("test_chain", ("failed", "call", "ValueError", MODULE)),
        ("test_broken_fixture", ("error", "setup", "RuntimeError", MODULE)),
        ("test_asserting_fixture", ("error", "setup", "AssertionError", MODULE)),
        ("test_bad_end", ("error", "teardown", "AssertionError", MODULE)),
        ("test_twice_bad", ("error", "teardown", "AssertionError", MODULE)),
        ("test_skip", ("skipped", "call", "", "")),
        ("test_xfail", ("xfailed", "call", "", "")),
        ("test_xpass_strict", ("failed", "call", "", "")),
        ("test_ok", ("passed", "call", "", "")),
    ],
)
def test_each_way_to_end_is_told_apart(outcomes, name, expected):
    assert facts(outcomes[f"{MODULE}::{name}"]) == expected


@pytest.mark.parametrize("name", ["test_lying_fail", "test_lying_fail_again"])
def test_a_message_that_looks_like_a_crash_line_is_not_taken_for_one(outcomes, name):
    lying = outcomes[f"{MODULE}::{name}"]
    assert (lying.exception_type, lying.location) == ("Failed", "")


def test_an_exception_group_is_no_assertion(outcomes):
    assert outcomes[f"{MODULE}::test_group"].location == ""


@pytest.mark.parametrize(
    ("name", "exception_type"),
    [
        ("no_import", "ModuleNotFoundError"),
        ("no_syntax", "SyntaxError"),
        ("asserts_at_import", "AssertionError"),
    ],
)
def test_a_module_that_cannot_be_collected_is_an_error_of_that_module(
    outcomes, name, exception_type
):
    outcome = outcomes[f"tests/study/test_{name}.py"]
    assert (outcome.outcome, outcome.phase) == ("error", "collect")
    assert outcome.exception_type == exception_type


def test_a_module_that_skips_itself_is_skipped_at_collection(outcomes):
    outcome = outcomes["tests/study/test_skips_itself.py"]
    assert (outcome.outcome, outcome.phase) == ("skipped", "collect")


def test_a_crash_line_has_its_number(outcomes):
    location = outcomes[f"{MODULE}::test_assert"].location
    source = textwrap.dedent(SUITE[MODULE]).splitlines()
    assert source[int(location.rsplit(":", 1)[1]) - 1].strip() == "assert 1 == 2"


@pytest.mark.parametrize("style", ["line", "native", "no"])
def test_a_style_without_crash_lines_gives_a_type_and_no_place(tmp_path, style):
    files = {MODULE: "def test_a():\n    assert [1] == [2]\n"}
    (outcome,) = junit.parse(run_pytest(tmp_path, files, f"--tb={style}"), where="x").outcomes
    assert facts(outcome) == ("failed", "call", "AssertionError", "")


def test_the_older_family_with_file_attributes_gives_the_same_node_ids(tmp_path):
    files = {"checks.py": "class TestA:\n    def test_a(self):\n        assert 0\n"}
    xml = run_pytest(tmp_path, files, "-o", "junit_family=xunit1", "checks.py")
    (outcome,) = junit.parse(xml, where="x").outcomes
    assert outcome.node_id == "checks.py::TestA::test_a"


def test_a_module_with_an_unusual_name_keeps_its_tests(tmp_path):
    xml = run_pytest(tmp_path, {"sub/checks.py": "def test_a(): pass\n"}, "sub/checks.py")
    (outcome,) = junit.parse(xml, where="x").outcomes
    assert outcome.node_id == "sub/checks.py::test_a"


def test_no_tests_is_an_empty_report_without_findings(tmp_path):
    xml = run_pytest(tmp_path, {MODULE: "def test_a(): pass\n"}, f"{MODULE}::test_b")
    report = junit.parse(xml, where="x")
    assert (report.outcomes, report.findings) == ((), ())


def test_an_internal_error_of_pytest_is_an_error(tmp_path):
    files = {MODULE: "def test_a(): pass\n", "conftest.py": BROKEN_HOOK}
    report = junit.parse(run_pytest(tmp_path, files), where="x")
    assert [(each.node_id, each.outcome) for each in report.outcomes] == [(junit.INTERNAL, "error")]


BROKEN_HOOK = "def pytest_collection_modifyitems():\n    raise ValueError('x')\n"

CASE = b'<testcase classname="tests.test_a" name="test_b" time="0.1" />'


def suite(body: bytes = CASE, **totals: int) -> bytes:
    counted = {"tests": 1, "failures": 0, "errors": 0, "skipped": 0} | totals
    attributes = " ".join(f'{name}="{value}"' for name, value in counted.items())
    return b"<testsuites><testsuite %s>%s</testsuite></testsuites>" % (attributes.encode(), body)


def rules_of(report: junit.Report) -> list[str]:
    return [finding.rule for finding in report.findings]


def test_a_whole_report_has_no_finding():
    report = junit.parse(suite(), where="x")
    assert rules_of(report) == []
    assert report.outcomes[0].as_record() == {
        "node_id": "tests/test_a.py::test_b",
        "outcome": "passed",
        "phase": "call",
        "seconds": 0.1,
        "exception_type": "",
        "location": "",
        "message": "",
    }


@pytest.mark.parametrize(
    ("xml", "rule"),
    [
        (b"", "junit.readable"),
        (suite()[:-20], "junit.readable"),
        (b"\xff\xfe<\x00", "junit.readable"),
        (b"<other/>", "junit.readable"),
        (suite(b"<testcase />"), "junit.readable"),
        (suite(CASE.replace(b"0.1", b"soon")), "junit.readable"),
        (suite(CASE.replace(b"0.1", b"nan")), "junit.readable"),
        (suite(CASE.replace(b"0.1", b"-1")), "junit.readable"),
        (b"<!DOCTYPE a><testsuites/>", "junit.safe"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><testsuites/>', "junit.safe"),
        ('<?xml version="1.0"?><!DOCTYPE a><testsuites/>'.encode("utf-16"), "junit.readable"),
        ("<!DOCTYPE a><testsuites/>".encode("utf-16-le"), "junit.readable"),
        (suite(tests=2), "junit.totals"),
        (suite(failures=1), "junit.totals"),
        (suite().replace(b'errors="0"', b'errors="none"'), "junit.totals"),
        (suite().replace(b'skipped="0"', b""), "junit.totals"),
        (suite(CASE + CASE, tests=2), "junit.one-result"),
        (b"<testsuites/>", "junit.readable"),
    ],
)
def test_a_damaged_report_is_a_finding(xml, rule):
    assert rules_of(junit.parse(xml, where="x")) == [rule]


def test_too_large_a_report_is_refused_unread():
    report = junit.parse(b"x" * (junit.MAX_BYTES + 1), where="x")
    assert rules_of(report) == ["junit.safe"]


def test_deep_nesting_does_no_harm():
    depth = 200_000
    report = junit.parse(suite(CASE + b"<a>" * depth + b"</a>" * depth), where="x")
    assert len(report.outcomes) == 1


def test_a_testcase_that_is_skipped_and_then_breaks_is_an_error():
    both = b'<skipped type="pytest.skip" message="s">x</skipped><error message="failed on'
    xml = suite(CASE[:-2] + b">" + both + b' teardown with &quot;ValueError: x&quot;">y</error>'
                b"</testcase>", skipped=1, errors=1)  # fmt: skip
    (outcome,) = junit.parse(xml, where="x").outcomes
    assert facts(outcome) == ("error", "teardown", "ValueError", "")


def test_a_twisted_crash_line_gives_no_place():
    broken = (
        b'<failure message="ValueError: x">E   ValueError: x\n\na.py:1: AssertionError</failure>'
    )
    xml = suite(CASE[:-2] + b">" + broken + b"</testcase>", failures=1)
    (outcome,) = junit.parse(xml, where="x").outcomes
    assert (outcome.exception_type, outcome.location) == ("ValueError", "")


@given(st.binary())
def test_no_bytes_make_it_raise(data):
    junit.parse(data, where="x")


@given(st.binary(max_size=8), st.integers(0, 300), st.integers(0, 8))
def test_no_damage_to_a_good_report_makes_it_raise(patch, start, width):
    xml = suite(CASE[:-2] + b'><failure message="assert 0">E   assert 0\n\nt.py:1: '
                b"AssertionError</failure></testcase>", failures=1)  # fmt: skip
    junit.parse(xml[:start] + patch + xml[start + width :], where="x")


# What pytest does not write.

ONE_CASE = '<testcase classname="tests.test_a" name="test_a" time="0">{}</testcase>'
ONE_SUITE = '<testsuite tests="1" failures="0" errors="0" skipped="0">{}</testsuite>'


def elements_told(*inside):
    """Return what is said of a report with these elements in its one suite."""
    suite = ONE_SUITE.format("".join(inside))
    found = junit.parse(f"<testsuites>{suite}</testsuites>".encode()).findings
    return [(item.rule, item.found) for item in found]


@pytest.mark.parametrize(
    ("inside", "strange"),
    [
        (
            (ONE_CASE.format(""), ONE_SUITE.format(ONE_CASE.format(""))),
            "<testsuite> in <testsuite>",
        ),
        ((ONE_CASE.format("<rerunFailure/>"),), "<rerunFailure> in <testcase>"),
        ((ONE_CASE.format("<system-out><failure/></system-out>"),), "<failure> in <system-out>"),
    ],
)
def test_what_pytest_writes_nowhere_is_not_passed_over(inside, strange):
    assert elements_told(*inside) == [("junit.readable", strange)]


@pytest.mark.parametrize("inside", ["<properties><property/></properties>", "<system-err/>"])
def test_what_pytest_may_add_to_a_test_is_no_fault(inside):
    assert elements_told(ONE_CASE.format(inside)) == []
