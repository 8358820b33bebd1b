"""Canonical JSON and digests: the one way in which records become bytes."""

from __future__ import annotations

import hashlib
import json
import math
import re
from typing import Any

# What 64 bits hold, whether a sign is among them or not.
LARGEST_INTEGER = 2**64 - 1
LONGEST_INTEGER = len(str(-LARGEST_INTEGER))
# Half of a pair; U+DC80 to U+DCFF stand for bytes of file names.
LONE_SURROGATE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def to_bytes(document: Any) -> bytes:
    """Return a record as people read it in a hub: indented, keys as given, no NaN.

    The bytes of a file name that are no UTF-8 become JSON escapes, which read back the same.
    """
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode(errors="backslashreplace")


def to_line(document: Any) -> bytes:
    """Return a document on one line, keys as given, no NaN: a tenth of the time, for machines."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode(errors="backslashreplace") + b"\n"


def parse(data: bytes) -> Any:
    """Return the document in JSON bytes; ValueError for what two readers may take for two things.

    Refused beside what is no JSON: other encodings than UTF-8, and all that `parse_text` refuses.
    """
    return parse_text(data.decode())


def parse_text(text: str) -> Any:
    """Return the document in a JSON text; ValueError says why there is none.

    Refused beside what is no JSON: a key that occurs twice, a number that is not finite or too
    large, half a surrogate pair (but those by which a file name keeps bytes that are no UTF-8),
    bottomless nesting.  Source: RFC 8259, sections 4, 6 and 8.2.
    """
    try:
        document = json.loads(
            text,
            object_pairs_hook=_unique_keys,
            parse_constant=_number,
            parse_float=_number,
            parse_int=_whole_number,
        )
        # Only an escape, or a text that was no Unicode, can have made one.
        suspect = "\\u" in text or not text.isascii()
        lone = suspect and LONE_SURROGATE.search(json.dumps(document, ensure_ascii=False))
    except RecursionError:
        raise ValueError("nested too deep") from None
    if lone:
        raise ValueError(f"\\u{ord(lone[0]):04x} is no character")
    return document


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} twice")
    return unique


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{short(text)} is no finite number")
    return number


def _whole_number(text: str) -> int:
    if len(text) > LONGEST_INTEGER or abs(int(text)) > LARGEST_INTEGER:
        raise ValueError(f"{short(text)} is larger than {LARGEST_INTEGER}")
    return int(text)


def sha256(data: bytes) -> str:
    """Return the sha256 of bytes in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest(document: Any) -> str:
    """Return the sha256 of a document whatever its layout: sorted keys, no white space."""
    text = json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return sha256(text.encode(errors="backslashreplace"))


def short(value: Any, limit: int = 160) -> str:
    """Return a value as one line of at most `limit` characters, for a finding."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
