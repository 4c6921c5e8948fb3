"""The plane of a raster, and how much of each of its pixels lies inside a polygon, exactly.

The share of a pixel inside a polygon is the sum, over the polygon's edges, of the signed area between the
edge and the right-hand side of its row. An edge is cut where it crosses a row or a column; each piece then
lies in one pixel, adds its height times the part to its right there, and its height to every pixel further
right. The running sum along the row does the second part, so the cost is that of the outline, not of the
area.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, Protocol

import numpy as np
import pyproj
import shapely

from targets.errors import Problem, TargetsError

Band = Literal["margin_db", "probability"]
# Longer edges in degrees would leave the straight line that they are on the map: 0.02 degrees, 0.1 m.
MAX_EDGE_DEG = 0.02
# A rise or run of an edge, in pixels, that is none; dividing by less could overflow.
LEVEL = 1e-12


class Window(NamedTuple):
    """A rectangle of pixels; row and col of its upper-left pixel, size in pixels."""

    row: int
    col: int
    height: int
    width: int


class RasterReader(Protocol):
    """Predicted rasters, read window by window. North-up, square pixels, projected coordinates in metres.

    crs: anything pyproj takes; transform: (a, b, c, d, e, f) as in affine.Affine; shape: (height, width);
    services: id -> q, the service probability (0..1) from which a place counts as served.
    """

    @property
    def crs(self) -> str: ...
    @property
    def transform(self) -> tuple[float, ...]: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def services(self) -> dict[str, float]: ...

    def read(self, service: str, band: Band, window: Window) -> np.ndarray:
        """float (window.height, window.width), NaN where nothing was computed. margin_db: median level less
        threshold, dB; probability: service probability, 0..1."""
        ...


class ArrayRasters:
    """A RasterReader over arrays, in memory or np.memmap."""

    def __init__(
        self,
        crs: str,
        transform,
        bands: dict[str, tuple[np.ndarray, np.ndarray, float]],
        nodata: float | None = None,
    ) -> None:
        """bands: service id -> (margin_db (h, w), probability (h, w), q); nodata: value besides NaN that says
        'not computed'."""
        self.crs = crs
        self.transform = tuple(transform)[:6]
        self.bands = bands
        self.nodata = nodata
        self.services = {service: float(q) for service, (_, _, q) in bands.items()}
        shapes = {
            np.shape(array) for margin, probability, _ in bands.values() for array in (margin, probability)
        }
        if len(shapes) != 1:
            raise ValueError(f"the rasters differ in shape: {sorted(shapes)}")
        self.shape: tuple[int, int] = shapes.pop()

    def read(self, service: str, band: Band, window: Window) -> np.ndarray:
        array = self.bands[service][0 if band == "margin_db" else 1]
        row, col, height, width = window
        part = np.asarray(array[row : row + height, col : col + width])
        if self.nodata is not None:
            part = np.where(part == self.nodata, np.float32(np.nan), part)
        return part


class Plane:
    """The plane of a raster: from longitude and latitude to pixels and back, and what a pixel measures.

    Pixel coordinates (u, v) run right and down from the outer corner of the upper-left pixel. Areas and
    lengths are those of the plane (for a projection fit for the region within about 0.1 % in length).
    """

    def __init__(self, reader: RasterReader) -> None:
        a, b, c, d, e, f = tuple(reader.transform)[:6]
        crs = pyproj.CRS.from_user_input(reader.crs)
        if b or d or a <= 0 or e >= 0 or abs(a + e) > 1e-6 * a or not crs.is_projected:
            what = "the raster is not north-up with square pixels in projected metres"
            raise TargetsError(Problem("raster", "", what, "bring it into the grid of the project first"))
        self.x0, self.y0, self.pixel_m = c, f, a
        self.height, self.width = reader.shape
        self.pixel_km2 = a * a / 1e6
        self._to_plane = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)

    def project(self, geometries) -> np.ndarray:
        """Shapely geometries in WGS 84 (n,) to pixel coordinates; ValueError where a point has no image."""
        cut = shapely.segmentize(np.asarray(geometries, dtype=object), MAX_EDGE_DEG)
        return shapely.transform(cut, self._pixels)

    def pixels(self, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixel coordinates of points in longitude and latitude; infinite where one has no image."""
        x, y = self._to_plane.transform(lon, lat)
        return (x - self.x0) / self.pixel_m, (self.y0 - y) / self.pixel_m

    def _pixels(self, lonlat: np.ndarray) -> np.ndarray:
        uv = np.column_stack(self.pixels(lonlat[:, 0], lonlat[:, 1]))
        if not np.isfinite(uv).all():
            raise ValueError("too far from the raster to be drawn in its projection")
        return uv

    def lonlat(self, u: float, v: float) -> tuple[float, float]:
        """Longitude and latitude (degrees) of a point in pixel coordinates."""
        x, y = self.x0 + u * self.pixel_m, self.y0 - v * self.pixel_m
        return self._to_plane.transform(x, y, direction="INVERSE")

    def unproject(self, geometry):
        """A geometry in pixel coordinates to longitude and latitude."""
        return shapely.transform(geometry, lambda uv: np.column_stack(self.lonlat(uv[:, 0], uv[:, 1])))

    def window(self, bounds, beyond: bool = False) -> Window:
        """Pixels of the raster that (u_min, v_min, u_max, v_max) touches, `beyond` it as well where asked for;
        width or height 0 where none."""
        u_min, v_min, u_max, v_max = bounds
        col, row, last_col, last_row = (int(f) for f in (*np.floor([u_min, v_min]), *np.ceil([u_max, v_max])))
        if not beyond:
            col, row = max(0, col), max(0, row)
            last_col, last_row = min(self.width, last_col), min(self.height, last_row)
        return Window(row, col, max(0, last_row - row), max(0, last_col - col))

    def holds(self, bounds) -> bool:
        """Whether bounds in pixel coordinates lie inside the raster."""
        return bounds[0] >= 0 and bounds[1] >= 0 and bounds[2] <= self.width and bounds[3] <= self.height


def read_beyond(reader: RasterReader, service: str, band: Band, window: Window) -> np.ndarray:
    """What `reader.read` gives, for a window that may reach beyond the rasters: NaN there."""
    row, col, height, width = window
    top, left = max(0, row), max(0, col)
    bottom, right = min(reader.shape[0], row + height), min(reader.shape[1], col + width)
    if (top, left, bottom, right) == (row, col, row + height, col + width):
        return reader.read(service, band, window)
    values = np.full((height, width), np.nan, dtype=np.float32)
    if top < bottom and left < right:
        inside = reader.read(service, band, Window(top, left, bottom - top, right - left))
        values[top - row : bottom - row, left - col : right - col] = inside
    return values


def edges_of(polygon) -> np.ndarray:
    """Edges (n, 4) as u0, v0, u1, v1 of a valid (multi)polygon, shells one way round and holes the other."""
    rings = shapely.get_rings(shapely.get_parts(shapely.normalize(polygon)))
    points, ring = shapely.get_coordinates(rings, return_index=True)
    same = ring[1:] == ring[:-1]
    edges = np.column_stack([points[:-1][same], points[1:][same]])
    return edges[np.abs(edges[:, 3] - edges[:, 1]) > LEVEL]  # level edges bound no area to their right


def coverage(edges: np.ndarray, window: Window) -> np.ndarray:
    """Share (0..1, float64 (height, width)) of each pixel of `window` inside the polygon of `edges_of`.

    Exact for valid polygons, up to rounding.
    """
    row, col, height, width = window
    u0, v0, u1, v1 = (edges - np.array([col, row, col, row], dtype=float)).T
    near = (np.maximum(v0, v1) > 0) & (np.minimum(v0, v1) < height) & (np.minimum(u0, u1) < width)
    u0, v0, u1, v1 = u0[near], v0[near], u1[near], v1[near]
    du, dv = u1 - u0, v1 - v0
    # t along the edge between which it runs through the rows of the window
    ta, tb = np.sort(np.stack([(0 - v0) / dv, (height - v0) / dv]), axis=0)
    t_first, t_last = np.clip(ta, 0, 1), np.clip(tb, 0, 1)
    ends = np.arange(len(u0))
    cuts_v = _crossings(v0, dv, t_first, t_last, height)
    cuts_u = _crossings(u0, du, t_first, t_last, width)
    edge = np.concatenate([ends, ends, cuts_v[0], cuts_u[0]])
    t = np.concatenate([t_first, t_last, cuts_v[1], cuts_u[1]])
    order = np.lexsort((t, edge))
    edge, t = edge[order], t[order]
    piece = (edge[1:] == edge[:-1]) & (t[1:] > t[:-1])
    edge, middle, step = edge[:-1][piece], (t[1:] + t[:-1])[piece] / 2, (t[1:] - t[:-1])[piece]
    rise = step * dv[edge]
    u, v = u0[edge] + middle * du[edge], v0[edge] + middle * dv[edge]
    inside = u < width
    u, v, rise = np.maximum(u[inside], 0), v[inside], rise[inside]
    r = np.clip(v.astype(np.int64), 0, height - 1)
    c = u.astype(np.int64)
    right = u - c
    flat = r * (width + 1) + c
    size = height * (width + 1)
    sums = np.bincount(flat, rise * (1 - right), minlength=size)
    sums += np.bincount(flat + 1, rise * right, minlength=size + 1)[:size]
    share = np.abs(np.cumsum(sums.reshape(height, width + 1), axis=1)[:, :width])
    share[share < 1e-9] = 0
    share[share > 1 - 1e-9] = 1
    return share


def _crossings(start, run, t_first, t_last, last: int) -> tuple[np.ndarray, np.ndarray]:
    """(edge, t) where start + t * run is a whole number from 0 to `last`, t between t_first and t_last."""
    low, high = np.sort(np.stack([start + t_first * run, start + t_last * run]), axis=0)
    first = np.maximum(np.ceil(low), 0).astype(np.int64)
    count = np.maximum(np.minimum(np.floor(high), last).astype(np.int64) - first + 1, 0)
    count[np.abs(run) <= LEVEL] = 0
    edge = np.repeat(np.arange(len(start)), count)
    offset = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    t = (first[edge] + offset - start[edge]) / run[edge]
    return edge, np.clip(t, t_first[edge], t_last[edge])


def strips(window: Window, max_pixels: int) -> Iterator[Window]:
    """`window` cut into strips of whole rows of at most `max_pixels` pixels (one row at least)."""
    row, col, height, width = window
    if height <= 0 or width <= 0:
        return
    step = max(1, max_pixels // width)
    for first in range(row, row + height, step):
        yield Window(first, col, min(step, row + height - first), width)
