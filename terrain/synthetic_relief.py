"""The natural half of the made-up prefecture: coast, rivers, hills and what grows on them.

All that shapes the world is made on one coarse grid of 250 m, so that towns and roads are the same whatever
the step of the rasters; the rasters add the finer octaves of the noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from rasterio.features import rasterize
from scipy import ndimage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra
from shapely import LineString, Point, Polygon

from terrain.grid import Grid

CRS = "EPSG:32651"
X_MIN, Y_MIN = 450_000.0, 4_496_000.0
WIDTH_M, HEIGHT_M = 100_000.0, 85_000.0
CELL_M = 250.0
LOWEST_LAND_M = 0.3
WATER, OPEN, CROP, FOREST, SUBURBAN, URBAN, DENSE = 1, 2, 3, 4, 5, 6, 7
_SMALLEST_ISLAND_M2 = 400_000.0

# Courses in km from the south-west corner, from spring to mouth: points, half width of the valley floor (km)
# and width of the water (km) at both ends.
_MAIN = ((74, 87), (72, 78), (65, 68), (61, 58), (53, 50), (49, 41), (43, 33), (39, 25), (38, 15))
_EAST = ((102, 60), (92, 57), (83, 54), (74, 49), (66, 47), (57, 44), (49, 40))
_WEST = ((14, 87), (19, 76), (22, 66), (24, 57), (31, 50), (38, 44), (46, 36))
_SOUTH_EAST = ((101, 41), (92, 37), (84, 33), (77, 28), (73, 20), (71, 4))
_SOUTH_WEST = ((-2, 58), (4, 50), (8, 43), (12, 35), (15, 27), (16, 4))
_NORTH = ((52, 87), (50, 78), (55, 70), (61, 58))
_COURSES = (
    (_MAIN, (0.35, 5.5), (0.09, 0.5)),
    (_EAST, (0.25, 2.0), (0.06, 0.16)),
    (_WEST, (0.3, 2.5), (0.06, 0.15)),
    (_SOUTH_EAST, (0.25, 3.0), (0.05, 0.17)),
    (_SOUTH_WEST, (0.5, 3.5), (0.05, 0.13)),
    (_NORTH, (0.25, 1.0), (0.05, 0.1)),
)
_LAKES = ((83, 54, 1.7), (20.5, 71, 1.4), (50.5, 77, 1.0), (92, 37, 1.0))  # x, y, radius in km


@dataclass(frozen=True, eq=False)
class River:
    line: LineString  # metres of CRS, from spring to mouth
    water: Polygon


@dataclass(frozen=True, eq=False)
class Relief:
    """The coarse world: arrays of the 250 m grid, row 0 north."""

    grid: Grid
    elevation_m: np.ndarray
    inland_km: np.ndarray  # rough distance from the coast, below 0 at sea
    ruggedness: np.ndarray  # 0 on plains and valley floors, 1 in the high mountains
    rivers: list[River]
    lakes: list[tuple[Polygon, float]]  # outline, level in m

    @property
    def sea(self) -> np.ndarray:
        return self.inland_km < 0


def coarse_grid() -> Grid:
    size = round(WIDTH_M / CELL_M), round(HEIGHT_M / CELL_M)
    return Grid(CRS, X_MIN, Y_MIN + HEIGHT_M, CELL_M, *size)


def spline(values: np.ndarray, spacing_m: float, offset_m: float, grid: Grid) -> np.ndarray:
    """Cubic B-spline over a lattice at pixel centres; its first node lies `offset_m` inside the NW corner."""

    def taps(count: int, nodes: int) -> list[tuple[np.ndarray, np.ndarray]]:
        at = ((np.arange(count) + 0.5) * grid.resolution_m - offset_m) / spacing_m
        first = np.floor(at).astype(np.intp)
        t = (at - first).astype(np.float32)
        weights = (
            (1 - t) ** 3 / 6,
            (3 * t**3 - 6 * t**2 + 4) / 6,
            (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6,
            t**3 / 6,
        )
        return [(np.clip(first + k - 1, 0, nodes - 1), w) for k, w in enumerate(weights)]

    values = values.astype(np.float32)
    tall = sum(values[i] * w[:, None] for i, w in taps(grid.height, values.shape[0]))
    return sum(np.take(tall, i, axis=1) * w for i, w in taps(grid.width, values.shape[1]))


def noise(rng: np.random.Generator, spacing_m: float, grid: Grid) -> np.ndarray:
    """Smooth noise of mean 0 and standard deviation near 1 with features of the size `spacing_m`."""
    nodes = int(HEIGHT_M / spacing_m) + 4, int(WIDTH_M / spacing_m) + 4
    # The spline of independent nodes keeps 0.23 of their variance on average.
    return spline(rng.standard_normal(nodes, np.float32) / 0.479, spacing_m, -spacing_m, grid)


def upsampled(coarse: np.ndarray, grid: Grid) -> np.ndarray:
    """A field of the coarse grid on a finer one."""
    return spline(coarse, CELL_M, CELL_M / 2, grid)


def smoothstep(low: float, high: float | np.ndarray, x: np.ndarray) -> np.ndarray:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def kilometres(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Kilometres east and north of the south-west corner, as a row and a column of pixel centres."""
    x, y = grid.centre_xy(np.arange(grid.height)[:, None], np.arange(grid.width)[None, :])
    return (x - X_MIN) / 1000, (y - Y_MIN) / 1000


def make_relief(rng: np.random.Generator) -> Relief:
    grid = coarse_grid()
    east, north = kilometres(grid)
    inland = north - _coast(east) + 1.2 * noise(rng, 6000, grid) + 0.7 * noise(rng, 2200, grid)
    rivers: list[River] = []
    for points, _, widths in _COURSES:
        # A tributary ends on the main river, wherever that has wandered.
        joins = rivers[0].line if rivers and min(p[1] for p in points) > 20 else None
        rivers.append(_river(rng, points, widths, joins))
    floor = np.ones(grid.shape, np.float32)
    for river, (_, half_widths, _) in zip(rivers, _COURSES, strict=True):
        away, along = _distance_km(river.line, grid)
        half = half_widths[0] + (half_widths[1] - half_widths[0]) * along**1.5
        floor = np.minimum(floor, smoothstep(0.0, 1.0, (away - half) / (0.8 + 1.2 * half)))
    # Mountains gather in the north-east, lower hills west of the middle; the coast stays a plain.
    lift = (
        (east - 50) / 78 + (north - 38) / 52 + 0.3 * noise(rng, 15_000, grid) + 0.1 * noise(rng, 5000, grid)
    )
    lift += 0.6 * np.exp(-(((east - 30) / 10) ** 2) - ((north - 64) / 20) ** 2)
    lift += 0.4 * np.exp(-(((east - 62) / 14) ** 2) - ((north - 33) / 7) ** 2)
    shore = smoothstep(1.5, 12.0, inland)
    ruggedness = smoothstep(-0.25, 1.35, lift) * shore * floor
    plain = 1.0 + 0.7 * np.maximum(inland, 0) + 0.021 * np.maximum(inland, 0) ** 2
    # Knolls on the plain: no real one is flat as a table.
    plain += 22 * shore * floor * np.maximum(noise(rng, 3000, grid) - 0.2, 0)
    heights = _drained(rng, plain, ruggedness, grid)
    peak = heights.max()
    heights = np.where(heights > 250, 250 + (heights - 250) * (1190 - 250) / (peak - 250), heights)
    lakes = [_lake(rng, heights, grid, *lake) for lake in _LAKES]
    heights = np.where(inland < 0, 0, heights).astype(np.float32)
    return Relief(grid, heights, inland.astype(np.float32), ruggedness.astype(np.float32), rivers, lakes)


def _coast(east: np.ndarray) -> np.ndarray:
    """Northing of the shore in km: a bay around the river mouth, a cape on either side."""
    bay = 9.0 * np.exp(-(((east - 38) / 11) ** 2))
    cape = -4.0 * np.exp(-(((east - 60) / 8) ** 2)) - 2.5 * np.exp(-(((east - 18) / 8) ** 2))
    return 9.0 + bay + cape + 2.0 * np.sin(east / 9) - 0.02 * np.maximum(east - 70, 0) ** 1.5


def _river(
    rng: np.random.Generator, points: tuple, widths: tuple[float, float], joins: LineString | None
) -> River:
    course = np.array(points, float)
    if joins is not None:
        mouth = joins.interpolate(joins.project(Point(course[-1] * 1000 + (X_MIN, Y_MIN))))
        course[-1] = (mouth.x - X_MIN) / 1000, (mouth.y - Y_MIN) / 1000
    course[1:-1] += rng.uniform(-0.8, 0.8, (len(course) - 2, 2))
    for _round in range(4):
        course = _cut_corners(course)
    line = LineString(course).segmentize(0.25)
    xy = np.array(line.coords)
    # Meanders: a random swing across the course that grows towards the mouth and vanishes at both ends.
    part = np.linspace(0, 1, len(xy))
    swing = sum(
        size * ndimage.gaussian_filter1d(rng.standard_normal(len(xy)), width) * width**0.5
        for size, width in ((0.55, 2.2), (1.1, 6.0))
    )
    swing *= (0.25 + 0.75 * part) * np.minimum(1, np.minimum(part, 1 - part) * 12)
    step = np.gradient(xy, axis=0)
    across = np.stack([-step[:, 1], step[:, 0]], 1) / np.hypot(*step.T)[:, None]
    xy = (xy + across * swing[:, None]) * 1000 + (X_MIN, Y_MIN)
    half = 500 * (widths[0] + (widths[1] - widths[0]) * part**2)
    left, right = xy + across * half[:, None], xy - across * half[:, None]
    return River(LineString(xy), Polygon(np.concatenate([left, right[::-1]])).buffer(1))


def _cut_corners(points: np.ndarray) -> np.ndarray:
    """One round of Chaikin's corner cutting; the ends stay."""
    quarter, three = points[:-1] * 0.75 + points[1:] * 0.25, points[:-1] * 0.25 + points[1:] * 0.75
    inner = np.stack([quarter, three], 1).reshape(-1, 2)
    return np.concatenate([points[:1], inner[1:-1], points[-1:]])


def _distance_km(line: LineString, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Distance from a river, and how far down its course (0 to 1) the nearest point of it lies."""
    xy = np.array(line.segmentize(100).coords)
    row, col = (np.floor(v + 0.5).astype(int) for v in grid.rowcol(xy[:, 0], xy[:, 1]))
    inside = (row >= 0) & (row < grid.height) & (col >= 0) & (col < grid.width)
    along = np.zeros(grid.shape, np.float32)
    dry = np.ones(grid.shape, bool)
    along[row[inside], col[inside]] = np.linspace(0, 1, len(xy))[inside]
    dry[row[inside], col[inside]] = False
    away, (near_row, near_col) = ndimage.distance_transform_edt(dry, return_indices=True)
    return away * CELL_M / 1000, ndimage.gaussian_filter(along[near_row, near_col], 6)


def _drained(rng: np.random.Generator, plain: np.ndarray, ruggedness: np.ndarray, grid: Grid) -> np.ndarray:
    """Mountains as running water leaves them, above the given plain.

    A tree of streams grows from the plain into the rugged ground; up each stream the slope falls with the
    area it drains (S proportional to A^-0.35, as in real river profiles), so ridges stand where streams part.
    """
    rough = np.exp(0.5 * noise(rng, 3000, grid) + 0.5 * noise(rng, 1000, grid) + 0.35 * noise(rng, 500, grid))
    roots = np.flatnonzero(ruggedness.ravel() < 0.02)
    graph = lattice_graph(rough)
    _, upstream_of, _ = dijkstra(graph, indices=roots, min_only=True, return_predecessors=True)
    nodes = np.arange(grid.width * grid.height)
    below = np.where(upstream_of < 0, nodes, upstream_of)
    hops, jump = (below != nodes).astype(np.int64), below
    while (jump[jump] != jump).any():
        hops, jump = hops + hops[jump], jump[jump]
    order = np.argsort(hops, kind="stable")
    levels = np.split(order, np.flatnonzero(np.diff(hops[order])) + 1)
    area = np.full(nodes.size, (CELL_M / 1000) ** 2)
    for level in levels[:0:-1]:
        np.add.at(area, below[level], area[level])
    diagonal = (np.abs(nodes - below) != 1) & (np.abs(nodes - below) != grid.width)
    rise = 0.17 * ruggedness.ravel() * area**-0.35 * CELL_M * np.where(diagonal, 2**0.5, 1.0)
    heights = plain.ravel().astype(np.float64)
    climbed = np.zeros(nodes.size)
    for level in levels[1:]:
        climbed[level] = climbed[below[level]] + rise[level]
    return ndimage.gaussian_filter((heights + climbed).reshape(grid.shape), 0.7)


def lattice_graph(cost: np.ndarray) -> csr_array:
    """The 8-neighbour graph of a grid: an edge costs its length in cells times the mean cost of its ends."""
    height, width = cost.shape
    node = np.arange(height * width).reshape(height, width)
    ends: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = slice(0, height - down), slice(max(0, -right), width - max(0, right))
        there = slice(down, height), slice(max(0, right), width + min(0, right))
        ends.append(np.stack([node[here].ravel(), node[there].ravel()]))
        weights.append((cost[here] + cost[there]).ravel() * (0.5 * math.hypot(down, right)))
    source, target = np.concatenate(ends, axis=1)
    weight = np.concatenate(weights).astype(np.float64)
    size = height * width
    both = np.concatenate([source, target]), np.concatenate([target, source])
    return csr_array((np.concatenate([weight, weight]), both), shape=(size, size))


def _lake(
    rng: np.random.Generator, heights: np.ndarray, grid: Grid, x_km: float, y_km: float, radius_km: float
) -> tuple[Polygon, float]:
    """A reservoir: a blob around a point on a river, as high as the lowest ground in it."""
    turn = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    bumps = sum(rng.uniform(-1, 1) * np.sin(k * turn + rng.uniform(0, 6)) / k for k in range(2, 7))
    radius = radius_km * 1000 * (1 + 0.45 * bumps)
    centre = np.array([X_MIN + x_km * 1000, Y_MIN + y_km * 1000])
    outline = Polygon(centre + radius[:, None] * np.stack([np.cos(turn) * 1.35, np.sin(turn) * 0.8], 1))
    inside = burned([outline], grid)
    return outline.buffer(0), float(np.round(heights[inside].min(), 1))


def burned(shapes: list, grid: Grid) -> np.ndarray:
    """Boolean array: pixels whose centre lies in one of the shapes."""
    if not shapes:
        return np.zeros(grid.shape, bool)
    return rasterize([(s, 1) for s in shapes], grid.shape, transform=grid.transform, dtype=np.uint8).astype(
        bool
    )


def fine_relief(
    rng: np.random.Generator, relief: Relief, grid: Grid
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Elevation (float32 m, steps of 0.1 m, 0 at sea), sea and fresh water (boolean) on the rasters' grid."""
    inland = upsampled(relief.inland_km, grid) + 0.05 * noise(rng, 700, grid)
    sea = _only_large(inland < 0, grid)
    rugged = upsampled(relief.ruggedness, grid)
    heights = upsampled(relief.elevation_m, grid)
    for spacing, share in ((900.0, 42.0), (400.0, 17.0), (180.0, 7.0)):
        heights += share * rugged * (1.2 - np.abs(noise(rng, spacing, grid)))
    heights += 0.35 * noise(rng, 500, grid) * np.minimum(1, np.maximum(inland, 0))
    fresh = np.zeros(grid.shape, bool)
    for outline, level in relief.lakes:
        lake = burned([outline], grid) & ~sea
        # The shore rises out of the water instead of standing as a wall.
        near = burned([outline.buffer(400)], grid)
        heights = np.where(near, np.maximum(heights, level + 0.5), heights)
        heights[lake] = level
        fresh |= lake
    water = burned([river.water for river in relief.rivers], grid) & ~sea & ~fresh
    heights[water] -= 2.0
    heights = np.maximum(np.round(heights, 1), np.float32(LOWEST_LAND_M))
    heights[sea] = 0
    return heights.astype(np.float32), sea, water | fresh


def _only_large(sea: np.ndarray, grid: Grid) -> np.ndarray:
    """The sea without ponds, and with islands of some size only."""
    labels, count = ndimage.label(sea)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    sea = labels == np.argmax(sizes)
    labels, count = ndimage.label(~sea)
    sizes = np.bincount(labels.ravel(), minlength=count + 1) * grid.resolution_m**2
    return sea | (sizes < _SMALLEST_ISLAND_M2)[labels]


def nearest_land_point(relief: Relief, x: float, y: float) -> Point:
    """The centre of the coarse cell on land that is nearest to a point."""
    row, col = np.nonzero(~relief.sea)
    cx, cy = relief.grid.centre_xy(row, col)
    at = np.argmin((cx - x) ** 2 + (cy - y) ** 2)
    return Point(cx[at], cy[at])
