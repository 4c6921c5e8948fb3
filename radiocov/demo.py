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
    from terrain.synthetic import Place, SyntheticWorld

RESOLUTION_M = 50.0
RADIUS_KM = 30.0

PROJECT = """\
# The example of `radiocov demo`: everything in it is made up. `radiocov init` writes a commented project to start from.
[project]
name = "{name}"
name_zh = "{name_zh}"
note = "A made-up place and a made-up network, for demonstration"

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

[policy]
file = "liaoning"
"""


def write_demo(folder: Path) -> SyntheticWorld:
    """Write the project folder of the example: terrain, land cover, areas, roads, sites, project.toml."""
    from terrain.synthetic import make_prefecture, write_prefecture

    world = make_prefecture(step_m=RESOLUTION_M)
    write_prefecture(world, folder)
    write_sites(folder / "sites.csv", list(demo_sites(world)))
    west, south, east, north = world.grid.lonlat_bounds()
    # a little inside the terrain's frame, whose sides curve in longitude and latitude
    inset = 0.02
    extent = [round(west + inset, 4), round(south + inset, 4), round(east - inset, 4), round(north - inset, 4)]
    text = PROJECT.format(
        name=world.name, name_zh=world.name_zh, resolution=RESOLUTION_M, crs=world.grid.crs, extent=extent,
        radius=RADIUS_KM,
    )  # fmt: skip
    write_text(folder / "project.toml", text)
    return world


def demo_sites(world: SyntheticWorld) -> Iterator[Site]:
    """A network as it might have grown: the city first, then county seats, then hills over roads and towns."""
    city = next(p for p in world.places if p.kind == "city")
    for number, (east_km, north_km) in enumerate([(0, 0), (4.5, 1.5), (-4.5, 2.0), (1.0, -5.0), (-3.0, -4.5)]):
        x, y = _highest(world, city.x + 1000 * east_km, city.y + 1000 * north_km, 800)
        yield _site(world, f"LT{number + 1:02d}", f"{city.name_en} {number + 1}", x, y, 45, "2013-06-01")
    for number, place in enumerate(p for p in world.places if p.kind == "county"):
        x, y = _highest(world, place.x, place.y, 2500)
        date = "2014-05-01" if number < 4 else "2015-09-01"
        yield _site(world, f"CS{number + 1:02d}", f"{place.name_en} seat", x, y, 50, date)
    for number, (place, date) in enumerate(_townships(world)):
        x, y = _highest(world, place.x, place.y, 4000)
        yield _site(world, f"TW{number + 1:02d}", f"{place.name_en} hill", x, y, 40, date)
    x, y = _highest(world, *world.grid.centre_xy(world.grid.height * 0.1, world.grid.width * 0.9), 6000)
    yield _site(world, "CA01", "North-east summit", x, y, 40, "2018-06-01", status="candidate")


def _townships(world: SyntheticWorld) -> list[tuple[Place, str]]:
    """Half of the townships by the end of 2015, most of the others by 2017."""
    towns = [p for p in world.places if p.kind == "township"]
    early = [(p, "2015-08-01") for p in towns[0::3]]
    late = [(p, "2016-10-01") for p in towns[1::3]] + [(p, "2017-07-01") for p in towns[2::3]]
    return early + late


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
    world: SyntheticWorld, key: str, name: str, x: float, y: float, height_m: float, date: str, status: str = "existing"
) -> Site:
    lon, lat = world.grid.to_lonlat(x, y)
    return Site(
        id=key, name=name, lon=round(float(lon), 6), lat=round(float(lat), 6), antenna_height_m=height_m,
        power_dbm=47.0, losses_db=6.0, antenna="", gain_dbi=9.0, azimuth_deg=0.0, tilt_deg=0.0, frequency_mhz=None,
        in_service=dt.date.fromisoformat(date), status=status,
    )  # fmt: skip
