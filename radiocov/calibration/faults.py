"""Logs that must not become a calibration: what is wrong with them, in one line that can be acted on."""

from __future__ import annotations

import datetime as dt

import numpy as np

from devices.road_check import Places, RoadDistance
from radiocov.calibration.rows import Rows
from radiocov.inputs import Inputs
from radiocov.problems import Problem, ProjectError, did_you_mean
from terrain.grid import Grid

FEWEST = 10  # cells that a suspicion needs
STUCK_ROWS, STUCK_DB = 20, 0.1
TOO_STRONG_SHARE = 0.5
EPOCH = dt.date(1970, 1, 1)


def stuck(rows: Rows) -> np.ndarray:
    """(n,) bool: levels of a handset that never change; of what is measured, nothing does not vary."""
    found = np.zeros(len(rows), bool)
    for number in np.unique(rows.device):
        mine = np.flatnonzero((rows.device == number) & ~np.isnan(rows.level_dbm))
        if len(mine) >= STUCK_ROWS and np.ptp(rows.level_dbm[mine]) < STUCK_DB:
            found[mine] = True
    return found


def nothing_left(name: str, why: str, rows: Rows, inputs: Inputs, grid: Grid) -> ProjectError:
    """The error where a step of the preparation leaves no row: name and why of that step, and the rows before it."""
    about = {
        "band": lambda: _band(rows, inputs),
        "grid": lambda: _no_overlap(rows, grid),
        "site": lambda: (why, "name the sites as sites.csv does, or translate them in [calibration] site_ids"),
        "level": lambda: ("no row has a level", "map the level's column in the log's description"),
        "stuck": lambda: (f"the level is always {np.nanmedian(rows.level_dbm):.1f} dBm",
                          "a level that never changes is no measurement: map another column"),
        "near": lambda: (why, "measure farther out, or lower [calibration] near_m"),
        "reach": lambda: (why, "enlarge [model] radius_km, or correct the sites' ids in the log"),
        "not heard": lambda: ("every sample is without service", "levels above the receivers' limit are needed"),
    }  # fmt: skip
    other = f"no row is left: all are {why}", "correct the log, or [calibration]"
    message, remedy = about[name]() if name in about else other
    return ProjectError(Problem("logs", name, message, remedy))


def _band(rows: Rows, inputs: Inputs) -> tuple[str, str]:
    low, high = np.nanmin(rows.freq_hz) / 1e6, np.nanmax(rows.freq_hz) / 1e6
    seen = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    here = f"{inputs.project.model.frequency_mhz:g} MHz"
    return f"the log is of another band: {seen} MHz where the project has {here}", "take the log of this network"


def _no_overlap(rows: Rows, grid: Grid) -> tuple[str, str]:
    west, south, east, north = grid.lonlat_bounds()
    place = (f"longitude {np.nanmin(rows.lon):.3f} to {np.nanmax(rows.lon):.3f}, latitude {np.nanmin(rows.lat):.3f} "
             f"to {np.nanmax(rows.lat):.3f}")  # fmt: skip
    message = f"no position lies in the project's grid: the log has {place}"
    with np.errstate(invalid="ignore"):
        swapped = np.mean(grid.contains(*grid.from_lonlat(np.clip(rows.lat, -180, 180), np.clip(rows.lon, -90, 90))))
    remedy = f"the grid has longitude {west:.3f} to {east:.3f}, latitude {south:.3f} to {north:.3f}"
    return message, "latitude and longitude are exchanged" if swapped > 0.5 else remedy


def check_scale(before: int, after: int, over_db: np.ndarray) -> None:
    """ProjectError where most cells are stronger than free space allows. over_db: above it, (n,)."""
    if before >= FEWEST and after < (1.0 - TOO_STRONG_SHARE) * before:
        raise ProjectError(Problem(
            "logs", "", f"{before - after:,} of {before:,} cells are stronger than free space allows, in the middle "
            f"by {np.median(over_db):.0f} dB: the levels are no dBm, or the sites' powers or ids are wrong",
            'give --relative (levels = "relative") where receivers have an unknown zero'))  # fmt: skip


def switched_off(at_site: np.ndarray, on_day: np.ndarray, sites: list[str], off: list[str]) -> np.ndarray:
    """(n,) bool: cells of sites, or of sites on a day, that [calibration] off names. ProjectError for unknown sites.

    at_site: positions in `sites`.
    """
    found = np.zeros(len(at_site), bool)
    for text in off:
        name, _, date = text.rpartition(" ")
        try:
            day = (dt.date.fromisoformat(date) - EPOCH).days if name else None
        except ValueError:
            day = None
        name = name if day is not None else text
        if name not in sites:
            raise ProjectError(Problem("project.toml", "calibration.off", f'there is no site "{name}"',
                                       did_you_mean(name, sites)))  # fmt: skip
        mine = at_site == sites.index(name)
        found |= mine & (on_day == day) if day is not None else mine
    return found


def check_datums(rows: Rows, distance: RoadDistance | None) -> None:
    """ProjectError for handsets whose track lies on the project's roads on another datum only than the one it was
    read on. distance: to the roads, None where there are none."""
    if distance is None:
        return
    suspects = []
    for number in np.unique(rows.device):
        for code, word in enumerate(rows.words["datum_in"]):
            mine = (rows.device == number) & (rows.texts["datum_in"] == code)
            if mine.any():
                places = Places()
                places.add(rows.lat[mine], rows.lon[mine])
                if found := places.better(word or "wgs84", distance):
                    suspects.append((rows.devices[int(number)], found))
    if suspects:
        name, found = suspects[0]
        several = f" and {len(suspects) - 1} more" if len(suspects) > 1 else ""
        raise ProjectError(Problem(
            "logs", "datum", f"positions of {name}{several} are {found.was_m:.0f} m off the roads as they are, and "
            f"{found.away_m:.0f} m on {found.datum}: the log mixes datums, or declares the wrong one",
            f"import the log again with --datum {found.datum}, or a column datum"))  # fmt: skip
