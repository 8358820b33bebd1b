"""Manifests and skip summaries of random plans: sound as made, every change of them found."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness import canonical, crosscheck, manifest, resources, schemas
from harness.model import CellKey
from tests.property.test_matrix_properties import ROOTS, designs, plans
from tests.recipes import settings_by

WHERE = "reconstruction_manifest.json"
SETTINGS = asdict(settings_by(num_epochs=2))


def inside(path):
    return path.removeprefix("out/")


def documents(design, filters, plan):
    jobs = [
        manifest.job_record(job, design, ROOTS, inside=inside, argv=["python"])
        | {"input_sha256": canonical.sha256(job.input_npz.encode())}
        for job in plan.jobs
    ]
    document = manifest.new(
        design,
        plan,
        jobs,
        dry_run=False,
        filters=filters,
        settings=SETTINGS,
        artifact_root=".",
        input_roots={"phase_c": "c", "phase_d": "d"},
        metadata={},
        notes={},
        created_at="2026-01-01T00:00:00.000+00:00",
    )
    return document, manifest.skip_summary(plan, design)


@st.composite
def made(draw):
    design, filters, plan = draw(plans())
    return (design, *documents(design, filters, plan))


def rules(document, skips, design):
    return {item.rule for item in crosscheck.check(document, skips, design, where=WHERE)}


@settings(max_examples=30)
@given(made())
def test_what_is_made_has_no_finding_with_and_without_the_study_and_fits_its_schema(case):
    design, document, skips = case
    assert crosscheck.check(document, skips, design, where=WHERE) == ()
    assert crosscheck.check(document, skips, None, where=WHERE) == ()
    for name, record in (("manifest", document), ("skip_summary", skips)):
        assert schemas.check(record, resources.schema(name), name=name, where=WHERE) == ()
    assert json.loads(canonical.to_bytes(document)) == document


@settings(max_examples=30)
@given(made(), st.data())
def test_totals_that_do_not_add_up_are_found(case, data):
    design, document, skips = copy.deepcopy(case)
    places = [(document, "total_jobs"), (document, "filtered_jobs")]
    places += [(skips, name) for name in ("total_jobs", "selected_count", "skipped_count")]
    record, key = data.draw(st.sampled_from(places))
    record[key] += data.draw(st.sampled_from([-1, 1, 7]))
    assert "manifest.totals" in rules(document, skips, design)


@settings(max_examples=30)
@given(made(), st.data())
def test_a_dropped_a_doubled_and_a_foreign_cell_are_found(case, data):
    design, document, skips = copy.deepcopy(case)
    lists = [part for part in (document["jobs"], skips["skipped_jobs"]) if part]
    part = data.draw(st.sampled_from(lists))
    index = data.draw(st.integers(0, len(part) - 1))
    kind = data.draw(st.sampled_from(["lost", "twice", "unknown"]))
    if kind == "lost":
        del part[index]
    elif kind == "twice":
        part.append(part[index])
    else:
        part[index] = {**part[index], "view": "unheard-of"}
    assert f"manifest.cell-{kind}" in rules(document, skips, design)


@settings(max_examples=30)
@given(made(), st.randoms())
def test_another_order_of_jobs_or_results_is_found(case, random):
    design, document, skips = copy.deepcopy(case)
    assume(len(document["jobs"]) > 1)
    for name in ("jobs", "execution_results"):
        changed = copy.deepcopy(document)
        random.shuffle(changed[name])
        assume(changed[name] != document[name])
        assert "manifest.order" in rules(changed, skips, design)


@settings(max_examples=30)
@given(made(), st.data())
def test_a_changed_input_or_setting_no_longer_fits_the_plan_s_digest(case, data):
    design, document, skips = copy.deepcopy(case)
    assume(document["jobs"])
    if data.draw(st.booleans()):
        document["settings"]["recipe"]["num_epochs"] += 1
    else:
        data.draw(st.sampled_from(document["jobs"]))["input_sha256"] = "0" * 64
    assert "manifest.plan-digest" in rules(document, skips, design)


@settings(max_examples=30)
@given(made(), st.sampled_from(manifest.STATES), st.sampled_from([None, 0, 1, -9]), st.data())
def test_a_state_goes_with_its_return_code_in_both_lists(case, status, returncode, data):
    design, document, skips = case
    assume(document["jobs"])
    result = data.draw(st.sampled_from(document["execution_results"]))
    result = {**result, "status": status, "returncode": returncode}

    changed = manifest.with_result(document, result, updated_at="2026-01-01T00:00:01.000+00:00")

    sound = {
        manifest.SUCCEEDED: returncode == 0,
        manifest.FAILED: returncode not in (None, 0),
        manifest.INTERRUPTED: True,
    }.get(status, returncode is None)
    assert rules(changed, skips, design) == (set() if sound else {"manifest.state"})
    key = CellKey(result["dose"], result["view"], result["split"])
    others = [r for r in changed["execution_results"] if manifest.key_of(r) != key]
    assert others == [r for r in document["execution_results"] if manifest.key_of(r) != key]
    assert document["updated_at"] != changed["updated_at"]


@settings(max_examples=30)
@given(made(), st.data())
def test_a_state_in_one_list_only_and_a_lost_result_are_found(case, data):
    design, document, skips = copy.deepcopy(case)
    assume(document["jobs"])
    index = data.draw(st.integers(0, len(document["jobs"]) - 1))
    lost = copy.deepcopy(document)
    del lost["execution_results"][index]
    assert "manifest.result-lost" in rules(lost, skips, design)
    document["jobs"][index]["status"] = manifest.NOT_LAUNCHED
    assert "manifest.state" in rules(document, skips, design)


@settings(max_examples=30)
@given(made(), st.data(), st.sampled_from(["/etc/passwd", "../outside", "a/../../b"]))
def test_a_path_that_leaves_the_hub_is_found(case, data, path):
    design, document, skips = copy.deepcopy(case)
    assume(document["jobs"])
    job = data.draw(st.sampled_from(document["jobs"]))
    job[data.draw(st.sampled_from(["input_npz", "output_dir", "log_path"]))] = path
    assert "manifest.path" in rules(document, skips, design)


@given(designs())
def test_the_digest_of_a_plan_depends_on_what_is_run_only(design):
    jobs = [
        {"dose": 1, "view": "v", "split": "s", "gridsize": 1, "input_root": "phase_c"}
        | {"input_npz": "x.npz", "input_sha256": "0" * 64, "argv": ["a"], "status": "planned"}
    ]
    before = manifest.plan_digest(jobs, SETTINGS)
    assert manifest.plan_digest([{**jobs[0], "argv": [design.title]}], SETTINGS) == before
    assert manifest.plan_digest([{**jobs[0], "dose": 2}], SETTINGS) != before
