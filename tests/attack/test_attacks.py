"""A sample of every attack in each test run: what verify finds, and the files that it names."""

from __future__ import annotations

import pytest

from harness import anchor, cli, layout, tables
from harness import hub as disk
from harness.resources import REPOSITORY
from tests.attack import attacks, hubs, other_tables, rows, signatures, table, test_lying_children

# One in so many: a share of the cases in each run, the same each time.
FILES_ONE_IN, VALUES_ONE_IN = 9, 23


@pytest.fixture(scope="module")
def sound(complete_hub):
    return hubs.load(complete_hub)


@pytest.fixture(scope="module")
def outcomes(sound):
    listed = [
        *list(attacks.on_files(sound))[::FILES_ONE_IN],
        *list(attacks.on_values(sound, alike_once=True))[::VALUES_ONE_IN],
        *list(attacks.on_readers(sound))[::VALUES_ONE_IN],
        *attacks.forgeries(sound),
    ]
    return [each for each in table.run(sound, listed, processes=1) if each is not None]


def test_the_hub_holds_before_it_is_attacked_and_mending_it_changes_nothing(sound):
    assert hubs.findings(sound) == hubs.against(sound, sound.files[layout.SEAL]) == ()
    mended = sound.copy()
    hubs.mend(mended)
    assert mended == sound


def test_whoever_kept_the_seal_finds_every_attack_and_is_told_its_file(outcomes):
    assert len(outcomes) > 100
    past = [each for each in outcomes if not (each.found and each.named)]
    assert past == []


def test_the_hub_alone_shows_what_was_not_mended(outcomes):
    past = [each for each in outcomes if each.attacker != hubs.MENDS and not each.rules]
    assert past == []


def test_the_hub_alone_shows_most_of_what_was_mended(outcomes):
    """What it does not show is in the threat model; arrays, reports and cells do not bend."""
    shown = {each.kind for each in outcomes if each.attacker == hubs.MENDS and each.rules}
    assert {
        "a job dropped, totals adjusted",
        "a job dropped with its skip added",
        "pass said over a failing report",
        "stages in another order",
        "a better last loss in every record",
        "fewer epochs, said in the settings too",
        "another object under the old digest",
        "a fault that survived said to be killed",
        "the tests of RED are not those of GREEN",
        "uncommitted changes denied",
        "the study shrunk by a dose",
        "a job dropped as in breach",
        "a job dropped as missing",
        "jobs of another program",
        "a command that asks for more epochs",
        "a job by an older torch",
        "a run before its stage",
    } <= shown


def test_a_hub_that_was_not_checked_would_be_noticed(sound, monkeypatch):
    """The sample can fail: without its seal check, the plain attacker's changes are not named."""
    case = next(each for each in attacks.on_files(sound) if each.kind == "added")
    assert table.outcome(sound, case, hubs.PLAIN).named
    monkeypatch.setattr(hubs.seal, "check", lambda entries, data: ())
    monkeypatch.setattr(hubs.audit, "examine", lambda *given: hubs.audit.Audit(0, (), ()))
    assert not table.outcome(sound, case, hubs.PLAIN).named


def test_the_threat_model_has_every_attack_and_nothing_got_past(outcomes):
    where = "docs/threat-model.md"
    text = (REPOSITORY / where).read_text(encoding="utf-8")
    lines, damage = tables.read(text, table.BLOCK, where=where)
    assert damage == ()
    listed = [tables.cells(line.text) for line in lines]
    assert {f"{each.kind}; {each.attacker}" for each in outcomes} <= {row[0] for row in listed}
    for attack, tried, _alone, found, named, _rules in listed:
        assert tried == found == named, attack


def test_the_tables_are_of_the_hub_in_the_repository_of_signatures_and_of_children_too():
    where = "docs/threat-model.md"
    text = (REPOSITORY / where).read_text(encoding="utf-8")
    assert f"Head of the hub: sha256 `{disk.head(table.example())}`." in text
    signed = {kind for kind, _, _ in signatures.on_signatures(hubs.load(table.example()))}
    lies = {f"a child {lie}" for lie in test_lying_children.LIES}
    for block, kinds in ((other_tables.SIGNATURES, signed), (other_tables.CHILDREN, lies)):
        lines, damage = tables.read(text, block, where=where)
        assert damage == ()
        listed = [tables.cells(line.text) for line in lines]
        assert {row[0] for row in listed} == kinds
        assert all(len({*row[1:-1]}) == 1 for row in listed)


def test_the_table_is_written_between_its_markers():
    some = rows.Outcome("removed", hubs.PLAIN, ("a",), ("seal.lost",), found=True, named=True)
    made = table.as_table(table.rows([some, None, some]), "t.md")
    assert made.rows == ("| removed; changes files | 2 | 2 | 2 | 2 | `seal.lost` |",)


def test_a_seal_kept_elsewhere_names_what_was_changed_and_sealed_again(
    hub_to_attack, tmp_path, capsys
):
    kept = tmp_path / "kept.txt"
    kept.write_bytes((hub_to_attack / layout.SEAL).read_bytes())
    assert cli.main(["verify", str(hub_to_attack), "--seal", str(kept)]) == 0
    assert anchor.check_seal(hub_to_attack, kept) == ()
    log = "green/pytest_phase_f_cli_exec_green.log"

    def attack(hub):
        hub.files[log] = b"all is well\n" + hub.files[log]

    struck = hubs.strike(hubs.load(hub_to_attack), attack, hubs.MENDS)
    for path, data in struck.files.items():
        (hub_to_attack / path).write_bytes(data)
    capsys.readouterr()
    assert cli.main(["verify", str(hub_to_attack)]) == 0
    assert cli.main(["verify", str(hub_to_attack), "--seal", str(kept)]) == 4
    assert f"{log}: " in capsys.readouterr().err


def test_a_kept_seal_that_cannot_be_read_is_refused(hub_to_attack, tmp_path, capsys):
    assert cli.main(["verify", str(hub_to_attack), "--seal", str(tmp_path / "none")]) == 2
    assert "give the copy that was kept" in capsys.readouterr().err
