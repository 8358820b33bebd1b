"""Words for values and counts, as people read them."""

from __future__ import annotations

import pytest

from harness import cli, hub_rules, input_rules, report, rules, run_rules, wording
from tests import npz_files


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 files"), (1, "1 file"), (2, "2 files"), (1000, "1000 files")]
)
def test_one_thing_is_not_said_in_the_plural(count, said):
    assert wording.counted(count, "file") == said


def test_a_plural_that_is_not_the_word_with_an_s_can_be_given():
    assert [wording.counted(n, "breach", "breaches") for n in (1, 2)] == ["1 breach", "2 breaches"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "nothing"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (1, "1"),
        (0.5, "0.5"),
        ("None", "None"),
        ([], "none"),
        (["a", None, True], "a, nothing, yes"),
        ({"used": None, "by": 1}, "used nothing, by 1"),
        ("x" * 500, "x" * 157 + "..."),
        (["x"] * 500, ("x, " * 500)[:157] + "..."),
    ],
)
def test_a_value_is_said_in_words_and_not_as_the_program_writes_it(value, words):
    assert wording.said(value) == words


def test_the_summary_and_the_messages_count_one_as_one(tmp_path, capsys):
    breach = rules.finding("npz.finite", where="a.npz", expected="x", found="y").as_record()
    gate = {"name": "inputs", "checked": 1, "findings": [breach]}
    stages = [("red/stage.json", {"gates": [gate], "versions": {}})]
    words = report._policies(lambda path: None, stages)
    assert "DATA-001: 1 input checked at 1 gate, 1 breach." in words

    arrays = npz_files.scan_arrays()
    arrays["objectGuess"][0, 0] = float("nan")
    assert cli.main(["check", str(npz_files.save(tmp_path / "a.npz", arrays))]) == 3
    assert "DATA-001 is broken 1 time" in capsys.readouterr().err.splitlines()[0]
    assert (
        cli.main(["check", str(npz_files.save(tmp_path / "b.npz", npz_files.scan_arrays()))]) == 0
    )
    assert capsys.readouterr().out == "1 file keeps DATA-001\n"


def test_no_rule_is_registered_twice():
    parts = (rules._RECORDS, input_rules.RULES, run_rules.RULES, hub_rules.RULES)
    assert len(rules.RULES) == sum(map(len, parts))
