"""What targets lack, against what judging says of the same rasters."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from targets.areas import AreaSet, RoadSet
from targets.missing import missing

BAND = {"median": "share_median", "probable": "share_probable", "expected": "share_expected"}


def features(scene):
    areas = [
        scene.area(shapely.box(-500, 300, 3000, 2500), "across the edge", "urban"),
        scene.area(shapely.box(2500, 1000, 5200, 4000), "B", "suburban"),  # overlaps the first, which goes before
        scene.area(shapely.Point(4200, 3000).buffer(700), "K", "key"),
    ]
    roads = [
        scene.road([(100, 5000), (7000, 4200)], "motorway", "G1", oneway=True),
        scene.road([(7000, 4230), (100, 5030)], "motorway", "G1", oneway=True),
        scene.road([(3000, 200), (3000, 5900)], "national", "G2"),
        scene.road([(5000, 200), (5000, 1900)], "national", "G2", tunnel=True),
        scene.road([(7000, 100), (9500, 100)], "provincial", "S3"),  # leaves the rasters
    ]
    return areas, roads


@pytest.mark.parametrize("judge", BAND)
@settings(max_examples=8)
@given(seed=st.integers(0, 1000))
def test_what_is_there_and_what_is_missing_add_up_as_judged(scene, judge, seed):
    rng = np.random.default_rng(seed)
    margin = rng.normal(0, 6, scene.shape).astype(np.float32)
    margin[rng.random(scene.shape) < 0.1] = np.nan
    probability = (1 / (1 + np.exp(-margin / 3))).astype(np.float32)
    bands = margin, probability, 0.9
    reader = type(scene.rasters(scene.left_of(80)))(
        scene.crs, scene.transform, {"handheld-hip": bands, "vehicle": bands}
    )
    policy = scene.policy.model_copy(update={"judge": judge})
    areas, roads = features(scene)
    judged = scene.run(areas, roads, reader, policy=policy)
    found = missing(policy, "2017", AreaSet(tuple(areas)), RoadSet(tuple(roads)), reader, strip_pixels=3000)
    assert [t.target.class_ for t in found] == ["key", "urban", "suburban", "highway"]
    for lacking in found:
        row = scene.row(judged, class_=lacking.target.class_)
        assert lacking.total == pytest.approx(row.total, rel=1e-9)
        assert lacking.achieved == pytest.approx(getattr(row, BAND[judge]) * row.total, rel=1e-6)
        assert lacking.needed == pytest.approx(row.gap, rel=1e-6, abs=1e-6) and row.gap > 0
        # everything on the rasters that is not served is among the places, with its weight
        on = row.total * (1 - outside(scene, lacking.target.class_, row))
        assert lacking.total - lacking.outside == pytest.approx(on, rel=2e-3)
        there = lacking.achieved + float((lacking.weight * (1 - lacking.value)).sum())
        # roads are cut at the edge to half a pixel; an expected share leaves out what is as good as served
        exact = judge != "expected" and lacking.target.measure == "area"
        assert there == pytest.approx(on, rel=1e-6 if exact else 2e-3)
        assert ((lacking.row >= 0) & (lacking.row < scene.shape[0])).all()
        assert ((lacking.col >= 0) & (lacking.col < scene.shape[1])).all()


def outside(scene, class_, row):
    """Part of a class beyond the edge of the rasters, from the drawing."""
    return {"urban": 500 / 3500, "highway": 1.5 / row.total}.get(class_, 0.0)


def test_a_target_that_is_met_needs_nothing(scene):
    reader = scene.rasters(scene.left_of(999))
    areas, roads = features(scene)
    found = missing(scene.policy, "2017", AreaSet(tuple(areas[1:])), RoadSet(tuple(roads[:3])), reader)
    assert [t.needed for t in found if t.total] == [0.0] * 3 and all(len(t.row) == 0 for t in found)
