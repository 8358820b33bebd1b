"""The frame around every stage: hub, inputs, gates, commands, verdict, record, seal."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness import (
    anchor,
    canonical,
    execution,
    files,
    gates,
    hub,
    judge,
    layout,
    manifest,
    matrix,
    policies,
    prepare,
    provenance,
    publish,
    rules,
    signing,
    terminal,
    worktree,
)
from harness.design import StudyDesign
from harness.errors import EXIT_FAILED, HarnessError, InputInvalid
from harness.model import Gate, ReconstructionSettings
from harness.resources import REPOSITORY
from harness.stages.transcript import Transcript
from harness.surface import CommandLine
from harness.watch import Watch

FORMAT = "harness.stage/1"


@dataclass(frozen=True, slots=True)
class StageRequest:
    """What one stage is asked to do.

    words: options that the reconstruction command gets as they are (filters, settings).
    key: file of the private key that signs the stage's statements; nothing records where it lies.
    base_ref: the commit that RED's tests are run against as well.
    command_lines: the commands of the harness, which the documents tell of.
    """

    stage: str
    hub: Path
    design: StudyDesign
    preset: str
    filters: Mapping[str, tuple[str, ...]]
    settings: ReconstructionSettings
    study_path: Path
    base_npz: Path | None = None
    allow_missing_phase_d: bool = False
    words: tuple[str, ...] = ()
    repository: Path = REPOSITORY
    key: Path | None = None
    base_ref: str | None = None
    command_lines: tuple[CommandLine, ...] = ()


@dataclass(slots=True)
class Stage:
    """A stage while it runs: where it writes, what it was given, what it has found so far.

    base_sha256: of the base NPZ as the stage begins.
    document: the manifest of a run as its gates saw it.  plan: how the plan it follows is cited.
    """

    request: StageRequest
    folder: Path
    transcript: Transcript
    roots: matrix.Roots
    watch: Watch
    started_at: str
    base_sha256: str | None
    gates: list[Gate] = field(default_factory=list)
    interrupted: bool = False
    refused: HarnessError | None = None
    document: Mapping[str, Any] | None = None
    plan: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What makes one stage differ from another: its first log and the commands it runs."""

    first_log: str
    commands: Callable[[Stage], None]


def run_stage(request: StageRequest, step: Step) -> int:
    """Run one stage into its hub and return its exit code.

    Raises UsageError or HubDamaged before anything is written where the hub cannot take it.
    """
    signer = signing.load(request.key) if request.key else None
    with hub.locked(request.hub):
        hub.open_hub(request.hub)
        folder = hub.begin_stage(request.hub, request.stage)
        started, clock = provenance.iso_now(), time.monotonic()
        provenance.drop_bytecode(request.repository)
        watch = Watch(request.repository, request.study_path)
        _keep_guide(request, folder)
        _keep_study(request, folder)
        _keep_faults(request, folder)
        base_sha256 = files.sha256_or_none(request.base_npz) if request.base_npz else None
        roots = _roots(request, folder, base_sha256)
        transcript = Transcript(request.hub)
        stage = Stage(request, folder, transcript, roots, watch, started, base_sha256)
        stage.transcript.open(folder / step.first_log)
        stage.transcript.say(f"# stage {request.stage} started {started}")
        _carry_out(stage, step)
        record = _record(stage, round(time.monotonic() - clock, 3))
        files.write_json(folder / layout.STAGE_RECORD, record)
        head = publish.derive_and_seal(request.hub, signer, folder.name)
    _tell(request, record, head)
    return record["exit_code"]


def _keep_guide(request: StageRequest, folder: Path) -> None:
    """Keep the guide as it is when the stage begins: what runs is held against it."""
    path = request.repository / layout.AUTHORITATIVE_COMMANDS
    if path.is_file():
        files.write_new(folder / layout.GUIDE_COPY, path.read_bytes())


def _keep_study(request: StageRequest, folder: Path) -> None:
    """Keep the study file of a run: what the run's records say of the study is held to it."""
    if request.stage in layout.RUN_STAGES and request.study_path.is_file():
        files.write_new(folder / layout.STUDY_COPY, request.study_path.read_bytes())


def _keep_faults(request: StageRequest, folder: Path) -> None:
    """Keep the faults file of RED: its proof is held to what is declared there."""
    path = request.repository / request.design.tests.faults
    if request.stage == "red" and path.is_file():
        files.write_new(folder / layout.FAULTS_COPY, path.read_bytes())


def _carry_out(stage: Stage, step: Step) -> None:
    """Gate and run; whatever ends it early is kept, so that the record can say so."""
    try:
        _gate_and_run(stage, step)
    except KeyboardInterrupt:
        stage.interrupted = True
    except HarnessError as error:
        stage.refused = error
        lines = [f"error: {error}", *map(rules.as_text, error.findings)]
        stage.transcript.say("\n".join(lines))
    except Exception as error:  # noqa: BLE001 - a bug must not leave a hub half written
        stage.refused = HarnessError(f"a bug in the harness: {type(error).__name__}: {error}")
        stage.transcript.say(provenance.redact(traceback.format_exc().encode()).decode())
    finally:
        stage.transcript.close()


def _gate_and_run(stage: Stage, step: Step) -> None:
    request = stage.request
    prepare.prepare_inputs(
        request.design,
        request.preset,
        _scratch(request, stage.base_sha256),
        request.base_npz,
        stage.transcript.say,
        stage.base_sha256,
    )
    stage.gates += _close_gates(stage)
    for gate in stage.gates:
        verdict = "pass" if gate.passed else "FAIL"
        stage.transcript.say(f"# gate {gate.name}: {verdict}, {gate.checked} checked")
        for item in gate.findings:
            stage.transcript.say(rules.as_text(item))
    if all(gate.passed for gate in stage.gates):
        step.commands(stage)


def _close_gates(stage: Stage) -> list[Gate]:
    request = execution.Request(
        design=stage.request.design,
        roots=stage.roots,
        filters=stage.request.filters,
        settings=stage.request.settings,
        allow_missing_phase_d=stage.request.allow_missing_phase_d,
        dry_run=stage.request.stage != "real-run",
    )
    try:
        plan = execution.make_plan(request)
    except InputInvalid as error:
        return [Gate("inputs", len(error.findings), error.findings)]
    checked = execution.check_plan(request, plan)
    _watch_inputs(stage, plan, checked)
    document, skips = execution.plan_records(request, checked)
    stage.document = document
    closed = [
        gates.input_gate(checked.findings),
        gates.manifest_gate(document, skips, request.design),
    ]
    if stage.request.stage in layout.RUN_STAGES and not all(gate.passed for gate in closed):
        # The command that writes these is not reached; what is in breach is a skip all the same.
        files.write_json(stage.folder / layout.MANIFEST, document)
        files.write_json(stage.folder / layout.SKIP_SUMMARY, skips)
    return closed


def _watch_inputs(stage: Stage, plan: matrix.Plan, checked: execution.Checked) -> None:
    """Watch the inputs of a plan, from the bytes that the input gate has read."""
    for job in plan.jobs:
        path = Path(job.input_npz)
        description = checked.readings[job.key].description
        read = description["sha256"] if description else None
        stage.watch.add_input(_input_key(path, stage.roots), path, read)


def _input_key(path: Path, roots: matrix.Roots) -> str:
    for name in ("phase_c", "phase_d"):
        root = Path(getattr(roots, name))
        if path.is_relative_to(root):
            return f"{name}/{path.relative_to(root).as_posix()}"
    raise ValueError(f"{path} lies under neither root")


def _scratch(request: StageRequest, base_sha256: str | None) -> Path:
    return Path(layout.scratch(request.design.initiative, request.preset, base_sha256))


def _roots(request: StageRequest, folder: Path, base_sha256: str | None) -> matrix.Roots:
    inputs = _scratch(request, base_sha256)
    return matrix.Roots(inputs / "phase_c", inputs / "phase_d", folder)


def _record(stage: Stage, elapsed_s: float) -> dict[str, Any]:
    request = stage.request
    git = _record_surroundings(stage)
    draft = {
        "format": FORMAT,
        "stage": request.stage,
        "verdict": "fail",
        "exit_code": EXIT_FAILED,
        "interrupted": stage.interrupted,
        "refused": _refused(stage.refused),
        "started_at": stage.started_at,
        "finished_at": provenance.iso_now(),
        "elapsed_s": elapsed_s,
        "gates": [gate.as_record() for gate in stage.gates],
        "commands": stage.transcript.records(),
        "findings": [],
        "tests": None,
        "plan": stage.plan,
        "settings": _settings(request, stage.base_sha256),
        "policies": policies.of_stage(request.stage),
        "git": git,
        "code_sha256": canonical.digest(stage.watch.before["code"]),
        "versions": provenance.versions(),
        "host": provenance.host(),
        "previous": publish.previous_record(request.hub),
        "outputs": publish.outputs(request.hub, stage.folder),
    }
    read = publish.reader(request.hub)
    found = judge.findings(draft, read)
    passed = not found
    return {
        **draft,
        "verdict": "pass" if passed else "fail",
        "exit_code": judge.exit_code(draft, passed=passed),
        "findings": [item.as_record() for item in found],
        "tests": judge.test_counts(draft, read),
    }


def _record_surroundings(stage: Stage) -> dict[str, Any]:
    """Write down what the stage rested on; return the state of the work tree."""
    files.write_json(stage.folder / layout.DIGESTS, stage.watch.record())
    git = worktree.state(stage.request.repository)
    if git["dirty"]:
        diff = worktree.uncommitted(stage.request.repository)
        files.write_new(stage.folder / layout.UNCOMMITTED, diff)
    return git


def _settings(request: StageRequest, base_sha256: str | None) -> dict[str, Any]:
    return {
        "preset": request.preset,
        "base": request.base_npz.name if request.base_npz else None,
        "study": provenance.portable(request.study_path),
        "study_sha256": manifest.study_record(request.design)["sha256"],
        "base_sha256": base_sha256,
        "filters": {name: list(values) for name, values in request.filters.items()},
        "options": list(request.words),
        "tests": asdict(request.design.tests),
    }


def _refused(error: HarnessError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    return {
        "message": str(error),
        "exit_code": error.exit_code,
        "findings": [item.as_record() for item in error.findings],
    }


def _tell(request: StageRequest, record: Mapping[str, Any], head: str) -> None:
    terminal.say(f"stage {request.stage}: {record['verdict'].upper()}")
    for item in record["findings"]:
        terminal.say(rules.as_text(rules.from_record(item)))
    if record["verdict"] == "fail":
        terminal.say(
            "\nfor the attempts history of docs/fix_plan.md (`make blocked` appends it):\n"
        )
        terminal.say(publish.blocker_entry(request.hub))
    shown_as = provenance.portable(request.hub.absolute())
    terminal.say(f"hub {shown_as}")
    terminal.say(f"head sha256 {head}")
    anchor.tell_ci(shown_as, request.stage, head)
