"""Which scans can be reconstructed: known answers on scans laid out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from harness import reconstructible

SIDE_PX = 32
RADIUS_PX = 10.0


def disc_probe(off_centre_px=0):
    y, x = np.indices((SIDE_PX, SIDE_PX)) - SIDE_PX // 2
    return (np.hypot(y - off_centre_px, x) <= RADIUS_PX).astype(complex)[None]


def row_of(step_px, frames=9):
    """Return corners along a row, and the object's shape."""
    columns = np.arange(frames) * step_px
    corners = np.stack([np.zeros_like(columns), columns], axis=1)
    return corners, (SIDE_PX, int(columns[-1]) + SIDE_PX)


@pytest.mark.parametrize(
    ("step_px", "share", "enough"),
    [
        (5, 1.0, True),
        # Discs of radius r, a step s > r apart, share 2r - s of each step along the row.
        (12, (2 * 0.975 * RADIUS_PX - 12) / 12, True),
        (15, (2 * 0.975 * RADIUS_PX - 15) / 15, False),
        (25, 0.0, False),
    ],
)
def test_the_share_of_the_box_that_two_discs_see(step_px, share, enough):
    found = reconstructible.coverage(disc_probe(), *row_of(step_px))
    assert found.disc_diameter_px == pytest.approx(2 * 0.975 * RADIUS_PX, abs=0.6)
    assert found.share == pytest.approx(share, abs=1.2 / step_px)
    assert found.enough is found.as_record()["reconstructible"] is enough


def test_frames_at_one_place_count_each():
    corners, shape = row_of(25)
    twice = np.concatenate([corners, corners])
    assert reconstructible.coverage(disc_probe(), twice, shape).share > 0.7


def test_the_disc_lies_where_the_power_is():
    corners, shape = row_of(5)
    assert reconstructible.coverage(disc_probe(), corners, shape).share == 1.0
    assert reconstructible.coverage(disc_probe(11), corners, shape).share == 0.0


def test_the_power_of_all_modes_counts():
    corners, shape = row_of(15)
    modes = np.concatenate([disc_probe(), disc_probe(5), disc_probe(-5)])
    wider = reconstructible.coverage(modes, corners, shape)
    alone = reconstructible.coverage(disc_probe(), corners, shape)
    assert wider.disc_diameter_px > alone.disc_diameter_px
    assert wider.share > alone.share


@pytest.mark.parametrize(
    ("rule", "delivered", "run", "at_once"),
    [
        ("heldout", 2, 40, True),
        ("heldout", 3, 40, False),
        ("heldout", 2, 2, False),
        ("final", 2, 40, False),
    ],
)
def test_a_reconstruction_that_held_out_photons_stop_at_once_is_none(rule, delivered, run, at_once):
    assert reconstructible.stopped_at_once(rule, delivered, run) is at_once
