"""Which variables of the environment a child is given, is kept from, and has on record. Pure.

Source: docs/adr/0010-drift-and-heads.md
"""

from __future__ import annotations

from collections.abc import Mapping

from harness import layout

# What the harness sets for every child; one thread, so that its bytes repeat (ADR 18).
SET = {
    "AUTHORITATIVE_CMDS_DOC": layout.AUTHORITATIVE_COMMANDS,
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
}
# A user's settings are no part of a stage: those of pytest go, and those of Python but these.
DROPPED = ("PYTEST_", "PYTHON")
KEPT = (
    *("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "PYTHONIOENCODING"),
    *("PYTHONUNBUFFERED", "PYTHONUTF8", "PYTHONWARNINGS"),
)
# Of these, what says where Python looks for code stands in a record.
SHOWN = ("PYTHONPATH",)


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a child may inherit."""
    return {
        name: value
        for name, value in environ.items()
        if name in KEPT or not name.startswith(DROPPED)
    }
