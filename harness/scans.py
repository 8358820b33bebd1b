"""What a scan is on its way from another program's file to DATA-001, and its lengths.

Pure.  Source: docs/importing.md
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import InputInvalid

# Planck's constant times the speed of light, exact by the definition of the SI units.
PLANCK_LIGHT_SPEED_EV_M = 6.62607015e-34 * 299792458 / 1.602176634e-19
FOLLOWS_FROM = "energy, distance and detector pixel"
# Energies, and wavelengths written with four digits, that differ by less are the same; and pixels.
ENERGY_TOLERANCE = PIXEL_TOLERANCE = 1e-3


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
    probe: complex, (N, N) or (modes, N, N).  energies_ev: of a photon, by the dataset that says it,
    where a file has several places for it.  bad_pixels: True where a pixel says nothing.
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
    energies_ev: Mapping[str, float] = field(default_factory=dict)
    bad_pixels: np.ndarray | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """Two axes exchanged if `swap`, and then turned about: `flip` is "", "x", "y" or "xy"."""

    swap: bool = False
    flip: str = ""

    def then(self, other: Turn) -> Turn:
        """Return the one turn that is this turn and then the other."""
        exchanged = {"x": "y", "y": "x"} if other.swap else {}
        own = {exchanged.get(axis, axis) for axis in self.flip}
        return Turn(self.swap != other.swap, "".join(sorted(own ^ set(other.flip))))


@dataclass(frozen=True, slots=True)
class Told:
    """What the command line says of a file: each None, False or empty where it says nothing.

    flip: axes, "x", "y" or "xy", along which positions count against the frames' own axes.
    swap_xy: whether the file's x runs along the frames' rows; taken before `flip`.
    frames_turn: how frames are turned.  conjugate: whether object and probe are conjugated.
    """

    frames: str | None = None
    zero_frequency: str | None = None
    axis_order: str | None = None
    probe: str | None = None
    crop_px: int | None = None
    zero_bad_pixels: bool = False
    no_object: bool = False
    flip: str = ""
    swap_xy: bool = False
    frames_turn: Turn = Turn()
    conjugate: bool = False
    geometry: Geometry = field(default_factory=Geometry)


@dataclass(frozen=True, slots=True, eq=False)
class Converted:
    """The arrays under their DATA-001 keys, and the metadata that goes with them."""

    arrays: dict[str, np.ndarray]
    metadata: dict[str, Any]


def wavelength_m(energy_ev: float) -> float:
    """Return the wavelength of photons of that energy: h c / E."""
    return PLANCK_LIGHT_SPEED_EV_M / energy_ev


def energy_ev(wavelength_m: float) -> float:
    """Return the energy of photons of that wavelength: h c / lambda."""
    return PLANCK_LIGHT_SPEED_EV_M / wavelength_m if wavelength_m else math.inf


def told_energy_ev(energy: float | None, wavelength_m: float | None) -> float | None:
    """Return the energy that --energy-ev or --wavelength-m tells, None where neither does.

    Raises InputInvalid for a wavelength that is not above 0.
    """
    if wavelength_m is None:
        return energy
    good = math.isfinite(wavelength_m) and wavelength_m > 0
    require(good, f"a wavelength of {wavelength_m} m: say --wavelength-m with a number above 0")
    return energy_ev(wavelength_m)


def agreed_energy_ev(
    energies_ev: Mapping[str, float], told: float | None, stated: list[str]
) -> float | None:
    """Return the energy that is told, else that of the file, and say whose; None without both.

    energies_ev: by the dataset that says it.  Raises InputInvalid for two that contradict.
    """
    if told is not None:
        stated.append(f"photon energy {told:.6g} eV, as told")
        return told
    if not energies_ev:
        return None
    (first, energy), *others = energies_ev.items()
    for name, other in others:
        require(
            math.isclose(energy, other, rel_tol=ENERGY_TOLERANCE),
            f"{first} says {energy:.6g} eV, {name} {other:.6g} eV: say --energy-ev or "
            "--wavelength-m",
        )
    stated.append(f"photon energy {energy:.6g} eV, from {' and '.join(energies_ev)}")
    return energy


def joined(of_file: Geometry, told: Geometry) -> Geometry:
    """Return the geometry that is told, and where nothing is told, the file's.

    Raises InputInvalid for a number that is not above 0.
    """
    names = Geometry.__slots__
    said = {name: getattr(told, name) for name in names if getattr(told, name) is not None}
    both = replace(of_file, **said)
    for name in names:
        value = getattr(both, name)
        good = value is None or (math.isfinite(value) and value > 0)
        whose = "the command line" if name in said else "the file"
        require(
            good,
            f"{name} is {value} in {whose}: say --{name.replace('_', '-')} with a number above 0",
        )
    return both


def pixel_size_m(geometry: Geometry, side_px: int) -> float | None:
    """Return the side of an object pixel, None where it is neither given nor follows."""
    given = geometry.pixel_size_m
    return _following_pixel_size_m(geometry, side_px) if given is None else given


def agreed_pixel_size_m(
    geometry: Geometry, side_px: int, stated: list[str], *, told: bool
) -> float | None:
    """Return the side of an object pixel, and say where it is from.

    told: whether what `geometry` gives is of the command line.  Raises InputInvalid where a pixel
    is given and another one follows.
    """
    given, follows = geometry.pixel_size_m, _following_pixel_size_m(geometry, side_px)
    if given is None:
        if follows is not None:
            stated.append(f"object pixel {follows:.6g} m, from {FOLLOWS_FROM}")
        return follows
    whose = "as told" if told else "as the file says"
    if follows is not None and not math.isclose(given, follows, rel_tol=PIXEL_TOLERANCE):
        other = "leave --pixel-size-m out" if told else "say --pixel-size-m"
        raise InputInvalid(
            f"an object pixel of {given:.6g} m, {whose}, and one of {follows:.6g} m, from "
            f"{FOLLOWS_FROM}, contradict: say --energy-ev, --wavelength-m, --distance-m or "
            f"--detector-pixel-m for what is wrong of these, or {other}"
        )
    stated.append(f"object pixel {given:.6g} m, {whose}")
    return given


def _following_pixel_size_m(geometry: Geometry, side_px: int) -> float | None:
    """Return wavelength x distance / (N x detector pixel), None where one of them is not known."""
    parts = (geometry.energy_ev, geometry.distance_m, geometry.detector_pixel_m)
    if None in parts:
        return None
    energy_ev, distance_m, detector_pixel_m = parts
    return wavelength_m(energy_ev) * distance_m / (side_px * detector_pixel_m)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file's name before what an InputInvalid raised within says of it."""
    try:
        yield
    except InputInvalid as error:
        raise InputInvalid(f"{path}: {error}", error.findings) from error


def require(holds: bool, message: str) -> None:
    """Raise InputInvalid with the message unless something holds."""
    if not holds:
        raise InputInvalid(message)
