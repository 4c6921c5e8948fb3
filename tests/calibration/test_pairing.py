"""Predictions at measured places are those of `radiocov path`, in both directions and by every model."""

import dataclasses
import json

import numpy as np
import pytest

from radiocov.calibration.pairing import Predictor
from radiocov.coverage.setup import read_ground
from radiocov.pathview import view_path


@pytest.mark.parametrize("model", ["p1812", "itm", "extended-hata", "free-space"])
@pytest.mark.parametrize("talk_in", [False, True])
def test_a_prediction_is_what_radiocov_path_says_there(made, fresh, logs, model, talk_in):
    made.edit(fresh / "project.toml", 'name = "p1812"', f'name = "{model}"')
    inputs = made.inputs_of(fresh)
    means = logs.cells(inputs, 3, 8)
    means = dataclasses.replace(means, talk_in=np.full(len(means), talk_in))
    found = Predictor(inputs, read_ground(inputs)).predict(means)
    grid = read_ground(inputs).grid
    for i in range(len(means)):
        lon, lat = grid.to_lonlat(means.x_m[i], means.y_m[i])
        site, terminal = inputs.sites[means.site[i]].id, inputs.project.terminals[0].id
        view = view_path(inputs, site, float(lon), float(lat), terminal)
        budget = view.budgets[int(talk_in)].to_dict()
        assert found.loss_db[i] == pytest.approx(view.loss_db, abs=0.01)
        assert found.predicted_dbm[i] == pytest.approx(budget["level_dbm"], abs=0.01), json.dumps(budget, indent=1)
        assert found.distance_km[i] == pytest.approx(view.geometry["distance_km"], abs=1e-6)


def test_a_sector_is_seen_with_its_pattern(made, fresh, logs):
    inputs = made.inputs_of(fresh)
    found = Predictor(inputs, read_ground(inputs)).predict(logs.cells(inputs, 2, 60))
    sector = logs.cells(inputs, 2, 60).site == 1
    assert found.attenuation_db[sector].max() > 20.0
    assert found.attenuation_db[~sector].max() < 6.0


def test_the_other_direction_differs_by_the_budget_alone(made, fresh, logs):
    inputs = made.inputs_of(fresh)
    model, means = Predictor(inputs, read_ground(inputs)), logs.cells(inputs, 3, 10)
    out = model.predict(means)
    back = model.predict(dataclasses.replace(means, talk_in=np.ones(len(means), bool)))
    assert out.predicted_dbm + out.swapped_db == pytest.approx(back.predicted_dbm)
    assert back.predicted_dbm + back.swapped_db == pytest.approx(out.predicted_dbm)
    assert np.all(out.swapped_db < -5.0)


def test_higher_clutter_takes_level_away(made, fresh, logs):
    from radiocov.calibration.pairing import pair
    from radiocov.calibration.prepare import Prepared

    inputs = made.inputs_of(fresh)
    ground, means = read_ground(inputs), logs.cells(inputs, 3, 30)
    model = Predictor(inputs, ground)
    means = dataclasses.replace(means, level_dbm=model.predict(means).predicted_dbm)
    cells = pair(inputs, ground, Prepared(means, [], 1.0, 5.6), {0: "1001"}, clutter_heights=True).cells
    slope = cells.clutter_slope_db_per_m
    assert slope.shape == (len(cells), len(cells.classes))
    assert slope.min() < -0.05 and slope.max() < 0.5
    bare = [cells.classes.index(c.name) for c in ground.classes if c.name in cells.classes and not c.height_m]
    assert not slope[:, bare].any()
