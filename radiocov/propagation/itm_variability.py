"""Irregular Terrain Model, third step: variability in time, location and situation.

Kernels of numbers only. Sources: [Alg] "The ITS Irregular Terrain Model, version 1.2.2: The Algorithm",
section 5; [TN101] NBS Technical Note 101 volume 2, equations III.69 and III.70; [Hufford 1982] NTIA
Report 82-100; [A&S] Abramowitz and Stegun.
"""

import math

import numba
import numpy as np

from radiocov.propagation.itm_attenuation import MHZ_PER_WAVENUMBER, roughness

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")

A_9000 = 9000e3  # m, effective earth of the reference atmosphere [Alg 5.3]
SINGLE_MESSAGE, ACCIDENTAL, MOBILE, BROADCAST = 0, 1, 2, 3  # mode of variability
NO_LOCATION, NO_SITUATION = 10, 20  # added to the mode: that variability is eliminated

# Columns: climates 1 to 7. Rows: c1, c2 (dB), x1, x2, x3 (m) of `curve`.
_MEDIAN = np.array([
    [-9.67, -0.62, 1.26, -9.21, -0.62, -0.39, 3.15],
    [12.7, 9.19, 15.5, 9.05, 9.19, 2.86, 857.9],
    [144.9e3, 228.9e3, 262.6e3, 84.1e3, 228.9e3, 141.7e3, 2222.0e3],
    [190.3e3, 205.2e3, 185.2e3, 101.1e3, 205.2e3, 315.9e3, 164.8e3],
    [133.8e3, 143.6e3, 99.8e3, 98.6e3, 143.6e3, 167.4e3, 116.3e3],
])
_SIGMA_MINUS = np.array([
    [2.13, 2.66, 6.11, 1.98, 2.68, 6.86, 8.51],
    [159.5, 7.67, 6.65, 13.11, 7.16, 10.38, 169.8],
    [762.2e3, 100.4e3, 138.2e3, 139.1e3, 93.7e3, 187.8e3, 609.8e3],
    [123.6e3, 172.5e3, 242.2e3, 132.7e3, 186.8e3, 169.6e3, 119.9e3],
    [94.5e3, 136.4e3, 178.6e3, 193.5e3, 133.5e3, 108.9e3, 106.6e3],
])
_SIGMA_PLUS = np.array([
    [2.11, 6.87, 10.08, 3.68, 4.75, 8.58, 8.43],
    [102.3, 15.53, 9.60, 159.3, 8.12, 13.97, 8.19],
    [636.9e3, 138.7e3, 165.3e3, 464.4e3, 93.2e3, 216.0e3, 136.2e3],
    [134.8e3, 143.7e3, 225.7e3, 93.1e3, 135.9e3, 152.0e3, 188.5e3],
    [95.6e3, 98.6e3, 129.7e3, 94.2e3, 113.4e3, 122.7e3, 122.9e3],
])
# Frequency factors g: rows b1, b2, b3 of b1 + b2 / ((b3 q)^2 + 1)
_G_MINUS = np.array([
    [1.0, 1.0, 1.0, 1.0, 0.92, 1.0, 1.0],
    [0.0, 0.0, 0.0, 0.0, 0.25, 0.0, 0.0],
    [0.0, 0.0, 0.0, 0.0, 1.77, 0.0, 0.0],
])
_G_PLUS = np.array([
    [1.0, 0.93, 1.0, 0.93, 0.93, 1.0, 1.0],
    [0.0, 0.31, 0.0, 0.19, 0.31, 0.0, 0.0],
    [0.0, 2.00, 0.0, 1.79, 2.00, 0.0, 0.0],
])
_C_D = np.array([1.224, 0.801, 1.380, 1.000, 1.224, 1.518, 1.518])  # [Alg table 5.1]
_Z_D = np.array([1.282, 2.161, 1.282, 20.0, 1.282, 1.282, 1.282])  # [Alg table 5.1]


@kernel
def upper_normal_quantile(q):
    """z exceeded by a standard normal variable with probability q; |error| < 4.5e-4 [A&S 26.2.23]."""
    t = math.sqrt(-2.0 * math.log(min(q, 1.0 - q)))
    numerator = (0.010328 * t + 0.802853) * t + 2.515516
    denominator = ((0.001308 * t + 0.189269) * t + 1.432788) * t + 1.0
    z = t - numerator / denominator
    return -z if q > 0.5 else z


@kernel
def curve(table, column, d_e):
    """Empirical curve of effective distance d_e (m), dB [TN101 III.69, III.70]."""
    rise = (d_e / table[2, column]) ** 2
    bump = table[1, column] / (1.0 + ((d_e - table[3, column]) / table[4, column]) ** 2)
    return (table[0, column] + bump) * rise / (1.0 + rise)


@kernel
def frequency_factor(table, column, q):
    """Frequency factor g of the time variability [Alg section 5]."""
    return table[0, column] + table[1, column] / ((table[2, column] * q) ** 2 + 1.0)


@kernel
def effective_distance(d, f_mhz, h_e_tx, h_e_rx):
    """Effective distance d_e (m) that enters the climate's curves [Alg 5.3]."""
    wn = f_mhz / MHZ_PER_WAVENUMBER
    d_ex = (
        math.sqrt(2.0 * A_9000 * h_e_tx)
        + math.sqrt(2.0 * A_9000 * h_e_rx)
        + (575.7e12 / wn) ** (1.0 / 3.0)
    )
    return 130e3 * d / d_ex if d < d_ex else 130e3 + d - d_ex


@kernel
def far_in_tail(mdvar, z_t, z_l, z_s):
    """Whether a quantile that the mode of variability uses lies beyond 3.10 standard deviations."""
    mode = mdvar % 10
    if abs(z_s) > 3.10 or (mode >= ACCIDENTAL and abs(z_t) > 3.10):
        return True
    return mode == BROADCAST and abs(z_l) > 3.10


@kernel
def variability(a_ref, d, f_mhz, h_e_tx, h_e_rx, delta_h, climate, mdvar, z_t, z_l, z_s):
    """Attenuation (dB beyond free space) not exceeded at the quantiles z_t, z_l, z_s [Alg section 5].

    `climate` 1 to 7; `mdvar` 0 single message, 1 accidental, 2 mobile, 3 broadcast, +10 without location
    variability, +20 without direct situation variability.
    """
    column = climate - 1
    wn = f_mhz / MHZ_PER_WAVENUMBER
    d_e = effective_distance(d, f_mhz, h_e_tx, h_e_rx)

    mode = mdvar
    if mode >= NO_SITUATION:  # "as it should when considering interference problems" [Hufford 1982]
        mode -= NO_SITUATION
        sigma_s = 0.0
    else:
        sigma_s = 5.0 + 3.0 * math.exp(-d_e / 100e3)  # [Alg 5.10]
    if mode >= NO_LOCATION:
        mode -= NO_LOCATION
        sigma_l = 0.0
    else:
        rough = wn * roughness(d, delta_h)
        sigma_l = 10.0 * rough / (rough + 13.0)  # [Alg 5.9]

    # modes that treat several variabilities as one use one quantile for them
    if mode == SINGLE_MESSAGE:
        z_t = z_s
        z_l = z_s
    elif mode == ACCIDENTAL:
        z_l = z_s
    elif mode == MOBILE:
        z_l = z_t

    q = math.log(0.133 * wn)
    if z_t < 0.0:
        sigma_t = curve(_SIGMA_MINUS, column, d_e) * frequency_factor(_G_MINUS, column, q)
    else:
        sigma_t = curve(_SIGMA_PLUS, column, d_e) * frequency_factor(_G_PLUS, column, q)
        if z_t > _Z_D[column]:  # far in the tail another slope holds
            sigma_td = _C_D[column] * sigma_t
            sigma_t = sigma_td + (sigma_t - sigma_td) * _Z_D[column] / z_t
    y_t = sigma_t * z_t
    y_l = sigma_l * z_l

    # [Alg 5.11]
    spread = sigma_s**2 + y_t**2 / (7.8 + z_s**2) + y_l**2 / (24.0 + z_s**2)
    if mode == SINGLE_MESSAGE:
        y_r = 0.0
        y_s = math.sqrt(sigma_t**2 + sigma_l**2 + spread) * z_s
    elif mode == ACCIDENTAL:
        y_r = y_t
        y_s = math.sqrt(sigma_l**2 + spread) * z_s
    elif mode == MOBILE:
        y_r = math.sqrt(sigma_t**2 + sigma_l**2) * z_t
        y_s = math.sqrt(spread) * z_s
    else:
        y_r = y_t + y_l
        y_s = math.sqrt(spread) * z_s

    result = a_ref - curve(_MEDIAN, column, d_e) - y_r - y_s
    if result < 0.0:  # gain over free space is compressed [Alg 52]
        result = result * (29.0 - result) / (29.0 - 10.0 * result)
    return result
