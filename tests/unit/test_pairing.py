"""Stages of one hub have one study and, RED and GREEN, the same test files: forgeries are told.

The forger mends every digest, the verdict left as it was, and seals again.
"""

from __future__ import annotations

import json

import pytest

from harness import judge, records
from tests.attack import hubs

A = "a" * 64
MODULE = "tests/study/test_small.py"
GREEN, RED, REAL = (records.stage_path(stage) for stage in ("green", "red", "real-run"))


@pytest.fixture(scope="module")
def whole(complete_hub):
    return hubs.load(complete_hub)


def digests(hub, stage, change):
    def both(document):
        for half in ("before", "after"):
            change(document[half]["code"])

    hub.edit(records.digests_path(stage), both)


def told(whole, attack):
    """Return stage record, rule and place of all that speaks against stages called passed."""
    struck = hubs.strike(whole, attack, hubs.MENDS)
    lies = {item.where for item in hubs.findings(struck) if item.rule == "hub.verdict"}
    return {
        (path, item.rule, item.pointer or item.where)
        for path, record in records.stages(struck.read)
        if path in lies
        for item in judge.findings(record, struck.read)
    }


def test_the_sound_hub_is_sound_to_its_forger(whole):
    assert told(whole, lambda hub: None) == set()


def test_which_stage_came_before_is_told_by_the_chain_where_times_are_equal(whole):
    def attack(hub):
        at = json.loads(hub.files[GREEN])["started_at"]
        hub.edit(RED, lambda record: record.update(started_at=at, finished_at=at))
        digests(hub, "green", lambda code: code.update({MODULE: A}))

    assert (GREEN, "stage.pair", MODULE) in told(whole, attack)


def test_two_stages_without_digests_of_their_test_files_are_no_pair(whole):
    def attack(hub):
        for stage in ("red", "green"):
            digests(
                hub,
                stage,
                lambda code: [code.pop(each) for each in [*code] if each.startswith("tests/")],
            )

    found = told(whole, attack)
    faults = json.loads(whole.files[RED])["settings"]["tests"]["faults"]
    assert (RED, "stage.unhashed", f"/before/code/{faults}") in found
    assert (RED, "stage.unhashed", f"/before/code/{MODULE}") in found
    assert (GREEN, "stage.unhashed", f"/before/code/{MODULE}") in found


@pytest.mark.parametrize(("name", "value"), [("study", "other.toml"), ("study_sha256", A)])
def test_stages_about_another_study_are_told(whole, name, value):
    def attack(hub):
        for path in (RED, GREEN):
            hub.edit(path, lambda record: record["settings"].update({name: value}))

    found = told(whole, attack)
    after = [path for path, _ in records.stages(whole.read) if path not in (RED, GREEN)]
    assert all((path, "stage.study", f"/settings/{name}") in found for path in after)


@pytest.mark.parametrize("path", ["red/runs/notes.md", "green/notes.md", "collect/notes.md"])
def test_a_file_that_nothing_of_a_stage_names_is_told_though_it_is_listed(whole, path):
    struck = hubs.strike(whole, lambda hub: hub.files.update({path: b"all is well"}), hubs.MENDS)
    assert [(item.rule, item.where) for item in hubs.findings(struck)] == [("hub.extra", path)]
