"""What the child reads and what it leaves behind, as far as neither needs torch."""

import hashlib
import io
import json
import logging
import warnings
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from harness import halves, provenance, resources, schemas
from harness.errors import EXIT_INPUT, EXIT_USAGE, UsageError
from harness.jobs import arguments, attest, epochs, intake, outputs, ptychi_lsqml, truth
from tests.recipes import settings_by
from tests.small_scan import FRAME_PX, OBJECT, POSITIONS_PX, noiseless

FLAT = np.ones_like(OBJECT, dtype="complex64")
PROBE = noiseless()["probeGuess"]


def write(folder, arrays):
    path = folder / "scan.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture
def scan(tmp_path):
    return intake.read(str(write(tmp_path, noiseless())))


@pytest.fixture
def refusal(tmp_path, capsys):
    """A reader of the code and the one line with which the child refuses an input."""

    def refuse(path):
        code = ptychi_lsqml.main(["--input-npz", str(path), "--output-dir", str(tmp_path / "out")])
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("error: ")
        assert said.err.count("\n") == 1
        assert list((tmp_path / "out").iterdir()) == []
        return code, said.err

    return refuse


# Good files


def test_a_scan_is_what_the_file_holds(scan):
    arrays = noiseless()
    assert scan.frame_px == FRAME_PX
    assert scan.mean_photons_per_frame == pytest.approx(1e4)
    assert scan.counts.dtype == np.float32
    np.testing.assert_array_equal(scan.counts, arrays["diffraction"] ** 2)
    np.testing.assert_array_equal(scan.probe, arrays["probeGuess"][None])
    np.testing.assert_array_equal(scan.object_guess, arrays["objectGuess"])
    np.testing.assert_array_equal(scan.positions_x_px, POSITIONS_PX[:, 1])
    np.testing.assert_array_equal(scan.positions_y_px, POSITIONS_PX[:, 0])
    np.testing.assert_array_equal(scan.corners, POSITIONS_PX - FRAME_PX // 2)


def test_other_precisions_modes_and_more_arrays_are_taken(tmp_path):
    arrays = noiseless()
    arrays["diffraction"] = arrays["diffraction"].astype(">f8")
    arrays["probeGuess"] = np.stack([arrays["probeGuess"]] * 3).astype("complex128")
    arrays["objectGuess"] = arrays["objectGuess"].astype("complex128")
    arrays["xcoords"] = arrays["xcoords"].astype("float32")
    scan = intake.read(str(write(tmp_path, arrays | {"comment": np.array("not read")})))
    assert (scan.counts.dtype, scan.probe.shape) == (np.float32, (3, FRAME_PX, FRAME_PX))
    assert (scan.probe.dtype, scan.object_guess.dtype) == (np.complex64, np.complex64)
    assert scan.positions_x_px.dtype == np.float64


def test_a_path_of_this_machine_does_not_enter_the_record(tmp_path, monkeypatch):
    path = write(tmp_path, noiseless())
    assert intake.read(str(path)).path == "scan.npz"
    monkeypatch.chdir(tmp_path)
    assert intake.read("scan.npz").path == "scan.npz"


# Bad files

BAD = {
    "lacks diffraction, xcoords": lambda a: (a.pop("diffraction"), a.pop("xcoords")),
    "diffraction has shape (), not": lambda a: a.update(diffraction=np.float32(1)),
    "diffraction has shape (0, 32, 32), not": lambda a: a.update(diffraction=a["diffraction"][:0]),
    "diffraction has shape (30, 32, 31), not": lambda a: a.update(
        diffraction=a["diffraction"][:, :, 1:]
    ),
    "diffraction has shape (30, 31, 31), not": lambda a: a.update(
        diffraction=a["diffraction"][:, 1:, 1:]
    ),
    "diffraction is complex64, not floating": lambda a: a.update(
        diffraction=a["diffraction"].astype("complex64")
    ),
    "diffraction holds NaN or infinity": lambda a: a["diffraction"].__setitem__((3, 4, 5), np.inf),
    "diffraction holds negative amplitudes": lambda a: a["diffraction"].__setitem__((3, 4, 5), -1),
    "diffraction exceeds 1.8e+19": lambda a: a["diffraction"].__setitem__((3, 4, 5), 2e19),
    "probeGuess has shape (1, 1, 32, 32)": lambda a: a.update(
        probeGuess=a["probeGuess"][None, None]
    ),
    "probeGuess has shape (0, 32, 32)": lambda a: a.update(probeGuess=a["probeGuess"][None][:0]),
    "probeGuess is float32, not complex": lambda a: a.update(probeGuess=abs(a["probeGuess"])),
    "probeGuess holds NaN": lambda a: a["probeGuess"].__setitem__((0, 0), np.nan),
    "xcoords has shape (30, 1), not (30,)": lambda a: a.update(xcoords=a["xcoords"][:, None]),
    "ycoords is int64, not floating": lambda a: a.update(ycoords=a["ycoords"].astype("int64")),
    "xcoords holds NaN or infinity": lambda a: a["xcoords"].__setitem__(0, -np.inf),
    "objectGuess has shape (1, 100, 100)": lambda a: a.update(objectGuess=a["objectGuess"][None]),
    "objectGuess is float32, not complex": lambda a: a.update(objectGuess=abs(a["objectGuess"])),
    "objectGuess holds NaN": lambda a: a["objectGuess"].__setitem__((0, 0), np.nan),
    "1 of 30 frames see beyond the object": lambda a: a["ycoords"].__setitem__(7, 15.0),
    "1 of 30 frames see beyond the object: frame 7 begins at row 1e+300": lambda a: a[
        "ycoords"
    ].__setitem__(7, 1e300),
    "the object would be 10000017 x": lambda a: (
        a.pop("objectGuess"),
        a["ycoords"].__setitem__(7, 1e7),
    ),
    "probeGuess holds values beyond complex64": lambda a: a.update(
        probeGuess=a["probeGuess"].astype("complex128") * 1e300
    ),
    "objectGuess holds values beyond complex64": lambda a: a.update(
        objectGuess=a["objectGuess"].astype("complex128") * 1e300
    ),
}


@pytest.mark.parametrize("clue", BAD)
def test_each_fault_of_an_array_is_one_line_with_code_3(tmp_path, refusal, clue):
    arrays = noiseless()
    BAD[clue](arrays)
    path = write(tmp_path, arrays)
    code, said = refusal(path)
    assert code == EXIT_INPUT
    assert f"{path}: {clue}" in said


def archive(**members):
    """The bytes of a zip whose members are given as they are."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members.items():
            made.writestr(f"{name}.npy", data)
    return content.getvalue()


def encrypted():
    """An archive that says of its member that it is encrypted."""
    data = bytearray(archive(diffraction=b"x" * 40))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + flags] |= 1
    return bytes(data)


def bare_array():
    content = io.BytesIO()
    np.save(content, np.ones(3))
    return content.getvalue()


def objects():
    content = io.BytesIO()
    np.savez(content, **noiseless() | {"xcoords": np.array([{"a": 1}], dtype=object)})
    return content.getvalue()


def damaged():
    """Deflated data that no longer inflates."""
    content = io.BytesIO()
    np.savez_compressed(content, **noiseless())
    data = bytearray(content.getvalue())
    data[80:400] = b"\xff" * 320
    return bytes(data)


def header(text):
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


NO_ARCHIVE = {
    "empty": (b"", "npz.not-a-zip"),
    "text": (b"no archive at all", "npz.not-a-zip"),
    "a pickle": (b"\x80\x04N.", "npz.not-a-zip"),
    "a bare array": (bare_array(), "npz.not-a-zip"),
    "half an archive": (b"PK\x03\x04 half an archive", "npz.truncated"),
    "objects": (objects(), "npz.pickled"),
    "a member that is no array": (archive(diffraction=b"plain text"), "npz.header"),
    "an encrypted member": (encrypted(), "npz.encrypted"),
    "data that does not inflate": (damaged(), "npz.damaged"),
    "a header with an open bracket": (archive(diffraction=header(b"{'descr': (")), "npz.header"),
    "a header of a petabyte": (
        archive(
            diffraction=header(
                b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000,)}\n"
            )
        ),
        "npz.member-size",
    ),
}


@pytest.mark.parametrize("kind", NO_ARCHIVE)
def test_what_is_no_archive_of_arrays_is_one_line_with_code_3_and_the_rule(tmp_path, refusal, kind):
    content, rule = NO_ARCHIVE[kind]
    (tmp_path / "scan.npz").write_bytes(content)
    code, said = refusal(tmp_path / "scan.npz")
    assert code == EXIT_INPUT
    assert said.startswith(f"error: {tmp_path}/scan.npz: ")
    assert f"{rule}: expected" in said


def test_a_changed_byte_of_an_array_is_one_line_with_code_3(tmp_path, refusal):
    path = write(tmp_path, noiseless())
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)
    code, said = refusal(path)
    assert code == EXIT_INPUT
    assert "npz.damaged" in said
    assert "Bad CRC-32" in said


def test_arrays_that_are_missing_are_named_together(tmp_path, refusal):
    np.savez(tmp_path / "scan.npz", xcoords=np.ones(3))
    code, said = refusal(tmp_path / "scan.npz")
    assert code == EXIT_INPUT
    assert "lacks diffraction, probeGuess, ycoords" in said
    (tmp_path / "nothing.npz").write_bytes(b"PK\x05\x06" + bytes(18))
    code, said = refusal(tmp_path / "nothing.npz")
    assert code == EXIT_INPUT
    assert "lacks diffraction, probeGuess, xcoords, ycoords" in said


def test_a_folder_and_a_missing_file_are_named_with_code_3(tmp_path, refusal):
    (tmp_path / "folder").mkdir()
    for name, why in (("folder", "Is a directory"), ("nowhere.npz", "No such file")):
        code, said = refusal(tmp_path / name)
        assert code == EXIT_INPUT
        assert f"cannot read {tmp_path / name}: {why}" in said


# Output folder


def test_a_fresh_folder_is_made_with_its_parents_and_may_hold_other_files(tmp_path):
    folder = outputs.fresh_folder(str(tmp_path / "a" / "b"))
    assert folder.is_dir()
    (folder / "run.log").write_text("of the harness")
    assert outputs.fresh_folder(str(folder)) == folder


@pytest.mark.parametrize("name", ["result.json", "reconstruction.npz", *outputs.PICTURES])
def test_a_folder_with_results_ends_the_child_with_code_2_before_the_input_is_read(
    tmp_path, name, capsys
):
    (tmp_path / name).write_text("old")
    words = ["--input-npz", str(tmp_path / "nowhere.npz"), "--output-dir", str(tmp_path)]
    assert ptychi_lsqml.main(words) == EXIT_USAGE
    said = capsys.readouterr().err
    assert f"already holds {name}. Give a fresh folder" in said
    assert (tmp_path / name).read_text() == "old"


# Record


def run_that_failed():
    return attest.Run(
        reconstructor="LSQMLReconstructor",
        module="ptychi.reconstructors.lsqml",
        epochs_run=2,
        batch_size=96,
        seed=5,
        recipe=settings_by().recipe,
        settings={"reconstructor_options.noise_model": "gaussian"},
        options={"reconstructor_options.num_epochs": (100, 2)},
        initial_object="flat",
        history=failed(),
        object_=FLAT,
        probe=PROBE[None],
        positions_x_px=POSITIONS_PX[:, 1],
        positions_y_px=POSITIONS_PX[:, 0],
        position_origin_px=(-0.5, -0.5),
        device="cpu",
        device_name="a processor",
        threads=1,
        determinism=dict.fromkeys(("bitwise", *CONDITIONS), True),
        held_out=None,
        final_probe=PROBE[None],
        warnings=("UserWarning: slow",),
    )


CONDITIONS = ("one_thread", "deterministic_algorithms", "seeded", "on_cpu")


def failed():
    """Return the history of a run whose second loss was NaN."""
    last = epochs.State(2, FLAT, PROBE[None], POSITIONS_PX)
    failure = "the loss is nan at epoch 2"
    return epochs.History([0.5, float("nan")], [], [0.9], final=last, failure=failure)


def test_a_run_that_failed_leaves_its_arrays_and_a_record_that_says_so(tmp_path, scan, monkeypatch):
    monkeypatch.setattr(provenance, "versions", lambda: dict.fromkeys(attest.VERSIONS, "1.0"))
    clock, run = attest.Clock.start(), run_that_failed()
    folder = outputs.fresh_folder(str(tmp_path / "out"))
    verdict = truth.find(scan).beside(run.object_)
    quality = attest.quality_of(run, scan, verdict)
    entries = outputs.write_results(folder, run, scan, verdict, quality)

    data = (folder / "reconstruction.npz").read_bytes()
    assert entries == [
        {
            "path": "reconstruction.npz",
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
        }
    ]
    with np.load(folder / "reconstruction.npz", allow_pickle=False) as left:
        np.testing.assert_array_equal(left["object"], run.object_)
        np.testing.assert_array_equal(left["probe"], run.probe)
        np.testing.assert_array_equal(left["loss_per_epoch"], run.losses)
        np.testing.assert_array_equal(left["truth_nrmse_per_epoch"], [0.9])
        np.testing.assert_array_equal(left["positions_x_px"], run.positions_x_px)
        np.testing.assert_array_equal(left["positions_y_px"], run.positions_y_px)

    request = arguments.parse(["--input-npz", scan.path, "--output-dir", "out", "--device", "cpu"])
    record = attest.record(run, scan, verdict, quality, request, entries, clock)
    outputs.write_record(folder, record)
    read = json.loads((folder / "result.json").read_text())
    schema = resources.schema("attestation")
    assert schemas.check(read, schema, name="attestation", where="result.json") == ()
    assert (read["status"], read["failure"]) == ("failed", run.failure)
    assert read["loss"] == {"first": 0.5, "last": None, "per_epoch": [0.5, None]}
    assert read["stopping"] is None
    assert read["recipe"]["name"] == "seed"
    assert read["algorithm"] == "LSQML"
    assert read["device"] == {"requested": "cpu", "used": "cpu", "name": "a processor"}
    assert read["input"]["sha256"] == scan.sha256
    assert read["input"]["frames"] == len(POSITIONS_PX)
    assert read["options_changed"] == {
        "reconstructor_options.num_epochs": {"default": 100, "used": 2}
    }
    assert read["wall_s"] >= 0
    assert read["peak_memory_bytes"] > 1e7
    assert read["started_at"] <= read["finished_at"]


def test_halves_of_the_frames_are_kept_with_the_arrays_and_measured(scan):
    objects = tuple(np.full(FLAT.shape, value, "complex64") for value in (1, 2))
    run = replace(run_that_failed(), half_objects=objects)
    names = ("object_half_a", "object_half_b")
    for name, object_ in zip(names, objects, strict=True):
        np.testing.assert_array_equal(run.arrays()[name], object_)
    quality = attest.quality_of(run, scan, truth.find(scan).beside(run.object_))
    assert quality["between_halves"] == halves.measure(run.arrays(), scan.pixel_size_m)
    assert sum(quality["between_halves"]["frames"]) == len(POSITIONS_PX)
    plain = attest.quality_of(run_that_failed(), scan, truth.find(scan).beside(run.object_))
    assert plain["between_halves"] is None


def test_a_part_of_a_scan_has_its_frames_and_the_whole_object(scan):
    some = np.array([3, 1, 7])
    part = scan.part(some)
    np.testing.assert_array_equal(part.counts, scan.counts[some])
    np.testing.assert_array_equal(part.corners, scan.corners[some])
    np.testing.assert_array_equal(part.positions_x_px, scan.positions_x_px[some])
    np.testing.assert_array_equal(part.positions_y_px, scan.positions_y_px[some])
    assert part.object_shape == scan.object_shape
    assert part.mean_photons_per_frame == pytest.approx(float(scan.counts[some].sum() / 3))


def test_results_are_never_written_over_results(tmp_path, scan):
    run = run_that_failed()
    verdict = truth.find(scan).beside(run.object_)
    quality = attest.quality_of(run, scan, verdict)
    (tmp_path / "reconstruction.npz").write_text("old")
    with pytest.raises(UsageError, match=r"reconstruction\.npz"):
        outputs.write_results(tmp_path, run, scan, verdict, quality)
    assert (tmp_path / "reconstruction.npz").read_text() == "old"


@pytest.mark.parametrize(
    ("start", "name"),
    [(FLAT, "flat"), (noiseless()["objectGuess"], "guess"), (2 * FLAT, "other")],
)
def test_the_initial_object_is_named_by_what_the_task_holds(scan, start, name):
    task = SimpleNamespace(get_data_to_cpu=lambda what, as_numpy: {"object": start[None]}[what])
    assert attest.name_initial_object(task, scan) == name


@pytest.mark.parametrize(
    ("defaults", "used", "changed"),
    [
        ({"a": 1}, {"a": 1}, {}),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, {"a.b": (1, 2)}),
        ({"a": 1}, {"c": 2}, {"a": (1, None), "c": (None, 2)}),
        ({"a": {}}, {"a": {"b": 1}}, {"a": ({}, None), "a.b": (None, 1)}),
    ],
)
def test_changed_options_name_each_leaf_that_differs_and_those_on_one_side(defaults, used, changed):
    assert attest.changed_options(defaults, used) == changed


def test_what_listens_to_warnings_stops_when_the_work_ends_even_badly():
    handlers, show = list(logging.getLogger().handlers), warnings.showwarning

    def work():
        with attest.recorded_warnings() as gathered:
            logging.getLogger("a").error("heard")
            assert gathered == ["a: heard"]
            raise RuntimeError("the work")

    with pytest.raises(RuntimeError, match="the work"):
        work()
    assert (logging.getLogger().handlers, warnings.showwarning) == (handlers, show)
