"""Run the mutation tester on a copy of the tree and leave what became of each mutant in a hub.

The tool runs in an environment of its own; of the working tree nothing but bytecode is changed.
Source: docs/adr/0016-mutants-of-the-core.md
"""

from __future__ import annotations

import json
import sys
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from harness import (
    anchor,
    canonical,
    files,
    hub,
    layout,
    mutation,
    provenance,
    publish,
    resources,
    rules,
    runner,
    schemas,
    signing,
    worktree,
)
from harness.design import StudyDesign
from harness.errors import InputInvalid, UsageError
from harness.scratch import faulted_tree, parts
from harness.watch import Watch

SLUG = "mutation"
TIMEOUT_S = 7200.0
ENVIRONMENT = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
# Each mutant is a pytest run of its own; collecting garbage to find what nobody could raise would
# take half of it.
PYTEST_WORDS = ["-p", "no:cacheprovider", "-p", "no:unraisableexception"]
# What the tests read of the tree besides.
ALSO = ("docs",)

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Tried:
    """What a run of the tool gave: facts for the record, its log, the digests before and after."""

    facts: Mapping[str, Any]
    log: bytes
    rests_on: Mapping[str, Any]


def run(
    design: StudyDesign,
    say: Say,
    repository: Path = resources.REPOSITORY,
    key: Path | None = None,
) -> int:
    """Try every mutant, leave a new hub, and return the exit code; 0 where the gate holds.

    key: file of the private key that signs the statement of provenance.
    Raises UsageError without the list of survivors or where the key cannot sign, InputInvalid
    where the list breaks its schema or this interpreter lacks the tool, before anything is written.
    """
    signer = signing.load(key) if key else None
    version = _version()
    listed = load_survivors(repository)
    tried = _try(repository, listed)
    # Made when all is done: a run that is interrupted leaves nothing that asks to be explained.
    reports = repository / layout.reports(design.initiative)
    made = hub.create(reports, design.initiative, SLUG, provenance.now)
    with hub.locked(made):
        record = _record(repository, made, tried, listed, version)
        files.write_json(made / layout.MUTATION / layout.MUTATION_RECORD, record)
        head = publish.derive_and_seal(made, signer, layout.MUTATION)
    _tell(record, made, head, say)
    return record["exit_code"]


def load_survivors(repository: Path) -> list[dict[str, Any]]:
    """Return the accepted survivors; see `run` for errors."""
    where = mutation.SURVIVORS
    try:
        document = tomllib.loads((repository / where).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{where}: {error.strerror}; an empty list needs its format too") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputInvalid(f"{where} is not TOML: {error}; mend it") from None
    found = schemas.check(document, resources.schema("survivors"), name="survivors", where=where)
    if found:
        raise InputInvalid(f"{where} breaks its schema", found)
    return document["survivors"]


def _version() -> str:
    try:
        return metadata.version(mutation.TOOL)
    except metadata.PackageNotFoundError:
        raise InputInvalid(
            f"no {mutation.TOOL} in {sys.executable}; run it in its environment: make mutation"
        ) from None


def _try(repository: Path, listed: list[dict[str, Any]]) -> Tried:
    started_at, clock = provenance.iso_now(), time.monotonic()
    # The copies have no bytecode. Here each folder has a place for it, which another may fill.
    provenance.drop_bytecode(repository)
    watch = Watch(repository)
    parent = repository / "tmp" / "mutation"
    whole = (*parts(watch.before["code"]), *ALSO)
    with faulted_tree(repository, whole, None, parent=parent) as tree:
        log_path = tree.root / layout.MUTATION_LOG
        returncode = _run_tool(tree.root, log_path)
        log = log_path.read_bytes()
        modules = [_read_module(tree.root, name, listed) for name in mutation.MODULES]
    facts = {
        "started_at": started_at,
        "finished_at": provenance.iso_now(),
        "elapsed_s": round(time.monotonic() - clock, 3),
        "returncode": returncode,
        "modules": modules,
    }
    return Tried(facts, log, watch.record())


def _record(
    repository: Path, made: Path, tried: Tried, listed: list[dict[str, Any]], version: str
) -> dict[str, Any]:
    """Write down what a run rests on and left; return its record."""
    folder = made / layout.MUTATION
    files.write_new(folder / layout.MUTATION_LOG, tried.log)
    files.write_json(folder / layout.DIGESTS, tried.rests_on)
    git = worktree.state(repository)
    if git["dirty"]:
        files.write_new(folder / layout.UNCOMMITTED, worktree.uncommitted(repository))
    record = {
        "format": mutation.FORMAT,
        "tool": {"name": mutation.TOOL, "version": version},
        "tests": list(mutation.TESTS),
        "least_killed": mutation.LEAST_KILLED,
        **tried.facts,
        "listed": listed,
        "git": git,
        "code_sha256": canonical.digest(tried.rests_on["before"]["code"]),
        "versions": provenance.versions(),
        "host": provenance.host(),
        "outputs": publish.outputs(made, folder),
    }
    return mutation.judged(record, tried.rests_on)


def _run_tool(root: Path, log_path: Path) -> int:
    """Run the tool in a copy of the tree; return its return code."""
    with open(root / "pyproject.toml", "a", encoding="utf-8") as file:
        file.write(settings())
    words = ["run", "--max-children", str(provenance.usable_cores())]
    with runner.open_new(log_path) as log:
        done = runner.stream(
            [sys.executable, "-m", mutation.TOOL, *words],
            (lambda line: log.write(_last_state(line)),),
            cwd=root,
            environment=provenance.child_environment(ENVIRONMENT),
            timeout_s=TIMEOUT_S,
        )
    return done.returncode


def settings() -> str:
    """Return the tool's settings as they stand in the copy's pyproject.toml."""
    values = {
        "source_paths": ["harness"],
        "only_mutate": [f"harness/{name}.py" for name in mutation.MODULES],
        "also_copy": ["recipes", "schemas", "plans", *ALSO],
        "pytest_add_cli_args": PYTEST_WORDS,
        "pytest_add_cli_args_test_selection": list(mutation.TESTS),
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    return "\n".join(["", "[tool.mutmut]", *lines, "use_git_change_detection = false", ""])


def _last_state(line: bytes) -> bytes:
    """Return a line without the states that the tool painted over."""
    return line.rstrip(b"\n").rstrip(b"\r").rpartition(b"\r")[2] + b"\n"


def _read_module(root: Path, name: str, listed: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the tool left on a module; no mutants where it left nothing."""
    mutated = root / "mutants" / "harness" / f"{name}.py"
    left = mutated.with_name(f"{name}.py.meta")
    if not left.is_file():
        return mutation.module_record(name, {}, {}, listed)
    codes = json.loads(left.read_text(encoding="utf-8"))["exit_code_by_key"]
    by_mutant = {key.rpartition(".")[2]: code for key, code in codes.items()}
    changed = mutation.changes(mutated.read_text(encoding="utf-8"))
    return mutation.module_record(name, by_mutant, changed, listed)


def _tell(record: Mapping[str, Any], made: Path, head: str, say: Say) -> None:
    for module in record["modules"]:
        share = f"{module['killed']} of {module['mutants']} killed"
        say(f"{module['module']}: {share} ({module['killed_fraction']:.1%})")
    for item in record["findings"]:
        say(rules.as_text(rules.from_record(item)))
    say(f"mutation: {record['verdict'].upper()}")
    shown_as = provenance.portable(made.absolute())
    say(f"hub {shown_as}")
    say(f"head sha256 {head}")
    anchor.tell_ci(shown_as, layout.MUTATION, head)
