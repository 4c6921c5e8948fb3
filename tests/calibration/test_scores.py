import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from radiocov.calibration import scores, synthetic
from radiocov.calibration.model import ABOVE, BELOW, NONE
from radiocov.calibration.validate import HeldOut


@pytest.fixture(scope="module")
def drawn():
    return synthetic.draw(synthetic.Truth(seed=5), 4000, 0.25)


def small(level, censored):
    n = len(level)
    cells = synthetic.draw(synthetic.Truth(), 100).cells.of(np.arange(n))
    return replace(cells, level_dbm=np.array(level, float), censored=np.array(censored), error_db=np.zeros(n))


def test_figures_of_a_few_cells_by_hand():
    cells = small([-90, -100, -95, -110, -108], [NONE, NONE, NONE, BELOW, BELOW])
    level = np.array([-92.0, -97.0, np.nan, -112.0, -101.0])
    row = scores.scored(cells, level, np.full(5, 4.0), -98.0)
    assert (row["cells"], row["censored"], row["not_predicted"]) == (2, 2, 1)
    assert row["bias_db"] == pytest.approx(0.5) and row["rmse_db"] == pytest.approx(math.sqrt(6.5))
    assert row["sigma_db"] == pytest.approx(2.5) and row["mae_db"] == pytest.approx(2.5)
    assert row["silent_found"] == 0.5
    assert row["hit_rate"] == 1.0 and row["false_alarm_rate"] == pytest.approx(1 / 3) and row["undecided"] == 0
    density = -0.5 * np.array([0.5, 0.75]) ** 2 - math.log(4 * math.sqrt(2 * math.pi))
    silent = np.log(ndtr(np.array([2.0, -7.0]) / 4))
    assert row["log_score"] == pytest.approx(np.concatenate([density, silent]).mean())


def test_a_limit_above_the_threshold_leaves_a_silent_cell_undecided():
    cells = small([-90, -95, -95, -80], [BELOW, BELOW, NONE, ABOVE])
    above, below = scores.truth_at(cells, -92.0)
    assert above.tolist() == [False, False, False, True]
    assert below.tolist() == [False, True, True, False]


def test_true_spreads_are_found_right_and_wrong_ones_wrong(drawn):
    truth = synthetic.Truth(seed=5)
    cells, sd = drawn.cells, np.full(len(drawn.cells), truth.cell_db)
    rng = np.random.default_rng(1)
    median = drawn.true_dbm
    seen = median + truth.cell_db * rng.standard_normal(len(cells)) + rng.normal(0, 1, len(cells))
    limit = np.quantile(seen, 0.25)
    cells = replace(cells, level_dbm=np.maximum(seen, limit), censored=np.where(seen < limit, BELOW, NONE))
    check = scores.spread_check(cells, median, sd)
    np.testing.assert_allclose(check["pit"], 0.1, atol=0.02)
    for part, share in check["within"].items():  # of heard cells alone, so only about the nominal
        assert share == pytest.approx(float(part), abs=0.05)
    promise = scores.heard_where_promised(cells, median, sd)
    assert promise.share == pytest.approx(0.9, abs=0.02) and promise.cells > 1000
    assert promise.low < 0.9 < promise.high < promise.low + 0.05
    assert scores.heard_where_promised(cells, median, sd / 2).high < 0.85
    few = scores.heard_where_promised(cells.of(np.arange(40)), median[:40], sd[:40])
    assert few.high - few.low > promise.high - promise.low
    rows = scores.reliability(cells, median, sd, float(limit) + 5)
    for row in rows:
        if row["cells"] > 50:
            assert row["low"] - 0.05 <= row["stated"] <= row["high"] + 0.05
        assert row["low"] <= row["heard"] <= row["high"]
    assert sum(row["cells"] for row in rows) == len(cells)
    assert max(scores.spread_check(cells, median, sd / 2)["pit"]) > 0.15


def test_rows_by_class_distance_and_site_hold_every_cell_once(drawn):
    cells = drawn.cells
    one = HeldOut("sites", "model", cells.predicted_dbm, np.full(len(cells), 8.0), 2, 0)
    rows = scores.table(cells, [one], -100.0)
    for kind in ("all", "class", "distance", "site"):
        mine = [r for r in rows if r["by"] == kind]
        assert sum(r["cells"] + r["censored"] for r in mine) == len(cells)
    assert {r["group"] for r in rows if r["by"] == "site"} == set(cells.sites)


def test_without_a_threshold_rates_are_not_made_up(drawn):
    row = scores.scored(drawn.cells, drawn.cells.predicted_dbm, np.full(len(drawn.cells), 8.0), None)
    assert row["hit_rate"] is None and row["false_alarm_rate"] is None
