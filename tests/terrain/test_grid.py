"""The project grid: indices, coordinates, automatic projection, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrain.errors import TerrainError
from terrain.grid import Grid

EXTENT = (122.5, 40.5, 123.5, 41.5)
GRID = Grid.covering(EXTENT, 50)


@given(st.floats(-0.5, GRID.height - 0.5), st.floats(-0.5, GRID.width - 0.5))
def test_index_and_coordinates_round_trip(row, col):
    x, y = GRID.centre_xy(row, col)
    assert GRID.rowcol(x, y) == pytest.approx((row, col), abs=1e-6)
    assert GRID.from_lonlat(*GRID.to_lonlat(x, y)) == pytest.approx((x, y), abs=1e-3)


@given(
    st.floats(-179, 178),
    st.floats(-78, 78),
    st.floats(0.02, 1.5),
    st.sampled_from([30.0, 50.0, 100.0, 500.0]),
)
def test_covering_holds_the_extent_on_multiples_of_the_step(lon, lat, size, step):
    extent = (lon, lat, min(lon + size, 180), lat + size / 2)
    grid = Grid.covering(extent, step)
    assert grid.x_min % step == 0 and grid.y_max % step == 0
    lons = np.linspace(extent[0], extent[2], 9)[:, None] + np.zeros(9)
    lats = np.linspace(extent[1], extent[3], 9)[None, :] + np.zeros((9, 1))
    x, y = grid.from_lonlat(lons, lats)
    x_min, y_min, x_max, y_max = grid.bounds
    slack = 1e-3
    assert (x >= x_min - slack).all() and (x <= x_max + slack).all()
    assert (y >= y_min - slack).all() and (y <= y_max + slack).all()
    assert grid.scale_error() < 0.002


def test_automatic_crs():
    assert GRID.crs == "EPSG:32651"
    assert Grid.covering((149.1, -35.9, 149.9, -35.1), 50).crs == "EPSG:32755"
    # All Liaoning reaches over two zones: one plane on its own meridian.
    wide = Grid.covering((118.8, 38.7, 125.8, 43.5), 500)
    assert "tmerc" in wide.crs and "lon_0=122.5" in wide.crs
    assert wide.scale_error() < 0.001


def test_dict_round_trip_and_first_centre():
    assert Grid.from_dict(GRID.to_dict()) == GRID
    assert GRID.rowcol(GRID.x_min + 25, GRID.y_max - 25) == (0.0, 0.0)
    assert GRID.transform.c == GRID.x_min and GRID.transform.e == -50
    with pytest.raises(TerrainError, match="exactly the keys"):
        Grid.from_dict({"crs": "EPSG:32651"})


def test_lonlat_bounds_hold_the_curved_edges():
    west, south, east, north = GRID.lonlat_bounds()
    along = np.linspace(-0.5, GRID.width - 0.5, 200)
    for row in (-0.5, GRID.height - 0.5):
        lon, lat = GRID.to_lonlat(*GRID.centre_xy(np.full(200, row), along))
        assert lon.min() >= west - 1e-9 and lon.max() <= east + 1e-9
        assert lat.min() >= south - 1e-7 and lat.max() <= north + 1e-7


@pytest.mark.parametrize(
    ("extent", "step", "crs", "message"),
    [
        (EXTENT, 50, "EPSG:4326", "not projected"),
        (EXTENT, 50, "EPSG:2229", "metres"),
        (EXTENT, 50, "nonsense", "not a coordinate system"),
        (EXTENT, 50, "EPSG:3857", "stretches distances by 3"),
        (EXTENT, 0, "auto", "resolution_m"),
        (EXTENT, float("nan"), "auto", "resolution_m"),
        ((123.5, 40.5, 122.5, 41.5), 50, "auto", "smaller first"),
        ((122.5, 40.5, 123.5), 50, "auto", "must be"),
        (EXTENT, 0.5, "auto", "larger resolution_m"),
    ],
)
def test_refusals_say_what_is_wrong(extent, step, crs, message):
    with pytest.raises(TerrainError, match=message):
        Grid.covering(extent, step, crs)
