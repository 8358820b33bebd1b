"""The register of rules: every finding names one of these, and each says what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.model import Finding


@dataclass(frozen=True, slots=True)
class Rule:
    """What a rule guards, what to do when it fires, and whether it stops the work."""

    guards: str
    remedy: str
    severity: str = "error"


RULES: dict[str, Rule] = {
    # Schemas: one rule for each kind of record (schema.<name>).
    "schema.npz_input": Rule("the description of an NPZ fits its schema", "mend the input file"),
    "schema.study": Rule("a study file fits its schema", "mend the study file"),
    "study.view-name": Rule("each view has a name of its own", "rename one of them"),
    "schema.job": Rule("a job fits its schema", "report a bug: the harness wrote this record"),
    "schema.manifest": Rule("the manifest fits its schema", "make the manifest again"),
    "schema.skip_summary": Rule("the skip summary fits its schema", "make the manifest again"),
    "schema.stage": Rule("a stage record fits its schema", "run the stage again in a new hub"),
    "schema.attestation": Rule(
        "what the child attests fits its schema", "read the job's log; mend the child"
    ),
    "schema.reproduction": Rule("a reproduction's record fits its schema", "get the hub again"),
    "reproduce.input": Rule(
        "a job is run again on the very input that it had",
        "make the inputs (`make inputs`) with the preset and base of the hub, or get the file",
    ),
    "reproduce.surroundings": Rule(
        "a job is run again with the code and versions, and on the processor, that it had",
        "nothing to do where the arrays agree; else build what the original names",
        "note",
    ),
    "schema.diff": Rule(
        "the differences of two hubs fit their schema", "report a bug: the harness wrote this"
    ),
    "schema.intoto_provenance": Rule(
        "a stage's provenance fits its schema", "report a bug: the harness wrote this"
    ),
    "schema.intoto_test_result": Rule(
        "a stage's test result fits its schema", "report a bug: the harness wrote this"
    ),
    "schema.dsse_envelope": Rule(
        "a signed statement is a DSSE envelope", "get the hub from its source again"
    ),
    "schema.faults": Rule("the declared faults fit their schema", "mend the faults file"),
    # NPZ inputs (DATA-001).
    "npz.missing": Rule("the input exists", "check the root, or make the inputs: make inputs"),
    "npz.not-a-file": Rule("the input is a regular file", "give the path of an NPZ file"),
    "npz.unreadable": Rule("the input can be read", "mend the path or its permissions"),
    "npz.not-a-zip": Rule("the input is an NPZ, a zip archive", "save it with numpy.savez"),
    "npz.truncated": Rule("the archive is whole", "copy or make the file again"),
    "npz.directory": Rule(
        "the archive ends in a directory of all its members", "copy or make the file again"
    ),
    "npz.expansion": Rule(
        "the archive does not claim to expand out of proportion",
        "do not open this file; ask where it comes from",
    ),
    "npz.duplicate-key": Rule("each key occurs once", "save the file again with unique keys"),
    "npz.member-name": Rule(
        "a member is KEY.npy, with no path in its name", "save the file again with plain keys"
    ),
    "npz.encrypted": Rule("no member is encrypted", "save the file again without a password"),
    "npz.compression": Rule(
        "members are stored or deflated", "save the file with numpy.savez or savez_compressed"
    ),
    "npz.damaged": Rule("every byte can be read back", "copy or make the file again"),
    "npz.npy-version": Rule(
        "a member has .npy format 1.0 or 2.0", "save the array again with plain field-free dtypes"
    ),
    "npz.header": Rule("a member starts with a sound .npy header", "save the array again"),
    "npz.pickled": Rule(
        "no array holds Python objects; they are never loaded",
        "save the array with a plain dtype (text as unicode)",
    ),
    "npz.plain-dtype": Rule(
        "arrays hold numbers or text", "save the array with a plain numeric or text dtype"
    ),
    "npz.member-size": Rule("a member holds just what its header says", "save the array again"),
    "npz.metadata-json": Rule(
        "_metadata is one unicode text holding a JSON object", "save json.dumps(...) of a dict"
    ),
    "npz.key-missing": Rule("the required keys are there", "add the array to the file"),
    "npz.unknown-key": Rule(
        "the contract knows each key", "nothing to do: the array is recorded and not used", "note"
    ),
    "npz.axis-order": Rule(
        "frames are stacked along the first axis", "save numpy.moveaxis(diffraction, -1, 0)"
    ),
    "npz.frames-square": Rule("frames are square", "crop or pad the frames to N x N"),
    "npz.equal-n": Rule(
        "frames and what belongs to them are equally many", "save arrays of one scan together"
    ),
    "npz.finite": Rule("every value is finite", "remove the NaN or infinite values"),
    "npz.amplitude-negative": Rule(
        "amplitudes are not negative", "save sqrt(counts), with zero for masked pixels"
    ),
    "npz.no-photons": Rule("some frame holds light", "check how the frames were made"),
    "npz.empty-frames": Rule(
        "every frame holds light", "leave out frames without light if they are dark", "note"
    ),
    "npz.amplitude-not-counts": Rule(
        "squared amplitudes are whole counts",
        "nothing to do for scaled or noiseless data; else save sqrt(counts)",
        "note",
    ),
    "npz.zero-frequency-in-corner": Rule(
        "the zero frequency lies in the centre of the frames",
        "apply numpy.fft.fftshift to each frame",
        "note",
    ),
    "npz.amplitude-looks-like-intensity": Rule(
        "amplitudes are square roots of counts, not counts",
        "if these are counts, save their square root",
        "note",
    ),
    "npz.frame-side": Rule(
        "probe and patches are as large as a frame", "crop or pad them to the frames' side"
    ),
    "npz.object-small": Rule(
        "the object is at least one frame large", "pad the object to the field of the scan"
    ),
    "npz.positions-outside": Rule(
        "a whole frame's patch fits into the object at every position",
        "pad the object or shift the positions; x is the column, y the row, in object pixels",
    ),
    "npz.positions-constant": Rule(
        "positions vary along x and along y", "check that x and y are both saved", "note"
    ),
    "npz.positions-duplicate": Rule(
        "no two frames share a position", "nothing to do for repeated exposures", "note"
    ),
    "npz.double-precision": Rule(
        "arrays are single precision",
        "nothing to do: the child converts; float32 and complex64 halve the file",
        "note",
    ),
    "npz.byte-order": Rule("arrays are little-endian", "nothing to do: the child converts", "note"),
    # Study inputs against their claims.
    "claim.dose": Rule(
        "mean photons per frame are the dose", "check the dose, or make the inputs again"
    ),
    "claim.input": Rule(
        "the input of a study of one file is that file", "give that file, or make a study of this"
    ),
    "claim.frame-side": Rule("frames have the study's side", "make the inputs again"),
    "claim.spacing": Rule(
        "centres lie as far apart as the view says", "thin the positions again for this view"
    ),
    "claim.metadata": Rule(
        "a Phase D input says how its frames were chosen", "make the inputs again"
    ),
    "claim.view": Rule("the input is of the view asked for", "check the root; make inputs again"),
    "claim.split": Rule("the input is of the split asked for", "check the root; make inputs again"),
    "claim.source-file": Rule(
        "a Phase D input comes from its Phase C input",
        "check that the source holds this dose and split",
        "note",
    ),
    "claim.neighbor-count": Rule(
        "the input was measured with the study's neighbor_count", "make the inputs again"
    ),
    "claim.spacing-threshold": Rule(
        "the threshold is (1 - overlap) x N", "make the inputs again for this view"
    ),
    "claim.accepted": Rule("as many frames as were accepted", "make the inputs again"),
    "claim.acceptance-rate": Rule(
        "the acceptance rate is accepted / (accepted + rejected)", "make the inputs again"
    ),
    "claim.selection-strategy": Rule(
        "the selection is direct just when nothing was rejected", "make the inputs again"
    ),
    "claim.measured": Rule("what was measured is measured the same again", "make the inputs again"),
    "claim.disjoint": Rule("train and test share no position", "split the scan again along y"),
    "claim.split-sides": Rule(
        "train and test lie on two sides along y", "split the scan again along y"
    ),
    "inputs.base": Rule(
        "a base NPZ holds an object, a probe and scan positions that fit together",
        "mend the base NPZ, or leave it out to use the embedded one",
    ),
    "inputs.preset": Rule(
        "a preset's scan can be split, and its frames hold light",
        "mend the preset in the study file, or choose another one",
    ),
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
    "manifest.missing": Rule("a missing job is a skip", "make the manifest again"),
    "manifest.rate": Rule("accepted and rejected give the rate", "make the manifest again"),
    "manifest.elapsed": Rule("start and end give the time spent", "run the job again"),
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
    "attest.algorithm": Rule("the algorithm asked for ran", "mend the child, run the job again"),
    "attest.epochs": Rule("all epochs asked for ran", "mend the child, run the job again"),
    "attest.input": Rule("the input described is the input read", "keep inputs still during a run"),
    "attest.seed": Rule("the seed asked for was used", "mend the child, run the job again"),
    "attest.batch-size": Rule("the batch size asked for was used", "mend the child"),
    "attest.initial-object": Rule("the initial object asked for was used", "mend the child"),
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
    "red.own-report": Rule("each run has a report of its own", "run the stage again in a new hub"),
    "red.recomputed": Rule(
        "the record of RED follows from its reports", "do not trust this hub; run the stage again"
    ),
    "collect.report": Rule("a collection report is whole", "run the stage again"),
    "collect.errors": Rule("every test module can be collected", "mend the module"),
    "collect.skipped": Rule("no test module skips itself", "remove the module-level skip"),
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
    "collect.purpose": Rule("each test and test file has its purpose", "write it into the row"),
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
    # Hubs and seals.
    "seal.missing": Rule("a hub is sealed", "run the stage again in a new hub"),
    "seal.line": Rule("the seal can be read", "get the hub from its source again"),
    "seal.digest": Rule("sealed files are unchanged", "get the hub from its source again"),
    "seal.lost": Rule("sealed files are there", "get the hub from its source again"),
    "seal.extra": Rule("every file is accounted for", "remove the file or make a new hub"),
    "schema.hub": Rule("a hub's marker fits its schema", "get the hub from its source again"),
    "hub.marker": Rule("a hub has its marker", "get the hub from its source again"),
    "hub.extra": Rule(
        "every file is a record, derived from records, or the output of a stage or job",
        "trust nothing that this file says; get the hub from its source again",
    ),
    "hub.stage": Rule("a stage record lies in its stage's folder", "get the hub again"),
    "hub.json": Rule("records are JSON", "get the hub from its source again"),
    "hub.chain": Rule("each stage record cites the one before", "get the hub again"),
    "hub.outputs": Rule("a stage record lists what the stage left", "get the hub again"),
    "hub.head": Rule(
        "the head is the one that was kept elsewhere",
        "trust nothing in it: the hub was replaced or added to; get it from its source again",
    ),
    "hub.anchor": Rule(
        "git's notes know the hub", "fetch refs/notes/hubs, or anchor it: make anchor HUB=..."
    ),
    "hub.code": Rule("a stage record cites the code that was hashed", "get the hub again"),
    "hub.guide": Rule("the guide in a stage is the one that was hashed", "get the hub again"),
    "hub.time": Rule(
        "a stage begins after its hub was made and after the stage before it", "get the hub again"
    ),
    "hub.uncommitted": Rule(
        "a stage in a tree with uncommitted changes has their diff", "get the hub again"
    ),
    "hub.log": Rule("a command's log is the one recorded", "get the hub again"),
    "hub.argv": Rule("a job's command is the one that its settings give", "trust the attestation"),
    "hub.verdict": Rule("a verdict follows from its records", "trust the records, not the verdict"),
    "hub.job-log": Rule("a launched job has its logs", "get the hub again"),
    "hub.reproduction": Rule(
        "a reproduction's record says what its jobs left", "get the hub again"
    ),
    "hub.mutation": Rule(
        "what is said of the mutants follows from what became of each", "run make mutation again"
    ),
    "mutation.module": Rule("every module of the core is tried", "read the log"),
    "mutation.killed": Rule(
        "the tests kill most mutants of a module", "test what survivors change"
    ),
    "mutation.survivor": Rule(
        "a mutant is killed, or listed with the reason why it may live",
        "test what it changes, or list it in tests/mutation/survivors.toml",
    ),
    "mutation.listed": Rule(
        "a listed survivor survives", "strike it from tests/mutation/survivors.toml"
    ),
    "mutation.tool": Rule("the mutation tester runs to its end", "read the log"),
    "schema.mutation": Rule("the record of the mutants fits its schema", "get the hub again"),
    "schema.survivors": Rule("the list of survivors fits its schema", "mend the list"),
    "hub.returncode": Rule("log and manifest say the same return code", "get the hub again"),
    "recompute.arrays": Rule("the arrays are those that the child attests", "get the hub again"),
    "recompute.loss": Rule("the losses attested are those in the arrays", "trust the arrays"),
    "recompute.object": Rule(
        "object and probe are finite, of the shape attested", "get the hub again"
    ),
    "recompute.pictures": Rule(
        "a picture was drawn from the arrays beside it", "trust the arrays, not the picture"
    ),
    "recompute.truth-error": Rule(
        "the error against the truth is the one attested", "trust the arrays"
    ),
    "recompute.metrics": Rule("metrics are those that input and arrays give", "trust the arrays"),
    "hub.telemetry": Rule("the manifest says what was attested", "trust the attestation"),
    "hub.derived": Rule("documents follow from the records", "trust the records"),
    "hub.provenance": Rule("a stage's provenance follows from its records", "trust the records"),
    "hub.test-result": Rule("a stage's test result follows from its records", "trust the records"),
    "hub.envelope": Rule(
        "an envelope is around the bytes of its statement", "get the hub from its source again"
    ),
    "hub.unsigned": Rule(
        "every statement is signed, where a public key is given",
        "ask whoever signed the hub for a whole one",
    ),
    "hub.signature": Rule(
        "every signature is by the owner of the public key that is given",
        "trust nothing in it: it was changed after it was signed, or another signed it",
    ),
    "hub.crate": Rule("the crate's metadata follow from the records", "trust the records"),
    "stage.gate": Rule("every gate is passed", "mend what the gate's findings name"),
    "stage.interrupted": Rule("a stage ends by itself", "run the stage again in a new hub"),
    "stage.drift": Rule(
        "code, study and inputs stay as they are while a stage runs",
        "let them be; run the stage again in a new hub",
    ),
    "stage.pair": Rule(
        "RED and GREEN of a hub are about the same test files", "run both again in a new hub"
    ),
    "stage.plan": Rule(
        "a real run does what its plan says, or less", "run it as planned, or in a new hub"
    ),
    "stage.refused": Rule("nothing stands in a stage's way", "mend what is named"),
    "red.selected": Rule("RED is about the tests that the study maps", "run red again"),
    "schema.digests": Rule(
        "digests of what a stage rests on fit their schema", "get the hub again"
    ),
    "schema.red_proof": Rule("the proof of RED fits its schema", "get the hub again"),
    "schema.documented": Rule("what is documented fits its schema", "get the hub again"),
    "stage.command": Rule("a stage's commands succeed", "read the log"),
    "stage.guide": Rule(
        "a stage keeps the guide that it ran by", "write the guide; run the stage in a new hub"
    ),
    "stage.undocumented": Rule(
        "the guide documents each command that a stage runs",
        "add the line to the guide; run the stage in a new hub",
    ),
    "stage.not-run": Rule(
        "a stage runs each command that the guide documents for it",
        "mend the line in the guide; run the stage in a new hub",
    ),
    "stage.no-command": Rule("a stage runs its commands", "run the stage again in a new hub"),
    "stage.command-words": Rule("a stage runs its own commands", "run the stage in a new hub"),
    "red.commands": Rule("the proof's runs are the stage's commands", "run red again"),
    "stage.report": Rule("a command leaves its reports", "read the log"),
    "stage.job": Rule("every selected job reaches the state that the stage is for", "read its log"),
    "seal.link": Rule("a hub holds regular files only", "get the hub from its source again"),
}


def finding(rule: str, *, where: str, expected: str, found: str, pointer: str = "") -> Finding:
    """Return a finding of a registered rule; KeyError for an id that the register lacks."""
    return Finding(
        rule=rule,
        where=where,
        pointer=pointer,
        expected=expected,
        found=found,
        severity=RULES[rule].severity,
    )


def from_record(record: Mapping[str, str]) -> Finding:
    """Return a finding from its record; the inverse of `Finding.as_record`."""
    return Finding(**record)


def errors(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings that stop the work; notes are left out."""
    return tuple(item for item in found if item.severity == "error")


def as_text(found: Finding) -> str:
    """Return one finding as the line that a person reads."""
    place = f"{found.where}: {found.pointer}" if found.pointer else found.where
    return f"{found.severity} [{found.rule}] {place}: {wording(found)}"


def wording(found: Finding) -> str:
    """Return what was expected, what was found and what to do, as one sentence or two."""
    remedy = RULES[found.rule].remedy
    return f"expected {found.expected}, found {found.found}. {remedy[:1].upper()}{remedy[1:]}."
