"""How much each handset reads above or below the others that were in the same places: a mixed model, with intervals.

    level = place + handset + error,   handset ~ N(0, tau^2),   error ~ N(0, sigma^2)

Places (a cell and the transmitter received there) are fixed effects, so that nothing is assumed of the coverage;
handsets are random, so that one with few places in common is drawn towards the fleet and has a wide interval. tau and
sigma come from restricted maximum likelihood (Patterson and Thompson 1971; Harville 1977), the offsets are best
linear unbiased predictions (Henderson 1975). They are relative to the fleet's mean: no log can
tell that of the whole fleet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, sparse

Z_95 = 1.959964
PLACES_AT_ONCE = 1 << 20
SMALLEST_RATIO, LARGEST_RATIO = 1e-4, 1e6


@dataclass
class Offsets:
    """device: (d,) numbers as given; offset_db, error_db: (d,) prediction and its standard error; places: (d,) of
    those shared with others; sigma_db, tau_db: spread within places, and of handsets. place, level_db: (p,) numbers
    and fitted levels of the places."""

    device: np.ndarray
    offset_db: np.ndarray
    error_db: np.ndarray
    places: np.ndarray
    sigma_db: float
    tau_db: float
    place: np.ndarray
    level_db: np.ndarray

    def interval(self) -> tuple[np.ndarray, np.ndarray]:
        """Limits that hold 95 % of the true offsets, dB."""
        return self.offset_db - Z_95 * self.error_db, self.offset_db + Z_95 * self.error_db


def fit(device: np.ndarray, place: np.ndarray, level_db: np.ndarray, count: np.ndarray | None = None,
        squares: np.ndarray | None = None) -> Offsets | None:  # fmt: skip
    """(n,) each: numbers of handset and place, mean level of that handset there, dB; count: of how many visits, 1
    where not given; squares: sum of squares of their differences from that mean, dB^2, 0 where not given.

    None where no place has two handsets. One observation is a handset's mean of a visit, not a single sample:
    samples of one visit share their error.
    """
    count = np.ones(len(place), np.float32) if count is None else count
    squares = np.zeros(len(place), np.float32) if squares is None else squares
    if (place[1:] < place[:-1]).any():
        order = np.argsort(place, kind="stable")
        device, place, level_db, count, squares = (
            values[order] for values in (device, place, level_db, count, squares)
        )
        del order
    if not len(place):
        return None
    starts = np.flatnonzero(np.append(True, place[1:] != place[:-1]))
    places, of_place = place[starts], np.diff(starts, append=len(place)).astype(np.int32)
    devices = np.unique(device)
    d = np.searchsorted(devices, device).astype(np.int32)
    shared = np.minimum.reduceat(d, starts) != np.maximum.reduceat(d, starts)
    if not shared.any():
        return None
    visits_of = np.add.reduceat(count, starts, dtype=np.float64)
    mean = np.add.reduceat(count * level_db, starts, dtype=np.float64) / visits_of
    use = np.repeat(shared, of_place)
    d_used, n_used, centred = d[use], count[use].astype(np.float64), (level_db - np.repeat(mean, of_place))[use]
    within = float(squares[use].sum(dtype=np.float64))
    right = np.bincount(d_used, n_used * centred, len(devices))
    total = float(n_used @ np.square(centred, out=centred)) + within
    freedom = int(n_used.sum() - shared.sum())
    del use, mean, centred
    ends = np.append(0, np.cumsum(of_place[shared]))
    visits = sparse.csr_matrix((n_used, d_used, ends), (len(ends) - 1, len(devices)))
    visits.sum_duplicates()
    places_shared = np.bincount(visits.indices, minlength=len(devices))
    # the normal equations of the handsets, the places eliminated
    information = np.diag(np.asarray(visits.sum(axis=0)).ravel())
    visits.data /= np.repeat(np.sqrt(visits_of[shared]), np.diff(visits.indptr))
    for start in range(0, visits.shape[0], PLACES_AT_ONCE):
        some = visits[start : start + PLACES_AT_ONCE]
        information -= (some.T @ some).toarray()
    del visits, d_used, n_used, ends
    values, vectors = np.linalg.eigh(information)
    values = np.maximum(values, 0.0)
    turned = vectors.T @ right

    def variance(ratio: float) -> float:
        return max(1e-12, total - float(np.sum(turned**2 * ratio / (1.0 + ratio * values)))) / freedom

    def minus_log_likelihood(log_ratio: float) -> float:
        ratio = np.exp(log_ratio)
        return 0.5 * (freedom * np.log(variance(ratio)) + np.sum(np.log1p(ratio * values)))

    best = optimize.minimize_scalar(minus_log_likelihood, bounds=np.log([SMALLEST_RATIO, LARGEST_RATIO]),
                                    method="bounded")  # fmt: skip
    ratio = float(np.exp(best.x))
    sigma2 = variance(ratio)
    shrunk = ratio / (1.0 + ratio * values)
    offset = vectors @ (shrunk * turned)
    error = np.sqrt(sigma2 * np.sum(vectors**2 * shrunk, axis=1))
    level = np.add.reduceat(count * (level_db - offset[d]), starts) / visits_of
    return Offsets(devices, offset, error, places_shared, float(np.sqrt(sigma2)), float(np.sqrt(sigma2 * ratio)),
                   places, level)  # fmt: skip


def slope(time: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """(change of values a unit of time, its standard error), by least squares; NaN where there is too little."""
    if len(time) < 4 or np.ptp(time) == 0:
        return float("nan"), float("nan")
    centred = time - time.mean()
    spread = float(centred @ centred)
    gradient = float(centred @ values) / spread
    rest = values - values.mean() - gradient * centred
    return gradient, float(np.sqrt(rest @ rest / (len(time) - 2) / spread))


def failing_level(level_dbm: np.ndarray, failed: np.ndarray, least: int = 10) -> float:
    """Level at which half fail, by logistic regression; NaN without ten of either kind, or where failing does not
    fall with the level."""
    if failed.sum() < least or (~failed).sum() < least:
        return float("nan")
    middle, spread = float(level_dbm.mean()), max(1.0, float(level_dbm.std()))
    x = (level_dbm - middle) / spread

    def minus_log_likelihood(parameters: np.ndarray) -> float:
        linear = parameters[0] + parameters[1] * x
        return float(np.sum(np.logaddexp(0.0, linear) - failed * linear) + 0.01 * parameters[1] ** 2)

    best = optimize.minimize(minus_log_likelihood, np.array([0.0, -1.0]), method="BFGS").x
    if best[1] > -0.1:
        return float("nan")
    half = middle - best[0] / best[1] * spread
    return float(half) if level_dbm.min() - 10 <= half <= level_dbm.max() + 10 else float("nan")
