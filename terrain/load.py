"""Elevation, land cover and radio-climatic zones put together into one `Ground`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.enums import Resampling
from rasterio.warp import reproject
from rasterio.windows import Window
from scipy import ndimage

from terrain.elevation import ElevationSource, read_elevation_and_surface
from terrain.grid import Grid
from terrain.ground import COASTAL_LAND, INLAND, SEA, Ground
from terrain.landcover import LandCover, read_landcover
from terrain.rasters import description, opened, overlap, shifted, strips

# A body of water at sea level below this size is a pond, a fishery or a gap in the heights.
SMALLEST_SEA_KM2 = 25.0
# Rec. ITU-R P.1812-8 Table 1: coastal land lies within 50 km of the sea and below 100 m above it.
COAST_REACH_M = 50_000.0
COAST_HEIGHT_M = 100.0
_DISTANCE_CELLS = 4_000_000
_UNKNOWN, _MASK_SEA, _MASK_LAND = 255, 0, 1


def load_ground(
    grid: Grid,
    elevation: Sequence[ElevationSource],
    *,
    voids: str = "error",
    landcover: Path | str | Sequence[Path | str] | None = None,
    legend: str | Path = "esa-worldcover",
    land_mask: Path | None = None,
    synthetic: bool = False,
    source: str = "",
) -> Ground:
    """Everything a propagation model asks of the ground, on `grid`.

    `land_mask` is an optional raster, 0 for sea and other values for land, that decides where the sea is;
    `synthetic` marks made-up ground, as does the RADIOCOV_SYNTHETIC tag of any source; `source` is the text
    users see. Clutter heights are 0 where the elevation is a surface, which already holds trees and
    buildings. Raises TerrainError as `read_elevation` and `read_landcover` do.
    """
    cover = read_landcover(landcover, legend, grid)
    heights, surface, heights_from = read_elevation_and_surface(elevation, grid, voids)
    mask, mask_from = (None, None) if land_mask is None else _read_land_mask(Path(land_mask), grid)
    sea = sea_pixels(heights, cover, grid, mask)
    class_index = _water_where_sea(cover, sea)
    clutter = np.array([c.height_m for c in cover.classes], np.float32)[class_index]
    clutter[surface] = 0.0
    zone = zones(heights, sea, grid)
    made_up = bool(synthetic or heights_from["synthetic"] or cover.provenance.get("synthetic", False))
    provenance: dict[str, Any] = {
        "source": source,
        "synthetic": made_up,
        "crs": grid.crs,
        "resolution_m": grid.resolution_m,
        "elevation": heights_from,
        "landcover": cover.provenance,
        "surface_rule": _surface_rule(surface),
        "zones": {
            "rule": "land mask" if mask is not None else "water at or below 0 m, bodies of 25 km2 or more",
            "land_mask": mask_from,
            "sea_share": float(np.mean(zone == SEA)),
            "coastal_land_share": float(np.mean(zone == COASTAL_LAND)),
        },
    }
    return Ground(grid, heights, class_index, clutter, zone, cover.classes, provenance, made_up)


def _surface_rule(surface: np.ndarray) -> str:
    share = float(surface.mean())
    if share == 0:
        return "bare ground: clutter heights of the land cover are added"
    if share == 1:
        return "surface model: clutter heights are not added, trees and buildings are in the elevation"
    return (
        f"mixed: {share:.1%} of the pixels come from a surface model and have no clutter height added; "
        "the others are bare ground and have it"
    )


def sea_pixels(
    heights: np.ndarray, cover: LandCover, grid: Grid, mask: np.ndarray | None = None
) -> np.ndarray:
    """True where the sea is.

    Without a mask (and where it has no value): at or below 0 m, water or unclassified in the land cover, and
    in a connected body of at least 25 km2 within the grid.
    """
    candidate = (heights <= 0.0) & cover.of_kind("water", "nodata")
    labels, count = ndimage.label(candidate, structure=np.ones((3, 3), int))
    sizes = np.bincount(labels.ravel(), minlength=count + 1) * (grid.resolution_m / 1000.0) ** 2
    large = sizes >= SMALLEST_SEA_KM2
    large[0] = False
    sea = large[labels]
    return sea if mask is None else np.where(mask == _UNKNOWN, sea, mask == _MASK_SEA)


def zones(heights: np.ndarray, sea: np.ndarray, grid: Grid) -> np.ndarray:
    """Zone codes (uint8): SEA, COASTAL_LAND, INLAND (Rec. ITU-R P.1812-8 Table 1).

    Only the sea within the grid counts for the distance. On grids above four million pixels that distance is
    taken on blocks of pixels; it is then short by less than the diagonal of a block.
    """
    zone = np.full(sea.shape, INLAND, np.uint8)
    if sea.any():
        block = max(1, math.ceil(math.sqrt(sea.size / _DISTANCE_CELLS)))
        rows, cols = (-n % block for n in sea.shape)
        padded = np.pad(sea, ((0, rows), (0, cols)))
        cells = padded.reshape(padded.shape[0] // block, block, -1, block).any(axis=(1, 3))
        far = ndimage.distance_transform_edt(~cells) * (block * grid.resolution_m)
        near = np.repeat(np.repeat(far <= COAST_REACH_M, block, 0), block, 1)
        zone[near[: sea.shape[0], : sea.shape[1]] & (heights < COAST_HEIGHT_M)] = COASTAL_LAND
    zone[sea] = SEA
    return zone


def _water_where_sea(cover: LandCover, sea: np.ndarray) -> np.ndarray:
    """Class indices with the unclassified pixels of the sea made water: satellite maps often stop at sea."""
    water = [at for at, one in enumerate(cover.classes) if one.kind == "water"]
    if not water:
        return cover.class_index
    unknown = sea & (cover.class_index == len(cover.classes) - 1)
    return np.where(unknown, np.uint8(water[0]), cover.class_index)


def _read_land_mask(path: Path, grid: Grid) -> tuple[np.ndarray, dict[str, Any]]:
    result = np.full(grid.shape, _UNKNOWN, np.uint8)
    with opened(path, "land-mask") as dataset:
        frame = Window(0, 0, dataset.width, dataset.height)
        for top, bottom, window in strips(dataset.crs, dataset.transform, grid):
            part = overlap(window, frame)
            if part is None:
                continue
            values = dataset.read(1, window=part, masked=True)
            flags = np.where(values.data == 0, _MASK_SEA, _MASK_LAND).astype(np.uint8)
            # A mask whose declared void is 0 means sea by it: masks are often written so.
            void = np.ma.getmaskarray(values) & (values.data != 0)
            flags[void] = _UNKNOWN
            reproject(
                flags,
                result[top:bottom],
                src_transform=shifted(dataset.transform, part.col_off, part.row_off),
                src_crs=dataset.crs,
                src_nodata=_UNKNOWN,
                dst_transform=shifted(grid.transform, 0, top),
                dst_crs=grid.crs,
                dst_nodata=_UNKNOWN,
                resampling=Resampling.nearest,
            )
        return result, description(dataset, path, grid)
