"""What neighbouring blocks share, and how much wider it makes the intervals.

`mixed` takes the parts that cells share as independent from block to block. They are not: fields fade with distance.
Here their covariance c exp(-d / range) between blocks, of the part common to all sites and of each site's own, is
estimated from the blocks' mean residuals; the covariance of the effects follows from how far each block moves them
(the sandwich V J V).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse
from scipy.optimize import nnls
from scipy.spatial import cKDTree

from radiocov.calibration.mixed import Layout, Priors, State, System

LAGS = 8  # sides of a block up to which pairs are looked at
PAIRS = 200_000
REACH = 3.5  # ranges, beyond which nothing is shared
RANGES = np.geomspace(0.3, 6.0, 25)  # sides


@dataclass(frozen=True)
class Shared:
    """Covariances between blocks, dB^2, at distance 0, and their range in m."""

    own: float
    common: float
    range_m: float


def centres(x_m: np.ndarray, y_m: np.ndarray, block: np.ndarray, blocks: int) -> np.ndarray:
    """Mean position of the cells of each block, (blocks, 2)."""
    count = np.bincount(block, minlength=blocks)
    return np.column_stack([np.bincount(block, a, blocks) / count for a in (x_m, y_m)])


def shared(layout: Layout, priors: Priors, state: State, system: System, xy: np.ndarray, side_m: float) -> Shared:
    """From the mean residuals of places, which are noisy but unbiased, by products of pairs and least squares."""
    sites = layout.counts[1]
    site = np.zeros(layout.places, int)
    site[layout.place] = layout.group[1]
    w = np.maximum(system.w_place, 1e-9)
    residual = state.place + state.common[layout.block_of] + state.place / (priors.place * w)
    trust = 1 / (1 / w + priors.place + priors.common)
    q, qm = (np.zeros((layout.blocks, sites)) for _ in range(2))
    q[layout.block_of, site], qm[layout.block_of, site] = trust, trust * residual
    pairs = cKDTree(xy).query_pairs(LAGS * side_m, output_type="ndarray")
    if len(pairs) > PAIRS:
        pairs = pairs[np.random.default_rng(1).choice(len(pairs), PAIRS, replace=False)]
    if len(pairs) < 10:
        return Shared(0.0, 0.0, side_m)
    i, j = pairs.T
    lag = np.hypot(*(xy[i] - xy[j]).T) / side_m
    bins = np.clip(lag.astype(int), 0, LAGS - 1)
    h = np.bincount(bins, lag, LAGS) / np.maximum(np.bincount(bins, minlength=LAGS), 1)

    def split(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sums of products by lag: of one site with itself, of different sites."""
        same = np.einsum("ps,ps->p", a[i], a[j])
        return np.bincount(bins, same, LAGS), np.bincount(bins, a[i].sum(1) * a[j].sum(1) - same, LAGS)

    (same_w, other_w), (same_m, other_m) = split(q), split(qm)
    within_w = float(np.sum(q.sum(1) ** 2 - (q**2).sum(1)))  # different sites in one block: distance 0
    within_m = float(np.sum(qm.sum(1) ** 2 - (qm**2).sum(1)))
    weights = np.sqrt(np.concatenate([same_w, other_w, [within_w / 2]]))
    values = np.concatenate([same_m, other_m, [within_m / 2]]) / np.maximum(weights**2, 1e-12)
    best = None
    for ratio in RANGES:
        fade = np.exp(-h / ratio)
        a = np.column_stack([
            np.concatenate([fade, np.zeros(LAGS + 1)]), np.concatenate([fade, fade, [1.0]])
        ]) * weights[:, None]  # fmt: skip
        (own, common), miss = nnls(a, values * weights)
        if best is None or miss < best[0]:
            best = miss, Shared(float(own), float(common), float(ratio * side_m))
    return best[1]


def widened(layout: Layout, priors: Priors, system: System, parts: Shared, xy: np.ndarray) -> np.ndarray:
    """What sharing between blocks adds to the covariance of the dense effects, (size, size)."""
    free = np.flatnonzero(~priors.pinned)
    spread = np.zeros((layout.size, layout.size))
    i, j = cKDTree(xy).query_pairs(REACH * parts.range_m, output_type="ndarray").T
    if not (len(i) and parts.own + parts.common > 0):
        return spread
    fade = np.exp(-np.hypot(*(xy[i] - xy[j]).T) / parts.range_m)
    link = sparse.csr_matrix((np.r_[fade, fade], (np.r_[i, j], np.r_[j, i])), shape=(layout.blocks, layout.blocks))
    # how the score of the dense effects answers to a block's common part and to a place's own
    of_block = (sparse.diags(1 / (priors.common * system.d_block)) @ system.by_block).toarray()[:, free]
    per_block = (sparse.diags(1 / system.d_block) @ system.by_block).tocsr()
    shaken = parts.common * of_block.T @ (link @ of_block)
    site = np.zeros(layout.places, int)
    site[layout.place] = layout.group[1]
    for s in range(layout.counts[1]):
        mine = np.flatnonzero(site == s)
        block = layout.block_of[mine]
        back = sparse.diags(system.w_place[mine]) @ per_block[block]
        of_place = (sparse.diags(system.open[mine]) @ (system.by_place[mine] - back)).toarray()[:, free]
        shaken += parts.own * of_place.T @ (link[block][:, block] @ of_place)
    inverse = linalg.inv(system.dense[np.ix_(free, free)])
    spread[np.ix_(free, free)] = inverse @ shaken @ inverse
    return spread


def alike(parts: Shared, xy: np.ndarray) -> float:
    """How many blocks tell of a variance what an independent one would."""
    i, j = cKDTree(xy).query_pairs(REACH * parts.range_m, output_type="ndarray").T
    return 1.0 + 2 * float(np.sum(np.exp(-2 * np.hypot(*(xy[i] - xy[j]).T) / parts.range_m))) / len(xy)
