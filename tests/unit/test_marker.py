"""What a hub's marker says of its name and its time, beside what commands and study tell."""

from __future__ import annotations

import json

import pytest

from harness import canonical, layout, marker, records
from tests.memory import hub as memory
from tests.memory import runs

MADE = "2026-01-01T000100Z"
SLUG = json.loads(memory.make().files[records.MARKER])["slug"]
PLACE = f"plans/reports/{MADE}/{SLUG}"


def at(place, *, own_plan=True):
    """Return a sound hub whose commands ran while it lay at a place."""
    hub = memory.sound(own_plan=own_plan)
    for path in ("cli/stage.json", "real_run/stage.json"):
        for folder in ("cli", "real_run"):
            before, after = (f'"{root}/{folder}'.encode() for root in ("hub", place))
            if path in hub.files:
                hub.files[path] = hub.files[path].replace(before, after)
    return hub


def told(hub, **lie):
    hub.edit(records.MARKER, lambda said: said.update(lie))
    return memory.told(marker.check(hub.read))


def of_time(found, moment=MADE):
    return [("hub.made", records.MARKER, "/created_at", moment, found)]


def of_slug(found, *known):
    return [("hub.made", records.MARKER, "/slug", " or ".join(sorted({SLUG, *known})), found)]


@pytest.mark.parametrize("own_plan", [True, False])
@pytest.mark.parametrize("place", [PLACE, f"~/{PLACE}", f"/mnt/{PLACE}", f"{MADE}/{SLUG}"])
def test_a_marker_that_says_what_its_hub_tells_holds(place, own_plan):
    assert told(at(place, own_plan=own_plan)) == []


@pytest.mark.parametrize(
    ("created_at", "found"),
    [
        ("2026-01-01T00:00:59.999+00:00", "2026-01-01T000059Z"),
        ("2025-12-31T00:01:00+00:00", "2025-12-31T000100Z"),
        ("2026-01-01T00:01:01+00:00", "2026-01-01T000101Z"),
    ],
)
def test_a_hub_was_made_in_the_second_that_its_commands_name(created_at, found):
    assert told(at(PLACE), created_at=created_at) == of_time(found)


def test_the_part_of_a_second_is_the_marker_s_word():
    assert told(at(PLACE), created_at="2026-01-01T00:01:00.999+00:00") == []


@pytest.mark.parametrize("place", [PLACE, "hub"])
def test_the_slug_is_that_of_the_folder_or_of_the_study(place):
    assert told(at(place), slug="better") == of_slug("better")
    assert told(at(f"a/{MADE}/better"), slug="better") == []
    assert told(at(f"a/{MADE}/better"), slug="best") == of_slug("best", "better")


@pytest.mark.parametrize(
    "place",
    ["hub", "a", f"{MADE}", f"{MADE}/a/b", f"x{MADE}/a", f"a/{MADE}x/b", "2026-01-01/a", "/"],
)
def test_a_hub_that_lay_elsewhere_when_its_commands_ran_tells_no_time(place):
    assert told(at(place), created_at="2026-01-01T00:00:00+00:00") == []


def test_a_hub_that_was_renamed_between_two_stages_is_known_by_its_first_name():
    hub = at(PLACE, own_plan=False)
    dry = hub.files["cli/stage.json"]
    for moved in (f"a/2027-01-01T000000Z/{SLUG}", "b/other"):
        hub = at(moved, own_plan=False)
        hub.files["cli/stage.json"] = dry
        assert told(hub) == []


def test_a_folder_that_a_command_only_reads_is_not_the_hub_s():
    hub = memory.sound(own_plan=True)
    words = ["--recipe", "a/2027-01-01T000000Z/b/real_run", "--phase-c-root=a/c/real_run"]
    path = "real_run/stage.json"
    hub.edit(path, lambda record: record["commands"][0]["argv"].extend(words))
    assert told(hub) == []


def test_the_reports_of_tests_tell_where_the_hub_lay():
    hub = memory.sound()
    word = f"--collection-report={PLACE}/green/mapped.collection.json"
    path = "green/stage.json"
    hub.edit(path, lambda record: record["commands"][0]["argv"].append(word))
    assert told(hub) == []
    lie = "2026-01-01T00:00:00+00:00"
    assert told(hub, created_at=lie) == of_time("2026-01-01T000000Z")
    # Another's report is no place of this hub.
    hub.files[path] = hub.files[path].replace(b"/green/mapped.coll", b"/green/other.coll")
    assert told(hub) == []


def test_a_folder_may_have_any_name_above_its_own():
    place = f"a=b=c/{MADE}/{SLUG}"
    hub = memory.sound()
    word = f"--collection-report={place}/green/mapped.collection.json"
    hub.edit("green/stage.json", lambda record: record["commands"][0]["argv"].append(word))
    assert told(hub, created_at="2026-01-01T00:00:00+00:00") == of_time("2026-01-01T000000Z")


def test_jobs_run_again_tell_where_their_hub_lay():
    hub = memory.alone(layout.REPRODUCE)
    path = f"reproduce/{layout.MANIFEST}"
    hub.files[path] = hub.files[path].replace(b'"hub/reproduce/', f'"{PLACE}/reproduce/'.encode())
    assert told(hub) == []
    lie = {"created_at": "2026-01-01T00:00:00+00:00", "slug": "any"}
    assert told(hub, **lie) == of_time("2026-01-01T000000Z")


def test_a_hub_that_did_not_begin_as_a_stage_has_no_name_of_a_study():
    hub = memory.sound()
    early = {"started_at": runs.at("green", -30)}
    hub.edit(records.mutation_path(), lambda record: record.update(early))
    assert told(hub, slug="mutation") == []


@pytest.mark.parametrize("study", [b"a = ", b"\xff", b"format = 1"])
def test_a_study_file_that_tells_no_name_tells_none(study):
    hub = memory.sound(own_plan=True)
    hub.files["real_run/study.toml"] = study
    assert told(hub, slug="any") == []
    del hub.files["real_run/study.toml"]
    assert told(hub, slug="any") == []


def test_a_study_file_that_cannot_be_read_hides_no_other():
    hub = memory.sound(own_plan=False)
    hub.files = {path: hub.files[path] for path in hub.files if not path.startswith("mutation/")}
    hub.files["cli/study.toml"] = b"\xff"
    assert told(hub, slug="any") == of_slug("any")


def test_the_study_of_a_run_that_came_to_no_command_tells_nothing():
    hub = memory.sound(own_plan=True)
    hub.edit("real_run/stage.json", lambda record: record.update(commands=[]))
    assert told(hub, slug="any") == []


def test_a_hub_without_a_stage_tells_nothing():
    hub = memory.alone(layout.MUTATION)
    assert told(hub, slug="any", created_at="2020-01-01T00:00:00+00:00") == []
    hub.files = {records.MARKER: hub.files[records.MARKER]}
    assert told(hub) == []


def test_verify_holds_a_marker_to_it():
    hub = memory.sound(own_plan=True)
    hub.edit(records.MARKER, lambda said: said.update(slug="better"))
    memory.finished(hub)
    assert memory.verified(hub) == of_slug("better")
    assert canonical.parse(hub.files[records.MARKER])["slug"] == "better"
