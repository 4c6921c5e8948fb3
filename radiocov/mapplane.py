"""The plane that a map is drawn in, and a run's rasters on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pyproj import Transformer

from radiocov.coverage.results import StateResults
from radiocov.maps.planes import MAX_SIDE_PX
from radiocov.maps.render import thin_shape
from terrain.grid import Grid

SERVICE_PX = 1024  # side of the pictures that the service's page carries; the rest are tiles
MERCATOR = "EPSG:3857"


@dataclass(frozen=True, eq=False)
class MapPlane:
    """grid: of the map. shape: that the rasters are read in, whole; pick: what of them each pixel of the grid takes
    (row, column, inside: (h, w) each), None for all in order."""

    grid: Grid
    shape: tuple[int, int]
    pick: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def read(self, results: StateResults, name: str, band: int) -> np.ndarray:
        """A band on the map's grid, nearest pixels; NaN or 0 outside the raster."""
        return self._picked(results.band(name, band, shape=None if self.shape == results.shape else self.shape))

    def thinned(self, array: np.ndarray) -> np.ndarray:
        """The same for an array on the raster's full grid."""
        step = -(-array.shape[0] // self.shape[0])
        return self._picked(np.ascontiguousarray(array[::step, ::step]))

    def _picked(self, values: np.ndarray) -> np.ndarray:
        if self.pick is None:
            return values
        row, col, inside = self.pick
        found = values[row, col]
        found[~inside] = np.nan if found.dtype.kind == "f" else 0
        return found

    def project(self, xy: np.ndarray) -> np.ndarray:
        """Longitude and latitude (n, 2) to metres of the plane."""
        return np.column_stack(self.grid.from_lonlat(xy[:, 0], xy[:, 1]))


def file_plane(results: StateResults) -> MapPlane:
    """The raster's own plane; rasters that no page could hold are read by every 2nd, 4th, ... pixel."""
    shape = thin_shape(results.shape, 2 * MAX_SIDE_PX)
    return MapPlane(_coarser(results.grid, shape), shape)


def service_plane(results: StateResults) -> MapPlane:
    """Web Mercator around the raster, with few pixels."""
    grid = results.grid
    edges = Transformer.from_crs(grid.crs, MERCATOR, always_xy=True).transform_bounds(*grid.bounds, densify_pts=101)
    side = max(edges[2] - edges[0], edges[3] - edges[1]) / SERVICE_PX
    width, height = (max(1, int(np.ceil(d / side))) for d in (edges[2] - edges[0], edges[3] - edges[1]))
    mercator = Grid(MERCATOR, edges[0], edges[3], side, width, height)
    shape = thin_shape(grid.shape, 2 * SERVICE_PX)
    thin = _coarser(grid, shape)
    x, y = mercator.centre_xy(*np.mgrid[0:height, 0:width])
    row, col = thin.rowcol(*grid.from_lonlat(*mercator.to_lonlat(x, y)))
    row, col = np.floor(row + 0.5).astype(int), np.floor(col + 0.5).astype(int)
    inside = (row >= 0) & (col >= 0) & (row < shape[0]) & (col < shape[1])
    return MapPlane(mercator, shape, (np.clip(row, 0, shape[0] - 1), np.clip(col, 0, shape[1] - 1), inside))


def _coarser(grid: Grid, shape: tuple[int, int]) -> Grid:
    step: Any = -(-grid.height // shape[0])
    return Grid(grid.crs, grid.x_min, grid.y_max, grid.resolution_m * step, shape[1], shape[0])
