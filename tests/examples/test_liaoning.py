"""The example of Liaoning: whole and reproducible by itself; right and computable with the real data beside."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import shapely
from pyproj import Geod

from radiocov.check import check_path
from radiocov.compliance import judge, origin_line
from radiocov.coverage.run import CoverageRun
from radiocov.inputs import project_grid, read_inputs
from radiocov.project import load_project

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/liaoning"
MADE = ("project.toml", "sites.csv", "areas.geojson", "roads.geojson")
WGS84 = Geod(ellps="WGS84")
COARSE = "DTED level 0 (30 arc seconds, about 900 m: coarse ground)"


def build(folder, *options, fails=False):
    command = [sys.executable, str(EXAMPLE / "build.py"), str(folder), *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (done.returncode != 0) == fails, done.stderr
    return done.stderr


def places(level):
    with open(EXAMPLE / "places.csv", encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["level"] == level]


@pytest.fixture(scope="module")
def districts(shared):
    """code -> (name, polygon) of the real districts."""
    data = json.loads((shared / "data/boundaries/liaoning_district_amap.geojson").read_text(encoding="utf-8"))
    return {f["properties"]["district_adcode"]:
            (f["properties"]["district_name"], shapely.make_valid(shapely.geometry.shape(f["geometry"])))
            for f in data["features"]}  # fmt: skip


@pytest.fixture(scope="module")
def province(districts):
    return shapely.union_all([shape for _, shape in districts.values()])


@pytest.fixture(scope="module")
def real(shared, tmp_path_factory):
    """The project on the real ground, cut by the real districts."""
    folder = tmp_path_factory.mktemp("liaoning")
    build(folder, "--elevation", shared / "data/dem/liaoning_dted0_30arcsec.tif", "--bare", "--source", COARSE,
          "--boundaries", shared / "data/boundaries/liaoning_district_amap.geojson", "--resolution", 500)  # fmt: skip
    return folder


def distance_km(shape, lon, lat):
    near, there = shapely.shortest_line(shapely.Point(lon, lat), shape).coords
    return WGS84.inv(*near, *there)[2] / 1000


# ------------------------------------------------------------------------------------------------- the folder itself
def test_nothing_but_terrain_is_missing():
    report = check_path(EXAMPLE)
    missing = [p for p in report.problems if "terrain." in p.where]
    assert missing or (EXAMPLE / "terrain/elevation.tif").exists()
    assert [str(p) for p in report.problems if p not in missing] == []
    assert [s.id for s in report.plan.states] == ["2015", "2017"]
    before, after = (s.sites for s in report.plan.states)
    assert 100 < before < 0.75 * after < after < 300


def test_the_tables_make_the_committed_files(tmp_path):
    build(tmp_path)
    for name in MADE:
        assert (tmp_path / name).read_bytes() == (EXAMPLE / name).read_bytes(), name
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(MADE)


def test_all_cities_and_counties_are_there():
    cities, counties = places("city"), places("county")
    assert len(cities) == 14 and len({(c["longitude"], c["latitude"]) for c in counties}) == len(counties) == 100
    for county in counties:
        city = next(c for c in cities if c["name"] == county["city"])
        assert city["code"][:4] == county["code"][:4]
    inputs = read_inputs(load_project(EXAMPLE)).or_raise()
    expected = {f"{c['name_zh']} {c['name']}" for c in cities}
    for class_ in ("key", "urban", "suburban"):
        assert {a.city for a in inputs.areas.areas if a.class_ == class_} == expected
    assert {r.city for r in inputs.roads.roads} == expected
    assert {r.class_ for r in inputs.roads.roads} == {"motorway", "national", "provincial"}
    urban = [a for a in inputs.areas.areas if a.class_ == "urban"]
    assert {a.county for a in urban} == {f"{c['name_zh']} {c['name']}" for c in counties}


def test_areas_of_a_class_do_not_overlap():
    inputs = read_inputs(load_project(EXAMPLE)).or_raise()
    for class_ in ("key", "urban", "suburban"):
        shapes = [a.geometry for a in inputs.areas.areas if a.class_ == class_]
        assert shapely.union_all(shapes).area == pytest.approx(sum(s.area for s in shapes), rel=1e-3)


def test_everything_illustrative_says_so():
    inputs = read_inputs(load_project(EXAMPLE))
    assert "llustrative" in inputs.project.project.note and "示意" in inputs.project.project.note_zh
    assert all(s.id.startswith("ILL-") and "Illustrative" in s.name and "示例" in s.name for s in inputs.sites)
    for name in ("areas.geojson", "roads.geojson"):
        features = json.loads((EXAMPLE / name).read_text(encoding="utf-8"))["features"]
        assert all("illustrative" in f["properties"]["note"] for f in features)


def test_wrong_input_is_one_clear_line(tmp_path):
    (tmp_path / "none.geojson").write_text('{"features": []}')
    told = build(tmp_path / "a", "--boundaries", tmp_path / "none.geojson", fails=True)
    assert told.startswith("build.py: ") and told.count("\n") == 1 and "no feature for Heping" in told
    told = build(tmp_path / "b", "--elevation", tmp_path / "absent.tif", fails=True)
    assert told.count("\n") == 1 and "absent.tif" in told
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()


# -------------------------------------------------------------------------------------------- against the real world
def test_seats_lie_in_their_districts(districts):
    """A seat may lie beside its district (some govern a countryside from the city within), but not far."""
    away = {}
    for row in places("county"):
        name, shape = districts[row["code"]]
        assert name == row["name_zh"]
        away[row["name"]] = distance_km(shape, float(row["longitude"]), float(row["latitude"]))
    assert len(away) == len(districts)
    assert {name: round(km, 1) for name, km in away.items() if km >= 5} == {}
    assert sum(km > 1 for km in away.values()) <= 5  # the others are off by the rounding to 0.01 degrees


def test_cities_and_key_places_lie_in_the_province(districts, province):
    for row in places("city"):
        own = shapely.union_all([s for code, (_, s) in districts.items() if code[:4] == row["code"][:4]])
        assert shapely.contains_xy(own, float(row["longitude"]), float(row["latitude"])), row["name"]
    with open(EXAMPLE / "landmarks.csv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            # ports reach out to sea
            assert distance_km(province, float(row["longitude"]), float(row["latitude"])) < 3, row["name"]


def test_committed_sites_and_roads_keep_to_the_province(province):
    inputs = read_inputs(load_project(EXAMPLE))
    off = [s.name for s in inputs.sites if distance_km(province, s.lon, s.lat) > 3]
    assert off == []
    inside = sum(shapely.intersection(r.geometry, province).length for r in inputs.roads.roads)
    assert inside > 0.97 * sum(r.geometry.length for r in inputs.roads.roads)


def test_with_boundaries_nothing_leaves_its_county(real, districts, province):
    inputs = read_inputs(load_project(real)).or_raise()
    by_label = {f"{row['name_zh']} {row['name']}": districts[row["code"]][1] for row in places("county")}
    for area in inputs.areas.areas:
        if area.class_ != "key":
            outside = shapely.difference(area.geometry, by_label[area.county].buffer(2e-4))
            assert outside.area < 1e-3 * area.geometry.area, area.name
    assert all(shapely.covers(province.buffer(1e-3), r.geometry) for r in inputs.roads.roads)


def test_sites_move_to_hills_near_them(real):
    from terrain.elevation import read_elevation
    from terrain.sources import ElevationSource

    before = {s.name: s for s in read_inputs(load_project(EXAMPLE)).sites}
    inputs = read_inputs(load_project(real)).or_raise()
    grid = project_grid(inputs)
    heights, _ = read_elevation([ElevationSource(inputs.project.elevation_files[0])], grid, "sea")

    def height(site):
        row, col = grid.rowcol(*grid.from_lonlat(site.lon, site.lat))
        return heights[round(float(row)), round(float(col))]

    pairs = [(before[s.name], s) for s in inputs.sites if s.name in before]
    # along a road the numbers shift where another site came near: those are other sites of the same name
    pairs = [(a, b) for a, b in pairs if WGS84.inv(a.lon, a.lat, b.lon, b.lat)[2] < 3600]
    moved = [(a, b) for a, b in pairs if (a.lon, a.lat) != (b.lon, b.lat)]
    assert len(pairs) > 150 and len(moved) > 80
    gain = [float(height(b) - height(a)) for a, b in moved]
    assert min(gain) > 0 and 40 < np.median(gain) < 200


def test_a_prefecture_runs_on_the_real_ground(real, tmp_path):
    """Yingkou: coast, plain and hills; 500 m pixels and 25 km, so that it stays small."""
    for name in MADE:
        (tmp_path / name).write_bytes((real / name).read_bytes())
    project = tmp_path / "project.toml"
    text = project.read_text(encoding="utf-8").replace("radius_km = 40", "radius_km = 25")
    head, _, rest = text.partition("extent = ")
    project.write_text(f"{head}extent = [121.8, 39.9, 123.1, 41.0]\n" + rest.partition("\n")[2], encoding="utf-8")
    for name in ("areas.geojson", "roads.geojson"):
        layer = json.loads((tmp_path / name).read_text(encoding="utf-8"))
        layer["features"] = [f for f in layer["features"] if f["properties"]["city"].endswith("Yingkou")]
        (tmp_path / name).write_text(json.dumps(layer), encoding="utf-8")
    header, *rows = (tmp_path / "sites.csv").read_text(encoding="utf-8").splitlines()
    inside = [r for r in rows if 121.8 < float(r.split(",")[2]) < 123.1 and 39.9 < float(r.split(",")[3]) < 41.0]
    (tmp_path / "sites.csv").write_text("\n".join([header, *inside]) + "\n", encoding="utf-8")
    assert 10 < len(inside) < 60

    assert check_path(tmp_path).ok
    inputs = read_inputs(load_project(tmp_path)).or_raise()
    CoverageRun(inputs, jobs=2).run()
    shares = {}
    for period in ("2015", "2017"):
        compliance, results = judge(inputs, inputs.project.output_folder, period)
        rows = {r.class_: r for r in compliance.rows if r.level == "policy"}
        shares[period] = {name: (r.share_median, r.share_probable, r.share_expected) for name, r in rows.items()}
        assert COARSE in origin_line(results)
        assert 150 < rows["urban"].total < 200 and 700 < rows["suburban"].total < 1000  # km2
        assert 300 < rows["highway"].total < 450  # km
        level = results.band("level_dbm.tif", 1)
        covered = np.isfinite(level)
        assert covered.mean() > 0.4 and -60 < np.nanmax(level) < 20 and np.nanmin(level) < -90
        for site in [s for s in inputs.sites if str(s.in_service) <= f"{period}-12-31"]:
            row, col = (round(float(v)) for v in results.grid.rowcol(*results.grid.from_lonlat(site.lon, site.lat)))
            assert level[row, col] > -65, site.name
    for class_, later in shares["2017"].items():
        earlier = shares["2015"][class_]
        assert all(0 < a <= b + 1e-9 <= 1 + 1e-6 for a, b in zip(earlier, later, strict=True)), class_
    assert shares["2017"]["highway"][1] > shares["2015"]["highway"][1]
    assert shares["2017"]["urban"][1] > 0.9  # bare and coarse ground flatters
