"""Areas of a project derived from its land cover, as a GIS file that a person can edit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyproj import Transformer

from radiocov.boundaries import read_boundaries
from radiocov.features import driver_of, write_features
from radiocov.inputs import Inputs, project_grid
from radiocov.problems import Problem, ProjectError
from targets.derive import Rule, classify, outlines
from targets.sums import polygonal
from terrain.errors import TerrainError
from terrain.landcover import of_kind, read_landcover

SMALLEST_PART = 0.05  # of rule.smallest_km2: slivers that a county's border cuts off


def write_derived_areas(inputs: Inputs, rule: Rule, path: Path) -> list[dict[str, Any]]:
    """Write urban and suburban areas; the attributes of each, as written. ProjectError where there is no land cover,
    or nothing is built up in it.

    With [boundaries] an area is what one county has of a class, and carries its names; without, every piece is one.
    """
    project = inputs.project
    driver_of(path)
    if not project.landcover_files:
        raise ProjectError(
            Problem(
                project.path.name,
                "terrain.landcover",
                "there is no land cover to derive areas from",
                'give a raster, for example landcover = "terrain/landcover.tif"',
            )
        )
    grid = project_grid(inputs)
    try:
        cover = read_landcover(project.landcover_files, project.legend, grid)
    except TerrainError as error:
        raise ProjectError(Problem(project.path.name, "terrain.landcover", str(error))) from error
    built = of_kind(cover.classes, "built")[cover.class_index]
    land = ~of_kind(cover.classes, "water", "nodata")[cover.class_index]
    pieces = outlines(classify(built, land, grid.resolution_m, rule), grid.transform)
    to_grid = Transformer.from_crs("EPSG:4326", grid.crs, always_xy=True)
    found = _by_county(inputs, pieces, to_grid, rule) or [
        ({"class": name, "name": f"{name} {n}", "name_zh": "", "city": "", "county": ""}, shape)
        for n, (name, shape) in enumerate(pieces, start=1)
    ]
    if not found:
        raise ProjectError(Problem(project.landcover_files[0].name, "", "has no built-up area that is large enough",
                                   "lower --suburban or --smallest-km2, or check the legend"))  # fmt: skip
    rows = [{**row, "area_km2": round(shape.area / 1e6, 3), "rule": rule.in_words()} for row, shape in found]

    def to_lonlat(xy: np.ndarray) -> np.ndarray:
        return np.column_stack(to_grid.transform(xy[:, 0], xy[:, 1], direction="INVERSE"))

    shapes = [shapely.transform(polygonal(shape), to_lonlat) for _, shape in found]
    write_features(path, {"areas": (shapes, rows)})
    return rows


def _by_county(inputs: Inputs, pieces: list, to_grid: Transformer, rule: Rule) -> list[tuple[dict[str, str], Any]]:
    """What every county of the boundaries has of each class; what lies in none stays without a county."""
    boundaries = read_boundaries(inputs)
    if not boundaries or not pieces:
        return []
    found = []
    rest = {name: shapely.union_all([s for n, s in pieces if n == name]) for name in ("urban", "suburban")}
    for b in boundaries:
        inside = shapely.transform(b.geometry, lambda xy: np.column_stack(to_grid.transform(xy[:, 0], xy[:, 1])))
        inside = shapely.make_valid(inside)
        for name in rest:
            parts = shapely.get_parts(polygonal(shapely.intersection(rest[name], inside)))
            parts = parts[shapely.area(parts) >= SMALLEST_PART * rule.smallest_km2 * 1e6]
            if len(parts):
                row = {
                    "class": name,
                    "name": f"{b.name} {name}",
                    "name_zh": b.name_zh,
                    "city": b.city,
                    "county": b.county,
                }
                found.append((row, shapely.union_all(parts)))
            rest[name] = shapely.difference(rest[name], inside)
    for name, shape in rest.items():
        parts = shapely.get_parts(polygonal(shape))
        for n, part in enumerate(parts[shapely.area(parts) >= rule.smallest_km2 * 1e6], start=1):
            row = {
                "class": name,
                "name": f"{name} {n} outside the boundaries",
                "name_zh": "",
                "city": "",
                "county": "",
            }
            found.append((row, part))
    return found
