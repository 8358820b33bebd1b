"""A real run follows a plan: its hub's dry run, or one made first; what deviates is found."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from harness import canonical, hub, layout, manifest, plan, publish, resources, verify
from tests import small_tree
from tests.unit.test_prepare import save_base
from tests.unit.test_verify import edit, mend

DRY = f"cli/{layout.MANIFEST}"
OWN = f"{layout.PLAN}/{layout.MANIFEST}"
REAL = f"real_run/{layout.MANIFEST}"


def record_of(root, folder="real_run"):
    return json.loads((root / folder / layout.STAGE_RECORD).read_text())


def verified(root):
    found = verify.verify(hub.entries(root), publish.reader(root), resources.schema)
    return {(item.rule, item.where) for item in found}


@pytest.fixture(scope="module")
def planned_hub(sound_tree, tmp_path_factory):
    """A hub with nothing but a real run, which made its own plan; not to be changed."""
    root = small_tree.copy(sound_tree, tmp_path_factory.mktemp("planned") / "tree")
    made = small_tree.new_hub(root)
    assert small_tree.run_stage(root, made, "real-run") == 0
    return made


@pytest.fixture
def own_plan(planned_hub, tmp_path):
    """The same, to be attacked."""
    return Path(shutil.copytree(planned_hub, tmp_path / "planned"))


# Values.


@pytest.fixture(scope="module")
def planned(planned_hub):
    return json.loads((planned_hub / OWN).read_text())


def deviations(planned, change):
    document = copy.deepcopy(planned)
    change(document)
    return [item.pointer for item in plan.deviations(planned, document, where=OWN)]


@pytest.mark.parametrize(
    ("change", "pointers"),
    [
        (lambda d: None, []),
        (lambda d: d["jobs"].pop(), ["/jobs (dose_1000/dense/test)"]),
        (lambda d: (d["jobs"].pop(), d["jobs"].pop(1), d["filters"].update(view=["baseline"])), []),
        (
            lambda d: d["settings"]["recipe"].update(num_epochs=9),
            ["/settings/recipe/num_epochs"],
        ),
        (lambda d: d.update(initiative="OTHER"), ["/initiative"]),
        (lambda d: d["study"].update(sha256="0" * 64), ["/study/sha256"]),
        (
            lambda d: d["jobs"][0].update(input_sha256="0" * 64),
            ["/jobs (dose_1000/baseline/train)/input_sha256"],
        ),
        (
            lambda d: d["jobs"][0].update(gridsize=2),
            ["/jobs (dose_1000/baseline/train)/gridsize"],
        ),
        (
            lambda d: d["jobs"][0].update(dose=7),
            ["/jobs (dose_1000/baseline/train)", "/jobs (dose_7/baseline/train)"],
        ),
    ],
)
def test_a_run_may_do_less_than_its_plan_and_nothing_else(planned, change, pointers):
    assert deviations(planned, change) == pointers


def test_only_what_differs_of_the_settings_is_said(planned):
    document = copy.deepcopy(planned)
    document["settings"]["recipe"].update(num_epochs=9)
    document["settings"].update(device=None)
    found = plan.deviations(planned, document, where=OWN)
    settings = planned["settings"]
    epochs, device = settings["recipe"]["num_epochs"], settings["device"]
    assert [(item.pointer, item.expected, item.found) for item in found] == [
        ("/settings/device", device, "nothing"),
        ("/settings/recipe/num_epochs", str(epochs), "9"),
    ]


# Whole stages.


def test_a_real_run_cites_the_dry_run_of_its_hub(complete_hub):
    record = record_of(complete_hub)
    data = (complete_hub / DRY).read_bytes()
    assert record["plan"] == {
        "path": DRY,
        "sha256": canonical.sha256(data),
        "plan_sha256": json.loads(data)["plan_sha256"],
    }
    assert [command["name"] for command in record["commands"]] == ["reconstruction"]
    assert not (complete_hub / layout.PLAN).exists()
    assert record_of(complete_hub, "cli")["plan"] is None


def test_a_real_run_without_a_dry_run_makes_its_plan_first(planned_hub):
    record = record_of(planned_hub)
    first, second = record["commands"]
    assert (first["name"], second["name"]) == ("plan", "reconstruction")
    assert first["argv"][-1] == "--dry-run"
    assert record["plan"]["path"] == OWN
    assert record["plan"]["sha256"] == canonical.sha256((planned_hub / OWN).read_bytes())
    assert json.loads((planned_hub / OWN).read_text())["dry_run"] is True
    assert verified(planned_hub) == set()


@pytest.mark.parametrize(
    ("words", "pointer"),
    [
        (("--num-epochs=3",), "/settings/recipe/num_epochs"),
        (("--num-epochs=2", "--view=baseline"), "dense"),
    ],
)
def test_a_run_that_would_deviate_from_its_dry_run_launches_nothing(tree, words, pointer):
    root = small_tree.new_hub(tree)
    done = small_tree.run(
        tree, "harness", "stage", "dry-run", "--hub", root, "--preset", "smoke", *words
    )
    assert done.returncode == 0, done.stdout

    assert small_tree.run_stage(tree, root, "real-run") == 3

    record = record_of(root)
    named = [item["pointer"] for item in record["findings"] if item["rule"] == "stage.plan"]
    assert named
    assert all(pointer in each for each in named)
    assert record["commands"] == []
    assert not (root / REAL).exists()
    assert verified(root) == set()


def test_a_dry_run_that_left_no_plan_is_none_to_follow(tree):
    root = small_tree.new_hub(tree)
    in_a_line = save_base(tree / "mine.npz", ycoords=np.full(50, 30.0))
    words = ("--hub", root, "--preset", "smoke", "--base", in_a_line)
    assert small_tree.run(tree, "harness", "stage", "dry-run", *words).returncode == 3
    assert small_tree.run_stage(tree, root, "real-run") == 3
    assert "left no plan" in record_of(root)["refused"]["message"]
    assert verified(root) == set()


def test_nothing_planned_is_nothing_run(tree):
    root = small_tree.new_hub(tree)
    words = ("--hub", root, "--preset", "smoke", "--view=baseline", "--gridsize=2")
    assert small_tree.run(tree, "harness", "stage", "real-run", *words).returncode == 5
    assert [command["name"] for command in record_of(root)["commands"]] == ["plan"]
    assert verified(root) == set()


# Attacks.


def replan(root, path):
    """Change the settings of a plan, with a plan digest that fits them."""

    def change(document):
        document["settings"]["recipe"]["num_epochs"] = 77
        document["plan_sha256"] = manifest.plan_digest(document["jobs"], document["settings"])

    edit(root, path, change)


def cite_anew(root, path):
    cited = plan.cite(path, (root / path).read_bytes())
    edit(root, "real_run/stage.json", lambda record: record.update(plan=cited))


@pytest.mark.parametrize("cited_anew", [False, True])
def test_another_plan_in_the_dry_run_is_found_though_every_digest_was_mended(
    hub_to_attack, cited_anew
):
    replan(hub_to_attack, DRY)
    if cited_anew:
        cite_anew(hub_to_attack, DRY)
    mend(hub_to_attack, "dry-run")
    # The command that stands in the dry run's manifest still asks for what it did ask.
    told = {("hub.argv", DRY), ("hub.asked", DRY), ("manifest.subject", DRY)}
    assert verified(hub_to_attack) == {("hub.verdict", "real_run/stage.json"), *told}


@pytest.mark.parametrize("cited_anew", [False, True])
def test_another_plan_of_its_own_is_found_though_every_digest_was_mended(own_plan, cited_anew):
    replan(own_plan, OWN)
    if cited_anew:
        cite_anew(own_plan, OWN)
    mend(own_plan, "real-run")
    told = {("hub.asked", OWN), ("manifest.subject", OWN)}
    assert verified(own_plan) == {("hub.verdict", "real_run/stage.json"), *told}


def test_a_run_that_passes_for_a_plan_and_a_file_beside_a_plan_are_found(own_plan):
    edit(own_plan, OWN, lambda document: document.update(dry_run=False))
    cite_anew(own_plan, OWN)
    (own_plan / layout.PLAN / "note.txt").write_text("It was planned so.")
    mend(own_plan, "real-run")
    assert verified(own_plan) == {
        ("hub.verdict", "real_run/stage.json"),
        ("hub.extra", f"{layout.PLAN}/note.txt"),
    }


@pytest.mark.parametrize("attack", ["no plan", "lost plan", "totals"])
def test_a_plan_that_is_not_cited_lost_or_unsound_is_found(own_plan, attack):
    if attack == "no plan":
        edit(own_plan, "real_run/stage.json", lambda record: record.update(plan=None))
    elif attack == "lost plan":
        shutil.rmtree(own_plan / layout.PLAN)
    else:
        edit(own_plan, OWN, lambda document: document.update(total_jobs=3))
        cite_anew(own_plan, OWN)
    mend(own_plan, "real-run")
    expected = {
        "no plan": ("hub.verdict", "real_run/stage.json"),
        "lost plan": ("hub.verdict", "real_run/stage.json"),
        "totals": ("manifest.totals", OWN),
    }
    assert expected[attack] in verified(own_plan)
