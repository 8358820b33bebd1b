"""Every file under tests/examples is a test: valid ones pass, invalid ones break the rule named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import resources, schemas
from harness.canonical import digest

EXAMPLES = Path(__file__).parents[1] / "examples"
# The examples of an NPZ's description have a test of their own, with the contract's rules.
ELSEWHERE = {"npz_input", "faults", "red_proof"}
SCHEMAS = Path(__file__).parents[2] / "schemas"


def examples(kind):
    return [
        pytest.param(path, id=f"{path.parent.name}/{path.stem}")
        for path in sorted((EXAMPLES / kind).glob("*/*.json"))
        if path.parent.name not in ELSEWHERE
    ]


def findings(path):
    name = path.parent.name
    document = json.loads(path.read_text())
    return schemas.check(document, resources.schema(name), name=name, where=path.name)


@pytest.mark.parametrize("path", examples("valid"))
def test_a_valid_example_has_no_finding(path):
    assert findings(path) == ()


@pytest.mark.parametrize("path", examples("invalid"))
def test_an_invalid_example_breaks_its_schema_at_the_place_that_its_name_says(path):
    found = findings(path)
    assert {item.rule for item in found} == {f"schema.{path.parent.name}"}
    key = path.stem.partition("--")[0]
    assert any(key in f"{item.pointer} {item.expected} {item.found}" for item in found), found


def test_every_schema_has_valid_and_invalid_examples():
    names = {path.name.removesuffix(".schema.json") for path in SCHEMAS.iterdir()} - {"common"}
    for kind in ("valid", "invalid"):
        with_examples = {path.name for path in (EXAMPLES / kind).iterdir() if any(path.iterdir())}
        assert with_examples == names


@pytest.mark.parametrize("path", sorted(SCHEMAS.iterdir()), ids=lambda path: path.name)
def test_a_schema_is_draft_2020_12_and_describes_itself_and_its_properties(path):
    from jsonschema import Draft202012Validator

    schema = json.loads(path.read_text())
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"].endswith(f"/schemas/{path.name}")
    assert schema["title"]
    assert schema["description"]
    assert [place for place, part in properties(schema) if "description" not in part] == []


def properties(part, place=""):
    """Yield every property of a schema with its place."""
    if isinstance(part, dict):
        for name, child in part.get("properties", {}).items():
            yield f"{place}/{name}", child
        for name, child in part.items():
            # Conditions and combinations restate properties that are described elsewhere.
            if name not in ("if", "then", "else", "allOf", "anyOf", "not"):
                yield from properties(child, f"{place}/{name}" if name != "properties" else place)
    elif isinstance(part, list):
        for child in part:
            yield from properties(child, place)


def test_examples_differ_from_each_other():
    digests = [digest(json.loads(path.read_text())) for path in EXAMPLES.rglob("*.json")]
    assert len(set(digests)) == len(digests)
