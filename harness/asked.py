"""What the words of a run's command ask for, held against what was run.

Source: docs/adr/0014-claims-are-recomputed.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from harness import canonical, layout, records
from harness.design import StudyDesign
from harness.matrix import FILTER_NAMES
from harness.model import HALVES, Finding
from harness.recipe import OVERRIDABLE
from harness.records import Read
from harness.rules import finding

RULE = "hub.asked"
MODULE = "harness.reconstruction"
ALLOW_MISSING = "--allow-missing-phase-d"
FLAGS = (ALLOW_MISSING, "--fail-fast")
OTHERS = ("study", "parallel", "recipe", "probe", "seed", "device", "halves")
VALUES = tuple(f"--{name.replace('_', '-')}" for name in (*FILTER_NAMES, *OVERRIDABLE, *OTHERS))
MAX_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Asked:
    """Options of a run: the filters, other values by name (the last one counts), flags."""

    filters: Mapping[str, list[str]]
    values: Mapping[str, str]
    flags: frozenset[str]


def parse(words: Sequence[str]) -> Asked | None:
    """Return what a run's options ask for; None where a word is not among its options.

    Options stand in full, `--name value` or `--name=value`, as the stages write them.
    """
    filters: dict[str, list[str]] = {name: [] for name in FILTER_NAMES}
    values, flags, rest = {}, set(), list(words)
    while rest:
        option, equals, value = rest.pop(0).partition("=")
        if option in FLAGS and not equals:
            flags.add(option)
            continue
        if option not in VALUES or not (equals or rest):
            return None
        value = value if equals else rest.pop(0)
        if not equals and value.startswith("-"):
            return None
        name = option.removeprefix("--").replace("-", "_")
        if name in filters:
            filters[name].append(value)
        else:
            values[name] = value
    return Asked(filters, values, frozenset(flags))


def check(
    record: Mapping[str, Any],
    document: Mapping[str, Any],
    design: StudyDesign,
    read: Read,
    *,
    where: str,
) -> Iterator[Finding]:
    """Yield where a manifest is not the one that the options of its stage give for its study.

    record: of a dry run or real run.  document: its manifest, or that of its plan, which is where.
    """
    place, options = records.stage_path(record["stage"]), record["settings"]["options"]
    asked = parse(options)
    if asked is None:
        yield _found(place, "/settings/options", f"options of {MODULE}", options)
        return
    study = asked.values.get("study", layout.DEFAULT_STUDY)
    if study != record["settings"]["study"]:
        yield _found(place, "/settings/study", study, record["settings"]["study"])
    settings = {**document["settings"], "filters": document["filters"]}
    for names, expected in _wanted(asked, design, record, read).items():
        stated: Any = settings
        for name in names:
            stated = stated.get(name)
        if stated != expected:
            pointer = "/".join(("" if names == ("filters",) else "/settings", *names))
            yield _found(where, pointer, expected, stated)


def _wanted(
    asked: Asked, design: StudyDesign, record: Mapping[str, Any], read: Read
) -> dict[tuple[str, ...], Any]:
    """Return what filters and settings must be, each by its place."""
    values = {name: _number(value) for name, value in asked.values.items()}
    given = {name: value for name, value in values.items() if name in OVERRIDABLE}
    wanted = {
        ("filters",): dict(asked.filters),
        ("seed",): values.get("seed", design.seeds["reconstruction"]),
        ("device",): values.get("device", "auto"),
        ("halves",): values.get("halves", HALVES[0]),
        ("recipe", "probe"): values.get("probe", design.probe),
        **{("recipe", name): value for name, value in given.items()},
    }
    named = asked.values.get("recipe", design.recipe)
    if "/" not in named and "." not in named:
        rests_on = records.document(read, records.digests_path(record["stage"])) or {}
        code = rests_on.get("before", {}).get("code", {})
        wanted["recipe", "name"] = named
        wanted["recipe", "overridden"] = sorted(given)
        wanted["recipe", "source_sha256"] = code.get(f"recipes/{named}.toml")
    return wanted


def _number(text: str) -> int | str:
    is_whole = text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS
    return int(text) if is_whole else text


def check_commands(record: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield each command of a run that is not the study's own, word for word.

    Its jobs must have run under the same interpreter.
    """
    folders = {"plan": layout.PLAN, "reconstruction": layout.STAGE_DIRECTORIES[record["stage"]]}
    place, heads = records.stage_path(record["stage"]), {_name(job) for job in document["jobs"]}
    for index, command in enumerate(record["commands"]):
        folder = folders.get(command["name"])
        if folder is None:
            continue
        words = command["argv"][1:]
        expected = _command_words(record, document, folder, words)
        if words != expected:
            yield _found(place, f"/commands/{index}/argv", " ".join(expected), " ".join(words))
        if others := sorted(heads - {_name(command)}):
            yield _found(place, f"/commands/{index}/argv/0", _name(command), ", ".join(others))


def _name(run: Mapping[str, Any]) -> str:
    """Return the file name of an interpreter: how its place is told depends on who tells it."""
    return PurePosixPath(run["argv"][0]).name


def _command_words(
    record: Mapping[str, Any], document: Mapping[str, Any], folder: str, words: Sequence[str]
) -> list[str]:
    """Return what must follow the interpreter; the hub's place is taken from what does."""
    root = next((word for word in words if word.endswith(f"/{folder}")), f".../{folder}")
    dry = folder == layout.PLAN or record["stage"] == "dry-run"
    return [
        *("-u", "-m", MODULE),
        *("--phase-c-root", document["input_roots"]["phase_c"]),
        *("--phase-d-root", document["input_roots"]["phase_d"]),
        *("--artifact-root", root, *record["settings"]["options"]),
        *(["--dry-run"] if dry else []),
    ]


def _found(where: str, pointer: str, expected: Any, found: Any) -> Finding:
    said = [each if isinstance(each, str) else canonical.short(each) for each in (expected, found)]
    return finding(RULE, where=where, pointer=pointer, expected=said[0], found=said[1])
