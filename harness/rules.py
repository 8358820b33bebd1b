"""The register of rules: every finding names one of these, and each says what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness import hub_rules, input_rules, run_rules
from harness.escapes import printable
from harness.model import Finding
from harness.rule import Rule

# One rule for each kind of record (schema.<name>), and what has no better place.
_RECORDS: dict[str, Rule] = {
    "schema.npz_input": Rule("the description of an NPZ fits its schema", "mend the input file"),
    "schema.study": Rule("a study file fits its schema", "mend the study file"),
    "schema.recipe": Rule("a recipe fits its schema", "mend the recipe file"),
    "study.view-name": Rule("each view has a name of its own", "rename one of them"),
    "schema.job": Rule("a job fits its schema", "report a bug: the harness wrote this record"),
    "schema.manifest": Rule("the manifest fits its schema", "make the manifest again"),
    "schema.skip_summary": Rule("the skip summary fits its schema", "make the manifest again"),
    "schema.stage": Rule("a stage record fits its schema", "run the stage again in a new hub"),
    "schema.attestation": Rule(
        "what the child attests fits its schema", "read the job's log; mend the child"
    ),
    "schema.reproduction": Rule("a reproduction's record fits its schema", "get the hub again"),
    "reproduce.input": Rule(
        "a job is run again on the very input that it had",
        "make the inputs (`make inputs`) with the preset and base of the hub, or get the file",
    ),
    "reproduce.original": Rule(
        "a reproduction says of its original what the original holds",
        "trust nothing that this reproduction says; reproduce the original again",
    ),
    "reproduce.picture": Rule(
        "the same arrays, code and versions give the same picture, byte for byte",
        "trust the picture that was drawn now, and not the original's",
    ),
    "reproduce.surroundings": Rule(
        "a job is run again with the code and versions, and on the processor, that it had",
        "nothing to do where the arrays agree; else build what the original names",
        "note",
    ),
    "schema.diff": Rule(
        "the differences of two hubs fit their schema", "report a bug: the harness wrote this"
    ),
    "schema.intoto_provenance": Rule(
        "a stage's provenance fits its schema", "report a bug: the harness wrote this"
    ),
    "schema.intoto_test_result": Rule(
        "a stage's test result fits its schema", "report a bug: the harness wrote this"
    ),
    "schema.dsse_envelope": Rule(
        "a signed statement is a DSSE envelope", "get the hub from its source again"
    ),
    "schema.faults": Rule("the declared faults fit their schema", "mend the faults file"),
    "schema.hub": Rule("a hub's marker fits its schema", "get the hub from its source again"),
    "schema.mutation": Rule("the record of the mutants fits its schema", "get the hub again"),
    "schema.survivors": Rule("the list of survivors fits its schema", "mend the list"),
    "schema.digests": Rule(
        "digests of what a stage rests on fit their schema", "get the hub again"
    ),
    "schema.red_proof": Rule("the proof of RED fits its schema", "get the hub again"),
    "schema.documented": Rule("what is documented fits its schema", "get the hub again"),
}

RULES: dict[str, Rule] = {
    **_RECORDS,
    **input_rules.RULES,
    **run_rules.RULES,
    **hub_rules.RULES,
}


def finding(rule: str, *, where: str, expected: str, found: str, pointer: str = "") -> Finding:
    """Return a finding of a registered rule; KeyError for an id that the register lacks."""
    return Finding(
        rule=rule,
        where=where,
        pointer=pointer,
        expected=expected,
        found=found,
        severity=RULES[rule].severity,
    )


def from_record(record: Mapping[str, str]) -> Finding:
    """Return a finding from its record; the inverse of `Finding.as_record`."""
    return Finding(**record)


def errors(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings that stop the work; notes are left out."""
    return tuple(item for item in found if item.severity == "error")


def as_text(found: Finding) -> str:
    """Return one finding as the line that a person reads."""
    return f"{fact(found)} {remedy(found)}"


def fact(found: Finding) -> str:
    """Return one finding as text, without what to do."""
    place = f"{found.where}: {found.pointer}" if found.pointer else found.where
    said = f"expected {found.expected}, found {found.found}."
    return printable(f"{found.severity} [{found.rule}] {place}: {said}")


def remedy(found: Finding) -> str:
    """Return what to do about a finding, as a sentence."""
    words = RULES[found.rule].remedy
    return f"{words[:1].upper()}{words[1:]}."


def wording(found: Finding) -> str:
    """Return what was expected, what was found and what to do, as one sentence or two."""
    return f"expected {found.expected}, found {found.found}. {remedy(found)}"
