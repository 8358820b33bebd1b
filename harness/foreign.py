"""Read scans that other programs stored: PtychoPINN and tike NPZ, CXI, ptychodus HDF5.

The fields of each format: docs/importing.md
"""

from __future__ import annotations

import bz2
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from harness import hdf5, npz, rules
from harness.errors import InputInvalid, UsageError
from harness.measured import Geometry, RawScan

JOULE_PER_EV = 1.602176634e-19
NPZ_KEYS = (
    *("data", "scan", "probe"),
    *("diff3d", "diffraction", "probeGuess", "objectGuess", "xcoords", "ycoords"),
)
CXI_DATA = "/entry_1/data_1"
CXI_DETECTOR = "/entry_1/instrument_1/detector_1"
CXI_SOURCE = "/entry_1/instrument_1/source_1"


@dataclass(frozen=True, slots=True)
class Beside:
    """What the command line names beside the file.

    diffraction: file of the frames of a ptychodus product.  frames_path: where in it they lie.
    translation: whether a CXI file's translations are the sample's or the probe's.
    """

    diffraction: Path | None = None
    frames_path: str = "patterns"
    translation: str | None = None


def read(path: Path, beside: Beside) -> RawScan:
    """Return the scan in a file, by what the file is; InputInvalid for what is none of these."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise InputInvalid(f"cannot read {path}: {error.strerror}. Give a file") from error
    if start.startswith(b"\x89HDF"):
        with hdf5.opened(path) as file:
            return _hdf5(file, path, beside)
    if start.startswith((b"PK", b"BZh")):
        return _npz(_npz_arrays(path), path)
    raise InputInvalid(f"{path.name} is neither NPZ (.npz, .npz.bz2) nor HDF5 (.cxi, .h5, .hdf5)")


def read_probe(path: Path) -> np.ndarray:
    """Return the array of an .npy file; InputInvalid where there is none that can be used."""
    try:
        with path.open("rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputInvalid(f"{path.name} is no .npy file of numbers: {error}") from error


def _npz_arrays(path: Path) -> dict[str, np.ndarray]:
    data = _unpacked(path)
    reading = npz.read_file(io.BytesIO(data), path.name)
    bad = [item for item in reading.findings if item.pointer in ("", *NPZ_KEYS)]
    if bad:
        raise InputInvalid(f"{path.name}: {rules.wording(bad[0]).rstrip('.')}", bad)
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return {key: archive[key] for key in NPZ_KEYS if key in archive.files}


def _unpacked(path: Path) -> bytes:
    """Return a file's bytes, unpacked if bzip2 packed them, and no more than such a file holds."""
    data = path.read_bytes()
    if not data.startswith(b"BZh"):
        return data
    most = max(npz.EXPANSION_FLOOR_BYTES, npz.EXPANSION_LIMIT * len(data))
    try:
        # Parallel packers write several streams, one after the other.
        unpacked = bz2.BZ2File(io.BytesIO(data)).read(most + 1)
    except (OSError, EOFError) as error:
        raise InputInvalid(f"{path.name} is damaged or cut short: {error}") from error
    if len(unpacked) > most:
        raise InputInvalid(f"{path.name} unpacks to more than {most} bytes")
    return unpacked


def _npz(arrays: Mapping[str, np.ndarray], path: Path) -> RawScan:
    if {"data", "scan"} <= arrays.keys():
        return _tike(arrays)
    if "diff3d" in arrays or "diffraction" in arrays:
        return _ptychopinn(arrays)
    raise InputInvalid(
        f"{path.name} has neither data and scan (tike) nor diff3d or diffraction (PtychoPINN)"
    )


def _tike(arrays: Mapping[str, np.ndarray]) -> RawScan:
    frames, scan = (_one_view(arrays[key], key, rank) for key, rank in (("data", 3), ("scan", 2)))
    _check_positions(scan, "scan")
    probe = arrays.get("probe")
    return RawScan(
        source_format="tike",
        frames=frames,
        positions=scan,
        unit="px",
        mark="corner",
        probe=None if probe is None else _one_view(probe, "probe", 3),
        frames_kind="intensity",
        zero_frequency="corner",
    )


def _ptychopinn(arrays: Mapping[str, np.ndarray]) -> RawScan:
    key = "diff3d" if "diff3d" in arrays else "diffraction"
    for name in ("xcoords", "ycoords"):
        if name not in arrays:
            raise InputInvalid(f"the file lacks {name}")
    if arrays["xcoords"].shape != arrays["ycoords"].shape:
        raise InputInvalid("xcoords and ycoords are not equally many")
    positions = np.stack([np.ravel(arrays[name]) for name in ("ycoords", "xcoords")], axis=1)
    _check_positions(positions, "xcoords")
    return RawScan(
        source_format="PtychoPINN",
        frames=arrays[key],
        positions=positions,
        unit="px",
        placed="objectGuess" in arrays,
        probe=arrays.get("probeGuess"),
        object_guess=arrays.get("objectGuess"),
        notes=(f"frames from {key}", "xcoords are columns, ycoords rows"),
    )


def _hdf5(file: h5py.File, path: Path, beside: Beside) -> RawScan:
    if hdf5.exists(file, CXI_DATA):
        return _cxi(file, beside)
    if hdf5.exists(file, "probe_position_x_m"):
        return _ptychodus(file, beside)
    raise InputInvalid(
        f"{path.name} has neither {CXI_DATA} (CXI) nor probe_position_x_m (ptychodus product)"
    )


def _cxi(file: h5py.File, beside: Beside) -> RawScan:
    translation = _needed(file, f"{CXI_DATA}/translation")
    if translation.ndim != 2 or translation.shape[1] not in (2, 3):
        raise InputInvalid(f"translation has shape {translation.shape}, not (n, 3)")
    _check_positions(translation, "translation")
    if beside.translation is None:
        raise InputInvalid(
            "CXI files state the translation of the sample or of the probe, and nothing shows "
            "which: say --translation sample or --translation probe"
        )
    sign = -1.0 if beside.translation == "sample" else 1.0
    energy_j = hdf5.number(file, f"{CXI_SOURCE}/energy")
    mask = hdf5.dataset(file, f"{CXI_DETECTOR}/mask")
    return RawScan(
        source_format="CXI",
        frames=_needed(file, f"{CXI_DATA}/data"),
        positions=sign * translation[:, 1::-1],
        unit="m",
        probe=hdf5.dataset(file, f"{CXI_SOURCE}/illumination"),
        frames_kind="intensity",
        geometry=Geometry(
            energy_ev=None if energy_j is None else energy_j / JOULE_PER_EV,
            distance_m=hdf5.number(file, f"{CXI_DETECTOR}/distance"),
            detector_pixel_m=_square_pixel(
                hdf5.number(file, f"{CXI_DETECTOR}/x_pixel_size"),
                hdf5.number(file, f"{CXI_DETECTOR}/y_pixel_size"),
            ),
        ),
        bad_pixels=None if mask is None else mask != 0,
        notes=(f"translation is that of the {beside.translation}, columns (x, y)",),
    )


def _ptychodus(file: h5py.File, beside: Beside) -> RawScan:
    if beside.diffraction is None:
        raise UsageError("a ptychodus product holds no frames: say --diffraction FILE")
    columns = [_needed(file, f"probe_position_{axis}_m") for axis in "yx"]
    if columns[0].shape != columns[1].shape or columns[0].ndim != 1:
        raise InputInvalid("probe_position_x_m and probe_position_y_m are not equally many")
    positions = np.stack(columns, axis=1)
    _check_positions(positions, "probe_position_x_m")
    frames, bad = _ptychodus_frames(hdf5.dataset(file, "probe_position_indexes"), positions, beside)
    pixel_m = _square_pixel(
        *(hdf5.attribute(file, "object", f"pixel_{side}_m") for side in ("width", "height"))
    )
    guess, notes = _ptychodus_object(file)
    if guess is not None and pixel_m is not None:
        centre_m = [hdf5.attribute(file, "object", f"center_{axis}_m") or 0.0 for axis in "yx"]
        positions = positions - centre_m + np.asarray(guess.shape) / 2 * pixel_m
    energy_ev = hdf5.attribute(file, "/", "photon_energy_eV")
    return RawScan(
        source_format="ptychodus",
        frames=frames,
        positions=positions,
        unit="m",
        placed=guess is not None and pixel_m is not None,
        probe=_ptychodus_probe(file),
        object_guess=guess,
        frames_kind="intensity",
        geometry=Geometry(
            pixel_size_m=pixel_m,
            energy_ev=energy_ev or hdf5.attribute(file, "/", "probe_energy_eV") or None,
            distance_m=hdf5.attribute(file, "/", "detector_object_distance_m") or None,
        ),
        bad_pixels=bad,
        notes=notes,
    )


def _ptychodus_frames(
    wanted: np.ndarray | None, positions: np.ndarray, beside: Beside
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the frames of the positions, in their order, and the mask of bad pixels."""
    with hdf5.opened(beside.diffraction) as file:
        frames = _needed(file, beside.frames_path)
        numbers = hdf5.dataset(file, "indexes")
        bad = hdf5.dataset(file, "bad_pixels")
    if frames.ndim != 3:
        raise InputInvalid(f"{beside.frames_path} has shape {frames.shape}, not (n, N, N)")
    if wanted is None or numbers is None:
        return frames, bad
    if wanted.shape != (len(positions),) or numbers.shape != (len(frames),):
        raise InputInvalid("probe_position_indexes or indexes do not number every entry once")
    place = {int(number): row for row, number in enumerate(numbers)}
    absent = [int(number) for number in wanted if int(number) not in place]
    if absent or len(place) != len(numbers):
        raise InputInvalid(f"indexes: {len(absent)} positions without a frame, or a number twice")
    return frames[[place[int(number)] for number in wanted]], bad


def _ptychodus_object(file: h5py.File) -> tuple[np.ndarray | None, tuple[str, ...]]:
    guess = hdf5.dataset(file, "object")
    if guess is None or guess.ndim == 2:
        return guess, ()
    if guess.ndim == 3 and len(guess) == 1:
        return guess[0], ()
    return None, (f"object left out: its shape {guess.shape} is not one layer",)


def _ptychodus_probe(file: h5py.File) -> np.ndarray | None:
    probe = hdf5.dataset(file, "probe")
    if probe is None or probe.ndim < 4:
        return probe
    if probe.ndim > 4 or len(probe) != 1:
        raise InputInvalid(
            f"the probe has shape {probe.shape}, one for each position: say --probe FILE.npy"
        )
    return probe[0]


def _needed(file: h5py.File, name: str) -> np.ndarray:
    values = hdf5.dataset(file, name)
    if values is None:
        raise InputInvalid(f"the file lacks {name}")
    return values


def _one_view(array: np.ndarray, key: str, rank: int) -> np.ndarray:
    """Return an array without the leading axes of length 1 that tike puts before it."""
    shape = array.shape
    while array.ndim > rank and len(array) == 1:
        array = array[0]
    if array.ndim > rank or array.ndim < 2:
        raise InputInvalid(f"{key} has shape {shape}; one scan with one probe is needed")
    return array


def _check_positions(positions: np.ndarray, name: str) -> None:
    if positions.dtype.kind not in "fiu" or positions.ndim != 2 or not len(positions):
        raise InputInvalid(f"{name} is {positions.dtype} of shape {positions.shape}: no positions")
    if positions.shape[1] not in (2, 3):
        raise InputInvalid(f"{name} has {positions.shape[1]} columns, two are needed")


def _square_pixel(width_m: float | None, height_m: float | None) -> float | None:
    if width_m is None or height_m is None:
        return width_m if height_m is None else height_m
    if abs(width_m - height_m) > 1e-6 * abs(width_m):
        raise InputInvalid(f"pixels of {width_m:g} x {height_m:g} m are not square")
    return width_m
