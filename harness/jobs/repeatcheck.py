"""Show that a job gives the same bytes alone, again, and beside another: real children.

    python -m harness.jobs.repeatcheck

Exit codes: 0 the same bytes, 1 not.  Source: docs/adr/0018-recipes-and-stopping.md
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from harness import layout, resources, runner, simulate, studyfile, terminal
from harness.errors import EXIT_FAILED, EXIT_OK, JobFailed
from harness.model import CHILD

LIMIT_S = 600.0
DOSE_PHOTONS = 10_000
SEED = 20_251_107


def main() -> int:
    """Run the check and return its exit code."""
    return terminal.translate(_main)


def _main() -> int:
    with tempfile.TemporaryDirectory(prefix="repeatcheck-") as folder:
        root = Path(folder)
        np.savez(root / "input.npz", **scan())
        alone = attested(root, "alone")
        with ThreadPoolExecutor(2) as pool:
            beside = list(pool.map(lambda name: attested(root, name), ("one", "other")))
    same = [each["arrays"] == alone["arrays"] for each in beside]
    for name, holds in zip(("one", "other"), same, strict=True):
        terminal.say(f"side by side, {name}: {'the same bytes' if holds else 'OTHER BYTES'}")
    promised = all(each["determinism"]["bitwise"] for each in (alone, *beside))
    terminal.say(f"the children promise it: {'yes' if promised else 'NO'}")
    return EXIT_OK if all(same) and promised else EXIT_FAILED


def scan() -> dict[str, np.ndarray]:
    """Return the first half of the smoke preset's scan with noise, as DATA-001 arrays."""
    from harness import base, positions

    design = studyfile.load(resources.DEFAULT_STUDY)
    scene = base.embedded(design.presets["smoke"], design.seeds)
    kept_px = scene.positions_px[positions.split_along_y(scene.positions_px, 2)[0]]
    frames = simulate.intensities(scene.object_, scene.probe, kept_px)
    scale = simulate.photon_scale(frames, DOSE_PHOTONS)
    amplitudes = simulate.poisson_amplitudes(frames, scale, design.seeds["noise"], DOSE_PHOTONS)
    return simulate.dataset(amplitudes, scene.object_, scene.probe, kept_px)


def attested(root: Path, name: str, *words: str) -> Mapping[str, Any]:
    """Run a child on root/input.npz into root/name and return what it attests.

    words: further options.  Raises JobFailed where it does not end with 0.
    """
    options = {
        "--input-npz": root / "input.npz",
        "--output-dir": root / name,
        "--seed": SEED,
        "--device": "cpu",
    }
    asked = [str(word) for option in options.items() for word in option]
    argv: Sequence[str] = [sys.executable, "-u", "-m", CHILD, *asked, *words]
    done = runner.stream(argv, (), timeout_s=LIMIT_S)
    if done.returncode != 0:
        raise JobFailed(name, done.returncode, "not kept", done.last_lines)
    return json.loads((root / name / layout.RESULT).read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
