"""What the seal of a hub says of each file that differs, in full, and of lines that are none."""

from __future__ import annotations

import pytest

from harness import layout, seal
from harness.seal import Entry
from tests.memory import hub as memory

A, B = "a" * 64, "b" * 64
LINE = "<sha256>, two spaces, a path not listed before"


def entry(path, sha256=A, kind="file"):
    return Entry(path, kind, 1, sha256)


def told(entries, data):
    """Return what is said of entries: rule, where, pointer, expected, found."""
    return memory.told(seal.check(tuple(entries), data))


def line(path, sha256=A):
    return f"{sha256}  {path}\n"


def no_line(place, text):
    return ("seal.line", layout.SEAL, place, LINE, repr(text))


def test_a_sound_seal_is_sorted_and_leaves_itself_out():
    data = seal.render((entry("b", B), entry(layout.SEAL), entry("a/c")))
    assert data.decode() == line("a/c") + line("b", B)
    assert told([entry("b", B), entry(layout.SEAL, B), entry("a/c")], data) == []


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("a\nb", b"a%0Ab"),
        ("a\rb", b"a%0Db"),
        ("50%", b"50%25"),
        ("%0A", b"%250A"),
        ("%0D%25", b"%250D%2525"),
        ("a b\udcff", b"a b\xff"),
    ],
)
def test_a_path_of_any_bytes_is_written_on_one_line_and_read_again(path, written):
    data = seal.render((entry(path),))
    assert data == A.encode() + b"  " + written + b"\n"
    assert seal.parse(data) == ({path: A}, ())


def test_each_file_that_differs_is_told_by_its_path():
    sealed = "".join([line("b"), line("c"), line("d"), line("a")]).encode()
    there = [entry("d"), entry("c", B), entry("0", B), entry("a", B), entry("z")]
    assert told(there, sealed) == [
        ("seal.extra", "0", "", "only sealed files", f"sha256 {B}"),
        ("seal.digest", "a", "", f"sha256 {A}", B),
        ("seal.lost", "b", "", f"sha256 {A}", "no such file"),
        ("seal.digest", "c", "", f"sha256 {A}", B),
        ("seal.extra", "z", "", "only sealed files", f"sha256 {A}"),
    ]


@pytest.mark.parametrize("kind", seal.KINDS)
def test_what_is_no_file_is_told_and_its_file_is_lost(kind):
    linked = ("seal.link", "b", "", "a regular file", seal.KINDS[kind])
    lost = ("seal.lost", "b", "", f"sha256 {A}", "no such file")
    there = [entry("a"), entry("b", kind=kind)]
    assert told(there, (line("a") + line("b")).encode()) == [linked, lost]
    missing = ("seal.missing", layout.SEAL, "", "the hub's seal", "no such file")
    assert told(there, None) == [missing, linked]


@pytest.mark.parametrize(
    "text", ["", f"{A} a", f"{A}  ", f"{A[1:]}  a", f"{A.upper()}  a", f" {A}  a", "x" * 200]
)
def test_a_line_that_is_none_is_told_with_its_number(text):
    data = (line("b") + text + "\n" + line("c")).encode()
    found = no_line("line 2", text[:160])
    assert told([entry("b"), entry("c")], data) == [found]


def test_a_path_listed_twice_and_one_beside_a_broken_line_are_told():
    data = (line("b") + line("b", B)).encode()
    assert told([entry("b")], data) == [no_line("line 2", f"{B}  b")]
    # A line that cannot be read lists nothing, not even a file without a name.
    listed, found = seal.parse(b"\n\n")
    assert (listed, len(found)) == ({}, 2)


def test_a_seal_that_was_cut_is_told():
    cut = ("seal.line", layout.SEAL, "last line", "a line end", "a line that was cut")
    lost = ("seal.lost", "b", "", f"sha256 {A}", "no such file")
    extra = ("seal.extra", "b", "", "only sealed files", f"sha256 {A}")
    assert told([], line("b").encode()) == [lost]
    assert told([entry("b")], line("b")[:-1].encode()) == [cut, extra]
    assert told([], b"x") == [cut]
    assert told([entry("b")], b"") == [extra]
