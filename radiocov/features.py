"""GIS features to files: GeoPackage or GeoJSON by the file's name, in longitude and latitude."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import shapely

from radiocov.files import whole
from radiocov.problems import Problem, ProjectError

DRIVERS = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".json": "GeoJSON"}
ONE_LAYER = (".geojson", ".json")


def driver_of(path: Path) -> str:
    """The driver for a file's name. ProjectError where it has another ending than those of DRIVERS."""
    driver = DRIVERS.get(path.suffix.lower())
    if driver is None:
        remedy = f"end it in {', '.join(DRIVERS)}"
        raise ProjectError(Problem(path.name, "", "no format is known for this name", remedy))
    return driver


Features = tuple[Sequence[Any] | None, Sequence[Mapping[str, Any]]]


def write_features(path: Path, layers: Mapping[str, Features]) -> Path:
    """Write layers, name -> (geometries, their attributes, the same keys in each); the file appears when whole.

    A GeoJSON file has one layer: all go into it, with a column `layer`. Layers without features are left out of it,
    and are empty layers of a GeoPackage, which also takes layers without geometries (None): tables.
    """
    driver = driver_of(path)
    if path.suffix.lower() in ONE_LAYER:
        rows = [{"layer": name, **row} for name, (_, attributes) in layers.items() for row in attributes]
        keys = list(dict.fromkeys(key for row in rows for key in row))
        shapes = [shape for geometries, _ in layers.values() for shape in geometries]
        layers = {path.stem: (shapes, [{key: row.get(key) for key in keys} for row in rows])}
    with whole(path) as partial:
        for number, (name, (geometries, rows)) in enumerate(layers.items()):
            kinds = {shape.geom_type for shape in geometries or ()}
            names = list(rows[0]) if rows else []
            shapes = None if geometries is None else shapely.to_wkb(np.array(list(geometries), dtype=object))
            placed = {} if geometries is None else {
                "crs": "EPSG:4326", "geometry_type": kinds.pop() if len(kinds) == 1 else "Unknown"
            }  # fmt: skip
            pyogrio.raw.write(
                partial, shapes, [_column(rows, n) for n in names], names, driver=driver, layer=name,
                append=number > 0, **placed,
            )  # fmt: skip
    return path


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
    values = [row[name] for row in rows]
    numbers = [v for v in values if v is not None]
    if (
        numbers
        and all(isinstance(v, int) and not isinstance(v, bool) for v in numbers)
        and len(numbers) == len(values)
    ):
        return np.array(values, dtype=np.int64)
    if numbers and all(isinstance(v, int | float) and not isinstance(v, bool) for v in numbers):
        return np.array([np.nan if v is None else v for v in values], dtype=float)
    return np.array([None if v is None else str(v) for v in values], dtype=object)
