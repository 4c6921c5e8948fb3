"""Irregular Terrain Model, first step: what the model needs to know of a path.

Kernels of numbers only. Profiles are given as `heights` (at least n + 1 values, metres above sea level,
terminal to terminal), `n` (number of intervals) and `step` (m); passing n apart lets every receiver of a
radial use the same array. Heights and distances in metres, angles in radians.

Sources, cited at the lines that come from them:

- [Alg] G. A. Hufford, "The ITS Irregular Terrain Model, version 1.2.2: The Algorithm", NTIA/ITS
- [ERL] Longley and Rice, "Prediction of tropospheric radio transmission loss over irregular terrain",
  ESSA Technical Report ERL 79-ITS 67, 1968
- [TN101] Rice et al., "Transmission loss predictions for tropospheric communication circuits",
  NBS Technical Note 101, 1967
- [Hufford 1982] Hufford, Longley and Kissick, "A guide to the use of the ITS Irregular Terrain Model in
  the area prediction mode", NTIA Report 82-100
"""

import cmath
import math

import numba
import numpy as np

from radiocov.propagation.fastmath import least, most

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")
# sums in any order and no NaN among the values: what a compiler needs to know to use vector instructions
vector_kernel = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "nnan", "nsz"})

EARTH_CURVATURE = 157e-9  # 1/m, curvature of the actual earth [TN101 4.4]
SAMPLES = 245  # what `terrain_irregularity` takes of a profile at most
HUGE = 1e300  # beyond any height, m
PADDED = 256  # samples, and what fills up vectors
WORK_SIZE = PADDED + PADDED // 2  # scratch space: samples, their places as int32


@kernel
def mean_path_height(heights, n, sums):
    """Mean height of the profile without its first and last tenth; `sums` as in `least_squares_line`."""
    skip = int(0.1 * n)
    if sums.shape[1] > 0:
        return heights[0] + (sums[0, n - skip + 1] - sums[0, skip]) / (n - 2 * skip + 1)
    total = 0.0
    for i in range(skip, n - skip + 1):
        total += heights[i]
    return total / (n - 2 * skip + 1)


@kernel
def path_constants(f_mhz, h_sys, n_0, vertical, epsilon, sigma):
    """Surface transfer impedance Z_g (complex), effective curvature gamma_e (1/m), refractivity N_s."""
    n_s = n_0 if h_sys == 0.0 else n_0 * math.exp(-h_sys / 9460.0)  # [TN101 4.3]
    gamma_e = EARTH_CURVATURE * (1.0 - 0.04665 * math.exp(n_s / 179.3))  # [TN101 4.4]
    permittivity = complex(epsilon, 18000.0 * sigma / f_mhz)
    z_g = cmath.sqrt(permittivity - 1.0)
    if vertical:
        z_g = z_g / permittivity
    return z_g, gamma_e, n_s


@kernel
def horizon_angle(rise, d, a_e):
    """Angle (rad) under which a point `rise` metres above the antenna stands at distance d [TN101 6.15]."""
    return rise / d - d / (2.0 * a_e)


@kernel
def find_horizons(heights, n, step, a_e, h_tx, h_rx):
    """Horizon angles and distances of both terminals: (theta_tx, theta_rx, d_tx, d_rx).

    On a line-of-sight path each terminal's horizon is the other terminal.
    """
    d = n * step
    z_tx = heights[0] + h_tx
    z_rx = heights[n] + h_rx
    theta_tx = horizon_angle(z_rx - z_tx, d, a_e)
    theta_rx = horizon_angle(z_tx - z_rx, d, a_e)
    d_hzn_tx = d
    d_hzn_rx = d
    # distances are accumulated, not multiplied out: later truncations to whole intervals sit on the
    # knife's edge for round horizon distances, and this is the rounding of the published software
    d_from_tx = 0.0
    d_to_rx = d
    for i in range(1, n):
        d_from_tx += step
        d_to_rx -= step
        angle = horizon_angle(heights[i] - z_tx, d_from_tx, a_e)
        if angle > theta_tx:
            theta_tx = angle
            d_hzn_tx = d_from_tx
        angle = horizon_angle(heights[i] - z_rx, d_to_rx, a_e)
        if angle > theta_rx:
            theta_rx = angle
            d_hzn_rx = d_to_rx
    return theta_tx, theta_rx, d_hzn_tx, d_hzn_rx


@kernel
def running_sums(heights, sums):
    """sums[0, i] of heights[:i] - heights[0] and sums[1, i] of the same times their index; (2, n + 2)."""
    sums[:, 0] = 0.0
    for i in range(heights.shape[0]):
        y = heights[i] - heights[0]
        sums[0, i + 1] = sums[0, i] + y
        sums[1, i + 1] = sums[1, i] + y * i


@kernel
def least_squares_line(heights, n, step, d_start, d_end, sums):
    """Heights at both ends of the path (index 0 and n) of the line fitted between two distances.

    With `sums` from `running_sums` a long fit costs no more than a short one; (2, 0) does without.
    """
    first = int(max(d_start / step, 0.0))
    last = n - int(max(n - d_end / step, 0.0))
    if last <= first:  # fewer than two points: widen by one interval on either side
        first = max(first - 1, 0)
        last = n - max(n - (last + 1), 0)
    length = float(last - first)
    x = -0.5 * length  # index measured from the middle of the stretch
    end = last + x
    mean = 0.5 * (heights[first] + heights[last])
    slope = 0.5 * (heights[first] - heights[last]) * x
    if sums.shape[1] > 0 and length > 64.0:  # short stretches are cheap, and differences of sums coarse
        inner = sums[0, last] - sums[0, first + 1]
        mean += inner + heights[0] * (length - 1.0)
        slope += sums[1, last] - sums[1, first + 1] - (first - x) * inner
    else:
        for i in range(first + 1, last):
            x += 1.0
            mean += heights[i]
            slope += heights[i] * x
    mean /= length
    slope = slope * 12.0 / ((length * length + 2.0) * length)
    return mean - slope * end, mean + slope * (n - end)


@vector_kernel
def count_up_to(values, limit):
    count = 0.0
    for j in range(values.size):
        count += 1.0 if values[j] <= limit else 0.0
    return count


@vector_kernel
def count_up_to_four(values, limit_1, limit_2, limit_3, limit_4):
    count_1 = count_2 = count_3 = count_4 = 0.0
    for j in range(values.size):
        count_1 += 1.0 if values[j] <= limit_1 else 0.0
        count_2 += 1.0 if values[j] <= limit_2 else 0.0
        count_3 += 1.0 if values[j] <= limit_3 else 0.0
        count_4 += 1.0 if values[j] <= limit_4 else 0.0
    return count_1, count_2, count_3, count_4


@vector_kernel
def smallest_above(values, limit):
    found = HUGE
    for j in range(values.size):
        found = least(found, values[j] if values[j] > limit else HUGE)
    return found


@vector_kernel
def largest_up_to(values, limit):
    found = -HUGE
    for j in range(values.size):
        found = most(found, values[j] if values[j] <= limit else -HUGE)
    return found


@kernel
def order_statistic(values, k, spread):
    """The k-th smallest (from 0) of values whose root mean square is `spread`; HUGE ones that fill up don't count.

    Limits are tried between which a tenth of the values mostly lies, then others by the regula falsi, until k or
    k + 1 values are up to one. Counting does not branch on values, which makes it several times faster than a
    selection by partition. What may be left is walked value by value: exact for any values, ties among them.
    """
    low, n_low = -HUGE, 0.0
    high, n_high = math.inf, math.inf
    tried = (-0.75 * spread, -1.1 * spread, -1.4 * spread, -1.75 * spread)
    counts = count_up_to_four(values, *tried)
    for i in range(4):
        if counts[i] <= k:
            low, n_low = tried[i], counts[i]
            break
        high, n_high = tried[i], counts[i]
    for _ in range(8):
        if n_low == k:
            return smallest_above(values, low)
        if n_high == k + 1:
            return largest_up_to(values, high)
        if low == -HUGE:
            limit = high - 0.5 * spread
        elif high == math.inf:
            limit = low + 0.5 * spread
        else:
            limit = low + (high - low) * (k + 0.5 - n_low) / (n_high - n_low)
        count = count_up_to(values, limit)
        if count <= k:
            low, n_low = limit, count
        else:
            high, n_high = limit, count
    while True:
        low = smallest_above(values, low)
        if count_up_to(values, low) > k:
            return low


@vector_kernel
def places_of(x, spacing, last, places, shares):
    """Whole and broken part of positions at equal spacing; the whole part is at most `last`."""
    for j in range(places.size):
        position = x + j * spacing
        places[j] = min(np.int32(position), last)
        shares[j] = position - places[j]


@kernel
def interpolate(heights, places, shares):
    """Heights between two points each, in place of the shares."""
    for j in range(places.size):
        # an unsigned index needs no look at negative ones
        i = np.uint64(places[j])
        before = heights[i]
        shares[j] = before + (heights[i + np.uint64(1)] - before) * shares[j]


@vector_kernel
def fitted_line(values):
    """The line of `least_squares_line` through all values: (height at the first, rise from one to the next)."""
    last = values.size - 1
    middle = 0.5 * last
    mean = slope = 0.0
    for j in range(values.size):
        mean += values[j]
        slope += values[j] * (j - middle)
    # both ends count half
    mean -= 0.5 * (values[0] + values[last])
    slope -= 0.5 * (values[last] - values[0]) * middle
    mean /= last
    slope *= 12.0 / ((last * last + 2.0) * last)
    return mean - slope * middle, slope


@vector_kernel
def residuals(values, line, rise):
    """Take the line away in place; returns the root mean square of what is left."""
    squares = 0.0
    for j in range(values.size):
        values[j] -= line + rise * j
        squares += values[j] * values[j]
    return math.sqrt(squares / values.size)


@kernel
def terrain_irregularity(heights, n, step, d_start, d_end, work):
    """Terrain irregularity parameter delta_h (m): interdecile range about the fitted line.

    `work` is scratch space of WORK_SIZE values. The range found on the stretch is scaled to the
    asymptotic value by [ERL 3] turned around.
    """
    x = d_start / step
    x_end = d_end / step
    if x_end - x < 2.0:
        return 0.0
    tenth = min(max(4, int(0.1 * (x_end - x + 8.0))), 25)
    samples = 10 * tenth - 5
    spacing = (x_end - x) / (samples - 1)
    taken = work[:samples]
    places = work[PADDED:].view(np.int32)[:samples]
    places_of(x, spacing, np.int32(n - 1), places, taken)
    interpolate(heights, places, taken)
    line, rise = fitted_line(taken)
    spread = residuals(taken, line, rise)
    if spread == 0.0:
        return 0.0
    filled = work[: (samples + 15) // 16 * 16]
    filled[samples:] = HUGE
    lowest_tenth = order_statistic(filled, tenth - 1, spread)
    for j in range(samples):
        taken[j] = -taken[j]
    highest_tenth = -order_statistic(filled, tenth - 1, spread)
    return (highest_tenth - lowest_tenth) / (1.0 - 0.8 * math.exp(-(d_end - d_start) / 50e3))


@kernel
def smooth_horizon(h_e, a_e, delta_h):
    """Median horizon (distance, angle) of an antenna of effective height h_e [Alg 3.3, 3.4]."""
    d_smooth = math.sqrt(2.0 * h_e * a_e)
    d_hzn = d_smooth * math.exp(-0.07 * math.sqrt(delta_h / max(h_e, 5.0)))
    theta = (0.65 * delta_h * (d_smooth / d_hzn - 1.0) - 2.0 * h_e) / d_smooth
    return d_hzn, theta


@kernel
def geometry_from_horizons(heights, n, step, a_e, h_tx, h_rx, theta_tx, theta_rx, d_tx, d_rx, sums, work):
    """(theta_tx, theta_rx, d_tx, d_rx, h_e_tx, h_e_rx, delta_h) from the horizons of the profile."""
    d = n * step
    # terrain counts from 15 antenna heights, or a tenth of the horizon distance, onwards [Hufford 1982]
    d_start = min(15.0 * h_tx, 0.1 * d_tx)
    d_end = d - min(15.0 * h_rx, 0.1 * d_rx)
    delta_h = terrain_irregularity(heights, n, step, d_start, d_end, work)
    if d_tx + d_rx > 1.5 * d:  # well within line of sight: one line for the whole path, median horizons
        fit_tx, fit_rx = least_squares_line(heights, n, step, d_start, d_end, sums)
        h_e_tx = h_tx + max(heights[0] - fit_tx, 0.0)
        h_e_rx = h_rx + max(heights[n] - fit_rx, 0.0)
        d_tx, theta_tx = smooth_horizon(h_e_tx, a_e, delta_h)
        d_rx, theta_rx = smooth_horizon(h_e_rx, a_e, delta_h)
        if d_tx + d_rx <= d:  # the horizons must meet: raise the antennas
            q = (d / (d_tx + d_rx)) ** 2
            h_e_tx *= q
            h_e_rx *= q
            d_tx, theta_tx = smooth_horizon(h_e_tx, a_e, delta_h)
            d_rx, theta_rx = smooth_horizon(h_e_rx, a_e, delta_h)
    else:  # one line in each terminal's foreground
        fit_tx, _ = least_squares_line(heights, n, step, d_start, 0.9 * d_tx, sums)
        h_e_tx = h_tx + max(heights[0] - fit_tx, 0.0)
        _, fit_rx = least_squares_line(heights, n, step, d - 0.9 * d_rx, d_end, sums)
        h_e_rx = h_rx + max(heights[n] - fit_rx, 0.0)
    return theta_tx, theta_rx, d_tx, d_rx, h_e_tx, h_e_rx, delta_h


@kernel
def path_geometry(heights, n, step, gamma_e, h_tx, h_rx, work):
    """What the model needs of a profile: the tuple of `geometry_from_horizons`."""
    a_e = 1.0 / gamma_e
    theta_tx, theta_rx, d_tx, d_rx = find_horizons(heights, n, step, a_e, h_tx, h_rx)
    return geometry_from_horizons(
        heights, n, step, a_e, h_tx, h_rx, theta_tx, theta_rx, d_tx, d_rx, np.empty((2, 0)), work
    )


@kernel
def area_effective_height(h, delta_h, siting):
    """Effective height of an antenna sited at random (0), with care (1) or great care (2) [Alg 3.2]."""
    if siting == 0:
        return h
    b = 4.0 if siting == 1 else 9.0
    if h < 5.0:
        b *= math.sin(0.1 * math.pi * h)
    return h + (1.0 + b) * math.exp(-min(20.0, 2.0 * h / max(1e-3, delta_h)))
