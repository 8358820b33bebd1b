"""Claims recomputed from the arrays: a forger who mends every digest is caught by the arrays."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from harness import (
    alignment,
    arrays,
    audit,
    canonical,
    cli,
    halves,
    layout,
    measured_again,
    npz,
    png,
    quality,
    recompute,
    remeasure,
    stopping,
    studyfile,
)
from harness.jobs import intake, truth
from harness.recompute import Left
from tests.small_scan import OBJECT, between_pixels, noisy
from tests.unit.test_verify import edit, mend

EXAMPLE = Path(__file__).parents[1] / "examples/valid/attestation/succeeded.json"
JOB = "real_run/dose_1000/dense/train"
RESULT = f"{JOB}/{layout.RESULT}"
ARCHIVE = f"{JOB}/{layout.RECONSTRUCTION}"


def picture(words: dict[str, str]) -> bytes:
    """Return a PNG of one grey pixel that carries these texts."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    texts = b"".join(chunk(b"tEXt", f"{k}\0{v}".encode("latin-1")) for k, v in words.items())
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return (
        png.SIGNATURE + head + texts + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
    )


def archive(**values) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **values)
    return buffer.getvalue()


SERIES = {"loss_per_epoch": (0.5, 0.25), "truth_nrmse_per_epoch": (0.7, 0.6)}


@pytest.fixture
def honest():
    """What an honest job left: its attestation, its arrays, its pictures."""
    document = json.loads(EXAMPLE.read_text())
    rng = np.random.default_rng(1)
    held = {
        "object": rng.normal(size=(6, 8, 2)).astype(np.float32).view(np.complex64)[..., 0],
        "probe": np.ones((1, 4, 4), np.complex64),
        "loss_per_epoch": np.array([0.5, 0.25]),
        "truth_nrmse_per_epoch": np.array([0.7, 0.6]),
        "positions_x_px": np.array([3.0, 4.0]),
        "positions_y_px": np.array([3.0, 3.5]),
    }
    document["object_shape_px"], document["input"]["frame_px"] = [6, 8], 4
    document["loss"]["per_epoch"] = [0.5, 0.25]
    series = stopping.Series([0.5, 0.25], [], [0.7, 0.6])
    document["stopping"] = stopping.record("final", series, None)
    document["arrays"] = {name: arrays.identity(values) for name, values in held.items()}
    known = {name: arrays.array_sha256(values) for name, values in held.items()}
    known[recompute.INPUT] = document["input"]["sha256"]
    pictures = {
        name: picture({png.SOURCES: json.dumps(recompute.drawn_from(name, known))})
        for name in recompute.DRAWN_FROM
    }
    return document, held, pictures


def found_in(document, held, pictures):
    data = archive(**held)
    series = {name: tuple(held[name].tolist()) for name in stopping.NAMES if name in held}
    left = Left(npz.read_file(io.BytesIO(data), "r.npz"), series, pictures)
    findings = recompute.check_job("job", document, left)
    return {(item.rule, item.where, item.pointer) for item in findings}


def test_an_honest_job_bears_out_its_claims(honest):
    assert found_in(*honest) == set()


def test_the_modes_and_weights_of_a_probe_that_differs_by_frame_must_be_there(honest):
    document, held, pictures = honest
    document["input"]["frames"] = 2
    kept = {"probe_opr_modes": np.ones((1, 4, 4), "complex64"), "opr_weights": np.ones((2, 2))}
    for further, left_out in (
        (kept, set()),
        ({}, set(kept)),
        ({**kept, "opr_weights": np.ones((1, 2))}, {"opr_weights"}),
    ):
        arrays_left = held | further
        document["arrays"] = {name: arrays.identity(each) for name, each in arrays_left.items()}
        left = Left(npz.read_file(io.BytesIO(archive(**arrays_left)), "r.npz"), SERIES, pictures)
        found = recompute.check_job("job", document, left, opr_modes=2)
        assert {(item.rule, item.pointer) for item in found} == {
            ("recompute.object", name) for name in left_out
        }


def test_positions_that_were_refined_must_be_there_one_for_each_frame(honest):
    document, held, pictures = honest
    document["input"]["frames"] = 2
    document["settings"]["probe_position_options.optimizable"] = True
    del held["positions_x_px"]
    held["positions_y_px"] = np.array([3.0])
    told = {name for rule, _, name in found_in(document, held, pictures) if "object" in rule}
    assert told == {"positions_x_px", "positions_y_px"}
    document["settings"]["probe_position_options.optimizable"] = False
    told = {name for rule, _, name in found_in(document, held, pictures) if "object" in rule}
    assert told == set(), "others are held to the input"


def test_the_digest_does_not_depend_on_byte_order_memory_order_or_compression(honest):
    document, held, pictures = honest
    held["object"] = np.asfortranarray(held["object"].astype(">c8"))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **held)
    series = {name: tuple(held[name].tolist()) for name in stopping.NAMES if name in held}
    left = Left(npz.read_file(buffer, "r.npz"), series, pictures)
    assert recompute.check_job("job", document, left) == ()


@pytest.mark.parametrize("name", ["object", "probe", "loss_per_epoch", "positions_x_px"])
def test_a_changed_value_of_any_array_is_found(honest, name):
    document, held, pictures = honest
    held[name] = held[name].copy()
    held[name].flat[0] += 1
    assert ("recompute.arrays", f"job/{layout.RECONSTRUCTION}", name) in found_in(
        document, held, pictures
    )


def test_an_array_that_is_lost_or_came_later_is_found(honest):
    document, held, pictures = honest
    del held["probe"]
    held["later"] = np.zeros(3)
    names = {
        name for rule, _, name in found_in(document, held, pictures) if rule.endswith("arrays")
    }
    assert names == {"probe", "later"}


def test_the_same_bytes_under_another_dtype_or_shape_are_other_arrays(honest):
    document, held, pictures = honest
    held["positions_x_px"] = held["positions_x_px"].view(np.int64)
    held["positions_y_px"] = held["positions_y_px"].reshape(2, 1)
    names = {name for _, _, name in found_in(document, held, pictures)}
    assert {"positions_x_px", "positions_y_px"} <= names


def test_losses_that_are_not_those_of_the_arrays_are_found(honest):
    document, held, pictures = honest
    document["loss"]["per_epoch"] = [0.5, 0.125]
    assert {rule for rule, _, _ in found_in(document, held, pictures)} == {"recompute.loss"}


def test_losses_that_cannot_be_read_are_found(honest):
    document, held, pictures = honest
    del held["loss_per_epoch"]
    assert ("recompute.loss", f"job/{layout.RECONSTRUCTION}", "loss_per_epoch") in found_in(
        document, held, pictures
    )


def test_an_object_of_another_shape_or_with_nan_is_found(honest):
    document, held, pictures = honest
    document["object_shape_px"] = [8, 6]
    held["probe"] = np.full((1, 4, 4), np.nan, np.complex64)
    assert {
        name for rule, _, name in found_in(document, held, pictures) if rule.endswith("object")
    } == {
        "object",
        "probe",
    }


@pytest.mark.parametrize("name", sorted(recompute.DRAWN_FROM))
def test_a_picture_of_other_arrays_is_found(honest, name):
    document, held, pictures = honest
    stated = json.loads(png.texts(pictures[name])[png.SOURCES])
    stated[next(iter(stated))] = "0" * 64
    pictures[name] = picture({png.SOURCES: json.dumps(stated)})
    assert found_in(document, held, pictures) == {
        ("recompute.pictures", f"job/{name}", png.SOURCES)
    }


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(picture({}), id="says nothing"),
        pytest.param(picture({png.SOURCES: "no json"}), id="says no JSON"),
        pytest.param(b"GIF89a", id="no PNG"),
        pytest.param(picture({})[:-4], id="cut short"),
        pytest.param(picture({}) + b"more", id="goes on"),
        pytest.param(picture({"a": "b"}).replace(b"a\0b", b"a\0c"), id="check sum"),
    ],
)
def test_a_picture_that_does_not_say_its_sources_is_found(honest, data):
    document, held, pictures = honest
    pictures["loss.png"] = data
    assert found_in(document, held, pictures) == {
        ("recompute.pictures", "job/loss.png", png.SOURCES)
    }


def test_a_picture_that_no_job_draws_is_found(honest):
    document, held, pictures = honest
    pictures["better.png"] = pictures["loss.png"]
    assert found_in(document, held, pictures) == {
        ("recompute.pictures", "job/better.png", png.SOURCES)
    }


def test_a_hub_whose_losses_were_bettered_in_every_record_is_caught_by_its_arrays(
    complete_hub, tmp_path, capsys
):
    hub = shutil.copytree(complete_hub, tmp_path / "hub")

    def better(result):
        result["loss"]["last"] = result["loss"]["per_epoch"][-1] = 1e-9

    def in_manifest(document):
        for result in document["execution_results"]:
            if result["log_path"].startswith(JOB):
                result["final_loss"] = 1e-9

    edit(hub, RESULT, better)
    edit(hub, f"real_run/{layout.MANIFEST}", in_manifest)
    mend(hub, "real-run")

    assert {(item.rule, item.where) for item in audit.audit(hub).findings} >= {
        ("recompute.loss", ARCHIVE)
    }
    assert cli.main(["verify", str(hub)]) == 4
    assert ARCHIVE in capsys.readouterr().err


def test_arrays_swapped_between_two_jobs_are_caught_though_every_digest_is_mended(
    complete_hub, tmp_path
):
    hub = shutil.copytree(complete_hub, tmp_path / "hub")
    data = (hub / ARCHIVE).read_bytes()
    with np.load(io.BytesIO(data)) as held:
        changed = archive(**{**held, "object": held["object"] + 1})
    (hub / ARCHIVE).write_bytes(changed)
    digest = canonical.sha256(changed)

    def re_attest(result):
        result["outputs"][0] |= {"sha256": digest, "bytes": len(changed)}

    edit(hub, RESULT, re_attest)
    mend(hub, "real-run")

    assert ("recompute.arrays", ARCHIVE, "object") in {
        (item.rule, item.where, item.pointer) for item in audit.audit(hub).findings
    }


# With the inputs at hand


@pytest.fixture
def inputs_at_hand(made_inputs, complete_hub):
    """The inputs of the complete hub, and the study that it names."""
    study = complete_hub.parents[2] / "study.toml"
    return audit.Inputs(made_inputs, studyfile.load(study))


def account(done, claim):
    return {item.how: item.reason for item in done.accounts if item.claim == claim}


def test_an_input_that_is_not_where_inputs_lie_is_said_to_be_absent_there(
    complete_hub, inputs_at_hand, tmp_path
):
    # One is no file, and would be waited for without end.
    pipe = tmp_path / "phase_d" / layout.phase_d_input(1000, "dense", "train")
    pipe.parent.mkdir(parents=True)
    os.mkfifo(pipe)
    done = audit.audit(complete_hub, audit.Inputs(tmp_path, inputs_at_hand.design))
    assert account(done, "dose") == {recompute.NOT_SEEN: audit.NOT_THERE}
    assert account(done, "input") == {recompute.COMPARED: audit.NOT_THERE}


def test_without_inputs_verify_says_what_it_could_not_see(complete_hub):
    done = audit.audit(complete_hub)
    assert done.findings == ()
    assert account(done, "loss") == {recompute.RECOMPUTED: ""}
    assert account(done, "dose") == {recompute.NOT_SEEN: audit.NO_INPUT}
    assert account(done, "input") == {recompute.COMPARED: audit.NO_INPUT}
    assert {item.claim for item in done.accounts} == set(recompute.CLAIMS)


def test_with_its_inputs_a_hub_has_its_claims_about_them_recomputed(complete_hub, inputs_at_hand):
    done = audit.audit(complete_hub, inputs_at_hand)
    assert done.findings == ()
    claims = (
        "input",
        "data-001",
        "dose",
        "spacing",
        "disjoint",
        "misfit",
        "positions",
        "selection",
    )
    for claim in claims:
        assert account(done, claim) == {recompute.RECOMPUTED: ""}


def positions(x, y):
    return archive(**{k: np.asarray(v) for k, v in (("positions_x_px", x), ("positions_y_px", y))})


@pytest.mark.parametrize(
    ("x_px", "y_px", "off_px"),
    [
        (np.float32([1.1, 2.2]), [3.0, 4.0], 0.0),
        ([1.1, 2.2], [3.0, 4.25], 0.25),
        ([-1.1, 2.2], [3.0, 4.25], 2.2),
        ([1.1], [3.0], np.inf),
        ([np.nan, 2.2], [3.0, 4.0], np.nan),
    ],
)
def test_positions_that_are_not_the_input_s_are_told(x_px, y_px, off_px):
    given = archive(xcoords=np.array([1.1, 2.2]), ycoords=np.array([3.0, 4.0]))
    found = remeasure.positions_off_px(positions(x_px, y_px), given)
    assert found == pytest.approx(off_px, abs=1e-6, nan_ok=True)
    told = [item.rule for item in measured_again.check_positions("a.npz", found)]
    assert told == ([] if off_px == 0.0 else ["recompute.positions"])
    assert remeasure.positions_off_px(archive(object=np.ones(2)), given) is None


def test_positions_that_were_refined_are_not_the_input_s_and_not_asked_for():
    option = "probe_position_options.optimizable"
    for value, refined in ((True, True), (False, False)):
        assert measured_again.is_refined({"settings": {option: value}}) is refined
    assert not measured_again.is_refined({"settings": {}})


def test_a_verdict_that_its_own_figures_do_not_give_is_told_without_inputs(hub_to_attack):
    def lie(result):
        coverage = result["metrics"]["coverage"]
        coverage["reconstructible"] = not coverage["reconstructible"]

    edit(hub_to_attack, RESULT, lie)
    mend(hub_to_attack, "real-run")
    found = {(item.rule, item.where, item.pointer) for item in audit.audit(hub_to_attack).findings}
    assert ("recompute.metrics", RESULT, "/metrics/coverage/reconstructible") in found


def test_positions_in_a_hub_are_held_to_its_inputs(hub_to_attack, inputs_at_hand):
    assert audit.audit(hub_to_attack, inputs_at_hand).findings == ()
    with np.load(hub_to_attack / ARCHIVE) as kept:
        held = dict(kept)
    held["positions_x_px"] = held["positions_x_px"] / np.float32(100)
    np.savez(hub_to_attack / ARCHIVE, **held)
    found = {
        (item.rule, item.where) for item in audit.audit(hub_to_attack, inputs_at_hand).findings
    }
    assert ("recompute.positions", ARCHIVE) in found


@pytest.mark.parametrize(("name", "value"), [("spacing_threshold", 96.0), ("n_rejected", 0)])
def test_how_frames_were_chosen_is_the_input_s_word(hub_to_attack, inputs_at_hand, name, value):
    def lie(document):
        results = document["execution_results"]
        next(each for each in results if each["view"] == "dense")[name] = value

    edit(hub_to_attack, f"real_run/{layout.MANIFEST}", lie)
    mend(hub_to_attack, "real-run")
    done = audit.audit(hub_to_attack, inputs_at_hand)
    pointers = {(item.rule, item.pointer.rpartition("/")[2]) for item in done.findings}
    assert ("recompute.input", name) in pointers


def test_an_input_that_is_another_file_is_not_counted_as_seen(
    complete_hub, inputs_at_hand, tmp_path
):
    root = tmp_path / "inputs"
    shutil.copytree(inputs_at_hand.root, root)
    place = root / "phase_d" / layout.phase_d_input(1000, "dense", "train")
    place.write_bytes(place.read_bytes() + b" ")
    done = audit.audit(complete_hub, audit.Inputs(root, inputs_at_hand.design))
    reasons = {item.subject: item.reason for item in done.accounts if item.claim == "dose"}
    assert reasons[JOB] == audit.OTHER_INPUT
    apart = {item.subject: item.reason for item in done.accounts if item.claim == "disjoint"}
    assert apart["real_run/dose_1000/dense/test"] == audit.ONE_HALF
    assert apart["real_run/dose_1000/baseline/test"] == ""
    assert reasons["real_run/dose_1000/dense/test"] == ""


def test_another_study_s_claims_are_not_asked_of_a_hub(complete_hub, made_inputs, design):
    done = audit.audit(complete_hub, audit.Inputs(made_inputs, design))
    assert account(done, "dose") == {recompute.NOT_SEEN: audit.OTHER_STUDY}


def test_an_error_against_the_truth_that_the_arrays_do_not_give_is_found():
    rng = np.random.default_rng(2)
    truth = np.exp(1j * rng.normal(size=(8, 8)))
    region = {"rows": [0, 8], "columns": [0, 8]}
    aligned = alignment.align(truth + 0.1 * rng.normal(size=(8, 8)), truth)
    error, ramp = aligned.nrmse, list(aligned.ramp_rad_per_px)
    removed = {"scale": [aligned.scale.real, aligned.scale.imag], "ramp_rad_per_px": ramp}
    attested = {"truth": {"nrmse": error, "region_px": region, "removed": removed}}
    computed = measured_again.TruthError(error, region, removed)
    assert list(measured_again.check_truth("r", attested, computed)) == []
    for lie in (error / 2, None):
        (found,) = measured_again.check_truth(
            "r", {"truth": {**attested["truth"], "nrmse": lie}}, computed
        )
        assert (found.rule, found.pointer) == ("recompute.truth-error", "/truth/nrmse")
    other = {**attested["truth"], "region_px": {"rows": [1, 8], "columns": [0, 8]}}
    (found,) = measured_again.check_truth("r", {"truth": other}, computed)
    assert found.pointer == "/truth/region_px"
    other = {**attested["truth"], "removed": {**removed, "scale": [2.0, 0.0]}}
    pointers = [
        item.pointer for item in measured_again.check_truth("r", {"truth": other}, computed)
    ]
    assert pointers == ["/truth/removed/scale/0", "/truth/removed/scale/1"]


def test_the_error_against_the_truth_is_measured_on_the_box_of_the_centres():
    rng = np.random.default_rng(3)
    truth = np.exp(1j * rng.normal(size=(9, 9))).astype(np.complex64)
    object_ = truth.copy()
    object_[0, 0] = 100
    data = archive(objectGuess=truth, xcoords=np.array([3.0, 5.0]), ycoords=np.array([3.0, 6.0]))
    reading = npz.read_file(io.BytesIO(data), "in.npz")
    found = remeasure.truth_error(archive(object=object_), data, reading)
    assert found.nrmse < 1e-6, "the pixel outside of the box does not count"
    assert found.region_px == {"rows": [3, 7], "columns": [3, 6]}
    object_[4, 4] += 1
    assert remeasure.truth_error(archive(object=object_), data, reading).nrmse > 0.1
    for other in (archive(object=object_[:-1]), archive(probe=object_), b""):
        assert remeasure.truth_error(other, data, reading) is None
    assert remeasure.truth_error(archive(object=object_), b"", reading) is None


def reconstructed(**changed):
    """Return the input, the arrays of a job about it, and their metrics as it attests them."""
    given = noisy(10_000)
    frames = quality.frames_of(given, truth_present=True, shape=OBJECT.shape)
    left = {"object": (OBJECT + 0.05).astype(np.complex64), "probe": frames.probe} | changed
    attested = {"metrics": quality.measure(frames, left["object"], left["probe"])}
    return archive(**given), archive(**left), {**attested, "truth": {"present": True}}


def test_metrics_are_measured_again_from_input_and_arrays():
    given, left, attested = reconstructed()
    again = remeasure.metrics(left, given, truth_present=True)
    attested = json.loads(json.dumps(attested))
    assert list(measured_again.check_metrics("r", attested["metrics"], again)) == []


@pytest.mark.parametrize(
    "pointer",
    [
        "/against_truth/complex_nrmse",
        "/against_truth/mask/sha256",
        "/against_truth/scale/1",
        "/without_truth/r_factor",
        "/photon_limit/photon_limit_phase_rad",
        "/photon_limit/bands/3/phase_rmse_rad",
    ],
)
@pytest.mark.parametrize("lie", [None, 1e-5])
def test_a_metric_that_the_arrays_do_not_give_is_found(pointer, lie):
    given, left, attested = reconstructed()
    forged = json.loads(json.dumps(attested["metrics"]))
    *parents, last = [int(p) if p.isdigit() else p for p in pointer.split("/")[1:]]
    place = forged
    for parent in parents:
        place = place[parent]
    place[last] = lie
    again = remeasure.metrics(left, given, truth_present=True)
    (found,) = measured_again.check_metrics("r", forged, again)
    assert (found.rule, found.pointer) == ("recompute.metrics", f"/metrics{pointer}")


def test_a_metric_left_out_is_found():
    given, left, attested = reconstructed()
    again = remeasure.metrics(left, given, truth_present=True)
    forged = {**attested["metrics"], "against_truth": None}
    pointers = {item.pointer for item in measured_again.check_metrics("r", forged, again)}
    assert "/metrics/against_truth/complex_nrmse" in pointers


def test_metrics_that_cannot_be_measured_again_say_why():
    given, left, _ = reconstructed()
    for other in (b"", archive(object=OBJECT), archive(object=OBJECT[:-1], probe=OBJECT[None])):
        assert remeasure.metrics(other, given, truth_present=True) == remeasure.UNFIT
    assert remeasure.metrics(left, b"", truth_present=True) == remeasure.UNFIT


def test_the_answer_of_verify_accounts_for_every_claim(complete_hub, capsys):
    assert cli.main(["verify", str(complete_hub)]) == 0
    said = capsys.readouterr().out
    assert "claim loss: 4 recomputed\n" in said
    assert f"claim dose: 4 not seen ({audit.NO_INPUT})\n" in said
    assert cli.main(["verify", "--format=json", str(complete_hub)]) == 0
    claims = json.loads(capsys.readouterr().out)["claims"]
    assert {item["claim"] for item in claims} == set(recompute.CLAIMS)


def test_inputs_that_are_no_folder_are_refused(complete_hub, tmp_path, capsys):
    assert cli.main(["verify", str(complete_hub), "--inputs", str(tmp_path / "none")]) == 2
    assert "is not a folder" in capsys.readouterr().err


# Misfit, last loss and halves


def test_the_judgement_on_an_object_guess_is_made_again():
    given, _, _ = reconstructed()
    judged = remeasure.judgement(given, {})
    assert judged.present
    assert judged.misfit == pytest.approx(1, abs=0.1)
    honest = {"present": True, "misfit": judged.misfit}
    assert list(measured_again.check_judgement("r", honest, judged)) == []
    for name, lie in (("misfit", judged.misfit * 0.999), ("misfit", None), ("present", False)):
        (found,) = measured_again.check_judgement("r", {**honest, name: lie}, judged)
        assert (found.rule, found.pointer) == ("recompute.misfit", f"/truth/{name}")


def test_a_file_without_a_guess_has_no_misfit_and_one_that_does_not_fit_has_no_judgement():
    with_guess = noisy(10_000)
    without = {name: values for name, values in with_guess.items() if name != "objectGuess"}
    judged = remeasure.judgement(archive(**without), {})
    assert (judged.present, judged.misfit) == (False, None)
    assert remeasure.judgement(archive(**{**with_guess, "xcoords": np.zeros(3)}), {}) is None


def test_a_truth_seen_from_between_pixels_is_judged_again_as_the_child_judges_it(tmp_path):
    given = between_pixels(1_000_000)
    np.savez(tmp_path / "scan.npz", **given)
    by_the_child = truth.find(intake.read(str(tmp_path / "scan.npz")))
    judged = remeasure.judgement(archive(**given), {})
    assert (judged.present, judged.misfit) == (True, by_the_child.misfit)


@pytest.mark.parametrize(("kind", "present"), [("simulated", True), ("measured", False)])
def test_a_guess_of_a_measured_scan_is_judged_again_to_be_no_truth(kind, present):
    given, _, _ = reconstructed()
    judged = remeasure.judgement(given, {"input_kind": kind})
    assert judged.present is present
    assert judged.misfit == pytest.approx(1, abs=0.1)
    lie = {"present": not present, "misfit": judged.misfit}
    (found,) = measured_again.check_judgement("r", lie, judged)
    assert (found.rule, found.pointer) == ("recompute.misfit", "/truth/present")


def test_a_last_loss_better_than_the_arrays_allow_is_found():
    given, left, _ = reconstructed()
    again = remeasure.metrics(left, given, truth_present=True)
    reached = again["without_truth"]["amplitude_mse"]
    # Counts about their own mean: the root of a Poisson count has a variance of about 1/4.
    assert 0 < reached < 0.4
    for share, count in ((1.1, 0), (0.6, 0), (0.4, 1)):
        losses = [5.0, share * reached]
        document = {"loss": {"per_epoch": losses}, "stopping": {"delivered_epoch": 2}}
        found = list(measured_again.check_final_loss("r", document, again))
        assert [item.rule for item in found] == count * ["recompute.final-loss"]


def test_a_loss_is_held_to_the_arrays_of_its_own_epoch():
    """Where an earlier epoch is delivered, the last one fits noise, and honestly has less loss."""
    given, left, _ = reconstructed()
    again = remeasure.metrics(left, given, truth_present=True)
    reached = again["without_truth"]["amplitude_mse"]
    object_, probe = (remeasure.array(left, name) for name in ("object", "probe"))
    last = archive(final_object=object_, final_probe=probe)
    assert remeasure.final_mse(last, given) == pytest.approx(reached)
    assert remeasure.final_mse(left, given) is None
    document = {"loss": {"per_epoch": [reached, 0.3 * reached]}, "stopping": {"delivered_epoch": 1}}
    check = measured_again.check_final_loss
    assert list(check("r", document, again)) == []
    assert list(check("r", document, again, 0.3 * reached)) == []
    (found,) = check("r", document, again, reached)
    assert found.pointer == "/loss/per_epoch/1"


def test_losses_of_another_model_are_not_compared():
    for option, another in (
        ("reconstructor_options.num_epochs", False),
        ("probe_position_options.optimizable", False),
        ("reconstructor_options.displayed_loss_function", True),
    ):
        document = {"options_changed": {option: {}}}
        assert measured_again.has_another_loss(document) is another


def with_halves(**changed):
    """Return the arrays of a job that made halves, and its attestation."""
    given = noisy(10_000)
    held = {
        "object_half_a": OBJECT.astype(np.complex64),
        "object_half_b": (OBJECT + 0.1).astype(np.complex64),
        "probe": given["probeGuess"][None],
        "positions_x_px": given["xcoords"],
        "positions_y_px": given["ycoords"],
    }
    agree = json.loads(json.dumps(halves.measure(held, 2e-8)))
    document = {"metrics": {"between_halves": agree}, "input": {"pixel_size_m": 2e-8}}
    return archive(**held | changed), document


def test_the_agreement_of_halves_is_computed_again_without_the_input():
    left, attested = with_halves()
    again = remeasure.between_halves(left, attested)
    between = attested["metrics"]["between_halves"]
    assert list(measured_again.check_halves("r", between, again)) == []
    for forge in (
        lambda block: block.update(half_bit_resolution_px=1.0),
        lambda block: block.update(frames=[99, 99]),
        lambda block: block["rings"][5].update(correlation=block["rings"][5]["correlation"] + 1e-4),
    ):
        lie = json.loads(json.dumps(between))
        forge(lie)
        rules = {item.rule for item in measured_again.check_halves("r", lie, again)}
        assert rules == {"recompute.metrics"}


def test_halves_are_neither_hidden_nor_made_up():
    left, attested = with_halves()
    hidden = {**attested, "metrics": {"between_halves": None}}
    again = remeasure.between_halves(left, hidden)
    assert list(measured_again.check_halves("r", None, again)) != []
    none_there = remeasure.between_halves(archive(object=OBJECT), attested)
    assert none_there is None
    between = attested["metrics"]["between_halves"]
    assert list(measured_again.check_halves("r", between, none_there)) != []
    assert remeasure.between_halves(archive(object=OBJECT), hidden) == remeasure.NO_HALVES
    misfit, _ = with_halves(object_half_b=OBJECT[:-1])
    assert remeasure.between_halves(misfit, attested) == remeasure.UNFIT


def test_what_a_job_says_of_its_input_is_read_off_the_input(complete_hub, inputs_at_hand, tmp_path):
    hub = shutil.copytree(complete_hub, tmp_path / "hub")
    sound = json.loads((hub / RESULT).read_bytes())["input"]
    lie = {
        "frame_px": 2 * sound["frame_px"],
        "mean_photons_per_frame": 1.01 * sound["mean_photons_per_frame"],
        "positions_on_pixels": not sound["positions_on_pixels"],
    }
    edit(hub, RESULT, lambda result: result["input"].update(lie))
    mend(hub, "real-run")
    found = set(audit.audit(hub, inputs_at_hand).findings) - set(audit.audit(hub).findings)
    assert {(item.rule, item.where, item.pointer) for item in found} == {
        ("recompute.input", RESULT, f"/input/{name}") for name in lie
    }


def test_a_hub_whose_job_denies_its_truth_is_caught_by_its_input(
    complete_hub, inputs_at_hand, tmp_path
):
    hub = shutil.copytree(complete_hub, tmp_path / "hub")
    lie = {"present": False, "misfit": 3.0, "nrmse": None, "removed": None}
    edit(hub, RESULT, lambda result: result["truth"].update(lie))
    mend(hub, "real-run")
    alone = set(audit.audit(hub).findings)
    assert {item.rule for item in alone} <= {"attest.itself"}, "the errors by epoch remember it"
    found = set(audit.audit(hub, inputs_at_hand).findings) - alone
    assert {(item.rule, item.where, item.pointer) for item in found} == {
        ("recompute.misfit", RESULT, "/truth/present"),
        ("recompute.misfit", RESULT, "/truth/misfit"),
    }
