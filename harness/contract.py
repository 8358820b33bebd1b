"""The NPZ contract DATA-001 over descriptions: the schema, and what a schema cannot say.

Pure; needs no array library.  Every check returns all its findings in a stable order and never
raises on data.  What an input claims to be is checked in `claims`, offered here as well.
Source: docs/data_contracts.md
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness import schemas
from harness.claims import InputClaim, NpzReading, check_claims, check_disjoint, check_given
from harness.model import Finding
from harness.rules import finding

__all__ = ["InputClaim", "NpzReading", "check", "check_claims", "check_disjoint", "check_given"]

REQUIRED_KEYS = ("diffraction", "probeGuess", "objectGuess", "xcoords", "ycoords")
# Nobody knows the object of a measured scan: a guess may stand there, or nothing.
GUESSED_KEYS = ("objectGuess",)
KNOWN_KEYS = (*REQUIRED_KEYS, "Y", "filenames", "_metadata")
PER_FRAME_KEYS = ("xcoords", "ycoords", "Y", "filenames")
POSITION_TOLERANCE_PX = 1e-3
# Even light puts a quarter there; a scan with its zero frequency in the centre, far less.
CORNER_LIGHT_LIMIT = 0.5

# A rule's own words on a shape are clearer than the schema's: they replace them.
_SHAPE_RULES = ("npz.axis-order", "npz.frames-square", "npz.frame-side")

Description = Mapping[str, Any]
# A breach: rule, key, expected, found.
Breach = tuple[str, str, str, str]


def check(description: Description, *, schema: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Return every way in which a described NPZ breaks DATA-001, notes included.

    description: as `npz.read` makes it.  schema: `resources.schema("npz_input")`.
    Findings of the rules come first, in the order of `RULES_IN_ORDER`, then the schema's.
    """
    where = str(description.get("file", "?"))
    by_schema = schemas.check(description, schema, name="npz_input", where=where)
    if any(_is_structural(found) for found in by_schema):
        return by_schema
    by_rule = tuple(
        finding(rule, where=where, pointer=key, expected=expected, found=found)
        for check_one in RULES_IN_ORDER
        for rule, key, expected, found in check_one(description)
    )
    return (*by_rule, *(found for found in by_schema if not _is_explained(found, by_rule)))


def required_keys(metadata: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the arrays that an input with that metadata must hold."""
    measured = is_measured(metadata or {})
    return tuple(key for key in REQUIRED_KEYS if not (measured and key in GUESSED_KEYS))


def is_measured(metadata: Mapping[str, Any]) -> bool:
    """Tell whether an input with that metadata is a measured scan, whose object nobody knows."""
    return metadata.get("input_kind") == "measured"


def _is_structural(found: Finding) -> bool:
    """Tell whether the description itself, not what it describes, is malformed."""
    parts = found.pointer.split("/")[1:]
    if parts[:1] == ["arrays"] and len(parts) > 1:
        return len(parts) == 2 or parts[2] not in ("dtype", "shape")
    return parts[:1] not in (["arrays"], ["metadata"], ["unreadable"]) or (
        parts == ["arrays"] and not found.expected.startswith("the key ")
    )


def _is_explained(found: Finding, by_rule: tuple[Finding, ...]) -> bool:
    if found.pointer == "/arrays":
        return True
    return any(
        found.pointer.startswith(f"/arrays/{rule.pointer}/shape")
        for rule in by_rule
        if rule.rule in _SHAPE_RULES
    )


def _keys(description: Description) -> Iterator[Breach]:
    arrays = description["arrays"]
    for key in required_keys(description["metadata"]):
        if key not in arrays and key not in description["unreadable"]:
            yield "npz.key-missing", key, "this key", f"only {', '.join(arrays) or 'no array'}"
    for key in arrays:
        if key not in KNOWN_KEYS:
            yield "npz.unknown-key", key, f"one of {', '.join(KNOWN_KEYS)}", "another key"


def _frame_shape(description: Description) -> Iterator[Breach]:
    shape = _shape(description, "diffraction")
    if len(shape) != 3 or shape[1] == shape[2]:
        return
    if shape[0] == shape[1]:
        expected, rule = f"({shape[2]}, {shape[0]}, {shape[0]})", "npz.axis-order"
    else:
        expected, rule = "(n, N, N)", "npz.frames-square"
    yield rule, "diffraction", expected, _tuple(shape)


def _equal_n(description: Description) -> Iterator[Breach]:
    frames = _frames(description)
    for key in PER_FRAME_KEYS:
        shape = _shape(description, key)
        if frames is not None and shape and shape[0] != frames:
            yield "npz.equal-n", key, f"{frames}, as many as frames", str(shape[0])


def _sides(description: Description) -> Iterator[Breach]:
    side_px = description["statistics"]["frame_px"]
    for key in ("probeGuess", "Y"):
        shape = _shape(description, key)
        if side_px and len(shape) >= 2 and shape[-2:] != [side_px, side_px]:
            expected = f"{side_px} x {side_px}, the frames' side"
            yield "npz.frame-side", key, expected, f"{shape[-2]} x {shape[-1]}"
    shape = _shape(description, "objectGuess")
    if side_px and len(shape) == 2 and min(shape) < side_px:
        yield "npz.object-small", "objectGuess", f"at least {side_px} x {side_px}", _tuple(shape)


def _values(description: Description) -> Iterator[Breach]:
    for key, record in description["arrays"].items():
        if record["finite"] is False and key in KNOWN_KEYS:
            found = f"{record['nonfinite_count']} values that are NaN or infinite"
            yield "npz.finite", key, "finite values", found
    lowest = description["arrays"].get("diffraction", {}).get("min")
    if lowest is not None and lowest < 0:
        yield "npz.amplitude-negative", "diffraction", "a minimum of 0 or more", f"{lowest:g}"


def _light(description: Description) -> Iterator[Breach]:
    numbers = description["statistics"]
    frames, empty = _frames(description), numbers["empty_frames"]
    if empty and empty == frames:
        yield "npz.no-photons", "diffraction", "light in some frame", f"{frames} dark frames"
    elif empty:
        yield "npz.empty-frames", "diffraction", "light in every frame", f"{empty} dark frames"
    elif numbers["whole_amplitudes"]:
        expected = "square roots of counts"
        yield "npz.amplitude-looks-like-intensity", "diffraction", expected, "whole numbers only"
    elif numbers["whole_counts"] is False:
        expected = "squares that are whole numbers"
        yield "npz.amplitude-not-counts", "diffraction", expected, "other squares"


def _frequencies(description: Description) -> Iterator[Breach]:
    fraction = description["statistics"]["corner_light_fraction"]
    if fraction is not None and fraction > CORNER_LIGHT_LIMIT:
        found = f"{fraction:.0%} of the light in the corners"
        yield "npz.zero-frequency-in-corner", "diffraction", "most light around the centre", found


def _positions_inside(description: Description) -> Iterator[Breach]:
    numbers, shape = description["statistics"], _object_shape(description)
    if not numbers["frame_px"] or not numbers["positions"] or len(shape) != 2:
        return
    if min(shape) < numbers["frame_px"]:
        return
    half_px = numbers["frame_px"] / 2
    for axis, length_px in (("x", shape[1]), ("y", shape[0])):
        low_px, high_px = numbers[f"{axis}_min_px"], numbers[f"{axis}_max_px"]
        too_low = low_px < half_px - POSITION_TOLERANCE_PX
        if too_low or high_px > length_px - half_px + POSITION_TOLERANCE_PX:
            most = f" to {length_px - half_px:g}" if length_px < math.inf else ""
            expected = f"centres from {half_px:g}{most} px"
            found = f"{low_px:g} to {high_px:g} px"
            yield "npz.positions-outside", f"{axis}coords", expected, found


def _object_shape(description: Description) -> list[float]:
    """Return the object's sides; without one, the object is as large as the positions ask for."""
    absent = "objectGuess" not in (*description["arrays"], *description["unreadable"])
    if absent and "objectGuess" not in required_keys(description["metadata"]):
        return [math.inf, math.inf]
    return _shape(description, "objectGuess")


def _positions_vary(description: Description) -> Iterator[Breach]:
    numbers = description["statistics"]
    if (numbers["positions"] or 0) < 2:
        return
    for axis in "xy":
        if numbers[f"{axis}_min_px"] == numbers[f"{axis}_max_px"]:
            found = f"{numbers[f'{axis}_min_px']:g} px throughout"
            yield "npz.positions-constant", f"{axis}coords", "more than one value", found
    if numbers["spacing_min_px"] == 0:
        yield "npz.positions-duplicate", "xcoords", "positions apart", "frames at one position"


def _storage(description: Description) -> Iterator[Breach]:
    for key, record in description["arrays"].items():
        doubles = {"float64": "float32", "complex128": "complex64"}
        # Positions are small, and double precision is as much at home there.
        if key in ("diffraction", "probeGuess", "objectGuess", "Y") and record["dtype"] in doubles:
            expected = doubles[record["dtype"]]
            yield "npz.double-precision", key, expected, record["dtype"]
        if record["byte_order"] == "big" and key in KNOWN_KEYS:
            yield "npz.byte-order", key, "little-endian", "big-endian"


RULES_IN_ORDER: tuple[Callable[[Description], Iterator[Breach]], ...] = (
    _keys,
    _frame_shape,
    _equal_n,
    _sides,
    _values,
    _light,
    _frequencies,
    _positions_inside,
    _positions_vary,
    _storage,
)


def _shape(description: Description, key: str) -> list[int]:
    return description["arrays"].get(key, {}).get("shape", [])


def _frames(description: Description) -> int | None:
    return description["statistics"]["frames"]


def _tuple(shape: list[int]) -> str:
    return f"({', '.join(map(str, shape))})"
