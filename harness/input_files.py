"""Write the files of a study's inputs: noise for each dose, one NPZ for each view and split.

Source: docs/adr/0004-study-inputs.md
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import base as bases
from harness import canonical, files, layout, simulate
from harness.base import Base
from harness.design import StudyDesign
from harness.errors import InputInvalid
from harness.view_selection import Selection

PHASE_C = "phase_c"
PHASE_D = "phase_d"


def to_one_photon(scene: Base) -> tuple[Base, NDArray[np.float64]]:
    """Return scene and noiseless frames, the probe scaled to one photon a frame on average."""
    frames = simulate.intensities(scene.object_, scene.probe, scene.positions_px)
    try:
        scale = simulate.photon_scale(frames, 1.0)
    except InputInvalid:
        dark = "objectGuess" if scene.probe.any() else "probeGuess"
        none = "none: it is zero under the scan"
        raise bases.fault(scene, dark, "light in some frame", none) from None
    return replace(scene, probe=scene.probe * np.float32(np.sqrt(scale))), frames * scale


def write(
    design: StudyDesign,
    scene: Base,
    frames: NDArray[np.float64],
    selections: list[Selection],
    root: Path,
) -> Iterator[dict[str, Any]]:
    """Write every file; yields what the record says of each.

    scene, frames: scaled to one photon a frame on average, see `to_one_photon`.
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
