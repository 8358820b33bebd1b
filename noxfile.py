"""The stages and the checks as nox sessions; `nox` alone is the CI gate, red green collect.

One nox call makes one new hub, which its stage sessions share; HUB=PATH adds to an existing one.
Settings come from the environment (DOSE=1000 nox -s real_run) or after `--`, and reach the
harness as arguments of their own, never through a shell. The sessions share environments, which
requirements/environment.py builds when they are stale.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.sessions = ["red", "green", "collect"]
nox.options.default_venv_backend = "none"

FOLDERS = {
    "light": Path(".venv-light", "bin"),
    "full": Path(".venv", "bin"),
    "formats": Path(".venv-formats", "bin"),
    "mutation": Path(".venv-mutation", "bin"),
}
# Variable -> option of `python -m harness stage`, for the stages that deal with jobs.
JOBS = {
    "DOSE": "--dose",
    "VIEW": "--view",
    "SPLIT": "--split",
    "GRIDSIZE": "--gridsize",
    "RECIPE": "--recipe",
    "EPOCHS": "--num-epochs",
    "STOP": "--stop",
    "PARALLEL": "--parallel",
    "DEVICE": "--device",
    "SEED": "--seed",
    "INITIAL_OBJECT": "--initial-object",
    "PROBE": "--probe",
    "HALVES": "--halves",
}
INTERRUPT_S = 60.0
OFF = {"", "0", "no", "false"}

_hub: list[str] = []


def programs(session: nox.Session, environment: str) -> Path:
    """Return the bin folder of an environment, built first when it is stale."""
    builder = os.environ.get("PYTHON") or sys.executable
    session.run(builder, "requirements/environment.py", environment, external=True, log=False)
    return FOLDERS[environment]


def options(names: dict[str, str]) -> list[str]:
    """Return one argument for each variable that is set: --dose=1000."""
    return [
        f"{option}={os.environ[name]}" for name, option in names.items() if os.environ.get(name)
    ]


def new_hub(session: nox.Session, harness: list[str], arguments: list[str]) -> str:
    """Return the path of a hub that the harness just made, once it found the arguments sound."""
    answer = session.run(
        *harness, "new-hub", *arguments, external=True, silent=True, stderr=None, log=False
    )
    return str(answer or "").strip()


def stage(
    session: nox.Session, name: str, environment: str, preset: str, arguments: list[str]
) -> None:
    """Run one stage of the harness into this call's hub."""
    harness = [str(programs(session, environment) / "python"), "-m", "harness"]
    inputs = options({"PRESET": "--preset"}) or [f"--preset={preset}"]
    inputs += options({"BASE": "--base"})
    words = [*inputs, *arguments, *session.posargs]
    if not _hub:
        _hub.append(os.environ.get("HUB") or new_hub(session, harness, words))
    session.run(
        *harness,
        "stage",
        name,
        f"--hub={_hub[0]}",
        *words,
        external=True,
        # An interrupted stage ends its children and writes its record before it goes.
        interrupt_timeout=INTERRUPT_S,
        terminate_timeout=INTERRUPT_S,
    )


def check(session: nox.Session, program: str, *arguments: str) -> None:
    """Run a program of the light environment."""
    session.run(str(FOLDERS["light"] / program), *arguments, external=True)


@nox.session
def red(session: nox.Session) -> None:
    """Show that the mapped tests fail, by assertion, without what they guard."""
    stage(session, "red", "light", "smoke", options({"BASE_REF": "--base-ref"}))


@nox.session
def green(session: nox.Session) -> None:
    """Show that the mapped tests pass, and the suite around them."""
    stage(session, "green", "light", "smoke", [])


@nox.session
def collect(session: nox.Session) -> None:
    """Show that the tests are those that the documents list."""
    stage(session, "collect", "light", "smoke", [])


@nox.session
def dry_run(session: nox.Session) -> None:
    """Plan and check the jobs; launch nothing."""
    stage(session, "dry-run", "light", "default", options(JOBS))


@nox.session
def real_run(session: nox.Session) -> None:
    """Reconstruct the selected jobs, one child process each."""
    fail_fast = os.environ.get("FAIL_FAST", "").lower() not in OFF
    arguments = options(JOBS) + ["--fail-fast"] * fail_fast
    stage(session, "real-run", "full", "default", arguments)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests: all of them on all cores with coverage, or those named after `--` without."""
    programs(session, "light")
    whole = ["-n=auto", "--dist=worksteal", "--cov", "--cov-report=term"]
    check(session, "python", "-m", "pytest", *(session.posargs or whole))


@nox.session
def attack(session: nox.Session) -> None:
    """Attack the example hub in every way and write what was found into the threat model."""
    programs(session, "light")
    words = ["-m", "tests.attack.table", "--write=docs/threat-model.md", *session.posargs]
    check(session, "python", *words)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format, and which module may import which."""
    programs(session, "light")
    check(session, "ruff", "check")
    check(session, "ruff", "format", "--check")
    check(session, "lint-imports", "--no-logo")


@nox.session
def formats(session: nox.Session) -> None:
    """Check what hubs hold with the public validators of its formats."""
    python = programs(session, "formats") / "python"
    words = ["-m", "pytest", "tests/formats/validate_hubs.py", *session.posargs]
    session.run(str(python), *words, external=True)


@nox.session
def mutation(session: nox.Session) -> None:
    """Try mutants of the pure core against its tests; score and survivors lie in a new hub."""
    python = programs(session, "mutation") / "python"
    session.run(str(python), "-m", "harness", "mutation", *session.posargs, external=True)


@nox.session
def selfcheck(session: nox.Session) -> None:
    """Check reconstructions against known truths, repeating, what options help, and devices."""
    python = programs(session, "full") / "python"
    session.run(str(python), "-m", "harness.jobs.selfcheck", *session.posargs, external=True)
    session.run(str(python), "-m", "harness.jobs.repeatcheck", external=True)
    session.run(str(python), "-m", "harness.jobs.optionscheck", external=True)
    session.run(str(python), "-m", "harness.jobs.devicecheck", external=True)
