"""What every command shares: one message and one code for each way to end."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys

import pytest

import harness
from harness import cli, rules, terminal
from harness.errors import HubDamaged, JobFailed, NothingSelected
from harness.model import CellKey

FINDING = rules.finding(
    "npz.frames-square", where="a.npz", pointer="diffraction", expected="x", found="y"
)
TEXT = (
    "error [npz.frames-square] a.npz: diffraction: expected x, found y. "
    "Crop or pad the frames to N x N."
)


def raising(error):
    def work():
        raise error

    return work


def test_an_expected_error_is_one_message_with_all_findings_on_stderr(capsys):
    work = raising(HubDamaged("hub h does not hold", [FINDING, FINDING]))
    assert terminal.translate(work) == 4
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["error: hub h does not hold", TEXT, TEXT]


def test_as_json_it_is_one_document_on_stdout(capsys):
    assert terminal.translate(raising(HubDamaged("no", [FINDING])), as_json=True) == 4
    document = json.loads(capsys.readouterr().out)
    assert document == {"error": "no", "findings": [FINDING.as_record()]}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NothingSelected("none"), 5),
        (JobFailed(CellKey(1, "v", "s"), 3, "log", ["bye"]), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_way_to_end_has_its_code(error, code):
    assert terminal.translate(raising(error)) == code


def test_a_bug_keeps_its_traceback_and_says_that_it_is_one(capsys):
    assert terminal.translate(raising(ZeroDivisionError("oops"))) == 70
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "ZeroDivisionError: oops" in said
    assert "this is a bug in the harness" in said


def test_the_first_signal_interrupts_the_next_are_not_heard_and_all_is_as_before_afterwards():
    heard = []

    def work():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                os.kill(os.getpid(), number)
                heard.append(number)
            raise
        return 0

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    assert terminal.translate(work) == 130
    assert heard == list(numbers)
    assert [signal.getsignal(number) for number in numbers] == before


def test_a_signal_that_the_parent_had_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert terminal.translate(lambda: os.kill(os.getpid(), signal.SIGHUP) or 0) == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_the_terminal_has_no_letter_for_is_escaped(monkeypatch):
    screen = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", screen)
    terminal.say("caf\u00e9 \udcff")
    assert screen.buffer.getvalue() == b"caf\\xe9 \\udcff\n"


def test_check_of_sound_files_says_so_as_text_and_as_json(made_inputs, capsys):
    path = str(made_inputs / "phase_d" / "dose_1000" / "dense" / "dense_train.npz")
    assert cli.main(["check", path]) == 0
    assert "1 file keeps DATA-001" in capsys.readouterr().out
    assert cli.main(["check", "--format=json", path]) == 0
    assert json.loads(capsys.readouterr().out)["error"] is None


def test_prepare_and_new_hub_write_where_they_stand(sound_tree, tmp_path, monkeypatch, capsys):
    from tests import small_tree

    tree = small_tree.copy(sound_tree, tmp_path / "tree")
    monkeypatch.chdir(tree)
    assert cli.main(["prepare", "--preset", "smoke"]) == 0
    assert "inputs unchanged: 18 files" in capsys.readouterr().out
    assert cli.main(["prepare", "--preset", "smoke", "--format", "json"]) == 0
    answer = capsys.readouterr()
    document = json.loads(answer.out)
    assert (document["error"], document["made"]) == (None, False)
    assert document["inputs"] == json.loads((tree / document["root"] / "inputs.json").read_text())
    assert "inputs unchanged" in answer.err
    assert cli.main(["prepare", "--preset", "none", "--format", "json"]) == 2
    assert "'none' is not in the study" in json.loads(capsys.readouterr().out)["error"]
    assert cli.main(["new-hub"]) == 0
    assert (tree / capsys.readouterr().out.strip() / "hub.json").is_file()


def test_the_version_is_the_packages_own(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"{harness.__version__}\n"


def test_nothing_that_is_said_makes_the_terminal_obey(capsys):
    terminal.say("one\x1b[2J two\r\n\tthree\udc80")
    assert capsys.readouterr().out == "one\\x1b[2J two\\r\n\tthree\\udc80\n"


@pytest.mark.parametrize("ended", [0, 3])
def test_output_that_nobody_could_write_fails_the_command_and_spares_the_work(ended):
    program = (
        "import sys\n"
        "from harness import terminal\n"
        "def work():\n"
        "    terminal.say('lost')\n"
        "    terminal.say('lost too')\n"
        "    terminal.say_aside('still at work')\n"
        f"    return {ended}\n"
        "sys.exit(terminal.translate(work))\n"
    )
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == (ended or 1)
    aside, error = done.stderr.splitlines()
    assert aside == "still at work"
    assert error.startswith("error: standard output took no more (No space left on device); ")
