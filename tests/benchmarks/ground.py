"""Time and memory of preparing the ground of a province, and of finding it prepared.

    python tests/benchmarks/ground.py [DEM] [MEGAPIXELS] [STEP_M]

DEM: a raster, folder or pattern; default the real 30" Liaoning beside the project. Land cover is made up at the
grid's step in the size that WorldCover would have after resampling, so that its reading is part of the figure.
"""

from __future__ import annotations

import math
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import rasterio

from terrain.density import Density
from terrain.grid import Grid
from terrain.load import load_ground
from terrain.sources import ElevationSource

ROOT = Path(__file__).resolve().parents[2]
MB = 1024**2


class Peak:
    """The largest share of memory that is the process's own; mapped files, which the system can let go of, not."""

    def __enter__(self) -> Peak:
        self.bytes, self._stop = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            status = Path("/proc/self/status").read_text()
            self.bytes = max(self.bytes, int(status.split("RssAnon:")[1].split()[0]) * 1024)

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def made_cover(path: Path, grid: Grid) -> Path:
    """Codes of WorldCover in patches of some hundred metres."""
    rng = np.random.default_rng(1)
    patches = rng.choice([10, 30, 40, 40, 50, 60, 80], (grid.height // 16 + 1, grid.width // 16 + 1)).astype(np.uint8)
    with rasterio.open(
        path, "w", driver="GTiff", width=grid.width, height=grid.height, count=1, dtype="uint8", crs=grid.crs,
        transform=grid.transform, tiled=True, compress="deflate",
    ) as out:  # fmt: skip
        for top in range(0, grid.height, 512):
            rows = np.arange(top, min(top + 512, grid.height)) // 16
            codes = np.repeat(patches[rows], 16, axis=1)[:, : grid.width]
            out.write(codes, 1, window=((top, top + len(rows)), (0, grid.width)))
    return path


def timed(what: str, work) -> float:
    with Peak() as peak:
        start = time.perf_counter()
        work()
        seconds = time.perf_counter() - start
    print(f"{what:34s} {seconds:8.1f} s   own memory at most {peak.bytes / MB:6.0f} MiB")
    return seconds


def main() -> None:
    dem = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared/data/dem/liaoning_dted0_30arcsec.tif"
    pixels = float(sys.argv[2]) * 1e6 if len(sys.argv) > 2 else 170e6
    step = float(sys.argv[3]) if len(sys.argv) > 3 else 30.0
    half = math.sqrt(pixels) * step / 2
    middle_lat, middle_lon = 41.0, 122.5
    lat, lon = half / 111_200, half / 111_200 / math.cos(math.radians(middle_lat))
    grid = Grid.covering((middle_lon - lon, middle_lat - lat, middle_lon + lon, middle_lat + lat), step)
    count = grid.width * grid.height
    area = count * step**2 / 1e6
    print(f"{grid.width} x {grid.height} pixels of {step:g} m: {count / 1e6:.0f} million, {area:,.0f} km2")
    with tempfile.TemporaryDirectory() as folder:
        cover = made_cover(Path(folder) / "cover.tif", grid)

        def load(density: Density | None) -> None:
            load_ground(
                grid, [ElevationSource(dem)], voids="sea", landcover=cover, density=density,
                cache=Path(folder) / "ground",
            )  # fmt: skip

        cold = timed("prepared", lambda: load(None))
        warm = timed("found prepared", lambda: load(None))
        timed("prepared, with density", lambda: load(Density()))
        kept = sum(p.stat().st_size for p in (Path(folder) / "ground").rglob("*.npy")) / 2
    print(f"found prepared: {cold / warm:.0f} times as fast; {kept / MB:.0f} MiB kept, {kept / count:.1f} B a pixel")
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"largest resident size {largest:.0f} MiB, mapped files included")


if __name__ == "__main__":
    main()
