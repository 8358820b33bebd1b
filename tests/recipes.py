"""Settings for tests: a recipe that ships with the harness, by the default study."""

from __future__ import annotations

from typing import Any

from harness import reconstruction, studyfile
from harness.model import ReconstructionSettings


def settings_by(recipe: str = "seed", **given: Any) -> ReconstructionSettings:
    """Return the default study's settings by that recipe, its values replaced as given."""
    return reconstruction.make_settings(studyfile.load(), recipe, given=given)
