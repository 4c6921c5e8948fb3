"""Where a policy is not yet fulfilled: the largest uncovered pieces of areas and stretches of roads.

Uncovered is what counts as uncovered by share_probable: service probability below the q of the service, or
outside the computed rasters.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
import shapely
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from targets.areas import AreaSet, Road, RoadSet
from targets.compliance import check_services, placed, sampled
from targets.policy import Policy
from targets.rasterize import Plane, RasterReader
from targets.sums import STRIP_PIXELS, RoadSamples, pixels_of, read_at


@dataclass(frozen=True)
class Gap:
    """An uncovered piece: size in km2 (measure "area") or km ("length"); lon, lat: its centroid, for a road
    the point on it nearest to the centroid; class_ as in the data; id and name of the area or road it is
    part of; outside: the part of the size that lies outside the computed rasters."""

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
    pieces: list[Gap] = []
    stretches: list[Gap] = []
    for target in policy.targets:
        members = policy.policy_class(target.class_).data_classes()
        if target.measure == "area":
            for area, shape in zip(ordered, shapes, strict=True):
                if area.class_ not in members:
                    continue
                for size, outside, u, v in _pieces(shape, plane, reader, target.service, limit, strip_pixels):
                    lon, lat = plane.lonlat(u, v)
                    pieces.append(
                        Gap(
                            "area",
                            area.class_,
                            target.service,
                            size,
                            outside,
                            lon,
                            lat,
                            area.city,
                            area.county,
                            area.id,
                            area.name,
                        )
                    )
        elif ways:
            leave_out = policy.tunnels == "leave-out"
            stretches += _stretches(ways, samples, plane, reader, target.service, set(members), leave_out)
    return tuple(heapq.nsmallest(limit, found, key=lambda g: g.order) for found in (pieces, stretches))


def _pieces(shape, plane: Plane, reader: RasterReader, service: str, limit: int, strip_pixels: int):
    """(km2, km2 outside, u, v of the centroid) of the largest connected uncovered pieces of one area.

    Pieces are labelled strip by strip and joined where they touch across the border of two strips.
    """
    q = reader.services[service]
    sums, links, count, above = [], [], 0, None
    for window, km2 in pixels_of(shape, plane, strip_pixels):
        probability = reader.read(service, "probability", window)
        computed = ~(np.isnan(probability) | np.isnan(reader.read(service, "margin_db", window)))
        uncovered = (km2 > 0) & ~(computed & (probability >= q))
        labels, found = ndimage.label(uncovered)
        labels = np.where(labels > 0, labels + count, 0)
        if above is not None:
            touching = (above > 0) & (labels[0] > 0)
            links.append(np.stack([above[touching], labels[0][touching]]))
        row, col = np.nonzero(uncovered)
        mine, weight = labels[row, col] - count - 1, km2[row, col]
        away = weight * ~computed[row, col]
        values = (weight, away, weight * (col + window.col + 0.5), weight * (row + window.row + 0.5))
        sums.append(np.stack([np.bincount(mine, value, minlength=found) for value in values]))
        count, above = count + found, labels[-1]
    if count == 0:
        return []
    sums = np.concatenate(sums, axis=1)
    joined = np.concatenate(links, axis=1) - 1 if links else np.zeros((2, 0), dtype=np.int64)
    n, piece = _components(count, joined)
    size, outside, u, v = (np.bincount(piece, value, minlength=n) for value in sums)
    order = np.lexsort((u, v, -size))[:limit]
    return [(float(size[i]), float(outside[i]), float(u[i] / size[i]), float(v[i] / size[i])) for i in order]


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
) -> list[Gap]:
    """Uncovered stretches of the roads of the given classes."""
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
        gaps.append(
            Gap(
                "length",
                road.class_,
                service,
                size,
                outside,
                lon,
                lat,
                road.city,
                road.county,
                road.road,
                name,
            )
        )
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
