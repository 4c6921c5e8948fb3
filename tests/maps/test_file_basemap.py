"""The basemap that a file may offer: nothing is asked for before its reader does, and it lies where it should."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from radiocov.maps import build_page
from radiocov.maps.basemap import basemap, is_shifted
from radiocov.maps.png import encode_png
from radiocov.problems import ProjectError

QUARTERS = np.array([[200, 0, 0, 255], [0, 160, 0, 255], [0, 0, 220, 255], [230, 200, 0, 255]], np.uint8)


class Tiles(BaseHTTPRequestHandler):
    """Four colours around a place: north-west, north-east, south-west, south-east of it."""

    def do_GET(self):
        self.server.asked.append(self.path)
        z, x, y = map(int, re.fullmatch(r"/(\d+)/(\d+)/(\d+)\.png", self.path).groups())
        size = 256 * 2**z
        lon, lat = self.server.place
        across = (lon + 180) / 360 * size
        down = (0.5 - np.arcsinh(np.tan(np.radians(lat))) / (2 * np.pi)) * size
        east = x * 256 + np.arange(256) + 0.5 > across
        south = y * 256 + np.arange(256) + 0.5 > down
        picture = encode_png((2 * south[:, None] + east[None, :]).astype(np.uint8), 1, QUARTERS)
        self.send_response(200)
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", str(len(picture)))
        self.end_headers()
        self.wfile.write(picture)

    def log_message(self, *_):
        pass


@pytest.fixture
def tiles(data):
    """A server of tiles, of which the four colours meet in the middle of the map."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Tiles) as server:
        grid = data.grid
        server.asked = []
        server.middle = (grid.x_min + 6_000.0, grid.y_max - 4_500.0)
        server.place = grid.to_lonlat(*server.middle)
        server.address = f"http://127.0.0.1:{server.server_address[1]}/{{z}}/{{x}}/{{y}}.png"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.browser
def test_tiles_come_when_asked_for_and_lie_where_they_should(browser, tiles, data, open_page, tmp_path):
    path = build_page(data, "en", tmp_path / "map.html", basemap=basemap(tiles.address, "© Tile makers"))
    view = open_page(path)
    view.context.set_offline(False)
    view.page.evaluate("() => document.getElementById('overlay-relief').click()")
    assert not tiles.asked and view.page.locator("#basemap-box").is_visible()
    view.page.select_option("#basemap", "file")
    view.page.wait_for_function("() => Number(document.getElementById('basemap-canvas')?.dataset.drawn) > 100")
    assert "that server sees" in view.page.inner_text("#basemap-warning")
    assert view.page.inner_text("#basemap-credit") == "© Tile makers"
    view.page.evaluate("""() => { for (const id of ['areas', 'boundaries', 'roads', 'sites'])
        document.getElementById('overlay-' + id).click();
        const strength = document.getElementById('opacity');
        strength.value = 0; strength.dispatchEvent(new Event('input')); }""")
    x, y = tiles.middle
    for zoomed in (False, True):
        if zoomed:
            view.page.click("#zoom-in")
        view.page.wait_for_timeout(500)
        for far in (150.0, 1_200.0):
            for number, (east, north) in enumerate(((-1, 1), (1, 1), (-1, -1), (1, -1))):
                seen = view.colour(x + far * east, y + far * north)
                assert np.abs(np.subtract(seen, QUARTERS[number, :3])).max() < 30, (zoomed, far, number, seen)
    view.page.select_option("#basemap", "")
    assert view.page.locator("#basemap-canvas").count() == 0
    assert not view.complaints


@pytest.mark.browser
def test_a_file_without_one_offers_none(opened):
    assert not opened.page.locator("#basemap-box").is_visible()


@pytest.mark.parametrize("address, credit", [
    ("https://tile.example.org/{z}/{x}.png", "a"), ("ftp://tile.example.org/{z}/{x}/{y}.png", "a"),
    ("https://tile.example.org/{z}/{x}/{y}.png", " "), ("https://a.org/{z}/{x}/{y}.png; script-src *", "a"),
    ("tile.example.org/{z}/{x}/{y}.png", "a")])  # fmt: skip
def test_what_is_no_basemap_is_refused(address, credit):
    with pytest.raises(ProjectError, match="--basemap"):
        basemap(address, credit)


def test_the_command_warns_of_shifted_tiles_and_lets_that_server_in_alone(radiocov, small_computed, tmp_path):
    page = tmp_path / "map.html"
    address = "https://webrd01.is.autonavi.com/appmaptile?x={x}&y={y}&z={z}"
    ran = radiocov("map", small_computed, "-o", page, "-q", "--basemap", address, "--basemap-credit", "高德")
    assert ran.code == 0 and "GCJ-02" in ran.err
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page.read_text("utf-8"))[1]
    assert "img-src https://webrd01.is.autonavi.com data: blob:" in policy and "default-src 'none'" in policy
    assert not is_shifted("https://tile.openstreetmap.org/{z}/{x}/{y}.png")
    assert radiocov("map", small_computed, "--basemap", "nonsense", "-q").code == 2
