"""The picture of a comparison of two recipes: error against time, and beside the photon limit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bench.quality_cell import shared_band

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from bench.quality_cell import Cell

COLOURS = ("tab:red", "tab:orange", "tab:blue")
STYLES = {"seed": "--", "default": "-"}


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
            lost = "" if not all(cell.why_not for cell in shown) else "\ncannot be reconstructed"
            in_time[column].set_title(f"{view}, {split}{lost}")
        in_time[0].set_ylabel("NRMSE against the truth")
        by_dose[0].set_ylabel("phase error in the band of both (rad)")
    figure.savefig(path, dpi=100, metadata={"Software": None})


def _in_time(axes: Axes, cells: Sequence[Cell]) -> None:
    for cell, colour in zip(cells, COLOURS, strict=False):
        for name, style in STYLES.items():
            trial = getattr(cell, name)
            label = f"{name}, {cell.key.dose_photons:.0e}".replace("e+0", "e")
            axes.loglog(trial.cpu_s, trial.nrmse, style, color=colour, label=label)
            at = trial.chosen - 1
            axes.loglog(trial.cpu_s[at], trial.nrmse[at], "o", color=colour, markersize=5)
    for cell in cells[:1]:
        axes.axhline(cell.flat, linestyle=":", color="grey", label="an object of ones")
    axes.set_xlabel("processor time (s); dot: delivered")
    axes.grid(True, which="both", alpha=0.2)
    axes.legend(fontsize=7)


def _by_dose(axes: Axes, cells: Sequence[Cell]) -> None:
    bands = [(cell.key.dose_photons, shared_band(cell)) for cell in cells]
    seen = [(dose, band) for dose, band in bands if band is not None]
    doses = [dose for dose, _ in seen]
    for number, (name, style) in enumerate(STYLES.items()):
        errors = [band.errors_rad[number] for _, band in seen]
        axes.loglog(doses, errors, style, marker="o", color="black", label=f"{name}, error")
    limits = [band.limit_rad for _, band in seen]
    axes.loglog(doses, limits, marker="_", color="tab:green", label="photon limit")
    axes.set_xlabel("photons a frame")
    axes.grid(True, which="both", alpha=0.2)
    axes.legend(fontsize=7)
