"""The frames of a measured scan: their axes, counts, bad pixels, zero frequency and side.

Pure.  Source: docs/importing.md
"""

from __future__ import annotations

import numpy as np

from harness.design import LARGEST_DOSE_PHOTONS
from harness.scans import RawScan, Told, Turn, require

FRAME_SIDES_PX = (32, 64, 128, 256)
COUNT_TOLERANCE = 0.01
SINGLE_PRECISION_SQUARE = 3e-7
# Fewer pixels than this above 1 do not show whether values are counts or their roots.
TELLING_PIXELS = 100
# Rounding to whole counts may not cost more of all light than this share.
ROUNDING_LOSS = 1e-4
# Largest whole numbers of detectors' types.  No light comes near the wide ones.
WIDE_MARKS = tuple(int(np.iinfo(kind).max) for kind in ("u4", "i4", "u8", "i8"))
NARROW_MARKS = tuple(int(np.iinfo(kind).max) for kind in ("u2", "i2"))
# Light in floats may reach a narrow one: it marks a pixel where all else lies below this share.
MARK_STANDS_ALONE = 0.5
# A frame's middle is found no better than this by where its light lies.
OFF_CENTRE_PX = 2.0


def counts_of(raw: RawScan, told: Told, stated: list[str]) -> np.ndarray:
    """Return photons, float64, (n, N, N), zero frequency in the centre; says in `stated` how.

    Raises InputInvalid for what the file neither says nor shows, and for frames without photons.
    """
    frames = _frames_first(raw, told, stated)
    rows, columns = frames.shape[1:]
    require(rows == columns, f"frames are {rows} x {columns}, not square: cut them beforehand")
    frames = _without_bad_pixels(frames, _bad_pixels(raw, frames), told, stated)
    require(
        np.isfinite(frames).all(),
        "frames hold infinite values: store NaN where a pixel says nothing",
    )
    require(
        not (frames < 0).any(),
        "frames hold negative values: subtract no background, and mark bad pixels in a mask",
    )
    require(bool((frames > 0).any()), "frames hold no light: give frames that photons reached")
    counts = _counts(frames, raw, told, stated)
    with np.errstate(over="ignore"):
        photons = float(counts.sum() / len(counts))
    require(
        1 <= photons <= LARGEST_DOSE_PHOTONS,
        f"the frames hold {photons:.3g} photons a frame on average, and 1 to "
        f"{LARGEST_DOSE_PHOTONS:.0e} are taken: scale them to photons",
    )
    return _turned(_centred(counts, raw, told, stated), told.frames_turn, stated)


def turned(frames: np.ndarray, turn: Turn) -> np.ndarray:
    """Return frames (n, N, N), rows and columns exchanged, then read out the other way."""
    exchanged = frames.swapaxes(1, 2) if turn.swap else frames
    axes = tuple(axis for axis, name in ((1, "y"), (2, "x")) if name in turn.flip)
    return np.flip(exchanged, axes)


def resized(images: np.ndarray, side_px: int) -> np.ndarray:
    """Return images (..., N, N) cut, or padded with zeros, about the middle pixel N // 2."""
    old_px = images.shape[-1]
    if side_px <= old_px:
        start = old_px // 2 - side_px // 2
        return images[..., start : start + side_px, start : start + side_px]
    start = side_px // 2 - old_px // 2
    padded = np.zeros((*images.shape[:-2], side_px, side_px), images.dtype)
    padded[..., start : start + old_px, start : start + old_px] = images
    return padded


def side_px(old_px: int, told: Told) -> int:
    """Return the side that DATA-001 takes: told, or the frames' own; InputInvalid for others."""
    side = old_px if told.crop_px is None else told.crop_px
    sides = ", ".join(map(str, FRAME_SIDES_PX))
    require(
        side in FRAME_SIDES_PX,
        f"frames are {old_px} x {old_px} px; DATA-001 takes {sides}: say --crop with one of them",
    )
    return side


def whole_where_close(values: np.ndarray) -> np.ndarray:
    """Return squares of rounded roots as the counts they come from, if they are counts."""
    rounded = np.rint(values)
    lost = abs(float((rounded - values).sum()))
    close = _are_whole(values) and lost <= ROUNDING_LOSS * float(values.sum())
    return rounded if close else values


def _frames_first(raw: RawScan, told: Told, stated: list[str]) -> np.ndarray:
    frames, count = raw.frames, len(raw.positions)
    require(
        frames.ndim == 3,
        f"frames have shape {frames.shape}, not three axes: store them as (n, N, N)",
    )
    require(
        frames.dtype.kind in "fiu",
        f"frames are {frames.dtype}, not real numbers: store photons or their roots",
    )
    require(
        frames.size > 0,
        f"frames have shape {frames.shape}, there are none: give a file that has some",
    )
    first, last = frames.shape[0] == count, frames.shape[2] == count
    require(
        first or last,
        f"{count} positions, but frames of shape {frames.shape}: store one position for each frame",
    )
    order = told.axis_order or {(True, False): "first", (False, True): "last"}.get((first, last))
    require(
        order is not None,
        f"frames of shape {frames.shape} with {count} positions fit either axis order: "
        "say --axis-order first or --axis-order last",
    )
    require(
        first if order == "first" else last,
        f"{count} positions do not fit that axis order: leave --axis-order out",
    )
    stated.append(f"frames: shape {frames.shape}, number of the frame {order}")
    return frames if order == "first" else np.moveaxis(frames, -1, 0)


def _bad_pixels(raw: RawScan, frames: np.ndarray) -> np.ndarray:
    """Return where frames say nothing, (N, N): the mask, and what numbers mark as bad.

    Detectors mark a bad or saturated pixel by the largest number that its type holds, or by a
    negative one; programs after them, by NaN, or by the detector's mark as a float.
    """
    shape = frames.shape[1:]
    bad = np.zeros(shape, bool) if raw.bad_pixels is None else raw.bad_pixels
    require(
        bad.shape == shape,
        f"the mask has shape {bad.shape}, frames {shape}: store one mask for all frames",
    )
    if frames.dtype.kind == "f":
        return _marked_floats(frames, bad)
    largest = np.iinfo(frames.dtype).max
    return bad | ((frames == largest) | (frames < 0)).any(axis=0)


def _marked_floats(frames: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """Return the bad pixels, (N, N), with those that NaN or a mark of whole numbers shows."""
    bad = bad | np.isnan(frames).any(axis=0)
    for mark in WIDE_MARKS:
        # As it is, and as single precision rounds it, whatever precision it lies in now.
        for value in {float(mark), float(np.float32(mark))}:
            bad = bad | (frames == np.float64(value)).any(axis=0)
    for mark in NARROW_MARKS:
        marked = (frames == np.float64(mark)).any(axis=0)
        if (marked & ~bad).any() and _stands_alone(frames, mark, ~bad):
            bad = bad | marked
    return bad


def _stands_alone(frames: np.ndarray, mark: int, sound: np.ndarray) -> bool:
    """Return whether sound pixels hold whole numbers, all others of them far below the mark."""
    others = sound & (frames != np.float64(mark))
    highest = float(frames.max(where=others, initial=0))
    whole = np.rint(frames) == frames
    return highest < MARK_STANDS_ALONE * mark and bool(whole.all(where=sound))


def _without_bad_pixels(
    frames: np.ndarray, bad: np.ndarray, told: Told, stated: list[str]
) -> np.ndarray:
    number = int(np.count_nonzero(bad))
    if not number:
        return frames
    require(
        told.zero_bad_pixels,
        f"{number} of {bad.size} pixels are bad (by the mask, or marked by NaN, a negative or "
        "the largest whole number of a type), and DATA-001 has no mask: say --zero-bad-pixels to "
        "count them as dark",
    )
    require(number < bad.size, "every pixel is bad: mend the mask")
    stated.append(f"{number} bad pixels counted as dark (--zero-bad-pixels)")
    return np.where(bad, frames.dtype.type(0), frames)


def _counts(frames: np.ndarray, raw: RawScan, told: Told, stated: list[str]) -> np.ndarray:
    """Return photons, float64, (n, rows, columns)."""
    kind, why = told.frames, "as told by --frames"
    seen = _kind_seen(frames)
    if kind is None and raw.frames_kind is not None:
        kind, why = raw.frames_kind, f"as {raw.source_format} defines"
        require(
            seen is None or seen == kind,
            f"{raw.source_format} holds {kind}, but the values look like {seen}: "
            "say --frames amplitude or --frames intensity",
        )
    if kind is None:
        kind, why = seen, "as its values show"
    require(
        kind is not None,
        "the values are neither whole numbers nor roots of whole numbers, or too few of them are "
        "above 1 to tell: say --frames amplitude or --frames intensity",
    )
    stated.append(f"values are {kind}, {why}")
    with np.errstate(over="ignore", invalid="ignore"):
        values = frames.astype(np.float64)
        return values if kind == "intensity" else whole_where_close(np.square(values))


def _kind_seen(frames: np.ndarray) -> str | None:
    """Return what the values must be, None where they do not show it."""
    if frames.dtype.kind in "iu":
        return "intensity"
    if np.count_nonzero(frames > 1) < TELLING_PIXELS:
        return None
    with np.errstate(over="ignore"):
        values = frames.astype(np.float64)
        if _are_whole(values):
            return "intensity"
        return "amplitude" if _are_whole(np.square(values)) else None


def _are_whole(values: np.ndarray) -> bool:
    tolerance = COUNT_TOLERANCE + SINGLE_PRECISION_SQUARE * float(values.max())
    return bool(tolerance < 0.25 and (np.abs(values - np.rint(values)) <= tolerance).all())


def _centred(counts: np.ndarray, raw: RawScan, told: Told, stated: list[str]) -> np.ndarray:
    """Return frames with zero frequency in the centre."""
    seen = _zero_frequency_seen(counts)
    where, why = told.zero_frequency, "as told by --zero-frequency"
    if where is None:
        where, why = seen, "as the light shows"
        require(
            raw.zero_frequency is None or seen in (None, raw.zero_frequency),
            f"{raw.source_format} has zero frequency in the {raw.zero_frequency}, but the light "
            f"lies in the {seen}: say --zero-frequency corner or --zero-frequency centre",
        )
        if seen is None and raw.zero_frequency is not None:
            where, why = raw.zero_frequency, f"as {raw.source_format} defines"
    require(
        where is not None,
        "the light does not show where zero frequency lies: say --zero-frequency corner or "
        "--zero-frequency centre",
    )
    stated.append(f"zero frequency in the {where}, {why}")
    return counts if where == "centre" else np.fft.fftshift(counts, axes=(-2, -1))


def _turned(counts: np.ndarray, turn: Turn, stated: list[str]) -> np.ndarray:
    """Return frames as told by --transpose-frames, then --flip-frames; say what lies off."""
    if turn.swap:
        stated.append("rows and columns of the frames exchanged (--transpose-frames)")
    if turn.flip:
        stated.append(f"frames turned about along {' and '.join(turn.flip)} (--flip-frames)")
    counts = turned(counts, turn)
    y_px, x_px = _off_centre_px(counts)
    if max(abs(y_px), abs(x_px)) > OFF_CENTRE_PX:
        stated.append(
            f"the light's centre lies {y_px:+.1f} (y), {x_px:+.1f} (x) px from the middle pixel; "
            "if that is where the beam meets the detector, cut the frames about it beforehand"
        )
    return counts


def _off_centre_px(counts: np.ndarray) -> tuple[float, float]:
    """Return where the centre of all light lies, from the middle pixel N // 2: (y, x)."""
    light = counts.sum(axis=0)
    total = light.sum()
    middle = [np.arange(length) - length // 2 for length in light.shape]
    y_px, x_px = (float((light.sum(axis=1 - axis) * middle[axis]).sum() / total) for axis in (0, 1))
    return y_px, x_px


def _zero_frequency_seen(counts: np.ndarray) -> str | None:
    """Return where more than half of the light lies, None where neither place has it.

    Middle and corners have a quarter of the area each: even light puts a quarter in either.
    """
    light = counts.sum(axis=0)
    rows, columns = (length // 4 for length in light.shape)
    total = light.sum()
    middle = light[rows : light.shape[0] - rows, columns : light.shape[1] - columns].sum()
    moved = np.fft.fftshift(light)
    corners = moved[rows : light.shape[0] - rows, columns : light.shape[1] - columns].sum()
    if middle > total / 2:
        return "centre"
    return "corner" if corners > total / 2 else None
