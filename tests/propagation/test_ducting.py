"""The ducting loss, and what the radial sweep takes for granted about it."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from radiocov.propagation.p1812_formulas import ducting_db, ducting_time_db, land_tau, log_beta_0

AE = 6371.0 * 157.0 / 112.0


@settings(max_examples=300, deadline=None)
@given(
    d=st.floats(0.1, 3000.0), f=st.floats(0.03, 6.0), p=st.sampled_from([1.0, 10.0, 50.0]), b0=st.floats(1e-3, 46.8),
    shares=st.tuples(st.floats(0.01, 0.99), st.floats(0.01, 0.99)), angles=st.tuples(*[st.floats(-50.0, 100.0)] * 2),
    heights=st.tuples(*[st.floats(1.0, 3000.0)] * 2), omega=st.floats(0.0, 1.0), dlm=st.floats(0.0, 1000.0),
)  # fmt: skip
def test_more_roughness_never_costs_less(d, f, p, b0, shares, angles, heights, omega, dlm):
    """Lba by terrain roughness up to a whole Everest: the least is at none."""
    dlt = shares[0] * d
    dlr = shares[1] * (d - dlt)
    time = land_tau(min(dlm, d)), math.log10(b0)
    losses = [
        ducting_db(f, p, d, dlt, dlr, *angles, *heights, *heights, hm, AE, omega, *time, 500.0, 500.0)
        for hm in np.r_[0.0, np.geomspace(10.0, 9000.0, 60)]
    ]
    assert (np.diff(losses) >= -1e-9).all()


def test_least_shielding_angle_and_nearest_coast_are_the_least_loss():
    """What the sweep puts in for what it does not know of a path in line of sight."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        d = rng.uniform(1.0, 300.0)
        dlt = rng.uniform(0.01, 0.99) * d
        theta_t, theta_r = rng.uniform(-20.0, 20.0, 2)
        to_coast = rng.uniform(0.0, 6.0, 2)
        rest = (*rng.uniform(2.0, 500.0, 4), rng.uniform(0.0, 60.0), AE, rng.choice([0.3, 0.8, 1.0]))
        rest = (*rest, land_tau(0.5 * d), math.log10(5.0))
        real = ducting_db(0.358, 50.0, d, dlt, d - dlt, theta_t, theta_r, *rest, *to_coast)
        half = 0.5 * d
        rest = (*rest[:4], 0.0, *rest[5:])
        least = ducting_db(0.358, 50.0, d, half, d - half, min(theta_t, 0.0), min(theta_r, 0.0), *rest, 0.0, 0.0)
        assert least <= real + 1e-9


def test_time_percentage_of_ducting_stays_below_half():
    """So that at 50 % of time the model needs the median terms alone."""
    grid = [10 ** log_beta_0(phi, dtm, land_tau(min(dlm, dtm))) for phi in range(-90, 91, 5)
            for dtm in (0.0, 1.0, 10.0, 1e3, 1e4) for dlm in (0.0, 5.0, 50.0, 1e4)]  # fmt: skip
    assert min(grid) > 0.0 and max(grid) < 10**1.67 + 1e-9
    assert math.isfinite(max(grid))


def test_less_anomalous_propagation_never_costs_less():
    """Nor does beta exceed what the latitude allows: both bound the ducting loss from below in the sweep."""
    for d in np.geomspace(0.03, 3000.0, 60):
        for p in (1.0, 10.0, 50.0):
            losses = [ducting_time_db(d, p, log_beta) for log_beta in np.linspace(1.67, -12.0, 300)]
            assert (np.diff(losses) >= -1e-9).all(), (d, p)
    for phi in np.arange(-90.0, 91.0, 1.0):
        most = math.log10(4.17) if abs(phi) > 70.0 else 1.67 - 0.015 * abs(phi)
        for dtm in (0.0, 1.0, 30.0, 1000.0):
            assert log_beta_0(phi, dtm, land_tau(dtm)) <= most + 1e-12
