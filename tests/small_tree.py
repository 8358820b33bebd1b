"""A small repository to run whole stages in: a copy of the harness, a study of a few quick tests.

Its child is `tests/children/child.py`; what it shall do beyond its job stands in CHILD_WORDS.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness import (
    cli,
    documented,
    documents,
    hub,
    layout,
    matrix,
    provenance,
    reconstruction,
    stages,
    studyfile,
)
from harness.collection import Collection

REPOSITORY = Path(__file__).parents[1]
ATTESTED = REPOSITORY / "tests/examples/valid/attestation/succeeded.json"
INITIATIVE = "STUDY-SYNTH-FLY64-DOSE-OVERLAP-001"
# What the real child imports and the child that stands in for it does not.
CHILD_NEEDS = '("torch", "ptychi")'
# What the child that stands in attests where they are not installed.
STANDS_IN = {
    name: version
    for name, version in json.loads(ATTESTED.read_bytes())["versions"].items()
    if name in ("torch", "ptychi", "matplotlib")
}
STUDY = Path("plans", "active", INITIATIVE, "study.toml")
CHILD_WORDS = "TEST_CHILD_WORDS"
NAMES = ("test_mapped", "test_ptychi_log_has_a_suffix", "test_another")
ONE_JOB = ("--dose", "1000", "--view", "dense", "--split", "train", "--num-epochs", "2")

RUN = (
    "python -m harness.reconstruction --phase-c-root PHASE_C --phase-d-root PHASE_D "
    "--artifact-root HUB"
)


def empty_table(*blocks: str) -> str:
    """Return tables that the harness is to fill."""
    table = "\n<!-- {0}:begin -->\n| what | what for |\n| --- | --- |\n<!-- {0}:end -->\n"
    return "".join(table.format(block) for block in blocks)


FILES = {
    "pyproject.toml": """[tool.pytest.ini_options]
addopts = "-p no:hypothesispytest -p no:cacheprovider"
""",
    "harness/jobs/ptychi_lsqml.py": f'''"""Stands in for the real child."""
import os, runpy, sys
print("pid", os.getpid(), flush=True)
sys.argv += os.environ.get("{CHILD_WORDS}", "").split()
runpy.run_path({str(REPOSITORY / "tests/children/child.py")!r}, run_name="__main__")
''',
    "tests/__init__.py": "",
    "tests/study/__init__.py": "",
    "tests/study/test_small.py": """from harness import layout

def test_mapped():
    assert layout.CHILD_LOG == "ptychi.log"

def test_ptychi_log_has_a_suffix():
    assert layout.CHILD_LOG.endswith(".log")

def test_another():
    pass
""",
    "tests/faults.toml": 'format = "harness.faults/1"\n'
    + "".join(
        f"""[[faults]]
id = "{fault}"
why = "readers would not find the log"
file = "harness/layout.py"
find = 'CHILD_LOG = "ptychi.log"'
replace = 'CHILD_LOG = "{name}"'
kills = [
    "tests/study/test_small.py::test_mapped",
    "tests/study/test_small.py::test_ptychi_log_has_a_suffix",
]
"""
        for fault, name in (("renamed", "child"), ("in-capitals", "PTYCHI.LOG"), ("cut", "ptychi"))
    ),
    "Makefile": """DOSE ?=
override DATA := DOSE HUB

red: ## show that tests fail
	nox -s red
verify: ## check a hub
	python -m harness verify $$HUB
""",
    "noxfile.py": '''import nox

@nox.session
def red(session):
    """Show that tests fail."""
''',
    "docs/hub-format.md": "# Hubs\n" + empty_table("rules"),
    "docs/adr/README.md": "# Decisions\n" + empty_table("decisions"),
    "docs/adr/0001-small.md": "# 1. A study in small\n",
    "docs/TESTING_GUIDE.md": """# Guide

```bash
pytest tests/study/test_small.py::test_mapped -vv
pytest tests/study/test_small.py -k ptychi -vv
pytest tests/study/test_small.py --collect-only -vv
DOSE=1000 make red
nox -s red
python -m harness verify HUB --git
```

<!-- selectors:begin -->
| selector | what it selects |
| --- | --- |
| `pytest tests/study/test_small.py -k ptychi -vv` | the suite |
<!-- selectors:end -->

<!-- stage-commands:begin -->
| stage | command | what it shows |
| --- | --- | --- |
| `red` | `pytest tests/study/test_small.py::test_mapped --collect-only -vv` | what is mapped |
| `red` | `pytest tests/study/test_small.py -k ptychi --collect-only -vv` | the suite |
| `red` | `pytest TEST... -vv` | these, as the tree stands and under each fault |
| `green` | `pytest tests/study/test_small.py::test_mapped -vv` | the mapped test |
| `green` | `pytest tests/study/test_small.py -k ptychi -vv` | the suite |
| `collect` | `pytest tests/study/test_small.py --collect-only -vv` | all |
| `dry-run` | `RUN/cli --dry-run` | the plan |
| `real-run` | `RUN/real_run/plan --dry-run` | its own plan |
| `real-run` | `RUN/real_run` | the run |
<!-- stage-commands:end -->
""".replace("RUN", RUN)
    + empty_table("targets", "sessions", "commands", "options"),
    "docs/development/TEST_SUITE_INDEX.md": """# Index

<!-- tests:begin -->
| test | what it shows |
| --- | --- |
| `tests/study/test_small.py::test_mapped` | the log's name |
| `tests/study/test_small.py::test_ptychi_log_has_a_suffix` | the log's suffix |
| `tests/study/test_small.py::test_another` | nothing |
<!-- tests:end -->

<!-- files:begin -->
| file | purpose |
| --- | --- |
| `tests/study/test_small.py` | a study in small |
<!-- files:end -->
""",
    "docs/fix_plan.md": "# Fix plan\n\n## Attempts history\n\n- An earlier attempt.\n",
}


def make(root: Path, inputs: Path) -> Path:
    """Make the repository; its inputs of the smoke preset are links to those given."""
    for folder in ("harness", "recipes", "schemas"):
        ignore = shutil.ignore_patterns("__pycache__", "jobs")
        shutil.copytree(REPOSITORY / folder, root / folder, ignore=ignore)
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "harness" / "jobs" / "__init__.py").write_text("")
    model = root / "harness" / "model.py"
    model.write_text(model.read_text().replace(f"CHILD_NEEDS = {CHILD_NEEDS}", "CHILD_NEEDS = ()"))
    surroundings = root / "harness" / "provenance.py"
    text = surroundings.read_text()
    stands_in = f"found[package] = {STANDS_IN}.get(package)"
    surroundings.write_text(text.replace("found[package] = None", stands_in))
    study = (REPOSITORY / STUDY).read_text()
    module = "tests/study/test_dose_overlap_reconstruction.py"
    study = study.replace(f"{module}::test_cli_executes_selected_jobs", f"{module}::test_mapped")
    # The child that stands in holds nothing out.
    study = study.replace('recipe = "default"', 'recipe = "seed"')
    (root / STUDY).parent.mkdir(parents=True)
    (root / STUDY).write_text(study.replace(module, "tests/study/test_small.py"))
    _fill_tables(root)
    shutil.copytree(inputs, root / layout.scratch(INITIATIVE, "smoke"), copy_function=os.link)
    return root


def _fill_tables(root: Path) -> None:
    tests = studyfile.load(root / STUDY).tests
    collected = Collection(tuple(f"{tests.module}::{name}" for name in NAMES))
    known = documents.facts(root, tests, cli.command_lines())
    for path, text in documented.mended(documents.texts(root), known, collected).items():
        (root / path).write_text(text)


def run(
    root: Path, module: str, *words: str | Path, child: str = "", timeout_s: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run `python -m MODULE WORDS` in a folder; what it says is text."""
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, words)],
        cwd=root,
        env={**os.environ, CHILD_WORDS: child},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def call(main: Callable[..., int], capfd: Any, argv: Sequence[str | Path]) -> Any:
    """Call a command line in this process; return what a process of its own would have left."""
    capfd.readouterr()
    words = [str(word) for word in argv]
    try:
        code = main(words)
    except SystemExit as end:
        code = end.code
    said = capfd.readouterr()
    return subprocess.CompletedProcess(words, code, said.out, said.err)


def copy(source: Path, target: Path) -> Path:
    """Copy a small repository; inputs become links, since nobody writes into one."""

    def link_or_copy(one: str, other: str) -> None:
        (os.link if one.endswith(".npz") else shutil.copyfile)(one, other)

    return Path(shutil.copytree(source, target, copy_function=link_or_copy))


def new_hub(root: Path) -> Path:
    """Return a new hub of the small repository."""
    reports = root / layout.reports(INITIATIVE)
    return hub.create(reports, INITIATIVE, "small", provenance.now)


def stood_in(versions: dict[str, str | None]) -> dict[str, str | None]:
    """Return versions with those that the test child attests where none is installed."""
    return {name: said or STANDS_IN.get(name) for name, said in versions.items()}


def request(
    root: Path,
    hub_path: Path,
    stage: str,
    *words: str,
    key: Path | None = None,
    base_ref: str | None = None,
) -> stages.StageRequest:
    """Return the request for a stage in the small repository; real runs are of four jobs."""
    design = studyfile.load(root / STUDY)
    chosen = {"dose": ("1000",), "view": ("baseline", "dense")} if stage == "real-run" else {}
    filters = matrix.check_filters(design, chosen)
    asked = [word for name, values in chosen.items() for v in values for word in (f"--{name}", v)]
    return stages.StageRequest(
        stage=stage,
        hub=hub_path,
        design=design,
        preset="smoke",
        filters=filters,
        settings=reconstruction.make_settings(design, given={"num_epochs": 2}),
        study_path=STUDY,
        words=(*asked, "--num-epochs", "2", *words),
        repository=root,
        key=key,
        base_ref=base_ref,
        command_lines=cli.command_lines(),
    )


def run_stage(
    root: Path,
    hub_path: Path,
    stage: str,
    *words: str,
    child: str = "",
    key: Path | None = None,
    base_ref: str | None = None,
) -> int:
    """Run a stage in this process, as if it had been started in the small repository."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv(CHILD_WORDS, child)
        # The processes of the stage import the small repository's own harness.
        patch.setenv("PYTHONPATH", str(root))
        asked = request(root, hub_path, stage, *words, key=key, base_ref=base_ref)
        return stages.run(asked)


def digests(folder: Path) -> dict[str, str]:
    """Return path and sha256 of every file, links by where they point, folders by their name."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[name] = "folder"
    return found
