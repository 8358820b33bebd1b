"""Study inputs on disk: complete, repeatable, made once, and never over foreign files."""

import dataclasses
import hashlib
import io
import json
import re
import threading
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pytest

from harness import base, design, layout, npz, positions, prepare, rules
from harness.errors import InputInvalid, UsageError
from harness.resources import DEFAULT_STUDY


def told(error):
    """Return what a person reads of an error: its message and its findings."""
    return "\n".join([str(error), *map(rules.as_text, error.findings)])


TINY = design.Preset(
    name="tiny",
    frame_px=32,
    position_count=60,
    field_px=70,
    probe_diameter_fraction=0.85,
    jitter_fraction=0.35,
)


@pytest.fixture(scope="module")
def study():
    """The default study with a preset small enough to be made many times."""
    made = design.from_mapping(tomllib.loads(DEFAULT_STUDY.read_text(encoding="utf-8")))
    return dataclasses.replace(made, presets={**made.presets, "tiny": TINY})


@pytest.fixture(scope="module")
def smoke(study, tmp_path_factory):
    """The smoke preset's inputs, made once; to be read only."""
    root = tmp_path_factory.mktemp("smoke")
    said = []
    return prepare.prepare_inputs(study, "smoke", root, say=said.append), root, said


def quiet(line):
    assert isinstance(line, str)


def make(study, root, preset="tiny", base_npz=None):
    return prepare.prepare_inputs(study, preset, root, base_npz, say=quiet)


def load(path):
    with np.load(path, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def facts(arrays):
    return json.loads(str(arrays["_metadata"]))


def digests(root):
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*.npz"))
    }


def cells(study, root):
    for dose_photons in study.doses_photons:
        for split in study.splits:
            yield dose_photons, split, root / "phase_c" / layout.phase_c_input(dose_photons, split)


def base_arrays(frame_px=32):
    rng = np.random.default_rng(1)
    side_px = frame_px + 40
    return {
        "objectGuess": np.exp(1j * rng.uniform(-0.5, 0.5, (side_px, side_px + 3))),
        "probeGuess": np.hanning(frame_px)[:, None] * np.hanning(frame_px) * (1 + 0.5j),
        "xcoords": rng.uniform(frame_px / 2, frame_px / 2 + 40, 50),
        "ycoords": rng.uniform(frame_px / 2, frame_px / 2 + 39, 50),
    }


def save_base(path, **changes):
    arrays = {**base_arrays(), **changes}
    path.parent.mkdir(exist_ok=True)
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def test_all_18_cells_have_their_file_and_no_other_is_made(study, smoke):
    inputs, root, _ = smoke
    wanted = set()
    for dose_photons in study.doses_photons:
        for split in study.splits:
            wanted.add("phase_c/" + layout.phase_c_input(dose_photons, split))
            for view in ("dense", "sparse"):
                wanted.add("phase_d/" + layout.phase_d_input(dose_photons, view, split))
    assert set(digests(root)) == wanted
    assert len(wanted) == 18
    assert inputs == prepare.PreparedInputs(root / "phase_c", root / "phase_d", made=True)


def test_arrays_have_the_keys_dtypes_and_shapes_of_the_contract(smoke):
    for path in smoke[1].rglob("*.npz"):
        arrays = load(path)
        n = len(arrays["xcoords"])
        assert {key: (value.dtype.str, value.shape) for key, value in arrays.items()} == {
            "diffraction": ("<f4", (n, 32, 32)),
            "objectGuess": ("<c8", (152, 152)),
            "probeGuess": ("<c8", (32, 32)),
            "xcoords": ("<f8", (n,)),
            "ycoords": ("<f8", (n,)),
            "_metadata": (arrays["_metadata"].dtype.str, ()),
        }
        assert arrays["_metadata"].dtype.kind == "U"


def test_every_file_reads_back_without_findings(smoke):
    for path in smoke[1].rglob("*.npz"):
        assert not npz.read(path, path.name).findings


def test_the_mean_photons_of_a_dose_over_both_splits_are_the_dose(study, smoke):
    for dose_photons in study.doses_photons:
        photons = np.concatenate(
            [
                (load(path)["diffraction"].astype(float) ** 2).sum(axis=(1, 2))
                for dose, _, path in cells(study, smoke[1])
                if dose == dose_photons
            ]
        )
        assert len(photons) == 196
        assert photons.mean() == pytest.approx(dose_photons, abs=5 * (dose_photons / 196) ** 0.5)


def test_the_stored_truth_explains_the_frames_to_within_counting_noise(study, smoke):
    for dose_photons, _, path in cells(study, smoke[1]):
        arrays = load(path)
        corner_y = arrays["ycoords"].astype(int)[0] - 16
        corner_x = arrays["xcoords"].astype(int)[0] - 16
        patch = arrays["objectGuess"][corner_y : corner_y + 32, corner_x : corner_x + 32]
        wave = np.fft.fftshift(np.fft.fft2(arrays["probeGuess"] * patch, norm="ortho"))
        expected = np.abs(wave) ** 2
        counts = arrays["diffraction"][0].astype(float) ** 2
        assert expected.sum() == pytest.approx(dose_photons, rel=0.4)
        lit = expected > 1
        chi_square = np.mean((counts[lit] - expected[lit]) ** 2 / expected[lit])
        assert chi_square == pytest.approx(1.0, abs=6 * (3 / lit.sum()) ** 0.5)


def test_train_lies_below_test_along_y(study, smoke):
    by_split = {split: load(path)["ycoords"] for _, split, path in cells(study, smoke[1])}
    assert by_split["train"].max() < by_split["test"].min()


def test_views_hold_frames_of_their_phase_c_file_unchanged(study, smoke):
    root = smoke[1]
    for path in (root / "phase_d").rglob("*.npz"):
        view = load(path)
        source = load(root / facts(view)["source_file"])
        places = list(zip(source["ycoords"], source["xcoords"], strict=True))
        for y, x, frame in zip(view["ycoords"], view["xcoords"], view["diffraction"], strict=True):
            assert np.array_equal(source["diffraction"][places.index((y, x))], frame)


@pytest.mark.parametrize(("view", "threshold_px"), [("dense", 9.6), ("sparse", 25.6)])
def test_a_view_keeps_its_spacing_and_says_what_was_measured(study, smoke, view, threshold_px):
    for split in study.splits:
        arrays = load(smoke[1] / "phase_d" / layout.phase_d_input(1000, view, split))
        said = facts(arrays)
        scan = np.stack([arrays["ycoords"], arrays["xcoords"]], axis=1)
        diameter_px = said["overlap_disc_diameter_px"]
        measured = positions.summarize_overlap(scan, diameter_px, 7)
        assert said["spacing_threshold"] == pytest.approx(threshold_px)
        assert measured.spacing_min_px >= threshold_px
        assert said["spacing_measured_min_px"] == pytest.approx(measured.spacing_min_px)
        assert said["overlap_measured_mean"] == pytest.approx(measured.mean_fraction, abs=1e-5)
        assert said["overlap_measured_min"] == pytest.approx(measured.min_fraction, abs=1e-5)
        assert said["overlap_touching_count"] == measured.touching_count
        assert said["overlap_view"] == view
        assert said["neighbor_count"] == 7
        assert said["selection_strategy"] == "greedy"
        assert said["n_accepted"] == len(scan)
        assert said["n_accepted"] + said["n_rejected"] == 98
        assert said["acceptance_rate"] == pytest.approx(len(scan) / 98, abs=1e-6)


def test_a_view_that_rejects_nothing_is_called_direct(study, tmp_path):
    wide = dataclasses.replace(TINY, position_count=16, field_px=200)
    made = dataclasses.replace(study, presets={"tiny": wide})
    make(made, tmp_path)
    arrays = load(tmp_path / "phase_d" / layout.phase_d_input(1000, "dense", "train"))
    assert facts(arrays)["selection_strategy"] == "direct"
    assert facts(arrays)["acceptance_rate"] == 1.0


def test_sparse_is_thinner_than_dense_and_dense_thinner_than_baseline(smoke):
    record = json.loads((smoke[1] / "inputs.json").read_text())
    for split in ("train", "test"):
        counts = [view["n_accepted"] for view in record["views"] if view["split"] == split]
        overlaps = [
            view["overlap_measured_mean"] for view in record["views"] if view["split"] == split
        ]
        assert counts == sorted(set(counts), reverse=True)
        assert overlaps == sorted(set(overlaps), reverse=True)


def test_the_report_names_every_view_with_its_counts(smoke):
    said = smoke[2]
    assert said[0].startswith("inputs made: 18 files")
    assert len(said) == 7
    assert "98 of    98 frames" in said[1]


def test_two_makings_give_the_same_bytes(study, tmp_path):
    make(study, tmp_path / "one")
    make(study, tmp_path / "two")
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


def test_archive_members_bear_no_time_and_are_stored(smoke):
    for path in smoke[1].rglob("*.npz"):
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                assert member.date_time == (1980, 1, 1, 0, 0, 0)
                assert member.compress_type == zipfile.ZIP_STORED


def test_a_second_call_writes_nothing(study, tmp_path):
    make(study, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    again = make(study, tmp_path)
    assert not again.made
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_the_record_lists_every_output_with_its_size_and_digest(study, tmp_path):
    make(study, tmp_path)
    record = json.loads((tmp_path / "inputs.json").read_text())
    assert record["format"] == "harness.inputs/1"
    assert {entry["path"]: entry["sha256"] for entry in record["outputs"]} == digests(tmp_path)
    for entry in record["outputs"]:
        assert entry["bytes"] == (tmp_path / entry["path"]).stat().st_size
    assert record["generator_sha256"] == prepare.generator_sha256()
    assert record["base"] is None


@pytest.mark.parametrize("seed", ["object", "scan", "noise"])
def test_another_seed_makes_other_inputs(study, tmp_path, seed):
    make(study, tmp_path)
    before = digests(tmp_path)
    changed = dataclasses.replace(study, seeds={**study.seeds, seed: 1})
    assert make(changed, tmp_path).made
    after = digests(tmp_path)
    assert after.keys() == before.keys()
    assert all(after[path] != before[path] for path in after)


def test_a_changed_generator_makes_the_inputs_again(study, tmp_path, monkeypatch):
    make(study, tmp_path)
    monkeypatch.setattr(prepare, "generator_sha256", lambda: "0" * 64)
    assert make(study, tmp_path).made


def test_the_generators_digest_covers_each_of_its_modules(tmp_path, monkeypatch):
    seen = {prepare.generator_sha256()}
    changed = tmp_path / "changed.py"
    changed.write_text("other = True\n")
    modules = (base, design, layout, positions, prepare.input_files, prepare.optics)
    for module in (*modules, prepare.simulate, prepare.view_selection):
        with monkeypatch.context() as patch:
            patch.setattr(module, "__file__", str(changed))
            seen.add(prepare.generator_sha256())
    assert len(seen) == 9


def a_changed_byte(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def a_stray_input(path):
    (path.parent / "stray.npz").write_bytes(b"")


@pytest.mark.parametrize("damage", [a_changed_byte, lambda path: path.unlink(), a_stray_input])
def test_inputs_that_no_longer_fit_their_record_are_made_again(study, tmp_path, damage):
    make(study, tmp_path)
    before = digests(tmp_path)
    damage(tmp_path / "phase_d" / layout.phase_d_input(1000, "dense", "test"))
    assert make(study, tmp_path).made
    assert digests(tmp_path) == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff", b'{"outputs": [1]}'])
def test_a_record_that_cannot_be_read_is_not_believed(study, tmp_path, content):
    make(study, tmp_path)
    (tmp_path / "inputs.json").write_bytes(content)
    assert make(study, tmp_path).made
    assert not make(study, tmp_path).made


def test_a_record_that_does_not_say_complete_is_not_believed(study, tmp_path):
    make(study, tmp_path)
    record = json.loads((tmp_path / "inputs.json").read_text())
    (tmp_path / "inputs.json").write_text(json.dumps({**record, "complete": False}))
    assert make(study, tmp_path).made


def test_an_interrupted_making_is_not_believed_and_is_done_again(study, tmp_path, monkeypatch):
    make(study, tmp_path / "whole")
    make(study, tmp_path / "root")
    whole_write, left = prepare.files.replace, [5]

    def write_five_times(path, data):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        whole_write(path, data)

    changed = dataclasses.replace(study, seeds={**study.seeds, "noise": 1})
    with monkeypatch.context() as patch:
        patch.setattr(prepare.files, "replace", write_five_times)
        with pytest.raises(KeyboardInterrupt):
            make(changed, tmp_path / "root")
    assert json.loads((tmp_path / "root" / "inputs.json").read_text())["complete"] is False
    assert make(study, tmp_path / "root").made
    assert digests(tmp_path / "root") == digests(tmp_path / "whole")


def test_files_that_were_not_made_here_are_left_alone(study, tmp_path):
    foreign = tmp_path / "phase_c" / "measured.npz"
    foreign.parent.mkdir()
    foreign.write_bytes(b"precious")
    with pytest.raises(UsageError, match=r"phase_c but no inputs\.json"):
        make(study, tmp_path)
    assert foreign.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [foreign.parent]


def test_a_root_that_is_a_file_is_refused(study, tmp_path):
    root = tmp_path / "root"
    root.write_text("a file")
    with pytest.raises(UsageError, match="cannot hold the inputs"):
        make(study, root)
    assert root.read_text() == "a file"


def test_an_unknown_preset_is_refused_with_the_known_ones(study, tmp_path):
    with pytest.raises(UsageError, match=r"no preset 'huge'.*default, smoke, tiny"):
        make(study, tmp_path, "huge")
    assert list(tmp_path.iterdir()) == []


def test_a_view_without_neighbours_is_left_out_and_said_so(study, tmp_path):
    narrow = dataclasses.replace(TINY, position_count=20, field_px=12)
    said = []
    prepare.prepare_inputs(
        dataclasses.replace(study, presets={"tiny": narrow}), "tiny", tmp_path, say=said.append
    )
    assert not list(tmp_path.rglob("sparse_*.npz"))
    record = json.loads((tmp_path / "inputs.json").read_text())
    assert {(gap["view"], gap["split"]) for gap in record["left_out"]} >= {
        ("sparse", "train"),
        ("sparse", "test"),
    }
    assert any("left out: 1 of 10 positions kept" in line for line in said)


def test_a_base_gives_object_probe_and_rounded_positions(study, tmp_path):
    path = save_base(tmp_path / "mine.npz")
    made = make(study, tmp_path / "root", base_npz=path)
    arrays = base_arrays()
    train = load(made.phase_c_root / layout.phase_c_input(1000, "train"))
    test = load(made.phase_c_root / layout.phase_c_input(1000, "test"))
    assert np.array_equal(train["objectGuess"], arrays["objectGuess"].astype(np.complex64))
    assert np.abs(train["probeGuess"]) / np.abs(train["probeGuess"]).max() == pytest.approx(
        np.abs(arrays["probeGuess"]) / np.abs(arrays["probeGuess"]).max(), abs=1e-6
    )
    found = sorted([*train["xcoords"], *test["xcoords"]])
    assert found == sorted(np.floor(arrays["xcoords"] + 0.5))
    assert facts(train)["source_file"] == "mine.npz"


def test_another_base_makes_other_inputs_and_the_same_base_none(study, tmp_path):
    path = save_base(tmp_path / "mine.npz")
    make(study, tmp_path / "root", base_npz=path)
    assert not make(study, tmp_path / "root", base_npz=path).made
    save_base(path, objectGuess=np.ones((72, 75), complex))
    assert make(study, tmp_path / "root", base_npz=path).made
    assert make(study, tmp_path / "root").made


def test_inputs_of_each_base_have_a_folder_of_their_own(study, tmp_path):
    one, other = save_base(tmp_path / "a.npz"), save_base(tmp_path / "b" / "a.npz", more=np.ones(1))
    same = save_base(tmp_path / "copy.npz")
    digest = hashlib.sha256(one.read_bytes()).hexdigest()
    scratch = layout.scratch(study.initiative, "smoke")
    assert prepare.scratch(study, "smoke", None) == Path(scratch)
    assert prepare.scratch(study, "smoke", one) == Path(f"{scratch}-base-{digest[:12]}")
    assert prepare.scratch(study, "smoke", same) == prepare.scratch(study, "smoke", one)
    assert prepare.scratch(study, "smoke", other) != prepare.scratch(study, "smoke", one)


def test_two_who_prepare_the_same_inputs_make_them_once(study, tmp_path, monkeypatch):
    root = tmp_path / "root"
    whole_make, began, waits = prepare.input_files.write, threading.Event(), threading.Event()
    answers, said = [], []

    def make_slowly(*words):
        began.set()
        assert waits.wait(20), "nobody waited for the first to end"
        yield from whole_make(*words)

    def second_says(line):
        said.append(line)
        waits.set()

    monkeypatch.setattr(prepare.input_files, "write", make_slowly)
    first = threading.Thread(target=lambda: answers.append(make(study, root)))
    first.start()
    assert began.wait(20)
    second = prepare.prepare_inputs(study, "tiny", root, say=second_says)
    first.join()
    assert [answer.made for answer in answers] == [True]
    assert not second.made
    assert "another process" in said[0]
    assert "unchanged" in said[1]


def test_a_base_with_one_probe_mode_and_other_arrays_is_taken(study, tmp_path):
    path = save_base(
        tmp_path / "b.npz",
        probeGuess=base_arrays()["probeGuess"][None],
        names=np.array([{"pickled": 1}], dtype=object),
    )
    assert make(study, tmp_path / "root", base_npz=path).made


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"probeGuess": None}, r"inputs\.base.*b\.npz: probeGuess: expected an array"),
        ({"objectGuess": np.ones(40)}, r"objectGuess: expected shape \(H, W\)"),
        ({"objectGuess": np.array([["a"]])}, "objectGuess: expected complex numbers"),
        ({"probeGuess": np.ones((64, 32))}, r"probeGuess: expected shape \(N, N\)"),
        ({"probeGuess": np.ones((40, 40))}, r"N in \(32, 64, 128, 256\)"),
        ({"probeGuess": np.ones((2, 32, 32))}, "one mode"),
        ({"probeGuess": np.full((32, 32), np.nan)}, "1024 of 1024 NaN or infinite"),
        ({"objectGuess": np.full((72, 75), 1e300)}, "5400 of 5400 NaN or infinite"),
        ({"xcoords": np.full(50, np.inf)}, "xcoords: expected finite values"),
        ({"xcoords": np.full(50, 30j)}, "xcoords: expected real numbers"),
        ({"xcoords": np.zeros(0)}, r"xcoords: expected shape \(n,\)"),
        ({"ycoords": np.full(49, 30.0)}, r"ycoords: expected the shape of xcoords, \(50,\)"),
        ({"ycoords": np.full(50, 3.0)}, "ycoords: expected centres from 16 to 56 in object pixels"),
        (
            {"xcoords": np.linspace(15.3125, 1234567.5, 50)},
            "in object pixels, .* 50 of 50 outside, from 15.3125 to 1234567.5",
        ),
        (
            {"xcoords": np.full(50, 59.6, dtype=np.float32)},
            "from 16 to 59 .* 50 of 50 outside, from 59.6 to 59.6",
        ),
        (
            {"ycoords": np.full(50, 30.0)},
            r"inputs\.base\] b\.npz: ycoords: expected positions that can be split along y into 2",
        ),
        (
            {"probeGuess": np.zeros((32, 32))},
            r"inputs\.base\] b\.npz: probeGuess: expected light in some frame, found none",
        ),
        (
            {"objectGuess": np.zeros((72, 75))},
            r"inputs\.base\] b\.npz: objectGuess: expected light in some frame, found none",
        ),
        ({"xcoords": np.array([None] * 50, dtype=object)}, r"npz\.pickled.*xcoords"),
    ],
)
def test_a_base_that_cannot_serve_is_refused_with_one_message(study, tmp_path, changes, message):
    make(study, tmp_path / "root")
    before = digests(tmp_path / "root")
    with pytest.raises(InputInvalid) as refused:
        make(study, tmp_path / "root", base_npz=save_base(tmp_path / "b.npz", **changes))
    assert re.search(message, told(refused.value))
    assert digests(tmp_path / "root") == before


def test_a_preset_that_cannot_serve_is_refused_and_named(study, tmp_path):
    preset = dataclasses.replace(TINY, position_count=2, jitter_fraction=0)
    splits = ("one", "two", "three")
    asked = dataclasses.replace(study, presets={"tiny": preset}, splits=splits)
    with pytest.raises(InputInvalid) as refused:
        make(asked, tmp_path / "root")
    said = told(refused.value)
    assert re.search(
        r"inputs\.preset\] the study file: /presets/tiny: expected positions that can be split "
        "along y into 3 parts, found 2 positions",
        said,
    )
    assert "base" not in said
    assert not (tmp_path / "root").exists()


def test_all_faults_of_a_base_are_told_at_once(study, tmp_path):
    path = save_base(tmp_path / "b.npz", probeGuess=np.ones((3, 3)), objectGuess=np.ones(3))
    with pytest.raises(InputInvalid) as refused:
        make(study, tmp_path / "root", base_npz=path)
    assert [found.pointer for found in refused.value.findings] == ["objectGuess", "probeGuess"]
    assert {found.rule for found in refused.value.findings} == {"inputs.base"}


def whole_base():
    buffer = io.BytesIO()
    np.savez(buffer, **base_arrays())
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"npz\.\S+\] b\.npz"),
        (b"no archive", r"npz\.not-a-zip\] b\.npz"),
        (whole_base()[:-300], r"npz\.truncated\] b\.npz"),
    ],
)
def test_a_damaged_base_is_refused_with_rule_and_name(study, tmp_path, data, message):
    path = tmp_path / "b.npz"
    path.write_bytes(data)
    with pytest.raises(InputInvalid) as refused:
        make(study, tmp_path / "root", base_npz=path)
    assert re.search(message, told(refused.value))
    assert not (tmp_path / "root").exists()


def test_a_base_that_does_not_exist_is_refused_with_its_path(study, tmp_path):
    with pytest.raises(InputInvalid, match=r"nowhere\.npz cannot be read: No such file"):
        make(study, tmp_path / "root", base_npz=tmp_path / "nowhere.npz")


def test_a_base_that_is_not_the_one_that_a_stage_named_is_refused(study, tmp_path):
    path, root = save_base(tmp_path / "b.npz"), tmp_path / "root"
    named = hashlib.sha256(path.read_bytes()).hexdigest()
    prepare.prepare_inputs(study, "tiny", root, path, say=quiet, base_sha256=named)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(InputInvalid, match=r"b\.npz changed .* run the stage again"):
        prepare.prepare_inputs(study, "tiny", root, path, say=quiet, base_sha256=named)


def test_the_default_preset_makes_every_view_mean_something(study):
    preset = study.presets["default"]
    scene = base.embedded(preset, study.seeds)
    selections, left_out = prepare.view_selection.select(study, scene)
    found = {(chosen.split, chosen.view.name): chosen.facts for chosen in selections}
    assert not left_out
    assert len(scene.positions_px) == preset.position_count
    for split in study.splits:
        assert found[split, "baseline"]["overlap_measured_mean"] > 0.6
        assert 0.3 < found[split, "dense"]["overlap_measured_mean"] < 0.45
        assert found[split, "dense"]["n_accepted"] > 100
        assert found[split, "sparse"]["overlap_touching_count"] >= 20
        assert found[split, "sparse"]["overlap_measured_mean"] > 0
