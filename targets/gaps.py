"""Where a policy is not yet fulfilled: the largest uncovered pieces of areas and stretches of roads.

Uncovered is what counts as uncovered by share_probable: service probability below the q of the service, or
outside the computed rasters.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import rasterio.features
import shapely
from rasterio.transform import Affine
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from targets.areas import AreaSet, Road, RoadSet
from targets.compliance import check_services, place_on_disk, placed, sampled
from targets.policy import Policy
from targets.rasterize import Plane, RasterReader
from targets.roadways import RoadSamples, read_at
from targets.sums import STRIP_PIXELS, pixels_of, polygonal


@dataclass(frozen=True)
class Gap:
    """An uncovered piece: size in km2 (measure "area") or km ("length"); lon, lat: its centroid, for a road
    the point on it nearest to the centroid; class_ as in the data; id and name of the area or road it is
    part of; outside: the part of the size that lies outside the computed rasters. road, road_lon, road_lat,
    road_m: the nearest point on a road to the piece, and how far it is from it, m (None where there are no roads).
    geometry: in longitude and latitude, MultiPolygon or MultiLineString."""

    measure: str
    class_: str
    service: str
    size: float
    outside: float
    lon: float
    lat: float
    city: str
    county: str
    id: str
    name: str
    road: str | None = None
    road_lon: float | None = None
    road_lat: float | None = None
    road_m: float | None = None
    geometry: Any = field(default=None, compare=False, repr=False)

    @property
    def order(self) -> tuple:
        """Largest first, then by what it is."""
        return -self.size, self.measure, self.class_, self.service, self.id, self.lon, self.lat


def largest_gaps(
    policy: Policy,
    areas: AreaSet | None,
    roads: RoadSet | None,
    reader: RasterReader,
    *,
    limit: int = 20,
    strip_pixels: int = STRIP_PIXELS,
) -> tuple[list[Gap], list[Gap]]:
    """(pieces of areas by km2, stretches of roads by km), the `limit` largest of each.

    A piece is a set of pixels that touch along an edge, within one area; the part of an area beyond the
    edge of the rasters is in share_outside of its row and in no piece. A stretch runs on over the ends of
    lines of one road (class and number or name) and over both its carriageways.
    """
    check_services(policy, reader)
    plane = Plane(reader)
    ordered, shapes, _ = placed(policy, areas, plane)
    ways, samples = sampled(policy, roads, plane)
    pieces: list[tuple[Gap, int, int]] = []  # with the number of the area, and of the piece in it
    stretches: list[tuple[Gap, np.ndarray]] = []  # with its samples
    asked = dict.fromkeys(
        (t.class_, "length" if t.measure == "length" else "area", t.service) for t in policy.targets
    )
    for class_, measure, service in asked:
        members = policy.policy_class(class_).data_classes()
        if measure == "area":
            for number in sorted(range(len(ordered)), key=lambda i: place_on_disk(shapes[i])):
                area, shape = ordered[number], shapes[number]
                if area.class_ not in members:
                    continue
                found = _pieces(shape, plane, reader, service, strip_pixels)
                for piece in found.largest(limit):
                    size, outside, u, v = found.figures(piece)
                    where = *plane.lonlat(u, v), area.city, area.county, area.id, area.name
                    pieces.append((Gap("area", area.class_, service, size, outside, *where), number, piece))
        elif ways:
            leave_out = policy.tunnels == "leave-out"
            stretches += _stretches(ways, samples, plane, reader, service, set(members), leave_out)
    nearest = _Nearest(ways, plane) if ways else None
    outlines: dict[tuple[int, str], dict[int, Any]] = {}
    chosen = heapq.nsmallest(limit, pieces, key=lambda p: p[0].order)
    for gap, number, piece in chosen:
        outlines.setdefault((number, gap.service), {})[piece] = None
    for (number, service), wanted in outlines.items():
        wanted |= _outlines(shapes[number], plane, reader, service, list(wanted), strip_pixels)
    areas_found = []
    for gap, number, piece in chosen:
        outline = outlines[number, gap.service][piece]
        road = nearest.to(outline) if nearest else {}
        areas_found.append(replace(gap, geometry=plane.unproject(outline), **road))
    roads_found = [
        replace(
            gap,
            geometry=plane.unproject(_lines(samples, mine)),
            road=gap.name,
            road_lon=gap.lon,
            road_lat=gap.lat,
            road_m=0.0,
        )
        for gap, mine in heapq.nsmallest(limit, stretches, key=lambda s: s[0].order)
    ]
    return areas_found, roads_found


class _Nearest:
    """The nearest point on any road."""

    def __init__(self, roads: list[Road], plane: Plane) -> None:
        self.roads, self.plane = roads, plane
        self.lines = plane.project([r.geometry for r in roads])
        self.tree = shapely.STRtree(self.lines)

    def to(self, shape) -> dict[str, Any]:
        number = int(self.tree.nearest(shape))
        road = self.roads[number]
        ends = shapely.shortest_line(self.lines[number], shape)
        lon, lat = self.plane.lonlat(*shapely.get_coordinates(ends)[0])
        name = " ".join(filter(None, (road.ref, road.name))) or road.class_
        return {"road": name, "road_lon": lon, "road_lat": lat, "road_m": float(ends.length * self.plane.pixel_m)}


@dataclass(frozen=True)
class _Pieces:
    """Connected uncovered pieces of an area. piece: the piece of every label of `_labelled`; sums: (4, pieces) km2,
    km2 outside, and both coordinates of the centroid times km2."""

    piece: np.ndarray
    sums: np.ndarray

    def largest(self, limit: int) -> list[int]:
        size, _, u, v = self.sums
        return [int(i) for i in np.lexsort((u, v, -size))[:limit]]

    def figures(self, piece: int) -> tuple[float, float, float, float]:
        """km2, km2 outside, u and v of the centroid."""
        size, outside, u, v = (float(value) for value in self.sums[:, piece])
        return size, outside, u / size, v / size


def _labelled(shape, plane: Plane, reader: RasterReader, service: str, strip_pixels: int) -> Iterator[tuple]:
    """(window, labels, km2, computed) strip by strip; labels: 0 where covered, else counted on over all strips."""
    q, count = reader.services[service], 0
    for window, km2 in pixels_of(shape, plane, strip_pixels):
        probability = reader.read(service, "probability", window)
        computed = ~(np.isnan(probability) | np.isnan(reader.read(service, "margin_db", window)))
        labels, found = ndimage.label((km2 > 0) & ~(computed & (probability >= q)))
        yield window, np.where(labels > 0, labels + count, 0), km2, computed
        count += found


def _pieces(shape, plane: Plane, reader: RasterReader, service: str, strip_pixels: int) -> _Pieces:
    """Pieces of one area, labelled strip by strip and joined where they touch across the border of two strips."""
    sums, links, count, above = [np.zeros((4, 0))], [np.zeros((2, 0), dtype=np.int64)], 0, None
    for window, labels, km2, computed in _labelled(shape, plane, reader, service, strip_pixels):
        if above is not None:
            touching = (above > 0) & (labels[0] > 0)
            links.append(np.stack([above[touching], labels[0][touching]]) - 1)
        row, col = np.nonzero(labels)
        mine, weight = labels[row, col] - count - 1, km2[row, col]
        found = int(mine.max()) + 1 if len(mine) else 0
        away = weight * ~computed[row, col]
        values = (weight, away, weight * (col + window.col + 0.5), weight * (row + window.row + 0.5))
        sums.append(np.stack([np.bincount(mine, value, minlength=found) for value in values]))
        count, above = count + found, labels[-1]
    if count == 0:
        return _Pieces(np.zeros(0, dtype=np.int64), np.zeros((4, 0)))
    n, piece = _components(count, np.concatenate(links, axis=1))
    return _Pieces(piece, np.stack([np.bincount(piece, v, minlength=n) for v in np.concatenate(sums, axis=1)]))


def _outlines(shape, plane: Plane, reader: RasterReader, service: str, wanted: list[int], strip_pixels: int):
    """{piece: its outline in pixel coordinates} of some pieces of an area."""
    piece = np.concatenate([[-1], _pieces(shape, plane, reader, service, strip_pixels).piece])
    found: dict[int, list] = {one: [] for one in wanted}
    for window, labels, _, _ in _labelled(shape, plane, reader, service, strip_pixels):
        here = piece[labels].astype(np.int32)
        corner = Affine.translation(window.col, window.row)
        for outline, value in rasterio.features.shapes(here, np.isin(here, wanted), transform=corner):
            found[int(value)].append(shapely.geometry.shape(outline))
    return {one: polygonal(shapely.intersection(shapely.union_all(parts), shape)) for one, parts in found.items()}


def _lines(samples: RoadSamples, mine: np.ndarray):
    """The stretch of road that samples stand for, in pixel coordinates."""
    start = np.column_stack([samples.u - samples.du, samples.v - samples.dv])[mine]
    end = np.column_stack([samples.u + samples.du, samples.v + samples.dv])[mine]
    merged = shapely.line_merge(shapely.multilinestrings(shapely.linestrings(np.stack([start, end], axis=1))))
    return shapely.multilinestrings(shapely.get_parts(merged))


def _components(count: int, links: np.ndarray) -> tuple[int, np.ndarray]:
    """Number of connected components of `count` nodes with links (2, n), and the component of each node."""
    graph = coo_array((np.ones(links.shape[1], dtype=np.int8), (links[0], links[1])), shape=(count, count))
    return connected_components(graph, directed=False)


def _stretches(
    roads: list[Road],
    samples: RoadSamples,
    plane: Plane,
    reader: RasterReader,
    service: str,
    members: set[str],
    leave_out_tunnels: bool,
) -> list[tuple[Gap, np.ndarray]]:
    """Uncovered stretches of the roads of the given classes, each with its samples."""
    margin, probability = read_at(samples, plane, reader, service)
    computed = ~(np.isnan(margin) | np.isnan(probability))
    counts = np.array([r.class_ in members and not (r.tunnel and leave_out_tunnels) for r in roads])
    bare = counts[samples.road] & ~(computed & (probability >= reader.services[service]))
    where = np.flatnonzero(bare)
    if len(where) == 0:
        return []
    node = np.full(len(bare), -1, dtype=np.int64)
    node[where] = np.arange(len(where))
    along = where[:-1][(np.diff(where) == 1) & (np.diff(samples.part[where]) == 0)]
    links = [np.stack([node[along], node[along + 1]])]
    across = where[samples.partner[where] >= 0]
    across = across[bare[samples.partner[across]]]
    links.append(np.stack([node[across], node[samples.partner[across]]]))
    links.append(_joints(roads, samples, plane, node))
    n, stretch = _components(len(where), np.concatenate(links, axis=1))
    order = np.argsort(stretch, kind="stable")
    cuts = np.flatnonzero(np.diff(stretch[order])) + 1
    gaps = []
    for chosen in np.split(where[order], cuts):
        km, u, v = samples.km[chosen], samples.u[chosen], samples.v[chosen]
        size = float(km.sum())
        middle = np.hypot(u - (km * u).sum() / size, v - (km * v).sum() / size)
        at = chosen[int(np.argmin(middle))]
        road = roads[samples.road[at]]
        lon, lat = plane.lonlat(samples.u[at], samples.v[at])
        outside = float((km * ~computed[chosen]).sum())
        name = " ".join(filter(None, (road.ref, road.name)))
        where = lon, lat, road.city, road.county, road.road, name
        gaps.append((Gap("length", road.class_, service, size, outside, *where), chosen))
    return gaps


def _joints(roads: list[Road], samples: RoadSamples, plane: Plane, node: np.ndarray) -> np.ndarray:
    """Links (2, n) between uncovered ends of lines of one road that meet in a point."""
    part = samples.part
    first = np.flatnonzero(np.r_[True, part[1:] != part[:-1]])
    last = np.r_[first[1:] - 1, len(part) - 1]
    lines = shapely.get_parts(plane.project([r.geometry for r in roads]))[part[first]]
    ends = {}
    links = []
    for sample, point in ((first, shapely.get_point(lines, 0)), (last, shapely.get_point(lines, -1))):
        place = np.round(shapely.get_coordinates(point) * plane.pixel_m, 1)
        for s, (x, y) in zip(sample, place, strict=True):
            if node[s] < 0:
                continue
            road = roads[samples.road[s]]
            met = ends.setdefault((road.class_, road.road, float(x), float(y)), node[s])
            links.append((met, node[s]))
    return np.array(links, dtype=np.int64).reshape(-1, 2).T
