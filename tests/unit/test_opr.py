"""A probe that differs from frame to frame: what is kept of it, and that figures are of it."""

import io
import json
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from harness import canonical, exporting, forward, measured_again, metrics, opr, quality, remeasure
from harness.errors import InputInvalid
from harness.jobs import epochs
from harness.placement import mean_of_opr
from tests.small_scan import FRAME_PX, OBJECT, POSITIONS_PX, PROBE, noisy
from tests.unit.test_exporting import reconstruction

FRAMES = len(POSITIONS_PX)
RNG = np.random.default_rng(4)
MODES = np.stack([np.roll(PROBE, step, axis=0) for step in (3, -5)]).astype(np.complex64)
WEIGHTS = np.concatenate([np.ones((FRAMES, 1)), RNG.normal(scale=0.3, size=(FRAMES, 2))], axis=1)
RELAXED = opr.Opr(MODES, WEIGHTS.astype(np.float32))
# Its second mode is incoherent with the first, and the same in every frame.
BOTH = np.stack([PROBE, 0.3 * PROBE.T]).astype(np.complex64)
CORNERS = forward.patch_corners(POSITIONS_PX[:, 1], POSITIONS_PX[:, 0], FRAME_PX, OBJECT.shape)


def expected_frames():
    """Yield the photons of each frame by pty-chi's formula: weights mix the first mode alone."""
    for weights, (row, column) in zip(RELAXED.weights, CORNERS, strict=True):
        mixed = weights[0] * BOTH[0] + weights[1] * MODES[0] + weights[2] * MODES[1]
        patch = OBJECT[row : row + FRAME_PX, column : column + FRAME_PX]
        waves = np.fft.fft2(np.stack([mixed, BOTH[1]]) * patch, norm="ortho")
        yield np.fft.fftshift((np.abs(waves) ** 2).sum(axis=0))


COUNTS = np.array(list(expected_frames()), dtype=np.float32)


def scan():
    """Return the scan of that probe as an input's arrays."""
    return noisy(10_000) | {"diffraction": np.sqrt(COUNTS), "probeGuess": BOTH}


def archive(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def test_figures_without_a_truth_are_of_each_frame_s_own_probe():
    alone = metrics.without_truth(COUNTS, BOTH, OBJECT, CORNERS)
    relaxed = metrics.without_truth(COUNTS, BOTH, OBJECT, CORNERS, relaxed=RELAXED)
    assert relaxed["r_factor"] < 1e-6 < 0.1 < alone["r_factor"]
    assert relaxed["amplitude_mse"] < 1e-9 * alone["amplitude_mse"]


def test_a_probe_that_differs_by_frame_is_moved_by_parts_of_a_pixel_as_well():
    shifts_px = np.tile([0.25, -0.5], (FRAMES, 1))
    each = list(forward.probes(BOTH, FRAMES, shifts_px, RELAXED))
    wanted = forward.moved(RELAXED.probe_of(7, BOTH.astype(np.complex128)), (0.25, -0.5))
    np.testing.assert_allclose(each[7], wanted, atol=1e-12)


def test_the_state_of_a_task_keeps_further_modes_and_weights_apart_from_the_next_epoch():
    probe = np.zeros((3, 2, FRAME_PX, FRAME_PX), dtype=np.complex64)
    probe[0], probe[1:, 0] = BOTH, MODES
    held = {
        "object": OBJECT[None].copy(),
        "probe": probe,
        "probe_positions": POSITIONS_PX.copy(),
        "opr_mode_weights": RELAXED.weights.copy(),
    }
    task = SimpleNamespace(get_data_to_cpu=lambda name, as_numpy: held[name])
    state = epochs.state_of(task, 1)
    for values in held.values():
        values[...] = 0
    # pty-chi's FFT is unnormalised.
    np.testing.assert_allclose(state.probe, FRAME_PX * BOTH)
    np.testing.assert_allclose(state.relaxed.modes, FRAME_PX * MODES)
    np.testing.assert_array_equal(state.relaxed.weights, RELAXED.weights)


def test_the_state_of_a_task_with_one_probe_for_all_has_no_such_modes():
    held = {"object": OBJECT[None], "probe": BOTH[None], "probe_positions": POSITIONS_PX}
    task = SimpleNamespace(get_data_to_cpu=lambda name, as_numpy: held[name])
    assert epochs.state_of(task, 1).relaxed is None


def test_verify_measures_by_the_probes_that_were_kept():
    frames = quality.frames_of(scan(), truth_present=True, shape=OBJECT.shape)
    left = {"object": OBJECT.astype(np.complex64), "probe": BOTH}
    attested = quality.measure(frames, *left.values(), relaxed=RELAXED)
    attested = json.loads(canonical.to_bytes(attested))
    asked = {"truth_present": True, "opr_modes": 3}
    again = remeasure.metrics(archive(**left, **RELAXED.named()), archive(**scan()), **asked)
    assert list(measured_again.check_metrics("r", attested, again)) == []
    assert remeasure.metrics(archive(**left), archive(**scan()), **asked) == remeasure.UNFIT
    # Nobody asked for them: they make no model better.
    alone = remeasure.metrics(
        archive(**left, **RELAXED.named()), archive(**scan()), truth_present=True
    )
    assert alone["without_truth"]["r_factor"] > 0.1


@pytest.mark.parametrize(
    "wrong",
    [
        {"opr_weights": RELAXED.weights[1:]},
        {"opr_weights": RELAXED.weights[:, 1:]},
        {"opr_weights": RELAXED.weights.astype(complex)},
        {"probe_opr_modes": MODES[:1]},
        {"probe_opr_modes": MODES[:, 1:]},
        {"probe_opr_modes": MODES.real},
    ],
)
def test_modes_and_weights_that_do_not_fit_each_other_are_refused(wrong):
    with pytest.raises(InputInvalid, match="do not fit"):
        opr.kept(RELAXED.named() | wrong, 3, FRAMES, FRAME_PX)


def test_a_product_and_a_cxi_file_hold_the_modes_and_their_weights():
    done = reconstruction()
    arrays = {**done.arrays, "probe": BOTH, **RELAXED.named()}
    done = reconstruction(arrays=arrays)
    power = np.mean([(np.abs(RELAXED.probe_of(j, BOTH)) ** 2).sum() for j in range(FRAMES)])
    with h5py.File(io.BytesIO(exporting.as_ptychodus(done))) as file:
        weights, probe = file["opr_weights"][()], file["probe"][()]
        assert file.attrs["probe_photon_count"] == pytest.approx(power)
    np.testing.assert_array_equal(weights, RELAXED.weights)
    np.testing.assert_array_equal(probe[0], BOTH)
    np.testing.assert_array_equal(probe[1:, 0], MODES)
    assert not probe[1:, 1:].any()
    mean, _ = mean_of_opr(probe, weights)
    np.testing.assert_allclose(
        mean, np.mean([RELAXED.probe_of(j, BOTH) for j in range(FRAMES)], axis=0), atol=1e-5
    )
    with h5py.File(io.BytesIO(exporting.as_cxi(done))) as file:
        np.testing.assert_array_equal(file["/entry_1/instrument_1/source_1/illumination"], probe)
        np.testing.assert_array_equal(
            file[f"{exporting.foreign_hdf5.CXI_PTYCHODUS}/opr_weights"], weights
        )
