"""The embedded object and probe, and the forward model."""

import numpy as np
import pytest

from harness import optics, positions, simulate
from harness.errors import InputInvalid

FRAME_PX = 32


@pytest.fixture(scope="module")
def scene():
    """An object, a probe and whole-pixel positions, small."""
    scan = positions.jittered_raster(30, 60, 0.35, seed=3) + FRAME_PX // 2 + 4
    return optics.default_object(60, 20, seed=1), optics.defocused_probe(FRAME_PX, 27), scan


def test_the_embedded_object_keeps_its_bounds_and_never_wraps():
    made = optics.default_object(112, 20, seed=20251104)
    assert made.shape == (152, 152)
    assert 0.6 <= np.abs(made).min() < 0.66
    assert 0.94 < np.abs(made).max() <= 1.0
    assert np.abs(np.angle(made)).max() <= 0.8
    assert np.angle(made).std() > 0.3


def test_the_embedded_object_follows_its_seed():
    first, again, other = (optics.default_object(40, 8, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("frame_px", [32, 64, 128])
def test_the_probe_has_the_asked_diameter_and_vanishes_at_the_border(frame_px):
    probe = optics.defocused_probe(frame_px, 0.85 * frame_px)
    border = np.abs(np.concatenate([probe[0], probe[-1], probe[:, 0], probe[:, -1]]))
    assert optics.illuminated_diameter_px(probe) == pytest.approx(0.85 * frame_px, rel=0.06)
    assert border.max() < 1e-3 * np.abs(probe).max()
    assert np.sum(np.abs(probe) ** 2) == pytest.approx(1.0)


def test_the_probe_is_defocused_its_phase_curves_and_its_pupil_is_a_disc():
    probe = optics.defocused_probe(64, 54.4)
    pupil = np.abs(np.fft.fftshift(np.fft.fft2(probe, norm="ortho")))
    assert optics.illuminated_diameter_px(pupil) == pytest.approx(
        2 * 64 * optics.PUPIL_RADIUS_CYCLES_PER_PX, rel=0.1
    )
    assert np.std(np.angle(probe[16:48, 16:48])) > 1.0


def test_a_uniform_disc_is_measured_as_its_diameter_times_the_root_of_its_enclosed_power():
    y, x = np.indices((128, 128))
    disc = (np.hypot(y - 60, x - 66) <= 40).astype(complex)
    assert optics.illuminated_diameter_px(disc) == pytest.approx(80 * 0.95**0.5, abs=1.0)


def test_a_plane_wave_puts_all_photons_into_the_central_pixel():
    frames = simulate.intensities(
        np.ones((40, 40), complex), np.full((32, 32), 0.5 + 0j), np.array([[20.0, 18.0]])
    )
    expected = np.zeros((32, 32))
    expected[16, 16] = 0.25 * 32 * 32
    assert frames[0] == pytest.approx(expected, abs=1e-9)


def test_a_frame_holds_the_photons_of_its_exit_wave(scene):
    made, probe, scan = scene
    frames = simulate.intensities(made, probe, scan)
    for frame, (y, x) in zip(frames, scan.astype(int), strict=True):
        patch = made[y - 16 : y + 16, x - 16 : x + 16]
        assert frame.sum() == pytest.approx(np.sum(np.abs(probe * patch) ** 2))


def test_rows_are_y_and_columns_are_x():
    ramp = np.exp(2j * np.pi * 3 * np.arange(48) / 32)[:, None] * np.ones(48)
    frame = simulate.intensities(ramp, np.ones((32, 32), complex), np.array([[20.0, 24.0]]))[0]
    assert np.unravel_index(frame.argmax(), frame.shape) == (16 + 3, 16)


def test_blocks_do_not_change_the_frames_or_the_counts(scene, monkeypatch):
    frames = simulate.intensities(*scene)
    counts = simulate.poisson_amplitudes(frames, 1e5, 7, 1000)
    monkeypatch.setattr(simulate, "BLOCK_FRAMES", 7)
    assert np.array_equal(simulate.intensities(*scene), frames)
    assert np.array_equal(simulate.poisson_amplitudes(frames, 1e5, 7, 1000), counts)


@pytest.mark.parametrize("dose_photons", [1000, 100000])
def test_the_mean_photons_of_all_frames_are_the_dose(scene, dose_photons):
    frames = simulate.intensities(*scene)
    scale = simulate.photon_scale(frames, dose_photons)
    amplitudes = simulate.poisson_amplitudes(frames, scale, 7, dose_photons)
    mean = (amplitudes.astype(float) ** 2).sum(axis=(1, 2)).mean()
    assert mean == pytest.approx(dose_photons, abs=5 * (dose_photons / len(frames)) ** 0.5)


def test_amplitudes_are_square_roots_of_whole_counts(scene):
    amplitudes = simulate.poisson_amplitudes(simulate.intensities(*scene), 1e5, 7, 100000)
    counts = amplitudes.astype(float) ** 2
    assert amplitudes.dtype == np.float32
    assert counts == pytest.approx(np.rint(counts), rel=1e-6)


def test_counts_scatter_as_poisson_counts_do():
    frames = np.full((400, 32, 32), 9.0)
    counts = simulate.poisson_amplitudes(frames, 1.0, 7, 1000).astype(float) ** 2
    assert counts.mean() == pytest.approx(9.0, rel=0.01)
    assert counts.var() == pytest.approx(9.0, rel=0.02)


def test_noise_differs_between_doses_and_seeds():
    frames = np.full((2, 32, 32), 9.0)
    first, again, dose, seed = (
        simulate.poisson_amplitudes(frames, 1.0, *words)
        for words in ((7, 1000), (7, 1000), (7, 10000), (8, 1000))
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, dose)
    assert not np.array_equal(first, seed)


def test_frames_without_light_cannot_be_scaled():
    with pytest.raises(InputInvalid, match="no light"):
        simulate.photon_scale(np.zeros((3, 32, 32)), 1000)


def test_a_noiseless_dataset_is_exact_for_any_chosen_positions(scene):
    made, probe, scan = scene
    arrays = simulate.noiseless_dataset(made, probe, scan[::3], dose_photons=1e4)
    photons = arrays["diffraction"].astype(float) ** 2
    assert photons.sum(axis=(1, 2)).mean() == pytest.approx(1e4, rel=1e-6)
    again = simulate.intensities(arrays["objectGuess"], arrays["probeGuess"], scan[::3])
    assert photons == pytest.approx(again, rel=1e-4, abs=1e-4)
    assert np.array_equal(arrays["ycoords"], scan[::3, 0])
    assert np.array_equal(arrays["xcoords"], scan[::3, 1])


def test_a_noiseless_dataset_without_a_dose_takes_the_probe_as_it_is(scene):
    arrays = simulate.noiseless_dataset(*scene)
    assert np.array_equal(arrays["probeGuess"], scene[1].astype(np.complex64))


@pytest.mark.parametrize("position", [(15.0, 30.0), (30.0, 15.0), (85.0, 30.0), (30.0, 85.0)])
def test_a_patch_outside_the_object_is_refused_with_its_place(scene, position):
    with pytest.raises(InputInvalid, match=r"1 of 1 patches .* first: number 0"):
        simulate.intensities(scene[0], scene[1], np.array([position]))


@pytest.mark.parametrize("position", [(16.0, 84.0), (84.0, 16.0)])
def test_a_patch_that_touches_the_objects_edge_is_taken(scene, position):
    assert simulate.intensities(scene[0], scene[1], np.array([position])).shape == (1, 32, 32)


def test_positions_between_pixels_are_refused(scene):
    with pytest.raises(InputInvalid, match="whole pixels"):
        simulate.intensities(scene[0], scene[1], np.array([[30.5, 30.0]]))
