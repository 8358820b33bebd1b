"""Read scans from the HDF5 layouts of other programs: CXI and ptychodus products.

The fields of each format: docs/importing.md
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from harness import hdf5, placement
from harness.errors import InputInvalid
from harness.scans import Geometry, RawScan, energy_ev, naming

JOULE_PER_EV = 1.602176634e-19
METRES = {
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1.0),
    "mm": 1e-3,
    "um": 1e-6,
    "µm": 1e-6,
    "micron": 1e-6,
    "microns": 1e-6,
    "nm": 1e-9,
    **dict.fromkeys(("angstrom", "angstroms", "å"), 1e-10),
}
ELECTRONVOLTS = {
    **dict.fromkeys(("j", "joule", "joules"), 1 / JOULE_PER_EV),
    "ev": 1.0,
    "kev": 1e3,
}
CXI_DATA = "/entry_1/data_1"
CXI_DETECTOR = "/entry_1/instrument_1/detector_1"
CXI_SOURCE = "/entry_1/instrument_1/source_1"
# Where the beam is described: NeXus has it in the instrument, the sample, or the entry.
CXI_BEAMS = ("/entry_1/instrument_1/beam_1", "/entry_1/sample_1/beam_1", "/entry_1/beam_1")
CXI_FRAMES = (f"{CXI_DATA}/data", f"{CXI_DETECTOR}/data")
CXI_TRANSLATIONS = (f"{CXI_DATA}/translation", "/entry_1/sample_1/geometry_1/translation")
# Attribute of a translation, in this project's own CXI files: which of the two moves.
CXI_MOVES = "of"
MOVES = ("sample", "probe")
# Where ptychodus keeps, in a CXI file, what CXI has no place for.
CXI_PTYCHODUS = "/entry_1/ptychodus"


# What of `Beside` a format uses; the others use nothing of it.
USED = {
    "CXI": ("diffraction", "frames_path", "translation"),
    "ptychodus": ("diffraction", "frames_path"),
}


@dataclass(frozen=True, slots=True)
class Beside:
    """What the command line names beside the file.

    diffraction: file of the frames, of a scan that lies in two files.  frames_path: where in it
    they lie, or in the scan's own where there is no other; None for the usual places.
    translation: whether a CXI file's translations are the sample's or the probe's, None to go by
    what the file says of them.
    """

    diffraction: Path | None = None
    frames_path: str | None = None
    translation: str | None = None

    def unused(self, source_format: str) -> tuple[str, ...]:
        """Return the options that name something of which a format has no use."""
        told = [name for name in self.__slots__ if getattr(self, name) is not None]
        used = USED.get(source_format, ())
        return tuple(f"--{name.replace('_', '-')}" for name in told if name not in used)


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """Frames and what their file says of them; numbers: what positions call them."""

    values: np.ndarray
    numbers: np.ndarray | None
    bad_pixels: np.ndarray | None
    detector_pixel_m: float | None
    notes: tuple[str, ...]


def scan(file: h5py.File, beside: Beside) -> RawScan:
    """Return the scan in an open file; InputInvalid for a layout that is not known."""
    if hdf5.exists(file, CXI_DATA) or hdf5.exists(file, CXI_FRAMES[1]):
        return _cxi(file, beside)
    if hdf5.exists(file, "probe_position_x_m"):
        return _ptychodus(file, beside)
    raise InputInvalid(
        f"neither {CXI_DATA} (CXI) nor probe_position_x_m (ptychodus product) is there: store the "
        "scan as one of them"
    )


def check_positions(positions: np.ndarray, name: str, columns: tuple[int, ...] = (2,)) -> None:
    """Raise InputInvalid for an array that is not (n, 2) numbers, n >= 1.

    columns: how many there may be, where a format has more.
    """
    if positions.dtype.kind not in "fiu" or positions.ndim != 2 or not len(positions):
        raise InputInvalid(
            f"{name} is {positions.dtype} of shape {positions.shape}, no positions: store (n, 2) "
            "numbers"
        )
    if positions.shape[1] not in columns:
        raise InputInvalid(f"{name} has {positions.shape[1]} columns: store two")


def _cxi(file: h5py.File, beside: Beside) -> RawScan:
    name, translation = _first(file, CXI_TRANSLATIONS)
    check_positions(translation, "translation", columns=(2, 3))
    moves, why = _moves(file, name, beside.translation)
    sign = -1.0 if moves == "sample" else 1.0
    positions = sign * _in_unit(file, name, METRES, "m") * translation[:, 1::-1].astype(np.float64)
    found = _frames(file, beside)
    weights = hdf5.dataset(file, f"{CXI_PTYCHODUS}/opr_weights")
    illumination = hdf5.dataset(file, f"{CXI_SOURCE}/illumination")
    probe, opr = _mean_of_opr(illumination, weights)
    numbers = hdf5.dataset(file, f"{CXI_PTYCHODUS}/probe_position_indexes")
    return RawScan(
        source_format="CXI",
        frames=_matched(found, numbers, len(positions)),
        positions=positions,
        unit="m",
        probe=probe,
        frames_kind="intensity",
        geometry=Geometry(
            distance_m=_measure(file, f"{CXI_DETECTOR}/distance", METRES, "m"),
            detector_pixel_m=_detector_pixel_m(file) or found.detector_pixel_m,
        ),
        energies_ev=_energies_ev(file),
        bad_pixels=found.bad_pixels,
        notes=(
            f"{name} is that of the {moves}, {why}, columns (x, y)",
            *found.notes,
            *opr,
        ),
    )


def _moves(file: h5py.File, name: str, told: str | None) -> tuple[str, str]:
    """Return what a CXI file's translation moves, "sample" or "probe", and who says so."""
    if told is not None:
        return told, "as told by --translation"
    said = hdf5.text_attribute(file, name, CXI_MOVES)
    if said in MOVES:
        return said, "as its attribute says"
    which = (
        f"{name} is of {said!r}, neither of sample nor of probe" if said else "nothing shows which"
    )
    raise InputInvalid(
        f"CXI files state the translation of the sample or of the probe, and {which}: say "
        "--translation sample or --translation probe"
    )


def _ptychodus(file: h5py.File, beside: Beside) -> RawScan:
    columns = [_first(file, (f"probe_position_{axis}_m",))[1] for axis in "yx"]
    if columns[0].shape != columns[1].shape or columns[0].ndim != 1:
        raise InputInvalid(
            "probe_position_x_m and probe_position_y_m are not equally many: store one of each for "
            "each frame"
        )
    positions = np.stack(columns, axis=1)
    check_positions(positions, "probe_position_x_m")
    found = _frames(file, beside)
    pixel_m = _square_pixel(
        *(hdf5.attribute(file, "object", f"pixel_{side}_m") for side in ("width", "height"))
    )
    # Readers of ptychodus write 0 for what nobody knows.
    pixel_m = pixel_m or None
    guess, layers = _ptychodus_object(file)
    if guess is not None and pixel_m is not None:
        centre_m = [hdf5.attribute(file, "object", f"center_{axis}_m") or 0.0 for axis in "yx"]
        positions = positions - centre_m + np.asarray(guess.shape) / 2 * pixel_m
    energy = hdf5.attribute(file, "/", "photon_energy_eV")
    probe, opr = _mean_of_opr(hdf5.dataset(file, "probe"), hdf5.dataset(file, "opr_weights"))
    return RawScan(
        source_format="ptychodus",
        frames=_matched(found, hdf5.dataset(file, "probe_position_indexes"), len(positions)),
        positions=positions,
        unit="m",
        placed=guess is not None and pixel_m is not None,
        probe=probe,
        object_guess=guess,
        frames_kind="intensity",
        geometry=Geometry(
            pixel_size_m=pixel_m,
            energy_ev=energy or hdf5.attribute(file, "/", "probe_energy_eV") or None,
            distance_m=hdf5.attribute(file, "/", "detector_object_distance_m") or None,
            detector_pixel_m=found.detector_pixel_m,
        ),
        bad_pixels=found.bad_pixels,
        notes=(*found.notes, *layers, *opr),
    )


def _frames(file: h5py.File, beside: Beside) -> Frames:
    """Return the frames: of the file that the command line names, else of the scan's own."""
    if beside.diffraction is not None:
        with naming(beside.diffraction), hdf5.opened(beside.diffraction) as other:
            return _frames_in(other, beside.frames_path)
    if beside.frames_path is None and not any(hdf5.exists(file, name) for name in CXI_FRAMES):
        raise InputInvalid("positions but no frames: say --diffraction FILE")
    return _frames_in(file, beside.frames_path)


def _frames_in(file: h5py.File, told: str | None) -> Frames:
    names = (told,) if told else ("patterns", *CXI_FRAMES)
    name, values = _first(file, names, "say --frames-path with where they lie")
    sides_m = [hdf5.attribute(file, name, f"detector_pixel_{side}_m") for side in _SIDES]
    bad = [hdf5.dataset(file, mask) for mask in ("bad_pixels", f"{CXI_DETECTOR}/mask")]
    masks = [mask != 0 for mask in bad if mask is not None]
    return Frames(
        values=values,
        numbers=hdf5.dataset(file, "indexes"),
        bad_pixels=masks[0] if masks else None,
        detector_pixel_m=_square_pixel(*sides_m) or _detector_pixel_m(file),
        notes=(f"frames from {name}",),
    )


_SIDES = ("width", "height")


def _matched(found: Frames, wanted: np.ndarray | None, positions: int) -> np.ndarray:
    """Return the frames of the positions, in their order."""
    frames, numbers = found.values, found.numbers
    if wanted is None or numbers is None:
        return frames
    if wanted.shape != (positions,) or frames.ndim != 3 or numbers.shape != (len(frames),):
        raise InputInvalid(
            "probe_position_indexes or indexes do not number every entry: store one number each"
        )
    # A place that ptychodus has not filled bears a negative number.
    place = {int(number): row for row, number in enumerate(numbers) if number >= 0}
    if len(place) != np.count_nonzero(numbers >= 0) or len(set(map(int, wanted))) != positions:
        raise InputInvalid(
            "indexes or probe_position_indexes hold a number twice: store each number once"
        )
    absent = [int(number) for number in wanted if int(number) not in place]
    if absent:
        raise InputInvalid(
            f"{len(absent)} of {positions} positions have no frame in the file of the frames, the "
            f"first of them number {absent[0]}: say --diffraction with the file of the same scan"
        )
    return frames[[place[int(number)] for number in wanted]]


def _ptychodus_object(file: h5py.File) -> tuple[np.ndarray | None, tuple[str, ...]]:
    guess = hdf5.dataset(file, "object")
    if guess is None or guess.ndim == 2:
        return guess, ()
    if guess.ndim == 3 and len(guess) == 1:
        return guess[0], ()
    return None, (f"object left out: its shape {guess.shape} is not one layer",)


def _mean_of_opr(
    probe: np.ndarray | None, weights: np.ndarray | None
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Return the probe without the axis of its OPR modes, and what is said of it."""
    if probe is None or probe.ndim != 4:
        return probe, ()
    if len(probe) == 1:
        return probe[0], ()
    if weights is None or weights.ndim != 2 or weights.shape[1] != len(probe):
        raise InputInvalid(
            f"the probe has shape {probe.shape}: several OPR modes without their weights, or one "
            "probe for each position. Say --probe FILE.npy"
        )
    if not (np.isfinite(probe).all() and np.isfinite(weights).all()):
        raise InputInvalid("the probe or opr_weights hold NaN or infinity: say --probe FILE.npy")
    mean, lost_fraction = placement.mean_of_opr(probe, weights)
    said = f"probe: mean of {len(probe)} OPR modes by their weights"
    return mean, (f"{said}; {lost_fraction:.2%} of its power varies with the position and is lost",)


def _energies_ev(file: h5py.File) -> dict[str, float]:
    """Return the energy of a photon by each dataset that says it, or says the wavelength."""
    places = (f"{CXI_SOURCE}/energy", *(f"{beam}/incident_energy" for beam in CXI_BEAMS))
    found = {name: _measure(file, name, ELECTRONVOLTS, "j") for name in places}
    for name in (f"{beam}/incident_wavelength" for beam in CXI_BEAMS):
        wavelength_m = _measure(file, name, METRES, "m")
        found[name] = None if wavelength_m is None else energy_ev(wavelength_m)
    return {name: value for name, value in found.items() if value is not None}


def _detector_pixel_m(file: h5py.File) -> float | None:
    names = (f"{CXI_DETECTOR}/{axis}_pixel_size" for axis in "xy")
    return _square_pixel(*(_measure(file, name, METRES, "m") for name in names))


def _measure(file: h5py.File, name: str, factors: dict[str, float], default: str) -> float | None:
    value = hdf5.number(file, name)
    return None if value is None else value * _in_unit(file, name, factors, default)


def _in_unit(file: h5py.File, name: str, factors: dict[str, float], default: str) -> float:
    """Return what a dataset's numbers are multiplied by; by its own word, else CXI's SI unit."""
    said = hdf5.text_attribute(file, name, "units") or default
    factor = factors.get(said.strip().lower())
    if factor is None:
        known = ", ".join(factors)
        raise InputInvalid(f"{name} is in {said!r}, which is none of {known}: store it in one")
    return factor


def _first(
    file: h5py.File, names: tuple[str, ...], advice: str = "store it by one of these names"
) -> tuple[str, np.ndarray]:
    """Return the first of the datasets that is there, with its name."""
    for name in names:
        values = hdf5.dataset(file, name)
        if values is not None:
            return name, values
    raise InputInvalid(f"lacks {' and '.join(names)}: {advice}")


def _square_pixel(width_m: float | None, height_m: float | None) -> float | None:
    if width_m is None or height_m is None:
        return width_m if height_m is None else height_m
    if not abs(width_m - height_m) <= 1e-6 * abs(width_m):
        raise InputInvalid(
            f"pixels of {width_m:g} x {height_m:g} m are not square: scale the frames beforehand"
        )
    return width_m
