"""Show that figures taken from libraries are what is meant: known answers, and the formula.

Multi-scale SSIM comes from torchmetrics; `harness.multiscale` has the formula. Both must agree,
and must not where one is given another question. Source: docs/metrics.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from harness import multiscale
from harness.jobs import ms_ssim

SIDES_PX = (22, 57, 131, 188)
NOISES = (0.02, 0.1, 0.5)
AGREEMENT = 1e-6
HEAD = ("figure", "found", "least", "most", "verdict")


@dataclass(frozen=True, slots=True)
class Figure:
    """One known answer: what was found, what it must be within, and whether that is so."""

    name: str
    found: float
    least: float
    most: float
    good: bool

    def row(self) -> tuple[str, ...]:
        """Return the figure as cells of a table, under `HEAD`."""
        numbers = (f"{value:.9g}" for value in (self.found, self.least, self.most))
        return (self.name, *numbers, "holds" if self.good else "BROKEN")


def check() -> list[Figure]:
    """Return every known answer of the multi-scale SSIM."""
    return [*_identical(), *_ordered(), *_agreeing(), *_other_questions()]


def _scene(side_px: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(side_px)
    smooth = rng.normal(size=(side_px, side_px)).cumsum(axis=0).cumsum(axis=1) / side_px
    return smooth, np.ptp(smooth) * rng.normal(size=smooth.shape)


def _identical() -> Iterator[Figure]:
    for side_px in SIDES_PX:
        wanted, _ = _scene(side_px)
        found = ms_ssim.similarity(wanted, wanted, float(np.ptp(wanted)), _weights(side_px))
        yield _figure(f"{side_px} px: an image and itself", found, 1 - 1e-9, 1 + 1e-9)


def _ordered() -> Iterator[Figure]:
    for side_px in SIDES_PX:
        wanted, noise = _scene(side_px)
        before = 1.0
        for share in NOISES:
            found = ms_ssim.similarity(
                wanted + share * noise, wanted, float(np.ptp(wanted)), _weights(side_px)
            )
            yield _figure(
                f"{side_px} px: noise of {share} of the range", found, 0.0, before - 0.005
            )
            before = found


def _agreeing() -> Iterator[Figure]:
    for side_px in SIDES_PX:
        yield _figure(f"{side_px} px: library less formula", _apart(side_px), 0.0, AGREEMENT)


# What would be another figure; that it differs from the formula shows that agreement tells.
OTHERS: Mapping[str, Callable[[float, tuple[float, ...]], tuple[float, tuple[float, ...]]]] = {
    "half the range": lambda spread, weights: (spread / 2, weights),
    "weights coarsest first": lambda spread, weights: (spread, weights[::-1]),
    "one scale less": lambda spread, weights: (spread, multiscale.weights_of(len(weights) - 1)),
}


def _other_questions() -> Iterator[Figure]:
    for name, change in OTHERS.items():
        apart = _apart(SIDES_PX[-1], change)
        yield _figure(f"{name}: noticed, as library less formula", apart, 1e-4, 1.0)


def _apart(
    side_px: int,
    change: Callable[[float, tuple[float, ...]], tuple[float, tuple[float, ...]]] = lambda *same: (
        same
    ),
) -> float:
    """Return how far the library, asked as changed, is from the formula; the largest of several."""
    wanted, noise = _scene(side_px)
    plain = (float(np.ptp(wanted)), _weights(side_px))
    return max(
        abs(
            ms_ssim.similarity(wanted + share * noise, wanted, *change(*plain))
            - multiscale.similarity(wanted + share * noise, wanted, *plain)
        )
        for share in NOISES
    )


def _weights(side_px: int) -> tuple[float, ...]:
    return multiscale.weights_of(multiscale.scales_for(side_px))


def _figure(name: str, found: float, least: float, most: float) -> Figure:
    return Figure(name, found, least, most, least <= found <= most)
