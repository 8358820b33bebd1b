"""Metrics on cases with known answers."""

import numpy as np
import pytest

from harness import forward, frc, metrics
from tests.small_scan import FRAME_PX, OBJECT, PROBE, moved

CORNERS = np.array([(r, c) for r in range(0, 68, 6) for c in range(0, 68, 6)])
ROWS, COLUMNS = np.indices(OBJECT.shape)
LIGHT = forward.illumination(1e3 * PROBE[None], CORNERS, OBJECT.shape)
MASK = metrics.lit_mask(LIGHT)


def against_truth(*arguments, **more):
    return metrics.against_truth(*arguments, **more).record


def noise(seed, relative):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=OBJECT.shape) + 1j * rng.normal(size=OBJECT.shape)
    inside = MASK.values
    return values * relative * np.linalg.norm(OBJECT[inside]) / np.linalg.norm(values[inside])


def test_the_mask_is_where_light_exceeds_half_its_median():
    light = np.zeros((10, 10))
    light[2:8, 2:8] = 4.0
    light[2, 2:8] = 1.9
    mask = metrics.lit_mask(light)
    assert mask.threshold_photons == 2.0
    assert mask.as_record()["pixels"] == 30


def test_a_scaled_turned_and_ramped_copy_has_no_error():
    found = 3j * OBJECT * np.exp(1j * (0.02 * ROWS - 0.3 * COLUMNS))
    record = against_truth(found, OBJECT, MASK)
    assert record["complex_nrmse"] < 1e-8
    assert record["registration_shift_px"] == [0, 0]
    assert record["ramp_rad_per_px"] == pytest.approx([0.02, -0.3], abs=1e-8)
    assert record["ssim_phase"] == pytest.approx(1)
    assert "above" in record["undefined"]["frc_half_bit_resolution_px"]


@pytest.mark.parametrize("shift", [(0.37, -1.6), (3.25, 0.5), (-0.11, 0.08)])
def test_a_shifted_and_ramped_copy_is_registered_to_sub_pixel(shift):
    found = 0.4 * moved(OBJECT, *shift) * np.exp(1j * (0.2 * ROWS + 0.05 * COLUMNS))
    record = against_truth(found, OBJECT, MASK)
    assert record["registration_shift_px"] == pytest.approx([-shift[0], -shift[1]], abs=0.02)
    assert record["complex_nrmse"] < 0.02


@pytest.mark.parametrize("relative", [0.01, 0.1])
def test_noise_gives_the_errors_that_its_variance_says(relative):
    record = against_truth(OBJECT + noise(1, relative), OBJECT, MASK)
    assert record["complex_nrmse"] == pytest.approx(relative, rel=0.03)
    amplitude = np.abs(OBJECT[MASK.values])
    deviation = relative * np.sqrt((amplitude**2).mean() / 2)
    assert record["amplitude_rmse"] == pytest.approx(deviation, rel=0.05)
    phase = deviation * np.sqrt((1 / amplitude**2).mean())
    assert record["phase_rmse_rad"] == pytest.approx(phase, rel=0.06)
    spread = np.ptp(amplitude)
    assert record["psnr_amplitude_db"] == pytest.approx(20 * np.log10(spread / deviation), abs=0.5)


def test_more_noise_is_worse_by_every_metric():
    little, much = (against_truth(OBJECT + noise(2, n), OBJECT, MASK) for n in (0.02, 0.4))
    for name in ("complex_nrmse", "phase_rmse_rad", "amplitude_rmse"):
        assert little[name] < much[name]
    for name in ("psnr_phase_db", "psnr_amplitude_db", "ssim_phase", "ssim_amplitude"):
        assert little[name] > much[name]


def test_what_is_undefined_is_null_and_says_why():
    broken = OBJECT.copy()
    broken[3, 3] = np.nan
    record = against_truth(broken, OBJECT, MASK)
    assert record["complex_nrmse"] is None
    assert "NaN" in record["undefined"]["all"]
    dark = against_truth(0 * OBJECT, OBJECT, MASK)
    assert "dark" in dark["undefined"]["all"]


# Ring correlation


@pytest.mark.parametrize(("count", "threshold"), [(1, 1.0), (100, 0.306), (1e12, 0.17157)])
def test_the_half_bit_threshold_has_the_published_values(count, threshold):
    assert frc.half_bit_threshold(count) == pytest.approx(threshold, abs=1e-3)


def test_independent_noises_do_not_correlate():
    rng = np.random.default_rng(1)
    one, other = (rng.normal(size=(128, 128)) + 1j * rng.normal(size=(128, 128)) for _ in "12")
    curve = frc.correlate(one, other)
    assert np.abs(curve.correlation[8:]).max() < 0.25
    assert curve.resolution_px is None or curve.resolution_px > 5


@pytest.mark.parametrize("cutoff", [0.1, 0.2, 0.35])
def test_a_signal_cut_off_at_a_frequency_resolves_half_its_period(cutoff):
    rng = np.random.default_rng(2)
    one, other, signal = (
        rng.normal(size=(256, 256)) + 1j * rng.normal(size=(256, 256)) for _ in "123"
    )
    steps = np.fft.fftfreq(256)
    inside = np.hypot(steps[:, None], steps) < cutoff
    signal = 10 * np.fft.ifft2(np.fft.fft2(signal) * inside)
    curve = frc.correlate(signal + one, signal + other)
    # The window's main lobe carries the signal up to two rings further.
    assert cutoff - 1 / 256 < 0.5 / curve.resolution_px < cutoff + 3 / 256


def test_the_resolution_in_metres_needs_a_pixel_size():
    rows, columns = (np.fft.fftfreq(size) for size in OBJECT.shape)
    low = np.fft.ifft2(np.fft.fft2(OBJECT) * (np.hypot(rows[:, None], columns) < 0.2))
    found = low + noise(3, 0.05)
    record = against_truth(found, OBJECT, MASK, pixel_size_m=2e-8)
    expected = 2e-8 * record["frc_half_bit_resolution_px"]
    assert record["frc_half_bit_resolution_m"] == pytest.approx(expected)
    without = against_truth(found, OBJECT, MASK)
    assert "pixel size" in without["undefined"]["frc_half_bit_resolution_m"]


def test_the_largest_square_lies_inside_the_mask():
    mask = np.zeros((20, 30), dtype=bool)
    mask[3:15, 4:25] = True
    mask[3, 4] = False
    rows, columns = frc.largest_square(mask)
    assert rows.stop - rows.start == columns.stop - columns.start == 12
    assert mask[rows, columns].all()
    assert frc.largest_square(np.zeros((5, 5), dtype=bool)) == (slice(0, 0), slice(0, 0))


# Without a truth


def test_counts_equal_to_the_model_have_no_deviance_and_no_r_factor():
    probe = 1e2 * PROBE[None]
    counts = np.stack(list(forward.frames(probe, OBJECT, CORNERS)))
    record = metrics.without_truth(counts, probe, OBJECT, CORNERS)
    assert record["poisson_deviance_per_photon"] == pytest.approx(0, abs=1e-12)
    assert record["r_factor"] == pytest.approx(0, abs=1e-6)


def test_half_the_photons_have_the_deviance_and_r_factor_of_the_formula():
    probe = 1e2 * PROBE[None]
    counts = np.stack(list(forward.frames(probe, OBJECT, CORNERS)))
    record = metrics.without_truth(counts, probe / np.sqrt(2), OBJECT, CORNERS)
    assert record["poisson_deviance_per_photon"] == pytest.approx(2 * np.log(2) - 1)
    assert record["r_factor"] == pytest.approx(1 - np.sqrt(0.5))


def test_poisson_counts_have_a_deviance_of_about_one_for_each_bright_pixel():
    probe = np.full((1, 8, 8), 0j)
    probe[0, 0, 0] = 400
    object_, corners = np.ones((8, 8)), np.zeros((500, 2), dtype=int)
    means = np.stack(list(forward.frames(probe, object_, corners)))
    counts = np.random.default_rng(4).poisson(means)
    record = metrics.without_truth(counts, probe, object_, corners)
    per_pixel = record["poisson_deviance_per_photon"] * counts.sum() / counts.size
    assert per_pixel == pytest.approx(1, rel=0.03)


def test_photons_where_the_model_is_dark_leave_no_finite_deviance():
    counts = np.ones((1, FRAME_PX, FRAME_PX))
    record = metrics.without_truth(counts, 0 * PROBE[None], OBJECT, CORNERS[:1])
    assert record["poisson_deviance_per_photon"] is None
    assert record["r_factor"] == 1
