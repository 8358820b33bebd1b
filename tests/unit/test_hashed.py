"""What a stage hashed, against what it used and counted: forged lists and counts are told.

The forger mends every digest, the verdict left as it was, and seals again.
"""

from __future__ import annotations

import json

import pytest

from harness import judge, layout, records
from tests.attack import hubs
from tests.unit.test_pairing import GREEN, REAL, digests, told


@pytest.fixture(scope="module")
def whole(complete_hub):
    return hubs.load(complete_hub)


@pytest.mark.parametrize("stage", layout.STAGES)
@pytest.mark.parametrize("gate", [0, 1])
def test_a_gate_said_to_have_checked_more_is_told_in_every_stage(whole, stage, gate):
    def attack(hub):
        hub.edit(records.stage_path(stage), lambda record: record["gates"][gate].update(checked=99))

    found = told(whole, attack)
    assert found == {(records.stage_path(stage), "stage.gate-count", f"/gates/{gate}/checked")}


def test_the_manifest_of_a_run_that_counts_otherwise_is_told(whole):
    path = f"{layout.STAGE_DIRECTORIES['real-run']}/{layout.MANIFEST}"

    def attack(hub):
        hub.edit(path, lambda document: document["gates"][0].update(checked=99))

    struck = hubs.strike(whole, attack, hubs.MENDS)
    found = {(item.rule, item.where, item.pointer) for item in hubs.findings(struck)}
    assert ("stage.gate-count", path, "/gates/0/checked") in found


@pytest.mark.parametrize(
    ("stage", "path"),
    [
        ("red", "harness/pytest_report.py"),
        ("green", "harness/pytest_report.py"),
        ("dry-run", "harness/reconstruction.py"),
        ("real-run", "harness/reconstruction.py"),
    ],
)
def test_the_modules_of_its_own_that_a_command_runs_are_hashed(whole, stage, path):
    words = json.loads(whole.files[records.stage_path(stage)])["commands"][0]["argv"]
    assert path.removesuffix(".py").replace("/", ".") in words

    def attack(hub):
        digests(hub, stage, lambda code: code.pop(path))

    assert (records.stage_path(stage), "stage.unhashed", f"/before/code/{path}") in told(
        whole, attack
    )


def test_each_file_with_a_declared_fault_is_hashed(whole):
    path = json.loads(whole.files[judge.PROOF])["faults"][0]["file"]
    attack = hubs.strike(
        whole, lambda hub: digests(hub, "red", lambda code: code.pop(path)), hubs.MENDS
    )
    place = records.digests_path("red"), f"/before/code/{path}"
    found = [(item.where, item.pointer) for item in hubs.findings(attack)]
    assert found.count(place) == 1


def committed(hub, *paths, commit="c" * 40, dirty=False):
    for path in paths:
        hub.edit(path, lambda record: record["git"].update(commit=commit, dirty=dirty))


def test_two_stages_at_one_clean_commit_have_the_same_code(whole):
    def attack(hub):
        committed(hub, GREEN, REAL)
        digests(hub, "real-run", lambda code: code.pop("harness/npz.py"))

    found = told(whole, attack)
    assert (REAL, "stage.commit", "harness/npz.py") in found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"commit": "d" * 40}),
        ({"dirty": True}, {"dirty": True}),
        ({}, {"dirty": None}),
        ({"commit": None}, {"commit": None}),
    ],
)
def test_stages_of_other_commits_or_with_changes_may_differ_in_code(whole, one, other):
    def attack(hub):
        committed(hub, *(path for path, _ in records.stages(hub.read)), **one)
        committed(hub, REAL, **other)
        digests(hub, "real-run", lambda code: code.pop("harness/npz.py"))

    assert {rule for _, rule, _ in told(whole, attack)} & {"stage.commit"} == set()


@pytest.mark.parametrize(
    ("name", "value"), [("OMP_NUM_THREADS", "64"), ("AUTHORITATIVE_CMDS_DOC", None)]
)
def test_a_command_had_what_the_harness_sets(whole, name, value):
    def attack(hub):
        def change(record):
            variables = record["commands"][0]["environment_set"]
            variables[name] = value
            if value is None:
                del variables[name]

        hub.edit(GREEN, change)

    found = told(whole, attack)
    assert {(where, rule) for where, rule, _ in found} == {(GREEN, "stage.command-words")}
