"""The embedded object and probe: made by code from a seed, no data file, pure numpy.

Arrays are indexed [y, x]; lengths are object pixels.  Source: docs/adr/0004-study-inputs.md
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ComplexArray = NDArray[np.complex128]
FloatArray = NDArray[np.float64]

PUPIL_RADIUS_CYCLES_PER_PX = 0.18
ENCLOSED_POWER = 0.95
# Soft edges and the fade at the border make the illuminated disc smaller than geometry says.
DIAMETER_ALLOWANCE = 1.06
TEXTURE_LOW_CUT = 5.0
STAR_SPOKES = 18
STAR_CENTRES = ((-0.25, -0.22), (0.25, 0.22))
STAR_RADIUS = 0.19


def default_object(field_px: int, margin_px: int, seed: int) -> ComplexArray:
    """Return the embedded object: two Siemens stars among cells on a natural texture.

    Shape (field_px + 2 margin_px,) * 2, transmission; amplitude 0.6 to 1, phase within
    0.8 rad of zero, so that it never wraps.  One star lies in each half of the field along y.
    """
    rng = np.random.default_rng(seed)
    side_px = field_px + 2 * margin_px
    y, x = (np.indices((side_px, side_px)) - (side_px - 1) / 2) / field_px
    pixel = 1.0 / field_px
    shared, own = _texture(side_px, rng), _texture(side_px, rng)
    matter = 0.38 * shared - 0.15 + _cells(y, x, pixel, rng)
    haze = 0.5 * shared + 0.4 * own
    for centre_y, centre_x in STAR_CENTRES:
        inside, star = _siemens_star(y - centre_y, x - centre_x, pixel)
        matter = (1 - inside) * matter + inside * (1.4 * star + 0.15 * shared)
        haze = (1 - inside) * haze + inside * (-1.1 * star + 0.2 * own)
    return (0.8 + 0.2 * np.tanh(haze)) * np.exp(0.8j * np.tanh(matter))


def defocused_probe(frame_px: int, diameter_px: float) -> ComplexArray:
    """Return a defocused probe, shape (frame_px, frame_px), sum of |P|^2 = 1.

    A soft, slightly uneven pupil; defocus with a little astigmatism and trefoil; propagated by
    FFT on a wider grid, cropped, and faded to zero at the frame's border.  Its illuminated
    diameter is `diameter_px` to within a few per cent; see `illuminated_diameter_px`.
    Source: Goodman, Introduction to Fourier Optics, chapter 4 (Fresnel propagation).
    """
    grid_px = 4 * frame_px
    frequency = np.fft.fftfreq(grid_px)
    v, u = np.meshgrid(frequency, frequency, indexing="ij")
    rho = np.hypot(v, u) / PUPIL_RADIUS_CYCLES_PER_PX
    theta = np.arctan2(v, u)
    edge_waves = 0.5 * DIAMETER_ALLOWANCE * (diameter_px / 2) * PUPIL_RADIUS_CYCLES_PER_PX
    waves = edge_waves * rho**2 * (1 + 0.04 * np.cos(2 * theta)) + 0.05 * rho**3 * np.cos(3 * theta)
    pupil = (1 + 0.20 * rho**2 * np.cos(2 * theta + 0.7)) / (1 + np.exp((rho - 1) / 0.03))
    field = np.fft.fftshift(np.fft.ifft2(pupil * np.exp(-2j * np.pi * waves)))
    start = (grid_px - frame_px) // 2
    probe = field[start : start + frame_px, start : start + frame_px] * _fade(frame_px)
    return probe / np.sqrt(np.sum(np.abs(probe) ** 2))


def illuminated_diameter_px(probe: NDArray[np.complexfloating]) -> float:
    """Return the diameter of the disc that holds 95 % of the probe's power, in pixels.

    probe: complex, shape (N, N).  The disc is centred on the centre of power; a uniform disc
    of diameter d gives 0.975 d.  Source: docs/adr/0005-overlap-measure.md
    """
    power = np.abs(probe) ** 2
    power = power / power.sum()
    y, x = np.indices(power.shape)
    radius = np.hypot(y - np.sum(power * y), x - np.sum(power * x)).ravel()
    order = np.argsort(radius, kind="stable")
    enclosed = np.cumsum(power.ravel()[order])
    last = min(int(np.searchsorted(enclosed, ENCLOSED_POWER)), radius.size - 1)
    return float(2 * radius[order[last]])


def _texture(side_px: int, rng: np.random.Generator) -> FloatArray:
    """Return a random field of mean 0 and variance 1 whose amplitude spectrum falls as f^-1.5.

    Waves longer than a fifth of the side are damped: the specimen is flat on the whole.
    """
    frequency = np.fft.fftfreq(side_px)
    radius = np.hypot(*np.meshgrid(frequency, frequency, indexing="ij")) * side_px
    flatness = -np.expm1(-((radius / TEXTURE_LOW_CUT) ** 4))
    weight = flatness * np.maximum(radius, 1.0) ** -1.5
    field = np.fft.ifft2(np.fft.fft2(rng.standard_normal((side_px, side_px))) * weight).real
    return field / field.std()


def _siemens_star(y: FloatArray, x: FloatArray, pixel: float) -> tuple[FloatArray, FloatArray]:
    """Return where the star lies (0 to 1) and its spokes (-1 to 1), edges softened over a pixel."""
    radius = np.hypot(y, x)
    spokes = _soft_step(radius * np.sin(STAR_SPOKES * np.arctan2(y, x)) / STAR_SPOKES, pixel)
    return _soft_step(STAR_RADIUS - radius, pixel), 2 * spokes - 1


def _cells(y: FloatArray, x: FloatArray, pixel: float, rng: np.random.Generator) -> FloatArray:
    """Return a few smooth ellipses, each with a rim and a nucleus."""
    total = np.zeros_like(y)
    for centre_y, centre_x in rng.uniform(-0.55, 0.55, (26, 2)):
        semi_axis, squeeze, tilt = rng.uniform((0.03, 0.55, 0.0), (0.08, 1.0, np.pi))
        along = (x - centre_x) * np.cos(tilt) + (y - centre_y) * np.sin(tilt)
        across = (y - centre_y) * np.cos(tilt) - (x - centre_x) * np.sin(tilt)
        depth = semi_axis * (1 - np.hypot(along, across / squeeze) / semi_axis)
        total += 0.7 * _soft_step(depth, 3 * pixel) - 0.5 * _soft_step(depth - 0.012, 3 * pixel)
        total += 0.6 * _soft_step(depth - 0.6 * semi_axis, 2 * pixel)
    return total


def _soft_step(depth: FloatArray, width: float) -> FloatArray:
    return np.clip(0.5 + depth / width, 0.0, 1.0)


def _fade(frame_px: int) -> FloatArray:
    """Return one inside, falling smoothly to zero at the inscribed circle of the frame."""
    offset = np.arange(frame_px) - frame_px / 2
    radius = np.hypot(*np.meshgrid(offset, offset, indexing="ij")) / (frame_px / 2 - 1)
    inner = 0.90
    ramp = np.clip((1 - radius) / (1 - inner), 0.0, 1.0)
    return np.sin(np.pi / 2 * ramp) ** 2
