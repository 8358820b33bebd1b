"""What is recorded of the world, and what is not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from harness import provenance, resources, studyfile
from harness.resources import REPOSITORY


def test_paths_in_the_repository_are_relative_and_others_as_given():
    assert provenance.portable(REPOSITORY / "tmp" / "x.npz") == "tmp/x.npz"
    assert provenance.portable("/elsewhere/x.npz") == "/elsewhere/x.npz"
    assert provenance.portable("relative/x.npz") == "relative/x.npz"


def test_a_repository_reached_through_a_link_is_still_the_repository(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    base = tmp_path / "link"
    assert provenance.portable(tmp_path / "real" / "x", base) == "x"
    assert provenance.portable(base / "x", base) == "x"


def test_an_argv_names_the_interpreter_not_its_place():
    words = [sys.executable, "-m", "x", str(REPOSITORY / "a"), f"--to={REPOSITORY}/b", "--n=1"]
    shown = provenance.portable_argv(words)
    assert not Path(shown[0]).is_absolute()
    assert shown[1:] == ["-m", "x", "a", "--to=b", "--n=1"]


def test_only_what_the_harness_sets_is_recorded_of_the_environment(monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    shown = provenance.shown_environment({"PYTHONPATH": f"{REPOSITORY}/tmp/x{os.pathsep}/y"})
    assert shown["PYTHONPATH"] == f"tmp/x{os.pathsep}/y"
    assert shown["AUTHORITATIVE_CMDS_DOC"] == "./docs/TESTING_GUIDE.md"
    assert "SECRET_TOKEN" not in shown
    assert provenance.child_environment()["SECRET_TOKEN"] == "hunter2"


def test_the_code_is_every_file_that_decides_what_a_stage_does(tree):
    before = provenance.code_files(tree)
    (tree / "harness" / "__pycache__").mkdir(exist_ok=True)
    (tree / "harness" / "__pycache__" / "x.pyc").write_bytes(b"x")
    (tree / "docs" / "note.md").write_text("x")
    assert provenance.code_files(tree) == before
    changed = {"harness/layout.py", "schemas/hub.schema.json", "tests/faults.toml"}
    for name in changed:
        (tree / name).write_text((tree / name).read_text() + "\n")
    after = provenance.code_files(tree)
    assert {name for name in after if after[name] != before[name]} == changed


def test_versions_and_host_are_general(monkeypatch):
    versions = provenance.versions()
    assert versions["numpy"]
    assert set(versions) >= {"python", "torch", "ptychi", "jsonschema"}
    host = provenance.host()
    assert set(host) == {"system", "machine", "processor", "cores", "memory_bytes"}
    assert host["cores"] >= 1
    assert host["memory_bytes"] > 2**20
    monkeypatch.delattr(provenance.os, "sched_getaffinity")
    assert provenance.usable_cores() >= 1


def test_without_cpuinfo_the_processor_has_a_name_all_the_same(monkeypatch):
    monkeypatch.setattr(provenance.Path, "is_file", lambda path: False)
    assert provenance.host()["processor"]


def test_the_default_study_is_the_repository_s_own():
    design = studyfile.load()
    assert design.initiative in str(resources.DEFAULT_STUDY)
    assert design.doses_photons == (1000, 10000, 100000)
    assert design.view("dense").spacing_threshold_px(64) == 64 * (1 - 0.7)
    assert design.view("baseline").spacing_threshold_px(64) is None
