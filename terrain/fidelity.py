"""What a grid loses against the sources it was made from: measured at their own pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from rasterio.windows import Window

from terrain.elevation import Mosaic
from terrain.ground import Ground
from terrain.mosaic import Tile
from terrain.profile import bilinear
from terrain.rasters import Progress, apply, no_progress, overlap, source_window

# Up to here every source pixel is looked at; beyond, those of patches spread evenly over the grid.
MOST_PIXELS = 3_000_000
PATCHES, PATCH = 13, 128  # patches a side, pixels a side


def grid_loss(ground: Ground, mosaic: Mosaic, progress: Progress = no_progress) -> list[dict[str, Any]]:
    """For each source that serves pixels: source heights less the bilinear reading of the grid.

    {"label", "source_pixels", "mean_m", "rms_m", "p95_m", "max_m"}, p95 and max of absolute differences; source
    pixels count where the four grid pixels around are served by that source. The grid is `mosaic.grid`.
    """
    found: list[list[np.ndarray]] = [[] for _ in mosaic.sources]
    parts = list(_parts(mosaic))
    for done, (tile, window) in enumerate(parts):
        progress("what the grid loses", done, len(parts))
        found[tile.source].append(_differences(ground, mosaic, tile, window))
    progress("what the grid loses", len(parts), len(parts))
    return [
        {"label": source.name, **_figures(np.concatenate(values))}
        for source, values in zip(mosaic.sources, found, strict=True)
        if sum(v.size for v in values)
    ]


def _figures(differences: np.ndarray) -> dict[str, Any]:
    size = np.abs(differences)
    return {
        "source_pixels": int(size.size),
        "mean_m": float(differences.mean(dtype=np.float64)),
        "rms_m": float(np.sqrt(np.mean(np.square(differences, dtype=np.float64)))),
        "p95_m": float(np.percentile(size, 95)),
        "max_m": float(size.max()),
    }


def _parts(mosaic: Mosaic) -> Iterator[tuple[Tile, Window]]:
    grid = mosaic.grid
    whole = []
    for tile in mosaic.tiles:
        window = source_window(tile.crs, tile.transform, grid, (0, grid.height), margin=0)
        part = None if window is None else overlap(window, Window(0, 0, tile.width, tile.height))
        if part is not None:
            whole.append((tile, part))
    if sum(part.width * part.height for _, part in whole) <= MOST_PIXELS:
        yield from whole
        return
    middle = (np.arange(PATCHES) + 0.5) / PATCHES
    rows, cols = np.meshgrid(middle * grid.height - 0.5, middle * grid.width - 0.5, indexing="ij")
    x, y = grid.centre_xy(rows.ravel(), cols.ravel())
    for tile, part in whole:
        across, down = apply(~tile.transform, *_transformer(grid.crs, tile.crs).transform(x, y))
        for col, row in zip(across, down, strict=True):
            if np.isfinite(col) and np.isfinite(row):
                patch = Window(int(col) - PATCH // 2, int(row) - PATCH // 2, PATCH, PATCH)
                inside = overlap(patch, part)
                if inside is not None:
                    yield tile, inside


def _transformer(source: Any, target: Any) -> Any:
    from pyproj import CRS, Transformer

    def parsed(crs: Any) -> CRS:
        return CRS.from_user_input(crs if isinstance(crs, str) else crs.to_wkt())

    return Transformer.from_crs(parsed(source), parsed(target), always_xy=True)


def _differences(ground: Ground, mosaic: Mosaic, tile: Tile, window: Window) -> np.ndarray:
    grid = ground.grid
    heights = mosaic.sources[tile.source].read_metres(tile, window, mosaic.limits)
    rows, cols = np.nonzero(~np.isnan(heights))
    x, y = apply(tile.transform, cols + window.col_off + 0.5, rows + window.row_off + 0.5)
    row, col = grid.rowcol(*_transformer(tile.crs, grid.crs).transform(x, y))
    # within the centres of the outermost pixels, where the reading is bilinear
    inside = (row >= 0) & (col >= 0) & (row <= grid.height - 1) & (col <= grid.width - 1)
    rows, cols, row, col = rows[inside], cols[inside], row[inside], col[inside]
    if ground.elevation_source is not None:
        # where two sources meet, a reading mixes them: that is no loss of the grid
        r0, c0 = row.astype(np.intp), col.astype(np.intp)
        r1, c1 = np.minimum(r0 + 1, grid.height - 1), np.minimum(c0 + 1, grid.width - 1)
        own = np.ones(row.shape, bool)
        for pixels in ((r0, c0), (r0, c1), (r1, c0), (r1, c1)):
            own &= ground.elevation_source[pixels] == tile.source
        rows, cols, row, col = rows[own], cols[own], row[own], col[own]
    return (heights[rows, cols] - bilinear(ground.elevation_m, row, col)).astype(np.float32)
