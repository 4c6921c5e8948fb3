"""How long compliance takes, and how much memory: python tests/benchmarks/targets_compliance.py [--whole]

Polygons and roads made up at random over a raster on disk: a tenth of a province by default, with --whole 3,000
polygons and 60,000 km of roads over 170 million pixels of 30 m, which should stay under 60 s and 2 GiB. Also the
coverage of intervals by simulation, for longer than a test may: --intervals.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pyproj
import rasterio
import rasterio.windows
import shapely

from targets.areas import Area, AreaSet, Road, RoadSet
from targets.compliance import evaluate
from targets.gaps import largest_gaps
from targets.policy import load_policy
from targets.proportions import block_interval, exact_interval
from targets.spread import ErrorModel

os.environ.setdefault("GDAL_CACHEMAX", "128")  # MiB, as radiocov sets it
CRS, PIXEL_M, X0, Y0 = "EPSG:32651", 30.0, 250000.0, 4800000.0
TO_LONLAT = pyproj.Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
WHOLE = {"side": 13_040, "polygons": 3000, "roads_km": 60_000}


def write_rasters(folder: str, side: int) -> None:
    """Margin and probability: patches of coverage some kilometres across, in compressed tiles."""
    random = np.random.default_rng(1)
    coarse = np.kron(random.normal(8, 9, (side // 100 + 2, side // 100 + 2)).astype(np.float32), np.ones((10, 10)))
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 1, "dtype": "float32", "crs": CRS,
               "transform": rasterio.Affine(PIXEL_M, 0, X0, 0, -PIXEL_M, Y0), "tiled": True, "blockxsize": 512,
               "blockysize": 512, "compress": "ZSTD", "zstd_level": 1}  # fmt: skip
    with (
        rasterio.open(f"{folder}/margin_db.tif", "w", **profile) as margins,
        rasterio.open(f"{folder}/probability.tif", "w", **profile) as probabilities,
    ):
        for top in range(0, side, 512):
            rows = np.arange(top, min(side, top + 512))
            margin = coarse[np.ix_(rows // 10, np.arange(side) // 10)].astype(np.float32)
            margin = np.round(margin + random.normal(0, 2, margin.shape).astype(np.float32), 2)
            window = rasterio.windows.Window(0, top, side, len(rows))
            margins.write(margin, 1, window=window)
            probabilities.write((1 / (1 + np.exp(-1.7 * margin / 7.5))).astype(np.float32).round(4), 1, window=window)


class Reader:
    """What `evaluate` reads, from the files."""

    def __init__(self, folder: str) -> None:
        self.bands = {name: rasterio.open(f"{folder}/{name}.tif") for name in ("margin_db", "probability")}
        first = self.bands["margin_db"]
        self.crs, self.shape, self.transform = CRS, first.shape, tuple(first.transform)[:6]
        self.services = {"handheld-hip": 0.9, "vehicle": 0.9}

    def read(self, service: str, band: str, window) -> np.ndarray:
        part = rasterio.windows.Window(window.col, window.row, window.width, window.height)
        return self.bands[band].read(1, window=part)


def lonlat(shape):
    return shapely.transform(shape, lambda xy: np.column_stack(TO_LONLAT.transform(xy[:, 0], xy[:, 1])))


def scene(side: int, polygons: int, roads_km: float) -> tuple[AreaSet, RoadSet]:
    """Polygons that tile the square in a lattice of wobbly outlines; roads that wander through it."""
    random = np.random.default_rng(2)
    metres = side * PIXEL_M
    across = int(np.ceil(np.sqrt(polygons)))
    cell = metres / across
    areas = []
    for i in range(polygons):
        x, y = X0 + (i % across + 0.5) * cell, Y0 - (i // across + 0.5) * cell
        angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
        radius = cell * 0.48 * (1 + 0.15 * np.cumsum(random.normal(0, 0.05, 400)) * np.sin(angle / 2))
        ring = np.column_stack([x + radius * np.cos(angle), y + radius * np.sin(angle)])
        class_ = ("suburban", "suburban", "urban", "key")[i % 4]
        shape = shapely.make_valid(shapely.Polygon(ring))
        areas.append(Area(str(i), class_, f"a{i}", "", f"c{i % 14}", f"k{i % 100}", lonlat(shape)))
    roads, length = [], 0.0
    while length < roads_km * 1000:
        steps = random.normal(0, 0.25, 300).cumsum()
        start = random.random(2) * metres
        xy = start + np.cumsum(np.column_stack([np.cos(steps), np.sin(steps)]) * 200, axis=0)
        xy = np.abs(xy)
        xy = metres - np.abs(metres - xy)
        line = shapely.LineString(np.column_stack([X0 + xy[:, 0], Y0 - xy[:, 1]]))
        length += line.length
        n = len(roads)
        class_ = ("motorway", "national", "provincial")[n % 3]
        ref, place = f"{class_[0]}{n // 9}", (f"c{n % 14}", f"k{n % 100}")
        roads.append(Road(class_, "", ref, *place, False, False, lonlat(line)))
    return AreaSet(tuple(areas)), RoadSet(tuple(roads))


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def compliance(share: float) -> None:
    side = int(WHOLE["side"] * np.sqrt(share))
    with tempfile.TemporaryDirectory() as folder:
        with ProcessPoolExecutor(1) as other:  # so that its memory is not counted
            other.submit(write_rasters, folder, side).result()
        reader = Reader(folder)
        areas, roads = scene(side, int(WHOLE["polygons"] * share), WHOLE["roads_km"] * share)
        print(f"{side * side / 1e6:.0f} million pixels, {len(areas.areas)} polygons, {len(roads.roads)} roads; "
              f"{peak_mib():.0f} MiB before")  # fmt: skip
        policy = load_policy("liaoning")
        error = ErrorModel(0.17, 0.79)
        for name, work in (
            ("shares", lambda: evaluate(policy, "2017", areas, roads, reader)),
            ("shares with intervals", lambda: evaluate(policy, "2017", areas, roads, reader, error=error)),
            ("largest gaps with outlines", lambda: largest_gaps(policy, areas, roads, reader)),
        ):
            start = time.perf_counter()
            work()
            took = time.perf_counter() - start
            print(f"{name}: {took:.1f} s, {took / share:.0f} s for the whole by its share; peak {peak_mib():.0f} MiB")


def intervals(trials: int = 400) -> None:
    """How often intervals at 90 % hold the truth: random tiles, and runs of neighbours along a route."""
    random = np.random.default_rng(3)
    n, hits = 128, {"random tiles, exact": 0, "random tiles, blocks": 0, "routes, exact": 0, "routes, blocks": 0}
    rows, cols = np.mgrid[:n, :n]
    spectrum = np.fft.fft2(np.exp(-np.hypot(np.minimum(rows, n - rows), np.minimum(cols, n - cols)) / 3)).real.clip(0)
    for _ in range(trials):
        field = np.fft.ifft2(np.sqrt(spectrum) * np.fft.fft2(random.normal(size=(n, n)))).real
        passed = field > -1.0
        truth = passed.mean()
        pick = random.choice(n * n, 200, replace=False)
        runs = [(random.integers(n), random.integers(n - 10)) for _ in range(20)]
        r = np.repeat([a for a, _ in runs], 10)
        c = np.concatenate([np.arange(b, b + 10) for _, b in runs])
        found = {
            "random tiles, exact": exact_interval(int(passed.ravel()[pick].sum()), 200, 0.9),
            "random tiles, blocks": block_interval(passed.ravel()[pick], (pick // n) // 4 * n + pick % n // 4, 0.9),
            "routes, exact": exact_interval(int(passed[r, c].sum()), 200, 0.9),
            "routes, blocks": block_interval(passed[r, c], np.repeat(np.arange(20), 10), 0.9),
        }
        for name, (low, high) in found.items():
            hits[name] += low <= truth <= high
    for name, count in hits.items():
        print(f"{name}: {100 * count / trials:.1f} % of {trials} intervals at 90 % hold the truth")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--whole", action="store_true", help="the size of a province")
    parser.add_argument("--intervals", action="store_true", help="only the coverage of intervals")
    options = parser.parse_args()
    if options.intervals:
        intervals()
    else:
        compliance(1.0 if options.whole else 0.1)
