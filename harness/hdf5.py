"""Read HDF5 without trusting it: nothing outside the file is touched, no size is taken on faith."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from harness.errors import InputInvalid

EXPANSION_LIMIT = 200
EXPANSION_FLOOR_BYTES = 16 << 20
LINK_LIMIT = 16
# What h5py raises on damaged files.
_DAMAGE = (OSError, RuntimeError, LookupError, ValueError, TypeError, MemoryError)


def start(path: Path) -> bytes:
    """Return a file's first bytes; InputInvalid for what is no regular file that can be read."""
    try:
        # Opening a pipe would wait for somebody who writes into it.
        if path.exists() and not path.is_file():
            raise InputInvalid("no regular file. Give a file")
        with path.open("rb") as file:
            return file.read(8)
    except OSError as error:
        raise InputInvalid(f"cannot be read, {error.strerror}. Give a file") from error


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Yield the open file, read-only; InputInvalid for what is no whole HDF5 file."""
    start(path)
    try:
        file = h5py.File(path, "r")
    except _DAMAGE as error:
        raise InputInvalid(f"no whole HDF5 file ({_why(error)}): give a whole one") from error
    with file:
        yield file


def _refusing_damage(read: Callable[..., Any]) -> Callable[..., Any]:
    """Make what h5py raises on a damaged part of a file an InputInvalid that names the part."""

    @wraps(read)
    def guarded(file: h5py.File, name: str, *rest: str) -> Any:
        try:
            return read(file, name, *rest)
        except _DAMAGE as error:
            raise InputInvalid(
                f"{name} cannot be read ({_why(error)}): fetch the file again"
            ) from error

    return guarded


@_refusing_damage
def dataset(file: h5py.File, name: str) -> np.ndarray | None:
    """Return a dataset's numbers, None where there is none of that name.

    Raises InputInvalid for links out of the file, virtual datasets, external storage, what is no
    number, and sizes that such a file cannot hold.
    """
    found = _walk(file, name)
    if found is None:
        return None
    if not isinstance(found, h5py.Dataset):
        raise InputInvalid(f"{name} is a group, not a dataset: store numbers there")
    if found.is_virtual or found.external:
        raise InputInvalid(f"{name} keeps its numbers in other files; store them in this one")
    if found.dtype.kind not in "fiubc":
        raise InputInvalid(f"{name} holds no numbers, but {found.dtype}: store numbers")
    _require_filters(found, name)
    held_bytes = file.id.get_filesize()
    if found.nbytes > max(EXPANSION_FLOOR_BYTES, EXPANSION_LIMIT * held_bytes):
        raise InputInvalid(
            f"{name} claims {found.nbytes} bytes in a file of {held_bytes}: store it unpacked"
        )
    return np.asarray(found[()])


def number(file: h5py.File, name: str) -> float | None:
    """Return a dataset of one number, or of one many times; None where there is none."""
    values = dataset(file, name)
    if values is None:
        return None
    if not values.size or values.dtype.kind not in "fiu":
        raise InputInvalid(
            f"{name} holds {values.size} values of {values.dtype}, not one number: store one"
        )
    # Some programs write the same number once for each frame.
    if len(np.unique(values)) > 1:
        raise InputInvalid(
            f"{name} holds {values.size} values that differ, not one number: store one"
        )
    return float(values.flat[0])


@_refusing_damage
def attribute(file: h5py.File, name: str, key: str) -> float | None:
    """Return an attribute that is one number, None where object or attribute is absent."""
    found = _walk(file, name)
    value = None if found is None else found.attrs.get(key)
    return None if value is None else float(np.asarray(value).reshape(()))


@_refusing_damage
def text_attribute(file: h5py.File, name: str, key: str) -> str | None:
    """Return an attribute that is text, None where object or attribute is absent."""
    found = _walk(file, name)
    value = None if found is None else found.attrs.get(key)
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.flat[0]
    if isinstance(value, bytes):
        value = value.decode("utf-8")
    if value is not None and not isinstance(value, str):
        raise InputInvalid(f"{key} of {name} is no text: store text")
    return value


@_refusing_damage
def exists(file: h5py.File, name: str) -> bool:
    """Tell whether a path leads to something inside the file."""
    return _walk(file, name) is not None


def _require_filters(found: h5py.Dataset, name: str) -> None:
    stored = found.id.get_create_plist()
    for place in range(stored.get_nfilters()):
        code, _, _, called = stored.get_filter(place)
        if not h5py.h5z.filter_avail(code):
            said = called.decode("utf-8", "replace").strip() or "without a name"
            raise InputInvalid(
                f"{name} is packed by HDF5 filter {code} ({said}), which is not here: repack the "
                "file where it is, as by h5repack -f GZIP=4 IN OUT"
            )


def _walk(file: h5py.File, name: str) -> h5py.HLObject | None:
    """Return what a path names, every link followed by hand so that none leaves the file."""
    parts, here, followed = _parts(name), [], 0
    while parts:
        part = parts.pop(0)
        group = file["/" + "/".join(here)]
        link = _link(group, part)
        if link is None:
            return None
        if isinstance(link, h5py.ExternalLink):
            raise InputInvalid(f"{name} is a link into {link.filename}; store the data in one file")
        if not isinstance(link, h5py.SoftLink):
            here.append(part)
            continue
        followed += 1
        if followed > LINK_LIMIT:
            raise InputInvalid(
                f"{name} leads through more than {LINK_LIMIT} links: store the data in its place"
            )
        target = _parts(link.path)
        parts = (target if link.path.startswith("/") else [*here, *target]) + parts
        here = []
    return file["/" + "/".join(here)]


def _link(group: h5py.HLObject, part: str) -> object | None:
    return group.get(part, getlink=True) if isinstance(group, h5py.Group) else None


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _why(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
