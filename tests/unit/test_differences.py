"""Two hubs compared: each kind of difference is named, and nothing else is one."""

from __future__ import annotations

import json
import shutil

import pytest

from harness import canonical, cli, differences, hub, layout, publish, resources, schemas
from tests import small_tree
from tests.unit.test_verify import edit

REAL = "real_run"
MANIFEST = f"{REAL}/{layout.MANIFEST}"
JOB = f"{REAL}/dose_1000/dense/train"
FIT = ("metrics", "without_truth", "r_factor")
CELL = "real-run dose_1000/dense/train"


def compare(one, other):
    hubs = {name: {"path": name, "head": "0" * 64} for name in ("a", "b")}
    record = differences.compare(publish.reader(one), publish.reader(other), hubs)
    assert schemas.check(record, resources.schema("diff"), name="diff", where="") == ()
    return record


def found(one, other):
    return {
        (item["kind"], item["what"], place)
        for item in compare(one, other)["differences"]
        for place in item["where"]
    }


def set_in(path, pointer, value):
    """Return a change of one value of a JSON document of a hub."""

    def change(root):
        def put(document):
            *parents, last = pointer
            for part in parents:
                document = document[part]
            document[last] = value

        edit(root, path, put)

    return change


STAGE_RED = "stage red"
FIRST_OUTCOME = "without a fault: tests/study/test_small.py::test_mapped"

CHANGES = [
    (MANIFEST, ("jobs", 1, "input_sha256"), "f" * 64, "inputs", "input_sha256", CELL),
    (MANIFEST, ("input_roots", "phase_c"), "x", "inputs", "root phase_c", "stage real-run"),
    (MANIFEST, ("execution_results", 1, "n_accepted"), 7, "inputs", "n_accepted", CELL),
    ("green/stage.json", ("git", "commit"), "abc", "code", "git commit", "stage green"),
    ("green/stage.json", ("git", "dirty"), 1, "code", "git dirty", "stage green"),
    ("red/stage.json", ("code_sha256",), "f" * 64, "code", "code_sha256", "stage red"),
    (MANIFEST, ("settings", "seed"), 12, "options", "settings seed", "stage real-run"),
    ("cli/stage.json", ("settings", "preset"), "default", "options", "preset", "stage dry-run"),
    ("cli/stage.json", ("settings", "options"), ["-x"], "options", "options", "stage dry-run"),
    (MANIFEST, ("jobs", 1, "gridsize"), 9, "options", "gridsize", CELL),
    (f"{JOB}/result.json", ("options_changed", "a.b"), {"used": 1}, "options", "a.b", CELL),
    ("cli/stage.json", ("versions", "numpy"), "1", "environment", "version numpy", "stage dry-run"),
    ("cli/stage.json", ("host", "cores"), 99, "environment", "host cores", "stage dry-run"),
    (f"{JOB}/result.json", ("versions", "torch"), "1", "environment", "version torch", CELL),
    (f"{JOB}/result.json", ("threads",), 2, "environment", "threads", CELL),
    (f"{JOB}/result.json", ("device", "used"), "cuda", "environment", "device used", CELL),
    ("green/stage.json", ("verdict",), "fail", "outcomes", "verdict", "stage green"),
    ("green/stage.json", ("tests", "passed"), 3, "outcomes", "tests passed", "stage green"),
    ("green/stage.json", ("gates", 0, "verdict"), "fail", "outcomes", "gate inputs", "stage green"),
    (
        "red/stage.json",
        ("settings", "study_sha256"),
        "f" * 64,
        "options",
        "study_sha256",
        STAGE_RED,
    ),
    ("red/stage.json", ("settings", "base_sha256"), "f" * 64, "options", "base_sha256", STAGE_RED),
    (
        *("green/stage.json", ("commands", 0, "environment_set", "PYTHONPATH"), "elsewhere"),
        *("environment", "variable PYTHONPATH of mapped", "stage green"),
    ),
    (
        "green/digests.json",
        ("before", "code", "Makefile"),
        "f" * 64,
        "code",
        "Makefile",
        "stage green",
    ),
    (
        "green/digests.json",
        ("before", "inputs", "a.npz"),
        "f" * 64,
        "inputs",
        "a.npz",
        "stage green",
    ),
    ("red/proof.json", ("outcomes", 0, "outcome"), "error", "outcomes", FIRST_OUTCOME, STAGE_RED),
    ("red/proof.json", ("faults", 0, "replace"), "0", "options", "fault renamed", STAGE_RED),
    ("red/proof.json", ("base",), {"commit": "abc"}, "options", "base of red", STAGE_RED),
    (f"{JOB}/result.json", ("stopping", "delivered_epoch"), 1, "outcomes", "delivered epoch", CELL),
    (MANIFEST, ("execution_results", 1, "returncode"), 4, "outcomes", "return code", CELL),
    (MANIFEST, ("execution_results", 1, "final_loss"), 4, "metrics", "final_loss", CELL),
    (f"{JOB}/result.json", ("truth", "nrmse"), 0.1, "metrics", "truth error (nrmse)", CELL),
    (f"{JOB}/result.json", FIT, 0.2, "metrics", "r factor", CELL),
]


@pytest.mark.parametrize(
    ("path", "pointer", "value", "kind", "what", "where"),
    CHANGES,
    ids=[f"{change[3]} {change[4]}" for change in CHANGES],
)
def test_a_changed_fact_is_the_one_difference(
    complete_hub, hub_to_attack, path, pointer, value, kind, what, where
):
    jobs = json.loads((complete_hub / MANIFEST).read_bytes())["jobs"]
    assert jobs[1]["output_dir"] == JOB
    set_in(path, pointer, value)(hub_to_attack)
    assert found(complete_hub, hub_to_attack) == {(kind, what, where)}


def test_a_hub_and_its_copy_do_not_differ(complete_hub, hub_to_attack, capsys):
    assert cli.main(["diff", str(complete_hub), str(hub_to_attack)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "no difference"
    assert "inputs: no difference" in said


def test_two_runs_of_the_same_do_not_differ_in_spite_of_their_times(tree, sealed_hub):
    again = small_tree.new_hub(tree)
    assert small_tree.run_stage(tree, again, "dry-run") == 0
    # The tests' trees lie at two places.
    place = ("environment", "variable PYTHONPATH of reconstruction", "stage dry-run")
    assert found(sealed_hub, again) == {place}
    assert compare(sealed_hub, again)["compared"][:2] == ["hub", "stage dry-run"]


def test_times_and_durations_are_no_differences(complete_hub, hub_to_attack):
    def shift(document):
        for name in ("created_at", "updated_at", "started_at", "finished_at", "elapsed_s"):
            if name in document:
                document[name] = 1.5 if name == "elapsed_s" else "2001-01-01T00:00:00.000+00:00"
        for name in ("wall_s", "cpu_s", "peak_memory_bytes"):
            if name in document:
                document[name] = 1
        for part in (*document.get("execution_results", ()), *document.get("commands", ())):
            part |= {"started_at": "x", "finished_at": "y", "elapsed_s": 2.5}

    for path in ("hub.json", MANIFEST, f"{REAL}/stage.json", f"{JOB}/result.json"):
        edit(hub_to_attack, path, shift)
    assert found(complete_hub, hub_to_attack) == set()


def test_a_stage_or_cell_that_one_hub_lacks_is_one_difference(complete_hub, hub_to_attack):
    shutil.rmtree(hub_to_attack / "green")
    edit(hub_to_attack, f"cli/{layout.MANIFEST}", lambda document: document["jobs"].pop() and None)
    cell = "dry-run dose_100000/sparse/test"
    assert found(complete_hub, hub_to_attack) == {
        ("outcomes", "recorded", "stage green"),
        ("outcomes", "recorded", cell),
    }
    (item,) = compare(complete_hub, hub_to_attack)["differences"]
    assert (item["a"], item["b"], item["where"]) == (True, False, [cell, "stage green"][::-1])


def test_a_cell_skipped_in_one_hub_and_run_in_the_other_is_one_difference(
    complete_hub, hub_to_attack
):
    skips = f"{REAL}/{layout.SKIP_SUMMARY}"
    cell = {"dose": 1000, "view": "dense", "split": "train"}
    edit(hub_to_attack, MANIFEST, lambda document: document["jobs"].pop(1) and None)
    skip = {**cell, "reason": "why", "reasons": ["why"]}
    edit(hub_to_attack, skips, lambda document: document["skipped_jobs"].append(skip))
    (item,) = compare(complete_hub, hub_to_attack)["differences"]
    assert item == {
        "kind": "outcomes", "what": "status", "a": "succeeded", "b": "skipped", "where": [CELL],
    }  # fmt: skip


def test_a_failed_job_s_absent_attestation_is_no_difference_of_its_own(tree, complete_hub):
    other = small_tree.new_hub(tree)
    assert small_tree.run_stage(tree, other, "real-run", child="--exit-for train=3") == 1
    record = compare(complete_hub, other)
    cells = [item for item in record["differences"] if CELL in item["where"]]
    assert {item["what"] for item in cells} == {"status", "return code", "final_loss"}
    (status,) = [item for item in cells if item["what"] == "status"]
    assert (status["a"], status["b"]) == ("succeeded", "failed")
    assert len(status["where"]) == 2, "the same difference at two places is said once"


def test_the_command_says_what_differs_as_text_and_as_json(complete_hub, hub_to_attack, capsys):
    set_in(MANIFEST, ("settings", "seed"), 12)(hub_to_attack)
    head = hub.seal_hub(hub_to_attack)

    assert cli.main(["diff", str(complete_hub), str(hub_to_attack)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert f"b: {hub_to_attack}, head {head}" in said
    seed = json.loads((complete_hub / MANIFEST).read_bytes())["settings"]["seed"]
    assert f"  settings seed: {seed} -> 12 (stage real-run)" in said
    assert "options: 1 difference" in said
    assert said[-1] == "1 difference"

    assert cli.main(["diff", str(complete_hub), str(hub_to_attack), "--format=json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["hubs"]["b"]["head"] == head
    assert [item["what"] for item in record["differences"]] == ["settings seed"]


def test_many_places_are_shortened_in_text_and_all_there_in_the_record(complete_hub, hub_to_attack):
    def change(document):
        for job in document["jobs"]:
            job["input_sha256"] = "f" * 64
        for job in document["jobs"]:
            job["gridsize"] = 9

    edit(hub_to_attack, f"cli/{layout.MANIFEST}", change)
    record = compare(complete_hub, hub_to_attack)
    (item,) = [each for each in record["differences"] if each["a"] == 1]
    assert len(item["where"]) == 6
    line = next(line for line in differences.as_text(record) if "gridsize: 1 -> 9" in line)
    assert line.endswith("and 3 more)")


def test_the_text_says_values_in_words_and_the_record_keeps_them(complete_hub, hub_to_attack):
    set_in("green/stage.json", ("git", "commit"), "abc")(hub_to_attack)
    set_in("green/stage.json", ("interrupted",), True)(hub_to_attack)
    record = compare(complete_hub, hub_to_attack)
    assert {(item["what"], item["b"]) for item in record["differences"]} == {
        ("git commit", "abc"),
        ("interrupted", True),
    }
    said = "\n".join(differences.as_text(record))
    assert "interrupted: no -> yes (stage green)" in said
    assert "git commit: nothing -> abc (stage green)" in said
    assert not {"None", "True", "False"} & set(said.split())


def test_a_replaced_reconstruction_is_a_difference_whatever_is_attested_of_it(
    complete_hub, hub_to_attack
):
    (hub_to_attack / JOB / layout.RECONSTRUCTION).write_bytes(b"better")
    assert found(complete_hub, hub_to_attack) == {
        ("outcomes", "sha256 of reconstruction.npz", CELL)
    }


def test_what_is_no_hub_ends_with_2(complete_hub, tmp_path, capsys):
    for words in ([complete_hub, tmp_path], [tmp_path / "gone", complete_hub]):
        assert cli.main(["diff", *map(str, words)]) == 2
        assert "is not a hub" in capsys.readouterr().err


@pytest.mark.parametrize("path", ["hub.json", MANIFEST, f"{JOB}/{layout.RECONSTRUCTION}"])
def test_a_hub_that_differs_from_its_seal_ends_with_4(complete_hub, hub_to_attack, path, capsys):
    (hub_to_attack / path).unlink()
    for words in ([complete_hub, hub_to_attack], [hub_to_attack, complete_hub]):
        assert cli.main(["diff", *map(str, words)]) == 4
        said = capsys.readouterr()
        assert f"[seal.lost] {path}" in said.err
        assert str(hub_to_attack) in said.err
        assert said.out == ""


@pytest.mark.parametrize(
    ("path", "rule"),
    [(MANIFEST, "schema.manifest"), (f"{JOB}/result.json", "schema.attestation")],
)
def test_a_sealed_hub_whose_records_are_broken_ends_with_4(
    complete_hub, hub_to_attack, path, rule, capsys
):
    (hub_to_attack / path).write_bytes(canonical.to_bytes({}))
    hub.seal_hub(hub_to_attack)
    assert cli.main(["diff", str(complete_hub), str(hub_to_attack)]) == 4
    assert rule in capsys.readouterr().err


def test_no_value_of_a_hub_begins_a_line_of_its_own():
    document = {
        "format": differences.FORMAT,
        "hubs": {"a": {"path": "a", "head": "0"}, "b": {"path": "b", "head": "1"}},
        "compared": ["hub"],
        "differences": [
            {"kind": "options", "what": "x\ny", "a": "1\n2", "b": "\x1b[2J", "where": ["p\nq"]}
        ],
    }
    lines = differences.as_text(document)
    assert "  x\\ny: 1\\n2 -> \\x1b[2J (p\\nq)" in lines
    assert not any("\n" in line for line in lines)
