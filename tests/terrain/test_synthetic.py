"""The made-up prefecture: always the same, and built like a real one."""

import hashlib
import json

import numpy as np
import pytest
import rasterio
from shapely import Point
from shapely.geometry import shape
from shapely.ops import unary_union

from terrain.errors import TerrainError
from terrain.ground import SEA
from terrain.legend import read_legend
from terrain.load import load_ground
from terrain.sources import ElevationSource
from terrain.synthetic import make_prefecture, write_prefecture


@pytest.fixture(scope="module")
def world():
    return make_prefecture(step_m=100)


def digest(world):
    state = hashlib.sha256(np.round(world.elevation_m * 10).astype(np.int32).tobytes())
    state.update(world.landcover.tobytes())
    for row in world.areas():
        state.update(row["name"].encode() + row["geometry"].wkb)
    for road in world.roads:
        state.update(road.name_en.encode() + road.line.wkb)
    return state.hexdigest()


def test_same_seed_same_world_other_seed_another(world):
    assert digest(make_prefecture(step_m=100)) == digest(world)
    assert digest(make_prefecture(seed=5, step_m=100)) != digest(world)


def test_towns_and_roads_do_not_depend_on_the_step(world):
    coarse = make_prefecture(step_m=250)
    assert [(p.name_en, p.x, p.y, p.suburban.wkb) for p in coarse.places] == [
        (p.name_en, p.x, p.y, p.suburban.wkb) for p in world.places
    ]
    assert [r.line.wkb for r in coarse.roads] == [r.line.wkb for r in world.roads]
    # And the ground is the same ground, less the detail.
    low, high = np.percentile(world.elevation_m, [50, 99])
    assert np.percentile(coarse.elevation_m, [50, 99]) == pytest.approx([low, high], rel=0.05)


def test_ground_is_that_of_a_coastal_prefecture(world):
    assert world.grid.crs == "EPSG:32651"
    km2 = world.elevation_m.size * 0.01
    assert 8000 <= km2 <= 8500
    lon, lat = world.grid.to_lonlat(*world.grid.centre_xy(425.0, 500.0))
    assert abs(lon - 123) < 0.2 and abs(lat - 41) < 0.2
    assert world.elevation_m.dtype == np.float32 and world.elevation_m.min() == 0
    assert 1100 < world.elevation_m.max() < 1300
    tenths = world.elevation_m.astype(np.float64) * 10
    assert np.abs(tenths - np.round(tenths)).max() < 1e-3
    north_east, south_west = world.elevation_m[:200, 700:], world.elevation_m[500:700, :300]
    assert north_east.mean() > 300 > 40 > south_west.mean()
    names = {c.id: c.name for c in read_legend("radiocov")}
    share = {name: float(np.mean(world.landcover == code)) for code, name in names.items()}
    assert 0.08 < share["water"] < 0.2 and 0.3 < share["forest"] < 0.6 and 0.2 < share["crop"] < 0.5
    assert 0.02 < share["suburban"] < 0.08 and 0.008 < share["urban"] < 0.03
    assert 0.0005 < share["dense-urban"] < 0.003


@pytest.mark.parametrize("seed", [2017, 1, 2, 3])
def test_towns_counties_roads(seed):
    world = make_prefecture(seed, step_m=250)
    kinds = [p.kind for p in world.places]
    assert (kinds.count("city"), kinds.count("county"), kinds.count("township")) == (1, 6, 20)
    assert len({p.name_zh for p in world.places}) == len({p.name_en for p in world.places}) == 27
    row, col = world.grid.rowcol(np.array([p.x for p in world.places]), np.array([p.y for p in world.places]))
    on = np.round(row).astype(int), np.round(col).astype(int)
    assert (world.elevation_m[on] > 0).all()
    city = world.places[0]
    assert 55 < city.urban.area / 1e6 < 65 and city.dense.area > 4e6
    for p in world.places:
        if p.kind == "county":
            assert 7 < p.urban.area / 1e6 < 16
        assert p.suburban.is_valid and p.suburban.area > 3e5
    outlines = [p.urban for p in world.places if p.urban] + [p.suburban for p in world.places]
    assert unary_union(outlines).area == pytest.approx(sum(g.area for g in outlines), rel=1e-3)

    counties = [c.polygon for c in world.counties]
    assert len(counties) == 7
    tiled = unary_union(counties)
    assert tiled.area == pytest.approx(sum(c.area for c in counties), rel=1e-6)
    rows, cols = np.nonzero(world.elevation_m[::8, ::8] > 0)
    x, y = world.grid.centre_xy(rows * 8, cols * 8)
    inside = np.array([tiled.buffer(1).contains(Point(a, b)) for a, b in zip(x, y, strict=True)])
    assert inside.mean() > 0.998
    for p in world.places[:7]:
        assert next(c for c in world.counties if c.name_en == p.name_en).polygon.contains(Point(p.x, p.y))

    length = dict.fromkeys(("motorway", "national", "provincial"), 0.0)
    for road in world.roads:
        length[road.road_class] += road.line.length / 1000
        assert road.line.is_valid and road.line.length > 100
    assert 120 < length["motorway"] < 400
    assert 200 < length["national"] < 500
    assert 100 < length["provincial"] < 600
    network = unary_union([road.line.buffer(1) for road in world.roads])
    parts = sorted(getattr(network, "geoms", [network]), key=lambda g: g.area)
    assert parts[-1].area > 0.999 * network.area, "roads form one network"
    assert all(network.distance(Point(p.x, p.y)) < 1200 for p in world.places)

    assert len(world.key_areas) == 11 and len({k.county for k in world.key_areas}) == 7
    land = world.elevation_m > 0
    for area in world.key_areas:
        r, c = world.grid.rowcol(area.polygon.centroid.x, area.polygon.centroid.y)
        assert land[int(round(r)) - 1 : int(round(r)) + 2, int(round(c)) - 1 : int(round(c)) + 2].any()


def test_written_files_read_back(world, tmp_path):
    paths = write_prefecture(world, tmp_path)
    assert sorted(p.relative_to(tmp_path).as_posix() for p in paths) == [
        "areas.geojson",
        "counties.geojson",
        "roads.geojson",
        "terrain/elevation.tif",
        "terrain/landcover.tif",
    ]
    assert sorted(p for p in tmp_path.rglob("*") if p.is_file()) == sorted(paths)
    with rasterio.open(tmp_path / "terrain" / "elevation.tif") as dataset:
        assert dataset.tags()["RADIOCOV_SYNTHETIC"] == "yes" and dataset.units == ("metre",)
        assert (dataset.read(1) == world.elevation_m).all()
    areas = json.loads((tmp_path / "areas.geojson").read_text(encoding="utf-8"))["features"]
    assert {f["properties"]["class"] for f in areas} == {"key", "urban", "suburban"}
    for feature in areas:
        assert set(feature["properties"]) == {"class", "name", "name_zh", "city", "county"}
        outline = shape(feature["geometry"])
        assert outline.is_valid and 122 < outline.bounds[0] < 124.5 and 40 < outline.bounds[1] < 42
    roads = json.loads((tmp_path / "roads.geojson").read_text(encoding="utf-8"))["features"]
    assert {f["properties"]["class"] for f in roads} == {"motorway", "national", "provincial"}
    again = {p: p.read_bytes() for p in paths}
    write_prefecture(make_prefecture(step_m=100), tmp_path)
    assert all(p.read_bytes() == content for p, content in again.items())

    ground = load_ground(
        world.grid,
        [ElevationSource(paths[0])],
        landcover=paths[1],
        legend="radiocov",
    )
    assert ground.synthetic and ground.provenance["synthetic"]
    assert ((ground.zone == SEA) == (world.elevation_m == 0)).mean() > 0.9999
    assert (ground.elevation_m == world.elevation_m).all()


def test_refuses_odd_steps():
    for step in (30.0, 7.0, 1000.0, float("nan")):
        with pytest.raises(TerrainError, match="step_m"):
            make_prefecture(step_m=step)
