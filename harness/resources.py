"""Find what ships with the package: schemas, recipes, and the repository's own study."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from harness import layout

REPOSITORY = Path(__file__).resolve().parents[1]
DEFAULT_STUDY = REPOSITORY / layout.DEFAULT_STUDY

REFERENCE = re.compile(r'"\$ref": "(\w+)\.schema\.json')


@cache
def schema(name: str) -> dict[str, Any]:
    """Return a schema by its short name ("manifest"), the schemas it refers to bundled in.

    From the wheel, else from the folder beside the package.  Bundling: JSON Schema 2020-12, 9.3.
    """
    document = json.loads(schema_text(name))
    bundled = {name}
    while missing := sorted(set(REFERENCE.findall(json.dumps(document))) - bundled):
        for other in missing:
            document.setdefault("$defs", {})[other] = json.loads(schema_text(other))
        bundled.update(missing)
    return document


def recipes() -> dict[str, Path]:
    """Return the recipes that ship with the package, by name: files in the wheel, or beside it."""
    packaged = REPOSITORY / "harness" / "recipes"
    folder = packaged if packaged.is_dir() else REPOSITORY / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


@cache
def schema_text(name: str) -> str:
    """Return the text of a schema file."""
    packaged = resources.files("harness") / "schemas" / f"{name}.schema.json"
    beside = REPOSITORY / "schemas" / f"{name}.schema.json"
    return (packaged if packaged.is_file() else beside).read_text(encoding="utf-8")
