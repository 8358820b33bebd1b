"""What the child says of a reconstruction's quality, with a truth and without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from harness import forward, metrics, photon_limit
from harness.jobs import geometry

if TYPE_CHECKING:
    from harness.jobs.attest import Run
    from harness.jobs.intake import Scan

LIMIT_SEED = 1
LIMIT_STEPS = 20


def measure(scan: Scan, run: Run, truth_present: bool) -> dict[str, Any]:
    """Return result.json's `metrics`; null where there is no truth to measure by.

    Mask and limit follow from the input's own probe, so that they are the same for every
    reconstruction of it.  Source: docs/metrics.md
    """
    record: dict[str, Any] = {
        "against_truth": None,
        "without_truth": metrics.without_truth(scan.counts, run.probe, run.object_, scan.corners),
        "photon_limit": None,
    }
    if not truth_present:
        return record
    truth, scaled = geometry.starting_point(scan, "guess")
    probe = scaled.astype(np.complex128) * scan.frame_px
    light = forward.illumination(probe, scan.corners, truth.shape)
    mask = metrics.lit_mask(light)
    return {
        **record,
        "against_truth": metrics.against_truth(run.object_, truth, mask),
        "photon_limit": limit(probe, truth, scan.corners, light, mask),
    }


def limit(
    probe: np.ndarray, truth: np.ndarray, corners: np.ndarray, light: np.ndarray, mask: metrics.Mask
) -> dict[str, Any]:
    """Return the shot-noise limit of the phase over the mask, root mean square in rad.

    probe: (modes, N, N), unitary.  truth, light: (H, W).  See `photon_limit.efficient_error`.
    """
    fisher = photon_limit.Fisher.of(probe, truth, corners)
    error, residual = photon_limit.efficient_error(fisher, light, LIMIT_SEED, LIMIT_STEPS)
    (phase,) = photon_limit.phase_errors_rad([error], truth)
    simple = photon_limit.simple_phase_rad(light, truth)
    inside = mask.values & (np.abs(truth) > 0)
    return {
        "photon_limit_phase_rad": _rms(phase[inside]),
        "simple_phase_rad": _rms(simple[inside]),
        "relative_residual": residual,
        "solver_steps": LIMIT_STEPS,
        "seed": LIMIT_SEED,
    }


def _rms(values: np.ndarray) -> float | None:
    return float(np.sqrt((values**2).mean())) if values.size else None
