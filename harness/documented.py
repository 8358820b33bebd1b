"""What the documents say of the tree against what the tree has, and the documents put right.

The record holds the documents as they stood and the facts that they must agree with; what
differs, and the change that would mend it, follow from it and from what pytest collected.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from harness import collection, greenproof, guide, records, surface, tables, testindex
from harness.collection import Collection
from harness.model import Finding
from harness.records import Read
from harness.rules import RULES, finding
from harness.surface import CommandLine, Option, Surface
from harness.tables import Table
from harness.testindex import Row

FORMAT = "harness.documented/1"
PATH = "collect/documented.json"
INDEX = "docs/development/TEST_SUITE_INDEX.md"
GUIDE = guide.GUIDE
HUB_FORMAT = "docs/hub-format.md"
DECISIONS = "docs/adr/README.md"
DOCUMENTS = (INDEX, GUIDE, HUB_FORMAT, DECISIONS)
# The rules that the hub format tells word by word.
RULES_OF_HUBS = ("hub", "recompute", "seal", "stage")

_SPAN = re.compile(r"`((?:[^`\s]*/)?(?:make|nox|python|pytest) [^`\n]+)`")
_FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
# Rows that are compared as they stand need no second finding.
_OWNED = re.compile(r"<!-- (targets|sessions|commands|options):begin -->.*?<!-- \1:end -->", re.S)
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_TITLE = re.compile(r"# \d+\.? (.+)")

Texts = Mapping[str, str]
Facts = Mapping[str, Any]


def facts(
    offered: Surface,
    *,
    module: str,
    test_files: Texts,
    decisions: Texts,
    required_commands: Iterable[str],
) -> dict[str, Any]:
    """Return what the documents must agree with, as JSON-ready data.

    module: the mapped tests'.  test_files, decisions: path (decisions: file name) to text.
    required_commands: commands that the guide must show in a block for a shell.
    """
    told: dict[str, str] = {}
    for path, source in test_files.items():
        said = surface.docstrings(path, source)
        told |= said if path == module else {each: said[each] for each in said if each == path}
    return {
        "test_files": sorted(test_files),
        "told": told,
        "offered": _plain(asdict(offered)),
        "rules": [[rule, RULES[rule].guards, RULES[rule].remedy] for rule in _rules_of_hubs()],
        "decisions": [[name, title(text)] for name, text in sorted(decisions.items())],
        "required_commands": list(required_commands),
    }


def record(documents: Texts, known: Facts) -> dict[str, Any]:
    """Return the record of the documents and facts; the guide lies beside it as a file."""
    texts = {path: text for path, text in documents.items() if path != GUIDE}
    return {"format": FORMAT, "documents": texts, "facts": dict(known)}


def title(decision: str) -> str:
    """Return the title of a decision, without its number."""
    head = decision.partition("\n")[0]
    match = _TITLE.fullmatch(head)
    return match[1] if match else head


def owned(documents: Texts, known: Facts, collected: Collection) -> tuple[Table, ...]:
    """Return each table that a program writes, as it ought to be."""
    offered = _offered(known)
    index = testindex.parse_index(documents[INDEX], where=INDEX)
    tests, files = (
        testindex.required_rows(subjects, rows, known["told"])
        for subjects, rows in (
            (collected.collected, index.tests),
            (known["test_files"], index.files),
        )
    )
    by_row = (
        (INDEX, "tests", tests),
        (INDEX, "files", files),
        (GUIDE, "targets", offered.targets),
        (GUIDE, "sessions", offered.sessions),
        (GUIDE, "commands", surface.command_rows(offered.command_lines)),
        (GUIDE, "options", surface.option_rows(offered.command_lines)),
    )
    rules = (tables.row(f"`{rule}`", *cells) for rule, *cells in known["rules"])
    decisions = (
        tables.row(f"[{int(name[:4])}]({name})", words) for name, words in known["decisions"]
    )
    return (
        *(
            Table(where, block, tuple(r.as_markdown() for r in rows))
            for where, block, rows in by_row
        ),
        Table(HUB_FORMAT, "rules", tuple(rules)),
        Table(DECISIONS, "decisions", tuple(decisions)),
    )


def differences(documents: Texts, known: Facts, collected: Collection) -> tuple[Finding, ...]:
    """Return every difference between the documents and what they tell of."""
    index = testindex.parse_index(documents[INDEX], where=INDEX)
    listed = testindex.parse_guide(documents[GUIDE], where=GUIDE)
    commands = known["required_commands"]
    found = (
        *index.findings,
        *listed.findings,
        *(
            item
            for table in owned(documents, known, collected)
            for item in tables.compare(table, documents[table.where])
        ),
        *testindex.untold((*index.tests, *index.files), where=INDEX),
        *_unexplained(_offered(known)),
        *testindex.check_selectors(collected.collected, listed.selectors, where=GUIDE),
        *testindex.missing_commands(commands, listed.commands, where=GUIDE),
        *_unknown_commands(documents[GUIDE], listed.commands, known, collected),
    )
    return tuple(dict.fromkeys(found))


def obstacles(documents: Texts, known: Facts, collected: Collection) -> tuple[Finding, ...]:
    """Return what a person must mend before a program may write: lost markers, lines no rows."""
    found = differences(documents, known, collected)
    return tuple(item for item in found if item.rule in ("collect.markers", "collect.row"))


def mended(documents: Texts, known: Facts, collected: Collection) -> dict[str, str]:
    """Return the documents with every owned table as it ought to be; all else is kept.

    Raises ValueError where a table is not there (see `obstacles`).
    """
    texts = dict(documents)
    for table in owned(documents, known, collected):
        texts[table.where] = tables.write(texts[table.where], table)
    return texts


def unified(documents: Texts, texts: Texts) -> str:
    """Return the change from one state of the documents to another, as `git apply` reads it."""
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for path in documents
        for line in difflib.unified_diff(
            _LINE.findall(documents[path]),
            _LINE.findall(texts[path]),
            f"a/{path}",
            f"b/{path}",
        )
    )


def judge_collection(collected: Collection, *, where: str) -> tuple[Finding, ...]:
    """Return why a collection of the mapped module does not tell which tests it has.

    Nobody asked it to select: a test that was left out is there, and its row no row to remove.
    """
    left_out = tuple(
        finding(
            "collect.deselected",
            where=where,
            pointer=node_id,
            expected="every test of the module",
            found="left out",
        )
        for node_id in collected.deselected
    )
    return greenproof.judge_collection(collected, where=where) + left_out


def judge(stage: Mapping[str, Any], read: Read) -> Iterator[Finding]:
    """Yield why a collect stage does not pass.  stage: its record."""
    collected, where = _collected(stage, read)
    yield from judge_collection(collected, where=where)
    known = records.document(read, PATH)
    if known is None:
        yield finding(
            "stage.report", where=PATH, expected="what is documented", found="no such file"
        )
        return
    yield from differences(_documents(known, read), known["facts"], collected)


def diff(read: Read) -> bytes | None:
    """Return docs/documents.diff of a hub: what `docs-sync` would have changed as it stood.

    None where that is nothing, where nothing was collected, or a person must mend a document first.
    """
    stage = records.document(read, records.stage_path("collect"))
    known = records.document(read, PATH)
    if stage is None or known is None:
        return None
    collected, where = _collected(stage, read)
    if judge_collection(collected, where=where):
        return None
    documents = _documents(known, read)
    if obstacles(documents, known["facts"], collected):
        return None
    return unified(documents, mended(documents, known["facts"], collected)).encode() or None


def _collected(stage: Mapping[str, Any], read: Read) -> tuple[Collection, str]:
    paths = [command["reports"].get("collection", "") for command in stage["commands"]]
    where = next(filter(None, paths), "")
    return collection.read(read(where) or b"", where=where or "collect"), where or "collect"


def _documents(known: Mapping[str, Any], read: Read) -> dict[str, str]:
    kept = read(guide.place("collect")) or b""
    texts = {**known["documents"], GUIDE: kept.decode(errors="replace")}
    return {path: texts.get(path, "") for path in DOCUMENTS}


def _unexplained(offered: Surface) -> Iterator[Finding]:
    """Yield the targets, sessions and commands of which the tree does not say what they do."""
    commands = surface.command_rows(offered.command_lines)
    for row in (*offered.targets, *offered.sessions, *commands):
        if not row.purpose:
            yield finding(
                "collect.purpose",
                where=GUIDE,
                pointer=row.subject,
                expected=f"what {row.subject} does, in a few words",
                found="none where it is declared",
            )


def _unknown_commands(
    text: str, commands: Iterable[str], known: Facts, collected: Collection
) -> Iterator[Finding]:
    """Yield the commands of blocks for a shell and of the text that the tree does not take."""
    offered = _offered(known)
    own = {row.subject for row in surface.command_rows(offered.command_lines)}
    text = _OWNED.sub("", _FENCED.sub("", text))
    for command in dict.fromkeys([*commands, *_SPAN.findall(text)]):
        gone = testindex.gone(command, collected.collected, known["test_files"])
        unknown = "" if command in own else surface.check(command, offered)
        if unknown or gone:
            yield finding(
                "collect.unknown",
                where=GUIDE,
                pointer=command,
                expected="targets, sessions, commands, options and tests that exist",
                found=", ".join(filter(None, (unknown, *gone))),
            )


def _rules_of_hubs() -> list[str]:
    return [rule for rule in sorted(RULES) if rule.partition(".")[0] in RULES_OF_HUBS]


def _offered(known: Facts) -> Surface:
    offered = known["offered"]
    lines = (
        CommandLine(**{**line, "options": tuple(Option(**each) for each in line["options"])})
        for line in offered["command_lines"]
    )
    return Surface(
        targets=tuple(Row(**row) for row in offered["targets"]),
        variables=tuple(offered["variables"]),
        sessions=tuple(Row(**row) for row in offered["sessions"]),
        command_lines=tuple(lines),
    )


def _plain(value: Any) -> Any:
    """Return data with lists for tuples, as it will be read again."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
