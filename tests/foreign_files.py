"""The small scan as other programs would store it, for the tests of what is imported."""

from __future__ import annotations

import bz2
import io
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests import small_scan

ENERGY_EV = 8800.0
DISTANCE_M = 2.0
DETECTOR_PIXEL_M = 75e-6
JOULE_PER_EV = 1.602176634e-19
WAVELENGTH_M = 6.62607015e-34 * 299792458 / (ENERGY_EV * JOULE_PER_EV)
PIXEL_M = WAVELENGTH_M * DISTANCE_M / (small_scan.FRAME_PX * DETECTOR_PIXEL_M)
SCAN = small_scan.noisy(10_000)
COUNTS = np.rint(np.square(SCAN["diffraction"].astype(np.float64)))
CENTRES_PX = np.stack([SCAN["ycoords"], SCAN["xcoords"]], axis=1)


def save_npz(path: Path, arrays: dict[str, Any]) -> Path:
    """Write an NPZ, packed by bzip2 where its name says so."""
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    data = stream.getvalue()
    path.write_bytes(bz2.compress(data) if path.suffix == ".bz2" else data)
    return path


def tike() -> dict[str, np.ndarray]:
    """Return the arrays of a tike file: counts, corners, leading axes, zero frequency first."""
    return {
        "data": np.fft.ifftshift(COUNTS, axes=(-2, -1)).astype(np.uint16)[None],
        "scan": (CENTRES_PX - small_scan.FRAME_PX // 2).astype(np.float32)[None],
        "probe": SCAN["probeGuess"][None, None, None, None],
    }


def ptychopinn() -> dict[str, np.ndarray]:
    """Return the arrays of a PtychoPINN file with amplitudes."""
    scan = dict(SCAN)
    scan["diff3d"] = scan.pop("diffraction")
    return scan


def save_cxi(path: Path, *, moves: str = "sample", links: bool = False) -> Path:
    """Write a CXI file: counts, metres, joule, with the data behind soft links if asked."""
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 160
        sign = -1 if moves == "sample" else 1
        metres = np.zeros((len(CENTRES_PX), 3))
        metres[:, 0], metres[:, 1] = sign * CENTRES_PX[:, 1], sign * CENTRES_PX[:, 0]
        place = "entry_1/instrument_1/detector_1" if links else "entry_1/data_1"
        file[f"{place}/data"] = COUNTS.astype(np.uint32)
        file[f"{place}/translation"] = metres * PIXEL_M
        if links:
            for name in ("data", "translation"):
                file[f"entry_1/data_1/{name}"] = h5py.SoftLink(f"/{place}/{name}")
        file["entry_1/instrument_1/detector_1/distance"] = DISTANCE_M
        file["entry_1/instrument_1/detector_1/x_pixel_size"] = DETECTOR_PIXEL_M
        file["entry_1/instrument_1/detector_1/y_pixel_size"] = DETECTOR_PIXEL_M
        file["entry_1/instrument_1/source_1/energy"] = ENERGY_EV * JOULE_PER_EV
        file["entry_1/instrument_1/source_1/illumination"] = SCAN["probeGuess"]
    return path


def save_ptychodus(product: Path, diffraction: Path) -> None:
    """Write a product and, in another order and with one frame more, its diffraction file."""
    object_, numbers = SCAN["objectGuess"], np.arange(len(COUNTS)) + 7
    centres_m = (CENTRES_PX - np.asarray(object_.shape) / 2) * PIXEL_M
    with h5py.File(product, "w") as file:
        file.attrs["name"] = "small scan"
        file.attrs["detector_object_distance_m"] = DISTANCE_M
        file.attrs["photon_energy_eV"] = ENERGY_EV
        file["probe_position_indexes"] = numbers
        file["probe_position_y_m"] = centres_m[:, 0] + 3e-6
        file["probe_position_x_m"] = centres_m[:, 1] - 2e-6
        file["probe"] = SCAN["probeGuess"][None, None]
        file["object"] = object_[None]
        for name in ("probe", "object"):
            file[name].attrs["pixel_width_m"] = file[name].attrs["pixel_height_m"] = PIXEL_M
        file["object"].attrs["center_y_m"] = 3e-6
        file["object"].attrs["center_x_m"] = -2e-6
    with h5py.File(diffraction, "w") as file:
        file["patterns"] = np.concatenate([COUNTS[::-1], COUNTS[:1]]).astype(np.uint16)
        file["indexes"] = np.append(numbers[::-1], 1000)
        file["bad_pixels"] = np.zeros(COUNTS.shape[1:], bool)
