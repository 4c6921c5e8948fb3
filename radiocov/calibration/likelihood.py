"""Likelihood of one cell: Student's t about its median, the tail beyond the limit where the cell is censored.

Arrays are (n,): mu the expected level, level what was measured or the limit, both dBm; scale of the t in dB, and its
degrees of freedom, inf for the normal distribution.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special, stats

from radiocov.calibration.model import NONE

LOG_ROOT_2_PI = 0.5 * math.log(2 * math.pi)
NODES, SHARES = np.polynomial.hermite_e.hermegauss(5)
SHARES = SHARES / SHARES.sum()


def log_density(z: np.ndarray, freedom: float) -> np.ndarray:
    """Log density of a standard t."""
    if math.isinf(freedom):
        return -0.5 * z * z - LOG_ROOT_2_PI
    constant = special.gammaln((freedom + 1) / 2) - special.gammaln(freedom / 2) - 0.5 * math.log(freedom * math.pi)
    return constant - 0.5 * (freedom + 1) * np.log1p(z * z / freedom)


def log_share_below(z: np.ndarray, freedom: float) -> np.ndarray:
    """Log of the share of a standard t below z."""
    if math.isinf(freedom):
        return special.log_ndtr(z)
    return np.log(np.maximum(special.stdtr(freedom, z), 1e-300))


def cell_terms(
    mu: np.ndarray, level: np.ndarray, censored: np.ndarray, scale: np.ndarray, freedom: float,
    blur: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """(log likelihood, its slope over mu, the information about mu, its slope over log scale), each (n,).

    The information is the expected one of a heard cell, and what was observed (not below zero) of a censored one.
    blur: standard deviation of what is known of mu, dB; terms of censored cells are means over it. Of heard cells
    only the log likelihood and its slope over log scale would change, by what the caller knows.
    """
    heard = censored == NONE
    toward = np.where(heard, 1.0, -censored.astype(float))  # +1 where the level is known to lie below the limit
    z = toward * (level - mu) / scale
    density = log_density(z, freedom)
    log_like, slope, information, widening = (np.empty(len(mu)) for _ in range(4))

    h = heard
    if math.isinf(freedom):
        pull, expected = z[h], 1.0
    else:
        pull, expected = (freedom + 1) * z[h] / (freedom + z[h] ** 2), (freedom + 1) / (freedom + 3)
    log_like[h] = density[h] - np.log(scale[h])
    slope[h] = pull / scale[h]
    information[h] = expected / scale[h] ** 2
    widening[h] = pull * z[h] - 1.0

    c = ~heard
    if c.any():
        spread = np.zeros(int(c.sum())) if blur is None else blur[c] / scale[c]
        total = np.zeros((4, len(spread)))
        for node, share in [(0.0, 1.0)] if blur is None else zip(NODES, SHARES, strict=True):
            total += share * np.array(_tail(z[c] + node * spread, freedom))
        log_like[c], slope[c], information[c], widening[c] = total
        slope[c] *= -toward[c] / scale[c]
        information[c] = np.maximum(information[c], 0.0) / scale[c] ** 2
    return log_like, slope, information, widening


def _tail(z: np.ndarray, freedom: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Log of the share of a standard t below z, its slope and bend over z, its slope over log scale."""
    log_like = log_share_below(z, freedom)
    hazard = np.exp(log_density(z, freedom) - log_like)
    bend = z if math.isinf(freedom) else z * (freedom + 1) / (freedom + z * z)
    return log_like, hazard, hazard * (hazard + bend), -z * hazard


def normal_equivalent(freedom: float) -> float:
    """Sigma of the normal distribution whose 10 and 90 % points are those of a t of scale 1."""
    return 1.0 if math.isinf(freedom) else float(stats.t.ppf(0.9, freedom) / stats.norm.ppf(0.9))
