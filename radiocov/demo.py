"""The embedded example: a made-up prefecture with a network that grows from 2013 to 2017, as a project folder."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from radiocov.files import write_text
from radiocov.network import Site, write_sites

if TYPE_CHECKING:
    from terrain.grid import Grid
    from terrain.synthetic import Place, SyntheticWorld

RESOLUTION_M = 62.5
RADIUS_KM = 30.0

PROJECT = """\
# The example of `radiocov demo`: everything in it is made up. `radiocov init` writes a commented project.
[project]
name = "{name}"
name_zh = "{name_zh}"
note = "A made-up place and a made-up network, for demonstration"
note_zh = "地点与网络均为虚构，仅供演示"

[grid]
resolution_m = {resolution:g}
crs = "{crs}"
extent = {extent}

[terrain]
elevation = ["terrain/elevation.tif"]
landcover = "terrain/landcover.tif"
legend = "radiocov"
synthetic = true
source = "synthetic relief, made by radiocov"

[model]
name = "p1812"
radius_km = {radius:g}
frequency_mhz = 358

[areas]
file = "areas.geojson"

[roads]
file = "roads.geojson"

[boundaries]
file = "counties.geojson"

[policy]
file = "liaoning"
"""


def write_demo(folder: Path) -> SyntheticWorld:
    """Write the project folder of the example: terrain, land cover, areas, roads, sites, project.toml."""
    from terrain.synthetic import make_prefecture, write_prefecture

    world = make_prefecture(step_m=RESOLUTION_M)
    write_prefecture(world, folder)
    write_sites(folder / "sites.csv", list(demo_sites(world)))
    extent = _extent_inside(world.grid)
    text = PROJECT.format(
        name=world.name, name_zh=world.name_zh, resolution=RESOLUTION_M, crs=world.grid.crs, extent=extent,
        radius=RADIUS_KM,
    )  # fmt: skip
    write_text(folder / "project.toml", text)
    return world


def _extent_inside(grid: Grid) -> list[float]:
    """A box of longitude and latitude whose grid lies within another, whose sides curve."""
    from terrain.grid import Grid

    west, south, east, north = grid.lonlat_bounds()
    for hundredths in range(100):
        inset = hundredths / 1000
        box = [round(v, 4) for v in (west + inset, south + inset, east - inset, north - inset)]
        inner = Grid.covering(box, grid.resolution_m, grid.crs).bounds
        if all(a >= b for a, b in zip(inner[:2], grid.bounds[:2], strict=True)) and all(
            a <= b for a, b in zip(inner[2:], grid.bounds[2:], strict=True)
        ):
            return box
    raise AssertionError("no box fits")


def demo_sites(world: SyntheticWorld) -> Iterator[Site]:
    """A network as it might have grown: the city first, then county seats, then hills over roads and towns."""
    city = next(p for p in world.places if p.kind == "city")
    for number, (east_km, north_km) in enumerate([(0, 0), (4.5, 1.5), (-4.5, 2.0), (1.0, -5.0), (-3.0, -4.5)]):
        x, y = _highest(world, city.x + 1000 * east_km, city.y + 1000 * north_km, 800)
        yield _site(world, f"LT{number + 1:02d}", f"{city.name_en} {number + 1}", x, y, 45, "2013-06-01")
    for number, place in enumerate(p for p in world.places if p.kind == "county"):
        x, y = _highest(world, place.x, place.y, 2500)
        date = "2014-05-01" if number < 4 else "2016-03-01"
        yield _site(world, f"CS{number + 1:02d}", f"{place.name_en} seat", x, y, 50, date)
    for number, (place, date) in enumerate(_townships(world)):
        x, y = _highest(world, place.x, place.y, 4000)
        yield _site(world, f"TW{number + 1:02d}", f"{place.name_en} hill", x, y, 40, date)
    x, y = _highest(world, *world.grid.centre_xy(world.grid.height * 0.1, world.grid.width * 0.9), 6000)
    yield _site(world, "CA01", "North-east summit", x, y, 40, "2018-06-01", status="candidate")


def _townships(world: SyntheticWorld) -> list[tuple[Place, str]]:
    """A few townships by the end of 2015, the others by 2017."""
    dates = ("2015-08-01", "2016-10-01", "2017-07-01", "2016-10-01", "2017-07-01")
    towns = [p for p in world.places if p.kind == "township"]
    return [(place, dates[number % len(dates)]) for number, place in enumerate(towns)]


def _highest(world: SyntheticWorld, x: float, y: float, radius_m: float) -> tuple[float, float]:
    """Centre of the highest pixel within a radius."""
    grid = world.grid
    row0, col0 = (round(float(v)) for v in grid.rowcol(x, y))
    reach = int(radius_m / grid.resolution_m)
    rows, cols = np.mgrid[row0 - reach : row0 + reach + 1, col0 - reach : col0 + reach + 1]
    inside = (rows >= 0) & (cols >= 0) & (rows < grid.height) & (cols < grid.width)
    inside &= (rows - row0) ** 2 + (cols - col0) ** 2 <= reach**2
    rows, cols = rows[inside], cols[inside]
    best = int(np.argmax(world.elevation_m[rows, cols]))
    return grid.centre_xy(rows[best], cols[best])


def _site(
    world: SyntheticWorld, key: str, name: str, x: float, y: float, height_m: float, date: str, *,
    status: str = "existing",
) -> Site:  # fmt: skip
    lon, lat = world.grid.to_lonlat(x, y)
    return Site(
        id=key, name=name, lon=round(float(lon), 6), lat=round(float(lat), 6), antenna_height_m=height_m,
        power_dbm=47.0, losses_db=6.0, antenna="", gain_dbi=9.0, azimuth_deg=0.0, tilt_deg=0.0, frequency_mhz=None,
        in_service=dt.date.fromisoformat(date), status=status,
    )  # fmt: skip
