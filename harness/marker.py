"""What a hub's marker says of its name and time, held to what its commands and its study tell.

Pure.  A hub may be moved and renamed: any place where it lay while its commands ran counts, and
where it lies now is not asked.  Source: docs/adr/0009-hubs-and-seals.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from harness import layout, records, study_copy
from harness.model import Finding
from harness.records import Read
from harness.rules import finding

RULE = "hub.made"
# What a command writes into the hub, and so says where the hub lay.
WRITES = ("--artifact-root", "--output-dir", "--collection-report")
_PLACE = re.compile(r"(?:.*/)?([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{6}Z)/([^/]+)")


def check(read: Read) -> Iterator[Finding]:
    """Yield where a hub's marker says a time or a slug that nothing in the hub bears out.

    Where nothing tells of either, they are the marker's word.
    """
    said, acts = records.document(read, records.MARKER), records.acts(read)
    places = {place for _, record in acts for place in _places(record)}
    made = layout.timestamp(datetime.fromisoformat(said["created_at"]))
    yield from _among({moment for moment, _ in places}, made, "/created_at")
    # Jobs run again and mutants have hubs of other names.
    if acts and acts[0][1]["stage"] in layout.STAGES and (studies := set(_of_studies(read, acts))):
        yield from _among(studies | {slug for _, slug in places}, said["slug"], "/slug")


def _places(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield timestamp and slug of each place where a hub lay when commands wrote into it."""
    for command in record["commands"]:
        inside = (layout.FOLDERS[record["stage"]], layout.PLAN, command["name"])
        inside += tuple(command.get("reports", {}).values())
        words = [part for word in command["argv"] for part in word.split("=", 1)]
        for option, path in pairwise(words):
            ends = [f"/{place}" for place in inside if path.endswith(f"/{place}")]
            if option in WRITES and ends and (match := _PLACE.fullmatch(path[: -len(ends[0])])):
                yield match[1], match[2]


def _of_studies(read: Read, acts: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[str]:
    """Yield the slug in each study file that a run kept, as far as they can be read.

    A run that came to no command says nowhere where its hub lay, so that its study says nothing.
    """
    ran = {record["stage"] for _, record in acts if record["commands"]}
    for stage in sorted(ran & {*layout.RUN_STAGES}):
        data = read(study_copy.place(stage))
        study = _parsed(data) if data else {}
        if isinstance(study.get("hub_slug"), str):
            yield study["hub_slug"]


def _parsed(data: bytes) -> Mapping[str, Any]:
    """Return a study file; nothing of one that cannot be read, which is told elsewhere."""
    try:
        return study_copy.parse(data.decode())
    except ValueError:
        return {}


def _among(known: set[str], found: str, pointer: str) -> Iterator[Finding]:
    if known and found not in known:
        expected = " or ".join(sorted(known))
        place = {"where": records.MARKER, "pointer": pointer}
        yield finding(RULE, **place, expected=expected, found=found)
