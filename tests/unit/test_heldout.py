"""The part that is held out, and the epoch that it chooses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import forward, heldout, stopping, stopping_claims
from harness.errors import InputInvalid
from tests.small_scan import FRAME_PX, OBJECT, POSITIONS_PX, noiseless

CORNERS = forward.patch_corners(POSITIONS_PX[:, 1], POSITIONS_PX[:, 0], FRAME_PX, OBJECT.shape)
PART = {"by": "photons", "share": 0.1, "seed": 3, "as_good": 1.001}
PART |= {"frames": 2, "photons": 9.0, "sha256": "0" * 64}


def counts(photons=1000.0, seed=1):
    """Return whole counts of the small scan, and its probe brought to their brightness."""
    arrays = noiseless()
    means = arrays["diffraction"].astype(float) ** 2
    scale = photons / means.sum(axis=(1, 2)).mean()
    drawn = np.random.default_rng(seed).poisson(scale * means).astype(np.float32)
    model = forward.photons_per_frame(arrays["probeGuess"][None], OBJECT, CORNERS)
    return drawn, (arrays["probeGuess"][None] * np.sqrt(photons / model)).astype(np.complex64)


def test_photons_are_split_without_losing_one_and_by_the_seed_alone():
    seen, _ = counts()
    one, again, other = (heldout.split(seen, 0.1, "photons", seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.kept + one.held, seen)
    np.testing.assert_array_equal(one.held, again.held)
    assert (one.held != other.held).any()
    assert one.held.sum() == pytest.approx(0.1 * seen.sum(), rel=0.05)
    assert (one.by, len(one.kept), len(one.held)) == ("photons", len(seen), len(seen))


def test_frames_that_hold_no_whole_counts_are_held_out_as_frames():
    seen = counts()[0] * np.float32(1.37)
    part = heldout.split(seen, 0.1, "photons", 5)
    assert part.by == "frames"
    assert len(part.held) == math.ceil(0.1 * len(seen))
    assert sorted([*part.held_frames, *part.kept_frames]) == list(range(len(seen)))
    np.testing.assert_array_equal(part.held, seen[part.held_frames])


def test_one_frame_cannot_be_held_out_of_one():
    with pytest.raises(InputInvalid, match="without held_out"):
        heldout.split(np.full((1, 4, 4), 0.5, np.float32), 0.1, "frames", 1)


def test_the_truth_predicts_the_part_held_out_better_than_anything_near_it():
    seen, probe = counts(1e5)
    for by in ("photons", "frames"):
        part = heldout.split(seen, 0.1, by, 5)
        true = heldout.deviance(part, probe, OBJECT, CORNERS)
        for wrong in (1.05 * OBJECT, 0.95 * OBJECT, np.roll(OBJECT, 1, axis=0)):
            assert heldout.deviance(part, probe, wrong, CORNERS) > true


def test_the_deviance_is_that_of_every_frame_and_pixel():
    seen, probe = counts()
    assert len(seen) > forward.BLOCK_FRAMES
    assert len(seen) % forward.BLOCK_FRAMES
    for by in ("photons", "frames"):
        part = heldout.split(seen, 0.1, by, 5)
        corners = CORNERS[part.held_frames]
        model = part.held_share * np.stack(list(forward.frames(probe, OBJECT, corners)))
        held = part.held.astype(float)
        logs = np.where(held > 0, held * np.log(np.where(held > 0, held, 1) / model), 0)
        whole = 2 * (logs - held + model).sum() / held.sum()
        assert heldout.deviance(part, probe, OBJECT, CORNERS) == pytest.approx(whole, rel=1e-12)


def test_a_photon_where_the_model_is_dark_is_no_prediction():
    seen, probe = counts()
    part = heldout.split(seen, 0.1, "photons", 5)
    assert heldout.deviance(part, probe, np.zeros_like(OBJECT), CORNERS) == math.inf


# The choice.


@pytest.mark.parametrize(
    ("deviances", "as_good", "epoch"),
    [
        ([9.0, 5.0, 4.0, 4.003, 4.005], 1.001, 4),
        ([9.0, 5.0, 4.0, 4.003, 4.005], 1.002, 5),
        ([9.0, 5.0, 4.0, 4.003, 4.005], 1.0, 3),
        ([9.0, 5.0, 4.0, 4.003, 3.99], 1.001, 5),
        ([4.0, 5.0, 6.0], 1.001, 1),
        ([1.0], 1.0, 1),
        ([math.inf, math.inf], 1.001, 2),
    ],
)
def test_the_last_epoch_that_is_as_good_as_the_best_is_chosen(deviances, as_good, epoch):
    assert heldout.chosen(deviances, as_good) == epoch


@given(st.lists(st.floats(3.99, 4.01), min_size=1, max_size=30), st.floats(1, 1.1))
def test_the_epoch_chosen_in_the_end_was_chosen_at_every_epoch_since(deviances, as_good):
    chosen = heldout.chosen(deviances, as_good)
    for epoch in range(chosen, len(deviances) + 1):
        assert heldout.chosen(deviances[:epoch], as_good) == chosen


# What is said of it, against the arrays.


def record(rule="heldout", deviances=(3.0, 1.0, 2.0), errors=(0.3, 0.2, 0.1)):
    series = stopping.Series([1.0, 0.9, 0.8], deviances, errors)
    return stopping.record(rule, series, PART), {k: tuple(v) for k, v in series.named().items()}


def pointers(stated, series):
    attestation = {"stopping": stated}
    return [item.pointer for item in stopping_claims.check("a.npz", attestation, series)]


def test_an_epoch_is_chosen_by_the_recipe_s_word_for_as_good_which_verify_takes_over():
    series = stopping.Series([1.0, 0.9, 0.8], (3.0, 1.0, 1.003))
    named = {name: tuple(values) for name, values in series.named().items()}
    for as_good, epoch in ((1.001, 2), (1.004, 3)):
        stated = stopping.record("heldout", series, PART | {"as_good": as_good})
        assert stated["delivered_epoch"] == stopping.delivered_epoch("heldout", series, as_good)
        assert stated["delivered_epoch"] == epoch
        assert pointers(stated, named) == []
        stated["held_out"]["as_good"] = 1.004 if epoch == 2 else 1.001
        assert pointers(stated, named) == ["/stopping/delivered_epoch"]


def test_what_follows_from_the_arrays_is_believed():
    stated, series = record()
    assert pointers(stated, series) == []
    assert (stated["delivered_epoch"], stated["held_out"]["least_epoch"]) == (2, 2)
    assert stated["truth"]["best_epoch"] == 3
    assert stated["truth"]["delivered_nrmse"] == 0.2


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        (lambda s: s.update(delivered_epoch=3), "/stopping/delivered_epoch"),
        (lambda s: s["truth"].update(best_nrmse=0.05), "/stopping/truth/best_nrmse"),
        (lambda s: s["truth"].update(final_nrmse=0.2), "/stopping/truth/final_nrmse"),
        (lambda s: s["held_out"].update(least_epoch=1), "/stopping/held_out/least_epoch"),
        (
            lambda s: s["held_out"]["deviance_per_epoch"].__setitem__(1, 2.5),
            "/stopping/held_out/deviance_per_epoch/1",
        ),
    ],
)
def test_each_word_that_the_arrays_do_not_give_is_found(change, pointer):
    stated, series = record()
    change(stated)
    assert pointers(stated, series) == [pointer]


def test_series_of_other_lengths_are_found():
    stated, series = record()
    assert pointers(stated, {**series, stopping.LOSSES: (1.0,)}) == [stopping.LOSSES]
    assert pointers(stated, {}) == [stopping.LOSSES]


def test_a_part_held_out_by_another_draw_is_found():
    stated, _ = record()
    facts = {**PART, "deviance": 1.0}
    attestation = {"stopping": stated}
    assert list(stopping_claims.check_held_out("r.json", attestation, facts)) == []
    other = {**facts, "sha256": "1" * 64, "deviance": 1.1, "as_good": 1.004}
    found = [item.pointer for item in stopping_claims.check_held_out("r.json", attestation, other)]
    assert found == [
        "/stopping/held_out/as_good",
        "/stopping/held_out/sha256",
        "/stopping/held_out/deviance_per_epoch/1",
    ]
