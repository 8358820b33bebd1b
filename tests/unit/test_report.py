"""The commands that a hub's summary gives to repeat it: they make one hub, and hide nothing."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from harness import job_tables, layout, misfit, report


def stage(name, preset="smoke", base=None, base_sha256=None, options=(), study=None):
    """Return as much of a stage's record as tells how to run it again."""
    settings = {"preset": preset, "base": base, "base_sha256": base_sha256}
    settings |= {"study": study or layout.DEFAULT_STUDY, "options": list(options)}
    return layout.STAGE_DIRECTORIES[name], {"stage": name, "settings": settings}


def commands(*stages):
    """Return the words around the commands, and the commands."""
    text = "\n\n".join(report.commands(stages))
    before, _, rest = text.partition("```bash\n")
    lines, _, after = rest.partition("\n```")
    return before + after, lines.splitlines()


def test_stages_with_equal_settings_are_repeated_by_one_call_into_one_hub():
    said, lines = commands(stage("red"), stage("green"), stage("collect"))
    assert lines == ["PRESET=smoke nox -s red green collect"]
    assert "HUB" not in said


def test_stages_with_other_settings_join_the_hub_of_the_first():
    options = ("--dose", "1000")
    said, lines = commands(
        stage("red"),
        stage("dry-run", "default", options=options),
        stage("green"),
        stage("real-run", "default", options=options),
    )
    assert lines == [
        "PRESET=smoke nox -s red",
        "HUB=PATH/TO/HUB PRESET=default nox -s dry_run -- --dose 1000",
        "HUB=PATH/TO/HUB PRESET=smoke nox -s green",
        "HUB=PATH/TO/HUB PRESET=default nox -s real_run -- --dose 1000",
    ]
    assert "`PATH/TO/HUB` is the hub that the first line makes" in said


@pytest.mark.parametrize("name", ["b.npz", "my base; rm -rf x.npz", "'.npz"])
def test_a_base_is_asked_for_by_its_name_and_digest(name):
    said, lines = commands(stage("dry-run", base=name, base_sha256="b" * 64))
    assert shlex.split(lines[0]) == [
        *(f"BASE=PATH/TO/{name}", "PRESET=smoke", "nox", "-s", "dry_run")
    ]
    assert "no hub holds a base" in said
    assert f"sha256 `{'b' * 64}`" in said


def test_of_a_base_that_was_never_read_no_digest_is_told():
    said, _ = commands(stage("dry-run", base="b.npz"))
    assert "no hub holds a base" in said
    assert "sha256" not in said


def test_each_of_two_bases_has_its_own_words():
    said, lines = commands(
        stage("red", base="b.npz", base_sha256="1" * 64),
        stage("green", base="b.npz", base_sha256="2" * 64),
    )
    assert len(lines) == 2
    assert "1" * 64 in said
    assert "2" * 64 in said


def test_another_study_is_named():
    _, lines = commands(stage("collect", study="a b.toml"))
    assert lines == ["PRESET=smoke nox -s collect -- --study 'a b.toml'"]


def test_another_study_is_named_as_the_hub_keeps_it():
    options = ("--study", "a.toml", "--dose", "1000")
    made = [
        stage("red", study="a.toml"),
        stage("dry-run", "given", "b.npz", "b" * 64, options, study="a.toml"),
        stage("real-run", "given", "b.npz", "b" * 64, options, study="a.toml"),
    ]
    said, lines = commands(*made)
    kept = "--study PATH/TO/THIS_HUB/cli/study.toml"
    runs = f"PRESET=given nox -s dry_run real_run -- {kept} --dose 1000"
    assert lines == [
        f"PRESET=smoke nox -s red -- {kept}",
        f"HUB=PATH/TO/HUB BASE=PATH/TO/b.npz {runs}",
    ]
    assert "`PATH/TO/THIS_HUB` is where this hub lies" in said
    assert "THIS_HUB" not in commands(stage("dry-run"))[0]


# Quality

EXAMPLES = Path(__file__).parents[1] / "examples/valid/attestation"
JOB = {"dose": 1000, "view": "dense", "split": "train", "output_dir": "a", "status": "succeeded"}


def quality(name, **changed):
    """Return the quality that a summary tells of one job, whose attestation is an example."""
    attestation = json.loads((EXAMPLES / f"{name}.json").read_text())
    if "metrics" in attestation:
        attestation["metrics"] |= changed
    return list(job_tables.quality({"a/result.json": json.dumps(attestation).encode()}.get, [JOB]))


def test_a_summary_sets_error_beside_photon_limit():
    words, table, *_ = quality("succeeded-with-halves")
    assert "docs/metrics.md" in words
    assert "`resolution.png`" in words
    head, _, row = table.splitlines()
    cells = dict(zip(head.split(" | "), row.split(" | "), strict=True))
    assert (cells["NRMSE"], cells["MS-SSIM"]) == ("0.070", "0.828")
    assert (cells["phase error (rad)"], cells["limit (rad)"]) == ("0.065", "0.025")
    assert (cells["error in band"], cells["limit in band"]) == ("0.053", "0.017")


def test_a_summary_says_where_there_is_no_resolvable_band():
    attestation = json.loads((EXAMPLES / "succeeded-with-halves.json").read_text())
    limit = attestation["metrics"]["photon_limit"]
    words, table, *_ = quality(
        "succeeded-with-halves", photon_limit=limit | {"resolvable_band": None}
    )
    assert "no such band" in words
    assert "| 0.065 | 0.025 | - | - | - |" in table.splitlines()[-1]
    assert "no such band" not in quality("succeeded-with-halves")[0]
    without = quality("succeeded-with-halves", against_truth=None, photon_limit=None)
    assert "no such band" not in without[0]


def test_a_summary_tells_how_far_two_halves_of_the_frames_agree():
    between = json.loads((EXAMPLES / "succeeded-with-halves.json").read_text())["metrics"][
        "between_halves"
    ]
    *_, table = quality("succeeded-with-halves")
    assert "| 49 + 49 | 49 | - | - | the correlation stays above" in table.splitlines()[-1]
    known = between | {"half_bit_resolution_px": 1.5, "half_bit_resolution_m": 3e-8}
    *_, table = quality("succeeded-with-halves", between_halves=known | {"undefined": None})
    assert table.endswith("| 49 | 1.50 | 3e-08 | - |")
    assert len(quality("succeeded")) == 2, "no table of halves where none were made"


def test_a_summary_tells_the_fit_of_a_job_without_a_truth():
    _, table, *_ = quality("succeeded-with-halves", against_truth=None, photon_limit=None)
    row = table.splitlines()[-1]
    assert "| 1000 | dense | train | yes (0.98) | - | - | - | - | - | - | - | 0.01" in row


def test_a_summary_says_why_a_job_has_no_truth_to_be_measured_by():
    attestation = json.loads((EXAMPLES / "succeeded-with-halves.json").read_text())
    read = {"a/result.json": json.dumps(attestation).encode()}.get
    assert list(job_tables.untold(read, [JOB])) == [], "nothing to say where there is a truth"
    attestation["truth"] |= {"present": False, "reason": misfit.MEASURED, "misfit": 1.0412}
    read = {"a/result.json": json.dumps(attestation).encode()}.get
    words, table = job_tables.untold(read, [JOB])
    assert "no truth" in words
    assert table.endswith(f"| 1000 | dense | train | 1.04 | {misfit.MEASURED} |")
    assert list(job_tables.untold(read, [JOB | {"status": "failed"}])) == []


def test_a_summary_says_of_a_scan_seen_once_that_it_cannot_be_reconstructed():
    seen = {"reconstructible": False, "share_seen_twice": 0.006}
    words, table, *_ = quality("succeeded-with-halves", coverage=seen)
    assert "is no result" in words
    assert "| 1000 | dense | train | **no** (0.01) | 0.070" in table.splitlines()[-1]


def test_a_summary_says_of_a_reconstruction_stopped_at_once_that_it_is_none(monkeypatch):
    document = json.loads((EXAMPLES / "succeeded-with-halves.json").read_text())
    document["stopping"] |= {"rule": "heldout", "delivered_epoch": 1}
    document["epochs_run"] = 40
    path = f"{JOB['output_dir']}/result.json"
    _, table, *_ = job_tables.quality({path: json.dumps(document).encode()}.get, [JOB])
    assert "| 1000 | dense | train | **no** (best at epoch 1) | 0.070" in table.splitlines()[-1]


def test_a_summary_has_no_table_of_quality_where_none_is_attested():
    assert quality("failed-with-nan-loss") == []
    assert list(job_tables.quality({}.get, [JOB])) == []


def test_a_summary_does_not_read_what_a_job_that_failed_left():
    assert (
        list(job_tables.quality({"a/result.json": b"NaN"}.get, [JOB | {"status": "failed"}])) == []
    )
