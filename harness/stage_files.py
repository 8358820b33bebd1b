"""What may lie in the folder of a stage of tests: nothing that neither commands nor proof name.

Pure.  Source: docs/adr/0009-hubs-and-seals.md
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness import documented, faults_copy, judge, layout, records
from harness.model import Finding
from harness.records import Read
from harness.rules import finding

OWN = (
    *(layout.STAGE_RECORD, layout.DIGESTS, layout.GUIDE_COPY, layout.UNCOMMITTED),
    *layout.ATTACHED,
)
# A stage that is refused has a log and no command that names it.
LOGS = {
    "red": (layout.RED_LOG,),
    "green": (layout.GREEN_MAPPED_LOG, layout.GREEN_SUITE_LOG),
    "collect": (layout.COLLECT_LOG,),
}


def check(record: Mapping[str, Any], read: Read, paths: Iterable[str]) -> Iterator[Finding]:
    """Yield each file of a stage of tests that nothing of it names.  paths: of the whole hub."""
    if record["stage"] not in LOGS:
        return
    folder = layout.STAGE_DIRECTORIES[record["stage"]]
    named = {f"{folder}/{name}" for name in (*OWN, *LOGS[record["stage"]])} | {
        judge.PROOF,
        documented.PATH,
        faults_copy.PATH,
    }
    for command in record["commands"]:
        named |= {command["log_path"], *command["reports"].values()}
    proof = records.document(read, judge.PROOF) if record["stage"] == "red" else None
    named |= {run["report_path"] for run in (proof or {"runs": ()})["runs"]}
    for path in sorted(paths):
        if path.startswith(f"{folder}/") and path not in named:
            yield finding(
                "hub.extra", where=path, expected="a file that the stage names", found="none"
            )
