"""Okumura-Hata, extended Hata and SPM: figures worked from the published formulas, joints, limits."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radiocov.propagation.hata import (
    HataEnvironment,
    extended_hata,
    extended_hata_sigma,
    extended_hata_terms,
    okumura_hata,
    spm,
    spm_hata_coefficients,
)

ENVIRONMENTS = ("urban", "suburban", "open")


# -------------------------------------------------------------------------------------- Okumura-Hata


def test_okumura_hata_at_350_mhz():
    """Base 50 m, mobile 1.5 m: 112.6, 136.2, 146.4 dB at 1, 5, 10 km; suburbs 7.8, open land 25.2 dB less."""
    urban = okumura_hata(350.0, [1.0, 5.0, 10.0], 50.0, 1.5)
    assert urban == pytest.approx([112.6, 136.2, 146.4], abs=0.06)
    assert urban[0] - okumura_hata(350.0, 1.0, 50.0, 1.5, "suburban") == pytest.approx(7.8, abs=0.05)
    assert urban[0] - okumura_hata(350.0, 1.0, 50.0, 1.5, "open") == pytest.approx(25.2, abs=0.05)


def test_okumura_hata_textbook_900_mhz():
    # 900 MHz, 10 km, base 50 m, mobile 1.5 m, large city: 158.15 dB worked with the published constants
    expected = 69.55 + 26.16 * math.log10(900) - 13.82 * math.log10(50) - (
        3.2 * math.log10(11.75 * 1.5) ** 2 - 4.97
    ) + (44.9 - 6.55 * math.log10(50))
    assert okumura_hata(900.0, 10.0, 50.0, 1.5, "large-city") == pytest.approx(expected, abs=1e-9)
    assert okumura_hata(900.0, 10.0, 50.0, 1.5, "large-city") == pytest.approx(157.1, abs=0.1)


def test_large_city_forms_meet_for_a_handset():
    below, above = okumura_hata([299.999, 300.0], 5.0, 50.0, 1.5, HataEnvironment.LARGE_CITY)
    assert abs(below - above) < 0.01


@pytest.mark.parametrize(
    ("case", "match"),
    [
        ((149.0, 5.0, 50.0, 1.5), "frequency_mhz is 149"), ((350.0, 0.9, 50.0, 1.5), "distance_km is 0.9"),
        ((350.0, [1.0, 21.0], 50.0, 1.5), "distance_km is 21"), ((350.0, 5.0, 29.0, 1.5), "base_height_m"),
        ((350.0, 5.0, 50.0, 0.9), "mobile_height_m"),
        ((350.0, 5.0, 50.0, 1.5, "rural"), "environment is 'rural'"),
        ((350.0, 5.0, 50.0, 1.5, 4), "environment must be one of"),
        ((350.0, math.nan, 50.0, 1.5), "distance_km"),
    ],
)
def test_okumura_hata_refuses(case, match):
    with pytest.raises(ValueError, match=match):
        okumura_hata(*case)


# ------------------------------------------------------------------------------------- extended Hata


def test_extended_hata_is_okumura_hata_within_its_range_but_for_rounded_constants():
    d = np.array([1.0, 5.0, 20.0])
    for environment in ENVIRONMENTS:
        difference = extended_hata(350.0, d, 50.0, 1.5, environment) - okumura_hata(
            350.0, d, 50.0, 1.5, environment
        )
        # 69.6 and 26.2 for 69.55 and 26.16: 0.05 + 0.04 log f
        assert difference == pytest.approx(0.05 + 0.04 * math.log10(350.0), abs=1e-9)


def test_extended_hata_30_km_by_hand():
    """alpha = 1 + (0.14 + 1.87e-4 * 350 + 1.07e-3 * 50) * log(30/20)^0.8 = 1.06454."""
    alpha = 1.0 + (0.14 + 1.87e-4 * 350.0 + 1.07e-3 * 50.0) * math.log10(1.5) ** 0.8
    terms = extended_hata_terms(350.0, 30.0, 50.0, 1.5)
    assert terms["alpha"] == pytest.approx(alpha)
    expected = (
        69.6 + 26.2 * math.log10(350.0) - 13.82 * math.log10(50.0)
        + (44.9 - 6.55 * math.log10(50.0)) * math.log10(30.0) ** alpha - terms["a_Hm"]
    )
    assert terms["basic_transmission_loss_db"] == pytest.approx(expected, abs=1e-9)
    assert terms["warnings"] == []


@pytest.mark.parametrize("edge", [0.04, 0.1, 20.0])
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_extended_hata_is_continuous_in_distance(edge, environment):
    below, above = extended_hata(350.0, [edge * (1 - 1e-9), edge * (1 + 1e-9)], 50.0, 1.5, environment)
    assert below == pytest.approx(above, abs=1e-3)


@pytest.mark.parametrize("edge", [150.0, 2000.0])
def test_extended_hata_is_continuous_in_frequency(edge):
    for environment in ENVIRONMENTS:
        below, above = extended_hata([edge - 1e-6, edge + 1e-6], 5.0, 50.0, 1.5, environment)
        assert below == pytest.approx(above, abs=1e-4)


def test_low_bases_lose_20_log_of_height():
    """Under 30 m the base counts as 30 m less b(Hb) = 20 log(Hb / 30)."""
    full, low = extended_hata(350.0, 5.0, [30.0, 15.0], 1.5)
    assert low - full == pytest.approx(20 * math.log10(2.0))
    assert extended_hata_terms(350.0, 5.0, 15.0, 1.5)["warnings"] == [
        "the higher antenna at 15 m is outside 30 m to 200 m"
    ]


def test_short_range_is_free_space_and_handsets_count_as_1_m():
    slant = math.hypot(0.03, 0.0485)
    assert extended_hata(350.0, 0.03, 50.0, 1.5) == pytest.approx(
        32.4 + 20 * math.log10(350.0) + 20 * math.log10(slant)
    )
    assert extended_hata(350.0, 5.0, 50.0, 0.3) == extended_hata(350.0, 5.0, 50.0, 1.0)


@settings(deadline=None)  # the first call may compile
@given(
    f=st.floats(30.0, 3000.0), d=st.floats(0.02, 100.0), h_1=st.floats(1.0, 200.0), h_2=st.floats(1.0, 200.0),
    environment=st.sampled_from(ENVIRONMENTS),
)
def test_extended_hata_is_reciprocal_and_not_under_free_space(f, d, h_1, h_2, environment):
    loss = extended_hata(f, d, h_1, h_2, environment)
    assert loss == extended_hata(f, d, h_2, h_1, environment)
    slant = math.hypot(d, (h_1 - h_2) / 1000.0)
    assert loss >= 32.4 + 20 * math.log10(f) + 20 * math.log10(slant) - 1e-9


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("f", [40.0, 350.0, 1800.0, 2500.0])
def test_extended_hata_grows_with_distance(environment, f):
    d = np.geomspace(0.02, 100.0, 400)
    assert np.all(np.diff(extended_hata(f, d, 30.0, 1.5, environment)) > 0)


def test_environments_are_ordered_and_may_be_an_array():
    codes = np.array([HataEnvironment.URBAN, HataEnvironment.SUBURBAN, HataEnvironment.OPEN])
    loss = extended_hata(350.0, 5.0, 50.0, 1.5, codes)
    assert loss[0] > loss[1] > loss[2]
    assert loss.tolist() == [extended_hata(350.0, 5.0, 50.0, 1.5, e) for e in ENVIRONMENTS]


def test_standard_deviation_by_distance():
    """SEAMCAT's table: 3.5 dB near, 12 or 17 dB to 0.2 km, 9 dB from 0.6 km, straight lines between."""
    d = [0.03, 0.04, 0.07, 0.1, 0.2, 0.4, 0.6, 5.0]
    assert extended_hata_sigma(d) == pytest.approx([3.5, 3.5, 7.75, 12, 12, 10.5, 9, 9])
    assert extended_hata_sigma(d, above_roof=False) == pytest.approx([3.5, 3.5, 10.25, 17, 17, 13, 9, 9])


@pytest.mark.parametrize(
    ("case", "match"),
    [
        ((29.0, 5.0, 50.0, 1.5), "frequency_mhz is 29"), ((350.0, 101.0, 50.0, 1.5), "distance_km is 101"),
        ((350.0, 0.0, 50.0, 1.5), "distance_km is 0"), ((350.0, 5.0, 0.0, 1.5), "height_1_m"),
        ((350.0, 5.0, 50.0, 1.5, "large-city"), "environment is 'large-city'"),
    ],
)
def test_extended_hata_refuses(case, match):
    with pytest.raises(ValueError, match=match):
        extended_hata(*case)


# ----------------------------------------------------------------------------------------------- SPM


def test_spm_defaults_are_hata_at_350_mhz():
    assert spm_hata_coefficients() == pytest.approx([1.4, 44.9, 5.83, 1.0, -6.55, 0.0, 0.0], abs=0.005)
    d = np.array([1.0, 5.0, 10.0, 20.0])
    for base in (30.0, 50.0, 200.0):
        difference = spm(d, base, 1.5) - okumura_hata(350.0, d, base, 1.5)
        assert np.abs(difference).max() < 0.03  # a(1.5 m) = -0.02 dB


def test_spm_terms():
    base = spm(5.0, 50.0, 1.5)
    assert spm(5.0, 50.0, 1.5, diffraction_db=10.0) == pytest.approx(base + 10.0)
    assert spm(5.0, 50.0, 1.5, clutter_db=[-3.0, 4.0]) == pytest.approx([base - 3.0, base + 4.0])
    k = spm_hata_coefficients()
    k[3:7] = [0.5, -6.55, -2.0, 7.0]
    changed = spm(5.0, 50.0, 3.0, k, diffraction_db=10.0)
    assert changed == pytest.approx(base + 5.0 - 6.0 + 7.0 * math.log10(3.0))
    assert spm(5.0, 10.0, 1.5) == spm(5.0, 20.0, 1.5)  # heights used within 20 m to 200 m
    assert spm(5.0, 500.0, 1.5) == spm(5.0, 200.0, 1.5)
    assert spm(np.ones((3, 1)), [30.0, 40.0], 1.5).shape == (3, 2)


def test_spm_refuses():
    with pytest.raises(ValueError, match="K1 to K7"):
        spm(5.0, 50.0, 1.5, [1.0, 2.0])
    with pytest.raises(ValueError, match="distance_km"):
        spm(0.0, 50.0, 1.5)
    with pytest.raises(ValueError, match="mobile_height_m"):
        spm(1.0, 50.0, 0.0)
    with pytest.raises(ValueError, match="frequency_mhz is 100"):
        spm_hata_coefficients(100.0)
