"""Built-up land split into suburban, urban and dense urban by how much of what lies around is built up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from terrain.errors import TerrainError
from terrain.grid import Grid
from terrain.ground import ClutterClass
from terrain.landcover import of_kind
from terrain.legend import read_legend
from terrain.rasters import bands

NAMES = ("suburban", "urban", "dense-urban")


@dataclass(frozen=True)
class Density:
    """The rule: a built-up pixel is urban from the share `urban` of built-up among the classified pixels within
    `radius_m` (itself included, the grid's edge cutting the circle), dense urban from `dense_urban`, else suburban.
    """

    radius_m: float = 500.0
    urban: float = 0.5
    dense_urban: float = 0.8

    def __post_init__(self) -> None:
        if not 0 < self.radius_m <= 10_000:
            raise TerrainError(f"density radius_m is {self.radius_m:g}; it must be above 0 and at most 10000 m")
        if not 0 < self.urban < self.dense_urban <= 1:
            raise TerrainError(
                f"density urban {self.urban:g} and dense_urban {self.dense_urban:g} must be shares, 0 < urban < "
                "dense_urban <= 1"
            )

    def rule(self) -> str:
        return (
            f"built-up pixels: urban from {self.urban:.0%} built-up within {self.radius_m:g} m, dense urban from "
            f"{self.dense_urban:.0%}, else suburban"
        )


def split_built(
    index: np.ndarray, classes: Sequence[ClutterClass], grid: Grid, density: Density
) -> tuple[list[ClutterClass], dict[str, Any]]:
    """Reclassify pixels of kind "built" in `index` (in place); returns the classes it now points into, no data last.

    Suburban, urban and dense-urban are the rows of those names in the legend in use, else of the legend "radiocov".
    """
    ours = {c.name: c for c in read_legend("radiocov")} | {c.name: c for c in classes}
    wanted = [ours[name] for name in NAMES]
    result = list(classes[:-1]) + [c for c in wanted if c not in classes] + [classes[-1]]
    numbers = np.array([result.index(c) for c in wanted], np.uint8)
    renumber = np.arange(len(result), dtype=np.uint8)
    renumber[len(classes) - 1] = len(result) - 1
    is_built, is_known = of_kind(result, "built"), ~of_kind(result, "nodata")
    reach = int(density.radius_m / grid.resolution_m)
    split = 0
    for first, last in bands(grid):
        index[first:last] = renumber[index[first:last]]
    for first, last in bands(grid):
        top, bottom = max(0, first - reach), min(grid.height, last + reach)
        here = np.s_[first - top : last - top]
        codes = index[top:bottom]
        built = is_built[codes]
        which = built[here].copy()
        if not which.any():
            continue
        share = _in_circle(built, reach)[here][which] / _in_circle(is_known[codes], reach)[here][which]
        # all three are of kind "built", so bands further down count the rows changed here alike
        index[first:last][which] = numbers[(share >= density.urban).astype(int) + (share >= density.dense_urban)]
        split += int(which.sum())
    return result, {"rule": density.rule(), "pixels": split}


def _in_circle(flags: np.ndarray, reach: int) -> np.ndarray:
    """How many flags are set within `reach` pixels (centre to centre) of each pixel: int32."""
    height, width = flags.shape
    # column k holds the count left of pixel k - reach, so that a difference is a run along the row
    run = np.zeros((height, width + 2 * reach + 1), np.int32)
    np.cumsum(flags, axis=1, out=run[:, reach + 1 : reach + 1 + width])
    run[:, reach + 1 + width :] = run[:, reach + width : reach + width + 1]
    total = np.zeros(flags.shape, np.int32)
    for down in range(-min(reach, height - 1), min(reach, height - 1) + 1):
        half = math.isqrt(reach * reach - down * down)
        rows = slice(max(0, -down), min(height, height - down))
        from_rows = slice(rows.start + down, rows.stop + down)
        total[rows] += run[from_rows, reach + half + 1 : reach + half + 1 + width]
        total[rows] -= run[from_rows, reach - half : reach - half + width]
    return total
