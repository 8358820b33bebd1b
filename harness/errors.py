"""Exceptions and the exit codes they stand for.

Bad data is a value (`model.Finding`); these are raised where work cannot go on.
Each message says what is wrong, where, and what to do next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.model import CellKey, Finding

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INPUT = 3
EXIT_HUB = 4
EXIT_NOTHING_SELECTED = 5
EXIT_BUG = 70
EXIT_INTERRUPTED = 130


class HarnessError(Exception):
    """Base of all errors the command line turns into one message and one exit code."""

    exit_code = EXIT_BUG
    findings: tuple[Finding, ...] = ()


class UsageError(HarnessError):
    """The request itself is wrong: an unknown value, a path that cannot serve."""

    exit_code = EXIT_USAGE


class InputInvalid(HarnessError):
    """An input is missing or breaks a contract; carries every finding."""

    exit_code = EXIT_INPUT

    def __init__(self, message: str, findings: Sequence[Finding] = ()) -> None:
        super().__init__(message)
        self.findings = tuple(findings)


class HubDamaged(HarnessError):
    """A hub is unsealed, half written, or differs from its seal."""

    exit_code = EXIT_HUB

    def __init__(self, message: str, findings: Sequence[Finding] = ()) -> None:
        super().__init__(message)
        self.findings = tuple(findings)


class NothingSelected(HarnessError):
    """The filters leave no job."""

    exit_code = EXIT_NOTHING_SELECTED


class JobFailed(HarnessError):
    """A child process did not do its job; knows its code, its log and its last words."""

    exit_code = EXIT_FAILED

    def __init__(
        self, key: CellKey, returncode: int, log_path: str, last_lines: Sequence[str]
    ) -> None:
        self.key = key
        self.returncode = returncode
        self.log_path = log_path
        self.last_lines = tuple(last_lines)
        tail = "\n".join(f"  | {line}" for line in self.last_lines)
        super().__init__(
            f"job {key} ended with {describe_returncode(returncode)}; read {log_path}"
            + (f"; its last lines:\n{tail}" if tail else "")
        )


def describe_returncode(returncode: int) -> str:
    """Return "return code N", or "signal NAME" for the negative codes of a killed child."""
    if returncode >= 0:
        return f"return code {returncode}"
    import signal

    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = str(-returncode)
    return f"signal {name}"
