"""Schema violations said in words: what the schema wants, and what the document holds."""

from __future__ import annotations

import json

import pytest

from harness import contract, rules, schemas
from harness.resources import schema


def words(part, value):
    """Return where and what is found of one value that breaks one part of a schema."""
    found = schemas.check({"k": value}, {"properties": {"k": part}}, name="study", where="s")
    return [(item.pointer, item.expected, item.found) for item in found]


OBJECT = {"properties": {"a": True}, "required": ["a", "b"]}


@pytest.mark.parametrize(
    ("part", "value", "expected", "found"),
    [
        (OBJECT, {"a": 1}, "the key b", "none"),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, "the key b", "none"),
        ({"additionalProperties": False}, {"x y": 1}, "no other keys", "x y"),
        (
            {"properties": {"a": True}, "unevaluatedProperties": False},
            {"a": 1, "c": 2, "it's": 3},
            "no other keys",
            "c, it's",
        ),
        ({"enum": ["flat", 2]}, "truth", 'one of "flat", 2', '"truth"'),
        ({"enum": ["LSQML"]}, "DM", '"LSQML"', '"DM"'),
        ({"const": None}, True, "nothing", "true"),
        ({"const": "a"}, None, '"a"', "nothing"),
        ({"type": "string"}, 3, "a string", "3"),
        ({"type": "integer"}, "3", "a whole number", '"3"'),
        ({"type": ["number", "null"]}, False, "a number or nothing", "false"),
        ({"type": "boolean"}, [], "true or false", "[]"),
        ({"type": ["array", "object"]}, None, "a list or an object", "nothing"),
        ({"minimum": 1}, 0, "at least 1", "0"),
        ({"maximum": 1}, 1.7, "at most 1", "1.7"),
        ({"exclusiveMinimum": 0}, 0, "more than 0", "0"),
        ({"exclusiveMaximum": 1}, 1.7, "less than 1", "1.7"),
        ({"pattern": "^[0-9]+$"}, "abc", "a text like ^[0-9]+$", '"abc"'),
        ({"format": "date"}, "abc", "a text like date", '"abc"'),
        (
            {"format": "date-time"},
            "2026-02-30T10:00:00+00:00",
            "a day and time that there is",
            '"2026-02-30T10:00:00+00:00"',
        ),
        ({"prefixItems": [True], "items": False}, [1, 2], "no further entries", "[1, 2]"),
        ({"minItems": 1}, [], "at least 1 entry", "[]"),
        ({"maxItems": 2}, [1, 62, 72], "at most 2 entries", "[1, 62, 72]"),
        ({"minLength": 2}, "", "at least 2 characters", '""'),
        ({"maxLength": 1}, "ab", "at most 1 character", '"ab"'),
        ({"minProperties": 1}, {}, "at least 1 key", "{}"),
        ({"maxProperties": 0}, {"a": 1}, "at most 0 keys", '{"a": 1}'),
        ({"uniqueItems": True}, [1, 1], "no entry twice", "[1, 1]"),
    ],
)
def test_a_violation_is_said_in_words(part, value, expected, found):
    assert words(part, value) == [("/k", expected, found)]


def test_each_missing_key_is_said_of_the_object_that_lacks_it():
    assert words(OBJECT, {}) == [("/k", "the key a", "none"), ("/k", "the key b", "none")]


def test_a_keyword_without_words_of_its_own_is_named_with_the_validator_s_message():
    ((pointer, expected, found),) = words({"multipleOf": 2}, 3)
    assert (pointer, expected, found) == ("/k", "multipleOf 2", "3 is not a multiple of 2")


@pytest.mark.parametrize("part", [{"maxItems": 2}, {"enum": ["x"] * 900 + [1]}])
def test_what_is_long_is_cut(part):
    ((_, expected, found),) = words(part, ["y" * 900] * 3)
    assert max(len(expected), len(found)) <= 170


def test_a_missing_required_array_keeps_its_rule_of_the_contract_alone():
    path = "tests/examples/invalid/npz_input/npz.key-missing--no-probe.json"
    with open(path, encoding="utf-8") as stream:
        found = contract.check(json.load(stream), schema=schema("npz_input"))
    assert [rules.as_text(item).partition("]")[0] for item in found] == ["error [npz.key-missing"]
