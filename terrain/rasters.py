"""Opening rasters that users name, with one clear error for each way in which that can fail."""

from __future__ import annotations

import contextlib
import hashlib
import math
import warnings
import zipfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioError
from rasterio.transform import Affine
from rasterio.warp import transform as transform_points
from rasterio.windows import Window, intersect, intersection

from terrain.errors import TerrainError
from terrain.files import Digests
from terrain.grid import Grid
from terrain.soundness import check_content

Progress = Callable[[str, int, int], None]  # what is being done, steps done, steps in all
# Source pixels read at a time: at most about 200 MB with the temporaries.
STRIP_PIXELS = 16_000_000
BAND_PIXELS = 4_000_000  # of the grid, worked on at a time
SYNTHETIC_TAG = "RADIOCOV_SYNTHETIC"
_INSIDE_ZIP = (".hgt", ".tif", ".tiff", ".dt0", ".dt1", ".dt2", ".img", ".asc", ".bil", ".vrt")


def no_progress(what: str, done: int, total: int) -> None:
    pass


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
    # A disk or a share that does not answer is no fault of the raster: that OSError is left as it is.
    with path.open("rb") as stream:
        stream.read(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset = rasterio.open(gdal_name(path))
    except RasterioError as err:
        raise TerrainError(f"{path}: not a readable {what} raster, or broken ({first_line(err)})") from err
    with dataset:
        if dataset.count < 1:
            raise TerrainError(f"{path}: the {what} file holds no raster band")
        if dataset.transform == Affine.identity() or abs(dataset.transform.determinant) == 0:
            raise TerrainError(f"{path}: the {what} raster says no place for its pixels (no geotransform)")
        try:
            yield dataset
        except RasterioError as err:
            raise TerrainError(
                f"{path}: the {what} raster is broken ({first_line(err)}); fetch it again"
            ) from err


def crs_of(dataset: rasterio.DatasetReader, path: Path, declared: str | None = None) -> rasterio.CRS:
    """The file's coordinate system, or the one declared where it states none. Raises TerrainError."""
    said = dataset.crs
    if declared is None:
        if said is None:
            raise TerrainError(
                f"{path}: the raster has no coordinate system; set one (gdal_edit -a_srs) or give its source a crs"
            )
        return said
    try:
        wanted = rasterio.CRS.from_user_input(declared)
    except (CRSError, ValueError) as err:
        raise TerrainError(f"{path}: crs {declared!r} is not a coordinate system; write e.g. 'EPSG:4549'") from err
    if said is not None and said != wanted:
        raise TerrainError(
            f"{path}: the file says it is in {said.to_string()[:60]} but crs is {declared!r}; leave crs out"
        )
    return wanted


def first_line(err: Exception) -> str:
    """What GDAL said, without its trail; rasterio keeps the cause where the message is only 'see above'."""
    cause = err.__cause__ if err.__cause__ is not None else err
    return str(cause).strip().splitlines()[0] if str(cause).strip() else type(err).__name__


def is_synthetic(dataset: rasterio.DatasetReader) -> bool:
    return dataset.tags().get(SYNTHETIC_TAG, "").strip().lower() in ("yes", "true", "1")


def native_step_m(res: tuple[float, float], crs: rasterio.CRS, grid: Grid) -> float:
    """Pixel step of a raster in metres (the larger of its two), taken at the middle of `grid`."""
    step_x, step_y = res
    if crs.is_geographic:
        metres = 6_371_008.8 * math.pi / 180
        return max(step_y * metres, step_x * metres * math.cos(math.radians(grid.centre_lonlat()[1])))
    return max(step_x, step_y) * crs.linear_units_factor[1]


def description(
    dataset: rasterio.DatasetReader, path: Path, grid: Grid, digests: Digests, crs: rasterio.CRS
) -> dict[str, Any]:
    """Where a raster comes from: the provenance common to elevation and land cover."""
    return {
        "file": path.name,
        "sha256": _content(dataset, path, digests),
        "crs": crs.to_string(),
        "native_step": [float(dataset.res[0]), float(dataset.res[1])],
        "native_step_unit": "degree" if crs.is_geographic else crs.linear_units,
        "native_step_m": round(native_step_m(dataset.res, crs, grid), 2),
        "synthetic": is_synthetic(dataset),
    }


def _content(dataset: rasterio.DatasetReader, path: Path, digests: Digests) -> str:
    """Hash of a raster's file, found sound; of a VRT's with those it is made of, or their change would go unseen."""
    digests.check_once(path, lambda: check_content(dataset, path))
    own = digests.sha256(path)
    if dataset.driver != "VRT":
        return own
    parts = sorted(p for p in map(Path, dataset.files) if p.is_file() and p.resolve() != path.resolve())
    below = []
    for part in parts:
        with opened(part, "VRT's") as beneath:
            below.append(_content(beneath, part, digests))
    return hashlib.sha256("".join([own, *below]).encode()).hexdigest()


def _extent(
    crs: rasterio.CRS, transform: Affine, grid: Grid, rows: tuple[int, int]
) -> tuple[float, float, float, float] | None:
    """Columns (left, right) and lines (top, bottom) of a source's lattice under rows [first, last) of the grid."""
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
    cols, lines = cols[fine], lines[fine]
    return float(cols.min()), float(cols.max()), float(lines.min()), float(lines.max())


def source_window(
    crs: rasterio.CRS, transform: Affine, grid: Grid, rows: tuple[int, int], margin: int = 2
) -> Window | None:
    """Unclipped pixel window of a source that holds rows [first, last) of the grid; None where none can."""
    extent = _extent(crs, transform, grid, rows)
    if extent is None:
        return None
    left, right, top, bottom = extent
    # A kernel reaches one source pixel, or one grid pixel where the source is finer.
    reach = margin + math.ceil(max((right - left) / grid.width, (bottom - top) / (rows[1] - rows[0])))
    left, right = math.floor(left) - reach, math.ceil(right) + reach
    top, bottom = math.floor(top) - reach, math.ceil(bottom) + reach
    return Window(left, top, right - left, bottom - top)


def warp_scales(crs: rasterio.CRS, transform: Affine, grid: Grid) -> dict[str, str]:
    """Options of GDAL's warper: grid pixels per source pixel, along rows and columns of the whole grid.

    Left to itself GDAL takes them anew for every part it is given, and with them the reach of its kernel: heights
    would depend on how the work is cut. These are the numbers it takes for the grid in one piece.
    """
    extent = _extent(crs, transform, grid, (0, grid.height))
    if extent is None:
        return {}
    left, right, top, bottom = extent
    return {"XSCALE": repr(grid.width / (right - left)), "YSCALE": repr(grid.height / (bottom - top))}


def bands(grid: Grid) -> Iterator[tuple[int, int]]:
    """Rows [first, last) of the grid, few enough at a time for memory."""
    count = max(1, math.ceil(grid.width * grid.height / BAND_PIXELS))
    edges = np.unique(np.linspace(0, grid.height, count + 1).astype(int))
    yield from pairwise(int(v) for v in edges)


def strips(
    crs: rasterio.CRS, transform: Affine, grid: Grid, rows: tuple[int, int]
) -> Iterator[tuple[int, int, Window]]:
    """Parts [first, last) of rows of the grid, each with the window of the source it needs.

    As many as keep a window near STRIP_PIXELS, so that a source much finer than the grid fits in memory.
    """
    whole = source_window(crs, transform, grid, rows)
    if whole is None:
        return
    count = max(1, math.ceil(whole.width * whole.height / STRIP_PIXELS))
    edges = np.unique(np.linspace(*rows, count + 1).astype(int))
    for first, last in pairwise(int(v) for v in edges):
        window = source_window(crs, transform, grid, (first, last))
        if window is not None:
            yield first, last, window


def overlap(window: Window, frame: Window) -> Window | None:
    """The part two windows share; None where they do not meet."""
    return intersection(window, frame) if intersect([window, frame]) else None
