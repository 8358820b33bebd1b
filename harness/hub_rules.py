"""The rules of hubs, of their seals and of what a stage leaves in one."""

from __future__ import annotations

from harness.rule import Rule

RULES: dict[str, Rule] = {
    "seal.missing": Rule("a hub is sealed", "run the stage again in a new hub"),
    "seal.line": Rule("the seal can be read", "get the hub from its source again"),
    "seal.digest": Rule("sealed files are unchanged", "get the hub from its source again"),
    "seal.lost": Rule("sealed files are there", "get the hub from its source again"),
    "seal.extra": Rule("every file is accounted for", "remove the file or make a new hub"),
    "hub.marker": Rule("a hub has its marker", "get the hub from its source again"),
    "hub.extra": Rule(
        "every file is a record, derived from records, or the output of a stage or job",
        "trust nothing that this file says; get the hub from its source again",
    ),
    "hub.stage": Rule("a stage record lies in its stage's folder", "get the hub again"),
    "hub.json": Rule("records are JSON", "get the hub from its source again"),
    "hub.unreadable": Rule(
        "every check of a hub can be carried to its end",
        "trust nothing in it; get the hub from its source again, or report a bug in the harness",
    ),
    "hub.chain": Rule("each stage record cites the one before", "get the hub again"),
    "hub.outputs": Rule("a stage record lists what the stage left", "get the hub again"),
    "hub.head": Rule(
        "the head is the one that was kept elsewhere",
        "trust nothing in it: the hub was replaced or added to; get it from its source again",
    ),
    "hub.anchor": Rule(
        "git's notes know the hub", "fetch refs/notes/hubs, or anchor it: make anchor HUB=..."
    ),
    "hub.commit": Rule(
        "the code that a stage hashed is that of its commit, where it had no other changes",
        "fetch the commit if git lacks it; else trust nothing that the stage says of its code",
    ),
    "hub.elapsed": Rule(
        "a stage and its commands took the time from their start to their end",
        "trust the log, not the record",
    ),
    "hub.code": Rule("a stage record cites the code that was hashed", "get the hub again"),
    "hub.guide": Rule("the guide in a stage is the one that was hashed", "get the hub again"),
    "hub.time": Rule(
        "a stage begins after its hub was made and after the stage before it", "get the hub again"
    ),
    "hub.made": Rule(
        "a hub was made when and as its commands name its folder, or as its study names it",
        "trust the commands and the study, not the marker",
    ),
    "hub.within": Rule(
        "jobs ran within their command, it and the manifest within the stage", "get the hub again"
    ),
    "hub.study": Rule(
        "a run keeps the study file that was hashed, and is of that study", "get the hub again"
    ),
    "hub.asked": Rule(
        "a run's command, filters and settings follow from its options and its study",
        "do not trust this hub; run the stage again",
    ),
    "hub.versions": Rule(
        "a job ran with the versions of its stage, by POLICY-001", "do not trust this hub"
    ),
    "hub.cost": Rule(
        "a job used no more than its time, cores and memory, and memory enough for its arrays",
        "trust the machine, not the job",
    ),
    "hub.uncommitted": Rule(
        "a stage in a tree with uncommitted changes has their diff", "get the hub again"
    ),
    "hub.log": Rule("a command's log is the one recorded", "get the hub again"),
    "hub.recipe": Rule("a job's recipe is the one of its manifest", "trust the attestation"),
    "hub.recipe-source": Rule(
        "a recipe with the digest of a file says what the file says", "trust the file"
    ),
    "hub.argv": Rule("a job's command is the one that its settings give", "trust the attestation"),
    "hub.policies": Rule(
        "a stage record names the policies that its stage exercises", "get the hub again"
    ),
    "hub.verdict": Rule("a verdict follows from its records", "trust the records, not the verdict"),
    "hub.child-log": Rule(
        "what a child's log says of epochs, halves and warnings is what it attests",
        "trust the arrays",
    ),
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
    "hub.report": Rule(
        "a test report is of its command's time, its tests took no longer, and it names no host",
        "run the stage again in a new hub",
    ),
    "hub.returncode": Rule("log and manifest say the same return code", "get the hub again"),
    "recompute.arrays": Rule("the arrays are those that the child attests", "get the hub again"),
    "recompute.loss": Rule("the losses attested are those in the arrays", "trust the arrays"),
    "recompute.stopping": Rule(
        "the delivered epoch and its scores follow from those of each epoch", "trust the arrays"
    ),
    "recompute.held-out": Rule(
        "the held-out part follows from input and seed, its score from the arrays",
        "trust the arrays",
    ),
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
    "recompute.input": Rule(
        "what a job says of its input can be read off that input", "trust the input"
    ),
    "recompute.positions": Rule(
        "positions that nobody refined are the input's", "trust the input, not the arrays"
    ),
    "recompute.misfit": Rule(
        "an objectGuess is judged by how it predicts the frames, and is none of a measured scan",
        "trust the input",
    ),
    "recompute.final-loss": Rule(
        "the last loss is no better than the arrays make of the frames", "trust the arrays"
    ),
    "hub.telemetry": Rule("the manifest says what was attested", "trust the attestation"),
    "hub.derived": Rule("documents follow from the records", "trust the records"),
    "hub.provenance": Rule(
        "the provenance of a stage, a reproduction or the mutants follows from its records",
        "trust the records",
    ),
    "hub.test-result": Rule("a stage's test result follows from its records", "trust the records"),
    "hub.envelope": Rule(
        "an envelope is around the bytes of its statement", "get the hub from its source again"
    ),
    "hub.unsigned": Rule(
        "every statement is signed, where a public key is given",
        "ask whoever signed the hub for a whole one",
    ),
    "hub.signature": Rule(
        "every statement is signed by the owner of the public key that is given",
        "trust nothing in it: it was changed after it was signed, or another signed it",
    ),
    "hub.crate": Rule("the crate's metadata follow from the records", "trust the records"),
    "stage.gate": Rule("every gate is passed", "mend what the gate's findings name"),
    "stage.gate-count": Rule(
        "a gate counts the inputs that were hashed, and the manifest with its skip summary",
        "trust the digests, not the gate; run the stage again in a new hub",
    ),
    "stage.interrupted": Rule("a stage ends by itself", "run the stage again in a new hub"),
    "stage.drift": Rule(
        "code, study and inputs stay as they are while a stage runs",
        "let them be; run the stage again in a new hub",
    ),
    "stage.pair": Rule(
        "RED and GREEN of a hub are about the same test files, collect the same tests, and what "
        "fails in RED as the tree stands passes in GREEN by other code",
        "run both again in a new hub",
    ),
    "stage.inputs": Rule(
        "stages over inputs of one preset and base rest on the same files",
        "run the stages in a new hub",
    ),
    "stage.study": Rule(
        "every stage of a hub is about one study",
        "run the stages of each study in a hub of its own",
    ),
    "stage.commit": Rule(
        "stages at one commit, without other changes, have the same code",
        "put away files that git ignores; run both again in a new hub",
    ),
    "stage.unhashed": Rule(
        "the files of its own that a stage used are among its digests",
        "run the stage in a new hub",
    ),
    "stage.log": Rule(
        "a command's log ends as its record and its report say", "trust the log, not the record"
    ),
    "stage.plan": Rule(
        "a real run does what its plan says, or less", "run it as planned, or in a new hub"
    ),
    "stage.refused": Rule("nothing stands in a stage's way", "mend what is named"),
    "red.selected": Rule("RED is about the tests that the study maps", "run red again"),
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
