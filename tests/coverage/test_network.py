"""From losses to the network's rasters, against plain arithmetic; and the rasters as files."""

import dataclasses
import datetime as dt
import json
import re
import shutil

import numpy as np
import pyproj
import pytest
import rasterio
from scipy.stats import norm

from radiocov.antennas import omni_beamwidth_deg, omni_pattern
from radiocov.coverage.network import Antenna, Needs, Server, rank_servers
from radiocov.coverage.results import open_state
from radiocov.coverage.run import CoverageRun
from radiocov.coverage.sector import Window
from radiocov.files import file_digest
from terrain.grid import Grid

# --- the combination alone ----------------------------------------------------------------------------------


def server(made, key, row, col, window, loss, **given):
    cut = np.zeros(360)
    place = made.site(key, 123.0, 41.0, **given)
    x, y = GRID.centre_xy(row, col)
    return Server(place, x, y, Antenna(140.0, 0.0, place.tilt_deg, cut, cut, made.Loss(window, loss)))


GRID = Grid("EPSG:32651", 500_000.0, 4_540_000.0, 100.0, 40, 30)


LIMITS = np.array([[-54.5, -np.inf], [-np.inf, -101.5], [-52.5, -100.5], [-np.inf, -np.inf]])
NOISE = np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 1.0], [0.0, 9.0]], np.float32)  # by clutter class
CLASSES = np.indices(GRID.shape)[1].astype(np.uint8) % 2


def with_antenna(s, **changed):
    return dataclasses.replace(s, transmit=dataclasses.replace(s.transmit, **changed))


def rank(servers, ground, tile, limits=LIMITS[:0], noise=NOISE[:0]):
    return rank_servers(GRID, servers, ground, CLASSES, tile, 1.5, Needs(limits, noise), strongest=3)


def plain_ranking(servers, shape):
    """By numpy: levels, numbers and ways back from the strongest, of equals the first; servers that meet LIMITS."""
    levels = np.full((len(servers), *shape), np.nan, np.float32)
    back = np.full_like(levels, np.nan)
    for i, s in enumerate(servers):
        loss = s.transmit.loss
        levels[i][loss.window.slices] = np.float64(s.site.eirp_max_dbm) - loss.loss_db
        back[i][loss.window.slices] = np.float64(s.site.gain_dbi - s.site.losses_db) - loss.loss_db
    order = np.argsort(np.where(np.isnan(levels), np.inf, -levels), axis=0, kind="stable")
    ranked = np.take_along_axis(levels, order, 0)
    count = [
        ((levels >= out + noise[CLASSES]) & (back >= way)).sum(axis=0)
        for (out, way), noise in zip(LIMITS, NOISE, strict=True)
    ]
    return ranked, np.where(np.isnan(ranked), 0, order + 1), np.take_along_axis(back, order, 0), np.array(count)


@pytest.mark.parametrize("seed", range(5))
def test_servers_are_ranked_and_counted_whatever_the_tile(made, seed):
    """Losses in whole dB make many ties; windows stick out of tiles, gaps lie between."""
    random = np.random.default_rng(seed)
    servers = []
    for key in "ABCDE":
        top, left = int(random.integers(0, 15)), int(random.integers(0, 20))
        window = Window(top, left, int(random.integers(5, 31 - top)), int(random.integers(5, 41 - left)))
        loss = random.integers(100, 106, (window.height, window.width)).astype(np.float32)
        loss[random.random(loss.shape) < 0.2] = np.nan
        servers.append(server(made, key, 10, 10, window, loss, power_dbm=float(random.integers(46, 49))))
    level, number, back, count = plain_ranking(servers, GRID.shape)
    assert (number[0] == 0).any() and len(np.unique(number[0])) >= 4
    assert all(0 < c.mean() < 4 for c in count)
    ground = np.zeros(GRID.shape, np.float32)
    for side in (40, 16, 7):
        for top in range(0, GRID.height, side):
            for left in range(0, GRID.width, side):
                tile = Window(top, left, min(side, GRID.height - top), min(side, GRID.width - left))
                found = rank(servers, ground, tile, limits=LIMITS, noise=NOISE)
                here = (slice(0, 3), *tile.slices)
                np.testing.assert_array_equal(found.server, number[here])
                np.testing.assert_array_equal(found.level_dbm, level[here])
                np.testing.assert_array_equal(found.talk_in_db, back[here])
                np.testing.assert_array_equal(found.count, count[:, *tile.slices])


def test_a_stronger_site_turned_away_loses_to_a_weaker_one(made):
    """The quick test by the maximum must not let the attenuation of a pattern be forgotten."""
    whole = Window(0, 0, *GRID.shape)
    loss = np.full(GRID.shape, 110.0, np.float32)
    away = np.where(np.arange(360) < 180, 0.0, 30.0)  # 30 dB less to the west
    turned = with_antenna(server(made, "A", 15, 20, whole, loss, power_dbm=50.0), horizontal_db=away)
    weak = server(made, "B", 15, 20, whole, loss, power_dbm=40.0)
    ground = np.full(GRID.shape, 138.5, np.float32)  # level with the antenna
    for servers, numbers in (([turned, weak], (1, 2)), ([weak, turned], (2, 1))):
        found = rank(servers, ground, whole)
        best, level = found.server[0], found.level_dbm[0]
        assert (best[:, 22:] == numbers[0]).all() and (best[:, :19] == numbers[1]).all()
        assert level[3, 30] == 50.0 - 6.0 + 9.0 - 110.0 and level[3, 3] == 40.0 - 6.0 + 9.0 - 110.0


def test_equal_sectors_leave_the_pixel_to_the_first(made):
    """Where a pattern takes something away, the second is no stronger than the first either."""
    random = np.random.default_rng(4)
    whole = Window(0, 0, *GRID.shape)
    loss = random.uniform(100, 120, GRID.shape).astype(np.float32)
    one = server(made, "A", 15, 20, whole, loss, tilt_deg=5.0)
    horizontal, vertical = made.sector_pattern()
    one = with_antenna(one, horizontal_db=horizontal, vertical_db=vertical)
    twins = [one, dataclasses.replace(one)]
    found = rank(twins, np.zeros(GRID.shape, np.float32), whole)
    assert (found.server[0] == 1).all() and (found.server[1] == 2).all() and (found.server[2] == 0).all()


# --- a whole run on level ground in free space ----------------------------------------------------------------


@pytest.fixture(scope="module")
def sites(made):
    return [
        made.site("SEC", 125.95, 41.0, antenna="sector.msi", gain_dbi=12.0, azimuth_deg=60.0, tilt_deg=6.0),
        made.site("LOW", 126.05, 41.0, gain_dbi=2.0, losses_db=3.0, antenna_height_m=25.0),
        made.site("TWIN", 126.05, 41.0, gain_dbi=2.0, losses_db=3.0, antenna_height_m=25.0),
        made.site("HIGH", 126.0, 41.06, gain_dbi=9.0, power_dbm=44.0, antenna_height_m=60.0),
        made.site("CAND", 126.0, 41.0, power_dbm=60.0, status="candidate"),
        made.site("NEXT", 126.0, 41.0, power_dbm=60.0, in_service=dt.date(2018, 1, 1)),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def flat(made, sites, tmp_path_factory):
    """The project's folder and the results of its one state."""
    folder = made.flat_project(tmp_path_factory.mktemp("flat") / "project", sites)
    CoverageRun(made.inputs_of(folder), jobs=2).run()
    results = open_state(folder / "out", "2017")
    yield folder, results
    results.close()


@pytest.fixture(scope="module")
def expected(made, sites, flat):
    """Level and way back of every server, by geodesy, vectors and P.525: ((n, h, w), (n, h, w)), NaN beyond reach."""
    grid = flat[1].grid
    plane = pyproj.Transformer.from_crs("EPSG:4326", grid.crs, always_xy=True)
    globe = pyproj.Geod(ellps="WGS84")
    row, col = np.mgrid[: grid.height, : grid.width]
    px = grid.x_min + (col + 0.5) * grid.resolution_m
    py = grid.y_max - (row + 0.5) * grid.resolution_m
    lon, lat = plane.transform(px, py, direction="INVERSE")
    levels, back = [], []
    for s in sites[:4]:
        x, y = plane.transform(s.lon, s.lat)
        across = np.hypot(px - x, py - y)
        down = s.antenna_height_m - 1.5
        loss = 20 * np.log10(4 * np.pi * np.hypot(np.maximum(across, 1.0), down) * 358e6 / 299_792_458.0)
        azimuth = np.radians(globe.inv(np.full_like(px, s.lon), np.full_like(px, s.lat), lon, lat)[0])
        elevation = np.arctan2(-down, np.maximum(across, 0.1))
        if s.antenna:
            horizontal, vertical = made.sector_pattern()
        elif s.gain_dbi > 3.0:
            horizontal, vertical = omni_pattern(s.gain_dbi, omni_beamwidth_deg(s.gain_dbi)).arrays
        else:
            horizontal = vertical = np.zeros(360)
        # the direction in the antenna's own axes: its boresight, its right, its up
        direction = np.stack(
            [np.cos(elevation) * np.sin(azimuth), np.cos(elevation) * np.cos(azimuth), np.sin(elevation)], -1
        )
        a, t = np.radians(s.azimuth_deg), np.radians(s.tilt_deg)
        ahead = np.array([np.sin(a) * np.cos(t), np.cos(a) * np.cos(t), -np.sin(t)])
        right = np.array([np.cos(a), -np.sin(a), 0.0])
        up = np.cross(right, ahead)
        assert up[2] > 0
        seen = np.degrees(np.arctan2(direction @ right, direction @ ahead)) % 360.0
        below = -np.degrees(np.arcsin(np.clip(direction @ up, -1, 1))) % 360.0
        around = np.arange(361)
        attenuation = np.interp(seen, around, np.append(horizontal, horizontal[0]))
        attenuation += np.interp(below, around, np.append(vertical, vertical[0]))
        beyond = across > 12_000.0
        levels.append(np.where(beyond, np.nan, s.power_dbm - s.losses_db + s.gain_dbi - attenuation - loss))
        back.append(np.where(beyond, np.nan, s.gain_dbi - s.losses_db - attenuation - loss))
    return np.array(levels), np.array(back)


def best_of(levels):
    none = np.isnan(levels).all(axis=0)
    return none, np.argmax(np.where(np.isnan(levels), -np.inf, levels), axis=0)


def test_grid_north_is_not_true_north_here(flat):
    grid = flat[1].grid
    x0, y0 = grid.from_lonlat(126.0, 41.0)
    x1, y1 = grid.from_lonlat(126.0, 41.01)
    assert np.degrees(np.arctan2(x1 - x0, y1 - y0)) < -1.9


def test_levels_and_servers_are_those_of_plain_arithmetic(flat, expected):
    _, results = flat
    levels, _ = expected
    none, best = best_of(levels)
    level, number = results.band("level_dbm.tif", 1), results.band("best_server.tif", 1)
    assert 0.02 < none.mean() < 0.5
    np.testing.assert_array_equal(np.isnan(level), none)
    np.testing.assert_array_equal(number == 0, none)
    # 0.0005 dB of the store, 0.004 dB of the raster, and a geodesic is no straight line of the plane
    filled = np.where(np.isnan(levels), -np.inf, levels)
    assert np.abs(level - filled.max(axis=0))[~none].max() < 0.02
    # of the twins, which are equal everywhere, the first counts
    second, first = np.sort(np.delete(filled, 2, axis=0), axis=0)[-2:]
    clear = ~none & (first - np.where(np.isfinite(second), second, -999.0) > 0.04)
    assert clear.mean() > 0.5
    np.testing.assert_array_equal(number[clear], best[clear] + 1)
    assert set(np.unique(number)) == {0, 1, 2, 4}


def test_the_direction_of_true_north_shows_in_the_levels(flat, expected):
    """The sector's flank falls by up to 0.5 dB a degree: counted from the grid's north, levels would be off."""
    _, results = flat
    levels, _ = expected
    none, best = best_of(levels)
    level = results.band("level_dbm.tif", 1)
    sector = ~none & (best == 0)
    assert sector.sum() > 10_000
    assert np.abs(level[sector] - levels[0][sector]).max() < 0.02


def test_margins_and_probabilities_follow_the_link_formulas(flat, expected):
    _, results = flat
    levels, back = expected
    none, best = best_of(levels)
    out = np.take_along_axis(levels, best[None], 0)[0] + 2.0 - 1.0 + 70.0
    in_ = np.take_along_axis(back, best[None], 0)[0] + 40.0 - 1.0 + 2.0 - (-78.0 - 3.0)
    sigma = np.hypot(7.3, (0.024 * 0.358 + 0.52) * 50.0**0.28 * (1.0 - 1.5 / 10.0))
    number = results.band("best_server.tif", 1)
    same = ~none & (number == best + 1)
    for band, margin in enumerate((out, in_, np.minimum(out, in_)), start=1):
        found = results.band("margin_vehicle.tif", band)
        np.testing.assert_array_equal(np.isnan(found), none)
        assert np.abs(found - margin)[same].max() < 0.02
        chance = results.band("probability_vehicle.tif", band)
        np.testing.assert_array_equal(np.isnan(chance), none)
        assert np.abs(chance - norm.cdf(margin / sigma))[same].max() < 0.002
        assert chance[~none].min() >= 0.0 and chance[~none].max() <= 1.0
        # and very nearly so from the margins as they are written
        assert np.abs(chance - norm.cdf(found / sigma))[~none].max() < 0.0004
        assert np.ptp(chance[~none]) > 0.5, "the case has to have both good and bad places"


# --- the files ------------------------------------------------------------------------------------------------

KINDS = {
    "level_dbm.tif": ("float32", -9999.0, ["best-server median level, isotropic antenna"], "dBm"),
    "best_server.tif": ("uint16", 0.0, ["best server"], "number"),
    "second_level_dbm.tif": ("float32", -9999.0, ["second server's median level, isotropic antenna"], "dBm"),
    "second_server.tif": ("uint16", 0.0, ["second server"], "number"),
    "probability_any_vehicle.tif": ("float32", -9999.0, ["any server, both"], "1"),
    "servers_vehicle.tif": ("uint16", 0.0, ["servers that serve, both"], "number"),
    "margin_vehicle.tif": ("float32", -9999.0, ["talk_out", "talk_in", "both"], "dB"),
    "probability_vehicle.tif": ("float32", -9999.0, ["talk_out", "talk_in", "both"], "1"),
}


@pytest.mark.parametrize("name", KINDS)
def test_rasters_are_cloud_optimized_and_say_what_they_are(flat, name):
    folder, results = flat
    dtype, nodata, bands, unit = KINDS[name]
    path = folder / "out" / "2017" / name
    with rasterio.open(path) as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.block_shapes == [(512, 512)] * len(bands)
        assert dataset.shape == results.grid.shape and max(dataset.shape) > 512
        assert all(dataset.overviews(band) == [2] for band in dataset.indexes)
        assert set(dataset.dtypes) == {dtype} and dataset.nodata == nodata
        assert list(dataset.descriptions) == bands and set(dataset.units) == {unit}
        assert dataset.crs == rasterio.crs.CRS.from_string("EPSG:32651")
        assert dataset.transform == results.grid.transform
        tags = dataset.tags()
        assert tags["RADIOCOV_SYNTHETIC"] == "no"
        assert (tags["RADIOCOV_STATE"], tags["RADIOCOV_DATE"]) == ("2017", "2017-12-31")
        made_from = json.loads(tags["RADIOCOV_PROVENANCE"])
        assert made_from["model_version"].startswith("ITU-R P.525") and made_from["resolution_m"] == 50.0
        assert made_from["ground"]["elevation"]["sources"][0]["sha256"]
        if name == "best_server.tif":
            assert json.loads(tags["RADIOCOV_SERVERS"]) == {"1": "SEC", "2": "LOW", "3": "TWIN", "4": "HIGH"}
        if "vehicle" in name:
            assert json.loads(tags["RADIOCOV_SERVICE"])["direction"] == "both"
        # overviews are nearest pixels: none has a value that the full raster lacks
        small = dataset.read(1, out_shape=tuple(-(-n // 2) for n in dataset.shape))
        full = dataset.read(1)
    assert np.isin(small[:: 7 if dtype == "float32" else 1], full).mean() > (0.999 if dtype == "uint16" else 0.3)
    if dtype == "float32":
        gaps = full < -1000
        assert gaps.any() and (full[gaps] == -9999.0).all(), "compression must not touch nodata"
    head = path.read_bytes()[:500]
    size = int(re.search(rb"GDAL_STRUCTURAL_METADATA_SIZE=(\d+) bytes", head[:60]).group(1))
    assert size < 500 and b"LAYOUT=IFDS_BEFORE_DATA" in head


def test_manifests_list_what_is_there_and_what_it_was_made_from(flat, sites):
    folder, results = flat
    out = folder / "out"
    state = json.loads((out / "2017" / "manifest.json").read_text())
    assert set(state["files"]) == set(KINDS) == {p.name for p in (out / "2017").glob("*.tif")}
    for name, about in state["files"].items():
        assert about["sha256"] == file_digest(out / "2017" / name)
        dtype, nodata, bands, unit = KINDS[name]
        assert (about["dtype"], about["nodata"]) == (dtype, nodata)
        assert about["bands"] == [{"description": band, "unit": unit} for band in bands]
    assert state["servers"] == ["SEC", "LOW", "TWIN", "HIGH"]
    assert state["date"] == "2017-12-31" and state["grid"] == results.grid.to_dict()
    # one raster for the twins, which stand at one place
    assert state["losses"]["LOW"] == state["losses"]["TWIN"]
    kept = {p.stem for p in (folder / ".radiocov" / "loss").glob("*.tif")}
    assert set(state["losses"].values()) == kept and len(kept) == 3
    [service] = state["services"]
    assert (service["id"], service["direction"], service["probability"]) == ("vehicle", "both", 0.9)
    made_from = state["provenance"]
    assert made_from["model"] == "free-space" and made_from["calibration"] is None and not made_from["synthetic"]
    run = json.loads((out / "manifest.json").read_text())
    assert run["project"] == "Flat test network"
    [listed] = run["states"]
    assert listed["files"] == {f"2017/{name}": about for name, about in state["files"].items()}


def test_made_up_ground_is_labelled_wherever_it_goes(small_computed):
    folder = small_computed / "out"
    for state in ("2015", "2017"):
        rasters = sorted((folder / state).glob("*.tif"))
        assert len(rasters) == 12
        for path in rasters:
            with rasterio.open(path) as dataset:
                assert dataset.tags()["RADIOCOV_SYNTHETIC"] == "yes"
        assert json.loads((folder / state / "manifest.json").read_text())["provenance"]["synthetic"] is True


# --- the number of threads --------------------------------------------------------------------------------------


def test_results_do_not_depend_on_the_number_of_threads(made, small_inputs, tmp_path):
    found = []
    for jobs in (1, 2, 4):
        folder = shutil.copytree(small_inputs, tmp_path / str(jobs))
        result = CoverageRun(made.inputs_of(folder), jobs=jobs).run()
        assert result.losses_computed == len(made.SITES)
        kept = made.digests(folder) | made.digests(folder / ".radiocov", "**/*")
        # a lock is named after the folder that it is for
        found.append({name: digest for name, digest in kept.items() if not name.endswith(".lock")})
    assert found[0] == found[1] == found[2]
    # terrain; rasters; losses by both listings; the prepared ground
    assert len(found[0]) == 2 + 2 * 12 + 3 * len(made.SITES) + 6
