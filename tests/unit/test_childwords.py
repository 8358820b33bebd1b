"""What a child's log says of halves and of warnings, beside what it attests."""

from __future__ import annotations

import copy

import pytest

from harness import childwords

LOG = "a/ptychi.log"
RECIPE = {"num_epochs": 2}
ATTESTED = {
    "input": {"frames": 9},
    "metrics": {"between_halves": {"frames": [5, 4]}},
    "stopping": {
        "held_out": {"deviance_per_epoch": [3.0], "by": "photons", "share": 0.25},
        "truth": {"nrmse_per_epoch": [0.5]},
    },
    "loss": {"per_epoch": [0.25]},
    "wall_s": 4.2,
    "warnings": [],
}
WHOLE = "epoch 1/1 loss 0.25 held_out 3 nrmse 0.5 elapsed_s 1.00\n"
HALF_A = """half a: 5 of 9 frames
device cpu (asked for cpu), threads 1
half a epoch 1/2 loss 1e-05 held_out 2.5 nrmse 0.4 elapsed_s 0.50
half a epoch 2/2 loss 0.125 held_out 2.5 nrmse 0.4 elapsed_s 1.00
"""
HALF_B = HALF_A.replace("half a", "half b").replace("5 of 9", "4 of 9")
HONEST = WHOLE + HALF_A + HALF_B
COLUMNS = "loss, held_out, nrmse as %.6g"


def told(log, attested=ATTESTED, recipe=RECIPE):
    found = childwords.check(log.encode(), attested, recipe, where=LOG)
    return [(item.rule, item.where, item.pointer, item.expected, item.found) for item in found]


def of(pointer, expected, found):
    return [("hub.child-log", LOG, pointer, expected, found)]


def changed(**changes):
    return copy.deepcopy(ATTESTED) | changes


def without_halves():
    return changed(metrics={"between_halves": None})


# Halves


def test_an_honest_log_holds():
    assert told(HONEST) == []


def test_a_log_without_a_line_of_an_epoch_contradicts_nothing():
    assert told("# job: x\nhalf a loaf: 5 of 9 frames\n") == []


def test_a_log_of_a_job_that_made_no_halves_has_none():
    assert told(WHOLE, without_halves()) == []
    found = "half b: 4 of 9 frames"
    assert told(WHOLE + HALF_B, without_halves()) == of("half b", "nothing", found)


@pytest.mark.parametrize(("left", "lost"), [(HALF_A, "b"), (HALF_B, "a")])
def test_a_half_that_is_left_out_is_told(left, lost):
    frames = {"a": 5, "b": 4}[lost]
    expected = of(f"half {lost}", f"half {lost}: {frames} of 9 frames", "nothing")
    assert told(WHOLE + left) == expected
    assert told(left) == expected


@pytest.mark.parametrize(
    ("this", "that", "pointer", "expected", "found"),
    [
        ("5 of 9", "6 of 9", "half a", "half a: 5 of 9 frames", "half a: 6 of 9 frames"),
        ("4 of 9", "4 of 8", "half b", "half b: 4 of 9 frames", "half b: 4 of 8 frames"),
        ("half a: 5 of 9 frames\n", "", "half a", "half a: 5 of 9 frames", "half a epoch 1/2 "),
        ("half a epoch 1/2", "half a epoch 2/2", "half a, epoch 1", "epoch 1/2 ", "epoch 2/2 "),
        ("half b epoch 1/2", "half b epoch 1/3", "half b, epoch 1", "epoch 1/2 ", "epoch 1/3 "),
        ("half b epoch 1/2", "half b epoch one", "half b, epoch 1", "epoch 1/2 ", "epoch one "),
        ("loss 1e-05", "loss 1.0e-05", "half a, epoch 1", "epoch 1/2 ", "epoch 1/2 loss 1.0e"),
        ("loss 1e-05", "loss nan", "half a, epoch 1", "epoch 1/2 ", "epoch 1/2 loss nan"),
        ("loss 1e-05", "loss inf", "half a, epoch 1", "epoch 1/2 ", "epoch 1/2 loss inf"),
        ("loss 1e-05", "loss x", "half a, epoch 1", "epoch 1/2 ", "epoch 1/2 loss x"),
        ("loss 1e-05 ", "", "half a, epoch 1", "epoch 1/2 ", "epoch 1/2 held_out"),
        ("loss 1e-05", "nrmse 1e-05", "half a, epoch 1", "epoch 1/2 ", "epoch 1/2 nrmse"),
        ("loss 1e-05", "loss 1e-05 loss 1", "half a, epoch 1", "epoch 1/2 ", "epoch 1/2 loss"),
    ],
)
def test_a_line_of_a_half_that_says_otherwise_is_told(this, that, pointer, expected, found):
    (item,) = told(HONEST.replace(this, that, 1))
    assert item[2] == pointer
    assert item[3].startswith(expected)
    assert item[4].startswith(found)


def test_what_is_expected_of_an_epoch_is_said_in_full():
    lied = HONEST.replace("half a epoch 2/2 loss 0.125", "half a epoch 2/2 loss +0.125")
    found = "epoch 2/2 loss +0.125 held_out 2.5 nrmse 0.4"
    assert told(lied) == of("half a, epoch 2", f"epoch 2/2 {COLUMNS}", found)


def test_a_half_has_all_epochs_of_its_recipe():
    lost = HONEST.replace("half b epoch 2/2 loss 0.125 held_out 2.5 nrmse 0.4 elapsed_s 1.00\n", "")
    assert told(lost) == of("half b", "2 epochs", "1 epochs")
    recipe = {"num_epochs": "max(1, 10/frames)"}
    assert told(HONEST, recipe=recipe) == of("half b", "3 epochs", "2 epochs")


@pytest.mark.parametrize(("visits", "is_told"), [(8, False), (6, False), (9, True)])
def test_a_half_of_a_scan_whose_frames_are_held_out_may_hold_out_either(visits, is_told):
    """Of 5 frames, 2 are held out, or photons of all; of 4 frames 1, or photons of all."""
    attested = changed()
    attested["stopping"]["held_out"]["by"] = "frames"
    found = told(HONEST, attested, {"num_epochs": f"max(1, {visits}/frames)"})
    assert bool(found) is is_told
    assert found == of("half b", "3 epochs", "2 epochs") * is_told


def test_every_count_that_a_half_may_have_is_said():
    attested = changed()
    attested["stopping"]["held_out"] |= {"by": "frames", "share": 0.5}
    found = told(HONEST, attested, {"num_epochs": "max(3, 12/frames)"})
    assert found == [
        *of("half a", "3 or 6 epochs", "2 epochs"),
        *of("half b", "3 or 6 epochs", "2 epochs"),
    ]


def test_a_half_begins_once():
    begun = "half b: 4 of 9 frames\n"
    lied = HONEST.replace(
        "half b epoch 2/2 loss 0.125 held_out 2.5 nrmse 0.4 elapsed_s 1.00\n", begun
    )
    assert told(lied) == of("half b, epoch 2", f"epoch 2/2 {COLUMNS}", "4 of 9 frames")


def test_a_line_has_one_space_between_its_words():
    lied = HONEST.replace("half a epoch 1/2 loss 1e-05 ", "half a epoch 1/2 loss 1e-05  ")
    said = "epoch 1/2 loss 1e-05  held_out 2.5 nrmse 0.4"
    assert told(lied) == of("half a, epoch 1", f"epoch 1/2 {COLUMNS}", said)


def test_of_the_whole_scan_the_last_epoch_tells_the_time():
    whole = "epoch {0}/2 loss 0.25 held_out 3 nrmse 0.5 elapsed_s {1}\n"
    log = whole.format(1, "4.00") + whole.format(2, "4.21")
    assert told(log, without_halves()) == []
    longer = log.replace("4.21", "4.22")
    found = of("elapsed_s", "at most 4.2 s, all parts together", "4.22 s")
    assert told(longer, without_halves()) == found


def test_two_epochs_may_take_no_time_that_is_seen():
    same = HONEST.replace("nrmse 0.4 elapsed_s 0.50", "nrmse 0.4 elapsed_s 1.00")
    assert told(same) == []


def test_what_is_not_scored_is_not_said():
    attested = changed(stopping={"held_out": None, "truth": None})
    log = HONEST.replace(" held_out 2.5 nrmse 0.4", "").replace(" held_out 3 nrmse 0.5", "")
    assert told(log, attested) == []
    (item, *_) = told(HONEST, attested)
    assert item[3] == "epoch 1/2 loss as %.6g"


def test_time_does_not_run_back_and_all_parts_lie_within_the_whole():
    back = HONEST.replace("half a epoch 1/2 loss 1e-05 held_out 2.5 nrmse 0.4 elapsed_s 0.50", "{}")
    line = "half a epoch 1/2 loss 1e-05 held_out 2.5 nrmse 0.4 elapsed_s 1.01"
    assert told(back.format(line)) == of("half a, epoch 2", "at least 1.01 s", "1.0 s")
    long = HONEST.replace("elapsed_s 1.00", "elapsed_s 1.41")
    assert told(long) == []
    longer = HONEST.replace("elapsed_s 1.00", "elapsed_s 1.42")
    assert told(longer) == of("elapsed_s", "at most 4.2 s, all parts together", "4.26 s")


# Warnings

PLAIN = "UserWarning: too  few\nframes (2)"
PATHS = "UserWarning: a file (at /home/a b/x.cpp:820) is old (see b/c) now"


@pytest.mark.parametrize(
    ("warning", "line"),
    [
        (PLAIN, "warning: UserWarning: too few frames (2)"),
        (PLAIN, " 40%|## |\rwarning: UserWarning: too few frames (2)"),
        (PATHS, "warning: UserWarning: a file (at /home/a b/x.cpp:820) is old (see b/c) now"),
        (PATHS, "warning: UserWarning: a file (at x.cpp:820) is old (see ~/b/c) now"),
        ("Ünsinn", "warning: \\xdcnsinn"),
        ("", "warning: "),
        ("/a/b", "warning: ~/b"),
    ],
)
def test_a_warning_stands_in_the_log_as_it_was_printed(warning, line):
    attested = without_halves() | {"warnings": [warning]}
    assert told(f"# job: x\n{line}\n", attested) == []
    assert told("# job: x\n", attested) == of("warnings/0", f"warning: {warning}", "no such line")


@pytest.mark.parametrize(
    "line",
    [
        "UserWarning: too few frames (2)",
        "warning: UserWarning: too few frames (3)",
        "warning: UserWarning: few frames (2)",
        "warning: UserWarning:\ntoo few frames (2)",
    ],
)
def test_a_warning_that_the_log_has_otherwise_is_told(line):
    attested = without_halves() | {"warnings": ["x", PLAIN]}
    (found,) = told(f"warning: x\n{line}\n", attested)
    assert found[2] == "warnings/1"


def test_words_around_a_path_are_asked_for_on_one_line():
    attested = without_halves() | {"warnings": [PATHS]}
    assert told("warning: UserWarning: a file (at x is\nold b/c) now\n", attested) != []
    assert told("warning: UserWarning: a file (at x is old b/c) then\n", attested) != []
