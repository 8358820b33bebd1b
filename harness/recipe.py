"""Recipes: how a reconstruction is done, and what that comes to for one input.

A recipe is the mapping that its file holds (schemas/recipe.schema.json).  Pure; files are read by
`recipefile`.  Source: docs/adr/0018-recipes-and-stopping.md
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from harness import canonical
from harness.errors import UsageError

GIVEN, GUESS = "given", "guess"
ON_PIXELS, BETWEEN_PIXELS = "on_pixels", "between_pixels"
REFINED = "probe_position_options.optimizable"
OPR_WEIGHTS = "opr_mode_weight_options."
FINAL, HELD_OUT = "final", "heldout"
FRAMES, PHOTONS = "frames", "photons"
BATCH_SHARE = "frames/"
BY_THE_LIGHT = "/sqrt(photons_per_px)"
# What the command line may set in place of the file.
OVERRIDABLE = ("num_epochs", "batch_size", "initial_object", "stop")
# Whatever the recipe, the child sets these: the geometry, and what it is told beside the recipe.
SET_BY_THE_CHILD = (
    "object_options.determine_position_origin_coords_by",
    "object_options.position_origin_coords",
    "reconstructor_options.allow_nondeterministic_algorithms",
    "reconstructor_options.batch_size",
    "reconstructor_options.default_device",
    "reconstructor_options.num_epochs",
    "reconstructor_options.random_seed",
    "reconstructor_options.rescale_probe_intensity_in_first_epoch",
)

Record = Mapping[str, Any]


def resolve(recipe: Record, probe: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe for inputs whose probe is given or a guess, with what a command replaces.

    given: values by key, of `OVERRIDABLE`.  The keys are named under `overridden`, whether the
    recipe had other values or not.  Raises UsageError for a stop that has nothing to go by.
    """
    if given.get("stop") == HELD_OUT and not recipe.get("held_out"):
        raise UsageError(
            f"--stop {HELD_OUT}: recipe {recipe['name']!r} holds nothing out; "
            "name one with [held_out], as default, with --recipe"
        )
    names = sorted({*recipe.get("overridden", ()), *given})
    return {**recipe, **given, "probe": probe, "overridden": names}


def digest(recipe: Record) -> str:
    """Return the sha256 of a recipe's content, whatever file holds it."""
    return canonical.digest(dict(recipe))


def num_epochs(recipe: Record, frames: int) -> int:
    """Return the epochs to run, over so many frames that are reconstructed from."""
    asked = recipe["num_epochs"]
    if isinstance(asked, int):
        return asked
    least, visits = map(int, re.findall("[0-9]+", asked))
    return max(least, math.ceil(visits / frames))


def batch_size(recipe: Record, frames: int) -> int:
    """Return the frames in a batch, of so many frames that are reconstructed from."""
    asked = recipe["batch_size"]
    if isinstance(asked, int):
        return asked
    return math.ceil(frames / int(asked.removeprefix(BATCH_SHARE)))


def options(recipe: Record, photons_per_px: float, *, on_pixels: bool) -> dict[str, Any]:
    """Return pty-chi's options by path, numbers in place of formulas.

    photons_per_px: see `photons_per_px`.  on_pixels: whether all positions are whole pixels;
    positions that are refined do not stay so.
    """
    by_probe = recipe.get("options_by_probe", {}).get(recipe.get("probe", GIVEN), {})
    asked = {**recipe["options"], **by_probe}
    place = ON_PIXELS if on_pixels and not refines_positions(asked) else BETWEEN_PIXELS
    asked |= recipe.get("options_by_positions", {}).get(place, {})
    return {path: _number(value, photons_per_px) for path, value in sorted(asked.items())}


def without_effect(recipe: Record) -> list[str]:
    """Return the options of a recipe that set nothing: of OPR weights where there is one mode."""
    if recipe.get("opr_modes", 1) > 1:
        return []
    groups = [recipe["options"]]
    for name in ("options_by_probe", "options_by_positions"):
        groups += recipe.get(name, {}).values()
    return sorted({path for group in groups for path in group if path.startswith(OPR_WEIGHTS)})


def refines_positions(settings: Record) -> bool:
    """Return whether positions are refined, by pty-chi's options or what a task held of them."""
    return bool(settings.get(REFINED))


def photons_per_px(
    frames: int, mean_photons_per_frame: float, region_px: Mapping[str, Sequence[int]]
) -> float:
    """Return all photons of a scan over the pixels of the box that its probe's centres span.

    region_px: `truth.region_px` of an attestation.  A box of no width counts as one pixel.
    """
    sides = [stop - start for start, stop in (region_px["rows"], region_px["columns"])]
    return frames * mean_photons_per_frame / max(1, math.prod(sides))


def _number(value: Any, light: float) -> Any:
    if isinstance(value, str) and value.endswith(BY_THE_LIGHT):
        return float(value.removesuffix(BY_THE_LIGHT)) / math.sqrt(light)
    return value
