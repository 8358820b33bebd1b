"""Hubs on disk: made once, opened when whole, listed even when broken."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta

import pytest

from harness import cli, hub, layout, publish, resources
from harness.errors import HubDamaged, UsageError

NOON = datetime(2026, 3, 1, 12, 0, 0, 123000, tzinfo=UTC)


def test_a_new_hub_has_its_timestamp_its_marker_and_a_seal(tmp_path):
    made = hub.create(tmp_path, "STUDY", "slug", lambda: NOON)
    assert made == tmp_path / "2026-03-01T120000Z" / "slug"
    assert sorted(path.name for path in made.iterdir()) == ["hub.json", layout.SEAL]
    assert hub.open_hub(made) == made
    assert hub.root_of(made / "real_run" / "deep") == made
    assert hub.root_of(tmp_path) is None
    assert len(hub.head(made)) == 64


def test_two_hubs_of_one_second_become_two_hubs(tmp_path, monkeypatch):
    monkeypatch.setattr(hub.time, "sleep", lambda seconds: None)
    moments = iter([NOON, NOON, NOON + timedelta(seconds=1)])
    first = hub.create(tmp_path, "STUDY", "slug", lambda: next(moments))
    second = hub.create(tmp_path, "STUDY", "slug", lambda: next(moments))
    assert (first.parent.name, second.parent.name) == ("2026-03-01T120000Z", "2026-03-01T120001Z")


def test_a_hub_that_cannot_be_made_is_a_usage_error(tmp_path):
    (tmp_path / "reports").write_text("")
    with pytest.raises(UsageError, match="cannot be made: Not a directory"):
        hub.create(tmp_path / "reports", "STUDY", "slug", lambda: NOON)


def test_only_a_whole_hub_is_opened(tmp_path):
    made = hub.create(tmp_path, "STUDY", "slug", lambda: NOON)
    (made / "note.txt").write_text("mine")
    with pytest.raises(HubDamaged, match="takes no further stage") as caught:
        hub.open_hub(made)
    assert [item.rule for item in caught.value.findings] == ["seal.extra"]
    (made / layout.SEAL).unlink()
    assert hub.head(made) == ""
    with pytest.raises(HubDamaged):
        hub.open_hub(made)
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UsageError, match="is not a hub"):
            hub.open_hub(place)


def test_a_stage_s_folder_is_made_once(tmp_path):
    made = hub.create(tmp_path, "STUDY", "slug", lambda: NOON)
    assert hub.begin_stage(made, "dry-run") == made / "cli"
    with pytest.raises(UsageError, match="holds a dry-run stage"):
        hub.begin_stage(made, "dry-run")


def test_a_run_may_write_only_into_its_stage_s_folder_while_the_stage_holds_the_hub(tmp_path):
    made = hub.create(tmp_path, "STUDY", "slug", lambda: NOON)
    folder = hub.begin_stage(made, "real-run")
    other = hub.begin_stage(made, "green")
    assert not hub.is_open_stage(made, folder), "nobody holds the hub"
    with hub.locked(made):
        assert hub.is_open_stage(made, folder)
        assert not hub.is_open_stage(made, other)
        assert not hub.is_open_stage(made, made)
        assert not hub.is_open_stage(made, folder / "below")
        (folder / layout.STAGE_RECORD).write_text("{}")
        assert not hub.is_open_stage(made, folder), "the stage has ended"


def test_links_and_other_things_are_entries_and_are_not_followed(tmp_path):
    made = hub.create(tmp_path, "STUDY", "slug", lambda: NOON)
    (made / "folder").symlink_to(tmp_path)
    (made / "file").symlink_to(made / "hub.json")
    hub.os.mkfifo(made / "pipe")
    kinds = {entry.path: entry.kind for entry in hub.entries(made)}
    assert kinds == {
        "file": "link",
        "folder": "link",
        "hub.json": "file",
        layout.SEAL: "file",
        "pipe": "other",
    }


@pytest.fixture
def reports(sealed_hub, tmp_path, monkeypatch):
    """A folder with a hub that holds a dry run, and one that is damaged."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "plans/active/STUDY-SYNTH-FLY64-DOSE-OVERLAP-001/reports"
    for second in (1, 2):
        shutil.copytree(sealed_hub, folder / f"2026-03-01T12000{second}Z" / "small")
    return folder


@pytest.mark.parametrize("damage", ["{", "[]", "{}", "[" * 100_000])
def test_a_list_of_hubs_names_a_damaged_one_and_goes_on(reports, capsys, damage):
    (reports / "2026-03-01T120001Z" / "small" / "cli" / "stage.json").write_text(damage)
    assert cli.main(["hubs"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("DAMAGED, see what verify says")
    assert second.endswith("dry-run pass")


def test_a_hub_in_a_list_has_one_line_whatever_its_folder_is_called(reports):
    here = reports / "2026-03-01T120001Z"
    (here / "small").rename(here / "a\nb\x1b[2J")
    first, _ = publish.list_hubs(reports)
    assert first.partition(": ")[0].endswith("/a\\nb\\x1b[2J")


def test_the_list_is_of_the_hubs_of_every_study_unless_one_is_named(reports, capsys):
    other = reports.parents[1] / "MEASURED-star-01234567" / "reports" / "2026-03-01T120000Z"
    shutil.copytree(reports / "2026-03-01T120001Z", other)
    assert cli.main(["hubs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    listed = [line.partition("plans/active/")[2].split("/")[0] for line in lines]
    assert listed == ["MEASURED-star-01234567", *["STUDY-SYNTH-FLY64-DOSE-OVERLAP-001"] * 2]
    assert cli.main(["hubs", "--study", str(resources.DEFAULT_STUDY)]) == 0
    assert "MEASURED" not in capsys.readouterr().out


def test_where_there_is_no_hub_of_any_study_the_list_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["hubs"]) == 0
    assert capsys.readouterr().out == "no hub under plans/active\n"


def test_a_list_of_no_hubs_says_so(tmp_path):
    assert publish.list_hubs(tmp_path) == [f"no hub under {tmp_path}"]


def test_a_blocker_is_noted_from_a_whole_hub_with_a_failure_into_a_plan_that_exists(
    reports, tmp_path, capsys
):
    whole, damaged = sorted(reports.glob("*/small"))
    (damaged / "cli" / "stage.json").write_text("{")
    plan = tmp_path / "plan.md"
    plan.write_text("# Plan\n")
    for words, code, said in (
        ((tmp_path, "--fix-plan", plan), 2, "is not a hub"),
        ((whole, "--fix-plan", tmp_path / "gone.md"), 2, "gone.md is not a file"),
        ((whole, "--fix-plan", plan), 2, "nothing to append"),
        ((damaged, "--fix-plan", plan), 4, "[seal.digest] cli/stage.json"),
    ):
        assert cli.main(["blocked", *map(str, words)]) == code
        assert said in capsys.readouterr().err
    assert plan.read_text() == "# Plan\n"
