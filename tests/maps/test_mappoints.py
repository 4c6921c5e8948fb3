"""Measured samples as cells of the map, against the same figures worked out sample by sample."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from radiocov.coverage.results import open_state
from radiocov.mappoints import measured_cells
from radiocov.measurements import Measurements
from radiocov.problems import ProjectError
from targets.acceptance import Samples

CARRY_DB = 10.0
PROJECT = SimpleNamespace(
    terminals=[
        SimpleNamespace(id="hip", label="Hip", label_zh="腰间", carry_loss_db=12.0, antenna_gain_dbi=2.0),
        SimpleNamespace(id="vehicle", label="Vehicle", label_zh="", carry_loss_db=1.0, antenna_gain_dbi=2.0),
    ],
    services=[SimpleNamespace(terminal="hip")],
)


@pytest.fixture(scope="module")
def states(raster_run):
    found = [open_state(raster_run[0], state) for state in ("2015", "2017")]
    yield found
    for results in found:
        results.close()


def drive(states, rng, count=3000, devices=5):
    """Samples about the predicted level along a line, a third of them not heard in its last part."""
    grid = states[1].grid
    along = np.sort(rng.uniform(0, 1, count))
    row, col = 100 + 500 * along, 50 + 600 * along
    lon, lat = grid.to_lonlat(*grid.centre_xy(row, col))
    level = states[1].band("level_dbm.tif", 1)[np.floor(row + 0.5).astype(int), np.floor(col + 0.5).astype(int)]
    level = level + rng.normal(-3.0, 4.0, count) - CARRY_DB
    censored = along > 0.9
    level[censored] = np.nan
    device = np.arange(count) % devices
    return Samples(lon, lat, np.arange(count), level, censored, device), row, col


def measurements(samples, **more):
    return Measurements({"talk-out": samples, **more}, {}, {}, ["drive.csv"])


def test_cells_hold_the_medians_of_their_samples(states):
    samples, row, col = drive(states, np.random.default_rng(3))
    found = measured_cells(PROJECT, states, measurements(samples))
    assert found.cell_m == 100.0 and found.carry_db == CARRY_DB and found.terminal["zh"] == "腰间"
    grid = states[1].grid
    r, c = (np.floor(v + 0.5).astype(int) for v in (row, col))
    predicted = [results.band("level_dbm.tif", 1) for results in states]
    assert int(found.samples.sum()) == len(samples) and int(found.silent.sum()) == int(samples.censored.sum())
    for i in range(0, len(found.x), 7):
        here = np.hypot(*(a - b for a, b in zip(grid.centre_xy(r, c), (found.x[i], found.y[i]), strict=True))) < 1
        level = samples.level_dbm[here] + CARRY_DB
        assert here.sum() == found.samples[i]
        if 2 * np.isnan(level).sum() > here.sum():
            assert np.isnan(found.level_dbm[i])
            continue
        assert found.level_dbm[i] == pytest.approx(np.nanmedian(level))
        for state, raster in zip(("2015", "2017"), predicted, strict=True):
            median = np.nanmedian(level - raster[r[here], c[here]])
            assert found.residual_db[state][i] == pytest.approx(median, abs=1e-4)
    assert np.nanmedian(found.residual_db["2017"]) == pytest.approx(-3.0, abs=0.5)
    assert np.nanmedian(found.residual_db["2015"]) == pytest.approx(5.0, abs=0.5)  # that state is 8 dB weaker


def test_many_cells_become_fewer_and_larger(states, monkeypatch):
    from radiocov import mappoints

    monkeypatch.setattr(mappoints, "MOST_CELLS", 100)
    samples, *_ = drive(states, np.random.default_rng(3))
    found = measured_cells(PROJECT, states, measurements(samples))
    assert 50 < len(found.x) <= 100 and found.cell_m == 1600.0 and found.samples.sum() == len(samples)


def test_a_fleets_cells_need_three_handsets_and_twenty_samples(states):
    samples, *_ = drive(states, np.random.default_rng(3), count=30_000, devices=2)
    assert len(measured_cells(PROJECT, states, measurements(samples), private=True).x) == 0
    samples, *_ = drive(states, np.random.default_rng(3), count=30_000, devices=5)
    found = measured_cells(PROJECT, states, measurements(samples), private=True)
    assert len(found.x) > 100 and found.samples.min() >= 20
    assert found.left_out["private"] + found.samples.sum() == 30_000


def test_what_is_not_shown_is_counted_and_the_terminal_named(states):
    samples, *_ = drive(states, np.random.default_rng(3))
    away = replace(samples, lon=samples.lon + 20)
    assert measured_cells(PROJECT, states, measurements(away)) is None
    assert measured_cells(PROJECT, states, Measurements({}, {}, {}, [])) is None
    found = measured_cells(PROJECT, states, measurements(samples, **{"talk-in": away}), "vehicle")
    assert found.left_out == {"talk_in": 3000} and found.carry_db == -1.0
    with pytest.raises(ProjectError, match='there is no terminal "vehicel".*did you mean "vehicle"'):
        measured_cells(PROJECT, states, measurements(samples), "vehicel")
