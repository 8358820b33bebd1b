"""Two JSON documents, compared leaf by leaf."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

# Relative, of numbers that are computed again.
TOLERANCE = 1e-6
# What rounding leaves of a number that is none.
SMALLEST = 1e-12


def of(tree: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """Yield JSON pointer and value of every leaf; an empty list or object is one."""
    if isinstance(tree, Mapping) and tree:
        parts: Any = tree.items()
    elif isinstance(tree, list) and tree:
        parts = enumerate(tree)
    else:
        yield pointer, tree
        return
    for key, value in parts:
        yield from of(value, f"{pointer}/{key}")


def same(one: Any, other: Any) -> bool:
    """Tell whether a value is the one computed again: floats within `TOLERANCE`, all else equal."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=SMALLEST)
    return one == other
