"""The work tree as git knows it: commit, uncommitted changes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from harness import files, provenance
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


def ask(repository: Path, *words: str) -> bytes | None:
    """Return what git says; None where it fails or there is none."""
    try:
        done = subprocess.run(
            ["git", "-C", str(repository), *words], capture_output=True, check=False
        )
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None


def _digest(path: Path) -> str:
    return files.sha256_or_none(path) or "no regular file"
