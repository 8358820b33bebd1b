"""Seals: any names and bytes go in and out unchanged, and any difference is found and named."""

from __future__ import annotations

import hashlib

from hypothesis import assume, given
from hypothesis import strategies as st

from harness import layout, seal
from harness.seal import Entry

# What a POSIX file name may hold: any bytes but NUL and the slash, as Python shows them.
BYTES = st.text(min_size=1, max_size=8).map(str.encode) | st.binary(min_size=1, max_size=8)
NAMES = BYTES.filter(lambda name: not set(name) & {0, 0x2F}).map(
    lambda name: name.decode(errors="surrogateescape")
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join).filter(lambda p: p != layout.SEAL)
DIGESTS = st.binary(max_size=4).map(lambda data: hashlib.sha256(data).hexdigest())
HUBS = st.dictionaries(PATHS, DIGESTS, min_size=1, max_size=6)


def entries(files, kind="file"):
    return tuple(Entry(path, kind, 1, digest) for path, digest in files.items())


@given(HUBS)
def test_a_seal_says_every_path_and_digest_again(files):
    listed, found = seal.parse(seal.render(entries(files)))
    assert found == ()
    assert listed == files
    assert seal.check(entries(files), seal.render(entries(files))) == ()


@given(HUBS, st.randoms())
def test_a_seal_does_not_depend_on_the_order_and_never_lists_itself(files, random):
    shuffled = list(entries(files))
    random.shuffle(shuffled)
    itself = Entry(layout.SEAL, "file", 1, "0" * 64)
    assert seal.render((itself, *shuffled)) == seal.render(entries(files))


@given(HUBS, st.data())
def test_a_changed_lost_added_or_linked_file_is_named(files, data):
    sealed = seal.render(entries(files))
    path = data.draw(st.sampled_from(sorted(files)))
    changed = {
        **files,
        path: hashlib.sha256(b"other" + path.encode(errors="surrogateescape")).hexdigest(),
    }
    lost = {name: digest for name, digest in files.items() if name != path}
    cases = {
        "seal.digest": (entries(changed), sealed),
        "seal.lost": (entries(lost), sealed),
        "seal.extra": (entries(files), seal.render(entries(lost))),
        "seal.link": ((*entries(lost), Entry(path, "link", 0, "")), sealed),
    }
    for rule, (there, seal_bytes) in cases.items():
        assert (rule, path) in {(i.rule, i.where) for i in seal.check(there, seal_bytes)}


@given(HUBS, st.data())
def test_any_changed_byte_of_a_seal_is_found(files, data):
    sealed = bytearray(seal.render(entries(files)))
    place = data.draw(st.integers(0, len(sealed) - 1))
    byte = data.draw(st.integers(0, 255))
    assume(byte != sealed[place])
    sealed[place] = byte
    assert seal.check(entries(files), bytes(sealed)) != ()


@given(HUBS, st.data())
def test_a_cut_seal_is_found(files, data):
    sealed = seal.render(entries(files))
    cut = sealed[: data.draw(st.integers(0, len(sealed) - 1))]
    assert seal.check(entries(files), cut) != ()


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_of_seals_fail(data):
    _, found = seal.parse(data)
    assert all(item.rule == "seal.line" for item in found)


def test_a_hub_without_a_seal_is_unsealed_and_its_links_are_named_all_the_same():
    found = seal.check((Entry("a", "link", 0, ""), Entry("b", "other", 0, "")), None)
    assert [(item.rule, item.where) for item in found] == [
        ("seal.missing", layout.SEAL),
        ("seal.link", "a"),
        ("seal.link", "b"),
    ]
