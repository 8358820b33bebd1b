"""What of the child can be shown without torch: its arguments, its geometry, its bookkeeping."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import alignment, forward, misfit, simulate
from harness.errors import EXIT_USAGE, InputInvalid, UsageError
from harness.jobs import arguments, attest, geometry, intake, outputs, ptychi_lsqml, truth

N = 8
SHAPE = (31, 27)
NEEDED = ["--input-npz", "in.npz", "--output-dir", "out"]


def scene(seed=1, frames=40):
    rng = np.random.default_rng(seed)
    object_ = (0.7 + 0.3 * rng.random(SHAPE)) * np.exp(1j * rng.random(SHAPE))
    probe = rng.normal(size=(N, N)) + 1j * rng.normal(size=(N, N))
    y = rng.integers(N // 2, SHAPE[0] - N // 2 + 1, frames)
    x = rng.integers(N // 2, SHAPE[1] - N // 2 + 1, frames)
    return object_.astype("complex64"), probe.astype("complex64"), np.stack([y, x], 1).astype(float)


@pytest.fixture
def arrays():
    return simulate.noiseless_dataset(*scene(), dose_photons=1000.0)


def write(path, arrays):
    np.savez(path, **arrays)
    return str(path)


# Arguments


def test_the_recipe_decides_what_the_command_leaves_open():
    request = arguments.parse(NEEDED)
    assert request == arguments.Request(
        "in.npz", "out", "default", None, None, None, None, None, None, 0, "auto", threads=1
    )
    assert request.in_place_of_the_recipe == {}


def test_what_the_command_sets_stands_in_place_of_the_recipe():
    words = ["--num-epochs", "3", "--batch-size", "8", "--initial-object", "guess"]
    request = arguments.parse([*NEEDED, *words, "--stop", "final", "--probe", "guess"])
    assert request.in_place_of_the_recipe == {
        "num_epochs": 3,
        "batch_size": 8,
        "initial_object": "guess",
        "stop": "final",
    }


@pytest.mark.parametrize(
    ("words", "clue"),
    [
        (["--algorithm", "ePIE"], "unrecognized arguments: --algorithm ePIE"),
        (["--recipe", "best"], "recipe 'best' is unknown; known: default, seed"),
        (["--stop", "early"], "heldout"),
        (["--probe", "known"], "given"),
        (["--num-epochs", "0"], "at least 1"),
        (["--num-epochs", "1000; rm -rf /"], "not a whole number"),
        (["--num-epochs", "٣"], "not a whole number"),
        (["--seed", "-1"], "from 0 to 4294967295"),
        (["--seed", "4294967296"], "from 0 to 4294967295"),
        (["--device", "tpu"], "cuda"),
        (["--initial-object", "truth"], "guess"),
        (["--halves", "random"], "alternate"),
        (["--threads", "0"], "at least 1"),
        (["--num-epoch", "3"], "unrecognized"),
    ],
)
def test_what_the_child_cannot_do_is_a_usage_error_that_says_so(words, clue, capsys):
    assert ptychi_lsqml.main([*NEEDED, *words]) == EXIT_USAGE
    message = capsys.readouterr().err
    assert clue in message
    assert message.count("\n") == 1


def test_the_child_loads_nothing_heavy_before_it_has_read_its_arguments():
    code = (
        "import sys, harness.jobs.ptychi_lsqml as child\n"
        "assert child.main(['--algorithm', 'ePIE']) == 2\n"
        "print([m for m in ('torch', 'ptychi', 'matplotlib', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Output folder


@pytest.mark.parametrize("name", ["result.json", "reconstruction.npz", "probe.png"])
def test_a_folder_with_results_in_it_is_refused_before_the_work(tmp_path, name):
    (tmp_path / name).write_text("old")
    with pytest.raises(UsageError, match=name):
        outputs.fresh_folder(str(tmp_path))


def test_a_file_in_the_place_of_the_output_folder_is_a_usage_error(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError, match="cannot make"):
        outputs.fresh_folder(str(tmp_path / "out"))


# Reading


def test_amplitudes_become_counts_and_the_digest_is_of_the_bytes_read(tmp_path, arrays):
    import hashlib

    path = tmp_path / "scan.npz"
    scan = intake.read(write(path, arrays))
    assert scan.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert scan.mean_photons_per_frame == pytest.approx(1000)
    assert scan.path == "scan.npz"
    assert scan.object_shape == SHAPE
    np.testing.assert_allclose(scan.counts, arrays["diffraction"] ** 2)


def test_without_an_objectguess_the_object_just_holds_every_patch(tmp_path, arrays):
    del arrays["objectGuess"]
    scan = intake.read(write(tmp_path / "scan.npz", arrays))
    assert scan.object_shape == tuple(
        int(arrays[name].max()) + N // 2 + 1 for name in ("ycoords", "xcoords")
    )
    assert (scan.corners >= 0).all()
    with pytest.raises(InputInvalid, match="there is no objectGuess"):
        geometry.starting_point(scan, "guess")


# Geometry


@given(seed=st.integers(0, 99), gain=st.floats(1e-3, 1e3))
@settings(max_examples=20)
def test_the_scaled_true_probe_predicts_the_frames_whatever_scale_it_came_in(seed, gain):
    object_, probe, positions = scene(seed)
    arrays = simulate.noiseless_dataset(object_, probe, positions, dose_photons=500.0)
    counts = np.square(arrays["diffraction"], dtype=np.float64)
    corners = forward.patch_corners(arrays["xcoords"], arrays["ycoords"], N, SHAPE)
    modes = gain * probe[None]
    scale = misfit.probe_scale(modes, object_, corners, counts.sum() / len(counts))
    assert misfit.shot_noise(counts, scale * modes, object_, corners) < 1e-6


def test_a_flat_object_and_the_scaled_probe_hold_the_photons_of_the_data(tmp_path, arrays):
    scan = intake.read(write(tmp_path / "scan.npz", arrays))
    start, probe = geometry.starting_point(scan, "flat")
    assert (start == 1).all()
    assert N**2 * (abs(probe) ** 2).sum() == pytest.approx(1000, rel=1e-5)


def test_a_dark_probe_has_no_scale():
    corners = np.zeros((1, 2), dtype=int)
    with pytest.raises(InputInvalid, match="no scale joins them"):
        misfit.probe_scale(np.zeros((1, N, N), complex), np.ones(SHAPE), corners, 10.0)


# Truth


def test_an_objectguess_is_the_truth_only_if_it_predicts_the_frames(tmp_path, arrays):
    noisy = np.random.default_rng(1).poisson(arrays["diffraction"].astype(float) ** 2)
    arrays["diffraction"] = np.sqrt(noisy).astype("float32")
    scan = intake.read(write(tmp_path / "scan.npz", arrays))
    verdict = truth.find(scan).beside(arrays["objectGuess"])
    assert verdict.present
    assert verdict.misfit == pytest.approx(1, abs=0.1)
    assert verdict.aligned.nrmse < 1e-6

    arrays["objectGuess"] = np.roll(arrays["objectGuess"], 1, axis=0)
    moved = intake.read(write(tmp_path / "moved.npz", arrays))
    verdict = truth.find(moved).beside(np.ones(SHAPE))
    assert not verdict.present
    assert verdict.misfit > 1.2
    assert verdict.as_record()["nrmse"] is None


def test_an_object_that_is_not_finite_has_no_error(tmp_path, arrays):
    scan = intake.read(write(tmp_path / "scan.npz", arrays))
    record = truth.find(scan).beside(np.full(SHAPE, np.nan, dtype=complex)).as_record()
    assert (record["present"], record["nrmse"], record["removed"]) == (True, None, None)


@given(
    gain=st.floats(0.1, 10),
    angle=st.floats(-3, 3),
    slopes=st.tuples(st.floats(-1.5, 1.5), st.floats(-1.5, 1.5)),
)
@settings(max_examples=40)
def test_a_complex_factor_and_a_linear_phase_are_no_error(gain, angle, slopes):
    object_ = scene()[0].astype(complex)
    rows, columns = np.indices(SHAPE)
    changed = gain * object_ * np.exp(1j * (angle + slopes[0] * rows + slopes[1] * columns))
    aligned = alignment.align(changed, object_)
    assert aligned.nrmse < 1e-6
    np.testing.assert_allclose(aligned.ramp_rad_per_px, slopes, atol=1e-6)


def test_noise_of_known_size_is_the_error_and_a_shift_is_not_forgiven():
    object_ = scene()[0].astype(complex)
    rng = np.random.default_rng(5)
    noise = rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE)
    noise *= 0.01 * np.linalg.norm(object_) / np.linalg.norm(noise)
    assert alignment.align(object_ + noise, object_).nrmse == pytest.approx(0.01, rel=0.02)
    assert alignment.align(np.roll(object_, 1, axis=1), object_).nrmse > 0.2
    assert alignment.align(np.zeros(SHAPE, complex), object_).nrmse == 1


def test_a_slow_phase_is_taken_away_and_a_sharp_one_stays():
    object_ = scene()[0].astype(complex)
    rows, columns = np.indices(SHAPE)
    slow = np.exp(0.5j * np.sin(2 * np.pi * rows / SHAPE[0]))
    sharp = np.exp(0.5j * (-1.0) ** (rows + columns))
    left = [
        alignment.align(alignment.without_slow_phase(object_ * error, object_, 2.0), object_).nrmse
        for error in (slow, sharp)
    ]
    assert left[0] < 0.1
    assert left[1] > 0.4


# Record


def test_changed_options_are_the_leaves_that_differ():
    defaults = {"a": {"b": 1, "c": {"d": None}}, "e": [1, 2], "f": {}}
    used = {"a": {"b": 1, "c": {"d": 0.5}}, "e": [1, 3], "f": {}}
    assert attest.changed_options(defaults, used) == {"a.c.d": (None, 0.5), "e": ([1, 2], [1, 3])}


def test_warnings_are_kept_and_still_shown(capsys):
    import logging
    import warnings

    with attest.recorded_warnings() as gathered:
        warnings.warn("two\n  lines", UserWarning, stacklevel=1)
        logging.getLogger("ptychi").warning("a %s", "word")
        logging.getLogger("ptychi").info("not this")
    assert gathered == ["UserWarning: two lines", "ptychi: a word"]
    assert capsys.readouterr().err.count("warning: ") == 2


@pytest.mark.parametrize("version", ["1.13.1", "2.1.2+cpu"])
def test_a_torch_older_than_the_policy_asks_for_is_refused(version):
    with pytest.raises(InputInvalid, match=r"POLICY-001.*make env"):
        ptychi_lsqml.require_torch(version)


@pytest.mark.parametrize("version", ["2.2.0", "2.15.0+cu130", "3.0.0"])
def test_a_torch_that_the_policy_asks_for_is_taken(version):
    ptychi_lsqml.require_torch(version)


@pytest.mark.parametrize("gone", [("torch",), ("ptychi",), ("torch", "ptychi")])
def test_without_its_packages_the_child_says_so_in_one_line_and_writes_nothing(
    tmp_path, arrays, gone
):
    write(tmp_path / "x.npz", arrays)
    code = (
        "import sys\n"
        "stand_in = type(sys)('stand_in')\n"
        "stand_in.__spec__ = stand_in\n"
        f"sys.modules |= dict(torch=stand_in, ptychi=stand_in) | dict.fromkeys({gone})\n"
        "from harness.jobs import ptychi_lsqml as child\n"
        "sys.exit(child.main(sys.argv[1:]))\n"
    )
    words = ["--input-npz", str(tmp_path / "x.npz"), "--output-dir", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: POLICY-001: no {', '.join(gone)} in ")
    assert line.endswith(": make env")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_package_that_is_there_and_cannot_be_imported_is_named_in_one_line(tmp_path, arrays):
    np.savez(tmp_path / "x.npz", **arrays)
    for name in ("torch", "ptychi"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('no libcuda.so')")
    argv = [sys.executable, "-m", "harness.jobs.ptychi_lsqml", "--seed", "1"]
    done = subprocess.run(
        [*argv, "--input-npz", tmp_path / "x.npz", "--output-dir", tmp_path / "out"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert done.stderr == "error: POLICY-001: no libcuda.so; build the environment: make env\n"
