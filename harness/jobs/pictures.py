"""Draw a run as small PNG files whose bytes depend on the arrays alone."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from harness import arrays, png, recompute, stopping
from harness.jobs import geometry, resolution

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from harness.jobs.attest import Run
    from harness.jobs.intake import Scan
    from harness.jobs.truth import Verdict

DPI = 100
STEPS = 48  # of each colour scale: three scales and the text then fit one palette of 256
ROBUST_PERCENT = (0.5, 99.5)

SERIES = {
    stopping.LOSSES: "data loss",
    stopping.DEVIANCES: "held-out deviance\nper photon",
    stopping.ERRORS: "NRMSE against\nthe truth",
}


def draw(
    run: Run, scan: Scan, verdict: Verdict, quality: Mapping[str, Any]
) -> Iterator[tuple[str, bytes]]:
    """Yield (file name, PNG bytes) of every picture that the run allows.

    quality: as `harness.quality.measure` gives it.
    """
    how = f"{run.algorithm}, {run.epochs_run} epochs, {run.initial_object} start"
    known = {name: arrays.array_sha256(values) for name, values in run.arrays().items()}
    known[recompute.INPUT] = scan.sha256
    for name, figure in _figures(run, scan, verdict, quality, how):
        yield name, _png(figure, recompute.drawn_from(name, known))


def _figures(
    run: Run, scan: Scan, verdict: Verdict, quality: Mapping[str, Any], how: str
) -> Iterator[tuple[str, Figure]]:
    region, light = _boxes(run, scan, verdict)
    amplitude, phase = np.abs(run.object_), _centred_phase(run.object_, region)
    yield (
        "object_amplitude.png",
        _object(amplitude, "Object amplitude", how, "amplitude", "gray", region, light),
    )
    yield (
        "object_phase.png",
        _object(phase, "Object phase", how, "phase (rad)", "viridis", region, light),
    )
    yield "probe.png", _probe(run.probe[0], len(run.probe), how)
    yield "loss.png", _epochs(run, how)
    if verdict.aligned is not None:
        yield "truth_comparison.png", _comparison(verdict, quality, how)
    curves = resolution.figure(quality, scan.pixel_size_m, how)
    if curves is not None:
        yield "resolution.png", curves


def _object(
    values: np.ndarray,
    title: str,
    how: str,
    unit: str,
    colours: str,
    region: tuple[slice, slice],
    lit: tuple[slice, slice],
) -> Figure:
    """Draw the part of the object that any frame saw, in the object's own pixels."""
    figure = Figure(figsize=_figure_size(lit), layout="constrained")
    axes = figure.subplots()
    low, high = np.percentile(values[region], ROBUST_PERCENT)
    _image(axes, values[lit], unit, colours, (low, high), lit)
    rows, columns = region
    axes.add_patch(
        Rectangle(
            (columns.start - 0.5, rows.start - 0.5),
            columns.stop - columns.start,
            rows.stop - rows.start,
            fill=False,
            edgecolor="tab:orange",
            linewidth=1,
            linestyle="--",
        )
    )
    axes.set_title(f"{title}\n{how}; dashed: box of the probe's centres", fontsize=9)
    return figure


def _probe(probe: np.ndarray, modes: int, how: str) -> Figure:
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    everywhere = (slice(0, probe.shape[0]), slice(0, probe.shape[1]))
    amplitude = np.abs(probe)
    _image(left, amplitude, "amplitude (sqrt photons)", "inferno", (0, amplitude.max()), everywhere)
    # Where there is no light the phase is noise; it fades to the background.
    opacity = np.clip(amplitude / (0.2 * amplitude.max()), 0, 1)
    _image(right, np.angle(probe), "phase (rad)", "twilight", (-np.pi, np.pi), everywhere, opacity)
    left.set_title("amplitude", fontsize=9)
    right.set_title("phase, faded below 20 % of the peak", fontsize=9)
    which = "Probe" if modes == 1 else f"Probe, first of {modes} modes"
    figure.suptitle(f"{which} ({how})", fontsize=10)
    return figure


def _epochs(run: Run, how: str) -> Figure:
    """Draw each series over the epochs, a panel each, and the epoch that is delivered."""
    series = run.history.series.named()
    figure = Figure(figsize=(6, 0.9 + 2.1 * len(series)), layout="constrained")
    panels = figure.subplots(len(series), sharex=True, squeeze=False)[:, 0]
    for axes, (name, values) in zip(panels, series.items(), strict=True):
        epochs = np.arange(1, len(values) + 1)
        axes.semilogy(epochs, values, marker="." if len(values) < 30 else None, color="tab:blue")
        axes.axvline(run.delivered_epoch, color="tab:orange", linewidth=1, linestyle="--")
        axes.set_ylabel(SERIES[name], fontsize=8)
        axes.tick_params(labelsize=8, which="both")
        axes.grid(True, which="both", alpha=0.3)
    panels[-1].xaxis.get_major_locator().set_params(integer=True)
    panels[-1].set_xlabel("epoch")
    delivered = f"dashed: epoch {run.delivered_epoch}, delivered"
    figure.suptitle(f"Epochs ({how}); {delivered}", fontsize=10)
    return figure


def _comparison(verdict: Verdict, quality: Mapping[str, Any], how: str) -> Figure:
    """Draw truth, reconstruction and difference, amplitude above phase."""
    found, wanted = verdict.aligned.values, verdict.truth
    middle = np.angle(wanted.mean())
    rows_of_panels = (
        (np.abs(wanted), np.abs(found), "amplitude", "gray"),
        (_phase(wanted, middle), _phase(found, middle), "phase (rad)", "viridis"),
    )
    height, width = wanted.shape
    figure = Figure(figsize=(8.2, 1.3 + min(4.2, 2 * 2.3 * height / width)), layout="constrained")
    for panels, (truth, ours, unit, colours) in zip(
        figure.subplots(2, 3), rows_of_panels, strict=True
    ):
        limits = tuple(np.percentile(truth, ROBUST_PERCENT))
        difference = ours - truth if unit == "amplitude" else np.angle(found * wanted.conj())
        reach = max(float(np.percentile(np.abs(difference), ROBUST_PERCENT[1])), 1e-9)
        _image(panels[0], truth, unit, colours, limits, verdict.region)
        _image(panels[1], ours, unit, colours, limits, verdict.region)
        _image(panels[2], difference, unit, "RdBu", (-reach, reach), verdict.region)
        for axes, name in zip(panels, ("truth", "found", "difference"), strict=True):
            axes.set_title(f"{unit.split()[0]}, {name}", fontsize=8)
    figure.suptitle(
        f"Against the truth ({how}): complex NRMSE {verdict.aligned.nrmse:.3f}, "
        f"one complex factor and linear phase removed\n{_against_limit(quality)}",
        fontsize=9,
    )
    return figure


def _against_limit(quality: Mapping[str, Any]) -> str:
    """Say how far the phase is off over the lit mask, and what shot noise would leave."""
    truth, limit = quality["against_truth"] or {}, quality["photon_limit"] or {}
    band = limit.get("resolvable_band") or {}
    over_mask = (truth.get("phase_rmse_rad"), limit.get("photon_limit_phase_rad"))
    in_band = (band.get("phase_rmse_rad"), band.get("photon_limit_phase_rad"))
    words = [
        f"{where} {error:.3f} rad, photon limit {least:.3f}"
        for where, (error, least) in (("lit mask", over_mask), ("resolvable band", in_band))
        if error is not None and least is not None
    ]
    if limit.get("bands") and not band:
        words.append("no resolvable band")
    return f"phase error: {'; '.join(words) or 'not measured'}"


def _image(
    axes: Axes,
    values: np.ndarray,
    unit: str,
    colours: str,
    limits: tuple[float, float],
    place: tuple[slice, slice],
    opacity: np.ndarray | None = None,
) -> None:
    """Show an array at its place in pixels, with a colourbar that names the unit."""
    rows, columns = place
    extent = (columns.start - 0.5, columns.stop - 0.5, rows.stop - 0.5, rows.start - 0.5)
    low, high = limits
    shown = axes.imshow(
        values,
        cmap=mpl.colormaps[colours].resampled(STEPS),
        vmin=low,
        vmax=high if high > low else low + 1e-9,
        extent=extent,
        interpolation="nearest",
        alpha=opacity,
    )
    axes.set_xlabel("x (px)", fontsize=8)
    axes.set_ylabel("y (px)", fontsize=8)
    axes.tick_params(labelsize=8)
    bar = axes.figure.colorbar(shown, ax=axes, fraction=0.046, pad=0.02)
    if opacity is not None:
        bar.solids.set_alpha(1)
    bar.set_label(unit, fontsize=8)
    bar.ax.tick_params(labelsize=8)


def _figure_size(place: tuple[slice, slice]) -> tuple[float, float]:
    rows, columns = place
    ratio = (rows.stop - rows.start) / (columns.stop - columns.start)
    return (6.0, float(np.clip(4.6 * ratio + 0.9, 2.2, 8.0)))


def _boxes(run: Run, scan: Scan, verdict: Verdict) -> tuple[tuple[slice, slice], ...]:
    """Return (rows, columns) of the box of the probe's centres, and of what the frames see."""
    if not run.refined:
        return verdict.region, geometry.lit_box(scan.corners, scan.frame_px)
    return geometry.shown(run.positions_x_px, run.positions_y_px, scan.frame_px, run.object_.shape)


def _centred_phase(values: np.ndarray, region: tuple[slice, slice]) -> np.ndarray:
    return _phase(values, np.angle(values[region].mean()))


def _phase(values: np.ndarray, middle: float) -> np.ndarray:
    return np.angle(values * np.exp(-1j * middle))


def _png(figure: Figure, sources: Mapping[str, str]) -> bytes:
    """Return the figure as a palette PNG without date or program, only with its sources."""
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(DPI)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    buffer = io.BytesIO()
    words = PngInfo()
    words.add_text(png.SOURCES, json.dumps(sources))
    small = picture.quantize(256, dither=Image.Dither.NONE)
    small.save(buffer, "PNG", optimize=True, pnginfo=words)
    return buffer.getvalue()
