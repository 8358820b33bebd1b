"""The one module that writes records: whole or not at all, and never over evidence."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from harness import canonical
from harness.errors import UsageError


def write_new(path: Path, data: bytes) -> None:
    """Write a file that must not exist yet, atomically; UsageError names one that does."""
    temporary = _write_temporary(path, data)
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise UsageError(f"{path.name} exists in {path.parent.name}/ and is evidence") from None
    finally:
        temporary.unlink()


def require_new(path: Path) -> None:
    """Raise UsageError for an output, named on the command line, that exists or cannot be."""
    with _written(path):
        if path.exists():
            raise UsageError(f"{path} exists; name another file with --out")


def write_output(path: Path, data: bytes) -> None:
    """Write a file that the command line names, as `write_new`; UsageError says why it cannot."""
    with _written(path):
        write_new(path, data)


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # A folder that is to be made, and is there as a file.
        why = "its folder is a file" if isinstance(error, FileExistsError) else error.strerror
        raise UsageError(
            f"{path} cannot be written, {why}: name another file with --out"
        ) from error


def replace(path: Path, data: bytes) -> None:
    """Write a file atomically, in place of an earlier state of the same record."""
    os.replace(_write_temporary(path, data), path)


def write_json(path: Path, document: Any, *, new: bool = True) -> None:
    """Write a record as JSON, as a new file or (new=False) over its earlier state."""
    (write_new if new else replace)(path, canonical.to_bytes(document))


def sha256_file(path: Path) -> str:
    """Return the sha256 of a file's bytes, read in pieces."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sha256_or_none(path: Path) -> str | None:
    """Return the sha256 of a file's bytes; None where there is no file that can be read."""
    try:
        return sha256_file(path)
    except OSError:
        return None


def below(folder: Path, above: frozenset[str] = frozenset()) -> list[Path]:
    """Return every file below a folder, by each name that it has there; links are followed.

    above: where the folders lie that lead to this one; a ring of links ends there.
    """
    real = os.path.realpath(folder)
    if real in above:
        return []
    try:
        inside = sorted(folder.iterdir())
    except OSError:
        # Nobody imports from what cannot be looked into.
        return []
    found: list[Path] = []
    for path in inside:
        found += below(path, above | {real}) if path.is_dir() else [path]
    return found


def remove_from(folder: Path, pattern: str) -> None:
    """Remove the files of a folder whose names match; what cannot be removed, or seen, stays."""
    with suppress(OSError):
        for path in sorted(folder.glob(pattern)):
            with suppress(OSError):
                path.unlink()


def read_or_none(path: Path) -> bytes | None:
    """Return the bytes of a regular file, no link; None where there is none that can be read."""
    try:
        return path.read_bytes() if path.is_file() and not path.is_symlink() else None
    except OSError:
        return None


def is_link(path: Path) -> bool:
    """Return whether a path is a link; False where that cannot be seen."""
    try:
        return path.is_symlink()
    except OSError:
        return False


def _write_temporary(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary
