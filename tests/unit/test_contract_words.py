"""The contract on descriptions: what it says of each example, and where each rule begins to speak.

People and programs read findings, so no word changes unseen.  To write tests/examples/words.json
anew: `python -m tests.unit.test_contract_words`; read its diff.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from harness import contract, resources

SCHEMA = resources.schema("npz_input")
EXAMPLES = resources.REPOSITORY / "tests" / "examples"
EXAMPLE = EXAMPLES / "valid" / "npz_input"
WORDS = EXAMPLES / "words.json"
OF_INPUTS = sorted(EXAMPLES.glob("*valid/npz_input/*.json"))
HALF_PX, SLACK_PX = 32, contract.POSITION_TOLERANCE_PX


def name_of(path: Path) -> str:
    return path.relative_to(EXAMPLES).as_posix()


def words_of(path: Path) -> list[list[str]]:
    """Return what is said of an example: rule, where, key, expected, found, severity."""
    description = json.loads(path.read_text(encoding="utf-8"))
    found = contract.check(description, schema=SCHEMA)
    return [list(item.as_record().values()) for item in found]


@pytest.mark.parametrize("path", OF_INPUTS, ids=name_of)
def test_what_is_wrong_with_an_input_is_told_in_these_words(path):
    assert words_of(path) == json.loads(WORDS.read_text(encoding="utf-8"))[name_of(path)]


def test_the_words_are_those_of_the_examples_that_there_are():
    kept = json.loads(WORDS.read_text(encoding="utf-8"))
    assert sorted(kept) == sorted(map(name_of, OF_INPUTS))


@pytest.fixture(scope="module")
def sound():
    """A description of 64 x 64 frames on an object of 200 x 210."""
    names = sorted(path.name for path in EXAMPLE.glob("*.json"))
    document = json.loads((EXAMPLE / next(n for n in names if "measured" not in n)).read_text())
    arrays, numbers = document["arrays"], document["statistics"]
    frames = arrays["diffraction"]["shape"][0]
    arrays["diffraction"]["shape"] = [frames, 64, 64]
    arrays["probeGuess"]["shape"] = [64, 64]
    arrays["objectGuess"]["shape"] = [200, 210]
    numbers |= {"frame_px": 64, "x_min_px": 50.0, "x_max_px": 60.0}
    numbers |= {"y_min_px": 50.0, "y_max_px": 60.0}
    arrays.pop("Y", None)
    assert told(document) == []
    return document


def told(description):
    found = contract.check(description, schema=SCHEMA)
    return [(item.rule, item.pointer, item.expected, item.found) for item in found]


@pytest.fixture
def described(sound):
    return copy.deepcopy(sound)


def shape(described, key, sides):
    described["arrays"][key] = {**described["arrays"]["probeGuess"], "shape": list(sides)}


def rules(description):
    return [item[0] for item in told(description)]


@pytest.mark.parametrize("place", ["dtype", "metadata"])
def test_a_breach_of_the_schema_in_what_is_described_leaves_the_rules_their_say(described, place):
    described["arrays"]["another"] = dict(described["arrays"]["xcoords"])
    if place == "dtype":
        described["arrays"]["xcoords"]["dtype"] = "complex64"
    else:
        described["metadata"] = {"dose_photons": "many"}
    found = rules(described)
    assert found[0] == "npz.unknown-key"
    assert set(found[1:]) == {"schema.npz_input"}


def test_arrays_that_are_no_mapping_are_the_schemas_to_report_alone(described):
    described["arrays"] = []
    found = told(described)
    assert {rule for rule, *_ in found} == {"schema.npz_input"}
    assert "/arrays" in {pointer for _, pointer, *_ in found}


def test_without_any_array_a_missing_key_says_so(described):
    described["arrays"] = {}
    found = [item for item in told(described) if item[0] == "npz.key-missing"]
    assert [item[1] for item in found] == list(contract.REQUIRED_KEYS)
    assert {item[2:] for item in found} == {("this key", "only no array")}


def test_modes_and_other_sides_than_the_frames_are_told_by_their_last_two(described):
    shape(described, "probeGuess", (2, 64, 16))
    frames = described["arrays"]["diffraction"]["shape"][0]
    shape(described, "Y", (frames, 16, 64))
    expected = "64 x 64, the frames' side"
    found = [item for item in told(described) if item[0] == "npz.frame-side"]
    assert found == [
        ("npz.frame-side", "probeGuess", expected, "64 x 16"),
        ("npz.frame-side", "Y", expected, "16 x 64"),
    ]


def test_an_object_of_the_frames_size_is_large_enough_and_still_bounds_the_positions(described):
    described["arrays"]["objectGuess"]["shape"] = [64, 64]
    described["statistics"] |= dict.fromkeys(("x_min_px", "x_max_px", "y_min_px"), 32.0)
    described["statistics"]["y_max_px"] = 33.0
    inside = ("npz.positions-outside", "ycoords", "centres from 32 to 32 px", "32 to 33 px")
    found = told(described)
    assert inside in found
    assert {"npz.object-small"}.isdisjoint(item[0] for item in found)
    described["arrays"]["objectGuess"]["shape"] = [64, 63]
    assert ("npz.object-small", "objectGuess", "at least 64 x 64", "(64, 63)") in told(described)


def test_as_much_light_in_the_corners_as_even_light_puts_there_twice_is_allowed(described):
    described["statistics"]["corner_light_fraction"] = contract.CORNER_LIGHT_LIMIT
    assert told(described) == []
    described["statistics"]["corner_light_fraction"] = 0.51
    words = ("most light around the centre", "51% of the light in the corners")
    assert told(described) == [("npz.zero-frequency-in-corner", "diffraction", *words)]


@pytest.mark.parametrize(
    ("axis", "lowest_px", "highest_px", "fits"),
    [
        ("x", HALF_PX - SLACK_PX, 100.0, True),
        ("x", HALF_PX - 2 * SLACK_PX, 100.0, False),
        ("x", 100.0, 210 - HALF_PX + SLACK_PX, True),
        ("x", 100.0, 210 - HALF_PX + 2 * SLACK_PX, False),
        ("y", 100.0, 200 - HALF_PX + SLACK_PX, True),
        ("y", 100.0, 200 - HALF_PX + 2 * SLACK_PX, False),
    ],
)
def test_positions_may_be_off_by_the_tolerance_and_no_further(
    described, axis, lowest_px, highest_px, fits
):
    described["statistics"] |= {f"{axis}_min_px": lowest_px, f"{axis}_max_px": highest_px}
    found = [item for item in told(described) if item[0] == "npz.positions-outside"]
    assert [item[1] for item in found] == ([] if fits else [f"{axis}coords"])


def outside(described):
    return [item[1:] for item in told(described) if item[0] == "npz.positions-outside"]


def test_without_an_object_a_measured_scan_bounds_its_positions_from_below_only(described):
    described["metadata"] = {"input_kind": "measured"}
    described["statistics"] |= {"x_min_px": 50.0, "x_max_px": 5000.0}
    expected = "centres from 32 to 178 px"
    assert outside(described) == [("xcoords", expected, "50 to 5000 px")]
    del described["arrays"]["objectGuess"]
    assert outside(described) == []
    described["statistics"]["x_min_px"] = 5.0
    assert outside(described) == [("xcoords", "centres from 32 px", "5 to 5000 px")]
    described["metadata"] = None
    assert outside(described) == []


@pytest.mark.parametrize(("positions", "speaks"), [(None, False), (1, False), (2, True)])
def test_two_positions_are_enough_to_be_constant_or_twice_there(described, positions, speaks):
    described["statistics"] |= {"positions": positions, "x_min_px": 50.5, "x_max_px": 50.5}
    described["statistics"]["spacing_min_px"] = 0
    found = [item for item in told(described) if item[0].startswith("npz.positions")]
    both = [
        ("npz.positions-constant", "xcoords", "more than one value", "50.5 px throughout"),
        ("npz.positions-duplicate", "xcoords", "positions apart", "frames at one position"),
    ]
    assert found == (both if speaks else [])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"empty_frames": 1}, ("npz.empty-frames", "light in every frame", "1 dark frames")),
        (
            {"empty_frames": 7, "frames": 7},
            ("npz.no-photons", "light in some frame", "7 dark frames"),
        ),
        (
            {"whole_amplitudes": True},
            (
                "npz.amplitude-looks-like-intensity",
                "square roots of counts",
                "whole numbers only",
            ),
        ),
        (
            {"whole_counts": False},
            ("npz.amplitude-not-counts", "squares that are whole numbers", "other squares"),
        ),
        ({"whole_counts": None}, None),
        ({"whole_counts": True}, None),
    ],
)
def test_the_light_of_the_frames_is_judged_in_these_words(described, changes, words):
    described["statistics"] |= {"empty_frames": 0, "whole_amplitudes": False} | changes
    found = list(contract._light(described))
    assert found == ([] if words is None else [(words[0], "diffraction", *words[1:])])


@pytest.mark.parametrize("key", ["diffraction", "probeGuess", "objectGuess", "Y", "xcoords"])
@pytest.mark.parametrize(("wide", "narrow"), [("float64", "float32"), ("complex128", "complex64")])
def test_double_precision_is_noted_but_for_positions(described, key, wide, narrow):
    described["arrays"][key] = {**described["arrays"]["probeGuess"], "dtype": wide}
    noted = [item for item in contract._storage(described) if item[0] == "npz.double-precision"]
    expected = [] if key == "xcoords" else [("npz.double-precision", key, narrow, wide)]
    assert noted == expected


@pytest.mark.parametrize(("key", "known"), [("probeGuess", True), ("another", False)])
def test_big_endian_arrays_are_told_where_the_contract_knows_them(described, key, known):
    described["arrays"][key] = {**described["arrays"]["probeGuess"], "byte_order": "big"}
    found = [item for item in contract._storage(described) if item[0] == "npz.byte-order"]
    assert found == ([("npz.byte-order", key, "little-endian", "big-endian")] if known else [])


def test_a_description_that_does_not_name_its_file_is_reported_under_a_question_mark():
    assert {item.where for item in contract.check({}, schema=SCHEMA)} == {"?"}


if __name__ == "__main__":
    kept = {name_of(path): words_of(path) for path in OF_INPUTS}
    WORDS.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
