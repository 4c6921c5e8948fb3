"""The residual field: its covariance fitted to the residuals of a calibration, and these made ready for kriging.

Covariance by composite likelihood: the density of each residual given the nearest of those that come before it in a
random order (Vecchia 1988), so that early ones tell of long distances and late ones of short ones; beyond three
standard deviations the cost of a residual grows with its logarithm, so that outliers do not widen the field. A cell
that was not heard counts with the probability of a level below its limit, given its neighbours. A part of the field
that the likelihood does not ask for is left out.

`settle` replaces a censored cell by the Gaussian that has the same moments beside its neighbours (expectation
propagation): with prediction N(m, v) from the neighbours, noise s2 and limit c, z = (c - m) / sqrt(v + s2), the field
there has mean m - v h / sqrt(v + s2) and variance v - v2 h (z + h) / (v + s2), h = phi(z) / Phi(z). Cells depend on
each other and are taken in turns until none moves. A limit far above the prediction says nothing and drops out.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.spatial import cKDTree
from scipy.special import log_ndtr, ndtr

from radiocov.calibration.kriging import Neighbours, conditional, scaled
from radiocov.calibration.model import BELOW, Field, Residuals

FEWEST = 40  # residuals that a covariance can be fitted to
TARGETS = 3000  # residuals whose densities make the likelihood
NEAR_OWN, NEAR_ANY = 10, 10
BOUND = 3.0  # standard deviations
OUTLYING = 2.5  # standard deviations beyond which a residual's error is taken to be larger than stated
ASKED = 6.0  # twice the gain of log likelihood that a further parameter has to bring
TURNS, DAMPING, STILL_DB = 20, 0.7, 0.05
SAYS_NOTHING_DB = 60.0  # error beyond which a censored cell is left out
SPOILT = 0.005  # share of censored cells and outliers from which the covariance is fitted again with them settled
LARGEST_RATIO = 6.0  # of anisotropy


def fit_field(
    x_m: np.ndarray, y_m: np.ndarray, site: np.ndarray, residual_db: np.ndarray, sd_db: np.ndarray,
    censored: np.ndarray, seed: int = 1,
) -> Field:  # fmt: skip
    """The covariance of residuals (n,) over place and site.

    residual_db: measured less calibrated level, or limit less calibrated level where `censored` is not 0; sd_db: of
    the measurement itself, which the nugget does not contain. With fewer than `FEWEST` heard residuals, or where
    neighbours are no more alike than others, the field is a nugget alone. The own part of a single site takes all:
    what others would share cannot be told.
    """
    cells = merged(x_m, y_m, site, residual_db, sd_db, censored)
    heard = cells[5] == 0
    spread2 = float(np.median(np.abs(cells[3][heard])) / 0.6745) ** 2 if heard.any() else 0.0
    only_nugget = Field(nugget_db=math.sqrt(max(spread2 - float(np.median(cells[4]) ** 2), 0.01)))
    if heard.sum() < FEWEST:
        return only_nugget
    likelihood = _Likelihood(cells, seed)
    found = _best(likelihood, max(spread2, 0.1))
    if found.range_m and likelihood.settle(found) > SPOILT:
        found = _best(likelihood, max(spread2, 0.1), found)
    return found


def settle(
    field: Field, x_m: np.ndarray, y_m: np.ndarray, site: np.ndarray, residual_db: np.ndarray, sd_db: np.ndarray,
    censored: np.ndarray, sites: tuple[str, ...], crs: str,
) -> Residuals:  # fmt: skip
    """Residuals as kriging takes them: one a place and site, censored ones as Gaussians (see above), outliers with an
    error that leaves them `OUTLYING` standard deviations from what their neighbours say. Rounded to 0.01 dB."""
    x, y, at, value, sd, kind = merged(x_m, y_m, site, residual_db, sd_db, censored)
    value, noise = settled(field, x, y, at, value, sd**2 + field.nugget_db**2, kind)
    error = np.sqrt(np.maximum(noise - field.nugget_db**2, 0.0))
    told = error < SAYS_NOTHING_DB
    x, y, at, value, error, _ = merged(*(a[told] for a in (x, y, at, value, error)), np.zeros(int(told.sum())))
    return Residuals(x, y, at, np.round(value, 2), np.round(error, 2), sites, crs)


def merged(x_m, y_m, site, residual_db, sd_db, censored) -> tuple[np.ndarray, ...]:
    """(x, y, site, residual, sd, censored) with one a place, site and kind of censoring, in order of place.

    Days and handsets at one place share the nugget: they lessen the error of the measurement alone.
    """
    x, y, r, sd = (np.asarray(a, float) for a in (x_m, y_m, residual_db, sd_db))
    at, kind = np.asarray(site, np.int64), np.asarray(censored, np.int64)
    keys = np.column_stack([x, y, at, kind])
    places, group = np.unique(keys, axis=0, return_inverse=True)
    weight = 1.0 / (sd**2 + 0.25)
    total = np.bincount(group, weight)
    mean = np.bincount(group, weight * r) / total
    error = np.sqrt(np.bincount(group, weight**2 * sd**2)) / total
    return places[:, 0], places[:, 1], places[:, 2].astype(np.int64), mean, error, places[:, 3].astype(np.int64)


def settled(field: Field, x, y, site, value, noise2, censored) -> tuple[np.ndarray, np.ndarray]:
    """(value, noise2) of Gaussians in place of residuals, see `settle`; arrays (n,), dB and dB2."""
    value, noise2, base2 = value.astype(float), noise2.astype(float), noise2.astype(float)
    limit, sign, cut = value.copy(), np.sign(censored), censored != 0
    noise2[cut] = 1e6
    if field.range_m <= 0 or not len(value):
        return value, noise2
    common2, own2 = field.common_db**2, field.own_db**2
    u, v = scaled(field, x, y)
    near = Neighbours(u, v, site).of(u, v, site, NEAR_OWN, NEAR_ANY, but=np.arange(len(u)))

    def beside(which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the neighbours of some cells say of the field there: mean and variance."""
        mean, left = np.empty(len(which)), np.empty(len(which))
        conditional(near[which], np.arange(len(which) + 1), u, v, site, value, noise2, common2, own2, u[which],
                    v[which], site[which], mean, left)  # fmt: skip
        return mean, left

    heard, silent = np.flatnonzero(~cut), np.flatnonzero(cut)
    for turn in range(TURNS):
        if turn < 2:  # later they stand
            mean, left = beside(heard)
            noise2[heard] = np.maximum(base2[heard], ((value[heard] - mean) / OUTLYING) ** 2 - left)
        if not len(silent):
            continue
        before = value[silent] / noise2[silent], 1.0 / noise2[silent]
        value[silent], noise2[silent] = _cavity_moments(
            *beside(silent), base2[silent], limit[silent], sign[silent], before)
        if np.abs(value[silent] / noise2[silent] - before[0]).max() * base2[silent].mean() < STILL_DB:
            break
    return value, noise2


def _cavity_moments(mean, variance, noise2, limit, sign, before):
    """The Gaussian factor that stands for a censored cell, damped against the one before."""
    total = np.sqrt(variance + noise2)
    z = -sign * (limit - mean) / total  # a level below the limit where sign is BELOW (-1)
    hazard = np.exp(-0.5 * z * z - 0.5 * math.log(2.0 * math.pi) - log_ndtr(z))
    moved = mean + sign * variance * hazard / total
    narrowed = np.maximum(variance - variance**2 * hazard * (z + hazard) / total**2, 1e-6 * variance + 1e-12)
    precision = np.maximum(1.0 / narrowed - 1.0 / np.maximum(variance, 1e-9), 1e-6)
    weighted = moved / narrowed - mean / np.maximum(variance, 1e-9)
    precision = DAMPING * precision + (1.0 - DAMPING) * before[1]
    weighted = DAMPING * weighted + (1.0 - DAMPING) * before[0]
    return weighted / precision, 1.0 / precision


class _Likelihood:
    """Composite likelihood of residuals, with the neighbours that each is conditioned on chosen once."""

    def __init__(self, cells: tuple[np.ndarray, ...], seed: int) -> None:
        order = np.random.default_rng(seed).permutation(len(cells[0]))
        self.x, self.y, self.site, self.limit, self.sd, self.kind = (a[order] for a in cells)
        self.value, self.extra2 = self.limit.copy(), self.sd**2
        self.extra2[self.kind != 0] = 1e6  # says nothing before it is settled
        count = len(order)
        self.target = np.arange(count)
        if count > TARGETS:
            late = np.random.default_rng(seed + 1).choice(count - TARGETS // 2, TARGETS // 2, replace=False)
            self.target = np.concatenate([np.arange(TARGETS // 2), TARGETS // 2 + np.sort(late)])
        self.near = self._before()
        places = np.unique(np.column_stack([self.x, self.y]), axis=0)
        apart = cKDTree(places).query(places, k=2)[0][:, 1] if len(places) > 1 else np.ones(1)
        # nothing is known of a field that has faded before the next place
        self.least_range_m = max(0.5 * float(np.median(apart)), 5.0)

    def _before(self) -> np.ndarray:
        """Nearest of those before each target: of the first 2^k where it is one of the next 2^k."""
        near = np.full((len(self.target), NEAR_OWN + NEAR_ANY), -1, np.int64)
        size = 1
        while size < len(self.x):
            mine = np.flatnonzero((self.target >= size) & (self.target < 2 * size))
            if len(mine):
                there = self.target[mine]
                # metres: the range is not known yet
                found = Neighbours(self.x[:size] / 1e6, self.y[:size] / 1e6, self.site[:size], np.inf).of(
                    self.x[there] / 1e6, self.y[there] / 1e6, self.site[there], NEAR_OWN, NEAR_ANY
                )
                near[mine, : found.shape[1]] = found
            size *= 2
        return near

    def settle(self, field: Field) -> float:
        """Let censored cells and outliers speak to their neighbours as they stand under a first fit; their share."""
        stated2 = self.sd**2 + field.nugget_db**2
        self.value, noise2 = settled(field, self.x, self.y, self.site, self.limit, stated2, self.kind)
        self.extra2 = np.maximum(noise2 - field.nugget_db**2, 0.0)
        return float(np.mean((self.kind != 0) | (noise2 > 4.0 * stated2)))

    def __call__(self, field: Field) -> float:
        """Minus the logarithm."""
        common2, own2, nugget2 = field.common_db**2, field.own_db**2, field.nugget_db**2
        u, v = scaled(field if field.range_m > 0 else replace(field, range_m=1.0), self.x, self.y)
        mean, variance = np.zeros(len(self.target)), np.full(len(self.target), common2 + own2)
        if common2 + own2 > 0:
            t = self.target
            conditional(
                self.near, np.arange(len(t) + 1), u, v, self.site, self.value, self.extra2 + nugget2, common2, own2,
                u[t], v[t], self.site[t], mean, variance,
            )  # fmt: skip
        t = self.target
        scale = np.sqrt(variance + nugget2 + self.sd[t] ** 2)
        z = (self.limit[t] - mean) / scale
        size = np.abs(z)
        lost = np.where(size < BOUND, 0.5 * z * z, BOUND**2 * (0.5 + np.log(np.maximum(size, BOUND) / BOUND)))
        heard = -lost - np.log(scale)
        below = log_ndtr(np.where(self.kind[t] == BELOW, z, -z))
        return -float(np.sum(np.where(self.kind[t] == 0, heard, below)))


def _best(likelihood: _Likelihood, spread2: float, chosen: Field | None = None) -> Field:
    """The field of highest likelihood among those without one, with one part, two parts, and an axis.

    chosen: the outcome of an earlier search, of whose parts the variances and the range are found anew.
    """
    flat = minimize_scalar(
        lambda log: likelihood(Field(nugget_db=math.exp(0.5 * log))), bounds=(-6.0, math.log(spread2) + 3.0),
        method="bounded",
    )  # fmt: skip
    found = [(Field(nugget_db=math.exp(0.5 * flat.x)), float(flat.fun), 1)]
    every = (("own",), ("common",), ("common", "own")) if len(np.unique(likelihood.site)) > 1 else (("own",),)
    if chosen is not None:
        every = (tuple(name for name in ("common", "own") if getattr(chosen, f"{name}_db") > 0),)
    start = chosen
    for parts in every:
        found.append((*_climb(likelihood, parts, spread2, start), 2 + len(parts)))
        start = min(found[1:], key=lambda one: one[1])[0]
    best, least, _ = min(found, key=lambda one: 2.0 * one[1] + ASKED * one[2])
    if best.range_m and (chosen is None or chosen.ratio > 1.0):
        turned, value = _turned(likelihood, best)
        if 2.0 * (least - value) > 2.0 * ASKED:
            best = turned
    return Field(*(float(f"{number:.4g}") for number in vars(best).values()))


def _climb(likelihood, parts, spread2, start) -> tuple[Field, float]:
    extent = max(np.ptp(likelihood.x), np.ptp(likelihood.y), 100.0)

    def field(p) -> Field:
        sizes = dict.fromkeys(("common", "own"), 0.0) | dict(zip(parts, np.exp(0.5 * p[2:]).tolist(), strict=True))
        return Field(sizes["common"], sizes["own"], math.exp(0.5 * p[0]), math.exp(p[1]))

    def cost(p) -> float:
        within = math.log(likelihood.least_range_m) < p[1] < math.log(2.0 * extent)
        if not within or (np.abs(p[[0, *range(2, len(p))]]) >= 9.0).any():
            return 1e12
        return likelihood(field(p))

    share = math.log(0.5 * spread2 / len(parts))
    least = 1.5 * likelihood.least_range_m
    ranges, nugget2 = (max(0.02 * extent, least), max(400.0, least)), 0.4 * spread2
    if start is not None:
        ranges, nugget2 = (start.range_m,), max(start.nugget_db, 0.3) ** 2
    runs = [
        minimize(cost, np.clip([math.log(nugget2), math.log(r), *[share] * len(parts)], -8.9, 15.0),
                 method="Nelder-Mead", options={"maxfev": 120, "xatol": 0.03, "fatol": 0.1})
        for r in ranges
    ]  # fmt: skip
    best = min(runs, key=lambda run: run.fun)
    return field(best.x), float(best.fun)


def _turned(likelihood: _Likelihood, field: Field) -> tuple[Field, float]:
    """The best axis, with the variances as they are."""
    tried = [replace(field, ratio=1.8, azimuth_deg=float(a)) for a in range(0, 180, 30)]
    first = min(tried, key=likelihood)

    def turned(p) -> Field:
        ratio = 1.0 + (LARGEST_RATIO - 1.0) * float(ndtr(p[0]))
        return replace(field, ratio=ratio, azimuth_deg=float(p[1]) % 180.0, range_m=math.exp(p[2]))

    found = minimize(
        lambda p: likelihood(turned(p)), [-1.0, first.azimuth_deg, math.log(field.range_m)], method="Nelder-Mead",
        options={"maxfev": 120, "xatol": 0.1, "fatol": 0.2,
                 "initial_simplex": [[-1.0, first.azimuth_deg, math.log(field.range_m)],
                                     [0.0, first.azimuth_deg, math.log(field.range_m)],
                                     [-1.0, first.azimuth_deg + 20.0, math.log(field.range_m)],
                                     [-1.0, first.azimuth_deg, math.log(field.range_m) + 0.3]]},
    )  # fmt: skip
    return turned(found.x), float(found.fun)

