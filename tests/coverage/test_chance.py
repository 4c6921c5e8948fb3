"""Service probability of rasters against scipy."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from radiocov import link
from radiocov.coverage import chance


def test_probability_of_rasters_is_the_normal_distribution():
    rng = np.random.default_rng(1)
    margins = rng.uniform(-60, 60, (3, 40, 50)).astype(np.float32)
    sigma = rng.uniform(2, 12, (40, 50)).astype(np.float32)
    margins[0, 0, 0] = np.nan
    sigma[1, 1] = 0.0
    found = chance.probability(margins, sigma)
    np.testing.assert_allclose(found, link.service_probability(margins, sigma), atol=1e-6)
    inside = sigma > 0
    exact = norm.cdf(margins[1][inside] / sigma[inside].astype(float))
    np.testing.assert_allclose(found[1][inside], exact, atol=1e-6)
    assert np.isnan(found[0, 0, 0]) and set(found[:, 1, 1]) <= {0.0, 1.0}


def test_probability_of_any_server_against_the_bivariate_normal():
    rng = np.random.default_rng(0)
    margins = rng.uniform(-20, 15, (2, 200)).astype(np.float32)
    sigma = rng.uniform(4, 10, 200).astype(np.float32)
    for rho, limit in ((0.0, 5e-5), (0.3, 5e-5), (0.5, 2e-4), (0.6, 1e-3)):
        none = [
            multivariate_normal.cdf(-m / s, [0, 0], [[1, rho], [rho, 1]])
            for m, s in zip(margins.T.astype(float), sigma.astype(float), strict=True)
        ]
        found = chance.probability_of_any(margins[..., None], sigma[:, None], rho)
        assert np.abs(found[:, 0] - (1 - np.array(none))).max() < limit


def test_probability_of_any_server_is_that_of_the_best_at_least():
    margins = np.array([[5.0, 5.0, np.nan, -3.0], [np.nan, -60.0, np.nan, -3.0]], np.float32)
    sigma = np.full(4, 8.0, np.float32)
    found = chance.probability_of_any(margins[..., None], sigma[:, None], 0.5)[:, 0]
    alone = link.service_probability(margins[0], sigma)
    np.testing.assert_allclose(found[:2], alone[:2], atol=2e-6)
    assert np.isnan(found[2]) and found[3] > alone[3] + 0.05
    with pytest.raises(ValueError, match=r"correlation 1.0; give 0 to below 1"):
        chance.probability_of_any(margins[..., None], sigma[:, None], 1.0)
