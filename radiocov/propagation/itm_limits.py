"""Irregular Terrain Model: what may go in, and the names of its return codes and warning flags.

Codes, flags and limits are those of NTIA's software (`ERRORS_AND_WARNINGS`), so that results can be
compared flag by flag. A result can be valid and flagged.
"""

import math
from enum import IntEnum, IntFlag

import numba

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")


class Climate(IntEnum):
    """Radio climates."""

    EQUATORIAL = 1
    CONTINENTAL_SUBTROPICAL = 2
    MARITIME_SUBTROPICAL = 3
    DESERT = 4
    CONTINENTAL_TEMPERATE = 5
    MARITIME_TEMPERATE_OVER_LAND = 6
    MARITIME_TEMPERATE_OVER_SEA = 7


class Siting(IntEnum):
    """Siting of an antenna in area mode."""

    RANDOM = 0
    CAREFUL = 1
    VERY_CAREFUL = 2


class ItmWarning(IntFlag):
    """Flags of a valid result that deserves care."""

    TX_TERMINAL_HEIGHT = 0x0001  # outside 1 m to 1000 m
    RX_TERMINAL_HEIGHT = 0x0002
    FREQUENCY = 0x0004  # outside 40 MHz to 10 GHz
    PATH_DISTANCE_TOO_BIG_1 = 0x0008  # over 1000 km
    PATH_DISTANCE_TOO_BIG_2 = 0x0010  # over 2000 km
    PATH_DISTANCE_TOO_SMALL_1 = 0x0020  # effective heights seen under more than 0.2 rad
    PATH_DISTANCE_TOO_SMALL_2 = 0x0040  # under 1 km
    TX_HORIZON_ANGLE = 0x0080  # over 0.2 rad: small-angle approximations could break down
    RX_HORIZON_ANGLE = 0x0100
    TX_HORIZON_DISTANCE_1 = 0x0200  # under a tenth of the smooth-earth horizon distance
    RX_HORIZON_DISTANCE_1 = 0x0400
    TX_HORIZON_DISTANCE_2 = 0x0800  # over three times the smooth-earth horizon distance
    RX_HORIZON_DISTANCE_2 = 0x1000
    EXTREME_VARIABILITIES = 0x2000  # a percentage far in the tail of its distribution
    SURFACE_REFRACTIVITY = 0x4000  # under 250 N-units


# Return codes of NTIA's software and what is wrong; {name} is the value given.
ERRORS = {
    1000: "tx_height_m is {tx_height_m:g}: the transmitter must be 0.5 m to 3000 m above ground",
    1001: "rx_height_m is {rx_height_m:g}: the receiver must be 0.5 m to 3000 m above ground",
    1002: "climate is {climate:g}: it must be 1 (equatorial) to 7 (maritime temperate over sea)",
    1003: "time_percent is {time_percent:g}: it must lie between 0 and 100, both excluded",
    1004: "location_percent is {location_percent:g}: it must lie between 0 and 100, both excluded",
    1005: "situation_percent is {situation_percent:g}: it must lie between 0 and 100, both excluded",
    1006: "confidence_percent is {situation_percent:g}: it must lie between 0 and 100, both excluded",
    1007: "reliability_percent is {time_percent:g}: it must lie between 0 and 100, both excluded",
    1008: "n0 is {n0:g}: the refractivity must be 250 to 400 N-units",
    1009: "frequency_mhz is {frequency_mhz:g}: it must be 20 MHz to 20000 MHz",
    1010: "polarization is {polarization:g}: it must be 0 (horizontal) or 1 (vertical)",
    1011: "permittivity is {permittivity:g}: it must be at least 1",
    1012: "conductivity_s_m is {conductivity_s_m:g}: it must be above 0 S/m",
    1013: "permittivity {permittivity:g} and conductivity_s_m {conductivity_s_m:g} give a ground impedance "
    "whose imaginary part exceeds its real part: outside the model",
    1014: "variability_mode is {variability_mode:g}: it must be 0 to 3, plus 10, 20 or 30",
    1016: "n0 {n0:g} gives an effective earth radius outside 4000 km to 13333 km at this altitude",
    1017: "distance_km is {distance_km:g}: the path must be longer than 0 km",
    1018: "delta_h_m is {delta_h_m:g}: the terrain irregularity cannot be negative",
    1019: "tx_siting is {tx_siting:g}: it must be 0 (random), 1 (careful) or 2 (very careful)",
    1020: "rx_siting is {rx_siting:g}: it must be 0 (random), 1 (careful) or 2 (very careful)",
    1021: "n0 {n0:g} gives a surface refractivity below 150 N-units at this altitude",
    1022: "n0 {n0:g} gives a surface refractivity above 400 N-units at this altitude",
}


class ItmError(ValueError):
    """Input outside the model; `code` is the return code of NTIA's software."""

    def __init__(self, message: str, code: int):
        super().__init__(message)
        self.code = code


@kernel
def check_inputs(h_tx, h_rx, f_mhz, vertical, epsilon, sigma, n_0, climate, mdvar, time, location, situation):
    """Return code (0: in order) and warning flags of what both modes have in common."""
    flags = 0
    if h_tx < 1.0 or h_tx > 1000.0:
        flags |= 0x0001
    if not 0.5 <= h_tx <= 3000.0:
        return 1000, flags
    if h_rx < 1.0 or h_rx > 1000.0:
        flags |= 0x0002
    if not 0.5 <= h_rx <= 3000.0:
        return 1001, flags
    if climate < 1 or climate > 7:
        return 1002, flags
    if not 250.0 <= n_0 <= 400.0:
        return 1008, flags
    if f_mhz < 40.0 or f_mhz > 10000.0:
        flags |= 0x0004
    if not 20.0 <= f_mhz <= 20000.0:
        return 1009, flags
    if vertical != 0 and vertical != 1:
        return 1010, flags
    if not epsilon >= 1.0:
        return 1011, flags
    if not sigma > 0.0:
        return 1012, flags
    if mdvar < 0 or mdvar > 33 or mdvar % 10 > 3:
        return 1014, flags
    if not 0.0 < situation < 100.0:
        return 1005, flags
    if not 0.0 < time < 100.0:
        return 1003, flags
    if not 0.0 < location < 100.0:
        return 1004, flags
    return 0, flags


@kernel
def check_geometry(d, gamma_e, n_s, z_g, theta_tx, theta_rx, d_tx, d_rx, h_e_tx, h_e_rx):
    """Return code and warning flags of what is known once the path is: horizons, refractivity, distance."""
    flags = 0
    if abs(theta_tx) > 0.2:
        flags |= 0x0080
    if abs(theta_rx) > 0.2:
        flags |= 0x0100
    smooth_tx = math.sqrt(2.0 * h_e_tx / gamma_e)
    smooth_rx = math.sqrt(2.0 * h_e_rx / gamma_e)
    if d_tx < 0.1 * smooth_tx:
        flags |= 0x0200
    if d_rx < 0.1 * smooth_rx:
        flags |= 0x0400
    if d_tx > 3.0 * smooth_tx:
        flags |= 0x0800
    if d_rx > 3.0 * smooth_rx:
        flags |= 0x1000
    if n_s < 150.0:
        return 1021, flags
    if n_s > 400.0:
        return 1022, flags
    if n_s < 250.0:
        flags |= 0x4000
    if not 4000000.0 <= 1.0 / gamma_e <= 13333333.0:
        return 1016, flags
    if z_g.real <= abs(z_g.imag):
        return 1013, flags
    if d < abs(h_e_tx - h_e_rx) / 0.2:
        flags |= 0x0020
    if d < 1e3:
        flags |= 0x0040
    if d > 1000e3:
        flags |= 0x0008
    if d > 2000e3:
        flags |= 0x0010
    return 0, flags
