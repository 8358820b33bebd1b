"""The text that a PNG carries. Pure: bytes in, text out."""

from __future__ import annotations

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Name under which a job's picture says what it was drawn from: JSON, array name -> sha256.
SOURCES = "Sources"
CHUNK = struct.Struct(">I4s")
CRC = struct.Struct(">I")


def texts(data: bytes) -> dict[str, str]:
    """Return keyword -> text of every tEXt chunk.

    ValueError where the bytes are no whole PNG, or a check sum does not fit.
    Source: PNG Specification, Third Edition, 5.3 and 11.3.3.2
    """
    if not data.startswith(SIGNATURE):
        raise ValueError("not a PNG")
    found: dict[str, str] = {}
    place, kind = len(SIGNATURE), b""
    while kind != b"IEND":
        kind, content, place = _chunk(data, place)
        if kind == b"tEXt":
            keyword, _, text = content.partition(b"\0")
            found[keyword.decode("latin-1")] = text.decode("latin-1")
    if place != len(data):
        raise ValueError(f"{len(data) - place} bytes after the end")
    return found


def _chunk(data: bytes, place: int) -> tuple[bytes, bytes, int]:
    """Return the kind and content of the chunk that begins at place, and where the next begins."""
    if place + CHUNK.size > len(data):
        raise ValueError("it ends in the middle")
    length, kind = CHUNK.unpack_from(data, place)
    start, end = place + CHUNK.size, place + CHUNK.size + length
    if end + CRC.size > len(data):
        raise ValueError("it ends in the middle")
    if CRC.unpack_from(data, end)[0] != zlib.crc32(data[place + 4 : end]):
        raise ValueError(f"the check sum of its chunk {kind.decode('latin-1')!r} does not fit")
    return kind, data[start:end], end + CRC.size
