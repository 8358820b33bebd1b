"""Scratch copies of the tree in which a declared fault is made; the working tree is only read.

Run pytest with the copy's root as current folder and with the environment that comes with it:
then `import harness` finds the copy, in the tests and in every process that they start, though
the package is installed elsewhere.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness import codefiles, faults, worktree
from harness.errors import InputInvalid
from harness.faults import Fault
from harness.model import Finding
from harness.rules import finding

STUDIES = "plans/active/*/study.toml"
TESTS = "tests"
_REPORTER = "harness/pytest_report.py"
# CPython 3.11 gives up ("recursion depth mismatch") where two threads parse at once.
_PARSING = threading.Lock()
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*_cache", ".hypothesis")


def parts(code: Iterable[str]) -> tuple[str, ...]:
    """Return what of a tree is copied: all that holds its code files, and the study files."""
    return (*codefiles.parts(code), STUDIES)


@dataclass(frozen=True)
class ScratchTree:
    """A copy of the tree.

    environment: variables to add for processes that shall import the copy.
    finding: why the fault could not be made; the copy is then as the tree stands.
    """

    root: Path
    environment: Mapping[str, str]
    finding: Finding | None = None


@contextmanager
def faulted_tree(
    repository: Path,
    files: Sequence[str],
    fault: Fault | None,
    *,
    parent: Path,
    environ: Mapping[str, str] | None = None,
) -> Iterator[ScratchTree]:
    """Copy parts of a tree into a new folder under `parent`, make the fault, and clean up.

    files: folders, files and glob patterns, relative to the repository; links are followed and
    caches left out.  environ: what the processes will inherit (default: this process's).
    Raises InputInvalid for a part that the tree lacks, ValueError for one outside of it.
    """
    inherited = (os.environ if environ is None else environ).get("PYTHONPATH")
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=parent.resolve()) as folder:
        root = Path(folder)
        for pattern in files:
            _copy(repository, pattern, root)
        found = _make(fault, root) if fault else None
        path = os.pathsep.join([folder, inherited] if inherited else [folder])
        yield ScratchTree(root, {"PYTHONPATH": path}, found)


@contextmanager
def base_tree(
    repository: Path,
    commit: str,
    *,
    parent: Path,
    environ: Mapping[str, str] | None = None,
) -> Iterator[ScratchTree]:
    """Lay today's tests, what configures and what reports them, over the tree of a commit.

    What configured tests then is gone.
    Raises InputInvalid where git gives no such tree.
    """
    with faulted_tree(repository, (), None, parent=parent, environ=environ) as tree:
        with tempfile.TemporaryDirectory(prefix="index-", dir=parent.resolve()) as folder:
            index = Path(folder) / "index"
            if not worktree.check_out(repository, commit, tree.root, index):
                raise InputInvalid(
                    f"git gives no tree of commit {commit}; fetch it, or name another"
                )
        shutil.rmtree(tree.root / TESTS, ignore_errors=True)
        for path in tree.root.iterdir():
            if path.name.endswith(codefiles.CONFIGURES) and not path.is_dir():
                path.unlink()
        configured = [path.name for path in repository.iterdir() if _configures(path)]
        for pattern in (TESTS, _REPORTER, *configured):
            _copy(repository, pattern, tree.root)
        yield tree


def _configures(path: Path) -> bool:
    return path.is_file() and path.name.endswith(codefiles.READ_AT_THE_ROOT)


def _copy(repository: Path, pattern: str, root: Path) -> None:
    if PurePosixPath(pattern).is_absolute() or ".." in PurePosixPath(pattern).parts:
        raise ValueError(f"{pattern!r} is not a path inside the tree")
    sources = sorted(repository.glob(pattern))
    if not sources:
        raise InputInvalid(f"the tree lacks {pattern}; run from a whole checkout")
    for source in sources:
        target = root / source.relative_to(repository)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=_LEFT_OUT, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)


def _make(fault: Fault, root: Path) -> Finding | None:
    target = root / fault.file
    if not target.is_file() or not target.resolve().is_relative_to(root):
        return finding(
            "fault.applies",
            where=fault.file,
            pointer=fault.id,
            expected="a file of the copied tree",
            found="no such file",
        )
    with _PARSING:
        faulted = faults.apply(fault, target.read_bytes().decode("utf-8"))
    if isinstance(faulted, Finding):
        return faulted
    # Written anew, so that neither a read-only file nor a second name for it is in the way.
    target.unlink()
    target.write_bytes(faulted.encode("utf-8"))
    return None
