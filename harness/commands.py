"""What each command of `python -m harness` does with its options, and its exit code."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import layout, reconstruction, resources, terminal
from harness.errors import EXIT_OK, HubDamaged, InputInvalid

if TYPE_CHECKING:
    from harness.audit import Audit, Inputs
    from harness.design import StudyDesign
    from harness.model import Finding


WORK_TREE = resources.REPOSITORY


def prepare(options: argparse.Namespace) -> int:
    """Make the study's inputs under tmp/."""
    from harness import prepare

    design = reconstruction.get_study_design(options.study)
    preset = reconstruction.known_preset(design, options.preset)
    root = prepare.scratch(design, preset, options.base)
    as_json = options.format == "json"
    say = terminal.say_aside if as_json else terminal.say
    done = prepare.prepare_inputs(design, preset, root, options.base, say)
    if as_json:
        document = {"error": None, "findings": [], "made": done.made, "root": root.as_posix()}
        document["inputs"] = json.loads((root / prepare.RECORD).read_bytes())
        terminal.say(json.dumps(document, indent=2))
    return EXIT_OK


def import_(options: argparse.Namespace) -> int:
    """Convert a file of measured data to an input."""
    from harness import foreign_hdf5, importing, scans

    energy_ev = scans.told_energy_ev(options.energy_ev, options.wavelength_m)
    geometry = scans.Geometry(
        options.pixel_size_m, energy_ev, options.distance_m, options.detector_pixel_m
    )
    told = scans.Told(
        frames=options.frames,
        zero_frequency=options.zero_frequency,
        axis_order=options.axis_order,
        probe=options.probe,
        crop_px=options.crop,
        zero_bad_pixels=options.zero_bad_pixels,
        no_object=options.no_object,
        flip=options.flip,
        swap_xy=options.swap_xy,
        frames_turn=scans.Turn(options.transpose_frames, options.flip_frames),
        conjugate=options.conjugate,
        geometry=geometry,
    )
    beside = foreign_hdf5.Beside(options.diffraction, options.frames_path, options.translation)
    importing.run(importing.Request(options.file, options.out, told, beside), terminal.say)
    return EXIT_OK


def check(options: argparse.Namespace) -> int:
    """Check NPZ files against DATA-001; InputInvalid names every breach."""
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


def new_hub(options: argparse.Namespace) -> int:
    """Make a hub and print where it lies."""
    design = reconstruction.get_study_design(options.study)
    _checked(design, options)
    terminal.say(_make_hub(design).as_posix())
    return EXIT_OK


def _make_hub(design: StudyDesign) -> Path:
    from harness import hub, provenance

    reports = Path(layout.reports(design.initiative))
    return hub.create(reports, design.initiative, design.hub_slug, provenance.now)


def stage(options: argparse.Namespace) -> int:
    """Run one stage into a hub."""
    from harness import devices, provenance, resources, stages

    design = reconstruction.get_study_design(options.study)
    checked = _checked(design, options)
    if options.stage == "real-run":
        provenance.require_packages()
        devices.require(options.device)
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
            command_lines=options.command_lines(),
        )
    )


def _study_words(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the words that name the study to the commands of a stage."""
    from harness import provenance

    if options.study is None:
        return ()
    return ("--study", provenance.portable(options.study))


def reconstruct(options: argparse.Namespace) -> int:
    """Make a study and a hub of one file: dry run and real run."""
    from harness import devices, onefile, provenance

    one = onefile.study_of(options.file)
    options.base, options.preset = options.file, onefile.PRESET
    options.halves = options.halves or one.halves
    # A hub of one file holds no RED.
    options.base_ref = None
    _checked(one.design, options)
    provenance.require_packages()
    devices.require(options.device)
    options.study = onefile.write(one, terminal.say)
    options.hub = _make_hub(one.design)
    for options.stage in layout.RUN_STAGES:
        if code := stage(options):
            return code
    for line in onefile.next_steps(options.hub, options.study, one.design, options.file):
        terminal.say(line)
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
    if key := _key(options):
        from harness import signing

        signing.load(key)
    return checked


def _check_base_ref(ref: str) -> None:
    from harness import worktree
    from harness.errors import UsageError

    if worktree.commit_of(WORK_TREE, ref) is None:
        raise UsageError(f"--base-ref {ref!r} is no commit; name one that git has, as HEAD~1")


def verify(options: argparse.Namespace) -> int:
    """Verify a hub and print what was recomputed; HubDamaged names every finding."""
    from harness import (
        anchor,
        committed,
        envelope,
        guarded,
        hub,
        original,
        publish,
        recompute,
        signing,
    )

    outside: tuple[Finding, ...] = ()
    if options.head is not None:
        outside += anchor.check_head(options.hub, options.head)
    if options.seal is not None:
        outside += anchor.check_seal(options.hub, options.seal)
    if options.git:
        outside += anchor.check_git(options.hub, Path())
        outside += guarded.found("the code in git", committed.check, options.hub, Path())
    if options.original is not None:
        outside += guarded.found("the original", original.check, options.hub, options.original)
    read = publish.reader(options.hub)
    key = signing.load_public(options.public_key) if options.public_key else None
    if key is not None:
        outside += guarded.found("the signatures", signing.check, read, key)
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


def anchor(options: argparse.Namespace) -> int:
    """Record a hub's head in git, if the hub holds."""
    from harness import anchor

    _holds(options.hub)
    terminal.say(f"anchored: {anchor.anchor(options.hub, Path())}")
    return EXIT_OK


def diff(options: argparse.Namespace) -> int:
    """Print what differs between two hubs."""
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


def reproduce(options: argparse.Namespace) -> int:
    """Run jobs of a hub again and compare."""
    from harness import rerun

    return rerun.reproduce(options.hub, options.job, terminal.say, _key(options))


def export(options: argparse.Namespace) -> int:
    """Write a job's reconstruction in a standard format."""
    from harness import exporting, scans

    energy_ev = scans.told_energy_ev(options.energy_ev, options.wavelength_m)
    told = scans.Geometry(options.pixel_size_m, energy_ev, options.distance_m)
    request = exporting.Request(
        options.hub, options.job, options.to, options.out, options.input, told
    )
    exporting.run(request, terminal.say)
    return EXIT_OK


def mutation(options: argparse.Namespace) -> int:
    """Try the core's tests with mutants."""
    from harness import mutants

    design = reconstruction.get_study_design(options.study)
    return mutants.run(design, terminal.say, key=_key(options))


def hubs(options: argparse.Namespace) -> int:
    """List hubs with the verdicts of their stages: of every study, or of the one that is named."""
    from harness import publish

    if options.study is None:
        lines = publish.list_all_hubs(Path(layout.INITIATIVES))
    else:
        design = reconstruction.get_study_design(options.study)
        lines = publish.list_hubs(Path(layout.reports(design.initiative)))
    for line in lines:
        terminal.say(line)
    return EXIT_OK


def blocked(options: argparse.Namespace) -> int:
    """Record in a hub what blocks the work."""
    from harness import publish

    terminal.say(publish.append_blocker(options.hub, options.fix_plan))
    return EXIT_OK


def docs_sync(options: argparse.Namespace) -> int:
    """Write the documents that follow from the tree."""
    from harness import docsync, resources

    design = reconstruction.get_study_design(options.study)
    docsync.synchronise(design, resources.REPOSITORY, options.command_lines(), terminal.say)
    return EXIT_OK
