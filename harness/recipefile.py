"""Read a recipe: TOML by name or path, or the recipe.json of a job; checked against its schema."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from harness import canonical, provenance, recipe, resources, schemas
from harness.errors import InputInvalid, UsageError


def load(named: str | Path) -> dict[str, Any]:
    """Return a recipe, with the digest of its file as `source_sha256`.

    named: one that ships with the harness, as "default", or a path (with a "." or a "/").
    Raises UsageError where there is none, InputInvalid with every finding where it is not TOML
    (JSON, by its suffix), breaks its schema, or sets what has no effect.
    """
    path = _path(str(named))
    where = provenance.portable(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"recipe {where}: {error.strerror}; name one with --recipe") from None
    document = _parse(data, where, is_json=path.suffix == ".json")
    found = schemas.check(
        document, resources.schema("recipe"), name="recipe", where=where, floats_are_integers=False
    )
    if found:
        raise InputInvalid(f"recipe {where} breaks its schema", found)
    unused = recipe.without_effect(document)
    if unused:
        raise InputInvalid(
            f"recipe {where} has options of no effect where there is one OPR mode: "
            f"{', '.join(unused)}; leave them out, or set opr_modes to 2 or more"
        )
    return {"source_sha256": canonical.sha256(data), **document}


def _path(named: str) -> Path:
    if "/" in named or "." in named:
        return Path(named)
    known = resources.recipes()
    if named not in known:
        raise UsageError(f"recipe {named!r} is unknown; known: {', '.join(known)}; or name a file")
    return known[named]


def _parse(data: bytes, where: str, *, is_json: bool) -> Any:
    kind = "JSON" if is_json else "TOML"
    try:
        return canonical.parse(data) if is_json else tomllib.loads(data.decode())
    except ValueError as error:
        raise InputInvalid(f"recipe {where} is not {kind}: {error}; mend it") from None
