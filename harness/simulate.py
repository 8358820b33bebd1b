"""The far-field forward model: unitary FFT, zero frequency in the centre, Poisson counts.

Frames have shape (n, N, N); intensities are photons.  Pure numpy, no clock, no disk.
Source: docs/adr/0004-study-inputs.md
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputInvalid

ComplexArray = NDArray[np.complexfloating]
FloatArray = NDArray[np.float64]

BLOCK_FRAMES = 128


def patch_corners(positions_px: FloatArray, frame_px: int) -> NDArray[np.intp]:
    """Return each patch's lowest corner (y, x): position minus half the frame, shape (n, 2).

    Raises InputInvalid for a position that is not a whole number of pixels.
    """
    whole = np.floor(positions_px)
    if not np.array_equal(whole, positions_px):
        raise InputInvalid("positions must be whole pixels; round them first")
    return whole.astype(np.intp) - frame_px // 2


def intensities(object_: ComplexArray, probe: ComplexArray, positions_px: FloatArray) -> FloatArray:
    """Return |FFT(probe x patch)|^2, centred, shape (n, N, N), in units of |probe|^2.

    object_: (H, W).  probe: (N, N).  positions_px: (n, 2), columns (y, x), whole pixels; the
    patch is object_[y - N/2 : y + N/2, x - N/2 : x + N/2].  The FFT is unitary, so that a
    frame's sum is the sum of |probe x patch|^2.  Raises InputInvalid for a patch outside.
    """
    frame_px = probe.shape[-1]
    corners = patch_corners(positions_px, frame_px)
    _require_inside(corners, frame_px, object_.shape)
    frames = np.empty((len(corners), frame_px, frame_px))
    for block in _blocks(len(corners)):
        patches = np.stack([object_[y : y + frame_px, x : x + frame_px] for y, x in corners[block]])
        waves = np.fft.fft2(patches.astype(np.complex128) * probe, norm="ortho")
        frames[block] = np.fft.fftshift(waves.real**2 + waves.imag**2, axes=(-2, -1))
    return frames


def photon_scale(frames: FloatArray, dose_photons: float) -> float:
    """Return the factor that makes the mean sum of the frames the dose, photons per frame.

    One factor for all frames: the object's own variation between frames stays.
    Raises InputInvalid when the frames hold no light.
    """
    mean = float(frames.sum(axis=(-2, -1)).mean())
    if not mean > 0:
        raise InputInvalid("the frames hold no light: probe or object is zero under the scan")
    return dose_photons / mean


def poisson_amplitudes(
    frames: FloatArray, scale: float, noise_seed: int, dose_photons: int
) -> NDArray[np.float32]:
    """Return sqrt(counts), float32, for Poisson counts with mean `scale` x frames.

    The generator is seeded with (noise_seed, dose_photons) and runs through all frames of the
    scan in order, so that an exposure has the same counts in whichever view it is kept.
    """
    rng = np.random.default_rng(np.random.SeedSequence((noise_seed, dose_photons)))
    amplitudes = np.empty(frames.shape, dtype=np.float32)
    for block in _blocks(len(frames)):
        amplitudes[block] = np.sqrt(rng.poisson(frames[block] * scale))
    return amplitudes


def noiseless_dataset(
    object_: ComplexArray,
    probe: ComplexArray,
    positions_px: FloatArray,
    dose_photons: float | None = None,
) -> dict[str, NDArray]:
    """Return DATA-001 arrays without noise: amplitudes are the exact square roots, float32.

    Arguments as for `intensities`; with dose_photons the probe is scaled so that the frames
    hold that many photons on average, else it is taken as it is.  Positions may be any subset.
    Keys: diffraction, objectGuess, probeGuess, xcoords, ycoords; the guesses are the truth.
    """
    frames = intensities(object_, probe, positions_px)
    scale = 1.0 if dose_photons is None else photon_scale(frames, dose_photons)
    return dataset(
        np.sqrt(frames * scale).astype(np.float32), object_, probe * np.sqrt(scale), positions_px
    )


def dataset(
    amplitudes: NDArray[np.float32],
    object_: ComplexArray,
    probe: ComplexArray,
    positions_px: FloatArray,
) -> dict[str, NDArray]:
    """Return the arrays of one input under their DATA-001 keys and dtypes."""
    return {
        "diffraction": np.ascontiguousarray(amplitudes),
        "objectGuess": object_.astype(np.complex64),
        "probeGuess": probe.astype(np.complex64),
        "xcoords": np.ascontiguousarray(positions_px[:, 1], dtype=np.float64),
        "ycoords": np.ascontiguousarray(positions_px[:, 0], dtype=np.float64),
    }


def _require_inside(corners: NDArray[np.intp], frame_px: int, shape: tuple[int, ...]) -> None:
    outside = (corners < 0).any(axis=1) | (corners + frame_px > shape).any(axis=1)
    if outside.any():
        first = int(np.argmax(outside))
        raise InputInvalid(
            f"{int(outside.sum())} of {len(corners)} patches of {frame_px} x {frame_px} px do "
            f"not fit into the object of {shape[0]} x {shape[1]} px; first: number {first}, "
            f"corner (y, x) = {tuple(corners[first].tolist())}"
        )


def _blocks(count: int) -> Iterator[slice]:
    for start in range(0, count, BLOCK_FRAMES):
        yield slice(start, min(start + BLOCK_FRAMES, count))
