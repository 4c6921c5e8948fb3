"""C/(I+N) and simulcast against plain numpy: levels are those of runs of one site alone, or free space by hand."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import rasterio

from radiocov.coverage.interference import unwanted_and_delay
from radiocov.coverage.network import Antenna, Needs, Server, rank_servers
from radiocov.coverage.results import open_state
from radiocov.coverage.run import CoverageRun
from radiocov.coverage.sector import Window, loss_raster
from radiocov.network import write_sites
from radiocov.project import parse_project
from terrain.grid import Grid

LIGHT = 299_792_458.0
ON = "\n[interference]\nenabled = true\n"
PORT_DB = 2.0 - 1.0  # gain and carry loss of the vehicle
NOISE_DBM = 10 * np.log10(1.380649e-23 * 290.0 * 7600.0 * 1000.0) + 7.0  # rural: nothing beside thermal noise


def state_of(made, folder, sites=None, *, out=None):
    """Results of the one state, computed now; of some sites alone if they are given."""
    inputs = made.inputs_of(folder)
    if sites is not None:
        inputs.sites = sites
    CoverageRun(inputs, folder=out, jobs=2).run()
    return open_state(out or folder / "out", "2017")


def flat(made, tmp_path, sites, settings=ON):
    folder = made.flat_project(tmp_path / "project", sites)
    with (folder / "project.toml").open("a", encoding="utf-8") as file:
        file.write(settings)
    return folder


def levels_alone(made, folder, sites):
    """(sites, height, width) median levels of each site, NaN beyond reach."""
    found = []
    for s in sites:
        results = state_of(made, folder, [s], out=folder / "alone" / s.id)
        found.append(results.band("level_dbm.tif", 1).astype(np.float64))
        results.close()
    return np.array(found)


def milliwatt(dbm):
    return np.where(np.isnan(dbm), 0.0, 10.0 ** (0.1 * dbm))


def ci_by_hand(wanted_dbm, unwanted_mw):
    return wanted_dbm + PORT_DB - 10 * np.log10(unwanted_mw * 10 ** (0.1 * PORT_DB) + 10 ** (0.1 * NOISE_DBM))


# --- C/(I+N) over a plan ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def planned(made, tmp_path_factory):
    """Sites of every kind of antenna with several carriers each, and their levels one by one."""
    sites = [
        made.site("SEC", 125.95, 41.0, antenna="sector.msi", gain_dbi=12.0, azimuth_deg=60.0, tilt_deg=6.0,
                  channels=(361.0125, 361.5)),
        made.site("FLAT", 126.05, 41.0, gain_dbi=2.0, losses_db=3.0, antenna_height_m=25.0,
                  channels=(361.5, 362.0)),
        made.site("ROUND", 126.0, 41.06, gain_dbi=9.0, power_dbm=44.0, antenna_height_m=60.0,
                  channels=(361.01875,)),  # half a channel off
        made.site("OWN", 125.9, 40.93, gain_dbi=2.0, channels=(363.0,)),
        made.site("NEXT", 126.1, 40.95, gain_dbi=2.0, channels=(362.0125,)),  # beside a carrier of FLAT
        made.site("ALL", 126.02, 40.94, gain_dbi=2.0, power_dbm=40.0, channels=(361.0125, 361.5, 362.0)),
    ]  # fmt: skip
    folder = flat(made, tmp_path_factory.mktemp("planned"), sites)
    return folder, sites, levels_alone(made, folder, sites), state_of(made, folder)


# who is heard on each carrier of each site
RIVALS = {0: [{2, 5}, {1, 5}], 1: [{0, 5}, {5}], 2: [{0, 5}], 3: [set()], 4: [set()], 5: [{0, 2}, {0, 1}, {1}]}


def test_the_sum_of_other_sites_on_the_worst_carrier_is_unwanted(planned):
    _, sites, levels, results = planned
    best = results.band("best_server.tif", 1)
    wanted = results.band("level_dbm.tif", 1).astype(np.float64)
    found = results.band("ci_db_vehicle.tif", 1)
    np.testing.assert_array_equal(np.isnan(found), best == 0)
    power = milliwatt(levels)
    differs = 0
    for n, carriers in RIVALS.items():
        here = best == n + 1
        assert here.sum() > 3000, sites[n].id
        sums = np.array([sum((power[i] for i in there), np.zeros(best.shape)) for there in carriers])
        expected = ci_by_hand(wanted, sums.max(axis=0))
        # rounding to 0.008 dB, of the levels that the expectation is made of too
        assert np.abs(found - expected)[here].max() < 0.02, sites[n].id
        differs += len(carriers) > 1 and len(np.unique(sums.argmax(axis=0)[here])) > 1
    assert differs, "of some site each carrier has to be the worst one somewhere"
    assert found[best == 1].min() < 0.0 < 40.0 < found[best == 4].min()


def test_carriers_that_nobody_shares_leave_noise_alone(planned):
    *_, results = planned
    best, found = results.band("best_server.tif", 1), results.band("ci_db_vehicle.tif", 1)
    here = (best == 4) | (best == 5)
    level = results.band("level_dbm.tif", 1)
    assert np.abs(found - (level + PORT_DB - NOISE_DBM))[here].max() < 0.02


def test_the_manifest_counts_served_pixels_below_the_protection_ratio(planned, made, radiocov):
    folder, _, _, results = planned
    served = results.band("probability_vehicle.tif", 3) >= 0.9
    below = results.band("ci_db_vehicle.tif", 1) < 17.0
    stated = results.manifest["interference"]
    assert stated["protection_db"] == 17.0 and stated["unwanted_time_percent"] == 10.0
    counted = stated["services"]["vehicle"]
    assert counted == {"served_pixels": served.sum(), "disturbed_pixels": (served & below).sum()}
    assert 0 < counted["disturbed_pixels"] < counted["served_pixels"]
    said = radiocov("coverage", folder, "-q")
    share = 100.0 * counted["disturbed_pixels"] / counted["served_pixels"]
    assert f"vehicle: {share:.1f} % of the served pixels have less than 17 dB of C/(I+N)" in said.out
    run = json.loads(radiocov("coverage", folder, "-q", "--json").out)
    assert run["states"][0]["interference"] == stated


def test_man_made_noise_and_the_given_noise_figure_count(planned, made, tmp_path):
    folder = shutil.copytree(planned[0], tmp_path / "project", ignore=shutil.ignore_patterns("out", "alone"))
    own = "enabled = true\nnoise_figure_db = 5.0\nbandwidth_hz = 15200"
    made.edit(folder / "project.toml", "enabled = true", own)
    with (folder / "project.toml").open("a") as file:
        file.write('\n[noise]\nenvironment = "residential"\n')
    results = state_of(made, folder)
    own = results.band("best_server.tif", 1) == 4
    # P.372: F_am = 72.5 - 27.7 log f; f_a + f - 1
    factor = 10 ** (0.1 * (72.5 - 27.7 * np.log10(358.0))) + 10**0.5 - 1.0
    noise_dbm = 10 * np.log10(1.380649e-23 * 290.0 * 15200.0 * 1000.0 * factor)
    expected = results.band("level_dbm.tif", 1) + PORT_DB - noise_dbm
    assert np.abs(results.band("ci_db_vehicle.tif", 1) - expected)[own].max() < 0.02
    results.close()


def test_two_sites_far_apart_are_limited_by_noise_near_one_and_by_each_other_between(made, tmp_path):
    """In free space by hand; walls take from both, and leave noise as it is."""
    sites = [made.site(key, lon, 41.0, gain_dbi=2.0, channels=(361.0125,), power_dbm=0.0)
             for key, lon in (("A", 125.93), ("B", 126.07))]  # fmt: skip
    folder = flat(made, tmp_path, sites, ON + 'radius_km = 12\nprotection_db = 20\n')
    made.edit(folder / "project.toml", 'direction = "both"', 'direction = "talk-out"\nindoor = "traditional"')
    results = state_of(made, folder)
    grid = results.grid
    row, col = np.mgrid[: grid.height, : grid.width]
    px, py = grid.centre_xy(row, col)
    level = []
    for s in sites:
        across = np.hypot(*(a - b for a, b in zip((px, py), grid.from_lonlat(s.lon, s.lat), strict=True)))
        loss = 20 * np.log10(4 * np.pi * np.hypot(np.maximum(across, 1.0), 38.5) * 358e6 / LIGHT)
        level.append(np.where(across > 12_000.0, np.nan, 0.0 - 6.0 + 2.0 - loss))
    level = np.array(level)
    none = np.isnan(level).all(axis=0)
    strong, weak = np.nanmax(np.where(none, -999.0, level), 0), np.where(np.isnan(level), -999.0, level).min(0)
    walls = 13.9
    carrier = strong + PORT_DB - walls
    expected = carrier - 10 * np.log10(10 ** (0.1 * (weak + PORT_DB - walls)) + 10 ** (0.1 * NOISE_DBM))
    found = results.band("ci_db_vehicle.tif", 1)
    np.testing.assert_array_equal(np.isnan(found), none)
    assert np.abs(found - expected)[~none].max() < 0.05  # the walls are 13.9 dB to a decimal
    assert np.abs(found[~none] - (carrier - NOISE_DBM)[~none]).min() < 0.05, "beyond the other's reach: noise alone"
    assert results.manifest["interference"]["protection_db"] == 20.0
    results.close()


def test_unwanted_losses_are_those_of_a_small_percentage_of_time(made, fresh):
    """With P.1812; only sites that share a carrier have a raster of that kind."""
    inputs = made.inputs_of(fresh)
    plan = {"LT01": (361.0125,), "LT02": (361.0125,), "LT03": (361.5,)}
    write_sites(fresh / "sites.csv", [dataclasses.replace(s, channels=plan.get(s.id, ())) for s in inputs.sites
                                      if s.id in plan])  # fmt: skip
    with (fresh / "project.toml").open("a") as file:
        file.write(ON + "unwanted_time_percent = 5\nradius_km = 20\n")
    run = CoverageRun(made.inputs_of(fresh), jobs=2)
    result = run.run()
    notes = [json.loads(p.read_text()) for p in (fresh / ".radiocov" / "loss").glob("*.json")]
    small = {n["site"] for n in notes if n["settings"]["time_percent"] == 5.0 and n["settings"]["radius_km"] == 20.0}
    assert small == {"LT01", "LT02"} and len(notes) == 5 == result.losses_computed
    results = open_state(fresh / "out", "2017")
    one = next(s for s in run.inputs.sites if s.id == "LT01")
    transmitter, settings = run.losses.place(one)
    settings = dataclasses.replace(settings, time_percent=5.0, radius_km=20.0)
    window, loss = loss_raster(run.losses.ground, transmitter, settings)
    unwanted = np.full(results.shape, np.nan)
    unwanted[window.slices] = one.eirp_max_dbm - loss
    here = np.isfinite(unwanted) & (results.band("best_server.tif", 1) == 2)
    assert here.sum() > 200
    terminal = run.project.terminal(run.project.services[0].terminal)
    gain = terminal.antenna_gain_dbi - terminal.carry_loss_db
    classes = run.losses.ground.classes
    city = [c.noise_environment for c in classes]
    residential = np.array([e in ("residential", "city") for e in city])[run.losses.ground.clutter_class]
    clear = here & ~residential  # thermal noise alone
    assert clear.sum() > 100
    level = results.band("level_dbm.tif", 1)
    noise = 10 ** (0.1 * (NOISE_DBM - gain))
    found = results.band(f"ci_db_{run.project.services[0].id}.tif", 1)
    # the omni's vertical beam takes up to this from the unwanted level in the hills
    difference = found - (level - 10 * np.log10(10 ** (0.1 * unwanted) + noise))
    assert difference[clear].min() > -0.02 and np.median(difference[clear]) < 0.1
    results.close()


def test_without_being_asked_for_nothing_is_computed(made, tmp_path):
    sites = [made.site(key, lon, 41.0, channels=(361.0125,)) for key, lon in (("A", 125.95), ("B", 126.05))]
    folder = flat(made, tmp_path, sites, "\n[interference]\nprotection_db = 15\n")
    results = state_of(made, folder)
    assert not [name for name in results.manifest["files"] if name.startswith(("ci_", "simulcast"))]
    assert "interference" not in results.manifest and "simulcast" not in results.manifest
    results.close()


# --- simulcast -------------------------------------------------------------------------------------------------


def group(made, **given):
    """Three sites in a row, 6.7 km apart each, of which the last sends later; and one of no group."""
    common = {"gain_dbi": 2.0, "channels": (361.0125,), "antenna_height_m": 50.0, "power_dbm": 47.0}
    delays = {"W": None, "M": None, "E": 15.0, **given}
    sites = [made.site(key, lon, 41.0, simulcast="ring", launch_delay_us=delays[key], **common)
             for key, lon in (("W", 125.92), ("M", 126.0), ("E", 126.08))]  # fmt: skip
    return [*sites, made.site("ALONE", 126.0, 41.1, **common)]


def arrivals_us(grid, sites):
    px, py = grid.centre_xy(*np.mgrid[: grid.height, : grid.width])
    return np.array([
        np.hypot(px - x, py - y) / LIGHT * 1e6 + (s.launch_delay_us or 0.0)
        for s in sites for x, y in [grid.from_lonlat(s.lon, s.lat)]
    ])  # fmt: skip


def members_heard(levels, best, sites):
    """(sites, height, width): members of the best server's group other than it, at most 10 dB below."""
    grouped = np.array([bool(s.simulcast) for s in sites])
    own = np.arange(1, len(sites) + 1)[:, None, None] == best
    strongest = np.nanmax(np.where(np.isnan(levels), -999.0, levels), axis=0)
    return grouped[:, None, None] & np.append(False, grouped)[best] & ~own & (levels >= strongest - 10.0)


@pytest.fixture(scope="module")
def simulcast(made, tmp_path_factory):
    sites = group(made)
    folder = flat(made, tmp_path_factory.mktemp("simulcast"), sites)
    return folder, sites, levels_alone(made, folder, sites), state_of(made, folder)


def test_the_spread_is_that_of_the_members_that_are_not_captured(simulcast):
    _, sites, levels, results = simulcast
    best = results.band("best_server.tif", 1)
    arrival = arrivals_us(results.grid, sites)
    apart = np.abs(arrival - np.take_along_axis(arrival, np.maximum(best.astype(int) - 1, 0)[None], 0))
    heard = members_heard(levels, best, sites)
    expected = np.where(heard, apart, 0.0).max(axis=0)
    found = results.band("simulcast_delay_us.tif", 1)
    grouped = (best > 0) & (best < 4)
    np.testing.assert_array_equal(np.isnan(found), ~grouped)
    # levels of runs alone are rounded to 0.008 dB: at the edge of capture the hand may be wrong
    edge = (np.abs(levels - np.nanmax(np.where(np.isnan(levels), -999.0, levels), 0) + 10.0) < 0.02).any(axis=0)
    clear = grouped & ~edge
    assert clear.sum() > 0.9 * grouped.sum()
    assert np.abs(found - expected)[clear].max() < 0.01
    assert (found[clear] == 0.0).mean() > 0.01 and (found[clear] > 26.0).any()


def test_halfway_between_two_sites_the_spread_is_what_arithmetic_says(simulcast):
    """Sites are 6.73 km or 22.4 us apart. Halfway between M and E, W is 9.5 dB weaker and comes 22.4 us after M; E
    comes 15 us after M, and 7.4 us before W."""
    _, _, _, results = simulcast
    x, y = results.grid.from_lonlat(126.04, 41.0)
    row, col = (round(float(v)) for v in results.grid.rowcol(x, y))
    best = results.band("best_server.tif", 1)[row, col]
    assert results.band("simulcast_delay_us.tif", 1)[row, col] == pytest.approx({2: 22.4, 3: 15.0}[best], abs=0.4)


def test_members_are_unwanted_where_they_come_late_and_are_not_captured(simulcast):
    _, sites, levels, results = simulcast
    best = results.band("best_server.tif", 1)
    arrival = arrivals_us(results.grid, sites)
    apart = np.abs(arrival - np.take_along_axis(arrival, np.maximum(best.astype(int) - 1, 0)[None], 0))
    power = milliwatt(levels)
    heard = members_heard(levels, best, sites)
    of_group = (best > 0) & (best < 4)
    late = np.where(heard & (apart > 26.0), power, 0.0).sum(axis=0)
    unwanted = np.where(of_group, late + power[3], power[:3].sum(axis=0))
    expected = ci_by_hand(results.band("level_dbm.tif", 1).astype(float), unwanted)
    edge = (np.abs(levels - np.nanmax(np.where(np.isnan(levels), -999.0, levels), 0) + 10.0) < 0.02).any(axis=0)
    clear = (best > 0) & ~edge & ~(np.abs(apart - 26.0) < 0.01).any(axis=0)
    found = results.band("ci_db_vehicle.tif", 1)
    assert (late > 0)[clear].sum() > 100 and (of_group & (late == 0))[clear].sum() > 1000
    assert np.abs(found - expected)[clear].max() < 0.03


def test_the_share_beyond_the_limit_is_counted_and_said(simulcast, radiocov):
    folder, _, _, results = simulcast
    served = results.band("probability_vehicle.tif", 3) >= 0.9
    delay = results.band("simulcast_delay_us.tif", 1)
    counted = results.manifest["simulcast"]["services"]["vehicle"]
    assert counted["served_pixels"] == (served & ~np.isnan(delay)).sum() < served.sum()
    assert counted["disturbed_pixels"] == (served & (delay > 26.0)).sum() > 0
    share = 100.0 * counted["disturbed_pixels"] / counted["served_pixels"]
    assert f"vehicle: {share:.1f} % of the pixels served by simulcast are beyond 26 us" in radiocov(
        "coverage", folder, "-q"
    ).out


def test_a_group_has_its_raster_where_interference_is_not_asked_for(made, tmp_path, simulcast):
    folder = flat(made, tmp_path, group(made), "\n[simulcast]\ncapture_db = 0\n")
    results = state_of(made, folder)
    assert "simulcast_delay_us.tif" in results.manifest["files"] and "interference" not in results.manifest
    found = results.band("simulcast_delay_us.tif", 1)
    assert (found[np.isfinite(found)] == 0.0).mean() > 0.99, "only equals are not captured at 0 dB"
    with rasterio.open(folder / "out" / "2017" / "simulcast_delay_us.tif") as dataset:
        assert dataset.units == ("us",)
        assert json.loads(dataset.tags()["RADIOCOV_SIMULCAST"]) == {"capture_db": 0.0, "limit_us": 26.0}
    results.close()


# --- the same whatever the tiles, and after a change ----------------------------------------------------------------

GRID = Grid("EPSG:32651", 500_000.0, 4_540_000.0, 1000.0, 40, 30)


@pytest.mark.parametrize("seed", range(4))
def test_tiles_of_any_size_give_the_same_bits(made, tmp_path, seed):
    random = np.random.default_rng(seed)
    carriers = (361.0125, 361.025, 361.5, 362.0)
    servers = []
    for n in range(9):
        top, left = int(random.integers(0, 15)), int(random.integers(0, 20))
        window = Window(top, left, int(random.integers(8, 31 - top)), int(random.integers(8, 41 - left)))
        loss = random.uniform(100.0, 118.0, (window.height, window.width)).astype(np.float32)
        loss[random.random(loss.shape) < 0.1] = np.nan
        channels = tuple(random.choice(carriers, int(random.integers(1, 4)), replace=False))
        kind = random.choice(["", "one", "two"])
        place = made.site(f"S{n}", 123.0, 41.0, channels=channels, simulcast=str(kind))
        x, y = GRID.centre_xy(top + 3, left + 3)
        cuts = made.sector_pattern() if n % 2 else (np.zeros(360), np.zeros(360))
        antenna = Antenna(140.0, 40.0 * n, 0.0, *cuts, made.Loss(window, loss))
        unwanted = dataclasses.replace(antenna, loss=made.Loss(window, loss - random.uniform(0, 6, loss.shape)))
        servers.append(Server(place, x, y, antenna, unwanted=unwanted))
    folder = flat(made, tmp_path, [made.site("A", 126.0, 41.0)])
    project = made.inputs_of(folder).project
    ground, classes = np.zeros(GRID.shape, np.float32), np.zeros(GRID.shape, np.uint8)
    needs = Needs(np.empty((0, 2)), np.empty((0, 1), np.float32))
    found = []
    for side in (40, 16, 7):
        power, delay = np.full(GRID.shape, -1.0), np.full(GRID.shape, -1.0)
        for top in range(0, GRID.height, side):
            for left in range(0, GRID.width, side):
                tile = Window(top, left, min(side, GRID.height - top), min(side, GRID.width - left))
                ranked = rank_servers(GRID, servers, ground, classes, tile, 1.5, needs)
                power[tile.slices], delay[tile.slices] = unwanted_and_delay(
                    project, GRID, servers, ground, tile, 1.5, ranked.level_dbm[0], ranked.server[0]
                )
        found.append((power.tobytes(), delay.tobytes()))
    assert (power > 0).mean() > 0.1 and (np.nan_to_num(delay) > 0).any() and not (delay < 0).any()
    assert found[0] == found[1] == found[2]


CHANGES = {
    "a power": lambda sites: dataclasses.replace(sites["ALONE"], power_dbm=41.0),
    "a carrier": lambda sites: dataclasses.replace(sites["ALONE"], channels=(362.5,)),
    "a launch delay": lambda sites: dataclasses.replace(sites["E"], launch_delay_us=3.0),
    "a group": lambda sites: dataclasses.replace(sites["W"], simulcast=""),
}


@pytest.fixture(scope="module")
def disturbing_far(made, tmp_path_factory):
    """Sites that serve to 12 km, and disturb to 24 km."""
    folder = flat(made, tmp_path_factory.mktemp("far"), group(made), ON + "radius_km = 24\n")
    state_of(made, folder).close()
    return folder


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("far", [False, True])
def test_after_a_change_the_rasters_are_those_of_a_fresh_run(made, simulcast, disturbing_far, tmp_path, change, far):
    original = disturbing_far if far else simulcast[0]
    folder = shutil.copytree(original, tmp_path / "project", ignore=shutil.ignore_patterns("alone"))
    sites = {s.id: s for s in group(made)}
    changed = CHANGES[change](sites)
    write_sites(folder / "sites.csv", (sites | {changed.id: changed}).values())
    before = made.digests(folder / "out", "**/*.tif")
    seen = []
    CoverageRun(made.inputs_of(folder), progress=lambda *step: seen.append(step)).run()
    if changed.id == "ALONE" and not far:
        assert max(total for what, _, total in seen if what.startswith("combining")) == 2, "of four tiles"
    after = made.digests(folder / "out", "**/*.tif")
    assert after["2017/ci_db_vehicle.tif"] != before["2017/ci_db_vehicle.tif"]
    anew = shutil.copytree(folder, tmp_path / "anew", ignore=shutil.ignore_patterns("out"))
    state_of(made, anew).close()
    assert after == made.digests(anew / "out", "**/*.tif")
    manifests = [json.loads((f / "out" / "2017" / "manifest.json").read_text()) for f in (folder, anew)]
    for manifest in manifests:
        del manifest["computed"]
    assert manifests[0] == manifests[1]


def test_rasters_that_are_no_longer_asked_for_do_not_stay_behind(made, simulcast, tmp_path):
    folder = shutil.copytree(simulcast[0], tmp_path / "project", ignore=shutil.ignore_patterns("alone"))
    made.edit(folder / "project.toml", "enabled = true", "enabled = false")
    write_sites(folder / "sites.csv", [dataclasses.replace(s, simulcast="") for s in group(made)])
    state_of(made, folder).close()
    there = {path.name for path in (folder / "out" / "2017").glob("*.tif")}
    assert len(there) == 8 and not there & {"ci_db_vehicle.tif", "simulcast_delay_us.tif"}


# --- settings that do not fit ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("enabled = 1", "enabled: 1 is not accepted; give true or false"),
        ("enabled = true\nunwanted_time_percent = 60", "60 is not accepted; give a number from 1 to 50 %"),
        ("enabled = true\nradius_km = 5", "5 km is less than the radius of the model, 12 km"),
        ("enabled = true\nprotection = 17", 'unknown key "protection"; did you mean "protection_db"?'),
        ("enabled = true\nnoise_figure_db = -1", "-1 is not accepted; give a number from 0 to 30 dB"),
    ],
)
def test_a_bad_setting_is_one_clear_line(made, tmp_path, settings, said):
    folder = flat(made, tmp_path, [made.site("A", 126.0, 41.0)], f"\n[interference]\n{settings}\n")
    _, problems = parse_project((folder / "project.toml").read_bytes(), folder / "project.toml")
    [error] = [str(p) for p in problems if p.is_error]
    assert said in error and "interference." in error


def test_frequencies_of_wanted_levels_and_noise_are_looked_at(made, tmp_path):
    folder = flat(made, tmp_path, [made.site("A", 126.0, 41.0)])
    made.edit(folder / "project.toml", "radius_km = 12", "radius_km = 12\ntime_percent = 10")
    made.edit(folder / "project.toml", "frequency_mhz = 358", "frequency_mhz = 1500")
    _, problems = parse_project((folder / "project.toml").read_bytes(), folder / "project.toml")
    said = "\n".join(map(str, problems))
    assert "wanted levels are those of 10 % of time" in said
    assert "P.372 has no man-made noise of this kind at 1500 MHz" in said and "enabled = false" in said
