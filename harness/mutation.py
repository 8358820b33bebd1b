"""Mutants of the pure core: which of them the tests killed, and why the others may live.

A mutant is one small change of one function.  The record holds what became of each; everything
else in it is computed here, and again by verify.  Source: docs/adr/0016-mutants-of-the-core.md
"""

from __future__ import annotations

import ast
import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness import canonical, drift, layout, wording
from harness.errors import EXIT_FAILED, EXIT_OK
from harness.model import Finding
from harness.rules import finding

FORMAT = "harness.mutation/1"
TOOL = "mutmut"
MODULES = (
    "matrix",
    "manifest",
    "contract",
    # What verify asks of a hub, the checks that have a module of their own among it.
    "crosscheck",
    "verify",
    "verify_run",
    "asked",
    "childlog",
    "childwords",
    "cost",
    "drift",
    "faults_copy",
    "guarded",
    "hashed",
    "joblog",
    "left_out",
    "marker",
    "pairing",
    "policies",
    "reporttime",
    "seal",
    "spans",
    "stage_files",
    "stagelog",
    "study_copy",
)
# What mutants are tried against: tests that ask for a few milliseconds, and start no process.
TESTS = (
    "tests/unit/test_matrix.py",
    "tests/unit/test_manifest.py",
    "tests/unit/test_drift_words.py",
    "tests/unit/test_crosscheck.py",
    "tests/unit/test_contract_words.py",
    "tests/unit/test_contract.py",
    "tests/unit/test_seal.py",
    "tests/unit/test_faults_words.py",
    "tests/unit/test_stage_words.py",
    "tests/unit/test_run_words.py",
    "tests/unit/test_verify_run.py",
    "tests/unit/test_verify_jobs.py",
    "tests/unit/test_childlog.py",
    "tests/unit/test_childwords.py",
    "tests/unit/test_cost.py",
    "tests/unit/test_marker.py",
    "tests/unit/test_reporttime.py",
    "tests/unit/test_run_forged.py",
    "tests/unit/test_verify_records.py",
    "tests/unit/test_verify_stages.py",
)
SURVIVORS = "tests/mutation/survivors.toml"
LEAST_KILLED = 0.9
KILLED, SURVIVED, TIMEOUT = "killed", "survived", "timeout"
NO_TESTS, OTHER = "no_tests", "other"
OUTCOMES = (KILLED, SURVIVED, TIMEOUT, NO_TESTS, OTHER)
# The tool's exit codes; source: mutmut 3.8, `mutmut.stats.status_by_exit_code`.
_BY_CODE = {
    **dict.fromkeys((1, 3), KILLED),
    0: SURVIVED,
    **dict.fromkeys((5, 33), NO_TESTS),
    **dict.fromkeys((-24, 24, 36, 152, 255), TIMEOUT),
}
OWN_FILES = (
    *(layout.MUTATION_RECORD, layout.MUTATION_LOG, layout.DIGESTS, layout.UNCOMMITTED),
    *layout.ATTACHED,
)

Record = Mapping[str, Any]


def outcome(exit_code: int | None) -> str:
    """Return what became of a mutant, from the tool's exit code; None: it was not tried."""
    return _BY_CODE.get(exit_code, OTHER)


def changes(source: str) -> dict[str, str]:
    """Return the change that each mutant makes: its lines with - and +, no others.

    source: a module as the tool wrote it, every mutant a function beside its original.
    """
    parsed = ast.walk(ast.parse(source))
    functions = {node.name: node for node in parsed if isinstance(node, ast.FunctionDef)}
    bodies = {name: _lines(source, name, node) for name, node in functions.items()}
    found = {}
    for name, body in bodies.items():
        original = bodies.get(f"{name.partition('__mutmut_')[0]}__mutmut_orig")
        if original is not None and original is not body:
            compared = list(difflib.unified_diff(original, body, n=0, lineterm=""))[2:]
            found[name] = "\n".join(line for line in compared if not line.startswith("@@"))
    return found


def _lines(source: str, name: str, node: ast.FunctionDef) -> list[str]:
    lines = source.splitlines()[node.lineno - 1 : node.end_lineno]
    function = name.partition("__mutmut_")[0].removeprefix("x_")
    return [line.strip().replace(name, function) for line in lines]


def module_record(
    module: str,
    exit_codes: Mapping[str, int | None],
    changed: Mapping[str, str],
    listed: Sequence[Record],
) -> dict[str, Any]:
    """Return what became of a module's mutants; each that was not killed with its change.

    exit_codes: by mutant, as `x_plan__mutmut_16`.  changed: the change of each.
    listed: the accepted survivors, each with module, function, change and reason.
    """
    reasons = {(each["module"], each["function"], each["change"]): each for each in listed}
    left = []
    for name, code in exit_codes.items():
        if outcome(code) != KILLED:
            function = name.partition("__mutmut_")[0].removeprefix("x_")
            known = reasons.get((module, function, changed[name]))
            reason = known["reason"] if known and outcome(code) == SURVIVED else None
            words = {"function": function, "outcome": outcome(code), "change": changed[name]}
            left.append({"mutant": name, **words, "reason": reason})
    return {
        "module": module,
        "exit_codes": dict(exit_codes),
        **counts(exit_codes),
        "survivors": left,
    }


def counts(exit_codes: Mapping[str, int | None]) -> dict[str, Any]:
    """Return how many mutants there are, how many ended how, and the fraction killed."""
    counted = Counter(map(outcome, exit_codes.values()))
    total = len(exit_codes)
    fraction = round(counted[KILLED] / total, 4) if total else 0.0
    return {
        "mutants": total,
        **{name: counted[name] for name in OUTCOMES},
        "killed_fraction": fraction,
    }


def judge(record: Record, rests_on: Record) -> tuple[Finding, ...]:
    """Return why a record does not pass: too few killed, a survivor without reason, and so on.

    rests_on: the digests before and after; code that changed meanwhile is a finding.
    """
    found = [*drift.findings(rests_on), *_tool(record)]
    if record["returncode"] != 0:
        # Where the tool broke off, that no mutant was killed says nothing of the tests.
        return tuple(found)
    modules = {each["module"]: each for each in record["modules"]}
    tried = {name for name, module in modules.items() if module["mutants"]}
    found += [
        _about("mutation.module", name, "mutants of the module", "none")
        for name in MODULES
        if name not in tried
    ]
    for name, module in modules.items():
        killed, total = module["killed"], module["mutants"]
        if killed < LEAST_KILLED * total:
            expected = f"at least {LEAST_KILLED:.0%} killed"
            found.append(_about("mutation.killed", name, expected, f"{killed} of {total}"))
        for each in module["survivors"]:
            if each["reason"] is None:
                place = f"{name}.{each['mutant']}"
                words = f"{each['outcome']}: {each['change']}"
                found.append(_about("mutation.survivor", place, KILLED, words))
    return (*found, *_listed(record, modules))


def _tool(record: Record) -> Iterator[Finding]:
    if record["returncode"] != 0:
        said = wording.said(record["returncode"])
        yield _about("mutation.tool", TOOL, "return code 0", said)


def _listed(record: Record, modules: Mapping[str, Record]) -> Iterator[Finding]:
    """Yield each accepted survivor that did not survive."""
    survived = {
        (name, each["function"], each["change"])
        for name, module in modules.items()
        for each in module["survivors"]
        if each["outcome"] == SURVIVED
    }
    for each in record["listed"]:
        if (each["module"], each["function"], each["change"]) not in survived:
            place = f"{each['module']}.{each['function']}"
            yield _about("mutation.listed", place, "a survivor", f"none: {each['change']}")


def judged(record: Record, rests_on: Record) -> dict[str, Any]:
    """Return a record with its findings, verdict and exit code."""
    found = judge(record, rests_on)
    return {
        **record,
        "findings": [item.as_record() for item in found],
        "verdict": "fail" if found else "pass",
        "exit_code": EXIT_FAILED if found else EXIT_OK,
    }


def check(
    record: Record, rests_on: Record | None, digests: Mapping[str, str], *, where: str
) -> tuple[Finding, ...]:
    """Return where a stored record does not follow from what it says of each mutant.

    rests_on: the digests before and after.  digests: sha256 by path of the hub's files.
    """
    if rests_on is None:
        gone = f"{layout.MUTATION}/{layout.DIGESTS}"
        return (finding("hub.mutation", where=gone, expected="a file", found="no such file"),)
    again = [_again(module, record["listed"]) for module in record["modules"]]
    expected = judged({**record, "modules": again}, rests_on)
    names = ("modules", "findings", "verdict", "exit_code")
    facts = [(name, expected[name], record[name]) for name in names]
    facts.append(("least_killed", LEAST_KILLED, record["least_killed"]))
    own = {f"{layout.MUTATION}/{name}" for name in OWN_FILES}
    extra = [path for path in digests if path.startswith(f"{layout.MUTATION}/") and path not in own]
    return (
        *(
            finding(
                "hub.mutation",
                where=where,
                pointer=f"/{name}",
                expected=canonical.short(computed),
                found=canonical.short(stated),
            )
            for name, computed, stated in facts
            if computed != stated
        ),
        *(
            finding("hub.extra", where=path, expected="a file of the mutants", found="another")
            for path in extra
        ),
    )


def _again(module: Record, listed: Sequence[Record]) -> dict[str, Any]:
    stated = {each["mutant"]: each["change"] for each in module["survivors"]}
    changed = {name: stated.get(name, "not recorded") for name in module["exit_codes"]}
    return module_record(module["module"], module["exit_codes"], changed, listed)


def _about(rule: str, place: str, expected: str, found: str) -> Finding:
    where = f"{layout.MUTATION}/{layout.MUTATION_RECORD}"
    return finding(rule, where=where, pointer=place, expected=expected, found=found)
