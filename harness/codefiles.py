"""Which files of the tree decide what a stage does, and which variables say what Python runs. Pure.

Source: docs/adr/0010-drift-and-heads.md
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness import guide, layout

# Every file below these counts.
FOLDERS = ("harness", "recipes", "schemas", "tests", "requirements")
FILES = ("Makefile", guide.GUIDE)
# Beside them, what Python imports from the folder that it starts in, and what pytest reads there.
IMPORTED = (".py", ".pyc", ".so", ".pyd")
READ_AT_THE_ROOT = (*IMPORTED, ".ini", ".cfg", ".toml", ".pth")
NO_CODE = ("build", "dist", "docs", "plans", "tmp")
CACHE = "__pycache__"
# What the harness sets for every child; one thread, so that its bytes repeat (ADR 18).
SET = {
    "AUTHORITATIVE_CMDS_DOC": layout.AUTHORITATIVE_COMMANDS,
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
}
# A user's settings are no part of a stage: those of pytest go, and those of Python but these.
DROPPED = ("PYTEST_", "PYTHON")
KEPT = (
    *("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "PYTHONIOENCODING"),
    *("PYTHONUNBUFFERED", "PYTHONUTF8", "PYTHONWARNINGS"),
)
# Of these, what says where Python looks for code stands in a record.
SHOWN = ("PYTHONPATH",)


def may_hold(folder: str) -> bool:
    """Return whether a folder at the root of the tree may hold code."""
    return not folder.startswith(".") and folder not in NO_CODE


def is_code(path: str) -> bool:
    """Return whether a path, relative to the root of the tree, is one of its code files."""
    first, slash, rest = path.partition("/")
    if not slash:
        return path in FILES or path.endswith(READ_AT_THE_ROOT)
    if path in FILES:
        return True
    if not may_hold(first) or CACHE in rest.split("/"):
        return False
    return first in FOLDERS or path.endswith(IMPORTED)


def parts(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the folders and files at the root that hold these code files, the guide's aside."""
    return tuple(sorted({path.partition("/")[0] for path in paths if path != guide.GUIDE}))


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a child may inherit."""
    return {
        name: value
        for name, value in environ.items()
        if name in KEPT or not name.startswith(DROPPED)
    }
