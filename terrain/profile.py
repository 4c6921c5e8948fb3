"""What lies along a straight line of the plane: the terrain profile of a path."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from terrain.errors import TerrainError
from terrain.ground import Ground


@dataclass(frozen=True, eq=False)
class Profile:
    """Samples from one end to the other, both included, at equal steps; all arrays of one length, >= 2."""

    distance_m: np.ndarray  # float64, from the first end
    elevation_m: np.ndarray  # float64, bilinear between pixel centres
    clutter_height_m: np.ndarray  # float64, of the pixel the sample falls in
    clutter_class: np.ndarray  # uint8, index into the classes of the ground
    zone: np.ndarray  # uint8
    x: np.ndarray  # float64, m
    y: np.ndarray  # float64, m


def profile(ground: Ground, x0: float, y0: float, x1: float, y1: float, step_m: float) -> Profile:
    """Samples from (x0, y0) to (x1, y1), metres of the grid's plane, at most `step_m` apart.

    Raises TerrainError for an end outside the grid, a step that is not above zero, or ends that coincide.
    """
    if not step_m > 0:
        raise TerrainError(f"step_m is {step_m}; it must be above 0 m")
    for x, y in ((x0, y0), (x1, y1)):
        if not ground.grid.contains(x, y):
            left, bottom, right, top = ground.grid.bounds
            raise TerrainError(
                f"the point x {x:.0f} m, y {y:.0f} m is outside the grid (x {left:.0f} to {right:.0f}, "
                f"y {bottom:.0f} to {top:.0f}); enlarge [grid] margin_km or extent"
            )
    length = math.hypot(x1 - x0, y1 - y0)
    if length == 0:
        raise TerrainError(f"both ends of the path are the same point (x {x0:.0f} m, y {y0:.0f} m)")
    # The slack keeps a path of exactly n steps at n steps in spite of rounding.
    steps = max(1, math.ceil(length / step_m - 1e-9))
    part = np.linspace(0.0, 1.0, steps + 1)
    x, y = x0 + part * (x1 - x0), y0 + part * (y1 - y0)
    row, col = ground.grid.rowcol(x, y)
    near_row, near_col = nearest_pixel(row, ground.grid.height), nearest_pixel(col, ground.grid.width)
    return Profile(
        distance_m=part * length,
        elevation_m=bilinear(ground.elevation_m, row, col),
        clutter_height_m=ground.clutter_height_m[near_row, near_col].astype(np.float64),
        clutter_class=ground.clutter_class[near_row, near_col],
        zone=ground.zone[near_row, near_col],
        x=x,
        y=y,
    )


def bilinear(values: np.ndarray, row: np.ndarray, col: np.ndarray) -> np.ndarray:
    """Float64 readings at fractional pixels (centres at integers); the outer half pixel reads its edge."""
    height, width = values.shape
    row, col = np.clip(row, 0.0, height - 1.0), np.clip(col, 0.0, width - 1.0)
    r0, c0 = row.astype(np.intp), col.astype(np.intp)
    r1, c1 = np.minimum(r0 + 1, height - 1), np.minimum(c0 + 1, width - 1)
    v, u = row - r0, col - c0
    upper = (1.0 - u) * values[r0, c0] + u * values[r0, c1]
    lower = (1.0 - u) * values[r1, c0] + u * values[r1, c1]
    return (1.0 - v) * upper + v * lower


def nearest_pixel(index: np.ndarray, count: int) -> np.ndarray:
    """The pixel a fractional index falls in, floor(index + 0.5), held within [0, count)."""
    return np.clip(np.floor(np.asarray(index) + 0.5), 0, count - 1).astype(np.intp)
