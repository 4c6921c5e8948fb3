"""Test tiles: squares of the project's plane, which of them belong to a target, and which a car can reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from targets.areas import Area, Road
from targets.errors import Problem, TargetsError
from targets.rasterize import Plane
from targets.roadways import RoadSamples

# TSB-88 practice: 100 wavelengths to 2 km a side.
SMALLEST_WAVELENGTHS, LARGEST_M = 100.0, 2000.0
SPEED_OF_LIGHT = 299.792458  # m MHz
HALF = 1 << 31


@dataclass(frozen=True)
class Tiles:
    """Tiles (n,) of one target. row, col: of the grid of tiles, counted from the plane's origin to the north and
    east; city, county: that they belong to; weight: km2 or km they stand for; lon, lat: of the middle; reach_m:
    from the middle to the nearest road (infinite where it is farther than looked for), access_lon, access_lat:
    the point on it."""

    row: np.ndarray
    col: np.ndarray
    city: np.ndarray
    county: np.ndarray
    weight: np.ndarray
    lon: np.ndarray
    lat: np.ndarray
    reach_m: np.ndarray
    access_lon: np.ndarray
    access_lat: np.ndarray

    def __len__(self) -> int:
        return len(self.row)

    @property
    def key(self) -> np.ndarray:
        return key_of(self.row, self.col)

    def places(self) -> tuple[list[tuple[str, str]], np.ndarray]:
        """All (city, county) in order, and the position of each tile's among them, (n,)."""
        known = sorted(set(zip(self.city.tolist(), self.county.tolist(), strict=True)))
        at = {place: i for i, place in enumerate(known)}
        pairs = zip(self.city.tolist(), self.county.tolist(), strict=True)
        return known, np.fromiter((at[p] for p in pairs), np.int64, len(self))

    @property
    def reachable(self) -> np.ndarray:
        return np.isfinite(self.reach_m)


def key_of(row: np.ndarray, col: np.ndarray) -> np.ndarray:
    """(n,) int64, one number a tile; rising with row, then column."""
    return (np.asarray(row, np.int64) << 32) + np.asarray(col, np.int64) + HALF


def of_key(key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(row, col) of the numbers of tiles."""
    return key >> 32, (key & 0xFFFFFFFF) - HALF


def name_of(key: int) -> str:
    """The name a field team sees: column east, row north of the plane's origin."""
    row, col = of_key(int(key))
    return f"E{col}N{row}"


def of_name(name: str) -> int:
    """The number of the tile of that name; ValueError where it is none."""
    east, _, north = name.removeprefix("E").partition("N")
    return int(key_of(int(north), int(east)))


@dataclass(frozen=True)
class TileGrid:
    """Tiles of side_m metres on the plane of the rasters."""

    plane: Plane
    side_m: float

    def of_pixels(self, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(row, col) of the tiles that points in pixel coordinates lie in."""
        x, y = self.plane.x0 + u * self.plane.pixel_m, self.plane.y0 - v * self.plane.pixel_m
        return np.floor(y / self.side_m).astype(np.int64), np.floor(x / self.side_m).astype(np.int64)

    def of_lonlat(self, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.of_pixels(*self.plane.pixels(lon, lat))

    def middle(self, row: np.ndarray, col: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixel coordinates (u, v)."""
        x, y = (np.asarray(col) + 0.5) * self.side_m, (np.asarray(row) + 0.5) * self.side_m
        return (x - self.plane.x0) / self.plane.pixel_m, (self.plane.y0 - y) / self.plane.pixel_m

    def outline(self, key: int):
        """The square in longitude and latitude."""
        u, v = self.middle(*of_key(key))
        half = self.side_m / 2 / self.plane.pixel_m
        return self.plane.unproject(shapely.box(u - half, v - half, u + half, v + half))


def check_side(side_m: float, frequency_mhz: float) -> None:
    """TargetsError for a tile that no standard allows."""
    smallest = SMALLEST_WAVELENGTHS * SPEED_OF_LIGHT / frequency_mhz
    if not smallest <= side_m <= LARGEST_M:
        what = f"a tile of {side_m:g} m"
        remedy = f"tiles are 100 wavelengths ({smallest:.0f} m at {frequency_mhz:g} MHz) to {LARGEST_M:g} m a side"
        raise TargetsError(Problem("", "", what, remedy))


@dataclass(frozen=True)
class Access:
    """Roads to reach tiles by, lines in pixel coordinates, and how far from one the middle of a tile may lie, m."""

    lines: np.ndarray
    within_m: float


def area_tiles(grid: TileGrid, areas: Sequence[Area], shapes: Sequence, roads: Access) -> Tiles:
    """Tiles whose middle lies in one of the areas (their shapes in pixel coordinates, without overlaps)."""
    rows, cols, owner = [], [], []
    for number, shape in enumerate(shapes):
        if shape.is_empty:
            continue
        u0, v0, u1, v1 = shape.bounds
        corners = grid.of_pixels(np.array([u0, u1]), np.array([v0, v1]))
        (low, high), (left, right) = (np.sort(ends) for ends in corners)
        row, col = (a.ravel() for a in np.mgrid[low : high + 1, left : right + 1])
        shapely.prepare(shape)
        inside = shapely.contains_xy(shape, *grid.middle(row, col))
        rows.append(row[inside])
        cols.append(col[inside])
        owner.append(np.full(int(inside.sum()), number))
    if not rows:
        return _tiles(grid, np.zeros(0, np.int64), np.zeros(0, np.int64), [], np.zeros(0), roads)
    row, col, owner = (np.concatenate(part) for part in (rows, cols, owner))
    places = [(areas[i].city, areas[i].county) for i in owner]
    return _tiles(grid, row, col, places, np.full(len(row), grid.side_m**2 / 1e6), roads)


def road_tiles(grid: TileGrid, roads: Sequence[Road], samples: RoadSamples, classes: Sequence[str]) -> Tiles:
    """Tiles that roads of some classes run through, each reached on that road; tunnels are left out.

    A tile belongs to the county of the road with the most length in it.
    """
    counts = np.array([r.class_ in classes and not r.tunnel for r in roads], dtype=bool)
    mine = np.flatnonzero(counts[samples.road])
    row, col = grid.of_pixels(samples.u[mine], samples.v[mine])
    keys, place = np.unique(key_of(row, col), return_inverse=True)
    km = np.bincount(place, samples.km[mine], minlength=len(keys))
    # by tile, then by length of the road in it, the longest first
    both, each = np.unique(np.stack([place, samples.road[mine]]), axis=1, return_inverse=True)
    length = np.bincount(each, samples.km[mine], minlength=both.shape[1])
    order = np.lexsort((-length, both[0]))
    first = order[np.unique(both[0][order], return_index=True)[1]]
    owner = both[1][first]
    row, col = of_key(keys)
    middle_u, middle_v = grid.middle(row, col)
    away = np.hypot(samples.u[mine] - middle_u[place], samples.v[mine] - middle_v[place])
    order = np.lexsort((away, place))
    nearest = mine[order[np.unique(place[order], return_index=True)[1]]] if len(mine) else mine
    reach = np.hypot(samples.u[nearest] - middle_u, samples.v[nearest] - middle_v) * grid.plane.pixel_m
    access = grid.plane.lonlat(samples.u[nearest], samples.v[nearest])
    lon, lat = grid.plane.lonlat(middle_u, middle_v)
    city, county = (np.array([getattr(roads[i], what) for i in owner], dtype=object) for what in ("city", "county"))
    return Tiles(row, col, city, county, km, lon, lat, reach, *access)


def _tiles(grid: TileGrid, row, col, places, weight, roads: Access) -> Tiles:
    order = np.lexsort((col, row))
    row, col, weight = row[order], col[order], weight[order]
    places = [places[i] for i in order]
    city, county = (np.array([p[k] for p in places], dtype=object) for k in (0, 1))
    u, v = grid.middle(row, col)
    lon, lat = grid.plane.lonlat(u, v)
    reach, access = np.full(len(row), np.inf), np.full((len(row), 2), np.nan)
    if len(roads.lines) and len(row):
        points = shapely.points(u, v)
        tree = shapely.STRtree(roads.lines)
        tile, line = tree.query_nearest(points, max_distance=roads.within_m / grid.plane.pixel_m, all_matches=False)
        ends = shapely.shortest_line(roads.lines[line], points[tile])
        reach[tile] = shapely.length(ends) * grid.plane.pixel_m
        on_road = shapely.get_coordinates(shapely.get_point(ends, 0))
        access[tile] = np.column_stack(grid.plane.lonlat(on_road[:, 0], on_road[:, 1]))
    return Tiles(row, col, city, county, weight, lon, lat, reach, access[:, 0], access[:, 1])
