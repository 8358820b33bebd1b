"""Read an NPZ without trusting it, and describe it.

Nothing here raises on data: whatever is wrong with a file comes back as findings.  No array of
objects is ever loaded, no member is read beyond what its header says and the file holds, and
memory stays at one chunk except for arrays in Fortran order.  Source: docs/adr/0007-npz-reading.md
"""

from __future__ import annotations

import hashlib
import math
import os
import stat
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.lib import format as npy

from harness import arrays, description
from harness.contract import NpzReading
from harness.rules import finding

HEADER_LIMIT_BYTES = 10_000
METADATA_LIMIT_BYTES = 1 << 20
EXPANSION_LIMIT = 200
EXPANSION_FLOOR_BYTES = 16 << 20
DIMENSION_LIMIT = 32
# PKWARE APPNOTE 4.3.16: signature, then at byte 10 the number of entries.
END_RECORD = struct.Struct("<4s6xH10x")

# What zipfile and zlib raise on damaged archives (RuntimeError: wrong flags, nested headers).
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
)
# What numpy's header parser, and the literal parser below it, raise on headers made to hurt.
_HEADER_ERRORS = (
    *_ZIP_ERRORS,
    AttributeError,
    LookupError,
    MemoryError,
    SyntaxError,
    TypeError,
    tokenize.TokenError,
)


class _Refused(Exception):
    """One member cannot be used; carries what the finding says."""

    def __init__(self, rule: str, expected: str, found: object) -> None:
        super().__init__(rule)
        self.rule, self.expected, self.found = rule, expected, _short(found)


class _Header(NamedTuple):
    dtype: np.dtype
    shape: tuple[int, ...]
    fortran_order: bool
    length_bytes: int


class _HeaderReader:
    """Serves a header's bytes and refuses to serve more than a header may have."""

    def __init__(self, member: BinaryIO) -> None:
        self._member = member
        self.length_bytes = 0

    def read(self, count: int) -> bytes:
        if self.length_bytes + count > HEADER_LIMIT_BYTES:
            raise ValueError(f"a header of {count} bytes")
        content = self._member.read(count)
        self.length_bytes += len(content)
        return content


def read(path: Path, shown_as: str) -> NpzReading:
    """Return the description of an NPZ and everything found wrong while reading it.

    shown_as: how findings and the description name the file.  Never raises on data.
    description is None when the file cannot be opened as an archive; a member that cannot be
    read is left out of `arrays` and named in `unreadable`.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return _unusable(shown_as, "npz.not-a-file", "a regular file", "something else")
        with path.open("rb") as file:
            return read_file(file, shown_as)
    except FileNotFoundError:
        return _unusable(shown_as, "npz.missing", "a file", "none")
    except (OSError, ValueError) as error:
        return _unusable(shown_as, "npz.unreadable", "a readable file", _why(error))


def read_file(file: BinaryIO, shown_as: str, sha256: str = "") -> NpzReading:
    """Return the reading of an open binary file; see `read`.

    sha256: of the file, by one who has hashed these bytes already; hashed here where it is "".
    """
    try:
        sha256 = sha256 or hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return _unusable(shown_as, "npz.unreadable", "a readable file", _why(error))
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(4)
    try:
        archive = zipfile.ZipFile(file)
    except _ZIP_ERRORS as error:
        return _no_archive(shown_as, start, error)
    with archive:
        claimed_bytes = sum(info.file_size for info in archive.infolist())
        allowed_bytes = max(EXPANSION_FLOOR_BYTES, EXPANSION_LIMIT * size_bytes)
        if claimed_bytes > allowed_bytes:
            expected = f"at most {allowed_bytes} bytes in a file of {size_bytes}"
            return _unusable(shown_as, "npz.expansion", expected, f"{claimed_bytes} bytes")
        listed, read_back = _listed_members(file, archive), len(archive.infolist())
        if listed != read_back:
            expected = "a directory of every member at the very end"
            found = "other bytes there" if listed < 0 else f"{read_back} of {listed}"
            return _unusable(shown_as, "npz.directory", expected, found)
        return _describe(archive, shown_as, {"bytes": size_bytes, "sha256": sha256})


def _listed_members(file: BinaryIO, archive: zipfile.ZipFile) -> int:
    """Return how many members the end record counts, which zipfile does not compare; else -1."""
    file.seek(-END_RECORD.size - len(archive.comment), os.SEEK_END)
    signature, count = END_RECORD.unpack(file.read(END_RECORD.size))
    return count if signature == b"PK\x05\x06" else -1


def _describe(archive: zipfile.ZipFile, shown_as: str, file_record: dict[str, Any]) -> NpzReading:
    records: dict[str, Any] = {}
    photons: dict[str, Any] = {}
    kept: dict[str, np.ndarray] = {}
    refusals: list[tuple[str, _Refused]] = []
    metadata = None
    times = Counter(info.orig_filename for info in archive.infolist())
    for info in {info.orig_filename: info for info in archive.infolist()}.values():
        key = _shown_key(info.orig_filename)
        try:
            _check_entry(info, times[info.orig_filename])
            records[key] = _read_member(archive, info, key, kept, photons)
            if key == "_metadata":
                metadata = _parse_metadata(records[key], kept)
        except _Refused as refused:
            refusals.append((key, refused))
    described = {
        "format": description.FORMAT,
        "file": shown_as,
        **file_record,
        "arrays": records,
        "unreadable": [key for key, _ in refusals if key not in records],
        "metadata": metadata,
        "statistics": description.statistics(records, photons, kept, metadata),
    }
    findings = tuple(
        finding(
            refused.rule,
            where=shown_as,
            pointer=key,
            expected=refused.expected,
            found=refused.found,
        )
        for key, refused in refusals
    )
    return NpzReading(described, findings, description.paired_positions_px(kept))


def _check_entry(info: zipfile.ZipInfo, times: int) -> None:
    name = info.orig_filename
    key = name.removesuffix(".npy")
    if key in ("", ".", name) or not name.isprintable() or set(name) & set("/\\"):
        raise _Refused("npz.member-name", "KEY.npy", repr(name))
    if times > 1:
        raise _Refused("npz.duplicate-key", "1 member", f"{times} members")
    if info.flag_bits & 0x1:
        raise _Refused("npz.encrypted", "a plain member", "an encrypted one")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _Refused(
            "npz.compression", "method 0 (stored) or 8 (deflated)", f"method {info.compress_type}"
        )


def _read_member(
    archive: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    key: str,
    kept: dict[str, np.ndarray],
    photons: dict[str, Any],
) -> dict[str, Any]:
    try:
        member = archive.open(info)
    except _ZIP_ERRORS as error:
        raise _Refused("npz.damaged", "a member that opens", _why(error)) from error
    with member:
        header = _read_header(member)
        _check_header(header, info.file_size - header.length_bytes)
        summary = arrays.ArraySummary(header.dtype, header.shape)
        is_frames = key == "diffraction" and len(header.shape) == 3 and header.dtype.kind in "fiub"
        frames = arrays.FrameSummary(header.shape[1:]) if is_frames else None
        chunks = []
        for chunk in _chunks(member, header):
            finite = summary.add(chunk)
            if frames is not None:
                frames.add(chunk, finite=finite)
            if key in description.KEPT_KEYS and header.dtype.itemsize <= METADATA_LIMIT_BYTES:
                chunks.append(chunk)
    if frames is not None:
        photons |= frames.as_record()
    if chunks:
        kept[key] = np.concatenate(chunks).reshape(header.shape)
    big = header.dtype != arrays.little_endian(header.dtype)
    order = {
        "byte_order": "big" if big else "little",
        "order": "F" if header.fortran_order else "C",
    }
    return summary.as_record() | order


def _read_header(member: BinaryIO) -> _Header:
    reader = _HeaderReader(member)
    expected = "a .npy header of at most 10000 bytes"
    try:
        version = npy.read_magic(reader)
        if version in ((1, 0), (2, 0)):
            parse = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            with warnings.catch_warnings():
                # Old spellings of headers and dtypes are read as they were meant.
                warnings.simplefilter("ignore")
                shape, fortran_order, dtype = parse(reader, max_header_size=HEADER_LIMIT_BYTES)
            return _Header(dtype, tuple(map(int, shape)), fortran_order, reader.length_bytes)
    except (zipfile.BadZipFile, zlib.error) as error:
        raise _Refused("npz.damaged", "bytes that fit their check sum", _why(error)) from error
    except _HEADER_ERRORS as error:
        raise _Refused("npz.header", expected, _why(error)) from error
    found = f"version {version[0]}.{version[1]}"
    raise _Refused("npz.npy-version", "version 1.0 or 2.0", found)


def _check_header(header: _Header, held_bytes: int) -> None:
    dtype, shape = header.dtype, header.shape
    if dtype.hasobject:
        raise _Refused("npz.pickled", "numbers or text", f"dtype {dtype}")
    if dtype.kind not in "biufcUS":
        raise _Refused("npz.plain-dtype", "numbers or text", f"dtype {dtype}")
    if len(shape) > DIMENSION_LIMIT or any(length < 0 for length in shape):
        raise _Refused("npz.header", f"up to {DIMENSION_LIMIT} dimensions, none negative", shape)
    needed_bytes = math.prod(shape) * dtype.itemsize
    if needed_bytes != held_bytes:
        said = f"{needed_bytes} bytes of data for {_short(shape)} of {dtype}"
        raise _Refused("npz.member-size", said, f"{held_bytes} bytes")


def _chunks(member: BinaryIO, header: _Header) -> Iterator[np.ndarray]:
    """Yield the elements in C order, little-endian, flat, some whole rows or frames at a time."""
    plain = arrays.little_endian(header.dtype)
    total = math.prod(header.shape) if header.dtype.itemsize else 0
    row = math.prod(header.shape[1:])
    at_once = max(1, arrays.CHUNK_BYTES // max(1, row * plain.itemsize)) * max(1, row)
    if header.fortran_order and len(header.shape) > 1 and total:
        stored = np.frombuffer(_take(member, total * plain.itemsize), header.dtype)
        flat = stored.reshape(header.shape, order="F").ravel(order="C").astype(plain, copy=False)
        yield from (flat[start : start + at_once] for start in range(0, total, at_once))
    else:
        for start in range(0, total, at_once):
            count = min(at_once, total - start)
            stored = np.frombuffer(_take(member, count * plain.itemsize), header.dtype)
            yield stored.astype(plain, copy=False)


def _take(member: BinaryIO, count: int) -> bytes:
    """Return that many bytes; with a member's last, zipfile compares its CRC."""
    try:
        content = member.read(count)
    except _ZIP_ERRORS as error:
        raise _Refused("npz.damaged", "bytes that fit their check sum", _why(error)) from error
    if len(content) != count:
        raise _Refused("npz.damaged", f"{count} more bytes", f"{len(content)} bytes")
    return content


def _parse_metadata(record: dict[str, Any], kept: dict[str, np.ndarray]) -> dict[str, Any]:
    rule, expected = "npz.metadata-json", "one unicode text of at most 1 MiB with a JSON object"
    if record["dtype"][0] != "U" or record["shape"]:
        raise _Refused(rule, expected, f"{record['dtype']} of shape {tuple(record['shape'])}")
    if record["bytes"] > METADATA_LIMIT_BYTES:
        raise _Refused(rule, expected, f"{record['bytes']} bytes")
    content = kept["_metadata"].tobytes() if "_metadata" in kept else b""
    try:
        return description.parse_metadata(content.decode("utf-32-le").rstrip("\0"))
    except ValueError as error:
        raise _Refused(rule, expected, _why(error)) from error


def _no_archive(shown_as: str, start: bytes, error: Exception) -> NpzReading:
    if start != b"PK\x03\x04":
        found = f"a file that starts {start}" if start else "an empty file"
        return _unusable(shown_as, "npz.not-a-zip", "a zip archive", found)
    rule = "npz.truncated" if isinstance(error, zipfile.BadZipFile) else "npz.damaged"
    return _unusable(shown_as, rule, "a whole zip archive", _why(error))


def _unusable(shown_as: str, rule: str, expected: str, found: str) -> NpzReading:
    problem = finding(rule, where=shown_as, expected=expected, found=found)
    return NpzReading(None, (problem,), None)


def _shown_key(name: str) -> str:
    return (name if name.isprintable() else repr(name)).removesuffix(".npy")


def _why(error: Exception) -> str:
    reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    return _short(" ".join(reason.split()) or type(error).__name__)


def _short(value: object, limit: int = 160) -> str:
    text = str(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
