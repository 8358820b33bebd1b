"""Envelopes of signed statements, as far as can be seen without a key (DSSE v1)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from harness import layout, records, statement
from harness.model import Finding
from harness.records import Read
from harness.rules import finding

PAYLOAD_TYPE = "application/vnd.in-toto+json"


def path_of(statement_path: str) -> str:
    """Return where the envelope of a statement lies."""
    folder, _, name = statement_path.rpartition("/")
    return f"{folder}/{layout.ENVELOPES[name]}"


def statement_paths(read: Read) -> list[str]:
    """Return the path of each statement that what was done in a hub must have left."""
    return [
        f"{folder}/{name}"
        for act, folder in layout.FOLDERS.items()
        if read(records.path_of(act)) is not None
        for name in statement.names(act)
    ]


def count(read: Read) -> dict[str, int]:
    """Return how many statements a hub has, and how many of them have an envelope."""
    paths = statement_paths(read)
    signed = [path for path in paths if read(path_of(path)) is not None]
    return {"statements": len(paths), "signed": len(signed)}


def as_text(seen: Mapping[str, Any]) -> str:
    """Return what was seen of a hub's signatures as a line; seen: `count`, and checked_with."""
    counted = f"{seen['signed']} of {seen['statements']} statements are signed"
    if seen["checked_with"] is not None:
        return f"{counted}; each of them by key {seen['checked_with']}"
    return f"{counted}; no signature was checked (--public-key)" if seen["signed"] else counted


def check(read: Read) -> list[Finding]:
    """Return a finding for each envelope that is not around the bytes of its statement.

    The envelopes must fit their schema.
    """
    places = [f"{folder}/{name}" for folder in layout.FOLDERS.values() for name in layout.ENVELOPES]
    found = []
    for place in places:
        document = records.document(read, path_of(place))
        if document is None:
            continue
        signed = read(place)
        if signed is None or _payload(document) != signed:
            words = "something else" if signed is not None else "no such statement"
            expected = f"the bytes of {place}"
            found.append(
                finding("hub.envelope", where=path_of(place), expected=expected, found=words)
            )
    return found


def _payload(document: dict[str, str]) -> bytes | None:
    try:
        return base64.b64decode(document["payload"], validate=True)
    except binascii.Error:
        return None
