"""Where the sea is, and the radio-climatic zones that follow from it (Rec. ITU-R P.1812-8 Table 1)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.enums import Resampling
from rasterio.warp import reproject
from rasterio.windows import Window
from scipy import ndimage, sparse

from terrain.files import Digests
from terrain.grid import Grid
from terrain.ground import COASTAL_LAND, INLAND, SEA, ClutterClass
from terrain.landcover import of_kind
from terrain.rasters import bands, crs_of, description, opened, overlap, shifted, strips

# A body of water at sea level below this size is a pond, a fishery or a gap in the heights.
SMALLEST_SEA_KM2 = 25.0
# Rec. ITU-R P.1812-8 Table 1: coastal land lies within 50 km of the sea and below 100 m above it.
COAST_REACH_M = 50_000.0
COAST_HEIGHT_M = 100.0
_DISTANCE_CELLS = 4_000_000
_UNKNOWN, _MASK_SEA, _MASK_LAND = 255, 0, 1
_EIGHT = np.ones((3, 3), int)


def mark_sea(
    zone: np.ndarray, heights: np.ndarray, index: np.ndarray, classes: Sequence[ClutterClass], grid: Grid,
    mask: Callable[[int, int], np.ndarray] | None = None,
) -> None:  # fmt: skip
    """SEA and INLAND into `zone` (uint8).

    Sea is at or below 0 m, water or unclassified in the land cover, and in a connected body of at least 25 km2
    within the grid. A `mask`, rows first <= row < last of a land mask, decides instead where it has a value.
    """
    wet = of_kind(classes, "water", "nodata")

    def labelled(first: int, last: int) -> tuple[np.ndarray, int]:
        return ndimage.label((heights[first:last] <= 0.0) & wet[index[first:last]], structure=_EIGHT)

    large = _large_bodies(labelled, grid)
    offset = 0
    for first, last in bands(grid):
        labels, count = labelled(first, last)
        here = np.concatenate([[False], large[offset : offset + count]])[labels]
        offset += count
        if mask is not None:
            flags = mask(first, last)
            here = np.where(flags == _UNKNOWN, here, flags == _MASK_SEA)
        zone[first:last] = np.where(here, np.uint8(SEA), np.uint8(INLAND))


def _large_bodies(labelled: Callable[[int, int], tuple[np.ndarray, int]], grid: Grid) -> np.ndarray:
    """For each label of each band in turn, whether its whole body is large enough; bodies go on across bands."""
    sizes: list[np.ndarray] = []
    touching: list[np.ndarray] = []
    offset = 0
    above: np.ndarray | None = None
    for first, last in bands(grid):
        labels, count = labelled(first, last)
        sizes.append(np.bincount(labels.ravel(), minlength=count + 1)[1:])
        top = np.where(labels[0] > 0, labels[0] + offset, 0)
        if above is not None:
            padded = np.pad(above, 1)
            for side in (padded[:-2], padded[1:-1], padded[2:]):
                both = (side > 0) & (top > 0)
                touching.append(np.unique(np.stack([side[both], top[both]]), axis=1))
        above = np.where(labels[-1] > 0, labels[-1] + offset, 0)
        offset += count
    if not offset:
        return np.zeros(0, bool)
    pairs = np.concatenate(touching, axis=1) - 1 if touching else np.zeros((2, 0), int)
    graph = sparse.coo_array((np.ones(pairs.shape[1], bool), tuple(pairs)), shape=(offset, offset))
    _, body = sparse.csgraph.connected_components(graph, directed=False)
    pixels = np.bincount(body, weights=np.concatenate(sizes))[body]
    return pixels * (grid.resolution_m / 1000.0) ** 2 >= SMALLEST_SEA_KM2


def mark_coast(zone: np.ndarray, heights: np.ndarray, grid: Grid) -> None:
    """COASTAL_LAND into a `zone` that says where the sea is.

    Only the sea within the grid counts for the distance. On grids above four million pixels that distance is
    taken on blocks of pixels; it is then short by less than the diagonal of a block.
    """
    block = max(1, math.ceil(math.sqrt(zone.size / _DISTANCE_CELLS)))
    height, width = -(-grid.height // block), -(-grid.width // block)
    cells = np.zeros((height, width), bool)
    starts = np.arange(0, grid.width, block)
    for row in range(height):
        sea = (zone[row * block : (row + 1) * block] == SEA).any(axis=0)
        cells[row] = np.logical_or.reduceat(sea, starts)
    if not cells.any():
        return
    near = ndimage.distance_transform_edt(~cells) * (block * grid.resolution_m) <= COAST_REACH_M
    for first, last in bands(grid):
        rows = near[np.arange(first, last) // block]
        here = zone[first:last]
        coast = np.repeat(rows, block, axis=1)[:, : grid.width] & (heights[first:last] < COAST_HEIGHT_M)
        here[coast & (here != SEA)] = COASTAL_LAND


def water_where_sea(index: np.ndarray, classes: Sequence[ClutterClass], zone: np.ndarray, grid: Grid) -> None:
    """Unclassified pixels of the sea become water: satellite maps often stop at the sea."""
    water = [at for at, one in enumerate(classes) if one.kind == "water"]
    if not water:
        return
    for first, last in bands(grid):
        here = index[first:last]
        here[(zone[first:last] == SEA) & (here == len(classes) - 1)] = water[0]


class LandMask:
    """A raster that is 0 where the sea is and another value on land; `record` is its provenance."""

    def __init__(self, path: Path, grid: Grid, digests: Digests) -> None:
        self.path, self.grid = path, grid
        with opened(path, "land-mask") as dataset:
            self.crs = crs_of(dataset, path)
            self.record: dict[str, Any] = description(dataset, path, grid, digests, self.crs)

    def rows(self, first: int, last: int) -> np.ndarray:
        result = np.full((last - first, self.grid.width), _UNKNOWN, np.uint8)
        with opened(self.path, "land-mask") as dataset:
            frame = Window(0, 0, dataset.width, dataset.height)
            for top, bottom, window in strips(self.crs, dataset.transform, self.grid, (first, last)):
                part = overlap(window, frame)
                if part is None:
                    continue
                values = dataset.read(1, window=part, masked=True)
                flags = np.where(values.data == 0, _MASK_SEA, _MASK_LAND).astype(np.uint8)
                # A mask whose declared void is 0 means sea by it: masks are often written so.
                flags[np.ma.getmaskarray(values) & (values.data != 0)] = _UNKNOWN
                reproject(
                    flags, result[top - first : bottom - first],
                    src_transform=shifted(dataset.transform, part.col_off, part.row_off), src_crs=self.crs,
                    src_nodata=_UNKNOWN, dst_transform=shifted(self.grid.transform, 0, top), dst_crs=self.grid.crs,
                    dst_nodata=_UNKNOWN, resampling=Resampling.nearest,
                )  # fmt: skip
        return result
