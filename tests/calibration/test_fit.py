"""What a fit says, on cells whose truth is known."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from radiocov.calibration import fit as fit_module
from radiocov.calibration import synthetic
from radiocov.calibration.design import Column
from radiocov.calibration.errors import CalibrationError
from radiocov.calibration.fit import fit
from radiocov.calibration.model import BELOW, NONE
from radiocov.calibration.outcome import corrected

TRUTH = synthetic.Truth(seed=11)
PLAIN = replace(TRUTH, own_db=0.0, common_db=0.0, outliers=0.0)  # independent cells
FIXED = ("slope_db_per_decade", "excess")


@pytest.fixture(scope="module")
def drawn():
    return synthetic.draw(TRUTH, 3000, 0.3)


@pytest.fixture(scope="module")
def fitted(drawn):
    return fit(drawn.cells)


def test_known_effects_are_found_within_four_of_their_standard_deviations(drawn, fitted):
    for name in ("offset_db", "height_db_per_decade", *FIXED):
        effect = fitted.fixed[name]
        assert abs(effect.value - getattr(TRUTH, name)) < 4 * effect.sd, name
        assert effect.status == "fitted"
    contrast = fitted.classes["open"].value - fitted.classes["urban"].value
    assert contrast == pytest.approx(TRUTH.class_db[0] - TRUTH.class_db[2], abs=1.5)
    found = np.array([fitted.sites[name].value for name in drawn.cells.sites])
    assert np.corrcoef(found, drawn.site_db)[0, 1] > 0.8
    spread = math.sqrt(TRUTH.cell_db**2 + TRUTH.own_db**2 + TRUTH.common_db**2)
    assert fitted.sigma_db["suburban"].value == pytest.approx(spread, rel=0.15)


def test_censored_cells_take_the_bias_away_that_leaving_them_out_brings(drawn):
    cells = drawn.cells
    there = synthetic.area(TRUTH, drawn, 400)
    threshold = float(np.quantile(there.true_dbm, 0.5))
    covered = np.mean(there.true_dbm >= threshold)

    def share(calibration):
        median, _ = corrected(there.cells, calibration)
        sigma = np.array([calibration.sigma_db[name].value for name in cells.classes])[there.cells.clutter]
        return float(np.mean(ndtr((median - threshold) / sigma)))

    aware, blind = share(fit(cells)), share(fit(cells.of(cells.censored == NONE)))
    assert abs(aware - covered) < 0.02
    assert blind - covered > 0.03


def test_the_order_of_cells_and_the_names_of_places_do_not_matter(drawn, fitted):
    order = np.random.default_rng(3).permutation(len(drawn.cells))
    again = fit(drawn.cells.of(order), block_m=fitted.provenance["block_m"])
    moved = fit(replace(drawn.cells, x_m=drawn.cells.x_m + 1200, y_m=drawn.cells.y_m - 2400), block_m=600.0)
    here = fit(drawn.cells, block_m=600.0)
    for name in FIXED:
        assert again.fixed[name].value == pytest.approx(fitted.fixed[name].value, abs=0.02 * fitted.fixed[name].sd)
        assert moved.fixed[name].value == pytest.approx(here.fixed[name].value, abs=1e-6)


def test_what_neighbours_share_makes_intervals_wider_than_independence_would(drawn, fitted):
    alone = fit(drawn.cells, block_m=0.0)
    for name in ("slope_db_per_decade",):
        assert fitted.fixed[name].sd > 1.15 * alone.fixed[name].sd
    assert np.mean([e.sd for e in fitted.devices.values()]) > 1.2 * np.mean([e.sd for e in alone.devices.values()])


def test_independent_cells_are_found_to_be_independent():
    calibration = fit(synthetic.draw(PLAIN, 3000).cells)
    shared = math.hypot(calibration.provenance["place_db"], calibration.provenance["common_db"])
    assert shared < 0.3 * PLAIN.cell_db
    assert calibration.degrees_of_freedom >= 10


def test_gross_outliers_move_nothing_and_are_told_by_the_tails():
    clean = synthetic.draw(PLAIN, 2000).cells
    level = clean.level_dbm.copy()
    level[np.random.default_rng(1).random(len(clean)) < 0.04] -= 60.0
    before, after = fit(clean, block_m=0.0), fit(replace(clean, level_dbm=level), block_m=0.0)
    normal = fit(replace(clean, level_dbm=level), block_m=0.0, freedom=math.inf)
    assert after.degrees_of_freedom < 7 < before.degrees_of_freedom
    for name in FIXED:
        moved, sd = abs(after.fixed[name].value - before.fixed[name].value), before.fixed[name].sd
        assert moved < 1.5 * sd
    mean = [float(np.mean(corrected(clean, c)[0])) for c in (before, after, normal)]
    assert abs(mean[1] - mean[0]) < 1.0 < abs(mean[2] - mean[0])


def test_a_class_with_few_cells_stays_near_the_others_and_says_so():
    cells = synthetic.draw(PLAIN, 2000).cells
    rare = np.zeros(len(cells), int)
    rare[:4] = 1
    level = np.where(rare, cells.level_dbm + 30, cells.level_dbm)
    cells = replace(cells, clutter=rare, level_dbm=level, classes=("common", "rare", "never"))
    calibration = fit(cells, block_m=0.0)
    assert calibration.classes["rare"].value < 25
    assert calibration.classes["rare"].sd > 3 * calibration.classes["common"].sd or calibration.classes["rare"].sd > 1
    never = calibration.classes["never"]
    assert never.status == "kept" and never.value == pytest.approx(0, abs=1e-6) and never.cells == 0
    assert any("rare" in line for line in calibration.advice)


def test_what_the_data_cannot_support_keeps_its_prior_with_a_reason():
    cells = synthetic.draw(replace(PLAIN, sites=3), 600).cells
    near = replace(cells, distance_km=np.clip(cells.distance_km, 5.0, 6.0), excess_db=np.full(len(cells), 7.0))
    calibration = fit(near, block_m=0.0)
    for name, word in (("slope_db_per_decade", "distances"), ("excess", "excess"), ("height_db_per_decade", "sites")):
        effect = calibration.fixed[name]
        assert (effect.value, effect.status) == (0.0, "kept")
        assert word in effect.reason and any(name in line for line in calibration.advice)
    assert calibration.fixed["slope_db_per_decade"].sd == pytest.approx(20.0)


def test_a_column_that_repeats_another_is_kept_and_named():
    cells = synthetic.draw(PLAIN, 600).cells
    twin = Column("twin", 2 * cells.excess_db + 1, 0.3, 1.0, "a copy")
    calibration = fit(cells, extra=[twin], block_m=0.0)
    assert calibration.fixed["twin"].value == 0.3 and "runs with" in calibration.fixed["twin"].reason


def test_k_factors_of_spm_enter_as_columns_within_their_bounds():
    cells = synthetic.draw(PLAIN, 1500).cells
    k3 = np.log10(cells.tx_height_m)
    level = cells.level_dbm - 4.0 * np.log10(cells.distance_km) * k3
    column = Column("K5", -np.log10(cells.distance_km) * k3, 0.0, 5.0, "Hata's own is -6.55", -8.0, 8.0)
    found = fit(replace(cells, level_dbm=level), extra=[column], block_m=0.0).fixed["K5"]
    assert abs(found.value - 4.0) < 3 * found.sd and found.sd < 3
    tight = replace(column, high=1.0)
    bound = fit(replace(cells, level_dbm=level), extra=[tight], block_m=0.0).fixed["K5"]
    assert bound.value == pytest.approx(1.0) and "bound" in bound.reason


def test_effective_clutter_heights_stay_physical():
    cells = synthetic.draw(PLAIN, 1500).cells
    slope = np.zeros((len(cells), len(cells.classes)))
    slope[cells.clutter == 2, 2] = -0.5 - 0.3 * np.random.default_rng(2).random(np.sum(cells.clutter == 2))
    truth = replace(cells, clutter_slope_db_per_m=slope, level_dbm=cells.level_dbm + 6.0 * slope[:, 2])
    calibration = fit(truth, clutter_m={"urban": 15.0}, block_m=0.0)
    height = calibration.clutter_heights_m["urban"]
    assert 15.0 < height.value <= 30.0 and height.sd > 0
    level, _ = corrected(truth, calibration)
    assert np.mean(level - truth.level_dbm) == pytest.approx(0, abs=0.5)
    flat = replace(truth, level_dbm=truth.level_dbm + 200.0 * slope[:, 2])
    assert fit(flat, clutter_m={"urban": 15.0}, block_m=0.0).clutter_heights_m["urban"].value <= 30.0


def test_relative_levels_have_a_zero_a_receiver_and_no_offset():
    cells = synthetic.draw(PLAIN, 2000).cells
    zero = np.linspace(-30, 30, len(cells.sites))
    level = cells.level_dbm + 90 + zero[cells.site]
    relative = replace(cells, relative=True, talk_in=np.ones(len(cells), bool), level_dbm=level)
    calibration = fit(relative, block_m=0.0)
    absolute = fit(cells, block_m=0.0)
    assert calibration.fixed["offset_db"].status == "kept" and calibration.fixed["offset_db"].value == 0.0
    assert not calibration.validity["absolute"]
    level, _ = corrected(relative, calibration)
    assert np.std(level - relative.level_dbm) == pytest.approx(PLAIN.cell_db, rel=0.15)
    for name in FIXED:
        known = absolute.fixed[name]
        assert calibration.fixed[name].value == pytest.approx(known.value, abs=3 * known.sd)


def test_one_site_and_one_handset_are_said_and_new_sites_stay_uncertain():
    cells = synthetic.draw(replace(PLAIN, sites=1, devices=1), 500).cells
    calibration = fit(cells, block_m=0.0)
    assert "an only site" in calibration.sites["S00"].reason
    assert all(any(line.startswith(what) for line in calibration.advice) for what in ("one site", "one handset"))
    level, sd = corrected(cells, calibration)
    _, unknown = corrected(replace(cells, sites=("NEW",)), calibration)
    assert np.mean(level - cells.level_dbm) == pytest.approx(0, abs=0.5)
    assert np.all(unknown**2 > sd**2 + 0.5 * calibration.site_db**2)


def test_sd_of_known_sites_takes_in_that_offset_and_site_err_together(drawn, fitted):
    any_handset = tuple(f"any {name}" for name in drawn.cells.devices)
    _, sd = corrected(replace(drawn.cells, devices=any_handset), fitted)
    sigma = np.array([fitted.sigma_db[name].value for name in drawn.cells.classes])[drawn.cells.clutter]
    fit_sd = np.sqrt(sd**2 - sigma**2 - fitted.device_db**2)
    apart = math.sqrt(fitted.fixed["offset_db"].sd ** 2 + fitted.sites["S00"].sd ** 2)
    assert np.median(fit_sd) < 0.75 * apart


def test_both_directions_of_a_handset_have_effects_of_their_own():
    cells = synthetic.draw(PLAIN, 3000).cells
    talk_in = np.arange(len(cells)) % 2 == 0
    level = cells.level_dbm + np.where(talk_in & (cells.device == 0), -8.0, 0.0)
    calibration = fit(replace(cells, talk_in=talk_in, level_dbm=level), block_m=0.0)
    gap = calibration.devices["H000"].value - calibration.devices["H000 talk-in"].value
    assert gap == pytest.approx(8.0, abs=2.5)


def test_cells_without_any_level_are_refused():
    cells = synthetic.draw(PLAIN, 300).cells
    with pytest.raises(CalibrationError, match="no cell was heard"):
        fit(replace(cells, censored=np.full(len(cells), BELOW)))
    with pytest.raises(CalibrationError, match="no cell was heard"):
        fit(cells.of(np.zeros(len(cells), bool)))


def test_weight_counts_as_repetition():
    cells = synthetic.draw(PLAIN, 600, 0.2).cells
    again = cells.of(np.r_[np.arange(300), np.arange(600)])
    heavy = replace(cells, weight=np.r_[np.full(300, 2.0), np.ones(300)])
    a, b = fit(again, block_m=0.0), fit(heavy, block_m=0.0)
    for name in FIXED:
        assert a.fixed[name].value == pytest.approx(b.fixed[name].value, rel=1e-3)
        assert a.fixed[name].sd == pytest.approx(b.fixed[name].sd, rel=1e-3)


def test_sd_of_measured_handsets_is_that_of_the_whole_posterior(drawn):
    """Independent of which effects the posterior splits the level between."""
    cells = drawn.cells
    problem = fit_module.prepare(cells, [], None, None, 600.0)
    found = fit_module.solve(problem)
    calibration = fit_module.calibration_of(found, {})
    _, sd = corrected(cells, calibration)
    design = np.zeros((len(cells), problem.layout.size))
    design[:, : problem.layout.x.shape[1]] = problem.layout.x
    for first, position in zip(problem.layout.first, problem.layout.group, strict=True):
        design[np.arange(len(cells)), first + position] = 1
    sigma = np.array([calibration.sigma_db[name].value for name in cells.classes])[cells.clutter]
    whole = np.einsum("ia,ab,ib->i", design, found.covariance, design)
    np.testing.assert_allclose(sd**2 - sigma**2, whole, rtol=1e-6, atol=1e-9)


def test_loss_by_obstacles_that_has_nothing_to_do_with_the_levels_is_switched_off():
    cells = synthetic.draw(replace(PLAIN, excess=1.0), 1500).cells
    found = fit(cells, block_m=0.0).fixed["excess"]
    assert (found.value, found.status) == (1.0, "kept") and "switched off" in found.reason


@pytest.mark.parametrize("weight", [-0.15, 0.3, 0.6])
def test_loss_by_obstacles_that_is_clearly_there_stays(weight):
    cells = synthetic.draw(replace(PLAIN, excess=weight), 1500).cells
    found = fit(cells, block_m=0.0).fixed["excess"]
    assert found.status == "fitted" and found.value == pytest.approx(weight, abs=4 * found.sd)
