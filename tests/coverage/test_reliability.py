"""Stated probabilities against a known truth, through the rasters: of pixels given 90 %, as many are heard."""

import math

import numpy as np
import pytest

from radiocov.calibration.files import model_facts
from radiocov.calibration.fit import fit
from radiocov.calibration.model import NONE, Cells
from radiocov.calibration.residuals import with_field
from radiocov.calibration.synthetic import Waves
from radiocov.coverage.results import open_state
from radiocov.coverage.run import CoverageRun
from radiocov.coverage.setup import read_ground

THRESHOLDS_DBM = range(-82, -42, 5)
OFFSET_DB, COMMON_DB, OWN_DB, CELL_DB, RANGE_M = -5.0, 4.0, 4.0, 4.0, 500.0
SQUARE_PIXELS = 60  # 3 km
WAVES = 250


@pytest.fixture(scope="module")
def network(made, tmp_path_factory):
    """Four sites in free space over level ground, and a service for each of many thresholds."""
    places = ((125.92, 41.05), (126.08, 41.04), (125.95, 40.93), (126.1, 40.95))
    sites = [
        made.site(f"S{n}", *place, gain_dbi=2.0, losses_db=0.0, power_dbm=43.0) for n, place in enumerate(places)
    ]
    folder = made.flat_project(tmp_path_factory.mktemp("reliable") / "project", sites)
    project = folder / "project.toml"
    text = project.read_text()
    head, tail = text.split("[[terminals]]")[0], text.split("[base]")[1]
    head = head.replace("radius_km = 12", "radius_km = 40")
    services = "".join(
        f'[[terminals]]\nid = "t{-t}"\nheight_m = 1.5\npower_dbm = 40.0\nantenna_gain_dbi = 0.0\n'
        f'carry_loss_db = 0.0\nthreshold_dbm = {t}.0\n[[services]]\nid = "t{-t}"\nterminal = "t{-t}"\n'
        'direction = "talk-out"\n'
        for t in THRESHOLDS_DBM
    )
    project.write_text(f"{head}{services}[base]{tail}")
    policy = folder / "one.toml"
    policy.write_text(policy.read_text().replace('service = "vehicle"', f'service = "t{-THRESHOLDS_DBM[0]}"'))
    return folder


class Truth:
    """What is really received of each site: the model's level, an offset, a field with a part that sites share and
    one of their own, and a part of each pixel."""

    def __init__(self, seed, sites):
        self.common = Waves(np.random.default_rng([seed, 0]), RANGE_M, WAVES)
        self.own = [Waves(np.random.default_rng([seed, 1, s]), RANGE_M, WAVES) for s in range(sites)]
        self.pixels = np.random.default_rng([seed, 2])

    def residual_db(self, x, y, site):
        found = OFFSET_DB + COMMON_DB * self.common(x, y) + CELL_DB * self.pixels.standard_normal(len(x))
        for s, own in enumerate(self.own):
            mine = site == s
            found[mine] += OWN_DB * own(x[mine], y[mine])
        return found


def alone(made, folder, tmp_path):
    """Levels of each site by itself, (sites, height, width), and the grid."""
    levels = []
    for s in made.inputs_of(folder).sites:
        inputs = made.inputs_of(folder)
        inputs.sites = [s]
        inputs.project = inputs.project.model_copy(update={"services": inputs.project.services[:1]})
        CoverageRun(inputs, folder=tmp_path / s.id).run()
        results = open_state(tmp_path / s.id, "2017")
        levels.append(results.band("level_dbm.tif", 1))
    return np.array(levels), results.grid


def left_out(row, col):
    return (row // SQUARE_PIXELS + col // SQUARE_PIXELS) % 2 == 0


def driven(levels, grid, sites, truth):
    """Cells along roads every 1.5 km, of all sites, outside of the squares that are left out."""
    row, col = (a.ravel() for a in np.mgrid[: grid.height : 5, : grid.width : 5])
    on_road = ((row % 30 == 0) | (col % 30 == 0)) & ~left_out(row, col)
    row, col = np.tile(row[on_road], len(sites)), np.tile(col[on_road], len(sites))
    site = np.repeat(np.arange(len(sites)), on_road.sum())
    x, y = (np.asarray(a, float) for a in grid.centre_xy(row, col))
    n = len(row)
    predicted = levels[site, row, col].astype(float)
    where = np.array([grid.rowcol(*grid.from_lonlat(s.lon, s.lat)) for s in sites])
    km = np.maximum(np.hypot(row - where[site, 0], col - where[site, 1]) * 0.05, 0.05)
    noise = np.random.default_rng(5).standard_normal(n)
    return Cells(
        x_m=x, y_m=y, site=site, device=np.zeros(n, int), day=np.full(n, 17_000), clutter=np.zeros(n, int),
        level_dbm=predicted + truth.residual_db(x, y, site) + noise, censored=np.full(n, NONE),
        samples=np.full(n, 50),
        error_db=np.ones(n), predicted_dbm=predicted, distance_km=km, excess_db=np.zeros(n),
        tx_height_m=np.full(n, 40.0), weight=np.ones(n), talk_in=np.zeros(n, bool), sites=tuple(s.id for s in sites),
        devices=("H",), classes=("CLASS",), frequency_mhz=358.0,
    )  # fmt: skip


def test_of_pixels_given_ninety_percent_as_many_are_heard(made, network, tmp_path):
    levels, grid = alone(made, network, tmp_path)
    inputs = made.inputs_of(network)
    ground = read_ground(inputs)
    (clutter,) = {ground.classes[k].name for k in np.unique(ground.clutter_class)}
    random = np.random.default_rng(8)
    row, col = random.integers(0, grid.height, 20_000), random.integers(0, grid.width, 20_000)
    out = left_out(row, col)
    row, col = row[out], col[out]
    x, y = (np.asarray(a, float) for a in grid.centre_xy(row, col))
    stated, heard, near_road, errors = [], [], [], {"calibrated": [], "plain": []}
    for seed in (1,):
        truth = Truth(seed, len(inputs.sites))
        cells = driven(levels, grid, inputs.sites, truth)
        cells.__dict__["classes"] = (clutter,)
        calibration = with_field(fit(cells, block_m=600.0, freedom=math.inf), cells, grid.crs)
        calibration.provenance.update(model_facts(inputs.project, ground), made="2026-11-25")
        CoverageRun(inputs, folder=tmp_path / f"c{seed}", calibration=calibration).run()
        results = open_state(tmp_path / f"c{seed}", "2017")
        best = results.band("best_server.tif", 1)[row, col].astype(int) - 1
        true = levels[best, row, col] + truth.residual_db(x, y, best)
        for t in THRESHOLDS_DBM:
            stated.append(results.band(f"probability_t{-t}.tif", 1)[row, col])
            heard.append(true >= t)
        errors["calibrated"].append(results.band("level_dbm.tif", 1)[row, col] - true)
        errors["plain"].append(levels[best, row, col] - true)
        near_road.append(results.band("uncertainty_db.tif", 1)[row, col])
    stated, heard = np.concatenate(stated), np.concatenate(heard)
    for low, high, tolerance in ((0.88, 0.92, 0.02), (0.75, 0.85, 0.03), (0.45, 0.55, 0.04), (0.95, 0.99, 0.015)):
        given = (stated >= low) & (stated < high)
        assert given.sum() > 1500
        assert heard[given].mean() == pytest.approx(stated[given].mean(), abs=tolerance), (low, high)
    rms = {name: np.sqrt(np.mean(np.concatenate(e) ** 2)) for name, e in errors.items()}
    assert rms["calibrated"] < rms["plain"] - 1.0
    sd = np.concatenate(near_road)
    assert np.sqrt(np.mean(sd**2)) == pytest.approx(rms["calibrated"], abs=0.4)
    assert sd.min() < np.percentile(sd, 95) - 0.5, "the rims of what was measured are known better"
