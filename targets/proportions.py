"""Statistics of a share of tiles: how many are needed, and what a count of passes proves.

The greater-than test of TSB-88 practice: the design is better than the target by the over-design e, T = Z^2 p q / e^2
tiles are measured (p = target + e, q = 1 - p, Z one-sided, at least 100), and the share that passes has to reach the
target. A target of 100 % is no proportion that a sample can prove; zero failures in n = ln(1 - C) / ln(R) tiles prove
a share of R with confidence C. Bounds of a count are those of Clopper and Pearson (1934): exact for tiles drawn at
random, whatever the correlation of the field they are drawn from. Tiles along a route are no such draw: blocks of
neighbours, drawn again with replacement, give the wider interval that belongs to them, and what they prove is
reckoned with one trial a block.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from targets.errors import Problem, TargetsError

FEWEST = 100
DRAWS = 2000


def tiles_needed(target: float, overdesign: float, confidence: float) -> int:
    """T of the greater-than test. target: share asked for, 0..1; overdesign: how much more the prediction gives;
    confidence: one-sided. TargetsError where target + overdesign is no share below 1."""
    p = target + overdesign
    if not (overdesign > 0 and target > 0 and p < 1):
        what = f"a target of {target:g} with an over-design of {overdesign:g}"
        raise TargetsError(Problem("", "", what, "target + over-design has to stay below 1"))
    z = round(float(stats.norm.ppf(confidence)), 3)  # 1.645, 2.326: as the tables in use have it
    return max(FEWEST, math.ceil(greater_than(p, overdesign, z) - 1e-9))


def greater_than(p: float, error: float, z: float) -> float:
    """T = Z^2 p q / e^2, not rounded."""
    return z * z * p * (1 - p) / error**2


def zero_failure_tiles(reliability: float, confidence: float) -> int:
    """Tiles without a failure that prove a share of `reliability` (0..1) with `confidence`."""
    return math.ceil(math.log(1 - confidence) / math.log(reliability) - 1e-9)


def exact_interval(passed: int, tiles: int, confidence: float) -> tuple[float, float]:
    """Two-sided Clopper-Pearson limits of a share; 0 and 1 where there are no tiles."""
    return exact_lower(passed, tiles, (1 + confidence) / 2), 1 - exact_lower(
        tiles - passed, tiles, (1 + confidence) / 2
    )


def exact_lower(passed: float, tiles: int, confidence: float) -> float:
    """One-sided Clopper-Pearson lower bound of a share; `passed` need not be whole."""
    return float(stats.beta.ppf(1 - confidence, passed, tiles - passed + 1)) if passed else 0.0


def block_interval(
    passed: np.ndarray, block: np.ndarray, confidence: float, seed: int = 1
) -> tuple[float, float] | None:
    """Two-sided limits of a share by drawing whole blocks with replacement; None for fewer than two blocks.

    passed: (n,) of tiles, booleans; block: (n,) numbers of the blocks they lie in. Where all tiles agree nothing new
    can be drawn, and each block counts as one trial of the exact interval.
    """
    _, place = np.unique(block, return_inverse=True)
    if place.size == 0 or place.max() < 1:
        return None
    n, k = np.bincount(place), np.bincount(place, passed)
    if k.sum() in (0, n.sum()):
        return exact_interval(len(n) if k.any() else 0, len(n), confidence)
    drawn = np.random.default_rng(seed).integers(0, len(n), (DRAWS, len(n)))
    low, high = np.quantile(k[drawn].sum(axis=1) / n[drawn].sum(axis=1), [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def block_lower(passed: np.ndarray, block: np.ndarray, confidence: float) -> float:
    """One-sided lower bound of the share of tiles met along a route: exact, with each block of neighbours counted as
    one trial. Careful, and never lower for more passes, as limits from redrawn blocks can be near 100 %."""
    trials = len(np.unique(block))
    return exact_lower(float(np.mean(passed)) * trials, trials, confidence) if trials else 0.0


def stratified_share(passed: np.ndarray, stratum: np.ndarray, weight: dict[int, float]) -> float | None:
    """Share weighted by what each stratum (a county) has of all tiles; None without tiles. A stratum without any
    measured tile cannot speak and is left out."""
    total = share = 0.0
    for one in np.unique(stratum):
        mine = stratum == one
        total += weight[int(one)]
        share += weight[int(one)] * float(np.mean(passed[mine]))
    return share / total if total else None
