"""Turn a scan, as another program stored it, into the arrays of DATA-001.

Pure.  What the file says, or what its numbers show beyond doubt, is taken and stated; what neither
tells is refused, with the option that tells it.  Source: docs/importing.md
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from harness import detector, orientation, placement
from harness.errors import InputInvalid
from harness.scans import (
    Converted,
    Geometry,
    RawScan,
    Told,
    Turn,
    agreed_energy_ev,
    agreed_pixel_size_m,
    joined,
    require,
)

INPUT_KIND = "measured"
# Over the largest object, positions by two such pixels lie less than 0.02 px apart.
SAME_PIXEL = 1e-6


def convert(raw: RawScan, told: Told) -> Converted:
    """Return the scan under DATA-001; InputInvalid names what is missing and its option."""
    stated = list(raw.notes)
    counts = detector.counts_of(raw, told, stated)
    old_px = counts.shape[-1]
    raw = _conjugated(raw, told, stated)
    probe = placement.probe_of(raw, told, counts, stated)
    geometry = _geometry(raw, told, stated)
    told_pixel = told.geometry.pixel_size_m is not None
    pixel_m = agreed_pixel_size_m(geometry, old_px, stated, told=told_pixel)
    positions_px = placement.positions_px(raw, told, old_px, geometry, stated)
    guess, side_px = _guess(raw, told, old_px, stated), detector.side_px(old_px, told)
    if guess is not None:
        _require_own_pixel(raw.geometry.pixel_size_m, pixel_m)
    if side_px != old_px:
        factor = side_px / old_px
        positions_px = positions_px * factor
        pixel_m = pixel_m / factor if pixel_m else None
        probe = placement.cropped_probe(probe, side_px)
        counts = _cropped(counts, side_px, stated)
    fits = raw.placed and not (told.flip or told.swap_xy)
    positions_px = placement.placed(positions_px, guess, fits, side_px, stated)
    arrays = {
        "diffraction": np.sqrt(counts).astype(np.float32),
        "probeGuess": probe.astype(np.complex64),
        "xcoords": np.ascontiguousarray(positions_px[:, 1]),
        "ycoords": np.ascontiguousarray(positions_px[:, 0]),
    }
    if guess is not None:
        _check_axes(orientation.fit(counts, probe, guess, positions_px), told, stated)
        arrays["objectGuess"] = guess.astype(np.complex64)
    return Converted(arrays, _metadata(raw, geometry, pixel_m, stated))


def _geometry(raw: RawScan, told: Told, stated: list[str]) -> Geometry:
    energy_ev = agreed_energy_ev(raw.energies_ev, told.geometry.energy_ev, stated)
    of_file = raw.geometry if energy_ev is None else replace(raw.geometry, energy_ev=energy_ev)
    return joined(of_file, told.geometry)


def _guess(raw: RawScan, told: Told, old_px: int, stated: list[str]) -> np.ndarray | None:
    """Return the file's object, None where there is none or it cannot be kept, and say why."""
    if raw.object_guess is None:
        return None
    if told.no_object:
        stated.append("object left out (--no-object)")
        return None
    if told.crop_px not in (None, old_px):
        stated.append(
            "object left out: on the pixels that --crop makes it would not predict the frames"
        )
        return None
    return raw.object_guess


def _require_own_pixel(own_m: float | None, pixel_m: float | None) -> None:
    """Refuse an object of a file that says its pixel where another pixel is told."""
    same = None in (own_m, pixel_m) or math.isclose(own_m, pixel_m, rel_tol=SAME_PIXEL)
    require(
        same,
        f"the file's object lies on pixels of {own_m} m, and not of {pixel_m} m as told: say "
        "--no-object to leave it out, or leave --pixel-size-m out",
    )


def _conjugated(raw: RawScan, told: Told, stated: list[str]) -> RawScan:
    if not told.conjugate:
        return raw
    stated.append("object and probe conjugated (--conjugate)")
    probe, guess = (
        None if array is None else np.conj(array) for array in (raw.probe, raw.object_guess)
    )
    return replace(raw, probe=probe, object_guess=guess)


def _check_axes(fit: orientation.Fit | None, told: Told, stated: list[str]) -> None:
    """Refuse axes that fit the file's own object better another way; say how well they fit."""
    if fit is None:
        return
    change = fit.change
    better = f"far better (misfit {fit.changed_misfit:.3g}, not {fit.misfit:.3g})"
    if any(change.moved_px):
        y_px, x_px = change.moved_px
        stated.append(
            f"object and probe of the file predict its frames {better} once the frames are moved "
            f"by {y_px:+d} (y), {x_px:+d} (x) px: cut them about the beam beforehand"
        )
        return
    if change != orientation.Change():
        raise InputInvalid(
            f"the file's object and probe predict its frames {better} when these run another way. "
            f"To make them fit: {_advice(change, told)}, or say --no-object alone if frames and "
            "positions are right as they stand"
        )
    stated.append(
        f"object and probe of the file do not predict its frames: misfit {fit.misfit:.3g} (1 is "
        f"shot noise), their own mean frame leaves {fit.of_mean_frame:.3g}. They may be a first "
        "guess, of another scan, or of other conventions than --flip, --swap-xy, --flip-frames, "
        "--transpose-frames and --conjugate mend"
        if fit.poor
        else f"object and probe of the file predict its frames to a misfit of {fit.misfit:.3g} "
        "(1 is shot noise)"
    )


def _advice(change: orientation.Change, told: Told) -> str:
    """Return what to say, and what of that which was told to leave out, to make a change."""
    before = _frame_options(told.frames_turn, told.conjugate)
    needed = _frame_options(
        told.frames_turn.then(change.frames), told.conjugate != change.conjugate
    )
    positions = _turn_options(change.positions, "--swap-xy", "--flip")
    if positions:
        positions["--no-object"] = "--no-object"
    say = [*needed.values(), *positions.values()]
    leave = [words for option, words in before.items() if option not in needed]
    orders = [
        *([f"say {' '.join(say)}"] if say else []),
        *([f"leave {' '.join(leave)} out"] if leave else []),
    ]
    return " and ".join(orders)


def _frame_options(turn: Turn, conjugate: bool) -> dict[str, str]:
    options = _turn_options(turn, "--transpose-frames", "--flip-frames")
    return options | ({"--conjugate": "--conjugate"} if conjugate else {})


def _turn_options(turn: Turn, swap: str, flip: str) -> dict[str, str]:
    """Return the words that ask for a turn, by the option."""
    swapped = {swap: swap} if turn.swap else {}
    return swapped | ({flip: f"{flip} {turn.flip}"} if turn.flip else {})


def _cropped(counts: np.ndarray, side_px: int, stated: list[str]) -> np.ndarray:
    """Return frames of another side, and say how much of the light they keep."""
    cut = detector.resized(counts, side_px)
    kept_fraction = cut.sum() / counts.sum()
    stated.append(
        f"frames of {counts.shape[-1]} px cut or padded to {side_px} px (--crop), "
        f"{kept_fraction:.2%} of the light kept"
    )
    return cut


def _metadata(
    raw: RawScan, geometry: Geometry, pixel_m: float | None, stated: list[str]
) -> dict[str, Any]:
    lengths: Mapping[str, float | None] = {
        "pixel_size_m": pixel_m,
        "photon_energy_ev": geometry.energy_ev,
        "detector_distance_m": geometry.distance_m,
    }
    known = {name: float(value) for name, value in lengths.items() if value is not None}
    source = {"source_format": raw.source_format}
    return {"input_kind": INPUT_KIND, **source, **known, "assumptions": stated}
