"""Building entry loss, Recommendation ITU-R P.2109-2, Annex 1 section 3.

The loss not exceeded with probability P when entering a building, 0.08 GHz to 100 GHz: the power sum of
two lognormal losses and a constant. It holds for terminals anywhere indoors and adds to the outdoor loss
at the building.
"""

import math

import numba
import numpy as np

from radiocov.propagation.itm_variability import upper_normal_quantile

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")

TRADITIONAL, THERMALLY_EFFICIENT = 1, 2
BUILDINGS = {"traditional": TRADITIONAL, "thermally-efficient": THERMALLY_EFFICIENT}

# Table 1: r, s, t, u, v, w, x, y, z of traditional and thermally efficient buildings
_COEFFICIENTS = np.array([
    [12.64, 3.72, 0.96, 9.6, 2.0, 9.1, -3.0, 4.5, -2.0],
    [28.19, -3.00, 8.48, 13.5, 3.8, 27.8, -2.9, 9.4, -2.1],
])


@kernel
def normal_quantile(p):
    """F^-1(p): the value a standard normal variable stays below with probability p, 0 < p < 1.

    The rational approximation of Abramowitz and Stegun 26.2.23, refined by two of Halley's steps on the
    exact distribution; good to about 1e-14 relative.
    """
    if p == 0.5:
        return 0.0
    q = min(p, 1.0 - p)  # work in the nearer tail, where erfc keeps its precision
    z = upper_normal_quantile(q)
    for _ in range(2):
        density = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
        u = (q - 0.5 * math.erfc(z / math.sqrt(2.0))) / density
        z -= u / (1.0 + 0.5 * u * z)
    return -z if p < 0.5 else z


@kernel
def building_entry_kernel(f_ghz, probability, building, elevation_deg):
    """(L_BEL, mu_1, mu_2, sigma_1, sigma_2, L_h, L_e), dB [P.2109-2 (1) to (10)].

    `probability` 0 to 1; `building` 1 traditional, 2 thermally efficient.
    """
    k = _COEFFICIENTS[building - 1]
    log_f = math.log10(f_ghz)
    l_h = k[0] + k[1] * log_f + k[2] * log_f**2  # (9) median loss for horizontal paths
    l_e = 0.212 * abs(elevation_deg)  # (10)
    mu_1 = l_h + l_e  # (5)
    mu_2 = k[5] + k[6] * log_f  # (6)
    sigma_1 = k[3] + k[4] * log_f  # (7)
    sigma_2 = k[7] + k[8] * log_f  # (8)
    quantile = normal_quantile(probability)
    a = quantile * sigma_1 + mu_1  # (2)
    b = quantile * sigma_2 + mu_2  # (3)
    # (1), with C = -3 dB (4)
    loss = 10.0 * math.log10(10.0 ** (0.1 * a) + 10.0 ** (0.1 * b) + 10.0**-0.3)
    return loss, mu_1, mu_2, sigma_1, sigma_2, l_h, l_e


@numba.vectorize(cache=True)
def _building_entry(f_ghz, probability, building, elevation_deg):
    return building_entry_kernel(f_ghz, probability, building, elevation_deg)[0]


def _checked(frequency_mhz, probability_percent, building, elevation_deg):
    """Arrays in the kernel's units, or ValueError."""
    f, p, e = (np.asarray(a, dtype=float) for a in (frequency_mhz, probability_percent, elevation_deg))
    if not np.all((f >= 80.0) & (f <= 100e3)):
        raise ValueError(f"frequency_mhz must be 80 to 100000 MHz for P.2109, not {frequency_mhz}")
    if not np.all((p > 0) & (p < 100)):
        raise ValueError(f"probability_percent must lie between 0 and 100, not {probability_percent}")
    if not np.all(np.abs(e) <= 90.0):
        raise ValueError(f"elevation_deg must be -90 to 90, not {elevation_deg}")
    if isinstance(building, str):
        if building not in BUILDINGS:
            raise ValueError(f"building must be one of {', '.join(BUILDINGS)}, not {building!r}")
        building = BUILDINGS[building]
    kind = np.asarray(building)
    if not np.all(np.isin(kind, (TRADITIONAL, THERMALLY_EFFICIENT))):
        raise ValueError(f"building must be 1 (traditional) or 2 (thermally efficient), not {building}")
    return f / 1000.0, p / 100.0, kind.astype(np.int64), e


def building_entry_loss(frequency_mhz, probability_percent=50.0, building="traditional", elevation_deg=0.0):
    """Building entry loss not exceeded with a probability [dB]; arrays broadcast.

    Parameters
    ----------
    frequency_mhz : 80 to 100000 [MHz].
    probability_percent : between 0 and 100, both excluded [%].
    building : "traditional" or "thermally-efficient", or 1 and 2 (arrays too).
    elevation_deg : elevation of the path at the facade, -90 to 90 [degrees].

    Raises
    ------
    ValueError outside these ranges.
    """
    arguments = _checked(frequency_mhz, probability_percent, building, elevation_deg)
    with np.errstate(all="ignore"):
        return _building_entry(*arguments)


def building_entry_terms(
    frequency_mhz, probability_percent=50.0, building="traditional", elevation_deg=0.0
) -> dict:
    """Building entry loss of one case with its terms by the Recommendation's symbols [dB]."""
    f, p, kind, e = _checked(frequency_mhz, probability_percent, building, elevation_deg)
    values = building_entry_kernel(f.item(), p.item(), kind.item(), e.item())
    return dict(zip(("L_BEL", "mu_1", "mu_2", "sigma_1", "sigma_2", "L_h", "L_e"), values, strict=True))
