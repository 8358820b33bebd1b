"""A small scan whose object and probe are known, for tests of what the child does without torch."""

from __future__ import annotations

import numpy as np

from harness import optics, positions, simulate

FRAME_PX = 32
OBJECT = optics.default_object(60, 20, seed=1)
PROBE = optics.defocused_probe(FRAME_PX, 27)
POSITIONS_PX = positions.jittered_raster(30, 60, 0.35, seed=3) + FRAME_PX // 2 + 4


def noiseless(dose_photons: float = 1e4) -> dict[str, np.ndarray]:
    """Return the scan as DATA-001 arrays without noise."""
    return simulate.noiseless_dataset(OBJECT, PROBE, POSITIONS_PX, dose_photons)


def noisy(dose_photons: int, seed: int = 1) -> dict[str, np.ndarray]:
    """Return the scan as DATA-001 arrays with Poisson counts; the guesses are still the truth."""
    frames = simulate.intensities(OBJECT, PROBE, POSITIONS_PX)
    scale = simulate.photon_scale(frames, dose_photons)
    amplitudes = simulate.poisson_amplitudes(frames, scale, seed, dose_photons)
    return simulate.dataset(amplitudes, OBJECT, PROBE * np.sqrt(scale), POSITIONS_PX)


def between_pixels(dose_photons: int, seed: int = 1) -> dict[str, np.ndarray]:
    """Return a scan as `noisy` does, of positions between pixels: probes lie beside patches."""
    rng = np.random.default_rng(seed)
    centres = POSITIONS_PX + rng.uniform(-0.5, 0.5, POSITIONS_PX.shape)
    frames = []
    for centre in centres:
        row, column = np.rint(centre).astype(int) - FRAME_PX // 2
        patch = OBJECT[row : row + FRAME_PX, column : column + FRAME_PX]
        wave = np.fft.fft2(moved(PROBE, *(centre - np.rint(centre))) * patch, norm="ortho")
        frames.append(np.fft.fftshift(np.abs(wave) ** 2))
    scale = dose_photons * len(frames) / np.sum(frames)
    amplitudes = np.sqrt(rng.poisson(scale * np.array(frames))).astype(np.float32)
    return simulate.dataset(amplitudes, OBJECT, PROBE * np.sqrt(scale), centres)


def moved(image: np.ndarray, rows_px: float, columns_px: float) -> np.ndarray:
    """Return an image displaced by parts of a pixel, periodic at its edges."""
    rows, columns = (np.fft.fftfreq(size) for size in image.shape)
    ramp = np.exp(-2j * np.pi * (rows[:, None] * rows_px + columns * columns_px))
    return np.fft.ifft2(np.fft.fft2(image) * ramp)
