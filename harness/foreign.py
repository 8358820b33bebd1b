"""Read scans that other programs stored: PtychoPINN and tike NPZ; HDF5 is `foreign_hdf5`'s.

The fields of each format: docs/importing.md
"""

from __future__ import annotations

import bz2
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from harness import foreign_hdf5, hdf5, npz, rules
from harness.errors import InputInvalid
from harness.foreign_hdf5 import Beside, check_positions
from harness.scans import RawScan

TIKE_KEYS = ("data", "scan", "probe")
FRAMES_KEYS = ("diff3d", "diffraction")
PTYCHOPINN_KEYS = (*FRAMES_KEYS, "probeGuess", "objectGuess", "xcoords", "ycoords")
NPZ_KEYS = (*TIKE_KEYS, *PTYCHOPINN_KEYS)
# What numpy, and the literal parser below it, raise on headers made to hurt.
_DAMAGE = (OSError, ValueError, EOFError, MemoryError, SyntaxError, TypeError, LookupError)


def read(path: Path, beside: Beside) -> RawScan:
    """Return the scan in a file, by what the file is; InputInvalid for what is none of these."""
    start = hdf5.start(path)
    if start.startswith(b"\x89HDF") or h5py.is_hdf5(path):
        with hdf5.opened(path) as file:
            return foreign_hdf5.scan(file, beside)
    if start.startswith((b"PK", b"BZh")):
        return _npz(*_npz_arrays(path))
    raise InputInvalid(
        "neither NPZ (.npz, .npz.bz2) nor HDF5 (.cxi, .h5, .hdf5): store the scan as one of them"
    )


def read_probe(path: Path) -> np.ndarray:
    """Return the array of an .npy file; InputInvalid where there is none that can be used."""
    hdf5.start(path)
    try:
        # Mapped, a header that claims more than the file holds is an error and costs no memory.
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
    except _DAMAGE as error:
        raise InputInvalid(f"no .npy file of numbers ({error}): say --probe with one") from error
    if not isinstance(stored, np.ndarray):
        raise InputInvalid("an archive, not one array: say --probe FILE.npy")
    return np.array(stored)


def _npz_arrays(path: Path) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Return the arrays that a format names, and the names of all others."""
    data = _unpacked(path)
    reading = npz.read_file(io.BytesIO(data), path.name)
    bad = [item for item in reading.findings if item.pointer in ("", *NPZ_KEYS)]
    if bad:
        where = f"{bad[0].pointer}: " if bad[0].pointer else ""
        raise InputInvalid(f"{where}{rules.wording(bad[0]).rstrip('.')}")
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in NPZ_KEYS if key in archive.files}
    return arrays, _others(reading.description)


def _others(description: Mapping[str, Any]) -> tuple[str, ...]:
    keys = (*description["arrays"], *description["unreadable"])
    return tuple(sorted(key for key in keys if key not in NPZ_KEYS))


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
        raise InputInvalid(f"damaged or cut short ({error}): fetch it again") from error
    if len(unpacked) > most:
        raise InputInvalid(f"unpacks to more than {most} bytes: give the unpacked file")
    return unpacked


def _npz(arrays: Mapping[str, np.ndarray], others: tuple[str, ...]) -> RawScan:
    tike, frames = {"data", "scan"} <= arrays.keys(), [k for k in FRAMES_KEYS if k in arrays]
    if tike and frames:
        raise InputInvalid(
            f"holds two scans, data (tike) and {' and '.join(frames)} (PtychoPINN): "
            "store one of them in a file of its own"
        )
    if len(frames) == 2:
        raise InputInvalid("holds diff3d and diffraction: store the frames that count alone")
    unread = (f"not read: {', '.join(others)}",) if others else ()
    if tike:
        return _tike(arrays, unread)
    if frames:
        return _ptychopinn(arrays, frames[0], unread)
    raise InputInvalid(
        "neither data and scan (tike) nor diff3d or diffraction (PtychoPINN) is there, but "
        f"{', '.join((*arrays, *others)) or 'nothing'}: store the frames by one of these names"
    )


def _tike(arrays: Mapping[str, np.ndarray], notes: tuple[str, ...]) -> RawScan:
    frames, scan = (_one_view(arrays[key], key, rank) for key, rank in (("data", 3), ("scan", 2)))
    check_positions(scan, "scan")
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
        notes=("scan holds rows, then columns", *notes),
    )


def _ptychopinn(arrays: Mapping[str, np.ndarray], key: str, notes: tuple[str, ...]) -> RawScan:
    for name in ("xcoords", "ycoords"):
        if name not in arrays:
            raise InputInvalid(f"lacks {name}: store the positions as xcoords and ycoords")
    if arrays["xcoords"].shape != arrays["ycoords"].shape:
        raise InputInvalid(
            "xcoords and ycoords are not equally many: store one of each for each frame"
        )
    shape = arrays["xcoords"].shape
    if sum(length > 1 for length in shape) > 1:
        raise InputInvalid(f"xcoords has shape {shape}: store one number for each frame")
    positions = np.stack([np.ravel(arrays[name]) for name in ("ycoords", "xcoords")], axis=1)
    check_positions(positions, "xcoords")
    return RawScan(
        source_format="PtychoPINN",
        frames=arrays[key],
        positions=positions,
        unit="px",
        placed="objectGuess" in arrays,
        probe=arrays.get("probeGuess"),
        object_guess=arrays.get("objectGuess"),
        notes=(f"frames from {key}", "xcoords are columns, ycoords rows", *notes),
    )


def _one_view(array: np.ndarray, key: str, rank: int) -> np.ndarray:
    """Return an array without the leading axes of length 1 that tike puts before it."""
    shape = array.shape
    while array.ndim > rank and len(array) == 1:
        array = array[0]
    if array.ndim > rank or array.ndim < 2:
        raise InputInvalid(f"{key} has shape {shape}: store one scan with one probe")
    return array
