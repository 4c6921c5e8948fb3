"""A calibration in the rasters: what it adds to each level, how sure it is of it, and what has to be made anew."""

import dataclasses
import json
import math
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import norm

from radiocov.calibration.files import model_facts, write_calibration
from radiocov.calibration.kriging import Kriging
from radiocov.calibration.model import Calibration, Effect, Field, Residuals
from radiocov.compliance import error_model
from radiocov.coverage import cog
from radiocov.coverage.calibrated import MapCalibration
from radiocov.coverage.pieces import pieces_of
from radiocov.coverage.results import open_state
from radiocov.coverage.run import CoverageRun
from radiocov.coverage.sector import Window
from radiocov.coverage.setup import read_ground

STORED_DB = 0.0125  # of differences of levels, each of which compression may change by 0.004
FIELD = Field(common_db=4.0, own_db=4.0, nugget_db=1.0, range_m=1500.0)


def effect(value, sd=0.0, cells=100):
    return Effect(value, sd, cells)


def calibration_for(inputs, *, offset=0.0, slope=0.0, excess=0.0, height=0.0, classes=0.0, sites=None, sigma=7.0,
                    site_db=3.0, fit_sd=0.0, field=FIELD, residuals=None, **given):  # fmt: skip
    """A calibration of a project, made by hand."""
    ground = read_ground(inputs)
    names = [c.name for c in ground.classes]
    sites = {} if sites is None else sites
    fixed = {"offset_db": offset, "slope_db_per_decade": slope, "excess": excess, "height_db_per_decade": height}
    size = len(fixed) + len(names) + len(sites)
    covariance = np.zeros((size, size))
    covariance[0, 0] = fit_sd**2
    made = Calibration(
        {k: effect(v) for k, v in fixed.items()}, covariance, {n: effect(classes) for n in names},
        {k: effect(v) for k, v in sites.items()}, {}, {n: effect(sigma) for n in names}, site_db, 2.0, math.inf,
        field, residuals,
        validity={"distance_km": [0.01, 100.0], "tx_height_m": [5.0, 200.0], "frequency_mhz": 358.0,
                  "classes": names},
        validation=[{"split": "areas", "model": "calibrated", "rmse_db": 6.84}],
        provenance={"made": "2026-11-20", "fit": {"cells": 1234}, **model_facts(inputs.project, ground)},
    )  # fmt: skip
    return dataclasses.replace(made, **given)


def residuals_at(grid, places, value, sites=("LOW",), error_db=0.3):
    """Residuals at (row, col) pixels, of the first site unless a third number names another."""
    rows, cols, which = np.array([(*p, 0)[:3] for p in places]).T
    x, y = grid.centre_xy(rows, cols)
    n = len(places)
    values = np.broadcast_to(np.asarray(value, float), (n,)).copy()
    return Residuals(np.asarray(x, float), np.asarray(y, float), which.astype(np.int64), values,
                     np.full(n, error_db), sites, grid.crs)  # fmt: skip


@pytest.fixture(scope="module")
def flat(made, tmp_path_factory):
    """Four tiles of level ground in free space, two sites; computed without calibration into out/."""
    sites = [
        made.site("LOW", 125.95, 41.00, antenna_height_m=30.0, power_dbm=40.0),
        made.site("FAR", 126.08, 40.98, antenna_height_m=60.0, power_dbm=40.0),
    ]
    folder = made.flat_project(tmp_path_factory.mktemp("calibrated") / "project", sites)
    made.edit(folder / "project.toml", "radius_km = 12", "radius_km = 20")
    made.edit(folder / "project.toml", "threshold_dbm = -70.0", "threshold_dbm = -62.0")
    inputs = made.inputs_of(folder)
    CoverageRun(inputs).run()
    return folder


def computed(made, flat, tmp_path, calibration, name="calibrated"):
    inputs = made.inputs_of(flat)
    CoverageRun(inputs, folder=tmp_path / name, calibration=calibration).run()
    return open_state(tmp_path / name, "2017")


# --- levels -----------------------------------------------------------------------------------------------------


def test_every_term_of_the_model_is_added_to_the_level(made, flat, tmp_path):
    inputs = made.inputs_of(flat)
    calibration = calibration_for(inputs, offset=-4.0, slope=-6.0, excess=0.5, height=10.0, classes=1.5,
                                  sites={"LOW": 2.5}, residuals=None)  # fmt: skip
    results, plain = computed(made, flat, tmp_path, calibration), open_state(flat / "out", "2017")
    server, before = results.band("best_server.tif", 1), plain.band("best_server.tif", 1)
    change = results.band("level_dbm.tif", 1) - plain.band("level_dbm.tif", 1)
    for number, height, own in ((1, 30.0, 2.5), (2, 60.0, 0.0)):
        here = (server == number) & (before == number)
        assert here.sum() > 1000
        site = inputs.sites[number - 1]
        row0, col0 = results.grid.rowcol(*results.grid.from_lonlat(site.lon, site.lat))
        row, col = np.nonzero(here)
        km = np.hypot(row - row0, col - col0) * 0.05
        expected = -4.0 - 6.0 * np.log10(km) + 10.0 * np.log10(height / 30.0) + 1.5 + own
        far = km > 3.0  # nearer, the slant of the path is part of the excess loss
        np.testing.assert_allclose(change[here][far], expected[far], atol=STORED_DB)


def test_obstacles_higher_than_any_measured_keep_their_loss(made, flat):
    """Excess loss that was switched off up to 20 dB counts in full above that; one that was raised stays raised."""
    inputs = made.inputs_of(flat)
    site = inputs.sites[0]
    for weight, added in ((1.0, lambda over: np.minimum(over, 20.0)), (-0.5, lambda over: -0.5 * over)):
        calibration = calibration_for(inputs, excess=weight)
        calibration.validity["excess_db"] = [0.0, 20.0]
        ready = MapCalibration(calibration, inputs.project, read_ground(inputs))
        grid = ready.grid
        x, y = (float(v) for v in grid.from_lonlat(site.lon, site.lat))
        row0, col0 = (round(float(v)) for v in grid.rowcol(x, y))
        part = Window(row0 + 20, col0 + 20, 8, 40)
        rows, cols = np.indices((8, 40)) + np.array([[[part.top]], [[part.left]]])
        px, py = grid.centre_xy(rows, cols)
        free = 32.4478 + 20 * np.log10(358.0) + 20 * np.log10(np.hypot(px - x, py - y) / 1000.0)
        over = np.linspace(0.0, 60.0, 320).reshape(8, 40)
        loss = SimpleNamespace(window=part, read=lambda part, made=free + over: made.astype(np.float32))
        antenna = SimpleNamespace(loss=loss)
        server = SimpleNamespace(site=site, x=x, y=y, transmit=antenna)
        found = ready._loss(server, loss, site.antenna_height_m).read(part)
        own = ready.class_db[0] - (free + over - found)
        np.testing.assert_allclose(own, own[0, 0] - added(over) + added(over)[0, 0], atol=0.05)


def test_talk_in_and_probability_follow_the_corrected_level(made, flat, tmp_path):
    calibration = calibration_for(made.inputs_of(flat), offset=-4.0, site_db=2.0, sigma=6.0, fit_sd=1.0)
    results, plain = computed(made, flat, tmp_path, calibration), open_state(flat / "out", "2017")
    for band in (1, 2, 3):
        change = results.band("margin_vehicle.tif", band) - plain.band("margin_vehicle.tif", band)
        np.testing.assert_allclose(change[np.isfinite(change)], -4.0, atol=STORED_DB)
    margin, sigma = results.band("margin_vehicle.tif", 3), results.band("uncertainty_db.tif", 1)
    np.testing.assert_allclose(sigma[np.isfinite(sigma)], math.sqrt(36.0 + 4.0 + 1.0), atol=STORED_DB)
    there = np.isfinite(margin)
    np.testing.assert_allclose(results.band("probability_vehicle.tif", 3)[there],
                               norm.cdf(margin[there] / math.sqrt(41.0)), atol=5e-4)  # fmt: skip
    any_of = results.band("probability_any_vehicle.tif", 1)
    assert np.all(any_of[there] >= results.band("probability_vehicle.tif", 3)[there] - 2e-4)


def test_near_a_measured_place_the_map_is_the_measurement_and_far_away_the_model(made, flat, tmp_path):
    inputs = made.inputs_of(flat)
    plain = open_state(flat / "out", "2017")
    grid, before = plain.grid, plain.band("best_server.tif", 1)
    assert (before[100:110, 100:110] == 1).all() and (before[400, 100] == 1)
    places = [(r, c) for r in range(100, 110) for c in range(100, 110)]
    residuals = residuals_at(grid, places, 9.0)
    calibration = calibration_for(inputs, residuals=residuals, sites={"LOW": 0.0}, site_db=0.0)
    results = computed(made, flat, tmp_path, calibration)
    change = results.band("level_dbm.tif", 1) - plain.band("level_dbm.tif", 1)
    sigma = results.band("uncertainty_db.tif", 1)
    assert np.abs(change[102:108, 102:108] - 9.0).max() < 0.5
    assert sigma[105, 105] < 2.5 and abs(sigma[400, 100] - 7.0) < STORED_DB
    far = before == 1
    far[:350, :350] = False
    np.testing.assert_allclose(change[far], 0.0, atol=STORED_DB)
    # everywhere else it is what kriging says, and the other site takes only what both share
    row, col = (a.ravel() for a in np.mgrid[60:160:7, 60:160:7])
    mean, left = Kriging(FIELD, residuals).predict(*grid.centre_xy(row, col), np.zeros(len(row), np.int64))
    apart = change[row, col] - mean  # interpolation between nodes four pixels apart, in a field of 9 dB
    assert np.abs(apart).max() < 0.7 and np.sqrt(np.mean(apart**2)) < 0.25
    expected = 7.0 * np.sqrt((1.0 + left**2) / (1.0 + 32.0))
    assert np.abs(sigma[row, col] - expected).max() < 1.3
    assert np.sqrt(np.mean((sigma[row, col] - expected) ** 2)) < 0.2


def test_another_site_takes_the_common_part_alone(made, flat, tmp_path):
    inputs = made.inputs_of(flat)
    plain = open_state(flat / "out", "2017")
    places = [(r, c) for r in range(200, 204) for c in range(250, 254)]
    assert plain.band("best_server.tif", 1)[201, 251] == 1 and plain.band("second_server.tif", 1)[201, 251] == 2
    for field, lowest, highest in ((FIELD, 3.0, 6.0), (Field(0.0, 5.6, 1.0, 1500.0), -0.02, 0.02)):
        calibration = calibration_for(inputs, residuals=residuals_at(plain.grid, places, 9.0), field=field)
        results = computed(made, flat, tmp_path, calibration, f"c{field.own_db}")
        change = results.band("second_level_dbm.tif", 1)[201, 251] - plain.band("second_level_dbm.tif", 1)[201, 251]
        assert lowest <= change <= highest


def test_uncertainty_grows_beyond_what_was_seen_and_never_shrinks(made, flat, tmp_path):
    inputs = made.inputs_of(flat)
    calibration = calibration_for(inputs, site_db=0.0, sites={"LOW": 0.0, "FAR": 0.0})
    seen = {**calibration.validity, "distance_km": [0.5, 3.0]}
    near = computed(made, flat, tmp_path, dataclasses.replace(calibration, validity=seen), "near")
    sigma = near.band("uncertainty_db.tif", 1)
    row0, col0 = near.grid.rowcol(*near.grid.from_lonlat(125.95, 41.00))
    row, col = np.nonzero(near.band("best_server.tif", 1) == 1)
    km = np.maximum(np.hypot(row - row0, col - col0) * 0.05, 1e-3)
    decades = np.maximum(np.maximum(np.log10(km / 3.0), np.log10(0.5 / km)), 0.0)
    np.testing.assert_allclose(sigma[row, col], np.hypot(7.0, 10.0 * decades), atol=2 * STORED_DB)
    for change, more in (({"tx_height_m": [3.0, 6.0]}, 5.0), ({"frequency_mhz": 160.0}, 3.0), ({"classes": []}, 0.0)):
        other = dataclasses.replace(calibration, validity={**calibration.validity, **change})
        found = computed(made, flat, tmp_path, other, next(iter(change))).band("uncertainty_db.tif", 1)
        assert np.nanmin(found) >= math.hypot(7.0, more) - STORED_DB


def test_unwanted_sites_are_corrected_too(made, tmp_path):
    sites = [
        made.site("A", 125.95, 41.00, frequency_mhz=358.0),
        made.site("B", 126.05, 41.00, frequency_mhz=358.0),
    ]
    folder = made.flat_project(tmp_path / "project", sites)
    with (folder / "project.toml").open("a") as file:
        file.write("\n[interference]\nenabled = true\n")
    inputs = made.inputs_of(folder)
    CoverageRun(inputs).run()
    plain = open_state(folder / "out", "2017").band("ci_db_vehicle.tif", 1)
    alike = computed(made, folder, tmp_path, calibration_for(inputs, offset=5.0), "alike")
    weaker = computed(made, folder, tmp_path, calibration_for(inputs, sites={"B": -10.0}), "weaker")
    both = (open_state(folder / "out", "2017").band("best_server.tif", 1) == 1) & (plain < 20.0)
    assert both.sum() > 10_000
    assert np.abs((alike.band("ci_db_vehicle.tif", 1) - plain)[both]).max() < 0.02, "wanted and unwanted alike"
    np.testing.assert_allclose((weaker.band("ci_db_vehicle.tif", 1) - plain)[both], 10.0, atol=0.02)


# --- files and keys -----------------------------------------------------------------------------------------------


def test_without_calibration_results_are_byte_for_byte_the_same(made, flat, tmp_path, radiocov):
    folder = shutil.copytree(flat, tmp_path / "project")
    before = made.snapshot(folder / "out")
    write_calibration(folder / "calibration.toml", calibration_for(made.inputs_of(folder), offset=-6.0))
    again = radiocov("coverage", folder, "--calibration", "none", "-q")
    assert again.code == 0 and "levels are not calibrated" in again.out
    assert "1 of 1 states were up to date" in again.out
    assert made.snapshot(folder / "out") == before
    used = radiocov("coverage", folder, "-q")
    assert used.code == 0, used.err
    assert "calibrated from 1,234 cells on 2026-11-20, held-out RMSE 6.8 dB" in used.out
    manifest = json.loads((folder / "out" / "2017" / "manifest.json").read_text())
    about = manifest["provenance"]["calibration"]
    assert (about["file"], about["cells"], about["held_out_rmse_db"]) == ("calibration.toml", 1234, 6.84)
    assert "uncertainty_db.tif" in manifest["files"]
    back = radiocov("coverage", folder, "--calibration", "none", "-q")
    assert back.code == 0 and made.digests(folder / "out") == made.digests(flat / "out")


def test_new_measurements_change_the_tiles_near_them_alone(made, flat, tmp_path):
    inputs = made.inputs_of(flat)
    grid = open_state(flat / "out", "2017").grid
    west, east = [(200, c) for c in range(40, 60)], [(560, c) for c in range(670, 685)]
    first = calibration_for(inputs, residuals=residuals_at(grid, west + east, 5.0), sites={"LOW": 0.0})
    values = np.where(np.arange(35) < 20, 5.0, -3.0)
    second = dataclasses.replace(first, residuals=residuals_at(grid, west + east, values),
                                 provenance={**first.provenance, "made": "2026-11-25"})  # fmt: skip
    before = computed(made, flat, tmp_path, first, "first").manifest
    shutil.copytree(tmp_path / "first", tmp_path / "followed")
    done = []
    CoverageRun(inputs, folder=tmp_path / "followed", calibration=second,
                progress=lambda what, now, of: done.append((what, now, of))).run()  # fmt: skip
    after = open_state(tmp_path / "followed", "2017").manifest
    pieces = [p for leaf in cog.leaves_of(*grid.shape) for p in pieces_of(leaf, grid)]
    changed = {p for p, a, b in zip(pieces, before["pieces"], after["pieces"], strict=True) if a != b}
    assert changed == {p for p in pieces if p[1] * cog.PIECE >= cog.BLOCK}, "to the east, where the field reaches"
    assert ("combining the network of 2017", 2, 2) in done
    assert after["provenance"]["calibration"]["date"] == "2026-11-25"
    computed(made, flat, tmp_path, second, "fresh")
    assert made.digests(tmp_path / "followed") == made.digests(tmp_path / "fresh")


def test_the_number_of_threads_changes_nothing(made, flat, tmp_path):
    inputs = made.inputs_of(flat)
    grid = open_state(flat / "out", "2017").grid
    places = [(r, c, (r + c) % 2) for r in range(20, 560, 13) for c in range(20, 650, 17)]
    values = np.random.default_rng(1).normal(0, 6, len(places))
    calibration = calibration_for(inputs, residuals=residuals_at(grid, places, values, ("LOW", "FAR")), excess=-0.1)
    for jobs in (1, 4):
        CoverageRun(inputs, folder=tmp_path / str(jobs), calibration=calibration, jobs=jobs).run()
    assert made.digests(tmp_path / "1") == made.digests(tmp_path / "4")


def test_a_calibration_of_another_model_or_of_relative_levels_is_refused(made, flat, tmp_path, radiocov):
    folder = shutil.copytree(flat, tmp_path / "project")
    calibration = calibration_for(made.inputs_of(folder))
    write_calibration(folder / "calibration.toml", calibration)
    other = radiocov("coverage", folder, "--model", "extended-hata", "-q", "-o", tmp_path / "hata")
    assert other.code == 2 and "ITU-R P.525" in other.err and "--calibration none" in other.err
    assert not (tmp_path / "hata").exists()
    relative = dataclasses.replace(calibration, validity={**calibration.validity, "absolute": False})
    write_calibration(folder / "relative.toml", relative)
    refused = radiocov("coverage", folder, "--calibration", folder / "relative.toml", "-q", "-o", tmp_path / "r")
    assert refused.code == 2 and "relative" in refused.err and not (tmp_path / "r").exists()
    missing = radiocov("coverage", folder, "--calibration", tmp_path / "no.toml", "-q")
    assert missing.code == 2 and "no.toml" in missing.err and len(missing.err.splitlines()) == 1


def test_effective_clutter_heights_change_the_ground_and_its_losses(made, fresh):
    inputs = made.inputs_of(fresh)
    ground = read_ground(inputs)
    taller = {c.name: effect(c.height_m + 4.0) for c in ground.classes if c.kind == "trees"}
    assert taller
    calibration = calibration_for(inputs, clutter_heights_m=taller)
    plain, run = CoverageRun(inputs), CoverageRun(inputs, calibration=calibration)
    assert not plain.keys(ground) & run.keys(ground), "other losses"
    losses = run.losses_over(ground)
    trees = np.isin(ground.clutter_class, [i for i, c in enumerate(ground.classes) if c.kind == "trees"])
    np.testing.assert_allclose(losses.ground.clutter_height_m[trees], ground.clutter_height_m[trees] + 4.0)
    np.testing.assert_array_equal(losses.ground.clutter_height_m[~trees], ground.clutter_height_m[~trees])


def test_intervals_rest_on_the_errors_of_the_calibration(made, flat, tmp_path):
    inputs = made.inputs_of(flat)
    one = residuals_at(open_state(flat / "out", "2017").grid, [(5, 5)], 1.0)
    calibration = calibration_for(inputs, sites={"LOW": 0.0}, site_db=2.0, fit_sd=1.5, residuals=one)
    results = computed(made, flat, tmp_path, calibration)
    error = error_model(inputs.project, results)
    # one of two sites was not measured: of its variance 4 their mean keeps a quarter, half a site keeps 2
    common, single = 2.25 + 4.0 / 4, 2.25 + 4.0 / 2
    correlated = single - common + 49.0 * 32.0 / 33.0
    total = common + correlated + 49.0 / 33.0
    assert error.common == pytest.approx(common / total, abs=1e-4)
    assert error.correlated == pytest.approx(correlated / total, abs=1e-4)
    assert error.correlation_km == 1.5
    stated = error_model(inputs.project, open_state(flat / "out", "2017"))
    assert stated.common == pytest.approx(9.0 / (7.3**2 + 2.17**2), rel=0.05)
