"""What a file does not say is never guessed: each way to be wrong in silence is one clear error."""

from __future__ import annotations

import os
import struct

import h5py
import numpy as np
import pytest

from harness import cli, design, detector, placement
from harness.jobs import geometry
from harness.resources import schema
from tests import foreign_files as made
from tests.small_scan import FRAME_PX
from tests.unit.test_importing import imported, refused

MOVED = ("--translation", "sample")
ENERGY = "entry_1/instrument_1/source_1/energy"
DISTANCE = "entry_1/instrument_1/detector_1/distance"
DATA = "entry_1/data_1/data"
TRANSLATION = "entry_1/data_1/translation"
MASK = "entry_1/instrument_1/detector_1/mask"


def cxi_with(tmp_path, **datasets):
    """Write the CXI file with other datasets, by the names of this module; None takes one away."""
    path = made.save_cxi(tmp_path / "scan.cxi")
    with h5py.File(path, "a") as file:
        for name, value in datasets.items():
            place = globals()[name]
            if place in file:
                del file[place]
            if value is not None:
                file[place] = value
    return path


def ptychopinn_with(tmp_path, **changes):
    arrays = {key: value.copy() for key, value in made.ptychopinn().items()} | changes
    kept = {key: value for key, value in arrays.items() if value is not None}
    return made.save_npz(tmp_path / "scan.npz", kept)


def marked(dtype, mark) -> np.ndarray:
    frames = made.COUNTS.astype(dtype)
    frames[:, 3, 4] = mark
    return frames


@pytest.mark.parametrize(
    ("dtype", "mark"),
    [
        (np.uint16, 65535),
        (np.uint32, 2**32 - 1),
        (np.int32, -1),
        (np.float32, np.nan),
        # Once whole numbers, then stored as floats: single precision rounds the largest ones up.
        (np.float32, 2**32 - 1),
        (np.float64, 2**32 - 1),
        (np.float64, 2.0**32),
        (np.float32, 2**31 - 1),
        (np.float64, 2**31 - 1),
        (np.float32, 2**64 - 1),
        (np.float64, 2**63 - 1),
        (np.float32, 65535),
        (np.float64, 32767),
    ],
)
def test_the_marks_of_bad_pixels_are_not_taken_for_photons(tmp_path, capsys, dtype, mark):
    path = cxi_with(tmp_path, DATA=marked(dtype, mark))
    refused(tmp_path, capsys, "1 of 1024 pixels are bad", path, *MOVED)
    found = imported(tmp_path, path, *MOVED, "--zero-bad-pixels")
    expected = made.COUNTS.copy()
    expected[:, 3, 4] = 0
    np.testing.assert_array_equal(np.rint(np.square(found["diffraction"])), expected)


def test_a_mark_in_one_frame_alone_is_found_beside_nan(tmp_path, capsys):
    frames = made.COUNTS.astype(np.float32)
    frames[7, 3, 4], frames[:, 5, 6] = 65535, np.nan
    path = cxi_with(tmp_path, DATA=frames)
    refused(tmp_path, capsys, "2 of 1024 pixels are bad", path, *MOVED)


def test_a_mark_is_found_where_nothing_shows_what_the_values_are(tmp_path, capsys):
    frames = made.COUNTS.astype(np.float32)
    frames[:, 3, 4] = 2**32 - 1
    source = ptychopinn_with(tmp_path, diff3d=frames)
    refused(tmp_path, capsys, "say --zero-bad-pixels", source)
    found = imported(tmp_path, source, "--zero-bad-pixels")
    assert not found["diffraction"][:, 3, 4].any()


BRIGHT = np.rint(made.COUNTS * (60_000 / made.COUNTS.max()))
HONEST = {
    "near 65535": (BRIGHT, 65535),
    "the next number": (made.COUNTS, 65534),
    "numbers beyond": (np.where(np.arange(FRAME_PX) == 16, 2.0, 1.0) * BRIGHT, 65535),
    "no whole numbers": (made.COUNTS + 0.25, 65535),
    "eight bits": (made.COUNTS, 255),
    "a round number": (made.COUNTS, 65536),
    "near the largest of 32 bits": (made.COUNTS, 2.0**32 - 512),
}


@pytest.mark.parametrize("name", HONEST)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_light_is_not_taken_for_a_mark(tmp_path, name, dtype):
    counts, value = HONEST[name]
    frames = counts.astype(dtype)
    frames[3, 16, 17] = value
    found = imported(tmp_path, cxi_with(tmp_path, DATA=frames), *MOVED, "--frames", "intensity")
    np.testing.assert_allclose(np.square(found["diffraction"], dtype=float), frames, rtol=1e-6)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.zeros((30, FRAME_PX, FRAME_PX)), "one mask for all frames"),
        (np.ones((FRAME_PX, FRAME_PX)), "every pixel is bad"),
    ],
)
def test_a_mask_that_cannot_be_used_is_refused(tmp_path, capsys, mask, words):
    path = cxi_with(tmp_path, MASK=mask.astype(np.uint32))
    refused(tmp_path, capsys, words, path, *MOVED, "--zero-bad-pixels")


EV = made.JOULE_PER_EV
REFUSED_LENGTHS = {
    "energy in keV": (ENERGY, 8.8 * EV, "spans 0.054 object pixels: mend what makes metres pixels"),
    "energy in eV": (ENERGY, 8800.0, "objects of at most 16384 are taken"),
    "no energy": (ENERGY, 0.0, "energy_ev is 0.0 in the file: say --energy-ev"),
    "energy that is none": (ENERGY, np.nan, "energy_ev is nan in the file: say --energy-ev"),
    "energies": (ENERGY, np.linspace(1, 2, 30) * 8800 * EV, "30 values that differ"),
    "energy in words": (ENERGY, "8.8 keV", "holds no numbers"),
    "behind the sample": (DISTANCE, -2.0, "distance_m is -2.0 in the file: say --distance-m"),
    "no positions": (TRANSLATION, np.zeros((0, 3)), "no positions"),
    "one place": (TRANSLATION, np.zeros((30, 3)), "spans 0 object pixels"),
}


@pytest.mark.parametrize("name", REFUSED_LENGTHS)
def test_lengths_that_cannot_be_are_refused(tmp_path, capsys, name):
    place, value, words = REFUSED_LENGTHS[name]
    path = made.save_cxi(tmp_path / "scan.cxi")
    with h5py.File(path, "a") as file:
        del file[place]
        file[place] = value
    refused(tmp_path, capsys, words, path, *MOVED)


@pytest.mark.parametrize(
    ("factor", "words"), [(1e-8, "not in metres"), (1e4, "objects of at most 16384")]
)
def test_metres_where_a_format_has_pixels_are_refused(tmp_path, capsys, factor, words):
    coords = {f"{axis}coords": made.SCAN[f"{axis}coords"] * factor for axis in "xy"}
    source = ptychopinn_with(tmp_path, objectGuess=None, **coords)
    refused(tmp_path, capsys, words, source)


def test_units_that_a_file_states_are_taken_and_others_refused(tmp_path, capsys):
    path = cxi_with(tmp_path, DISTANCE=made.DISTANCE_M * 1e3, ENERGY=made.ENERGY_EV / 1e3)
    with h5py.File(path, "a") as file:
        file[DISTANCE].attrs["units"] = "mm"
        file[ENERGY].attrs["units"] = "keV"
    found = imported(tmp_path, path, *MOVED)
    assert found["_metadata"]["pixel_size_m"] == pytest.approx(made.PIXEL_M)
    with h5py.File(path, "a") as file:
        file[DISTANCE].attrs["units"] = "inch"
    (tmp_path / "out.npz").unlink()
    refused(tmp_path, capsys, "is in 'inch', which is none of m, ", path, *MOVED)


def test_an_energy_written_for_every_frame_is_one_energy(tmp_path):
    found = imported(tmp_path, cxi_with(tmp_path, ENERGY=np.full(30, 8800 * EV)), *MOVED)
    assert found["_metadata"]["photon_energy_ev"] == pytest.approx(8800)


AMPLITUDE = made.SCAN["diffraction"].astype(np.float64)
PROBE, OBJECT = (made.SCAN[name].astype(np.complex128) for name in ("probeGuess", "objectGuess"))
REFUSED_NPZ = {
    "too many photons": ({"diff3d": AMPLITUDE * 1e6}, "photons a frame on average"),
    "beyond double precision": ({"diff3d": AMPLITUDE * 1e200}, "inf photons a frame on average"),
    "less than a photon": ({"diff3d": AMPLITUDE * 1e-4}, "photons a frame on average"),
    "a probe beyond measure": ({"probeGuess": PROBE * 1e100}, "probe reaches"),
    "an object beyond measure": ({"objectGuess": OBJECT * 1e100}, "--no-object"),
    "coordinates in a grid": (
        {f"{axis}coords": made.SCAN[f"{axis}coords"].reshape(5, 6) for axis in "xy"},
        "one number for each frame",
    ),
    "two scans": (made.tike(), "holds two scans"),
    "two kinds of frames": ({"diffraction": AMPLITUDE}, "holds diff3d and diffraction"),
    "frames of nothing": ({"diff3d": AMPLITUDE[:0], "xcoords": np.zeros(0)}, "not equally many"),
    "dark frames": ({"diff3d": AMPLITUDE * 0}, "no light"),
    "one frame flat": ({"diff3d": AMPLITUDE[0]}, "three axes"),
    "complex frames": ({"diff3d": AMPLITUDE * (1 + 0j)}, "not real numbers"),
    "a dark probe": ({"probeGuess": PROBE * 0}, "dark"),
    "a probe that is none": ({"probeGuess": PROBE * np.nan}, "the probe holds NaN"),
    "positions that are none": ({"xcoords": np.full(30, np.nan)}, "positions hold NaN"),
    "positions in words": ({"xcoords": np.full(30, "a")}, "no positions"),
    "an odd probe": ({"probeGuess": PROBE[:16, :16]}, "frames are 32 x 32"),
}


@pytest.mark.parametrize("name", REFUSED_NPZ)
def test_numbers_that_cannot_be_a_scan_are_refused(tmp_path, capsys, name):
    changes, words = REFUSED_NPZ[name]
    source = ptychopinn_with(tmp_path, **changes)
    refused(tmp_path, capsys, words, source, "--frames", "amplitude")


def test_the_light_that_is_taken_is_what_a_study_may_hold():
    items = schema("study")["properties"]["doses_photons"]["items"]
    assert items["maximum"] == design.LARGEST_DOSE_PHOTONS == 10**12


def test_small_amplitudes_are_not_rounded_to_no_photons(tmp_path):
    source = ptychopinn_with(tmp_path, diff3d=AMPLITUDE * 0.02)
    found = imported(tmp_path, source, "--frames", "amplitude")
    np.testing.assert_allclose(found["diffraction"], AMPLITUDE * 0.02, rtol=1e-6)


def test_faint_light_all_over_a_large_frame_is_not_rounded_away():
    faint = np.full((1, 256, 256), 0.009)
    np.testing.assert_array_equal(detector.whole_where_close(faint), faint)
    rounded = np.full((1, 256, 256), 2 + 1e-7)
    np.testing.assert_array_equal(detector.whole_where_close(rounded), np.rint(rounded))


def test_positions_that_are_turned_leave_the_object_behind(tmp_path, capsys):
    source = ptychopinn_with(tmp_path)
    refused(tmp_path, capsys, "positions do not lie on the object", source, "--flip", "x")


def test_what_is_not_read_of_a_file_is_said(tmp_path):
    arrays = made.tike() | {"eigen_probe": np.ones(3), "psi": np.ones(3)}
    found = imported(tmp_path, made.save_npz(tmp_path / "scan.npz", arrays))
    assert "not read: eigen_probe, psi" in found["_metadata"]["assumptions"]


def test_light_that_lies_off_the_middle_is_said(tmp_path):
    source = ptychopinn_with(tmp_path, diff3d=np.roll(AMPLITUDE, (3, -4), axis=(1, 2)))
    found = imported(tmp_path, source, "--no-object")
    said = next(line for line in found["_metadata"]["assumptions"] if "middle pixel" in line)
    assert "cut the frames about it" in said
    sound = imported(tmp_path / "sound", ptychopinn_with(tmp_path))
    assert not any("middle pixel" in line for line in sound["_metadata"]["assumptions"])


def unknown_filter(file):
    made_of = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made_of.set_chunk((1, FRAME_PX, FRAME_PX))
    made_of.set_filter(32008, h5py.h5z.FLAG_OPTIONAL, (0, 0))
    space = h5py.h5s.create_simple(made.COUNTS.shape)
    kind, group = h5py.h5t.NATIVE_UINT16, file["entry_1/data_1"].id
    stored = h5py.h5d.create(group, b"data", kind, space, made_of)
    for number in range(len(made.COUNTS)):
        stored.write_direct_chunk((number, 0, 0), b"packed", 0)


def object_reference(file):
    file["frames"] = made.COUNTS
    place = np.array([file["frames"].ref], dtype=h5py.ref_dtype)
    file["entry_1/data_1"].create_dataset("data", data=place)


def sparse(file):
    shape, packed = (30, 4096, 4096), {"chunks": (1, 64, 64), "compression": "gzip"}
    file.create_dataset(DATA, shape, "u2", **packed)


REFUSED_STORAGE = {
    unknown_filter: "packed by HDF5 filter 32008",
    object_reference: "holds no numbers",
    sparse: "bytes in a file of",
}


@pytest.mark.parametrize("store", REFUSED_STORAGE, ids=lambda store: store.__name__)
def test_storage_that_cannot_be_read_says_what_to_do(tmp_path, capsys, store):
    path = cxi_with(tmp_path, DATA=None)
    with h5py.File(path, "a") as file:
        store(file)
    refused(tmp_path, capsys, REFUSED_STORAGE[store], path, *MOVED)


def test_an_array_without_elements_is_described_and_refused(tmp_path, capsys):
    arrays = made.tike()
    arrays |= {"data": arrays["data"][:, :0], "scan": arrays["scan"][:, :0]}
    refused(tmp_path, capsys, "no positions", made.save_npz(tmp_path / "scan.npz", arrays))


def claims_too_much(path):
    header = "{'descr': '<c8', 'fortran_order': False, 'shape': (1000000000000, 32), }"
    start = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118)
    path.write_bytes(start + header.ljust(117).encode() + b"\n" + bytes(100))


def pickled(path):
    with path.open("wb") as file:
        np.save(file, np.array([{}], dtype=object), allow_pickle=True)


def archive(path):
    with path.open("wb") as file:
        np.savez(file, probe=made.SCAN["probeGuess"])


@pytest.mark.parametrize("write", [claims_too_much, pickled, archive, lambda path: None])
def test_a_probe_s_file_that_cannot_be_used_is_refused(tmp_path, capsys, write):
    source, probe = ptychopinn_with(tmp_path, probeGuess=None), tmp_path / "probe.npy"
    write(probe)
    refused(tmp_path, capsys, "probe.npy", source, "--probe", probe, about=probe)


def test_what_is_no_regular_file_is_not_waited_for(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path, capsys, "no regular file", tmp_path / "pipe")
    refused(tmp_path, capsys, "no regular file", tmp_path)


def test_a_scan_in_two_cxi_files_is_read_from_both(tmp_path, capsys):
    frames = made.save_cxi(tmp_path / "frames.cxi")
    positions = cxi_with(tmp_path, DATA=None)
    refused(tmp_path, capsys, "say --diffraction FILE", positions, *MOVED)
    both = (positions, "--diffraction", frames, *MOVED)
    found = imported(tmp_path, *both)
    np.testing.assert_array_equal(found["diffraction"], made.SCAN["diffraction"])
    assert "frames from /entry_1/data_1/data" in found["_metadata"]["assumptions"]


def test_a_file_of_frames_that_cannot_serve_is_named_with_what_to_do(tmp_path, capsys):
    positions, frames = cxi_with(tmp_path, DATA=None), tmp_path / "frames.h5"
    beside = (positions, *MOVED, "--diffraction", frames)
    refused(tmp_path, capsys, f"{frames}: cannot be read, No such file", *beside)
    with h5py.File(frames, "w") as file:
        file["counts"] = made.COUNTS
    lacks = f"{frames}: lacks patterns and "
    refused(tmp_path, capsys, lacks, *beside)
    refused(tmp_path, capsys, "say --frames-path with where they lie", *beside)
    refused(tmp_path, capsys, f"{frames}: lacks data: ", *beside, "--frames-path", "data")
    imported(tmp_path, *beside, "--frames-path", "counts")


def test_positions_and_frames_are_found_where_the_cxi_format_has_them(tmp_path):
    path = made.save_cxi(tmp_path / "scan.cxi")
    with h5py.File(path, "a") as file:
        file["entry_1/sample_1/geometry_1/translation"] = file[TRANSLATION][()]
        file["entry_1/instrument_1/detector_1/data"] = file[DATA][()]
        del file["entry_1/data_1"]
    found = imported(tmp_path, path, *MOVED)
    np.testing.assert_array_equal(found["diffraction"], made.SCAN["diffraction"])


def product(tmp_path, change):
    made.save_ptychodus(tmp_path / "product.h5", tmp_path / "frames.h5")
    with (
        h5py.File(tmp_path / "product.h5", "a") as one,
        h5py.File(tmp_path / "frames.h5", "a") as two,
    ):
        change(one, two)
    return tmp_path / "product.h5", "--diffraction", tmp_path / "frames.h5"


def with_opr(file, weights):
    probe = file["probe"][()]
    sides = dict(file["probe"].attrs)
    del file["probe"]
    file["probe"] = np.concatenate([probe, 0.1 * probe[..., ::-1]])
    file["probe"].attrs.update(sides)
    if weights is not None:
        file["opr_weights"] = weights


def test_opr_modes_become_their_mean_and_the_power_lost_is_said(tmp_path, capsys):
    weights = np.stack([np.ones(30), np.linspace(-1, 1, 30)], axis=1)
    words = product(tmp_path, lambda one, two: with_opr(one, weights))
    found = imported(tmp_path, *words)
    np.testing.assert_allclose(found["probeGuess"], made.SCAN["probeGuess"], 1e-6, 1e-12)
    said = next(line for line in found["_metadata"]["assumptions"] if "OPR" in line)
    # The second mode has a hundredth of the power, and weights whose mean square is 0.356.
    assert "0.36% of its power" in said
    (tmp_path / "out.npz").unlink()
    words = product(tmp_path, lambda one, two: with_opr(one, None))
    refused(tmp_path, capsys, "without their weights", *words)


def test_the_mean_of_opr_modes_leaves_the_other_modes_as_they_are():
    modes = np.random.default_rng(1).normal(size=(2, 3, 8, 8)) * (1 + 0j)
    weights = np.array([[1.0, 0.5], [1.0, -0.5]])
    probe, lost = placement.mean_of_opr(modes, weights)
    np.testing.assert_allclose(probe, modes[0])
    varying = 0.25 * (modes[1, 0] ** 2).sum()
    assert lost == pytest.approx(float((varying / (varying + (modes[0] ** 2).sum())).real))


def numbered_twice(one, two):
    two["indexes"][1] = two["indexes"][0]


def of_another_scan(one, two):
    two["indexes"][...] += 5


def without_a_pixel(one, two):
    for side in ("width", "height"):
        one["object"].attrs[f"pixel_{side}_m"] = 0.0
        two["patterns"].attrs[f"detector_pixel_{side}_m"] = made.DETECTOR_PIXEL_M


REFUSED_PRODUCTS = {
    numbered_twice: "hold a number twice",
    of_another_scan: "5 of 30 positions have no frame",
    without_a_pixel: "say --no-object",
}


@pytest.mark.parametrize("change", REFUSED_PRODUCTS, ids=lambda change: change.__name__)
def test_a_product_that_does_not_fit_its_frames_is_refused(tmp_path, capsys, change):
    words = product(tmp_path, change)
    refused(tmp_path, capsys, REFUSED_PRODUCTS[change], *words)


def test_the_detector_s_pixel_of_the_frames_stands_in_for_the_product_s(tmp_path):
    words = product(tmp_path, without_a_pixel)
    found = imported(tmp_path, *words, "--no-object")
    assert found["_metadata"]["pixel_size_m"] == pytest.approx(made.PIXEL_M)


def test_places_that_ptychodus_left_empty_are_passed_over(tmp_path):
    def emptied(one, two):
        numbers = two["indexes"][()]
        two["indexes"][...] = np.where(numbers == 1000, -1, numbers)

    found = imported(tmp_path, *product(tmp_path, emptied))
    np.testing.assert_array_equal(found["diffraction"], made.SCAN["diffraction"])


def test_a_scan_beyond_the_memory_is_refused(tmp_path, capsys, monkeypatch):
    def full(*_arguments):
        raise MemoryError

    monkeypatch.setattr("harness.measured.convert", full)
    refused(tmp_path, capsys, "more memory than there is", ptychopinn_with(tmp_path))


def test_several_modes_of_a_probe_are_kept(tmp_path):
    arrays = made.tike()
    arrays["probe"] = np.concatenate([arrays["probe"], 0.3 * arrays["probe"]], axis=3)
    found = imported(tmp_path, made.save_npz(tmp_path / "scan.npz", arrays))
    assert found["probeGuess"].shape == (2, FRAME_PX, FRAME_PX)
    assert "probe of 2 modes, all kept" in found["_metadata"]["assumptions"]


def test_crop_says_what_it_costs(tmp_path):
    source = ptychopinn_with(tmp_path)
    found = imported(tmp_path, source, "--crop", "64")
    assert "objectGuess" not in found
    said = " ".join(found["_metadata"]["assumptions"])
    assert "100.00% of the light kept" in said
    assert "object left out" in said
    assert cli.main(["import", str(source), "--out", str(tmp_path / "b.npz"), "--crop", "0"]) == 3


def test_the_child_s_limits_are_the_import_s():
    assert placement.LARGEST_OBJECT_PX == geometry.LARGEST_OBJECT_PX
    assert placement.OBJECT_MARGIN_PX == geometry.OBJECT_MARGIN_PX
