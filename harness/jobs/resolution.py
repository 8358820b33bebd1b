"""Draw what a run resolves: its phase error beside the photon limit, and how its halves agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NYQUIST_CYCLES_PER_PX = 0.5


def draw(quality: Mapping[str, Any], how: str) -> Figure | None:
    """Return a panel for each of the two that the run allows; None where it allows neither.

    quality: `metrics` of a result.json.
    """
    limit, between = quality["photon_limit"], quality["between_halves"]
    panels: list[Callable[[Axes], None]] = []
    if limit and limit["bands"]:
        panels.append(lambda axes: _errors(axes, limit))
    if between and between["rings"]:
        panels.append(lambda axes: _agreement(axes, between))
    if not panels:
        return None
    figure = Figure(figsize=(0.6 + 3.9 * len(panels), 3.6), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        panel(axes)
        axes.set_xlim(0, NYQUIST_CYCLES_PER_PX)
        axes.set_xlabel("spatial frequency (cycles/px)", fontsize=8)
        axes.tick_params(labelsize=8, which="both")
        axes.grid(True, which="both", alpha=0.3)
        axes.legend(fontsize=7)
    figure.suptitle(f"By frequency ({how})", fontsize=10)
    return figure


def _errors(axes: Axes, limit: Mapping[str, Any]) -> None:
    """Draw the phase error of each band as a step, and what shot noise would leave of it."""
    ends = [band["to_cycles_per_px"] for band in limit["bands"]]
    edges = [0.0, *ends]
    for name, style, label in (
        ("phase_rmse_rad", {"color": "tab:blue", "linestyle": "-"}, "phase error"),
        ("photon_limit_phase_rad", {"color": "tab:orange", "linestyle": "--"}, "photon limit"),
    ):
        axes.stairs([band[name] for band in limit["bands"]], edges, label=label, **style)
    axes.set_yscale("log")
    if limit["resolvable_band"]:
        end = limit["resolvable_band"]["to_cycles_per_px"]
        axes.axvline(end, color="0.4", linewidth=1, linestyle=":", label="resolved up to here")
    axes.set_ylabel("in each band (rad)", fontsize=8)
    axes.set_title("Phase error and photon limit", fontsize=9)


def _agreement(axes: Axes, between: Mapping[str, Any]) -> None:
    """Draw the ring correlation of the halves and its 1/2-bit threshold."""
    rings = between["rings"]
    frequency = [ring["cycles_per_px"] for ring in rings]
    for name, style, label in (
        ("correlation", {"color": "tab:blue", "linestyle": "-"}, "halves of the frames"),
        ("half_bit", {"color": "tab:orange", "linestyle": "--"}, "1/2-bit threshold"),
    ):
        axes.plot(frequency, [ring[name] for ring in rings], label=label, **style)
    axes.set_ylim(-0.2, 1.05)
    axes.set_ylabel("ring correlation", fontsize=8)
    resolution_px = between["half_bit_resolution_px"]
    words = "" if resolution_px is None else f", {resolution_px:.2f} px"
    axes.set_title(f"Agreement of the halves{words}", fontsize=9)
