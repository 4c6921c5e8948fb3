"""Administrative boundaries of a project: counties or cities with their names, longitude and latitude."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
from pyproj import Geod

from radiocov.inputs import Inputs, layer_options
from radiocov.problems import Problem, ProjectError
from targets.areas import Road, RoadSet
from targets.errors import TargetsError
from targets.vectors import read_layer

AS_IF_MOVED = 0.6  # what GCJ-02's shift explains of the difference between two outlines of one place, or more


@dataclass(frozen=True)
class Boundary:
    """geometry: WGS 84; county is empty for a city as a whole, city where the file does not say it."""

    geometry: Any
    city: str
    county: str
    name: str
    name_zh: str


def read_boundaries(inputs: Inputs) -> list[Boundary]:
    """Boundaries that the project names, none where it names none. ProjectError where they cannot be read."""
    project = inputs.project
    if project.boundaries is None:
        return []
    b = project.boundaries
    optional = {
        "name_zh": [b.name_zh_attribute], "city": [b.city_attribute], "county": [b.county_attribute],
    }  # fmt: skip
    try:
        layer = read_layer(
            project.boundaries_file, {"name": b.name_attribute}, ["name"], optional, **layer_options(b)
        )
    except TargetsError as error:
        raise ProjectError([Problem(p.file, p.where, p.message, p.remedy) for p in error.problems]) from error

    # boundaries of counties alone belong to the city that all areas name
    cities = {area.city for area in inputs.areas.areas} if inputs.areas else set()
    only_city = cities.pop() if len(cities) == 1 else ""

    def cell(role: str, i: int) -> str:
        return layer.columns[role][i] if role in layer.columns else ""

    return [
        Boundary(shape, cell("city", i) or only_city, cell("county", i) or cell("name", i), cell("name", i),
                 cell("name_zh", i))
        for i, shape in enumerate(layer.geometries)
        if shape is not None
    ]  # fmt: skip


def roads_by_county(inputs: Inputs) -> RoadSet | None:
    """The roads, those that name no place cut at the boundaries and given the names of what they run through.

    What lies in no boundary stays as it is; where two overlap, the first has it.
    """
    roads, boundaries = inputs.roads, read_boundaries(inputs)
    if roads is None or not boundaries or all(r.city or r.county for r in roads.roads):
        return roads
    known: list[Road] = [r for r in roads.roads if r.city or r.county]
    left = [r for r in roads.roads if not (r.city or r.county)]
    rest = np.array([r.geometry for r in left], dtype=object)
    for b in boundaries:
        shape = b.geometry if b.geometry.is_valid else shapely.make_valid(b.geometry)
        shapely.prepare(shape)
        touched = np.flatnonzero(shapely.intersects(rest, shape))
        inside = shapely.intersection(rest[touched], shape)
        rest[touched] = shapely.difference(rest[touched], shape)
        known += [
            replace(left[i], city=b.city, county=b.county, geometry=_lines(piece))
            for i, piece in zip(touched, inside, strict=True)
            if piece.length > 0
        ]
    known += [replace(r, geometry=_lines(g)) for r, g in zip(left, rest, strict=True) if g.length > 0]
    return replace(roads, roads=tuple(known))


def _lines(shape: Any) -> Any:
    """The lines of a geometry, without the points that a border can leave beside them."""
    parts = shapely.get_parts(shape)
    return shapely.multilinestrings(parts[shapely.get_type_id(parts) == 1])


def datum_warnings(inputs: Inputs) -> list[Problem]:
    """Areas and boundaries of the same name that differ as GCJ-02 and WGS 84 do: one of them was not declared.

    A datum cannot be told from one file; two outlines of one place can: taking the shift of GCJ-02 off the one makes
    most of the difference go. It takes outlines of the same detail; simplified ones hide it.
    """
    if inputs.areas is None or inputs.project.boundaries is None:
        return []
    from devices.datum import gcj02_to_wgs84

    def back(shape: Any) -> Any:
        moved = shapely.transform(shape, lambda xy: np.column_stack(gcj02_to_wgs84(xy[:, 1], xy[:, 0])[::-1]))
        return shapely.make_valid(moved)

    def apart(one: Any, other: Any) -> float:
        return shapely.symmetric_difference(one, other).area

    known = {name: b for b in read_boundaries(inputs) for name in (b.name, b.name_zh) if name}
    plain = areas_back = boundaries_back = 0.0
    pairs = []
    for area in inputs.areas.areas:
        b = known.get(area.name) or known.get(area.name_zh)
        if b is not None:
            outline = shapely.make_valid(b.geometry)
            pairs.append((area.geometry.centroid, outline.centroid))
            plain += apart(area.geometry, outline)
            areas_back += apart(back(area.geometry), outline)
            boundaries_back += apart(area.geometry, back(outline))
    if not pairs or min(areas_back, boundaries_back) > AS_IF_MOVED * plain:
        return []
    moved, file = ("areas", inputs.project.areas_file) if areas_back < boundaries_back else (
        "boundaries", inputs.project.boundaries_file)  # fmt: skip
    metres = float(np.median([Geod(ellps="WGS84").inv(a.x, a.y, b.x, b.y)[2] for a, b in pairs]))
    return [
        Problem(
            file.name,
            "",
            f"lies some {metres:.0f} m off the other outline of the same places, as GCJ-02 does",
            f'if it is GCJ-02, declare [{moved}] datum = "gcj02"',
            "warning",
        )
    ]
