"""The public data sets that can be fetched: names of their tiles, where they lie, what their licences ask for.

GLO-30: bucket copernicus-dem-30m (its readme.html and tileList.txt). WorldCover: bucket esa-worldcover, v200, 2021.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from terrain.voids import HELD_BACK

# Beyond the extent: resampling reads one source pixel further, and GLO-30's lie half a pixel outside the degree.
_MARGIN_DEG = 0.002


@dataclass(frozen=True)
class Product:
    """A data set in tiles of whole degrees. key: path under the base address, with {name}."""

    id: str
    label: str
    bucket: str
    url: str
    step_deg: int
    name: str  # format of a tile's file name, from ns, lat, ew, lon of the south-west corner
    key: str
    tile_list: str | None
    latitudes: tuple[int, int]
    licence: tuple[str, ...]


@dataclass(frozen=True)
class TileName:
    """One tile by its south-west corner, degrees; lon from -180 to below 180."""

    product: Product
    lat: int
    lon: int

    @property
    def stem(self) -> str:
        ns, ew = "S" if self.lat < 0 else "N", "W" if self.lon < 0 else "E"
        return self.product.name.format(ns=ns, lat=abs(self.lat), ew=ew, lon=abs(self.lon))

    @property
    def file(self) -> str:
        return f"{self.stem}.tif"

    @property
    def key(self) -> str:
        return self.product.key.format(name=self.stem)

    @property
    def held_back(self) -> bool:
        return self.product is GLO30 and (self.lat, self.lon) in HELD_BACK


GLO30 = Product(
    id="glo30", label="Copernicus GLO-30", bucket="copernicus-dem-30m",
    url="https://copernicus-dem-30m.s3.amazonaws.com", step_deg=1,
    name="Copernicus_DSM_COG_10_{ns}{lat:02d}_00_{ew}{lon:03d}_00_DEM", key="{name}/{name}.tif",
    tile_list="tileList.txt", latitudes=(-90, 90),
    licence=(
        "produced using Copernicus WorldDEM-30 © DLR e.V. 2010-2014 and © Airbus Defence and Space GmbH 2014-2018 "
        "provided under COPERNICUS by the European Union and ESA; all rights reserved",
        "The organisations in charge of the Copernicus programme by law or by delegation do not incur any liability "
        "for any use of the Copernicus WorldDEM-30.",
    ),
)  # fmt: skip
WORLDCOVER = Product(
    id="worldcover", label="ESA WorldCover 2021", bucket="esa-worldcover",
    url="https://esa-worldcover.s3.eu-central-1.amazonaws.com", step_deg=3,
    name="ESA_WorldCover_10m_2021_v200_{ns}{lat:02d}{ew}{lon:03d}_Map", key="v200/2021/map/{name}.tif",
    tile_list=None, latitudes=(-60, 84),
    licence=(
        "© ESA WorldCover project 2021 / Contains modified Copernicus Sentinel data (2021) processed by ESA "
        "WorldCover consortium (CC BY 4.0)",
    ),
)  # fmt: skip
PRODUCTS = {product.id: product for product in (GLO30, WORLDCOVER)}


def tiles_of(product: Product, extent: tuple[float, float, float, float]) -> Iterator[TileName]:
    """Tiles that meet (lon_min, lat_min, lon_max, lat_max), lon_min the larger one across the antimeridian."""
    west, south, east, north = extent
    if west > east:
        east += 360.0
    step = product.step_deg
    lowest, highest = product.latitudes

    def corners(low: float, high: float) -> range:
        first = math.floor((low - _MARGIN_DEG) / step) * step
        return range(first, math.ceil((high + _MARGIN_DEG) / step) * step, step)

    for lat in corners(south, north):
        if lowest <= lat < highest:
            longitudes = {(lon + 180) % 360 - 180 for lon in corners(west, east)}
            yield from (TileName(product, lat, lon) for lon in sorted(longitudes))
