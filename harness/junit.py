"""Read pytest's JUnit XML (family xunit2, as pytest 9 writes it) into outcomes.

The facts a judgement needs come from pytest's own words: which phase failed from the message
attribute, the exception's type and the crash line from the failure's text.  With long
tracebacks (the default) its last line is `tests/study/test_x.py:88: AssertionError`; with
`--tb=short` the last entry is `tests/study/test_x.py:88: in test_name`.  Other styles carry no
crash line, so nothing that they report can be proved to be an assertion in a test's body.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any
from xml.etree import ElementTree

from harness.model import Finding
from harness.rules import finding

# What may stand in what, as pytest writes it.
_WORDS = ("properties", "system-out", "system-err")
KNOWN = {
    "testsuites": ("testsuite",),
    "testsuite": ("testcase", *_WORDS),
    "testcase": ("error", "failure", "skipped", *_WORDS),
    "properties": ("property",),
}
MAX_BYTES = 32 * 1024 * 1024
MESSAGE_LIMIT = 200

PASSED, FAILED, ERROR, SKIPPED, XFAILED = "passed", "failed", "error", "skipped", "xfailed"
CALL, SETUP, TEARDOWN, COLLECT = "call", "setup", "teardown", "collect"

INTERNAL = "pytest.py::internal"  # the id under which pytest reports an error of its own

_TEST_MODULE = re.compile(r"test_.*|.*_test")
_PHASE = re.compile(r'failed on (setup|teardown) with "')
_CRASH_LINE = re.compile(r"(?P<place>\S.*:\d+): (?P<type>[\w.]+)")
_ENTRY_LINE = re.compile(r"(?P<place>[^\s>].*:\d+): in .+")
_TYPE = re.compile(r"([A-Za-z_][\w.]*)(?::|$)")


@dataclass(frozen=True, slots=True)
class TestOutcome:
    """How one test ended.

    node_id: as pytest knows it; the module's alone where collecting it failed.
    outcome: passed, failed, error, skipped or xfailed.  phase: call, setup, teardown, collect.
    exception_type: bare class name, "" where none is known.  location: crash line, "file:line"
    relative to the folder pytest ran in, "" where none is known.  message: its first line.
    """

    __test__ = False  # not a test class, whatever pytest makes of the name

    node_id: str
    outcome: str
    seconds: float
    phase: str = CALL
    exception_type: str = ""
    location: str = ""
    message: str = ""

    @property
    def location_file(self) -> str:
        """The file of the crash line, "" where none is known."""
        return self.location.rpartition(":")[0]

    def as_record(self) -> dict[str, Any]:
        """Return the outcome as JSON-ready data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Suite:
    """What a test suite says of itself, as it stands there; "" for what it does not say."""

    timestamp: str
    time: str
    host: str

    @property
    def seconds(self) -> float | None:
        """How long it took; None where it does not say so."""
        return _seconds(self.time)


@dataclass(frozen=True, slots=True)
class Report:
    """One report: an outcome for each test, what is wrong with the report itself, its suites."""

    outcomes: tuple[TestOutcome, ...]
    findings: tuple[Finding, ...] = ()
    suites: tuple[Suite, ...] = ()


def parse(xml: bytes, *, where: str = "junit.xml") -> Report:
    """Return what a JUnit report says; a damaged one is a finding, never an exception.

    Document types and entities are refused unread, as is a report over MAX_BYTES.  A test whose
    body failed and whose teardown broke stands twice in the file; it comes back once, as error.
    """
    root = _root(xml, where)
    if isinstance(root, Finding):
        return Report((), (root,))
    suites = [root] if root.tag == "testsuite" else root.findall("testsuite")
    if not suites or root.tag not in {"testsuite", "testsuites"}:
        return Report((), (_unreadable(where, f"<{root.tag}> without a test suite"),))
    findings = [found for suite in suites for found in _totals(suite, where)]
    findings += _strange(root, where)
    outcomes: dict[str, TestOutcome] = {}
    for case in (case for suite in suites for case in suite.findall("testcase")):
        outcome = _outcome(case)
        if outcome is None:
            findings.append(_unreadable(where, f"testcase {case.attrib}"))
        elif outcome.node_id not in outcomes or outcome.phase == TEARDOWN:
            outcomes[outcome.node_id] = outcome
        else:
            findings.append(_twice(where, outcome.node_id))
    return Report(tuple(outcomes.values()), tuple(findings), tuple(map(_suite, suites)))


def _strange(root: ElementTree.Element, where: str) -> Iterator[Finding]:
    """Yield each element that pytest writes nowhere, or not there: nobody would read it."""
    for parent in root.iter():
        known = KNOWN.get(parent.tag, ())
        for child in parent:
            if child.tag not in known:
                yield _unreadable(where, f"<{child.tag}> in <{parent.tag}>")


def _root(xml: bytes, where: str) -> ElementTree.Element | Finding:
    if len(xml) > MAX_BYTES:
        return _unsafe(where, f"{len(xml)} bytes")
    try:
        text = xml.decode("utf-8")
    except UnicodeDecodeError as error:
        return _unreadable(where, str(error))
    for declaration in ("<!DOCTYPE", "<!ENTITY"):
        if declaration in text:
            return _unsafe(where, declaration)
    try:
        # Text, not bytes: the parser then ignores the encoding that the file itself declares.
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        return _unreadable(where, str(error))


def _suite(suite: ElementTree.Element) -> Suite:
    return Suite(*(suite.get(name, "") for name in ("timestamp", "time", "hostname")))


def _totals(suite: ElementTree.Element, where: str) -> Iterator[Finding]:
    counted = {
        "tests": len(suite.findall("testcase")),
        "failures": len(suite.findall("testcase/failure")),
        "errors": len(suite.findall("testcase/error")),
        "skipped": len(suite.findall("testcase/skipped")),
    }
    for name, count in counted.items():
        stated = suite.get(name)
        if stated != str(count):
            yield finding(
                "junit.totals",
                where=where,
                pointer=f"testsuite/@{name}",
                expected=f"{count}, as counted in the report",
                found=str(stated),
            )


def _outcome(case: ElementTree.Element) -> TestOutcome | None:
    name, seconds = case.get("name"), _seconds(case.get("time"))
    if not name or seconds is None:
        return None
    node_id = _node_id(case.get("classname", ""), name, case.get("file"))
    for tag in ("error", "failure", "skipped"):
        child = case.find(tag)
        if child is not None:
            return _trouble(child, node_id, seconds)
    return TestOutcome(node_id, PASSED, seconds)


def _trouble(child: ElementTree.Element, node_id: str, seconds: float) -> TestOutcome:
    message, text = child.get("message", ""), child.text or ""
    first_line = message.split("\n", 1)[0][:MESSAGE_LIMIT]
    if child.tag == "skipped":
        outcome = XFAILED if child.get("type") == "pytest.xfail" else SKIPPED
        phase = COLLECT if message == "collection skipped" else CALL
        return TestOutcome(node_id, outcome, seconds, phase, message=first_line)
    collecting = message == "collection failure"
    staged = _PHASE.match(message)
    phase = COLLECT if collecting else staged.group(1) if staged else CALL
    reason = _error_lines(text) if collecting else message[staged.end() :] if staged else message
    exception_type = _exception_type(reason)
    location = _location(text, exception_type)
    outcome = FAILED if child.tag == "failure" else ERROR
    return TestOutcome(node_id, outcome, seconds, phase, exception_type, location, first_line)


def _exception_type(reason: str) -> str:
    """Return the class name at the start of what `traceback` would print for an exception.

    pytest leaves the type out only for its own rewritten assertions ("assert 1 == 2").
    """
    if reason.startswith("assert "):
        return "AssertionError"
    match = _TYPE.match(reason.split("\n", 1)[0].rstrip('"'))
    return match.group(1).rpartition(".")[2] if match else ""


def _error_lines(text: str) -> str:
    """Return the exception of a collection error: its lines begin with E and three spaces."""
    reasons = [line[4:] for line in text.splitlines() if line.startswith("E   ")]
    return next((line for line in reasons if _exception_type(line)), "")


def _location(text: str, exception_type: str) -> str:
    """Return the crash line of a traceback, "" where none is sure.

    An exception's own words can end in anything, so a crash line counts only if its type is that
    of the message attribute and the lines above show the error where pytest shows it.
    """
    lines = text.rstrip().splitlines()
    if not any(line.startswith("E  ") for line in lines):
        return ""
    crash = _CRASH_LINE.fullmatch(lines[-1])
    if crash:
        same = crash["type"].rpartition(".")[2] == exception_type
        return crash["place"] if same else ""
    entries = [match for line in lines if (match := _ENTRY_LINE.fullmatch(line))]
    return entries[-1]["place"] if entries else ""


def _node_id(classname: str, name: str, file: str | None) -> str:
    """Return the node id whose address pytest wrote as dotted classname and name.

    The module is the last part that is named like one (test_*, *_test), else all of them; the
    older family says the file itself.
    """
    if file and f"{classname}.".startswith(f"{(dotted := _dotted(file))}."):
        classes = classname[len(dotted) + 1 :]
        return "::".join([file, *classes.split(".")] if classes else [file]) + f"::{name}"
    parts = classname.split(".") if classname else name.split(".")
    modules = [i for i, part in enumerate(parts) if _TEST_MODULE.fullmatch(part)]
    end = modules[-1] + 1 if modules else len(parts)
    path = "/".join(parts[:end]) + ".py"
    return "::".join([path, *parts[end:]] + ([name] if classname else []))


def _dotted(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".")


def _seconds(text: str | None) -> float | None:
    try:
        seconds = float(text or "")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _unreadable(where: str, found: str) -> Finding:
    return finding("junit.readable", where=where, expected="pytest's JUnit XML", found=found)


def _unsafe(where: str, found: str) -> Finding:
    return finding(
        "junit.safe",
        where=where,
        expected=f"no document type, no entity, at most {MAX_BYTES} bytes",
        found=found,
    )


def _twice(where: str, node_id: str) -> Finding:
    return finding(
        "junit.one-result", where=where, pointer=node_id, expected="one result", found="two"
    )
