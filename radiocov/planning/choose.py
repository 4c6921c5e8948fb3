"""Which of several candidates to take: a greedy choice, pruned, and the fewest by integer programming.

Arrays alone. A place is a pixel of a target, a candidate covers some places; a target needs a sum of weights.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, csr_array, hstack, vstack

MOST_GROUPS = 60_000  # of places covered alike, for the integer programme
SLACK = 1e-6  # of a need, below which it counts as met


@dataclass(frozen=True, eq=False)
class Choice:
    """What can be chosen from. weight, value: (places,) what each counts for and how much of it counts already;
    target: (places,) number of its target; needed: (targets,) sum of weights that is wanting; covers: for each
    candidate (places, values that it would give them); cost: (candidates,) above 0."""

    weight: np.ndarray
    value: np.ndarray
    target: np.ndarray
    needed: np.ndarray
    covers: Sequence[tuple[np.ndarray, np.ndarray]]
    cost: np.ndarray

    def gains(self, candidate: int, value: np.ndarray) -> np.ndarray:
        """(targets,) by how much a candidate raises each target where places have these values."""
        places, reached = self.covers[candidate]
        more = self.weight[places] * np.maximum(reached - value[places], 0.0)
        return np.bincount(self.target[places], more, minlength=len(self.needed))

    def raised(self, candidate: int, value: np.ndarray) -> np.ndarray:
        """(places,) values after a candidate is taken."""
        places, reached = self.covers[candidate]
        out = value.copy()
        out[places] = np.maximum(out[places], reached)
        return out

    def taken(self, chosen: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """((places,) values, (targets,) what is added) with some candidates together."""
        value, total = self.value.copy(), np.zeros(len(self.needed))
        for candidate in chosen:
            total += self.gains(candidate, value)
            places, reached = self.covers[candidate]
            value[places] = np.maximum(value[places], reached)
        return value, total

    def achieved(self, chosen: Sequence[int]) -> np.ndarray:
        """(targets,) what some candidates together add."""
        return self.taken(chosen)[1]

    def met(self, chosen: Sequence[int]) -> bool:
        return bool(self.enough(self.achieved(chosen)).all())

    def enough(self, achieved: np.ndarray) -> np.ndarray:
        return achieved >= self.needed * (1.0 - SLACK)

    @property
    def reachable(self) -> np.ndarray:
        """(targets,) what all candidates together add."""
        return self.achieved(range(len(self.covers)))


def greedy(choice: Choice, most: int, least: float) -> list[int]:
    """Candidates in the order in which each brings most for its cost: the sum over targets of the part of what each
    still needs. Ends where all is met, after ``most``, or where none brings ``least`` of what some target needs.

    What a set brings, cut off where a target is met, is submodular: a candidate brings less the later it comes, so
    one whose stale figure is beaten need not be looked at again.
    """
    needs = choice.needed > 0
    left, value, chosen = choice.needed.copy(), choice.value, []
    share = np.divide(1.0, choice.needed, out=np.zeros(len(needs)), where=needs)

    def worth(candidate: int) -> tuple[float, float]:
        brings = np.minimum(choice.gains(candidate, value), left) * share
        return float(brings.sum() / choice.cost[candidate]), float(brings.max(initial=0.0))

    queue = [(-worth(c)[0], c, 0) for c in range(len(choice.covers))]
    heapq.heapify(queue)
    aside: list[int] = []
    while queue and len(chosen) < most and (left > choice.needed * SLACK).any():
        _, candidate, seen = heapq.heappop(queue)
        brings, largest = worth(candidate)
        if brings <= 0.0:
            continue
        # one that meets the last of a target's need is worth it however little that is
        if largest < least and not _closes(choice, candidate, value, left):
            aside.append(candidate)
            continue
        if seen != len(chosen):
            heapq.heappush(queue, (-brings, candidate, len(chosen)))
            continue
        left = np.maximum(left - choice.gains(candidate, value), 0.0)
        value = choice.raised(candidate, value)
        chosen.append(candidate)
        for other in aside:
            heapq.heappush(queue, (-worth(other)[0], other, len(chosen)))
        aside.clear()
    return chosen


def _closes(choice: Choice, candidate: int, value: np.ndarray, left: np.ndarray) -> bool:
    open_ = left > choice.needed * SLACK
    return bool((open_ & (choice.gains(candidate, value) >= left * (1.0 - SLACK))).any())


def pruned(choice: Choice, chosen: Sequence[int]) -> list[int]:
    """The chosen without those, the costliest and latest first, that the others make needless."""
    kept = list(chosen)
    reached = np.minimum(choice.achieved(kept), choice.needed)
    for candidate in sorted(chosen, key=lambda c: (-choice.cost[c], -list(chosen).index(c))):
        others = [c for c in kept if c != candidate]
        if (choice.achieved(others) >= reached * (1.0 - SLACK)).all():
            kept = others
    return kept


@dataclass(frozen=True)
class Fewest:
    """chosen: candidates that meet every need at the least cost that was found; bound: what no set that meets them
    can cost less than; proved: whether the two are the same."""

    chosen: list[int]
    bound: float
    proved: bool


def fewest(choice: Choice, known: Sequence[int], most_s: float) -> Fewest | None:
    """The cheapest set that meets every need, by integer programming (HiGHS); None where there are too many different
    places, places whose values are no yes or no, or needs that all together do not meet.

    known: a set that meets them, which is given back where nothing cheaper is found in ``most_s`` seconds.
    """
    if not choice.met(known) or any((values != 1.0).any() for _, values in choice.covers):
        return None
    groups = _groups(choice)
    if groups is None:
        return None
    covered, weight, target = groups
    n, g = len(choice.covers), len(weight)
    places = csr_array(covered.astype(float))
    identity = csr_array((np.ones(g), (np.arange(g), np.arange(g))), shape=(g, g))
    linked = hstack([-places, identity])  # a place counts only where one of its candidates is taken
    needed = choice.needed * (1.0 - SLACK)
    sums = coo_array((weight, (target, n + np.arange(g))), shape=(len(needed), n + g))
    lower = np.concatenate([np.full(g, -np.inf), needed])
    upper = np.concatenate([np.zeros(g), np.full(len(needed), np.inf)])
    solved = milp(
        np.concatenate([choice.cost, np.zeros(g)]), integrality=np.concatenate([np.ones(n), np.zeros(g)]),
        bounds=Bounds(0.0, 1.0), constraints=LinearConstraint(vstack([linked, sums]).tocsr(), lower, upper),
        options={"time_limit": most_s, "mip_rel_gap": 1e-6},
    )  # fmt: skip
    spent = float(choice.cost[list(known)].sum())
    bound = min(float(solved.mip_dual_bound), spent) if solved.mip_dual_bound is not None else 0.0
    chosen = list(known)
    if solved.x is not None:
        found = np.flatnonzero(solved.x[:n] > 0.5).tolist()
        if choice.met(found) and choice.cost[found].sum() < spent - 1e-9:
            chosen = found
    least = float(choice.cost[chosen].sum())
    if np.all(choice.cost == np.round(choice.cost)):
        bound = float(np.ceil(bound - 1e-6))
    return Fewest(chosen, bound, bound >= least - 1e-6 * max(least, 1.0))


def _groups(choice: Choice) -> tuple[csr_array, np.ndarray, np.ndarray] | None:
    """Places of one target that the same candidates cover, taken together.

    ``(groups by candidates, weight of each, its target)``; None where there are too many.
    """
    rows = np.concatenate([np.full(len(p), c) for c, (p, _) in enumerate(choice.covers)] or [np.zeros(0, int)])
    places = np.concatenate([p for p, _ in choice.covers] or [np.zeros(0, int)])
    # two random sums of a place's candidates tell sets apart
    draw = np.random.default_rng(1).integers(1, 2**62, (2, len(choice.covers)), dtype=np.int64)
    marks = np.zeros((2, len(choice.weight)), np.int64)
    for mark, numbers in zip(marks, draw, strict=True):
        np.add.at(mark, places, numbers[rows])
    there = np.flatnonzero(marks[0] != 0)
    _, first, group = np.unique(
        np.column_stack([choice.target[there], *marks[:, there]]), axis=0, return_index=True, return_inverse=True
    )
    if len(first) > MOST_GROUPS:
        return None
    weight = np.bincount(group.ravel(), choice.weight[there], minlength=len(first))
    everything = csr_array((np.ones(len(rows), bool), (places, rows)), shape=(len(choice.weight), len(choice.covers)))
    return everything[there[first]], weight, choice.target[there[first]]
