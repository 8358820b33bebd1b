"""Jobs run again from a hub's own record: what is asked, and how near the arrays came.

Pure; arrays come in as values.  Source: docs/adr/0011-reproduce-and-diff.md
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness import crosscheck, drift, layout, manifest
from harness.errors import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_OK,
    NothingSelected,
    UsageError,
)
from harness.manifest import key_of
from harness.model import Finding
from harness.records import Run
from harness.rules import finding

if TYPE_CHECKING:
    import numpy as np

FORMAT = "harness.reproduction/1"
IDENTICAL, WITHIN, DIFFERENT, FAILED = "identical", "within", "different", "failed"
# By noise model: Poisson amplifies rounding, by which another processor differs.  Twice what was
# measured (docs/adr/0018-recipes-and-stopping.md); no record can declare its own.
OBJECT_TOLERANCES = {"gaussian": 0.02, "poisson": 0.2}
NOISE_MODEL = "reconstructor_options.noise_model"
OBJECT = "object"
PICTURES = ".png"
SURROUNDINGS, PICTURE = "reproduce.surroundings", "reproduce.picture"

Record = Mapping[str, Any]


def choose(document: Record, wanted: Sequence[str]) -> tuple[Record, ...]:
    """Return the jobs of a manifest to run again, in its order: those wanted, or all.

    wanted: as "dose_1000/dense/train".  Only a job that succeeded left arrays to compare with.
    Raises UsageError for a job that there is not, NothingSelected where none succeeded.
    """
    jobs = {
        str(key_of(job)): job for job in document["jobs"] if job["status"] == manifest.SUCCEEDED
    }
    if not jobs:
        raise NothingSelected("no job of this hub succeeded, so there is nothing to run again")
    for name in wanted:
        if name not in jobs:
            raise UsageError(
                f"--job {name!r} is no job that succeeded in this hub; valid: {', '.join(jobs)}"
            )
    return tuple(job for name, job in jobs.items() if not wanted or name in wanted)


def plan(
    original: Run,
    jobs: Sequence[Record],
    results: Sequence[Record],
    *,
    created_at: str,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return manifest and skip summary of running these jobs again, their gates not closed yet.

    original: the real run.  jobs: chosen ones, with their new places.  results: theirs, planned.
    A cell that was skipped stays skipped; a job that is not run again becomes a skip.
    """
    document = {
        **original.manifest,
        "created_at": created_at,
        "updated_at": created_at,
        "artifact_root": layout.REPRODUCE,
        "filtered_jobs": len(jobs),
        "plan_sha256": manifest.plan_digest(jobs, original.manifest["settings"]),
        "gates": [],
        "jobs": [dict(job) for job in jobs],
        "execution_results": [dict(result) for result in results],
    }
    chosen = {key_of(job) for job in jobs}
    left = [_left_out(job) for job in original.manifest["jobs"] if key_of(job) not in chosen]
    order = crosscheck.cells_of(original.manifest["study"])
    skipped = sorted(
        (*original.skips["skipped_jobs"], *left), key=lambda skip: order.index(key_of(skip))
    )
    counts = {"selected_count": len(jobs), "skipped_count": len(skipped)}
    return document, {**original.skips, **counts, "skipped_jobs": skipped}


def _left_out(job: Record) -> dict[str, Any]:
    why = reason(job["status"])
    return {**key_of(job).as_record(), "reason": why, "reasons": [why]}


def reason(status: str) -> str:
    """Return why a cell of the original is not run again; status: that of its job there."""
    return f"{crosscheck.NOT_AGAIN}{status} in the original hub"


def compare_arrays(
    original: Mapping[str, np.ndarray],
    again: Mapping[str, np.ndarray],
    region: tuple[slice, slice],
) -> dict[str, Any]:
    """Return the digests of each array in both, and how far the aligned objects are apart.

    region: (rows, columns) of the object that were scanned; what lies outside is unseen.
    object_nrmse: see `harness.alignment.align`; null where the objects cannot be compared.
    """
    from harness.arrays import array_sha256

    return {
        "arrays": [
            {
                "name": name,
                "original_sha256": array_sha256(original[name]) if name in original else None,
                "sha256": array_sha256(again[name]) if name in again else None,
            }
            for name in sorted({*original, *again})
        ],
        "object_nrmse": _object_nrmse(original.get(OBJECT), again.get(OBJECT), region),
    }


def _object_nrmse(
    original: np.ndarray | None, again: np.ndarray | None, region: tuple[slice, slice]
) -> float | None:
    import numpy as np

    from harness.alignment import align
    from harness.arrays import finite_or_none

    if original is None or again is None or original.shape != again.shape or original.ndim != 2:
        return None
    if original.dtype.kind != "c" or again.dtype.kind != "c" or not again[region].size:
        return None
    # The child writes single precision; what exceeds it would overflow in the alignment.
    with np.errstate(over="ignore", invalid="ignore"):
        pair = again[region].astype(np.complex64), original[region].astype(np.complex64)
    if not all(np.isfinite(values).all() for values in pair):
        return None
    return finite_or_none(align(*pair).nrmse)


def compare_pictures(
    job: Record, original: Mapping[str, str | None], again: Mapping[str, str | None], *, alike: bool
) -> list[dict[str, str | None]] | None:
    """Return the sha256 of each picture in both; None where they need not be the same.

    job: what its record says so far.  original, again: sha256 by name.  alike: whether code,
    versions and processor are as they were: then the same arrays give the same pictures, byte for
    byte.
    """
    if not alike or not _are_identical(job):
        return None
    return [
        {"name": name, "original_sha256": original.get(name), "sha256": again.get(name)}
        for name in sorted({*original, *again})
    ]


def redrawn(job: Record, *, where: str) -> Iterator[Finding]:
    """Yield each picture of a job that is another than in the original, though its arrays are not.

    where: the folder of its pictures, as shown.
    """
    for picture in job["pictures"] or ():
        pair = (picture["original_sha256"], picture["sha256"])
        if pair[0] != pair[1]:
            then, now = (f"sha256 {each}" if each else "no such picture" for each in pair)
            place = f"{where}/{picture['name']}"
            yield finding(PICTURE, where=place, expected=then, found=now)


def tolerance(recipe: Record) -> float:
    """Return how far apart the aligned objects of a recipe's runs may lie and be "within"."""
    return OBJECT_TOLERANCES[recipe["options"].get(NOISE_MODEL, "gaussian")]


def verdict_of(job: Record, tolerance: float) -> str:
    """Return the verdict on one job of a reproduction, from what its record says.

    identical: every array has the digest it had, bit for bit.  within: no array is missing, the
    bytes need not be the same, and the aligned objects differ by at most the tolerance.
    """
    if job["status"] != manifest.SUCCEEDED:
        return FAILED
    pairs = _pairs(job)
    if not pairs or any(None in pair for pair in pairs):
        return DIFFERENT
    if _are_identical(job):
        return IDENTICAL
    near = job["object_nrmse"] is not None and job["object_nrmse"] <= tolerance
    return WITHIN if near and not job["repeats"] else DIFFERENT


def repeats(job: Record, attestations: Iterable[Record | None], *, alike: bool) -> bool:
    """Return whether a job that succeeded must give the same bytes: no run of it attests otherwise.

    job: what its record says so far.  attestations: of the runs known; None for one that has none
    that can be read, which is no excuse.
    alike: whether code, versions and processor are as they were.
    """
    promised = (each is None or each["determinism"]["bitwise"] for each in attestations)
    return alike and job["status"] == manifest.SUCCEEDED and all(promised)


def not_the_same(job: Record) -> tuple[str, ...]:
    """Return the arrays of a job that are not as they were, by name."""
    return tuple(
        entry["name"] for entry in job["arrays"] if entry["original_sha256"] != entry["sha256"]
    )


def as_text(job: Record) -> str:
    """Return what came of one job, from what its record says: the distance is of objects alone."""
    if job["verdict"] == FAILED:
        return FAILED if job["status"] == FAILED else f"{FAILED} ({job['status']})"
    far, others = job["object_nrmse"], ", ".join(not_the_same(job))
    shown = "" if far is None else f", aligned objects differ by {far:.3g}"
    return f"{job['verdict']}{shown}" + (f"; not the same: {others}" if others else "")


def _pairs(job: Record) -> list[tuple[str | None, str | None]]:
    return [(entry["original_sha256"], entry["sha256"]) for entry in job["arrays"]]


def _are_identical(job: Record) -> bool:
    pairs = _pairs(job)
    return bool(pairs) and all(one == other is not None for one, other in pairs)


def exit_code(record: Record) -> int:
    """Return the exit code that follows from what is said of the jobs, and from the findings."""
    if record["interrupted"]:
        return EXIT_INTERRUPTED
    good = all(
        job["verdict"] in (IDENTICAL, WITHIN) and not any(redrawn(job, where=""))
        for job in record["jobs"]
    )
    return EXIT_OK if record["jobs"] and good and not errors(record) else EXIT_FAILED


def drifted(rests_on: Record, jobs: Sequence[Record]) -> tuple[Finding, ...]:
    """Return a finding for each file of code and each input that changed meanwhile.

    rests_on: the digests before and after.  jobs: of the manifest.
    """
    return (*drift.findings(rests_on), *drift.inputs_of_jobs(rests_on, jobs))


def surroundings(stage: Record, record: Record, *, where: str) -> Iterator[Finding]:
    """Yield a note on each fact about code, versions and processor that is not the original's.

    stage: the original's stage record.  record: that of the reproduction.
    """
    facts = {
        "/code_sha256": (stage["code_sha256"], record["code_sha256"]),
        "/host/processor": (stage["host"]["processor"], record["host"]["processor"]),
    }
    for name in sorted({*stage["versions"], *record["versions"]}):
        facts[f"/versions/{name}"] = (stage["versions"].get(name), record["versions"].get(name))
    for pointer, (one, other) in facts.items():
        if one != other:
            yield finding(
                SURROUNDINGS,
                where=where,
                pointer=pointer,
                expected=str(one),
                found=str(other),
            )


def pictures_in(digests: Mapping[str, str], folder: str) -> dict[str, str]:
    """Return name and sha256 of the pictures that lie in a folder of a hub."""
    return {
        name: digest
        for path, digest in digests.items()
        for home, _, name in (path.rpartition("/"),)
        if home == folder and name.endswith(PICTURES)
    }


def errors(record: Record) -> list[Record]:
    """Return the findings of a reproduction, notes left out, that make it fail."""
    return [item for item in record["findings"] if item["severity"] == "error"]
