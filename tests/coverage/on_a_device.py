"""Loss rasters of a small made-up ground on a CUDA device against the processor's: prints a JSON line a site.

Run with NUMBA_ENABLE_CUDASIM=1 it uses numba's simulator, which executes the kernels thread by thread.
"""

import json
import os
from types import SimpleNamespace

import numpy as np
from scipy.ndimage import gaussian_filter

from radiocov.coverage import gpu
from radiocov.coverage.sector import LossSettings, Transmitter, loss_raster
from terrain.grid import Grid

if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
    import numba.cuda.simulator.kernel

    # compiled functions take arrays, not the simulator's wrappers around them
    numba.cuda.simulator.kernel.FakeWithinKernelCUDAArray = lambda wrapped: wrapped._ary
    # several launches of a few radials, several batches of a few sites
    gpu.FULL = 200
    sizes = gpu._sizes
    gpu._sizes = lambda *given: (sizes(*given)[0], 2)


def made_ground(n: int = 40, step_m: float = 90.0) -> SimpleNamespace:
    rng = np.random.default_rng(3)
    grid = Grid("EPSG:32651", 450_000.0, 4_600_000.0, step_m, n, n)
    hills = gaussian_filter(rng.standard_normal((n, n)), 3) * 400.0 + 200.0
    return SimpleNamespace(
        grid=grid, elevation_m=hills.astype(np.float32), classes=[],
        clutter_height_m=np.where(rng.random((n, n)) > 0.6, 15.0, 0.0).astype(np.float32),
        clutter_class=np.zeros((n, n), np.uint8), zone=np.where(rng.random((n, n)) > 0.9, 1, 4).astype(np.uint8),
    )  # fmt: skip


def main() -> None:
    ground = made_ground()
    places = [(20.0, 20.0, 40.0, 358.0), (3.3, 31.2, 25.0, 353.0), (9.5, 9.5, 60.0, 362.0)]
    engine = gpu.LossEngine(ground)
    for percent in (50.0, 10.0):
        jobs = [
            (Transmitter(*ground.grid.centre_xy(row, col), height), LossSettings("p1812", f, 1.0, 1.5, percent))
            for row, col, height, f in places
        ]
        for number, window, loss in engine.losses(jobs):
            same_window, there = loss_raster(ground, *jobs[number])
            print(json.dumps({
                "number": number, "percent": percent, "same window": window == same_window,
                "same pixels": bool((np.isfinite(loss) == np.isfinite(there)).all()),
                "pixels": int(np.isfinite(there).sum()), "spread": float(np.nanstd(there)),
                "difference": float(np.nanmax(np.abs(loss - there))),
            }))  # fmt: skip


if __name__ == "__main__":
    main()
