"""The picture of a comparison of two recipes: error against time, and beside the photon limit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bench.quality_cell import dose, lost, shared_band, without_band

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from bench.quality_cell import Cell

COLOURS = ("tab:red", "tab:orange", "tab:blue")
STYLES = {"seed": "--", "default": "-"}
MARKERS = {"seed": "s", "default": "o"}
HOLLOW = "hollow: cannot be reconstructed"


def draw(cells: Sequence[Cell], path: Path) -> None:
    """Write a PNG: a column a view; two rows a split, of error in time, and error and limit."""
    splits = list(dict.fromkeys(cell.key.split for cell in cells))
    views = list(dict.fromkeys(cell.key.view for cell in cells))
    size = (4.2 * len(views), 7.6 * len(splits))
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2 * len(splits), len(views), sharey="row", squeeze=False)
    for number, split in enumerate(splits):
        in_time, by_dose = axes[2 * number : 2 * number + 2]
        for column, view in enumerate(views):
            shown = [cell for cell in cells if (cell.key.split, cell.key.view) == (split, view)]
            _in_time(in_time[column], shown)
            _by_dose(by_dose[column], shown)
            in_time[column].set_title(_lines(f"{view}, {split}", lost(shown)), fontsize=10)
            by_dose[column].set_title(_lines(lost(shown), without_band(shown)), fontsize=8)
        in_time[0].set_ylabel("NRMSE against the truth")
        by_dose[0].set_ylabel("phase error in the wider of both bands (rad)")
    figure.savefig(path, dpi=100, metadata={"Software": None})


def _lines(*words: str) -> str:
    return "\n".join(line for line in words if line)


def _fill(cell: Cell, colour: str) -> str:
    """Return what a dot is filled with: nothing where the cell cannot be reconstructed."""
    return "none" if cell.why_not else colour


def _in_time(axes: Axes, cells: Sequence[Cell]) -> None:
    for cell, colour in zip(cells, COLOURS, strict=False):
        for name, style in STYLES.items():
            trial = getattr(cell, name)
            label = f"{name}, {dose(cell)}"
            axes.loglog(trial.cpu_s, trial.nrmse, style, color=colour, label=label)
            end = [values[trial.chosen - 1] for values in (trial.cpu_s, trial.nrmse)]
            fill = _fill(cell, colour)
            axes.loglog(*end, "o", color=colour, markerfacecolor=fill, markersize=5)
    for cell in cells[:1]:
        axes.axhline(cell.flat, linestyle=":", color="grey", label="an object of ones")
    axes.set_xlabel(f"processor time (s); dot: delivered, {HOLLOW}", fontsize=8)
    axes.grid(True, which="both", alpha=0.2)
    axes.legend(fontsize=7)


def _by_dose(axes: Axes, cells: Sequence[Cell]) -> None:
    seen = [(cell, band) for cell in cells if (band := shared_band(cell)) is not None]
    doses_photons = [cell.key.dose_photons for cell, _ in seen]
    for number, (name, style) in enumerate(STYLES.items()):
        errors = [band.errors_rad[number] for _, band in seen]
        axes.loglog(doses_photons, errors, style, color="black")
        axes.plot([], [], style, marker=MARKERS[name], color="black", label=f"{name}, error")
        for cell, band in seen:
            point = cell.key.dose_photons, band.errors_rad[number]
            axes.loglog(*point, MARKERS[name], color="black", markerfacecolor=_fill(cell, "black"))
    limits = [band.limit_rad for _, band in seen]
    axes.loglog(doses_photons, limits, marker="_", color="tab:green", label="photon limit")
    every = [cell.key.dose_photons for cell in cells]
    axes.set_xlim(min(every) / 1.2, max(every) * 1.2)
    axes.set_xlabel(f"photons a frame; {HOLLOW}", fontsize=8)
    axes.grid(True, which="both", alpha=0.2)
    axes.legend(fontsize=7)
