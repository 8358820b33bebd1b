"""Positions that a reconstruction refines belong to its state: every figure is of one epoch."""

import io
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from harness import audit, forward, halves, heldout, metrics, quality, remeasure
from harness.jobs import attest, epochs, geometry, intake, truth, work
from tests.recipes import settings_by
from tests.small_scan import FRAME_PX, OBJECT, POSITIONS_PX, PROBE, between_pixels
from tests.unit.test_child_intake import run_that_failed

REFINED = "probe_position_options.optimizable"
RNG = np.random.default_rng(8)
OFF_PX = RNG.uniform(-1.5, 1.5, POSITIONS_PX.shape)
RIGHT = between_pixels(100_000)
RIGHT_PX = np.stack([RIGHT["ycoords"], RIGHT["xcoords"]], axis=1)
# What an input says that has its positions wrong.
WRONG_PX = RIGHT_PX + OFF_PX
GIVEN = RIGHT | {"ycoords": WRONG_PX[:, 0], "xcoords": WRONG_PX[:, 1]}
Y_PX, X_PX = RIGHT_PX.astype(np.float32).T
SETTINGS = {"seed": 1, "recipe": {"held_out": {"share": 0.1, "by": "photons", "as_good": 1.004}}}


def archive(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def scan(tmp_path):
    np.savez(tmp_path / "scan.npz", **GIVEN)
    return intake.read(str(tmp_path / "scan.npz"))


def plan(tmp_path, *, refined, by="photons"):
    asked = settings_by().recipe | {"stop": "heldout"}
    asked |= {"held_out": {"share": 0.1, "by": by, "as_good": 1.004}}
    asked["options"] = {**asked["options"], REFINED: refined}
    seen = scan(tmp_path)
    return work.make(seen, asked, 1, truth.find(seen))


def state(made, positions_px):
    probe = (RIGHT["probeGuess"][None] / np.sqrt(made.split.brightness)).astype(np.complex64)
    positions_px = positions_px[made.frames].astype(np.float32)
    return epochs.State(1, OBJECT.astype(np.complex64), probe, positions_px)


# The child


def test_the_state_of_a_task_keeps_its_positions_apart_from_the_next_epoch():
    held = {
        "object": OBJECT[None],
        "probe": PROBE[None, None],
        "probe_positions": RIGHT_PX.astype(np.float32),
    }
    task = SimpleNamespace(get_data_to_cpu=lambda name, as_numpy: held[name])
    kept = epochs.state_of(task, 1)
    held["probe_positions"][...] = 0
    np.testing.assert_array_equal(kept.positions_px, RIGHT_PX.astype(np.float32))


def test_an_epoch_is_scored_at_the_positions_that_it_has_refined(tmp_path):
    made = plan(tmp_path, refined=True)
    score = made.watch().deviance
    at_its_own, at_the_input_s = (score(state(made, at)) for at in (RIGHT_PX, WRONG_PX))
    assert at_its_own < 0.6 * at_the_input_s


def test_an_epoch_is_scored_at_the_input_s_positions_where_none_are_refined(tmp_path):
    made = plan(tmp_path, refined=False)
    found = state(made, RIGHT_PX)
    placed = (made.scan.corners, made.scan.beside_px)
    again = heldout.deviance(made.split, made.whole(found.probe), found.object_, *placed)
    assert made.watch().deviance(found) == again


def test_frames_that_are_held_out_whole_stay_where_the_input_has_them(tmp_path):
    made = plan(tmp_path, refined=True, by="frames")
    x_px, y_px = made.positions_px(state(made, RIGHT_PX))
    held, kept = made.split.held_frames, made.frames
    assert len(held) + len(kept) == len(x_px) == len(POSITIONS_PX)
    np.testing.assert_array_equal(x_px[held], GIVEN["xcoords"][held].astype(np.float32))
    np.testing.assert_array_equal(y_px[held], GIVEN["ycoords"][held].astype(np.float32))
    np.testing.assert_array_equal(x_px[kept], X_PX[kept])
    np.testing.assert_array_equal(y_px[kept], Y_PX[kept])


def test_positions_that_are_not_finite_end_the_run(tmp_path):
    lost = epochs.State(1, OBJECT, PROBE[None], np.full((3, 2), np.nan, np.float32))
    history = epochs.History(losses=[1.0], final=lost)
    assert "positions hold NaN" in epochs._failure(history)


def run(*, refined=True, **changed):
    done = replace(
        run_that_failed(),
        object_=OBJECT.astype(np.complex64),
        probe=RIGHT["probeGuess"][None].astype(np.complex64),
        positions_x_px=X_PX,
        positions_y_px=Y_PX,
        settings={REFINED: refined},
    )
    return replace(done, **changed)


def test_a_job_says_how_well_it_predicts_the_frames_where_it_has_put_them(tmp_path):
    seen = scan(tmp_path)
    said = {
        refined: attest.quality_of(run(refined=refined), seen, truth.find(seen))["without_truth"]
        for refined in (True, False)
    }
    assert said[True]["r_factor"] < 0.5 * said[False]["r_factor"]
    placed = forward.refined(X_PX, Y_PX, FRAME_PX, OBJECT.shape)
    assert said[True] == metrics.without_truth(seen.counts, run().probe, run().object_, *placed)


@pytest.mark.parametrize("lost", [np.nan, np.inf, 1e30])
def test_a_run_whose_positions_are_lost_still_says_what_it_can(tmp_path, lost):
    seen = scan(tmp_path)
    x_px = X_PX.copy()
    x_px[3] = lost
    said = attest.quality_of(run(positions_x_px=x_px), seen, truth.find(seen))
    assert (said["without_truth"]["r_factor"] is None) == (not np.isfinite(lost))


def test_pictures_show_what_frames_see_where_they_were_put_and_nothing_beyond_the_object():
    region, lit = geometry.shown(X_PX, Y_PX + 2, FRAME_PX, OBJECT.shape)
    assert region[0].start == int(np.floor(Y_PX.min() + 2))
    assert lit[0].start == int(np.rint(Y_PX + 2).min()) - FRAME_PX // 2
    assert lit[1].stop == int(np.rint(X_PX).max()) + FRAME_PX // 2
    for away in (-1e4, 1e4):
        for rows, columns in geometry.shown(X_PX, Y_PX + away, FRAME_PX, OBJECT.shape):
            assert 0 <= rows.start < rows.stop <= OBJECT.shape[0]
            assert 0 <= columns.start < columns.stop <= OBJECT.shape[1]


# Frames beyond the object


def test_a_frame_beyond_the_object_sees_its_edge_repeated_as_in_pty_chi():
    rows, columns = OBJECT.shape
    x_px, y_px = np.array([-3.0, 50.0, columns + 2.0]), np.array([20.0, rows + 3.0, -1e6])
    corners, _ = forward.refined(x_px, y_px, FRAME_PX, OBJECT.shape)
    wide = np.pad(OBJECT, 2 * FRAME_PX, mode="edge")
    moved = corners + 2 * FRAME_PX
    waves, again = (
        np.array(list(forward.waves(PROBE[None], *each)))
        for each in ((OBJECT, corners), (wide, moved))
    )
    np.testing.assert_array_equal(waves, again)
    light = forward.illumination(PROBE[None], corners, OBJECT.shape)
    whole = forward.illumination(PROBE[None], moved, wide.shape)
    inside = slice(2 * FRAME_PX, -2 * FRAME_PX)
    np.testing.assert_array_equal(light, whole[inside, inside])


def test_frames_inside_the_object_are_placed_as_ever():
    corners, shifts_px = forward.refined(X_PX, Y_PX, FRAME_PX, OBJECT.shape)
    np.testing.assert_array_equal(
        corners, forward.patch_corners(X_PX, Y_PX, FRAME_PX, OBJECT.shape)
    )
    np.testing.assert_array_equal(shifts_px, forward.parts_of_a_pixel(X_PX, Y_PX))


def halves_of(y_px):
    half = OBJECT.astype(np.complex64)
    left = {"object_half_a": half, "object_half_b": half, "probe": PROBE[None]}
    return halves.measure({**left, "positions_x_px": X_PX, "positions_y_px": y_px}, None)


def test_halves_are_compared_though_a_frame_was_moved_beyond_the_object():
    y_px = Y_PX.copy()
    y_px[np.argmin(y_px)] = FRAME_PX // 2 - 3
    assert halves_of(y_px)["rings"] != []


def test_halves_of_frames_that_see_nothing_of_the_object_say_so():
    said = halves_of(Y_PX + 1e4)
    assert (said["undefined"], said["rings"]) == ("the mask is empty", [])


# verify


LEFT = {
    "object": OBJECT.astype(np.complex64),
    "probe": RIGHT["probeGuess"][None].astype(np.complex64),
    "positions_x_px": X_PX,
    "positions_y_px": Y_PX,
}


def test_verify_measures_at_the_positions_that_were_kept(tmp_path):
    seen = scan(tmp_path)
    said = attest.quality_of(run(), seen, truth.find(seen))
    del said["between_halves"]
    told = {"truth_present": False}
    assert remeasure.metrics(archive(**LEFT), archive(**GIVEN), **told, refined=True) == said
    assert remeasure.metrics(archive(**LEFT), archive(**GIVEN), **told) != said


def test_verify_scores_the_held_out_part_at_the_positions_that_were_kept(tmp_path):
    made = plan(tmp_path, refined=True)
    found = state(made, RIGHT_PX)
    left = LEFT | {"probe": made.whole(found.probe)}
    again = remeasure.held_out(archive(**left), archive(**GIVEN), SETTINGS, refined=True)
    assert again["deviance"] == made.watch().deviance(found)
    as_given = remeasure.held_out(archive(**left), archive(**GIVEN), SETTINGS)
    assert again["deviance"] < 0.6 * as_given["deviance"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"positions_x_px": X_PX[1:]},
        {"positions_y_px": Y_PX.astype(complex)},
        {"positions_y_px": Y_PX[None]},
    ],
)
def test_positions_that_do_not_fit_the_frames_are_not_measured_by(wrong):
    pair = archive(**LEFT | wrong), archive(**GIVEN)
    assert remeasure.metrics(*pair, truth_present=False, refined=True) == remeasure.UNFIT
    assert remeasure.held_out(*pair, SETTINGS, refined=True) == remeasure.UNFIT


def test_a_truth_is_measured_where_the_input_has_it():
    """Mask and limit lie in the truth's own pixels, from which refined positions may drift."""
    frames = quality.frames_of(RIGHT, truth_present=True, shape=OBJECT.shape)
    model = LEFT["object"], LEFT["probe"]
    moved = forward.refined(X_PX + 2, Y_PX - 1, FRAME_PX, OBJECT.shape)
    as_given, drifted = (quality.measure(frames, *model, placed=at) for at in (None, moved))
    for name in ("against_truth", "coverage", "photon_limit"):
        assert drifted[name] == as_given[name]
    assert drifted["without_truth"] != as_given["without_truth"]


def told_of(tmp_path, *, refined, final_mse=1.0):
    """Return what verify finds and says of a job whose losses are far too good, by claim."""
    measured = remeasure.metrics(
        archive(**LEFT), archive(**GIVEN), truth_present=False, refined=refined
    )
    reached = measured["without_truth"]["amplitude_mse"]
    attestation = {
        "settings": {REFINED: refined},
        "options_changed": {REFINED: {}} if refined else {},
        "metrics": {**measured, "between_halves": None},
        "loss": {"per_epoch": [0.4 * reached, 0.4 * final_mse]},
        "stopping": {"delivered_epoch": 1},
    }
    job = audit._Job("real_run", {"output_dir": "job"}, {}, attestation, {}, "", "C")
    halves_seen, nothing = remeasure.NO_HALVES, remeasure.NOTHING_HELD_OUT
    seen = audit._Seen("", measured, halves_seen, nothing, final_mse=final_mse)
    said = {item.claim: (item.how, item.reason) for item in audit._accounts(job, seen, "", "")}
    return [item.pointer for item in audit._measured(job, seen)], said


@pytest.mark.parametrize("refined", [True, False])
def test_verify_measures_where_the_recipe_puts_the_frames(monkeypatch, refined):
    monkeypatch.setattr(audit, "_input_of", lambda *_: (archive(**GIVEN), ""))
    attestation = {"settings": {REFINED: refined}, "metrics": {"between_halves": None}}
    planned = {"output_dir": "job", "input_npz": "a.npz"}
    job = audit._Job("real_run", planned, {}, attestation, SETTINGS, "", "C")
    seen = audit._open_input(lambda _: archive(**LEFT), job, audit.Inputs())
    pair = (archive(**LEFT), archive(**GIVEN))
    at, elsewhere = (
        remeasure.metrics(*pair, truth_present=False, refined=each)["without_truth"]
        for each in (refined, not refined)
    )
    assert seen.metrics["without_truth"] == at != elsewhere
    assert seen.held_out == remeasure.held_out(*pair, SETTINGS, refined=refined)


def test_verify_says_where_it_measured(tmp_path):
    _, said = told_of(tmp_path, refined=True)
    assert said["metrics"] == ("recomputed", "at the refined positions")
    assert said["positions"] == ("not_seen", audit.REFINED)
    assert said["halves"] == ("not_seen", remeasure.NO_HALVES)
    _, said = told_of(tmp_path, refined=False)
    assert said["metrics"] == ("recomputed", "")


def test_the_last_loss_is_not_held_to_positions_that_are_not_kept(tmp_path):
    found, said = told_of(tmp_path, refined=True)
    assert found == ["/loss/per_epoch/0"]
    assert said["final-loss"] == ("compared", audit.LAST_NOT_KEPT)
    found, said = told_of(tmp_path, refined=False)
    assert found == ["/loss/per_epoch/0", "/loss/per_epoch/1"]
    assert said["final-loss"] == ("compared", "")
