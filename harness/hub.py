"""Hubs on disk: made, opened, read and sealed.  Nothing sealed is ever overwritten."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from harness import canonical, files, layout, seal
from harness.errors import HubDamaged, UsageError
from harness.records import MARKER, stage_path

FORMAT = "harness.hub/1"
THREADS = 2  # that hash; hashlib lets others run meanwhile


def create(reports: Path, initiative: str, slug: str, clock: Callable[[], datetime]) -> Path:
    """Make a new, sealed, empty hub and return it; waits a second where the name is taken."""
    while True:
        moment = clock()
        hub = reports / layout.timestamp(moment) / slug
        try:
            hub.mkdir(parents=True)
            break
        except FileExistsError:
            time.sleep(0.2)
        except OSError as error:
            raise UsageError(
                f"hub {hub} cannot be made: {error.strerror}; mend {reports}"
            ) from None
    document = {
        "format": FORMAT,
        "initiative": initiative,
        "slug": slug,
        "created_at": moment.isoformat(timespec="milliseconds"),
    }
    files.write_json(hub / MARKER, document)
    seal_hub(hub)
    return hub


def root_of(path: Path) -> Path | None:
    """Return the hub that holds a path, or None."""
    here = path.absolute()
    return next((each for each in (here, *here.parents) if os.path.isfile(each / MARKER)), None)


def entries(hub: Path) -> tuple[seal.Entry, ...]:
    """Return everything in a hub, sorted by path, with digests; links are not followed.

    A folder is an entry where it cannot be looked into, the hub itself as ".".
    """
    paths: list[Path] = []
    closed: list[OSError] = []
    for folder, folders, names in os.walk(hub, onerror=closed.append):
        linked = [name for name in folders if files.is_link(Path(folder, name))]
        paths += [Path(folder, name) for name in (*names, *linked)]
    found = [_unreadable(hub, Path(error.filename)) for error in closed]
    with ThreadPoolExecutor(THREADS) as pool:
        found += pool.map(lambda path: _entry(hub, path), paths)
    return tuple(sorted(found, key=lambda entry: entry.path))


def _entry(hub: Path, path: Path) -> seal.Entry:
    shown = path.relative_to(hub).as_posix()
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            return seal.Entry(shown, "link", 0, "")
        if not stat.S_ISREG(mode):
            return seal.Entry(shown, "other", 0, "")
        return seal.Entry(shown, "file", path.stat().st_size, files.sha256_file(path))
    except OSError:
        return _unreadable(hub, path)


def _unreadable(hub: Path, path: Path) -> seal.Entry:
    return seal.Entry(path.relative_to(hub).as_posix(), "unreadable", 0, "")


def seal_hub(hub: Path) -> str:
    """Seal a hub as it stands; return the head: the sha256 of the seal."""
    data = seal.render(entries(hub))
    files.replace(hub / layout.SEAL, data)
    return canonical.sha256(data)


def read_seal(hub: Path) -> bytes | None:
    """Return the bytes of a hub's seal; None where there is none that can be read."""
    return files.read_or_none(hub / layout.SEAL)


def head(hub: Path) -> str:
    """Return a hub's head: the sha256 of its seal ("" where it has none)."""
    data = read_seal(hub)
    return "" if data is None else canonical.sha256(data)


def open_hub(path: Path) -> Path:
    """Return an existing hub after comparing it with its seal.

    Raises UsageError where there is no hub, HubDamaged with every finding where it differs.
    """
    if not os.path.isfile(path / MARKER):
        raise UsageError(f"{path} is not a hub (no {MARKER}); leave HUB unset to make a new one")
    found = seal.check(entries(path), read_seal(path))
    if found:
        raise HubDamaged(
            f"hub {path} differs from its seal and takes no further stage; "
            "leave HUB unset to make a new one",
            found,
        )
    return path


@contextmanager
def locked(hub: Path) -> Iterator[None]:
    """Hold a hub for one process at a time; UsageError where another has it."""
    try:
        handle = os.open(hub, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        raise UsageError(f"{hub} is not a hub; leave HUB unset to make a new one") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"another process is writing to hub {hub}; wait for it") from None
        yield
    finally:
        os.close(handle)


def is_open_stage(hub: Path, folder: Path) -> bool:
    """Tell whether a folder is that of a run which a stage is writing into this hub right now."""
    stages = {hub / layout.STAGE_DIRECTORIES[stage]: stage for stage in layout.RUN_STAGES}
    stages[hub / layout.PLAN] = "real-run"
    both = [place for place in stages if place.is_dir() and folder.is_dir()]
    home = next((stages[place] for place in both if os.path.samefile(place, folder)), None)
    if home is None or (hub / stage_path(home)).exists():
        return False
    try:
        with locked(hub):
            return False
    except UsageError:
        return True


def begin_stage(hub: Path, stage: str) -> Path:
    """Make a stage's folder in an open hub; UsageError where the hub has that stage."""
    folder = hub / layout.STAGE_DIRECTORIES[stage]
    try:
        folder.mkdir()
    except FileExistsError:
        raise UsageError(
            f"hub {hub} holds a {stage} stage and evidence is never overwritten; "
            "leave HUB unset to make a new hub"
        ) from None
    return folder
