"""Draw how well a job resolves: ring correlation, and phase error beside its photon limit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from harness.jobs import curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from harness.jobs.curves import Bands, Rings

NYQUIST_PER_PX = 0.5
# What is held to the truth is blue in both panels.
COLOURS = {curves.TRUTH: "tab:blue", curves.HALVES: "tab:orange"}
MARKERS = {curves.TRUTH: "o", curves.HALVES: "s"}


def figure(quality: Mapping[str, Any], pixel_size_m: float | None, how: str) -> Figure | None:
    """Return the picture; None where there is neither a truth nor halves to compare.

    quality: `metrics` of result.json.
    """
    lines, bands = curves.rings(quality), curves.bands(quality)
    if not lines and bands is None:
        return None
    panels = [name for name, there in (("rings", lines), ("bands", bands)) if there]
    drawn = Figure(figsize=(4.1 * len(panels) if bands else 6, 4.3), layout="constrained")
    for name, axes in zip(panels, drawn.subplots(1, len(panels), squeeze=False)[0], strict=True):
        if name == "rings":
            _rings(axes, lines)
        else:
            _bands(axes, bands)
        _frequencies(axes, pixel_size_m)
    drawn.suptitle(_title(quality, lines, how), fontsize=9)
    return drawn


def _title(quality: Mapping[str, Any], lines: Sequence[Rings], how: str) -> str:
    lost = (
        "" if quality["coverage"]["reconstructible"] else " of a scan that cannot be reconstructed"
    )
    threshold = "dashed beside each curve: 1/2-bit threshold, made for two halves"
    eased = any(line.of == curves.TRUTH for line in lines)
    less = "; against a truth it asks less" if eased else ""
    return f"Resolution{lost} ({how})\n{threshold}{less}"


def _rings(axes: Axes, lines: Sequence[Rings]) -> None:
    for line in lines:
        look = {"color": COLOURS[line.of], "linewidth": 1.2}
        axes.plot(
            line.cycles_per_px,
            line.correlation,
            marker=MARKERS[line.of] if len(line.cycles_per_px) < 30 else None,
            markersize=3,
            label=line.label,
            **look,
        )
        axes.plot(line.cycles_per_px, line.half_bit, linestyle="--", **look)
        if line.crossing is not None:
            axes.plot(*line.crossing, marker="x", color="black", markersize=7)
    axes.set_ylim(min(0.0, *(min(line.correlation) for line in lines)) - 0.05, 1.05)
    axes.set_ylabel("Fourier ring correlation", fontsize=8)
    _legend(axes)


def _bands(axes: Axes, bands: Bands) -> None:
    """Draw error and limit as steps, one a band."""
    edges = bands.edges_per_px
    axes.set_yscale("log")
    axes.stairs(bands.error_rad, edges, baseline=None, color="tab:blue", label=bands.error_label)
    axes.stairs(
        bands.limit_rad,
        edges,
        baseline=None,
        color="black",
        linestyle="--",
        label=bands.limit_label,
    )
    if bands.band_to_per_px is not None:
        axes.axvline(
            bands.band_to_per_px,
            color="grey",
            linestyle=":",
            label=f"band: up to {bands.band_to_per_px:.3f} cycles per px",
        )
    axes.set_ylabel("phase error in each band (rad)", fontsize=8)
    _legend(axes)


def _legend(axes: Axes) -> None:
    """Put the legend under the panel, where it hides no curve."""
    axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.16))


def _frequencies(axes: Axes, pixel_size_m: float | None) -> None:
    axes.set_xlim(0, NYQUIST_PER_PX)
    axes.set_xlabel("spatial frequency (cycles per px)", fontsize=8)
    axes.tick_params(labelsize=8, which="both")
    axes.grid(True, which="both", alpha=0.3)
    length = curves.per_length(pixel_size_m)
    if length is not None:
        per_px, unit = length
        above = axes.secondary_xaxis("top", functions=(lambda x: x * per_px, lambda x: x / per_px))
        above.set_xlabel(f"cycles per {unit}", fontsize=8)
        above.tick_params(labelsize=8)
