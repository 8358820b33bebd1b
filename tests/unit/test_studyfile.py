"""Study files: what is refused names file, key and what to write."""

from __future__ import annotations

import argparse

import pytest

from harness import reconstruction, resources, studyfile
from harness.errors import InputInvalid, UsageError
from harness.jobs import arguments

LARGEST_SEED = 4294967295  # numpy's RandomState takes 32 bits


@pytest.fixture
def changed(tmp_path):
    """Return a function that saves the default study with one text changed."""

    def save(old, new):
        text = resources.DEFAULT_STUDY.read_text()
        assert text.count(old) == 1, old
        path = tmp_path / "study.toml"
        path.write_text(text.replace(old, new))
        return path

    return save


def findings(path):
    with pytest.raises(InputInvalid) as refused:
        studyfile.load(path)
    assert all(item.where.endswith("study.toml") for item in refused.value.findings)
    return [(item.rule, item.pointer, item.expected) for item in refused.value.findings]


@pytest.mark.parametrize(
    ("old", "new", "pointer", "whole"),
    [
        ("[1000, 10000, 100000]", "[1000, 10000, 1e5]", "/doses_photons/2", 100000),
        ("neighbor_count = 7", "neighbor_count = 7.0", "/neighbor_count", 7),
        ("noise = 20251106", "noise = 20251106.0", "/seeds/noise", 20251106),
        ("frame_px = 32\n", "frame_px = 32.0\n", "/presets/smoke/frame_px", 32),
    ],
)
def test_a_whole_number_with_a_point_or_an_exponent_is_refused_with_what_to_write(
    changed, old, new, pointer, whole
):
    found = findings(changed(old, new))

    assert found == [
        ("schema.study", pointer, f"an integer, written without point or exponent: {whole}")
    ]


def test_a_number_that_need_not_be_whole_may_be(changed):
    assert studyfile.load(changed("overlap_fraction = 0.2", "overlap_fraction = 0"))


def test_the_largest_seed_is_the_same_for_child_study_and_option(changed):
    part = resources.schema("study")["properties"]["seeds"]["properties"]["reconstruction"]
    design = studyfile.load()

    assert arguments.LARGEST_SEED == part["maximum"] == LARGEST_SEED
    assert settings(design, str(LARGEST_SEED)).seed == LARGEST_SEED
    with pytest.raises(UsageError, match=r"--seed '4294967296' .* from 0 to 4294967295"):
        settings(design, str(LARGEST_SEED + 1))
    found = findings(changed("reconstruction = 20251107", f"reconstruction = {LARGEST_SEED + 1}"))
    assert found == [("schema.study", "/seeds/reconstruction", f"at most {LARGEST_SEED}")]


def settings(design, seed):
    parser = argparse.ArgumentParser()
    reconstruction.add_selection(parser)
    return reconstruction.settings_from(design, parser.parse_args(["--seed", seed]))


def test_two_views_of_one_name_are_refused(changed):
    found = findings(changed('name = "sparse"', 'name = "dense"'))

    assert found == [("study.view-name", "/views/2/name", "a name that no view before it has")]


def test_a_dose_that_stands_twice_is_refused(changed):
    found = findings(changed("[1000, 10000, 100000]", "[1000, 10000, 1000]"))

    assert [item[:2] for item in found] == [("schema.study", "/doses_photons")]
