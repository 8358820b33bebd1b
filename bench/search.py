"""Try changes of the default recipe, on scenes and seeds other than those it is judged on.

    .venv/bin/python -m bench.search [--probe guess] [NAME ...]

Two scenes of frames half as wide, at a quarter of the photons, so that each pixel of detector and
object sees as many as in the study: the embedded one with other seeds, and a "close" one, with
phases that wrap, a probe that fills the detector, and frames that lie much closer.  Each candidate
of bench/candidates.toml runs on each cell.  A row has, for each cell, the error of the epoch that
held-out photons choose (and which), and over all cells the geometric mean of that error over
`default`'s, the same of the least error, and of the time.

With --probe guess the probe of each input is out of focus, the recipe is told that it is a guess,
and the candidates are those of bench/candidates_guess.toml.
"""

from __future__ import annotations

import argparse
import math
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench import trial
from bench.timing import REPOSITORY, scratch
from bench.trial import Trial
from harness import base, input_files, layout, prepare, studyfile
from harness.design import StudyDesign
from harness.model import CellKey
from harness.prepare import PreparedInputs

SEEDS = {"object": 11, "scan": 12, "noise": 13, "reconstruction": 14}
DOSES_PHOTONS = (250, 25000)
EMBEDDED = {"frame_px": 32, "position_count": 350, "field_px": 96}
CLOSE = {"frame_px": 32, "position_count": 265, "field_px": 44}
PHASE_FACTOR = 2.5
CHIRP_PER_PX2 = 0.012
PROBE_ERROR = 0.3
CANDIDATES = {"given": "bench/candidates.toml", "guess": "bench/candidates_guess.toml"}
CELLS = {"embedded": ("dense", "baseline"), "close": ("dense", "baseline")}
KEPT = REPOSITORY / "tmp" / "bench" / "search"
SPLIT = "train"
JUDGE = "default"


def main() -> None:
    """Print the table, a row as it is found."""
    trial.on_one_core("bench.search")
    parser = argparse.ArgumentParser(prog="python -m bench.search", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of candidates; default: all")
    parser.add_argument("--probe", choices=CANDIDATES, default="given", help="what inputs have")
    options = parser.parse_args()
    names, file = options.names, REPOSITORY / CANDIDATES[options.probe]
    candidates = tomllib.loads(file.read_text(encoding="utf-8"))
    if unknown := [name for name in names if name not in candidates]:
        parser.error(f"no candidate {', '.join(unknown)}; there are {', '.join(candidates)}")
    names = [JUDGE, *(name for name in names or candidates if name != JUDGE)]
    cells = [f"{scene} {view} {dose:g}" for scene, view, dose in _cells()]
    print(f"| candidate | {' | '.join(cells)} | chosen | best | time |")
    print("| --- " * (len(cells) + 4) + "|")
    with scratch() as folder:
        root = Path(folder)
        designs = {scene: prepared(scene, root) for scene in CELLS}
        known = [_input(*designs[scene], view, dose) for scene, view, dose in _cells()]
        scans: list[tuple[Path, Path | None]] = [(npz, None) for npz in known]
        if options.probe == "guess":
            scans = [(_out_of_focus(npz), npz) for npz in known]
        judge: list[Trial] = []
        for name in names:
            recipe = trial.variant(JUDGE, candidates[name], root / f"{name}.json")
            found = [_try(recipe, *scan) for scan in scans]
            judge = judge or found
            print(_row(name, found, judge), flush=True)
        print(f"\nChanges of {judge[0].made_by}.")


def _cells() -> list[tuple[str, str, int]]:
    return [
        (scene, view, dose) for scene in CELLS for view in CELLS[scene] for dose in DOSES_PHOTONS
    ]


def prepared(
    scene: str, root: Path, doses_photons: Sequence[int] = DOSES_PHOTONS
) -> tuple[StudyDesign, PreparedInputs]:
    """Return the study of a scene, and its inputs, which are made below a folder."""
    study = studyfile.load()
    preset = replace(study.presets["default"], **{"embedded": EMBEDDED, "close": CLOSE}[scene])
    design = replace(
        study, seeds=SEEDS, doses_photons=tuple(doses_photons), presets={preset.name: preset}
    )
    given = None
    if scene == "close":
        given = root / "close.npz"
        given.write_bytes(input_files.npz_bytes(_close(design)))
    return design, prepare.prepare_inputs(design, preset.name, root / scene, given, say=len)


def _input(design: StudyDesign, made: PreparedInputs, view: str, dose_photons: int) -> Path:
    key = CellKey(dose_photons, view, SPLIT)
    roots = made.phase_c_root, made.phase_d_root
    return Path(layout.input_npz(key, design.view(view), *roots))


def _close(design: StudyDesign) -> dict[str, np.ndarray]:
    """Return a scene whose phases wrap, seen close, by a probe that fills the detector."""
    plain = base.embedded(design.presets["default"], SEEDS)
    y, x = np.indices(plain.probe.shape) - plain.frame_px / 2
    chirp = np.exp(1j * np.pi * CHIRP_PER_PX2 * (y**2 + x**2))
    object_ = np.abs(plain.object_) * np.exp(1j * PHASE_FACTOR * np.angle(plain.object_))
    positions = plain.positions_px
    return {
        "objectGuess": object_,
        "probeGuess": plain.probe * chirp,
        "xcoords": positions[:, 1],
        "ycoords": positions[:, 0],
    }


def _out_of_focus(npz: Path) -> Path:
    """Write the input again beside itself, its probe out of focus, and return the path."""
    with np.load(npz) as archive:
        arrays = dict(archive)
    probe = arrays["probeGuess"]
    blurred = (_defocused(probe, px2) for px2 in np.geomspace(0.1, 100, 200))
    arrays["probeGuess"] = next(each for each in blurred if _apart(each, probe) > PROBE_ERROR)
    path = npz.with_name(f"{npz.stem}_out_of_focus.npz")
    path.write_bytes(input_files.npz_bytes(arrays))
    return path


def _defocused(probe: np.ndarray, by_px2: float) -> np.ndarray:
    """Return a probe, complex (N, N), by a distance times wavelength of so many square pixels."""
    rows, columns = (np.fft.fftfreq(size) for size in probe.shape)
    chirp = np.exp(1j * np.pi * by_px2 * (rows[:, None] ** 2 + columns**2))
    return np.fft.ifft2(np.fft.fft2(probe) * chirp).astype(probe.dtype)


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    """Return the error of one beside the other, whatever factor lies between them."""
    overlap = abs(np.vdot(one, other)) ** 2
    return math.sqrt(1 - overlap / (np.vdot(one, one).real * np.vdot(other, other).real))


def _try(recipe: Path, npz: Path, known: Path | None) -> Trial:
    seed = SEEDS["reconstruction"]
    return trial.kept(recipe, npz, seed, KEPT, measured=False, known=known)


def _row(name: str, found: Sequence[Trial], judge: Sequence[Trial]) -> str:
    cells = [f"{_chosen(each):.4f} @{each.chosen} ({_best(each):.4f})" for each in found]
    ratios = [_mean_ratio(map(of, found), map(of, judge)) for of in (_chosen, _best, _time_s)]
    return f"| {name} | {' | '.join((*cells, *(f'{ratio:.3f}' for ratio in ratios)))} |"


def _chosen(found: Trial) -> float:
    return math.inf if found.failure else found.error(found.chosen)


def _best(found: Trial) -> float:
    return math.inf if found.failure else found.error(found.best)


def _time_s(found: Trial) -> float:
    return found.cpu_s[-1]


def _mean_ratio(found: Iterable[float], other: Iterable[float]) -> float:
    logs = [math.log(one / two) for one, two in zip(found, other, strict=True)]
    return math.exp(sum(logs) / len(logs))


if __name__ == "__main__":
    main()
