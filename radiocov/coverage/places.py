"""Basic transmission loss from one transmitter to scattered places, each over its own path.

The same kernels as the rasters', asked for the last sample of a radial that ends at the place: what `radiocov path`
gives there, at the price of a raster's radial.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numba
import numpy as np

from radiocov.coverage.polar import ground_height_m, read_radial
from radiocov.coverage.sector import KM_PER_DEGREE, GroundLike, LossSettings, Transmitter, hata_environment
from radiocov.propagation import freespace, hata, itm
from radiocov.propagation.itm_sweep import itm_radial_kernel
from radiocov.propagation.sweep import radial_loss, workspace

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")
CHUNK = 256  # places a task
LEAST_PIXELS = 1e-3


@kernel
def _steps(row, col, row0, col0):
    """Equal steps of at most a pixel to a place, and their rows and columns."""
    length = math.sqrt((row - row0) ** 2 + (col - col0) ** 2)
    n = max(1, int(math.ceil(length - 1e-9)))
    return length, n, (row - row0) / n, (col - col0) / n


@kernel
def p1812_places(
    first, last, rows, cols, heights, elevation, clutter, zone, row0, col0, pixel_km, htg, f_ghz, p, phi0, phi_per_km,
    delta_n, n0, pol, out,
):  # fmt: skip
    """P.1812 to places first <= i < last. rows, cols: fractional pixels; heights: of the receivers above ground, m;
    phi_per_km: change of the mid-path latitude with km of path to the north."""
    longest = 0
    for i in range(first, last):
        longest = max(longest, _steps(rows[i], cols[i], row0, col0)[1])
    h, r, z = np.empty(longest + 1), np.empty(longest + 1), np.empty(longest + 1, np.uint8)
    want, loss = np.zeros(longest + 1, np.uint8), np.empty(longest + 1)
    q, w = workspace(longest + 1)
    for i in range(first, last):
        length, n, d_row, d_col = _steps(rows[i], cols[i], row0, col0)
        read_radial(elevation, clutter, zone, row0, col0, d_row, d_col, n + 1, h, r, z)
        want[n] = 1
        north = -(rows[i] - row0) / length
        radial_loss(
            h[: n + 1], r[: n + 1], z[: n + 1], length / n * pixel_km, want[: n + 1], htg, heights[i], f_ghz, p, phi0,
            phi_per_km * north, delta_n, n0, pol, q, w, loss[: n + 1],
        )  # fmt: skip
        out[i] = loss[n]
        want[n] = 0


@kernel
def itm_places(
    first, last, rows, cols, heights, elevation, clutter, zone, row0, col0, pixel_m, h_tx, f_mhz, vertical, epsilon,
    sigma, n0, climate, mdvar, z_t, z_l, z_s, out,
):  # fmt: skip
    """ITM to places first <= i < last. Arguments as above."""
    for i in range(first, last):
        length, n, d_row, d_col = _steps(rows[i], cols[i], row0, col0)
        h, r, z = np.empty(n + 1), np.empty(n + 1), np.empty(n + 1, np.uint8)
        want, loss, flags = np.zeros(n + 1, np.uint8), np.empty(n + 1), np.empty(n + 1, np.int64)
        read_radial(elevation, clutter, zone, row0, col0, d_row, d_col, n + 1, h, r, z)
        want[n] = 1
        itm_radial_kernel(
            h, length / n * pixel_m, want, h_tx, heights[i], f_mhz, vertical, epsilon, sigma, n0, climate, mdvar, z_t,
            z_l, z_s, 0, loss, flags,
        )  # fmt: skip
        out[i] = loss[n]


Run = Callable[[Callable[..., None], Iterable[Any]], Iterable[Any]]


def loss_to_places(
    ground: GroundLike, transmitter: Transmitter, settings: LossSettings, x: np.ndarray, y: np.ndarray,
    height_m: np.ndarray, run: Run = map,
) -> np.ndarray:  # fmt: skip
    """(n,) basic transmission loss, dB, to places x, y [m] of the grid's plane inside the grid, for receivers at
    height_m above ground; settings' own radius and receiver height do not count. `run` as of `loss_raster`."""
    grid, model = ground.grid, settings.model
    row0, col0 = grid.rowcol(transmitter.x, transmitter.y)
    rows, cols = (np.ascontiguousarray(v, np.float64) for v in grid.rowcol(x, y))
    away = np.hypot(rows - row0, cols - col0)
    cols = np.where(away < LEAST_PIXELS, col0 + LEAST_PIXELS, cols)  # at the mast itself there is no path
    heights = np.ascontiguousarray(height_m, np.float64)
    out = np.empty(len(rows))
    if model in ("free-space", "extended-hata"):
        return _by_distance(ground, transmitter, settings, x, y, rows, cols, heights)
    vertical = 1 if settings.polarization == "vertical" else 0
    arrays = rows, cols, heights, ground.elevation_m, ground.clutter_height_m, ground.zone, row0, col0
    _, phi0 = grid.to_lonlat(transmitter.x, transmitter.y)

    def p1812(first: int) -> None:
        p1812_places(
            first, min(first + CHUNK, len(rows)), *arrays, grid.resolution_m / 1000.0, transmitter.height_m,
            settings.frequency_mhz / 1000.0, settings.time_percent, float(phi0), 0.5 / KM_PER_DEGREE,
            settings.delta_n, settings.n0, vertical, out,
        )  # fmt: skip

    def longley_rice(first: int) -> None:
        itm_places(
            first, min(first + CHUNK, len(rows)), *arrays, grid.resolution_m, transmitter.height_m,
            settings.frequency_mhz, vertical, *itm.DEFAULT_GROUND, settings.n0, itm.DEFAULT_CLIMATE, itm.DEFAULT_MODE,
            *itm.quantiles(settings.time_percent, 50.0, 50.0), out,
        )  # fmt: skip

    for _ in run({"p1812": p1812, "itm": longley_rice}[model], range(0, len(rows), CHUNK)):
        pass
    return out


def _by_distance(
    ground: GroundLike, transmitter: Transmitter, settings: LossSettings, x: np.ndarray, y: np.ndarray,
    rows: np.ndarray, cols: np.ndarray, heights: np.ndarray,
) -> np.ndarray:  # fmt: skip
    distance_km = np.maximum(np.hypot(x - transmitter.x, y - transmitter.y) / 1000.0, 1e-3)
    if settings.model == "free-space":
        down = ground_height_m(ground, transmitter.x, transmitter.y) + transmitter.height_m
        down = down - heights_at(ground, x, y) - heights
        return freespace.free_space_loss(settings.frequency_mhz, distance_km, down)
    codes = np.array([hata_environment(c) for c in ground.classes], np.int64)
    at = classes_at(ground, x, y)
    return hata.extended_hata(settings.frequency_mhz, distance_km, transmitter.height_m, heights, codes[at])


def heights_at(ground: GroundLike, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(n,) elevation of places, m, read as the radials read it."""
    from terrain.profile import bilinear

    return bilinear(ground.elevation_m, *ground.grid.rowcol(x, y))


def classes_at(ground: GroundLike, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(n,) position in `ground.classes` of the pixel that each place lies in."""
    from terrain.profile import nearest_pixel

    row, col = ground.grid.rowcol(x, y)
    return ground.clutter_class[nearest_pixel(row, ground.grid.height), nearest_pixel(col, ground.grid.width)]
