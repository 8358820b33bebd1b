"""The metrics of one job, from its input and the arrays that it left: what `result.json` says.

Pure, so that the child says it and `verify` says it again.  Source: docs/metrics.md
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness import forward, frc, metrics, multiscale, photon_limit, reconstructible
from harness.errors import InputInvalid
from harness.opr import Opr

LIMIT_SEED = 1
LIMIT_STEPS = 20
BAND_EDGES_PER_PX = (0.0, 0.0625, 0.125, 0.1875, 0.25, 0.3125, 0.375, 0.4375, 0.5)
NEEDED = ("diffraction", "probeGuess", "xcoords", "ycoords", "objectGuess")

Record = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """A scan as metrics need it.

    counts: float32 (n, N, N), photons, zero frequency in the centre.  corners: int (n, 2).
    probe: complex64 (modes, N, N), unitary, not yet scaled.  truth: complex64 (H, W) or None.
    pixel_size_m: side of an object pixel, None where it is not known.  shifts_px: (n, 2), parts
    of a pixel by which probes lie beside their patches (`forward.waves`), None for none.
    """

    counts: np.ndarray
    probe: np.ndarray
    corners: np.ndarray
    truth: np.ndarray | None
    pixel_size_m: float | None = None
    shifts_px: np.ndarray | None = None


def frames_of(
    arrays: Mapping[str, np.ndarray | None],
    *,
    truth_present: bool,
    shape: tuple[int, ...],
    pixel_size_m: float | None = None,
) -> Frames:
    """Return what an input of DATA-001's arrays holds, for an object of that shape.

    Raises InputInvalid where arrays are missing or do not fit each other, or where a frame sees
    beyond the object.
    """
    truth = _of_kind(arrays.get("objectGuess"), "c", 2) if truth_present else None
    amplitude = _of_kind(arrays.get("diffraction"), "f", 3)
    probe, side = arrays.get("probeGuess"), amplitude.shape[-1]
    probe = _of_kind(probe, "c", 2 if np.ndim(probe) == 2 else 3)
    x_px, y_px = (_of_kind(arrays.get(name), "f", 1) for name in ("xcoords", "ycoords"))
    _require(len(shape) == 2 and (truth is None or truth.shape == shape))
    _require(amplitude.shape[1:] == probe.shape[-2:] == (side, side))
    _require(pixel_size_m is None or _is_length(pixel_size_m))
    _require(len(x_px) == len(y_px) == len(amplitude) > 0)
    return Frames(
        np.square(amplitude, dtype=np.float32),
        probe.reshape(-1, side, side).astype(np.complex64),
        forward.patch_corners(x_px, y_px, side, shape),
        None if truth is None else truth.astype(np.complex64),
        None if pixel_size_m is None else float(pixel_size_m),
        forward.parts_of_a_pixel(x_px, y_px),
    )


def fitting(
    frames: Frames, object_: np.ndarray | None, probe: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return a reconstruction's object and probe; InputInvalid where they do not fit the frames."""
    object_, probe = _of_kind(object_, "c", 2), _of_kind(probe, "c", 3)
    _require(probe.shape[1:] == frames.counts.shape[1:])
    return object_, probe


def refined(
    frames: Frames,
    x_px: np.ndarray | None,
    y_px: np.ndarray | None,
    shape: tuple[int, ...],
) -> forward.Placed:
    """Return where a reconstruction put the frames; InputInvalid where the positions do not fit."""
    x_px, y_px = (_of_kind(each, "f", 1) for each in (x_px, y_px))
    _require(len(x_px) == len(y_px) == len(frames.counts) and len(shape) == 2)
    return forward.refined(x_px, y_px, frames.counts.shape[-1], shape)


def _of_kind(array: np.ndarray | None, kind: str, dimensions: int) -> np.ndarray:
    _require(array is not None and array.dtype.kind == kind and array.ndim == dimensions)
    return array


def _is_length(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < np.inf


def _require(holds: bool) -> None:
    if not holds:
        raise InputInvalid("frames, positions, probe and object do not fit each other")


def measure(
    frames: Frames,
    object_: np.ndarray,
    probe: np.ndarray,
    similarity: multiscale.Similarity = multiscale.similarity,
    relaxed: Opr | None = None,
    placed: forward.Placed | None = None,
) -> Record:
    """Return result.json's `metrics`; null where there is no truth to measure by.

    object_: complex (H, W).  probe: (modes, N, N), unitary, as reconstructed.  Mask and limit
    follow from the input's own probe: they are the same for every reconstruction of it.
    similarity: who computes the multi-scale SSIM; the child has torchmetrics do it.
    relaxed: what makes the reconstructed probe another one in each frame.  placed: where the
    reconstruction put the frames; by default where the input has them, and with them the truth.
    """
    corners, shifts_px = placed or (frames.corners, frames.shifts_px)
    told = {
        "coverage": reconstructible.coverage(
            frames.probe, frames.corners, object_.shape
        ).as_record(),
        "without_truth": metrics.without_truth(
            frames.counts, probe, object_, corners, shifts_px, relaxed
        ),
    }
    if frames.truth is None:
        return {"against_truth": None, **told, "photon_limit": None}
    bright = _as_bright_as_the_frames(frames, frames.truth)
    light = forward.illumination(bright, frames.corners, frames.truth.shape, frames.shifts_px)
    mask = metrics.lit_mask(light)
    compared = metrics.against_truth(object_, frames.truth, mask, frames.pixel_size_m, similarity)
    return {
        "against_truth": compared.record,
        **told,
        "photon_limit": _limit(frames, frames.truth, bright, light, mask, compared),
    }


def _as_bright_as_the_frames(frames: Frames, truth: np.ndarray) -> np.ndarray:
    modelled = forward.photons_per_frame(frames.probe, truth, frames.corners, frames.shifts_px)
    counted = frames.counts.sum(dtype=np.float64) / len(frames.counts)
    if not modelled > 0 or not counted > 0:
        raise InputInvalid("frames or model are dark: no scale joins them")
    return frames.probe.astype(np.complex128) * np.sqrt(counted / modelled)


def _limit(
    frames: Frames,
    truth: np.ndarray,
    probe: np.ndarray,
    light: np.ndarray,
    mask: metrics.Mask,
    compared: metrics.Compared,
) -> Record:
    """Return the shot-noise limit of the phase, over the mask and by band, beside the error."""
    fisher = photon_limit.Fisher.of(probe, truth, frames.corners, frames.shifts_px)
    error, residual = photon_limit.efficient_error(fisher, light, LIMIT_SEED, LIMIT_STEPS)
    (phase,) = photon_limit.phase_errors_rad([error], truth)
    inside = mask.values & (np.abs(truth) > 0)
    return {
        "photon_limit_phase_rad": _rms(phase[inside]),
        "simple_phase_rad": _rms(photon_limit.simple_phase_rad(light, truth)[inside]),
        "relative_residual": residual,
        "solver_steps": LIMIT_STEPS,
        "seed": LIMIT_SEED,
        **_by_band(phase, compared),
    }


def _by_band(limit_rad: np.ndarray, compared: metrics.Compared) -> Record:
    """Return error and limit up to the resolution found, and in bands, over the mask's square.

    Where the first ring is not resolved there is no such band.
    """
    found, square = compared.phase_error_rad, compared.square
    if found is None or len(limit_rad[square]) < frc.SMALLEST_BOX_PX:
        return {"resolvable_band": None, "bands": []}
    truth = compared.record
    end = frc.resolved_to_per_px(truth["rings"], truth["frc_half_bit_resolution_px"])
    whole = None
    if end is not None:
        (whole,) = _pairs(found[square], limit_rad[square], (0.0, end))
    bands = _pairs(found[square], limit_rad[square], BAND_EDGES_PER_PX)
    return {"resolvable_band": whole, "bands": bands}


def _pairs(
    found_rad: np.ndarray, limit_rad: np.ndarray, edges_per_px: tuple[float, ...]
) -> list[Record]:
    errors, limits = (photon_limit.band_rms(i, edges_per_px) for i in (found_rad, limit_rad))
    return [
        {"to_cycles_per_px": edge, "phase_rmse_rad": error, "photon_limit_phase_rad": limit}
        for edge, error, limit in zip(edges_per_px[1:], errors, limits, strict=True)
    ]


def _rms(values: np.ndarray) -> float | None:
    return float(np.sqrt((values**2).mean())) if values.size else None
