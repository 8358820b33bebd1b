"""Put a recipe into pty-chi's options, and read off a task what it holds of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from typing import Any

from harness.errors import InputInvalid

PARAMETERS = {
    "object_options": "object",
    "probe_options": "probe",
    "probe_position_options": "probe_positions",
    "opr_mode_weight_options": "opr_mode_weights",
}

SWITCH = ".optimizable"

NOISE_MODELS = {
    "PtychographyGaussianNoiseModel": "gaussian",
    "PtychographyPoissonNoiseModel": "poisson",
}
SAMPLERS = {
    "BatchSampler": "random",
    "PtychographyCompactBatchSampler": "compact",
    "PtychographyUniformBatchSampler": "uniform",
}


def apply(options: Any, asked: Mapping[str, Any]) -> None:
    """Set options of pty-chi by dotted path; InputInvalid names one that pty-chi refuses.

    A master switch comes last: pty-chi asks after each whether it goes with those before.
    """
    for path, value in sorted(asked.items(), key=lambda option: option[0].endswith(SWITCH)):
        *parents, name = path.split(".")
        try:
            group = reduce(getattr, parents, options)
            getattr(group, name)
            setattr(group, name, value)
        except (AttributeError, ValueError) as error:
            said = " ".join(str(error).split())
            raise InputInvalid(f"recipe, options/{path} = {value!r}: {said}") from None


def held(task: Any, paths: Iterable[str]) -> dict[str, Any]:
    """Return the value of each option as the running task holds it.

    From the objects at work where pty-chi makes one of an option: optimisers, noise model, loader.
    """
    told = dict(leaves(task.get_options_as_dict()))
    at_work = {**told, **_optimisers(task), **_reconstructor(task)}
    return {path: at_work[path] for path in sorted(paths)}


def leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted path and value of every leaf of nested mappings; optimizer_params is a leaf."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value and key != "optimizer_params":
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def batch_size(loader: Any) -> int:
    """Return the frames in a batch, from the loader that draws them."""
    return int(loader.batch_sampler.batch_size)


def _optimisers(task: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for prefix, name in PARAMETERS.items():
        parameter = getattr(task, name)
        found[f"{prefix}.optimizable"] = bool(parameter.optimizable)
        if parameter.optimizer is None:
            continue
        group = parameter.optimizer.param_groups[0]
        asked = getattr(task.options, prefix).optimizer_params
        found[f"{prefix}.optimizer"] = type(parameter.optimizer).__name__.lower()
        found[f"{prefix}.step_size"] = float(group["lr"])
        found[f"{prefix}.optimizer_params"] = {key: group[key] for key in asked}
    return found


def _reconstructor(task: Any) -> dict[str, Any]:
    noise = type(task.reconstructor.noise_model).__name__
    sampler = type(task.reconstructor.dataloader.batch_sampler).__name__
    return {
        "reconstructor_options.noise_model": NOISE_MODELS.get(noise, noise),
        "reconstructor_options.batching_mode": SAMPLERS.get(sampler, sampler),
    }
