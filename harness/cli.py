"""`python -m harness`: its arguments, and exceptions as exit codes; `commands` does the work."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness import __version__, commands, layout, reconstruction, terminal

if TYPE_CHECKING:
    from harness.surface import CommandLine


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code (see `harness.errors`)."""
    options = make_parser().parse_args(argv)
    return terminal.translate(
        lambda: options.work(options), as_json=getattr(options, "format", "text") == "json"
    )


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m harness`."""
    parser = argparse.ArgumentParser(
        prog="python -m harness",
        description="Reproducible evidence for ptychographic reconstructions.",
        epilog="Exit codes: 0 ok, 1 a job or test failed, 2 usage, 3 input breaks a contract, "
        "4 hub damaged or unsealed, 5 nothing selected, 70 a bug, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.set_defaults(command_lines=command_lines)
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_prepare(subparsers)
    _add_import(subparsers)
    _add_check(subparsers)
    _add_new_hub(subparsers)
    _add_stage(subparsers)
    _add_reconstruct(subparsers)
    _add_verify(subparsers)
    _add_anchor(subparsers)
    _add_diff(subparsers)
    _add_reproduce(subparsers)
    _add_export(subparsers)
    _add_mutation(subparsers)
    _add_hubs(subparsers)
    _add_blocked(subparsers)
    _add_docs_sync(subparsers)
    return parser


def _add_prepare(subparsers: argparse._SubParsersAction) -> None:
    command = subparsers.add_parser("prepare", help="make the study's inputs under tmp/")
    _add_study(command)
    _add_inputs(command)
    command.add_argument("--format", choices=("text", "json"), default="text", help="of the answer")
    command.set_defaults(work=commands.prepare)


def _add_check(subparsers: argparse._SubParsersAction) -> None:
    command = subparsers.add_parser("check", help="check NPZ files against DATA-001")
    command.add_argument("files", nargs="+", type=terminal.path, metavar="FILE")
    _add_format(command)
    command.set_defaults(work=commands.check)


def _add_import(subparsers: argparse._SubParsersAction) -> None:
    command = subparsers.add_parser(
        "import",
        help="turn a measured scan into an NPZ of DATA-001",
        description="Takes PtychoPINN and tike NPZ, CXI and ptychodus files; says what it assumed, "
        "and refuses to guess what neither the file nor an option says (docs/importing.md).",
    )
    command.add_argument("file", type=terminal.path, metavar="FILE")
    command.add_argument("--out", type=terminal.path, required=True, metavar="NPZ")
    command.add_argument("--frames", choices=("amplitude", "intensity"), help="what values are")
    command.add_argument("--zero-frequency", choices=("corner", "centre"), help="where it lies")
    command.add_argument("--axis-order", choices=("first", "last"), help="place of the frame count")
    command.add_argument("--probe", metavar="NPY", help='a probe to use, or "mean": from the light')
    command.add_argument(
        "--diffraction",
        type=terminal.path,
        metavar="FILE",
        help="the file of the frames, where they lie apart",
    )
    command.add_argument("--frames-path", metavar="PATH", help="where in it the frames lie")
    command.add_argument("--translation", choices=("sample", "probe"), help="what a CXI file moves")
    command.add_argument("--swap-xy", action="store_true", help="positions: exchange x and y")
    command.add_argument(
        "--flip", choices=("x", "y", "xy"), default="", help="positions: turn these axes about"
    )
    command.add_argument(
        "--transpose-frames", action="store_true", help="frames: exchange rows and columns"
    )
    command.add_argument(
        "--flip-frames", choices=("x", "y", "xy"), default="", help="frames: turn these axes about"
    )
    command.add_argument(
        "--conjugate", action="store_true", help="object and probe: conjugate them"
    )
    _add_lengths(command)
    command.add_argument(
        "--detector-pixel-m", type=float, metavar="NUMBER", help="pitch of the detector"
    )
    command.add_argument("--crop", type=int, metavar="N", help="cut or pad frames to N x N")
    command.add_argument("--no-object", action="store_true", help="leave the file's object out")
    command.add_argument(
        "--zero-bad-pixels", action="store_true", help="count masked pixels as dark"
    )
    command.set_defaults(work=commands.import_)


def _add_lengths(command: argparse.ArgumentParser) -> None:
    light = command.add_mutually_exclusive_group()
    for group, name, help_ in (
        (command, "pixel-size-m", "side of an object pixel"),
        (light, "energy-ev", "energy of a photon"),
        (light, "wavelength-m", "of the light, in place of its energy"),
        (command, "distance-m", "from object to detector"),
    ):
        group.add_argument(f"--{name}", type=float, metavar="NUMBER", help=help_)


def _add_new_hub(subparsers: argparse._SubParsersAction) -> None:
    command = subparsers.add_parser(
        "new-hub",
        help="make an empty, sealed hub and print its path",
        description="The options of the hub's first stage, if given, are checked beforehand, so "
        "that a wrong one leaves no hub behind.",
    )
    _add_study(command)
    _add_inputs(command)
    _add_base_ref(command)
    _add_key(command)
    reconstruction.add_selection(command)
    command.set_defaults(work=commands.new_hub)


def _add_stage(subparsers: argparse._SubParsersAction) -> None:
    command = subparsers.add_parser("stage", help="run one stage into a hub")
    command.add_argument("stage", choices=layout.STAGES)
    command.add_argument("--hub", type=terminal.path, required=True, metavar="DIR")
    _add_study(command)
    _add_inputs(command)
    _add_base_ref(command)
    _add_key(command)
    reconstruction.add_selection(command)
    command.set_defaults(work=commands.stage)


def _add_reconstruct(subparsers: argparse._SubParsersAction) -> None:
    command = subparsers.add_parser(
        "reconstruct",
        help="reconstruct one NPZ of DATA-001, and leave a hub",
        description="Makes a study of the one file, then a hub with its dry run and real run. "
        "Where the file has no truth, the halves of its frames are compared: --halves none leaves "
        "that out.",
    )
    command.add_argument("file", type=terminal.path, metavar="NPZ")
    _add_key(command)
    reconstruction.add_selection(command)
    command.set_defaults(work=commands.reconstruct, halves=None)


def _add_verify(subparsers: argparse._SubParsersAction) -> None:
    command = subparsers.add_parser("verify", help="verify a hub: seal, records, verdicts")
    command.add_argument("hub", type=terminal.path, metavar="HUB")
    command.add_argument("--head", metavar="SHA256", help="the head that was kept elsewhere")
    command.add_argument(
        "--seal",
        type=terminal.path,
        metavar="FILE",
        help="a copy of the hub's seal that was kept elsewhere: as --head, and names each file",
    )
    command.add_argument(
        "--original",
        type=terminal.path,
        metavar="HUB",
        help="of a reproduction, the hub run again: hold what is said of it to it",
    )
    command.add_argument(
        "--git",
        action="store_true",
        help="compare the head with the one anchored in git, and code with its commit",
    )
    command.add_argument(
        "--public-key",
        type=terminal.path,
        metavar="PEM",
        help="check that its owner signed every statement",
    )
    command.add_argument(
        "--inputs",
        type=terminal.path,
        metavar="DIR",
        help="the folder of phase_c/ and phase_d/: recompute also what the inputs claim",
    )
    _add_study(command)
    _add_format(command)
    command.set_defaults(work=commands.verify)


def _add_anchor(subparsers: argparse._SubParsersAction) -> None:
    command = subparsers.add_parser(
        "anchor",
        help="record a hub's head in git",
        description="Adds a line to the note under refs/notes/hubs on the commit that is checked "
        "out; a hub that does not hold is refused.",
    )
    command.add_argument("hub", type=terminal.path, metavar="HUB")
    command.set_defaults(work=commands.anchor)


def _add_diff(subparsers: argparse._SubParsersAction) -> None:
    command = subparsers.add_parser(
        "diff",
        help="say in what two hubs differ",
        description="Compares inputs, code, options, environment, outcomes and metrics; ends with "
        "0 whether they differ or not, with 4 where a hub differs from its seal.",
    )
    command.add_argument("hub_a", type=terminal.path, metavar="HUB_A")
    command.add_argument("hub_b", type=terminal.path, metavar="HUB_B")
    command.add_argument("--format", choices=("text", "json"), default="text", help="of the answer")
    command.set_defaults(work=commands.diff)


def _add_reproduce(subparsers: argparse._SubParsersAction) -> None:
    command = subparsers.add_parser(
        "reproduce",
        help="run jobs of a hub again and compare the arrays",
        description="Runs jobs from the hub's own record, in the full environment, and leaves a "
        "new hub with a verdict for each: identical, within, different or failed.",
    )
    command.add_argument("hub", type=terminal.path, metavar="HUB")
    command.add_argument(
        "--job",
        action="append",
        default=[],
        metavar="JOB",
        help="only this job, as dose_1000/dense/train; repeatable; default: all that succeeded",
    )
    _add_key(command)
    command.set_defaults(work=commands.reproduce)


def _add_export(subparsers: argparse._SubParsersAction) -> None:
    command = subparsers.add_parser(
        "export",
        help="write a job's reconstruction as CXI or ptychodus product",
        description="Reads the hub and leaves it as it is. Lengths come from the metadata of the "
        "job's input, or are told; none is made up (docs/importing.md).",
    )
    command.add_argument("hub", type=terminal.path, metavar="HUB")
    command.add_argument("--job", metavar="JOB", help="which; may be left out where there is one")
    command.add_argument(
        "--to",
        choices=("cxi", "ptychodus"),
        required=True,
        help="format; ptychodus reads CXI otherwise: give it the product",
    )
    command.add_argument("--out", type=terminal.path, required=True, metavar="FILE")
    command.add_argument(
        "--input", type=terminal.path, metavar="NPZ", help="the job's input, if it lies elsewhere"
    )
    _add_lengths(command)
    command.set_defaults(work=commands.export)


def _add_mutation(subparsers: argparse._SubParsersAction) -> None:
    command = subparsers.add_parser(
        "mutation",
        help="try mutants of the pure core against its tests",
        description="Leaves a new hub with the score of each module and every survivor; ends with "
        "1 where too few are killed or a survivor is not listed in tests/mutation/survivors.toml.",
    )
    _add_study(command)
    _add_key(command)
    command.set_defaults(work=commands.mutation)


def _add_hubs(subparsers: argparse._SubParsersAction) -> None:
    command = subparsers.add_parser("hubs", help="list hubs with the verdicts of their stages")
    command.add_argument(
        "--study", type=terminal.path, metavar="FILE", help="only this study's; default: all"
    )
    command.set_defaults(work=commands.hubs)


def _add_blocked(subparsers: argparse._SubParsersAction) -> None:
    command = subparsers.add_parser(
        "blocked", help="append a hub's failed stages to the attempts history of docs/fix_plan.md"
    )
    command.add_argument("hub", type=terminal.path, metavar="HUB")
    command.add_argument(
        "--fix-plan", type=terminal.path, default=Path("docs/fix_plan.md"), metavar="FILE"
    )
    command.set_defaults(work=commands.blocked)


def _add_docs_sync(subparsers: argparse._SubParsersAction) -> None:
    command = subparsers.add_parser(
        "docs-sync", help="write the tables of the documents that follow from the tree"
    )
    _add_study(command)
    command.set_defaults(work=commands.docs_sync)


def _add_study(command: argparse.ArgumentParser) -> None:
    command.add_argument("--study", type=terminal.path, metavar="FILE", help="study file (TOML)")


def _add_inputs(command: argparse.ArgumentParser) -> None:
    command.add_argument("--preset", default="default", help="geometry of generated inputs")
    command.add_argument(
        "--base",
        type=terminal.path,
        metavar="NPZ",
        help="object, probe and positions to simulate from",
    )


def _add_base_ref(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--base-ref",
        metavar="REF",
        help="red: run the mapped tests against this commit too, today's tests laid over it",
    )


def _add_key(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--key",
        type=terminal.path,
        metavar="PEM",
        help="sign with this ed25519 key (default: the file named in HARNESS_SIGNING_KEY_FILE)",
    )


def _add_format(command: argparse.ArgumentParser) -> None:
    command.add_argument("--format", choices=("text", "json"), default="text", help="of findings")


def command_lines() -> tuple[CommandLine, ...]:
    """Return the commands of the harness and their options, as the documents tell of them."""
    from harness import surface

    name = "harness.reconstruction"
    study_run = surface.describe(f"python -m {name}", reconstruction.make_parser())
    return (*surface.describe("python -m harness", make_parser()), *study_run)
