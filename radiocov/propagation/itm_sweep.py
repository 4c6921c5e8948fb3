"""Irregular Terrain Model along a radial: the loss at every point, as path by path, without the O(n) scans.

What a receiver costs path by path is mostly looking for two horizons over its whole profile. Here blocks
of the profile are passed over whose highest point cannot reach the horizon found so far, starting from
the horizon of the receiver before; means and fitted lines come from running sums. The loss formulas are
the kernels of `itm`. Results equal those of `itm.itm_p2p` on heights[:k + 1], to 1e-6 dB; where the
steps are not exactly representable (1/3 m, say) a fit that starts at a round share of the horizon
distance may take one profile point more or less.
"""

import math

import numba
import numpy as np

from radiocov.propagation.itm import REAL, WHOLE, checked_profile, finish, gather_options, itm_p2p, quantiles
from radiocov.propagation.itm_attenuation import POINT_TO_POINT
from radiocov.propagation.itm_limits import check_inputs
from radiocov.propagation.itm_path import (
    WORK_SIZE,
    geometry_from_horizons,
    horizon_angle,
    mean_path_height,
    path_constants,
    running_sums,
)

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")

BLOCK = 32  # profile points that share one maximum


@kernel
def block_maxima(heights, highest):
    """Highest point of every BLOCK heights."""
    highest[:] = -math.inf
    for i in range(heights.shape[0]):
        highest[i // BLOCK] = max(highest[i // BLOCK], heights[i])


@kernel
def pruned_horizon(heights, highest, distances, n, z, at_tx, theta_los, a_e, hint):
    """Horizon of one terminal over heights[1..n-1]: (angle, index), index -1 for the other terminal.

    `distances` from the transmitter; `z` the antenna's height above sea level; `hint` an index that may
    be the horizon. The first of equal angles wins, as in a scan.
    """
    d = distances[n]
    half_curvature = 0.5 / a_e
    best = theta_los
    where = -1
    if 1 <= hint < n:
        angle = horizon_angle(heights[hint] - z, distances[hint] if at_tx else d - distances[hint], a_e)
        if angle > best:
            best = angle
            where = hint
    for block in range((n - 1) // BLOCK + 1):
        low = max(block * BLOCK, 1)
        high = min(block * BLOCK + BLOCK, n)
        near = distances[low] if at_tx else d - distances[high - 1]
        far = distances[high - 1] if at_tx else d - distances[low]
        rise = highest[block] - z
        # its angle is at most rise / (near or far) - near / (2 a_e)
        if rise < (best - 1e-12 + near * half_curvature) * (near if rise > 0.0 else far):
            continue
        for i in range(low, high):
            away = distances[i] if at_tx else d - distances[i]
            # without a division for the many that are far below
            if heights[i] - z < (best - 1e-12 + away * half_curvature) * away:
                continue
            angle = horizon_angle(heights[i] - z, away, a_e)
            if angle > best or (angle == best and where > i):
                best = angle
                where = i
    return best, where


@kernel
def itm_radial_kernel(
    heights, step, want, h_tx, h_rx, f_mhz, vertical, epsilon, sigma, n_0, climate, mdvar, z_t, z_l, z_s, flags_in,
    loss, flags,
):
    """Loss (dB) and warning flags at every wanted point of a radial, inputs checked before.

    `want`, `loss` and `flags` have as many values as `heights`; index k is k steps from the transmitter. Loss is
    NaN at the transmitter and where the model refuses the path (surface refractivity, earth radius); points that
    are not wanted keep what is there.
    """
    size = heights.shape[0]
    work = np.empty(WORK_SIZE)
    sums = np.empty((2, size + 1))
    running_sums(heights, sums)
    highest = np.empty((size - 1) // BLOCK + 1)
    block_maxima(heights, highest)
    distances = np.empty(size)
    distances[0] = 0.0
    for i in range(1, size):
        distances[i] = distances[i - 1] + step
    loss[0] = math.nan
    flags[0] = 0
    z_tx = heights[0] + h_tx
    at_tx = -1
    at_rx = -1
    for n in range(1, size):
        if not want[n]:
            continue
        d = n * step
        h_sys = mean_path_height(heights, n, sums)
        z_g, gamma_e, n_s = path_constants(f_mhz, h_sys, n_0, vertical, epsilon, sigma)
        a_e = 1.0 / gamma_e
        z_rx = heights[n] + h_rx
        sight = horizon_angle(z_rx - z_tx, d, a_e)
        theta_tx, at_tx = pruned_horizon(heights, highest, distances, n, z_tx, True, sight, a_e, at_tx)
        sight = horizon_angle(z_tx - z_rx, d, a_e)
        theta_rx, at_rx = pruned_horizon(heights, highest, distances, n, z_rx, False, sight, a_e, at_rx)
        d_tx = d if at_tx < 0 else distances[at_tx]
        d_rx = d if at_rx < 0 else distances[n] - distances[at_rx]
        theta_tx, theta_rx, d_tx, d_rx, h_e_tx, h_e_rx, delta_h = geometry_from_horizons(
            heights, n, step, a_e, h_tx, h_rx, theta_tx, theta_rx, d_tx, d_rx, sums, work
        )
        result = finish(
            d, f_mhz, gamma_e, n_s, z_g, delta_h, theta_tx, theta_rx, d_tx, d_rx, h_e_tx, h_e_rx,
            h_tx, h_rx, POINT_TO_POINT, climate, mdvar, z_t, z_l, z_s, flags_in,
        )
        loss[n] = result[0]
        flags[n] = int(result[2])


def itm_p2p_radial(heights_m, step_m, frequency_mhz, tx_height_m, rx_height_m, **options):
    """Loss [dB] and warning flags at every point of a radial.

    Returns two (n,) arrays whose k-th values are those of `itm_p2p_terms(heights_m[:k + 1], ...)`. Scalar
    options as there. Loss is NaN at the transmitter and where the model refuses the path.

    Raises
    ------
    ItmError where an option is outside the model.
    """
    heights, step = checked_profile(heights_m, step_m)
    given = {"frequency_mhz": frequency_mhz, "tx_height_m": tx_height_m, "rx_height_m": rx_height_m}
    real, whole, shape, _, _ = gather_options(options, given, REAL, WHOLE)
    if shape:
        raise ValueError(f"a radial takes single values, not arrays of shape {shape}")
    r, w = real[:, 0], whole[:, 0]
    code, flags_in = check_inputs(r[0], r[1], r[2], w[0], r[3], r[4], r[5], w[1], w[2], r[6], r[7], r[8])
    if code:  # let the path form say it
        itm_p2p(heights[:2], step, frequency_mhz, tx_height_m, rx_height_m, **options)
    loss = np.empty(heights.size)
    flags = np.empty(heights.size, dtype=np.int64)
    itm_radial_kernel(
        heights, step, np.ones(heights.size, np.uint8), r[0], r[1], r[2], w[0], r[3], r[4], r[5], w[1], w[2],
        *quantiles(r[6], r[7], r[8]),
        flags_in, loss, flags,
    )
    return loss, flags
