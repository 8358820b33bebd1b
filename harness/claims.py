"""What a study says of an input, against what its description shows.

Pure; needs no array library.  Tolerances and their derivation: docs/data_contracts.md
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness import layout
from harness.design import View
from harness.model import Finding
from harness.rules import finding

if TYPE_CHECKING:
    import numpy as np

PHASE_D_KEYS = (
    "overlap_view",
    "spacing_threshold",
    "source_file",
    "n_accepted",
    "n_rejected",
    "acceptance_rate",
    "selection_strategy",
    "neighbor_count",
)
DOSE_MARGIN = 0.05
DOSE_SIGMAS = 3.0
DOSE_SD_FLOOR = 0.10
LENGTH_TOLERANCE_PX = 1e-3
RATE_TOLERANCE = 1e-6
OVERLAP_TOLERANCE = 0.01
DIAMETER_TOLERANCE = 0.01

Breach = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True, eq=False)
class NpzReading:
    """An NPZ as it was read.

    description: JSON-ready, None where the file is no archive.  findings: what was wrong while
    reading.  positions_px: shape (n, 2), columns (y, x), or None where x and y do not pair up.
    """

    description: dict[str, Any] | None
    findings: tuple[Finding, ...]
    positions_px: np.ndarray | None

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The metadata of the file, empty where it has none that can be read."""
        return (self.description or {}).get("metadata") or {}


@dataclass(frozen=True, slots=True)
class InputClaim:
    """What a study says of one input.

    dose_photons: nominal mean photons per frame.  frame_px: side of a frame, None to take the
    input's own.  neighbor_count: the study's (OVERSAMPLING-001).
    """

    dose_photons: int
    view: View
    split: str
    neighbor_count: int
    frame_px: int | None = None


def check_claims(description: Mapping[str, Any], claim: InputClaim) -> tuple[Finding, ...]:
    """Return every claim that the description of an input does not bear out.

    description: as `npz.read` makes it; it need not have passed `contract.check`.
    """
    breaches = (
        *_dose(description, claim),
        *_frame_side(description, claim),
        *_spacing(description, claim),
        *_phase_d(description, claim),
        *_stated(description, claim),
        *_selection(description),
        *_measured(description),
    )
    return tuple(
        finding(rule, where=description["file"], pointer=key, expected=expected, found=found)
        for rule, key, expected, found in breaches
    )


def check_given(
    description: Mapping[str, Any], claim: InputClaim, sha256: str
) -> tuple[Finding, ...]:
    """Return what is wrong with the input of a study of one file: another file, another dose.

    Spacing, overlap and splits are not asked for: nobody chose the frames by them.
    """
    breaches = [*_dose(description, claim)]
    if description["sha256"] != sha256:
        breaches.append(("claim.input", "", f"the study's file, sha256 {sha256}", "another file"))
    return tuple(
        finding(rule, where=description["file"], pointer=key, expected=expected, found=found)
        for rule, key, expected, found in breaches
    )


def dose_tolerance(dose_photons: float, frames: int, photons_relative_sd: float) -> float:
    """Return how far mean photons per frame may lie from the dose, as a fraction of it.

    0.05 + 3 sqrt((s^2 + 1 / dose) / n), with s the measured relative standard deviation over
    the n frames, but at least 0.1: that of a few frames is too uncertain to be taken as less.
    Source: docs/data_contracts.md
    """
    variance = (max(photons_relative_sd, DOSE_SD_FLOOR) ** 2 + 1 / dose_photons) / frames
    return DOSE_MARGIN + DOSE_SIGMAS * variance**0.5


def check_disjoint(one: NpzReading, other: NpzReading) -> tuple[Finding, ...]:
    """Return how two splits of one dose and view overlap: shared positions, mixed sides along y.

    Nothing is said where either has no positions: reading it or its contract says why.
    """
    if one.positions_px is None or other.positions_px is None:
        return ()
    where, against = one.description["file"], other.description["file"]
    shared = _places(one) & _places(other)
    breaches = []
    if shared:
        breaches.append(("claim.disjoint", "xcoords", "none", f"{len(shared)} shared"))
    (low, high), (other_low, other_high) = _y_range(one), _y_range(other)
    if low <= other_high and other_low <= high:
        found = f"y from {low:g} to {high:g} px and from {other_low:g} to {other_high:g} px"
        breaches.append(("claim.split-sides", "ycoords", "one side of y each", found))
    return tuple(
        finding(rule, where=where, pointer=key, expected=f"{expected} with {against}", found=found)
        for rule, key, expected, found in breaches
    )


def _places(reading: NpzReading) -> set[tuple[float, ...]]:
    return {tuple(place) for place in reading.positions_px.round(3).tolist()}


def _y_range(reading: NpzReading) -> tuple[float, float]:
    y_px = reading.positions_px[:, 0]
    return (float(y_px.min()), float(y_px.max()))


def _dose(description: Mapping[str, Any], claim: InputClaim) -> Iterator[Breach]:
    numbers = description["statistics"]
    mean, frames = numbers["mean_photons_per_frame"], numbers["frames"]
    if not mean or not frames:
        expected = f"{claim.dose_photons} photons a frame"
        yield "claim.dose", "diffraction", expected, "no photons that can be counted"
        return
    tolerance = dose_tolerance(claim.dose_photons, frames, numbers["photons_relative_sd"])
    if abs(mean - claim.dose_photons) > tolerance * claim.dose_photons:
        expected = f"{claim.dose_photons} photons a frame within {100 * tolerance:.1f} %"
        found = f"{mean:.6g} ({100 * (mean / claim.dose_photons - 1):+.1f} %)"
        yield "claim.dose", "diffraction", expected, found


def _frame_side(description: Mapping[str, Any], claim: InputClaim) -> Iterator[Breach]:
    side_px = description["statistics"]["frame_px"]
    if claim.frame_px is not None and side_px != claim.frame_px:
        yield "claim.frame-side", "diffraction", f"{claim.frame_px} px", f"{side_px} px"


def _spacing(description: Mapping[str, Any], claim: InputClaim) -> Iterator[Breach]:
    least_px = description["statistics"]["spacing_min_px"]
    threshold_px = _threshold_px(description, claim)
    if threshold_px is None or least_px is None:
        return
    if least_px < threshold_px - LENGTH_TOLERANCE_PX:
        yield "claim.spacing", "xcoords", f"centres {threshold_px:g} px apart", f"{least_px:g} px"


def _threshold_px(description: Mapping[str, Any], claim: InputClaim) -> float | None:
    side_px = claim.frame_px or description["statistics"]["frame_px"]
    return claim.view.spacing_threshold_px(side_px) if side_px else None


def _phase_d(description: Mapping[str, Any], claim: InputClaim) -> Iterator[Breach]:
    metadata = description["metadata"]
    if claim.view.phase != "D" or "_metadata" in description["unreadable"]:
        return
    if metadata is None:
        yield "claim.metadata", "_metadata", "metadata, as Phase D requires", "none"
        return
    for key in PHASE_D_KEYS:
        if key not in metadata:
            yield "claim.metadata", "_metadata", f"{key}, as Phase D requires", "no such key"
    source = layout.phase_c_input(claim.dose_photons, claim.split)
    if not str(metadata.get("source_file", source)).replace("\\", "/").endswith(source):
        yield _differs("claim.source-file", "source_file", f"…/{source}", metadata)


def _stated(description: Mapping[str, Any], claim: InputClaim) -> Iterator[Breach]:
    """Compare what the metadata says with the claim, word for word."""
    metadata = description["metadata"] or {}
    for rule, key, expected in (
        ("claim.view", "overlap_view", claim.view.name),
        ("claim.split", "split", claim.split),
        ("claim.dose", "dose_photons", claim.dose_photons),
        ("claim.neighbor-count", "neighbor_count", claim.neighbor_count),
    ):
        if metadata.get(key, expected) != expected:
            yield _differs(rule, key, expected, metadata)
    threshold_px = _threshold_px(description, claim)
    if threshold_px is not None and _is_off(
        metadata.get("spacing_threshold"), threshold_px, LENGTH_TOLERANCE_PX
    ):
        expected = f"(1 - overlap) x N = {threshold_px:g} px"
        yield _differs("claim.spacing-threshold", "spacing_threshold", expected, metadata)


def _selection(description: Mapping[str, Any]) -> Iterator[Breach]:
    """Compare what the metadata says of how frames were chosen with itself and the frames."""
    metadata, frames = description["metadata"] or {}, description["statistics"]["frames"]
    kept, left_out = metadata.get("n_accepted"), metadata.get("n_rejected")
    if None not in (kept, frames) and kept != frames:
        yield _differs("claim.accepted", "n_accepted", f"{frames}, as many as frames", metadata)
    if not (_is_number(kept) and _is_number(left_out) and kept + left_out > 0):
        return
    rate = kept / (kept + left_out)
    if _is_off(metadata.get("acceptance_rate"), rate, RATE_TOLERANCE):
        expected = f"{kept} / {kept + left_out} = {rate:.6f}"
        yield _differs("claim.acceptance-rate", "acceptance_rate", expected, metadata)
    strategy = "greedy" if left_out else "direct"
    if metadata.get("selection_strategy", strategy) != strategy:
        expected = f"{strategy}, with {left_out} left out"
        yield _differs("claim.selection-strategy", "selection_strategy", expected, metadata)


def _measured(description: Mapping[str, Any]) -> Iterator[Breach]:
    """Compare what the metadata says was measured with the same measured again."""
    metadata, numbers = description["metadata"] or {}, description["statistics"]
    for key, measured_as, tolerance in (
        ("spacing_measured_min_px", "spacing_min_px", LENGTH_TOLERANCE_PX),
        ("overlap_disc_diameter_px", "disc_diameter_px", None),
        ("overlap_measured_mean", "overlap_mean_fraction", OVERLAP_TOLERANCE),
        ("overlap_measured_min", "overlap_min_fraction", OVERLAP_TOLERANCE),
    ):
        measured = numbers[measured_as]
        if measured is None:
            continue
        allowed = DIAMETER_TOLERANCE * measured if tolerance is None else tolerance
        if _is_off(metadata.get(key), measured, allowed):
            yield _differs("claim.measured", key, f"{measured:.6g}, measured again", metadata)


def _differs(rule: str, key: str, expected: object, metadata: Mapping[str, Any]) -> Breach:
    return rule, f"_metadata/{key}", str(expected), repr(metadata[key])


def _is_off(stated: Any, expected: float, tolerance: float) -> bool:
    """Tell whether a stated number is too far off; what is no number is the schema's matter."""
    return _is_number(stated) and abs(stated - expected) > tolerance


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
