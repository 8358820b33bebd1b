"""Show that a recipe's options for what an input does not say help: real children, known truths.

    python -m harness.jobs.optionscheck

Each case is a scan that breaks one assumption of the plain recipe: positions that are wrong, a
probe of two incoherent modes, a probe that changes from frame to frame.  It is reconstructed
without and with the option that allows for it, and the option must help by a factor.
Exit codes: 0 each helps, 1 not.  Source: docs/adr/0018-recipes-and-stopping.md
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness import canonical, forward, layout, recipefile, terminal
from harness.errors import EXIT_FAILED, EXIT_OK
from harness.jobs import repeatcheck

Arrays = Mapping[str, np.ndarray]
RECIPE = "seed"
SIDE_BY_SIDE = 2
SEED = 7
POSITION_ERROR_PX = 1.0
SECOND_MODE_SHARE = 0.1
PROBE_CHANGE = 0.3


@dataclass(frozen=True, slots=True)
class Case:
    """A scan, the option that allows for what is wrong with it, and how much that must help.

    scan: from a sound one.  keys: put into the recipe.  options: of pty-chi.
    figure: of what a child left; the smaller the better.  factor: by which the figure
    must be smaller with the option than without.
    """

    name: str
    scan: Callable[[Arrays], Arrays]
    keys: Mapping[str, Any]
    options: Mapping[str, Any]
    figure: Callable[[Path], float]
    factor: float


def main() -> int:
    """Run the check and return its exit code."""
    return terminal.translate(_main)


def _main() -> int:
    sound = repeatcheck.scan()
    with (
        tempfile.TemporaryDirectory(prefix="optionscheck-") as folder,
        ThreadPoolExecutor(SIDE_BY_SIDE) as pool,
    ):
        root = Path(folder)
        helped = list(pool.map(lambda case: helps(case, sound, root / case.name), CASES))
    return EXIT_OK if all(helped) else EXIT_FAILED


def helps(case: Case, sound: Arrays, root: Path) -> bool:
    """Reconstruct a case without and with its option, say both figures, and return the verdict."""
    root.mkdir()
    np.savez(root / "input.npz", **case.scan(sound))
    figures = []
    for name, keys, options in (("without", {}, {}), ("with", case.keys, case.options)):
        recipe = recipefile.load(RECIPE)
        del recipe["source_sha256"]
        recipe |= keys
        recipe["options"] |= options
        path = root / f"{name}.json"
        path.write_bytes(canonical.to_bytes(recipe))
        repeatcheck.attested(root, name, "--recipe", str(path))
        figures.append(case.figure(root / name))
    without, with_it = figures
    good = with_it * case.factor <= without
    verdict = "helps" if good else "DOES NOT HELP"
    terminal.say(
        f"{case.name}: {without:.3g} without, {with_it:.3g} with, "
        f"{without / with_it:.1f} times less, {case.factor:g} asked for: {verdict}"
    )
    return good


def _misplaced(sound: Arrays) -> Arrays:
    """Return the scan with wrong positions."""
    rng = np.random.default_rng(SEED)
    names = ("xcoords", "ycoords")
    off_px = rng.normal(scale=POSITION_ERROR_PX, size=(2, len(sound["xcoords"])))
    # The object has room for two pixels beyond the scan.
    off_px = np.clip(off_px, -2.0, 2.0)
    return {**sound, **{name: sound[name] + off for name, off in zip(names, off_px, strict=True)}}


def _second_mode(probe: np.ndarray) -> np.ndarray:
    """Return a probe orthogonal to one, of the same power: the same, with its halves opposed."""
    rows = np.arange(len(probe))[:, None] < len(probe) / 2
    other = np.where(rows, probe, -probe)
    other = other - probe * np.vdot(probe, other) / np.vdot(probe, probe)
    return other * np.linalg.norm(probe) / np.linalg.norm(other)


def _waves(sound: Arrays) -> np.ndarray:
    """Return the centred detector waves of both modes, complex (frames, 2, N, N)."""
    probe, object_ = sound["probeGuess"], sound["objectGuess"]
    corners = forward.patch_corners(sound["xcoords"], sound["ycoords"], len(probe), object_.shape)
    both = np.stack([probe, _second_mode(probe)])
    return np.fft.fftshift(list(forward.waves(both, object_, corners)), axes=(2, 3))


def _incoherent(sound: Arrays) -> Arrays:
    """Return the scan with part of its light in a second mode."""
    shares = np.array([1 - SECOND_MODE_SHARE, SECOND_MODE_SHARE])[:, None, None]
    return _with_light(sound, (np.abs(_waves(sound)) ** 2 * shares).sum(axis=1))


def _changing(sound: Arrays) -> Arrays:
    """Return the scan with a probe that is another one in each frame."""
    waves = _waves(sound)
    part = np.random.default_rng(SEED).normal(scale=PROBE_CHANGE, size=(len(waves), 1, 1))
    return _with_light(sound, np.abs(waves[:, 0] + part * waves[:, 1]) ** 2)


def _with_light(sound: Arrays, frames: np.ndarray) -> Arrays:
    scale = (sound["diffraction"].astype(float) ** 2).sum() / frames.sum()
    return {**sound, "diffraction": np.sqrt(frames * scale).astype(np.float32)}


def _position_error_px(out: Path) -> float:
    """Return how far the positions of a reconstruction are from the right ones, root mean square.

    A common shift is none: it moves the object with it.
    """
    sound = repeatcheck.scan()
    with np.load(out / layout.RECONSTRUCTION, allow_pickle=False) as archive:
        off = [archive[f"positions_{axis}_px"] - sound[f"{axis}coords"] for axis in ("x", "y")]
    return float(np.sqrt(sum(np.var(each) for each in off)))


def _amplitude_mse(out: Path) -> float:
    """Return what is measured of each frame by its own probe, as the arrays hold it."""
    record = json.loads((out / layout.RESULT).read_text(encoding="utf-8"))
    return record["metrics"]["without_truth"]["amplitude_mse"]


def _loss(out: Path) -> float:
    return json.loads((out / layout.RESULT).read_text(encoding="utf-8"))["loss"]["last"]


# Measured: 2.3, 1.7 and 248 times less.
CASES = (
    Case(
        "positions",
        _misplaced,
        {},
        {"probe_position_options.optimizable": True, "probe_position_options.step_size": 1.0},
        _position_error_px,
        1.5,
    ),
    Case("probe-modes", _incoherent, {"probe_modes": 2}, {}, _loss, 1.4),
    Case(
        "opr-modes",
        _changing,
        {"opr_modes": 2},
        {"opr_mode_weight_options.optimizable": True},
        _amplitude_mse,
        10.0,
    ),
)


if __name__ == "__main__":
    sys.exit(main())
