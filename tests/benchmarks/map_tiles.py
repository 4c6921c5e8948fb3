"""Tiles of the viewing service from a province-sized run: ``python tests/benchmarks/map_tiles.py [--side 13040]``.

Makes tiled rasters with overviews of made-up levels (minutes; --folder keeps them), opens them anew for every tile
(cold: no decoded block is kept, the system's file cache is) and once for all (warm), and prints the median, the 95th
percentile and the slowest time over random tiles of zoom 6 to 14.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import Resampling

from radiocov.coverage.results import open_state
from radiocov.maps import render
from radiocov.maps.tiles import tile_png
from terrain.grid import Grid

SERVERS, STRIP = 500, 512
LAYERS = ("level", "server", "coverage:vehicle:both", "margin:vehicle:both", "change:vehicle:both")
LIMIT_MS = 150.0


def write_province(folder: Path, side: int) -> Grid:
    grid = Grid("EPSG:32651", 300_000.0, 4_800_000.0, 30.0, side, side)
    rng = np.random.default_rng(1)
    masts = rng.uniform(0, side, (SERVERS, 2)).astype(np.float32)
    files = {"level_dbm": ("float32", 1), "best_server": ("uint16", 1), "margin_vehicle": ("float32", 3),
             "probability_vehicle": ("float32", 3)}  # fmt: skip
    for state in ("2015", "2017"):
        (folder / state).mkdir(parents=True)
        profile = {"driver": "GTiff", "width": side, "height": side, "crs": grid.crs, "transform": grid.transform,
                   "tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "predictor": 2,
                   "bigtiff": "yes"}  # fmt: skip
        opened = {
            name: rasterio.open(folder / state / f"{name}.tif", "w", dtype=dtype, count=bands,
                                nodata=-9999 if dtype == "float32" else 0, **profile)
            for name, (dtype, bands) in files.items()
        }  # fmt: skip
        for top in range(0, side, STRIP):
            rows = np.arange(top, min(top + STRIP, side))
            arrays = strip(rows, side, masts, 6.0 if state == "2017" else 0.0, rng)
            window = rasterio.windows.Window(0, top, side, len(rows))
            for name, file in opened.items():
                file.write(arrays[name], window=window)
        for name, file in opened.items():
            file.close()
            with rasterio.open(folder / state / f"{name}.tif", "r+") as again:
                again.build_overviews([2**i for i in range(1, 6)], Resampling.nearest)
        (folder / state / "manifest.json").write_text(json.dumps(manifest(grid, state)))
    (folder / "manifest.json").write_text(json.dumps({"states": [{"state": s} for s in ("2015", "2017")]}))
    return grid


def strip(rows: np.ndarray, side: int, masts: np.ndarray, stronger_db: float, rng) -> dict[str, np.ndarray]:
    """Levels that fall with the distance to the nearest of the masts around, with grain as terrain makes it."""
    near = np.flatnonzero(abs(masts[:, 0] - rows.mean()) < 1500)
    cols = np.arange(0, side, 8, dtype=np.float32)
    coarse = rows[::8].astype(np.float32)
    best = np.full((len(coarse), len(cols)), np.inf, np.float32)
    server = np.zeros(best.shape, np.uint16)
    for number in near:
        d = np.hypot(coarse[:, None] - masts[number, 0], cols[None] - masts[number, 1])
        closer = d < best
        best[closer], server[closer] = d[closer], number + 1
    level = -50 - 35 * np.log10(1 + best / 20) + stronger_db
    level = np.repeat(np.repeat(level, 8, 0), 8, 1)[: len(rows), :side]
    level = (level + rng.normal(0, 3, level.shape)).astype(np.float32)
    server = np.repeat(np.repeat(server, 8, 0), 8, 1)[: len(rows), :side]
    margin = np.stack([level + 112, level + 109, level + 109]).astype(np.float32)
    return {"level_dbm": np.round(level, 2)[None], "best_server": server[None], "margin_vehicle": np.round(margin, 2),
            "probability_vehicle": np.round(np.clip(0.5 + margin * 0.04, 0, 1), 4).astype(np.float32)}  # fmt: skip


def manifest(grid: Grid, state: str) -> dict:
    service = {"id": "vehicle", "label": "Vehicle", "label_zh": "", "terminal": "vehicle", "direction": "both",
               "probability": 0.9}  # fmt: skip
    return {"state": state, "date": f"{state}-12-31", "key": state, "computed": "2026-01-01", "grid": grid.to_dict(),
            "servers": [f"S{i}" for i in range(1, SERVERS + 1)], "services": [service],
            "provenance": {"synthetic": True}}  # fmt: skip


def random_tiles(grid: Grid, count: int) -> list[tuple[int, int, int]]:
    chance, found = random.Random(1), []
    for _ in range(count):
        z = chance.randint(6, 14)
        place = grid.centre_xy(chance.uniform(0, grid.height), chance.uniform(0, grid.width))
        lon, lat = (float(v) for v in grid.to_lonlat(*place))
        y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
        found.append((z, int((lon + 180) / 360 * 2**z), int(y * 2**z)))
    return found


def told(name: str, seconds: list[float]) -> float:
    ms = np.array(seconds) * 1000
    p95 = float(np.percentile(ms, 95))
    print(f"{name:34s} p50 {np.percentile(ms, 50):6.1f} ms   p95 {p95:6.1f} ms   slowest {ms.max():6.1f} ms")
    return p95


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=13_040, help="pixels of 30 m a side")
    parser.add_argument("--tiles", type=int, default=60, help="random tiles of each layer")
    parser.add_argument("--folder", type=Path, help="keep the rasters here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="radiocov-tiles-") as scratch:
        folder = (options.folder or Path(scratch)) / "out"
        if not (folder / "manifest.json").is_file():
            start = time.perf_counter()
            write_province(folder, options.side)
            print(f"{options.side} x {options.side} pixels made in {time.perf_counter() - start:.0f} s")
        results = open_state(folder, "2017")
        tiles = random_tiles(results.grid, options.tiles)
        start = time.perf_counter()
        render.palette_of(results, render.Layer("level"))
        render.server_table(results)
        print(f"steps and hues, once a run: {time.perf_counter() - start:.1f} s")
        worst = 0.0
        for layer in LAYERS:
            cold, warm = [], []
            for place in tiles:
                fresh = open_state(folder, "2017")
                start = time.perf_counter()
                tile_png(fresh, layer, *place)
                cold.append(time.perf_counter() - start)
                fresh.close()
            for place in tiles:
                start = time.perf_counter()
                tile_png(results, layer, *place)
                warm.append(time.perf_counter() - start)
            worst = max(worst, told(f"{layer}, cold", cold))
            told(f"{layer}, warm", warm)
        print(f"p95 cold against the limit of {LIMIT_MS:.0f} ms: {worst / LIMIT_MS:.2f}")


if __name__ == "__main__":
    main()
