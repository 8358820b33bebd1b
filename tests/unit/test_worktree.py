"""What is recorded of the work tree's commit."""

from __future__ import annotations

import subprocess

from harness import worktree


def test_git_says_commit_and_dirtiness_or_nothing_outside_of_git(tmp_path, monkeypatch):
    assert worktree.state(tmp_path) == {"commit": None, "dirty": None}
    git = ["git", "-c", "user.name=n", "-c", "user.email=e", "-C", str(tmp_path)]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run([*git, *words], check=True)
    clean = worktree.state(tmp_path)
    assert len(clean["commit"]) == 40
    assert clean["dirty"] is False
    (tmp_path / "new").write_text("")
    assert worktree.state(tmp_path) == {**clean, "dirty": True}
    monkeypatch.setenv("PATH", str(tmp_path))
    assert worktree.state(tmp_path) == {"commit": None, "dirty": None}
