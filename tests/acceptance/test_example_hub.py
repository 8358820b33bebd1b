"""The hub that is committed as the example: whole, small, and verified by this very tree."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from harness import cli, layout, publish, records, worktree
from harness.resources import REPOSITORY

LARGEST_BYTES = 3_000_000


@pytest.fixture(scope="module")
def example():
    """The folder of the one hub that git knows."""
    listed = worktree.ask(REPOSITORY, "ls-files", "-z", "plans/active") or b""
    paths = [PurePosixPath(name) for name in listed.decode().split("\0") if name]
    (marker,) = (path for path in paths if path.name == records.MARKER)
    return REPOSITORY / marker.parent


def test_the_example_has_all_five_stages_and_each_passed(example):
    assert publish.verdicts(publish.reader(example)) == [f"{stage} pass" for stage in layout.STAGES]


def test_the_example_verifies(example, capsys):
    assert cli.main(["verify", str(example)]) == 0, capsys.readouterr().err


def test_the_example_is_small_and_holds_a_real_reconstruction(example):
    files = [path for path in example.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < LARGEST_BYTES
    run = records.run_of(publish.reader(example), "real-run")
    done = [job for job in run.manifest["jobs"] if job["status"] == "succeeded"]
    assert done
    result = records.document(publish.reader(example), f"{done[0]['output_dir']}/{layout.RESULT}")
    assert result["reconstructor"].endswith(".LSQMLReconstructor")
