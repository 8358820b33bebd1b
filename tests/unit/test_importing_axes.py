"""Frames, positions, object and probe of a file that run different ways are found out, or said."""

from __future__ import annotations

import numpy as np
import pytest

from harness import detector, orientation
from harness.scans import Turn
from tests import foreign_files as made
from tests.small_scan import FRAME_PX
from tests.unit.test_importing import imported, refused
from tests.unit.test_importing_refusals import ptychopinn_with

AMPLITUDE = made.SCAN["diffraction"]
OBJECT, PROBE = made.SCAN["objectGuess"], made.SCAN["probeGuess"]
PREDICTED = "object and probe of the file predict its frames to a misfit of"
NOT_PREDICTED = "object and probe of the file do not predict its frames"


def turned(frames, *, swap=False, flip=""):
    """Return frames whose rows and columns are exchanged, and then read out the other way."""
    frames = frames.swapaxes(1, 2) if swap else frames
    frames = frames[:, ::-1] if "y" in flip else frames
    return frames[:, :, ::-1] if "x" in flip else frames


def said(found, words) -> str:
    """Return the one line of what was taken as given that holds the words."""
    (line,) = [line for line in found["_metadata"]["assumptions"] if words in line]
    return line


@pytest.mark.parametrize(
    ("flip", "swap"), [("x", False), ("y", False), ("xy", False), ("", True), ("x", True)]
)
def test_positions_that_run_another_way_than_the_object_are_found_out(tmp_path, capsys, flip, swap):
    centre = np.asarray(made.SCAN["objectGuess"].shape) / 2
    wrong = made.CENTRES_PX - centre
    wrong = wrong * [-1 if axis in flip else 1 for axis in "yx"]
    wrong = (wrong[:, ::-1] if swap else wrong) + centre
    source = ptychopinn_with(tmp_path, xcoords=wrong[:, 1], ycoords=wrong[:, 0])
    told = [*(["--swap-xy"] if swap else []), *(["--flip", flip] if flip else [])]
    refused(tmp_path, capsys, f"say {' '.join([*told, '--no-object'])}", source)
    found = imported(tmp_path, source, *told, "--no-object")
    for name in ("xcoords", "ycoords"):
        assert np.ptp((found[name] - made.SCAN[name]).round(6)) < 1e-5


def test_an_object_that_says_nothing_of_the_positions_is_kept(tmp_path):
    flat = np.ones_like(made.SCAN["objectGuess"])
    found = imported(tmp_path, ptychopinn_with(tmp_path, objectGuess=flat))
    np.testing.assert_array_equal(found["objectGuess"], flat)


TURNS = {
    "--transpose-frames": {"swap": True},
    "--flip-frames x": {"flip": "x"},
    "--flip-frames y": {"flip": "y"},
    "--flip-frames xy": {"flip": "xy"},
    "--transpose-frames --flip-frames xy": {"swap": True, "flip": "xy"},
    # Exchanging undoes these in the other order.
    "--transpose-frames --flip-frames y": {"swap": True, "flip": "x"},
    "--transpose-frames --flip-frames x": {"swap": True, "flip": "y"},
}


@pytest.mark.parametrize("options", TURNS)
def test_frames_that_lie_another_way_than_the_object_are_found_out(tmp_path, capsys, options):
    source = ptychopinn_with(tmp_path, diff3d=turned(AMPLITUDE, **TURNS[options]))
    refused(tmp_path, capsys, f"fit: say {options}, or say --no-object", source)
    found = imported(tmp_path, source, *options.split())
    for key in ("diffraction", "objectGuess", "probeGuess", "xcoords", "ycoords"):
        np.testing.assert_array_equal(found[key], made.SCAN[key], err_msg=key)
    assert said(found, PREDICTED)


def test_bad_pixels_are_turned_with_the_frames(tmp_path):
    frames = turned(made.COUNTS, swap=True, flip="y").astype(np.float32)
    frames[:, 3, 4] = np.nan
    source = ptychopinn_with(tmp_path, diff3d=frames)
    told = ("--transpose-frames", "--flip-frames", "x", "--zero-bad-pixels")
    found = imported(tmp_path, source, *told)
    expected = np.where(np.isnan(turned(frames.swapaxes(1, 2), flip="x")), 0, AMPLITUDE)
    np.testing.assert_array_equal(found["diffraction"], expected)
    assert said(found, "rows and columns of the frames exchanged (--transpose-frames)")
    assert said(found, "frames turned about along x (--flip-frames)")


def test_a_transform_of_the_other_sign_is_found_out(tmp_path, capsys):
    other = {"objectGuess": OBJECT.conj(), "probeGuess": PROBE.conj()}
    source = ptychopinn_with(tmp_path, **other)
    refused(tmp_path, capsys, "fit: say --conjugate, or say --no-object", source)
    found = imported(tmp_path, source, "--conjugate")
    for key in ("objectGuess", "probeGuess"):
        np.testing.assert_array_equal(found[key], made.SCAN[key])
    assert said(found, "object and probe conjugated (--conjugate)")


def test_frames_and_positions_that_lie_another_way_together_are_found_out(tmp_path, capsys):
    source = ptychopinn_with(
        tmp_path,
        diff3d=turned(AMPLITUDE, swap=True),
        xcoords=made.SCAN["ycoords"],
        ycoords=made.SCAN["xcoords"],
    )
    told = ("--transpose-frames", "--swap-xy")
    refused(tmp_path, capsys, f"fit: say {' '.join(told)} --no-object, or say", source)
    found = imported(tmp_path, source, *told, "--no-object")
    np.testing.assert_array_equal(found["diffraction"], AMPLITUDE)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("--transpose-frames", "fit: leave --transpose-frames out, or say --no-object"),
        ("--conjugate", "fit: leave --conjugate out, or say --no-object"),
        ("--flip-frames xy", "fit: leave --flip-frames xy out, or say --no-object"),
        ("--conjugate --transpose-frames", "fit: leave --transpose-frames --conjugate out"),
    ],
)
def test_an_option_that_was_not_needed_is_found_out(tmp_path, capsys, given, words):
    refused(tmp_path, capsys, words, ptychopinn_with(tmp_path), *given.split())


def test_what_is_told_and_what_is_found_make_one_order(tmp_path, capsys):
    source = ptychopinn_with(tmp_path, diff3d=turned(AMPLITUDE, swap=True, flip="x"))
    right = "fit: say --transpose-frames --flip-frames y, or say"
    refused(tmp_path, capsys, right, source, "--transpose-frames")
    refused(tmp_path, capsys, right, source, "--flip-frames", "xy")


def test_every_two_turns_make_the_turn_that_does_both():
    frames = np.arange(2 * 4 * 4).reshape(2, 4, 4)
    for first in orientation.TURNS:
        for then in orientation.TURNS:
            both = detector.turned(detector.turned(frames, first), then)
            np.testing.assert_array_equal(detector.turned(frames, first.then(then)), both)
    assert Turn(swap=True).then(Turn(swap=True)) == Turn()


@pytest.mark.parametrize("steps", [(1, 0), (0, -1), (-1, 1)])
def test_frames_a_pixel_off_the_middle_are_said_and_not_called_turned(tmp_path, steps):
    moved = np.roll(AMPLITUDE, steps, axis=(1, 2))
    found = imported(tmp_path, ptychopinn_with(tmp_path, diff3d=moved))
    line = said(found, "once the frames are moved")
    assert f"moved by {-steps[0]:+d} (y), {-steps[1]:+d} (x) px" in line
    np.testing.assert_array_equal(found["diffraction"], moved)


def test_an_object_and_a_probe_that_predict_the_frames_are_not_called_poor(tmp_path):
    found = imported(tmp_path, ptychopinn_with(tmp_path))
    assert said(found, PREDICTED)
    assert not any(NOT_PREDICTED in line for line in found["_metadata"]["assumptions"])


@pytest.mark.parametrize(
    "guess",
    [np.ones_like(OBJECT), np.roll(OBJECT, (9, 14), axis=(0, 1)), np.abs(OBJECT) + 0j],
    ids=["flat", "of another place", "without phase"],
)
def test_an_object_that_does_not_predict_the_frames_is_kept_and_said(tmp_path, guess):
    found = imported(tmp_path, ptychopinn_with(tmp_path, objectGuess=guess))
    np.testing.assert_array_equal(found["objectGuess"], guess)
    line = said(found, NOT_PREDICTED)
    assert "their own mean frame" in line


def test_a_faint_scan_is_not_said_to_be_badly_predicted(tmp_path):
    faint = made.small_scan.noisy(300)
    found = imported(tmp_path, ptychopinn_with(tmp_path, diff3d=faint["diffraction"]))
    assert said(found, PREDICTED)
    assert found["diffraction"].shape == (30, FRAME_PX, FRAME_PX)


def test_a_probe_that_is_told_is_conjugated_too(tmp_path):
    np.save(tmp_path / "probe.npy", PROBE.conj())
    source = ptychopinn_with(tmp_path, objectGuess=None, probeGuess=None)
    found = imported(tmp_path, source, "--probe", tmp_path / "probe.npy", "--conjugate")
    np.testing.assert_array_equal(found["probeGuess"], PROBE)
