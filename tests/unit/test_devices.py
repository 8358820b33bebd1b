"""Which device is asked for, whether it is there, and what stands in the way; without torch."""

from types import SimpleNamespace

import numpy as np
import pytest

from harness import devices, provenance, reconstruction, rerun
from harness.errors import InputInvalid
from harness.jobs import device, ptychi_lsqml
from tests.small_scan import noiseless

ROOTS = [f"--{name}-root=x" for name in ("phase-c", "phase-d", "artifact")]


@pytest.fixture
def nodes(tmp_path, monkeypatch):
    """Return a maker of device nodes; there are none of this machine's."""
    monkeypatch.setattr(devices, "FOLDER", tmp_path)
    monkeypatch.delenv(devices.VISIBLE, raising=False)
    return lambda *names: [(tmp_path / name).touch() for name in names]


@pytest.fixture
def torch_says(monkeypatch):
    """Return what sets the program that says whether torch can use the device."""

    def say(code):
        monkeypatch.setattr(devices, "PROGRAM", ("-c", code))

    say("raise SystemExit('not to be asked')")
    return say


@pytest.mark.parametrize("name", ["nvidia0", "nvidia1", "nvidia10", "dxg", "nvhost-gpu"])
def test_any_node_of_a_gpu_is_one(nodes, name):
    assert not devices.may_be_there()
    nodes("nvidiactl", "nvidia-caps", "null")
    assert not devices.may_be_there()
    nodes(name)
    assert devices.may_be_there()


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_a_device_that_its_user_hides_is_none(nodes, monkeypatch, hidden):
    nodes("nvidia0")
    monkeypatch.setenv(devices.VISIBLE, hidden)
    assert not devices.may_be_there()
    monkeypatch.setenv(devices.VISIBLE, "1")
    assert devices.may_be_there()


def test_a_cuda_device_that_is_not_there_is_refused_and_no_other(nodes, torch_says):
    for asked in ("auto", "cpu"):
        devices.require(asked)
    with pytest.raises(InputInvalid, match="--device cuda: no CUDA device here"):
        devices.require("cuda")


def test_a_device_that_torch_cannot_use_is_refused_with_torch_s_reason(nodes, torch_says):
    nodes("nvidia0")
    torch_says("print('much else'); raise SystemExit('torch 2.15.0+cpu is built without CUDA')")
    with pytest.raises(InputInvalid) as caught:
        devices.require("cuda")
    assert str(caught.value) == (
        "--device cuda: torch 2.15.0+cpu is built without CUDA. Ask for cpu or auto"
    )
    for asked in ("auto", "cpu"):
        devices.require(asked)
    torch_says("pass")
    devices.require("cuda")


@pytest.mark.parametrize("hangs", [False, True])
def test_a_torch_that_says_nothing_is_no_device(nodes, torch_says, monkeypatch, hangs):
    nodes("nvidia0")
    monkeypatch.setattr(devices, "LIMIT_S", 0.2 if hangs else 30)
    torch_says("import time; time.sleep(30)" if hangs else "import os; os.abort()")
    with pytest.raises(InputInvalid, match="torch did not say whether it can use the CUDA device"):
        devices.require("cuda")


@pytest.mark.parametrize(
    ("asked", "there", "jobs"),
    [("auto", True, 1), ("auto", False, 7), ("cuda", False, 1), ("cpu", True, 7)],
)
def test_one_job_at_a_time_runs_on_a_gpu(nodes, monkeypatch, asked, there, jobs):
    monkeypatch.setattr(provenance, "usable_cores", lambda: 7)
    if there:
        nodes("nvidia0")
    options = reconstruction.make_parser().parse_args([*ROOTS, f"--device={asked}"])
    assert reconstruction.parallel_from(options) == jobs
    assert devices.side_by_side(asked) == jobs


def test_jobs_that_are_run_again_share_no_gpu_either(nodes, monkeypatch):
    monkeypatch.setattr(provenance, "usable_cores", lambda: 7)
    seen = []

    class Dispatch:
        def __init__(self, _ledger, _argv, _say, parallel):
            seen.append(parallel)

        def run(self, jobs, *, fail_fast):
            assert not fail_fast

    monkeypatch.setattr(rerun, "Dispatch", Dispatch)
    jobs = [SimpleNamespace(settings=SimpleNamespace(device="auto"))] * 3
    rerun._run(None, jobs, print)
    nodes("nvidia0")
    rerun._run(None, jobs, print)
    assert seen == [3, 1]


# The child's part


def torch(*, there=True, build="13.2", start=lambda: None, works=True):
    def ones(size, device):
        assert (size, device) == (1, "cuda")
        if not works:
            raise RuntimeError("CUDA error: no kernel image is available\nSearch for it")
        return 1.0

    return SimpleNamespace(
        __version__="2.15.0",
        version=SimpleNamespace(cuda=build),
        cuda=SimpleNamespace(is_available=lambda: there, init=start),
        ones=ones,
    )


def too_old():
    raise RuntimeError("The NVIDIA driver on your system is too old (found version 12020).\nMore")


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ({}, None),
        ({"there": False, "build": None}, "torch 2.15.0 is built without CUDA"),
        ({"there": False, "start": too_old}, "The NVIDIA driver on your system is too old (found"),
        ({"there": False}, "torch finds no CUDA device"),
        ({"works": False}, "CUDA error: no kernel image is available"),
    ],
)
def test_why_torch_cannot_use_a_cuda_device_is_said_in_a_line(what, why):
    said = device.why_not(torch(**what))
    assert (said is None) == (why is None)
    if why:
        assert said.startswith(why)
        assert "\n" not in said


def test_cuda_is_never_replaced_by_something_else():
    assert device.choose("cuda", None) == "cuda"
    with pytest.raises(InputInvalid, match=r"--device cuda: it is too old\. Ask for cpu"):
        device.choose("cuda", "it is too old.")
    assert device.choose("auto", None) == "cuda"
    assert device.choose("auto", "it is too old") == "cpu"
    assert device.choose("cpu", None) == "cpu"


def test_a_gpu_that_is_there_and_cannot_be_used_is_told_of_and_nothing_else_is():
    reason = "torch is built without CUDA"
    assert (
        device.told("cpu", "auto", reason, there=True) == f"device cpu (asked for auto: {reason})"
    )
    assert device.told("cpu", "auto", reason, there=False) == "device cpu (asked for auto)"
    assert device.told("cuda", "auto", None, there=True) == "device cuda (asked for auto)"


def test_a_job_sees_one_device_and_a_workspace_that_repeats():
    always = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8", "PTYCHI_USE_TRITON": "1"}
    assert device.variables({}) == {"CUDA_VISIBLE_DEVICES": "0", **always}
    given = {"CUDA_VISIBLE_DEVICES": "GPU-8f2a,GPU-11", "CUBLAS_WORKSPACE_CONFIG": ":0:0"}
    given["PTYCHI_USE_TRITON"] = "0"
    assert device.variables(given) == {"CUDA_VISIBLE_DEVICES": "GPU-8f2a", **always}
    assert device.variables({"CUDA_VISIBLE_DEVICES": ""})["CUDA_VISIBLE_DEVICES"] == ""


class OutOfMemoryError(RuntimeError):
    """As torch names it."""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OutOfMemoryError("CUDA out of memory. Tried\nmuch"), "CUDA out of memory. Tried"),
        (RuntimeError("CUDA error: an illegal access\nmore"), "CUDA error: an illegal access"),
        (RuntimeError("The size of tensor a must match"), None),
    ],
)
def test_what_the_device_did_is_told_from_what_the_code_did(error, said):
    assert device.said_by_cuda(error) == said


@pytest.mark.parametrize("where", ["_run", "_with_halves"])
def test_a_job_whose_device_gives_up_ends_with_3_and_says_what_to_do(
    tmp_path, monkeypatch, capsys, where
):
    def give_up(*_):
        raise OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmuch more")

    monkeypatch.setattr(provenance, "require_packages", lambda: None)
    monkeypatch.setattr(ptychi_lsqml, "_run", lambda *_: SimpleNamespace(failure=None))
    monkeypatch.setattr(ptychi_lsqml, where, give_up)
    np.savez(tmp_path / "scan.npz", **noiseless())
    words = [f"--input-npz={tmp_path / 'scan.npz'}", f"--output-dir={tmp_path / 'out'}"]
    assert ptychi_lsqml.main([*words, "--halves=alternate"]) == 3
    said = "error: the device gave up: CUDA out of memory. Tried to allocate 2 GiB. Ask for cpu\n"
    assert capsys.readouterr().err == said
    assert list((tmp_path / "out").iterdir()) == []


OPEN = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build  (x@y)"
CLOSED = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023"


@pytest.mark.parametrize(
    ("text", "driver"), [(OPEN, "570.86.15"), (CLOSED, "535.104.05"), ("no", None), (None, None)]
)
def test_what_a_cuda_device_adds_to_a_record(tmp_path, monkeypatch, text, driver):
    monkeypatch.setattr(device, "DRIVER", tmp_path / "version")
    if text is not None:
        (tmp_path / "version").write_text(f"{text}\nGCC version: gcc 12.3.0\n")
    memory = SimpleNamespace(max_memory_allocated=lambda: 2**20)
    built = SimpleNamespace(version=SimpleNamespace(cuda="13.2"), cuda=memory)
    assert device.facts(built, "cuda") == {
        "cuda": "13.2",
        "driver": driver,
        "peak_memory_bytes": 2**20,
    }
    assert device.facts(built, "cpu") == {}
