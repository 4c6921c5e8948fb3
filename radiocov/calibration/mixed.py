"""The most probable effects of a linear mixed model with censored, heavy-tailed observations, and their covariance.

The expected level of a cell is `base + X fixed + class + site + handset + place + common`: place is one number a site
and block of ground, common one a block. They stand for the field that neighbouring cells share, so that a street of a
hundred cells is not taken for a hundred independent observations. Both are eliminated exactly (each cell has one of
each, and a place lies in one block); what is left is a dense system of the other effects.

The posterior is climbed by scoring steps, halved until it rises; the covariance is the inverse of its information.
With `Observed.blur` censored cells are averaged over what is not known of their level (a variational Gaussian
posterior): the mode alone would put silent places too high, and draw weights towards zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import linalg, sparse

from radiocov.calibration.likelihood import cell_terms

CHUNK = 4096  # rows of dense intermediate results
STEPS = 60
SETTLED = 1e-5  # expected rise of the log posterior: effects within 0.5 % of their standard deviation


@dataclass(eq=False)
class Layout:
    """Which effects each cell has. x: (n, q) fixed columns; group: (groups, n) positions of its random effects, such
    as class, site and handset, of `counts` each; place, block: (n,) positions; block_of: (places,) the block a place
    lies in."""

    x: np.ndarray
    group: np.ndarray
    counts: tuple[int, ...]
    place: np.ndarray
    block: np.ndarray
    block_of: np.ndarray
    blocks: int
    first: np.ndarray = field(init=False)  # of each group's effects among all

    def __post_init__(self) -> None:
        q = self.x.shape[1]
        self.first = q + np.concatenate([[0], np.cumsum(self.counts)[:-1]]).astype(int)
        self.size = q + sum(self.counts)
        self.places = len(self.block_of)
        n = len(self.place)
        of_place = self.place if self.places else np.zeros(n, int)
        rows, columns, self._pair = [], [], []
        for g, count in enumerate(self.counts):
            key, pair = np.unique(of_place * count + self.group[g], return_inverse=True)
            rows.append(key // count)
            columns.append(self.first[g] + key % count)
            self._pair.append((pair, len(key)))
        self._rows, self._columns = np.concatenate(rows), np.concatenate(columns)
        self.gather = sparse.csr_matrix(
            (np.ones(self.places), (self.block_of, np.arange(self.places))), shape=(self.blocks, self.places)
        )

    def value(self, theta: np.ndarray, place: np.ndarray, common: np.ndarray) -> np.ndarray:
        """Sum of a cell's effects, (n,)."""
        q = self.x.shape[1]
        total = self.x @ theta[:q]
        for first, position in zip(self.first, self.group, strict=True):
            total += theta[first + position]
        return total + place[self.place] + common[self.block] if self.places else total

    def gradient(self, slope: np.ndarray) -> np.ndarray:
        return np.concatenate(
            [self.x.T @ slope]
            + [np.bincount(p, slope, count) for p, count in zip(self.group, self.counts, strict=True)]
        )

    def information(self, w: np.ndarray) -> np.ndarray:
        """Sum over cells of w x x', dense (size, size)."""
        q = self.x.shape[1]
        h = np.zeros((self.size, self.size))
        weighted = self.x * w[:, None]
        h[:q, :q] = self.x.T @ weighted
        for a, (first, position, count) in enumerate(zip(self.first, self.group, self.counts, strict=True)):
            mine = slice(first, first + count)
            for column in range(q):
                h[column, mine] = np.bincount(position, weighted[:, column], count)
            h[mine, :q] = h[:q, mine].T
            h[np.arange(first, first + count), np.arange(first, first + count)] = np.bincount(position, w, count)
            for b in range(a):
                other = slice(self.first[b], self.first[b] + self.counts[b])
                pair = np.bincount(
                    self.group[b] * count + position, w, self.counts[b] * count
                ).reshape(self.counts[b], count)  # fmt: skip
                h[other, mine], h[mine, other] = pair, pair.T
        return h

    def by_place(self, w: np.ndarray) -> sparse.csr_matrix:
        """Sum over the cells of a place of w x, (places, size)."""
        q = self.x.shape[1]
        fixed = [np.bincount(self.place, w * self.x[:, c], self.places) for c in range(q)]
        data = np.concatenate(fixed + [np.bincount(pair, w, count) for pair, count in self._pair])
        rows = np.concatenate([np.tile(np.arange(self.places), q), self._rows])
        columns = np.concatenate([np.repeat(np.arange(q), self.places), self._columns])
        return sparse.csr_matrix((data, (rows, columns)), shape=(self.places, self.size))


@dataclass
class Observed:
    """What was measured, (n,) each, and how far it is trusted: `weight` multiplies the log likelihood."""

    base: np.ndarray
    level: np.ndarray
    censored: np.ndarray
    weight: np.ndarray
    blur: np.ndarray | None = None  # standard deviation of what is known of a cell's level: see `cell_terms`


@dataclass
class Priors:
    """Normal priors of the dense effects (mean and variance, (size,)) and of places and common (variances)."""

    mean: np.ndarray
    variance: np.ndarray
    place: float
    common: float
    low: np.ndarray  # (size,) bounds
    high: np.ndarray
    pinned: np.ndarray  # (size,) bool: stays at its mean


@dataclass
class State:
    theta: np.ndarray
    place: np.ndarray
    common: np.ndarray
    settled: bool = False
    steps: int = 0


class System:
    """The information at a point, with places and common parts eliminated."""

    def __init__(self, layout: Layout, priors: Priors, w: np.ndarray) -> None:
        self.layout = layout
        h = layout.information(w)
        h[np.diag_indices_from(h)] += 1 / priors.variance
        self.log_det = 0.0
        if layout.places:
            self.w_place = np.bincount(layout.place, w, layout.places)
            self.d_place = self.w_place + 1 / priors.place
            self.by_place = layout.by_place(w)
            self.open = 1 - self.w_place / self.d_place
            self.by_block = (layout.gather @ sparse.diags(self.open) @ self.by_place).tocsr()
            shared = np.bincount(layout.block_of, self.w_place * self.open, layout.blocks)
            self.d_block = shared + 1 / priors.common
            h -= _gram(self.by_place, self.d_place) + _gram(self.by_block, self.d_block)
            self.log_det = float(np.sum(np.log(self.d_place)) + np.sum(np.log(self.d_block)))
        self.dense = h

    def reduce(self, slope: np.ndarray, state: State, priors: Priors) -> np.ndarray:
        """Right-hand side of the dense system for a slope of the log likelihood over mu."""
        right = self.layout.gradient(slope) - (state.theta - priors.mean) / priors.variance
        if self.layout.places:
            self.r_place = np.bincount(self.layout.place, slope, self.layout.places) - state.place / priors.place
            at_block = np.bincount(self.layout.block, slope, self.layout.blocks) - state.common / priors.common
            closed = self.w_place / self.d_place * self.r_place
            self.r_block = at_block - np.bincount(self.layout.block_of, closed, self.layout.blocks)
            right = right - self.by_place.T @ (self.r_place / self.d_place)
            right -= self.by_block.T @ (self.r_block / self.d_block)
        return right

    def back(self, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Steps of places and common parts that belong to a step of the dense effects."""
        if not self.layout.places:
            return np.zeros(0), np.zeros(0)
        common = (self.r_block - self.by_block @ step) / self.d_block
        place = self.r_place - self.by_place @ step - self.w_place * common[self.layout.block_of]
        return place / self.d_place, common

    def expected_rise(self, right: np.ndarray, step: np.ndarray) -> float:
        """What a step promises to add to the log posterior."""
        rise = right @ step
        if self.layout.places:
            rise += np.sum(self.r_place**2 / self.d_place) + np.sum(self.r_block**2 / self.d_block)
        return 0.5 * float(rise)

    def spread(self, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Posterior variances of what a cell's effects sum to (n,), of places and of common parts."""
        lay, q = self.layout, self.layout.x.shape[1]
        positions = lay.first[:, None] + lay.group
        variance = np.einsum("ia,ab,ib->i", lay.x, covariance[:q, :q], lay.x)
        for mine in positions:
            variance += 2 * np.einsum("ia,ia->i", lay.x, covariance[mine, :q])
            for other in positions:
                variance += covariance[mine, other]
        if not lay.places:
            return variance, np.zeros(0), np.zeros(0)
        by_block = sparse.diags(1 / self.d_block) @ self.by_block
        of_block, v_common = _rows_through(by_block, covariance)
        v_common += 1 / self.d_block
        v_place = np.empty(lay.places)
        order = np.argsort(lay.place, kind="stable")
        bounds = np.searchsorted(lay.place[order], np.arange(0, lay.places + CHUNK, CHUNK))
        for number, start in enumerate(range(0, lay.places, CHUNK)):
            places = slice(start, min(start + CHUNK, lay.places))
            block, own = lay.block_of[places], 1 / self.d_place[places]
            share = self.w_place[places] * own
            back = by_block[block]
            on_place = sparse.diags(own) @ self.by_place[places] - sparse.diags(share) @ back
            through, quadratic = _rows_through(on_place, covariance)
            v_place[places] = own + share**2 / self.d_block[block] + quadratic
            through += of_block[block]  # of place and common together
            both = np.asarray(((on_place + back).multiply(through)).sum(axis=1)).ravel()
            both += own + self.open[places] ** 2 / self.d_block[block]
            mine = order[bounds[number] : bounds[number + 1]]
            at = lay.place[mine] - start
            crossed = np.einsum("ia,ia->i", lay.x[mine], through[at, :q])
            for position in positions:
                crossed += through[at, position[mine]]
            variance[mine] += both[at] - 2 * crossed
        return variance, v_place, v_common


def _gram(rows: sparse.csr_matrix, divisor: np.ndarray) -> np.ndarray:
    """rows' diag(1 / divisor) rows, dense."""
    scaled = sparse.diags(1 / np.sqrt(divisor)) @ rows
    if rows.nnz > 0.25 * rows.shape[0] * rows.shape[1]:
        full = scaled.toarray()
        return full.T @ full
    return (scaled.T @ scaled).toarray()


def _rows_through(rows: sparse.csr_matrix, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """rows covariance, and the diagonal of rows covariance rows'."""
    through = rows @ covariance
    return through, np.asarray(rows.multiply(through).sum(axis=1)).ravel()


def log_posterior(layout, observed, priors, state, scale, freedom) -> tuple[float, tuple]:
    """Log likelihood and log prior up to constants, and the terms of the cells."""
    mu = observed.base + layout.value(state.theta, state.place, state.common)
    terms = cell_terms(mu, observed.level, observed.censored, scale, freedom, observed.blur)
    total = float(np.dot(observed.weight, terms[0]))
    total -= 0.5 * float(np.sum((state.theta - priors.mean) ** 2 / priors.variance))
    if layout.places:
        total -= 0.5 * float(np.sum(state.place**2) / priors.place + np.sum(state.common**2) / priors.common)
    return total, terms


def climb(layout, observed, priors, state, scale, freedom, steps=STEPS) -> tuple[State, System, tuple, float]:
    """Up to `steps` scoring steps from `state`; the new state says whether it has settled."""
    height, terms = log_posterior(layout, observed, priors, state, scale, freedom)
    settled, taken = False, 0
    for taken in range(1, steps + 1):  # noqa: B007 (told in the state)
        system = System(layout, priors, observed.weight * terms[2])
        right = system.reduce(observed.weight * terms[1], state, priors)
        step = bounded_step(system.dense, right, state.theta, priors)
        place, common = system.back(step)
        if settled := system.expected_rise(right, step) < SETTLED:
            break
        length, rose = 1.0, False
        while length > 1e-6 and not rose:
            trial = State(state.theta + length * step, state.place + length * place, state.common + length * common)
            new_height, new_terms = log_posterior(layout, observed, priors, trial, scale, freedom)
            rose = new_height >= height
            length /= 2
        if not rose:
            break
        state, height, terms = trial, new_height, new_terms
    state.settled, state.steps = settled, taken
    return state, System(layout, priors, observed.weight * terms[2]), terms, height


def bounded_step(h: np.ndarray, right: np.ndarray, theta: np.ndarray, priors: Priors) -> np.ndarray:
    """The step h^-1 right within the bounds: an effect that would leave them goes to the bound and stays there."""
    step = np.where(priors.pinned, priors.mean - theta, 0.0)
    free = ~priors.pinned
    while True:
        rest = right[free] - h[np.ix_(free, ~free)] @ step[~free]
        step[free] = linalg.solve(h[np.ix_(free, free)], rest, assume_a="pos")
        target = theta + step
        outside = free & ((target < priors.low) | (target > priors.high))
        if not outside.any():
            return step
        step[outside] = np.clip(target[outside], priors.low[outside], priors.high[outside]) - theta[outside]
        free &= ~outside


def covariance(h: np.ndarray, priors: Priors) -> np.ndarray:
    """Posterior covariance of the dense effects. A pinned one keeps its prior variance, and the others carry what it
    would have moved them by."""
    free, pinned = np.flatnonzero(~priors.pinned), np.flatnonzero(priors.pinned)
    out = np.zeros_like(h)
    inverse = linalg.inv(h[np.ix_(free, free)])
    out[np.ix_(free, free)] = inverse
    if len(pinned):
        carried = -inverse @ h[np.ix_(free, pinned)]
        variance = priors.variance[pinned]
        out[np.ix_(free, free)] += (carried * variance) @ carried.T
        out[np.ix_(free, pinned)] = carried * variance
        out[np.ix_(pinned, free)] = (carried * variance).T
        out[pinned, pinned] = variance
    return out
