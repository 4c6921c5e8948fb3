"""A run's rasters in a square of another coordinate system: the nearest pixels, from the overview that suffices."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from pyproj import Transformer

from radiocov.coverage.results import StateResults
from radiocov.maps import render
from targets.rasterize import Window

Box = tuple[float, float, float, float]  # west, south, east, north
CELLS = 32  # cells a side in which places are found exactly; between them they run straight
HATCH_PX, STROKE_PX = 16, 3  # divide a tile, so that the hatching runs on in the next


def sampled_codes(
    results: StateResults, layer: render.Layer, crs: str, bounds: Box, size: int
) -> np.ndarray | None:
    """(size, size) codes of `render` in a box of `crs`, what is outside hatched; 0 beyond
    the raster, None where all is."""
    row, col = _places(results, crs, bounds, size)
    height, width = results.shape
    inside = (row >= 0) & (col >= 0) & (row < height) & (col < width)  # not so for NaN, beyond the projection
    if not inside.any():
        return None
    row, col = row[inside], col[inside]
    # pixels of the raster in one of the picture; read is the coarsest overview that still has one for each
    ratio = max((row.max() - row.min()) / size, (col.max() - col.min()) / size, 1.0)
    stride = 2 ** math.floor(math.log2(ratio))
    top, left = (int(v.min()) // stride * stride for v in (row, col))
    down, across = (int(v.max() - start) // stride + 1 for v, start in ((row, top), (col, left)))
    window = Window(top, left, min(down * stride, height - top), min(across * stride, width - left))
    part = render.codes(results, layer, window, (down, across))
    codes = np.zeros((size, size), np.uint8)
    codes[inside] = part[(row - top).astype(np.int64) // stride, (col - left).astype(np.int64) // stride]
    lines = np.add.outer(np.arange(size), np.arange(size)) % HATCH_PX < STROKE_PX
    codes[(codes == render.OUTSIDE) & lines] = render.HATCH
    return codes


def _places(
    results: StateResults, crs: str, bounds: Box, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Row and column (size, size) of the picture's pixels, counted from the raster's outer corner."""
    west, south, east, north = bounds
    x, y = np.meshgrid(np.linspace(west, east, CELLS + 1), np.linspace(north, south, CELLS + 1))
    grid = results.grid
    px, py = _transformer(crs, grid.crs).transform(x, y)
    with np.errstate(invalid="ignore"):
        return tuple(
            _between(knots, size)
            for knots in ((grid.y_max - py) / grid.resolution_m, (px - grid.x_min) / grid.resolution_m)
        )


def _between(knots: np.ndarray, size: int) -> np.ndarray:
    """Bilinear values at the pixels' centres of values at the corners of the cells; NaN beside infinite ones."""
    at = (np.arange(size) + 0.5) * CELLS / size
    cell, part = at.astype(int), at % 1.0
    rows = knots[cell] * (1 - part)[:, None] + knots[cell + 1] * part[:, None]
    return rows[:, cell] * (1 - part) + rows[:, cell + 1] * part


@lru_cache(maxsize=32)
def _transformer(crs: str, to: str) -> Transformer:
    return Transformer.from_crs(crs, to, always_xy=True)
