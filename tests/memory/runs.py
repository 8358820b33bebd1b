"""A small study of eight cells, and its runs: as planned, and as their jobs left them."""

from __future__ import annotations

import functools
import json
import re
import tomllib
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from harness import (
    canonical,
    design,
    execution,
    gates,
    joblog,
    layout,
    manifest,
    matrix,
    recipe,
    resources,
)
from harness.design import StudyDesign
from harness.manifest import SUCCEEDED, key_of
from harness.model import Gate, ReconstructionSettings
from tests.attack.hubs import Hub
from tests.recipes import settings_by

EXAMPLES = resources.REPOSITORY / "tests" / "examples" / "valid"
FILTERS = {"dry-run": {"dose": ("10",)}, "real-run": {"dose": ("10",), "split": ("train",)}}
# What was planned for dose 10, and what was run.
PLANNED = ("whole/train", "thin/train", "whole/test", "thin/test")
JOBS = ("dose_10/whole/train", "dose_10/thin/train")
HOMES = tuple(f"real_run/{job}" for job in JOBS)
MANIFEST = f"real_run/{layout.MANIFEST}"
DRY_MANIFEST = f"cli/{layout.MANIFEST}"
OWN_PLAN = f"{layout.PLAN}/{layout.MANIFEST}"
MINUTES = {"green": 1, "dry-run": 2, "real-run": 3, "reproduce": 4, "mutation": 5}


def example(name: str) -> Any:
    return json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))


def at(stage: str, second: float) -> str:
    """Return a time, `second` seconds after a stage began."""
    made = datetime(2026, 1, 1, tzinfo=UTC)
    moment = made + timedelta(minutes=MINUTES[stage], seconds=second)
    return moment.isoformat(timespec="milliseconds")


VIEWS = """[[views]]
name = "whole"
phase = "C"
gridsize = 2

[[views]]
name = "thin"
phase = "D"
gridsize = 1
overlap_fraction = 0.5

"""


@functools.cache
def study_text() -> bytes:
    """Return the default study file with fewer cells."""
    text = resources.DEFAULT_STUDY.read_text(encoding="utf-8")
    text = re.sub(r"doses_photons = .*", "doses_photons = [10, 200]", text)
    return re.sub(r"(?s)\[\[views\]\].*(?=\[seeds\])", VIEWS, text).encode()


@functools.cache
def study() -> StudyDesign:
    return design.from_mapping(tomllib.loads(study_text().decode()))


INITIATIVE = study().initiative


@functools.cache
def settings() -> ReconstructionSettings:
    """Return what the attested example was asked."""
    attested = example("attestation/succeeded")
    names = ("batch_size", "initial_object")
    given = {"num_epochs": attested["epochs_run"], **{name: attested[name] for name in names}}
    known = settings_by(attested["recipe"]["name"], **given)
    return replace(known, seed=attested["seed"], device=attested["device"]["requested"])


def filters(stage: str) -> dict[str, tuple[str, ...]]:
    return matrix.check_filters(study(), FILTERS.get(stage, {}))


def options(stage: str) -> list[str]:
    """Return the words by which the caller chose the cells of a stage, and how they are run."""
    asked = settings()
    chosen = [(name, v) for name, values in FILTERS.get(stage, {}).items() for v in values]
    chosen += [("recipe", asked.recipe["name"]), ("seed", asked.seed), ("device", asked.device)]
    chosen += [(name.replace("_", "-"), asked.recipe[name]) for name in asked.recipe["overridden"]]
    return [word for name, value in chosen for word in (f"--{name}", str(value))]


def roots(folder: str) -> matrix.Roots:
    inputs = PurePosixPath(layout.scratch(study().initiative, "smoke"))
    return matrix.Roots(inputs / "phase_c", inputs / "phase_d", PurePosixPath("hub", folder))


def planned(stage: str, folder: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return manifest and skip summary of a run that has launched nothing."""
    places = roots(folder)
    found = matrix.plan(
        study(), places, filters=filters(stage), settings=settings(), exists=lambda path: True
    )
    jobs = [
        manifest.job_record(
            replace(job, input_sha256=canonical.sha256(str(job.key).encode())),
            study(),
            places,
            inside=lambda path: path.removeprefix("hub/"),
            argv=["python", *execution.child_argv(job)[1:]],
        )
        for job in found.jobs
    ]
    document = manifest.new(
        study(),
        found,
        jobs,
        dry_run=stage == "dry-run" or folder == layout.PLAN,
        filters=filters(stage),
        settings=asdict(settings()),
        artifact_root=folder,
        input_roots={"phase_c": str(places.phase_c), "phase_d": str(places.phase_d)},
        metadata={},
        notes={},
        created_at=at(stage, 1),
    )
    return gated(document, manifest.skip_summary(found, study()))


def gated(document: dict[str, Any], skips: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    second: Gate = gates.manifest_gate(document, skips, None)
    assert second.passed, second.findings
    first = Gate("inputs", len(document["jobs"]))
    return {**document, "gates": [first.as_record(), second.as_record()]}, skips


def run_job(hub: Hub, document: dict[str, Any], index: int, stage: str, code: int) -> None:
    """Put down what a job left, and its end in the manifest."""
    job, result = document["jobs"][index], document["execution_results"][index]
    start_s, end_s = 2 + 10 * index, 10 + 10 * index
    result |= {"returncode": code, "started_at": at(stage, start_s)}
    result |= {"finished_at": at(stage, end_s), "elapsed_s": float(end_s - start_s)}
    result["status"] = job["status"] = manifest.FAILED if code else SUCCEEDED
    home = job["output_dir"]
    outputs = {"reconstruction.npz": b"arrays of " + home.encode(), "loss.png": b"a curve"}
    attestation = example("attestation/succeeded")
    attestation["input"] |= {"sha256": job["input_sha256"], "path": f"here/{job['input_npz']}"}
    attestation |= {"started_at": at(stage, start_s + 1), "finished_at": at(stage, end_s - 1)}
    attestation["wall_s"] = float(end_s - start_s - 2)
    attestation["outputs"] = [described(name, data) for name, data in outputs.items()]
    attestation["recipe"] |= {"sha256": recipe.digest(settings().recipe)}
    attestation["recipe"] |= {"source_sha256": settings().recipe["source_sha256"]}
    warned = [f"warning: {' '.join(each.split())}" for each in attestation["warnings"]]
    words = "\n".join((f"# job: {key_of(job)}", f"# argv: {' '.join(job['argv'])}", *warned))
    if code:
        outputs, attestation = {"core": b"what a failed job left"}, None
    else:
        outputs[layout.RESULT] = canonical.to_bytes(attestation)
    result |= manifest.attested_facts(attestation)
    outputs[layout.RECIPE] = canonical.to_bytes(dict(settings().recipe))
    outputs[layout.CHILD_LOG] = (
        f"{words}\n# ended: return code {code} at {at(stage, end_s)}\n".encode()
    )
    outputs[layout.JOB_LOG] = joblog.render(job, result)
    hub.files.update({f"{home}/{name}": data for name, data in outputs.items()})


def described(path: str, data: bytes) -> dict[str, Any]:
    return {"path": path, "bytes": len(data), "sha256": canonical.sha256(data)}


def write_run(hub: Hub, folder: str, run: tuple[dict[str, Any], dict[str, Any]]) -> None:
    for name, document in zip((layout.MANIFEST, layout.SKIP_SUMMARY), run, strict=True):
        hub.files[f"{folder}/{name}"] = canonical.to_bytes(document)
