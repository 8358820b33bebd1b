"""What a job claims of its results, computed again from the arrays that it left.

Pure: arrays and their descriptions come in as values.  Every claim that `verify` knows of has an id
here, and each is accounted for: recomputed, only compared between records, or not seen and why.
Source: docs/adr/0014-claims-are-recomputed.md
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from harness import (
    canonical,
    layout,
    opr,
    png,
    quality_claims,
    recipe,
    stopping,
    stopping_claims,
)
from harness.model import HALF_OBJECTS, POSITIONS, Finding
from harness.rules import finding
from harness.wording import counted, said

if TYPE_CHECKING:
    from harness.claims import NpzReading

RECOMPUTED, COMPARED, NOT_SEEN = "recomputed", "compared", "not_seen"
INPUT = "input"
_OBJECT = ("object", *POSITIONS)
DRAWN_FROM: Mapping[str, tuple[str, ...]] = {
    "loss.png": (stopping.LOSSES, stopping.DEVIANCES, stopping.ERRORS),
    "object_amplitude.png": _OBJECT,
    "object_phase.png": _OBJECT,
    "probe.png": ("probe",),
    "resolution.png": (*_OBJECT, "probe", *HALF_OBJECTS, INPUT),
    "truth_comparison.png": ("object", INPUT),
}
# Not every job has these.
WHERE_PRESENT = (stopping.DEVIANCES, stopping.ERRORS, *HALF_OBJECTS)
# Of a hub as a whole; `verify` derives these again from its records.
OF_A_HUB: Mapping[str, str] = {
    "files": "every file has the digest that the seal says",
    "chain": "each stage record cites the one before",
    "verdicts": "verdicts, counts and exit codes follow from reports, logs and manifests",
    "documents": "summary, statements and crate follow from the records",
}
# Of each job that succeeded.
OF_A_JOB: Mapping[str, str] = {
    "arrays": "the arrays are those attested: dtype, shape, digest",
    "loss": "the losses attested, and the final one, are those in the arrays",
    "object": "object and probe are finite and of the shape attested",
    "pictures": "each picture was drawn from these arrays, or from the job's input",
    "input": "the input is the file whose digest is recorded, and what is said of it holds",
    "data-001": "the input keeps DATA-001",
    "dose": "mean photons per frame are the dose",
    "spacing": "spacing and overlap of the positions are the view's",
    "disjoint": "train and test share no position",
    "positions": "the positions left are the input's, unless the recipe refines them",
    "selection": "what the manifest says of how frames were chosen is what the input says",
    "stopping": "the epoch delivered, the best one and their scores follow from each epoch's",
    "held-out": "the held-out part follows from input and seed, its last score from the arrays",
    "errors-by-epoch": "the errors against the truth of epochs that are neither delivered nor last",
    "truth-error": "the error against the truth is the one attested",
    "metrics": "quality and photon limit are those that input and arrays give",
    "halves": "reconstructions from two halves of the frames agree as far as their arrays do",
    "final-loss": "delivered and last loss are no better than what their arrays make of the frames",
    "options": "algorithm, epochs, seed, batch size and device attested are those asked for",
    "misfit": "the object taken for the truth, or not, predicts the frames as is said",
}
CLAIMS: Mapping[str, str] = {**OF_A_HUB, **OF_A_JOB}

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Account:
    """What became of one claim about one subject, and why where it was not recomputed."""

    claim: str
    subject: str
    how: str
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Left:
    """What a job left, as it was read.

    reading: of reconstruction.npz.  series: those of `stopping.Series` that can be read, by name.
    pictures: bytes by name.
    """

    reading: NpzReading
    series: Mapping[str, tuple[float, ...]]
    pictures: Mapping[str, bytes]


def drawn_from(name: str, known: Mapping[str, str]) -> dict[str, str | None]:
    """Return the sources of a picture with their digests, of those known; {} for no picture."""
    return {
        source: known.get(source)
        for source in DRAWN_FROM.get(name, ())
        if source in known or source not in WHERE_PRESENT
    }


def check_job(
    folder: str, attestation: Record, left: Left, opr_modes: int = 1
) -> tuple[Finding, ...]:
    """Return every claim of a job that its own arrays and pictures do not bear out.

    folder: the job's, in its hub.  attestation: a `result.json` that has passed its schema.
    opr_modes: that its recipe asks for.
    """
    where = f"{folder}/{layout.RECONSTRUCTION}"
    description = left.reading.description
    if left.reading.findings or description is None:
        return left.reading.findings
    there = description["arrays"]
    return (
        *_arrays(where, attestation["arrays"], there),
        *_loss(where, attestation["loss"]["per_epoch"], left.series.get(stopping.LOSSES)),
        *stopping_claims.check(where, attestation, left.series),
        *_object(where, attestation, there, opr_modes),
        *_pictures(folder, attestation, there, left.pictures),
        *quality_claims.check(f"{folder}/{layout.RESULT}", attestation["metrics"]),
    )


def _arrays(where: str, attested: Record, there: Record) -> Iterator[Finding]:
    for name in sorted({*attested, *there}):
        kept = (
            {key: there[name][key] for key in ("dtype", "shape", "sha256")}
            if name in there
            else None
        )
        if attested.get(name) != kept:
            yield finding(
                "recompute.arrays",
                where=where,
                pointer=name,
                expected=_shown(attested.get(name)),
                found=_shown(kept),
            )


def _shown(array: Record | None) -> str:
    if array is None:
        return "no such array"
    lengths = " x ".join(map(str, array["shape"])) or "one value"
    return f"{array['dtype']}, {lengths}, sha256 {array['sha256']}"


def _loss(
    where: str, attested: Sequence[Any], losses: tuple[float, ...] | None
) -> Iterator[Finding]:
    if losses is None:
        yield finding(
            "recompute.loss",
            where=where,
            pointer="loss_per_epoch",
            expected="a loss for each epoch",
            found="none that can be read",
        )
    elif list(losses) != list(attested):
        pairs = enumerate(zip(attested, losses, strict=False))
        differing = [
            f"epoch {epoch + 1}: {one} and {other}" for epoch, (one, other) in pairs if one != other
        ]
        yield finding(
            "recompute.loss",
            where=where,
            pointer="loss_per_epoch",
            expected=f"the {counted(len(attested), 'loss', 'losses')} attested",
            found=differing[0] if differing else counted(len(losses), "loss", "losses"),
        )


def _object(where: str, attestation: Record, there: Record, opr_modes: int) -> Iterator[Finding]:
    frames, frame_px = (attestation["input"][name] for name in ("frames", "frame_px"))
    probe = [attestation["probe_modes"], frame_px, frame_px]
    shapes = {"object": attestation["object_shape_px"], "probe": probe}
    needed = dict.fromkeys(opr.shapes(opr_modes, frames, frame_px), "what the recipe asks for")
    if attestation["stopping"]["rule"] == recipe.HELD_OUT:
        shapes |= dict(zip(stopping.FINAL, shapes.values(), strict=True))
        needed |= dict.fromkeys(stopping.FINAL, "what the last epoch left")
    if recipe.refines_positions(attestation["settings"]):
        needed |= dict.fromkeys(POSITIONS, "where the frames were put")
        shapes |= {name: [frames] for name in POSITIONS}
    shapes |= opr.shapes(opr_modes, frames, frame_px)
    for name, expected in needed.items():
        if name not in there:
            yield finding(
                "recompute.object", where=where, pointer=name, expected=expected, found="none"
            )
    for name, shape in shapes.items():
        if name in there and there[name]["shape"] != shape:
            yield finding(
                "recompute.object",
                where=where,
                pointer=name,
                expected=said(shape),
                found=said(there[name]["shape"]),
            )
    for name, array in there.items():
        if array["finite"] is False:
            found = f"{array['nonfinite_count']} values that are NaN or infinite"
            yield finding(
                "recompute.object", where=where, pointer=name, expected="finite values", found=found
            )


def _pictures(
    folder: str, attestation: Record, there: Record, pictures: Mapping[str, bytes]
) -> Iterator[Finding]:
    known = {name: array["sha256"] for name, array in there.items()}
    known[INPUT] = attestation["input"]["sha256"]
    for name, data in sorted(pictures.items()):
        needed = drawn_from(name, known)
        try:
            stated = canonical.parse_text(png.texts(data).get(png.SOURCES, "{}"))
        except ValueError as error:
            stated = str(error)
        if not needed or stated != needed:
            yield finding(
                "recompute.pictures",
                where=f"{folder}/{name}",
                pointer=png.SOURCES,
                expected=said(needed) if needed else "a picture that jobs draw",
                found=said(stated),
            )


def totals(accounts: Sequence[Account]) -> dict[str, dict[str, int]]:
    """Return how often what became of each claim, in the order of the register."""
    counts = Counter((account.claim, account.how) for account in accounts)
    return {
        claim: {how: counts[claim, how] for how in (RECOMPUTED, COMPARED, NOT_SEEN)}
        for claim in CLAIMS
        if any(counts[claim, how] for how in (RECOMPUTED, COMPARED, NOT_SEEN))
    }


def as_records(accounts: Sequence[Account]) -> list[dict[str, str]]:
    """Return accounts as JSON-ready data."""
    return [asdict(account) for account in accounts]


def as_text(accounts: Sequence[Account]) -> list[str]:
    """Return a line for each claim: how often what was done, and why not more."""
    lines = []
    for claim, counts in totals(accounts).items():
        words = ", ".join(
            f"{count} {how.replace('_', ' ')}" for how, count in counts.items() if count
        )
        reasons = sorted({a.reason for a in accounts if a.claim == claim and a.reason})
        lines.append(f"claim {claim}: {words}" + (f" ({'; '.join(reasons)})" if reasons else ""))
    return lines
