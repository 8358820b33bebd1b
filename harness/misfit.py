"""Whether an object and a probe predict frames to within shot noise: what makes a guess the truth.

Pure numpy, so that the child says it and `verify` says it again.
Source: docs/adr/0006-the-child.md
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness import forward
from harness.errors import InputInvalid

# Poisson frames about their own truth have misfit 1, to a few per cent even for the sparsest
# scan. A guess half a pixel off both ways has 2.3 or more from 1e4 photons a frame on; at 1e3
# (1.1 to 1.2) it stays within shot noise, and nothing in the frames tells it from the truth.
LARGEST = 1.2


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a file's objectGuess is the truth, why, and its misfit (None: it has none)."""

    present: bool
    reason: str
    misfit: float | None


MEASURED = "the scan is measured: its objectGuess is not the truth"
NO_GUESS = Judgement(False, "the file has no objectGuess", None)


def judge(
    counts: np.ndarray,
    probe: np.ndarray,
    guess: np.ndarray | None,
    corners: np.ndarray,
    shifts_px: np.ndarray | None = None,
    *,
    measured: bool,
) -> Judgement:
    """Return the judgement on an objectGuess, complex64 (H, W), or None where a file has none.

    counts: float32 (n, N, N), photons, zero frequency in the centre.  probe: complex64 (modes, N,
    N), of any brightness.  corners, shifts_px: as for `forward.waves`.
    measured: whether the file says that its scan is (`contract.is_measured`): then a guess may be
    fitted to these frames, and is no truth.
    """
    if guess is None:
        return NO_GUESS
    try:
        bright = scaled(probe, guess, corners, mean_photons(counts), shifts_px)
    except InputInvalid:
        return Judgement(False, "objectGuess is dark", None)
    value = shot_noise(counts, bright, guess, corners, shifts_px)
    if not np.isfinite(value):
        return Judgement(False, "the misfit of objectGuess is not finite", None)
    if value > LARGEST:
        reason = f"objectGuess does not predict the frames: misfit {value:.3g}, 1 is shot noise"
        return Judgement(False, reason, value)
    if measured:
        return Judgement(False, MEASURED, value)
    return Judgement(True, "objectGuess predicts the frames to within shot noise", value)


def mean_photons(counts: np.ndarray) -> float:
    """Return the photons of a frame, averaged over the frames; counts: (n, N, N)."""
    return float(counts.sum(dtype=np.float64) / len(counts))


def scaled(
    probe: np.ndarray,
    object_: np.ndarray,
    corners: np.ndarray,
    mean_photons_per_frame: float,
    shifts_px: np.ndarray | None = None,
) -> np.ndarray:
    """Return the probe as bright as the data, for pty-chi's FFT, complex64 (modes, N, N)."""
    scale = probe_scale(probe, object_, corners, mean_photons_per_frame, shifts_px)
    return (scale * probe).astype(np.complex64)


def probe_scale(
    probe: np.ndarray,
    initial_object: np.ndarray,
    corners: np.ndarray,
    mean_photons_per_frame: float,
    shifts_px: np.ndarray | None = None,
) -> float:
    """Return the factor that makes the model as bright as the data, through the initial object.

    pty-chi's FFT is unnormalised, so a frame holds N^2 x sum |P O|^2 photons; files are unitary.
    Exact when the initial object and the probe's shape are true.
    Raises InputInvalid if the probe or the data is dark.
    """
    side = probe.shape[-1]
    modelled = side**2 * forward.photons_per_frame(probe, initial_object, corners, shifts_px)
    if not modelled > 0 or not mean_photons_per_frame > 0:
        raise InputInvalid(
            f"the frames hold {mean_photons_per_frame:g} photons on average and the model "
            f"{modelled:g}: no scale joins them. Mend diffraction or probeGuess"
        )
    return float(np.sqrt(mean_photons_per_frame / modelled))


def shot_noise(
    counts: np.ndarray,
    probe: np.ndarray,
    object_: np.ndarray,
    corners: np.ndarray,
    shifts_px: np.ndarray | None = None,
) -> float:
    """Return sum (counts - model)^2 / sum model: 1 for Poisson noise about the model, 0 for none.

    counts: (n, N, N) photons, zero frequency in the centre.  probe: (modes, N, N), as bright as
    the data (`probe_scale`).  object_: complex (H, W).  For Poisson counts the variance is the
    mean, so any excess over 1 is what the model gets wrong.  Infinite for a dark model.
    """
    squares = total = 0.0
    unitary = probe * probe.shape[-1]
    models = forward.frames(unitary, object_, corners, shifts_px)
    for frame, model in zip(counts, models, strict=True):
        squares += float(((frame.astype(np.float64) - model) ** 2).sum())
        total += float(model.sum())
    return squares / total if total > 0 else float("inf")
