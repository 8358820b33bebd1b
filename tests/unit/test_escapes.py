"""What a terminal would obey is shown, not obeyed."""

from __future__ import annotations

from harness import escapes


def test_what_a_terminal_would_obey_is_escaped_but_for_what_may_stay():
    assert escapes.printable("a\nb\x1b[0mé\udc80") == "a\\nb\\x1b[0mé\\udc80"
    assert escapes.printable("a\nb\r", keep="\n") == "a\nb\\r"
