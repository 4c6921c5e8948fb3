"""Intervals of the expected share: closed forms, simulated fields, and what they must not depend on."""

import numpy as np
import pytest
import shapely
from scipy.special import ndtr, ndtri

from targets.output import to_json
from targets.rasterize import ArrayRasters
from targets.spread import ErrorModel, Spread, interval


def uniform(probability, side=200, pixel_m=50.0, **error):
    """(Spread, draws of the share) of a square of one probability."""
    spread = Spread(ErrorModel(**error), side, side, pixel_m)
    row, col = (a.ravel() for a in np.mgrid[:side, :side])
    curves = spread.curves(row, col, np.full(row.shape, probability), np.ones(row.shape))
    return spread, spread.draw([curves])[0] / side**2


@pytest.mark.parametrize("probability", [0.3, 0.7, 0.95])
def test_a_common_error_moves_all_places_alike(probability):
    _, draws = uniform(probability, common=0.6, correlated=0.0, draws=4000)
    low, high = interval(draws, 0.90)
    z, step = ndtri(probability), np.sqrt(0.6) * ndtri(0.95)
    assert (low, high) == pytest.approx(tuple(ndtr((z + s) / np.sqrt(0.4)) for s in (-step, step)), abs=0.02)
    assert draws.mean() == pytest.approx(probability, abs=0.015)


def test_independent_pixels_leave_no_doubt():
    _, draws = uniform(0.7, common=0.0, correlated=0.0, draws=50)
    assert np.ptp(draws) < 1e-6 and draws.mean() == pytest.approx(0.7, abs=1e-3)


def test_more_correlation_widens_the_interval():
    widths = [np.ptp(interval(uniform(0.7, common=0.0, correlated=0.9, correlation_km=km)[1], 0.9))
              for km in (0.2, 0.8, 3.0)]  # fmt: skip
    assert widths[0] < 0.6 * widths[1] < 0.6 * widths[2]


def correlated_fields(side, distance, count, seed=5):
    """Fields with correlation exp(-d / distance), drawn pixel by pixel over a torus twice as wide."""
    n = 2 * side
    apart = np.minimum(np.arange(n), n - np.arange(n))
    spectrum = np.fft.fft2(np.exp(-np.hypot(apart[:, None], apart[None, :]) / distance)).real.clip(0)
    random = np.random.default_rng(seed)
    for _ in range(count):
        yield np.fft.ifft2(np.sqrt(spectrum) * np.fft.fft2(random.normal(size=(n, n)))).real[:side, :side]


@pytest.mark.parametrize("inside", [slice(0, 120), slice(40, 52)])
def test_the_interval_holds_what_correlated_fields_give(inside):
    """The whole square, 6 km a side, and a small area of 0.6 km in it, where blocks err towards wide."""
    side, pixel_m, km = 120, 50.0, 0.6
    random = np.random.default_rng(2)
    z = np.kron(random.normal(0.8, 1.0, (12, 12)), np.ones((10, 10)))
    error = ErrorModel(common=0.1, correlated=0.8, correlation_km=km, confidence=0.9, draws=800)
    spread = Spread(error, side, side, pixel_m)
    row, col = (a.ravel() for a in np.mgrid[inside, inside])
    curves = spread.curves(row, col, ndtr(z[row, col]), np.ones(row.shape))
    low, high = interval(spread.draw([curves])[0] / len(row), 0.9)
    held = 0
    fields = list(correlated_fields(side, km * 1000 / pixel_m, 300))
    half = 0.5 / len(row)  # what is drawn is an expected share, what comes is a number of pixels
    for u in fields:
        total = z + np.sqrt(0.1) * random.normal() + np.sqrt(0.8) * u + np.sqrt(0.1) * random.normal(size=z.shape)
        share = np.mean(total[inside, inside] > 0)
        held += low - half <= share <= high + half
    assert 0.85 <= held / len(fields) <= (0.95 if inside.stop > 100 else 0.985)


def test_parts_share_one_field():
    """Both halves of a block are right or wrong together, far places are not."""
    spread = Spread(ErrorModel(0.0, 0.95, 0.5, draws=400), 400, 400, 50.0)

    def square(at):
        row, col = (a.ravel() for a in np.mgrid[at : at + 6, at : at + 6])
        return spread.curves(row, col, np.full(row.shape, 0.6), np.ones(row.shape))

    draws = spread.draw([square(0), square(3), square(300)])
    assert np.corrcoef(draws[0], draws[1])[0, 1] > 0.65 and abs(np.corrcoef(draws[0], draws[2])[0, 1]) < 0.2


ERROR = ErrorModel(common=0.15, correlated=0.8, correlation_km=0.5, draws=100)


def test_rows_of_a_policy_have_intervals_about_their_expected_share(scene):
    areas, roads = scene.many()
    result = scene.run(areas, roads, scene.noisy(), error=ERROR)
    told = [r for r in result.rows if r.total > 0]
    assert told and all(r.expected_low <= r.expected_high for r in told)
    for row in result.at("policy"):
        assert row.expected_low < row.share_expected < row.expected_high
        assert 0 <= row.chance <= 1
    for row in result.rows:
        if row.total == 0:
            assert row.expected_low is row.expected_high is row.chance is None
    plain = scene.run(areas, roads, scene.noisy())
    assert [r.share_expected for r in plain.rows] == [r.share_expected for r in result.rows]
    assert plain.rows[0].chance is None and plain.error is None


def test_intervals_depend_on_the_seed_alone(scene):
    areas, roads = scene.many()
    first = scene.run(areas, roads, scene.noisy(), error=ERROR)
    assert to_json(scene.run(areas[::-1], roads[::-1], scene.noisy(), error=ERROR)) == to_json(first)
    cut = scene.run(areas, roads, scene.noisy(), error=ERROR, strip_pixels=701, tile=33)
    for a, b in zip(first.rows, cut.rows, strict=True):
        assert a.expected_low == pytest.approx(b.expected_low, abs=1e-6)
        assert a.chance == b.chance
    other = scene.run(areas, roads, scene.noisy(), error=ErrorModel(0.15, 0.8, 0.5, draws=100, seed=2))
    assert other.rows[0].expected_low != first.rows[0].expected_low


def test_chance_of_100_percent_is_that_of_what_stands_for_it(scene):
    sure = np.full(scene.shape, 0.9999, dtype=np.float32)
    bands = (np.full(scene.shape, 30, dtype=np.float32), sure, 0.9)
    reader = ArrayRasters(scene.crs, scene.transform, {"handheld-hip": bands, "vehicle": bands})
    area = [scene.area(shapely.box(0, 0, 8000, 6000))]
    row = scene.row(scene.run(area, reader=reader, error=ERROR))
    assert row.required == 1.0 and row.expected_low < 1 and row.chance == 1.0
    strict = scene.policy.model_copy(update={"full_share": 0.99999})
    assert scene.row(scene.run(area, reader=reader, error=ERROR, policy=strict)).chance < 1
