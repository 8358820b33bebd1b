"""A job's arrays leave as CXI and ptychodus files, field by field, and the hub stays as it is."""

from __future__ import annotations

import io
import math

import h5py
import numpy as np
import pytest

from harness import cli, exporting, layout, scans
from harness.errors import InputInvalid
from harness.jobs import geometry
from tests import foreign_files as made
from tests import small_tree
from tests.attack import table

HUB = table.example()
JOB = "dose_1000/dense/test"
LENGTHS = ("--pixel-size-m", "1e-8", "--energy-ev", "8800", "--distance-m", "2")
OBJECT = made.SCAN["objectGuess"]


def reconstruction(**changes) -> exporting.Reconstruction:
    """Return what a job that found the truth would leave."""
    facts = {
        "name": JOB,
        "comments": "a test",
        "arrays": {
            "object": OBJECT,
            "probe": made.SCAN["probeGuess"][None],
            "positions_x_px": made.SCAN["xcoords"],
            "positions_y_px": made.SCAN["ycoords"],
            "loss_per_epoch": np.array([0.5, 0.25]),
        },
        "counts": np.square(made.SCAN["diffraction"].astype(np.float64)),
        "geometry": scans.Geometry(made.PIXEL_M, made.ENERGY_EV, made.DISTANCE_M),
    }
    return exporting.Reconstruction(**(facts | changes))


def test_a_ptychodus_product_has_every_field_that_its_readers_ask_for():
    with h5py.File(io.BytesIO(exporting.as_ptychodus(reconstruction()))) as file:
        assert file.attrs["name"] == JOB
        assert file.attrs["comments"] == "a test"
        assert file.attrs["detector_object_distance_m"] == made.DISTANCE_M
        assert file.attrs["photon_energy_eV"] == file.attrs["probe_energy_eV"] == made.ENERGY_EV
        light = (np.abs(made.SCAN["probeGuess"]) ** 2).sum()
        assert file.attrs["probe_photon_count"] == pytest.approx(light)
        assert file.attrs["exposure_time_s"] == 0
        np.testing.assert_array_equal(file["probe_position_indexes"], np.arange(30))
        for number, axis in enumerate("yx"):
            pixels = file[f"probe_position_{axis}_m"][()] / made.PIXEL_M + OBJECT.shape[number] / 2
            np.testing.assert_allclose(pixels, made.SCAN[f"{axis}coords"])
            assert file["object"].attrs[f"center_{axis}_m"] == 0
        np.testing.assert_array_equal(file["probe"], made.SCAN["probeGuess"][None, None])
        np.testing.assert_array_equal(file["object"], OBJECT[None])
        for name in ("probe", "object"):
            assert file[name].attrs["pixel_width_m"] == made.PIXEL_M
            assert file[name].attrs["pixel_height_m"] == made.PIXEL_M
        assert file["object_layer_spacing_m"].shape == (0,)
        np.testing.assert_array_equal(file["loss_epochs"], [0, 1])
        np.testing.assert_array_equal(file["loss_values"], [0.5, 0.25])


def test_a_cxi_file_has_frames_translations_and_lengths_where_readers_look():
    with h5py.File(io.BytesIO(exporting.as_cxi(reconstruction()))) as file:
        frames = file["/entry_1/data_1/data"]
        assert frames.dtype == np.uint32
        np.testing.assert_array_equal(frames, made.COUNTS)
        detector = file["/entry_1/instrument_1/detector_1"]
        assert detector["distance"][()] == made.DISTANCE_M
        for axis in "xy":
            assert detector[f"{axis}_pixel_size"][()] == pytest.approx(made.DETECTOR_PIXEL_M)
        source = file["/entry_1/instrument_1/source_1"]
        assert source["energy"][()] == pytest.approx(made.ENERGY_EV * made.JOULE_PER_EV)
        np.testing.assert_array_equal(source["illumination"], made.SCAN["probeGuess"])
        np.testing.assert_array_equal(file["/entry_1/image_1/data"], OBJECT)
        moved = -file["/entry_1/data_1/translation"][()] / made.PIXEL_M
        np.testing.assert_allclose(moved[:, 0] + OBJECT.shape[1] / 2, made.SCAN["xcoords"])
        np.testing.assert_allclose(moved[:, 1] + OBJECT.shape[0] / 2, made.SCAN["ycoords"])
        assert not moved[:, 2].any()


def test_what_is_exported_is_imported_as_the_same_scan(tmp_path):
    cxi, product = tmp_path / "scan.cxi", tmp_path / "product.h5"
    cxi.write_bytes(exporting.as_cxi(reconstruction()))
    product.write_bytes(exporting.as_ptychodus(reconstruction()))
    ways = {
        "cxi": (cxi,),
        "product": (product, "--diffraction", cxi, "--frames-path", "entry_1/data_1/data"),
    }
    for name, words in ways.items():
        out = tmp_path / f"{name}.npz"
        assert cli.main(["import", *map(str, words), "--out", str(out)]) == 0
        with np.load(out) as found:
            for key in ("diffraction", "probeGuess"):
                np.testing.assert_array_equal(found[key], made.SCAN[key])
            for key in ("xcoords", "ycoords"):
                np.testing.assert_allclose(np.diff(found[key]), np.diff(made.SCAN[key]), atol=1e-6)
            if name == "product":
                np.testing.assert_array_equal(found["objectGuess"], OBJECT)
                np.testing.assert_allclose(found["xcoords"], made.SCAN["xcoords"])


def test_positions_between_pixels_come_back_with_the_object_sized_by_them(tmp_path):
    x, y = (np.array([16.4, 40.3, 30.0]) + 1, np.array([16.2, 20.4, 50.45]) + 1)
    shape = geometry.smallest_object_shape(x, y, 32)
    changed = {"object": np.ones(shape, "c8"), "positions_x_px": x, "positions_y_px": y}
    arrays = dict(reconstruction().arrays) | changed
    counts = reconstruction().counts[:3]
    done = reconstruction(arrays=arrays, counts=counts)
    cxi, product = tmp_path / "scan.cxi", tmp_path / "product.h5"
    cxi.write_bytes(exporting.as_cxi(done))
    product.write_bytes(exporting.as_ptychodus(done))
    out = tmp_path / "out.npz"
    words = ["import", str(product), "--diffraction", str(cxi), "--out", str(out)]
    assert cli.main(words) == 0
    with np.load(out) as found:
        assert found["objectGuess"].shape == shape
        np.testing.assert_allclose(found["xcoords"], x)


def test_frames_that_are_no_counts_are_not_rounded():
    counts = np.square(made.SCAN["diffraction"].astype(np.float64)) * 0.37
    with h5py.File(io.BytesIO(exporting.as_cxi(reconstruction(counts=counts)))) as file:
        np.testing.assert_allclose(file["/entry_1/data_1/data"], counts, rtol=1e-6)


def export(tmp_path, *words) -> int:
    given = [str(word) for word in words]
    out = ["--out", str(tmp_path / "out.h5")]
    return cli.main(["export", str(HUB), *out, *given])


@pytest.fixture
def source(made_inputs):
    return made_inputs / "phase_d" / layout.phase_d_input(1000, "dense", "test")


@pytest.mark.parametrize("name", exporting.FORMATS)
def test_a_job_of_a_hub_is_exported_and_the_hub_unchanged(tmp_path, source, name):
    before = small_tree.digests(HUB)
    words = ("--job", JOB, "--to", name, "--input", source, *LENGTHS)
    assert export(tmp_path, *words) == 0
    assert small_tree.digests(HUB) == before
    with np.load(HUB / "real_run" / JOB / layout.RECONSTRUCTION) as arrays:
        place = "object" if name == "ptychodus" else "/entry_1/image_1/data"
        with h5py.File(tmp_path / "out.h5") as file:
            np.testing.assert_array_equal(np.squeeze(file[place][()]), arrays["object"])
    assert export(tmp_path, *words) == 2


def test_lengths_that_nobody_knows_are_not_made_up(tmp_path, capsys, source):
    words = ("--job", JOB, "--to", "ptychodus", "--input", source)
    assert export(tmp_path, *words) == 3
    said = capsys.readouterr().err
    for option in LENGTHS[::2]:
        assert option in said
    assert export(tmp_path, *words, *LENGTHS[:5], "-2") == 3
    assert "distance_m is -2.0 in the command line" in capsys.readouterr().err
    assert not (tmp_path / "out.h5").exists()


def test_who_asks_for_a_cxi_file_is_told_that_ptychodus_reads_it_otherwise(capsys):
    with pytest.raises(SystemExit):
        cli.main(["export", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "ptychodus reads CXI otherwise: give it the product" in said


def test_lengths_come_from_the_metadata_of_the_input(tmp_path):
    metadata = {"pixel_size_m": 1e-8, "photon_energy_ev": 8800.0, "detector_distance_m": 2.0}
    assert exporting.geometry(scans.Geometry(), metadata) == scans.Geometry(1e-8, 8800.0, 2.0)
    told = scans.Geometry(pixel_size_m=2e-8)
    assert exporting.geometry(told, metadata).pixel_size_m == 2e-8


WRONG = {"pixel_size_m": "--pixel-size-m", "energy_ev": "--energy-ev", "distance_m": "--distance-m"}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("value", [0.0, -2.0, math.nan, math.inf])
def test_a_length_told_that_is_none_is_refused_and_not_passed_over(name, value):
    metadata = {"pixel_size_m": 1e-8, "photon_energy_ev": 8800.0, "detector_distance_m": 2.0}
    said = f"{name} is {value} in the command line: say {WRONG[name]} with a number above 0"
    with pytest.raises(InputInvalid, match=f"^{said}$"):
        exporting.geometry(scans.Geometry(**{name: value}), metadata)


@pytest.mark.parametrize("value", [0.0, -2.0])
def test_a_length_of_the_metadata_that_is_none_is_to_be_told(value):
    metadata = {"pixel_size_m": value, "photon_energy_ev": 8800.0, "detector_distance_m": 2.0}
    with pytest.raises(InputInvalid, match=f"pixel_size_m is {value} in the file: say "):
        exporting.geometry(scans.Geometry(), metadata)


def test_another_file_is_not_taken_for_the_input_of_the_job(tmp_path, capsys, made_inputs):
    other = made_inputs / "phase_d" / layout.phase_d_input(1000, "dense", "train")
    words = ("--job", JOB, "--to", "cxi", *LENGTHS)
    assert export(tmp_path, *words, "--input", other) == 3
    assert "is not the input of job" in capsys.readouterr().err
    assert export(tmp_path, *words, "--input", tmp_path / "absent.npz") == 3


def test_a_cxi_file_without_the_frames_is_not_written(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert export(tmp_path, "--job", JOB, "--to", "cxi", *LENGTHS) == 3
    assert "--input" in capsys.readouterr().err
    assert export(tmp_path, "--job", JOB, "--to", "ptychodus", *LENGTHS) == 0


def test_a_job_must_be_named_where_a_hub_has_several(tmp_path, capsys):
    assert export(tmp_path, "--to", "ptychodus", *LENGTHS) == 2
    assert "say --job with one of" in capsys.readouterr().err
    assert export(tmp_path, "--job", "dose_1/dense/test", "--to", "ptychodus", *LENGTHS) == 2
