"""radiocov targets: the table, JSON and CSV agree; exit codes for those who ask."""

import csv
import io
import json
import shutil

import numpy as np
import pyogrio
import pyogrio.raw
import pyproj
import pytest
import rasterio
import shapely

LENIENT = """\
id = "lenient"
name = "Lenient targets"
judge = "median"
[[periods]]
id = "2015"
end = 2015-12-31
[[periods]]
id = "2017"
end = 2017-12-31
[[targets]]
class = "urban"
measure = "area"
service = "handheld-hip"
share = { 2015 = 0.05, 2017 = 0.10 }
[[targets]]
class = "highway"
measure = "length"
service = "vehicle"
share = { 2015 = 0.05, 2017 = 0.10 }
"""


def lenient(made, folder, **replace):
    text = LENIENT
    for old, new in replace.items():
        text = text.replace(old, new)
    (folder / "lenient.toml").write_text(text)
    made.edit(folder / "project.toml", 'file = "liaoning"', 'file = "lenient.toml"')


def by_policy(rows):
    return {(row["level"], row["class"], row["member"]): row for row in rows if row["level"] in ("policy", "member")}


def test_table_json_and_csv_tell_the_same(radiocov, small_computed):
    table = radiocov("targets", small_computed)
    as_json = radiocov("targets", small_computed, "--json")
    as_csv = radiocov("targets", small_computed, "--csv")
    assert table.code == as_json.code == as_csv.code == 0
    found = json.loads(as_json.out)
    assert [f["period"] for f in found] == ["2015", "2017"]
    lines = list(csv.DictReader(io.StringIO(as_csv.out)))
    assert [line["period"] for line in lines] == [f["period"] for f in found for _ in f["rows"]]
    rows = [row for f in found for row in f["rows"]]
    assert {row["level"] for row in rows} == {"policy", "member", "city", "county", "area", "road"}
    for line, row in zip(lines, rows, strict=True):
        assert set(line) == set(row) | {"period"}
        for name, value in row.items():
            if isinstance(value, bool) or value is None:
                assert line[name] == {True: "true", False: "false", None: ""}[value]
            elif isinstance(value, float | int):
                assert float(line[name]) == value
            else:
                assert line[name] == value
    # the table has the policy's rows and their members, with the same figures rounded down
    printed = [line for line in table.out.splitlines() if " %" in line]
    shown = [row for row in rows if row["level"] in ("policy", "member")]
    assert len(printed) == len(shown) == 2 * 7
    for line, row in zip(printed, shown, strict=True):
        assert line.strip().startswith(row["name"])
        percents = [float(word) for word, unit in zip(line.split(), line.split()[1:], strict=False) if unit == "%"]
        shares = [row[f"share_{kind}"] for kind in ("median", "probable", "expected")]
        for percent, share in zip(percents, shares, strict=False):
            assert 0 <= 100 * share - percent < 0.1 + 1e-6
        assert (" yes" in line, " no " in line) == (row["met"], not row["met"])
    assert "2015 (judged by the probable share)" in table.out and "2017 (judged" in table.out


def test_every_answer_says_what_it_rests_on(radiocov, small_computed):
    table = radiocov("targets", small_computed, "--period", "2017")
    assert "SYNTHETIC terrain: synthetic relief, made for a test, 500 m pixels; network on 2017-12-31" in table.out
    assert "not calibrated" in table.out and "P.1812" in table.out
    answer = json.loads(radiocov("targets", small_computed, "--period", "2017", "--json").out)
    assert answer["period"] == "2017"  # one period asked for: one object
    origin = answer["origin"]
    assert origin["synthetic"] is True and origin["network_on"] == "2017-12-31" and origin["calibration"] is None
    assert (origin["resolution_m"], origin["radius_km"]) == (500.0, 15.0)


def test_more_sites_cover_no_less(radiocov, small_computed):
    before, after = json.loads(radiocov("targets", small_computed, "--json").out)
    before, after = by_policy(before["rows"]), by_policy(after["rows"])
    for key, row in before.items():
        for share in ("share_median", "share_probable", "share_expected"):
            assert after[key][share] >= row[share] - 1e-9
    assert any(after[key]["share_probable"] > row["share_probable"] + 0.01 for key, row in before.items())


def test_rows_by_county_and_road_on_request(radiocov, small_computed):
    plain = radiocov("targets", small_computed, "--period", "2017").out
    longer = radiocov("targets", small_computed, "--period", "2017", "--by", "county", "--by", "road").out
    rows = json.loads(radiocov("targets", small_computed, "--period", "2017", "--json").out)["rows"]
    extra = sum(row["level"] in ("county", "road") for row in rows)
    count = [sum(" %" in line for line in text.splitlines()) for text in (plain, longer)]
    assert extra > 0 and count[1] == count[0] + extra


def test_check_fails_where_a_target_is_missed(radiocov, small_computed):
    plain, checked = radiocov("targets", small_computed), radiocov("targets", small_computed, "--check")
    assert plain.code == 0 and checked.code == 1
    assert checked.out == plain.out and " no " in plain.out
    answer = radiocov("targets", small_computed, "--check", "--json", "--period", "2017")
    assert answer.code == 1 and json.loads(answer.out)["met"] is False


def test_check_passes_where_all_targets_are_met(made, radiocov, computed):
    lenient(made, computed)
    ran = radiocov("targets", computed, "--check")
    assert ran.code == 0, ran.out
    assert " no " not in ran.out and "judged by the median share" in ran.out


def test_check_asks_of_the_chosen_period_alone(made, radiocov, computed):
    lenient(made, computed, **{"2015 = 0.05, 2017 = 0.10": "2015 = 0.05, 2017 = 1.0"})
    assert radiocov("targets", computed, "--check", "--period", "2015").code == 0
    assert radiocov("targets", computed, "--check", "--period", "2017").code == 1
    assert radiocov("targets", computed, "--check").code == 1


def test_a_period_that_is_not_computed_says_what_to_do(made, radiocov, fresh):
    before = made.snapshot(fresh)
    for options in ((), ("--period", "2017"), ("--json",), ("--csv", "--check")):
        ran = radiocov("targets", fresh, *options)
        assert ran.code == 2 and not ran.out
        assert ran.err.count("\n") == 1 and "run `radiocov coverage`" in ran.err
        assert "nothing has been computed" in ran.err
    assert made.snapshot(fresh) == before


def test_what_is_there_is_named_beside_what_is_not(radiocov, computed):
    shutil.rmtree(computed / "out" / "2017")
    ran = radiocov("targets", computed, "--period", "2017")
    assert ran.code == 2
    assert ran.err.startswith("error: out: 2017: there is no coverage of this state; there are 2015; ")
    assert ran.err.endswith("run `radiocov coverage`\n") and ran.err.count("\n") == 1
    assert radiocov("targets", computed).code == 0  # all that are computed


def test_an_unknown_period_lists_the_policys(radiocov, small_computed):
    ran = radiocov("targets", small_computed, "--period", "2016")
    assert ran.code == 2 and ran.err == 'error: --period: "2016" is no period of the policy; choose 2015, 2017\n'


def test_results_of_another_folder(made, radiocov, computed, tmp_path):
    (computed / "out").rename(tmp_path / "elsewhere")
    assert radiocov("targets", computed).code == 2
    ran = radiocov("targets", computed, "-o", tmp_path / "elsewhere", "--period", "2017")
    assert ran.code == 0 and "Highways" in ran.out


def test_a_raster_that_is_gone_is_named(radiocov, computed):
    (computed / "out" / "2017" / "margin_vehicle.tif").unlink()
    ran = radiocov("targets", computed, "--period", "2017")
    assert ran.code == 2
    assert ran.err == "error: 2017: margin_vehicle.tif: cannot be read; run `radiocov coverage` again\n"


@pytest.mark.parametrize("option", ["--json", "--csv"])
def test_the_same_question_has_the_same_answer(radiocov, small_computed, option):
    assert radiocov("targets", small_computed, option).out == radiocov("targets", small_computed, option).out


def test_the_expected_share_has_an_interval_and_targets_a_chance(radiocov, small_computed):
    answer = json.loads(radiocov("targets", small_computed, "--period", "2017", "--json").out)
    assert answer["error"]["confidence"] == 0.9 and answer["error"]["correlation_km"] == 1.5
    for row in answer["rows"]:
        if row["total"]:
            assert row["expected_low"] <= row["expected_high"] and 0 <= row["chance"] <= 1
    out = radiocov("targets", small_computed, "--period", "2017").out
    assert "90% interval" in out and "chance" in out


def test_settings_of_the_error_change_the_interval(made, radiocov, computed):
    def width():
        rows = json.loads(radiocov("targets", computed, "--period", "2017", "--json").out)["rows"]
        return sum(r["expected_high"] - r["expected_low"] for r in rows if r["level"] == "policy" and r["total"])

    before = width()
    with (computed / "project.toml").open("a") as file:
        file.write("\n[uncertainty]\ncommon_error_db = 0\ncorrelation_km = 0.5\n")
    assert width() < 0.9 * before
    made.edit(computed / "project.toml", "correlation_km = 0.5", "correlation_km = 0")
    ran = radiocov("targets", computed)
    assert ran.code == 2
    assert "uncertainty.correlation_km: 0 is not accepted; give a number from 0.05 to 50 km" in ran.err


def test_two_states_compared(radiocov, small_computed):
    table = radiocov("targets", small_computed, "--compare")
    assert table.code == 0 and "2015 to 2017 (probable share)" in table.out
    answer = json.loads(radiocov("targets", small_computed, "--compare", "--json").out)
    before, after = (json.loads(radiocov("targets", small_computed, "--period", p, "--json").out)["rows"]
                     for p in ("2015", "2017"))  # fmt: skip
    assert (answer["before"], answer["after"], len(answer["rows"])) == ("2015", "2017", len(after))
    for change, old, new in zip(answer["rows"], before, after, strict=True):
        assert (change["share_before"], change["share_after"]) == (old["share_probable"], new["share_probable"])
        assert (change["met_before"], change["met_after"]) == (old["met"], new["met"])
        if new["total"]:
            assert change["gain"] == pytest.approx(change["change"] * new["total"], abs=1e-6)
    lines = list(csv.DictReader(io.StringIO(radiocov("targets", small_computed, "--compare", "--csv").out)))
    assert [line["name"] for line in lines] == [row["name"] for row in answer["rows"]]
    assert radiocov("targets", small_computed, "--compare", "--check").code == 2


def test_one_state_has_nothing_to_compare_with(radiocov, computed):
    shutil.rmtree(computed / "out" / "2015")
    ran = radiocov("targets", computed, "--compare")
    assert ran.code == 2 and ran.err == "error: --compare: only one period is computed; run `radiocov coverage`\n"


@pytest.mark.parametrize("name", ["gaps.gpkg", "gaps.geojson"])
def test_gaps_as_features(radiocov, small_computed, tmp_path, name):
    path = tmp_path / name
    ran = radiocov("targets", small_computed, "--period", "2015", "--gaps", path, "--largest", "4")
    assert ran.code == 0 and "4 pieces of areas and 4 stretches of road not covered in 2015" in ran.err
    assert [p.name for p in tmp_path.iterdir()] == [name]
    layers = {str(n) for n, _ in pyogrio.list_layers(path)}
    assert layers == ({"area_gaps", "road_gaps"} if name.endswith("gpkg") else {"gaps"})
    meta, _, wkb, data = pyogrio.raw.read(path, layer=sorted(layers)[0])
    rows = dict(zip(meta["fields"], data, strict=True))
    mine = rows["measure"] == "area"
    sizes = rows["size"][mine]
    assert mine.sum() == 4 and list(sizes) == sorted(sizes, reverse=True) and list(rows["rank"][mine]) == [1, 2, 3, 4]
    shapes = shapely.from_wkb(wkb)
    assert shapely.is_valid(shapes).all() and all(rows["road"][mine])
    west, south, east, north = shapely.total_bounds(shapes)
    assert 122 < west < east < 124 and 40 < south < north < 42
    ways = ((rows["lon"] - shapely.get_x(shapely.centroid(shapes))) ** 2)[mine]
    assert np.all(ways < 0.02**2)


def test_gaps_in_an_unknown_format(radiocov, small_computed, tmp_path):
    ran = radiocov("targets", small_computed, "--gaps", tmp_path / "gaps.dwg")
    assert ran.code == 2 and not ran.out and list(tmp_path.iterdir()) == []
    assert ran.err == "error: gaps.dwg: no format is known for this name; end it in .gpkg, .geojson, .json\n"


def test_derived_areas_can_be_used_at_once(made, radiocov, computed):
    options = ("-o", computed / "derived.gpkg", "--json", "--smallest-km2", "0.5")
    ran = radiocov("targets", "derive-areas", computed, *options)
    assert ran.code == 0
    answer = json.loads(ran.out)
    assert {row["class"] for row in answer["areas"]} == {"urban", "suburban"}
    assert "urban from 0.5, suburban from 0.2" in answer["rule"]
    made.edit(computed / "project.toml", "areas.geojson", "derived.gpkg")
    rows = json.loads(radiocov("targets", computed, "--period", "2017", "--json").out)["rows"]
    for class_ in ("urban", "suburban"):
        drawn = sum(row["area_km2"] for row in answer["areas"] if row["class"] == class_)
        (judged,) = (r["total"] for r in rows if r["level"] == "policy" and r["class"] == class_)
        assert judged == pytest.approx(drawn, rel=2e-3)


def test_areas_cannot_be_derived_without_land_cover(made, radiocov, fresh):
    made.edit(fresh / "project.toml", 'landcover = "terrain/landcover.tif"\n', "")
    ran = radiocov("targets", "derive-areas", fresh, "-o", fresh / "derived.gpkg", "-q")
    assert ran.code == 2 and "terrain.landcover: there is no land cover to derive areas from" in ran.err
    assert not (fresh / "derived.gpkg").exists()
    ran = radiocov("targets", "derive-areas", fresh, "-o", fresh / "derived.gpkg", "--urban", "0.1")
    assert ran.code == 2 and "give 0 < suburban <= urban <= 1" in ran.err


def test_roads_are_cut_at_the_boundaries(radiocov, computed):
    with (computed / "project.toml").open("a") as file:
        file.write('\n[boundaries]\nfile = "counties.geojson"\n')
    rows = json.loads(radiocov("targets", computed, "--period", "2017", "--json").out)["rows"]
    (whole,) = (r for r in rows if r["level"] == "policy" and r["class"] == "highway")
    counties = [r for r in rows if r["level"] == "county" and r["class"] == "highway"]
    assert len(counties) > 3 and all(r["county"] for r in counties if r["total"] > 60)
    assert sum(r["total"] for r in counties) == pytest.approx(whole["total"], rel=1e-6)


def test_people_from_a_raster(made, radiocov, computed):
    made.edit(computed / "project.toml", 'file = "liaoning"', 'file = "people.toml"')
    (computed / "people.toml").write_text(LENIENT.replace('measure = "area"', 'measure = "population"'))
    ran = radiocov("targets", computed, "--period", "2017")
    assert ran.code == 2 and "there is no population raster; give it in the project: [areas] population" in ran.err
    named = 'file = "areas.geojson"'
    made.edit(computed / "project.toml", named, f'{named}\npopulation = "people.tif"')
    people = np.full((180, 240), 3.0, np.float32)  # 0.005 degrees: 60 pixels of some 0.234 km2 are 14 km2
    people[:, 200:] = -99999
    with rasterio.open(
        computed / "people.tif", "w", driver="GTiff", width=240, height=180, count=1, dtype="float32", nodata=-99999,
        crs="EPSG:4326", transform=rasterio.Affine(0.005, 0, 122.4, 0, -0.005, 41.3),
    ) as dataset:  # fmt: skip
        dataset.write(people, 1)
    rows = json.loads(radiocov("targets", computed, "--period", "2017", "--json").out)["rows"]
    (urban,) = (r for r in rows if r["level"] == "policy" and r["class"] == "urban")
    areas = [a for a in made.inputs_of(computed).areas.areas if a.class_ == "urban"]
    inside = shapely.box(122.4, 40.4, 123.4, 41.3)
    geod = pyproj.Geod(ellps="WGS84")
    pixel = abs(geod.polygon_area_perimeter([0, 0.005, 0.005, 0], [40.9, 40.9, 40.905, 40.905])[0]) / 1e6
    km2 = sum(abs(geod.geometry_area_perimeter(shapely.intersection(a.geometry, inside))[0]) for a in areas) / 1e6
    assert urban["unit"] == "people"
    assert urban["total"] == pytest.approx(3 * km2 / pixel, rel=0.02)
