"""Administrative boundaries of a project: counties or cities with their names, longitude and latitude."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely

from radiocov.inputs import Inputs, layer_options
from radiocov.problems import Problem, ProjectError
from targets.areas import Road, RoadSet
from targets.errors import TargetsError
from targets.vectors import read_layer


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
        layer = read_layer(project.boundaries_file, {"name": b.name_attribute}, ["name"], optional, **layer_options(b))
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
