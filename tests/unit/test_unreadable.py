"""What lies in a hub and cannot be read is told; no name of a file forges words.

Root may read everything: where tests are root's, another user reads here.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import cli, hub, layout, publish, rules, seal
from tests.memory import hub as memory

NOBODY = 65534


@contextmanager
def not_as_root():
    """Run as a user to whom permissions matter."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def open_up(root):
    root.chmod(0o777)
    for place in root.rglob("*"):
        place.chmod(0o777)


@pytest.fixture
def whole(complete_hub):
    """A whole hub where any user may look; its permissions are put right in the end."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        root = Path(shutil.copytree(complete_hub, Path(folder) / "hub"))
        open_up(root)
        yield root
        open_up(root)


def told(root):
    with not_as_root():
        found = seal.check(hub.entries(root), hub.read_seal(root))
    return {(item.rule, item.where, item.found) for item in found}


UNREADABLE = "what cannot be read"


@pytest.mark.parametrize("mode", [0o000, 0o111, 0o444])
@pytest.mark.parametrize("place", ["secret", "red/secret"])
def test_a_folder_that_cannot_be_looked_into_is_told(whole, place, mode):
    (whole / place).mkdir()
    (whole / place / "evil.txt").write_text("evil")
    (whole / place).chmod(mode)
    assert {(rule, found) for rule, _, found in told(whole)} == {("seal.link", UNREADABLE)}
    assert {where.removesuffix("/evil.txt") for _, where, _ in told(whole)} == {place}


@pytest.mark.parametrize("path", ["hub.json", "red/proof.json", layout.SEAL])
def test_a_file_that_cannot_be_read_is_told(whole, path):
    (whole / path).chmod(0)
    lost = "seal.missing" if path == layout.SEAL else "seal.lost"
    assert told(whole) == {("seal.link", path, UNREADABLE), (lost, path, "no such file")}
    with not_as_root():
        assert publish.reader(whole)(path) is None


def test_a_hub_that_cannot_be_read_is_told(whole):
    whole.chmod(0)
    assert ("seal.link", ".", UNREADABLE) in told(whole)


@pytest.mark.parametrize("path", ["", "hub.json", "red", "red/proof.json", layout.SEAL])
@pytest.mark.parametrize("words", [["verify"], ["verify", "--head", "a" * 64], ["diff"]])
def test_every_command_says_so_and_ends_as_documented(whole, capsys, path, words):
    argv = [words[0], str(whole), *words[1:], *([str(whole)] if words == ["diff"] else [])]
    assert cli.main(argv) == (4 if len(words) > 1 else 0)
    (whole / path).chmod(0)
    capsys.readouterr()
    with not_as_root():
        assert cli.main(argv) in (2, 4)
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert said.err.startswith("error: ")


@pytest.mark.parametrize("name", ["a\x1b[2Kb", "a\nhub x: 9 files verified", "a\rb", "a\u202eb"])
def test_a_name_writes_nothing_on_the_terminal_but_itself(name):
    entry = seal.Entry(name, "file", 1, "a" * 64)
    (found,) = seal.check((entry,), b"")
    assert memory.told([found])[0][1] == name
    shown = rules.as_text(found)
    assert shown.isprintable()
    assert name.encode("unicode_escape").decode() in shown
