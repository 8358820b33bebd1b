"""What verify says of what a run was asked, and of its study, times and cells: each in full.

Each test changes one thing in a small sound hub and reads everything that is told.
"""

from __future__ import annotations

import json

import pytest

from harness import (
    asked,
    canonical,
    joblog,
    layout,
    left_out,
    manifest,
    records,
    resources,
    rules,
    spans,
    verify_run,
)
from tests.attack import run_forgeries
from tests.memory import hub as memory
from tests.memory import runs
from tests.unit.test_run_forged import MISSING, RESULT, SKIPS, STAGE, STUDY, options
from tests.unit.test_verify_run import checked, record_of

pytestmark = pytest.mark.usefixtures("schemas_once")
REAL, OWN = runs.MANIFEST, runs.OWN_PLAN
KEPT = json.loads(memory.make().files[REAL])["settings"]
RECIPE = "/settings/recipe/"


def told(where, *items):
    return [(asked.RULE, where, *item) for item in items]


def stage_of(hub=None):
    return json.loads((hub or memory.make()).files[STAGE])


# What the options ask for


def without(option):
    """Return what takes an option and its value out of others."""

    def change(before):
        at = before.index(option)
        return [*before[:at], *before[at + 2 :]]

    return change


def test_without_an_option_a_seed_is_the_study_s_own(hub_in_memory):
    seed = str(runs.study().seeds["reconstruction"])
    found = options(hub_in_memory, without("--seed"))
    assert found == told(REAL, ("/settings/seed", seed, str(KEPT["seed"])))


def test_without_an_option_the_device_is_whichever_there_is(hub_in_memory):
    assert KEPT["device"] == "auto"
    assert options(hub_in_memory, without("--device")) == []


def test_without_an_option_the_recipe_is_the_study_s_own(hub_in_memory):
    named = runs.study().recipe
    expected = told(
        REAL,
        (f"{RECIPE}name", named, KEPT["recipe"]["name"]),
        (f"{RECIPE}source_sha256", "None", KEPT["recipe"]["source_sha256"]),
    )
    assert options(hub_in_memory, without("--recipe")) == expected


@pytest.mark.parametrize("named", ["mine/recipe", "mine.toml"])
def test_a_recipe_that_is_a_file_is_known_by_its_content_alone(hub_in_memory, named):
    assert options(hub_in_memory, lambda before: [*before, "--recipe", named]) == []


@pytest.mark.parametrize("digits", [asked.MAX_DIGITS, asked.MAX_DIGITS + 1])
def test_a_number_has_so_many_digits_and_longer_ones_stay_words(hub_in_memory, digits):
    seed = "9" * digits
    hub_in_memory.edit(REAL, lambda document: document["settings"].update(seed=int(seed)))
    found = options(hub_in_memory, lambda before: [*before, "--seed", seed])
    same = told(REAL, ("/settings/seed", seed, seed))
    assert found == (same if digits > asked.MAX_DIGITS else [])


def test_options_that_none_knows_are_told_word_for_word(hub_in_memory):
    words = [*runs.options("real-run"), "--frames", "7"]
    said = canonical.short(words)
    assert options(hub_in_memory, lambda before: words) == told(
        STAGE, ("/settings/options", "options of harness.reconstruction", said)
    )


def test_the_study_is_the_one_that_the_options_name(hub_in_memory):
    found = options(hub_in_memory, lambda before: [*before, "--study", "other.toml"])
    place = ("/settings/study", "other.toml", layout.DEFAULT_STUDY)
    assert found == told(STAGE, place)
    settings = {**stage_of(hub_in_memory)["settings"], "study": "other.toml"}
    assert place[0] not in {item[2] for item in checked(hub_in_memory, settings=settings)}


# Its commands


def command(hub, index, change):
    """Change the words of a stage's command; return those before, and what is told of it."""
    before = stage_of(hub)["commands"][index]["argv"][1:]
    hub.edit(STAGE, lambda document: change(document["commands"][index]["argv"]))
    words = stage_of(hub)["commands"][index]["argv"][1:]
    return before, words, [item for item in checked(hub) if item[0] == asked.RULE]


@pytest.mark.parametrize("index", [0, 1])
def test_each_command_is_the_study_s_own_and_told_in_full(index):
    before, words, found = command(
        memory.sound(own_plan=True), index, lambda argv: argv.append("x")
    )
    place = (f"/commands/{index}/argv", " ".join(before), " ".join(words))
    assert found == told(STAGE, place)
    assert len(place[1]) > len(canonical.short(place[1]))


def test_a_command_for_another_folder_is_told(hub_in_memory):
    def move(argv):
        argv[argv.index("hub/real_run")] = "hub/else"

    before, words, found = command(hub_in_memory, 0, move)
    expected = " ".join(before).replace("hub/real_run", ".../real_run")
    assert found == told(STAGE, ("/commands/0/argv", expected, " ".join(words)))


def test_a_command_that_is_no_run_does_not_hide_the_next(hub_in_memory):
    commands = stage_of(hub_in_memory)["commands"]
    other = {**commands[0], "name": "other"}
    commands[0]["argv"].append("x")
    found = checked(hub_in_memory, commands=[other, *commands])
    assert [item[:3] for item in found] == [(asked.RULE, STAGE, "/commands/1/argv")]


def test_every_other_interpreter_of_a_job_is_named(hub_in_memory):
    for index, name in enumerate(("python2", "python1")):
        hub_in_memory.edit(
            REAL, lambda d, i=index, name=name: d["jobs"][i]["argv"].__setitem__(0, f"/bin/{name}")
        )
    found = [item for item in checked(hub_in_memory) if item[0] == asked.RULE]
    assert found == told(STAGE, ("/commands/0/argv/0", "python", "python1, python2"))


def test_a_job_s_program_and_its_options_too_many_are_told_in_full(hub_in_memory):
    run_forgeries.other_child(REAL, ["pythonic", "-m", "my.other.child"])(hub_in_memory)
    place = f"/jobs ({runs.JOBS[0]})/argv"
    program = "pythonic -m my.other.child --input-npz"
    words = "python -u -m harness.jobs.ptychi_lsqml"
    assert ("hub.argv", REAL, place, words, program) in checked(hub_in_memory)
    hub = memory.sound()
    hub.edit(REAL, lambda d: d["jobs"][0]["argv"].extend(["--seed", "1", "--fast", "1"]))
    found = [item for item in checked(hub) if item[0] == "hub.argv"]
    assert found == [("hub.argv", REAL, place, "options of the child, each once", "--seed --fast")]


# Its study


@pytest.mark.parametrize(
    ("data", "expected", "found"),
    [
        (None, "the study file of the run", "no such file"),
        (b"a = 1979-05-27", "TOML of plain values", "Object of type date is not JSON serializable"),
        (b"a = ", "TOML of plain values", "Invalid value (at end of document)"),
    ],
)
def test_why_a_study_cannot_be_read_is_told(hub_in_memory, data, expected, found):
    hub_in_memory.files[STUDY] = data
    if data is None:
        del hub_in_memory.files[STUDY]
    assert checked(hub_in_memory) == [("hub.study", STUDY, "", expected, found)]


def test_a_study_other_than_hashed_and_tests_other_than_its_own_are_told_in_full(hub_in_memory):
    place = stage_of()["settings"]["study"]
    before = canonical.sha256(runs.study_text())
    hub_in_memory.files[STUDY] += b"# later\n"
    after = canonical.sha256(hub_in_memory.files[STUDY])
    expected = [canonical.short({place: digest}) for digest in (before, after)]
    assert checked(hub_in_memory) == [("hub.study", STUDY, "", *expected)]
    settings = stage_of()["settings"]
    other = {**settings, "tests": {**settings["tests"], "module": "tests/other.py"}}
    said = [canonical.short(each["tests"]) for each in (settings, other)]
    told_of = [("hub.study", STAGE, "/settings/tests", *said)]
    assert checked(memory.sound(), settings=other) == told_of


def test_a_view_s_name_used_twice_is_told_with_both_places(hub_in_memory):
    hub_in_memory.files[STUDY] = runs.study_text().replace(b'"thin"', b'"whole"')
    expected = "a name that no view before it has"
    place = ("study.view-name", STUDY, "/views/1/name")
    assert checked(hub_in_memory) == [(*place, expected, "'whole', as in /views/0")]


def test_a_run_without_digests_has_hashed_neither_study_nor_recipe(hub_in_memory):
    del hub_in_memory.files["real_run/digests.json"]
    kept = canonical.short({stage_of()["settings"]["study"]: canonical.sha256(runs.study_text())})
    recipe = (f"{RECIPE}source_sha256", "None", KEPT["recipe"]["source_sha256"])
    assert checked(hub_in_memory) == [("hub.study", STUDY, "", "{}", kept), *told(REAL, recipe)]


# Its times and versions


@pytest.mark.parametrize("stage", ["green", "real-run"])
@pytest.mark.parametrize(
    ("elapsed_s", "is_told"), [(32.0, False), (32.5, True), (1.0, False), (0.0, False)]
)
def test_a_stage_took_no_longer_than_from_its_start_to_its_end(stage, elapsed_s, is_told):
    record = json.loads(memory.make().files[records.stage_path(stage)]) | {"elapsed_s": elapsed_s}
    place = records.stage_path(stage)
    told = [("hub.elapsed", place, "/elapsed_s", "at most 30.000 s", f"{elapsed_s} s")]
    assert memory.told(spans.of_stage(record)) == told * is_told


@pytest.mark.parametrize(
    ("elapsed_s", "is_told"), [(26.0, False), (25.5, True), (30.0, False), (30.5, True)]
)
def test_a_command_took_the_time_from_its_start_to_its_end(elapsed_s, is_told):
    record = json.loads(memory.make().files[records.stage_path("green")])
    for index, command in enumerate(record["commands"]):
        command["elapsed_s"] = elapsed_s if index else 28.0
    place = records.stage_path("green"), "/commands/1/elapsed_s"
    told = [("hub.elapsed", *place, "28.000 s", f"{elapsed_s} s")]
    assert memory.told(spans.of_stage(record)) == told * is_told


def test_what_lies_outside_is_told_with_both_spans(hub_in_memory):
    early, late = runs.at("real-run", 1), runs.at("real-run", 40)
    hub_in_memory.edit(STAGE, lambda each: each["commands"][0].update(finished_at=late))
    stage = stage_of(hub_in_memory)
    expected = f"within {stage['started_at']} to {stage['finished_at']}"
    place = (STAGE, "/commands/0/started_at")
    found = [item for item in memory.told(spans.of_stage(stage)) if item[0] == "hub.within"]
    assert found == [("hub.within", *place, expected, f"{early} to {late}")]


def test_a_command_that_ends_before_it_starts_lies_nowhere(hub_in_memory):
    late, early = runs.at("real-run", 40), runs.at("real-run", -10)
    span = {"started_at": late, "finished_at": early}
    hub_in_memory.edit(STAGE, lambda each: each["commands"].append({**each["commands"][0], **span}))
    hub_in_memory.edit(STAGE, lambda each: each["commands"][1].update(name="other"))
    found = [item[:3] for item in memory.told(spans.of_stage(stage_of(hub_in_memory)))]
    assert ("hub.within", STAGE, "/commands/1/started_at") in found


def test_a_torch_that_is_too_old_is_told_in_full(hub_in_memory):
    versions = stage_of(hub_in_memory)["versions"] | {"torch": "2.1.9"}
    for home in runs.HOMES:
        path = f"{home}/{layout.RESULT}"
        hub_in_memory.edit(path, lambda each: each["versions"].update(torch="2.1.9"))
    expected = ("/versions/torch", "2.2 or newer (POLICY-001)", "2.1.9")
    found = checked(hub_in_memory, versions=versions)
    assert found[0] == ("hub.versions", RESULT, *expected)
    assert len(found) == len(runs.HOMES)


# Its cells left out


def left(hub, reason, home, **changes):
    run_forgeries.skipped_for(REAL, SKIPS, home, reason)(hub)
    return [item for item in checked(hub, **changes) if item[0] == left_out.RULE]


def allowed(hub):
    options = [*stage_of(hub)["settings"]["options"], asked.ALLOW_MISSING]
    return {"settings": {**stage_of(hub)["settings"], "options": options}}


def test_no_input_of_phase_c_may_be_missing(hub_in_memory):
    path = "phase_c/dose_10/patched_train.npz"
    hashed = json.loads(hub_in_memory.files["real_run/digests.json"])["before"]["inputs"][path]
    reason = MISSING.replace("D input", "C input").replace("thin/thin_train", "patched_train")
    place = (left_out.RULE, REAL, f"/skipped_jobs ({runs.JOBS[0]})")
    assert left(hub_in_memory, reason, runs.HOMES[0], **allowed(hub_in_memory)) == [
        (*place, f"{path} absent", f"{path} hashed, sha256 {hashed}"),
        (*place, f"{asked.ALLOW_MISSING}, and an input of phase D", reason),
    ]


def test_what_another_gate_found_is_no_breach_of_an_input(hub_in_memory):
    gates = stage_of(hub_in_memory)["gates"]
    item = {"rule": "npz.finite", "where": "a.npz", "pointer": "", "severity": "error"}
    gates[1]["findings"] = [{**item, "expected": "numbers", "found": "NaN"}]
    said = "DATA-001 breach: error [npz.finite] a.npz: expected numbers, found NaN."
    found = left(hub_in_memory, said, runs.HOMES[1], gates=gates)
    assert [item[3:] for item in found] == [("an error of the input gate", said)]


# What its jobs attest


def test_what_jobs_run_again_attest_is_read_where_they_succeeded(hub_in_memory):
    record = record_of(hub_in_memory, "reproduce")
    key = runs.JOBS[0]
    path = f"{layout.REPRODUCE}/{key}/{layout.RESULT}"
    document = json.loads(hub_in_memory.files[path])

    def attested():
        return verify_run.attested(record, hub_in_memory.read, resources.schema)

    assert attested() == {key: document}
    for other in (manifest.FAILED, manifest.SUCCEEDED):
        record["jobs"][0]["status"] = other
        assert attested() == ({key: document} if other == manifest.SUCCEEDED else {})
    hub_in_memory.files[path] = b"{}"
    assert attested() == {}
    del hub_in_memory.files[path]
    assert attested() == {}


# The harness's own log of them


@pytest.mark.parametrize(
    ("returncode", "ended"),
    [(0, "return code 0"), (-9, "signal SIGKILL"), (None, "no return code")],
)
def test_the_log_of_a_job_says_what_the_harness_did_and_why(hub_in_memory, returncode, ended):
    document = json.loads(hub_in_memory.files[REAL])
    job, result = document["jobs"][0], document["execution_results"][0]
    item = {"rule": "npz.finite", "where": "a.npz", "pointer": "", "severity": "note"}
    item |= {"expected": "numbers", "found": "NaN"}
    result |= {"returncode": returncode, "findings": [item, item], "input_notes": [item]}
    said = rules.as_text(rules.from_record(item))
    assert joblog.render(job, result).decode().split("\n") == [
        f"job: {runs.JOBS[0]}",
        f"input: phase_c/dose_10/patched_train.npz sha256 {job['input_sha256']}",
        f"input note: {said}",
        f"argv: {' '.join(job['argv'])}",
        f"started: {result['started_at']}",
        f"ended: {ended} at {result['finished_at']} after 8.0 s",
        "reconciliation: 2 findings",
        *(f"  {said}", f"  {said}"),
        "status: succeeded",
        "",
    ]
