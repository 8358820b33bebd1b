"""Compare what a child attests with what its job asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness import recipe
from harness.model import Finding
from harness.rules import finding
from harness.wording import said

REQUIRED_OUTPUTS = ("reconstruction.npz",)
# What lies beside the attested outputs: the attestation itself, and what the harness wrote.
BESIDE_OUTPUTS = ("recipe.json", "result.json", "ptychi.log", "run.log")
# What recipe and seed say of the part that is held out.
HELD_OUT = ("share", "as_good", "seed")
# What pty-chi calls the devices, and takes unless told; where it finds none, it goes on without.
DEVICES = {"cpu": "cpu", "cuda": "gpu"}
DEVICE, UNLESS_TOLD = "reconstructor_options.default_device", "gpu"
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
    found = [
        finding(rule, where=where, pointer=place, expected=said(wanted), found=said(did))
        for rule, (place, wanted, did) in _facts(asked, attestation).items()
        if wanted != did
    ]
    return (
        *found,
        *check_settings(asked["recipe"], attestation, where),
        *check_itself(attestation, where=where),
        *_check_input_path(asked, attestation, where),
        *_check_outputs(attestation, outputs, where),
    )


def _facts(
    asked: Mapping[str, Any], attestation: Mapping[str, Any]
) -> dict[str, tuple[str, Any, Any]]:
    """Return rule -> (pointer, what was asked for, what is attested)."""
    wanted = asked["recipe"]
    return {
        "attest.status": ("/status", "succeeded", attestation["status"]),
        "attest.recipe": ("/recipe", _identity(wanted), attestation["recipe"]),
        "attest.algorithm": ("/algorithm", wanted["algorithm"], attestation["algorithm"]),
        "attest.epochs": (
            "/epochs_run",
            recipe.num_epochs(wanted, _frames_used(attestation)),
            attestation["epochs_run"],
        ),
        "attest.input": ("/input/sha256", asked["input_sha256"], attestation["input"]["sha256"]),
        "attest.seed": ("/seed", asked["seed"], attestation["seed"]),
        "attest.batch-size": (
            "/batch_size",
            recipe.batch_size(wanted, _frames_used(attestation)),
            attestation["batch_size"],
        ),
        "attest.initial-object": (
            "/initial_object",
            wanted["initial_object"],
            attestation["initial_object"],
        ),
        "attest.stop": ("/stopping/rule", wanted["stop"], _stopping(attestation).get("rule")),
        "attest.held-out": (
            "/stopping/held_out",
            held_out_asked(asked),
            held_out_done(attestation),
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


def _identity(wanted: Mapping[str, Any]) -> dict[str, Any]:
    names = ("name", "version", "source_sha256")
    return {**{name: wanted[name] for name in names}, "sha256": recipe.digest(wanted)}


def _stopping(attestation: Mapping[str, Any]) -> Mapping[str, Any]:
    return attestation["stopping"] or {}


def _held_out(attestation: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return _stopping(attestation).get("held_out")


def held_out_asked(asked: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what is to be held out, and how it chooses, as far as recipe and seed say."""
    part = asked["recipe"].get("held_out")
    part = part and {**part, "seed": asked["seed"]}
    return part and {name: part[name] for name in HELD_OUT}


def held_out_done(attestation: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the same of what a child attests."""
    part = _held_out(attestation)
    return part and {name: part[name] for name in HELD_OUT}


def _frames_used(attestation: Mapping[str, Any]) -> int:
    """Return how many frames were reconstructed from: all, but where whole frames are held out."""
    part, frames = _held_out(attestation), attestation["input"]["frames"]
    return frames - part["frames"] if part and part["by"] == recipe.FRAMES else frames


def check_settings(
    wanted: Mapping[str, Any], attestation: Mapping[str, Any], where: str
) -> Iterator[Finding]:
    """Yield each option that is not the recipe's, or that no recipe asked to change.

    wanted: a recipe, resolved.
    """
    read = attestation["input"]
    light = recipe.photons_per_px(
        read["frames"], read["mean_photons_per_frame"], attestation["truth"]["region_px"]
    )
    options = recipe.options(wanted, light, on_pixels=read["positions_on_pixels"])
    held = attestation["settings"]
    for path in sorted({*options, *held}):
        if path not in held or path not in options or options[path] != held[path]:
            yield finding(
                "attest.settings",
                where=where,
                pointer=f"/settings/{path}",
                expected=said(options.get(path, "no such option")),
                found=said(held.get(path, "nothing")),
            )
    for path in sorted({*attestation["options_changed"]} - {*options, *recipe.SET_BY_THE_CHILD}):
        yield finding(
            "attest.settings",
            where=where,
            pointer=f"/options_changed/{path}",
            expected="pty-chi's default, since the recipe does not name it",
            found=said(attestation["options_changed"][path]["used"]),
        )


def _used(attestation: Mapping[str, Any], where: str) -> Iterator[Finding]:
    """Yield each option that is said to be used with one value, and set to another."""
    changed = {DEVICE: {"used": UNLESS_TOLD}, **attestation["options_changed"]}
    said_too = {**attestation["settings"]}
    said_too["object_options.position_origin_coords"] = attestation["position_origin_px"]
    said_too[DEVICE] = DEVICES.get(attestation["device"]["used"])
    for path in sorted({*changed} & {*said_too}):
        used = changed[path]["used"]
        if used != said_too[path]:
            yield finding(
                "attest.itself",
                where=where,
                pointer=f"/options_changed/{path}/used",
                expected=said(said_too[path]),
                found=said(used),
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
        **_stated_of_the_run(attestation),
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
    found = [
        finding("attest.itself", where=where, pointer=place, expected=said(one), found=said(other))
        for place, (one, other) in facts.items()
        if one != other
    ]
    return [*found, *_used(attestation, where)]


def _stated_of_the_run(attestation: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return what determinism and stopping say, beside what follows from the rest."""
    stated = attestation["determinism"]
    conditions = [held for name, held in stated.items() if name != "bitwise"]
    facts = {
        "/determinism/one_thread": (attestation["threads"] == 1, stated["one_thread"]),
        "/determinism/on_cpu": (attestation["device"]["used"] == "cpu", stated["on_cpu"]),
        "/determinism/bitwise": (all(conditions), stated["bitwise"]),
    }
    errors = _stopping(attestation).get("truth")
    if attestation["stopping"]:
        delivered = errors and errors["delivered_nrmse"]
        facts["/stopping/truth"] = (attestation["truth"]["nrmse"], delivered)
    return facts


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
