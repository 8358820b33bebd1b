"""What deriving, signing and sealing cost beyond hashing: `python -m bench.sealing HUB`.

The hub is copied. Each stage is signed and the hub sealed in a process of its own, as in real life;
beside it stands the hashing alone, as often.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.timing import row
from harness import hub, layout, publish, signing

GOAL_S = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.sealing", description=__doc__)
    parser.add_argument("hub", type=Path)
    parser.add_argument("--once", nargs=2, metavar=("FOLDER", "KEY"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        once(options.hub, *options.once)
        return
    stages = [stage for stage in layout.STAGES if publish.reader(options.hub)(place(stage))]
    with tempfile.TemporaryDirectory() as folder:
        key = make_key(Path(folder))
        taken = [beyond_hashing(options.hub, stages, folder, key) for _ in range(5)]
        hashing = [time_hashing(options.hub) * len(stages) for _ in range(5)]
    print(row(f"hashing alone, {len(stages)} times", hashing))
    print(row(f"sign and seal {len(stages)} stages, beyond hashing", taken, GOAL_S))


def place(stage: str) -> str:
    return f"{layout.STAGE_DIRECTORIES[stage]}/{layout.STAGE_RECORD}"


def make_key(folder: Path) -> Path:
    from securesystemslib.signer import CryptoSigner

    (folder / "key.pem").write_bytes(CryptoSigner.generate_ed25519().private_bytes)
    return folder / "key.pem"


def beyond_hashing(root: Path, stages: list[str], folder: str, key: Path) -> float:
    """Return the seconds of all stages together, less the hashing and the interpreter's start."""
    copy = Path(folder) / "hub"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(root, copy)
    for name in (*layout.ATTACHED, layout.CRATE):
        for path in copy.rglob(name):
            path.unlink()
    total = 0.0
    for stage in stages:
        words = [sys.executable, "-m", "bench.sealing", str(copy)]
        words += ["--once", layout.STAGE_DIRECTORIES[stage], str(key)]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        total += float(done.stdout)
    return total


def time_hashing(root: Path) -> float:
    clock = time.perf_counter()
    hub.entries(root)
    return time.perf_counter() - clock


def once(root: Path, folder: str, key: str) -> None:
    clock = time.perf_counter()
    publish.derive_and_seal(root, signing.load(Path(key)), folder)
    print(time.perf_counter() - clock - time_hashing(root))


if __name__ == "__main__":
    main()
