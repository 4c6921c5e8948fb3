"""radiocov acceptance: the plan for a field team, and logs judged against it."""

import csv
import dataclasses
import io
import json
import shutil
from xml.etree import ElementTree

import numpy as np
import pyogrio
import pyogrio.raw
import pytest
import shapely

from radiocov.coverage.results import open_state
from radiocov.network import write_sites
from targets.rasterize import Plane
from targets.roadways import at_points

GPX = "{http://www.topografix.com/GPX/1/1}"
TALK_IN = """
[[services]]
id = "handheld-hip"
terminal = "handheld-hip"
[[services]]
id = "vehicle"
terminal = "vehicle"
direction = "talk-in"
"""
LOG = ("--datum", "wgs84", "-q")


@pytest.fixture(autouse=True)
def no_store_of_the_user(monkeypatch):
    monkeypatch.delenv("RADIOCOV_STORE", raising=False)


def write_drive(made, project, path, change_db=0.0, spacing_m=4.0, roads=6, direction="talk_out", device="V1"):
    """A drive along some roads: what the vehicle's port gets by the prediction, `change_db` better, and noise."""
    inputs, results = made.inputs_of(project), open_state(project / "out", "2017")
    plane, random, rows, second = Plane(results), np.random.default_rng(1), [], 0
    for road in inputs.roads.roads[:roads]:
        for line in shapely.get_parts(plane.project([road.geometry])):
            points = shapely.line_interpolate_point(line, np.arange(0, line.length, spacing_m / plane.pixel_m))
            u, v = shapely.get_coordinates(points).T
            level = at_points(u, v, plane, lambda w: results.band("level_dbm.tif", 1, w)) + 2 - 1 + change_db
            level += random.normal(0, 3, len(level))
            for lon, lat, dbm in zip(*plane.lonlat(u, v), level, strict=True):
                second += 1
                day, hour, minute = 1 + second // 40_000, second // 3600 % 11, second // 60 % 60
                stamp = f"2018-03-{day:02d}T{hour:02d}:{minute:02d}:{second % 60:02d}Z"
                heard = dbm > -119
                rows.append([stamp, device, f"{lat:.6f}", f"{lon:.6f}", f"{dbm:.1f}" if heard else "",
                             "registered" if heard else "no_service", direction])  # fmt: skip
            second += 3600  # so that the way to the next road is no jump
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["time", "device_id", "lat", "lon", "rssi_dbm", "service_state", "direction"])
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def drive(made, small_computed, tmp_path_factory):
    return write_drive(made, small_computed, tmp_path_factory.mktemp("drive") / "drive.csv")


def outcome(answer, class_="highway", direction="both", level="class"):
    (found,) = (
        o for o in answer["outcomes"] if (o["class"], o["direction"], o["level"]) == (class_, direction, level)
    )
    return found


def test_a_plan_is_drawn_for_every_target(radiocov, small_computed, tmp_path):
    ran = radiocov("acceptance", "plan", small_computed, "-o", tmp_path / "field", "-q")
    assert ran.code == 0 and "Tiles of 500 m for 2017" in ran.out
    assert sorted(p.name for p in (tmp_path / "field").iterdir()) == [
        "plan.json",
        "tiles.csv",
        "tiles.gpkg",
        "tiles.gpx",
    ]
    plan = json.loads((tmp_path / "field" / "plan.json").read_text())
    needed = {t["class"]: t["needed"] for t in plan["targets"]}
    assert needed["key"] == needed["urban"] == 299 and needed["highway"] >= 100 and needed["suburban"] >= 100
    for target in plan["targets"]:
        assert target["drawn"] == len(target["tiles"]) == min(target["needed"], target["reachable"])
        assert sum(c["drawn"] for c in target["counties"]) == target["drawn"]
        assert len(target["unreachable"]) == target["tiles_of_class"] - target["reachable"]
        assert not set(target["tiles"]) & set(target["unreachable"])
    rows = list(csv.DictReader((tmp_path / "field" / "tiles.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert {r["tile"] for r in rows} == {name for t in plan["targets"] for name in t["tiles"]}
    assert [int(r["order"]) for r in rows] == list(range(1, len(rows) + 1))
    gpx = ElementTree.parse(tmp_path / "field" / "tiles.gpx").getroot()
    ways, route = gpx.findall(f"{GPX}wpt"), gpx.findall(f"{GPX}rte/{GPX}rtept")
    assert len(ways) == len(route) == len(rows)
    assert (ways[0].get("lon"), ways[0].find(f"{GPX}name").text) == (
        f"{float(rows[0]['lon']):.6f}",
        f"001 {rows[0]['tile']}",
    )
    assert {str(n): str(k) for n, k in pyogrio.list_layers(tmp_path / "field" / "tiles.gpkg")} == {
        "tiles": "Polygon", "stops": "Point"}  # fmt: skip
    _, _, tiles, _ = pyogrio.raw.read(tmp_path / "field" / "tiles.gpkg", layer="tiles")
    _, _, stops, _ = pyogrio.raw.read(tmp_path / "field" / "tiles.gpkg", layer="stops")
    away = shapely.distance(shapely.from_wkb(tiles), shapely.from_wkb(stops))
    assert away.max() < 1e-4  # half a tile is the farthest from the middle that a road may be
    if any(t["drawn"] < t["needed"] for t in plan["targets"]):
        assert "the test asks for" in ran.err


def test_the_same_seed_draws_the_same_tiles(radiocov, small_computed, tmp_path):
    plans = [json.loads(radiocov("acceptance", "plan", small_computed, "-o", tmp_path / n, "--seed", s, "--json").out)
             for n, s in (("a", 1), ("b", 1), ("c", 2))]  # fmt: skip
    assert plans[0] == plans[1] != plans[2]
    for name in ("tiles.csv", "tiles.gpx", "plan.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_logs_are_judged_tile_by_tile(radiocov, small_computed, drive):
    ran = radiocov("acceptance", small_computed, drive, "--measured-with", "vehicle", "--json", *LOG)
    assert ran.code == 0, ran.err
    answer = json.loads(ran.out)
    rows = answer["rows"]
    assert rows["read"] == rows["used"] + rows["without position"] and rows["used"] > 5000
    assert answer["first"].startswith("2018-03-01") and answer["talk_in"].startswith("from talk-out")
    road, both = outcome(answer, direction="talk-out"), outcome(answer)
    assert road["measured"] == both["measured"] == road["passed"] + road["failed"] > 50
    assert both["passed"] <= road["passed"]
    assert road["low"] <= road["share"] <= road["high"] and road["lower"] <= road["share"]
    # the drive follows the prediction: tiles pass where it says so
    (against,) = (a for a in answer["predicted_against_measured"] if a["class"] == "highway")
    assert (
        against["hit"] + against["false_alarm"] + against["miss"] + against["correct_rejection"] == both["measured"]
    )
    assert against["false_alarm"] <= 2
    assert sum(b["tiles"] for b in against["reliability"]) == both["measured"]
    table = radiocov("acceptance", "evaluate", small_computed, drive, "--measured-with", "vehicle", *LOG)
    assert table.code == 0 and "Predicted against measured" in table.out and "Reliability" in table.out


def test_a_weaker_network_fails(made, radiocov, small_computed, drive, tmp_path):
    weak = write_drive(made, small_computed, tmp_path / "weak.csv", -60.0)
    options = ("--measured-with", "vehicle", "--json", "--check", *LOG)
    good, bad = (radiocov("acceptance", small_computed, log, *options) for log in (drive, weak))
    assert bad.code == 1 and json.loads(bad.out)["met"] is False
    assert outcome(json.loads(bad.out))["share"] < outcome(json.loads(good.out))["share"] - 0.2


def test_the_terminal_that_was_carried_counts(radiocov, small_computed, drive):
    """Read at a hand-held's port the same levels are worth its losses more: 12 dB on the hip, the roof's 1 dB."""
    margins = []
    for terminal in ("vehicle", "handheld-hip"):
        ran = radiocov("acceptance", small_computed, drive, "--measured-with", terminal, "--csv", *LOG)
        lines = csv.DictReader(io.StringIO(ran.out))
        margins.append({(r["class"], r["tile"]): float(r["margin_db"]) for r in lines if r["margin_db"]})
    assert len(margins[0]) > 50 and margins[0].keys() == margins[1].keys()
    assert all(margins[1][k] - margins[0][k] == pytest.approx(13.0, abs=0.02) for k in margins[0])


def test_talk_in_that_was_measured_counts_as_measured(made, radiocov, small_computed, drive, tmp_path):
    """Levels at the site's port as at the vehicle's are ample whatever the link budget says."""
    back = write_drive(made, small_computed, tmp_path / "in.csv", 0.0, direction="talk_in", device="SITE")
    ran = radiocov("acceptance", small_computed, drive, back, "--measured-with", "vehicle", "--json", *LOG)
    answer = json.loads(ran.out)
    assert answer["talk_in"] == "measured" and answer["devices"] == 2
    out, back_in, both = (outcome(answer, direction=d) for d in ("talk-out", "talk-in", "both"))
    assert back_in["share"] == 1.0 and both["passed"] == out["passed"]


def test_measured_talk_in_is_held_against_the_site_s_own_receiver(made, radiocov, small_computed, tmp_path):
    """Sites with 5 dB more diversity gain than [base] need 5 dB less at their port."""
    back = write_drive(made, small_computed, tmp_path / "in.csv", -10.0, roads=2, direction="talk_in", device="SITE")
    margins, of_base = [], made.inputs_of(small_computed).project.base.diversity_gain_db
    for name, gain in (("plain", of_base), ("better", of_base + 5.0)):
        project = shutil.copytree(small_computed, tmp_path / name)
        with (project / "project.toml").open("a") as file:
            file.write(TALK_IN)
        sites = made.inputs_of(project).sites
        write_sites(project / "sites.csv", [dataclasses.replace(s, rx_diversity_db=gain) for s in sites])
        assert radiocov("coverage", project, "-q").code == 0
        ran = radiocov("acceptance", project, back, "--measured-with", "vehicle", "--csv", *LOG)
        roads = [r for r in csv.DictReader(io.StringIO(ran.out)) if r["class"] == "highway" and r["margin_db"]]
        margins.append({r["tile"]: float(r["margin_db"]) for r in roads})
    assert len(margins[0]) > 10 and margins[0].keys() == margins[1].keys()
    assert all(margins[1][k] - margins[0][k] == pytest.approx(5.0, abs=0.02) for k in margins[0])


def test_only_the_tiles_of_a_plan_count(radiocov, small_computed, drive, tmp_path):
    # with even odds a hundred tiles do, fewer than there are
    radiocov("acceptance", "plan", small_computed, "-o", tmp_path, "--confidence", "0.5", "-q")
    options = ("--measured-with", "vehicle", "--json", *LOG)
    free = json.loads(radiocov("acceptance", small_computed, drive, *options).out)
    bound = json.loads(radiocov("acceptance", small_computed, drive, "--plan", tmp_path / "plan.json", *options).out)
    assert 0 < outcome(bound)["measured"] < outcome(free)["measured"]
    assert bound["left_out_tiles"] > free["left_out_tiles"] and bound["planned_not_visited"] > 0
    plan = json.loads((tmp_path / "plan.json").read_text())
    rows = csv.DictReader(io.StringIO(radiocov("acceptance", small_computed, drive, "--plan", tmp_path / "plan.json",
                                               "--measured-with", "vehicle", "--csv", *LOG).out))  # fmt: skip
    planned = {(t["class"], name) for t in plan["targets"] for name in t["tiles"]}
    assert {(r["class"], r["tile"]) for r in rows if r["status"] in ("passed", "failed", "short")} <= planned
    other = radiocov("acceptance", small_computed, drive, "--plan", tmp_path / "plan.json", "--tile-m", "1000", *LOG)
    assert other.code == 2 and "the plan has tiles of 500 m; give --tile-m 500" in other.err
    (tmp_path / "no.json").write_text('{"tile_m": 500, "period": "2017", "targets": [{"tiles": ["x"]}]}')
    ran = radiocov("acceptance", small_computed, drive, "--plan", tmp_path / "no.json", *LOG)
    assert ran.code == 2 and "is no plan; give the plan.json that" in ran.err


def test_tiles_as_features(radiocov, small_computed, drive, tmp_path):
    path = tmp_path / "tiles.gpkg"
    ran = radiocov("acceptance", small_computed, drive, "--measured-with", "vehicle", "-o", path, "--json", *LOG)
    meta, _, wkb, data = pyogrio.raw.read(path)
    rows = dict(zip(meta["fields"], data, strict=True))
    answer = json.loads(ran.out)
    deciding = [o for o in answer["outcomes"] if o["level"] == "class" and o["direction"] == "both"]
    for status, count in (("passed", "passed"), ("failed", "failed"), ("short", "short")):
        assert (rows["status"] == status).sum() == sum(o[count] for o in deciding)
    assert (rows["status"] == "unreachable").sum() == sum(map(len, answer["unreachable"].values()))
    assert len(wkb) == len(rows["tile"]) and "not visited" not in set(rows["status"])


def test_logs_from_the_fleet_store(radiocov, computed, drive):
    nothing = radiocov("acceptance", computed, "-q")
    assert nothing.code == 2 and "there is no fleet store yet" in nothing.err
    assert radiocov("logs", "import", computed, drive, *LOG).code == 0
    stored = json.loads(radiocov("acceptance", computed, "--measured-with", "vehicle", "--json").out)
    direct = json.loads(radiocov("acceptance", computed, drive, "--measured-with", "vehicle", "--json", *LOG).out)
    assert stored["outcomes"] == direct["outcomes"]
    made_to_read_low = radiocov("fleet", "add", computed, "V1", "--calibration-offset-db", "-30")
    assert made_to_read_low.code == 0, made_to_read_low.err
    better = json.loads(radiocov("acceptance", computed, "--measured-with", "vehicle", "--json").out)
    assert outcome(better)["passed"] >= outcome(stored)["passed"]
    rows = csv.DictReader(io.StringIO(radiocov("acceptance", computed, "--measured-with", "vehicle", "--csv").out))
    assert max(float(r["level_dbm"]) for r in rows if r["level_dbm"]) > -40


def test_a_drive_on_another_datum_than_declared_is_told(radiocov, small_computed, drive, tmp_path):
    from devices.datum import from_wgs84

    with open(drive, newline="") as file:
        rows = list(csv.DictReader(file))
    places = (np.array([float(row[name] or "nan") for row in rows]) for name in ("lat", "lon"))
    lat, lon = from_wgs84(*places, "gcj02")
    for row, *place in zip(rows, lat, lon, strict=True):
        row["lat"], row["lon"] = ("" if np.isnan(value) else f"{value:.6f}" for value in place)
    with open(tmp_path / "moved.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    store = ("--store", tmp_path / "fleet.sqlite", "--json")
    told = []
    moved = tmp_path / "moved.csv"
    for log, datum in ((drive, "wgs84"), (moved, "wgs84"), (moved, "gcj02")):
        ran = radiocov("acceptance", small_computed, log, "--measured-with", "vehicle", "--json", "--datum", datum)
        told.append(any("--datum gcj02" in note for note in json.loads(ran.out)["notes"]))
    assert told == [False, True, False]
    ran = radiocov("logs", "import", small_computed, tmp_path / "moved.csv", *LOG, *store)
    (receipt,) = json.loads(ran.out)["receipts"]
    assert any("off the project's roads" in note for note in receipt["notes"])


def test_bad_input_is_one_line(radiocov, small_computed, drive, tmp_path):
    cases = [
        ((drive, "--measured-with", "vehicel", *LOG), 'there is no terminal "vehicel"; did you mean "vehicle"?'),
        ((drive, "--tile-m", "50", *LOG), "tiles are 100 wavelengths (84 m at 358 MHz) to 2000 m a side"),
        ((drive, "-q"), "positions in China without a datum"),
        ((drive, "-o", tmp_path / "tiles.shp", *LOG), "no format is known for this name"),
        ((drive, "--period", "2016", *LOG), '"2016" is no period of the policy'),
    ]
    empty = tmp_path / "empty.csv"
    empty.write_text("time,device_id,lat,lon,rssi_dbm\n2018-03-01T00:00:00Z,A,,,-90\n")
    cases.append(((empty, *LOG), "holds no level with a position; "))
    for arguments, said in cases:
        ran = radiocov("acceptance", small_computed, *arguments)
        assert ran.code == 2 and not ran.out and said in ran.err, arguments
        assert len([line for line in ran.err.splitlines() if line.startswith("error")]) == 1
    ran = radiocov("acceptance", "plan", small_computed, "-o", tmp_path / "x", "--start", "here")
    assert ran.code == 2 and "no LON,LAT in degrees" in ran.err and not (tmp_path / "x").exists()
