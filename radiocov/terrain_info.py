"""`radiocov terrain info`: what the ground of a project is made of, what is missing, what the grid loses."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from radiocov.coverage.setup import read_ground
from radiocov.files import whole
from radiocov.inputs import Inputs, elevation_sources
from radiocov.maps.hillshade import hillshade
from radiocov.problems import ProjectError
from terrain.elevation import FILLED, Mosaic
from terrain.errors import TerrainError
from terrain.fidelity import grid_loss
from terrain.files import Digests
from terrain.ground import SEA, Ground
from terrain.rasters import Progress, bands, no_progress, opened
from terrain.sea_tiles import SEA_TAG
from terrain.voids import VoidError

PICTURE_PIXELS = 1000  # the longer side of a relief picture
# Heights (share of the range above the sea) and the colours between which they are tinted.
TINTS = ((0.0, (172, 208, 165)), (0.25, (225, 228, 181)), (0.6, (202, 176, 130)), (1.0, (245, 244, 242)))
SEA_COLOUR, VOID_COLOUR = (200, 222, 240), (214, 40, 120)


def describe(inputs: Inputs, progress: Progress = no_progress) -> tuple[Ground, dict[str, Any]]:
    """The ground of a project and what there is to say of it, JSON-able.

    Voids that stop a computation do not stop this: they are counted, and the ground has 0 m there.
    """
    problem = None
    try:
        ground = read_ground(inputs, progress)
    except ProjectError as error:
        if not isinstance(error.__cause__, VoidError):
            raise
        problem = str(error)
        ground = read_ground(inputs, progress, voids="sea")
    mosaic = Mosaic(elevation_sources(inputs.project), ground.grid, Digests.of_user())
    grid, said = ground.grid, ground.provenance
    elevation, cover = said["elevation"], said["landcover"]
    lowest, highest = _range(ground)
    return ground, {
        "project": inputs.project.project.name,
        "grid": {**grid.to_dict(), "extent": list(grid.lonlat_bounds()),
                 "area_km2": grid.width * grid.height * grid.resolution_m**2 / 1e6},
        "synthetic": ground.synthetic,
        "elevation": {
            "lowest_m": lowest, "highest_m": highest,
            "sources": [{**one, **_files(elevation["sources"], number)} for number, one in
                        enumerate(elevation["served"])],
            "sea_tiles": sum(_is_sea_tile(tile.path) for tile in mosaic.tiles),
            "voids": {**elevation["voids"], "rule": inputs.project.terrain.voids, "problem": problem},
            "grid_loss": grid_loss(ground, mosaic, progress),
        },
        "landcover": {"files": len(cover["sources"]), "legend": cover["legend"], "shares": cover.get("shares", {}),
                      "no_data_share": cover["no_data_share"], "density": cover.get("density")},
        "clutter": said["clutter"],
        "zones": said["zones"],
    }  # fmt: skip


def _files(records: list[dict[str, Any]], source: int) -> dict[str, Any]:
    own = [record for record in records if record["source"] == source]
    return {"files": len(own), "native_step_m": max((record["native_step_m"] for record in own), default=None)}


def _is_sea_tile(path: Path) -> bool:
    try:
        with opened(path, "elevation") as dataset:
            return SEA_TAG in dataset.tags()
    except TerrainError:
        return False


def _range(ground: Ground) -> tuple[float | None, float | None]:
    """Lowest and highest height that a source gives, m; None where none does."""
    found = []
    for first, last in bands(ground.grid):
        known = ground.elevation_m[first:last][ground.elevation_source[first:last] != FILLED]
        if known.size:
            found += [float(known.min()), float(known.max())]
    return min(found, default=None), max(found, default=None)


def write_relief(ground: Ground, path: Path) -> None:
    """A small picture of the ground (PNG, JPEG or TIFF): shaded, tinted by height, sea blue, voids magenta."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    step = max(1, -(-max(ground.grid.shape) // PICTURE_PIXELS))
    heights = _blocks(ground.elevation_m, step)
    share = np.clip((heights - heights.min()) / max(float(np.ptp(heights)), 1.0), 0.0, 1.0)
    at = [tint for tint, _ in TINTS]
    shade = hillshade(heights, ground.grid.resolution_m * step) / 250.0
    picture = np.stack([np.interp(share, at, [rgb[band] for _, rgb in TINTS]) * shade for band in range(3)])
    middle = np.s_[step // 2 :: step, step // 2 :: step]
    rows, cols = (min(a, b) for a, b in zip(heights.shape, ground.zone[middle].shape, strict=True))
    picture = picture[:, :rows, :cols]
    picture[:, ground.zone[middle][:rows, :cols] == SEA] = np.array(SEA_COLOUR)[:, None]
    if ground.elevation_source is not None:
        picture[:, ground.elevation_source[middle][:rows, :cols] == FILLED] = np.array(VOID_COLOUR)[:, None]
    driver = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "GTiff"}[path.suffix.lower()]
    with warnings.catch_warnings(), whole(path) as partial:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(partial, "w", driver=driver, width=cols, height=rows, count=3, dtype="uint8") as out:
            out.write(np.clip(picture, 0, 255).astype(np.uint8))


def _blocks(values: np.ndarray, step: int) -> np.ndarray:
    """Means of blocks of step x step pixels, those cut off at the edge left out."""
    rows, cols = values.shape[0] // step, values.shape[1] // step
    result = np.empty((rows, cols), np.float32)
    for row in range(rows):
        strip = np.asarray(values[row * step : (row + 1) * step, : cols * step])
        result[row] = strip.reshape(step, cols, step).mean(axis=(0, 2))
    return result
