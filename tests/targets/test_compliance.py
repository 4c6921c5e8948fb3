"""Shares of areas and roads against exact geometry, and the rows of the policy."""

import math
import random

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from targets.areas import Area, AreaSet, RoadSet
from targets.compliance import evaluate
from targets.errors import TargetsError
from targets.gaps import largest_gaps
from targets.output import to_json
from targets.rasterize import ArrayRasters

HALF_PIXEL_KM2 = 0.05 * 0.05 / 2


@settings(max_examples=25, deadline=None)
@given(st.floats(100, 3900), st.floats(100, 3000), st.floats(60, 3900), st.floats(60, 2900))
def test_rectangles_have_exact_shares(scene, x, y, width, height):
    found = scene.row(scene.run([scene.area(shapely.box(x, y, x + width, y + height))]))
    total = width * height / 1e6
    left = max(0, min(x + width, 4000) - x) * height / 1e6
    assert found.total == pytest.approx(total, rel=1e-6)
    assert found.share_probable * total == pytest.approx(left, abs=HALF_PIXEL_KM2)
    assert found.share_probable == pytest.approx(left / total, abs=1e-5)
    assert found.share_median == found.share_probable
    assert found.share_expected == pytest.approx((0.95 * left + 0.2 * (total - left)) / total, abs=1e-5)
    assert found.share_outside == 0


@settings(max_examples=15, deadline=None)
@given(st.floats(2000, 6000), st.floats(1500, 4500), st.floats(100, 1400))
def test_circles_have_exact_shares(scene, x, y, radius):
    found = scene.row(scene.run([scene.area(shapely.Point(x, y).buffer(radius, quad_segs=128))]))
    d = min(max((4000 - x) / radius, -1), 1)
    share = 1 - (math.acos(d) - d * math.sqrt(1 - d * d)) / math.pi
    assert found.total == pytest.approx(math.pi * radius**2 / 1e6, rel=1e-4)
    assert found.share_probable * found.total == pytest.approx(share * found.total, abs=HALF_PIXEL_KM2)
    assert found.share_probable == pytest.approx(share, abs=1e-3)


def test_the_three_shares_are_kept_apart(scene):
    margin = np.full(scene.shape, -1, dtype=np.float32)
    margin[:, :120] = 0
    found = scene.row(
        scene.run(
            [scene.area(shapely.box(0, 0, 8000, 6000))], reader=scene.rasters(scene.left_of(80), margin)
        )
    )
    assert found.share_median == pytest.approx(0.75, abs=1e-6)
    assert found.share_probable == pytest.approx(0.5, abs=1e-6)
    assert found.share_expected == pytest.approx(0.575, abs=1e-6)
    assert found.gap == pytest.approx(24, rel=1e-5)  # 100 % of 48 km2 asked, half of it there


def test_a_probability_of_exactly_q_is_enough(scene):
    exactly = np.full(scene.shape, 0.9, dtype=np.float32)
    reader = ArrayRasters(
        scene.crs, scene.transform,
        dict.fromkeys(("handheld-hip", "vehicle"), (exactly, exactly, 0.9)),
    )  # fmt: skip
    found = scene.row(scene.run([scene.area(shapely.Point(3000, 3000).buffer(1234))], reader=reader))
    assert found.share_probable == 1 and found.met and found.gap == 0


@pytest.mark.parametrize("where", ["half", "all", "uncomputed"])
def test_outside_counts_as_not_covered(scene, where):
    reader = scene.rasters(np.ones(scene.shape, dtype=bool))
    box = shapely.box(6000, 1000, 10000, 2000)
    if where == "all":
        box = shapely.box(20000, 1000, 24000, 2000)
    if where == "uncomputed":
        margin = np.full(scene.shape, 5, dtype=np.float32)
        margin[:, 100:] = np.nan
        reader = scene.rasters(np.ones(scene.shape, dtype=bool), margin)
        box = shapely.box(4000, 1000, 6000, 2000)
    found = scene.row(scene.run([scene.area(box)], reader=reader))
    outside = 1.0 if where == "all" else 0.5
    assert found.total == pytest.approx(box.area / 1e6, rel=1e-5)
    assert found.share_outside == pytest.approx(outside, abs=1e-5)
    assert found.share_probable == pytest.approx(1 - outside, abs=1e-5)
    assert found.met is False
    line = scene.road([(6000, 1500), (10000, 1500)])
    if where == "half":
        length = scene.row(scene.run([], [line], reader=reader), class_="highway")
        assert length.share_outside == pytest.approx(0.5, abs=0.01)
        assert length.share_probable == pytest.approx(0.5, abs=0.01)


def test_an_area_far_from_the_raster_counts_in_full_and_as_outside(scene):
    far = Area("far", "urban", "far", "", "", "", shapely.box(125.0, 42.0, 125.1, 42.1))
    found = scene.row(scene.run([far]))
    assert found.share_outside == 1 and found.total > 80


def test_a_point_belongs_to_its_highest_class_only(scene):
    areas = [
        scene.area(shapely.box(0, 0, 6000, 6000), "sub", "suburban"),
        scene.area(shapely.box(1000, 1000, 5000, 5000), "town", "urban"),
        scene.area(shapely.box(4000, 2000, 5500, 3000), "station", "key"),
    ]
    result = scene.run(areas)
    assert scene.row(result, class_="key").total == pytest.approx(1.5, rel=1e-5)
    assert scene.row(result, class_="urban").total == pytest.approx(15, rel=1e-5)
    assert scene.row(result, class_="suburban").total == pytest.approx(36 - 16 - 0.5, rel=1e-5)
    assert not [n for n in result.notes if "overlap" in n]


def test_overlaps_within_a_class_count_once_and_are_told(scene):
    one = scene.area(shapely.box(0, 0, 2000, 2000), "a")
    two = scene.area(shapely.box(1000, 0, 3000, 2000), "b")
    inner = scene.area(shapely.box(100, 100, 200, 200), "c")
    result = scene.run([two, inner, one])
    assert scene.row(result).total == pytest.approx(6, rel=1e-5)
    assert scene.row(result, "area", name="a").total == pytest.approx(4, rel=1e-5)
    assert scene.row(result, "area", name="b").total == pytest.approx(2, rel=1e-5)
    assert scene.row(result, "area", name="c").total == 0
    assert scene.row(result, "area", name="c").share_probable is None
    overlaps = [n for n in result.notes if "overlap" in n]
    assert overlaps[0] == "urban areas 'a' and 'b' overlap by 2.00 km2; counted once, with 'a'"


def test_neighbours_share_a_border_and_nothing_else(scene):
    result = scene.run(
        [scene.area(shapely.box(0, 0, 1033, 2000), "a"), scene.area(shapely.box(1033, 0, 3000, 2000), "b")]
    )
    assert not [n for n in result.notes if "overlap" in n]
    assert scene.row(result).total == pytest.approx(6, rel=1e-6)


def test_order_of_features_does_not_matter(scene):
    areas, roads = scene.many()
    first = scene.run(areas, roads, scene.noisy())
    random.Random(9).shuffle(areas)
    random.Random(10).shuffle(roads)
    second = scene.run(areas, roads, scene.noisy())
    assert first == second
    assert to_json(first) == to_json(second)


@pytest.mark.parametrize(("strip", "tile"), [(1, 1), (97, 7), (5000, 64)])
def test_tile_borders_do_not_matter(scene, strip, tile):
    areas, roads = scene.many()
    whole = scene.run(areas, roads, scene.noisy())
    cut = scene.run(areas, roads, scene.noisy(), strip_pixels=strip, tile=tile)
    for a, b in zip(whole.rows, cut.rows, strict=True):
        assert a.key == b.key
        for name in ("total", "share_median", "share_probable", "share_expected", "share_outside"):
            assert getattr(a, name) == pytest.approx(getattr(b, name), abs=1e-9)
    inputs = scene.policy, AreaSet(tuple(areas)), RoadSet(tuple(roads)), scene.noisy()
    gaps = [largest_gaps(*inputs, strip_pixels=n) for n in (10**6, strip)]
    assert [g.size for g in gaps[0][0]] == pytest.approx([g.size for g in gaps[1][0]], abs=1e-9)
    assert [(g.id, g.class_) for g in gaps[0][0]] == [(g.id, g.class_) for g in gaps[1][0]]


def test_rows_add_up(scene):
    areas, roads = scene.many()
    result = scene.run(areas, roads, scene.noisy())
    for target in scene.policy.targets:
        whole = scene.row(result, class_=target.class_)
        single = "area" if target.measure == "area" else "road"
        for level in ("city", "county", single) + (("member",) if target.class_ == "highway" else ()):
            rows = [r for r in result.at(level) if r.class_ == target.class_]
            if level == "county" and single == "road":
                assert rows == []
                continue
            assert sum(r.total for r in rows) == pytest.approx(whole.total, rel=1e-9)
            for share in ("share_median", "share_probable", "share_expected", "share_outside"):
                parts = sum(getattr(r, share) * r.total for r in rows if r.total)
                assert parts == pytest.approx(getattr(whole, share) * whole.total, rel=1e-6, abs=1e-6)


def test_a_road_half_covered(scene):
    result = scene.run([], [scene.road([(2000.0, 1010.0), (6000.0, 1010.0)])])
    for found in (
        scene.row(result, class_="highway"),
        scene.row(result, "member", "highway", member="motorway"),
    ):
        assert found.total == pytest.approx(4.0, rel=1e-6)
        assert found.share_probable == pytest.approx(0.5, abs=scene.size / 2 / 4000)
    assert scene.row(result, "member", "highway", member="national").share_probable is None
    assert scene.row(result, "road", "highway").name == "G1"


@settings(max_examples=20, deadline=None)
@given(st.floats(5, 7995), st.floats(5, 5995), st.floats(5, 7995), st.floats(5, 5995))
def test_lines_in_any_direction(scene, x0, y0, x1, y1):
    length = math.hypot(x1 - x0, y1 - y0) / 1000
    if length < 0.2:
        return
    found = scene.row(scene.run([], [scene.road([(x0, y0), (x1, y1)])]), class_="highway")
    low, high = sorted((x0, x1))
    share = min(max((4000 - low) / (high - low), 0), 1) if high > low else float(low < 4000)
    assert found.total == pytest.approx(length, rel=1e-5)
    if abs(x1 - x0) > 1:
        across = scene.size / 2 / 1000  # where the line leaves the covered part is known to half a pixel
        assert abs(found.share_probable - share) * length <= across


def test_both_carriageways_count_once(scene):
    there = scene.road([(1000, 1000), (7000, 1000)], oneway=True)
    back = scene.road([(7000, 1040), (1000, 1040)], oneway=True)
    alone = scene.road([(1000, 3000), (3000, 3000)], oneway=True)
    other_road = scene.road([(7000, 1050), (1000, 1050)], ref="G2", oneway=True)
    same_way = scene.road([(1000, 1020), (2000, 1020)], oneway=True, ref="G3")
    slip = scene.road([(1000, 1030), (2000, 1030)], oneway=True, ref="G3")
    two_way = scene.road([(1000, 5000), (2000, 5000)])
    result = scene.run([], [there, back, alone, other_road, same_way, slip, two_way])
    totals = {r.id: r.total for r in result.at("road")}
    assert totals["G1"] == pytest.approx(6 + 2 + 1, rel=1e-4)
    assert totals["G2"] == pytest.approx(6, rel=1e-4)
    assert totals["G3"] == pytest.approx(2, rel=1e-4)


def test_carriageways_apart_count_each(scene):
    there = scene.road([(1000, 1000), (7000, 1000)], oneway=True)
    back = scene.road([(7000, 1100), (1000, 1100)], oneway=True)
    assert scene.row(scene.run([], [there, back]), class_="highway").total == pytest.approx(12, rel=1e-5)
    half = scene.road([(4000, 1030), (1000, 1030)], oneway=True)
    assert scene.row(scene.run([], [there, half]), class_="highway").total == pytest.approx(6, abs=0.06)


def test_tunnels_are_told_and_may_be_left_out(scene):
    roads = [scene.road([(4500, 1000), (5500, 1000)], tunnel=True), scene.road([(1000, 1000), (4000, 1000)])]
    found = scene.row(scene.run([], roads), class_="highway")
    assert (found.total, found.tunnels) == pytest.approx((4, 1), rel=1e-5)
    assert found.share_probable == pytest.approx(0.75, abs=1e-3) and found.met is False
    without = scene.policy.model_copy(update={"tunnels": "leave-out"})
    found = scene.row(scene.run([], roads, policy=without), class_="highway")
    assert (found.total, found.tunnels) == pytest.approx((3, 1), rel=1e-5)
    assert found.share_probable == 1 and found.met


@pytest.mark.parametrize(
    ("period", "column", "met"),
    [("2015", 128, True), ("2015", 127, False), ("2017", 160, True), ("2017", 159, False)],
)
def test_met_is_never_rounded_up(scene, period, column, met):
    found = scene.row(
        scene.run(
            [scene.area(shapely.box(0, 0, 7999.99, 5999.99))],
            reader=scene.rasters(scene.left_of(column)),
            period=period,
        )
    )
    assert found.required == {"2015": 0.8, "2017": 1.0}[period]
    assert found.met is met
    assert found.gap == pytest.approx(0 if met else 0.3, rel=1e-2)


def test_the_policy_says_which_share_judges(scene):
    everywhere = scene.rasters(np.ones(scene.shape, dtype=bool))
    areas = [scene.area(shapely.box(0, 0, 8000, 6000))]
    for judge, met in (("probable", True), ("median", True), ("expected", False)):
        result = scene.run(areas, reader=everywhere, policy=scene.policy.model_copy(update={"judge": judge}))
        found = scene.row(result)
        assert found.met is met and result.judge == judge
        assert found.gap == pytest.approx(0 if met else 0.05 * 48, rel=1e-3, abs=1e-6)


def test_policy_rows_and_classes_without_data(scene):
    result = scene.run([scene.area(shapely.box(0, 0, 2000, 2000))])
    assert [(r.class_, r.required) for r in result.at("policy")] == [
        ("key", 1.0), ("urban", 1.0), ("suburban", 0.9), ("highway", 0.8),
    ]  # fmt: skip
    assert [r.member for r in result.at("member")] == ["motorway", "national", "provincial"]
    assert scene.row(result, class_="key").met is None and scene.row(result, class_="urban").met
    assert not result.met  # three of the four have no data
    assert "no areas of class 'key'" in result.notes and "no roads of class 'highway'" in result.notes
    assert (result.period, str(result.period_end), result.resolution_m) == ("2017", "2017-12-31", 50.0)
    assert scene.row(result).name == "Urban areas" and scene.row(result).name_zh == "城区"
    assert evaluate(scene.policy, "2015", None, None, scene.rasters(scene.left_of(80))).at("area") == []


def test_bad_calls(scene):
    reader = scene.rasters(scene.left_of(80))
    del reader.services["vehicle"]
    with pytest.raises(TargetsError, match="service 'vehicle' was not computed; known: handheld-hip"):
        scene.run(reader=reader)
    with pytest.raises(TargetsError, match="no period '2016'"):
        scene.run(period="2016")
    with pytest.raises(TargetsError, match="class 'urbn' is not in the policy; did you mean 'urban'"):
        scene.run([scene.area(shapely.box(0, 0, 2000, 2000), class_="urbn")])
    with pytest.raises(TargetsError, match="class 'lane' is not in the policy"):
        scene.run([], [scene.road([(0, 0), (10, 10)], "lane")])
    nowhere = Area("x", "urban", "x", "", "", "", shapely.box(32, 0, 34, 1))
    with pytest.raises(TargetsError, match="area 'x': too far from the raster"):
        scene.run([nowhere])


def people(scene, per_km2):
    """A density that knows every window, beyond the rasters too; per_km2: of columns left and right of the middle."""
    def density(window):
        columns = np.arange(window.col, window.col + window.width)
        return np.broadcast_to(np.where(columns < 80, *per_km2), (window.height, window.width)).astype(float)

    return density


def by_people(scene):
    measure = {"urban": "population", "highway": "length"}
    targets = [t.model_copy(update={"measure": measure.get(t.class_, "area")}) for t in scene.policy.targets]
    return scene.policy.model_copy(update={"targets": targets})


def test_a_share_of_people_weighs_pixels_by_who_lives_there(scene):
    area = [scene.area(shapely.box(2000, 1000, 6000, 2000))]
    found = scene.row(scene.run(area, policy=by_people(scene), density=people(scene, (300.0, 100.0))))
    assert found.total == pytest.approx(2 * 300 + 2 * 100, rel=1e-5) and found.measure == "population"
    assert found.share_probable == pytest.approx(0.75, abs=1e-4)  # half of the area, three quarters of the people
    assert found.gap == pytest.approx(200, rel=1e-3)
    assert scene.row(scene.run(area)).share_probable == pytest.approx(0.5, abs=1e-4)


def test_people_outside_the_rasters_are_not_covered(scene):
    area = [scene.area(shapely.box(6000, 1000, 10000, 2000))]
    reader = scene.rasters(np.ones(scene.shape, dtype=bool))
    found = scene.row(scene.run(area, reader=reader, policy=by_people(scene), density=people(scene, (0.0, 50.0))))
    assert found.total == pytest.approx(200, rel=1e-5)
    assert (found.share_outside, found.share_probable) == pytest.approx((0.5, 0.5), abs=1e-4)


def test_people_without_a_raster_of_them(scene):
    with pytest.raises(TargetsError, match=r"share of the people, and there is no population raster; .*population ="):
        scene.run([scene.area(shapely.box(0, 0, 2000, 2000))], policy=by_people(scene))


def test_areas_and_roads_wholly_outside_are_said_to_be(scene):
    far = scene.area(shapely.box(20000, 1000, 24000, 2000), "far")
    road = scene.road([(20000, 1000), (21000, 1000)], ref="G9")
    notes = scene.run([far, scene.area(shapely.box(0, 0, 500, 500), "near")], [road]).notes
    said = "lie wholly outside the computed rasters and count as not covered"
    assert f"1 areas of class 'urban' {said}: 'far'" in notes
    assert f"1 roads of class 'highway' {said}: 'G9'" in notes


def test_carriageways_that_nobody_marked_are_found_by_their_shape(scene):
    there = scene.road([(1000, 1000), (7000, 1000)])
    back = [scene.road([(1000, 1040), (4000, 1040)]), scene.road([(7000, 1040), (4000, 1040)])]
    other_road = scene.road([(1000, 1020), (7000, 1020)], ref="G2")
    crossing = scene.road([(3000, 500), (3000, 1500)])
    onward = scene.road([(7000, 1000), (7900, 1000)])
    totals = {r.id: r.total for r in scene.run([], [there, *back, other_road, crossing, onward]).at("road")}
    assert totals["G1"] == pytest.approx(6 + 1 + 0.9, rel=0.01)
    assert totals["G2"] == pytest.approx(6, rel=1e-4)
    apart = scene.run([], [there, *back], carriageway_m=30.0)
    assert scene.row(apart, class_="highway").total == pytest.approx(12, rel=1e-4)
    # where any road of the data is marked, the marks are believed
    marked = scene.road([(1000, 5000), (2000, 5000)], oneway=True, ref="G7")
    assert scene.row(scene.run([], [there, *back, marked]), class_="highway").total == pytest.approx(13, rel=1e-3)
