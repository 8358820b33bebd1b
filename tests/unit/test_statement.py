"""in-toto statements and the crate say what the records say, and nothing else."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from harness import canonical, derived, hub, layout, publish, resources, schemas, statement, verify
from tests import small_tree
from tests.unit.test_verify import edit, mend

SCHEMAS = {
    layout.PROVENANCE: "intoto_provenance",
    layout.TEST_RESULT: "intoto_test_result",
}
FOLDERS = tuple(layout.STAGE_DIRECTORIES.values())
TESTED = ("red", "green")


def load(root, path):
    return json.loads((root / path).read_bytes())


def rules_by_file(root):
    found = verify.verify(hub.entries(root), publish.reader(root), resources.schema)
    return {(item.rule, item.where) for item in found}


def named(descriptors):
    return {each["name"]: each["digest"] for each in descriptors}


# What every hub has.


def test_every_stage_has_its_provenance_test_stages_their_results_the_hub_its_crate(complete_hub):
    provenance = {f"{folder}/{layout.PROVENANCE}" for folder in FOLDERS}
    results = {f"{stage}/{layout.TEST_RESULT}" for stage in TESTED}
    documents = derived.documents(publish.reader(complete_hub))
    assert provenance | results | {layout.SUMMARY, layout.CRATE} == documents.keys()
    for path, data in documents.items():
        assert (complete_hub / path).read_bytes() == data


@pytest.mark.parametrize("which", ["complete_hub", "failed_hub"])
def test_every_statement_fits_the_schema_of_its_kind(which, request):
    root = request.getfixturevalue(which)
    paths = list(root.rglob("*.intoto.json"))
    assert len(paths) >= 5
    for path in paths:
        name = SCHEMAS[path.name]
        found = schemas.check(
            json.loads(path.read_bytes()), resources.schema(name), name=name, where=path.name
        )
        assert found == ()


def test_no_document_names_a_place_of_a_machine_that_its_record_does_not(complete_hub):
    said = "".join(path.read_text() for path in complete_hub.glob("*/stage.json"))
    for path in (*complete_hub.rglob("*.intoto.json"), complete_hub / layout.CRATE):
        for place in re.findall(r'"((?:/|~/|file:)[^"]*)"', path.read_text()):
            assert place in said


# Provenance.


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_subjects_are_the_record_and_all_that_the_stage_left(complete_hub, folder):
    document = load(complete_hub, f"{folder}/{layout.PROVENANCE}")
    record = f"{folder}/{layout.STAGE_RECORD}"
    there = {
        entry.path: {"sha256": entry.sha256}
        for entry in hub.entries(complete_hub)
        if entry.path.startswith(f"{folder}/") and not entry.path.endswith(".intoto.json")
    }
    assert named(document["subject"]) == there
    (first, *_others) = document["subject"]
    assert first["name"] == record
    assert first["annotations"] == {"verdict": "pass", "exit_code": 0}


def test_the_materials_are_what_was_hashed_the_commit_the_marker_and_what_came_before(complete_hub):
    digests = load(complete_hub, "real_run/digests.json")["before"]
    record = load(complete_hub, "real_run/stage.json")
    document = load(complete_hub, f"real_run/{layout.PROVENANCE}")
    materials = named(document["predicate"]["buildDefinition"]["resolvedDependencies"])
    expected = {
        path: {"sha256": digest} for group in digests.values() for path, digest in group.items()
    }
    expected["hub.json"] = {"sha256": canonical.sha256((complete_hub / "hub.json").read_bytes())}
    for name in ("previous", "plan"):
        expected[record[name]["path"]] = {"sha256": record[name]["sha256"]}
    assert materials == expected
    assert len(digests["inputs"]) == 4


def test_a_commit_and_a_base_are_materials_where_the_record_knows_them(small_hub):
    def know(record):
        record["git"]["commit"] = "a" * 40
        record["settings"].update(base="base.npz", base_sha256="b" * 64)

    edit(small_hub, "cli/stage.json", know)
    document = json.loads(derived.documents(publish.reader(small_hub))[f"cli/{layout.PROVENANCE}"])
    materials = named(document["predicate"]["buildDefinition"]["resolvedDependencies"])
    assert materials["git commit"] == {"gitCommit": "a" * 40}
    assert materials["base.npz"] == {"sha256": "b" * 64}


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["--seed", "1", "--recipe", "../mine.toml"], "../mine.toml"),
        (["--recipe=../mine.toml"], "../mine.toml"),
        ([], "recipe default"),
    ],
)
def test_a_recipe_that_is_no_part_of_the_code_is_a_material(small_hub, options, name):
    def ask(record):
        record["settings"]["options"] = options

    def give(document):
        document["settings"]["recipe"].update(name="default", source_sha256="c" * 64)

    edit(small_hub, "cli/stage.json", ask)
    edit(small_hub, f"cli/{layout.MANIFEST}", give)
    found = derived.documents(publish.reader(small_hub))
    document = json.loads(found[f"cli/{layout.PROVENANCE}"])
    materials = named(document["predicate"]["buildDefinition"]["resolvedDependencies"])
    assert materials[name] == {"sha256": "c" * 64}
    assert f'"sha256":"{"c" * 64}"' in found[layout.CRATE].decode()


def test_materials_are_as_they_were_before_the_stage_and_what_was_not_there_is_none(small_hub):
    def drift(document):
        document["before"]["code"] = {"harness/a.py": "1" * 64, "harness/b.py": None}
        document["after"]["code"] = {"harness/a.py": "2" * 64, "harness/b.py": "3" * 64}

    edit(small_hub, "cli/digests.json", drift)
    document = json.loads(derived.documents(publish.reader(small_hub))[f"cli/{layout.PROVENANCE}"])
    materials = named(document["predicate"]["buildDefinition"]["resolvedDependencies"])
    code = {name: digest for name, digest in materials.items() if name.startswith("harness/")}
    assert code == {"harness/a.py": {"sha256": "1" * 64}}


def test_times_builder_and_parameters_are_those_of_the_record(complete_hub):
    record = load(complete_hub, "cli/stage.json")
    predicate = load(complete_hub, f"cli/{layout.PROVENANCE}")["predicate"]
    run = predicate["runDetails"]
    assert run["metadata"]["startedOn"] == record["started_at"].replace("+00:00", "Z")
    assert run["metadata"]["finishedOn"] == record["finished_at"].replace("+00:00", "Z")
    assert run["builder"]["id"].startswith("urn:ptycho-evidence:")
    assert run["builder"]["version"]["python"] == record["versions"]["python"]
    assert None not in run["builder"]["version"].values()
    definition = predicate["buildDefinition"]
    assert definition["externalParameters"]["stage"] == "dry-run"
    assert definition["externalParameters"]["options"] == record["settings"]["options"]
    assert [each["argv"] for each in definition["internalParameters"]["commands"]] == [
        each["argv"] for each in record["commands"]
    ]


def test_a_failed_stage_says_so_in_each_of_its_documents(failed_hub):
    for stage in ("red", "green", "real_run"):
        record = load(failed_hub, f"{stage}/stage.json")
        subject = load(failed_hub, f"{stage}/{layout.PROVENANCE}")["subject"][0]
        assert subject["annotations"] == {"verdict": "fail", "exit_code": record["exit_code"]}
    for stage in TESTED:
        predicate = load(failed_hub, f"{stage}/{layout.TEST_RESULT}")["predicate"]
        assert predicate["result"] == "FAILED"
        assert predicate["failedTests"] != []
    actions = [each for each in load(failed_hub, layout.CRATE)["@graph"] if is_action(each)]
    assert [each["actionStatus"] for each in actions] == [
        "http://schema.org/FailedActionStatus"
    ] * 3
    assert all("error [" in each["error"] for each in actions)


# Test results.


def test_green_lists_each_test_once_under_how_it_ended(complete_hub, failed_hub):
    module = "tests/study/test_small.py"
    passed = load(complete_hub, f"green/{layout.TEST_RESULT}")["predicate"]
    assert (passed["result"], passed["failedTests"]) == ("PASSED", [])
    assert passed["passedTests"] == [
        f"{module}::test_mapped",
        f"{module}::test_ptychi_log_has_a_suffix",
    ]
    failed = load(failed_hub, f"green/{layout.TEST_RESULT}")["predicate"]
    assert failed["failedTests"] == [f"{module}::test_mapped"]
    assert failed["passedTests"] == [f"{module}::test_ptychi_log_has_a_suffix"]


def test_red_lists_what_it_shows_so_that_a_proof_that_stands_has_passed(complete_hub, failed_hub):
    proved = load(complete_hub, f"red/{layout.TEST_RESULT}")["predicate"]
    assert (proved["result"], proved["failedTests"]) == ("PASSED", [])
    assert (
        "tests/study/test_small.py::test_mapped fails by assertion under fault renamed"
        in (proved["passedTests"])
    )
    unproved = load(failed_hub, f"red/{layout.TEST_RESULT}")["predicate"]
    assert (
        "tests/study/test_small.py::test_mapped fails by assertion under fault renamed"
        in (unproved["failedTests"])
    )


def test_a_result_is_of_the_code_and_its_configuration_the_tests_and_the_record(complete_hub):
    document = load(complete_hub, f"green/{layout.TEST_RESULT}")
    assert {name.partition("/")[0] for name in named(document["subject"])} == {"harness", "schemas"}
    configuration = named(document["predicate"]["configuration"])
    assert {
        "tests/study/test_small.py",
        "green/stage.json",
        "pyproject.toml",
    } <= configuration.keys()
    assert "harness/layout.py" not in configuration


def test_a_stage_that_ran_no_test_has_failed_and_lists_none(hub_to_attack):
    edit(
        hub_to_attack,
        "green/stage.json",
        lambda record: record.update(verdict="fail", exit_code=3, commands=[]),
    )
    (hub_to_attack / "red" / "proof.json").unlink()
    edit(hub_to_attack, "red/stage.json", lambda record: record.update(verdict="fail"))
    documents = derived.documents(publish.reader(hub_to_attack))
    for stage in TESTED:
        predicate = json.loads(documents[f"{stage}/{layout.TEST_RESULT}"])["predicate"]
        lists = (predicate["passedTests"], predicate["failedTests"])
        assert (predicate["result"], *lists) == ("FAILED", [], [])


# The crate.


def is_action(entity):
    return entity["@type"] == "CreateAction"


def test_the_crate_has_an_action_a_stage_and_each_file_with_its_digest(complete_hub):
    graph = {each["@id"]: each for each in load(complete_hub, layout.CRATE)["@graph"]}
    actions = [each for each in graph.values() if is_action(each)]
    assert [each["@id"] for each in actions] == [f"#{stage}" for stage in layout.STAGES]
    assert {each["actionStatus"] for each in actions} == {"http://schema.org/CompletedActionStatus"}
    files = {key: each["sha256"] for key, each in graph.items() if each["@type"] == "File"}
    assert files == {
        entry.path: entry.sha256
        for entry in hub.entries(complete_hub)
        if entry.path not in (layout.SEAL, layout.CRATE)
    }
    assert {each["@id"] for each in graph["./"]["hasPart"]} == files.keys()
    assert [each["@id"] for each in graph["./"]["mentions"]] == [each["@id"] for each in actions]


def test_the_crate_says_what_kind_each_file_is(complete_hub, failed_hub):
    for root in (complete_hub, failed_hub):
        graph = json.loads((root / layout.CRATE).read_text())["@graph"]
        kinds = {item["@id"]: item["encodingFormat"] for item in graph if item["@type"] == "File"}
        assert kinds[f"real_run/{layout.STUDY_COPY}"] == "application/toml"
        assert "application/octet-stream" not in kinds.values()


def test_every_reference_of_the_crate_is_an_entity_of_it(complete_hub, failed_hub):
    for root in (complete_hub, failed_hub):
        graph = load(root, layout.CRATE)["@graph"]
        known = {each["@id"] for each in graph}
        assert len(known) == len(graph)
        text = json.dumps([{**each, "@id": ""} for each in graph])
        cited = set(re.findall(r'\{"@id": "([^"]+)"\}', text))
        assert cited - known == {"https://w3id.org/ro/crate/1.1"}


def test_an_action_cites_the_inputs_as_they_were_hashed(complete_hub):
    graph = {each["@id"]: each for each in load(complete_hub, layout.CRATE)["@graph"]}
    inputs = load(complete_hub, "real_run/digests.json")["before"]["inputs"]
    objects = [graph[each["@id"]] for each in graph["#real-run"]["object"]]
    cited = {each["name"]: each["sha256"] for each in objects}
    assert inputs.items() <= cited.items()
    assert "cli/reconstruction_manifest.json" in cited


def test_a_name_that_no_uri_holds_as_it_is_is_escaped(hub_to_attack):
    odd = hub_to_attack / "cli" / "50% of #1.log"
    odd.write_bytes(b"x")
    mend(hub_to_attack, "dry-run")
    graph = load(hub_to_attack, layout.CRATE)["@graph"]
    assert "cli/50%25%20of%20%231.log" in {each["@id"] for each in graph}


# Attacks: the hub is sealed again after each.

DERIVED = [
    (f"red/{layout.PROVENANCE}", "hub.provenance"),
    (f"real_run/{layout.PROVENANCE}", "hub.provenance"),
    (f"green/{layout.TEST_RESULT}", "hub.test-result"),
    (layout.CRATE, "hub.crate"),
]


@pytest.mark.parametrize(("path", "rule"), DERIVED)
@pytest.mark.parametrize("attack", ["changed", "removed", "reformatted"])
def test_a_document_that_is_not_what_the_records_give_is_refused(hub_to_attack, path, rule, attack):
    place = hub_to_attack / path
    if attack == "changed":
        place.write_text(place.read_text().replace("2", "3", 1))
    elif attack == "removed":
        place.unlink()
    else:
        place.write_text(json.dumps(json.loads(place.read_text())))
    hub.seal_hub(hub_to_attack)
    assert (rule, path) in rules_by_file(hub_to_attack)


def test_a_test_result_of_a_stage_that_ran_no_tests_is_refused(hub_to_attack):
    shutil.copy(hub_to_attack / "green" / layout.TEST_RESULT, hub_to_attack / "collect")
    hub.seal_hub(hub_to_attack)
    assert ("hub.test-result", f"collect/{layout.TEST_RESULT}") in rules_by_file(hub_to_attack)


def test_a_crate_in_a_hub_without_a_stage_is_refused(tmp_path, tree):
    root = small_tree.new_hub(tree)
    assert rules_by_file(root) == set()
    (root / layout.CRATE).write_text("{}")
    hub.seal_hub(root)
    assert ("hub.crate", layout.CRATE) in rules_by_file(root)


def test_a_statement_of_a_failed_stage_that_claims_success_is_refused(failed_hub, tmp_path):
    root, path = shutil.copytree(failed_hub, tmp_path / "hub"), f"green/{layout.TEST_RESULT}"
    edit(root, path, lambda document: document["predicate"].update(result="PASSED"))
    hub.seal_hub(root)
    assert rules_by_file(root) - rules_by_file(failed_hub) == {("hub.test-result", path)}


def test_the_documents_of_earlier_stages_stay_as_they_are(tree):
    root = small_tree.new_hub(tree)
    small_tree.run_stage(tree, root, "dry-run")
    before = (root / "cli" / layout.PROVENANCE).stat()
    small_tree.run_stage(tree, root, "collect")
    after = (root / "cli" / layout.PROVENANCE).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert statement.BUILDER in (root / "collect" / layout.PROVENANCE).read_text()
