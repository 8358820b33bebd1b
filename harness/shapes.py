"""Which schema each record of a hub has, by its path."""

from __future__ import annotations

from collections.abc import Mapping

from harness import documented, judge, layout, records

RUN_DOCUMENTS = ((layout.MANIFEST, "manifest"), (layout.SKIP_SUMMARY, "skip_summary"))
JSON_SCHEMAS: Mapping[str, str] = {
    records.MARKER: "hub",
    judge.PROOF: "red_proof",
    documented.PATH: "documented",
    records.reproduction_path(): "reproduction",
    records.mutation_path(): "mutation",
    **{records.stage_path(stage): "stage" for stage in layout.STAGES},
    **{records.digests_path(name): "digests" for name in layout.FOLDERS},
    **{
        f"{folder}/{file}": schema
        for folder in layout.RUN_FOLDERS.values()
        for file, schema in RUN_DOCUMENTS
    },
    **{f"{layout.PLAN}/{file}": schema for file, schema in RUN_DOCUMENTS},
    **{
        f"{folder}/{name}": "dsse_envelope"
        for folder in layout.FOLDERS.values()
        for name in layout.ENVELOPES.values()
    },
}
