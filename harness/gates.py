"""The two gates that come before every stage: inputs and manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from harness import canonical, contract, crosscheck, layout, npz, provenance, resources, schemas
from harness.design import StudyDesign
from harness.model import CellKey, Finding, Gate, ReconstructionJob

Readings = dict[CellKey, npz.NpzReading]


def read_inputs(jobs: Sequence[ReconstructionJob]) -> Readings:
    """Read and describe the input of each job; a file that cannot be read has findings."""
    return {
        job.key: npz.read(Path(job.input_npz), shown_as=provenance.portable(job.input_npz))
        for job in jobs
    }


def check_inputs(readings: Readings, design: StudyDesign) -> dict[CellKey, tuple[Finding, ...]]:
    """Return every finding on each cell's input: DATA-001, the study's claims, disjointness."""
    found = {key: check_input(key, reading, design) for key, reading in readings.items()}
    for one, other in combinations(readings, 2):
        same = (one.dose_photons, one.view) == (other.dose_photons, other.view)
        if same and readings[one].description and readings[other].description:
            found[one] += contract.check_disjoint(readings[one], readings[other])
    return found


def check_input(key: CellKey, reading: npz.NpzReading, design: StudyDesign) -> tuple[Finding, ...]:
    """Return the findings on one cell's input: those of reading, of DATA-001 and of its claims."""
    if reading.description is None:
        return reading.findings
    claim = contract.InputClaim(
        dose_photons=key.dose_photons,
        view=design.view(key.view),
        split=key.split,
        neighbor_count=design.neighbor_count,
    )
    if design.input_sha256 is not None:
        given = contract.check_given(reading.description, claim, design.input_sha256)
        return (*check_contract(reading), *given)
    return (*check_contract(reading), *contract.check_claims(reading.description, claim))


def check_contract(reading: npz.NpzReading) -> tuple[Finding, ...]:
    """Return the findings on a file, whatever cell it is for: those of reading and of DATA-001."""
    if reading.description is None:
        return reading.findings
    schema = resources.schema("npz_input")
    return (*reading.findings, *contract.check(reading.description, schema=schema))


def input_gate(found: Mapping[CellKey, tuple[Finding, ...]]) -> Gate:
    """Return the gate over the findings of all inputs that a stage covers."""
    return Gate("inputs", len(found), tuple(item for items in found.values() for item in items))


def manifest_gate(
    document: Mapping[str, Any], skips: Mapping[str, Any], design: StudyDesign | None
) -> Gate:
    """Return the gate over a manifest and its skip summary: schemas, then cross rules.

    design: None where the manifest's own account of the study must do.
    """
    found = (
        *schemas.check(
            document, resources.schema("manifest"), name="manifest", where=layout.MANIFEST
        ),
        *schemas.check(
            skips, resources.schema("skip_summary"), name="skip_summary", where=layout.SKIP_SUMMARY
        ),
    )
    if not found:
        found = crosscheck.check(document, skips, design, where=layout.MANIFEST)
    return Gate("manifest", crosscheck.DOCUMENTS, tuple(found), canonical.digest(document))
