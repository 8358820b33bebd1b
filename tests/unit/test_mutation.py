"""The record of the mutants: counts, reasons and verdict, and what verify says of a forged one."""

from __future__ import annotations

import copy
import json
import shutil
import tomllib
from pathlib import Path

import pytest

from harness import (
    canonical,
    cli,
    drift,
    errors,
    files,
    hub,
    layout,
    mutants,
    mutation,
    provenance,
    publish,
    resources,
    schemas,
    verify,
)
from tests.memory.stages import UNTOUCHED

SOURCE = """
def x_plan__mutmut_orig(a):
    b = a + 1
    return b

def x_plan__mutmut_1(a):
    b = a - 1
    return b

def x_plan__mutmut_2(a):
    b = None
    return b

def plan(a):
    return x_plan__mutmut_orig(a)
"""
MINUS, NONE = "-b = a + 1\n+b = a - 1", "-b = a + 1\n+b = None"
LISTED = [{"module": "matrix", "function": "plan", "change": NONE, "reason": "never called"}]
NO_REASON = """format = "harness.survivors/1"
[[survivors]]
module = "matrix"
function = "plan"
change = "-a"
reason = ""
"""
CODE = {"harness/matrix.py": "a" * 64}
GROUPS = {"code": CODE, "study": {}, "inputs": {}}
RESTS_ON = drift.record(GROUPS, GROUPS, UNTOUCHED)
PATH = f"{layout.MUTATION}/{layout.MUTATION_RECORD}"


def module(name="matrix", left=0, killed=20, listed=()):
    """Return the record of a module; `left`: the exit code of its last mutant but the killed."""
    codes = {f"x_other__mutmut_{number}": 1 for number in range(killed)} | {
        "x_plan__mutmut_2": left
    }
    return mutation.module_record(name, codes, {"x_plan__mutmut_2": NONE}, listed)


def record(*modules, listed=(), returncode=0):
    others = [module(name, left=1) for name in mutation.MODULES]
    given = {each["module"]: each for each in (*others, *modules)}
    facts = {"modules": list(given.values()), "listed": list(listed), "returncode": returncode}
    return {**facts, "least_killed": mutation.LEAST_KILLED}


def told(document, rests_on=RESTS_ON):
    return [(item.rule, item.pointer, item.found) for item in mutation.judge(document, rests_on)]


def test_a_change_is_the_lines_that_differ():
    assert mutation.changes(SOURCE) == {"x_plan__mutmut_1": MINUS, "x_plan__mutmut_2": NONE}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        *((code, "killed") for code in (1, 3)),
        (0, "survived"),
        *((code, "no_tests") for code in (5, 33)),
        *((code, "timeout") for code in (36, 24, -24, 152, 255)),
        *((code, "other") for code in (None, 2, 34, 35, 37, -11, -9)),
    ],
)
def test_only_a_failing_test_kills(code, expected):
    assert mutation.outcome(code) == expected
    made = module(left=code)
    assert (made["mutants"], made["killed"]) == (21, 20 + (expected == "killed"))
    assert [each["outcome"] for each in made["survivors"]] == [expected] * (expected != "killed")


def test_a_survivor_has_its_function_its_change_and_the_listed_reason():
    survivor = {"mutant": "x_plan__mutmut_2", "function": "plan", "outcome": "survived"}
    survivor |= {"change": NONE, "reason": None}
    assert module()["survivors"] == [survivor]
    assert module(listed=LISTED)["survivors"] == [survivor | {"reason": "never called"}]
    for part in ("module", "function", "change"):
        other = [{**LISTED[0], part: "another"}]
        assert module(listed=other)["survivors"] == [survivor]


def test_no_reason_excuses_a_mutant_that_no_test_reached_or_that_ran_out_of_time():
    for code in (33, 36, None):
        assert module(left=code, listed=LISTED)["survivors"][0]["reason"] is None


def test_all_killed_or_accounted_for_passes():
    assert told(record()) == []
    assert told(record(module(listed=LISTED), listed=LISTED)) == []


def test_a_survivor_that_is_not_listed_fails():
    place, words = "matrix.x_plan__mutmut_2", f"survived: {NONE}"
    assert told(record(module())) == [("mutation.survivor", place, words)]


def test_a_listed_survivor_that_was_killed_fails():
    assert told(record(listed=LISTED)) == [("mutation.listed", "matrix.plan", f"none: {NONE}")]


def test_nine_in_ten_must_be_killed_whatever_is_listed():
    enough, short = (module(killed=killed, listed=LISTED) for killed in (9, 8))
    assert told(record(enough, listed=LISTED)) == []
    assert told(record(short, listed=LISTED)) == [("mutation.killed", "matrix", "8 of 9")]


def test_a_module_left_out_or_without_mutants_fails():
    document = record()
    document["modules"][0] = mutation.module_record("matrix", {}, {}, ())
    lost = document["modules"].pop()["module"]
    assert told(document) == [
        ("mutation.module", "matrix", "none"),
        ("mutation.module", lost, "none"),
    ]


def test_a_tool_that_broke_off_is_told_alone():
    assert told(record(module(left=None), returncode=1)) == [("mutation.tool", "mutmut", "1")]


def test_code_that_changed_meanwhile_fails():
    after = {"code": {"harness/matrix.py": "b" * 64}, "study": {}, "inputs": {}}
    found = told(record(), {**RESTS_ON, "after": after})
    assert [rule for rule, _, _ in found] == ["stage.drift"]


# In a hub.


@pytest.fixture
def made(tmp_path):
    """A hub with the record of mutants, one of them accepted."""
    root = hub.create(tmp_path, "S", "mutation", provenance.now)
    folder = root / layout.MUTATION
    files.write_json(folder / layout.DIGESTS, RESTS_ON)
    files.write_new(folder / layout.MUTATION_LOG, b"21/21\n")
    document = {
        "format": mutation.FORMAT,
        "tool": {"name": "mutmut", "version": "3"},
        "tests": list(mutation.TESTS),
        **record(module(listed=LISTED), listed=LISTED),
        "started_at": "2026-01-01T00:00:00.000+00:00",
        "finished_at": "2026-01-01T00:00:01.000+00:00",
        "elapsed_s": 1.0,
        "git": {"commit": None, "dirty": None},
        "code_sha256": canonical.digest(CODE),
        "versions": {},
        "host": provenance.host(),
        "outputs": publish.outputs(root, folder),
    }
    files.write_json(root / PATH, mutation.judged(document, RESTS_ON))
    publish.derive_and_seal(root)
    return root


def rules(root):
    found = verify.verify(hub.entries(root), publish.reader(root), resources.schema)
    return {(item.rule, item.pointer) for item in found}


def test_a_hub_with_mutants_holds_and_says_its_verdict(made, capsys):
    assert rules(made) == set()
    assert cli.main(["verify", str(made)]) == 0
    assert "verdicts: mutation pass\n" in capsys.readouterr().out


def claim_a_kill(document):
    document["modules"][0]["killed"] += 1


def hide_the_survivor(document):
    document["modules"][0]["survivors"] = []


def give_a_reason(document):
    document["listed"] = []


def lower_the_bar(document):
    document["least_killed"] = 0.1


def leave_a_module_out(document):
    document["modules"].pop()


def claim_a_failure(document):
    document["verdict"], document["exit_code"] = "fail", 1


@pytest.mark.parametrize(
    ("lie", "place"),
    [
        (claim_a_kill, "/modules"),
        (hide_the_survivor, "/modules"),
        (give_a_reason, "/modules"),
        (lower_the_bar, "/least_killed"),
        (leave_a_module_out, "/findings"),
        (claim_a_failure, "/verdict"),
    ],
)
def test_a_lie_in_a_sealed_record_is_found(made, lie, place):
    document = json.loads((made / PATH).read_bytes())
    lie(document)
    (made / PATH).write_bytes(canonical.to_bytes(document))
    hub.seal_hub(made)
    assert ("hub.mutation", place) in rules(made)


def test_a_file_beside_the_record_is_found_though_it_is_listed(made):
    (made / layout.MUTATION / "opinion.md").write_text("It went well.")
    document = json.loads((made / PATH).read_bytes())
    (made / PATH).unlink()
    document["outputs"] = publish.outputs(made, made / layout.MUTATION)
    (made / PATH).write_bytes(canonical.to_bytes(document))
    publish.derive_and_seal(made)
    assert rules(made) == {("hub.extra", "")}


@pytest.mark.parametrize(
    ("path", "rule"),
    [(f"{layout.MUTATION}/{layout.PROVENANCE}", "hub.provenance"), (layout.CRATE, "hub.crate")],
)
def test_a_document_that_is_not_what_the_record_gives_is_found(made, path, rule):
    for change in ((made / path).unlink, lambda: (made / path).write_text("{}")):
        change()
        hub.seal_hub(made)
        assert rules(made) == {(rule, "")}


def test_a_test_result_beside_the_record_is_found(made):
    (made / layout.MUTATION / layout.TEST_RESULT).write_text("{}")
    hub.seal_hub(made)
    assert rules(made) == {("hub.test-result", "")}


def test_the_provenance_of_a_record_of_mutants_is_of_its_files_and_names_code_and_tests(made):
    document = json.loads((made / layout.MUTATION / layout.PROVENANCE).read_bytes())
    name = "intoto_provenance"
    assert schemas.check(document, resources.schema(name), name=name, where=name) == ()
    left = (layout.MUTATION_RECORD, layout.DIGESTS, layout.MUTATION_LOG)
    assert {each["name"]: each["digest"]["sha256"] for each in document["subject"]} == {
        f"{layout.MUTATION}/{each}": files.sha256_file(made / layout.MUTATION / each)
        for each in left
    }
    assert document["subject"][0]["annotations"] == {"verdict": "pass", "exit_code": 0}
    definition = document["predicate"]["buildDefinition"]
    assert definition["externalParameters"]["tests"] == list(mutation.TESTS)
    assert definition["externalParameters"]["modules"] == list(mutation.MODULES)
    rested_on = {each["name"]: each["digest"] for each in definition["resolvedDependencies"]}
    assert rested_on == {
        **{path: {"sha256": digest} for path, digest in CODE.items()},
        "hub.json": {"sha256": files.sha256_file(made / "hub.json")},
    }


@pytest.mark.parametrize("build", ["stage", "reproduction", "opinion"])
def test_the_provenance_of_mutants_under_another_build_type_breaks_its_schema(made, build):
    document = json.loads((made / layout.MUTATION / layout.PROVENANCE).read_bytes())
    document["predicate"]["buildDefinition"]["buildType"] = f"urn:ptycho-evidence:{build}:1"
    name = "intoto_provenance"
    assert schemas.check(document, resources.schema(name), name=name, where=name)


def test_the_crate_of_a_record_of_mutants_has_its_one_action(made):
    graph = json.loads((made / layout.CRATE).read_bytes())["@graph"]
    (action,) = [each for each in graph if each["@type"] == "CreateAction"]
    assert (action["@id"], action["name"]) == (f"#{layout.MUTATION}", "Mutants of the core")
    assert f"{layout.MUTATION}/{layout.MUTATION_LOG}" in action["description"]


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        (layout.DIGESTS, "hub.mutation"),
        (layout.MUTATION_LOG, "hub.outputs"),
        (layout.MUTATION_RECORD, "hub.extra"),
    ],
)
def test_a_lost_file_is_found_though_the_hub_was_sealed_again(made, name, rule):
    (made / layout.MUTATION / name).unlink()
    hub.seal_hub(made)
    assert rule in {found for found, _ in rules(made)}


# The run.


def test_the_list_of_survivors_fits_its_schema_and_names_modules_of_the_core():
    listed = mutants.load_survivors(resources.REPOSITORY)
    assert {each["module"] for each in listed} <= set(mutation.MODULES)
    assert len(listed) == len({canonical.digest({**each, "reason": ""}) for each in listed})


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (None, errors.UsageError),
        ("survivors = [", errors.InputInvalid),
        ('format = "harness.survivors/1"', errors.InputInvalid),
        (
            NO_REASON,
            errors.InputInvalid,
        ),
    ],
)
def test_a_list_that_is_absent_or_unsound_is_refused(tmp_path, text, error):
    (tmp_path / "tests" / "mutation").mkdir(parents=True)
    if text is not None:
        (tmp_path / mutation.SURVIVORS).write_text(text)
    with pytest.raises(error):
        mutants.load_survivors(tmp_path)


def test_without_the_tool_nothing_is_written_and_the_way_out_is_told(tree, monkeypatch, capsys):
    shutil.rmtree(tree / layout.reports("S"), ignore_errors=True)
    monkeypatch.setattr(mutation, "TOOL", "no-such-mutation-tester")
    monkeypatch.chdir(tree)
    assert cli.main(["mutation"]) == 3
    assert "make mutation" in capsys.readouterr().err


TOOL = """import compileall, json, os, pathlib, sys, time
assert sys.argv[1] == "run" and "[tool.mutmut]" in pathlib.Path("pyproject.toml").read_text()
print("1/2", end="\\r")
print("2/2", flush=True)
if os.environ["TOOL_DOES"] == "interrupt":
    os.kill(os.getppid(), 2)
    time.sleep(60)
if os.environ["TOOL_DOES"] == "touch the code":
    path = pathlib.Path({tree!r}, "harness", "layout.py")
    path.write_bytes(path.read_bytes())
if os.environ["TOOL_DOES"] == "compile the code":
    compileall.compile_dir(pathlib.Path({tree!r}, "tests"), quiet=1)
folder = pathlib.Path("mutants", "harness")
folder.mkdir(parents=True)
for name in {modules!r}:
    (folder / f"{{name}}.py").write_text({source!r})
    codes = {{f"harness.{{name}}.x_plan__mutmut_{{n}}": 1 for n in (1, 2)}}
    if os.environ["TOOL_DOES"] == "leave one":
        codes["harness.matrix.x_plan__mutmut_2" if name == "matrix" else next(iter(codes))] = 0
    (folder / f"{{name}}.py.meta").write_text(json.dumps({{"exit_code_by_key": codes}}))
"""


@pytest.fixture
def tool(tree, tmp_path, monkeypatch):
    """A small repository, and a program in the place of the mutation tester."""
    place = tmp_path / "packages"
    (place / "mutmut").mkdir(parents=True)
    text = TOOL.format(modules=mutation.MODULES, source=SOURCE, tree=str(tree))
    (place / "mutmut" / "__main__.py").write_text(text)
    (place / "mutmut-9.0.dist-info").mkdir()
    (place / "mutmut-9.0.dist-info" / "METADATA").write_text("Name: mutmut\nVersion: 9.0\n")
    monkeypatch.syspath_prepend(place)
    monkeypatch.setenv("PYTHONPATH", str(place))
    (tree / "tests" / "mutation").mkdir()
    (tree / mutation.SURVIVORS).write_text('format = "harness.survivors/1"\nsurvivors = []\n')
    monkeypatch.chdir(tree)
    return tree


@pytest.mark.parametrize(("does", "code"), [("kill all", 0), ("leave one", 1)])
def test_a_run_leaves_a_sealed_hub_with_every_mutant(
    tool, design, monkeypatch, tmp_path, does, code
):
    monkeypatch.setenv("TOOL_DOES", does)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    said = []
    assert mutants.run(design, said.append, tool) == code
    (root,) = tool.glob("plans/active/*/reports/*/mutation")
    document = json.loads((root / PATH).read_bytes())
    assert rules(root) == set()
    told_ci = (tmp_path / "summary.md").read_text()
    assert told_ci.endswith(f"after mutation: head sha256 `{hub.head(root)}`\n")
    assert document["tool"] == {"name": "mutmut", "version": "9.0"}
    assert (root / layout.MUTATION / layout.MUTATION_LOG).read_bytes() == b"2/2\n"
    told_of = {item["pointer"]: item["found"] for item in document["findings"]}
    if code:
        assert told_of["matrix.x_plan__mutmut_2"] == f"survived: {NONE}"
        assert said[0] == "matrix: 1 of 2 killed (50.0%)"
    assert not list((tool / "tmp" / "mutation").iterdir())


def test_code_that_is_touched_while_mutants_are_tried_voids_the_run(tool, design, monkeypatch):
    monkeypatch.setenv("TOOL_DOES", "touch the code")
    said = []
    assert mutants.run(design, said.append, tool) == 1
    (root,) = tool.glob("plans/active/*/reports/*/mutation")
    (item,) = json.loads((root / PATH).read_bytes())["findings"]
    assert (item["rule"], item["where"]) == ("stage.drift", "harness/layout.py")
    assert rules(root) == set()


def test_whoever_runs_python_beside_mutants_does_not_void_them(tool, design, monkeypatch):
    monkeypatch.setenv("TOOL_DOES", "compile the code")
    for cache in (tool / "tests").rglob("__pycache__"):
        shutil.rmtree(cache)
    assert mutants.run(design, print, tool) == 0


def test_an_interrupted_run_leaves_no_hub(tool, design, monkeypatch):
    monkeypatch.setenv("TOOL_DOES", "interrupt")
    with pytest.raises(KeyboardInterrupt):
        mutants.run(design, print, tool)
    assert not list(tool.glob("plans/active/*/reports/*/mutation"))
    assert not list((tool / "tmp" / "mutation").iterdir())


def test_the_tool_is_told_which_modules_and_tests():
    told_of = tomllib.loads(mutants.settings())["tool"]["mutmut"]
    assert told_of["only_mutate"] == [f"harness/{name}.py" for name in mutation.MODULES]
    assert told_of["pytest_add_cli_args_test_selection"] == list(mutation.TESTS)
    for path in (*told_of["only_mutate"], *mutation.TESTS):
        assert (Path(resources.REPOSITORY) / path).is_file()


def test_the_record_s_examples_are_recomputed_as_they_stand():
    example = resources.REPOSITORY / "tests/examples/valid/mutation/one-accepted.json"
    document = json.loads(example.read_text())
    again = mutation.judged(copy.deepcopy(document), RESTS_ON)
    assert schemas.check(again, resources.schema("mutation"), name="mutation", where="x") == ()
    assert again == document
