"""The recipes of a hub's runs, held to the files that ship with the harness, where these are those.

Source: docs/adr/0014-claims-are-recomputed.md
"""

from __future__ import annotations

from collections.abc import Iterator

from harness import layout, leaves, recipe, recipefile, records, resources
from harness.model import Finding
from harness.records import Read
from harness.rules import finding
from harness.wording import said


def check(read: Read) -> Iterator[Finding]:
    """Yield each value of a run's recipe that its file, and what replaces it, does not give.

    A recipe whose file is not at hand, by its digest, is not looked into.
    """
    for name, folder in layout.RUN_FOLDERS.items():
        run = records.run_of(read, name)
        if run is None:
            continue
        stated = run.manifest["settings"]["recipe"]
        if stated["name"] not in resources.recipes():
            continue
        loaded = recipefile.load(stated["name"])
        if loaded["source_sha256"] != stated["source_sha256"]:
            continue
        given = {key: stated.get(key) for key in stated["overridden"]}
        again = dict(leaves.of(recipe.resolve(loaded, stated["probe"], given)))
        there = dict(leaves.of(stated))
        for pointer in sorted({*again, *there}):
            if not leaves.same(there.get(pointer), again.get(pointer)):
                yield finding(
                    "hub.recipe-source",
                    where=f"{folder}/{layout.MANIFEST}",
                    pointer=f"/settings/recipe{pointer}",
                    expected=f"{said(again.get(pointer))}, as in recipes/{stated['name']}.toml",
                    found=said(there.get(pointer)),
                )
