"""What the file's page offers beyond layers, in headless Chromium from file:// with the network off: change, gaps,
measured cells, profile, ruler, search, the address of a view, the picture to save."""

import math
import warnings

import numpy as np
import pytest
from pyproj import Geod
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from radiocov.maps.colours import GAINED, INK, KEPT, NEVER, RESIDUAL, level_steps, level_thresholds
from radiocov.maps.render import rgb

pytestmark = pytest.mark.browser
Q = 0.9


def alone(page):
    """The coverage picture without anything over it, fully opaque."""
    page.page.evaluate(
        """() => { for (const id of ['relief', 'areas', 'boundaries', 'roads', 'sites', 'measured']) {
                const box = document.getElementById('overlay-' + id); if (box && box.checked) box.click(); }
            const strength = document.getElementById('opacity');
            strength.value = 100; strength.dispatchEvent(new Event('input')); }"""
    )
    page.page.wait_for_timeout(300)


def test_change_shows_what_the_later_state_brought(opened, data):
    alone(opened)
    opened.choose("layer-change", "2017 change handheld both")
    before, after = (state.service("handheld").probability["both"] >= Q for state in data.states)
    seen = set()
    for column in range(2, 118, 3):
        was, now = before[60, column], after[60, column]
        case = {(True, True): KEPT, (False, True): GAINED, (False, False): NEVER}[was, now]
        assert opened.colour(*data.grid.centre_xy(60, column)) == rgb(case), column
        seen.add(case)
    assert len(seen) == 3
    legend = opened.page.inner_text("#legend")
    assert "2015 → 2017" in legend and "newly covered" in legend and "no longer covered" in legend


def test_gaps_are_listed_largest_first_and_one_click_away(opened):
    assert [g.split(" ")[0] for g in opened.page.locator("#gaps b").all_inner_texts()] == ["1.4", "0.16"]
    opened.page.locator("#table tbody[data-key='Linshan|Westland'] button").click()
    opened.page.wait_for_function("() => document.querySelectorAll('#gaps li').length === 1")
    assert "Largest gaps: Westland" in opened.page.inner_text("#gaps-box")
    assert "Little hollow" in opened.page.inner_text("#gaps")
    opened.page.locator("#gaps button").click()
    opened.page.wait_for_function("() => document.getElementById('overlay-gaps').checked")
    opened.page.wait_for_timeout(300)
    x0, x1, y0, y1 = opened.ranges()
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == pytest.approx((503_000, 4_643_000), abs=5)
    assert y1 - y0 < 9_000
    edge = opened.colour(503_000, 4_643_200)
    assert edge == rgb("#8a1c6b")


def test_measured_cells_have_a_sign_of_their_own(open_page, measured_file, data):
    page = open_page(measured_file)
    steps = level_steps(level_thresholds(
        (s.id, data.states[1].level_dbm, s.margin_db["talk_out"]) for s in data.states[1].services))  # fmt: skip
    predicted = data.states[1].level_dbm
    x, y = data.grid.centre_xy(30, 40)
    wanted = [s for s in steps if s["min"] is None or predicted[30, 40] - 20.0 >= s["min"]][-1]["colour"]
    assert page.colour(x, y) == rgb(wanted)
    assert page.colour(*data.grid.centre_xy(30, 80)) == rgb(INK)  # not heard: a cross
    page.page.evaluate("document.getElementById('overlay-residual').click()")
    page.page.wait_for_timeout(300)
    assert not page.page.is_checked("#overlay-measured")  # one colour has one meaning
    for column, colour in ((20, RESIDUAL[3]), (40, RESIDUAL[0]), (60, RESIDUAL[-1])):
        assert page.colour(*data.grid.centre_xy(30, column)) == rgb(colour)
    page.page.mouse.move(*page.screen(x, y))
    page.page.wait_for_selector("#hover:not([hidden])")
    card = page.page.inner_text("#hover")
    assert "−20.0 dB" in card and "Measured here" in card and "Hip" in card
    foot = page.page.inner_text("#honesty")
    assert "drive.csv" in foot and "7 samples outside the map" in foot and "+12.0 dB" in foot
    page.page.evaluate("document.getElementById('state-2015').click()")
    page.page.wait_for_timeout(300)
    assert page.colour(*data.grid.centre_xy(30, 40)) != rgb(RESIDUAL[0])  # nothing is known of that state


def test_the_profile_says_what_stands_in_the_way(opened, data):
    state, site = data.states[1], data.states[1].sites[0]
    x, y = data.grid.centre_xy(45, 55)
    assert state.best_server[45, 55] == 1
    opened.page.mouse.click(*opened.screen(x, y))
    opened.page.wait_for_selector("#profile svg")
    words = opened.page.inner_text("#profile")
    assert f"{math.hypot(x - site['x'], y - site['y']) / 1000:.1f} km" in words
    # the same line through the array: how far the ground reaches over the ray between the antennas
    along = np.linspace(0, 1, 400)[1:-1]
    row, col = data.grid.rowcol(site["x"] + along * (x - site["x"]), site["y"] + along * (y - site["y"]))

    def height(r, c):
        return data.elevation_m[int(round(r)), int(round(c))]

    ground = np.array([height(r, c) for r, c in zip(row, col, strict=True)])
    km = math.hypot(x - site["x"], y - site["y"]) / 1000
    ground = ground + 500 * along * km * (1 - along) * km / data.earth_radius_km
    ends = height(*data.grid.rowcol(site["x"], site["y"])) + site["height"], height(45, 55) + 1.5
    over = (ground - (ends[0] + (ends[1] - ends[0]) * along)).max()
    if over > 0:
        told = float(words.split("Blocked: ")[1].split(" m")[0])
        assert told == pytest.approx(over, abs=12)  # neighbouring heights differ by up to 10 m
    else:
        assert "Nothing reaches" in words
    opened.page.keyboard.press("Escape")


def test_the_ruler_measures_on_the_ellipsoid(opened, data):
    opened.page.click("#measure")
    points = [(501_000, 4_643_000), (509_000, 4_644_500), (508_000, 4_642_000)]
    for point in points:
        opened.page.mouse.click(*opened.screen(*point))
    opened.page.wait_for_function("() => document.getElementById('ruler').dataset.metres > 9000")
    lonlat = [data.grid.to_lonlat(*point) for point in points]
    wanted = Geod(ellps="WGS84").line_length(*zip(*lonlat, strict=True))
    assert float(opened.page.get_attribute("#ruler", "data-metres")) == pytest.approx(wanted, abs=60)  # whole pixels
    assert opened.page.is_hidden("#readout")
    opened.page.focus("#map")
    opened.page.keyboard.press("Enter")  # the middle of the map, by keyboard
    opened.page.wait_for_function(
        "before => document.getElementById('ruler').dataset.metres > before + 1000", arg=wanted
    )
    opened.page.keyboard.press("Escape")
    opened.page.wait_for_selector("#ruler", state="hidden")
    assert opened.page.get_attribute("#measure", "aria-pressed") == "false"


def test_search_finds_by_keyboard_in_either_language(opened):
    opened.page.fill("#search", "eastl")
    opened.page.keyboard.press("ArrowDown")
    opened.page.keyboard.press("Enter")
    opened.page.wait_for_selector("#table tbody.chosen[data-key='Linshan|Eastland']")
    opened.page.fill("#search", "site 2")
    opened.page.keyboard.press("Enter")
    opened.page.wait_for_selector("#readout:not([hidden])")
    assert "Site 2" in opened.page.inner_text("#readout h3 >> nth=0")
    opened.page.fill("#search", "nowhere")
    assert "Nothing of that name" in opened.page.inner_text("#found")
    opened.page.keyboard.press("Escape")
    opened.page.click("[data-lang=zh]")
    opened.page.fill("#search", "西县")
    assert "西县" in opened.page.locator("#found button").first.inner_text()


def test_the_address_of_a_view_brings_it_back(opened, open_page, page_file, data):
    opened.page.evaluate("document.getElementById('overlay-gaps').click()")
    opened.choose("layer-margin", "2017 margin")
    opened.choose("direction-talk_in", "2017 margin handheld talk_in")
    opened.page.locator("#table tbody[data-key='Linshan|Eastland'] button").click()
    opened.page.wait_for_timeout(300)
    opened.page.mouse.click(*opened.screen(509_000, 4_645_000))
    opened.page.wait_for_selector("#readout[data-level]:not([hidden])")
    opened.page.click("[data-lang=zh]")
    opened.page.evaluate("() => { window.prompt = () => null; }")
    opened.page.click("#link")
    opened.page.wait_for_function("() => location.hash.length > 20")
    hash = opened.page.evaluate("() => location.hash")
    again = open_page(page_file, hash=hash)
    assert again.page.get_attribute("#map", "data-layer") == "2017 margin handheld talk_in"
    assert again.page.is_checked("#overlay-gaps") and again.page.inner_text("#title") == "试验网"
    assert again.ranges() == pytest.approx(opened.ranges(), abs=3)
    assert again.page.get_attribute("#readout", "data-level") == opened.page.get_attribute("#readout", "data-level")


@pytest.mark.parametrize("hash", ["#state=1999&layer=x&service=y&lang=fr&strength=900&view=a_b_c&at=1", "#&&==%"])
def test_a_wrong_address_opens_the_page_as_it_is(open_page, page_file, hash):
    page = open_page(page_file, hash=hash)
    assert page.page.get_attribute("#map", "data-layer") == "2017 coverage handheld both"
    assert page.complaints == []


def test_the_saved_picture_carries_legend_and_warning(opened):
    with opened.page.expect_download() as download:
        opened.page.click("#save")
    with warnings.catch_warnings(), MemoryFile(download.value.path().read_bytes()) as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open() as file:
            pixels = file.read()[:3].reshape(3, -1).T
            width, height = file.width, file.height
    assert width > 1200 and height > 900 and download.value.suggested_filename == "radiocov-2017-coverage.png"
    seen = {tuple(p) for p in np.unique(pixels, axis=0)}
    assert {(0xFF, 0xD8, 0x4D), rgb("#2b7bba"), rgb("#f6c27a"), rgb(INK)} <= seen
    assert [url for url in opened.requests if not url.startswith(("file:", "data:", "blob:"))] == []
