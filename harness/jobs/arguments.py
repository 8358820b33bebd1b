"""The child's command line. Nothing heavy is imported here, so that `--help` answers at once."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from harness import recipe
from harness.errors import UsageError
from harness.model import HALVES, LARGEST_SEED

DEVICES = ("auto", "cpu", "cuda")
INITIAL_OBJECTS = ("flat", "guess")
STOPS = (recipe.HELD_OUT, recipe.FINAL)
PROBES = (recipe.GIVEN, recipe.GUESS)


@dataclass(frozen=True, slots=True)
class Request:
    """What the child is asked to do; what it then did is read off the running task."""

    input_npz: str
    output_dir: str
    recipe: str
    recipe_sha256: str | None
    num_epochs: int | None
    batch_size: int | None
    initial_object: str | None
    stop: str | None
    probe: str | None
    seed: int
    device: str
    threads: int
    halves: str = HALVES[0]

    @property
    def in_place_of_the_recipe(self) -> dict[str, int | str]:
        """Values that replace the recipe's own, by its keys."""
        named = {name: getattr(self, name) for name in recipe.OVERRIDABLE}
        return {name: value for name, value in named.items() if value is not None}


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
    parser.add_argument("--recipe", default="default", help="of recipes/, or a TOML or JSON file")
    parser.add_argument("--recipe-sha256", metavar="SHA256", help="of what it must say in the end")
    parser.add_argument("--num-epochs", type=_whole(1), help="in place of the recipe's")
    parser.add_argument("--batch-size", type=_whole(1), help="in place of the recipe's")
    parser.add_argument(
        "--initial-object",
        choices=INITIAL_OBJECTS,
        help="in place of the recipe's; flat: ones; guess: the file's objectGuess (in simulated "
        "data, the truth)",
    )
    parser.add_argument("--stop", choices=STOPS, help="in place of the recipe's")
    parser.add_argument("--probe", choices=PROBES, help="what the file's is; default: given")
    parser.add_argument("--seed", type=_whole(0, LARGEST_SEED), default=0)
    parser.add_argument("--device", choices=DEVICES, default="auto")
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


def _whole(least: int, most: int | None = None):
    bounds = f"at least {least}" if most is None else f"from {least} to {most}"

    def convert(text: str) -> int:
        # isdecimal() alone would let digits of other scripts through int().
        value = int(text) if text.isascii() and text.isdecimal() else -1
        if value < least or (most is not None and value > most):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {bounds}")
        return value

    return convert
