"""What becomes of pixels that no source of elevation has a height for. Nothing is filled that was not asked for."""

from __future__ import annotations

import math

import numpy as np
from rasterio.fill import fillnodata
from scipy import ndimage

from terrain.errors import TerrainError
from terrain.grid import Grid
from terrain.rasters import bands

VOID_RULES = ("error", "sea", "interpolate")
# Farther than this from data an interpolated height would be an invention.
MAX_FILL_M = 10_000.0
# Whole degrees (latitude, longitude of the south-west corner) around Armenia and Azerbaijan that the public
# GLO-30 lacks although they are land: https://github.com/ACCESS-Cloud-Based-InSAR/dem-stitcher/issues/34
HELD_BACK = frozenset(
    [(38, lon) for lon in (45, 46, 48, 49)]
    + [(39, lon) for lon in range(44, 50)]
    + [(40, lon) for lon in range(43, 51)]
    + [(41, lon) for lon in range(43, 50)]
)
_LABEL_CELLS = 4_000_000


class VoidError(TerrainError):
    """Ground without a height that the rule of the project does not fill. pixels: how many."""

    def __init__(self, message: str, pixels: int) -> None:
        super().__init__(message)
        self.pixels = pixels


def fill(heights: np.ndarray, grid: Grid, rule: str) -> None:
    """Replace the NaN of `heights` as the rule says. VoidError (with the place) where it does not fill them all."""
    if rule == "sea":
        _refuse_land(heights, grid)
        for first, last in bands(grid):
            np.nan_to_num(heights[first:last], copy=False, nan=0.0)
        return
    if rule == "interpolate":
        _interpolate(heights, grid)
    count, (lon, lat) = _largest(heights, grid)
    if not count:
        return
    where = f"{count} pixels ({_percent(count / heights.size)}), the largest void around {lon:.4f} E {lat:.4f} N"
    if rule == "interpolate":
        raise VoidError(
            f"elevation: too far from any height to interpolate ({MAX_FILL_M / 1000:.0f} km) at {where}; "
            "add a source that covers it, or set voids = 'sea' if it is sea", count,
        )  # fmt: skip
    raise VoidError(
        f"elevation: no height for {where}; add a source that covers it, or set voids = 'interpolate' "
        "(fills small holes) or 'sea' (0 m)", count,
    )  # fmt: skip


def _percent(share: float) -> str:
    return f"{share:.2%}" if share >= 5e-5 else "under 0.01%"


def _refuse_land(heights: np.ndarray, grid: Grid) -> None:
    """VoidError where a void that the rule calls sea lies in a tile of GLO-30 that is held back."""
    west, south, east, north = grid.lonlat_bounds()
    cells = [c for c in HELD_BACK if west < c[1] + 1 and east > c[1] and south < c[0] + 1 and north > c[0]]
    if not cells:
        return
    for first, last in bands(grid):
        rows, cols = np.nonzero(np.isnan(heights[first:last]))
        if not rows.size:
            continue
        lon, lat = grid.to_lonlat(*grid.centre_xy(rows + first, cols))
        cell = np.floor(lat).astype(int) * 1000 + np.floor(lon).astype(int)
        land = np.isin(cell, [lat * 1000 + lon for lat, lon in cells])
        if land.any():
            at = int(np.argmax(land))
            raise VoidError(
                f"elevation: voids = 'sea' would invent sea around {lon[at]:.4f} E {lat[at]:.4f} N, where the public "
                "GLO-30 holds back land (Armenia, Azerbaijan); add a source that covers it, such as SRTM or GLO-90",
                int(land.sum()),
            )  # fmt: skip


def _interpolate(heights: np.ndarray, grid: Grid) -> None:
    """GDAL's inverse-distance fill, band by band: a pixel sees data up to MAX_FILL_M around and no filled ones."""
    reach = max(1, math.ceil(MAX_FILL_M / grid.resolution_m))
    above = heights[:0].copy()  # rows before the band, as they were
    for first, last in bands(grid):
        here = heights[first:last].copy()
        if np.isnan(here).any():
            part = np.concatenate([above, here, heights[last : last + reach]])
            mask = ~np.isnan(part)
            if mask.any():
                filled = fillnodata(part, mask=mask, max_search_distance=reach)
                heights[first:last] = filled[len(above) : len(above) + len(here)]
        above = np.concatenate([above, here])[-reach:]


def _largest(heights: np.ndarray, grid: Grid) -> tuple[int, tuple[float, float]]:
    """How many pixels are NaN, and longitude and latitude in the largest connected body of them.

    The pixel is the one nearest to the body's centroid. On large grids bodies are made of blocks of pixels.
    """
    block = max(1, math.ceil(math.sqrt(heights.size / _LABEL_CELLS)))
    height, width = -(-grid.height // block), -(-grid.width // block)
    cells = np.zeros((height, width), np.int64)
    count = 0
    for row in range(height):
        empty = np.isnan(heights[row * block : (row + 1) * block])
        columns = empty.sum(axis=0)
        cells[row] = np.add.reduceat(columns, np.arange(0, grid.width, block))
        count += int(columns.sum())
    if not count:
        return 0, (math.nan, math.nan)
    labels, bodies = ndimage.label(cells > 0)
    largest = 1 + int(np.argmax(ndimage.sum_labels(cells, labels, np.arange(1, bodies + 1))))
    rows, cols = np.nonzero(labels == largest)
    near = np.argmin((rows - rows.mean()) ** 2 + (cols - cols.mean()) ** 2)
    inside = np.argwhere(np.isnan(heights[rows[near] * block :, cols[near] * block :][:block, :block]))[0]
    row, col = rows[near] * block + inside[0], cols[near] * block + inside[1]
    lon, lat = grid.to_lonlat(*grid.centre_xy(float(row), float(col)))
    return count, (lon, lat)
