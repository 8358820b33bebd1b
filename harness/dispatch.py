"""Launch the jobs of a plan, some side by side, and record what becomes of each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from harness import evidence, files, joblog, layout, manifest, provenance, rules, runner
from harness.errors import EXIT_FAILED, EXIT_OK, JobFailed
from harness.ledger import Ledger
from harness.model import ReconstructionJob
from harness.wording import counted

Say = Callable[[str], object]
MakeArgv = Callable[[ReconstructionJob], list[str]]


class Dispatch:
    """The jobs of one run on their way through `parallel` places.

    make_argv: gives a job's command.
    """

    def __init__(
        self,
        ledger: Ledger,
        make_argv: MakeArgv,
        say: Say,
        parallel: int,
    ) -> None:
        self.ledger = ledger
        self.make_argv = make_argv
        self.say = say
        self.parallel = parallel
        self.stop = runner.Stop()
        self.closed = threading.Event()

    def run(self, jobs: Sequence[ReconstructionJob], *, fail_fast: bool) -> int:
        """Run the jobs, in order as places come free; return the run's exit code.

        A failing job does not stop the others; with fail_fast no further one is launched.  An
        interrupt ends the children, records them as interrupted, and is raised again.
        """
        turns = [partial(self._take_turn, job, fail_fast) for job in jobs]
        succeeded = runner.side_by_side(turns, self.parallel, self.stop)
        failed, left = succeeded.count(False), succeeded.count(None)
        self.say(f"{counted(len(jobs), 'job')}, {failed} failed, {left} not launched")
        return EXIT_FAILED if failed else EXIT_OK

    def _take_turn(self, job: ReconstructionJob, fail_fast: bool) -> bool | None:
        """Launch a job unless no more are to be launched; None where it was not."""
        if self.closed.is_set() or self.stop.is_set():
            self.ledger.set(job.key, status=manifest.NOT_LAUNCHED)
            return None
        try:
            succeeded = self.launch(job)
        except BaseException:
            # Set here, in the thread that would go on: no further job slips in meanwhile.
            self.closed.set()
            raise
        if fail_fast and not succeeded:
            self.closed.set()
        return succeeded

    def launch(self, job: ReconstructionJob) -> bool:
        """Run and reconcile one job, its state kept in the ledger; return whether it succeeded."""
        self.say(f"job {job.key}: running")
        clock = time.monotonic()
        self.ledger.set(job.key, status=manifest.RUNNING, started_at=provenance.iso_now())
        facts: dict[str, Any] = {"status": manifest.INTERRUPTED}
        try:
            facts = self.outcome(job)
        finally:
            elapsed_s = round(time.monotonic() - clock, 3)
            finished_at = provenance.iso_now()
            result = {
                **self.ledger.result(job.key),
                **facts,
                "finished_at": finished_at,
                "elapsed_s": elapsed_s,
            }
            text = joblog.render(self.ledger.job(job.key), result)
            files.write_new(Path(job.output_dir) / layout.JOB_LOG, text)
            self.ledger.set(job.key, **result)
            self.say(f"job {job.key}: {result['status']} after {elapsed_s} s")
        return facts["status"] == manifest.SUCCEEDED

    def outcome(self, job: ReconstructionJob) -> dict[str, Any]:
        """Run one child and return what became of it, as facts for the manifest."""
        sink = runner.terminal
        if self.parallel > 1:
            sink = partial(runner.terminal, prefix=f"[{job.key}] ".encode())
        try:
            log_path = Path(job.log_path)
            done = runner.run_job(job, self.make_argv(job), log_path, sink=sink, stop=self.stop)
        except JobFailed as error:
            self.say(str(error))
            status = manifest.INTERRUPTED if self.stop.is_set() else manifest.FAILED
            return {"status": status, "returncode": error.returncode}
        proof = evidence.reconcile_job(job)
        for item in proof.findings:
            self.say(rules.as_text(item))
        agrees = not rules.errors(proof.findings)
        return {
            "status": manifest.SUCCEEDED if agrees else manifest.FAILED,
            "returncode": done.returncode,
            "findings": [item.as_record() for item in proof.findings],
            **manifest.attested_facts(proof.attestation),
        }
