"""A child that exits 0 and did something else: a failed job, in a hub that is sound and says so."""

from __future__ import annotations

import json

import pytest

from harness import audit, layout, manifest
from tests import small_tree

OTHER = "0" * 64
PLACE = {"rows": [0, 0], "columns": [0, 0]}
HALVES = {
    "split": "alternate",
    "frames": [2, 2],
    "square_px": PLACE,
    **dict.fromkeys(("registration_shift_px", "ramp_rad_per_px")),
    **dict.fromkeys(("half_bit_resolution_px", "half_bit_resolution_m", "undefined")),
    "rings": [],
}
SAID = json.dumps(HALVES, separators=(",", ":"))
PART = {"by": "photons", "share": 0.1, "seed": 1, "as_good": 1.1, "frames": 1, "photons": 1.0}
PART |= {"sha256": OTHER}
KEPT = json.dumps(PART | {"least_epoch": 1, "deviance_per_epoch": [1.0]}, separators=(",", ":"))
LIES = {
    "ran another algorithm": ('--lie algorithm="PIE"', "attest.algorithm"),
    "ran on another file": (f'--lie input.sha256="{OTHER}"', "attest.input"),
    "names another file": ('--lie input.path="other.npz"', "attest.input"),
    "ran fewer epochs": ("--lie epochs_run=1", "attest.epochs"),
    "drew with another seed": ("--lie seed=7", "attest.seed"),
    "took other batches": ("--lie batch_size=5", "attest.batch-size"),
    "followed another recipe": ("--lie recipe.version=2", "attest.recipe"),
    "set another option": ("--lie settings={}", "attest.settings"),
    "chose its epoch by another rule": ('--lie stopping.rule="heldout"', "attest.stop"),
    "kept a part back that nobody asked for": (
        f"--lie stopping.held_out={KEPT}",
        "attest.held-out",
    ),
    "repeats only by its word": ("--lie determinism.seeded=false", "attest.itself"),
    "was asked for another device": ('--lie device.requested="cpu"', "attest.device"),
    "started from the truth": ('--lie initial_object="guess"', "attest.initial-object"),
    "tells of halves that nobody asked for": (
        f"--lie metrics.between_halves={SAID}",
        "attest.halves",
    ),
    "says two things of one option": ("--lie position_origin_px=[9,9]", "attest.itself"),
    "has no metrics": ("--lie metrics=null", "schema.attestation"),
    "says that it failed": ('--lie status="failed"', None),
    "left nothing at all": ("--leave none", "attest.missing"),
    "attests nothing": ("--leave outputs", "attest.missing"),
    "left no arrays": ("--leave result", "schema.attestation"),
    "tells losses that it did not have": ("--lie loss.last=1e-9", "attest.itself"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_child_is_a_failed_job_in_a_sound_hub(tree, lie):
    words, rule = LIES[lie]
    hub = small_tree.new_hub(tree)

    code = small_tree.run_stage(tree, hub, "real-run", child=words)

    assert code == 1
    document = json.loads((hub / "real_run" / layout.MANIFEST).read_bytes())
    assert {job["status"] for job in document["jobs"]} == {manifest.FAILED}
    for result in document["execution_results"]:
        assert result["returncode"] == 0
        fired = {item["rule"] for item in result["findings"]}
        assert fired, "a failure has its reason"
        assert rule is None or rule in fired
    assert audit.audit(hub).findings == ()
