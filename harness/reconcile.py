"""Compare what a child attests with what its job asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.model import Finding
from harness.rules import finding
from harness.wording import said

REQUIRED_OUTPUTS = ("reconstruction.npz",)
# What lies beside the attested outputs: the attestation itself, and the harness's own logs.
BESIDE_OUTPUTS = ("result.json", "ptychi.log", "run.log")
# Options of pty-chi that the attestation states a second time, by its own key.
STATED_TWICE = {
    "reconstructor_options.num_epochs": "epochs_run",
    "reconstructor_options.batch_size": "batch_size",
    "reconstructor_options.random_seed": "seed",
}


def compare(
    asked: Mapping[str, Any],
    attestation: Mapping[str, Any],
    outputs: Mapping[str, str],
    *,
    where: str,
) -> tuple[Finding, ...]:
    """Return every disagreement, both values in each finding.

    asked: the run's settings, the input's path, and `input_sha256` as described before the launch.
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
        "attest.halves": (
            "/metrics/between_halves",
            asked["halves"],
            _halves(attestation),
        ),
        "attest.device": (
            "/device/requested",
            asked["device"],
            attestation["device"]["requested"],
        ),
    }
    found = [
        finding(rule, where=where, pointer=place, expected=said(wanted), found=said(did))
        for rule, (place, wanted, did) in facts.items()
        if wanted != did
    ]
    return (
        *found,
        *check_itself(attestation, where=where),
        *_check_input_path(asked, attestation, where),
        *_check_outputs(attestation, outputs, where),
    )


def check_itself(attestation: Mapping[str, Any], *, where: str) -> list[Finding]:
    """Return where an attestation contradicts itself."""
    losses = attestation["loss"]["per_epoch"]
    changed = attestation["options_changed"]
    facts = {
        "/reconstructor": (
            f"{attestation['algorithm']}Reconstructor",
            attestation["reconstructor"].rpartition(".")[2],
        ),
        "/loss/per_epoch": (f"{attestation['epochs_run']} losses", f"{len(losses)} losses"),
        "/loss/first": (losses[0] if losses else None, attestation["loss"]["first"]),
        "/loss/last": (losses[-1] if losses else None, attestation["loss"]["last"]),
        "/finished_at": (
            "not before the start",
            "before the start"
            if attestation["finished_at"] < attestation["started_at"]
            else "not before the start",
        ),
    }
    facts |= {
        f"/options_changed/{option}/used": (attestation[key], changed[option]["used"])
        for option, key in STATED_TWICE.items()
        if option in changed
    }
    return [
        finding("attest.itself", where=where, pointer=place, expected=said(one), found=said(other))
        for place, (one, other) in facts.items()
        if one != other
    ]


def _halves(attestation: Mapping[str, Any]) -> str:
    between = attestation.get("metrics", {}).get("between_halves")
    return "none" if between is None else between["split"]


def _check_input_path(
    asked: Mapping[str, Any], attestation: Mapping[str, Any], where: str
) -> list[Finding]:
    wanted = asked["input_npz"].rpartition("/")[2]
    read = attestation["input"]["path"].rpartition("/")[2]
    if wanted == read:
        return []
    return [
        finding("attest.input", where=where, pointer="/input/path", expected=wanted, found=read)
    ]


def _check_outputs(
    attestation: Mapping[str, Any], outputs: Mapping[str, str], where: str
) -> list[Finding]:
    attested = {entry["path"]: entry["sha256"] for entry in attestation["outputs"]}
    names = sorted({*attested, *REQUIRED_OUTPUTS, *outputs} - set(BESIDE_OUTPUTS))
    return [
        finding(
            "attest.outputs",
            where=where,
            pointer=f"/outputs ({name})",
            expected=attested.get(name, "an entry with a digest for each file"),
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
