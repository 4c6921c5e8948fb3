"""Diffraction by itself: the building blocks of Recommendation ITU-R P.526-15 as public functions.

P.1812 is made of them; the equations live in ``p1812_formulas`` and the analysis of a profile in ``p1812``, and
nothing is written a second time here. What is different: any ground constants, any effective Earth radius, no
clutter apart from the heights (whatever obstructs belongs into ``height_m``).

    function                   section          one or many
    knife_edge_parameter       4.1, eq 26       arrays broadcast
    knife_edge_loss            4.1, eq 31       arrays broadcast
    first_term_loss            3.1.1            arrays broadcast; over the horizon only
    spherical_earth_loss       3.2              arrays broadcast; any distance
    bullington_loss            4.5.1            one profile, or (m, n) heights over the same distances
    delta_bullington_loss      4.5.2            the same
    delta_bullington_terms     4.5.2            one profile, every term

All results are losses beyond free space, dB, median over time for the median effective Earth radius. Distances are
km, heights m, frequencies MHz. The wavelength is 299.8 / f as in P.1812.
"""

import numba
import numpy as np

from .p1812 import check_distances, profile_nu, smooth_nu, smooth_surface
from .p1812_formulas import (
    HORIZONTAL,
    LAND_EPS_R,
    LAND_SIGMA,
    VERTICAL,
    bullington_db,
    diffraction_heights,
    edge_parameter,
    first_term_db,
    knife_edge_db,
    spherical_earth_ground_db,
    wavelength_m,
)

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")

#: P.526 section 1: where nothing better is known.
EFFECTIVE_EARTH_RADIUS_KM = 8500.0
POLARIZATIONS = {"horizontal": HORIZONTAL, "vertical": VERTICAL}
TERMS = ("hts", "hrs", "hst", "hsr", "hstd", "hsrd", "htc", "hrc", "nu", "Lbulla", "nu_s", "Lbulls", "Ldsph", "Ld")


# --- one edge (section 4.1) ---------------------------------------------------------------------------


@numba.vectorize(cache=True)
def _edge_parameter(excess, d1, d2, f_ghz):
    return edge_parameter(excess, d1 + d2, d1, wavelength_m(f_ghz))


def knife_edge_parameter(excess_m, tx_distance_km, rx_distance_km, frequency_mhz):
    """nu of a knife edge: ``h sqrt(2/lambda (1/d1 + 1/d2))`` [4.1]; arrays broadcast.

    excess_m: height of the edge above the straight line between the antennas, negative below it [m]
    tx_distance_km, rx_distance_km: from the edge to either end, above 0 [km]
    frequency_mhz: above 0 [MHz]

    Raises ValueError outside these ranges. A curved Earth enters through ``excess_m``: add d1 d2 / (2 a_e).
    """
    h, d1, d2, f = _arrays(excess_m, tx_distance_km, rx_distance_km, frequency_mhz)
    _require("tx_distance_km", d1, d1 > 0, "above 0 km")
    _require("rx_distance_km", d2, d2 > 0, "above 0 km")
    _require("frequency_mhz", f, f > 0, "above 0 MHz")
    return _edge_parameter(h, d1, d2, f / 1000.0)


@numba.vectorize(cache=True)
def _knife_edge(nu):
    return knife_edge_db(nu)


def knife_edge_loss(nu):
    """J(nu), loss of a single knife edge [dB] [4.1]; 0 from nu = -0.78 downwards; arrays broadcast."""
    return _knife_edge(np.asarray(nu, dtype=float))


# --- the smooth Earth (section 3) ---------------------------------------------------------------------


@numba.vectorize(cache=True)
def _first_term(d, h1, h2, f_ghz, a_km, eps_r, sigma, pol):
    return first_term_db(d, h1, h2, a_km, f_ghz, eps_r, sigma, pol)


@numba.vectorize(cache=True)
def _spherical(d, h1, h2, f_ghz, a_km, eps_r, sigma, pol):
    return spherical_earth_ground_db(d, h1, h2, a_km, f_ghz, wavelength_m(f_ghz), eps_r, sigma, pol)


def first_term_loss(
    distance_km,
    height_1_m,
    height_2_m,
    frequency_mhz,
    *,
    effective_earth_radius_km=EFFECTIVE_EARTH_RADIUS_KM,
    permittivity=LAND_EPS_R,
    conductivity_s_m=LAND_SIGMA,
    polarization="vertical",
):
    """First term of the residue series over a smooth Earth [dB] [3.1.1]; arrays broadcast.

    It holds over the horizon, ``distance_km >= sqrt(2 a_e h1) + sqrt(2 a_e h2)``; nearer it is no loss at all.
    Arguments as for ``spherical_earth_loss``.
    """
    return _over_smooth_earth(
        _first_term, distance_km, height_1_m, height_2_m, frequency_mhz, effective_earth_radius_km, permittivity,
        conductivity_s_m, polarization,
    )  # fmt: skip


def spherical_earth_loss(
    distance_km,
    height_1_m,
    height_2_m,
    frequency_mhz,
    *,
    effective_earth_radius_km=EFFECTIVE_EARTH_RADIUS_KM,
    permittivity=LAND_EPS_R,
    conductivity_s_m=LAND_SIGMA,
    polarization="vertical",
):
    """Diffraction loss over a smooth Earth at any distance [dB] [3.2]; arrays broadcast.

    distance_km: above 0 [km]; height_1_m, height_2_m: antennas above the surface, 0 or more [m]
    frequency_mhz: 10 or more [MHz]; effective_earth_radius_km: above 0, finite [km]
    permittivity: relative, 1 or more; conductivity_s_m: 0 or more [S/m] (P.527: land 22 and 0.003, sea 80 and 5)
    polarization: "horizontal" or "vertical"

    Over the horizon the first term, which may be below 0 dB just there; nearer it is taken for the Earth radius
    that would just touch the path and falls to 0 where 0.552 sqrt(d1 d2 lambda / d) is clear.
    Raises ValueError outside these ranges.
    """
    return _over_smooth_earth(
        _spherical, distance_km, height_1_m, height_2_m, frequency_mhz, effective_earth_radius_km, permittivity,
        conductivity_s_m, polarization,
    )  # fmt: skip


def _over_smooth_earth(function, distance_km, h1_m, h2_m, frequency_mhz, radius_km, eps_r, sigma, polarization):
    d, h1, h2, f, a, e, s = _arrays(distance_km, h1_m, h2_m, frequency_mhz, radius_km, eps_r, sigma)
    _require("distance_km", d, d > 0, "above 0 km")
    _require("height_1_m", h1, h1 >= 0, "0 m or more above the surface")
    _require("height_2_m", h2, h2 >= 0, "0 m or more above the surface")
    _check_ground(f, a, e, s, polarization)
    with np.errstate(all="ignore"):
        return function(d, h1, h2, f / 1000.0, a, e, s, POLARIZATIONS[polarization])


def _check_ground(f, a, eps_r, sigma, polarization):
    _require("frequency_mhz", f, f >= 10.0, "10 MHz or more")
    _require("effective_earth_radius_km", a, (a > 0) & np.isfinite(a), "above 0 km and finite")
    _require("permittivity", eps_r, eps_r >= 1.0, "1 or more")
    _require("conductivity_s_m", sigma, sigma >= 0.0, "0 S/m or more")
    if polarization not in POLARIZATIONS:
        raise ValueError(f'polarization is "{polarization}"; give "horizontal" or "vertical"')


# --- a profile (section 4.5) ----------------------------------------------------------------------------


@kernel
def bullington_kernel(d, h, htg, hrg, f_ghz, c):
    """(edge parameter, Bullington loss) of a profile; ``c`` is 500/a_e in m/km^2, 0 for a flat Earth."""
    n = d.size
    nu = profile_nu(d, h, h[0] + htg, h[n - 1] + hrg, c, wavelength_m(f_ghz))
    return nu, bullington_db(nu, d[n - 1])


@kernel
def delta_bullington_kernel(d, h, htg, hrg, f_ghz, a_km, eps_r, sigma, pol):
    """The terms of the complete method in the order of ``TERMS``."""
    n = d.size
    dtot, c, lam = d[n - 1], 500.0 / a_km, wavelength_m(f_ghz)
    hts, hrs = h[0] + htg, h[n - 1] + hrg
    hst, hsr, hobs, alpha_obt, alpha_obr = smooth_surface(d, h, hts, hrs)
    hstd, hsrd = diffraction_heights(hst, hsr, h[0], h[n - 1], hobs, alpha_obt, alpha_obr)
    htc, hrc = hts - hstd, hrs - hsrd
    nu, lbulla = bullington_kernel(d, h, htg, hrg, f_ghz, c)
    nu_s = smooth_nu(d, htc, hrc, c, lam)
    lbulls = bullington_db(nu_s, dtot)
    ldsph = spherical_earth_ground_db(dtot, htc, hrc, a_km, f_ghz, lam, eps_r, sigma, pol)
    ld = lbulla + max(ldsph - lbulls, 0.0)
    return hts, hrs, hst, hsr, hstd, hsrd, htc, hrc, nu, lbulla, nu_s, lbulls, ldsph, ld


@kernel
def _bullington_many(d, h, htg, hrg, f_ghz, c, out):
    for i in range(out.size):
        out[i] = bullington_kernel(d, h[i], htg[i], hrg[i], f_ghz[i], c[i])[1]


@kernel
def _delta_bullington_many(d, h, htg, hrg, f_ghz, a_km, eps_r, sigma, pol, out):
    for i in range(out.size):
        out[i] = delta_bullington_kernel(d, h[i], htg[i], hrg[i], f_ghz[i], a_km[i], eps_r[i], sigma[i], pol)[-1]


def bullington_loss(
    distance_km,
    height_m,
    tx_height_m,
    rx_height_m,
    frequency_mhz,
    *,
    effective_earth_radius_km=EFFECTIVE_EARTH_RADIUS_KM,
):
    """Bullington loss of a general profile [dB] [4.5.1]: its one equivalent edge and the correction for distance.

    distance_km: (n,) from the transmitter, starting at 0, increasing [km], n >= 2
    height_m: (n,), or (m, n) for m profiles over the same distances: obstacles above sea level, both ends the
        ground that the antennas stand on [m]
    tx_height_m, rx_height_m: antennas above that ground, 0 or more [m]; frequency_mhz: above 0 [MHz]
    effective_earth_radius_km: above 0; ``math.inf`` is a flat Earth [km]

    Antenna heights, frequency and radius may be (m,) too. Returns a float, or (m,).
    Raises ValueError for what is no profile and outside these ranges.
    """
    d, h, scalar = _profiles(distance_km, height_m)
    htg, hrg, f, a = _columns(len(h), tx_height_m, rx_height_m, frequency_mhz, effective_earth_radius_km)
    _check_antennas(htg, hrg)
    _require("frequency_mhz", f, f > 0, "above 0 MHz")
    _require("effective_earth_radius_km", a, a > 0, "above 0 km")
    out = np.empty(len(h))
    _bullington_many(d, h, htg, hrg, f / 1000.0, 500.0 / a, out)
    return float(out[0]) if scalar else out


def delta_bullington_loss(
    distance_km,
    height_m,
    tx_height_m,
    rx_height_m,
    frequency_mhz,
    *,
    effective_earth_radius_km=EFFECTIVE_EARTH_RADIUS_KM,
    permittivity=LAND_EPS_R,
    conductivity_s_m=LAND_SIGMA,
    polarization="vertical",
):
    """Diffraction loss of a general profile by the complete method, delta-Bullington [dB] [4.5.2].

    The Bullington loss of the profile, plus what a smooth Earth of the profile's mean course loses more than its
    own Bullington loss. Arguments as for ``bullington_loss`` and ``spherical_earth_loss``; the Earth is curved.
    """
    d, h, scalar = _profiles(distance_km, height_m)
    htg, hrg, f, a, e, s = _columns(
        len(h), tx_height_m, rx_height_m, frequency_mhz, effective_earth_radius_km, permittivity, conductivity_s_m
    )
    _check_antennas(htg, hrg)
    _check_ground(f, a, e, s, polarization)
    out = np.empty(len(h))
    _delta_bullington_many(d, h, htg, hrg, f / 1000.0, a, e, s, POLARIZATIONS[polarization], out)
    return float(out[0]) if scalar else out


def delta_bullington_terms(
    distance_km,
    height_m,
    tx_height_m: float,
    rx_height_m: float,
    frequency_mhz: float,
    *,
    effective_earth_radius_km: float = EFFECTIVE_EARTH_RADIUS_KM,
    permittivity: float = LAND_EPS_R,
    conductivity_s_m: float = LAND_SIGMA,
    polarization: str = "vertical",
) -> dict[str, float]:
    """One case of ``delta_bullington_loss`` by its terms: a dict with the keys ``TERMS``, ``Ld`` being the result.

    hts, hrs: antennas above sea level; hst, hsr: fitted surface under them; hstd, hsrd: the same for diffraction;
    htc, hrc: antennas above it [m]; nu, nu_s: edge parameters of the profile and the smooth path (-inf where
    nothing stands between the ends); Lbulla, Lbulls: their Bullington losses; Ldsph: spherical Earth [dB].
    """
    d, h, scalar = _profiles(distance_km, height_m)
    if not scalar:
        raise ValueError("height_m has more than one profile; terms are given for one")
    htg, hrg, f, a, e, s = _columns(
        1, tx_height_m, rx_height_m, frequency_mhz, effective_earth_radius_km, permittivity, conductivity_s_m
    )
    _check_antennas(htg, hrg)
    _check_ground(f, a, e, s, polarization)
    found = delta_bullington_kernel(
        d, h[0], htg[0], hrg[0], f[0] / 1000.0, a[0], e[0], s[0], POLARIZATIONS[polarization]
    )
    return dict(zip(TERMS, found, strict=True))


# --- checks ---------------------------------------------------------------------------------------------


def _arrays(*values):
    return tuple(np.asarray(v, dtype=float) for v in values)


def _require(name, values, right, expected):
    if not np.all(right):
        raise ValueError(f"{name} is {values[~right].flat[0]:g}; it must be {expected}")


def _check_antennas(htg, hrg):
    _require("tx_height_m", htg, htg >= 0, "0 m or more above the ground")
    _require("rx_height_m", hrg, hrg >= 0, "0 m or more above the ground")


def _profiles(distance_km, height_m):
    """``(distances (n,), heights (m, n), whether one profile was given)``."""
    d, h = (np.ascontiguousarray(v, dtype=float) for v in (distance_km, height_m))
    if d.ndim != 1 or d.size < 2 or h.ndim not in (1, 2) or h.shape[-1] != d.size:
        raise ValueError(
            f"distance_km has the shape {d.shape} and height_m {h.shape}; a profile needs at least two points, "
            "with as many heights as distances"
        )
    for name, values in (("distance_km", d), ("height_m", h)):
        if not np.isfinite(values).all():
            at = int(np.argwhere(~np.isfinite(values))[0][-1])
            raise ValueError(f"{name} of point {at + 1} is not a number; fill voids first")
    check_distances(d)
    return d, np.atleast_2d(h), h.ndim == 1


def _columns(count, *values):
    """Scalars or (m,) as (m,) each."""
    arrays = _arrays(*values)
    try:
        return tuple(np.ascontiguousarray(np.broadcast_to(a, (count,))) for a in arrays)
    except ValueError:
        shape = next(a.shape for a in arrays if a.shape not in ((), (1,), (count,)))
        raise ValueError(f"an argument has the shape {shape}; give one value, or {count}, one a profile") from None
