"""Make small NPZ inputs, sound ones and broken ones, for the tests of the contract."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

PHASE_D_METADATA = {
    "overlap_view": "dense",
    "spacing_threshold": 9.6,
    "source_file": "dose_1000/patched_train.npz",
    "n_accepted": 12,
    "n_rejected": 0,
    "acceptance_rate": 1.0,
    "selection_strategy": "direct",
    "neighbor_count": 7,
}


def scan_arrays(
    *, frames: int = 12, frame_px: int = 32, dose_photons: float = 1000.0, seed: int = 7
) -> dict[str, np.ndarray]:
    """Return a sound set of arrays: a raster of 4 columns, 10 px apart, Poisson counts."""
    generator = np.random.default_rng(seed)
    rows, columns = np.divmod(np.arange(frames), 4)
    counts = generator.poisson(dose_photons / frame_px**2, (frames, frame_px, frame_px))
    half_px = frame_px / 2
    height_px = frame_px + 10 * (rows.max() + 1)
    probe = np.ones((frame_px, frame_px), np.complex64)
    return {
        "diffraction": np.sqrt(counts).astype(np.float32),
        "probeGuess": probe * np.complex64(1 + 0.5j),
        "objectGuess": np.full((height_px, frame_px + 40), 0.5 + 0.5j, np.complex64),
        "xcoords": (half_px + 10.0 * columns).astype(np.float32),
        "ycoords": (half_px + 10.0 * rows).astype(np.float32),
    }


def metadata_text(**changes: Any) -> np.ndarray:
    """Return Phase D metadata as the text array that an NPZ holds."""
    return np.array(json.dumps(PHASE_D_METADATA | changes))


def save(path: Path, arrays: dict[str, np.ndarray], *, compressed: bool = True) -> Path:
    """Write the arrays as numpy does."""
    (np.savez_compressed if compressed else np.savez)(path, allow_pickle=True, **arrays)
    return path


def npy_bytes(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    """Return an array as the bytes of an .npy file."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=version)
    return buffer.getvalue()


def save_members(path: Path, members: list[tuple[str, bytes]], method: int = 0) -> Path:
    """Write a zip of the given members, whatever they hold."""
    with zipfile.ZipFile(path, "w", compression=method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def save_with(path: Path, *extra: tuple[str, bytes], without: tuple[str, ...] = ()) -> Path:
    """Write a sound input, less some keys, plus raw members."""
    members = [
        (f"{key}.npy", npy_bytes(array))
        for key, array in scan_arrays().items()
        if key not in without
    ]
    return save_members(path, [*members, *extra])
