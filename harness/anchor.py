"""A hub's head kept outside of it, in a git note: whoever forges a whole hub does not have it.

A note under refs/notes/hubs has a line `<time>  <sha256>  <hub>` for each time that a hub was
anchored.  Source: docs/adr/0010-drift-and-heads.md
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from harness import canonical, hub, layout, provenance, seal, terminal, worktree
from harness.errors import UsageError
from harness.model import Finding
from harness.rules import finding

REF = "hubs"
JOB_SUMMARY = "GITHUB_STEP_SUMMARY"
LINE = re.compile(r"(\d{4}-\S+)  ([0-9a-f]{64})  (\S.*)")
SHA256 = re.compile(r"[0-9a-f]{64}")


def anchor(root: Path, repository: Path) -> str:
    """Write a sound hub's head into a note on the commit that is checked out; return the line.

    Raises UsageError where git takes no note, with git's own words.
    """
    name = _name(root, _toplevel(repository))
    if not name.isprintable():
        raise UsageError(f"hub {name!r} has a name that no line of a note can hold; rename it")
    line = f"{provenance.iso_now()}  {hub.head(root)}  {name}"
    worktree.add_note(repository, REF, line)
    return line


def tell_ci(shown_as: str, stage: str, head: str) -> None:
    """Append a head to the job summary of CI, where there is one: a hub cannot reach it there.

    A summary that cannot be written is said and ends nothing: the hub is sealed by then.
    """
    summary = os.environ.get(JOB_SUMMARY)
    if not summary:
        return
    try:
        with open(summary, "a", encoding="utf-8") as file:
            file.write(f"- `{shown_as}` after {stage}: head sha256 `{head}`\n")
    except OSError as error:
        terminal.say_aside(f"the job summary took no head: {error.strerror}")


def check_head(root: Path, expected: str) -> tuple[Finding, ...]:
    """Return a finding where a hub's head is not the one that was kept.

    Raises UsageError for what cannot be a head.
    """
    wanted = expected.strip().lower()
    if not SHA256.fullmatch(wanted):
        raise UsageError(f"--head {expected!r} is no sha256; give the 64 digits that were printed")
    return _differs(root, wanted, "as given")


def check_seal(root: Path, kept: Path) -> tuple[Finding, ...]:
    """Return a finding for each file of a hub that is not as a seal kept elsewhere says.

    Raises UsageError where the kept seal cannot be read.
    """
    try:
        data = kept.read_bytes()
    except OSError as error:
        raise UsageError(
            f"--seal {kept} cannot be read: {error.strerror}; give the copy that was kept"
        ) from None
    found = seal.check(hub.entries(root), data)
    return (*found, *_differs(root, canonical.sha256(data), f"as in {kept.name}"))


def check_git(root: Path, repository: Path) -> tuple[Finding, ...]:
    """Return a finding where git's notes do not know a hub, or know another head of it.

    Raises UsageError outside git.
    """
    name = _name(root, _toplevel(repository))
    known = latest(worktree.notes(repository, REF), name)
    if known is None:
        expected = f"a note on {name} under refs/notes/{REF}"
        return (finding("hub.anchor", where=layout.SEAL, expected=expected, found="none"),)
    return _differs(root, known, f"as in refs/notes/{REF}")


def latest(notes: Iterable[str], name: str) -> str | None:
    """Return the head that notes know of a hub, the newest of several; None where they do not.

    A hub that lies elsewhere is known by the last two parts of its path, time and slug.
    """
    lines = [
        match.groups()
        for text in notes
        for match in map(LINE.fullmatch, text.splitlines())
        if match
    ]
    short = _short(name)
    exact = [line for line in lines if line[2] == name]
    alike = exact or [line for line in lines if _short(line[2]) == short]
    return max(alike)[1] if alike else None


def _differs(root: Path, wanted: str, origin: str) -> tuple[Finding, ...]:
    head = hub.head(root)
    if head == wanted:
        return ()
    expected = f"sha256 {wanted}, {origin}"
    found = f"sha256 {head}" if head else "no seal"
    return (finding("hub.head", where=layout.SEAL, expected=expected, found=found),)


def _toplevel(repository: Path) -> Path:
    said = worktree.ask(repository, "rev-parse", "--show-toplevel")
    if said is None:
        raise UsageError("not inside a git work tree; run from the checkout that has the notes")
    return Path(said.decode(errors="surrogateescape").rstrip("\n"))


def _name(root: Path, toplevel: Path) -> str:
    place = root.resolve()
    if place.is_relative_to(toplevel.resolve()):
        return place.relative_to(toplevel.resolve()).as_posix()
    return _short(place.as_posix())


def _short(path: str) -> str:
    return "/".join(path.split("/")[-2:])
