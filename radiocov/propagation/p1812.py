"""Recommendation ITU-R P.1812-8: path-specific prediction, 30 MHz to 6 GHz, one path at a time.

A path is analysed first (section 3 and Attachment 1: zones, horizons, smooth-Earth heights) and the loss is then
composed from it (section 4, in ``p1812_formulas``). Clutter enters as in P.1812-6 and later: the profile heights
between the terminals are ground plus representative clutter height, both terminals stand on bare ground and there is
no separate terminal clutter loss.

Units: distances km, heights m above mean sea level, frequency GHz, angles mrad, losses dB.
"""

import math

import numba
import numpy as np

from .fastmath import exp10
from .p1812_formulas import (
    AB_KM,
    EARTH_RADIUS_KM,
    HORIZONTAL,
    INLAND,
    NO_COAST_KM,
    SEA,
    VERTICAL,
    alternative_smooth_nu,
    angular_weight,
    bullington_db,
    bullington_point_km,
    bullington_point_nu,
    diffraction_heights,
    distance_weight,
    ducting_db,
    ducting_diffraction_db,
    edge_parameter,
    effective_earth_radius_km,
    elevation_mrad,
    free_space_db,
    inverse_normal,
    land_tau,
    least_loss_db,
    location_variability_db,
    log_beta_0,
    multipath_db,
    power_sum_db,
    smooth_earth_fit,
    smooth_minimum_db,
    spherical_earth_db,
    time_weight,
    troposcatter_db,
    wavelength_m,
)

kernel = numba.njit(cache=True, nogil=True, error_model="numpy")

#: Intermediate terms in the order of the kernel's output, by the Recommendation's symbols.
TERMS = (
    "d", "dlt", "dlr", "theta_t", "theta_r", "theta", "hts", "hrs", "omega", "dtm", "dlm", "phi", "b0",
    "ae", "ab", "hst_fit", "hsr_fit", "hobs", "alpha_obt", "alpha_obr", "hst", "hsr", "hstd", "hsrd", "htc",
    "hrc", "hte", "hre", "hm", "Lbfs", "Lb0p", "Lb0b", "Lbulla50", "Lbulls50", "Ldsph50", "Ld50", "Lbulla",
    "Lbulls", "Ldsph", "Ldb", "Fi", "Ldp", "Lbd50", "Lbd", "Lminb0p", "Lba", "Lminbap", "Fj", "Fk", "Lbda",
    "Lbam", "Lbs", "Lbc", "sigma_L", "Lloc", "Lb",
)  # fmt: skip


# --- analysis of the path (sections 3.6, 4.3 and Attachment 1) ----------------------------------------


@kernel
def path_zones(d, zone):
    """Zones of a profile: ``(omega, dtm, dlm)``.

    omega is the fraction over sea, dtm the longest continuous land section (coastal and inland) and dlm
    the longest continuous inland section, km. A zone changes half-way between two profile points.
    """
    n = d.size
    sea = 0.0
    dtm = dlm = 0.0
    land_from = inland_from = -1.0
    for i in range(n):
        lower = d[i] if i == 0 else 0.5 * (d[i - 1] + d[i])
        upper = d[i] if i == n - 1 else 0.5 * (d[i] + d[i + 1])
        if zone[i] == SEA:
            sea += upper - lower
            land_from = -1.0
        else:
            if land_from < 0.0:
                land_from = lower
            dtm = max(dtm, upper - land_from)
        if zone[i] == INLAND:
            if inland_from < 0.0:
                inland_from = lower
            dlm = max(dlm, upper - inland_from)
        else:
            inland_from = -1.0
    return sea / (d[n - 1] - d[0]), dtm, dlm


@kernel
def mid_path_latitude_deg(phi_t, lam_t, phi_r, lam_r, d_km):
    """Latitude of the path's centre (eq 4), degrees, from the terminals' and the path length."""
    ft, fr = math.radians(phi_t), math.radians(phi_r)
    dlam = math.radians(lam_r - lam_t)
    bearing = math.atan2(
        math.cos(fr) * math.sin(dlam),
        math.cos(ft) * math.sin(fr) - math.sin(ft) * math.cos(fr) * math.cos(dlam),
    )
    half = 0.5 * d_km / EARTH_RADIUS_KM
    s = math.sin(ft) * math.cos(half) + math.cos(ft) * math.sin(half) * math.cos(bearing)
    return math.degrees(math.asin(min(1.0, max(-1.0, s))))


@kernel
def profile_edge(d, g, hts, hrs, c, lam):
    """The one edge that stands for the actual path (section 4.3.1): ``(nu, distance, height, beyond)``.

    In line of sight it is the profile's point with the largest edge parameter; beyond the horizon the Bullington
    point, where the steepest rays from both ends meet. distance is from the transmitter, km; height above the chord
    of the effective Earth, m, ``c`` being 500/a_p in m/km^2. nu is -inf without points between the terminals.
    """
    n = d.size
    dtot = d[n - 1]
    s_tim = -np.inf
    for i in range(1, n - 1):
        s_tim = max(s_tim, (g[i] - hts) / d[i] - c * d[i])
    s_tim += c * dtot
    s_tr = (hrs - hts) / dtot
    if s_tim < s_tr:
        nu = -np.inf
        at = 0
        s = s_tr - c * dtot
        for i in range(1, n - 1):
            clearance = g[i] - c * d[i] * d[i] - hts - s * d[i]
            here = edge_parameter(clearance, dtot, d[i], lam)
            if here > nu:
                nu = here
                at = i
        return nu, d[at], g[at] + c * d[at] * (dtot - d[at]), False
    s_rim = -np.inf
    for i in range(1, n - 1):
        x = dtot - d[i]
        s_rim = max(s_rim, (g[i] - hrs) / x + c * d[i])
    d_bp = bullington_point_km(s_tim, s_rim, hts, hrs, dtot, d[1], d[n - 2])
    nu = bullington_point_nu(s_tim, s_rim, hts, hrs, dtot, lam, d[1], d[n - 2])
    return nu, d_bp, hts + s_tim * d_bp, True


@kernel
def profile_nu(d, g, hts, hrs, c, lam):
    """Edge parameter of the actual path: of the Bullington point, or the largest one in line of sight."""
    return profile_edge(d, g, hts, hrs, c, lam)[0]


@kernel
def smooth_nu(d, h_t, h_r, c, lam):
    """The same for the smooth path: no heights but the antennas' above the smooth surface."""
    n = d.size
    dtot = d[n - 1]
    s_tim = s_rim = -np.inf
    for i in range(1, n - 1):
        s_tim = max(s_tim, c * (dtot - d[i]) - h_t / d[i])
        s_rim = max(s_rim, c * d[i] - h_r / (dtot - d[i]))
    s_tr = (h_r - h_t) / dtot
    if s_tim < s_tr:
        nu = -np.inf
        for i in range(1, n - 1):
            x = dtot - d[i]
            clearance = c * d[i] * x - (h_t * x + h_r * d[i]) / dtot
            nu = max(nu, edge_parameter(clearance, dtot, d[i], lam))
        return nu
    return bullington_point_nu(s_tim, s_rim, h_t, h_r, dtot, lam, d[1], d[n - 2])


@kernel
def _smooth_nu(d, h_t, h_r, c, lam, alternative):
    if alternative:
        return alternative_smooth_nu(d[d.size - 1], h_t, h_r, 500.0 / c, lam)
    return smooth_nu(d, h_t, h_r, c, lam)


@kernel
def horizons(d, h, hts, hrs, ae, lam):
    """Horizons over bare ground h (Attachment 1, sections 4 and 5): ``(lt, lr, dlt, dlr, theta_t, theta_r, theta)``.

    lt, lr: indices of the transmitter's and the receiver's horizon; on a line-of-sight path both are the point
    with the largest diffraction parameter (eq 81), and -1 (half-way) where there is no point between.
    Distances km, angles mrad.
    """
    n = d.size
    dtot = d[n - 1]
    c = 500.0 / ae
    steepest = -np.inf
    lt = lr = -1
    for i in range(1, n - 1):
        slope = (h[i] - hts) / d[i] - c * d[i]
        if slope > steepest:
            steepest = slope
            lt = i
    direct = (hrs - hts) / dtot - c * dtot
    back = (hts - hrs) / dtot - c * dtot
    if steepest > direct:
        back = -np.inf
        for i in range(n - 2, 0, -1):
            x = dtot - d[i]
            slope = (h[i] - hrs) / x - c * x
            if slope > back:
                back = slope
                lr = i
    else:
        steepest = direct
        best = -np.inf
        lt = -1
        for i in range(1, n - 1):
            clearance = h[i] - c * d[i] * d[i] - hts - direct * d[i]
            nu = clearance / math.sqrt(d[i] * (dtot - d[i]))
            # of two equal points the first, whatever rounding makes of them
            if lt < 0 or nu > best + 1e-11 * abs(best):
                best = nu
                lt = lr = i
    dlt = d[lt] if lt > 0 else 0.5 * dtot
    dlr = dtot - (d[lr] if lr > 0 else 0.5 * dtot)
    theta_t, theta_r = elevation_mrad(steepest), elevation_mrad(back)
    return lt, lr, dlt, dlr, theta_t, theta_r, 1000.0 * dtot / ae + theta_t + theta_r


@kernel
def smooth_surface(d, h, hts, hrs):
    """The surface fitted to a profile (Attachment 1, section 5.6): ``(hst, hsr, hobs, alpha_obt, alpha_obr)``.

    hst, hsr: its heights under the terminals before any limit (eqs 83 to 86); hobs: the highest ground above the
    line between the antennas; alpha_obt, alpha_obr: the steepest angle of ground above that line seen from either
    end (eqs 87), m/km.
    """
    n = d.size
    dtot = d[n - 1]
    v1 = v2 = 0.0
    hobs = alpha_obt = alpha_obr = -np.inf
    s_tr = (hrs - hts) / dtot
    for i in range(1, n):
        step = d[i] - d[i - 1]
        v1 += step * (h[i] + h[i - 1])
        v2 += step * (h[i] * (2.0 * d[i] + d[i - 1]) + h[i - 1] * (d[i] + 2.0 * d[i - 1]))
        if i < n - 1:
            over = h[i] - hts - s_tr * d[i]
            hobs = max(hobs, over)
            alpha_obt = max(alpha_obt, over / d[i])
            alpha_obr = max(alpha_obr, over / (dtot - d[i]))
    hst, hsr = smooth_earth_fit(v1, v2, dtot)
    return hst, hsr, hobs, alpha_obt, alpha_obr


@kernel
def path_terms(
    d, h, clutter, zone, htg, hrg, f_ghz, p, phi, delta_n, n0, pol, dct, dcr, sigma_l, z_l, alternative, full
):
    """Every term of one path, in the order of ``TERMS``; the last is the basic transmission loss, dB.

    d, h, clutter: (n,) float64, km from the transmitter (d[0] = 0, increasing), m ground, m clutter height
    zone: (n,) 1 sea, 3 coastal, 4 inland
    htg, hrg: antenna heights above ground, m;  phi: latitude of the path's centre, deg
    dct, dcr: distances over land from the terminals to the coast, km (500 where there is none)
    sigma_l, z_l: location variability, dB, and its multiplier I(pL/100) (0 at 50 % of locations)
    alternative: the smooth path's Bullington loss by Attachment 4, without its profile points
    full: also the diffraction terms for beta_0 where the result does not need them (p = 50 %)
    """
    n = d.size
    dtot = d[n - 1]
    hts, hrs = h[0] + htg, h[n - 1] + hrg
    lam = wavelength_m(f_ghz)
    ae = effective_earth_radius_km(delta_n)
    g = h + clutter
    omega, dtm, dlm = path_zones(d, zone)
    tau = land_tau(dlm)
    log_b0 = log_beta_0(phi, dtm, tau)
    b0 = exp10(log_b0)
    lt, lr, dlt, dlr, theta_t, theta_r, theta = horizons(d, h, hts, hrs, ae, lam)

    hst_fit, hsr_fit, hobs, alpha_obt, alpha_obr = smooth_surface(d, h, hts, hrs)
    hstd, hsrd = diffraction_heights(hst_fit, hsr_fit, h[0], h[n - 1], hobs, alpha_obt, alpha_obr)
    hst, hsr = min(hst_fit, h[0]), min(hsr_fit, h[n - 1])
    hte, hre = hts - hst, hrs - hsr
    hm = -np.inf if lt > 0 else 0.0
    slope = (hsr - hst) / dtot
    if lt > 0:
        for i in range(lt, lr + 1):
            hm = max(hm, h[i] - hst - slope * d[i])

    lbfs = free_space_db(f_ghz, dtot, hts, hrs)
    lb0p = lbfs + multipath_db(dlt, dlr, p)
    lb0b = lbfs + multipath_db(dlt, dlr, b0)

    htc, hrc = hts - hstd, hrs - hsrd
    c = 500.0 / ae
    lbulla50 = bullington_db(profile_nu(d, g, hts, hrs, c, lam), dtot)
    lbulls50 = bullington_db(_smooth_nu(d, htc, hrc, c, lam, alternative), dtot)
    ldsph50 = spherical_earth_db(dtot, htc, hrc, ae, f_ghz, lam, omega, pol, omega > 0.0)
    ld50 = lbulla50 + max(ldsph50 - lbulls50, 0.0)
    lbulla = lbulls = ldsph = np.nan
    ldb = ldp = ld50
    if p < 50.0 or full:
        c = 500.0 / AB_KM
        lbulla = bullington_db(profile_nu(d, g, hts, hrs, c, lam), dtot)
        lbulls = bullington_db(_smooth_nu(d, htc, hrc, c, lam, alternative), dtot)
        ldsph = spherical_earth_db(dtot, htc, hrc, AB_KM, f_ghz, lam, omega, pol, omega > 0.0)
        ldb = lbulla + max(ldsph - lbulls, 0.0)
    fi = time_weight(p, b0)
    ldp = ld50 + (ldb - ld50) * fi
    lbd50 = lbfs + ld50
    lbd = lb0p + ldp

    lminb0p = least_loss_db(p, b0, fi, omega, lb0p, lb0b, lbd50, ldp)
    lba = ducting_db(
        f_ghz, p, dtot, dlt, dlr, theta_t, theta_r, hts, hrs, hte, hre, hm, ae, omega, tau, log_b0, dct, dcr
    )
    lminbap = smooth_minimum_db(lba, lb0p, 2.5)
    fj, fk = angular_weight(theta), distance_weight(dtot)
    lbda = ducting_diffraction_db(lbd, lba, lb0p, dtot)
    lbam = lbda + (lminb0p - lbda) * fj
    lbs = troposcatter_db(f_ghz, dtot, theta, n0, p)
    lbc = power_sum_db(lbs, lbam)
    lloc = -z_l * sigma_l
    lb = max(lb0p, lbc + lloc)
    return (
        dtot, dlt, dlr, theta_t, theta_r, theta, hts, hrs, omega, dtm, dlm, phi, b0,
        ae, AB_KM, hst_fit, hsr_fit, hobs, alpha_obt, alpha_obr, hst, hsr, hstd, hsrd, htc, hrc, hte, hre, hm,
        lbfs, lb0p, lb0b, lbulla50, lbulls50, ldsph50, ld50, lbulla, lbulls, ldsph, ldb, fi, ldp, lbd50, lbd,
        lminb0p, lba, lminbap, fj, fk, lbda, lbam, lbs, lbc, sigma_l, lloc, lb,
    )  # fmt: skip


@kernel
def path_loss(d, h, clutter, zone, htg, hrg, f_ghz, p, phi, delta_n, n0, pol, dct, dcr):
    """Basic transmission loss alone, at 50 % of locations, dB; arguments as in ``path_terms``."""
    return path_terms(
        d, h, clutter, zone, htg, hrg, f_ghz, p, phi, delta_n, n0, pol, dct, dcr, 0.0, 0.0, False, False
    )[-1]


# --- the public functions ---------------------------------------------------------------------------------


def basic_transmission_loss(
    distance_km,
    height_m,
    *,
    frequency_mhz: float,
    tx_height_m: float,
    rx_height_m: float,
    clutter_m=None,
    zone=None,
    time_percent: float = 50.0,
    location_percent: float = 50.0,
    polarization: str = "vertical",
    mid_latitude_deg: float = 41.0,
    delta_n: float = 45.0,
    n0: float = 325.0,
    tx_coast_km: float = NO_COAST_KM,
    rx_coast_km: float = NO_COAST_KM,
    pixel_m: float = 100.0,
    alternative_smooth_path: bool = False,
) -> tuple[dict[str, float], list[str]]:
    """Basic transmission loss of one path with every intermediate term, and warnings where the text only advises.

    distance_km: (n,) from the transmitter, starting at 0, increasing, n >= 2; height_m: (n,) ground
    clutter_m: (n,) representative clutter heights, or None for bare ground; the ends count as bare
    zone: (n,) 1 sea, 3 coastal land, 4 inland, or None for inland
    frequency_mhz: 30 to 6000; tx_height_m, rx_height_m: above ground, 1 to 3000
    time_percent: 1 to 50; location_percent: 1 to 99, within a square of ``pixel_m``
    mid_latitude_deg: of the path's centre (``mid_path_latitude_deg``)
    tx_coast_km, rx_coast_km: distances over land to the coast, 500 where there is none
    alternative_smooth_path: Bullington loss of the smooth path by Attachment 4 to Annex 1

    The keys of the first result are ``TERMS``: the Recommendation's symbols; ``Lb`` is the result. Symbols that the
    text uses twice: hst_fit, hsr_fit are eqs 85-86, hst, hsr the limited ones (eq 90); htc, hrc are eq 37; Lbulla,
    Lbulls, Ldsph are for beta_0, Lbulla50, ... for the median.

    Raises ValueError outside the stated validity or for a profile that is none.
    """
    d, h = (np.ascontiguousarray(v, dtype=np.float64) for v in (distance_km, height_m))
    r = np.zeros_like(d) if clutter_m is None else np.array(clutter_m, dtype=np.float64)
    z = np.full(d.size, INLAND, np.uint8) if zone is None else np.ascontiguousarray(zone, dtype=np.uint8)
    _check_profile(d, h, r, z)
    for name, value, low, high, unit in (
        ("frequency_mhz", frequency_mhz, 30.0, 6000.0, " MHz"),
        ("tx_height_m", tx_height_m, 1.0, 3000.0, " m"),
        ("rx_height_m", rx_height_m, 1.0, 3000.0, " m"),
        ("time_percent", time_percent, 1.0, 50.0, " %"),
        ("location_percent", location_percent, 1.0, 99.0, " %"),
        ("delta_n", delta_n, 1.0, 156.0, " N-units/km"),
        ("mid_latitude_deg", mid_latitude_deg, -90.0, 90.0, " degrees"),
    ):
        if not low <= value <= high:
            raise ValueError(f"{name} is {value:g}; P.1812 holds from {low:g} to {high:g}{unit}")
    if polarization not in ("horizontal", "vertical"):
        raise ValueError(f'polarization is "{polarization}"; give "horizontal" or "vertical"')
    sigma = location_variability_db(frequency_mhz / 1000.0, pixel_m, rx_height_m, r[-1])
    r[0] = r[-1] = 0.0
    terms = path_terms(
        d, h, r, z, tx_height_m, rx_height_m, frequency_mhz / 1000.0, time_percent, mid_latitude_deg, delta_n, n0,
        VERTICAL if polarization == "vertical" else HORIZONTAL, tx_coast_km, rx_coast_km,
        sigma, inverse_normal(location_percent / 100.0), alternative_smooth_path, True,
    )  # fmt: skip
    warnings = []
    if not 0.25 <= d[-1] <= 3000.0:
        warnings.append(f"the path is {d[-1]:g} km long; P.1812 is intended for 0.25 to 3000 km")
    return dict(zip(TERMS, terms, strict=True)), warnings


def _check_profile(d, h, r, z):
    if d.ndim != 1 or d.size < 2 or not d.size == h.size == r.size == z.size:
        raise ValueError("a profile needs at least two points, with as many heights, clutter heights and zones")
    for name, values in (("distance_km", d), ("height_m", h), ("clutter_m", r)):
        if not np.isfinite(values).all():
            at = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ValueError(f"{name} of point {at + 1} is not a number; fill voids first")
    check_distances(d)
    if (r < 0.0).any():
        raise ValueError("clutter_m has a negative height")
    if not np.isin(z, (1, 3, 4)).all():
        raise ValueError("zone must be 1 (sea), 3 (coastal land) or 4 (inland)")


def check_distances(d):
    """ValueError unless the distances of a profile start at 0 and increase."""
    if d[0] != 0.0:
        raise ValueError(f"the profile starts at {d[0]:g} km; it must start at 0, at the transmitter")
    if not (np.diff(d) > 0.0).all():
        at = int(np.flatnonzero(~(np.diff(d) > 0.0))[0]) + 2
        raise ValueError(f"distance_km of point {at} is not beyond the point before it")
