"""The work tree as git knows it: commit, uncommitted changes, notes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness import files, provenance
from harness.errors import UsageError
from harness.resources import REPOSITORY

# Neither a user's configuration nor a helper program decides what a record says.
DIFF = ("diff", "--no-ext-diff", "--no-textconv", "--no-color", "--full-index", "HEAD")


def state(repository: Path = REPOSITORY) -> dict[str, Any]:
    """Return commit and dirtiness of a work tree; both None outside git."""
    changes = ask(repository, "status", "--porcelain")
    commit = ask(repository, "rev-parse", "--verify", "HEAD")
    return {
        "commit": commit.decode().strip() if commit else None,
        "dirty": None if changes is None else bool(changes.strip()),
    }


def uncommitted(repository: Path = REPOSITORY) -> bytes:
    """Return what a work tree has beyond its commit, paths of this machine shortened.

    A line `# untracked: <sha256>  <path>` for each file that git does not know, then the diff of
    those that it knows, as `git apply` reads it; binary files by the ids of their contents.
    """
    listed = ask(repository, "ls-files", "--others", "--exclude-standard", "-z") or b""
    names = [name.decode(errors="surrogateescape") for name in listed.split(b"\0") if name]
    lines = [f"# untracked: {_digest(repository / name)}  {name}\n" for name in sorted(names)]
    text = "".join(lines).encode(errors="surrogateescape")
    return provenance.redact(text + (ask(repository, *DIFF) or b""))


def commit_of(repository: Path, ref: str) -> str | None:
    """Return the id of the commit that a ref names; None where it names none."""
    words = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    said = ask(repository, *words) if ref else None
    return said.decode().strip() if said else None


def check_out(repository: Path, commit: str, folder: Path, index: Path) -> bool:
    """Write the whole tree of a commit into a folder; False where git gives no such tree.

    index: a file for git's work, so that the repository's own is left alone.  An archive would
    leave out what .gitattributes exports not.
    """
    mine = {"GIT_INDEX_FILE": str(index)}
    words = ("checkout-index", "--all", f"--prefix={folder}/")
    done = [_git(repository, given, mine) for given in (("read-tree", commit), words)]
    return all(each is not None and each.returncode == 0 for each in done)


def notes(repository: Path, ref: str) -> list[str]:
    """Return the texts of all notes under refs/notes/<ref>; none where there is no such ref."""
    listed = ask(repository, "notes", f"--ref={ref}", "list") or b""
    blobs = [line.split()[0].decode() for line in listed.splitlines()]
    texts = [ask(repository, "cat-file", "blob", blob) or b"" for blob in blobs]
    return [text.decode(errors="replace") for text in texts]


def add_note(repository: Path, ref: str, line: str) -> None:
    """Add a line to the note on the commit that is checked out; UsageError in git's words."""
    words = ["notes", f"--ref={ref}", "append", "-m", line, "HEAD"]
    done = _git(repository, words)
    if done is None or done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip() if done else "there is no git"
        raise UsageError(f"git took no note: {said}")


def ask(repository: Path, *words: str) -> bytes | None:
    """Return what git says; None where it fails or there is none."""
    done = _git(repository, words)
    return done.stdout if done is not None and done.returncode == 0 else None


def _git(
    repository: Path,
    words: Sequence[str],
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes] | None:
    try:
        return subprocess.run(
            ["git", "-C", str(repository), *words],
            capture_output=True,
            check=False,
            env=None if environment is None else {**os.environ, **environment},
        )
    except FileNotFoundError:
        return None


def _digest(path: Path) -> str:
    return files.sha256_or_none(path) or "no regular file"
