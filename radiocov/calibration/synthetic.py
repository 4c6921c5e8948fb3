"""Cells drawn from a known truth: what a fit must find again. For tests and benchmarks, and labelled so.

Roads cross a square; on each a handset meets a cell every `spacing_m`. The model's residual is a sum of known
effects, a Gaussian field with exponential covariance (a part common to all sites and one of each site), a part of
each cell, and the error of the local mean; levels below the limit are censored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from radiocov.calibration.model import BELOW, NONE, REFERENCE_HEIGHT_M, Cells

WAVES = 400  # plane waves that make the field
CLASSES = ("open", "suburban", "urban", "forest", "water", "industry")


@dataclass(frozen=True)
class Truth:
    """What cells are drawn from. Effects in dB, `excess` a weight; *_db standard deviations."""

    offset_db: float = -4.0
    slope_db_per_decade: float = -3.0
    excess: float = -0.15
    height_db_per_decade: float = 2.0
    class_db: tuple[float, ...] = (3.0, 0.0, -4.0, -2.0)
    site_db: float = 3.0
    device_db: float = 1.5
    cell_db: float = 5.0
    own_db: float = 3.0
    common_db: float = 3.0
    range_m: float = 400.0
    outliers: float = 0.02  # share of cells whose own part is three times as wide
    sites: int = 10
    devices: int = 10
    side_m: float = 16_000.0
    spacing_m: float = 100.0
    error_db: float = 1.0
    days: int = 5
    seed: int = 1


@dataclass(frozen=True, eq=False)
class Drawn:
    """Cells, the effects that were drawn, and the true level of each cell [dBm]."""

    cells: Cells
    site_db: np.ndarray
    device_db: np.ndarray
    true_dbm: np.ndarray


def draw(truth: Truth, cells: int, censored: float = 0.0) -> Drawn:
    """About `cells` cells, of which the weakest share is censored at one limit that makes it `censored`."""
    rng = np.random.default_rng(truth.seed)
    site_xy = rng.uniform(0.05, 0.95, (truth.sites, 2)) * truth.side_m
    height = rng.choice([15.0, 20.0, 30.0, 45.0, 60.0, 90.0], truth.sites)
    places = max(1, cells // truth.sites)
    x, y, device, day = _roads(rng, truth, places)
    site = np.repeat(np.arange(truth.sites), places)
    x, y, device, day = (np.tile(a, truth.sites) for a in (x, y, device, day))
    return _measured(rng, truth, site_xy, height, site, x, y, device, day, censored)


def area(truth: Truth, like: Drawn, places: int) -> Drawn:
    """The same truth, sites and field at random places of the square, none censored, with the fleet's mean handset:
    what a coverage share is of."""
    rng = np.random.default_rng(truth.seed)
    site_xy = rng.uniform(0.05, 0.95, (truth.sites, 2)) * truth.side_m
    height = rng.choice([15.0, 20.0, 30.0, 45.0, 60.0, 90.0], truth.sites)
    own = np.random.default_rng([truth.seed, 1])
    x, y = own.uniform(0, truth.side_m, (2, places))
    site = np.repeat(np.arange(truth.sites), places)
    x, y = np.tile(x, truth.sites), np.tile(y, truth.sites)
    nothing = np.zeros(len(x), int)
    there = _measured(own, truth, site_xy, height, site, x, y, nothing, nothing, 0.0, like)
    return replace(there, cells=replace(there.cells, devices=("fleet",)))


def _roads(rng, truth: Truth, places: int):
    """(x, y, device, day) along straight roads, each driven once by one handset on one day."""
    steps = int(truth.side_m / truth.spacing_m)
    roads = -(-places // steps)
    along = (np.arange(steps) + 0.5) * truth.spacing_m
    across = rng.uniform(0, truth.side_m, roads)
    tilt = rng.uniform(-0.3, 0.3, roads)
    a = np.tile(along, roads)
    b = np.repeat(across, steps) + np.repeat(tilt, steps) * (a - truth.side_m / 2)
    turned = np.repeat(rng.random(roads) < 0.5, steps)
    x, y = np.where(turned, b, a), np.where(turned, a, b)
    device = np.repeat(rng.integers(0, truth.devices, roads), steps)
    if roads < truth.devices:
        device = np.arange(roads * steps) * truth.devices // (roads * steps)
    day = np.repeat(rng.integers(0, truth.days, roads), steps)
    return x[:places], y[:places], device[:places], day[:places]


def _measured(rng, truth, site_xy, height, site, x, y, device, day, censored, like=None) -> Drawn:
    n, frequency = len(x), 358.0
    ground = Waves(np.random.default_rng([truth.seed, 2]), 1500.0)
    kinds = Waves(np.random.default_rng([truth.seed, 3]), 700.0)
    clutter = np.digitize(kinds(x, y), np.linspace(-0.8, 0.8, len(truth.class_db) - 1))
    distance = np.maximum(np.hypot(x - site_xy[site, 0], y - site_xy[site, 1]) / 1000, 0.05)
    shade = ground(x + 3000 * site, y)  # another hillside toward each site
    excess = np.maximum(0.0, 12 + 6 * np.log10(distance) + 8 * shade - 10 * np.log10(height[site] / 30))
    free = 32.45 + 20 * np.log10(frequency * distance)
    predicted = 47.0 - free - excess
    drawn = np.random.default_rng([truth.seed, 4])
    site_db = drawn.normal(0, truth.site_db, truth.sites) if like is None else like.site_db
    device_db = drawn.normal(0, truth.device_db, truth.devices) if like is None else np.zeros(1)
    common = Waves(np.random.default_rng([truth.seed, 5]), truth.range_m)
    own = [Waves(np.random.default_rng([truth.seed, 6, s]), truth.range_m) for s in range(truth.sites)]
    field = truth.common_db * common(x, y)
    for s in range(truth.sites):
        field[site == s] += truth.own_db * own[s](x[site == s], y[site == s])
    wide = np.where(rng.random(n) < truth.outliers, 3.0, 1.0)
    level = (
        predicted + truth.offset_db + truth.slope_db_per_decade * np.log10(distance) + truth.excess * excess
        + truth.height_db_per_decade * np.log10(height[site] / REFERENCE_HEIGHT_M)
        + np.array(truth.class_db)[clutter] + site_db[site] + device_db[device]
        + field + truth.cell_db * wide * rng.standard_normal(n)
    )  # fmt: skip
    seen = level + truth.error_db * rng.standard_normal(n)
    limit = float(np.quantile(seen, censored)) if censored else -math.inf
    below = seen < limit
    cells = Cells(
        x_m=x, y_m=y, site=site, device=device, day=17_000 + day, clutter=clutter,
        level_dbm=np.where(below, limit, seen), censored=np.where(below, BELOW, NONE), samples=np.full(n, 50),
        error_db=np.full(n, truth.error_db), predicted_dbm=predicted, distance_km=distance, excess_db=excess,
        tx_height_m=height[site], weight=np.ones(n), talk_in=np.zeros(n, bool),
        sites=tuple(f"S{s:02}" for s in range(truth.sites)), devices=tuple(f"H{d:03}" for d in range(len(device_db))),
        classes=CLASSES[: len(truth.class_db)], frequency_mhz=frequency,
    )  # fmt: skip
    return Drawn(cells, site_db, device_db, level)


class Waves:
    """A Gaussian field of variance 1 and covariance exp(-d / range) at any place, as a sum of plane waves."""

    def __init__(self, rng: np.random.Generator, range_m: float, waves: int = WAVES) -> None:
        # wave numbers of the exponential covariance in the plane: k / (1 + k^2)^(3/2), whose share below k is
        # 1 - 1 / sqrt(1 + k^2)
        share = (np.arange(waves) + rng.random(waves)) / waves
        k = np.sqrt(1 / (1 - share) ** 2 - 1) / range_m
        toward = rng.uniform(0, 2 * np.pi, waves)
        self.k = np.column_stack([k * np.cos(toward), k * np.sin(toward)])
        self.phase = rng.uniform(0, 2 * np.pi, waves)

    def __call__(self, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
        total = np.zeros(len(x_m))
        for (kx, ky), phase in zip(self.k, self.phase, strict=True):
            total += np.cos(kx * x_m + ky * y_m + phase)
        return total * math.sqrt(2 / len(self.phase))
