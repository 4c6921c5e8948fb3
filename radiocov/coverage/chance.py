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
STRETCH = 128  # pixels that are integrated together
SURE_TO_FAIL = 1e3  # in sigmas
NEGLIGIBLE = -4.0  # a server whose median lies further below its threshold, in sigmas, adds nothing to the others

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")
_TABLE = np.array([
    0.5 * math.erfc(-x / (STEPS * math.sqrt(2.0))) for x in range(int(-REACH * STEPS), int(REACH * STEPS) + 2)
])  # fmt: skip


@numba.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
def _phi(x):
    """The standard normal distribution function of a number that is not NaN."""
    place = (min(max(x, -REACH), REACH) + REACH) * STEPS
    i = np.uint64(np.int32(place))  # not straight to uint64, which vectorises with AVX-512 alone
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
    """Pixel by pixel where one server decides; the others are gathered by stretches, in loops that vectorise."""
    servers = margins.shape[0]
    scaled = np.empty((servers, STRETCH))
    single, fails, none = np.empty(STRETCH), np.empty(STRETCH), np.empty(STRETCH)
    at = np.empty(STRETCH, np.int64)
    for start in range(0, out.size, STRETCH):
        several = 0
        for i in range(start, min(start + STRETCH, out.size)):
            sigma = sigmas[i]
            if math.isnan(margins[0, i]) or math.isnan(sigma):
                out[i] = math.nan
                continue
            # the strongest level need not be the best margin where the way back counts
            best = margins[0, i]
            matter = 0
            for j in range(servers):  # NaN from the first missing one on: neither better nor of weight
                best = margins[j, i] if margins[j, i] > best else best
                matter += margins[j, i] > NEGLIGIBLE * sigma
            if sigma == 0.0:
                out[i] = 1.0 if best >= 0.0 else 0.0
                continue
            out[i] = alone = _phi(best / sigma)
            if matter < 2 or alone > 0.9999:
                continue
            at[several], single[several] = i, alone
            for j in range(servers):
                margin = margins[j, i]
                scaled[j, several] = SURE_TO_FAIL if math.isnan(margin) else -margin / (sigma * own)
            several += 1
        none[:several] = 0.0
        for k in range(nodes.size):
            fails[:several] = weights[k]
            for j in range(servers):
                _times_phi(scaled[j, :several], common * nodes[k] / own, fails)
            for c in range(several):
                none[c] += fails[c]
        for c in range(several):
            out[at[c]] = max(1.0 - none[c], single[c])


@kernel
def _times_phi(scaled, shift, product):
    for c in range(scaled.size):
        product[c] *= _phi(scaled[c] - shift)
