"""Tiles of targets, which of them a road reaches, the draw, and the order of the drive."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from targets.compliance import sampled
from targets.errors import TargetsError
from targets.rasterize import Plane
from targets.roadways import CARRIAGEWAY_M
from targets.sampling import allocate, draw, drive_order
from targets.tiles import Access, TileGrid, area_tiles, check_side, key_of, name_of, of_key, of_name, road_tiles


@pytest.fixture
def grid(scene):
    return TileGrid(Plane(scene.rasters(scene.left_of(80))), 500.0)


def tiles_of(scene, grid, boxes, road=((0, 250), (8000, 250)), within=250.0):
    areas = [scene.area(shapely.box(*b), f"a{n}", county=f"K{n}") for n, b in enumerate(boxes)]
    shapes = grid.plane.project([a.geometry for a in areas])
    lines = grid.plane.project([scene.road(road).geometry])
    return area_tiles(grid, areas, shapes, Access(lines, within))


@given(st.integers(-(2**30), 2**30), st.integers(-(2**30), 2**30))
def test_names_and_numbers_of_tiles(row, col):
    key = int(key_of(row, col))
    assert [int(v[0]) for v in of_key(np.array([key]))] == [row, col]
    assert of_name(name_of(key)) == key


def test_tiles_belong_where_their_middle_lies(scene, grid):
    # the plane's corner (500000, 4600000) lies on a corner of tiles
    tiles = tiles_of(scene, grid, [(0, 0, 2000, 1000), (2000, 0, 2740, 1000)])
    assert len(tiles) == 8 + 2  # the last column's middle, 2750, lies outside
    assert tiles.county.tolist().count("K0") == 8
    assert np.all(tiles.weight == 0.25)
    u, v = grid.plane.pixels(tiles.lon, tiles.lat)
    assert sorted(set(np.round(u * 50).astype(int))) == [250, 750, 1250, 1750, 2250]
    assert grid.of_lonlat(tiles.lon, tiles.lat)[0].tolist() == tiles.row.tolist()
    outline = grid.plane.project([grid.outline(tiles.key[0])])[0]
    assert outline.area * 2500 == pytest.approx(250_000, rel=1e-6)


def test_tiles_are_reached_within_the_stated_distance(scene, grid):
    boxes = [(0, 0, 2000, 2000)]
    near = tiles_of(scene, grid, boxes)
    assert near.reachable.sum() == 4 and np.all(near.reach_m[near.reachable] < 0.5)
    far = tiles_of(scene, grid, boxes, within=1010.0)
    assert far.reachable.sum() == 12
    assert sorted(np.round(far.reach_m[far.reachable], -1).tolist()) == [0] * 4 + [500] * 4 + [1000] * 4
    x, y = grid.plane.pixels(far.access_lon[far.reachable], far.access_lat[far.reachable])
    assert y * 50 == pytest.approx(np.full(12, 250.0), abs=1.0)
    none = area_tiles(grid, [], [], Access(np.array([], dtype=object), 1.0))
    assert len(none) == 0 and none.places() == ([], pytest.approx([]))


def test_road_tiles_are_on_their_road(scene, grid):
    from targets.areas import RoadSet

    roads = RoadSet((
        scene.road([(100, 250), (2900, 250)], city="A"),
        scene.road([(1100, 100), (1100, 450)], ref="G2", city="B"),
        scene.road([(100, 1250), (900, 1250)], "national", ref="N1"),
        scene.road([(100, 2250), (900, 2250)], tunnel=True),
    ))  # fmt: skip
    ways, samples = sampled(scene.policy, roads, grid.plane, CARRIAGEWAY_M)
    tiles = road_tiles(grid, ways, samples, ["motorway"])
    assert len(tiles) == 6 and tiles.weight.sum() == pytest.approx(2.8 + 0.35, rel=1e-3)
    assert set(tiles.city) == {"A"} and tiles.reachable.all()  # the longer road in a tile names it
    assert np.all(tiles.reach_m < 50)
    assert len(road_tiles(grid, ways, samples, ["national"])) == 2
    assert len(road_tiles(grid, ways, samples, ["provincial"])) == 0


@pytest.mark.parametrize("side", [50.0, 2500.0])
def test_a_tile_no_standard_allows(side):
    with pytest.raises(TargetsError, match="100 wavelengths .84 m at 358 MHz. to 2000 m"):
        check_side(side, 358.0)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=9), st.data())
def test_allocation_adds_up(able, data):
    able = np.array(able)
    total = data.draw(st.integers(0, int(able.sum())))
    share = allocate(able, total)
    assert share.sum() == total and np.all((share >= 0) & (share <= able))
    if total >= np.count_nonzero(able):
        assert np.all(share[able > 0] >= 1)
    if able.sum():
        assert np.all(np.abs(share - able * total / able.sum()) < max(2, len(able)))


def test_the_draw_is_random_and_the_same_again(scene, grid):
    tiles = tiles_of(scene, grid, [(0, 0, 6000, 1000), (6000, 0, 8000, 1000)])
    first, again, other = (draw(tiles, 6, [seed, 0]) for seed in (1, 1, 2))
    assert first.chosen.tolist() == again.chosen.tolist() != other.chosen.tolist()
    assert len(set(first.chosen)) == 6 and tiles.reachable[first.chosen].all()
    assert first.counties == {("", "K0"): (24, 12, 5), ("", "K1"): (8, 4, 1)}
    everything = draw(tiles, 999, [1, 0])
    assert sorted(everything.chosen) == np.flatnonzero(tiles.reachable).tolist() and everything.needed == 999
    counts = np.zeros(len(tiles))
    for seed in range(400):
        counts[draw(tiles, 6, [seed, 0]).chosen] += 1
    k0 = counts[(tiles.county == "K0") & tiles.reachable]
    assert k0.sum() == 5 * 400 and np.all(np.abs(k0 - 5 / 12 * 400) < 4.5 * np.sqrt(400 * 5 / 12 * 7 / 12))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60))
def test_the_drive_visits_all_and_crosses_itself_never(seed, n):
    random = np.random.default_rng(seed)
    x, y = random.random((2, n)) * 10_000
    order = drive_order(x, y, (0.0, 0.0))
    assert sorted(order.tolist()) == list(range(n))
    way = np.column_stack([np.r_[0, x[order]], np.r_[0, y[order]]])
    legs = [shapely.LineString(way[i : i + 2]) for i in range(n)]
    for i in range(n):
        for j in range(i + 2, n):
            assert not legs[i].crosses(legs[j])


def test_the_drive_along_a_line_goes_straight():
    x = np.array([5.0, 1.0, 3.0, 2.0, 4.0]) * 1000
    assert x[drive_order(x, np.zeros(5), (0.0, 0.0))].tolist() == [1000, 2000, 3000, 4000, 5000]
    assert len(drive_order(np.zeros(0), np.zeros(0), (0.0, 0.0))) == 0
