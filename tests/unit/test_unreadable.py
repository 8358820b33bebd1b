"""What cannot be read or written, in a hub or by import and export, is told in one line.

No name of a file forges words.

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
from tests import foreign_files as made
from tests.attack import table
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


@pytest.fixture
def scans():
    """A folder that anybody may look into: a scan, a folder to lock, one that none may write in."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o755)
        made.save_npz(folder / "scan.npz", made.tike())
        shutil.copytree(table.example(), folder / "hub")
        for name, mode in (("locked", 0), ("read-only", 0o555)):
            (folder / name).mkdir()
            made.save_npz(folder / name / "scan.npz", made.tike())
            (folder / name).chmod(mode)
        yield folder
        open_up(folder)


def refused(capsys, argv, code, about):
    """Run as nobody; ask for the code and for one line about a path."""
    with not_as_root():
        assert cli.main([str(word) for word in argv]) == code
    said = capsys.readouterr().err
    assert said.startswith(f"error: {about}")
    assert said.count("\n") == 1
    return said


OUTPUTS = {
    "read-only/new.npz": "cannot be written, Permission denied",
    "locked/new.npz": "cannot be written, Permission denied",
    "read-only/folder/new.npz": "cannot be written, Permission denied",
    "scan.npz/new.npz": "cannot be written, its folder is a file",
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_that_cannot_be_written_is_named_with_what_to_do(scans, capsys, name):
    job = ("--job", "dose_1000/dense/test", "--to", "ptychodus")
    lengths = ("--pixel-size-m=1e-8", "--energy-ev=8800", "--distance-m=2")
    for number, words in enumerate(
        [("import", scans / "scan.npz"), ("export", scans / "hub", *job, *lengths)]
    ):
        # What works is tried as the tests' own user, who may read what Python loads for it.
        sound = (*words, "--out", scans / f"sound-{number}")
        assert cli.main([str(word) for word in sound]) == 0
        capsys.readouterr()
        out = scans / name
        said = refused(capsys, (*words, "--out", out), 2, out)
        assert f"{OUTPUTS[name]}: name another file with --out" in said


def test_an_input_that_cannot_be_reached_is_named_with_what_to_do(scans, capsys):
    out, away = scans / "new.npz", scans / "locked" / "scan.npz"
    why = ": cannot be read, Permission denied. Give a file"
    for words in ((away,), (scans / "scan.npz", "--probe", away)):
        assert why in refused(capsys, ("import", *words, "--out", out), 3, away)
    why = "cannot be read, Permission denied: name an NPZ of DATA-001"
    assert why in refused(capsys, ("reconstruct", away), 3, away)


@pytest.mark.parametrize("name", ["a\x1b[2Kb", "a\nhub x: 9 files verified", "a\rb", "a\u202eb"])
def test_a_name_writes_nothing_on_the_terminal_but_itself(name):
    entry = seal.Entry(name, "file", 1, "a" * 64)
    (found,) = seal.check((entry,), b"")
    assert memory.told([found])[0][1] == name
    shown = rules.as_text(found)
    assert shown.isprintable()
    assert name.encode("unicode_escape").decode() in shown
