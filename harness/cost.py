"""What a job says that it cost, held to the time, the cores and the memory that it had. Pure.

Only what no machine can do is told, however slow: that less was used than could be is a job's word.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness.crosscheck import CLOCK_SLACK_S
from harness.model import Finding
from harness.rules import finding

RULE = "hub.cost"
# The clocks of a processor and of the system are not set by each other.
CLOCKS_APART = 1.01
_BITS = re.compile(r"[a-z]+([0-9]{1,4})")

Record = Mapping[str, Any]


def check(
    attestation: Record, elapsed_s: float | None, host: Record, *, where: str
) -> Iterator[Finding]:
    """Yield what a job cannot have used.

    attestation: of a child that succeeded.  elapsed_s: how long its process was, None where that
    is not said.  host: the machine, as its stage says.
    """
    if elapsed_s is not None:
        most_s = CLOCKS_APART * host["cores"] * elapsed_s + CLOCK_SLACK_S
        if attestation["cpu_s"] > most_s:
            words = f"at most {most_s:.3f} s, on {host['cores']} cores in {elapsed_s} s"
            yield _told(where, "/cpu_s", words, f"{attestation['cpu_s']} s")
    peak, most = attestation["peak_memory_bytes"], host["memory_bytes"]
    least = sum({each["sha256"]: _size(each) for each in attestation["arrays"].values()}.values())
    if not least <= peak <= most:
        words = f"from {least} bytes, of its arrays, to {most} bytes, of its machine"
        yield _told(where, "/peak_memory_bytes", words, f"{peak} bytes")


def _size(array: Record) -> int:
    """Return the bytes of an array by the bits that its dtype names and its shape."""
    bits = _BITS.fullmatch(array["dtype"])
    return int(bits[1]) // 8 * math.prod(array["shape"]) if bits else 0


def _told(where: str, pointer: str, expected: str, found: str) -> Finding:
    return finding(RULE, where=where, pointer=pointer, expected=expected, found=found)
