"""Which epoch a job delivers, and how near to the best one that is: `stopping` of `result.json`.

Pure, so that the child says it and `verify` says it again from the series in the arrays.
Source: docs/adr/0018-recipes-and-stopping.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness import heldout, recipe

LOSSES = "loss_per_epoch"
DEVIANCES = "held_out_deviance_per_epoch"
ERRORS = "truth_nrmse_per_epoch"
# How good an epoch must be is not asked where nothing is held out.
NOT_ASKED = 1.0
NAMES = (LOSSES, DEVIANCES, ERRORS)
# What the last epoch left, kept beside what is delivered where a rule chooses that.
FINAL = FINAL_OBJECT, FINAL_PROBE = "final_object", "final_probe"
# What `record` adds to the facts of the held-out part.
SCORES = ("least_epoch", "deviance_per_epoch")

Numbers = Sequence[float]


@dataclass(frozen=True, slots=True)
class Series:
    """One number an epoch.

    losses: the data loss.  deviances: of the held-out part, empty where nothing is held out.
    errors: against the truth, empty where there is none.
    """

    losses: Numbers
    deviances: Numbers = ()
    errors: Numbers = ()

    def named(self) -> dict[str, Numbers]:
        """Return the series that there are, by their names in reconstruction.npz."""
        named = dict(zip(NAMES, (self.losses, self.deviances, self.errors), strict=True))
        return {name: values for name, values in named.items() if len(values) or name == LOSSES}


def attested(attestation: Mapping[str, Any]) -> Series:
    """Return the series that an attestation says."""
    held_out, truth = (attestation["stopping"][name] or {} for name in ("held_out", "truth"))
    return Series(
        attestation["loss"]["per_epoch"],
        held_out.get("deviance_per_epoch", ()),
        truth.get("nrmse_per_epoch", ()),
    )


def delivered_epoch(rule: str, series: Series, as_good: float) -> int:
    """Return the epoch whose arrays are delivered, counted from 1.

    as_good: as for `heldout.chosen`, where something is held out.
    """
    if rule == recipe.HELD_OUT and series.deviances:
        return heldout.chosen(series.deviances, as_good)
    return len(series.losses)


def record(rule: str, series: Series, part: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the block of result.json.

    rule: "heldout" or "final".  part: what is held out (`held_out_part`), None for nothing.
    """
    epoch = delivered_epoch(rule, series, part["as_good"] if part else NOT_ASKED)
    held_out = None
    if part is not None:
        least = min(range(len(series.deviances)), key=series.deviances.__getitem__, default=0)
        held_out = {
            **part,
            "least_epoch": least + 1,
            "deviance_per_epoch": list(series.deviances),
        }
    return {
        "rule": rule,
        "delivered_epoch": epoch,
        "held_out": held_out,
        "truth": _against_truth(series.errors, epoch) if series.errors else None,
    }


def held_out_part(split: heldout.Split, seed: int, as_good: float) -> dict[str, Any]:
    """Return what result.json says of the part that is held out, and how it chooses."""
    from harness import arrays

    return {
        "by": split.by,
        "share": split.share,
        "seed": seed,
        "as_good": as_good,
        "frames": len(split.held),
        "photons": float(split.held.sum(dtype="float64")),
        "sha256": arrays.array_sha256(split.held),
    }


def _against_truth(errors: Numbers, epoch: int) -> dict[str, Any]:
    best = min(range(len(errors)), key=errors.__getitem__)
    return {
        "best_epoch": best + 1,
        "best_nrmse": errors[best],
        "delivered_nrmse": errors[epoch - 1],
        "final_nrmse": errors[-1],
        "nrmse_per_epoch": list(errors),
    }
