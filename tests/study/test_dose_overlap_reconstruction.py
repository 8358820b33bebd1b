"""The study's command and runner: the mapped tests of RED and GREEN.

Children are small real programs, and where none may start pytest-subprocess watches; no
reconstruction runs here.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness import execution, matrix, reconstruction
from harness.errors import InputInvalid, JobFailed
from harness.model import CellKey
from tests.recipes import settings_by

OTHER_BYTES = {"path": "reconstruction.npz", "bytes": 1, "sha256": "0" * 64}


def command(inputs, artifact_root, *words):
    roots = {"phase-c-root": inputs / "phase_c", "phase-d-root": inputs / "phase_d"}
    options = [f"--{name}={path}" for name, path in roots.items()]
    return [*options, f"--artifact-root={artifact_root}", *words]


def read_json(path):
    return json.loads(Path(path).read_text())


def test_cli_executes_selected_jobs(made_inputs, tmp_path, program, monkeypatch, capfdbinary):
    """Real mode, one child that succeeds and one that fails: logs, code, telemetry, skips."""
    real_argv = execution.child_argv
    stand_in = program("--exit-for", "test=7")
    monkeypatch.setattr(
        execution, "child_argv", lambda job: real_argv(replace(job, program=stand_in))
    )
    root = tmp_path / "artifacts"
    # The child that stands in holds nothing out.
    words = ("--dose", "1000", "--view", "dense", "--recipe", "seed", "--num-epochs", "2")
    dry = tmp_path / "dry"
    assert reconstruction.main(command(made_inputs, dry, *words, "--dry-run")) == 0

    code = reconstruction.main(command(made_inputs, root, *words))

    assert code == 1, "a failed job must be the run's own failure"
    for split, ended in (("train", "return code 0"), ("test", "return code 7")):
        log = root / "dose_1000" / "dense" / split / "ptychi.log"
        assert log.is_file(), f"no log for {split}"
        text = log.read_text()
        assert f"# job: dose_1000/dense/{split}" in text
        assert f"last words of {split}" in text
        assert f"complaint of {split}" in text
        assert f"# ended: {ended}" in text
    terminal = capfdbinary.readouterr().out.decode()
    assert "last words of train" in terminal
    assert "return code 7" in terminal
    manifest = read_json(root / "reconstruction_manifest.json")
    assert (manifest["total_jobs"], manifest["filtered_jobs"]) == (18, 2)
    assert [job["status"] for job in manifest["jobs"]] == ["succeeded", "failed"]
    results = {result["split"]: result for result in manifest["execution_results"]}
    assert {split: result["returncode"] for split, result in results.items()} == {
        "train": 0,
        "test": 7,
    }
    for split, result in results.items():
        assert (result["dose"], result["view"]) == (1000, "dense")
        assert result["log_path"] == f"dose_1000/dense/{split}/ptychi.log"
        assert result["selection_strategy"] == "greedy"
        assert result["spacing_threshold"] == pytest.approx(0.3 * 32)
        total = result["n_accepted"] + result["n_rejected"]
        assert result["acceptance_rate"] == pytest.approx(result["n_accepted"] / total, abs=1e-6)
    skips = read_json(root / "skip_summary.json")
    assert skips["skipped_count"] == 16
    assert skips == read_json(dry / "skip_summary.json"), "running jobs must not touch the skips"


def test_build_ptychi_jobs_yields_the_18_cells_in_the_study_s_order(made_inputs, tmp_path):
    jobs = reconstruction.build_ptychi_jobs(
        made_inputs / "phase_c", made_inputs / "phase_d", tmp_path / "artifacts"
    )

    assert [str(job.key) for job in jobs] == [
        f"dose_{dose}/{view}/{split}"
        for dose in (1000, 10000, 100000)
        for split in ("train", "test")
        for view in ("baseline", "dense", "sparse")
    ]
    assert jobs[0].input_npz.endswith("phase_c/dose_1000/patched_train.npz")
    assert jobs[1].input_npz.endswith("phase_d/dose_1000/dense/dense_train.npz")
    assert jobs[1].log_path.endswith("artifacts/dose_1000/dense/train/ptychi.log")


def test_dry_run_of_ptychi_jobs_plans_and_launches_nothing(made_inputs, tmp_path, fp):
    root = tmp_path / "artifacts"

    assert reconstruction.main(command(made_inputs, root, "--dry-run")) == 0

    assert not fp.calls, "a dry run must not start a process"
    manifest = read_json(root / "reconstruction_manifest.json")
    assert {job["status"] for job in manifest["jobs"]} == {"planned"}
    assert len(manifest["jobs"]) == 18
    assert all(result["returncode"] is None for result in manifest["execution_results"])
    assert sorted(path.name for path in root.iterdir()) == [
        "reconstruction_manifest.json",
        "skip_summary.json",
    ]


def make_job(inputs, tmp_path, program):
    key = CellKey(1000, "dense", "train")
    source = inputs / "phase_d" / "dose_1000" / "dense" / "dense_train.npz"
    output = tmp_path / "job" / "train"
    return reconstruction.ReconstructionJob(
        key=key,
        input_npz=str(source),
        output_dir=str(output),
        log_path=str(output / "ptychi.log"),
        settings=settings_by(num_epochs=2),
        input_sha256=hashlib.sha256(source.read_bytes()).hexdigest(),
        program=program,
    )


def test_run_ptychi_job_streams_both_streams_to_the_terminal_and_into_the_log(
    made_inputs, tmp_path, program, capfdbinary
):
    job = make_job(made_inputs, tmp_path, program())

    done = reconstruction.run_ptychi_job(job, dry_run=False)

    assert done.returncode == 0
    terminal = capfdbinary.readouterr().out.decode()
    log = Path(job.log_path).read_text()
    for words in ("last words of train", "complaint of train"):
        assert words in terminal
        assert words in log
    lines = log.splitlines()
    assert lines[0] == "# job: dose_1000/dense/train"
    assert lines[1].startswith("# argv: ")
    assert lines[2].startswith("# started: ")
    assert lines[-1].startswith("# ended: return code 0 at ")


def test_run_ptychi_job_raises_with_code_log_and_last_words(made_inputs, tmp_path, program):
    job = make_job(made_inputs, tmp_path, program("--exit", "9"))

    with pytest.raises(JobFailed) as caught:
        reconstruction.run_ptychi_job(job, dry_run=False)

    assert caught.value.returncode == 9
    assert caught.value.log_path in str(caught.value)
    assert "complaint of train" in str(caught.value)
    assert "return code 9" in Path(job.log_path).read_text().splitlines()[-1]


def test_run_ptychi_job_never_overwrites_a_log(made_inputs, tmp_path, program):
    job = make_job(made_inputs, tmp_path, program())
    log = tmp_path / "elsewhere" / "ptychi.log"
    reconstruction.run_ptychi_job(job, dry_run=False, log_path=log)
    assert log.is_file(), "the given log path is the one that counts"
    assert not Path(job.log_path).exists()
    before = log.read_bytes()

    # Nothing but the log is there already.
    other = make_job(made_inputs, tmp_path / "other", program())
    code = reconstruction.terminal.translate(
        lambda: bool(reconstruction.run_ptychi_job(other, dry_run=False, log_path=log))
    )

    assert code == 2, "a log that exists is a usage error"
    assert log.read_bytes() == before


def test_an_absent_phase_d_input_of_a_ptychi_job_is_an_error_or_a_recorded_skip(
    inputs, tmp_path, capsys
):
    gone = inputs / "phase_d" / "dose_1000" / "sparse" / "sparse_test.npz"
    gone.unlink()
    root = tmp_path / "artifacts"

    assert reconstruction.main(command(inputs, root, "--dry-run")) == 3
    assert "sparse_test.npz" in capsys.readouterr().err
    assert not root.exists(), "nothing may be left of a run that was refused"
    with_skips = command(inputs, root, "--dry-run", "--allow-missing-phase-d")
    assert reconstruction.main(with_skips) == 0

    skips = read_json(root / "skip_summary.json")
    assert skips["missing_phase_d_count"] == 1
    assert [(s["dose"], s["view"], s["split"]) for s in skips["skipped_jobs"]] == [
        (1000, "sparse", "test")
    ]
    assert "missing" in skips["skipped_jobs"][0]["reason"]
    manifest = read_json(root / "reconstruction_manifest.json")
    assert (manifest["filtered_jobs"], len(manifest["missing_jobs"])) == (17, 1)
    with pytest.raises(InputInvalid):
        reconstruction.build_ptychi_jobs(inputs / "phase_c", inputs / "phase_d", root)


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (("--lie", 'algorithm="DM"'), "attest.algorithm"),
        (("--lie", "epochs_run=1"), "attest.epochs"),
        (("--lie", f'input.sha256="{"0" * 64}"'), "attest.input"),
        (("--leave", "outputs"), "attest.missing"),
        (("--lie", f"outputs={json.dumps([OTHER_BYTES])}"), "attest.outputs"),
    ],
)
def test_a_ptychi_child_that_exits_0_and_did_something_else_is_a_failed_job(
    made_inputs, tmp_path, program, design, words, rule, capfd
):
    key = CellKey(1000, "dense", "train")
    roots = matrix.Roots(made_inputs / "phase_c", made_inputs / "phase_d", tmp_path / "artifacts")
    filters = {"dose": ("1000",), "view": ("dense",), "split": ("train",)}
    asked = settings_by(num_epochs=2)
    request = execution.Request(
        design, roots, matrix.check_filters(design, filters), asked, program=program(*words)
    )

    assert execution.execute(request) == 1

    result = read_json(roots.artifact / "reconstruction_manifest.json")["execution_results"][0]
    assert (result["status"], result["returncode"]) == ("failed", 0)
    assert rule in [item["rule"] for item in result["findings"]]
    assert f"[{rule}]" in capfd.readouterr().out
    assert f"[{rule}]" in (roots.artifact / str(key) / "run.log").read_text()
