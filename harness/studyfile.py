"""Read a study file: TOML, checked against its schema, as a `StudyDesign`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import design, provenance, resources, schemas
from harness.errors import InputInvalid, UsageError
from harness.model import Finding
from harness.rules import finding


def load(path: Path = resources.DEFAULT_STUDY) -> design.StudyDesign:
    """Return the design in a study file.

    Raises UsageError where there is no such file, InputInvalid with every finding where it is
    not TOML, breaks its schema, or has two views of one name.
    """
    where = provenance.portable(path)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"study file {where}: {error.strerror}; name one with --study") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputInvalid(f"study file {where} is not TOML: {error}; mend it") from None
    # TOML tells integers from floats, and a float for a dose would name other folders.
    found = schemas.check(
        data, resources.schema("study"), name="study", where=where, floats_are_integers=False
    )
    if found:
        raise InputInvalid(f"study file {where} breaks its schema", found)
    if found := _views_of_one_name(data, where):
        raise InputInvalid(f"study file {where} contradicts itself", found)
    return design.from_mapping(data)


def _views_of_one_name(data: Mapping[str, Any], where: str) -> tuple[Finding, ...]:
    names = [view["name"] for view in data["views"]]
    return tuple(
        finding(
            "study.view-name",
            where=where,
            pointer=f"/views/{number}/name",
            expected="a name that no view before it has",
            found=f"{name!r}, as in /views/{names.index(name)}",
        )
        for number, name in enumerate(names)
        if names.index(name) < number
    )
