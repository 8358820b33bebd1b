"""What holds for every input: sound ones pass, storage is no content, damage never goes unseen."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from harness import arrays, claims, contract, npz
from harness.resources import schema
from tests import npz_files

SETTINGS = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
PLAIN_DTYPES = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)),
    hnp.complex_number_dtypes(endianness="?", sizes=(64, 128)),
    hnp.unicode_string_dtypes(endianness="?", max_len=5),
    hnp.byte_string_dtypes(max_len=5),
)
PLAIN_ARRAYS = hnp.arrays(PLAIN_DTYPES, hnp.array_shapes(min_dims=0, max_dims=4, max_side=5))


def describe(path: Path, whole: dict[str, np.ndarray], *, compressed: bool = True):
    return npz.read(npz_files.save(path, whole, compressed=compressed), shown_as="x.npz")


def content(reading):
    """What the arrays of a reading say, whatever the file around them looks like."""
    described = reading.description
    storage = ("byte_order", "order")
    records = {
        key: {name: value for name, value in record.items() if name not in storage}
        for key, record in described["arrays"].items()
    }
    return records, described["metadata"], described["statistics"]


@SETTINGS
@given(
    frames=st.integers(1, 12),
    frame_px=st.sampled_from([32, 64]),
    real=st.sampled_from(["<f4", ">f4", "<f8", ">f8"]),
    complex_=st.sampled_from(["<c8", ">c8", "<c16"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_sound_input_of_any_size_and_precision_has_no_error(
    tmp_path, frames, frame_px, real, complex_, seed
):
    whole = npz_files.scan_arrays(frames=frames, frame_px=frame_px, seed=seed)
    whole = {
        key: array.astype(complex_ if array.dtype.kind == "c" else real)
        for key, array in whole.items()
    }
    reading = describe(tmp_path / "x.npz", whole)
    found = contract.check(reading.description, schema=schema("npz_input"))
    assert reading.findings == ()
    assert [one for one in found if one.severity == "error"] == []
    json.dumps(reading.description, allow_nan=False)


@SETTINGS
@given(array=PLAIN_ARRAYS, compressed=st.booleans())
def test_storage_does_not_change_what_is_said_of_an_array(tmp_path, array, compressed):
    swapped = array.astype(array.dtype.newbyteorder("S"))
    records = []
    for variant in (array, swapped, np.array(array, order="F"), np.array(swapped, order="F")):
        reading = describe(tmp_path / "x.npz", {"a": variant}, compressed=compressed)
        assert reading.findings == ()
        found = contract.check(reading.description, schema=schema("npz_input"))
        assert {one.rule for one in found} == {"npz.key-missing", "npz.unknown-key"}
        json.dumps(reading.description, allow_nan=False)
        records.append(content(reading)[0]["a"])
    assert all(record == records[0] for record in records)
    assert records[0]["sha256"] == arrays.array_sha256(array)


@SETTINGS
@given(
    positions_px=hnp.arrays(
        np.float64, st.tuples(st.integers(2, 40), st.just(2)), elements=st.integers(0, 30)
    )
)
def test_the_least_spacing_is_that_of_all_pairs(positions_px):
    offset = positions_px[:, None] - positions_px[None]
    distance_px = np.hypot(offset[..., 0], offset[..., 1])
    np.fill_diagonal(distance_px, np.inf)
    assert arrays.spacing_min_px(positions_px) == distance_px.min()


def small_zip(method: bool) -> bytes:
    buffer = io.BytesIO()
    whole = {
        "xcoords": np.arange(4, dtype=np.float32),
        "ycoords": np.arange(4, dtype=np.float64),
        "_metadata": npz_files.metadata_text(),
    }
    (np.savez_compressed if method else np.savez)(buffer, **whole)
    return buffer.getvalue()


def missing_keys(reading):
    found = contract.check(reading.description, schema=schema("npz_input"))
    return [one.pointer for one in found if one.rule == "npz.key-missing"]


STORED, DEFLATED = small_zip(False), small_zip(True)


@settings(parent=SETTINGS, max_examples=400)
@given(data=st.data(), whole=st.sampled_from([STORED, DEFLATED]))
def test_a_changed_byte_is_found_or_changes_nothing(tmp_path, data, whole):
    place = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[place] ^= data.draw(st.integers(1, 255))
    (tmp_path / "sound.npz").write_bytes(whole)
    (tmp_path / "flipped.npz").write_bytes(flipped)
    reading = npz.read(tmp_path / "flipped.npz", shown_as="x.npz")
    if not reading.findings:
        sound = npz.read(tmp_path / "sound.npz", shown_as="x.npz")
        assert content(reading) == content(sound)


@settings(parent=SETTINGS, max_examples=200)
@given(data=st.data(), whole=st.sampled_from([STORED, DEFLATED]))
def test_a_cut_or_mixed_up_file_is_found_or_says_the_same(tmp_path, data, whole):
    start = data.draw(st.integers(0, len(whole) - 1))
    stop = data.draw(st.integers(start, len(whole) - 1))
    rest = data.draw(st.sampled_from([b"", whole[start:stop][::-1], bytes(stop - start + 1)]))
    (tmp_path / "x.npz").write_bytes(whole[:start] + rest + whole[stop + 1 :])
    reading = npz.read(tmp_path / "x.npz", shown_as="x.npz")
    (tmp_path / "sound.npz").write_bytes(whole)
    sound = npz.read(tmp_path / "sound.npz", shown_as="x.npz")
    if not reading.findings and missing_keys(reading) == missing_keys(sound):
        assert content(reading) == content(sound)


@SETTINGS
@given(
    header=st.one_of(
        st.binary(max_size=300),
        st.text(
            st.sampled_from("{}[]()'\",:<>f48cuiOUSTrueFalsedescrshapotn_ -*0123"), max_size=80
        ).map(lambda text: text.encode()),
        st.builds(
            "{{'descr': {}, 'fortran_order': {}, 'shape': {}, }}".format,
            st.one_of(st.text("<>|fciuOSUVMm[](),'0123", max_size=12), st.just("'<f4'")),
            st.sampled_from(["True", "False"]),
            st.recursive(st.integers().map(str), lambda inner: st.lists(inner, max_size=3)),
        ).map(str.encode),
    )
)
def test_no_header_makes_reading_raise(tmp_path, header):
    content_ = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(8)
    path = npz_files.save_members(tmp_path / "x.npz", [("xcoords.npy", content_)])
    reading = npz.read(path, shown_as="x.npz")
    contract.check(reading.description, schema=schema("npz_input"))
    json.dumps(reading.description, allow_nan=False)


@given(dose_photons=st.floats(1, 1e9), frames=st.integers(1, 10_000), relative_sd=st.floats(0, 2))
def test_the_dose_tolerance_shrinks_with_frames_to_its_margin(dose_photons, frames, relative_sd):
    few = claims.dose_tolerance(dose_photons, frames, relative_sd)
    many = claims.dose_tolerance(dose_photons, 4 * frames, relative_sd)
    assert claims.DOSE_MARGIN < many < few
