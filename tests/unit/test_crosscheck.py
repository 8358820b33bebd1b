"""What a manifest and its skip summary contradict, each finding said in full."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta

import pytest

from harness import canonical, crosscheck, manifest, matrix
from tests.unit import test_manifest as small_manifest

small, plan, jobs = small_manifest.small, small_manifest.plan, small_manifest.jobs
document = small_manifest.document
WHERE = "cli/reconstruction_manifest.json"
FIRST, LAST = "dose_10/whole/train", "dose_10/thin/test"
WHEN, LATER = small_manifest.WHEN, "2026-01-01T00:00:10.000+00:00"
LEFT_OUT = "dose 200 not requested (--dose 10)"


@pytest.fixture
def pair(document, plan, small):
    document["filters"] = {name: [] for name in matrix.FILTER_NAMES} | {"dose": ["10"]}
    skips = manifest.skip_summary(plan, small)
    assert crosscheck.check(document, skips, small, where=WHERE) == ()
    return copy.deepcopy(document), copy.deepcopy(skips)


def told(pair, design=None):
    """Return what is found: rule, pointer, expected, found."""
    found = crosscheck.check(*pair, design, where=WHERE)
    assert {item.where for item in found} <= {WHERE}
    return [(item.rule, item.pointer, item.expected, item.found) for item in found]


@pytest.mark.parametrize("dry_run", [True, False])
def test_the_gate_of_a_dry_run_is_of_its_manifest(document, dry_run):
    document |= {"dry_run": dry_run, "gates": []}
    sound = canonical.digest(document)
    for stated in (sound, "0" * 64, None):
        document["gates"] = [
            {"name": "inputs", "subject_sha256": None},
            {"name": "manifest", "subject_sha256": stated},
        ]
        found = [
            (item.rule, item.where, item.pointer, item.expected, item.found)
            for item in crosscheck.check_subject(document, where=WHERE)
        ]
        place = ("manifest.subject", WHERE, "/gates (manifest)/subject_sha256")
        told = dry_run and stated != sound
        assert found == [(*place, sound, str(stated))] * told
    document["gates"] = []
    assert list(crosscheck.check_subject(document, where=WHERE)) == []


def test_another_study_is_told_with_both_accounts(pair, small):
    pair[0]["study"]["sha256"] = "0" * 64
    ours, theirs = manifest.study_record(small), pair[0]["study"]
    assert told(pair) == []
    assert told(pair, small) == [("manifest.study", "/study", str(ours), str(theirs))]


@pytest.mark.parametrize(
    ("part", "name", "places"),
    [
        (0, "filtered_jobs", {"/filtered_jobs": ("2", "3"), "/total_jobs": ("9", "8")}),
        (
            0,
            "total_jobs",
            {"/total_jobs": ("8", "9"), "skip_summary.json#/total_jobs": ("9", "8")},
        ),
        (1, "total_jobs", {"skip_summary.json#/total_jobs": ("8", "9")}),
        (1, "selected_count", {"skip_summary.json#/selected_count": ("2", "3")}),
        (
            1,
            "skipped_count",
            {"/total_jobs": ("9", "8"), "skip_summary.json#/skipped_count": ("6", "7")},
        ),
        (1, "missing_phase_d_count", {"skip_summary.json#/missing_phase_d_count": ("1", "2")}),
    ],
)
def test_a_total_that_is_one_too_many_is_told_at_its_place(pair, part, name, places):
    pair[part][name] += 1
    assert told(pair) == [("manifest.totals", place, *both) for place, both in places.items()]


def test_a_cell_twice_a_cell_lost_and_an_unknown_one_are_told(pair):
    skipped = pair[1]["skipped_jobs"]
    skipped[-1] = {**skipped[-2], "view": skipped[-2]["view"]}
    twice, lost = "dose_200/whole/test", "dose_200/thin/test"
    assert told(pair) == [
        ("manifest.cell-twice", f"/jobs ({twice})", "one outcome for each cell", "2 outcomes"),
        ("manifest.cell-lost", f"/jobs ({lost})", "selected or skipped with a reason", "neither"),
    ]
    skipped[-1] = {**skipped[-1], "view": "other"}
    assert told(pair) == [
        ("manifest.cell-lost", f"/jobs ({lost})", "selected or skipped with a reason", "neither"),
        (
            "manifest.cell-unknown",
            "/jobs (dose_200/other/test)",
            "a cell of the study",
            "dose_200/other/test",
        ),
    ]


def test_cells_come_by_ascending_dose_whatever_the_order_given(small):
    study = {**manifest.study_record(small), "doses": [200, 10]}
    assert crosscheck.cells_of(study) == matrix.cells(small)


def test_jobs_or_results_in_another_order_are_told(pair):
    pair[0]["execution_results"].reverse()
    expected = "one result for each job, in the order of the jobs"
    place = "/execution_results"
    assert told(pair) == [("manifest.order", place, expected, f"{LAST}, {FIRST}")]
    pair[0]["jobs"].reverse()
    digest = manifest.plan_digest(pair[0]["jobs"], pair[0]["settings"])
    assert told(pair) == [
        ("manifest.order", "/jobs", "dose ascending, then split, then view", f"{LAST}, {FIRST}"),
        ("manifest.plan-digest", "/plan_sha256", digest, pair[0]["plan_sha256"]),
    ]


def test_a_job_that_the_filters_leave_out_is_told(pair):
    pair[0]["filters"]["view"] = ["thin"]
    reason = "view whole not requested (--view thin)"
    asked_for = "a cell that was asked for"
    told_of = [item for item in told(pair) if item[0] == "manifest.filter"]
    assert told_of == [("manifest.filter", f"/jobs ({FIRST})", asked_for, reason)]
    pair[0]["filters"] |= {"view": [], "gridsize": ["1"]}
    told_of = [item for item in told(pair) if item[0] == "manifest.filter"]
    assert [item[3] for item in told_of] == ["gridsize 2 not requested (--gridsize 1)"]


def reason_of(pair, key, *reasons):
    """Give a skip other reasons."""
    for skip in pair[1]["skipped_jobs"]:
        if str(manifest.key_of(skip)) == key:
            skip["reasons"], skip["reason"] = list(reasons), "; ".join(reasons)


def test_a_reason_must_follow_from_the_filters_or_the_input(pair):
    key = "dose_200/whole/test"
    reason_of(pair, key, "no time")
    assert told(pair) == [("manifest.reason", f"/jobs ({key})", LEFT_OUT, "no time")]
    reason_of(pair, key, LEFT_OUT)
    key = "dose_10/whole/test"
    reason_of(pair, key, "no time")
    allowed = "a missing input or a breach of DATA-001"
    once = "among missing_jobs and among skips"
    assert told(pair) == [
        ("manifest.reason", f"/jobs ({key})", allowed, "no time"),
        ("manifest.missing", f"/jobs ({key})", once, "once"),
    ]


def test_a_breach_is_a_reason_and_not_again_only_in_a_reproduction(pair):
    key = "dose_10/whole/test"
    pair[0]["missing_jobs"] = [j for j in pair[0]["missing_jobs"] if j["view"] != "whole"]
    reason_of(pair, key, "DATA-001 breach: npz.finite")
    assert told(pair) == []
    reason_of(pair, key, "not run again: failed in the original hub")
    assert [item[0] for item in told(pair)] == ["manifest.reason"]
    pair[0]["artifact_root"] = "reproduce"
    assert "manifest.reason" not in {item[0] for item in told(pair)}


def test_a_missing_input_must_be_among_the_missing_jobs(pair):
    pair[0]["missing_jobs"] = pair[0]["missing_jobs"][1:]
    key, once = "dose_10/thin/train", "among missing_jobs and among skips"
    reason = "phase D input is missing: dose_10/thin/thin_train.npz"
    assert told(pair) == [
        (
            "manifest.reason",
            f"/jobs ({key})",
            "a missing input or a breach of DATA-001",
            reason,
        ),
        ("manifest.missing", f"/jobs ({key})", once, "once"),
        ("manifest.totals", "skip_summary.json#/missing_phase_d_count", "0", "1"),
    ]


def test_a_cell_skipped_for_its_grid_size_is_told_by_the_size_of_its_view(pair):
    pair[0]["filters"] = {**{key: [] for key in matrix.FILTER_NAMES}, "gridsize": ["7"]}
    reason = {"whole": "gridsize 2", "thin": "gridsize 1", "other": "gridsize 0"}
    words = {view: f"{size} not requested (--gridsize 7)" for view, size in reason.items()}
    pair[1]["skipped_jobs"][-1]["view"] = "other"
    expected = {
        item[2] for item in told(pair) if item[0] == "manifest.reason" and "other" in item[1]
    }
    assert expected == {words["other"]}
    for skip in pair[1]["skipped_jobs"]:
        skip["reasons"] = [words[skip["view"]]]
        skip["reason"] = words[skip["view"]]
    assert "manifest.reason" not in {item[0] for item in told(pair)}


def test_a_cell_that_was_not_asked_for_has_no_other_reason_and_several_are_joined(pair):
    key = "dose_200/whole/test"
    pair[0]["filters"]["view"] = ["thin"]
    both = (LEFT_OUT, "view whole not requested (--view thin)")
    joined, breach = "; ".join(both), "DATA-001 breach: npz.finite"
    for skip in pair[1]["skipped_jobs"]:
        if skip["view"] == "whole":
            wanted = both if skip["dose"] == 200 else both[1:]
            skip["reasons"], skip["reason"] = list(wanted), "; ".join(wanted)
    assert "manifest.reason" not in {item[0] for item in told(pair)}
    reason_of(pair, key, *both, breach)
    found = [item for item in told(pair) if item[0] == "manifest.reason"]
    assert found == [("manifest.reason", f"/jobs ({key})", joined, f"{joined}; {breach}")]
    reason_of(pair, key, *both)
    pair[1]["skipped_jobs"][-2]["reason"] = "other"
    found = [item for item in told(pair) if item[0] == "manifest.reason"]
    assert found == [("manifest.reason", f"/jobs ({key})", joined, "other")]


@pytest.mark.parametrize("root", ["/abs", "../beside"])
def test_a_job_may_not_leave_the_hub_with_the_artifact_root(pair, root):
    pair[0]["artifact_root"] = root
    for job in pair[0]["jobs"]:
        for name in ("output_dir", "log_path"):
            job[name] = job[name].replace("cli/", f"{root}/")
    for result in pair[0]["execution_results"]:
        result["log_path"] = result["log_path"].replace("cli/", f"{root}/")
    places = [item[1] for item in told(pair) if item[0] == "manifest.path"]
    assert places == [f"/jobs/{i}/{name}" for i in (0, 1) for name in ("output_dir", "log_path")]


def test_the_one_line_reason_is_that_of_the_list(pair):
    pair[1]["skipped_jobs"][-1]["reason"] = "other"
    assert told(pair) == [("manifest.reason", "/jobs (dose_200/thin/test)", LEFT_OUT, "other")]


@pytest.mark.parametrize(
    ("accepted", "rejected", "rate", "counted"),
    [
        (1, 3, 0.25, None),
        (0, 1, 1e-5, None),
        (1, 3, 0.25002, "0.250000"),
        (0, 0, 0.0, None),
        (1, 0, 0.5, "1.000000"),
    ],
)
def test_an_acceptance_rate_is_that_of_the_counts(pair, accepted, rejected, rate, counted):
    result = pair[0]["execution_results"][1]
    result |= {"n_accepted": accepted, "n_rejected": rejected, "acceptance_rate": rate}
    expected = [("manifest.rate", f"/jobs ({LAST})", counted, str(rate))] if counted else []
    assert told(pair) == expected
    for name in ("n_accepted", "n_rejected", "acceptance_rate"):
        assert told((with_first(pair[0], result | {name: None}), pair[1])) == []


def with_first(document, result):
    return {**document, "execution_results": [document["execution_results"][0], result]}


@pytest.mark.parametrize(("elapsed_s", "fits"), [(8.0, True), (12.0, True), (7.9, False)])
def test_a_duration_is_that_between_its_times(pair, elapsed_s, fits):
    pair[0]["execution_results"][0] |= {
        "started_at": WHEN,
        "finished_at": LATER,
        "elapsed_s": elapsed_s,
    }
    wrong = ("manifest.elapsed", f"/jobs ({FIRST})", "10.000 s", f"{elapsed_s} s")
    assert told(pair) == ([] if fits else [wrong])


def test_seconds_are_counted_across_offsets_and_backwards():
    assert crosscheck.seconds_between(WHEN, LATER) == 10
    assert crosscheck.seconds_between(LATER, "2026-01-01T01:00:00.000+01:00") == -10


@pytest.mark.parametrize(
    ("start_s", "end_s", "fits"),
    [(0, 10, True), (-2, 12, True), (-2.001, 12, False), (-2, 12.001, False), (13, -3, False)],
)
def test_a_span_lies_within_another_but_for_what_two_clocks_may_differ(start_s, end_s, fits):
    begin = datetime.fromisoformat(WHEN)
    inner = tuple((begin + timedelta(seconds=each)).isoformat() for each in (start_s, end_s))
    assert crosscheck.is_within(inner, (WHEN, LATER)) is fits


def test_a_state_in_one_list_only_is_told(pair):
    pair[0]["jobs"][1]["status"] = "not_launched"
    place = "/execution_results/1/status"
    assert told(pair) == [("manifest.state", place, "not_launched", "planned")]


def test_a_lost_and_a_foreign_result_are_told(pair):
    pair[0]["execution_results"][1]["view"] = "other"
    nothing = "no result: it is not among the jobs"
    assert told(pair) == [
        ("manifest.state", "/execution_results/1/status", nothing, "planned"),
        ("manifest.result-lost", "/execution_results", f"a result for {LAST} (planned)", "none"),
    ]


ERROR, A_NOTE = {"severity": "error"}, {"severity": "note"}


@pytest.mark.parametrize(
    ("status", "returncode", "findings", "errors"),
    [
        ("planned", None, [], None),
        ("planned", 0, [], 0),
        ("running", 0, [], 0),
        ("not_launched", 1, [], 0),
        ("interrupted", None, [], None),
        ("interrupted", -2, [], None),
        ("succeeded", 0, [A_NOTE], None),
        ("succeeded", 0, [ERROR, A_NOTE], 1),
        ("succeeded", 1, [], 0),
        ("succeeded", None, [], 0),
        ("failed", 1, [], None),
        ("failed", 0, [ERROR, ERROR], None),
        ("failed", 0, [], 0),
        ("failed", None, [], 0),
    ],
)
def test_a_state_goes_with_code_and_findings(pair, status, returncode, findings, errors):
    pair[0]["jobs"][1]["status"] = status
    result = pair[0]["execution_results"][1]
    result |= {"status": status, "returncode": returncode, "findings": findings}
    place, facts = "/execution_results/1/returncode", f"return code {returncode}, {errors} errors"
    wrong = ("manifest.state", place, f"what goes with {status}", facts)
    assert told(pair) == ([] if errors is None else [wrong])


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("input_npz", "dose_10/thin/thin_test.npz"),
        ("output_dir", "cli/dose_10/thin/test"),
        ("log_path", "cli/dose_10/thin/test/ptychi.log"),
    ],
)
@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "cli/dose_10/thin/other"])
def test_a_path_is_the_one_of_its_job(pair, name, place, path):
    pair[0]["jobs"][1][name] = path
    expected = f"{place}, a relative path that stays inside"
    found = [item for item in told(pair) if item[0] == "manifest.path"]
    assert ("manifest.path", f"/jobs/1/{name}", expected, path) in found


def test_the_log_of_a_result_is_its_job_s(pair):
    log = pair[0]["jobs"][1]["log_path"]
    for result in pair[0]["execution_results"]:
        result["log_path"] = pair[0]["jobs"][0]["log_path"]
    place = "/execution_results/1/log_path"
    other = pair[0]["jobs"][0]["log_path"]
    assert told(pair) == [("manifest.path", place, log, other)]


def test_a_changed_setting_no_longer_fits_the_plans_digest(pair):
    before = pair[0]["plan_sha256"]
    pair[0]["settings"]["seed"] = 8
    after = manifest.plan_digest(pair[0]["jobs"], pair[0]["settings"])
    assert told(pair) == [("manifest.plan-digest", "/plan_sha256", after, before)]


@pytest.mark.parametrize(("started_at", "finished_at"), [(None, None), (WHEN, None), (None, LATER)])
def test_a_duration_without_its_times_is_told(pair, started_at, finished_at):
    pair[0]["execution_results"][0] |= {
        "started_at": started_at,
        "finished_at": finished_at,
        "elapsed_s": 1.0,
    }
    expected = "nothing, without both times"
    assert told(pair) == [("manifest.elapsed", f"/jobs ({FIRST})", expected, "1.0 s")]
