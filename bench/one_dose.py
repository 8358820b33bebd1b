"""Time the six jobs of one dose, side by side, as `make real-run DOSE=1000` runs them.

Needs the full environment: .venv/bin/python -m bench.one_dose
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from bench.timing import REPOSITORY, row, scratch
from harness import prepare, studyfile

LIMIT_S = 300.0


def main() -> None:
    design = studyfile.load()
    dose = str(design.doses_photons[0])
    with scratch() as folder:
        root = Path(folder)
        prepare.prepare_inputs(design, "default", root / "inputs", say=len)
        roots = {
            "--phase-c-root": root / "inputs" / "phase_c",
            "--phase-d-root": root / "inputs" / "phase_d",
            "--artifact-root": root / "run",
        }
        words = [str(word) for option in roots.items() for word in option]
        argv = [sys.executable, "-m", "harness.reconstruction", *words, "--dose", dose]
        clock = time.perf_counter()
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, cwd=REPOSITORY)
        print(row(f"jobs of dose {dose}", [time.perf_counter() - clock], LIMIT_S))


if __name__ == "__main__":
    main()
