"""Validate a document against a JSON Schema (draft 2020-12); violations come back as findings."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from harness.canonical import short
from harness.model import Finding
from harness.rules import finding
from harness.wording import counted

if TYPE_CHECKING:
    from jsonschema import FormatChecker, ValidationError

MOMENT = "date-time"
KINDS = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "nothing",
}


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
        format_checker=_formats(),
    )
    errors = sorted(validator.iter_errors(document), key=lambda error: list(map(str, error.path)))
    return tuple(
        finding(
            f"schema.{name}",
            where=where,
            pointer=pointer(error.absolute_path),
            expected=short(expected),
            found=short(found),
        )
        for error in errors
        for expected, found in [_words(error)]
    )


@functools.cache
def _formats() -> FormatChecker:
    """Return the checks of formats: the validator's own, and date-time, for which it has none."""
    from jsonschema import Draft202012Validator, FormatChecker

    formats = FormatChecker(())
    formats.checkers = {**Draft202012Validator.FORMAT_CHECKER.checkers}
    formats.checks(MOMENT, raises=ValueError)(_is_moment)
    return formats


def _is_moment(value: Any) -> bool:
    """Return whether a text is a day and time that there is; its spelling is the pattern's."""
    return not isinstance(value, str) or bool(datetime.fromisoformat(value))


def _is_int(_checker: Any, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def pointer(path: Any) -> str:
    """Return a JSON pointer (RFC 6901) for a sequence of keys and indices."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _words(error: ValidationError) -> tuple[str, str]:
    """Return what was expected and what was found; the validator's message for rare keywords."""
    wanted = error.validator_value
    if error.validator in ("required", "dependentRequired"):
        return f"the key {_missing(error)}", "none"
    if error.validator in ("additionalProperties", "unevaluatedProperties"):
        return "no other keys", _unexpected(error)
    if (error.validator, wanted) == ("type", "integer") and _is_whole_float(error.instance):
        whole = int(error.instance)
        return f"an integer, written without point or exponent: {whole}", str(error.instance)
    if (error.validator, wanted) == ("not", {}):
        return "no such key beside the others", _as_json(error.instance)
    if error.validator in EXPECTED:
        return EXPECTED[error.validator](wanted), _as_json(error.instance)
    return f"{error.validator} {short(wanted)}", error.message


def _is_whole_float(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


def _missing(error: ValidationError) -> str:
    wanted = error.validator_value
    # By the key that asks for them, where only some keys do.
    groups = wanted.values() if isinstance(wanted, Mapping) else [wanted]
    named = [key for group in groups for key in group if error.message.startswith(f"{key!r} is ")]
    return named[0]


def _unexpected(error: ValidationError) -> str:
    """Return the keys that the message names: only the validator knows which are allowed."""
    return ", ".join(key for key in error.instance if repr(key) in error.message)


def _as_json(value: Any) -> str:
    """Return a value as the document spells it, so that "3" is not taken for 3."""
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)


def _one_of(values: list[Any]) -> str:
    words = ", ".join(map(_as_json, values))
    return words if len(values) == 1 else f"one of {words}"


def _kinds(wanted: str | list[str]) -> str:
    return " or ".join(KINDS[kind] for kind in ([wanted] if isinstance(wanted, str) else wanted))


def _at_least(noun: str, plural: str = "") -> Callable[[int], str]:
    return lambda bound: f"at least {counted(bound, noun, plural)}"


def _at_most(noun: str, plural: str = "") -> Callable[[int], str]:
    return lambda bound: f"at most {counted(bound, noun, plural)}"


# What each keyword of a schema asks for, made from the keyword's value.
EXPECTED: dict[str, Callable[[Any], str]] = {
    "enum": _one_of,
    "const": _as_json,
    "type": _kinds,
    "minimum": "at least {}".format,
    "maximum": "at most {}".format,
    "exclusiveMinimum": "more than {}".format,
    "exclusiveMaximum": "less than {}".format,
    "pattern": "a text like {}".format,
    "format": lambda name: (
        "a day and time that there is" if name == MOMENT else f"a text like {name}"
    ),
    "items": lambda _: "no further entries",
    "minItems": _at_least("entry", "entries"),
    "maxItems": _at_most("entry", "entries"),
    "minLength": _at_least("character"),
    "maxLength": _at_most("character"),
    "minProperties": _at_least("key"),
    "maxProperties": _at_most("key"),
    "uniqueItems": lambda _: "no entry twice",
}
