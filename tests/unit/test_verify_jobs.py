"""What verify says of the jobs of a run: their logs, what they attest, and what they left.

Each test changes one thing in a small sound hub and reads everything that is told.
"""

from __future__ import annotations

import json

import pytest

from harness import canonical, childlog, joblog, layout, stopping
from tests.memory import hub as memory
from tests.memory import runs
from tests.unit.test_verify_run import checked

pytestmark = pytest.mark.usefixtures("schemas_once")
HOME, OTHER = runs.HOMES
LOG, OWN_LOG, RESULT = (
    f"{HOME}/{name}" for name in (layout.CHILD_LOG, layout.JOB_LOG, layout.RESULT)
)
NONE = "no such file"


def entries(hub, index=0):
    """Return a job of the real run, and its result."""
    document = json.loads(hub.files[runs.MANIFEST])
    return document["jobs"][index], document["execution_results"][index]


def change_result(hub, index=0, **changes):
    """Change a job's result, and the harness's own log of it, which follows from it."""
    hub.edit(runs.MANIFEST, lambda each: each["execution_results"][index].update(changes))
    job, result = entries(hub, index)
    hub.files[f"{job['output_dir']}/{layout.JOB_LOG}"] = joblog.render(job, result)


def attest(hub, home=HOME, **changes):
    hub.edit(f"{home}/{layout.RESULT}", lambda each: each.update(changes))


def attested(hub, home=HOME):
    return json.loads(hub.files[f"{home}/{layout.RESULT}"])


# Logs


def test_both_logs_of_a_job_are_asked_for(hub_in_memory):
    attest(hub_in_memory, warnings=[])
    del hub_in_memory.files[LOG], hub_in_memory.files[OWN_LOG]
    lost = [("hub.job-log", path, "", "the job's log", NONE) for path in (LOG, OWN_LOG)]
    assert checked(hub_in_memory) == lost


@pytest.mark.parametrize("path", [LOG, OWN_LOG])
def test_a_job_that_lacks_one_log_is_told_of_that_one(hub_in_memory, path):
    attest(hub_in_memory, warnings=[])
    del hub_in_memory.files[path]
    assert checked(hub_in_memory) == [("hub.job-log", path, "", "the job's log", NONE)]


def test_a_job_s_log_says_whose_it_is_and_what_was_run(hub_in_memory):
    job, _ = entries(hub_in_memory)
    first, second, *rest = hub_in_memory.files[LOG].split(b"\n")
    assert first.decode() == f"# job: {runs.JOBS[0]}"
    assert second.decode() == f"# argv: {' '.join(job['argv'])}"
    one = ("hub.job-log", LOG, "line 1", first.decode(), "# job: \ufffd")
    two = ("hub.job-log", LOG, "line 2", second.decode(), "# argv:")
    hub_in_memory.files[LOG] = b"\n".join((b"# job: \xff", b"# argv:", *rest))
    assert checked(hub_in_memory) == [one, two]
    hub_in_memory.files[LOG] = b"\n".join((first, b"# argv:", *rest))
    assert checked(hub_in_memory) == [two]
    hub_in_memory.files[LOG] = b"\n".join((b"# job: \xff", second, *rest))
    assert checked(hub_in_memory) == [one]


def test_an_empty_log_and_one_of_a_single_line_are_told(hub_in_memory):
    attest(hub_in_memory, warnings=[])
    job, _ = entries(hub_in_memory)
    head = ("hub.job-log", LOG, "line 1", f"# job: {runs.JOBS[0]}", "")
    end = ("hub.returncode", LOG, "last line", "return code 0, as in the manifest")
    hub_in_memory.files[LOG] = b""
    assert checked(hub_in_memory) == [head, (*end, "no closing line")]
    hub_in_memory.files[LOG] = f"# job: {runs.JOBS[0]}\n".encode()
    argv = ("hub.job-log", LOG, "line 2", f"# argv: {' '.join(job['argv'])}", "")
    assert checked(hub_in_memory) == [argv, (*end, "no closing line")]


def test_the_harness_s_own_log_is_what_the_manifest_gives(hub_in_memory):
    hub_in_memory.files[OWN_LOG] += b"and all is well\n"
    expected = "what the manifest gives"
    assert checked(hub_in_memory) == [("hub.job-log", OWN_LOG, "", expected, "other words")]


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (b"# ended: return code 7 at noon", "7"),
        (b"# ended: in glory at noon", "in glory"),
        (b"all is well", "no closing line"),
    ],
)
def test_a_log_ends_with_the_return_code_of_the_manifest(hub_in_memory, ended, said):
    *lines, _ended = hub_in_memory.files[LOG].splitlines()
    hub_in_memory.files[LOG] = b"\n".join((*lines, ended, b""))
    expected = "return code 0, as in the manifest"
    assert checked(hub_in_memory) == [("hub.returncode", LOG, "last line", expected, said)]


def test_a_job_without_a_return_code_is_told_as_one(hub_in_memory):
    change_result(hub_in_memory, returncode=None)
    expected = "return code nothing, as in the manifest"
    assert ("hub.returncode", LOG, "last line", expected, "0") in checked(hub_in_memory)


def test_a_failed_job_has_logs_too():
    hub = memory.sound(codes=(0, 3))
    path = f"{OTHER}/{layout.CHILD_LOG}"
    hub.files[path] = hub.files[path].replace(b"return code 3", b"return code 0")
    expected = "return code 3, as in the manifest"
    assert checked(hub) == [("hub.returncode", path, "last line", expected, "0")]


@pytest.mark.parametrize("status", ["not_launched", "interrupted", "running"])
def test_a_job_that_was_not_run_to_its_end_has_none(hub_in_memory, status):
    def leave(document):
        for each in (document["jobs"][1], document["execution_results"][1]):
            each["status"] = status

    hub_in_memory.edit(runs.MANIFEST, leave)
    for path in [path for path in hub_in_memory.files if path.startswith(f"{OTHER}/")]:
        del hub_in_memory.files[path]
    assert {item[0] for item in checked(hub_in_memory)} <= {"manifest.state"}


def test_every_job_is_looked_into(hub_in_memory):
    for home in runs.HOMES:
        del hub_in_memory.files[f"{home}/{layout.JOB_LOG}"]
    expected = [
        ("hub.job-log", f"{home}/{layout.JOB_LOG}", "", "the job's log", NONE)
        for home in runs.HOMES
    ]
    assert checked(hub_in_memory) == expected


def test_a_job_without_a_result_is_the_manifest_s_to_tell(hub_in_memory):
    hub_in_memory.edit(runs.MANIFEST, lambda each: each["execution_results"].pop())
    (found,) = checked(hub_in_memory)
    assert found[0] == "manifest.result-lost"


# The recipe


@pytest.mark.parametrize("codes", [(0, 0), (0, 3)])
def test_the_recipe_beside_each_job_is_the_manifest_s(codes):
    hub = memory.sound(codes=codes)
    paths = [f"{home}/{layout.RECIPE}" for home in runs.HOMES]
    truth = canonical.sha256(hub.files[paths[0]])
    hub.files[paths[0]] += b"\n"
    del hub.files[paths[1]]
    expected = f"the manifest's recipe, sha256 {truth}"
    other = canonical.sha256(hub.files[paths[0]])
    assert checked(hub) == [
        ("hub.recipe", paths[0], "", expected, f"sha256 {other}"),
        ("hub.recipe", paths[1], "", expected, NONE),
    ]


# Attestations


def test_a_success_without_an_attestation_is_told(hub_in_memory):
    del hub_in_memory.files[RESULT]
    expected = "an attestation, since the child exited 0"
    assert checked(hub_in_memory) == [("attest.missing", RESULT, "", expected, NONE)]


def test_what_a_failed_job_left_is_not_read():
    hub = memory.sound(codes=(0, 3))
    hub.files[f"{OTHER}/{layout.RESULT}"] = b"{"
    assert checked(hub) == []


def test_an_attestation_that_breaks_its_schema_is_told_and_not_compared(hub_in_memory):
    attest(hub_in_memory, seed="one", device={"requested": "abacus"})
    hub_in_memory.files[OWN_LOG] = b""
    found = checked(hub_in_memory)
    assert found[0][:2] == ("hub.job-log", OWN_LOG)
    assert {item[:2] for item in found[1:]} == {("schema.attestation", RESULT)}
    hub_in_memory.files[RESULT] = b"{"
    assert [item[:2] for item in checked(hub_in_memory)[1:]] == [("hub.json", RESULT)]


@pytest.mark.parametrize(
    ("name", "rule", "pointer"),
    [
        ("algorithm", "attest.algorithm", "/algorithm"),
        ("epochs_run", "attest.epochs", "/epochs_run"),
        ("batch_size", "attest.batch-size", "/batch_size"),
        ("seed", "attest.seed", "/seed"),
        ("initial_object", "attest.initial-object", "/initial_object"),
    ],
)
def test_what_was_asked_is_what_was_done(hub_in_memory, name, rule, pointer):
    asked = attested(hub_in_memory)[name]
    other = {"algorithm": "DM", "initial_object": "guess"}.get(name, 77)
    attest(hub_in_memory, **{name: other})
    found = [item for item in checked(hub_in_memory) if item[0] != "attest.itself"]
    assert found == [(rule, RESULT, pointer, str(asked), str(other))]


def test_a_processor_that_pty_chi_was_not_told_to_take_is_a_fall_back(hub_in_memory):
    changed = attested(hub_in_memory)["options_changed"]
    del changed["reconstructor_options.default_device"]
    attest(hub_in_memory, options_changed=changed)
    place = "/options_changed/reconstructor_options.default_device/used"
    assert checked(hub_in_memory) == [("attest.itself", RESULT, place, "cpu", "gpu")]


def test_the_input_is_the_one_of_the_job(hub_in_memory):
    job, _ = entries(hub_in_memory)
    name = job["input_npz"].rpartition("/")[2]
    other = {**attested(hub_in_memory)["input"], "sha256": "0" * 64, "path": "x/other.npz"}
    attest(hub_in_memory, input=other)
    assert checked(hub_in_memory) == [
        ("attest.input", RESULT, "/input/sha256", job["input_sha256"], "0" * 64),
        ("attest.input", RESULT, "/input/path", name, "other.npz"),
    ]


def test_the_outputs_attested_are_those_that_lie_in_the_job_s_folder(hub_in_memory):
    digest = {each["path"]: each["sha256"] for each in attested(hub_in_memory)["outputs"]}
    hub_in_memory.files |= {f"{HOME}/loss.png": b"other", f"{HOME}/more/new.txt": b"new"}
    hub_in_memory.files |= {f"{HOME}.bak": b"beside"}
    del hub_in_memory.files[f"{HOME}/reconstruction.npz"]
    other, new = canonical.sha256(b"other"), canonical.sha256(b"new")
    found = [item for item in checked(hub_in_memory) if item[0] != "hub.extra"]
    no_entry = "an entry with a digest for each file"
    archive = digest["reconstruction.npz"]
    assert found == [
        ("attest.outputs", RESULT, "/outputs (loss.png)", digest["loss.png"], other),
        ("attest.outputs", RESULT, "/outputs (more/new.txt)", no_entry, new),
        ("attest.outputs", RESULT, "/outputs (reconstruction.npz)", archive, NONE),
    ]


# Telemetry


def test_loss_and_device_of_a_result_are_those_attested(hub_in_memory):
    truth = attested(hub_in_memory)
    used = f"{truth['device']['used']}: {truth['device']['name']}"
    change_result(hub_in_memory, final_loss=None, device="abacus")
    loss = ("hub.telemetry", RESULT, "/loss/last", "nothing", str(truth["loss"]["last"]))
    device = ("hub.telemetry", RESULT, "/device", "abacus", used)
    assert checked(hub_in_memory) == [loss, device]
    change_result(hub_in_memory, device=None)
    assert checked(hub_in_memory) == [loss, (*device[:3], "nothing", used)]


@pytest.mark.parametrize(
    ("started_s", "finished_s", "within"),
    [
        (2, 10, True),
        (0, 12, True),  # Two clocks may differ by so much.
        (-0.001, 10, False),
        (2, 12.001, False),
        (-1, 13, False),
    ],
)
def test_a_job_worked_while_it_ran(hub_in_memory, started_s, finished_s, within):
    early, late = runs.at("real-run", started_s), runs.at("real-run", finished_s)
    spent_s = finished_s - started_s
    attest(hub_in_memory, started_at=early, finished_at=late, wall_s=spent_s)
    _, result = entries(hub_in_memory)
    expected = f"within {result['started_at']} and {result['finished_at']}"
    told = ("hub.telemetry", RESULT, "/started_at", expected, f"{early} to {late}")
    assert checked(hub_in_memory) == ([] if within else [told])


@pytest.mark.parametrize(
    "names", [("started_at",), ("finished_at",), ("started_at", "finished_at")]
)
def test_a_job_that_succeeded_without_its_times_is_told(hub_in_memory, names):
    change_result(hub_in_memory, **dict.fromkeys(names), elapsed_s=None)
    _, result = entries(hub_in_memory)
    first, last = (result[name] or "nothing" for name in ("started_at", "finished_at"))
    said = attested(hub_in_memory)
    attested_s = f"{said['started_at']} to {said['finished_at']}"
    told = ("hub.telemetry", RESULT, "/started_at", f"within {first} and {last}", attested_s)
    assert checked(hub_in_memory) == [told]


@pytest.mark.parametrize("difference", [0, 1])
def test_the_frames_that_were_accepted_are_those_attested(hub_in_memory, difference):
    frames = attested(hub_in_memory)["input"]["frames"]
    accepted = frames + difference
    change_result(hub_in_memory, n_accepted=accepted, n_rejected=0)
    told = ("hub.telemetry", RESULT, "/input/frames", str(accepted), str(frames))
    assert checked(hub_in_memory) == ([told] if difference else [])


def test_times_and_frames_of_each_job_are_its_own(hub_in_memory):
    names = ("started_at", "finished_at", "wall_s")
    times = {name: attested(hub_in_memory)[name] for name in names}
    attest(hub_in_memory, OTHER, **times)
    _, result = entries(hub_in_memory, 1)
    expected = f"within {result['started_at']} and {result['finished_at']}"
    place = (f"{OTHER}/{layout.RESULT}", "/started_at")
    said = f"{times['started_at']} to {times['finished_at']}"
    assert checked(hub_in_memory) == [("hub.telemetry", *place, expected, said)]


def test_a_log_says_of_each_epoch_what_is_attested(hub_in_memory):
    attestation = attested(hub_in_memory)
    series = stopping.attested(attestation)
    epochs = len(series.losses)
    said = [childlog.words(epoch, epochs, series) for epoch in range(1, epochs + 1)]
    log = hub_in_memory.files[LOG].decode()
    head, argv, rest = log.split("\n", 2)
    lines = [f"{words} elapsed_s 0.00" for words in said]
    hub_in_memory.files[LOG] = "\n".join((head, argv, *lines, rest)).encode()
    assert checked(hub_in_memory) == []
    lied = said[-1].replace("loss ", "loss 1")
    hub_in_memory.files[LOG] = (
        "\n".join((head, argv, *lines, rest)).replace(said[-1], lied).encode()
    )
    told = ("hub.child-log", LOG, f"epoch {epochs}", said[-1], lied)
    assert checked(hub_in_memory) == [told]


@pytest.mark.parametrize(("longer_s", "told"), [(0, 0), (2, 0), (2.001, 1), (-2.001, 1)])
def test_a_child_took_the_time_from_its_start_to_its_end(hub_in_memory, longer_s, told):
    early, late = runs.at("real-run", 2), runs.at("real-run", 10)
    attest(hub_in_memory, started_at=early, finished_at=late, wall_s=8 + longer_s)
    expected, found = "8.000 s, from start to end", f"{8 + longer_s} s"
    lied = ("hub.telemetry", RESULT, "/wall_s", expected, found)
    assert checked(hub_in_memory) == [lied] * told


def test_a_log_has_the_warnings_and_halves_that_are_attested(hub_in_memory):
    (warning,) = attested(hub_in_memory)["warnings"]
    log = hub_in_memory.files[LOG]
    hub_in_memory.files[LOG] = log.replace(b"\nwarning: ", b"\nnote: ")
    place = ("hub.child-log", LOG, "warnings/0")
    expected = canonical.short(f"warning: {warning}")
    assert checked(hub_in_memory) == [(*place, expected, "no such line")]
    head, ended = log.rsplit(b"\n# ended", 1)
    hub_in_memory.files[LOG] = b"\n# ended".join((head + b"\nhalf a: 13 of 27 frames", ended))
    place = ("hub.child-log", LOG, "half a")
    assert checked(hub_in_memory) == [(*place, "nothing", "half a: 13 of 27 frames")]


def test_a_job_used_no_more_than_its_machine_could_give(hub_in_memory):
    attest(hub_in_memory, cpu_s=18.17)
    expected = "at most 18.160 s, on 2 cores in 8.0 s"
    assert checked(hub_in_memory) == [("hub.cost", RESULT, "/cpu_s", expected, "18.17 s")]


def test_a_half_in_a_log_has_the_epochs_of_the_job_s_recipe(hub_in_memory):
    between = runs.example("attestation/succeeded-with-halves")["metrics"]["between_halves"]
    attest(hub_in_memory, metrics={**attested(hub_in_memory)["metrics"], "between_halves": between})
    frames = attested(hub_in_memory)["input"]["frames"]
    heads = [
        f"half {name}: {count} of {frames} frames"
        for name, count in zip("ab", between["frames"], strict=True)
    ]
    head, ended = hub_in_memory.files[LOG].decode().rsplit("\n# ended", 1)
    hub_in_memory.files[LOG] = "\n".join((head, *heads, f"# ended{ended}")).encode()
    asked = json.loads(hub_in_memory.files[runs.MANIFEST])["settings"]["recipe"]["num_epochs"]
    told = [("hub.child-log", LOG, f"half {name}", f"{asked} epochs", "0 epochs") for name in "ab"]
    assert [item for item in checked(hub_in_memory) if item[0] == "hub.child-log"] == told
