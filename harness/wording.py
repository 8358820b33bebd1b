"""How values and counts are said to people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness import canonical


def counted(count: int, noun: str, plural: str = "") -> str:
    """Return "1 file", "2 files"; plural: where it is not the noun with an s."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def said(value: Any) -> str:
    """Return a value of a record in words, as one line of at most 160 characters.

    None is "nothing", True and False are "yes" and "no"; lists and objects are enumerated.
    """
    return canonical.short(_words(value))


def _words(value: Any) -> str:
    # Told apart by identity: 0 and 1 are numbers.
    for one, word in ((None, "nothing"), (True, "yes"), (False, "no")):
        if value is one:
            return word
    if isinstance(value, Mapping):
        value = [f"{name} {_words(each)}" for name, each in value.items()]
    if isinstance(value, list | tuple):
        return ", ".join(map(_words, value)) or "none"
    return str(value)
