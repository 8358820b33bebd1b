"""A hub on disk, verified: its records against each other, its claims against its arrays.

inputs, where they are at hand: the folder that holds `phase_c/` and `phase_d/`.  A file there
counts only if its digest is the recorded one.  Source: docs/adr/0014-claims-are-recomputed.md
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePath
from typing import Any

from harness import (
    canonical,
    crosscheck,
    files,
    gates,
    guarded,
    hub,
    layout,
    left_out,
    manifest,
    matrix,
    measured_again,
    npz,
    prepare,
    publish,
    recipe_source,
    recompute,
    records,
    remeasure,
    resources,
    rules,
    stopping,
    stopping_claims,
    verify,
)
from harness.design import StudyDesign
from harness.errors import HarnessError
from harness.manifest import key_of
from harness.measured_again import TruthError
from harness.misfit import Judgement
from harness.model import Finding
from harness.recompute import COMPARED, NOT_SEEN, RECOMPUTED, Account, Left
from harness.seal import Entry

# Findings after which the records cannot be used.
UNREADABLE = ("hub.json", "hub.marker", "seal.missing", "hub.unreadable")
NO_INPUT = "its input is not at hand: give --inputs"
NOT_THERE = "its input is not below the folder of --inputs"
OTHER_INPUT = "the input at hand is another file"
OTHER_STUDY = "the study at hand is another: give --study"
ONE_HALF = "the other half of its scan is not among the inputs seen"
NO_TRUTH = "the input has no truth, or the object has another shape"
OTHER_LOSS = "its loss is of another kind"
LAST_NOT_KEPT = "of the epoch delivered alone: the positions of the last one are not kept"
REFINED = "the reconstruction refined them"
# What of a job is computed where its reconstruction put the frames.
MOVED, AT_REFINED = ("metrics", "halves", "held-out"), "at the refined positions"
NO_POSITIONS = "the arrays have no positions"
NOT_KEPT = "the arrays of other epochs are not kept"
NOT_ASKED = "not asked: the study is of one file, whose frames nobody chose"


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
    """A job that succeeded: its run's folder, its plan, its result, its attestation."""

    run_folder: str
    planned: Mapping[str, Any]
    result: Mapping[str, Any]
    attestation: Mapping[str, Any]
    settings: Mapping[str, Any]
    study_sha256: str
    phase: str

    @property
    def folder(self) -> str:
        return self.planned["output_dir"]

    @property
    def opr_modes(self) -> int:
        return self.settings["recipe"].get("opr_modes", 1)


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What could be seen of a job; a string in place of figures says why there are none.

    reason: why its input was not used, "" where it was.
    """

    reason: str
    metrics: Mapping[str, Any] | str
    halves: Mapping[str, Any] | str | None
    held_out: Mapping[str, Any] | str
    reading: npz.NpzReading | None = None
    judged: Judgement | None = None
    error: TruthError | None = None
    final_mse: float | None = None
    off_px: float | None = None


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
    try:
        return _with_claims(entries, read, inputs, found)
    except HarnessError:
        raise
    except Exception as error:  # noqa: BLE001 - the bytes of a hub may be anything
        return Audit(len(entries), (*found, guarded.broken("the claims", error)), ())


def _with_claims(
    entries: Sequence[Entry], read: records.Read, inputs: Inputs, found: tuple[Finding, ...]
) -> Audit:
    """Return the audit of a hub whose records can be used; found: what is wrong with those."""
    jobs = list(_jobs(read))
    with ThreadPoolExecutor(hub.THREADS) as pool:
        broken = list(pool.map(lambda job: _check_job(entries, read, job), jobs))
    about_inputs, accounts = _check_inputs(read, jobs, inputs)
    if inputs.design is not None:
        about_inputs += _check_runs(read, inputs.root, inputs.design)
    whole = [Account(claim, ".", RECOMPUTED) for claim in recompute.OF_A_HUB]
    return Audit(
        len(entries),
        (*found, *recipe_source.check(read), *chain.from_iterable(broken), *about_inputs),
        (*whole, *accounts),
    )


def _check_job(entries: Sequence[Entry], read: records.Read, job: _Job) -> tuple[Finding, ...]:
    def check() -> tuple[Finding, ...]:
        left = _left(entries, read, job.folder)
        return recompute.check_job(job.folder, job.attestation, left, job.opr_modes)

    return guarded.found("the arrays", check, where=job.folder)


def _jobs(read: records.Read) -> Iterator[_Job]:
    for name in layout.RUN_FOLDERS:
        run = records.run_of(read, name)
        if run is None:
            continue
        study = run.manifest["study"]
        phases = {view["name"]: view["phase"] for view in study["views"]}
        results = {manifest.key_of(each): each for each in run.manifest["execution_results"]}
        for job in run.manifest["jobs"]:
            attestation = records.document(read, f"{job['output_dir']}/{layout.RESULT}")
            if job["status"] == manifest.SUCCEEDED and attestation is not None:
                settings, phase = run.manifest["settings"], phases.get(job["view"], "")
                result = results[manifest.key_of(job)]
                facts = (job, result, attestation, settings, study["sha256"], phase)
                yield _Job(layout.RUN_FOLDERS[name], *facts)


def _left(entries: Sequence[Entry], read: records.Read, folder: str) -> Left:
    name = f"{folder}/{layout.RECONSTRUCTION}"
    data = read(name) or b""
    hashed = next((entry.sha256 for entry in entries if entry.path == name), "")
    reading = npz.read_file(io.BytesIO(data), name, hashed)
    pictures = {
        PurePath(entry.path).name: read(entry.path) or b""
        for entry in entries
        if entry.path.startswith(f"{folder}/") and entry.path.endswith(".png")
    }
    return Left(reading, dict(_series(data)), pictures)


def _series(archive: bytes) -> Iterator[tuple[str, tuple[float, ...]]]:
    for name in stopping.NAMES:
        values = remeasure.array(archive, name)
        if values is not None and values.ndim == 1 and values.dtype.kind == "f":
            yield name, tuple(values.tolist())


def _check_inputs(
    read: records.Read, jobs: list[_Job], inputs: Inputs
) -> tuple[list[Finding], list[Account]]:
    """Return findings on the inputs at hand, and accounts of every claim of every job."""
    opened = [(job, _open_input(read, job, inputs)) for job in jobs]
    readings = {key_of(job.planned): seen.reading for job, seen in opened if seen.reading}
    halves = Counter((key.dose_photons, key.view) for key in readings)
    found: list[Finding] = []
    accounts: list[Account] = []
    for job, seen in opened:
        key = key_of(job.planned)
        spaced = seen.reason or (NOT_ASKED if _is_given(inputs) else "")
        apart = spaced or ("" if halves[key.dose_photons, key.view] > 1 else ONE_HALF)
        accounts += _accounts(job, seen, spaced, apart)
        found += _measured(job, seen)
    if readings and inputs.design is not None:
        checked = gates.check_inputs(readings, inputs.design)
        found += rules.errors(chain.from_iterable(checked.values()))
    return found, accounts


def _check_runs(read: records.Read, root: Path | None, design: StudyDesign) -> list[Finding]:
    """Return where a run of the study at hand has other cells, or left one out without need."""
    found: list[Finding] = []
    known = manifest.study_record(design)["sha256"]
    for name, folder in layout.RUN_FOLDERS.items():
        run = records.run_of(read, name)
        if run is None or run.manifest["study"]["sha256"] != known:
            continue
        where = f"{folder}/{layout.MANIFEST}"
        found += crosscheck.check_study(run.manifest, design, where)
        if root is not None:
            rests_on = records.document(read, records.digests_path(name))
            seen = rests_on["before"]["inputs"] if rests_on else {}
            found += _check_left_out(run, seen, root, design, where)
    return found


def _check_left_out(
    run: records.Run, seen: Mapping[str, str | None], root: Path, design: StudyDesign, where: str
) -> Iterator[Finding]:
    """Yield each cell said to lack its input, or to have one in breach, of which neither is so."""
    cells = matrix.cells(design)
    for skip in run.skips["skipped_jobs"]:
        path, reason = left_out.input_of(run.manifest, skip), skip["reason"]
        place = root / path
        if not place.is_file() or key_of(skip) not in cells:
            continue
        if crosscheck.MISSING in reason:
            yield left_out.about(where, skip, f"{path} absent", f"{path} among the inputs")
        elif reason.startswith(crosscheck.BREACH):
            data = place.read_bytes()
            reading = npz.read_file(io.BytesIO(data), shown_as=path)
            broken = rules.errors(gates.check_input(key_of(skip), reading, design))
            if seen.get(path) == canonical.sha256(data) and not broken:
                yield left_out.about(where, skip, f"{path} to be in breach", "it keeps DATA-001")


def _measured(job: _Job, seen: _Seen) -> Iterator[Finding]:
    """Yield each figure of a job that its input and its arrays do not give."""
    where, attestation = f"{job.folder}/{layout.RESULT}", job.attestation
    if seen.reading is not None:
        facts = remeasure.input_facts(seen.reading)
        yield from measured_again.check_input(where, attestation["input"], facts)
        place, key = f"{job.run_folder}/{layout.MANIFEST}", str(key_of(job.planned))
        metadata = seen.reading.metadata
        yield from measured_again.check_selection(place, key, job.result, metadata)
    if seen.off_px is not None and not measured_again.is_refined(attestation):
        arrays = f"{job.folder}/{layout.RECONSTRUCTION}"
        yield from measured_again.check_positions(arrays, seen.off_px)
    if seen.judged is not None:
        yield from measured_again.check_judgement(where, attestation["truth"], seen.judged)
    if seen.error is not None:
        yield from measured_again.check_truth(where, attestation, seen.error)
    if not isinstance(seen.metrics, str):
        yield from measured_again.check_metrics(where, attestation["metrics"], seen.metrics)
        if not measured_again.has_another_loss(attestation):
            last = None if measured_again.is_refined(attestation) else seen.final_mse
            yield from measured_again.check_final_loss(where, attestation, seen.metrics, last)
    if not isinstance(seen.halves, str):
        attested = attestation["metrics"]["between_halves"]
        yield from measured_again.check_halves(where, attested, seen.halves)
    if not isinstance(seen.held_out, str):
        yield from stopping_claims.check_held_out(where, attestation, seen.held_out)


def _is_given(inputs: Inputs) -> bool:
    return inputs.design is not None and inputs.design.input_sha256 is not None


def _accounts(job: _Job, seen: _Seen, spaced: str, apart: str) -> Iterator[Account]:
    """Yield an account of each claim of one job.

    spaced: why what a view asks of positions was not seen, "" where it was.  apart: the same of
    both halves of the scan.
    """
    reason, subject = seen.reason, job.folder
    for claim in ("arrays", "loss", "object", "pictures", "stopping"):
        yield Account(claim, subject, RECOMPUTED)
    yield Account("input", subject, COMPARED if reason else RECOMPUTED, reason)
    unmeasured = seen.metrics if isinstance(seen.metrics, str) else ""
    refined = measured_again.is_refined(job.attestation)
    another = OTHER_LOSS if measured_again.has_another_loss(job.attestation) else ""
    for claim, why in (
        ("data-001", reason),
        ("dose", reason),
        ("spacing", spaced),
        ("disjoint", apart),
        ("selection", reason),
        ("positions", reason or _unplaced(job, seen)),
        ("misfit", reason or ("" if seen.judged else remeasure.UNFIT)),
        ("truth-error", reason or ("" if seen.error else NO_TRUTH)),
        ("metrics", unmeasured),
        ("halves", seen.halves if isinstance(seen.halves, str) else ""),
        ("held-out", seen.held_out if isinstance(seen.held_out, str) else ""),
        ("errors-by-epoch", NOT_KEPT),
    ):
        at = AT_REFINED if not why and claim in MOVED and refined else ""
        yield Account(claim, subject, NOT_SEEN if why else RECOMPUTED, why or at)
    # The last loss was tracked before the last updates: it is bounded by the arrays, not given.
    bounded = unmeasured or another
    of_one = LAST_NOT_KEPT if refined else ""
    yield Account("final-loss", subject, NOT_SEEN if bounded else COMPARED, bounded or of_one)
    yield Account("options", subject, COMPARED)


def _unplaced(job: _Job, seen: _Seen) -> str:
    """Return why positions were not compared, "" where they were."""
    if measured_again.is_refined(job.attestation):
        return REFINED
    return "" if seen.off_px is not None else NO_POSITIONS


def _open_input(read: records.Read, job: _Job, inputs: Inputs) -> _Seen:
    """Return what an input and the arrays of its job show."""
    archive = read(f"{job.folder}/{layout.RECONSTRUCTION}") or b""
    halves = remeasure.between_halves(archive, job.attestation)
    data, reason = _input_of(job, inputs)
    if data is None:
        return _Seen(reason, reason, halves, reason)
    reading = npz.read_file(io.BytesIO(data), shown_as=job.planned["input_npz"])
    pixel_size_m = reading.metadata.get("pixel_size_m")
    judged = remeasure.judgement(data, reading.metadata)
    present = judged is not None and judged.present
    moved = {"refined": measured_again.is_refined(job.attestation)}
    told = {"truth_present": present, "opr_modes": job.opr_modes, **moved}
    return _Seen(
        "",
        remeasure.metrics(archive, data, pixel_size_m=pixel_size_m, **told),
        halves,
        remeasure.held_out(archive, data, job.settings, **moved),
        reading,
        judged,
        remeasure.truth_error(archive, data, reading) if present else None,
        remeasure.final_mse(archive, data),
        remeasure.positions_off_px(archive, data),
    )


def _input_of(job: _Job, inputs: Inputs) -> tuple[bytes | None, str]:
    """Return the bytes of a job's input, or None and why they cannot be used."""
    if inputs.root is None or inputs.design is None:
        return None, NO_INPUT
    if manifest.study_record(inputs.design)["sha256"] != job.study_sha256:
        return None, OTHER_STUDY
    phase = prepare.PHASE_D if job.phase == "D" else prepare.PHASE_C
    place = inputs.root / phase / job.planned["input_npz"]
    data = files.read_or_none(place)
    if data is None:
        return None, NOT_THERE
    if canonical.sha256(data) != job.planned["input_sha256"]:
        return None, OTHER_INPUT
    return data, ""
