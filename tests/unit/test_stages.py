"""Whole stages in a small repository: what passes, fails, is interrupted, and the record."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from harness import cli, hub, layout, publish, resources, verify
from harness.errors import UsageError
from harness.stages import frame
from tests import npz_files, small_tree
from tests.unit.test_prepare import save_base
from tests.unit.test_runner import is_alive, wait_until

JOB = "real_run/dose_1000/baseline/train"


def read(path):
    return json.loads(Path(path).read_text())


def findings(root):
    return verify.verify(hub.entries(root), publish.reader(root), resources.schema)


def change(path, old, new):
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


@pytest.fixture
def new_hub(tree):
    return small_tree.new_hub(tree)


def test_a_hub_with_all_stages_says_what_happened(complete_hub):
    records = {name: read(complete_hub / path / "stage.json") for name, path in STAGE_FOLDERS}
    assert [record["verdict"] for record in records.values()] == ["pass"] * 5
    assert records["red"]["tests"] == {"failed": 6, "passed": 2}
    assert records["green"]["tests"] == {"passed": 2}
    assert records["collect"]["tests"] is None
    for record in records.values():
        assert [gate["verdict"] for gate in record["gates"]] == ["pass", "pass"]
        assert record["gates"][0]["checked"] == (4 if record["stage"] == "real-run" else 18)
        for command in record["commands"]:
            shown = command["environment_set"]
            assert shown["AUTHORITATIVE_CMDS_DOC"] == "./docs/TESTING_GUIDE.md"
            assert str(Path.home()) not in " ".join(command["argv"][:1])
    assert (complete_hub / "red" / layout.RED_LOG).is_file()
    assert (complete_hub / "green" / layout.GREEN_MAPPED_LOG).is_file()
    assert (complete_hub / "green" / layout.GREEN_SUITE_LOG).is_file()
    assert (complete_hub / "collect" / layout.COLLECT_LOG).is_file()
    assert (complete_hub / "cli" / layout.DRY_RUN_LOG).is_file()


STAGE_FOLDERS = list(layout.STAGE_DIRECTORIES.items())


def test_the_summary_of_a_hub_has_verdicts_jobs_skips_hardware_and_commands(complete_hub):
    text = (complete_hub / "docs" / "summary.md").read_text()
    for name in layout.STAGES:
        assert f"| {name} | PASS |" in text
    assert "4 selected" in text
    assert "14 skipped" in text
    assert "view sparse not requested" in text
    assert "DATA-001" in text
    assert re.search(r"\n```bash\nPRESET=smoke nox -s red green collect dry_run", text)
    assert "nox -s real_run" in text
    assert not (complete_hub / "docs" / "blocker.md").exists()


def test_a_failing_child_fails_the_stage_and_leaves_a_sound_hub_and_a_blocker(tree, new_hub, capfd):
    assert small_tree.run_stage(tree, new_hub, "real-run", child="--exit 3") == 1

    record = read(new_hub / "real_run" / "stage.json")
    assert (record["verdict"], record["exit_code"]) == ("fail", 1)
    assert {item["rule"] for item in record["findings"]} == {"stage.command", "stage.job"}
    assert findings(new_hub) == ()
    blocker = (new_hub / "docs" / "blocker.md").read_text()
    assert "real-run" in blocker
    assert f"{JOB}/ptychi.log" in blocker
    said = capfd.readouterr().out
    assert "last words of train" in said
    assert "stage real-run: FAIL" in said
    assert "make blocked" in said
    assert publish.blocker_entry(new_hub) in said


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ("--lie loss.last=NaN", "attest.unreadable"),
        ("--lie epochs_run=-5", "schema.attestation"),
        ("--lie epochs_run=1", "attest.epochs"),
        ("--leave outputs", "attest.missing"),
    ],
)
def test_a_child_that_attests_badly_fails_its_job_and_the_hub_still_verifies(
    tree, new_hub, words, rule
):
    assert small_tree.run_stage(tree, new_hub, "real-run", child=words) == 1
    results = read(new_hub / "real_run" / layout.MANIFEST)["execution_results"]
    assert [result["status"] for result in results] == ["failed"] * 4
    assert all(rule in [item["rule"] for item in result["findings"]] for result in results)
    assert findings(new_hub) == ()
    assert rule in (new_hub / JOB / "run.log").read_text()


def test_fail_fast_reaches_the_run_and_the_rest_is_not_launched(tree, new_hub):
    assert (
        small_tree.run_stage(
            tree, new_hub, "real-run", "--parallel=1", "--fail-fast", child="--exit 3"
        )
        == 1
    )
    document = read(new_hub / "real_run" / layout.MANIFEST)
    assert [job["status"] for job in document["jobs"]] == ["failed"] + ["not_launched"] * 3
    assert findings(new_hub) == ()


def make_base(folder):
    """A base with positions so close together that the sparse view keeps one of a split."""
    arrays = npz_files.scan_arrays(frames=12)
    arrays["xcoords"] = (16 + (arrays["xcoords"] - 16) / 2).astype("float32")
    return npz_files.save(folder / "base.npz", arrays)


def test_a_closed_gate_ends_the_stage_with_3_and_a_blocker_that_is_noted_once(tree, new_hub):
    base = make_base(tree)
    words = ("--hub", new_hub, "--preset", "smoke", "--base", base)

    done = small_tree.run(tree, "harness", "stage", "dry-run", *words)

    assert done.returncode == 3, done.stdout + done.stderr
    assert "stage dry-run: FAIL" in done.stdout
    assert "[input.missing]" in done.stdout
    record = read(new_hub / "cli" / "stage.json")
    assert record["gates"][0]["verdict"] == "fail"
    assert record["commands"] == [], "nothing runs behind a closed gate"
    assert findings(new_hub) == ()
    assert "[input.missing]" in (new_hub / "docs" / "blocker.md").read_text()
    plan = tree / "docs" / "fix_plan.md"
    before = plan.read_text()
    for said in ("appended to docs/fix_plan.md", "has this entry already"):
        done = small_tree.run(tree, "harness", "blocked", new_hub)
        assert done.returncode == 0
        assert said in done.stdout
    after = plan.read_text()
    assert after.startswith(before.rstrip("\n"))
    assert after.count("stage dry-run failed (exit code 3)") == 1
    assert small_tree.run(tree, "harness", "verify", new_hub).returncode == 0


def test_a_stage_that_is_refused_on_its_way_is_recorded_as_such(tree, new_hub):
    in_a_line = save_base(tree / "mine.npz", ycoords=np.full(50, 30.0))
    words = ("--hub", new_hub, "--preset", "smoke", "--base", in_a_line)
    done = small_tree.run(tree, "harness", "stage", "collect", *words)
    assert done.returncode == 3, done.stdout + done.stderr
    record = read(new_hub / "collect" / "stage.json")
    assert "base NPZ cannot serve" in record["refused"]["message"]
    assert {"inputs.base"} == {item["rule"] for item in record["refused"]["findings"]}
    assert findings(new_hub) == ()


def test_a_stage_with_a_base_leaves_the_inputs_of_others_as_they_are(tree, new_hub):
    scratch = tree / layout.scratch(small_tree.INITIATIVE, "smoke")
    before = small_tree.digests(scratch)
    base = next(scratch.glob("phase_c/dose_1000/patched_train.npz"))
    base = Path(shutil.copy(base, tree / "mine.npz"))
    words = ("--hub", new_hub, "--preset", "smoke", "--base", base)
    done = small_tree.run(tree, "harness", "stage", "dry-run", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert small_tree.digests(scratch) == before
    settings = read(new_hub / "cli" / "stage.json")["settings"]
    own = scratch.with_name(f"smoke-base-{settings['base_sha256'][:12]}")
    assert (own / "phase_c").is_dir()
    assert "BASE=PATH/TO/mine.npz " in (new_hub / "docs" / "summary.md").read_text()
    assert findings(new_hub) == ()


def test_nothing_selected_in_a_stage_ends_with_5(tree, new_hub):
    words = ("--hub", new_hub, "--preset", "smoke", "--view=baseline", "--gridsize=2")
    done = small_tree.run(tree, "harness", "stage", "dry-run", *words)
    assert done.returncode == 5, done.stdout + done.stderr
    assert read(new_hub / "cli" / "stage.json")["exit_code"] == 5
    assert findings(new_hub) == ()


def test_a_second_stage_joins_the_hub_and_cites_the_first(tree, small_hub, tmp_path, monkeypatch):
    before, summary = small_tree.digests(small_hub), tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert small_tree.run_stage(tree, small_hub, "collect") == 0
    assert f"after collect: head sha256 `{hub.head(small_hub)}`" in summary.read_text()
    record = read(small_hub / "collect" / "stage.json")
    assert record["previous"] == {"path": "cli/stage.json", "sha256": before["cli/stage.json"]}
    after = small_tree.digests(small_hub)
    rewritten = {layout.SEAL, layout.SUMMARY, layout.CRATE}
    assert {path for path in before if before[path] != after[path]} == rewritten
    assert findings(small_hub) == ()


def test_a_hub_serves_one_process_at_a_time(tree, small_hub):
    before = small_tree.digests(small_hub)
    words = ("--hub", small_hub, "--preset", "smoke")
    with hub.locked(small_hub):
        done = small_tree.run(tree, "harness", "stage", "collect", *words)
        with pytest.raises(UsageError, match="another process"), hub.locked(small_hub):
            pass
    assert done.returncode == 2
    assert "another process is writing to hub" in done.stderr
    assert small_tree.digests(small_hub) == before
    with hub.locked(small_hub):
        pass


@contextmanager
def started(tree, *words, child):
    """Start a command of the small repository; it has ended when the block is left."""
    run = subprocess.Popen(
        [sys.executable, "-m", *map(str, words)],
        cwd=tree,
        env={**os.environ, small_tree.CHILD_WORDS: child},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with run:
        try:
            yield run
        finally:
            run.kill()


def child_pid(log):
    """Wait for a child that has spoken; return its process id."""

    def spoken():
        return re.search(r"\npid (\d+)\n", log.read_text()) if log.is_file() else None

    wait_until(spoken, 60)
    return int(spoken()[1])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_ends_its_child_and_says_how_far_it_came(tree, number):
    inputs = tree / layout.scratch(small_tree.INITIATIVE, "smoke")
    roots = ("--phase-c-root", inputs / "phase_c", "--phase-d-root", inputs / "phase_d")
    words = ("--artifact-root", tree / "out", "--dose=1000", "--view=dense", "--parallel=1")
    log = tree / "out" / "dose_1000" / "dense" / "train" / "ptychi.log"
    with started(tree, "harness.reconstruction", *roots, *words, child="--sleep-s 60") as run:
        pid = child_pid(log)

        # An impatient person, and nox after her, send more than one signal.
        for each in (number, signal.SIGTERM, signal.SIGINT):
            run.send_signal(each)
        _, said = run.communicate(timeout=60)

    assert run.returncode == 130
    assert "interrupted; what was recorded so far is kept" in said
    assert "Traceback" not in said
    assert not is_alive(pid)
    document = read(tree / "out" / layout.MANIFEST)
    states = [(job["split"], job["status"]) for job in document["jobs"]]
    assert states == [("train", "interrupted"), ("test", "not_launched")]
    assert document["execution_results"][0]["finished_at"]
    assert "# ended: signal SIGTERM" in log.read_text().splitlines()[-1]
    assert "status: interrupted" in log.with_name("run.log").read_text()


def test_an_interrupted_stage_is_recorded_sealed_and_verifies(tree, new_hub):
    words = ("--hub", new_hub, "--preset", "smoke", *small_tree.ONE_JOB)
    folder = new_hub / "real_run"
    with started(tree, "harness", "stage", "real-run", *words, child="--sleep-s 60") as run:
        pid = child_pid(folder / "dose_1000" / "dense" / "train" / "ptychi.log")

        run.send_signal(signal.SIGINT)
        said, complaints = run.communicate(timeout=60)

    assert run.returncode == 130, said + complaints
    assert not is_alive(pid)
    record = read(folder / "stage.json")
    assert (record["interrupted"], record["verdict"]) == (True, "fail")
    assert record["exit_code"] == 130
    assert [each["name"] for each in record["commands"]] == ["plan", "reconstruction"]
    last = record["commands"][-1]
    assert last["returncode"] == 130
    ended = f"# ended: return code 130 at {last['finished_at']}\n"
    assert ended in (new_hub / last["log_path"]).read_text()
    predicate = read(folder / layout.PROVENANCE)["predicate"]
    ran = predicate["buildDefinition"]["internalParameters"]["commands"]
    assert [each["argv"] for each in ran] == [each["argv"] for each in record["commands"]]
    assert read(folder / layout.MANIFEST)["jobs"][0]["status"] == "interrupted"
    assert "stage.interrupted" in (new_hub / "docs" / "blocker.md").read_text()
    assert findings(new_hub) == ()
    assert small_tree.run(tree, "harness", "verify", new_hub).returncode == 0


def test_a_stage_interrupted_before_its_gates_is_recorded_too(tree, new_hub, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(frame.prepare, "prepare_inputs", interrupt)
    assert small_tree.run_stage(tree, new_hub, "collect") == 130
    assert read(new_hub / "collect" / "stage.json")["gates"] == []
    assert findings(new_hub) == ()


# RED, GREEN and collect when they must not pass.


def test_red_fails_when_a_fault_survives_or_no_longer_applies(tree, new_hub):
    faults = tree / "tests" / "faults.toml"
    change(faults, 'CHILD_LOG = "PTYCHI.LOG"', 'CHILD_LOG = "ptychi.log"  #')
    text = faults.read_text()
    head, _, last = text.rpartition("find = 'CHILD_LOG = \"ptychi.log\"'")
    faults.write_text(head + "find = 'CHILD_LOG = \"gone.log\"'" + last)

    assert small_tree.run_stage(tree, new_hub, "red") == 1

    found = [
        (item["rule"], item["pointer"]) for item in read(new_hub / "red/stage.json")["findings"]
    ]
    killed = [place.partition(" ")[0] for rule, place in found if rule == "red.killed"]
    assert set(killed) == {"in-capitals", "cut"}
    assert findings(new_hub) == ()


def test_a_mapped_test_that_fails_as_the_tree_stands_is_red_by_nature(tree, new_hub):
    change(tree / "harness" / "layout.py", 'CHILD_LOG = "ptychi.log"', 'CHILD_LOG = "not-yet"')
    assert small_tree.run_stage(tree, new_hub, "red") == 0
    proof = read(new_hub / "red" / "proof.json")
    assert len(proof["natural"]) == 2
    assert findings(new_hub) == ()


def test_a_test_that_fails_in_red_and_passes_in_green_over_the_same_code_is_no_proof(tree, new_hub):
    note = tree / "aside" / "note.txt"
    note.parent.mkdir()
    note.write_text("RED's copy of the tree lacks this.")
    test = tree / "tests" / "study" / "test_small.py"
    asks = (
        f"    assert __import__('pathlib').Path({note.relative_to(tree).as_posix()!r}).is_file()\n"
    )
    text = re.sub(r"^(def test_.*:\n)", rf"\1{asks}", test.read_text(), flags=re.MULTILINE)
    test.write_text(text)
    assert small_tree.run_stage(tree, new_hub, "red") == 0
    natural = read(new_hub / "red" / "proof.json")["natural"]
    assert natural
    assert small_tree.run_stage(tree, new_hub, "green") == 1
    told = read(new_hub / "green/stage.json")["findings"]
    assert [(item["rule"], item["pointer"]) for item in told] == [
        ("stage.pair", test) for test in sorted(natural)
    ]
    assert findings(new_hub) == ()


def test_red_is_refused_without_faults_and_with_faults_that_break_their_schema(tree, new_hub):
    faults = tree / "tests" / "faults.toml"
    hubs = iter([new_hub, *(small_tree.new_hub(tree) for _ in range(2))])
    for text, code in (("[[", 3), ('format = "other"', 3), (None, 2)):
        faults.unlink() if text is None else faults.write_text(text)
        root = next(hubs)
        assert small_tree.run_stage(tree, root, "red") == code
        assert "faults.toml" in read(root / "red" / "stage.json")["refused"]["message"]
        assert findings(root) == ()


def test_green_fails_when_a_test_fails_or_skips_itself(tree, new_hub):
    module = tree / "tests" / "study" / "test_small.py"
    change(
        module, "    assert layout.CHILD_LOG.endswith", "    assert not layout.CHILD_LOG.endswith"
    )
    change(module, "def test_mapped():", "import pytest\n@pytest.mark.skip\ndef test_mapped():")
    assert small_tree.run_stage(tree, new_hub, "green") == 1
    record = read(new_hub / "green" / "stage.json")
    assert record["tests"] == {"failed": 1, "skipped": 1}
    assert "green.passed" in {item["rule"] for item in record["findings"]}
    assert findings(new_hub) == ()


def test_collect_fails_when_the_index_lacks_a_test(tree, new_hub):
    change(
        tree / "docs" / "development" / "TEST_SUITE_INDEX.md",
        "| `tests/study/test_small.py::test_another` | nothing |\n",
        "",
    )
    assert small_tree.run_stage(tree, new_hub, "collect") == 1
    record = read(new_hub / "collect" / "stage.json")
    assert [item["rule"] for item in record["findings"]] == ["collect.listed"]
    assert findings(new_hub) == ()


def test_the_command_runs_a_stage_lists_hubs_and_notes_a_failed_one(
    tree, new_hub, monkeypatch, capsys
):
    monkeypatch.chdir(tree)
    monkeypatch.setenv("PYTHONPATH", str(tree))
    words = [
        "--preset",
        "smoke",
        "--view",
        "sparse",
        "--num-epochs",
        "3",
        "--allow-missing-phase-d",
    ]

    assert cli.main(["stage", "dry-run", "--hub", str(new_hub), *words]) == 0

    options = read(new_hub / "cli" / "stage.json")["settings"]["options"]
    assert options == ["--view", "sparse", "--allow-missing-phase-d", "--num-epochs", "3"]
    assert cli.main(["hubs"]) == 0
    assert "dry-run pass" in capsys.readouterr().out
    assert cli.main(["blocked", str(new_hub)]) == 2
    assert "nothing to append" in capsys.readouterr().err
