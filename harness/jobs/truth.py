"""Decide whether a file's objectGuess is the truth behind its frames, and measure against it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from harness import alignment, misfit

if TYPE_CHECKING:
    from harness.alignment import Aligned
    from harness.jobs.intake import Scan


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether there is a truth, why, and how far the reconstruction is from it.

    misfit: see `harness.misfit.shot_noise`; None where there is no objectGuess.
    region: (rows, columns) over which the error is taken, the box of the probe's centres.
    aligned, truth: the two objects over that region, None where there is no truth, or where the
    reconstruction is not finite.
    """

    present: bool
    reason: str
    misfit: float | None
    region: tuple[slice, slice]
    aligned: Aligned | None = None
    truth: np.ndarray | None = None

    def as_record(self) -> dict[str, Any]:
        """Return the verdict as it stands in result.json."""
        rows, columns = self.region
        return {
            "present": self.present,
            "reason": self.reason,
            "misfit": self.misfit,
            "region_px": {
                "rows": [rows.start, rows.stop],
                "columns": [columns.start, columns.stop],
            },
            "nrmse": None if self.aligned is None else self.aligned.nrmse,
            "removed": None
            if self.aligned is None
            else {
                "scale": [self.aligned.scale.real, self.aligned.scale.imag],
                "ramp_rad_per_px": list(self.aligned.ramp_rad_per_px),
            },
        }


def judge(scan: Scan, reconstruction: np.ndarray) -> Verdict:
    """Return the verdict on a reconstruction, complex (H, W).

    The file's word is not taken: objectGuess is the truth if it predicts the frames to within
    shot noise.  Source: docs/adr/0006-the-child.md
    """
    region = alignment.scanned_region(scan.positions_x_px, scan.positions_y_px, scan.object_shape)
    found = misfit.judge(scan.counts, scan.probe, scan.object_guess, scan.corners)
    judged = Verdict(found.present, found.reason, found.misfit, region)
    if scan.object_guess is None or not found.present or not np.isfinite(reconstruction).all():
        return judged
    truth = scan.object_guess[region]
    return replace(judged, aligned=alignment.align(reconstruction[region], truth), truth=truth)
