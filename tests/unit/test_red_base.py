"""RED against an earlier commit, today's tests laid over it: only assertions count there too."""

from __future__ import annotations

import json
import subprocess

import pytest

from harness import (
    canonical,
    cli,
    commands,
    hub,
    judge,
    publish,
    redproof,
    resources,
    scratch,
    verify,
)
from tests import small_tree
from tests.attack import hubs

LOG = 'CHILD_LOG = "ptychi.log"'
READ_BY_PYTEST = ("conftest.py", "pytest.ini", ".pytest.ini", "tox.ini", "setup.cfg", "pytest.toml")
STATEMENT = "red/test-result.intoto.json"


def git(root, *words):
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    done = subprocess.run(
        ["git", "-C", root, *who, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def change(path, old, new):
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


@pytest.fixture
def history(tree):
    """The small repository in git: commits broken in ways of their own, the last one sound."""
    source = tree / "harness" / "layout.py"
    sound = source.read_text()
    reporter = tree / "harness" / "pytest_report.py"
    written = reporter.read_text()
    # What git leaves out of archives of a commit is part of its tree.
    (tree / ".gitattributes").write_text("harness/layout.py export-ignore\n")
    (tree / ".gitignore").write_text("tmp/\nplans/active/*/reports/\n__pycache__/\n")
    git(tree, "init", "-q")
    commits = {}
    for name, text in {
        "absent": sound.replace(LOG, 'CHILD_LOG = "child"'),
        "no such name": sound.replace(LOG, 'OTHER_LOG = "ptychi.log"'),
        "cannot be imported": sound + "\nimport not_there\n",
        "has no reporter": sound.replace(LOG, 'CHILD_LOG = "child"'),
        "sound": sound,
    }.items():
        source.write_text(text)
        if name == "has no reporter":
            reporter.unlink()
        else:
            reporter.write_text(written)
        for each in READ_BY_PYTEST:
            (tree / each).write_text("# of then\n")
        # What the tests were then is of no account: today's are laid over them.
        (tree / "tests" / "study" / "test_old.py").write_text("def test_old(): assert False\n")
        git(tree, "add", "-A")
        git(tree, "commit", "-q", "-m", name)
        commits[name] = git(tree, "rev-parse", "HEAD")
    for each in ("tests/study/test_old.py", *READ_BY_PYTEST):
        (tree / each).unlink()
    return tree, commits


def red(history, base):
    tree, commits = history
    root = small_tree.new_hub(tree)
    code = small_tree.run_stage(tree, root, "red", base_ref=commits.get(base, base))
    return root, code, json.loads((root / "red" / "stage.json").read_text())


def at_the_base(root):
    proof = json.loads((root / "red" / "proof.json").read_text())
    there = [each for each in proof["outcomes"] if (each["fault_id"] or "").startswith("base:")]
    return proof, {each["outcome"] for each in there}


@pytest.mark.parametrize("base", ["absent", "has no reporter"])
def test_tests_that_fail_by_assertion_at_the_base_are_red(history, base):
    root, code, record = red(history, base)
    proof, outcomes = at_the_base(root)
    assert (code, record["verdict"], outcomes) == (0, "pass", {redproof.KILLED})
    assert proof["base"]["commit"] == history[1][base]
    assert "tests/study/test_small.py" in proof["base"]["test_files"]
    assert "tests/study/test_old.py" not in proof["base"]["test_files"]
    assert verify.verify(hub.entries(root), publish.reader(root), resources.schema) == ()
    said = (root / STATEMENT).read_text()
    assert f"at commit {history[1][base]}" in said


@pytest.mark.parametrize(
    ("base", "outcome"),
    [
        ("sound", redproof.SURVIVED),
        ("no such name", redproof.ERROR),
        ("cannot be imported", redproof.ERROR),
    ],
)
def test_whatever_else_tests_do_at_the_base_is_not_red_and_is_named(history, base, outcome):
    root, code, record = red(history, base)
    found = {
        item["found"].split(":")[0] for item in record["findings"] if item["rule"] == "red.base"
    }
    assert (code, record["verdict"]) == (1, "fail")
    assert len([item for item in record["findings"] if item["rule"] == "red.base"]) == 2
    assert found <= {outcome, redproof.COLLECTION_ERROR, redproof.IMPORT_ERROR}
    assert verify.verify(hub.entries(root), publish.reader(root), resources.schema) == ()


def test_a_base_whose_tests_are_not_those_of_red_is_refused_by_verify(history):
    root, _, _ = red(history, "absent")
    struck = hubs.load(root)
    struck.edit(
        "red/proof.json",
        lambda proof: proof["base"]["test_files"].update({"tests/study/test_small.py": "0" * 64}),
    )
    hubs.mend(struck)
    found = {(item.rule, item.where) for item in hubs.findings(struck)}
    assert ("hub.verdict", "red/stage.json") in found


def test_a_base_that_was_claimed_and_not_tried_is_no_proof(history):
    root, _, _ = red(history, "absent")
    struck = hubs.load(root)
    tried = json.loads(struck.files["red/proof.json"])
    tried["runs"] = [
        run for run in tried["runs"] if not (run["fault_id"] or "").startswith("base:")
    ]
    proof = redproof.from_record(tried, struck.files)
    rules = {item.rule for item in redproof.judge(proof, where="red/proof.json")}
    assert rules == {"red.base"}


def test_a_base_that_went_badly_cannot_be_left_out_of_the_proof(history):
    root, code, _ = red(history, "sound")
    assert code == 1
    proof = json.loads((root / "red" / "proof.json").read_text())
    proof["base"] = None
    for part in ("runs", "outcomes"):
        proof[part] = [
            each for each in proof[part] if not (each["fault_id"] or "").startswith("base:")
        ]
    (root / "red" / "proof.json").write_text(json.dumps(proof))
    record = json.loads((root / "red" / "stage.json").read_text())
    found = judge.findings(record, publish.reader(root))
    assert [item.rule for item in found] == ["red.commands"]
    assert "no run of the proof" in found[0].found


@pytest.mark.parametrize("ref", ["no-such-branch", "--all", "HEAD:harness", ""])
def test_what_is_no_commit_is_refused_before_there_is_a_hub(history, monkeypatch, capsys, ref):
    tree, _ = history
    monkeypatch.chdir(tree)
    monkeypatch.setattr(commands, "WORK_TREE", tree)
    assert cli.main(["new-hub", f"--base-ref={ref}"]) == 2
    assert "is no commit" in capsys.readouterr().err
    assert not list(tree.glob("plans/active/*/reports/*"))


def test_the_base_tree_has_today_s_tests_and_the_code_of_then(history):
    tree, commits = history
    with scratch.base_tree(tree, commits["absent"], parent=tree / "tmp") as there:
        assert 'CHILD_LOG = "child"' in (there.root / "harness" / "layout.py").read_text()
        assert not [name for name in READ_BY_PYTEST if (there.root / name).exists()]
        for name in ("tests/study/test_small.py", "pyproject.toml"):
            then, now = (root / name for root in (there.root, tree))
            assert canonical.sha256(then.read_bytes()) == canonical.sha256(now.read_bytes())
        assert not (there.root / "tests" / "study" / "test_old.py").exists()
        assert there.environment["PYTHONPATH"].startswith(str(there.root))
        root = there.root
    assert not root.exists()
