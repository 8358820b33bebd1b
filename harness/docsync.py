"""Write the tables of the documents that a program owns."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from harness import (
    collection,
    documented,
    documents,
    files,
    provenance,
    runner,
)
from harness.collection import Collection
from harness.design import StudyDesign
from harness.errors import InputInvalid, UsageError
from harness.stages import testing
from harness.surface import CommandLine


def synchronise(
    design: StudyDesign,
    repository: Path,
    command_lines: Iterable[CommandLine],
    say: Callable[[str], None],
) -> None:
    """Write what differs in the tables, nothing else, and say the change and what is left to do.

    Raises InputInvalid, with nothing written, where the tests cannot be collected or a document
    must first be mended by hand.
    """
    collected = _collect(design.tests.module, repository)
    texts = documents.texts(repository)
    _all_text(repository, texts)
    known = documents.facts(repository, design.tests, command_lines)
    found = documented.judge_collection(collected, where=design.tests.module)
    found += documented.obstacles(texts, known, collected)
    if found:
        raise InputInvalid("nothing is written; mend this first", found)
    mended = documented.mended(texts, known, collected)
    for path, text in mended.items():
        if text != texts[path]:
            files.replace(repository / path, text.encode())
    say(documented.unified(texts, mended).rstrip("\n") or "the tables are as they ought to be")
    left = documented.differences(mended, known, collected)
    if left:
        raise InputInvalid("the tables are written; the rest takes words of yours", left)


def _all_text(repository: Path, texts: Mapping[str, str]) -> None:
    for path, text in texts.items():
        place = repository / path
        if place.is_file() and place.read_bytes() != text.encode():
            raise UsageError(f"{path} is not UTF-8; mend it, nothing is written")


def _collect(module: str, repository: Path) -> Collection:
    """Return what pytest collects of the mapped module; what it says is of no interest here."""
    with tempfile.TemporaryDirectory(prefix="docs-sync-") as scratch:
        report = Path(scratch, "collect")
        argv = testing.pytest_argv(
            [module, "--collect-only"], report, junit=False, scratch=f"{scratch}/{testing.SCRATCH}"
        )
        runner.stream(
            argv,
            (),
            cwd=repository,
            environment=provenance.child_environment(testing.ENVIRONMENT),
            timeout_s=testing.TIMEOUT_S,
        )
        path = testing.collection_path(report)
        return collection.read(path.read_bytes() if path.is_file() else b"", where=module)
