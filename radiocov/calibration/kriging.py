"""Kriging of the residual field from the nearest measured places, at points and on lattices.

The field at a place is a part that all sites share and a part of each site's own, both with covariance exp(-d/range);
see `model.Field`. A prediction is the conditional mean and standard deviation of the Gaussian field given the nearest
places of the same site and of any site: with all of them it is the exact one. What lies farther than `REACH` ranges
says next to nothing (exp(-REACH) = 2 %) and is left out.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
from scipy.spatial import cKDTree

from radiocov.calibration.model import Field, Residuals

OWN, ANY = 16, 16  # nearest places of the site itself, of any site
REACH = 4.0  # ranges
MOST_THREADS, FEWEST_A_THREAD = 8, 500
APART = 1e6  # ranges between the planes of two sites in the tree that keeps them apart

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")


def scaled(field: Field, x_m: np.ndarray, y_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates in which the range is 1 in every direction. `Field.range_m` is the geometric mean of the ranges
    along the main axis and across it."""
    turn, stretch = math.radians(field.azimuth_deg), math.sqrt(field.ratio)
    along = np.asarray(x_m, float) * math.sin(turn) + np.asarray(y_m, float) * math.cos(turn)
    across = np.asarray(x_m, float) * math.cos(turn) - np.asarray(y_m, float) * math.sin(turn)
    return along / (field.range_m * stretch), across * (stretch / field.range_m)


class Neighbours:
    """Places (n,) in scaled coordinates, asked for the nearest of a site and of all sites within a reach."""

    def __init__(self, u: np.ndarray, v: np.ndarray, site: np.ndarray, reach: float = REACH) -> None:
        self.reach = reach
        self._all = cKDTree(np.column_stack([u, v]))
        self._apart = cKDTree(np.column_stack([u, v, np.asarray(site) * APART]))

    def of(
        self, u: np.ndarray, v: np.ndarray, site: np.ndarray, own: int = OWN, any_: int = ANY, *,
        more_reach: float = 0.0, but: np.ndarray | None = None,
    ) -> np.ndarray:  # fmt: skip
        """(m, own + any_) int64 positions of the places nearest to points, each once; -1 where there are fewer.

        but: (m,) a place that does not count for the point.
        """
        limit, spare = self.reach + more_reach, int(but is not None)
        parts = []
        for tree, count, at in (
            (self._apart, own, np.column_stack([u, v, site * APART])), (self._all, any_, np.column_stack([u, v])),
        ):  # fmt: skip
            count = min(count + spare, tree.n)
            _, found = tree.query(at, k=list(range(1, count + 1)), distance_upper_bound=limit)
            parts.append(np.where(found == tree.n, -1, found))
        mine, every = parts
        if but is not None:
            mine, every = (np.where(part == but[:, None], -1, part) for part in parts)
        again = (every[:, :, None] == mine[:, None, :]).any(axis=2)
        return np.concatenate([mine, np.where(again, -1, every)], axis=1).astype(np.int64)


@kernel
def covariance(u0, v0, site0, u1, v1, site1, common2, own2):
    """Of the field between two places for two sites, dB2."""
    du, dv = u0 - u1, v0 - v1
    share = common2 + own2 if site0 == site1 else common2
    return share * math.exp(-math.sqrt(du * du + dv * dv))


@kernel
def factorised(near, u, v, site, noise, common2, own2, used, lower):
    """How many places of ``near`` count, their positions in ``used``; ``lower`` is the Cholesky factor of their
    covariance with noise."""
    count = 0
    for i in near:
        if i >= 0:
            used[count] = i
            count += 1
    for a in range(count):
        i = used[a]
        for b in range(a + 1):
            j = used[b]
            total = covariance(u[i], v[i], site[i], u[j], v[j], site[j], common2, own2)
            if a == b:
                total += noise[i]
            for k in range(b):
                total -= lower[a, k] * lower[b, k]
            lower[a, b] = math.sqrt(max(total, 1e-9)) if a == b else total / lower[b, b]
    return count


@kernel
def whitened(count, lower, values, out):
    """Solve lower @ out = values."""
    for a in range(count):
        total = values[a]
        for k in range(a):
            total -= lower[a, k] * out[k]
        out[a] = total / lower[a, a]


def conditional(near, first, *places_and_points, most_threads: int = MOST_THREADS) -> None:
    """`_conditional` with the groups shared between threads; the last two arrays are filled."""
    threads = min(os.cpu_count() or 1, most_threads, max(len(near) // FEWEST_A_THREAD, 1))
    if threads == 1:
        return _conditional(near, first, *places_and_points)
    edges = np.linspace(0, len(near), threads + 1).astype(int)
    with ThreadPoolExecutor(threads) as pool:
        parts = [pool.submit(_conditional, near[a:b], first[a : b + 1], *places_and_points)
                 for a, b in zip(edges[:-1], edges[1:], strict=True)]  # fmt: skip
        for part in parts:
            part.result()


@kernel
def _conditional(
    near, first, u, v, site, value, noise, common2, own2, at_u, at_v, at_site, mean, variance
):  # fmt: skip
    """Mean and variance of the field at points: group g, points first[g] to first[g + 1], from places near[g]."""
    most = near.shape[1]
    used, lower = np.empty(most, np.int64), np.empty((most, most))
    seen, white, towards, solved = np.empty(most), np.empty(most), np.empty(most), np.empty(most)
    for g in range(near.shape[0]):
        count = factorised(near[g], u, v, site, noise, common2, own2, used, lower)
        for a in range(count):
            seen[a] = value[used[a]]
        whitened(count, lower, seen, white)
        for p in range(first[g], first[g + 1]):
            for a in range(count):
                i = used[a]
                towards[a] = covariance(at_u[p], at_v[p], at_site[p], u[i], v[i], site[i], common2, own2)
            whitened(count, lower, towards, solved)
            total, left = 0.0, common2 + own2
            for a in range(count):
                total += solved[a] * white[a]
                left -= solved[a] * solved[a]
            mean[p] = total
            variance[p] = max(left, 0.0)


@dataclass(frozen=True, eq=False)
class Kriging:
    """The field between the places of some residuals.

    own, any_: how many nearest places count, of the site itself and of all; give the number of places for exact
    kriging. noise2: (n,) variance of each residual about the field [dB2]; default: nugget and error.
    """

    field: Field
    residuals: Residuals
    own: int = OWN
    any_: int = ANY
    reach: float = REACH
    noise2: np.ndarray | None = None
    most_threads: int = MOST_THREADS

    def __post_init__(self) -> None:
        r = self.residuals
        u, v = scaled(self.field, r.x_m, r.y_m)
        noise = self.noise2
        if noise is None:
            noise = self.field.nugget_db**2 + np.asarray(r.error_db, float) ** 2
        places = u, v, np.asarray(r.site, np.int64), np.asarray(r.residual_db, float), noise
        object.__setattr__(self, "_places", places)
        object.__setattr__(self, "_near", Neighbours(u, v, places[2], self.reach) if len(u) else None)

    def predict(self, x_m: np.ndarray, y_m: np.ndarray, site: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``(mean, standard deviation)`` [dB] of the field at points, without the nugget.

        site: positions in `Residuals.sites`; -1 for one that was not measured, which takes the common part alone.
        """
        return self.predict_groups(x_m, y_m, site, np.arange(len(np.atleast_1d(x_m)) + 1))

    def predict_groups(
        self, x_m: np.ndarray, y_m: np.ndarray, site: np.ndarray, first: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The same of points that lie together, group g from first[g] to first[g + 1], each group of one site: they
        share the places nearest to their middle."""
        at_u, at_v = scaled(self.field, np.atleast_1d(x_m), np.atleast_1d(y_m))
        at_site = np.broadcast_to(np.asarray(site, np.int64), at_u.shape)
        mean = np.zeros(len(at_u))
        common2, own2 = self.field.common_db**2, self.field.own_db**2
        variance = np.full(len(at_u), common2 + own2)
        if self._near is not None and len(first) > 1:
            sizes = np.diff(first)
            middle_u, middle_v = (np.add.reduceat(a, first[:-1]) / sizes for a in (at_u, at_v))
            group = np.repeat(np.arange(len(sizes)), sizes)
            half = float(np.hypot(at_u - middle_u[group], at_v - middle_v[group]).max())
            near = self._near.of(
                middle_u, middle_v, at_site[first[:-1]], self.own, self.any_, more_reach=half
            )  # fmt: skip
            conditional(
                near, first, *self._places, common2, own2, at_u, at_v, np.ascontiguousarray(at_site), mean, variance,
                most_threads=self.most_threads,
            )  # fmt: skip
        return mean, np.sqrt(variance)
