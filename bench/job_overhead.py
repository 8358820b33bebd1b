"""What the harness adds to one job: `python -m bench.job_overhead`.

The same run with a child that does nothing but attest, once through the harness with all its
records, once bare; the difference over the jobs is what one job costs.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.timing import REPOSITORY, scratch
from harness import execution, matrix, prepare, reconstruction, studyfile
from harness.model import ReconstructionSettings

CHILD = REPOSITORY / "tests" / "children" / "child.py"
GOAL_S = 0.3


def main() -> None:
    design = studyfile.load()
    with scratch() as folder:
        root = Path(folder)
        prepare.prepare_inputs(design, "smoke", root / "inputs", say=len)
        ratios, added = [], []
        for number in range(5):
            bare_s, harness_s, jobs = measure(design, root, number)
            added.append((harness_s - bare_s) / jobs)
            ratios.append(harness_s / bare_s)
    print(f"harness time for each of {jobs} jobs: median {statistics.median(added):.3f} s")
    print(f"  min {min(added):.3f}  max {max(added):.3f} s  goal <= {GOAL_S} s")
    print(f"whole run over its bare children: median ratio {statistics.median(ratios):.2f}")


def settings(design) -> ReconstructionSettings:
    """Return settings that the child of this benchmark can attest: nothing held out."""
    return reconstruction.make_settings(design, "seed", given={"num_epochs": 2})


def measure(design, root: Path, number: int) -> tuple[float, float, int]:
    """Return seconds of the bare children, seconds of the harness's run, and how many jobs."""
    request = execution.Request(
        design,
        matrix.Roots(root / "inputs/phase_c", root / "inputs/phase_d", root / f"run{number}"),
        matrix.check_filters(design, {}),
        settings(design),
        program=("-u", str(CHILD)),
    )
    plan = execution.check_plan(request, execution.make_plan(request)).plan
    clock = time.perf_counter()
    for job in plan.jobs:
        argv = execution.child_argv(job)
        place = argv.index("--output-dir") + 1
        argv[place] = argv[place].replace(f"run{number}", f"bare{number}")
        subprocess.run(argv, check=True, capture_output=True)
    bare_s = time.perf_counter() - clock
    clock = time.perf_counter()
    code = subprocess.run(
        [sys.executable, "-c", RUN, str(root), str(number)], check=False, capture_output=True
    )
    assert code.returncode == 0, code.stdout.decode() + code.stderr.decode()
    return bare_s, time.perf_counter() - clock, len(plan.jobs)


RUN = f"""
import sys
from pathlib import Path
from harness import execution, matrix, studyfile
from bench.job_overhead import settings
root, number = Path(sys.argv[1]), sys.argv[2]
design = studyfile.load()
raise SystemExit(execution.execute(execution.Request(
    design,
    matrix.Roots(root / "inputs/phase_c", root / "inputs/phase_d", root / f"run{{number}}"),
    matrix.check_filters(design, {{}}),
    settings(design),
    program=("-u", {str(CHILD)!r}),
)))
"""

if __name__ == "__main__":
    main()
