from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from radiocov.calibration import baselines, scores, synthetic, validate
from radiocov.calibration.errors import CalibrationError
from radiocov.calibration.fit import fit
from radiocov.calibration.model import BELOW


@pytest.fixture(scope="module")
def cells():
    return synthetic.draw(synthetic.Truth(seed=7), 2500, 0.2).cells


@pytest.mark.parametrize("split, key", [("sites", "site"), ("days", "day")])
def test_no_group_is_on_both_sides_and_every_cell_is_left_out_once(cells, split, key):
    folds = validate.folds(cells, split)
    value = getattr(cells, key)
    for fold in folds:
        assert not set(value[fold.train]) & set(value[fold.test])
    assert np.sum([f.test for f in folds], axis=0).tolist() == [1] * len(cells)


def test_no_training_cell_lies_near_an_area_that_was_left_out(cells):
    xy = np.column_stack([cells.x_m, cells.y_m])
    folds = validate.folds(cells, "areas")
    for fold in folds:
        near, _ = cKDTree(xy[fold.test]).query(xy[fold.train])
        assert near.min() >= validate.GUARD_M
    assert np.sum([f.test for f in folds], axis=0).tolist() == [1] * len(cells)


def test_many_groups_are_joined_to_a_few_folds_of_like_size():
    cells = synthetic.draw(synthetic.Truth(sites=25, seed=2), 2500).cells
    folds = validate.folds(cells, "sites")
    assert len(folds) == validate.MOST_FOLDS
    sizes = [f.test.sum() for f in folds]
    assert max(sizes) <= 2 * min(sizes)


def test_a_split_that_the_data_do_not_allow_is_refused_with_the_reason(cells):
    with pytest.raises(CalibrationError, match="of one day"):
        validate.folds(replace(cells, day=np.full(len(cells), 17000)), "days")
    relative = replace(cells, relative=True, talk_in=np.ones(len(cells), bool))
    with pytest.raises(CalibrationError, match="unknown zero"):
        validate.folds(relative, "sites")
    held, reasons = validate.held_out(relative, {"uncalibrated": baselines.uncalibrated}, ("sites", "days"))
    assert [h.split for h in held] == ["days"] and len(reasons) == 1


def test_cells_of_a_receiver_without_training_are_not_asked_for_where_levels_are_relative(cells):
    day = np.where(cells.site == 0, 17_000, cells.day + 10)
    relative = replace(cells, relative=True, talk_in=np.ones(len(cells), bool), day=day)
    held, _ = validate.held_out(relative, {"line": baselines.log_distance}, ("days",))
    assert not held[0].told[cells.site == 0].any()
    assert held[0].told[cells.site != 0].all()


def test_the_calibrated_model_beats_every_baseline_where_its_form_is_true(cells):
    calibration = fit(cells)
    models = {"calibrated": baselines.calibrated(calibration), **baselines.BASELINES}
    held, reasons = validate.held_out(cells, models, ("sites", "areas", "days"))
    assert not reasons and len(held) == 3 * len(models)
    threshold = float(cells.level_dbm[cells.censored == BELOW].max()) + 3
    rows = {(r["split"], r["model"]): r for r in scores.table(cells, held, threshold, by=False)}
    for split in ("sites", "areas", "days"):
        mine = rows[split, "calibrated"]
        for name in baselines.BASELINES:
            other = rows[split, name]
            assert mine["rmse_db"] < other["rmse_db"] and mine["log_score"] > other["log_score"]
    for one in held:
        if one.model == "calibrated":
            check = scores.spread_check(cells, one.level_dbm, one.sd_db)
            assert max(check["pit"]) < 0.14 and 0.85 < check["z_sd"] < 1.15
            assert 0.86 < scores.heard_where_promised(cells, one.level_dbm, one.sd_db).share < 0.94


def test_the_line_is_the_line_that_the_levels_lie_on(cells):
    radiated = cells.predicted_dbm + cells.excess_db + 20 * np.log10(cells.distance_km)
    level = radiated - 4.0 - 35.0 * np.log10(cells.distance_km)
    line = replace(cells, level_dbm=level, censored=np.zeros(len(cells), int))
    odd = cells.site % 2 == 1
    level, sd = baselines.log_distance(line.of(~odd), line.of(odd))
    far = cells.distance_km[odd] > 0.5  # slant distance
    np.testing.assert_allclose(level[far], line.level_dbm[odd][far], atol=0.1)
    assert sd.max() < 0.5


def test_baselines_of_relative_levels_have_an_offset_a_receiver():
    cells = synthetic.draw(synthetic.Truth(seed=8), 1000).cells
    zero = np.linspace(-40, 40, len(cells.sites))[cells.site]
    relative = replace(
        cells, relative=True, talk_in=np.ones(len(cells), bool), level_dbm=cells.level_dbm + zero
    )
    for name, predict in baselines.BASELINES.items():
        level, _ = predict(relative, relative)
        for site in range(len(cells.sites)):
            assert abs(np.mean((relative.level_dbm - level)[cells.site == site])) < 1, name
