"""Code, study, inputs and tests are the same from a stage's start to its end, or it fails."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from harness import canonical, drift, execution, hub, layout, publish, resources, verify, worktree
from tests import small_tree
from tests.unit.test_verify import edit, mend

MODULE = "tests/study/test_small.py"
A, B = "a" * 64, "b" * 64


def record_of(root, stage):
    return json.loads((root / layout.STAGE_DIRECTORIES[stage] / layout.STAGE_RECORD).read_text())


def found_in(root, stage):
    return {(item["rule"], item["where"]) for item in record_of(root, stage)["findings"]}


def verified(root):
    return verify.verify(hub.entries(root), publish.reader(root), resources.schema)


def git(root, *words):
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    subprocess.run(["git", "-C", root, *identity, *words], check=True, capture_output=True)


@pytest.fixture
def new_hub(tree):
    return small_tree.new_hub(tree)


@pytest.fixture
def committed(tree):
    """A small repository under git, with a commit of all of it."""
    (tree / ".gitignore").write_text("tmp/\nreports/\n__pycache__/\n")
    git(tree, "init", "-q")
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "all")
    return tree


# Whole stages.


def test_every_stage_records_digests_of_code_study_and_inputs(complete_hub):
    for stage, folder in layout.STAGE_DIRECTORIES.items():
        document = json.loads((complete_hub / folder / layout.DIGESTS).read_text())
        assert document["before"] == document["after"]
        before = document["before"]
        assert {"harness/model.py", "schemas/stage.schema.json", MODULE, "pyproject.toml"} <= set(
            before["code"]
        )
        assert [str(small_tree.STUDY)] == list(before["study"])
        assert len(before["inputs"]) == (4 if stage == "real-run" else 18)
        assert record_of(complete_hub, stage)["code_sha256"] == canonical.digest(before["code"])


@pytest.mark.parametrize("target", ["harness/layout.py", MODULE, str(small_tree.STUDY)])
def test_a_file_edited_while_a_stage_runs_fails_the_stage(tree, new_hub, target):
    module = tree / MODULE
    text = module.read_text()
    module.write_text(
        text.replace(
            "def test_mapped():\n",
            f"def test_mapped():\n    open({target!r}, 'a').write('\\n')\n",
        )
    )

    assert small_tree.run_stage(tree, new_hub, "green") == 1

    assert found_in(new_hub, "green") == {("stage.drift", target)}
    assert record_of(new_hub, "green")["tests"] == {"passed": 2}
    assert verified(new_hub) == ()


def test_an_input_replaced_while_a_stage_runs_fails_the_stage(tree, new_hub):
    place = tree / layout.scratch(small_tree.INITIATIVE, "smoke")
    victim = place / "phase_c" / "dose_1000" / "patched_train.npz"
    module = tree / MODULE
    words = f"    import os; os.replace({str(place / 'new')!r}, {str(victim)!r})\n"
    (place / "new").write_bytes(victim.read_bytes() + b"\0")
    text = module.read_text()
    module.write_text(text.replace("def test_mapped():\n", f"def test_mapped():\n{words}"))

    assert small_tree.run_stage(tree, new_hub, "green") == 1

    assert found_in(new_hub, "green") == {("stage.drift", "phase_c/dose_1000/patched_train.npz")}
    assert verified(new_hub) == ()


LAYOUT = "harness/layout.py"
REWRITTEN = """
    import os, pathlib
    path = pathlib.Path({path!r})
    at, data = path.stat(), path.read_bytes()
    path.write_bytes(b"")
    path.write_bytes(data)
    os.utime(path, ns=(at.st_atime_ns, at.st_mtime_ns))
"""
SWAPPED = """
    import pathlib
    path = pathlib.Path({path!r})
    kept = path.rename("tmp/kept")
    path.write_bytes(b"")
    kept.replace(path)
"""
FOLDER_SWAPPED = """
    import pathlib
    path = pathlib.Path({path!r})
    kept = path.rename("tmp/kept")
    path.mkdir()
    path.rmdir()
    kept.rename(path)
"""
CAME = """
    import pathlib
    path = pathlib.Path({path!r})
    path.write_bytes(b"")
    path.unlink()
"""


def while_it_runs(tree, text):
    """Let the mapped test of a small tree do something while its stage runs."""
    module = tree / MODULE
    head = "def test_mapped():\n"
    module.write_text(module.read_text().replace(head, head + text.strip("\n") + "\n"))


@pytest.mark.parametrize("change", [REWRITTEN, SWAPPED])
@pytest.mark.parametrize("path", [LAYOUT, MODULE, "pyproject.toml", str(small_tree.STUDY)])
def test_a_file_changed_and_put_back_while_a_stage_runs_fails_it(tree, new_hub, change, path):
    while_it_runs(tree, change.format(path=path))

    assert small_tree.run_stage(tree, new_hub, "green") == 1

    (item,) = record_of(new_hub, "green")["findings"]
    assert (item["rule"], item["where"], item["found"]) == ("stage.drift", path, drift.PUT_BACK)
    document = json.loads((new_hub / "green" / layout.DIGESTS).read_text())
    assert document["before"] == document["after"]
    assert verified(new_hub) == ()


def test_what_a_link_leads_to_is_watched(tree, new_hub):
    path = tree / LAYOUT
    target = tree.parent / "layout.py"
    path.rename(target)
    path.symlink_to(target)
    while_it_runs(tree, REWRITTEN.format(path=str(target)))

    assert small_tree.run_stage(tree, new_hub, "green") == 1

    assert found_in(new_hub, "green") == {("stage.drift", LAYOUT)}


@pytest.mark.parametrize("kept", ["more", "harness/jobs"])
def test_a_folder_swapped_and_put_back_while_a_stage_runs_fails_it(tree, new_hub, kept):
    linked = tree.parent / "linked"
    linked.mkdir()
    (linked / "of_the_link.py").write_text("")
    (tree / "more").symlink_to(linked)
    while_it_runs(tree, FOLDER_SWAPPED.format(path=kept))

    assert small_tree.run_stage(tree, new_hub, "green") == 1

    assert found_in(new_hub, "green") >= {("stage.drift", f"{kept}/")}
    assert verified(new_hub) == ()


@pytest.mark.parametrize("path", ["tests/conftest.py", "harness/jobs/numpy.py", "schemas/x.json"])
def test_a_file_that_came_and_went_while_a_stage_ran_fails_it(tree, new_hub, path):
    while_it_runs(tree, CAME.format(path=path))

    assert small_tree.run_stage(tree, new_hub, "green") == 1

    assert found_in(new_hub, "green") == {("stage.drift", path.rpartition("/")[0] + "/")}
    assert verified(new_hub) == ()


@pytest.mark.parametrize("change", [REWRITTEN, SWAPPED])
def test_an_input_changed_and_put_back_while_a_stage_runs_fails_it(tree, new_hub, change):
    key = "phase_c/dose_1000/patched_train.npz"
    path = tree / layout.scratch(small_tree.INITIATIVE, "smoke") / key
    while_it_runs(tree, change.format(path=str(path)))

    assert small_tree.run_stage(tree, new_hub, "green") == 1

    assert found_in(new_hub, "green") == {("stage.drift", key)}
    assert verified(new_hub) == ()


@pytest.mark.parametrize("folder", ["phase_c/", "phase_d/dose_1000/dense/"])
def test_a_folder_of_inputs_swapped_and_put_back_while_a_stage_runs_fails_it(tree, new_hub, folder):
    path = tree / layout.scratch(small_tree.INITIATIVE, "smoke") / folder
    while_it_runs(tree, FOLDER_SWAPPED.format(path=str(path)))

    assert small_tree.run_stage(tree, new_hub, "green") == 1

    assert found_in(new_hub, "green") >= {("stage.drift", folder)}
    told = {item["found"] for item in record_of(new_hub, "green")["findings"]}
    assert told == {drift.CAME_AND_WENT}
    assert verified(new_hub) == ()


def test_what_python_compiles_while_a_stage_runs_is_no_drift(tree, new_hub):
    (tree / "requirements").mkdir(exist_ok=True)
    (tree / "requirements" / "tool.py").write_text("")
    compile_all = """
    import compileall
    for folder in ("harness", "tests", "requirements"):
        assert compileall.compile_dir(folder, quiet=1)
    assert compileall.compile_file("noxfile.py", quiet=1)
    open("tests/__pycache__/being_written.cpython-311.pyc.140", "w").close()
    open("notes.txt", "w").close()
    open("docs/notes.txt", "w").close()
    open({beside!r}, "w").close()
"""
    beside = tree / layout.scratch(small_tree.INITIATIVE, "smoke") / "notes.txt"
    while_it_runs(tree, compile_all.format(beside=str(beside)))
    for cache in [*(tree / "harness").rglob("__pycache__"), *(tree / "tests").rglob("__pycache__")]:
        shutil.rmtree(cache)

    assert small_tree.run_stage(tree, new_hub, "green") == 0


def test_a_tree_that_takes_no_bytecode_is_no_drift(tree, new_hub):
    shutil.rmtree(tree / "tests" / "__pycache__", ignore_errors=True)
    (tree / "tests" / "__pycache__").write_text("")

    assert small_tree.run_stage(tree, new_hub, "green") == 0


def test_a_file_in_place_of_a_folder_of_code_fails_a_stage(tree, new_hub):
    turned = """
    import pathlib, shutil
    shutil.rmtree("recipes")
    pathlib.Path("recipes").write_text("")
"""
    while_it_runs(tree, turned)

    assert small_tree.run_stage(tree, new_hub, "green") == 1

    assert ("stage.drift", "recipes/default.toml") in found_in(new_hub, "green")
    assert verified(new_hub) == ()


def test_an_input_changed_once_the_gate_has_read_it_fails_a_stage(tree, new_hub, monkeypatch):
    key = "phase_c/dose_1000/patched_train.npz"
    path = tree / layout.scratch(small_tree.INITIATIVE, "smoke") / key
    check_plan = execution.check_plan

    def check_and_change(request, plan):
        checked = check_plan(request, plan)
        path.unlink()
        path.write_bytes(b"")
        return checked

    monkeypatch.setattr(execution, "check_plan", check_and_change)

    assert small_tree.run_stage(tree, new_hub, "green") == 1

    assert found_in(new_hub, "green") == {("stage.drift", key)}


def test_a_stage_that_begins_beside_another_does_not_void_it(tree, new_hub):
    begins = """
    import pathlib, py_compile
    from harness import provenance
    assert py_compile.compile("harness/layout.py")
    provenance.drop_bytecode(pathlib.Path())
"""
    while_it_runs(tree, begins)
    assert small_tree.run_stage(tree, new_hub, "green") == 0


@pytest.mark.parametrize("stages", [("red", "green"), ("green", "red")])
def test_red_and_green_about_different_test_files_are_no_pair(tree, new_hub, stages):
    first, second = stages
    assert small_tree.run_stage(tree, new_hub, first) == 0
    with open(tree / MODULE, "a") as file:
        file.write("\n# Only a comment.\n")
    (tree / "tests" / "helper.py").write_text("")

    assert small_tree.run_stage(tree, new_hub, second) == 1

    assert found_in(new_hub, second) == {
        ("stage.pair", MODULE),
        ("stage.pair", "tests/helper.py"),
    }
    assert record_of(new_hub, first)["verdict"] == "pass"
    assert verified(new_hub) == ()


def test_code_may_change_between_red_and_green(tree, new_hub):
    assert small_tree.run_stage(tree, new_hub, "red") == 0
    with open(tree / "harness" / "layout.py", "a") as file:
        file.write("\n# The mended code.\n")
    assert small_tree.run_stage(tree, new_hub, "green") == 0


# Attacks on the record.


def test_a_drift_that_is_written_out_of_a_verdict_is_found(hub_to_attack):
    path = f"green/{layout.DIGESTS}"
    edit(hub_to_attack, path, lambda d: d["after"]["code"].update({"harness/model.py": A}))
    mend(hub_to_attack, "green")
    assert ("hub.verdict", "green/stage.json") in {
        (i.rule, i.where) for i in verified(hub_to_attack)
    }


def test_what_was_touched_is_not_to_be_written_out_of_a_record(hub_to_attack):
    path = f"green/{layout.DIGESTS}"
    edit(hub_to_attack, path, lambda d: d["touched"]["code"].append("harness/model.py"))
    mend(hub_to_attack, "green")
    found = [item for item in verified(hub_to_attack) if item.rule == "hub.verdict"]
    assert {item.where for item in found} == {"green/stage.json"}
    assert any("stage.drift" in item.expected for item in found)


def test_other_test_files_in_green_are_found_though_every_digest_was_mended(hub_to_attack):
    def change(document):
        for half in ("before", "after"):
            document[half]["code"][MODULE] = A

    edit(hub_to_attack, f"green/{layout.DIGESTS}", change)
    digests = json.loads((hub_to_attack / "green" / layout.DIGESTS).read_text())
    counted = canonical.digest(digests["before"]["code"])
    edit(hub_to_attack, "green/stage.json", lambda r: r.update(code_sha256=counted))
    mend(hub_to_attack, "green")
    found = verified(hub_to_attack)
    assert {(item.rule, item.where) for item in found} == {("hub.verdict", "green/stage.json")}
    assert any("stage.pair" in item.expected for item in found)


def test_other_inputs_at_the_gate_than_in_the_run_are_found(hub_to_attack):
    key = "phase_c/dose_1000/patched_train.npz"

    def change(document):
        for half in ("before", "after"):
            document[half]["inputs"][key] = A

    edit(hub_to_attack, f"real_run/{layout.DIGESTS}", change)
    mend(hub_to_attack, "real-run")
    found = verified(hub_to_attack)
    assert {(item.rule, item.where) for item in found} == {("hub.verdict", "real_run/stage.json")}
    assert any("stage.drift" in item.expected for item in found)


def test_another_digest_of_the_code_and_lost_digests_are_found(hub_to_attack):
    edit(hub_to_attack, "cli/stage.json", lambda record: record.update(code_sha256=A))
    (hub_to_attack / "collect" / layout.DIGESTS).unlink()
    mend(hub_to_attack, "collect")
    found = {(item.rule, item.where) for item in verified(hub_to_attack)}
    assert {("hub.code", "cli/stage.json"), ("hub.verdict", "collect/stage.json")} <= found


# Uncommitted changes.


def test_a_clean_tree_leaves_no_diff_and_a_dirty_one_its_own(committed):
    root = small_tree.new_hub(committed)
    assert small_tree.run_stage(committed, root, "collect") == 0
    assert record_of(root, "collect")["git"]["dirty"] is False
    assert not (root / "collect" / layout.UNCOMMITTED).exists()
    with open(committed / "harness" / "layout.py", "a") as file:
        file.write("# Not committed.\n")
    (committed / "new file.txt").write_text("new")

    assert small_tree.run_stage(committed, root, "dry-run") == 0

    assert record_of(root, "dry-run")["git"]["dirty"] is True
    text = (root / "cli" / layout.UNCOMMITTED).read_text()
    assert f"# untracked: {canonical.sha256(b'new')}  new file.txt\n" in text
    assert "\n+# Not committed.\n" in text
    assert verified(root) == ()
    (root / "cli" / layout.UNCOMMITTED).unlink()
    mend_outputs(root)
    assert ("hub.uncommitted", f"cli/{layout.UNCOMMITTED}") in {
        (item.rule, item.where) for item in verified(root)
    }


def mend_outputs(root):
    def cite(record):
        left = publish.outputs(root, root / "cli")
        record["outputs"] = [each for each in left if each["path"] != "cli/stage.json"]

    edit(root, "cli/stage.json", cite)
    publish.derive_and_seal(root)


def test_the_diff_applies_to_the_commit_and_names_no_place_of_this_machine(committed, tmp_path):
    with open(committed / "docs" / "fix_plan.md", "a") as file:
        file.write(f"{resources.REPOSITORY}/docs\n")
    (committed / "harness" / "model.py").unlink()
    diff = worktree.uncommitted(committed)
    assert str(resources.REPOSITORY).encode() not in diff
    (tmp_path / "it.diff").write_bytes(diff)
    shutil.rmtree(committed / "harness")
    git(committed, "checkout", "-q", "HEAD", ".")
    git(committed, "apply", tmp_path / "it.diff")
    assert not (committed / "harness" / "model.py").exists()
    assert (committed / "docs" / "fix_plan.md").read_text().endswith("\ndocs\n")


def test_outside_git_nothing_is_known_and_nothing_fails(tmp_path, monkeypatch):
    assert worktree.state(tmp_path) == {"commit": None, "dirty": None}
    monkeypatch.setenv("PATH", str(tmp_path))
    assert worktree.state(tmp_path) == {"commit": None, "dirty": None}
    assert worktree.uncommitted(tmp_path) == b""


def test_a_plan_that_changes_while_the_run_follows_it_fails_the_run(tree, new_hub):
    assert small_tree.run_stage(tree, new_hub, "dry-run") == 0
    plan = new_hub.absolute() / "cli" / layout.MANIFEST
    child = tree / "harness" / "jobs" / "ptychi_lsqml.py"
    change = f"open({str(plan)!r}, 'a').write(' ')"
    child.write_text(child.read_text().replace("import os,", f"{change}\nimport os,", 1))

    assert small_tree.run_stage(tree, new_hub, "real-run") == 1

    assert found_in(new_hub, "real-run") == {("stage.plan", "real_run/stage.json")}
