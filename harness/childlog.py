"""What a child's own log says of its epochs, held to what the child attests.

Pure.  A log may lack these lines; those that it has must be true.  Those of halves begin with
other words: see `childwords`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

from harness import stopping
from harness.model import Finding
from harness.rules import finding

RULE = "hub.child-log"
NOTHING = b"nothing"
LINE = re.compile(rb"(epoch \S+ .*) elapsed_s ([0-9]+\.[0-9]+)")
ROUNDED_S = 0.01


def words(epoch: int, epochs: int, series: stopping.Series) -> str:
    """Return what a child says of an epoch that is done, counted from 1, but for its time."""
    columns = {"loss": series.losses, "held_out": series.deviances, "nrmse": series.errors}
    scores = [
        f"{name} {values[epoch - 1]:.6g}"
        for name, values in columns.items()
        if len(values) >= epoch
    ]
    return " ".join([f"epoch {epoch}/{epochs}", *scores])


def check(log: bytes, attestation: Mapping[str, Any], *, where: str) -> Iterator[Finding]:
    """Yield each epoch of which a log says something else than the child attests.

    attestation: of a child that succeeded.  where: the log.
    """
    said = [match.groups() for line in log.split(b"\n") if (match := LINE.fullmatch(line))]
    if not said:
        return
    series = stopping.attested(attestation)
    epochs = len(series.losses)
    due = [words(epoch, epochs, series) for epoch in range(1, epochs + 1)]
    at_most_s = attestation["wall_s"]
    for epoch, (line, expected) in enumerate(zip_longest(said, due), start=1):
        text, elapsed_s = map(_text, line or (NOTHING, NOTHING))
        if text != expected:
            yield _told(where, epoch, expected or NOTHING.decode(), text)
        elif float(elapsed_s) > at_most_s + ROUNDED_S:
            yield _told(where, epoch, f"at most {at_most_s} s", f"{elapsed_s} s")


def _text(part: bytes) -> str:
    return part.decode(errors="replace")


def _told(where: str, epoch: int, expected: str, found: str) -> Finding:
    pointer = f"epoch {epoch}"
    return finding(RULE, where=where, pointer=pointer, expected=expected, found=found)
