"""P.526: known values, exact theory, limits, and a second writing in plain math."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import draw_terrain
from scipy.special import ai_zeros, airy, fresnel

from radiocov.propagation import p1812
from radiocov.propagation.diffraction import (
    TERMS,
    bullington_loss,
    delta_bullington_loss,
    delta_bullington_terms,
    first_term_loss,
    knife_edge_loss,
    knife_edge_parameter,
    spherical_earth_loss,
)

# ----------------------------------------------------------------------------------------------- one edge


def test_knife_edge_at_known_points():
    # half the field at grazing: 6.02 dB in theory, 6.03 by the approximation
    assert knife_edge_loss([0.0, 1.0, 2.0]) == pytest.approx([6.03, 13.93, 19.04], abs=0.005)
    assert knife_edge_loss([-0.78, -1.0, -50.0, -math.inf]).tolist() == [0.0] * 4
    assert knife_edge_loss(-0.7799) == pytest.approx(0.0, abs=0.02)


def test_knife_edge_against_the_fresnel_integrals():
    """The approximation stays within 0.3 dB of the exact loss down to nu = -0.7, within 0.15 dB from 0 to 10."""
    nu = np.linspace(-0.7, 10.0, 400)
    s, c = fresnel(nu)
    exact = -20 * np.log10(np.sqrt((1 - c - s) ** 2 + (c - s) ** 2) / 2)
    error = np.abs(knife_edge_loss(nu) - exact)
    assert error.max() < 0.3
    assert error[nu >= 0].max() < 0.15


def test_knife_edge_far_above_the_line():
    # J tends to 13 + 20 log nu (6.9 + 20 log 2 = 12.92)
    assert knife_edge_loss(1000.0) - 60.0 == pytest.approx(12.92, abs=0.01)


def test_parameter_from_geometry():
    # lambda 1 m (299.8 MHz), 50 m above the line, 5 km from either end: 50 sqrt(2 * 2/5000) = sqrt 2
    assert knife_edge_parameter(50.0, 5.0, 5.0, 299.8) == pytest.approx(math.sqrt(2.0), rel=1e-12)
    # an edge one first Fresnel radius above the line has nu = sqrt 2, wherever it stands
    d1, d2, f = np.array([0.1, 3.0, 20.0]), np.array([9.0, 3.0, 1.0]), np.array([50.0, 358.0, 5000.0])
    radius = np.sqrt(299.8 / f * d1 * d2 * 1e3 / (d1 + d2))
    assert knife_edge_parameter(-radius, d1, d2, f) == pytest.approx(-math.sqrt(2.0), rel=1e-12)


@pytest.mark.parametrize(
    ("case", "match"),
    [
        ((1.0, 0.0, 5.0, 350.0), "tx_distance_km is 0; it must be above 0 km"),
        ((1.0, 5.0, [1.0, -2.0], 350.0), "rx_distance_km is -2"),
        ((1.0, 5.0, 5.0, 0.0), "frequency_mhz is 0"),
    ],
)
def test_geometry_refused(case, match):
    with pytest.raises(ValueError, match=match):
        knife_edge_parameter(*case)


# ------------------------------------------------------------------------------------------- smooth Earth

LAND, SEA = (22.0, 0.003), (80.0, 5.0)


def ground(constants):
    return {"permittivity": constants[0], "conductivity_s_m": constants[1]}


def plain_first_term(d, h1, h2, f, a, eps, sigma, vertical):
    """P.526 3.1.1 as printed: MHz, km, m."""
    k = 0.36 * (a * f) ** (-1 / 3) * ((eps - 1) ** 2 + (18000 * sigma / f) ** 2) ** -0.25
    if vertical:
        k *= (eps**2 + (18000 * sigma / f) ** 2) ** 0.5
    beta = (1 + 1.6 * k**2 + 0.67 * k**4) / (1 + 4.5 * k**2 + 1.53 * k**4)
    x = 2.188 * beta * f ** (1 / 3) * a ** (-2 / 3) * d
    fx = 11 + 10 * math.log10(x) - 17.6 * x if x >= 1.6 else -20 * math.log10(x) - 5.6488 * x**1.425

    def gain(h):
        b = beta * 9.575e-3 * beta * f ** (2 / 3) * a ** (-1 / 3) * h
        if b > 2:
            g = 17.6 * math.sqrt(b - 1.1) - 5 * math.log10(b - 1.1) - 8
        else:
            g = 20 * math.log10(b + 0.1 * b**3) if b > 0 else -math.inf
        return max(g, 2 + 20 * math.log10(k))

    return -fx - gain(h1) - gain(h2)


def plain_spherical(d, h1, h2, f, a, eps, sigma, vertical):
    """P.526 3.2 as printed, with lengths in metres."""
    am, dm, lam = a * 1e3, d * 1e3, 299.8 / f
    roots = math.sqrt(h1) + math.sqrt(h2)
    if dm >= math.sqrt(2 * am) * roots:
        return plain_first_term(d, h1, h2, f, a, eps, sigma, vertical)
    c, m = (h1 - h2) / (h1 + h2), dm**2 / (4 * am * (h1 + h2))
    b = 2 * math.sqrt((m + 1) / (3 * m)) * math.cos(
        math.pi / 3 + math.acos(3 * c / 2 * math.sqrt(3 * m / (m + 1) ** 3)) / 3
    )
    d1 = dm / 2 * (1 + b)
    d2 = dm - d1
    clearance = ((h1 - d1**2 / (2 * am)) * d2 + (h2 - d2**2 / (2 * am)) * d1) / dm
    required = 0.552 * math.sqrt(d1 * d2 * lam / dm)
    if clearance > required:
        return 0.0
    touching = 0.5 * (dm / roots) ** 2 / 1e3
    loss = plain_first_term(d, h1, h2, f, touching, eps, sigma, vertical)
    return 0.0 if loss < 0 else (1 - clearance / required) * loss


@settings(max_examples=300, deadline=None)
@given(
    d=st.floats(0.5, 400.0), h1=st.floats(0.5, 500.0), h2=st.floats(0.5, 500.0), f=st.floats(10.0, 6000.0),
    a=st.floats(4000.0, 20000.0), constants=st.sampled_from([LAND, SEA, (4.0, 1e-4)]), vertical=st.booleans(),
)
def test_smooth_earth_against_the_printed_equations(d, h1, h2, f, a, constants, vertical):
    options = ground(constants) | {
        "effective_earth_radius_km": a, "polarization": "vertical" if vertical else "horizontal",
    }  # fmt: skip
    case = d, h1, h2, f
    assert first_term_loss(*case, **options) == pytest.approx(
        plain_first_term(*case, a, *constants, vertical), rel=2e-5, abs=1e-4
    )
    # the two documents round 0.552 sqrt(1000) = 17.4558 differently: 17.456
    assert spherical_earth_loss(*case, **options) == pytest.approx(
        plain_spherical(*case, a, *constants, vertical), rel=1e-4, abs=3e-3
    )


@pytest.mark.parametrize(("h1", "h2"), [(30.0, 30.0), (100.0, 10.0), (300.0, 100.0)])
def test_first_term_is_the_residue_series(h1, h2):
    """Van der Pol and Bremmer's first residue for perfectly conducting ground, horizontal polarisation: Airy's
    function itself instead of the fitted curves."""
    f, a, d = 358.0, 8500.0, 150.0
    x = 2.188 * f ** (1 / 3) * a ** (-2 / 3) * d
    root = -ai_zeros(1)[0][0]  # 2.338
    slope = ai_zeros(1)[3][0]

    def gain(h):
        y = 9.575e-3 * f ** (2 / 3) * a ** (-1 / 3) * h
        return abs(airy(-root + y * np.exp(1j * math.pi / 3))[0] / slope)

    field = 2 * math.sqrt(math.pi * x) * math.exp(-x * root * math.sqrt(3) / 2) * gain(h1) * gain(h2)
    expected = -20 * math.log10(field)
    found = first_term_loss(d, h1, h2, f, permittivity=1e6, conductivity_s_m=0.0, polarization="horizontal")
    assert found == pytest.approx(expected, abs=1.5)
    assert found == pytest.approx(expected, rel=0.03)


def test_smooth_earth_limits():
    # well clear of the Fresnel zone: nothing; far over the horizon: 17.6 X dB, so a constant slope a km
    assert spherical_earth_loss(5.0, 100.0, 100.0, 358.0) == 0.0
    far = spherical_earth_loss([300.0, 400.0, 500.0], 30.0, 1.5, 358.0)
    slope = 17.6 * 2.188 * 358.0 ** (1 / 3) * 8500.0 ** (-2 / 3)
    assert np.diff(far) / 100.0 == pytest.approx(slope, rel=0.02)
    # below about 300 MHz the sea carries vertical polarisation farther than land does, horizontal alike
    over = {
        (name, pol): spherical_earth_loss(60.0, 10.0, 2.0, 30.0, polarization=pol, **ground(constants))
        for name, constants in (("land", LAND), ("sea", SEA))
        for pol in ("vertical", "horizontal")
    }
    assert over["sea", "vertical"] < over["land", "vertical"] - 10
    assert over["sea", "horizontal"] == pytest.approx(over["land", "horizontal"], abs=1.0)


def test_smooth_earth_is_reciprocal_and_continuous_at_the_horizon():
    d = np.linspace(1.0, 200.0, 100)
    there, back = spherical_earth_loss(d, 60.0, 1.5, 358.0), spherical_earth_loss(d, 1.5, 60.0, 358.0)
    assert there == pytest.approx(back, abs=1e-9)
    horizon = math.sqrt(0.002 * 8500.0) * (math.sqrt(60.0) + math.sqrt(1.5))
    near, beyond = spherical_earth_loss([horizon * (1 - 1e-9), horizon * (1 + 1e-9)], 60.0, 1.5, 358.0)
    assert near == pytest.approx(beyond, abs=1e-4)


@pytest.mark.parametrize(
    ("case", "options", "match"),
    [
        ((0.0, 1.0, 1.0, 350.0), {}, "distance_km is 0"),
        ((1.0, -1.0, 1.0, 350.0), {}, "height_1_m is -1"),
        ((1.0, 1.0, [2.0, -3.0], 350.0), {}, "height_2_m is -3"),
        ((1.0, 1.0, 1.0, 9.0), {}, "frequency_mhz is 9; it must be 10 MHz or more"),
        ((1.0, 1.0, 1.0, math.nan), {}, "frequency_mhz is nan"),
        ((1.0, 1.0, 1.0, 350.0), {"effective_earth_radius_km": math.inf}, "effective_earth_radius_km is inf"),
        ((1.0, 1.0, 1.0, 350.0), {"permittivity": 0.5}, "permittivity is 0.5"),
        ((1.0, 1.0, 1.0, 350.0), {"conductivity_s_m": -1.0}, "conductivity_s_m is -1"),
        ((1.0, 1.0, 1.0, 350.0), {"polarization": "left"}, 'polarization is "left"'),
    ],
)
def test_smooth_earth_refused(case, options, match):
    for function in (first_term_loss, spherical_earth_loss):
        with pytest.raises(ValueError, match=match):
            function(*case, **options)


# ---------------------------------------------------------------------------------------------- a profile


def corrected(edge_db, d):
    return edge_db + (1 - math.exp(-edge_db / 6)) * (10 + 0.02 * d)


@pytest.mark.parametrize("top", [20.0, 36.0, 80.0, 300.0])
def test_one_edge_is_a_knife_edge_with_the_correction(top):
    """Over a flat Earth, the line 30 m high at both ends; from a little below it to far above."""
    d = np.array([0.0, 4.0, 10.0])
    nu = knife_edge_parameter(top - 30.0, 4.0, 6.0, 358.0)
    loss = bullington_loss(d, [0.0, top, 0.0], 30.0, 30.0, 358.0, effective_earth_radius_km=math.inf)
    assert loss == pytest.approx(corrected(knife_edge_loss(nu), 10.0), abs=1e-9)
    # a curved Earth lifts the edge by d1 d2 / 2a
    lifted = knife_edge_parameter(top - 30.0 + 4e3 * 6e3 / (2 * 8500e3), 4.0, 6.0, 358.0)
    loss = bullington_loss(d, [0.0, top, 0.0], 30.0, 30.0, 358.0)
    assert loss == pytest.approx(corrected(knife_edge_loss(lifted), 10.0), abs=1e-9)


def test_two_edges_become_one_where_their_rays_cross():
    # flat Earth, antennas 10 m, edges of 60 m a third of the way from either end: the rays meet in the middle, 85 m
    d, h = np.array([0.0, 3.0, 6.0, 9.0]), [0.0, 60.0, 60.0, 0.0]
    nu = knife_edge_parameter(75.0, 4.5, 4.5, 358.0)
    loss = bullington_loss(d, h, 10.0, 10.0, 358.0, effective_earth_radius_km=math.inf)
    assert loss == pytest.approx(corrected(knife_edge_loss(nu), 9.0), abs=1e-9)


def test_nothing_between_the_ends_or_far_below_costs_nothing():
    assert bullington_loss([0.0, 5.0], [0.0, 0.0], 10.0, 10.0, 358.0) == 0.0
    assert bullington_loss([0.0, 1.0, 2.0], [0.0, -500.0, 0.0], 10.0, 10.0, 358.0) == 0.0
    terms = delta_bullington_terms([0.0, 5.0], [0.0, 0.0], 100.0, 100.0, 358.0)
    assert terms["Ld"] == 0.0 and terms["nu"] == -math.inf


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), kind=st.integers(0, 4), n=st.integers(3, 120),
    htg=st.sampled_from([2.0, 30.0, 200.0]), hrg=st.sampled_from([1.5, 20.0]),
    f=st.sampled_from([50.0, 358.0, 3000.0]),
)  # fmt: skip
def test_profiles_are_reciprocal(seed, kind, n, htg, hrg, f):
    h = draw_terrain(np.random.default_rng(seed), n, kind)[0]
    d = np.arange(n) * 0.1
    for function in (bullington_loss, delta_bullington_loss):
        assert function(d, h, htg, hrg, f) == pytest.approx(function(d, h[::-1], hrg, htg, f), abs=1e-7)


def test_complete_method_is_the_diffraction_of_p1812_on_bare_land():
    for seed in range(12):
        h = draw_terrain(np.random.default_rng(seed), 150, seed % 5)[0]
        d = np.arange(150) * 0.2
        expected, _ = p1812.basic_transmission_loss(
            d, h, frequency_mhz=358.0, tx_height_m=30.0, rx_height_m=1.5, delta_n=45.0
        )
        terms = delta_bullington_terms(d, h, 30.0, 1.5, 358.0, effective_earth_radius_km=expected["ae"])
        assert tuple(terms) == TERMS
        for symbol, theirs in (
            ("Ld", "Ld50"), ("Lbulla", "Lbulla50"), ("Lbulls", "Lbulls50"), ("Ldsph", "Ldsph50"), ("htc", "htc"),
            ("hst", "hst_fit"), ("hstd", "hstd"),
        ):  # fmt: skip
            assert terms[symbol] == pytest.approx(expected[theirs], abs=1e-9)


def test_complete_method_on_a_smooth_earth_is_the_smooth_earth():
    """Finely sampled flat ground: what Bullington's method lacks is exactly made up."""
    d = np.arange(401) * 0.1
    h = np.full(d.size, 120.0)
    assert delta_bullington_loss(d, h, 20.0, 5.0, 358.0, permittivity=80.0, conductivity_s_m=5.0) == pytest.approx(
        spherical_earth_loss(40.0, 20.0, 5.0, 358.0, permittivity=80.0, conductivity_s_m=5.0), abs=1e-9
    )


def test_more_obstruction_never_costs_less():
    rng = np.random.default_rng(2)
    d = np.arange(100) * 0.2
    h = np.maximum(np.cumsum(rng.normal(0, 4, 100)), 0.0)
    raised = np.array([np.where(np.arange(100) == 40, h + lift, h) for lift in np.linspace(0, 300, 60)])
    assert (np.diff(bullington_loss(d, raised, 30.0, 1.5, 358.0)) >= -1e-9).all()


def test_many_equal_one_by_one():
    rng = np.random.default_rng(8)
    d = np.arange(80) * 0.25
    h = np.array([draw_terrain(rng, 80, kind % 5)[0] for kind in range(10)])
    f = rng.uniform(100.0, 1000.0, 10)
    for function in (bullington_loss, delta_bullington_loss):
        many = function(d, h, 30.0, 1.5, f)
        assert many.tolist() == [function(d, row, 30.0, 1.5, one) for row, one in zip(h, f, strict=True)]
    pairs = spherical_earth_loss(np.array([[10.0], [50.0]]), 30.0, [2.0, 20.0, 200.0], 358.0)
    assert pairs.shape == (2, 3)


@pytest.mark.parametrize(
    ("d", "h", "options", "match"),
    [
        ([0.0], [1.0], {}, "at least two points"),
        ([0.0, 1.0], [1.0, 2.0, 3.0], {}, "as many heights as distances"),
        ([0.5, 1.0], [1.0, 2.0], {}, "must start at 0"),
        ([0.0, 1.0, 1.0], [1.0, 2.0, 3.0], {}, "distance_km of point 3 is not beyond"),
        ([0.0, 1.0, 2.0], [1.0, math.nan, 3.0], {}, "height_m of point 2 is not a number"),
        ([0.0, 1.0], [1.0, 2.0], {"tx_height_m": -1.0}, "tx_height_m is -1"),
        ([0.0, 1.0], [1.0, 2.0], {"effective_earth_radius_km": 0.0}, "effective_earth_radius_km is 0"),
        ([0.0, 1.0], [[1.0, 2.0], [1.0, 2.0]], {"rx_height_m": [1.0, 2.0, 3.0]}, "give one value, or 2"),
    ],
)
def test_profiles_refused(d, h, options, match):
    given = {"tx_height_m": 30.0, "rx_height_m": 1.5, "frequency_mhz": 358.0} | options
    for function in (bullington_loss, delta_bullington_loss):
        with pytest.raises(ValueError, match=match):
            function(d, h, **given)


def test_terms_are_given_for_one_profile_only():
    with pytest.raises(ValueError, match="more than one profile"):
        delta_bullington_terms([0.0, 1.0], [[1.0, 2.0], [1.0, 2.0]], 30.0, 1.5, 358.0)
