"""Elevation, land cover, clutter heights and radio-climatic zones put together into one `Ground`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from terrain import cache as ground_cache
from terrain.clutter import ClutterHeights, fill_clutter
from terrain.density import Density, split_built
from terrain.elevation import Mosaic, fill_elevation
from terrain.files import Digests
from terrain.grid import Grid
from terrain.ground import COASTAL_LAND, SEA, Ground
from terrain.landcover import CoverFiles, cover_provenance, fill_landcover
from terrain.rasters import Progress, bands, no_progress
from terrain.sea import LandMask, mark_coast, mark_sea, water_where_sea
from terrain.sources import ElevationSource

Allocate = Callable[[str, str], np.ndarray]


def load_ground(
    grid: Grid,
    elevation: Sequence[ElevationSource],
    *,
    voids: str = "error",
    landcover: Path | str | Sequence[Path | str] | None = None,
    legend: str | Path = "esa-worldcover",
    density: Density | None = None,
    clutter: ClutterHeights | None = None,
    land_mask: Path | None = None,
    synthetic: bool = False,
    source: str = "",
    cache: Path | None = None,
    prepare: bool = True,
    progress: Progress = no_progress,
) -> Ground:
    """Everything a propagation model asks of the ground, on `grid`.

    elevation: sources, the first with priority; landcover: files, folders or patterns with their `legend`, whose
    built-up land `density` splits; clutter: measured heights in place of the legend's; land_mask: a raster, 0 for
    sea and other values for land, that decides where the sea is. `synthetic` marks made-up ground, as does the
    RADIOCOV_SYNTHETIC tag of any source; `source` is the text users see. Clutter heights are 0 where the elevation
    is a surface, which already holds trees and buildings.

    cache: a folder in which the ground is kept by the content of what it was made from, and found again; its
    arrays then lie in files that the system maps into memory. Without one they are in memory. prepare: without it
    nothing is made, and a ground that the cache lacks is a FileNotFoundError. Raises TerrainError for sources,
    legends and masks that cannot be used, OSError where a disk does not answer.
    """
    digests = Digests() if cache is None else Digests.of_user()
    mosaic = Mosaic(elevation, grid, digests, progress=progress)
    cover = CoverFiles(landcover, legend, grid, digests, progress)
    measured = None if clutter is None else (clutter, clutter.mosaic(grid, digests, progress))
    mask = None if land_mask is None else LandMask(Path(land_mask), grid, digests)
    digests.keep()

    def make(allocate: Allocate) -> Ground:
        return _make(grid, mosaic, voids, cover, density, measured, mask, allocate, progress)

    if cache is None:
        ground = make(lambda name, dtype: np.empty(grid.shape, dtype))
    else:
        content = {
            "elevation": [mosaic.records, [one.options() for one in mosaic.sources], voids],
            "landcover": [cover.records, cover.legend_sha256],
            "density": None if density is None else density.rule(),
            "clutter": None if measured is None else [clutter.above, clutter.source.options(), measured[1].records],
            "land_mask": None if mask is None else mask.record,
        }
        if prepare:
            ground = ground_cache.find_or_make(cache, grid, content, make, progress)
        else:
            ground = ground_cache.map_kept(ground_cache.place_of(cache, grid, content))
    return _told(ground, elevation, synthetic, source)


def _make(
    grid: Grid, mosaic: Mosaic, voids: str, cover: CoverFiles, density: Density | None,
    measured: tuple[ClutterHeights, Mosaic] | None, mask: LandMask | None, allocate: Allocate, progress: Progress,
) -> Ground:  # fmt: skip
    heights, source = allocate("elevation_m", "float32"), allocate("elevation_source", "uint8")
    index, zone = allocate("clutter_class", "uint8"), allocate("zone", "uint8")
    clutter = allocate("clutter_height_m", "float32")
    heights_from = fill_elevation(mosaic, voids, heights, source, progress)
    fill_landcover(cover, index, progress)
    progress("sea and coast", 0, 1)
    mark_sea(zone, heights, index, cover.classes, grid, None if mask is None else mask.rows)
    mark_coast(zone, heights, grid)
    water_where_sea(index, cover.classes, zone, grid)
    progress("sea and coast", 1, 1)
    classes, split = cover.classes, None
    if density is not None:
        progress("density of built-up land", 0, 1)
        classes, split = split_built(index, classes, grid, density)
        progress("density of built-up land", 1, 1)
    clutter_from = fill_clutter(
        clutter, heights, source, mosaic.sources, index, classes, measured, grid, progress
    )
    cover_from = cover_provenance(cover, classes, index)
    if split is not None:
        cover_from["density"] = split
    at_sea, at_coast = (sum(int((zone[a:b] == code).sum()) for a, b in bands(grid)) for code in (SEA, COASTAL_LAND))
    provenance: dict[str, Any] = {
        "crs": grid.crs,
        "resolution_m": grid.resolution_m,
        "elevation": heights_from,
        "landcover": cover_from,
        "clutter": clutter_from,
        "surface_rule": clutter_from["rule"],
        "zones": {
            "rule": "land mask" if mask is not None else "water at or below 0 m, bodies of 25 km2 or more",
            "land_mask": None if mask is None else mask.record,
            "sea_share": at_sea / zone.size,
            "coastal_land_share": at_coast / zone.size,
        },
    }
    return Ground(grid, heights, index, clutter, zone, classes, provenance, False, source)


def _told(
    ground: Ground, elevation: Sequence[ElevationSource], synthetic: bool, source: str
) -> Ground:
    """The ground with what the project says of it, which no array depends on."""
    said = ground.provenance
    made_up = synthetic or said["elevation"]["synthetic"] or said["landcover"].get("synthetic", False)
    served = [
        {**one, "label": given.name} for one, given in zip(said["elevation"]["served"], elevation, strict=True)
    ]
    labels = dict.fromkeys(given.label for given, one in zip(elevation, served, strict=True) if one["pixels"])
    provenance = {
        "source": source or "; ".join(filter(None, labels)),
        "synthetic": made_up,
        **said,
        "elevation": {**said["elevation"], "served": served},
    }
    return dataclasses.replace(ground, provenance=provenance, synthetic=made_up)
