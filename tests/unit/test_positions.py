"""Scan positions: raster, halves, thinning, and the overlap measure."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from harness import positions
from harness.errors import InputInvalid

scans = st.integers(1, 60).flatmap(
    lambda count: hnp.arrays(np.float64, (count, 2), elements=st.floats(-200, 200, width=32))
)
spacings_px = st.floats(0.1, 150)


def all_distances(points):
    return np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))


@given(scans, spacings_px)
def test_no_two_kept_positions_are_closer_than_the_spacing(scan, spacing_px):
    kept = scan[positions.thin(scan, spacing_px)]
    distances = all_distances(kept)[np.triu_indices(len(kept), 1)]
    assert (distances >= spacing_px).all()


@given(scans, spacings_px)
def test_every_rejected_position_is_too_close_to_a_kept_one(scan, spacing_px):
    kept = positions.thin(scan, spacing_px)
    rejected = np.setdiff1d(np.arange(len(scan)), kept)
    assert len(kept) + len(rejected) == len(scan)
    assert (
        all_distances(scan)[np.ix_(rejected, kept)].min(axis=1, initial=np.inf) < spacing_px
    ).all()


@given(scans, spacings_px)
def test_thinning_twice_changes_nothing_and_keeps_scan_order(scan, spacing_px):
    kept = positions.thin(scan, spacing_px)
    assert (np.diff(kept) > 0).all()
    assert np.array_equal(positions.thin(scan[kept], spacing_px), np.arange(len(kept)))


def test_thinning_takes_the_nearest_of_those_far_enough():
    scan = np.array([[0.0, 0.0], [0.0, 14.0], [0.0, 11.0], [0.0, 22.0], [0.0, 3.0]])
    assert positions.thin(scan, 10.0).tolist() == [0, 2, 3]


def test_a_position_exactly_at_the_spacing_is_kept():
    assert positions.thin(np.array([[0.0, 0.0], [3.0, 4.0]]), 5.0).tolist() == [0, 1]


def test_coincident_discs_overlap_wholly_and_parted_discs_not_at_all():
    fractions = positions.disc_overlap_fraction(np.array([0.0, 10.0, 25.0]), 10.0)
    assert fractions.tolist() == [1.0, 0.0, 0.0]


def test_discs_half_a_diameter_apart_share_the_area_of_the_analytic_lens():
    expected = 2 / 3 - math.sqrt(3) / (2 * math.pi)
    assert positions.disc_overlap_fraction(np.array(5.0), 10.0) == pytest.approx(expected)


def test_the_lens_agrees_with_counting_pixels():
    y, x = np.indices((2001, 2001)) / 1000 - 1
    disc = np.hypot(y, x) <= 0.9
    both = disc & (np.hypot(y, x - 0.5) <= 0.9)
    assert positions.disc_overlap_fraction(np.array(0.5), 1.8) == pytest.approx(
        both.sum() / disc.sum(), abs=1e-3
    )


@given(st.floats(0, 300), st.floats(0, 300), st.floats(0.5, 200))
def test_the_overlap_never_grows_with_distance_and_stays_a_fraction(first, second, diameter_px):
    near, far = sorted((first, second))
    fractions = positions.disc_overlap_fraction(np.array([near, far]), diameter_px)
    assert 0 <= fractions[1] <= fractions[0] + 1e-12 <= 1 + 2e-12


def test_the_mean_overlap_of_a_row_of_three_counts_both_neighbours():
    row = np.array([[0.0, 0.0], [0.0, 5.0], [0.0, 10.0]])
    lens = 2 / 3 - math.sqrt(3) / (2 * math.pi)
    found = positions.mean_overlap_fraction(row, 10.0, neighbor_count=2)
    assert found == pytest.approx([lens / 2, lens, lens / 2])


def test_only_the_nearest_neighbours_count():
    row = np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 50.0]])
    assert positions.mean_overlap_fraction(row, 10.0, neighbor_count=1).tolist() == [1, 1, 0]


@given(
    st.integers(2, 60).flatmap(
        lambda count: hnp.arrays(np.float64, (count, 2), elements=st.integers(-50, 50))
    ),
    st.integers(1, 9),
)
def test_neighbour_distances_are_the_smallest_of_all_distances(scan, neighbor_count):
    distances = all_distances(scan)
    np.fill_diagonal(distances, np.inf)
    expected = np.sort(distances, axis=1)[:, : min(neighbor_count, len(scan) - 1)]
    assert np.array_equal(positions.neighbor_distances_px(scan, neighbor_count), expected)


def test_neighbours_are_found_across_block_borders(monkeypatch):
    scan = positions.jittered_raster(90, 60, 0.3, seed=1)
    whole = positions.neighbor_distances_px(scan, 7)
    monkeypatch.setattr(positions, "BLOCK_ROWS", 7)
    assert np.array_equal(positions.neighbor_distances_px(scan, 7), whole)


def test_one_position_has_no_overlap_and_says_so():
    with pytest.raises(InputInvalid, match="needs at least 2"):
        positions.mean_overlap_fraction(np.zeros((1, 2)), 10.0, 7)


def test_the_summary_gives_mean_least_spacing_and_disc():
    row = np.array([[0.0, 0.0], [0.0, 5.0], [0.0, 25.0]])
    lens = 2 / 3 - math.sqrt(3) / (2 * math.pi)
    summary = positions.summarize_overlap(row, 10.0, neighbor_count=1)
    assert summary.mean_fraction == pytest.approx(2 * lens / 3)
    assert (summary.min_fraction, summary.spacing_min_px) == (0.0, 5.0)
    assert (summary.disc_diameter_px, summary.touching_count) == (10.0, 2)


@given(scans.filter(lambda scan: len(np.unique(scan[:, 0])) > 1))
def test_halves_share_no_position_lose_none_and_are_ordered_along_y(scan):
    try:
        low, high = positions.split_along_y(scan, 2)
    except InputInvalid:
        return
    assert sorted([*low, *high]) == list(range(len(scan)))
    assert scan[low, 0].max() < scan[high, 0].min()


def test_a_scan_along_one_line_in_x_cannot_be_split():
    with pytest.raises(InputInvalid, match="1 values of y"):
        positions.split_along_y(np.array([[4.0, 1.0], [4.0, 9.0]]), 2)


@settings(max_examples=25)
@given(st.integers(1, 300), st.integers(20, 400), st.floats(0, 0.5), st.integers(0, 2**32))
def test_a_raster_has_the_asked_count_inside_its_field_on_whole_pixels(
    count, field_px, jitter_fraction, seed
):
    scan = positions.jittered_raster(count, field_px, jitter_fraction, seed)
    assert scan.shape == (count, 2)
    assert scan.min() >= 0
    assert scan.max() <= field_px
    assert np.array_equal(scan, np.rint(scan))


def test_the_raster_follows_its_seed():
    first, again, other = (positions.jittered_raster(50, 80, 0.35, s) for s in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_halves_of_a_pixel_are_rounded_up():
    assert positions.to_whole_pixels(np.array([0.5, 1.5, 2.4, -0.5])).tolist() == [1, 2, 2, 0]
