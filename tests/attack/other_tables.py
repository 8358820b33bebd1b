"""The tables of attacks on signatures, and of children that lie."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections import Counter
from pathlib import Path

from harness import audit, layout, manifest, prepare, studyfile, tables
from tests import small_tree
from tests.attack import hubs, signatures, test_lying_children
from tests.attack.hubs import Hub
from tests.attack.rows import Outcome, Row, rules

SIGNATURES, CHILDREN = "signatures", "children"


def of_signatures(sound: Hub, where: str) -> tuple[tables.Table, bool]:
    """Return what `verify --public-key` tells of attacks on signatures; whether it told all."""
    signed = signatures.signed(sound)
    assert signatures.findings(signed) == ()
    found: dict[str, Row] = {}
    for kind, place, attack in signatures.on_signatures(signed):
        told = signatures.findings(signatures.strike(signed, attack))
        fired = tuple(sorted({item.rule for item in told}))
        touched = (place, place.replace(".dsse.", ".intoto."))
        named = bool({item.where for item in told} & {*touched})
        one = Outcome(kind, hubs.MENDS, touched, fired, bool(told), named)
        found.setdefault(kind, Row()).add(one)
    lines = [
        tables.row(kind, *map(str, (row.tried, row.found, row.named)), rules(row))
        for kind, row in found.items()
    ]
    all_told = all(row.tried == row.named for row in found.values())
    return tables.Table(where, SIGNATURES, tuple(lines)), all_told


def of_children(where: str) -> tuple[tables.Table, bool]:
    """Return what becomes of jobs whose child lies; whether each failed, in a hub that is sound."""
    lines, all_told = [], True
    with tempfile.TemporaryDirectory() as folder:
        inputs = Path(folder) / "inputs"
        prepare.prepare_inputs(studyfile.load(), "smoke", inputs, say=len)
        tree = small_tree.make(Path(folder) / "tree", inputs)
        for lie, (words, _rule) in test_lying_children.LIES.items():
            hub = small_tree.new_hub(tree)
            with contextlib.redirect_stdout(io.StringIO()):
                small_tree.run_stage(tree, hub, "real-run", child=words)
            document = json.loads((hub / "real_run" / layout.MANIFEST).read_bytes())
            results = document["execution_results"]
            failed = sum(each["status"] == manifest.FAILED for each in results)
            fired = Counter(item["rule"] for each in results for item in each["findings"])
            row = Row(rules=fired)
            lines.append(tables.row(f"a child {lie}", str(len(results)), str(failed), rules(row)))
            all_told &= failed == len(results) and audit.audit(hub).findings == ()
    return tables.Table(where, CHILDREN, tuple(lines)), all_told
