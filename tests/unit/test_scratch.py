"""A scratch copy of the tree is what runs, and the working tree never changes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness import faults, scratch
from harness.errors import InputInvalid
from harness.faults import Fault

FILES = ("harness", "schemas", "tests", "pyproject.toml", "plans/active/*/study.toml")
FAULT = Fault("f", "why", "harness/__init__.py", "'tree'", "'faulted'", ("tests/test_a.py::t",))


@pytest.fixture
def repository(tmp_path):
    """Return a small tree with a package called harness."""
    files = {
        "harness/__init__.py": "NAME = 'tree'\r\n",
        "harness/__main__.py": "import harness\nprint(harness.NAME, harness.__file__)\n",
        "harness/__pycache__/__init__.cpython-311.pyc": "stale",
        "schemas/a.schema.json": "{}",
        "tests/test_a.py": "def t(): pass\n",
        "pyproject.toml": "",
        "plans/active/ONE/study.toml": "one",
        "plans/active/ONE/reports/big.bin": "not needed",
        "secret.txt": "not needed",
    }
    for name, text in files.items():
        target = tmp_path / "repository" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode())
    return tmp_path / "repository"


@pytest.fixture
def parent(tmp_path):
    (tmp_path / "parent").mkdir()
    return tmp_path / "parent"


def listing(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_the_copy_holds_what_was_asked_for_and_no_caches(repository, parent):
    with scratch.faulted_tree(repository, FILES, None, parent=parent) as tree:
        assert sorted(listing(tree.root)) == [
            "harness/__init__.py",
            "harness/__main__.py",
            "plans/active/ONE/study.toml",
            "pyproject.toml",
            "schemas/a.schema.json",
            "tests/test_a.py",
        ]
        assert tree.finding is None


def test_the_fault_is_in_the_copy_alone_and_the_copy_goes(repository, parent):
    before = listing(repository)
    with scratch.faulted_tree(repository, FILES, FAULT, parent=parent) as tree:
        assert tree.root.parent == parent
        assert (tree.root / FAULT.file).read_bytes() == b"NAME = 'faulted'\r\n"
    assert list(parent.iterdir()) == []
    assert listing(repository) == before


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_the_copy_goes_also_on_an_error_or_an_interrupt(repository, parent, error):
    def work():
        with scratch.faulted_tree(repository, FILES, FAULT, parent=parent) as tree:
            (tree.root / "left-behind").write_text("x")
            raise error

    with pytest.raises(error):
        work()
    assert list(parent.iterdir()) == []


def test_a_fault_that_does_not_apply_is_a_finding_and_changes_nothing(repository, parent):
    stale = Fault("f", "why", FAULT.file, "'elsewhere'", "'x'", ())
    with scratch.faulted_tree(repository, FILES, stale, parent=parent) as tree:
        assert tree.finding is not None
        assert tree.finding.rule == "fault.applies"
        assert listing(tree.root / "harness") == {
            name.removeprefix("harness/"): data
            for name, data in listing(repository).items()
            if name.startswith("harness/") and not name.endswith(".pyc")
        }


def test_a_fault_in_a_file_that_is_gone_does_not_apply(repository, parent):
    gone = Fault("f", "why", "harness/gone.py", "a", "b", ())
    with scratch.faulted_tree(repository, FILES, gone, parent=parent) as tree:
        assert tree.finding is not None
        assert (tree.finding.rule, tree.finding.where) == ("fault.applies", "harness/gone.py")


def test_a_fault_never_reaches_through_a_link_or_out_of_the_copy(repository, parent):
    real = repository / "harness" / "real.py"
    real.write_text("NAME = 'tree'")
    (repository / FAULT.file).unlink()
    (repository / FAULT.file).symlink_to(real)
    with scratch.faulted_tree(repository, FILES, FAULT, parent=parent) as tree:
        assert not (tree.root / FAULT.file).is_symlink()
        assert (tree.root / FAULT.file).read_text() == "NAME = 'faulted'"
    assert real.read_text() == "NAME = 'tree'"
    outside = Fault("f", "why", "harness/../../../repository/secret.txt", "not", "yes", ())
    with scratch.faulted_tree(repository, FILES, outside, parent=parent) as tree:
        assert tree.finding is not None
    assert (repository / "secret.txt").read_text() == "not needed"


def test_a_read_only_tree_can_be_faulted(repository, parent):
    (repository / FAULT.file).chmod(0o444)
    with scratch.faulted_tree(repository, FILES, FAULT, parent=parent) as tree:
        assert b"faulted" in (tree.root / FAULT.file).read_bytes()


@pytest.mark.parametrize("pattern", ["harnes", "plans/active/*/study.json"])
def test_a_part_that_the_tree_lacks_is_named(repository, parent, pattern):
    with (
        pytest.raises(InputInvalid, match="tree lacks"),
        scratch.faulted_tree(repository, [pattern], None, parent=parent),
    ):
        pass
    assert list(parent.iterdir()) == []


@pytest.mark.parametrize("pattern", ["../parent", "/etc/hostname", "harness/../harness"])
def test_a_part_outside_the_tree_is_refused(repository, parent, pattern):
    with (
        pytest.raises(ValueError, match="inside the tree"),
        scratch.faulted_tree(repository, [pattern], None, parent=parent),
    ):
        pass


def decoy(folder: Path) -> Path:
    """Return a folder on which another package called harness lies."""
    (folder / "harness").mkdir(parents=True)
    (folder / "harness/__init__.py").write_text("NAME = 'decoy'\n")
    (folder / "harness/__main__.py").write_text("print('decoy')\n")
    return folder


def imported_by(python: str, cwd: Path, environ: dict[str, str], *argv: str) -> str:
    return subprocess.run(
        [python, *argv], cwd=cwd, env=environ, capture_output=True, text=True, check=True
    ).stdout


ASK = "import harness; print(harness.NAME, harness.__file__)"
ASK_A_CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {ASK!r}], cwd='/')"


@pytest.mark.parametrize("argv", [["-c", ASK], ["-c", ASK_A_CHILD], ["-m", "harness"]])
def test_the_copy_is_imported_though_the_path_offers_another(repository, parent, tmp_path, argv):
    environ = dict(os.environ) | {"PYTHONPATH": str(decoy(tmp_path / "decoy"))}
    assert imported_by(sys.executable, parent, environ, "-m", "harness") == "decoy\n"
    with scratch.faulted_tree(repository, FILES, FAULT, parent=parent, environ=environ) as tree:
        said = imported_by(sys.executable, tree.root, environ | tree.environment, *argv)
        assert said.split() == ["faulted", str(tree.root / "harness/__init__.py")]


@pytest.mark.parametrize("argv", [["-c", ASK], ["-c", ASK_A_CHILD]])
def test_the_copy_is_imported_though_another_is_installed_editable(
    repository, parent, tmp_path, argv
):
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    venv.create(tmp_path / "venv", with_pip=False)
    python = str(tmp_path / "venv/bin/python")
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    (site / "_harness.pth").write_text(f"{decoy(tmp_path / 'decoy')}\n")
    assert imported_by(python, parent, environ, "-c", ASK).split()[0] == "decoy"
    with scratch.faulted_tree(repository, FILES, FAULT, parent=parent, environ=environ) as tree:
        said = imported_by(python, tree.root, environ | tree.environment, *argv)
        assert said.split() == ["faulted", str(tree.root / "harness/__init__.py")]


def test_the_environment_of_the_process_is_the_default(repository, parent, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    with scratch.faulted_tree(repository, FILES, None, parent=parent) as tree:
        assert tree.environment["PYTHONPATH"] == f"{tree.root}{os.pathsep}/elsewhere"


def test_the_repository_s_own_tree_can_be_copied_and_faulted(parent):
    real = Path(__file__).parents[2]
    fault = Fault(
        "f",
        "why",
        "harness/scratch.py",
        "class ScratchTree",
        "class Other: ...\n\n\nclass ScratchTree",
        (),
    )
    with scratch.faulted_tree(real, ("harness", "schemas"), fault, parent=parent) as tree:
        environ = dict(os.environ) | tree.environment
        ask = "import harness.scratch as s; print(hasattr(s, 'Other'), s.__file__)"
        said = imported_by(sys.executable, tree.root, environ, "-c", ask).split()
        assert said == ["True", str(tree.root / "harness/scratch.py")]


def test_faults_are_made_one_at_a_time(repository, tmp_path, monkeypatch):
    """CPython 3.11 may lose count of its own depth where two threads parse at once."""
    apply, inside, seen = faults.apply, [], []

    def watched(fault, text):
        inside.append(fault)
        time.sleep(0.05)
        seen.append(len(inside))
        inside.pop()
        return apply(fault, text)

    monkeypatch.setattr(faults, "apply", watched)

    def make(number):
        parent = tmp_path / str(number)
        with scratch.faulted_tree(repository, FILES, FAULT, parent=parent) as tree:
            return tree.finding

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(make, range(4))) == [None] * 4
    assert seen == [1] * 4
