"""Every example of an NPZ description is a test; an invalid one's name says which rule fires."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import contract, rules
from harness.resources import schema

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
VALID = sorted((EXAMPLES / "valid" / "npz_input").glob("*.json"))
INVALID = sorted((EXAMPLES / "invalid" / "npz_input").glob("*.json"))
CONTRACT_MODULE = Path(contract.__file__).read_text(encoding="utf-8")


def findings(path: Path):
    description = json.loads(path.read_text(encoding="utf-8"))
    return contract.check(description, schema=schema("npz_input"))


def by_name(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", VALID, ids=by_name)
def test_a_valid_example_has_no_error(path):
    assert [found for found in findings(path) if found.severity == "error"] == []


@pytest.mark.parametrize("path", INVALID, ids=by_name)
def test_an_invalid_example_breaks_the_rule_in_its_name_and_no_other(path):
    rule = path.stem.partition("--")[0]
    assert {found.rule for found in findings(path)} == {rule}


def test_every_rule_of_the_contract_has_an_invalid_example():
    shown = {path.stem.partition("--")[0] for path in INVALID}
    of_contract = {rule for rule in rules.RULES if f'"{rule}"' in CONTRACT_MODULE}
    assert of_contract | {"schema.npz_input"} == shown
