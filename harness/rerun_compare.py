"""What a job left, then and now: read from disk, held to the seal, compared as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from harness import (
    canonical,
    files,
    layout,
    manifest,
    npz,
    reproduction,
    resources,
    rules,
    schemas,
)
from harness.model import Finding, ReconstructionJob
from harness.rules import finding


@dataclass(frozen=True, slots=True)
class Left:
    """A reconstruction in the original hub: where, under what name, sha256 as sealed."""

    path: Path
    shown_as: str
    sealed_sha256: str | None


def compared(
    original: Left,
    job: ReconstructionJob,
    result: Mapping[str, Any],
    tolerance: float,
    *,
    alike: bool,
) -> dict[str, Any]:
    """Return what the record of a reproduction says of one job, its verdict last.

    result: the job's execution result, now that it was run again.  tolerance: for "within".
    alike: whether code, versions and processor are as they were.
    """
    after = Path(job.output_dir) / layout.RECONSTRUCTION
    digest = files.sha256_or_none(original.path)
    found: list[Finding] = []
    pair: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    region = (slice(None), slice(None))
    if result["status"] == manifest.SUCCEEDED:
        found += _changed(original, digest)
        before = {} if found else _read(original.path, original.shown_as, found)
        pair = before, _read(after, f"{job.key}/{after.name}", found)
        region = scanned((Path(job.output_dir) / layout.RESULT).read_bytes())
    record = {
        **job.key.as_record(),
        "status": result["status"],
        "returncode": result["returncode"],
        "original_sha256": digest,
        "sha256": files.sha256_or_none(after),
        **reproduction.compare_arrays(*pair, region),
    }
    then, now = (_pictures(each.parent) for each in (original.path, after))
    record["repeats"] = reproduction.repeats(
        record, (_attested(each.parent) for each in (original.path, after)), alike=alike
    )
    record["pictures"] = reproduction.compare_pictures(record, then, now, alike=alike)
    found += reproduction.redrawn(record, where=str(job.key))
    record["findings"] = [item.as_record() for item in found]
    return {**record, "verdict": reproduction.verdict_of(record, tolerance)}


def _attested(folder: Path) -> dict[str, Any] | None:
    return attestation(files.read_or_none(folder / layout.RESULT))


def attestation(data: bytes | None) -> dict[str, Any] | None:
    """Return what a job attests; None where that fits no schema."""
    try:
        document = canonical.parse(data or b"")
    except ValueError:
        return None
    schema = resources.schema("attestation")
    broken = schemas.check(document, schema, name="attestation", where=layout.RESULT)
    return None if broken else document


def _pictures(folder: Path) -> dict[str, str | None]:
    return {path.name: files.sha256_or_none(path) for path in folder.glob("*.png")}


def _changed(original: Left, digest: str | None) -> list[Finding]:
    """Return a finding where an original changed since its hub was opened."""
    if digest == original.sealed_sha256:
        return []
    sealed, there = (
        f"sha256 {each}" if each else "no such file" for each in (original.sealed_sha256, digest)
    )
    return [finding("seal.digest", where=original.shown_as, expected=sealed, found=there)]


def _read(path: Path, shown_as: str, found: list[Finding]) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return arrays(file, shown_as, found)
    except OSError:
        found += npz.read(path, shown_as).findings
        return {}


def arrays(file: BinaryIO, shown_as: str, found: list[Finding]) -> dict[str, Any]:
    """Return the arrays of a reconstruction; none, and findings, where it cannot be trusted."""
    import numpy as np

    reading = npz.read_file(file, shown_as=shown_as)
    if rules.errors(reading.findings) or reading.description is None:
        found += reading.findings
        return {}
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def scanned(attestation: bytes) -> tuple[slice, slice]:
    """Return the part of the object that was scanned, as the job run again attests it.

    The original's word is not taken: a smaller region would hide what was changed.
    """
    region = canonical.parse(attestation)["truth"]["region_px"]
    return slice(*region["rows"]), slice(*region["columns"])
