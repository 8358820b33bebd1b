"""The cells of a study and the jobs chosen from them, each said in full for a small study."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

import pytest

from harness import matrix, studyfile
from harness.design import View
from harness.errors import UsageError
from harness.model import CellKey, ReconstructionJob, Skip
from tests.recipes import settings_by

SETTINGS = settings_by(num_epochs=3)
ROOTS = matrix.Roots(PurePosixPath("c"), PurePosixPath("d"), PurePosixPath("out"))
NO_FILTERS = dict.fromkeys(matrix.FILTER_NAMES, ())
WHOLE, THIN = View("whole", "C", 2), View("thin", "D", 1, 0.5)
KEYS = tuple(
    CellKey(dose, view, split)
    for dose in (10, 200)
    for split in ("train", "test")
    for view in ("whole", "thin")
)


@pytest.fixture(scope="module")
def small():
    return replace(
        studyfile.load(),
        doses_photons=(10, 200),
        splits=("train", "test"),
        views=(WHOLE, THIN),
    )


def plan(design, filters=NO_FILTERS, exists=lambda path: True):
    return matrix.plan(design, ROOTS, filters=filters, settings=SETTINGS, exists=exists)


def test_cells_come_by_dose_then_split_then_view(small):
    assert matrix.cells(small) == KEYS


def test_valid_values_are_text_in_the_studys_order_and_grid_sizes_ascend(small):
    assert matrix.valid_values(small) == {
        "dose": ("10", "200"),
        "view": ("whole", "thin"),
        "split": ("train", "test"),
        "gridsize": ("1", "2"),
    }


def test_filters_that_are_not_asked_for_are_there_and_empty(small):
    assert matrix.check_filters(small, {}) == NO_FILTERS
    asked = matrix.check_filters(small, {"dose": ["200"], "view": None})
    assert asked == {**NO_FILTERS, "dose": ("200",)}


def test_each_wrong_value_has_a_line_with_the_valid_ones(small):
    with pytest.raises(UsageError) as caught:
        matrix.check_filters(small, {"split": ["train", "both"], "dose": ["11", "x"]})
    assert str(caught.value).splitlines() == [
        "--dose '11' is not in the study; valid: 10, 200",
        "--dose 'x' is not in the study; valid: 10, 200",
        "--split 'both' is not in the study; valid: train, test",
    ]


def test_a_cell_misses_by_every_filter_that_leaves_it_out():
    filters = {"dose": ("1", "2"), "view": ("thin",), "split": ("train",), "gridsize": ("9",)}
    assert matrix.misses(CellKey(10, "whole", "test"), 2, filters) == (
        "dose 10 not requested (--dose 1, 2)",
        "view whole not requested (--view thin)",
        "split test not requested (--split train)",
        "gridsize 2 not requested (--gridsize 9)",
    )
    assert matrix.misses(CellKey(2, "thin", "train"), 9, filters) == ()
    assert matrix.misses(CellKey(10, "whole", "test"), 2, NO_FILTERS) == ()


def test_a_job_has_its_input_and_its_places(small):
    assert matrix.make_job(small, CellKey(10, "whole", "test"), ROOTS, SETTINGS) == (
        ReconstructionJob(
            key=CellKey(10, "whole", "test"),
            input_npz="c/dose_10/patched_test.npz",
            output_dir="out/dose_10/whole/test",
            log_path="out/dose_10/whole/test/ptychi.log",
            gridsize=2,
            settings=SETTINGS,
        )
    )
    thin = matrix.make_job(small, CellKey(200, "thin", "train"), ROOTS, SETTINGS)
    assert (thin.input_npz, thin.gridsize) == ("d/dose_200/thin/thin_train.npz", 1)


def test_a_plan_without_filters_runs_every_cell(small):
    made = plan(small)
    assert made.cells == tuple(job.key for job in made.jobs) == KEYS
    assert (made.skipped, made.missing) == ((), ())
    assert made.jobs[0] == matrix.make_job(small, KEYS[0], ROOTS, SETTINGS)


def test_a_cell_left_out_is_skipped_with_its_reasons_and_its_input_not_looked_for(small):
    looked_for = []
    made = plan(
        small,
        {**NO_FILTERS, "dose": ("200",), "view": ("thin",)},
        exists=lambda path: looked_for.append(path) or True,
    )
    assert [job.key for job in made.jobs] == [
        CellKey(200, "thin", "train"),
        CellKey(200, "thin", "test"),
    ]
    assert looked_for == [PurePosixPath(job.input_npz) for job in made.jobs]
    assert len(made.skipped) == 6
    assert made.skipped[0] == Skip(
        KEYS[0],
        ("dose 10 not requested (--dose 200)", "view whole not requested (--view thin)"),
    )


def test_a_cell_of_another_grid_size_is_skipped(small):
    made = plan(small, {**NO_FILTERS, "gridsize": ("2",)})
    assert {job.key.view for job in made.jobs} == {"whole"}
    assert {skip.reasons for skip in made.skipped} == {("gridsize 1 not requested (--gridsize 2)",)}


def test_a_missing_input_is_a_skip_that_says_which_and_a_missing_job(small):
    absent = {"c/dose_10/patched_test.npz", "d/dose_200/thin/thin_train.npz"}
    made = plan(small, exists=lambda path: str(path) not in absent)
    assert made.skipped == (
        Skip(
            CellKey(10, "whole", "test"),
            ("phase C input is missing: dose_10/patched_test.npz",),
        ),
        Skip(
            CellKey(200, "thin", "train"),
            ("phase D input is missing: dose_200/thin/thin_train.npz",),
        ),
    )
    assert [job.key for job in made.missing] == [skip.key for skip in made.skipped]
    assert len(made.jobs) == 6
    assert made.missing[0] == matrix.make_job(small, made.missing[0].key, ROOTS, SETTINGS)


def test_jobs_in_breach_move_to_the_skips_in_the_studys_order(small):
    made = plan(small, {**NO_FILTERS, "split": ("train",)})
    moved = matrix.without(made, {CellKey(200, "thin", "train"): ("b",), KEYS[0]: ("a", "c")})
    assert [job.key for job in moved.jobs] == [
        CellKey(10, "thin", "train"),
        CellKey(200, "whole", "train"),
    ]
    assert [skip.key for skip in moved.skipped] == [
        key for key in KEYS if key not in {job.key for job in moved.jobs}
    ]
    reasons = {skip.key: skip.reasons for skip in moved.skipped}
    assert reasons[KEYS[0]] == ("a", "c")
    assert reasons[CellKey(200, "thin", "train")] == ("b",)
    assert (moved.cells, moved.missing) == (made.cells, made.missing)
    assert matrix.without(made, {}) == made
