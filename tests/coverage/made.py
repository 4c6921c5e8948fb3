"""Small made-up projects, and a path-by-path calculation that knows nothing of the sweep."""

import dataclasses
import datetime as dt
import functools
import hashlib
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import rasterio
from scipy.ndimage import map_coordinates

from radiocov.coverage.sector import Window
from radiocov.demo import demo_sites
from radiocov.inputs import read_inputs
from radiocov.network import Site, write_sites
from radiocov.project import load_project
from radiocov.propagation import p1812
from terrain.synthetic import make_prefecture, write_prefecture

ROOT = Path(__file__).resolve().parents[2]
# Signals are as in an interactive shell: a test run in the background would hand down an ignored SIGINT.
START = """\
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from radiocov.cli import main
main()
"""
SITES = (
    "LT01", "LT02", "LT03", "LT04", "LT05", "CS01", "CS02", "CS04", "TW01", "TW05", "TW08", "TW10", "TW12", "TW20",
)  # fmt: skip

# --- projects -------------------------------------------------------------------------------------------

SMALL = """\
[project]
name = "Small test network"

[grid]
resolution_m = {resolution}
crs = "EPSG:32651"
extent = [122.6, 40.72, 123.3, 41.12]

[terrain]
elevation = ["terrain/elevation.tif"]
landcover = "terrain/landcover.tif"
legend = "radiocov"
source = "synthetic relief, made for a test"

[model]
name = "p1812"
radius_km = 15
frequency_mhz = 358

[[terminals]]
id = "handheld-hip"
power_dbm = 35.0
carry_loss_db = 12.0
threshold_dbm = -111.0

[[terminals]]
id = "vehicle"
power_dbm = 40.0
antenna_gain_dbi = 2.0
carry_loss_db = 1.0
threshold_dbm = -111.0

[areas]
file = "areas.geojson"

[roads]
file = "roads.geojson"

[policy]
file = "liaoning"
"""

FLAT = """\
[project]
name = "Flat test network"

[grid]
resolution_m = 50
crs = "EPSG:32651"
extent = [125.8, 40.87, 126.2, 41.13]

[terrain]
elevation = ["terrain/elevation.tif"]

[model]
name = "free-space"
radius_km = 12
frequency_mhz = 358
model_error_db = 7.3

[[terminals]]
id = "vehicle"
height_m = 1.5
power_dbm = 40.0
antenna_gain_dbi = 2.0
carry_loss_db = 1.0
threshold_dbm = -70.0

[[services]]
id = "vehicle"
terminal = "vehicle"
direction = "both"

[base]
threshold_dbm = -78.0
diversity_gain_db = 3.0

[policy]
file = "one.toml"
"""

ONE_PERIOD = """\
id = "one"
name = "One period"
[[periods]]
id = "2017"
end = 2017-12-31
[[targets]]
class = "urban"
measure = "area"
service = "vehicle"
share = { 2017 = 0.5 }
"""


def sector_pattern() -> tuple[np.ndarray, np.ndarray]:
    """(360,) attenuations by azimuth and by depression of a sector antenna, smooth enough to tell a degree."""
    around = (np.arange(360.0) + 180.0) % 360.0 - 180.0
    horizontal = np.minimum(12.0 * (around / 65.0) ** 2, 25.0)
    vertical = np.minimum(12.0 * ((around - 2.0) / 18.0) ** 2, 20.0)
    return np.round(horizontal, 3), np.round(vertical, 3)


def write_sector(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    horizontal, vertical = sector_pattern()
    lines = ["NAME test sector", "FREQUENCY 358", "GAIN 12 dBi", "HORIZONTAL 360"]
    lines += [f"{a} {v:.3f}" for a, v in enumerate(horizontal)]
    lines += ["VERTICAL 360", *(f"{a} {v:.3f}" for a, v in enumerate(vertical))]
    (folder / "sector.msi").write_text("\n".join(lines) + "\n")


def site(key: str, lon: float, lat: float, **given) -> Site:
    values = {
        "antenna_height_m": 40.0, "power_dbm": 47.0, "losses_db": 6.0, "antenna": "", "gain_dbi": 9.0,
        "azimuth_deg": 0.0, "tilt_deg": 0.0, "frequency_mhz": None, "in_service": dt.date(2014, 1, 1),
        "status": "existing",
    }  # fmt: skip
    return Site(id=key, name=key, lon=lon, lat=lat, **{**values, **given})


@dataclasses.dataclass
class Loss:
    """A loss raster in memory, read in parts as those of the store are."""

    window: Window
    loss_db: np.ndarray

    def read(self, part):
        top, left = part.top - self.window.top, part.left - self.window.left
        return self.loss_db[top : top + part.height, left : left + part.width]


@functools.lru_cache(maxsize=2)
def world(step_m: float = 250.0):
    return make_prefecture(step_m=step_m)


def small_project(folder: Path, resolution: float = 500.0, sites: int = len(SITES)) -> Path:
    """A corner of the made-up prefecture with a few of the demo's sites, one of them a sector."""
    write_prefecture(world(), folder)
    write_sector(folder / "antennas")
    known = {s.id: s for s in demo_sites(world())}
    chosen = [known[key] for key in SITES[:sites]]
    chosen[1] = dataclasses.replace(
        chosen[1], antenna="sector.msi", gain_dbi=12.0, azimuth_deg=120.0, tilt_deg=4.0
    )
    strongest = {"antenna_height_m": 100.0, "power_dbm": 60.0, "in_service": dt.date(2013, 1, 1)}
    chosen.append(site("CA99", 122.95, 40.92, status="candidate", **strongest))
    write_sites(folder / "sites.csv", chosen)
    (folder / "project.toml").write_text(SMALL.format(resolution=resolution))
    return folder


def flat_project(folder: Path, sites: list[Site]) -> Path:
    """Level ground 3 degrees off its zone's meridian, where the grid's north is 2 degrees off; free space."""
    (folder / "terrain").mkdir(parents=True)
    with rasterio.open(
        folder / "terrain" / "elevation.tif", "w", driver="GTiff", width=60, height=45, count=1, dtype="float32",
        crs="EPSG:4326", transform=rasterio.Affine(0.01, 0, 125.7, 0, -0.01, 41.2), nodata=-9999,
    ) as dataset:  # fmt: skip
        dataset.write(np.full((45, 60), 100.0, np.float32), 1)
    write_sector(folder / "antennas")
    write_sites(folder / "sites.csv", sites)
    (folder / "one.toml").write_text(ONE_PERIOD)
    (folder / "project.toml").write_text(FLAT)
    return folder


def inputs_of(folder: Path):
    return read_inputs(load_project(folder)).or_raise()


def edit(path: Path, old: str, new: str, times: int = 1) -> None:
    """Replace text in a file that has to hold it."""
    text = path.read_text(encoding="utf-8-sig")
    assert text.count(old) >= 1, f"{old!r} is not in {path.name}"
    path.write_text(text.replace(old, new, times), encoding="utf-8")


# --- files and processes ----------------------------------------------------------------------------------


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def digests(folder: Path, pattern: str = "**/*.tif") -> dict[str, str]:
    """sha256 of the files under their final names, by their place in a folder."""
    return {
        path.relative_to(folder).as_posix(): digest(path)
        for path in sorted(folder.glob(pattern))
        if path.is_file() and not path.name.startswith(".")
    }


def temporaries(folder: Path) -> list[str]:
    return [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and (".part" in path.name or ".work" in path.name or path.name.startswith("."))
    ]


def snapshot(folder: Path) -> dict[str, tuple[int, str]]:
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, digest(path) if path.is_file() else "")
        for path in sorted(folder.rglob("*"))
    }


def start(*arguments: object) -> subprocess.Popen:
    """The command line in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    return subprocess.Popen(
        [sys.executable, "-c", START, *map(str, arguments)], env=environment, text=True, encoding="utf-8",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def finish(process: subprocess.Popen, timeout: float = 240.0) -> tuple[int, str, str]:
    """(exit code, stdout, stderr)."""
    try:
        out, err = process.communicate(timeout=timeout)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    return process.returncode, out, err


# --- path by path -----------------------------------------------------------------------------------------


def profile_along(ground, row0: float, col0: float, row1: float, col1: float, count: int):
    """(height, clutter, zone) at count + 1 equally spaced points: bilinear heights, nearest pixel's classes."""
    t = np.arange(count + 1) / count
    at = np.array([row0 + t * (row1 - row0), col0 + t * (col1 - col0)])
    height = map_coordinates(ground.elevation_m.astype(np.float64), at, order=1, mode="nearest")
    edge = np.array(ground.grid.shape)[:, None] - 1
    r, c = np.clip(np.floor(at + 0.5).astype(int), 0, edge)
    return height, ground.clutter_height_m[r, c].astype(np.float64), ground.zone[r, c]


def loss_along(ground, settings, height_m: float, row0: float, col0: float, row1: float, col1: float, count: int):
    """P.1812 between two points of a grid (fractional pixels) over a profile of ``count`` equal steps, dB."""
    grid = ground.grid
    h, clutter, zone = profile_along(ground, row0, col0, row1, col1, count)
    clutter[0] = clutter[-1] = 0.0  # terminals stand on bare ground
    length_km = math.hypot(row1 - row0, col1 - col0) * grid.resolution_m / 1000.0
    d = np.arange(count + 1) / count * length_km
    _, latitude = grid.to_lonlat(*grid.centre_xy(0.5 * (row0 + row1), 0.5 * (col0 + col1)))
    sea = np.flatnonzero(zone == 1)
    to_coast = (d[sea[0]], length_km - d[sea[-1]]) if sea.size else (500.0, 500.0)
    return p1812.path_loss(
        d, h, clutter, zone, height_m, settings.receiver_height_m, settings.frequency_mhz / 1000.0,
        settings.time_percent, float(latitude), settings.delta_n, settings.n0,
        1 if settings.polarization == "vertical" else 0, *map(float, to_coast),
    )  # fmt: skip


def exact_loss(ground, settings, height_m: float, row0: float, col0: float, row: int, col: int) -> float:
    """From a transmitter to the centre of a pixel, in equal steps of one pixel or slightly less."""
    count = max(1, math.ceil(math.hypot(row - row0, col - col0) - 1e-9))
    return loss_along(ground, settings, height_m, row0, col0, row, col, count)


def spread(difference: np.ndarray) -> str:
    """The figures of a comparison, dB."""
    size = np.abs(difference)
    return (
        f"{size.size} pixels: median |difference| {np.median(size):.3f} dB, mean {difference.mean():+.3f} dB, "
        f"95th percentile {np.percentile(size, 95):.3f} dB, largest {size.max():.3f} dB"
    )
