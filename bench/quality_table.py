"""The document of a comparison of two recipes: its tables, and which goals they reach."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.quality_cell import Cell, all_bands, name, shared_band, table
from bench.quality_goals import goals
from bench.trial import Trial
from harness import provenance

NO_BAND = "-"
ERROR_WORDS = """\
NRMSE of the object over the box of the probe's centres, `@` the epoch. `chosen`: by held-out
photons, without the truth; `best`: by the truth. `flat`: of an object of ones, with which both
begin, one factor and one ramp removed as from any other; an error in **bold** is no less than that.

The probe of these inputs is exact. `default` is told so and holds it; `seed` refines it, as
pty-chi does by default. How much of the difference that makes: docs/adr/0019-the-default-recipe.md.

In brackets the coverage, the share of the box that two frames or more see: under 0.5, or where
held-out photons call for a stop of `default` within two epochs, a cell counts as one that **cannot
be reconstructed**, and for no goal but the choice of an epoch. Both signs are on the side of
caution (docs/metrics.md); what they leave out that is no worse than what counts stands at the
end."""
LIMIT_WORDS = """\
Phase error of what is delivered and its limit, for both recipes in the same band: from zero to the
wider of what the two resolve (docs/metrics.md); "-" where neither has such a band, as the
ring correlation of both is under the 1/2-bit curve in the first ring already. The last two columns
are the ratios of all bands, to 1/2 cycle per pixel, whatever is resolved.

A ratio under 1 beats no law: the limit is that of estimates without bias. Total variation is a
bias, and so are a flat start and a stop before the end; they take variance away, at the cost of
detail, and most where nothing is resolved: where the limit is above what the object varies by, even
an object of ones lies under it. The limit itself is one draw, good to some ten per cent in the
slowest bands, and of first order: past a third of a radian the phase wraps."""
TIME_WORDS = """\
An update is a batch: `seed` takes batches of 96 frames for 100 epochs, so that few frames are few
updates; `default` takes three batches an epoch, for more epochs where frames are few. The ratio
of their errors tells of these budgets, too. Time: of the processor, not of the clock, with other
work beside it; all epochs, with the scoring of held-out photons; start and metrics are the same for
both and left out. Times of the same cell have come out a fifth apart, shares by 0.04."""


def said(cell: Cell) -> str:
    """Return one line about a cell, as it is done."""
    seed, default = cell.seed, cell.default
    return (
        f"{name(cell)}: seed {_at(seed, seed.chosen)}, default {_at(default, default.chosen)}, "
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
        *_limits(cells),
        "",
        *_times(cells),
        "",
        *goals(cells),
        "",
    ]
    return "\n".join(parts)


def _commits(cells: Sequence[Cell]) -> str:
    made_by = sorted({trial.commit for cell in cells for trial in (cell.seed, cell.default)})
    return f"commit{'s' * (len(made_by) > 1)} {' and '.join(made_by)}"


def _recipes(cell: Cell) -> str:
    return f"Recipes: {cell.seed.made_by} and {cell.default.made_by}."


def _at(trial: Trial, epoch: int, flat: float = math.inf) -> str:
    words = f"{trial.error(epoch):.3f} @{epoch}"
    return f"**{words}**" if trial.error(epoch) >= flat else words


def _errors(cells: Sequence[Cell]) -> list[str]:
    heads = (
        *("cell", "can be reconstructed", "flat", "seed, final", "seed, best"),
        *("default, chosen", "default, best", "chosen / best", "default / seed"),
    )
    rows = []
    for cell in cells:
        seed, default, flat = cell.seed, cell.default, cell.flat
        chosen = default.error(default.chosen)
        rows.append(
            (
                name(cell),
                f"**no** ({cell.why_not})" if cell.why_not else f"yes ({cell.coverage.share:.2f})",
                f"{flat:.3f}",
                _at(seed, len(seed.nrmse), flat),
                _at(seed, seed.best, flat),
                _at(default, default.chosen, flat),
                _at(default, default.best, flat),
                f"{chosen / default.error(default.best):.3f}",
                f"{chosen / seed.nrmse[-1]:.2f}",
            )
        )
    return [
        "## Error",
        "",
        ERROR_WORDS,
        "",
        *table(heads, rows),
    ]


def _limits(cells: Sequence[Cell]) -> list[str]:
    heads = (
        *("cell", "band to (1/px)", "limit (rad)", "seed (rad)", "ratio", "default (rad)", "ratio"),
        *("all bands: seed", "all bands: default"),
    )
    rows = [(_marked(cell), *_band(cell), *_all_bands(cell)) for cell in cells]
    return ["## Photon limit", "", LIMIT_WORDS, "", *table(heads, rows)]


def _marked(cell: Cell) -> str:
    return name(cell) + (" (**no**)" if cell.why_not else "")


def _band(cell: Cell) -> list[str]:
    band = shared_band(cell)
    if band is None:
        return 6 * [NO_BAND]
    words = [f"{band.to_cycles_per_px:.3f}", f"{band.limit_rad:.3f}"]
    for error_rad in band.errors_rad:
        words += [f"{error_rad:.3f}", f"{error_rad / band.limit_rad:.2f}"]
    return words


def _all_bands(cell: Cell) -> list[str]:
    ratios = all_bands(cell)
    return 2 * [NO_BAND] if ratios is None else [f"{ratio:.2f}" for ratio in ratios]


def _times(cells: Sequence[Cell]) -> list[str]:
    heads = (
        *("cell", "seed (updates)", "default (updates)", "seed (s)", "default (s)", "share"),
        *("to seed's final (s)", "share"),
    )
    rows = []
    for cell in cells:
        seed, default = cell.seed, cell.default
        whole_s, ours_s = seed.cpu_s[-1], default.cpu_s[-1]
        reached_s = default.seconds_to(seed.nrmse[-1])
        rows.append(
            (
                _marked(cell),
                *(f"{each.updates}" for each in (seed, default)),
                f"{whole_s:.1f}",
                f"{ours_s:.1f}",
                f"{ours_s / whole_s:.2f}",
                "never" if reached_s is None else f"{reached_s:.1f}",
                "" if reached_s is None else f"{reached_s / whole_s:.2f}",
            )
        )
    return ["## Updates and time", "", TIME_WORDS, "", *table(heads, rows)]
