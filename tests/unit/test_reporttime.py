"""When a test report was written and where, beside the command that left it."""

from __future__ import annotations

import json

import pytest

from harness import records, reporttime
from tests.memory import hub as memory
from tests.memory import runs

GREEN = records.stage_path("green")
REPORT = "green/suite.junit.xml"
SUITE = memory.make().files[REPORT].decode()
STAMP = runs.at("green", 2)


def told(old, new, hub=None, stamp=STAMP):
    """Return what is said of the reports of GREEN once one of them says something else."""
    hub = hub or memory.sound()
    assert SUITE.count(old) == 1
    hub.files[REPORT] = SUITE.replace(old, new).replace(STAMP, stamp).encode()
    record = json.loads(hub.files[GREEN])
    return memory.told(reporttime.check(record, hub.read))


def of(pointer, expected, found):
    return [("hub.report", REPORT, f"testsuite/@{pointer}", expected, found)]


def test_a_report_of_its_command_s_time_holds():
    assert told("<testsuites>", "<testsuites>") == []


@pytest.mark.parametrize(
    "stamp",
    [
        runs.at("green", -1),
        runs.at("green", 30.75),
        "2026-01-01T02:01:02+02:00",
        "2025-12-31T13:01:02.123456-11:00",
    ],
)
def test_a_clock_may_be_set_by_two_seconds_and_stand_in_any_zone(stamp):
    assert told(STAMP, stamp) == []


@pytest.mark.parametrize(
    "stamp",
    [
        runs.at("green", -1.1),
        runs.at("green", 31),
        "2026-01-01T00:01:02+02:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-11:00",
    ],
)
def test_a_report_of_another_time_is_told(stamp):
    expected = f"within {runs.at('green', 1)} to {runs.at('green', 29)}"
    assert told(STAMP, stamp) == of("timestamp", expected, f"{stamp} and 0.2 s")


@pytest.mark.parametrize("stamp", ["2026-01-01T00:01:02", "today", ""])
def test_a_report_that_tells_no_time_is_told(stamp):
    assert told(STAMP, stamp) == of("timestamp", "a time with its zone", stamp)


def test_a_report_without_its_time_is_told():
    assert told(f' timestamp="{STAMP}"', "") == of("timestamp", "a time with its zone", "")
    assert told(' time="0.2"', "") == of("time", "seconds", "")
    assert told('time="0.2"', 'time="nan"') == of("time", "seconds", "nan")
    assert told('time="0.2"', 'time="-1"') == of("time", "seconds", "-1")


@pytest.mark.parametrize(("seconds", "is_told"), [("28.002", False), ("28.003", True)])
def test_the_tests_took_no_longer_than_their_command(seconds, is_told):
    found = of("time", "at most 28.0 s, the time of its command", f"{seconds} s")
    assert told('time="0.2"', f'time="{seconds}"') == found * is_told


@pytest.mark.parametrize(("second", "is_told"), [(3, False), (3.1, True)])
def test_the_tests_ended_with_their_command(second, is_told):
    hub = memory.sound()
    stamp = runs.at("green", second)
    found = told('time="0.2"', 'time="28.0"', hub, stamp)
    expected = f"within {runs.at('green', 1)} to {runs.at('green', 29)}"
    assert found == of("timestamp", expected, f"{stamp} and 28.0 s") * is_told


def test_a_report_that_is_damaged_hides_no_other():
    hub = memory.sound()
    hub.files["green/mapped.junit.xml"] = b"<a/>"
    named = told("<testsuite ", '<testsuite hostname="alpha" ', hub)
    assert named == of("hostname", "no host", "alpha")


@pytest.mark.parametrize(("seconds", "is_told"), [("0.202", False), ("0.203", True)])
def test_the_tests_one_after_another_took_no_longer_than_all(seconds, is_told):
    found = of("time", f"at least {seconds} s, the time of its tests", "0.2 s")
    assert told('time="0.1"', f'time="{seconds}"') == found * is_told


def test_a_report_names_no_host():
    assert told("<testsuite ", '<testsuite hostname="" ') == []
    named = told("<testsuite ", '<testsuite hostname="alpha" ')
    assert named == of("hostname", "no host", "alpha")


@pytest.mark.parametrize(
    ("name", "is_told"), [("as-it-stands", True), ("fault x", False), ("base-a", False)]
)
def test_a_tree_that_was_changed_may_have_left_the_host_in(name, is_told):
    hub = memory.sound()
    hub.edit(GREEN, lambda record: record["commands"][1].update(name=name))
    found = told("<testsuite ", '<testsuite hostname="alpha" ', hub)
    assert found == of("hostname", "no host", "alpha") * is_told


@pytest.mark.parametrize("data", [None, b"<a/>", SUITE.replace('tests="1"', 'tests="2"').encode()])
def test_a_report_that_is_damaged_or_lost_is_told_by_others(data):
    hub = memory.sound()
    del hub.files[REPORT]
    if data is not None:
        hub.files[REPORT] = data
    assert list(reporttime.check(json.loads(hub.files[GREEN]), hub.read)) == []


def test_a_command_that_leaves_no_report_of_tests_has_none_to_tell_of():
    hub = memory.sound()
    record = json.loads(hub.files[records.stage_path("dry-run")])
    assert list(reporttime.check(record, hub.read)) == []


def test_verify_holds_reports_to_it():
    hub = memory.sound()
    late = runs.at("real-run", 2)
    hub.files[REPORT] = SUITE.replace(STAMP, late).encode()
    (found,) = [item for item in memory.verified(hub) if item[0] == "hub.report"]
    assert found[1:3] == (REPORT, "testsuite/@timestamp")
