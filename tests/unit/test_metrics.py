"""Metrics on cases with known answers."""

import numpy as np
import pytest

from harness import forward, frc, metrics, registration
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
    for name in ("ssim_phase", "ssim_amplitude", "ms_ssim_phase", "ms_ssim_amplitude"):
        assert record[name] == pytest.approx(1)
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


def test_the_complex_error_is_the_invariant_one_of_fienup():
    """E^2 = 1 - |sum o* t|^2 / (sum |o|^2 sum |t|^2): what the best factor leaves."""
    found, inside = (2 - 1j) * (OBJECT + noise(9, 0.2)), MASK.values
    registered = registration.register(found, OBJECT, inside)
    one, other = registered.values[inside], OBJECT[inside]
    shared = abs(np.vdot(one, other)) ** 2
    expected = np.sqrt(1 - shared / (np.vdot(one, one) * np.vdot(other, other)).real)
    record = against_truth(found, OBJECT, MASK)
    assert record["complex_nrmse"] == pytest.approx(expected, rel=1e-6)


def test_a_phase_off_in_half_of_the_pixels_has_the_error_and_psnr_of_its_size():
    """Plus and minus e, alternately: no ramp, shift or factor takes that away."""
    sign = np.where((ROWS + COLUMNS) % 2, 1, -1)
    record = against_truth(OBJECT * np.exp(0.05j * sign), OBJECT, MASK)
    assert record["phase_rmse_rad"] == pytest.approx(0.05, rel=0.01)
    assert record["amplitude_rmse"] < 0.002
    spread = np.ptp(np.angle(OBJECT)[MASK.values])
    assert record["psnr_phase_db"] == pytest.approx(20 * np.log10(spread / 0.05), abs=0.1)


def test_a_phase_that_wraps_is_as_near_as_one_that_does_not():
    """Half of the pixels a little beyond what they ought to be, some of them beyond pi."""
    steep = np.abs(OBJECT) * np.exp(8j * np.angle(OBJECT))
    wanted, off = np.angle(steep), 0.05 * np.where((ROWS + COLUMNS) % 2, 1, -1)
    wrapped = np.abs(wanted + off) > np.pi
    assert 10 < wrapped[MASK.values].sum() < MASK.values.sum() / 10
    record = against_truth(steep * np.exp(1j * off), steep, MASK)
    rmse, psnr, ssim = metrics._image_metrics(wanted + off, wanted, MASK.values)
    assert record["phase_rmse_rad"] == pytest.approx(rmse, rel=0.01)
    assert record["psnr_phase_db"] == pytest.approx(psnr, abs=0.1)
    assert record["ssim_phase"] == pytest.approx(ssim, abs=1e-3)
    assert record["ms_ssim_phase"] > 0.99


def test_an_amplitude_off_in_half_of_the_pixels_has_the_error_of_its_size():
    sign = np.where((ROWS + COLUMNS) % 2, 1, -1)
    record = against_truth(OBJECT * (1 + 0.03 * sign), OBJECT, MASK)
    expected = 0.03 * np.sqrt((np.abs(OBJECT[MASK.values]) ** 2).mean())
    assert record["amplitude_rmse"] == pytest.approx(expected, rel=0.02)
    assert record["phase_rmse_rad"] < 0.002


def test_ssim_of_stripes_against_nothing_is_the_formula_s():
    """In 7 x 7 px stripes of +1 and -1 have mean 1/7 and sample variance 1, wherever one looks."""
    stripes = np.where(np.arange(40) % 2, 1.0, -1.0) + np.zeros((40, 1))
    inside = np.zeros((40, 40), dtype=bool)
    inside[8:32, 8:32] = True
    rmse, psnr, ssim = metrics._image_metrics(0 * stripes, stripes, inside)
    bright, steady = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    assert (rmse, psnr) == (1.0, pytest.approx(20 * np.log10(2)))
    assert ssim == pytest.approx(bright * steady / ((1 / 49 + bright) * (1 + steady)))
    assert metrics._image_metrics(stripes, stripes, inside)[2] == pytest.approx(1)


def test_multi_scale_ssim_is_taken_over_the_square_of_the_mask_by_who_is_asked():
    asked = []

    def similarity(found, wanted, spread, weights):
        asked.append((found.shape, wanted.shape, spread, len(weights)))
        return 0.25

    record = against_truth(OBJECT + noise(1, 0.1), OBJECT, MASK, similarity=similarity)
    rows, _ = frc.largest_square(MASK.values)
    side = rows.stop - rows.start
    assert [each[0] for each in asked] == [(side, side)] * 2
    phase, amplitude = (part(OBJECT)[MASK.values] for part in (np.angle, np.abs))
    assert [each[2] for each in asked] == pytest.approx([np.ptp(phase), np.ptp(amplitude)])
    assert record["ms_ssim_phase"] == record["ms_ssim_amplitude"] == 0.25
    assert record["ms_ssim_scales"] == asked[0][3] == 3


def test_a_mask_too_narrow_for_two_scales_has_no_multi_scale_ssim_and_says_why():
    narrow = np.zeros(OBJECT.shape, dtype=bool)
    narrow[30:51, 20:90] = True
    record = against_truth(OBJECT + noise(1, 0.1), OBJECT, metrics.Mask(narrow, 1.0))
    assert (record["ms_ssim_phase"], record["ms_ssim_scales"]) == (None, 0)
    assert record["undefined"]["ms_ssim_phase"] == "no square of 22 px or more lies inside the mask"
    assert record["ssim_phase"] > 0.5


def test_more_noise_is_worse_by_every_metric():
    little, much = (against_truth(OBJECT + noise(2, n), OBJECT, MASK) for n in (0.02, 0.4))
    for name in ("complex_nrmse", "phase_rmse_rad", "amplitude_rmse"):
        assert little[name] < much[name]
    similarities = ("ssim_phase", "ssim_amplitude", "ms_ssim_phase", "ms_ssim_amplitude")
    for name in ("psnr_phase_db", "psnr_amplitude_db", *similarities):
        assert little[name] > much[name]


def test_what_is_undefined_is_null_and_says_why():
    broken = OBJECT.copy()
    broken[3, 3] = np.nan
    record = against_truth(broken, OBJECT, MASK)
    assert record["complex_nrmse"] is None
    assert "NaN" in record["undefined"]["all"]
    dark = against_truth(0 * OBJECT, OBJECT, MASK)
    assert "dark" in dark["undefined"]["all"]
    assert record["rings"] == dark["rings"] == []


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


@pytest.mark.parametrize(
    ("correlation", "resolution_px", "end_per_px"),
    [
        ([0.9, 0.1], 1.25, 0.4),
        ([0.9, 0.8], None, 0.5),
        ([0.1, 0.8], None, None),
        ([], None, None),
    ],
)
def test_a_curve_is_resolved_up_to_its_crossing_throughout_or_not_at_all(
    correlation, resolution_px, end_per_px
):
    rings = [{"cycles_per_px": 0.3, "correlation": at, "half_bit": 0.4} for at in correlation]
    assert frc.resolved_to_per_px(rings, resolution_px) == end_per_px


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


def test_the_curve_stands_in_the_record_and_meets_its_threshold_where_the_resolution_says():
    rows, columns = (np.fft.fftfreq(size) for size in OBJECT.shape)
    low = np.fft.ifft2(np.fft.fft2(OBJECT) * (np.hypot(rows[:, None], columns) < 0.2))
    record = against_truth(low + noise(3, 0.05), OBJECT, MASK)
    above = [ring["correlation"] > ring["half_bit"] for ring in record["rings"]]
    first_under = above.index(False)
    before, after = (record["rings"][at]["cycles_per_px"] for at in (first_under - 1, first_under))
    assert before < 0.5 / record["frc_half_bit_resolution_px"] <= after


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
    assert record["amplitude_mse"] == pytest.approx(0, abs=1e-12)


def test_half_the_photons_have_the_deviance_and_r_factor_of_the_formula():
    probe = 1e2 * PROBE[None]
    counts = np.stack(list(forward.frames(probe, OBJECT, CORNERS)))
    record = metrics.without_truth(counts, probe / np.sqrt(2), OBJECT, CORNERS)
    assert record["poisson_deviance_per_photon"] == pytest.approx(2 * np.log(2) - 1)
    assert record["r_factor"] == pytest.approx(1 - np.sqrt(0.5))
    assert record["amplitude_mse"] == pytest.approx(counts.mean() * (1 - np.sqrt(0.5)) ** 2)


def test_poisson_counts_have_a_deviance_of_about_one_for_each_bright_pixel():
    probe = np.full((1, 8, 8), 0j)
    probe[0, 0, 0] = 400
    object_, corners = np.ones((8, 8)), np.zeros((500, 2), dtype=int)
    means = np.stack(list(forward.frames(probe, object_, corners)))
    counts = np.random.default_rng(4).poisson(means)
    record = metrics.without_truth(counts, probe, object_, corners)
    per_pixel = record["poisson_deviance_per_photon"] * counts.sum() / counts.size
    assert per_pixel == pytest.approx(1, rel=0.03)
    # The root of a Poisson count has a variance of about 1/4.
    assert record["amplitude_mse"] == pytest.approx(0.25, rel=0.03)


def test_positions_between_pixels_move_the_probe_and_not_the_patch():
    """A probe beside its patch by whole pixels sees what it sees from there, its edges dark."""
    probe = np.zeros((1, FRAME_PX, FRAME_PX), dtype=complex)
    probe[0, 8:-8, 8:-8] = 1e2 * PROBE[8:-8, 8:-8]
    (there,) = forward.waves(probe, OBJECT, CORNERS[20:21] + np.array([2, -3]))
    (beside,) = forward.waves(probe, OBJECT, CORNERS[20:21], np.array([[2.0, -3.0]]))
    np.testing.assert_allclose(np.abs(beside), np.abs(there), atol=1e-9 * np.abs(there).max())
    parts = forward.parts_of_a_pixel(np.array([3.25, 7.0]), np.array([1.0, 2.75]))
    np.testing.assert_allclose(parts, [[0, 0.25], [-0.25, 0]])


def test_frames_of_positions_between_pixels_fit_the_model_that_has_them_there():
    probe, shifts_px = 1e2 * PROBE[None], np.full((len(CORNERS), 2), (0.3, -0.4))
    counts = np.stack(list(forward.frames(probe, OBJECT, CORNERS, shifts_px)))
    assert metrics.without_truth(counts, probe, OBJECT, CORNERS, shifts_px)["r_factor"] < 1e-6
    assert metrics.without_truth(counts, probe, OBJECT, CORNERS)["r_factor"] > 0.05


def test_photons_where_the_model_is_dark_leave_no_finite_deviance():
    counts = np.ones((1, FRAME_PX, FRAME_PX))
    record = metrics.without_truth(counts, 0 * PROBE[None], OBJECT, CORNERS[:1])
    assert record["poisson_deviance_per_photon"] is None
    assert record["r_factor"] == 1
