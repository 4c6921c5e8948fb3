"""Free-space basic transmission loss, Recommendation ITU-R P.525.

P.525 section 2.2: L_bf = 20 log10(4 pi d / lambda), which the Recommendation also writes, rounded, as
32.4 + 20 log10(f) + 20 log10(d) with f in MHz and d in km.
"""

import math

import numba
import numpy as np

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")

SPEED_OF_LIGHT = 299_792_458.0  # m/s
# 20 log10(4 pi * 1 km * 1 MHz / c): 32.4478 dB
FREE_SPACE_CONSTANT_DB = 20.0 * math.log10(4.0 * math.pi * 1e9 / SPEED_OF_LIGHT)


@kernel
def free_space_loss_kernel(frequency_mhz, distance_km):
    """Free-space loss (dB) over a straight distance (km) [P.525 2.2, equation for L_bf]."""
    return FREE_SPACE_CONSTANT_DB + 20.0 * math.log10(frequency_mhz * distance_km)


@kernel
def slant_distance_kernel(distance_km, height_difference_m):
    """Straight distance (km) between antennas a horizontal distance (km) and a height (m) apart."""
    return math.hypot(distance_km, height_difference_m / 1000.0)


# compiled at import for these types: the engine calls it from several threads, and numba warns when two compile
@numba.vectorize(["float64(float64,float64,float64)"], cache=True)
def _free_space(frequency_mhz, distance_km, height_difference_m):
    return free_space_loss_kernel(frequency_mhz, slant_distance_kernel(distance_km, height_difference_m))


def free_space_loss(frequency_mhz, distance_km, height_difference_m=0.0):
    """Free-space basic transmission loss [dB]; arrays broadcast.

    Parameters
    ----------
    frequency_mhz : above 0 [MHz].
    distance_km : horizontal distance, 0 or more [km].
    height_difference_m : difference of the antennas' heights above sea level [m].

    Raises
    ------
    ValueError where the frequency is not above 0, a distance is negative, or both ends coincide.
    """
    f, d, h = (np.asarray(a, dtype=float) for a in (frequency_mhz, distance_km, height_difference_m))
    if not np.all(f > 0):
        raise ValueError(f"frequency_mhz must be above 0 MHz, not {np.min(f):g}")
    if not np.all(d >= 0):
        raise ValueError(f"distance_km must be 0 km or more, not {np.min(d):g}")
    if np.any((d == 0) & (h == 0)):
        raise ValueError("free-space loss is not defined at distance 0: move the ends apart")
    with np.errstate(all="ignore"):
        return _free_space(f, d, h)
