"""JSON that two readers may take for two things is refused; what the harness writes is read."""

from __future__ import annotations

import re

import pytest

from harness import canonical, recipefile
from harness.errors import InputInvalid


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' twice"),
        ('[{"b": {"c": "survived", "c": "killed"}}]', "the key 'c' twice"),
        ("[1e999]", "1e999 is no finite number"),
        ("[-1e999]", "-1e999 is no finite number"),
        ("[NaN]", "NaN is no finite number"),
        ("[Infinity]", "Infinity is no finite number"),
        ("[18446744073709551616]", "18446744073709551616 is larger than 18446744073709551615"),
        ("[-18446744073709551616]", "-18446744073709551616 is larger than 18446744073709551615"),
        (f"[1{'0' * 9000}]", f"1{'0' * 156}... is larger than 18446744073709551615"),
        (r'["\ud800"]', r"\ud800 is no character"),
        (r'{"\udfff": 1}', r"\udfff is no character"),
        ("[" * 100_000, "nested too deep"),
    ],
)
def test_json_of_two_readings_is_refused(text, why):
    with pytest.raises(ValueError, match=f"^{re.escape(why)}$"):
        canonical.parse(text.encode())


@pytest.mark.parametrize("data", [b'["\xed\xa0\x80"]', '["a"]'.encode("utf-16"), b"\xef\xbb\xbf[]"])
def test_json_in_another_encoding_is_refused(data):
    with pytest.raises(ValueError, match=r"utf-8|BOM"):
        canonical.parse(data)


def test_half_a_character_in_a_text_that_was_decoded_otherwise_is_refused():
    with pytest.raises(ValueError, match=r"^\\ud800 is no character$"):
        canonical.parse_text('["\ud800"]')


@pytest.mark.parametrize(
    "value", [2**64 - 1, 1 - 2**64, 1.7e308, "\N{MICROSCOPE}", "name-\udcff.txt", {"a": {"a": 1}}]
)
def test_what_is_written_is_read_back(value):
    assert canonical.parse(canonical.to_bytes([value])) == [value]


def test_a_recipe_with_a_key_twice_is_refused_in_one_line(tmp_path):
    recipe = tmp_path / "recipe.json"
    recipe.write_text('{"name": "a", "name": "b"}')
    with pytest.raises(InputInvalid, match="is not JSON: the key 'name' twice; mend it"):
        recipefile.load(recipe)
