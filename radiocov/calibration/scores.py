"""How good predictions of left-out cells are: in dB, at a threshold, and in what they state about themselves."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from radiocov.calibration.groups import packed
from radiocov.calibration.model import ABOVE, BELOW, NONE, Cells
from targets.proportions import block_interval, exact_interval

BANDS_KM = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
PROBABILITY_BINS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.88, 0.92, 0.95, 0.98, 1.0)
PIT_BINS = 10
CONFIDENCE = 0.90
BLOCK_M = 1000.0  # cells within one are taken for one trial where an interval is drawn by blocks
CENTRAL = (0.5, 0.8, 0.9)


def scored(cells: Cells, level_dbm: np.ndarray, sd_db: np.ndarray, threshold_dbm: float | None) -> dict[str, Any]:
    """Figures of one set of predictions (n,); cells with NaN are counted and left out of the rest.

    Bias, sigma, rmse, mae and correlation [dB] are of heard cells: bias is predicted less measured. A censored cell
    counts in `log_score` (mean log probability density of what was seen; of a censored one the log probability) and
    in `silent_found`: the share of cells not heard whose median was predicted below the limit. hit_rate: of cells at
    or above the threshold, those predicted so; false_alarm_rate: of cells below, those predicted at or above. A cell
    censored below a limit above the threshold is undecided there.
    """
    told = np.isfinite(level_dbm)
    heard, below = told & (cells.censored == NONE), told & (cells.censored == BELOW)
    row: dict[str, Any] = {
        "cells": int(heard.sum()), "censored": int((told & (cells.censored != NONE)).sum()),
        "not_predicted": int((~told).sum()),
    }  # fmt: skip
    error = (level_dbm - cells.level_dbm)[heard]
    some = len(error) > 0
    row["bias_db"] = float(error.mean()) if some else None
    row["sigma_db"] = float(error.std()) if some else None
    row["rmse_db"] = float(np.sqrt(np.mean(error**2))) if some else None
    row["mae_db"] = float(np.abs(error).mean()) if some else None
    pair = level_dbm[heard], cells.level_dbm[heard]
    varied = len(error) > 2 and min(np.ptp(a) for a in pair) > 0
    row["correlation"] = float(np.corrcoef(*pair)[0, 1]) if varied else None
    row["log_score"] = float(np.mean(log_scores(cells, level_dbm, sd_db)[told])) if told.any() else None
    row["silent_found"] = float(np.mean((level_dbm < cells.level_dbm)[below])) if below.any() else None
    row.update(_at_threshold(cells, level_dbm, told, threshold_dbm))
    return row


def _at_threshold(cells, level_dbm, told, threshold_dbm) -> dict[str, Any]:
    names = ("hit_rate", "false_alarm_rate")
    if threshold_dbm is None:
        return {**dict.fromkeys(names), "undecided": None}
    above, below = truth_at(cells, threshold_dbm)
    said = level_dbm >= threshold_dbm
    rates = [float(np.mean(said[told & a])) if (told & a).any() else None for a in (above, below)]
    return {**dict(zip(names, rates, strict=True)), "undecided": int((told & ~above & ~below).sum())}


def truth_at(cells: Cells, threshold_dbm: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(at or above the threshold, below it): of cells where the measurement decides."""
    over = cells.level_dbm >= threshold_dbm
    return over & (cells.censored != BELOW), np.where(
        cells.censored == BELOW, cells.level_dbm <= threshold_dbm, ~over & (cells.censored == NONE)
    )


def log_scores(cells: Cells, level_dbm: np.ndarray, sd_db: np.ndarray) -> np.ndarray:
    """Log density of each measurement under the prediction, log probability of what a censored one says, (n,)."""
    sd = np.hypot(sd_db, cells.error_db)
    z = (cells.level_dbm - level_dbm) / sd
    density = -0.5 * z * z - np.log(sd * np.sqrt(2 * np.pi))
    return np.where(cells.censored == NONE, density, log_ndtr(np.where(cells.censored == ABOVE, -z, z)))


def table(cells: Cells, held, threshold_dbm: float | None, by: bool = True) -> list[dict[str, Any]]:
    """Rows of `HeldOut` results: for all cells, and with `by` for each class, distance band and site."""
    rows = []
    for one in held:
        groups = [("all", "", np.ones(len(cells), bool))]
        if by:
            groups += [("class", name, cells.clutter == k) for k, name in enumerate(cells.classes)]
            groups += [("distance", name, mask) for name, mask in _bands(cells)]
            groups += [("site", name, cells.site == s) for s, name in enumerate(cells.sites)]
        for kind, name, mask in groups:
            if not (mask & one.told).any() and kind != "all":
                continue
            figures = scored(cells.of(mask), one.level_dbm[mask], one.sd_db[mask], threshold_dbm)
            what = {"split": one.split, "model": one.model, "by": kind, "group": name, "folds": one.folds}
            rows.append({**what, **figures})
    return rows


def _bands(cells: Cells):
    for low, high in zip(BANDS_KM, (*BANDS_KM[1:], np.inf), strict=True):
        name = f"{low:g}-{high:g} km" if np.isfinite(high) else f"over {low:g} km"
        yield name, (cells.distance_km >= low) & (cells.distance_km < high)


def reliability(
    cells: Cells, level_dbm: np.ndarray, sd_db: np.ndarray, threshold_dbm: float, bins=PROBABILITY_BINS
) -> list[dict[str, Any]]:
    """Stated probability of a level at or above the threshold, against the share that was.

    The stated one is of what is measured, so the measurement's own error is in it. `low`, `high`: exact interval of
    independent cells; `block_low`, `block_high`: by blocks of 1 km, since cells of one street are not independent.
    """
    above, below = truth_at(cells, threshold_dbm)
    decided = np.isfinite(level_dbm) & (above | below)
    stated = ndtr((level_dbm - threshold_dbm) / np.hypot(sd_db, cells.error_db))
    column, line = (np.floor(a / BLOCK_M).astype(np.int64) for a in (cells.x_m, cells.y_m))
    block = column * 1_000_000 + line
    rows = []
    for low, high in zip(bins[:-1], bins[1:], strict=True):
        mine = decided & (stated >= low) & ((stated < high) | (high == bins[-1]))
        n, passed = int(mine.sum()), int((mine & above).sum())
        if not n:
            continue
        exact = exact_interval(passed, n, CONFIDENCE)
        blocks = block_interval(above[mine], block[mine], CONFIDENCE) or exact
        rows.append({
            "from": low, "to": high, "stated": float(stated[mine].mean()), "heard": passed / n, "cells": n,
            "low": exact[0], "high": exact[1], "block_low": blocks[0], "block_high": blocks[1],
        })  # fmt: skip
    return rows


class Promise(NamedTuple):
    """share of `cells` that reach the level promised to them, None where there are none; low, high: 90 % limits of
    it by blocks of a site, day and kilometre."""

    share: float | None
    cells: int
    low: float
    high: float


def heard_where_promised(
    cells: Cells, level_dbm: np.ndarray, sd_db: np.ndarray, probability: float = 0.9
) -> Promise:
    """Of cells whose level was promised with a probability, how many reach it; the probability, where sd_db is right.
    The level promised is that cell's own, so that every cell counts and not those near one threshold. Cells promised
    less than what their receiver hears do not: there the strong ones alone would be known. That is its noise where it
    shows one, else the highest limit of those without."""
    promised = level_dbm - ndtri(probability) * np.hypot(sd_db, cells.error_db)
    above, below = truth_at(cells, promised)
    floor = np.full(len(cells), np.nan) if cells.floor_dbm is None else cells.floor_dbm
    limits = cells.level_dbm[(cells.censored == BELOW) & np.isnan(floor)]
    limit = np.where(np.isnan(floor), limits.max(initial=-np.inf), floor)
    decided = np.isfinite(level_dbm) & (above | below) & (promised >= limit)
    if not decided.any():
        return Promise(None, 0, 0.0, 1.0)
    reached = above[decided]
    square = (np.floor(a / BLOCK_M).astype(np.int64) for a in (cells.x_m, cells.y_m))
    block = packed(*(a[decided] for a in (cells.site, cells.day, *square)))
    exact = exact_interval(int(reached.sum()), len(reached), CONFIDENCE)
    blocks = block_interval(reached, block, CONFIDENCE) or (0.0, 1.0)
    # never narrower than that of independent cells
    return Promise(float(reached.mean()), len(reached), min(exact[0], blocks[0]), max(exact[1], blocks[1]))


def spread_check(cells: Cells, level_dbm: np.ndarray, sd_db: np.ndarray) -> dict[str, Any]:
    """Whether sd_db is right. `pit`: share of cells in each tenth of their predicted distribution, 0.1 each where it
    is; a censored cell is spread over the tenths that it leaves open. `within`: share of heard cells inside the
    central 50, 80, 90 %. `z_sd`: standard deviation of error over stated sd, 1 where it is."""
    told = np.isfinite(level_dbm)
    u = ndtr((cells.level_dbm - level_dbm) / np.hypot(sd_db, cells.error_db))
    low = np.where(cells.censored == BELOW, 0.0, u)[told]
    high = np.where(cells.censored == ABOVE, 1.0, u)[told]
    edges = np.linspace(0, 1, PIT_BINS + 1)
    overlap = np.clip(np.minimum(high[:, None], edges[1:]) - np.maximum(low[:, None], edges[:-1]), 0, None)
    point = (high - low) < 1e-9
    overlap[point] = 0.0
    overlap[np.flatnonzero(point), np.minimum((low[point] * PIT_BINS).astype(int), PIT_BINS - 1)] = 1.0
    share = overlap / np.maximum(overlap.sum(axis=1, keepdims=True), 1e-300)
    heard = told & (cells.censored == NONE)
    z = ((cells.level_dbm - level_dbm) / np.hypot(sd_db, cells.error_db))[heard]
    inside = np.abs(u[heard] - 0.5) * 2
    return {
        "pit": [float(v) for v in share.mean(axis=0)] if len(share) else [],
        "within": {f"{p:g}": float(np.mean(inside <= p)) for p in CENTRAL} if heard.any() else {},
        "z_sd": float(z.std()) if heard.any() else None,
    }
