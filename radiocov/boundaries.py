"""Administrative boundaries of a project: counties or cities with their names, longitude and latitude."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from radiocov.inputs import Inputs, layer_options
from radiocov.problems import Problem, ProjectError
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
