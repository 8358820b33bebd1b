"""Every attack on a hub by every attacker, and the table of what was found.

    python -m tests.attack.table [--hub HUB] [--all] [--one-in N] [--write docs/threat-model.md]

HUB: by default the committed example.  Ends with 1 where anything got past an auditor who kept
the seal, or was not named to her.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness import files, layout, records, tables, worktree
from harness import hub as disk
from harness.resources import REPOSITORY
from tests.attack import attacks, hubs, other_tables
from tests.attack.attacks import Case
from tests.attack.hubs import Hub
from tests.attack.rows import Outcome, Row, rules

BLOCK = "attacks"
HEAD = re.compile(r"^Head of the hub: .*$", re.MULTILINE)


def outcome(sound: Hub, case: Case, attacker: str) -> Outcome | None:
    """Return what is found of an attack; None where it changed nothing in the end."""
    struck = hubs.strike(sound, case.attack, attacker)
    if (struck.files, struck.links) == (sound.files, sound.links):
        return None
    alone = hubs.findings(struck)
    both = (*alone, *hubs.against(struck, sound.files[layout.SEAL]))
    named = {item.where for item in both}
    return Outcome(
        case.kind,
        attacker,
        case.touched,
        tuple(sorted({item.rule for item in alone})),
        bool(both),
        bool(named & set(case.touched)),
    )


def cases(sound: Hub, *, alike_once: bool, one_in: int = 1) -> list[Case]:
    """Return every attack on a hub; of those on single files and values one in so many."""
    single = [
        *attacks.on_files(sound),
        *attacks.on_values(sound, alike_once=alike_once),
        *attacks.on_readers(sound),
    ]
    return [*single[::one_in], *attacks.forgeries(sound)]


def rows(outcomes: Iterable[Outcome | None]) -> dict[tuple[str, str], Row]:
    """Return what became of each kind of attack by each attacker, in the order of their coming."""
    found: dict[tuple[str, str], Row] = {}
    for each in outcomes:
        if each is not None:
            found.setdefault((each.kind, each.attacker), Row()).add(each)
    return found


def as_table(found: dict[tuple[str, str], Row], where: str) -> tables.Table:
    """Return the rows as a document's table."""
    lines = []
    for (kind, attacker), row in found.items():
        lines.append(
            tables.row(
                f"{kind}; {attacker}",
                str(row.tried),
                str(row.by_itself),
                str(row.found),
                str(row.named),
                rules(row) or "none: the head alone tells",
            )
        )
    return tables.Table(where, BLOCK, tuple(lines))


# Set once, before the processes are forked: a hub and its cases are large.
_work: tuple[Hub, list[Case]] | None = None


def _do(number: int) -> Outcome | None:
    sound, listed = _work
    index, who = divmod(number, len(hubs.ATTACKERS))
    return outcome(sound, listed[index], hubs.ATTACKERS[who])


def run(sound: Hub, listed: Sequence[Case], processes: int) -> list[Outcome | None]:
    """Return the outcome of every case by every attacker."""
    global _work  # noqa: PLW0603
    _work = (sound, list(listed))
    numbers = range(len(listed) * len(hubs.ATTACKERS))
    with hubs.each_thing_judged_once():
        hubs.findings(sound)
        if processes == 1:
            return [_do(number) for number in numbers]
        with multiprocessing.get_context("fork").Pool(processes) as pool:
            return pool.map(_do, numbers, chunksize=64)


def example() -> Path:
    """Return the newest hub that git knows."""
    listed = worktree.ask(REPOSITORY, "ls-files", "plans/active") or b""
    return max(
        REPOSITORY / name.rpartition("/")[0]
        for name in listed.decode().splitlines()
        if name.endswith(f"/{records.MARKER}")
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.attack.table", description=__doc__)
    parser.add_argument("--hub", type=Path, default=example())
    parser.add_argument("--all", action="store_true", help="change alike values each, not one")
    parser.add_argument("--one-in", type=int, default=1, help="of single files and values")
    parser.add_argument("--write", type=Path, metavar="FILE", help="the document with the table")
    options = parser.parse_args()
    sound = hubs.load(options.hub)
    if found := hubs.findings(sound):
        print(f"{options.hub} does not hold before any attack: {found[0]}", file=sys.stderr)
        return 4
    listed = cases(sound, alike_once=not options.all, one_in=options.one_in)
    outcomes = run(sound, listed, os.cpu_count() or 1)
    table = as_table(rows(outcomes), str(options.write))
    signed, signatures_told = other_tables.of_signatures(sound, str(options.write))
    children, children_told = other_tables.of_children(str(options.write))
    for each in (table, signed, children):
        print("\n".join(each.rows))
    if options.write:
        text = options.write.read_text(encoding="utf-8")
        for each in (table, signed, children):
            text = tables.write(text, each)
        text = HEAD.sub(f"Head of the hub: sha256 `{disk.head(options.hub)}`.", text)
        files.replace(options.write, text.encode())
    past = [each for each in outcomes if each and not (each.found and each.named)]
    for each in past:
        print(f"got past: {each.kind}; {each.attacker}: {', '.join(each.touched)}")
    return 0 if signatures_told and children_told and not past else 1


if __name__ == "__main__":
    sys.exit(main())
