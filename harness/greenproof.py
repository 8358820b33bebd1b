"""GREEN and collection judged: what was to run did run, all of it, and passed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from harness import junit
from harness.collection import Collection
from harness.model import Finding
from harness.rules import finding
from harness.testindex import without_parameters

OUTCOMES = (junit.PASSED, junit.FAILED, junit.ERROR, junit.SKIPPED, junit.XFAILED)


def judge(
    report: junit.Report,
    collection: Collection,
    expected: Iterable[str],
    *,
    returncode: int | None,
    where: str,
) -> tuple[Finding, ...]:
    """Return why a run is not GREEN; empty where it is.

    report, collection: of the same run.  expected: every test that the run's selector stands for
    (parameters are ignored); what is deselected beside these is the selector's own doing.
    returncode: pytest's.  where: the run's JUnit report, as the reader knows it.
    """
    damage = (*report.findings, *collection.findings)
    if damage:
        return damage
    return (
        *judge_collection(collection, where=where),
        *_expected(collection, without_parameters(expected), where),
        *_complete(report, collection, where),
        *_passed(report, collection, returncode, where),
    )


def judge_collection(collection: Collection, *, where: str) -> tuple[Finding, ...]:
    """Return what is wrong with a collection by itself: errors, modules that skip themselves."""
    if collection.findings:
        return collection.findings
    findings = [
        _found("collect.errors", where, error.node_id, "a module that loads", _last(error.message))
        for error in collection.errors
    ]
    findings += [
        _found("collect.skipped", where, node_id, "a module that runs", "skipped")
        for node_id in collection.skipped
    ]
    if not collection.harness_is_local:
        expected = "the harness beside the tests"
        findings.append(_found("collect.local", where, "", expected, "another one was imported"))
    if collection.returncode != 0 and not collection.errors:
        findings.append(_returncode(where, collection.returncode))
    return tuple(findings)


def totals(outcomes: Iterable[junit.TestOutcome]) -> dict[str, int]:
    """Return how many tests ended in each way, every way named."""
    counted = Counter(outcome.outcome for outcome in outcomes)
    return {outcome: counted[outcome] for outcome in OUTCOMES}


def _expected(collection: Collection, expected: tuple[str, ...], where: str) -> Iterator[Finding]:
    collected = without_parameters(collection.collected)
    deselected = without_parameters(collection.deselected)
    for node_id in expected:
        if node_id in deselected:
            yield _found("green.deselected", where, node_id, "every case selected", "deselected")
        elif node_id not in collected:
            yield _found("green.expected", where, node_id, "collected", "not found by pytest")
    for node_id in collected:
        if node_id not in expected:
            yield _found("green.expected", where, node_id, "not part of this run", "collected")


def _complete(report: junit.Report, collection: Collection, where: str) -> Iterator[Finding]:
    reported = {outcome.node_id for outcome in report.outcomes}
    for node_id in collection.collected:
        if node_id not in reported:
            yield _found("green.complete", where, node_id, "a result", "none in the report")
    collected = set(collection.collected)
    apart = {error.node_id for error in collection.errors} | set(collection.skipped)
    for outcome in report.outcomes:
        if outcome.node_id not in collected and outcome.node_id not in apart:
            yield _found("green.complete", where, outcome.node_id, "no result", outcome.outcome)


def _passed(
    report: junit.Report, collection: Collection, returncode: int | None, where: str
) -> Iterator[Finding]:
    if not report.outcomes:
        yield _found("green.some", where, "", "at least one test", "none")
    others = [outcome for outcome in report.outcomes if outcome.outcome != junit.PASSED]
    for outcome in others:
        found = " ".join([outcome.outcome, outcome.location, outcome.message]).strip()
        yield _found("green.passed", where, outcome.node_id, junit.PASSED, found)
    for node_id in collection.collected:
        if node_id in collection.marked:
            found = ", ".join(collection.marked[node_id])
            yield _found("green.excused", where, node_id, "no skip or xfail mark", found)
    if returncode != 0 and not others:
        yield _returncode(where, returncode)


def _returncode(where: str, returncode: int | None) -> Finding:
    return _found("green.returncode", where, "", "return code 0", str(returncode))


def _found(rule: str, where: str, pointer: str, expected: str, found: str) -> Finding:
    return finding(rule, where=where, pointer=pointer, expected=expected, found=found)


def _last(message: str) -> str:
    return (message.strip().splitlines() or [""])[-1]
