"""Loss rasters by P.1812 on a CUDA device: the radials of many sites at once, a thread each.

The kernels here only hand out the work. What a radial reads, what it loses and which sample a pixel takes are the
functions that run on the processor, compiled once more for the device, so there is one formula in one place.

Arrays of a radial run along the first axis and radials along the last: neighbouring threads touch neighbouring
addresses. Radials are ordered by how much of them is used, so that the threads of a warp have as much to do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numba import cuda

from radiocov.coverage import polar
from radiocov.coverage.sector import (
    KM_PER_DEGREE,
    GroundLike,
    LossSettings,
    Transmitter,
    Window,
    fan_of,
    window_of,
)
from radiocov.propagation import sweep

THREADS = 128
TILE = 16  # side of a block of pixels
SHARE = 0.8  # of the device's free memory
FULL = 65_536  # radials under way that keep a large device busy


class NoDevice(OSError):
    """There is no CUDA device, or the software for it is not installed."""


def require_device() -> str:
    """Name of the device that would be used. Raises NoDevice with what to do about it."""
    try:
        # numba's simulator, which stands in for a device in tests, has no name
        name = getattr(cuda.current_context().device, "name", "simulated device")
    except Exception as error:  # the driver's errors have no common class
        reason = " ".join(str(error).split()) or type(error).__name__
        raise NoDevice(
            f"no CUDA device can be used ({reason}); run without --gpu, or install an NVIDIA driver and the "
            "extra with: pip install 'radiocov[gpu]'"
        ) from error
    return name.decode() if isinstance(name, bytes) else str(name)


@cuda.jit(cache=True)
def _mark(places, windows, fan, level, lane_of, used):
    """Note in ``used`` (rings + 1, sites * radials) every sample that some pixel takes; a thread a pixel."""
    col, row, site = cuda.grid(3)
    if row < windows[site, 2] and col < windows[site, 3]:
        rings, radials = fan
        radial, ring = polar.sample_of_pixel(
            windows[site, 0] + row, windows[site, 1] + col, places[site, 0], places[site, 1], rings, radials, level
        )
        if ring >= 0:
            used[ring, site * radials + lane_of[radial]] = 1


@cuda.jit(cache=True)
def _radials(
    first, last, fan, radial_of, directions, used, elevation, clutter, zone, places, step_km, hrg, p,
    phi_per_km_north, pol, h, r, z, q, w, out
):  # fmt: skip
    """The loss at the used samples of lanes first <= i < last into ``out`` (rings + 1, sites * radials)."""
    i = cuda.grid(1)
    lane = first + i
    if lane >= last:
        return
    radials = fan[1]
    site = lane // radials
    radial = radial_of[lane % radials]
    want = used[:, lane]
    reach = polar.wanted_reach(want)
    if reach == 0:
        return
    row0, col0, htg, f_ghz, phi0, delta_n, n0 = places[site]
    d_row, d_col = directions[radial]
    heights, clutter_heights, zones = h[:, i], r[:, i], z[:, i]
    n = polar.read_radial(
        elevation, clutter, zone, row0, col0, d_row, d_col, reach, heights, clutter_heights, zones
    )
    for k in range(n, reach):
        out[k, lane] = math.nan
    sweep.radial_loss(
        heights[:n], clutter_heights[:n], zones[:n], step_km, want[:n], htg, hrg, f_ghz, p, phi0,
        -phi_per_km_north * d_row, delta_n, n0, pol, q[:, :, i], w[:, :, i], out[:, lane],
    )  # fmt: skip


@cuda.jit(cache=True)
def _gather(places, windows, offsets, fan, level, lane_of, losses, out):
    """Each pixel takes its sample: NaN beyond the rim."""
    col, row, site = cuda.grid(3)
    if row < windows[site, 2] and col < windows[site, 3]:
        rings, radials = fan
        radial, ring = polar.sample_of_pixel(
            windows[site, 0] + row, windows[site, 1] + col, places[site, 0], places[site, 1], rings, radials, level
        )
        at = offsets[site] + row * windows[site, 3] + col
        out[at] = losses[ring, site * radials + lane_of[radial]] if ring >= 0 else math.nan


class LossEngine:
    """A ground on the device, and the losses of transmitters over it."""

    def __init__(self, ground: GroundLike) -> None:
        """Raises NoDevice."""
        require_device()
        self.grid = ground.grid
        self._ground = [
            cuda.to_device(np.ascontiguousarray(array))
            for array in (ground.elevation_m, ground.clutter_height_m, ground.zone)
        ]

    def losses(
        self, jobs: Sequence[tuple[Transmitter, LossSettings]]
    ) -> Iterator[tuple[int, Window, np.ndarray]]:
        """``(position in jobs, window, float32 dB)`` of each transmitter, as ``sector.loss_raster`` gives them.

        The transmitters lie inside the grid; their settings may differ in frequency and refractivity.
        Raises ValueError for another model than p1812 and for settings that differ otherwise.
        """
        if not jobs:
            return
        common = jobs[0][1]
        for _, settings in jobs:
            if settings.model != "p1812":
                raise ValueError(f"the device computes p1812, not {settings.model}")
            if _common(settings) != _common(common):
                raise ValueError("radius, receiver height, time and polarization must be those of the first")
        fan = fan_of(self.grid, common.radius_km)
        lanes, sites = _sizes(fan, len(jobs), self.grid)
        work = _Scratch(lanes, fan.rings + 1)
        for start in range(0, len(jobs), sites):
            batch = jobs[start : start + sites]
            for number, (window, raster) in enumerate(self._batch(batch, fan, work), start):
                yield number, window, raster

    def _batch(
        self, batch: Sequence[tuple[Transmitter, LossSettings]], fan: polar.Fan, work: _Scratch
    ) -> Iterator[tuple[Window, np.ndarray]]:
        common = batch[0][1]
        windows = [window_of(self.grid, transmitter, common.radius_km) for transmitter, _ in batch]
        assert all(windows), "a transmitter outside the grid"
        shapes = np.array([(w.top, w.left, w.height, w.width) for w in windows], np.int64)
        offsets = np.concatenate([[0], np.cumsum(shapes[:, 2] * shapes[:, 3])])
        order = np.argsort(_trailing_zeros(fan.radials), kind="stable")
        place = np.empty(fan.radials, np.int64)
        place[order] = np.arange(fan.radials)
        d_places, d_windows, d_offsets = (
            cuda.to_device(a) for a in (np.array([self._place(*job) for job in batch]), shapes, offsets)
        )
        d_level, d_lane_of, d_radial_of = (cuda.to_device(a) for a in (fan.level, place, order))
        directions = np.array([polar.direction(i, fan.radials) for i in range(fan.radials)])
        lanes = len(batch) * fan.radials
        used = cuda.to_device(np.zeros((fan.rings + 1, lanes), np.uint8))
        losses = cuda.device_array((fan.rings + 1, lanes), np.float32)
        out = cuda.device_array(int(offsets[-1]), np.float32)
        size = fan.rings, fan.radials
        rows, cols = shapes[:, 2].max(), shapes[:, 3].max()
        blocks = (-(-int(cols) // TILE), -(-int(rows) // TILE), len(batch))
        _mark[blocks, (TILE, TILE, 1)](d_places, d_windows, size, d_level, d_lane_of, used)
        vertical = 1 if common.polarization == "vertical" else 0
        d_directions = cuda.to_device(directions)
        for first in range(0, lanes, work.lanes):
            last = min(first + work.lanes, lanes)
            _radials[-(-(last - first) // THREADS), THREADS](
                first, last, size, d_radial_of, d_directions, used, *self._ground, d_places,
                self.grid.resolution_m / 1000.0, common.receiver_height_m, common.time_percent,
                0.5 / KM_PER_DEGREE, vertical, *work.arrays, losses,
            )  # fmt: skip
        _gather[blocks, (TILE, TILE, 1)](
            d_places, d_windows, d_offsets, size, d_level, d_lane_of, losses, out
        )
        for number, window in enumerate(windows):
            raster = out[int(offsets[number]) : int(offsets[number + 1])].copy_to_host()
            yield window, raster.reshape(window.height, window.width)

    def _place(self, transmitter: Transmitter, settings: LossSettings) -> tuple[float, ...]:
        row0, col0 = self.grid.rowcol(transmitter.x, transmitter.y)
        _, phi0 = self.grid.to_lonlat(transmitter.x, transmitter.y)
        return (
            row0, col0, transmitter.height_m, settings.frequency_mhz / 1000.0, float(phi0), settings.delta_n,
            settings.n0,
        )  # fmt: skip


class _Scratch:
    """Working space of the radials under way; see ``sweep.workspace``."""

    def __init__(self, lanes: int, samples: int) -> None:
        self.lanes = lanes
        blocks = (samples + sweep.W - 1) // sweep.W
        self.arrays: tuple[Any, ...] = (
            cuda.device_array((samples, lanes), np.float64),
            cuda.device_array((samples, lanes), np.float64),
            cuda.device_array((samples, lanes), np.uint8),
            cuda.device_array((blocks, sweep.BLOCK_SIZE, lanes), np.float64),
            cuda.device_array((sweep.ROWS, samples + 1, lanes), np.float64),
        )

    @staticmethod
    def bytes_a_lane(samples: int) -> int:
        return 17 * samples + 8 * sweep.BLOCK_SIZE * -(-samples // sweep.W) + 8 * sweep.ROWS * (samples + 1)


def _sizes(fan: polar.Fan, jobs: int, grid: Any) -> tuple[int, int]:
    """``(radials under way, sites a batch)`` that the device's memory holds."""
    free = SHARE * min(cuda.current_context().get_memory_info().free, 2.0**40)
    samples = fan.rings + 1
    pixels = min(2 * fan.rings + 4, grid.width) * min(2 * fan.rings + 4, grid.height)
    a_site = 5 * samples * fan.radials + 4 * pixels
    lanes = min(FULL, jobs * fan.radials, int(0.6 * free / _Scratch.bytes_a_lane(samples)))
    sites = int((free - lanes * _Scratch.bytes_a_lane(samples)) / a_site)
    if lanes < THREADS or sites < 1:
        raise NoDevice(f"the device's memory is too small for a radius of {fan.rings} pixels; run without --gpu")
    return lanes, min(sites, jobs)


def _trailing_zeros(radials: int) -> np.ndarray:
    """How often each radial's number can be halved: the more, the nearer to the site it is used."""
    numbers = np.arange(radials)
    zeros = np.zeros(radials, np.int64)
    for level in range(1, polar.LEVELS + 1):
        zeros += numbers % 2**level == 0
    return zeros


def _common(settings: LossSettings) -> tuple[Any, ...]:
    return settings.radius_km, settings.receiver_height_m, settings.time_percent, settings.polarization
