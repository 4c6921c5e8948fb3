"""Height of the clutter over each pixel: the legend's, or measured, and never on top of a surface model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from terrain.elevation import FILLED, HIGHEST_M, LOWEST_M, Mosaic
from terrain.errors import TerrainError
from terrain.files import Digests
from terrain.grid import Grid
from terrain.ground import ClutterClass
from terrain.rasters import Progress, bands, no_progress
from terrain.sources import ElevationSource

ABOVE = ("ground", "sea")
# Nothing built stands higher; below ground there is only the noise of a difference.
LOWEST_ABOVE_GROUND_M, HIGHEST_ABOVE_GROUND_M = -200.0, 1000.0


@dataclass(frozen=True)
class ClutterHeights:
    """Measured heights of buildings and trees: above the ground, or above the sea (a surface model)."""

    source: ElevationSource
    above: str = "ground"

    def __post_init__(self) -> None:
        if self.above not in ABOVE:
            raise TerrainError(f"clutter heights above {self.above!r}; it must be one of {', '.join(ABOVE)}")

    def mosaic(self, grid: Grid, digests: Digests | None = None, progress: Progress = no_progress) -> Mosaic:
        limits = (LOWEST_ABOVE_GROUND_M, HIGHEST_ABOVE_GROUND_M) if self.above == "ground" else (LOWEST_M, HIGHEST_M)
        return Mosaic([self.source], grid, digests, limits, progress)


def fill_clutter(
    out: np.ndarray, heights: np.ndarray, source: np.ndarray, sources: Sequence[ElevationSource], index: np.ndarray,
    classes: Sequence[ClutterClass], measured: tuple[ClutterHeights, Mosaic] | None, grid: Grid,
    progress: Progress = no_progress,
) -> dict[str, Any]:  # fmt: skip
    """Clutter heights [m, float32] into `out`; returns the rule that was used and how often, JSON-able.

    heights, source: elevation [m] and number of its source; index: classes of the land cover. Over a surface
    model the height is 0; elsewhere it is the measured one, at least 0, and the legend's where none was measured.
    """
    of_class = np.array([c.height_m for c in classes], np.float32)
    is_surface = np.zeros(FILLED + 1, bool)
    is_surface[: len(sources)] = [one.surface for one in sources]
    on_surface = from_raster = clamped = 0
    for first, last in bands(grid):
        progress("clutter heights", first, grid.height)
        here = np.s_[first:last]
        clutter = of_class[index[here]]
        surface = is_surface[source[here]]
        if measured is not None:
            given, mosaic = measured
            values, _ = mosaic.rows(first, last)
            if given.above == "sea":
                values -= heights[here]
            there = ~np.isnan(values) & ~surface
            clamped += int((values[there] < 0).sum())
            np.copyto(clutter, np.maximum(values, np.float32(0.0)), where=there)
            from_raster += int(there.sum())
        clutter[surface] = 0.0
        on_surface += int(surface.sum())
        out[here] = clutter
    progress("clutter heights", grid.height, grid.height)
    pixels = grid.width * grid.height
    about: dict[str, Any] = {"rule": _rule(on_surface / pixels), "on_surface_share": on_surface / pixels}
    if measured is not None:
        given, mosaic = measured
        about["measured"] = {
            "above": given.above, "label": given.source.name, "sources": mosaic.records,
            "share": from_raster / pixels, "clamped_pixels": clamped,
            "rule": "height above ground, at least 0" if given.above == "ground"
            else "surface less the elevation, at least 0",
        }  # fmt: skip
        about["rule"] += f"; {from_raster / pixels:.1%} measured ({given.source.name}), elsewhere the legend's"
    return about


def _rule(surface_share: float) -> str:
    if surface_share == 0:
        return "bare ground: clutter heights of the land cover are added"
    if surface_share == 1:
        return "surface model: clutter heights are not added, trees and buildings are in the elevation"
    return (
        f"mixed: {surface_share:.1%} of the pixels come from a surface model and have no clutter height added; "
        "the others are bare ground and have it"
    )
