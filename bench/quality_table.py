"""The document of a comparison of two recipes: its tables, and which goals they reach."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.timing import REPOSITORY
from bench.trial import Trial
from harness import provenance
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
or more see: under 0.5 a cell **cannot be reconstructed**, its figures say how wrong it is, and no
goal counts it."""
LIMIT_WORDS = """\
Phase error of what is delivered and its limit, both in the band that it resolves
(docs/metrics.md). Time: of the processor, all epochs, with the scoring of held-out photons; start
and metrics are the same for both and left out."""


@dataclass(frozen=True)
class Cell:
    """One input, whether it can be reconstructed, and what both recipes made of it."""

    key: CellKey
    coverage: Coverage
    seed: Trial
    default: Trial


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
        f"Made by `{command}`, commit {_commit()}.",
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


def band_ratio(trial: Trial) -> float | None:
    """Return the phase error in the resolvable band over its photon limit, None without a band."""
    band = resolvable_band(trial)
    return band and band["phase_rmse_rad"] / band["photon_limit_phase_rad"]


def resolvable_band(trial: Trial) -> Mapping[str, Any] | None:
    """Return the band that the delivered object resolves, with error and limit."""
    band = trial.metrics["photon_limit"]["resolvable_band"]
    return band if band and band["photon_limit_phase_rad"] else None


def _commit() -> str:
    words = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    return subprocess.run(
        words, check=True, capture_output=True, text=True, cwd=REPOSITORY
    ).stdout.strip()


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
                f"yes ({share:.2f})" if cell.coverage.enough else f"**no** ({share:.2f})",
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
        *("cell", "seed: error, limit (rad)", "ratio", "default: error, limit (rad)", "ratio"),
        *("seed (s)", "default (s)", "share", "to seed's final (s)", "share"),
    )
    rows = []
    for cell in cells:
        seed, default = cell.seed, cell.default
        whole_s, ours_s = seed.cpu_s[-1], default.cpu_s[-1]
        reached_s = default.seconds_to(seed.nrmse[-1])
        rows.append(
            (
                _name(cell) + ("" if cell.coverage.enough else " (**no**)"),
                *_band(seed),
                *_band(default),
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


def _band(trial: Trial) -> tuple[str, str]:
    band, ratio = resolvable_band(trial), band_ratio(trial)
    if band is None or ratio is None:
        return NO_BAND, NO_BAND
    return f"{band['phase_rmse_rad']:.3f}, {band['photon_limit_phase_rad']:.3f}", f"{ratio:.2f}"


def _goals(cells: Sequence[Cell]) -> list[str]:
    counted = [cell for cell in cells if cell.coverage.enough]
    limited = [
        cell
        for cell in counted
        if cell.key.dose_photons in LIMIT_DOSES and cell.key.view in LIMIT_VIEWS
    ]
    goals: list[tuple[str, Sequence[Cell], Callable[[Cell], bool]]] = [
        ("`default` has less error than `seed` at its end", counted, _beats),
        ("the chosen epoch's error is within 5 % of the best epoch's", counted, _chooses),
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
    lost = [_name(cell) for cell in cells if not cell.coverage.enough]
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
    ratio = band_ratio(cell.default)
    return ratio is not None and ratio <= WITHIN_OF_LIMIT
