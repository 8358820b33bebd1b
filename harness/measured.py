"""Turn a scan, as another program stored it, into the arrays of DATA-001.

Pure.  What the file says, or what its numbers show beyond doubt, is taken and stated; what neither
tells is refused, with the option that tells it.  Source: docs/importing.md
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from harness.errors import InputInvalid

FRAME_SIDES_PX = (32, 64, 128, 256)
INPUT_KIND = "measured"
# Planck's constant times the speed of light, exact by the definition of the SI units.
PLANCK_LIGHT_SPEED_EV_M = 6.62607015e-34 * 299792458 / 1.602176634e-19
POSITION_TOLERANCE_PX = 1e-3
COUNT_TOLERANCE = 0.01
SINGLE_PRECISION_SQUARE = 3e-7
# Fewer pixels than this above 1 do not show whether values are counts or their roots.
TELLING_PIXELS = 100


@dataclass(frozen=True, slots=True)
class Geometry:
    """What turns metres into object pixels: the pixel itself, or what it follows from.

    energy_ev: of a photon.  distance_m: object to detector.  detector_pixel_m: its pitch.
    """

    pixel_size_m: float | None = None
    energy_ev: float | None = None
    distance_m: float | None = None
    detector_pixel_m: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RawScan:
    """A scan as it lies in a file.

    frames: (n, rows, columns) or (rows, columns, n).  positions: (n, 2), columns (y, x), in
    `unit` "px" or "m", of the patch's `mark` "centre" or "corner".  placed: whether positions are
    those of the object's array.  frames_kind, zero_frequency: what the format defines, else None.
    probe: complex, (N, N) or (modes, N, N).  bad_pixels: True where a pixel says nothing.
    """

    source_format: str
    frames: np.ndarray
    positions: np.ndarray
    unit: str
    mark: str = "centre"
    placed: bool = False
    probe: np.ndarray | None = None
    object_guess: np.ndarray | None = None
    frames_kind: str | None = None
    zero_frequency: str | None = None
    geometry: Geometry = field(default_factory=Geometry)
    bad_pixels: np.ndarray | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """What the command line says of a file: each None or False where it says nothing."""

    frames: str | None = None
    zero_frequency: str | None = None
    axis_order: str | None = None
    probe: str | None = None
    crop_px: int | None = None
    zero_bad_pixels: bool = False
    no_object: bool = False
    geometry: Geometry = field(default_factory=Geometry)


@dataclass(frozen=True, slots=True, eq=False)
class Converted:
    """The arrays under their DATA-001 keys, and the metadata that goes with them."""

    arrays: dict[str, np.ndarray]
    metadata: dict[str, Any]


def convert(raw: RawScan, told: Told) -> Converted:
    """Return the scan under DATA-001; InputInvalid names what is missing and its option."""
    stated = list(raw.notes)
    counts = _counts(_frames_first(raw, told, stated), raw, told, stated)
    counts, bad = _centred(counts, raw, told, stated)
    counts = _without_bad_pixels(counts, bad, told, stated)
    probe = _probe(raw, told, counts, stated)
    guess = None if told.no_object else raw.object_guess
    geometry = _joined(raw.geometry, told.geometry)
    pixel_size_m = _pixel_size_m(geometry, counts.shape[-1])
    positions_px = _positions_px(raw, counts.shape[-1], pixel_size_m, stated)
    side_px = _side_px(counts.shape[-2:], told)
    if side_px != counts.shape[-1]:
        factor = side_px / counts.shape[-1]
        guess = _dropped(guess, stated, f"its pixel changes by {1 / factor:g} with --crop")
        positions_px = positions_px * factor
        pixel_size_m = pixel_size_m / factor if pixel_size_m else None
        probe = _cropped_probe(probe, side_px)
        stated.append(f"frames of {counts.shape[-1]} px cut or padded to {side_px} px (--crop)")
        counts = resized(counts, side_px)
    positions_px = _placed(positions_px, guess, raw.placed, side_px, stated)
    arrays = {
        "diffraction": np.sqrt(counts).astype(np.float32),
        "probeGuess": probe.astype(np.complex64),
        "xcoords": np.ascontiguousarray(positions_px[:, 1]),
        "ycoords": np.ascontiguousarray(positions_px[:, 0]),
    }
    if guess is not None:
        arrays["objectGuess"] = guess.astype(np.complex64)
    return Converted(arrays, _metadata(raw, geometry, pixel_size_m, stated))


def resized(images: np.ndarray, side_px: int) -> np.ndarray:
    """Return images (..., N, N) cut, or padded with zeros, about the middle pixel N // 2."""
    old_px = images.shape[-1]
    if side_px <= old_px:
        start = old_px // 2 - side_px // 2
        return images[..., start : start + side_px, start : start + side_px]
    start = side_px // 2 - old_px // 2
    padded = np.zeros((*images.shape[:-2], side_px, side_px), images.dtype)
    padded[..., start : start + old_px, start : start + old_px] = images
    return padded


def wavelength_m(energy_ev: float) -> float:
    """Return the wavelength of photons of that energy: h c / E."""
    return PLANCK_LIGHT_SPEED_EV_M / energy_ev


def _frames_first(raw: RawScan, told: Told, stated: list[str]) -> np.ndarray:
    frames, count = raw.frames, len(raw.positions)
    _require(frames.ndim == 3, f"frames have shape {frames.shape}; three dimensions are needed")
    _require(frames.dtype.kind in "fiu", f"frames are {frames.dtype}, not real numbers")
    first, last = frames.shape[0] == count, frames.shape[2] == count
    _require(first or last, f"{count} positions, but frames of shape {frames.shape}")
    order = told.axis_order or {(True, False): "first", (False, True): "last"}.get((first, last))
    _require(
        order is not None,
        f"frames of shape {frames.shape} with {count} positions fit either axis order: "
        "say --axis-order first or --axis-order last",
    )
    _require(first if order == "first" else last, f"{count} positions do not fit that axis order")
    stated.append(f"frames: shape {frames.shape}, number of the frame {order}")
    frames = frames if order == "first" else np.moveaxis(frames, -1, 0)
    _require(np.isfinite(frames).all(), "frames hold NaN or infinity")
    _require(not (frames < 0).any(), "frames hold negative values: subtract no background")
    _require(bool((frames > 0).any()), "frames hold no light")
    return frames


def _counts(frames: np.ndarray, raw: RawScan, told: Told, stated: list[str]) -> np.ndarray:
    """Return photons, float64, (n, rows, columns)."""
    kind, why = told.frames, "as told by --frames"
    seen = _kind_seen(frames)
    if kind is None and raw.frames_kind is not None:
        kind, why = raw.frames_kind, f"as {raw.source_format} defines"
        _require(
            seen is None or seen == kind,
            f"{raw.source_format} holds {kind}, but the values look like {seen}: "
            "say --frames amplitude or --frames intensity",
        )
    if kind is None:
        kind, why = seen, "as its values show"
    _require(
        kind is not None,
        "the values are neither whole numbers nor roots of whole numbers: say --frames amplitude "
        "or --frames intensity",
    )
    stated.append(f"values are {kind}, {why}")
    values = frames.astype(np.float64)
    return values if kind == "intensity" else whole_where_close(np.square(values))


def _kind_seen(frames: np.ndarray) -> str | None:
    """Return what the values must be, None where they do not show it."""
    if frames.dtype.kind in "iu":
        return "intensity"
    if np.count_nonzero(frames > 1) < TELLING_PIXELS:
        return None
    values = frames.astype(np.float64)
    if _are_whole(values):
        return "intensity"
    return "amplitude" if _are_whole(np.square(values)) else None


def _are_whole(values: np.ndarray) -> bool:
    tolerance = COUNT_TOLERANCE + SINGLE_PRECISION_SQUARE * float(values.max())
    return bool(tolerance < 0.25 and (np.abs(values - np.rint(values)) <= tolerance).all())


def whole_where_close(values: np.ndarray) -> np.ndarray:
    """Return squares of rounded roots as the counts they come from, if they are counts."""
    return np.rint(values) if _are_whole(values) else values


def _centred(
    counts: np.ndarray, raw: RawScan, told: Told, stated: list[str]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return frames, and the mask of bad pixels, with zero frequency in the centre."""
    seen = _zero_frequency_seen(counts)
    where, why = told.zero_frequency, "as told by --zero-frequency"
    if where is None:
        where, why = seen, "as the light shows"
        _require(
            raw.zero_frequency is None or seen in (None, raw.zero_frequency),
            f"{raw.source_format} has zero frequency in the {raw.zero_frequency}, but the light "
            f"lies in the {seen}: say --zero-frequency corner or --zero-frequency centre",
        )
        if seen is None and raw.zero_frequency is not None:
            where, why = raw.zero_frequency, f"as {raw.source_format} defines"
    _require(
        where is not None,
        "the light does not show where zero frequency lies: say --zero-frequency corner or "
        "--zero-frequency centre",
    )
    stated.append(f"zero frequency in the {where}, {why}")
    bad = raw.bad_pixels
    _require(
        bad is None or bad.shape == counts.shape[-2:],
        f"bad pixels have shape {None if bad is None else bad.shape}, frames {counts.shape[-2:]}",
    )
    if where == "centre":
        return counts, bad
    shifted = None if bad is None else np.fft.fftshift(bad)
    return np.fft.fftshift(counts, axes=(-2, -1)), shifted


def _zero_frequency_seen(counts: np.ndarray) -> str | None:
    """Return where more than half of the light lies, None where neither place has it.

    Middle and corners have a quarter of the area each: even light puts a quarter in either.
    """
    light = counts.sum(axis=0)
    rows, columns = (length // 4 for length in light.shape)
    total = light.sum()
    middle = light[rows : light.shape[0] - rows, columns : light.shape[1] - columns].sum()
    moved = np.fft.fftshift(light)
    corners = moved[rows : light.shape[0] - rows, columns : light.shape[1] - columns].sum()
    if middle > total / 2:
        return "centre"
    return "corner" if corners > total / 2 else None


def _without_bad_pixels(
    counts: np.ndarray, bad: np.ndarray | None, told: Told, stated: list[str]
) -> np.ndarray:
    number = 0 if bad is None else int(np.count_nonzero(bad))
    if not number:
        return counts
    _require(
        told.zero_bad_pixels,
        f"{number} pixels are marked bad, and DATA-001 has no mask: say --zero-bad-pixels to count "
        "them as dark",
    )
    stated.append(f"{number} bad pixels counted as dark (--zero-bad-pixels)")
    return np.where(bad, 0.0, counts)


def _probe(raw: RawScan, told: Told, counts: np.ndarray, stated: list[str]) -> np.ndarray:
    """Return the probe, complex128, (N, N) or (modes, N, N)."""
    if told.probe == "mean":
        stated.append("probe from the light: inverse transform of the root of the mean frame")
        light = np.sqrt(counts.mean(axis=0))
        return np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(light), norm="ortho"))
    probe = raw.probe
    if probe is None:
        raise InputInvalid("the file has no probe: say --probe FILE.npy, or --probe mean")
    side = counts.shape[-2:]
    _require(
        probe.ndim in (2, 3) and probe.shape[-2:] == side and probe.size > 0,
        f"the probe has shape {probe.shape}, frames are {side[0]} x {side[1]}",
    )
    _require(np.iscomplexobj(probe), f"the probe is {probe.dtype}, not complex")
    _require(np.isfinite(probe).all(), "the probe holds NaN or infinity")
    _require(bool(np.abs(probe).max() > 0), "the probe is dark")
    return (probe[0] if probe.shape[0] == 1 else probe).astype(np.complex128)


def _cropped_probe(probe: np.ndarray, side_px: int) -> np.ndarray:
    """Return the probe that a detector of another size sees: same extent, other pixels."""
    axes = (-2, -1)
    wave = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(probe, axes), norm="ortho"), axes)
    wave = np.fft.ifftshift(resized(wave, side_px), axes)
    return np.fft.fftshift(np.fft.ifft2(wave, norm="ortho"), axes)


def _joined(of_file: Geometry, told: Geometry) -> Geometry:
    """Return the geometry that is told, and where nothing is told, the file's."""
    names = Geometry.__slots__
    said = {name: getattr(told, name) for name in names if getattr(told, name) is not None}
    for name, value in {**{n: getattr(of_file, n) for n in names}, **said}.items():
        good = value is None or (math.isfinite(value) and value > 0)
        _require(good, f"{name} is {value}; say --{name.replace('_', '-')} with a length above 0")
    return replace(of_file, **said)


def _pixel_size_m(geometry: Geometry, side_px: int) -> float | None:
    """Return the side of an object pixel: given, or wavelength x distance / (N x detector pixel).

    None where it is neither given nor follows.
    """
    if geometry.pixel_size_m is not None:
        return geometry.pixel_size_m
    parts = (geometry.energy_ev, geometry.distance_m, geometry.detector_pixel_m)
    if None in parts:
        return None
    energy_ev, distance_m, detector_pixel_m = parts
    return wavelength_m(energy_ev) * distance_m / (side_px * detector_pixel_m)


def _positions_px(
    raw: RawScan, side_px: int, pixel_size_m: float | None, stated: list[str]
) -> np.ndarray:
    """Return centres in pixels, columns (y, x), where the file has them."""
    positions = np.asarray(raw.positions, dtype=np.float64)
    _require(np.isfinite(positions).all(), "positions hold NaN or infinity")
    if raw.unit == "m":
        if pixel_size_m is None:
            parts = ("energy_ev", "distance_m", "detector_pixel_m")
            missing = [name for name in parts if getattr(raw.geometry, name) is None]
            options = ", ".join("--" + name.replace("_", "-") for name in missing)
            raise InputInvalid(
                f"positions are in metres, and the file lacks {', '.join(missing)}: say {options}, "
                "or --pixel-size-m"
            )
        positions = positions / pixel_size_m
        stated.append(f"positions in metres, object pixel {pixel_size_m:.6g} m")
    else:
        stated.append("positions in object pixels")
    stated.append(f"a position is the {raw.mark} of the patch")
    return positions + (side_px / 2 if raw.mark == "corner" else 0)


def _side_px(shape: tuple[int, ...], told: Told) -> int:
    rows, columns = shape
    _require(rows == columns, f"frames are {rows} x {columns}, not square: cut them beforehand")
    side_px = told.crop_px or rows
    _require(
        side_px in FRAME_SIDES_PX,
        f"frames are {rows} x {columns} px; DATA-001 takes "
        f"{', '.join(map(str, FRAME_SIDES_PX))}: say --crop with one of them",
    )
    return side_px


def _placed(
    positions_px: np.ndarray,
    guess: np.ndarray | None,
    placed: bool,
    side_px: int,
    stated: list[str],
) -> np.ndarray:
    """Return positions at which every patch lies inside the object."""
    if guess is not None and placed:
        _require_guess(guess)
        least_px = side_px / 2 - POSITION_TOLERANCE_PX
        most_px = np.asarray(guess.shape) - least_px
        inside = (positions_px >= least_px).all() and (positions_px <= most_px).all()
        _require(
            bool(inside), "the object does not hold every patch: say --no-object to leave it out"
        )
        return positions_px
    _require(guess is None, "positions do not lie on the object given: say --no-object")
    shift_px = side_px // 2 - np.floor(positions_px.min(axis=0))
    stated.append(f"no object; positions moved by {shift_px[0]:g} (y), {shift_px[1]:g} (x) px")
    return positions_px + shift_px


def _require_guess(guess: np.ndarray) -> None:
    _require(
        guess.ndim == 2 and np.iscomplexobj(guess) and bool(np.isfinite(guess).all()),
        f"the object has shape {guess.shape} and dtype {guess.dtype}; it must be (H, W), complex "
        "and finite: say --no-object to leave it out",
    )


def _dropped(guess: np.ndarray | None, stated: list[str], why: str) -> None:
    if guess is not None:
        stated.append(f"object left out: {why}")


def _metadata(
    raw: RawScan, geometry: Geometry, pixel_size_m: float | None, stated: list[str]
) -> dict[str, Any]:
    lengths: Mapping[str, float | None] = {
        "pixel_size_m": pixel_size_m,
        "photon_energy_ev": geometry.energy_ev,
        "detector_distance_m": geometry.distance_m,
    }
    known = {name: float(value) for name, value in lengths.items() if value is not None}
    source = {"source_format": raw.source_format}
    return {"input_kind": INPUT_KIND, **source, **known, "assumptions": stated}


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise InputInvalid(message)
