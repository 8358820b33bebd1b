"""What a child's log says of its epochs, beside what it attests."""

from __future__ import annotations

import copy

import pytest

from harness import childlog

LOG = "a/ptychi.log"
SERIES = {"loss": [0.25, 0.125], "held_out": [3.0, 2.5], "nrmse": [0.5, 0.4000004]}
ATTESTED = {
    "epochs_run": 2,
    "loss": {"per_epoch": SERIES["loss"]},
    "stopping": {
        "held_out": {"deviance_per_epoch": SERIES["held_out"]},
        "truth": {"nrmse_per_epoch": SERIES["nrmse"]},
    },
    "wall_s": 1.5,
}
ONE = "epoch 1/2 loss 0.25 held_out 3 nrmse 0.5"
TWO = "epoch 2/2 loss 0.125 held_out 2.5 nrmse 0.4"
HONEST = f"""# job: x
{ONE} elapsed_s 0.70
{TWO} elapsed_s 1.40
half a epoch 1/9 loss 7 held_out 7 nrmse 7 elapsed_s 0.10
"""


def told(log, attested=ATTESTED):
    found = childlog.check(log.encode(), attested, where=LOG)
    return [(item.rule, item.where, item.pointer, item.expected, item.found) for item in found]


def test_an_honest_log_says_what_is_attested():
    assert told(HONEST) == []


def test_a_log_without_a_line_of_an_epoch_contradicts_nothing():
    assert told("# job: x\nlast words\n") == []


def test_what_is_not_scored_is_not_said():
    attested = copy.deepcopy(ATTESTED)
    attested["stopping"] = {"held_out": None, "truth": None}
    log = "epoch 1/2 loss 0.25 elapsed_s 0.1\nepoch 2/2 loss 0.125 elapsed_s 0.2\n"
    assert told(log, attested) == []


@pytest.mark.parametrize(
    ("this", "that", "epoch", "expected", "found"),
    [
        ("loss 0.25", "loss 0.24", 1, ONE, "epoch 1/2 loss 0.24 held_out 3 nrmse 0.5"),
        ("held_out 2.5", "held_out 2.4", 2, TWO, "epoch 2/2 loss 0.125 held_out 2.4 nrmse 0.4"),
        ("nrmse 0.5", "nrmse 0.05", 1, ONE, "epoch 1/2 loss 0.25 held_out 3 nrmse 0.05"),
        ("epoch 2/2", "epoch 2/3", 2, TWO, "epoch 2/3 loss 0.125 held_out 2.5 nrmse 0.4"),
        ("epoch 2/2", "epoch 3/2", 2, TWO, "epoch 3/2 loss 0.125 held_out 2.5 nrmse 0.4"),
        ("elapsed_s 1.40", "elapsed_s 1.60", 2, "at most 1.5 s", "1.60 s"),
    ],
)
def test_a_line_that_says_otherwise_is_told(this, that, epoch, expected, found):
    assert told(HONEST.replace(this, that)) == [
        ("hub.child-log", LOG, f"epoch {epoch}", expected, found)
    ]


def test_the_seconds_are_rounded_and_may_be_so_much_more():
    assert told(HONEST.replace("elapsed_s 1.40", "elapsed_s 1.51")) == []


def test_a_line_that_is_no_text_is_told():
    log = HONEST.encode().replace(b"loss 0.25", b"loss \xff")
    (item,) = childlog.check(log, ATTESTED, where=LOG)
    assert item.found == "epoch 1/2 loss \ufffd held_out 3 nrmse 0.5"


def test_a_line_that_is_left_out_is_told_and_one_more_too():
    _, one, two, _ = HONEST.splitlines(keepends=True)
    assert told(one) == [("hub.child-log", LOG, "epoch 2", TWO, "nothing")]
    more = two.replace("epoch 2/2", "epoch 3/2")
    assert told(one + two + more) == [
        ("hub.child-log", LOG, "epoch 3", "nothing", TWO.replace("epoch 2/2", "epoch 3/2"))
    ]
