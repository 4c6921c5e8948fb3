"""Choosing among candidates: against all subsets of small problems."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiocov.planning.choose import Choice, fewest, greedy, pruned


def problem(seed, places=40, candidates=7, targets=2, part=0.8, graded=False, costs=False):
    rng = np.random.default_rng(seed)
    weight, target = rng.uniform(0.5, 2.0, places), rng.integers(0, targets, places)
    covers = []
    for _ in range(candidates):
        mine = np.flatnonzero(rng.random(places) < 0.35)
        covers.append((mine, rng.random(len(mine)).astype(np.float32) if graded else np.ones(len(mine), np.float32)))
    value = (rng.random(places) * 0.3 if graded else np.zeros(places)).astype(np.float32)
    cost = rng.integers(1, 5, candidates).astype(float) if costs else np.ones(candidates)
    choice = Choice(weight, value, target, np.zeros(targets), covers, cost)
    return Choice(weight, value, target, part * choice.reachable, covers, cost)


def by_hand(choice, chosen):
    """(targets,) what a set adds, place by place."""
    total = np.zeros(len(choice.needed))
    for p, (weight, before, target) in enumerate(zip(choice.weight, choice.value, choice.target, strict=True)):
        reached = [float(v[list(at).index(p)]) for at, v in (choice.covers[c] for c in chosen) if p in at]
        total[target] += weight * (max([float(before), *reached]) - before)
    return total


def cheapest(choice):
    sets = (s for n in range(len(choice.covers) + 1) for s in combinations(range(len(choice.covers)), n))
    return min(sum(choice.cost[list(s)]) for s in sets if choice.met(s))


@given(st.integers(0, 10**6), st.booleans())
def test_what_a_set_adds_counts_every_place_once(seed, graded):
    choice = problem(seed, graded=graded)
    chosen = np.random.default_rng(seed).permutation(7)[:4].tolist()
    assert choice.achieved(chosen) == pytest.approx(by_hand(choice, chosen), rel=1e-6)


@given(st.integers(0, 10**6), st.booleans())
def test_the_lazy_choice_is_that_of_looking_at_all_each_time(seed, graded):
    choice = problem(seed, graded=graded)
    left, value, expected = choice.needed.copy(), choice.value, []
    while (left > choice.needed * 1e-6).any():
        brings = [np.minimum(choice.gains(c, value), left) / choice.needed for c in range(len(choice.covers))]
        worth = [-1 if c in expected else b.sum() / choice.cost[c] for c, b in enumerate(brings)]
        best = int(np.argmax(worth))
        left = np.maximum(left - choice.gains(best, value), 0)
        value = choice.raised(best, value)
        expected.append(best)
    assert greedy(choice, 99, 0.0) == expected


@given(st.integers(0, 10**6), st.booleans())
def test_nothing_chosen_is_needless_and_all_is_met(seed, costs):
    choice = problem(seed, costs=costs)
    chosen = pruned(choice, greedy(choice, 99, 0.0))
    assert choice.met(chosen) and len(set(chosen)) == len(chosen)
    assert not any(choice.met([c for c in chosen if c != out]) for out in chosen)


@given(st.integers(0, 10**6), st.booleans())
def test_the_fewest_are_the_fewest(seed, costs):
    choice = problem(seed, costs=costs)
    known = pruned(choice, greedy(choice, 99, 0.0))
    found = fewest(choice, known, 20.0)
    least = cheapest(choice)
    assert found.proved and choice.met(found.chosen)
    assert choice.cost[found.chosen].sum() == pytest.approx(least) and found.bound == pytest.approx(least)


def test_a_choice_that_greed_misses_is_found():
    """One candidate with four of six places, and two with three each: greed takes the large one and needs three."""
    covers = [(np.array(p), np.ones(len(p), np.float32)) for p in ([0, 1, 3, 4], [0, 1, 2], [3, 4, 5])]
    choice = Choice(np.ones(6), np.zeros(6, np.float32), np.zeros(6, int), np.array([6.0]), covers, np.ones(3))
    chosen = greedy(choice, 99, 0.0)
    assert sorted(chosen) == [0, 1, 2] and sorted(pruned(choice, chosen)) == [1, 2]
    assert sorted(fewest(choice, chosen, 5.0).chosen) == [1, 2]


def test_what_cannot_be_proved_is_not_claimed():
    short = problem(1)
    assert fewest(short, [], 5.0) is None, "the set that is known has to meet the needs"
    graded = problem(2, graded=True)
    assert fewest(graded, list(range(7)), 5.0) is None, "shares of places are no yes or no"


def test_limits_of_number_and_of_least_are_kept():
    choice = problem(3, places=400, candidates=30, part=1.0)
    everything = greedy(choice, 99, 0.0)
    assert greedy(choice, 3, 0.0) == everything[:3] and len(everything) > 5
    some = greedy(choice, 99, 0.05)
    assert 0 < len(some) < len(everything) and some == everything[: len(some)]


def test_one_that_closes_a_need_is_taken_however_little_it_brings():
    weight = np.array([100.0, 0.5])
    covers = [(np.array([0]), np.ones(1, np.float32)), (np.array([1]), np.ones(1, np.float32))]
    choice = Choice(weight, np.zeros(2, np.float32), np.zeros(2, int), np.array([100.5]), covers, np.ones(2))
    assert greedy(choice, 99, 0.01) == [0, 1]
