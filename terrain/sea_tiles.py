"""Tiles that GLO-30 does not have because they are sea: made, and told from tiles that are only missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import Affine
from rasterio.windows import Window

from terrain.files import whole
from terrain.products import TileName
from terrain.rasters import opened

SEA_TAG = "RADIOCOV_SEA"
# A tile exists where there is any land in it, so that the edge towards a tile of sea lies at the water.
SHORE_M, SHORE_SHARE = 5.0, 0.02


def sea_file(folder: Path, tile: TileName) -> Path:
    return folder / f"{tile.stem}.sea.tif"


def glo30_columns(lat: int) -> int:
    """Columns of a GLO-30 tile by the latitude of its southern edge (table in the bucket's readme)."""
    nearest = lat if lat >= 0 else -lat - 1
    return next(columns for top, columns in (
        (50, 3600), (60, 2400), (70, 1800), (80, 1200), (85, 720), (90, 360)) if nearest < top)  # fmt: skip


def write_sea(tile: TileName, path: Path) -> None:
    """A GLO-30 tile of nothing but sea: heights 0 on the lattice of its neighbours, in a file of a few kilobytes."""
    columns, rows = glo30_columns(tile.lat), 3600
    # pixel centres of the first row and column lie on the degree
    transform = Affine(1 / columns, 0, tile.lon - 0.5 / columns, 0, -1 / rows, tile.lat + 1 + 0.5 / rows)
    with whole(path) as partial, rasterio.open(
        partial, "w", driver="GTiff", width=columns, height=rows, count=1, dtype="float32", crs="EPSG:4326",
        transform=transform, tiled=True, blockxsize=512, blockysize=512, compress="deflate", SPARSE_OK="TRUE",
    ) as dataset:  # fmt: skip
        dataset.write(np.zeros((1, 1, 1), np.float32), window=((0, 1), (0, 1)))
        dataset.update_tags(**{SEA_TAG: f"{tile.stem} is not in the public GLO-30: open sea"})
        dataset.set_band_unit(1, "m")


def neighbours(tile: TileName) -> Iterator[tuple[TileName, str]]:
    """The four tiles around, each with the edge ("west", "east", "south", "north") that it has in common."""
    for d_lat, d_lon, edge in ((0, 1, "west"), (0, -1, "east"), (1, 0, "south"), (-1, 0, "north")):
        yield TileName(tile.product, tile.lat + d_lat, (tile.lon + d_lon + 180) % 360 - 180), edge


def ends_on_land(path: Path, edge: str) -> bool:
    """Whether ground above the shore reaches an edge of a tile; False where there is no tile."""
    if not path.exists():
        return False
    with opened(path, "elevation") as dataset:
        rows, cols = dataset.shape
        window = {"west": Window(0, 0, 1, rows), "east": Window(cols - 1, 0, 1, rows),
                  "north": Window(0, 0, cols, 1), "south": Window(0, rows - 1, cols, 1)}[edge]  # fmt: skip
        heights = dataset.read(1, window=window)
    return float(np.mean(heights > SHORE_M)) > SHORE_SHARE
