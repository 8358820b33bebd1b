"""The NPZ edge: what it says of sound files, and that no broken file can make it raise."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from harness import arrays, contract, npz, rules
from harness.resources import schema
from tests import npz_files


def rule_ids(reading):
    return [found.rule for found in reading.findings]


def only_finding(reading):
    assert len(reading.findings) == 1, reading.findings
    return reading.findings[0]


def read(path: Path):
    return npz.read(path, shown_as="phase_c/x.npz")


@pytest.fixture
def sound(tmp_path):
    return npz_files.save(tmp_path / "x.npz", npz_files.scan_arrays())


# Sound files


def test_a_sound_file_has_no_finding_and_a_json_ready_description(sound):
    reading = read(sound)
    assert reading.findings == ()
    assert json.loads(json.dumps(reading.description, allow_nan=False)) == reading.description


def test_the_description_names_the_file_as_shown_with_the_digest_of_its_bytes(sound):
    description = read(sound).description
    content = sound.read_bytes()
    assert description["format"] == "harness.npz_input/1"
    assert description["file"] == "phase_c/x.npz"
    assert description["bytes"] == len(content)
    assert description["sha256"] == hashlib.sha256(content).hexdigest()


def test_each_array_is_described(sound):
    record = read(sound).description["arrays"]["diffraction"]
    frames = npz_files.scan_arrays()["diffraction"]
    assert record == {
        "dtype": "float32",
        "byte_order": "little",
        "shape": [12, 32, 32],
        "order": "C",
        "bytes": frames.nbytes,
        "sha256": arrays.array_sha256(frames),
        "finite": True,
        "nonfinite_count": 0,
        "min": 0.0,
        "max": float(frames.max()),
        "mean": pytest.approx(float(frames.mean()), rel=1e-6),
    }


def test_the_statistics_are_those_of_the_frames_and_positions(sound):
    statistics = read(sound).description["statistics"]
    photons = (npz_files.scan_arrays()["diffraction"].astype(float) ** 2).sum(axis=(1, 2))
    assert statistics == {
        "frames": 12,
        "frame_px": 32,
        "mean_photons_per_frame": pytest.approx(photons.mean()),
        "photons_relative_sd": pytest.approx(photons.std() / photons.mean()),
        "empty_frames": 0,
        "whole_counts": True,
        "whole_amplitudes": False,
        "corner_light_fraction": pytest.approx(0.25, abs=0.02),
        "positions": 12,
        "x_min_px": 16.0,
        "x_max_px": 46.0,
        "y_min_px": 16.0,
        "y_max_px": 36.0,
        "spacing_min_px": 10.0,
        "disc_diameter_px": pytest.approx(38.3, abs=0.1),
        "overlap_mean_fraction": None,
        "overlap_min_fraction": None,
    }


def test_positions_come_as_rows_of_y_and_x(sound):
    positions_px = read(sound).positions_px
    assert positions_px.shape == (12, 2)
    assert positions_px[5].tolist() == [26.0, 26.0]
    assert positions_px[4].tolist() == [26.0, 16.0]


def test_metadata_is_parsed(tmp_path):
    whole = npz_files.scan_arrays() | {"_metadata": npz_files.metadata_text()}
    reading = read(npz_files.save(tmp_path / "x.npz", whole))
    assert reading.findings == ()
    assert reading.description["metadata"] == npz_files.PHASE_D_METADATA


def test_without_metadata_the_description_says_null(sound):
    assert read(sound).description["metadata"] is None


def test_text_arrays_have_no_numbers(tmp_path):
    whole = npz_files.scan_arrays() | {"filenames": np.array([f"f{i}" for i in range(12)])}
    record = read(npz_files.save(tmp_path / "x.npz", whole)).description["arrays"]["filenames"]
    assert record["dtype"] == "U3"
    assert (record["finite"], record["min"], record["mean"]) == (None, None, None)


def test_whole_numbers_keep_exact_bounds(tmp_path):
    big = np.array([2**63, 2**64 - 1], np.uint64)
    record = read(npz_files.save(tmp_path / "x.npz", {"extra": big})).description["arrays"]["extra"]
    assert (record["min"], record["max"], record["dtype"]) == (2**63, 2**64 - 1, "uint64")


def test_an_array_larger_than_a_chunk_is_summarised_as_a_whole(tmp_path):
    frames = np.sqrt(np.arange(3 * 256 * 256 * 4, dtype=np.float64)).reshape(12, 256, 256)
    whole = npz_files.scan_arrays() | {"diffraction": frames.astype(np.float32)}
    description = read(npz_files.save(tmp_path / "x.npz", whole)).description
    assert frames[:, 0, 0].size * frames[0].size * 4 > arrays.CHUNK_BYTES
    record = description["arrays"]["diffraction"]
    assert record["sha256"] == arrays.array_sha256(frames.astype(np.float32))
    assert description["statistics"]["mean_photons_per_frame"] == pytest.approx(
        (frames**2).sum() / 12, rel=1e-6
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_counted_and_stay_json_safe(tmp_path, value):
    whole = npz_files.scan_arrays()
    whole["diffraction"][3, 4, 5] = value
    reading = read(npz_files.save(tmp_path / "x.npz", whole))
    record = reading.description["arrays"]["diffraction"]
    assert (record["finite"], record["nonfinite_count"]) == (False, 1)
    assert (record["min"], record["max"], record["mean"]) == (None, None, None)
    assert reading.description["statistics"]["mean_photons_per_frame"] is None
    json.dumps(reading.description, allow_nan=False)


def test_a_complex_nan_is_seen(tmp_path):
    whole = npz_files.scan_arrays()
    whole["objectGuess"][0, 0] = complex(0, np.nan)
    record = read(npz_files.save(tmp_path / "x.npz", whole)).description["arrays"]["objectGuess"]
    assert (record["finite"], record["nonfinite_count"], record["min"]) == (False, 1, None)


def test_squares_too_large_for_a_float_give_null_statistics(tmp_path):
    whole = npz_files.scan_arrays()
    whole["diffraction"] = np.full((12, 32, 32), 1e200)
    statistics = read(npz_files.save(tmp_path / "x.npz", whole)).description["statistics"]
    assert statistics["mean_photons_per_frame"] is None
    assert statistics["photons_relative_sd"] is None


@pytest.mark.parametrize("shape", [(0, 32, 32), (1, 0, 32), (3, 0, 0), (1, 0, 32, 32)])
def test_an_array_without_elements_is_described(tmp_path, shape):
    whole = npz_files.scan_arrays() | {"diffraction": np.zeros(shape, np.float32)}
    reading = read(npz_files.save(tmp_path / "x.npz", whole))
    assert reading.description["arrays"]["diffraction"]["shape"] == list(shape)
    assert contract.check(reading.description, schema=schema("npz_input"))


def test_frames_without_light_are_counted(tmp_path):
    whole = npz_files.scan_arrays()
    whole["diffraction"][2:5] = 0
    statistics = read(npz_files.save(tmp_path / "x.npz", whole)).description["statistics"]
    assert statistics["empty_frames"] == 3


def test_amplitudes_that_are_whole_numbers_are_noticed(tmp_path):
    whole = npz_files.scan_arrays()
    whole["diffraction"] = np.round(whole["diffraction"] ** 2)
    statistics = read(npz_files.save(tmp_path / "x.npz", whole)).description["statistics"]
    assert statistics["whole_amplitudes"] is True


@pytest.mark.parametrize("brightest", [9, 5_000, 2_000_000])
def test_amplitudes_squared_in_single_precision_are_noticed(tmp_path, brightest):
    whole = npz_files.scan_arrays()
    counts = np.random.default_rng(1).integers(0, brightest, (12, 32, 32), endpoint=True)
    whole["diffraction"] = np.sqrt(counts).astype(np.float32)
    honest = read(npz_files.save(tmp_path / "a.npz", whole)).description["statistics"]
    whole["diffraction"] = whole["diffraction"] ** 2
    assert (whole["diffraction"] != counts).any()
    squared = read(npz_files.save(tmp_path / "b.npz", whole)).description["statistics"]
    assert (honest["whole_amplitudes"], squared["whole_amplitudes"]) == (False, True)


def test_the_light_in_the_corners_is_that_of_all_frames_together(tmp_path):
    frames = np.zeros((12, 256, 256), np.float32)
    frames[:, 128, 128] = 1
    # The innermost pixels of the corner squares, and the next ones, outside.
    frames[7, [63, 192, 63, 192], [63, 192, 192, 63]] = 1
    frames[8, [64, 191, 64, 0], [63, 192, 191, 128]] = 1
    path = npz_files.save(tmp_path / "x.npz", {"diffraction": frames}, compressed=False)
    statistics = read(path).description["statistics"]
    assert statistics["corner_light_fraction"] == pytest.approx(4 / 20)


@pytest.mark.parametrize(
    "frames", [np.zeros((3, 32, 32)), np.ones((3, 32, 33)), np.ones((0, 32, 32))]
)
def test_without_light_or_square_frames_no_corner_is_bright(tmp_path, frames):
    path = npz_files.save(tmp_path / "x.npz", {"diffraction": frames})
    assert read(path).description["statistics"]["corner_light_fraction"] is None


@pytest.mark.parametrize(("pixels", "noticed"), [(99, False), (100, True)])
def test_a_few_whole_amplitudes_are_no_evidence_of_intensity(tmp_path, pixels, noticed):
    whole = npz_files.scan_arrays()
    whole["diffraction"] = np.ones((12, 32, 32), np.float32)
    whole["diffraction"].flat[:pixels] = 2
    statistics = read(npz_files.save(tmp_path / "x.npz", whole)).description["statistics"]
    assert statistics["whole_amplitudes"] is noticed


def test_amplitudes_whose_squares_are_no_counts_are_noticed(tmp_path):
    whole = npz_files.scan_arrays()
    whole["diffraction"] *= np.float32(1.3)
    statistics = read(npz_files.save(tmp_path / "x.npz", whole)).description["statistics"]
    assert (statistics["whole_counts"], statistics["whole_amplitudes"]) == (False, False)


def test_amplitudes_that_stop_being_counts_in_a_later_chunk_are_noticed(tmp_path):
    frames = np.zeros((12, 256, 256), np.float32)
    frames[8:] = np.sqrt(np.random.default_rng(1).poisson(5, (4, 256, 256)))
    for last, whole_counts in ((1.0, True), (0.5, False)):
        frames[-3:, 0, 0] = last
        path = npz_files.save(tmp_path / "x.npz", {"diffraction": frames}, compressed=False)
        statistics = read(path).description["statistics"]
        assert statistics["whole_counts"] is whole_counts
        assert (statistics["whole_amplitudes"], statistics["empty_frames"]) == (False, 8)


@pytest.mark.parametrize("value", [0, np.nan, np.inf])
def test_a_probe_without_finite_light_has_no_diameter(tmp_path, value):
    whole = npz_files.scan_arrays() | {"probeGuess": np.full((32, 32), value, np.complex64)}
    statistics = read(npz_files.save(tmp_path / "x.npz", whole)).description["statistics"]
    assert statistics["disc_diameter_px"] is None


def test_the_modes_of_a_probe_share_one_diameter(tmp_path):
    whole = npz_files.scan_arrays()
    statistics = []
    for modes in (1, 3):
        probe = np.stack([whole["probeGuess"] * factor for factor in range(1, modes + 1)])
        path = npz_files.save(tmp_path / "x.npz", whole | {"probeGuess": probe})
        statistics.append(read(path).description["statistics"]["disc_diameter_px"])
    assert statistics[0] == pytest.approx(statistics[1]) == pytest.approx(38.3, abs=0.1)


def test_overlap_is_measured_with_the_neighbours_that_metadata_names(tmp_path):
    whole = npz_files.scan_arrays()
    fractions = []
    for neighbor_count in (2, 11):
        whole["_metadata"] = npz_files.metadata_text(neighbor_count=neighbor_count)
        path = npz_files.save(tmp_path / "x.npz", whole)
        fractions.append(read(path).description["statistics"]["overlap_mean_fraction"])
    # Two neighbours are 10 px away, and discs of 38.3 px share 0.67 of their area there.
    assert fractions[0] == pytest.approx(0.67, abs=0.01)
    assert 0 < fractions[1] < fractions[0]


def test_a_single_position_has_no_overlap(tmp_path):
    whole = npz_files.scan_arrays(frames=1) | {"_metadata": npz_files.metadata_text()}
    statistics = read(npz_files.save(tmp_path / "x.npz", whole)).description["statistics"]
    assert (statistics["spacing_min_px"], statistics["overlap_mean_fraction"]) == (None, None)


def test_positions_that_do_not_pair_up_are_not_given(tmp_path):
    whole = npz_files.scan_arrays()
    whole["xcoords"] = whole["xcoords"][:-1]
    reading = read(npz_files.save(tmp_path / "x.npz", whole))
    assert reading.positions_px is None
    assert reading.description["statistics"]["spacing_min_px"] is None


def test_complex_frames_have_no_photon_statistics(tmp_path):
    whole = npz_files.scan_arrays()
    whole["diffraction"] = whole["diffraction"].astype(np.complex64)
    statistics = read(npz_files.save(tmp_path / "x.npz", whole)).description["statistics"]
    assert (statistics["frames"], statistics["mean_photons_per_frame"]) == (12, None)


def test_an_empty_file_is_called_empty(tmp_path):
    path = tmp_path / "empty.npz"
    path.touch()
    reading = read(path)
    assert rule_ids(reading) == ["npz.not-a-zip"]
    assert reading.findings[0].found == "an empty file"


def test_an_empty_array_is_described_without_numbers(tmp_path):
    whole = npz_files.scan_arrays()
    whole["diffraction"] = whole["diffraction"][:0]
    reading = read(npz_files.save(tmp_path / "x.npz", whole))
    assert reading.findings == ()
    record = reading.description["arrays"]["diffraction"]
    assert (record["shape"], record["min"]) == ([0, 32, 32], None)
    assert reading.description["statistics"]["mean_photons_per_frame"] is None


# The digest of an array


def test_the_digest_recipe_is_the_documented_one():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    by_hand = hashlib.sha256(b"<f4|2,3\n" + struct.pack("<6f", *range(6))).hexdigest()
    assert arrays.array_sha256(array) == by_hand


@pytest.mark.parametrize("compressed", [True, False])
def test_compression_byte_order_and_memory_order_do_not_change_a_digest(tmp_path, compressed):
    frames = npz_files.scan_arrays()["diffraction"]
    digests = set()
    for number, variant in enumerate(
        [frames, np.asfortranarray(frames), frames.astype(">f4"), np.asfortranarray(frames, ">f4")]
    ):
        path = tmp_path / f"{number}.npz"
        npz_files.save(path, {"diffraction": variant}, compressed=compressed)
        digests.add(read(path).description["arrays"]["diffraction"]["sha256"])
    assert digests == {arrays.array_sha256(frames)}


def test_the_same_bytes_under_another_shape_or_dtype_have_another_digest():
    array = np.arange(6, dtype=np.int32)
    variants = [array, array.reshape(2, 3), array.reshape(3, 2), array.view(np.float32)]
    assert len({arrays.array_sha256(variant) for variant in variants}) == 4


def test_big_endian_and_fortran_order_are_recorded(tmp_path):
    frames = np.asfortranarray(npz_files.scan_arrays()["diffraction"], ">f4")
    path = npz_files.save(tmp_path / "x.npz", {"diffraction": frames})
    record = read(path).description["arrays"]["diffraction"]
    assert (record["byte_order"], record["order"], record["dtype"]) == ("big", "F", "float32")
    assert record["max"] == float(frames.max())


# Files that are no NPZ


def test_a_missing_file_is_a_finding_that_names_it(tmp_path):
    reading = read(tmp_path / "nowhere.npz")
    assert (reading.description, reading.positions_px) == (None, None)
    found = only_finding(reading)
    assert (found.rule, found.where, found.severity) == ("npz.missing", "phase_c/x.npz", "error")
    assert "make inputs" in rules.as_text(found)


def test_a_directory_is_not_a_file(tmp_path):
    assert rule_ids(read(tmp_path)) == ["npz.not-a-file"]


def test_a_pipe_is_refused_without_waiting_for_its_writer(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    assert rule_ids(read(tmp_path / "pipe.npz")) == ["npz.not-a-file"]


def test_a_path_through_a_file_cannot_be_read(sound):
    assert rule_ids(read(sound / "x.npz")) == ["npz.unreadable"]


def test_a_path_with_a_nul_cannot_be_read(tmp_path):
    assert rule_ids(read(tmp_path / "a\0b.npz")) == ["npz.unreadable"]


def test_a_file_that_loses_its_disk_cannot_be_read():
    # The kernel refuses reads from one's own memory image at address 0, as a failing disk does.
    with Path("/proc/self/mem").open("rb") as file:
        reading = npz.read_file(file, shown_as="x.npz")
    assert rule_ids(reading) == ["npz.unreadable"]


@pytest.mark.parametrize("content", [b"", b"plain text", npz_files.npy_bytes(np.zeros(3))])
def test_a_file_that_is_no_zip_is_refused(tmp_path, content):
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    assert rule_ids(read(path)) == ["npz.not-a-zip"]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_said_to_be_truncated(sound, share):
    content = sound.read_bytes()
    sound.write_bytes(content[: int(len(content) * share)])
    assert rule_ids(read(sound)) == ["npz.truncated"]


# Members that cannot be trusted


def read_with(tmp_path, *extra, without=()):
    return read(npz_files.save_with(tmp_path / "x.npz", *extra, without=without))


def test_an_array_of_objects_is_refused_before_its_data_are_read(tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "sprung"),))

    whole = npz_files.scan_arrays() | {"filenames": np.array([Trap()], dtype=object)}
    reading = read(npz_files.save(tmp_path / "x.npz", whole))
    found = only_finding(reading)
    assert (found.rule, found.pointer) == ("npz.pickled", "filenames")
    assert not (tmp_path / "sprung").exists()
    assert reading.description["unreadable"] == ["filenames"]
    assert "filenames" not in reading.description["arrays"]


def test_a_record_with_an_object_field_is_refused_as_pickled(tmp_path):
    record = np.zeros(2, dtype=[("a", "O"), ("b", "f4")])
    reading = read(npz_files.save(tmp_path / "x.npz", {"extra": record}))
    assert rule_ids(reading) == ["npz.pickled"]


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(2, dtype=[("a", "f4"), ("b", "f4")]),
        np.zeros(2, dtype="M8[s]"),
        np.zeros(2, dtype="m8[s]"),
        np.zeros(2, dtype="V4"),
    ],
)
def test_arrays_of_neither_numbers_nor_text_are_refused(tmp_path, array):
    reading = read(npz_files.save(tmp_path / "x.npz", {"extra": array}))
    assert rule_ids(reading) == ["npz.plain-dtype"]


def test_a_damaged_byte_breaks_the_check_sum(tmp_path):
    path = npz_files.save(tmp_path / "x.npz", npz_files.scan_arrays(), compressed=False)
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    found = only_finding(read(path))
    assert (found.rule, found.pointer) == ("npz.damaged", "diffraction")
    assert "CRC" in found.found


def test_damaged_members_do_not_hide_what_else_is_wrong(tmp_path):
    path = npz_files.save_with(
        tmp_path / "x.npz", ("a.npy", b"junk"), ("b.npy", npz_files.npy_bytes(np.zeros(2))[:-1])
    )
    reading = read(path)
    assert rule_ids(reading) == ["npz.header", "npz.member-size"]
    assert reading.description["unreadable"] == ["a", "b"]
    assert reading.positions_px.shape == (12, 2)


def test_an_archive_that_claims_to_expand_out_of_proportion_is_not_opened(tmp_path):
    path = tmp_path / "x.npz"
    npz_files.save(path, {"diffraction": np.zeros((64, 256, 256), np.float64)})
    reading = read(path)
    assert rule_ids(reading) == ["npz.expansion"]
    assert reading.description is None


def test_many_members_over_the_same_bytes_count_together(tmp_path):
    zeros = npz_files.npy_bytes(np.zeros(2**19))
    path = npz_files.save_members(
        tmp_path / "x.npz", [(f"a{i}.npy", zeros) for i in range(8)], zipfile.ZIP_DEFLATED
    )
    assert rule_ids(read(path)) == ["npz.expansion"]


def header(descr="'<f4'", shape="(4,)", fortran="False", version=b"\x01\x00"):
    text = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n".encode()
    length = struct.pack("<H" if version == b"\x01\x00" else "<I", len(text))
    return b"\x93NUMPY" + version + length + text


@pytest.mark.parametrize(
    "shape", ["(1000000000,)", "(4, 1000000000000000000000)", "(3,)", "(0,)", "(5,)", "()"]
)
def test_a_header_that_says_more_or_less_than_the_member_holds_is_refused(tmp_path, shape):
    reading = read_with(tmp_path, ("extra.npy", header(shape=shape) + bytes(16)))
    assert rule_ids(reading) == ["npz.member-size"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUM",
        b"PLAINTEXT AND MORE",
        header()[:20],
        header(shape="(-4,)"),
        header(shape="4"),
        header(shape="(" + "1," * 40 + ")") + bytes(4),
        header(descr="'nonsense'"),
        header(descr="'<f4,,,'"),
        header(descr="[('a', '<f4'), ('a', '<f4')]"),
        header(descr="('<f4', -1)"),
        header(descr="[]"),
        header(descr="()"),
        header(descr="[()]"),
        header(descr="{}"),
        header(fortran="3"),
        header(descr="("),
        header(descr="{[]: 1}"),
        header(descr="(" * 3000 + ")" * 3000),
        header(descr="-" * 9000 + "1"),
        header(descr="'" + "a" * 20000 + "'"),
        header(descr="'\\ud800'"),
        header(version=b"\x02\x00")[:8] + b"\xff\xff\xff\xff" + bytes(40),
    ],
    ids=range(23),
)
def test_a_header_that_is_no_header_is_refused(tmp_path, content):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reading = read_with(tmp_path, ("extra.npy", content))
    assert rule_ids(reading)[0] in {"npz.header", "npz.plain-dtype"}, reading.findings
    assert len(reading.findings) == 1


def test_a_header_is_not_read_beyond_its_cap(tmp_path):
    long_header = header(version=b"\x02\x00")[:8] + struct.pack("<I", 2**20) + b" " * 2**20
    found = only_finding(read_with(tmp_path, ("extra.npy", long_header)))
    assert (found.rule, found.pointer) == ("npz.header", "extra")
    assert found.found == "a header of 1048576 bytes"


@pytest.mark.parametrize("version", [b"\x03\x00", b"\x00\x00", b"\x09\x01"])
def test_another_npy_version_is_refused(tmp_path, version):
    content = b"\x93NUMPY" + version + header()[8:] + bytes(16)
    assert rule_ids(read_with(tmp_path, ("extra.npy", content))) == ["npz.npy-version"]


def test_npy_version_2_is_read(tmp_path):
    content = npz_files.npy_bytes(np.arange(4.0), version=(2, 0))
    reading = read_with(tmp_path, ("extra.npy", content))
    assert reading.findings == ()
    assert reading.description["arrays"]["extra"]["max"] == 3.0


def test_a_header_of_python_2_is_read_without_a_warning(tmp_path):
    content = header(shape="(4L,)") + bytes(16)
    assert read_with(tmp_path, ("extra.npy", content)).findings == ()


def test_a_key_that_occurs_twice_is_refused(tmp_path):
    copy = npz_files.npy_bytes(npz_files.scan_arrays()["xcoords"])
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = npz_files.save_with(tmp_path / "x.npz", ("xcoords.npy", copy))
    reading = read(path)
    found = only_finding(reading)
    assert (found.rule, found.pointer, found.found) == ("npz.duplicate-key", "xcoords", "2 members")
    assert reading.description["unreadable"] == ["xcoords"]
    assert reading.positions_px is None


@pytest.mark.parametrize(
    "name",
    ["../x.npy", "/etc/x.npy", "a/b.npy", "a\\b.npy", "x.txt", ".npy", "x", "a\nb.npy", "..npy"],
)
def test_a_member_name_with_path_parts_or_none_of_numpys_is_refused(tmp_path, name):
    reading = read_with(tmp_path, (name, npz_files.npy_bytes(np.zeros(2))))
    found = only_finding(reading)
    assert found.rule == "npz.member-name"
    assert "\n" not in rules.as_text(found)


def patch_directory(path: Path, name: str, offset: int, value: bytes) -> None:
    """Overwrite bytes of a member's entry in the zip's central directory."""
    content = bytearray(path.read_bytes())
    start = content.index(b"PK\x01\x02")
    while content[start + 46 : start + 46 + len(name)] != name.encode():
        start = content.index(b"PK\x01\x02", start + 1)
    content[start + offset : start + offset + len(value)] = value
    path.write_bytes(content)


@pytest.mark.parametrize("flag", [0x01, 0x41])
def test_an_encrypted_member_is_refused(sound, flag):
    patch_directory(sound, "xcoords.npy", 8, struct.pack("<H", flag))
    found = only_finding(read(sound))
    assert (found.rule, found.pointer) == ("npz.encrypted", "xcoords")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compression_that_numpy_does_not_write_is_refused(tmp_path, method):
    content = npz_files.npy_bytes(np.zeros(2))
    path = npz_files.save_members(tmp_path / "x.npz", [("xcoords.npy", content)], method)
    assert rule_ids(read(path)) == ["npz.compression"]


def test_a_zip_version_from_the_future_is_refused(sound):
    patch_directory(sound, "xcoords.npy", 6, struct.pack("<H", 99))
    assert rule_ids(read(sound)) == ["npz.damaged"]


def test_a_member_whose_names_differ_is_refused(sound):
    patch_directory(sound, "xcoords.npy", 46, b"wcoords.npy")
    assert rule_ids(read(sound)) == ["npz.damaged"]


def test_a_directory_that_swallows_a_member_is_refused(tmp_path):
    # A comment length that is too large makes zipfile read the entries behind it as comment.
    path = npz_files.save(tmp_path / "x.npz", npz_files.scan_arrays())
    patch_directory(path, "xcoords.npy", 33, b"\x01")
    with zipfile.ZipFile(path) as archive:
        assert len(archive.infolist()) == 4
    found = only_finding(read(path))
    assert (found.rule, found.found) == ("npz.directory", "4 of 5")


def test_bytes_behind_the_directory_are_refused(sound):
    sound.write_bytes(sound.read_bytes() + b"more")
    assert rule_ids(read(sound)) == ["npz.directory"]


def test_a_comment_of_the_archive_does_no_harm(sound):
    with zipfile.ZipFile(sound, "a") as archive:
        archive.comment = b"made by hand"
    assert read(sound).findings == ()


def test_a_member_that_holds_less_than_the_directory_says_is_refused(tmp_path):
    content = npz_files.npy_bytes(np.arange(64.0))
    path = npz_files.save_members(tmp_path / "x.npz", [("extra.npy", content)])
    shorter = struct.pack("<I", len(content) - 100)
    patch_directory(path, "extra.npy", 20, shorter)
    assert rule_ids(read(path)) == ["npz.damaged"]


def test_a_member_that_ends_before_its_size_is_refused_though_its_check_sum_fits(tmp_path):
    content = npz_files.npy_bytes(np.arange(64.0))
    path = npz_files.save_members(tmp_path / "x.npz", [("extra.npy", content[:-8])])
    patch_directory(path, "extra.npy", 24, struct.pack("<I", len(content)))
    found = only_finding(read(path))
    assert (found.rule, found.expected) == ("npz.damaged", "512 more bytes")


# Metadata


@pytest.mark.parametrize(
    "array",
    [
        np.array("not json"),
        np.array("[1, 2]"),
        np.array('{"a": NaN}'),
        np.array('{"a": 1e999}'),
        np.array('{"a": 1, "a": 2}'),
        np.array("[" * 100_000),
        np.array('{"a": ' + "9" * 5000 + "}"),
        np.array(["{}", "{}"]),
        np.array("", dtype="U0"),
        np.array(b"{}"),
        np.array(3.0),
        np.frombuffer(b"\xff\xff\xff\x7f", "<U1").reshape(()),
        np.array('{"a": "' + "x" * 300_000 + '"}'),
    ],
    ids=range(13),
)
def test_metadata_that_is_no_json_object_is_a_finding(tmp_path, array):
    reading = read_with(tmp_path, ("_metadata.npy", npz_files.npy_bytes(array)))
    found = only_finding(reading)
    assert (found.rule, found.pointer) == ("npz.metadata-json", "_metadata")
    assert len(found.found) < 300
    assert reading.description["metadata"] is None


def test_metadata_of_no_width_is_a_finding(tmp_path):
    content = header(descr="'<U0'", shape="()")
    assert rule_ids(read_with(tmp_path, ("_metadata.npy", content))) == ["npz.metadata-json"]


def test_big_endian_metadata_is_read(tmp_path):
    text = npz_files.metadata_text()
    content = npz_files.npy_bytes(text.astype(text.dtype.newbyteorder(">")))
    reading = read_with(tmp_path, ("_metadata.npy", content))
    assert reading.description["metadata"] == npz_files.PHASE_D_METADATA


def test_the_description_of_a_sound_file_fits_its_schema(sound):
    from harness import schemas

    description = read(sound).description
    assert schemas.check(description, schema("npz_input"), name="npz_input", where="x") == ()


def test_a_digest_that_is_known_already_is_taken(sound):
    with sound.open("rb") as file:
        assert npz.read_file(file, "x.npz", "0" * 64).description["sha256"] == "0" * 64
