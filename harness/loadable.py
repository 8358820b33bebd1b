"""Whether a changed file can still be loaded as it was: what only breaks that proves no test. Pure.

Source: docs/adr/0008-red-proof.md
"""

from __future__ import annotations

import ast
import json


def lost(file: str, before: str, after: str) -> str | None:
    """Return why a changed file is loaded no more, None where it is.

    Code must parse and import nothing that it did not; JSON must parse.  Of a file that was
    neither before, nothing is asked.
    """
    if file.endswith(".py"):
        return _lost_code(_imported(before), _imported(after))
    if file.endswith(".json") and _is_json(before) and not _is_json(after):
        return "it is no JSON"
    return None


def _lost_code(before: set[str] | None, after: set[str] | None) -> str | None:
    if before is None:
        return None
    if after is None:
        return "it is no Python"
    more = sorted(after - before)
    return f"it imports {', '.join(more)}" if more else None


def _imported(source: str) -> set[str] | None:
    """Return what code imports, anywhere in it; None where it is none."""
    try:
        nodes = [*ast.walk(ast.parse(source))]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            start = "." * node.level + (f"{node.module}." if node.module else "")
            found |= {start + name.name for name in node.names}
    return found


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
