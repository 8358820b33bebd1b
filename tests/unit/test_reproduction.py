"""Jobs of a hub run again: identical, within, different or failed, and a hub that says so."""

from __future__ import annotations

import compileall
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from harness import (
    canonical,
    cli,
    dispatch,
    hub,
    layout,
    manifest,
    model,
    publish,
    records,
    reproduction,
    rerun,
    resources,
    rules,
    schemas,
    verify,
)
from harness.errors import NothingSelected
from harness.manifest import key_of
from tests import small_tree
from tests.attack import attacks, hubs, table
from tests.unit.test_verify import edit

JOB = "dose_1000/dense/train"
MANIFEST = f"real_run/{layout.MANIFEST}"
RECORD = f"{layout.REPRODUCE}/{layout.REPRODUCTION}"
# One in so many of the attacks.
FILES_ONE_IN, VALUES_ONE_IN = 5, 11
EVERYWHERE = (slice(None), slice(None))


def findings(root):
    return verify.verify(hub.entries(root), publish.reader(root), resources.schema)


@pytest.fixture
def reproduce(tree, complete_hub, monkeypatch, capfd):
    """Run the command in a small repository: `reproduce(hub, *words, child="")`.

    Gives the exit code, the new hub (None where there is none) and what was said.  A function set
    as its `meanwhile` is called when the jobs have run, before anything is compared.
    """

    run_jobs = dispatch.Dispatch.run

    def run_and_meanwhile(self, jobs, **options):
        code = run_jobs(self, jobs, **options)
        getattr(work, "meanwhile", lambda: None)()
        return code

    def work(root, *words, child=""):
        monkeypatch.chdir(tree)
        monkeypatch.setenv(small_tree.CHILD_WORDS, child)
        monkeypatch.setenv("PYTHONPATH", str(tree))
        monkeypatch.setattr(rerun, "REPOSITORY", tree)
        monkeypatch.setattr(model, "CHILD_NEEDS", getattr(work, "needs", ()))
        monkeypatch.setattr(dispatch.Dispatch, "run", run_and_meanwhile)
        code = cli.main(["reproduce", str(root), *words])
        said = capfd.readouterr()
        made = sorted(Path(layout.reports(small_tree.INITIATIVE)).glob("*/reproduction"))
        return code, made[-1] if made else None, said.out + said.err

    return work


@pytest.fixture
def reproduced(reproduce, complete_hub):
    """A hub that holds one job run again, identical."""
    code, made, _ = reproduce(complete_hub, "--job", JOB)
    assert code == 0
    return made


def record_of(made):
    return json.loads((made / RECORD).read_bytes())


def verdicts(made):
    return {str(key_of(job)): job["verdict"] for job in record_of(made)["jobs"]}


def test_all_jobs_that_succeeded_are_run_again_and_are_identical(
    reproduce, complete_hub, tmp_path, monkeypatch
):
    before = small_tree.digests(complete_hub)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))

    code, made, said = reproduce(complete_hub)

    assert code == 0, said
    assert set(verdicts(made).values()) == {"identical"}
    assert len(verdicts(made)) == 4
    record = record_of(made)
    assert record["original"]["head_sha256"] == hub.head(complete_hub)
    assert (record["verdict"], record["exit_code"]) == ("pass", 0)
    assert record["tolerance"] == {"object_nrmse": reproduction.OBJECT_TOLERANCES["gaussian"]}
    assert [array["name"] for array in record["jobs"][0]["arrays"]] == [
        "loss_per_epoch",
        "object",
        "positions_x_px",
        "positions_y_px",
        "truth_nrmse_per_epoch",
    ]
    assert findings(made) == ()
    assert cli.main(["verify", str(made)]) == 0
    assert small_tree.digests(complete_hub) == before, "the original is only read"
    assert f"{JOB}: identical, aligned objects differ by 0" in said.splitlines()
    assert rerun.AS_IT_WAS not in said
    assert f"head sha256 {hub.head(made)}" in said
    told_ci = (tmp_path / "summary.md").read_text()
    assert told_ci.endswith(f"after reproduce: head sha256 `{hub.head(made)}`\n")
    assert str(complete_hub.parent) not in (made / RECORD).read_text()


def test_without_the_child_s_packages_nothing_is_run_again_and_no_hub_is_left(
    reproduce, complete_hub
):
    reproduce.needs = ("numpy", "no_such_package")
    code, made, said = reproduce(complete_hub)
    assert (code, made) == (3, None)
    assert said.startswith("error: POLICY-001: no no_such_package in ")
    assert "make env" in said
    assert len(said.splitlines()) == 1


def test_one_job_can_be_chosen_and_the_others_are_skips(reproduced):
    assert verdicts(reproduced) == {JOB: "identical"}
    skips = json.loads((reproduced / layout.REPRODUCE / layout.SKIP_SUMMARY).read_bytes())
    assert skips["skipped_count"] == 17
    reasons = [skip["reason"] for skip in skips["skipped_jobs"]]
    assert reasons.count("not run again: succeeded in the original hub") == 3
    home = reproduced / layout.REPRODUCE / JOB
    assert {"ptychi.log", "run.log", "result.json"} <= {path.name for path in home.iterdir()}


@pytest.fixture
def made_elsewhere(hub_to_attack):
    """A hub whose real run had another matplotlib, so that bytes need not be the same."""
    versions = {"matplotlib": "1.0"}
    edit(hub_to_attack, "real_run/stage.json", lambda each: each["versions"].update(versions))
    hub.seal_hub(hub_to_attack)
    return hub_to_attack


@pytest.mark.parametrize(
    ("off", "verdict", "expected"), [("1e-4", "within", 0), ("5", "different", 1)]
)
def test_an_object_that_is_off_elsewhere_is_within_the_tolerance_or_different(
    reproduce, made_elsewhere, off, verdict, expected
):
    code, made, said = reproduce(made_elsewhere, "--job", JOB, child=f"--object-off {off}")
    assert code == expected, said
    assert verdicts(made) == {JOB: verdict}
    assert record_of(made)["verdict"] == ("fail" if expected else "pass")
    nrmse = record_of(made)["jobs"][0]["object_nrmse"]
    assert (nrmse > reproduction.OBJECT_TOLERANCES["gaussian"]) == (verdict == "different")
    assert findings(made) == ()


def test_an_object_that_is_off_where_bytes_repeat_is_different(reproduce, complete_hub, capfd):
    code, made, said = reproduce(complete_hub, "--job", JOB, child="--object-off 1e-4")
    assert (code, verdicts(made)) == (1, {JOB: "different"})
    (job,) = record_of(made)["jobs"]
    assert job["repeats"] is True
    assert job["object_nrmse"] < reproduction.OBJECT_TOLERANCES["gaussian"]
    assert rerun.AS_IT_WAS in said.splitlines()
    assert findings(made) == ()
    words = ["verify", str(made), "--original", str(complete_hub)]
    assert cli.main(words) == 0
    edit(made, RECORD, excuse)
    publish.derive_and_seal(made)
    assert findings(made) == ()
    assert cli.main(words) == 4
    assert f"[reproduce.original] {RECORD}: /jobs/0/repeats: " in capfd.readouterr().err


def test_bytes_that_a_run_does_not_promise_are_not_said_to_repeat(reproduced):
    result = f"{layout.REPRODUCE}/{JOB}/{layout.RESULT}"
    assert record_of(reproduced)["jobs"][0]["repeats"] is True
    edit(reproduced, result, lambda said: said["determinism"].update(bitwise=False))
    publish.derive_and_seal(reproduced)
    assert ("hub.reproduction", "/jobs/0/repeats") in {
        (item.rule, item.pointer) for item in findings(reproduced)
    }


def excuse(record):
    record["jobs"][0].update(repeats=False, verdict="within")
    record.update(verdict="pass", exit_code=0)


def test_a_run_that_does_not_promise_its_bytes_is_not_held_to_them(reproduce, hub_to_attack):
    result = f"real_run/{JOB}/{layout.RESULT}"
    edit(hub_to_attack, result, lambda said: said["determinism"].update(bitwise=False))
    hub.seal_hub(hub_to_attack)
    code, made, _ = reproduce(hub_to_attack, "--job", JOB, child="--object-off 1e-4")
    assert (code, verdicts(made)) == (0, {JOB: "within"})
    assert record_of(made)["jobs"][0]["repeats"] is False


@pytest.mark.parametrize("data", [b"{}", None])
def test_an_original_without_a_readable_attestation_is_no_way_round(reproduce, hub_to_attack, data):
    result = hub_to_attack / "real_run" / JOB / layout.RESULT
    result.unlink()
    if data is not None:
        result.write_bytes(data)
    hub.seal_hub(hub_to_attack)
    code, made, _ = reproduce(hub_to_attack, "--job", JOB, child="--object-off 1e-4")
    assert code == 4 if data else verdicts(made) == {JOB: "different"}


def test_a_tampered_reconstruction_in_a_resealed_hub_is_different(reproduce, hub_to_attack):
    path = hub_to_attack / "real_run" / JOB / layout.RECONSTRUCTION
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["object"][2, 3] *= 1.5
    np.savez(path, **arrays)
    hub.seal_hub(hub_to_attack)

    code, made, said = reproduce(hub_to_attack, "--job", JOB)

    assert (code, verdicts(made)) == (1, {JOB: "different"}), said
    assert findings(made) == ()


def test_arrays_that_differ_beside_the_same_object_are_named(reproduce, hub_to_attack):
    path = hub_to_attack / "real_run" / JOB / layout.RECONSTRUCTION
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["loss_per_epoch"] *= 0.5
    arrays["positions_x_px"] += 1
    np.savez(path, **arrays)
    hub.seal_hub(hub_to_attack)

    code, made, said = reproduce(hub_to_attack, "--job", JOB)

    assert (code, verdicts(made)) == (1, {JOB: "different"}), said
    lines = said.splitlines()
    names = "loss_per_epoch, positions_x_px"
    assert f"{JOB}: different, aligned objects differ by 0; not the same: {names}" in lines
    assert rerun.AS_IT_WAS in lines


def test_an_array_that_only_one_of_both_has_is_named(reproduce, hub_to_attack):
    path = hub_to_attack / "real_run" / JOB / layout.RECONSTRUCTION
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files if name != "positions_x_px"}
    np.savez(path, **arrays)
    hub.seal_hub(hub_to_attack)

    _, _, said = reproduce(hub_to_attack, "--job", JOB)

    words = "different, aligned objects differ by 0; not the same: positions_x_px"
    assert f"{JOB}: {words}" in said.splitlines()


def test_a_reconstruction_that_is_no_npz_is_different_and_the_record_says_why(
    reproduce, hub_to_attack
):
    path = hub_to_attack / "real_run" / JOB / layout.RECONSTRUCTION
    path.write_bytes(b"better")
    hub.seal_hub(hub_to_attack)
    code, made, said = reproduce(hub_to_attack, "--job", JOB)
    assert (code, verdicts(made)) == (1, {JOB: "different"})
    assert [item["rule"] for item in record_of(made)["jobs"][0]["findings"]] == ["npz.not-a-zip"]
    assert "npz.not-a-zip" in said
    assert findings(made) == ()


def test_an_original_cannot_choose_the_region_over_which_it_is_compared(reproduce, hub_to_attack):
    path = hub_to_attack / "real_run" / JOB / layout.RECONSTRUCTION
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["object"][2, 3] *= 1.5
    np.savez(path, **arrays)
    one_pixel = {"rows": [1, 2], "columns": [0, 1]}
    result = f"real_run/{JOB}/{layout.RESULT}"
    edit(hub_to_attack, result, lambda document: document["truth"].update(region_px=one_pixel))
    hub.seal_hub(hub_to_attack)
    code, made, _ = reproduce(hub_to_attack, "--job", JOB)
    assert (code, verdicts(made)) == (1, {JOB: "different"})


def test_an_original_that_is_changed_while_its_jobs_run_is_different(reproduce, hub_to_attack):
    path = hub_to_attack / "real_run" / JOB / layout.RECONSTRUCTION
    reproduce.meanwhile = lambda: path.write_bytes(path.read_bytes() + b" ")
    code, made, said = reproduce(hub_to_attack, "--job", JOB)
    assert (code, verdicts(made)) == (1, {JOB: "different"})
    assert f"[seal.digest] original real_run/{JOB}/{layout.RECONSTRUCTION}" in said


@pytest.mark.parametrize("more", [b" ", b""])
@pytest.mark.parametrize("name", ["harness/layout.py", "phase_d/dose_1000/dense/dense_train.npz"])
def test_code_or_an_input_that_changes_meanwhile_voids_a_reproduction(
    reproduce, complete_hub, tree, name, more
):
    place = tree / layout.scratch(small_tree.INITIATIVE, "smoke") if "phase" in name else tree

    def change():
        data = (place / name).read_bytes()
        (place / name).unlink()
        (place / name).write_bytes(data + more)

    reproduce.meanwhile = change
    code, made, said = reproduce(complete_hub, "--job", JOB)
    assert (code, record_of(made)["verdict"], verdicts(made)) == (1, "fail", {JOB: "identical"})
    assert f"error [stage.drift] {name}" in said
    assert findings(made) == ()


def test_whoever_runs_python_meanwhile_does_not_void_a_reproduction(reproduce, complete_hub, tree):
    for cache in (tree / "tests").rglob("__pycache__"):
        shutil.rmtree(cache)
    reproduce.meanwhile = lambda: compileall.compile_dir(tree / "tests", quiet=1)
    code, _, said = reproduce(complete_hub, "--job", JOB)
    assert code == 0, said


def test_what_is_not_as_in_the_original_run_is_noted(reproduce, hub_to_attack):
    stage = "real_run/stage.json"
    edit(hub_to_attack, stage, lambda record: record["versions"].update(torch="1.0"))
    hub.seal_hub(hub_to_attack)
    code, made, said = reproduce(hub_to_attack, "--job", JOB)
    assert (code, verdicts(made)) == (0, {JOB: "identical"})
    noted = [(item["rule"], item["pointer"]) for item in record_of(made)["findings"]]
    assert noted == [("reproduce.surroundings", "/versions/torch")]
    assert "expected 1.0" in said


def test_a_job_that_fails_when_run_again_is_said_to_have_failed(reproduce, complete_hub):
    code, made, said = reproduce(complete_hub, "--job", JOB, child="--exit 3")
    assert (code, verdicts(made)) == (1, {JOB: "failed"})
    assert record_of(made)["jobs"][0]["returncode"] == 3
    assert findings(made) == ()
    assert "last words of train" in said


def test_a_child_that_attests_another_seed_has_failed(reproduce, complete_hub):
    code, made, _ = reproduce(complete_hub, "--job", JOB, child="--lie seed=5")
    assert (code, verdicts(made)) == (1, {JOB: "failed"})


def test_an_interrupted_reproduction_is_recorded_and_sealed(reproduce, complete_hub):
    def interrupt():
        raise KeyboardInterrupt

    reproduce.meanwhile = interrupt
    code, made, _ = reproduce(complete_hub, "--job", JOB)
    assert code == 130
    assert record_of(made)["interrupted"] is True
    assert findings(made) == ()


def test_an_input_that_is_another_one_or_gone_ends_with_3_and_leaves_no_hub(
    reproduce, complete_hub, tree
):
    place = tree / layout.scratch(small_tree.INITIATIVE, "smoke") / "phase_d"
    path = place / "dose_1000" / "dense" / "dense_train.npz"
    data = path.read_bytes()
    path.unlink()
    for content, found in ((None, "[npz.missing]"), (b"x", "no NPZ"), (data + b"x", "found")):
        if content is not None:
            path.write_bytes(content)
        code, made, said = reproduce(complete_hub)
        assert (code, made) == (3, None)
        assert "[reproduce.input]" in said
        assert "phase_d/dose_1000/dense/dense_train.npz" in said
        assert "make inputs" in said
        assert found in said


def test_a_job_that_the_hub_does_not_have_ends_with_2_and_names_those_that_it_has(
    reproduce, complete_hub, sealed_hub, tmp_path
):
    code, made, said = reproduce(complete_hub, "--job", "dose_7/dense/train")
    assert (code, made) == (2, None)
    assert f"valid: dose_1000/baseline/train, {JOB}" in said
    code, made, said = reproduce(sealed_hub)
    assert (code, made) == (2, None)
    assert "holds no real run" in said
    assert reproduce(tmp_path)[0] == 2


def test_a_hub_that_differs_from_its_seal_or_contradicts_itself_ends_with_4(
    reproduce, hub_to_attack
):
    edit(hub_to_attack, MANIFEST, lambda document: document["settings"].update(seed=4))
    assert reproduce(hub_to_attack)[:2] == (4, None)
    hub.seal_hub(hub_to_attack)
    code, made, said = reproduce(hub_to_attack)
    assert (code, made) == (4, None)
    assert "manifest.plan-digest" in said


def leave_by_view(root):
    def rename(document):
        document["study"]["views"][1]["name"] = "../../../../../stolen"
        for each in (*document["jobs"], *document["execution_results"]):
            each["view"] = each["view"].replace("dense", "../../../../../stolen")
        jobs, settings = document["jobs"], document["settings"]
        document["plan_sha256"] = manifest.plan_digest(jobs, settings)

    def rename_skips(document):
        for each in document["skipped_jobs"]:
            each["view"] = each["view"].replace("dense", "../../../../../stolen")

    edit(root, MANIFEST, rename)
    edit(root, f"real_run/{layout.SKIP_SUMMARY}", rename_skips)


def leave_by_initiative(root):
    edit(root, "hub.json", lambda marker: marker.update(initiative="../../stolen"))


@pytest.mark.parametrize(
    ("attack", "rule"), [(leave_by_view, "manifest.path"), (leave_by_initiative, "schema.hub")]
)
def test_a_hub_cannot_make_a_reproduction_write_elsewhere(
    reproduce, hub_to_attack, tree, attack, rule
):
    attack(hub_to_attack)
    hub.seal_hub(hub_to_attack)
    before = {path for path in tree.parent.rglob("*") if "__pycache__" not in path.parts}
    code, made, said = reproduce(hub_to_attack)
    assert (code, made) == (4, None)
    assert f"[{rule}]" in said
    after = {path for path in tree.parent.rglob("*") if "__pycache__" not in path.parts}
    assert after == before


def test_inputs_of_a_user_whom_this_machine_lacks_are_gone(reproduce, hub_to_attack):
    roots = {name: f"~no-such-user/{name}" for name in ("phase_c", "phase_d")}
    edit(hub_to_attack, MANIFEST, lambda document: document.update(input_roots=roots))
    hub.seal_hub(hub_to_attack)
    code, made, said = reproduce(hub_to_attack)
    assert (code, made) == (3, None)
    assert "[reproduce.input]" in said
    assert "~no-such-user/phase_c" in said


def test_inputs_under_the_home_folder_are_found(reproduce, hub_to_attack, tree, monkeypatch):
    home = tree.parent / "home"
    (tree / "tmp").rename(home)
    monkeypatch.setenv("HOME", str(home))
    edit(
        hub_to_attack,
        MANIFEST,
        lambda document: document.update(
            input_roots={
                name: root.replace("tmp/", "~/") for name, root in document["input_roots"].items()
            }
        ),
    )
    hub.seal_hub(hub_to_attack)
    code, made, said = reproduce(hub_to_attack, "--job", JOB)
    assert (code, verdicts(made)) == (0, {JOB: "identical"}), said


def test_reproductions_are_listed_among_the_hubs_with_their_verdict(reproduced):
    lines = publish.list_hubs(reproduced.parents[1])
    assert any(line.endswith("/reproduction: reproduction pass") for line in lines)


def test_only_jobs_that_succeeded_can_be_chosen():
    job = {"dose": 1, "view": "a", "split": "b", "status": "failed"}
    with pytest.raises(NothingSelected):
        reproduction.choose({"jobs": [job]}, ())


# What verify says of a reproduction that was tampered with and sealed again.


def turn_verdict(root):
    edit(root, RECORD, lambda record: record["jobs"][0].update(verdict="within"))


def turn_overall(root):
    edit(root, RECORD, lambda record: record.update(verdict="fail"))


def turn_code(root):
    edit(root, RECORD, lambda record: record.update(exit_code=1))


def change_array(root):
    edit(root, RECORD, lambda record: record["jobs"][0]["arrays"][0].update(sha256="0" * 64))


def zero_both_digests(root):
    zeros = {"original_sha256": "0" * 64, "sha256": "0" * 64}

    def change(record):
        for each in record["jobs"][0]["arrays"]:
            each.update(zeros)

    edit(root, RECORD, change)


def drop_arrays(root):
    edit(root, RECORD, lambda record: record["jobs"][0]["arrays"].__delitem__(slice(1, None)))


def repeat_an_array(root):
    def change(record):
        arrays = record["jobs"][0]["arrays"]
        arrays.append(arrays[0])

    edit(root, RECORD, change)


def change_versions(root):
    edit(root, RECORD, lambda record: record["versions"].update(numpy="0.1"))


def change_digest(root):
    edit(root, RECORD, lambda record: record["jobs"][0].update(sha256="0" * 64))


def change_returncode(root):
    edit(root, RECORD, lambda record: record["jobs"][0].update(returncode=1))


def add_a_job(root):
    edit(root, RECORD, lambda record: record["jobs"].append({**record["jobs"][0], "dose": 5}))


def drop_manifest(root):
    (root / layout.REPRODUCE / layout.MANIFEST).unlink()


def drop_digests(root):
    (root / layout.REPRODUCE / layout.DIGESTS).unlink()


def change_asked(root):
    edit(root, RECORD, lambda record: record.update(asked=["dose_1000/dense/test"]))


def ask_for_all(root):
    edit(root, RECORD, lambda record: record.update(asked=[]))


def loosen_tolerance(root):
    edit(root, RECORD, lambda record: record["tolerance"].update(object_nrmse=0.5))


def change_code(root):
    edit(root, RECORD, lambda record: record.update(code_sha256="0" * 64))


def drift_unsaid(root):
    digests = f"{layout.REPRODUCE}/{layout.DIGESTS}"
    edit(root, digests, lambda both: both["after"]["code"].update({"Makefile": "0" * 64}))


def change_gate(root):
    edit(root, RECORD, lambda record: record["gates"][0].update(checked=7))


def change_gate_s_subject(root):
    edit(root, RECORD, lambda record: record["gates"][1].update(subject_sha256="0" * 64))


def start_a_year_earlier(root):
    edit(root, RECORD, lambda record: record.update(started_at="2020-01-01T00:00:00.000+00:00"))


def end_before_its_jobs(root):
    edit(
        root,
        RECORD,
        lambda record: record.update(
            started_at="2020-01-01T00:00:00.000+00:00",
            finished_at="2020-01-01T00:00:01.000+00:00",
            elapsed_s=1.0,
        ),
    )


def change_filters(root):
    edit(root, RECORD, lambda record: record["settings"]["filters"].update(view=["dense"]))


def add_a_file(root):
    (root / layout.REPRODUCE / "opinion.md").write_text("It went well.")


def replace_the_statement(root):
    (root / layout.REPRODUCE / layout.PROVENANCE).write_text("{}")


def drop_the_statement(root):
    (root / layout.REPRODUCE / layout.PROVENANCE).unlink()


def add_a_test_result(root):
    (root / layout.REPRODUCE / layout.TEST_RESULT).write_text("{}")


def drop_the_crate(root):
    (root / layout.CRATE).unlink()


def add_a_diff(root):
    (root / layout.REPRODUCE / layout.UNCOMMITTED).write_text("")


def change_reconstruction(root):
    (root / layout.REPRODUCE / JOB / layout.RECONSTRUCTION).write_bytes(b"better")


def drop_log(root):
    (root / layout.REPRODUCE / JOB / "ptychi.log").unlink()


def drop_record(root):
    (root / RECORD).unlink()


def empty_record(root):
    (root / RECORD).write_bytes(canonical.to_bytes({}))


def change_algorithm(root):
    result = f"{layout.REPRODUCE}/{JOB}/result.json"
    edit(root, result, lambda document: document.update(algorithm="DM"))


HOME = f"{layout.REPRODUCE}/{JOB}"


@pytest.mark.parametrize(
    ("attack", "rule", "where"),
    [
        (turn_verdict, "hub.verdict", RECORD),
        (turn_overall, "hub.verdict", RECORD),
        (turn_code, "hub.verdict", RECORD),
        (change_array, "hub.verdict", RECORD),
        (zero_both_digests, "hub.reproduction", RECORD),
        (drop_arrays, "hub.reproduction", RECORD),
        (repeat_an_array, "hub.reproduction", RECORD),
        (change_versions, "hub.reproduction", RECORD),
        (change_digest, "hub.reproduction", RECORD),
        (change_returncode, "hub.reproduction", RECORD),
        (add_a_job, "hub.reproduction", RECORD),
        (drop_manifest, "hub.reproduction", f"{layout.REPRODUCE}/{layout.MANIFEST}"),
        (drop_digests, "hub.reproduction", f"{layout.REPRODUCE}/{layout.DIGESTS}"),
        (change_asked, "hub.reproduction", RECORD),
        (ask_for_all, "hub.reproduction", RECORD),
        (loosen_tolerance, "schema.reproduction", RECORD),
        (change_code, "hub.code", RECORD),
        (drift_unsaid, "hub.verdict", RECORD),
        (change_gate, "hub.stage", f"{layout.REPRODUCE}/{layout.MANIFEST}"),
        (change_gate_s_subject, "hub.reproduction", RECORD),
        (start_a_year_earlier, "hub.reproduction", RECORD),
        (end_before_its_jobs, "hub.reproduction", RECORD),
        (change_filters, "hub.stage", f"{layout.REPRODUCE}/{layout.MANIFEST}"),
        (add_a_file, "hub.extra", f"{layout.REPRODUCE}/opinion.md"),
        (replace_the_statement, "hub.provenance", f"{layout.REPRODUCE}/{layout.PROVENANCE}"),
        (add_a_test_result, "hub.test-result", f"{layout.REPRODUCE}/{layout.TEST_RESULT}"),
        (drop_the_statement, "hub.provenance", f"{layout.REPRODUCE}/{layout.PROVENANCE}"),
        (drop_the_crate, "hub.crate", layout.CRATE),
        (add_a_diff, "hub.uncommitted", f"{layout.REPRODUCE}/{layout.UNCOMMITTED}"),
        (change_reconstruction, "hub.reproduction", RECORD),
        (change_reconstruction, "attest.outputs", f"{HOME}/result.json"),
        (change_algorithm, "attest.algorithm", f"{HOME}/result.json"),
        (drop_log, "hub.job-log", f"{HOME}/ptychi.log"),
        (drop_record, "hub.extra", f"{HOME}/ptychi.log"),
        (empty_record, "schema.reproduction", RECORD),
    ],
)
def test_an_attack_on_a_reproduction_is_found_though_it_was_sealed_again(
    reproduced, attack, rule, where
):
    attack(reproduced)
    hub.seal_hub(reproduced)
    assert (rule, where) in {(item.rule, item.where) for item in findings(reproduced)}


def test_a_sample_of_every_attack_on_a_reproduction_is_found_as_on_a_stage(reproduced):
    sound = hubs.load(reproduced)
    assert hubs.findings(sound) == ()
    listed = [
        *list(attacks.on_files(sound))[::FILES_ONE_IN],
        *list(attacks.on_values(sound, alike_once=True))[::VALUES_ONE_IN],
    ]
    outcomes = [each for each in table.run(sound, listed, processes=1) if each is not None]
    assert len(outcomes) > 50
    assert [each for each in outcomes if not (each.found and each.named)] == []
    assert [each for each in outcomes if each.attacker != hubs.MENDS and not each.rules] == []


# Its pictures.


@pytest.fixture
def drawn(sound_tree, tmp_path, monkeypatch):
    """A hub of one real run whose jobs left a picture each."""
    tree = small_tree.copy(sound_tree, tmp_path / "drawn")
    root = small_tree.new_hub(tree)
    assert small_tree.run_stage(tree, root, "real-run", child="--picture 7") == 0
    return root


def pictures_of(made):
    """Return name, digest then and digest now of the pictures of the first job; None for none."""
    listed = record_of(made)["jobs"][0]["pictures"]
    return listed and [tuple(each.values()) for each in listed]


def sha256_of(root, name):
    return canonical.sha256((root / name).read_bytes())


def test_pictures_of_the_same_arrays_are_the_same_byte_for_byte(reproduce, drawn):
    code, made, said = reproduce(drawn, "--job", JOB, child="--picture 7")
    assert code == 0, said
    digest = sha256_of(drawn, f"real_run/{JOB}/loss.png")
    assert pictures_of(made) == [("loss.png", digest, digest)]
    assert findings(made) == ()
    assert cli.main(["verify", str(made), "--original", str(drawn)]) == 0


def test_another_picture_of_the_same_arrays_fails_though_they_are_identical(reproduce, drawn):
    code, made, said = reproduce(drawn, "--job", JOB, child="--picture 8")
    assert (code, verdicts(made), record_of(made)["verdict"]) == (1, {JOB: "identical"}, "fail")
    places = ((drawn, "real_run"), (made, layout.REPRODUCE))
    pair = (sha256_of(root, f"{folder}/{JOB}/loss.png") for root, folder in places)
    assert pictures_of(made) == [("loss.png", *pair)]
    assert f"error [reproduce.picture] {JOB}/loss.png" in said
    assert findings(made) == ()


@pytest.mark.parametrize(("then", "now"), [("--picture 7", ""), ("", "--picture 7")])
def test_a_picture_that_only_one_of_both_has_fails(reproduce, sound_tree, tmp_path, then, now):
    tree = small_tree.copy(sound_tree, tmp_path / "drawn")
    root = small_tree.new_hub(tree)
    assert small_tree.run_stage(tree, root, "real-run", child=then) == 0
    code, made, said = reproduce(root, "--job", JOB, child=now)
    assert (code, verdicts(made)) == (1, {JOB: "identical"})
    assert "no such picture" in said
    assert findings(made) == ()


def test_pictures_are_not_compared_where_arrays_or_surroundings_are_others(
    reproduce, drawn, monkeypatch
):
    code, made, _ = reproduce(drawn, "--job", JOB, child="--picture 8 --object-off 1e-4")
    assert (code, pictures_of(made)) == (1, None)
    assert findings(made) == ()
    edit(drawn, "real_run/stage.json", lambda each: each["versions"].update(matplotlib="1.0"))
    hub.seal_hub(drawn)
    code, made, _ = reproduce(drawn, "--job", JOB, child="--picture 8")
    assert (code, verdicts(made), pictures_of(made)) == (0, {JOB: "identical"}, None)
    assert findings(made) == ()


def say_nothing_of_pictures(record):
    record["jobs"][0].update(pictures=None, findings=[])


def call_them_the_same(record):
    for each in record["jobs"][0]["pictures"]:
        each["original_sha256"] = each["sha256"]
    record["jobs"][0]["findings"] = []


def list_none(record):
    record["jobs"][0].update(pictures=[], findings=[])


def blame_the_surroundings(record):
    say_nothing_of_pictures(record)
    record["jobs"][0]["repeats"] = False
    note = rules.finding(
        "reproduce.surroundings", where="x", pointer="/versions/torch", expected="1", found="2"
    )
    record["findings"].append(note.as_record())


def test_a_picture_that_differs_is_among_the_findings_of_its_job(reproduce, drawn):
    _, made, _ = reproduce(drawn, "--job", JOB, child="--picture 8")
    edit(made, RECORD, lambda record: record["jobs"][0].update(findings=[]))
    publish.derive_and_seal(made)
    assert [(item.rule, item.pointer) for item in findings(made)] == [
        ("hub.verdict", "/jobs/0/findings")
    ]


@pytest.mark.parametrize(
    ("forge", "alone", "rule"),
    [
        (say_nothing_of_pictures, True, "hub.reproduction"),
        (list_none, True, "hub.reproduction"),
        (call_them_the_same, False, "reproduce.original"),
        (blame_the_surroundings, False, "reproduce.original"),
    ],
)
def test_what_a_reproduction_says_of_pictures_is_held_to_them(
    reproduce, drawn, capfd, forge, alone, rule
):
    _, made, _ = reproduce(drawn, "--job", JOB, child="--picture 8")
    edit(made, RECORD, forge)
    edit(made, RECORD, lambda record: record.update(verdict="pass", exit_code=0))
    publish.derive_and_seal(made)
    assert bool(findings(made)) == alone
    assert cli.main(["verify", str(made), "--original", str(drawn)]) == 4
    assert f"error [{rule}] {RECORD}: " in capfd.readouterr().err


# Its provenance.


def test_the_provenance_of_a_reproduction_is_of_its_files_and_names_the_original(
    reproduced, complete_hub
):
    document = json.loads((reproduced / layout.REPRODUCE / layout.PROVENANCE).read_bytes())
    name = "intoto_provenance"
    assert schemas.check(document, resources.schema(name), name=name, where=name) == ()
    record = record_of(reproduced)
    subjects = {each["name"]: each["digest"]["sha256"] for each in document["subject"]}
    assert subjects == {
        entry.path: entry.sha256
        for entry in hub.entries(reproduced)
        if entry.path.startswith(f"{layout.REPRODUCE}/")
        and entry.path != f"{layout.REPRODUCE}/{layout.PROVENANCE}"
    }
    definition = document["predicate"]["buildDefinition"]
    assert definition["externalParameters"]["asked"] == [JOB]
    rested_on = {each["name"]: each["digest"] for each in definition["resolvedDependencies"]}
    original = f"{record['original']['path']}/{layout.SEAL}"
    assert rested_on[original] == {"sha256": hub.head(complete_hub)}
    digests = json.loads((reproduced / layout.REPRODUCE / layout.DIGESTS).read_bytes())["before"]
    assert len(digests["inputs"]) == 1
    for path, digest in {**digests["code"], **digests["inputs"]}.items():
        assert rested_on[path] == {"sha256": digest}


@pytest.mark.parametrize(
    ("status", "ran"),
    [("succeeded", True), ("interrupted", True), ("not_launched", False), ("planned", False)],
)
def test_a_job_that_was_never_launched_is_no_command_that_ran(reproduced, status, ran):
    path = f"{layout.REPRODUCE}/{layout.MANIFEST}"
    document = json.loads((reproduced / path).read_bytes())
    document["jobs"][0]["status"] = status
    read = {path: canonical.to_bytes(document)}.get
    original = publish.reader(reproduced)

    ((_, act),) = records.acts(lambda name: read(name) or original(name))

    assert [each["name"] for each in act["commands"]] == [f"{layout.REPRODUCE}/{JOB}"] * ran


def test_the_crate_of_a_reproduction_has_its_one_action_and_each_file(reproduced, complete_hub):
    graph = {
        each["@id"]: each for each in json.loads((reproduced / layout.CRATE).read_bytes())["@graph"]
    }
    (action,) = [each for each in graph.values() if each["@type"] == "CreateAction"]
    assert action["@id"] == f"#{layout.REPRODUCE}"
    assert action["name"] == "Reproduction"
    assert action["actionStatus"].endswith("/CompletedActionStatus")
    assert JOB in action["description"]
    objects = [graph[each["@id"]] for each in action["object"]]
    assert hub.head(complete_hub) in {each.get("sha256") for each in objects}
    files = {each["@id"]: each["sha256"] for each in graph.values() if each["@type"] == "File"}
    assert files == {
        entry.path: entry.sha256
        for entry in hub.entries(reproduced)
        if entry.path not in (layout.SEAL, layout.CRATE)
    }


# What only the original shows.


def name_another_head(record, _job):
    record["original"]["head_sha256"] = "0" * 64


def name_another_file(_record, job):
    job["original_sha256"] = "0" * 64


def call_it_worse(_record, job):
    job["object_nrmse"] = 0.25


def test_a_reproduction_is_held_to_its_original_where_that_is_given(
    reproduced, complete_hub, capfd
):
    words = ["verify", str(reproduced), "--original", str(complete_hub)]
    assert cli.main(words) == 0, capfd.readouterr().err
    for change, place in (
        (name_another_head, "/original/head_sha256"),
        (name_another_file, "/jobs/0/original_sha256"),
        (call_it_worse, "/jobs/0/object_nrmse"),
    ):
        before = (reproduced / RECORD).read_bytes()
        edit(reproduced, RECORD, lambda record, c=change: c(record, record["jobs"][0]))
        publish.derive_and_seal(reproduced)
        assert findings(reproduced) == ()
        assert cli.main(words) == 4
        assert f"error [reproduce.original] {RECORD}: {place}: " in capfd.readouterr().err
        (reproduced / RECORD).write_bytes(before)


def test_an_object_called_identical_that_was_another_is_told_by_the_original(
    reproduce, hub_to_attack, capfd
):
    _, made, _ = reproduce(hub_to_attack, "--job", JOB, child="--object-off 0.5")

    def claim(record):
        for each in record["jobs"][0]["arrays"]:
            each["original_sha256"] = each["sha256"]
        record["jobs"][0].update(object_nrmse=0.0, verdict="identical", pictures=[])
        record.update(verdict="pass", exit_code=0)

    edit(made, RECORD, claim)
    publish.derive_and_seal(made)
    assert findings(made) == ()
    assert cli.main(["verify", str(made), "--original", str(hub_to_attack)]) == 4
    said = capfd.readouterr().err
    for place in ("arrays (object)", "object_nrmse"):
        assert f"[reproduce.original] {RECORD}: /jobs/0/{place}: " in said


def test_an_original_that_is_none_or_does_not_hold_is_told(reproduced, hub_to_attack, capfd):
    assert cli.main(["verify", str(hub_to_attack), "--original", str(hub_to_attack)]) == 2
    assert "is for a reproduction" in capfd.readouterr().err
    assert cli.main(["verify", str(reproduced), "--original", str(reproduced)]) == 2
    assert "holds no real run" in capfd.readouterr().err
    for other in (hub_to_attack / "no such hub", hub_to_attack / MANIFEST, hub_to_attack.parent):
        assert cli.main(["verify", str(reproduced), "--original", str(other)]) == 2
        assert f"{other} is not a hub" in capfd.readouterr().err
    (hub_to_attack / MANIFEST).write_bytes(b"{}")
    assert cli.main(["verify", str(reproduced), "--original", str(hub_to_attack)]) == 4
    assert f"[seal.digest] original {MANIFEST}: " in capfd.readouterr().err


# The comparison itself.


def compared(original, again, region=EVERYWHERE):
    found = reproduction.compare_arrays(original, again, region)
    job = {"status": "succeeded", "repeats": False, **found}
    return reproduction.verdict_of(job, reproduction.OBJECT_TOLERANCES["gaussian"])


@pytest.fixture
def arrays():
    rng = np.random.default_rng(3)
    object_ = np.exp(1j * rng.normal(size=(12, 12))).astype(np.complex64)
    return {"object": object_, "probe": rng.normal(size=(1, 4, 4)).astype(np.complex64)}


def test_identical_means_every_bit_of_every_array(arrays):
    assert compared(arrays, dict(arrays)) == "identical"
    assert compared(arrays, {**arrays, "probe": arrays["probe"] + 1e-6}) == "within"
    assert compared(arrays, {**arrays, "object": arrays["object"].astype(complex)}) == "within"


def test_a_complex_factor_and_a_phase_ramp_are_removed_before_objects_are_compared(arrays):
    rows, columns = np.indices((12, 12))
    other = 3j * arrays["object"] * np.exp(1j * (0.2 * rows - 0.1 * columns))
    assert compared(arrays, {**arrays, "object": other.astype(np.complex64)}) == "within"
    shifted = np.roll(arrays["object"], 1, axis=0)
    assert compared(arrays, {**arrays, "object": shifted}) == "different"


def test_only_the_scanned_region_of_the_object_counts(arrays):
    other = arrays["object"].copy()
    other[0, 0] = 9
    region = (slice(2, 12), slice(0, 12))
    assert compared(arrays, {**arrays, "object": other}) == "different"
    assert compared(arrays, {**arrays, "object": other}, region) == "within"


@pytest.mark.parametrize(
    "change", ["lost", "new", "shape", "nan", "huge", "dark", "real", "text", "nothing"]
)
def test_arrays_that_cannot_be_compared_are_different(arrays, change):
    other = {
        "lost": {"object": arrays["object"]},
        "new": {**arrays, "more": np.zeros(1)},
        "shape": {**arrays, "object": arrays["object"][1:]},
        "huge": {**arrays, "object": arrays["object"].astype(complex) * 1e200},
        "dark": {**arrays, "object": arrays["object"] * 0},
        "text": {**arrays, "object": np.full((12, 12), "x")},
        "nan": {**arrays, "object": arrays["object"] * np.nan},
        "real": {**arrays, "object": arrays["object"].real},
        "nothing": {},
    }[change]
    assert compared(arrays, other) == "different"
    assert compared(other, arrays) == "different"
    assert compared({}, {}) == "different"
    assert compared(arrays, arrays, (slice(50, 60), slice(None))) == "identical"


def test_a_copy_of_a_reproduction_still_holds(reproduced, tmp_path):
    assert findings(Path(shutil.copytree(reproduced, tmp_path / "other"))) == ()


@pytest.mark.parametrize(
    ("status", "words"),
    [("failed", "failed"), ("interrupted", "failed (interrupted)")],
)
def test_a_job_that_was_interrupted_is_not_called_failed_alone(status, words):
    job = {"verdict": "failed", "status": status, "arrays": [], "object_nrmse": None}
    assert reproduction.as_text(job) == words


def test_what_counts_as_within_goes_with_the_noise_model():
    by = [{"options": {reproduction.NOISE_MODEL: name}} for name in ("gaussian", "poisson")]
    assert [reproduction.tolerance(each) for each in by] == [0.02, 0.2]
    assert reproduction.tolerance({"options": {}}) == 0.02, "pty-chi's own"
