"""RED as a proof: mapped tests fail by assertion where the behaviour they guard is absent.

Every judgement here is computed from JUnit reports and from what the process edge knows (return
code, timeout, whether the fault has its place), so that anyone can compute it again from a hub.
Source: docs/adr/0008-red-proof.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any

from harness import faults as declared_faults
from harness import junit
from harness.canonical import short
from harness.faults import Fault
from harness.model import Finding
from harness.rules import finding

FORMAT = "harness.red/1"
BASE = "base:"

KILLED = "killed_by_assertion"
SURVIVED = "survived"
ERROR = "error"
COLLECTION_ERROR = "collection_error"
IMPORT_ERROR = "import_error"
TIMEOUT = "timeout"
SKIPPED = "skipped"
NO_TESTS = "no_tests"
DOES_NOT_APPLY = "fault_does_not_apply"
# Of several cases of one test, the first of these that occurs is the test's outcome.
_GRAVEST_FIRST = (COLLECTION_ERROR, IMPORT_ERROR, TIMEOUT, ERROR, SKIPPED, KILLED, SURVIVED)

# pytest raises Failed for a demand that is not met: pytest.fail, pytest.raises without a raise.
_ASSERTIONS = {"AssertionError", "Failed"}
_IMPORT_ERRORS = {"ImportError", "ModuleNotFoundError"}
_TESTS_FAILED = 1  # pytest's return code
_RAN_TO_THE_END = (0, _TESTS_FAILED)


@dataclass(frozen=True, slots=True)
class FaultRun:
    """One run of tests against a scratch copy of the tree.

    fault_id: the fault in the copy, None for the copy as it stands, `Base.id` for that of a base.
    node_ids: mapped tests asked for.  report_path: JUnit XML, relative to the hub, "" where none
    was written.  returncode: pytest's, None where it never ran or ended.  applies: False where the
    fault has no place.
    """

    fault_id: str | None
    node_ids: tuple[str, ...]
    report_path: str = ""
    returncode: int | None = None
    timed_out: bool = False
    applies: bool = True


@dataclass(frozen=True, slots=True)
class Base:
    """An earlier commit whose tree, with today's tests laid over it, the mapped tests ran against.

    ref: as it was asked for.  test_files: path to sha256, as they lay in that tree.
    """

    ref: str
    commit: str
    test_files: Mapping[str, str | None]

    @property
    def id(self) -> str:
        """What stands in place of a fault's id; no fault has one with a colon."""
        return f"{BASE}{self.commit}"


@dataclass(frozen=True, slots=True)
class FaultOutcome:
    """What one test did under one fault (None: as the tree stands), and why it is judged so."""

    fault_id: str | None
    node_id: str
    outcome: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RedProof:
    """The mapped tests, the declared faults, the runs, and the outcome of each pair."""

    mapped: tuple[str, ...]
    faults: tuple[Fault, ...]
    runs: tuple[FaultRun, ...]
    outcomes: tuple[FaultOutcome, ...]
    base: Base | None = None

    @property
    def natural(self) -> tuple[str, ...]:
        """Mapped tests that fail by assertion as the tree stands."""
        return tuple(node_id for node_id in self.mapped if self.tried(None, node_id) == (KILLED,))

    def tried(self, fault_id: str | None, node_id: str) -> tuple[str, ...]:
        """Return the different outcomes of a pair; () where it was not tried."""
        pair = (fault_id, node_id)
        found = (each for each in self.outcomes if (each.fault_id, each.node_id) == pair)
        return tuple(dict.fromkeys(each.outcome for each in found))

    def as_record(self) -> dict[str, Any]:
        """Return the proof as JSON-ready data; `from_record` and the reports give it back."""
        return {
            "format": FORMAT,
            "mapped": list(self.mapped),
            "faults": [{**fault.as_record(), "kills": list(fault.kills)} for fault in self.faults],
            "runs": [{**asdict(run), "node_ids": list(run.node_ids)} for run in self.runs],
            "outcomes": [asdict(outcome) for outcome in self.outcomes],
            "natural": list(self.natural),
            "base": None if self.base is None else asdict(self.base),
        }


def from_reports(
    mapped: Sequence[str],
    faults: Sequence[Fault],
    runs: Sequence[FaultRun],
    reports: Mapping[str, bytes],
    base: Base | None = None,
) -> RedProof:
    """Return the proof that these runs make; reports: JUnit XML by `report_path`."""
    parsed = {path: junit.parse(xml, where=path) for path, xml in reports.items()}
    outcomes = tuple(
        classify(run, parsed.get(run.report_path), node_id)
        for run in runs
        for node_id in run.node_ids
    )
    return RedProof(tuple(mapped), tuple(faults), tuple(runs), outcomes, base)


def from_record(record: Mapping[str, Any], reports: Mapping[str, bytes]) -> RedProof:
    """Return the proof computed again from a stored record's facts, its judgements unread."""
    runs = tuple(FaultRun(**{**run, "node_ids": tuple(run["node_ids"])}) for run in record["runs"])
    base = Base(**record["base"]) if record["base"] else None
    return from_reports(record["mapped"], declared_faults.load(record), runs, reports, base)


def recheck(
    record: Mapping[str, Any], reports: Mapping[str, bytes], *, where: str
) -> tuple[Finding, ...]:
    """Return where a stored record says other than its own reports."""
    computed = from_record(record, reports).as_record()
    pairs = enumerate(zip_longest(computed["outcomes"], record["outcomes"]))
    stated = [(f"/outcomes/{number}", *pair) for number, pair in pairs]
    stated.append(("/natural", computed["natural"], record["natural"]))
    return tuple(
        finding(
            "red.recomputed",
            where=where,
            pointer=pointer,
            expected="nothing" if expected is None else short(expected),
            found="nothing" if found is None else short(found),
        )
        for pointer, expected, found in stated
        if expected != found
    )


def classify(run: FaultRun, report: junit.Report | None, node_id: str) -> FaultOutcome:
    """Return the outcome of one test in one run; only killed_by_assertion is RED.

    A parametrised test is killed when at least one case fails by assertion and none breaks.
    """
    if not run.applies:
        return FaultOutcome(run.fault_id, node_id, DOES_NOT_APPLY)
    if run.timed_out:
        return FaultOutcome(run.fault_id, node_id, TIMEOUT, "the run was ended")
    if report is None:
        detail = f"no report; return code {run.returncode}"
        return FaultOutcome(run.fault_id, node_id, ERROR, detail)
    if report.findings:
        first = report.findings[0]
        detail = f"damaged report: {first.rule} {first.pointer}".rstrip()
        return FaultOutcome(run.fault_id, node_id, ERROR, detail)
    kind, detail = _gravest(report, node_id)
    accepted = {KILLED: (_TESTS_FAILED,), SURVIVED: _RAN_TO_THE_END}.get(kind)
    if accepted and run.returncode not in accepted:
        kind, detail = ERROR, f"pytest's return code {run.returncode} does not fit: {detail}"
    return FaultOutcome(run.fault_id, node_id, kind, detail)


def judge(proof: RedProof, *, where: str) -> tuple[Finding, ...]:
    """Return why the proof does not hold; empty where RED stands.

    Each mapped test must fail by assertion as the tree stands (natural), or pass there and be
    killed by assertion under every one of its faults, of which there are enough; and at the base,
    where one was asked for, fail by assertion too.
    """
    findings = [*_mapped(proof, where), *_own_reports(proof, where)]
    natural = proof.natural
    for node_id in proof.mapped:
        for outcome in _others(proof.tried(None, node_id), KILLED, SURVIVED):
            found = _describe(proof, None, node_id, outcome)
            findings.append(
                _unproved("red.unfaulted", where, node_id, "passed or " + KILLED, found)
            )
    for fault in proof.faults:
        for node_id in fault.kills:
            if node_id in natural:
                continue
            for outcome in _others(proof.tried(fault.id, node_id), KILLED):
                found = _describe(proof, fault.id, node_id, outcome)
                pointer = f"{fault.id} {node_id}"
                findings.append(_unproved("red.killed", where, pointer, KILLED, found))
    findings += _base(proof, where)
    findings += declared_faults.check(proof.faults, proof.mapped, where=where, natural=natural)
    return tuple(findings)


def _base(proof: RedProof, where: str) -> Iterator[Finding]:
    """Yield each mapped test that did not fail by assertion at the base, if there is one."""
    if proof.base is None:
        return
    for node_id in proof.mapped:
        for outcome in _others(proof.tried(proof.base.id, node_id), KILLED):
            found = _describe(proof, proof.base.id, node_id, outcome)
            yield _unproved("red.base", where, f"{proof.base.ref} {node_id}", KILLED, found)


def _gravest(report: junit.Report, node_id: str) -> tuple[str, str]:
    file = node_id.partition("::")[0]
    kinds: dict[str, str] = {}
    for outcome in report.outcomes:
        if _concerns(outcome, node_id):
            words = (outcome.exception_type, outcome.location, outcome.message)
            kinds.setdefault(_kind(outcome, file), " ".join(word for word in words if word))
    for kind in _GRAVEST_FIRST:
        if kind in kinds:
            return kind, kinds[kind]
    return NO_TESTS, f"{len(report.outcomes)} other outcomes"


def _concerns(outcome: junit.TestOutcome, node_id: str) -> bool:
    """Return True for the test, its cases, a broken module or class of it, and pytest itself."""
    return (
        outcome.node_id == node_id
        or outcome.node_id.startswith(f"{node_id}[")
        or (outcome.phase == junit.COLLECT and node_id.startswith(f"{outcome.node_id}::"))
        or outcome.node_id == junit.INTERNAL
    )


def _kind(outcome: junit.TestOutcome, file: str) -> str:
    if outcome.outcome == junit.PASSED:
        return SURVIVED
    if outcome.outcome in {junit.SKIPPED, junit.XFAILED}:
        return SKIPPED
    if outcome.exception_type in _IMPORT_ERRORS:
        return IMPORT_ERROR
    if outcome.phase == junit.COLLECT:
        return COLLECTION_ERROR
    if outcome.message.startswith("Failed: Timeout"):
        return TIMEOUT
    in_the_body = (outcome.outcome, outcome.phase) == (junit.FAILED, junit.CALL)
    asserted = outcome.exception_type in _ASSERTIONS and outcome.location_file == file
    return KILLED if in_the_body and asserted else ERROR


def _others(tried: tuple[str, ...], *accepted: str) -> Iterator[str]:
    """Yield what was tried and is not accepted, or that nothing was tried."""
    yield from (outcome for outcome in tried or ("not tried",) if outcome not in accepted)


def _describe(proof: RedProof, fault_id: str | None, node_id: str, outcome: str) -> str:
    key = (fault_id, node_id, outcome)
    details = (e.detail for e in proof.outcomes if (e.fault_id, e.node_id, e.outcome) == key)
    detail = next(details, "")
    return f"{outcome}: {detail}" if detail else outcome


def _mapped(proof: RedProof, where: str) -> Iterator[Finding]:
    if not proof.mapped:
        yield _unproved("red.mapped", where, "", "at least one mapped test", "none")


def _own_reports(proof: RedProof, where: str) -> Iterator[Finding]:
    paths = [run.report_path for run in proof.runs if run.report_path]
    for path in sorted({path for path in paths if paths.count(path) > 1}):
        yield _unproved("red.own-report", where, path, "a report for each run", "one for several")


def _unproved(rule: str, where: str, pointer: str, expected: str, found: str) -> Finding:
    return finding(rule, where=where, pointer=pointer, expected=expected, found=found)
