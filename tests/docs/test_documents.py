"""The documents say what is so: commands, files, rules, codes and tables against the tree."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness import (
    cli,
    documented,
    documents,
    errors,
    guide,
    layout,
    policies,
    recompute,
    rules,
    studyfile,
    testindex,
    verify,
)
from harness.collection import Collection
from harness.resources import REPOSITORY
from harness.rules import RULES
from tests.docs.references import (
    functions_of,
    is_command,
    offered,
    prose,
    spans,
    table,
    text_of,
    wrong_command,
    wrong_span,
)

DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "plans/active/*/*.md")
    for path in REPOSITORY.glob(pattern)
)
NAMES = [path.relative_to(REPOSITORY).as_posix() for path in DOCUMENTS]
README, GUIDE, INDEX = "README.md", "docs/TESTING_GUIDE.md", "docs/development/TEST_SUITE_INDEX.md"
FINDINGS, HUB_FORMAT, COVERAGE = "docs/findings.md", "docs/hub-format.md", "docs/seed-coverage.md"

# How many lines of its own each part of the seed has.
SEED = {
    "Head": 6, "Implement": 6, "Tests": 3, "RED": 1, "Validate": 2, "Collect": 1,
    "CLI Evidence": 3, "Docs": 3, "Priorities": 5, "How-To": 7, "Pitfall": 10, "If Blocked": 2,
    "Finding": 4, "Pointer": 5, "Next Up": 1, "Doc Sync": 2,
}  # fmt: skip

MACHINE_PATH = re.compile(r"(?<![\w.~])/(?:home|root|Users|mnt|opt|private|tmp|work)/\w|[A-Z]:\\")


@pytest.mark.parametrize("name", NAMES)
def test_every_command_of_a_bash_block_is_one_that_this_tree_takes(name):
    guide = testindex.parse_guide(text_of(name), where=name)
    assert [problem for command in guide.commands for problem in wrong_command(command)] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_file_test_rule_command_and_name_in_the_text_exists(name):
    assert [problem for span in spans(text_of(name)) for problem in wrong_span(span)] == []


@pytest.mark.parametrize(
    "wrong",
    [
        "make real-runs",
        "make real-run COLOUR=1",
        "make real-run DOSE=7",
        "make inputs PRESET=huge",
        "nox -s dryrun",
        "nox -s dry_run -- --colour",
        "nox -s dry_run -- --dose 7",
        "nox -s tests -- tests/unit/test_nothing.py",
        "python -m harness verfy HUB",
        "python -m harness.reconstruction --dry-run",
        "python -m harnes verify HUB",
        "python -m bench.nothing",
        "pytest tests/unit/test_nothing.py -vv",
        "pytest tests/unit/test_contract.py::test_nothing",
        "harness/nothing.py",
        "tests/unit/test_contract.py::test_nothing",
        "hub.nothing",
        "harness.npz.nothing",
        "harness.nothing",
    ],
)
def test_what_does_not_exist_would_be_noticed(wrong, capsys):
    assert wrong_span(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        "rm -rf HUB",
        "export AUTHORITATIVE_CMDS_DOC=./README.md",
        "python -m harness verify",
        "cd tests && make real-runs",
    ],
)
def test_a_command_that_is_foreign_or_incomplete_would_be_noticed(wrong, capsys):
    assert wrong_command(wrong)


@pytest.mark.parametrize("name", NAMES)
def test_every_link_inside_the_documents_leads_somewhere(name):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(text_of(name))):
        if re.match(r"https?://", target):
            continue
        file, _, heading = target.partition("#")
        place = (REPOSITORY / name).parent / file if file else REPOSITORY / name
        assert place.exists(), f"{name} links to {target}"
        titles = (
            re.findall(r"^#+ (.+)$", place.read_text(encoding="utf-8"), re.M) if heading else []
        )
        slugs = [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]
        assert not heading or heading in slugs, f"{name} links to {target}"


@pytest.mark.parametrize("name", NAMES)
def test_no_document_names_a_place_of_some_machine(name):
    assert MACHINE_PATH.findall(text_of(name)) == []


def test_a_place_of_some_machine_would_be_noticed():
    assert all(map(MACHINE_PATH.search, ("in /home/me", "`/tmp/x`", r"C:\x")))


def test_every_stage_variable_and_benchmark_is_named_for_readers():
    text = text_of(README) + text_of(GUIDE)
    scripts = [path for path in REPOSITORY.glob("bench/*.py") if "__main__" in path.read_text()]
    wanted = [f"python -m bench.{path.stem}" for path in scripts]
    missing = [each for each in wanted if not re.search(rf"{re.escape(each)}(?![\w-])", text)]
    missing += [each for each in offered().variables if not re.search(rf"\b{each}\b", text)]
    missing += [stage for stage in layout.STAGES if f"`{stage}`" not in text]
    assert missing == []


def test_the_exit_codes_are_those_of_the_code():
    codes = sorted(value for name, value in vars(errors).items() if name.startswith("EXIT_"))
    listed = table(README, "exit-codes")
    assert [int(code) for code, _ in listed] == codes
    told = ", ".join(f"{code} {meaning}" for code, meaning in listed)
    assert f"Exit codes: {told}." == cli.make_parser().epilog


def test_the_policies_are_those_that_stage_records_cite():
    assert tuple(row[0].strip("`") for row in table(FINDINGS, "policies")) == policies.POLICIES


@pytest.mark.parametrize("name", NAMES)
def test_every_finding_that_is_cited_is_told(name):
    known = re.findall(r"^\| `([A-Z0-9]+-\d{3})` \|", text_of(FINDINGS), re.MULTILINE)
    cited = re.findall(r"(?<![\w-])[A-Z][A-Z0-9]+-\d{3}\b", text_of(name))
    assert len(known) == len(set(known))
    assert sorted(set(cited) - set(known)) == []


def test_every_file_of_a_hub_has_its_row():
    text = text_of(HUB_FORMAT)
    rows = re.findall(r"^\| (`.*) \| (?:record|derived)(?:,.*)? \|$", text, re.MULTILINE)
    named = " ".join(row.partition(" | ")[0] for row in rows)
    records = {Path(path).name for path in verify.JSON_SCHEMAS} | {layout.RESULT}
    others = (
        layout.SEAL,
        layout.SUMMARY,
        layout.BLOCKER,
        layout.DOCUMENTS_DIFF,
        layout.GUIDE_COPY,
        layout.STUDY_COPY,
        layout.CHILD_LOG,
        layout.JOB_LOG,
    )
    others += (layout.CRATE, *layout.ATTACHED)
    assert [name for name in (*sorted(records), *others) if f"{name}`" not in named] == []
    logs = [value for name, value in vars(layout).items() if name.endswith("_LOG")]
    assert [log for log in logs if f"{log}`" not in text] == []


def test_every_record_of_a_hub_is_told_with_its_format_and_its_schema():
    for name in {*verify.JSON_SCHEMAS.values(), "attestation"}:
        schema = json.loads(text_of(f"schemas/{name}.schema.json"))
        # A format of others has a name of its own making.
        own = schema["properties"].get("format") or schema["properties"]["payloadType"]
        told = f"`{own['const']}`, `schemas/{name}.schema.json`"
        assert told in text_of(HUB_FORMAT)


@pytest.mark.parametrize("name", NAMES)
def test_every_format_that_is_named_is_one_of_the_code(name):
    places = [*REPOSITORY.glob("harness/**/*.py"), *REPOSITORY.glob("schemas/*.json")]
    source = "".join(path.read_text(encoding="utf-8") for path in places)
    known = set(re.findall(r'"(harness\.\w+/\d+)"', source))
    assert sorted(set(re.findall(r"harness\.\w+/\d+", text_of(name))) - known) == []


def test_the_documents_tell_of_what_there_is_word_by_word():
    tests = studyfile.load().tests
    collected = Collection(tuple(functions_of(tests.module)))
    facts = documents.facts(REPOSITORY, tests, cli.command_lines())
    found = documented.differences(documents.texts(REPOSITORY), facts, collected)
    assert [rules.as_text(item) for item in found] == []


@pytest.mark.parametrize("stage", layout.STAGES)
def test_the_guide_documents_commands_for_each_stage(stage):
    listed, damage = guide.documented(text_of(GUIDE), stage, where=GUIDE)
    assert damage == []
    assert listed


def test_every_line_of_the_seed_has_its_row_and_every_row_its_references():
    rows = table(COVERAGE, "coverage")
    lines = [row[0] for row in rows]
    assert lines == [f"{part} {n}" for part, count in SEED.items() for n in range(1, count + 1)]
    for line, requirement, served in rows:
        references = re.findall(r"`([^`]+)`", served)
        assert requirement, line
        assert references, line
        for each in references:
            assert (
                is_command(each) or each in RULES or (REPOSITORY / each.partition("::")[0]).exists()
            ), each
            assert wrong_span(each) == [], line


def test_the_readme_shows_what_its_commands_gave():
    shown = {
        block: re.search(
            rf"<!-- {block}:begin -->(.*?)<!-- {block}:end -->", text_of(README), re.S
        )[1]
        for block in ("real-run-output", "test-output", "pictures")
    }
    assert "stage real-run: PASS" in shown["real-run-output"]
    assert re.search(r"\d+ passed", shown["test-output"])
    assert "manifest-sha256.txt" in shown["pictures"]


def test_the_changelog_knows_this_version():
    from harness import __version__

    assert f"\n## [{__version__}]" in text_of("CHANGELOG.md")


def test_the_attempts_history_stands_last_in_the_fix_plan():
    headings = re.findall(r"^## (.+)$", text_of("docs/fix_plan.md"), re.MULTILINE)
    assert headings[-1] == "Attempts History"


def test_the_hub_format_lists_every_claim_that_verify_accounts_for():
    text = (REPOSITORY / "docs" / "hub-format.md").read_text()
    section = text.split("## What verify computes again")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (.+?) \|", section, re.M)
    assert rows == list(recompute.CLAIMS.items())
