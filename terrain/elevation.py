"""Elevation of every pixel of a grid, from any rasters GDAL opens.

Sources are mosaicked in their order: a void in one falls through to the next. Tiles that share one lattice
(those of SRTM, Copernicus or DTED) are joined before they are resampled, and tiles of one source on two
lattices (Copernicus at 50, 60, 70 degrees) lend each other a rim, so that no seam appears at their borders.
Resampling is GDAL's bilinear warp, band by band of the grid.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from rasterio.enums import Resampling
from rasterio.warp import reproject, transform_bounds
from rasterio.windows import Window, from_bounds
from scipy import ndimage

from terrain.errors import TerrainError
from terrain.files import Digests
from terrain.grid import Grid
from terrain.mosaic import Joined, Tile, groups, joined, unwrapped
from terrain.rasters import Progress, bands, no_progress, shifted, strips, warp_scales
from terrain.sources import ElevationSource, tiles_over
from terrain.voids import VOID_RULES, fill

# No ground on Earth lies outside: a value there is an undeclared void or a wrong unit.
LOWEST_M, HIGHEST_M = -1000.0, 9000.0
#: number of the source where no source has a height: a void, filled as the rule says
FILLED = 255


class Mosaic:
    """The tiles of sources over one grid: what they are (`records`, JSON-able) and their heights, row by row.

    limits: heights outside, in metres, stop the reading. Raises TerrainError that names the file.
    """

    def __init__(
        self, sources: Sequence[ElevationSource], grid: Grid, digests: Digests | None = None,
        limits: tuple[float, float] = (LOWEST_M, HIGHEST_M), progress: Progress = no_progress,
    ) -> None:  # fmt: skip
        if not sources:
            raise TerrainError("no elevation source is given; name at least one raster of heights")
        if len(sources) >= FILLED:
            raise TerrainError(f"{len(sources)} elevation sources; at most {FILLED - 1} fit; name a folder instead")
        self.sources, self.grid, self.limits = list(sources), grid, limits
        found = list(tiles_over(sources, grid, digests or Digests(), progress))
        self.records = [record for _, record in found]
        self.tiles = [copy for tile, _ in found for copy in unwrapped(tile, grid)]
        self.groups = groups(self.tiles, self._alike)
        #: by source, pixels of the rows read so far whose void is sea by the source's own rule
        self.voids_as_sea = np.zeros(len(self.sources), np.int64)
        self._scales = [warp_scales(group[0].crs, group[0].transform, grid) for group in self.groups]

    def _alike(self, one: int, other: int) -> bool:
        a, b = self.sources[one], self.sources[other]
        return (a.surface, a.voids) == (b.surface, b.voids)

    def rows(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Heights [m] of rows first <= row < last, NaN for voids, and the number of the source of each."""
        heights = np.full((last - first, self.grid.width), np.nan, np.float32)
        source = np.full(heights.shape, FILLED, np.uint8)
        for group, scales in zip(self.groups, self._scales, strict=True):
            for top, bottom, window in strips(group[0].crs, group[0].transform, self.grid, (first, last)):
                here = np.s_[top - first : bottom - first]
                new = np.isnan(heights[here])
                if not new.any():
                    continue
                part = joined(group, window, self._read, np.nan)
                if part is None:
                    continue
                frame = _Frame(shifted(self.grid.transform, 0, top), self.grid.crs, bottom - top, self.grid.width)
                lent = self._lend_rim(part, group)
                warped = _reprojected(part.values, part, group, frame, Resampling.bilinear, np.nan, **scales)
                new &= ~np.isnan(warped)
                if lent is not None:
                    # the rim is there to be interpolated with; beyond half way to it the other lattice serves
                    new &= _reprojected(lent, part, group, frame, Resampling.nearest, 2) == 0
                np.copyto(heights[here], warped, where=new)
                served_by = _source_of(part, group, frame)
                np.copyto(source[here], served_by, where=new)
                if self.sources[group[0].source].voids == "sea":
                    marked = (part.values == 0) & np.signbit(part.values)
                    new &= _reprojected(marked.astype(np.uint8), part, group, frame, Resampling.nearest, 2) == 1
                    np.add.at(self.voids_as_sea, np.broadcast_to(served_by, new.shape)[new], 1)
        return heights, source

    def _read(self, tile: Tile, window: Window) -> np.ndarray:
        source = self.sources[tile.source]
        values = source.read_metres(tile, window, self.limits)
        if source.voids == "sea":
            values += np.float32(0.0)  # no zero below is negative: that sign marks the voids made sea
            values[np.isnan(values)] = -0.0
        return values

    def _lend_rim(self, part: Joined, group: list[Tile]) -> np.ndarray | None:
        """Heights of the same source's other lattices into `part`, one pixel around its own data.

        Returns where (uint8, 1), None where there are none.
        """
        beside = [other for other in self.groups if other is not group and other[0].source == group[0].source]
        valid = ~np.isnan(part.values)
        if not beside or valid.all():
            return None
        rim = ndimage.binary_dilation(valid, np.ones((3, 3), bool)) & ~valid
        frame = _Frame(part.transform, group[0].crs, *part.values.shape)
        lent = np.zeros(rim.shape, np.uint8)
        for other in beside:
            window = frame.window_of(other[0])
            there = joined(other, window, self._read, np.nan)
            if there is None:
                continue
            warped = _reprojected(there.values, there, other, frame, Resampling.bilinear, np.nan)
            use = rim & ~np.isnan(warped)
            part.values[use] = warped[use]
            lent[use] = 1
            rim &= ~use
        return lent if lent.any() else None


class _Frame:
    """Where an array of pixels lies: geotransform, coordinate system, rows, columns."""

    def __init__(self, transform: Any, crs: Any, height: int, width: int) -> None:
        self.transform, self.crs, self.shape = transform, crs, (height, width)

    def window_of(self, tile: Tile) -> Window:
        """The window of a tile's lattice that holds the frame."""
        height, width = self.shape
        t = self.transform
        corners_x, corners_y = (t.c, t.c + t.a * width + t.b * height), (t.f, t.f + t.d * width + t.e * height)
        bounds = min(corners_x), min(corners_y), max(corners_x), max(corners_y)
        if self.crs != tile.crs:
            bounds = transform_bounds(self.crs, tile.crs, *bounds)
        window = from_bounds(*bounds, transform=tile.transform)
        left, top = math.floor(window.col_off) - 2, math.floor(window.row_off) - 2
        return Window(left, top, math.ceil(window.width) + 5, math.ceil(window.height) + 5)


def _reprojected(
    values: np.ndarray, part: Joined, group: list[Tile], frame: _Frame, resampling: Resampling, empty: float,
    **options: str,
) -> np.ndarray:  # fmt: skip
    """Values on the lattice of a part, in a frame."""
    result = np.full(frame.shape, empty, values.dtype)
    reproject(
        values, result, src_transform=part.transform, src_crs=group[0].crs, src_nodata=empty,
        dst_transform=frame.transform, dst_crs=frame.crs, dst_nodata=empty, resampling=resampling,
        num_threads=os.cpu_count() or 1, **options,
    )  # fmt: skip
    return result


def _source_of(part: Joined, group: list[Tile], frame: _Frame) -> np.ndarray | np.uint8:
    numbers = {tile.source for tile in group}
    if len(numbers) == 1:
        return np.uint8(numbers.pop())
    source = _reprojected(part.source, part, group, frame, Resampling.nearest, FILLED)
    # bilinear reaches half a pixel further than nearest
    return np.where(source == FILLED, np.uint8(min(numbers)), source)


def read_elevation(
    sources: Sequence[ElevationSource], grid: Grid, voids: str = "error"
) -> tuple[np.ndarray, dict[str, Any]]:
    """Heights in metres, float32 of `grid.shape`, without NaN, and where they come from (JSON-able).

    `voids` says what happens to pixels no source has a height for (voids in the files and ground outside
    them alike): "error", "sea" (0 m) or "interpolate" (from up to 10 km around). They are counted in the
    provenance in any case. Raises TerrainError that names the file, or the place of the void.
    """
    mosaic = Mosaic(sources, grid)
    heights, source = np.empty(grid.shape, np.float32), np.empty(grid.shape, np.uint8)
    return heights, fill_elevation(mosaic, voids, heights, source)


def fill_elevation(
    mosaic: Mosaic, voids: str, heights: np.ndarray, source: np.ndarray, progress: Progress = no_progress
) -> dict[str, Any]:
    """As `read_elevation`, into given arrays of the grid's shape; `source` (uint8) receives the number of the
    source of each height, FILLED for voids. Returns the provenance."""
    if voids not in VOID_RULES:
        raise TerrainError(f"voids is {voids!r}; it must be one of {', '.join(VOID_RULES)}")
    grid = mosaic.grid
    counts = np.zeros(FILLED + 1, np.int64)
    for first, last in bands(grid):
        progress("elevation", first, grid.height)
        heights[first:last], source[first:last] = mosaic.rows(first, last)
        counts += np.bincount(source[first:last].ravel(), minlength=FILLED + 1)
    progress("elevation", grid.height, grid.height)
    missing = int(counts[FILLED])
    if missing:
        fill(heights, grid, voids)
    pixels = grid.width * grid.height
    return {
        "sources": mosaic.records,
        "served": [
            {
                "label": one.name, "surface": one.surface, "pixels": int(n), "share": int(n) / pixels,
                "voids_as_sea": int(at_sea),
            }
            for one, n, at_sea in zip(mosaic.sources, counts[: len(mosaic.sources)], mosaic.voids_as_sea, strict=True)
        ],  # fmt: skip
        "resampling": "bilinear",
        "voids": {"rule": voids, "pixels": missing, "share": missing / pixels},
        "synthetic": any(record["synthetic"] for record in mosaic.records),
    }
