"""A route to drive: a line of longitudes and latitudes from GPX, GeoJSON or CSV, walked by distance."""

from __future__ import annotations

import csv
import json
import math
import re
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from devices.errors import DevicesError

METRES_PER_DEGREE = 111_195.0


@dataclass(frozen=True)
class Place:
    lon: float
    lat: float
    course_deg: float


class Route:
    """Points (lon, lat), degrees WGS 84, joined by straight lines. DevicesError for fewer than two places."""

    def __init__(self, points: list[tuple[float, float]]) -> None:
        self.points = [point for i, point in enumerate(points) if i == 0 or point != points[i - 1]]
        if len(self.points) < 2:
            raise DevicesError("a route needs two places or more")
        self._ends = [0.0]
        for a, b in zip(self.points, self.points[1:], strict=False):
            self._ends.append(self._ends[-1] + _distance_m(a, b))

    @property
    def length_m(self) -> float:
        return self._ends[-1]

    def at(self, distance_m: float) -> Place:
        """Where one is after a distance; at either end one turns round."""
        lap = distance_m % (2 * self.length_m)
        back = lap > self.length_m
        along = 2 * self.length_m - lap if back else lap
        i = min(bisect_right(self._ends, along) - 1, len(self.points) - 2)
        a, b = self.points[i], self.points[i + 1]
        share = (along - self._ends[i]) / (self._ends[i + 1] - self._ends[i])
        east = (b[0] - a[0]) * math.cos(math.radians(a[1]))
        course = math.degrees(math.atan2(east, b[1] - a[1])) + (180 if back else 0)
        return Place(a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]), course % 360)


def _distance_m(a: tuple[float, float], b: tuple[float, float]) -> float:
    east = (b[0] - a[0]) * math.cos(math.radians((a[1] + b[1]) / 2))
    return METRES_PER_DEGREE * math.hypot(east, b[1] - a[1])


def read_route(path: str | Path) -> Route:
    """A route from a file; DevicesError says what is wrong with it, OSError where it can't be read."""
    path = Path(path)
    readers = {".gpx": _gpx, ".geojson": _geojson, ".json": _geojson, ".csv": _csv}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DevicesError(f"{path}: a route is a .gpx, .geojson or .csv file (columns lon, lat)")
    try:
        points = reader(path)
        for number, (lon, lat) in enumerate(points, start=1):
            if not (abs(lon) <= 180 and abs(lat) <= 90):
                raise DevicesError(f"place {number} is {lon:g}, {lat:g}; longitude first, in degrees")
        return Route(points)
    except UnicodeDecodeError as error:
        raise DevicesError(f"{path}: not UTF-8 text") from error
    except DevicesError as error:
        raise DevicesError(f"{path}: {error}") from error


def _gpx(path: Path) -> list[tuple[float, float]]:
    text = path.read_bytes()
    if re.search(rb"<!(DOCTYPE|ENTITY)", text):
        raise DevicesError("a GPX file with a DTD or entities is not read")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise DevicesError(f"not XML: {error}") from error
    points = []
    for element in root.iter():
        if element.tag.rsplit("}", 1)[-1] in ("trkpt", "rtept"):
            points.append((_degrees(element.get("lon")), _degrees(element.get("lat"))))
    return points


def _geojson(path: Path) -> list[tuple[float, float]]:
    try:
        root = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise DevicesError(f"not JSON: {error}") from error
    points: list[tuple[float, float]] = []
    for geometry in _geometries(root):
        kind, coordinates = geometry.get("type"), geometry.get("coordinates") or []
        lines = {"LineString": [coordinates], "MultiLineString": coordinates}.get(kind, [])
        try:
            points += [(_degrees(place[0]), _degrees(place[1])) for line in lines for place in line]
        except (TypeError, IndexError, KeyError) as error:
            raise DevicesError(f"a {kind} whose coordinates are no places") from error
    if not points:
        raise DevicesError("there is no LineString in it")
    return points


def _geometries(root: Any) -> list[dict[str, Any]]:
    if not isinstance(root, dict):
        return []
    if root.get("type") == "FeatureCollection":
        return [g for feature in root.get("features") or [] for g in _geometries(feature)]
    if root.get("type") == "Feature":
        return _geometries(root.get("geometry"))
    return [root]


def _csv(path: Path) -> list[tuple[float, float]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    header = [name.strip().lower() for name in rows[0]] if rows else []
    if "lon" not in header or "lat" not in header:
        raise DevicesError("the first row has to name the columns lon and lat")
    lon, lat = header.index("lon"), header.index("lat")
    points = []
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        try:
            points.append((_degrees(row[lon]), _degrees(row[lat])))
        except (IndexError, DevicesError) as error:
            raise DevicesError(f"row {number}: lon and lat have to be numbers in degrees") from error
    return points


def _degrees(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise DevicesError(f"{value!r} is no angle in degrees") from None
    if not math.isfinite(number):
        raise DevicesError(f"{value!r} is no angle in degrees")
    return number
