"""Text that may be forged, as a terminal may show it."""

from __future__ import annotations


def printable(text: str, *, keep: str = "") -> str:
    """Return text with escapes for what a terminal would obey: names and values may be forged.

    keep: characters that stay as they are.
    """
    return "".join(
        each if each.isprintable() or each in keep else each.encode("unicode_escape").decode()
        for each in text
    )
