"""What verify says of one stage, of jobs run again and of mutants: each rule, in full.

Each test changes one thing in a small sound hub and reads everything that is told.
"""

from __future__ import annotations

import json

import pytest

from harness import canonical, faults_copy, guide, judge, layout, records, resources, verify
from tests.attack import hubs
from tests.memory import hub as memory
from tests.memory import runs

pytestmark = pytest.mark.usefixtures("schemas_once")
verified = memory.verified
GREEN, DRY, REAL = "green/stage.json", "cli/stage.json", "real_run/stage.json"
REPRODUCTION, MUTANTS = records.reproduction_path(), records.mutation_path()
RECORDS = (GREEN, DRY, REAL, REPRODUCTION, MUTANTS)
NONE = "no such file"


def document(hub, path):
    return json.loads(hub.files[path])


def of(rule, found):
    return [item[1:] for item in found if item[0] == rule]


def mended(hub):
    """Return what verify says once every digest that cites the change is mended."""
    hubs.mend(hub)
    return verified(hub)


def test_mending_a_sound_hub_changes_nothing(hub_in_memory):
    before = hub_in_memory.copy()
    assert mended(hub_in_memory) == []
    assert hub_in_memory == before


# What lies in a stage's folder


@pytest.mark.parametrize("record", RECORDS)
def test_the_outputs_listed_are_those_that_lie_there(hub_in_memory, record):
    folder = record.partition("/")[0]
    listed = {each["path"]: each["sha256"] for each in document(hub_in_memory, record)["outputs"]}
    changed, gone = sorted(path for path in listed if not path.endswith(".json"))[0], None
    gone = f"{folder}/aside.txt"
    new = f"{folder}/zz.txt"
    hub_in_memory.files |= {changed: b"other", new: b"new"}
    hub_in_memory.edit(
        record,
        lambda each: each["outputs"].append({"path": gone, "bytes": 1, "sha256": "0" * 64}),
    )
    other, added = canonical.sha256(b"other"), canonical.sha256(b"new")
    assert of("hub.outputs", verified(hub_in_memory)) == sorted(
        [
            (record, f"/outputs ({gone})", "0" * 64, NONE),
            (record, f"/outputs ({changed})", listed[changed], other),
            (record, f"/outputs ({new})", NONE, added),
        ],
        key=lambda item: item[1],
    )


@pytest.mark.parametrize("name", layout.ATTACHED)
def test_statements_and_envelopes_are_no_outputs(hub_in_memory, name):
    hub_in_memory.files[f"green/{name}"] = b"{}"
    hub_in_memory.files[f"green/more/{name}"] = b"{}"
    found = of("hub.outputs", verified(hub_in_memory))
    if name in layout.ENVELOPES.values():
        assert found == []  # It breaks its schema, which is told alone.
        return
    place = f"/outputs (green/more/{name})"
    assert found == [(GREEN, place, NONE, canonical.sha256(b"{}"))]


def test_only_what_lies_in_the_folder_counts(hub_in_memory):
    hub_in_memory.files["cli.txt"] = b""
    assert of("hub.outputs", verified(hub_in_memory)) == []


def test_a_record_of_another_stage_is_told_and_not_looked_into(hub_in_memory):
    hub_in_memory.edit(GREEN, lambda record: record.update(stage="red", verdict="fail"))
    found = [item for item in verified(hub_in_memory) if item[1] == GREEN]
    assert found == [("hub.stage", GREEN, "/stage", "red/stage.json", GREEN)]


def test_a_stage_that_breaks_a_rule_does_not_hide_the_next(hub_in_memory):
    for path in (GREEN, DRY):
        hub_in_memory.edit(path, lambda record: record.update(verdict="fail"))
    assert [item[0] for item in of("hub.verdict", mended(hub_in_memory))] == [GREEN, DRY]


def test_a_file_that_nothing_of_a_stage_of_tests_names_is_told(hub_in_memory):
    hub_in_memory.files |= {"green/notes.md": b"It went well.", "cli/more.md": b"Well."}
    words = ("", "a file that the stage names", "none")
    assert ("hub.extra", "green/notes.md", *words) in mended(hub_in_memory)
    # RED has a proof that says which reports are its own, and it need not be there.
    hub_in_memory.files["red/stage.json"] = hub_in_memory.files[GREEN]
    hub_in_memory.edit("red/stage.json", lambda record: record.update(stage="red"))
    hub_in_memory.files |= {"red/notes.md": b"It went well.", faults_copy.PATH: b"a = 1"}
    found = verified(hub_in_memory)
    assert ("hub.extra", "red/notes.md", *words) in found
    # So has it its faults file, which is told once: no other stage has one.
    assert [item[0] for item in of("red.faults", found)] == [faults_copy.PATH]


def test_a_faults_file_beside_its_proof_is_held_to_its_schema_once(hub_in_memory):
    proof = resources.REPOSITORY / "tests/examples/valid/red_proof/natural.json"
    hub_in_memory.files["red/stage.json"] = hub_in_memory.files[GREEN]
    hub_in_memory.edit("red/stage.json", lambda record: record.update(stage="red"))
    hub_in_memory.files |= {judge.PROOF: proof.read_bytes(), faults_copy.PATH: b"a = 1"}
    broken = of("schema.faults", verified(hub_in_memory))
    assert {item[0] for item in broken} == {faults_copy.PATH}
    assert len(broken) == len({*broken})


# Logs


def test_each_command_s_log_is_the_one_recorded(hub_in_memory):
    whole = hub_in_memory.files[document(hub_in_memory, GREEN)["commands"][0]["log_path"]]
    first, second = document(hub_in_memory, GREEN)["commands"]
    for path in (first["log_path"], second["log_path"]):
        hub_in_memory.files[path] = b"other words"
    other = canonical.sha256(b"other words")
    places = [f"/commands/{index}/log_sha256" for index in (0, 1)]
    said = [f"{each['log_path']} with sha256 {each['log_sha256']}" for each in (first, second)]
    assert of("hub.log", verified(hub_in_memory)) == [
        (GREEN, place, words, other) for place, words in zip(places, said, strict=True)
    ]
    hub_in_memory.files[first["log_path"]] = whole
    del hub_in_memory.files[second["log_path"]]
    assert of("hub.log", verified(hub_in_memory)) == [(GREEN, places[1], said[1], NONE)]


def test_the_reports_of_each_command_are_of_its_time(hub_in_memory):
    path = document(hub_in_memory, GREEN)["commands"][1]["reports"]["junit"]
    data = hub_in_memory.files[path]
    hub_in_memory.files[path] = data.replace(b"<testsuite ", b'<testsuite hostname="alpha" ')
    words = (path, "testsuite/@hostname", "no host", "alpha")
    assert mended(hub_in_memory) == [("hub.report", *words)]


# Code and guide


@pytest.mark.parametrize("record", RECORDS)
def test_the_code_cited_is_the_code_hashed(hub_in_memory, record):
    digests = record.partition("/")[0] + "/digests.json"
    counted = canonical.digest(document(hub_in_memory, digests)["before"]["code"])
    hub_in_memory.edit(record, lambda each: each.update(code_sha256="0" * 64))
    found = of("hub.code", verified(hub_in_memory))
    assert found == [(record, "/code_sha256", counted, "0" * 64)]
    del hub_in_memory.files[digests]
    found = of("hub.code", verified(hub_in_memory))
    assert found == [(record, "/code_sha256", "its digests", "0" * 64)]


def test_the_guide_kept_is_the_one_hashed(hub_in_memory):
    place, digests = "cli/TESTING_GUIDE.md", "cli/digests.json"
    hashed = canonical.sha256(hub_in_memory.files[place])
    hub_in_memory.files[place] += b"\n"
    kept = canonical.sha256(hub_in_memory.files[place])
    assert of("hub.guide", verified(hub_in_memory)) == [(place, "", hashed, kept)]
    del hub_in_memory.files[place]
    assert of("hub.guide", verified(hub_in_memory)) == [(place, "", hashed, "no guide")]

    hub_in_memory.edit(digests, lambda each: each["before"]["code"].pop(guide.GUIDE))
    assert of("hub.guide", verified(hub_in_memory)) == []
    hub_in_memory.files[place] = b""
    empty = canonical.sha256(b"")
    assert of("hub.guide", verified(hub_in_memory)) == [(place, "", "no guide", empty)]
    del hub_in_memory.files[digests]
    assert of("hub.guide", verified(hub_in_memory)) == [(place, "", "no guide", empty)]


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize("dirty", [True, False, None])
def test_a_dirty_tree_has_its_diff_and_no_other(hub_in_memory, record, dirty):
    path = f"{record.partition('/')[0]}/uncommitted.diff"
    commit = None if dirty is None else "a" * 40
    git = {"commit": commit, "dirty": dirty}
    hub_in_memory.edit(record, lambda each: each.update(git=git))
    words = (path, "", "the diff of uncommitted changes", "no diff")
    assert of("hub.uncommitted", verified(hub_in_memory)) == ([words] if dirty else [])
    hub_in_memory.files[path] = b"-a\n+b\n"
    words = (path, "", "no diff", "the diff of uncommitted changes")
    assert of("hub.uncommitted", verified(hub_in_memory)) == ([] if dirty else [words])


# Policies


ALL = ["POLICY-001", "CONFIG-001", "DATA-001", "OVERSAMPLING-001"]


@pytest.mark.parametrize(("path", "due"), [(GREEN, ALL[1:]), (DRY, ALL[1:]), (REAL, ALL)])
@pytest.mark.parametrize("lie", [["POLICY-001"], [*ALL, "POLICY-002"], ALL[::-1]])
def test_the_policies_of_a_stage_follow_from_its_name(hub_in_memory, path, due, lie):
    assert document(hub_in_memory, path)["policies"] == due
    hub_in_memory.edit(path, lambda record: record.update(policies=lie))
    words = (", ".join(due), ", ".join(lie))
    assert mended(hub_in_memory) == [("hub.policies", path, "/policies", *words)]


# Verdicts


@pytest.mark.parametrize(
    ("name", "lie"),
    [
        ("verdict", "fail"),
        ("exit_code", 3),
        ("tests", {"passed": 900}),
        ("tests", None),
        ("findings", [{**runs.example("stage/interrupted")["findings"][0], "where": "x" * 160}]),
    ],
)
def test_a_verdict_follows_from_what_the_stage_left(hub_in_memory, name, lie):
    truth = document(hub_in_memory, GREEN)[name]
    assert truth == {"verdict": "pass", "exit_code": 0, "tests": {"passed": 2}}.get(name, [])
    hub_in_memory.edit(GREEN, lambda record: record.update({name: lie}))
    words = (canonical.short(truth), canonical.short(lie))
    assert mended(hub_in_memory) == [("hub.verdict", GREEN, f"/{name}", *words)]


def test_what_speaks_against_a_stage_is_computed_again(hub_in_memory):
    hub_in_memory.edit(DRY, lambda record: record["commands"][0].update(returncode=7))
    found = mended(hub_in_memory)
    lines = {item[2]: item[3:] for item in found if item[0] == "hub.verdict"}
    assert lines["/verdict"] == ("fail", "pass")
    assert lines["/exit_code"] == ("7", "0")
    assert lines["/findings"][0].startswith("[{'rule': 'stage.command', 'where': 'cli/dry_run.log'")
    assert lines["/findings"][1] == "[]"
    assert list(lines) == ["/verdict", "/findings", "/exit_code"]


def test_the_verdict_of_a_failed_stage_is_held_to_its_failure():
    hub = memory.sound(codes=(0, 3))
    record = document(hub, REAL)
    assert (record["verdict"], record["exit_code"]) == ("fail", 1)
    hub.edit(REAL, lambda each: each.update(verdict="pass", exit_code=0, findings=[]))
    found = mended(hub)
    assert [item[2] for item in found if item[0] == "hub.verdict"] == [
        "/verdict",
        "/findings",
        "/exit_code",
    ]


def test_only_a_stage_that_runs_jobs_is_asked_for_them(hub_in_memory):
    green = document(hub_in_memory, GREEN)["settings"]
    hub_in_memory.edit(GREEN, lambda record: record["settings"].update(study_sha256="0" * 64))
    assert green["study_sha256"] != "0" * 64
    assert of("hub.stage", mended(hub_in_memory)) == []
    hub_in_memory.edit(DRY, lambda record: record["settings"].update(study_sha256="0" * 64))
    words = (runs.DRY_MANIFEST, "/study/sha256", "0" * 64, green["study_sha256"])
    assert of("hub.stage", mended(hub_in_memory)) == [words]


# Jobs run again, and mutants


def test_what_jobs_run_again_left_is_held_to_the_rules_of_a_run(hub_in_memory):
    path = f"reproduce/{layout.MANIFEST}"
    hub_in_memory.edit(path, lambda each: each["jobs"][0]["argv"].__setitem__(-1, "guess"))
    hub_in_memory.files["reproduce/opinion.md"] = b"It went well."
    log = document(hub_in_memory, path)["jobs"][0]["log_path"]
    rules = {item[0] for item in mended(hub_in_memory) if item[1] in (path, log)}
    assert rules == {"hub.argv", "hub.job-log"}
    extra = ("reproduce/opinion.md", "", "a file of the run or of a job", "neither")
    assert of("hub.extra", verified(hub_in_memory)) == [extra]


def test_a_reproduction_that_does_not_follow_from_its_jobs_is_told(hub_in_memory):
    hub_in_memory.edit(REPRODUCTION, lambda record: record.update(verdict="fail"))
    assert mended(hub_in_memory) == [("hub.verdict", REPRODUCTION, "/verdict", "pass", "fail")]
    hub_in_memory.edit(REPRODUCTION, lambda record: record.update(verdict="pass", asked=[]))
    job = runs.JOBS[0]
    told = ("hub.reproduction", REPRODUCTION, "/asked", f"['{job}']", "[]")
    assert mended(hub_in_memory) == [told]


def test_a_reproduction_without_what_it_rests_on_is_told(hub_in_memory):
    del hub_in_memory.files["reproduce/digests.json"]
    gone = ("reproduce/digests.json", "", "a file", NONE)
    assert of("hub.reproduction", verified(hub_in_memory)) == [gone]


def test_a_reproduction_whose_code_drifted_is_told(hub_in_memory):
    after = {"harness/layout.py": "2" * 64}
    hub_in_memory.edit("reproduce/digests.json", lambda each: each["after"]["code"].update(after))
    (told,) = [item for item in mended(hub_in_memory) if item[0] == "hub.verdict"]
    assert told[1:3] == (REPRODUCTION, "/findings")
    assert "stage.drift" in told[3]


def test_the_time_and_the_job_of_a_reproduction_are_asked_for(hub_in_memory):
    hub_in_memory.edit(REPRODUCTION, lambda record: record["jobs"][0].update(sha256="0" * 64))
    home = f"reproduce/{runs.JOBS[0]}"
    left = canonical.sha256(hub_in_memory.files[f"{home}/{layout.RECONSTRUCTION}"])
    told = ("hub.reproduction", REPRODUCTION, "/jobs/0/sha256", left, "0" * 64)
    assert mended(hub_in_memory) == [told]


def test_the_record_of_mutants_is_held_to_what_became_of_each(hub_in_memory):
    hub_in_memory.edit(MUTANTS, lambda record: record.update(verdict="fail"))
    assert mended(hub_in_memory) == [("hub.mutation", MUTANTS, "/verdict", "pass", "fail")]
    hub_in_memory.edit(MUTANTS, lambda record: record.update(verdict="pass"))
    del hub_in_memory.files["mutation/digests.json"]
    gone = ("mutation/digests.json", "", "a file", NONE)
    assert of("hub.mutation", verified(hub_in_memory)) == [gone]


def test_a_file_beside_the_record_of_mutants_is_told(hub_in_memory):
    path = "mutation/opinion.md"
    hub_in_memory.files[path] = b"It went well."
    assert mended(hub_in_memory) == [("hub.extra", path, "", "a file of the mutants", "another")]


@pytest.mark.parametrize("folder", [layout.REPRODUCE, layout.MUTATION])
def test_jobs_run_again_or_mutants_alone_hold_and_have_their_documents(folder):
    hub = memory.alone(folder)
    assert verified(hub) == []
    assert {layout.CRATE, f"{folder}/{layout.PROVENANCE}"} < hub.files.keys()
    assert layout.SUMMARY not in hub.files


@pytest.mark.parametrize(("own_plan", "kept"), [(False, REPRODUCTION), (True, REAL)])
def test_a_hub_without_jobs_run_again_or_mutants_is_no_worse(own_plan, kept):
    hub = memory.sound(own_plan=own_plan)
    for path in [path for path in hub.files if path.startswith(("reproduce/", "mutation/"))]:
        del hub.files[path]
    assert (kept in hub.files) is own_plan
    memory.finished(hub)
    assert verify.verify(hub.entries(), hub.read, resources.schema) == ()
