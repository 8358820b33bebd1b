"""Which files of the tree decide what a stage does. Pure.

Source: docs/adr/0010-drift-and-heads.md
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from harness import guide

# Every file below these counts.
FOLDERS = ("harness", "recipes", "schemas", "tests", "requirements")
FILES = ("Makefile", guide.GUIDE)
# Beside them, what Python imports from the folder that it starts in, and what pytest reads there.
IMPORTED = (".py", ".pyc", ".so", ".pyd")
CONFIGURES = ("conftest.py", ".ini", ".cfg", ".toml")
READ_AT_THE_ROOT = (*IMPORTED, *CONFIGURES, ".pth")
NO_CODE = ("build", "dist", "docs", "plans", "tmp")
CACHE = "__pycache__"
BYTECODE = ".pyc"


def may_hold(folder: str) -> bool:
    """Return whether a folder at the root of the tree may hold code."""
    return not folder.startswith(".") and folder not in NO_CODE


def is_code(path: str) -> bool:
    """Return whether a path, relative to the root of the tree, is one of its code files."""
    first, slash, _ = path.partition("/")
    if not slash:
        return path in FILES or path.endswith(READ_AT_THE_ROOT)
    if path in FILES:
        return True
    if not may_hold(first) or _is_compiled(path):
        return False
    return first in FOLDERS or path.endswith(IMPORTED)


def _is_compiled(path: str) -> bool:
    """Return whether Python compiled it, or is about to; anything else beside it can be code."""
    name = PurePosixPath(path)
    return name.parent.name == CACHE and BYTECODE in name.name


def folders(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the folders, each with a slash, that hold these code files; not the root itself.

    At the root, in docs/ beside the guide, and among bytecode come and go files that are no code.
    """
    above = (PurePosixPath(path).parents for path in paths if may_hold(path.partition("/")[0]))
    names = {folder.as_posix() for each in above for folder in each if CACHE not in folder.parts}
    return tuple(sorted(f"{name}/" for name in names - {"."}))


def parts(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the folders and files at the root that hold these code files, the guide's aside."""
    return tuple(sorted({path.partition("/")[0] for path in paths if path != guide.GUIDE}))
