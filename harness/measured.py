"""Turn a scan, as another program stored it, into the arrays of DATA-001.

Pure.  What the file says, or what its numbers show beyond doubt, is taken and stated; what neither
tells is refused, with the option that tells it.  Source: docs/importing.md
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from harness import detector, orientation, placement
from harness.errors import InputInvalid
from harness.scans import Converted, Geometry, RawScan, Told, agreed_energy_ev, joined, pixel_size_m

INPUT_KIND = "measured"


def convert(raw: RawScan, told: Told) -> Converted:
    """Return the scan under DATA-001; InputInvalid names what is missing and its option."""
    stated = list(raw.notes)
    counts = detector.counts_of(raw, told, stated)
    old_px = counts.shape[-1]
    probe = placement.probe_of(raw, told, counts, stated)
    geometry = _geometry(raw, told, stated)
    pixel_m = pixel_size_m(geometry, old_px)
    positions_px = placement.positions_px(raw, told, old_px, geometry, stated)
    guess, side_px = _guess(raw, told, old_px, stated), detector.side_px(old_px, told)
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
        _check_axes(counts, probe, guess, positions_px, stated)
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


def _check_axes(
    counts: np.ndarray,
    probe: np.ndarray,
    guess: np.ndarray,
    positions_px: np.ndarray,
    stated: list[str],
) -> None:
    """Refuse positions that fit the file's own object better when turned about."""
    found, better = orientation.mistaken(counts, probe, guess, positions_px)
    if better:
        raise InputInvalid(
            "the file's object and probe predict its frames far better when the positions run "
            f"another way: say {' '.join(better)} --no-object, or --no-object alone if they are "
            "right as they stand"
        )
    if found is not None:
        stated.append(
            f"object and probe of the file predict its frames to a misfit of {found:.3g} "
            "(1 is shot noise)"
        )


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
