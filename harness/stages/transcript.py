"""What a stage says and what its commands say: to the terminal and into the hub, as it comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from harness import files, provenance, runner

# A command that has children of its own must have time to end them before it is killed.
GRACE_S = 4 * runner.GRACE_S


class Transcript:
    """The logs of one stage and the commands behind them.

    `say` writes to the log that is open; `open` turns to a new one, which must not exist.
    """

    def __init__(self, hub: Path) -> None:
        self.hub = hub
        self.commands: list[dict[str, Any]] = []
        self._log_path: Path | None = None
        self._log: Any = None
        self._lock = Lock()

    def open(self, log_path: Path) -> None:
        """Turn to a new log; what follows goes there."""
        self.close()
        log_path.parent.mkdir(parents=True, exist_ok=True)
        self._log_path, self._log = log_path, runner.open_new(log_path)

    def close(self) -> None:
        """Close the log that is open."""
        if self._log is not None:
            self._log.close()

    def say(self, text: str) -> None:
        """Write a line to the terminal and into the log."""
        self._write(f"{text}\n".encode())

    def _write(self, data: bytes) -> None:
        with self._lock:
            runner.terminal(data)
            self._log.write(data)

    def run(
        self,
        name: str,
        argv: Sequence[str],
        *,
        find_reports: Callable[[], Mapping[str, Path]] = dict,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        stop: runner.Stop | None = None,
    ) -> runner.Completed:
        """Run a command, its words into the log that is open, and keep its record.

        find_reports: called when it has ended; gives the structured reports that it left.
        stop: for a command that runs beside others; its words then come when it has ended.
        """
        kept: list[bytes] = []
        sink = self._write if stop is None else kept.append
        sink(f"# command: {' '.join(provenance.portable_argv(argv))}\n".encode())
        interrupted: runner.Interrupted | None = None
        try:
            done = runner.stream(
                argv,
                (sink,),
                cwd=cwd,
                environment=provenance.child_environment(environment),
                timeout_s=timeout_s,
                grace_s=GRACE_S,
                stop=stop,
            )
        except runner.Interrupted as error:
            # It ran, and what it left lies in the hub.
            done, interrupted = error.completed, error
        ended = runner.describe_returncode(done.returncode)
        sink(f"# ended: {ended} at {done.finished_at}\n".encode())
        self._write(b"".join(kept))
        self._keep(name, done, provenance.shown_environment(environment), find_reports())
        if interrupted is not None:
            raise interrupted
        return done

    def _keep(
        self,
        name: str,
        done: runner.Completed,
        environment_set: Mapping[str, str],
        reports: Mapping[str, Path],
    ) -> None:
        """Keep the record of a command that ended."""
        self.commands.append(
            {
                "name": name,
                "argv": provenance.portable_argv(done.argv),
                "environment_set": environment_set,
                "started_at": done.started_at,
                "finished_at": done.finished_at,
                "elapsed_s": done.elapsed_s,
                "returncode": done.returncode,
                "timed_out": done.timed_out,
                "log_path": self._inside(self._log_path),
                "reports": {kind: self._inside(path) for kind, path in reports.items()},
            }
        )

    def records(self) -> list[dict[str, Any]]:
        """Return the record of each command, with the digest of its log as it stands."""
        return [
            {**command, "log_sha256": files.sha256_file(self.hub / command["log_path"])}
            for command in sorted(self.commands, key=lambda each: each["started_at"])
        ]

    def _inside(self, path: Path | None) -> str:
        return Path(path).absolute().relative_to(self.hub.absolute()).as_posix()
