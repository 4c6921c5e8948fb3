"""P.372 man-made noise: published constants, combination with the receiver's own noise, limits."""

import numpy as np
import pytest

from radiocov.propagation.noise import (
    man_made_noise_figure_db,
    man_made_noise_terms,
    noise_rise_db,
    system_noise_figure_db,
    thermal_noise_dbm,
)


@pytest.mark.parametrize(
    ("environment", "expected"),  # c of P.372 table: the figure at 1 MHz
    [("city", 76.8), ("residential", 72.5), ("rural", 67.2), ("quiet-rural", 53.6), ("quiet", 53.6)],
)
def test_constants_at_1_mhz(environment, expected):
    assert man_made_noise_figure_db(1.0, environment) == pytest.approx(expected)


def test_two_readings_of_a_city_at_350_mhz():
    extrapolated = man_made_noise_terms(350.0, "city")
    stated = man_made_noise_terms(350.0, "uhf-business")
    assert extrapolated["F_am"] == pytest.approx(6.3, abs=0.05) and extrapolated["extrapolated"]
    assert stated["F_am"] == pytest.approx(13.0, abs=0.05) and not stated["extrapolated"]
    assert (extrapolated["D_u"], extrapolated["D_l"]) == (11.0, 6.7)
    assert not man_made_noise_terms(150.0, "City")["extrapolated"]


def test_rise_of_a_7_db_receiver():
    """Worked by hand from f = f_a + f_rx - 1 at 350 MHz."""
    rise = {e: noise_rise_db(350.0, e, 7.0) for e in ("city", "uhf_business", "residential", "quiet rural")}
    assert rise["city"] == pytest.approx(2.2, abs=0.05)
    assert rise["uhf_business"] == pytest.approx(6.8, abs=0.05)
    assert rise["residential"] == pytest.approx(0.5, abs=0.05)
    assert rise["quiet rural"] == 0.0  # below k T0 b: thermal


def test_combination():
    assert system_noise_figure_db(0.0, 7.0) == pytest.approx(7.0)
    assert system_noise_figure_db(30.0, 0.0) == pytest.approx(30.0)
    assert system_noise_figure_db(-20.0, 7.0) == pytest.approx(7.0)
    # equal parts well above k T0 b: 3 dB more
    assert system_noise_figure_db(40.0, 40.0) == pytest.approx(43.01, abs=0.01)
    # loss ahead of the receiver adds to its own figure and dilutes external noise
    assert system_noise_figure_db(10.0, 5.0, 3.0) == system_noise_figure_db(10.0, 8.0)
    assert noise_rise_db(350.0, "city", 7.0, 3.0) < noise_rise_db(350.0, "city", 7.0)


def test_rise_falls_with_frequency_and_receiver_noise():
    f = np.linspace(100.0, 1000.0, 50)
    assert np.all(np.diff(noise_rise_db(f, "city", 7.0)) <= 0)
    assert np.all(np.diff(noise_rise_db(350.0, "city", np.linspace(0.0, 15.0, 30))) < 0)
    assert noise_rise_db(f[:, None], "rural", [3.0, 7.0]).shape == (50, 2)


def test_thermal_noise_of_a_7600_hz_receiver():
    assert thermal_noise_dbm(7600.0) == pytest.approx(-135.2, abs=0.05)
    assert thermal_noise_dbm([1.0, 10.0]) == pytest.approx([-173.975, -163.975], abs=1e-3)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: man_made_noise_figure_db(350.0, "moon"), "noise environment is 'moon'"),
        (lambda: man_made_noise_figure_db(0.2, "city"), "0.3 to 1000"),
        (lambda: man_made_noise_figure_db(1001.0, "city"), "0.3 to 1000"),
        (lambda: man_made_noise_figure_db(150.0, "uhf-business"), "200 to 900"),
        (lambda: noise_rise_db(350.0, "city", -1.0), "noise figure must be 0 dB or more"),
        (lambda: noise_rise_db(350.0, "city", 7.0, -1.0), "line loss"),
        (lambda: thermal_noise_dbm(0.0), "bandwidth_hz"),
    ],
)
def test_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()
