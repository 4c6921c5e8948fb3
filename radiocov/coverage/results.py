"""Reading what a coverage run left: rasters of a state by tile, with their provenance."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.windows import Window

from radiocov.files import read_json
from radiocov.problems import Problem, ProjectError
from terrain.grid import Grid

MANIFEST = "manifest.json"  # of a run, and of each of its states
BANDS = {"talk-out": 1, "talk-in": 2, "both": 3}


@dataclass
class StateResults:
    """The rasters of one network state. Reads what `targets` asks for, in each service's own direction."""

    folder: Path
    manifest: dict[str, Any]

    def __post_init__(self) -> None:
        self.grid = Grid.from_dict(self.manifest["grid"])
        self._datasets: dict[tuple[str, int], Any] = {}

    @property
    def crs(self) -> str:
        return self.grid.crs

    @property
    def transform(self) -> Any:
        return self.grid.transform

    @property
    def shape(self) -> tuple[int, int]:
        return self.grid.shape

    @property
    def services(self) -> dict[str, float]:
        """Service id -> the probability from which a pixel counts as served."""
        return {s["id"]: s["probability"] for s in self.manifest["services"]}

    def direction(self, service: str) -> str:
        return next(s["direction"] for s in self.manifest["services"] if s["id"] == service)

    def read(self, service: str, band: str, window: Any) -> np.ndarray:
        """``margin_db`` or ``probability`` of a service in its direction; NaN where nothing was computed."""
        name = {"margin_db": "margin", "probability": "probability"}[band]
        return self.band(f"{name}_{service}.tif", BANDS[self.direction(service)], window)

    def band(self, name: str, number: int, window: Any = None, shape: tuple[int, int] | None = None) -> np.ndarray:
        """A band, or the window ``(row, col, height, width)`` of it; floats with NaN for nodata.

        ``shape`` asks for a smaller picture of the whole, nearest pixels.
        """
        dataset = self._dataset(name)
        part = None if window is None else Window(window.col, window.row, window.width, window.height)
        values = dataset.read(number, window=part, out_shape=shape)
        if values.dtype == np.float32:
            values[values == np.float32(dataset.nodata)] = np.nan
        return values

    def _dataset(self, name: str) -> Any:
        # a rasterio dataset belongs to one thread
        key = name, threading.get_ident()
        if key not in self._datasets:
            try:
                self._datasets[key] = rasterio.open(self.folder / name)
            except rasterio.errors.RasterioIOError as error:
                raise ProjectError(
                    Problem(str(self.folder.name), name, "cannot be read", "run `radiocov coverage` again")
                ) from error
        return self._datasets[key]

    def close(self) -> None:
        for dataset in self._datasets.values():
            dataset.close()
        self._datasets.clear()


def open_state(folder: Path, state: str) -> StateResults:
    """The results of a state. ProjectError where it has not been computed."""
    manifest = read_json(folder / state / MANIFEST)
    if manifest is None:
        there = computed_states(folder)
        have = f"there are {', '.join(there)}" if there else "nothing has been computed"
        raise ProjectError(
            Problem(folder.name, state, f"there is no coverage of this state; {have}", "run `radiocov coverage`")
        )
    return StateResults(folder / state, manifest)


def computed_states(folder: Path) -> list[str]:
    """Names of the states whose rasters are there, in order."""
    manifest = read_json(folder / MANIFEST) or {}
    return [s["state"] for s in manifest.get("states", []) if (folder / s["state"] / MANIFEST).is_file()]
