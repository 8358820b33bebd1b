"""One reconstruction by a recipe, by the child's own steps, in this process and on one core."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.timing import REPOSITORY
from harness import canonical, files, heldout, provenance, quality, recipefile
from harness.jobs import arguments, epochs, intake, ptychi_lsqml, truth, work

if TYPE_CHECKING:
    from ptychi.api.task import PtychographyTask


@dataclass(frozen=True)
class Trial:
    """What each epoch of a reconstruction came to; lists of one figure an epoch.

    recipe: name, version and sha256.  held_out: deviances, empty where nothing is held out.
    nrmse: against the truth.  cpu_s: processor seconds since the first epoch began, the scoring of
    held-out data included, that against the truth not.  failure: why it ended early, if it did.
    metrics: of the delivered epoch, None where they were not asked for.  updates: batches of all
    epochs, each of which moves the object once.  commit: of the code.  as_good: by which the recipe
    chooses an epoch, as for `heldout.chosen`.
    """

    recipe: Mapping[str, Any]
    held_out: Sequence[float]
    nrmse: Sequence[float]
    cpu_s: Sequence[float]
    failure: str | None
    metrics: Mapping[str, Any] | None
    updates: int
    commit: str
    as_good: float

    @property
    def made_by(self) -> str:
        """The recipe, and how near to the least it takes to be as good where data are held out."""
        as_good = f", as_good {self.as_good}" if self.held_out else ""
        named = self.recipe
        return (
            f"`{named['name']}` version {named['version']} (sha256 {named['sha256'][:12]}{as_good})"
        )

    @property
    def chosen(self) -> int:
        """The epoch that held-out data choose, counted from 1; the last where none are held out."""
        return heldout.chosen(self.held_out, self.as_good) if self.held_out else len(self.nrmse)

    @property
    def best(self) -> int:
        """The epoch of the least error, counted from 1: what nobody without a truth can know."""
        return 1 + min(range(len(self.nrmse)), key=self.nrmse.__getitem__)

    def error(self, epoch: int) -> float:
        """Return the NRMSE after an epoch, counted from 1."""
        return self.nrmse[epoch - 1]

    def seconds_to(self, error: float) -> float | None:
        """Return the time of the epochs until the NRMSE is that small; None where it never is."""
        pairs = zip(self.nrmse, self.cpu_s, strict=True)
        return next((cpu_s for found, cpu_s in pairs if found <= error), None)

    def epochs_for(self, updates: int) -> int:
        """Return how many epochs of the recipe come nearest to so many updates, one at least."""
        return max(1, round(updates * len(self.nrmse) / self.updates))


class Stopwatch:
    """Adds up the processor time of the calls that it is laid around."""

    def __init__(self) -> None:
        self.spent_s = 0.0

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a call that does the same, and is timed."""

        def timed(*given: Any, **named: Any) -> Any:
            began = time.process_time()
            try:
                return call(*given, **named)
            finally:
                self.spent_s += time.process_time() - began

        return timed


def on_one_core(module: str) -> None:
    """Start a module again with one thread, unless it has: before numpy it would be too late."""
    if any(os.environ.get(name) != value for name, value in provenance.environment_set().items()):
        argv = [sys.executable, "-m", module, *sys.argv[1:]]
        raise SystemExit(subprocess.call(argv, env=provenance.child_environment()))


def kept(
    recipe: str | Path,
    npz: Path,
    seed: int,
    folder: Path,
    *,
    measured: bool = True,
    known: Path | None = None,
) -> Trial:
    """Return a trial, from the folder if it was made there before.  known: as for `start`."""
    asked = recipefile.load(recipe)
    del asked["source_sha256"]
    made_of = {"recipe": asked, "input": files.sha256_file(npz), "seed": seed}
    if asked.get("held_out"):
        made_of["rule"] = files.sha256_file(Path(str(heldout.__file__)))
    if known is not None:
        made_of["known"] = files.sha256_file(known)
    path = folder / f"{canonical.digest(made_of)[:16]}.json"
    if not path.is_file():
        done = asdict(run(recipe, npz, seed, measured=measured, known=known))
        files.write_json(path, done)
    return Trial(**canonical.parse(path.read_bytes()))


def run(
    recipe: str | Path,
    npz: Path,
    seed: int,
    *,
    measured: bool = False,
    known: Path | None = None,
) -> Trial:
    """Reconstruct an input; nothing is written.  recipe: a name, or a TOML or JSON file."""
    with quiet():
        plan, task = start(recipe, npz, seed, known=known)
        history, cpu_s = _timed(task, plan)
    named = {name: plan.recipe[name] for name in ("name", "version")}
    named["sha256"] = _digest(plan.recipe)
    metrics = _metrics(plan, history) if measured else None
    updates = len(history.losses) * len(task.reconstructor.dataloader)
    found = (history.deviances, history.errors, cpu_s, history.failure, metrics, updates)
    return Trial(named, *found, commit(), plan.as_good)


def commit() -> str:
    """Return the commit of the code, "-dirty" behind it where files differ."""
    words = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    done = subprocess.run(words, check=True, capture_output=True, text=True, cwd=REPOSITORY)
    return done.stdout.strip()


def start(
    recipe: str | Path, npz: Path, seed: int, device: str = "cpu", known: Path | None = None
) -> tuple[work.Work, PtychographyTask]:
    """Return a child's plan and pty-chi's task, nothing run yet.

    known: the same scan with the right probe, where that of the input is a guess: by the input
    alone nobody could tell that its objectGuess is the truth.
    Raises InputInvalid where the input cannot serve or the device is not there.
    """
    argv = ["--input-npz", str(npz), "--output-dir", "none", "--recipe", str(recipe)]
    argv += ["--probe", "given" if known is None else "guess"]
    request = arguments.parse([*argv, "--seed", str(seed), "--device", device])
    scan = intake.read(request.input_npz)
    reference = truth.find(scan if known is None else intake.read(str(known)))
    plan = work.make(scan, ptychi_lsqml._recipe(request), request.seed, reference)
    return plan, ptychi_lsqml._task(request, plan)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep a child's words off the terminal."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def variant(base: str, changes: Mapping[str, Any], path: Path) -> Path:
    """Write a recipe that replaces values of another, and return the path.

    changes: by place, the names of tables and key joined by "/" (keys hold dots); "" removes one.
    """
    recipe = recipefile.load(base)
    del recipe["source_sha256"]
    for place, value in changes.items():
        *tables, key = place.split("/")
        inside = recipe
        for name in tables:
            inside = inside.setdefault(name, {})
        if value == "":
            inside.pop(key, None)
        else:
            inside[key] = value
    path.write_bytes(canonical.to_bytes(recipe))
    return path


def _timed(task: PtychographyTask, plan: work.Work) -> tuple[epochs.History, list[float]]:
    """Run all epochs, and return the time spent up to the end of each."""
    stopwatch, ends_s = Stopwatch(), []
    run_epoch, watch = stopwatch.around(task.run), plan.watch()
    if watch.deviance is not None:
        watch = replace(watch, deviance=stopwatch.around(watch.deviance))

    def run_one(**named: Any) -> None:
        ends_s.append(stopwatch.spent_s)
        run_epoch(**named)

    task.run = run_one
    history = epochs.run(task, plan.num_epochs, watch)
    return history, [*ends_s[1:], stopwatch.spent_s]


def _digest(asked: Mapping[str, Any]) -> str:
    return canonical.digest({key: asked[key] for key in asked if key != "source_sha256"})


def _metrics(plan: work.Work, history: epochs.History) -> Mapping[str, Any]:
    state, scan = history.delivered, plan.scan
    frames = quality.Frames(scan.counts, scan.probe, scan.corners, scan.object_guess)
    return quality.measure(frames, state.object_, plan.whole(state.probe))
