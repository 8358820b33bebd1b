"""What is said of files that changed while a stage ran, or are not those of another stage."""

from __future__ import annotations

import pytest

from harness import drift
from tests.memory.stages import UNTOUCHED

A, B = "a" * 64, "b" * 64


def groups(**code):
    return {"code": code, "study": {}, "inputs": {"phase_c/x.npz": A}}


def left_alone(before, after):
    return drift.record(before, after, UNTOUCHED)


def stated(**code):
    return left_alone(groups(**code), groups(**code))


def test_what_did_not_change_has_no_finding():
    assert drift.findings(left_alone(groups(x=A), groups(x=A))) == ()


@pytest.mark.parametrize(
    ("before", "after", "expected", "found"),
    [
        ({"x": A}, {"x": B}, f"sha256 {A} before the stage", f"sha256 {B}"),
        ({"x": A}, {}, f"sha256 {A} before the stage", "no such file"),
        ({"x": A}, {"x": None}, f"sha256 {A} before the stage", "no such file"),
        ({}, {"x": B}, "no such file before the stage", f"sha256 {B}"),
    ],
)
def test_a_file_that_changed_went_or_came_is_named(before, after, expected, found):
    (item,) = drift.findings(left_alone(groups(**before), groups(**after)))
    assert (item.rule, item.where, item.expected, item.found) == (
        "stage.drift",
        "x",
        expected,
        found,
    )


def touched(**names):
    return {**UNTOUCHED, **names}


@pytest.mark.parametrize(
    ("path", "found"),
    [("x", drift.PUT_BACK), ("harness/jobs/", drift.CAME_AND_WENT)],
)
def test_what_was_touched_and_has_its_digest_is_named(path, found):
    document = drift.record(groups(x=A), groups(x=A), touched(code=[path]))
    (item,) = drift.findings(document)
    assert (item.rule, item.where, item.found) == ("stage.drift", path, found)
    assert item.expected == "left alone while the stage ran"


@pytest.mark.parametrize(
    ("before", "after", "names", "told"),
    [
        ({"h/x": A}, {"h/x": B}, ["h/x", "h/"], []),
        ({"h/x": A}, {}, ["h/x", "h/"], []),
        ({}, {"h/new/x": A}, ["h/"], []),
        ({"h/x": A}, {"h/x": A}, ["h/x", "h/"], ["h/x"]),
        ({"h/x": A}, {"h/x": A}, ["h/", "h/i/"], ["h/", "h/i/"]),
        ({"h/x": A, "i/x": A}, {"h/x": B, "i/x": A}, ["h/x", "h/", "i/"], ["i/"]),
    ],
)
def test_what_a_difference_or_a_file_tells_is_not_told_twice(before, after, names, told):
    document = drift.record(groups(**before), groups(**after), touched(code=names))
    assert document["touched"] == {"code": told, "study": [], "inputs": []}


def test_only_test_files_and_declared_faults_must_be_those_of_the_other_stage():
    red = {"tests/a.py": A, "tests/faults.toml": A, "harness/model.py": A}
    green = {"tests/a.py": B, "tests/faults.toml": A, "harness/model.py": B, "tests/new.py": A}
    found = drift.pair(
        stated(**green),
        stated(**red),
        "red",
    )
    assert [(item.rule, item.where) for item in found] == [
        ("stage.pair", "tests/a.py"),
        ("stage.pair", "tests/new.py"),
    ]
    assert found[0].expected == f"sha256 {A} in red"


def test_a_job_whose_input_was_another_at_the_gate_is_found_though_it_was_put_back():
    document = stated()
    job = {"input_root": "phase_c", "input_npz": "x.npz", "input_sha256": A}
    assert drift.inputs_of_jobs(document, [job]) == ()
    (item,) = drift.inputs_of_jobs(document, [{**job, "input_sha256": B}])
    assert (item.rule, item.where) == ("stage.drift", "phase_c/x.npz")
    assert (item.expected, item.found) == (f"sha256 {A} at the input gate", f"sha256 {B}")
    (item,) = drift.inputs_of_jobs(document, [{**job, "input_npz": "y.npz"}])
    assert item.expected == "no such file at the input gate"


HERE = {"tests/a.py": A, "harness/b.py": A, "harness/gone.py": A}
THERE = {"tests/a.py": B, "harness/b.py": B, "harness/new.py": A}


@pytest.mark.parametrize(
    ("compare", "rule", "when", "tests_only"),
    [
        (lambda one, other: drift.pair(one, other, "red"), "stage.pair", "in red", True),
        (
            lambda one, other: drift.base_tests(other, drift.test_files(one)),
            "red.base-tests",
            "in red",
            True,
        ),
        (lambda one, other: drift.one_commit(one, other, "cli"), "stage.commit", "in cli", False),
        (
            lambda one, other: drift.at_commit(one, other["before"]["code"], "0123456789abcdef"),
            "hub.commit",
            "in commit 0123456789ab",
            False,
        ),
    ],
)
def test_code_of_two_places_is_compared_file_by_file(compare, rule, when, tests_only):
    found = compare(stated(**THERE), stated(**HERE))
    told = [
        ("harness/b.py", f"sha256 {A} {when}", f"sha256 {B}"),
        ("harness/gone.py", f"sha256 {A} {when}", "no such file"),
        ("harness/new.py", f"no such file {when}", f"sha256 {A}"),
        ("tests/a.py", f"sha256 {A} {when}", f"sha256 {B}"),
    ]
    assert [(item.where, item.expected, item.found) for item in found] == (
        told[3:] if tests_only else told
    )
    assert {item.rule for item in found} == {rule}
    assert compare(stated(**HERE), stated(**HERE)) == ()


@pytest.mark.parametrize(
    ("here", "there", "told"),
    [
        ({"i": A}, {"i": A}, []),
        ({"i": A}, {"i": B}, [("i", f"sha256 {A} in cli", f"sha256 {B}")]),
        ({"i": A}, {"i": None}, []),
        ({"i": None}, {"i": A}, []),
        ({"i": A, "j": A}, {"k": A}, []),
        ({"h": A, "i": A}, {"i": B}, [("i", f"sha256 {A} in cli", f"sha256 {B}")]),
    ],
)
def test_inputs_that_two_stages_share_are_the_same(here, there, told):
    one, other = (
        left_alone({**groups(), "inputs": inputs}, {**groups(), "inputs": {}})
        for inputs in (here, there)
    )
    found = drift.same_inputs(other, one, "cli")
    assert [(item.where, item.expected, item.found) for item in found] == told
    assert {item.rule for item in found} <= {"stage.inputs"}


@pytest.mark.parametrize("group", drift.GROUPS)
def test_every_group_is_held_to_what_it_was(group):
    before, after = {**groups(), group: {"x": A}}, {**groups(), group: {"x": B}}
    assert [item.where for item in drift.findings(left_alone(before, after))] == ["x"]
    record = drift.record(before, before, touched(**{group: ["x"]}))
    assert [item.found for item in drift.findings(record)] == [drift.PUT_BACK]


def test_the_record_has_the_groups_as_they_were_given():
    before, after = groups(x=A), groups(x=B)
    document = left_alone(before, after)
    assert document["format"] == "harness.digests/2"
    assert (document["before"], document["after"]) == (before, after)
