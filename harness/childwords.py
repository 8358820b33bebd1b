"""What a child's own log says of halves and of warnings, held to what the child attests. Pure.

The scores of a half's epochs are not kept, so that their numbers are the log's word: which frames,
epochs and scores there are, in which order and how long they took, is not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from harness import canonical, childlog, recipe, stopping
from harness.model import Finding
from harness.rules import finding

HALVES = ("a", "b")
# Each column as `childlog.words` has it, and what there is of it where it is scored.
SCORES = {"loss": "losses", "held_out": "deviances", "nrmse": "errors"}
_LINE = re.compile(
    rb"half ([ab])"
    rb"(?:: ([0-9]+ of [0-9]+ frames)| (epoch \S+ [ -~]*) elapsed_s ([0-9]+\.[0-9]+))"
)

Record = Mapping[str, Any]
Lines = Sequence[re.Match[bytes]]


def check(log: bytes, attestation: Record, asked: Record, *, where: str) -> Iterator[Finding]:
    """Yield what a log says of halves and warnings otherwise than the child attests.

    attestation: of a child that succeeded.  asked: its recipe.  where: the log.
    """
    yield from _warnings(log, attestation["warnings"], where)
    lines = log.split(b"\n")
    whole = [match for line in lines if (match := childlog.LINE.fullmatch(line))]
    found = [match for line in lines if (match := _LINE.fullmatch(line))]
    if not (whole or found):
        return
    between = attestation["metrics"]["between_halves"]
    for index, name in enumerate(HALVES):
        own = [match for match in found if match[1] == name.encode()]
        frames = between["frames"][index] if between else None
        told = _half(f"half {name}", own, frames, attestation, asked)
        yield from (_told(where, *words) for words in told)
    lasts = [*whole[-1:], *({match[1]: match for match in found if match[4]}.values())]
    spent_s = sum(float(match[match.re.groups]) for match in lasts)
    if spent_s > attestation["wall_s"] + childlog.ROUNDED_S * len(lasts):
        words = f"at most {attestation['wall_s']} s, all parts together"
        yield _told(where, "elapsed_s", words, f"{spent_s:.2f} s")


def _half(
    half: str, lines: Lines, frames: int | None, attestation: Record, asked: Record
) -> Iterator[tuple[str, str, str]]:
    """Yield the first thing that a log says otherwise of a half, as pointer, expected and found."""
    due = f"{half}: {frames} of {attestation['input']['frames']} frames"
    head = lines[0][0].decode() if lines else "nothing"
    if head != ("nothing" if frames is None else due):
        yield half, "nothing" if frames is None else due, head
    if frames is None or head != due:
        return
    epochs = lines[1:]
    counts = _epochs(asked, attestation, frames)
    if len(epochs) not in counts:
        yield half, f"{' or '.join(map(str, counts))} epochs", f"{len(epochs)} epochs"
        return
    series = stopping.attested(attestation)
    columns = [name for name, kept in SCORES.items() if getattr(series, kept)]
    for number, match in enumerate(epochs, start=1):
        start, said = f"epoch {number}/{len(epochs)}", (match[3] or match[2]).decode()
        if not _is_scored(said, start, columns):
            yield f"{half}, epoch {number}", f"{start} {', '.join(columns)} as %.6g", said
            return
    for number, (one, other) in enumerate(pairwise(float(match[4]) for match in epochs), start=2):
        if other < one:
            yield f"{half}, epoch {number}", f"at least {one} s", f"{other} s"
            return


def _epochs(asked: Record, attestation: Record, frames: int) -> list[int]:
    """Return how many epochs a half may have had.

    Of a scan with a count that is not whole, frames are held out; a half may lack that count, and
    photons are held out of it.
    """
    kept, held_out = {frames}, attestation["stopping"]["held_out"]
    if held_out and held_out["by"] == recipe.FRAMES:
        kept.add(frames - math.ceil(held_out["share"] * frames))
    return sorted({recipe.num_epochs(asked, each) for each in kept})


def _is_scored(said: str, start: str, columns: Sequence[str]) -> bool:
    """Tell whether a line is of an epoch and has a number, as one is written, for each column."""
    words = said.removeprefix(f"{start} ").split(" ")
    if not said.startswith(f"{start} ") or words[::2] != columns:
        return False
    return len(words) == 2 * len(columns) and all(map(_is_number, words[1::2]))


def _is_number(word: str) -> bool:
    try:
        value = float(word)
    except ValueError:
        return False
    return math.isfinite(value) and f"{value:.6g}" == word


def _warnings(log: bytes, warnings: Sequence[str], where: str) -> Iterator[Finding]:
    """Yield each warning that the log lacks, which has them as they are printed.

    Paths are shortened there, and what the terminal cannot show is written otherwise: of these
    words, and of those between them, nothing is asked.
    """
    for number, warning in enumerate(warnings):
        words = ["warning:", *warning.split()]
        free = [index for index, word in enumerate(words) if "/" in word or not word.isascii()]
        parts = [words[: free[0]], words[free[-1] + 1 :]] if free else [words]
        pattern = r"[^\n]*".join(re.escape(" ".join(part)) for part in parts)
        if not re.search(pattern.encode(), log):
            expected = canonical.short(f"warning: {warning}")
            yield _told(where, f"warnings/{number}", expected, "no such line")


def _told(where: str, pointer: str, expected: str, found: str) -> Finding:
    place = {"where": where, "pointer": pointer}
    return finding(childlog.RULE, **place, expected=expected, found=found)
