"""radiocov terrain: the commands as people type them, from a project to its ground."""

import csv
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from radiocov.coverage.setup import GROUND_CACHE
from radiocov.project import load_project
from radiocov.templates import init_project
from terrain.elevation import FILLED
from terrain.products import GLO30, WORLDCOVER, TileName

_spec = importlib.util.spec_from_file_location(
    "radiocov_tests_terrain_fixtures", Path(__file__).parents[1] / "terrain" / "conftest.py"
)
_fixtures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_fixtures)
bucket = _fixtures.bucket
tiles = _fixtures.made  # the name `made` is taken here


def edit(folder, old, new):
    text = (folder / "project.toml").read_text(encoding="utf-8")
    assert old in text
    (folder / "project.toml").write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The starting project at 200 m: 121.95 to 122.34 E, 42.0 to 42.22 N. A cache of the test's own."""
    monkeypatch.setenv("RADIOCOV_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("terrain.download.WAITS_S", (0.0, 0.0))
    init_project(tmp_path / "network")
    edit(tmp_path / "network", "resolution_m = 50 ", "resolution_m = 200 ")
    return tmp_path / "network"


@pytest.fixture
def stocked(bucket, tiles, tmp_path):
    """GLO-30 and WorldCover around the starting project, in small."""
    source = tmp_path / "source"
    source.mkdir()
    names = []
    for lat, lon in ((41, 121), (41, 122), (42, 121), (42, 122)):
        tile = TileName(GLO30, lat, lon)
        path = tiles.degree_tile(source / tile.file, tiles.rough, lat, lon, 120, 120, registered="glo30")
        bucket.files[f"copernicus-dem-30m/{tile.key}"] = path.read_bytes()
        names.append(tile.stem)
    bucket.files["copernicus-dem-30m/tileList.txt"] = "\r\n".join(names).encode()
    for lat, lon in ((39, 120), (42, 120)):
        tile = TileName(WORLDCOVER, lat, lon)
        codes = np.where(np.indices((300, 300))[0] // 10 % 2, 50, 10).astype(np.uint8)
        transform = rasterio.Affine(0.01, 0, lon, 0, -0.01, lat + 3)
        path = tiles.write(source / tile.file, codes, transform, nodata=0)
        bucket.files[f"esa-worldcover/{tile.key}"] = path.read_bytes()
    return bucket


# --------------------------------------------------------------------------------------------------- fetch
def test_a_new_project_fetches_its_ground_and_is_ready(radiocov, project, stocked):
    ran = radiocov("terrain", "fetch", project, "--from", stocked.url, "-q")
    assert ran.code == 0, ran.err
    assert "Copernicus GLO-30" in ran.out and "ESA WorldCover 2021" in ran.out
    assert "DLR e.V. 2010-2014" in ran.out and "CC BY 4.0" in ran.out  # the licences ask for it
    # the example's file names, which nothing was behind, now name what came
    assert 'changed: project.toml: terrain.elevation = ["terrain/glo30"]' in ran.out
    settings = load_project(project).terrain
    assert (settings.elevation, settings.landcover) == (["terrain/glo30"], ["terrain/worldcover"])
    assert "Airbus" in settings.source and "ESA WorldCover" in settings.source
    assert "write into project.toml" not in ran.out
    assert radiocov("check", project).code == 0
    again = radiocov("terrain", "fetch", project, "--from", stocked.url, "-q", "--json")
    answer = json.loads(again.out)
    assert {state for one in answer["results"] for state in one["tiles"].values()} == {"there"}
    assert answer["changed"] == [] and answer["advice"] == ""


def test_a_project_file_from_windows_keeps_its_ways(radiocov, project, stocked):
    file = project / "project.toml"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    before = file.read_bytes()
    assert radiocov("terrain", "fetch", project, "--from", stocked.url, "-q").code == 0
    after = file.read_bytes()
    assert after.startswith(b"\xef\xbb\xbf") and after.count(b"\r\n") == before.count(b"\r\n") == after.count(b"\n")
    assert b'elevation = ["terrain/glo30"]   # files' in after


def test_a_project_with_settings_of_its_own_is_left_alone_and_advised(radiocov, project, stocked):
    edit(project, "surface = true", "surface = false")
    edit(project, 'legend = "esa-worldcover"', 'legend = "radiocov"')
    before = (project / "project.toml").read_bytes()
    ran = radiocov("terrain", "fetch", project, "--from", stocked.url, "-q")
    assert ran.code == 0 and "changed:" not in ran.out
    assert (project / "project.toml").read_bytes() == before
    assert "[[terrain.sources]]" in ran.out and 'files = "terrain/glo30"' in ran.out and "surface = true" in ran.out


def test_a_dry_run_asks_nobody_and_writes_nothing(radiocov, project, stocked):
    ran = radiocov("terrain", "fetch", project, "--dry-run", "--json")
    planned = {one["product"]: one["tiles"] for one in json.loads(ran.out)}
    assert ran.code == 0 and set(planned["Copernicus GLO-30"].values()) == {"to fetch"}
    assert len(planned["Copernicus GLO-30"]) == 4 and len(planned["ESA WorldCover 2021"]) == 2
    assert stocked.requests == [] and not (project / "terrain").exists()
    assert "to fetch" in radiocov("terrain", "fetch", project, "--dry-run", "--only", "glo30").out


def test_without_a_network_it_says_what_to_do(radiocov, project, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    ran = radiocov("terrain", "fetch", project, "--from", f"http://127.0.0.1:{port}", "-q")
    assert ran.code == 3 and ran.err.count("\n") == 1
    assert "no connection" in ran.err and "0 of 4 tiles" in ran.err and "--from FOLDER" in ran.err
    assert not (project / "terrain").exists()


def test_bad_input_is_two(radiocov, project, tmp_path):
    for place, message in ((tmp_path / "nowhere", "no such folder"), ("ftp://host", "http://")):
        ran = radiocov("terrain", "fetch", project, "--from", place, "-q")
        assert ran.code == 2 and message in ran.err
    assert radiocov("terrain", "fetch", project, "--only", "srtm").code == 2


def test_progress_of_a_fetch_goes_to_stderr(radiocov, project, stocked):
    ran = radiocov("terrain", "fetch", project, "--from", stocked.url, "--json")
    json.loads(ran.out)
    assert "Copernicus GLO-30 (MB)" in ran.err


# ---------------------------------------------------------------------------------------------------- info
@pytest.fixture
def grounded(project, tiles):
    """The project with a surface model in its west over bare ground that lacks a strip, and land cover."""
    terrain = project / "terrain"
    terrain.mkdir()
    tiles.degree_tile(terrain / "bare.tif", tiles.rough, 42, 121, 240, 240)
    tiles.degree_tile(terrain / "bare2.tif", tiles.rough, 42, 122, 240, 240)
    tiles.degree_tile(terrain / "below.tif", tiles.rough, 41, 122, 240, 240)
    tiles.degree_tile(terrain / "below2.tif", tiles.rough, 41, 121, 240, 240)
    dsm = np.full((300, 100), 2500.0, np.float32)
    tiles.write(terrain / "dsm.tif", dsm, rasterio.Affine(0.001, 0, 121.9, 0, -0.001, 42.25), nodata=-9999)
    codes = np.where(np.indices((300, 500))[1] < 300, 50, 10).astype(np.uint8)
    tiles.write(terrain / "cover.tif", codes, rasterio.Affine(0.001, 0, 121.9, 0, -0.001, 42.25), nodata=0)
    lines = (project / "project.toml").read_text(encoding="utf-8").split("\n")
    replaced = "elevation =", "vertical_unit =", "surface =", "landcover ="
    lines = [line for line in lines if not line.startswith(replaced)]
    at = lines.index("[terrain]")
    lines[at + 1 : at + 1] = ['landcover = "terrain/cover.tif"']
    lines += ["[[terrain.sources]]", 'files = "terrain/dsm.tif"', 'label = "City DSM"', "surface = true",
              "[[terrain.sources]]", 'files = "terrain/b*.tif"', 'label = "Bare"', "surface = false"]  # fmt: skip
    (project / "project.toml").write_text("\n".join(lines), encoding="utf-8")
    return project


def test_info_tells_sources_shares_and_what_the_grid_loses(radiocov, grounded, tmp_path):
    ran = radiocov("terrain", "info", grounded, "-q", "-o", tmp_path / "relief.png")
    assert ran.code == 0, ran.err
    for words in ("City DSM", "surface", "Bare", "bare ground", "mixed: ", "0 pixels", "esa-worldcover.csv"):
        assert words in ran.out, words
    with pytest.warns(NotGeoreferencedWarning), rasterio.open(tmp_path / "relief.png") as picture:
        assert picture.count == 3 and picture.read().std() > 5
    rows = list(csv.DictReader(radiocov("terrain", "info", grounded, "-q", "--csv").out.splitlines()))
    assert [row["label"] for row in rows] == ["City DSM", "Bare"] and float(rows[1]["rms_m"]) > 0
    about = json.loads(radiocov("terrain", "info", grounded, "-q", "--json").out)
    first, second = about["elevation"]["sources"]
    assert first["label"] == "City DSM" and first["share"] + second["share"] == pytest.approx(1)
    assert about["clutter"]["on_surface_share"] == pytest.approx(first["share"])
    loss = {one["label"]: one for one in about["elevation"]["grid_loss"]}
    assert loss["City DSM"]["rms_m"] == pytest.approx(0, abs=1e-3)  # flat: nothing to lose
    assert 0 < loss["Bare"]["rms_m"] < loss["Bare"]["p95_m"] < loss["Bare"]["max_m"]
    assert [path.name for path in tmp_path.glob("relief*")] == ["relief.png"]


def test_info_says_what_a_computation_would_stop_at(radiocov, grounded):
    (grounded / "terrain" / "below.tif").unlink()
    (grounded / "terrain" / "below2.tif").unlink()
    edit(grounded, "margin_km = 2 ", "margin_km = 8 ")
    ran = radiocov("terrain", "info", grounded, "-q", "--json")
    assert ran.code == 0
    voids = json.loads(ran.out)["elevation"]["voids"]
    assert voids["pixels"] > 100 and voids["rule"] == "error" and "largest void" in voids["problem"]
    assert "a computation would stop" in radiocov("terrain", "info", grounded, "-q").err
    stopped = radiocov("coverage", grounded, "-q")
    assert stopped.code == 2 and "no height for" in stopped.err


def test_ground_that_lies_elsewhere_is_all_void(radiocov, grounded, tiles):
    for path in (grounded / "terrain").glob("*.tif"):
        path.unlink()
    tiles.degree_tile(grounded / "terrain" / "below.tif", tiles.rough, 10, 10, 60, 60)
    tiles.degree_tile(grounded / "terrain" / "dsm.tif", tiles.rough, 10, 10, 60, 60)
    tiles.degree_tile(grounded / "terrain" / "cover.tif", lambda lon, lat: 10, 10, 10, 60, 60, dtype=np.uint8)
    about = json.loads(radiocov("terrain", "info", grounded, "-q", "--json").out)
    assert about["elevation"]["voids"]["share"] == 1 and about["elevation"]["lowest_m"] is None
    assert about["elevation"]["grid_loss"] == []
    assert "heights" in radiocov("terrain", "info", grounded, "-q").out


def test_a_prepared_ground_is_found_again_and_repaired_when_damaged(radiocov, grounded):
    def kept():
        return {path: path.stat().st_mtime_ns for path in (grounded / GROUND_CACHE).rglob("*.npy")}

    first = radiocov("terrain", "info", grounded, "-q", "--json").out
    before = kept()
    assert radiocov("terrain", "info", grounded, "-q", "--json").out == first and kept() == before
    victim = next(path for path in before if path.name == "elevation_m.npy")
    data = bytearray(victim.read_bytes())
    data[-100] ^= 0xFF
    victim.write_bytes(data)
    assert radiocov("terrain", "info", grounded, "-q", "--json").out == first
    assert victim.read_bytes() != data


@pytest.mark.parametrize("fault", ["cut", "corrupted", "feet", "no system", "floats as land cover"])
def test_bad_ground_is_one_clear_line(radiocov, grounded, tiles, fault):
    path = grounded / "terrain" / "bare2.tif"
    if fault == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif fault == "corrupted":
        tiles.degree_tile(path, tiles.rough, 42, 122, 240, 240, compress="deflate")
        data = bytearray(path.read_bytes())
        data[len(data) // 2 : len(data) // 2 + 50] = bytes(50)
        path.write_bytes(data)
    elif fault == "feet":
        tiles.degree_tile(path, tiles.rough, 42, 122, 240, 240, unit="ft")
    elif fault == "no system":
        tiles.degree_tile(path, tiles.rough, 42, 122, 240, 240, crs=None)
    else:
        path = grounded / "terrain" / "cover.tif"
        shutil.copy(grounded / "terrain" / "bare.tif", path)
    ran = radiocov("terrain", "info", grounded, "-q")
    assert ran.code == 2 and not ran.out
    assert ran.err.count("\n") == 1 and path.name in ran.err and "Traceback" not in ran.err


def test_a_cache_that_cannot_be_written_is_three(radiocov, grounded):
    (grounded / ".radiocov").write_text("a file where the folder should be")
    ran = radiocov("terrain", "info", grounded, "-q")
    assert ran.code == 3 and ran.err.startswith("error: ")


def test_a_picture_needs_a_known_ending(radiocov, grounded):
    ran = radiocov("terrain", "info", grounded, "-o", "relief.bmp")
    assert ran.code == 2 and ".png" in ran.err and not (grounded / ".radiocov").exists()


# -------------------------------------------------------------------------------------------------- legend
def test_a_legend_to_edit_serves_the_project(radiocov, grounded):
    names = radiocov("terrain", "legend").out.split()
    assert {"corine", "globeland30", "clcd", "esa-worldcover"} <= set(names)
    table = radiocov("terrain", "legend", "esa-worldcover").out
    assert "建成区,15," in table
    (grounded / "mine.csv").write_text(table.replace("建成区,15,", "建成区,12,"), encoding="utf-8")
    edit(grounded, 'legend = "esa-worldcover"', 'legend = "mine.csv"')
    from radiocov.coverage.setup import read_ground
    from radiocov.inputs import read_inputs

    ground = read_ground(read_inputs(load_project(grounded)))
    bare = ground.elevation_source != FILLED
    assert set(np.unique(ground.clutter_height_m[bare])) == {0.0, 12.0, 15.0}
    assert radiocov("terrain", "legend", "corina").code == 2


# --------------------------------------------------------------------------------- results, help
def test_manifests_say_where_the_ground_comes_from_and_what_was_done_about_clutter(computed):
    ground = json.loads((computed / "out/2015/manifest.json").read_text(encoding="utf-8"))["provenance"]["ground"]
    (served,) = ground["elevation"]["served"]
    assert served["share"] == 1 and len(ground["elevation"]["sources"][0]["sha256"]) == 64
    assert ground["surface_rule"] == ground["clutter"]["rule"]
    assert ground["clutter"]["on_surface_share"] == (1.0 if served["surface"] else 0.0)


@pytest.mark.parametrize("command", ["fetch", "info", "legend"])
def test_help_is_light_and_gives_an_example(command):
    script = f"""
import sys
from radiocov.cli import run
code = run(["terrain", "{command}", "--help"])
heavy = {{"numpy", "numba", "rasterio", "pyproj", "scipy", "shapely", "pydantic", "rich", "filelock"}}
print(code, sorted(heavy & set(sys.modules)))
"""
    root = Path(__file__).resolve().parents[2]
    out = subprocess.run([sys.executable, "-c", script], text=True, capture_output=True, check=True,
                         env={**os.environ, "PYTHONPATH": str(root)}).stdout  # fmt: skip
    assert out.startswith(f"Usage: radiocov terrain {command} ")
    assert "Example" in out and f"radiocov terrain {command} " in out.split("Example", 1)[1]
    assert out.rstrip().endswith("0 []")
