"""What a stage rests on, hashed before and after it, and what differs between the two.

A result means something only where code, study and inputs were one and the same from the first
command to the last.  Source: docs/adr/0010-drift-and-heads.md
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from harness.model import Finding
from harness.rules import finding

FORMAT = "harness.digests/2"
GROUPS = ("code", "study", "inputs")
TESTS = "tests/"
NO_FILE = "no such file"
PUT_BACK = "changed and put back, or written anew"
CAME_AND_WENT = "something in it came and went, or it was moved and put back"
SHORT_COMMIT = 12

Digests = Mapping[str, str | None]
Groups = Mapping[str, Digests]


def record(before: Groups, after: Groups, touched: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """Return the record of what a stage rests on: for each group, path to sha256, twice.

    touched: for each group, the files and folders that are not as they were left before the stage,
    whatever their digests say; what a difference explains is left out.
    """
    return {
        "format": FORMAT,
        "before": dict(before),
        "after": dict(after),
        "touched": {
            group: _unexplained(touched[group], before[group], after[group]) for group in GROUPS
        },
    }


def _unexplained(touched: Iterable[str], before: Digests, after: Digests) -> list[str]:
    """Return what was touched and is told by no difference; of a folder, by no file in it."""
    differ = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    put_back = {*touched} - differ
    files = {*differ, *put_back} - {path for path in put_back if _is_folder(path)}
    told = {f"{folder}/" for path in files for folder in PurePosixPath(path).parents}
    return sorted(put_back - told)


def _is_folder(path: str) -> bool:
    return path.endswith("/")


def findings(document: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Return a finding for each file that changed, came or went while the stage ran.

    One that was put back is told, too: it may have been another in between.
    """
    return tuple(
        item
        for group in GROUPS
        for item in (
            *_differences(
                "stage.drift",
                document["before"][group],
                document["after"][group],
                "before the stage",
            ),
            *map(_touched, document["touched"][group]),
        )
    )


def _touched(path: str) -> Finding:
    return finding(
        "stage.drift",
        where=path,
        expected="left alone while the stage ran",
        found=CAME_AND_WENT if _is_folder(path) else PUT_BACK,
    )


def test_files(document: Mapping[str, Any]) -> dict[str, str | None]:
    """Return path and sha256 of the test files, the declared faults among them."""
    code = document["before"]["code"]
    return {path: digest for path, digest in code.items() if path.startswith(TESTS)}


def pair(
    document: Mapping[str, Any], earlier: Mapping[str, Any], stage: str
) -> tuple[Finding, ...]:
    """Return a finding for each test file that is not the one of an earlier stage.

    document, earlier: the digests of both; stage: the earlier one's name.
    """
    return _differences("stage.pair", test_files(earlier), test_files(document), f"in {stage}")


def same_inputs(
    document: Mapping[str, Any], earlier: Mapping[str, Any], stage: str
) -> tuple[Finding, ...]:
    """Return a finding for each input of two stages that is not one and the same file.

    document, earlier: the digests of both; stage: the earlier one's name.  A stage may cover fewer
    inputs than another, and one that was absent may have come.
    """
    one, other = earlier["before"]["inputs"], document["before"]["inputs"]
    both = [path for path in one if one[path] and other.get(path)]
    pair = ({path: inputs[path] for path in both} for inputs in (one, other))
    return _differences("stage.inputs", *pair, f"in {stage}")


def one_commit(
    document: Mapping[str, Any], earlier: Mapping[str, Any], stage: str
) -> tuple[Finding, ...]:
    """Return a finding for each code file that is not the one of a stage at the same commit.

    document, earlier: the digests of both; stage: the earlier one's name.
    """
    codes = earlier["before"]["code"], document["before"]["code"]
    return _differences("stage.commit", *codes, f"in {stage}")


def at_commit(document: Mapping[str, Any], known: Digests, commit: str) -> tuple[Finding, ...]:
    """Return a finding for each code file that is not the one of a commit.

    document: the digests of a stage; known: path and sha256 of every code file of the commit.
    """
    code = document["before"]["code"]
    return _differences("hub.commit", known, code, f"in commit {commit[:SHORT_COMMIT]}")


def base_tests(document: Mapping[str, Any], at_the_base: Digests) -> tuple[Finding, ...]:
    """Return a finding for each test file at the base of RED that is not RED's own."""
    return _differences("red.base-tests", test_files(document), at_the_base, "in red")


def inputs_of_jobs(
    document: Mapping[str, Any], jobs: Iterable[Mapping[str, Any]]
) -> tuple[Finding, ...]:
    """Return a finding for each job whose input is not the one that the input gate saw."""
    seen = document["before"]["inputs"]
    planned = {input_key(job): job["input_sha256"] for job in jobs}
    return _differences(
        "stage.drift", {path: seen.get(path) for path in planned}, planned, "at the input gate"
    )


def input_key(job: Mapping[str, Any]) -> str:
    """Return the name of a job's input among a stage's digests: root and path in it."""
    return f"{job['input_root']}/{job['input_npz']}"


def _differences(rule: str, one: Digests, other: Digests, when: str) -> tuple[Finding, ...]:
    return tuple(
        finding(
            rule,
            where=path,
            expected=f"{_said(one.get(path))} {when}",
            found=_said(other.get(path)),
        )
        for path in sorted({*one, *other})
        if one.get(path) != other.get(path)
    )


def _said(digest: str | None) -> str:
    return f"sha256 {digest}" if digest else NO_FILE
