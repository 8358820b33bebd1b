"""What the picture of a job's resolution shows, from its metrics: by ring and by band. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

TRUTH, HALVES = "against the truth", "between the halves"
LENGTHS_M = {"nm": 1e-9, "µm": 1e-6, "mm": 1e-3, "m": 1.0}

Record = Mapping[str, Any]
Values = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Rings:
    """One ring correlation and its threshold; crossing: where they meet, None where nowhere."""

    of: str
    label: str
    cycles_per_px: Values
    correlation: Values
    half_bit: Values
    crossing: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Bands:
    """Phase error and photon limit by band of frequencies; NaN where a logarithm shows nothing.

    edges_per_px: cycles per pixel, one more than there are bands.  band_to_per_px: where the
    resolvable band ends, over which the labels have the errors beside those over the mask; None
    where there is none.
    """

    edges_per_px: Values
    error_rad: Values
    limit_rad: Values
    error_label: str
    limit_label: str
    band_to_per_px: float | None


def rings(metrics: Record) -> list[Rings]:
    """Return each ring correlation that `metrics` of a result.json holds."""
    names = {
        TRUTH: ("against_truth", "frc_half_bit_resolution"),
        HALVES: ("between_halves", "half_bit_resolution"),
    }
    blocks = {of: (metrics[block] or {}, name) for of, (block, name) in names.items()}
    return [_rings(of, *block) for of, block in blocks.items() if block[0].get("rings")]


def _rings(of: str, block: Record, name: str) -> Rings:
    at, correlation, half_bit = (
        tuple(ring[key] for ring in block["rings"])
        for key in ("cycles_per_px", "correlation", "half_bit")
    )
    resolution_px, resolution_m = block[f"{name}_px"], block[f"{name}_m"]
    if resolution_px is None:
        under = correlation[0] < half_bit[0]
        where = "under 1/2 bit from the first ring on" if under else "above 1/2 bit throughout"
        return Rings(of, f"{of}: {where}", at, correlation, half_bit, None)
    metres = "" if resolution_m is None else f", {resolution_m:.3g} m"
    meets = 0.5 / resolution_px
    crossing = (meets, float(np.interp(meets, at, half_bit)))
    label = f"{of}: 1/2 bit at {resolution_px:.2f} px{metres}"
    return Rings(of, label, at, correlation, half_bit, crossing)


def bands(metrics: Record) -> Bands | None:
    """Return error and limit by band; None where `metrics` of a result.json holds none."""
    limit = metrics["photon_limit"] or {}
    if not limit.get("bands"):
        return None
    steps, whole = limit["bands"], limit["resolvable_band"] or {}
    error_rad = metrics["against_truth"]["phase_rmse_rad"]
    return Bands(
        (0.0, *(step["to_cycles_per_px"] for step in steps)),
        tuple(_shown(step["phase_rmse_rad"]) for step in steps),
        tuple(_shown(step["photon_limit_phase_rad"]) for step in steps),
        _label("phase error", whole.get("phase_rmse_rad"), error_rad),
        _label(
            "photon limit", whole.get("photon_limit_phase_rad"), limit["photon_limit_phase_rad"]
        ),
        whole.get("to_cycles_per_px"),
    )


def per_length(pixel_size_m: float | None) -> tuple[float, str] | None:
    """Return what one cycle per pixel is in cycles per unit of length, and that unit."""
    if pixel_size_m is None:
        return None
    unit = next((name for name, size_m in LENGTHS_M.items() if pixel_size_m < size_m), "m")
    return LENGTHS_M[unit] / pixel_size_m, unit


def _shown(value: float | None) -> float:
    return value if value else math.nan


def _label(name: str, band_rad: float | None, mask_rad: float | None) -> str:
    words = {"in band": band_rad, "over the mask": mask_rad}
    said = [f"{value:.3f} {where}" for where, value in words.items() if value is not None]
    return f"{name} (rad): {', '.join(said)}"
