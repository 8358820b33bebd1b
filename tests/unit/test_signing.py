"""Signed statements: made with a key, checked with its public half, missed where stripped."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys

import pytest

from harness import (
    canonical,
    cli,
    hub,
    layout,
    model,
    publish,
    rerun,
    resources,
    signing,
    verify,
)
from harness.errors import UsageError
from tests import small_tree
from tests.unit.test_verify import edit

STATEMENTS = {
    "cli/provenance.dsse.json",
    "green/provenance.dsse.json",
    "green/test-result.dsse.json",
}


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """Private and public halves of two ed25519 keys, and of a key of another kind."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    folder = tmp_path_factory.mktemp("keys")
    write_key(folder, "mine", ed25519.Ed25519PrivateKey.generate())
    write_key(folder, "other", ed25519.Ed25519PrivateKey.generate())
    write_key(folder, "curve", ec.generate_private_key(ec.SECP256R1()))
    return folder


def write_key(folder, name, key, password=None):
    from cryptography.hazmat.primitives import serialization as form

    how = form.BestAvailableEncryption(password) if password else form.NoEncryption()
    (folder / f"{name}.pem").write_bytes(
        key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, how)
    )
    (folder / f"{name}.pub").write_bytes(
        key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    )


@pytest.fixture(scope="module")
def signed(sound_tree, keys, tmp_path_factory):
    """A hub whose dry run and green stage are signed; not to be changed."""
    tree = small_tree.copy(sound_tree, tmp_path_factory.mktemp("signed") / "tree")
    root = small_tree.new_hub(tree)
    for stage in ("dry-run", "green"):
        assert small_tree.run_stage(tree, root, stage, key=keys / "mine.pem") == 0
    return root


@pytest.fixture
def attacked(signed, tmp_path):
    return shutil.copytree(signed, tmp_path / "hub")


def checked(root, public):
    """Return the rules that verify finds broken with a public key, and where."""
    read = publish.reader(root)
    found = (
        *verify.verify(hub.entries(root), read, resources.schema),
        *signing.check(read, signing.load_public(public)),
    )
    return {(item.rule, item.where) for item in found}


def test_a_hub_that_was_signed_holds_with_the_public_key_and_without(signed, keys, capsys):
    assert {path.relative_to(signed).as_posix() for path in signed.rglob("*.dsse.json")} == (
        STATEMENTS
    )
    assert checked(signed, keys / "mine.pub") == set()
    assert cli.main(["verify", str(signed)]) == 0
    assert "3 of 3 statements are signed; no signature was checked" in capsys.readouterr().out
    assert cli.main(["verify", str(signed), "--public-key", str(keys / "mine.pub")]) == 0
    assert "3 of 3 statements are signed; each of them by" in capsys.readouterr().out


def test_the_answer_in_json_says_what_was_checked(signed, keys, capsys):
    words = ["verify", str(signed), "--format=json"]
    assert cli.main(words) == 0
    unchecked = json.loads(capsys.readouterr().out)["signatures"]
    assert unchecked == {"statements": 3, "signed": 3, "checked_with": None}
    assert cli.main([*words, "--public-key", str(keys / "mine.pub")]) == 0
    keyid = json.loads(capsys.readouterr().out)["signatures"]["checked_with"]
    envelope = json.loads((signed / "cli/provenance.dsse.json").read_bytes())
    assert [each["keyid"] for each in envelope["signatures"]] == [keyid]


def test_a_hub_that_was_not_signed_says_so(complete_hub, keys, capsys):
    assert cli.main(["verify", str(complete_hub)]) == 0
    assert "0 of 7 statements are signed" in capsys.readouterr().out
    assert len(checked(complete_hub, keys / "mine.pub")) == 7


def test_an_envelope_is_dsse_around_the_bytes_of_its_statement(signed):
    envelope = json.loads((signed / "cli/provenance.dsse.json").read_bytes())
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    assert (
        base64.b64decode(envelope["payload"]) == (signed / "cli" / layout.PROVENANCE).read_bytes()
    )


def test_openssl_alone_can_check_a_signature(signed, keys, tmp_path):
    envelope = json.loads((signed / "cli/provenance.dsse.json").read_bytes())
    payload, kind = base64.b64decode(envelope["payload"]), envelope["payloadType"].encode()
    message = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
    (tmp_path / "message").write_bytes(message)
    (tmp_path / "signature").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    words = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", keys / "mine.pub"]
    words += ["-in", tmp_path / "message", "-sigfile", tmp_path / "signature"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "Verified Successfully" in done.stdout + done.stderr


# Attacks; the hub is derived and sealed again after each.


def strip(root):
    (root / "green/test-result.dsse.json").unlink()


def strip_all(root):
    for path in STATEMENTS:
        (root / path).unlink()


def drop_signatures(root):
    edit(root, "cli/provenance.dsse.json", lambda envelope: envelope.update(signatures=[]))


def change_signature(root):
    def change(envelope):
        (signature,) = envelope["signatures"]
        raw = bytearray(base64.b64decode(signature["sig"]))
        raw[7] ^= 1
        signature["sig"] = base64.b64encode(raw).decode()

    edit(root, "cli/provenance.dsse.json", change)


def change_keyid(root):
    def change(envelope):
        envelope["signatures"][0]["keyid"] = "0" * 64

    edit(root, "cli/provenance.dsse.json", change)


def swap(root):
    shutil.copy(root / "cli/provenance.dsse.json", root / "green/provenance.dsse.json")


def break_json(root):
    (root / "cli/provenance.dsse.json").write_text("{")


def no_envelope(root):
    (root / "cli/provenance.dsse.json").write_text("[1]")


def change_record_and_mend(root):
    """Change what a stage says of itself, and everything that cites it, but for the signature."""
    edit(root, "green/stage.json", lambda record: record.update(elapsed_s=0.5))


def change_statement_in_the_envelope_too(root):
    change_record_and_mend(root)
    publish.derive_and_seal(root)
    statement = base64.b64encode((root / "green" / layout.PROVENANCE).read_bytes()).decode()
    edit(root, "green/provenance.dsse.json", lambda envelope: envelope.update(payload=statement))


@pytest.mark.parametrize(
    ("attack", "rule", "where"),
    [
        (strip, "hub.unsigned", "green/test-result.dsse.json"),
        (strip_all, "hub.unsigned", "cli/provenance.dsse.json"),
        (drop_signatures, "hub.signature", "cli/provenance.dsse.json"),
        (change_signature, "hub.signature", "cli/provenance.dsse.json"),
        (change_keyid, "hub.signature", "cli/provenance.dsse.json"),
        (swap, "hub.envelope", "green/provenance.dsse.json"),
        (break_json, "hub.signature", "cli/provenance.dsse.json"),
        (no_envelope, "hub.signature", "cli/provenance.dsse.json"),
        (change_record_and_mend, "hub.envelope", "green/provenance.dsse.json"),
        (change_statement_in_the_envelope_too, "hub.signature", "green/provenance.dsse.json"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_an_attack_on_signatures_is_found_though_all_else_was_mended(
    attacked, keys, attack, rule, where
):
    attack(attacked)
    publish.derive_and_seal(attacked)
    assert (rule, where) in checked(attacked, keys / "mine.pub")
    words = ["verify", str(attacked), "--public-key", str(keys / "mine.pub")]
    assert cli.main(words) == 4


def test_another_s_key_is_noticed(signed, keys):
    found = checked(signed, keys / "other.pub")
    assert found == {("hub.signature", path) for path in STATEMENTS}


def test_signing_a_forgery_with_another_key_is_noticed(attacked, keys):
    change_record_and_mend(attacked)
    signer = signing.load(keys / "other.pem")
    strip_all(attacked)
    publish.derive_and_seal(attacked, signer, "cli")
    publish.derive_and_seal(attacked, signer, "green")
    assert checked(attacked, keys / "other.pub") == set()
    assert checked(attacked, keys / "mine.pub") == {("hub.signature", path) for path in STATEMENTS}


def test_a_hub_robbed_of_all_its_stages_does_not_hold_with_a_key(attacked, keys):
    for folder in ("cli", "green", "docs"):
        shutil.rmtree(attacked / folder)
    (attacked / layout.CRATE).unlink()
    hub.seal_hub(attacked)
    assert checked(attacked, keys / "mine.pub") == {("hub.unsigned", "hub.json")}


@pytest.mark.parametrize("place", ["collect/provenance.dsse.json", "cli/test-result.dsse.json"])
def test_an_envelope_without_its_statement_is_found_without_a_key(attacked, place):
    (attacked / place).parent.mkdir(exist_ok=True)
    shutil.copy(attacked / "green/test-result.dsse.json", attacked / place)
    publish.derive_and_seal(attacked)
    read = publish.reader(attacked)
    found = verify.verify(hub.entries(attacked), read, resources.schema)
    assert ("hub.envelope", place) in {(item.rule, item.where) for item in found}


def test_a_changed_payload_is_found_without_a_key(attacked):
    swap(attacked)
    publish.derive_and_seal(attacked)
    read = publish.reader(attacked)
    found = verify.verify(hub.entries(attacked), read, resources.schema)
    assert [(item.rule, item.where) for item in found] == [
        ("hub.envelope", "green/provenance.dsse.json")
    ]


# Keys.


def test_the_same_key_gives_the_same_envelope(signed, keys):
    data = (signed / "cli" / layout.PROVENANCE).read_bytes()
    envelope = signing.sign(data, signing.load(keys / "mine.pem"))
    assert envelope == (signed / "cli/provenance.dsse.json").read_bytes()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        (b"", "is no private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "is no private key"),
        ("curve.pem", "is no ed25519 key"),
        ("mine.pub", "is no private key"),
        ("locked", "is no private key"),
    ],
)
def test_a_key_that_cannot_sign_is_a_usage_error_that_says_how_to_make_one(
    keys, tmp_path, content, said
):
    path = tmp_path / "key.pem"
    if content == "locked":
        from cryptography.hazmat.primitives.asymmetric import ed25519

        write_key(tmp_path, "key", ed25519.Ed25519PrivateKey.generate(), b"word")
    elif content is not None:
        path.write_bytes(content if isinstance(content, bytes) else (keys / content).read_bytes())
    with pytest.raises(UsageError, match=said) as caught:
        signing.load(path)
    assert "openssl genpkey -algorithm ed25519" in str(caught.value)


@pytest.mark.parametrize("name", ["mine.pem", "curve.pub", "absent.pub"])
def test_what_is_no_public_key_is_a_usage_error(signed, keys, name, capsys):
    assert cli.main(["verify", str(signed), "--public-key", str(keys / name)]) == 2
    assert "openssl pkey" in capsys.readouterr().err


def test_a_wrong_key_ends_a_stage_before_it_begins(tree, keys, monkeypatch, capsys):
    root = small_tree.new_hub(tree)
    monkeypatch.chdir(tree)
    for words in (["stage", "dry-run", "--hub", str(root)], ["new-hub"]):
        assert cli.main([*words, "--preset=smoke", "--key", str(keys / "curve.pem")]) == 2
        assert "ed25519" in capsys.readouterr().err
    assert sorted(path.name for path in root.iterdir()) == ["hub.json", layout.SEAL]
    assert list(root.parent.parent.iterdir()) == [root.parent]


def test_the_variable_names_a_key_and_the_option_goes_before_it(tree, keys, monkeypatch):
    monkeypatch.setenv("HARNESS_SIGNING_KEY_FILE", str(keys / "mine.pem"))
    one, other = small_tree.new_hub(tree), small_tree.new_hub(tree)
    monkeypatch.chdir(tree)
    words = ["--preset=smoke", *small_tree.ONE_JOB]
    assert cli.main(["stage", "dry-run", "--hub", str(one), *words]) == 0
    public = {name: signing.load_public(keys / f"{name}.pub") for name in ("mine", "other")}
    assert signing.check(publish.reader(one), public["mine"]) == ()
    words += ["--key", str(keys / "other.pem")]
    assert cli.main(["stage", "dry-run", "--hub", str(other), *words]) == 0
    assert signing.check(publish.reader(other), public["other"]) == ()


def test_children_are_not_told_where_the_key_lies(monkeypatch):
    from harness import provenance

    monkeypatch.setenv("HARNESS_SIGNING_KEY_FILE", "secret.pem")
    assert "HARNESS_SIGNING_KEY_FILE" not in provenance.child_environment()
    assert os.environ["HARNESS_SIGNING_KEY_FILE"] == "secret.pem"


def test_no_file_of_a_signed_hub_says_where_the_key_lies_or_what_it_is(signed, keys):
    secret = (keys / "mine.pem").read_bytes().splitlines()[1]
    for entry in hub.entries(signed):
        data = (signed / entry.path).read_bytes()
        assert b"mine.pem" not in data
        assert secret not in data


def test_nothing_that_does_not_sign_imports_the_cryptography():
    code = (
        "import sys; from harness import cli, signing, publish, stages, verify; "
        "cli.make_parser(); print([m for m in ('securesystemslib', 'cryptography') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_later_stage_does_not_sign_for_an_earlier_one(tree, keys):
    root = small_tree.new_hub(tree)
    small_tree.run_stage(tree, root, "dry-run")
    small_tree.run_stage(tree, root, "collect", key=keys / "mine.pem")
    assert checked(root, keys / "mine.pub") == {("hub.unsigned", "cli/provenance.dsse.json")}


def test_mending_a_signed_hub_alone_is_no_attack(attacked, keys):
    head = hub.head(attacked)
    publish.derive_and_seal(attacked)
    assert hub.head(attacked) == head
    assert canonical.sha256((attacked / layout.SEAL).read_bytes()) == head


# Hubs without a stage.


@pytest.fixture
def reproduced(tree, complete_hub, keys, monkeypatch):
    """A hub that holds one job run again, signed."""
    monkeypatch.chdir(tree)
    monkeypatch.setenv(small_tree.CHILD_WORDS, "")
    monkeypatch.setenv("PYTHONPATH", str(tree))
    monkeypatch.setattr(rerun, "REPOSITORY", tree)
    monkeypatch.setattr(model, "CHILD_NEEDS", ())
    words = ["reproduce", str(complete_hub), "--job", "dose_1000/dense/train"]
    assert cli.main([*words, "--key", str(keys / "curve.pem")]) == 2
    assert not list(tree.glob("plans/active/*/reports/*/reproduction"))
    assert cli.main([*words, "--key", str(keys / "mine.pem")]) == 0
    (root,) = tree.glob("plans/active/*/reports/*/reproduction")
    return root


def test_a_reproduction_is_signed_and_a_forged_or_unsigned_one_does_not_hold(reproduced, keys):
    place = reproduced / layout.REPRODUCE / layout.ENVELOPES[layout.PROVENANCE]
    where = place.relative_to(reproduced).as_posix()
    assert checked(reproduced, keys / "mine.pub") == set()
    assert checked(reproduced, keys / "other.pub") == {("hub.signature", where)}
    record = f"{layout.REPRODUCE}/{layout.REPRODUCTION}"
    edit(reproduced, record, lambda each: each["original"].update(head_sha256="0" * 64))
    publish.derive_and_seal(reproduced)
    assert checked(reproduced, keys / "mine.pub") == {("hub.envelope", where)}
    place.unlink()
    publish.derive_and_seal(reproduced)
    assert checked(reproduced, keys / "mine.pub") == {("hub.unsigned", where)}


def test_a_wrong_key_ends_the_mutation_tester_before_it_starts(tree, keys, monkeypatch, capsys):
    monkeypatch.chdir(tree)
    assert cli.main(["mutation", "--key", str(keys / "curve.pem")]) == 2
    assert "ed25519" in capsys.readouterr().err
