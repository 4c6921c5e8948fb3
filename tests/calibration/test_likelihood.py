import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from radiocov.calibration.likelihood import cell_terms, normal_equivalent
from radiocov.calibration.model import ABOVE, BELOW, NONE

FREEDOMS = (3.0, 7.0, 30.0, math.inf)


def one(mu, level, censored, scale, freedom):
    return [float(a[0]) for a in cell_terms(*(np.array([v]) for v in (mu, level, censored, scale)), freedom)]


@given(
    st.floats(-130, -50), st.floats(-130, -50), st.sampled_from([NONE, BELOW, ABOVE]), st.floats(1, 15),
    st.sampled_from(FREEDOMS),
)  # fmt: skip
def test_log_likelihood_is_that_of_scipy_and_its_slopes_are_its_differences(mu, level, censored, scale, freedom):
    like, slope, information, widening = one(mu, level, censored, scale, freedom)
    known = stats.norm(mu, scale) if math.isinf(freedom) else stats.t(freedom, mu, scale)
    expected = {NONE: known.logpdf, BELOW: known.logcdf, ABOVE: known.logsf}[censored](level)
    assert like == pytest.approx(expected, rel=1e-6, abs=1e-9)
    step = 1e-4
    up, down = (one(mu + s, level, censored, scale, freedom)[0] for s in (step, -step))
    assert slope == pytest.approx((up - down) / (2 * step), rel=1e-3, abs=1e-5)
    wide, narrow = (one(mu, level, censored, scale * math.exp(s), freedom)[0] for s in (step, -step))
    assert widening == pytest.approx((wide - narrow) / (2 * step), rel=1e-3, abs=1e-5)
    assert information >= 0


def test_information_of_a_heard_cell_is_the_mean_of_its_squared_slope():
    level = np.linspace(-200, 200, 400_001)
    n = len(level)
    _, slope, information, _ = cell_terms(np.zeros(n), level, np.zeros(n, int), np.full(n, 6.0), 5.0)
    density = stats.t(5, 0, 6).pdf(level)
    assert np.sum(slope**2 * density) * (level[1] - level[0]) == pytest.approx(information[0], rel=1e-3)


def test_an_outlier_pulls_less_than_a_common_error_under_students_t():
    common, outlier = (one(-90, -90 - d, NONE, 6.0, 4.0)[1] for d in (12.0, 60.0))
    assert abs(outlier) < abs(common)


@pytest.mark.parametrize("freedom", FREEDOMS)
def test_the_equivalent_normal_has_the_same_tenth(freedom):
    t = stats.norm if math.isinf(freedom) else stats.t(freedom)
    assert stats.norm.ppf(0.1) * normal_equivalent(freedom) == pytest.approx(t.ppf(0.1))


def test_a_blurred_censored_cell_is_the_mean_over_what_is_not_known_of_its_level():
    nodes = np.linspace(-8, 8, 4001) * 5.0
    density = stats.norm(0, 5.0).pdf(nodes) * (nodes[1] - nodes[0])
    for censored, freedom in ((BELOW, 7.0), (ABOVE, math.inf)):
        mu, level, kind, scale = (np.array([v]) for v in (-96.0, -100.0, censored, 6.0))
        found = cell_terms(mu, level, kind, scale, freedom, np.array([5.0]))
        n = len(nodes)
        many = cell_terms(mu + nodes, np.full(n, -100.0), np.full(n, censored), np.full(n, 6.0), freedom)
        for a, b in zip(found, many, strict=True):
            assert a[0] == pytest.approx(float(b @ density), rel=0.02)
    heard = [np.array([v]) for v in (-96.0, -100.0, NONE, 6.0)]
    assert cell_terms(*heard, 7.0) == cell_terms(*heard, 7.0, np.array([5.0]))
