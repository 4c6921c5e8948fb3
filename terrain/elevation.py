"""Elevation of every pixel of a grid, from any rasters GDAL opens.

Sources are mosaicked in their order: a void in one falls through to the next. Neighbours in that order that
share one lattice (the tiles of SRTM, Copernicus or DTED) are joined before they are resampled, so that no
seam appears at their borders. Resampling is GDAL's bilinear warp.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.fill import fillnodata
from rasterio.transform import Affine
from rasterio.warp import reproject
from rasterio.windows import Window, intersection
from scipy import ndimage

from terrain.errors import TerrainError
from terrain.grid import Grid
from terrain.rasters import apply, description, opened, overlap, shifted, strips

METRES = {"m": 1.0, "ft": 0.3048}
VOID_RULES = ("error", "sea", "interpolate")
# Farther than this from data an interpolated height would be an invention.
MAX_FILL_M = 10_000.0
# What SRTM and DTED write for a void; taken as one when a file declares no void value of its own.
USUAL_VOIDS = (-32768, -32767)
# No ground on Earth lies outside: a value there is an undeclared void or a wrong unit.
LOWEST_M, HIGHEST_M = -1000.0, 9000.0


@dataclass(frozen=True)
class ElevationSource:
    """One file of heights above sea level; `surface` says that trees and buildings are in them."""

    path: Path
    vertical_unit: str = "m"
    surface: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))
        if self.vertical_unit not in METRES:
            raise TerrainError(f"{self.path}: vertical_unit {self.vertical_unit!r} must be 'm' or 'ft'")


@dataclass(frozen=True)
class _Tile:
    """A source with what its header says; `col`, `row` place it on the lattice of its group."""

    source: ElevationSource
    crs: rasterio.CRS
    transform: Affine
    width: int
    height: int
    col: int = 0
    row: int = 0


def read_elevation(
    sources: Sequence[ElevationSource], grid: Grid, voids: str = "error"
) -> tuple[np.ndarray, dict[str, Any]]:
    """Heights in metres, float32 of `grid.shape`, without NaN, and where they come from (JSON-able).

    `voids` says what happens to pixels no source has a height for (voids in the files and ground outside
    them alike): "error", "sea" (0 m) or "interpolate" (from up to 10 km around). They are counted in the
    provenance in any case. Raises TerrainError that names the file, or the place of the void.
    """
    heights, _, provenance = read_elevation_and_surface(sources, grid, voids)
    return heights, provenance


def read_elevation_and_surface(
    sources: Sequence[ElevationSource], grid: Grid, voids: str = "error"
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """As `read_elevation`, with a boolean array between: True where the height came from a surface model."""
    if voids not in VOID_RULES:
        raise TerrainError(f"voids is {voids!r}; it must be one of {', '.join(VOID_RULES)}")
    if not sources:
        raise TerrainError("no elevation source is given; name at least one raster of heights")
    tiles, records = [], []
    for source in sources:
        with opened(source.path, "elevation") as dataset:
            _check_unit(dataset, source)
            records.append(
                description(dataset, source.path, grid)
                | {"vertical_unit": source.vertical_unit, "surface": source.surface}
            )
            tiles.append(_Tile(source, dataset.crs, dataset.transform, dataset.width, dataset.height))

    heights = np.full(grid.shape, np.nan, np.float32)
    surface = np.zeros(grid.shape, bool)
    for group in _groups(tiles):
        if not np.isnan(heights).any():
            break
        warped = _warp(group, grid)
        new = np.isnan(heights) & ~np.isnan(warped)
        heights[new] = warped[new]
        surface[new] = group[0].source.surface

    empty = np.isnan(heights)
    missing = int(empty.sum())
    if missing:
        _fill(heights, empty, grid, voids)
    provenance = {
        "sources": records,
        "resampling": "bilinear",
        "voids": {"rule": voids, "pixels": missing, "share": missing / heights.size},
        "synthetic": any(record["synthetic"] for record in records),
    }
    return heights, surface, provenance


def _check_unit(dataset: rasterio.DatasetReader, source: ElevationSource) -> None:
    """A unit written in the file that contradicts the one given would spoil every height silently."""
    declared = (dataset.units[0] or "").strip().lower()
    feet = declared in ("ft", "feet", "foot", "us survey foot", "foot_us", "us-ft", "ftus")
    metres = declared in ("m", "metre", "meter", "metres", "meters")
    if (feet and source.vertical_unit == "m") or (metres and source.vertical_unit == "ft"):
        right = "ft" if feet else "m"
        raise TerrainError(
            f"{source.path}: the file says its heights are in {declared!r} but vertical_unit is "
            f"{source.vertical_unit!r}; set vertical_unit = {right!r}"
        )


def _groups(tiles: list[_Tile]) -> list[list[_Tile]]:
    """Runs of consecutive tiles on one lattice; a run broken by another source would break the priority."""
    groups: list[list[_Tile]] = []
    for tile in tiles:
        placed = _on_lattice(groups[-1][0], tile) if groups else None
        if placed is not None:
            groups[-1].append(placed)
        else:
            groups.append([tile])
    return groups


def _on_lattice(first: _Tile, tile: _Tile) -> _Tile | None:
    """`tile` placed in pixels of `first`, where both share crs, step, alignment and kind; else None."""
    a, b = first.transform, tile.transform
    if first.crs != tile.crs or first.source.surface != tile.source.surface:
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
    return _Tile(tile.source, tile.crs, tile.transform, tile.width, tile.height, round(col), round(row))


def _warp(group: list[_Tile], grid: Grid) -> np.ndarray:
    """The group on the grid, float32 with NaN for voids; in strips, so that a fine source stays in memory."""
    first = group[0]
    result = np.full(grid.shape, np.nan, np.float32)
    for top, bottom, window in strips(first.crs, first.transform, grid):
        joined = _joined(group, window)
        if joined is None:
            continue
        heights, transform = joined
        part = np.full((bottom - top, grid.width), np.nan, np.float32)
        reproject(
            heights,
            part,
            src_transform=transform,
            src_crs=first.crs,
            src_nodata=np.nan,
            dst_transform=shifted(grid.transform, 0, top),
            dst_crs=grid.crs,
            dst_nodata=np.nan,
            resampling=Resampling.bilinear,
        )
        result[top:bottom] = part
    return result


def _joined(group: list[_Tile], window: Window) -> tuple[np.ndarray, Affine] | None:
    """The tiles of a group within a window of its lattice: float32 heights in metres, NaN for voids."""
    frames = [Window(t.col, t.row, t.width, t.height) for t in group]
    inside = [(tile, frame) for tile, frame in zip(group, frames, strict=True) if overlap(window, frame)]
    if not inside:
        return None
    # No larger than the tiles that lie in it, or a small tile under a large grid would cost the large array.
    left, top = min(f.col_off for _, f in inside), min(f.row_off for _, f in inside)
    right = max(f.col_off + f.width for _, f in inside)
    bottom = max(f.row_off + f.height for _, f in inside)
    window = intersection(window, Window(left, top, right - left, bottom - top))
    heights = np.full((int(window.height), int(window.width)), np.nan, np.float32)
    for tile, frame in inside:
        part = intersection(frame, window)
        row, col = int(part.row_off - window.row_off), int(part.col_off - window.col_off)
        place = heights[row : row + int(part.height), col : col + int(part.width)]
        if not np.isnan(place).any():
            continue
        own = Window(part.col_off - tile.col, part.row_off - tile.row, part.width, part.height)
        values = _read_metres(tile.source, own)
        np.copyto(place, values, where=np.isnan(place))
    transform = shifted(group[0].transform, window.col_off, window.row_off)
    return heights, transform


def _read_metres(source: ElevationSource, window: Window) -> np.ndarray:
    with opened(source.path, "elevation") as dataset:
        band = dataset.read(1, window=window, masked=True)
        void = np.ma.getmaskarray(band)
        if dataset.nodata is None:
            void = void | np.isin(band.data, USUAL_VOIDS)
        scale, offset = dataset.scales[0], dataset.offsets[0]
    values = band.data.astype(np.float64) if scale != 1 or offset != 0 else band.data.astype(np.float32)
    values = (values * scale + offset) * METRES[source.vertical_unit]
    values = np.where(void | ~np.isfinite(values), np.nan, values).astype(np.float32)
    wrong = (values < LOWEST_M) | (values > HIGHEST_M)
    if wrong.any():
        raise TerrainError(
            f"{source.path}: {int(wrong.sum())} heights lie outside {LOWEST_M:.0f} to {HIGHEST_M:.0f} m, "
            f"e.g. {float(values[wrong][0]):g} m; declare the void value of the file or its vertical_unit"
        )
    return values


def _fill(heights: np.ndarray, empty: np.ndarray, grid: Grid, voids: str) -> None:
    if voids == "sea":
        heights[empty] = 0.0
        return
    if voids == "interpolate" and not empty.all():
        reach = max(1, math.ceil(MAX_FILL_M / grid.resolution_m))
        heights[:] = fillnodata(heights.copy(), mask=~empty, max_search_distance=reach)
        far = np.isnan(heights)
        if not far.any():
            return
        empty = far
    lon, lat = _middle_of_largest(empty, grid)
    count = int(empty.sum())
    where = f"{count} pixels ({count / empty.size:.2%}), the largest void around {lon:.4f} E {lat:.4f} N"
    if voids == "interpolate":
        raise TerrainError(
            f"elevation: too far from any height to interpolate ({MAX_FILL_M / 1000:.0f} km) at {where}; "
            "add a source that covers it, or set voids = 'sea' if it is sea"
        )
    raise TerrainError(
        f"elevation: no height for {where}; add a source that covers it, or set voids = 'interpolate' "
        "(fills small holes) or 'sea' (0 m)"
    )


def _middle_of_largest(mask: np.ndarray, grid: Grid) -> tuple[float, float]:
    """Longitude and latitude of the pixel of the largest connected body that is nearest to its centroid."""
    labels, count = ndimage.label(mask)
    largest = np.argmax(np.bincount(labels.ravel(), minlength=count + 1)[1:]) + 1
    rows, cols = np.nonzero(labels == largest)
    nearest = np.argmin((rows - rows.mean()) ** 2 + (cols - cols.mean()) ** 2)
    lon, lat = grid.to_lonlat(*grid.centre_xy(float(rows[nearest]), float(cols[nearest])))
    return lon, lat
