"""Tiles against the raster pixel by pixel, in the colours of the file's page; values at a point."""

import math
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from radiocov.coverage.results import open_state
from radiocov.maps import MapData, MapService, MapState, bilingual, render
from radiocov.maps.colours import NO_SERVER, OUTSIDE, OUTSIDE_HATCH, SERVER_COLOURS, all_scales
from radiocov.maps.tiles import TILE_PX, WORLD_M, point_at, tile_layers, tile_png
from radiocov.problems import ProjectError

TO_MERCATOR = Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True)


@pytest.fixture(scope="module")
def run(raster_run):
    folder, arrays = raster_run
    states = {state: open_state(folder, state) for state in arrays}
    yield states, arrays
    for results in states.values():
        results.close()


def picture(png):
    """(256, 256, 4) RGBA of a palette PNG, read by another program."""
    with warnings.catch_warnings(), MemoryFile(png) as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open() as file:
            codes = file.read(1)
            table = np.zeros((256, 4), np.uint8)
            for code, colour in file.colormap(1).items():
                table[code] = colour
            return table[codes]


def tile_of(lon, lat, z):
    x, y = TO_MERCATOR.transform(lon, lat)
    return int((x + WORLD_M / 2) / WORLD_M * 2**z), int((WORLD_M / 2 - y) / WORLD_M * 2**z)


def pixels_of(grid, z, x, y):
    """Row and column [fractional, from the outer corner] of a tile's pixels, each transformed on its own."""
    side = WORLD_M / 2**z
    at = (np.arange(TILE_PX) + 0.5) / TILE_PX * side
    east, north = np.meshgrid(x * side - WORLD_M / 2 + at, WORLD_M / 2 - y * side - at)
    px, py = Transformer.from_crs("EPSG:3857", grid.crs, always_xy=True).transform(east, north)
    return (grid.y_max - py) / grid.resolution_m, (px - grid.x_min) / grid.resolution_m


def rgb(colour):
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def file_scales(run):
    """The legend of the file's page over the same rasters."""
    states, arrays = run
    found = []
    for state, bands in arrays.items():
        services = [
            MapService(s, bilingual(s), "both", bilingual(""), states[state].services[s],
                       dict(zip(render.DIRECTIONS, bands[f"margin_{s}"], strict=True)),
                       dict(zip(render.DIRECTIONS, bands[f"probability_{s}"], strict=True)))
            for s in states[state].services
        ]  # fmt: skip
        level, best = bands["level_dbm"][0], bands["best_server"][0]
        found.append(MapState(state, bilingual(state), state, level, best, services, [], []))
    grid = states["2017"].grid
    return all_scales(MapData(bilingual("x"), grid, np.zeros(grid.shape), found, {}, {}))


def expected(run, state, layer):
    """(h, w, 3) colours of a layer on the raster's own grid; None of the two outside colours."""
    bands = run[1][state]
    scales = file_scales(run)
    kind, _, rest = layer.partition(":")
    service, _, direction = rest.partition(":")
    band = {"talk_out": 0, "talk_in": 1, "both": 2}.get(direction)
    if kind == "level":
        field, steps = bands["level_dbm"][0], scales["level"]
    elif kind == "margin":
        field, steps = bands[f"margin_{service}"][band], scales["margin"]
    else:
        field, steps = bands[f"probability_{service}"][band], scales[kind][service]
    colours = np.array([rgb(step["colour"]) for step in steps])
    found = np.zeros(field.shape, int)
    for number, step in enumerate(steps[1:], start=1):
        found[field >= step["min"] - 1e-6] = number
    return colours[found], np.isnan(field)


@pytest.mark.parametrize("layer", ["level", "margin:handheld:talk_in", "probability:vehicle:both",
                                   "coverage:handheld:both"])  # fmt: skip
@pytest.mark.parametrize("state", ["2015", "2017"])
def test_every_pixel_of_a_sharp_tile_is_that_of_the_raster(run, state, layer):
    results = run[0][state]
    z = 12
    x, y = tile_of(*results.grid.centre_lonlat(), z)
    shown = picture(tile_png(results, layer, z, x, y))
    row, col = pixels_of(results.grid, z, x, y)
    colours, outside = expected(run, state, layer)
    inner = np.minimum.reduce([row % 1, 1 - row % 1, col % 1, 1 - col % 1]) > 0.02  # beside an edge either is right
    at = np.floor(row).astype(int), np.floor(col).astype(int)
    assert not outside[at].any() and inner.mean() > 0.9
    assert (shown[..., :3][inner] == colours[at][inner]).all()
    assert (shown[..., 3] == 255).all()


@given(z=st.integers(6, 11), east=st.floats(0.02, 0.98), south=st.floats(0.02, 0.98))
@settings(max_examples=25)
def test_a_coarser_tile_shows_values_of_the_pixels_it_covers(run, z, east, south):
    results = run[0]["2017"]
    grid = results.grid
    x, y = tile_of(*grid.to_lonlat(*grid.centre_xy(south * grid.height, east * grid.width)), z)
    shown = picture(tile_png(results, "level", z, x, y))
    row, col = pixels_of(grid, z, x, y)
    colours, outside = expected(run, "2017", "level")
    inside = (row >= 0) & (col >= 0) & (row < grid.height) & (col < grid.width)
    assert (shown[..., 3] > 0)[inside].all()
    rim = np.minimum.reduce([abs(row), abs(col), abs(row - grid.height), abs(col - grid.width)]) > 0.1
    assert not shown[..., 3][~inside & rim].any()
    stride = 2 ** math.floor(math.log2(max(1.0, (row[-1, 0] - row[0, 0]) / TILE_PX)))
    seen = 0
    for i, j in np.argwhere(inside)[:: max(1, int(inside.sum()) // 200)]:
        r, c = int(row[i, j]), int(col[i, j])
        near = np.s_[max(0, r - 2 * stride) : r + 2 * stride + 1, max(0, c - 2 * stride) : c + 2 * stride + 1]
        allowed = {tuple(v) for v in colours[near][~outside[near]]}
        if outside[near].any():
            allowed |= {tuple(rgb(OUTSIDE)), tuple(rgb(OUTSIDE_HATCH))}
        assert tuple(shown[i, j, :3]) in allowed
        seen += 1
    assert seen


def test_outside_is_grey_and_hatched_and_beyond_the_raster_nothing(run):
    results = run[0]["2017"]
    z = 12
    x, y = tile_of(*results.grid.to_lonlat(*results.grid.centre_xy(35, 450)), z)
    found = {tuple(v) for v in picture(tile_png(results, "level", z, x, y))[..., :3].reshape(-1, 3)}
    assert {tuple(rgb(OUTSIDE)), tuple(rgb(OUTSIDE_HATCH))} <= found
    far = picture(tile_png(results, "level", 12, 0, 0))
    assert not far.any()


def test_neighbouring_servers_differ_and_keep_their_colour_in_the_other_state(run):
    def colour(state, col):
        results = run[0][state]
        lon, lat = results.grid.to_lonlat(*results.grid.centre_xy(400, col))
        z = 14
        x, y = tile_of(lon, lat, z)
        row, column = pixels_of(results.grid, z, x, y)
        i, j = np.unravel_index(np.argmin(np.hypot(row - 400.5, column - col - 0.5)), row.shape)
        return tuple(picture(tile_png(results, "server", z, x, y))[i, j, :3])

    palette = [tuple(rgb(c)) for c in SERVER_COLOURS]
    assert colour("2017", 200) in palette and colour("2017", 700) in palette
    assert colour("2017", 200) != colour("2017", 700)
    assert colour("2015", 200) == colour("2017", 200) == colour("2015", 700)
    assert tuple(rgb(NO_SERVER)) not in (colour("2017", 200), colour("2017", 700))


def test_change_tells_the_four_cases(run):
    states, arrays = run
    before, after = (arrays[s]["probability_handheld"][2] >= 0.9 for s in ("2015", "2017"))
    codes = render.codes(states["2017"], render.Layer("change", "handheld", "both"))
    computed = ~np.isnan(arrays["2017"]["level_dbm"][0])
    words = [step["words"] for step in render.steps_of(states["2017"], render.Layer("change", "handheld", "both"))]
    for word, case in (("change_never", ~before & ~after), ("change_kept", before & after),
                       ("change_gained", ~before & after), ("change_lost", before & ~after)):  # fmt: skip
        here = case & computed
        assert (codes[here] == render.FIRST + words.index(word)).all(), word
    assert (~before & after & computed).any() and (codes[~computed] == render.OUTSIDE).all()
    assert "change:handheld:both" in tile_layers(states["2017"])
    assert not [name for name in tile_layers(states["2015"]) if name.startswith("change")]


def test_threads_get_the_same_tiles(run):
    results = run[0]["2017"]
    z = 11
    x, y = tile_of(*results.grid.centre_lonlat(), z)
    wanted = [(layer, x + i % 2, y + i // 2) for layer in tile_layers(results)[:6] for i in range(4)]
    alone = [tile_png(results, layer, z, a, b) for layer, a, b in wanted]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda w: tile_png(results, w[0], z, w[1], w[2]), wanted)) == alone


@pytest.mark.parametrize("layer,z,x,y,words", [
    ("levels", 8, 0, 0, 'there is no layer "levels"; did you mean "level"?'),
    ("margin:pager:both", 8, 0, 0, 'there is no layer "margin:pager:both"'),
    ("level", 3, 8, 0, "there is no tile 3/8/0"),
    ("level", 23, 0, 0, "there is no tile 23/0/0"),
    ("level", 3, 0, -1, "there is no tile 3/0/-1"),
])  # fmt: skip
def test_what_is_no_tile_is_refused(run, layer, z, x, y, words):
    with pytest.raises(ProjectError, match="there is no") as caught:
        tile_png(run[0]["2017"], layer, z, x, y)
    assert words in str(caught.value)


@given(row=st.integers(0, 699), col=st.integers(0, 899))
@settings(max_examples=40)
def test_a_point_reads_its_pixel(run, row, col):
    states, arrays = run
    results, bands = states["2017"], arrays["2017"]
    found = point_at(results, *results.grid.to_lonlat(*results.grid.centre_xy(row, col)))
    assert (found["row"], found["col"]) == (row, col)
    level = bands["level_dbm"][0, row, col]
    if np.isnan(level):
        assert not found["computed"] and found["level_dbm"] is None and found["services"] == []
        return
    assert found["level_dbm"] == pytest.approx(level, abs=1e-4)
    assert found["second_level_dbm"] == pytest.approx(level - 7.0, abs=1e-3)
    assert found["server"] == results.manifest["servers"][bands["best_server"][0, row, col] - 1]
    for service in found["services"]:
        margin, chance = (bands[f"{name}_{service['id']}"][:, row, col] for name in ("margin", "probability"))
        assert list(service["margin_db"].values()) == pytest.approx(margin.tolist(), abs=1e-3)
        assert list(service["probability"].values()) == pytest.approx(chance.tolist(), abs=1e-4)
        assert service["served"] == bool(chance[2] >= 0.9 - 1e-6)
        assert service["servers"] == int(chance[2] >= 0.9)


def test_a_point_beyond_the_raster_has_nothing(run):
    found = point_at(run[0]["2017"], 100.0, 20.0)
    assert found["row"] is None and not found["computed"]
    assert point_at(run[0]["2017"], 180.0, 89.9)["row"] is None
