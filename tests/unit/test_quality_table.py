"""The tables of bench/quality.py, from trials whose figures are known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench import quality_table
from bench.quality_table import Cell
from bench.trial import Trial, variant
from harness import canonical, recipefile
from harness.model import CellKey
from harness.reconstructible import Coverage


def trial(nrmse=(0.5, 0.3, 0.4), held_out=(), second_s=1.0, ratio=1.5) -> Trial:
    """A trial with these errors; epochs take equal time, and the phase error is ratio limits."""
    bands = [
        {"to_cycles_per_px": edge, "phase_rmse_rad": 0.1 * ratio, "photon_limit_phase_rad": 0.1}
        for edge in (0.25, 0.5)
    ]
    return Trial(
        recipe={"name": "some", "version": 1, "sha256": 64 * "0"},
        held_out=list(held_out),
        nrmse=list(nrmse),
        cpu_s=[second_s * (number + 1) for number in range(len(nrmse))],
        failure=None,
        metrics={"photon_limit": {"resolvable_band": dict(bands[0]), "bands": bands}},
        commit="0" * 12,
        as_good=1.001,
    )


def cell(seed: Trial, default: Trial, *, dose=10000, view="dense", share=0.9) -> Cell:
    return Cell(CellKey(dose, view, "train"), Coverage(share, 50.0), seed, default)


def goals(*cells: Cell) -> list[str]:
    text = quality_table.document(cells, "a scene", "a command")
    return [line for line in text.partition("## Goals")[2].splitlines() if line.startswith("| ")][
        2:
    ]


FALLING = (7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0)
BEFORE = (0.5, 0.45, 0.4, 0.36, 0.33, 0.3)
GOOD = cell(trial((0.6, 0.25, 0.4), second_s=10.0), trial((*BEFORE, 0.31), FALLING))


def test_a_good_cell_reaches_every_goal():
    assert [line.split(" | ")[1:] for line in goals(GOOD)] == 4 * [["1 of 1", " |"]]


@pytest.mark.parametrize(
    ("number", "worse"),
    [
        (0, cell(trial((0.6, 0.5, 0.305), second_s=20.0), GOOD.default)),
        (1, replace(GOOD, default=trial((*BEFORE, 0.35), FALLING))),
        (2, replace(GOOD, seed=trial((0.6, 0.5, 0.4), second_s=3.0))),
        (2, cell(trial((0.6, 0.5, 0.2), second_s=10.0), GOOD.default)),
        (3, replace(GOOD, default=replace(GOOD.default, metrics=trial(ratio=2.1).metrics))),
    ],
)
def test_a_cell_that_misses_a_goal_is_named_beside_it(number, worse):
    assert goals(worse)[number].endswith("| 0 of 1 | 1e4 dense train |")
    assert goals(GOOD, worse)[number].endswith("| 1 of 2 | 1e4 dense train |")


def test_both_recipes_are_held_to_the_limit_of_the_same_band():
    """The wider of what the two resolve: a smoother object would choose itself an easier one."""
    wide = trial(ratio=2.0)
    wide.metrics["photon_limit"]["resolvable_band"]["to_cycles_per_px"] = 0.5
    narrow = trial(ratio=1.0)
    narrow.metrics["photon_limit"]["bands"][1]["phase_rmse_rad"] = 0.3
    found = quality_table.shared_band(cell(wide, narrow))
    assert found.to_cycles_per_px == 0.5
    assert found.limit_rad == pytest.approx(0.1 * 2**0.5)
    assert found.errors_rad == pytest.approx((0.2 * 2**0.5, (0.1**2 + 0.3**2) ** 0.5))
    wide.metrics["photon_limit"]["resolvable_band"] = None
    assert quality_table.shared_band(cell(wide, narrow)).to_cycles_per_px == 0.25
    narrow.metrics["photon_limit"]["resolvable_band"] = None
    assert quality_table.shared_band(cell(wide, narrow)) is None


def test_a_document_names_every_commit_that_made_its_trials():
    text = quality_table.document([GOOD], "a scene", "a command")
    assert "commit 000000000000." in text
    other = replace(GOOD, default=replace(GOOD.default, commit="1" * 12))
    text = quality_table.document([GOOD, other], "a scene", "a command")
    assert "commits 000000000000 and 111111111111." in text


def test_the_photon_limit_is_no_goal_at_the_least_dose():
    assert "| 0 of 0 |" in goals(replace(GOOD, key=CellKey(1000, "dense", "train")))[3]


def test_a_cell_that_cannot_be_reconstructed_counts_for_the_choice_of_an_epoch_alone():
    lost = cell(GOOD.seed, GOOD.default, view="sparse", share=0.01)
    text = quality_table.document([GOOD, lost], "a scene", "a command")
    assert [line.split(" | ")[1] for line in goals(GOOD, lost)] == [
        *("1 of 1", "2 of 2", "1 of 1", "1 of 1")
    ]
    assert "| 1e4 sparse train | **no** (0.01) |" in text
    assert "Cannot be reconstructed: 1e4 sparse train." in text


def test_a_cell_that_is_stopped_at_once_cannot_be_reconstructed_either():
    at_once = replace(GOOD, default=replace(GOOD.default, held_out=[1.0, *FALLING[:-1]]))
    assert GOOD.why_not == ""
    assert at_once.why_not == "best at epoch 1"


def test_the_chosen_epoch_is_of_the_held_out_part_and_the_best_of_the_truth():
    found = trial((*BEFORE, 0.31), FALLING)
    assert (found.chosen, found.best) == (7, 6)
    assert trial((*BEFORE, 0.31), FALLING[::-1]).chosen == 1
    assert trial((0.5, 0.3, 0.4)).chosen == 3


def test_an_error_is_reached_with_the_first_epoch_that_is_as_small():
    found = trial((0.5, 0.3, 0.4), second_s=2.0)
    assert found.seconds_to(0.4) == 4.0
    assert found.seconds_to(0.3) == 4.0
    assert found.seconds_to(0.2) is None


def test_a_variant_replaces_adds_and_removes_values_of_a_recipe(tmp_path):
    changes = {
        "num_epochs": 7,
        "options/object_options.optimizer": "",
        "options_by_probe/given/probe_options.optimizable": True,
        "options/reconstructor_options.noise_model": "poisson",
    }
    made = recipefile.load(variant("default", changes, tmp_path / "other.json"))
    before = recipefile.load("default")
    assert made["num_epochs"] == 7
    assert "object_options.optimizer" in before["options"]
    assert "object_options.optimizer" not in made["options"]
    assert made["options_by_probe"]["given"]["probe_options.optimizable"] is True
    unchanged = {key: before[key] for key in ("batch_size", "stop", "held_out", "name")}
    assert {key: made[key] for key in unchanged} == unchanged
    assert canonical.parse((tmp_path / "other.json").read_bytes())["options"] == made["options"]
