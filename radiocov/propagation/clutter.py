"""Clutter loss at a terminal below the roofs or the canopy: Recommendation ITU-R P.2108-1, section 3.1.

The height gain terminal correction model, 0.03 GHz to 3 GHz: the loss A_h to add to a path computed *to
the top of the clutter* around a terminal that stands among it. Never add it to a P.1812 result whose
profile already contains the clutter heights: that would count the clutter twice.

    symbol  name          unit
    f       frequency     GHz (public function: MHz)
    h       height        m, antenna above ground
    R       clutter       m, representative clutter height
    w_s     street width  m, relating to the distance of the obstruction; 27 unless known
"""

import math
from enum import IntEnum

import numba
import numpy as np

from .p1812_formulas import knife_edge_db

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")

DEFAULT_STREET_WIDTH_M = 27.0


class ClutterType(IntEnum):
    """Clutter types of section 3.1, with the numbers NTIA's software gives them."""

    WATER_SEA = 1
    OPEN_RURAL = 2
    SUBURBAN = 3
    URBAN = 4
    TREES_FOREST = 5
    DENSE_URBAN = 6


# Default representative clutter heights R, m (table of section 3.1)
DEFAULT_CLUTTER_HEIGHT_M = {
    ClutterType.WATER_SEA: 10.0,
    ClutterType.OPEN_RURAL: 10.0,
    ClutterType.SUBURBAN: 10.0,
    ClutterType.URBAN: 15.0,
    ClutterType.TREES_FOREST: 15.0,
    ClutterType.DENSE_URBAN: 20.0,
}


@kernel
def height_gain_kernel(f_ghz, h, w_s, clutter, clutter_type):
    """A_h, dB [P.2108-1 (2a) to (2f)]; 0 where the antenna stands above the clutter."""
    if h >= clutter:
        return 0.0
    if clutter_type <= 2:  # water, sea, open, rural: height gain over flat ground (2b)
        k_h2 = 21.8 + 6.2 * math.log10(f_ghz)  # (2f)
        return -k_h2 * math.log10(h / clutter)
    h_dif = clutter - h  # (2d)
    theta = math.degrees(math.atan(h_dif / w_s))  # (2e)
    nu = 0.342 * math.sqrt(f_ghz) * math.sqrt(h_dif * theta)  # (2c)
    return knife_edge_db(nu) - 6.03  # (2a); J(nu) of (2g) is that of P.526


@numba.vectorize(cache=True)
def _height_gain(f_ghz, h, w_s, clutter, clutter_type):
    return height_gain_kernel(f_ghz, h, w_s, clutter, clutter_type)


def height_gain_loss(
    frequency_mhz,
    height_m,
    clutter_height_m,
    clutter_type,
    street_width_m=DEFAULT_STREET_WIDTH_M,
):
    """Additional loss A_h [dB] of a terminal in clutter, P.2108-1 section 3.1; arrays broadcast.

    Parameters
    ----------
    frequency_mhz : 30 to 3000 [MHz].
    height_m : antenna height above ground, above 0 [m].
    clutter_height_m : representative clutter height R, above 0 [m].
    clutter_type : `ClutterType`, its number, or an array of numbers.
    street_width_m : w_s, above 0 [m].

    Raises
    ------
    ValueError outside these ranges.
    """
    f, h, r, w = (
        np.asarray(a, dtype=float) for a in (frequency_mhz, height_m, clutter_height_m, street_width_m)
    )
    kind = np.asarray(clutter_type)
    if not np.all((f >= 30.0) & (f <= 3000.0)):
        raise ValueError(f"frequency_mhz must be 30 to 3000 MHz for P.2108 section 3.1, not {frequency_mhz}")
    for name, values in (("height_m", h), ("street_width_m", w), ("clutter_height_m", r)):
        if not np.all(values > 0):
            raise ValueError(f"{name} must be above 0 m, not {np.min(values):g}")
    if not np.all(np.isin(kind, list(ClutterType))):
        raise ValueError(f"clutter_type must be 1 (water) to 6 (dense urban), not {clutter_type}")
    with np.errstate(all="ignore"):
        return _height_gain(f / 1000.0, h, w, r, kind.astype(np.int64))
