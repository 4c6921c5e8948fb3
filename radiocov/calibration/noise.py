"""Readings that are the receiver's own noise, and not a level.

A receiver adds the noise of its input to what it measures: reading = signal + noise, in watts. Far from the
transmitter the reading stays at that floor however weak the signal is, and a model fitted to it takes the floor for
propagation: slopes too small, spreads too small, coverage too good where it matters. The floor of a receiver on a day
shows as readings that pile up at the low end and no longer fall with distance. It is taken where that is clearly
likelier than a line over log distance without a floor; both are fitted as a censored regression.

With a floor, the noise is taken off each reading that is at least `MARGIN_DB` above it; a lower one says that the
signal is below the noise. A receiver that read next to nothing else on a day may have been deaf: it says nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import entr, log_ndtr

from radiocov.calibration.groups import Groups, packed
from radiocov.calibration.model import ABOVE, BELOW, NONE

MARGIN_DB = 3.0  # above the floor, where signal and noise are equal
WANDER_DB = 1.5  # of readings that are noise: interference and the mean's own error
MEAN_DB = 1.0  # above the floor, of readings that are noise
OUTLYING = -8.0  # least log density of a reading that is noise
LEAST_SPREAD_DB = 4.0  # of levels about a line over distance: shadowing is never less
FEWEST = 20  # readings of a receiver and day
CLEAR = 10.0  # difference of log likelihoods
PILE_DB = 5.0
STEP_DB = 0.5
ROUNDS = 20
DEAF = 0.9  # share of readings at the floor
LOG_ROOT_2_PI = 0.5 * math.log(2.0 * math.pi)


@dataclass(frozen=True, eq=False)
class Floors:
    """floor_dbm: of each reading's receiver and day, NaN where none was found; (n,). deaf: (n,) bool, readings of
    receivers that read next to nothing but noise that day. receivers: how many have a floor, each day for itself."""

    floor_dbm: np.ndarray
    deaf: np.ndarray
    receivers: int


def find(
    receiver: np.ndarray, day: np.ndarray, distance_km: np.ndarray, level_dbm: np.ndarray, censored: np.ndarray
) -> Floors:
    """Floors of readings (n,). receiver: numbers; censored: as `Cells` has it."""
    floor, deaf = np.full(len(level_dbm), np.nan), np.zeros(len(level_dbm), bool)
    groups, found = Groups(packed(receiver, day)), 0
    decades = np.log10(np.maximum(distance_km, 1e-3))
    order = np.argsort(groups.of, kind="stable")
    for mine in np.split(order, np.cumsum(groups.size)[:-1]):
        mine = mine[censored[mine] != ABOVE]
        heard = censored[mine] == NONE
        if heard.sum() < FEWEST or not _piled_up(level_dbm[mine[heard]]):
            continue
        at, share = _floor(decades[mine], level_dbm[mine], ~heard)
        if at is not None:
            found += 1
            floor[mine[heard]] = at
            deaf[mine[heard]] = share >= DEAF
    return Floors(floor, deaf, found)


def without_noise(
    level_dbm: np.ndarray, error_db: np.ndarray, censored: np.ndarray, floor_dbm: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(level_dbm, error_db, censored) of the signal alone. floor_dbm: NaN where the receiver shows none."""
    known = (censored == NONE) & ~np.isnan(floor_dbm)
    above = np.where(known, np.maximum(level_dbm - floor_dbm, MARGIN_DB), 60.0)
    share = 1.0 - 10.0 ** (-above / 10.0)  # of the reading that is signal
    low = at_noise(level_dbm, censored, floor_dbm)
    error = np.hypot(error_db / share, WANDER_DB * (1.0 - share) / share)
    signal = np.where(known, np.where(low, floor_dbm + MARGIN_DB, level_dbm) + 10.0 * np.log10(share), level_dbm)
    return signal, np.where(known & ~low, error, error_db), np.where(low, BELOW, censored)


def at_noise(level_dbm: np.ndarray, censored: np.ndarray, floor_dbm: np.ndarray) -> np.ndarray:
    """(n,) bool: readings that say no more than that the signal is below the noise."""
    return (censored == NONE) & (level_dbm < floor_dbm + MARGIN_DB)


def reading(signal_dbm: np.ndarray, floor_dbm: np.ndarray) -> np.ndarray:
    """What a receiver with a floor reads of a signal."""
    noise = np.where(np.isnan(floor_dbm), -np.inf, floor_dbm)
    return 10.0 * np.log10(10.0 ** (signal_dbm / 10.0) + 10.0 ** (noise / 10.0))


def _piled_up(level: np.ndarray) -> bool:
    """Whether the lowest tenth lies close together: a floor that hardly any reading meets is not worth the search."""
    low, tenth = np.quantile(level, [0.01, 0.1])
    return bool(tenth - low < PILE_DB)


def _floor(decades: np.ndarray, level: np.ndarray, silent: np.ndarray) -> tuple[float | None, float]:
    """The floor of one receiver or None, and the share of its readings there."""
    heard = level[~silent]
    plain = _likelihood(decades, level, silent, -np.inf)[0]
    tried = np.arange(heard.min() - 1.0, np.quantile(heard, 0.6) + STEP_DB, STEP_DB)
    results = [_likelihood(decades, level, silent, float(f)) for f in tried]
    best = int(np.argmax([r[0] for r in results]))
    if results[best][0] - plain < CLEAR:
        return None, 0.0
    return float(tried[best]), results[best][1]


def _likelihood(decades: np.ndarray, level: np.ndarray, silent: np.ndarray, floor: float) -> tuple[float, float]:
    """(log likelihood of readings under a floor, share of them that are noise)."""
    noise = ~silent & (level < floor + MARGIN_DB)
    if math.isinf(floor):
        share, signal = np.ones(len(level)), level
    else:
        share = 1.0 - 10.0 ** (-np.maximum(level - floor, MARGIN_DB) / 10.0)
        signal = np.where(silent, level, np.maximum(level, floor + MARGIN_DB) + 10.0 * np.log10(share))
    low = silent | noise
    mean, spread = _censored_line(decades, signal, low)
    z = (signal - mean) / spread
    off = (level[noise] - floor - MEAN_DB) / WANDER_DB
    total = float(np.sum(log_ndtr(z[low])) + np.sum(np.maximum(-0.5 * off**2, OUTLYING)))
    total -= len(off) * (LOG_ROOT_2_PI + math.log(WANDER_DB))
    # below the noise a receiver reads it, or says that it hears nothing
    total += float(np.sum(entr([noise.sum() / max(low.sum(), 1), silent.sum() / max(low.sum(), 1)])) * -low.sum())
    up = ~low
    total += float(np.sum(-0.5 * z[up] ** 2 - np.log(share[up]))) - up.sum() * (LOG_ROOT_2_PI + math.log(spread))
    return total, float(noise.sum() / max((~silent).sum(), 1))


def _censored_line(decades: np.ndarray, level: np.ndarray, low: np.ndarray) -> tuple[np.ndarray, float]:
    """(line at each reading, spread about it), by expectation and maximisation; of low ones only a limit is known."""
    columns = np.column_stack([np.ones_like(decades), decades])
    solve = np.linalg.inv(columns.T @ columns + np.diag([1e-9, 0.05])) @ columns.T
    value, left, limit = level.copy(), np.zeros_like(level), level[low]
    mean, spread = np.zeros_like(level), LEAST_SPREAD_DB
    for _ in range(ROUNDS if low.any() else 1):
        mean = columns @ (solve @ value)
        spread = max(LEAST_SPREAD_DB, math.sqrt(float(np.mean((value - mean) ** 2 + left))))
        z = (limit - mean[low]) / spread
        hazard = np.exp(-0.5 * z * z - LOG_ROOT_2_PI - log_ndtr(z))
        value[low] = mean[low] - spread * hazard
        left[low] = np.maximum(spread**2 * (1.0 - z * hazard - hazard**2), 0.0)
    return mean, spread
