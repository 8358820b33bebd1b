"""A scan of one file is imported, reconstructed and verified as a study of one cell."""

from __future__ import annotations

import json
import shlex
import shutil
import tomllib

import numpy as np
import pytest

from harness import cli, devices, layout, npz, onefile, prepare, provenance, schemas, studyfile
from harness import design as designs
from harness.errors import InputInvalid
from harness.resources import schema
from tests import foreign_files as made
from tests import small_tree
from tests.unit.test_red_base import git

PLAIN = ("--num-epochs", "2", "--halves", "none")


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    """A measured NPZ without an object, as `import` makes it."""
    folder = tmp_path_factory.mktemp("scan")
    source = made.save_npz(folder / "siemens star.npz", made.tike())
    out = folder / "star.npz"
    done = small_tree.run(small_tree.REPOSITORY, "harness", "import", source, "--out", out)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def reconstructed(sound_tree, tmp_path_factory, scan):
    """The small repository after `reconstruct`, and the hub that it left."""
    root = small_tree.copy(sound_tree, tmp_path_factory.mktemp("one") / "tree")
    done = small_tree.run(root, "harness", "reconstruct", scan, *PLAIN)
    assert done.returncode == 0, done.stdout + done.stderr
    hub = next(root.glob("plans/active/MEASURED-star-*/reports/*/reconstruction"))
    (root / "said.txt").write_text(done.stdout)
    return root, hub


def test_the_study_of_a_file_has_one_cell_and_cites_the_file(scan, design):
    description = npz.read(scan, "star.npz").description
    initiative, text = onefile.study("siemens star (2).npz", description, design)
    assert initiative == f"MEASURED-siemens-star-2-{description['sha256'][:8]}"
    data = tomllib.loads(text)
    assert schemas.check(data, schema("study"), name="study", where="x") == ()
    one = designs.from_mapping(data)
    assert one.input_sha256 == description["sha256"]
    assert one.doses_photons == (round(description["statistics"]["mean_photons_per_frame"]),)
    assert (one.splits, [view.name for view in one.views]) == (("whole",), ["measured"])
    assert (one.seeds, one.tests) == (design.seeds, design.tests)


@pytest.mark.parametrize("change", ["doses_photons = [1, 2]", 'splits = ["a", "b"]'])
def test_a_study_of_one_file_has_no_second_cell(scan, design, change):
    description = npz.read(scan, "star.npz").description
    data = tomllib.loads(onefile.study("star.npz", description, design)[1])
    found = schemas.check(data | tomllib.loads(change), schema("study"), name="study", where="x")
    assert [item.pointer for item in found] == ["/" + change.split(" ")[0]]


def test_a_measured_scan_leaves_a_hub_that_holds_and_whose_documents_are_whole(reconstructed):
    root, hub = reconstructed
    document = json.loads((hub / "real_run" / layout.MANIFEST).read_text())
    assert [result["status"] for result in document["execution_results"]] == ["succeeded"]
    for path in ("docs/summary.md", layout.CRATE, layout.SEAL, "cli/stage.json"):
        assert (hub / path).is_file(), path
    done = small_tree.run(root, "harness", "verify", hub)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("keys", "kind", "frames", "halves"),
    [
        (("objectGuess",), None, 8, "none"),
        (("objectGuess",), "measured", 8, "alternate"),
        ((), None, 8, "alternate"),
        ((), "measured", 3, "none"),
    ],
)
def test_halves_are_compared_where_there_is_no_truth_and_there_are_frames_for_two(
    keys, kind, frames, halves
):
    description = {
        "arrays": {key: {} for key in ("diffraction", *keys)},
        "metadata": kind and {"input_kind": kind},
        "statistics": {"frames": frames},
    }
    assert onefile.halves_of(description) == halves


def test_reconstruct_asks_for_halves_of_a_measured_scan_unless_told_otherwise(
    reconstructed, scan, tmp_path
):
    def asked(root):
        (path,) = root.glob("plans/active/MEASURED-star-*/reports/*/*/cli/*manifest.json")
        return json.loads(path.read_text())["settings"]["halves"]

    assert asked(reconstructed[0]) == "none"
    root = small_tree.copy(reconstructed[0], tmp_path / "tree")
    shutil.rmtree(next(root.glob("plans/active/MEASURED-star-*")))
    small_tree.run(root, "harness", "reconstruct", scan, "--num-epochs", "2")
    assert asked(root) == "alternate"


def test_the_input_in_the_scratch_folder_is_the_file_byte_for_byte(reconstructed, scan):
    root, hub = reconstructed
    document = json.loads((hub / "real_run" / layout.MANIFEST).read_text())
    place = root / document["input_roots"]["phase_c"] / document["jobs"][0]["input_npz"]
    assert place.read_bytes() == scan.read_bytes()
    stage = json.loads((hub / "real_run" / layout.STAGE_RECORD).read_text())
    assert stage["settings"]["study"].startswith("plans/active/MEASURED-star-")
    assert stage["settings"]["base"] == "star.npz"


def test_verify_with_the_input_asks_for_the_dose_and_not_for_spacing(reconstructed):
    root, hub = reconstructed
    document = json.loads((hub / "real_run" / layout.MANIFEST).read_text())
    inputs = root / document["input_roots"]["phase_c"] / ".."
    study = hub.parents[2] / "study.toml"
    words = ("verify", hub, "--inputs", inputs, "--study", study, "--format", "json")
    done = small_tree.run(root, "harness", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    how = {item["claim"]: item for item in json.loads(done.stdout)["claims"]}
    assert how["dose"]["how"] == how["data-001"]["how"] == "recomputed"
    assert how["spacing"]["reason"].startswith("not asked")
    assert how["disjoint"]["reason"].startswith("not asked")


def test_reconstruct_says_how_its_hub_is_read_and_checked(reconstructed):
    root, hub = reconstructed
    read_it, check_it, take_out = (root / "said.txt").read_text().splitlines()[-3:]
    assert (root / read_it.removeprefix("read it: ")).is_file()
    words = shlex.split(check_it.partition("python -m ")[2])
    done = small_tree.run(root, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "claim dose: 1 recomputed" in done.stdout
    assert f"export {hub.relative_to(root)} --to cxi" in take_out


@pytest.mark.parametrize(("used", "name"), [("cpu", "This-CPU"), ("cuda", "That-GPU")])
def test_left_to_choose_reconstruct_says_which_device_it_took(
    sound_tree, tmp_path, scan, used, name
):
    root = small_tree.copy(sound_tree, tmp_path / "tree")
    attested = {"device.used": used, "device.name": name}
    if used != "cpu":
        attested |= {"determinism.on_cpu": False, "determinism.bitwise": False}
        attested |= {"device.cuda": "13.2", "device.driver": None, "device.peak_memory_bytes": 1}
    child = " ".join(f"--lie={place}={json.dumps(value)}" for place, value in attested.items())
    words = ("reconstruct", scan, *PLAIN, "--device", "auto")
    done = small_tree.run(root, "harness", *words, child=child)
    assert done.returncode == 0, done.stdout + done.stderr
    hub = next(root.glob("plans/active/MEASURED-star-*/reports/*/reconstruction"))
    manifest = json.loads((hub / "real_run" / layout.MANIFEST).read_text())
    assert manifest["settings"]["device"] == "auto"
    assert [job["device"] for job in manifest["execution_results"]] == [f"{used}: {name}"]
    rows = [line for line in (hub / layout.SUMMARY).read_text().splitlines() if name in line]
    assert [row.count(f"| {used}: {name} |") for row in rows] == [1]


def test_the_commands_that_repeat_it_need_the_hub_and_the_file_alone(reconstructed, scan, tmp_path):
    root = small_tree.copy(reconstructed[0], tmp_path / "tree")
    kept = shutil.move(next(root.glob("plans/active/MEASURED-*/reports/*/*")), tmp_path / "kept")
    shutil.rmtree(next(root.glob("plans/active/MEASURED-*")))
    lines = (kept / layout.SUMMARY).read_text().splitlines()
    (line,) = [line for line in lines if "nox -s" in line]
    given, _, options = line.partition(" nox -s dry_run real_run -- ")
    assert given == "BASE=PATH/TO/star.npz PRESET=given"
    words = shlex.split(options.replace("PATH/TO/THIS_HUB", str(kept)))
    words += ["--preset", "given", "--base", scan]
    hub = small_tree.run(root, "harness", "new-hub", *words).stdout.strip()
    for stage in layout.RUN_STAGES:
        done = small_tree.run(root, "harness", "stage", stage, "--hub", hub, *words)
        assert done.returncode == 0, done.stdout + done.stderr
    assert small_tree.run(root, "harness", "verify", hub).returncode == 0
    copies = [(each / "cli" / layout.STUDY_COPY).read_bytes() for each in (kept, root / hub)]
    assert copies[0] == copies[1]


def test_a_hub_of_a_clean_tree_is_clean_and_its_code_is_held_to_the_commit(
    sound_tree, tmp_path, scan
):
    root = small_tree.copy(sound_tree, tmp_path / "tree")
    shutil.copy(small_tree.REPOSITORY / ".gitignore", root)
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "sound")
    done = small_tree.run(root, "harness", "reconstruct", scan, *PLAIN)
    assert done.returncode == 0, done.stdout + done.stderr
    hub = next(root.glob("plans/active/MEASURED-star-*/reports/*/reconstruction"))
    clean = {"commit": git(root, "rev-parse", "HEAD"), "dirty": False}
    for stage in layout.RUN_STAGES:
        record = hub / layout.STAGE_DIRECTORIES[stage] / layout.STAGE_RECORD
        assert json.loads(record.read_bytes())["git"] == clean
    with pytest.MonkeyPatch.context() as patch:
        for who in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{who}_NAME", "n")
            patch.setenv(f"GIT_{who}_EMAIL", "e")
        assert small_tree.run(root, "harness", "anchor", hub).returncode == 0
    held = small_tree.run(root, "harness", "verify", hub, "--git")
    assert held.returncode == 0, held.stdout + held.stderr


def test_the_hub_is_reproduced_from_its_own_record(reconstructed, tmp_path):
    root, hub = reconstructed
    done = small_tree.run(root, "harness", "reproduce", hub)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "identical" in done.stdout


def test_the_same_file_again_makes_a_second_hub_of_the_same_study(reconstructed, scan):
    root, hub = reconstructed
    study = (hub.parents[2] / "study.toml").read_bytes()
    done = small_tree.run(
        root, "harness", "reconstruct", scan, "--num-epochs", "1", "--halves", "none"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unchanged" in done.stdout
    assert (hub.parents[2] / "study.toml").read_bytes() == study


def test_a_failing_child_fails_the_command(sound_tree, tmp_path, scan):
    root = small_tree.copy(sound_tree, tmp_path / "tree")
    done = small_tree.run(root, "harness", "reconstruct", scan, child="--exit 3")
    assert done.returncode == 1
    assert "ended with return code 3" in done.stdout


def test_a_file_that_breaks_the_contract_makes_no_study(sound_tree, tmp_path, scan):
    root = small_tree.copy(sound_tree, tmp_path / "tree")
    with np.load(scan) as archive:
        arrays = dict(archive)
    arrays["xcoords"] = arrays["xcoords"][1:]
    np.savez(tmp_path / "short.npz", **arrays)
    done = small_tree.run(root, "harness", "reconstruct", tmp_path / "short.npz")
    assert done.returncode == 3
    assert "npz.equal-n" in done.stderr
    assert not list(root.glob("plans/active/MEASURED*"))


IMPORT = "python -m harness import"


def another_program_s(folder, arrays):
    return made.save_npz(folder / "tike.npz", made.tike())


def hdf5(folder, arrays):
    return made.save_cxi(folder / "scan.cxi")


def without_an_object(folder, arrays):
    # Simulated, as nothing says that it was measured.
    del arrays["_metadata"]
    return made.save_npz(folder / "simulated.npz", arrays)


@pytest.mark.parametrize("make", [another_program_s, hdf5, without_an_object])
def test_who_gives_a_file_that_is_no_input_is_told_of_the_import(
    scan, tmp_path, monkeypatch, capsys, make
):
    monkeypatch.chdir(tmp_path)
    with np.load(scan) as archive:
        path = make(tmp_path, dict(archive))
    assert cli.main(["reconstruct", str(path)]) == 3
    first, *findings = capsys.readouterr().err.splitlines()
    told = f"breaks DATA-001; for other formats and measured scans: {IMPORT}"
    assert first == f"error: {path} {told}"
    errors = [line for line in findings if line.startswith("error")]
    assert errors
    assert all(IMPORT in line for line in errors)
    assert not (tmp_path / "plans").exists()


def test_a_file_that_is_not_there_is_named_and_nothing_else_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["reconstruct", "absent.npz"]) == 3
    assert capsys.readouterr().err == "error: absent.npz is not there: name an NPZ of DATA-001\n"
    (tmp_path / "folder.npz").mkdir()
    assert cli.main(["reconstruct", "folder.npz"]) == 3
    wanted = "error: folder.npz is no regular file: name an NPZ of DATA-001\n"
    assert capsys.readouterr().err == wanted


def test_a_scan_of_one_frame_makes_no_study(scan, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with np.load(scan) as archive:
        arrays = dict(archive)
    short = {key: arrays[key][:1] for key in ("diffraction", "xcoords", "ycoords")}
    path = made.save_npz(tmp_path / "one.npz", arrays | short)
    assert cli.main(["reconstruct", str(path)]) == 3
    assert capsys.readouterr().err == (
        f"error: {path} holds 1 frame, at least 2 make a study: give a scan that moves\n"
    )
    assert not (tmp_path / "plans").exists()


def a_key_that_is_none(folder):
    (folder / "key.pem").write_text("none")
    return "--key", folder / "key.pem"


REFUSED = {
    "recipe": (lambda folder: ("--recipe", "nope"), "nope"),
    "epochs": (lambda folder: ("--num-epochs", "none"), "--num-epochs"),
    "device": (lambda folder: ("--device", "cuda"), "no CUDA device"),
    "key": (a_key_that_is_none, "key.pem"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_beforehand_leaves_no_study(scan, tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(devices, "FOLDER", tmp_path)
    monkeypatch.setattr(provenance, "require_packages", lambda: None)
    words, said = REFUSED[name]
    asked = ["reconstruct", scan, *words(tmp_path)]
    assert cli.main([str(word) for word in asked]) in (2, 3)
    assert said in capsys.readouterr().err
    assert not (tmp_path / "plans").exists()


def test_a_file_with_hardly_a_photon_makes_no_study(scan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with np.load(scan) as archive:
        arrays = dict(archive)
    light = np.square(arrays["diffraction"].astype(np.float64)).sum() / len(arrays["xcoords"])
    arrays["diffraction"] *= np.float32(np.sqrt(9.9 / light))
    np.savez(tmp_path / "dim.npz", **arrays)
    with pytest.raises(InputInvalid, match=r"9\.9 photons a frame on average, at least 10"):
        onefile.study_of(tmp_path / "dim.npz")


def test_another_file_is_not_put_in_the_place_of_the_study_s(scan, tmp_path, design, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = studyfile.load(onefile.write(onefile.study_of(scan), print))
    other = tmp_path / "other.npz"
    other.write_bytes(scan.read_bytes() + b" ")
    with pytest.raises(InputInvalid, match="is not that"):
        prepare.prepare_inputs(study, onefile.PRESET, tmp_path / "in", other, lambda line: None)
    with pytest.raises(InputInvalid, match="no file is not that"):
        prepare.prepare_inputs(study, onefile.PRESET, tmp_path / "in", None, lambda line: None)


def test_an_input_exchanged_in_its_place_closes_the_gate(scan, tmp_path, monkeypatch):
    from harness import gates
    from harness.model import CellKey

    monkeypatch.chdir(tmp_path)
    study = studyfile.load(onefile.write(onefile.study_of(scan), print))
    key = CellKey(study.doses_photons[0], "measured", "whole")
    sound = npz.read(scan, provenance.portable(scan))
    assert gates.check_input(key, sound, study) == ()
    with np.load(scan) as archive:
        arrays = dict(archive)
    arrays["diffraction"] = arrays["diffraction"] * np.float32(2)
    np.savez(tmp_path / "brighter.npz", **arrays)
    found = gates.check_input(key, npz.read(tmp_path / "brighter.npz", "brighter.npz"), study)
    assert {"claim.input", "claim.dose"} <= {item.rule for item in found}
