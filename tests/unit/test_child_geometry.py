"""The child's geometry, against the forward model that makes the study's inputs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import alignment, forward, misfit, simulate
from harness.errors import InputInvalid
from harness.jobs import geometry
from tests.small_scan import FRAME_PX, OBJECT, POSITIONS_PX, PROBE, moved, noiseless

Y, X = POSITIONS_PX.T


def misfit_of(arrays, x=X, y=Y, object_=OBJECT):
    """Return the misfit of a probe scaled for these positions and this object."""
    counts = np.square(arrays["diffraction"], dtype=np.float64)
    corners = forward.patch_corners(x, y, FRAME_PX, object_.shape)
    mean_photons = counts.sum() / len(counts)
    scale = misfit.probe_scale(PROBE[None], object_, corners, mean_photons)
    return misfit.shot_noise(counts, scale * PROBE[None], object_, corners)


# Corners


@given(st.lists(st.tuples(st.integers(4, 26), st.integers(4, 16)), min_size=1))
def test_child_and_forward_model_agree_on_every_patch(centres):
    y, x = np.array(centres, dtype=float).T
    np.testing.assert_array_equal(
        forward.patch_corners(x, y, 8, (30, 20)),
        simulate.patch_corners(np.stack([y, x], axis=1), 8),
    )


def test_positions_go_to_the_nearest_pixel():
    x, y = np.array([10.4, 10.6, 9.51]), np.array([20.6, 19.6, 20.49])
    np.testing.assert_array_equal(
        forward.patch_corners(x, y, 8, (40, 30)), [[17, 6], [16, 7], [16, 6]]
    )


@pytest.mark.parametrize(("y", "x"), [(4, 4), (36, 4), (4, 26), (36, 26)])
def test_a_patch_may_touch_each_edge_of_the_object(y, x):
    corners = forward.patch_corners(np.array([float(x)]), np.array([float(y)]), 8, (40, 30))
    assert corners.tolist() == [[y - 4, x - 4]]


@pytest.mark.parametrize(("y", "x"), [(3, 10), (37, 10), (10, 3), (10, 27)])
def test_a_patch_past_any_edge_is_refused_by_number_and_place(y, x):
    xs, ys = np.array([10.0, x, x]), np.array([10.0, y, y])
    with pytest.raises(InputInvalid) as refused:
        forward.patch_corners(xs, ys, 8, (40, 30))
    assert str(refused.value).startswith(
        f"2 of 3 frames see beyond the object: frame 1 begins at row {y - 4}, column {x - 4} "
        "and is 8 px wide; the object is 40 x 30 px."
    )
    assert refused.value.exit_code == 3


@given(st.lists(st.tuples(st.floats(4, 60), st.floats(4, 60)), min_size=1))
def test_the_smallest_object_holds_every_patch_with_a_pixel_to_spare_and_no_more(centres):
    y, x = np.array(centres).T
    rows, columns = geometry.smallest_object_shape(x, y, 8)
    # Half a pixel on, patches still lie inside, wherever their parts of a pixel are rounded to.
    forward.patch_corners(x + 0.5, y + 0.5, 8, (rows, columns))
    for smaller in ((rows - 2, columns), (rows, columns - 2)):
        with pytest.raises(InputInvalid, match="see beyond the object"):
            forward.patch_corners(np.ceil(x), np.ceil(y), 8, smaller)


# Illumination and region


def test_illumination_is_the_sum_of_modes_and_frames_where_they_lie():
    probe = np.array([[[1, 2j], [0, 1]], [[1, 0], [0, 0]]], dtype="complex64")
    light = forward.illumination(probe, np.array([[0, 0], [0, 1], [0, 0]]), (3, 4))
    assert light.tolist() == [[4, 10, 4, 0], [0, 2, 1, 0], [0, 0, 0, 0]]


def test_light_lies_where_a_probe_between_pixels_lies():
    probe, corners = PROBE[None], np.array([[0, 1], [2, 0]])
    shape = (PROBE.shape[-1] + 2, PROBE.shape[-1] + 1)
    still = forward.illumination(probe, corners, shape)
    assert np.array_equal(forward.illumination(probe, corners, shape, np.zeros((2, 2))), still)
    light = forward.illumination(probe, corners, shape, np.array([[0.5, -0.25], [0, 0]]))
    here = np.abs(moved(PROBE, 0.5, -0.25)) ** 2 - np.abs(PROBE) ** 2
    np.testing.assert_allclose((light - still)[:-2, 1:], here, atol=1e-12 * light.max())


@pytest.mark.parametrize(
    ("x", "y", "rows", "columns"),
    [
        ([3.0, 7.0], [5.0, 9.0], (5, 10), (3, 8)),
        ([3.2, 7.2], [5.8, 9.8], (5, 11), (3, 9)),
        ([6.0], [4.0], (4, 5), (6, 7)),
        ([-0.4, 12.4], [-0.4, 20.4], (0, 20), (0, 12)),
    ],
)
def test_the_scanned_region_is_the_box_of_the_centres_within_the_object(x, y, rows, columns):
    region = alignment.scanned_region(np.array(x), np.array(y), (20, 12))
    assert region == (slice(*rows), slice(*columns))


# Brightness


def test_the_scale_undoes_exactly_what_was_done_to_the_probe_but_for_the_unnormalised_fft():
    """The frames' own probe is unitary: pty-chi's is N times dimmer."""
    arrays = noiseless(1e4)
    corners = forward.patch_corners(X, Y, FRAME_PX, OBJECT.shape)
    for gain in (1.0, 250.0):
        scale = misfit.probe_scale(gain * arrays["probeGuess"][None], OBJECT, corners, 1e4)
        assert scale * gain * FRAME_PX == pytest.approx(1, rel=1e-6)


def test_two_modes_together_hold_the_photons_of_both():
    second = np.roll(PROBE, 3, axis=1) * 0.5
    frames = sum(simulate.intensities(OBJECT, mode, POSITIONS_PX) for mode in (PROBE, second))
    probe = np.stack([PROBE, second])
    corners = forward.patch_corners(X, Y, FRAME_PX, OBJECT.shape)
    scale = misfit.probe_scale(probe, OBJECT, corners, frames.sum() / len(frames))
    assert scale * FRAME_PX == pytest.approx(1, rel=1e-9)
    assert misfit.shot_noise(frames, scale * probe, OBJECT, corners) < 1e-12


@pytest.mark.parametrize(
    ("probe", "object_", "mean_photons"),
    [
        (np.zeros((1, 8, 8)), np.ones((9, 9)), 10.0),
        (np.ones((1, 8, 8)), np.zeros((9, 9)), 10.0),
        (np.ones((1, 8, 8)), np.ones((9, 9)), 0.0),
        (np.ones((1, 8, 8)), np.ones((9, 9)), float("nan")),
    ],
    ids=["dark probe", "dark object", "dark data", "data that is no number"],
)
def test_what_is_dark_has_no_scale_and_is_invalid_input(probe, object_, mean_photons):
    with pytest.raises(InputInvalid, match="no scale joins them"):
        misfit.probe_scale(probe, object_, np.array([[0, 1]]), mean_photons)


# Misfit


def test_the_misfit_is_the_squared_excess_over_the_model():
    probe, corners = np.full((1, 4, 4), 0.5), np.zeros((2, 2), dtype=int)
    counts = np.zeros((2, 4, 4))
    counts[:, 2, 2] = 64.0  # (4 x 4 x 0.5)^2, all of it at zero frequency in the centre
    object_ = np.ones((4, 4), complex)
    assert misfit.shot_noise(counts, probe, object_, corners) == pytest.approx(0)
    counts[1, 0, 3] += 16.0
    assert misfit.shot_noise(counts, probe, object_, corners) == pytest.approx(256 / 128)


def test_a_dark_model_is_infinitely_far_from_the_frames():
    dark = np.zeros((1, 4, 4), complex)
    corners = np.zeros((1, 2), dtype=int)
    counts, object_ = np.ones((1, 4, 4)), np.ones((4, 4), complex)
    assert misfit.shot_noise(counts, dark, object_, corners) == float("inf")


def test_an_object_as_bright_as_single_precision_allows_still_has_a_scale():
    corners = np.zeros((1, 2), dtype=int)
    object_ = np.full((4, 4), 1e30, dtype="complex64")
    scale = misfit.probe_scale(np.ones((1, 4, 4), "complex64"), object_, corners, 1.0)
    assert scale == pytest.approx(1 / (4 * 4 * 1e30), rel=1e-6)


def test_swapped_axes_and_half_a_pixel_do_not_predict_the_frames_and_the_truth_does():
    arrays = noiseless(1e4)
    assert misfit_of(arrays) < 1e-6
    assert misfit_of(arrays, x=Y, y=X) > 10
    assert misfit_of(arrays, x=X + 0.5, y=Y + 0.5) > 1
    assert misfit_of(arrays, object_=moved(OBJECT, 0.5, 0.5)) > 0.5


def test_a_whole_pixel_in_any_direction_is_seen():
    arrays = noiseless(1e4)
    for shift in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        assert misfit_of(arrays, object_=np.roll(OBJECT, shift, axis=(0, 1))) > 1, shift
