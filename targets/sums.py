"""Sums over areas and roads from which every share is made: additive, so rows of a table add up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from targets.areas import Area
from targets.errors import Problem, TargetsError
from targets.rasterize import Plane, RasterReader, Window, coverage, edges_of, read_beyond, strips
from targets.spread import Curves, Spread

STRIP_PIXELS = 2_000_000


@dataclass(frozen=True)
class Sums:
    """km2 or people of areas, km of roads: all of it; with median margin >= 0; with service probability >= q;
    the sum of the service probability; what lies outside the computed rasters (not covered); what lies in
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
    shapes = [on_plane(plane, a.geometry, f"area {a.name!r}") for a in areas]
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
    return [polygonal(shape) for shape in result], notes


def polygonal(shape):
    """The polygons of a geometry, as one MultiPolygon."""
    parts = shapely.get_parts(shapely.get_parts(np.atleast_1d(shape)))
    parts = parts[shapely.get_type_id(parts) == 3]
    return shapely.multipolygons(parts) if len(parts) else shapely.Polygon()


def on_plane(plane: Plane, geometry, what: str):
    """A geometry in pixel coordinates; TargetsError, naming it, where it has no image there."""
    try:
        return plane.project([geometry])[0]
    except ValueError as error:
        raise TargetsError(Problem(what, "", str(error), "check its coordinates")) from None


def pixels_of(
    shape, plane: Plane, strip_pixels: int = STRIP_PIXELS, beyond: bool = False
) -> Iterator[tuple[Window, np.ndarray]]:
    """(window, km2 of each of its pixels inside the shape) for the part of a shape that lies on the raster;
    for all of it where `beyond`."""
    if shape.is_empty:
        return
    edges = edges_of(shape)
    for window in strips(plane.window(shape.bounds, beyond), strip_pixels):
        yield window, coverage(edges, window) * plane.pixel_km2


Density = Callable[[Window], np.ndarray]
"""People per km2 in every pixel of a window, which may reach beyond the rasters."""


def area_sums(
    shape,
    plane: Plane,
    reader: RasterReader,
    service: str,
    strip_pixels: int = STRIP_PIXELS,
    density: Density | None = None,
    spread: Spread | None = None,
) -> tuple[Sums, Curves]:
    """Sums of one area (pixel coordinates); every pixel counts with the part of it that lies inside.

    density: counts people instead of km2. spread: wants the curves for an interval as well.
    """
    q = reader.services[service]
    seen = known = median = probable = expected = 0.0
    curves = []
    for window, km2 in pixels_of(shape, plane, strip_pixels, beyond=density is not None):
        weight = km2 if density is None else km2 * density(window)
        margin = read_beyond(reader, service, "margin_db", window)
        probability = read_beyond(reader, service, "probability", window)
        computed = ~(np.isnan(margin) | np.isnan(probability))
        seen += float(weight.sum())
        known += float(weight[computed].sum())
        median += float(weight[computed & (margin >= 0)].sum())
        probable += float(weight[computed & (probability >= q)].sum())
        expected += float((weight[computed] * probability[computed]).sum())
        if spread is not None:
            row, col = np.nonzero(computed & (weight > 0))
            curves.append(
                spread.curves(row + window.row, col + window.col, probability[row, col], weight[row, col])
            )
    # The pixels of an area that lies wholly on the raster add up to its area; otherwise the rest is outside.
    whole = density is not None or plane.holds(shape.bounds) or shape.is_empty
    total = seen if whole else max(seen, shape.area * plane.pixel_km2)
    return Sums(total, median, probable, expected, max(0.0, total - known)), Curves.joined(curves)
