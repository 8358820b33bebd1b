"""What findings say, word for word: people and programs read them, so no word changes unseen.

`python -m tests.unit.test_words` writes tests/examples/words.json anew; read its diff.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness import contract
from harness.resources import schema

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
WORDS = EXAMPLES / "words.json"
OF_INPUTS = sorted(EXAMPLES.glob("*valid/npz_input/*.json"))


def name_of(path: Path) -> str:
    return path.relative_to(EXAMPLES).as_posix()


def told(path: Path) -> list[list[str]]:
    """Return what is said of an example: rule, where, key, expected, found, severity."""
    description = json.loads(path.read_text(encoding="utf-8"))
    found = contract.check(description, schema=schema("npz_input"))
    return [list(item.as_record().values()) for item in found]


@pytest.mark.parametrize("path", OF_INPUTS, ids=name_of)
def test_what_is_wrong_with_an_input_is_told_in_these_words(path):
    assert told(path) == json.loads(WORDS.read_text(encoding="utf-8"))[name_of(path)]


def test_the_words_are_those_of_the_examples_that_there_are():
    kept = json.loads(WORDS.read_text(encoding="utf-8"))
    assert sorted(kept) == sorted(map(name_of, OF_INPUTS))


if __name__ == "__main__":
    words = {name_of(path): told(path) for path in OF_INPUTS}
    WORDS.write_text(json.dumps(words, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
