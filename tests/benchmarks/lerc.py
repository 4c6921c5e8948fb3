"""A block of 512 by 512 noisy values into LERC, by our kernel and by GDAL's library, in one run.

``python tests/benchmarks/lerc.py``
"""

from __future__ import annotations

import time

import numpy as np
import rasterio
from rasterio.io import MemoryFile

from radiocov.coverage import lerc

ERROR = 0.004


def by_gdal(values: np.ndarray) -> int:
    height, width = values.shape
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", width=width, height=height, count=1, dtype="float32", tiled=True, blockxsize=width,
            blockysize=height, compress="LERC", MAX_Z_ERROR=ERROR, transform=rasterio.Affine(2, 0, 0, 0, -2, 0),
        ) as dataset:  # fmt: skip
            dataset.write(values, 1)
        return len(memory.getbuffer())


def ns_a_value(work, values: np.ndarray) -> float:
    best = np.inf
    for _ in range(20):
        start = time.thread_time()
        work(values)
        best = min(best, time.thread_time() - start)
    return 1e9 * best / values.size


if __name__ == "__main__":
    block = np.random.default_rng(0).normal(-90.0, 12.0, (512, 512)).astype(np.float32)
    ours = lerc.encode(block, ERROR)
    mine, theirs = ns_a_value(lambda v: lerc.encode(v, ERROR), block), ns_a_value(by_gdal, block)
    print(f"ours {mine:.1f} ns a value, {len(ours):,} bytes; GDAL {theirs:.1f} ns, {by_gdal(block):,} bytes with "
          f"its file's header; {theirs / mine:.1f} times faster")  # fmt: skip
