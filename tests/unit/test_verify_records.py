"""What verify says of a hub as a whole: seal, shapes, order, times, files that nobody accounts for.

Each test changes one thing in a small sound hub and reads everything that is told.
"""

from __future__ import annotations

import json

import pytest

from harness import canonical, layout, records, resources, verify
from tests.memory import hub as memory
from tests.memory import runs

pytestmark = pytest.mark.usefixtures("schemas_once")
verified = memory.verified
DRY, REAL, GREEN = "cli/stage.json", "real_run/stage.json", "green/stage.json"
REPRODUCTION, MUTANTS = records.reproduction_path(), records.mutation_path()
A_STAGE = "a file of a stage with a record"
NOT_DERIVED = ("what the records give", "something else")


def of(rule, found):
    return [item[1:] for item in found if item[0] == rule]


def readable(hub):
    memory.sealed(hub)
    return memory.told(verify.check_readable(hub.entries(), hub.read, resources.schema))


@pytest.mark.parametrize(
    "made", [{}, {"own_plan": True}, {"codes": (0, 3)}, {"own_plan": True, "codes": (3, 0)}]
)
def test_a_sound_hub_holds(made):
    hub = memory.sound(**made)
    assert verified(hub) == readable(hub) == []


def test_all_stages_hold_with_what_is_no_stage(hub_in_memory):
    for folder in ("green", "cli", "real_run", "reproduce", "mutation", "docs"):
        assert any(path.startswith(f"{folder}/") for path in hub_in_memory.files)


# The seal


@pytest.mark.parametrize("check", [verify.verify, verify.check_readable])
def test_what_differs_from_the_seal_is_told(hub_in_memory, check):
    before = canonical.sha256(hub_in_memory.files[layout.SUMMARY])
    hub_in_memory.files[layout.SUMMARY] = b"All is well.\n"
    found = memory.told(check(hub_in_memory.entries(), hub_in_memory.read, resources.schema))
    after = canonical.sha256(b"All is well.\n")
    assert found[0] == ("seal.digest", layout.SUMMARY, "", f"sha256 {before}", after)
    derived = [("hub.derived", layout.SUMMARY, "", *NOT_DERIVED)]
    assert found[1:] == (derived if check is verify.verify else [])


@pytest.mark.parametrize("check", [verify.verify, verify.check_readable])
def test_a_hub_without_a_seal_is_told(hub_in_memory, check):
    del hub_in_memory.files[layout.SEAL]
    found = check(hub_in_memory.entries(), hub_in_memory.read, resources.schema)
    unsealed = ("seal.missing", layout.SEAL, "", "the hub's seal", "no such file")
    assert memory.told(found) == [unsealed]


# Shapes


def test_a_record_that_breaks_its_schema_is_all_that_is_told_with_the_seal(hub_in_memory):
    hub_in_memory.edit(DRY, lambda record: record.update(exit_code="none"))
    hub_in_memory.edit(REAL, lambda record: record.update(verdict="fail"))
    before = canonical.sha256(hub_in_memory.files["hub.json"])
    hub_in_memory.edit("hub.json", lambda marker: marker.update(slug="other"))
    found = memory.told(
        verify.verify(hub_in_memory.entries(), hub_in_memory.read, resources.schema)
    )
    assert [(rule, where) for rule, where, *_ in found] == [
        ("seal.digest", DRY),
        ("seal.digest", "hub.json"),
        ("seal.digest", REAL),
        ("schema.stage", DRY),
    ]
    assert found[1][3] == f"sha256 {before}"
    assert found[3][2:] == ("/exit_code", "a whole number", '"none"')


@pytest.mark.parametrize(
    ("path", "name"), sorted(verify.JSON_SCHEMAS.items()), ids=sorted(verify.JSON_SCHEMAS)
)
def test_each_record_is_held_to_its_schema_before_anything_else(path, name):
    hub = memory.sound(own_plan=path.startswith(layout.PLAN))
    hub.files[path] = b'{"format": "other"}'
    for found in (verified(hub), readable(hub)):
        assert {item[:2] for item in found} == {(f"schema.{name}", path)}
    hub.files[path] = b"{"
    for found in (verified(hub), readable(hub)):
        assert [item[:4] for item in found] == [("hub.json", path, "", "JSON")]


def test_every_broken_record_is_told(hub_in_memory):
    for path in (DRY, MUTANTS):
        hub_in_memory.files[path] = b"[]"
    found = verified(hub_in_memory)
    assert [item[:2] for item in found] == [("schema.stage", DRY), ("schema.mutation", MUTANTS)]


def test_a_link_in_the_place_of_a_record_is_no_record_to_read(hub_in_memory):
    hub_in_memory.links.add(MUTANTS)
    found = memory.told(
        verify.verify(hub_in_memory.entries(), hub_in_memory.read, resources.schema)
    )
    of_the_record = {"hub.provenance", "hub.crate"}
    assert {item[0] for item in found} == {"seal.link", "seal.lost", "hub.extra"} | of_the_record
    lost = [(path, "", A_STAGE, "none") for path in _of_folder(hub_in_memory, "mutation")]
    assert of("hub.extra", found) == lost


def _of_folder(hub, folder):
    listed = sorted(path for path in hub.files if path.startswith(f"{folder}/"))
    return [path for path in listed if path not in hub.links]


def test_a_hub_without_its_marker_is_told_and_not_looked_into(hub_in_memory):
    del hub_in_memory.files["hub.json"]
    hub_in_memory.edit(REAL, lambda record: record.update(exit_code=1))
    lost = ("hub.marker", "hub.json", "", "the hub's marker", "none")
    assert verified(hub_in_memory) == [lost]
    assert readable(hub_in_memory) == [lost]
    del hub_in_memory.files[layout.SEAL]
    found = verify.verify(hub_in_memory.entries(), hub_in_memory.read, resources.schema)
    assert [item.rule for item in found] == ["seal.missing", "hub.marker"]


def test_a_broken_record_does_not_hide_that_the_marker_is_lost(hub_in_memory):
    del hub_in_memory.files["hub.json"]
    hub_in_memory.files[DRY] = b"[]"
    for found in (verified(hub_in_memory), readable(hub_in_memory)):
        assert [item[0] for item in found] == ["schema.stage", "hub.marker"]


# What jobs attest


def break_attestation(hub, folder, cell="dose_10/thin/train"):
    path = f"{folder}/{cell}/{layout.RESULT}"
    hub.files[path] = canonical.to_bytes({**json.loads(hub.files[path]), "seed": "one"})
    return ("schema.attestation", path, "/seed", "a whole number", '"one"')


@pytest.mark.parametrize("folder", ["real_run", "reproduce"])
def test_what_a_job_that_succeeded_attests_is_among_the_records(hub_in_memory, folder):
    broken = break_attestation(hub_in_memory, folder, "dose_10/whole/train")
    assert readable(hub_in_memory) == [broken]
    found = verified(hub_in_memory)
    assert broken in found
    assert {item[0] for item in found} == {"schema.attestation", "hub.outputs"}


def test_nothing_is_derived_from_what_breaks_its_schema(hub_in_memory):
    path = f"{runs.HOMES[0]}/{layout.RESULT}"
    hub_in_memory.edit(path, lambda result: result.update(metrics=["of another kind"]))
    found = verified(hub_in_memory)
    assert {item[0] for item in found} == {"schema.attestation", "hub.outputs"}
    hub_in_memory.files[layout.SUMMARY] = b"All is well.\n"
    assert verified(hub_in_memory) == found


def test_all_attestations_are_read_and_a_breach_elsewhere_comes_first(hub_in_memory):
    broken = [break_attestation(hub_in_memory, "real_run", cell) for cell in runs.JOBS]
    assert readable(hub_in_memory) == broken
    hub_in_memory.files[DRY] = b"[]"
    assert [item[:2] for item in readable(hub_in_memory)] == [("schema.stage", DRY)]


def test_what_a_failed_job_left_may_be_anything():
    hub = memory.sound(codes=(0, 3))
    hub.files[f"real_run/dose_10/thin/train/{layout.RESULT}"] = b"{"
    assert readable(hub) == []


def test_an_attestation_that_is_not_there_breaks_no_schema(hub_in_memory):
    del hub_in_memory.files[f"real_run/dose_10/thin/train/{layout.RESULT}"]
    assert readable(hub_in_memory) == []
    broken = break_attestation(hub_in_memory, "real_run", "dose_10/whole/train")
    assert readable(hub_in_memory) == [broken]


# The chain


def stated(hub, path):
    return json.loads(hub.files[path])["previous"]


def chain(hub, path, expected):
    return (
        "hub.chain",
        path,
        "/previous",
        json.dumps(expected),
        json.dumps(stated(hub, path)),
    )


def test_the_first_stage_cites_none_and_each_other_the_one_before(hub_in_memory):
    truth = {path: stated(hub_in_memory, path) for path in (GREEN, DRY, REAL)}
    assert truth[GREEN] is None
    assert truth[DRY] == {"path": GREEN, "sha256": canonical.sha256(hub_in_memory.files[GREEN])}
    assert truth[REAL]["path"] == DRY
    hub_in_memory.edit(REAL, lambda record: record.update(previous=truth[DRY]))
    found = verified(hub_in_memory)
    assert chain(hub_in_memory, REAL, truth[REAL]) in found
    assert len(of("hub.chain", found)) == 1


def test_a_stage_that_cites_none_or_another_digest_is_told():
    hub = memory.sound(own_plan=True)
    cited = {"path": GREEN, "sha256": "0" * 64}
    hub.edit(REAL, lambda record: record.update(previous=cited))
    assert chain(hub, REAL, None) in verified(hub)
    hub = memory.sound()
    truth = stated(hub, DRY)
    hub.edit(DRY, lambda record: record.update(previous=None))
    found = verified(hub)
    assert chain(hub, DRY, truth) in found
    # What cites the changed record cites other bytes.
    now = {"path": DRY, "sha256": canonical.sha256(hub.files[DRY])}
    assert [item for item in found if item[0] == "hub.chain"] == [
        chain(hub, DRY, truth),
        chain(hub, REAL, now),
    ]


# Times


def times(hub, path, **moments):
    hub.edit(path, lambda record: record.update(moments))
    return of("hub.time", verified(hub))


def test_a_stage_may_begin_at_the_moment_when_its_hub_was_made_or_another_ended(hub_in_memory):
    made = json.loads(hub_in_memory.files["hub.json"])["created_at"]
    assert json.loads(hub_in_memory.files[GREEN])["started_at"] == made
    ended = json.loads(hub_in_memory.files[GREEN])["finished_at"]
    assert times(hub_in_memory, DRY, started_at=ended, finished_at=ended) == []


@pytest.mark.parametrize(
    ("path", "moments", "early", "late"),
    [
        (GREEN, {"started_at": runs.at("green", -1)}, ("green", 0, "hub.json"), ("green", -1)),
        (DRY, {"started_at": runs.at("green", 29)}, ("green", 30, GREEN), ("green", 29)),
        (DRY, {"finished_at": runs.at("green", 29)}, ("dry-run", 0, GREEN), ("green", 29)),
        (
            DRY,
            {"started_at": runs.at("green", 29), "finished_at": runs.at("green", 28)},
            ("green", 30, GREEN),
            ("green", 29),
        ),
    ],
)
def test_a_stage_before_its_hub_or_the_one_before_or_its_own_start_is_told(
    hub_in_memory, path, moments, early, late
):
    stage, second, before = early
    expected = f"not before {runs.at(stage, second)} ({before})"
    told = (path, "/started_at", expected, runs.at(*late))
    assert times(hub_in_memory, path, **moments) == [told]


def test_a_stage_that_overlaps_with_the_next_is_told_at_the_next(hub_in_memory):
    late = runs.at("real-run", 1)
    expected = f"not before {late} ({DRY})"
    found = times(hub_in_memory, DRY, finished_at=late)
    assert found == [(REAL, "/started_at", expected, runs.at("real-run", 0))]


# Files


@pytest.mark.parametrize(
    "path", ["docs/opinion.md", "cli.txt", "red/proof.txt", "client/x", "hub.json.bak"]
)
def test_a_file_that_no_record_accounts_for_is_told(hub_in_memory, path):
    hub_in_memory.files[path] = b"It went well."
    assert verified(hub_in_memory) == [("hub.extra", path, "", A_STAGE, "none")]


@pytest.mark.parametrize(("record", "folder"), [(REPRODUCTION, "reproduce"), (MUTANTS, "mutation")])
def test_what_is_no_stage_needs_a_record_too(hub_in_memory, record, folder):
    del hub_in_memory.files[record]
    found = verified(hub_in_memory)
    lost = [(path, "", A_STAGE, "none") for path in _of_folder(hub_in_memory, folder)]
    assert of("hub.extra", found) == lost
    assert len(lost) > 1
    statement = (f"{folder}/{layout.PROVENANCE}", "", "no such file", "something else")
    assert of("hub.provenance", found) == [statement]
    assert {item[0] for item in found} == {"hub.extra", "hub.provenance", "hub.crate"}


@pytest.mark.parametrize("folder", ["reproduce", "mutation"])
def test_only_the_folder_itself_is_accounted_for(hub_in_memory, folder):
    path = f"{folder}.txt"
    hub_in_memory.files[path] = b"It went well."
    assert verified(hub_in_memory) == [("hub.extra", path, "", A_STAGE, "none")]


# Derived documents


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        (layout.SUMMARY, "hub.derived"),
        (layout.CRATE, "hub.crate"),
        ("cli/provenance.intoto.json", "hub.provenance"),
        ("green/test-result.intoto.json", "hub.test-result"),
    ],
)
def test_a_document_that_is_not_what_the_records_give_is_told(hub_in_memory, path, rule):
    hub_in_memory.files[path] += b"\n"
    assert verified(hub_in_memory) == [(rule, path, "", *NOT_DERIVED)]
    del hub_in_memory.files[path]
    gone = ("what the records give", "no such file")
    assert verified(hub_in_memory) == [(rule, path, "", *gone)]


@pytest.mark.parametrize(
    ("path", "rule"),
    [(layout.BLOCKER, "hub.derived"), ("cli/test-result.intoto.json", "hub.test-result")],
)
def test_a_document_that_the_records_do_not_give_is_told(hub_in_memory, path, rule):
    hub_in_memory.files[path] = b"{}"
    assert verified(hub_in_memory) == [(rule, path, "", "no such file", "something else")]


def test_an_envelope_around_other_bytes_is_told(hub_in_memory):
    place = f"cli/{layout.PROVENANCE}"
    path = f"cli/{layout.ENVELOPES[layout.PROVENANCE]}"
    hub_in_memory.files[path] = canonical.to_bytes(runs.example("dsse_envelope/signed-once"))
    found = verified(hub_in_memory)
    assert found[-1] == ("hub.envelope", path, "", f"the bytes of {place}", "something else")
    assert [item[0] for item in found] == ["hub.crate", "hub.envelope"]


# What cannot be followed


@pytest.mark.parametrize(
    ("path", "old", "new", "told"),
    [
        (runs.DRY_MANIFEST, b'"total_jobs": ', b'"total_jobs": 1' + b"0" * 400, "is larger than"),
        (REAL, b'"preset": "', b'"preset": "\\ud800', "is no character"),
        (
            runs.MANIFEST,
            b'"elapsed_s": ',
            b'"elapsed_s": 1e999, "then": ',
            "1e999 is no finite number",
        ),
        (DRY, b'"verdict": "pass"', b'"verdict": "fail", "verdict": "pass"', "'verdict' twice"),
    ],
)
def test_json_that_has_two_readings_is_no_json(hub_in_memory, path, old, new, told):
    hub_in_memory.files[path] = hub_in_memory.files[path].replace(old, new, 1)
    ((rule, where, _, _, found),) = verified(hub_in_memory)
    assert (rule, where) == ("hub.json", path)
    assert told in found


def test_a_day_that_is_none_breaks_its_schema(hub_in_memory):
    hub_in_memory.edit(DRY, lambda record: record.update(started_at="2026-02-30T10:00:00+00:00"))
    ((rule, where, pointer, *_),) = verified(hub_in_memory)
    assert (rule, where, pointer) == ("schema.stage", DRY, "/started_at")


@pytest.mark.parametrize(
    ("check", "where", "name"),
    [
        ("_check_schemas", ".", "the schemas"),
        ("_check_chain", ".", "the chain"),
        ("_check_times", ".", "the times"),
        ("marker.check", ".", "the marker"),
        ("_check_accounted", ".", "what is accounted for"),
        ("_check_stages", ".", "the stages"),
        ("_check_verdict", DRY, "the stage"),
        ("_check_reproduction", ".", "the reproduction"),
        ("_check_mutation", ".", "the mutants"),
        ("_check_derived", ".", "the documents"),
        ("envelope.check", ".", "the envelopes"),
    ],
)
def test_a_check_that_breaks_is_told_beside_what_the_others_find(
    hub_in_memory, monkeypatch, check, where, name
):
    def breaks(*_given):
        raise OverflowError("too large")

    hub_in_memory.files["docs/opinion.md"] = b"It went well."
    memory.sealed(hub_in_memory)
    hub_in_memory.files["docs/opinion.md"] = b"It went very well."
    monkeypatch.setattr(f"harness.verify.{check}", breaks)
    found = memory.told(
        verify.verify(hub_in_memory.entries(), hub_in_memory.read, resources.schema)
    )
    assert ("seal.digest", "docs/opinion.md") in {item[:2] for item in found}
    place = (where, f"check of {name}", "what can be checked", "OverflowError: too large")
    assert ("hub.unreadable", *place) in found
    if check not in ("_check_schemas", "_check_accounted"):
        assert "hub.extra" in {item[0] for item in found}


@pytest.mark.parametrize(
    ("check", "name"),
    [("_check_schemas", "the schemas"), ("_check_attestations", "what is attested")],
)
def test_records_that_cannot_be_read_are_told_where_they_are_asked_for(
    hub_in_memory, monkeypatch, check, name
):
    def breaks(*_given):
        raise OverflowError("too large")

    monkeypatch.setattr(verify, check, breaks)
    place = (".", f"check of {name}", "what can be checked", "OverflowError: too large")
    assert readable(hub_in_memory) == [("hub.unreadable", *place)]


@pytest.mark.parametrize("check", [verify.verify, verify.check_readable])
@pytest.mark.parametrize("depth", [200, 900, 100_000])
def test_deep_nesting_is_told_and_breaks_nothing(hub_in_memory, depth, check):
    text = b'{"format": ' + b"[" * depth + b"]" * depth + b"}"
    hub_in_memory.files[DRY] = text
    found = memory.told(check(hub_in_memory.entries(), hub_in_memory.read, resources.schema))
    assert ("seal.digest", DRY) in {item[:2] for item in found}
    assert {item[0] for item in found} & {"hub.json", "hub.unreadable", "schema.stage"}
