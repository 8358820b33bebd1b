"""What a job says that it measured, against what its input and its arrays give. Pure.

Source: docs/adr/0014-claims-are-recomputed.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness import leaves, recipe
from harness.manifest import COUNT_KEYS, SELECTION_KEYS
from harness.misfit import Judgement
from harness.model import Finding
from harness.rules import finding
from harness.wording import said

# The last loss is a mean over the minibatches of an epoch, each before its update; what the arrays
# give afterwards was 0.88 to 1.0 of it in whole runs (docs/metrics.md).
LEAST_SHARE_OF_FINAL = 0.5
# Positions are left in single precision: of some thousand pixels, seven digits.
POSITION_TOLERANCE_PX = 1e-3
# pty-chi's option that makes its losses another figure: there is nothing to compare.
OTHER_LOSS = "reconstructor_options.displayed_loss_function"

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TruthError:
    """The error against the truth computed again, over a region (`truth.region_px`).

    final_nrmse: of the last epoch's object, None where it is not kept beside the delivered one.
    """

    nrmse: float
    region_px: Mapping[str, Sequence[int]]
    removed: Record
    final_nrmse: float | None = None


def check_truth(where: str, attestation: Record, found: TruthError) -> Iterator[Finding]:
    """Yield where the error against the truth, or its region, is not the one attested."""
    truth = attestation["truth"]
    if truth["region_px"] != found.region_px:
        yield finding(
            "recompute.truth-error",
            where=where,
            pointer="/truth/region_px",
            expected=said(found.region_px),
            found=said(truth["region_px"]),
        )
    by_epoch = (attestation.get("stopping") or {}).get("truth") or {}
    pairs = {"/truth/nrmse": (truth["nrmse"], found.nrmse)}
    if found.final_nrmse is not None:
        pairs["/stopping/truth/final_nrmse"] = (by_epoch.get("final_nrmse"), found.final_nrmse)
    for pointer, (stated, again) in pairs.items():
        if stated is None or abs(stated - again) > leaves.TOLERANCE * max(1.0, again):
            yield finding(
                "recompute.truth-error",
                where=where,
                pointer=pointer,
                expected=f"{again:.9g}, from the arrays",
                found=said(stated),
            )
    yield from _compare(
        where, "/truth/removed", truth["removed"], found.removed, rule="recompute.truth-error"
    )


def check_metrics(where: str, attested: Record, found: Record) -> Iterator[Finding]:
    """Yield each value of `metrics` that input and arrays do not give, the halves aside.

    attested, found: the block as it stands in `result.json`, and as it is computed again.
    """
    stated = {name: value for name, value in attested.items() if name != "between_halves"}
    yield from _compare(where, "/metrics", stated, found)


def check_halves(where: str, attested: Record | None, found: Record | None) -> Iterator[Finding]:
    """Yield each value of `metrics.between_halves` that the arrays do not give; None: no halves."""
    yield from _compare(where, "/metrics/between_halves", attested, found)


def check_judgement(where: str, attested: Record, found: Judgement) -> Iterator[Finding]:
    """Yield where the objectGuess is judged otherwise than input and probe give."""
    stated = {name: attested[name] for name in ("present", "misfit")}
    again = {"present": found.present, "misfit": found.misfit}
    yield from _compare(where, "/truth", stated, again, rule="recompute.misfit")


def check_input(where: str, attested: Record, found: Record) -> Iterator[Finding]:
    """Yield each fact about an input, of those found, that a record has otherwise.

    attested: `input` of a result.json.  found: some of its facts, read off the input again.
    """
    stated = {name: attested.get(name) for name in found}
    yield from _compare(where, "/input", stated, found, rule="recompute.input")


def check_positions(where: str, off_px: float) -> Iterator[Finding]:
    """Yield a finding where positions that nobody refined are not the input's.

    off_px: as `remeasure.positions_off_px` gives it.
    """
    if not off_px <= POSITION_TOLERANCE_PX:
        yield finding(
            "recompute.positions",
            where=where,
            pointer="positions_x_px, positions_y_px",
            expected="the input's positions",
            found=f"up to {off_px:.4g} px beside them",
        )


def check_selection(where: str, key: str, stated: Record, metadata: Record) -> Iterator[Finding]:
    """Yield each word of a result about how frames were chosen that its input does not say.

    stated: the result in the manifest.  metadata: of the input.
    """
    for name in (*SELECTION_KEYS, *COUNT_KEYS):
        if not leaves.same(stated[name], metadata.get(name)):
            yield finding(
                "recompute.input",
                where=where,
                pointer=f"/execution_results ({key})/{name}",
                expected=f"{said(metadata.get(name))}, from the input",
                found=said(stated[name]),
            )


def is_refined(attestation: Record) -> bool:
    """Return whether the positions were moved by the reconstruction."""
    return recipe.refines_positions(attestation["settings"])


def check_final_loss(
    where: str, attestation: Record, found: Record, final_mse: float | None = None
) -> Iterator[Finding]:
    """Yield where a loss is far better than the frames and the arrays of its epoch allow.

    found: `metrics` as it is computed again, of the epoch delivered.  final_mse: `amplitude_mse`
    of what the last epoch left, None where only the delivered arrays are there.
    """
    losses, delivered = attestation["loss"]["per_epoch"], attestation["stopping"]["delivered_epoch"]
    reached = {delivered: found["without_truth"]["amplitude_mse"]}
    if final_mse is not None:
        reached[len(losses)] = final_mse
    for epoch, left in reached.items():
        loss = losses[epoch - 1]
        if left is not None and loss < LEAST_SHARE_OF_FINAL * left:
            yield finding(
                "recompute.final-loss",
                where=where,
                pointer=f"/loss/per_epoch/{epoch - 1}",
                expected=f"at least {LEAST_SHARE_OF_FINAL} of {left:.6g}, from the arrays",
                found=said(loss),
            )


def has_another_loss(attestation: Record) -> bool:
    """Return whether losses are of another kind than what is computed of the arrays."""
    return any(name.startswith(OTHER_LOSS) for name in attestation["options_changed"])


def _compare(
    where: str, place: str, attested: Any, found: Any, rule: str = "recompute.metrics"
) -> Iterator[Finding]:
    stated, again = dict(leaves.of(attested)), dict(leaves.of(found))
    for pointer in sorted({*stated, *again}):
        one, other = stated.get(pointer), again.get(pointer)
        if not leaves.same(one, other):
            yield finding(
                rule,
                where=where,
                pointer=f"{place}{pointer}",
                expected=f"{said(other)}, from the arrays",
                found=said(one),
            )
