"""A study's design as a frozen value, from the mapping that its TOML file holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Counts and amplitudes are single precision: up to here the rounding of the brightest pixels stays
# below 2 % of their shot noise; from about 1e16 it exceeds it, and the truth fits no more.
LARGEST_DOSE_PHOTONS = 10**12


@dataclass(frozen=True, slots=True)
class View:
    """How positions are chosen from a split.

    phase: "C" (every position) or "D" (thinned).  overlap_fraction: nominal overlap, 0 to 1,
    or None where nothing is thinned.  gridsize: the grouping label of the study's later
    phases; it selects cells and does not change an LSQML reconstruction.
    """

    name: str
    phase: str
    gridsize: int
    overlap_fraction: float | None = None

    def spacing_threshold_px(self, frame_px: int) -> float | None:
        """Return the least centre spacing, (1 - overlap) x frame side, in object pixels."""
        if self.overlap_fraction is None:
            return None
        return (1.0 - self.overlap_fraction) * frame_px


@dataclass(frozen=True, slots=True)
class Preset:
    """The geometry of generated inputs; lengths in object pixels."""

    name: str
    frame_px: int
    position_count: int
    field_px: int
    probe_diameter_fraction: float
    jitter_fraction: float


@dataclass(frozen=True, slots=True)
class MappedTests:
    """The tests that RED and GREEN are about."""

    module: str
    mapped: str
    suite_keyword: str
    faults: str


@dataclass(frozen=True, slots=True)
class StudyDesign:
    """Doses (mean photons per frame), views, splits, seeds and geometry of one study.

    recipe: name or path of the recipe that jobs follow.  probe: "given" where the probe of the
    inputs is known, "guess" where it is not.
    input_sha256: of the one file that the study is about; None where its inputs are simulated.
    """

    initiative: str
    hub_slug: str
    title: str
    doses_photons: tuple[int, ...]
    splits: tuple[str, ...]
    views: tuple[View, ...]
    neighbor_count: int
    seeds: Mapping[str, int]
    recipe: str
    probe: str
    tests: MappedTests
    presets: Mapping[str, Preset]
    input_sha256: str | None = None

    def view(self, name: str) -> View:
        """Return the view of that name; KeyError for a name the study lacks."""
        for view in self.views:
            if view.name == name:
                return view
        raise KeyError(name)


def from_mapping(data: Mapping[str, Any]) -> StudyDesign:
    """Return the design held by a parsed study file that has passed its schema.

    Doses are put in ascending order; views and splits keep the file's order.
    """
    reconstruction = data["reconstruction"]
    return StudyDesign(
        initiative=data["initiative"],
        hub_slug=data["hub_slug"],
        title=data["title"],
        doses_photons=tuple(sorted(data["doses_photons"])),
        splits=tuple(data["splits"]),
        views=tuple(View(**view) for view in data["views"]),
        neighbor_count=data["neighbor_count"],
        seeds=dict(data["seeds"]),
        recipe=reconstruction["recipe"],
        probe=reconstruction["probe"],
        tests=MappedTests(**data["tests"]),
        presets={name: Preset(name=name, **preset) for name, preset in data["presets"].items()},
        input_sha256=data.get("input_sha256"),
    )
