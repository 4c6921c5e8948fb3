"""Illustrative sites: at every seat, round the larger places, and along the roads."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from geography import RADII_KM, WGS84, Cells, Corridor, Place
from shapely.geometry.base import BaseGeometry

from radiocov.network import Site
from terrain.elevation import ElevationSource, read_elevation
from terrain.grid import Grid

APART_KM = 2.0  # a site this close to another is left out
CORRIDOR_STEP_KM, CORRIDOR_APART_KM = 25.0, 11.0
HILL_KM, HILL_GAIN_M = 3.0, 10.0  # sites move to the highest ground within, where it is this much higher


class Ground:
    """Heights of the elevation files round the sites, to look for hills."""

    def __init__(self, files: Sequence[Path], surface: bool, positions: np.ndarray, resolution_m: float) -> None:
        (west, south), (east, north) = positions.min(axis=0) - 0.1, positions.max(axis=0) + 0.1
        # finer than 100 m does not change which hill it is, and a province has many pixels
        self.grid = Grid.covering((west, south, east, north), max(resolution_m, 100.0))
        self.heights, _ = read_elevation([ElevationSource(f, "m", surface) for f in files], self.grid, "sea")

    def hill(self, lon: float, lat: float, taken: np.ndarray, within: BaseGeometry | None) -> tuple[float, float]:
        """The highest ground within HILL_KM that is APART_KM from the sites before, or the place itself."""
        row, col = (round(float(v)) for v in self.grid.rowcol(*self.grid.from_lonlat(lon, lat)))
        reach = int(HILL_KM * 1000 / self.grid.resolution_m)
        rows, cols = np.mgrid[max(row - reach, 0) : row + reach + 1, max(col - reach, 0) : col + reach + 1]
        inside = (rows - row) ** 2 + (cols - col) ** 2 <= reach**2
        inside &= (rows < self.grid.height) & (cols < self.grid.width)
        rows, cols = rows[inside], cols[inside]
        lons, lats = self.grid.to_lonlat(*self.grid.centre_xy(rows, cols))
        free = np.ones(len(rows), bool)
        for other in taken:
            free &= distance_km(lons, lats, *other) >= APART_KM
        if within is not None:
            free &= shapely.contains_xy(within, lons, lats)
        heights = np.where(free, self.heights[rows, cols], -np.inf)
        best = int(np.argmax(heights))
        if heights[best] < self.heights[row, col] + HILL_GAIN_M:
            return lon, lat
        return float(lons[best]), float(lats[best])


def distance_km(lon, lat, lon2, lat2):
    """Small distances, good to 1 %; arrays welcome."""
    return 111.2 * np.hypot((np.asarray(lon) - lon2) * np.cos(np.radians(lat2)), np.asarray(lat) - lat2)


@dataclass(frozen=True)
class Candidate:
    """A place for a site before hills are looked for."""

    label: str
    label_zh: str
    lon: float
    lat: float
    height_m: float
    in_service: str


def candidates(places: Sequence[Place], found: Iterable[Corridor], cells: Cells) -> Iterator[tuple[Candidate, float]]:
    """Every place that could have a site, with its distance (km) to keep from those before it."""
    seats = [p for p in places if p.level != "outside"]
    for number, p in enumerate(seats):
        early = p.level == "city" or p.size == "inner"
        date = "2013-06-01" if early else "2016-09-01" if number % 3 == 0 else "2015-05-01"
        height = 60.0 if p.level == "city" else 50.0
        yield Candidate(p.name, p.name_zh, p.lon, p.lat, height, date), APART_KM
    for p in seats:
        urban, suburban = RADII_KM[p.size]
        away = 0.7 * urban if p.level == "city" else (urban + suburban) / 2
        date = "2014-06-01" if p.level == "city" else "2017-03-01"
        for bearing in p.bearings:
            lon, lat, _ = WGS84.fwd(p.lon, p.lat, bearing, away * 1000)
            yield Candidate(p.name, p.name_zh, lon, lat, 45.0, date), APART_KM
    for road in found:
        length = WGS84.geometry_length(road.line)
        for number in range(int(length / 1000 / CORRIDOR_STEP_KM) + 1):
            point = along(road.line, number * CORRIDOR_STEP_KM * 1000)
            date = {"motorway": ("2015-09-01", "2016-11-01"), "national": ("2016-11-01", "2017-06-30"),
                    "provincial": ("2017-06-30", "2017-06-30")}[road.class_][number % 2]  # fmt: skip
            label = road.ref or road.name.removesuffix(" link")
            yield Candidate(label, road.ref or road.name_zh, *point, 55.0, date), CORRIDOR_APART_KM


def along(line: shapely.LineString, distance_m: float) -> tuple[float, float]:
    """The point of a line at a distance from its start."""
    xy = np.array(line.coords)
    azimuth, _, lengths = WGS84.inv(xy[:-1, 0], xy[:-1, 1], xy[1:, 0], xy[1:, 1])
    ends = np.cumsum(lengths)
    leg = min(int(np.searchsorted(ends, distance_m)), len(ends) - 1)
    rest = distance_m - (ends[leg] - lengths[leg])
    return WGS84.fwd(*xy[leg], azimuth[leg], rest)[:2]


def sites(places: Sequence[Place], found: Sequence[Corridor], cells: Cells, ground: Ground | None) -> Iterator[Site]:
    taken: list[tuple[float, float]] = []
    numbers: dict[str, int] = {}
    for place, apart_km in candidates(places, found, cells):
        if any(distance_km(place.lon, place.lat, *other) < apart_km for other in taken):
            continue
        county = cells.county_at(place.lon, place.lat)
        if county is None:
            continue
        lon, lat = place.lon, place.lat
        if ground is not None:
            lon, lat = ground.hill(lon, lat, np.array(taken), cells.shapes[county.code] if cells.real else None)
        taken.append((lon, lat))
        number = numbers[place.label] = numbers.get(place.label, 0) + 1
        yield Site(
            id=f"ILL-{len(taken):03d}", name=f"Illustrative {place.label} {number} 示例{place.label_zh}{number}",
            lon=round(lon, 4), lat=round(lat, 4), antenna_height_m=place.height_m, power_dbm=47.0, losses_db=6.0,
            antenna="", gain_dbi=9.0, azimuth_deg=0.0, tilt_deg=0.0, frequency_mhz=None,
            in_service=dt.date.fromisoformat(place.in_service), status="existing",
        )  # fmt: skip
