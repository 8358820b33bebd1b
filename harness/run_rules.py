"""The rules of what is run: jobs, attestations, tests, documents."""

from __future__ import annotations

from harness.rule import Rule

RULES: dict[str, Rule] = {
    # Jobs and manifest.
    "input.missing-phase-c": Rule(
        "every selected Phase C job has its input",
        "check the root, or make the inputs (`make inputs`)",
    ),
    "input.missing": Rule(
        "every selected job has its input",
        "make the inputs (`make inputs`), mend the root, or pass --allow-missing-phase-d",
    ),
    "input.root": Rule(
        "a root is a folder that holds inputs", "make the inputs (`make inputs`), or mend the root"
    ),
    "manifest.study": Rule("a manifest tells its study as it is", "make the manifest again"),
    "manifest.filter": Rule("only cells that were asked for run", "make the manifest again"),
    "manifest.reason": Rule("a skip says all its reasons", "make the manifest again"),
    "manifest.left-out": Rule(
        "a cell is left out for a reason that gates, inputs and command bear out",
        "run the stage again in a new hub, or give the inputs that the run had",
    ),
    "manifest.missing": Rule("a missing job is a skip", "make the manifest again"),
    "manifest.rate": Rule("accepted and rejected give the rate", "make the manifest again"),
    "manifest.elapsed": Rule("start and end give the time spent", "run the job again"),
    "manifest.subject": Rule("the gate of a dry run is of its manifest", "make the manifest again"),
    "manifest.totals": Rule("selected + skipped = total", "make the manifest again"),
    "manifest.cell-twice": Rule("a cell has one outcome", "make the manifest again"),
    "manifest.cell-lost": Rule("no cell is dropped", "make the manifest again"),
    "manifest.cell-unknown": Rule("only the study's cells run", "make the manifest again"),
    "manifest.order": Rule("jobs stand in the study's order", "make the manifest again"),
    "manifest.state": Rule("a job and its result agree", "run the job again in a new hub"),
    "manifest.result-lost": Rule("a launched job has a result", "run the job again in a new hub"),
    "manifest.path": Rule("paths stay inside, each at its cell's place", "make the manifest again"),
    "manifest.plan-digest": Rule("the plan is the one cited", "make the manifest again"),
    # Attestations against jobs.
    "attest.missing": Rule("a child leaves an attestation", "read the job's log; mend the child"),
    "attest.unreadable": Rule("an attestation is JSON", "read the job's log; mend the child"),
    "attest.status": Rule("the child says that it succeeded", "read the job's log"),
    "attest.recipe": Rule("the recipe asked for was followed", "mend the child, run the job again"),
    "attest.settings": Rule(
        "the options at work are the recipe's, and pty-chi's defaults else", "mend the child"
    ),
    "attest.stop": Rule("the epoch is chosen by the rule asked for", "mend the child"),
    "attest.held-out": Rule("the share asked for is held out, by the seed", "mend the child"),
    "attest.algorithm": Rule("the algorithm asked for ran", "mend the child, run the job again"),
    "attest.epochs": Rule("all epochs asked for ran", "mend the child, run the job again"),
    "attest.input": Rule("the input described is the input read", "keep inputs still during a run"),
    "attest.seed": Rule("the seed asked for was used", "mend the child, run the job again"),
    "attest.batch-size": Rule("the batch size asked for was used", "mend the child"),
    "attest.initial-object": Rule("the initial object asked for was used", "mend the child"),
    "attest.halves": Rule("the halves asked for were made", "mend the child"),
    "attest.device": Rule("the device asked for was honoured", "mend the child"),
    "attest.itself": Rule("an attestation does not contradict itself", "mend the child"),
    "attest.outputs": Rule("outputs are as attested", "run the job again in a new hub"),
    # RED, GREEN and collection.
    "junit.readable": Rule("a test report is pytest's whole JUnit XML", "run the stage again"),
    "junit.safe": Rule("a test report is plain and of sane size", "do not open this file"),
    "junit.totals": Rule("a test report's totals are those of its tests", "run the stage again"),
    "junit.one-result": Rule("a test has one result in a report", "run the stage again"),
    "fault.unique-id": Rule("each fault has an id of its own", "rename one of them"),
    "fault.same-change": Rule("each fault is a change of its own", "remove one of them"),
    "fault.file": Rule(
        "faults change the code under test, nothing else", "name a file of harness/ or schemas/"
    ),
    "fault.change": Rule("a fault changes something", "let replace differ from find"),
    "fault.kills-mapped": Rule(
        "faults are declared for mapped tests", "name a mapped test, or remove the fault"
    ),
    "fault.enough": Rule(
        "each mapped test has enough faults to prove itself on", "declare more faults for it"
    ),
    "fault.applies": Rule(
        "a declared fault still has its one place in the code",
        "bring the fault's find text in line with the code",
    ),
    "fault.breaks": Rule(
        "a declared fault leaves code that can be loaded as before and names what there is",
        "declare a fault that compiles, imports nothing new and names what the file knows",
    ),
    "red.mapped": Rule("RED is about mapped tests", "map a test in the study file"),
    "red.unfaulted": Rule(
        "a mapped test passes, or fails by assertion, as the tree stands", "mend the test first"
    ),
    "red.killed": Rule(
        "a mapped test fails by assertion under each of its faults",
        "sharpen the test, or declare a fault that its assertions can see",
    ),
    "red.base": Rule(
        "a mapped test fails by assertion at the base",
        "name an earlier commit, one that today's tests can run against, or leave it out",
    ),
    "red.base-tests": Rule(
        "the tests at the base are those of RED, byte for byte", "run the stage again in a new hub"
    ),
    "red.faults": Rule(
        "RED keeps the faults file that was hashed, and proves each fault in it, no other",
        "do not trust this hub; run the stage again",
    ),
    "red.own-report": Rule("each run has a report of its own", "run the stage again in a new hub"),
    "red.recomputed": Rule(
        "the record of RED follows from its reports", "do not trust this hub; run the stage again"
    ),
    "collect.report": Rule("a collection report is whole", "run the stage again"),
    "collect.errors": Rule("every test module can be collected", "mend the module"),
    "collect.skipped": Rule("no test module skips itself", "remove the module-level skip"),
    "collect.deselected": Rule(
        "no test of the mapped module is left out", "remove what leaves it out"
    ),
    "collect.local": Rule(
        "the tests import the tree they lie in", "run the stage from the root of the checkout"
    ),
    "collect.markers": Rule(
        "a document has its marker lines", "put the rows between the lines <!-- NAME:begin/end -->"
    ),
    "collect.row": Rule("between marker lines stand table rows only", "mend the line"),
    "collect.row-twice": Rule("a row stands once", "remove the line (make docs-sync)"),
    "collect.listed": Rule("what there is is listed", "add the line (make docs-sync)"),
    "collect.stale": Rule(
        "what is listed is there", "remove the line (make docs-sync), or mend the name"
    ),
    "collect.changed": Rule("a row says what is so", "change the line (make docs-sync)"),
    "collect.order": Rule("rows stand in the order of the tree", "run make docs-sync"),
    "collect.purpose": Rule(
        "each test, test file, target, session and command has its purpose",
        "write it into the row of a test, else where the thing is declared",
    ),
    "collect.unknown": Rule(
        "the guide's commands are those that the tree takes", "mend the command in the guide"
    ),
    "collect.selector": Rule(
        "a listed selector selects tests", "mend the selector, or remove its line"
    ),
    "collect.command": Rule(
        "the guide lists the commands that run", "add the command to a bash block of the guide"
    ),
    "green.some": Rule("GREEN is about tests that ran", "mend the selector"),
    "green.passed": Rule("every test passes", "read the report; mend the code"),
    "green.expected": Rule("the tests that run are those of the selector", "mend the selector"),
    "green.deselected": Rule(
        "no test of the selector is left out", "find the hook or option that deselects it"
    ),
    "green.complete": Rule(
        "collected tests and results are the same", "run the stage again in a new hub"
    ),
    "green.excused": Rule("no mark excuses a test from passing", "remove the mark; mend the code"),
    "green.returncode": Rule("pytest itself says that all is well", "read the stage's log"),
}
