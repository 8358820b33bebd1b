"""What is said of the faults file that RED keeps, against its digests and its proof: in full.

The check is asked itself, over the three files that it reads.
"""

from __future__ import annotations

import json

import pytest

from harness import canonical, faults_copy, judge, records, redproof, resources
from tests.memory import hub as memory

PATH, RULE, FAULTS = faults_copy.PATH, faults_copy.RULE, "tests/faults.toml"
COMMIT = "c" * 40
AT_BASE = f"{redproof.BASE}{COMMIT}"
RECORD = {"settings": {"tests": {"faults": FAULTS}}}
GONE, PLAIN = "no such file", "TOML of plain values"


def fault(name, **changes):
    words = {"id": name, "why": "it would be lost", "file": "harness/a.py"}
    return {**words, "find": "a", "replace": "b", "kills": ["tests/test_a.py::test_a"], **changes}


def text(*declared):
    """Return a faults file; the values are written as JSON, which is TOML here."""
    rows = [
        "\n".join(["[[faults]]", *(f"{name} = {json.dumps(it)}" for name, it in each.items())])
        for each in declared
    ]
    return "\n".join(['format = "harness.faults/1"', *rows, ""]).encode()


def told(data, *proved, ran=(), base=None, hashed="the copy", code=("harness/a.py",), **has):
    """Return what is said of a copy: rule, where, pointer, expected, found.

    proved: the faults of the proof, if it has one.  ran: the faults of its further runs.
    code: what else was hashed, where anything was.
    """
    names = [None, *(each["id"] for each in proved), *ran]
    document = {"faults": proved, "base": base, "runs": [{"fault_id": name} for name in names]}
    digest = canonical.sha256(data or b"") if hashed == "the copy" else hashed
    files = {
        PATH: data,
        judge.PROOF: canonical.to_bytes(document) if has.get("proof", True) else None,
    }
    if digest:
        rests_on = {"before": {"code": {**dict.fromkeys(code, "f" * 64), FAULTS: digest}}}
        files[records.digests_path("red")] = canonical.to_bytes(rests_on)
    return memory.told(faults_copy.check(RECORD, files.get, resources.schema))


def test_a_proof_of_each_fault_declared_holds_with_its_base():
    both = fault("a"), fault("b")
    base = {"commit": COMMIT}
    assert told(text(*both), *both) == []
    assert told(text(*both), *reversed(both), base=base, ran=[AT_BASE]) == []


def test_a_copy_is_missed_where_there_is_a_proof():
    assert told(None) == [(RULE, PATH, "", "the faults file of the stage", GONE)]
    assert told(None, proof=False) == []


@pytest.mark.parametrize("hashed", ["f" * 64, None])
def test_a_copy_is_the_file_that_was_hashed(hashed):
    data = text(fault("a"))
    words = (f"sha256 {hashed}", f"sha256 {canonical.sha256(data)}")
    found = told(data, fault("a"), hashed=hashed)
    assert found[0] == (RULE, PATH, "", *words)
    assert found[1:] == ([] if hashed else [unhashed("harness/a.py")])


def unhashed(path):
    words = (f"/before/code/{path}", "the digest of a file that the stage used", "none")
    return ("stage.unhashed", records.digests_path("red"), *words)


def test_each_file_with_a_declared_fault_was_hashed():
    declared = [fault("a"), fault("b", file="harness/b.py"), fault("c", file="harness/b.py")]
    assert told(text(*declared), *declared) == [unhashed("harness/b.py")]
    assert told(text(*declared), *declared, code=()) == [
        unhashed("harness/a.py"),
        unhashed("harness/b.py"),
    ]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"a = ", "Invalid value (at end of document)"),
        (b"a = 1979-05-27", "Object of type date is not JSON serializable"),
    ],
)
def test_a_copy_that_cannot_be_read_is_told_with_why(data, found):
    assert told(data, fault("a")) == [(RULE, PATH, "", PLAIN, found)]


def test_a_copy_that_breaks_its_schema_is_told_and_not_compared():
    (found,) = told(text(fault("a", why=1)), fault("b"))
    assert found == ("schema.faults", PATH, "/faults/0/why", "a string", "1")


def test_a_fault_that_copy_and_proof_do_not_share_is_told_with_both():
    here, there = (fault("a"), fault("c"), fault("d")), (fault("b"), fault("c", replace="x"))
    named = {name: {"kills": ("tests/test_a.py::test_a",)} for name in "abcd"}
    said = {
        name: canonical.short({**each, **named[name]})
        for name, each in (("a", here[0]), ("b", there[0]), ("d", here[2]))
    }
    changed = [canonical.short({**each, **named["c"]}) for each in (here[1], there[1])]
    assert told(text(*here), *there) == [
        (RULE, judge.PROOF, "a", said["a"], "no such fault"),
        (RULE, judge.PROOF, "b", "no such fault", said["b"]),
        (RULE, judge.PROOF, "c", *changed),
        (RULE, judge.PROOF, "d", said["d"], "no such fault"),
    ]


def test_a_run_of_a_fault_that_neither_declares_is_told():
    words = ("a declared fault", "a run of a fault that is not declared")
    other = [f"{redproof.BASE}{'d' * 40}", "z"]
    for base in (None, {"commit": COMMIT}):
        found = told(text(fault("a")), fault("a"), ran=["z", other[0], "z"], base=base)
        assert found == [(RULE, judge.PROOF, name, *words) for name in other]
    found = told(text(fault("a")), fault("a"), ran=[AT_BASE])
    assert found == [(RULE, judge.PROOF, AT_BASE, *words)]
