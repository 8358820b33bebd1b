"""Read one DATA-001 file for reconstruction: the bytes that are hashed are the bytes that count."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from harness import canonical, contract, forward, misfit, npz, provenance, rules
from harness.errors import InputInvalid
from harness.jobs import geometry

REQUIRED = ("diffraction", "probeGuess", "xcoords", "ycoords")


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan as the reconstruction needs it.

    path: as given, without the machine's own folders.  sha256, size_bytes: of the file.
    counts: float32 (n, N, N), photons per pixel, zero frequency in the centre.
    probe: complex64 (modes, N, N), not yet scaled.  object_guess: complex64 (H, W) or None.
    positions: float64 (n,), object pixels.  corners: first (row, column) of each patch, (n, 2).
    pixel_size_m: side of an object pixel, None where the file does not say.
    measured: whether the file says that its scan was measured, not simulated.
    """

    path: str
    sha256: str
    size_bytes: int
    counts: np.ndarray
    probe: np.ndarray
    object_guess: np.ndarray | None
    positions_x_px: np.ndarray
    positions_y_px: np.ndarray
    object_shape: tuple[int, int]
    corners: np.ndarray
    pixel_size_m: float | None = None
    measured: bool = False

    @property
    def frame_px(self) -> int:
        """Side of a frame, pixels."""
        return self.counts.shape[-1]

    @property
    def mean_photons_per_frame(self) -> float:
        """Photons per frame, averaged over the frames."""
        return misfit.mean_photons(self.counts)

    @property
    def beside_px(self) -> np.ndarray:
        """Parts of a pixel by which probes lie beside their patches, (n, 2)."""
        return forward.parts_of_a_pixel(self.positions_x_px, self.positions_y_px)

    @property
    def positions_on_pixels(self) -> bool:
        """Whether each position is a whole number of pixels."""
        return not self.beside_px.any()

    def part(self, frames: np.ndarray) -> Scan:
        """Return the scan of some of its frames, by index; the object's shape stays."""
        return replace(
            self,
            counts=self.counts[frames],
            positions_x_px=self.positions_x_px[frames],
            positions_y_px=self.positions_y_px[frames],
            corners=self.corners[frames],
        )


def read(path: str) -> Scan:
    """Return the scan that the file holds; InputInvalid, one line, for a file that cannot serve.

    The whole file is read once; digest and arrays come from those same bytes.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputInvalid(f"cannot read {path}: {error.strerror}. Give an NPZ file") from error
    try:
        shown_as = _public_path(path)
        arrays, metadata = _contents(data, shown_as)
        return _scan(shown_as, data, arrays, metadata)
    except InputInvalid as error:
        raise InputInvalid(f"{path}: {error}") from error


def _public_path(path: str) -> str:
    """Return a path fit for a record: relative, or the bare name of a file elsewhere."""
    portable = PurePath(provenance.portable(path))
    return portable.name if portable.is_absolute() else portable.as_posix()


def _contents(data: bytes, shown_as: str) -> tuple[dict[str, np.ndarray], Mapping[str, Any]]:
    """Return the arrays by key, and the metadata, empty where there are none."""
    wanted = (*REQUIRED, "objectGuess")
    reading = npz.read_file(io.BytesIO(data), shown_as)
    if reading.findings:
        first = reading.findings[0]
        key = f"{first.pointer}: " if first.pointer else ""
        raise InputInvalid(f"{key}{first.rule}: {rules.wording(first).rstrip('.')}")
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        missing = [name for name in REQUIRED if name not in archive.files]
        if missing:
            raise InputInvalid(f"lacks {', '.join(missing)}. DATA-001 names the arrays needed")
        arrays = {name: archive[name] for name in wanted if name in archive.files}
    return arrays, reading.metadata


def _scan(
    path: str, data: bytes, arrays: dict[str, np.ndarray], metadata: Mapping[str, Any]
) -> Scan:
    amplitude, probe = arrays["diffraction"], arrays["probeGuess"]
    _check_frames(amplitude, probe)
    x, y = (_positions(arrays[name], name, len(amplitude)) for name in ("xcoords", "ycoords"))
    guess = arrays.get("objectGuess")
    if guess is None:
        shape = geometry.smallest_object_shape(x, y, amplitude.shape[-1])
    else:
        _require(guess.ndim == 2, f"objectGuess has shape {guess.shape}, not (H, W)")
        _require(np.iscomplexobj(guess), f"objectGuess is {guess.dtype}, not complex")
        guess, shape = _complex64(guess, "objectGuess"), guess.shape
    return Scan(
        path=path,
        sha256=canonical.sha256(data),
        size_bytes=len(data),
        counts=np.square(amplitude, dtype=np.float32),
        probe=_complex64(probe.reshape(-1, *probe.shape[-2:]), "probeGuess"),
        object_guess=guess,
        positions_x_px=x,
        positions_y_px=y,
        object_shape=shape,
        corners=forward.patch_corners(x, y, amplitude.shape[-1], shape),
        pixel_size_m=_pixel_size_m(metadata.get("pixel_size_m")),
        measured=contract.is_measured(metadata),
    )


def _pixel_size_m(stated: Any) -> float | None:
    is_number = isinstance(stated, int | float) and not isinstance(stated, bool)
    holds = stated is None or (is_number and stated > 0)
    _require(holds, f"pixel_size_m in _metadata is {stated!r}, not a length above 0")
    return None if stated is None else float(stated)


def _check_frames(amplitude: np.ndarray, probe: np.ndarray) -> None:
    shape = amplitude.shape
    _require(
        len(shape) == 3 and shape[0] > 0 and shape[1] == shape[2] and shape[1] % 2 == 0,
        f"diffraction has shape {shape}, not (n, N, N) with n >= 1 and N even",
    )
    _require(amplitude.dtype.kind == "f", f"diffraction is {amplitude.dtype}, not floating")
    _require(np.isfinite(amplitude).all(), "diffraction holds NaN or infinity")
    _require(not (amplitude < 0).any(), "diffraction holds negative amplitudes")
    largest = np.sqrt(np.finfo(np.float32).max)
    _require(not (amplitude > largest).any(), f"diffraction exceeds {largest:.2g}")
    _require(
        probe.ndim in (2, 3) and probe.shape[-2:] == shape[1:] and probe.size > 0,
        f"probeGuess has shape {probe.shape}, frames are {shape[1]} x {shape[2]}",
    )
    _require(np.iscomplexobj(probe), f"probeGuess is {probe.dtype}, not complex")


def _complex64(values: np.ndarray, name: str) -> np.ndarray:
    _require(np.isfinite(values).all(), f"{name} holds NaN or infinity")
    with np.errstate(over="ignore"):
        single = values.astype(np.complex64)
    _require(np.isfinite(single).all(), f"{name} holds values beyond complex64")
    return single


def _positions(values: np.ndarray, name: str, frames: int) -> np.ndarray:
    _require(values.shape == (frames,), f"{name} has shape {values.shape}, not ({frames},)")
    _require(values.dtype.kind == "f", f"{name} is {values.dtype}, not floating")
    _require(np.isfinite(values).all(), f"{name} holds NaN or infinity")
    return values.astype(np.float64)


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise InputInvalid(f"{message}. DATA-001 says what is needed")
