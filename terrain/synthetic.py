"""A made-up prefecture to practise on: ground, towns, counties, roads and key areas, always the same.

About 100 km by 85 km with a bay in the south, a coastal plain, river valleys, hills and mountains of 1,200 m
in the north-east. It lies at real coordinates (EPSG:32651, around 123.0 E 40.9 N) so that latitudes and
distances are realistic, but nothing in it exists; every name says or is known to be invented.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from shapely import MultiPolygon, Polygon, transform
from shapely.geometry import mapping

from terrain.errors import TerrainError
from terrain.grid import Grid
from terrain.rasters import SYNTHETIC_TAG
from terrain.synthetic_places import County, KeyArea, Place, make_places
from terrain.synthetic_relief import (
    CROP,
    CRS,
    DENSE,
    FOREST,
    HEIGHT_M,
    OPEN,
    SUBURBAN,
    URBAN,
    WATER,
    WIDTH_M,
    X_MIN,
    Y_MIN,
    Relief,
    burned,
    fine_relief,
    make_relief,
    noise,
    upsampled,
)
from terrain.synthetic_roads import Road, make_roads

NAME, NAME_ZH = "Lantai (made-up prefecture)", "澜台（虚构地区）"
LEGEND = "radiocov"
STEPS_M = (20.0, 500.0)


@dataclass(frozen=True, eq=False)
class SyntheticWorld:
    """Everything of the made-up prefecture. Rasters of `grid.shape`; geometries in metres of `grid.crs`."""

    seed: int
    grid: Grid
    elevation_m: np.ndarray  # float32, steps of 0.1 m, 0 at sea
    landcover: np.ndarray  # uint8, codes of the packaged legend "radiocov"
    places: list[Place]
    counties: list[County]
    roads: list[Road]
    key_areas: list[KeyArea]
    name: str = field(default=NAME)
    name_zh: str = field(default=NAME_ZH)

    def areas(self) -> list[dict[str, Any]]:
        """Rows of areas.geojson: class key, urban or suburban; names; city; county; and `geometry` in m."""
        city = next(p for p in self.places if p.kind == "city")
        rows = [_area("key", k.name_en, k.name_zh, city, k.county, k.polygon) for k in self.key_areas]
        for p in self.places:
            if p.urban is not None:
                rows.append(_area("urban", p.name_en, p.name_zh, city, p.county, p.urban))
        for p in self.places:
            suffix, suffix_zh = ("", "") if p.kind == "township" else (" outskirts", "城郊")
            rows.append(
                _area("suburban", p.name_en + suffix, p.name_zh + suffix_zh, city, p.county, p.suburban)
            )
        return [row for row in rows if not row["geometry"].is_empty]


def _area(
    area_class: str, name: str, name_zh: str, city: Place, county: str, outline: Polygon | MultiPolygon
) -> dict[str, Any]:
    return {
        "class": area_class,
        "name": name,
        "name_zh": name_zh,
        "city": city.name_en,
        "county": county,
        "geometry": outline,
    }


def make_prefecture(seed: int = 2017, step_m: float = 50.0) -> SyntheticWorld:
    """The prefecture of a seed. `step_m` (20 to 500) is the step of the rasters; towns and roads do not
    depend on it. Raises TerrainError for a step that does not divide the extent.
    """
    width, height = WIDTH_M / step_m, HEIGHT_M / step_m
    if not (STEPS_M[0] <= step_m <= STEPS_M[1] and width == int(width) and height == int(height)):
        raise TerrainError(f"step_m is {step_m}; it must divide 5000 m and lie from 20 to 500 m")
    grid = Grid(CRS, X_MIN, Y_MIN + HEIGHT_M, float(step_m), int(width), int(height))
    # One stream of random numbers for each part: a change in one leaves the others as they were.
    streams = [np.random.Generator(np.random.PCG64([seed, part])) for part in range(5)]
    relief = make_relief(streams[0])
    places, counties, key_areas = make_places(streams[1], relief)
    roads = make_roads(streams[4], relief, places)
    heights, sea, fresh = fine_relief(streams[2], relief, grid)
    cover = _landcover(streams[3], relief, places, key_areas, grid, heights, sea, fresh)
    return SyntheticWorld(seed, grid, heights, cover, places, counties, roads, key_areas)


def _landcover(
    rng: np.random.Generator,
    relief: Relief,
    places: list[Place],
    key_areas: list[KeyArea],
    grid: Grid,
    heights: np.ndarray,
    sea: np.ndarray,
    fresh: np.ndarray,
) -> np.ndarray:
    """Codes of the legend: forest on rugged ground, crops on the plain, villages strewn in, towns on top."""
    rugged = upsampled(relief.ruggedness, grid)
    patches = 0.6 * noise(rng, 1500, grid) + 0.45 * noise(rng, 450, grid)
    grain = noise(rng, 220, grid)
    cover = np.full(grid.shape, CROP, np.uint8)
    cover[patches + 0.5 * grain > 1.15] = OPEN
    cover[(rugged > 0.01) & (grain * 1.1 + patches > 1.55) & (heights < 200)] = SUBURBAN
    cover[(rugged <= 0.01) & (grain * 1.1 + patches > 1.75)] = SUBURBAN
    cover[rugged * 14 + patches > 1.35] = FOREST
    cover[(rugged * 14 + patches > 1.35) & (patches - 0.4 * grain > 1.5)] = OPEN
    cover[(heights > 1000) & (patches > -0.3)] = OPEN
    # Orchards, shelter belts and woods of the plain.
    cover[(rugged * 14 + patches <= 1.35) & (patches < -1.3)] = FOREST

    def paint(shapes: list, code: int, part_open: float) -> None:
        inside = burned([s for s in shapes if s is not None and not s.is_empty], grid)
        cover[inside] = np.where(grain[inside] > part_open, OPEN, code)

    # Parks, yards and fields stay open inside towns; fewer of them towards the centre.
    paint([p.suburban for p in places], SUBURBAN, 1.0)
    paint([p.urban for p in places], URBAN, 1.5)
    paint([p.dense for p in places], DENSE, 2.2)
    for area in key_areas:
        if "airport" in area.name_en:
            paint([area.polygon], OPEN, 9.0)
        elif "port" in area.name_en or "park" in area.name_en:
            paint([area.polygon], SUBURBAN, 1.6)
    cover[sea | fresh] = WATER
    return cover


def write_prefecture(world: SyntheticWorld, folder: Path) -> list[Path]:
    """Write the rasters and GeoJSON files (WGS84) into a folder, and return their paths.

    Each file appears under its name only when whole. The rasters carry RADIOCOV_SYNTHETIC=yes.
    """
    folder = Path(folder)
    (folder / "terrain").mkdir(parents=True, exist_ok=True)
    label = {"name": world.name, "name_zh": world.name_zh, "synthetic": True, "seed": world.seed}
    elevation, cover = folder / "terrain" / "elevation.tif", folder / "terrain" / "landcover.tif"
    _write_raster(world, elevation, world.elevation_m, "metre", "Elevation above sea level", predictor=3)
    _write_raster(world, cover, world.landcover, "", f"Land cover, legend {LEGEND}", predictor=1)
    collections: dict[str, list[dict[str, Any]]] = {
        "areas": world.areas(),
        "counties": [
            {"name": c.name_en, "name_zh": c.name_zh, "geometry": c.polygon} for c in world.counties
        ],
        "roads": [
            {"class": r.road_class, "name": r.name_en, "name_zh": r.name_zh, "geometry": r.line}
            for r in world.roads
        ],
    }
    written = [elevation, cover]
    for name, rows in collections.items():
        path = folder / f"{name}.geojson"
        _write_geojson(world.grid, path, label, rows)
        written.append(path)
    return written


def _write_raster(
    world: SyntheticWorld, path: Path, values: np.ndarray, unit: str, text: str, predictor: int
) -> None:
    partial = path.with_name(f".{path.stem}.{os.getpid()}.tif")
    profile = {
        "driver": "GTiff",
        "width": world.grid.width,
        "height": world.grid.height,
        "count": 1,
        "dtype": values.dtype.name,
        "crs": world.grid.crs,
        "transform": world.grid.transform,
        "compress": "deflate",
        "predictor": predictor,
        "tiled": True,
        "blockxsize": 512,
        "blockysize": 512,
        "nodata": 0 if values.dtype == np.uint8 else -9999,
    }
    try:
        with rasterio.open(partial, "w", **profile) as dataset:
            dataset.write(values, 1)
            dataset.set_band_description(1, text)
            if unit:
                dataset.set_band_unit(1, unit)
            dataset.update_tags(**{SYNTHETIC_TAG: "yes"}, NAME=world.name, SEED=str(world.seed))
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _write_geojson(grid: Grid, path: Path, label: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    def lonlat(points: np.ndarray) -> np.ndarray:
        return np.round(np.stack(grid.to_lonlat(points[:, 0], points[:, 1]), axis=1), 6)

    features = [
        {
            "type": "Feature",
            "properties": {key: value for key, value in row.items() if key != "geometry"},
            "geometry": mapping(transform(row["geometry"], lonlat)),
        }
        for row in rows
    ]
    content = {"type": "FeatureCollection", "name": path.stem, "about": label, "features": features}
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
