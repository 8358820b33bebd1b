"""A recipe said to be that of a file says what the file says: no other option keeps its digest."""

from __future__ import annotations

import pytest

from harness import audit, layout, recipe_source, seal
from tests.memory import hub as memory
from tests.memory import runs

PLACE = "/settings/recipe"


def told(*changes, path=runs.MANIFEST):
    hub = memory.sound()

    def change(document):
        for key, value in changes:
            document["settings"]["recipe"][key] = value

    hub.edit(path, change)
    return [item for item in memory.told(recipe_source.check(hub.read)) if item[1] == path]


def test_a_recipe_is_what_its_file_gives_with_what_replaces_it():
    assert told() == []


@pytest.mark.parametrize("path", [runs.MANIFEST, runs.DRY_MANIFEST])
def test_an_option_that_the_file_does_not_give_is_told(path):
    settings = runs.settings().recipe
    options = {**settings["options"], "object_options.step_size": 5.0}
    (found,) = told(("options", options), path=path)
    assert found[0] == "hub.recipe-source"
    assert found[2] == f"{PLACE}/options/object_options.step_size"
    assert found[4] == "5.0"
    assert told(("version", 99), path=path)[0][2] == f"{PLACE}/version"


def test_verify_tells_it(hub_in_memory):
    hub_in_memory.edit(
        runs.MANIFEST, lambda document: document["settings"]["recipe"].update(version=99)
    )
    hub_in_memory.files[layout.SEAL] = seal.render(hub_in_memory.entries())
    found = audit.examine(hub_in_memory.entries(), hub_in_memory.read).findings
    assert ("hub.recipe-source", runs.MANIFEST) in [(item.rule, item.where) for item in found]


def test_what_is_replaced_is_not_the_file_s_and_must_be_named():
    assert told(("num_epochs", 3), ("overridden", ["num_epochs"])) == []
    both = told(("num_epochs", 77), ("overridden", []))
    assert f"{PLACE}/num_epochs" in [item[2] for item in both]


@pytest.mark.parametrize("changed", [("name", "mine"), ("source_sha256", "0" * 64)])
def test_a_recipe_of_another_file_is_not_looked_into(changed):
    assert told(changed, ("version", 99)) == []
