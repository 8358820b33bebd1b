"""Documents that drift from the tree: collect finds it, docs-sync mends it, the hub keeps it."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import (
    canonical,
    cli,
    docsync,
    documented,
    documents,
    hub,
    layout,
    publish,
    resources,
    studyfile,
    testindex,
    verify,
)
from harness.collection import Collection
from harness.errors import InputInvalid, UsageError
from tests import small_tree

INDEX, GUIDE = documented.INDEX, documented.GUIDE
MODULE = "tests/study/test_small.py"
ROW = f"| `{MODULE}::test_another` | nothing |\n"
GONE = f"| `{MODULE}::test_gone` | it is gone |\n"
TARGETS = "| `make red` | show that tests fail |\n"
SUITE = "-k ptychi -vv` | the suite |\n<!-- selectors:end"


def change(root, path, old, new):
    text = (root / path).read_text()
    assert text.count(old) == 1, (path, old)
    (root / path).write_text(text.replace(old, new))


def findings(root):
    return verify.verify(hub.entries(root), publish.reader(root), resources.schema)


def collected(tree):
    """Run collect in a new hub by the tree's own command; return the hub and the findings."""
    made = small_tree.new_hub(tree)
    words = ("stage", "collect", "--hub", made, "--preset", "smoke")
    done = small_tree.run(tree, "harness", *words)
    record = json.loads((made / "collect/stage.json").read_text())
    assert done.returncode == record["exit_code"], done.stdout + done.stderr
    for item in record["findings"]:
        assert f"[{item['rule']}]" in done.stdout
    return made, record["findings"]


RENAMED = {"collect.listed", "collect.stale", "collect.unknown"}
ON_A_STAGE = {
    "a row removed": (INDEX, ROW, "", {"collect.listed"}),
    "a row for no test": (INDEX, ROW, ROW + GONE, {"collect.stale"}),
    "no purpose": (INDEX, "| a study in small |", f"| {testindex.UNTOLD} |", {"collect.purpose"}),
    "a target renamed": ("Makefile", "red: ##", "crimson: ##", RENAMED),
    "a session renamed": ("noxfile.py", "def red(", "def crimson(", RENAMED),
    "an option renamed": ("harness/cli.py", '"--git",', '"--notes",', RENAMED),
    "a command of the guide": (GUIDE, "HUB --git\n", "HUB --gut\n", {"collect.unknown"}),
}


@pytest.mark.parametrize("attack", ON_A_STAGE)
def test_collect_fails_on_a_difference_and_the_hub_holds_the_change(tree, attack):
    path, old, new, rules = ON_A_STAGE[attack]
    change(tree, path, old, new)

    made, found = collected(tree)

    assert {item["rule"] for item in found} == rules
    assert findings(made) == ()
    archived = made / layout.DOCUMENTS_DIFF
    assert archived.is_file() is bool(rules - {"collect.unknown", "collect.purpose"})
    if archived.is_file():
        assert f"  {layout.DOCUMENTS_DIFF}\n" in (made / layout.SEAL).read_text()
        applied = subprocess.run(["git", "apply", str(archived)], cwd=tree, check=False)
        assert applied.returncode == 0


def differences(tree):
    """Return what differs as the tree stands, and what differs once the tables are mended."""
    tests = studyfile.load(tree / small_tree.STUDY).tests
    listed = Collection(tuple(f"{MODULE}::{name}" for name in small_tree.NAMES))
    known = documents.facts(tree, tests, cli.command_lines())
    texts = documents.texts(tree)
    found = documented.differences(texts, known, listed)
    mended = documented.mended(texts, known, listed)
    return found, documented.differences(mended, known, listed)


SMALLER = {
    "a row twice": (INDEX, ROW, ROW * 2, ["collect.row-twice"]),
    "an empty purpose": (INDEX, "| nothing |", "|  |", ["collect.changed", "collect.purpose"]),
    "a row of another form": (INDEX, "| nothing |", "|   nothing|", ["collect.changed"]),
    "words of a target": ("Makefile", "show that", "see that", ["collect.changed"]),
    "words of a session": ("noxfile.py", "Show that", "See that", ["collect.changed"]),
    "a new target": ("Makefile", "red: ##", "zero: ## none\nred: ##", ["collect.listed"]),
    "a target that nobody explains": (
        "Makefile",
        "red: ##",
        "zero: red\nred: ##",
        ["collect.listed", "collect.purpose"],
    ),
    "a session that nobody explains": (
        "noxfile.py",
        '    """Show that tests fail."""\n',
        "    pass\n",
        ["collect.changed", "collect.purpose"],
    ),
    "a command behind another": (
        GUIDE,
        "HUB --git\n",
        "HUB --git && make rad\n",
        ["collect.unknown"],
    ),
    "a command of another shell": (
        GUIDE,
        "# Guide\n",
        "# Guide\n\n```sh\nmake rad\n```\n",
        ["collect.unknown"],
    ),
    "an environment's command in the text": (
        GUIDE,
        "# Guide",
        "# Guide `.venv-light/bin/python -m harness stag`",
        ["collect.unknown"],
    ),
    "a test file that is gone": (
        GUIDE,
        "HUB --git\n",
        "HUB --git\nnox -s red -- tests/study/test_gone.py\n",
        ["collect.unknown"],
    ),
    "a mapped test that is gone": (
        GUIDE,
        "# Guide",
        f"# Guide `pytest {MODULE}::test_gone -vv`",
        ["collect.unknown"],
    ),
    "a variable gone": ("Makefile", ":= DOSE HUB", ":= HUB", ["collect.unknown"]),
    "a decision retitled": ("docs/adr/0001-small.md", "small", "big", ["collect.changed"]),
    "a rule's words": ("docs/hub-format.md", "a hub is sealed", "hubs", ["collect.changed"]),
    "a selector": (GUIDE, SUITE, SUITE.replace("ptychi", "zz"), ["collect.selector"]),
    "a command of a block": (
        GUIDE,
        "pytest tests/study/test_small.py --collect-only -vv\n",
        "",
        ["collect.command"],
    ),
    "a word of the text": (GUIDE, "# Guide", "# Guide `make rad`", ["collect.unknown"]),
    "a target not listed": (GUIDE, TARGETS, "", ["collect.listed"]),
}


@pytest.mark.parametrize("difference", SMALLER)
def test_a_difference_is_named_and_what_the_tables_can_mend_is_mended(tree, difference):
    path, old, new, rules = SMALLER[difference]
    change(tree, path, old, new)
    found, left = differences(tree)
    assert sorted(item.rule for item in found) == rules
    by_hand = ("collect.unknown", "collect.purpose", "collect.selector", "collect.command")
    assert [item.rule for item in left] == [rule for rule in rules if rule in by_hand]


def test_a_test_file_of_either_name_that_pytest_takes_is_listed(tree):
    (tree / "tests/study/small_test.py").write_text('"""Small, too."""\n')
    found, left = differences(tree)
    assert [item.expected for item in found] == [
        "the line | `tests/study/small_test.py` | Small, too |"
    ]
    assert left == ()


def test_rows_in_another_order_are_a_difference(tree):
    second = "| `make verify` | check a hub |\n"
    change(tree, GUIDE, TARGETS + second, second + TARGETS)
    found, left = differences(tree)
    assert [item.rule for item in found] == ["collect.order"]
    assert left == ()


def test_docs_sync_writes_what_the_archived_change_says_and_collect_then_passes(tree):
    change(tree, INDEX, ROW, GONE)
    change(tree, "Makefile", "verify: ##", "check: ##")
    study = tree / MODULE
    study.write_text(study.read_text().replace("_another():", '_another():\n    """Show a | b."""'))
    before = {path: (tree / path).read_text() for path in documented.DOCUMENTS}
    made, found = collected(tree)
    assert {item["where"] for item in found} == {INDEX, GUIDE}

    done = small_tree.run(tree, "harness", "docs-sync")

    assert (done.returncode, done.stderr) == (0, "")
    archived = (made / layout.DOCUMENTS_DIFF).read_text()
    assert done.stdout == archived
    assert f"+| `{MODULE}::test_another` | Show a \\| b |\n" in archived
    assert f"-{GONE}" in archived
    changed = [line[1:] for line in archived.splitlines() if line.startswith(("+|", "-|"))]
    for path, text in before.items():
        after = (tree / path).read_text().split("\n")
        kept = [line for line in text.split("\n") if line not in changed]
        assert kept == [line for line in after if line not in changed]
    assert collected(tree)[1] == []
    assert small_tree.run(tree, "harness", "docs-sync").stdout == (
        "the tables are as they ought to be\n"
    )


def synchronise(tree, monkeypatch, say=lambda line: None):
    monkeypatch.chdir(tree)
    monkeypatch.setenv("PYTHONPATH", str(tree))
    docsync.synchronise(studyfile.load(small_tree.STUDY), tree, cli.command_lines(), say)


def test_a_new_test_that_says_nothing_of_itself_gets_a_purpose_that_collect_refuses(
    tree, monkeypatch
):
    change(tree, INDEX, ROW, "")
    with pytest.raises(InputInvalid) as refused:
        synchronise(tree, monkeypatch)
    assert [item.rule for item in refused.value.findings] == ["collect.purpose"]
    assert f"| `{MODULE}::test_another` | {testindex.UNTOLD} |\n" in (tree / INDEX).read_text()
    assert [item["rule"] for item in collected(tree)[1]] == ["collect.purpose"]


@pytest.mark.parametrize(
    ("path", "old", "new", "error"),
    [
        (INDEX, "<!-- tests:end -->", "", InputInvalid),
        (GUIDE, "<!-- options:begin -->", "", InputInvalid),
        (INDEX, ROW, "a line of somebody's\n", InputInvalid),
        (INDEX, ROW, f"| {MODULE}::test_another | no backticks |\n", InputInvalid),
        (MODULE, "from harness import layout", "from harness import nothing", InputInvalid),
        (INDEX, "# Index", "# \udcff", UsageError),
    ],
    ids=["marker", "marker of the guide", "no row", "no code", "no collection", "no text"],
)
def test_docs_sync_writes_nothing_where_it_cannot_know(tree, monkeypatch, path, old, new, error):
    text = (tree / path).read_text()
    assert old in text
    (tree / path).write_bytes(text.replace(old, new).encode(errors="surrogateescape"))
    change(tree, "Makefile", "verify: ##", "check: ##")
    before = small_tree.digests(tree / "docs")
    with pytest.raises(error):
        synchronise(tree, monkeypatch)
    assert small_tree.digests(tree / "docs") == before


def test_a_test_that_is_left_out_is_no_row_to_remove(tree, monkeypatch):
    leaves_out = "def pytest_collection_modifyitems(items):\n    del items[2:]\n"
    (tree / "tests/conftest.py").write_text(leaves_out)

    made, found = collected(tree)

    assert [item["rule"] for item in found] == ["collect.deselected", "collect.stale"]
    assert found[0]["pointer"] == f"{MODULE}::test_another"
    assert not (made / layout.DOCUMENTS_DIFF).exists()
    assert findings(made) == ()
    before = small_tree.digests(tree / "docs")
    with pytest.raises(InputInvalid) as refused:
        synchronise(tree, monkeypatch)
    assert [item.rule for item in refused.value.findings] == ["collect.deselected"]
    assert small_tree.digests(tree / "docs") == before


@pytest.fixture
def drifted_hub(tree):
    """A hub whose collect stage failed and left the change of a document."""
    change(tree, INDEX, ROW, "")
    made = small_tree.new_hub(tree)
    assert small_tree.run_stage(tree, made, "collect") == 1
    assert findings(made) == ()
    return made


@pytest.mark.parametrize("attack", ["edited", "removed"])
def test_an_archived_change_that_is_edited_or_removed_is_found_though_sealed_again(
    drifted_hub, attack
):
    archived = drifted_hub / layout.DOCUMENTS_DIFF
    if attack == "edited":
        archived.write_bytes(archived.read_bytes().replace(b"+|", b"-|"))
    else:
        archived.unlink()
    assert layout.DOCUMENTS_DIFF in {item.where for item in findings(drifted_hub)}
    hub.seal_hub(drifted_hub)
    assert [(item.rule, item.where) for item in findings(drifted_hub)] == [
        ("hub.derived", layout.DOCUMENTS_DIFF)
    ]


def test_an_archived_change_that_no_stage_left_is_found(small_hub):
    (small_hub / layout.DOCUMENTS_DIFF).write_text("--- a\n+++ b\n")
    hub.seal_hub(small_hub)
    assert [item.rule for item in findings(small_hub)] == ["hub.derived"]


def test_a_text_that_was_changed_in_the_record_does_not_give_the_archived_change(drifted_hub):
    path = drifted_hub / documented.PATH
    record = json.loads(path.read_text())
    record["documents"][INDEX] = record["documents"][INDEX].replace("# Index", "# Other\n# Index")
    path.write_bytes(canonical.to_bytes(record))
    assert ("hub.derived", layout.DOCUMENTS_DIFF) in {
        (item.rule, item.where) for item in findings(drifted_hub)
    }


def test_a_collection_that_failed_gives_no_change(tree):
    change(tree, MODULE, "from harness import layout", "from harness import nothing")
    made = small_tree.new_hub(tree)
    assert small_tree.run_stage(tree, made, "collect") == 1
    assert not (made / layout.DOCUMENTS_DIFF).exists()
    assert findings(made) == ()


def test_documents_that_are_absent_are_differences(tree):
    shutil.rmtree(tree / "docs")
    made = small_tree.new_hub(tree)
    assert small_tree.run_stage(tree, made, "collect") == 1
    found = json.loads((made / "collect/stage.json").read_text())["findings"]
    absent = {item["where"] for item in found if item["rule"] == "collect.markers"}
    assert absent == set(documented.DOCUMENTS)
    assert "stage.guide" in {item["rule"] for item in found}
    assert findings(made) == ()


@pytest.fixture(scope="session")
def known(sound_tree):
    tests = studyfile.load(sound_tree / small_tree.STUDY).tests
    return documents.facts(sound_tree, tests, cli.command_lines())


def test_the_record_has_what_the_mapped_tests_say_of_themselves_and_what_files_say(tree):
    (tree / "tests/test_other.py").write_text('"""Other."""\ndef test_x():\n    """Not asked."""\n')
    tests = studyfile.load(tree / small_tree.STUDY).tests
    told = documents.facts(tree, tests, ())["told"]
    assert told == {"tests/test_other.py": "Other"}


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from(documented.DOCUMENTS), st.text(), max_size=4))
def test_no_text_of_a_document_makes_the_comparison_raise(sound_tree, known, texts):
    listed = Collection(tuple(f"{MODULE}::{name}" for name in small_tree.NAMES))
    sound = documents.texts(sound_tree)
    assert documented.differences(sound, known, listed) == ()
    changed = {**sound, **{path: sound[path] + text for path, text in texts.items()}}
    documented.differences(changed, known, listed)
    assert documented.unified(sound, changed) == "" or changed != sound
