"""A hub as a Process Run Crate: its files, and one action for each thing done in it.

Follows from the records and from the digests of the other documents; nothing here touches a disk.
Sources: RO-Crate 1.1, Process Run Crate 0.5; docs/adr/0012-open-formats.md
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from harness import canonical, layout, records, rules, statement
from harness.records import Read

CONTEXTS = (
    "https://w3id.org/ro/crate/1.1/context",
    # RO-Crate 1.1 has no word for a sha256.
    "https://w3id.org/ro/terms/workflow-run/context",
)
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
STATES = {
    "pass": "http://schema.org/CompletedActionStatus",
    "fail": "http://schema.org/FailedActionStatus",
}
MEDIA_TYPES = {
    ".diff": "text/x-diff",
    ".json": "application/json",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".npz": "application/zip",
    ".png": "image/png",
    ".toml": "application/toml",
    ".txt": "text/plain",
    ".xml": "application/xml",
}
OTHER_MEDIA_TYPE = "application/octet-stream"
TERMS = "#terms"
NAMES = {layout.REPRODUCE: "Reproduction", layout.MUTATION: "Mutants of the core"}
NO_COMMAND = {
    layout.MUTATION: f"The mutation tester; it says in {layout.MUTATION}/{layout.MUTATION_LOG} "
    "what it did."
}

Entity = dict[str, Any]
Acts = Sequence[tuple[str, Mapping[str, Any]]]


def render(read: Read, documents: Mapping[str, bytes]) -> bytes:
    """Return ro-crate-metadata.json of a hub in which something was done, an entity a line.

    documents: path and bytes of its other derived documents and of its envelopes.
    """
    acts = records.acts(read)
    files = dict(_files(read, acts, documents))
    graph: list[Entity] = [_descriptor(), _root(read, acts, files), *_context()]
    for path, record in acts:
        graph += _of_act(path, record, read)
    graph += [files[path] for path in sorted(files)]
    # They share code, study and inputs; the same thing is one entity.
    once = {entity["@id"]: entity for entity in graph}
    rows = b",\n".join(canonical.to_line(entity)[:-1] for entity in once.values())
    head = canonical.to_line({"@context": list(CONTEXTS), "@graph": []})
    return head.replace(b"[]}\n", b"[\n" + rows + b"\n]}\n")


def _descriptor() -> Entity:
    return {
        "@id": layout.CRATE,
        "@type": "CreativeWork",
        "about": _link("./"),
        "conformsTo": _link("https://w3id.org/ro/crate/1.1"),
    }


def _root(read: Read, acts: Acts, files: Mapping[str, Entity]) -> Entity:
    marker = records.document(read, records.MARKER)
    found = [record for _, record in acts]
    staged = any(record["stage"] in layout.STAGES for record in found)
    what = "the stages of a study" if staged else "whoever tried a study's work again"
    verdicts = ", ".join(f"{record['stage']} {record['verdict']}" for record in found)
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Evidence: {marker['initiative']}, {marker['slug']}",
        "description": f"What {what} did and left: {verdicts}.",
        "datePublished": found[-1]["finished_at"],
        "license": _link(TERMS),
        "conformsTo": _link(PROFILE),
        "hasPart": _links(files[path]["@id"] for path in sorted(files)),
        "mentions": _links(f"#{record['stage']}" for record in found),
    }


def _context() -> Iterator[Entity]:
    yield {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    yield {
        "@id": TERMS,
        "@type": "CreativeWork",
        "name": "Terms of use",
        "description": "The records of this hub name no licence; ask whoever gave it to you.",
    }


def _of_act(path: str, record: Mapping[str, Any], read: Read) -> Iterator[Entity]:
    """Yield the action of a stage or its like, the code that carried it out, what it rested on."""
    stage = record["stage"]
    code = _code(record)
    cited = [record[name]["path"] for name in ("previous", "plan") if record[name]]
    inside = {records.MARKER, *cited}
    rested_on = statement.materials(record, read, code=False)
    materials = [_material(each, inside) for each in rested_on]
    action = {
        "@id": f"#{stage}",
        "@type": "CreateAction",
        "name": NAMES.get(stage, f"Stage {stage}"),
        "description": " ; ".join(" ".join(each["argv"]) for each in record["commands"])
        or NO_COMMAND.get(stage, "No command was run."),
        "startTime": record["started_at"],
        "endTime": record["finished_at"],
        "actionStatus": STATES[record["verdict"]],
        "instrument": _link(code["@id"]),
        "object": _links(entity["@id"] for entity in materials),
        "result": _links(_uri(name) for name in (path, *_outputs(record))),
    }
    if record["verdict"] == "fail":
        found = map(rules.from_record, record["findings"])
        action["error"] = "\n".join(map(rules.as_text, found))
    yield action
    yield code
    yield from (entity for entity in materials if entity["@id"].startswith("#"))


def _code(record: Mapping[str, Any]) -> Entity:
    digest = record["code_sha256"]
    return {
        "@id": f"#code;sha256={digest}",
        "@type": "SoftwareSourceCode",
        "name": "ptycho-evidence",
        "version": record["versions"].get("ptycho-evidence") or f"sha256 {digest}",
        "description": "The harness as it ran; its files and their digests stand in "
        f"{layout.DIGESTS} of each stage.",
        "identifier": f"sha256 {digest}",
    }


def _material(descriptor: Mapping[str, Any], inside: set[str]) -> Entity:
    """Return what a stage rested on: a file inside this hub by its path, another by its digest."""
    ((kind, digest),) = descriptor["digest"].items()
    name = descriptor["name"]
    if name in inside:
        return {"@id": _uri(name)}
    return {
        "@id": f"#{_uri(name)};{kind}={digest}",
        "@type": "CreativeWork",
        "name": name,
        **({kind: digest} if kind == "sha256" else {"identifier": digest}),
    }


def _outputs(record: Mapping[str, Any]) -> list[str]:
    return [each["path"] for each in record["outputs"]]


def _files(read: Read, acts: Acts, documents: Mapping[str, bytes]) -> Iterator[tuple[str, Entity]]:
    small = {records.MARKER: read(records.MARKER) or b"", **documents}
    for path, record in acts:
        small[path] = read(path) or b""
        for each in record["outputs"]:
            yield each["path"], _file(each["path"], each["bytes"], each["sha256"])
    for path, data in small.items():
        yield path, _file(path, len(data), canonical.sha256(data))


def _file(path: str, size: int, sha256: str) -> Entity:
    return {
        "@id": _uri(path),
        "@type": "File",
        "name": path,
        "encodingFormat": MEDIA_TYPES.get(PurePosixPath(path).suffix, OTHER_MEDIA_TYPE),
        "contentSize": str(size),
        "sha256": sha256,
    }


def _uri(path: str) -> str:
    return quote(path, errors="surrogateescape")


def _link(target: str) -> Entity:
    return {"@id": target}


def _links(targets: Iterable[str]) -> Entity | list[Entity]:
    """Return links; one alone stands without a list, as in compacted JSON-LD."""
    links = [_link(target) for target in targets]
    return links[0] if len(links) == 1 else links
