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
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import base as bases
from harness import canonical, files, layout, npz, optics, positions, provenance, simulate
from harness.base import Base
from harness.design import Preset, StudyDesign, View
from harness.errors import InputInvalid, UsageError

FORMAT = "harness.inputs/1"
RECORD = "inputs.json"
PHASE_C = "phase_c"
PHASE_D = "phase_d"
DIGITS = 6


@dataclass(frozen=True, slots=True)
class PreparedInputs:
    """Where the inputs lie, and whether this call made them."""

    phase_c_root: Path
    phase_d_root: Path
    made: bool


@dataclass(frozen=True, slots=True)
class Selection:
    """The frames of one (view, split): indices into the scan, and what is said of them."""

    view: View
    split: str
    indices: NDArray[np.intp]
    facts: Mapping[str, Any]


def prepare_inputs(
    design: StudyDesign,
    preset_name: str,
    root: Path,
    base_npz: Path | None = None,
    say: Callable[[str], object] = print,
) -> PreparedInputs:
    """Make the inputs of every dose, split and view under `root`, or find them made.

    base_npz: object, probe and positions to simulate from; None for the embedded scene of the
    preset, whose geometry a base replaces.  Of a study of one file, that file: it is put in its
    place byte for byte.  Raises UsageError for a preset that the study lacks
    and for a root that cannot serve, InputInvalid for a base or preset that
    breaks the rules inputs.base or inputs.preset, and for a file that is not the study's.
    """
    preset = _preset(design, preset_name)
    given = None if base_npz is None else (base_npz.name, _read(base_npz))
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
    scene, frames = _to_one_photon(scene)
    selections, left_out = _select(design, scene)

    def make(root: Path) -> dict[str, Any]:
        outputs = list(_make(design, scene, frames, selections, root))
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


def _read(base_npz: Path) -> bytes:
    try:
        return base_npz.read_bytes()
    except OSError as error:
        shown = provenance.portable(base_npz)
        raise InputInvalid(
            f"the base NPZ {shown} cannot be read: {error.strerror}; give the path of a file"
        ) from None


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


def _to_one_photon(scene: Base) -> tuple[Base, NDArray[np.float64]]:
    """Return scene and noiseless frames, the probe scaled to one photon a frame on average."""
    frames = simulate.intensities(scene.object_, scene.probe, scene.positions_px)
    try:
        scale = simulate.photon_scale(frames, 1.0)
    except InputInvalid:
        dark = "objectGuess" if scene.probe.any() else "probeGuess"
        none = "none: it is zero under the scan"
        raise bases.fault(scene, dark, "light in some frame", none) from None
    return replace(scene, probe=scene.probe * np.float32(np.sqrt(scale))), frames * scale


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
    for source in (bases, layout, optics, positions, simulate):
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


def _select(design: StudyDesign, scene: Base) -> tuple[list[Selection], list[dict[str, str]]]:
    """Return the frames of each (split, view), and the views that keep too few of them."""
    bands = _bands(scene, len(design.splits))
    diameter_px = optics.illuminated_diameter_px(scene.probe)
    selections, left_out = [], []
    for split, band in zip(design.splits, bands, strict=True):
        for view in design.views:
            spacing_px = view.spacing_threshold_px(scene.frame_px)
            kept = band
            if spacing_px is not None:
                kept = band[positions.thin(scene.positions_px[band], spacing_px)]
            if len(kept) < 2:
                reason = f"{len(kept)} of {len(band)} positions kept; a view needs 2"
                left_out.append({"view": view.name, "split": split, "reason": reason})
                continue
            summary = positions.summarize_overlap(
                scene.positions_px[kept], diameter_px, design.neighbor_count
            )
            facts = _facts(design, view, split, spacing_px, len(band), len(kept), summary)
            selections.append(Selection(view, split, kept, facts))
    return selections, left_out


def _bands(scene: Base, count: int) -> tuple[NDArray[np.intp], ...]:
    """Return the frames of each split; InputInvalid where the scan has none for one of them."""
    try:
        return positions.split_along_y(scene.positions_px, count)
    except InputInvalid:
        y_px = scene.positions_px[:, 0]
        expected = f"positions that can be split along y into {count} parts"
        found = f"{y_px.size} positions at {np.unique(y_px).size} values of y"
        raise bases.fault(scene, "ycoords", expected, found) from None


def _facts(
    design: StudyDesign,
    view: View,
    split: str,
    spacing_px: float | None,
    n_offered: int,
    n_accepted: int,
    summary: positions.OverlapSummary,
) -> dict[str, Any]:
    """Return what a view's metadata says, the dose and the source file aside."""
    return {
        "overlap_view": view.name,
        "split": split,
        "spacing_threshold": 0.0 if spacing_px is None else round(spacing_px, DIGITS),
        "n_accepted": n_accepted,
        "n_rejected": n_offered - n_accepted,
        "acceptance_rate": round(n_accepted / n_offered, DIGITS),
        "selection_strategy": "direct" if n_accepted == n_offered else "greedy",
        "neighbor_count": design.neighbor_count,
        "overlap_measured_mean": round(summary.mean_fraction, DIGITS),
        "overlap_measured_min": round(summary.min_fraction, DIGITS),
        "spacing_measured_min_px": round(summary.spacing_min_px, DIGITS),
        "overlap_touching_count": summary.touching_count,
        "overlap_disc_diameter_px": round(summary.disc_diameter_px, DIGITS),
    }


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


def _make(
    design: StudyDesign,
    scene: Base,
    frames: NDArray[np.float64],
    selections: list[Selection],
    root: Path,
) -> Iterator[dict[str, Any]]:
    """Write every file; yields what the record says of each.

    scene, frames: scaled to one photon a frame on average, see `_to_one_photon`.
    """
    for dose_photons in design.doses_photons:
        amplitudes = simulate.poisson_amplitudes(
            frames, dose_photons, design.seeds["noise"], dose_photons
        )
        for selection in selections:
            arrays = simulate.dataset(
                amplitudes[selection.indices],
                scene.object_,
                scene.probe * np.float32(np.sqrt(dose_photons)),
                scene.positions_px[selection.indices],
            )
            metadata = _metadata(selection, dose_photons, scene.name)
            data = npz_bytes({**arrays, "_metadata": np.array(json.dumps(metadata))})
            path = _place(selection, dose_photons)
            files.replace(root / path, data)
            yield {"path": path, "bytes": len(data), "sha256": canonical.sha256(data)}


def _place(selection: Selection, dose_photons: int) -> str:
    if selection.view.phase == "C":
        return f"{PHASE_C}/{layout.phase_c_input(dose_photons, selection.split)}"
    name = layout.phase_d_input(dose_photons, selection.view.name, selection.split)
    return f"{PHASE_D}/{name}"


def _metadata(selection: Selection, dose_photons: int, base_name: str) -> dict[str, Any]:
    """Return a file's metadata; a Phase D file comes from Phase C, a Phase C file from the base."""
    source = base_name
    if selection.view.phase != "C":
        source = f"{PHASE_C}/{layout.phase_c_input(dose_photons, selection.split)}"
    return {"dose_photons": dose_photons, "source_file": source, **selection.facts}


def npz_bytes(arrays: Mapping[str, NDArray]) -> bytes:
    """Return an uncompressed NPZ, the same bytes for the same arrays: its members bear no time."""
    buffer = io.BytesIO()
    np.savez(buffer, **dict(arrays))
    return buffer.getvalue()


def _report(root: Path, made: bool, say: Callable[[str], object]) -> None:
    record = json.loads((root / RECORD).read_bytes())
    megabytes = sum(output["bytes"] for output in record["outputs"]) / 1e6
    state = "made" if made else "unchanged"
    say(f"inputs {state}: {len(record['outputs'])} files, {megabytes:.1f} MB, in {root}")
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
