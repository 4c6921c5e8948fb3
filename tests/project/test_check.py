import json
import math

import numpy as np
import pytest
import rasterio
from affine import Affine

from radiocov.check import SECONDS_PER_PIXEL, SECONDS_PER_RECEIVER, START_SECONDS, check, check_path
from radiocov.inputs import project_grid, read_inputs
from radiocov.problems import ProjectError
from radiocov.project import load_project
from radiocov.templates import init_project

ALL = (121.5, 41.5, 123.0, 42.7)


@pytest.fixture
def folder(tmp_path):
    """The starting project without land cover, with 30 m of elevation around it."""
    init_project(tmp_path)
    edit(tmp_path, 'landcover = "terrain/landcover.tif"', "")
    raster(tmp_path, ALL)
    return tmp_path


def edit(folder, old, new, name="project.toml"):
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new), encoding="utf-8")


def raster(folder, bounds, name="elevation.tif", crs="EPSG:4326", dtype="float32", value=30):
    (folder / "terrain").mkdir(exist_ok=True)
    west, south, east, north = bounds
    profile = {"driver": "GTiff", "width": 60, "height": 60, "count": 1, "dtype": dtype, "crs": crs,
               "transform": Affine((east - west) / 60, 0, west, 0, (south - north) / 60, north)}
    with rasterio.open(folder / "terrain" / name, "w", **profile) as out:
        out.write(np.full((1, 60, 60), value, dtype))


def told(report):
    return [f"{p.severity}: {p}" for p in report.problems]


def test_a_whole_project_has_a_plan_and_no_problem(folder):
    report = check_path(folder, cores=4)
    assert report.ok and told(report) == []
    plan = report.plan
    assert (plan.crs, plan.resolution_m, plan.cores) == ("EPSG:32651", 50, 4)
    assert [(s.id, s.date.year, s.sites) for s in plan.states] == [("2015", 2015, 2), ("2017", 2017, 3)]
    assert plan.loss_rasters == 3
    assert 0.5 * 3 * plan.pixels < plan.receivers <= 3 * plan.pixels
    combined = len(plan.states) * plan.pixels * SECONDS_PER_PIXEL
    services = (plan.seconds - START_SECONDS - plan.receivers * SECONDS_PER_RECEIVER / 4) * 4 / combined
    assert services == pytest.approx(round(services)) and services >= 1
    assert plan.disk_bytes == plan.pixels * 11 + plan.receivers * 4 + 2 * plan.pixels * (6 + 2 * 24)
    assert plan.memory_bytes > plan.pixels * 10
    shown = json.loads(json.dumps(report.to_dict()))
    assert shown["ok"] and shown["plan"]["pixels"] == plan.width * plan.height
    assert shown["plan"]["states"][0] == {"id": "2015", "date": "2015-12-31", "sites": 2}


def test_receivers_are_the_pixels_of_the_circle(folder):
    edit(folder, "radius_km = 30", "radius_km = 3")
    edit(folder, "margin_km = 2", "margin_km = 10")
    plan = check_path(folder).plan
    assert plan.receivers == pytest.approx(3 * math.pi * 3000**2 / 50**2, rel=0.02)


def test_sectors_of_a_mast_share_a_loss_raster(folder):
    with (folder / "sites.csv").open("a", encoding="utf-8") as out:
        out.write("EX-1b,Illustrative town 示例镇,122.15,42.10,50,44,5.5,,7,,,,2014-06-30,existing\n")
        out.write("EX-1c,Illustrative town 示例镇,122.15,42.10,40,44,5.5,,7,,,,2014-06-30,existing\n")
    plan = check_path(folder).plan
    assert [s.sites for s in plan.states] == [4, 5] and plan.loss_rasters == 4


def test_missing_terrain_stops_here_but_not_loading(folder):
    (folder / "terrain/elevation.tif").unlink()
    report = check_path(folder)
    assert not report.ok and report.plan is not None
    assert told(report) == [
        'error: project.toml: line 18, terrain.elevation: there is no file "terrain/elevation.tif" beside '
        "the project; put it there or correct the name"]


@pytest.mark.parametrize(("voids", "severity"), [("error", "error"), ("sea", "warning")])
def test_ground_without_elevation_is_told(folder, voids, severity):
    edit(folder, 'voids = "error"', f'voids = "{voids}"')
    raster(folder, (121.5, 42.1, 123.0, 42.7))
    (line,) = told(check_path(folder))
    assert line.startswith(f"{severity}: project.toml: terrain.elevation: covers 5")
    assert " % of the grid; it has to reach from 121.9" in line


def test_two_rasters_cover_together_in_any_system(folder):
    edit(folder, '["terrain/elevation.tif"]', '["terrain/elevation.tif", "terrain/b.tif"]')
    raster(folder, (121.5, 42.1, 123.0, 42.7))
    raster(folder, (400000, 4500000, 650000, 4680000), "b.tif", "EPSG:32651")
    assert told(check_path(folder)) == []


def test_a_raster_without_coordinate_system_is_told(folder):
    raster(folder, ALL, crs=None)
    (line,) = told(check_path(folder))
    assert line.startswith("error: project.toml: terrain.elevation: ") and "no coordinate system" in line


def test_land_cover_that_ends_early_is_a_warning(folder):
    edit(folder, "voids =", 'landcover = "terrain/landcover.tif"\nvoids =')
    raster(folder, (121.5, 42.1, 123.0, 42.7), "landcover.tif", dtype="uint8")
    (line,) = told(check_path(folder))
    assert line.startswith("warning: project.toml: terrain.landcover: covers 5")


def test_all_that_the_terrain_table_names_is_opened(folder):
    sources = ('[[terrain.sources]]\nfiles = "terrain/e*.tif"\nsurface = true\n'
               '[terrain.clutter]\nfiles = "terrain/heights.tif"\n[model]\n')
    for line in ('elevation = ["terrain/elevation.tif"]', 'vertical_unit = "m" ', "surface = true "):
        edit(folder, line, f"# {line}")
    edit(folder, "[model]\n", sources)
    assert [line.split(": ")[3] for line in told(check_path(folder))] == [
        'there is no file "terrain/heights.tif" beside the project; put it there or correct the name']
    raster(folder, ALL, "heights.tif", crs=None)
    raster(folder, (121.5, 42.1, 123.0, 42.7))
    short, bare = told(check_path(folder))
    assert "terrain.sources: covers 5" in short and short.startswith("error")
    assert "terrain.clutter: " in bare and "heights.tif" in bare and "no coordinate system" in bare


def test_a_unit_that_the_file_contradicts_is_told(folder):
    with rasterio.open(folder / "terrain/elevation.tif", "r+") as dataset:
        dataset.set_band_unit(1, "ft")
    (line,) = told(check_path(folder))
    assert "set vertical_unit = 'ft'" in line


def test_a_bad_legend_is_told(folder):
    edit(folder, "voids =", 'landcover = "terrain/landcover.tif"\nvoids =')
    raster(folder, ALL, "landcover.tif", dtype="uint8")
    edit(folder, 'legend = "esa-worldcover"', 'legend = "mine.csv"')
    (folder / "mine.csv").write_text("a,b\n1,2\n")
    assert any("terrain.legend" in line and "mine.csv" in line for line in told(check_path(folder)))


def test_faults_of_all_files_come_together(folder):
    edit(folder, "122.15,42.10,50", "222.15,42.10,50", "sites.csv")
    edit(folder, '"class": "key"', '"class": "kye"', "areas.geojson")
    edit(folder, '"class": "national"', '"class": "nationl"', "roads.geojson")
    edit(folder, 'id = "vehicle"\nlabel = "Vehicle on', 'id = "car"\nlabel = "Vehicle on')
    lines = told(check_path(folder))
    assert [line.split(": ")[1] for line in lines] == [
        "sites.csv", "areas.geojson", "roads.geojson", "project.toml"]
    assert lines[0].endswith("row 2, longitude: 222.15 is not a longitude; give degrees between -180 and 180")
    assert "'kye'" in lines[1] and "'nationl'" in lines[2]
    assert 'the policy "liaoning" has targets for a service "vehicle" that is not here' in lines[3]


def test_an_extent_by_hand_that_leaves_things_out_warns(folder):
    edit(folder, "margin_km = 2 ", "extent = [122.05, 42.05, 122.25, 42.15]\nmargin_km = 2 ")
    lines = told(check_path(folder))
    outside = "lies outside the grid and adds nothing; enlarge grid.extent or leave the site out"
    assert lines[:3] == [f'warning: sites.csv: site "EX-{n}": {outside}' for n in (2, 3, 4)]
    assert [line.split(":")[1] for line in lines[3:]] == [" areas.geojson", " roads.geojson"]


def test_a_pattern_of_another_band_and_a_frequency_outside_the_model_are_told(folder):
    cut = "".join(f"{a} 0\n" for a in range(360))
    (folder / "antennas").mkdir()
    text = f"GAIN 8\nFREQUENCY 890\nHORIZONTAL 360\n{cut}VERTICAL 360\n{cut}"
    (folder / "antennas/a.msi").write_text(text)
    edit(folder, "5.5,,9,,,,2014", "5.5,a.msi,9,,,,2014", "sites.csv")
    edit(folder, "5.5,,9,,,,2015", "5.5,,9,,,4000,2015", "sites.csv")
    edit(folder, 'name = "p1812"', 'name = "extended-hata"')
    assert told(check_path(folder)) == [
        "warning: a.msi: FREQUENCY: the pattern is of 890 MHz, the network is at 358 MHz; "
        "use a pattern of the antenna's own band",
        'error: sites.csv: site "EX-2", frequency_mhz: 4000 MHz is outside the range of extended-hata; '
        "give 30 to 3000 MHz or another model"]


def test_a_grid_that_cannot_be_made_is_told(folder):
    edit(folder, 'crs = "auto"', 'crs = "EPSG:4326"')
    report = check_path(folder)
    assert report.plan is None
    wanted = "project.toml: grid: crs 'EPSG:4326' is not projected in metres"
    assert any(wanted in line for line in told(report))


def test_a_project_that_does_not_load_reports_its_errors(folder):
    edit(folder, "radius_km = 30", "radius_km = -30")
    report = check_path(folder)
    assert report.plan is None and not report.ok
    assert report.problems[0].where == "line 28, model.radius_km"


def test_nothing_to_make_a_grid_from(tmp_path):
    (tmp_path / "project.toml").write_text('[project]\nname = "x"\n')
    (tmp_path / "sites.csv").write_text("id,longitude,latitude,antenna_height_m,power_dbm,losses_db\n")
    project = load_project(tmp_path)
    with pytest.raises(ProjectError, match=r"grid: there is nothing to make the grid from; give grid"):
        project_grid(read_inputs(project))
    assert not check(project).ok


def test_attributes_of_other_names_are_passed_on(folder):
    edit(folder, 'class_attribute = "class"       # key', 'class_attribute = "kind"        # key')
    edit(folder, '"class"', '"kind"', "areas.geojson")
    assert told(check_path(folder)) == []
    edit(folder, '"kind"', '"sort"', "areas.geojson")
    (line,) = told(check_path(folder))
    assert "no column 'kind' (for class)" in line


def test_layers_far_from_all_sites(folder):
    edit(folder, "[12", "[2", "areas.geojson")  # a hundred degrees further west
    told = [str(p) for p in check_path(folder).problems]
    (far,) = (line for line in told if "areas.geojson: lies" in line)
    assert "km from the nearest site; state the right coordinate" in far


def test_outlines_that_differ_as_gcj02_does(shared, tmp_path):
    """The province as DataV publishes it (GCJ-02) beside its boundary in WGS 84: said, and gone once declared."""
    from radiocov.boundaries import datum_warnings
    from radiocov.project import parse_project

    data = shared / "data" / "boundaries"
    outline = json.loads((data / "liaoning_province_datav_gcj02.geojson").read_text(encoding="utf-8"))
    for feature in outline["features"]:
        feature["properties"] = {"class": "suburban", "name": "辽宁省"}
    (tmp_path / "areas.geojson").write_text(json.dumps(outline), encoding="utf-8")
    (tmp_path / "sites.csv").write_text("id,lon,lat,antenna_height_m,power_dbm\n", encoding="utf-8")

    def warnings(datum):
        text = f"""
[project]
name = "x"
[areas]
file = "areas.geojson"
{datum}
[boundaries]
file = "{(data / 'liaoning_province_amap.geojson').as_posix()}"
name_attribute = "province_name"
"""
        project, problems = parse_project(text.encode(), tmp_path / "project.toml")
        assert project is not None, problems
        project._path = tmp_path / "project.toml"
        return [str(p) for p in datum_warnings(read_inputs(project))]

    (told,) = warnings("")
    assert told.startswith("areas.geojson: lies some ") and 'declare [areas] datum = "gcj02"' in told
    assert 300 < float(told.split("some ")[1].split(" m ")[0]) < 800
    assert warnings('datum = "gcj02"') == []
