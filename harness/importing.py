"""Import one scan: read a file, convert it, write an NPZ that keeps DATA-001, state all assumed."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness import (
    contract,
    files,
    foreign,
    foreign_hdf5,
    measured,
    npz,
    resources,
    rules,
    scans,
    wording,
)
from harness.errors import InputInvalid, UsageError


@dataclass(frozen=True, slots=True)
class Request:
    """What to import, where to, and what is said of it."""

    source: Path
    out: Path
    told: scans.Told
    beside: foreign_hdf5.Beside


def run(request: Request, say: Callable[[str], object]) -> None:
    """Write the NPZ and say what was assumed.

    Raises InputInvalid where the file lacks something, shows it in no way, or breaks DATA-001;
    UsageError where the NPZ exists or cannot be written, or an option is not for the file's format.
    """
    files.require_new(request.out)
    probe = _probe(request.told.probe)
    with scans.naming(request.source):
        done = _converted(request, probe)
        metadata = {**done.metadata, **_source(request.source, request.beside.diffraction)}
        data = as_bytes(done.arrays, metadata)
        found = _findings(data, request.out)
        if rules.errors(found):
            raise InputInvalid("makes no file of DATA-001: mend what the findings name", found)
    files.write_output(request.out, data)
    say(f"{request.source.name} ({done.metadata['source_format']}), taken as given:")
    for line in (*done.metadata["assumptions"], *map(rules.as_text, found)):
        say(f"  {line}")
    frames = done.arrays["diffraction"].shape
    photons = float(np.square(done.arrays["diffraction"], dtype=np.float64).sum()) / frames[0]
    number = wording.counted(frames[0], "frame")
    say(f"written: {request.out}, {number} of {frames[1]} px, {photons:.6g} photons a frame")


def _probe(told: str | None) -> np.ndarray | None:
    """Return the probe of the file that is told, None where none is."""
    if told in (None, "mean"):
        return None
    with scans.naming(Path(told)):
        return foreign.read_probe(Path(told))


def _converted(request: Request, probe: np.ndarray | None) -> scans.Converted:
    raw = foreign.read(request.source, request.beside)
    if unused := request.beside.unused(raw.source_format):
        verb, it = ("is", "it") if len(unused) == 1 else ("are", "them")
        raise UsageError(
            f"{request.source}: {' and '.join(unused)} {verb} not for {raw.source_format} files: "
            f"leave {it} out"
        )
    try:
        return measured.convert(raw if probe is None else replace(raw, probe=probe), request.told)
    except MemoryError:
        raise InputInvalid("takes more memory than there is: take a part of the scan") from None


def as_bytes(arrays: dict[str, np.ndarray], metadata: dict[str, Any]) -> bytes:
    """Return arrays and metadata as the bytes of an NPZ."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays, _metadata=np.array(json.dumps(metadata)))
    return stream.getvalue()


def _findings(data: bytes, out: Path) -> list[Any]:
    reading = npz.read_file(io.BytesIO(data), out.name)
    if reading.description is None:
        return list(reading.findings)
    schema = resources.schema("npz_input")
    return [*reading.findings, *contract.check(reading.description, schema=schema)]


def _source(source: Path, diffraction: Path | None) -> dict[str, str]:
    """Return the names and digests of what the NPZ was made from."""
    named = {"source_file": source.name, "source_sha256": files.sha256_file(source)}
    if diffraction is None:
        return named
    beside = {"diffraction_file": diffraction.name}
    return named | beside | {"diffraction_sha256": files.sha256_file(diffraction)}
