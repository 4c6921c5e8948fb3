"""Speed of the propagation engine, as ratios within one run: ``python tests/benchmarks/propagation.py``."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np

from radiocov.coverage.sector import LossSettings, Transmitter, loss_raster
from radiocov.propagation import p1812, sweep
from terrain.grid import Grid

STEP_M = 30.0
RADIUS_KM = 30.0


def best_of(work: Callable[[], object], times: int = 5) -> float:
    """The least time of several, in seconds; the first call, which may compile, is not counted."""
    work()
    found = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def ground(mountains: bool, side_km: float = 2 * RADIUS_KM + 2) -> SimpleNamespace:
    """A square of ground in memory: ridged noise of some 1,000 m with land cover, or a bare plain."""
    from scipy.ndimage import gaussian_filter

    n = int(side_km * 1000 / STEP_M)
    grid = Grid("EPSG:32651", 450_000.0, 4_600_000.0, STEP_M, n, n)
    rng = np.random.default_rng(1)
    elevation = np.full((n, n), 20.0, np.float32)
    clutter = np.zeros((n, n), np.float32)
    if mountains:
        for scale, height in ((200, 700.0), (60, 250.0), (15, 60.0), (4, 10.0)):
            noise = gaussian_filter(rng.standard_normal((n, n), dtype=np.float32), scale)
            elevation += height * (1.0 - np.abs(noise) / np.abs(noise).max())
        patches = gaussian_filter(rng.standard_normal((n, n), dtype=np.float32), 10)
        clutter[patches > np.quantile(patches, 0.5)] = 15.0
    return SimpleNamespace(
        grid=grid, elevation_m=elevation, clutter_height_m=clutter, clutter_class=np.zeros((n, n), np.uint8),
        zone=np.full((n, n), 4, np.uint8), classes=[],
    )  # fmt: skip


def circle(place: SimpleNamespace, p: float, run: Callable = map, model: str = "p1812") -> Callable[[], int]:
    middle = place.grid.centre_xy(place.grid.height / 2, place.grid.width / 2)
    settings = LossSettings(model, 358.0, RADIUS_KM, 1.5, time_percent=p)

    def work() -> int:
        return int(np.isfinite(loss_raster(place, Transmitter(*middle, 50.0), settings, run)[1]).sum())

    return work


def main() -> None:
    mountains, plain = ground(True), ground(False)
    pixels = circle(mountains, 50.0)()
    print(f"One circle of {RADIUS_KM:g} km at {STEP_M:g} m: {pixels:,} pixels, complete P.1812, all in")
    seconds = {}
    for name, place in (("mountains", mountains), ("plain", plain)):
        for p in (50.0, 10.0, 1.0):
            seconds[name, p] = best_of(circle(place, p), 3)
            t = seconds[name, p]
            print(f"  {name:9s} p = {p:4.0f} %   {t:6.3f} s   {t / pixels * 1e6:6.3f} us a pixel, one thread")
    half = seconds["mountains", 50.0]
    print(f"  plain / mountains at 50 %     {seconds['plain', 50.0] / half:5.2f}   (at most 2)")
    for name in ("mountains", "plain"):
        for p in (10.0, 1.0):
            ratio = seconds[name, p] / seconds[name, 50.0]
            print(f"  p = {p:2g} % / 50 %, {name:9s}   {ratio:5.2f}   (at most 2)")
    with ThreadPoolExecutor(2) as pool:
        two = best_of(circle(mountains, 50.0, pool.map), 3)
    print(f"  one thread / two threads      {half / two:5.2f}   (at least 1.8)")

    n = int(RADIUS_KM * 1000 / STEP_M) + 1
    row = mountains.grid.height // 2
    h = mountains.elevation_m[row, row : row + n].astype(float)
    clutter = mountains.clutter_height_m[row, row : row + n].astype(float)
    zone, want, out = np.full(n, 4, np.uint8), np.ones(n, np.uint8), np.empty(n)
    q, w = sweep.workspace(n)
    step = STEP_M / 1000.0

    def whole_radial() -> None:
        sweep.radial_loss(
            h, clutter, zone, step, want, 50.0, 1.5, 0.358, 50.0, 41.0, 0.004, 45.0, 325.0, 1, q, w, out
        )

    d = np.arange(n) * step

    def one_path() -> None:
        p1812.path_loss(d, h, clutter, zone, 50.0, 1.5, 0.358, 50.0, 41.0, 45.0, 325.0, 1, 500.0, 500.0)

    swept, path = best_of(whole_radial, 20) / (n - 1), best_of(one_path, 200)
    print(f"A receiver at {RADIUS_KM:g} km: {path * 1e6:.1f} us as a path, {swept * 1e9:.0f} ns on the radial")
    print(f"  path / radial                 {path / swept:5.0f}   (at least 100)")

    itm = best_of(circle(mountains, 50.0, model="itm"), 2)
    print(f"The same circle by ITM: {itm:.2f} s, {itm / pixels * 1e6:.2f} us a pixel, one thread   (at most 2)")


if __name__ == "__main__":
    main()
