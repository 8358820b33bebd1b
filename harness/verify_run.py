"""Verify what a run left in a hub: its manifest, and each job's log, attestation and outputs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any

from harness import (
    asked,
    canonical,
    childlog,
    childwords,
    cost,
    crosscheck,
    hashed,
    joblog,
    judge,
    layout,
    left_out,
    manifest,
    recipe,
    reconcile,
    records,
    schemas,
    spans,
    study_copy,
    wording,
)
from harness.model import CHILD, OLDEST_TORCH, CellKey, Finding
from harness.records import Read
from harness.rules import finding

Schema = Callable[[str], Mapping[str, Any]]

# What follows the interpreter in a job's command.
PROGRAM = ("-u", "-m", CHILD)
# Where the child's command says what the settings say.
OPTIONS = {
    "--recipe-sha256": "recipe_sha256",
    "--seed": "seed",
    "--device": "device",
    "--halves": "halves",
}
# Where it says what the job says.
PATHS = {"--input-npz": "input_npz", "--output-dir": "output_dir", "--recipe": "recipe"}
# Where an attestation says what a job's result takes over from it.
ATTESTED_AT = {"final_loss": "/loss/last", "device": "/device"}
OF_A_STAGE = (layout.STAGE_RECORD, layout.GUIDE_COPY, layout.STUDY_COPY, *layout.ATTACHED)
# The versions that an attestation says as well as its stage.
VERSIONS = ("python", "numpy", "torch", "ptychi", "matplotlib")
# A stage's own log is there even where an interrupt left no command on record.
OWN_FILES = {
    "dry-run": (layout.DRY_RUN_LOG, *OF_A_STAGE),
    "real-run": (layout.REAL_RUN_LOG, *OF_A_STAGE),
    layout.REPRODUCE: (layout.REPRODUCTION, *layout.ATTACHED),
}


def check_schema(path: str, name: str, read: Read, schema: Schema) -> tuple[Finding, ...]:
    """Return how a document of a hub breaks its schema; JSON that cannot be read is a finding."""
    return _breaches(path, name, read(path), schema)


# Two checks of a hub ask for the same attestation, a hundredth of a second each.
@lru_cache(maxsize=512)
def _breaches(path: str, name: str, data: bytes | None, schema: Schema) -> tuple[Finding, ...]:
    try:
        document = records.document(lambda _path: data, path)
    except ValueError as error:
        return (finding("hub.json", where=path, expected="JSON", found=str(error)),)
    return schemas.check(document, schema(name), name=name, where=path)


def attested(record: Mapping[str, Any], read: Read, schema: Schema) -> dict[str, Mapping[str, Any]]:
    """Return what the jobs of a reproduction attest that succeeded, by job, if in good shape."""
    found = {}
    for job in record["jobs"]:
        key = manifest.key_of(job)
        path = f"{layout.REPRODUCE}/{layout.job_directory(key)}/{layout.RESULT}"
        succeeded = job["status"] == manifest.SUCCEEDED and read(path) is not None
        if succeeded and not check_schema(path, "attestation", read, schema):
            found[str(key)] = records.document(read, path)
    return found


def check(
    record: Mapping[str, Any], read: Read, digests: Mapping[str, str], schema: Schema
) -> list[Finding]:
    """Return what is wrong with the manifest of a run and with what its jobs left.

    record: of the stage, or of a reproduction in a stage's terms.
    """
    run = records.run_of(read, record["stage"])
    if run is None:
        return []
    folder = layout.RUN_FOLDERS[record["stage"]]
    where = f"{folder}/{layout.MANIFEST}"
    made = any(command["name"] == "plan" for command in record["commands"])
    found = _check_documents(record, run, read, schema, planned=made)
    found += _check_agreement(record, run.manifest, read, where)
    found += spans.check(record, run.manifest, where=where)
    found += _check_files(folder, record, run.manifest, digests, planned=made)
    for job in run.manifest["jobs"]:
        found += _check_argv(job, run.manifest["settings"], where)
    for job, result in zip(run.manifest["jobs"], run.manifest["execution_results"], strict=False):
        if result["status"] in (manifest.SUCCEEDED, manifest.FAILED):
            settings = run.manifest["settings"]
            found += _check_job(job, result, settings, record, read, digests, schema)
    return found


def _check_documents(
    record: Mapping[str, Any], run: records.Run, read: Read, schema: Schema, *, planned: bool
) -> list[Finding]:
    """Return where a run's documents, and those of its own plan, do not follow from its study."""
    of_a_stage = record["stage"] in layout.RUN_STAGES
    design, bad = study_copy.design_in(record, read, schema) if of_a_stage else (None, ())
    found = [*bad, *(asked.check_commands(record, run.manifest) if of_a_stage else ())]
    rests_on = records.document(read, records.digests_path(record["stage"]))
    pairs = [(layout.RUN_FOLDERS[record["stage"]], run)]
    if planned and (own := records.run_in(read, layout.PLAN)):
        pairs.append((layout.PLAN, own))
    for folder, pair in pairs:
        where = f"{folder}/{layout.MANIFEST}"
        found += crosscheck.check(pair.manifest, pair.skips, design, where=where)
        found += left_out.check(record, pair.manifest, pair.skips, rests_on, where=where)
        found += crosscheck.check_subject(pair.manifest, where=where)
        if rests_on is not None:
            found += hashed.counts(pair.manifest["gates"], rests_on, where=where)
        if design is not None:
            found += asked.check(record, pair.manifest, design, read, where=where)
    return found


def _check_agreement(
    record: Mapping[str, Any], document: Mapping[str, Any], read: Read, where: str
) -> Iterator[Finding]:
    """Yield where a manifest tells of another run than its stage and its hub."""
    marker = records.document(read, records.MARKER)
    stage = record["stage"]
    facts: dict[str, tuple[Any, Any]] = {
        "/dry_run": (stage == "dry-run", document["dry_run"]),
        "/initiative": (marker["initiative"], document["initiative"]),
        "/artifact_root": (layout.RUN_FOLDERS[stage], document["artifact_root"]),
        "/filters": (record["settings"]["filters"], document["filters"]),
        "/study/sha256": (record["settings"]["study_sha256"], document["study"]["sha256"]),
        "/gates": (_gates(record), _gates(document)),
    }
    for pointer, (one, other) in facts.items():
        if one != other:
            yield finding(
                "hub.stage",
                where=where,
                pointer=pointer,
                expected=wording.said(one),
                found=wording.said(other),
            )


def _gates(document: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    return [(gate["name"], gate["verdict"], gate["checked"]) for gate in document["gates"]]


def _check_files(
    folder: str,
    record: Mapping[str, Any],
    document: Mapping[str, Any],
    digests: Mapping[str, str],
    *,
    planned: bool,
) -> list[Finding]:
    """Return the files below a run's folder that are neither the run's own nor a job's.

    planned: whether the run made its own plan, whose two documents then lie there too.
    """
    homes = tuple(job["output_dir"] + "/" for job in document["jobs"])
    documents = (layout.MANIFEST, layout.SKIP_SUMMARY)
    names = (*OWN_FILES[record["stage"]], layout.DIGESTS, layout.UNCOMMITTED, *documents)
    own = {f"{folder}/{name}" for name in names}
    own |= {f"{layout.PLAN}/{name}" for name in documents if planned}
    return [
        finding("hub.extra", where=path, expected="a file of the run or of a job", found="neither")
        for path in digests
        if path.startswith(f"{folder}/") and path not in own and not path.startswith(homes)
    ]


def _check_argv(
    job: Mapping[str, Any], settings: Mapping[str, Any], where: str
) -> Iterator[Finding]:
    """Yield where a job's command is of another child, or asks for something else than is said."""
    program, options = job["argv"][: len(PROGRAM) + 1], job["argv"][len(PROGRAM) + 1 :: 2]
    if tuple(program[1:]) != PROGRAM or not PurePosixPath(program[0]).name.startswith("python"):
        yield _argv(job, where, f"python {' '.join(PROGRAM)}", " ".join(program))
    if more := list((Counter(options) - Counter([*OPTIONS, *PATHS])).elements()):
        yield _argv(job, where, "options of the child, each once", " ".join(more))
    given = dict(pairwise(job["argv"]))
    said = {option: f"{option} {given.get(option, 'nothing')}" for option in (*OPTIONS, *PATHS)}
    wanted = {**settings, "recipe_sha256": recipe.digest(settings["recipe"])}
    for option, name in OPTIONS.items():
        if given.get(option) != str(wanted[name]):
            yield _argv(job, where, f"{option} {wanted[name]}", said[option])
    places = {**job, "recipe": _recipe_path(job)}
    for option, name in PATHS.items():
        if not given.get(option, "").endswith(places[name]):
            yield _argv(job, where, f"{option} .../{places[name]}", said[option])


def _recipe_path(job: Mapping[str, Any]) -> str:
    return f"{job['output_dir']}/{layout.RECIPE}"


def _argv(job: Mapping[str, Any], where: str, expected: str, found: str) -> Finding:
    place = f"/jobs ({manifest.key_of(job)})/argv"
    return finding("hub.argv", where=where, pointer=place, expected=expected, found=found)


def _check_job(
    job: Mapping[str, Any],
    result: Mapping[str, Any],
    settings: Mapping[str, Any],
    record: Mapping[str, Any],
    read: Read,
    digests: Mapping[str, str],
    schema: Schema,
) -> list[Finding]:
    found = [*_check_job_logs(job, result, read), *_check_recipe(job, settings, read)]
    path = f"{job['output_dir']}/{layout.RESULT}"
    # What a failed job left may be anything; only a success must be attested.
    if result["status"] == manifest.SUCCEEDED:
        broken = read(path) is not None and check_schema(path, "attestation", read, schema)
        if broken:
            return [*found, *broken]
        attestation = records.document(read, path)
        found += _check_attested(job, settings, attestation, path, digests)
        if attestation is not None:
            found += _check_telemetry(result, attestation, path)
            found += _check_when_and_what(result, attestation, path)
            log = read(job["log_path"]) or b""
            found += childlog.check(log, attestation, where=job["log_path"])
            found += childwords.check(log, attestation, settings["recipe"], where=job["log_path"])
            found += _check_versions(attestation["versions"], record["versions"], path)
            found += cost.check(attestation, result["elapsed_s"], record["host"], where=path)
    return found


def _check_recipe(
    job: Mapping[str, Any], settings: Mapping[str, Any], read: Read
) -> Iterator[Finding]:
    """Yield where the recipe that lies beside a job is not the one in the manifest."""
    path = _recipe_path(job)
    expected = canonical.to_bytes(dict(settings["recipe"]))
    data = read(path)
    if data != expected:
        found = "no such file" if data is None else f"sha256 {canonical.sha256(data)}"
        yield finding(
            "hub.recipe",
            where=path,
            expected=f"the manifest's recipe, sha256 {canonical.sha256(expected)}",
            found=found,
        )


def _check_job_logs(job: Mapping[str, Any], result: Mapping[str, Any], read: Read) -> list[Finding]:
    log = read(job["log_path"])
    own_path = f"{job['output_dir']}/{layout.JOB_LOG}"
    own = read(own_path)
    key = CellKey(job["dose"], job["view"], job["split"])
    found = [
        finding("hub.job-log", where=path, expected="the job's log", found="no such file")
        for path, data in ((job["log_path"], log), (own_path, own))
        if data is None
    ]
    heads = (f"# job: {key}", f"# argv: {' '.join(job['argv'])}")
    found += [
        finding("hub.job-log", where=job["log_path"], pointer=place, expected=head, found=line)
        for place, head, line in zip(("line 1", "line 2"), heads, _first_lines(log), strict=False)
        if line != head
    ]
    if own is not None and own != joblog.render(job, result):
        expected = "what the manifest gives"
        found.append(finding("hub.job-log", where=own_path, expected=expected, found="other words"))
    ended = judge.returncode_in_log(log) if log is not None else result["returncode"]
    if ended != result["returncode"]:
        found.append(
            finding(
                "hub.returncode",
                where=job["log_path"],
                pointer="last line",
                expected=f"return code {wording.said(result['returncode'])}, as in the manifest",
                found=wording.said(ended),
            )
        )
    return found


def _first_lines(log: bytes | None) -> list[str]:
    lines = [line.decode(errors="replace") for line in (log or b"").split(b"\n")[:2]]
    return lines if log is not None else []


def _check_attested(
    job: Mapping[str, Any],
    settings: Mapping[str, Any],
    attestation: Mapping[str, Any] | None,
    path: str,
    digests: Mapping[str, str],
) -> tuple[Finding, ...]:
    if attestation is None:
        return (reconcile.left_nothing(path),)
    folder = job["output_dir"] + "/"
    outputs = {
        name.removeprefix(folder): digest
        for name, digest in digests.items()
        if name.startswith(folder)
    }
    wanted = {**settings, "input_sha256": job["input_sha256"], "input_npz": job["input_npz"]}
    return reconcile.compare(wanted, attestation, outputs, where=path)


def _check_telemetry(
    result: Mapping[str, Any], attestation: Mapping[str, Any], path: str
) -> Iterator[Finding]:
    """Yield where an attestation says something else than its job's result took over from it."""
    for name, attested in manifest.attested_facts(attestation).items():
        if result[name] != attested:
            yield finding(
                "hub.telemetry",
                where=path,
                pointer=ATTESTED_AT[name],
                expected=wording.said(result[name]),
                found=wording.said(attested),
            )


def _check_when_and_what(
    result: Mapping[str, Any], attestation: Mapping[str, Any], path: str
) -> Iterator[Finding]:
    """Yield where an attestation tells of other times or of another number of frames."""
    ran = spans.span(result)
    if None in ran or not crosscheck.is_within(spans.span(attestation), ran):
        yield finding(
            "hub.telemetry",
            where=path,
            pointer="/started_at",
            expected=f"within {wording.said(ran[0])} and {wording.said(ran[1])}",
            found=f"{attestation['started_at']} to {attestation['finished_at']}",
        )
    spent_s = crosscheck.seconds_between(*spans.span(attestation))
    if abs(attestation["wall_s"] - spent_s) > crosscheck.CLOCK_SLACK_S:
        yield finding(
            "hub.telemetry",
            where=path,
            pointer="/wall_s",
            expected=f"{spent_s:.3f} s, from start to end",
            found=f"{attestation['wall_s']} s",
        )
    if result["n_accepted"] not in (None, attestation["input"]["frames"]):
        yield finding(
            "hub.telemetry",
            where=path,
            pointer="/input/frames",
            expected=str(result["n_accepted"]),
            found=str(attestation["input"]["frames"]),
        )


def _check_versions(
    attested: Mapping[str, Any], stated: Mapping[str, Any], path: str
) -> Iterator[Finding]:
    """Yield each version that a job attests and its stage does not, or that POLICY-001 refuses."""
    for name in VERSIONS:
        if attested[name] != stated.get(name):
            yield _version(path, name, wording.said(stated.get(name)), attested[name])
    torch = re.match(r"([0-9]{1,4})\.([0-9]{1,4})", attested["torch"])
    if torch is None or tuple(map(int, torch.groups())) < OLDEST_TORCH:
        oldest = ".".join(map(str, OLDEST_TORCH))
        yield _version(path, "torch", f"{oldest} or newer (POLICY-001)", attested["torch"])


def _version(path: str, name: str, expected: str, found: str) -> Finding:
    pointer = f"/versions/{name}"
    return finding("hub.versions", where=path, pointer=pointer, expected=expected, found=found)
