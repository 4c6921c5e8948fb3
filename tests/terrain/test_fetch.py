"""Tiles of the public data sets: names, cache, sea, land that is held back, mirrors; from a bucket of our own."""

import json
import os
import threading

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from terrain.download import FetchError
from terrain.elevation import read_elevation
from terrain.errors import TerrainError
from terrain.fetch import fetch, plan
from terrain.files import cache_folder
from terrain.grid import Grid
from terrain.landcover import read_landcover
from terrain.mirror import Mirror
from terrain.products import GLO30, WORLDCOVER, TileName, tiles_of
from terrain.sea_tiles import glo30_columns, write_sea
from terrain.sources import ElevationSource

EXTENT = (122.9, 40.9, 123.1, 41.1)  # four tiles of GLO-30, the corner of two of WorldCover
PATIENCE = {"waits_s": (0, 0), "sleep": lambda seconds: None}


def silent(what, done, total):
    pass


# -------------------------------------------------------------------------------------------------- names
def test_names_are_those_of_the_buckets():
    assert TileName(GLO30, 41, 123).key == (
        "Copernicus_DSM_COG_10_N41_00_E123_00_DEM/Copernicus_DSM_COG_10_N41_00_E123_00_DEM.tif"
    )
    assert TileName(GLO30, -1, -2).stem == "Copernicus_DSM_COG_10_S01_00_W002_00_DEM"
    assert TileName(WORLDCOVER, 36, 117).key == "v200/2021/map/ESA_WorldCover_10m_2021_v200_N36E117_Map.tif"


def corners(product, extent):
    return [(tile.lat, tile.lon) for tile in tiles_of(product, extent)]


def test_tiles_that_an_extent_meets():
    assert corners(GLO30, (123.2, 41.2, 123.8, 41.8)) == [(41, 123)]
    # resampling at an edge reads the pixel beyond it
    assert corners(GLO30, (123.0, 41.0, 123.8, 41.8)) == [(40, 122), (40, 123), (41, 122), (41, 123)]
    assert corners(WORLDCOVER, (118.8, 38.65, 125.85, 43.55)) == [
        (lat, lon) for lat in (36, 39, 42) for lon in (117, 120, 123)
    ]
    assert corners(GLO30, (-0.5, -0.5, 0.5, 0.5)) == [(-1, -1), (-1, 0), (0, -1), (0, 0)]
    assert corners(GLO30, (179.4, -16.6, -179.4, -16.2)) == [(-17, -180), (-17, 179)]
    assert corners(WORLDCOVER, (10, 83.2, 11, 84.5)) == [(81, 9)] and corners(WORLDCOVER, (10, -70, 11, -65)) == []


@given(west=st.floats(-180, 179.9), south=st.floats(-59, 80), width=st.floats(0.001, 7), height=st.floats(0.001, 3))
def test_every_place_of_an_extent_lies_in_a_tile(west, south, width, height):
    east = west + width
    for product in (GLO30, WORLDCOVER):
        found = corners(product, (west, south, east if east <= 180 else east - 360, south + height))
        assert len(found) == len(set(found))
        for x in (west, west + width / 2, east):
            for y in (south, south + height / 2, south + height):
                corner = tuple(int(np.floor(v / product.step_deg)) * product.step_deg for v in (y, x))
                assert (corner[0], (corner[1] + 180) % 360 - 180) in found


@pytest.mark.parametrize(
    ("lat", "columns"),
    [(0, 3600), (49, 3600), (50, 2400), (59, 2400), (60, 1800), (70, 1200), (80, 720), (85, 360), (89, 360),
     (-1, 3600), (-50, 3600), (-51, 2400), (-61, 1800), (-90, 360)],
)  # fmt: skip
def test_columns_by_latitude(lat, columns):
    assert glo30_columns(lat) == columns


def test_held_back_land_is_known():
    assert all(TileName(GLO30, *corner).held_back for corner in ((40, 44), (39, 46), (41, 49), (38, 48)))
    assert not any(TileName(GLO30, *corner).held_back for corner in ((38, 47), (37, 45), (42, 44), (41, 123)))
    assert not TileName(WORLDCOVER, 39, 45).held_back


# ------------------------------------------------------------------------------------------------ fetching
@pytest.fixture
def stocked(bucket, made, tmp_path, monkeypatch):
    """A mirror with three of four tiles of GLO-30 (the fourth is sea) and one of WorldCover; a cache of its own."""
    monkeypatch.setenv("RADIOCOV_CACHE", str(tmp_path / "cache"))
    source = tmp_path / "source"
    source.mkdir()
    for corner in ((40, 122), (40, 123), (41, 123)):
        tile = TileName(GLO30, *corner)
        path = made.degree_tile(source / tile.file, made.plane, *corner, 120, 120, registered="glo30",
                                compress="deflate", tiled=True, blockxsize=64, blockysize=64)  # fmt: skip
        bucket.files[f"copernicus-dem-30m/{tile.key}"] = path.read_bytes()
    names = "\r\n".join(path.stem for path in sorted(source.glob("*.tif"))) + "\r\n"
    bucket.files["copernicus-dem-30m/tileList.txt"] = names.encode()
    tile = TileName(WORLDCOVER, 39, 123)
    transform = rasterio.Affine(0.01, 0, 123, 0, -0.01, 42)
    made.write(source / tile.file, np.full((300, 300), 40, np.uint8), transform, compress="deflate", nodata=0)
    bucket.files[f"esa-worldcover/{tile.key}"] = (source / tile.file).read_bytes()
    return bucket


def key_of(lat, lon):
    return f"copernicus-dem-30m/{TileName(GLO30, lat, lon).key}"


def got(bucket_or_place, folder, product=GLO30, extent=EXTENT, progress=silent, **options):
    place = getattr(bucket_or_place, "url", bucket_or_place)
    tiles = list(tiles_of(product, extent))
    return fetch(product, tiles, folder, Mirror(place).checked(), cache_folder(), progress, **PATIENCE, **options)


def test_tiles_come_once_and_serve_every_project(stocked, tmp_path):
    first = got(stocked, tmp_path / "one" / "glo30")
    assert [first.count(state) for state in ("fetched", "sea", "cached", "there")] == [3, 1, 0, 0]
    assert first.bytes == sum(len(data) for key, data in stocked.files.items() if "30m" in key and ".tif" in key)
    assert sorted(path.name for path in (tmp_path / "one" / "glo30").iterdir()) == [
        "Copernicus_DSM_COG_10_N40_00_E122_00_DEM.tif", "Copernicus_DSM_COG_10_N40_00_E123_00_DEM.tif",
        "Copernicus_DSM_COG_10_N41_00_E122_00_DEM.sea.tif", "Copernicus_DSM_COG_10_N41_00_E123_00_DEM.tif",
    ]  # fmt: skip
    stocked.requests.clear()
    again = got(stocked, tmp_path / "one" / "glo30")
    assert (again.count("there"), again.count("sea")) == (3, 1) and stocked.requests == []
    other = got(stocked, tmp_path / "two" / "glo30")
    assert other.count("cached") == 3 and other.bytes == 0
    assert [key for key, *_ in stocked.requests] == ["copernicus-dem-30m/tileList.txt"]
    receipt = json.loads(next((tmp_path / "cache" / "glo30").glob("*E123*.json")).read_text())
    assert receipt["from"].startswith(stocked.url) and len(receipt["sha256"]) == 64


def test_the_ground_of_fetched_tiles_is_whole_and_the_sea_is_zero(stocked, made, tmp_path):
    got(stocked, tmp_path / "glo30")
    grid = Grid.covering(EXTENT, 500)
    heights, provenance = read_elevation([ElevationSource(tmp_path / "glo30", surface=True)], grid)
    assert provenance["voids"]["pixels"] == 0
    lon, lat = grid.to_lonlat(*grid.centre_xy(*np.indices(grid.shape).astype(float)))
    sea = (lon < 122.98) & (lat > 41.02)
    land = (lon > 123.02) | (lat < 40.98)
    assert (heights[sea] == 0).all() and np.abs(heights - made.expected(made.plane, grid))[land].max() < 0.1


def test_a_sea_tile_lies_on_the_lattice_of_the_real_ones(tmp_path):
    for lat, columns in ((41, 3600), (61, 1800)):
        write_sea(TileName(GLO30, lat, 123), tmp_path / "sea.tif")
        with rasterio.open(tmp_path / "sea.tif") as sea:
            assert sea.shape == (3600, columns) and sea.transform.a == pytest.approx(1 / columns)
            # gdalinfo of a real tile: origin half a pixel west and north of the degree
            assert sea.transform.c == pytest.approx(123 - 0.5 / columns)
            assert sea.transform.f == pytest.approx(lat + 1 + 0.5 / 3600)
            assert not sea.read(1, window=((0, 600), (0, 600))).any() and sea.tags()["RADIOCOV_SEA"]
        assert (tmp_path / "sea.tif").stat().st_size < 10_000


def test_land_cover_has_no_tiles_over_the_sea(stocked, tmp_path):
    result = got(stocked, tmp_path / "worldcover", WORLDCOVER)
    assert result.states == {"ESA_WorldCover_10m_2021_v200_N39E120_Map": "none",
                             "ESA_WorldCover_10m_2021_v200_N39E123_Map": "fetched"}  # fmt: skip
    assert "1 of 2 tiles do not exist" in result.warnings[0]
    cover = read_landcover(tmp_path / "worldcover", "esa-worldcover", Grid.covering(EXTENT, 500))
    assert 0.4 < cover.provenance["shares"]["crop"] < 0.6


def test_faults_of_the_network_are_got_over(stocked, tmp_path):
    stocked.faults[key_of(40, 122)] = ["drop", "503"]
    stocked.faults[key_of(41, 123)] = ["garble"]
    stocked.faults["copernicus-dem-30m/tileList.txt"] = ["503"]
    seen = []
    result = got(stocked, tmp_path / "glo30", progress=lambda what, done, total: seen.append((what, done, total)))
    assert result.count("fetched") == 3
    assert [status for _, status in stocked.of(key_of(40, 122))] == [200, 503, 206]
    for path in (tmp_path / "glo30").glob("*DEM.tif"):
        assert path.read_bytes() in stocked.files.values()
    assert {what for what, *_ in seen} == {"Copernicus GLO-30 (MB)", "no answer, trying again after seconds"}
    assert seen[-1][1] == seen[-1][2]


def test_what_fails_leaves_what_came_before_and_nothing_half(stocked, tmp_path):
    stocked.faults[key_of(40, 123)] = ["503"] * 9
    with pytest.raises(FetchError, match="E123.*answers 503"):
        got(stocked, tmp_path / "glo30")
    assert [path.name for path in (tmp_path / "glo30").iterdir()] == ["Copernicus_DSM_COG_10_N40_00_E122_00_DEM.tif"]
    states = plan(tiles_of(GLO30, EXTENT), tmp_path / "glo30", cache_folder())
    assert sorted(states.values()) == ["there", "to fetch", "to fetch", "to fetch"]
    del stocked.faults[key_of(40, 123)]
    assert got(stocked, tmp_path / "glo30").count("fetched") == 2


@pytest.mark.parametrize("wrong", ["cut", "corrupted", "elsewhere", "html"])
def test_a_server_that_sends_rubbish_in_good_order(stocked, made, tmp_path, wrong):
    """The length and checksum are right, the raster is not."""
    key = key_of(40, 122)
    data = stocked.files[key]
    if wrong == "cut":
        stocked.files[key] = data[: len(data) // 2]
    elif wrong == "corrupted":
        middle = len(data) * 2 // 3
        stocked.files[key] = data[:middle] + bytes(64) + data[middle + 64 :]
    elif wrong == "elsewhere":
        stocked.files[key] = stocked.files[key_of(40, 123)]
    else:
        stocked.files[key] = b"<html>Please log in</html>"
    with pytest.raises(FetchError, match="no whole raster|not where its name says"):
        got(stocked, tmp_path / "glo30")
    assert not list((tmp_path / "glo30").glob("*")) and not list((tmp_path / "cache" / "glo30").glob("*.json"))
    assert not [p for p in (tmp_path / "cache" / "glo30").iterdir() if p.suffix == ".tif"]


def test_land_that_is_held_back_is_told_and_is_no_sea(stocked, tmp_path):
    result = got(stocked, tmp_path / "glo30", extent=(44.2, 40.2, 44.8, 40.8))
    assert result.states == {"Copernicus_DSM_COG_10_N40_00_E044_00_DEM": "held back"}
    assert "Armenia" in result.warnings[0] and not (tmp_path / "glo30").exists()


def test_voids_over_held_back_land_are_never_sea(made, tmp_path):
    made.degree_tile(tmp_path / "a.tif", made.plane, 40, 42, 60, 60)
    grid = Grid.covering((42.9, 40.4, 43.1, 40.6), 500)
    with pytest.raises(TerrainError, match=r"would invent sea around 43\.\d+ E 40\.\d+ N.*Armenia"):
        read_elevation([ElevationSource(tmp_path / "a.tif")], grid, "sea")


def test_a_tile_that_exists_but_is_missing_is_no_sea(stocked, tmp_path):
    del stocked.files[key_of(40, 123)]
    with pytest.raises(FetchError, match="E123.*the mirror is incomplete"):
        got(stocked, tmp_path / "glo30")


def test_without_a_list_ground_that_goes_on_says_that_a_tile_is_missing(stocked, tmp_path):
    del stocked.files["copernicus-dem-30m/tileList.txt"]
    with pytest.raises(TerrainError, match="N41_00_E122.*no sea: ground goes on into it from .*--missing-is-sea"):
        got(stocked, tmp_path / "glo30")
    assert got(stocked, tmp_path / "glo30", missing_is_sea=True).count("sea") == 1


@pytest.mark.parametrize("edge", ["east", "south"])
def test_without_a_list_a_tile_beside_the_shore_is_sea(stocked, made, tmp_path, edge):
    """The missing tile is N41 E122; its neighbours end at the water, but for one edge in turn."""
    del stocked.files["copernicus-dem-30m/tileList.txt"]

    def island(lon, lat):
        inland = (lon > 123.1) | (lat < 40.9)
        if edge == "east":
            inland |= (lon < 123.1) & (lat > 41.5)  # land that reaches the western edge of N41 E123
        return np.where(inland, 300.0, 0.0)

    for corner in ((40, 122), (40, 123), (41, 123)):
        path = made.degree_tile(tmp_path / "t.tif", island, *corner, 120, 120, registered="glo30")
        stocked.files[key_of(*corner)] = path.read_bytes()
    if edge == "east":
        with pytest.raises(TerrainError, match="goes on into it from .*N41_00_E123"):
            got(stocked, tmp_path / "glo30")
    else:
        result = got(stocked, tmp_path / "glo30")
        assert result.count("sea") == 1 and "taken for open sea" in result.warnings[0]


def test_a_mirror_that_has_nothing_is_the_wrong_one(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("RADIOCOV_CACHE", str(tmp_path / "cache"))
    with pytest.raises(TerrainError, match="not one of 4 tiles is there; is the mirror the right one"):
        got(bucket, tmp_path / "glo30")
    assert not (tmp_path / "glo30").exists()


@pytest.mark.parametrize("layout", ["one bucket", "flat"])
def test_other_layouts_of_a_mirror(stocked, tmp_path, layout):
    for key in [key for key in stocked.files if key.startswith("copernicus-dem-30m/")]:
        data = stocked.files.pop(key)
        stocked.files[key.split("/", 1)[1] if layout == "one bucket" else key.rsplit("/", 1)[1]] = data
    result = got(stocked, tmp_path / "glo30")
    assert (result.count("fetched"), result.count("sea")) == (3, 1)
    # once a layout has answered, the others are left alone
    assert [status for *_, status in stocked.requests].count(404) <= 3


def test_a_folder_as_a_mirror(stocked, tmp_path):
    source = tmp_path / "source"
    with pytest.raises(TerrainError, match="goes on into it"):
        got(str(source), tmp_path / "glo30")
    (source / "tileList.txt").write_bytes(stocked.files["copernicus-dem-30m/tileList.txt"])
    result = got(str(source), tmp_path / "other")
    assert (result.count("sea"), stocked.requests) == (1, [])
    assert next((tmp_path / "other").glob("*N40*E122*")).read_bytes() == stocked.files[key_of(40, 122)]
    for place, message in ((str(tmp_path / "nowhere"), "no such folder"), ("ftp://host/x", "http:// or https://")):
        with pytest.raises(TerrainError, match=message):
            Mirror(place).checked()


def test_a_cache_that_was_altered_is_fetched_again(stocked, tmp_path):
    got(stocked, tmp_path / "one")
    kept = next((tmp_path / "cache" / "glo30").glob("*N40*E122*.tif"))
    assert not os.stat(kept).st_mode & 0o222  # shared by projects, so read-only
    kept.chmod(0o644)
    kept.unlink()
    kept.write_bytes(b"x" * 100)
    result = got(stocked, tmp_path / "two")
    assert (result.count("fetched"), result.count("cached")) == (1, 2)
    assert next((tmp_path / "two").glob("*N40*E122*.tif")).read_bytes() == stocked.files[key_of(40, 122)]


def test_two_runs_that_want_one_tile_fetch_it_once(stocked, tmp_path):
    extent = (122.4, 40.4, 122.6, 40.6)
    results = []
    barrier = threading.Barrier(2)

    def run(name):
        barrier.wait()
        results.append(got(stocked, tmp_path / name, extent=extent))

    threads = [threading.Thread(target=run, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stocked.of(key_of(40, 122))) == 1
    assert sorted(next(iter(result.states.values())) for result in results) == ["cached", "fetched"]


def test_the_cache_is_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.delenv("RADIOCOV_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_folder() == tmp_path / "radiocov"
    monkeypatch.setenv("RADIOCOV_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
