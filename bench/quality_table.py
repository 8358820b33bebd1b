"""The document of a comparison of two recipes: its tables, and which goals they reach."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.trial import Trial
from harness import provenance, recipe, reconstructible
from harness.model import CellKey
from harness.reconstructible import Coverage

TIME_SHARE = 1 / 5
WITHIN_OF_BEST = 1.05
WITHIN_OF_LIMIT = 2.0
LIMIT_DOSES = (10000, 100000)
LIMIT_VIEWS = ("baseline", "dense")
NO_BAND = "-"
ERROR_WORDS = """\
NRMSE of the object over the box of the probe's centres, `@` the epoch. `chosen`: by held-out
photons, without the truth; `best`: by the truth. In brackets the share of the box that two frames
or more see: under 0.5, or where held-out photons call for a stop within two epochs, a cell
**cannot be reconstructed**, its figures say how wrong it is, and no goal counts it but the choice
of an epoch."""
LIMIT_WORDS = """\
Phase error of what is delivered and its limit, for both recipes in the same band: from zero to the
wider of what the two resolve (docs/metrics.md). Time: of the processor, all epochs, with the
scoring of held-out photons; start and metrics are the same for both and left out."""


@dataclass(frozen=True)
class Band:
    """Frequencies up to an edge: the photon limit there, and the errors of seed and default."""

    to_cycles_per_px: float
    limit_rad: float
    errors_rad: tuple[float, float]


@dataclass(frozen=True)
class Cell:
    """One input, whether it can be reconstructed, and what both recipes made of it."""

    key: CellKey
    coverage: Coverage
    seed: Trial
    default: Trial

    @property
    def why_not(self) -> str:
        """Why it cannot be reconstructed, "" where nothing says so; without the truth."""
        default = self.default
        if not self.coverage.enough:
            return f"{self.coverage.share:.2f}"
        rule = recipe.HELD_OUT if default.held_out else recipe.FINAL
        if reconstructible.stopped_at_once(rule, default.chosen, len(default.nrmse)):
            return f"best at epoch {default.chosen}"
        return ""


def said(cell: Cell) -> str:
    """Return one line about a cell, as it is done."""
    seed, default = cell.seed, cell.default
    return (
        f"{_name(cell)}: seed {_at(seed, seed.chosen)}, default {_at(default, default.chosen)}, "
        f"best {_at(default, default.best)}, {seed.cpu_s[-1]:.1f} s and {default.cpu_s[-1]:.1f} s"
    )


def document(cells: Sequence[Cell], scene: str, command: str) -> str:
    """Return the Markdown of the whole comparison."""
    host = provenance.host()
    parts = [
        f"# Both recipes on {scene}",
        "",
        f"Made by `{command}`, {_commits(cells)}.",
        f"{host['processor']}, one core a run. {_recipes(cells[0])}",
        "",
        *_errors(cells),
        "",
        *_limits_and_times(cells),
        "",
        *_goals(cells),
        "",
    ]
    return "\n".join(parts)


def shared_band(cell: Cell) -> Band | None:
    """Return the band by which both recipes are judged; None where neither resolves anything.

    It ends with the one of the eight bands in which the wider of what the two resolve ends.
    """
    trials = (cell.seed, cell.default)
    limits = [trial.metrics["photon_limit"] for trial in trials]
    edges = [limit["resolvable_band"]["to_cycles_per_px"] for limit in limits if _resolves(limit)]
    if not edges:
        return None
    ends = [band["to_cycles_per_px"] for band in limits[0]["bands"]]
    to = next((end for end in ends if end >= max(edges)), ends[-1])
    errors = tuple(_whole(limit["bands"], "phase_rmse_rad", to) for limit in limits)
    return Band(to, _whole(limits[0]["bands"], "photon_limit_phase_rad", to), errors)


def _resolves(limit: Mapping[str, Any]) -> bool:
    band = limit["resolvable_band"]
    return bool(band and band["photon_limit_phase_rad"])


def _whole(bands: Sequence[Mapping[str, Any]], name: str, to: float) -> float:
    return math.hypot(*(band[name] for band in bands if band["to_cycles_per_px"] <= to))


def _commits(cells: Sequence[Cell]) -> str:
    made_by = sorted({trial.commit for cell in cells for trial in (cell.seed, cell.default)})
    return f"commit{'s' * (len(made_by) > 1)} {' and '.join(made_by)}"


def _recipes(cell: Cell) -> str:
    named = [
        f"`{each['name']}` version {each['version']} (sha256 {each['sha256'][:12]})"
        for each in (cell.seed.recipe, cell.default.recipe)
    ]
    return f"Recipes: {named[0]} and {named[1]}."


def _name(cell: Cell) -> str:
    return f"{cell.key.dose_photons:.0e} {cell.key.view} {cell.key.split}".replace("e+0", "e")


def _at(trial: Trial, epoch: int) -> str:
    return f"{trial.error(epoch):.3f} @{epoch}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(line)} |" for line in lines]


def _errors(cells: Sequence[Cell]) -> list[str]:
    heads = (
        *("cell", "can be reconstructed", "seed, final", "seed, best"),
        *("default, chosen", "default, best", "chosen / best", "default / seed"),
    )
    rows = []
    for cell in cells:
        seed, default, share = cell.seed, cell.default, cell.coverage.share
        chosen = default.error(default.chosen)
        rows.append(
            (
                _name(cell),
                f"**no** ({cell.why_not})" if cell.why_not else f"yes ({share:.2f})",
                _at(seed, len(seed.nrmse)),
                _at(seed, seed.best),
                _at(default, default.chosen),
                _at(default, default.best),
                f"{chosen / default.error(default.best):.3f}",
                f"{chosen / seed.nrmse[-1]:.2f}",
            )
        )
    return [
        "## Error",
        "",
        ERROR_WORDS,
        "",
        *_table(heads, rows),
    ]


def _limits_and_times(cells: Sequence[Cell]) -> list[str]:
    heads = (
        *("cell", "band to (1/px)", "limit (rad)", "seed (rad)", "ratio", "default (rad)", "ratio"),
        *("seed (s)", "default (s)", "share", "to seed's final (s)", "share"),
    )
    rows = []
    for cell in cells:
        seed, default = cell.seed, cell.default
        whole_s, ours_s = seed.cpu_s[-1], default.cpu_s[-1]
        reached_s = default.seconds_to(seed.nrmse[-1])
        rows.append(
            (
                _name(cell) + (" (**no**)" if cell.why_not else ""),
                *_band(cell),
                f"{whole_s:.1f}",
                f"{ours_s:.1f}",
                f"{ours_s / whole_s:.2f}",
                "never" if reached_s is None else f"{reached_s:.1f}",
                "" if reached_s is None else f"{reached_s / whole_s:.2f}",
            )
        )
    return [
        "## Photon limit and time",
        "",
        LIMIT_WORDS,
        "",
        *_table(heads, rows),
    ]


def _band(cell: Cell) -> list[str]:
    band = shared_band(cell)
    if band is None:
        return 6 * [NO_BAND]
    words = [f"{band.to_cycles_per_px:.3f}", f"{band.limit_rad:.3f}"]
    for error_rad in band.errors_rad:
        words += [f"{error_rad:.3f}", f"{error_rad / band.limit_rad:.2f}"]
    return words


def _goals(cells: Sequence[Cell]) -> list[str]:
    counted = [cell for cell in cells if not cell.why_not]
    limited = [
        cell
        for cell in counted
        if cell.key.dose_photons in LIMIT_DOSES and cell.key.view in LIMIT_VIEWS
    ]
    goals: list[tuple[str, Sequence[Cell], Callable[[Cell], bool]]] = [
        ("`default` has less error than `seed` at its end", counted, _beats),
        ("the chosen epoch's error is within 5 % of the best epoch's", cells, _chooses),
        ("`default` reaches the final error of `seed` in 1/5 of its time", counted, _is_fast),
        (
            "dense and baseline at 1e4 and 1e5: within a factor of 2 of the photon limit",
            limited,
            _is_near,
        ),
    ]
    rows = []
    for words, asked, holds in goals:
        misses = [_name(cell) for cell in asked if not holds(cell)]
        rows.append((words, f"{len(asked) - len(misses)} of {len(asked)}", ", ".join(misses)))
    lost = [_name(cell) for cell in cells if cell.why_not]
    return [
        "## Goals",
        "",
        *_table(("goal", "reached", "not in"), rows),
        "",
        f"Cannot be reconstructed: {', '.join(lost) or 'none'}.",
    ]


def _beats(cell: Cell) -> bool:
    return cell.default.error(cell.default.chosen) < cell.seed.nrmse[-1]


def _chooses(cell: Cell) -> bool:
    default = cell.default
    return default.error(default.chosen) <= WITHIN_OF_BEST * default.error(default.best)


def _is_fast(cell: Cell) -> bool:
    reached_s = cell.default.seconds_to(cell.seed.nrmse[-1])
    return reached_s is not None and reached_s <= TIME_SHARE * cell.seed.cpu_s[-1]


def _is_near(cell: Cell) -> bool:
    band = shared_band(cell)
    return band is not None and band.errors_rad[1] <= WITHIN_OF_LIMIT * band.limit_rad
