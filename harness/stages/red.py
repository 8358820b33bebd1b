"""RED: each mapped test fails by assertion in a copy of the tree that lacks what it guards."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from harness import (
    collection,
    drift,
    faults,
    files,
    provenance,
    redproof,
    resources,
    rules,
    runner,
    schemas,
    study_copy,
    worktree,
)
from harness.errors import InputInvalid, UsageError
from harness.faults import Fault
from harness.redproof import Base, FaultRun
from harness.scratch import ScratchTree, base_tree, faulted_tree, parts
from harness.stages import testing
from harness.stages.frame import Stage

SCRATCH = "tmp/red"


def commands(stage: Stage) -> None:
    """Run the mapped tests on the tree as it stands, then for each declared fault, side by side."""
    declared = load_faults(stage)
    mapped = _mapped(stage)
    runs = [_run(stage, None, None, mapped)]
    natural = _natural(stage, runs[0], mapped)
    stop = runner.Stop()
    tasks = [
        partial(_run, stage, fault.id, fault, wanted, stop)
        for fault in declared
        if (wanted := [node_id for node_id in fault.kills if node_id not in natural])
    ]
    runs += runner.side_by_side(tasks, provenance.usable_cores(), stop)
    base = None
    if stage.request.base_ref is not None:
        base, run = _at_base(stage, stage.request.base_ref, mapped)
        runs.append(run)
    paths = [run.report_path for run in runs if run.report_path]
    reports = {path: (stage.request.hub / path).read_bytes() for path in paths}
    proof = redproof.from_reports(mapped, declared, runs, reports, base)
    files.write_json(stage.folder / "proof.json", proof.as_record())
    for outcome in proof.outcomes:
        name = outcome.fault_id or "tree as it stands"
        stage.transcript.say(f"# {name}: {outcome.node_id}: {outcome.outcome}")


def load_faults(stage: Stage) -> tuple[Fault, ...]:
    """Return the study's declared faults.

    Raises UsageError where the file is absent, InputInvalid where it is not TOML or breaks its
    schema.
    """
    where = stage.request.design.tests.faults
    path = stage.request.repository / where
    try:
        document = study_copy.parse(path.read_bytes().decode())
    except OSError as error:
        raise UsageError(f"{where}: {error.strerror}; name the faults in the study") from None
    except ValueError as error:
        raise InputInvalid(f"{where} is not TOML: {error}; mend it") from None
    found = schemas.check(document, resources.schema("faults"), name="faults", where=where)
    if found:
        raise InputInvalid(f"{where} breaks its schema", found)
    return faults.load(document)


def _mapped(stage: Stage) -> list[str]:
    """Return the node ids that the study's two selectors choose, asked of pytest itself."""
    tests = stage.request.design.tests
    chosen: list[str] = []
    for name, selector in (
        ("collect-mapped", [tests.mapped]),
        ("collect-suite", [tests.module, "-k", tests.suite_keyword]),
    ):
        words = [*selector, "--collect-only"]
        report = testing.run_pytest(stage, name, words, junit=False)
        path = testing.collection_path(report)
        data = path.read_bytes() if path.is_file() else b""
        found = collection.read(data, where=path.name)
        chosen += [node_id.partition("[")[0] for node_id in found.collected]
    return list(dict.fromkeys(chosen))


def _natural(stage: Stage, run: FaultRun, mapped: Sequence[str]) -> tuple[str, ...]:
    data = (stage.request.hub / run.report_path).read_bytes() if run.report_path else b""
    return redproof.from_reports(mapped, (), [run], {run.report_path: data}).natural


def _at_base(stage: Stage, ref: str, mapped: Sequence[str]) -> tuple[Base, FaultRun]:
    """Run the tests against an earlier commit; return it, with the tests as they lay over it."""
    repository = stage.request.repository
    commit = worktree.commit_of(repository, ref)
    if commit is None:
        raise UsageError(f"--base-ref {ref!r} is no commit; name one that git has")
    with base_tree(repository, commit, parent=repository / SCRATCH) as tree:
        code = provenance.code_files(tree.root)
        base = Base(ref, commit, drift.test_files({"before": {"code": code}}))
        return base, _run_in(tree, stage, base.id, mapped)


def _run(
    stage: Stage,
    fault_id: str | None,
    fault: Fault | None,
    node_ids: Sequence[str],
    stop: runner.Stop | None = None,
) -> FaultRun:
    """Run tests against a copy of the tree, as it stands or with a fault."""
    repository = stage.request.repository
    code = stage.watch.before["code"]
    with faulted_tree(repository, parts(code), fault, parent=repository / SCRATCH) as tree:
        if tree.finding is not None:
            stage.transcript.say(rules.as_text(tree.finding))
            return FaultRun(fault_id, tuple(node_ids), applies=False)
        return _run_in(tree, stage, fault_id, node_ids, stop)


def _run_in(
    tree: ScratchTree,
    stage: Stage,
    fault_id: str | None,
    node_ids: Sequence[str],
    stop: runner.Stop | None = None,
) -> FaultRun:
    name = (fault_id or "as-it-stands").replace(":", "-")
    is_fault = fault_id is not None and not fault_id.startswith(redproof.BASE)
    report = (stage.folder / "runs" / name).absolute()
    report.parent.mkdir(exist_ok=True)
    done = stage.transcript.run(
        f"fault {name}" if is_fault else name,
        testing.pytest_argv(node_ids, report, junit=True),
        find_reports=lambda: testing.reports(report, junit=True),
        cwd=tree.root,
        environment={**testing.ENVIRONMENT, **tree.environment},
        timeout_s=testing.TIMEOUT_S,
        stop=stop,
    )
    left = testing.junit_path(report)
    inside = left.relative_to(stage.request.hub.absolute()).as_posix()
    return FaultRun(
        fault_id=fault_id,
        node_ids=tuple(node_ids),
        report_path=inside if left.is_file() else "",
        returncode=done.returncode,
        timed_out=done.timed_out,
    )
