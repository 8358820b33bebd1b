"""What an auditor found of attacks, and the rows that tell of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

RULES_SHOWN = 4


@dataclass(frozen=True)
class Outcome:
    """What an auditor found of one attack: by the hub alone, and with her copy of the seal."""

    kind: str
    attacker: str
    touched: tuple[str, ...]
    rules: tuple[str, ...]
    found: bool
    named: bool


@dataclass
class Row:
    """The outcomes of one kind of attack by one attacker."""

    tried: int = 0
    by_itself: int = 0
    found: int = 0
    named: int = 0
    rules: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        self.tried += 1
        self.by_itself += bool(outcome.rules)
        self.found += outcome.found
        self.named += outcome.named
        self.rules.update(outcome.rules)


def rules(row: Row) -> str:
    """Return the rules that fired most, as a row shows them."""
    common = [f"`{rule}`" for rule, _ in row.rules.most_common(RULES_SHOWN)]
    return " ".join(common + (["…"] if len(row.rules) > RULES_SHOWN else []))
