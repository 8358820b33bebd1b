"""Multi-scale SSIM on cases with known answers; beside torchmetrics it stands in the selfcheck."""

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from harness import multiscale

RNG = np.random.default_rng(1)
SIDE = 188
SMOOTH = RNG.normal(size=(SIDE, SIDE)).cumsum(axis=0).cumsum(axis=1) / SIDE
SPREAD = float(np.ptp(SMOOTH))
NOISE = SPREAD * RNG.normal(size=SMOOTH.shape)


def similarity(found, wanted=SMOOTH, scales=5):
    return multiscale.similarity(found, wanted, SPREAD, multiscale.weights_of(scales))


@pytest.mark.parametrize("scales", [2, 3, 4, 5])
def test_an_image_is_as_similar_to_itself_as_can_be(scales):
    assert similarity(SMOOTH, scales=scales) == pytest.approx(1, abs=1e-12)


def test_more_noise_is_less_similar_and_similarity_has_no_sides():
    values = [similarity(SMOOTH + share * NOISE) for share in (0, 0.02, 0.1, 0.5)]
    assert values == sorted(values, reverse=True)
    assert values[0] - values[-1] > 0.5
    noisy = SMOOTH + 0.1 * NOISE
    assert similarity(noisy) == pytest.approx(similarity(SMOOTH, noisy))


def test_the_negative_of_an_image_is_not_similar():
    assert similarity(SMOOTH.max() - SMOOTH) == 0


@pytest.mark.parametrize("share", [0.02, 0.2])
def test_one_scale_alone_is_the_ssim_of_the_library(share):
    found = SMOOTH + share * NOISE
    _, local = structural_similarity(
        SMOOTH,
        found,
        data_range=SPREAD,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    edge = slice(5, -5)
    contrast, luminance = multiscale._maps(found, SMOOTH, SPREAD)
    product = (contrast * luminance)[edge, edge]
    np.testing.assert_allclose(product, local[edge, edge], rtol=1e-9, atol=1e-12)


def test_only_the_coarsest_scale_sees_a_change_of_brightness():
    """A constant added leaves contrast and structure; its luminance term is known by hand."""
    flat = np.full((44, 44), 10.0)
    brighter = flat + 5
    constant = (0.01 * 20.0) ** 2
    luminance = (2 * 10 * 15 + constant) / (100 + 225 + constant)
    weights = multiscale.weights_of(3)
    found = multiscale.similarity(brighter, flat, 20.0, weights)
    assert found == pytest.approx(luminance ** weights[-1])


def test_figures_of_torchmetrics_are_met():
    """Its own figures for these images, in double precision (torchmetrics 1.9.0, torch 2.15.0)."""
    rows, columns = np.indices((100, 100))
    wanted = np.sin(rows / 7) * np.cos(columns / 5)
    found = wanted + 0.3 * np.sin(rows * columns / 11)
    for scales, figure in FIGURES.items():
        made = multiscale.similarity(found, wanted, 2.0, multiscale.weights_of(scales))
        assert made == pytest.approx(figure, rel=1e-7)


FIGURES = {2: 0.8682276691, 3: 0.9281097349, 4: 0.9443999002}


@pytest.mark.parametrize(
    ("side", "scales"),
    [(0, 0), (21, 0), (22, 2), (43, 2), (44, 3), (98, 3), (99, 4), (175, 4), (176, 5), (999, 5)],
)
def test_a_square_has_as_many_scales_as_it_has_room_for(side, scales):
    assert multiscale.scales_for(side) == scales


@pytest.mark.parametrize("scales", [2, 3, 4, 5])
def test_the_weights_are_the_published_ones_brought_to_a_sum_of_1(scales):
    weights = multiscale.weights_of(scales)
    assert sum(weights) == pytest.approx(1)
    assert weights[1] / weights[0] == pytest.approx(0.2856 / 0.0448)
