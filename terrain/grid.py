"""The project grid: north-up square pixels in a projected plane, in metres."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from affine import Affine
from pyproj import CRS, Proj, Transformer
from pyproj.exceptions import CRSError, ProjError

from terrain.errors import TerrainError

# Radials are straight lines over the array, so a plane that stretches distances more than this is refused.
MAX_SCALE_ERROR = 0.01
# Beyond this many degrees from its central meridian a UTM zone gives way to a meridian of the project's own.
UTM_REACH_DEG = 3.2
MAX_PIXELS = 2_000_000_000


@lru_cache(maxsize=32)
def _checked_crs(crs: str) -> CRS:
    try:
        parsed = CRS.from_user_input(crs)
    except CRSError as err:
        raise TerrainError(f"crs {crs!r} is not a coordinate system; write e.g. 'EPSG:32651'") from err
    if not parsed.is_projected:
        raise TerrainError(f"crs {crs!r} is not projected in metres; write e.g. 'EPSG:32651' or 'auto'")
    if any(axis.unit_conversion_factor != 1.0 for axis in parsed.axis_info[:2]):
        raise TerrainError(f"crs {crs!r} does not measure in metres; write e.g. 'EPSG:32651' or 'auto'")
    return parsed


@lru_cache(maxsize=32)
def _transformer(crs: str, inverse: bool) -> Transformer:
    """WGS84 longitude, latitude -> plane of `crs` (or back). Shared by threads (safe in pyproj >= 3.1)."""
    source, target = CRS.from_epsg(4326), _checked_crs(crs)
    if inverse:
        source, target = target, source
    return Transformer.from_crs(source, target, always_xy=True)


@dataclass(frozen=True)
class Grid:
    """Pixels of one raster.

    `x_min`, `y_max` are the outer corner of the upper-left pixel in metres of `crs` (anything pyproj
    takes); row 0 is the northernmost. Raises TerrainError for a crs that is not a plane in metres and for
    a size below one pixel.
    """

    crs: str
    x_min: float
    y_max: float
    resolution_m: float
    width: int
    height: int

    def __post_init__(self) -> None:
        _checked_crs(self.crs)
        if not (math.isfinite(self.resolution_m) and self.resolution_m > 0):
            raise TerrainError(f"resolution_m is {self.resolution_m}; it must be above 0 m")
        if not (math.isfinite(self.x_min) and math.isfinite(self.y_max)):
            raise TerrainError("the corner of the grid is not a finite number")
        if self.width < 1 or self.height < 1:
            raise TerrainError(f"a grid of {self.width} x {self.height} pixels is empty")

    @property
    def shape(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def transform(self) -> Affine:
        return Affine(self.resolution_m, 0.0, self.x_min, 0.0, -self.resolution_m, self.y_max)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Outer edges (x_min, y_min, x_max, y_max), m."""
        return (
            self.x_min,
            self.y_max - self.height * self.resolution_m,
            self.x_min + self.width * self.resolution_m,
            self.y_max,
        )

    def centre_xy(self, row: Any, col: Any) -> tuple[Any, Any]:
        """Centre of pixel (row, col) in metres; arrays and fractional indices welcome."""
        return self.x_min + (col + 0.5) * self.resolution_m, self.y_max - (row + 0.5) * self.resolution_m

    def rowcol(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Fractional (row, col) of a point; the centre of the first pixel is (0.0, 0.0)."""
        return (self.y_max - y) / self.resolution_m - 0.5, (x - self.x_min) / self.resolution_m - 0.5

    def contains(self, x: Any, y: Any) -> Any:
        """True where the point lies within the outer edges (edges included)."""
        x_min, y_min, x_max, y_max = self.bounds
        return (x >= x_min) & (x <= x_max) & (y >= y_min) & (y <= y_max)

    def to_lonlat(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Plane -> WGS84 longitude, latitude in degrees."""
        return _transformer(self.crs, True).transform(x, y)

    def from_lonlat(self, lon: Any, lat: Any) -> tuple[Any, Any]:
        """WGS84 longitude, latitude in degrees -> plane; infinite where the projection has no value."""
        return _transformer(self.crs, False).transform(lon, lat)

    def lonlat_bounds(self) -> tuple[float, float, float, float]:
        """(lon_min, lat_min, lon_max, lat_max) that hold the grid, whose edges curve; lon_min is the larger one
        across the antimeridian."""
        return _transformer(self.crs, True).transform_bounds(*self.bounds, densify_pts=101)

    def centre_lonlat(self) -> tuple[float, float]:
        """Longitude and latitude of the middle, degrees."""
        lon, lat = self.to_lonlat(*self.centre_xy((self.height - 1) / 2, (self.width - 1) / 2))
        return float(lon), float(lat)

    def crosses_antimeridian(self) -> bool:
        """Whether longitudes jump from 180 to -180 within the grid (or within a degree of it)."""
        west, _, east, _ = self.lonlat_bounds()
        return west > east or max(abs(west), abs(east)) > 179.0

    def scale_error(self) -> float:
        """Largest relative error of distances here: point scales at centre, edges and corners."""
        rows, cols = np.meshgrid(
            np.linspace(-0.5, self.height - 0.5, 3), np.linspace(-0.5, self.width - 0.5, 3)
        )
        lon, lat = self.to_lonlat(*self.centre_xy(rows.ravel(), cols.ravel()))
        try:
            factors = Proj(_checked_crs(self.crs)).get_factors(lon, lat, errcheck=True)
        except ProjError as err:
            raise TerrainError(f"crs {self.crs!r} cannot describe this place; use 'auto'") from err
        scales = np.concatenate(
            [np.atleast_1d(factors.meridional_scale), np.atleast_1d(factors.parallel_scale)]
        )
        return float(np.max(np.abs(scales - 1.0)))

    @classmethod
    def covering(cls, lonlat_extent: Sequence[float], resolution_m: float, crs: str = "auto") -> Grid:
        """The grid that covers (lon_min, lat_min, lon_max, lat_max) in WGS84 degrees, lon_max beyond 180 where
        it crosses the antimeridian.

        Corners fall on multiples of the resolution, so that two projects at one place share pixels. "auto"
        is the WGS84/UTM zone of the centre while every corner lies within 3.2 degrees of its central
        meridian, else a transverse Mercator on the middle meridian, rounded to half a degree.
        """
        lon_min, lat_min, lon_max, lat_max = _checked_extent(lonlat_extent)
        if not (math.isfinite(resolution_m) and resolution_m > 0):
            raise TerrainError(f"resolution_m is {resolution_m}; it must be above 0 m")
        if crs == "auto":
            crs = _automatic_crs(lon_min, lat_min, lon_max, lat_max)
        edges = _transformer(crs, False).transform_bounds(lon_min, lat_min, lon_max, lat_max, densify_pts=101)
        if not all(map(math.isfinite, edges)):
            raise TerrainError(f"crs {crs!r} cannot describe the extent {list(lonlat_extent)}; use 'auto'")
        # A micrometre of slack: an extent made from pixel edges must not gain a row by rounding.
        slack = 1e-6 / resolution_m
        left, bottom = (math.floor(v / resolution_m + slack) for v in edges[:2])
        right, top = (math.ceil(v / resolution_m - slack) for v in edges[2:])
        width, height = max(right - left, 1), max(top - bottom, 1)
        if width * height > MAX_PIXELS:
            raise TerrainError(
                f"the extent {list(lonlat_extent)} at {resolution_m} m makes {width} x {height} pixels; "
                "choose a larger resolution_m or a smaller extent"
            )
        grid = cls(
            crs, float(left * resolution_m), float(top * resolution_m), float(resolution_m), width, height
        )
        error = grid.scale_error()
        if error > MAX_SCALE_ERROR:
            raise TerrainError(
                f"crs {crs!r} stretches distances by {error:.1%} here (limit {MAX_SCALE_ERROR:.0%}); "
                "use 'auto' or a projection made for the place"
            )
        return grid

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form; `from_dict` gives back an equal grid."""
        return {
            "crs": self.crs,
            "x_min": self.x_min,
            "y_max": self.y_max,
            "resolution_m": self.resolution_m,
            "width": self.width,
            "height": self.height,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Grid:
        """Raises TerrainError where a key is missing or unknown."""
        keys = {"crs", "x_min", "y_max", "resolution_m", "width", "height"}
        if set(values) != keys:
            raise TerrainError(f"a grid needs exactly the keys {sorted(keys)}, not {sorted(values)}")
        return cls(**values)


def _checked_extent(extent: Sequence[float]) -> tuple[float, float, float, float]:
    values = [float(v) for v in extent]
    if len(values) != 4 or not all(map(math.isfinite, values)):
        raise TerrainError(f"extent {list(extent)} must be [lon_min, lat_min, lon_max, lat_max] in degrees")
    lon_min, lat_min, lon_max, lat_max = values
    if not (-180 <= lon_min <= 180 and lon_min < lon_max <= lon_min + 360 and -90 <= lat_min < lat_max <= 90):
        raise TerrainError(
            f"extent {list(extent)} must be [lon_min, lat_min, lon_max, lat_max] in degrees, smaller first "
            "(across the antimeridian lon_max goes on beyond 180)"
        )
    return lon_min, lat_min, lon_max, lat_max


def _automatic_crs(lon_min: float, lat_min: float, lon_max: float, lat_max: float) -> str:
    middle_lon, middle_lat = _wrapped((lon_min + lon_max) / 2), (lat_min + lat_max) / 2
    zone = min(int((middle_lon + 180) // 6) + 1, 60)
    meridian = zone * 6 - 183
    reach = max(abs(_wrapped(lon_min - meridian)), abs(_wrapped(lon_max - meridian)))
    if reach <= UTM_REACH_DEG and abs(middle_lat) < 84:
        return f"EPSG:{(32600 if middle_lat >= 0 else 32700) + zone}"
    meridian_own = math.floor(middle_lon * 2 + 0.5) / 2
    return (
        f"+proj=tmerc +lat_0=0 +lon_0={meridian_own:g} +k=0.9996 +x_0=500000 +y_0=0 "
        "+datum=WGS84 +units=m +no_defs +type=crs"
    )


def _wrapped(lon: float) -> float:
    """A longitude between -180 and 180 degrees."""
    return (lon + 180.0) % 360.0 - 180.0
