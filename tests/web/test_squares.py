"""Sums of cells against counting one by one: however the records are cut into imports, and at every side."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from devices import cells
from devices.privacy import LEAST_DEVICES
from radiocov.web import squares

PLACES = st.tuples(st.floats(40.80, 40.83), st.floats(122.90, 122.94))
RECORDS = st.lists(st.tuples(PLACES, st.integers(1, 5), st.integers(-120, -50) | st.none()), min_size=1, max_size=60)


def parts_of(records):
    """As they come from the store: a handset at a time."""
    for device in sorted({device for _, device, _ in records}):
        own = [(place, level) for place, number, level in records if number == device]
        lat, lon = np.array([place for place, _ in own]).T
        silent = np.array([level is None for _, level in own])
        level = np.array([np.nan if level is None else float(level) for _, level in own])
        yield squares.counted(cells.cell_of(lat, lon, squares.SIDE_M), device, level, silent)


@settings(max_examples=60, deadline=None)
@given(RECORDS, st.integers(0, 60))
def test_sums_are_those_of_counting_one_by_one(records, cut):
    wanted = {}
    for (lat, lon), device, level in records:
        cell = int(cells.cell_of(np.array([lat]), np.array([lon]), squares.SIDE_M)[0])
        heard, total, quiet, devices = wanted.setdefault(cell, [0, 0.0, 0, set()])
        devices.add(device)
        wanted[cell][:3] = [heard + (level is not None), total + (level or 0), quiet + (level is None)]
    halves = [squares.joined(list(parts_of(half))) for half in (records[:cut], records[cut:]) if half]
    found = squares.joined([squares.unpacked(squares.packed(half), len(half)) for half in halves])
    assert found.cell.tolist() == sorted(wanted)
    for at, cell in enumerate(found.cell.tolist()):
        heard, total, quiet, devices = wanted[cell]
        assert (found.samples[at], found.no_service[at]) == (heard, quiet)
        assert found.level_sum[at] == total
        kept = [number for number in found.devices[at].tolist() if number]
        assert set(kept) <= devices and len(kept) == min(len(devices), LEAST_DEVICES)


@settings(max_examples=40, deadline=None)
@given(RECORDS, st.sampled_from(squares.SIDES))
def test_nothing_is_lost_in_larger_cells_and_their_squares(records, side):
    finest = squares.joined(list(parts_of(records)))
    larger = squares.coarser(finest, side)
    assert larger.samples.sum() == finest.samples.sum() and larger.no_service.sum() == finest.no_service.sum()
    by_square = squares.by_square(larger, side)
    assert sum(len(own) for own in by_square.values()) == len(larger)
    lat, lon = cells.centre_of(larger.cell, squares.SIDE_M * side)
    for y, x in zip(lat.tolist(), lon.tolist(), strict=True):
        _, seen = squares.view(x - 1e-3, y - 1e-3, x + 1e-3, y + 1e-3)
        assert set(seen) & set(by_square) or side > 1
    if side == squares.SIDES[-1]:
        used, world = squares.view(-180.0, -90.0, 180.0, 90.0)
        assert used == side and set(by_square) <= set(world)


@given(st.floats(-89.9, 89.0), st.floats(-180.0, 179.0), st.floats(1e-4, 1.0), st.floats(1e-4, 1.0))
def test_a_view_asks_for_few_squares_wherever_it_is(south, west, high, wide):
    for east in (min(180.0, west + wide), 180.0):
        if west < east:
            _, wanted = squares.view(west, south, east, min(90.0, south + high))
            assert 0 < len(wanted) <= squares.MOST_SQUARES
