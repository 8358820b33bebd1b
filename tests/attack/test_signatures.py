"""Every attack on the signatures of a hub is told to whoever has the public key, its file named."""

from __future__ import annotations

import json

import pytest

from harness import envelope, signing
from tests.attack import hubs, signatures


@pytest.fixture(scope="module")
def signed(complete_hub):
    return signatures.signed(hubs.load(complete_hub))


def test_a_hub_that_its_owner_signed_holds_for_the_owner_s_key_alone(signed):
    assert signatures.findings(signed) == ()
    _, forger = signatures.keys()
    told = signing.check(signed.read, forger.public_key)
    assert len(told) == len(envelope.statement_paths(signed.read))


def test_every_attack_on_every_signature_is_told_and_its_file_named(signed):
    kinds = set()
    for kind, place, attack in signatures.on_signatures(signed):
        found = signatures.findings(signatures.strike(signed, attack))
        named = {item.where for item in found}
        assert place in named or place.replace(".dsse.", ".intoto.") in named, (kind, place)
        kinds.add(kind)
    assert len(kinds) == 7


def test_a_statement_with_a_second_signature_is_still_the_owner_s(signed):
    path = envelope.statement_paths(signed.read)[0]
    place = envelope.path_of(path)
    _, forger = signatures.keys()
    struck = signed.copy()
    foreign = json.loads(signing.sign(struck.files[path], forger))
    struck.edit(place, lambda each: each["signatures"].extend(foreign["signatures"]))
    assert signing.check(struck.read, signatures.keys()[0].public_key) == ()
