"""Circles of complete P.1812 on a CUDA device against one thread of the processor, in one run.

``python tests/benchmarks/gpu.py [CIRCLES]``, 500 by default, 30 km at 30 m on mountains, terrain in memory.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from propagation import RADIUS_KM, STEP_M, best_of, circle, ground

from radiocov.coverage.gpu import LossEngine, NoDevice, require_device
from radiocov.coverage.sector import LossSettings, Transmitter, loss_raster


def jobs_over(place, circles: int) -> list[tuple[Transmitter, LossSettings]]:
    rng = np.random.default_rng(2)
    middle = np.array(place.grid.centre_xy(place.grid.height / 2, place.grid.width / 2))
    settings = LossSettings("p1812", 358.0, RADIUS_KM, 1.5)
    return [
        (Transmitter(*(middle + rng.uniform(-800, 800, 2)), float(rng.uniform(30, 60))), settings)
        for _ in range(circles)
    ]


def take(losses: Iterator) -> tuple[int, list]:
    """Pixels of all rasters, and the first three rasters."""
    pixels, first = 0, []
    for number, window, loss in losses:
        pixels += loss.size
        if number < 3:
            first.append((number, window, loss.copy()))
    return pixels, first


def main(circles: int) -> None:
    try:
        print(f"Device: {require_device()}")
    except NoDevice as error:
        print(f"Nothing measured: {error}")
        return
    place = ground(True)
    jobs = jobs_over(place, circles)
    engine = LossEngine(place)
    start = time.perf_counter()
    take(engine.losses(jobs[:3]))
    print(f"First use, compiling: {time.perf_counter() - start:.1f} s")
    start = time.perf_counter()
    pixels, first = take(engine.losses(jobs))
    seconds = time.perf_counter() - start
    print(f"{circles} circles of {RADIUS_KM:g} km at {STEP_M:g} m, rasters on the host: {seconds:.2f} s "
          f"({pixels / seconds / 1e6:,.0f} million pixels a second)   (500: under 10 s)")  # fmt: skip
    one = best_of(circle(place, 50.0), 3)
    print(f"  one thread / device, a circle   {one / (seconds / circles):6.0f}")
    worst = 0.0
    for number, _, loss in first:
        worst = max(worst, float(np.nanmax(np.abs(loss - loss_raster(place, *jobs[number])[1]))))
    print(f"  largest difference              {worst:.1e} dB   (at most 0.05)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
