"""How good a reconstruction is, with a truth and without. Pure.

Each formula and its source: docs/metrics.md
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from skimage.metrics import structural_similarity

from harness import alignment, arrays, forward, frc, multiscale, registration
from harness.opr import Opr

MASK_SHARE_OF_MEDIAN = 0.5
SSIM_WINDOW_PX = 7


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """Where the scan put enough light: boolean values (H, W), and the light needed for it."""

    values: np.ndarray
    threshold_photons: float

    def as_record(self) -> dict[str, Any]:
        """Return the mask as it stands in a record."""
        return {
            "share_of_median": MASK_SHARE_OF_MEDIAN,
            "threshold_photons": self.threshold_photons,
            "pixels": int(self.values.sum()),
            "sha256": arrays.identity(self.values)["sha256"],
        }


def lit_mask(light: np.ndarray) -> Mask:
    """Return the pixels whose summed probe intensity exceeds half the median of the lit ones.

    light: photons per object pixel, (H, W) (`forward.illumination`).  The lit ones have more than a
    thousandth of the maximum, so that a wide dark border does not lower the median.
    """
    lit = light[light > 1e-3 * light.max()]
    threshold = MASK_SHARE_OF_MEDIAN * float(np.median(lit)) if lit.size else 0.0
    return Mask(light > threshold, threshold)


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """Every metric against the truth, JSON-ready, and where the phase is wrong.

    phase_error_rad: (H, W), None where nothing could be measured.  square: (rows, columns) of the
    largest square inside the mask.
    """

    record: dict[str, Any]
    phase_error_rad: np.ndarray | None
    square: tuple[slice, slice]


def against_truth(
    reconstruction: np.ndarray,
    truth: np.ndarray,
    mask: Mask,
    pixel_size_m: float | None = None,
    similarity: multiscale.Similarity = multiscale.similarity,
) -> Compared:
    """Return a reconstruction measured against the truth, both complex (H, W), over a mask.

    similarity: who computes the multi-scale SSIM.  What is undefined is None, and `undefined` says
    why.
    """
    inside, square = mask.values, frc.largest_square(mask.values)
    blank = why_blank(reconstruction, truth, inside)
    if blank:
        nothing = {**dict.fromkeys(MEASURED), "undefined": {"all": blank}, "rings": []}
        return Compared({"mask": mask.as_record(), **nothing}, None, square)
    registered = registration.register(reconstruction, truth, inside)
    found, wanted = registered.values, truth.astype(np.complex128)
    curve = frc.correlate(*(image[square] for image in (found, wanted)))
    phase_error = np.angle(found * wanted.conj())
    pairs = {
        "phase": (np.angle(wanted) + phase_error, np.angle(wanted)),
        "amplitude": (np.abs(found), np.abs(wanted)),
    }
    phase, amplitude = (_image_metrics(*pair, inside) for pair in pairs.values())
    many = {name: _multiscale(*pair, inside, square, similarity) for name, pair in pairs.items()}
    record = {
        "complex_nrmse": alignment.relative_difference(found[inside], wanted[inside]),
        "phase_rmse_rad": phase[0],
        "amplitude_rmse": amplitude[0],
        "psnr_phase_db": phase[1],
        "psnr_amplitude_db": amplitude[1],
        "ssim_phase": phase[2],
        "ssim_amplitude": amplitude[2],
        "ms_ssim_phase": many["phase"],
        "ms_ssim_amplitude": many["amplitude"],
        "ms_ssim_scales": multiscale.scales_for(_side(square)),
        "frc_half_bit_resolution_px": curve.resolution_px,
        "frc_half_bit_resolution_m": None
        if curve.resolution_px is None or pixel_size_m is None
        else curve.resolution_px * pixel_size_m,
        "registration_shift_px": list(registered.shift_px),
        "ramp_rad_per_px": list(registered.ramp_rad_per_px),
        "scale": [registered.scale.real, registered.scale.imag],
    }
    undefined = _reasons(record, curve.reason, pixel_size_m)
    whole = {**record, "undefined": undefined, "rings": curve.as_records()}
    return Compared({"mask": mask.as_record(), **whole}, phase_error, square)


MEASURED = (
    "complex_nrmse",
    "phase_rmse_rad",
    "amplitude_rmse",
    "psnr_phase_db",
    "psnr_amplitude_db",
    "ssim_phase",
    "ssim_amplitude",
    "ms_ssim_phase",
    "ms_ssim_amplitude",
    "ms_ssim_scales",
    "frc_half_bit_resolution_px",
    "frc_half_bit_resolution_m",
    "registration_shift_px",
    "ramp_rad_per_px",
    "scale",
)


def without_truth(
    counts: np.ndarray,
    probe: np.ndarray,
    object_: np.ndarray,
    corners: np.ndarray,
    shifts_px: np.ndarray | None = None,
    relaxed: Opr | None = None,
) -> dict[str, float | None]:
    """Return how well a model predicts the frames it is given; arguments as for `forward.waves`.

    counts: (n, N, N) photons, zero frequency in the centre.
    `poisson_deviance_per_photon`: 2 sum (c ln(c / m) - c + m) / sum c; infinite, so None, where
    photons fell on what the model leaves dark.  `r_factor`: sum |sqrt c - sqrt m| / sum sqrt c.
    `amplitude_mse`: mean of (sqrt c - sqrt m)^2, what pty-chi's loss of an epoch is a mean of.
    """
    deviance = difference = squares = amplitude = photons = 0.0
    models = forward.frames(probe, object_, corners, shifts_px, relaxed)
    for frame, model in zip(counts, models, strict=True):
        seen = frame.astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            log = seen * np.log(np.where(seen > 0, seen / model, 1.0))
        deviance += 2 * float((log - seen + model).sum())
        apart = np.sqrt(seen) - np.sqrt(model)
        difference += float(np.abs(apart).sum())
        squares += float(np.square(apart).sum())
        amplitude += float(np.sqrt(seen).sum())
        photons += float(seen.sum())
    return {
        "poisson_deviance_per_photon": _ratio(deviance, photons),
        "r_factor": _ratio(difference, amplitude),
        "amplitude_mse": _ratio(squares, counts.size),
    }


def _ratio(total: float, norm: float) -> float | None:
    value = total / norm if norm > 0 else float("inf")
    return value if np.isfinite(value) else None


def why_blank(
    one: np.ndarray, other: np.ndarray, inside: np.ndarray, which: str = "reconstruction or truth"
) -> str:
    """Return why two complex images cannot be compared over a boolean mask, "" where they can."""
    if not inside.any():
        return "the mask is empty"
    if not np.isfinite(one).all() or not np.isfinite(other).all():
        return f"NaN or infinity in {which}"
    if not one[inside].any() or not other[inside].any():
        return f"{which} dark over the mask"
    return ""


def _image_metrics(
    found: np.ndarray, wanted: np.ndarray, inside: np.ndarray
) -> tuple[float, float | None, float | None]:
    """Return RMSE, PSNR (dB) and SSIM of two real images over the mask."""
    # It brings scipy.stats along, which only a measurement needs.
    from skimage.metrics import peak_signal_noise_ratio

    rmse = float(np.sqrt(((found - wanted)[inside] ** 2).mean()))
    spread = float(np.ptp(wanted[inside]))
    pair = wanted[inside], found[inside]
    defined = rmse > 0 and spread > 0
    psnr = float(peak_signal_noise_ratio(*pair, data_range=spread)) if defined else None
    if spread == 0 or min(found.shape) < SSIM_WINDOW_PX:
        return rmse, psnr, None
    _, local = structural_similarity(
        wanted, found, win_size=SSIM_WINDOW_PX, data_range=spread, full=True
    )
    return rmse, psnr, float(local[inside].mean())


def _multiscale(
    found: np.ndarray,
    wanted: np.ndarray,
    inside: np.ndarray,
    square: tuple[slice, slice],
    similarity: multiscale.Similarity,
) -> float | None:
    """Return the multi-scale SSIM of two real images over the mask's square."""
    spread, scales = float(np.ptp(wanted[inside])), multiscale.scales_for(_side(square))
    if spread == 0 or scales == 0:
        return None
    return similarity(found[square], wanted[square], spread, multiscale.weights_of(scales))


def _side(square: tuple[slice, slice]) -> int:
    return square[0].stop - square[0].start


def _reasons(
    record: Mapping[str, Any], no_crossing: str, pixel_size_m: float | None
) -> dict[str, str]:
    reasons = {
        name: "no error, or the truth is constant over the mask"
        for name, value in record.items()
        if value is None
    }
    if record["ms_ssim_scales"] == 0:
        least = min(multiscale.SMALLEST_SIDE_PX.values())
        small = f"no square of {least} px or more lies inside the mask"
        reasons |= {"ms_ssim_phase": small, "ms_ssim_amplitude": small}
    if record["frc_half_bit_resolution_px"] is None:
        reasons["frc_half_bit_resolution_px"] = no_crossing
        reasons["frc_half_bit_resolution_m"] = no_crossing
    elif pixel_size_m is None:
        reasons["frc_half_bit_resolution_m"] = "the file gives no pixel size"
    return reasons
