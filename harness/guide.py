"""The commands of a stage against those that the testing guide documents for it, both ways.

The guide's block `stage-commands` has a row for each: stage, command, what it shows.  A stage
keeps the guide as it was when it began; the commands that it ran stand in its record.  A command
is compared in its documented form: without the options that only say where its reports go, and
with names for what differs from run to run (PHASE_C, PHASE_D, HUB, and TEST... for the tests that
RED chooses); what the caller chose for a run is left out.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from harness import layout, tables
from harness.model import Finding
from harness.records import Read
from harness.rules import finding

GUIDE = layout.AUTHORITATIVE_COMMANDS.removeprefix("./")
BLOCK = "stage-commands"
TESTS = "TEST..."
# What each pytest command of a stage has besides, and no document repeats. Only the plugins that
# the mapped tests need: half the time of a run, and none that reruns tests.
PLUGINS = ("-p", "pytest_subprocess.fixtures", "-p", "harness.pytest_report")
REPORTS = ("--basetemp=", "--collection-report=", "--junit-xml=")
ROOTS = {"--phase-c-root": "phase_c", "--phase-d-root": "phase_d"}
CELLS = 3

Form = tuple[str, ...]


def place(stage: str) -> str:
    """Return where a stage keeps the guide that it ran by."""
    return f"{layout.STAGE_DIRECTORIES[stage]}/{layout.GUIDE_COPY}"


def documented(text: str, stage: str, *, where: str) -> tuple[dict[Form, str], list[Finding]]:
    """Return the commands that the guide documents for a stage, each with its place."""
    lines, damage = tables.read(text, BLOCK, where=where)
    found, listed = list(damage), {}
    for line in lines:
        cells = [cell.strip("`") for cell in tables.cells(line.text)]
        if len(cells) != CELLS or cells[0] not in layout.STAGES:
            found.append(tables.no_row(where, line.number, line.text))
        elif cells[0] == stage:
            listed[_split(cells[1])] = f"line {line.number}"
    return listed, found


def form(command: Mapping[str, Any], record: Mapping[str, Any]) -> Form:
    """Return the documented form of a command of a stage record."""
    head, *words = command["argv"]
    if words[:1] == ["-u"]:
        words = words[1:]
    if words[:2] == ["-m", "pytest"]:
        return ("pytest", *_pytest(words[2:], _chooses(command, record)))
    program = "python" if PurePosixPath(head).name.startswith("python") else head
    if words[:2] == ["-m", "harness.reconstruction"]:
        words[2:] = _reconstruction(words[2:], record)
    return (program, *words)


def compare(record: Mapping[str, Any], read: Read, *, whole: bool) -> Iterator[Finding]:
    """Yield each command that ran and is not documented for its stage, and each that did not run.

    whole: False for a stage that ended early, of which not every command can be asked for.
    """
    where = place(record["stage"])
    data = read(where)
    if data is None:
        yield finding("stage.guide", where=where, expected="the guide", found="no such file")
        return
    listed, damage = documented(data.decode(errors="replace"), record["stage"], where=where)
    yield from damage
    ran = {form(command, record): command["name"] for command in record["commands"]}
    for words, name in ran.items():
        if words not in listed:
            row = tables.row(f"`{record['stage']}`", f"`{shlex.join(words)}`", "...")
            yield finding(
                "stage.undocumented",
                where=where,
                pointer=name,
                expected=f"the line {row}",
                found="no such line",
            )
    if whole:
        yield from _not_run(listed, ran, record, where)


def _not_run(
    listed: Mapping[Form, str], ran: Iterable[Form], record: Mapping[str, Any], where: str
) -> Iterator[Finding]:
    # A real run plans for itself only where its hub holds no dry run to follow.
    own_plan = (record["plan"] or {}).get("path", "").startswith(f"{layout.PLAN}/")
    for words, line in listed.items():
        optional = f"HUB/{layout.PLAN}" in words and not own_plan
        if words not in ran and not optional:
            yield finding(
                "stage.not-run",
                where=where,
                pointer=line,
                expected=f"the command {shlex.join(words)}",
                found="not run by the stage",
            )


def _chooses(command: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    """Tell whether a command runs the tests that RED chose, in the tree or in a faulted copy."""
    return record["stage"] == "red" and "--collect-only" not in command["argv"]


def _pytest(words: Sequence[str], chosen: bool) -> Iterator[str]:
    tests = False
    for word in _without(words, PLUGINS):
        if chosen and "::" in word:
            if not tests:
                yield TESTS
            tests = True
        elif not word.startswith(REPORTS):
            yield word


def _reconstruction(words: Sequence[str], record: Mapping[str, Any]) -> Iterator[str]:
    option = ""
    for word in _without(words, record["settings"]["options"]):
        yield _named(option, word, record)
        option = word


def _named(option: str, value: str, record: Mapping[str, Any]) -> str:
    """Return a value by its name where it is the one that the stage had to give."""
    settings = record["settings"]
    inputs = layout.inputs_folder(settings["preset"], settings["base_sha256"])
    root = ROOTS.get(option)
    if root and re.fullmatch(rf"tmp/[^/]+/{re.escape(inputs)}/{root}", value):
        return root.upper()
    if option == "--artifact-root":
        folders = (layout.PLAN, layout.STAGE_DIRECTORIES[record["stage"]])
        inside = [folder for folder in folders if value.endswith(f"/{folder}")]
        return f"HUB/{inside[0]}" if inside else value
    return value


def _without(words: Sequence[str], part: Sequence[str]) -> list[str]:
    """Return words without the first run of them that is `part`, word for word."""
    length = len(part)
    for start in range(len(words) - length + 1) if length else ():
        if tuple(words[start : start + length]) == tuple(part):
            return [*words[:start], *words[start + length :]]
    return list(words)


def _split(command: str) -> Form:
    try:
        words = shlex.split(command)
    except ValueError:
        return (command,)
    return tuple(words[2:] if words[:3] == ["python", "-m", "pytest"] else words)
