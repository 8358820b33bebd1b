"""What the command line tells of a scan is used and agrees with the rest, or it is refused."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from tests import foreign_files as made
from tests.unit.test_importing import assert_same_scan, imported, refused, run
from tests.unit.test_importing_refusals import cxi_with, product

MOVED = ("--translation", "sample")
ELSEWHERE = "entry_1/processed/data"
OTHER_PIXEL = f"{1.5 * made.PIXEL_M!r}"


def test_frames_are_taken_from_the_path_told_of_the_file_itself(tmp_path, capsys):
    path = cxi_with(tmp_path)
    with h5py.File(path, "a") as file:
        file[ELSEWHERE] = 4 * made.COUNTS.astype(np.uint32)
    found = imported(tmp_path, path, *MOVED, "--frames-path", ELSEWHERE)
    np.testing.assert_allclose(found["diffraction"], 2 * made.SCAN["diffraction"], rtol=1e-6)
    assert f"frames from {ELSEWHERE}" in found["_metadata"]["assumptions"]
    (tmp_path / "out.npz").unlink()
    words = f"{path}: lacks nonsense: say --frames-path with where they lie"
    refused(tmp_path, capsys, words, path, *MOVED, "--frames-path", "nonsense")


def test_frames_of_no_usual_place_are_found_by_their_path(tmp_path):
    path = cxi_with(tmp_path, DATA=None)
    with h5py.File(path, "a") as file:
        file[ELSEWHERE] = made.COUNTS.astype(np.uint32)
    assert_same_scan(imported(tmp_path, path, *MOVED, "--frames-path", ELSEWHERE), moved=True)


def a_tike_file(folder):
    return (made.save_npz(folder / "scan.npz", made.tike()),)


def a_ptychopinn_file(folder):
    return (made.save_npz(folder / "scan.npz", made.ptychopinn()),)


def a_product(folder):
    return product(folder, lambda one, two: None)


UNUSED = {
    ("tike", "--diffraction"): a_tike_file,
    ("tike", "--frames-path"): a_tike_file,
    ("tike", "--translation"): a_tike_file,
    ("PtychoPINN", "--diffraction"): a_ptychopinn_file,
    ("ptychodus", "--translation"): a_product,
}


@pytest.mark.parametrize(("name", "option"), UNUSED)
def test_an_option_that_the_format_does_not_use_is_refused(tmp_path, capsys, name, option):
    source, *beside = UNUSED[name, option](tmp_path)
    assert run(tmp_path, source, *beside, option, "sample") == 2
    said = capsys.readouterr().err
    assert said == f"error: {source}: {option} is not for {name} files: leave it out\n"
    assert not (tmp_path / "out.npz").exists()


def test_every_option_that_a_format_does_not_use_is_named(tmp_path, capsys):
    (source,) = a_tike_file(tmp_path)
    assert run(tmp_path, source, "--diffraction", source, *MOVED) == 2
    assert "--diffraction and --translation are not for tike files" in capsys.readouterr().err


def test_a_tike_scan_of_three_columns_is_refused(tmp_path, capsys):
    arrays = made.tike()
    arrays["scan"] = np.concatenate([arrays["scan"], arrays["scan"][..., :1]], axis=-1)
    source = made.save_npz(tmp_path / "scan.npz", arrays)
    refused(tmp_path, capsys, "scan has 3 columns: store two", source)


# Lengths


def test_a_pixel_told_that_the_file_s_lengths_contradict_is_refused(tmp_path, capsys):
    path = made.save_cxi(tmp_path / "scan.cxi")
    words = "an object pixel of 1e-07 m, as told, and one of "
    refused(tmp_path, capsys, words, path, *MOVED, "--pixel-size-m", "1e-7")


def test_a_pixel_told_is_taken_with_the_lengths_that_it_follows_from(tmp_path):
    path = made.save_cxi(tmp_path / "scan.cxi")
    distance_m = str(1.5 * made.DISTANCE_M)
    words = (*MOVED, "--pixel-size-m", OTHER_PIXEL, "--distance-m", distance_m)
    metadata = imported(tmp_path, path, *words)["_metadata"]
    assert metadata["pixel_size_m"] == pytest.approx(1.5 * made.PIXEL_M)
    assert metadata["detector_distance_m"] == 1.5 * made.DISTANCE_M


@pytest.mark.parametrize(("factor", "agrees"), [(1.0009, True), (1.0011, False)])
def test_a_pixel_told_may_differ_by_less_than_a_thousandth(tmp_path, factor, agrees):
    path = made.save_cxi(tmp_path / "scan.cxi")
    words = (*MOVED, "--pixel-size-m", f"{factor * made.PIXEL_M!r}")
    assert run(tmp_path, path, *words) == (0 if agrees else 3)


TOLD = ("--energy-ev", "12000", "--detector-pixel-m", str(made.DETECTOR_PIXEL_M))


def test_a_product_s_pixel_that_the_lengths_told_contradict_is_refused(tmp_path, capsys):
    source, *beside = a_product(tmp_path)
    words = "m, as the file says, and one of "
    refused(tmp_path, capsys, words, source, *beside, *TOLD)


def test_a_product_s_object_is_not_laid_on_another_pixel_than_its_own(tmp_path, capsys):
    source, *beside = a_product(tmp_path)
    pixel_m = made.PIXEL_M * made.ENERGY_EV / 8900
    words = (source, *beside, "--energy-ev", "8900", "--pixel-size-m", repr(pixel_m))
    refused(tmp_path, capsys, "say --no-object to leave it out", *words)
    metadata = imported(tmp_path, *words, "--no-object")["_metadata"]
    assert metadata["pixel_size_m"] == pixel_m
    assert metadata["photon_energy_ev"] == 8900


@pytest.mark.parametrize(
    ("words", "stated"),
    [
        ((), "object pixel {} m, from energy, distance and detector pixel"),
        (("--pixel-size-m", repr(made.PIXEL_M)), "object pixel {} m, as told"),
    ],
)
def test_whose_pixel_is_taken_is_said(tmp_path, words, stated):
    path = made.save_cxi(tmp_path / "scan.cxi")
    found = imported(tmp_path, path, *MOVED, *words)
    assert stated.format(f"{made.PIXEL_M:.6g}") in found["_metadata"]["assumptions"]


def test_a_product_s_own_pixel_is_taken_and_said(tmp_path):
    found = imported(tmp_path, *a_product(tmp_path))
    stated = f"object pixel {made.PIXEL_M:.6g} m, as the file says"
    assert stated in found["_metadata"]["assumptions"]


def test_lengths_told_of_a_file_that_has_none_must_agree(tmp_path, capsys):
    (source,) = a_ptychopinn_file(tmp_path)
    words = (*TOLD, "--distance-m", "2", "--pixel-size-m", OTHER_PIXEL)
    refused(tmp_path, capsys, "leave --pixel-size-m out", source, *words)
