"""Points along roads, both carriageways counted once, and the sums over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from scipy.spatial import cKDTree

from targets.areas import Road
from targets.rasterize import Plane, RasterReader, Window
from targets.spread import Curves, Spread
from targets.sums import Sums, on_plane

TILE = 512
CARRIAGEWAY_M = 60.0
PAIRING_STEP_M = 25.0
BESIDE = 4.0


@dataclass(frozen=True)
class RoadSamples:
    """Points along roads, each for the length around it. u, v: pixel coordinates; du, dv: from there to the end
    of that length; km: how much it counts for, half of it on double carriageways; road: index of its road; part:
    counts the unbroken lines; partner: index of the sample on the opposite carriageway, -1 where there is none;
    all (n,), in order along each line."""

    u: np.ndarray
    v: np.ndarray
    du: np.ndarray
    dv: np.ndarray
    km: np.ndarray
    road: np.ndarray
    part: np.ndarray
    partner: np.ndarray


def road_key(road: Road) -> tuple:
    """The order in which roads are worked on and shown."""
    return (
        road.class_,
        road.ref,
        road.name,
        road.city,
        road.county,
        road.tunnel,
        shapely.to_wkb(road.geometry),
    )


def sample_roads(roads: Sequence[Road], plane: Plane, carriageway_m: float = CARRIAGEWAY_M) -> RoadSamples:
    """Points on the roads at most half a pixel apart, each in the middle of the length it stands for.

    Both carriageways of a road count once: a point on a one-way line weighs half where another one-way line
    of the same class and number (or name) runs the other way within about carriageway_m. Where no road at all
    is marked as one-way, lines beside each other are found by their shape (`parallel_lines`) and taken so.
    Other lines that are not marked count in full. Memory: about 100 bytes a point.
    """
    lines = [on_plane(plane, r.geometry, f"road {r.road or r.class_!r}") for r in roads]
    parts, owner = shapely.get_parts(np.array(lines, dtype=object), return_index=True)
    points, part = shapely.get_coordinates(parts, return_index=True)
    same = part[1:] == part[:-1]
    start, run, part = points[:-1][same], np.diff(points, axis=0)[same], part[:-1][same]
    length = np.hypot(run[:, 0], run[:, 1])
    start, run, part, length = start[length > 0], run[length > 0], part[length > 0], length[length > 0]
    way = np.array([r.oneway for r in roads], dtype=np.int64)[owner]
    if not way.any():
        way = parallel_lines(roads, parts, owner, carriageway_m / plane.pixel_m)
    oneway = way[part] != 0
    step = np.where(oneway, min(0.5, PAIRING_STEP_M / plane.pixel_m), 0.5)
    count = np.maximum(1, np.ceil(length / step - 1e-9)).astype(np.int64)
    piece = np.repeat(np.arange(len(length)), count)
    place = (np.arange(len(piece)) - np.repeat(np.cumsum(count) - count, count) + 0.5) / count[piece]
    u = start[piece, 0] + place * run[piece, 0]
    v = start[piece, 1] + place * run[piece, 1]
    km = (length / count * plane.pixel_m / 1000)[piece]
    road = owner[part[piece]]
    direction = (run / length[:, None])[piece]
    travel = way[part[piece]][:, None] * direction
    partner = _partners(roads, np.column_stack([u, v]) * plane.pixel_m, travel, road, oneway[piece], carriageway_m)
    half = (run / (2 * count)[:, None])[piece]
    return RoadSamples(u, v, *half.T, np.where(partner >= 0, km / 2, km), road, part[piece], partner)


def parallel_lines(roads: Sequence[Road], parts: np.ndarray, owner: np.ndarray, distance: float) -> np.ndarray:
    """(len(parts),) +1 or -1 for lines that run beside another line of the same class and number (or name), so
    that twins travel opposite ways; 0 for all others. Beside: for `BESIDE` distances or more no further apart
    than `distance` (pixels)."""
    way = np.zeros(len(parts), dtype=np.int64)
    keys = [(roads[i].class_, roads[i].road) for i in owner]
    group = np.unique([repr(k) for k in keys], return_inverse=True)[1] if keys else np.zeros(0, int)
    named = np.array([bool(k[1]) for k in keys], dtype=bool)
    if distance <= 0 or not len(parts):
        return way
    one, other = shapely.STRtree(parts).query(parts, predicate="dwithin", distance=distance)
    pair = (one < other) & (group[one] == group[other]) & named[one]
    one, other = one[pair], other[pair]
    beside = shapely.intersection(parts[one], shapely.buffer(parts[other], distance, cap_style="flat"))
    long = shapely.length(beside) >= BESIDE * distance
    links: dict[int, list[tuple[int, int]]] = {}
    for i, j, line in zip(one[long], other[long], beside[long], strict=True):
        stretch = max(shapely.get_parts(line), key=shapely.length)
        ends = shapely.get_point(stretch, [0, -1])
        start, end = shapely.line_locate_point(parts[j], ends)
        turn = -1 if end > start else 1
        links.setdefault(int(i), []).append((int(j), turn))
        links.setdefault(int(j), []).append((int(i), turn))
    for first in sorted(links):
        if way[first]:
            continue
        way[first] = 1
        waiting = [first]
        while waiting:
            here = waiting.pop()
            for there, turn in links[here]:
                if not way[there]:
                    way[there] = way[here] * turn
                    waiting.append(there)
    return way


def _partners(roads, xy, direction, road, oneway, carriageway_m) -> np.ndarray:
    """Index of the nearest sample on the opposite carriageway, -1 where there is none.

    Nearest in four dimensions, place and direction, with directions scaled so that running the same way alone
    is further than the limit: what is found runs the other way.
    """
    partner = np.full(len(xy), -1, dtype=np.int64)
    names: dict[tuple, int] = {}
    group = np.array([names.setdefault((r.class_, r.road), len(names)) for r in roads])
    rows = np.flatnonzero(oneway)
    rows = rows[np.argsort(group[road[rows]], kind="stable")]
    edges = np.flatnonzero(np.diff(group[road[rows]])) + 1
    for members in np.split(rows, edges) if len(rows) and carriageway_m > 0 else []:
        here = np.column_stack([xy[members], carriageway_m * direction[members]])
        there = np.column_stack([xy[members], -carriageway_m * direction[members]])
        distance, found = cKDTree(here).query(there, distance_upper_bound=carriageway_m * 1.1)
        hit = np.isfinite(distance)
        partner[members[hit]] = members[found[hit]]
    return partner


def at_points(u: np.ndarray, v: np.ndarray, plane: Plane, read: Callable[[Window], np.ndarray], tile: int = TILE):
    """float32 (n,) values of the pixels that points lie in, by a function that reads a window; NaN outside.

    Points are sorted by tile, so every part of a raster is read once whatever their order.
    """
    values = np.full(len(u), np.nan, dtype=np.float32)
    col, row = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
    on = np.flatnonzero((col >= 0) & (row >= 0) & (col < plane.width) & (row < plane.height))
    key = (row[on] // tile) * (plane.width // tile + 1) + col[on] // tile
    order = np.argsort(key, kind="stable")
    on, key = on[order], key[order]
    for here in np.split(on, np.flatnonzero(np.diff(key)) + 1) if len(on) else []:
        r, c = row[here], col[here]
        window = Window(int(r.min()), int(c.min()), int(np.ptp(r)) + 1, int(np.ptp(c)) + 1)
        values[here] = read(window)[r - window.row, c - window.col]
    return values


def read_at(samples: RoadSamples, plane: Plane, reader: RasterReader, service: str, tile: int = TILE):
    """(margin_db, probability), float32 (n,), of the pixel that each sample lies in; NaN outside the rasters."""
    return tuple(
        at_points(samples.u, samples.v, plane, lambda window, band=band: reader.read(service, band, window), tile)
        for band in ("margin_db", "probability")
    )


def road_sums(
    roads: Sequence[Road],
    samples: RoadSamples,
    plane: Plane,
    reader: RasterReader,
    service: str,
    leave_out_tunnels: bool = False,
    tile: int = TILE,
    spread: Spread | None = None,
) -> list[tuple[Sums, Curves]]:
    """Sums of every road, in km, and curves where `spread` wants them. Tunnels are told apart and, where the
    policy says so, left out of all else."""
    margin, probability = read_at(samples, plane, reader, service, tile)
    computed = ~(np.isnan(margin) | np.isnan(probability))
    km, n = samples.km, len(roads)

    def per_road(weight: np.ndarray) -> np.ndarray:
        return np.bincount(samples.road, weight, minlength=n)

    total = per_road(km)
    columns = [
        total,
        per_road(km * (computed & (margin >= 0))),
        per_road(km * (computed & (probability >= reader.services[service]))),
        per_road(km * np.where(computed, probability, 0)),
        per_road(km * ~computed),
    ]
    row, col = np.floor(samples.v).astype(np.int64), np.floor(samples.u).astype(np.int64)
    first = np.searchsorted(samples.road, np.arange(n + 1))
    result = []
    for i, road in enumerate(roads):
        values, curves = [float(column[i]) for column in columns], Curves.none()
        if road.tunnel and leave_out_tunnels:
            values = [0.0] * 5
        elif spread is not None:
            mine = first[i] + np.flatnonzero(computed[first[i] : first[i + 1]])
            curves = spread.curves(row[mine], col[mine], probability[mine], km[mine])
        result.append((Sums(*values, tunnels=float(total[i]) if road.tunnel else 0.0), curves))
    return result
