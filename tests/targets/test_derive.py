"""Areas from land cover: the rule, what is dissolved, and outlines."""

import numpy as np
import pytest
import shapely
from rasterio.transform import Affine

from targets.derive import NONE, SUBURBAN, URBAN, Rule, built_share, classify, outlines
from targets.errors import TargetsError

PIXEL_M = 50.0


def test_the_share_is_that_of_a_circle_of_land():
    built, land = np.zeros((61, 61), bool), np.ones((61, 61), bool)
    built[:, 30:] = True
    share = built_share(built, land, 10.0)
    y, x = np.mgrid[-10:11, -10:11]
    disc = x * x + y * y <= 100
    assert share[30, 30] == pytest.approx((disc & (x >= 0)).sum() / disc.sum(), abs=1e-6)
    assert share[30, 5] == 0 and share[30, 55] == 1
    land[:, 35:] = False  # a shore
    assert built_share(built, land, 10.0)[30, 33] == pytest.approx((disc & (x >= -3) & (x < 2)).sum()
                                                                    / (disc & (x < 2)).sum(), abs=1e-6)  # fmt: skip
    assert built_share(built, np.zeros_like(land), 10.0).max() == 0


def town(radius_m, middle=(100, 100), size=200):
    y, x = np.mgrid[:size, :size]
    return np.hypot(x - middle[1], y - middle[0]) * PIXEL_M <= radius_m


def test_a_town_with_a_park_and_suburbs():
    random = np.random.default_rng(1)
    core, edge = town(2000), town(3500)
    built = core | (edge & (random.random(edge.shape) < 0.3))
    built &= ~town(150)  # a park
    classes = classify(built, np.ones_like(built), PIXEL_M, Rule())
    assert classes[100, 100] == URBAN and classes[100, 100 + 55] == SUBURBAN and classes[5, 5] == NONE
    km2 = {value: (classes == value).sum() * PIXEL_M**2 / 1e6 for value in (URBAN, SUBURBAN)}
    assert km2[URBAN] == pytest.approx(np.pi * 2.0**2, rel=0.2)
    assert km2[URBAN] + km2[SUBURBAN] == pytest.approx(np.pi * 3.5**2, rel=0.12)


def test_small_pieces_go_and_small_holes_fill():
    built = town(2000) | town(250, (20, 20))
    rule = Rule(radius_m=100, urban=0.5, suburban=0.5, smallest_km2=1.0)
    built &= ~town(400)
    classes = classify(built, np.ones_like(built), PIXEL_M, rule)
    assert classes[20, 20] == NONE and classes[100, 100] == URBAN
    assert classify(built, np.ones_like(built), PIXEL_M, Rule(100, 0.5, 0.5, 0.1))[20, 20] == URBAN


def test_outlines_share_their_borders():
    built = town(2000) | (town(3500) & (np.random.default_rng(1).random((200, 200)) < 0.3))
    classes = classify(built, np.ones_like(built), PIXEL_M, Rule())
    pieces = outlines(classes, Affine(PIXEL_M, 0, 500000, 0, -PIXEL_M, 4600000))
    assert [name for name, _ in pieces] == ["suburban", "urban"]
    (_, around), (_, core) = pieces
    assert around.is_valid and core.is_valid
    assert shapely.intersection(around, core).area < 1e-6
    assert core.area == pytest.approx((classes == URBAN).sum() * PIXEL_M**2, rel=0.02)
    assert outlines(np.zeros((5, 5), np.uint8), Affine.identity()) == []


@pytest.mark.parametrize(("urban", "suburban"), [(0.1, 0.2), (0.5, 0.0), (1.2, 0.2)])
def test_rules_that_are_none(urban, suburban):
    with pytest.raises(TargetsError, match="give 0 < suburban <= urban <= 1"):
        Rule(urban=urban, suburban=suburban)
