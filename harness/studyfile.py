"""Read a study file: TOML, checked against its schema, as a `StudyDesign`."""

from __future__ import annotations

from pathlib import Path

from harness import design, provenance, resources, study_copy
from harness.errors import InputInvalid, UsageError


def load(path: Path = resources.DEFAULT_STUDY) -> design.StudyDesign:
    """Return the design in a study file.

    Raises UsageError where there is no such file, InputInvalid with every finding where it is
    not TOML, breaks its schema, or has two views of one name.
    """
    where = provenance.portable(path)
    try:
        data = study_copy.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"study file {where}: {error.strerror}; name one with --study") from None
    except ValueError as error:
        raise InputInvalid(f"study file {where} is not TOML: {error}; mend it") from None
    if found := study_copy.faults(data, resources.schema("study"), where):
        raise InputInvalid(f"study file {where} cannot be used", found)
    return design.from_mapping(data)
