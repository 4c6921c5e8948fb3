"""Static maps of the report: a small palette picture of coverage over relief, with lines and marks drawn on it."""

from __future__ import annotations

import base64
import warnings
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import rasterio
import shapely
from rasterio.errors import NotGeoreferencedWarning

from radiocov.coverage.results import BANDS, StateResults
from radiocov.inputs import Inputs, elevation_sources
from radiocov.maps.colours import NOT_COVERED, OUTSIDE
from radiocov.maps.hillshade import hillshade
from terrain.elevation import read_elevation
from terrain.errors import TerrainError
from terrain.grid import Grid

MAX_SIDE = 1100
WEAK = "#fdf0dd"  # fails now and then: between half and the required probability
COVERED = "#8cbfe3"  # lighter than on the screen's map, so that lines show in print
COLOURS = (OUTSIDE, NOT_COVERED, WEAK, COVERED)
TONES = 40  # greys of the relief
AREA_LINE = {"key": "#7b1fa2", "urban": "#16222c", "suburban": "#5b6b78"}
BARS_KM = (1, 2, 5, 10, 20, 50, 100, 200)


@dataclass
class Frame:
    """The project's plane at the size of the pictures. shade: (height, width) 0..TONES-1 of the relief."""

    grid: Grid
    stride: int
    width: int
    height: int
    shade: np.ndarray

    @classmethod
    def of(cls, inputs: Inputs, results: StateResults) -> Frame:
        grid = results.grid
        stride = max(1, -(-max(grid.width, grid.height) // MAX_SIDE))
        width, height = -(-grid.width // stride), -(-grid.height // stride)
        coarse = Grid(grid.crs, grid.x_min, grid.y_max, grid.resolution_m * stride, width, height)
        try:
            elevation, _ = read_elevation(elevation_sources(inputs.project), coarse, "sea")
            grey = hillshade(elevation, coarse.resolution_m).astype(float)
            low, high = grey.min(), max(grey.max(), grey.min() + 1)
            shade = np.rint((grey - low) / (high - low) * (TONES - 1)).astype(np.uint8)
        except TerrainError:  # files that have gone since the coverage was computed: the map does without relief
            shade = np.full((height, width), TONES - 1, np.uint8)
        return cls(coarse, stride, width, height, shade)

    def path(self, geometry: Any) -> str:
        """An SVG path of lines or polygons in longitude and latitude."""
        return "".join(
            "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in shapely.get_coordinates(ring))
            for part in shapely.get_parts(shapely.simplify(self.shapes(geometry), 0.5))
            for ring in (shapely.get_rings(part) if part.geom_type == "Polygon" else [part])
        )

    def shapes(self, geometry: Any) -> Any:
        def move(xy: np.ndarray) -> np.ndarray:
            return np.column_stack(self.place(xy[:, 0], xy[:, 1]))

        return shapely.transform(geometry, move)

    def place(self, lon: Any, lat: Any) -> tuple[Any, Any]:
        """Right and down, in pixels of the picture."""
        x, y = self.grid.from_lonlat(lon, lat)
        return (x - self.grid.x_min) / self.grid.resolution_m, (self.grid.y_max - y) / self.grid.resolution_m


def coverage_png(frame: Frame, results: StateResults, service: str, q: float) -> bytes:
    """Palette PNG: outside, not served, weak, served, each in the greys of the relief."""
    name, band = f"probability_{service}.tif", BANDS[results.direction(service)]
    probability = results.band(name, band, shape=(frame.height, frame.width))
    state = np.select([np.isnan(probability), probability < 0.5, probability < q], [0, 1, 2], 3)
    codes = (state * TONES + frame.shade).astype(np.uint8)
    table = {}
    for number, colour in enumerate(COLOURS):
        rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], float)
        for tone in range(TONES):
            shaded = rgb * (0.62 + 0.38 * tone / (TONES - 1))
            table[number * TONES + tone] = (*np.rint(shaded).astype(int).tolist(), 255)
    with warnings.catch_warnings(), rasterio.io.MemoryFile() as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # a picture has no place to say
        with memory.open(driver="PNG", width=frame.width, height=frame.height, count=1, dtype="uint8") as dataset:
            dataset.write(codes, 1)
            dataset.write_colormap(1, table)
        return memory.read()


def base_lines(frame: Frame, inputs: Inputs, boundaries: list[Any]) -> list[str]:
    """Boundaries, areas and roads as SVG, the same on all maps."""
    width = max(frame.width, frame.height) / 1000
    found = [
        f'<path d="{frame.path(b.geometry)}" fill="none" stroke="#555" stroke-width="{0.9 * width:.2f}" '
        f'stroke-dasharray="{5 * width:.1f} {3 * width:.1f}" opacity=".8"/>' for b in boundaries
    ]  # fmt: skip
    for road in inputs.roads.roads if inputs.roads else ():
        wide = 1.5 if road.class_ == "motorway" else 0.9
        found.append(f'<path d="{frame.path(road.geometry)}" fill="none" stroke="#2b3640" '
                     f'stroke-width="{wide * width:.2f}" opacity=".9"/>')  # fmt: skip
    for area in inputs.areas.areas if inputs.areas else ():
        colour = AREA_LINE.get(area.class_, "#16222c")
        found.append(f'<path d="{frame.path(area.geometry)}" fill="none" stroke="{colour}" '
                     f'stroke-width="{1.5 * width:.2f}"/>')  # fmt: skip
    return found


def site_marks(frame: Frame, sites: list[Any]) -> list[str]:
    size = max(frame.width, frame.height) / 130
    marks = []
    for site in sites:
        x, y = (float(v) for v in frame.place(site.lon, site.lat))
        marks.append(f'<path d="M{x:.1f} {y - size:.1f}l{size * 0.8:.1f} {size * 1.5:.1f}h{-size * 1.6:.1f}z" '
                     f'fill="#fff" stroke="#16222c" stroke-width="{size / 4:.1f}"/>')  # fmt: skip
    return marks


def gap_marks(frame: Frame, gaps: list[tuple[str, Any]]) -> list[str]:
    """Numbered discs at the gaps: (label, gap)."""
    size = max(frame.width, frame.height) / 62
    marks = []
    for label, gap in reversed(gaps):  # the largest on top
        x, y = (float(v) for v in frame.place(gap.lon, gap.lat))
        marks.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}" fill="#b3261e" stroke="#fff" '
                     f'stroke-width="{size / 7:.1f}"/><text x="{x:.1f}" y="{y + size * 0.36:.1f}" fill="#fff" '
                     f'font-size="{size:.1f}" text-anchor="middle">{escape(label)}</text>')  # fmt: skip
    return marks


def svg(frame: Frame, png: bytes, drawn: list[str], title: str) -> str:
    """The picture with what is drawn on it, a scale bar and north."""
    w, h = frame.width, frame.height
    unit = max(w, h) / 1000
    km = max(n for n in BARS_KM if n * 1000 / frame.grid.resolution_m <= w / 4 or n == BARS_KM[0])
    long = km * 1000 / frame.grid.resolution_m
    image = base64.b64encode(png).decode("ascii")
    x, y = 20 * unit, h - 20 * unit
    bar = (
        f'<g><rect x="{x - 8 * unit:.1f}" y="{y - 34 * unit:.1f}" width="{long + 50 * unit:.1f}" '
        f'height="{46 * unit:.1f}" fill="#fff" opacity=".85"/><path d="M{x:.1f} {y:.1f}h{long:.1f}" stroke="#16222c" '
        f'stroke-width="{4 * unit:.1f}"/><text x="{x:.1f}" y="{y - 10 * unit:.1f}" font-size="{22 * unit:.1f}" '
        f'fill="#16222c">{km} km</text><path d="M{x + long + 22 * unit:.1f} {y:.1f}v{-24 * unit:.1f}'
        f'l{-6 * unit:.1f} {10 * unit:.1f}m{6 * unit:.1f} {-10 * unit:.1f}l{6 * unit:.1f} {10 * unit:.1f}" '
        f'fill="none" stroke="#16222c" stroke-width="{3 * unit:.1f}"/></g>'
    )
    return (f'<svg viewBox="0 0 {w} {h}" role="img" aria-label="{escape(title)}"><image width="{w}" height="{h}" '
            f'href="data:image/png;base64,{image}"/>{"".join(drawn)}{bar}</svg>')  # fmt: skip
