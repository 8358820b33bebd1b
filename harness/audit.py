"""A hub on disk, verified: its records against each other, its claims against its arrays.

inputs, where they are at hand: the folder that holds `phase_c/` and `phase_d/`.  A file there
counts only if its digest is the recorded one.  Source: docs/adr/0014-claims-are-recomputed.md
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from harness import (
    alignment,
    canonical,
    gates,
    hub,
    layout,
    manifest,
    npz,
    prepare,
    publish,
    recompute,
    records,
    resources,
    rules,
    verify,
)
from harness.design import StudyDesign
from harness.errors import InputInvalid
from harness.manifest import key_of
from harness.model import Finding
from harness.recompute import COMPARED, NOT_SEEN, RECOMPUTED, Account, Left, TruthError
from harness.seal import Entry

# Findings after which the records cannot be used.
UNREADABLE = ("hub.json", "hub.marker", "seal.missing")
NO_INPUT = "its input is not at hand: give --inputs"
OTHER_INPUT = "the input at hand is another file"
OTHER_STUDY = "the study at hand is another: give --study"
ONE_HALF = "the other half of its scan is not among the inputs seen"
NO_TRUTH = "no truth is attested, or the object has another shape"
NO_METRICS = "no metrics are attested"
UNFIT = "input and reconstruction do not fit each other"
NOT_ASKED = "not asked: the study is of one file, whose frames nobody chose"
NEEDS_MODEL = "the child says it; no model of the frames is computed here"


@dataclass(frozen=True, slots=True)
class Audit:
    """How many files a hub has, what is wrong with it, and what became of each claim."""

    files: int
    findings: tuple[Finding, ...]
    accounts: tuple[Account, ...]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Where inputs lie (None: not at hand), and the study whose claims they must keep."""

    root: Path | None = None
    design: StudyDesign | None = None


@dataclass(frozen=True, slots=True)
class _Job:
    """A job that succeeded: its plan, its attestation, its place in the hub."""

    planned: Mapping[str, Any]
    attestation: Mapping[str, Any]
    study_sha256: str
    phase: str

    @property
    def folder(self) -> str:
        return self.planned["output_dir"]


def audit(root: Path, inputs: Inputs = Inputs()) -> Audit:
    """Return everything that is wrong with a hub, and an account of every claim.

    Where records break their schemas, their claims are not looked into.
    """
    return examine(hub.entries(root), publish.reader(root), inputs)


def examine(entries: Sequence[Entry], read: records.Read, inputs: Inputs = Inputs()) -> Audit:
    """Return the audit of a hub from what lies in it and a reader of its files."""
    found = verify.verify(entries, read, resources.schema)
    if any(item.rule.startswith("schema.") or item.rule in UNREADABLE for item in found):
        return Audit(len(entries), found, ())
    jobs = list(_jobs(read))
    with ThreadPoolExecutor(hub.THREADS) as pool:
        lefts = pool.map(lambda job: _left(entries, read, job.folder), jobs)
        broken = [
            recompute.check_job(job.folder, job.attestation, left)
            for job, left in zip(jobs, lefts, strict=True)
        ]
    about_inputs, accounts = _check_inputs(read, jobs, inputs)
    whole = [Account(claim, ".", RECOMPUTED) for claim in recompute.OF_A_HUB]
    return Audit(
        len(entries),
        (*found, *chain.from_iterable(broken), *about_inputs),
        (*whole, *accounts),
    )


def _jobs(read: records.Read) -> Iterator[_Job]:
    for name in layout.RUN_FOLDERS:
        run = records.run_of(read, name)
        if run is None:
            continue
        study = run.manifest["study"]
        phases = {view["name"]: view["phase"] for view in study["views"]}
        for job in run.manifest["jobs"]:
            attestation = records.document(read, f"{job['output_dir']}/{layout.RESULT}")
            if job["status"] == manifest.SUCCEEDED and attestation is not None:
                yield _Job(job, attestation, study["sha256"], phases.get(job["view"], ""))


def _left(entries: Sequence[Entry], read: records.Read, folder: str) -> Left:
    name = f"{folder}/{layout.RECONSTRUCTION}"
    data = read(name) or b""
    reading = npz.read_file(io.BytesIO(data), shown_as=name)
    pictures = {
        PurePath(entry.path).name: read(entry.path) or b""
        for entry in entries
        if entry.path.startswith(f"{folder}/") and entry.path.endswith(".png")
    }
    return Left(reading, _losses(data), pictures)


def _losses(archive: bytes) -> tuple[float, ...] | None:
    losses = _array(archive, "loss_per_epoch")
    if losses is None or losses.ndim != 1 or losses.dtype.kind != "f":
        return None
    return tuple(losses.tolist())


def _array(archive: bytes, name: str) -> np.ndarray | None:
    """Return an array of an NPZ; None where there is none that can be read."""
    try:
        with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
            return np.asarray(arrays[name])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
        return None


def _check_inputs(
    read: records.Read, jobs: list[_Job], inputs: Inputs
) -> tuple[list[Finding], list[Account]]:
    """Return findings on the inputs at hand, and accounts of every claim of every job."""
    opened = [(job, *_open_input(read, job, inputs)) for job in jobs]
    readings = {key_of(job.planned): reading for job, _, reading, *_ in opened if reading}
    halves = Counter((key.dose_photons, key.view) for key in readings)
    found: list[Finding] = []
    accounts: list[Account] = []
    for job, reason, _, error, measured in opened:
        key = key_of(job.planned)
        spaced = reason or (NOT_ASKED if _is_given(inputs) else "")
        apart = spaced or ("" if halves[key.dose_photons, key.view] > 1 else ONE_HALF)
        accounts += _accounts(job.folder, reason, spaced, apart, has_error=error is not None)
        unmeasured = measured if isinstance(measured, str) else ""
        how = NOT_SEEN if unmeasured else RECOMPUTED
        accounts.append(Account("metrics", job.folder, how, unmeasured))
        if error is not None:
            where = f"{job.folder}/{layout.RESULT}"
            found += recompute.check_truth(where, job.attestation, error)
        if not isinstance(measured, str):
            where = f"{job.folder}/{layout.RESULT}"
            found += recompute.check_metrics(where, job.attestation["metrics"], measured)
    if readings and inputs.design is not None:
        checked = gates.check_inputs(readings, inputs.design)
        found += rules.errors(chain.from_iterable(checked.values()))
    return found, accounts


def _is_given(inputs: Inputs) -> bool:
    return inputs.design is not None and inputs.design.input_sha256 is not None


def _accounts(
    subject: str, reason: str, spaced: str, apart: str, *, has_error: bool
) -> Iterator[Account]:
    """Yield an account of each claim of one job.

    reason: why its input was not seen, "" where it was.  spaced: the same of what a view asks of
    positions.  apart: the same of both halves.
    """
    for claim in ("arrays", "loss", "object", "pictures"):
        yield Account(claim, subject, RECOMPUTED)
    yield Account("input", subject, COMPARED if reason else RECOMPUTED, reason)
    without = "" if has_error else reason or NO_TRUTH
    for claim, why in (
        ("data-001", reason),
        ("dose", reason),
        ("spacing", spaced),
        ("disjoint", apart),
        ("truth-error", without),
        ("misfit", NEEDS_MODEL),
    ):
        yield Account(claim, subject, NOT_SEEN if why else RECOMPUTED, why)
    yield Account("options", subject, COMPARED)


def _open_input(
    read: records.Read, job: _Job, inputs: Inputs
) -> tuple[str, npz.NpzReading | None, TruthError | None, Mapping[str, Any] | str]:
    """Return why an input cannot be used ("" where it can), its reading, error and metrics."""
    if inputs.root is None or inputs.design is None:
        return NO_INPUT, None, None, NO_INPUT
    if manifest.study_record(inputs.design)["sha256"] != job.study_sha256:
        return OTHER_STUDY, None, None, OTHER_STUDY
    phase = prepare.PHASE_D if job.phase == "D" else prepare.PHASE_C
    place = inputs.root / phase / job.planned["input_npz"]
    try:
        data = place.read_bytes()
    except OSError:
        return NO_INPUT, None, None, NO_INPUT
    if canonical.sha256(data) != job.planned["input_sha256"]:
        return OTHER_INPUT, None, None, OTHER_INPUT
    reading = npz.read_file(io.BytesIO(data), shown_as=job.planned["input_npz"])
    archive = read(f"{job.folder}/{layout.RECONSTRUCTION}") or b""
    error = truth_error(archive, data, job.attestation, reading)
    pixel_size_m = ((reading.description or {}).get("metadata") or {}).get("pixel_size_m")
    return "", reading, error, measure_again(archive, data, job.attestation, pixel_size_m)


def truth_error(
    archive: bytes, data: bytes, attestation: Mapping[str, Any], reading: npz.NpzReading
) -> TruthError | None:
    """Return the error against the input's truth; None where there is none to measure."""
    truth, object_ = _array(data, "objectGuess"), _array(archive, "object")
    if not attestation["truth"]["present"] or reading.positions_px is None:
        return None
    if truth is None or object_ is None or object_.shape != truth.shape:
        return None
    y_px, x_px = reading.positions_px.T
    region = alignment.scanned_region(x_px, y_px, truth.shape)
    rows, columns = region
    return TruthError(
        alignment.align(object_[region], truth.astype(np.complex64)[region]).nrmse,
        {"rows": [rows.start, rows.stop], "columns": [columns.start, columns.stop]},
    )


def measure_again(
    archive: bytes, data: bytes, attestation: Mapping[str, Any], pixel_size_m: Any = None
) -> Mapping[str, Any] | str:
    """Return the metrics that an input and the arrays of its job give, or why there are none.

    pixel_size_m: as the input's metadata say it; where it is no length, nothing fits.
    """
    # Half a second of imports, which a verification without inputs does not need.
    from harness import quality

    if "metrics" not in attestation:
        return NO_METRICS
    found = {name: _array(archive, name) for name in ("object", "probe")}
    given = {name: _array(data, name) for name in quality.NEEDED}
    present = attestation["truth"]["present"]
    try:
        frames = quality.frames_of(
            given,
            truth_present=present,
            shape=np.shape(found["object"]),
            pixel_size_m=pixel_size_m,
        )
        return quality.measure(frames, *quality.fitting(frames, found["object"], found["probe"]))
    except InputInvalid:
        return UNFIT
