"""Build the project's environments, and only when they are stale.

    python3 requirements/environment.py light|full|formats|mutation ...

light    .venv-light    tests, dry run, verify: requirements/light.txt
full     .venv          real runs: requirements/full.txt, torch and pty-chi included
formats  .venv-formats  public validators of hubs: requirements/formats.txt
mutation .venv-mutation the mutation tester: requirements/mutation.txt

Standard library only: make and nox call it before anything is installed. A stamp in the
environment holds the digests of what it was built from; a stale lock file rebuilds it from
nothing, a changed pyproject.toml only installs the package again. The syntax stays old, so
that an old Python gets the message below and not a syntax error.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

OLDEST_PYTHON = (3, 11)
FOLDERS = {
    "light": ".venv-light",
    "full": ".venv",
    "formats": ".venv-formats",
    "mutation": ".venv-mutation",
}
TARGETS = {"light": "light-env", "full": "env", "formats": "formats", "mutation": "mutation"}
NOTES = {
    "light": "some seconds",
    "full": "torch and pty-chi: some GB, some minutes",
    "formats": "some seconds",
    "mutation": "some seconds",
}


def lock_file(name):
    """Return where an environment's lock file lies, from the repository's root."""
    return Path("requirements", f"{name}.txt")


def wanted(name, folder):
    """Return what a fresh environment's stamp says: one line for its base, one for the package.

    The base is the lock file and the place: a moved environment is broken, its scripts name
    the old one. The package is installed from pyproject.toml.
    """
    lock = hashlib.sha256(lock_file(name).read_bytes()).hexdigest()
    project = hashlib.sha256(Path("pyproject.toml").read_bytes()).hexdigest()
    return [f"{lock} {folder.absolute()}", project]


def read_stamp(folder):
    """Return the stamp's lines, or none where the environment is absent or half built."""
    stamp = folder / "stamp"
    if not stamp.is_file() or not (folder / "bin" / "python").exists():
        return []
    return stamp.read_text(encoding="utf-8").splitlines()


def run_python(folder, *arguments, check=True):
    """Run a command of the environment's own Python."""
    subprocess.run([str(folder / "bin" / "python"), *arguments], check=check)


def create(name, folder):
    """Build an environment from nothing out of its lock file."""
    if Path(sys.prefix).resolve() == folder.resolve():
        sys.exit(
            f"{folder} is stale and cannot rebuild itself while it runs: run make {TARGETS[name]}"
        )
    if folder.exists():
        shutil.rmtree(folder)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = ("-m", "pip", "install", "--quiet", "--no-compile")
    run_python(folder, *install, "--require-hashes", "--no-deps", "-r", str(lock_file(name)))
    # pip compiles on one core, and the packages' own tests too. Files that do not compile
    # (templates, other versions' syntax) are no failure.
    run_python(folder, "-m", "compileall", "-qq", "-j0", "-x", "/tests?/", str(folder), check=False)


def ensure(name):
    """Bring one environment up to date; silent and quick when it is."""
    folder = Path(FOLDERS[name])
    stamp = wanted(name, folder)
    found = read_stamp(folder)
    if found == stamp:
        os.utime(folder / "stamp")
        return
    started_s = time.monotonic()
    print(f"building {folder} ({NOTES[name]})", flush=True)
    if found[:1] != stamp[:1]:
        create(name, folder)
    (folder / "stamp").unlink(missing_ok=True)
    package = ("--no-deps", "--no-build-isolation", "--editable", ".")
    run_python(folder, "-m", "pip", "install", "--quiet", *package)
    (folder / "stamp").write_text("\n".join(stamp) + "\n", encoding="utf-8")
    print(f"built {folder} in {time.monotonic() - started_s:.0f} s", flush=True)


def main(names):
    """Bring the named environments up to date."""
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(
            "Python {}.{} or newer is needed, and {} is {}.{}: "
            "name another, as in make PYTHON=python3.12 ...".format(
                *OLDEST_PYTHON, sys.executable, *sys.version_info[:2]
            )
        )
    if not names or not set(names) <= set(FOLDERS):
        sys.exit(f"usage: environment.py {'|'.join(FOLDERS)} ...")
    os.chdir(Path(__file__).resolve().parents[1])
    try:
        for name in names:
            ensure(name)
    except subprocess.CalledProcessError as error:
        command = " ".join(error.cmd)
        sys.exit(f"the environment was not built: {command} ended with {error.returncode}")


if __name__ == "__main__":
    main(sys.argv[1:])
