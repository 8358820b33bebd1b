"""make, nox and CI: the real programs, with stand-ins for what they call."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LATER = "plans/active/S/reports/2026-01-02T040405Z/slug"
HUB = "plans/active/S/reports/2026-01-02T030405Z/slug"
VARIABLES = (
    *("DOSE", "VIEW", "SPLIT", "GRIDSIZE", "EPOCHS", "DEVICE", "SEED", "INITIAL_OBJECT"),
    *("FAIL_FAST", "PRESET", "BASE", "BASE_REF", "HUB", "PYTHON", "PUBLIC_KEY", "PROBE"),
)
TARGETS = {
    *("env", "light-env", "inputs", "red", "green", "collect", "dry-run", "real-run", "evidence"),
    *(
        "test",
        "attack",
        "lint",
        "formats",
        "mutation",
        "selfcheck",
        "verify",
        "anchor",
        "reproduce",
        "reconstruct",
        "import",
        "export",
        "blocked",
        "hubs",
    ),
    *("lock", "clean", "distclean", "docs-sync", "help"),
}
SESSIONS = {
    *("red", "green", "collect", "dry_run", "real_run"),
    *("tests", "attack", "lint", "formats", "mutation", "selfcheck"),
}
ATTACKS = (
    "1000; touch pwned",
    "$(shell touch pwned)",
    "$(touch pwned)",
    "$$(touch pwned)",
    "`touch pwned`",
    "${eval DOSE:=$(shell touch pwned)}",
    "$(error broken)",
    "' && touch pwned && '",
    '" && touch pwned && "',
    "1000\ntouch pwned",
    "1000 # touch pwned",
    "--help",
    "*",
    "a\\",
    "$",
)

# Notes each call, then plays the part: a new hub's path, or the failure that was asked for.
STAND_IN = """
import json, os, sys
with open("calls.jsonl", "a") as calls:
    calls.write(json.dumps({"argv": sys.argv[1:], "env": dict(os.environ)}) + "\\n")
if "new-hub" in sys.argv:
    print("a word on stderr is no path", file=sys.stderr)
    print(os.environ["STAND_IN_HUB"])
sys.exit(3 if os.environ.get("STAND_IN_FAILS") in sys.argv else 0)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout whose environments are up to date and made of stand-ins."""
    for name in ("Makefile", "noxfile.py", "pyproject.toml", ".gitignore"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(
        ROOT / "requirements", tmp_path / "requirements", ignore=shutil.ignore_patterns("__py*")
    )
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    for environment in (".venv-light", ".venv", ".venv-formats", ".venv-mutation"):
        for program in ("python", "nox", "ruff", "lint-imports"):
            stand_in(tmp_path, tmp_path / environment / "bin" / program)
        (tmp_path / environment / "stamp").write_text("fresh\n")
    stand_in(tmp_path, tmp_path / "builder")
    return tmp_path


def stand_in(tree: Path, program: Path) -> None:
    script(program, f'exec "{sys.executable}" "{tree}/stand_in.py" "$0" "$@"')


def script(program: Path, text: str) -> None:
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)


def run(tree: Path, *argv: str, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a program in the tree, free of what an outer make, nox or user has set."""
    outer = ("MAKE", "MFLAGS", "NOX", "COVERAGE")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(outer) and k not in VARIABLES}
    return subprocess.run(
        argv,
        cwd=tree,
        env={**kept, "STAND_IN_HUB": HUB, **env},
        capture_output=True,
        text=True,
        check=check,
        stdin=subprocess.DEVNULL,
    )


def nox(tree: Path, *argv: str, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
    env = {"PYTHON": str(tree / "builder"), **env}
    return run(tree, sys.executable, "-m", "nox", *argv, check=check, **env)


def calls(tree: Path) -> list[list[str]]:
    """Return the argv of every stand-in that ran, program first, paths relative to the tree."""
    return [call["argv"] for call in recorded(tree)]


def recorded(tree: Path) -> list[dict]:
    log = tree / "calls.jsonl"
    found = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    for call in found:
        call["argv"][0] = call["argv"][0].removeprefix(f"{tree}/")
    return found


def harness_calls(tree: Path) -> list[list[str]]:
    return [argv[3:] for argv in calls(tree) if argv[1:3] == ["-m", "harness"]]


# make


def test_make_alone_lists_every_target(tree):
    listed = set(re.findall(r"^  make ([a-z-]+) ", run(tree, "make").stdout, re.M))
    assert listed == TARGETS
    declared = set(re.findall(r"^\.PHONY: (.+)$", (tree / "Makefile").read_text(), re.M))
    assert {name for line in declared for name in line.split()} == TARGETS


@pytest.mark.parametrize(
    ("target", "sessions"),
    [
        ("red", ["red"]),
        ("green", ["green"]),
        ("collect", ["collect"]),
        ("dry-run", ["dry_run"]),
        ("real-run", ["real_run"]),
        ("evidence", ["red", "green", "collect", "dry_run", "real_run"]),
        ("test", ["tests"]),
        ("lint", ["lint"]),
        ("formats", ["formats"]),
        ("mutation", ["mutation"]),
        ("selfcheck", ["selfcheck"]),
    ],
)
def test_a_make_target_is_a_nox_call(tree, target, sessions):
    run(tree, "make", target)
    assert calls(tree) == [[".venv-light/bin/nox", "-s", *sessions]]


@pytest.mark.parametrize(
    ("argv", "arguments"),
    [
        (("hubs",), ["hubs"]),
        (("docs-sync",), ["docs-sync"]),
        (("inputs",), ["prepare", "--preset=default"]),
        (
            ("inputs", "PRESET=smoke", "BASE=a b.npz"),
            ["prepare", "--preset=smoke", "--base=a b.npz"],
        ),
        (("verify", "HUB=a b"), ["verify", "--", "a b"]),
        (
            ("verify", "HUB=a b", "PUBLIC_KEY=c d"),
            ["verify", "--public-key=c d", "--", "a b"],
        ),
        (("anchor", "HUB=a b"), ["anchor", "--", "a b"]),
        (("blocked", "HUB=a b"), ["blocked", "--", "a b"]),
    ],
)
def test_a_make_target_is_a_harness_command(tree, argv, arguments):
    run(tree, "make", *argv)
    assert calls(tree) == [[".venv-light/bin/python", "-m", "harness", *arguments]]


def test_make_reproduce_runs_in_the_full_environment(tree):
    run(tree, "make", "reproduce", "HUB=a b")
    assert calls(tree) == [[".venv/bin/python", "-m", "harness", "reproduce", "--", "a b"]]


def test_make_reproduce_runs_the_one_job_that_was_named(tree):
    run(tree, "make", "reproduce", "HUB=a b", "JOB=dose_1000/dense/train")
    words = ["--job=dose_1000/dense/train", "--", "a b"]
    assert calls(tree) == [[".venv/bin/python", "-m", "harness", "reproduce", *words]]


def test_reconstruct_takes_the_file_as_one_word_and_the_settings_as_they_are(tree):
    given = ("EPOCHS=3", "PROBE=given", "HALVES=none")
    run(tree, "make", "reconstruct", "FILE=a $(b).npz", *given)
    words = ["--num-epochs=3", "--probe=given", "--halves=none", "--", "a $(b).npz"]
    assert calls(tree) == [[".venv/bin/python", "-m", "harness", "reconstruct", *words]]
    done = run(tree, "make", "reconstruct", check=False)
    assert done.returncode == 2
    assert "make reconstruct FILE=PATH" in done.stderr


@pytest.mark.parametrize(
    ("argv", "arguments"),
    [
        (("import", "FILE=a $(b).cxi", "OUT=c d"), ["import", "--out=c d", "--", "a $(b).cxi"]),
        (
            ("import", "FILE=a", "OUT=b", "OPTIONS=--flip y  --probe *;echo $(id)"),
            ["import", "--out=b", "--flip", "y", "--probe", "*;echo", "$(id)", "--", "a"],
        ),
        (
            ("export", "HUB=a b", "JOB=c d", "TO=cxi", "OUT=e f"),
            ["export", "--to=cxi", "--out=e f", "--job=c d", "--", "a b"],
        ),
        (
            ("export", "HUB=a", "TO=cxi", "OUT=b", "OPTIONS=--energy-ev 8800"),
            ["export", "--to=cxi", "--out=b", "--energy-ev", "8800", "--", "a"],
        ),
    ],
)
def test_import_and_export_take_their_words_as_they_are(tree, argv, arguments):
    run(tree, "make", *argv)
    assert calls(tree) == [[".venv-light/bin/python", "-m", "harness", *arguments]]


@pytest.mark.parametrize(
    ("argv", "usage"),
    [
        (("import", "FILE=a"), "make import FILE=PATH OUT=NPZ"),
        (("import", "OUT=a"), "make import FILE=PATH OUT=NPZ"),
        (("export", "HUB=a", "TO=cxi"), "make export HUB=PATH TO=cxi OUT=PATH"),
        (("export", "HUB=a", "OUT=b"), "make export HUB=PATH TO=cxi OUT=PATH"),
        (("export", "TO=cxi", "OUT=b"), "make export HUB=PATH"),
    ],
)
def test_import_and_export_say_what_they_need(tree, argv, usage):
    done = run(tree, "make", *argv, check=False)
    assert done.returncode == 2
    assert usage in done.stderr
    assert calls(tree) == []


@pytest.mark.parametrize("target", ["verify", "anchor", "blocked", "reproduce"])
def test_a_target_that_needs_a_hub_says_so(tree, target):
    done = run(tree, "make", target, check=False)
    assert done.returncode == 2
    assert f"make {target} HUB=PATH" in done.stderr
    assert calls(tree) == []


@pytest.mark.parametrize("target", ["verify", "anchor", "blocked", "reproduce"])
def test_a_target_that_needs_a_hub_says_so_before_it_builds_anything(tree, target):
    for environment in (".venv-light", ".venv"):
        (tree / environment / "stamp").unlink()
    done = run(tree, "make", target, "PYTHON=./builder", "HUB=", check=False)
    assert done.returncode == 2
    assert f"make {target} HUB=PATH" in done.stderr
    assert calls(tree) == []
    run(tree, "make", target, "PYTHON=./builder", "HUB=$(error broken)", check=False)
    assert calls(tree)[0] == ["./builder", "requirements/environment.py", "light"]


@pytest.mark.parametrize("attack", [ATTACKS[:8], ATTACKS[8:]])
@pytest.mark.parametrize("given_as", ["arguments", "environment"])
def test_make_hands_values_on_as_typed_and_never_runs_them(tree, attack, given_as):
    given = dict(zip(VARIABLES, attack, strict=False))
    if given_as == "arguments":
        run(tree, "make", "real-run", *(f"{name}={value}" for name, value in given.items()))
    else:
        run(tree, "make", "real-run", **given)
    (call,) = recorded(tree)
    assert {name: call["env"][name] for name in given} == given
    assert "pwned" not in call["env"].get("MAKEFLAGS", "")
    assert not (tree / "pwned").exists()


@pytest.mark.parametrize("value", ATTACKS)
def test_make_hands_a_hub_to_verify_as_one_word(tree, value):
    run(tree, "make", "verify", f"HUB={value}")
    assert harness_calls(tree) == [["verify", "--", value]]
    assert not (tree / "pwned").exists()


def test_make_twice_builds_an_environment_once_and_again_when_its_lock_changes(tree):
    (tree / ".venv-light" / "stamp").unlink()
    script(tree / "builder", "echo built >>built; touch .venv-light/stamp")
    for _ in range(2):
        run(tree, "make", "red", "PYTHON=./builder")
    assert (tree / "built").read_text() == "built\n"
    later = (tree / ".venv-light" / "stamp").stat().st_mtime + 1
    os.utime(tree / "requirements" / "light.txt", (later, later))
    run(tree, "make", "red", "PYTHON=./builder")
    assert (tree / "built").read_text() == "built\nbuilt\n"


def test_make_clean_keeps_hubs_and_environments(tree):
    for path in ("tmp/scratch", HUB, "harness/__pycache__", "tests", "bench"):
        (tree / path).mkdir(parents=True)
    run(tree, "make", "clean")
    assert (tree / HUB).is_dir()
    assert (tree / ".venv-light").is_dir()
    assert not (tree / "tmp").exists()
    assert not (tree / "harness" / "__pycache__").exists()


# nox


def test_nox_lists_the_sessions_with_what_each_is_for(tree):
    listed = re.findall(r"^([*-]) (\w+) -> (.+)$", nox(tree, "--list").stdout, re.M)
    assert {name for _mark, name, _purpose in listed} == SESSIONS
    assert [name for mark, name, _purpose in listed if mark == "*"] == ["red", "green", "collect"]


def test_one_nox_call_makes_one_hub_for_all_its_stages(tree):
    nox(tree)
    assert harness_calls(tree) == [
        ["new-hub", "--preset=smoke"],
        ["stage", "red", f"--hub={HUB}", "--preset=smoke"],
        ["stage", "green", f"--hub={HUB}", "--preset=smoke"],
        ["stage", "collect", f"--hub={HUB}", "--preset=smoke"],
    ]


def test_a_hub_that_is_named_gets_the_stage_and_no_new_one_is_made(tree):
    nox(tree, "-s", "dry_run", HUB="an old hub", PRESET="smoke")
    assert harness_calls(tree) == [["stage", "dry-run", "--hub=an old hub", "--preset=smoke"]]


def test_a_real_run_uses_the_full_environment_and_every_setting(tree):
    settings = {"VIEW": "dense", "SPLIT": "train", "GRIDSIZE": "2", "EPOCHS": "5", "DEVICE": "cpu"}
    settings |= {"SEED": "7", "INITIAL_OBJECT": "flat", "FAIL_FAST": "1", "BASE": "b.npz"}
    settings |= {"PROBE": "given"}
    nox(tree, "-s", "real_run", "--", "--dose", "1000", HUB=HUB, **settings)
    (argv,) = [argv for argv in calls(tree) if "stage" in argv]
    assert argv == [
        *(".venv/bin/python", "-m", "harness", "stage", "real-run", f"--hub={HUB}"),
        *("--preset=default", "--base=b.npz", "--view=dense", "--split=train", "--gridsize=2"),
        *("--num-epochs=5", "--device=cpu", "--seed=7", "--initial-object=flat", "--probe=given"),
        *("--fail-fast", "--dose", "1000"),
    ]


@pytest.mark.parametrize("attack", [ATTACKS[:8], ATTACKS[7:]])
def test_nox_hands_each_value_on_as_one_argument(tree, attack):
    nox(tree, "-s", "dry_run", HUB=HUB, **dict(zip(VARIABLES[:8], attack, strict=True)))
    arguments = harness_calls(tree)[0][4:]
    assert [argument.split("=", 1)[1] for argument in arguments] == list(attack)
    assert not (tree / "pwned").exists()


@pytest.mark.parametrize("value", ["", "0", "no", "False"])
def test_fail_fast_can_be_said_to_be_off(tree, value):
    nox(tree, "-s", "real_run", HUB=HUB, FAIL_FAST=value)
    assert "--fail-fast" not in harness_calls(tree)[0]


@pytest.mark.parametrize("failing", ["new-hub", "red", "collect"])
def test_a_failing_stage_fails_the_nox_call(tree, failing):
    assert nox(tree, check=False, STAND_IN_FAILS=failing).returncode != 0


def test_no_stage_runs_without_a_hub(tree):
    nox(tree, check=False, STAND_IN_FAILS="new-hub")
    assert {argv[0] for argv in harness_calls(tree)} == {"new-hub"}


def test_the_public_validators_run_in_their_own_environment(tree):
    nox(tree, "-s", "formats", "--", "-x")
    (argv,) = [argv for argv in calls(tree) if "pytest" in argv]
    assert argv == [
        *(".venv-formats/bin/python", "-m", "pytest", "tests/formats/validate_hubs.py", "-x")
    ]


def test_the_mutation_tester_runs_in_its_own_environment(tree):
    nox(tree, "-s", "mutation")
    environment, ran = calls(tree)
    assert environment == ["builder", "requirements/environment.py", "mutation"]
    assert ran == [".venv-mutation/bin/python", "-m", "harness", "mutation"]


def test_the_test_session_measures_coverage_unless_tests_are_named(tree):
    nox(tree, "-s", "tests")
    nox(tree, "-s", "tests", "--", "tests/unit", "-x")
    whole, named = (argv[3:] for argv in calls(tree) if argv[1:3] == ["-m", "pytest"])
    assert "--cov" in whole
    assert named == ["tests/unit", "-x"]


# CI


@pytest.fixture
def ci(tree):
    """A tree whose make builds stand-ins, makes hubs and counts three passed tests."""
    (tree / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tree / ".ci" / "run")
    (tree / HUB.replace("2026", "2025")).mkdir(parents=True)
    script(
        tree / "programs" / "make",
        'echo "make $*" >>steps\n'
        'case " $FAILS " in *" $1 "*) exit 2;; esac\n'
        'case "$1" in\n'
        "light-env) mkdir -p .venv-light/bin\n"
        f"  printf '#!/bin/sh\\necho nox $* >>steps; mkdir -p {HUB}; '"
        f"'echo nox >{HUB}/manifest-sha256.txt\\n' >.venv-light/bin/nox\n"
        "  printf '#!/bin/sh\\necho python $* >>steps\\n' >.venv-light/bin/python\n"
        "  chmod +x .venv-light/bin/*;;\n"
        'test) echo "===== 3 passed in 0.12s ====="; echo "nox > done";;\n'
        f"real-run) mkdir -p {LATER}; echo real >{LATER}/manifest-sha256.txt;;\n"
        "esac",
    )
    return tree


def run_ci(ci: Path, **env: str) -> subprocess.CompletedProcess[str]:
    path = f"{ci / 'programs'}:{os.environ['PATH']}"
    return run(ci, ".ci/run", check=False, PATH=path, **env)


def test_ci_runs_every_step_verifies_each_new_hub_and_ends_with_the_totals(ci):
    done = run_ci(ci)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "===== 3 passed in 0.12s ====="
    assert (ci / "steps").read_text().splitlines() == [
        "make light-env",
        "make test",
        "nox -s lint red green collect dry_run",
        "make formats",
        "make env",
        "nox -s selfcheck",
        "make real-run DOSE=1000 VIEW=dense SPLIT=train EPOCHS=5 PRESET=smoke",
        f"python -m harness verify -- {HUB}",
        f"python -m harness verify -- {LATER}",
    ]


@pytest.mark.parametrize(
    ("target", "step"),
    [("light-env", "light environment"), ("test", "tests"), ("real-run", "real run")],
)
def test_ci_stops_at_the_step_that_fails_and_names_it(ci, target, step):
    done = run_ci(ci, FAILS=target)
    assert done.returncode != 0
    assert f"FAILED at step: {step}" in done.stderr
    assert (ci / "steps").read_text().splitlines()[-1].startswith(f"make {target}")


def test_the_workflow_does_what_ci_does_and_keeps_the_hubs():
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert "run: .ci/run\n" in workflow
    assert "path: plans/active/*/reports/" in workflow
