"""The commands that stages ran against the guide that they kept, both ways, in verify too."""

from __future__ import annotations

import json

import pytest

from harness import canonical, guide, hub, layout, publish, records, resources, verify
from tests import small_tree
from tests.unit.test_verify import edit, mend

GUIDE = guide.GUIDE


def findings(root):
    return verify.verify(hub.entries(root), publish.reader(root), resources.schema)


def record_of(root, stage):
    return json.loads((root / records.stage_path(stage)).read_text())


def change(path, old, new):
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("stage", layout.STAGES)
def test_each_stage_keeps_the_guide_and_ran_what_it_documents(complete_hub, stage):
    record = record_of(complete_hub, stage)
    text = (complete_hub / guide.place(stage)).read_text()
    listed, damage = guide.documented(text, stage, where="x")
    ran = {guide.form(command, record) for command in record["commands"]}
    optional = {words for words in listed if f"HUB/{layout.PLAN}" in words}
    assert damage == []
    assert ran == set(listed) - optional


def test_a_real_run_that_makes_its_own_plan_ran_the_command_documented_for_it(tree):
    made = small_tree.new_hub(tree)
    assert small_tree.run_stage(tree, made, "real-run") == 0
    record = record_of(made, "real-run")
    forms = [" ".join(guide.form(command, record)) for command in record["commands"]]
    run = small_tree.RUN
    assert forms == [f"{run}/{layout.PLAN} --dry-run", f"{run}/real_run"]
    assert findings(made) == ()


GREEN = "| `green` | `pytest tests/study/test_small.py::test_mapped -vv` | the mapped test |\n"
ATTACKS = [
    (GREEN, "", ["stage.undocumented"]),
    (GREEN, GREEN.replace("-vv", "-v"), ["stage.undocumented", "stage.not-run"]),
    (GREEN, GREEN + GREEN.replace("_mapped", "_another"), ["stage.not-run"]),
    (GREEN, GREEN.replace("`green`", "`collect`"), ["stage.undocumented"]),
    (GREEN, GREEN.replace("`green`", "`grin`"), ["collect.row", "stage.undocumented"]),
    (
        f"<!-- {guide.BLOCK}:end -->",
        "",
        ["collect.markers", "stage.undocumented", "stage.undocumented"],
    ),
]


@pytest.mark.parametrize(("old", "new", "rules"), ATTACKS)
def test_a_stage_whose_commands_are_not_those_of_the_guide_fails(tree, old, new, rules):
    change(tree / GUIDE, old, new)
    made = small_tree.new_hub(tree)
    assert small_tree.run_stage(tree, made, "green") == 1
    record = record_of(made, "green")
    assert [item["rule"] for item in record["findings"]] == rules
    assert {item["where"] for item in record["findings"]} == {guide.place("green")}
    assert findings(made) == ()


def test_a_stage_that_ended_early_is_not_asked_for_the_commands_it_did_not_reach(tree):
    made = small_tree.new_hub(tree)
    (tree / "tests/faults.toml").unlink()
    assert small_tree.run_stage(tree, made, "red") == 2
    assert [item["rule"] for item in record_of(made, "red")["findings"]] == ["stage.refused"]


def test_a_guide_that_changes_during_a_stage_is_drift(tree):
    module = tree / "tests/study/test_small.py"
    change(
        module,
        "    pass",
        f"    import pathlib; pathlib.Path({str(tree / GUIDE)!r}).write_text('none')",
    )
    change(module, "def test_another", "def test_ptychi_another")
    made = small_tree.new_hub(tree)
    assert small_tree.run_stage(tree, made, "green") == 1
    found = {(item["rule"], item["where"]) for item in record_of(made, "green")["findings"]}
    assert found == {("stage.drift", GUIDE)}


# Attacks on a hub whose every other digest was mended.


def drop_a_documented_command(root):
    change(root / guide.place("green"), GREEN, "")


def another_guide_with_its_digest(root):
    drop_a_documented_command(root)
    digest = canonical.sha256((root / guide.place("green")).read_bytes())

    def cite(document):
        for when in ("before", "after"):
            document[when]["code"][GUIDE] = digest

    edit(root, "green/digests.json", cite)
    code = json.loads((root / "green/digests.json").read_text())["before"]["code"]
    edit(root, "green/stage.json", lambda r: r.update(code_sha256=canonical.digest(code)))


def no_guide(root):
    (root / guide.place("green")).unlink()


def another_command(root):
    def change_argv(record):
        record["commands"][0]["argv"].append("--maxfail=1")

    edit(root, "green/stage.json", change_argv)


@pytest.mark.parametrize(
    ("attack", "expected"),
    [
        (drop_a_documented_command, {("hub.guide", "green/TESTING_GUIDE.md")}),
        (another_guide_with_its_digest, {("hub.verdict", "green/stage.json")}),
        (no_guide, {("hub.guide", "green/TESTING_GUIDE.md")}),
        (another_command, {("hub.verdict", "green/stage.json")}),
    ],
)
def test_verify_finds_a_guide_or_command_that_was_changed_afterwards(
    hub_to_attack, attack, expected
):
    attack(hub_to_attack)
    mend(hub_to_attack, "green")
    assert expected <= {(item.rule, item.where) for item in findings(hub_to_attack)}


def form(*argv, stage="green", options=(), base_sha256=None):
    settings = {"preset": "smoke", "base_sha256": base_sha256, "options": list(options)}
    record = {"stage": stage, "settings": settings}
    return " ".join(guide.form({"argv": list(argv)}, record))


def test_a_form_leaves_out_reports_and_choices_and_nothing_else():
    reports = [*guide.PLUGINS, "--basetemp=s", "--collection-report=c", "--junit-xml=j"]
    pytest_words = ("python3.11", "-m", "pytest", "a.py::b", "-vv")
    assert form(*pytest_words, *reports) == "pytest a.py::b -vv"
    assert form(*pytest_words, "-p", "other") == "pytest a.py::b -vv -p other"
    assert form(*pytest_words, *guide.PLUGINS, *guide.PLUGINS[2:]).endswith(guide.PLUGINS[3])
    assert form(*pytest_words, "a.py::c", stage="red") == "pytest TEST... -vv"
    assert form("a/python", "-c", "x") == "python -c x"
    assert form("sh", "-c", "-u") == "sh -c -u"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--phase-c-root", "tmp/S/smoke/phase_c"), "--phase-c-root PHASE_C"),
        (("--phase-c-root", "tmp/S/default/phase_c"), "--phase-c-root tmp/S/default/phase_c"),
        (("--phase-c-root", "tmp/S/smoke/phase_d"), "--phase-c-root tmp/S/smoke/phase_d"),
        (("--artifact-root", "a/b/cli"), "--artifact-root HUB/cli"),
        (("--artifact-root", "a/b/real_run"), "--artifact-root a/b/real_run"),
        (("--artifact-root", "a/real_run/plan"), "--artifact-root HUB/real_run/plan"),
        (("--dose", "1000", "--dry-run"), "--dry-run"),
        (("--dose", "10000"), "--dose 10000"),
    ],
)
def test_a_place_has_its_name_only_where_it_is_the_one_that_the_stage_had_to_give(words, expected):
    program = ("python", "-u", "-m", "harness.reconstruction")
    said = form(*program, *words, stage="dry-run", options=("--dose", "1000"))
    assert said == f"python -m harness.reconstruction {expected}"


def test_inputs_of_a_base_have_their_name_where_they_are_those_of_the_base_recorded():
    digest = "0123456789abcdef" * 4
    words = ("python", "-m", "harness.reconstruction", "--phase-c-root")
    place = "tmp/S/smoke-base-0123456789ab/phase_c"
    assert form(*words, place, stage="dry-run", base_sha256=digest).endswith(" PHASE_C")
    for given, recorded in ((place, None), (place, "f" * 64), ("tmp/S/smoke/phase_c", digest)):
        assert form(*words, given, stage="dry-run", base_sha256=recorded).endswith(given)
