"""Make a study of one file: one dose, one view, one split, and the file's digest.

Everything that works on a study works on it unchanged.  Source: docs/adr/0020-measured-data.md
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import design as designs
from harness import (
    files,
    gates,
    layout,
    npz,
    prepare,
    provenance,
    resources,
    rules,
    study_copy,
    studyfile,
    wording,
)
from harness.design import LARGEST_DOSE_PHOTONS, StudyDesign
from harness.errors import InputInvalid, UsageError
from harness.model import HALVES

INITIATIVE = "MEASURED"
PRESET = "given"
VIEW = "measured"
SPLIT = "whole"
NAME_LIMIT = 40
# What the rules of reading a file say of one that holds nothing to mend.
ABSENT = {
    "npz.missing": "is not there",
    "npz.not-a-file": "is no regular file",
    "npz.unreadable": "cannot be read, {}",
}
# A dose is a whole number: below, rounding it would go beyond the 5 % that the dose rule allows.
LEAST_DOSE_PHOTONS = 10
LEAST_FRAMES = 2
# Two for each half.
LEAST_FRAMES_OF_HALVES = 4


@dataclass(frozen=True, slots=True)
class OneFile:
    """The study of one file, not yet written: where it belongs, its text, and what it says.

    halves: whether the halves of the frames are compared, where nobody said.
    """

    file: Path
    place: Path
    text: str
    design: StudyDesign
    halves: str


def study_of(path: Path) -> OneFile:
    """Return the study of a file; nothing is written.

    Raises InputInvalid, with every finding where the file breaks DATA-001.
    """
    shown = provenance.portable(path)
    reading = npz.read(path, shown_as=shown)
    found = gates.check_contract(reading)
    lost = [ABSENT[item.rule].format(item.found) for item in found if item.rule in ABSENT]
    if lost:
        raise InputInvalid(f"{shown} {lost[0]}: name an NPZ of DATA-001")
    if rules.errors(found):
        raise InputInvalid(
            f"{shown} breaks DATA-001; for other formats and measured scans: python -m harness "
            "import",
            found,
        )
    numbers = reading.description["statistics"]
    if numbers["frames"] < LEAST_FRAMES:
        raise InputInvalid(
            f"{shown} holds {wording.counted(numbers['frames'], 'frame')}, at least {LEAST_FRAMES} "
            "make a study: give a scan that moves"
        )
    photons = numbers["mean_photons_per_frame"]
    if not LEAST_DOSE_PHOTONS <= photons <= LARGEST_DOSE_PHOTONS:
        raise InputInvalid(
            f"{shown} holds {photons:.4g} photons a frame on average, at least "
            f"{LEAST_DOSE_PHOTONS} and at most {LARGEST_DOSE_PHOTONS:.0e} make a study: scale "
            "diffraction to roots of photons"
        )
    model = studyfile.load(resources.DEFAULT_STUDY)
    name, text = study(path.name, reading.description, model)
    one = designs.from_mapping(study_copy.parse(text))
    return OneFile(path, Path(layout.study(name)), text, one, halves_of(reading.description))


def write(one: OneFile, say: Callable[[str], object]) -> Path:
    """Write the study of a file, if it is not there yet, and return where it lies.

    Raises UsageError where its name gives another study than the one that lies there.
    """
    if not one.place.exists():
        files.write_new(one.place, one.text.encode())
    elif one.place.read_text(encoding="utf-8") != one.text:
        raise UsageError(f"{one.place} is another study; remove it, or run its stages by --study")
    say(f"study {one.place}: the one file {one.file.name}")
    return one.place


def halves_of(description: Mapping[str, Any]) -> str:
    """Return "alternate" where there is no truth to compare with, and frames for two halves."""
    measured = (description["metadata"] or {}).get("input_kind") == "measured"
    has_truth = "objectGuess" in description["arrays"] and not measured
    none, alternate = HALVES
    return (
        none
        if has_truth or description["statistics"]["frames"] < LEAST_FRAMES_OF_HALVES
        else alternate
    )


def next_steps(hub: Path, study: Path, design: StudyDesign, file: Path) -> tuple[str, ...]:
    """Return the commands that check a hub of one file and take its reconstruction out."""
    inputs = prepare.scratch(design, PRESET, file).as_posix()
    word = "python -m harness"
    return (
        f"read it: {(hub / layout.SUMMARY).as_posix()}",
        f"check it, with its input: {word} verify {hub} --inputs {inputs} --study {study}",
        f"take it out: {word} export {hub} --to cxi --out FILE",
    )


def study(name: str, description: dict[str, Any], model: StudyDesign) -> tuple[str, str]:
    """Return the initiative and the text of the study file of an NPZ.

    description: of the file, sound.  model: the study whose seeds, settings and tests are taken.
    The dose is the file's own mean, photons per frame, rounded.
    """
    numbers, sha256 = description["statistics"], description["sha256"]
    stem = re.sub(r"[^A-Za-z0-9]+", "-", Path(name).stem).strip("-")[:NAME_LIMIT]
    initiative = "-".join(filter(None, (INITIATIVE, stem, sha256[:8])))
    seeds = "\n".join(f"{key} = {value}" for key, value in model.seeds.items())
    tests = "\n".join(
        f'{key} = "{getattr(model.tests, key)}"'
        for key in ("module", "mapped", "suite_keyword", "faults")
    )
    return initiative, TEXT.format(
        initiative=initiative,
        sha256=sha256,
        dose=round(numbers["mean_photons_per_frame"]),
        neighbors=model.neighbor_count,
        seeds=seeds,
        model=model,
        tests=tests,
        numbers=numbers,
        field_px=max(1, round(max(numbers[f"{a}_max_px"] - numbers[f"{a}_min_px"] for a in "xy"))),
        VIEW=VIEW,
        SPLIT=SPLIT,
        PRESET=PRESET,
    )


TEXT = """\
# Made from one file by `python -m harness reconstruct`. Schema: schemas/study.schema.json
format = "harness.study/1"
initiative = "{initiative}"
hub_slug = "reconstruction"
title = "Reconstruction of one file"
input_sha256 = "{sha256}"

doses_photons = [{dose}]
splits = ["{SPLIT}"]
neighbor_count = {neighbors}

[[views]]
name = "{VIEW}"
phase = "C"
gridsize = 1

[seeds]
{seeds}

[reconstruction]
recipe = "{model.recipe}"
probe = "guess"

[tests]
{tests}

[presets.{PRESET}]
frame_px = {numbers[frame_px]}
position_count = {numbers[positions]}
field_px = {field_px}
probe_diameter_fraction = 1.0
jitter_fraction = 0.0
"""
