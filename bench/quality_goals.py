"""Which goals of the comparison are reached, by which cells, and which cells count for none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.quality_cell import Cell, name, shared_band, table

TIME_SHARE = 1 / 5
WITHIN_OF_BEST = 1.05
WITHIN_OF_LIMIT = 2.0
LIMIT_DOSES = (10000, 100000)
LIMIT_VIEWS = ("baseline", "dense")
GOAL_WORDS = """\
A stop at once is an outcome of `default`. So that it excludes nothing unseen, the third column
counts those cells, too, that it alone excludes; of them, such as miss are in brackets."""
CAUTION_WORDS = """\
Both signs are on the side of caution. Neither is necessary: what `default` delivers may have less
error in one of these cells than in one that counts."""
FLAT_WORDS = """\
Of the cells that can be reconstructed, these end no better than an object of ones. Less error than
`seed` where `seed` is one of them is less than something worse than nothing:"""


def goals(cells: Sequence[Cell]) -> list[str]:
    """Return the lines of the document's last part."""
    covered = [cell for cell in cells if cell.coverage.enough]
    limited = [
        cell
        for cell in covered
        if cell.key.dose_photons in LIMIT_DOSES and cell.key.view in LIMIT_VIEWS
    ]
    goals: list[tuple[str, Sequence[Cell], Callable[[Cell], bool]]] = [
        ("`default` has less error than `seed` at its end", covered, _beats),
        ("the chosen epoch's error is within 5 % of the best epoch's", cells, _chooses),
        ("`default` reaches the final error of `seed` in 1/5 of its time", covered, _is_fast),
        (
            "dense and baseline at 1e4 and 1e5: within a factor of 2 of the photon limit",
            limited,
            _is_near,
        ),
    ]
    heads = ("goal", "reached", "with those stopped at once", "not in")
    return [
        "## Goals",
        "",
        GOAL_WORDS,
        "",
        *table(heads, [_goal(*goal, excludes=goal[1] is not cells) for goal in goals]),
        "",
        *_lost(cells),
        "",
        *_no_better_than_flat([cell for cell in cells if not cell.why_not]),
    ]


def _goal(
    words: str, asked: Sequence[Cell], holds: Callable[[Cell], bool], *, excludes: bool
) -> list[str]:
    """Return the row of a goal: reached without and with the cells that an outcome excludes."""
    counted = [cell for cell in asked if not (excludes and cell.why_not)]
    misses = [cell for cell in asked if not holds(cell)]
    named = [name(cell) if cell in counted else f"({name(cell)})" for cell in misses]
    shares = [_share([cell for cell in many if holds(cell)], many) for many in (counted, asked)]
    return [words, *shares, ", ".join(named)]


def _share(some: Sequence[Cell], many: Sequence[Cell]) -> str:
    return f"{len(some)} of {len(many)}"


def _lost(cells: Sequence[Cell]) -> list[str]:
    """Return which cells cannot be reconstructed, by what signs."""
    signs = {
        "by coverage alone": (False, False),
        "by coverage and by held-out photons": (False, True),
        "by held-out photons alone": (True, True),
    }
    lines = ["Cannot be reconstructed:", ""]
    for words, sign in signs.items():
        lost = [cell for cell in cells if (cell.coverage.enough, cell.stopped_at_once) == sign]
        lines.append(f"- {words}: {_names(lost) or 'none'}")
    return [*lines, *_no_worse_than_counted(cells)]


def _no_worse_than_counted(cells: Sequence[Cell]) -> list[str]:
    """Return which cells that count for none end with less error than the worst that counts."""
    counted = [cell for cell in cells if not cell.why_not]
    if not counted:
        return []
    worst = max(counted, key=_ended)
    better = [cell for cell in cells if cell.why_not and _ended(cell) < _ended(worst)]
    said = ", ".join(map(_with_error, better)) or "none"
    return ["", CAUTION_WORDS, "", f"- more in {_with_error(worst)}, less in: {said}"]


def _with_error(cell: Cell) -> str:
    return f"{name(cell)} ({_ended(cell):.3f})"


def _ended(cell: Cell) -> float:
    return cell.default.error(cell.default.chosen)


def _no_better_than_flat(cells: Sequence[Cell]) -> list[str]:
    ends = {
        "`seed`, at its end": lambda cell: cell.seed.nrmse[-1],
        "`default`, chosen": _ended,
    }
    lines = [FLAT_WORDS, ""]
    for words, error in ends.items():
        worse = [cell for cell in cells if error(cell) >= cell.flat]
        lines.append(f"- {words}: {_share(worse, cells)}" + (f" ({_names(worse)})" * bool(worse)))
    return lines


def _names(cells: Sequence[Cell]) -> str:
    return ", ".join(map(name, cells))


def _beats(cell: Cell) -> bool:
    return _ended(cell) < cell.seed.nrmse[-1]


def _chooses(cell: Cell) -> bool:
    default = cell.default
    return _ended(cell) <= WITHIN_OF_BEST * default.error(default.best)


def _is_fast(cell: Cell) -> bool:
    reached_s = cell.default.seconds_to(cell.seed.nrmse[-1])
    return reached_s is not None and reached_s <= TIME_SHARE * cell.seed.cpu_s[-1]


def _is_near(cell: Cell) -> bool:
    band = shared_band(cell)
    return band is not None and band.errors_rad[1] <= WITHIN_OF_LIMIT * band.limit_rad
