"""A stage's log must end as its record and its reports say: edited logs are told."""

from __future__ import annotations

import json

import pytest

from harness import judge
from tests.attack import hubs


@pytest.mark.parametrize(
    ("stage", "old", "new", "said"),
    [
        ("green", b"# ended: return code 0", b"# ended: return code 1", "return code 1"),
        ("green", b" passed", b" failed", "1 failed"),
        ("green", b" passed", b" done", "0 passed"),
        ("real_run", b"# ended: return code 0", b"# ended: return code 1", "return code 1"),
    ],
)
def test_a_log_that_says_otherwise_is_told(complete_hub, stage, old, new, said):
    whole = hubs.load(complete_hub)
    command = json.loads(whole.files[f"{stage}/stage.json"])["commands"][0]
    path = command["log_path"]

    def attack(hub):
        hub.files[path] = hub.files[path].replace(old, new)

    struck = hubs.strike(whole, attack, hubs.MENDS)
    record = json.loads(struck.files[f"{stage}/stage.json"])
    found = [each for each in judge.findings(record, struck.read) if each.rule == "stage.log"]
    assert (path, command["name"], said) in {
        (each.where, each.pointer, each.found) for each in found
    }
    assert "hub.verdict" in {item.rule for item in hubs.findings(struck)}
