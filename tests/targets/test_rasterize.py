"""The share of a pixel inside a polygon, against exact geometry."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from targets.errors import TargetsError
from targets.rasterize import ArrayRasters, Plane, Window, coverage, edges_of, strips

# a millionth of a pixel is the finest step: exact geometry itself fails on subnormal numbers
number = st.integers(-6_000_000, 26_000_000).map(lambda n: n / 1e6)
WINDOW = Window(0, 0, 20, 20)


def exact(shape, window=WINDOW) -> np.ndarray:
    row, col, height, width = window
    rows, cols = np.mgrid[row : row + height, col : col + width]
    return shapely.area(shapely.intersection(shapely.box(cols, rows, cols + 1, rows + 1), shape))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(number, number), min_size=3, max_size=9))
def test_any_polygon(points):
    shape = shapely.make_valid(shapely.Polygon(points))
    parts = [p for p in shapely.get_parts(shape) if p.geom_type == "Polygon"]
    parts = [q for p in parts for q in shapely.get_parts(p)]
    shape = shapely.unary_union(parts)
    if shape.area < 1e-6:
        return
    np.testing.assert_allclose(coverage(edges_of(shape), WINDOW), exact(shape), atol=1e-7)


@settings(max_examples=40, deadline=None)
@given(number, number, st.floats(0.1, 12), st.floats(0.05, 0.95))
def test_rings_and_many_parts(x, y, radius, hole):
    ring = shapely.Point(x, y).buffer(radius).difference(shapely.Point(x, y).buffer(radius * hole))
    far = shapely.box(x + 13, y - 2, x + 15.5, y + 3.25)
    shape = shapely.MultiPolygon([ring, far])
    np.testing.assert_allclose(coverage(edges_of(shape), WINDOW), exact(shape), atol=1e-8)


@settings(max_examples=30, deadline=None)
@given(st.integers(-3, 22), st.integers(-3, 22), st.integers(1, 9), st.integers(1, 9))
def test_whole_pixels_are_exactly_one(x, y, width, height):
    shape = shapely.box(x, y, x + width, y + height)
    found = coverage(edges_of(shape), WINDOW)
    assert set(np.unique(found)) <= {0.0, 1.0}
    assert found.sum() == shape.intersection(shapely.box(0, 0, 20, 20)).area


@pytest.mark.parametrize("strip", [1, 7, 40, 133, 10_000])
def test_strips_do_not_matter(strip):
    shape = shapely.Point(31.3, 24.7).buffer(22.2).difference(shapely.Point(30, 30).buffer(5))
    window = Window(2, 9, 46, 46)
    whole = coverage(edges_of(shape), window)
    found = [coverage(edges_of(shape), part) for part in strips(window, strip)]
    np.testing.assert_allclose(np.concatenate(found), whole, atol=1e-12)
    assert whole.sum() == pytest.approx(shape.area, rel=1e-12)


def test_strips_of_nothing():
    assert list(strips(Window(0, 0, 0, 5), 10)) == []
    assert list(strips(Window(0, 5, 5, 0), 10)) == []


def rasters(shape=(40, 60), size=100.0, crs="EPSG:32651"):
    array = np.zeros(shape, dtype=np.float32)
    return ArrayRasters(crs, (size, 0, 500000, 0, -size, 4600000), {"s": (array, array, 0.9)})


def test_plane_there_and_back():
    plane = Plane(rasters())
    lon, lat = plane.lonlat(12.5, 7.25)
    (point,) = plane.project([shapely.Point(lon, lat)])
    assert (point.x, point.y) == pytest.approx((12.5, 7.25), abs=1e-6)
    assert plane.window((-5, -5, 3.2, 100)) == Window(0, 0, 40, 4)
    assert plane.window((70, 2, 80, 3)).width == 0


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        ("EPSG:4326", (0.1, 0, 120, 0, -0.1, 42)),
        ("EPSG:32651", (100, 0, 500000, 0, 100, 4600000)),
        ("EPSG:32651", (100, 0, 500000, 0, -50, 4600000)),
        ("EPSG:32651", (100, 5, 500000, 5, -100, 4600000)),
    ],
)
def test_rasters_that_are_no_grid_of_a_project(crs, transform):
    array = np.zeros((4, 4), dtype=np.float32)
    with pytest.raises(TargetsError, match="not north-up with square pixels in projected metres"):
        Plane(ArrayRasters(crs, transform, {"s": (array, array, 0.9)}))


def test_nodata_is_read_as_nan():
    array = np.array([[-9999, 1]], dtype=np.float32)
    reader = ArrayRasters("EPSG:32651", (1, 0, 0, 0, -1, 0), {"s": (array, array, 0.9)}, nodata=-9999)
    np.testing.assert_array_equal(reader.read("s", "margin_db", Window(0, 0, 1, 2)), [[np.nan, 1]])
    with pytest.raises(ValueError, match="differ in shape"):
        ArrayRasters("EPSG:32651", (1, 0, 0, 0, -1, 0), {"s": (array, array[:, :1], 0.9)})
