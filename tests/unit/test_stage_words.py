"""What the checks of a stage say of its log, its files and the stages before it: each in full.

The checks are asked themselves, over the few records and files that they read.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from harness import (
    canonical,
    crosscheck,
    hashed,
    judge,
    layout,
    pairing,
    records,
    stage_files,
    stagelog,
)
from tests.memory import hub as memory

LOG, JUNIT = "green/mapped.log", "green/mapped.junit.xml"
ARGV = ["python", "-m", "pytest", "-vv"]
ENDED = "# ended: return code 0 at noon"
NOTHING = "no closing line"
A, B, C = (letter * 64 for letter in "abc")
GREEN, RED, DRY = (records.stage_path(stage) for stage in ("green", "red", "dry-run"))
MODULE, FAULTS = "tests/study/test_small.py", "tests/faults.toml"


def reader(files):
    """Return a reader of files, which asks for a path as one of a disk does."""

    def read(path):
        assert isinstance(path, str)
        return files.get(path)

    return read


# Its log


def command(returncode=0, *, name="mapped", argv=ARGV, **reports):
    return {
        "name": name,
        "argv": argv,
        "log_path": LOG,
        "returncode": returncode,
        "reports": reports,
    }


def said(lines, *commands, report=None):
    """Return what is said of commands with a log of these lines: pointer, expected, found."""
    log = "\n".join(lines).encode("latin-1")
    read = reader({LOG: log, JUNIT: report})
    record = {"commands": commands, "versions": {"python": "3.11.9", "pytest": "8.4.1"}}
    found = memory.told(stagelog.findings(record, read))
    assert {item[:2] for item in found} <= {("stage.log", LOG)}
    return [item[2:] for item in found]


def start(argv=ARGV):
    return f"# command: {' '.join(argv)}"


def junit(**counted):
    """Return a report of as many tests with each outcome."""
    names = {"passed": "", "failed": "<failure/>", "error": "<error/>"}
    cases = [
        f'<testcase classname="tests.test_a" name="test_{name}_{number}" time="0">{inside}'
        "</testcase>"
        for name, inside in names.items()
        for number in range(counted.get(name, 0))
    ]
    totals = f'failures="{counted.get("failed", 0)}" errors="{counted.get("error", 0)}"'
    head = f'<testsuite tests="{len(cases)}" {totals} skipped="0">'
    return f"<testsuites>{head}{''.join(cases)}</testsuite></testsuites>".encode()


@pytest.mark.parametrize(
    ("ended", "code", "expected", "found"),
    [
        (ENDED, 0, None, None),
        (ENDED, 1, "return code 1", "return code 0"),
        ("# ended: signal SIGKILL at noon", -9, None, None),
        (ENDED, -9, "signal SIGKILL", "return code 0"),
        ("# ended: return code 0 at noon at sea", 0, None, None),
        ("# ended: \xff at noon", 0, "return code 0", "\ufffd"),
        ("all is well", 0, "return code 0", NOTHING),
    ],
)
def test_a_log_ends_as_the_record_says(ended, code, expected, found):
    told = [("mapped", expected, found)] if expected else []
    assert said([start(), ended], command(code)) == told


def test_only_the_lines_of_a_command_s_own_tell_of_it():
    other = ["python", "other"]
    lines = [ENDED, start(other), "# ended: return code 7 at noon", start(), "a test"]
    both = command(7, name="other", argv=other), command()
    assert said(lines, *both) == [("mapped", "return code 0", NOTHING)]
    assert said([*lines, ENDED], *both) == []
    assert said([*lines, "# ended: return code 3 at noon", ENDED], *both) == []


def test_a_log_that_is_not_there_has_no_closing_line():
    found = memory.told(stagelog.findings({"commands": [command()], "versions": {}}, reader({})))
    assert found == [("stage.log", LOG, "mapped", "return code 0", NOTHING)]


SUMMARY = "===== 2 failed, 3 passed, 1 error in 0.10s ====="


@pytest.mark.parametrize(
    ("summary", "counted", "expected"),
    [
        (SUMMARY, {"passed": 3, "failed": 2, "error": 1}, []),
        (SUMMARY, {"passed": 4, "failed": 2, "error": 1}, [("4 passed", "3 passed")]),
        (SUMMARY, {"passed": 3, "error": 1}, [("0 failed", "2 failed")]),
        ("=== 2 errors in 1.00s (0:00:01) ===", {"error": 1}, [("1 error", "2 error")]),
        ("it went well", {"passed": 1}, [("1 passed", "0 passed")]),
        ("===== 7 passed in 0.10s =====\n===== 1 passed in 0.10s =====", {"passed": 1}, []),
    ],
)
@pytest.mark.parametrize("code", [0, 1])
def test_pytest_counted_in_its_log_what_its_report_holds(code, summary, counted, expected):
    lines = [start(), summary, f"# ended: return code {code} at noon"]
    told = [("mapped", *both) for both in expected]
    assert said(lines, command(code, junit=JUNIT), report=junit(**counted)) == told


LINES = [
    "tests/test_a.py::test_passed_0 PASSED                            [ 50%]",
    "tests/test_a.py::test_failed_0 FAILED                            [100%]",
]
TOTAL = "===== 1 failed, 1 passed in 0.10s ====="


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (LINES, []),
        (LINES[::-1], []),
        ([], []),
        ([LINES[0], LINES[1].replace("FAILED", "PASSED")], [("failed_0", "failed", "passed")]),
        (LINES[:1], []),
        (
            ["said", *LINES[:1], LINES[1].replace("FAILED", "PASSED")],
            [("failed_0", "failed", "passed")],
        ),
        (["tests/test_a.py::test_\xff PASSED [ 50%]"], [("\ufffd", "no such test", "passed")]),
        (
            [*LINES, "tests/test_a.py::test_lost PASSED [100%]"],
            [("lost", "no such test", "passed")],
        ),
        ([*LINES, "=== FAILURES ===", LINES[0].replace("PASSED", "FAILED")], []),
        (["tests/test_a.py::test_x[a b] XFAIL (why) [ 50%]", "said tests/a::b PASSED"], []),
    ],
)
def test_each_test_ended_in_the_log_as_in_the_report(lines, told):
    given = [start(), *lines, TOTAL, "# ended: return code 1 at noon"]
    found = said(given, command(1, junit=JUNIT), report=junit(passed=1, failed=1))
    assert found == [
        (f"mapped: tests/test_a.py::test_{name}", expected, did) for name, expected, did in told
    ]


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("platform linux -- Python 3.11.9, pytest-8.4.1, pluggy-1.6.0 -- /usr/bin/python", []),
        ("platform linux -- Python 3.11.9, pytest-8.0.0", [("pytest 8.4.1", "pytest 8.0.0")]),
        ("platform linux -- Python 2.7, pytest-8.4.1", [("Python 3.11.9", "Python 2.7")]),
        ("it is Python 2.7, pytest-1", []),
    ],
)
def test_pytest_says_in_its_log_which_versions_ran(header, told):
    record = {
        "commands": [command(junit=JUNIT)],
        "versions": {"python": "3.11.9", "pytest": "8.4.1"},
    }
    log = "\n".join([start(), header, "===== 1 passed in 0.10s =====", ENDED]).encode()
    read = reader({LOG: log, JUNIT: junit(passed=1)})
    found = [item[2:] for item in memory.told(stagelog.findings(record, read))]
    assert found == [("mapped", *words) for words in told]


def test_where_pytest_broke_off_or_left_no_report_nothing_is_counted():
    lines = [start(), SUMMARY, "# ended: return code 2 at noon"]
    assert said(lines, command(2, junit=JUNIT), report=junit(passed=9)) == []
    assert said([*lines[:2], ENDED], command(junit=JUNIT)) == []
    assert said([*lines[:2], ENDED], command(), report=junit(passed=9)) == []


# Its files


def extra(record, *paths, **files):
    return memory.told(stage_files.check(record, reader(files), paths))


def stage(name, *reports, **settings):
    """Return the record of a stage with a command for each report of a collection."""
    commands = [
        {"log_path": f"{name}/a.log", "argv": ARGV, "reports": {"collection": path}}
        for path in reports
    ]
    tests = {"module": MODULE, "faults": FAULTS}
    none = {"preset": "smoke", "base_sha256": None}
    settings = {"study": "study.toml", "study_sha256": A, "tests": tests, **none, **settings}
    git = {"commit": A, "dirty": True}
    record = {"stage": name, "commands": commands, "settings": settings, "gates": []}
    return record | {"git": git, "previous": None, "code_sha256": A}


@pytest.mark.parametrize("name", ["red", "green", "collect"])
def test_a_file_that_nothing_of_a_stage_of_tests_names_is_told(name):
    record = stage(name, f"{name}/a.json")
    own = [f"{name}/{each}" for each in (*stage_files.OWN, *stage_files.LOGS[name])]
    named = [f"{name}/a.log", f"{name}/a.json", *own]
    beside = [f"{name}.md", f"other/{name}/a.md"]
    assert extra(record, *named, *beside) == []
    told = [
        ("hub.extra", path, "", "a file that the stage names", "none")
        for path in (f"{name}/a.md", f"{name}/runs/b.md")
    ]
    assert extra(record, f"{name}/runs/b.md", *named, f"{name}/a.md") == told


def test_what_a_run_leaves_is_for_others_to_tell():
    assert extra(stage("dry-run"), "cli/opinion.md", "dry-run/opinion.md") == []


def test_the_reports_that_a_proof_names_are_red_s_and_no_one_else_s():
    proof = canonical.to_bytes(
        {"runs": [{"report_path": f"{each}/runs/a.xml"} for each in ("red", "green")]}
    )
    files = {judge.PROOF: proof}
    assert extra(stage("red"), judge.PROOF, "red/runs/a.xml", **files) == []
    told = extra(stage("red"), "red/runs/b.xml", "red/runs/a.xml", **files)
    assert [item[1] for item in told] == ["red/runs/b.xml"]
    assert [item[1] for item in extra(stage("green"), "green/runs/a.xml", **files)] == [
        "green/runs/a.xml"
    ]


# What it hashed


def counted(inputs, *gates):
    """Return what is said of gates given as (name, checked, findings) over so many inputs."""
    given = [
        {"name": name, "checked": checked, "findings": [{}] * number}
        for name, checked, number in gates
    ]
    rests_on = {"before": {"inputs": dict.fromkeys(map(str, range(inputs)), A)}}
    found = memory.told(hashed.counts(given, rests_on, where="a.json"))
    assert {item[:2] for item in found} <= {("stage.gate-count", "a.json")}
    return [item[2:] for item in found]


def test_gates_count_the_inputs_and_both_documents():
    both = crosscheck.DOCUMENTS
    assert counted(18, ("inputs", 18, 0), ("manifest", both, 0)) == []
    first, second = ("/gates/0/checked", "18", "17"), ("/gates/1/checked", "2", "3")
    assert counted(18, ("inputs", 17, 3), ("manifest", 2, 0)) == [first]
    assert counted(2, ("inputs", 2, 0), ("manifest", 3, 3)) == [second]


def test_the_input_gate_of_a_stage_without_a_plan_counts_what_stands_in_its_way():
    assert counted(0, ("inputs", 2, 2)) == counted(0) == []
    assert counted(0, ("inputs", 3, 2)) == [("/gates/0/checked", "2", "3")]


def test_each_module_of_the_project_s_own_that_a_command_names_is_hashed():
    words = ["-m", "harness.a.b", "-p", "harness", "other.harness.c", "harness.d,", "harness.e"]
    given = stage("dry-run") | {"commands": [command(argv=words), command(argv=ARGV)]}
    used = ["harness/a/b.py", "harness/e.py"]
    assert chained(given) == unhashed("dry-run", *used)
    assert chained(given, code={"dry-run": dict.fromkeys(used, A)}) == []


def test_a_stage_counts_what_it_hashed():
    given = stage("collect") | {"gates": [{"name": "inputs", "checked": 1, "findings": []}]}
    told = ("stage.gate-count", records.stage_path("collect"), "/gates/0/checked", "0", "1")
    assert chained(given) == [told]


# The stages before it


def digests(code, inputs):
    groups = {"code": code, "inputs": inputs}
    return {"before": groups, "after": groups}


def chained(*stages, code=None, inputs=None, files=None):
    """Return what speaks against the last of some stages, each of which cites the one before."""
    put = {"a.json": collected(), **(files or {})}
    for earlier, record in pairwise((None, *stages)):
        cited = earlier and records.stage_path(earlier["stage"])
        record["previous"] = cited and {"path": cited, "sha256": A}
        put[records.stage_path(record["stage"])] = canonical.to_bytes(record)
        for name, hashes in (code or {}).items():
            put[records.digests_path(name)] = canonical.to_bytes(
                digests(hashes, (inputs or {}).get(name, {}))
            )
    last = stages[-1]
    own = digests(*((each or {}).get(last["stage"], {}) for each in (code, inputs)))
    found = (*pairing.findings(last, reader(put), own), *hashed.findings(last, reader(put), own))
    return memory.told(found)


def collected(**changes):
    report = {"collected": [], "deselected": [], "skipped": [], "errors": [], "marked": {}}
    report |= {"format": "harness.collection/1", "harness_is_local": True, "returncode": 0}
    return canonical.to_bytes(report | changes)


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [("study", "a.toml", "b.toml"), ("study_sha256", A, B)],
)
def test_a_stage_about_another_study_is_told_with_each_that_is_not(name, one, other):
    before = stage("green", **{name: one}), stage("red", **{name: one})
    assert chained(*before, stage("dry-run", **{name: one})) == []
    place = ("stage.study", DRY, f"/settings/{name}")
    assert chained(*before, stage("dry-run", **{name: other})) == [
        (*place, f"{one} as in {path}", other) for path in (RED, GREEN)
    ]
    mixed = stage("green", **{name: other}), stage("red", **{name: one})
    assert chained(*mixed, stage("dry-run", **{name: other})) == [
        (*place, f"{one} as in {RED}", other)
    ]


def test_a_chain_is_followed_to_its_end_and_not_round_and_round():
    read = reader(
        {
            GREEN: canonical.to_bytes({"previous": {"path": RED}}),
            RED: canonical.to_bytes({"previous": {"path": GREEN}}),
        }
    )
    record = {"stage": "dry-run", "previous": {"path": GREEN}}
    assert [path for path, _ in pairing.before(record, read)] == [GREEN, RED]
    itself = {"stage": "red", "previous": {"path": RED}}
    assert list(pairing.before(itself, read)) == []
    lost = {"stage": "red", "previous": {"path": DRY}}
    assert list(pairing.before(lost, read)) == []
    foreign = {"stage": "red", "previous": {"path": "notes/stage.json"}}
    assert list(pairing.before(foreign, read)) == []


@pytest.mark.parametrize(("first", "second"), [("red", "green"), ("green", "red")])
def test_red_and_green_have_the_same_test_files(first, second):
    between = stage("collect")
    codes = {first: {MODULE: A, "harness/a.py": A}, second: {MODULE: B, "harness/a.py": B}}
    told = [("stage.pair", MODULE, "", f"sha256 {A} in {first}", f"sha256 {B}")]
    given = stage(first), between, stage(second)
    assert chained(*given, code=codes) == told
    assert chained(*given, code={**codes, second: codes[first]}) == []
    # Without its digests, which are asked for elsewhere, a stage says nothing of its files.
    assert chained(*given, code={second: codes[second]}) == []


def collected_by(name, **tests):
    """Return a stage with a report for each command, and the reports: which tests it collected."""
    record = stage(name)
    record["commands"] = [
        command(name=each, argv=ARGV, collection=f"{name}/{each}.json") for each in tests
    ]
    reports = {f"{name}/{each}.json": collected(collected=ids) for each, ids in tests.items()}
    return record, reports


@pytest.mark.parametrize("turned", [False, True])
def test_red_and_green_have_collected_the_same_tests(turned):
    one, two, more = ("tests/a.py::test_one", "tests/a.py::test_two", "tests/a.py::test_more")
    red = {"a fault": [more], "collect-mapped": [one], "collect-suite": [two, one]}
    code = {name: dict.fromkeys(("tests/a.py", MODULE, FAULTS), A) for name in ("red", "green")}

    def found(**green):
        both = [collected_by("red", **red), collected_by("green", **green)][:: -1 if turned else 1]
        files = both[0][1] | both[1][1]
        return chained(both[0][0], both[1][0], files=files, code=code)

    assert found(mapped=[one], suite=[one, two]) == []
    told = [
        (more, ("no such test", "collected")),
        (two, ("collected", "no such test")),
    ]
    later, earlier = ("red", "green") if turned else ("green", "red")
    where = {"red": RED, "green": GREEN}[later]
    assert found(mapped=[one], suite=[one, more]) == [
        ("stage.pair", where, test, f"{words[turned]} in {earlier}", words[not turned])
        for test, words in told
    ]
    # A command that left no report is told elsewhere.
    assert found(suite=[one, two]) == []
    assert found(suite=[one]) == [
        ("stage.pair", where, two, f"{told[1][1][turned]} in {earlier}", told[1][1][not turned])
    ]


@pytest.mark.parametrize(("first", "second"), [("red", "green"), ("green", "red")])
@pytest.mark.parametrize("same", [True, False])
def test_what_fails_in_red_as_the_tree_stands_passes_in_green_by_other_code(first, second, same):
    code = {name: dict.fromkeys((MODULE, FAULTS), A) for name in (first, second)}
    given = stage(first), stage("collect"), stage(second)
    given[0]["code_sha256"] = A if same else B
    proof = {"red/proof.json": canonical.to_bytes({"natural": ["b", "a"]})}
    where = {"red": RED, "green": GREEN}[second]
    words = ("other code than in red, where it fails as the tree stands", "the same code")
    told = [("stage.pair", where, test, *words) for test in ("a", "b")]
    assert chained(*given, code=code, files=proof) == told * same
    assert chained(*given, code=code) == []


@pytest.mark.parametrize(("other", "told"), [(A, False), (B, True), (None, False)])
def test_stages_of_one_hub_rest_on_the_same_inputs(other, told):
    given = stage("red"), stage("collect"), stage("dry-run")
    inputs = {"red": {"a.npz": A, "b.npz": A}, "dry-run": {"a.npz": other, "c.npz": B}}
    words = f"sha256 {A} in red", f"sha256 {B}"
    found = [("stage.inputs", "a.npz", "", *words)]
    assert chained(*given, code={"red": {}, "dry-run": {}}, inputs=inputs) == found * told
    for name, value in (("preset", "default"), ("base_sha256", B)):
        others = stage("red"), stage("collect"), stage("dry-run", **{name: value})
        assert chained(*others, code={"red": {}, "dry-run": {}}, inputs=inputs) == []


def test_stages_that_are_no_pair_may_differ_in_test_files():
    codes = {"red": {MODULE: A}, "collect": {MODULE: B}, "dry-run": {MODULE: C}}
    assert chained(stage("red"), stage("collect"), code=codes) == []
    assert chained(stage("collect"), stage("dry-run"), code=codes) == []


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ((A, False), (A, False), True),
        ((A, False), (B, False), False),
        ((A, True), (A, False), False),
        ((A, False), (A, True), False),
        ((A, None), (A, None), False),
        ((None, False), (None, False), False),
    ],
)
def test_stages_at_one_clean_commit_have_the_same_code(first, second, is_one):
    def at(name, commit):
        return stage(name) | {"git": dict(zip(("commit", "dirty"), commit, strict=True))}

    path, codes = "harness/a.py", {"collect": {"harness/a.py": A}, "dry-run": {"harness/a.py": B}}
    told = [("stage.commit", path, "", f"sha256 {A} in collect", f"sha256 {B}")]
    # A stage without its digests stands in nobody's way.
    given = at("collect", first), at("red", first), at("dry-run", second)
    assert chained(*given, code=codes) == told * is_one
    assert chained(*given, code={**codes, "collect": codes["dry-run"]}) == []


def unhashed(name, *paths):
    words = ("the digest of a file that the stage used", "none")
    where = f"{layout.STAGE_DIRECTORIES[name]}/{layout.DIGESTS}"
    return [("stage.unhashed", where, f"/before/code/{path}", *words) for path in paths]


def test_each_test_file_that_a_stage_used_is_hashed():
    ids = {"collected": ["tests/b.py::test_a::more", "tests/a.py::test_b"]}
    report = collected(**ids, deselected=["tests/c.py::test_c"])
    given, files = stage("green", "a.json"), {"a.json": report}
    used = [*(f"tests/{each}.py" for each in "abc"), MODULE]
    assert chained(given, files=files) == unhashed("green", *used)
    code = {"green": dict.fromkeys(used, A)}
    assert chained(given, files=files, code=code) == []
    code["green"] |= {"tests/b.py": None}
    assert chained(given, files=files, code=code) == unhashed("green", "tests/b.py")


def test_every_report_of_a_stage_is_read_and_one_that_is_not_there_names_no_test():
    files = {"b.json": collected(collected=["tests/b.py::test_b"]), "c.json": None}
    given = stage("collect", "c.json", "b.json")
    given["commands"].append({"argv": ARGV, "reports": {"junit": "a.json"}})
    assert chained(given, files=files) == unhashed("collect", "tests/b.py", MODULE)


def test_red_uses_its_faults_too_and_a_stage_without_reports_no_test_at_all():
    assert chained(stage("red", "a.json")) == unhashed("red", FAULTS, MODULE)
    assert chained(stage("red")) == chained(stage("dry-run")) == []
