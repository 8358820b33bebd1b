"""A hub's head kept elsewhere catches a hub that was forged and sealed again as a whole."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from harness import anchor, arrays, cli, files, hub, layout, publish, resources, verify
from tests.unit.test_verify import edit, mend

A, B = "a" * 64, "b" * 64


def git(root, *words):
    done = subprocess.run(["git", "-C", root, *words], check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A git work tree with one commit; commands run in it."""
    root = tmp_path / "checkout"
    root.mkdir()
    for person in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{person}_NAME", "A")
        monkeypatch.setenv(f"GIT_{person}_EMAIL", "a@example.org")
    git(root, "init", "-q")
    git(root, "commit", "-q", "--allow-empty", "-m", "first")
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def own_hub(repository, complete_hub):
    """A whole hub inside the work tree, to be forged."""
    place = Path("plans/active/S/reports/2026-01-02T030405Z/slug")
    return Path(shutil.copytree(complete_hub, place))


def forge(root):
    """Give a whole hub a better result: every array, record, digest and document in accord."""
    job = "real_run/dose_1000/dense/train"
    place = root / job / layout.RECONSTRUCTION
    with np.load(place) as archive:
        held = dict(archive)
    held["loss_per_epoch"][-1] = 1e-9
    np.savez(place, **held)

    def better(result):
        result["loss"]["last"] = result["loss"]["per_epoch"][-1] = 1e-9
        result["arrays"]["loss_per_epoch"] = arrays.identity(held["loss_per_epoch"])
        (output,) = result["outputs"]
        output |= {"sha256": files.sha256_file(place), "bytes": place.stat().st_size}

    def in_manifest(document):
        for result in document["execution_results"]:
            if result["log_path"].startswith(job):
                result["final_loss"] = 1e-9

    edit(root, f"{job}/result.json", better)
    edit(root, f"real_run/{layout.MANIFEST}", in_manifest)
    mend(root, "real-run")


def findings_of(capsys, *words):
    """Run verify; return its exit code and its findings."""
    code = cli.main(["verify", *map(str, words), "--format=json"])
    document = json.loads(capsys.readouterr().out)
    return code, {(item["rule"], item["where"]) for item in document["findings"]}


def test_a_forged_hub_holds_by_itself_and_is_caught_by_its_head(own_hub, capsys):
    head = hub.head(own_hub)
    assert findings_of(capsys, own_hub, "--head", head) == (0, set())
    assert findings_of(capsys, own_hub, "--head", head.upper()) == (0, set())

    forge(own_hub)

    assert verify.verify(hub.entries(own_hub), publish.reader(own_hub), resources.schema) == ()
    assert findings_of(capsys, own_hub) == (0, set()), "nothing inside can tell"
    assert findings_of(capsys, own_hub, "--head", head) == (4, {("hub.head", layout.SEAL)})


def test_a_forged_hub_is_caught_by_the_note_in_git(own_hub, capsys):
    assert cli.main(["anchor", str(own_hub)]) == 0
    assert hub.head(own_hub) in capsys.readouterr().out
    assert findings_of(capsys, own_hub, "--git") == (0, set())
    note = git(".", "notes", "--ref=hubs", "show", "HEAD")
    assert note.split()[1:] == [hub.head(own_hub), own_hub.as_posix()]

    forge(own_hub)

    assert findings_of(capsys, own_hub, "--git") == (4, {("hub.head", layout.SEAL)})


def test_a_copy_elsewhere_and_a_hub_anchored_at_an_earlier_commit_are_known(
    own_hub, tmp_path, capsys
):
    assert cli.main(["anchor", str(own_hub)]) == 0
    git(".", "commit", "-q", "--allow-empty", "-m", "second")
    copied = shutil.copytree(own_hub, tmp_path / "disk" / own_hub.parent.name / own_hub.name)
    capsys.readouterr()
    assert findings_of(capsys, copied, "--git") == (0, set())
    forge(copied)
    assert findings_of(capsys, copied, "--git") == (4, {("hub.head", layout.SEAL)})


def test_the_newest_note_counts_so_that_an_older_state_is_caught(own_hub, tmp_path, capsys):
    older = Path(shutil.copytree(own_hub, tmp_path / "older"))
    assert cli.main(["anchor", str(own_hub)]) == 0
    forge(own_hub)
    assert cli.main(["anchor", str(own_hub)]) == 0
    capsys.readouterr()
    assert findings_of(capsys, own_hub, "--git") == (0, set())
    shutil.rmtree(own_hub)
    shutil.copytree(older, own_hub)
    assert findings_of(capsys, own_hub, "--git") == (4, {("hub.head", layout.SEAL)})


def test_a_hub_that_no_note_knows_is_a_finding(own_hub, capsys):
    assert findings_of(capsys, own_hub, "--git") == (4, {("hub.anchor", layout.SEAL)})


def test_a_hub_that_does_not_hold_is_not_anchored(own_hub, capsys):
    (own_hub / "docs" / "opinion.md").write_text("It went well.")
    assert cli.main(["anchor", str(own_hub)]) == 4
    assert "seal.extra" in capsys.readouterr().err
    assert git(".", "notes", "--ref=hubs", "list") == ""


def test_findings_inside_and_outside_come_together(own_hub, capsys):
    (own_hub / "docs" / "opinion.md").write_text("It went well.")
    code, found = findings_of(capsys, own_hub, "--head", A)
    assert code == 4
    assert {("hub.head", layout.SEAL), ("seal.extra", "docs/opinion.md")} <= found


def test_a_hub_without_a_seal_has_no_head(own_hub, capsys):
    (own_hub / layout.SEAL).unlink()
    code, found = findings_of(capsys, own_hub, "--head", A)
    assert code == 4
    assert {("hub.head", layout.SEAL), ("seal.missing", layout.SEAL)} <= found


@pytest.mark.parametrize("head", ["", "abc", "g" * 64, A + "0"])
def test_what_cannot_be_a_head_is_refused(own_hub, capsys, head):
    assert cli.main(["verify", str(own_hub), "--head", head]) == 2
    assert "is no sha256" in capsys.readouterr().err


def test_no_git_no_commit_and_no_such_hub_are_refused(complete_hub, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for words in (["verify", str(complete_hub), "--git"], ["anchor", str(complete_hub)]):
        assert cli.main(words) == 2
        assert "not inside a git work tree" in capsys.readouterr().err
    git(tmp_path, "init", "-q")
    assert cli.main(["anchor", str(complete_hub)]) == 2
    assert "git took no note" in capsys.readouterr().err
    assert cli.main(["anchor", "gone"]) == 2
    assert cli.main(["verify", "gone", "--git", "--head", A]) == 2


def test_a_name_that_would_write_a_line_of_its_own_is_refused(repository, complete_hub):
    named = shutil.copytree(complete_hub, repository / f"x\n2026-01-01T00:00:00  {A}  slug")
    with pytest.raises(anchor.UsageError, match="no line of a note"):
        anchor.anchor(Path(named), repository)


@pytest.mark.parametrize(
    ("notes", "name", "head"),
    [
        ([], "p/t/s", None),
        (["words\n\n2026-01-02  short  p/t/s"], "p/t/s", None),
        ([f"2026-01-02  {A}  p/t/s\n\n2026-01-03  {B}  p/t/s"], "p/t/s", B),
        ([f"2026-01-03  {B}  p/t/s", f"2026-01-02  {A}  p/t/s"], "p/t/s", B),
        ([f"2026-01-03  {B}  q/t/s\n2026-01-02  {A}  p/t/s"], "p/t/s", A),
        ([f"2026-01-03  {B}  q/t/s\n2026-01-02  {A}  p/t/s"], "t/s", B),
        ([f"2026-01-03  {B}  q/t/other"], "p/t/s", None),
    ],
)
def test_the_latest_line_on_the_very_hub_counts(notes, name, head):
    assert anchor.latest(notes, name) == head


def test_each_stage_s_head_goes_into_the_job_summary_of_ci(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    anchor.tell_ci("plans/a hub", "red", A)
    anchor.tell_ci("plans/a hub", "green", B)
    assert (tmp_path / "summary.md").read_text() == (
        f"- `plans/a hub` after red: head sha256 `{A}`\n"
        f"- `plans/a hub` after green: head sha256 `{B}`\n"
    )
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "no folder" / "summary.md"))
    anchor.tell_ci("plans/a hub", "red", A)
    assert "the job summary took no head: No such file or directory" in capsys.readouterr().err
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    anchor.tell_ci("plans/a hub", "red", A)
