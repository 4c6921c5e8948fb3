"""What the intervals of the effects owe to variances that are not known either."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from radiocov.calibration import mixed
from radiocov.calibration.design import SHARED

if TYPE_CHECKING:
    from radiocov.calibration.fit import Setup, Variances

MOST_UNSURE = 0.5  # of the logarithm of a standard deviation
ENOUGH = 100.0  # effects, from which their standard deviation is known within 7 %
FEW_STEPS = 3


def of_variances(problem: Setup, at: Variances, state: mixed.State, spread: np.ndarray, told) -> np.ndarray:
    """What is not known of the variances adds to the covariance of the dense effects, given them `spread`: the mean
    over them, and how the effects move.

    The logarithm of a standard deviation that n effects tell of is uncertain by 1 / sqrt(2 n); a cubature of two
    points for each one takes the mean over all (as an unscented transform does).
    """
    layout, effects = problem.layout, np.diag(spread)
    steps: list[tuple[int, float]] = []
    for k, (first, count, sd, random) in enumerate(
        zip(layout.first, layout.counts, at.groups, problem.groups, strict=True)
    ):
        if not random.open_zero:
            n = float(np.sum(1 - np.minimum(effects[first : first + count] / sd**2, 1.0))) + random.prior.weight
            steps.append((k, n))
    if layout.places:
        steps += [(len(at.groups) + k, n + SHARED.weight) for k, n in enumerate(told)]
    steps = [(number, n) for number, n in steps if n < ENOUGH]
    total = np.zeros((layout.size, layout.size))
    for number, n in steps:
        length = min(1.0 / math.sqrt(2 * n), MOST_UNSURE) * math.sqrt(len(steps))
        for by in (math.exp(length), math.exp(-length)):
            sizes = np.array([*at.groups, at.place, at.common])
            sizes[number] *= by
            place, common = sizes[-2:].tolist()
            trial = replace(at, groups=sizes[:-2].tolist(), place=place, common=common)
            priors, begin = problem.priors(trial), mixed.State(state.theta, state.place, state.common)
            moved, system, _, _ = mixed.climb(
                layout, problem.observed, priors, begin, problem.scale(trial), trial.freedom, FEW_STEPS
            )
            off = moved.theta - state.theta
            total += (mixed.covariance(system.dense, priors) - spread + np.outer(off, off)) / (2 * len(steps))
    return total
