"""Every document of a hub that follows from its records, in one place for writer and verifier."""

from __future__ import annotations

from collections.abc import Mapping

from harness import crate, documented, envelope, layout, records, report, statement
from harness.records import Read

# The rule that each breaks where it is not what the records give.
RULES = {
    layout.SUMMARY: "hub.derived",
    layout.BLOCKER: "hub.derived",
    layout.DOCUMENTS_DIFF: "hub.derived",
    layout.CRATE: "hub.crate",
    layout.PROVENANCE: "hub.provenance",
    layout.TEST_RESULT: "hub.test-result",
}


def documents(read: Read, statements: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """Return path and bytes of all derived documents of a hub; {} where nothing was done in it.

    A summary is of stages; a reproduction and the mutants tell theirs in their one record.
    statements: those of the hub, where they are known already.
    """
    if not records.acts(read):
        return {}
    known = statement.statements(read) if statements is None else statements
    found = dict(known)
    if records.stages(read):
        found[layout.SUMMARY] = report.summary(read)
    blocker = report.blocker(read)
    if blocker is not None:
        found[layout.BLOCKER] = blocker
    change = documented.diff(read)
    if change is not None:
        found[layout.DOCUMENTS_DIFF] = change
    places = map(envelope.path_of, envelope.statement_paths(read))
    envelopes = {path: data for path in places if (data := read(path)) is not None}
    found[layout.CRATE] = crate.render(read, {**found, **envelopes})
    return found


def places() -> dict[str, str]:
    """Return every path at which a hub may hold a derived document, and its rule."""
    inside = (layout.PROVENANCE, layout.TEST_RESULT)
    return {
        **{name: rule for name, rule in RULES.items() if name not in inside},
        **{
            f"{folder}/{name}": RULES[name] for folder in layout.FOLDERS.values() for name in inside
        },
    }
