"""Land cover of every pixel of a grid, as indices into the classes of a legend."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.enums import Resampling
from rasterio.warp import reproject
from rasterio.windows import Window

from terrain.errors import TerrainError
from terrain.grid import Grid
from terrain.ground import KINDS, NOISE_ENVIRONMENTS, ClutterClass
from terrain.rasters import description, native_step_m, opened, overlap, sha256_of, shifted, strips

LEGENDS_FOLDER = Path(__file__).parent / "legends"
COLUMNS = ("code", "name", "label_en", "label_zh", "height_m", "noise_environment", "model_error_db", "kind")
NO_DATA = ClutterClass(-1, "no-data", "No data", "无数据", 0.0, "rural", 7.3, "nodata")
# A grid pixel at least this many source pixels wide takes the commonest class in it, else the nearest.
MODE_FROM_RATIO = 2.0
_EMPTY = 255


@dataclass(frozen=True, eq=False)
class LandCover:
    """`class_index`: uint8 of the grid's shape, index into `classes`; the last class is "no data"."""

    class_index: np.ndarray
    classes: list[ClutterClass]
    provenance: dict[str, Any]

    def of_kind(self, *kinds: str) -> np.ndarray:
        """Boolean array: pixels whose class is of one of the kinds."""
        return np.array([c.kind in kinds for c in self.classes])[self.class_index]


def packaged_legends() -> list[str]:
    return sorted(path.stem for path in LEGENDS_FOLDER.glob("*.csv"))


def legend_path(legend: str | Path) -> Path:
    """The file of a packaged legend by name, or the user's own file. Raises TerrainError."""
    packaged = LEGENDS_FOLDER / f"{legend}.csv"
    if str(legend) in packaged_legends():
        return packaged
    if Path(legend).is_file():
        return Path(legend)
    names = ", ".join(packaged_legends())
    raise TerrainError(f"legend {str(legend)!r} is neither a packaged one ({names}) nor an existing CSV file")


def read_legend(legend: str | Path) -> list[ClutterClass]:
    """The classes of a legend, in its order. Raises TerrainError with file and line for a bad row."""
    path = legend_path(legend)
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Spreadsheets in Chinese Windows save CSV so.
        text = content.decode("gb18030", errors="replace")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
    if missing:
        raise TerrainError(
            f"{path}: column {', '.join(missing)} is missing; the header must be {','.join(COLUMNS)}"
        )
    classes: list[ClutterClass] = []
    for row in reader:
        if not any((row[name] or "").strip() for name in COLUMNS):
            continue
        one = _legend_row(row, f"{path} line {reader.line_num}")
        if any(one.id == other.id for other in classes):
            raise TerrainError(f"{path} line {reader.line_num}: code {one.id} stands twice")
        classes.append(one)
    if not classes:
        raise TerrainError(f"{path}: the legend has no rows")
    if len(classes) >= _EMPTY:
        raise TerrainError(f"{path}: {len(classes)} classes; at most {_EMPTY - 1} fit")
    return classes


def _legend_row(row: dict[str, str], where: str) -> ClutterClass:
    cells = {name: (row[name] or "").strip() for name in COLUMNS}

    def number(name: str, low: float, high: float) -> float:
        try:
            value = float(cells[name])
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise TerrainError(
                f"{where}: {name} is {cells[name]!r}; it must be a number from {low:g} to {high:g}"
            )
        return value

    def choice(name: str, allowed: Sequence[str]) -> str:
        if cells[name] not in allowed:
            raise TerrainError(f"{where}: {name} is {cells[name]!r}; it must be one of {', '.join(allowed)}")
        return cells[name]

    code = number("code", -(2**31), 2**31 - 1)
    if code != int(code):
        raise TerrainError(f"{where}: code is {cells['code']!r}; it must be a whole number")
    if not cells["name"]:
        raise TerrainError(f"{where}: name is empty")
    return ClutterClass(
        id=int(code),
        name=cells["name"],
        label_en=cells["label_en"] or cells["name"],
        label_zh=cells["label_zh"] or cells["label_en"] or cells["name"],
        height_m=number("height_m", 0.0, 100.0),
        noise_environment=choice("noise_environment", NOISE_ENVIRONMENTS),
        model_error_db=number("model_error_db", 0.1, 30.0),
        kind=choice("kind", KINDS),
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
    if path is None:
        nothing = np.zeros(grid.shape, np.uint8)
        return LandCover(nothing, [NO_DATA], {"sources": [], "legend": None, "no_data_share": 1.0})
    listed = [path] if isinstance(path, str | Path) else list(path)
    classes = read_legend(legend)
    index = np.full(grid.shape, _EMPTY, np.uint8)
    records = []
    for one in map(Path, listed):
        record, warped = _warp(one, classes, legend, grid)
        records.append(record)
        np.copyto(index, warped, where=index == _EMPTY)
    named = [c for c in classes if c.kind != "nodata"] + [NO_DATA]
    # Rows of kind "nodata" leave the list: one class of that name is enough, and it stands last.
    lookup = np.full(256, len(named) - 1, np.uint8)
    for old, one in enumerate(classes):
        if one.kind != "nodata":
            lookup[old] = named.index(one)
    index = lookup[index]
    counts = np.bincount(index.ravel(), minlength=len(named))
    provenance = {
        "sources": records,
        "legend": legend_path(legend).name,
        "legend_sha256": sha256_of(legend_path(legend)),
        "shares": {c.name: round(int(n) / index.size, 6) for c, n in zip(named, counts, strict=True) if n},
        "no_data_share": int(counts[-1]) / index.size,
        "synthetic": any(record["synthetic"] for record in records),
    }
    return LandCover(index, named, provenance)


def _warp(
    path: Path, classes: list[ClutterClass], legend: str | Path, grid: Grid
) -> tuple[dict[str, Any], np.ndarray]:
    result = np.full(grid.shape, _EMPTY, np.uint8)
    unknown: dict[int, int] = {}
    with opened(path, "land-cover") as dataset:
        if np.dtype(dataset.dtypes[0]).kind not in "iu":
            raise TerrainError(f"{path}: land cover must hold whole-number codes, not {dataset.dtypes[0]}")
        fine = grid.resolution_m >= MODE_FROM_RATIO * native_step_m(dataset, grid)
        record = description(dataset, path, grid) | {"resampling": "mode" if fine else "nearest"}
        frame = Window(0, 0, dataset.width, dataset.height)
        for top, bottom, window in strips(dataset.crs, dataset.transform, grid):
            part = overlap(window, frame)
            if part is None:
                continue
            codes = dataset.read(1, window=part, masked=True)
            indices = _indices(codes, classes, unknown)
            reproject(
                indices,
                result[top:bottom],
                src_transform=shifted(dataset.transform, part.col_off, part.row_off),
                src_crs=dataset.crs,
                src_nodata=_EMPTY,
                dst_transform=shifted(grid.transform, 0, top),
                dst_crs=grid.crs,
                dst_nodata=_EMPTY,
                resampling=Resampling.mode if fine else Resampling.nearest,
            )
    if unknown:
        found = ", ".join(f"{code} ({count} pixels)" for code, count in sorted(unknown.items())[:20])
        raise TerrainError(
            f"{path}: codes which the legend {str(legend)!r} lacks: {found}; add rows for them "
            "(kind nodata for a void) or name the legend that belongs to the file"
        )
    return record, result


def _indices(codes: np.ma.MaskedArray, classes: list[ClutterClass], unknown: dict[int, int]) -> np.ndarray:
    """Codes -> positions in `classes`, 255 where masked; codes without a class are counted in `unknown`."""
    valid = ~np.ma.getmaskarray(codes)
    indices = np.full(codes.shape, _EMPTY, np.uint8)
    position = {one.id: at for at, one in enumerate(classes) if one.kind != "nodata"}
    voids = {one.id for one in classes if one.kind == "nodata"}
    for code in np.unique(codes.data[valid]).tolist():
        if code in position:
            indices[valid & (codes.data == code)] = position[code]
        elif code not in voids:
            unknown[code] = unknown.get(code, 0) + int((valid & (codes.data == code)).sum())
    return indices
