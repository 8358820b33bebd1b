"""Validate a document against a JSON Schema (draft 2020-12); violations come back as findings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.canonical import short
from harness.model import Finding
from harness.rules import finding


def check(
    document: Any,
    schema: Mapping[str, Any],
    *,
    name: str,
    where: str,
    floats_are_integers: bool = True,
) -> tuple[Finding, ...]:
    """Return every violation of the schema, in document order, under rule `schema.<name>`.

    floats_are_integers: whether 1.0 passes for an integer, as JSON Schema has it.
    Never raises on data.  Source: JSON Schema draft 2020-12, `jsonschema` 4.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend
    from referencing import Registry
    from referencing.jsonschema import DRAFT202012

    # Crawled once: without this, every reference is looked for in the whole schema anew.
    registry = Registry().with_resource(schema.get("$id", ""), DRAFT202012.create_resource(schema))
    known = Draft202012Validator.TYPE_CHECKER
    if not floats_are_integers:
        known = known.redefine("integer", _is_int)
    validator = extend(Draft202012Validator, type_checker=known)(
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
            expected=_expected(error),
            found=short(error.message),
        )
        for error in errors
    )


def _is_int(_checker: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _expected(error: Any) -> str:
    value = error.instance
    wants_integer = (error.validator, error.validator_value) == ("type", "integer")
    if wants_integer and isinstance(value, float) and value.is_integer():
        return short(f"an integer, written without point or exponent: {int(value)}")
    return f"{error.validator} {short(error.validator_value)}"


def pointer(path: Any) -> str:
    """Return a JSON pointer (RFC 6901) for a sequence of keys and indices."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
