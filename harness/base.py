"""What study inputs are simulated from: the embedded scene, or a user's NPZ.

Arrays are kept in single precision, as they will be stored, so that the stored truth is exact.
Source: docs/adr/0004-study-inputs.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness import optics, positions, rules
from harness.design import Preset
from harness.errors import InputInvalid
from harness.model import Finding

ComplexArray = NDArray[np.complex64]
FloatArray = NDArray[np.float64]

KEYS = ("objectGuess", "probeGuess", "xcoords", "ycoords")
FRAME_SIDES_PX = (32, 64, 128, 256)
EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class Base:
    """An object (H, W), a probe (N, N), and positions (n, 2), (y, x), whole pixels.

    name: "embedded", or the name of the file that the scene came from.
    preset: the name of the geometry of an embedded scene, None for that of a file.
    """

    name: str
    object_: ComplexArray
    probe: ComplexArray
    positions_px: FloatArray
    preset: str | None = None

    @property
    def frame_px(self) -> int:
        """The side of a frame, which is that of the probe."""
        return self.probe.shape[-1]


def embedded(preset: Preset, seeds: Mapping[str, int]) -> Base:
    """Return the embedded scene in a preset's geometry; seeds "object" and "scan" are used."""
    border_px = preset.frame_px // 2 + preset.frame_px // 8
    scan_px = positions.jittered_raster(
        preset.position_count, preset.field_px, preset.jitter_fraction, seeds["scan"]
    )
    probe = optics.defocused_probe(
        preset.frame_px, preset.probe_diameter_fraction * preset.frame_px
    )
    return Base(
        name=EMBEDDED,
        object_=optics.default_object(preset.field_px, border_px, seeds["object"]).astype(
            np.complex64
        ),
        probe=probe.astype(np.complex64),
        positions_px=scan_px + border_px,
        preset=preset.name,
    )


def from_arrays(arrays: Mapping[str, NDArray], name: str) -> Base:
    """Return the scene held by the arrays of an NPZ; positions are rounded to whole pixels.

    Keys: objectGuess (H, W), probeGuess (N, N), xcoords and ycoords (n,), object pixels; others
    are not looked at.  name: the file's, for findings.
    Raises InputInvalid with every finding (rule inputs.base) and one message for all.
    """
    if found := _check(arrays, name):
        raise invalid(found)
    probe = arrays["probeGuess"]
    y_x = np.stack([arrays["ycoords"], arrays["xcoords"]], axis=1).astype(np.float64)
    base = Base(
        name=name,
        object_=arrays["objectGuess"].astype(np.complex64),
        probe=probe.reshape(probe.shape[-2:]).astype(np.complex64),
        positions_px=positions.to_whole_pixels(y_x),
    )
    if found := _check_inside(base, arrays):
        raise invalid(found)
    return base


def _check(arrays: Mapping[str, NDArray], name: str) -> list[Finding]:
    missing = [key for key in KEYS if key not in arrays]
    if missing:
        return [_finding(name, key, "an array of that name", "none") for key in missing]
    shapes = {
        "objectGuess": (arrays["objectGuess"].ndim == 2, "shape (H, W)"),
        "probeGuess": (
            _is_one_frame(arrays["probeGuess"].shape),
            f"shape (N, N), one mode, N in {FRAME_SIDES_PX}",
        ),
        "xcoords": (arrays["xcoords"].ndim == 1 and arrays["xcoords"].size > 0, "shape (n,)"),
        "ycoords": (
            arrays["ycoords"].shape == arrays["xcoords"].shape,
            f"the shape of xcoords, {arrays['xcoords'].shape}",
        ),
    }
    return [
        found
        for key, (shape_holds, expected_shape) in shapes.items()
        if (found := _check_array(arrays[key], key, shape_holds, expected_shape, name))
    ]


def _check_array(
    array: NDArray, key: str, shape_holds: bool, expected_shape: str, name: str
) -> Finding | None:
    kinds = "iuf" if key.endswith("coords") else "iufc"
    if array.dtype.kind not in kinds:
        expected = "real numbers" if key.endswith("coords") else "complex numbers"
        return _finding(name, key, expected, f"dtype {array.dtype}")
    if not shape_holds:
        return _finding(name, key, expected_shape, f"shape {array.shape}")
    with np.errstate(over="ignore"):
        stored = array if key.endswith("coords") else array.astype(np.complex64)
    bad = array.size - int(np.isfinite(stored).sum())
    if bad:
        return _finding(name, key, "finite values", f"{bad} of {array.size} NaN or infinite")
    return None


def _check_inside(base: Base, arrays: Mapping[str, NDArray]) -> list[Finding]:
    half_px = base.frame_px // 2
    found = []
    for axis, key in ((0, "ycoords"), (1, "xcoords")):
        highest_px = base.object_.shape[axis] - half_px
        values_px = base.positions_px[:, axis]
        outside = int(((values_px < half_px) | (values_px > highest_px)).sum())
        if outside:
            found.append(
                _finding(
                    base.name,
                    key,
                    f"centres from {half_px} to {highest_px} in object pixels, rounded to whole "
                    f"ones, so that every patch of {base.frame_px} px lies in the object of "
                    f"{base.object_.shape[0]} x {base.object_.shape[1]} px",
                    f"{outside} of {values_px.size} outside, "
                    f"from {arrays[key].min()!s} to {arrays[key].max()!s}",
                )
            )
    return found


def _is_one_frame(shape: tuple[int, ...]) -> bool:
    one_mode = len(shape) == 2 or (len(shape) == 3 and shape[0] == 1)
    return one_mode and shape[-1] == shape[-2] and shape[-1] in FRAME_SIDES_PX


def _finding(name: str, key: str, expected: str, found: str) -> Finding:
    return rules.finding("inputs.base", where=name, pointer=key, expected=expected, found=found)


def fault(base: Base, key: str, expected: str, found: str) -> InputInvalid:
    """Return the error about one key of a scene, or about the preset that it was made in."""
    if base.preset is None:
        return invalid([_finding(base.name, key, expected, found)])
    pointer = f"/presets/{base.preset}"
    wrong = rules.finding(
        "inputs.preset", where="the study file", pointer=pointer, expected=expected, found=found
    )
    return InputInvalid(f"the preset {base.preset} cannot serve to make inputs", [wrong])


def invalid(found: Sequence[Finding]) -> InputInvalid:
    """Return the error that carries all findings about a base."""
    return InputInvalid("the base NPZ cannot serve to make inputs", found)
