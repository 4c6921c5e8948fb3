"""Rasters as Cloud-Optimized GeoTIFFs with provenance, and the manifests that list them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil

from radiocov.coverage.sector import Window
from radiocov.files import whole

NODATA = -9999.0
#: What compression may change a value by: 0.004 dB, or 0.00005 of probability.
MAX_ERROR = {"dBm": 0.004, "dB": 0.004, "1": 0.00005}
MANIFEST = "manifest.json"


class Rasters:
    """GeoTIFFs of one size written tile by tile, turned into COGs and given their names when all are whole.

    Each of ``layers`` is ``(file name, dtype, nodata, [(band description, unit), ...], tags)``. Used as a context:
    on an error or an interruption nothing appears.
    """

    def __init__(
        self, folder: Path, grid: Any, layers: Sequence[tuple[str, str, float, list, dict]], jobs: int = 1
    ) -> None:
        self.folder, self.grid, self.layers, self.jobs = folder, grid, layers, jobs
        self._stack = ExitStack()
        self._open: dict[str, Any] = {}

    def __enter__(self) -> Rasters:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._files = ExitStack()
            self._final = {
                name: self._files.enter_context(whole(self.folder / name)) for name, *_ in self.layers
            }
            for name, dtype, nodata, bands, tags in self.layers:
                # the working file is uncompressed: it is read once and thrown away
                partial = self._final[name].with_suffix(".work.tif")
                self._stack.callback(partial.unlink, missing_ok=True)
                dataset = rasterio.open(
                    partial, "w", driver="GTiff", width=self.grid.width, height=self.grid.height, count=len(bands),
                    dtype=dtype, crs=self.grid.crs, transform=self.grid.transform, nodata=nodata, tiled=True,
                    blockxsize=512, blockysize=512, bigtiff="if_safer",
                )  # fmt: skip
                self._stack.callback(dataset.close)
                for band, (description, unit) in enumerate(bands, start=1):
                    dataset.set_band_description(band, description)
                    dataset.set_band_unit(band, unit)
                dataset.update_tags(**{key: _tag(value) for key, value in tags.items()})
                self._open[name] = (dataset, partial)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def write(self, name: str, band: int, tile: Window, values: np.ndarray) -> None:
        dataset, _ = self._open[name]
        if values.dtype == np.float32:
            values = np.where(np.isnan(values), np.float32(NODATA), values)
        dataset.write(values, band, window=rasterio.windows.Window(tile.left, tile.top, tile.width, tile.height))

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if kind is None:
                for dataset, _ in self._open.values():
                    dataset.close()
                units = {name: bands[0][1] for name, _, _, bands, _ in self.layers}
                with ThreadPoolExecutor(self.jobs) as pool:
                    for _ in pool.map(
                        lambda name: _to_cog(self._open[name][1], self._final[name], MAX_ERROR.get(units[name])),
                        units,
                    ):
                        pass
        except BaseException as failure:
            self._stack.close()
            self._files.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._stack.close()
        self._files.__exit__(kind, error, trace)


def _to_cog(source: Path, target: Path, max_error: float | None) -> None:
    """Overviews take the nearest pixel: a mean of dBm or of server numbers would be a value that nothing has."""
    if max_error is None:
        packing = {"compress": "ZSTD", "predictor": "STANDARD"}
    else:
        packing = {"compress": "LERC_ZSTD", "MAX_Z_ERROR": max_error}
    rasterio.shutil.copy(
        source, target, driver="COG", level=1, overview_resampling="nearest", bigtiff="if_safer",
        **packing,
    )  # fmt: skip


def _tag(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def tiles(grid: Any, side: int = 512) -> list[Window]:
    """The grid cut into windows of at most side x side pixels."""
    return [
        Window(top, left, min(side, grid.height - top), min(side, grid.width - left))
        for top in range(0, grid.height, side)
        for left in range(0, grid.width, side)
    ]
