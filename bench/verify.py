"""How fast a large hub is verified: `python -m bench.verify`.

Makes a hub of 18 jobs with the stand-in child of the tests, gives each job an object of 28 MB,
about 500 MB in all, and times in turn `sha256sum` over the same files and `verify`,
both as whole processes over files that are in memory already.  Python keeps what it compiled,
as it does where nobody forbids it; a round before the first fills both memories.
"""

from __future__ import annotations

import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench.timing import row
from harness import arrays, layout, matrix, prepare, provenance, seal, stages, studyfile
from tests import small_tree
from tests.attack import hubs

SIDE_PX = 1870
ROUNDS = 7
GOAL = 0.8


def main() -> None:
    # Outside the checkout: the small repository's stages run in it as in one of their own.
    with tempfile.TemporaryDirectory() as folder:
        hub = make(Path(folder).absolute())
        size_bytes = sum(path.stat().st_size for path in hub.rglob("*") if path.is_file())
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(folder, "compiled"))
        hashing, verifying = [], []
        for _ in range(1 + ROUNDS):
            hashing.append(timed(["sha256sum", *map(str, sorted(files(hub)))]))
            verifying.append(timed([sys.executable, "-m", "harness", "verify", str(hub)]))
        del hashing[0], verifying[0]
    ratios = [one / other for one, other in zip(hashing, verifying, strict=True)]
    print(f"{size_bytes / 1e6:.0f} MB in {len(ratios)} rounds")
    print(row("sha256sum", hashing))
    print(row("verify", verifying))
    print(
        f"speed of verify over that of sha256sum: median {statistics.median(ratios):.2f}  "
        f"min {min(ratios):.2f}  max {max(ratios):.2f}  goal >= {GOAL}"
    )


def files(hub: Path) -> list[Path]:
    return [path for path in hub.rglob("*") if path.is_file()]


def timed(argv: list[str]) -> float:
    clock = time.perf_counter()
    subprocess.run(argv, check=True, capture_output=True)
    return time.perf_counter() - clock


def make(folder: Path) -> Path:
    """Return a sound hub of 18 jobs whose objects are large and unlike each other."""
    design = studyfile.load()
    prepare.prepare_inputs(design, "smoke", folder / "inputs", say=len)
    tree = small_tree.make(folder / "tree", folder / "inputs")
    hub = small_tree.new_hub(tree)
    asked = small_tree.request(tree, hub, "real-run")
    asked = replace(
        asked, filters=matrix.check_filters(asked.design, {}), words=("--num-epochs", "2")
    )
    os.environ["PYTHONPATH"] = str(tree)
    here = provenance.versions()
    provenance.versions = lambda: small_tree.stood_in(here)
    with chdir(tree), open(os.devnull, "w") as nowhere:
        told, sys.stdout = sys.stdout, nowhere
        try:
            assert stages.run(asked) == 0
        finally:
            sys.stdout = told
    del os.environ["PYTHONPATH"]
    enlarge(hub)
    return hub


def enlarge(root: Path) -> None:
    """Give each job an object of noise, attest it, and mend and seal the hub."""
    hub = hubs.load(root)
    rng = np.random.default_rng(1)
    for path in [path for path in hub.files if path.endswith(f"/{layout.RECONSTRUCTION}")]:
        with np.load(io.BytesIO(hub.files[path])) as archive:
            held = dict(archive)
        parts = rng.standard_normal((SIDE_PX, SIDE_PX, 2), dtype=np.float32)
        held["object"] = parts.view(np.complex64)[..., 0]
        buffer = io.BytesIO()
        np.savez(buffer, **held)
        hub.files[path] = buffer.getvalue()

        def attest(result, held=held):
            result["arrays"] = {name: arrays.identity(array) for name, array in held.items()}
            result["object_shape_px"] = [SIDE_PX, SIDE_PX]

        hub.edit(path.replace(layout.RECONSTRUCTION, layout.RESULT), attest)
    hubs.mend(hub)
    hub.files[layout.SEAL] = seal.render(hub.entries())
    for path, data in hub.files.items():
        (root / path).write_bytes(data)


if __name__ == "__main__":
    main()
