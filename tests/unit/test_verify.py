"""Attacks on a whole hub: each is found, and the finding names the file.

The hub has all five stages, each really run.  Most attackers reseal the hub afterwards, so that
the seal alone would not betray them; the strongest also mend every digest that cites what they
changed.
"""

from __future__ import annotations

import json
import shutil

import pytest

from harness import audit, canonical, cli, hub, layout, manifest, publish, resources, verify
from tests.small_tree import digests

REAL = "real_run"
MANIFEST = f"{REAL}/{layout.MANIFEST}"
SKIPS = f"{REAL}/{layout.SKIP_SUMMARY}"
JOB = f"{REAL}/dose_1000/dense/train"
OTHER_JOB = f"{REAL}/dose_1000/dense/test"


def findings(root):
    return verify.verify(hub.entries(root), publish.reader(root), resources.schema)


def rules_by_file(root):
    return {(item.rule, item.where) for item in findings(root)}


def edit(root, path, change):
    """Change a JSON document in place, as the harness writes it."""
    document = json.loads((root / path).read_bytes())
    (root / path).write_bytes(canonical.to_bytes(change(document) or document))


def mend(root, stage):
    """Put the true digests into a stage's record and into the chain, derive, and seal again."""
    record = f"{layout.STAGE_DIRECTORIES[stage]}/{layout.STAGE_RECORD}"

    def cite(document):
        document["outputs"] = [
            output
            for output in publish.outputs(root, root / layout.STAGE_DIRECTORIES[stage])
            if output["path"] != record
        ]
        for command in document["commands"]:
            command["log_sha256"] = canonical.sha256((root / command["log_path"]).read_bytes())

    edit(root, record, cite)
    for name in layout.STAGES[layout.STAGES.index(stage) + 1 :]:
        before = layout.STAGES[layout.STAGES.index(name) - 1]
        cited = root / layout.STAGE_DIRECTORIES[before] / layout.STAGE_RECORD
        digest = canonical.sha256(cited.read_bytes())
        edit(
            root,
            f"{layout.STAGE_DIRECTORIES[name]}/{layout.STAGE_RECORD}",
            lambda document, digest=digest: document["previous"].update(sha256=digest),
        )
    publish.derive_and_seal(root)


def test_a_whole_hub_holds_and_verify_says_so(complete_hub, capsys):
    assert findings(complete_hub) == ()
    assert cli.main(["verify", str(complete_hub)]) == 0
    said = capsys.readouterr().out
    assert hub.head(complete_hub) in said
    assert "verdicts: red pass, green pass, collect pass, dry-run pass, real-run pass\n" in said
    assert cli.main(["verify", "--format=json", str(complete_hub)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["findings"] == []
    assert document["head_sha256"] == hub.head(complete_hub)
    assert document["verdicts"][0] == "red pass"


def test_a_hub_can_be_moved_and_copied_and_still_holds(complete_hub, tmp_path):
    elsewhere = shutil.copytree(complete_hub, tmp_path / "other name")
    assert findings(elsewhere) == ()


# Attacks that leave the seal as it is.


@pytest.mark.parametrize("path", ["hub.json", MANIFEST, f"{JOB}/ptychi.log", "docs/summary.md"])
def test_any_changed_file_is_found(hub_to_attack, path):
    with open(hub_to_attack / path, "ab") as file:
        file.write(b" ")
    assert ("seal.digest", path) in rules_by_file(hub_to_attack)


def test_an_added_a_removed_and_a_linked_file_are_found(hub_to_attack):
    (hub_to_attack / "docs" / "opinion.md").write_text("It went well.")
    (hub_to_attack / JOB / "reconstruction.npz").unlink()
    (hub_to_attack / "elsewhere").symlink_to("/")
    found = rules_by_file(hub_to_attack)
    assert {
        ("seal.extra", "docs/opinion.md"),
        ("seal.lost", f"{JOB}/reconstruction.npz"),
        ("seal.link", "elsewhere"),
    } <= found


def test_a_link_in_place_of_a_file_with_the_same_bytes_is_found(hub_to_attack):
    log = hub_to_attack / JOB / "ptychi.log"
    log.rename(hub_to_attack.parent / "kept.log")
    log.symlink_to(hub_to_attack.parent / "kept.log")
    assert ("seal.link", f"{JOB}/ptychi.log") in rules_by_file(hub_to_attack)


# Attacks that seal the hub again.


def swap_logs(root):
    one, other = root / JOB / "ptychi.log", root / OTHER_JOB / "ptychi.log"
    text = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(text)


def replace_log(root):
    (root / JOB / "ptychi.log").write_text("# job: all is well\n# ended: return code 0 at noon\n")


def turn_verdict(root):
    edit(root, "green/stage.json", lambda record: record.update(verdict="fail", exit_code=1))


def turn_tests(root):
    edit(root, "green/stage.json", lambda record: record.update(tests={"passed": 900}))


def turn_exit_code(root):
    edit(root, "green/stage.json", lambda record: record.update(exit_code=3))


def drop_a_gate(root):
    edit(root, "green/stage.json", lambda record: record["gates"].pop() and None)


def change_result(root):
    edit(root, f"{JOB}/result.json", lambda result: result["loss"].update(last=1e-9))


def change_algorithm(root):
    edit(root, f"{JOB}/result.json", lambda result: result.update(algorithm="DM"))


def change_reconstruction(root):
    (root / JOB / "reconstruction.npz").write_bytes(b"better")


def drop_result(root):
    (root / JOB / "result.json").unlink()


def change_loss_in_manifest(root):
    edit(root, MANIFEST, lambda d: d["execution_results"][0].update(final_loss=1e-9))


def change_returncode(root):
    edit(root, MANIFEST, lambda d: d["execution_results"][0].update(returncode=1))


def launch_no_job(root):
    def change(document):
        for entry in (*document["jobs"], *document["execution_results"]):
            entry["status"] = "not_launched"

    edit(root, MANIFEST, change)


def claim_a_dry_run(root):
    edit(root, MANIFEST, lambda document: document.update(dry_run=True))


def reorder_results(root):
    edit(root, MANIFEST, lambda document: document["execution_results"].reverse())


def change_recipe(root):
    edit(root, f"{JOB}/recipe.json", lambda document: document.update(num_epochs=1000))


def change_settings(root):
    edit(root, MANIFEST, lambda document: document["settings"]["recipe"].update(num_epochs=1000))


def hide_a_job(root):
    """Take a job out of everything that counts it."""

    def out_of_manifest(document):
        document["jobs"].pop(0)
        document["execution_results"].pop(0)
        document["total_jobs"] -= 1
        document["filtered_jobs"] -= 1
        document["plan_sha256"] = manifest.plan_digest(document["jobs"], document["settings"])

    def out_of_skips(document):
        document["total_jobs"] -= 1
        document["selected_count"] -= 1

    edit(root, MANIFEST, out_of_manifest)
    edit(root, SKIPS, out_of_skips)
    shutil.rmtree(root / REAL / "dose_1000" / "baseline" / "train")


def change_totals(root):
    edit(root, MANIFEST, lambda document: document.update(total_jobs=17))


def drop_a_skip(root):
    edit(root, SKIPS, lambda document: document["skipped_jobs"].pop() and None)


def excuse_a_skip(root):
    """Give a cell that was skipped the reason that only a reproduction knows."""
    reason = "not run again: succeeded in the original hub"

    def excuse(document):
        document["skipped_jobs"][0].update(reason=reason, reasons=[reason])

    edit(root, SKIPS, excuse)


def name_another_input(root):
    def name(document):
        document["jobs"][0]["input_npz"] = "dose_1000/patched_test.npz"
        document["plan_sha256"] = manifest.plan_digest(document["jobs"], document["settings"])

    edit(root, MANIFEST, name)


def drop_a_command(root):
    """Take the suite out of GREEN, and out of what counts its tests."""

    def out(record):
        record["commands"].pop()
        record["tests"] = {"passed": 1}

    edit(root, "green/stage.json", out)


def change_proof(root):
    edit(root, "red/proof.json", lambda proof: proof["runs"][1].update(returncode=0))


def turn_a_red_report(root):
    report = root / "red" / "runs" / "renamed.junit.xml"
    shutil.copy(root / "green" / "mapped.junit.xml", report)


def change_documented(root):
    edit(root, "collect/documented.json", lambda known: known["facts"]["rules"].pop() and None)


def turn_collection(root):
    edit(root, "collect/collect.collection.json", lambda found: found["collected"].pop() and None)


def swap_stage_records(root):
    shutil.copy(root / "collect" / "stage.json", root / "green" / "stage.json")


def drop_a_stage(root):
    shutil.rmtree(root / "collect")


def break_json(root):
    (root / "cli" / "stage.json").write_text("{")


def nest_json(root):
    (root / "cli" / "stage.json").write_text("[" * 100_000)


def a_number_that_is_none(root):
    text = (root / MANIFEST).read_text()
    (root / MANIFEST).write_text(text.replace('"final_loss": 0.5', '"final_loss": NaN', 1))


def break_shape(root):
    edit(root, "cli/stage.json", lambda record: record.update(verdict="splendid"))


def drop_marker(root):
    (root / "hub.json").unlink()


def drop_summary(root):
    (root / "docs" / "summary.md").unlink()


def write_summary(root):
    (root / "docs" / "summary.md").write_text("All is well.")


def write_blocker(root):
    (root / "docs" / "blocker.md").write_text("Nothing can be done.")


def write_opinion(root):
    (root / "docs" / "opinion.md").write_text("It went well.")


def drop_all_stages(root):
    for folder in layout.STAGE_DIRECTORIES.values():
        shutil.rmtree(root / folder)


RESEALED = [
    (swap_logs, "hub.outputs", f"{REAL}/stage.json"),
    (replace_log, "hub.outputs", f"{REAL}/stage.json"),
    (turn_verdict, "hub.verdict", "green/stage.json"),
    (turn_tests, "hub.verdict", "green/stage.json"),
    (turn_exit_code, "hub.verdict", "green/stage.json"),
    (drop_a_gate, "hub.verdict", "green/stage.json"),
    (change_result, "hub.outputs", f"{REAL}/stage.json"),
    (change_algorithm, "attest.algorithm", f"{JOB}/result.json"),
    (change_reconstruction, "attest.outputs", f"{JOB}/result.json"),
    (drop_result, "attest.missing", f"{JOB}/result.json"),
    (change_loss_in_manifest, "hub.telemetry", f"{REAL}/dose_1000/baseline/train/result.json"),
    (change_returncode, "hub.returncode", f"{REAL}/dose_1000/baseline/train/ptychi.log"),
    (launch_no_job, "manifest.state", MANIFEST),
    (claim_a_dry_run, "hub.stage", MANIFEST),
    (reorder_results, "manifest.order", MANIFEST),
    (change_recipe, "hub.recipe", f"{JOB}/recipe.json"),
    (change_settings, "manifest.plan-digest", MANIFEST),
    (hide_a_job, "manifest.cell-lost", MANIFEST),
    (excuse_a_skip, "manifest.reason", MANIFEST),
    (name_another_input, "manifest.path", MANIFEST),
    (change_totals, "manifest.totals", MANIFEST),
    (drop_a_skip, "manifest.totals", MANIFEST),
    (change_proof, "hub.outputs", "red/stage.json"),
    (turn_a_red_report, "hub.outputs", "red/stage.json"),
    (change_documented, "hub.outputs", "collect/stage.json"),
    (turn_collection, "hub.outputs", "collect/stage.json"),
    (swap_stage_records, "hub.stage", "green/stage.json"),
    (drop_a_stage, "hub.chain", "cli/stage.json"),
    (break_json, "hub.json", "cli/stage.json"),
    (nest_json, "hub.json", "cli/stage.json"),
    (a_number_that_is_none, "hub.json", MANIFEST),
    (break_shape, "schema.stage", "cli/stage.json"),
    (drop_marker, "hub.marker", "hub.json"),
    (drop_summary, "hub.derived", "docs/summary.md"),
    (write_summary, "hub.derived", "docs/summary.md"),
    (write_blocker, "hub.derived", "docs/blocker.md"),
    (write_opinion, "hub.extra", "docs/opinion.md"),
    (drop_all_stages, "hub.derived", "docs/summary.md"),
]


@pytest.mark.parametrize(
    ("attack", "rule", "where"), RESEALED, ids=[attack.__name__ for attack, _, _ in RESEALED]
)
def test_an_attack_is_found_though_the_hub_was_sealed_again(
    hub_to_attack, capsys, attack, rule, where
):
    attack(hub_to_attack)
    hub.seal_hub(hub_to_attack)

    found = rules_by_file(hub_to_attack)

    assert "seal" not in {item.partition(".")[0] for item, _ in found}
    assert (rule, where) in found
    assert cli.main(["verify", str(hub_to_attack)]) == 4
    captured = capsys.readouterr()
    assert where.partition(" in ")[0] in captured.err
    assert "Traceback" not in captured.err


# Attacks that mend every digest, chain and document, and seal the hub again.

MENDED = [
    (swap_logs, "real-run", "hub.job-log", f"{JOB}/ptychi.log"),
    (replace_log, "real-run", "hub.job-log", f"{JOB}/ptychi.log"),
    (change_result, "real-run", "hub.telemetry", f"{JOB}/result.json"),
    (change_algorithm, "real-run", "attest.algorithm", f"{JOB}/result.json"),
    (hide_a_job, "real-run", "manifest.cell-lost", MANIFEST),
    (launch_no_job, "real-run", "hub.verdict", f"{REAL}/stage.json"),
    (change_returncode, "real-run", "manifest.state", MANIFEST),
    (claim_a_dry_run, "real-run", "hub.stage", MANIFEST),
    (change_proof, "red", "hub.verdict", "red/stage.json"),
    (turn_a_red_report, "red", "hub.verdict", "red/stage.json"),
    (change_documented, "collect", "hub.verdict", "collect/stage.json"),
    (turn_collection, "collect", "hub.verdict", "collect/stage.json"),
    (drop_a_command, "green", "hub.verdict", "green/stage.json"),
    (turn_verdict, "green", "hub.verdict", "green/stage.json"),
    (turn_exit_code, "green", "hub.verdict", "green/stage.json"),
]


@pytest.mark.parametrize(
    ("attack", "stage", "rule", "where"), MENDED, ids=[attack.__name__ for attack, *_ in MENDED]
)
def test_an_attack_is_found_though_every_digest_was_mended(
    hub_to_attack, attack, stage, rule, where
):
    attack(hub_to_attack)
    mend(hub_to_attack, stage)

    found = rules_by_file(hub_to_attack)

    assert (rule, where) in found
    assert not {"seal.digest", "hub.outputs", "hub.chain"} & {item for item, _ in found}


def test_mending_alone_is_no_attack(hub_to_attack):
    before = digests(hub_to_attack)
    mend(hub_to_attack, "red")
    assert findings(hub_to_attack) == ()
    assert digests(hub_to_attack) == before, "documents and seal follow from the records"


def test_a_job_s_files_without_the_job_are_found(hub_to_attack):
    shutil.copytree(hub_to_attack / JOB, hub_to_attack / REAL / "dose_1000" / "best" / "train")
    mend(hub_to_attack, "real-run")
    found = rules_by_file(hub_to_attack)
    assert ("hub.extra", f"{REAL}/dose_1000/best/train/ptychi.log") in found


def test_a_job_without_its_logs_is_found(hub_to_attack):
    for name in ("ptychi.log", "run.log"):
        (hub_to_attack / JOB / name).unlink()
    mend(hub_to_attack, "real-run")
    found = rules_by_file(hub_to_attack)
    assert {("hub.job-log", f"{JOB}/{name}") for name in ("ptychi.log", "run.log")} <= found


def test_a_stage_whose_log_is_another_one_is_found(hub_to_attack):
    edit(
        hub_to_attack,
        "cli/stage.json",
        lambda record: record["commands"][0].update(log_sha256="0" * 64),
    )
    hub.seal_hub(hub_to_attack)
    assert ("hub.log", "cli/stage.json") in rules_by_file(hub_to_attack)


def said(root, rule):
    return [(i.where, i.pointer, i.expected, i.found) for i in findings(root) if i.rule == rule]


def test_what_the_record_says_is_expected_and_what_lies_there_is_found(hub_to_attack):
    record = json.loads((hub_to_attack / "cli/stage.json").read_bytes())
    (log,) = [command["log_path"] for command in record["commands"]]
    stated = {output["path"]: output["sha256"] for output in record["outputs"]}
    plan = f"cli/{layout.MANIFEST}"
    (hub_to_attack / log).write_bytes(b"other words")
    (hub_to_attack / plan).unlink()
    (hub_to_attack / "cli/new.txt").write_bytes(b"new")
    hub.seal_hub(hub_to_attack)

    where, other, new = "cli/stage.json", canonical.sha256(b"other words"), canonical.sha256(b"new")
    assert set(said(hub_to_attack, "hub.outputs")) == {
        (where, f"/outputs ({plan})", stated[plan], "no such file"),
        (where, "/outputs (cli/new.txt)", "no such file", new),
        (where, f"/outputs ({log})", stated[log], other),
    }
    assert said(hub_to_attack, "hub.log") == [
        (where, "/commands/0/log_sha256", f"{log} with sha256 {stated[log]}", other)
    ]
    (hub_to_attack / log).unlink()
    assert said(hub_to_attack, "hub.log")[0][3] == "no such file"


def test_telemetry_is_what_the_manifest_says_against_what_is_attested(hub_to_attack):
    job = f"{REAL}/dose_1000/baseline/train"
    loss = json.loads((hub_to_attack / job / "result.json").read_bytes())["loss"]["last"]
    edit(
        hub_to_attack,
        MANIFEST,
        lambda document: document["execution_results"][0].update(final_loss=None, device="abacus"),
    )
    found = said(hub_to_attack, "hub.telemetry")
    assert found[0] == (f"{job}/result.json", "/loss/last", "nothing", str(loss))
    assert found[1][:3] == (f"{job}/result.json", "/device", "abacus")
    assert "None" not in " ".join(found[1])


def test_a_lost_attestation_is_one_finding_and_no_telemetry(hub_to_attack):
    (hub_to_attack / JOB / "result.json").unlink()
    mend(hub_to_attack, "real-run")
    assert said(hub_to_attack, "hub.telemetry") == []
    assert len(said(hub_to_attack, "attest.missing")) == 1


def test_findings_come_as_json_all_of_them(hub_to_attack, capsys):
    write_opinion(hub_to_attack)
    turn_verdict(hub_to_attack)
    assert cli.main(["verify", "--format", "json", str(hub_to_attack)]) == 4
    document = json.loads(capsys.readouterr().out)
    assert "does not hold" in document["error"]
    found = {(item["rule"], item["where"]) for item in document["findings"]}
    assert found == rules_by_file(hub_to_attack)


def test_a_file_name_that_is_no_text_can_be_sealed_and_reported(hub_to_attack, capsys):
    name = b"\xff\xfe.bin".decode(errors="surrogateescape")
    (hub_to_attack / "docs" / name).write_bytes(b"")
    hub.seal_hub(hub_to_attack)
    (item,) = findings(hub_to_attack)
    assert (item.rule, item.where) == ("hub.extra", f"docs/{name}")
    assert cli.main(["verify", str(hub_to_attack)]) == 4
    assert "docs/" in capsys.readouterr().err


def test_what_breaks_a_check_does_not_keep_the_head_and_the_seal_from_being_told(
    hub_to_attack, tmp_path, capsys
):
    kept = tmp_path / "kept.txt"
    kept.write_bytes((hub_to_attack / layout.SEAL).read_bytes())
    edit(hub_to_attack, "green/stage.json", set_started_on_no_day)
    hub.seal_hub(hub_to_attack)
    words = ["verify", str(hub_to_attack), "--seal", str(kept), "--head", "0" * 64]
    assert cli.main(words) == 4
    said = capsys.readouterr().err
    for rule in ("seal.digest] green/stage.json", "hub.head", "schema.stage] green/stage.json"):
        assert rule in said


def set_started_on_no_day(document):
    document["started_at"] = "2026-02-30T16:32:14.955+00:00"


@pytest.mark.parametrize(
    ("check", "where"), [("_series", JOB), ("_check_inputs", "."), ("_jobs", ".")]
)
def test_arrays_that_break_a_check_are_told_as_findings(
    complete_hub, monkeypatch, capsys, check, where
):
    def breaks(*_given):
        raise OverflowError("too large")

    monkeypatch.setattr(audit, check, breaks)
    assert cli.main(["verify", str(complete_hub)]) == 4
    assert f"error [hub.unreadable] {where}: check of " in capsys.readouterr().err
