"""Write a job's reconstruction in the formats of other programs: CXI, ptychodus product.

The hub is read and left as it is.  Source: docs/importing.md
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from harness import (
    canonical,
    detector,
    files,
    foreign_hdf5,
    layout,
    opr,
    provenance,
    publish,
    records,
    reproduction,
    scans,
)
from harness.errors import InputInvalid, UsageError
from harness.manifest import key_of
from harness.opr import Opr

FORMATS = ("cxi", "ptychodus")
CXI_VERSION = 160
LENGTHS = {
    "pixel_size_m": ("pixel_size_m", "--pixel-size-m"),
    "energy_ev": ("photon_energy_ev", "--energy-ev"),
    "distance_m": ("detector_distance_m", "--distance-m"),
}


@dataclass(frozen=True, slots=True)
class Request:
    """What to export: which job of which hub, in which format, where to.

    job: as "dose_1000/dense/train", None where the hub has one.  source: the job's input, None to
    look where its record says.  geometry: what is told; the input's metadata say the rest.
    """

    hub: Path
    job: str | None
    format: str
    out: Path
    source: Path | None
    geometry: scans.Geometry


@dataclass(frozen=True, slots=True, eq=False)
class Reconstruction:
    """One job's arrays and the lengths that make them metres.

    arrays: of reconstruction.npz.  counts: (n, N, N), None without the input.
    """

    name: str
    comments: str
    arrays: Mapping[str, np.ndarray]
    counts: np.ndarray | None
    geometry: scans.Geometry

    @property
    def pixel_m(self) -> float:
        """Side of an object pixel."""
        return self.geometry.pixel_size_m

    @property
    def centres_m(self) -> np.ndarray:
        """Probe centres about the middle of the object, (n, 2), columns (y, x)."""
        shape = self.arrays["object"].shape
        pixels = [self.arrays[f"positions_{axis}_px"].astype(np.float64) for axis in "yx"]
        return (np.stack(pixels, axis=1) - np.asarray(shape) / 2) * self.pixel_m

    @property
    def relaxed(self) -> Opr | None:
        """What makes the probe another one in each frame."""
        kept = [self.arrays[name] for name in opr.NAMES if name in self.arrays]
        return Opr(*kept) if kept else None

    @property
    def photons(self) -> float:
        """Power of the probe, averaged over the frames."""
        probe = self.arrays["probe"]
        return self.relaxed.photons(probe) if self.relaxed else float((np.abs(probe) ** 2).sum())

    @property
    def probe(self) -> np.ndarray:
        """The probe with an axis of OPR modes before that of incoherent ones, (k, modes, N, N)."""
        probe = self.arrays["probe"]
        return self.relaxed.stacked(probe) if self.relaxed else probe[None]


def run(request: Request, say: Callable[[str], object]) -> None:
    """Write the file.

    Raises UsageError for a job that there is not and a file that exists or cannot be written,
    HubDamaged for a hub that differs from its seal, InputInvalid where a length or the frames are
    missing.
    """
    files.require_new(request.out)
    opened = publish.open_sealed(request.hub)
    job, roots = _job(opened.read, request)
    data = opened.read(f"{job['output_dir']}/{layout.RECONSTRUCTION}") or b""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        arrays = dict(archive)
    counts, metadata = _source(request, job, roots)
    done = Reconstruction(
        name=str(key_of(job)),
        comments=f"job {key_of(job)} of the hub with head sha256 {opened.head}",
        arrays=arrays,
        counts=counts,
        geometry=geometry(request.geometry, metadata),
    )
    content = WRITERS[request.format](done)
    files.write_output(request.out, content)
    say(f"written: {request.out}, {request.format}, {done.comments}")


def _job(read: records.Read, request: Request) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    done = records.run_of(read, "real-run")
    if done is None:
        raise UsageError(f"hub {request.hub} holds no real run; name one that does (make hubs)")
    jobs = reproduction.choose(done.manifest, [request.job] if request.job else [])
    if len(jobs) > 1:
        names = ", ".join(str(key_of(job)) for job in jobs)
        raise UsageError(f"hub {request.hub} has {len(jobs)} jobs: say --job with one of {names}")
    return jobs[0], done.manifest["input_roots"]


def _source(
    request: Request, job: Mapping[str, Any], roots: Mapping[str, str]
) -> tuple[np.ndarray | None, Mapping[str, Any]]:
    """Return the frames and the metadata of the job's input; None and nothing where it is gone."""
    path = request.source or provenance.place(roots[job["input_root"]]) / job["input_npz"]
    try:
        data = path.read_bytes()
    except OSError as error:
        if request.source is None:
            return None, {}
        raise InputInvalid(f"cannot read {path}: {error.strerror}. Give the input") from error
    if canonical.sha256(data) != job["input_sha256"]:
        raise InputInvalid(
            f"{provenance.portable(path)} is not the input of job {key_of(job)}, whose sha256 is "
            f"{job['input_sha256']}: name that with --input"
        )
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        amplitudes = archive["diffraction"].astype(np.float64)
        text = str(archive["_metadata"]) if "_metadata" in archive.files else "{}"
    return np.square(amplitudes), json.loads(text)


def geometry(told: scans.Geometry, metadata: Mapping[str, Any]) -> scans.Geometry:
    """Return the lengths told, the others from metadata.

    Raises InputInvalid where neither says one, or who says it says no number above 0.
    """
    of_input = {name: metadata.get(key) for name, (key, _) in LENGTHS.items()}
    found = scans.joined(scans.Geometry(**of_input), told)
    missing = [option for name, (_, option) in LENGTHS.items() if getattr(found, name) is None]
    if missing:
        raise InputInvalid(
            f"neither the job's input nor the command line says what makes pixels metres: say "
            f"{', '.join(missing)}"
        )
    return found


def as_ptychodus(done: Reconstruction) -> bytes:
    """Return a ptychodus product: one layer, the probe's modes, positions about the object."""
    arrays = done.arrays
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.attrs["name"] = done.name
        file.attrs["comments"] = done.comments
        file.attrs["detector_object_distance_m"] = done.geometry.distance_m
        # The newer name, and the older one, which readers of version 1.6 and before ask for.
        file.attrs["photon_energy_eV"] = file.attrs["probe_energy_eV"] = done.geometry.energy_ev
        file.attrs["probe_photon_count"] = done.photons
        # Asked for by readers; 0 is their own word for what nobody knows.
        file.attrs["exposure_time_s"] = 0.0
        file["probe_position_indexes"] = np.arange(len(done.centres_m))
        file["probe_position_y_m"], file["probe_position_x_m"] = done.centres_m.T
        file["probe"] = done.probe
        if done.relaxed:
            file["opr_weights"] = done.relaxed.weights
        file["object"] = arrays["object"][None]
        for name in ("probe", "object"):
            for side in ("width", "height"):
                file[name].attrs[f"pixel_{side}_m"] = done.pixel_m
        for axis in "xy":
            file["object"].attrs[f"center_{axis}_m"] = 0.0
        file["object_layer_spacing_m"] = np.empty(0)
        file["loss_epochs"] = np.arange(len(arrays["loss_per_epoch"]))
        file["loss_values"] = arrays["loss_per_epoch"]
    return stream.getvalue()


def as_cxi(done: Reconstruction) -> bytes:
    """Return a CXI file: the frames, what moved, the probe, and the object as an image.

    translation is the sample's, as CXI defines it: the probe's with its sign turned.
    """
    if done.counts is None:
        raise InputInvalid("a CXI file holds the frames: name the job's input with --input")
    geometry, side_px = done.geometry, done.counts.shape[-1]
    detector_pixel_m = (
        scans.wavelength_m(geometry.energy_ev) * geometry.distance_m / (side_px * done.pixel_m)
    )
    centres_m = done.centres_m
    translation = np.zeros((len(centres_m), 3))
    translation[:, 0], translation[:, 1] = -centres_m[:, 1], -centres_m[:, 0]
    probe = done.probe if done.relaxed else done.arrays["probe"]
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["cxi_version"] = CXI_VERSION
        data, detector = (
            file.create_group(path) for path in (foreign_hdf5.CXI_DATA, foreign_hdf5.CXI_DETECTOR)
        )
        data["data"] = _as_counts(done.counts)
        data["translation"] = translation
        data["translation"].attrs[foreign_hdf5.CXI_MOVES] = "sample"
        detector["distance"] = geometry.distance_m
        detector["x_pixel_size"] = detector["y_pixel_size"] = detector_pixel_m
        source = file.create_group(foreign_hdf5.CXI_SOURCE)
        source["energy"] = geometry.energy_ev * foreign_hdf5.JOULE_PER_EV
        source["illumination"] = probe[0] if len(probe) == 1 else probe
        if done.relaxed:
            file[f"{foreign_hdf5.CXI_PTYCHODUS}/opr_weights"] = done.relaxed.weights
        image = file.create_group("/entry_1/image_1")
        image["data"] = done.arrays["object"]
        image["pixel_size"] = done.pixel_m
        file["/entry_1/title"] = done.comments
    return stream.getvalue()


WRITERS = {"cxi": as_cxi, "ptychodus": as_ptychodus}


def _as_counts(counts: np.ndarray) -> np.ndarray:
    """Return counts as whole numbers, if roots in single precision left them that."""
    whole = detector.whole_where_close(counts)
    is_whole = np.array_equal(whole, np.rint(whole)) and whole.max() < 2**32
    return whole.astype(np.uint32) if is_whole else whole.astype(np.float32)
