"""With --git, the code that a stage hashed is held to the commit that it names."""

from __future__ import annotations

import json
import shutil

import pytest

from harness import cli, committed, provenance, records
from tests import small_tree
from tests.unit.test_red_base import git
from tests.unit.test_verify import edit

COLLECT = records.stage_path("collect")
DIGESTS = records.digests_path("collect")


@pytest.fixture(scope="module")
def made(sound_tree, tmp_path_factory):
    """A small repository with one commit, and a hub of its stage collect."""
    tree = small_tree.copy(sound_tree, tmp_path_factory.mktemp("committed") / "tree")
    (tree / ".gitignore").write_text("tmp/\nplans/active/*/reports/\n__pycache__/\n*.swp\n")
    git(tree, "init", "-q")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "sound")
    root = small_tree.new_hub(tree)
    assert small_tree.run_stage(tree, root, "collect") == 0
    return tree, root


@pytest.fixture
def forged(made, tmp_path):
    """The tree, and its hub to be changed."""
    tree, root = made
    return tree, shutil.copytree(root, tmp_path / "hub")


def told(tree, root):
    return [
        (item.rule, item.where, item.expected, item.found) for item in committed.check(root, tree)
    ]


def test_the_code_of_a_clean_stage_is_that_of_its_commit(made):
    tree, root = made
    record = json.loads((root / COLLECT).read_bytes())
    assert record["git"] == {"commit": git(tree, "rev-parse", "HEAD"), "dirty": False}
    assert told(tree, root) == []


def test_what_git_gives_of_a_commit_is_what_a_stage_hashes_of_its_tree(made):
    tree, _ = made
    assert committed.code_at(tree, "HEAD") == provenance.code_files(tree)


def test_links_among_the_code_are_followed_as_a_stage_follows_them(sound_tree, tmp_path):
    tree = small_tree.copy(sound_tree, tmp_path / "tree")
    (tree / "docs" / "aside").mkdir(parents=True)
    (tree / "docs" / "aside" / "more.py").write_text("MORE = 1\n")
    (tree / "tests" / "aside").symlink_to("../docs/aside")
    (tree / "tests" / "one.py").symlink_to("aside/more.py")
    git(tree, "init", "-q")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "with links")
    known = provenance.code_files(tree)
    assert known["tests/one.py"] == known["tests/aside/more.py"] is not None
    assert committed.code_at(tree, "HEAD") == known


@pytest.mark.parametrize("path", ["harness/npz.py", "tests/study/test_small.py", "Makefile"])
def test_a_file_left_out_added_or_of_other_bytes_is_told(forged, path):
    tree, root = forged
    commit = git(tree, "rev-parse", "HEAD")
    known = provenance.code_files(tree)[path]

    def change(document):
        code = document["before"]["code"]
        del code[path]
        code["harness/more.py"] = "a" * 64
        code["noxfile.py"] = "b" * 64

    edit(root, DIGESTS, change)
    at, wrong = f"in commit {commit[:12]}", provenance.code_files(tree)["noxfile.py"]
    assert told(tree, root) == sorted(
        [
            ("hub.commit", path, f"sha256 {known} {at}", "no such file"),
            ("hub.commit", "harness/more.py", f"no such file {at}", f"sha256 {'a' * 64}"),
            ("hub.commit", "noxfile.py", f"sha256 {wrong} {at}", f"sha256 {'b' * 64}"),
        ],
        key=lambda item: item[1],
    )


@pytest.mark.parametrize("commit", ["d" * 40, "--all", ""])
def test_a_commit_that_git_does_not_have_is_told(forged, commit):
    tree, root = forged
    edit(root, COLLECT, lambda record: record["git"].update(commit=commit))
    expected = f"commit {commit} in git"
    assert told(tree, root) == [("hub.commit", COLLECT, expected, "no such commit")]


@pytest.mark.parametrize("git_state", [{"dirty": True}, {"dirty": None, "commit": None}])
def test_a_stage_with_changes_or_outside_git_is_not_held_to_a_commit(forged, git_state):
    tree, root = forged
    edit(root, COLLECT, lambda record: record["git"].update(git_state))
    edit(root, DIGESTS, lambda document: document["before"]["code"].clear())
    assert told(tree, root) == []


def test_verify_git_tells_it(forged, monkeypatch, capsys):
    tree, root = forged
    monkeypatch.chdir(tree)
    place = tree / "plans" / "active" / "S" / "reports" / "2026-01-02T030405Z" / "slug"
    place.parent.mkdir(parents=True)
    root.rename(place)
    assert cli.main(["anchor", str(place)]) == 0
    assert cli.main(["verify", str(place), "--git"]) == 0
    (tree / "harness" / "npz.py").write_text("")
    git(tree, "commit", "-qam", "later")
    assert cli.main(["verify", str(place), "--git"]) == 0
    edit(
        place, DIGESTS, lambda document: document["before"]["code"].update({"harness/npz.py": None})
    )
    capsys.readouterr()
    assert cli.main(["verify", str(place), "--git", "--format=json"]) == 4
    found = json.loads(capsys.readouterr().out)["findings"]
    assert ("hub.commit", "harness/npz.py") in [(item["rule"], item["where"]) for item in found]
