"""What verify says of a run's manifest: against its stage, its files, and its jobs' commands.

Each test changes one thing in a small sound hub and reads everything that is told.
"""

from __future__ import annotations

import json

import pytest

from harness import canonical, layout, manifest, recipe, records, resources, verify_run
from tests.memory import hub as memory
from tests.memory import runs

pytestmark = pytest.mark.usefixtures("schemas_once")
DRY, REAL, OWN = runs.DRY_MANIFEST, runs.MANIFEST, runs.OWN_PLAN
FOLDERS = {"dry-run": "cli", "real-run": "real_run", "reproduce": "reproduce"}


def record_of(hub, stage):
    """Return the record of a stage; that of a reproduction in a stage's terms."""
    if stage == "reproduce":
        record = json.loads(hub.files[records.reproduction_path()])
        return {**record, "stage": stage, "commands": ()}
    return json.loads(hub.files[records.stage_path(stage)])


# What any change of a dry run's manifest breaks, too.
SUBJECT = "manifest.subject"


def checked(hub, stage="real-run", **changes):
    """Return what the check of a run tells, the gates' digest of a dry run's manifest aside."""
    return [item for item in all_checked(hub, stage, **changes) if item[0] != SUBJECT]


def all_checked(hub, stage, **changes):
    """Return all that the check of a run tells."""
    digests = {entry.path: entry.sha256 for entry in hub.entries() if entry.kind == "file"}
    record = {**record_of(hub, stage), **changes}
    return memory.told(verify_run.check(record, hub.read, digests, resources.schema))


@pytest.mark.parametrize("stage", FOLDERS)
def test_a_sound_run_holds(hub_in_memory, stage):
    assert checked(hub_in_memory, stage) == []


@pytest.mark.parametrize("made", [{"own_plan": True}, {"codes": (0, 3)}])
def test_a_run_that_planned_for_itself_and_one_that_failed_hold(made):
    assert checked(memory.sound(**made)) == []


@pytest.mark.parametrize(
    ("stage", "path"), [("dry-run", DRY), ("real-run", OWN)], ids=["a dry run", "its plan"]
)
def test_the_gate_of_a_dry_run_is_of_the_manifest_that_lies_there(stage, path):
    hub = memory.sound(own_plan=path == OWN)
    hub.edit(path, lambda document: document["gates"][1].update(subject_sha256="0" * 64))
    (found,) = all_checked(hub, stage)
    assert found[:3] == (SUBJECT, path, "/gates (manifest)/subject_sha256")
    assert found[4] == "0" * 64


@pytest.mark.parametrize(("stage", "path"), [("dry-run", DRY), ("real-run", REAL)])
def test_the_gates_of_a_manifest_count_what_was_hashed(hub_in_memory, stage, path):
    hub_in_memory.edit(path, lambda document: document["gates"][0].update(checked=99))
    found = [item[:3] for item in checked(hub_in_memory, stage)]
    assert ("stage.gate-count", path, "/gates/0/checked") in found


# Documents


def test_a_document_is_held_to_the_schema_of_its_name():
    files = {"a.json": b'{"format": "other"}', "b.json": b"[1, ", "c.json": b"NaN"}
    check = verify_run.check_schema
    found = memory.told(check("a.json", "hub", files.get, resources.schema))
    assert ("schema.hub", "a.json", "/format", '"harness.hub/1"', '"other"') in found
    assert {item[:2] for item in found} == {("schema.hub", "a.json")}
    ((*place, words),) = memory.told(check("b.json", "hub", files.get, resources.schema))
    assert place == ["hub.json", "b.json", "", "JSON"]
    assert words.startswith("Expecting value: line 1")
    ((*place, words),) = memory.told(check("c.json", "hub", files.get, resources.schema))
    assert (place, words) == (["hub.json", "c.json", "", "JSON"], "NaN is no finite number")


@pytest.mark.parametrize("name", [layout.MANIFEST, layout.SKIP_SUMMARY])
@pytest.mark.parametrize("stage", FOLDERS)
def test_a_run_without_both_documents_is_the_verdict_s_to_tell(hub_in_memory, stage, name):
    del hub_in_memory.files[f"{FOLDERS[stage]}/{name}"]
    assert checked(hub_in_memory, stage) == []


@pytest.mark.parametrize("stage", FOLDERS)
def test_a_manifest_that_contradicts_its_skips_is_told(hub_in_memory, stage):
    where = f"{FOLDERS[stage]}/{layout.MANIFEST}"
    skips = f"{FOLDERS[stage]}/{layout.SKIP_SUMMARY}"
    total = json.loads(hub_in_memory.files[where])["total_jobs"]
    hub_in_memory.edit(skips, lambda document: document.update(total_jobs=17))
    place = f"{layout.SKIP_SUMMARY}#/total_jobs"
    told = ("manifest.totals", where, place, str(total), "17")
    assert checked(hub_in_memory, stage) == [told]


def test_the_plan_that_a_run_made_for_itself_is_held_to_the_same_rules():
    hub = memory.sound(own_plan=True)
    skips = f"{layout.PLAN}/{layout.SKIP_SUMMARY}"
    hub.edit(skips, lambda document: document.update(total_jobs=17))
    told = ("manifest.totals", OWN, f"{layout.SKIP_SUMMARY}#/total_jobs", "8", "17")
    assert checked(hub) == [told]
    # A hub whose run did not plan has no such files, and whoever put them there is told.
    commands = record_of(hub, "real-run")["commands"]
    assert [command["name"] for command in commands] == ["plan", "reconstruction"]
    found = checked(hub, commands=commands[1:])
    extra = [(path, "", "a file of the run or of a job", "neither") for path in (OWN, skips)]
    assert found == [("hub.extra", *item) for item in extra]


@pytest.mark.parametrize("name", [layout.MANIFEST, layout.SKIP_SUMMARY])
def test_a_plan_without_both_documents_is_the_verdict_s_to_tell(name):
    hub = memory.sound(own_plan=True)
    del hub.files[f"{layout.PLAN}/{name}"]
    assert checked(hub) == []


# Against its stage


@pytest.mark.parametrize(
    ("stage", "pointer", "change", "expected", "found"),
    [
        ("real-run", "/dry_run", {"dry_run": True}, "no", "yes"),
        ("dry-run", "/dry_run", {"dry_run": False}, "yes", "no"),
        ("reproduce", "/dry_run", {"dry_run": True}, "no", "yes"),
        ("real-run", "/initiative", {"initiative": "OTHER"}, runs.INITIATIVE, "OTHER"),
    ],
)
def test_a_manifest_tells_of_the_run_of_its_stage(
    hub_in_memory, stage, pointer, change, expected, found
):
    where = f"{FOLDERS[stage]}/{layout.MANIFEST}"
    hub_in_memory.edit(where, lambda document: document.update(change))
    assert checked(hub_in_memory, stage) == [("hub.stage", where, pointer, expected, found)]


@pytest.mark.parametrize("stage", FOLDERS)
def test_a_manifest_says_where_it_lies(hub_in_memory, stage):
    where = f"{FOLDERS[stage]}/{layout.MANIFEST}"
    hub_in_memory.edit(where, lambda document: document.update(artifact_root="else"))
    found = [item for item in checked(hub_in_memory, stage) if item[0] == "hub.stage"]
    assert found == [("hub.stage", where, "/artifact_root", FOLDERS[stage], "else")]


@pytest.mark.parametrize("stage", FOLDERS)
def test_filters_study_and_gates_are_those_of_the_stage(hub_in_memory, stage):
    where = f"{FOLDERS[stage]}/{layout.MANIFEST}"
    document = json.loads(hub_in_memory.files[where])
    settings = record_of(hub_in_memory, stage)["settings"]
    filters = {**settings["filters"], "gridsize": ["7"]}
    digest = document["study"]["sha256"]
    gates = [{**gate, "checked": gate["checked"] + 1} for gate in document["gates"]]
    other = {**settings, "filters": filters, "study_sha256": "0" * 64}
    said = ", ".join(
        f"{name} {', '.join(values) or 'none'}" for name, values in document["filters"].items()
    )
    counts = [(gate["name"], gate["checked"]) for gate in document["gates"]]
    assert checked(hub_in_memory, stage, settings=other, gates=gates) == [
        (
            "hub.stage",
            where,
            "/filters",
            said.replace("gridsize none", "gridsize 7"),
            said,
        ),
        ("hub.stage", where, "/study/sha256", "0" * 64, digest),
        (
            "hub.stage",
            where,
            "/gates",
            ", ".join(f"{name}, pass, {count + 1}" for name, count in counts),
            ", ".join(f"{name}, pass, {count}" for name, count in counts),
        ),
    ]


def test_a_gate_is_known_by_name_verdict_and_what_it_checked(hub_in_memory):
    gates = json.loads(hub_in_memory.files[REAL])["gates"]
    for change in ({"name": "other"}, {"verdict": "fail"}, {"checked": 99}):
        found = checked(hub_in_memory, gates=[{**gates[0], **change}, gates[1]])
        assert [item[:3] for item in found] == [("hub.stage", REAL, "/gates")]
    assert checked(hub_in_memory, gates=[{**gate, "findings": ["a note"]} for gate in gates]) == []


# Files


def extra(path):
    return ("hub.extra", path, "", "a file of the run or of a job", "neither")


@pytest.mark.parametrize("stage", FOLDERS)
def test_a_file_that_is_neither_the_run_s_nor_a_job_s_is_told(hub_in_memory, stage):
    folder = FOLDERS[stage]
    home = json.loads(hub_in_memory.files[f"{folder}/{layout.MANIFEST}"])["jobs"][0]["output_dir"]
    placed = [f"{folder}/opinion.md", f"{home}.bak", f"{folder}/dose_10/more.txt"]
    hub_in_memory.files |= dict.fromkeys(placed, b"It went well.")
    hub_in_memory.files |= dict.fromkeys((f"{folder}.txt", f"other/{folder}/x"), b"elsewhere")
    assert sorted(checked(hub_in_memory, stage)) == [extra(path) for path in sorted(placed)]


@pytest.mark.parametrize("stage", FOLDERS)
def test_what_belongs_to_a_run_is_not_told(hub_in_memory, stage):
    names = [*verify_run.OWN_FILES[stage], layout.UNCOMMITTED]
    for name in names:
        hub_in_memory.files.setdefault(f"{FOLDERS[stage]}/{name}", b"")
    assert checked(hub_in_memory, stage) == []


def test_what_belongs_to_a_reproduction_is_not_a_stage_s(hub_in_memory):
    path = f"reproduce/{layout.STAGE_RECORD}"
    hub_in_memory.files[path] = b""
    assert checked(hub_in_memory, "reproduce") == [extra(path)]


# Commands


@pytest.mark.parametrize("stage", FOLDERS)
@pytest.mark.parametrize("option", [*verify_run.OPTIONS, *verify_run.PATHS])
def test_a_job_s_command_asks_for_what_settings_and_job_say(hub_in_memory, stage, option):
    where = f"{FOLDERS[stage]}/{layout.MANIFEST}"
    document = json.loads(hub_in_memory.files[where])
    job = document["jobs"][0]
    name = {**verify_run.OPTIONS, **verify_run.PATHS}[option]
    digest = recipe.digest(document["settings"]["recipe"])
    asked = {**document["settings"], "recipe_sha256": digest}
    places = {**job, "recipe": f"{job['output_dir']}/recipe.json"}
    wanted = asked[name] if option in verify_run.OPTIONS else f".../{places[name]}"
    place = f"/jobs ({manifest.key_of(job)})/argv"
    index = job["argv"].index(option) + 1

    def told(said):
        expected = f"{option} {wanted}"
        return [item for item in checked(hub_in_memory, stage) if item[0] == "hub.argv"] == [
            ("hub.argv", where, place, expected, f"{option} {said}")
        ]

    hub_in_memory.edit(where, lambda d: d["jobs"][0]["argv"].__setitem__(index, "other"))
    assert told("other")
    hub_in_memory.edit(where, lambda d: d["jobs"][0]["argv"].__delitem__(slice(index - 1, None)))
    found = [item for item in checked(hub_in_memory, stage) if item[0] == "hub.argv"]
    assert ("hub.argv", where, place, f"{option} {wanted}", f"{option} nothing") in found


def test_the_commands_of_all_jobs_are_read(hub_in_memory):
    def ask_for_another_seed(document):
        for job in document["jobs"]:
            job["argv"][job["argv"].index("--seed") + 1] = "99"

    hub_in_memory.edit(DRY, ask_for_another_seed)
    places = [f"/jobs (dose_10/{cell})/argv" for cell in runs.PLANNED]
    seed = runs.settings().seed
    assert checked(hub_in_memory, "dry-run") == [
        ("hub.argv", DRY, place, f"--seed {seed}", "--seed 99") for place in places
    ]


def test_a_path_may_begin_anywhere_but_must_end_as_the_job_says(hub_in_memory):
    def prefix(document):
        words = document["jobs"][0]["argv"]
        for option in verify_run.PATHS:
            words[words.index(option) + 1] = f"/far/{words[words.index(option) + 1]}"

    hub_in_memory.edit(DRY, prefix)
    assert checked(hub_in_memory, "dry-run") == []


def test_setting_and_job_are_read_as_they_stand(hub_in_memory):
    plan = json.loads(hub_in_memory.files[DRY])
    hub_in_memory.edit(DRY, lambda document: document["settings"].update(seed=99))
    digest = manifest.plan_digest(plan["jobs"], {**plan["settings"], "seed": 99})
    found = checked(hub_in_memory, "dry-run")
    assert found[0] == (
        "manifest.plan-digest",
        DRY,
        "/plan_sha256",
        canonical.short(digest),
        plan["plan_sha256"],
    )
    assert found[1][:3] == ("hub.asked", DRY, "/settings/seed")
    assert {item[3:] for item in found[2:]} == {("--seed 99", f"--seed {plan['settings']['seed']}")}
    assert len(found) == 2 + len(runs.PLANNED)
