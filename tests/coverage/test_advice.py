"""Where to drive: the variance of the shares that a stretch takes away, against dense algebra."""

import math

import numpy as np
import pyogrio.raw
import pytest

from radiocov.calibration.advice import _Squares, _Unknown, advise, write_advice
from radiocov.calibration.model import Calibration, Effect, Field, Residuals
from radiocov.coverage.results import open_state

FIELD = Field(common_db=4.0, own_db=4.0, nugget_db=3.0, range_m=2000.0)


@pytest.fixture(scope="module")
def state(made, small_computed):
    return made.inputs_of(small_computed), open_state(small_computed / "out", "2017")


def calibration(results, residuals=None, sites=(), site_sd=0.5, site_db=3.0):
    measured = {name: Effect(0.0, site_sd, 100) for name in sites}
    sigma = {"open": Effect(7.0, 0.1, 100)}
    return Calibration(
        {}, np.zeros((0, 0)), {}, measured, {}, sigma, site_db, 2.0, math.inf, FIELD, residuals
    )  # fmt: skip


def test_the_first_stretches_take_away_what_dense_algebra_says(state):
    inputs, results = state
    made = calibration(results)
    squares = _Squares(inputs, results, made)
    unknown, doubt = _Unknown(squares, made), squares.doubt()
    count = squares.km.size
    dense = np.array([unknown.column(*np.unravel_index(i, squares.shape)).ravel() for i in range(count)])
    np.testing.assert_allclose(dense, dense.T, atol=1e-9)
    np.testing.assert_allclose(np.diag(dense), unknown.variance.ravel())
    for a in doubt:
        np.testing.assert_allclose(unknown.towards(a).ravel(), dense @ a.ravel(), atol=1e-9)
    whole = sum(a.ravel() @ dense @ a.ravel() for a in doubt)
    noise2 = ((FIELD.nugget_db**2 + 1.0) / np.maximum(squares.km * 1000 / 500.0, 1.0)).ravel()
    open_ = (squares.km >= 0.2).ravel()
    found = advise(inputs, results, made, limit=4)
    assert [s.rank for s in found] == [1, 2, 3, 4]
    for stretch in found:
        towards = np.array([dense @ a.ravel() for a in doubt])
        gain = np.where(open_, (towards**2).sum(axis=0) / (np.diag(dense) + noise2), 0.0)
        best = int(np.argmax(gain))
        assert stretch.lessens == pytest.approx(gain[best] / whole, rel=1e-6)
        column = dense[:, best].copy()
        dense = dense - np.outer(column, column) / (column[best] + noise2[best])
        left = sum(a.ravel() @ dense @ a.ravel() for a in doubt)
        open_[best] = False
    assert 0.0 < left < whole and sum(s.lessens for s in found) == pytest.approx(1.0 - left / whole, rel=1e-6)


def test_the_sensitivity_of_a_share_is_its_slope(state):
    """A dB less at every place of an area changes the expected share by the sum of its squares' doubt."""
    from scipy.stats import norm

    from targets.compliance import placed
    from targets.sums import pixels_of

    inputs, results = state
    squares = _Squares(inputs, results, calibration(results))
    target = next(t for t in inputs.policy.targets if t.measure == "area")
    ordered, shapes, _ = placed(inputs.policy, inputs.areas, squares.plane)
    members = inputs.policy.policy_class(target.class_).data_classes()
    change = total = 0.0
    for area, shape in zip(ordered, shapes, strict=True):
        if area.class_ in members:
            for window, km2 in pixels_of(shape, squares.plane):
                p = np.nan_to_num(results.read(target.service, "probability", window))
                z = norm.ppf(np.clip(p, 1e-4, 1 - 1e-4))
                change += float((km2 * (norm.cdf(z + 0.01 / 7.0) - norm.cdf(z - 0.01 / 7.0)) / 0.02).sum())
                total += float(km2.sum())
    shape_doubt = squares.doubt()[[t.class_ for t in inputs.policy.targets].index(target.class_)]
    assert shape_doubt.sum() == pytest.approx(change / total, rel=0.02)


def test_measured_roads_are_worth_less_and_unmeasured_sites_more(state, tmp_path):
    inputs, results = state
    sites = tuple(results.manifest["servers"])
    nothing = advise(inputs, results, calibration(results, sites=sites), limit=1)[0]
    x, y = results.grid.from_lonlat(nothing.lon, nothing.lat)
    around = np.array([(dx, dy) for dx in range(-4, 5) for dy in range(-4, 5)]) * 500.0
    number = np.full(len(around), sites.index(nothing.site))
    there = Residuals(x + around[:, 0], y + around[:, 1], number, np.zeros(len(around)), np.full(len(around), 0.5),
                      sites, results.grid.crs)  # fmt: skip
    again = advise(inputs, results, calibration(results, there, sites=sites), limit=1)[0]
    assert np.hypot(*np.subtract(results.grid.from_lonlat(again.lon, again.lat), (x, y))) > 2000.0
    one_less = tuple(s for s in sites if s != nothing.site)
    unmeasured = advise(inputs, results, calibration(results, sites=one_less, site_db=6.0), limit=1)[0]
    assert unmeasured.site == nothing.site and not unmeasured.site_measured and nothing.site_measured
    path = write_advice(tmp_path / "next.gpkg", advise(inputs, results, calibration(results), limit=5))
    meta, _, geometry, columns = pyogrio.raw.read(path, layer="where_to_drive")
    assert len(geometry) == 5 and meta["crs"] == "EPSG:4326"
    named = dict(zip(meta["fields"], columns, strict=True))
    assert named["rank"].tolist() == [1, 2, 3, 4, 5] and (named["km"] >= 0.2).all()
    assert set(named["site"]) <= set(sites)


def test_without_rasters_it_is_said_before_the_fit(fresh, radiocov, tmp_path):
    for name, said in (("next.gpkg", "run `radiocov coverage`"), ("next.shp", ".gpkg")):
        done = radiocov("calibrate", fresh, fresh / "sites.csv", "--where-to-drive", tmp_path / name, "-q")
        assert done.code == 2 and said in done.err and len(done.err.splitlines()) == 1
        assert not list(tmp_path.glob("next*")) and not (fresh / "calibration.toml").exists()
