"""The probe of a measured scan, and where its frames lie on the object.

Pure.  Source: docs/importing.md
"""

from __future__ import annotations

import numpy as np

from harness.detector import resized
from harness.errors import InputInvalid
from harness.scans import Geometry, RawScan, Told, pixel_size_m, require

POSITION_TOLERANCE_PX = 1e-3
OTHER_PROBE = "say --probe FILE.npy, or --probe mean"
# What makes metres pixels, and how it is told.
LENGTH_OPTIONS = {
    "energy_ev": "--energy-ev or --wavelength-m",
    "distance_m": "--distance-m",
    "detector_pixel_m": "--detector-pixel-m",
}
# Its square is still a number in single precision.
LARGEST_AMPLITUDE = 1e18
# The child's own limit for objects that it sizes by the positions, and what it leaves to spare.
LARGEST_OBJECT_PX = 16384
OBJECT_MARGIN_PX = 1
# A scan narrower than this did not move.
SMALLEST_FIELD_PX = 1.0


def probe_of(raw: RawScan, told: Told, counts: np.ndarray, stated: list[str]) -> np.ndarray:
    """Return the probe, complex128, (N, N) or (modes, N, N)."""
    if told.probe == "mean":
        stated.append("probe from the light: inverse transform of the root of the mean frame")
        light = np.sqrt(counts.mean(axis=0))
        return np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(light), norm="ortho"))
    probe = raw.probe
    if probe is None:
        raise InputInvalid(f"no probe: {OTHER_PROBE}")
    side = counts.shape[-2:]
    require(
        probe.ndim in (2, 3) and probe.shape[-2:] == side and probe.size > 0,
        f"the probe has shape {probe.shape}, frames are {side[0]} x {side[1]}: say --probe "
        "FILE.npy with one of (N, N) or (modes, N, N)",
    )
    require(np.iscomplexobj(probe), f"the probe is {probe.dtype}, not complex: {OTHER_PROBE}")
    require(np.isfinite(probe).all(), f"the probe holds NaN or infinity: {OTHER_PROBE}")
    largest = float(np.abs(probe).max())
    require(largest > 0, f"the probe is dark: {OTHER_PROBE}")
    require(largest < LARGEST_AMPLITUDE, f"the probe reaches {largest:.3g}: scale it down")
    modes = 1 if probe.ndim == 2 else len(probe)
    if modes > 1:
        stated.append(f"probe of {modes} modes, all kept")
    return (probe[0] if probe.ndim == 3 and modes == 1 else probe).astype(np.complex128)


def mean_of_opr(probe: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the probe that stays the same from position to position, and the power it lacks.

    probe: complex (k, modes, N, N), k OPR modes of the dominant mode, which at position j is
    sum_k weights[j, k] probe[k, 0]; the other modes are probe[0, 1:].  weights: (n, k).
    Returns (modes, N, N) and the share (0 to 1) of the mean power that varies with the position.
    """
    overlaps = np.einsum("kyx,lyx->kl", probe[:, 0].conj(), probe[:, 0])
    mean_weights = weights.mean(axis=0)
    dominant = np.tensordot(mean_weights, probe[:, 0], axes=1)
    others_power = float((np.abs(probe[0, 1:]) ** 2).sum())
    power = float(np.einsum("jk,jl,kl->", weights, weights, overlaps).real) / len(weights)
    kept_power = float((np.abs(dominant) ** 2).sum())
    total = power + others_power
    lost_fraction = (power - kept_power) / total if total > 0 else 0.0
    return np.concatenate([dominant[None], probe[0, 1:]]), max(0.0, lost_fraction)


def cropped_probe(probe: np.ndarray, side_px: int) -> np.ndarray:
    """Return the probe that a detector of another size sees: same extent, other pixels."""
    axes = (-2, -1)
    wave = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(probe, axes), norm="ortho"), axes)
    wave = np.fft.ifftshift(resized(wave, side_px), axes)
    return np.fft.fftshift(np.fft.ifft2(wave, norm="ortho"), axes)


def positions_px(
    raw: RawScan, told: Told, side_px: int, geometry: Geometry, stated: list[str]
) -> np.ndarray:
    """Return centres in pixels, columns (y, x), where the file has them.

    geometry: what the file and the command line say together.

    Raises InputInvalid for metres without a pixel, and for a scan of no or of absurd extent.
    """
    positions = np.asarray(raw.positions, dtype=np.float64)
    require(
        np.isfinite(positions).all(),
        "positions hold NaN or infinity: mend them, or leave their frames out",
    )
    if raw.unit == "m":
        pixel_m = pixel_size_m(geometry, side_px)
        if pixel_m is None:
            missing = [name for name in LENGTH_OPTIONS if getattr(geometry, name) is None]
            options = ", ".join(LENGTH_OPTIONS[name] for name in missing)
            raise InputInvalid(
                f"positions are in metres, and the file lacks {', '.join(missing)}: say {options}, "
                "or --pixel-size-m"
            )
        positions = positions / pixel_m
        stated.append("positions in metres")
    else:
        stated.append("positions in object pixels")
    stated.append(f"a position is the {raw.mark} of the patch")
    _require_extent(positions, raw.unit, side_px)
    turned = _turned(positions, told, stated)
    return turned + (side_px / 2 if raw.mark == "corner" else 0)


def _require_extent(positions: np.ndarray, unit: str, side_px: int) -> None:
    extent_px = float(np.ptp(positions, axis=0).max())
    advice = (
        "mend what makes metres pixels: --energy-ev is in electronvolts, --distance-m and "
        "--detector-pixel-m in metres"
        if unit == "m"
        else "store positions in object pixels, not in metres or micrometres"
    )
    require(
        len(positions) == 1 or extent_px >= SMALLEST_FIELD_PX,
        f"the whole scan spans {extent_px:.3g} object pixels: {advice}",
    )
    require(
        extent_px + side_px + 2 * OBJECT_MARGIN_PX <= LARGEST_OBJECT_PX,
        f"the scan spans {extent_px:.6g} object pixels; objects of at most {LARGEST_OBJECT_PX} are "
        f"taken: {advice}",
    )


def _turned(positions: np.ndarray, told: Told, stated: list[str]) -> np.ndarray:
    """Return positions along the frames' own axes, as told by --swap-xy, then --flip."""
    if told.swap_xy:
        stated.append("x and y of the positions exchanged (--swap-xy)")
        positions = positions[:, ::-1]
    if told.flip:
        stated.append(f"positions turned about along {' and '.join(told.flip)} (--flip)")
        positions = positions * [-1.0 if axis in told.flip else 1.0 for axis in "yx"]
    return positions


def placed(
    positions: np.ndarray, guess: np.ndarray | None, fits: bool, side_px: int, stated: list[str]
) -> np.ndarray:
    """Return positions at which every patch lies inside the object.

    positions: (n, 2), columns (y, x), pixels.  fits: whether they are those of the guess's array.
    """
    if guess is not None and fits:
        _require_guess(guess)
        least_px = side_px / 2 - POSITION_TOLERANCE_PX
        most_px = np.asarray(guess.shape) - least_px
        inside = (positions >= least_px).all() and (positions <= most_px).all()
        require(
            bool(inside), "the object does not hold every patch: say --no-object to leave it out"
        )
        return positions
    require(
        guess is None, "positions do not lie on the object given: say --no-object to leave it out"
    )
    shift_px = side_px // 2 + OBJECT_MARGIN_PX - np.floor(positions.min(axis=0))
    stated.append(f"no object; positions moved by {shift_px[0]:g} (y), {shift_px[1]:g} (x) px")
    return positions + shift_px


def _require_guess(guess: np.ndarray) -> None:
    require(
        guess.ndim == 2
        and np.iscomplexobj(guess)
        and bool(np.isfinite(guess).all())
        and bool((np.abs(guess) < LARGEST_AMPLITUDE).all()),
        f"the object has shape {guess.shape} and dtype {guess.dtype}; it must be (H, W), complex, "
        f"finite and below {LARGEST_AMPLITUDE:g}: say --no-object to leave it out",
    )
