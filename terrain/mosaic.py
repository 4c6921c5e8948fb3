"""Rasters on one lattice joined before they are resampled, so that no seam appears where tiles meet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import Affine
from rasterio.windows import Window, intersection

from terrain.errors import TerrainError
from terrain.grid import Grid
from terrain.rasters import apply, overlap, shifted, source_window

ReadPart = Callable[["Tile", Window], np.ndarray]
# Ellipsoids that differ from WGS 84 by less than any raster here resolves.
_LIKE_WGS84 = ("WGS 84", "GRS 1980", "CGCS2000")


@dataclass(frozen=True)
class Tile:
    """A raster file as its header describes it; `col`, `row` place it on the lattice of its group.

    source: number of the declared source it belongs to.
    """

    path: Path
    source: int
    crs: rasterio.CRS
    transform: Affine
    width: int
    height: int
    col: int = 0
    row: int = 0

    @property
    def frame(self) -> Window:
        return Window(self.col, self.row, self.width, self.height)

    def meets(self, grid: Grid) -> bool:
        window = source_window(self.crs, self.transform, grid, (0, grid.height))
        return window is not None and overlap(window, Window(0, 0, self.width, self.height)) is not None


def unwrapped(tile: Tile, grid: Grid) -> list[Tile]:
    """The copies of a tile, 360 degrees apart, that meet a grid: one or none, except at the antimeridian.

    There a raster in degrees is described relative to the grid's own meridian, so that its columns go on
    from 180 E to 180 W. TerrainError for a datum with which that would shift the ground.
    """
    if not (tile.crs.is_geographic and grid.crosses_antimeridian()):
        return [tile] if tile.meets(grid) else []
    from pyproj import CRS

    ellipsoid = CRS.from_wkt(tile.crs.to_wkt()).ellipsoid
    if ellipsoid is None or ellipsoid.name not in _LIKE_WGS84:
        raise TerrainError(
            f"{tile.path}: at the antimeridian a raster in degrees has to be in WGS 84, not on the ellipsoid "
            f"{ellipsoid.name if ellipsoid else 'unknown'!r}; warp it to EPSG:4326 first"
        )
    meridian = grid.centre_lonlat()[0]
    crs = rasterio.CRS.from_string(f"+proj=longlat +datum=WGS84 +pm={meridian!r} +no_defs +type=crs")
    t = tile.transform
    copies = [
        replace(tile, crs=crs, transform=Affine(t.a, t.b, t.c + turn - meridian, t.d, t.e, t.f))
        for turn in (-360.0, 0.0, 360.0)
    ]
    return [copy for copy in copies if copy.meets(grid)]


def groups(tiles: Sequence[Tile], alike: Callable[[int, int], bool]) -> list[list[Tile]]:
    """Tiles on one lattice, in the order of their sources, which is their priority.

    Within a source every lattice makes a group; groups of consecutive sources are one where `alike(source,
    source)` says so and the lattice goes on. A lattice that comes again after another source does not join
    it, or it would overtake that source.
    """
    found: list[list[Tile]] = []
    for tile in tiles:
        for group in reversed(found):
            last = group[-1].source
            if last != tile.source and not (group is found[-1] and alike(last, tile.source)):
                continue
            placed = _on_lattice(group[0], tile)
            if placed is not None:
                group.append(placed)
                break
        else:
            found.append([tile])
    return found


def _on_lattice(first: Tile, tile: Tile) -> Tile | None:
    """`tile` placed in pixels of `first`, where both share crs, step and alignment; else None."""
    a, b = first.transform, tile.transform
    if first.crs != tile.crs:
        return None
    steps = zip((a.a, a.b, a.d, a.e), (b.a, b.b, b.d, b.e), strict=True)
    size = abs(a.a) + abs(a.b)
    reach = max(first.width, first.height, tile.width, tile.height)
    # Steps may differ by rounding only: less than a hundredth of a pixel from one end of a tile to the other.
    if any(abs(p - q) * reach > 0.01 * size for p, q in steps):
        return None
    col, row = apply(~a, b.c, b.f)
    if abs(col - round(col)) > 0.01 or abs(row - round(row)) > 0.01:
        return None
    return replace(tile, col=round(col), row=round(row))


@dataclass(frozen=True, eq=False)
class Joined:
    """Part of a lattice: the values, the number of the source of each, where the first pixel lies."""

    values: np.ndarray
    source: np.ndarray  # uint8
    transform: Affine


def joined(group: list[Tile], window: Window, read: ReadPart, empty: float) -> Joined | None:
    """The tiles of a group within a window of its lattice, the first on top; `empty` (or NaN) where none is.

    None where none lies in the window. The arrays are no larger than the tiles in it and one pixel around,
    which is for what lies beyond their edge on another lattice.
    """
    inside = [tile for tile in group if overlap(window, tile.frame)]
    if not inside:
        return None
    left, top = min(t.col for t in inside), min(t.row for t in inside)
    right, bottom = max(t.col + t.width for t in inside), max(t.row + t.height for t in inside)
    window = intersection(window, Window(left - 1, top - 1, right - left + 2, bottom - top + 2))
    shape = int(window.height), int(window.width)
    values: np.ndarray | None = None
    source = np.zeros(shape, np.uint8)
    for tile in inside:
        part = intersection(tile.frame, window)
        row, col = int(part.row_off - window.row_off), int(part.col_off - window.col_off)
        there = np.s_[row : row + int(part.height), col : col + int(part.width)]
        if values is not None and not is_empty(values[there], empty).any():
            continue
        here = read(tile, Window(part.col_off - tile.col, part.row_off - tile.row, part.width, part.height))
        if values is None:
            values = np.full(shape, empty, here.dtype)
        new = is_empty(values[there], empty)
        np.copyto(source[there], tile.source, where=new)
        np.copyto(values[there], here, where=new)
    return Joined(values, source, shifted(group[0].transform, window.col_off, window.row_off))


def is_empty(values: np.ndarray, empty: float) -> np.ndarray:
    return np.isnan(values) if np.isnan(empty) else values == empty
