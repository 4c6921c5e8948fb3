"""Measured levels per tile, verdicts, what is left out, and prediction against measurement."""

import numpy as np
import pytest
import shapely

from targets.acceptance import (
    Contingency,
    Samples,
    contingency,
    judge_tiles,
    needed_tiles,
    outcomes,
    overdesign_of,
    reliability,
    tile_levels,
    verdict_of,
)
from targets.rasterize import Plane
from targets.tiles import Access, TileGrid, area_tiles


@pytest.fixture
def grid(scene):
    return TileGrid(Plane(scene.rasters(scene.left_of(80))), 500.0)


def samples(scene, runs):
    """Samples from runs of (x, y, spacing_m, levels); a level of None was not heard."""
    x, y, level = [], [], []
    for x0, y0, spacing, levels in runs:
        x += [x0 + i * spacing for i in range(len(levels))]
        y += [y0] * len(levels)
        level += levels
    lon, lat = scene.to_lonlat.transform(scene.x0 + np.array(x, float), scene.y0 - np.array(y, float))
    silent = np.array([v is None for v in level])
    values = np.array([np.nan if v is None else v for v in level], float)
    return Samples(lon, lat, np.arange(len(x)), values, silent, np.zeros(len(x), int))


def test_median_and_mean_of_a_tile(scene, grid):
    levels = [-80.0] * 30 + [-90.0] * 30 + [-100.0] * 40
    found = tile_levels(samples(scene, [(10, 10, 1, levels)]), grid)
    assert found.level_dbm.tolist() == [-90.0] and found.samples.tolist() == [100] and not found.short[0]
    assert found.extent_m[0] == pytest.approx(99, abs=0.1)
    mean = tile_levels(samples(scene, [(10, 10, 1, levels)]), grid, "mean")
    assert mean.level_dbm[0] == pytest.approx(10 * np.log10(0.3e-8 + 0.3e-9 + 0.4e-10), abs=1e-6)


@pytest.mark.parametrize(("silent", "level"), [(0, -90.0), (49, -90.0), (50, -np.inf), (80, -np.inf)])
def test_samples_not_heard_are_lowest(scene, grid, silent, level):
    found = tile_levels(samples(scene, [(10, 10, 1, [None] * silent + [-90.0] * (100 - silent))]), grid)
    assert found.level_dbm[0] == level and found.silent[0] == pytest.approx(silent / 100)
    mean = tile_levels(samples(scene, [(10, 10, 1, [None] * 50 + [-90.0] * 50)]), grid, "mean")
    assert mean.level_dbm[0] == pytest.approx(-90 - 3.01, abs=0.01)


@pytest.mark.parametrize(
    ("n", "spacing", "short"), [(49, 2, True), (50, 2, False), (200, 0.1, True), (60, 0.6, False)]
)
def test_too_few_samples_or_too_close_together(scene, grid, n, spacing, short):
    assert tile_levels(samples(scene, [(10, 10, spacing, [-90.0] * n)]), grid).short.tolist() == [short]


def test_order_of_samples_does_not_matter(scene, grid):
    random = np.random.default_rng(3)
    s = samples(scene, [(x, y, 2, list(random.normal(-95, 8, 80))) for x in (10, 600, 1200) for y in (10, 700)])
    mixed = random.permutation(len(s))
    other = Samples(*(getattr(s, name)[mixed] for name in vars(s)))
    for a, b in zip(vars(tile_levels(s, grid)).values(), vars(tile_levels(other, grid)).values(), strict=True):
        assert np.array_equal(a, b)


def judged(scene, grid, failing=(), short=(), predicted=0.95):
    """Twelve tiles in a row of which a road reaches eight; tiles 0-7 measured, `failing` and `short` among them."""
    areas = [scene.area(shapely.box(0, 0, 3000, 500), "a", county="K"),
             scene.area(shapely.box(3000, 0, 6000, 500), "b", county="L")]  # fmt: skip
    shapes = grid.plane.project([a.geometry for a in areas])
    road = grid.plane.project([scene.road([(0, 250), (3990, 250)]).geometry])
    tiles = area_tiles(grid, areas, shapes, Access(road, 10.0))
    runs = [
        (500 * i + 20, 250, 2, [-110.0 if i in failing else -90.0] * (20 if i in short else 100)) for i in range(8)
    ]
    levels = tile_levels(samples(scene, runs), grid)
    return judge_tiles(tiles, levels, levels.level_dbm + 100, np.full(len(levels.key), predicted), grid.side_m)


def test_what_is_measured_passed_short_and_out_of_reach(scene, grid):
    one = judged(scene, grid, failing=(2, 3), short=(7,))
    whole, k, l_ = outcomes(one, "urban", "vehicle", "both", 0.8, 0.99, 0.05, 0.95)
    assert (whole.tiles, whole.reachable, whole.measured, whole.short) == (12, 8, 7, 1)
    assert (whole.passed, whole.failed, whole.share) == (5, 2, pytest.approx(5 / 7))
    assert (k.county, k.measured, k.passed) == ("K", 6, 4) and (l_.county, l_.measured, l_.passed) == ("L", 1, 1)
    assert k.required is None and k.verdict == ""
    assert one.unreachable.sum() == 4 and not (one.unreachable & one.tiles.reachable).any()
    # of 8 reachable tiles 6 are K's and 2 are L's
    assert whole.weighted == pytest.approx((6 * 4 / 6 + 2 * 1) / 8)
    assert whole.needed == 139 and whole.verdict == "undecided"
    assert whole.lower < whole.share


def test_tiles_of_a_plan_are_a_random_draw(scene, grid):
    one = judged(scene, grid, failing=(2,))
    route, drawn = (outcomes(one, "urban", "vehicle", "both", 0.8, 0.99, 0.05, 0.95, at_random)[0]
                    for at_random in (False, True))  # fmt: skip
    assert route.lower < drawn.lower and drawn.share == route.share


@pytest.mark.parametrize(
    ("passed", "measured", "required", "verdict"),
    [
        (139, 139, 0.8, "passed"), (112, 139, 0.8, "passed"), (111, 139, 0.8, "failed"), (138, 138, 0.8, "undecided"),
        (5, 30, 0.8, "failed"), (299, 299, 1.0, "passed"), (298, 298, 1.0, "undecided"), (298, 299, 1.0, "failed"),
        (0, 0, 1.0, "undecided"), (0, 0, None, ""),
    ],
)  # fmt: skip
def test_verdicts(passed, measured, required, verdict):
    needed = needed_tiles(required, 0.99, 0.05, 0.95)
    assert verdict_of(passed, measured, required, 0.99, needed, 0.95) == verdict


def test_the_number_of_tiles_follows_from_the_prediction():
    assert needed_tiles(1.0, 0.99, 0.05, 0.95) == 299 and needed_tiles(None, 0.99, 0.05, 0.95) is None
    assert needed_tiles(0.8, 0.99, 0.02, 0.99) == 1997
    assert needed_tiles(0.98, 0.99, 0.1, 0.95) == 100  # the over-design is cut so that p stays below 1
    assert overdesign_of(0.87, 0.8) == pytest.approx(0.07) and overdesign_of(0.7, 0.8) == 0.01
    assert overdesign_of(1.0, 0.5) == 0.1 and overdesign_of(None, 0.8) == 0.03


def test_predicted_against_measured(scene, grid):
    right = judged(scene, grid, failing=(2,), predicted=0.95)
    assert contingency([right], 0.9) == Contingency(7, 1, 0, 0)
    low = judged(scene, grid, failing=(2,), predicted=0.4)
    assert contingency([low], 0.9) == Contingency(0, 0, 7, 1) and contingency([low], 0.9).agreement == 1 / 8
    (bin_,) = reliability([low])
    assert (bin_.low, bin_.high, bin_.tiles) == (0.3, 0.5, 8)
    assert (bin_.predicted, bin_.measured) == (pytest.approx(0.4), 7 / 8)
    assert contingency([right, right], 0.9) == contingency([right], 0.9)  # a tile in two targets counts once
    assert contingency([judged(scene, grid, predicted=np.nan)], 0.9).agreement is None
