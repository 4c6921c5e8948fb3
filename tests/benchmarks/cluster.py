"""What a task of the cluster costs beside its losses: workers on loopback against calls in this process, in one run.

``python tests/benchmarks/cluster.py [--tasks N] [--workers N]``. The tasks find their raster in the store, so that
what is measured is everything but the computing: sending, the checks of a worker, reading the raster's checksum there
and here, and the answer.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from radiocov.coverage.cluster import Cluster, Task, compute, likeness
from radiocov.coverage.sector import LossSettings, Transmitter, loss_raster
from radiocov.coverage.store import LossStore
from radiocov.files import read_json
from terrain.cache import find_or_make
from terrain.grid import Grid
from terrain.ground import ClutterClass, Ground

ROOT = Path(__file__).resolve().parents[2]
SIDE = 600  # pixels
SETTINGS = LossSettings("free-space", 358.0, 12.0, 1.5)


def level_ground(folder: Path) -> Ground:
    grid = Grid("EPSG:32651", 450_000.0, 4_600_000.0, 50.0, SIDE, SIDE)

    def make(allocate) -> Ground:
        arrays = [allocate(name, dtype) for name, dtype in (
            ("elevation_m", "float32"), ("clutter_class", "uint8"), ("clutter_height_m", "float32"),
            ("zone", "uint8"), ("elevation_source", "uint8"),
        )]  # fmt: skip
        arrays[3][:] = 4
        return Ground(grid, *arrays[:4], [ClutterClass(0, "open", "open", "开阔地", 0.0, "rural", 7.0)], {}, True)

    return find_or_make(folder / "ground", grid, "level", make, lambda *step: None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ground = level_ground(folder)
        store = LossStore(folder / "loss")
        place = Transmitter(*ground.grid.centre_xy(SIDE // 2, SIDE // 2), 40.0)
        start = time.perf_counter()
        window, loss = loss_raster(ground, place, SETTINGS)
        store.put("first", ground.grid, window, loss, {"site": "first"})
        print(f"a raster of {np.isfinite(loss).sum():,} pixels, free space: {time.perf_counter() - start:.3f} s")
        size = store.folder.joinpath("first.tif").stat().st_size
        keys = [f"{number:06d}" for number in range(given.tasks)]
        for key in keys:
            for suffix in (".tif", ".json"):
                os.link(store.folder / f"first{suffix}", store.folder / f"{key}{suffix}")
        tasks = [
            Task(str(ground.folder), ground.digest, place, SETTINGS, str(store.folder), key, {}, likeness())
            for key in keys
        ]
        start = time.perf_counter()
        for task in tasks:
            compute(task)
        here = (time.perf_counter() - start) / given.tasks
        print(f"a call in this process: {here * 1e3:.2f} ms (checksum of a raster of {size / 1e3:.0f} kB)")
        with_workers(given, folder, store, ground, place, keys, here)


def with_workers(given, folder, store, ground, place, keys, here) -> None:
    file = folder / "scheduler.json"
    common = ["--no-dashboard", "--host", "127.0.0.1", "--scheduler-file", str(file)]
    worker = "dask_worker", ["--nthreads", "1", "--no-nanny"]
    kinds = [("dask_scheduler", ["--port", "0"]), *[worker] * given.workers]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{kind}", *common, *arguments], cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for kind, arguments in kinds
    ]  # fmt: skip
    try:
        while (about := read_json(file)) is None:
            time.sleep(0.05)
        start = time.perf_counter()
        with Cluster(about["address"], store, ground, lambda: None) as cluster:
            cluster._client.wait_for_workers(given.workers)
            print(f"connecting and looking at the workers: {time.perf_counter() - start:.2f} s")
            wanted = [(key, place, SETTINGS, {"site": key}) for key in keys]
            list(cluster.losses(wanted[:20]))
            start = time.perf_counter()
            done = len(list(cluster.losses(wanted[20:])))
            each = (time.perf_counter() - start) / done
            print(f"a task of the cluster, {given.workers} workers: {each * 1e3:.2f} ms, {1 / each:.0f} a second")
            print(f"overhead against a call: {(each - here) * 1e3:.2f} ms a task, ratio {each / here:.1f}")
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
