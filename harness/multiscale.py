"""Multi-scale SSIM of two real square images: the formula, computed without torch. Pure.

The child takes the figure from torchmetrics; this one lets `verify` compute it again by another
hand.  Source: Wang, Simoncelli and Bovik, Asilomar (2003); docs/metrics.md
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from skimage.filters import gaussian

# Of Wang et al., finest first; of fewer scales the first are taken, and brought to a sum of 1.
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# Least side for two scales and more: torchmetrics asks for a window (11 px) in
# side // (scales - 1)^2, and one must fit the coarsest scale.
SMALLEST_SIDE_PX = {2: 22, 3: 44, 4: 99, 5: 176}
SIGMA_PX, WINDOW_PX = 1.5, 11
K1, K2 = 0.01, 0.03

# found and wanted (side, side), range of what is wanted, weights -> similarity.
Similarity = Callable[[np.ndarray, np.ndarray, float, tuple[float, ...]], float]


def scales_for(side_px: int) -> int:
    """Return how many scales a square of that side has room for, 0 where not even two."""
    return max((n for n, least in SMALLEST_SIDE_PX.items() if side_px >= least), default=0)


def weights_of(scales: int) -> tuple[float, ...]:
    """Return the weights of that many scales, finest first, their sum 1."""
    taken = WEIGHTS[:scales]
    return tuple(weight / sum(taken) for weight in taken)


def similarity(
    found: np.ndarray, wanted: np.ndarray, spread: float, weights: tuple[float, ...]
) -> float:
    """Return the multi-scale SSIM of two real images (side, side); 0 to 1.

    spread: range of values that the constants are taken of.  Contrast and structure are averaged
    over the windows that lie inside, luminance at the coarsest scale over all, edges mirrored, as
    torchmetrics does; what is negative counts as 0.
    """
    product = 1.0
    for weight in weights[:-1]:
        contrast, _ = _maps(found, wanted, spread)
        edge = WINDOW_PX // 2
        inside = contrast[edge:-edge, edge:-edge].mean()
        product *= max(float(inside), 0.0) ** weight
        found, wanted = _halved(found), _halved(wanted)
    contrast, luminance = _maps(found, wanted, spread)
    return product * max(float((contrast * luminance).mean()), 0.0) ** weights[-1]


def _maps(found: np.ndarray, wanted: np.ndarray, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Return contrast times structure, and luminance, of each pixel."""
    one, other = _smooth(found), _smooth(wanted)
    squares = [_smooth(image * image) for image in (found, wanted)]
    variances = [
        np.maximum(square - mean * mean, 0)
        for square, mean in zip(squares, (one, other), strict=True)
    ]
    shared = _smooth(found * wanted) - one * other
    steady, bright = (K2 * spread) ** 2, (K1 * spread) ** 2
    contrast = (2 * shared + steady) / (variances[0] + variances[1] + steady)
    return contrast, (2 * one * other + bright) / (one * one + other * other + bright)


def _smooth(image: np.ndarray) -> np.ndarray:
    radius = WINDOW_PX // 2 / SIGMA_PX
    return gaussian(image, SIGMA_PX, mode="mirror", truncate=radius, preserve_range=True)


def _halved(image: np.ndarray) -> np.ndarray:
    rows, columns = (size // 2 * 2 for size in image.shape)
    whole = image[:rows, :columns]
    return (whole[::2, ::2] + whole[1::2, ::2] + whole[::2, 1::2] + whole[1::2, 1::2]) / 4
