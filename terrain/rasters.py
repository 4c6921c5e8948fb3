"""Opening rasters that users name, with one clear error for each way in which that can fail."""

from __future__ import annotations

import contextlib
import hashlib
import math
import warnings
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.transform import Affine
from rasterio.warp import transform as transform_points
from rasterio.windows import Window, intersect, intersection

from terrain.errors import TerrainError
from terrain.grid import Grid

STRIP_PIXELS = 48_000_000
SYNTHETIC_TAG = "RADIOCOV_SYNTHETIC"
_INSIDE_ZIP = (".hgt", ".tif", ".tiff", ".dt0", ".dt1", ".dt2", ".img", ".asc", ".bil", ".vrt")


def apply(transform: Affine, x: Any, y: Any) -> tuple[Any, Any]:
    """An affine transform of points; spelled out, as its operators differ between versions."""
    return transform.a * x + transform.b * y + transform.c, transform.d * x + transform.e * y + transform.f


def shifted(transform: Affine, col: float, row: float) -> Affine:
    """The geotransform of a raster's part that starts at pixel (row, col)."""
    x, y = apply(transform, col, row)
    return Affine(transform.a, transform.b, x, transform.d, transform.e, y)


def gdal_name(path: Path) -> str:
    """The name under which GDAL opens a file, looking inside .gz and .zip. Raises TerrainError."""
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return f"/vsigzip/{path.resolve()}"
    if suffix != ".zip":
        return str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = [n for n in archive.namelist() if n.lower().endswith(_INSIDE_ZIP)]
    except (OSError, zipfile.BadZipFile) as err:
        raise TerrainError(f"{path}: not a readable zip file ({err}); fetch it again") from err
    if len(members) != 1:
        raise TerrainError(
            f"{path}: holds {len(members)} rasters, one is needed; unpack it and name the files"
        )
    return f"/vsizip/{path.resolve()}/{members[0]}"


@contextlib.contextmanager
def opened(path: Path, what: str) -> Iterator[rasterio.DatasetReader]:
    """An open raster with coordinates; `what` names its role in errors, those of reading included."""
    if not path.is_file():
        raise TerrainError(f"{path}: there is no such {what} file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset = rasterio.open(gdal_name(path))
    except RasterioError as err:
        raise TerrainError(f"{path}: not a readable {what} raster, or broken ({first_line(err)})") from err
    with dataset:
        if dataset.count < 1:
            raise TerrainError(f"{path}: the {what} file holds no raster band")
        if dataset.crs is None:
            raise TerrainError(
                f"{path}: the {what} raster has no coordinate system; set one (gdal_edit -a_srs)"
            )
        if dataset.transform == Affine.identity() or abs(dataset.transform.determinant) == 0:
            raise TerrainError(f"{path}: the {what} raster says no place for its pixels (no geotransform)")
        try:
            yield dataset
        except RasterioError as err:
            raise TerrainError(
                f"{path}: the {what} raster is broken ({first_line(err)}); fetch it again"
            ) from err


def first_line(err: Exception) -> str:
    """What GDAL said, without its trail; rasterio keeps the cause where the message is only 'see above'."""
    cause = err.__cause__ if err.__cause__ is not None else err
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(err).__name__


def sha256_of(path: Path) -> str:
    """Hash of the file's content, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def is_synthetic(dataset: rasterio.DatasetReader) -> bool:
    return dataset.tags().get(SYNTHETIC_TAG, "").strip().lower() in ("yes", "true", "1")


def native_step_m(dataset: rasterio.DatasetReader, grid: Grid) -> float:
    """Pixel step of a raster in metres (the larger of its two), taken at the middle of `grid`."""
    step_x, step_y = dataset.res
    if dataset.crs.is_geographic:
        _, south, _, north = grid.lonlat_bounds()
        metres = 6_371_008.8 * math.pi / 180
        return max(step_y * metres, step_x * metres * math.cos(math.radians((south + north) / 2)))
    return max(step_x, step_y) * dataset.crs.linear_units_factor[1]


def description(dataset: rasterio.DatasetReader, path: Path, grid: Grid) -> dict:
    """Where a raster comes from: the provenance common to elevation and land cover."""
    return {
        "file": path.name,
        "sha256": sha256_of(path),
        "crs": dataset.crs.to_string(),
        "native_step": [float(dataset.res[0]), float(dataset.res[1])],
        "native_step_unit": "degree" if dataset.crs.is_geographic else dataset.crs.linear_units,
        "native_step_m": round(native_step_m(dataset, grid), 2),
        "synthetic": is_synthetic(dataset),
    }


def source_window(
    crs: rasterio.CRS, transform: Affine, grid: Grid, rows: tuple[int, int], margin: int = 2
) -> Window | None:
    """Unclipped pixel window of a source that holds rows [first, last) of the grid; None where none can."""
    row_at = np.linspace(rows[0], rows[1], 33) - 0.5
    col_at = np.linspace(0, grid.width, 33) - 0.5
    x, y = grid.centre_xy(*(a.ravel() for a in np.meshgrid(row_at, col_at)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x, y = transform_points(grid.crs, crs, x, y)
    cols, lines = apply(~transform, np.asarray(x), np.asarray(y))
    fine = np.isfinite(cols) & np.isfinite(lines)
    if not fine.any():
        return None
    # A kernel reaches one source pixel, or one grid pixel where the source is finer.
    ratio = max(np.ptp(cols[fine]) / grid.width, np.ptp(lines[fine]) / (rows[1] - rows[0]))
    reach = margin + math.ceil(ratio)
    left, right = math.floor(cols[fine].min()) - reach, math.ceil(cols[fine].max()) + reach
    top, bottom = math.floor(lines[fine].min()) - reach, math.ceil(lines[fine].max()) + reach
    return Window(left, top, right - left, bottom - top)


def strips(crs: rasterio.CRS, transform: Affine, grid: Grid) -> Iterator[tuple[int, int, Window]]:
    """Bands of rows [first, last) of the grid, each with the window of the source it needs.

    As many as keep a window near STRIP_PIXELS, so that a source much finer than the grid fits in memory.
    """
    whole = source_window(crs, transform, grid, (0, grid.height))
    if whole is None:
        return
    count = max(1, math.ceil(whole.width * whole.height / STRIP_PIXELS))
    edges = np.unique(np.linspace(0, grid.height, count + 1).astype(int))
    for first, last in pairwise(int(v) for v in edges):
        window = source_window(crs, transform, grid, (first, last))
        if window is not None:
            yield first, last, window


def overlap(window: Window, frame: Window) -> Window | None:
    """The part two windows share; None where they do not meet."""
    return intersection(window, frame) if intersect([window, frame]) else None
