"""The code that a hub's stages hashed, held to the commits that they name, as git has them.

Source: docs/adr/0010-drift-and-heads.md
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from harness import drift, layout, provenance, publish, records, worktree
from harness.errors import UsageError
from harness.model import Finding
from harness.rules import finding

RULE = "hub.commit"


def check(root: Path, repository: Path) -> Iterator[Finding]:
    """Yield where a record without uncommitted changes has other code than its commit in git.

    root: of the hub.  A record with changes, or made outside git, is held to none.
    """
    read = publish.reader(root)
    for name in layout.RECORDS:
        record = records.document(read, records.path_of(name))
        rests_on = records.document(read, records.digests_path(name))
        if record is None or rests_on is None or record["git"]["dirty"] is not False:
            continue
        commit = record["git"]["commit"]
        known = code_at(repository, commit)
        if known is None:
            words = {"expected": f"commit {commit} in git", "found": "no such commit"}
            yield finding(RULE, where=records.path_of(name), pointer="/git/commit", **words)
        else:
            yield from drift.at_commit(rests_on, known, commit)


def code_at(repository: Path, commit: str) -> Mapping[str, str | None] | None:
    """Return path and sha256 of every code file of a commit; None where git has no such commit.

    The same files as `provenance.code_files` gives of a work tree.
    """
    known = worktree.commit_of(repository, commit)
    return None if known is None else _code(repository, known)


# The stages of a hub are mostly of one commit.
@lru_cache(maxsize=8)
def _code(repository: Path, commit: str) -> Mapping[str, str | None]:
    # Checked out, so that links, and what git converts, are as in the tree of the stage.
    with tempfile.TemporaryDirectory(prefix="commit-") as folder:
        tree = Path(folder) / "tree"
        tree.mkdir()
        if not worktree.check_out(repository, commit, tree, Path(folder) / "index"):
            raise UsageError(f"git gives no tree of commit {commit}; fetch it whole")
        return provenance.code_files(tree)
