"""Scans that other programs stored come back as the arrays they were made from, or not at all."""

from __future__ import annotations

import bz2
import hashlib
import json
import re

import h5py
import numpy as np
import pytest

from harness import cli, detector, foreign, foreign_hdf5
from harness.errors import InputInvalid
from harness.jobs import intake
from tests import foreign_files as made
from tests.small_scan import FRAME_PX, PROBE

KEYS = ("diffraction", "probeGuess", "xcoords", "ycoords")


def run(tmp_path, *words) -> int:
    words = [str(word) for word in words]
    return cli.main(["import", *words, "--out", str(tmp_path / "out.npz")])


def imported(tmp_path, *words) -> dict:
    """Import, check, and return what the file holds, metadata parsed."""
    assert run(tmp_path, *words) == 0
    assert cli.main(["check", str(tmp_path / "out.npz")]) == 0
    with np.load(tmp_path / "out.npz") as archive:
        arrays = dict(archive)
    arrays["_metadata"] = json.loads(str(arrays["_metadata"]))
    return arrays


# An order to the reader, after what is wrong.
ACTION = re.compile(
    r"[:;,.] (copy|cut|fetch|give|leave|mend|repack|save|say|scale|store|subtract|take) ",
    re.IGNORECASE,
)


def refused(tmp_path, capsys, words, source, *given, about=None) -> None:
    """Import, and ask for code 3, no file, no warning, and one line: what, where, what to do.

    about: the file that the line must name once, the source unless it is another.
    """
    capsys.readouterr()
    assert run(tmp_path, source, *given) == 3
    said = capsys.readouterr().err
    assert words in said
    assert "Warning" not in said
    assert said.count("\n") == 1
    assert said.startswith(f"error: {about or source}: ")
    assert said.count(str(about or source)) == 1
    assert ACTION.search(said), said
    assert not (tmp_path / "out.npz").exists()


def assert_same_scan(found: dict, *, moved: bool) -> None:
    """Compare with the scan: frames and probe to the bit, positions up to a common shift."""
    for key in KEYS[:2]:
        np.testing.assert_array_equal(found[key], made.SCAN[key], err_msg=key)
    for key in KEYS[2:]:
        shift_px = (found[key] - made.SCAN[key]).round(6)
        assert np.ptp(shift_px) < 1e-5
        assert moved or not shift_px.any()
    assert found["_metadata"]["input_kind"] == "measured"
    assert found["_metadata"]["assumptions"]


@pytest.mark.parametrize("name", ["scan.npz", "scan.npz.bz2"])
def test_a_tike_file_comes_back_as_the_scan_it_was_made_from(tmp_path, name):
    found = imported(tmp_path, made.save_npz(tmp_path / name, made.tike()))
    assert_same_scan(found, moved=True)
    assert "objectGuess" not in found
    # A pixel to spare at the edge of the object that the child sizes by them.
    assert found["ycoords"].min() == found["xcoords"].min() == FRAME_PX // 2 + 1
    assert found["_metadata"]["source_format"] == "tike"
    # Nothing but the words tells: without an object, positions are moved anyway.
    assert "a position is the corner of the patch" in found["_metadata"]["assumptions"]
    digest = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    assert found["_metadata"]["source_sha256"] == digest


@pytest.mark.parametrize("key", ["diff3d", "diffraction"])
@pytest.mark.parametrize("order", ["first", "last"])
@pytest.mark.parametrize("kind", ["amplitude", "intensity"])
@pytest.mark.parametrize("where", ["corner", "centre"])
def test_a_ptychopinn_file_in_every_convention_comes_back_as_the_scan(
    tmp_path, key, order, kind, where
):
    arrays = made.ptychopinn()
    frames = arrays.pop("diff3d") if kind == "amplitude" else made.COUNTS.astype(np.float32)
    frames = np.fft.ifftshift(frames, axes=(-2, -1)) if where == "corner" else frames
    arrays.pop("diff3d", None)
    arrays[key] = frames if order == "first" else np.moveaxis(frames, 0, -1)
    found = imported(tmp_path, made.save_npz(tmp_path / "scan.npz", arrays))
    assert_same_scan(found, moved=False)
    np.testing.assert_array_equal(found["objectGuess"], made.SCAN["objectGuess"])


@pytest.mark.parametrize("moves", ["sample", "probe"])
@pytest.mark.parametrize("links", [False, True])
def test_a_cxi_file_comes_back_as_the_scan_in_pixels(tmp_path, moves, links):
    path = made.save_cxi(tmp_path / "scan.cxi", moves=moves, links=links)
    found = imported(tmp_path, path, "--translation", moves)
    assert_same_scan(found, moved=True)
    metadata = found["_metadata"]
    assert metadata["pixel_size_m"] == pytest.approx(made.PIXEL_M)
    assert metadata["photon_energy_ev"] == pytest.approx(made.ENERGY_EV)
    assert metadata["detector_distance_m"] == made.DISTANCE_M
    assert intake.read(str(tmp_path / "out.npz")).pixel_size_m == metadata["pixel_size_m"]


def test_a_ptychodus_product_takes_its_frames_by_number_and_keeps_its_object(tmp_path):
    product, diffraction = tmp_path / "product.h5", tmp_path / "frames.h5"
    made.save_ptychodus(product, diffraction)
    found = imported(tmp_path, product, "--diffraction", diffraction)
    assert_same_scan(found, moved=False)
    np.testing.assert_array_equal(found["objectGuess"], made.SCAN["objectGuess"])
    assert found["_metadata"]["diffraction_file"] == "frames.h5"
    without = tmp_path / "without"
    without.mkdir()
    found = imported(without, product, "--diffraction", diffraction, "--no-object")
    assert "objectGuess" not in found


def test_the_frames_lie_on_the_object_where_the_positions_say(tmp_path):
    product, diffraction = tmp_path / "product.h5", tmp_path / "frames.h5"
    made.save_ptychodus(product, diffraction)
    found = imported(tmp_path, product, "--diffraction", diffraction)
    row, column = (int(np.rint(found[key][5])) - FRAME_PX // 2 for key in ("ycoords", "xcoords"))
    patch = found["objectGuess"][row : row + FRAME_PX, column : column + FRAME_PX]
    wave = np.fft.fftshift(np.abs(np.fft.fft2(patch * found["probeGuess"], norm="ortho")) ** 2)
    excess = (np.square(found["diffraction"][5]) - wave).sum() / np.sqrt(wave.sum())
    assert abs(excess) < 4


@pytest.mark.parametrize(
    ("side_px", "crop_px"), [(48, 32), (20, 32), (48, 64)], ids=["cut", "pad", "pad-even"]
)
def test_crop_keeps_the_light_and_the_scale_of_the_positions(tmp_path, side_px, crop_px):
    frames = detector.resized(made.COUNTS, side_px)
    arrays = made.tike() | {
        "data": np.fft.ifftshift(frames, axes=(-2, -1)).astype(np.uint16),
        "probe": detector.resized(PROBE.astype(np.complex64), side_px),
    }
    source = made.save_npz(tmp_path / "scan.npz", arrays)
    assert run(tmp_path, source) == 3
    found = imported(tmp_path, source, "--crop", crop_px, "--pixel-size-m", 1e-8)
    kept = min(side_px, crop_px, FRAME_PX)
    expected = detector.resized(detector.resized(made.COUNTS, kept), crop_px)
    np.testing.assert_allclose(np.square(found["diffraction"]), expected, rtol=1e-6)
    assert found["probeGuess"].shape == (crop_px, crop_px)
    steps_px = np.diff(found["xcoords"]) * side_px / crop_px
    np.testing.assert_allclose(steps_px, np.diff(made.SCAN["xcoords"]), atol=1e-5)
    assert found["_metadata"]["pixel_size_m"] == pytest.approx(1e-8 * side_px / crop_px)


def broken_tike(change) -> dict:
    arrays = made.tike()
    change(arrays)
    return arrays


REFUSED_NPZ = {
    "neither amplitude nor counts": (
        lambda a: a.update(diff3d=a["diff3d"] * np.float32(0.37)),
        "--frames amplitude or --frames intensity",
    ),
    "even light": (
        lambda a: a.update(diff3d=np.full_like(a["diff3d"], 2.0)),
        "--zero-frequency corner or",
    ),
    "no probe": (lambda a: a.pop("probeGuess"), "--probe FILE.npy, or --probe mean"),
    "no positions": (lambda a: a.pop("xcoords"), "lacks xcoords"),
    "positions apart": (lambda a: a.update(xcoords=a["xcoords"][1:]), "not equally many"),
    "one frame short": (lambda a: a.update(diff3d=a["diff3d"][1:]), "30 positions, but frames"),
    "negative": (lambda a: a["diff3d"].__setitem__((0, 0, 0), -1), "negative values"),
    "not finite": (lambda a: a["diff3d"].__setitem__((0, 0, 0), np.inf), "infinite values"),
    "a small object": (
        lambda a: a.update(objectGuess=a["objectGuess"][:40]),
        "--no-object to leave it out",
    ),
    "a real probe": (lambda a: a.update(probeGuess=abs(a["probeGuess"])), "not complex"),
    "oblong": (lambda a: a.update(diff3d=a["diff3d"][:, 2:]), "frames are 30 x 32"),
    "pickled": (
        lambda a: a.update(diff3d=np.array([{}], dtype=object)),
        "expected numbers or text",
    ),
}


@pytest.mark.parametrize("name", REFUSED_NPZ)
def test_an_npz_that_does_not_say_enough_is_refused_with_what_to_say(tmp_path, capsys, name):
    change, words = REFUSED_NPZ[name]
    arrays = {key: value.copy() for key, value in made.ptychopinn().items()}
    change(arrays)
    refused(tmp_path, capsys, words, made.save_npz(tmp_path / "scan.npz", arrays))


def test_as_many_frames_as_pixels_leave_the_axis_order_to_be_told(tmp_path, capsys):
    arrays = made.ptychopinn()
    for key in ("diff3d", "xcoords", "ycoords"):
        arrays[key] = np.concatenate([arrays[key], arrays[key]])[:FRAME_PX]
    arrays["xcoords"][30:] += 1
    source = made.save_npz(tmp_path / "scan.npz", arrays)
    refused(tmp_path, capsys, "--axis-order first or --axis-order last", source)
    found = imported(tmp_path, source, "--axis-order", "first")
    np.testing.assert_array_equal(found["diffraction"], arrays["diff3d"])


def test_what_the_command_line_says_goes_before_what_the_values_show(tmp_path):
    arrays = made.ptychopinn()
    arrays["diff3d"] = arrays["diff3d"] * np.float32(0.37)
    source = made.save_npz(tmp_path / "scan.npz", arrays)
    found = imported(tmp_path, source, "--frames", "amplitude")
    np.testing.assert_allclose(found["diffraction"], arrays["diff3d"], rtol=1e-6)
    assert "values are amplitude, as told by --frames" in found["_metadata"]["assumptions"]


def test_a_tike_file_whose_light_lies_in_the_centre_is_not_guessed_at(tmp_path, capsys):
    arrays = made.tike() | {"data": made.COUNTS.astype(np.uint16)}
    source = made.save_npz(tmp_path / "scan.npz", arrays)
    refused(tmp_path, capsys, "but the light lies in the centre", source)
    assert_same_scan(imported(tmp_path, source, "--zero-frequency", "centre"), moved=True)


def test_amplitudes_in_a_file_whose_format_holds_counts_are_not_guessed_at(tmp_path, capsys):
    arrays = made.tike()
    arrays["data"] = np.sqrt(arrays["data"].astype(np.float32))
    refused(
        tmp_path,
        capsys,
        "but the values look like amplitude",
        made.save_npz(tmp_path / "scan.npz", arrays),
    )


def test_too_few_photons_do_not_show_what_the_values_are(tmp_path, capsys):
    arrays = made.ptychopinn()
    arrays["diff3d"] = (arrays["diff3d"] > 10).astype(np.float32)
    source = made.save_npz(tmp_path / "scan.npz", arrays)
    refused(tmp_path, capsys, "--frames amplitude", source)
    imported(tmp_path, source, "--frames", "intensity")


def test_a_probe_from_the_light_or_from_a_file_takes_the_place_of_none(tmp_path):
    arrays = made.tike()
    probe = arrays.pop("probe").reshape(FRAME_PX, FRAME_PX)
    source = made.save_npz(tmp_path / "scan.npz", arrays)
    np.save(tmp_path / "probe.npy", probe)
    found = imported(tmp_path, source, "--probe", tmp_path / "probe.npy")
    np.testing.assert_array_equal(found["probeGuess"], probe)
    (tmp_path / "mean").mkdir()
    found = imported(tmp_path / "mean", source, "--probe", "mean")
    light = (np.abs(found["probeGuess"]) ** 2).sum()
    assert light == pytest.approx(made.COUNTS.sum() / len(made.COUNTS), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("source_1/energy", "--energy-ev"),
        ("detector_1/distance", "--distance-m"),
        ("detector_1/x_pixel_size", None),
    ],
)
def test_metres_without_what_makes_them_pixels_are_refused(tmp_path, capsys, name, option):
    path = made.save_cxi(tmp_path / "scan.cxi")
    with h5py.File(path, "a") as file:
        del file[f"entry_1/instrument_1/{name}"]
    words = (path, "--translation", "sample")
    if option is None:  # The other side of the pixel is there.
        return assert_same_scan(imported(tmp_path, *words), moved=True)
    refused(tmp_path, capsys, option, *words)
    refused(tmp_path, capsys, "--pixel-size-m", *words)
    found = imported(tmp_path, *words, "--pixel-size-m", made.PIXEL_M)
    return assert_same_scan(found, moved=True)


def test_a_cxi_file_is_not_guessed_to_move_the_sample(tmp_path, capsys):
    refused(
        tmp_path,
        capsys,
        "--translation sample or --translation probe",
        made.save_cxi(tmp_path / "scan.cxi"),
    )


def saying(tmp_path, said, *, moves="probe"):
    """Write a CXI file whose translation says of what it is."""
    path = made.save_cxi(tmp_path / "scan.cxi", moves=moves)
    with h5py.File(path, "a") as file:
        file["entry_1/data_1/translation"].attrs["of"] = said
    return path


@pytest.mark.parametrize("moves", ["sample", "probe"])
def test_a_cxi_file_that_says_what_it_moves_need_not_be_told(tmp_path, moves):
    found = imported(tmp_path, saying(tmp_path, moves, moves=moves))
    assert_same_scan(found, moved=True)
    said = f"/entry_1/data_1/translation is that of the {moves}, as its attribute says"
    assert any(line.startswith(said) for line in found["_metadata"]["assumptions"])


def test_a_translation_that_says_another_thing_is_not_guessed_at(tmp_path, capsys):
    path = saying(tmp_path, "stage")
    refused(tmp_path, capsys, "is of 'stage', neither of sample nor of probe", path)
    assert_same_scan(imported(tmp_path, path, "--translation", "probe"), moved=True)


def test_what_is_told_of_a_translation_goes_before_what_the_file_says(tmp_path):
    found = imported(tmp_path, saying(tmp_path, "sample"), "--translation", "probe")
    assert_same_scan(found, moved=True)


def external_link(file):
    del file["entry_1/data_1/data"]
    file["entry_1/data_1/data"] = h5py.ExternalLink("secret.h5", "/frames")


def external_group(file):
    del file["entry_1/data_1/data"]
    file["elsewhere"] = h5py.ExternalLink("secret.h5", "/")
    file["entry_1/data_1/data"] = h5py.SoftLink("/elsewhere/frames")


def external_storage(file):
    del file["entry_1/data_1/data"]
    shape = made.COUNTS.shape
    file.create_dataset("entry_1/data_1/data", shape, "u2", external=[("secret.raw", 0, 1 << 20)])


def virtual(file):
    del file["entry_1/data_1/data"]
    layout = h5py.VirtualLayout(made.COUNTS.shape, "u2")
    layout[:] = h5py.VirtualSource("secret.h5", "frames", made.COUNTS.shape)
    file.create_virtual_dataset("entry_1/data_1/data", layout)


def link_in_a_circle(file):
    del file["entry_1/data_1/data"]
    file["entry_1/data_1/data"] = h5py.SoftLink("/entry_1/data_1/data")


def huge(file):
    del file["entry_1/data_1/data"]
    file.create_dataset("entry_1/data_1/data", (1 << 20, 4096, 4096), "u2", chunks=(1, 64, 64))


def text(file):
    del file["entry_1/data_1/data"]
    file["entry_1/data_1/data"] = "frames"


REFUSED_CXI = {
    external_link: "is a link into secret.h5",
    external_group: "is a link into secret.h5",
    external_storage: "keeps its numbers in other files",
    virtual: "keeps its numbers in other files",
    link_in_a_circle: "more than 16 links",
    huge: "bytes in a file of",
    text: "holds no numbers",
}


@pytest.mark.parametrize("change", REFUSED_CXI, ids=lambda change: change.__name__)
def test_hdf5_that_reaches_beyond_itself_is_refused(tmp_path, capsys, change):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["frames"] = made.COUNTS
    (tmp_path / "secret.raw").write_bytes(bytes(1 << 20))
    path = made.save_cxi(tmp_path / "scan.cxi")
    with h5py.File(path, "a") as file:
        change(file)
    refused(tmp_path, capsys, REFUSED_CXI[change], path, "--translation", "sample")


@pytest.mark.parametrize("suffix", [".cxi", ".npz", ".npz.bz2"])
def test_a_file_cut_short_is_refused_by_name(tmp_path, capsys, suffix):
    path = tmp_path / f"scan{suffix}"
    if suffix == ".cxi":
        made.save_cxi(path)
    else:
        made.save_npz(path, made.tike())
    path.write_bytes(path.read_bytes()[:-4000])
    refused(tmp_path, capsys, path.name, path)


@pytest.mark.parametrize("name", ["scan.cxi", "product.h5", "frames.h5", "scan.npz"])
def test_a_file_with_any_byte_changed_is_read_or_refused(tmp_path, name):
    made.save_cxi(tmp_path / "scan.cxi")
    made.save_npz(tmp_path / "scan.npz", made.tike())
    made.save_ptychodus(tmp_path / "product.h5", tmp_path / "frames.h5")
    path = tmp_path / name
    source = tmp_path / "product.h5" if name == "frames.h5" else path
    beside = foreign_hdf5.Beside(tmp_path / "frames.h5", translation="sample")
    whole, generator = path.read_bytes(), np.random.default_rng(20251125)
    refused = 0
    for _ in range(60):
        data = np.frombuffer(whole, np.uint8).copy()
        places = generator.integers(0, min(len(data), 6000), 8)
        data[places] = generator.integers(0, 256, 8)
        path.write_bytes(data.tobytes())
        try:
            foreign.read(source, beside)
        except InputInvalid:
            refused += 1
    assert refused > 5


def test_bzip2_streams_one_after_the_other_are_one_file(tmp_path):
    path = made.save_npz(tmp_path / "scan.npz", made.tike())
    data = path.read_bytes()
    packed = tmp_path / "scan.npz.bz2"
    packed.write_bytes(bz2.compress(data[:5000]) + bz2.compress(data[5000:]))
    assert_same_scan(imported(tmp_path, packed), moved=True)


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(tmp_path, capsys):
    path = tmp_path / "scan.npz.bz2"
    path.write_bytes(bz2.compress(bytes(100 << 20)))
    refused(tmp_path, capsys, "unpacks to more than", path)


def test_what_is_no_scan_is_refused(tmp_path, capsys):
    path = tmp_path / "notes.txt"
    path.write_text("a letter")
    refused(tmp_path, capsys, "neither NPZ", path)
    refused(tmp_path, capsys, "cannot be read", tmp_path / "absent.npz")


def test_a_product_without_its_frames_says_which_option_names_them(tmp_path, capsys):
    made.save_ptychodus(tmp_path / "product.h5", tmp_path / "frames.h5")
    refused(tmp_path, capsys, "--diffraction FILE", tmp_path / "product.h5")


def test_bad_pixels_are_counted_as_dark_only_when_asked(tmp_path, capsys):
    path = made.save_cxi(tmp_path / "scan.cxi")
    mask = np.zeros((FRAME_PX, FRAME_PX), np.uint32)
    mask[3, 4] = 1
    with h5py.File(path, "a") as file:
        file["entry_1/instrument_1/detector_1/mask"] = mask
    words = (path, "--translation", "sample")
    refused(tmp_path, capsys, "--zero-bad-pixels", *words)
    found = imported(tmp_path, *words, "--zero-bad-pixels")
    assert not found["diffraction"][:, 3, 4].any()
    with h5py.File(path, "a") as file:
        file["entry_1/data_1/data"][...] = np.fft.ifftshift(made.COUNTS, axes=(-2, -1))
    (tmp_path / "corner").mkdir()
    found = imported(tmp_path / "corner", *words, "--zero-bad-pixels")
    assert not found["diffraction"][:, 3 + FRAME_PX // 2, 4 + FRAME_PX // 2].any()
    assert found["diffraction"][:, 15:17, 15:17].all()


def test_an_existing_file_is_not_written_over(tmp_path):
    (tmp_path / "out.npz").write_text("mine")
    assert run(tmp_path, made.save_npz(tmp_path / "scan.npz", made.tike())) == 2
    assert (tmp_path / "out.npz").read_text() == "mine"


def test_a_scan_without_an_object_must_say_that_it_was_measured(tmp_path, capsys):
    found = imported(tmp_path, made.save_npz(tmp_path / "scan.npz", made.tike()))
    found["_metadata"] = np.array(json.dumps(found["_metadata"] | {"input_kind": "simulated"}))
    np.savez(tmp_path / "simulated.npz", **found)
    assert cli.main(["check", str(tmp_path / "simulated.npz")]) == 3
    assert "npz.key-missing" in capsys.readouterr().err


def test_positions_of_a_scan_without_an_object_still_start_inside_it(tmp_path, capsys):
    found = imported(tmp_path, made.save_npz(tmp_path / "scan.npz", made.tike()))
    found["xcoords"] = found["xcoords"] - 2
    found["_metadata"] = np.array(json.dumps(found["_metadata"]))
    np.savez(tmp_path / "low.npz", **found)
    assert cli.main(["check", str(tmp_path / "low.npz")]) == 3
    assert "centres from 16 px" in capsys.readouterr().err
