"""What `stopping` of a `result.json` claims, beside what arrays and input give.

Pure.  Source: docs/adr/0018-recipes-and-stopping.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness import leaves, stopping
from harness.model import Finding
from harness.rules import finding
from harness.wording import said

Record = Mapping[str, Any]


def check(
    where: str, attestation: Record, series: Mapping[str, tuple[float, ...]]
) -> Iterator[Finding]:
    """Yield what does not follow from the series in the arrays.

    series: those of `stopping.NAMES` that can be read, by name.
    """
    stated = attestation["stopping"]
    part = stated["held_out"]
    facts = part and {key: value for key, value in part.items() if key not in stopping.SCORES}
    known = [series.get(name, ()) for name in stopping.NAMES]
    if len({len(values) for values in known if values}) > 1 or not known[0]:
        lengths = ", ".join(f"{len(values)} of {name}" for name, values in series.items())
        yield finding(
            "recompute.stopping",
            where=where,
            pointer=stopping.LOSSES,
            expected="as many of each",
            found=lengths or "none",
        )
        return
    again = dict(leaves.of(stopping.record(stated["rule"], stopping.Series(*known), facts)))
    attested = dict(leaves.of(stated))
    for pointer in sorted({*attested, *again}):
        if not leaves.same(attested.get(pointer), again.get(pointer)):
            yield finding(
                "recompute.stopping",
                where=where,
                pointer=f"/stopping{pointer}",
                expected=f"{said(again.get(pointer))}, from the arrays",
                found=said(attested.get(pointer)),
            )


def check_held_out(where: str, attestation: Record, found: Record) -> Iterator[Finding]:
    """Yield where the held-out part, or how well it is predicted, is not the one attested.

    found: the facts of `stopping.held_out_part`, and `deviance` of what is delivered.
    """
    stated = attestation["stopping"]["held_out"]
    if stated is None:
        # That something was to be held out is another rule's business (`attest.held-out`).
        return
    delivered = attestation["stopping"]["delivered_epoch"]
    facts = {name: (stated[name], found[name]) for name in found if name != "deviance"}
    place = f"deviance_per_epoch/{delivered - 1}"
    facts[place] = (stated["deviance_per_epoch"][delivered - 1], found["deviance"])
    for name, (one, other) in facts.items():
        if not leaves.same(one, other):
            yield finding(
                "recompute.held-out",
                where=where,
                pointer=f"/stopping/held_out/{name}",
                expected=f"{said(other)}, from input, seed and arrays",
                found=said(one),
            )
