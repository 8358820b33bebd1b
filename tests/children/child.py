"""A child for tests: takes the real child's options, does no physics, and attests as told.

Run as a program (`python child.py [--lie KEY=VALUE] [--exit CODE] [--leave NAMES] ...`), or called
through `leave` from a faked process.  Its honest attestation is true of nothing but its options
and a recipe that holds nothing out; it serves to test the harness around a child, never as a
result.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import platform
import resource
import struct
import sys
import time
import zlib
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np

SIDE_PX = 6
ERROR = 0.6


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    for name in ("input-npz", "output-dir", "recipe"):
        parser.add_argument(f"--{name}", type=Path)
    for name in ("device", "halves", "recipe-sha256"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--lie", action="append", default=[])
    parser.add_argument("--exit", type=int, default=0)
    parser.add_argument("--exit-for", default="", help="SPLIT=CODE: leave nothing, end so")
    parser.add_argument("--sleep-s", type=float, default=0.0)
    parser.add_argument("--object-off", type=float, default=0.0, help="change one pixel by this")
    parser.add_argument("--leave", default="outputs,result")
    parser.add_argument("--picture", help="leave loss.png, of this shade of grey: 0 to 255")
    options = parser.parse_args(argv)
    options.asked = json.loads(options.recipe.read_text())
    return options


def arrays_of(options: argparse.Namespace) -> dict[str, np.ndarray]:
    """Return a small object, which depends on the seed, the losses, and the input's positions."""
    parts = ((options.seed + 3 * np.arange(2 * SIDE_PX**2)) % 7 + 1).astype(np.float32)
    parts[20] += options.object_off
    object_ = parts.view(np.complex64).reshape(SIDE_PX, SIDE_PX)
    losses = np.array(losses_of(options))
    errors = ERROR * np.arange(len(losses), 0, -1)
    with np.load(options.input_npz) as given:
        places = {
            f"positions_{axis}_px": given[f"{axis}coords"].astype(np.float32) for axis in "xy"
        }
    return {"object": object_, "loss_per_epoch": losses, "truth_nrmse_per_epoch": errors, **places}


def reconstruction(options: argparse.Namespace) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays_of(options))
    return buffer.getvalue()


def picture(shade: int, sources: dict[str, str]) -> bytes:
    """Return a PNG of one grey pixel that says what it was drawn from."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)),
            chunk(b"tEXt", b"Sources\0" + json.dumps(sources).encode()),
            chunk(b"IDAT", zlib.compress(bytes((0, shade)))),
            chunk(b"IEND", b""),
        )
    )


def identity(array: np.ndarray) -> dict:
    lengths = ",".join(map(str, array.shape))
    start = f"{array.dtype.newbyteorder('<').str}|{lengths}\n".encode()
    digest = hashlib.sha256(start + array.tobytes()).hexdigest()
    return {"dtype": array.dtype.name, "shape": list(array.shape), "sha256": digest}


def digest(document: dict) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def losses_of(options: argparse.Namespace) -> list[float]:
    return [1.0 / (epoch + 1) for epoch in range(options.asked["num_epochs"])]


def installed() -> dict[str, str]:
    """Return the versions of what is here; the rest is as `tests.small_tree` has it."""
    found = {"python": platform.python_version()}
    for name in ("numpy", "torch", "ptychi", "matplotlib"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def misfit_of(path: Path) -> float | None:
    """Return sum (counts - model)^2 / sum model of an input's guesses, brought to its photons."""
    with np.load(path) as given:
        if "objectGuess" not in given:
            return None
        counts = given["diffraction"].astype(float) ** 2
        probe, truth = given["probeGuess"].astype(complex), given["objectGuess"].astype(complex)
        places = np.rint([given["ycoords"], given["xcoords"]]).astype(int).T
    half = len(probe) // 2
    patches = np.array([truth[y - half : y + half, x - half : x + half] for y, x in places])
    model = np.abs(np.fft.fftshift(np.fft.fft2(probe * patches), axes=(1, 2))) ** 2
    model *= counts.sum() / model.sum()
    return float(((counts - model) ** 2).sum() / model.sum())


def is_measured(path: Path) -> bool:
    with np.load(path) as given:
        metadata = json.loads(str(given["_metadata"])) if "_metadata" in given else {}
    return metadata.get("input_kind") == "measured"


def attestation(options: argparse.Namespace, outputs: list[dict]) -> dict:
    """Return an attestation that agrees with the options, its shape taken from the example."""
    example = Path(__file__).parents[1] / "examples" / "valid" / "attestation" / "succeeded.json"
    document = json.loads(example.read_text())
    data = options.input_npz.read_bytes()
    with np.load(options.input_npz) as arrays:
        counts = arrays["diffraction"].astype(float) ** 2
        places = np.concatenate([arrays["xcoords"], arrays["ycoords"]])
    document["input"] |= {
        "path": options.input_npz.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "frames": len(counts),
        "frame_px": counts.shape[1],
        "mean_photons_per_frame": float(counts.sum() / len(counts)),
        "positions_on_pixels": bool((places == np.rint(places)).all()),
    }
    for name, used in (
        ("num_epochs", options.asked["num_epochs"]),
        ("batch_size", options.asked["batch_size"]),
        ("random_seed", options.seed),
    ):
        document["options_changed"][f"reconstructor_options.{name}"]["used"] = used
    losses = losses_of(options)
    errors = arrays_of(options)["truth_nrmse_per_epoch"].tolist()
    misfit = misfit_of(options.input_npz)
    present = misfit is not None and not is_measured(options.input_npz)
    document["truth"] |= {"misfit": misfit, "present": present, "nrmse": errors[-1]}
    document["stopping"] |= {"rule": options.asked["stop"], "delivered_epoch": len(losses)}
    document["stopping"]["truth"] = {
        "best_epoch": len(losses),
        "best_nrmse": errors[-1],
        "delivered_nrmse": errors[-1],
        "final_nrmse": errors[-1],
        "nrmse_per_epoch": errors,
    }
    document["truth"]["region_px"] = {"rows": [1, SIDE_PX], "columns": [0, SIDE_PX]}
    document["versions"] |= installed()
    document |= {
        "algorithm": options.asked["algorithm"],
        "epochs_run": options.asked["num_epochs"],
        "batch_size": options.asked["batch_size"],
        "seed": options.seed,
        "initial_object": options.asked["initial_object"],
        "recipe": {
            **{name: options.asked[name] for name in ("name", "version", "source_sha256")},
            "sha256": digest(options.asked),
        },
        "settings": options.asked["options"],
        "object_shape_px": [SIDE_PX, SIDE_PX],
        "arrays": {name: identity(array) for name, array in arrays_of(options).items()},
        "outputs": outputs,
        "loss": {"first": losses[0], "last": losses[-1], "per_epoch": losses},
    }
    document["device"] |= {"requested": options.device}
    document["started_at"] = document["finished_at"] = datetime.now(UTC).isoformat()
    document |= {"wall_s": 0.0, "cpu_s": 0.0, "warnings": []}
    document["peak_memory_bytes"] = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return document


def output(name: str, data: bytes) -> dict:
    return {"path": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def leave(options: argparse.Namespace) -> None:
    """Write what a child leaves, as the options say."""
    options.output_dir.mkdir(parents=True, exist_ok=True)
    outputs = []
    if "outputs" in options.leave:
        data = reconstruction(options)
        (options.output_dir / "reconstruction.npz").write_bytes(data)
        outputs.append(output("reconstruction.npz", data))
    if options.picture:
        series = {name: each for name, each in arrays_of(options).items() if "epoch" in name}
        sources = {name: identity(array)["sha256"] for name, array in series.items()}
        data = picture(int(options.picture), sources)
        (options.output_dir / "loss.png").write_bytes(data)
        outputs.append(output("loss.png", data))
    document = attestation(options, outputs)
    for lie in options.lie:
        key, _, value = lie.partition("=")
        *parents, last = key.split(".")
        place = document
        for parent in parents:
            place = place[parent]
        place[last] = json.loads(value)
    if document["device"] and document["device"]["used"] == "cuda":
        # That is pty-chi's default.
        document["options_changed"].pop("reconstructor_options.default_device", None)
    if "result" in options.leave:
        (options.output_dir / "result.json").write_text(json.dumps(document))


def main() -> int:
    options = parse(sys.argv[1:])
    split = options.output_dir.name
    print(f"complaint of {split}", file=sys.stderr, flush=True)
    print(f"last words of {split}", flush=True)
    time.sleep(options.sleep_s)
    failing, _, code = options.exit_for.partition("=")
    if failing == split:
        return int(code)
    leave(options)
    return options.exit


if __name__ == "__main__":
    raise SystemExit(main())
