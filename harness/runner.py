"""The process edge: start a child, stream what it says, return how it ended; never judge.

Only this module starts the children whose work is evidence.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from harness import files, layout, provenance
from harness.errors import JobFailed, UsageError, describe_returncode
from harness.model import ReconstructionJob

LAST_LINES = 12
GRACE_S = 5.0
POLL_S = 0.2

Sink = Callable[[bytes], object]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Completed:
    """How a child ended.  returncode is negative for a signal; times are UTC, ISO 8601."""

    argv: tuple[str, ...]
    returncode: int
    started_at: str
    finished_at: str
    elapsed_s: float
    last_lines: tuple[str, ...]
    timed_out: bool = False


class Interrupted(KeyboardInterrupt):
    """This process was interrupted while a child ran; how that child was ended stands in it."""

    def __init__(self, completed: Completed) -> None:
        super().__init__()
        self.completed = completed


class Stop:
    """Ends every child that runs under it, now and later; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._children: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def is_set(self) -> bool:
        """Return whether the children were told to end."""
        return self._stopped

    def now(self) -> None:
        """End all children of the moment, and each that is attached from now on."""
        with self._lock:
            self._stopped = True
            children = list(self._children)
        for child in children:
            _end(child, GRACE_S)

    def attach(self, child: subprocess.Popen[bytes]) -> None:
        """Take a child under it."""
        with self._lock:
            self._children.add(child)
        if self._stopped:
            _end(child, GRACE_S)

    def detach(self, child: subprocess.Popen[bytes]) -> None:
        """Let go of a child that has ended."""
        with self._lock:
            self._children.discard(child)


def side_by_side(tasks: Sequence[Callable[[], Result]], places: int, stop: Stop) -> list[Result]:
    """Run tasks in threads, in order as places come free; return their results, in order.

    When this process is interrupted or a task raises, the children under `stop` are ended, the
    tasks that have not begun find it set, and the exception is raised again.
    """
    with ThreadPoolExecutor(places) as pool:
        running = [pool.submit(task) for task in tasks]
        try:
            # A signal may reach a worker's thread; only a main thread that wakes hears of it.
            while (state := wait(running, timeout=POLL_S, return_when=FIRST_EXCEPTION)).not_done:
                for task in state.done:
                    task.result()
            return [task.result() for task in running]
        except BaseException:
            stop.now()
            raise


def terminal(data: bytes, prefix: bytes = b"") -> None:
    """Write bytes to this process's standard output at once, in one piece.

    A terminal that has gone away, or a full disk, is no reason to lose evidence: the words are in
    the log.
    """
    stream = getattr(sys.stdout, "buffer", None)
    with suppress(OSError):
        if stream is None:
            sys.stdout.write((prefix + data).decode(errors="replace"))
        else:
            sys.stdout.flush()
            stream.write(prefix + data)
        sys.stdout.flush()


def stream(
    argv: Sequence[str],
    sinks: Sequence[Sink],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
    grace_s: float = GRACE_S,
    stop: Stop | None = None,
) -> Completed:
    """Run a child with stdout and stderr in one stream, each line to every sink as it comes.

    Paths of this machine are shortened in what the sinks get (`provenance.redact`).
    The child, with all that it started in its process group, is ended and waited for when this
    process is interrupted, time runs out or `stop` says so: SIGTERM, and SIGKILL after grace_s
    seconds.
    Raises UsageError where the program cannot be started, Interrupted where this process was.
    """
    started, clock = provenance.now(), time.monotonic()
    child = _start(argv, cwd, environment)
    expired = threading.Event()
    alarm = threading.Timer(timeout_s or 0, _expire, (child, expired, grace_s))
    with child:
        if timeout_s is not None:
            alarm.start()
        stop = stop or Stop()
        stop.attach(child)
        try:
            last_lines, interrupted = _listen(child, sinks, grace_s)
        finally:
            alarm.cancel()
            stop.detach(child)
    done = Completed(
        argv=tuple(argv),
        returncode=child.returncode,
        started_at=provenance.iso(started),
        finished_at=provenance.iso_now(),
        elapsed_s=round(time.monotonic() - clock, 3),
        last_lines=last_lines,
        timed_out=expired.is_set(),
    )
    if interrupted:
        raise Interrupted(done)
    return done


def _listen(
    child: subprocess.Popen[bytes], sinks: Sequence[Sink], grace_s: float
) -> tuple[tuple[str, ...], bool]:
    """Hand on what a child says until it has ended.

    Returns its last lines, and whether this process was interrupted and so ended it; so does
    whatever a sink raises, which goes on.
    """
    last: deque[str] = deque(maxlen=LAST_LINES)
    interrupted = False
    try:
        for said in iter(child.stdout.readline, b""):
            line = provenance.redact(said)
            for sink in sinks:
                sink(line)
            last.append(line.decode(errors="replace").rstrip())
        child.wait()
    except KeyboardInterrupt:
        _end(child, grace_s)
        interrupted = True
    except BaseException:
        _end(child, grace_s)
        raise
    return tuple(line for line in last if line), interrupted


def _start(
    argv: Sequence[str], cwd: Path | None, environment: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=dict(environment or provenance.child_environment()),
            process_group=0,
        )
    except OSError as error:
        raise UsageError(f"cannot start {argv[0]}: {error.strerror}; check the path") from error


def run_job(
    job: ReconstructionJob,
    argv: Sequence[str],
    log_path: Path,
    *,
    sink: Sink = terminal,
    stop: Stop | None = None,
) -> Completed:
    """Run one job's child, live to the sink and into its log; raise JobFailed on failure.

    The log has a header (job, argv, start) and a footer (return code or signal, end) around
    the child's own words.  It must not exist yet: nothing is overwritten.
    """
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with open_new(log_path) as log:
        files.write_json(Path(job.output_dir) / layout.RECIPE, dict(job.settings.recipe))
        log.write(_header(job, argv))
        try:
            done = stream(argv, (sink, log.write), stop=stop)
        except BaseException as error:
            by_hand = isinstance(error, KeyboardInterrupt)
            why = (KeyboardInterrupt if by_hand else type(error)).__name__
            log.write(footer(f"interrupted ({why})", provenance.iso_now()))
            raise
        log.write(footer(describe_returncode(done.returncode), done.finished_at))
    if done.returncode != 0:
        shown = provenance.portable(log_path)
        raise JobFailed(job.key, done.returncode, shown, done.last_lines)
    return done


def open_new(path: Path) -> BinaryIO:
    """Open an unbuffered log that does not exist yet; UsageError names the one that does."""
    try:
        return open(path, "xb", buffering=0)
    except FileExistsError:
        raise UsageError(
            f"{provenance.portable(path)} exists and is evidence; choose a new artifact root"
        ) from None


def footer(outcome: str, finished_at: str) -> bytes:
    """Return the end of a log, on a line of its own: how the child ended, and when."""
    return f"\n# ended: {outcome} at {finished_at}\n".encode()


def _header(job: ReconstructionJob, argv: Sequence[str]) -> bytes:
    words = " ".join(provenance.portable_argv(argv))
    started = provenance.iso_now()
    return f"# job: {job.key}\n# argv: {words}\n# started: {started}\n".encode()


def _expire(child: subprocess.Popen[bytes], expired: threading.Event, grace_s: float) -> None:
    expired.set()
    _end(child, grace_s)


def _end(child: subprocess.Popen[bytes], grace_s: float) -> None:
    _signal_group(child, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(grace_s)
    # Whoever is left of the group would hold the pipe open for ever.
    _signal_group(child, signal.SIGKILL)
    child.wait()


def _signal_group(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, number)
