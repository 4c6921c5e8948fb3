"""Which tiles to drive to, and in which order: random, and the same again for the same seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from targets.tiles import Tiles

SWEEPS = 60
SHORTER_M = 1.0


@dataclass(frozen=True)
class Drawn:
    """Tiles drawn for one target. chosen: positions in its tiles; needed: how many the test asks for; counties:
    (city, county) -> (tiles, reachable, chosen)."""

    chosen: np.ndarray
    needed: int
    counties: dict[tuple[str, str], tuple[int, int, int]]


def draw(tiles: Tiles, needed: int, seed: list[int]) -> Drawn:
    """Draw `needed` reachable tiles at random (all where there are fewer), by county in proportion to what each has.

    The largest remainders get what rounding leaves; a county with reachable tiles has at least one where there are
    enough for all.
    """
    places, stratum = tiles.places()
    able = np.bincount(stratum[tiles.reachable], minlength=len(places))
    share = allocate(able, min(needed, int(able.sum())))
    random = np.random.default_rng(seed)
    chosen = [random.choice(np.flatnonzero((stratum == i) & tiles.reachable), n, replace=False)
              for i, n in enumerate(share)]  # fmt: skip
    counties = {p: (int((stratum == i).sum()), int(able[i]), int(share[i])) for i, p in enumerate(places)}
    return Drawn(np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, np.int64), needed, counties)


def allocate(able: np.ndarray, total: int) -> np.ndarray:
    """Whole numbers in proportion to `able` (n,) that add up to `total` and exceed none of it."""
    if total <= 0 or not able.sum():
        return np.zeros(len(able), np.int64)
    exact = able * (total / able.sum())
    share = np.floor(exact).astype(np.int64)
    if total >= np.count_nonzero(able):
        share = np.maximum(share, able > 0)
    while share.sum() != total:
        step = 1 if share.sum() < total else -1
        free = share < able if step > 0 else share > 1
        wanting = np.where(free, step * (exact - share), -np.inf)
        share[int(np.argmax(wanting))] += step
    return share


def drive_order(x: np.ndarray, y: np.ndarray, start: tuple[float, float]) -> np.ndarray:
    """Order of points (n,), metres, for a short drive from `start`: the nearest next one, then 2-opt until no
    exchange shortens it (Croes 1958). Distances are straight lines; the way does not come back."""
    n = len(x)
    if n == 0:
        return np.zeros(0, np.int64)
    here, left, order = start, np.ones(n, dtype=bool), []
    for _ in range(n):
        away = np.where(left, np.hypot(x - here[0], y - here[1]), np.inf)
        nearest = int(np.argmin(away))
        order.append(nearest)
        left[nearest] = False
        here = x[nearest], y[nearest]
    return _two_opt(np.r_[start[0], x], np.r_[start[1], y], np.r_[0, np.array(order) + 1])[1:] - 1


def _two_opt(x: np.ndarray, y: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Reverse stretches of an open way, whose first point stays, while that makes it shorter."""
    n = len(order)
    for _ in range(SWEEPS):
        better = False
        for i in range(n - 2):
            px, py = x[order], y[order]
            # reversing i+1 .. j replaces the legs i -> i+1 and j -> j+1 (none after the last point)
            j = np.arange(i + 1, n)
            leg = np.r_[np.hypot(np.diff(px), np.diff(py)), 0.0]
            to_next = np.r_[np.hypot(px[i + 1] - px[i + 2 :], py[i + 1] - py[i + 2 :]), 0.0]
            gain = leg[i] + leg[j] - np.hypot(px[i] - px[j], py[i] - py[j]) - to_next
            best = int(np.argmax(gain))
            if gain[best] > SHORTER_M:
                order = np.r_[order[: i + 1], order[i + 1 : j[best] + 1][::-1], order[j[best] + 1 :]]
                better = True
        if not better:
            break
    return order
