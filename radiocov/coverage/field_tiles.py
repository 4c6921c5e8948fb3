"""The residual field of a calibration on rasters: kriged on a lattice of nodes, tile by tile, and interpolated."""

from __future__ import annotations

import dataclasses
import math
import threading
from typing import Any

import numba
import numpy as np
from pyproj import Transformer

from radiocov.calibration.kriging import REACH, Kriging
from radiocov.calibration.model import Calibration, Residuals
from radiocov.coverage.cog import BLOCK
from radiocov.coverage.sector import Window

NODES_A_RANGE = 6.0  # the lattice is at least this fine
NEAREST = 12  # places of the site and of any site that count for a group of nodes
LARGEST_STEP = 16  # pixels between nodes, a power of two as the sides of tiles are
GROUP = 4  # nodes a side that share their neighbours
COLUMNS = ("x_m", "y_m", "site", "residual_db", "error_db")

Nodes = tuple[np.ndarray, int, int, int]  # values, pixels between them, row and column of the part in the lattice
NOTHING = np.zeros((0, 0))

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")


class FieldTiles:
    """The field of a calibration on a grid; each thread keeps the lattices of its last tile."""

    def __init__(self, calibration: Calibration, grid: Any) -> None:
        self.field, self.grid = calibration.field, grid
        self.always_db2 = self.field.nugget_db**2 + calibration.day_db**2  # what no place measured near tells
        there = calibration.residuals
        usable = there is not None and len(there) > 0 and self.field.range_m > 0
        self.residuals = _on(there, grid) if usable else None
        self._numbers = {name: i for i, name in enumerate(there.sites)} if usable else {}
        self.reach_m = (REACH + 0.5) * self.field.range_m * math.sqrt(self.field.ratio)
        nodes_apart = self.field.range_m / math.sqrt(self.field.ratio) / NODES_A_RANGE / grid.resolution_m
        self.step = 1
        while 2 * self.step <= min(nodes_apart, LARGEST_STEP):
            self.step *= 2
        self._kept = threading.local()

    def number(self, site: str) -> int:
        """Of a site among those measured; -1 for one that was not."""
        return self._numbers.get(site, -1)

    def near(self, tile: Window) -> Residuals | None:
        """Measured places within reach of a tile."""
        r = self.residuals
        if r is None:
            return None
        reach = self.reach_m + (GROUP + 1) * self.step * self.grid.resolution_m
        x, y = self.grid.centre_xy(
            np.array([tile.top, tile.top + tile.height]), np.array([tile.left, tile.left + tile.width])
        )
        inside = (r.x_m >= x[0] - reach) & (r.x_m <= x[1] + reach) & (r.y_m >= y[1] - reach) & (r.y_m <= y[0] + reach)
        if not inside.any():
            return None
        return dataclasses.replace(r, **{name: getattr(r, name)[inside] for name in COLUMNS})

    def of(self, site: int, part: Window) -> tuple[Nodes, Nodes]:
        """The field's mean [dB] for a site around a part of the grid, and the part of the residual variance that is
        left there, 0 to 1; without nodes where nothing was measured near."""
        tile = self._tile_of(part)
        kept = self._kept.__dict__
        if kept.get("tile") != tile:
            near = self.near(tile)
            kept.update(tile=tile, made={}, kriging=None if near is None else self._kriging(near))
        kriging, made = kept["kriging"], kept["made"]
        if kriging is None:
            return (NOTHING, 1, 0, 0), (NOTHING, 1, 0, 0)
        site = site if site >= 0 and (kriging.residuals.site == site).any() else -1
        if site not in made:
            made[site] = self._lattice(kriging, site, tile)
        mean, left = made[site]
        at = self.step, part.top - tile.top, part.left - tile.left
        return (mean, *at), (left, *at)

    def _kriging(self, near: Residuals) -> Kriging:
        """Kriging from places a node apart: those nearer to each other and of one site are taken together, so that
        the nearest few reach around a group of nodes where every pixel was measured."""
        noise2 = self.field.nugget_db**2 + near.error_db**2
        if self.step == 1:
            return Kriging(self.field, near, NEAREST, NEAREST, most_threads=1)
        row, col = self.grid.rowcol(near.x_m, near.y_m)
        square = np.column_stack([np.floor(row / self.step), np.floor(col / self.step), near.site]).astype(np.int64)
        squares, group = np.unique(square, axis=0, return_inverse=True)
        group = group.ravel()
        total = np.bincount(group, 1.0 / noise2)
        x, y, value = (np.bincount(group, a / noise2) / total for a in (near.x_m, near.y_m, near.residual_db))
        together = dataclasses.replace(near, x_m=x, y_m=y, site=squares[:, 2], residual_db=value)
        return Kriging(self.field, together, NEAREST, NEAREST, noise2=1.0 / total, most_threads=1)

    def _tile_of(self, part: Window) -> Window:
        """The tile of the rasters that holds a part, else the part from the nodes before it."""
        top, left = part.top // BLOCK * BLOCK, part.left // BLOCK * BLOCK
        tile = Window(top, left, min(BLOCK, self.grid.height - top), min(BLOCK, self.grid.width - left))
        if part.top + part.height <= top + tile.height and part.left + part.width <= left + tile.width:
            return tile
        top, left = part.top // self.step * self.step, part.left // self.step * self.step
        return Window(top, left, part.top + part.height - top, part.left + part.width - left)

    def _lattice(self, kriging: Kriging, site: int, tile: Window) -> tuple[np.ndarray, np.ndarray]:
        field = self.field
        if site < 0 and field.common_db == 0.0:
            return NOTHING, NOTHING
        rows, cols = (-(-size // self.step) + 1 for size in (tile.height, tile.width))
        row, col = (a.ravel() for a in np.mgrid[:rows, :cols])
        group = row // GROUP * (-(-cols // GROUP)) + col // GROUP
        order = np.argsort(group, kind="stable")
        first = np.append(np.flatnonzero(np.diff(group[order], prepend=-1)), len(order))
        x, y = self.grid.centre_xy(tile.top + row[order] * self.step, tile.left + col[order] * self.step)
        mean, left = np.empty((2, rows * cols))
        mean[order], sd = kriging.predict_groups(x, y, site, first)
        whole2 = self.always_db2 + field.common_db**2 + field.own_db**2
        left[order] = (self.always_db2 + sd**2) / whole2
        return mean.reshape(rows, cols), left.reshape(rows, cols)


def _on(residuals: Residuals, grid: Any) -> Residuals:
    """The residuals in the plane of a grid."""
    if residuals.crs in ("", grid.crs):
        return residuals
    x, y = Transformer.from_crs(residuals.crs, grid.crs, always_xy=True).transform(residuals.x_m, residuals.y_m)
    return dataclasses.replace(residuals, x_m=x, y_m=y, crs=grid.crs)


@kernel
def interpolated(nodes, step, row, col, line, out):
    """Values of a row of pixels between nodes, from the pixel at row, col of the lattice on; untouched without.

    line: room for a row of nodes.
    """
    if nodes.size == 0:
        return
    above = row // step
    share = (row - above * step) / step
    below = above if share == 0.0 else above + 1
    first, last = col // step, (col + out.size - 1) // step
    for k in range(first, min(last + 2, nodes.shape[1])):
        line[k] = nodes[above, k] + share * (nodes[below, k] - nodes[above, k])
    for k in range(first, last + 1):
        start = k * step - col
        rise = (line[k + 1] - line[k]) / step if k + 1 < nodes.shape[1] else 0.0
        for c in range(max(start, 0), min(start + step, out.size)):
            out[c] = line[k] + (c - start) * rise
