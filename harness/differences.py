"""What differs between two hubs: inputs, code, options, environment, outcomes, metrics.

Pure: fed with a reader of each hub.  A hub becomes places (a stage, a cell of a run) with facts;
facts at the same place are compared.  Times, durations and the hub's own timestamp are no facts.
Source: docs/adr/0011-reproduce-and-diff.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness import canonical, escapes, layout, manifest, records, wording
from harness.model import CellKey
from harness.records import Read

FORMAT = "harness.diff/1"
KINDS = ("inputs", "code", "options", "environment", "outcomes", "metrics")
# Of no two runs the same, and no difference of theirs.
PEAK_MEMORY = "peak_memory_bytes"
SHOWN_PLACES = 3

Record = Mapping[str, Any]
Fact = tuple[str, str]
Facts = dict[Fact, Any]
HUB = "hub"
FAULT = ("file", "find", "replace")
STATUS: Fact = ("outcomes", "status")


def compare(one: Read, other: Read, hubs: Mapping[str, Record]) -> dict[str, Any]:
    """Return the record of all differences between two hubs whose records fit their schemas.

    hubs: under "a" and "b", what the record says of the hubs themselves (path and head).
    A stage or cell that only one hub has is one difference; its facts are not listed besides.
    """
    places = facts_of(one), facts_of(other)
    found: dict[str, dict[str, Any]] = {}
    for place in dict.fromkeys((*places[0], *places[1])):
        for kind, what, a, b in _compare_place(places[0].get(place), places[1].get(place)):
            difference = {"kind": kind, "what": what, "a": a, "b": b}
            found.setdefault(canonical.digest(difference), {**difference, "where": []})
            found[canonical.digest(difference)]["where"].append(place)
    return {
        "format": FORMAT,
        "hubs": dict(hubs),
        "compared": [place for place in places[0] if place in places[1]],
        "differences": sorted(found.values(), key=lambda item: KINDS.index(item["kind"])),
    }


def facts_of(read: Read) -> dict[str, Facts]:
    """Return the facts of a hub by place: "hub", "stage NAME", "STAGE dose_D/VIEW/SPLIT"."""
    marker = records.document(read, records.MARKER)
    places: dict[str, Facts] = {HUB: {("options", "initiative"): marker["initiative"]}}
    for _, record in records.stages(read):
        name = record["stage"]
        places[f"stage {name}"] = dict(_stage_facts(record)) | dict(_rests_on(name, read))
        run = records.run_of(read, name) if name in layout.RUN_STAGES else None
        if run is not None:
            places[f"stage {name}"] |= _run_facts(run.manifest)
            places |= _cells(name, run, read)
    return places


def as_text(record: Record) -> list[str]:
    """Return the differences as lines for a person."""
    lines = [f"{name}: {hub['path']}, head {hub['head']}" for name, hub in record["hubs"].items()]
    stages = [place for place in record["compared"] if place.startswith("stage ")]
    cells = len(record["compared"]) - len(stages) - 1
    of_runs = wording.counted(cells, "cell")
    lines.append(f"compared: {', '.join(stages) or 'no stage'}; {of_runs} of runs")
    for kind in KINDS:
        found = [item for item in record["differences"] if item["kind"] == kind]
        lines.append(f"{kind}: {_counted(len(found))}")
        for item in found:
            a, b = (wording.said(item[side]) for side in ("a", "b"))
            lines.append(f"  {item['what']}: {a} -> {b} ({_shown_places(item['where'])})")
    lines.append(_counted(len(record["differences"])))
    return [escapes.printable(line) for line in lines]


def _compare_place(one: Facts | None, other: Facts | None) -> Iterator[tuple[str, str, Any, Any]]:
    if one is None or other is None:
        yield ("outcomes", "recorded", one is not None, other is not None)
        return
    # What follows from a state that only one of the two reached is not a difference of its own.
    same_state = one.get(STATUS) == other.get(STATUS)
    for fact in dict.fromkeys((*one, *other)):
        both = fact in one and fact in other
        if (both or same_state) and one.get(fact) != other.get(fact):
            yield (*fact, one.get(fact), other.get(fact))


def _stage_facts(record: Record) -> Iterator[tuple[Fact, Any]]:
    git, settings = record["git"], record["settings"]
    yield ("code", "git commit"), git["commit"]
    yield ("code", "git dirty"), git["dirty"]
    yield ("code", "code_sha256"), record["code_sha256"]
    for name in ("preset", "base", "base_sha256", "study", "study_sha256", "options"):
        yield ("options", name), settings[name]
    for group in ("filters", "tests"):
        yield from _named("options", group, settings[group])
    yield from _named("environment", "version", record["versions"])
    yield from _named("environment", "host", record["host"])
    for name in ("verdict", "exit_code", "interrupted"):
        yield ("outcomes", name), record[name]
    yield from _named("outcomes", "tests", record["tests"] or {})
    for gate in record["gates"]:
        yield ("outcomes", f"gate {gate['name']}"), gate["verdict"]
    for command in record["commands"]:
        name = command["name"]
        yield ("outcomes", f"return code of {name}"), command["returncode"]
        for variable, value in command["environment_set"].items():
            yield ("environment", f"variable {variable} of {name}"), value
    yield ("outcomes", "findings"), _rules(record["findings"])


def _rests_on(stage: str, read: Read) -> Iterator[tuple[Fact, Any]]:
    """Yield each file that a stage hashed, and what RED tried; of a run, its cells tell inputs."""
    rests_on = records.document(read, records.digests_path(stage))
    kinds = ("code",) if stage in layout.RUN_STAGES else ("code", "inputs")
    for kind in kinds if rests_on else ():
        for path, sha256 in rests_on["before"][kind].items():
            yield (kind, path), sha256
    proof = records.document(read, layout.RED_PROOF) if stage == "red" else None
    if proof is not None:
        yield ("options", "base of red"), (proof["base"] or {}).get("commit")
        for fault in proof["faults"]:
            yield ("options", f"fault {fault['id']}"), [fault[part] for part in FAULT]
        for each in proof["outcomes"]:
            tried = each["fault_id"] or "without a fault"
            yield ("outcomes", f"{tried}: {each['node_id']}"), each["outcome"]


def _run_facts(document: Record) -> Facts:
    return {
        **dict(_named("inputs", "root", document["input_roots"])),
        **dict(_named("options", "settings", document["settings"])),
    }


def _cells(stage: str, run: records.Run, read: Read) -> dict[str, Facts]:
    """Return the facts of every cell of a run: launched, planned, or skipped with its reasons."""
    results = {_key(result): result for result in run.manifest["execution_results"]}
    cells = {_key(job): _job_facts(job, results.get(_key(job))) for job in run.manifest["jobs"]}
    for job in run.manifest["jobs"]:
        if job["status"] == manifest.SUCCEEDED:
            attestation = records.document(read, f"{job['output_dir']}/{layout.RESULT}")
            cells[_key(job)] |= dict(_attested_facts(attestation or {}))
            # Of the file itself: what is attested of it need not be true.
            data = read(f"{job['output_dir']}/{layout.RECONSTRUCTION}")
            digest = None if data is None else canonical.sha256(data)
            cells[_key(job)]["outcomes", f"sha256 of {layout.RECONSTRUCTION}"] = digest
    for skip in run.skips["skipped_jobs"]:
        cells[_key(skip)] = {STATUS: "skipped", ("outcomes", "reasons"): skip["reasons"]}
    return {f"{stage} {key}": facts for key, facts in cells.items()}


def _job_facts(job: Record, result: Record | None) -> Facts:
    facts: Facts = {("inputs", name): job[name] for name in ("input_sha256", "input_npz")}
    facts |= {("options", "gridsize"): job["gridsize"], STATUS: job["status"]}
    if result is not None:
        for name in (*manifest.SELECTION_KEYS, *manifest.COUNT_KEYS):
            facts["inputs", name] = result[name]
        facts["outcomes", "return code"] = result["returncode"]
        facts["outcomes", "findings"] = _rules(result["findings"])
        facts["metrics", "final_loss"] = result["final_loss"]
    return facts


def _attested_facts(attestation: Record) -> Iterator[tuple[Fact, Any]]:
    if not attestation:
        return
    for name, change in attestation["options_changed"].items():
        yield ("options", name), change["used"]
    yield from _named("environment", "version", attestation["versions"])
    device = {name: each for name, each in attestation["device"].items() if name != PEAK_MEMORY}
    yield from _named("environment", "device", device)
    yield ("environment", "threads"), attestation["threads"]
    stopping = attestation["stopping"] or {}
    yield ("outcomes", "delivered epoch"), stopping.get("delivered_epoch")
    yield ("metrics", "truth error (nrmse)"), attestation["truth"]["nrmse"]
    metrics = attestation.get("metrics", {})
    for part in ("against_truth", "without_truth", "photon_limit", "between_halves"):
        prefix = "halves: " if part == "between_halves" else ""
        for name, value in (metrics.get(part) or {}).items():
            if isinstance(value, float):
                yield ("metrics", prefix + name.replace("_", " ")), value


def _named(kind: str, group: str, values: Record) -> Iterator[tuple[Fact, Any]]:
    for name, value in values.items():
        yield (kind, f"{group} {name}"), value


def _rules(findings: Sequence[Record]) -> list[str]:
    return sorted(f"{item['rule']} {item['pointer']}".strip() for item in findings)


def _key(record: Record) -> CellKey:
    return CellKey(record["dose"], record["view"], record["split"])


def _counted(count: int) -> str:
    return f"{count or 'no'} difference{'s' if count > 1 else ''}"


def _shown_places(places: Sequence[str]) -> str:
    more = len(places) - SHOWN_PLACES
    return ", ".join(places[:SHOWN_PLACES]) + (f" and {more} more" if more > 0 else "")
