"""What a job says that it cost, beside the time, the cores and the memory that it had."""

from __future__ import annotations

import json

import pytest

from harness import cost, layout
from tests.memory import hub as memory
from tests.memory import runs
from tests.unit.test_verify_run import checked

RESULT = f"{runs.HOMES[0]}/{layout.RESULT}"
HOST = {"cores": 2, "memory_bytes": 4000}
ARRAYS = {
    "object": {"dtype": "complex64", "shape": [10, 10], "sha256": "a"},
    "final_object": {"dtype": "complex64", "shape": [10, 10], "sha256": "a"},
    "loss_per_epoch": {"dtype": "float64", "shape": [25], "sha256": "b"},
}
SAID = {"cpu_s": 9.0, "peak_memory_bytes": 2000, "arrays": ARRAYS}


def told(elapsed_s=10.0, **lie):
    return memory.told(cost.check({**SAID, **lie}, elapsed_s, HOST, where=RESULT))


def test_what_a_machine_can_do_holds():
    assert told() == []
    assert told(cpu_s=0) == []


@pytest.mark.parametrize(("cpu_s", "is_told"), [(22.2, False), (22.3, True), (900, True)])
def test_a_process_had_no_more_of_its_cores_than_its_time(cpu_s, is_told):
    words = ("at most 22.200 s, on 2 cores in 10.0 s", f"{cpu_s} s")
    assert told(cpu_s=cpu_s) == [("hub.cost", RESULT, "/cpu_s", *words)] * is_told


def test_of_a_process_whose_time_is_not_said_nothing_is_told():
    assert told(None, cpu_s=1e9) == []


@pytest.mark.parametrize(
    ("peak", "is_told"), [(1000, False), (999, True), (4000, False), (4001, True)]
)
def test_the_largest_memory_holds_the_arrays_once_and_lies_within_the_machine(peak, is_told):
    words = ("from 1000 bytes, of its arrays, to 4000 bytes, of its machine", f"{peak} bytes")
    found = [("hub.cost", RESULT, "/peak_memory_bytes", *words)] * is_told
    assert told(peak_memory_bytes=peak) == found


@pytest.mark.parametrize("dtype", ["no such", "float64, x", "a,,", "bool", "a" + "9" * 5000])
def test_an_array_of_no_known_kind_asks_for_no_memory(dtype):
    strange = {"x": {"dtype": dtype, "shape": [1000], "sha256": "c"}}
    assert told(arrays=strange, peak_memory_bytes=0) == []


@pytest.mark.parametrize("stage", ["real-run", "reproduce"])
def test_verify_holds_jobs_to_it(stage):
    hub = memory.sound()
    home = RESULT if stage == "real-run" else f"reproduce/{runs.JOBS[0]}/{layout.RESULT}"
    machine = runs.example("stage/dry-run")["host"]["memory_bytes"]
    for lie in ({"cpu_s": 18.161}, {"peak_memory_bytes": machine + 1}):
        before = hub.files[home]
        hub.edit(home, lambda said, lie=lie: said.update(lie))
        (name,) = lie
        found = [item for item in checked(hub, stage) if item[0] == "hub.cost"]
        assert [item[1:3] for item in found] == [(home, f"/{name}")]
        hub.files[home] = before
    assert json.loads(hub.files[runs.MANIFEST])["execution_results"][0]["elapsed_s"] == 8.0
