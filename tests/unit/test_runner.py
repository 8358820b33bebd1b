"""The process edge: real small children, streamed live, ended for sure, never judged."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from harness import runner
from harness.errors import JobFailed, UsageError, describe_returncode
from harness.model import CellKey, ReconstructionJob
from tests.recipes import settings_by

KEY = CellKey(1000, "dense", "train")


def python(code, *words):
    return [sys.executable, "-u", "-c", code, *words]


def job_in(folder):
    log = str(folder / "ptychi.log")
    return ReconstructionJob(KEY, "in.npz", str(folder), log, settings_by())


def run_job(folder, code):
    job = job_in(folder)
    return runner.run_job(job, python(code), Path(job.log_path))


def is_alive(pid):
    """Tell whether a process runs; a zombie that nobody has waited for yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until(is_so, limit_s=10.0):
    end = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < end, "it did not come to be in time"
        time.sleep(0.01)


def test_lines_come_while_the_child_still_runs_both_streams_in_order():
    seen = []
    code = "import sys, time\nprint('one')\nprint('two', file=sys.stderr)\ntime.sleep(0.5)"

    done = runner.stream(python(code), [lambda line: seen.append((line, time.monotonic()))])

    ended = time.monotonic()
    assert [line for line, _ in seen] == [b"one\n", b"two\n"]
    assert all(ended - moment > 0.4 for _, moment in seen)
    assert done.returncode == 0
    assert done.elapsed_s >= 0.5
    assert done.started_at < done.finished_at
    assert not done.timed_out


def test_the_last_words_are_the_last_lines_that_say_something():
    done = runner.stream(python("print('\\n\\n'.join(map(str, range(100))))"), [])
    assert done.last_lines[-1] == "99"
    assert len(done.last_lines) <= runner.LAST_LINES


def test_bytes_that_are_no_text_reach_the_sink_unchanged():
    seen = []
    done = runner.stream(
        python("import sys; sys.stdout.buffer.write(b'\\xff\\xfe no line end')"), [seen.append]
    )
    assert b"".join(seen) == b"\xff\xfe no line end"
    assert done.last_lines == ("\ufffd\ufffd no line end",)


def test_the_child_reads_nothing_and_finds_the_harness_s_variables():
    seen = []
    code = "import os, sys; print(repr(sys.stdin.read()), os.environ['AUTHORITATIVE_CMDS_DOC'])"
    runner.stream(python(code), [seen.append])
    assert seen == [b"'' ./docs/TESTING_GUIDE.md\n"]


def test_a_program_that_cannot_be_started_is_a_usage_error_that_names_it():
    with pytest.raises(UsageError, match=r"cannot start /no/such/program: No such file.*check"):
        runner.stream(["/no/such/program"], [])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_child_killed_by_a_signal_is_a_failed_job_that_says_which(tmp_path, number):
    with pytest.raises(JobFailed) as caught:
        run_job(tmp_path, f"import os; print('alive'); os.kill(os.getpid(), {int(number)})")

    assert caught.value.returncode == -number
    assert f"ended with signal {number.name}" in str(caught.value)
    assert "| alive" in str(caught.value)
    footer = (tmp_path / "ptychi.log").read_text().splitlines()[-1]
    assert footer.startswith(f"# ended: signal {number.name} at ")


def test_a_return_code_and_a_signal_are_told_in_words():
    assert describe_returncode(7) == "return code 7"
    assert describe_returncode(-9) == "signal SIGKILL"
    assert describe_returncode(-63) == "signal 63"


def test_the_footer_stands_on_its_own_line_after_a_child_without_line_end(tmp_path):
    run_job(tmp_path, "import sys; sys.stdout.write('half a line')")
    lines = (tmp_path / "ptychi.log").read_text().splitlines()
    assert "half a line" in lines
    assert lines[-1].startswith("# ended: return code 0 at ")


def test_a_child_that_never_ends_is_ended_when_its_time_runs_out():
    done = runner.stream(python("import time; time.sleep(60)"), [], timeout_s=0.3)
    assert done.timed_out
    assert done.returncode == -signal.SIGTERM
    assert done.elapsed_s < 20


def test_a_child_that_will_not_hear_is_killed():
    code = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('deaf')\ntime.sleep(60)"
    done = runner.stream(python(code), [], timeout_s=1.0, grace_s=0.2)
    assert done.timed_out
    assert done.returncode == -signal.SIGKILL


GRANDCHILD = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid)
"""


@pytest.mark.parametrize("after", ["time.sleep(60)", "pass"])
def test_what_a_child_started_and_left_does_not_outlive_its_time(after):
    seen = []
    done = runner.stream(python(GRANDCHILD + after), [seen.append], timeout_s=1.0, grace_s=0.2)
    assert done.timed_out
    assert done.elapsed_s < 20
    wait_until(lambda: not is_alive(int(seen[0])))


def test_a_child_is_ended_when_the_harness_is_interrupted_and_its_log_says_so(tmp_path):
    log = tmp_path / "ptychi.log"

    def interrupt():
        wait_until(lambda: log.is_file() and b"\npid " in log.read_bytes())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run_job(tmp_path, "import os, time\nprint('pid', os.getpid())\ntime.sleep(60)")
    thread.join()

    lines = log.read_text().splitlines()
    assert lines[-1].startswith("# ended: interrupted (KeyboardInterrupt) at ")
    pid = next(int(line.split()[1]) for line in lines if line.startswith("pid "))
    assert not is_alive(pid)


def test_a_sink_that_fails_ends_the_child():
    def full(line):
        raise OSError(28, "No space left on device")

    began = time.monotonic()
    with pytest.raises(OSError, match="No space"):
        runner.stream(python("import time; print('a'); time.sleep(60)"), [full])
    assert time.monotonic() - began < 20


def test_bytes_reach_a_terminal_that_takes_text_only(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stdout", screen)
    runner.terminal(b"caf\xc3\xa9 \xff\n")
    assert screen.getvalue() == "café \ufffd\n"


def test_a_full_disk_under_standard_output_loses_no_line_of_a_child_s_log(tmp_path):
    log = tmp_path / "child.log"
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from harness import runner\n"
        "with open(sys.argv[1], 'wb') as file:\n"
        "    done = runner.stream([sys.executable, '-c', 'print(1); print(2)'],\n"
        "                         [runner.terminal, file.write])\n"
        "print(done.returncode, file=sys.stderr)\n"
    )
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program, str(log)],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.stderr.splitlines()[0] == "0"
    assert log.read_text().split() == ["1", "2"]
