"""Sample sizes against published tables, bounds against scipy, intervals against simulation."""

import numpy as np
import pytest
from scipy import stats

from targets.errors import TargetsError
from targets.proportions import (
    block_interval,
    block_lower,
    exact_interval,
    exact_lower,
    greater_than,
    stratified_share,
    tiles_needed,
    zero_failure_tiles,
)

# Greater-than test, p = target + e: rows of target, columns of e and confidence (95 %, 99 %).
TABLE = {
    (0.50, 0.02): (1689, 3377), (0.50, 0.03): (749, 1498), (0.50, 0.05): (268, 536),
    (0.80, 0.02): (999, 1997), (0.80, 0.03): (425, 849), (0.80, 0.05): (139, 276),
    (0.90, 0.02): (498, 996), (0.90, 0.03): (196, 392), (0.90, 0.05): (100, 103),
    (0.95, 0.02): (197, 394), (0.95, 0.03): (100, 118),
}  # fmt: skip


@pytest.mark.parametrize(("case", "tiles"), TABLE.items())
def test_table_of_the_greater_than_test(case, tiles):
    assert tuple(tiles_needed(*case, confidence) for confidence in (0.95, 0.99)) == tiles


def test_the_worked_case_by_either_z():
    assert round(greater_than(0.95, 0.02, 2.236)) == 594
    assert round(greater_than(0.95, 0.02, 2.326)) == 642


@pytest.mark.parametrize(("reliability", "n95", "n99"), [(0.99, 299, 459), (0.995, 598, 919), (0.97, 99, 152)])
def test_zero_failures(reliability, n95, n99):
    assert (zero_failure_tiles(reliability, 0.95), zero_failure_tiles(reliability, 0.99)) == (n95, n99)
    assert exact_lower(n95, n95, 0.95) >= reliability > exact_lower(n95 - 1, n95 - 1, 0.95)


def test_no_share_of_one_can_be_a_proportion():
    with pytest.raises(TargetsError, match="a target of 0.98 with an over-design of 0.05; target"):
        tiles_needed(0.98, 0.05, 0.95)


@pytest.mark.parametrize(("passed", "tiles"), [(0, 10), (10, 10), (3, 7), (181, 200), (642, 650)])
def test_exact_bounds_are_scipys(passed, tiles):
    both = stats.binomtest(passed, tiles).proportion_ci(0.95, "exact")
    assert exact_interval(passed, tiles, 0.95) == pytest.approx((both.low, both.high), abs=1e-12)
    one = stats.binomtest(passed, tiles, alternative="greater").proportion_ci(0.95, "exact")
    assert exact_lower(passed, tiles, 0.95) == pytest.approx(one.low, abs=1e-12)


def field(random, n=64, distance=3.0):
    apart = np.minimum(np.arange(n), n - np.arange(n))
    spectrum = np.fft.fft2(np.exp(-np.hypot(apart[:, None], apart[None, :]) / distance)).real.clip(0)
    return np.fft.ifft2(np.sqrt(spectrum) * np.fft.fft2(random.normal(size=(n, n)))).real > -1.0


def test_random_tiles_of_a_correlated_field_need_no_more_than_the_exact_interval():
    random, held = np.random.default_rng(8), 0
    for _ in range(200):
        passed = field(random).ravel()
        low, high = exact_interval(int(random.choice(passed, 100, replace=False).sum()), 100, 0.9)
        held += low <= passed.mean() <= high
    assert held >= 0.88 * 200


def test_runs_of_neighbours_need_blocks():
    random = np.random.default_rng(9)
    held = {"exact": 0, "blocks": 0, "proved": 0}
    blocks = np.repeat(np.arange(16), 8)
    for _ in range(200):
        passed = field(random)
        r = np.repeat(random.integers(64, size=16), 8)
        c = (np.repeat(random.integers(56, size=16), 8) + np.tile(np.arange(8), 16)) % 64
        here, truth = passed[r, c], passed.mean()
        for name, (low, high) in (("exact", exact_interval(int(here.sum()), 128, 0.9)),
                                  ("blocks", block_interval(here, blocks, 0.9))):  # fmt: skip
            held[name] += low <= truth <= high
        held["proved"] += block_lower(here, blocks, 0.9) <= truth
    assert held["exact"] < 0.80 * 200
    assert held["blocks"] > 0.82 * 200 and held["blocks"] > held["exact"] + 10
    assert held["proved"] >= 0.88 * 200


def test_blocks_that_all_agree_count_as_trials():
    block = np.arange(40) // 4
    assert block_interval(np.ones(40, bool), block, 0.9) == exact_interval(10, 10, 0.9)
    assert block_interval(np.zeros(40, bool), block, 0.9) == exact_interval(0, 10, 0.9)
    assert block_interval(np.ones(4, bool), np.zeros(4), 0.9) is None
    assert block_lower(np.ones(40, bool), block, 0.95) == pytest.approx(0.05**0.1)
    fewer = np.ones(40, bool)
    fewer[:2] = False
    assert block_lower(fewer, block, 0.95) < block_lower(np.ones(40, bool), block, 0.95)


def test_a_weighted_share_is_what_the_strata_say():
    passed, stratum = np.array([1, 1, 1, 0], bool), np.array([0, 0, 0, 1])
    assert stratified_share(passed, stratum, {0: 1.0, 1: 3.0}) == 0.25
    assert stratified_share(passed[:3], stratum[:3], {0: 1.0, 1: 3.0}) == 1.0
    assert stratified_share(np.zeros(0, bool), np.zeros(0, int), {}) is None
