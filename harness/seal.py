"""The seal of a hub as text: every file with its digest, in the line form of RFC 8493.

A line is `<sha256><two spaces><path>`; CR, LF and % in a path are percent-encoded (2.1.3 there).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness import layout
from harness.model import Finding
from harness.rules import finding

LINE = re.compile(r"([0-9a-f]{64})  (.+)")


# What else may lie in a hub, in words.
KINDS = {
    "link": "a link",
    "other": "neither a file nor a folder",
    "unreadable": "what cannot be read",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """What lies at one path of a hub.  kind: "file", or one of `KINDS`; sha256 of a file."""

    path: str
    kind: str
    bytes: int
    sha256: str


def render(entries: tuple[Entry, ...]) -> bytes:
    """Return the seal of these entries, sorted by path; the seal never lists itself."""
    lines = [
        f"{entry.sha256}  {_encode(entry.path)}\n"
        for entry in sorted(entries, key=lambda entry: entry.path)
        if entry.path != layout.SEAL
    ]
    return "".join(lines).encode(errors="surrogateescape")


def parse(data: bytes) -> tuple[dict[str, str], tuple[Finding, ...]]:
    """Return {path: sha256} of a seal and a finding for each line that cannot be one."""
    listed: dict[str, str] = {}
    found: list[Finding] = []
    for number, line in enumerate(data.decode(errors="surrogateescape").split("\n")[:-1], start=1):
        match = LINE.fullmatch(line)
        path = _decode(match[2]) if match else ""
        if match is None or path in listed:
            found.append(
                finding(
                    "seal.line",
                    where=layout.SEAL,
                    pointer=f"line {number}",
                    expected="<sha256>, two spaces, a path not listed before",
                    found=repr(line[:160]),
                )
            )
        else:
            listed[path] = match[1]
    if data and not data.endswith(b"\n"):
        found.append(
            finding(
                "seal.line",
                where=layout.SEAL,
                pointer="last line",
                expected="a line end",
                found="a line that was cut",
            )
        )
    return listed, tuple(found)


def check(entries: tuple[Entry, ...], seal_bytes: bytes | None) -> tuple[Finding, ...]:
    """Return every way in which the files of a hub differ from its seal."""
    links = [
        finding("seal.link", where=entry.path, expected="a regular file", found=KINDS[entry.kind])
        for entry in entries
        if entry.kind != "file"
    ]
    if seal_bytes is None:
        unsealed = finding(
            "seal.missing", where=layout.SEAL, expected="the hub's seal", found="no such file"
        )
        return (unsealed, *links)
    listed, malformed = parse(seal_bytes)
    present = {
        entry.path: entry.sha256
        for entry in entries
        if entry.kind == "file" and entry.path != layout.SEAL
    }
    return (*malformed, *links, *_differences(listed, present))


def _differences(listed: Mapping[str, str], present: Mapping[str, str]) -> list[Finding]:
    found = [
        finding("seal.digest", where=path, expected=f"sha256 {digest}", found=present[path])
        for path, digest in listed.items()
        if path in present and present[path] != digest
    ]
    found += [
        finding("seal.lost", where=path, expected=f"sha256 {digest}", found="no such file")
        for path, digest in listed.items()
        if path not in present
    ]
    found += [
        finding("seal.extra", where=path, expected="only sealed files", found=f"sha256 {digest}")
        for path, digest in present.items()
        if path not in listed
    ]
    return sorted(found, key=lambda item: item.where)


def _encode(path: str) -> str:
    return path.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _decode(path: str) -> str:
    return path.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
