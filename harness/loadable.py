"""Whether a changed file can still be loaded as it was: what only breaks that proves no test. Pure.

So is a name that there is not: the code raises, a command turns that into an exit code, and a test
that asserts on the code fails by assertion.  What else raises (an attribute that there is not, an
argument too many, a name that is bound later) is not seen here.
Source: docs/adr/0008-red-proof.md
"""

from __future__ import annotations

import ast
import builtins
import json
import symtable
from collections.abc import Iterator

# What a module, or a method in it, has besides its own names and the built-in ones.
OF_A_MODULE = {"__class__", "__annotations__", "__builtins__", "__cached__", "__file__", "__path__"}


def lost(file: str, before: str, after: str) -> str | None:
    """Return why a changed file is loaded no more, or would raise, None where it is as before.

    Code must parse, import nothing that it did not, and ask for no name that is defined nowhere;
    JSON must parse.  Of a file that was neither before, nothing is asked.
    """
    if file.endswith(".py"):
        return _lost_code(before, after)
    if file.endswith(".json") and _is_json(before) and not _is_json(after):
        return "it is no JSON"
    return None


def _lost_code(before: str, after: str) -> str | None:
    one, other = _imported(before), _imported(after)
    known, unknown = _undefined(before), _undefined(after)
    if one is None or known is None:
        return None
    if other is None or unknown is None:
        return "it is no Python"
    if more := sorted(other - one):
        return f"it imports {', '.join(more)}"
    if more := sorted(unknown - known):
        return f"it names {', '.join(more)}, which is defined nowhere in it"
    return None


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


def _undefined(source: str) -> set[str] | None:
    """Return the global names that code asks for and nothing in it binds; None where it is none.

    Where all of a module is imported, any name may be that module's: none is undefined.
    """
    try:
        scopes = [*_scopes(symtable.symtable(source, "", "exec"))]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if any(name.endswith(".*") for name in _imported(source) or ()):
        return set()
    asked, bound = set(), {*dir(builtins), *OF_A_MODULE}
    for scope in scopes:
        for symbol in scope.get_symbols():
            if scope.get_type() == "module" or symbol.is_global():
                names = bound if symbol.is_assigned() or symbol.is_imported() else asked
                names.add(symbol.get_name())
    return asked - bound


def _scopes(scope: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield scope
    for child in scope.get_children():
        yield from _scopes(child)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
