"""Recommendation ITU-R P.1812-8: the equations of sections 3.6 to 4.9, one function each.

The order and the symbols follow the Recommendation, so that the file can be read beside it. They are pure
arithmetic without branches on data, for a compiler to vectorise; ``p1812`` analyses a path and puts them together,
``sweep`` does so for a whole radial. Troposcatter is the formula of P.1812-6, which -8 keeps.

Units: distances km, heights m above mean sea level, frequency GHz, angles mrad, losses dB.
"""

import math

from .fastmath import LOG2_E, asin, atan, exp, exp2, exp10, inlined, log2, log10, power, small_sin, tanh

EARTH_RADIUS_KM = 6371.0
NO_COAST_KM = 500.0  # "far from any coast" for d_ct and d_cr
HORIZONTAL, VERTICAL = 0, 1
LOG10_E = 0.4342944819032518
LOG10_4_17 = math.log10(4.17)  # of eq 5 beyond 70 degrees of latitude
SEA, COASTAL, INLAND = 1, 3, 4
LAND_EPS_R, LAND_SIGMA = 22.0, 0.003  # relative permittivity, conductivity in S/m (section 4.3.3)
SEA_EPS_R, SEA_SIGMA = 80.0, 5.0

# --- section 3.7: effective Earth radius; 3.6: the time percentage of ducting ------------------------

AB_KM = 3.0 * EARTH_RADIUS_KM  # eq 7b: exceeded for beta_0 of the time


@inlined
def wavelength_m(f_ghz):
    return 0.2998 / f_ghz


@inlined
def effective_earth_radius_km(delta_n):
    """Median effective Earth radius a_e (eq 7a), km."""
    return EARTH_RADIUS_KM * 157.0 / (157.0 - delta_n)


@inlined
def land_tau(dlm_km):
    """tau of eq 3a and of the ducting model, from the longest inland section."""
    return 1.0 - exp(-4.12e-4 * power(max(dlm_km, 1e-9), 2.41))


@inlined
def log_beta_0(phi_deg, dtm_km, tau):
    """log10 of b0, the time percentage of anomalous propagation over the path (eqs 2 to 5)."""
    mu_1 = exp10(-dtm_km / (16.0 - 6.6 * tau)) + exp10(-5.0 * (0.496 + 0.354 * tau))
    log_mu_1 = min(0.2 * log10(mu_1), 0.0)
    phi = abs(phi_deg)
    near_pole = phi > 70.0
    log_mu_4 = log_mu_1 * (0.3 if near_pole else -0.935 + 0.0176 * phi)
    return (LOG10_4_17 if near_pole else -0.015 * phi + 1.67) + log_mu_1 + log_mu_4


@inlined
def inverse_normal(x):
    """I(x), inverse complementary cumulative normal by the approximation of Attachment 2 to Annex 1."""
    tail = x if x <= 0.5 else 1.0 - x
    t = math.sqrt(-2.0 / LOG2_E * log2(max(tail, 1e-6)))
    xi = ((0.010328 * t + 0.802853) * t + 2.515516698) / (
        ((0.001308 * t + 0.189269) * t + 1.432788) * t + 1.0
    )
    return t - xi if x <= 0.5 else xi - t


# --- section 4.2: line of sight -------------------------------------------------------------------------


@inlined
def free_space_db(f_ghz, d_km, hts, hrs):
    """Lbfs (eq 8) over the slant distance, never under one metre."""
    dh = 0.001 * (hts - hrs)
    return 92.4 + 20.0 * log10(f_ghz) + 10.0 * log10(max(d_km * d_km + dh * dh, 1e-6))


@inlined
def multipath_db(dlt, dlr, p):
    """Esp, focusing and multipath not exceeded for p % (eqs 9a, 9b); 0 at 50 %."""
    return 2.6 * (1.0 - exp(-0.1 * (dlt + dlr))) * log10(p / 50.0)


# --- section 4.3: diffraction (delta-Bullington) --------------------------------------------------------


@inlined
def knife_edge_db(nu):
    """J(nu) (eq 12), 0 for nu <= -0.78."""
    v = max(nu, -0.78) - 0.1
    loss = 6.9 + 20.0 * log10(math.sqrt(v * v + 1.0) + v)
    return loss if nu > -0.78 else 0.0


@inlined
def edge_parameter(excess, d_km, d1, lam):
    """nu of an edge ``excess`` m above the line between the antennas, d1 of d_km along the path (P.526 eq 26)."""
    return excess * math.sqrt(0.002 * d_km / (lam * d1 * (d_km - d1)))


@inlined
def bullington_db(nu, d_km):
    """Bullington loss of a path of d_km whose edge parameter is nu (eqs 16 to 21)."""
    luc = knife_edge_db(nu)
    return luc + (1.0 - exp(luc * (-1.0 / 6.0))) * (10.0 + 0.02 * d_km)


@inlined
def bullington_point_km(s_tim, s_rim, hts, hrs, d_km, d_first, d_last):
    """Distance to the Bullington point (eq 18) from the steepest slopes at both ends, m/km.

    The point lies between the two edges that set the slopes, so inside ``[d_first, d_last]``; on a path that
    just grazes its edge both slopes describe the same line and rounding alone would decide, hence the limits.
    """
    d_bp = (hrs - hts + s_rim * d_km) / (s_tim + s_rim)
    d_bp = d_bp if d_bp >= d_first else d_first
    return d_bp if d_bp <= d_last else d_last


@inlined
def bullington_point_nu(s_tim, s_rim, hts, hrs, d_km, lam, d_first, d_last):
    """nu_b of the Bullington point (eqs 18 to 20)."""
    d_bp = bullington_point_km(s_tim, s_rim, hts, hrs, d_km, d_first, d_last)
    excess = hts + s_tim * d_bp - (hts * (d_km - d_bp) + hrs * d_bp) / d_km
    return edge_parameter(excess, d_km, d_bp, lam)


@inlined
def first_term_db(d_km, hte, hre, a_km, f_ghz, eps_r, sigma, pol):
    """First-term spherical-Earth loss over one kind of ground (eqs 28 to 35)."""
    loss_factor = 18.0 * sigma / f_ghz
    k_ground = 0.036 * power((eps_r - 1.0) ** 2 + loss_factor**2, -0.25)
    if pol == VERTICAL:
        k_ground *= math.sqrt(eps_r**2 + loss_factor**2)
    # the cube root of f^2/a gives every power of a that the equations need
    root = exp2((2.0 * log2(f_ghz) - log2(a_km)) * (1.0 / 3.0))
    k = k_ground * root / f_ghz
    k2 = k * k
    beta = (1.0 + 1.6 * k2 + 0.67 * k2 * k2) / (1.0 + 4.5 * k2 + 1.53 * k2 * k2)
    x = 21.88 * beta * root * root / f_ghz * d_km
    log_x = log10(x)
    fx = 11.0 + 10.0 * log_x - 17.6 * x if x >= 1.6 else -20.0 * log_x - 5.6488 * exp10(1.425 * log_x)
    floor = 2.0 + 20.0 * log10(k)
    gain = beta * 0.9575 * beta * root
    return -fx - _height_gain(gain * hte, floor) - _height_gain(gain * hre, floor)


@inlined
def _height_gain(b, floor):
    """G(Y) of eqs 35, 35a, with B = beta Y."""
    far = b > 2.0
    log_b = log10(b - 1.1 if far else max(b + 0.1 * b * b * b, 1e-30))
    g = 17.6 * math.sqrt(b - 1.1 if far else 0.0) - 5.0 * log_b - 8.0 if far else 20.0 * log_b
    return max(g, floor)


@inlined
def _least_clearance(d_km, hte, hre, a_km):
    """``(d1, d2, h_se)``: place and height of the least clearance over a smooth Earth (eqs 23, 24)."""
    total = max(hte + hre, 1e-9)
    c = (hte - hre) / total
    m = 250.0 * d_km * d_km / (a_km * total)
    arg = min(1.0, max(-1.0, 1.5 * c * math.sqrt(3.0 * m / ((m + 1.0) * (m + 1.0) * (m + 1.0)))))
    # cos(pi/3 + acos(x)/3) = sin(asin(x)/3)
    b = 2.0 * math.sqrt((m + 1.0) / (3.0 * m)) * small_sin(asin(arg) * (1.0 / 3.0))
    d1 = 0.5 * d_km * (1.0 + b)
    d2 = d_km - d1
    return d1, d2, ((hte - 500.0 * d1 * d1 / a_km) * d2 + (hre - 500.0 * d2 * d2 / a_km) * d1) / d_km


@inlined
def alternative_smooth_nu(d_km, hte, hre, a_km, lam):
    """Edge parameter of the smooth path without its profile points (Attachment 4 to Annex 1)."""
    d1, d2, h_se = _least_clearance(d_km, hte, hre, a_km)
    in_sight = -h_se * math.sqrt(0.002 * d_km / (lam * max(d1 * d2, 1e-12)))
    c = 500.0 / a_km
    s_tim = c * d_km - 2.0 * math.sqrt(c * hte)
    s_rim = c * d_km - 2.0 * math.sqrt(c * hre)
    edge = 1e-9 * d_km
    over_horizon = bullington_point_nu(s_tim, s_rim, hte, hre, d_km, lam, edge, d_km - edge)
    return over_horizon if d_km >= math.sqrt(0.002 * a_km) * (math.sqrt(hte) + math.sqrt(hre)) else in_sight


@inlined
def smooth_path(d_km, hte, hre, a_km, lam):
    """Clearance of a path over a smooth Earth (section 4.3.2, eqs 22 to 26): ``(beyond, a_eff, share)``.

    beyond the horizon the first term holds with a_eff = a_km; within it, with the radius a_eff that would just
    touch the path (eq 27) and multiplied by share, which is negative where the path is clear.
    """
    roots = math.sqrt(hte) + math.sqrt(hre)
    beyond = d_km >= math.sqrt(0.002 * a_km) * roots
    d1, d2, h_se = _least_clearance(d_km, hte, hre, a_km)
    h_req = 17.456 * math.sqrt(max(d1 * d2 * lam / d_km, 1e-12))
    per_root = d_km / max(roots, 1e-9)
    a_eff = a_km if beyond else 500.0 * per_root * per_root
    return beyond, a_eff, 1.0 - h_se / h_req


@inlined
def _limited_db(loss, beyond, share):
    """The first term as it counts: in full beyond the horizon, else by its share and never a gain."""
    visible = max(share * max(loss, 0.0), 0.0)
    return loss if beyond else visible


@inlined
def spherical_earth_ground_db(d_km, hte, hre, a_km, f_ghz, lam, eps_r, sigma, pol):
    """Spherical-Earth diffraction loss over one kind of ground (P.526 section 3.2)."""
    beyond, a_eff, share = smooth_path(d_km, hte, hre, a_km, lam)
    return _limited_db(first_term_db(d_km, hte, hre, a_eff, f_ghz, eps_r, sigma, pol), beyond, share)


@inlined
def spherical_earth_db(d_km, hte, hre, a_km, f_ghz, lam, omega, pol, mixed):
    """Spherical-Earth diffraction loss Ldsph (section 4.3.2, eqs 22 to 27, 36).

    ``mixed`` False says that the path has no sea, so that the sea term need not be evaluated.
    """
    beyond, a_eff, share = smooth_path(d_km, hte, hre, a_km, lam)
    loss = first_term_db(d_km, hte, hre, a_eff, f_ghz, LAND_EPS_R, LAND_SIGMA, pol)
    if mixed:
        sea = first_term_db(d_km, hte, hre, a_eff, f_ghz, SEA_EPS_R, SEA_SIGMA, pol)
        loss = (1.0 - omega) * loss + omega * sea
    return _limited_db(loss, beyond, share)


# --- section 4.4: troposcatter; 4.5: ducting --------------------------------------------------------


@inlined
def troposcatter_db(f_ghz, d_km, theta, n0, p):
    """Lbs (eqs 44, 45)."""
    log_half_f = log10(0.5 * f_ghz)
    frequency = 190.1 + 25.0 * log10(f_ghz) - 2.5 * log_half_f * log_half_f
    time = 10.125 * power(max(log10(50.0 / p), 1e-30), 0.7)
    return frequency + 20.0 * log10(d_km) + 0.573 * theta - 0.15 * n0 - time


@inlined
def _site_shielding_db(theta, dl, f_ghz):
    """Ast or Asr (eq 48)."""
    excess = max(theta - 0.1 * dl, 0.0)
    return 20.0 * log10(1.0 + 0.361 * excess * math.sqrt(f_ghz * dl)) + 0.264 * excess * power(
        f_ghz, 1.0 / 3.0
    )


@inlined
def _over_sea_coupling_db(dc, dl, hs, omega):
    """Act or Acr (eq 49)."""
    gain = -3.0 * exp(-0.25 * dc * dc) * (1.0 + tanh(0.07 * (50.0 - hs)))
    # three quarters exactly must not hang on how the sections were added up
    return gain if omega >= 0.75 - 1e-9 and dc <= dl + 1e-9 and dc <= 5.0 + 1e-9 else 0.0


@inlined
def ducting_frequency_db(f_ghz):
    """Alf, the empirical correction of eq 47a below 0.5 GHz."""
    return 45.375 - 137.0 * f_ghz + 92.5 * f_ghz * f_ghz if f_ghz < 0.5 else 0.0


@inlined
def ducting_angle_db(d_km, dlt, dlr, theta_t, theta_r, f_ghz, ae):
    """gamma_d times the angular distance of the ducting model (eqs 50 to 52)."""
    theta_a = 1000.0 * d_km / ae + min(theta_t, 0.1 * dlt) + min(theta_r, 0.1 * dlr)
    return 5e-5 * ae * power(f_ghz, 1.0 / 3.0) * theta_a


@inlined
def ducting_time_db(d_km, p, log_beta):
    """A(p) of the ducting model from log10 of beta (eqs 53, 53a)."""
    gamma = (
        1.076
        / power(2.0058 - log_beta, 1.012)
        * exp(-(9.51 - 4.8 * log_beta + 0.198 * log_beta * log_beta) * 1e-6 * power(d_km, 1.13))
    )
    log_ratio = log10(p) - log_beta
    return -12.0 + (1.2 + 3.7e-3 * d_km) * log_ratio + 12.0 * exp10(log_ratio * gamma)


@inlined
def ducting_db(f_ghz, p, d_km, dlt, dlr, theta_t, theta_r, hts, hrs, hte, hre, hm, ae, omega, tau, log_b0, dct, dcr):
    """Lba, ducting and layer reflection (section 4.5, eqs 46 to 56); tau from ``land_tau``, log_b0 ``log_beta_0``."""
    af = (
        102.45
        + 20.0 * log10(f_ghz)
        + 20.0 * log10(dlt + dlr)
        + ducting_frequency_db(f_ghz)
        + _site_shielding_db(theta_t, dlt, f_ghz)
        + _site_shielding_db(theta_r, dlr, f_ghz)
        + _over_sea_coupling_db(dct, dlt, hts, omega)
        + _over_sea_coupling_db(dcr, dlr, hrs, omega)
    )
    d_i = min(d_km - dlt - dlr, 40.0)
    log_mu_3 = -4.6e-5 * max(hm - 10.0, 0.0) * (43.0 + 6.0 * d_i) * LOG10_E
    alpha = max(-0.6 - 3.5e-9 * power(d_km, 3.1) * tau, -3.4)
    per_root = d_km / max(math.sqrt(hte) + math.sqrt(hre), 1e-9)
    log_mu_2 = min(alpha * log10(500.0 / ae * per_root * per_root), 0.0)
    log_beta = log_b0 + log_mu_2 + log_mu_3
    angle = ducting_angle_db(d_km, dlt, dlr, theta_t, theta_r, f_ghz, ae)
    return af + angle + ducting_time_db(d_km, p, log_beta)


# --- section 4.6: combination -----------------------------------------------------------------------


@inlined
def time_weight(p, b0):
    """Fi (eq 40): 0 at the median, 1 at and below beta_0."""
    weight = inverse_normal(0.01 * p) / inverse_normal(0.01 * b0)
    return 0.0 if p >= 50.0 else (weight if p > b0 else 1.0)


@inlined
def least_loss_db(p, b0, fi, omega, lb0p, lb0b, lbd50, ldp):
    """Lminb0p, notional least loss of line of sight and over-sea sub-path diffraction (eq 59)."""
    over_sea = (1.0 - omega) * ldp
    return lb0p + over_sea if p < b0 else lbd50 + (lb0b + over_sea - lbd50) * fi


@inlined
def angular_weight(theta):
    """Fj (eq 57)."""
    return 1.0 - 0.5 * (1.0 + tanh(2.4 * (theta - 0.3) / 0.3))


@inlined
def distance_weight(d_km):
    """Fk (eq 58)."""
    return 1.0 - 0.5 * (1.0 + tanh(1.5 * (d_km - 20.0) / 20.0))


@inlined
def smooth_minimum_db(a, b, eta):
    """eta ln(exp(a/eta) + exp(b/eta)) without overflow (eq 60)."""
    low, high = min(a, b), max(a, b)
    return high + eta / LOG2_E * log2(1.0 + exp((low - high) / eta))


@inlined
def ducting_diffraction_db(lbd, lba, lb0p, d_km):
    """Lbda (eqs 60, 61): ducting and diffraction combined."""
    lminbap = smooth_minimum_db(lba, lb0p, 2.5)
    return lbd if lminbap > lbd else lminbap + (lbd - lminbap) * distance_weight(d_km)


@inlined
def power_sum_db(lbs, lbam):
    """Lbc = -5 log(10^(-0.2 Lbs) + 10^(-0.2 Lbam)) (eq 63)."""
    low, gap = min(lbs, lbam), abs(lbs - lbam)
    return low - 5.0 * log10(1.0 + exp10(-0.2 * gap))


@inlined
def location_variability_db(f_ghz, pixel_m, rx_height_m, clutter_m):
    """sigma_L within a square of side ``pixel_m``, reduced for antennas above the clutter (section 4.7)."""
    u = min(1.0, max(0.0, 1.0 - (rx_height_m - clutter_m) / 10.0))
    return (0.024 * f_ghz + 0.52) * power(pixel_m, 0.28) * u


@inlined
def elevation_mrad(slope):
    """Elevation angle of a slope in m/km."""
    return 1000.0 * atan(0.001 * slope)


@inlined
def smooth_earth_fit(v1, v2, dtot):
    """hst, hsr: the ends of the least-squares surface (eqs 85, 86) from its two sums (eqs 83, 84)."""
    return (2.0 * v1 * dtot - v2) / (dtot * dtot), (v2 - v1 * dtot) / (dtot * dtot)


@inlined
def diffraction_heights(hst, hsr, h0, hn, hobs, alpha_obt, alpha_obr):
    """hstd, hsrd: smooth-surface heights under the antennas for diffraction (eqs 88, 89)."""
    if hobs > 0.0:
        share = hobs / (alpha_obt + alpha_obr)
        hst -= share * alpha_obt
        hsr -= share * alpha_obr
    return min(hst, h0), min(hsr, hn)
