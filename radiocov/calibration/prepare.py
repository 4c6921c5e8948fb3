"""From log rows to local means: what is left out and why, step by step, and one value a cell and handset.

Levels are averaged over 40 wavelengths, which takes the fast fading away and leaves the shadowing (Lee 1985). A local
mean of n samples is uncertain by the fading that is left in it: powers of a gamma distribution of shape k (1 is
Rayleigh) average to one of shape k n, whose decibels have the variance (10 / ln 10)^2 trigamma(k n) and lie
10 / ln 10 (psi(k n) - ln(k n)) below the mean's. k comes from the spread within the local means of the logs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, polygamma

from radiocov.calibration.faults import check_datums, nothing_left, stuck
from radiocov.calibration.groups import Groups, packed
from radiocov.calibration.model import ABOVE, BELOW, NONE
from radiocov.calibration.rows import Logs, Rows
from radiocov.calibration.serving import SiteBook
from radiocov.calibration.settings import CARRIED, CalibrationSettings
from radiocov.fleet_store import road_distance
from radiocov.inputs import Inputs
from radiocov.problems import Problem, ProjectError
from radiocov.propagation.p1812_formulas import wavelength_m
from terrain.grid import Grid

NEPER_DB = 10.0 / math.log(10.0)
SHAPES = (0.5, 50.0)  # of the fading that is taken from logs
FEWEST, FEWEST_FREE = 4, 50  # samples of a local mean, degrees of freedom, that say something of the fading


@dataclass(frozen=True)
class Step:
    """One line of the preparation: how many came in and stayed; why: what the others were."""

    name: str
    unit: str  # rows, local means, cells
    before: int
    after: int
    why: str = ""


@dataclass(frozen=True, eq=False)
class Means:
    """One level a raster cell, site, handset, direction and day; (n,) each. site: position in the network's sites,
    -1 where nothing was heard and nobody knows whose. terminal: position in the project's terminals. tx_power_dbm:
    that the log states, NaN where it does not."""

    x_m: np.ndarray
    y_m: np.ndarray
    site: np.ndarray
    device: np.ndarray  # numbers of the store
    terminal: np.ndarray
    talk_in: np.ndarray
    day: np.ndarray
    level_dbm: np.ndarray
    censored: np.ndarray
    samples: np.ndarray
    error_db: np.ndarray
    tx_power_dbm: np.ndarray
    sample_dbm: np.ndarray  # mean of the samples in dB, and their spread about it: what single samples are judged by
    sample_sd_db: np.ndarray

    def __len__(self) -> int:
        return len(self.x_m)

    def of(self, chosen: np.ndarray) -> Means:
        return Means(**{name: value[chosen] for name, value in vars(self).items()})


@dataclass
class Prepared:
    """means, and how they came about. fading_shape: k of a single sample; fading_db: its spread, dB."""

    means: Means
    steps: list[Step]
    fading_shape: float
    fading_db: float


def prepare(inputs: Inputs, grid: Grid, logs: Logs) -> Prepared:
    """Local means of the rows that can be judged. What is left out is counted, never dropped unseen.

    ProjectError where a step leaves nothing, or the positions are of two datums.
    """
    settings = inputs.project.calibration
    rows, steps = logs.rows, []
    refused = sum(logs.counts.values())
    if refused:
        why = ", ".join(f"{name} {n:,}" for name, n in logs.counts.items() if n)
        steps.append(Step("rows of the files", "rows", len(rows) + refused, len(rows), why))
    if not len(rows):
        raise ProjectError(Problem("logs", "", "hold no row", "give logs, or import them into the fleet store"))
    for name, keep, why in _by_row(rows, settings, inputs):
        steps.append(Step(name, "rows", len(rows), int(keep.sum()), why))
        if _nothing_heard(rows, keep):
            raise nothing_left(name, why, rows, inputs, grid)
        rows = rows.of(keep)
    lines = inputs.road_lines
    check_datums(rows, road_distance(inputs.project, lines) if lines else None)
    x, y = (np.asarray(v, float) for v in grid.from_lonlat(rows.lon, rows.lat))
    book = SiteBook(inputs, grid)
    site, named = book.of_rows(rows, x, y)
    place = _Places(rows, x, y, site)
    for name, keep, why in _by_place(place, named, book, inputs, grid):
        steps.append(Step(name, "rows", len(place.rows), int(keep.sum()), why))
        if _nothing_heard(place.rows, keep):
            raise nothing_left(name, why, place.rows, inputs, grid)
        place, named = place.of(keep), named[keep]
    level, censored = _levels(place, inputs)
    strong = int((censored == ABOVE).sum())
    steps.append(Step("overload", "rows", len(level), len(level), f"{strong:,} rows only say at least so much"))
    terminal = _terminals(place.rows, inputs)
    wave_m = wavelength_m(inputs.project.model.frequency_mhz / 1000.0)
    return _average(place, terminal, level, censored, grid, settings, wave_m, steps)


def _nothing_heard(rows: Rows, keep: np.ndarray) -> bool:
    """Whether what was heard is all left out, or everything is."""
    heard = ~np.isnan(rows.level_dbm)
    return not keep.any() or bool(heard.any() and not (heard & keep).any())


# -------------------------------------------------------------------------------------------- what is left out
def _by_row(rows: Rows, settings: CalibrationSettings, inputs: Inputs) -> Iterator[tuple[str, np.ndarray, str]]:
    """Steps that need no place: name, which rows stay, why. Each looks at what the one before left."""
    model_mhz = inputs.project.model.frequency_mhz
    bands = sorted({model_mhz, *(s.frequency_mhz for s in inputs.sites if s.frequency_mhz)})
    tests = {
        "signal": (lambda r: ~(r.where("role", "neighbour") & r.where("site_id", "")), "neighbours without a site"),
        "trunked": (lambda r: ~r.where("direction", "direct"), "direct mode"),
        "band": (
            lambda r: np.isnan(r.freq_hz) | np.any([np.abs(r.freq_hz / 1e6 / mhz - 1.0) <= settings.band_percent / 100
                                                    for mhz in bands], axis=0),
            f"farther than {settings.band_percent:g} % from {', '.join(f'{mhz:g}' for mhz in bands)} MHz"),
        "jumps": (lambda r: ~(np.isnan(r.lat) & _flagged(r, "jump", "position_zero", "position_range")),
                  "positions that the rows around them rule out"),
        "position": (lambda r: ~(np.isnan(r.lat) | np.isnan(r.lon)), "without position"),
        "level": (lambda r: ~np.isnan(r.level_dbm) | r.silent, "neither a level nor said to be without service"),
        "stuck": (lambda r: ~stuck(r), "levels of a handset that never change"),
        "fix": (
            lambda r: ~(r.hdop > settings.worst_hdop) & ~(r.pos_age_s > settings.oldest_fix_s)
            & ~r.where("fix", "estimated", "manual"),
            f"HDOP above {settings.worst_hdop:g}, fix older than {settings.oldest_fix_s:g} s, or estimated"),
        "speed": (lambda r: ~(r.speed_mps > settings.fastest_mps), f"faster than {settings.fastest_mps:g} m/s"),
        "outdoors": (lambda r: ~r.where("carry", "indoor"), "carried indoors"),
    }  # fmt: skip
    if settings.levels == "relative" and settings.not_heard_dbm is None:
        tests["not heard"] = (lambda r: ~r.silent, "not heard, and no not_heard_dbm on the scale of relative levels")
    for name, (test, why) in tests.items():
        keep = test(rows)
        yield name, keep, why
        rows = rows.of(keep)


def _flagged(rows: Rows, *names: str) -> np.ndarray:
    found = [text for text in rows.words["flags"] if set(text.replace(",", " ").split()) & set(names)]
    return rows.where("flags", *found)


@dataclass(frozen=True, eq=False)
class _Places:
    """Rows with their place in the plane and their site."""

    rows: Rows
    x: np.ndarray
    y: np.ndarray
    site: np.ndarray

    def of(self, keep: np.ndarray) -> _Places:
        return _Places(self.rows.of(keep), self.x[keep], self.y[keep], self.site[keep])


def _by_place(
    place: _Places, named: np.ndarray, book: SiteBook, inputs: Inputs, grid: Grid
) -> Iterator[tuple[str, np.ndarray, str]]:
    settings, radius_km = inputs.project.calibration, inputs.project.model.radius_km
    unknown = book.unknown(place.rows, named)
    tests = [
        ("grid", lambda p, n: np.isfinite(p.x) & grid.contains(p.x, p.y), "outside the project's grid"),
        ("tunnels", lambda p, n: ~_in_tunnel(p, inputs, grid), f"within {settings.tunnel_m:g} m of a tunnel"),
        ("site", lambda p, n: n, "without a site of sites.csv" + (f": {unknown}" if unknown else "")),
        ("in service", lambda p, n: (p.site < 0) | book.in_service(p.site, p.rows.day), "site not yet in service"),
        ("near", lambda p, n: ~(book.distance_m(p.site, p.x, p.y) < settings.near_m),
         f"nearer than {settings.near_m:g} m to the site"),
        ("reach", lambda p, n: ~(book.distance_m(p.site, p.x, p.y) > 1000.0 * radius_km),
         f"farther than radius_km = {radius_km:g}"),
    ]  # fmt: skip
    for name, test, why in tests:
        keep = test(place, named)
        yield name, keep, why
        place, named = place.of(keep), named[keep]


def _in_tunnel(place: _Places, inputs: Inputs, grid: Grid) -> np.ndarray:
    import shapely

    tunnels = [road.geometry for road in inputs.roads.roads if road.tunnel] if inputs.roads else []
    if not tunnels or not len(place.x):
        return np.zeros(len(place.x), bool)
    moved = [shapely.transform(t, lambda xy: np.column_stack(grid.from_lonlat(xy[:, 0], xy[:, 1]))) for t in tunnels]
    area = shapely.union_all(shapely.buffer(moved, inputs.project.calibration.tunnel_m))
    shapely.prepare(area)
    return shapely.contains_xy(area, place.x, place.y)


# ------------------------------------------------------------------------------------------------------ levels
def _levels(place: _Places, inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
    """(level or limit [dBm], how censored) of rows."""
    settings, rows = inputs.project.calibration, place.rows
    silent, talk_in = rows.silent, rows.where("direction", "talk_in")
    terminals = np.array([t.threshold_dbm for t in inputs.project.terminals])
    limit = np.where(talk_in, inputs.project.base.threshold_dbm, terminals[_terminals(rows, inputs)])
    if settings.not_heard_dbm is not None:
        limit = np.full(len(rows), settings.not_heard_dbm)
    level = np.where(silent, limit, rows.level_dbm)
    censored = np.where(silent | rows.where("rssi_censor", "below"), BELOW, NONE)
    censored = np.where(~silent & rows.where("rssi_censor", "above"), ABOVE, censored)
    if settings.levels == "dbm":
        strong = (level > settings.overload_dbm) & (censored != BELOW)
        level = np.where(strong, settings.overload_dbm, level)
        censored = np.where(strong, ABOVE, censored)
    return level, censored


def _terminals(rows: Rows, inputs: Inputs) -> np.ndarray:
    """Position in the project's terminals of what each row was taken with."""
    project = inputs.project
    settings, ids = project.calibration, [t.id for t in project.terminals]
    usual = ids.index(settings.terminal or project.services[0].terminal)
    found = np.full(len(rows), usual)
    for carry in CARRIED:
        if carry in settings.carried:
            found[rows.where("carry", carry)] = ids.index(settings.carried[carry])
    for number, name in rows.devices.items():
        if name in settings.devices:
            found[rows.device == number] = ids.index(settings.devices[name])
    return found


# ------------------------------------------------------------------------------------------------ local means
def _average(
    place: _Places, terminal: np.ndarray, level: np.ndarray, censored: np.ndarray, grid: Grid,
    settings: CalibrationSettings, wave_m: float, steps: list[Step],
) -> Prepared:  # fmt: skip
    rows = place.rows
    side_m = settings.wavelengths * wave_m
    # a cell is a pixel, or as many as a local mean takes
    pixels = max(1, math.ceil(side_m / grid.resolution_m - 1e-9))
    cell_m = pixels * grid.resolution_m
    cell = packed(np.floor((grid.y_max - place.y) / cell_m), np.floor((place.x - grid.x_min) / cell_m))
    visit = packed(rows.device, rows.day, rows.where("direction", "talk_in"), cell)
    heard_here = _majority(visit, place.site >= 0, rows.silent & (place.site < 0))
    steps.append(Step("heard or not", "rows", len(rows), int(heard_here.sum()),
                      "cells both heard and not heard, where the fewer samples are left out"))  # fmt: skip
    place, rows = place.of(heard_here), rows.of(heard_here)
    terminal, level, censored, cell = (v[heard_here] for v in (terminal, level, censored, cell))
    power = np.nan_to_num(rows.tx_power_dbm, nan=-999.0)
    group = packed(rows.device, rows.day, rows.where("direction", "talk_in"), terminal, power, place.site, cell)
    part = packed(group, np.floor(place.y / side_m), np.floor(place.x / side_m))
    bins = Groups(part)
    extent = np.hypot(bins.extent(place.x), bins.extent(place.y))
    known = censored == NONE
    shape, spread = _fading(bins, level, known, extent, wave_m, settings)
    independent = np.minimum(bins.size, 1.0 + extent / (wave_m / 2.0))
    if settings.local_mean == "power":
        mean = 10.0 * np.log10(bins.mean(10.0 ** (level / 10.0)))
        mean -= NEPER_DB * (digamma(shape * independent) - np.log(shape * independent))
        error = NEPER_DB * np.sqrt(polygamma(1, shape * independent))
    else:
        mean = bins.median(level)
        error = np.minimum(spread, spread * math.sqrt(math.pi / 2.0) / np.sqrt(independent))
    steps.append(Step("local means", "rows", len(rows), len(bins),
                      f"{settings.local_mean} over {settings.wavelengths:g} wavelengths ({side_m:.0f} m); a sample "
                      f"spreads by {spread:.1f} dB"))  # fmt: skip
    cells = Groups(group[bins.first])
    weight = 1.0 / (error**2 + spread**2)
    below = cells.total(bins.total(censored == BELOW)) / cells.total(bins.size)
    above = cells.total(bins.total(censored == ABOVE)) / cells.total(bins.size)
    state = np.where(below > 0.5, BELOW, np.where(above > 0.5, ABOVE, NONE))
    whole = Groups(group)
    limit = whole.total(np.where(censored == NONE, 0.0, level))
    limited = np.maximum(whole.total(censored != NONE), 1)
    average = cells.total(weight * mean) / cells.total(weight)
    steps.append(Step("one a cell", "local means", len(bins), len(cells),
                      f"cells of {cell_m:g} m: several passes, or parts of a cell, joined"))  # fmt: skip
    first = bins.first[cells.first]
    means = Means(
        whole.mean(place.x), whole.mean(place.y), place.site[first], rows.device[first],
        terminal[first], rows.where("direction", "talk_in")[first], rows.day[first],
        np.where(state == NONE, average, limit / limited), state, cells.total(bins.size).astype(np.int64),
        np.sqrt(cells.total(weight**2 * error**2)) / cells.total(weight), rows.tx_power_dbm[first],
        whole.mean(level), np.sqrt(np.maximum(whole.mean(level**2) - whole.mean(level) ** 2, 0.0)),
    )  # fmt: skip
    return Prepared(means, steps, shape, spread)


def _majority(visit: np.ndarray, heard: np.ndarray, silent: np.ndarray) -> np.ndarray:
    """(n,) bool: of a handset's cells and days that were both heard and not, the rows of what they were mostly."""
    groups = Groups(visit)
    mostly = (groups.total(heard) >= groups.total(silent))[groups.of]
    return np.where(mostly, ~silent, ~heard)


def _fading(
    bins: Groups, level: np.ndarray, known: np.ndarray, extent: np.ndarray, wave_m: float, settings: Any
) -> tuple[float, float]:
    """(gamma shape of a sample's power, its spread [dB]), Rayleigh where the logs cannot say."""
    n = bins.total(known)
    usable = (n == bins.size) & (n >= FEWEST) & (extent > 5.0 * wave_m)
    free = float((n[usable] - 1).sum())
    rayleigh = NEPER_DB * math.sqrt(float(polygamma(1, 1.0)))
    if settings.fading == "rayleigh" or free < FEWEST_FREE:
        return 1.0, rayleigh
    mean = bins.mean(np.where(known, level, 0.0))
    squares = bins.total(np.where(known, (level - mean[bins.of]) ** 2, 0.0))
    spread = math.sqrt(max(float(squares[usable].sum()) / free, 1e-6))

    def excess(shape: float) -> float:
        return NEPER_DB * math.sqrt(float(polygamma(1, shape))) - spread

    low, high = SHAPES
    shape = low if excess(low) < 0 else high if excess(high) > 0 else brentq(excess, low, high)
    return shape, NEPER_DB * math.sqrt(float(polygamma(1, shape)))
