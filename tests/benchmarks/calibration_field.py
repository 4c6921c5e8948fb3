"""The residual field in the map: what it costs on large rasters and in the combination of a network, in one run.

``python tests/benchmarks/calibration.py field [--whole]``, or this file by itself. Prints

- how long the covariance of 100,000 residuals takes, and making them ready (half of them not heard);
- the field of one site on a raster of 100 million pixels (10 million without --whole), with cells every 30 m along
  roads every 5 km, tile by tile on two threads;
- combining a network with calibration against without, from kept losses to encoded blocks, where no road, some roads
  and every road of it was driven.
"""

from __future__ import annotations

import argparse
import datetime as dt
import resource
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from radiocov.calibration.field import fit_field, settle
from radiocov.calibration.model import BELOW, Calibration, Effect, Field, Residuals
from radiocov.coverage.calibrated import MapCalibration
from radiocov.coverage.cog import BLOCK, encode
from radiocov.coverage.field_tiles import FieldTiles
from radiocov.coverage.layers import asked_of, layers_of, tile_layers
from radiocov.coverage.network import Antenna, Server
from radiocov.coverage.sector import Window
from radiocov.coverage.store import LossStore
from radiocov.network import Site
from radiocov.project import Project
from terrain.grid import Grid
from terrain.ground import ClutterClass, Ground

STEP_M, CRS = 30.0, "EPSG:32651"
FIELD = Field(common_db=4.0, own_db=4.0, nugget_db=4.0, range_m=800.0)


def roads(extent_m: float, apart_m: float, spacing_m: float, site: int, seed: int) -> tuple[np.ndarray, ...]:
    """(x, y, site, residual) of cells along a lattice of roads; residuals without correlation cost the same."""
    along = np.arange(0.0, extent_m, spacing_m)
    across = np.arange(0.5 * apart_m, extent_m, apart_m)
    a, b = (m.ravel() for m in np.meshgrid(along, across))
    x, y = np.r_[a, b], np.r_[b, a]
    return x, y, np.full(len(x), site), np.random.default_rng(seed).normal(0, 6, len(x))


def fitting() -> None:
    x, y, _, value = roads(60_000.0, 4_000.0, 18.0, 0, 1)
    count = min(100_000, len(x))
    site = np.random.default_rng(2).integers(0, 30, count)
    x, y, value = x[:count], y[:count], value[:count]
    smooth = 4.0 * np.sin(x / 900.0) * np.cos(y / 1100.0) + value * 0.7
    kind = np.where(smooth < np.median(smooth), BELOW, 0)
    for name, censored in (("all heard", np.zeros(count, int)), ("half not heard", kind)):
        level = np.where(censored, np.median(smooth), smooth)
        start = time.perf_counter()
        field = fit_field(x, y, site, level, np.ones(count), censored)
        middle = time.perf_counter()
        settle(FIELD, x, y, site, level, np.ones(count), censored, tuple(map(str, range(30))), CRS)
        end = time.perf_counter()
        print(f"{count:,} residuals, {name}: covariance {middle - start:.1f} s ({field}), "
              f"made ready {end - middle:.1f} s")  # fmt: skip


def raster(pixels: int) -> None:
    side = int(np.sqrt(pixels))
    grid = Grid(CRS, 300_000.0, 4_800_000.0, STEP_M, side, side)
    x, y, site, value = roads(side * STEP_M, 5_000.0, STEP_M, 0, 3)
    residuals = Residuals(grid.x_min + x, grid.y_max - y, site, value, np.ones(len(x)), ("A",), CRS)
    tiles = FieldTiles(_calibration(["open"], {}, residuals), grid)
    windows = _windows(side)
    tiles.of(0, windows[0])  # compiled
    start = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda window: tiles.of(0, window)[0][0].size, windows))
    spent = time.perf_counter() - start
    whole = 1e8 / side**2 * spent
    print(f"field of one site over {side**2:,} pixels, {len(x):,} cells, a node every {tiles.step} pixels: "
          f"{spent:.1f} s; 100 million would take {whole:.0f} s (the aim is 300)")  # fmt: skip


def _windows(side: int) -> list[Window]:
    return [Window(top, left, min(BLOCK, side - top), min(BLOCK, side - left))
            for top in range(0, side, BLOCK) for left in range(0, side, BLOCK)]  # fmt: skip


def _calibration(classes: list[str], sites: dict[str, Effect], residuals: Residuals | None) -> Calibration:
    values = {"offset_db": -4.0, "slope_db_per_decade": -3.0, "excess": -0.1, "height_db_per_decade": 1.0}
    fixed = {name: Effect(v, 0.1, 1000) for name, v in values.items()}
    size = len(fixed) + len(classes) + len(sites)
    return Calibration(
        fixed, 0.01 * np.eye(size), {c: Effect(1.0, 0.1, 100) for c in classes}, sites, {},
        {c: Effect(7.0, 0.1, 100) for c in classes}, 3.0, 2.0, 5.0, FIELD, residuals,
        validity={"distance_km": [0.1, 20.0], "classes": classes, "frequency_mhz": 358.0},
    )  # fmt: skip


def combination(store: LossStore, sites: int = 30, side: int = 2048) -> None:
    grid = Grid(CRS, 300_000.0, 4_800_000.0, STEP_M, side, side)
    random = np.random.default_rng(4)
    classes = [ClutterClass(n, name, name, name, h, "rural", 7.0)
               for n, (name, h) in enumerate((("open", 0.0), ("trees", 12.0), ("urban", 15.0)))]  # fmt: skip
    kind = random.integers(0, 3, (side, side)).astype(np.uint8)
    flat = np.zeros((side, side), np.float32)
    zone = np.full((side, side), 4, np.uint8)
    ground = Ground(grid, flat, kind, flat + 5.0, zone, classes, {}, True, digest="made")
    project = Project.model_validate({
        "project": {"name": "benchmark"},
        "services": [{"id": "hip", "terminal": "handheld-hip"}, {"id": "vehicle", "terminal": "vehicle"}],
    })  # fmt: skip
    whole, servers = Window(0, 0, side, side), []
    rows, cols = np.mgrid[:side, :side]
    cut = np.zeros(360)
    for n in range(sites):
        row, col = random.integers(0, side, 2)
        km = np.maximum(np.hypot(rows - row, cols - col) * STEP_M / 1000, 0.03)
        loss = (110.0 + 38.0 * np.log10(km) + random.normal(0, 3, (side, side))).astype(np.float32)
        x, y = grid.centre_xy(row, col)
        site = Site(id=f"S{n}", name="", lon=123.0, lat=41.0, antenna_height_m=40.0, power_dbm=44.0, gain_dbi=2.0,
                    losses_db=2.0, antenna="", azimuth_deg=0.0, tilt_deg=0.0, frequency_mhz=None,
                    in_service=dt.date(2014, 1, 1), status="existing")  # fmt: skip
        kept = store.put(site.id, grid, whole, loss, {})
        servers.append(Server(site, float(x), float(y), Antenna(40.0, 0.0, 0.0, cut, cut, kept)))
    asked = asked_of(project, ground)
    windows = _windows(side)

    def spent(calibration: MapCalibration | None) -> float:
        used = servers if calibration is None else [calibration.corrected(s) for s in servers]

        layers = layers_of(project, used, {}, calibration is not None)

        def tile(window: Window) -> None:
            arrays = tile_layers(project, ground, used, asked, window, 1.5, calibration)
            for layer in layers:
                encode(layer, arrays[layer.name])

        tile(windows[0])  # compiled
        best = np.inf
        for _ in range(2):
            start = time.perf_counter()
            with ThreadPoolExecutor(2) as pool:
                for _ in pool.map(tile, windows):
                    pass
            best = min(best, time.perf_counter() - start)
        return best

    plain = spent(None)
    print(f"combining {sites} sites over {side**2:,} pixels: {plain:.2f} s without calibration")
    measured = {s.site.id: Effect(1.0, 0.5, 100) for s in servers}
    names = [c.name for c in classes]
    for name, heard, apart in (("no field", 0, 0.0), ("roads every 10 km, 3 sites heard on each", 3, 10_000.0),
                               ("roads every 3 km, 8 sites heard on each", 8, 3_000.0)):  # fmt: skip
        parts = [roads(side * STEP_M, apart, STEP_M, n, 5 + n) for n in range(heard)]
        residuals = None
        if parts:
            x, y, site, value = (np.concatenate(part) for part in zip(*parts, strict=True))
            residuals = Residuals(grid.x_min + x, grid.y_max - y, site, value, np.ones(len(x)),
                                  tuple(measured), CRS)  # fmt: skip
        made = _calibration(names, measured, residuals)
        took = spent(MapCalibration(replace(made), project, ground))
        cells = 0 if residuals is None else len(residuals)
        print(f"  calibrated, {name} ({cells:,} cells): {took:.2f} s, {took / plain:.2f} times as long")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--whole", action="store_true", help="100 million pixels instead of 10 million")
    options = parser.parse_args(arguments)
    fitting()
    raster(100_000_000 if options.whole else 10_000_000)
    with tempfile.TemporaryDirectory() as folder:
        combination(LossStore(Path(folder)))
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
