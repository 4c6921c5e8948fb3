"""Receive antennas, electrical tilt, noise and walls in the rasters, against plain arithmetic and against paths."""

import dataclasses
import math

import numpy as np
import pytest
from scipy.stats import norm

from radiocov.antennas import parse_beam, read_pattern
from radiocov.chain import building_entry_db, cascade_db
from radiocov.coverage.results import open_state
from radiocov.coverage.run import CoverageRun
from radiocov.coverage.setup import read_ground
from radiocov.pathview import view_path

SECTOR = {"antenna": "sector.msi", "gain_dbi": 12.0, "azimuth_deg": 60.0, "tilt_deg": 3.0}
OWN = {"rx_antenna": "beam:90/20", "rx_gain_dbi": 11.0, "rx_antenna_height_m": 70.0, "rx_azimuth_deg": 200.0,
       "rx_tilt_deg": 0.0, "rx_losses_db": 2.0, "rx_diversity_db": 5.0}


def computed(made, folder, sites, *edits):
    """(results of the one state, the run's result) of a flat project with some of its settings changed."""
    made.flat_project(folder, sites)
    for old, new in edits:
        made.edit(folder / "project.toml", old, new)
    result = CoverageRun(made.inputs_of(folder), jobs=2).run()
    return open_state(folder / "out", "2017"), result


def bands(results, name):
    return [results.band(name, band) for band in (1, 2, 3)]


@pytest.fixture(scope="module")
def plain(made, tmp_path_factory):
    return computed(made, tmp_path_factory.mktemp("plain") / "p", [made.site("A", 126.0, 41.0, **SECTOR)])


def seen_from(made, folder, site, pattern, method="sum"):
    """(free-space loss, attenuation) of every pixel of the flat project from an antenna of the site."""
    inputs = made.inputs_of(folder)
    grid = read_ground(inputs).grid
    lon, lat = site.antenna_lonlat
    x0, y0 = (float(v) for v in grid.from_lonlat(lon, lat))
    row, col = np.mgrid[: grid.height, : grid.width]
    px, py = grid.centre_xy(row, col)
    north = grid.from_lonlat(lon, lat + 0.001)
    turn = math.degrees(math.atan2(north[0] - x0, north[1] - y0))
    across = np.hypot(px - x0, py - y0)
    down = site.antenna_height_m - 1.5
    loss = 20 * np.log10(4 * np.pi * np.hypot(np.maximum(across, 1.0), down) * 358e6 / 299_792_458.0)
    azimuth = np.degrees(np.arctan2(px - x0, py - y0)) - turn - site.azimuth_deg
    elevation = -np.degrees(np.arctan2(down, np.maximum(across, 0.1)))
    return loss, pattern.attenuation_db(azimuth, elevation, site.tilt_deg, method)


def test_a_receiver_of_its_own_hears_by_its_own_antenna_from_its_own_height(made, tmp_path, plain):
    site = made.site("A", 126.0, 41.0, **SECTOR, **OWN)
    results, result = computed(made, tmp_path / "own", [site])
    assert result.losses_computed == 2, "one raster for each height"
    np.testing.assert_array_equal(results.band("level_dbm.tif", 1), plain[0].band("level_dbm.tif", 1))
    talk_out, talk_in, worse = bands(results, "margin_vehicle.tif")
    np.testing.assert_array_equal(talk_out, bands(plain[0], "margin_vehicle.tif")[0])
    heard = dataclasses.replace(site, antenna_height_m=70.0, azimuth_deg=200.0, tilt_deg=0.0)
    loss, attenuation = seen_from(made, tmp_path / "own", heard, parse_beam("beam:90/20"))
    expected = 40.0 - 1.0 + 2.0 - loss - attenuation + 11.0 - 2.0 + 78.0 + 5.0
    there = ~np.isnan(talk_in)
    assert there.sum() > 100_000 and np.ptp(attenuation[there]) > 20
    assert np.abs(talk_in - expected)[there].max() < 0.02
    assert np.abs(worse - np.minimum(talk_out, talk_in))[there].max() < 0.01


def test_an_antenna_of_another_gain_at_the_same_height_needs_no_other_loss(made, tmp_path, plain):
    site = made.site("A", 126.0, 41.0, **SECTOR, rx_gain_dbi=14.5, rx_diversity_db=1.0)
    results, result = computed(made, tmp_path / "gain", [site])
    assert result.losses_computed == 1
    talk_in, before = bands(results, "margin_vehicle.tif")[1], bands(plain[0], "margin_vehicle.tif")[1]
    there = ~np.isnan(talk_in)
    assert np.abs(talk_in - before - 0.5)[there].max() < 0.01  # 2.5 dB of gain, 2 dB less of diversity


def test_an_amplifier_and_losses_by_part_in_the_rasters(made, tmp_path, plain):
    parts = {"losses_db": 6.0, "losses_summed": True, "combiner_db": 3.0, "jumpers_db": 3.0}
    site = made.site("A", 126.0, 41.0, **{**SECTOR, **parts}, tma_gain_db=15.0, tma_noise_figure_db=2.0)
    results, _ = computed(made, tmp_path / "amplifier", [site])
    talk_in, before = bands(results, "margin_vehicle.tif")[1], bands(plain[0], "margin_vehicle.tif")[1]
    gained = 3.0 + (3.0 + 5.0) - cascade_db(15.0, 2.0, 8.0)  # no combiner, and Friis over jumpers and receiver
    there = ~np.isnan(talk_in)
    assert np.abs(talk_in - before - gained)[there].max() < 0.01
    np.testing.assert_array_equal(results.band("level_dbm.tif", 1), plain[0].band("level_dbm.tif", 1))


def test_electrical_tilt_offset_and_hpi_in_the_rasters(made, tmp_path):
    site = made.site("A", 126.0, 41.0, **SECTOR, electrical_tilt_deg=8.0, offset_east_m=400.0, offset_north_m=-250.0)
    hpi = ("[model]", '[sites]\npattern_method = "hpi"\n\n[model]')
    results, _ = computed(made, tmp_path / "tilt", [site])
    other, _ = computed(made, tmp_path / "hpi", [site], hpi)
    pattern = read_pattern(tmp_path / "tilt" / "antennas" / "sector.msi").tilted(8.0)
    for found, method in ((results, "sum"), (other, "hpi")):
        level = found.band("level_dbm.tif", 1)
        loss, attenuation = seen_from(made, tmp_path / "tilt", site, pattern, method)
        there = ~np.isnan(level)
        assert np.abs(level - (47.0 - 6.0 + 12.0 - attenuation - loss))[there].max() < 0.03
    difference = results.band("level_dbm.tif", 1) - other.band("level_dbm.tif", 1)
    assert np.nanmax(np.abs(difference)) > 1.0, "the case has to tell the methods apart"


@pytest.mark.parametrize("kind", ["traditional", "thermally-efficient"])
def test_walls_in_the_rasters(made, tmp_path, plain, kind):
    indoors = ('direction = "both"', f'direction = "both"\nindoor = "{kind}"')
    results, _ = computed(made, tmp_path / "in", [made.site("A", 126.0, 41.0, **SECTOR)], indoors)
    service = made.inputs_of(tmp_path / "in").project.services[0]
    walls, spread = building_entry_db(service, 358.0)
    sigma = np.hypot(np.hypot(7.3, (0.024 * 0.358 + 0.52) * 50.0**0.28 * 0.85), spread)
    for band, (margin, outside) in enumerate(zip(
            bands(results, "margin_vehicle.tif"), bands(plain[0], "margin_vehicle.tif"), strict=True), start=1):
        there = ~np.isnan(margin)
        assert np.abs(margin - (outside - walls))[there].max() < 0.01
        chance = results.band("probability_vehicle.tif", band)
        assert np.abs(chance - norm.cdf(margin / sigma))[there].max() < 0.0005
    np.testing.assert_array_equal(results.band("level_dbm.tif", 1), plain[0].band("level_dbm.tif", 1))
    # one site: it serves where its median meets the thresholds behind the walls
    serves = np.nan_to_num(bands(results, "margin_vehicle.tif")[2], nan=-1.0)
    clear = np.abs(serves) > 0.01
    np.testing.assert_array_equal(results.band("servers_vehicle.tif", 1)[clear], (serves >= 0)[clear])


def test_noise_goes_by_the_land_cover_at_either_end(made, tmp_path):
    folder = made.small_project(tmp_path / "small", sites=4)
    made.edit(folder / "project.toml", 'name = "p1812"', 'name = "free-space"')
    made.edit(folder / "project.toml", "threshold_dbm = -111.0", "threshold_dbm = -62.0")  # a limit within reach
    quiet = CoverageRun(made.inputs_of(folder), jobs=2).run()
    before = open_state(folder / "out", "2017")
    was = {name: bands(before, name) for name in ("margin_handheld-hip.tif", "margin_vehicle.tif")}
    loud = 'threshold = "given+noise"'
    made.edit(folder / "project.toml", 'id = "handheld-hip"', f'id = "handheld-hip"\n{loud}')
    made.edit(folder / "project.toml", "[areas]", f"[base]\n{loud}\n\n[noise]\ncity = \"uhf-business\"\n\n[areas]")
    result = CoverageRun(made.inputs_of(folder), jobs=2).run()
    assert result.losses_computed == 0 and quiet.losses_computed > 0
    assert result.states_reused == 0
    found = open_state(folder / "out", "2017")
    inputs = made.inputs_of(folder)
    ground = read_ground(inputs)

    def rise(environment, own_db):
        f_am = {"city": 44.3 - 12.3 * math.log10(358), "residential": 72.5 - 27.7 * math.log10(358)}
        f_a = 10 ** (max(f_am.get(environment, 0.0), 0.0) / 10)
        return 10 * math.log10(1 + (f_a - 1) / 10 ** (own_db / 10))

    environments = [c.noise_environment for c in ground.classes]
    by_class = np.array([rise(e, 7.0) for e in environments])
    talk_out, talk_in, _ = bands(found, "margin_handheld-hip.tif")
    there = ~np.isnan(talk_out)
    lost = (was["margin_handheld-hip.tif"][0] - talk_out)[there]
    assert np.abs(lost - by_class[ground.clutter_class][there]).max() < 0.01 and np.ptp(lost) > 5
    np.testing.assert_array_equal(bands(found, "margin_vehicle.tif")[0], was["margin_vehicle.tif"][0])
    # the strongest decides whether any talk-out is enough, noise included
    worse, counted = bands(found, "margin_handheld-hip.tif")[2], found.band("servers_handheld-hip.tif", 1)
    assert (counted[worse > 0.01] > 0).all() and (counted[talk_out < -0.01] == 0).all()
    noisy = there & (by_class[ground.clutter_class] > 5) & (talk_out < -0.01) & (talk_out > -5)
    assert noisy.any(), "the case has to have places that noise alone takes away"
    best = found.band("best_server.tif", 1)
    servers = {s.id: s for s in inputs.sites}
    heard = set()
    for number, name in enumerate(found.manifest["servers"], start=1):
        here = best == number
        if not here.any():
            continue
        row, col = (round(float(v)) for v in ground.grid.rowcol(
            *ground.grid.from_lonlat(servers[name].lon, servers[name].lat)))
        environment = environments[ground.clutter_class[row, col]]
        heard.add(environment)
        lost = (was["margin_handheld-hip.tif"][1] - talk_in)[here]
        assert np.abs(lost - rise(environment, servers[name].losses_db + 5.0)).max() < 0.01, name
    assert len(heard) > 1


@pytest.mark.parametrize("settings", [(), (("threshold_dbm = -78.0", 'threshold = "computed"'),)])
def test_paths_and_rasters_agree_on_a_receiver_of_its_own(made, tmp_path, settings):
    """On level ground in free space the path to a pixel's centre has the pixel's margins."""
    site = made.site("A", 126.0, 41.0, **SECTOR, **OWN, rx_noise_figure_db=6.0, offset_north_m=300.0)
    results, _ = computed(made, tmp_path / "p", [site], *settings)
    margins = bands(results, "margin_vehicle.tif")
    inputs = made.inputs_of(tmp_path / "p")
    for row, col in ((200, 300), (250, 420), (380, 260), (300, 150)):
        lon, lat = (float(v) for v in results.grid.to_lonlat(*results.grid.centre_xy(row, col)))
        view = view_path(inputs, "A", lon, lat)
        assert [b.margin_db for b in view.budgets] == pytest.approx([margins[0][row, col], margins[1][row, col]],
                                                                    abs=0.03)
        assert view.services[0]["margin_db"] == pytest.approx(margins[2][row, col], abs=0.03)


CHANGES = {
    "rx_diversity_db": {"rx_diversity_db": 6.0}, "rx_gain_dbi": {"rx_gain_dbi": 7.0},
    "electrical_tilt_deg": {"electrical_tilt_deg": 6.0},
    "rx_antenna": {"rx_antenna": "beam:70/12", "rx_gain_dbi": 9.0},
    "tma": {"tma_gain_db": 12.0, "tma_noise_figure_db": 2.0},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_chain_computes_no_loss_and_never_shows_old_rasters(made, tmp_path, change):
    sites = [made.site("A", 126.0, 41.0, **SECTOR)]
    folder = tmp_path / "p"
    computed(made, folder, sites)
    again = CoverageRun(made.inputs_of(folder), jobs=2).run()
    assert (again.losses_computed, again.states_reused) == (0, 1)
    from radiocov.network import write_sites

    write_sites(folder / "sites.csv", [dataclasses.replace(sites[0], **CHANGES[change])])
    changed = CoverageRun(made.inputs_of(folder), jobs=2).run()
    assert (changed.losses_computed, changed.states_reused) == (0, 0)
