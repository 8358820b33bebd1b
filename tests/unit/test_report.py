"""The commands that a hub's summary gives to repeat it: they make one hub, and hide nothing."""

from __future__ import annotations

import shlex

import pytest

from harness import layout, report


def stage(name, preset="smoke", base=None, base_sha256=None, options=(), study=None):
    """Return as much of a stage's record as tells how to run it again."""
    settings = {"preset": preset, "base": base, "base_sha256": base_sha256}
    settings |= {"study": study or layout.DEFAULT_STUDY, "options": list(options)}
    return layout.STAGE_DIRECTORIES[name], {"stage": name, "settings": settings}


def commands(*stages):
    """Return the words around the commands, and the commands."""
    text = "\n\n".join(report.commands(stages))
    before, _, rest = text.partition("```bash\n")
    lines, _, after = rest.partition("\n```")
    return before + after, lines.splitlines()


def test_stages_with_equal_settings_are_repeated_by_one_call_into_one_hub():
    said, lines = commands(stage("red"), stage("green"), stage("collect"))
    assert lines == ["PRESET=smoke nox -s red green collect"]
    assert "HUB" not in said


def test_stages_with_other_settings_join_the_hub_of_the_first():
    options = ("--dose", "1000")
    said, lines = commands(
        stage("red"),
        stage("dry-run", "default", options=options),
        stage("green"),
        stage("real-run", "default", options=options),
    )
    assert lines == [
        "PRESET=smoke nox -s red",
        "HUB=PATH/TO/HUB PRESET=default nox -s dry_run -- --dose 1000",
        "HUB=PATH/TO/HUB PRESET=smoke nox -s green",
        "HUB=PATH/TO/HUB PRESET=default nox -s real_run -- --dose 1000",
    ]
    assert "`PATH/TO/HUB` is the hub that the first line makes" in said


@pytest.mark.parametrize("name", ["b.npz", "my base; rm -rf x.npz", "'.npz"])
def test_a_base_is_asked_for_by_its_name_and_digest(name):
    said, lines = commands(stage("dry-run", base=name, base_sha256="b" * 64))
    assert shlex.split(lines[0]) == [
        *(f"BASE=PATH/TO/{name}", "PRESET=smoke", "nox", "-s", "dry_run")
    ]
    assert "no hub holds a base" in said
    assert f"sha256 `{'b' * 64}`" in said


def test_of_a_base_that_was_never_read_no_digest_is_told():
    said, _ = commands(stage("dry-run", base="b.npz"))
    assert "no hub holds a base" in said
    assert "sha256" not in said


def test_each_of_two_bases_has_its_own_words():
    said, lines = commands(
        stage("red", base="b.npz", base_sha256="1" * 64),
        stage("green", base="b.npz", base_sha256="2" * 64),
    )
    assert len(lines) == 2
    assert "1" * 64 in said
    assert "2" * 64 in said


def test_another_study_is_named():
    _, lines = commands(stage("collect", study="a b.toml"))
    assert lines == ["PRESET=smoke nox -s collect -- --study 'a b.toml'"]
