"""Bytes on disk and in records: whole or not at all, never over evidence, the same every time."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import canonical, files, resources, schemas
from harness.errors import UsageError

# More than 64 bits no record may have: readers differ in what they make of it.
INTEGERS = st.integers(-(2**63), 2**64 - 1)
DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | INTEGERS
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_a_new_record_is_written_whole_and_never_over_another(tmp_path):
    path = tmp_path / "below" / "stage.json"
    files.write_json(path, {"a": 1})
    with pytest.raises(UsageError, match=r"stage\.json exists in below/ and is evidence"):
        files.write_new(path, b"other")
    assert json.loads(path.read_bytes()) == {"a": 1}
    assert list(path.parent.iterdir()) == [path], "nothing else is left behind"


def test_a_record_s_next_state_takes_its_place(tmp_path):
    path = tmp_path / "manifest.json"
    files.write_json(path, {"a": 1})
    files.write_json(path, {"a": 2}, new=False)
    assert json.loads(path.read_bytes()) == {"a": 2}
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_a_record_that_cannot_be_written_leaves_the_former_state_and_no_scrap(
    tmp_path, monkeypatch
):
    path = tmp_path / "manifest.json"
    files.replace(path, b"before")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.replace(path, b"after")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


@given(DOCUMENTS)
def test_a_document_reads_back_as_it_was_written(document):
    assert canonical.parse(canonical.to_bytes(document)) == document


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_a_digest_does_not_depend_on_the_order_of_keys(document):
    turned = dict(reversed(document.items()))
    assert canonical.digest(turned) == canonical.digest(document)


def test_a_name_that_is_no_text_reads_back_the_same():
    name = b"\xff.npz".decode(errors="surrogateescape")
    assert canonical.parse(canonical.to_bytes({"path": name})) == {"path": name}
    assert canonical.digest({"path": name}) != canonical.digest({"path": "\ufffd.npz"})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_neither_written_nor_read(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical.to_bytes({"loss": value})
    with pytest.raises(ValueError, match="is no finite number"):
        canonical.parse(json.dumps({"loss": value}).encode())


def test_a_bottomless_document_is_refused_not_fallen_into():
    with pytest.raises(ValueError, match="nested too deep"):
        canonical.parse(b"[" * 100_000)


def test_long_values_are_cut_for_a_finding():
    assert canonical.short("x" * 500) == "x" * 157 + "..."
    assert canonical.short({"a": 1}) == "{'a': 1}"


def test_a_schema_comes_with_those_it_refers_to_and_finds_every_breach():
    schema = resources.schema("manifest")
    assert {"common", "job"} <= set(schema["$defs"])
    found = schemas.check({"jobs": [{"dose": 0}]}, schema, name="manifest", where="m.json")
    assert {item.rule for item in found} == {"schema.manifest"}
    assert "/jobs/0/dose" in {item.pointer for item in found}
    assert len(found) > 10, "all of them, not the first"


def test_a_pointer_escapes_what_json_pointers_escape():
    assert schemas.pointer(["a/b", "c~d", 0]) == "/a~1b/c~0d/0"
