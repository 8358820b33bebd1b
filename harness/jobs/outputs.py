"""Write what a run left: arrays and pictures first, the record last."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness import canonical, files, layout, recompute
from harness.errors import UsageError
from harness.jobs import curves

if TYPE_CHECKING:
    from harness.jobs.attest import Run
    from harness.jobs.intake import Scan
    from harness.jobs.truth import Verdict

PICTURES = tuple(recompute.DRAWN_FROM)


def fresh_folder(path: str) -> Path:
    """Return the output folder, made if need be; UsageError if it cannot serve.

    A folder that holds any result is refused before the work, not after it: were this run to
    die, an old result.json would read as its success.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make {path}: {error.strerror}. Give another folder") from error
    taken = [
        name
        for name in (layout.RESULT, layout.RECONSTRUCTION, *PICTURES)
        if (folder / name).exists()
    ]
    if taken:
        raise UsageError(f"{path} already holds {', '.join(taken)}. Give a fresh folder")
    return folder


def write_results(
    folder: Path, run: Run, scan: Scan, verdict: Verdict, quality: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Write every result but the record; return path, sha256 and bytes of each, by name."""
    entries = []
    for name, data in _results(run, scan, verdict, quality):
        files.write_new(folder / name, data)
        entries.append({"path": name, "sha256": canonical.sha256(data), "bytes": len(data)})
    return sorted(entries, key=lambda entry: entry["path"])


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write result.json; its presence says that every other file is there."""
    files.write_json(folder / layout.RESULT, record)


def pictures_of(attested: Mapping[str, Any]) -> set[str]:
    """Return the names of the pictures that a success leaves, by what its result.json says."""
    drawn = set(PICTURES)
    if attested["truth"]["nrmse"] is None:
        drawn.remove("truth_comparison.png")
    if not curves.rings(attested["metrics"]):
        drawn.remove("resolution.png")
    return drawn


def _results(
    run: Run, scan: Scan, verdict: Verdict, quality: Mapping[str, Any]
) -> Iterator[tuple[str, bytes]]:
    yield layout.RECONSTRUCTION, _archive(run)
    if run.failure is None:
        from harness.jobs import pictures

        yield from pictures.draw(run, scan, verdict, quality)


def _archive(run: Run) -> bytes:
    # Not compressed: noise hardly is, and a reader hashes it several times as fast.
    buffer = io.BytesIO()
    np.savez(buffer, **run.arrays())
    return buffer.getvalue()
