"""The child's command line. Nothing heavy is imported here, so that `--help` answers at once."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import UsageError
from harness.model import HALVES, LARGEST_SEED

ALGORITHM = "LSQML"
DEVICES = ("auto", "cpu", "cuda")
INITIAL_OBJECTS = ("flat", "guess")


@dataclass(frozen=True, slots=True)
class Request:
    """What the child is asked to do; what it then did is read off the running task."""

    input_npz: str
    output_dir: str
    algorithm: str
    num_epochs: int
    batch_size: int
    seed: int
    device: str
    initial_object: str
    threads: int
    halves: str = HALVES[0]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise UsageError(message)


def parse(argv: Sequence[str]) -> Request:
    """Return the request held by argv; UsageError for anything the child cannot do.

    `--help` prints and leaves through SystemExit(0), as argparse does.
    """
    return Request(**vars(_parser().parse_args(list(argv))))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m harness.jobs.ptychi_lsqml",
        description="Reconstruct one DATA-001 file with pty-chi's LSQML and attest what was done.",
        allow_abbrev=False,
    )
    parser.add_argument("--input-npz", required=True, help="a DATA-001 file")
    parser.add_argument("--output-dir", required=True, help="a folder without a result.json")
    parser.add_argument("--algorithm", type=_algorithm, default=ALGORITHM, help="only LSQML")
    parser.add_argument("--num-epochs", type=_whole(1), default=100)
    parser.add_argument("--batch-size", type=_whole(1), default=96, help="frames per minibatch")
    parser.add_argument("--seed", type=_whole(0, LARGEST_SEED), default=0)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument(
        "--initial-object",
        choices=INITIAL_OBJECTS,
        default="flat",
        help="flat: ones; guess: the file's objectGuess (in simulated data, the truth)",
    )
    parser.add_argument(
        "--threads", type=_whole(1), default=1, help="more than 1 costs repeatability"
    )
    parser.add_argument(
        "--halves",
        choices=HALVES,
        default=HALVES[0],
        help="alternate: also reconstruct from every second frame and from the others, apart",
    )
    return parser


def _algorithm(text: str) -> str:
    if text != ALGORITHM:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not supported; this program runs {ALGORITHM}"
        )
    return text


def _whole(least: int, most: int | None = None):
    bounds = f"at least {least}" if most is None else f"from {least} to {most}"

    def convert(text: str) -> int:
        # isdecimal() alone would let digits of other scripts through int().
        value = int(text) if text.isascii() and text.isdecimal() else -1
        if value < least or (most is not None and value > most):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {bounds}")
        return value

    return convert
