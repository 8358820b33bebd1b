"""Validate a document against a JSON Schema (draft 2020-12); violations come back as findings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.canonical import short
from harness.model import Finding
from harness.rules import finding


def check(
    document: Any, schema: Mapping[str, Any], *, name: str, where: str
) -> tuple[Finding, ...]:
    """Return every violation of the schema, in document order, under rule `schema.<name>`.

    Never raises on data.  Source: JSON Schema draft 2020-12, `jsonschema` 4.
    """
    from jsonschema import Draft202012Validator
    from referencing import Registry
    from referencing.jsonschema import DRAFT202012

    # Crawled once: without this, every reference is looked for in the whole schema anew.
    registry = Registry().with_resource(schema.get("$id", ""), DRAFT202012.create_resource(schema))
    validator = Draft202012Validator(
        schema,
        registry=registry.crawl(),
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )
    errors = sorted(validator.iter_errors(document), key=lambda error: list(map(str, error.path)))
    return tuple(
        finding(
            f"schema.{name}",
            where=where,
            pointer=pointer(error.absolute_path),
            expected=f"{error.validator} {short(error.validator_value)}",
            found=short(error.message),
        )
        for error in errors
    )


def pointer(path: Any) -> str:
    """Return a JSON pointer (RFC 6901) for a sequence of keys and indices."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
