"""Attacks on the signatures of a hub, for an auditor who has the public key and nothing else.

The forger mends every digest and seals again; he has a key, but not the owner's.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from typing import Any

from harness import canonical, derived, envelope, layout, seal, signing, statement
from tests.attack import hubs
from tests.attack.hubs import Hub

Attack = Callable[[Hub], None]


@functools.cache
def keys() -> tuple[Any, Any]:
    """Return two signers: the owner of a hub, and a forger."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from securesystemslib.signer import CryptoSigner

    return CryptoSigner(Ed25519PrivateKey.generate()), CryptoSigner(Ed25519PrivateKey.generate())


def signed(sound: Hub) -> Hub:
    """Return a hub whose every statement its owner signed."""
    hub = sound.copy()
    owner, _ = keys()
    for path in envelope.statement_paths(hub.read):
        hub.files[envelope.path_of(path)] = signing.sign(hub.files[path], owner)
    return _closed(hub)


def findings(hub: Hub) -> tuple[Any, ...]:
    """Return what `verify --public-key` tells."""
    owner, _ = keys()
    return (*signing.check(hub.read, owner.public_key), *hubs.findings(hub))


def on_signatures(hub: Hub) -> Iterator[tuple[str, str, Attack]]:
    """Yield each attack on a signed hub: what it is, the file that it touches, and itself."""
    statements = envelope.statement_paths(hub.read)
    for path, other in zip(statements, [*statements[1:], statements[0]], strict=True):
        place = envelope.path_of(path)
        yield "a signature stripped", place, _strip(place)
        yield (
            "an envelope without signatures",
            place,
            _change(place, lambda e: e["signatures"].clear()),
        )
        yield "a signature of other bytes", place, _change(place, _garble)
        yield "a payload said to be of another type", place, _change(place, _retype)
        yield "the envelope of another statement", place, _move(envelope.path_of(other), place)
        yield "a statement signed by another key", place, _resign(path)
        yield "a statement changed under its envelope", place, _shorten(path)


def _strip(place: str) -> Attack:
    def attack(hub: Hub) -> None:
        del hub.files[place]

    return attack


def _change(place: str, change: Callable[[Any], Any]) -> Attack:
    def attack(hub: Hub) -> None:
        document = json.loads(hub.files[place])
        change(document)
        hub.files[place] = canonical.to_bytes(document)

    return attack


def _garble(document: Any) -> None:
    (signature,) = document["signatures"]
    signature["sig"] = ("B" if signature["sig"][0] == "A" else "A") + signature["sig"][1:]


def _retype(document: Any) -> None:
    document["payloadType"] = "application/json"


def _move(source: str, place: str) -> Attack:
    def attack(hub: Hub) -> None:
        hub.files[place] = hub.files[source]

    return attack


def _resign(path: str) -> Attack:
    def attack(hub: Hub) -> None:
        _, forger = keys()
        hub.files[envelope.path_of(path)] = signing.sign(hub.files[path], forger)

    return attack


def _shorten(path: str) -> Attack:
    def attack(hub: Hub) -> None:
        document = json.loads(hub.files[path])
        document["subject"] = document["subject"][:1]
        hub.files[path] = canonical.to_bytes(document)

    return attack


def strike(hub: Hub, attack: Attack) -> Hub:
    """Return a signed hub after an attack, sealed again."""
    struck = hub.copy()
    attack(struck)
    return _closed(struck)


def _closed(hub: Hub) -> Hub:
    """Return a hub with the documents that its files give, sealed."""
    statements = statement.statements(hub.read)
    made = derived.documents(hub.read, statements)
    hub.files |= {path: data for path, data in made.items() if path not in statements}
    hub.files[layout.SEAL] = seal.render(hub.entries())
    return hub
