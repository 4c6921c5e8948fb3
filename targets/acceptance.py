"""Acceptance by measurement: levels per tile, pass or fail, what that proves, and prediction against measurement.

Works on plain arrays; where logs come from and what level a service needs is the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from targets.proportions import (
    block_interval,
    block_lower,
    exact_interval,
    exact_lower,
    stratified_share,
    tiles_needed,
    zero_failure_tiles,
)
from targets.tiles import TileGrid, Tiles, key_of

# Lee's criterion: 50 samples over 40 wavelengths give the local mean within 1 dB at 90 %; 33 m at 360 MHz.
SAMPLES, EXTENT_M = 50, 33.0
BLOCK_M = 2000.0  # side of the blocks of neighbouring tiles that are drawn together
FEWEST_OVERDESIGN = 0.01
CURVE = np.array([0.0, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0])
Statistic = Literal["median", "mean"]
Verdict = Literal["passed", "failed", "undecided", ""]


@dataclass(frozen=True)
class Samples:
    """Measured levels (n,) of one direction. lon, lat: WGS 84, degrees; time_us: microseconds since 1970 UTC;
    level_dbm: at the antenna port; where `censored`, the true level lies below it (NaN: below anything
    measurable); device: numbers."""

    lon: np.ndarray
    lat: np.ndarray
    time_us: np.ndarray
    level_dbm: np.ndarray
    censored: np.ndarray
    device: np.ndarray

    def __len__(self) -> int:
        return len(self.lon)


@dataclass(frozen=True)
class TileLevels:
    """Measured tiles (n,), by key. samples: number; extent_m: diagonal of the box they fill; level_dbm: their median,
    or mean power, -inf where most were not heard; silent: part of the samples that were censored; short: too few
    samples, or too close together, to be judged."""

    key: np.ndarray
    samples: np.ndarray
    extent_m: np.ndarray
    level_dbm: np.ndarray
    silent: np.ndarray
    short: np.ndarray

    def at(self, key: np.ndarray) -> np.ndarray:
        """Position of each tile asked for, -1 where it was not measured."""
        place = np.searchsorted(self.key, key)
        place[place == len(self.key)] = 0
        return np.where(self.key[place] == key, place, -1) if len(self.key) else np.full(len(key), -1)


def tile_levels(
    samples: Samples,
    grid: TileGrid,
    statistic: Statistic = "median",
    least_samples: int = SAMPLES,
    least_extent_m: float = EXTENT_M,
) -> TileLevels:
    """Level of every tile that has samples.

    median: of all samples, those not heard counted as lowest, so that it is right as long as half were heard.
    mean: of the power in watts, those not heard as none: it errs towards a lower level.
    """
    u, v = grid.plane.pixels(samples.lon, samples.lat)
    there = np.isfinite(u) & np.isfinite(v)
    u, v, level = u[there], v[there], np.where(samples.censored, -np.inf, samples.level_dbm)[there]
    keys, place = np.unique(key_of(*grid.of_pixels(u, v)), return_inverse=True)
    n = np.bincount(place, minlength=len(keys))
    spans = []
    for values in (u, v):
        low, high = np.full(len(keys), np.inf), np.full(len(keys), -np.inf)
        np.minimum.at(low, place, values)
        np.maximum.at(high, place, values)
        spans.append(high - low)
    extent = np.hypot(*spans) * grid.plane.pixel_m
    order = np.lexsort((level, place))
    first = np.searchsorted(place[order], np.arange(len(keys)))
    if statistic == "median":
        ranked = level[order]
        result = (ranked[first + (n - 1) // 2] + ranked[first + n // 2]) / 2 if len(keys) else np.zeros(0)
    else:
        with np.errstate(divide="ignore"):
            result = 10 * np.log10(np.bincount(place, 10 ** (level / 10), minlength=len(keys)) / n)
    silent = np.bincount(place, np.isneginf(level), minlength=len(keys)) / np.maximum(n, 1)
    return TileLevels(keys, n, extent, result, silent, (n < least_samples) | (extent < least_extent_m))


@dataclass(frozen=True)
class Contingency:
    """Tiles by prediction and measurement: covered in both (hit), predicted alone (false alarm), measured alone
    (miss), in neither (correct rejection)."""

    hit: int
    false_alarm: int
    miss: int
    correct_rejection: int

    @property
    def agreement(self) -> float | None:
        """Part of the tiles that are predicted as measured."""
        total = self.hit + self.false_alarm + self.miss + self.correct_rejection
        return (self.hit + self.correct_rejection) / total if total else None


@dataclass(frozen=True)
class Bin:
    """Tiles of similar predicted probability: their mean prediction and the share that passed."""

    low: float
    high: float
    tiles: int
    predicted: float
    measured: float


@dataclass(frozen=True)
class Outcome:
    """One line of the result. level: "class" or "county"; direction: "talk-out", "talk-in" or "both".

    tiles: of the class; reachable: that a road reaches, or that were measured; measured: judged; short: visited
    with too few samples; passed, failed: of those measured. share: passed / measured, with low and high of the exact
    two-sided interval and block_low and block_high of the one by blocks; lower: the one-sided bound that is proved,
    exact for tiles drawn at random, else with one trial a block; weighted: share weighted by what each county
    has. needed: tiles that the test asks for.
    """

    class_: str
    service: str
    direction: str
    level: str
    city: str
    county: str
    tiles: int
    reachable: int
    measured: int
    short: int
    passed: int
    failed: int
    share: float | None
    low: float | None
    high: float | None
    block_low: float | None
    block_high: float | None
    lower: float | None
    weighted: float | None
    predicted: float | None
    required: float | None
    needed: int | None
    verdict: Verdict


def needed_tiles(required: float | None, provable: float, overdesign: float, confidence: float) -> int | None:
    """Tiles for a required share: the greater-than test, or zero failures where more than `provable` is asked."""
    if required is None or required <= 0:
        return None
    if required > provable:
        return zero_failure_tiles(provable, confidence)
    return tiles_needed(required, min(overdesign, (1 - required) * 0.99), confidence)


def overdesign_of(predicted: float | None, required: float | None) -> float:
    """How much more is predicted than asked for, 0.01 to 0.1: what the size of the sample follows from."""
    if predicted is None or required is None:
        return 0.03
    return float(np.clip(predicted - required, FEWEST_OVERDESIGN, 0.1))


def verdict_of(passed: int, measured: int, required: float | None, provable: float, needed: int | None,
               confidence: float) -> Verdict:  # fmt: skip
    """What a count says. "failed" also early: where even the upper bound stays below, or one tile of 100 % fails."""
    if required is None or needed is None:
        return ""
    if required > provable:
        return "failed" if passed < measured else "passed" if measured >= needed else "undecided"
    if measured >= needed:
        return "passed" if passed >= required * measured - 1e-9 else "failed"
    if measured and 1 - exact_lower(measured - passed, measured, confidence) < required:
        return "failed"
    return "undecided"


@dataclass(frozen=True)
class Judged:
    """Tiles (n,) of a target with what was measured: measured, short, passed are booleans; margin_db: level less what
    the service needs; predicted: service probability, NaN where none; block: number of the block."""

    tiles: Tiles
    measured: np.ndarray
    short: np.ndarray
    passed: np.ndarray
    margin_db: np.ndarray
    predicted: np.ndarray
    block: np.ndarray

    @property
    def unreachable(self) -> np.ndarray:
        """Tiles that no road reaches and nobody measured: in neither numerator nor denominator."""
        return ~self.tiles.reachable & ~self.measured & ~self.short


def judge_tiles(
    tiles: Tiles, levels: TileLevels, margin_db: np.ndarray, predicted: np.ndarray, side_m: float
) -> Judged:
    """margin_db, predicted: (len(levels.key),) of the measured tiles, in one direction of a service; side_m: of a
    tile."""
    at = levels.at(tiles.key)
    seen = at >= 0
    pick = np.where(seen, at, 0)

    def of(values: np.ndarray, otherwise) -> np.ndarray:
        return np.where(seen, values[pick], otherwise) if len(values) else np.full(len(tiles), otherwise)

    short, margin = of(levels.short, False).astype(bool), of(margin_db, np.nan)
    measured = seen & ~short & ~np.isnan(margin)
    side = max(1, round(BLOCK_M / side_m))
    block = key_of(tiles.row // side, tiles.col // side)
    return Judged(tiles, measured, seen & ~measured, measured & (margin >= 0), margin, of(predicted, np.nan), block)


def outcomes(
    judged: Judged,
    class_: str,
    service: str,
    direction: str,
    required: float | None,
    provable: float,
    overdesign: float,
    confidence: float,
    at_random: bool = False,
) -> list[Outcome]:
    """The line of the class, and one of each county, of which nothing is asked. at_random: whether the tiles were
    drawn so, by a plan, rather than met along a route."""
    tiles = judged.tiles
    places, stratum = tiles.places()
    reach = tiles.reachable | judged.measured | judged.short
    weight = {i: float(np.sum(tiles.weight[reach & (stratum == i)])) for i in range(len(places))}

    def line(mine: np.ndarray, level: str, city: str = "", county: str = "") -> Outcome:
        asked = required if level == "class" else None
        measured = mine & judged.measured
        passed, block = judged.passed[measured], judged.block[measured]
        n, k = int(measured.sum()), int(passed.sum())
        low, high = exact_interval(k, n, confidence) if n else (None, None)
        blocks = block_interval(passed, block, confidence) or (None, None)
        lower = exact_lower(k, n, confidence) if at_random else block_lower(passed, block, confidence)
        needed = needed_tiles(asked, provable, overdesign, confidence)
        predicted = judged.predicted[measured]
        known = predicted[~np.isnan(predicted)]
        return Outcome(
            class_,
            service,
            direction,
            level,
            city,
            county,
            int(mine.sum()),
            int((mine & reach).sum()),
            n,
            int((mine & judged.short).sum()),
            k,
            n - k,
            k / n if n else None,
            low,
            high,
            *blocks,
            lower if n else None,
            stratified_share(passed, stratum[measured], weight),
            float(known.mean()) if len(known) else None,
            asked,
            needed,
            verdict_of(k, n, asked, provable, needed, confidence),
        )

    found = [line(np.ones(len(tiles), dtype=bool), "class")]
    if any(any(place) for place in places):
        found += [line(stratum == i, "county", *place) for i, place in enumerate(places)]
    return found


def contingency(judged: Sequence[Judged], q: float) -> Contingency:
    """Predicted (probability at least q) against measured, over all tiles that have both."""
    covered, passed = _both(judged)
    covered = covered >= q
    return Contingency(int(np.sum(covered & passed)), int(np.sum(covered & ~passed)),
                       int(np.sum(~covered & passed)), int(np.sum(~covered & ~passed)))  # fmt: skip


def reliability(judged: Sequence[Judged]) -> list[Bin]:
    """Predicted probability against the share that passed, in bins narrow where targets are decided."""
    predicted, passed = _both(judged)
    which = np.clip(np.searchsorted(CURVE, predicted, side="right") - 1, 0, len(CURVE) - 2)
    found = []
    for i in np.unique(which):
        mine = which == i
        edges = float(CURVE[i]), float(CURVE[i + 1])
        found.append(Bin(*edges, int(mine.sum()), float(predicted[mine].mean()), float(passed[mine].mean())))
    return found


def _both(judged: Sequence[Judged]) -> tuple[np.ndarray, np.ndarray]:
    """(predicted, passed) of the tiles that were predicted and measured, each tile once."""
    found: dict[int, tuple[float, bool]] = {}
    for one in judged:
        use = one.measured & ~np.isnan(one.predicted)
        found |= dict(
            zip(one.tiles.key[use].tolist(), zip(one.predicted[use].tolist(), one.passed[use].tolist(), strict=True),
                strict=True)
        )  # fmt: skip
    pairs = np.array(list(found.values()), dtype=float).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1].astype(bool)
