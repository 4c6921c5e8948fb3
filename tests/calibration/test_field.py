"""The residual field against the algebra of Gaussian processes, sampled truths and what is asked of it."""

import numpy as np
import pytest

from radiocov.calibration.field import fit_field, merged, settle, settled
from radiocov.calibration.kriging import Kriging, Neighbours, scaled
from radiocov.calibration.model import ABOVE, BELOW, Field, Residuals

SITES = tuple("ABCDE")
FIELD = Field(common_db=5.0, own_db=3.0, nugget_db=3.0, range_m=800.0)


def covariance(field, x, y, site, x1, y1, site1):
    """dB2 between places, from its definition: metres along and across the axis, each over its range."""
    turn = np.radians(field.azimuth_deg)
    east, north = np.subtract.outer(x, x1), np.subtract.outer(y, y1)
    along, across = east * np.sin(turn) + north * np.cos(turn), east * np.cos(turn) - north * np.sin(turn)
    root = np.sqrt(field.ratio)
    distance = np.hypot(along / (field.range_m * root), across / (field.range_m / root))
    return (field.common_db**2 + field.own_db**2 * np.equal.outer(site, site1)) * np.exp(-distance)


def roads(n, seed, size_m=20_000.0):
    """Places of cells along a lattice of roads, and the site that each was measured of."""
    random = np.random.default_rng(seed)
    which, along = random.integers(0, 12, n), random.uniform(0, size_m, n)
    across = np.linspace(0, size_m, 6)[which % 6]
    x, y = np.where(which < 6, along, across), np.where(which < 6, across, along)
    return np.floor(x / 50) * 50, np.floor(y / 50) * 50, random.integers(0, len(SITES), n)


def drawn(field, n, seed, error_db=1.0):
    """(x, y, site, field there, measured residual)."""
    x, y, site = roads(n, seed)
    random = np.random.default_rng(seed + 1)
    places, inverse = np.unique(np.column_stack([x, y, site]), axis=0, return_inverse=True)
    where = places[:, 0], places[:, 1], places[:, 2]
    true = np.zeros(len(places))
    if field.range_m:
        total = covariance(field, *where, *where) + 1e-6 * np.eye(len(places))
        true = np.linalg.cholesky(total) @ random.standard_normal(len(places))
    seen = true + field.nugget_db * random.standard_normal(len(places))
    return x, y, site, true[inverse], seen[inverse] + error_db * random.standard_normal(n)


def residuals(x, y, site, value, error_db=1.0):
    return Residuals(x, y, site, value, np.full(len(x), error_db), SITES, "EPSG:32651")


def exact(field, r, x, y, site):
    """Conditional mean and standard deviation of a Gaussian process by its textbook algebra."""
    noise = np.diag(field.nugget_db**2 + r.error_db**2)
    known = covariance(field, r.x_m, r.y_m, r.site, r.x_m, r.y_m, r.site) + noise
    towards = covariance(field, r.x_m, r.y_m, r.site, x, y, site)
    solved = np.linalg.solve(known, towards)
    own = field.common_db**2 + field.own_db**2
    return r.residual_db @ solved, np.sqrt(own - np.sum(towards * solved, axis=0))


@pytest.mark.parametrize("axis", [{}, {"ratio": 2.5, "azimuth_deg": 35.0}])
def test_with_all_places_kriging_is_the_exact_gaussian_process(axis):
    field = Field(5.0, 3.0, 3.0, 800.0, **axis)
    x, y, site, _, seen = drawn(field, 120, 3)
    x, y, site, seen, error, _ = merged(x, y, site, seen, np.ones(120), np.zeros(120))
    r = Residuals(x, y, site, seen, error, SITES, "EPSG:32651")
    random = np.random.default_rng(4)
    at = random.uniform(0, 20_000, 40), random.uniform(0, 20_000, 40), random.integers(-1, 5, 40)
    mean, sd = Kriging(field, r, own=120, any_=120, reach=1e3).predict(*at)
    expected, expected_sd = exact(field, r, *at)
    np.testing.assert_allclose(mean, expected, atol=1e-9)
    np.testing.assert_allclose(sd, expected_sd, atol=1e-9)


def test_the_nearest_places_are_nearly_as_good_as_all():
    x, y, site, _, seen = drawn(FIELD, 1500, 5)
    r = settle(FIELD, x, y, site, seen, np.ones(1500), np.zeros(1500), SITES, "EPSG:32651")
    rx, ry, rsite = roads(600, 6)
    rx = rx + np.random.default_rng(7).normal(0, 300, 600)
    mean, sd = Kriging(FIELD, r).predict(rx, ry, rsite)
    expected, expected_sd = exact(FIELD, r, rx, ry, rsite)
    # against a field of 5.8 dB, of which the exact one leaves this much unknown
    assert 3.0 < np.sqrt(np.mean(expected_sd**2)) < 5.0
    assert np.sqrt(np.mean((mean - expected) ** 2)) < 0.3
    assert np.all(sd >= expected_sd - 1e-6) and np.max(sd - expected_sd) < 0.25


def test_points_that_share_their_neighbours_differ_little_from_points_alone():
    x, y, site, _, seen = drawn(FIELD, 1500, 8)
    r = settle(FIELD, x, y, site, seen, np.ones(1500), np.zeros(1500), SITES, "EPSG:32651")
    kriging = Kriging(FIELD, r)
    px, py = (a.ravel() for a in np.meshgrid(np.arange(0, 8000, 80.0), np.arange(0, 8000, 80.0)))
    order = np.lexsort((px // 320, py // 320))
    px, py = px[order], py[order]
    together = kriging.predict_groups(px, py, 2, np.arange(0, len(px) + 1, 16))
    alone = kriging.predict(px, py, np.full(len(px), 2))
    assert np.sqrt(np.mean((together[0] - alone[0]) ** 2)) < 0.15
    assert np.max(np.abs(together[1] - alone[1])) < 0.6


def test_far_from_every_place_nothing_is_known_and_beside_one_nearly_all():
    x, y, site = np.array([0.0, 50.0, 100.0, 150.0]), np.zeros(4), np.zeros(4, np.int64)
    kriging = Kriging(Field(0.0, 6.0, 0.5, 1000.0), residuals(x, y, site, np.full(4, 8.0), 0.1))
    mean, sd = kriging.predict(np.array([75.0, 30_000.0, 75.0]), np.zeros(3), np.array([0, 0, 3]))
    assert abs(mean[0] - 8.0) < 0.3 and sd[0] < 1.5
    assert (mean[1], sd[1]) == (0.0, 6.0)
    assert (mean[2], sd[2]) == (0.0, 6.0), "the own part of a site tells nothing of another"


def test_each_neighbour_counts_once_and_a_point_not_for_itself():
    x, y, site = roads(400, 9)
    places = np.unique(np.column_stack([x, y, site]), axis=0)
    u, v, at = places[:, 0] / 800, places[:, 1] / 800, places[:, 2].astype(np.int64)
    near = Neighbours(u, v, at).of(u, v, at, but=np.arange(len(u)))
    for i, row in enumerate(near):
        known = row[row >= 0]
        assert len(set(known)) == len(known) and i not in known
        assert (at[row[:16][row[:16] >= 0]] == at[i]).all()
        assert (np.hypot(u[known] - u[i], v[known] - v[i]) <= 4.0).all()


# --- fitted ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("silent", [0.0, 0.3])
def test_the_covariance_is_found_again_also_where_many_cells_were_not_heard(silent):
    x, y, site, _, seen = drawn(FIELD, 3000, 11)
    limit = np.quantile(seen, silent) if silent else -1e9
    found = fit_field(x, y, site, np.maximum(seen, limit), np.ones(3000), np.where(seen < limit, BELOW, 0))
    assert found.common_db == pytest.approx(5.0, abs=1.0) and found.own_db == pytest.approx(3.0, abs=0.8)
    assert found.nugget_db == pytest.approx(3.0, abs=0.5) and found.range_m == pytest.approx(800.0, rel=0.3)
    assert found.ratio == 1.0, "no axis was asked for"


def test_parts_that_are_not_there_are_not_found():
    noise = fit_field(*drawn(Field(nugget_db=5.0), 1500, 12)[:3], np.random.default_rng(1).normal(0, 5.0, 1500),
                      np.zeros(1500), np.zeros(1500))  # fmt: skip
    assert (noise.common_db, noise.own_db, noise.range_m) == (0.0, 0.0, 0.0)
    assert noise.nugget_db == pytest.approx(5.0, abs=0.3)
    x, y, site, _, seen = drawn(Field(0.0, 5.0, 3.0, 800.0), 2500, 13)
    own = fit_field(x, y, site, seen, np.ones(2500), np.zeros(2500))
    assert own.common_db == 0.0 and own.own_db == pytest.approx(5.0, abs=0.8)


def test_one_site_alone_shares_nothing_with_others_and_few_cells_make_no_field():
    x, y, _, _, seen = drawn(Field(5.0, 0.0, 3.0, 800.0), 1500, 14)
    one = fit_field(x, y, np.zeros(1500), seen, np.ones(1500), np.zeros(1500))
    assert one.common_db == 0.0 and one.own_db > 3.0
    assert fit_field(x[:30], y[:30], np.zeros(30), seen[:30], np.ones(30), np.zeros(30)).range_m == 0.0


def test_an_axis_is_found_where_there_is_one():
    x, y, site, _, seen = drawn(Field(5.0, 3.0, 3.0, 900.0, ratio=4.0, azimuth_deg=30.0), 3000, 15)
    found = fit_field(x, y, site, seen, np.ones(3000), np.zeros(3000))
    assert 2.5 < found.ratio <= 6.0 and abs((found.azimuth_deg - 30.0 + 90.0) % 180.0 - 90.0) < 12.0


def test_outliers_do_not_make_the_field():
    x, y, site, _, seen = drawn(FIELD, 2500, 16)
    clean = fit_field(x, y, site, seen, np.ones(2500), np.zeros(2500))
    wrong = np.random.default_rng(2).random(2500) < 0.03
    spoilt = np.where(wrong, seen + 35.0, seen)
    found = fit_field(x, y, site, spoilt, np.ones(2500), np.zeros(2500))
    assert found.nugget_db < clean.nugget_db + 2.0
    assert np.hypot(found.common_db, found.own_db) == pytest.approx(np.hypot(clean.common_db, clean.own_db), abs=1.5)
    at = x[~wrong][:300], y[~wrong][:300], site[~wrong][:300]
    settled_spoilt, settled_clean = (
        Kriging(FIELD, settle(FIELD, x, y, site, v, np.ones(2500), np.zeros(2500), SITES, "")).predict(*at)[0]
        for v in (spoilt, seen)
    )
    moved = np.abs(settled_spoilt - settled_clean)
    assert np.sqrt(np.mean(moved**2)) < 1.0, "3 % of errors of 35 dB would move the plain mean by 1.05 dB"


# --- not heard ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "limits"), [(BELOW, (-2.0, 1.0)), (ABOVE, (4.0, -1.0))])
def test_cells_that_were_not_heard_say_what_sampling_says(side, limits):
    """Three cells, two of them censored: moments of the field beside them from draws of the truth that agree."""
    field = Field(5.0, 0.0, 2.0, 1000.0)
    x, y, site = np.array([0.0, 300.0, 900.0]), np.zeros(3), np.zeros(3, np.int64)
    value, censored = np.array([6.0, *limits]), np.array([0, side, side])
    at = 500.0
    everywhere = np.append(x, at)
    total = covariance(field, everywhere, np.zeros(4), np.zeros(4), everywhere, np.zeros(4), np.zeros(4))
    random = np.random.default_rng(17)
    f = random.standard_normal((2_000_000, 4)) @ np.linalg.cholesky(total).T
    told = f[:, 1:3] + 2.0 * random.standard_normal((len(f), 2))
    agree = ((told < limits) if side == BELOW else (told > limits)).all(axis=1)
    weight = np.exp(-0.5 * ((6.0 - f[agree, 0]) / 2.0) ** 2)
    mean = np.average(f[agree, 3], weights=weight)
    sd = np.sqrt(np.average((f[agree, 3] - mean) ** 2, weights=weight))
    r = settle(field, x, y, site, value, np.zeros(3), censored, ("A",), "")
    found, found_sd = Kriging(field, r).predict(np.array([at]), np.zeros(1), np.zeros(1, np.int64))
    assert found[0] == pytest.approx(mean, abs=0.12) and found_sd[0] == pytest.approx(sd, abs=0.12)


def test_a_limit_far_above_what_is_expected_says_nothing():
    x, y, site = np.array([0.0, 400.0]), np.zeros(2), np.zeros(2, np.int64)
    field = Field(4.0, 0.0, 2.0, 1000.0)
    r = settle(field, x, y, site, np.array([1.0, 60.0]), np.zeros(2), np.array([0, BELOW]), ("A",), "")
    assert len(r) == 1 and r.residual_db[0] == 1.0


def test_visits_to_one_place_lessen_the_error_of_measurement_but_not_the_nugget():
    x, y, site = np.zeros(4), np.zeros(4), np.array([0, 0, 0, 1])
    r = settle(FIELD, x, y, site, np.array([2.0, 4.0, 3.0, -1.0]), np.full(4, 1.5), np.zeros(4), SITES, "")
    assert len(r) == 2 and r.residual_db.tolist() == [3.0, -1.0]
    assert r.error_db == pytest.approx([1.5 / np.sqrt(3), 1.5], abs=0.01)


def test_what_was_left_out_lies_within_the_stated_intervals():
    """Whole squares of 2.5 km left out: predictions reach into them from their rims, and say how far they can."""
    inside90, errors, plain = [], [], []
    for seed in (20, 21):
        x, y, site, true, seen = drawn(FIELD, 2500, seed)
        out = ((x // 2500 + y // 2500) % 3 == 0)
        fitted = fit_field(x[~out], y[~out], site[~out], seen[~out], np.ones((~out).sum()), np.zeros((~out).sum()))
        r = settle(fitted, x[~out], y[~out], site[~out], seen[~out], np.ones((~out).sum()), np.zeros((~out).sum()),
                   SITES, "")  # fmt: skip
        mean, sd = Kriging(fitted, r).predict(x[out], y[out], site[out])
        total = np.sqrt(sd**2 + fitted.nugget_db**2 + 1.0)
        inside90.append(np.mean(np.abs(seen[out] - mean) <= 1.6449 * total))
        errors.append(np.mean((true[out] - mean) ** 2))
        plain.append(np.mean(true[out] ** 2))
    assert np.mean(inside90) == pytest.approx(0.90, abs=0.03)
    assert np.sqrt(np.mean(errors)) < 0.95 * np.sqrt(np.mean(plain))


def test_settled_noise_is_never_less_than_stated():
    x, y, site, _, seen = drawn(FIELD, 800, 30)
    kind = np.where(seen < np.median(seen), BELOW, 0)
    noise2 = np.full(800, FIELD.nugget_db**2 + 1.0)
    value, after = settled(FIELD, x, y, site, np.maximum(seen, np.median(seen)), noise2, kind)
    assert np.all(after >= noise2 * 0.999) and np.isfinite(value).all()


def test_scaled_coordinates_have_range_one_along_both_axes():
    u, v = scaled(Field(1.0, 0.0, 0.0, 1000.0, ratio=4.0, azimuth_deg=90.0), np.array([0.0, 2000.0, 0.0]),
                  np.array([0.0, 0.0, 500.0]))  # fmt: skip
    assert np.hypot(u[1] - u[0], v[1] - v[0]) == pytest.approx(1.0)
    assert np.hypot(u[2] - u[0], v[2] - v[0]) == pytest.approx(1.0)
