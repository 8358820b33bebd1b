"""The energy of a photon, or its wavelength: told, or read from where CXI files have it."""

from __future__ import annotations

import h5py
import pytest

from harness import cli, scans
from tests import foreign_files as made
from tests.unit.test_importing import imported, refused

MOVED = ("--translation", "sample")
ENERGY = "/entry_1/instrument_1/source_1/energy"
BEAM = "/entry_1/instrument_1/beam_1"
JOULE = made.ENERGY_EV * made.JOULE_PER_EV


def cxi(tmp_path, values, *, units=None):
    """Write the CXI file with these numbers, and no others, for the energy."""
    path = made.save_cxi(tmp_path / "scan.cxi")
    with h5py.File(path, "a") as file:
        del file[ENERGY]
        for name, value in values.items():
            file[name] = value
            if units:
                file[name].attrs["units"] = units
    return path


@pytest.mark.parametrize(
    ("name", "value", "units"),
    [
        (ENERGY, JOULE, None),
        (f"{BEAM}/incident_energy", JOULE, None),
        (f"{BEAM}/incident_energy", made.ENERGY_EV / 1e3, "keV"),
        (f"{BEAM}/incident_wavelength", made.WAVELENGTH_M, None),
        (f"{BEAM}/incident_wavelength", made.WAVELENGTH_M * 1e10, "angstrom"),
        ("/entry_1/beam_1/incident_wavelength", made.WAVELENGTH_M, "m"),
        ("/entry_1/sample_1/beam_1/incident_energy", JOULE, "J"),
    ],
)
def test_the_energy_is_read_where_it_is_and_said(tmp_path, name, value, units):
    found = imported(tmp_path, cxi(tmp_path, {name: value}, units=units), *MOVED)
    assert found["_metadata"]["photon_energy_ev"] == pytest.approx(made.ENERGY_EV)
    assert found["_metadata"]["pixel_size_m"] == pytest.approx(made.PIXEL_M)
    assert f"photon energy 8800 eV, from {name}" in found["_metadata"]["assumptions"]


def test_energies_that_agree_but_for_rounding_are_one(tmp_path):
    values = {ENERGY: JOULE, f"{BEAM}/incident_wavelength": 1.409e-10}
    found = imported(tmp_path, cxi(tmp_path, values), *MOVED)
    assert found["_metadata"]["photon_energy_ev"] == pytest.approx(made.ENERGY_EV)


@pytest.mark.parametrize(
    "values",
    [
        {ENERGY: JOULE, f"{BEAM}/incident_wavelength": 1.5e-10},
        {f"{BEAM}/incident_energy": JOULE * 1.01, f"{BEAM}/incident_wavelength": made.WAVELENGTH_M},
    ],
)
def test_energies_that_contradict_each_other_are_refused_unless_told(tmp_path, capsys, values):
    path, (first, second) = cxi(tmp_path, values), values
    refused(tmp_path, capsys, f"{first} says", path, *MOVED)
    refused(tmp_path, capsys, f"{second} 8", path, *MOVED)
    found = imported(tmp_path, path, *MOVED, "--wavelength-m", made.WAVELENGTH_M)
    assert found["_metadata"]["photon_energy_ev"] == pytest.approx(made.ENERGY_EV)
    assert "photon energy 8800 eV, as told" in found["_metadata"]["assumptions"]


def test_a_wavelength_makes_metres_pixels_as_an_energy_does(tmp_path, capsys):
    path = cxi(tmp_path, {})
    refused(tmp_path, capsys, "say --energy-ev or --wavelength-m, or --pixel-size-m", path, *MOVED)
    found = imported(tmp_path, path, *MOVED, "--wavelength-m", made.WAVELENGTH_M)
    assert found["_metadata"]["pixel_size_m"] == pytest.approx(made.PIXEL_M)


def test_energy_and_wavelength_are_not_told_together(tmp_path, capsys):
    words = ["import", "scan.cxi", "--out", "out.npz", "--energy-ev", "8800", "--wavelength-m", "1"]
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    assert "not allowed with" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["0", "-1e-10", "nan", "inf"])
def test_a_wavelength_that_is_none_is_refused(tmp_path, capsys, value):
    path = cxi(tmp_path, {})
    words = ["import", str(path), "--out", str(tmp_path / "out.npz"), f"--wavelength-m={value}"]
    assert cli.main(words) == 3
    assert "say --wavelength-m with a number above 0" in capsys.readouterr().err


def test_a_wavelength_of_nothing_in_the_file_is_refused(tmp_path, capsys):
    path = cxi(tmp_path, {f"{BEAM}/incident_wavelength": 0.0})
    refused(tmp_path, capsys, "energy_ev is inf in the file: say --energy-ev", path, *MOVED)


def test_energy_and_wavelength_are_each_other_s_inverse():
    assert scans.energy_ev(scans.wavelength_m(8800.0)) == pytest.approx(8800.0)
