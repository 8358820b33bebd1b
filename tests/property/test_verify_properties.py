"""A real hub under random damage: whatever changes is found, and verify itself never fails."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness import canonical, hub, layout, publish, resources, seal, verify
from harness.seal import Entry

VALUES = st.sampled_from(
    [None, True, 0, 1, -1, 17, 0.5, "", "pass", "fail", "x" * 64, "0" * 64, [], {}, ["x"]]
)


@pytest.fixture(scope="module")
def files(complete_hub):
    """Every file of a whole hub as bytes."""
    return {
        entry.path: (complete_hub / entry.path).read_bytes() for entry in hub.entries(complete_hub)
    }


def findings(files, *, reseal=False):
    found = tuple(
        Entry(path, "file", len(data), canonical.sha256(data)) for path, data in files.items()
    )
    if reseal:
        files = {**files, layout.SEAL: seal.render(found)}
    return verify.verify(found, files.get, resources.schema)


def leaves(document, place=()):
    """Yield the place of every value that holds no others."""
    inside = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in inside:
        if isinstance(value, (dict, list)) and value:
            yield from leaves(value, (*place, key))
        else:
            yield (*place, key)


def put(document, place, value):
    for key in place[:-1]:
        document = document[key]
    before, document[place[-1]] = document[place[-1]], value
    return before


def test_the_hub_is_sound_to_begin_with(files, complete_hub):
    assert findings(files) == findings(files, reseal=True) == ()
    assert (
        verify.verify(hub.entries(complete_hub), publish.reader(complete_hub), resources.schema)
        == ()
    )


@settings(max_examples=15)
@given(data=st.data())
def test_any_single_changed_byte_is_found_and_its_file_named(files, data):
    path = data.draw(st.sampled_from(sorted(files)))
    content = bytearray(files[path])
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))

    found = findings({**files, path: bytes(content)})

    if path == layout.SEAL:
        assert found
    else:
        assert ("seal.digest", path) in {(item.rule, item.where) for item in found}


@settings(max_examples=25)
@given(data=st.data())
def test_any_changed_value_of_a_record_is_found_though_the_hub_is_sealed_again(files, data):
    cited = [path for path in files if path.endswith(".json") and path != "hub.json"]
    path = data.draw(
        st.sampled_from(sorted(path for path in cited if "real_run/stage" not in path))
    )
    document = json.loads(files[path])
    place = data.draw(st.sampled_from(list(leaves(document))))
    value = data.draw(VALUES)
    assume(put(document, place, value) != value)

    found = findings({**files, path: canonical.to_bytes(document)}, reseal=True)

    assert found, (path, place, value)
    assert not [item for item in found if item.rule.startswith("seal.")]


@settings(max_examples=12)
@given(data=st.data())
def test_any_lost_file_is_found_though_the_hub_is_sealed_again(files, data):
    path = data.draw(st.sampled_from(sorted(files)))
    assume(path != layout.SEAL)
    left = {name: content for name, content in files.items() if name != path}
    assert findings(left, reseal=True) != ()


@settings(max_examples=12)
@given(data=st.data())
def test_no_bytes_in_place_of_a_record_make_verify_fail(files, data):
    path = data.draw(st.sampled_from(sorted(path for path in files if path.endswith(".json"))))
    junk = data.draw(st.binary(max_size=40) | VALUES.map(canonical.to_bytes))
    assert findings({**files, path: junk}, reseal=True) != ()
