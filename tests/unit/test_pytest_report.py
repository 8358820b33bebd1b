"""The pytest plugin, loaded into a real pytest, writes what was and was not collected."""

from __future__ import annotations

import ast
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from harness import collection

pytest_plugins = ["pytester"]

REPOSITORY = Path(__file__).parents[2]
FILE = "tests/test_x.py"
SOURCE = """
import pytest

@pytest.mark.parametrize("v", [1, 2])
def test_ptychi(v): pass

class TestA:
    def test_other(self): pass

@pytest.mark.xfail(reason="later")
def test_later(): assert 0

@pytest.mark.skipif(False, reason="never")
def test_marked_skip(): pass
"""


def collect(folder: Path, *arguments: str, sources: dict[str, str] | None = None) -> tuple:
    """Return the return code and the report of a real pytest with the plugin."""
    for name, text in ({FILE: SOURCE} if sources is None else sources).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    report = folder / "out/collection.json"
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "harness.pytest_report"]
    environ = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [*argv, "-W", "error", f"--collection-report={report}", *arguments],
        cwd=folder,
        env=dict(os.environ) | environ,
        capture_output=True,
        check=False,
    )
    return done.returncode, json.loads(report.read_text())


def test_every_collected_test_is_listed_in_order(tmp_path):
    returncode, report = collect(tmp_path, "--collect-only")
    assert returncode == 0
    assert report["format"] == "harness.collection/1"
    assert report["collected"] == [
        f"{FILE}::test_ptychi[1]",
        f"{FILE}::test_ptychi[2]",
        f"{FILE}::TestA::test_other",
        f"{FILE}::test_later",
        f"{FILE}::test_marked_skip",
    ]
    assert (report["deselected"], report["errors"], report["skipped"]) == ([], [], [])
    assert report["returncode"] == 0


def test_what_a_keyword_leaves_out_is_deselected(tmp_path):
    _, report = collect(tmp_path, "-k", "ptychi and not 2")
    assert report["collected"] == [f"{FILE}::test_ptychi[1]"]
    assert len(report["deselected"]) == 4


def test_what_a_hook_leaves_out_is_deselected_too(tmp_path):
    hook = (
        "def pytest_collection_modifyitems(config, items):\n"
        "    config.hook.pytest_deselected(items=[items.pop()])\n"
    )
    _, report = collect(tmp_path, sources={FILE: SOURCE, "conftest.py": hook})
    assert report["deselected"] == [f"{FILE}::test_marked_skip"]


def test_a_hook_that_drops_a_test_without_a_word_is_seen(tmp_path):
    hook = "def pytest_collection_modifyitems(items):\n    items.pop()\n"
    _, report = collect(tmp_path, sources={FILE: SOURCE, "conftest.py": hook})
    assert report["deselected"] == [f"{FILE}::test_marked_skip"]


def test_marks_that_excuse_a_test_are_listed(tmp_path):
    _, report = collect(tmp_path, "--collect-only")
    assert report["marked"] == {
        f"{FILE}::test_later": ["xfail"],
        f"{FILE}::test_marked_skip": ["skipif"],
    }


def test_modules_that_cannot_be_collected_are_errors_with_their_last_words(tmp_path):
    sources = {FILE: SOURCE, "tests/test_bad.py": "import not_there\n"}
    returncode, report = collect(tmp_path, sources=sources)
    assert returncode == report["returncode"] == 2
    (error,) = report["errors"]
    assert error["node_id"] == "tests/test_bad.py"
    assert "ModuleNotFoundError: No module named 'not_there'" in error["message"]
    assert len(report["collected"]) == 5


def test_a_module_that_skips_itself_is_listed(tmp_path):
    skip = "import pytest\npytest.skip('s', allow_module_level=True)\n"
    _, report = collect(tmp_path, sources={"tests/test_s.py": skip})
    assert report["skipped"] == ["tests/test_s.py"]


def test_a_test_that_does_not_exist_leaves_an_empty_report(tmp_path):
    returncode, report = collect(tmp_path, f"{FILE}::test_none")
    assert (returncode, report["collected"]) == (4, [])


def test_the_report_says_whether_the_package_under_test_came_from_the_tree(tmp_path):
    _, report = collect(tmp_path)
    assert report["harness_is_local"] is False
    assert local_report(tmp_path)["harness_is_local"] is True


def local_report(folder: Path) -> dict:
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "harness.pytest_report", "--collect-only"]
    argv += [f"--collection-report={folder / 'local.json'}", "tests/unit/test_junit.py"]
    subprocess.run(argv, cwd=REPOSITORY, capture_output=True, check=True)
    return json.loads((folder / "local.json").read_text())


def test_without_its_option_the_plugin_writes_nothing(tmp_path):
    (tmp_path / "test_x.py").write_text("def test_a(): pass\n")
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "harness.pytest_report"]
    environ = dict(os.environ) | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(argv, cwd=tmp_path, env=environ, capture_output=True, check=False)
    assert done.returncode == 0
    assert not list(tmp_path.glob("*.json"))


def test_the_plugin_imports_nothing_but_pytest_and_the_standard_library():
    tree = ast.parse((REPOSITORY / "harness/pytest_report.py").read_text())
    imported = {
        name.partition(".")[0]
        for node in tree.body
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported - {"pytest"} <= sys.stdlib_module_names


def test_a_junit_report_written_beside_the_plugin_does_not_name_the_host(pytester):
    pytester.makepyfile(test_a="def test_a(): pass\n")
    for words, named in (((), platform.node()), (("-p", "harness.pytest_report"), "")):
        pytester.runpytest_inprocess(*words, "--junit-xml=report.xml")
        assert f'hostname="{named}"' in (pytester.path / "report.xml").read_text()


def test_the_plugin_serves_a_run_in_this_process_too(pytester):
    pytester.makepyfile(test_a="def test_a(): pass\n", test_b="import not_there\n")
    report = pytester.path / "made/collection.json"
    pytester.runpytest_inprocess(
        "-p", "harness.pytest_report", f"--collection-report={report}", "-k", "nothing"
    )
    read = collection.read(report.read_bytes(), where="collection.json")
    assert read.deselected == ("test_a.py::test_a",)
    assert [error.node_id for error in read.errors] == ["test_b.py"]


# Reading the report back.


def test_a_report_is_read_into_a_value(tmp_path):
    collect(tmp_path, "-k", "ptychi")
    read = collection.read((tmp_path / "out/collection.json").read_bytes(), where="x")
    assert read.collected == (f"{FILE}::test_ptychi[1]", f"{FILE}::test_ptychi[2]")
    assert len(read.deselected) == 3
    assert (read.errors, read.skipped, read.findings) == ((), (), ())
    assert read.harness_is_local is False


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"{}",
        b'{"format": "harness.collection/2"}',
        b'{"format": "harness.collection/1"}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_report_is_a_finding(data):
    (found,) = collection.read(data, where="x").findings
    assert found.rule == "collect.report"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("collected", "a"),
        ("collected", [1]),
        ("deselected", None),
        ("marked", []),
        ("marked", {"a": 1}),
        ("errors", [{"node_id": "a"}]),
        ("errors", ["a"]),
        ("harness_is_local", "yes"),
        ("returncode", "0"),
    ],
)
def test_a_report_with_a_wrong_value_is_a_finding(tmp_path, key, value):
    report = WHOLE | {key: value}
    (found,) = collection.read(json.dumps(report).encode(), where="x").findings
    assert (found.rule, found.pointer) == ("collect.report", f"/{key}")


WHOLE = {
    "format": "harness.collection/1",
    "collected": [],
    "deselected": [],
    "skipped": [],
    "errors": [],
    "marked": {},
    "harness_is_local": True,
    "returncode": 5,
}


def test_a_whole_report_has_no_finding():
    read = collection.read(json.dumps(WHOLE).encode(), where="x")
    assert (read.findings, read.returncode) == ((), 5)
