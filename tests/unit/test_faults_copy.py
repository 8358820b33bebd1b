"""RED keeps its faults file: a fault left out of the proof is told by the hub alone."""

from __future__ import annotations

import json

import pytest

from harness import canonical, faults_copy, judge, records
from tests.attack import hubs, run_forgeries

PATH, RULE = faults_copy.PATH, faults_copy.RULE


@pytest.fixture(scope="module")
def whole(complete_hub):
    return hubs.load(complete_hub)


def told(whole, attack):
    struck = hubs.strike(whole, attack, hubs.MENDS)
    found = hubs.findings(struck)
    return {(i.rule, i.where, i.pointer) for i in found if i.rule in (RULE, "schema.faults")}


def test_the_copy_is_listed_and_is_the_file_that_was_hashed(whole):
    record = json.loads(whole.files[records.stage_path("red")])
    hashed = json.loads(whole.files[records.digests_path("red")])["before"]["code"]
    digest = canonical.sha256(whole.files[PATH])
    assert {each["path"]: each["sha256"] for each in record["outputs"]}[PATH] == digest
    assert hashed[record["settings"]["tests"]["faults"]] == digest
    assert hubs.findings(whole) == ()


def test_a_fault_left_out_of_the_proof_is_told(whole):
    assert told(whole, run_forgeries.without_fault("cut")) == {(RULE, judge.PROOF, "cut")}


def test_a_fault_that_the_file_does_not_declare_is_told(whole):
    def attack(hub):
        hub.edit(judge.PROOF, lambda proof: proof["runs"][1].update(fault_id="made-up"))

    assert told(whole, attack) == {(RULE, judge.PROOF, "made-up")}


def test_a_fault_told_otherwise_than_declared_is_told(whole):
    def attack(hub):
        hub.edit(judge.PROOF, lambda proof: proof["faults"][0].update(replace="x = 1"))

    name = json.loads(whole.files[judge.PROOF])["faults"][0]["id"]
    assert told(whole, attack) == {(RULE, judge.PROOF, name)}


@pytest.mark.parametrize(
    ("data", "rule"),
    [(None, RULE), (b"\xff", RULE), (b"a = [", RULE), (b"faults = []", "schema.faults")],
)
def test_a_copy_that_is_gone_or_no_faults_file_is_told(whole, data, rule):
    def attack(hub):
        del hub.files[PATH]
        if data is not None:
            hub.files[PATH] = data

    assert (rule, PATH, "") in told(whole, attack)


def test_a_copy_that_was_not_hashed_is_told(whole):
    def attack(hub):
        hub.files[PATH] += b"# later\n"

    assert told(whole, attack) == {(RULE, PATH, "")}
