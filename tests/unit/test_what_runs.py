"""What runs is what was hashed: stale bytecode, files beside the code, and inherited settings."""

from __future__ import annotations

import json
import os
import py_compile
import shutil

import pytest

from harness import committed, provenance, records, scratch
from tests import small_tree
from tests.unit.test_red_base import git

SOUND, BROKEN = 'CHILD_LOG = "ptychi.log"', 'CHILD_LOG = "ptychi.lag"'


@pytest.fixture
def new_hub(tree):
    return small_tree.new_hub(tree)


def digests(hub, stage="green"):
    return json.loads((hub / records.digests_path(stage)).read_bytes())["before"]["code"]


def test_bytecode_of_earlier_code_is_not_what_green_runs(tree, new_hub):
    source = tree / "harness" / "layout.py"
    at = source.stat()
    py_compile.compile(str(source))
    source.write_text(source.read_text().replace(SOUND, BROKEN))
    os.utime(source, ns=(at.st_atime_ns, at.st_mtime_ns))
    assert source.stat().st_size == at.st_size
    assert small_tree.run_stage(tree, new_hub, "green") == 1


@pytest.mark.parametrize("folder", [".", "more", "tests/study", "harness/stages"])
def test_bytecode_is_removed_beside_all_code_and_nowhere_else(tree, folder):
    (tree / folder).mkdir(exist_ok=True)
    (tree / folder / "conftest.py").write_text("")
    caches = {name: tree / name / "__pycache__" for name in (folder, "env/lib", "tmp/other")}
    for cache in caches.values():
        cache.mkdir(parents=True, exist_ok=True)
        (cache / "conftest.cpython-311.pyc").write_bytes(b"")
    (tree / "env" / "pyvenv.cfg").write_text("")
    provenance.drop_bytecode(tree)
    left = [name for name, cache in caches.items() if any(cache.iterdir())]
    assert left == ["env/lib", "tmp/other"]


def test_the_place_for_bytecode_is_written_to_before_a_stage(tree):
    # In a container a folder is changed where something in it is first written to.
    place = tree / "tests" / "__pycache__"
    place.mkdir(exist_ok=True)
    os.utime(place, ns=(0, 0))
    provenance.drop_bytecode(tree)
    assert place.stat().st_mtime_ns > 0


def test_no_other_file_goes_with_bytecode(tree, tmp_path):
    (tmp_path / "mine").mkdir()
    for name in ("conftest.cpython-311.pyc", "conftest.cpython-311.pyc.140", "results.npz"):
        (tmp_path / "mine" / name).write_bytes(b"")
    shutil.rmtree(tree / "tests" / "__pycache__", ignore_errors=True)
    (tree / "tests" / "__pycache__").symlink_to(tmp_path / "mine")
    (tmp_path / "mine" / "a_folder.pyc").mkdir()
    provenance.drop_bytecode(tree)
    assert {path.name for path in (tmp_path / "mine").iterdir()} == {"a_folder.pyc", "results.npz"}


@pytest.mark.parametrize("name", ["helper.py", "more/helper.pyc", "numbers.json"])
def test_what_lies_among_bytecode_and_is_none_is_hashed(tree, new_hub, name):
    path = tree / "tests" / "__pycache__" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    assert small_tree.run_stage(tree, new_hub, "green") == 0
    among = {path for path in digests(new_hub) if "__pycache__" in path}
    assert among == {f"tests/__pycache__/{name}"}


@pytest.mark.parametrize(
    "name", ["PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTHONOPTIMIZE", "PYTHONINSPECT"]
)
def test_settings_of_whoever_runs_it_are_no_part_of_a_stage(name, tree, new_hub, monkeypatch):
    monkeypatch.setenv(name, "no_such_plugin" if name.startswith("PYTEST") else "1")
    assert name not in provenance.child_environment()
    if name.startswith("PYTEST"):
        assert small_tree.run_stage(tree, new_hub, "green") == 0


def test_where_python_looks_is_recorded(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["elsewhere", "/other"]))
    assert provenance.child_environment()["PYTHONPATH"] == f"elsewhere{os.pathsep}/other"
    assert provenance.shown_environment()["PYTHONPATH"] == f"elsewhere{os.pathsep}/other"
    assert provenance.shown_environment({"PYTHONPATH": "a"})["PYTHONPATH"] == "a"
    monkeypatch.delenv("PYTHONPATH")
    assert "PYTHONPATH" not in provenance.shown_environment()


BESIDE = {
    "conftest.py": "",
    "pytest.ini": "[pytest]\n",
    ".pytest.ini": "[pytest]\n",
    "tox.ini": "",
    "setup.cfg": "",
    "sitecustomize.py": "",
    "jsonschema.py": "raise SystemExit\n",
    "numpy/__init__.py": "",
    "lib/deep/thing.so": "",
}


def test_what_python_and_pytest_read_beside_the_code_is_hashed(tree):
    before = provenance.code_files(tree)
    for path, text in BESIDE.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    for path in ("data/scan.npz", "tmp/a.py", "plans/b.py", ".hidden/c.py", "env/lib/d.py"):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text("")
    (tree / "env" / "pyvenv.cfg").write_text("")
    (tree / "notes.txt").write_text("")
    assert {*provenance.code_files(tree)} == {*before, *BESIDE}


@pytest.mark.parametrize("folder", ["shadow", "schemas"])
def test_code_is_hashed_though_its_folder_says_that_it_is_an_environment(tree, folder):
    (tree / folder).mkdir(exist_ok=True)
    for name in ("pyvenv.cfg", "__init__.py"):
        (tree / folder / name).write_text("")
    assert f"{folder}/__init__.py" in provenance.code_files(tree)


def test_it_is_in_red_s_copies_too(tree):
    for path, text in BESIDE.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    code = provenance.code_files(tree)
    with scratch.faulted_tree(tree, scratch.parts(code), None, parent=tree / "tmp") as copy:
        copied = provenance.code_files(copy.root)
    del code["docs/TESTING_GUIDE.md"]
    assert copied == code


def test_the_code_of_a_commit_has_them_too(tree):
    for path, text in BESIDE.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    (tree / ".gitignore").write_text("tmp/\nplans/active/*/reports/\n__pycache__/\n")
    git(tree, "init", "-q")
    git(tree, "add", "-A", "-f", *BESIDE)
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "all of it")
    assert committed.code_at(tree, "HEAD") == provenance.code_files(tree)


def test_a_folder_behind_a_link_is_hashed_and_a_ring_of_them_ends(tree, tmp_path):
    before = provenance.code_files(tree)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "more.py").write_text("")
    (tmp_path / "other" / "ring").symlink_to(tmp_path / "other")
    (tree / "harness" / "linked").symlink_to(tmp_path / "other")
    assert {*provenance.code_files(tree)} - {*before} == {"harness/linked/more.py"}


def test_a_folder_of_two_names_is_hashed_under_both(tree):
    before = provenance.code_files(tree)
    (tree / "harness" / "alias").symlink_to(tree / "harness" / "stages")
    added = {*provenance.code_files(tree)} - {*before}
    stages = {path for path in before if path.startswith("harness/stages/")}
    assert added == {path.replace("/stages/", "/alias/") for path in stages}
    assert {*before} <= {*provenance.code_files(tree)}


def test_a_conftest_at_the_root_stands_in_a_hub(tree, new_hub):
    (tree / "conftest.py").write_text("")
    assert small_tree.run_stage(tree, new_hub, "green") == 0
    assert "conftest.py" in digests(new_hub)
