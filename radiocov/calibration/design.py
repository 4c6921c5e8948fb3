"""The columns of the calibration, what is believed of each before any measurement, and which the data can support."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from radiocov.calibration.model import NONE, REFERENCE_HEIGHT_M, Cells

FEW_CELLS = 30  # heard in a class, or less is said of it
LEAST_DECADES = 0.3  # spread of distances: a factor of 2
LEAST_EXCESS_DB = 2.0
OFF = 1.0  # weight of the excess loss that takes all of it off again
LEAST_HEIGHT_DECADES = 0.1
FEWEST_SITES = 4  # of different heights: an offset and a height weight leave two to contradict them
COLLINEAR = 0.999  # beyond which rounding decides; below, `UNTOLD` judges
DAY_SPANS = (1, 7, 28, 91, 365, 3650)
MOST_DAYS = 500  # of all sites
UNTOLD = 0.9  # posterior over prior standard deviation from which the data are said to add nothing


@dataclass(frozen=True, eq=False)
class Column:
    """A fixed effect: `values` (n,), dB for one unit of it, and its normal prior within bounds, with the reason."""

    name: str
    values: np.ndarray
    mean: float
    sd: float
    reason: str
    low: float = -math.inf
    high: float = math.inf


@dataclass(frozen=True)
class Group:
    """Prior of the standard deviation of a random effect, dB, and what it weighs, in observed effects."""

    sd_db: float
    weight: float
    reason: str


@dataclass(frozen=True, eq=False)
class Random:
    """A group of random effects: the keys of its effects, the position of each cell's (n,), and the prior. open_zero:
    they hold a receiver's unknown zero."""

    name: str
    keys: tuple
    position: np.ndarray
    prior: Group
    open_zero: bool = False


CLASSES = Group(4.0, 2.0, "clutter classes of one model differ by some 4 dB after its own clutter")
SITES = Group(3.0, 2.0, "antenna, cable and surroundings of a site: some 3 dB")
DEVICES = Group(2.0, 2.0, "handsets of a type read within some 2 dB of each other")
DAYS = Group(2.0, 2.0, "a site and what is heard of it drift from day to day by some 2 dB")
SHARED = Group(3.0, 0.1, "neighbours share some 3 dB")
SIGMA = Group(7.0, 4.0, "published spreads about a tuned model: 6 to 9 dB")
UNKNOWN_ZERO_DB = 1000.0  # a receiver of relative levels: its zero is anywhere, and no class has to stand in for it


def standard_columns(cells: Cells) -> list[Column]:
    """Offset, distance, excess loss and antenna height."""
    has_excess = _spread(cells.excess_db[cells.censored == NONE]) >= LEAST_EXCESS_DB
    slope_sd, why = (10.0, "wrong by 1") if has_excess else (20.0, "from 2 to 6: no other loss varies")
    return [
        Column("offset_db", np.ones(len(cells)), 0.0, 10.0,
               "uncalibrated models, feeders and body losses: within 10 dB, two of three"),
        Column("slope_db_per_decade", np.log10(np.maximum(cells.distance_km, 1e-3)), 0.0, slope_sd,
               f"an exponent of distance {why}"),
        Column("excess", cells.excess_db, 0.0, 0.25,
               "loss by obstacles is known within a quarter; bounds keep it a loss, less than twice as large",
               -0.9, 0.9),
        Column("height_db_per_decade", np.log10(np.maximum(cells.tx_height_m, 1.0) / REFERENCE_HEIGHT_M), 0.0, 5.0,
               "gain by antenna height: Hata's own changes by 6.6 dB with a decade of distance", -20.0, 20.0),
    ]  # fmt: skip


def clutter_height_columns(cells: Cells, stated_m: Mapping[str, float]) -> list[Column]:
    """Metres more than stated of each class's clutter, where the cells say what a metre does. Heights stay between 0
    and twice what was stated, or 5 m above it."""
    slopes = cells.clutter_slope_db_per_m
    columns = []
    for k, name in enumerate(cells.classes):
        if slopes is None or name not in stated_m or not np.any(slopes[:, k]):
            continue
        stated = float(stated_m[name])
        columns.append(Column(clutter_height_name(name), slopes[:, k], 0.0, max(0.3 * stated, 1.0),
                              "heights of land-cover classes are known within a third", -stated,
                              max(stated, 5.0)))  # fmt: skip
    return columns


def clutter_height_name(name: str) -> str:
    return f"clutter_height_m {name}"


def unsupported(cells: Cells, columns: Sequence[Column]) -> dict[str, str]:
    """Columns whose effect the data cannot tell, with the reason. The first of two that run together stays."""
    reasons: dict[str, str] = {}
    heard = cells.censored == NONE
    spread = {c.name: _spread(c.values[heard]) for c in columns}
    for column in columns:
        if column.name == "slope_db_per_decade" and spread[column.name] < LEAST_DECADES:
            reasons[column.name] = f"distances lie within a factor of {10 ** spread[column.name]:.2g}"
        elif column.name == "excess" and spread[column.name] < LEAST_EXCESS_DB:
            reasons[column.name] = f"excess loss varies by {spread[column.name]:.1f} dB only"
        elif column.name == "height_db_per_decade":
            heights = len(np.unique(np.column_stack([cells.site, cells.tx_height_m])[heard], axis=0))
            if heights < FEWEST_SITES or spread[column.name] < LEAST_HEIGHT_DECADES:
                reasons[column.name] = f"{_sites(heights)}, whose antenna heights differ too little or are too few"
        elif column.name != "offset_db" and spread[column.name] == 0:
            reasons[column.name] = "it is the same in all cells"
    told = [c for c in columns if c.name not in reasons and c.name != "offset_db"]
    for number, column in enumerate(told):
        earlier = [c for c in told[:number] if c.name not in reasons]
        if earlier and (share := _explained(column.values[heard], [c.values[heard] for c in earlier])) > COLLINEAR**2:
            names = " and ".join(c.name for c in earlier)
            reasons[column.name] = f"it runs with {names} (correlation {math.sqrt(share):.3f})"
    return reasons


def _sites(count: int) -> str:
    return "one site" if count == 1 else f"{count} sites"


def _spread(values: np.ndarray) -> float:
    """Between the 5th and 95th of 100 cells."""
    return float(np.subtract(*np.quantile(values, [0.95, 0.05]))) if len(values) else 0.0


def _explained(values: np.ndarray, others: Sequence[np.ndarray]) -> float:
    """Share of a column's variance that lies in the span of others."""
    a = np.column_stack([np.ones(len(values)), *others])
    rest = values - a @ np.linalg.lstsq(a, values, rcond=None)[0]
    return 1.0 - float(rest.var() / max(values.var(), 1e-12))


def devices_of(cells: Cells) -> tuple[np.ndarray, tuple[str, ...]]:
    """Handset of each cell and the names of all: what the sites hear of a handset is an effect of its own, since its
    transmit power and its meter err independently."""
    names = cells.devices + tuple(f"{name} talk-in" for name in cells.devices)
    used, position = np.unique(cells.device + len(cells.devices) * cells.talk_in, return_inverse=True)
    return position, tuple(names[u] for u in used)


def random_groups(cells: Cells) -> list[Random]:
    """Classes, sites, handsets, and days of a site where one was measured on several."""
    device, devices = devices_of(cells)
    zeros = (cells.relative and bool(cells.talk_in.any()), cells.relative and not bool(cells.talk_in.all()))
    found = [
        Random("class", cells.classes, cells.clutter, CLASSES),
        Random("site", cells.sites, cells.site, SITES, zeros[0]),
        Random("handset", devices, device, DEVICES, zeros[1]),
    ]
    days, session = days_of(cells, day_span(cells))
    if len(days) > len({site for site, _ in days}):
        found.append(Random("day", days, session, DAYS))
    return found


def day_span(cells: Cells) -> int:
    """How many days are taken as one, so that sites and days stay a number that can be solved for."""
    return next((span for span in DAY_SPANS if len(days_of(cells, span)[0]) <= MOST_DAYS), DAY_SPANS[-1])


def days_of(cells: Cells, span: int) -> tuple[tuple[tuple[str, int], ...], np.ndarray]:
    """Sites and days that occur, and the position of each cell's among them."""
    pairs, position = np.unique(np.column_stack([cells.site, cells.day // span]), axis=0, return_inverse=True)
    return tuple((cells.sites[site], int(day)) for site, day in pairs), position.ravel()
