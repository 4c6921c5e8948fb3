"""The structured solver against dense algebra and a general optimiser."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from radiocov.calibration import mixed
from radiocov.calibration.likelihood import cell_terms
from radiocov.calibration.model import ABOVE, BELOW, NONE


def case(seed: int, n: int = 40, places: bool = True, censored: float = 0.3):
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n), rng.normal(0, 1, n)])
    counts = (2, 3, 4)
    group = np.array([rng.integers(0, c, n) for c in counts])
    if places:
        block = np.unique(rng.integers(0, 6, n), return_inverse=True)[1]
        key, place = np.unique(block * 3 + group[1], return_inverse=True)
        block_of, blocks = key // 3, block.max() + 1
    else:
        block = place = np.zeros(n, int)
        block_of, blocks = np.zeros(0, int), 0
    layout = mixed.Layout(x, group, counts, place, block, block_of, blocks)
    base = rng.normal(-90, 8, n)
    level = base + x @ [3.0, 2.0] + rng.normal(0, 2, 3)[group[1]] + 6 * rng.standard_t(4, n)
    kind = np.where(rng.random(n) < censored, rng.choice([BELOW, ABOVE], n), NONE)
    observed = mixed.Observed(base, level, kind, rng.uniform(0.3, 1, n))
    variance = np.concatenate([[100.0, 25.0], [16.0] * 2, [9.0] * 3, [4.0] * 4])
    unbounded = np.full(layout.size, np.inf)
    priors = mixed.Priors(
        np.zeros(layout.size), variance, 6.0, 4.0, -unbounded, unbounded, np.zeros(layout.size, bool)
    )
    start = mixed.State(np.zeros(layout.size), np.zeros(layout.places), np.zeros(layout.blocks))
    return layout, observed, priors, start, np.full(n, 6.0)


def dense(layout, priors):
    """Design and prior precision with every effect in one vector: dense ones, places, common parts."""
    n = len(layout.place)
    design = np.zeros((n, layout.size + layout.places + layout.blocks))
    design[:, : layout.x.shape[1]] = layout.x
    rows = np.arange(n)
    for first, position in zip(layout.first, layout.group, strict=True):
        design[rows, first + position] = 1
    if layout.places:
        design[rows, layout.size + layout.place] = 1
        design[rows, layout.size + layout.places + layout.block] = 1
    precision = np.concatenate([
        1 / priors.variance, np.full(layout.places, 1 / priors.place), np.full(layout.blocks, 1 / priors.common)
    ])  # fmt: skip
    return design, precision


@pytest.mark.parametrize("places", [True, False])
def test_heard_cells_and_the_normal_give_weighted_least_squares_and_its_covariance(places):
    layout, observed, priors, start, scale = case(1, places=places, censored=0.0)
    state, system, _, _ = mixed.climb(layout, observed, priors, start, scale, math.inf)
    design, precision = dense(layout, priors)
    w = observed.weight / scale**2
    information = design.T @ (design * w[:, None]) + np.diag(precision)
    expected = np.linalg.solve(information, design.T @ (w * (observed.level - observed.base)))
    found = np.concatenate([state.theta, state.place, state.common])
    assert state.settled
    np.testing.assert_allclose(found, expected, atol=1e-8)
    every = np.linalg.inv(information)
    covariance = mixed.covariance(system.dense, priors)
    np.testing.assert_allclose(covariance, every[: layout.size, : layout.size], atol=1e-8)
    v_mu, v_place, v_common = system.spread(covariance)
    np.testing.assert_allclose(v_mu, np.einsum("ia,ab,ib->i", design, every, design), atol=1e-8)
    sd = np.diag(every)[layout.size :]
    np.testing.assert_allclose(np.concatenate([v_place, v_common]), sd, atol=1e-8)
    total = float(np.linalg.slogdet(system.dense)[1]) + system.log_det
    assert total == pytest.approx(float(np.linalg.slogdet(information)[1]))


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.booleans(), st.sampled_from([4.0, 10.0, math.inf]), st.floats(0.0, 0.9))
def test_no_general_optimiser_finds_a_more_probable_point(seed, places, freedom, censored):
    layout, observed, priors, start, scale = case(seed, places=places, censored=censored)
    state, _, _, height = mixed.climb(layout, observed, priors, start, scale, freedom)
    design, precision = dense(layout, priors)

    def cost(v):
        like, slope, *_ = cell_terms(observed.base + design @ v, observed.level, observed.censored, scale, freedom)
        rise = design.T @ (observed.weight * slope) - precision * v
        return -float(observed.weight @ like) + 0.5 * float(precision @ v**2), -rise

    found = np.concatenate([state.theta, state.place, state.common])
    assert state.settled
    assert cost(found)[0] == pytest.approx(-height)
    other = minimize(cost, found, jac=True, method="BFGS", options={"gtol": 1e-7})
    assert cost(found)[0] <= other.fun + 1e-4


def test_a_line_with_censored_cells_is_that_of_a_search_over_all_lines():
    layout, observed, priors, start, scale = case(3, n=60, places=False, censored=0.5)
    priors.pinned[2:] = True  # offset and slope alone
    state, _, _, _ = mixed.climb(layout, observed, priors, start, scale, math.inf)
    grid = np.stack(np.meshgrid(np.linspace(-8, 14, 89), np.linspace(-8, 14, 89), indexing="ij"), -1).reshape(-1, 2)
    best = max(
        grid,
        key=lambda line: float(
            observed.weight
            @ cell_terms(observed.base + layout.x @ line, observed.level, observed.censored, scale, math.inf)[0]
        ) - 0.5 * (line[0] ** 2 / 100 + line[1] ** 2 / 25),
    )  # fmt: skip
    np.testing.assert_allclose(state.theta[:2], best, atol=0.13)
    assert not state.theta[2:].any()


def test_a_bounded_effect_stops_at_its_bound_and_the_others_make_up_for_it():
    layout, observed, priors, start, scale = case(5, censored=0.2)
    free, *_ = mixed.climb(layout, observed, priors, start, scale, 5.0)
    priors.high[1] = bound = free.theta[1] - 1.0
    start.theta[1] = bound - 3.0
    state, _, _, height = mixed.climb(layout, observed, priors, start, scale, 5.0)
    assert state.settled and state.theta[1] == pytest.approx(bound)
    design, precision = dense(layout, priors)

    def cost(v):
        like, slope, *_ = cell_terms(observed.base + design @ v, observed.level, observed.censored, scale, 5.0)
        rise = design.T @ (observed.weight * slope) - precision * v
        return -float(observed.weight @ like) + 0.5 * float(precision @ v**2), -rise

    bounds = [(None, bound if k == 1 else None) for k in range(design.shape[1])]
    other = minimize(cost, np.zeros(design.shape[1]), jac=True, bounds=bounds, method="L-BFGS-B",
                     options={"ftol": 1e-13, "gtol": 1e-7})  # fmt: skip
    assert height == pytest.approx(-other.fun, abs=1e-3)


def test_a_pinned_effect_widens_the_others_by_what_it_could_have_been():
    layout, observed, priors, start, scale = case(7, places=False, censored=0.0)
    priors.pinned[1] = True
    _, system, _, _ = mixed.climb(layout, observed, priors, start, scale, math.inf)
    covariance = mixed.covariance(system.dense, priors)
    rest = np.delete(np.arange(layout.size), 1)
    inverse = np.linalg.inv(system.dense[np.ix_(rest, rest)])
    rng = np.random.default_rng(0)
    moved = -inverse @ system.dense[rest, 1][:, None] * rng.normal(0, 5, 200_000)
    np.testing.assert_allclose(np.diag(covariance)[rest], np.diag(inverse) + moved.var(axis=1), rtol=0.02)
    assert covariance[1, 1] == 25.0
