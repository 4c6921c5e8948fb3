import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import ndtr

from radiocov.link import (
    budgets,
    isotropic_level_dbm,
    location_variability_db,
    service_margin_db,
    service_probability,
    talk_in_margin_db,
    talk_out_margin_db,
    total_sigma_db,
)

SITE = SimpleNamespace(id="A", power_dbm=47.0, losses_db=5.5, gain_dbi=9.0, antenna="")
HIP = SimpleNamespace(
    id="hip", power_dbm=35.0, antenna_gain_dbi=0.0, carry_loss_db=12.0, threshold_dbm=-111.0)
VEHICLE = SimpleNamespace(
    id="car", power_dbm=40.0, antenna_gain_dbi=2.0, carry_loss_db=1.0, threshold_dbm=-111.0)
BASE = SimpleNamespace(threshold_dbm=-113.0, diversity_gain_db=3.0)


def test_margins_by_hand():
    # 47 - 5.5 + 9 = 50.5 dBm EIRP; less 2 and 140: -91.5; on the hip -103.5, 7.5 above -111.
    level = isotropic_level_dbm(50.5, 2.0, 140.0)
    assert level == -91.5
    assert talk_out_margin_db(level, HIP) == 7.5
    assert talk_out_margin_db(level, VEHICLE) == 20.5  # -91.5 + 2 - 1 + 111
    # 35 - 12 + 9 - 2 - 5.5 - 140 = -115.5 dBm; threshold -113 - 3 = -116.
    assert talk_in_margin_db(2.0, 140.0, SITE, HIP, BASE) == 0.5
    assert talk_in_margin_db(2.0, 140.0, SITE, VEHICLE, BASE) == 18.5


def test_the_two_directions_differ_by_powers_and_sensitivities_alone():
    loss = np.linspace(80, 160, 9)
    out = talk_out_margin_db(isotropic_level_dbm(50.5, 1.0, loss), HIP)
    back = talk_in_margin_db(1.0, loss, SITE, HIP, BASE)
    # (47 - 35) transmitters + (-116 - -111) receivers
    np.testing.assert_allclose(out - back, 12.0 - 5.0, atol=1e-12)


def test_a_service_takes_its_direction_or_the_worse_of_both():
    out, back = np.array([3.0, -1.0, np.nan]), np.array([1.0, 2.0, 0.0])
    np.testing.assert_array_equal(service_margin_db("talk-out", out, back), out)
    np.testing.assert_array_equal(service_margin_db("talk-in", out, back), back)
    np.testing.assert_array_equal(service_margin_db("both", out, back), [1.0, -1.0, np.nan])
    with pytest.raises(ValueError, match='direction "up"; give talk-out, talk-in, both'):
        service_margin_db("up", out, back)


def test_probability_is_the_normal_distribution():
    margin = np.linspace(-60, 60, 4801)
    np.testing.assert_allclose(service_probability(margin, 7.3), ndtr(margin / 7.3), rtol=1e-12)
    assert service_probability(0.0, 7.3) == 0.5
    # 1.2816 sigma is 90 %
    assert service_probability(1.2815515655446004 * 8, 8.0) == pytest.approx(0.9, abs=1e-12)


def test_probability_of_rasters_stays_float32_and_accurate():
    margin = np.linspace(-40, 40, 999, dtype=np.float32)
    for sigma in (7.3, np.full(999, 7.3, dtype=np.float32)):
        got = service_probability(margin, sigma)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, ndtr(margin.astype(float) / 7.3), atol=3e-7, rtol=2e-5)


def test_probability_at_the_edges():
    assert service_probability(0.0, 0.0) == 1 and service_probability(-0.1, 0.0) == 0
    assert service_probability(np.inf, 5.0) == 1 and service_probability(-np.inf, 5.0) == 0
    assert math.isnan(service_probability(math.nan, 5.0)) and math.isnan(service_probability(1.0, math.nan))
    assert math.isnan(service_probability(1.0, -1.0))


@pytest.mark.parametrize(("pixel", "sigma"), [(50, 1.6), (100, 1.9), (200, 2.3), (500, 3.0), (1000, 3.7)])
def test_location_variability_at_350_mhz(pixel, sigma):
    """Values of reference/standards.md section 3.3, to their rounding."""
    assert location_variability_db(0.35, pixel) == pytest.approx(sigma, abs=0.06)


def test_independent_errors_add_in_squares():
    assert total_sigma_db(3.0, 4.0) == 5.0
    assert total_sigma_db(np.float32([3]), np.float32([4])).dtype == np.float32


def contributions(budget):
    return [t for t in budget.terms if not t.is_total]


def both_budgets(terminal=HIP, **changes):
    options = {"attenuation_db": 2.0, "loss_db": 140.0, "sigma_db": 7.5, "loss_source": "P.1812-8",
               "sigma_source": "stated", **changes}
    return budgets(SITE, terminal, BASE, **options)


def test_budget_line_by_line_talk_out():
    out, _ = both_budgets()
    assert [(t.term, t.value) for t in out.terms[:11]] == [
        ("Site power", 47.0), ("Site losses (combiner, feeder)", -5.5), ("Site antenna gain", 9.0),
        ("EIRP of the maximum", 50.5), ("Antenna pattern (omni)", -2.0), ("Basic transmission loss", -140.0),
        ("Level at an isotropic antenna", -91.5), ("Terminal antenna gain", 0.0),
        ("Carry loss (antenna, body, vehicle)", -12.0), ("Level at the terminal's port", -103.5),
        ("Threshold, turned", 111.0)]
    assert (out.level_dbm, out.margin_db) == (-103.5, 7.5)
    assert out.probability == pytest.approx(0.841344746, abs=1e-9)  # Phi(1)
    assert out.terms[5].source == "P.1812-8" and out.terms[1].source == "sites.csv, A"


def test_budget_line_by_line_talk_in():
    _, back = both_budgets()
    assert [(t.term, t.value) for t in back.terms[:11]] == [
        ("Terminal power", 35.0), ("Carry loss (antenna, body, vehicle)", -12.0),
        ("Terminal antenna gain", 0.0), ("EIRP", 23.0), ("Basic transmission loss", -140.0),
        ("Antenna pattern (omni)", -2.0), ("Site antenna gain", 9.0),
        ("Site losses (combiner, feeder)", -5.5), ("Level at the site's port", -115.5),
        ("Threshold, turned", 113.0), ("Diversity gain", 3.0)]
    assert (back.level_dbm, back.margin_db) == (-115.5, 0.5)


@pytest.mark.parametrize("terminal", [HIP, VEHICLE])
def test_budgets_add_up_and_agree_with_the_raster_functions(terminal):
    out, back = both_budgets(terminal, loss_db=131.7)
    level = isotropic_level_dbm(50.5, 2.0, 131.7)
    assert out.margin_db == pytest.approx(talk_out_margin_db(level, terminal), abs=1e-9)
    assert back.margin_db == pytest.approx(talk_in_margin_db(2.0, 131.7, SITE, terminal, BASE), abs=1e-9)
    for budget in (out, back):
        assert budget.margin_db == pytest.approx(sum(t.value for t in contributions(budget)), abs=1e-9)
        assert budget.to_dict()["terms"][0]["unit"] == "dBm"
