"""Runs with small real children: states, logs, telemetry, and what goes on after a failure."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest

from harness import execution, layout, matrix, model, reconstruction
from harness.errors import InputInvalid, NothingSelected, UsageError
from tests import small_tree
from tests.recipes import settings_by


@pytest.fixture
def make_request(design, made_inputs, tmp_path, program):
    """Return a maker of requests for the dense jobs of the lowest dose."""

    def make(*words, inputs=made_inputs, **changes):
        roots = matrix.Roots(inputs / "phase_c", inputs / "phase_d", tmp_path / "out")
        chosen = changes.pop("filters", {"dose": ("1000",), "view": ("dense",)})
        return execution.Request(
            design,
            roots,
            matrix.check_filters(design, chosen),
            settings_by(num_epochs=2),
            program=program(*words),
            **changes,
        )

    return make


def document(tmp_path, name=layout.MANIFEST):
    return json.loads((tmp_path / "out" / name).read_bytes())


def states(tmp_path):
    return [job["status"] for job in document(tmp_path)["jobs"]]


def test_a_failing_job_does_not_stop_the_others(make_request, tmp_path):
    assert execution.execute(make_request("--exit", "3")) == 1
    assert states(tmp_path) == ["failed", "failed"]
    codes = [result["returncode"] for result in document(tmp_path)["execution_results"]]
    assert codes == [3, 3]


@pytest.mark.parametrize("attempt", range(5))
def test_fail_fast_does_for_certain(make_request, tmp_path, attempt, capfd):
    assert execution.execute(make_request("--exit", "3", fail_fast=True)) == 1
    assert states(tmp_path) == ["failed", "not_launched"]
    assert "2 jobs, 1 failed, 1 not launched" in capfd.readouterr().out


def test_the_manifest_is_there_with_every_job_planned_before_the_first_is_launched(
    make_request, tmp_path
):
    seen = []

    def say(text):
        if text.startswith("job ") and text.endswith(": running"):
            seen.append(states(tmp_path))

    assert execution.execute(make_request(), say) == 0
    assert seen == [["planned", "planned"], ["succeeded", "planned"]]


def test_without_the_child_s_packages_a_real_run_is_refused_before_it_writes(
    design, made_inputs, tmp_path, monkeypatch
):
    monkeypatch.setattr(model, "CHILD_NEEDS", ("numpy", "no_such_package", "nor_this"))
    roots = matrix.Roots(made_inputs / "phase_c", made_inputs / "phase_d", tmp_path / "out")
    filters = matrix.check_filters(design, {})
    request = execution.Request(design, roots, filters, settings_by())
    with pytest.raises(InputInvalid) as caught:
        execution.execute(request)
    said = f"POLICY-001: no no_such_package, nor_this in {sys.executable}"
    assert str(caught.value).startswith(said)
    assert "make env" in str(caught.value)
    assert not (tmp_path / "out").exists()
    assert execution.execute(replace(request, dry_run=True)) == 0


def test_a_job_s_own_log_says_what_was_asked_and_how_it_was_judged(make_request, tmp_path):
    execution.execute(make_request("--lie", "epochs_run=1"))
    text = (tmp_path / "out" / "dose_1000" / "dense" / "train" / "run.log").read_text()
    for words in ("job: dose_1000/dense/train", "ended: return code 0", "status: failed"):
        assert words in text
    assert "error [attest.epochs]" in text


def test_jobs_side_by_side_say_whose_words_are_whose(make_request, tmp_path, capfd):
    assert execution.execute(make_request(parallel=2)) == 0
    said = capfd.readouterr().out
    assert "[dose_1000/dense/train] " in said
    assert "[dose_1000/dense/test] " in said
    assert states(tmp_path) == ["succeeded", "succeeded"]


def test_an_attestation_that_is_no_json_is_a_failed_job_that_says_so(
    make_request, tmp_path, monkeypatch
):
    request = make_request()
    code = (
        "import pathlib, sys; i = sys.argv.index('--output-dir');"
        "pathlib.Path(sys.argv[i + 1], 'result.json').write_text('{')"
    )
    object.__setattr__(request, "program", ("-c", code))
    assert execution.execute(request) == 1
    rules = [item["rule"] for item in document(tmp_path)["execution_results"][0]["findings"]]
    assert rules == ["attest.unreadable"]


def test_a_program_that_cannot_be_started_ends_the_run_and_leaves_sound_records(
    make_request, tmp_path, monkeypatch
):
    monkeypatch.setattr(execution.sys, "executable", "/no/such/python")
    with pytest.raises(UsageError, match="cannot start /no/such/python"):
        execution.execute(make_request())
    assert states(tmp_path) == ["interrupted", "not_launched"]


def test_train_and_test_that_share_positions_are_a_breach(make_request, inputs, tmp_path):
    folder = inputs / "phase_c" / "dose_1000"
    (folder / "patched_test.npz").write_bytes((folder / "patched_train.npz").read_bytes())
    chosen = {"dose": ("1000",), "view": ("baseline",)}
    with pytest.raises(InputInvalid) as caught:
        execution.execute(make_request(inputs=inputs, filters=chosen))
    assert "claim.disjoint" in {item.rule for item in caught.value.findings}


def test_a_missing_root_is_named_instead_of_each_file_in_it(make_request, tmp_path):
    with pytest.raises(InputInvalid) as caught:
        execution.execute(make_request(inputs=tmp_path / "nowhere", filters={}))
    assert [item.rule for item in caught.value.findings] == ["input.root", "input.root"]


def test_a_missing_phase_c_input_may_never_be_missing(make_request, inputs, tmp_path):
    (inputs / "phase_c" / "dose_1000" / "patched_train.npz").unlink()
    for path in (inputs / "phase_d").rglob("*.npz"):
        path.unlink()
    request = make_request(inputs=inputs, filters={}, allow_missing_phase_d=True)
    with pytest.raises(InputInvalid) as caught:
        execution.make_plan(request)
    (item,) = caught.value.findings
    assert item.where.endswith("dose_1000/patched_train.npz")


def test_nothing_selected_still_leaves_manifest_and_skips(make_request, tmp_path):
    chosen = {"view": ("baseline",), "gridsize": ("2",)}
    with pytest.raises(NothingSelected, match="all 18 cells are skipped"):
        execution.execute(make_request(filters=chosen))
    assert document(tmp_path, layout.SKIP_SUMMARY)["skipped_count"] == 18
    assert document(tmp_path)["jobs"] == []


def test_a_dry_run_of_the_api_starts_nothing(design, made_inputs, tmp_path, program):
    roots = matrix.Roots(made_inputs / "phase_c", made_inputs / "phase_d", tmp_path / "out")
    job = matrix.make_job(design, matrix.cells(design)[0], roots, settings_by())
    assert reconstruction.run_ptychi_job(job) is None
    assert not (tmp_path / "out").exists()


def test_the_command_s_findings_are_one_json_document_whatever_else_is_said(
    tree, made_inputs, tmp_path
):
    roots = ("--phase-c-root", made_inputs / "phase_c", "--phase-d-root", made_inputs / "phase_d")
    words = (*roots, "--artifact-root", tmp_path / "out", *small_tree.ONE_JOB, "--format=json")
    for child, code, error in (
        ("--lie epochs_run=1", 1, "not every job succeeded; read reconstruction_manifest.json"),
        ("", 0, None),
    ):
        done = small_tree.run(tree, "harness.reconstruction", *words, child=child)
        assert done.returncode == code
        found = json.loads(done.stdout)
        assert found["error"] == error
        assert ("attest.epochs" in [item["rule"] for item in found["findings"]]) == bool(code)
        assert "last words of train" in done.stderr
        words = tuple(tmp_path / "two" if word == tmp_path / "out" else word for word in words)


def test_the_command_s_json_in_this_process(made_inputs, tmp_path, capfd):
    roots = ["--phase-c-root", made_inputs / "phase_c", "--phase-d-root", made_inputs / "phase_d"]
    words = [*roots, "--artifact-root", tmp_path / "out", "--dry-run", "--format=json"]
    done = small_tree.call(reconstruction.main, capfd, words)
    assert done.returncode == 0
    assert json.loads(done.stdout)["error"] is None
    assert "18 cells: 18 selected" in done.stderr
