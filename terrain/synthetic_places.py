"""The built half of the made-up prefecture: towns, their built-up areas, counties and key areas.

Every name is invented.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from rasterio.features import shapes
from scipy import ndimage
from shapely import MultiPolygon, Point, Polygon, box, coverage_simplify
from shapely.affinity import rotate
from shapely.geometry import shape
from shapely.ops import unary_union

from terrain.grid import Grid
from terrain.rasters import shifted
from terrain.synthetic_relief import (
    CRS,
    HEIGHT_M,
    WIDTH_M,
    X_MIN,
    Y_MIN,
    Relief,
    burned,
    kilometres,
    nearest_land_point,
    noise,
    upsampled,
)

# name, Chinese name, where to look for a site (km from the south-west corner), urban km2, all built-up km2,
# weight of its county
_SEATS = (
    ("Lantai", "澜台市", "city", (45, 33), 60.0, 165.0, 1.25),
    ("Qingwu", "青浯县", "county", (14, 29), 14.0, 26.0, 1.0),
    ("Luyu", "鹭屿县", "county", (74, 19), 13.0, 23.0, 1.0),
    ("Tuoya", "坨崖县", "county", (22, 59), 11.0, 20.0, 1.0),
    ("Yundu", "云渡县", "county", (58, 56), 12.0, 22.0, 0.95),
    ("Songping", "松屏县", "county", (88, 56), 9.0, 17.0, 1.0),
    ("Lingyu", "凌峪县", "county", (71, 77), 8.0, 15.0, 1.0),
)
_FIRST = (
    ("Bai", "白"),
    ("Hong", "红"),
    ("Da", "大"),
    ("San", "三"),
    ("Ma", "马"),
    ("Yang", "杨"),
    ("Shuang", "双"),
)
_FIRST += (("Jin", "金"), ("Xin", "新"), ("Huang", "黄"))  # fmt: skip
_LAST = (("lianpu", "莲铺"), ("shituo", "石坨"), ("yangou", "雁沟"), ("quanzi", "泉子"), ("lutai", "芦台"))
_LAST += (("guokou", "郭口"), ("tunbao", "屯堡"))
TOWNSHIPS = 20
_BLOB_CELL_M = 100.0


@dataclass(frozen=True, eq=False)
class Place:
    """A town; a township has no `urban` part, which `suburban` leaves out. Polygons in metres of CRS."""

    name_en: str
    name_zh: str
    kind: str  # city | county | township
    x: float
    y: float
    county: str
    urban: Polygon | MultiPolygon | None
    suburban: Polygon | MultiPolygon
    dense: Polygon | MultiPolygon | None = None


@dataclass(frozen=True, eq=False)
class County:
    name_en: str
    name_zh: str
    polygon: Polygon | MultiPolygon


@dataclass(frozen=True, eq=False)
class KeyArea:
    name_en: str
    name_zh: str
    county: str
    polygon: Polygon


def make_places(rng: np.random.Generator, relief: Relief) -> tuple[list[Place], list[County], list[KeyArea]]:
    slope = _slope(relief)
    water_km = _distance_to_rivers_km(relief)
    comfort = _comfort(rng, relief, slope, water_km)
    seats = [_site(comfort, relief, hint) for _, _, _, hint, *_ in _SEATS]
    counties = _counties(rng, relief, seats)
    size = round(WIDTH_M / _BLOB_CELL_M), round(HEIGHT_M / _BLOB_CELL_M)
    blobs = Grid(CRS, X_MIN, Y_MIN + HEIGHT_M, _BLOB_CELL_M, *size)
    field = 0.30 * noise(rng, 2600, blobs) + 0.16 * noise(rng, 1100, blobs)
    fit = upsampled(np.where(relief.inland_km < 0.3, -9, -np.minimum(12 * slope, 3)), blobs)
    places = []
    taken = unary_union([])
    for (name, name_zh, kind, _, urban_km2, all_km2, _), at in zip(_SEATS, seats, strict=True):
        urban = _blob(field + fit, blobs, at, urban_km2)
        whole = unary_union([_blob(field + fit, blobs, at, all_km2), urban])
        dense = _blob(field + fit, blobs, at, urban_km2 * 0.16) if kind == "city" else None
        dense = dense.intersection(urban) if dense is not None else None
        places.append(
            Place(name, name_zh, kind, at.x, at.y, name, urban, _areal(whole.difference(urban)), dense)
        )
        taken = unary_union([taken, whole])
    for number, at in enumerate(_townships(comfort, relief, places, counties)):
        first, last = _FIRST[number % len(_FIRST)], _LAST[number % len(_LAST)]
        core = _blob(field + fit, blobs, at, float(np.round(rng.uniform(0.9, 2.4), 2)))
        core = _areal(core.difference(taken))
        county = next((c.name_en for c in counties if c.polygon.contains(at)), counties[0].name_en)
        names = first[0] + last[0], first[1] + last[1] + "镇"
        places.append(Place(*names, "township", at.x, at.y, county, None, core))
        taken = unary_union([taken, core])
    return places, counties, _key_areas(relief, slope, places, counties)


def _slope(relief: Relief) -> np.ndarray:
    by_row, by_col = np.gradient(relief.elevation_m, relief.grid.resolution_m)
    return np.hypot(by_row, by_col)


def _distance_to_rivers_km(relief: Relief) -> np.ndarray:
    dry = np.ones(relief.grid.shape, bool)
    for river in relief.rivers:
        xy = np.array(river.line.segmentize(150).coords)
        row, col = (np.floor(v + 0.5).astype(int) for v in relief.grid.rowcol(xy[:, 0], xy[:, 1]))
        ok = (row >= 0) & (row < relief.grid.height) & (col >= 0) & (col < relief.grid.width)
        dry[row[ok], col[ok]] = False
    return ndimage.distance_transform_edt(dry) * relief.grid.resolution_m / 1000


def _comfort(rng: np.random.Generator, relief: Relief, slope: np.ndarray, water_km: np.ndarray) -> np.ndarray:
    """How good a place for a town: flat, low, near a river but not in it, some way from sea and edge."""
    east, north = kilometres(relief.grid)
    edge = np.minimum(np.minimum(east, WIDTH_M / 1000 - east), np.minimum(north, HEIGHT_M / 1000 - north))
    score = -9 * ndimage.uniform_filter(slope, 9) - relief.elevation_m / 600 - 0.05 * np.abs(water_km - 1.2)
    score += 0.12 * noise(rng, 4000, relief.grid)
    barred = (relief.inland_km < 2.0) | (edge < 4)
    for outline, _ in relief.lakes:
        x, y = relief.grid.centre_xy(
            np.arange(relief.grid.height)[:, None], np.arange(relief.grid.width)[None, :]
        )
        centre = outline.centroid
        barred |= np.hypot(x - centre.x, y - centre.y) < 4500
    return np.where(barred, -99, score)


def _site(comfort: np.ndarray, relief: Relief, hint: tuple[float, float], reach_km: float = 4.0) -> Point:
    east, north = kilometres(relief.grid)
    near = np.hypot(east - hint[0], north - hint[1])
    row, col = np.unravel_index(
        np.argmax(np.where(near < reach_km, comfort - near * 0.03, -999)), comfort.shape
    )
    return Point(*relief.grid.centre_xy(float(row), float(col)))


def _townships(
    comfort: np.ndarray, relief: Relief, seats: list[Place], counties: list[County]
) -> list[Point]:
    """Two in each county, then the best sites left; each at a distance from all before it."""
    east, north = kilometres(relief.grid)
    score = comfort.copy()

    def bar(x: float, y: float, reach_km: float) -> None:
        score[np.hypot(east - (x - X_MIN) / 1000, north - (y - Y_MIN) / 1000) < reach_km] = -99

    for seat in seats:
        bar(seat.x, seat.y, 11.5 if seat.kind == "city" else 8.0)
    everywhere = np.ones(score.shape, bool)
    within = [burned([county.polygon.buffer(-2500)], relief.grid) for county in counties]
    found = []
    for region in (within * 2 + [everywhere] * TOWNSHIPS)[:TOWNSHIPS]:
        row, col = np.unravel_index(np.argmax(np.where(region, score, -999)), score.shape)
        found.append(Point(*relief.grid.centre_xy(float(row), float(col))))
        bar(found[-1].x, found[-1].y, 8.5)
    return found


def _blob(field: np.ndarray, grid: Grid, centre: Point, area_km2: float) -> Polygon:
    """The connected area of the given size around a point where `field` less the distance is greatest."""
    reach = 2.4 * math.sqrt(area_km2 / math.pi) * 1000 + 400
    row, col = (int(round(float(v))) for v in grid.rowcol(centre.x, centre.y))
    half = int(reach / grid.resolution_m)
    top, left = max(row - half, 0), max(col - half, 0)
    part = field[top : row + half + 1, left : col + half + 1]
    rows, cols = np.indices(part.shape)
    away = np.hypot(rows - (row - top), cols - (col - left)) * grid.resolution_m
    score = part - away / (math.sqrt(area_km2 / math.pi) * 1000)
    score[row - top, col - left] = 99
    # Joined to the centre before it is counted: walk the thresholds until the connected part is large enough.
    wanted = area_km2 * 1e6 / grid.resolution_m**2
    low, high = float(score.min()), float(np.sort(score.ravel())[-2])
    for _ in range(18):
        middle = (low + high) / 2
        labels, _count = ndimage.label(score >= middle)
        size = np.count_nonzero(labels == labels[row - top, col - left])
        low, high = (middle, high) if size >= wanted else (low, middle)
    labels, _count = ndimage.label(score >= low)
    mask = ndimage.binary_fill_holes(labels == labels[row - top, col - left])
    transform = shifted(grid.transform, left, top)
    pieces = [shape(s) for s, v in shapes(mask.astype(np.uint8), mask=mask, transform=transform) if v]
    outline = unary_union(pieces).buffer(120).buffer(-240).buffer(120).simplify(25)
    largest = max(outline.geoms, key=lambda g: g.area) if isinstance(outline, MultiPolygon) else outline
    return Polygon(largest.exterior) if not largest.is_empty else centre.buffer(500)


def _areal(geometry) -> Polygon | MultiPolygon:
    """Without the slivers a difference of outlines leaves."""
    parts = [g for g in getattr(geometry, "geoms", [geometry]) if isinstance(g, Polygon) and g.area > 20_000]
    return parts[0] if len(parts) == 1 else MultiPolygon(parts)


def _counties(rng: np.random.Generator, relief: Relief, seats: list[Point]) -> list[County]:
    """Nearest seat by weighted distance, along borders that wander and shun valleys."""
    grid = relief.grid
    east, north = kilometres(grid)
    east = east + 2.2 * noise(rng, 8000, grid) + 0.8 * noise(rng, 2500, grid)
    north = north + 2.2 * noise(rng, 8000, grid) + 0.8 * noise(rng, 2500, grid)
    away = [
        np.hypot(east - (p.x - X_MIN) / 1000, north - (p.y - Y_MIN) / 1000) / weight
        for p, (*_, weight) in zip(seats, _SEATS, strict=True)
    ]
    owner = np.argmin(away, axis=0).astype(np.uint8) + 1
    owner = _without_exclaves(owner, len(seats))
    # A strip of the sea belongs to them, so that smoothing leaves no shore without a county.
    owner[relief.inland_km < -0.6] = 0
    found: dict[int, list[Polygon]] = {}
    for outline, value in shapes(owner, mask=owner > 0, transform=grid.transform):
        found.setdefault(int(value), []).append(shape(outline))
    merged = [unary_union(found[k + 1]) for k in range(len(seats))]
    smooth = coverage_simplify(merged, 350.0)
    return [County(name, name_zh, g) for (name, name_zh, *_), g in zip(_SEATS, smooth, strict=True)]


def _without_exclaves(owner: np.ndarray, count: int) -> np.ndarray:
    """Each county in one piece: detached bits go to the nearest cell of a main body."""
    keep = np.zeros(owner.shape, bool)
    for value in range(1, count + 1):
        labels, _ = ndimage.label(owner == value)
        sizes = np.bincount(labels.ravel())
        sizes[0] = 0
        keep |= labels == np.argmax(sizes)
    near = ndimage.distance_transform_edt(~keep, return_distances=False, return_indices=True)
    return owner[tuple(near)]


def _key_areas(
    relief: Relief, slope: np.ndarray, places: list[Place], counties: list[County]
) -> list[KeyArea]:
    """Small areas that must be covered whatever it takes, near the towns they belong to."""
    by_name = {p.name_en: p for p in places}
    city = by_name["Lantai"]

    def block(x: float, y: float, width: float, height: float, turn: float) -> Polygon:
        return rotate(box(x - width / 2, y - height / 2, x + width / 2, y + height / 2), turn).buffer(60, 3)

    def flat(x: float, y: float) -> tuple[float, float]:
        east, north = kilometres(relief.grid)
        near = np.hypot(east - (x - X_MIN) / 1000, north - (y - Y_MIN) / 1000)
        cost = ndimage.uniform_filter(slope, 9) * 60 + near * 0.4 + (relief.inland_km < 1.2) * 99
        row, col = np.unravel_index(np.argmin(cost), cost.shape)
        return relief.grid.centre_xy(float(row), float(col))

    shore = nearest_land_point(relief, X_MIN + 43_000, Y_MIN + 12_000)
    airport = flat(city.x + 15_000, city.y + 1000)
    chemical = flat(shore.x - 9500, shore.y + 3500)
    found = [
        ("Lantai government centre", "澜台市政务中心", block(city.x + 500, city.y + 300, 1100, 900, 8)),
        ("Lantai railway station", "澜台火车站", block(city.x - 2200, city.y + 2100, 900, 350, 35)),
        ("Lantai airport", "澜台机场", block(*airport, 3400, 1300, 25)),
        ("Lantai port", "澜台港", block(shore.x + 300, shore.y + 200, 2400, 900, -25)),
        ("Yanjiao chemical park", "盐礁化工园区", block(*chemical, 2000, 1600, 10)),
    ]
    for name, zh, of, dx, dy, size in (
        ("Qingwu county hall", "青浯县政府", "Qingwu", 100, 150, (500, 420)),
        ("Luyu fishing port", "鹭屿渔港", "Luyu", 2500, -9000, (900, 500)),
        ("Tuoya reservoir dam", "坨崖水库大坝", "Tuoya", 300, 9500, (700, 400)),
        ("Yundu rail depot", "云渡铁路编组站", "Yundu", 1500, -900, (1400, 350)),
        ("Songping mountain tunnel", "松屏岭隧道口", "Songping", 4500, -6000, (600, 500)),
        ("Lingyu peak scenic area", "凌峪峰风景区", "Lingyu", 9500, 2500, (2600, 2200)),
    ):
        seat = by_name[of]
        land = nearest_land_point(relief, seat.x + dx, seat.y + dy)
        found.append((name, zh, block(land.x, land.y, *size, 15)))
    return [KeyArea(name, zh, _county_of(polygon.centroid, counties), polygon) for name, zh, polygon in found]


def _county_of(point: Point, counties: list[County]) -> str:
    return min(counties, key=lambda c: c.polygon.distance(point)).name_en
