"""The real places of the example, and the areas and roads made from them by rule."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from pyproj import Geod
from shapely.geometry.base import BaseGeometry

HERE = Path(__file__).resolve().parent
WGS84 = Geod(ellps="WGS84")
# Radii in km of a disc as large as a usual built-up area of the class, and of the suburbs round it: about 450 km2
# for the two metropolises, 150 for the next cities, 80 for the others, 28 for a county town or an outer district,
# 12 for a small town, a part of a city or an island.
RADII_KM = {"metropolis": (12.0, 25.0), "large": (7.0, 15.0), "medium": (5.0, 12.0), "county": (3.0, 8.0),
            "small": (2.0, 6.0), "inner": (2.0, 6.0), "island": (2.0, 4.0)}  # fmt: skip
NOTE_AREA, NOTE_KEY = "illustrative extent round the real seat", "illustrative disc at the real place"
NOTE_ROAD = "illustrative alignment: straight lines between the places passed"
GRID_DEG = 1e-4  # coordinates of areas and roads are rounded to it, about 10 m
SMALLEST_KM2 = 0.05  # smaller pieces are left-overs of cutting


class Fault(Exception):
    """A line for the user: which file, what is wrong, what would be right."""


@dataclass(frozen=True)
class Place:
    """A row of places.csv. level: city (the centre of a prefecture-level city), county (the seat of a district,
    county or county-level city) or outside (only keeps areas on this side of the border)."""

    code: str
    name: str
    name_zh: str
    level: str
    city: str
    size: str
    link: str
    lon: float
    lat: float
    bearings: tuple[float, ...]

    @property
    def both(self) -> str:
        return f"{self.name_zh} {self.name}"


def read_places() -> list[Place]:
    return [
        Place(row["code"], row["name"], row["name_zh"], row["level"], row["city"] or row["name"], row["size"],
              row["link"], float(row["longitude"]), float(row["latitude"]),
              tuple(float(b) for b in row["site_bearings"].split(";") if b))
        for row in rows_of("places.csv")
    ]  # fmt: skip


def rows_of(name: str) -> list[dict[str, str]]:
    with open(HERE / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# ---------------------------------------------------------------------------------------------- who has what ground
class Cells:
    """The ground of every county-level unit, by code: its polygon in longitude and latitude.

    From a file of boundaries; without one, what is nearer to its seat than to any other seat.
    """

    def __init__(self, places: Sequence[Place], boundaries: Path | None) -> None:
        self.counties = {p.code: p for p in places if p.level == "county"}
        self.cities = {p.name: p for p in places if p.level == "city"}
        self.real = boundaries is not None
        self.shapes = read_boundaries(boundaries, self.counties) if boundaries else nearest_seat(places)
        self.city_shapes = {
            name: shapely.union_all([self.shapes[code] for code, p in self.counties.items() if p.city == name])
            for name in self.cities
        }

    def county_at(self, lon: float, lat: float) -> Place | None:
        """The unit a point is in; the nearest for one within 3 km of all (piers, coarse boundaries)."""
        point = shapely.Point(lon, lat)
        code = min(self.shapes, key=lambda c: shapely.distance(self.shapes[c], point))
        return self.counties[code] if shapely.distance(self.shapes[code], point) < 0.03 else None


def nearest_seat(places: Sequence[Place]) -> dict[str, BaseGeometry]:
    """Voronoi cells of the county seats, within 60 km of them, on a plane where degrees are equally long."""
    seats = [p for p in places if p.level in ("county", "outside")]
    squeeze = np.array([np.cos(np.radians(41.0)), 1.0])
    points = shapely.points([(p.lon, p.lat) * squeeze for p in seats])
    limit = shapely.envelope(shapely.union_all(shapely.buffer(points, 60 / 111)))
    found = shapely.voronoi_polygons(shapely.multipoints(points), extend_to=limit, ordered=True)
    parts = shapely.intersection(shapely.get_parts(found), limit)
    parts = shapely.transform(parts, lambda xy: xy / squeeze)
    return {p.code: part for p, part in zip(seats, parts, strict=True) if p.level == "county"}


def read_boundaries(path: Path, counties: Mapping[str, Place]) -> dict[str, BaseGeometry]:
    """Polygons of a GeoJSON file in WGS 84 whose features have a `district_adcode`, by that code."""
    try:
        features = json.loads(path.read_text(encoding="utf-8"))["features"]
        codes = [str(f["properties"]["district_adcode"]) for f in features]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Fault(f"{path}: cannot be used ({error!r}); give GeoJSON with a property district_adcode") from error
    shapes = {code: shapely.make_valid(shapely.geometry.shape(f["geometry"]))
              for code, f in zip(codes, features, strict=True)}  # fmt: skip
    if missing := [p.name for code, p in counties.items() if code not in shapes]:
        raise Fault(f"{path}: no feature for {', '.join(missing)}; its district_adcode has to be as in places.csv")
    return {code: shapes[code] for code in counties}


# ------------------------------------------------------------------------------------------------- areas and roads
def disc(lon: float, lat: float, radius_km: float) -> shapely.Polygon:
    bearings = np.arange(0.0, 360.0, 15.0)
    n = len(bearings)
    x, y, _ = WGS84.fwd(np.full(n, lon), np.full(n, lat), bearings, np.full(n, radius_km * 1000))
    return shapely.Polygon(np.column_stack([x, y]))


def areas(places: Sequence[Place], cells: Cells) -> Iterator[dict]:
    """Key: discs at landmarks. Urban: the discs of the seats, suburban: the larger discs less the urban ones; both
    together for the whole province, then cut by county."""
    for row in rows_of("landmarks.csv"):
        lon, lat = float(row["longitude"]), float(row["latitude"])
        county = cells.county_at(lon, lat)
        if county is None:
            raise Fault(f"landmarks.csv: {row['name']} at {lon}, {lat} is in no county; check its coordinates")
        shape = disc(lon, lat, float(row["radius_km"]))
        yield area("key", row["name"], row["name_zh"], county, cells, shape, NOTE_KEY)
    seats = [p for p in places if p.level != "outside"]
    urban = shapely.union_all([disc(p.lon, p.lat, RADII_KM[p.size][0]) for p in seats])
    suburban = shapely.union_all([disc(p.lon, p.lat, RADII_KM[p.size][1]) for p in seats]) - urban
    layers = (("urban", urban, "", "城区"), ("suburban", suburban, " outskirts", "郊区"))
    for class_, whole, suffix, suffix_zh in layers:
        for code, county in cells.counties.items():
            shape = whole & cells.shapes[code]
            name_zh = county.name_zh.removesuffix("区") + suffix_zh
            if (feature := area(class_, county.name + suffix, name_zh, county, cells, shape, NOTE_AREA)) is not None:
                yield feature


def area(
    class_: str, name: str, name_zh: str, county: Place, cells: Cells, shape: BaseGeometry, note: str
) -> dict | None:
    shape = shapely.set_precision(shape, GRID_DEG)
    parts = [p for p in shapely.get_parts(shape) if p.geom_type == "Polygon"
             and abs(WGS84.geometry_area_perimeter(p)[0]) > SMALLEST_KM2 * 1e6]  # fmt: skip
    if not parts:
        return None
    names = {"class": class_, "name": name, "name_zh": name_zh, "city": cells.cities[county.city].both,
             "county": county.both, "note": note}  # fmt: skip
    return feature(names, parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts))


@dataclass(frozen=True)
class Corridor:
    class_: str
    ref: str
    name: str
    name_zh: str
    line: shapely.LineString


def corridors(places: Sequence[Place]) -> list[Corridor]:
    """The roads of corridors.csv, and a provincial link from every county seat outside its city's centre."""
    by_name = {p.name: p for p in places}

    def position(text: str) -> tuple[float, float]:
        if "/" in text:
            lon, lat = text.split("/")
            return float(lon), float(lat)
        if text not in by_name:
            raise Fault(f"corridors.csv: no place {text!r} in places.csv; give a name from it or LON/LAT")
        return by_name[text].lon, by_name[text].lat

    found = [
        Corridor(row["class"], row["ref"], row["name"], row["name_zh"],
                 shapely.LineString([position(text) for text in row["via"].split(" > ")]))
        for row in rows_of("corridors.csv")
    ]  # fmt: skip
    for place in places:
        if place.link:
            to = by_name[place.link]
            name_zh = f"{place.name_zh}至{to.name_zh}省道"
            line = shapely.LineString([(place.lon, place.lat), (to.lon, to.lat)])
            found.append(Corridor("provincial", "", f"{place.name}-{to.name} link", name_zh, line))
    return found


def roads(found: Iterable[Corridor], cells: Cells) -> Iterator[dict]:
    """A feature for every road in every city it passes; with real boundaries nothing outside the province."""
    for road in found:
        for name, shape in cells.city_shapes.items():
            line = shapely.line_merge(shapely.intersection(road.line, shape))
            lines = [p for p in shapely.get_parts(line) if p.geom_type == "LineString"]
            if not lines or sum(map(WGS84.geometry_length, lines)) < 200:
                continue
            line = shapely.set_precision(shapely.MultiLineString(lines) if len(lines) > 1 else lines[0], GRID_DEG)
            names = {"class": road.class_, "ref": road.ref, "name": road.name, "name_zh": road.name_zh,
                     "city": cells.cities[name].both, "note": NOTE_ROAD}  # fmt: skip
            yield feature(names, line)


def feature(properties: dict[str, str], shape: BaseGeometry) -> dict:
    geometry = json.loads(json.dumps(shapely.geometry.mapping(shapely.normalize(shape))),
                          parse_float=lambda text: round(float(text), 4))  # fmt: skip
    return {"type": "Feature", "properties": properties, "geometry": geometry}
