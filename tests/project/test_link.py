import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import ndtr

from radiocov.link import (
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
