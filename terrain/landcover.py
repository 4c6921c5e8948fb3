"""Land cover of every pixel of a grid, as indices into the classes of a legend."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.warp import reproject
from rasterio.windows import Window

from terrain.errors import TerrainError
from terrain.files import Digests, rasters_of
from terrain.grid import Grid
from terrain.ground import ClutterClass
from terrain.legend import legend_path, read_legend
from terrain.mosaic import Tile, groups, joined, unwrapped
from terrain.rasters import (
    Progress,
    bands,
    crs_of,
    description,
    native_step_m,
    no_progress,
    opened,
    shifted,
    strips,
    warp_scales,
)

NO_DATA = ClutterClass(-1, "no-data", "No data", "无数据", 0.0, "rural", 7.3, "nodata")
# A grid pixel at least this many source pixels wide takes the commonest class in it, else the nearest.
MODE_FROM_RATIO = 2.0
_EMPTY = 255
_LISTED = 20  # unknown codes that an error names


@dataclass(frozen=True, eq=False)
class LandCover:
    """`class_index`: uint8 of the grid's shape, index into `classes`; the last class is "no data"."""

    class_index: np.ndarray
    classes: list[ClutterClass]
    provenance: dict[str, Any]


def of_kind(classes: Sequence[ClutterClass], *kinds: str) -> np.ndarray:
    """Boolean array by class index: whether the class is of one of the kinds."""
    return np.array([c.kind in kinds for c in classes])


class CoverFiles:
    """The files of a land-cover map over one grid and their legend; `records` are their provenance.

    paths: a file, several, folders, patterns; the first lies on top. None: no land cover. Raises TerrainError
    for a bad legend or file.
    """

    def __init__(
        self, paths: Path | str | Sequence[Path | str] | None, legend: str | Path, grid: Grid,
        digests: Digests | None = None, progress: Progress = no_progress,
    ) -> None:  # fmt: skip
        self.grid, self.legend = grid, legend
        self.records: list[dict[str, Any]] = []
        self.groups: list[list[Tile]] = []
        self.legend_sha256 = None
        self.read_classes: list[ClutterClass] = []
        if paths is None:
            return
        digests = digests or Digests()
        self.read_classes = read_legend(legend)
        self.legend_sha256 = digests.sha256(legend_path(legend))
        tiles: list[Tile] = []
        files = rasters_of([paths] if isinstance(paths, str | Path) else paths, "land-cover")
        for done, path in enumerate(files, start=1):
            progress("checking the files of land cover", done, len(files))
            with opened(path, "land-cover") as dataset:
                if np.dtype(dataset.dtypes[0]).kind not in "iu":
                    raise TerrainError(
                        f"{path}: land cover must hold whole-number codes, not {dataset.dtypes[0]}"
                    )
                crs = crs_of(dataset, path)
                tile = Tile(path, 0, crs, dataset.transform, dataset.width, dataset.height)
                copies = unwrapped(tile, grid)
                if not copies:
                    continue
                tiles += copies
                how = "mode" if _is_fine(tile, grid) else "nearest"
                self.records.append(description(dataset, path, grid, digests, crs) | {"resampling": how})
        self.groups = groups(tiles, lambda one, other: True)
        named = [c for c in self.read_classes if c.kind != "nodata"]
        # Rows of kind "nodata" leave the list: one class of that name is enough, and it stands last.
        self._lookup = np.full(256, len(named), np.uint8)
        for old, one in enumerate(self.read_classes):
            if one.kind != "nodata":
                self._lookup[old] = named.index(one)

    @property
    def classes(self) -> list[ClutterClass]:
        """The classes that pixels get, "no data" last."""
        return [c for c in self.read_classes if c.kind != "nodata"] + [NO_DATA]

    def rows(self, first: int, last: int) -> np.ndarray:
        """Class indices (uint8) of rows first <= row < last."""
        index = np.full((last - first, self.grid.width), _EMPTY, np.uint8)
        for group in self.groups:
            tile = group[0]
            for top, bottom, window in strips(tile.crs, tile.transform, self.grid, (first, last)):
                here = index[top - first : bottom - first]
                part = joined(group, window, self._read, _EMPTY) if (here == _EMPTY).any() else None
                if part is None:
                    continue
                warped = np.full(here.shape, _EMPTY, np.uint8)
                reproject(
                    part.values, warped, src_transform=part.transform, src_crs=tile.crs, src_nodata=_EMPTY,
                    dst_transform=shifted(self.grid.transform, 0, top), dst_crs=self.grid.crs, dst_nodata=_EMPTY,
                    resampling=Resampling.mode if _is_fine(tile, self.grid) else Resampling.nearest,
                    num_threads=os.cpu_count() or 1, **warp_scales(tile.crs, tile.transform, self.grid),
                )  # fmt: skip
                np.copyto(here, warped, where=here == _EMPTY)
        return self._lookup[index] if self.groups else np.full(index.shape, len(self.classes) - 1, np.uint8)

    def _read(self, tile: Tile, window: Window) -> np.ndarray:
        """Positions in `read_classes`, 255 where the file has no value."""
        with opened(tile.path, "land-cover") as dataset:
            codes = dataset.read(1, window=window, masked=True)
        valid = ~np.ma.getmaskarray(codes)
        indices = np.full(codes.shape, _EMPTY, np.uint8)
        position = {one.id: at for at, one in enumerate(self.read_classes)}
        for code in np.unique(codes.data[valid]).tolist():
            if code not in position:
                raise TerrainError(_unknown(tile.path, set(position), self.legend))
            if self.read_classes[position[code]].kind != "nodata":
                indices[valid & (codes.data == code)] = position[code]
        return indices


def _is_fine(tile: Tile, grid: Grid) -> bool:
    t = tile.transform
    step = native_step_m((abs(t.a) + abs(t.b), abs(t.d) + abs(t.e)), tile.crs, grid)
    return grid.resolution_m >= MODE_FROM_RATIO * step


def _unknown(path: Path, known: set[int], legend: str | Path) -> str:
    """The codes of a whole file that a legend lacks, with counts."""
    counts: dict[int, int] = {}
    with rasterio.open(path) as dataset:
        for _, window in dataset.block_windows(1):
            codes = dataset.read(1, window=window, masked=True).compressed()
            for code, count in zip(*(a.tolist() for a in np.unique(codes, return_counts=True)), strict=True):
                if code not in known:
                    counts[code] = counts.get(code, 0) + count
    found = ", ".join(f"{code} ({count} pixels)" for code, count in sorted(counts.items())[:_LISTED])
    return (
        f"{path}: codes which the legend {str(legend)!r} lacks: {found}; add rows for them "
        "(kind nodata for a void) or name the legend that belongs to the file"
    )


def read_landcover(
    path: Path | str | Sequence[Path | str] | None, legend: str | Path, grid: Grid
) -> LandCover:
    """Land cover on the grid; several files (tiles) are laid over each other, the first on top.

    Nearest pixel, or the commonest class where the source is at least twice as fine as the grid. Pixels the
    files do not cover, their declared nodata and codes of kind "nodata" become the class "no data". Without a
    path every pixel is that class. Raises TerrainError for a bad legend or file, and for codes the legend
    lacks (all of them, with counts).
    """
    files = CoverFiles(path, legend, grid)
    index = np.empty(grid.shape, np.uint8)
    fill_landcover(files, index)
    return LandCover(index, files.classes, cover_provenance(files, files.classes, index))


def fill_landcover(files: CoverFiles, index: np.ndarray, progress: Progress = no_progress) -> None:
    """Class indices into a given array of the grid's shape."""
    for first, last in bands(files.grid):
        progress("land cover", first, files.grid.height)
        index[first:last] = files.rows(first, last)
    progress("land cover", files.grid.height, files.grid.height)


def cover_provenance(files: CoverFiles, classes: list[ClutterClass], index: np.ndarray) -> dict[str, Any]:
    """Where classes come from and what share each has, JSON-able."""
    if not files.read_classes:
        return {"sources": [], "legend": None, "no_data_share": 1.0}
    counts = sum(np.bincount(index[a:b].ravel(), minlength=len(classes)) for a, b in bands(files.grid))
    return {
        "sources": files.records,
        "legend": legend_path(files.legend).name,
        "legend_sha256": files.legend_sha256,
        "shares": {c.name: round(int(n) / index.size, 6) for c, n in zip(classes, counts, strict=True) if n},
        "no_data_share": sum(int(n) for c, n in zip(classes, counts, strict=True) if c.kind == "nodata") / index.size,
        "synthetic": any(record["synthetic"] for record in files.records),
    }
