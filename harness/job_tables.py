"""What the jobs of a run came to, as tables of its hub's summary. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness import layout, reconstructible, records
from harness.manifest import SUCCEEDED
from harness.records import Read

NOTHING = "-"
NO_BAND = (
    " Where there is a limit and none in band, there is no such band: the correlation is under "
    "1/2 bit in the first ring already."
)


def quality(read: Read, jobs: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """Yield a table of the metrics that jobs attest, if any does, and what its columns are.

    What a job that failed left may be anything, and is not read.
    """
    rows, halved, without_band = [], [], False
    for job in jobs:
        if job["status"] != SUCCEEDED:
            continue
        attestation = records.document(read, f"{job['output_dir']}/{layout.RESULT}") or {}
        if "metrics" in attestation:
            cell = (job["dose"], job["view"], job["split"])
            rows.append((*cell, _verdict(attestation), *_measures(attestation["metrics"])))
            without_band |= _has_no_band(attestation["metrics"])
            between = attestation["metrics"]["between_halves"]
            halved += [(*cell, *_between(between))] if between else []
    if rows:
        yield from _quality(rows, NO_BAND if without_band else "")
    if halved:
        yield from _halves(halved)


def untold(read: Read, jobs: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """Yield a table of the jobs whose input has no truth, if there are any, and why it has none."""
    rows = []
    for job in jobs:
        if job["status"] != SUCCEEDED:
            continue
        attestation = records.document(read, f"{job['output_dir']}/{layout.RESULT}") or {}
        truth = attestation.get("truth")
        if truth and not truth["present"]:
            cell = (job["dose"], job["view"], job["split"])
            rows.append((*cell, or_dash(truth["misfit"], "{:.3g}"), truth["reason"]))
    if rows:
        yield (
            "Inputs with no truth: nothing here is measured against their `objectGuess`, and no "
            "photon limit is taken of it. Misfit: of `objectGuess`, 1 is shot noise."
        )
        yield table(("dose", "view", "split", "misfit", "no truth because"), rows)


def _has_no_band(metrics: Mapping[str, Any]) -> bool:
    limit = metrics["photon_limit"]
    return bool(limit and limit["bands"] and not limit["resolvable_band"])


def _quality(rows: Sequence[Sequence[Any]], more: str) -> Iterable[str]:
    yield (
        "Quality, against the truth where there is one, over the lit mask (docs/metrics.md). "
        "Reconstructible: whether at least half of the scanned box is seen by two frames or more, "
        "and the share; and whether held-out photons let it go on for more than two epochs. What "
        "is reconstructed of others is no result. "
        "MS-SSIM: of the phase. Limit: what shot noise leaves of the phase error. In band: up to "
        "the ring correlation's 1/2-bit resolution, a half period; without one, up to 1/2 cycle "
        "per pixel. A job's `resolution.png` draws that correlation, and error and limit by band."
        + more
    )
    cell = ("dose", "view", "split", "reconstructible")
    head = (*cell, "NRMSE", "MS-SSIM", "phase error (rad)", "limit (rad)")
    in_band = ("error in band", "limit in band", "resolution (px)", "deviance per photon", "R")
    yield table((*head, *in_band), rows)


def _halves(rows: Sequence[Sequence[Any]]) -> Iterable[str]:
    yield (
        "Without a truth: agreement of reconstructions from two halves of the frames, every second "
        "one and the others. Resolution: half period at which their ring correlation meets the "
        "1/2-bit threshold. What all frames give together is better; what both halves share, the "
        "probe that they start from among it, they agree on though it be wrong."
    )
    head = ("dose", "view", "split", "frames", "square (px)", "resolution (px)", "resolution (m)")
    yield table((*head, "no resolution because"), rows)


def _between(halves: Mapping[str, Any]) -> Iterable[str]:
    first, end = halves["square_px"]["rows"]
    yield " + ".join(map(str, halves["frames"]))
    yield str(end - first)
    yield or_dash(halves["half_bit_resolution_px"], "{:.2f}")
    yield or_dash(halves["half_bit_resolution_m"], "{:.3g}")
    yield or_dash(halves["undefined"])


def epochs(read: Read, jobs: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """Yield a table of the epoch that each job delivers, beside the best one where a truth tells.

    Only of runs in which an epoch is chosen or has an error.
    """
    rows = []
    for job in jobs:
        if job["status"] != SUCCEEDED:
            continue
        attestation = records.document(read, f"{job['output_dir']}/{layout.RESULT}") or {}
        stopping = attestation.get("stopping") or {}
        if stopping.get("held_out") or stopping.get("truth"):
            errors = stopping["truth"] or {}
            rows.append(
                (
                    *(job[name] for name in ("dose", "view", "split")),
                    attestation["epochs_run"],
                    stopping["delivered_epoch"],
                    or_dash(errors.get("best_epoch")),
                    *(
                        or_dash(errors.get(f"{which}_nrmse"), "{:.4f}")
                        for which in ("delivered", "best", "final")
                    ),
                    or_dash(_ratio(errors), "{:.3f}"),
                )
            )
    if not rows:
        return
    yield (
        "Epochs: the one delivered was chosen without the truth; the best one by it. NRMSE over "
        "the box of the probe's centres, one complex factor and one linear phase removed."
    )
    head = ("dose", "view", "split", "epochs", "delivered", "best")
    yield table((*head, "NRMSE delivered", "best", "last", "delivered / best"), rows)


def _ratio(errors: Mapping[str, Any]) -> float | None:
    return errors["delivered_nrmse"] / errors["best_nrmse"] if errors.get("best_nrmse") else None


def _verdict(attestation: Mapping[str, Any]) -> str:
    """Return whether a job's scan can be reconstructed, and by what that is told."""
    coverage, stopping = attestation["metrics"]["coverage"], attestation["stopping"]
    share = f"{coverage['share_seen_twice']:.2f}"
    if not coverage["reconstructible"]:
        return f"**no** ({share})"
    delivered = stopping["delivered_epoch"]
    if reconstructible.stopped_at_once(stopping["rule"], delivered, attestation["epochs_run"]):
        return f"**no** (best at epoch {delivered})"
    return f"yes ({share})"


def _measures(metrics: Mapping[str, Any]) -> Iterable[str]:
    truth, limit, fit = (
        metrics[name] or {} for name in ("against_truth", "photon_limit", "without_truth")
    )
    band = limit.get("resolvable_band") or {}
    for source, name in (
        (truth, "complex_nrmse"),
        (truth, "ms_ssim_phase"),
        (truth, "phase_rmse_rad"),
        (limit, "photon_limit_phase_rad"),
        (band, "phase_rmse_rad"),
        (band, "photon_limit_phase_rad"),
    ):
        yield or_dash(source.get(name), "{:.3f}")
    yield or_dash(truth.get("frc_half_bit_resolution_px"), "{:.2f}")
    yield or_dash(fit["poisson_deviance_per_photon"], "{:.3g}")
    yield or_dash(fit["r_factor"], "{:.3f}")


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as a Markdown table; a bar inside a cell is escaped."""
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    for row in rows:
        cells = [str(cell).replace("|", "\\|") for cell in row]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def or_dash(value: Any, form: str = "{}") -> str:
    """Return a value in a form, a dash for None."""
    return NOTHING if value is None else form.format(value)
