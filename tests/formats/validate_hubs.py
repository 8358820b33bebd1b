"""What hubs hold, before the public validators of its formats, in an environment of their own.

`make formats`.  Not named like a test module: the light environment lacks the validators.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner

from harness import layout
from tests import small_tree
from tests.formats import offline
from tests.memory import hub as memory

HUBS = ("complete_hub", "failed_hub", "signed_hub", "reproduced_hub", "mutants_hub")
PREDICATES = {
    layout.PROVENANCE: provenance_pb2.Provenance,
    layout.TEST_RESULT: test_result_pb2.TestResult,
}
# What the profile recommends and a hub cannot say: it names no person, and has no address.
NOT_KEPT = {
    "agent that is a Person or Organization",
    "`author` of the RO-Crate",
    "`publisher` property of a `Root Data Entity`",
    "Application SHOULD have a url",
    "SoftwareApplication id SHOULD be an absolute URI",
}


@pytest.fixture(scope="session")
def key():
    return CryptoSigner.generate_ed25519()


@pytest.fixture(scope="session")
def signed_hub(sound_tree, tmp_path_factory, key):
    """A hub whose dry run is signed."""
    folder = tmp_path_factory.mktemp("signed")
    (folder / "key.pem").write_bytes(key.private_bytes)
    tree = small_tree.copy(sound_tree, folder / "tree")
    root = small_tree.new_hub(tree)
    assert small_tree.run_stage(tree, root, "dry-run", key=folder / "key.pem") == 0
    return root


@pytest.fixture(scope="session")
def reproduced_hub(tmp_path_factory):
    """A hub that holds a job run again, and nothing else."""
    return memory.write(memory.alone(layout.REPRODUCE), tmp_path_factory.mktemp("reproduced"))


@pytest.fixture(scope="session")
def mutants_hub(tmp_path_factory):
    """A hub that holds what became of the mutants, and nothing else."""
    return memory.write(memory.alone(layout.MUTATION), tmp_path_factory.mktemp("mutants"))


@pytest.fixture(params=HUBS)
def root(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return offline.fill(tmp_path_factory.mktemp("cache") / "contexts")


@pytest.fixture
def validate(cache, tmp_path):
    """Run the RO-Crate validator on a hub; give what it finds as (severity, message)."""

    def run(hub):
        report = tmp_path / "report.json"
        program = Path(sys.executable).with_name("rocrate-validator")
        words = ["-y", "validate", "--no-paging", "--offline", "--cache-path", cache]
        words += ["-p", "process-run-crate-0.5", "-l", "RECOMMENDED", "-f", "json", "-o", report]
        subprocess.run([program, *words, hub], capture_output=True, check=False)
        issues = json.loads(report.read_text())["issues"]
        return {(each["severity"], each["message"]) for each in issues}

    return run


def edited(root, tmp_path, change):
    """Return a copy of a hub whose crate was changed."""
    copy = Path(shutil.copytree(root, tmp_path / "hub"))
    document = json.loads((copy / layout.CRATE).read_bytes())
    change({each["@id"]: each for each in document["@graph"]})
    (copy / layout.CRATE).write_text(json.dumps(document))
    return copy


# RO-Crate.


def test_a_hub_is_a_process_run_crate_and_what_is_recommended_and_not_kept_is_known(root, validate):
    found = validate(root)
    assert {severity for severity, _ in found} == {"RECOMMENDED"}
    kept_from = {why for why in NOT_KEPT for _, message in found if why in message}
    assert kept_from == NOT_KEPT
    assert len(found) == len(NOT_KEPT)


def test_a_crate_that_is_none_is_refused(complete_hub, tmp_path, validate):
    def change(graph):
        graph["#red"].pop("instrument")
        graph["./"].pop("conformsTo")
        graph["hub.json"].update({"@id": "lost.json"})

    found = validate(edited(complete_hub, tmp_path, change))
    required = [message for severity, message in found if severity == "REQUIRED"]
    for words in ("MUST have an instrument", "MUST reference a CreativeWork", "lost.json"):
        assert [message for message in required if words in message]


def test_a_time_with_z_would_be_noticed(complete_hub, tmp_path, validate):
    def change(graph):
        graph["#red"]["endTime"] = graph["#red"]["endTime"].replace("+00:00", "Z")

    found = validate(edited(complete_hub, tmp_path, change))
    assert ("RECOMMENDED", "The Action SHOULD have an endTime in ISO 8601 format") in found


# in-toto.


def parsed(document):
    """Return a statement and its predicate as the public library reads them; it checks both."""
    message = json_format.ParseDict(document, statement_pb2.Statement())
    Statement.copy_from_pb(message).validate()
    kind = PREDICATES[
        layout.PROVENANCE if "slsa" in document["predicateType"] else layout.TEST_RESULT
    ]
    return message, json_format.ParseDict(document["predicate"], kind())


def test_every_statement_is_read_by_the_public_library_field_by_field(root):
    paths = list(root.rglob("*.intoto.json"))
    assert paths
    for path in paths:
        document = json.loads(path.read_bytes())
        message, predicate = parsed(document)
        assert [each.name for each in message.subject] == [
            each["name"] for each in document["subject"]
        ]
        again = json_format.MessageToDict(predicate)
        empty = {name for name, value in document["predicate"].items() if value == []}
        assert again.keys() == document["predicate"].keys() - empty


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.update(subject=[]),
        lambda document: document["subject"][0].pop("digest"),
        lambda document: document.update(_type="https://in-toto.io/Statement/v0.1"),
        lambda document: document["predicate"]["runDetails"].update(verdict="pass"),
    ],
    ids=["no subject", "no digest", "older", "a field of no specification"],
)
def test_a_statement_that_is_none_is_refused(complete_hub, change):
    document = json.loads((complete_hub / "cli" / layout.PROVENANCE).read_bytes())
    change(document)
    with pytest.raises((ValueError, json_format.ParseError)):
        parsed(document)


# DSSE.


def test_an_envelope_is_verified_by_the_public_library(signed_hub, key):
    (path,) = signed_hub.rglob("*.dsse.json")
    envelope = Envelope.from_dict(json.loads(path.read_bytes()))
    assert envelope.verify([key.public_key], 1)
    statement = signed_hub / "cli" / layout.PROVENANCE
    assert envelope.payload == statement.read_bytes()
    assert base64.b64decode(json.loads(path.read_bytes())["payload"]) == envelope.payload
