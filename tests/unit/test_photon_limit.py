"""The shot-noise bound beside the whole Fisher matrix, inverted."""

import numpy as np
import pytest

from harness import forward, photon_limit

SIDE, FRAME = 16, 8
RNG = np.random.default_rng(3)
CORNERS = np.array([(r, c) for r in range(0, 9, 2) for c in range(0, 9, 2)])
SHAPE = (SIDE, SIDE)
OBJECT = (0.8 + 0.1 * RNG.random(SHAPE)) * np.exp(0.6j * RNG.random(SHAPE))
BELL = np.hypot(*(np.indices((FRAME, FRAME)) - 3.5))
PROBE = (
    30 * np.exp(-((BELL / 3) ** 2)) * np.exp(1j * (0.35 * BELL**2 + RNG.random((FRAME, FRAME))))
)[None]
LIGHT = forward.illumination(PROBE, CORNERS, SHAPE)
LIT = np.median(LIGHT) / 2 < LIGHT
FISHER = photon_limit.Fisher.of(PROBE, OBJECT, CORNERS)
PHOTONS = LIGHT * np.abs(OBJECT) ** 2


def numeric_information():
    """J = sum (dI/da)(dI/db) / I, derivatives by central differences of the forward model."""
    model = np.stack(list(forward.frames(PROBE, OBJECT, CORNERS)))
    rows = []
    for factor in (1, 1j):
        for pixel in range(SIDE * SIDE):
            step = np.zeros(SIDE * SIDE, dtype=complex)
            step[pixel] = 1e-4 * factor
            pair = [
                np.stack(list(forward.frames(PROBE, OBJECT + sign * step.reshape(SHAPE), CORNERS)))
                for sign in (1, -1)
            ]
            rows.append(((pair[0] - pair[1]) / 2e-4 / np.sqrt(model)).ravel())
    jacobian = np.stack(rows)
    return jacobian @ jacobian.T


INFORMATION = numeric_information()


def test_the_information_applied_is_the_matrix_of_the_forward_model():
    change = RNG.normal(size=SHAPE) + 1j * RNG.normal(size=SHAPE)
    stacked = INFORMATION @ np.concatenate([change.real.ravel(), change.imag.ravel()])
    wanted = (stacked[: SIDE * SIDE] + 1j * stacked[SIDE * SIDE :]).reshape(SHAPE)
    np.testing.assert_allclose(FISHER.apply(change), wanted, rtol=1e-4, atol=1e-4 * LIGHT.max())


def test_the_information_follows_a_probe_that_lies_between_pixels():
    change = RNG.normal(size=SHAPE) + 1j * RNG.normal(size=SHAPE)
    shifts_px = RNG.uniform(-0.5, 0.5, CORNERS.shape)
    fisher = photon_limit.Fisher.of(PROBE, OBJECT, CORNERS, shifts_px)
    one, other, model = (
        np.stack(list(forward.waves(PROBE, OBJECT + step * change, CORNERS, shifts_px)))
        for step in (1e-4, -1e-4, 0)
    )
    one, other, model = ((np.abs(wave) ** 2).sum(axis=1) for wave in (one, other, model))
    np.testing.assert_allclose(
        fisher.forward(change), (one - other) / 2e-4 / np.sqrt(model), rtol=1e-4, atol=1e-3
    )
    noise = RNG.normal(size=model.shape)
    shown = np.vdot(fisher.adjoint(noise), change).real
    assert shown == pytest.approx((noise * fisher.forward(change)).sum())
    still = photon_limit.Fisher.of(PROBE, OBJECT, CORNERS, 0 * shifts_px)
    assert np.array_equal(still.apply(change), FISHER.apply(change))


def test_the_global_phase_carries_no_information():
    assert np.abs(FISHER.apply(1j * OBJECT)).max() < 1e-9 * LIGHT.max()


def test_drawn_errors_have_the_covariance_of_the_inverted_matrix():
    drawn = [photon_limit.efficient_error(FISHER, LIGHT, seed, 400)[0] for seed in range(60)]
    found = np.mean([phase**2 for phase in photon_limit.phase_errors_rad(drawn, OBJECT)], axis=0)
    inverse = np.linalg.pinv(INFORMATION, rcond=1e-9)
    # d(phase) = Im(dO / O): one real row of 2 x pixels for each pixel.
    flat = OBJECT.ravel()
    rows = np.concatenate([np.diag((1 / flat).imag), np.diag((1 / flat).real)], axis=1)
    wanted = np.einsum("ij,jk,ik->i", rows, inverse, rows).reshape(SHAPE)
    assert np.sqrt(found[LIT].mean()) == pytest.approx(np.sqrt(wanted[LIT].mean()), rel=0.05)


def test_the_simple_bound_is_what_the_diagonal_of_the_information_gives():
    diagonal = np.diag(INFORMATION)
    mean = (diagonal[: SIDE * SIDE] + diagonal[SIDE * SIDE :]) / 2
    np.testing.assert_allclose(mean, 2 * LIGHT.ravel(), rtol=1e-4)
    np.testing.assert_allclose(
        photon_limit.simple_phase_rad(LIGHT, OBJECT), 1 / np.sqrt(2 * PHOTONS)
    )


def test_the_simple_bound_lies_below_the_whole_one_over_the_mask():
    errors = [photon_limit.efficient_error(FISHER, LIGHT, seed, 400)[0] for seed in range(20)]
    whole = np.mean([p[LIT] ** 2 for p in photon_limit.phase_errors_rad(errors, OBJECT)])
    simple = (photon_limit.simple_phase_rad(LIGHT, OBJECT)[LIT] ** 2).mean()
    assert whole > simple


def test_a_wave_has_its_root_mean_square_in_its_band_alone():
    rows = np.arange(64)[:, None] + np.zeros(64)
    image = 3 * np.cos(2 * np.pi * 0.25 * rows)
    low, middle, high = photon_limit.band_rms(image, (0, 0.2, 0.3, 0.5))
    assert middle == pytest.approx(3 / np.sqrt(2), rel=0.01)
    assert max(low, high) < 0.01


def test_white_noise_has_a_share_of_each_band_by_its_area():
    image = np.random.default_rng(5).normal(scale=2, size=(256, 256))
    inner, outer = photon_limit.band_rms(image, (0, 0.25, 0.5))
    assert inner == pytest.approx(2 * np.sqrt(np.pi * 0.25**2), rel=0.03)
    assert outer == pytest.approx(2 * np.sqrt(np.pi * (0.5**2 - 0.25**2)), rel=0.03)
    assert photon_limit.band_rms(image, (0.3, 0.3001)) == [None]
