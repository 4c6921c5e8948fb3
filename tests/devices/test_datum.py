"""Chinese map datums: published vectors, the way there and back, and places outside China."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import datum
from devices.jumps import distance_m

# lat 39.915, lon 116.404 as every public implementation prints it (coordtransform's README)
PLACE = (np.array([39.915]), np.array([116.404]))
PUBLISHED = {
    datum.wgs84_to_gcj02: (39.91640428150164, 116.41024449916938),
    datum.gcj02_to_bd09: (39.92133699351021, 116.41036949371029),
}


@pytest.mark.parametrize("convert", PUBLISHED, ids=lambda f: f.__name__)
def test_published_vectors(convert):
    lat, lon = convert(*PLACE)
    assert (lat[0], lon[0]) == pytest.approx(PUBLISHED[convert], abs=1e-9)


in_china = st.tuples(st.floats(18, 53), st.floats(74, 134))


@given(place=in_china, name=st.sampled_from(["gcj02", "bd09"]))
def test_there_and_back_within_ten_centimetres(place, name):
    lat, lon = np.array([place[0]]), np.array([place[1]])
    there = datum.wgs84_to_gcj02(lat, lon)
    if name == "bd09":
        there = datum.gcj02_to_bd09(*there)
    back = datum.to_wgs84(*there, name)
    assert distance_m(lat, lon, *back)[0] < 0.1
    assert 10 < distance_m(lat, lon, *there)[0] < 2000


def test_outside_china_and_on_other_datums_nothing_moves():
    lat, lon = np.array([51.9, 41.8]), np.array([-8.3, 123.4])
    for name in ("wgs84", "cgcs2000", ""):
        assert [values.tolist() for values in datum.to_wgs84(lat, lon, name)] == [lat.tolist(), lon.tolist()]
    for name in ("gcj02", "bd09"):
        moved = datum.to_wgs84(lat, lon, name)
        assert (moved[0][0], moved[1][0]) == (51.9, -8.3) and moved[0][1] != 41.8
    assert np.isnan(datum.to_wgs84(np.array([np.nan]), np.array([np.nan]), "gcj02")[0][0])


@pytest.mark.parametrize("name", ["wgs84", "gcj02", "bd09"])
def test_back_and_forth_is_the_same_place(name):
    lat, lon = np.array([41.8, 23.1, 10.0]), np.array([123.4, 113.3, 10.0])
    found = datum.to_wgs84(*datum.from_wgs84(lat, lon, name), name)
    assert np.abs(np.array(found) - [lat, lon]).max() < 1e-7
