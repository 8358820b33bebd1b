"""The environments, their lock files, the wheel and what git ignores."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import util
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from harness import onefile

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ("light", "full", "formats", "mutation")
HUB = "plans/active/S/reports/2026-01-02T030405Z/slug"


def output_of(tree: Path, *argv: str) -> str:
    done = subprocess.run(argv, cwd=tree, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """The environment builder, in a tree of its own, with its commands noted and not run."""
    locks = [f"requirements/{name}.txt" for name in ENVIRONMENTS]
    for name in ("pyproject.toml", *locks):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    builder = shutil.copy(ROOT / "requirements" / "environment.py", tmp_path / "requirements")
    spec = util.spec_from_file_location("environment", builder)
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.chdir(tmp_path)
    ran: list[list[str]] = []

    def note(argv, *, check):
        ran.append(argv)
        if argv[1:3] == ["-m", "venv"]:
            Path(argv[3], "bin").mkdir(parents=True)
            Path(argv[3], "bin", "python").touch()

    monkeypatch.setattr(module.subprocess, "run", note)
    module.ran = ran
    return module


def test_an_environment_is_built_from_its_lock_with_hashes_and_then_left_alone(environment):
    environment.main(["light"])
    _venv, lock, _compile, package = environment.ran
    assert lock[-4:] == ["--require-hashes", "--no-deps", "-r", "requirements/light.txt"]
    assert package[-2:] == ["--editable", "."]
    environment.main(["light"])
    assert len(environment.ran) == 4


def test_a_changed_project_file_only_installs_the_package_again(environment, tmp_path):
    environment.main(["light"])
    (tmp_path / "pyproject.toml").write_text("# changed\n")
    environment.main(["light"])
    assert environment.ran[4:] == environment.ran[3:4]


def test_a_changed_lock_or_a_moved_tree_builds_from_nothing(environment, tmp_path):
    environment.main(["light"])
    leftover = tmp_path / ".venv-light" / "leftover"
    leftover.touch()
    (tmp_path / "requirements" / "light.txt").write_text("# changed\n")
    environment.main(["light"])
    assert not leftover.exists()
    stamp = tmp_path / ".venv-light" / "stamp"
    stamp.write_text(stamp.read_text().replace(str(tmp_path), "/elsewhere"))
    environment.main(["light"])
    assert len(environment.ran) == 12


def test_an_interrupted_build_is_begun_again(environment, monkeypatch):
    def break_down(argv, *, check):
        raise subprocess.CalledProcessError(1, argv)

    with monkeypatch.context() as patch:
        patch.setattr(environment.subprocess, "run", break_down)
        with pytest.raises(SystemExit, match=r"not built: .* ended with 1"):
            environment.main(["full"])
    environment.main(["full"])
    assert environment.ran[0][1:] == ["-m", "venv", ".venv"]


def test_an_environment_that_runs_the_builder_is_not_pulled_away(
    environment, tmp_path, monkeypatch
):
    python = tmp_path / ".venv-light" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    monkeypatch.setattr(environment.sys, "prefix", str(tmp_path / ".venv-light"))
    with pytest.raises(SystemExit, match="run make light-env"):
        environment.main(["light"])
    assert python.exists()


def test_an_old_python_is_refused_with_its_version_and_a_way_out(environment, monkeypatch):
    monkeypatch.setattr(environment, "OLDEST_PYTHON", (99, 1))
    with pytest.raises(SystemExit, match=r"Python 99\.1 or newer .* is 3\.\d+: .*make PYTHON="):
        environment.main(["light"])
    assert environment.ran == []


def locked(name: str) -> dict[str, str]:
    """Return the lock file's pins, name to version."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", text, re.M))


def group(project: dict, name: str) -> list[str]:
    entries = project["dependency-groups"][name]
    return [
        line
        for entry in entries
        for line in (group(project, entry["include-group"]) if isinstance(entry, dict) else [entry])
    ]


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_lock_file_holds_what_the_project_asks_for(name):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    if name == "full":
        lines = project["project"]["dependencies"] + group(project, "build")
    else:
        lines = group(project, name)
    pins = locked(name)
    for requirement in map(Requirement, lines):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_lock_file_pins_by_hash_and_names_no_place(name):
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    entries = re.split(r"\n(?=[a-z0-9])", text)[1:]
    assert len(entries) == len(locked(name))
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"://|index-url|find-links|(^|\s)[./]", text)


def test_the_two_environments_agree_on_what_they_share():
    light, full = locked("light"), locked("full")
    assert {name for name in light.keys() & full.keys() if light[name] != full[name]} == set()
    assert not {"torch", "ptychi", "matplotlib"} & light.keys()


def test_the_validators_look_at_hubs_made_with_the_light_environment_s_versions():
    asked = group(tomllib.loads((ROOT / "pyproject.toml").read_text()), "formats")
    names = {canonicalize_name(Requirement(line).name) for line in asked}
    light, formats = locked("light"), locked("formats")
    assert {name for name in names & light.keys() if light[name] != formats[name]} == set()


@pytest.mark.parametrize("name", ["conftest.py", "small_tree.py"])
def test_what_makes_the_hubs_for_the_validators_is_in_their_environment(name):
    tree = ast.parse((ROOT / "tests" / name).read_text())
    imported = {
        module.partition(".")[0]
        for node in ast.walk(tree)
        for module in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    foreign = imported - sys.stdlib_module_names - {"harness", "tests"}
    assert foreign
    assert foreign <= locked("formats").keys()


def test_every_dependency_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    reasons = (ROOT / "docs" / "adr" / "0003-dependencies.md").read_text()
    lines = project["project"]["dependencies"] + group(project, "light")
    lines += group(project, "formats")
    names = {Requirement(line).name for line in lines}
    decided, _not_taken = reasons.split("Not taken:")
    assert {
        name for name in names if not re.search(rf"^\| .*\b{name}\b.* \|", decided, re.M)
    } == set()


def test_the_pure_contract_covers_the_pure_layers():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    by_id = {contract["id"]: contract for contract in contracts["contracts"]}
    *_, core, values = by_id["layers"]["layers"]
    layered = {f"harness.{name.strip()}" for layer in (core, values) for name in layer.split(":")}
    assert layered == set(by_id["pure"]["source_modules"])


def test_a_wheel_carries_the_schemas_inside_the_package(tmp_path):
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "harness", tmp_path / "harness")
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "job.schema.json").write_text("{}")
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "seed.toml").write_text("")
    for name in ("README.md", "LICENSE"):
        (tmp_path / name).write_text("text\n")
    code = "import hatchling.build as b; print(b.build_wheel('dist'))"
    wheel = output_of(tmp_path, sys.executable, "-c", code).split()[-1]
    names = set(zipfile.ZipFile(tmp_path / "dist" / wheel).namelist())
    packed = {"schemas/job.schema.json", "recipes/seed.toml", "model.py"}
    assert {f"harness/{name}" for name in packed} <= names
    assert {name.split("/")[0] for name in names if "dist-info" not in name} == {"harness"}


def test_git_ignores_a_new_hub_until_someone_insists(tmp_path):
    shutil.copy(ROOT / ".gitignore", tmp_path)
    output_of(tmp_path, "git", "init", "--quiet")
    (tmp_path / HUB).mkdir(parents=True)
    (tmp_path / HUB / "stage.json").touch()
    assert output_of(tmp_path, "git", "status", "--short", "plans") == ""
    output_of(tmp_path, "git", "add", "-f", HUB)
    assert output_of(tmp_path, "git", "status", "--short", "plans") == f"A  {HUB}/stage.json\n"


def test_git_ignores_the_study_of_one_file_until_someone_insists(tmp_path):
    shutil.copy(ROOT / ".gitignore", tmp_path)
    output_of(tmp_path, "git", "init", "--quiet")
    study = f"plans/active/{onefile.INITIATIVE}-star-01234567/study.toml"
    (tmp_path / study).parent.mkdir(parents=True)
    (tmp_path / study).touch()
    assert output_of(tmp_path, "git", "status", "--short", "plans") == ""
    output_of(tmp_path, "git", "add", "-f", study)
    assert output_of(tmp_path, "git", "status", "--short", "plans") == f"A  {study}\n"
