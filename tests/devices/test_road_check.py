"""Positions whose datum is wrong are told by the roads; those that only leave the roads are not."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from devices.datum import from_wgs84
from devices.road_check import Places

METRES = 111_195.0
#: streets of a town near Shenyang, unevenly apart so that no shift lays one upon another
STREETS = np.cumsum(np.random.default_rng(1).uniform(150, 900, 30)) / METRES


@pytest.fixture(scope="module")
def town():
    """(lat, lon) of a drive through all streets, and the distance to them."""
    scale = np.array([METRES * np.cos(np.radians(41.9)), METRES])
    end = STREETS[-1]
    lines = [shapely.LineString([(123.4, 41.8 + at), (123.4 + end, 41.8 + at)]) for at in STREETS]
    lines += [shapely.LineString([(123.4 + at, 41.8), (123.4 + at, 41.8 + end)]) for at in STREETS]
    tree = shapely.STRtree(shapely.transform(lines, lambda lonlat: lonlat * scale))

    def distance(lon, lat):
        points = shapely.points(np.stack([lon, lat], axis=1) * scale)
        return tree.query_nearest(points, return_distance=True, all_matches=False)[1]

    along = [shapely.line_interpolate_point(line, np.linspace(0, line.length, 200)) for line in lines]
    lon, lat = shapely.get_coordinates(np.concatenate(along)).T
    rng = np.random.default_rng(2)
    return lat + rng.normal(0, 5 / METRES, len(lat)), lon + rng.normal(0, 5 / METRES, len(lon)), distance


def note(lat, lon, datum, distance):
    places = Places()
    for part in np.array_split(np.arange(len(lat)), 5):
        places.add(lat[part], lon[part])
    return places.note(datum, distance)


@pytest.mark.parametrize("truth", ["gcj02", "bd09"])
def test_a_moved_datum_declared_as_wgs84_is_named(town, truth):
    lat, lon, distance = town
    found = note(*from_wgs84(lat, lon, truth), "wgs84", distance)
    assert f"--datum {truth}" in found and "if wgs84 was wrong" in found


def test_wgs84_declared_as_gcj02_is_named_too(town):
    from devices.datum import to_wgs84

    lat, lon, distance = town
    found = note(*to_wgs84(lat, lon, "gcj02"), "gcj02", distance)
    assert "--datum wgs84" in found and "if gcj02 was wrong" in found


def test_the_right_datum_a_patrol_on_foot_and_few_places_are_not_doubted(town):
    lat, lon, distance = town
    assert not note(lat, lon, "wgs84", distance)
    rng = np.random.default_rng(3)
    afoot = 41.8 + rng.uniform(0, STREETS[-1], 3000), 123.4 + rng.uniform(0, STREETS[-1], 3000)
    assert not note(*afoot, "wgs84", distance)
    parked = np.full(3000, 41.8 + STREETS[3]), np.full(3000, 123.4 + STREETS[4])
    assert not note(*from_wgs84(*parked, "gcj02"), "wgs84", distance)
    unknown = np.full(3000, np.nan)
    assert not note(unknown, unknown, "wgs84", distance)


def test_roads_that_cannot_be_read_refuse_no_log(take):
    def distance(lon, lat):
        raise ValueError("roads.gpkg: no such layer")

    lines = [f"2025-11-29T08:{at:02}:00Z,A1,{41.8 + at * 2e-3:.4f},123.4,-80" for at in range(40)]
    receipt = take("time,device_id,lat,lon,rssi_dbm\n" + "\n".join(lines) + "\n", road_distance=distance)
    assert receipt["accepted"] == 40
    assert receipt["notes"] == ["positions were not compared with the project's roads: roads.gpkg: no such layer"]
