"""External radio noise and how it adds to a receiver's own: Recommendation ITU-R P.372.

Man-made noise by environment, P.372 section 6: the median noise figure over k T0 b received by a short
vertical antenna is F_am = c - d log10(f), f in MHz. The curves of the Recommendation are stated for 0.3 to
250 MHz. Two answers for 350 MHz:

- the same lines **extrapolated** (`man_made_noise_terms` says so); towns then read 6 dB at 350 MHz;
- "uhf-business", F_am = 44.3 - 12.3 log10(f), the older line for business areas between 200 MHz and
  900 MHz, which reads 13 dB at 350 MHz.

Where a line falls below k T0 b (rural areas at UHF) the noise is thermal: F_am below 0 dB counts as 0.
"""

import math

import numba
import numpy as np

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")

BOLTZMANN = 1.380649e-23  # J/K
T_0 = 290.0  # K
EXTRAPOLATION_LIMIT_MHZ = 1000.0

# name: (c, d, deviation upper decile D_u, lower decile D_l [dB], lowest and highest stated frequency [MHz])
ENVIRONMENTS = {
    "city": (76.8, 27.7, 11.0, 6.7, 0.3, 250.0),
    "residential": (72.5, 27.7, 10.6, 5.3, 0.3, 250.0),
    "rural": (67.2, 27.7, 9.2, 4.6, 0.3, 250.0),
    "quiet-rural": (53.6, 28.6, math.nan, math.nan, 0.3, 250.0),
    "uhf-business": (44.3, 12.3, math.nan, math.nan, 200.0, 900.0),
}


@kernel
def man_made_noise_kernel(frequency_mhz, c, d):
    """F_am, dB over k T0 b, may be negative [P.372 section 6]."""
    return c - d * math.log10(frequency_mhz)


@kernel
def noise_rise_kernel(external_db, receiver_db, line_loss_db):
    """How much external noise raises the noise of a receiving system, dB [P.372 (2) to (4)].

    f = f_a + f_c f_t f_r - 1 with all parts at T0: external noise f_a at a lossless antenna, losses ahead
    of the receiver f_c f_t, receiver noise factor f_r. The rise is f over f_c f_t f_r. External noise
    below k T0 b counts as k T0 b, which raises nothing.
    """
    f_a = 10.0 ** (0.1 * max(external_db, 0.0))
    f_own = 10.0 ** (0.1 * (receiver_db + line_loss_db))
    return 10.0 * math.log10(1.0 + (f_a - 1.0) / f_own)


@kernel
def system_noise_kernel(external_db, receiver_db, line_loss_db):
    """Operating noise figure F (dB) of a receiving system with external noise [P.372 (2) to (4)]."""
    return receiver_db + line_loss_db + noise_rise_kernel(external_db, receiver_db, line_loss_db)


@numba.vectorize(cache=True)
def _man_made(frequency_mhz, c, d):
    return man_made_noise_kernel(frequency_mhz, c, d)


@numba.vectorize(cache=True)
def _rise(external_db, receiver_db, line_loss_db):
    return noise_rise_kernel(external_db, receiver_db, line_loss_db)


@numba.vectorize(cache=True)
def _system(external_db, receiver_db, line_loss_db):
    return system_noise_kernel(external_db, receiver_db, line_loss_db)


def _environment(name: str) -> tuple:
    key = name.lower().replace("_", "-").replace(" ", "-")
    key = "quiet-rural" if key == "quiet" else key  # as land-cover legends write it
    if key not in ENVIRONMENTS:
        raise ValueError(f"noise environment is {name!r}: it must be one of {', '.join(ENVIRONMENTS)}")
    return ENVIRONMENTS[key]


def man_made_noise_figure_db(frequency_mhz, environment: str):
    """Median man-made noise figure F_am [dB over k T0 b]; an array of frequencies gives an array.

    Parameters
    ----------
    frequency_mhz : [MHz] 0.3 to 250 as stated, extrapolated up to 1000; "uhf-business" 200 to 900 only.
    environment : "city", "residential", "rural", "quiet-rural" or "uhf-business".

    Raises
    ------
    ValueError for another environment, or a frequency beyond these.
    """
    c, d, _, _, low, high = _environment(environment)
    f = np.asarray(frequency_mhz, dtype=float)
    limit = high if low == 200.0 else EXTRAPOLATION_LIMIT_MHZ
    if not np.all((f >= low) & (f <= limit)):
        raise ValueError(
            f"frequency_mhz must be {low:g} to {limit:g} MHz for {environment} noise, not {frequency_mhz}"
        )
    with np.errstate(all="ignore"):
        return _man_made(f, c, d)


def man_made_noise_terms(frequency_mhz: float, environment: str) -> dict:
    """F_am, its decile deviations D_u and D_l [dB, NaN where none is stated], the stated frequency range
    [MHz] and whether the value is an extrapolation beyond it."""
    f_am = float(man_made_noise_figure_db(frequency_mhz, environment))
    _, _, upper, lower, low, high = _environment(environment)
    return {
        "F_am": f_am,
        "D_u": upper,
        "D_l": lower,
        "validity_mhz": (low, high),
        "extrapolated": not low <= frequency_mhz <= high,
    }


def system_noise_figure_db(external_noise_figure_db, receiver_noise_figure_db, line_loss_db=0.0):
    """Operating noise figure [dB] of a receiver with external noise; arrays broadcast.

    `line_loss_db` is what lies between a lossless antenna and the receiver: antenna circuit, feeder.
    Raises ValueError where a receiver's noise figure or a loss is negative.
    """
    arguments = _checked(external_noise_figure_db, receiver_noise_figure_db, line_loss_db)
    with np.errstate(all="ignore"):
        return _system(*arguments)


def noise_rise_db(frequency_mhz, environment: str, noise_figure_db, line_loss_db=0.0):
    """Rise of a receiver's noise floor, and so of its threshold, by man-made noise [dB]; arrays broadcast.

    10 log10(f_a + f_rx - 1) less the receiver's own figure; 0 where the noise is below k T0 b. Arguments
    as in `man_made_noise_figure_db` and `system_noise_figure_db`.
    """
    external = man_made_noise_figure_db(frequency_mhz, environment)
    arguments = _checked(external, noise_figure_db, line_loss_db)
    with np.errstate(all="ignore"):
        return _rise(*arguments)


def thermal_noise_dbm(bandwidth_hz):
    """k T0 b [dBm] in a noise bandwidth [Hz], T0 = 290 K."""
    b = np.asarray(bandwidth_hz, dtype=float)
    if not np.all(b > 0):
        raise ValueError(f"bandwidth_hz must be above 0 Hz, not {bandwidth_hz}")
    power = 10.0 * np.log10(BOLTZMANN * T_0 * 1000.0 * b)
    return power if b.ndim else float(power)


def _checked(external_db, receiver_db, line_loss_db):
    external, receiver, line = (
        np.asarray(a, dtype=float) for a in (external_db, receiver_db, line_loss_db)
    )
    for name, values in (("noise figure", receiver), ("line loss", line)):
        if not np.all(values >= 0):
            raise ValueError(f"the {name} must be 0 dB or more, not {np.min(values):g}")
    return external, receiver, line
