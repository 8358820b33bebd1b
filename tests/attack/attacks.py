"""The attacks: on every file, on every value of every record, and forgeries with a purpose."""

from __future__ import annotations

import io
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from harness import arrays, canonical, faults_copy, judge, layout, records, resources, schemas
from harness.verify import JSON_SCHEMAS
from tests.attack import run_forgeries
from tests.attack.hubs import Attack, Case, Hub

VALUE = "a value of a record changed to another valid one"
HURTFUL = "a value of a record changed to one that breaks readers"
TWICE = "a key of a record twice"


# Files


def on_files(sound: Hub) -> Iterator[Case]:
    """Yield every attack on every file; a sibling is the next file of its folder, or of the hub."""
    paths = sorted(sound.files)
    for index, path in enumerate(paths):
        for kind, change in CHANGES.items():
            if change(sound.files[path]) != sound.files[path]:
                yield Case(kind, (path,), _changed(path, change))
        yield Case("removed", (path,), lambda hub, path=path: hub.files.pop(path))
        yield Case("renamed", (path, f"{path}.bak"), _renamed(path))
        yield Case("replaced by a link", (path,), lambda hub, path=path: hub.links.add(path))
        sibling = _sibling(paths, index)
        if sound.files[sibling] != sound.files[path]:
            yield Case("swapped with a sibling", (path, sibling), _swapped(path, sibling))
    yield Case("added", ("docs/later.txt",), lambda hub: hub.files.update({"docs/later.txt": b"x"}))


def _flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :] if data else data


CHANGES: Mapping[str, Callable[[bytes], bytes]] = {
    "one byte changed": _flip,
    "truncated": lambda data: data[: len(data) // 2],
    "emptied": lambda data: b"",
}


def _changed(path: str, change: Callable[[bytes], bytes]) -> Attack:
    def attack(hub: Hub) -> None:
        hub.files[path] = change(hub.files[path])

    return attack


def _renamed(path: str) -> Attack:
    def attack(hub: Hub) -> None:
        hub.files[f"{path}.bak"] = hub.files.pop(path)

    return attack


def _swapped(one: str, other: str) -> Attack:
    def attack(hub: Hub) -> None:
        hub.files[one], hub.files[other] = hub.files[other], hub.files[one]

    return attack


def _sibling(paths: list[str], index: int) -> str:
    folder = paths[index].rpartition("/")[0]
    near = [path for path in paths if path.rpartition("/")[0] == folder and path != paths[index]]
    return next(
        (path for path in near if path > paths[index]), near[0] if near else paths[index - 1]
    )


# Values


def on_values(sound: Hub, *, alike_once: bool) -> Iterator[Case]:
    """Yield an attack on every value of every JSON record.

    alike_once: of values that differ only in list index or in the key of a map of digests, one.
    """
    for path in sorted(path for path in sound.files if path.endswith(".json")):
        seen = set()
        document = json.loads(sound.files[path])
        for place in leaves(document):
            shape = (tuple("*" if _is_index(step) else step for step in place), path)
            if alike_once and shape in seen:
                continue
            seen.add(shape)
            other = another_valid(path, document, place)
            if other is not None:
                yield Case(VALUE, (path,), _put(path, place, other[0]))


def on_readers(sound: Hub) -> Iterator[Case]:
    """Yield attacks on whoever reads a record: values that break readers, keys that stand twice.

    Of values that differ only in list index or in the key of a map of digests, one.
    """
    for path in sorted(path for path in sound.files if path.endswith(".json")):
        seen = set()
        document = json.loads(sound.files[path])
        for place in leaves(document):
            shape = tuple("*" if _is_index(step) else step for step in place)
            if shape in seen:
                continue
            seen.add(shape)
            value = _at(document, place)
            yield Case(HURTFUL, (path,), _spelt(path, place, hurtful(value)))
            if isinstance(place[-1], str):
                again = f"null, {json.dumps(place[-1])}: {json.dumps(value)}"
                yield Case(TWICE, (path,), _spelt(path, place, again))


def hurtful(value: Any) -> str:
    """Return JSON of the same kind that breaks readers: no day, no number, no character."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return "[" * 2000 + "]" * 2000
    if isinstance(value, float):
        return "1e999"
    if isinstance(value, int):
        return "1" + "0" * 400
    is_moment = re.match(r"\d{4}-\d\d-\d\dT", value)
    return '"2026-02-30T25:61:61.000+00:00"' if is_moment else '"\\ud800"'


def _spelt(path: str, place: tuple[Any, ...], text: str) -> Attack:
    """Put JSON in the place of a value, as it is spelt."""
    mark = "what stands here is replaced"

    def attack(hub: Hub) -> None:
        document = json.loads(hub.files[path])
        _set(document, place, mark)
        data = canonical.to_bytes(document)
        hub.files[path] = data.replace(json.dumps(mark).encode(), text.encode())

    return attack


def leaves(document: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every value that holds no others."""
    inside = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in inside:
        if isinstance(value, dict | list) and value:
            yield from leaves(value, (*place, key))
        else:
            yield (*place, key)


def _is_index(step: Any) -> bool:
    return isinstance(step, int) or "/" in step or "." in step


def another_valid(path: str, document: Any, place: tuple[Any, ...]) -> tuple[Any] | None:
    """Return another value that the document's schema allows there, in a tuple; None for none."""
    name = JSON_SCHEMAS.get(path) or ("attestation" if path.endswith(f"/{layout.RESULT}") else None)
    before = _at(document, place)
    for value in others(before):
        _set(document, place, value)
        try:
            if name is None or not schemas.check(
                document, resources.schema(name), name=name, where=path
            ):
                return (value,)
        finally:
            _set(document, place, before)
    return None


def others(value: Any) -> Iterator[Any]:
    """Yield values of the kind that stands there, the likeliest first, then of other kinds."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value + 1, value / 2, 0, 1)
    elif isinstance(value, str):
        yield from _other_texts(value)
    elif isinstance(value, list):
        yield from (["x"], [0], [{}])
    yield from (None, "x", 1, 0.5, True)


WORDS = (
    ("pass", "fail"),
    ("succeeded", "failed"),
    ("killed_by_assertion", "survived"),
    ("error", "note"),
    ("cpu", "auto"),
    ("flat", "guess"),
    ("dense", "sparse"),
    ("train", "test"),
)


def _other_texts(value: str) -> Iterator[str]:
    if re.fullmatch(r"[0-9a-f]{40,64}", value):
        yield value[1:] + value[0] if value[1:] + value[0] != value else "1" * len(value)
    # The path of a hub begins with a time.
    if re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", value):
        yield (datetime.fromisoformat(value) + timedelta(seconds=1)).isoformat(
            timespec="milliseconds"
        )
    for pair in WORDS:
        if value in pair:
            yield pair[1 - pair.index(value)]
    yield from (f"{value}x", f"x{value}", value[:-1], "")


def _at(document: Any, place: tuple[Any, ...]) -> Any:
    for step in place:
        document = document[step]
    return document


def _set(document: Any, place: tuple[Any, ...], value: Any) -> None:
    for step in place[:-1]:
        document = document[step]
    document[place[-1]] = value


def _put(path: str, place: tuple[Any, ...], value: Any) -> Attack:
    return lambda hub: hub.edit(path, lambda document: _set(document, place, value))


# Forgeries


def forgeries(sound: Hub) -> Iterator[Case]:
    """Yield attacks with a purpose, on the real run and the stages of a hub that has all five."""
    run = records.run_of(sound.read, "real-run")
    folder = layout.RUN_FOLDERS["real-run"]
    first, second = (job["output_dir"] for job in run.manifest["jobs"][:2])
    listed, skips = f"{folder}/{layout.MANIFEST}", f"{folder}/{layout.SKIP_SUMMARY}"
    result, archive = f"{first}/{layout.RESULT}", f"{first}/{layout.RECONSTRUCTION}"
    green = f"{layout.STAGE_DIRECTORIES['green']}/{layout.GREEN_MAPPED_LOG}"
    report = next(path for path in sorted(sound.files) if re.match(r"green/.*\.junit\.xml", path))
    yield Case("a log replaced by another", (green,), _text(green, b"1 passed in 0.01s\n"))
    yield Case("a failure left out of a log", (f"{first}/{layout.CHILD_LOG}",), _quiet(first))
    yield Case("a job dropped, totals adjusted", (listed,), _without_job(listed, skips, first))
    yield Case(
        "a job dropped with its skip added",
        (listed,),
        run_forgeries.skipped_for(listed, skips, first, "not requested"),
    )
    yield from run_forgeries.on_runs(sound, listed, skips)
    yield Case("pass said over a failing report", (report,), _failing(report))
    yield Case("stages in another order", ("green/stage.json",), _earlier("green/stage.json"))
    yield Case("a job that ended before it began", (result,), _times(result))
    yield Case(
        "a better last loss in every record", (archive,), _better_loss(result, listed, first)
    )
    yield Case("a better error against the truth", (result,), _better_error(result))
    yield from on_figures(sound, result, listed, first)
    yield Case("fewer epochs, said in the settings too", (result,), _fewer(result))
    yield Case("another input's digest", (listed,), _other_input(result, listed, first))
    yield Case("another object under the old digest", (archive,), _other_object(archive))
    yield Case(
        "the arrays of another job", (archive,), _from(first, second, [layout.RECONSTRUCTION])
    )
    pictures = [
        path
        for path in sorted(sound.files)
        if path.startswith(f"{first}/") and path.endswith(".png")
    ]
    if pictures:
        names = [path.rpartition("/")[2] for path in pictures if not path.endswith("probe.png")]
        yield Case("the pictures of another job", tuple(pictures), _from(first, second, names))
    killed = next(
        path
        for path, data in sorted(sound.files.items())
        if path.startswith("red/runs/") and b"<failure" in data
    )
    yield Case("a fault that survived said to be killed", (killed,), _killed(killed))
    if faults_copy.PATH in sound.files:
        fault = json.loads(sound.files[judge.PROOF])["faults"][0]["id"]
        left_out = run_forgeries.without_fault(fault)
        yield Case("a fault left out of the proof", (judge.PROOF,), left_out)
    yield Case("the tests of RED are not those of GREEN", ("red/digests.json",), _other_tests)
    yield Case("uncommitted changes denied", ("green/stage.json",), _clean)


def _text(path: str, data: bytes) -> Attack:
    return lambda hub: hub.files.update({path: data})


def _quiet(job: str) -> Attack:
    path = f"{job}/{layout.CHILD_LOG}"

    def attack(hub: Hub) -> None:
        lines = hub.files[path].splitlines(keepends=True)
        hub.files[path] = b"".join(lines[:2] + lines[-1:])

    return attack


def _without_job(listed: str, skips: str, job: str) -> Attack:
    def attack(hub: Hub) -> None:
        def drop(document: Any) -> None:
            run_forgeries.leave_out(document, job)
            document["total_jobs"] -= 1

        hub.edit(listed, drop)
        hub.edit(
            skips,
            lambda document: document.update(
                total_jobs=document["total_jobs"] - 1, selected_count=document["selected_count"] - 1
            ),
        )
        run_forgeries.remove(hub, job)

    return attack


def _failing(report: str) -> Attack:
    def attack(hub: Hub) -> None:
        text = hub.files[report].decode()
        failed = '<failure message="AssertionError: no">AssertionError</failure></testcase>'
        text = re.sub(r"(<testcase [^>]*?)\s*/>", rf"\1>{failed}", text, count=1)
        hub.files[report] = text.replace('failures="0"', 'failures="1"').encode()

    return attack


def _earlier(path: str) -> Attack:
    def change(document: Any) -> None:
        for name in ("started_at", "finished_at"):
            moment = datetime.fromisoformat(document[name]) - timedelta(days=1)
            document[name] = moment.isoformat(timespec="milliseconds")

    return lambda hub: hub.edit(path, change)


def _times(result: str) -> Attack:
    def change(document: Any) -> None:
        document["started_at"], document["finished_at"] = (
            document["finished_at"],
            (datetime.fromisoformat(document["started_at"]) - timedelta(hours=1)).isoformat(
                timespec="milliseconds"
            ),
        )

    return lambda hub: hub.edit(result, change)


def _better_loss(result: str, listed: str, job: str) -> Attack:
    def better(document: Any) -> None:
        document["loss"]["last"] = document["loss"]["per_epoch"][-1] = 1e-9

    def in_manifest(document: Any) -> None:
        for each in document["execution_results"]:
            if each["log_path"].startswith(job):
                each["final_loss"] = 1e-9

    def attack(hub: Hub) -> None:
        hub.edit(result, better)
        hub.edit(listed, in_manifest)

    return attack


def _better_error(result: str) -> Attack:
    def change(document: Any) -> None:
        document["truth"]["nrmse"] = 0.001

    return lambda hub: hub.edit(result, change)


def on_figures(sound: Hub, result: str, listed: str, job: str) -> Iterator[Case]:
    """Yield forgeries of what a job measured: only arrays, or its input, tell of them."""
    metrics = json.loads(sound.files[result])["metrics"]
    archive = f"{job}/{layout.RECONSTRUCTION}"
    for part, name in (
        ("against_truth", "complex_nrmse"),
        ("against_truth", "ms_ssim_phase"),
        ("photon_limit", "photon_limit_phase_rad"),
        ("without_truth", "r_factor"),
        ("between_halves", "half_bit_resolution_px"),
    ):
        if metrics[part] is not None:
            yield Case(f"a better {name}", (result,), _better_figure(result, part, name))
    yield Case("the truth denied", (result,), _denied(result))
    yield Case(
        "a better last loss in the arrays too",
        (archive, result),
        _better_loss_in_arrays(result, listed, job),
    )


def _better_figure(result: str, part: str, name: str) -> Attack:
    def change(document: Any) -> None:
        block = document["metrics"][part]
        before = block[name]
        block[name] = 0.9 if before is None else before * (1.1 if "ssim" in name else 0.9)

    return lambda hub: hub.edit(result, change)


def _denied(result: str) -> Attack:
    def change(document: Any) -> None:
        document["truth"].update(present=False, misfit=2.0, nrmse=None, removed=None)
        document["metrics"].update(against_truth=None, photon_limit=None)

    return lambda hub: hub.edit(result, change)


def _better_loss_in_arrays(result: str, listed: str, job: str) -> Attack:
    """Better the last loss in every record, in the arrays and in the picture's sources."""

    def attack(hub: Hub) -> None:
        _better_loss(result, listed, job)(hub)
        archive, picture = f"{job}/{layout.RECONSTRUCTION}", f"{job}/loss.png"
        with np.load(io.BytesIO(hub.files[archive]), allow_pickle=False) as held:
            values = dict(held)
        before = arrays.array_sha256(values["loss_per_epoch"])
        values["loss_per_epoch"] = values["loss_per_epoch"].copy()
        values["loss_per_epoch"][-1] = 1e-9
        after = arrays.identity(values["loss_per_epoch"])
        buffer = io.BytesIO()
        np.savez(buffer, **values)
        hub.files[archive] = buffer.getvalue()
        hub.edit(result, lambda document: document["arrays"].update(loss_per_epoch=after))
        if picture in hub.files:
            hub.files[picture] = _with_text(hub.files[picture], before, after["sha256"])

    return attack


def _with_text(data: bytes, before: str, after: str) -> bytes:
    """Return a PNG with one digest in its texts replaced by another of the same length."""
    at = data.index(before.encode())
    start = data.rindex(b"tEXt", 0, at)
    length = int.from_bytes(data[start - 4 : start])
    chunk = data[start : start + 4 + length].replace(before.encode(), after.encode())
    check = zlib.crc32(chunk).to_bytes(4)
    return data[:start] + chunk + check + data[start + 8 + length :]


def _fewer(result: str) -> Attack:
    def change(document: Any) -> None:
        document["epochs_run"] = 1
        document["loss"]["per_epoch"] = document["loss"]["per_epoch"][:1]
        document["loss"]["last"] = document["loss"]["first"]

    return lambda hub: hub.edit(result, change)


def _other_input(result: str, listed: str, job: str) -> Attack:
    other = "7" * 64

    def in_manifest(document: Any) -> None:
        for each in document["jobs"]:
            if each["output_dir"] == job:
                each["input_sha256"] = other

    def attack(hub: Hub) -> None:
        hub.edit(result, lambda document: document["input"].update(sha256=other))
        hub.edit(listed, in_manifest)

    return attack


def _other_object(archive: str) -> Attack:
    def attack(hub: Hub) -> None:
        with np.load(io.BytesIO(hub.files[archive]), allow_pickle=False) as held:
            values = dict(held)
        values["object"] = values["object"] + 1
        assert arrays.array_sha256(values["object"])
        buffer = io.BytesIO()
        np.savez(buffer, **values)
        hub.files[archive] = buffer.getvalue()

    return attack


def _from(job: str, other: str, names: list[str]) -> Attack:
    def attack(hub: Hub) -> None:
        for name in names:
            hub.files[f"{job}/{name}"] = hub.files[f"{other}/{name}"]

    return attack


def _killed(report: str) -> Attack:
    """Take the failures out of a fault's report; the proof goes on to say that it was killed."""

    def attack(hub: Hub) -> None:
        text = hub.files[report].decode()
        hub.files[report] = re.sub(r"<failure.*?</failure>", "", text, flags=re.S).encode()

    return attack


def _other_tests(hub: Hub) -> None:
    def change(document: Any) -> None:
        for moment in ("before", "after"):
            code = document[moment]["code"]
            name = next(path for path in sorted(code) if path.startswith("tests/"))
            code[name] = "5" * 64

    hub.edit("red/digests.json", change)


def _clean(hub: Hub) -> None:
    def change(document: Any) -> None:
        document["git"]["dirty"] = not document["git"]["dirty"]

    hub.edit("green/stage.json", change)
