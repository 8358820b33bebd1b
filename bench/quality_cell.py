"""One input and what two recipes made of it: whether it counts, and what its figures come to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.trial import Trial
from harness import frc, recipe, reconstructible
from harness.model import CellKey
from harness.reconstructible import Coverage


@dataclass(frozen=True)
class Band:
    """Frequencies up to an edge: the photon limit there, and the errors of seed and default."""

    to_cycles_per_px: float
    limit_rad: float
    errors_rad: tuple[float, float]


@dataclass(frozen=True)
class Cell:
    """One input, whether it can be reconstructed, and what both recipes made of it.

    flat: the error of an object of ones, measured as theirs are.
    """

    key: CellKey
    coverage: Coverage
    flat: float
    seed: Trial
    default: Trial

    @property
    def why_not(self) -> str:
        """Every sign that it cannot be reconstructed, "" for none; without the truth."""
        signs = [] if self.coverage.enough else [f"coverage {self.coverage.share:.2f}"]
        signs += [f"best at epoch {self.default.chosen}"] if self.stopped_at_once else []
        return "; ".join(signs)

    @property
    def stopped_at_once(self) -> bool:
        """Whether held-out photons stop default in its first epochs."""
        default = self.default
        rule = recipe.HELD_OUT if default.held_out else recipe.FINAL
        return reconstructible.stopped_at_once(rule, default.chosen, len(default.nrmse))


def shared_band(cell: Cell) -> Band | None:
    """Return the band by which both recipes are judged; None where neither resolves one.

    It ends with the one of the eight bands in which the wider of what the two resolve ends.
    """
    trials = (cell.seed, cell.default)
    edges = [edge for trial in trials if (edge := _resolved_to_per_px(trial)) is not None]
    if not edges:
        return None
    limits = [trial.metrics["photon_limit"] for trial in trials]
    ends = [band["to_cycles_per_px"] for band in limits[0]["bands"]]
    to = next((end for end in ends if end >= max(edges)), ends[-1])
    errors = tuple(_whole(limit["bands"], "phase_rmse_rad", to) for limit in limits)
    return Band(to, _whole(limits[0]["bands"], "photon_limit_phase_rad", to), errors)


def _resolved_to_per_px(trial: Trial) -> float | None:
    truth = trial.metrics["against_truth"]
    return frc.resolved_to_per_px(truth["rings"], truth["frc_half_bit_resolution_px"])


def _whole(bands: Sequence[Mapping[str, Any]], figure: str, to: float) -> float:
    return math.hypot(*(band[figure] for band in bands if band["to_cycles_per_px"] <= to))


def all_bands(cell: Cell) -> tuple[float, ...] | None:
    """Return phase error over limit of seed and default in all bands; None where there is none."""
    ratios = []
    for trial in (cell.seed, cell.default):
        bands = trial.metrics["photon_limit"]["bands"]
        if not bands:
            return None
        error_rad = _whole(bands, "phase_rmse_rad", math.inf)
        ratios.append(error_rad / _whole(bands, "photon_limit_phase_rad", math.inf))
    return tuple(ratios)


def dose(cell: Cell) -> str:
    """Return a cell's photons a frame, as in "1e3"."""
    return f"{cell.key.dose_photons:.0e}".replace("e+0", "e")


def name(cell: Cell) -> str:
    """Return what a table calls a cell."""
    return f"{dose(cell)} {cell.key.view} {cell.key.split}"


def lost(cells: Sequence[Cell]) -> str:
    """Return which doses cannot be reconstructed, of cells that differ by dose; "" for none."""
    return _said_of("cannot be reconstructed", [cell for cell in cells if cell.why_not])


def without_band(cells: Sequence[Cell]) -> str:
    """Return at which doses neither recipe resolves a band; "" for none."""
    return _said_of("no resolvable band", [cell for cell in cells if shared_band(cell) is None])


def _said_of(words: str, cells: Sequence[Cell]) -> str:
    return f"{words}: {', '.join(map(dose, cells))}" if cells else ""


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a Markdown table, a line each."""
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]
