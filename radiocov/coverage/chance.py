"""Service probability of whole rasters: of one server, and of any of several under correlated shadowing.

The normal distribution is read from a table, within 1e-6 and ten times faster than from its series.
"""

from __future__ import annotations

import math

import numba
import numpy as np

STEPS = 256  # of the table a standard deviation
REACH = 6.0  # standard deviations
QUADRATURE = 8  # points: two servers within 2e-4 of the bivariate normal for correlations up to 0.5, 1e-3 at 0.6
NEGLIGIBLE = -4.0  # a server whose median lies further below its threshold, in sigmas, adds nothing to the others

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")
_TABLE = np.array([
    0.5 * math.erfc(-x / (STEPS * math.sqrt(2.0))) for x in range(int(-REACH * STEPS), int(REACH * STEPS) + 2)
])  # fmt: skip


@numba.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _phi(x):
    """The standard normal distribution function of a number that is not NaN."""
    place = (min(max(x, -REACH), REACH) + REACH) * STEPS
    i = np.uint64(place)
    share = place - math.floor(place)
    return _TABLE[i] + (_TABLE[i + np.uint64(1)] - _TABLE[i]) * share


@kernel
def _one(margins, sigmas, out):
    for b in range(margins.shape[0]):
        for i in range(sigmas.size):
            margin, sigma = margins[b, i], sigmas[i]
            if math.isnan(margin) or math.isnan(sigma):
                out[b, i] = math.nan
            elif sigma == 0.0:
                out[b, i] = 1.0 if margin >= 0.0 else 0.0
            else:
                out[b, i] = _phi(margin / sigma)


def probability(margins_db: np.ndarray, sigma_db: np.ndarray) -> np.ndarray:
    """``link.service_probability`` of rasters: (bands, height, width) of margins over (height, width) of sigma."""
    out = np.empty(margins_db.shape, np.float32)
    _one(margins_db.reshape(len(margins_db), -1), sigma_db.ravel(), out.reshape(len(margins_db), -1))
    return out


def probability_of_any(margins_db: np.ndarray, sigma_db: np.ndarray, correlation: float) -> np.ndarray:
    """Probability that at least one of several servers serves, under correlated shadowing.

    margins_db: (servers, height, width) float32, the strongest first, NaN where there are fewer; sigma_db: (height,
    width) of each. Shadowing is sqrt(rho) Z + sqrt(1 - rho) E_i with a part Z common to all servers (the obstacles
    around the terminal) and rho the correlation, 0 to below 1; given Z servers are independent, and Z is integrated
    by Gauss-Hermite quadrature.
    """
    if not 0.0 <= correlation < 1.0:
        raise ValueError(f"correlation {correlation}; give 0 to below 1")
    nodes, weights = np.polynomial.hermite_e.hermegauss(QUADRATURE)
    out = np.empty(margins_db.shape[1:], np.float32)
    _any_of(
        margins_db.reshape(len(margins_db), -1), sigma_db.ravel(), math.sqrt(correlation),
        math.sqrt(1.0 - correlation), nodes, weights / weights.sum(), out.ravel(),
    )  # fmt: skip
    return out


@kernel
def _any_of(margins, sigmas, common, own, nodes, weights, out):
    for i in range(out.size):
        sigma = sigmas[i]
        if math.isnan(margins[0, i]) or math.isnan(sigma):
            out[i] = math.nan
            continue
        # the strongest level need not be the best margin where the way back counts
        best = margins[0, i]
        servers = matter = 0
        while servers < margins.shape[0] and not math.isnan(margins[servers, i]):
            best = max(best, margins[servers, i])
            matter += margins[servers, i] > NEGLIGIBLE * sigma
            servers += 1
        if sigma == 0.0:
            out[i] = 1.0 if best >= 0.0 else 0.0
            continue
        single = _phi(best / sigma)
        if matter < 2 or single > 0.9999:
            out[i] = single
            continue
        none = 0.0
        for k in range(nodes.size):
            fails = weights[k]
            for j in range(servers):
                fails *= _phi(-(margins[j, i] / sigma + common * nodes[k]) / own)
            none += fails
        out[i] = max(1.0 - none, single)
