"""Measure again what a job measured: from the bytes of its input and of its reconstruction.npz."""

from __future__ import annotations

import io
import math
import zipfile
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from harness import alignment, contract, forward, npz, opr, stopping
from harness.errors import InputInvalid
from harness.measured_again import TruthError
from harness.misfit import Judgement
from harness.model import HALF_OBJECTS, POSITIONS

if TYPE_CHECKING:
    from harness.forward import Placed
    from harness.quality import Frames

UNFIT = "input and reconstruction do not fit each other"
NOTHING_HELD_OUT = "nothing is held out"
NO_HALVES = "no halves of the frames were asked for"

Record = Mapping[str, Any]


def array(archive: bytes, name: str) -> np.ndarray | None:
    """Return an array of an NPZ; None where there is none that can be read."""
    try:
        with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
            return np.asarray(arrays[name])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
        return None


def input_facts(reading: npz.NpzReading) -> Record:
    """Return what a job attests of its input beside path and digest, as far as it can be read."""
    description = reading.description or {}
    numbers = description.get("statistics") or {}
    facts = {name: numbers.get(name) for name in ("frames", "frame_px", "mean_photons_per_frame")}
    if reading.positions_px is not None:
        off_px = forward.parts_of_a_pixel(*reading.positions_px.T[::-1])
        facts["positions_on_pixels"] = not off_px.any()
    return {name: value for name, value in facts.items() if value is not None}


def judgement(data: bytes, metadata: Record) -> Judgement | None:
    """Return whether an input's objectGuess is the truth; None where its arrays do not fit.

    metadata: the input's own.
    """
    # Half a second of imports, which a verification without inputs does not need.
    from harness import misfit, quality

    given = {name: array(data, name) for name in quality.NEEDED}
    guess = given["objectGuess"]
    if guess is None:
        return misfit.NO_GUESS
    try:
        frames = quality.frames_of(given, truth_present=True, shape=guess.shape)
    except InputInvalid:
        return None
    shown = (frames.counts, frames.probe, frames.truth, frames.corners, frames.shifts_px)
    return misfit.judge(*shown, measured=contract.is_measured(metadata))


def truth_error(archive: bytes, data: bytes, reading: npz.NpzReading) -> TruthError | None:
    """Return the error against the input's truth; None where there is none to measure."""
    truth, object_ = array(data, "objectGuess"), array(archive, "object")
    if reading.positions_px is None or truth is None:
        return None
    if object_ is None or object_.shape != truth.shape:
        return None
    y_px, x_px = reading.positions_px.T
    region = alignment.scanned_region(x_px, y_px, truth.shape)
    rows, columns = region
    wanted = truth.astype(np.complex64)[region]
    aligned = alignment.align(object_[region], wanted)
    last = array(archive, stopping.FINAL_OBJECT)
    kept = last is not None and last.shape == truth.shape
    return TruthError(
        aligned.nrmse,
        {"rows": [rows.start, rows.stop], "columns": [columns.start, columns.stop]},
        {
            "scale": [aligned.scale.real, aligned.scale.imag],
            "ramp_rad_per_px": list(aligned.ramp_rad_per_px),
        },
        alignment.align(last[region], wanted).nrmse if kept else None,
    )


def held_out(
    archive: bytes, data: bytes, settings: Record, *, refined: bool = False
) -> Record | str:
    """Return the held-out part and the deviance of the delivered model, or why there are none.

    settings: of the manifest, whose recipe and seed say what is held out.  refined: whether the
    frames lie where the arrays have them, not where the input has them.
    """
    from harness import heldout, quality

    asked = settings["recipe"].get("held_out")
    if asked is None:
        return NOTHING_HELD_OUT
    found = {name: array(archive, name) for name in ("object", "probe")}
    given = {name: array(data, name) for name in quality.NEEDED}
    try:
        frames = quality.frames_of(given, truth_present=False, shape=np.shape(found["object"]))
        object_, probe = quality.fitting(frames, found["object"], found["probe"])
        split = heldout.split(frames.counts, asked["share"], asked["by"], settings["seed"])
        moved = _refined(archive, frames, object_.shape) if refined else None
    except InputInvalid:
        return UNFIT
    placed = moved or (frames.corners, frames.shifts_px)
    deviance = heldout.deviance(split, probe, object_, *placed)
    part = stopping.held_out_part(split, settings["seed"], asked["as_good"])
    return {**part, "deviance": deviance}


def _refined(archive: bytes, frames: Frames, shape: tuple[int, ...]) -> Placed:
    from harness import quality

    return quality.refined(frames, *(array(archive, name) for name in POSITIONS), shape)


def positions_off_px(archive: bytes, data: bytes) -> float | None:
    """Return how far the positions in the arrays are from the input's at most, in object pixels.

    Infinite where there are more or fewer; None where the arrays have none.
    """
    off = []
    for left, given in zip(POSITIONS, ("xcoords", "ycoords"), strict=True):
        ours, theirs = array(archive, left), array(data, given)
        if ours is None or theirs is None:
            return None
        if ours.shape != theirs.shape:
            return math.inf
        off.append(np.abs(ours - theirs).max(initial=0.0))
    return float(np.max(off))


def metrics(
    archive: bytes,
    data: bytes,
    *,
    truth_present: bool,
    pixel_size_m: Any = None,
    opr_modes: int = 1,
    refined: bool = False,
) -> Record | str:
    """Return the metrics that an input and the arrays of its job give, or why there are none.

    pixel_size_m: as the input's metadata say it; where it is no length, nothing fits.
    opr_modes: that the recipe asks for.  refined: as for `held_out`.
    """
    from harness import quality

    found = {name: array(archive, name) for name in ("object", "probe", *opr.NAMES)}
    given = {name: array(data, name) for name in quality.NEEDED}
    try:
        frames = quality.frames_of(
            given,
            truth_present=truth_present,
            shape=np.shape(found["object"]),
            pixel_size_m=pixel_size_m,
        )
        model = quality.fitting(frames, found["object"], found["probe"])
        relaxed = opr.kept(found, opr_modes, len(frames.counts), frames.counts.shape[-1])
        moved = _refined(archive, frames, model[0].shape) if refined else None
        return quality.measure(frames, *model, relaxed=relaxed, placed=moved)
    except InputInvalid:
        return UNFIT


def final_mse(archive: bytes, data: bytes) -> float | None:
    """Return `amplitude_mse` of what the last epoch left; None where only what was delivered is."""
    from harness import metrics, quality

    given = {name: array(data, name) for name in quality.NEEDED}
    last = [array(archive, name) for name in stopping.FINAL]
    try:
        frames = quality.frames_of(given, truth_present=False, shape=np.shape(last[0]))
        object_, probe = quality.fitting(frames, *last)
    except InputInvalid:
        return None
    placed = (frames.corners, frames.shifts_px)
    return metrics.without_truth(frames.counts, probe, object_, *placed)["amplitude_mse"]


def between_halves(archive: bytes, attestation: Record) -> Record | str | None:
    """Return how far the halves of a job's frames agree, None where it left no such objects.

    A string says why nothing can be computed: none were asked for, or the arrays do not fit.
    """
    asked = attestation["metrics"]["between_halves"] is not None
    if all(array(archive, name) is None for name in HALF_OBJECTS):
        return None if asked else NO_HALVES
    # A sixth of a second of imports, which a hub without halves does not need.
    from harness import halves

    arrays = {name: array(archive, name) for name in halves.NEEDED}
    try:
        return halves.measure(arrays, attestation["input"].get("pixel_size_m"))
    except InputInvalid:
        return UNFIT
