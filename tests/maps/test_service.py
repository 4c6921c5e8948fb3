"""The service's page over HTTP in headless Chromium, with everything but this machine cut off: rendered pixels."""

import warnings

import numpy as np
import pytest
import shapely
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from radiocov.coverage.results import open_state
from radiocov.mapplane import file_plane, service_plane
from radiocov.maps import MapBoundary, MapData, MapRoad, MapService, MapState, bilingual
from radiocov.maps.colours import COVERED, FAILED_LINE, GAINED, INK, NOT_COVERED, PAPER, SERVED_LINE
from radiocov.maps.render import rgb
from radiocov.maps.service import service_page

SITES = {"A": (20_000, 35_000), "B": (70_000, 35_000)}  # m east and south of the corner


@pytest.fixture(scope="module")
def states(raster_run):
    found = {state: open_state(raster_run[0], state) for state in raster_run[1]}
    yield found
    for results in found.values():
        results.close()


@pytest.fixture(scope="module")
def page_data(states, raster_run):
    plane = service_plane(states["2017"])
    grid = states["2017"].grid

    def at(east, south):
        return plane.project(np.column_stack(grid.to_lonlat(grid.x_min + east, grid.y_max - south)))[0]

    def shown(name):
        results = states[name]
        services = [
            MapService(s, bilingual(s.title()), "both", bilingual(""), results.services[s],
                       *({d: plane.read(results, f"{kind}_{s}.tif", b)
                          for d, b in (("talk_out", 1), ("talk_in", 2), ("both", 3))}
                         for kind in ("margin", "probability")))
            for s in results.services
        ]  # fmt: skip
        sites = [{"id": key, "name": f"Site {key}", "x": at(*place)[0], "y": at(*place)[1], "height": 40.0,
                  "server": i if key in results.manifest["servers"] else 0}
                 for i, (key, place) in enumerate(SITES.items(), 1)]  # fmt: skip
        best, level = plane.read(results, "best_server.tif", 1), plane.read(results, "level_dbm.tif", 1)
        return MapState(name, bilingual(name), f"{name}-12-31", level, best, services, sites, [])

    road = np.array([at(e, 60_000) for e in range(5_000, 85_000, 5_000)])
    chance = np.linspace(1.0, 0.4, len(road))
    box = shapely.Polygon([at(*corner) for corner in ((1e3, 8e3), (89e3, 8e3), (89e3, 69e3), (1e3, 69e3))])
    return MapData(
        bilingual("Tiled", "瓦片网"), plane.grid, np.zeros(plane.grid.shape), [shown("2015"), shown("2017")],
        {"urban": "handheld", "highway": "vehicle"}, {"frequency_mhz": 358.0}, synthetic=True,
        roads=[MapRoad("national", bilingual("G1"), road, {"2015": chance, "2017": chance})],
        boundaries=[MapBoundary(box, "Town", "County", bilingual("County", "县"))], native_m=100.0,
    )  # fmt: skip


def profile(site, lon, lat):
    return {
        "profile": {"distance_km": [0.0, 5.0, 10.0], "height_m": [100.0, 300.0, 100.0],
                    "clutter_m": [0.0, 15.0, 0.0]},
        "geometry": {"site_antenna_m": 140.0, "site_ground_m": 100.0, "terminal_antenna_m": 101.5,
                     "point_ground_m": 100.0},
        "basic_transmission_loss_db": 131.25, "origin": {"model": "ITU-R P.1812-8"},
    }  # fmt: skip


class Page:
    """The page of the service; what it asked for elsewhere is refused and kept in `foreign`."""

    def __init__(self, browser, server, grid):
        self.server, self.grid, self.foreign, self.complaints = server, grid, [], []
        self.context = browser.new_context(viewport={"width": 1300, "height": 900}, locale="en-GB")
        self.page = self.context.new_page()
        self.context.route("**/*", self.gate)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(server.address)
        self.page.wait_for_selector("body[data-ready=yes]", timeout=60_000)

    def gate(self, route):
        if route.request.url.startswith((self.server.address, "data:", "blob:")):
            route.continue_()
        else:
            self.foreign.append(route.request.url)
            route.abort()

    def screen(self, east, south):
        """Where a place, m east and south of the raster's corner, is on the screen [px]."""
        lon, lat = self.grid.to_lonlat(self.grid.x_min + east, self.grid.y_max - south)
        return self.page.evaluate(
            """([lng, lat]) => { const plot = document.getElementById('map'), box = plot.getBoundingClientRect();
                const at = plot._fullLayout.map._subplot.map.project({ lng, lat });
                return [box.left + at.x, box.top + at.y]; }""",
            [float(lon), float(lat)],
        )

    def colours(self, east, south, reach=1):
        """The set of colours within `reach` px of a place."""
        x, y = self.screen(east, south)
        side = 2 * reach + 1
        clip = {"x": round(x) - reach, "y": round(y) - reach, "width": side, "height": side}
        with warnings.catch_warnings(), MemoryFile(self.page.screenshot(clip=clip)) as memory:
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with memory.open() as file:
                return {tuple(int(v) for v in p) for p in file.read()[:3].reshape(3, -1).T}

    def click(self, identifier, layer):
        self.page.evaluate("id => document.getElementById(id).click()", identifier)
        self.page.wait_for_function(
            "layer => document.getElementById('map').dataset.layer.startsWith(layer)", arg=layer, timeout=60_000
        )

    def near(self, colours, wanted, most=6):
        """Whether a colour is among those drawn; the map blends a little."""
        return any(max(abs(a - b) for a, b in zip(c, rgb(wanted), strict=True)) <= most for c in colours)


@pytest.fixture(scope="module")
def shown(browser, serving, page_data, states):
    with serving.served(page_data, states, profile) as server:
        page = Page(browser, server, states["2017"].grid)
        yield page
        page.context.close()


@pytest.fixture
def bare(shown):
    """The tiles alone, fully opaque."""
    switch = """on => { for (const id of ['relief', 'areas', 'boundaries', 'roads', 'sites']) {
        const box = document.getElementById('overlay-' + id); if (box.checked !== on) box.click(); } }"""
    shown.page.evaluate(switch, False)
    shown.page.evaluate(
        """() => { const strength = document.getElementById('opacity');
            strength.value = 100; strength.dispatchEvent(new Event('input')); }"""
    )
    shown.page.wait_for_timeout(800)
    yield shown
    shown.page.evaluate(switch, True)
    shown.page.wait_for_timeout(800)


@pytest.mark.browser
def test_marks_and_roads_are_drawn_over_the_tiles(shown):
    assert shown.near(shown.colours(*SITES["A"], reach=6), INK) and shown.near(shown.colours(*SITES["A"], 6), PAPER)
    assert shown.near(shown.colours(12_000, 60_000, reach=3), SERVED_LINE)
    failed = shown.colours(77_000, 60_000, reach=3)
    assert shown.near(failed, FAILED_LINE, 30) and shown.near(failed, PAPER, 30)  # hollow, not by colour alone
    assert shown.foreign == [] and shown.complaints == []


@pytest.mark.browser
def test_tiles_have_the_colours_of_the_raster(bare, raster_run):
    chance = raster_run[1]["2017"]["probability_handheld"][2]
    before = raster_run[1]["2015"]["probability_handheld"][2]
    bare.click("layer-coverage", "2017 coverage handheld both")
    for east in (10_000, 30_000, 60_000, 85_000):
        row, col = 300, east // 100
        wanted = COVERED if chance[row, col] >= 0.9 else NOT_COVERED
        assert bare.near(bare.colours(east, 30_000), wanted), east
    bare.click("layer-change", "2017 change handheld both")
    col = int(np.flatnonzero((before[300] < 0.9) & (chance[300] >= 0.9)).mean())
    assert bare.near(bare.colours(col * 100 + 50, 30_050), GAINED)
    bare.click("layer-level", "2017 level")


@pytest.mark.browser
def test_a_click_asks_the_service_and_shows_what_it_says(shown, raster_run):
    east, south = 30_000, 40_000
    shown.page.mouse.click(*shown.screen(east, south))
    shown.page.wait_for_selector("#profile svg", timeout=30_000)
    level = raster_run[1]["2017"]["level_dbm"][0]
    near = level[395:406, 295:306]
    assert near.min() - 0.1 <= float(shown.page.get_attribute("#readout", "data-level")) <= near.max() + 0.1
    words = shown.page.inner_text("#readout")
    assert "Site A" in words and "Second site: Site B" in words
    profile_words = shown.page.inner_text("#profile")
    assert "131.3 dB" in profile_words or "131.2 dB" in profile_words
    assert "Blocked" in profile_words and "5.0 km from the site" in profile_words
    assert {"/api/point", "/api/profile"} <= set(shown.server.asked)
    shown.page.focus("#map")
    shown.page.keyboard.press("Escape")
    shown.page.wait_for_selector("#readout", state="hidden")


@pytest.mark.browser
def test_the_map_is_on_paper_and_in_the_saved_picture(shown):
    shown.page.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
    copied = shown.page.evaluate(
        """() => { const paper = document.getElementById('paper');
            const data = paper.getContext('2d').getImageData(0, 0, paper.width, paper.height).data;
            const seen = {};
            for (let i = 0; i < data.length; i += 4) seen[[data[i], data[i + 1], data[i + 2]]] = 1;
            return Object.keys(seen).map((key) => key.split(',').map(Number)); }"""
    )
    shown.page.evaluate("() => window.dispatchEvent(new Event('afterprint'))")
    assert shown.near(copied, INK) and shown.near(copied, PAPER) and len(copied) > 20
    assert shown.page.locator("#paper").count() == 0
    with shown.page.expect_download() as download:
        shown.page.click("#save")
    with warnings.catch_warnings(), MemoryFile(download.value.path().read_bytes()) as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open() as file:
            pixels = {tuple(int(v) for v in p) for p in np.unique(file.read()[:3].reshape(3, -1).T, axis=0)}
    assert (0xFF, 0xD8, 0x4D) in pixels and shown.near(pixels, INK) and shown.near(pixels, SERVED_LINE)


@pytest.mark.browser
def test_a_basemap_is_fetched_only_when_asked_for_and_warned_of(shown):
    assert shown.foreign == []
    shown.page.select_option("#basemap", "own")
    shown.page.fill("#basemap-own", "https://wprd01.is.autonavi.com/tiles/{z}/{x}/{y}.png")
    shown.page.keyboard.press("Tab")
    shown.page.wait_for_function("() => document.getElementById('basemap-warning').textContent.includes('GCJ-02')")
    shown.page.wait_for_timeout(500)
    assert shown.foreign and all("autonavi" in url for url in shown.foreign)
    shown.page.select_option("#basemap", "")
    shown.page.wait_for_function("() => document.getElementById('basemap-warning').textContent === ''")


def test_the_page_names_nothing_elsewhere_and_is_the_same_again(page_data):
    text = service_page(page_data, "zh")
    assert text == service_page(page_data, "zh") and "瓦片网" in text
    links = [part.split('"')[0] for part in text.split('src="')[1:]]
    assert [link for link in links if not link.startswith("data:")] == ["plotly.js"]
    assert len(text) < 1_500_000


def test_the_plane_of_the_service_is_nearest_pixels_in_mercator(states, raster_run):
    plane = service_plane(states["2017"])
    level, whole = plane.read(states["2017"], "level_dbm.tif", 1), raster_run[1]["2017"]["level_dbm"][0]
    grid = states["2017"].grid
    for row, col in ((300, 200), (500, 700), (900, 100)):
        if row >= level.shape[0]:
            continue
        lon, lat = plane.grid.to_lonlat(*plane.grid.centre_xy(row, col))
        r, c = (int(np.floor(v + 0.5)) for v in grid.rowcol(*grid.from_lonlat(lon, lat)))
        assert level[row, col] == pytest.approx(whole[r, c], abs=1e-4, nan_ok=True)
    assert np.isnan(level).any() and np.isnan(level[0]).all()


def test_a_raster_that_no_page_could_hold_is_read_thinned(states, monkeypatch):
    from radiocov import mapplane

    assert file_plane(states["2017"]).grid == states["2017"].grid
    monkeypatch.setattr(mapplane, "MAX_SIDE_PX", 200)
    plane = file_plane(states["2017"])
    assert plane.grid.resolution_m == 400.0 and plane.grid.shape == (175, 225)
    whole = states["2017"].band("level_dbm.tif", 1)
    assert np.array_equal(plane.read(states["2017"], "level_dbm.tif", 1), whole[::4, ::4], equal_nan=True)
    assert np.array_equal(plane.thinned(whole), whole[::4, ::4], equal_nan=True)
