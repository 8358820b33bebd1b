"""Bad input through the real command line: one clear message, the right code, nothing damaged.

Each common case is a process of its own, as a scientist would start it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness import cli, layout, model, publish, reconstruction
from tests import npz_files, small_tree
from tests.small_tree import digests

PHASES = ("phase_c", "phase_d")
ONE_CELL = ("--dose", "1000", "--view", "dense", "--split", "train")
ONE_INPUT = Path("dose_1000", "dense", "dense_train.npz")


def reconstruct(inputs, artifact_root, *words):
    """Run the study's command; inputs: a folder with phase_c and phase_d."""
    return small_tree.run(
        small_tree.REPOSITORY,
        "harness.reconstruction",
        *("--phase-c-root", inputs / "phase_c", "--phase-d-root", inputs / "phase_d"),
        *("--artifact-root", artifact_root, *words),
    )


def reconstruct_here(capfd, inputs, artifact_root, *words):
    """Run the study's command in this process, as if the child's packages were there."""
    argv = ["--phase-c-root", inputs / "phase_c", "--phase-d-root", inputs / "phase_d"]
    argv += ["--artifact-root", artifact_root, *words]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "CHILD_NEEDS", ())
        return small_tree.call(reconstruction.main, capfd, argv)


def assert_refused(done, code, *words):
    """The message is on stderr, says all that matters, and is no traceback."""
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr.startswith(("error: ", "usage: ")), done.stderr
    said = " ".join(done.stderr.split())
    for word in words:
        assert word in said, f"{word!r} is not in: {done.stderr}"


def resaved(change):
    """Return a damage that loads an input's arrays, changes them and saves them again."""

    def damage(path):
        with np.load(path, allow_pickle=False) as archive:
            arrays = dict(archive)
        change(arrays)
        npz_files.save(path, arrays)

    return damage


def with_value(value):
    def change(arrays):
        arrays["diffraction"][0, 3, 5] = value

    return resaved(change)


def with_array(key, make):
    return resaved(lambda arrays: arrays.update({key: make(arrays[key])}))


def cut_in_half(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def as_a_folder(path):
    path.unlink()
    path.mkdir()


def as_text(path):
    path.write_text("diffraction: see the other disk\n")


def with_a_key_twice(path):
    with np.load(path, allow_pickle=False) as archive:
        members = [(f"{key}.npy", npz_files.npy_bytes(archive[key])) for key in archive.files]
    with pytest.warns(UserWarning, match="Duplicate name"):
        npz_files.save_members(path, [*members, members[0]])


BROKEN = {
    "a folder": (as_a_folder, "npz.not-a-file", "regular file"),
    "truncated": (cut_in_half, "npz.truncated", "whole"),
    "text": (as_text, "npz.not-a-zip", "numpy.savez"),
    "pickled": (
        with_array("xcoords", lambda array: array.astype(object)),
        "npz.pickled",
        "plain dtype",
    ),
    "wrong dtype": (
        with_array("diffraction", lambda array: array.astype(np.int32)),
        "schema.npz_input",
        "diffraction",
    ),
    "wrong shape": (
        with_array("diffraction", lambda array: array[:, :, 1:]),
        "npz.frames-square",
        "N x N",
    ),
    "one position short": (
        with_array("ycoords", lambda array: array[1:]),
        "npz.equal-n",
        "ycoords",
    ),
    "NaN": (with_value(np.nan), "npz.finite", "NaN"),
    "negative amplitude": (with_value(-1.0), "npz.amplitude-negative", "sqrt(counts)"),
    "transposed frames": (
        with_array("diffraction", lambda array: np.moveaxis(array, 0, -1)),
        "npz.axis-order",
        "numpy.moveaxis(diffraction, -1, 0)",
    ),
    "duplicate key": (with_a_key_twice, "npz.duplicate-key", "unique keys"),
    "no probe": (resaved(lambda arrays: arrays.pop("probeGuess")), "npz.key-missing", "probeGuess"),
}


@pytest.fixture
def one_input(made_inputs, tmp_path):
    """A folder with links to all inputs but one, which is a copy, to be damaged."""
    root = tmp_path / "inputs"
    (root / "phase_d" / ONE_INPUT.parent).mkdir(parents=True)
    (root / "phase_c").symlink_to(made_inputs / "phase_c")
    shutil.copy(made_inputs / "phase_d" / ONE_INPUT, root / "phase_d" / ONE_INPUT)
    return root


def test_broken_inputs_are_all_named_with_their_rules_and_nothing_is_launched(
    inputs, tmp_path, capfd
):
    """Each cell of a run has an input that is broken in another way."""
    places = sorted(path for path in inputs.rglob("*.npz"))[: len(BROKEN)]
    broken = dict(zip(places, BROKEN.values(), strict=True))
    for path, (damage, _, _) in broken.items():
        damage(path)
    before = digests(inputs)

    done = reconstruct_here(capfd, inputs, tmp_path / "out")

    assert_refused(done, 3, "nothing is launched")
    lines = done.stderr.splitlines()
    reasons = json.loads((tmp_path / "out" / "skip_summary.json").read_text())["skipped_jobs"]
    for path, (_, rule, advice) in broken.items():
        place = path.relative_to(inputs).as_posix()
        assert any(f"[{rule}]" in line and place in line and advice in line for line in lines), (
            place
        )
        skips = [skip["reason"] for skip in reasons if place in skip["reason"]]
        assert skips, "DATA-001: a breach stands in the skip summary"
        assert f"DATA-001 breach: error [{rule}]" in skips[0]
    assert "DATA-001 breach" in done.stdout, "and in the log"
    assert sorted(digests(tmp_path / "out")) == [
        "reconstruction_manifest.json",
        "skip_summary.json",
    ]
    assert digests(inputs) == before


def test_check_reports_every_broken_file_at_once_as_text_and_as_json(made_inputs, tmp_path):
    files = []
    for name, (damage, _, _) in BROKEN.items():
        files.append(tmp_path / f"{name}.npz")
        shutil.copy(made_inputs / "phase_d" / ONE_INPUT, files[-1])
        damage(files[-1])

    text = small_tree.run(small_tree.REPOSITORY, "harness", "check", *files)
    as_json = small_tree.run(small_tree.REPOSITORY, "harness", "check", "--format=json", *files)

    rules = [rule for _, rule, _ in BROKEN.values()]
    assert_refused(text, 3, *(f"[{rule}]" for rule in rules), *(path.name for path in files))
    assert as_json.returncode == 3
    found = json.loads(as_json.stdout)["findings"]
    assert len(found) == len(text.stderr.splitlines()) - 1
    by_file = {(Path(item["where"]).name, item["rule"]) for item in found}
    assert {(path.name, rule) for path, rule in zip(files, rules, strict=True)} <= by_file
    assert {tuple(item) for item in found} == {
        ("rule", "where", "pointer", "expected", "found", "severity")
    }


def test_missing_roots_are_named_once_each_and_nothing_is_written(tmp_path):
    done = reconstruct(tmp_path / "nowhere", tmp_path / "out")

    assert_refused(done, 3, "[input.root]", "phase_c", "phase_d", "no such folder", "make inputs")
    assert done.stderr.count("[input.root]") == 2
    assert len(done.stderr.splitlines()) == 3, "one line for each root, not for each of 18 jobs"
    assert not (tmp_path / "out").exists()


def test_a_root_that_is_a_file_is_said_to_be_one(made_inputs, tmp_path):
    (tmp_path / "phase_c").symlink_to(made_inputs / "phase_c")
    (tmp_path / "phase_d").write_text("not a folder")

    done = reconstruct(tmp_path, tmp_path / "out", *ONE_CELL)

    assert_refused(done, 3, "[input.root]", "phase_d", "a file")
    assert not (tmp_path / "out").exists()


def test_a_missing_input_is_named_and_a_dangling_link_is_a_missing_input(one_input, tmp_path):
    path = one_input / "phase_d" / ONE_INPUT
    path.unlink()
    path.symlink_to(tmp_path / "gone.npz")

    done = reconstruct(one_input, tmp_path / "out", *ONE_CELL)

    assert_refused(done, 3, "[input.missing]", str(ONE_INPUT), "no such file", "make inputs")
    assert "--allow-missing-phase-d" in done.stderr
    assert "exchanged" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_missing_phase_c_input_is_not_one_to_be_allowed(inputs, tmp_path, capfd):
    (inputs / "phase_c" / "dose_1000" / "patched_train.npz").unlink()
    words = ("--allow-missing-phase-d", "--dose=1000")

    done = reconstruct_here(capfd, inputs, tmp_path / "out", *words)

    assert_refused(done, 3, "[input.missing-phase-c]", "patched_train.npz", "Check the root, or")
    assert "--allow" not in done.stderr


def test_exchanged_roots_are_asked_about(made_inputs, tmp_path, capfd):
    exchanged = tmp_path / "exchanged"
    exchanged.mkdir()
    (exchanged / "phase_c").symlink_to(made_inputs / "phase_d")
    (exchanged / "phase_d").symlink_to(made_inputs / "phase_c")

    done = reconstruct_here(capfd, exchanged, tmp_path / "out")

    asked = "no such file, but it lies under the other phase's root; are the roots exchanged?"
    assert_refused(done, 3, "[input.missing]", "[input.missing-phase-c]")
    assert done.stderr.count(asked) == 18
    assert not (tmp_path / "out").exists()


def test_findings_come_as_json_where_they_are_asked_for(one_input, tmp_path):
    with_value(np.inf)(one_input / "phase_d" / ONE_INPUT)

    done = reconstruct(one_input, tmp_path / "out", *ONE_CELL, "--format", "json", "--dry-run")

    assert done.returncode == 3
    document = json.loads(done.stdout)
    assert "nothing is launched" in document["error"]
    assert "npz.finite" in [item["rule"] for item in document["findings"]]


VALUES = {
    "a dose that is text": (("--dose", "much"), "'much'", "1000, 10000, 100000"),
    "a dose with a command in it": (("--dose", "1000; rm -rf /"), "'1000; rm -rf /'", "1000,"),
    "an unknown view": (("--view", "dens"), "'dens'", "baseline, dense, sparse"),
    "an unknown split": (("--split", "half"), "'half'", "train, test"),
    "an unknown gridsize": (("--gridsize", "3"), "'3'", "1, 2"),
    "no epochs": (("--num-epochs", "0"), "'0'", "whole number of at least 1"),
    "epochs in words": (("--num-epochs", "ten"), "'ten'", "whole number"),
}
MORE_VALUES = {
    "a dose in another spelling": (("--dose", "1e3"), "'1e3'", "1000, 10000, 100000"),
    "an empty dose": (("--dose", ""), "''", "1000, 10000, 100000"),
    "epochs in other digits": (("--num-epochs", "\u0663"), "whole number"),
    "epochs without end": (("--num-epochs", "9" * 5000), "5000 digits", "at most 18"),
    "a negative seed": (("--seed=-1",), "'-1'", "whole number from 0 to 4294967295"),
    "a seed of 33 bits": (("--seed", "4294967296"), "'4294967296'", "from 0 to 4294967295"),
    "a batch of a half": (("--batch-size", "0.5"), "'0.5'", "whole number"),
    "a device of dreams": (("--device", "abacus"), "abacus", "auto", "cuda"),
    "no places": (("--parallel", "0"), "'0'", "whole number of at least 1"),
    "no such study": (("--study", "no.toml"), "no.toml", "--study"),
}


@pytest.mark.parametrize(("words", "said"), [(v[0], v[1:]) for v in VALUES.values()], ids=VALUES)
def test_a_value_that_cannot_be_is_a_usage_error_that_says_what_could(
    made_inputs, tmp_path, words, said
):
    done = reconstruct(made_inputs, tmp_path / "out", *words)

    assert_refused(done, 2, words[0], *said)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "said"), [(v[0], v[1:]) for v in MORE_VALUES.values()], ids=MORE_VALUES
)
def test_so_is_a_value_from_the_edge_of_what_people_type(made_inputs, tmp_path, capfd, words, said):
    done = reconstruct_here(capfd, made_inputs, tmp_path / "out", *words)

    assert_refused(done, 2, words[0].partition("=")[0], *said)
    assert len(done.stderr) < 2000
    assert not (tmp_path / "out").exists()


def test_all_wrong_values_are_named_at_once(made_inputs, tmp_path):
    done = reconstruct(made_inputs, tmp_path / "out", "--dose=1", "--view=x", "--dose=2")

    assert_refused(done, 2, "--dose '1'", "--dose '2'", "--view 'x'")


def test_nothing_selected_is_an_end_of_its_own_with_every_reason(made_inputs, tmp_path):
    done = reconstruct(made_inputs, tmp_path / "out", "--view=baseline", "--gridsize=2")

    assert_refused(done, 5, "no job is selected", "18 cells", "skip_summary.json")
    skips = json.loads((tmp_path / "out" / "skip_summary.json").read_text())
    assert (skips["selected_count"], skips["skipped_count"]) == (0, 18)
    assert all(skip["reasons"] for skip in skips["skipped_jobs"])


def test_an_artifact_root_that_cannot_serve_is_refused(made_inputs, tmp_path, capfd):
    file = tmp_path / "file"
    file.write_text("mine")
    (tmp_path / "loop").symlink_to("loop")
    for root, said in (
        (file, "is a file; name a folder"),
        (file / "below", "cannot be made"),
        (tmp_path / ("long" * 100), "File name too long"),
        (tmp_path / "loop", "cannot be made"),
    ):
        done = reconstruct_here(capfd, made_inputs, root, *ONE_CELL)
        assert_refused(done, 2, str(root), said)
    assert file.read_text() == "mine"


def test_an_artifact_root_that_holds_a_run_is_refused(made_inputs, tmp_path, capfd):
    words = (*ONE_CELL, "--dry-run")
    assert reconstruct_here(capfd, made_inputs, tmp_path / "out", *words).returncode == 0
    before = digests(tmp_path / "out")

    done = reconstruct(made_inputs, tmp_path / "out", *ONE_CELL, "--dry-run")

    assert_refused(done, 2, "of an earlier run", "choose a new one")
    assert digests(tmp_path / "out") == before


def test_an_earlier_run_is_said_to_be_one_that_launched_nothing(made_inputs, tmp_path, capfd):
    for root, code, words in (
        (tmp_path / "planned", 0, ("--dry-run",)),
        (tmp_path / "nothing selected", 5, ("--gridsize=2", "--view=baseline")),
        (tmp_path / "gate closed", 3, ()),
    ):
        inputs = tmp_path / "broken" if code == 3 else made_inputs
        if code == 3:
            shutil.copytree(made_inputs, inputs)
            cut_in_half(inputs / "phase_d" / ONE_INPUT)
        assert reconstruct_here(capfd, inputs, root, *words).returncode == code

        done = reconstruct_here(capfd, made_inputs, root, *ONE_CELL)

        assert_refused(
            done,
            2,
            f"{root} holds reconstruction_manifest.json of an earlier run, a plan that launched "
            "nothing; choose a new one, or remove the plan "
            "(reconstruction_manifest.json, skip_summary.json)",
        )


def test_an_earlier_run_that_launched_or_cannot_be_read_is_not_one_to_remove(
    made_inputs, tmp_path, capfd, small_hub
):
    words = (*ONE_CELL, "--dry-run")
    root = tmp_path / "out"
    assert reconstruct_here(capfd, made_inputs, root, *words).returncode == 0
    manifest = root / layout.MANIFEST
    document = json.loads(manifest.read_text())
    document["execution_results"][0]["status"] = "failed"
    for text in (json.dumps(document), "[]", "{", '{"execution_results": [1]}', "[" * 99999):
        manifest.write_text(text)

        done = reconstruct_here(capfd, made_inputs, root, *words)

        assert_refused(done, 2, "of an earlier run, and evidence is never overwritten")
        assert "remove" not in done.stderr
    assert_refused(reconstruct_here(capfd, made_inputs, small_hub / "cli"), 2, "lies in hub")


NO_PATHS = ("--phase-c-root", "--phase-d-root", "--artifact-root", "--study")


@pytest.mark.parametrize("option", NO_PATHS)
def test_an_empty_path_is_no_path(made_inputs, tmp_path, capfd, option):
    done = reconstruct_here(capfd, made_inputs, tmp_path / "out", *ONE_CELL, option, "")

    assert_refused(done, 2, f"argument {option}: the path is empty; name one")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("check", ""),
        ("prepare", "--study="),
        ("prepare", "--base="),
        ("new-hub", "--key="),
        ("stage", "collect", "--hub="),
        ("anchor", ""),
        ("verify", ""),
        ("verify", "hub", "--public-key="),
        ("diff", "", "there"),
        ("diff", "here", ""),
        ("reproduce", ""),
        ("blocked", ""),
        ("blocked", "hub", "--fix-plan="),
    ],
    ids=" ".join,
)
def test_an_empty_path_is_none_for_the_harness_either(capfd, words):
    done = small_tree.call(cli.main, capfd, words)

    assert_refused(done, 2, "the path is empty; name one")


@pytest.mark.parametrize("way", [".", "tests/..", "link"])
def test_the_repository_itself_is_no_artifact_root(made_inputs, tree, tmp_path, way):
    (tmp_path / "link").symlink_to(tree)
    root = tmp_path / "link" if way == "link" else way
    before = digests(tree)

    done = small_tree.run(
        tree,
        "harness.reconstruction",
        *("--phase-c-root", made_inputs / "phase_c", "--phase-d-root", made_inputs / "phase_d"),
        *("--artifact-root", root, *ONE_CELL, "--dry-run"),
    )

    assert_refused(done, 2, "is the repository itself", "name a folder of its own")
    assert digests(tree) == before


@pytest.mark.parametrize("place", ["", "docs", "real_run", "cli", "more/below", "red"])
def test_an_artifact_root_inside_a_hub_is_refused(made_inputs, small_hub, capfd, place):
    before = digests(small_hub)

    done = reconstruct_here(capfd, made_inputs, small_hub / place, *ONE_CELL, "--dry-run")

    assert_refused(done, 2, str(small_hub / place))
    assert "make real-run HUB=" in done.stderr or "of an earlier run" in done.stderr
    assert digests(small_hub) == before


def stage(tree, hub, name="dry-run", *words, child=""):
    words = ("--hub", hub, "--preset", "smoke", *words)
    return small_tree.run(tree, "harness", "stage", name, *words, child=child)


def test_a_real_run_without_the_child_s_packages_leaves_the_hub_as_it_is(tree, small_hub):
    model = tree / "harness" / "model.py"
    text = model.read_text()
    assert text.count("CHILD_NEEDS = ()") == 1
    model.write_text(text.replace("CHILD_NEEDS = ()", 'CHILD_NEEDS = ("no_such_package",)'))
    before = digests(small_hub)

    done = stage(tree, small_hub, "real-run")

    assert_refused(done, 3, "POLICY-001", "no_such_package", "make env")
    assert len(done.stderr.splitlines()) == 1
    assert digests(small_hub) == before


def test_a_hub_that_has_the_stage_keeps_it(tree, small_hub):
    before = digests(small_hub)

    done = stage(tree, small_hub)

    assert_refused(done, 2, str(small_hub), "holds a dry-run stage", "never overwritten", "new hub")
    assert digests(small_hub) == before


def half_written(hub):
    (hub / "real_run").mkdir()
    (hub / "real_run" / "real_run.log").write_text("# stage real-run started\n")


def changed(hub):
    with open(hub / "cli" / "dry_run.log", "a") as log:
        log.write("one more line\n")


def cut_seal(hub):
    seal = hub / "manifest-sha256.txt"
    seal.write_bytes(seal.read_bytes()[:-10])


DAMAGED = {
    "half written": (half_written, "seal.extra", "real_run/real_run.log"),
    "changed": (changed, "seal.digest", "cli/dry_run.log"),
    "not sealed": (
        lambda hub: (hub / "manifest-sha256.txt").unlink(),
        "seal.missing",
        "manifest-sha256.txt",
    ),
    "sealed in part": (cut_seal, "seal.line", "last line"),
    "short of a file": (
        lambda hub: (hub / "cli" / "skip_summary.json").unlink(),
        "seal.lost",
        "cli/skip_summary.json",
    ),
    "a link inside": (
        lambda hub: (hub / "docs" / "link").symlink_to("/etc/hostname"),
        "seal.link",
        "docs/link",
    ),
}


@pytest.mark.parametrize(("damage", "rule", "place"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_hub_takes_no_stage_and_does_not_verify(
    tree, small_hub, capfd, damage, rule, place
):
    damage(small_hub)
    before = digests(small_hub)

    for done in (
        stage(tree, small_hub, "collect"),
        small_tree.call(cli.main, capfd, ["verify", small_hub]),
    ):
        assert_refused(done, 4, str(small_hub), f"[{rule}]", place)
    assert digests(small_hub) == before


UNTOLD = ("changed", "a link inside")


def an_empty_stage(hub):
    (hub / "collect").mkdir()


@pytest.mark.parametrize(
    "damage",
    [*(damage for name, (damage, _, _) in DAMAGED.items() if name not in UNTOLD), an_empty_stage],
)
def test_a_hub_whose_files_are_not_those_of_its_seal_is_listed_as_such(tree, damage):
    hub = small_tree.new_hub(tree)
    assert small_tree.run_stage(tree, hub, "dry-run") == 0
    reports = tree / layout.reports(small_tree.INITIATIVE)
    assert publish.list_hubs(reports)[0].endswith(": dry-run pass")
    damage(hub)

    (line,) = publish.list_hubs(reports)

    assert line.endswith(": dry-run pass; unsealed or half written, see what verify says")


def test_a_stage_folder_without_its_record_takes_no_second_try(tree, small_hub):
    (small_hub / "collect").mkdir()

    done = stage(tree, small_hub, "collect")

    assert_refused(done, 2, "collect", "new hub")
    assert digests(small_hub / "collect") == {}


def test_what_is_no_hub_takes_no_stage(tmp_path, capfd):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    for place in ("nowhere", "folder", "file"):
        words = ["stage", "dry-run", "--hub", tmp_path / place, "--preset", "smoke"]
        done = small_tree.call(cli.main, capfd, words)
        assert_refused(done, 2, str(tmp_path / place), "not a hub", "HUB")
    assert digests(tmp_path / "folder") == {}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--preset", "huge"), ("--preset 'huge'", "default, smoke")),
        (("--dose", "1000; rm -rf /"), ("--dose '1000; rm -rf /'", "valid: 1000")),
        (("--num-epochs", "0"), ("--num-epochs '0'", "at least 1")),
        (("--study", "gone.toml"), ("gone.toml", "--study")),
    ],
)
def test_a_stage_with_a_value_that_cannot_be_leaves_the_hub_as_it_is(tree, small_hub, words, said):
    before = digests(small_hub)

    done = stage(tree, small_hub, "collect", *words)

    assert_refused(done, 2, *said)
    assert digests(small_hub) == before


@pytest.mark.parametrize("command", ["new-hub", "stage"])
def test_a_base_that_is_none_is_refused_before_there_is_a_hub_or_a_stage(
    tree, small_hub, capfd, monkeypatch, command
):
    monkeypatch.chdir(tree)
    Path("text.npz").write_text("no archive\n")
    np.savez("other.npz", a=np.ones(3))
    words = ["stage", "collect", "--hub", small_hub] if command == "stage" else ["new-hub"]
    before = digests(small_hub)
    for name, said in (
        ("nowhere.npz", ("cannot be read", "No such file")),
        (".", ("cannot be read", "Is a directory")),
        ("text.npz", ("[npz.not-a-zip]",)),
        ("other.npz", ("[inputs.base]", "objectGuess")),
    ):
        done = small_tree.call(cli.main, capfd, [*words, "--preset=smoke", f"--base={name}"])
        assert_refused(done, 3, name, *said)
    assert digests(small_hub) == before
    assert not Path(layout.reports(small_tree.INITIATIVE)).exists()


def test_verify_of_what_is_no_hub_says_so(tmp_path, capfd):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for place, code, said in (
        ("nowhere", 2, ("name a hub",)),
        ("file", 2, ("name a hub",)),
        ("folder", 4, ("[seal.missing]", "[hub.marker]")),
    ):
        done = small_tree.call(cli.main, capfd, ["verify", tmp_path / place])
        assert_refused(done, code, str(tmp_path / place), *said)


def test_a_study_that_is_no_study_is_refused_with_every_finding(made_inputs, tmp_path, capfd):
    text = (small_tree.REPOSITORY / small_tree.STUDY).read_text()
    broken = tmp_path / "study.toml"
    for change, code, said in (
        (text.replace("1000, 10000", '"many", 10000'), 3, ("[schema.study]", "/doses_photons/0")),
        (text + "\n[[[", 3, ("not TOML", "mend it")),
    ):
        broken.write_text(change)
        done = reconstruct_here(capfd, made_inputs, tmp_path / "out", "--study", broken)
        assert_refused(done, code, str(broken), *said)
    assert not (tmp_path / "out").exists()


def test_a_reader_that_goes_away_costs_no_evidence(made_inputs, tmp_path):
    """As in `python -m harness.reconstruction … | head -1`."""
    reader, writer = os.pipe()
    os.close(reader)
    roots = [f"--{name.replace('_', '-')}-root={made_inputs / name}" for name in PHASES]
    words = ["harness.reconstruction", *roots, f"--artifact-root={tmp_path / 'out'}", "--dry-run"]
    with os.fdopen(writer, "wb") as gone:
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=small_tree.REPOSITORY,
            stdout=gone,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    manifest = json.loads((tmp_path / "out" / layout.MANIFEST).read_text())
    assert {job["status"] for job in manifest["jobs"]} == {"planned"}
