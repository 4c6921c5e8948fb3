"""Radials over a grid: where they run, which pixel takes its value from which sample.

All lengths are in pixels. Samples lie one pixel apart along each radial; ring n is the n-th sample. The arc
between neighbouring radials at the rim is at most one pixel; further in, where full density is wasted, rings
are read on every second, fourth, ... radial only, so that the arc stays at most one pixel everywhere. A pixel
takes the value of the nearest sample, which stands at most half a pixel nearer or farther and half an arc aside.
"""

import math
from dataclasses import dataclass

import numba
import numpy as np

from radiocov.propagation.fastmath import atan
from radiocov.propagation.itm_sweep import itm_radial_kernel
from radiocov.propagation.sweep import radial_loss, workspace

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")
# Half-way between two samples the farther, the clockwise one counts, however a machine rounds.
TIE = 1e-9
LEVELS = 6  # radials thin out by up to 2**LEVELS towards the centre


@dataclass(frozen=True)
class Fan:
    """The radials around one transmitter: ``radials`` of them, ``rings`` samples each beside the first."""

    rings: int
    radials: int
    level: np.ndarray  # (rings + 1,) int32: ring n uses every 2**level[n]-th radial

    @classmethod
    def of_radius(cls, rings: int) -> "Fan":
        step = 2**LEVELS
        radials = math.ceil(2.0 * math.pi * rings / step) * step
        level = np.zeros(rings + 1, np.int32)
        for n in range(1, rings + 1):
            level[n] = min(LEVELS, int(math.log2(radials / (2.0 * math.pi * n)) + 1e-12))
        level[0] = LEVELS
        return cls(rings, radials, level)


@kernel
def sample_of_pixel(row, col, row0, col0, rings, radials, level):
    """``(radial, ring)`` of the sample nearest to a pixel; ring -1 beyond the rim."""
    dx, dy = col - col0, row0 - row
    ring = int(math.floor(math.sqrt(dx * dx + dy * dy) + 0.5 + TIE))
    if ring > rings:
        return 0, -1
    if ring == 0:
        return 0, 0
    # clockwise from north; the division by a zero dy is an infinite slope, whose arc tangent is a right angle
    angle = atan(dx / dy) if dy != 0.0 else math.copysign(0.5 * math.pi, dx)
    if dy < 0.0:
        angle += math.pi
    turn = angle / (2.0 * math.pi) * radials
    thin = 1 << level[ring]
    radial = int(math.floor(turn / thin + 0.5 + TIE)) * thin
    return radial % radials, ring


@kernel
def index_pixels(top, left, row0, col0, rings, radials, level, index, used):
    """For each pixel of a window the flat position ``radial * (rings + 1) + ring`` of its sample, -1 beyond the rim.

    ``used`` (radials, rings + 1) receives 1 for every sample that some pixel takes.
    """
    for r in range(index.shape[0]):
        for c in range(index.shape[1]):
            radial, ring = sample_of_pixel(top + r, left + c, row0, col0, rings, radials, level)
            if ring < 0:
                index[r, c] = -1
            else:
                index[r, c] = radial * (rings + 1) + ring
                used[radial, ring] = 1


@kernel
def read_radial(elevation, clutter, zone, row0, col0, d_row, d_col, count, h, r, z):
    """Ground along a radial: bilinear elevation, nearest clutter height and zone; returns the samples inside.

    The grid is read up to one pixel beyond the outermost pixel centres, with the edge's values.
    """
    rows, cols = elevation.shape
    for i in range(count):
        row = row0 + i * d_row
        col = col0 + i * d_col
        if row < -1.0 or col < -1.0 or row > rows or col > cols:
            return i
        row = min(max(row, 0.0), rows - 1.0)
        col = min(max(col, 0.0), cols - 1.0)
        r0 = min(int(row), max(rows - 2, 0))
        c0 = min(int(col), max(cols - 2, 0))
        r1, c1 = min(r0 + 1, rows - 1), min(c0 + 1, cols - 1)
        fr, fc = row - r0, col - c0
        upper = elevation[r0, c0] * (1.0 - fc) + elevation[r0, c1] * fc
        lower = elevation[r1, c0] * (1.0 - fc) + elevation[r1, c1] * fc
        h[i] = upper * (1.0 - fr) + lower * fr
        rn, cn = int(row + 0.5), int(col + 0.5)
        r[i] = clutter[rn, cn]
        z[i] = zone[rn, cn]
    return count


@kernel
def direction(radial, radials):
    """Row and column steps of a radial, clockwise from north."""
    azimuth = 2.0 * math.pi * radial / radials
    return -math.cos(azimuth), math.sin(azimuth)


@kernel
def wanted_reach(want):
    """Samples of a radial up to the last one that is wanted."""
    reach = want.size
    while reach > 0 and want[reach - 1] == 0:
        reach -= 1
    return reach


def ground_height_m(ground, x, y):
    """Elevation at a place of the grid's plane, read as the radials read it."""
    h, r, z = np.empty(1), np.empty(1), np.empty(1, np.uint8)
    row, col = ground.grid.rowcol(x, y)
    read_radial(ground.elevation_m, ground.clutter_height_m, ground.zone, row, col, 0.0, 0.0, 1, h, r, z)
    return float(h[0])


@kernel
def sweep_radials(
    first, last, radials, used, elevation, clutter, zone, row0, col0, step_km, htg, hrg, f_ghz, p, phi0,
    phi_per_km_north, delta_n, n0, pol, out
):  # fmt: skip
    """P.1812 at the used samples of radials first <= i < last into ``out`` (radials, rings + 1) float32."""
    count = used.shape[1]
    h, r, z = np.empty(count), np.empty(count), np.empty(count, np.uint8)
    q, w = workspace(count)
    for radial in range(first, last):
        want = used[radial]
        reach = wanted_reach(want)
        if reach == 0:
            continue
        d_row, d_col = direction(radial, radials)
        n = read_radial(elevation, clutter, zone, row0, col0, d_row, d_col, reach, h, r, z)
        for i in range(n, reach):
            out[radial, i] = np.nan
        radial_loss(
            h[:n], r[:n], z[:n], step_km, want[:n], htg, hrg, f_ghz, p, phi0, -phi_per_km_north * d_row,
            delta_n, n0, pol, q, w, out[radial],
        )  # fmt: skip


@kernel
def itm_radials(
    first, last, radials, used, elevation, clutter, zone, row0, col0, step_m, h_tx, h_rx, f_mhz, vertical, epsilon,
    sigma, n0, climate, mdvar, z_t, z_l, z_s, out,
):  # fmt: skip
    """ITM at the used samples of radials first <= i < last; it knows no clutter. Arguments as above."""
    count = used.shape[1]
    h, r, z = np.empty(count), np.empty(count), np.empty(count, np.uint8)
    loss, flags = np.empty(count), np.empty(count, np.int64)
    for radial in range(first, last):
        want = used[radial]
        reach = wanted_reach(want)
        if reach == 0:
            continue
        d_row, d_col = direction(radial, radials)
        n = read_radial(elevation, clutter, zone, row0, col0, d_row, d_col, reach, h, r, z)
        itm_radial_kernel(
            h[:n], step_m, want[:n], h_tx, h_rx, f_mhz, vertical, epsilon, sigma, n0, climate, mdvar, z_t, z_l, z_s,
            0, loss, flags,
        )  # fmt: skip
        # at the mast itself there is no path; free space over the antenna's height stands in for it
        loss[0] = 32.45 + 20.0 * math.log10(f_mhz) + 20.0 * math.log10(max(abs(h_tx - h_rx), 1.0) / 1000.0)
        for i in range(reach):
            out[radial, i] = loss[i] if i < n else np.nan


@kernel
def gather(index, polar, out):
    """Each pixel takes its sample: NaN beyond the rim."""
    flat = polar.reshape(polar.size)
    for r in range(index.shape[0]):
        for c in range(index.shape[1]):
            i = index[r, c]
            out[r, c] = flat[i] if i >= 0 else np.nan
