"""How long the command line takes to answer: `python -m bench.command_line`.

Beside each figure stands what cannot be undercut: the interpreter, and the libraries' import.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench.timing import row, scratch, seconds
from harness import prepare, studyfile

TORCH_PROBE = (
    "import sys, runpy; sys.argv[0] = 'harness.reconstruction'\n"
    "try: runpy.run_module('harness.reconstruction', run_name='__main__')\n"
    "except SystemExit as end: assert not end.code, end.code\n"
    "assert 'torch' not in sys.modules, 'torch was imported'"
)


def main() -> None:
    python = sys.executable
    design = studyfile.load()
    with scratch() as folder:
        root = Path(folder)
        prepare.prepare_inputs(design, "smoke", root / "inputs", say=len)
        print(row("bare interpreter", seconds([python, "-c", ""])))
        print(
            row("import numpy and jsonschema", seconds([python, "-c", "import numpy, jsonschema"]))
        )
        words = [python, "-m", "harness.reconstruction"]
        print(row("harness.reconstruction --help", seconds([*words, "--help"]), 0.15))
        print(row("harness --help", seconds([python, "-m", "harness", "--help"])))
        roots = [f"--phase-{p}-root={root}/inputs/phase_{p}" for p in "cd"]
        dry = seconds(
            lambda run: [
                *(python, "-c", TORCH_PROBE, *roots),
                *(f"--artifact-root={root}/dry{run}", "--dry-run"),
            ]
        )
        print(row("dry run over 18 small inputs, no torch", dry, 0.8))


if __name__ == "__main__":
    main()
