"""What every command shares: words to the terminal, errors into one message and one code."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TextIO

from harness import escapes
from harness.errors import EXIT_BUG, EXIT_FAILED, EXIT_INTERRUPTED, HarnessError, UsageError
from harness.model import Finding

MAX_DIGITS = 18

# Why standard output took no more, in this run of a command.
_lost: list[OSError] = []


def say(text: str) -> None:
    """Write a line to standard output, at once."""
    _print(text, sys.stdout)


def say_aside(text: str) -> None:
    """Write a line to standard error, at once: what standard output is not for."""
    _print(text, sys.stderr)


def translate(work: Callable[[], int], *, as_json: bool = False) -> int:
    """Return the exit code of some work; an expected error becomes one message on stderr.

    An unexpected exception keeps its traceback.  The first SIGINT, SIGTERM or SIGHUP interrupts
    the work; what follows is not heard, so that the records of an interrupted run are finished.
    """
    before = {number: signal.signal(number, _interrupt) for number in _heeded()}
    _lost.clear()
    try:
        return _unless_lost(work())
    except HarnessError as error:
        tell(str(error), error.findings, as_json=as_json)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; what was recorded so far is kept", file=sys.stderr)
        return EXIT_INTERRUPTED
    except Exception:  # noqa: BLE001 - the last resort: a bug keeps its traceback
        traceback.print_exc()
        print("this is a bug in the harness; report it with the lines above", file=sys.stderr)
        return EXIT_BUG
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def tell(message: str, findings: Sequence[Finding], *, as_json: bool) -> None:
    """Write an error with all its findings: to stderr as text, to stdout as JSON."""
    if as_json:
        document = {"error": message, "findings": [item.as_record() for item in findings]}
        say(json.dumps(document, indent=2))
        return
    from harness.rules import as_text

    _print("\n".join([f"error: {message}", *map(as_text, findings)]), sys.stderr)


def whole_number(text: str, name: str, at_least: int, at_most: int | None = None) -> int:
    """Return an option's whole number; UsageError says what was given and what is wanted."""
    bounds = f"of at least {at_least}" if at_most is None else f"from {at_least} to {at_most}"
    is_whole = text.isascii() and text.isdigit()
    if is_whole and len(text) > MAX_DIGITS:
        raise UsageError(f"--{name} has {len(text)} digits; give at most {MAX_DIGITS}")
    value = int(text) if is_whole else -1
    if value < at_least or (at_most is not None and value > at_most):
        raise UsageError(f"--{name} {text!r} is not a whole number {bounds}")
    return value


def path(text: str) -> Path:
    """Return an option's path, for a parser's `type`; an empty one would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("the path is empty; name one")
    return Path(text)


def _unless_lost(exit_code: int) -> int:
    """Return the exit code of work, or that of a failure where its words could not be written."""
    if not _lost:
        return exit_code
    why = _lost[0].strerror
    _print(
        f"error: standard output took no more ({why}); give it room and run the command again",
        sys.stderr,
    )
    return exit_code or EXIT_FAILED


def _print(text: str, stream: TextIO) -> None:
    """Write a line; what the terminal has no letter for, or would obey, is escaped.

    Words that cannot be written are no reason to stop the work: its records are not yet finished.
    """
    encoding = getattr(stream, "encoding", None) or "utf-8"
    shown = escapes.printable(text, keep="\n\t")
    shown = shown.encode(encoding, errors="backslashreplace").decode(encoding)
    try:
        print(shown, file=stream, flush=True)
    except BrokenPipeError:
        pass
    except OSError as error:
        if stream is sys.stdout:
            _lost.append(error)


def _heeded() -> list[signal.Signals]:
    """Return the signals that end the work; one that the parent had ignored stays ignored."""
    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    return [each for each in wanted if signal.getsignal(each) is not signal.SIG_IGN]


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    for number in _heeded():
        signal.signal(number, _not_heard)
    raise KeyboardInterrupt


def _not_heard(_number: int, _frame: FrameType | None) -> None:
    """Take a signal and do nothing; unlike SIG_IGN, no child inherits it."""
