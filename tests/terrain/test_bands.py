"""Work in bands of rows gives what work on the whole grid gives."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.fill import fillnodata
from scipy import ndimage

from terrain.density import Density, split_built
from terrain.elevation import read_elevation
from terrain.errors import TerrainError
from terrain.grid import Grid
from terrain.ground import SEA
from terrain.landcover import NO_DATA, read_landcover
from terrain.legend import read_legend
from terrain.sea import mark_coast, mark_sea
from terrain.sources import ElevationSource
from terrain.voids import VoidError, fill

GRID = Grid("EPSG:32651", 500_000.0, 4_540_000.0, 1000.0, 40, 60)
RADIOCOV = [c for c in read_legend("radiocov") if c.kind != "nodata"] + [NO_DATA]
NAMES = [c.name for c in RADIOCOV]


@pytest.fixture(autouse=True)
def narrow(request, monkeypatch):
    """Bands of seven rows, but for the tests that compare."""
    monkeypatch.setattr("terrain.rasters.BAND_PIXELS", 7 * GRID.width)


def whole(monkeypatch):
    monkeypatch.setattr("terrain.rasters.BAND_PIXELS", 10**9)


def test_elevation_and_strips(made, tmp_path, monkeypatch):
    for lat, lon in ((40, 123), (40, 124), (41, 123), (41, 124)):
        made.degree_tile(tmp_path / f"{lat}{lon}.tif", made.rough, lat, lon, 240, 240, registered="glo30")
    grid = Grid.covering((123.6, 40.7, 124.4, 41.3), 500)
    bands, _ = read_elevation([ElevationSource(tmp_path)], grid)
    monkeypatch.setattr("terrain.rasters.STRIP_PIXELS", 5_000)
    strips, _ = read_elevation([ElevationSource(tmp_path)], grid)
    whole(monkeypatch)
    monkeypatch.setattr("terrain.rasters.STRIP_PIXELS", 10**9)
    once, _ = read_elevation([ElevationSource(tmp_path)], grid)
    # only the rounding of a window's origin differs
    assert np.abs(bands - once).max() < 1e-3 and np.abs(strips - once).max() < 1e-3


@pytest.mark.parametrize("step", [200, 500, 1500])
def test_land_cover(made, tmp_path, monkeypatch, step):
    codes = np.random.default_rng(2).choice([10, 30, 50, 80], (200, 200)).astype(np.uint8)
    cover = made.write(tmp_path / "c.tif", np.kron(codes, np.ones((3, 3), np.uint8)),
                       made.Affine(1 / 600, 0, 123, 0, -1 / 600, 42), nodata=0)  # fmt: skip
    grid = Grid.covering((123.2, 41.2, 123.8, 41.8), step)
    bands = read_landcover(cover, "esa-worldcover", grid).class_index
    whole(monkeypatch)
    assert (bands == read_landcover(cover, "esa-worldcover", grid).class_index).mean() > 0.999


@pytest.mark.parametrize("holes", [0.02, 0.6])
def test_interpolated_voids(holes):
    rng = np.random.default_rng(3)
    heights = ndimage.gaussian_filter(rng.normal(size=GRID.shape), 3).astype(np.float32) * 300
    heights[rng.random(GRID.shape) < holes] = np.nan
    expected = fillnodata(heights.copy(), mask=~np.isnan(heights), max_search_distance=10)  # 10 km of 1 km pixels
    filled = heights.copy()
    fill(filled, GRID, "interpolate")
    assert np.array_equal(filled, expected)
    assert (filled == heights)[~np.isnan(heights)].all()


def test_voids_are_placed_and_counted():
    heights = np.zeros(GRID.shape, np.float32)
    heights[2:4, 2:4] = np.nan
    heights[30:40, 10:20] = np.nan
    with pytest.raises(VoidError, match=r"104 pixels \(4\.33%\)") as caught:
        fill(heights, GRID, "error")
    place = re.search(r"around (\S+) E (\S+) N", str(caught.value))
    lon, lat = float(place[1]), float(place[2])
    row, col = GRID.rowcol(*GRID.from_lonlat(lon, lat))
    assert caught.value.pixels == 104 and 29.9 < row < 39.1 and 9.9 < col < 19.1


def test_the_largest_void_of_a_large_grid(monkeypatch):
    monkeypatch.setattr("terrain.voids._LABEL_CELLS", 50)
    test_voids_are_placed_and_counted()


def sea_of_the_whole(heights, wet):
    labels, count = ndimage.label((heights <= 0) & wet, structure=np.ones((3, 3)))
    large = np.bincount(labels.ravel(), minlength=count + 1) >= 25  # pixels of 1 km2
    large[0] = False
    return large[labels]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0.2, 0.8))
def test_bodies_of_water_go_on_across_bands(seed, share):
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.normal(size=GRID.shape), 1.5)
    heights = np.where(field < np.quantile(field, share), 0.0, 5.0).astype(np.float32)
    index = rng.choice([NAMES.index("water"), NAMES.index("open"), len(NAMES) - 1], GRID.shape, p=[0.5, 0.1, 0.4])
    zone = np.empty(GRID.shape, np.uint8)
    mark_sea(zone, heights, index.astype(np.uint8), RADIOCOV, GRID)
    assert ((zone == SEA) == sea_of_the_whole(heights, index != NAMES.index("open"))).all()


def test_a_coast_in_bands(monkeypatch):
    rng = np.random.default_rng(5)
    zone = np.where(rng.random(GRID.shape) < 0.002, SEA, 4).astype(np.uint8)
    heights = rng.uniform(0, 150, GRID.shape).astype(np.float32)
    bands, once = zone.copy(), zone.copy()
    mark_coast(bands, heights, GRID)
    whole(monkeypatch)
    mark_coast(once, heights, GRID)
    assert (bands == once).all() and (bands == 3).any()


# ------------------------------------------------------------------------------------------------- density
def shares_by_hand(built, known, reach):
    rows, cols = np.indices(built.shape)
    result = np.zeros(built.shape)
    for r, c in np.argwhere(built):
        near = (rows - r) ** 2 + (cols - c) ** 2 <= reach**2
        result[r, c] = built[near].sum() / known[near].sum()
    return result


@pytest.mark.parametrize("radius_km", [0.5, 1, 3.9, 200])
def test_density_is_the_share_within_the_circle(radius_km):
    rng = np.random.default_rng(7)
    names = ["crop", "urban", "water", "no-data"]
    codes = rng.choice(len(names), GRID.shape, p=[0.3, 0.5, 0.1, 0.1])
    index = np.array([NAMES.index(name) for name in names], np.uint8)[codes]
    if radius_km > 100:
        index = index[:20]
    grid = Grid("EPSG:32651", 500_000.0, 4_540_000.0, 1000.0, 40, len(index))
    before = index.copy()
    density = Density(min(radius_km * 1000, 10_000.0), 0.5, 0.8)
    classes, about = split_built(index, RADIOCOV, grid, density)
    built, known = before == NAMES.index("urban"), before != len(NAMES) - 1
    share = shares_by_hand(built, known, int(density.radius_m / 1000))
    wanted = np.where(share >= 0.8, "dense-urban", np.where(share >= 0.5, "urban", "suburban"))
    found = np.array([c.name for c in classes])[index]
    assert (found[built] == wanted[built]).all()
    assert (found[~built] == np.array(NAMES)[before][~built]).all()
    assert about["pixels"] == built.sum() and classes[-1].kind == "nodata" and "suburban" in about["rule"]


def test_split_classes_bring_heights_and_noise_of_their_own():
    esa = [c for c in read_legend("esa-worldcover") if c.kind != "nodata"] + [NO_DATA]
    names = [c.name for c in esa]
    index = np.full(GRID.shape, names.index("crop"), np.uint8)
    index[10:30, 10:30] = names.index("built-up")
    index[0, 0] = len(names) - 1
    classes, _ = split_built(index, esa, GRID, Density(3000.0))
    of = {c.name: c for c in classes}
    assert [of[n].height_m for n in ("suburban", "urban", "dense-urban")] == [10, 15, 20]
    assert of["urban"].noise_environment == "city" and classes[index[20, 20]].name == "dense-urban"
    assert classes[index[10, 10]].name == "suburban" and classes[index[10, 20]].name == "urban"
    assert classes[index[0, 0]].kind == "nodata"


@pytest.mark.parametrize(("values", "message"), [((0, 0.5, 0.8), "radius_m"), ((500, 0.8, 0.5), "shares"),
                                                ((500, 0.5, 1.1), "shares")])  # fmt: skip
def test_a_rule_that_is_none(values, message):
    with pytest.raises(TerrainError, match=message):
        Density(*values)
