"""Sign statements and check signatures: DSSE envelopes, ed25519, keys in PEM files.

The cryptography is that of `securesystemslib`, imported only where something is signed or checked.
Sources: DSSE v1; docs/adr/0012-open-formats.md
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness import canonical, envelope, records
from harness.errors import UsageError
from harness.model import Finding
from harness.records import Read
from harness.rules import finding

MAKE_PRIVATE = "openssl genpkey -algorithm ed25519 -out key.pem"
MAKE_PUBLIC = "openssl pkey -in key.pem -pubout -out key.pub"


def load(path: Path) -> Any:
    """Return the signer with the private key in a PEM file (PKCS#8, without a passphrase).

    Raises UsageError for what cannot be read or is no ed25519 key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.signer import CryptoSigner

    way_out = f"make one: {MAKE_PRIVATE}"
    data = _read(path, way_out)
    try:
        key = load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        words = "is no private key in PEM without a passphrase"
        raise UsageError(f"{path} {words} ({error}); {way_out}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{path} is no ed25519 key; {way_out}")
    return CryptoSigner(key)


def load_public(path: Path) -> Any:
    """Return the public key in a PEM file; UsageError for what is none of ed25519."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer import SSlibKey

    way_out = f"take it from the private one: {MAKE_PUBLIC}"
    data = _read(path, way_out)
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{path} is no public key in PEM ({error}); {way_out}") from None
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(f"{path} is no ed25519 key; {way_out}")
    return SSlibKey.from_crypto(key)


def sign(data: bytes, signer: Any) -> bytes:
    """Return the envelope of a statement; the same statement and key give the same bytes."""
    from securesystemslib.dsse import Envelope

    made = Envelope(data, envelope.PAYLOAD_TYPE, {})
    made.sign(signer)
    return canonical.to_bytes(made.to_dict())


def check(read: Read, key: Any) -> tuple[Finding, ...]:
    """Return a finding for each statement of a hub that the owner of a key did not sign.

    That an envelope holds the bytes of its statement is for `harness.envelope` to say.
    """
    paths = envelope.statement_paths(read)
    if not paths:
        none = {"expected": "a signed statement", "found": "no stage"}
        return (finding("hub.unsigned", where=records.MARKER, **none),)
    found = []
    for path in map(envelope.path_of, paths):
        data = read(path)
        if data is None:
            absent = {"expected": "a signed statement", "found": "no such file"}
            found.append(finding("hub.unsigned", where=path, **absent))
        elif (trouble := _trouble(data, key)) is not None:
            expected = f"a signature by key {key.keyid}"
            found.append(finding("hub.signature", where=path, expected=expected, found=trouble))
    return tuple(found)


def _trouble(data: bytes, key: Any) -> str | None:
    """Return why an envelope is not signed by a key, or None where it is."""
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError

    try:
        made = Envelope.from_dict(canonical.parse(data))
    except (ValueError, KeyError, TypeError, AttributeError):
        return "no DSSE envelope"
    if made.payload_type != envelope.PAYLOAD_TYPE:
        return f"a payload of type {canonical.short(made.payload_type)}"
    try:
        made.verify([key], 1)
    except VerificationError:
        keyids = ", ".join(map(str, made.signatures))
        return f"no such signature (keys {canonical.short(keyids) or 'none'})"
    return None


def _read(path: Path, way_out: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"key {path} cannot be read: {error.strerror}; {way_out}") from None
