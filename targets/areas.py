"""Areas and roads of a policy from GIS files: polygons and lines in WGS 84 with class, name and place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from targets.errors import Problem, TargetsError
from targets.vectors import IGNORE, Layer, ToWgs84, classify, read_layer

AREA_CLASSES = ("key", "urban", "suburban")
ROAD_CLASSES = ("motorway", "national", "provincial")
YES = {"yes", "true", "1", "y", "t", "f", "-1", "reverse", "forward", "是"}
AGAINST = {"-1", "reverse", "t"}
NO = {"", "no", "false", "0", "n", "b", "both", "reversible", "alternating", "否"}
SAME_COUNTY_KM = 60.0
NO_TUNNEL = {"", "no", "false", "0", "n", "f", "否"}


@dataclass(frozen=True)
class Area:
    """An area of one class; geometry: valid Polygon or MultiPolygon, longitude and latitude (WGS 84)."""

    id: str
    class_: str
    name: str
    name_zh: str
    city: str
    county: str
    geometry: BaseGeometry


@dataclass(frozen=True)
class Road:
    """A stretch of road; geometry: LineString or MultiLineString (WGS 84), drawn in the direction of travel
    where `oneway`."""

    class_: str
    name: str
    ref: str
    city: str
    county: str
    oneway: bool
    tunnel: bool
    geometry: BaseGeometry

    @property
    def road(self) -> str:
        """What makes stretches one road within a class: the number, else the name."""
        return self.ref or self.name


@dataclass(frozen=True)
class AreaSet:
    """Areas in the order of the file; warnings: what was repaired or assumed."""

    areas: tuple[Area, ...]
    file: str = ""
    warnings: tuple[Problem, ...] = ()

    def bounds(self) -> tuple[float, float, float, float]:
        """lon_min, lat_min, lon_max, lat_max."""
        return tuple(float(v) for v in shapely.total_bounds([a.geometry for a in self.areas]))


@dataclass(frozen=True)
class RoadSet:
    """Roads in the order of the file; warnings: what was left out or assumed."""

    roads: tuple[Road, ...]
    file: str = ""
    warnings: tuple[Problem, ...] = ()

    def bounds(self) -> tuple[float, float, float, float]:
        """lon_min, lat_min, lon_max, lat_max."""
        return tuple(float(v) for v in shapely.total_bounds([r.geometry for r in self.roads]))


def read_areas(
    path: str | Path,
    attributes: Mapping[str, str] | None = None,
    *,
    classes: Iterable[str] = AREA_CLASSES,
    layer: str | None = None,
    class_map: Mapping[str, str] | None = None,
    encoding: str | None = None,
    to_wgs84: ToWgs84 | None = None,
) -> AreaSet:
    """Areas from a GeoPackage, GeoJSON, Shapefile or KML file in any reference system.

    attributes: role ("class", "name", "name_zh", "city", "county", "id") -> column; class and name have to be
    there, the others are taken from columns of their own name where there are such. classes: the class names
    allowed; class_map: value in the file -> class or "ignore", "*" for all other values; to_wgs84: see
    `read_layer`. Broken polygons are repaired and told in `warnings`. TargetsError has every problem found.
    """
    optional = {"name_zh": ["name_zh", "name:zh"], "city": ["city"], "county": ["county"], "id": ["id"]}
    table = read_layer(path, attributes or {}, ["class", "name"], optional, layer, encoding, to_wgs84)
    names = classify(table, classes, class_map)
    areas, seen, ids = [], {}, {}
    for i, class_ in enumerate(names):
        shape = table.geometries[i]
        if class_ == IGNORE or shape is None:
            continue
        name, name_zh, city, county, given = (
            _cell(table, r, i) for r in ("name", "name_zh", "city", "county", "id")
        )
        name = name or name_zh
        if not name:
            table.problem(i, f"an area of class {class_!r} has no name", "fill in its name")
        shape = _polygon(table, i, shape, name)
        key = (class_, city, county, name)
        if name and key in seen:
            place = "/".join(filter(None, (city, county)))
            table.problem(
                i,
                f"{class_} area {name!r}{f' in {place}' if place else ''} is also feature {seen[key] + 1}",
                "make one multi-part area of them, or give them different names",
            )
        elif given and given in ids:
            table.problem(i, f"id {given!r} is also that of feature {ids[given] + 1}", "ids have to differ")
        seen.setdefault(key, i)
        ids.setdefault(given, i)
        if shape is not None:
            key_text = "/".join(filter(None, key))
            areas.append(Area(given or key_text, class_, name, name_zh, city, county, shape))
    _check_counties(table, areas)
    _finish(table, areas, classes)
    return AreaSet(tuple(areas), table.file, tuple(table.warnings))


def read_roads(
    path: str | Path,
    attributes: Mapping[str, str] | None = None,
    *,
    classes: Iterable[str] = ROAD_CLASSES,
    layer: str | None = None,
    class_map: Mapping[str, str] | None = None,
    encoding: str | None = None,
    to_wgs84: ToWgs84 | None = None,
) -> RoadSet:
    """Roads from a GeoPackage, GeoJSON, Shapefile or KML file in any reference system.

    attributes: role ("class", "name", "ref", "city", "county", "oneway", "tunnel") -> column; class has to
    be there. oneway and tunnel: yes/no in the usual spellings (OpenStreetMap's yes, no, -1; F, T, B).
    Otherwise as `read_areas`.
    """
    optional = {"name": ["name"], "ref": ["ref"], "city": ["city"], "county": ["county"]}
    optional |= {"oneway": ["oneway"], "tunnel": ["tunnel"]}
    table = read_layer(path, attributes or {}, ["class"], optional, layer, encoding, to_wgs84)
    names = classify(table, classes, class_map)
    roads = []
    for i, class_ in enumerate(names):
        shape = table.geometries[i]
        if class_ == IGNORE or shape is None:
            continue
        if shape.geom_type not in ("LineString", "MultiLineString"):
            table.problem(
                i, f"is a {shape.geom_type}, not a line", "keep roads and other things in separate layers"
            )
            continue
        if shape.length == 0:
            table.warn(i, "a line without length, left out")
            continue
        oneway, tunnel = _cell(table, "oneway", i).casefold(), _cell(table, "tunnel", i).casefold()
        if oneway not in YES | NO:
            table.problem(i, f"oneway is {oneway!r}", "possible: yes, no, -1")
        if oneway in AGAINST:
            shape = shapely.reverse(shape)
        texts = (_cell(table, role, i) for role in ("name", "ref", "city", "county"))
        # "building_passage", "avalanche_protector" and the like are all roofs over the road
        roads.append(Road(class_, *texts, oneway in YES, tunnel not in NO_TUNNEL, shape))
    _finish(table, roads, classes)
    return RoadSet(tuple(roads), table.file, tuple(table.warnings))


def _cell(table: Layer, role: str, row: int) -> str:
    return table.columns[role][row] if role in table.columns else ""


def _check_counties(table: Layer, areas: list[Area]) -> None:
    """Places too far apart to be one county although they name the same one, and no city that tells them apart."""
    counties: dict[str, list[Area]] = {}
    for area in areas:
        if area.county and not area.city:
            counties.setdefault(area.county, []).append(area)
    for county, here in counties.items():
        x0, y0, x1, y1 = shapely.total_bounds([a.geometry for a in here])
        scale = np.array([111.2 * np.cos(np.radians((y0 + y1) / 2)), 111.2])
        if np.hypot(*(scale * (x1 - x0, y1 - y0))) <= SAME_COUNTY_KM:
            continue
        shapes = [shapely.transform(a.geometry, lambda xy, s=scale: xy * s) for a in here]
        apart = max(shapely.distance(shapes[0], shape) for shape in shapes)
        if apart > SAME_COUNTY_KM:
            table.problems.append(
                Problem(
                    table.file,
                    f"county {county!r}",
                    f"its areas lie {apart:.0f} km apart, as if two counties had that name",
                    "give the column of the city, which tells them apart",
                )
            )


def _finish(table: Layer, found: list, classes: Iterable[str]) -> None:
    if table.problems:
        raise TargetsError(table.problems)
    if not found:
        what = "no feature is of a class of the policy"
        raise TargetsError(Problem(table.file, "", what, "classes: " + ", ".join(classes)))


def _polygon(table: Layer, row: int, shape: BaseGeometry, name: str) -> BaseGeometry | None:
    """The polygon to use, repaired where it is invalid; None, with a problem noted, where there is none."""
    if shape.geom_type not in ("Polygon", "MultiPolygon", "GeometryCollection"):
        remedy = "an area is a polygon; keep other things in a layer of their own"
        table.problem(row, f"{name!r} is a {shape.geom_type}, not a polygon", remedy)
        return None
    if not shape.is_valid:
        reason = shapely.is_valid_reason(shape)
        before, shape = shape, shapely.make_valid(shape)
        change = _polygons_of(shape).area / before.area - 1 if before.area else 0.0
        table.warn(
            row,
            f"{name!r} was not a valid polygon ({reason}) and was repaired"
            + (f"; its area changed by {100 * change:+.1f} %" if abs(change) >= 5e-4 else ""),
            "look at it on a map",
        )
    result = _polygons_of(shape)
    if result.is_empty or result.area == 0:
        table.problem(row, f"{name!r} encloses no area", "draw it again")
        return None
    return result


def _polygons_of(shape: BaseGeometry) -> BaseGeometry:
    """The polygons in a shape, without the lines and points that repairs can leave beside them."""
    if shape.geom_type in ("Polygon", "MultiPolygon"):
        return shape
    parts = shapely.get_parts(shapely.get_parts(np.atleast_1d(shape)))
    parts = parts[shapely.get_type_id(parts) == 3]
    return shapely.union_all(parts)
