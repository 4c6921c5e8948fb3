"""The largest gaps, what changed between two states, and compliance as JSON, CSV and text."""

import csv
import io
import json

import numpy as np
import pytest
import shapely

from targets.areas import AreaSet, RoadSet
from targets.changes import compare
from targets.errors import TargetsError
from targets.gaps import largest_gaps
from targets.output import (
    CHANGE_COLUMNS,
    chance_text,
    change_to_dict,
    changes_as_table,
    gaps_to_dicts,
    percent,
    rows_as_table,
    to_csv,
    to_dict,
    to_json,
)
from targets.rasterize import Plane


def test_largest_gaps_of_areas(scene):
    covered = np.ones(scene.shape, dtype=bool)
    covered[10:20, 10:20] = False  # 0.25 km2
    covered[40:44, 100:120] = False  # 0.20 km2, joined to the next by an edge
    covered[44:48, 119:125] = False  # 0.06 km2
    covered[100:110, 50:60] = False  # outside every area
    areas = AreaSet((
        scene.area(shapely.box(0, 0, 4000, 4000), "west", city="C", county="D"),
        scene.area(shapely.box(4000, 0, 8000, 4000), "east", "suburban"),
    ))  # fmt: skip
    pieces, stretches = largest_gaps(scene.policy, areas, None, scene.rasters(covered))
    assert stretches == []
    assert [(g.name, g.class_, g.city, g.county) for g in pieces] == [
        ("east", "suburban", "", ""), ("west", "urban", "C", "D"),
    ]  # fmt: skip
    assert [g.size for g in pieces] == pytest.approx([0.26, 0.25], rel=1e-6)
    x, y = scene.to_lonlat.transform(pieces[1].lon, pieces[1].lat, direction="INVERSE")
    assert (x - scene.x0, scene.y0 - y) == pytest.approx((750, 750), abs=0.01)
    assert len(largest_gaps(scene.policy, areas, None, scene.rasters(covered), limit=1)[0]) == 1


def test_gaps_where_nothing_was_computed(scene):
    margin = np.full(scene.shape, 5, dtype=np.float32)
    margin[:10, :10] = np.nan
    reader = scene.rasters(np.ones(scene.shape, dtype=bool), margin)
    (gap,), _ = largest_gaps(
        scene.policy, AreaSet((scene.area(shapely.box(0, 0, 2000, 2000)),)), None, reader
    )
    assert gap.size == pytest.approx(0.25) and gap.outside == pytest.approx(0.25)


def test_the_gap_of_a_spiral_is_one_piece_whatever_the_strips(scene):
    bare = np.zeros(scene.shape, dtype=bool)
    for k in range(0, 50, 4):  # nested frames, joined at one corner after the other
        bare[k, k : scene.shape[1] - k] = bare[scene.shape[0] - 1 - k, k : scene.shape[1] - k] = True
        bare[k : scene.shape[0] - k, k] = bare[k : scene.shape[0] - k, scene.shape[1] - 1 - k] = True
        bare[k : k + 5, scene.shape[1] // 2] = True
    areas = AreaSet((scene.area(shapely.box(0, 0, 8000, 6000)),))
    for strip in (10**6, 160, 480):
        pieces, _ = largest_gaps(scene.policy, areas, None, scene.rasters(~bare), strip_pixels=strip)
        assert len(pieces) == 1
        assert pieces[0].size == pytest.approx(bare.sum() * 0.0025, rel=1e-4)


def test_largest_gaps_of_roads_run_over_lines_and_carriageways(scene):
    roads = RoadSet((
        scene.road([(3000, 1000), (5000, 1000)]),
        scene.road([(5000, 1000), (5000, 2000), (5600, 2000)]),
        scene.road([(5600, 2000), (3000, 2000)], ref="G2"),
        scene.road([(1000, 3000), (6000, 3000)], ref="G3", oneway=True),
        scene.road([(6000, 3030), (1000, 3030)], ref="G3", oneway=True),
        scene.road([(6500, 5000), (7000, 5000)], ref="G4", tunnel=True),
    ))  # fmt: skip
    _, stretches = largest_gaps(scene.policy, None, roads, scene.rasters(scene.left_of(80)))
    assert [(g.id, g.measure) for g in stretches] == [(r, "length") for r in ("G1", "G3", "G2", "G4")]
    assert [g.size for g in stretches] == pytest.approx([2.6, 2.0, 1.6, 0.5], abs=0.03)
    x, y = scene.to_lonlat.transform(stretches[1].lon, stretches[1].lat, direction="INVERSE")
    assert (x - scene.x0, scene.y0 - y) == pytest.approx((5000, 3015), abs=20)
    without = scene.policy.model_copy(update={"tunnels": "leave-out"})
    assert "G4" not in [g.id for g in largest_gaps(without, None, roads, scene.rasters(scene.left_of(80)))[1]]
    assert largest_gaps(scene.policy, None, roads, scene.rasters(np.ones(scene.shape, dtype=bool))) == (
        [],
        [],
    )


def test_changes(scene):
    areas = [scene.area(shapely.box(0, 0, 8000, 6000))]
    before = scene.run(areas, reader=scene.rasters(scene.left_of(80)), period="2015")
    after = scene.run(
        [*areas, scene.area(shapely.box(0, 0, 10, 10), "key", "key")],
        reader=scene.rasters(scene.left_of(140)),
        period="2015",
    )
    changes = {c.row.key: c for c in compare(before, after)}
    urban = changes[scene.row(after).key]
    assert urban.gain == pytest.approx(48 * 60 / 160, rel=1e-3)
    assert urban.points() == pytest.approx(60 / 160, rel=1e-3)
    assert urban.newly_met and not urban.newly_missed
    added = changes[scene.row(after, "area", "key").key]
    assert added.before is None and added.gain == 0 and added.points() is None
    back = {c.row.key: c for c in compare(after, before)}
    assert back[scene.row(after).key].newly_missed
    gone = back[scene.row(after, "area", "key").key]
    assert gone.after is None and gone.row.name == "key"
    other = scene.run(areas, policy=scene.policy.model_copy(update={"judge": "median"}))
    with pytest.raises(TargetsError, match="differ in judge: 'probable' and 'median'"):
        compare(before, other)


def test_output(scene):
    areas, roads = scene.many()
    result = scene.run(areas, roads, scene.noisy())
    data = json.loads(to_json(result))
    assert data == to_dict(result)
    assert len(data["rows"]) == len(result.rows) and data["policy"] == "liaoning"
    assert {"class", "share_median", "share_probable", "share_expected", "unit"} <= set(data["rows"][0])
    table = list(csv.DictReader(io.StringIO(to_csv(result, ("policy",)))))
    assert [r["class"] for r in table] == ["key", "urban", "suburban", "highway"]
    assert table[0]["met"] == "false" and table[3]["unit"] == "km"
    columns, rows = rows_as_table(result, lang="zh")
    assert len(rows) == 7 and all(len(r) == len(columns) for r in rows)
    assert [r[1] for r in rows] == ["重点区域", "城区", "郊区", "公路", "高速公路", "国道", "省道"]
    empty = rows_as_table(scene.run())[1][0]
    assert empty[columns.index("met")] == "" and empty[columns.index("share_median")] == ""
    pieces, _ = largest_gaps(scene.policy, AreaSet(tuple(areas)), RoadSet(tuple(roads)), scene.noisy())
    assert gaps_to_dicts(pieces)[0]["class"] in ("key", "urban", "suburban")


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (1.0, "100.0 %"),
        (0.99999, "99.9 %"),
        (0.3, "30.0 %"),
        (0.7, "70.0 %"),
        (0.29999, "29.9 %"),
        (None, ""),
    ],
)
def test_percent_rounds_down(share, text):
    assert percent(share) == text


def test_gaps_have_outlines_and_the_nearest_road(scene):
    covered = np.ones(scene.shape, dtype=bool)
    covered[10:20, 10:20] = False
    areas = AreaSet((scene.area(shapely.box(0, 0, 4000, 4000).difference(shapely.Point(550, 550).buffer(80)), "a"),))
    down, across = [(3000, 0), (3000, 4000)], [(0, 3000), (8000, 3000)]
    roads = RoadSet((scene.road(down, ref="G1"), scene.road(across, ref="G2")))
    for strip in (10**6, 480):
        (gap,), _ = largest_gaps(scene.policy, areas, roads, scene.rasters(covered), strip_pixels=strip)
        drawn = Plane(scene.rasters(covered)).project([gap.geometry])[0]
        assert gap.geometry.geom_type == "MultiPolygon" and drawn.area * 0.0025 == pytest.approx(gap.size, rel=1e-4)
        assert (gap.road, gap.road_m) == ("G1", pytest.approx(2000, abs=1))
        x, y = scene.to_lonlat.transform(gap.road_lon, gap.road_lat, direction="INVERSE")
        assert (x - scene.x0) == pytest.approx(3000, abs=0.5) and 500 <= scene.y0 - y <= 1000
    _, (road,) = largest_gaps(scene.policy, None, RoadSet((scene.road([(3000, 1000), (5000, 1000), (5000, 2000)]),)),
                              scene.rasters(scene.left_of(80)))  # fmt: skip
    drawn = Plane(scene.rasters(covered)).project([road.geometry])[0]
    assert drawn.length * 0.05 == pytest.approx(road.size, rel=1e-4) == pytest.approx(2.0, abs=0.03)
    assert (road.road_lon, road.road_lat, road.road_m) == (road.lon, road.lat, 0.0)


def test_changes_as_rows(scene):
    areas = [scene.area(shapely.box(0, 0, 8000, 6000))]
    before = scene.run(areas, reader=scene.rasters(scene.left_of(80)), period="2015")
    after = scene.run(areas, reader=scene.rasters(scene.left_of(140)), period="2017")
    changes = compare(before, after)
    urban = next(c for c in changes if c.row.key == scene.row(after).key)
    found = change_to_dict(urban, "probable")
    assert tuple(found) == tuple(c for c in CHANGE_COLUMNS if c != "gain") + ("gain",)
    assert (found["required_before"], found["required_after"]) == (0.8, 1.0)
    assert found["change"] == pytest.approx(60 / 160, rel=1e-3) and found["gain"] == pytest.approx(18, rel=1e-3)
    rows = changes_as_table(changes, "probable")
    assert rows[1][0].startswith("Urban") and rows[1][5:8] == ("+37.5", "+18.0", "km2")
    assert rows[1][-1] == "no to no"


@pytest.mark.parametrize(("value", "text"), [(None, ""), (0.0, "< 1 %"), (0.42, "42 %"), (1.0, "> 99 %")])
def test_a_chance_is_never_certainty(value, text):
    assert chance_text(value) == text
