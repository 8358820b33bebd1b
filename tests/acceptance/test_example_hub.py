"""The hub that is committed as the example: whole, small, and verified by this very tree."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from harness import audit, cli, committed, layout, publish, recompute, records, studyfile, worktree
from harness.resources import REPOSITORY
from tests.attack import attacks, hubs

LARGEST_BYTES = 4_500_000


@pytest.fixture(scope="module")
def example():
    """The folder of the one hub that git knows."""
    listed = worktree.ask(REPOSITORY, "ls-files", "-z", "plans/active") or b""
    paths = [PurePosixPath(name) for name in listed.decode().split("\0") if name]
    (marker,) = (path for path in paths if path.name == records.MARKER)
    return REPOSITORY / marker.parent


def test_the_example_has_all_five_stages_and_each_passed(example):
    assert publish.verdicts(publish.reader(example)) == [f"{stage} pass" for stage in layout.STAGES]


def test_the_example_verifies(example, capsys):
    assert cli.main(["verify", str(example)]) == 0, capsys.readouterr().err


def test_the_example_s_code_is_that_of_its_commit_where_git_has_it(example):
    read = publish.reader(example)
    (commit,) = {record["git"]["commit"] for _, record in records.stages(read)}
    told = {
        (item.where, item.expected, item.found) for item in committed.check(example, REPOSITORY)
    }
    # A shallow clone lacks the commit, and is told so of each stage.
    lacking = {
        (records.path_of(stage), f"commit {commit} in git", "no such commit")
        for stage in layout.STAGES
    }
    assert told == (lacking if worktree.commit_of(REPOSITORY, commit) is None else set())


def test_the_example_is_small_and_holds_a_real_reconstruction(example):
    files = [path for path in example.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < LARGEST_BYTES
    run = records.run_of(publish.reader(example), "real-run")
    done = [job for job in run.manifest["jobs"] if job["status"] == "succeeded"]
    assert done
    result = records.document(publish.reader(example), f"{done[0]['output_dir']}/{layout.RESULT}")
    assert result["reconstructor"].endswith(".LSQMLReconstructor")


@pytest.fixture(scope="module")
def at_hand(made_inputs):
    """The example's inputs, made anew from its study: the same bytes."""
    return audit.Inputs(made_inputs, studyfile.load())


def test_the_example_s_figures_are_those_that_its_inputs_and_arrays_give(example, at_hand):
    done = audit.audit(example, at_hand)
    assert done.findings == ()
    how = {(item.claim, item.how) for item in done.accounts}
    for claim in ("misfit", "truth-error", "metrics", "halves", "dose", "disjoint"):
        assert {each for name, each in how if name == claim} == {recompute.RECOMPUTED}, claim
    assert ("final-loss", recompute.COMPARED) in how


def test_each_figure_forged_and_every_digest_mended_is_found_with_the_inputs(example, at_hand):
    sound = hubs.load(example)
    run = records.run_of(sound.read, "real-run")
    job = run.manifest["jobs"][0]["output_dir"]
    result = f"{job}/{layout.RESULT}"
    listed = f"{layout.RUN_FOLDERS['real-run']}/{layout.MANIFEST}"
    cases = list(attacks.on_figures(sound, result, listed, job))
    assert len(cases) == 7
    for case in cases:
        struck = hubs.strike(sound, case.attack, hubs.MENDS)
        rules = {item.rule for item in hubs.findings(struck, at_hand) if item.where == result}
        assert rules & {"recompute.metrics", "recompute.misfit", "recompute.final-loss"}, case.kind
