"""A small plane of 160 x 120 pixels of 50 m on which tests draw areas and roads in metres."""

import random
from types import SimpleNamespace

import numpy as np
import pyproj
import pytest
import shapely

from targets.areas import Area, AreaSet, Road, RoadSet
from targets.compliance import evaluate
from targets.policy import load_policy
from targets.rasterize import ArrayRasters

CRS, SIZE, X0, Y0 = "EPSG:32651", 50.0, 500000.0, 4600000.0
HEIGHT, WIDTH = 120, 160
TO_LONLAT = pyproj.Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
POLICY = load_policy("liaoning")


def lonlat(shape):
    """A shape in metres right of and below the corner of the rasters, in longitude and latitude."""

    def move(xy):
        return np.column_stack(TO_LONLAT.transform(X0 + xy[:, 0], Y0 - xy[:, 1]))

    return shapely.transform(shapely.segmentize(shape, 200), move)


def area(shape, name="A", class_="urban", city="", county=""):
    return Area(f"{class_}/{name}", class_, name, "", city, county, lonlat(shape))


def road(points, class_="motorway", ref="G1", oneway=False, tunnel=False, city="", name=""):
    return Road(class_, name, ref, city, "", oneway, tunnel, lonlat(shapely.LineString(points)))


def rasters(covered, margin=None, shape=(HEIGHT, WIDTH)):
    """Rasters where service probability is 0.95 where `covered`, else 0.2; margin likewise +5 or -5 dB."""
    probability = np.broadcast_to(np.where(covered, np.float32(0.95), np.float32(0.2)), shape)
    if margin is None:
        margin = np.broadcast_to(np.where(covered, np.float32(5), np.float32(-5)), shape)
    bands = (margin, probability, 0.9)
    return ArrayRasters(CRS, (SIZE, 0, X0, 0, -SIZE, Y0), {"handheld-hip": bands, "vehicle": bands})


def left_of(column):
    return np.arange(WIDTH)[None, :] < column


def run(areas=(), roads=(), reader=None, period="2017", policy=POLICY, **options):
    reader = reader or rasters(left_of(80))
    return evaluate(policy, period, AreaSet(tuple(areas)), RoadSet(tuple(roads)), reader, **options)


def row(result, level="policy", class_="urban", **fields):
    found = [r for r in result.at(level) if r.class_ == class_]
    found = [r for r in found if all(getattr(r, key) == value for key, value in fields.items())]
    assert len(found) == 1
    return found[0]


def many():
    rng = random.Random(4)
    areas = []
    for i in range(30):
        x, y, r = rng.uniform(0, 8000), rng.uniform(0, 6000), rng.uniform(30, 900)
        city = rng.choice(["沈阳市", "大连市"])
        shape = shapely.Point(x, y).buffer(r, quad_segs=rng.randint(1, 9))
        areas.append(area(shape, f"a{i}", rng.choice(["key", "urban", "suburban"]), city, rng.choice("KL")))
    roads = []
    for i in range(25):
        points = [(rng.uniform(-500, 8500), rng.uniform(-500, 6500)) for _ in range(rng.randint(2, 5))]
        class_ = rng.choice(["motorway", "national", "provincial"])
        roads.append(road(points, class_, f"G{i % 6}", rng.random() < 0.5, rng.random() < 0.2, "沈阳市"))
    return areas, roads


def noisy(seed=1):
    rng = np.random.default_rng(seed)
    probability = rng.random((HEIGHT, WIDTH)).astype(np.float32)
    margin = rng.normal(0, 8, (HEIGHT, WIDTH)).astype(np.float32)
    margin[rng.random(margin.shape) < 0.05] = np.nan
    bands = (margin, probability, 0.5)
    return ArrayRasters(CRS, (SIZE, 0, X0, 0, -SIZE, Y0), {"handheld-hip": bands, "vehicle": bands})


@pytest.fixture(scope="session")
def scene() -> SimpleNamespace:
    """The plane and what draws on it, for the files of this folder."""
    return SimpleNamespace(
        crs=CRS, size=SIZE, x0=X0, y0=Y0, shape=(HEIGHT, WIDTH), transform=(SIZE, 0, X0, 0, -SIZE, Y0),
        to_lonlat=TO_LONLAT, policy=POLICY, area=area, road=road, rasters=rasters, left_of=left_of, run=run,
        row=row, many=many, noisy=noisy,
    )  # fmt: skip
