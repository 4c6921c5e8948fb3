"""People per km2 on the pixels of a grid, from a raster of people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from pyproj import CRS, Geod
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from terrain.grid import Grid
from terrain.rasters import native_step_m, opened

FINE_RATIO = 2.0  # source pixels across a grid pixel, from which the mean of them is taken


def people_per_km2(path: Path, unit: str, grid: Grid) -> Callable[[Any], np.ndarray]:
    """A function from a window of the grid, which may reach beyond it, to people per km2 (height, width).

    unit: "people" (a number in each pixel of the raster) or "people-per-km2". Where the raster has nothing, nobody
    lives. Raises TerrainError where it cannot be read.
    """

    def density(window: Any) -> np.ndarray:
        with opened(path, "population") as dataset:
            fine = grid.resolution_m >= FINE_RATIO * native_step_m(dataset.res, dataset.crs, grid)
            with WarpedVRT(
                dataset, crs=grid.crs, transform=grid.transform @ rasterio.Affine.translation(window.col, window.row),
                width=window.width, height=window.height, add_alpha=False,
                resampling=Resampling.average if fine else Resampling.nearest, nodata=dataset.nodata,
            ) as warped:  # fmt: skip
                values = warped.read(1, masked=True).filled(0).astype(float)
            values = np.where(np.isfinite(values) & (values > 0), values, 0.0)
            if unit == "people":
                values /= _pixel_km2(dataset, grid, window)[:, None]
        return values

    return density


def _pixel_km2(dataset: Any, grid: Grid, window: Any) -> np.ndarray:
    """(height,) size of the raster's pixels, km2, along the middle of a window: it changes with the latitude."""
    step_x, step_y = dataset.res
    if not dataset.crs.is_geographic:
        metres = dataset.crs.linear_units_factor[1]
        return np.full(window.height, step_x * step_y * metres**2 / 1e6)
    rows = np.arange(window.height) + window.row
    _, lat = grid.to_lonlat(*grid.centre_xy(rows, np.full(window.height, window.col + window.width / 2)))
    geod = CRS.from_user_input(dataset.crs).get_geod() or Geod(ellps="WGS84")
    places = np.linspace(lat.min() - step_y, lat.max() + step_y, 33)
    sizes = [
        abs(geod.polygon_area_perimeter([0, step_x, step_x, 0], [p - step_y / 2] * 2 + [p + step_y / 2] * 2)[0])
        for p in places
    ]
    return np.interp(lat, places, np.array(sizes) / 1e6)
