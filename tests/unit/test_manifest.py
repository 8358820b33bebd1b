"""The manifest and the skip summary, each said in full for a small study."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from harness import canonical, manifest, matrix
from harness.model import CellKey, Finding
from tests.unit import test_matrix as small_study

small = small_study.small
FIRST, ABSENT_C, ABSENT_D = (
    CellKey(10, "whole", "train"),
    CellKey(10, "whole", "test"),
    CellKey(10, "thin", "train"),
)
ASKED = {"algorithm": "LSQML", "seed": 7}
WHEN = "2026-01-01T00:00:00.000+00:00"
TELEMETRY = {"acceptance_rate": 0.75, "n_accepted": 9, "n_rejected": 3}
NOTE = Finding("npz.unknown-key", "x.npz", "k", "one", "other", "note")


def record_of(job, design):
    return manifest.job_record(
        replace(job, input_sha256="a" * 64),
        design,
        small_study.ROOTS,
        inside=lambda path: path.replace("out/", "cli/"),
        argv=("python", "-u"),
    )


@pytest.fixture
def plan(small):
    absent = ("c/dose_10/patched_test.npz", "d/dose_10/thin/thin_train.npz")
    filters = {**small_study.NO_FILTERS, "dose": ("10",)}
    return small_study.plan(small, filters, exists=lambda path: str(path) not in absent)


@pytest.fixture
def all_absent(small):
    filters = {**small_study.NO_FILTERS, "split": ("train",)}
    return small_study.plan(small, filters, exists=lambda path: "dose_10/patched" in str(path))


@pytest.fixture
def jobs(plan, small):
    return [record_of(job, small) for job in plan.jobs]


@pytest.fixture
def document(plan, small, jobs):
    return manifest.new(
        small,
        plan,
        jobs,
        dry_run=True,
        filters={"dose": ("10",), "view": ()},
        settings=ASKED,
        artifact_root="cli",
        input_roots={"phase_c": "tmp/c", "phase_d": "tmp/d"},
        metadata={FIRST: TELEMETRY | {"other": 1}},
        notes={FIRST: [NOTE]},
        created_at=WHEN,
    )


def test_a_job_record_names_paths_inside_hub_and_root(plan, small):
    first, last = (record_of(job, small) for job in (plan.jobs[0], plan.jobs[-1]))
    assert first == {
        "dose": 10,
        "view": "whole",
        "split": "train",
        "gridsize": 2,
        "input_root": "phase_c",
        "input_npz": "dose_10/patched_train.npz",
        "input_sha256": "a" * 64,
        "output_dir": "cli/dose_10/whole/train",
        "log_path": "cli/dose_10/whole/train/ptychi.log",
        "argv": ["python", "-u"],
        "status": "planned",
    }
    assert (last["input_root"], last["input_npz"]) == ("phase_d", "dose_10/thin/thin_test.npz")


def test_a_new_manifest_says_all_of_its_run(document, small, jobs):
    results = document.pop("execution_results")
    assert document == {
        "format": "harness.manifest/1",
        "initiative": small.initiative,
        "study": manifest.study_record(small),
        "dry_run": True,
        "created_at": WHEN,
        "updated_at": WHEN,
        "artifact_root": "cli",
        "input_roots": {"phase_c": "tmp/c", "phase_d": "tmp/d"},
        "total_jobs": 8,
        "filtered_jobs": 2,
        "filters": {"dose": ["10"], "view": []},
        "settings": ASKED,
        "plan_sha256": manifest.plan_digest(jobs, ASKED),
        "missing_jobs": [
            {**ABSENT_D.as_record(), "input_npz": "thin_train.npz"},
            {**ABSENT_C.as_record(), "input_npz": "patched_test.npz"},
        ],
        "gates": [],
        "jobs": jobs,
    }
    assert results == [
        {
            **manifest.planned_result(jobs[0], TELEMETRY),
            "input_notes": [NOTE.as_record()],
        },
        {**manifest.planned_result(jobs[1], None), "input_notes": []},
    ]


def test_a_manifest_is_of_its_own_and_no_view_of_what_it_was_made_from(document, jobs):
    jobs[0]["status"] = "failed"
    assert document["jobs"][0]["status"] == "planned"


def test_the_study_s_record_has_the_axes_and_a_digest_of_all(small):
    assert manifest.study_record(small) == {
        "sha256": canonical.digest(asdict(small)),
        "doses": [10, 200],
        "splits": ["train", "test"],
        "views": [
            {"name": "whole", "phase": "C", "gridsize": 2},
            {"name": "thin", "phase": "D", "gridsize": 1},
        ],
    }


def test_a_plan_s_digest_is_of_cells_inputs_and_settings_alone(jobs):
    facts = ("dose", "view", "split", "gridsize", "input_root", "input_npz", "input_sha256")
    whole = canonical.digest(
        {"settings": ASKED, "jobs": [{fact: job[fact] for fact in facts} for job in jobs]}
    )
    assert manifest.plan_digest(jobs, ASKED) == whole
    elsewhere = [{**job, "output_dir": "x", "argv": [], "status": "failed"} for job in jobs]
    assert manifest.plan_digest(elsewhere, ASKED) == whole
    for fact in facts:
        other = [{**jobs[0], fact: "other"}, *jobs[1:]]
        assert manifest.plan_digest(other, ASKED) != whole
    assert manifest.plan_digest(jobs, {**ASKED, "seed": 8}) != whole
    assert manifest.plan_digest(jobs[::-1], ASKED) != whole


def test_a_planned_result_has_the_input_s_telemetry_and_nothing_else_yet(jobs):
    telemetry = {
        "selection_strategy": "direct",
        "acceptance_rate": 0.5,
        "spacing_threshold": 1.5,
        "n_accepted": 4,
        "n_rejected": 5,
    }
    nothing = dict.fromkeys(
        ("returncode", "started_at", "finished_at", "elapsed_s", "final_loss", "device")
    )
    expected = {
        **FIRST.as_record(),
        "status": "planned",
        "log_path": "cli/dose_10/whole/train/ptychi.log",
        **telemetry,
        **nothing,
        "findings": [],
    }
    assert manifest.planned_result(jobs[0], {**telemetry, "dose_photons": 3}) == expected
    assert manifest.planned_result(jobs[0], None) == {**expected, **dict.fromkeys(telemetry)}


def test_a_result_takes_loss_and_device_over_from_what_is_attested():
    attested = {"loss": {"last": 0.25, "first": 1}, "device": {"used": "cuda", "name": "H"}}
    assert manifest.attested_facts(attested) == {"final_loss": 0.25, "device": "cuda: H"}
    assert manifest.attested_facts(None) == {"final_loss": None, "device": None}


def test_a_result_changes_its_own_job_and_the_time_and_nothing_else(document):
    result = {**document["execution_results"][1], "status": "failed", "returncode": 3}
    changed = manifest.with_result(document, result, updated_at="later")
    assert changed == {
        **document,
        "updated_at": "later",
        "jobs": [document["jobs"][0], {**document["jobs"][1], "status": "failed"}],
        "execution_results": [document["execution_results"][0], result],
    }
    assert document["jobs"][1]["status"] == "planned"


def test_the_skip_summary_counts_and_gives_each_skip_its_reasons(plan, small):
    plan = matrix.without(plan, {FIRST: ("one", "two")})
    summary = manifest.skip_summary(plan, small)
    skips = summary.pop("skipped_jobs")
    assert summary == {
        "format": "harness.skip_summary/1",
        "total_jobs": 8,
        "selected_count": 1,
        "skipped_count": 7,
        "missing_phase_d_count": 1,
    }
    assert skips[0] == {**FIRST.as_record(), "reason": "one; two", "reasons": ["one", "two"]}
    assert len(skips) == 7


def test_the_skip_summary_counts_missing_inputs_of_phase_d_alone(all_absent, small):
    assert len(all_absent.missing) == 3
    assert manifest.skip_summary(all_absent, small)["missing_phase_d_count"] == 2


def test_the_cell_of_a_record_is_its_dose_view_and_split():
    record = {"dose": 10, "view": "whole", "split": "train", "status": "planned"}
    assert manifest.key_of(record) == FIRST
