"""P.2109-2 against published values, and its normal quantile against the standard library."""

import csv
from statistics import NormalDist

import numpy as np
import pytest

from radiocov.propagation.building_entry import building_entry_loss, building_entry_terms, normal_quantile

# Reference rows computed with crc-covlib (MIT): f GHz, probability %, building, elevation, loss
CASES = [
    (0.08, 0.000001, 1, 0.0, -2.9681362521152224),
    (0.08, 0.000001, 2, 0.0, -2.3142180688966172),
    (0.08, 25.0000005, 1, 0.0, 9.8214337605628934),
    (0.08, 45.833333417, 1, 0.0, 13.6348103660326476),
    (0.08, 45.833333417, 2, 0.0, 41.0432970921774256),
]


@pytest.mark.parametrize(("f", "p", "building", "elevation", "expected"), CASES)
def test_reference_cases(f, p, building, elevation, expected):
    assert building_entry_loss(1000.0 * f, p, building, elevation) == pytest.approx(expected, abs=1e-7)


def test_whole_table(shared):
    with open(shared / "reference/p2109/building_entry_loss.csv", newline="") as file:
        rows = list(csv.reader(file))[1:]
    assert len(rows) == 24
    for f, p, building, elevation, expected in rows:
        loss = building_entry_loss(1000.0 * float(f), float(p), int(building), float(elevation))
        assert loss == pytest.approx(float(expected), abs=1e-4)


def test_figures_at_360_mhz():
    """Median, 90 % and 95 %: 13.9, 23.5, 26.4 dB traditional; 33.3, 47.8, 51.9 dB thermally efficient."""
    p = [50.0, 90.0, 95.0]
    assert building_entry_loss(360.0, p) == pytest.approx([13.9, 23.5, 26.4], abs=0.06)
    assert building_entry_loss(360.0, p, "thermally-efficient") == pytest.approx([33.3, 47.8, 51.9], abs=0.06)


def test_terms_carry_the_symbols():
    terms = building_entry_terms(360.0, 50.0, "traditional", -30.0)
    assert terms["L_e"] == pytest.approx(0.212 * 30.0)
    assert terms["mu_1"] == pytest.approx(terms["L_h"] + terms["L_e"])
    powers = 10 ** (terms["mu_1"] / 10) + 10 ** (terms["mu_2"] / 10) + 10**-0.3
    assert terms["L_BEL"] == pytest.approx(10 * np.log10(powers))  # at the median the quantile is 0
    assert terms["L_BEL"] == building_entry_loss(360.0, 50.0, "traditional", 30.0)


def test_loss_grows_with_probability_and_elevation():
    p = np.linspace(0.1, 99.9, 200)
    for building in ("traditional", "thermally-efficient"):
        assert np.all(np.diff(building_entry_loss(360.0, p, building)) > 0)
    assert np.all(np.diff(building_entry_loss(360.0, 50.0, 1, np.arange(0.0, 91.0, 5.0))) > 0)


def test_normal_quantile_against_the_standard_library():
    normal = NormalDist()
    for p in [*(10.0**-k for k in range(1, 16)), *np.linspace(0.01, 0.99, 99)]:
        assert normal_quantile(float(p)) == pytest.approx(normal.inv_cdf(float(p)), rel=1e-9, abs=1e-12)
        assert normal_quantile(float(p)) == pytest.approx(-normal_quantile(1.0 - float(p)), abs=0.05)
    assert normal_quantile(0.5) == 0.0


@pytest.mark.parametrize(
    ("case", "match"),
    [
        ((79.0,), "frequency_mhz"), ((1.1e5,), "frequency_mhz"), ((360.0, 0.0), "probability_percent"),
        ((360.0, 100.0), "probability_percent"), ((360.0, 50.0, "castle"), "building must be one of"),
        ((360.0, 50.0, 3), "building must be 1"), ((360.0, 50.0, 1, 91.0), "elevation_deg"),
    ],
)
def test_refused(case, match):
    with pytest.raises(ValueError, match=match):
        building_entry_loss(*case)
