"""`python -m harness`: translate arguments and exceptions, nothing else."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import __version__, layout, reconstruction, resources, terminal
from harness.errors import EXIT_OK, HubDamaged, InputInvalid

if TYPE_CHECKING:
    from harness.audit import Audit, Inputs
    from harness.design import StudyDesign
    from harness.model import Finding
    from harness.surface import CommandLine


WORK_TREE = resources.REPOSITORY


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
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_prepare(commands)
    _add_import(commands)
    _add_check(commands)
    _add_new_hub(commands)
    _add_stage(commands)
    _add_reconstruct(commands)
    _add_verify(commands)
    _add_anchor(commands)
    _add_diff(commands)
    _add_reproduce(commands)
    _add_export(commands)
    _add_mutation(commands)
    _add_hubs(commands)
    _add_blocked(commands)
    _add_docs_sync(commands)
    return parser


def _add_prepare(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser("prepare", help="make the study's inputs under tmp/")
    _add_study(command)
    _add_inputs(command)
    command.set_defaults(work=_prepare)


def _add_check(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser("check", help="check NPZ files against DATA-001")
    command.add_argument("files", nargs="+", type=terminal.path, metavar="FILE")
    _add_format(command)
    command.set_defaults(work=_check)


def _add_import(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
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
    command.add_argument("--diffraction", type=terminal.path, metavar="FILE", help="the frames")
    command.add_argument("--frames-path", default="patterns", metavar="PATH", help="frames in it")
    command.add_argument("--translation", choices=("sample", "probe"), help="what a CXI file moves")
    for name in ("pixel-size-m", "energy-ev", "distance-m", "detector-pixel-m"):
        command.add_argument(f"--{name}", type=float, metavar="NUMBER", help=_LENGTHS[name])
    command.add_argument("--crop", type=int, metavar="N", help="cut or pad frames to N x N")
    command.add_argument("--no-object", action="store_true", help="leave the file's object out")
    command.add_argument(
        "--zero-bad-pixels", action="store_true", help="count masked pixels as dark"
    )
    command.set_defaults(work=_import)


_LENGTHS = {
    "pixel-size-m": "side of an object pixel",
    "energy-ev": "energy of a photon",
    "distance-m": "from object to detector",
    "detector-pixel-m": "pitch of the detector",
}


def _add_new_hub(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
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
    command.set_defaults(work=_new_hub)


def _add_stage(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser("stage", help="run one stage into a hub")
    command.add_argument("stage", choices=layout.STAGES)
    command.add_argument("--hub", type=terminal.path, required=True, metavar="DIR")
    _add_study(command)
    _add_inputs(command)
    _add_base_ref(command)
    _add_key(command)
    reconstruction.add_selection(command)
    command.set_defaults(work=_stage)


def _add_reconstruct(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "reconstruct",
        help="reconstruct one NPZ of DATA-001, and leave a hub",
        description="Makes a study of the one file, then a hub with its dry run and real run.",
    )
    command.add_argument("file", type=terminal.path, metavar="NPZ")
    _add_key(command)
    reconstruction.add_selection(command)
    command.set_defaults(work=_reconstruct)


def _add_verify(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser("verify", help="verify a hub: seal, records, verdicts")
    command.add_argument("hub", type=Path, metavar="HUB")
    command.add_argument("--head", metavar="SHA256", help="the head that was kept elsewhere")
    command.add_argument(
        "--seal",
        type=terminal.path,
        metavar="FILE",
        help="a copy of the hub's seal that was kept elsewhere: as --head, and names each file",
    )
    command.add_argument(
        "--git", action="store_true", help="compare the head with the one anchored in git"
    )
    command.add_argument(
        "--public-key", type=Path, metavar="PEM", help="check that its owner signed every stage"
    )
    command.add_argument(
        "--inputs",
        type=terminal.path,
        metavar="DIR",
        help="the folder of phase_c/ and phase_d/: recompute also what the inputs claim",
    )
    _add_study(command)
    _add_format(command)
    command.set_defaults(work=_verify)


def _add_anchor(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "anchor",
        help="record a hub's head in git",
        description="Adds a line to the note under refs/notes/hubs on the commit that is checked "
        "out; a hub that does not hold is refused.",
    )
    command.add_argument("hub", type=terminal.path, metavar="HUB")
    command.set_defaults(work=_anchor)


def _add_diff(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "diff",
        help="say in what two hubs differ",
        description="Compares inputs, code, options, environment, outcomes and metrics; ends with "
        "0 whether they differ or not, with 4 where a hub differs from its seal.",
    )
    command.add_argument("hub_a", type=terminal.path, metavar="HUB_A")
    command.add_argument("hub_b", type=terminal.path, metavar="HUB_B")
    command.add_argument("--format", choices=("text", "json"), default="text", help="of the answer")
    command.set_defaults(work=_diff)


def _add_reproduce(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
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
    command.set_defaults(work=_reproduce)


def _add_export(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "export",
        help="write a job's reconstruction as CXI or ptychodus product",
        description="Reads the hub and leaves it as it is. Lengths come from the metadata of the "
        "job's input, or are told; none is made up (docs/importing.md).",
    )
    command.add_argument("hub", type=terminal.path, metavar="HUB")
    command.add_argument("--job", metavar="JOB", help="which; may be left out where there is one")
    command.add_argument("--to", choices=("cxi", "ptychodus"), required=True, help="format")
    command.add_argument("--out", type=terminal.path, required=True, metavar="FILE")
    command.add_argument(
        "--input", type=terminal.path, metavar="NPZ", help="the job's input, if it lies elsewhere"
    )
    for name in ("pixel-size-m", "energy-ev", "distance-m"):
        command.add_argument(f"--{name}", type=float, metavar="NUMBER", help=_LENGTHS[name])
    command.set_defaults(work=_export)


def _add_mutation(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "mutation",
        help="try mutants of the pure core against its tests",
        description="Leaves a new hub with the score of each module and every survivor; ends with "
        "1 where too few are killed or a survivor is not listed in tests/mutation/survivors.toml.",
    )
    _add_study(command)
    command.set_defaults(work=_mutation)


def _add_hubs(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser("hubs", help="list hubs with the verdicts of their stages")
    _add_study(command)
    command.set_defaults(work=_hubs)


def _add_blocked(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "blocked", help="append a hub's failed stages to the attempts history of docs/fix_plan.md"
    )
    command.add_argument("hub", type=terminal.path, metavar="HUB")
    command.add_argument(
        "--fix-plan", type=terminal.path, default=Path("docs/fix_plan.md"), metavar="FILE"
    )
    command.set_defaults(work=_blocked)


def _add_docs_sync(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "docs-sync", help="write the tables of the documents that follow from the tree"
    )
    _add_study(command)
    command.set_defaults(work=_docs_sync)


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


def _prepare(options: argparse.Namespace) -> int:
    from harness import prepare

    design = reconstruction.get_study_design(options.study)
    preset = reconstruction.known_preset(design, options.preset)
    root = prepare.scratch(design, preset, options.base)
    prepare.prepare_inputs(design, preset, root, options.base, terminal.say)
    return EXIT_OK


def _import(options: argparse.Namespace) -> int:
    from harness import foreign, importing, measured

    geometry = measured.Geometry(
        options.pixel_size_m, options.energy_ev, options.distance_m, options.detector_pixel_m
    )
    told = measured.Told(
        frames=options.frames,
        zero_frequency=options.zero_frequency,
        axis_order=options.axis_order,
        probe=options.probe,
        crop_px=options.crop,
        zero_bad_pixels=options.zero_bad_pixels,
        no_object=options.no_object,
        geometry=geometry,
    )
    beside = foreign.Beside(options.diffraction, options.frames_path, options.translation)
    importing.run(importing.Request(options.file, options.out, told, beside), terminal.say)
    return EXIT_OK


def _check(options: argparse.Namespace) -> int:
    from harness import contract, npz, provenance, resources, rules, wording

    found = []
    for path in options.files:
        reading = npz.read(path, shown_as=provenance.portable(path))
        found += reading.findings
        if reading.description is not None:
            found += contract.check(reading.description, schema=resources.schema("npz_input"))
    broken = rules.errors(found)
    if broken:
        times = wording.counted(len(broken), "time")
        raise InputInvalid(f"DATA-001 is broken {times}", found)
    if options.format == "json":
        document = {"error": None, "findings": [item.as_record() for item in found]}
        terminal.say(json.dumps(document, indent=2))
        return EXIT_OK
    for item in found:
        terminal.say(rules.as_text(item))
    files = wording.counted(len(options.files), "file")
    terminal.say(f"{files} {'keeps' if len(options.files) == 1 else 'keep'} DATA-001")
    return EXIT_OK


def _new_hub(options: argparse.Namespace) -> int:
    design = reconstruction.get_study_design(options.study)
    _checked(design, options)
    terminal.say(_make_hub(design, options).as_posix())
    return EXIT_OK


def _make_hub(design: StudyDesign, options: argparse.Namespace) -> Path:
    from harness import hub, provenance

    if key := _key(options):
        from harness import signing

        signing.load(key)
    reports = Path(layout.reports(design.initiative))
    return hub.create(reports, design.initiative, design.hub_slug, provenance.now)


def _stage(options: argparse.Namespace) -> int:
    from harness import provenance, resources, stages

    design = reconstruction.get_study_design(options.study)
    checked = _checked(design, options)
    if options.stage == "real-run":
        provenance.require_packages()
    return stages.run(
        stages.StageRequest(
            stage=options.stage,
            hub=options.hub,
            design=design,
            **checked,
            study_path=options.study or resources.DEFAULT_STUDY,
            base_npz=options.base,
            allow_missing_phase_d=options.allow_missing_phase_d,
            words=(*_study_words(options), *reconstruction.selection_words(options)),
            key=_key(options),
            base_ref=options.base_ref,
            command_lines=command_lines(),
        )
    )


def _study_words(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the words that name the study to the commands of a stage."""
    from harness import provenance

    if options.study is None:
        return ()
    return ("--study", provenance.portable(options.study))


def _reconstruct(options: argparse.Namespace) -> int:
    from harness import onefile, provenance

    options.study = onefile.write_study(options.file, terminal.say)
    options.base, options.preset = options.file, onefile.PRESET
    # A hub of one file holds no RED.
    options.base_ref = None
    design = reconstruction.get_study_design(options.study)
    _checked(design, options)
    provenance.require_packages()
    options.hub = _make_hub(design, options)
    for options.stage in layout.RUN_STAGES:
        if code := _stage(options):
            return code
    return EXIT_OK


def _key(options: argparse.Namespace) -> Path | None:
    from harness import provenance

    named = os.environ.get(provenance.SIGNING_KEY)
    return options.key or (Path(named) if named else None)


def _checked(design: StudyDesign, options: argparse.Namespace) -> dict[str, Any]:
    from harness import matrix

    reconstruction.parallel_from(options)
    checked = {
        "preset": reconstruction.known_preset(design, options.preset),
        "filters": matrix.check_filters(design, reconstruction.requested_filters(options)),
        "settings": reconstruction.settings_from(design, options),
    }
    if options.base and design.input_sha256 is None:
        from harness import prepare

        prepare.check_base(options.base)
    if options.base_ref is not None:
        _check_base_ref(options.base_ref)
    return checked


def _check_base_ref(ref: str) -> None:
    from harness import worktree
    from harness.errors import UsageError

    if worktree.commit_of(WORK_TREE, ref) is None:
        raise UsageError(f"--base-ref {ref!r} is no commit; name one that git has, as HEAD~1")


def _verify(options: argparse.Namespace) -> int:
    from harness import anchor, envelope, hub, publish, recompute, signing

    outside: tuple[Finding, ...] = ()
    if options.head is not None:
        outside += anchor.check_head(options.hub, options.head)
    if options.seal is not None:
        outside += anchor.check_seal(options.hub, options.seal)
    if options.git:
        outside += anchor.check_git(options.hub, Path())
    read = publish.reader(options.hub)
    key = signing.load_public(options.public_key) if options.public_key else None
    if key is not None:
        outside += signing.check(read, key)
    done = _holds(options.hub, outside, _inputs(options))
    head = hub.head(options.hub)
    verdicts = publish.verdicts(read)
    seen = {**envelope.count(read), "checked_with": key.keyid if key else None}
    if options.format == "json":
        document = {"error": None, "findings": [], "files": done.files, "head_sha256": head}
        document |= {"verdicts": verdicts, "signatures": seen}
        document["claims"] = recompute.as_records(done.accounts)
        terminal.say(json.dumps(document, indent=2))
    else:
        terminal.say(f"hub {options.hub}: {done.files} files verified, head sha256 {head}")
        terminal.say("\n".join(recompute.as_text(done.accounts)))
        terminal.say(f"verdicts: {', '.join(verdicts) or 'no stage yet'}")
        terminal.say(envelope.as_text(seen))
    return EXIT_OK


def _inputs(options: argparse.Namespace) -> Inputs | None:
    """Return where the inputs of a hub's jobs lie; UsageError where that is no folder."""
    from harness import audit
    from harness.errors import UsageError

    if options.inputs is None:
        return None
    if not options.inputs.is_dir():
        raise UsageError(f"--inputs {options.inputs} is not a folder; name that of phase_c/")
    return audit.Inputs(options.inputs, reconstruction.get_study_design(options.study))


def _holds(root: Path, outside: tuple[Finding, ...] = (), inputs: Inputs | None = None) -> Audit:
    """Return the audit of a hub; HubDamaged with all findings where it does not hold."""
    from harness import audit, wording
    from harness.errors import UsageError

    if not root.is_dir():
        raise UsageError(f"{root} is not a folder; name a hub")
    done = audit.audit(root, inputs or audit.Inputs())
    found = (*outside, *done.findings)
    if found:
        count = wording.counted(len(found), "finding")
        raise HubDamaged(f"hub {root} does not hold: {count}", found)
    return done


def _anchor(options: argparse.Namespace) -> int:
    from harness import anchor

    _holds(options.hub)
    terminal.say(f"anchored: {anchor.anchor(options.hub, Path())}")
    return EXIT_OK


def _diff(options: argparse.Namespace) -> int:
    from harness import differences, provenance, publish

    roots = {"a": options.hub_a, "b": options.hub_b}
    opened = {side: publish.open_sealed(root) for side, root in roots.items()}
    hubs = {
        side: {"path": provenance.portable(root), "head": opened[side].head}
        for side, root in roots.items()
    }
    record = differences.compare(opened["a"].read, opened["b"].read, hubs)
    if options.format == "json":
        terminal.say(json.dumps(record, indent=2))
    else:
        terminal.say("\n".join(differences.as_text(record)))
    return EXIT_OK


def _reproduce(options: argparse.Namespace) -> int:
    from harness import rerun

    return rerun.reproduce(options.hub, options.job, terminal.say)


def _export(options: argparse.Namespace) -> int:
    from harness import exporting, measured

    told = measured.Geometry(options.pixel_size_m, options.energy_ev, options.distance_m)
    request = exporting.Request(
        options.hub, options.job, options.to, options.out, options.input, told
    )
    exporting.run(request, terminal.say)
    return EXIT_OK


def _mutation(options: argparse.Namespace) -> int:
    from harness import mutants

    return mutants.run(reconstruction.get_study_design(options.study), terminal.say)


def _hubs(options: argparse.Namespace) -> int:
    from harness import publish

    design = reconstruction.get_study_design(options.study)
    for line in publish.list_hubs(Path(layout.reports(design.initiative))):
        terminal.say(line)
    return EXIT_OK


def _blocked(options: argparse.Namespace) -> int:
    from harness import publish

    terminal.say(publish.append_blocker(options.hub, options.fix_plan))
    return EXIT_OK


def command_lines() -> tuple[CommandLine, ...]:
    """Return the commands of the harness and their options, as the documents tell of them."""
    from harness import surface

    name = "harness.reconstruction"
    study_run = surface.describe(f"python -m {name}", reconstruction.make_parser())
    return (*surface.describe("python -m harness", make_parser()), *study_run)


def _docs_sync(options: argparse.Namespace) -> int:
    from harness import docsync, resources

    design = reconstruction.get_study_design(options.study)
    docsync.synchronise(design, resources.REPOSITORY, command_lines(), terminal.say)
    return EXIT_OK
