"""A made-up province through the whole engine: ground, losses, network, targets, with time and memory in one run.

``python tests/benchmarks/province.py [--whole] [--folder DIR]``. A tenth by default: 17 million pixels of 30 m and
50 sites of 35 km; whole: 170 million pixels and 500 sites. Prints what each step takes, how the losses grow with the
number of sites, what is spent around the kernels, and what a change of one site's power costs.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import math
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio
from pyproj import Transformer

CRS, STEP_M, RADIUS_KM = "EPSG:32651", 30.0, 35.0
X0, Y0 = 300_000.0, 4_800_000.0  # north-western corner
WHOLE = 13_040  # pixels a side
POLICY = """\
id = "one"
name = "One period"
[[periods]]
id = "2017"
end = 2017-12-31
"""
TARGET = """
[[targets]]
class = "{}"
measure = "{}"
service = "{}"
share = {{ 2017 = 0.9 }}
"""
COLUMNS = (
    "id", "name", "longitude", "latitude", "antenna_height_m", "power_dbm", "losses_db", "gain_dbi", "in_service",
    "status",
)  # fmt: skip

PROJECT = """\
[project]
name = "Made-up province"
[grid]
resolution_m = 30
crs = "{crs}"
extent = {extent}
margin_km = 0
[terrain]
elevation = ["terrain/elevation.tif"]
landcover = "terrain/landcover.tif"
synthetic = true
source = "synthetic relief, made for a benchmark"
voids = "sea"
[model]
radius_km = {radius}
[policy]
file = "one.toml"
[areas]
file = "areas.geojson"
[roads]
file = "roads.geojson"
[[terminals]]
id = "handheld-hip"
power_dbm = 35.0
carry_loss_db = 12.0
[[terminals]]
id = "vehicle"
power_dbm = 40.0
antenna_gain_dbi = 2.0
carry_loss_db = 1.0
[[services]]
id = "handheld-hip"
terminal = "handheld-hip"
[[services]]
id = "vehicle"
terminal = "vehicle"
"""


def make(folder: Path, side: int, sites: int) -> None:
    """Ridges of some 900 m with towns and woods; sites on a jittered lattice; counties and roads."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(7)
    n = 2048
    relief = np.full((n, n), 30.0, np.float32)
    for scale, height in ((150, 600.0), (40, 220.0), (10, 60.0), (3, 10.0)):
        noise = gaussian_filter(rng.standard_normal((n, n), dtype=np.float32), scale, mode="wrap")
        relief += height * (1.0 - np.abs(noise) / np.abs(noise).max())
    patches = gaussian_filter(rng.standard_normal((n, n), dtype=np.float32), 8, mode="wrap")
    cover = np.where(patches > np.quantile(patches, 0.95), 50, np.where(patches > np.median(patches), 10, 30))
    (folder / "terrain").mkdir(parents=True)
    transform = rasterio.Affine(STEP_M, 0, X0, 0, -STEP_M, Y0)
    for name, tile, dtype in (("elevation", relief, "float32"), ("landcover", cover.astype(np.uint8), "uint8")):
        with rasterio.open(
            folder / "terrain" / f"{name}.tif", "w", driver="GTiff", width=side, height=side, count=1, dtype=dtype,
            crs=CRS, transform=transform, tiled=True, blockxsize=512, blockysize=512, compress="ZSTD",
        ) as dataset:  # fmt: skip
            across = np.arange(side) % n
            for top in range(0, side, 512):
                rows = np.arange(top, min(top + 512, side)) % n
                dataset.write(tile[rows][:, across], 1, window=((top, top + len(rows)), (0, side)))
    to_lonlat = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    span = side * STEP_M
    corners = [to_lonlat.transform(X0 + a * span, Y0 - b * span) for a in (0.001, 0.999) for b in (0.001, 0.999)]
    lon, lat = zip(*corners, strict=True)
    extent = [round(f(v), 5) for f, v in ((max, sorted(lon)[:2]), (max, sorted(lat)[:2]), (min, sorted(lon)[2:]),
                                          (min, sorted(lat)[2:]))]  # fmt: skip
    (folder / "project.toml").write_text(PROJECT.format(crs=CRS, extent=extent, radius=RADIUS_KM))
    classes = [(name, "area", "handheld-hip") for name in ("key", "urban", "suburban")]
    classes.append(("highway", "length", "vehicle"))
    (folder / "one.toml").write_text(POLICY + "".join(TARGET.format(*one) for one in classes))
    per_side = math.ceil(math.sqrt(sites))
    with (folder / "sites.csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(COLUMNS)
        for i in range(sites):
            u, v = (np.array([i % per_side, i // per_side]) + rng.uniform(0.2, 0.8, 2)) / per_side
            x, y = X0 + (0.03 + 0.94 * u) * span, Y0 - (0.03 + 0.94 * v) * span
            a, b = to_lonlat.transform(x, y)
            values = f"{a:.6f}", f"{b:.6f}", 45, 47.0, 6.0, 9.0, "2014-01-01", "existing"
            out.writerow([f"S{i:03d}", f"Site {i}", *values])
    counties, roads = [], []
    cells = max(2, round(10 * side / WHOLE))
    for i in range(cells):
        for j in range(cells):
            ring = [to_lonlat.transform(X0 + (i + a) / cells * span, Y0 - (j + b) / cells * span)
                    for a, b in ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9), (0.1, 0.1))]  # fmt: skip
            named = {"class": ("key", "urban", "suburban")[(i + j) % 3], "name": f"Area {i}-{j}", "city": f"City {i}",
                     "county": f"County {i}-{j}"}  # fmt: skip
            counties.append({"type": "Feature", "properties": named,
                             "geometry": {"type": "Polygon", "coordinates": [ring]}})  # fmt: skip
        line = [to_lonlat.transform(X0 + t * span, Y0 - (i + 0.5 + 0.2 * math.sin(9 * t)) / cells * span)
                for t in np.linspace(0.02, 0.98, 200)]  # fmt: skip
        kind = ("motorway", "national", "provincial")[i % 3]
        roads.append({"type": "Feature", "properties": {"class": kind, "name": f"Road {i}"},
                      "geometry": {"type": "LineString", "coordinates": line}})  # fmt: skip
    for name, features in (("areas", counties), ("roads", roads)):
        (folder / f"{name}.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))


class Clock:
    """Seconds from the first to the last word of each step."""

    def __init__(self) -> None:
        self.first: dict[str, float] = {}
        self.last: dict[str, float] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.perf_counter()
        self.first.setdefault(what, now)
        self.last[what] = now

    def seconds(self, beginning: str) -> float:
        return sum(self.last[what] - self.first[what] for what in self.first if what.startswith(beginning))


@contextlib.contextmanager
def written(clock: Clock) -> Iterator[None]:
    """Adds what the rasters of a network take from the first tile to the last byte, checksums included."""
    from radiocov.coverage.states import StateWriter

    write = StateWriter._write_anew

    def timed(*given: object) -> object:
        clock("network", 0, 1)
        made = write(*given)
        clock("network", 1, 1)
        return made

    StateWriter._write_anew = timed
    try:
        yield
    finally:
        StateWriter._write_anew = write


def compute(folder: Path, out: Path, jobs: int) -> tuple[Clock, object, float]:
    from radiocov.coverage.run import CoverageRun
    from radiocov.inputs import read_inputs
    from radiocov.project import load_project

    clock = Clock()
    start = time.perf_counter()
    run = CoverageRun(read_inputs(load_project(folder)).or_raise(), folder=out, jobs=jobs, progress=clock)
    with written(clock):
        result = run.run()
    return clock, (run, result), time.perf_counter() - start


def peak_gib() -> float:
    """The most memory since the last call, on Linux; elsewhere since the start."""
    status, since = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    since.write_text("5")
    return int(peak.split()[1]) / 2**20


def main(whole: bool, folder: Path, jobs: int) -> None:
    from radiocov.cli import run as command
    from radiocov.coverage.sector import loss_raster, prepare

    side, sites = (WHOLE, 500) if whole else (round(WHOLE / math.sqrt(10)), 50)
    prepare("p1812")
    project = folder / "project"
    start = time.perf_counter()
    make(project, side, sites)
    print(f"{side:,} x {side:,} pixels of {STEP_M:g} m, {sites} sites of {RADIUS_KM:g} km, {jobs} threads "
          f"(made in {time.perf_counter() - start:.0f} s)")  # fmt: skip
    if not whole:
        few = folder / "few"
        shutil.copytree(project, few)
        lines = (few / "sites.csv").read_text().splitlines()
        (few / "sites.csv").write_text("\n".join(lines[:1] + lines[1::10]) + "\n")
        clock, _, _ = compute(few, few / "out", jobs)
        tenth = clock.seconds("computing losses")
        shutil.rmtree(few)
    clock, (run, result), total = compute(project, project / "out", jobs)
    losses, combining = clock.seconds("computing losses"), clock.seconds("combining")
    print(f"  first run, all in        {total:8.1f} s, {peak_gib():.2f} GiB at the most")
    print(f"    losses                 {losses:8.1f} s, {result.losses_computed} rasters")
    whole_network = clock.seconds("network")
    print(f"    combining              {combining:8.1f} s, {whole_network:.1f} s with files and checksums")
    if not whole:
        print(f"  losses of {sites} / {sites // 10} sites      {losses / tenth:8.1f}     (9 to 11)")
    sample = list(run.inputs.sites)[:: max(1, sites // 10)]
    start = time.perf_counter()
    for site in sample:
        loss_raster(run.losses.ground, *run.losses.place(site))
    kernels = (time.perf_counter() - start) / len(sample) * sites / jobs
    del run, result  # and their mapped ground
    around = 100.0 * (1.0 - kernels / (losses + combining))
    print(f"  kernels alone            {kernels:8.1f} s; around them {around:.0f} % of the two   (under 25)")
    lines = (project / "sites.csv").read_text().splitlines()
    middle = 1 + sites // 2
    lines[middle] = lines[middle].replace(",47.0,", ",44.0,")
    (project / "sites.csv").write_text("\n".join(lines) + "\n")
    clock, (_, result), again = compute(project, project / "out", jobs)
    changed = clock.seconds("combining")
    print(f"  power of one site changed{again:8.1f} s all in, {result.losses_computed} losses computed, "
          f"{peak_gib():.2f} GiB")  # fmt: skip
    share = f"{100 * changed / combining:.1f} % of all"
    print(f"    combining              {changed:8.1f} s, {share} (under 5 of {sites} sites); "
          f"{clock.seconds('network'):.1f} s with files and checksums")  # fmt: skip
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        assert command(["targets", str(project), "-o", str(project / "out"), "--json"]) == 0
    print(f"  targets                  {time.perf_counter() - start:8.1f} s, {peak_gib():.2f} GiB")


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--whole", action="store_true")
    asked.add_argument("--folder", type=Path)
    asked.add_argument("--jobs", type=int, default=os.cpu_count())
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        main(given.whole, given.folder or Path(temporary), given.jobs)
