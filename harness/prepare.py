"""Make the inputs of a study: Phase C and Phase D files, once, the same bytes every time.

`inputs.json` beside them records what they were made from and the digest of each; while it
says "complete" and everything in it still holds, nothing is made again.
Source: docs/adr/0004-study-inputs.md
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness import base as bases
from harness import (
    canonical,
    files,
    input_files,
    layout,
    npz,
    optics,
    positions,
    provenance,
    simulate,
    view_selection,
    wording,
)
from harness import (
    design as designs,
)
from harness.base import Base
from harness.design import Preset, StudyDesign
from harness.errors import InputInvalid, UsageError
from harness.input_files import PHASE_C, PHASE_D

FORMAT = "harness.inputs/1"
RECORD = "inputs.json"
# What decides the inputs' bytes, beside this module.
GENERATOR = (
    bases,
    designs,
    input_files,
    layout,
    optics,
    positions,
    simulate,
    view_selection,
)


@dataclass(frozen=True, slots=True)
class PreparedInputs:
    """Where the inputs lie, and whether this call made them."""

    phase_c_root: Path
    phase_d_root: Path
    made: bool


def prepare_inputs(
    design: StudyDesign,
    preset_name: str,
    root: Path,
    base_npz: Path | None = None,
    say: Callable[[str], object] = print,
    base_sha256: str | None = None,
) -> PreparedInputs:
    """Make the inputs of every dose, split and view under `root`, or find them made.

    base_npz: object, probe and positions to simulate from; None for the embedded scene of the
    preset, whose geometry a base replaces.  Of a study of one file, that file: it is put in its
    place byte for byte.  base_sha256: what whoever asks has recorded of it; None where nothing is.
    Raises UsageError for a preset that the study lacks and for a root that cannot serve,
    InputInvalid for a base or preset that breaks the rules inputs.base or inputs.preset, for a base
    that is not the one recorded, and for a file that is not the study's.
    """
    preset = _preset(design, preset_name)
    given = None if base_npz is None else (base_npz.name, _read(base_npz, base_sha256))
    origin = _origin(design, preset, given)
    made = not _unchanged(root, origin)
    if made:
        # All that can refuse a base comes first, so that older inputs stay as they are.
        is_given = design.input_sha256 is not None
        make = _placing(design, given) if is_given else _simulating(design, preset, given)
        made = _write(root, origin, make, say)
    _report(root, made, say)
    return PreparedInputs(root / PHASE_C, root / PHASE_D, made)


def _write(
    root: Path,
    origin: Mapping[str, Any],
    make: Callable[[Path], dict[str, Any]],
    say: Callable[[str], object],
) -> bool:
    """Write the inputs and their record; return False where another process just did.

    make: writes every file, and returns the record's views, left_out and outputs.
    """
    try:
        with _held(root, say):
            if _unchanged(root, origin):
                return False
            _clear(root, origin)
            record = {**origin, "complete": True, **make(root)}
            files.write_json(root / RECORD, record, new=False)
    except OSError as error:
        raise UsageError(
            f"{root} cannot hold the inputs: {error.strerror}; make room or give another root"
        ) from None
    return True


def _simulating(
    design: StudyDesign, preset: Preset, given: tuple[str, bytes] | None
) -> Callable[[Path], dict[str, Any]]:
    """Return what makes the inputs by simulation; raises InputInvalid now, not then."""
    scene = _from_base(*given) if given else bases.embedded(preset, design.seeds)
    scene, frames = input_files.to_one_photon(scene)
    selections, left_out = view_selection.select(design, scene)

    def make(root: Path) -> dict[str, Any]:
        outputs = list(input_files.write(design, scene, frames, selections, root))
        facts = [dict(selection.facts) for selection in selections]
        return {"views": facts, "left_out": left_out, "outputs": outputs}

    return make


def _placing(
    design: StudyDesign, given: tuple[str, bytes] | None
) -> Callable[[Path], dict[str, Any]]:
    """Return what puts the one file of a study in its place; InputInvalid for another file."""
    name, data = given or ("no file", b"")
    if canonical.sha256(data) != design.input_sha256:
        raise InputInvalid(
            f"the study is of the file with sha256 {design.input_sha256}, and {name} is not that: "
            "name it with --base"
        )

    def make(root: Path) -> dict[str, Any]:
        inside = layout.phase_c_input(design.doses_photons[0], design.splits[0])
        path = f"{PHASE_C}/{inside}"
        files.replace(root / path, data)
        output = {"path": path, "bytes": len(data), "sha256": canonical.sha256(data)}
        return {"views": [], "left_out": [], "outputs": [output]}

    return make


def scratch(design: StudyDesign, preset: str, base_npz: Path | None) -> Path:
    """Return where a preset's inputs lie; those of a base lie apart, by the digest of its bytes."""
    digest = files.sha256_or_none(base_npz) if base_npz else None
    return Path(layout.scratch(design.initiative, preset, digest))


def check_base(base_npz: Path) -> None:
    """Raise InputInvalid with every finding where a file cannot be read as a base."""
    _from_base(base_npz.name, _read(base_npz))


@contextmanager
def _held(root: Path, say: Callable[[str], object]) -> Iterator[None]:
    """Make a root and hold it for one process at a time; waits for another that has it."""
    root.mkdir(parents=True, exist_ok=True)
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process makes the inputs in {root}; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _preset(design: StudyDesign, name: str) -> Preset:
    if name not in design.presets:
        raise UsageError(f"no preset {name!r} in the study; it has {', '.join(design.presets)}")
    return design.presets[name]


def _read(base_npz: Path, sha256: str | None = None) -> bytes:
    shown = provenance.portable(base_npz)
    try:
        data = base_npz.read_bytes()
    except OSError as error:
        raise InputInvalid(
            f"the base NPZ {shown} cannot be read: {error.strerror}; give the path of a file"
        ) from None
    if sha256 is not None and canonical.sha256(data) != sha256:
        raise InputInvalid(
            f"the base NPZ {shown} changed as the stage began; let it be, and run the stage again"
        )
    return data


def _from_base(name: str, data: bytes) -> Base:
    reading = npz.read_file(io.BytesIO(data), name)
    broken = [
        found
        for found in reading.findings
        if found.severity == "error" and found.pointer in ("", *bases.KEYS)
    ]
    if broken:
        raise bases.invalid(broken)
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in bases.KEYS if key in archive.files}
    return bases.from_arrays(arrays, name)


def _origin(design: StudyDesign, preset: Preset, given: tuple[str, bytes] | None) -> dict[str, Any]:
    """Return all that decides the bytes of the inputs, as it stands in the record."""
    settings = {
        "doses_photons": list(design.doses_photons),
        "splits": list(design.splits),
        "views": [asdict(view) for view in design.views],
        "neighbor_count": design.neighbor_count,
        "seeds": dict(design.seeds),
        "preset": asdict(preset),
    }
    return {
        "format": FORMAT,
        "settings": settings,
        "settings_sha256": canonical.digest(settings),
        "generator_sha256": generator_sha256(),
        "base": given and {"name": given[0], "sha256": canonical.sha256(given[1])},
    }


def generator_sha256() -> str:
    """Return the digest of the source of every module that decides the inputs' bytes."""
    digest = hashlib.sha256()
    for source in GENERATOR:
        digest.update(Path(str(source.__file__)).read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()


def _unchanged(root: Path, origin: Mapping[str, Any]) -> bool:
    """Return whether the record is complete, of this origin, and every file as it says."""
    try:
        record = json.loads((root / RECORD).read_bytes())
        outputs = {output["path"]: output["sha256"] for output in record["outputs"]}
        if record["complete"] is not True or any(record[key] != origin[key] for key in origin):
            return False
        return outputs == {
            path.relative_to(root).as_posix(): files.sha256_file(path)
            for phase in (PHASE_C, PHASE_D)
            for path in (root / phase).rglob("*")
            if path.is_file()
        }
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _clear(root: Path, origin: Mapping[str, Any]) -> None:
    """Take away inputs made earlier; refuse a root whose files were not made here."""
    ours = (root / RECORD).is_file()
    taken = [phase for phase in (PHASE_C, PHASE_D) if (root / phase).exists()]
    if taken and not ours:
        raise UsageError(
            f"{root} holds {' and '.join(taken)} but no {RECORD}: these files were not made "
            "here and are left alone; give another root"
        )
    # From here to the last write the record says "not complete": never believed, still ours.
    files.write_json(root / RECORD, {**origin, "complete": False}, new=False)
    for phase in taken:
        shutil.rmtree(root / phase)


def _report(root: Path, made: bool, say: Callable[[str], object]) -> None:
    record = json.loads((root / RECORD).read_bytes())
    megabytes = sum(output["bytes"] for output in record["outputs"]) / 1e6
    state = "made" if made else "unchanged"
    number = wording.counted(len(record["outputs"]), "file")
    say(f"inputs {state}: {number}, {megabytes:.1f} MB, in {root}")
    for view in record["views"]:
        say(
            f"  {view['split']:<6} {view['overlap_view']:<9} {view['n_accepted']:>5} of "
            f"{view['n_accepted'] + view['n_rejected']:>5} frames, "
            f"{view['overlap_touching_count']:>5} touch a neighbour, spacing >= "
            f"{view['spacing_measured_min_px']:>4.1f} px, mean overlap "
            f"{view['overlap_measured_mean']:.3f}"
        )
    for gap in record["left_out"]:
        say(f"  {gap['split']:<6} {gap['view']:<9} left out: {gap['reason']}")
