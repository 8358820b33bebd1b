"""Forgeries of a whole run, mended and sealed again: each is told with its file and place."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from harness import asked, audit, layout, left_out, spans, study_copy
from harness.asked import Asked
from tests.attack import run_forgeries
from tests.memory import hub as memory
from tests.memory import runs
from tests.unit.test_verify_run import checked

pytestmark = pytest.mark.usefixtures("schemas_once")
DRY, REAL, OWN = runs.DRY_MANIFEST, runs.MANIFEST, runs.OWN_PLAN
STAGE, SKIPS = "real_run/stage.json", f"real_run/{layout.SKIP_SUMMARY}"
STUDY = f"real_run/{layout.STUDY_COPY}"
RESULT = f"{runs.HOMES[0]}/{layout.RESULT}"


def places(found):
    return {item[:3] for item in found}


# The study


def test_a_study_shrunk_in_both_manifests_is_not_the_one_kept(hub_in_memory):
    run_forgeries.without_dose(200)(hub_in_memory)
    for stage, where in (("dry-run", DRY), ("real-run", REAL)):
        told = places(checked(hub_in_memory, stage))
        assert ("manifest.study", where, "/study") in told


def test_the_study_at_hand_tells_of_a_run_that_keeps_none(hub_in_memory):
    listed = f"reproduce/{layout.MANIFEST}"
    hub_in_memory.edit(listed, lambda document: document["study"]["doses"].append(7))
    memory.sealed(hub_in_memory)

    def told(design):
        given = hub_in_memory.entries(), hub_in_memory.read, audit.Inputs(None, design)
        return {i.where for i in audit.examine(*given).findings if i.rule == "manifest.study"}

    assert (told(runs.study()), told(None)) == ({listed}, set())


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (None, "the study file of the run"),
        (b"\xff", "TOML of plain values"),
        (b"a = [", "TOML of plain values"),
        (b"a = " + b"[" * 5000, "TOML of plain values"),
        (b"a = 1979-05-27", "TOML of plain values"),
        (b"a = inf", "TOML of plain values"),
    ],
)
def test_a_study_that_is_gone_or_cannot_be_read_is_told(hub_in_memory, data, expected):
    if data is None:
        del hub_in_memory.files[STUDY]
    else:
        hub_in_memory.files[STUDY] = data
    ((rule, where, pointer, said, _),) = checked(hub_in_memory)
    assert (rule, where, pointer, said) == ("hub.study", STUDY, "", expected)


def test_a_study_that_breaks_its_schema_or_has_a_view_twice_is_told(hub_in_memory):
    text = runs.study_text()
    hub_in_memory.files[STUDY] = text.replace(b"[10, 200]", b"[10.0]")
    assert places(checked(hub_in_memory)) == {("schema.study", STUDY, "/doses_photons/0")}
    hub_in_memory.files[STUDY] = text.replace(b'"thin"', b'"whole"')
    assert places(checked(hub_in_memory)) == {("study.view-name", STUDY, "/views/1/name")}


def test_a_kept_study_is_the_one_hashed_and_has_the_tests_of_the_stage(hub_in_memory):
    hub_in_memory.files[STUDY] += b"# later\n"
    assert places(checked(hub_in_memory)) == {("hub.study", STUDY, "")}
    hub_in_memory.files[STUDY] = runs.study_text()
    settings = json.loads(hub_in_memory.files[STAGE])["settings"]
    other = {**settings, "tests": {**settings["tests"], "mapped": "tests/other.py::test_it"}}
    assert places(checked(hub_in_memory, settings=other)) == {
        ("hub.study", STAGE, "/settings/tests")
    }
    assert study_copy.place("dry-run") == f"cli/{layout.STUDY_COPY}"


# Cells left out


def left(hub, reason, stage="real-run"):
    """Drop the second job of the real run for a reason; return what is told of skips."""
    run_forgeries.skipped_for(REAL, SKIPS, runs.HOMES[1], reason)(hub)
    return [item for item in checked(hub, stage) if item[0] == left_out.RULE]


SKIP = f"/skipped_jobs ({runs.JOBS[1]})"
MISSING = "phase D input is missing: dose_10/thin/thin_train.npz"


def test_a_breach_that_no_gate_found_is_told(hub_in_memory):
    breach = "DATA-001 breach: not finite"
    told = [(left_out.RULE, REAL, SKIP, "an error of the input gate", breach)]
    assert left(hub_in_memory, breach) == told


def test_a_breach_that_the_input_gate_found_is_a_reason(hub_in_memory):
    gates = json.loads(hub_in_memory.files[STAGE])["gates"]
    item = {"rule": "npz.finite", "where": "a.npz", "pointer": "", "severity": "error"}
    gates[0]["findings"] = [{**item, "expected": "numbers", "found": "NaN"}]
    said = "DATA-001 breach: error [npz.finite] a.npz: expected numbers, found NaN. Mend it."
    run_forgeries.skipped_for(REAL, SKIPS, runs.HOMES[1], said)(hub_in_memory)
    assert left_out.RULE not in {item[0] for item in checked(hub_in_memory, gates=gates)}
    gates[0]["findings"][0]["severity"] = "note"
    assert left_out.RULE in {item[0] for item in checked(hub_in_memory, gates=gates)}


def test_an_input_that_was_hashed_was_not_missing(hub_in_memory):
    path = "phase_d/dose_10/thin/thin_train.npz"
    sha256 = json.loads(hub_in_memory.files["real_run/digests.json"])["before"]["inputs"][path]
    assert left(hub_in_memory, MISSING) == [
        (left_out.RULE, REAL, SKIP, f"{path} absent", f"{path} hashed, sha256 {sha256}"),
        (left_out.RULE, REAL, SKIP, f"{asked.ALLOW_MISSING}, and an input of phase D", MISSING),
    ]


def test_another_input_is_no_reason(hub_in_memory):
    other = MISSING.replace("train", "test")
    told = [item for item in left(hub_in_memory, other) if item[3] == MISSING]
    assert told == [(left_out.RULE, REAL, SKIP, MISSING, other)]


def test_an_input_that_is_allowed_to_be_missing_and_was_is_a_reason(hub_in_memory):
    path = "phase_d/dose_10/thin/thin_train.npz"

    def forget(document):
        for when in ("before", "after"):
            del document[when]["inputs"][path]

    hub_in_memory.edit("real_run/digests.json", forget)
    hub_in_memory.edit(STAGE, lambda d: d["settings"]["options"].append(asked.ALLOW_MISSING))
    assert left(hub_in_memory, MISSING) == []


# Commands


def test_a_job_of_another_program_is_told(hub_in_memory):
    other = run_forgeries.other_child(REAL, ["python", "-m", "my.other.child"])
    other(hub_in_memory)
    place = f"/jobs ({runs.JOBS[0]})/argv"
    found = [item for item in checked(hub_in_memory) if item[0] == "hub.argv"]
    words = "python -u -m harness.jobs.ptychi_lsqml"
    assert found[0][:4] == ("hub.argv", REAL, place, words)


def test_a_job_with_more_options_is_told(hub_in_memory):
    hub_in_memory.edit(DRY, lambda d: d["jobs"][0]["argv"].extend(["--seed", "1"]))
    hub_in_memory.edit(DRY, lambda d: d["jobs"][1]["argv"].extend(["--fast", "1"]))
    found = [item[2:] for item in checked(hub_in_memory, "dry-run") if item[0] == "hub.argv"]
    wanted = "options of the child, each once"
    one, other = (f"/jobs (dose_10/{cell})/argv" for cell in runs.PLANNED[:2])
    assert [item[:2] for item in found] == [(one, wanted), (other, wanted)]


def options(hub, change, *, stage="real-run"):
    """Change the options of a stage, in its settings and its commands."""
    folder = layout.STAGE_DIRECTORIES[stage]
    run_forgeries.other_options(f"{folder}/{layout.STAGE_RECORD}", change)(hub)
    return [item for item in checked(hub, stage) if item[0] == asked.RULE]


@pytest.mark.parametrize(
    ("words", "pointer"),
    [
        (["--dose", "200"], "/filters"),
        (["--num-epochs", "200"], "/settings/recipe/num_epochs"),
        (["--batch-size=7"], "/settings/recipe/batch_size"),
        (["--initial-object", "guess"], "/settings/recipe/initial_object"),
        (["--stop", "final"], "/settings/recipe/overridden"),
        (["--probe", "guess"], "/settings/recipe/probe"),
        (["--recipe", "default"], "/settings/recipe/name"),
        (["--seed", "99"], "/settings/seed"),
        (["--device", "cuda"], "/settings/device"),
        (["--halves", "alternate"], "/settings/halves"),
    ],
)
def test_filters_and_settings_are_those_that_the_options_ask_for(hub_in_memory, words, pointer):
    found = options(hub_in_memory, lambda before: [*before, *words])
    assert (asked.RULE, REAL, pointer) in places(found)
    assert {item[1] for item in found} == {REAL}


def test_the_plan_of_a_run_s_own_follows_from_the_options_too():
    hub = memory.sound(own_plan=True)
    found = options(hub, lambda before: [*before, "--seed", "99"])
    assert places(found) == {(asked.RULE, where, "/settings/seed") for where in (REAL, OWN)}


def test_the_recipe_is_the_one_that_the_stage_hashed(hub_in_memory):
    def other(document):
        for path in document["before"]["code"]:
            if path.startswith("recipes/"):
                document["before"]["code"][path] = "0" * 64

    hub_in_memory.edit("real_run/digests.json", other)
    assert places(checked(hub_in_memory)) == {(asked.RULE, REAL, "/settings/recipe/source_sha256")}


def test_options_that_the_command_does_not_know_and_another_study_are_told(hub_in_memory):
    (told,) = options(hub_in_memory, lambda before: [*before, "--frames", "7"])
    assert told[:3] == (asked.RULE, STAGE, "/settings/options")
    settings = json.loads(memory.sound().files[STAGE])["settings"]
    found = checked(memory.sound(), settings={**settings, "study": "other.toml"})
    assert (asked.RULE, STAGE, "/settings/study") in places(found)


@pytest.mark.parametrize("index", [0, 3, 5, 9, -1])
def test_a_stage_s_command_is_the_study_s_own_word_for_word(hub_in_memory, index):
    def change(document):
        document["commands"][0]["argv"][1:][index]
        document["commands"][0]["argv"].insert(index % 10 + 1, "--more")

    hub_in_memory.edit(STAGE, change)
    assert (asked.RULE, STAGE, "/commands/0/argv") in places(checked(hub_in_memory))


def test_jobs_ran_under_the_interpreter_of_their_stage(hub_in_memory):
    hub_in_memory.edit(DRY, lambda d: d["jobs"][1]["argv"].__setitem__(0, "python2"))
    assert checked(hub_in_memory, "dry-run") == [
        (asked.RULE, "cli/stage.json", "/commands/0/argv/0", "python", "python2")
    ]
    other = memory.sound()
    other.edit(STAGE, lambda d: d["commands"][0]["argv"].__setitem__(0, "pytest-that-lies"))
    told = ("/commands/0/argv/0", "pytest-that-lies", "python")
    assert checked(other) == [(asked.RULE, STAGE, *told)]


def test_the_log_of_a_result_is_that_of_its_job(hub_in_memory):
    def change(document):
        document["execution_results"][1]["log_path"] = "else.log"

    hub_in_memory.edit(DRY, change)
    log = json.loads(hub_in_memory.files[DRY])["jobs"][1]["log_path"]
    place = "/execution_results/1/log_path"
    assert checked(hub_in_memory, "dry-run") == [("manifest.path", DRY, place, log, "else.log")]


def test_words_are_read_as_the_real_parser_reads_them():
    from harness import reconstruction

    words = ["--dose", "10", "--dose=200", "--seed", "1", "--seed=2", "--fail-fast"]
    parser = reconstruction.make_parser()
    roots = ("--phase-c-root=c", "--phase-d-root=d", "--artifact-root=a")
    real, read = parser.parse_args([*roots, *words]), asked.parse(words)
    assert read == Asked(
        {**{name: [] for name in reconstruction.FILTERS}, "dose": real.dose},
        {"seed": real.seed},
        frozenset({"--fail-fast"}),
    )
    assert asked.parse(reconstruction.selection_words(real)) == read
    known = {word for action in parser._actions for word in action.option_strings}
    beside = {"-h", "--help", "--dry-run", "--format", *(root.split("=")[0] for root in roots)}
    assert {*asked.FLAGS, *asked.VALUES} == known - beside


@pytest.mark.parametrize(
    "words", [["--dose"], ["dose"], ["--dos", "10"], ["--fail-fast=1"], ["--seed", "--fail-fast"]]
)
def test_words_that_are_no_options_in_full_are_none(words):
    assert asked.parse(words) is None


# Versions and times


def test_a_job_s_versions_are_those_of_its_stage(hub_in_memory):
    hub_in_memory.edit(RESULT, lambda document: document["versions"].update(torch="2.14.0"))
    told = [("hub.versions", RESULT, "/versions/torch", "2.15.0", "2.14.0")]
    assert checked(hub_in_memory) == told


@pytest.mark.parametrize(("torch", "fits"), [("2.1.9", False), ("2.2.0+cpu", True), ("x", False)])
def test_a_job_s_torch_is_one_that_policy_001_takes(hub_in_memory, torch, fits):
    versions = json.loads(hub_in_memory.files[STAGE])["versions"] | {"torch": torch}
    for home in runs.HOMES:
        path = f"{home}/{layout.RESULT}"
        hub_in_memory.edit(path, lambda document: document["versions"].update(torch=torch))
    found = checked(hub_in_memory, versions=versions)
    assert {item[3] for item in found} == (set() if fits else {"2.2 or newer (POLICY-001)"})


def test_a_run_thirty_days_before_its_stage_is_told(hub_in_memory):
    run_forgeries.earlier_run(REAL, timedelta(days=-30))(hub_in_memory)
    assert places(checked(hub_in_memory)) == {
        ("hub.within", REAL, "/created_at"),
        *(("hub.within", REAL, f"/execution_results/{i}/started_at") for i in range(2)),
    }


def test_a_command_and_a_job_lie_within_what_they_belong_to(hub_in_memory):
    def later(document):
        document["commands"][0] |= {"finished_at": runs.at("real-run", 40)}

    hub_in_memory.edit(STAGE, later)
    found = memory.told(spans.of_stage(json.loads(hub_in_memory.files[STAGE])))
    assert ("hub.within", STAGE, "/commands/0/started_at") in [item[:3] for item in found]
    hub_in_memory.edit(
        STAGE, lambda d: d["commands"][0].update(finished_at=runs.at("real-run", 15))
    )
    assert places(checked(hub_in_memory)) == {
        ("hub.within", REAL, "/execution_results/1/started_at")
    }


def test_what_a_reproduction_did_lies_within_it(hub_in_memory):
    listed = f"reproduce/{layout.MANIFEST}"
    run_forgeries.earlier_run(listed, timedelta(days=1))(hub_in_memory)
    told = places(checked(hub_in_memory, "reproduce"))
    assert ("hub.within", listed, "/created_at") in told
