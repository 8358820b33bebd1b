"""Whatever is asked for: every cell has one outcome, in one order, with its reasons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import matrix, studyfile
from harness.design import View
from harness.errors import UsageError
from harness.model import CellKey
from tests.recipes import settings_by

DESIGN = studyfile.load()
ROOTS = matrix.Roots(PurePosixPath("c"), PurePosixPath("d"), PurePosixPath("out"))
NAMES = st.text("abcdefgh_", min_size=1, max_size=6)


@st.composite
def designs(draw):
    """Studies of other sizes than ours."""
    views = draw(st.lists(NAMES, min_size=1, max_size=5, unique=True))
    return replace(
        DESIGN,
        doses_photons=tuple(sorted(draw(st.sets(st.integers(1, 10**7), min_size=1, max_size=4)))),
        splits=tuple(draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))),
        views=tuple(
            View(name, draw(st.sampled_from("CD")), draw(st.integers(1, 3)), 0.5) for name in views
        ),
    )


@st.composite
def requests(draw, design):
    """Filters whose values the study has."""
    return {
        name: tuple(draw(st.lists(st.sampled_from(values), max_size=3)))
        for name, values in matrix.valid_values(design).items()
    }


@st.composite
def plans(draw):
    design = draw(designs())
    filters = matrix.check_filters(design, draw(requests(design)))
    absent = draw(st.sets(st.sampled_from(matrix.cells(design))))
    paths = {matrix.make_job(design, key, ROOTS, settings_by()).input_npz for key in absent}
    plan = matrix.plan(
        design,
        ROOTS,
        filters=filters,
        settings=settings_by(),
        exists=lambda path: str(path) not in paths,
    )
    return design, filters, plan


@given(plans())
def test_selected_and_skipped_are_all_cells_each_once_in_the_study_s_order(made):
    design, _, plan = made
    outcomes = [job.key for job in plan.jobs] + [skip.key for skip in plan.skipped]
    order = {key: place for place, key in enumerate(matrix.cells(design))}
    assert sorted(outcomes) == sorted(order)
    assert len(plan.jobs) + len(plan.skipped) == len(plan.cells) == len(order)
    for part in (plan.jobs, plan.skipped, plan.missing):
        places = [order[item.key] for item in part]
        assert places == sorted(places)


@given(plans())
def test_a_cell_runs_exactly_where_no_reason_speaks_against_it(made):
    design, filters, plan = made
    missing = {job.key for job in plan.missing}
    for job in plan.jobs:
        assert matrix.misses(job.key, job.gridsize, filters) == ()
    for skip in plan.skipped:
        assert skip.reasons
        against = matrix.misses(skip.key, design.view(skip.key.view).gridsize, filters)
        assert bool(against) != (skip.key in missing)
        wanting = [name for name in ("dose", "view", "split", "gridsize") if filters[name]]
        assert len(against) <= len(wanting)


@given(plans(), st.randoms())
def test_jobs_moved_to_the_skips_keep_the_sum_and_the_order(made, random):
    _, _, plan = made
    keys = [job.key for job in plan.jobs]
    breached = random.sample(keys, random.randint(0, len(keys)))
    kept = matrix.without(plan, dict.fromkeys(breached, ("breach",)))
    assert [job.key for job in kept.jobs] == [key for key in keys if key not in breached]
    assert len(kept.jobs) + len(kept.skipped) == len(plan.cells)
    places = [plan.cells.index(skip.key) for skip in kept.skipped]
    assert places == sorted(places)


@given(st.sampled_from(matrix.FILTER_NAMES), st.text() | st.sampled_from(["1000", "dense", "2"]))
def test_a_value_is_known_or_refused_with_what_is_valid(name, value):
    valid = matrix.valid_values(DESIGN)[name]
    if value in valid:
        assert matrix.check_filters(DESIGN, {name: [value]})[name] == (value,)
        return
    with pytest.raises(UsageError) as caught:
        matrix.check_filters(DESIGN, {name: [value]})
    assert repr(value) in str(caught.value)
    assert all(each in str(caught.value) for each in valid)


def test_no_two_cells_share_an_output_and_names_are_as_the_study_s_users_know_them():
    cells = matrix.cells(DESIGN)
    jobs = [matrix.make_job(DESIGN, key, ROOTS, settings_by()) for key in cells]
    assert len({job.output_dir for job in jobs}) == 18
    assert len({job.input_npz for job in jobs}) == 18
    first = matrix.make_job(DESIGN, CellKey(1000, "baseline", "test"), ROOTS, jobs[0].settings)
    assert first.input_npz == "c/dose_1000/patched_test.npz"
    assert (first.output_dir, first.gridsize) == ("out/dose_1000/baseline/test", 1)
