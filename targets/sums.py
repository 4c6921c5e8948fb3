"""Sums over areas and roads from which every share is made: additive, so rows of a table add up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from scipy.spatial import cKDTree

from targets.areas import Area, Road
from targets.errors import Problem, TargetsError
from targets.rasterize import Plane, RasterReader, Window, coverage, edges_of, strips

STRIP_PIXELS = 2_000_000
TILE = 512
CARRIAGEWAY_M = 60.0
PAIRING_STEP_M = 25.0


@dataclass(frozen=True)
class Sums:
    """km2 of areas or km of roads: all of it; with median margin >= 0; with service probability >= q; the
    sum of the service probability; what lies outside the computed rasters (not covered); what lies in
    tunnels."""

    total: float = 0.0
    median: float = 0.0
    probable: float = 0.0
    expected: float = 0.0
    outside: float = 0.0
    tunnels: float = 0.0

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.total + other.total,
            self.median + other.median,
            self.probable + other.probable,
            self.expected + other.expected,
            self.outside + other.outside,
            self.tunnels + other.tunnels,
        )


def area_key(area: Area, rank: dict[str, int]) -> tuple:
    """The order in which areas are worked on and shown, and in which overlaps within a class are decided."""
    return rank[area.class_], area.city, area.county, area.name, area.id


def place_areas(areas: Sequence[Area], plane: Plane) -> tuple[list, list[str]]:
    """Geometries in pixel coordinates of areas sorted by `area_key`, without what an earlier area has.

    A point belongs to its highest class only, and within a class to the first area that has it, so nothing is
    counted twice. Returns the geometries (empty where an area lies wholly in others) and notes on overlaps of
    areas of the same class.
    """
    shapes = [_on_plane(plane, a.geometry, f"area {a.name!r}") for a in areas]
    whole = np.array([s if s.is_valid else shapely.make_valid(s) for s in shapes], dtype=object)
    notes = []
    tree = shapely.STRtree(whole)
    later, earlier = tree.query(whole, predicate="intersects")
    pair = earlier < later
    later, earlier = later[pair], earlier[pair]
    # neighbours share a border and nothing else: leave those as they are
    overlap = (
        shapely.relate_pattern(whole[later], whole[earlier], "T********") if len(later) else np.zeros(0, bool)
    )
    later, earlier = later[overlap], earlier[overlap]
    result = list(whole)
    for i in np.unique(later):
        above = np.sort(earlier[later == i])
        for j in above:
            if areas[i].class_ == areas[j].class_:
                km2 = shapely.intersection(whole[i], whole[j]).area * plane.pixel_km2
                if km2 >= 0.005:
                    notes.append(
                        f"{areas[i].class_} areas {areas[j].name!r} and {areas[i].name!r} overlap by "
                        f"{km2:.2f} km2; counted once, with {areas[j].name!r}"
                    )
        result[i] = shapely.difference(whole[i], shapely.union_all(whole[above]))
    return [_polygonal(shape) for shape in result], notes


def _polygonal(shape):
    parts = shapely.get_parts(shapely.get_parts(np.atleast_1d(shape)))
    parts = parts[shapely.get_type_id(parts) == 3]
    return shapely.multipolygons(parts) if len(parts) else shapely.Polygon()


def _on_plane(plane: Plane, geometry, what: str):
    try:
        return plane.project([geometry])[0]
    except ValueError as error:
        raise TargetsError(Problem(what, "", str(error), "check its coordinates")) from None


def pixels_of(shape, plane: Plane, strip_pixels: int = STRIP_PIXELS) -> Iterator[tuple[Window, np.ndarray]]:
    """(window, km2 of each of its pixels inside the shape) for the part of a shape that lies on the
    raster."""
    if shape.is_empty:
        return
    edges = edges_of(shape)
    for window in strips(plane.window(shape.bounds), strip_pixels):
        yield window, coverage(edges, window) * plane.pixel_km2


def area_sums(
    shape, plane: Plane, reader: RasterReader, service: str, strip_pixels: int = STRIP_PIXELS
) -> Sums:
    """Sums of one area (pixel coordinates); every pixel counts with the part of it that lies inside."""
    q = reader.services[service]
    seen = known = median = probable = expected = 0.0
    for window, km2 in pixels_of(shape, plane, strip_pixels):
        margin = reader.read(service, "margin_db", window)
        probability = reader.read(service, "probability", window)
        computed = ~(np.isnan(margin) | np.isnan(probability))
        seen += float(km2.sum())
        known += float(km2[computed].sum())
        median += float(km2[computed & (margin >= 0)].sum())
        probable += float(km2[computed & (probability >= q)].sum())
        expected += float((km2[computed] * probability[computed]).sum())
    # The pixels of an area that lies wholly on the raster add up to its area; otherwise the rest is outside.
    total = seen if plane.holds(shape.bounds) or shape.is_empty else max(seen, shape.area * plane.pixel_km2)
    return Sums(total, median, probable, expected, max(0.0, total - known))


@dataclass(frozen=True)
class RoadSamples:
    """Points along roads, each for the length around it. u, v: pixel coordinates; km: length it stands for,
    halved on double carriageways; road: index of its road; partner: index of the sample on the opposite
    carriageway, -1 where there is none; part: counts the unbroken lines; all (n,), in order along each
    line."""

    u: np.ndarray
    v: np.ndarray
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


def sample_roads(roads: Sequence[Road], plane: Plane) -> RoadSamples:
    """Points on the roads at most half a pixel apart, each in the middle of the length it stands for.

    Both carriageways of a road count once: a point on a one-way line weighs half where another one-way line
    of the same class and number (or name) runs the other way within about 60 m. Lines that are not marked
    as one-way count in full. Memory: about 100 bytes a point.
    """
    lines = [_on_plane(plane, r.geometry, f"road {r.road or r.class_!r}") for r in roads]
    parts, owner = shapely.get_parts(np.array(lines, dtype=object), return_index=True)
    points, part = shapely.get_coordinates(parts, return_index=True)
    same = part[1:] == part[:-1]
    start, run, part = points[:-1][same], np.diff(points, axis=0)[same], part[:-1][same]
    length = np.hypot(run[:, 0], run[:, 1])
    start, run, part, length = start[length > 0], run[length > 0], part[length > 0], length[length > 0]
    oneway = np.array([r.oneway for r in roads], dtype=bool)[owner[part]]
    step = np.where(oneway, min(0.5, PAIRING_STEP_M / plane.pixel_m), 0.5)
    count = np.maximum(1, np.ceil(length / step - 1e-9)).astype(np.int64)
    piece = np.repeat(np.arange(len(length)), count)
    place = (np.arange(len(piece)) - np.repeat(np.cumsum(count) - count, count) + 0.5) / count[piece]
    u = start[piece, 0] + place * run[piece, 0]
    v = start[piece, 1] + place * run[piece, 1]
    km = (length / count * plane.pixel_m / 1000)[piece]
    road = owner[part[piece]]
    direction = (run / length[:, None])[piece]
    partner = _partners(roads, np.column_stack([u, v]) * plane.pixel_m, direction, road, oneway[piece])
    return RoadSamples(u, v, np.where(partner >= 0, km / 2, km), road, part[piece], partner)


def _partners(roads, xy, direction, road, oneway) -> np.ndarray:
    """Index of the nearest sample on the opposite carriageway, -1 where there is none.

    Nearest in four dimensions, place and direction, with directions scaled so that running the same way alone
    is further than the limit: what is found runs the other way.
    """
    partner = np.full(len(xy), -1, dtype=np.int64)
    names: dict[tuple, list[int]] = {}
    for i, r in enumerate(roads):
        if r.oneway:
            names.setdefault((r.class_, r.road), []).append(i)
    group = np.full(len(roads), -1, dtype=np.int64)
    for g, members in enumerate(names.values()):
        group[members] = g
    rows = np.flatnonzero(oneway)
    rows = rows[np.argsort(group[road[rows]], kind="stable")]
    edges = np.flatnonzero(np.diff(group[road[rows]])) + 1
    for members in np.split(rows, edges) if len(rows) else []:
        here = np.column_stack([xy[members], CARRIAGEWAY_M * direction[members]])
        there = np.column_stack([xy[members], -CARRIAGEWAY_M * direction[members]])
        distance, found = cKDTree(here).query(there, distance_upper_bound=CARRIAGEWAY_M * 1.1)
        hit = np.isfinite(distance)
        partner[members[hit]] = members[found[hit]]
    return partner


def read_at(samples: RoadSamples, plane: Plane, reader: RasterReader, service: str, tile: int = TILE):
    """(margin_db, probability), float32 (n,), of the pixel that each sample lies in; NaN outside the rasters.

    Samples are sorted by tile, so every part of a raster is read once whatever the order of the roads.
    """
    margin = np.full(len(samples.u), np.nan, dtype=np.float32)
    probability = margin.copy()
    col, row = np.floor(samples.u).astype(np.int64), np.floor(samples.v).astype(np.int64)
    on = np.flatnonzero((col >= 0) & (row >= 0) & (col < plane.width) & (row < plane.height))
    key = (row[on] // tile) * (plane.width // tile + 1) + col[on] // tile
    order = np.argsort(key, kind="stable")
    on, key = on[order], key[order]
    for here in np.split(on, np.flatnonzero(np.diff(key)) + 1) if len(on) else []:
        r, c = row[here], col[here]
        window = Window(int(r.min()), int(c.min()), int(np.ptp(r)) + 1, int(np.ptp(c)) + 1)
        place = r - window.row, c - window.col
        margin[here] = reader.read(service, "margin_db", window)[place]
        probability[here] = reader.read(service, "probability", window)[place]
    return margin, probability


def road_sums(
    roads: Sequence[Road],
    samples: RoadSamples,
    plane: Plane,
    reader: RasterReader,
    service: str,
    leave_out_tunnels: bool = False,
    tile: int = TILE,
) -> list[Sums]:
    """Sums of every road, in km. Tunnels are told apart and, where the policy says so, left out of all
    else."""
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
    result = []
    for i, road in enumerate(roads):
        values = [float(column[i]) for column in columns]
        if road.tunnel and leave_out_tunnels:
            values = [0.0] * 5
        result.append(Sums(*values, tunnels=float(total[i]) if road.tunnel else 0.0))
    return result
