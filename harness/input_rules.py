"""The rules of NPZ inputs and of study inputs against their claims."""

from __future__ import annotations

from harness.rule import Rule

RULES: dict[str, Rule] = {
    # NPZ inputs (DATA-001).
    "npz.missing": Rule("the input exists", "check the root, or make the inputs: make inputs"),
    "npz.not-a-file": Rule("the input is a regular file", "give the path of an NPZ file"),
    "npz.unreadable": Rule("the input can be read", "mend the path or its permissions"),
    "npz.not-a-zip": Rule(
        "the input is an NPZ, a zip archive",
        "for other formats: python -m harness import; else save it with numpy.savez",
    ),
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
    "npz.key-missing": Rule(
        "the required keys are there",
        "for other formats and measured scans: python -m harness import; else add the array to "
        "the file",
    ),
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
}
