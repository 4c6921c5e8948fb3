"""What each of the three people does, in Chromium: a field team sends, a manager looks, an engineer runs it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def served(small_computed, tmp_path_factory, ways):
    """A server of a project whose coverage is computed."""
    folder = Path(shutil.copytree(small_computed, tmp_path_factory.mktemp("browsed") / "project"))
    running = ways.Server(folder)
    yield running
    running.stop()


@pytest.fixture
def person(browser, served):
    """Opens the service as somebody with a role; a page that complains or asks elsewhere fails the test."""
    contexts, complaints = [], []

    def open_as(role, name="", width=1280, height=850, locale="en-GB", **more):
        context = browser.new_context(viewport={"width": width, "height": height}, locale=locale)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" and "503" not in m.text else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda r: complaints.append(r.url) if not r.url.startswith(
            (served.url, "data:", "blob:")) else None)  # fmt: skip
        page.goto(f"{served.url}/login#token={served.token(role, name, **more)}")
        page.wait_for_url(lambda url: "/login" not in url)
        assert "rc_" not in page.url
        return page

    yield open_as
    for context in contexts:
        context.close()
    assert not complaints


def test_a_field_team_sends_from_a_phone_and_sees_it_on_the_map(person, ways, tmp_path):
    page = person("field", "Phone", width=390, height=844, zone="UTC", datum="wgs84")
    good = [row.replace("Z,", ",") for row in ways.rows(120, "PHONE")]
    log = tmp_path / "drive <b>1.csv"
    log.write_text(ways.log(*good, "2025-11-29T09:00:00,PHONE,41.8,123.4,+80"))
    page.set_input_files("#files", log)
    item = page.locator("#uploads li[data-state=done]")
    item.wait_for()
    assert item.locator("[data-count=accepted] b").inner_text() == "120"
    assert "scale = -1" in item.inner_text() or "positive" in item.inner_text().lower()
    assert "drive <b>1.csv" in item.inner_text() and item.locator("strong b").count() == 0
    page.wait_for_function("() => document.getElementById('track').dataset.drawn === '120'")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    with page.expect_download() as download:
        item.locator("a").click()
    assert "122,rssi_dbm,80,level_positive" in download.value.path().read_text("utf-8-sig")
    page.set_input_files("#files", log)
    page.get_by_text("this file was sent before").wait_for()


def test_a_broken_link_is_waited_for(person, ways, tmp_path):
    """The network goes while a file is sent, and the page goes on by itself when it is back."""
    page = person("field", "Tunnel", zone="UTC", datum="wgs84")
    log = tmp_path / "tunnel.csv"
    log.write_text(ways.log(*ways.rows(60_000, "TUNNEL")))
    assert log.stat().st_size > 2 << 20  # some chunks
    broken = []

    def now_and_then(route):
        if route.request.method == "PATCH" and len(broken) < 2:
            broken.append(route.request.url)
            route.fulfill(status=503, headers={"retry-after": "0"}, content_type="application/json",
                          body='{"error": "unavailable", "message": "busy"}')  # fmt: skip
        else:
            route.continue_()

    page.route("**/api/v1/uploads/*", now_and_then)
    page.set_input_files("#files", log)
    item = page.locator("#uploads li[data-state=done]")
    item.wait_for(timeout=90_000)
    assert len(broken) == 2 and item.locator("[data-count=rows_read] b").inner_text() == "60000"


def test_a_manager_sees_map_and_targets_and_nothing_to_change(person):
    page = person("manager")
    page.wait_for_url("**/map/*/", timeout=90_000)
    page.wait_for_selector("body[data-ready=yes]", timeout=60_000)
    assert page.locator("#cards .target").count() > 0
    page.locator("#service-bar").wait_for()
    assert page.inner_text("#person") == "manager"
    assert page.locator("#service-bar a:visible").all_inner_texts() == ["Coverage map", "Measured"]
    page.click("[data-lang=zh]")
    assert page.locator("#service-bar a:visible").first.inner_text() == "覆盖地图"
    page.goto(page.url.split("/map/")[0] + "/measured")
    page.wait_for_function("() => document.getElementById('track').dataset.drawn !== undefined")
    links = page.locator("nav a").all_inner_texts()
    assert links == ["Coverage map", "Measured"]


def test_the_map_shows_what_was_measured_and_is_left_by_its_bar(person, served, ways):
    """Cells of one handset's few samples are an engineer's alone to see."""
    near = [row.replace("41.8", "40.9").replace("123.4", "122.95") for row in ways.rows(600, "SHOWN")]
    far = [row.replace("41.8", "40.9").replace("123.4", "123.1") for row in ways.rows(15, "ALONE")]
    log = ways.log(*near, *far)
    assert ways.bring(served.client("field", "Cells"), log.encode())["state"] == "done"
    box = "west=122.9&south=40.8&east=123.2&north=41"
    manager = served.client("manager")
    ways.until(lambda: manager.get(f"/api/v1/cells?{box}").json()["held_back"])
    seen = {}
    for role in ("manager", "engineer"):
        page = person(role)
        page.goto(f"{served.url}/map")
        page.wait_for_selector("body[data-ready=yes]", timeout=60_000)
        page.check("#overlay-cells")
        page.wait_for_function("() => Number(document.getElementById('map').dataset.cells) > 0")
        seen[role] = int(page.get_attribute("#map", "data-cells"))
    assert 0 < seen["manager"] < seen["engineer"]
    assert "Uploads" in page.locator("#service-bar a:visible").all_inner_texts()
    page.click("#sign-out")
    page.wait_for_url("**/login")
    page.goto(f"{served.url}/map")
    page.wait_for_url("**/login")


def test_measured_cells_come_into_sight_by_themselves(person, served, ways):
    upload = ways.bring(served.client("field", "Cells"), ways.log(*ways.rows(600, "SIGHT")).encode())
    assert upload["state"] == "done"
    manager = served.client("manager")
    box = "west=123&south=41&east=124&north=42"
    ways.until(lambda: manager.get(f"/api/v1/cells?{box}").json()["cells"])
    page = person("engineer")
    page.goto(f"{served.url}/measured")
    page.wait_for_function("() => Number(document.getElementById('track').dataset.drawn) >= 4")


def test_the_manager_reads_chinese(person):
    page = person("manager", "Wang", locale="zh-CN")
    page.wait_for_url("**/map/*/", timeout=90_000)
    page.wait_for_selector("body[data-ready=yes]", timeout=60_000)
    assert page.get_attribute("html", "lang") == "zh-CN"


def test_an_engineer_makes_a_token_runs_a_check_and_reads_the_trail(person, served):
    page = person("engineer", "Li <i>Wei</i>")
    assert page.inner_text("#person") == "Li <i>Wei</i>"
    page.click("text=Tokens")
    page.fill("[name=name]", "Team 7 <script>")
    page.fill("[name=zone]", "Asia/Shanghai")
    page.click("form#new button")
    page.wait_for_selector("#made:not([hidden])")
    secret = page.inner_text("#secret")
    assert re.fullmatch(r"rc_[\w-]{43}", secret)
    assert page.evaluate("() => document.getElementById('qr').naturalWidth") > 0
    assert page.locator("#rows tbody tr").first.locator("td").nth(1).inner_text() == "Team 7 <script>"
    page.click("text=Runs")
    page.click("[data-kind=check]")
    page.locator("#rows .badge.done").first.wait_for(timeout=90_000)
    assert "grid" in page.inner_text("#output").lower()
    page.click("text=Sites")
    page.wait_for_function("() => document.getElementById('text').value.includes('LT01')")
    page.click("text=Audit trail")
    row = page.locator("#rows tbody tr", has_text="create token").first
    assert "Li <i>Wei</i>" in row.inner_text() and "Team 7 <script>" in row.inner_text()


def test_the_first_link_signs_an_administrator_in(browser, own_server):
    link = re.search(r"http\S+#once=\S+", own_server.banner)[0]
    page = browser.new_context().new_page()
    page.goto(link)
    page.click("form#login button")
    page.wait_for_url("**/desk/uploads")
    page.click("text=Tokens")
    assert page.locator("[name=role] option").count() == 5
    page.click("#sign-out")
    page.wait_for_url("**/login")
    page.context.close()
