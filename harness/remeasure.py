"""What a job says of its results, measured again from its input and the arrays that it left.

Bytes come in, values or the reason why there are none go out; `recompute` compares them with what
is attested.  Source: docs/adr/0014-claims-are-recomputed.md
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from harness import alignment, npz, stopping
from harness.errors import InputInvalid
from harness.recompute import TruthError

NO_METRICS = "no metrics are attested"
NO_HELD_OUT = "nothing is held out"
UNFIT = "input and reconstruction do not fit each other"


def array(archive: bytes, name: str) -> np.ndarray | None:
    """Return an array of an NPZ; None where there is none that can be read."""
    try:
        with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
            return np.asarray(arrays[name])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
        return None


def truth_error(
    archive: bytes, data: bytes, attestation: Mapping[str, Any], reading: npz.NpzReading
) -> TruthError | None:
    """Return the error against the input's truth; None where there is none to measure."""
    truth, object_ = array(data, "objectGuess"), array(archive, "object")
    if not attestation["truth"]["present"] or reading.positions_px is None:
        return None
    if truth is None or object_ is None or object_.shape != truth.shape:
        return None
    y_px, x_px = reading.positions_px.T
    region = alignment.scanned_region(x_px, y_px, truth.shape)
    rows, columns = region
    wanted = truth.astype(np.complex64)[region]
    last = array(archive, stopping.FINAL_OBJECT)
    kept = last is not None and last.shape == truth.shape
    return TruthError(
        alignment.align(object_[region], wanted).nrmse,
        {"rows": [rows.start, rows.stop], "columns": [columns.start, columns.stop]},
        alignment.align(last[region], wanted).nrmse if kept else None,
    )


def held_out(
    archive: bytes, data: bytes, attestation: Mapping[str, Any], settings: Mapping[str, Any]
) -> Mapping[str, Any] | str:
    """Return the held-out part and the deviance of the delivered model, or why there are none.

    settings: of the manifest, whose recipe and seed say what is held out.
    """
    from harness import heldout, quality

    asked = settings["recipe"].get("held_out")
    if asked is None or attestation["stopping"]["held_out"] is None:
        return NO_HELD_OUT
    found = {name: array(archive, name) for name in ("object", "probe")}
    given = {name: array(data, name) for name in quality.NEEDED}
    try:
        frames = quality.frames_of(given, truth_present=False, shape=np.shape(found["object"]))
        object_, probe = quality.fitting(frames, found["object"], found["probe"])
        split = heldout.split(frames.counts, asked["share"], asked["by"], settings["seed"])
    except InputInvalid:
        return UNFIT
    deviance = heldout.deviance(split, probe, object_, frames.corners)
    return {**stopping.held_out_part(split, settings["seed"]), "deviance": deviance}


def measure_again(
    archive: bytes, data: bytes, attestation: Mapping[str, Any], pixel_size_m: Any = None
) -> Mapping[str, Any] | str:
    """Return the metrics that an input and the arrays of its job give, or why there are none.

    pixel_size_m: as the input's metadata say it; where it is no length, nothing fits.
    """
    # Half a second of imports, which a verification without inputs does not need.
    from harness import quality

    if "metrics" not in attestation:
        return NO_METRICS
    found = {name: array(archive, name) for name in ("object", "probe")}
    given = {name: array(data, name) for name in quality.NEEDED}
    present = attestation["truth"]["present"]
    try:
        frames = quality.frames_of(
            given,
            truth_present=present,
            shape=np.shape(found["object"]),
            pixel_size_m=pixel_size_m,
        )
        return quality.measure(frames, *quality.fitting(frames, found["object"], found["probe"]))
    except InputInvalid:
        return UNFIT
