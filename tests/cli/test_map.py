"""radiocov map with measured points: from logs, from the fleet store, and what is said of wrong ones."""

import json
import re

import pytest

from radiocov.coverage.results import open_state


def data_of(page):
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text("utf-8"), re.S)[1]
    return json.loads(text)


@pytest.fixture
def log(small_computed, tmp_path):
    """A drive through the middle of the map, 6 dB below what is predicted for a hand-held on the hip."""
    results = open_state(small_computed / "out", "2017")
    level = results.band("level_dbm.tif", 1)
    rows = ["time,device_id,lat,lon,rssi_dbm,direction,role"]
    row = results.shape[0] // 2
    for n, col in enumerate(range(10, results.shape[1] - 10)):
        lon, lat = results.grid.to_lonlat(*results.grid.centre_xy(row, col))
        port = level[row, col] - 12.0 - 6.0
        rows.append(f"2018-03-01T{n // 60:02d}:{n % 60:02d}:00Z,A,{lat:.6f},{lon:.6f},{port:.1f},talk_out,serving")
    results.close()
    path = tmp_path / "drive.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_logs_are_shown_with_what_they_differ_by(radiocov, small_computed, log, tmp_path):
    page = tmp_path / "map.html"
    ran = radiocov("map", small_computed, "--logs", log, "--datum", "wgs84", "-o", page, "-q")
    assert ran.code == 0, ran.err
    measured = data_of(page)["measured"]
    known = [value for value in measured["residual"]["2017"] if value is not None]
    assert len(known) > 50 and all(abs(value + 6.0) < 0.2 for value in known)
    assert measured["source"] == "drive.csv" and measured["carry"] == 12.0


def test_the_page_of_a_project_says_gaps_and_shares_of_sites(radiocov, small_computed, tmp_path):
    page = tmp_path / "map.html"
    assert radiocov("map", small_computed, "-o", page, "-q").code == 0
    data = data_of(page)
    state = data["states"][-1]
    sizes = [gap["size"] for gap in data["states"][0]["gaps"] if gap["measure"] == "area"]
    assert sizes == sorted(sizes, reverse=True) and sizes and data["measured"] is None
    shares = [site["share_percent"] for site in state["sites"] if site["share_percent"] is not None]
    assert sum(shares) == pytest.approx(100.0, abs=0.05 * len(shares))


@pytest.mark.parametrize("arguments,words", [
    (["--fleet"], "fleet.sqlite"),
    (["--logs", "LOG"], "--datum"),
    (["--logs", "LOG", "--fleet"], "give either --logs or --fleet"),
    (["--logs", "LOG", "--datum", "wgs84", "--measured-with", "vehicel"], 'did you mean "vehicle"?'),
])  # fmt: skip
def test_what_cannot_be_shown_is_refused_in_one_line(radiocov, small_computed, log, tmp_path, arguments, words):
    page = tmp_path / "map.html"
    given = [log if a == "LOG" else a for a in arguments]
    ran = radiocov("map", small_computed, "-o", page, "-q", *given)
    assert ran.code == 2 and words in ran.err and not page.exists()
