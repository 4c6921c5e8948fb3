"""Sources of heights as a project declares them, and their tiles as the files' headers describe them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.windows import Window

from terrain.errors import TerrainError
from terrain.files import Digests, rasters_of
from terrain.grid import Grid
from terrain.mosaic import Tile
from terrain.rasters import Progress, crs_of, description, opened

#: vertical unit -> metres
METRES = {"m": 1.0, "dm": 0.1, "cm": 0.01, "ft": 0.3048, "us-ft": 1200 / 3937}
OWN_VOIDS = ("next", "sea")
# What SRTM and DTED write for a void; taken as one when a file declares no void value of its own.
USUAL_VOIDS = (-32768, -32767)
_SAID = {
    "m": ("m", "metre", "meter", "metres", "meters"),
    "ft": ("ft", "feet", "foot", "international foot"),
    "us-ft": ("us survey foot", "foot_us", "us-ft", "ftus", "us foot"),
}


@dataclass(frozen=True)
class ElevationSource:
    """One source of heights above sea level: a file, several, a folder or a pattern such as `dem/*.hgt`.

    surface: trees and buildings are in the heights; label: what users see; nodata: values that mean a void
    beside what the files declare; voids: what becomes of voids inside its files, "next" (the next source is
    asked, then the rule of the project) or "sea" (0 m); crs: of files that state none.
    """

    files: tuple[Path, ...]
    vertical_unit: str = "m"
    surface: bool = False
    label: str = ""
    nodata: tuple[float, ...] = ()
    voids: str = "next"
    crs: str | None = None

    def __post_init__(self) -> None:
        files = (self.files,) if isinstance(self.files, str | Path) else self.files
        object.__setattr__(self, "files", tuple(map(Path, files)))
        object.__setattr__(self, "nodata", tuple(float(v) for v in self.nodata))
        name = ", ".join(map(str, self.files))
        if not self.files:
            raise TerrainError("an elevation source names no file")
        if self.vertical_unit not in METRES:
            units = " or ".join(map(repr, METRES))
            raise TerrainError(f"{name}: vertical_unit {self.vertical_unit!r} must be {units}")
        if self.voids not in OWN_VOIDS:
            raise TerrainError(f"{name}: voids {self.voids!r} must be one of {', '.join(OWN_VOIDS)}")

    @property
    def name(self) -> str:
        """The label, or the names of the files."""
        return self.label or ", ".join(path.name for path in self.files)

    def options(self) -> dict[str, Any]:
        """What its heights depend on beside the files, JSON-able."""
        return {
            "vertical_unit": self.vertical_unit, "surface": self.surface, "nodata": list(self.nodata),
            "voids": self.voids, "crs": self.crs,
        }  # fmt: skip

    def read_metres(self, tile: Tile, window: Window, limits: tuple[float, float]) -> np.ndarray:
        """Part of one of its files: float32 heights in metres, NaN for voids. TerrainError outside the limits."""
        with opened(tile.path, "elevation") as dataset:
            band = dataset.read(1, window=window, masked=True)
            void = np.ma.getmaskarray(band)
            if dataset.nodata is None:
                void = void | np.isin(band.data, USUAL_VOIDS)
            scale, offset = dataset.scales[0], dataset.offsets[0]
        if self.nodata:
            void = void | np.isin(band.data, self.nodata)
        values = band.data.astype(np.float64) if scale != 1 or offset != 0 else band.data.astype(np.float32)
        values = ((values * scale + offset) * METRES[self.vertical_unit]).astype(np.float32, copy=False)
        values[void | ~np.isfinite(values)] = np.nan
        low, high = limits
        wrong = (values < low) | (values > high)
        if wrong.any():
            raise TerrainError(
                f"{tile.path}: {int(wrong.sum())} heights lie outside {low:.0f} to {high:.0f} m, "
                f"e.g. {float(values[wrong][0]):g} m; declare the void value of the file or its vertical_unit"
            )
        return values


def tiles_over(
    sources: Iterable[ElevationSource], grid: Grid, digests: Digests, progress: Progress
) -> Iterator[tuple[Tile, dict[str, Any]]]:
    """The files of sources that meet a grid, each checked and with its provenance; the others are only looked at."""
    for number, source in enumerate(sources):
        paths = rasters_of(source.files, "elevation")
        for done, path in enumerate(paths, start=1):
            progress(f"checking the files of {source.name}", done, len(paths))
            with opened(path, "elevation") as dataset:
                crs = crs_of(dataset, path, source.crs)
                check_unit(dataset, path, source.vertical_unit)
                tile = Tile(path, number, crs, dataset.transform, dataset.width, dataset.height)
                if not tile.meets(grid):
                    continue
                record = description(dataset, path, grid, digests, crs)
            yield tile, record | {
                "source": number, "vertical_unit": source.vertical_unit, "surface": source.surface,
            }  # fmt: skip


def check_unit(dataset: rasterio.DatasetReader, path: Path, given: str) -> None:
    """TerrainError for a unit written in the file that contradicts the one given: it would spoil every height."""
    said = (dataset.units[0] or "").strip().lower() or _vertical_axis_unit(dataset)
    right = next((unit for unit, names in _SAID.items() if said in names), None)
    # The two feet differ by 2 millionths: less than any height is good for.
    if right is not None and right.removeprefix("us-") != given.removeprefix("us-"):
        raise TerrainError(
            f"{path}: the file says its heights are in {said!r} but vertical_unit is {given!r}; "
            f"set vertical_unit = {right!r}"
        )


def _vertical_axis_unit(dataset: rasterio.DatasetReader) -> str:
    """The unit of the vertical axis of a compound coordinate system, lower case; "" without one."""
    if dataset.crs is None:
        return ""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        axes = CRS.from_wkt(dataset.crs.to_wkt()).axis_info
    except CRSError:
        return ""
    return axes[2].unit_name.strip().lower() if len(axes) == 3 else ""
