"""Loss to level, margin and service probability, in both directions.

Talk-out is from the site to the terminal, talk-in from the terminal to the site. Levels are medians.
Functions take scalars or arrays that broadcast and keep float32. Losses and attenuations are positive dB.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numba import vectorize

from radiocov.propagation import p1812_formulas

Direction = Literal["talk-out", "talk-in", "both"]
DIRECTIONS: tuple[Direction, ...] = ("talk-out", "talk-in", "both")
_SQRT_HALF = math.sqrt(0.5)


def isotropic_level_dbm(eirp_dbm, attenuation_db, loss_db):
    """Median level [dBm] at an isotropic antenna: maximum EIRP - pattern attenuation - basic loss."""
    return eirp_dbm - attenuation_db - loss_db


def talk_out_margin_db(isotropic_dbm, terminal: Any):
    """Median level at the terminal's antenna port above its threshold [dB].

    isotropic_dbm: from `isotropic_level_dbm`; terminal: antenna_gain_dbi, carry_loss_db, threshold_dbm.
    """
    return isotropic_dbm + (terminal.antenna_gain_dbi - terminal.carry_loss_db - terminal.threshold_dbm)


def talk_in_margin_db(attenuation_db, loss_db, site: Any, terminal: Any, base: Any):
    """Median level at the site's receiver port above its threshold, less what diversity gives [dB].

    site: gain_dbi, losses_db (taken alike in both directions); terminal: power_dbm, antenna_gain_dbi,
    carry_loss_db; base: threshold_dbm, diversity_gain_db.
    """
    return talk_in_margin_of_path_db(site.gain_dbi - site.losses_db - attenuation_db - loss_db, terminal, base)


def talk_in_margin_of_path_db(path_gain_db, terminal: Any, base: Any):
    """`talk_in_margin_db` from the gain of the way back: site gain - losses - attenuation - basic loss [dB]."""
    return path_gain_db + (terminal.power_dbm - terminal.carry_loss_db + terminal.antenna_gain_dbi
                           - (base.threshold_dbm - base.diversity_gain_db))


def service_margin_db(direction: Direction, talk_out_db, talk_in_db):
    """The margin that decides a service [dB]: of its direction, or the worse of the two for "both".

    Both directions cross the same obstacles, so they fade together: the probability of both is the
    probability at the worse margin, not the product of the two.
    """
    if direction == "talk-out":
        return talk_out_db
    if direction == "talk-in":
        return talk_in_db
    if direction == "both":
        return np.minimum(talk_out_db, talk_in_db)
    raise ValueError(f'direction "{direction}"; give {", ".join(DIRECTIONS)}')


@vectorize(["float32(float32,float32)", "float64(float64,float64)"], cache=True)
def service_probability(margin_db, sigma_db):
    """P(level >= threshold) = Phi(margin / sigma), a log-normal spread of sigma [dB] about the median.

    sigma 0 is a step (1 from margin 0 on); NaN in gives NaN; float32 arrays stay float32.
    """
    if math.isnan(margin_db) or math.isnan(sigma_db) or sigma_db < 0:
        return math.nan
    if sigma_db == 0:
        return 1.0 if margin_db >= 0 else 0.0
    return 0.5 * math.erfc(-_SQRT_HALF * margin_db / sigma_db)


def location_variability_db(frequency_ghz, pixel_m):
    """sigma_L [dB], spread of local medians inside a pixel: (0.024 f + 0.52) w^0.28 (Rec. ITU-R P.1812,
    location variability). frequency_ghz 0.03 to 6; pixel_m 1 to 1000, side of the square. No model error."""
    return p1812_formulas.location_variability_db(frequency_ghz, pixel_m, 0.0, 0.0)


def total_sigma_db(model_error_db, location_variability_db):
    """Standard deviation [dB] about the median of an uncalibrated model: independent errors add in squares.

    A sigma from calibration already contains the location variability and is used alone.
    """
    return np.hypot(model_error_db, location_variability_db)
