"""The tables of bench/quality.py, from trials whose figures are known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench import quality_cell, quality_table
from bench.quality_cell import Cell
from bench.trial import Trial, variant
from harness import canonical, recipefile
from harness.model import CellKey
from harness.reconstructible import Coverage


def trial(
    nrmse=(0.5, 0.3, 0.4), held_out=(), second_s=1.0, ratio=1.5, resolution_px=2.0, first=0.9
) -> Trial:
    """A trial with these errors; epochs take equal time, and the phase error is ratio limits.

    resolution_px, first: of its ring correlation, which begins there.
    """
    rings = [{"cycles_per_px": 0.1, "correlation": first, "half_bit": 0.4}]
    truth = {"frc_half_bit_resolution_px": resolution_px, "rings": rings}
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
        metrics={"against_truth": truth, "photon_limit": {"bands": bands}},
        updates=5 * len(nrmse),
        commit="0" * 12,
        as_good=1.001,
    )


def cell(seed: Trial, default: Trial, *, dose=10000, view="dense", share=0.9, flat=0.7) -> Cell:
    return Cell(CellKey(dose, view, "train"), Coverage(share, 50.0), flat, seed, default)


def document(*cells: Cell) -> str:
    return quality_table.document(cells, "a scene", "a command")


def rows(heading: str, *cells: Cell) -> list[list[str]]:
    """The rows of the table under a heading, as lists of words."""
    below = document(*cells).partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in below.splitlines() if line.startswith("| ")]
    return [line.strip("| ").split(" | ") for line in lines[2:]]


def goals(*cells: Cell) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in rows("Goals", *cells)]


FALLING = (7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0)
BEFORE = (0.5, 0.45, 0.4, 0.36, 0.33, 0.3)
GOOD = cell(trial((0.6, 0.25, 0.4), second_s=10.0), trial((*BEFORE, 0.31), FALLING))


def test_a_good_cell_reaches_every_goal():
    assert [row[1:] for row in rows("Goals", GOOD)] == 4 * [["1 of 1", "1 of 1"]]


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
    assert goals(worse)[number].endswith("| 0 of 1 | 0 of 1 | 1e4 dense train |")
    assert goals(GOOD, worse)[number].endswith("| 1 of 2 | 1 of 2 | 1e4 dense train |")


def test_both_recipes_are_held_to_the_limit_of_the_same_band():
    """The wider of what the two resolve: a smoother object would choose itself an easier one."""
    wide = trial(ratio=2.0, resolution_px=None)
    narrow = trial(ratio=1.0)
    narrow.metrics["photon_limit"]["bands"][1]["phase_rmse_rad"] = 0.3
    found = quality_cell.shared_band(cell(wide, narrow))
    assert found.to_cycles_per_px == 0.5
    assert found.limit_rad == pytest.approx(0.1 * 2**0.5)
    assert found.errors_rad == pytest.approx((0.2 * 2**0.5, (0.1**2 + 0.3**2) ** 0.5))


LOST = trial(resolution_px=None, first=0.1)


def test_a_recipe_without_a_resolvable_band_has_no_say_in_that_of_both():
    assert quality_cell.shared_band(cell(LOST, trial())).to_cycles_per_px == 0.25
    assert quality_cell.shared_band(cell(LOST, LOST)) is None


def test_where_neither_recipe_has_a_resolvable_band_a_table_has_none_and_says_so():
    text = document(cell(LOST, LOST))
    assert "first ring already" in text
    assert rows("Photon limit", cell(LOST, LOST))[0][1:] == [*6 * ["-"], "1.50", "1.50"]


def test_a_cell_that_cannot_be_reconstructed_or_has_no_band_is_named_above_its_panel():
    """Whether the others of the panel are so or not."""
    lost = cell(GOOD.seed, GOOD.default, dose=1000, share=0.01)
    assert quality_cell.lost([GOOD]) == ""
    assert quality_cell.lost([lost, GOOD]) == "cannot be reconstructed: 1e3"
    assert quality_cell.lost([lost, replace(lost, key=GOOD.key)]) == (
        "cannot be reconstructed: 1e3, 1e4"
    )
    assert quality_cell.without_band([GOOD]) == ""
    dim = cell(LOST, LOST, dose=1000)
    assert quality_cell.without_band([dim, GOOD]) == "no resolvable band: 1e3"


def test_a_document_names_every_commit_that_made_its_trials():
    text = document(GOOD)
    assert "commit 000000000000." in text
    other = replace(GOOD, default=replace(GOOD.default, commit="1" * 12))
    text = document(GOOD, other)
    assert "commits 000000000000 and 111111111111." in text


def test_a_document_says_which_recipes_it_is_of_and_how_near_to_the_least_is_as_good():
    named = "`some` version 1 (sha256 000000000000"
    held = replace(GOOD.default, as_good=1.004)
    text = document(cell(trial(), held))
    assert f"Recipes: {named}) and {named}, as_good 1.004)." in text


def test_the_photon_limit_is_no_goal_at_the_least_dose():
    assert "| 0 of 0 |" in goals(replace(GOOD, key=CellKey(1000, "dense", "train")))[3]


def test_a_cell_that_cannot_be_reconstructed_counts_for_the_choice_of_an_epoch_alone():
    lost = cell(GOOD.seed, GOOD.default, view="sparse", share=0.01)
    assert [row[1] for row in rows("Goals", GOOD, lost)] == ["1 of 1", "2 of 2", "1 of 1", "1 of 1"]
    text = document(GOOD, lost)
    assert "| 1e4 sparse train | **no** (coverage 0.01) |" in text
    assert "\n- by coverage alone: 1e4 sparse train\n" in text
    assert "\n- by coverage and by held-out photons: none\n" in text
    assert "\n- by held-out photons alone: none\n" in text


AT_ONCE = replace(GOOD.default, held_out=[1.0, *FALLING[:-1]])


def test_a_cell_that_is_stopped_at_once_cannot_be_reconstructed_either():
    assert GOOD.why_not == ""
    assert replace(GOOD, default=AT_ONCE).why_not == "best at epoch 1"


def test_every_sign_that_excludes_a_cell_is_named():
    both = cell(GOOD.seed, AT_ONCE, view="sparse", share=0.01)
    alone = replace(GOOD, default=AT_ONCE)
    assert both.why_not == "coverage 0.01; best at epoch 1"
    text = document(GOOD, both, alone)
    assert "\n- by coverage alone: none\n" in text
    assert "\n- by coverage and by held-out photons: 1e4 sparse train\n" in text
    assert "\n- by held-out photons alone: 1e4 dense train\n" in text


def test_a_cell_that_counts_for_none_and_is_no_worse_than_one_that_counts_is_named():
    """The signs are on the side of caution, and a reader can see where they are wrong."""
    sparse = {"view": "sparse", "share": 0.01}
    better = cell(GOOD.seed, trial((*BEFORE, 0.3), FALLING), **sparse)
    worse = cell(GOOD.seed, trial((*BEFORE, 0.32), FALLING), **sparse, dose=1000)
    text = document(GOOD, better, worse)
    assert "1e4 dense train (0.310), less in: 1e4 sparse train (0.300)\n" in text
    assert "less in: none\n" in document(GOOD, worse)
    assert "less in" not in document(worse)


def test_goals_are_counted_with_the_cells_that_an_outcome_excludes_too():
    """An exclusion that the judged recipe brings about must not help it unseen."""
    slower = cell(trial((0.6, 0.5, 0.2), second_s=10.0), AT_ONCE, dose=1000)
    lost = cell(trial((0.6, 0.5, 0.2), second_s=10.0), AT_ONCE, view="sparse", share=0.01)
    found = [row[1:3] for row in rows("Goals", GOOD, slower, lost)]
    assert found == [["1 of 1", "1 of 2"], ["1 of 3", "1 of 3"], *(["1 of 1", n] for n in ENDS)]
    assert rows("Goals", GOOD, slower, lost)[0][3] == "(1e3 dense train)"


ENDS = ("1 of 2", "1 of 1")


@pytest.mark.parametrize(("flat", "figure"), [(0.401, "0.400 @3"), (0.4, "**0.400 @3**")])
def test_an_error_no_better_than_an_object_of_ones_is_bold(flat, figure):
    found = rows("Error", replace(GOOD, flat=flat))[0]
    assert found[2:4] == [f"{flat:.3f}", figure]
    assert found[4:7] == ["0.250 @2", "0.310 @7", "0.300 @6"]


def test_cells_in_which_a_recipe_ends_no_better_than_an_object_of_ones_are_named():
    worse = replace(GOOD, flat=0.305, key=CellKey(1000, "dense", "train"))
    text = document(GOOD, worse)
    assert "- `seed`, at its end: 1 of 2 (1e3 dense train)\n" in text
    assert "- `default`, chosen: 1 of 2 (1e3 dense train)\n" in text
    assert "- `seed`, at its end: 0 of 1\n" in document(GOOD)


def test_updates_of_both_recipes_stand_beside_their_times():
    found = rows("Updates and time", GOOD)[0]
    assert found[1:5] == ["15", "35", "30.0", "7.0"]


def test_the_ratio_to_the_limit_is_printed_for_all_bands_too():
    """The band is no choice of outcome: what lies beyond its end is shown."""
    default = trial((*BEFORE, 0.31), FALLING, ratio=1.0)
    default.metrics["photon_limit"]["bands"][1]["phase_rmse_rad"] = 0.3
    found = rows("Photon limit", cell(GOOD.seed, default))[0]
    assert found[1:3] == ["0.250", "0.100"]
    assert found[6] == "1.00"
    assert found[7:] == ["1.50", f"{(0.1**2 + 0.3**2) ** 0.5 / (0.1 * 2**0.5):.2f}"]
    nothing = trial(resolution_px=None)
    nothing.metrics["against_truth"]["rings"] = nothing.metrics["photon_limit"]["bands"] = []
    assert rows("Photon limit", cell(nothing, nothing))[0][1:] == 8 * ["-"]


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


@pytest.mark.parametrize(("updates", "epochs"), [(120, 24), (122, 24), (123, 25), (1, 1)])
def test_a_recipe_is_given_the_epochs_that_come_nearest_to_so_many_updates(updates, epochs):
    assert trial().epochs_for(updates) == epochs
