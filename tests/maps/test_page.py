"""The finished page in headless Chromium, from file://, with the network off: pixels, numbers and words."""

from dataclasses import replace

import numpy as np
import pytest

from radiocov.maps import build_page
from radiocov.maps.colours import COVERED, INK, NOT_COVERED, OUTSIDE, OUTSIDE_HATCH

pytestmark = pytest.mark.browser

Q = 0.9


def rgb(colour):
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


@pytest.fixture
def bare(opened):
    """The page with the coverage picture alone, fully opaque."""
    opened.page.evaluate(
        """() => { for (const id of ['relief', 'areas', 'boundaries', 'roads', 'sites'])
                document.getElementById('overlay-' + id).click();
            const strength = document.getElementById('opacity');
            strength.value = 100; strength.dispatchEvent(new Event('input')); }"""
    )
    opened.page.wait_for_timeout(300)
    return opened


def test_page_asks_for_nothing_and_complains_of_nothing(opened):
    opened.choose("layer-level", "2017 level")
    opened.page.mouse.click(*opened.screen(506_000, 4_646_000))
    opened.page.wait_for_selector("#readout:not([hidden])")
    loaded = [url for url in opened.requests if not url.startswith(("file:", "data:", "blob:"))]
    assert loaded == []
    assert opened.complaints == []


def test_covered_pixels_are_those_of_the_array(bare, data):
    for service in data.states[1].services:
        bare.page.select_option("#service", service.id)
        for direction, chance in service.probability.items():
            bare.choose(f"direction-{direction}", f"2017 coverage {service.id} {direction}")
            for row, column in ((20, 5), (45, 30), (60, 60), (70, 90), (75, 100)):
                expected = COVERED if chance[row, column] >= Q else NOT_COVERED
                drawn = bare.colour(*data.grid.centre_xy(row, column))
                assert drawn == rgb(expected), (service.id, direction, row, column)


def test_outside_the_computation_is_grey(bare, data):
    assert bare.colour(*data.grid.centre_xy(4, 60)) in (rgb(OUTSIDE), rgb(OUTSIDE_HATCH))


def test_state_switch_changes_the_picture(bare, data):
    # 8 dB more in 2017: this pixel is served then, and was not before
    chances = [state.service("handheld").probability["talk_out"] for state in data.states]
    row, column = 60, int(np.flatnonzero((chances[0][60] < Q) & (chances[1][60] >= Q))[8])
    where = data.grid.centre_xy(row, column)
    bare.choose("direction-talk_out", "2017 coverage handheld talk_out")
    assert bare.colour(*where) == rgb(COVERED)
    bare.choose("state-2015", "2015 coverage handheld talk_out")
    assert bare.colour(*where) == rgb(NOT_COVERED)


def test_neighbouring_servers_have_different_colours(bare, data):
    bare.choose("layer-server", "2017 server")
    west, east = (bare.colour(*data.grid.centre_xy(50, column)) for column in (20, 100))
    assert west != east


def test_site_markers_are_drawn(opened, data):
    sites = data.states[1].sites
    assert opened.colour(sites[0]["x"], sites[0]["y"]) == rgb(INK)  # on the air: filled
    assert opened.colour(sites[1]["x"], sites[1]["y"]) == (255, 255, 255)  # planned: hollow


def test_road_is_coloured_by_coverage(opened, data):
    road = data.roads[0]
    served, failed = (opened.colour(*road.xy[i]) for i in (2, 50))
    assert served == (11, 93, 143)
    assert failed != served


@pytest.mark.parametrize("row,column", [(30, 10), (50, 61), (80, 100)])
def test_click_reads_the_value_of_the_array(opened, data, row, column):
    state = data.states[1]
    x, y = data.grid.centre_xy(row, column)
    opened.page.mouse.click(*opened.screen(x, y))
    opened.page.wait_for_selector("#readout[data-level]:not([hidden])")
    assert float(opened.page.get_attribute("#readout", "data-level")) == pytest.approx(
        state.level_dbm[row, column], abs=0.26
    )
    assert opened.page.get_attribute("#readout", "data-server") == f"S{state.best_server[row, column]}"
    for service in state.services:
        cells = opened.page.locator(f"#readout tr[data-service={service.id}] td")
        for i, direction in enumerate(("talk_out", "talk_in", "both")):
            margin = float(cells.nth(i).get_attribute("data-margin"))
            chance = float(cells.nth(i).get_attribute("data-probability"))
            # half a step; below 80 % the steps of the probability are wider
            assert margin == pytest.approx(service.margin_db[direction][row, column], abs=0.27)
            assert chance == pytest.approx(service.probability[direction][row, column], abs=0.026)
            assert (chance >= Q - 1e-6) == (service.probability[direction][row, column] >= Q)
    lon, lat = data.grid.to_lonlat(x, y)
    words = opened.page.inner_text("#readout")
    shown = [float(word.strip("°")) for word in words.split() if word.endswith("°")]
    pixel_deg = 100 / 80_000  # the click is rounded to a whole pixel of the screen
    assert shown == pytest.approx([float(lat), float(lon)], abs=pixel_deg)


def test_click_outside_the_computation_says_so(opened, data):
    opened.page.mouse.click(*opened.screen(*data.grid.centre_xy(4, 60)))
    opened.page.wait_for_selector("#readout:not([hidden])")
    assert "Outside the computation" in opened.page.inner_text("#readout")


def test_older_browsers_read_the_same_values(open_page, page_file, data):
    page = open_page(page_file, script="delete window.DecompressionStream")
    page.page.mouse.click(*page.screen(*data.grid.centre_xy(50, 61)))
    page.page.wait_for_selector("#readout[data-level]:not([hidden])")
    level = float(page.page.get_attribute("#readout", "data-level"))
    assert level == pytest.approx(data.states[1].level_dbm[50, 61], abs=0.26)


def test_keyboard_reads_the_middle_and_leaves(opened):
    opened.page.focus("#map")
    before = opened.ranges()
    opened.page.keyboard.press("+")
    opened.page.wait_for_timeout(200)
    after = opened.ranges()
    assert after[1] - after[0] < before[1] - before[0]
    opened.page.keyboard.press("Enter")
    opened.page.wait_for_selector("#readout:not([hidden])")
    opened.page.keyboard.press("Escape")
    opened.page.wait_for_selector("#readout", state="hidden")


def test_language_switch_changes_the_words(opened):
    text = opened.page.inner_text
    assert "2017: 2 of 2 targets met" in text("#verdict") or "2017: all 2 targets met" in text("#verdict")
    assert "SYNTHETIC TERRAIN" in text("#bands") and "Coarse terrain." in text("#bands")
    opened.page.click("[data-lang=zh]")
    assert opened.page.inner_text("#title") == "试验网"
    assert "合成地形" in text("#bands") and "地形数据较粗" in text("#bands")
    assert "未达标" in text("#cards") and "手持台" in text("#legend")
    assert opened.page.get_attribute("html", "lang") == "zh-CN"
    assert "西县" in opened.page.locator("#map").inner_html()
    assert "Not met" not in text("body")


def test_targets_come_first_with_verdicts_in_words(opened):
    cards = opened.page.inner_text("#cards")
    assert "✗ Not met" in cards and "✓ Met" in cards and "needs 80 %" in cards
    assert "10.0 points short" in cards
    top = opened.page.locator("#cards").bounding_box()["y"]
    assert top < opened.page.locator("#map").bounding_box()["y"]


def test_shares_are_never_rounded_up_to_a_target(opened):
    body = opened.page.locator("#table tbody[data-key='Linshan|Eastland']").inner_text()
    assert "99.9" in body and "100.0" not in body


def test_county_row_zooms_to_the_county(opened):
    before = opened.ranges()
    opened.page.locator("#table tbody[data-key='Linshan|Eastland'] button").click()
    opened.page.wait_for_timeout(300)
    x0, x1, y0, y1 = opened.ranges()
    assert x1 - x0 < before[1] - before[0]
    assert (x0 + x1) / 2 == pytest.approx(509_000, abs=50)
    assert (y0 + y1) / 2 == pytest.approx(4_646_000, abs=50)
    opened.page.locator("#table tbody[data-key=all] button").click()
    opened.page.wait_for_timeout(300)
    assert opened.ranges() == pytest.approx(before, abs=1)


def test_class_card_filters_the_table_and_brings_its_service(opened):
    opened.page.locator(".target h2 button", has_text="Highways").click()
    opened.page.wait_for_function("() => document.getElementById('map').dataset.layer.includes('vehicle')")
    assert opened.page.input_value("#service") == "vehicle"
    assert "Urban" not in opened.page.inner_text("#table")


def test_hostile_names_stay_text(opened, data):
    hostile = data.states[0].sites[0]
    opened.page.mouse.move(*opened.screen(hostile["x"], hostile["y"]))
    opened.page.wait_for_selector("#hover:not([hidden])")
    assert opened.page.inner_text("#hover h3") == hostile["name"]
    assert opened.page.title() == "Test <network> – Radio coverage and targets"
    assert hostile["name"] in opened.page.locator("#map").inner_text() or hostile["name"] in "".join(
        opened.page.locator("#map text").all_text_contents()
    )


def test_phone_shows_everything_without_scrolling_sideways(open_page, page_file):
    page = open_page(page_file, viewport=(390, 844)).page
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    order = [page.locator(part).bounding_box()["y"] for part in ("#cards", "#table", "#map", "#honesty")]
    assert order == sorted(order)


def test_more_than_255_sites(open_page, data, tmp_path):
    """Best-server indices beyond one byte are read back whole."""
    state = data.states[1]
    servers = np.where(state.best_server == 2, 300, state.best_server).astype(np.uint16)
    sites = [state.sites[0], {**state.sites[1], "server": 300}]
    path = build_page(
        replace(data, states=[replace(state, best_server=servers, sites=sites)]), "zh", tmp_path / "many.html"
    )
    page = open_page(path)
    page.page.mouse.click(*page.screen(*data.grid.centre_xy(50, 100)))
    page.page.wait_for_selector("#readout[data-level]:not([hidden])")
    assert page.page.get_attribute("#readout", "data-server") == "S2"
    assert page.page.inner_text("#title") == "试验网"
