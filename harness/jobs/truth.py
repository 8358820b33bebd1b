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
    truth: over that region, None where there is none.  aligned: the reconstruction over it, None
    where there is no truth, or where it is not finite.
    """

    present: bool
    reason: str
    misfit: float | None
    region: tuple[slice, slice]
    truth: np.ndarray | None = None
    aligned: Aligned | None = None

    @property
    def nrmse(self) -> float | None:
        """The error against the truth, None where there is none or nothing finite beside it."""
        return None if self.aligned is None else self.aligned.nrmse

    @property
    def region_px(self) -> dict[str, list[int]]:
        """The region as it stands in result.json."""
        rows, columns = self.region
        return {"rows": [rows.start, rows.stop], "columns": [columns.start, columns.stop]}

    def beside(self, reconstruction: np.ndarray) -> Verdict:
        """Return the verdict with the error of a reconstruction, complex (H, W)."""
        if self.truth is None or not np.isfinite(reconstruction).all():
            return self
        return replace(self, aligned=alignment.align(reconstruction[self.region], self.truth))

    def as_record(self) -> dict[str, Any]:
        """Return the verdict as it stands in result.json."""
        return {
            "present": self.present,
            "reason": self.reason,
            "misfit": self.misfit,
            "region_px": self.region_px,
            "nrmse": self.nrmse,
            "removed": None
            if self.aligned is None
            else {
                "scale": [self.aligned.scale.real, self.aligned.scale.imag],
                "ramp_rad_per_px": list(self.aligned.ramp_rad_per_px),
            },
        }


def find(scan: Scan) -> Verdict:
    """Return whether a scan has a truth; nothing is beside it yet.

    objectGuess is the truth if the scan is not a measured one, and it predicts the frames to
    within shot noise: the file is believed only where it claims less.
    Source: docs/adr/0006-the-child.md
    """
    region = alignment.scanned_region(scan.positions_x_px, scan.positions_y_px, scan.object_shape)
    given = (scan.counts, scan.probe, scan.object_guess, scan.corners, scan.beside_px)
    found = misfit.judge(*given, measured=scan.measured)
    truth = scan.object_guess[region] if found.present and scan.object_guess is not None else None
    return Verdict(found.present, found.reason, found.misfit, region, truth)
