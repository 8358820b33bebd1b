"""What is recorded of the world: time, versions, host, code, environment, argv.

The one module that reads them, so that nothing private slips into a record: no host name, no
user, no variable that the harness did not set itself, no absolute path inside the repository.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from harness import codefiles, files, model, variables
from harness.errors import InputInvalid
from harness.resources import REPOSITORY

SIGNING_KEY = "HARNESS_SIGNING_KEY_FILE"
PACKAGES = (
    "ptycho-evidence",
    "numpy",
    "torch",
    "torchvision",
    "ptychi",
    "jsonschema",
    "matplotlib",
    "pytest",
    "pytest-subprocess",
    "nox",
)


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """Return a time as records write it: ISO 8601, UTC as +00:00, milliseconds."""
    return moment.isoformat(timespec="milliseconds")


def iso_now() -> str:
    """Return the current time as records write it."""
    return iso(now())


def environment_set() -> dict[str, str]:
    """Return the variables that the harness sets for every child, and nothing else."""
    return dict(variables.SET)


def shown_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables set for a child as records show them: no place of this machine.

    One that is inherited and says where Python looks for code stands there, too.
    """
    found = {name: os.environ[name] for name in variables.SHOWN if name in os.environ}
    return {**_shown(found), **environment_set(), **_shown(extra or {})}


def _shown(variables: Mapping[str, str]) -> dict[str, str]:
    return {
        name: os.pathsep.join(map(portable, value.split(os.pathsep)))
        for name, value in variables.items()
    }


def versions() -> dict[str, str | None]:
    """Return versions of Python and of the packages that matter; None where not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def require_packages() -> None:
    """Raise InputInvalid where this interpreter lacks a package that the child needs."""
    missing = [name for name in model.CHILD_NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise InputInvalid(
            f"POLICY-001: no {', '.join(missing)} in {sys.executable}; build the environment that "
            "reconstructs: make env"
        )


def host() -> dict[str, Any]:
    """Return the machine in general terms: system, processor, cores, memory; no names."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": usable_cores(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def code_files(repository: Path = REPOSITORY) -> dict[str, str | None]:
    """Return path and sha256 of every file that decides what a stage does.

    Links are followed; an environment beside the code is not the code's.  None stands for a file
    that went, or cannot be read.
    """
    return {
        path.relative_to(repository).as_posix(): files.sha256_or_none(path)
        for path in _code_paths(repository)
    }


def drop_bytecode(repository: Path) -> None:
    """Remove what Python compiled of the code: only time and size tell it from that of others.

    An empty place for it stays in each folder of modules, so that to compile changes no folder; it
    is written to now, since a file system in layers copies a folder at the first write below it.
    """
    paths = _code_paths(repository)
    for folder in {path.parent for path in paths}:
        files.remove_from(folder / codefiles.CACHE, f"*{codefiles.BYTECODE}*")
    for folder in {path.parent for path in paths if path.suffix == ".py"}:
        with suppress(OSError):
            (folder / codefiles.CACHE).mkdir(exist_ok=True)
            os.utime(folder / codefiles.CACHE)


def _code_paths(repository: Path) -> list[Path]:
    paths = [repository / name for name in codefiles.FILES]
    for entry in repository.iterdir():
        if entry.is_file():
            paths.append(entry)
        elif codefiles.may_hold(entry.name) and not _is_environment(entry):
            paths += files.below(entry)
    return sorted(
        path
        for path in {*paths}
        if path.is_file() and codefiles.is_code(path.relative_to(repository).as_posix())
    )


def _is_environment(folder: Path) -> bool:
    """Return whether a folder is an environment, of which Python imports nothing as the code's."""
    is_one = (folder / "pyvenv.cfg").is_file() and folder.name not in codefiles.FOLDERS
    # A package goes before an installed one of its name, whatever else lies in it.
    return is_one and not any(folder.glob("__init__.*"))


def portable(path: str | Path, base: Path = REPOSITORY) -> str:
    """Return a path relative to the repository where it lies inside, the home folder as ~."""
    pure = Path(path)
    if not pure.is_absolute():
        return pure.as_posix()
    for candidate in (base, base.resolve()):
        if pure.is_relative_to(candidate):
            return pure.relative_to(candidate).as_posix()
    home = Path.home()
    if home != Path("/") and pure.is_relative_to(home):
        return f"~/{pure.relative_to(home).as_posix()}"
    return pure.as_posix()


def place(portable_path: str) -> Path:
    """Return where a path of a record lies on this machine; as it stands where ~ names nobody."""
    path = Path(portable_path)
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def portable_argv(argv: Sequence[str]) -> list[str]:
    """Return an argv that names no place of this machine where that can be helped.

    An interpreter outside the repository becomes its file name.
    """
    head = portable(argv[0])
    if Path(head).is_absolute() and Path(argv[0]) == Path(sys.executable):
        head = Path(head).name
    return [head, *map(_portable_word, argv[1:])]


def _portable_word(word: str) -> str:
    name, equals, value = word.partition("=")
    if word.startswith("--") and value.startswith("/"):
        return f"{name}{equals}{portable(value)}"
    return portable(word) if word.startswith("/") else word


def redact(line: bytes) -> bytes:
    """Return a line of a child's words with paths of this machine shortened.

    The repository's root goes, the home folder becomes ~; all else stays as it was said.
    """
    shorter = line.replace(f"{REPOSITORY}/".encode(), b"")
    home = str(Path.home())
    return shorter if home == "/" else shorter.replace(f"{home}/".encode(), b"~/")


def child_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the whole environment of a child: this process's, with what the harness sets.

    Where the signing key lies is no child's business, and no setting of pytest or Python that its
    user has changes what runs.
    """
    kept = variables.inherited(os.environ)
    kept.pop(SIGNING_KEY, None)
    return {**kept, **environment_set(), **(extra or {})}


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
