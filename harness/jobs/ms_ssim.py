"""Multi-scale SSIM from torchmetrics, in the form that `harness.metrics` asks for."""

from __future__ import annotations

import numpy as np

from harness.multiscale import SIGMA_PX, WINDOW_PX


def similarity(
    found: np.ndarray, wanted: np.ndarray, spread: float, weights: tuple[float, ...]
) -> float:
    """Return the multi-scale SSIM of two real images (side, side), in double precision.

    spread: range of values that the constants are taken of.  weights: of the scales, finest first.
    """
    import torch
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    # On the CPU: after a job on CUDA that is torch's default, and would give other digits.
    with torch.device("cpu"):
        images = [
            torch.as_tensor(image, dtype=torch.float64)[None, None] for image in (found, wanted)
        ]
        value = multiscale_structural_similarity_index_measure(
            *images, sigma=SIGMA_PX, kernel_size=WINDOW_PX, data_range=spread, betas=weights
        )
    return float(value)
