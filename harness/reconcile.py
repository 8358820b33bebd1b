"""Compare what a child attests with what its job asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.model import Finding
from harness.rules import finding

REQUIRED_OUTPUTS = ("reconstruction.npz",)


def compare(
    asked: Mapping[str, Any],
    attestation: Mapping[str, Any],
    outputs: Mapping[str, str],
    *,
    where: str,
) -> tuple[Finding, ...]:
    """Return every disagreement, both values in each finding.

    asked: the run's settings, and `input_sha256` as described before the launch.
    attestation: a `result.json` that has passed its schema.
    outputs: sha256 of each file that lies in the job's folder, by name.
    """
    facts = {
        "attest.status": ("/status", "succeeded", attestation["status"]),
        "attest.algorithm": ("/algorithm", asked["algorithm"], attestation["algorithm"]),
        "attest.epochs": ("/epochs_run", asked["num_epochs"], attestation["epochs_run"]),
        "attest.input": ("/input/sha256", asked["input_sha256"], attestation["input"]["sha256"]),
        "attest.seed": ("/seed", asked["seed"], attestation["seed"]),
        "attest.batch-size": ("/batch_size", asked["batch_size"], attestation["batch_size"]),
        "attest.initial-object": (
            "/initial_object",
            asked["initial_object"],
            attestation["initial_object"],
        ),
        "attest.device": (
            "/device/requested",
            asked["device"],
            attestation["device"]["requested"],
        ),
    }
    found = [
        finding(rule, where=where, pointer=place, expected=str(wanted), found=str(did))
        for rule, (place, wanted, did) in facts.items()
        if wanted != did
    ]
    return (*found, *_check_outputs(attestation, outputs, where))


def _check_outputs(
    attestation: Mapping[str, Any], outputs: Mapping[str, str], where: str
) -> list[Finding]:
    attested = {entry["path"]: entry["sha256"] for entry in attestation["outputs"]}
    names = sorted({*attested, *REQUIRED_OUTPUTS})
    return [
        finding(
            "attest.outputs",
            where=where,
            pointer=f"/outputs ({name})",
            expected=attested.get(name, "an entry with a digest"),
            found=outputs.get(name, "no such file"),
        )
        for name in names
        if attested.get(name) is None or attested[name] != outputs.get(name)
    ]


def left_nothing(where: str) -> Finding:
    """Return the finding for a child that exited 0 and left no attestation."""
    return finding(
        "attest.missing",
        where=where,
        expected="an attestation, since the child exited 0",
        found="no such file",
    )
