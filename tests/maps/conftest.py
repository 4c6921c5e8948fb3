"""A small made-up network for the map, a run's rasters, and pages in a browser without network."""

import importlib.util
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from radiocov.maps import (
    MapArea,
    MapBoundary,
    MapData,
    MapGap,
    MapMeasured,
    MapRoad,
    MapService,
    MapState,
    bilingual,
    build_page,
)
from terrain.grid import Grid


def beside(name, path):
    """A file of the tests as a module: they are no packages."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


HERE = Path(__file__).parent

WIDTH, HEIGHT, STEP = 120, 90, 100.0
X_MIN, Y_MAX = 500_000.0, 4_650_000.0
Q = 0.9
HOSTILE = "</script><script>document.title='hacked'</script><b>A&B</b>"


def probability(margin):
    """A made-up but monotone probability 0..1 of a margin [dB]: 0.5 at 0 dB, 0.9 at 10 dB."""
    return np.clip(0.5 + np.asarray(margin) * 0.04, 0.0, 1.0).astype(np.float32)


def service(service_id, zh, level, threshold, talk_in_gain):
    out = (level - np.float32(threshold)).astype(np.float32)
    rows = np.arange(level.shape[0], dtype=np.float32)[:, None]
    back = (out + np.float32(talk_in_gain) + 0.05 * rows).astype(np.float32)
    margin = {"talk_out": out, "talk_in": back, "both": np.minimum(out, back)}
    return MapService(
        id=service_id,
        label=bilingual(service_id.title(), zh),
        direction="both",
        threshold=bilingual(f"threshold {threshold} dBm", f"门限 {threshold} dBm"),
        q=Q,
        margin_db=margin,
        probability={name: probability(plane) for name, plane in margin.items()},
    )


def site(i, x, y, status="existing", name=None, server=None):
    return {
        "id": f"S{i}", "name": name or f"Site {i}", "x": x, "y": y, "lon": 123.0, "lat": 42.0, "height": 40.0,
        "power": 47.0, "erp": 50.0, "antenna": "omni", "azimuth": None, "tilt": None, "status": status,
        "in_service": "2014-01-01", "share_percent": 50.0, "server": i if server is None else server,
    }  # fmt: skip


def row(level, class_name, share, required, city="", county="", measure="area"):
    return {
        "level": level, "class": class_name, "member": "", "name": county or city or "all", "name_zh": "",
        "city": city, "county": county, "measure": measure, "total": 12.34, "share_median": share,
        "share_probable": share, "share_expected": share, "required": required, "met": share >= required,
        "gap": 0.0, "judge": "share_probable",
    }  # fmt: skip


def state(state_id, level, shares):
    rows, columns = level.shape
    server = np.where(np.arange(columns) < columns // 2, 1, 2).astype(np.uint16)
    server = np.where(np.isnan(level), 0, np.broadcast_to(server, level.shape)).astype(np.uint16)
    return MapState(
        id=state_id,
        label=bilingual(state_id, f"{state_id} 年"),
        date=f"{state_id}-12-31",
        level_dbm=level,
        best_server=server,
        services=[
            service("handheld", "手持台", level, -95, -3),
            service("vehicle", "车载台", level, -110, 5),
        ],
        sites=[
            site(1, X_MIN + 2_050, Y_MAX - 4_550, name=HOSTILE),
            site(2, X_MIN + 9_050, Y_MAX - 4_550, status="planned"),
            site(3, X_MIN + 6_050, Y_MAX - 8_050, status="candidate", server=0),
        ],
        rows=[
            row("policy", "urban", shares[0], 0.8),
            row("policy", "highway", shares[1], 0.5, measure="length"),
            row("city", "urban", shares[0], 0.8, "Linshan"),
            row("county", "urban", 0.95, 0.8, "Linshan", "Westland") | {"name_zh": "西县"},
            row("county", "urban", 0.999_96, 1.0, "Linshan", "Eastland"),
        ],
        gaps=[
            gap("Great hollow", "Eastland", X_MIN + 9_000, Y_MAX - 7_500, 600),
            gap("Little hollow", "Westland", X_MIN + 3_000, Y_MAX - 7_000, 200),
        ],
    )


def gap(name, county, x, y, half):
    box = shapely.box(x - half, y - half, x + half, y + half)
    return MapGap(box, "area", "urban", name, "Linshan", county, "handheld", 4 * half**2 / 1e6, "G1", 250.0)


def measured(level):
    """Six cells: levels as predicted in 2017, far below, far above, not heard."""
    rows, columns = np.array([30, 30, 30, 30, 40, 40]), np.array([20, 40, 60, 80, 20, 40])
    predicted = level[rows, columns].astype(float)
    residual = np.array([0.0, -20.0, 20.0, np.nan, 5.0, -5.0])
    return MapMeasured(
        X_MIN + (columns + 0.5) * STEP, Y_MAX - (rows + 0.5) * STEP, predicted + residual, np.full(6, 30),
        np.array([0, 0, 0, 25, 2, 0]), {"2017": residual}, 100.0, bilingual("Hip", "腰间"), 12.0, "drive.csv",
        {"outside": 7},
    )  # fmt: skip


@pytest.fixture(scope="session")
def data():
    grid = Grid("EPSG:32651", X_MIN, Y_MAX, STEP, WIDTH, HEIGHT)
    across = np.broadcast_to(np.linspace(-60, -119, WIDTH, dtype=np.float32), (HEIGHT, WIDTH)).copy()
    across[:10] = np.nan  # the northern strip is outside the computation
    stronger = across + np.float32(8.0)
    half = WIDTH * STEP / 2
    west = shapely.box(X_MIN, Y_MAX - HEIGHT * STEP, X_MIN + half, Y_MAX)
    east = shapely.box(X_MIN + half, Y_MAX - 6000, X_MIN + 2 * half, Y_MAX - 2000)
    vertices = np.column_stack([np.linspace(X_MIN + 100, X_MIN + 11_900, 60), np.full(60, Y_MAX - 6_550)])
    chance = np.linspace(1.0, 0.4, 60)
    return MapData(
        title=bilingual("Test <network>", "试验网"),
        note=bilingual("Positions are made up.", "站址为虚构。"),
        grid=grid,
        elevation_m=np.add.outer(np.arange(HEIGHT), 3 * np.sin(np.arange(WIDTH) / 6)).astype(np.float32) * 10,
        states=[state("2015", across, (0.7, 0.6)), state("2017", stronger, (0.85, 0.9))],
        class_service={"urban": "handheld", "highway": "vehicle"},
        provenance={"model": "P.1812", "run_date": "2026-11-23", "radius_km": 30, "calibration": None},
        synthetic=True,
        coarse_warning=bilingual("Coarse terrain.", "地形数据较粗。"),
        areas=[
            MapArea(west.buffer(-2500), "urban", bilingual("West town"), "Linshan", "Westland",
                    {"2015": False, "2017": True}, {"2015": 0.7, "2017": 0.9}),
        ],
        roads=[MapRoad("national", bilingual("G1"), vertices, {"2015": chance, "2017": chance})],
        boundaries=[
            MapBoundary(west, "Linshan", "Westland", bilingual("Westland", "西县")),
            MapBoundary(east, "Linshan", "Eastland", bilingual("Eastland", "东县")),
        ],
    )  # fmt: skip


@pytest.fixture(scope="session")
def measured_file(data, tmp_path_factory):
    """The same page with measured cells."""
    shown = replace(data, measured=measured(data.states[1].level_dbm))
    return build_page(shown, "en", tmp_path_factory.mktemp("map") / "measured.html")


@pytest.fixture(scope="session")
def page_file(data, tmp_path_factory):
    return build_page(data, "en", tmp_path_factory.mktemp("map") / "map.html")


@pytest.fixture(scope="session")
def raster_run(tmp_path_factory):
    """A run with two states of smooth made-up rasters: (folder, arrays by state, see run.py)."""
    folder = tmp_path_factory.mktemp("run") / "out"
    return folder, beside("radiocov_tests_maps_run", HERE / "run.py").write_run(folder)


@pytest.fixture(scope="session")
def serving():
    return beside("radiocov_tests_maps_serving", HERE / "serving.py")


class Opened:
    """A page opened from disk with the network off, and what it complained about."""

    def __init__(self, browser, path, script=None, viewport=(1400, 900), hash=""):
        self.context = browser.new_context(
            offline=True, viewport={"width": viewport[0], "height": viewport[1]}, locale="en-GB"
        )
        self.page = self.context.new_page()
        self.complaints, self.requests = [], []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        if script:
            self.page.add_init_script(script)
        self.page.goto(path.as_uri() + hash)
        self.page.wait_for_selector("body[data-ready=yes]", timeout=30_000)

    def choose(self, control, layer):
        """Switches a radio button on and waits for the picture of `layer` (state layer service ...)."""
        self.page.evaluate("id => document.getElementById(id).click()", control)
        self.page.wait_for_function(
            "layer => document.getElementById('map').dataset.layer.startsWith(layer)", arg=layer
        )
        self.page.wait_for_timeout(150)

    def screen(self, x, y):
        """Where the point (x, y) [m] of the plane is on the screen [px]."""
        return self.page.evaluate(
            """([x, y]) => { const map = document.getElementById('map'), box = map.getBoundingClientRect();
                const { xaxis, yaxis } = map._fullLayout;
                return [box.left + xaxis._offset + xaxis.d2p(x),
                        box.top + yaxis._offset + yaxis.d2p(y)]; }""",
            [x, y],
        )

    def colour(self, x, y):
        """(r, g, b) drawn at the point (x, y) [m]."""
        left, top = self.screen(x, y)
        clip = {"x": round(left) - 1, "y": round(top) - 1, "width": 3, "height": 3}
        with warnings.catch_warnings(), MemoryFile(self.page.screenshot(clip=clip)) as file:
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            picture = file.open()
            return tuple(int(value) for value in picture.read()[:3, 1, 1])

    def ranges(self):
        return self.page.evaluate(
            """() => { const { xaxis, yaxis } = document.getElementById('map')._fullLayout;
                return [...xaxis.range, ...yaxis.range]; }"""
        )

    def close(self):
        self.context.close()


@pytest.fixture
def opened(browser, page_file):
    page = Opened(browser, page_file)
    yield page
    page.close()


@pytest.fixture
def open_page(browser):
    """Opens a page file; keyword arguments of `Opened`. Closed at the end of the test."""
    pages = []

    def open_one(path, **options):
        pages.append(Opened(browser, path, **options))
        return pages[-1]

    yield open_one
    for page in pages:
        page.close()
