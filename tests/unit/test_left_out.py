"""Cells that whole stages left out, and what the inputs at hand say of them."""

from __future__ import annotations

import json

from harness import audit, layout, left_out, prepare, resources, study_copy
from tests import small_tree
from tests.attack import hubs, run_forgeries

SKIPS = f"real_run/{layout.SKIP_SUMMARY}"


def test_inputs_at_hand_show_that_a_cell_was_left_out_without_need(complete_hub, made_inputs):
    sound, cell = hubs.load(complete_hub), "real_run/dose_1000/dense/test"
    design = audit.Inputs(made_inputs, kept_study(sound))
    listed = f"real_run/{layout.MANIFEST}"
    for reason in (
        "DATA-001 breach: x",
        "phase D input is missing: dose_1000/dense/dense_test.npz",
    ):
        struck = hubs.strike(
            sound, run_forgeries.skipped_for(listed, SKIPS, cell, reason), hubs.MENDS
        )
        found = hubs.findings(struck, design)
        said = {item.found for item in found if item.rule == left_out.RULE}
        path = "phase_d/dose_1000/dense/dense_test.npz"
        assert said & {"it keeps DATA-001", f"{path} among the inputs"}
    assert {i.rule for i in hubs.findings(sound, design)}.isdisjoint({left_out.RULE})


def kept_study(hub):
    record = json.loads(hub.files["real_run/stage.json"])
    kept, found = study_copy.design_in(record, hub.read, resources.schema)
    assert found == ()
    return kept


def test_a_run_over_an_input_in_breach_is_sound_and_says_so(tree, monkeypatch):
    """The words of the gate's record are those of the skip."""
    path = tree / layout.scratch(small_tree.INITIATIVE, "smoke") / "phase_d/dose_1000/dense"
    path = path / "dense_test.npz"
    path.unlink()
    path.write_bytes(b"no archive")
    monkeypatch.setattr(prepare, "prepare_inputs", lambda *given: None)
    made = small_tree.new_hub(tree)
    assert small_tree.run_stage(tree, made, "dry-run") == 3
    skips = json.loads((made / "cli" / layout.SKIP_SUMMARY).read_bytes())
    assert any("DATA-001 breach" in skip["reason"] for skip in skips["skipped_jobs"])
    assert audit.audit(made).findings == ()
