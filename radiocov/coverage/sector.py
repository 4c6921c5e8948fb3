"""Basic transmission loss from one transmitter to every pixel within reach: one loss raster."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from radiocov.coverage import polar
from radiocov.propagation import freespace, hata, itm
from terrain.grid import Grid
from terrain.ground import ClutterClass, Ground

KM_PER_DEGREE = math.pi * 6371.0 / 180.0
CHUNK = 256  # radials a task


class GroundLike(Protocol):
    grid: Any
    elevation_m: np.ndarray
    clutter_class: np.ndarray
    clutter_height_m: np.ndarray
    zone: np.ndarray
    classes: list[Any]


@dataclass(frozen=True)
class Transmitter:
    """A place that radiates: metres of the grid's plane, height above ground. Powers and patterns come later."""

    x: float
    y: float
    height_m: float


@dataclass(frozen=True)
class LossSettings:
    """What a loss raster depends on beside place and ground."""

    model: str
    frequency_mhz: float
    radius_km: float
    receiver_height_m: float
    time_percent: float = 50.0
    polarization: str = "vertical"
    delta_n: float = 45.0
    n0: float = 325.0

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Window:
    """Part of the grid: rows top..top+height, columns left..left+width."""

    top: int
    left: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


def window_of(grid: Any, transmitter: Transmitter, radius_km: float) -> Window | None:
    """The pixels of the grid that can lie within reach; None where the circle misses the grid."""
    row0, col0 = grid.rowcol(transmitter.x, transmitter.y)
    reach = radius_km * 1000.0 / grid.resolution_m + 1.0
    top, bottom = max(0, math.floor(row0 - reach)), min(grid.height, math.ceil(row0 + reach) + 1)
    left, right = max(0, math.floor(col0 - reach)), min(grid.width, math.ceil(col0 + reach) + 1)
    if top >= bottom or left >= right:
        return None
    return Window(top, left, bottom - top, right - left)


Map = Callable[[Callable[..., None], Iterable[Any]], Iterable[Any]]


def loss_raster(
    ground: GroundLike, transmitter: Transmitter, settings: LossSettings, run: Map = map
) -> tuple[Window, np.ndarray]:
    """Basic transmission loss around a transmitter: ``(window, (height, width) float32 dB, NaN beyond reach)``.

    ``run`` maps a function over independent tasks; give ``ThreadPoolExecutor.map`` to use several threads. The
    result does not depend on it. Raises ValueError for a model that is not here, and for a transmitter outside
    the grid, where the profile would have no ground.
    """
    grid = ground.grid
    row0, col0 = grid.rowcol(transmitter.x, transmitter.y)
    if not (-0.5 <= row0 <= grid.height - 0.5 and -0.5 <= col0 <= grid.width - 0.5):
        raise ValueError("the transmitter lies outside the grid")
    window = window_of(grid, transmitter, settings.radius_km)
    assert window is not None
    if settings.model in ("p1812", "itm"):
        return window, _by_radials(ground, transmitter, settings, window, run)
    if settings.model in ("free-space", "extended-hata"):
        return window, _by_distance(ground, transmitter, settings, window, run)
    raise ValueError(f"there is no model {settings.model!r}; choose p1812, itm, extended-hata or free-space")


def is_compiled(model: str) -> bool:
    """Whether an earlier run left the model's compiled kernels in numba's cache."""
    kernel = {"p1812": polar.sweep_radials, "itm": polar.itm_radials}.get(model)
    if kernel is None:
        return True
    name = f"*.{kernel.py_func.__name__}-*.nbi"
    return next(Path(os.environ.get("NUMBA_CACHE_DIR", "")).rglob(name), None) is not None


def prepare(model: str) -> None:
    """Compile what a model's rasters need, or load it: a raster of a few pixels."""
    side = 8
    grid = Grid("EPSG:32651", 450_000.0, 4_600_000.0, 100.0, side, side)
    flat = np.zeros((side, side), np.float32)
    open_ground = ClutterClass(0, "open", "open", "开阔地", 0.0, "rural", 7.0)
    ground = Ground(
        grid, flat, np.zeros((side, side), np.uint8), flat, np.full((side, side), 4, np.uint8), [open_ground], {},
        False,
    )  # fmt: skip
    loss_raster(ground, Transmitter(*grid.centre_xy(4, 4), 50.0), LossSettings(model, 358.0, 0.3, 1.5))


def fan_of(grid: Any, radius_km: float) -> polar.Fan:
    """The radials that cover a radius on a grid."""
    return polar.Fan.of_radius(max(1, math.ceil(radius_km * 1000.0 / grid.resolution_m - 1e-9)))


def _by_radials(
    ground: GroundLike, transmitter: Transmitter, settings: LossSettings, window: Window, run: Map
) -> np.ndarray:
    grid = ground.grid
    fan = fan_of(grid, settings.radius_km)
    row0, col0 = grid.rowcol(transmitter.x, transmitter.y)
    _, phi0 = grid.to_lonlat(transmitter.x, transmitter.y)
    index = np.empty((window.height, window.width), np.int32)
    used = np.zeros((fan.radials, fan.rings + 1), np.uint8)
    losses = np.empty((fan.radials, fan.rings + 1), np.float32)
    out = np.empty((window.height, window.width), np.float32)

    def mark(rows: slice) -> None:
        polar.index_pixels(
            window.top + rows.start, window.left, row0, col0, fan.rings, fan.radials, fan.level, index[rows], used
        )

    vertical = 1 if settings.polarization == "vertical" else 0

    def itm_sweep(first: int) -> None:
        polar.itm_radials(
            first, min(first + CHUNK, fan.radials), fan.radials, used, ground.elevation_m, ground.clutter_height_m,
            ground.zone, row0, col0, grid.resolution_m, transmitter.height_m, settings.receiver_height_m,
            settings.frequency_mhz, vertical, *itm.DEFAULT_GROUND, settings.n0, itm.DEFAULT_CLIMATE,
            itm.DEFAULT_MODE, *itm.quantiles(settings.time_percent, 50.0, 50.0), losses,
        )  # fmt: skip

    def sweep(first: int) -> None:
        polar.sweep_radials(
            first, min(first + CHUNK, fan.radials), fan.radials, used, ground.elevation_m, ground.clutter_height_m,
            ground.zone, row0, col0, grid.resolution_m / 1000.0, transmitter.height_m, settings.receiver_height_m,
            settings.frequency_mhz / 1000.0, settings.time_percent, float(phi0), 0.5 / KM_PER_DEGREE,
            settings.delta_n, settings.n0, vertical, losses,
        )  # fmt: skip

    def fill(rows: slice) -> None:
        polar.gather(index[rows], losses, out[rows])

    bands = _bands(window.height)
    along = itm_sweep if settings.model == "itm" else sweep
    for work, tasks in ((mark, bands), (along, range(0, fan.radials, CHUNK)), (fill, bands)):
        for _ in run(work, tasks):
            pass
    return out


def _by_distance(
    ground: GroundLike, transmitter: Transmitter, settings: LossSettings, window: Window, run: Map
) -> np.ndarray:
    """Models that know distance, heights and the receiver's surroundings, but not the path."""
    grid = ground.grid
    out = np.empty((window.height, window.width), np.float32)
    row0, col0 = grid.rowcol(transmitter.x, transmitter.y)
    height_t = polar.ground_height_m(ground, transmitter.x, transmitter.y) + transmitter.height_m
    codes = np.array([hata_environment(c) for c in ground.classes], np.int64)

    def fill(rows: slice) -> None:
        row = np.arange(window.top + rows.start, window.top + rows.stop)[:, None]
        col = np.arange(window.left, window.left + window.width)[None, :]
        distance_km = np.hypot(row - row0, col - col0) * (grid.resolution_m / 1000.0)
        here = (
            slice(window.top + rows.start, window.top + rows.stop),
            slice(window.left, window.left + window.width),
        )
        height_r = ground.elevation_m[here] + settings.receiver_height_m
        beyond = distance_km > settings.radius_km
        distance_km = np.clip(distance_km, 1e-3, settings.radius_km)  # the window's corners may leave the model
        if settings.model == "free-space":
            loss = freespace.free_space_loss(settings.frequency_mhz, distance_km, height_t - height_r)
        else:
            loss = hata.extended_hata(
                settings.frequency_mhz, distance_km, transmitter.height_m,
                settings.receiver_height_m, codes[ground.clutter_class[here]],
            )  # fmt: skip
        out[rows] = np.where(beyond, np.nan, loss)

    for _ in run(fill, _bands(window.height)):
        pass
    return out


def hata_environment(clutter: Any) -> int:
    """Extended Hata's environment of a clutter class: built-up by height, everything else open."""
    if clutter.kind != "built":
        return int(hata.HataEnvironment.OPEN)
    return int(hata.HataEnvironment.URBAN if clutter.height_m >= 15.0 else hata.HataEnvironment.SUBURBAN)


def _bands(height: int, rows: int = 256) -> list[slice]:
    return [slice(top, min(top + rows, height)) for top in range(0, height, rows)]
